//! Python with the oldest and the newest ONNX Runtime, each in an environment of its own that is made once.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages, by the environment that they go to.
pub const NEWEST: &[&str] = &["onnx==1.23.2", "onnxruntime==1.32.0", "numpy==2.4.6"];
pub const OLDEST: &[&str] = &["onnx==1.23.2", "onnxruntime==1.20.1", "numpy==2.4.6"];

pub fn succeed(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!(
            "{command:?}: {}\n{}\n{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        )),
    }
}

/// The Python of an environment with these packages, made once.
pub fn environment(packages: &[&str]) -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .join("python");
    let folder = target.join(packages.join("_").replace("==", "-"));
    let python = match cfg!(windows) {
        true => folder.join("Scripts/python.exe"),
        false => folder.join("bin/python"),
    };
    let ready = folder.join("ready");
    if !ready.exists() {
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let system = if cfg!(windows) { "python" } else { "python3" };
        succeed(Command::new(system).args(["-m", "venv"]).arg(&folder))?;
        let install = ["-m", "pip", "install", "--quiet", "--only-binary=:all:"];
        succeed(Command::new(&python).args(install).args(packages))?;
        fs::write(&ready, "").map_err(|error| error.to_string())?;
    }
    Ok(python)
}

/// Runs a script with each of the two; where there is none, says so, unless everything is required.
#[allow(dead_code)]
pub fn on_both_runtimes(script: &str, arguments: &[&OsStr]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    for packages in [NEWEST, OLDEST] {
        let python = match environment(packages) {
            Ok(python) => python,
            Err(reason) => {
                let required = std::env::var("NCG_REQUIRE_ALL").is_ok_and(|value| value == "1");
                assert!(!required, "{reason}");
                eprintln!("skipped: {script:?} with {packages:?}: {reason}");
                continue;
            }
        };
        match succeed(Command::new(python).arg(&script).args(arguments)) {
            Ok(text) => println!("{text}"),
            Err(reason) => panic!("{reason}"),
        }
    }
}
