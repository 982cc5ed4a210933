//! `ncg compile` and `ncg export`: models to files.

use std::path::Path;

use serde_json::{Value, json};

use super::{Reply, args};
use crate::compile::Model;
use crate::document::{self, write_atomic};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::interp::{Interpreter, compile_interpreter, interpreter};
use crate::onnx::machine::{encode, interpreter_file};
use crate::ops::SoftChoice;
use crate::options::Options;

/// Source or graph to `.ncg`.
pub fn compile(arguments: &args::Compile) -> Result<Reply> {
    arguments.source.check_output(&arguments.output)?;
    if is(&arguments.output, "onnx") {
        return machine(arguments);
    }
    let mut options = Options::new();
    let model = match (arguments.interpreter, arguments.source.is_given()) {
        (false, _) => arguments.source.load(&arguments.parameters, &mut options)?,
        (true, false) => interpreter()?.model(),
        (true, true) => compile_interpreter(&arguments.source.text()?)?.model(),
    };
    let text = crate::ncg::write(&model)?;
    write(&model, &arguments.output, text.as_bytes())
}

fn is(path: &Path, ending: &str) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

/// The interpreter for any ONNX Runtime.
fn machine(arguments: &args::Compile) -> Result<Reply> {
    if !arguments.interpreter || arguments.source.is_given() {
        let message = "only the library's own interpreter is compiled to ONNX, with --interpreter and no FILE; ncg export writes models";
        return Err(Error::new(ErrorKind::Argument, message));
    }
    let bytes = interpreter_file()?;
    write_atomic(&arguments.output, &bytes)?;
    let path = arguments.output.display().to_string();
    Ok(Reply {
        text: format!("written: {path} ({} bytes)\n", bytes.len()),
        json: json!({"output": path, "bytes": bytes.len()}),
        warnings: vec![],
    })
}

/// A program as tensors for the interpreter that any ONNX Runtime runs.
fn encoded(arguments: &args::Bind, document: &[u8]) -> Result<Reply> {
    if !is(&arguments.output, "json") {
        let message = "a program for an interpreter in ONNX is written to a .json file";
        return Err(Error::new(ErrorKind::Argument, message));
    }
    if document != interpreter_file()? {
        let message = format!(
            "{} is not the interpreter of this version; ncg compile --interpreter -o FILE.onnx writes it",
            arguments.interpreter.display()
        );
        return Err(Error::new(ErrorKind::Argument, message));
    }
    let mut options = Options::new();
    let model = arguments.source.load(&arguments.parameters, &mut options)?;
    let encoded = encode(model.literal(), &SoftChoice::of(&options))?;
    let real = |value: &f64| match value.is_finite() {
        true => json!(value),
        false => json!(value.to_string().to_lowercase()),
    };
    let cells = encoded.cells.iter();
    let cells: Vec<Vec<Value>> = cells.map(|cell| cell.iter().map(real).collect()).collect();
    let names: Vec<&str> = encoded.inputs.iter().map(|name| &**name).collect();
    let program = json!({
        "inputs": names,
        "initial": encoded.initial,
        "code": encoded.code.iter().map(|row| row.to_vec()).collect::<Vec<_>>(),
        "cells": cells,
    });
    let text = format!("{program}\n");
    write(&model, &arguments.output, text.as_bytes())
}

/// A program bound to an interpreter.
pub fn bind(arguments: &args::Bind) -> Result<Reply> {
    arguments.source.check_output(&arguments.output)?;
    let document = document::read(&arguments.interpreter)?;
    if document.first() == Some(&0x08) {
        return encoded(arguments, &document);
    }
    if !is(&arguments.output, "ncg") {
        let message = "a program for an interpreter in a .ncg file is written to a .ncg file";
        return Err(Error::new(ErrorKind::Argument, message));
    }
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
