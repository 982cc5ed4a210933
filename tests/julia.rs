//! The Julia package: each function that it calls is declared as in the header, and its own tests pass where there is a Julia.

mod header_text;
mod toolchain;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use header_text::{constants, functions};
use toolchain::{library, run, skip};

fn package() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bindings/julia")
}

/// The functions of `src/c.jl`: names, arguments with their types, and the type of the result.
fn called() -> BTreeMap<String, Vec<(String, String)>> {
    let text = std::fs::read_to_string(package().join("src/c.jl")).unwrap();
    let signatures = text.split("\n@c ").skip(1);
    let signature = |text: &str| {
        let end = text.find(")::").unwrap();
        let result = text[end + 3..].split_whitespace().next().unwrap();
        let (name, arguments) = text[..end].split_once('(').unwrap();
        let arguments = arguments.split(',').map(str::trim);
        let mut list: Vec<(String, String)> = arguments
            .filter(|argument| !argument.is_empty())
            .map(|argument| argument.split_once("::").unwrap())
            .map(|(name, kind)| (name.to_string(), kind.to_string()))
            .collect();
        list.push(("result".to_string(), result.to_string()));
        (name.to_string(), list)
    };
    signatures.map(signature).collect()
}

/// The type of Julia that stands for a C type.
fn julia(c: &str) -> &'static str {
    match c {
        "void" => "Cvoid",
        "int32_t" => "Int32",
        "int64_t" => "Int64",
        "double" => "Float64",
        "ncg_fit_callback" | "ncg_fit_gather" | "void *" => "Ptr{Cvoid}",
        "const char *" => "Cstring",
        "char *" => "Ptr{UInt8}",
        "const char **" => "Ptr{Cstring}",
        "double *" | "const double *" => "Ptr{Float64}",
        "float *" | "const float *" => "Ptr{Float32}",
        "int32_t *" => "Ptr{Int32}",
        "int64_t *" => "Ptr{Int64}",
        "const void *const *" | "void *const *" => "Ptr{Ptr{Cvoid}}",
        "const int64_t *" => "Ptr{Int64}",
        handle if handle.ends_with("**") => "Ptr{Ptr{Cvoid}}",
        handle if handle.contains("ncg_") => "Ptr{Cvoid}",
        other => panic!("the header holds {other}"),
    }
}

#[test]
fn calls_are_those_of_the_header() {
    let called = called();
    let functions = functions();
    assert_eq!(called.len(), functions.len());
    for function in functions {
        let mut expected: Vec<(String, String)> = function
            .arguments
            .iter()
            .map(|(name, c)| (name.clone(), julia(c).to_string()))
            .collect();
        expected.push(("result".to_string(), julia(&function.result).to_string()));
        assert_eq!(
            called.get(&function.name),
            Some(&expected),
            "{}",
            function.name
        );
    }
}

#[test]
fn constants_and_version_are_those_of_the_header() {
    let text = std::fs::read_to_string(package().join("src/constants.jl")).unwrap();
    for (name, value) in constants() {
        let wanted = !name.starts_with("NCG_VERSION") || name == "NCG_VERSION_MAJOR";
        let line = format!("const {name} = Int32({value})\n");
        assert_eq!(text.contains(&line), wanted, "{line}");
    }
    let project = std::fs::read_to_string(package().join("Project.toml")).unwrap();
    let version = format!("\nversion = \"{}\"\n", env!("CARGO_PKG_VERSION"));
    assert!(project.contains(&version), "{project}");
}

/// The command of `NCG_JULIA`, which is `none` where there can be none, or the one on the path.
fn command() -> Option<String> {
    let command = std::env::var("NCG_JULIA").unwrap_or("julia".to_string());
    if command == "none" {
        println!("skipped: NCG_JULIA says that there is no Julia");
        return None;
    }
    let found = Command::new(&command).arg("--version").output().is_ok();
    if !found {
        skip(&format!(
            "there is no {command}: tests/julia/fetch gets one for NCG_JULIA"
        ));
    }
    found.then_some(command)
}

#[test]
fn package_passes_its_tests() {
    let (Some(command), Some(library)) = (command(), library()) else {
        return;
    };
    let output = run(Command::new(command)
        .args(["--startup-file=no", "--color=no"])
        .arg(format!("--project={}", package().display()))
        .arg(package().join("test/runtests.jl"))
        .env("NCG_LIBRARY", library));
    for set in ["library", "arrays", "errors", "fits"] {
        assert!(output.contains(set), "{output}");
    }
}
