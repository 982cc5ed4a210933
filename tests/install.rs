//! The archive of a release: made, unpacked elsewhere, and used by separate projects in C, C++ and Fortran.
#![cfg(all(target_os = "linux", feature = "cli"))]

mod toolchain;

use std::path::Path;
use std::process::Command;

use toolchain::{have, library, run, skip, temporary};

#[test]
fn separate_projects_build_against_the_archive() {
    let Some(library) = library() else { return };
    for tool in ["cmake", "pkg-config", "cc", "c++", "gfortran", "readelf"] {
        if !have(tool) {
            return;
        }
    }
    let command = Path::new(env!("CARGO_BIN_EXE_ncg"));
    let folder = library.parent().unwrap();
    if !folder.join("libncg.a").is_file() {
        skip("cargo has built no static library");
        return;
    }
    let work = temporary("install");
    let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/install/run"));
    script.arg(&work).arg(folder).arg(command);
    let onnxruntime = command.with_file_name("libonnxruntime.so.1");
    let with_onnxruntime = onnxruntime.is_file();
    if with_onnxruntime {
        script.arg(&onnxruntime);
    }
    let output = run(&mut script);
    for line in [
        "C 18 32".to_string(),
        "C++ 18 32".to_string(),
        "Fortran 18 32".to_string(),
        format!(
            "installed: ncg-{}-{}-linux",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::ARCH
        ),
    ] {
        assert!(
            output.lines().any(|other| other == line),
            "no {line:?} in\n{output}"
        );
    }
    assert_eq!(
        output
            .matches("100% tests passed, 0 tests failed out of 4")
            .count(),
        2,
        "{output}"
    );
}
