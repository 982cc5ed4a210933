//! The library for 64-bit ARM, cross-built, with tests of the native engine and a C program under QEMU.
#![cfg(target_os = "linux")]

mod toolchain;

use std::process::Command;

use toolchain::{have, run};

#[test]
#[ignore = "builds everything for another target, which takes minutes; needs a cross compiler, QEMU and the target"]
fn the_native_engine_runs_under_qemu() {
    for tool in ["aarch64-linux-gnu-gcc", "qemu-aarch64"] {
        if !have(tool) {
            return;
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aarch64/run");
    let output = run(&mut Command::new(script));
    assert!(output.ends_with("C 18 32\n"), "{output}");
}
