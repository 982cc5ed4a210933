//! The README's shell, C, C++, Fortran and Julia are run as they stand there; its Rust is a doctest.
//!
//! Missing compilers are skipped with a line that says so, unless `NCG_REQUIRE_ALL=1`.
#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The code blocks of the README in this language.
fn blocks(language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let mut blocks = Vec::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find("```") {
        let (head, body) = rest[start + 3..].split_once('\n').unwrap();
        let (block, after) = body.split_once("```").unwrap();
        if head == language {
            blocks.push(block.to_string());
        }
        rest = after;
    }
    blocks
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("readme")
        .join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Where cargo puts the command and the shared library.
fn artifacts() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ncg")).parent().unwrap()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether `tool` is there, and what else is needed; a test that lacks something is skipped aloud.
fn available(tool: &str, files: &[&Path]) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    let missing: Vec<String> = files
        .iter()
        .filter(|file| !file.exists())
        .map(|file| file.display().to_string())
        .chain((!found).then(|| tool.to_string()))
        .collect();
    if missing.is_empty() {
        return true;
    }
    let strict = std::env::var("NCG_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!strict, "missing: {}", missing.join(", "));
    println!("skipped: missing {}", missing.join(", "));
    false
}

#[test]
fn shell() {
    let folder = folder("shell");
    let lines: Vec<String> = blocks("sh")
        .iter()
        .flat_map(|block| block.lines().map(str::to_string).collect::<Vec<_>>())
        .filter(|line| !line.starts_with("cargo "))
        .collect();
    assert!(lines.len() >= 5);
    let script = lines
        .join("\n")
        .replace("examples/", &format!("{ROOT}/examples/"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", artifacts().display());
    let out = run(Command::new("sh")
        .args(["-e", "-c", &script])
        .env("PATH", path)
        .current_dir(&folder));
    for expected in ["d/dr = ", "98.77821087", "the gradients agree", "sqrt"] {
        assert!(out.contains(expected), "no {expected:?} in {out}");
    }
    for file in ["gauss1.ncg", "gauss1.svg", "gauss1.onnx"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
}

/// Builds and runs a program against the library that cargo has built beside this test.
#[cfg(target_os = "linux")]
fn build_and_run(compiler: &str, language: &str, file: &str, flags: &[&str]) -> Option<String> {
    let include = Path::new(ROOT).join("include");
    let test = std::env::current_exe().unwrap();
    let library = test.with_file_name("libncg.so");
    if !available(compiler, &[&include.join("ncg.h"), &library]) {
        return None;
    }
    let folder = folder(language);
    for name in ["libncg.so", "libncg.so.0"] {
        std::os::unix::fs::symlink(&library, folder.join(name)).unwrap();
    }
    let [block] = &blocks(language)[..] else {
        panic!("one block of {language} is expected");
    };
    std::fs::write(folder.join(file), block).unwrap();
    run(Command::new(compiler)
        .current_dir(&folder)
        .args(flags)
        .args([file, "-o", "program", "-L.", "-lncg"])
        .arg(format!("-I{}", include.display()))
        .arg(format!(
            "-Wl,--disable-new-dtags,-rpath,{}",
            folder.display()
        )));
    Some(run(&mut Command::new(folder.join("program"))))
}

#[cfg(target_os = "linux")]
#[test]
fn c() {
    let flags = ["-std=c99", "-Wall", "-Wextra", "-Werror"];
    if let Some(out) = build_and_run("cc", "c", "force.c", &flags) {
        assert_eq!(out, "force 4 1, d/dr -8 -1, d/dk 2.5\n");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn cpp() {
    let bindings = format!("-I{ROOT}/bindings/cpp");
    let flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", &bindings];
    if let Some(out) = build_and_run("c++", "cpp", "force.cpp", &flags) {
        assert_eq!(out, "force 4 1, d/dr -8 -1, d/dk 2.5\n");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn fortran() {
    let module = format!("{ROOT}/bindings/fortran/ncg.f90");
    let flags = ["-std=f2018", "-Wall", "-Werror", &module];
    if let Some(out) = build_and_run("gfortran", "fortran", "force.f90", &flags) {
        assert_eq!(out, "force  4.00  1.00, d/dr -8.00 -1.00, d/dk 2.50\n");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn julia() {
    let command = std::env::var("NCG_JULIA").unwrap_or("julia".to_string());
    let test = std::env::current_exe().unwrap();
    let library = test.with_file_name("libncg.so");
    if command == "none" || !available(&command, &[&library]) {
        return;
    }
    let [block] = &blocks("julia")[..] else {
        panic!("one block of Julia is expected");
    };
    let out = run(Command::new(command)
        .args(["--startup-file=no", "-e", block])
        .arg(format!("--project={ROOT}/bindings/julia"))
        .env("NCG_LIBRARY", library));
    assert_eq!(out, "force [4.0, 1.0], d/dr [-8.0, -1.0], d/dk [2.5]\n");
}
