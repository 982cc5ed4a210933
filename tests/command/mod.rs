//! The command as a process.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

pub fn ncg(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ncg"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

pub fn text(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = ncg(arguments);
    assert_eq!(code, 0, "{arguments:?}: {stderr}");
    stdout
}

pub fn answer(arguments: &[&str]) -> Value {
    serde_json::from_str(&text(&[arguments, &["--json"]].concat())).unwrap()
}

pub fn refusal(arguments: &[&str]) -> String {
    let (code, _, stderr) = ncg(arguments);
    assert_eq!(code, 1, "{arguments:?}: {stderr}");
    stderr
}

/// An empty folder of its own.
pub fn folder_of(test: &str, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub fn value(report: &Value, name: &str, field: &str) -> f64 {
    report["parameters"][name][field].as_f64().unwrap()
}
