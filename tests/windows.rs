//! The library for Windows, cross-built with mingw-w64, and C programs with it under Wine.
#![cfg(target_os = "linux")]

mod toolchain;

use std::process::Command;

use toolchain::{have, run, temporary};

#[test]
#[ignore = "builds everything for another target, which takes minutes; needs mingw-w64, Wine and the target"]
fn c_programs_run_under_wine() {
    for tool in ["x86_64-w64-mingw32-gcc", "wine"] {
        if !have(tool) {
            return;
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/windows/run");
    let output = run(Command::new(script).arg(temporary("windows")));
    assert_eq!(output.matches("C 18 32\n").count(), 2, "{output}");
    for line in [
        "converged: yes",
        "k = 2.5014 +- 0.0042",
        "the fitted model has k = 2.5014",
    ] {
        assert!(
            output.lines().any(|other| other == line),
            "{line}\n{output}"
        );
    }
}
