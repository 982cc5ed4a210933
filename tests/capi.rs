//! The C ABI from C: a program that does everything wrong, and arrays of any shape.
//!
//! They are built with the compiler on the path against the shared library that cargo has built with this test.

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
    // before LD_LIBRARY_PATH, by which cargo offers what an earlier build has left in its folder
    let path = format!("-Wl,--disable-new-dtags,-rpath,{}", workshop.display());
    command.arg(path);
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

#[test]
fn c_example_trains_a_network_inside_a_model() {
    let Some(workshop) = workshop("c_hybrid") else {
        return;
    };
    if !have("cc") {
        return;
    }
    c(&workshop, "hybrid", "examples/hybrid/train.c");
    let output = run(Command::new(workshop.join("hybrid")).arg(root().join("examples/hybrid")));
    for line in ["20 parameters, k = 9.0", "friction found within 0.1"] {
        let found = output.lines().any(|other| other.trim() == line);
        assert!(found, "{line:?} is not in\n{output}");
    }
}

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
fn vectors_and_matrices_whole() {
    let Some(workshop) = workshop("whole_arrays") else {
        return;
    };
    if !have("cc") {
        return;
    }
    c(&workshop, "arrays", "tests/capi/arrays.c");
    let program = workshop.join("arrays");
    for engine in engines() {
        assert_eq!(run(Command::new(&program).arg(engine)), "ok\n", "{engine}");
    }
    if have("valgrind") {
        run(Command::new(VALGRIND[0])
            .args(&VALGRIND[1..])
            .arg(&program)
            .arg("native"));
    }
}

#[test]
fn a_shared_fit_has_the_same_digits_from_any_number_of_processes() {
    let Some(workshop) = workshop("shared_fit") else {
        return;
    };
    if !have("cc") {
        return;
    }
    c(&workshop, "shared", "tests/capi/shared.c");
    let program = workshop.join("shared");
    for engine in engines() {
        assert_eq!(run(Command::new(&program).arg(engine)), "ok\n", "{engine}");
    }
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
