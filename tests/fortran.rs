//! The Fortran module: what it declares is what the header declares, and its types do what they say.
#![cfg(target_os = "linux")]

mod header_text;
mod toolchain;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use header_text::{constants, functions};
use toolchain::{have, linked, run, temporary};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds a program with the module.
fn build(folder: &Path, source: &str, flags: &[&str]) -> Option<PathBuf> {
    if !have("gfortran") {
        return None;
    }
    let program = folder.join("program");
    let mut command = Command::new("gfortran");
    command
        .current_dir(folder)
        .args(["-std=f2018", "-pedantic", "-Wall", "-Wextra", "-Werror"])
        .args(["-Wno-function-elimination", "-O1", "-g"])
        .args(flags);
    for file in ["bindings/fortran/ncg.f90", source] {
        command.arg(root().join(file));
    }
    command.arg("-o").arg(&program);
    run(linked(&mut command, folder)?);
    Some(program)
}

#[test]
fn types_take_arrays_of_any_stride() {
    let folder = temporary("fortran-arrays");
    let flags = ["-fcheck=all", "-ffpe-trap=invalid,zero,overflow"];
    if let Some(program) = build(&folder, "tests/fortran/arrays.f90", &flags) {
        assert_eq!(run(&mut Command::new(program)), "ok\n");
    }
}

#[test]
fn handles_are_freed_once() {
    let folder = temporary("fortran-memory");
    if !have("valgrind") {
        return;
    }
    let Some(program) = build(&folder, "tests/fortran/arrays.f90", &[]) else {
        return;
    };
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--error-exitcode=99", "--undef-value-errors=no"])
        .args(["--leak-check=full", "--show-leak-kinds=definite"])
        .arg("--errors-for-leak-kinds=definite")
        .arg(program)
        // ONNX Runtime keeps what it has allocated once
        .env("NCG_ONNXRUNTIME", folder.join("none"));
    assert_eq!(run(&mut command), "ok\n");
}

/// Records that hold handles, assigned as wholes: nothing is freed twice, and using the copy works or is refused by name.
#[test]
fn copies_of_records_are_harmless() {
    let folder = temporary("fortran-records");
    if !have("valgrind") {
        return;
    }
    let Some(program) = build(&folder, "tests/fortran/records.f90", &[]) else {
        return;
    };
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--error-exitcode=99", "--undef-value-errors=no"])
        .arg(&program)
        .env("NCG_ONNXRUNTIME", folder.join("none"));
    assert_eq!(run(&mut command), "ok\n");
    let output = Command::new(&program).arg("use").output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    let refused = message.contains("a record or array of handles was assigned as a whole");
    assert!(output.status.success() || refused, "{message}");
}

/// The declarations of the module: per function its arguments in order with their declared types, then its result.
fn module() -> BTreeMap<String, Vec<(String, String)>> {
    let path = root().join("bindings/fortran/ncg_c.inc");
    let text = std::fs::read_to_string(path).unwrap().replace("&\n", " ");
    let mut found = BTreeMap::new();
    let mut open: Option<(String, Vec<(String, String)>)> = None;
    for line in text.lines().map(str::trim) {
        let starts = line.starts_with("function ") || line.starts_with("subroutine ");
        if starts {
            let (head, rest) = line.split_once('(').unwrap();
            let (arguments, tail) = rest.split_once(')').unwrap();
            assert_eq!(tail.trim(), "bind(C)", "{line}");
            let mut names: Vec<(String, String)> = arguments
                .split(',')
                .map(|name| (name.trim().to_string(), String::new()))
                .filter(|(name, _)| !name.is_empty())
                .collect();
            let name = head.split_whitespace().nth(1).unwrap().to_string();
            if line.starts_with("function ") {
                names.push((name.clone(), String::new()));
            }
            open = Some((name, names));
        } else if line.starts_with("end function") || line.starts_with("end subroutine") {
            let (name, names) = open.take().unwrap();
            assert!(found.insert(name, names).is_none(), "{line}");
        } else if let (Some((name, names)), Some((kind, list))) = (&mut open, line.split_once("::"))
        {
            for declared in list.split(',').map(str::trim) {
                let bare = declared.trim_end_matches("(*)");
                let array = if bare == declared { "" } else { " (*)" };
                let entry = names.iter_mut().find(|(other, _)| other == bare);
                let entry = entry.unwrap_or_else(|| panic!("{name}: {declared} is no argument"));
                entry.1 = format!("{}{array}", kind.trim());
            }
        }
    }
    found
}

/// The Fortran declarations that a C type may have.
fn fits(c: &str) -> &'static [&'static str] {
    match c {
        "int32_t" => &["integer(c_int32_t), value", "integer(c_int32_t)"],
        "int64_t" => &["integer(c_int64_t), value", "integer(c_int64_t)"],
        "double" => &["real(c_double), value"],
        "ncg_fit_callback" | "ncg_fit_gather" => &["type(c_funptr), value"],
        "const char *" => &["character(kind=c_char), intent(in) (*)", "type(c_ptr)"],
        "const char **" => &["type(c_ptr), intent(out), optional"],
        "int32_t *" => &["integer(c_int32_t), intent(out)"],
        "int64_t *" => &[
            "integer(c_int64_t), intent(out)",
            "integer(c_int64_t), intent(out), optional",
            "integer(c_int64_t), intent(inout), optional (*)",
        ],
        "double *" => &[
            "type(c_ptr), value",
            "real(c_double), intent(out)",
            "real(c_double), intent(out) (*)",
        ],
        "ncg_error **" => &["type(c_ptr), intent(inout), optional"],
        handle if handle.ends_with("**") => &["type(c_ptr), intent(out)"],
        pointer if pointer.ends_with('*') => &["type(c_ptr), value"],
        other => panic!("the header holds {other}"),
    }
}

#[test]
fn module_declares_what_the_header_declares() {
    let module = module();
    let functions = functions();
    let names: Vec<&String> = functions.iter().map(|function| &function.name).collect();
    for name in module.keys() {
        assert!(names.contains(&name), "{name} is not in the header");
    }
    for function in &functions {
        let name = &function.name;
        let declared = module
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in the module"));
        let mut expected = function.arguments.clone();
        if function.result != "void" {
            expected.push((name.clone(), function.result.clone()));
        }
        let arguments = |list: &[(String, String)]| -> Vec<String> {
            list.iter().map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(arguments(declared), arguments(&expected), "{name}");
        for ((argument, fortran), (_, c)) in declared.iter().zip(&expected) {
            assert!(
                fits(c).contains(&fortran.as_str()),
                "{name}, {argument}: {fortran} for {c}"
            );
            let by_value = fortran.ends_with(", value");
            assert!(
                c.contains('*') || by_value || argument == name,
                "{name}, {argument}"
            );
        }
    }
}

#[test]
fn constants_are_those_of_the_header() {
    let path = root().join("bindings/fortran/ncg_c.inc");
    let text = std::fs::read_to_string(path).unwrap();
    for (name, value) in constants() {
        // a Fortran constant may not have the name of a function in other letters
        if name != "NCG_VERSION" {
            let line = format!("integer(c_int32_t), parameter :: {name} = {value}\n");
            assert!(text.contains(&line), "{line}");
        }
    }
}
