//! Odd fits as a process: each is an error that names what is wrong, or a report, soon and in little memory.
#![cfg(all(feature = "cli", target_os = "linux"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const LINE: &str = "(parameter a 1) (parameter b 0) (+ (* a x) b)";
const STEP: &str = "(parameter c 2) (if (< x c) 1 5)";
const NORMAL: &str = "(parameter a 1 0.001 10) (parameter b 1) (list (* b x) a)";

/// Tables that the fits read.
fn tables() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("odd-fits");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in [
        ("none", "x,y\n"),
        ("one", "x,y\n1,2\n"),
        ("four", "x,y\n1,2\n2,4\n3,6.1\n4,7.9\n"),
        ("flat", "x,y\n1,5\n2,5\n3,5\n4,5\n"),
        ("zero", "x,y,s\n1,2,0\n2,4,1\n3,6,1\n"),
        ("negative", "x,y,s\n1,2,-1\n2,4,1\n3,6,1\n"),
        ("nan", "x,y,s\n1,2,nan\n2,4,1\n3,6,1\n"),
        ("twice", "x,x,y\n1,1,2\n2,2,4\n"),
        ("infinite", "x,y\n1,inf\n2,4\n3,6\n"),
    ] {
        std::fs::write(folder.join(format!("{name}.csv")), text).unwrap();
    }
    folder
}

/// Runs a fit within 600 MB; what it says, and whether it fails.
fn fit(folder: &Path, source: &str, table: &str, rest: &str) -> (bool, String) {
    let began = Instant::now();
    let program = env!("CARGO_BIN_EXE_ncg");
    let mut command = Command::new("sh");
    command
        .current_dir(folder)
        .args([
            "-c",
            "ulimit -d 600000; exec \"$0\" \"$@\"",
            program,
            "fit",
            "-e",
            source,
        ])
        .args(["--data", &format!("{table}.csv"), "--engine", "native"])
        .args(rest.split_whitespace())
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let spent = began.elapsed().as_secs_f64();
    assert!(spent < 30.0, "{source} on {table} with {rest}: {spent} s");
    assert!(
        output.status.code().is_some(),
        "{source} with {rest}: {text}"
    );
    (output.status.success(), text)
}

#[test]
fn what_cannot_be_fitted_is_said() {
    let folder = tables();
    for (source, table, rest, says) in [
        (LINE, "none", "--target y", "no rows"),
        (LINE, "four", "--target y --parameter a=inf", "finite INIT"),
        (LINE, "four", "--target y --parameter a=nan", "finite INIT"),
        (
            LINE,
            "four",
            "--target y --parameter a=1e308",
            "inf at the initial values",
        ),
        (
            LINE,
            "four",
            "--target y --parameter a=1:2:0",
            "between LOWER and UPPER",
        ),
        (
            LINE,
            "four",
            "--target y --parameter a=1 --parameter a=2",
            "given two values",
        ),
        (
            LINE,
            "four",
            "--target y --fix a --fix b",
            "no parameter is left to fit",
        ),
        (
            "(parameter a 1) (parameter a 2) (* a x)",
            "four",
            "--target y",
            "declared twice",
        ),
        (LINE, "zero", "--target y --sigma s", "must be positive"),
        (LINE, "negative", "--target y --sigma s", "must be positive"),
        (LINE, "nan", "--target y --sigma s", "line 2"),
        (LINE, "four", "--target y --sigma 0", "must be positive"),
        (LINE, "twice", "--target y", "two columns"),
        (LINE, "infinite", "--target y", "line 2"),
        (
            LINE,
            "four",
            "--target y --set max_seconds=-1",
            "at least 0",
        ),
        (
            LINE,
            "four",
            "--target y --set max_seconds=nan",
            "at least 0",
        ),
        (
            LINE,
            "four",
            "--target y --set starts=1000000000",
            "too many",
        ),
        (LINE, "four", "--target y --set starts=0", "at least 1"),
        (
            LINE,
            "four",
            "--target y --set confidence=1",
            "between 0 and 1",
        ),
        (
            LINE,
            "four",
            "--target y --set smoothing=1",
            "no comparison",
        ),
        (
            LINE,
            "four",
            "--target y --tie a=b --tie b=a",
            "does not follow another",
        ),
        (
            LINE,
            "four",
            "--target y --prior a=1:0 --sigma 1",
            "positive SD",
        ),
        (
            LINE,
            "four",
            "--target y --transform a=log --parameter a=-1",
            "positive initial",
        ),
        (LINE, "four", "--target y --target y", "2 target columns"),
        (
            LINE,
            "four",
            "--target y --set loss=value",
            "0 target columns",
        ),
        ("(* 2 x)", "four", "--target y", "no parameter to fit"),
        (
            "(parameter a 1) (sqrt (- (* a x) 100))",
            "four",
            "--target y --set starts=50",
            "sqrt of -99",
        ),
    ] {
        let (done, text) = fit(&folder, source, table, rest);
        assert!(
            !done && text.contains(says),
            "{source} on {table} with {rest}: {text}"
        );
    }
}

#[test]
fn what_can_be_fitted_ends_with_a_report() {
    let folder = tables();
    for (source, table, rest, says) in [
        (LINE, "one", "--target y", "undetermined"),
        (
            LINE,
            "flat",
            "--target y --profile",
            "degrees of freedom  2",
        ),
        (LINE, "four", "--target x", "R²                  1"),
        (
            LINE,
            "four",
            "--target y --parameter a=1:1:1",
            "at lower bound 1",
        ),
        (LINE, "four", "--target y --set max_seconds=0", "max_time"),
        (
            LINE,
            "four",
            "--target y --profile --set max_seconds=1e-9",
            "max_time",
        ),
        (
            LINE,
            "four",
            "--target y --set max_evaluations=1",
            "max_evaluations",
        ),
        (
            LINE,
            "four",
            "--target y --set starts=1000000 --set max_seconds=0.3",
            "starts",
        ),
        (
            LINE,
            "four",
            "--target y --set hops=1000000000 --set max_seconds=0.3",
            "max_time",
        ),
        (
            LINE,
            "four",
            "--target y --set starts=30 --set refine=1000000000",
            "30 starts",
        ),
        (LINE, "four", "--target y --set window=1", "converged"),
        (
            LINE,
            "four",
            "--target y --set loss=poisson --set optimizer=adam",
            "kind of loss",
        ),
        (
            "(parameter a 1) (* 0 a x)",
            "four",
            "--target y --profile",
            "no effect",
        ),
        (
            STEP,
            "four",
            "--target y --set smoothing=1 --profile",
            "smoothed",
        ),
        (
            NORMAL,
            "flat",
            "--target y --set loss=gaussian --profile",
            "profile likelihood",
        ),
        (
            "(parameter a 1) (- (* a x))",
            "four",
            "--set loss=value --set max_seconds=2",
            "loss ",
        ),
    ] {
        let (done, text) = fit(&folder, source, table, rest);
        assert!(
            done && text.contains(says),
            "{source} on {table} with {rest}: {text}"
        );
    }
}
