//! Where ONNX Runtime is looked for. One test, because a process loads it once and because it sets environment variables.

mod onnx_models;

use std::path::{Path, PathBuf};

use ncg::engine::ort::{OrtConfig, OrtSession, probe};
use ncg::onnx::proto::tensor_proto::DataType;
use ncg::{Error, ErrorKind};

fn set(variable: &str, value: &Path) {
    // SAFETY: this program has one test, and its main thread only waits for it.
    unsafe { std::env::set_var(variable, value) };
}

fn unavailable<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind, ErrorKind::EngineUnavailable);
    error.message
}

#[test]
fn says_what_was_tried_then_loads_once() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ort_lookup");
    let empty = folder.join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    let not_a_library = folder.join("libonnxruntime.so.1.99.0");
    std::fs::write(&not_a_library, "text").unwrap();
    let missing = PathBuf::from("/nowhere/libonnxruntime.so.1");
    for variable in ["NCG_ONNXRUNTIME", "ORT_DYLIB_PATH"] {
        set(variable, Path::new(""));
    }

    // A path that was given is the only one tried.
    let message = unavailable(probe(Some(&missing)));
    assert!(
        message.contains("/nowhere/libonnxruntime.so.1 (the path given): "),
        "{message}"
    );
    assert!(message.contains("set NCG_ONNXRUNTIME"), "{message}");
    assert!(!message.contains("beside this library"), "{message}");
    let config = OrtConfig {
        library: Some(empty.clone()),
        ..OrtConfig::default()
    };
    let message = unavailable(OrtSession::new(
        &onnx_models::line_and_exp(DataType::Double),
        &config,
    ));
    assert!(
        message.contains("empty (the path given): the folder holds no "),
        "{message}"
    );

    // So is one in NCG_ONNXRUNTIME.
    set("NCG_ONNXRUNTIME", &missing);
    let message = unavailable(probe(None));
    assert!(
        message.contains("/nowhere/libonnxruntime.so.1 (NCG_ONNXRUNTIME): "),
        "{message}"
    );
    #[cfg(target_os = "linux")]
    {
        set("NCG_ONNXRUNTIME", &folder);
        let message = unavailable(probe(None));
        assert!(
            message.contains("libonnxruntime.so.1.99.0 (NCG_ONNXRUNTIME): "),
            "{message}"
        );
        // A library of another kind.
        let other = "/lib/x86_64-linux-gnu/libm.so.6";
        if Path::new(other).is_file() {
            let message = unavailable(probe(Some(Path::new(other))));
            assert!(message.contains("it is not ONNX Runtime"), "{message}");
        }
    }
    set("NCG_ONNXRUNTIME", Path::new(""));

    // ORT_DYLIB_PATH is passed over where it does not help.
    set("ORT_DYLIB_PATH", &missing);
    if !onnx_models::have_runtime("says_what_was_tried_then_loads_once") {
        let message = unavailable(probe(None));
        for place in [
            "(ORT_DYLIB_PATH): ",
            "(beside this library): ",
            "(the system's loader): ",
        ] {
            assert!(message.contains(place), "{message}");
        }
        return;
    }
    let loaded = probe(None).unwrap();
    assert!(loaded.version.starts_with("1."), "{loaded:?}");
    assert!(loaded.path.is_file(), "{loaded:?}");
    assert_eq!(probe(None).unwrap(), loaded);

    // The loaded one may be named, as a file or by its folder; another may not.
    assert_eq!(probe(Some(&loaded.path)).unwrap(), loaded);
    assert_eq!(probe(loaded.path.parent()).unwrap(), loaded);
    let message = unavailable(probe(Some(&missing)));
    assert!(
        message.contains("already loaded") && message.contains("/nowhere/"),
        "{message}"
    );
    assert!(
        message.contains(&loaded.path.display().to_string()),
        "{message}"
    );
}
