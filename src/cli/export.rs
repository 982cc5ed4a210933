//! `ncg compile` and `ncg export`: models to files.

use std::path::Path;

use serde_json::{Value, json};

use super::{Reply, args};
use crate::compile::Model;
use crate::document::{self, write_atomic};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::interp::{Interpreter, compile_interpreter, interpreter};
use crate::options::Options;

/// Source or graph to `.ncg`.
pub fn compile(arguments: &args::Compile) -> Result<Reply> {
    arguments.source.check_output(&arguments.output)?;
    let mut options = Options::new();
    let model = match (arguments.interpreter, arguments.source.is_given()) {
        (false, _) => arguments.source.load(&arguments.parameters, &mut options)?,
        (true, false) => interpreter()?.model(),
        (true, true) => compile_interpreter(&arguments.source.text()?)?.model(),
    };
    let text = crate::ncg::write(&model)?;
    write(&model, &arguments.output, text.as_bytes())
}

/// A program bound to an interpreter.
pub fn bind(arguments: &args::Bind) -> Result<Reply> {
    arguments.source.check_output(&arguments.output)?;
    let document = document::read(&arguments.interpreter)?;
    let named = |error: Error| Error {
        message: format!("{}: {}", arguments.interpreter.display(), error.message),
        ..error
    };
    let graph = document::graph(&document).map_err(named)?;
    let interpreter = Interpreter::new(graph).map_err(named)?;
    let mut options = Options::new();
    let parameters = &arguments.parameters;
    let model = arguments
        .source
        .bound(&interpreter, parameters, &mut options)?;
    let text = crate::ncg::write(&model)?;
    write(&model, &arguments.output, text.as_bytes())
}

/// A model to ONNX.
pub fn run(arguments: &args::Export) -> Result<Reply> {
    arguments.source.check_output(&arguments.output)?;
    let mut options = Options::new();
    let gradient = match (arguments.training, arguments.fit) {
        (true, _) => Some("training".to_string()),
        (_, true) => Some("fit".to_string()),
        _ => arguments.gradient.clone(),
    };
    args::set(&mut options, "gradient", &gradient)?;
    let population = arguments.population.then(|| "true".to_string());
    args::set(&mut options, "population", &population)?;
    args::set(&mut options, "dtype", &arguments.dtype)?;
    args::set(&mut options, "learning_rate", &arguments.learning_rate)?;
    let model = arguments.source.load(&arguments.parameters, &mut options)?;
    let bytes = crate::onnx::write(&model, &options)?;
    write(&model, &arguments.output, &bytes)
}

fn write(model: &Model, path: &Path, bytes: &[u8]) -> Result<Reply> {
    write_atomic(path, bytes)?;
    let (inputs, parameters) = (
        names(&model.graph, model.graph.inputs()),
        names(&model.graph, model.graph.parameters()),
    );
    let listed = |names: &[Value]| match names.is_empty() {
        true => "none".to_string(),
        false => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(", ")
        }
    };
    Ok(Reply {
        text: format!(
            "written: {} ({} bytes)\ninputs: {}\nparameters: {}\n",
            path.display(),
            bytes.len(),
            listed(&inputs),
            listed(&parameters)
        ),
        json: json!({
            "output": path.display().to_string(),
            "bytes": bytes.len(),
            "inputs": inputs,
            "parameters": parameters,
            "nodes": model.graph.nodes.len(),
        }),
        warnings: model.warnings(),
    })
}

fn names(graph: &Graph, ports: Vec<usize>) -> Vec<Value> {
    ports
        .into_iter()
        .map(|port| json!(&*graph.ports[port].name))
        .collect()
}
