//! The C ABI from C: a program that does everything wrong.
//!
//! It is built with the compiler on the path against the shared library that cargo has built with this test.

mod toolchain;

use std::path::{Path, PathBuf};
use std::process::Command;

use toolchain::{have, library, run, skip, temporary};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder with links to the library, under the name that programs are linked with and the one that they load.
fn workshop(name: &str) -> Option<PathBuf> {
    let library = library()?;
    let directory = temporary(name);
    for link in ["libncg.so", "libncg.so.0"] {
        std::os::unix::fs::symlink(&library, directory.join(link)).unwrap();
    }
    Some(directory)
}

/// The command that compiles and links `sources` to `program` in the workshop.
fn compiler(compiler: &str, workshop: &Path, program: &str, sources: &[&str]) -> Command {
    let mut command = Command::new(compiler);
    command
        .current_dir(workshop)
        .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror"]);
    command.args(sources.iter().map(|source| root().join(source)));
    command
        .arg("-o")
        .arg(program)
        .arg("-L")
        .arg(workshop)
        .arg("-lncg");
    command.arg(format!("-Wl,-rpath,{}", workshop.display()));
    command
}

fn c(workshop: &Path, program: &str, source: &str) {
    let include = root().join("include");
    run(compiler("cc", workshop, program, &[source])
        .args(["-std=c99", "-pedantic", "-pthread", "-lm", "-I"])
        .arg(include));
}

/// The engines that run here.
fn engines() -> Vec<&'static str> {
    match ncg::engine::ort::probe(None) {
        Ok(_) => vec!["native", "onnxruntime"],
        Err(error) => {
            skip(&format!("there is no ONNX Runtime: {}", error.message));
            vec!["native"]
        }
    }
}

<<<<<<< HEAD
=======
/// The model as a `.ncg` and an `.onnx` file.
fn models(workshop: &Path) -> [PathBuf; 2] {
    let model = Model::compile(MODEL, &Options::new()).unwrap();
    let paths = [workshop.join("force.ncg"), workshop.join("force.onnx")];
    document::save(&model, &paths[0]).unwrap();
    let bytes = onnx::write(&model, &Options::new()).unwrap();
    std::fs::write(&paths[1], bytes).unwrap();
    paths
}

/// The example has printed these lines.
fn check_output(output: &str, expected: &[&str]) {
    for line in expected {
        assert!(
            output.lines().any(|other| other.trim() == *line),
            "{line:?} is not in\n{output}"
        );
    }
}

/// At particle 7: r = 0.85, q = 1, k = 2.5, a = 0.75.
fn gradient_lines() -> Vec<String> {
    let e = (-0.75f64 * 0.85).exp();
    let number = |x: f64| format!("{x:.12}");
    vec![
        format!("force {}", number(2.5 * e)),
        format!("dforce/dr {}", number(-0.75 * 2.5 * e)),
    ]
}

#[test]
fn c_example_fits_on_every_engine() {
    let Some(workshop) = workshop("c_example") else {
        return;
    };
    if !have("cc") {
        return;
    }
    c(&workshop, "fit", "examples/c/fit.c");
    for model in models(&workshop) {
        for engine in engines() {
            let output = run(Command::new(workshop.join("fit")).arg(&model).arg(engine));
            assert!(output.starts_with(&format!("engine {engine} ")), "{output}");
            check_output(
                &output,
                &[
                    "parameter k = 1",
                    "largest deviation below 1e-14",
                    "converged yes",
                    "k 2.500000000",
                    "a 0.750000000",
                    "loss below 1e-20",
                    "callback called",
                    "baked k 2.500000000",
                ],
            );
            let lines = gradient_lines();
            check_output(
                &output,
                &lines.iter().map(String::as_str).collect::<Vec<_>>(),
            );
        }
    }
}

#[test]
fn c_example_trains_a_network_inside_a_model() {
    let Some(workshop) = workshop("c_hybrid") else {
        return;
    };
    if !have("cc") {
        return;
    }
    c(&workshop, "hybrid", "examples/c/hybrid.c");
    let output = run(Command::new(workshop.join("hybrid")).arg(root().join("examples/hybrid")));
    check_output(
        &output,
        &["20 parameters, k = 9.0", "friction found within 0.1"],
    );
}

#[test]
fn c_example_says_what_is_wrong() {
    let Some(workshop) = workshop("c_example_errors") else {
        return;
    };
    if !have("cc") {
        return;
    }
    c(&workshop, "fit", "examples/c/fit.c");
    let model = workshop.join("wrong.scm");
    std::fs::write(&model, "(define (foo x) x)\n(* 2 (fooo 1))\n").unwrap();
    let output = Command::new(workshop.join("fit")).arg(&model).output();
    let output = output.unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in [
        "NCG_ERR_COMPILE: ",
        "wrong.scm: ",
        "\"foo\"",
        " --> line 2, column 7\n",
        "2 | (* 2 (fooo 1))\n",
    ] {
        assert!(message.contains(part), "{part:?} is not in\n{message}");
    }
}

>>>>>>> w-hybrid
/// Bad reads, writes and leaks. Not undefined values: rustc tests the fields of an enum's other variants before it knows the
/// variant, and throws the answer away.
const VALGRIND: &[&str] = &[
    "valgrind",
    "--quiet",
    "--error-exitcode=99",
    "--undef-value-errors=no",
    "--leak-check=full",
    "--show-leak-kinds=definite",
    "--errors-for-leak-kinds=definite",
];

/// Runs the program that does everything wrong; it and the library print "ok" and nothing else.
fn abuse(workshop: &Path, engine: &str, before: &[&str], after: &[&str]) {
    let program = workshop.join("abuse");
    let program = program.to_str().unwrap();
    let mut words = before.to_vec();
    words.extend([program, engine, workshop.to_str().unwrap()]);
    words.extend(after);
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{engine}: {}\n{out}\n{err}",
        output.status
    );
    assert_eq!((&*out, &*err), ("ok\n", ""), "{engine}");
}

#[test]
fn abuse_is_answered_with_errors() {
    let Some(workshop) = workshop("abuse") else {
        return;
    };
    if !have("cc") {
        return;
    }
    c(&workshop, "abuse", "tests/capi/abuse.c");
    for engine in engines() {
        abuse(&workshop, engine, &[], &[]);
    }
    if have("valgrind") {
        abuse(&workshop, "native", VALGRIND, &["quick"]);
    }
}
