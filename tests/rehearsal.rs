//! The script that tests and measures the library on a GPU, on the processor and at small sizes: what it calls is there, and
//! what it compares agrees.

mod python;
mod toolchain;

use std::path::Path;
use std::process::Command;

use python::{NEWEST, OLDEST, environment, succeed};

#[test]
#[cfg(unix)]
fn the_script_for_gpus_runs_without_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_BIN_EXE_ncg")).parent().unwrap();
    let Some(library) = toolchain::library() else {
        return;
    };
    for packages in [NEWEST, OLDEST] {
        let python = match environment(packages) {
            Ok(python) => python,
            Err(reason) => {
                let required = std::env::var("NCG_REQUIRE_ALL").is_ok_and(|value| value == "1");
                assert!(!required, "{reason}");
                eprintln!("skipped: {packages:?}: {reason}");
                continue;
            }
        };
        let mut script = Command::new("sh");
        script
            .arg(root.join("benches/cuda.sh"))
            .arg("cpu")
            .env("NCG_BENCH_PYTHON", python)
            .env("NCG_BENCH_TARGET", target)
            .env("NCG_BENCH_LIBRARY", &library)
            .env("NCG_BENCH_LARGEST", "3")
            .env("NCG_BENCH_STARTS", "40");
        let text = succeed(&mut script).unwrap();
        println!("{text}");
        assert_eq!(text.matches("agrees on cpu").count(), 6);
        for part in [
            "| Coulomb, 1e3 |",
            "| oscillator, adam, 1e3 |",
            "| decay, levmar, 1e3 |",
            "40 starts on 30 samples",
            "40 starts in one call",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }
    // the device is one that is there, or the script says so
    let mut wrong = Command::new("sh");
    wrong.arg(root.join("benches/cuda.sh")).arg("gpu");
    assert!(succeed(&mut wrong).unwrap_err().contains("usage"));
}
