//! `bindings/cpp/ncg.hpp`: its members, views, exceptions and closures, as C++17 and C++20.
#![cfg(target_os = "linux")]

mod toolchain;

use std::path::{Path, PathBuf};
use std::process::Command;

use toolchain::{have, linked, run, skip, temporary};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds one source against the shared library, with warnings as errors.
fn build(folder: &Path, source: &str, flags: &[&str]) -> Option<PathBuf> {
    if !have("c++") {
        return None;
    }
    let program = folder.join("program");
    let mut command = Command::new("c++");
    command
        .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pedantic"])
        .args(["-Wconversion", "-pthread"])
        .args(flags);
    for include in ["include", "bindings/cpp"] {
        command.arg("-I").arg(root().join(include));
    }
    command.arg(root().join(source)).arg("-o").arg(&program);
    run(linked(&mut command, folder)?);
    Some(program)
}

/// Where Eigen's headers are.
fn eigen() -> Option<&'static str> {
    let folder = "/usr/include/eigen3";
    if Path::new(folder).join("Eigen/Dense").is_file() {
        return Some(folder);
    }
    skip("there is no Eigen");
    None
}

#[test]
fn views_exceptions_and_closures() {
    for standard in ["-std=c++17", "-std=c++20"] {
        let folder = temporary(&format!("cpp{standard}"));
        let mut flags = vec![standard];
        if let Some(folder) = eigen() {
            flags.extend(["-DWITH_EIGEN", "-isystem", folder]);
        }
        let Some(program) = build(&folder, "tests/cpp/views.cpp", &flags) else {
            return;
        };
        let mut command = Command::new(program);
        assert_eq!(run(command.current_dir(&folder)), "ok\n", "{standard}");
    }
}

#[test]
fn memory_is_given_back() {
    let folder = temporary("cpp-sanitized");
    let flags = ["-std=c++17", "-fsanitize=address,undefined"];
    if let Some(program) = build(&folder, "tests/cpp/views.cpp", &flags) {
        let mut command = Command::new(program);
        command.current_dir(&folder);
        // ONNX Runtime keeps what it has allocated once
        command.env("NCG_ONNXRUNTIME", folder.join("none"));
        assert_eq!(run(&mut command), "ok\n");
    }
}
