//! The same fit from the shell, from C and from Fortran: equal digits, all seventeen, of every parameter and its standard error.
#![cfg(target_os = "linux")]

mod toolchain;

use std::path::Path;
use std::process::Command;

use toolchain::{have, linked, run, temporary};

const PROBLEMS: [&str; 9] = [
    "misra1a", "chwirut2", "danwood", "gauss1", "misra1d", "kirby2", "hahn1", "mgh17", "rat42",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the command prints as JSON, as the programs print it.
fn shell(model: &Path, data: &Path) -> String {
    let out = run(Command::new(env!("CARGO_BIN_EXE_ncg"))
        .args([
            "fit", "--engine", "native", "--target", "y", "--json", "--data",
        ])
        .args([data, model]));
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let parameters = report["parameters"].as_object().unwrap();
    let line = |(name, of): (&String, &serde_json::Value)| {
        let [value, error] = ["value", "std_error"].map(|key| digits(of[key].as_f64().unwrap()));
        format!("{name} {value} {error}\n")
    };
    parameters.iter().map(line).collect()
}

/// A number as C prints it with `%.16e`.
fn digits(x: f64) -> String {
    let text = format!("{x:.16e}");
    let (mantissa, exponent) = text.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Lines of words, between which programs put spaces as they like.
fn words(text: &str) -> String {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    text.lines().map(line).collect()
}

#[test]
fn shell_c_and_fortran_print_the_same_digits() {
    let folder = temporary("fit-digits");
    let mut programs = Vec::new();
    if have("cc") {
        let mut command = Command::new("cc");
        command
            .args([
                "-std=c99",
                "-pedantic",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-O1",
                "-I",
            ])
            .arg(root().join("include"))
            .arg(root().join("tests/capi/digits.c"))
            .args(["-lm", "-o"])
            .arg(folder.join("c"));
        if let Some(command) = linked(&mut command, &folder) {
            run(command);
            programs.push("c");
        }
    }
    if have("gfortran") {
        let own = temporary("fit-digits-fortran");
        let mut command = Command::new("gfortran");
        command
            .current_dir(&own)
            .args(["-std=f2018", "-O1"])
            .arg(root().join("bindings/fortran/ncg.f90"))
            .arg(root().join("tests/fortran/digits.f90"))
            .arg("-o")
            .arg(folder.join("fortran"));
        if let Some(command) = linked(&mut command, &own) {
            run(command);
            programs.push("fortran");
        }
    }
    for problem in PROBLEMS {
        let model = root().join(format!("examples/models/{problem}.scm"));
        let data = root().join(format!("examples/data/{problem}.csv"));
        let wanted = shell(&model, &data);
        assert!(wanted.lines().count() >= 2, "{wanted}");
        for program in &programs {
            let out = run(Command::new(folder.join(program)).args([&model, &data]));
            assert_eq!(words(&out).to_lowercase(), wanted, "{problem} in {program}");
        }
    }
}
