//! `ncg engines`: what can run models on this machine, and why not.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Reply, args};
use crate::compile::Model;
use crate::engine::ort;
use crate::error::Result;
use crate::options::Options;
use crate::session::Session;

pub fn run(arguments: &args::Engines) -> Result<Reply> {
    let library = arguments.onnxruntime.as_deref();
    let own = |name: &str| {
        json!({
            "name": name,
            "device": "cpu",
            "available": true,
            "version": env!("CARGO_PKG_VERSION"),
        })
    };
    let (runtime, cuda) = match ort::probe(library.map(Path::new)) {
        Err(error) => (
            unavailable("cpu", &error.message),
            unavailable("cuda", "it needs ONNX Runtime"),
        ),
        Ok(loaded) => {
            let entry = |device: &str| {
                json!({
                    "name": "onnxruntime",
                    "device": device,
                    "available": true,
                    "version": loaded.version,
                    "path": loaded.path.display().to_string(),
                })
            };
            let attempt = |device: &str| match attempt(device, library) {
                Ok(()) => entry(device),
                Err(error) => unavailable(device, &error.message),
            };
            (attempt("cpu"), attempt("cuda"))
        }
    };
    let auto = match runtime["available"] == json!(true) {
        true => "onnxruntime",
        false => "native",
    };
    let engines = [own("native"), runtime, cuda, own("tagged")];
    let mut text: String = engines.iter().map(line).collect();
    text += &format!("\nauto takes {auto}\n");
    Ok(Reply {
        text,
        json: json!({"engines": engines, "auto": auto}),
        warnings: vec![],
    })
}

/// Runs a small model.
fn attempt(device: &str, library: Option<&str>) -> Result<()> {
    let mut options = Options::new();
    options.set_str("engine", "onnxruntime")?;
    options.set_str("device", device)?;
    if let Some(library) = library {
        options.set_str("onnxruntime", library)?;
    }
    let model = Model::compile("(* x x)", &options)?;
    Session::<f64>::new(Arc::new(model), &options).map(drop)
}

fn unavailable(device: &str, reason: &str) -> Value {
    json!({"name": "onnxruntime", "device": device, "available": false, "reason": reason})
}

fn line(engine: &Value) -> String {
    let word = |key: &str| engine[key].as_str().unwrap_or_default();
    let state = match engine["available"] == json!(true) {
        true => format!("yes  {} {}", word("version"), word("path")),
        false => format!(
            "no   {}",
            word("reason").replace('\n', "\n                          ")
        ),
    };
    let line = format!("{:<12} {:<6} {state}", word("name"), word("device"));
    format!("{}\n", line.trim_end())
}
