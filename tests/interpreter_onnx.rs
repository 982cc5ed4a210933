//! `interpreter.onnx`: every program of the contract that lies inside its language has there the values and gradients of direct
//! compilation, on the oldest and the newest ONNX Runtime from Python.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ncg::compile::{Model, front};
use ncg::graph::Value;
use ncg::onnx::machine::{Encoded, encode, interpreter_file};
use ncg::ops::SoftChoice;
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};
use serde_json::{Value as Json, json};

mod python;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "scm"));
    files.sort();
    files
}

/// The bindings of the `; run:` lines of a program: names, and for each the values of some samples.
fn cases(text: &str) -> Vec<Vec<(String, Vec<f64>)>> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("; run: ("));
    let number = |word: &str| match word {
        "+inf.0" => f64::INFINITY,
        "-inf.0" => f64::NEG_INFINITY,
        "+nan.0" => f64::NAN,
        word => word.parse().unwrap(),
    };
    let case = |line: &str| {
        let mut rest = line.split(')').next().unwrap().trim();
        let mut bindings = Vec::new();
        while let Some((name, values)) = rest.split_once('=') {
            let (values, after) = match values.strip_prefix('[') {
                Some(values) => values.split_once(']').unwrap(),
                None => values.split_once(' ').unwrap_or((values, "")),
            };
            let values = values.split_whitespace().map(number).collect();
            bindings.push((name.to_string(), values));
            rest = after.trim();
        }
        bindings
    };
    lines.map(case).collect()
}

/// For each input a row, for each sample a number; `None` where the case does not give all of them.
fn rows(encoded: &Encoded, case: &[(String, Vec<f64>)]) -> Option<Vec<Vec<f64>>> {
    let samples = case
        .iter()
        .map(|(_, values)| values.len())
        .max()
        .unwrap_or(1);
    let row = |(name, initial): (&Arc<str>, &Option<f64>)| {
        let given = case.iter().find(|(other, _)| **other == **name);
        let values = match (given, initial) {
            (Some((_, values)), _) => values.clone(),
            (None, Some(initial)) => vec![*initial],
            (None, None) => return None,
        };
        let at = |i: usize| values[if values.len() == 1 { 0 } else { i }];
        Some((0..samples).map(at).collect())
    };
    let rows: Option<Vec<Vec<f64>>> = encoded
        .inputs
        .iter()
        .zip(&encoded.initial)
        .map(row)
        .collect();
    rows.map(|rows| if rows.is_empty() { vec![] } else { rows })
}

/// The value and the gradient by all ports of one sample.
fn direct(model: &Arc<Model>, x: &[f64]) -> Result<(f64, Vec<f64>), ncg::Error> {
    let mut options = Options::new();
    let engine = if model.is_numeric() {
        "native"
    } else {
        "tagged"
    };
    options.set_str("engine", engine)?;
    let mut session = Session::<f64>::new(model.clone(), &options)?;
    let (inputs, parameters) = (model.graph.inputs(), model.graph.parameters());
    let pick = |ports: &[usize]| -> Vec<f64> { ports.iter().map(|port| x[*port]).collect() };
    let (given, constants) = (pick(&inputs), pick(&parameters));
    let (mut y, mut dx, mut dp) = ([0.0], vec![0.0; inputs.len()], vec![0.0; parameters.len()]);
    let into = Gradient {
        y: Some(&mut StridedMut::rows(&mut y, 1)),
        dx: Some(&mut StridedMut::rows(&mut dx, inputs.len())),
        dp: Some(&mut dp),
    };
    let table = Strided::rows(&given, inputs.len());
    session.gradient(1, &table, Some(&constants), None, into, None)?;
    let mut gradient = vec![0.0; x.len()];
    for (port, slope) in inputs.iter().zip(&dx).chain(parameters.iter().zip(&dp)) {
        gradient[*port] = *slope;
    }
    Ok((y[0], gradient))
}

fn real(value: f64) -> Json {
    match value.is_finite() {
        true => json!(value),
        false => json!(value.to_string()),
    }
}

fn program(encoded: &Encoded) -> Json {
    let cells = encoded.cells.iter();
    let cells = cells
        .map(|cell| cell.map(real).to_vec())
        .collect::<Vec<_>>();
    json!({"code": encoded.code, "cells": cells})
}

/// Writes all programs that lie inside the language; what lies outside, and why.
fn write_cases(folder: &Path) -> (usize, Vec<String>) {
    let (mut count, mut outside) = (0, Vec::new());
    for path in files("run") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let Ok(front) = front(&text, &Options::new()) else {
            continue;
        };
        // an error that does not hang on data is found while compiling
        let model = Model::compile(&text, &Options::new()).ok().map(Arc::new);
        let encoded = match encode(&front.general, &SoftChoice::of(&Options::new())) {
            Ok(encoded) => encoded,
            Err(error) => {
                outside.push(format!("{name}: {}", error.message));
                continue;
            }
        };
        if model
            .as_ref()
            .is_some_and(|m| !matches!(m.graph.value, Value::Output(_)))
        {
            outside.push(format!("{name}: its value is no number"));
            continue;
        }
        let mut runs = Vec::new();
        for case in cases(&text) {
            let Some(rows) = rows(&encoded, &case) else {
                continue;
            };
            let samples = rows.first().map_or(1, Vec::len);
            let wanted = (0..samples).map(|i| {
                let x: Vec<f64> = rows.iter().map(|row| row[i]).collect();
                match model.as_ref().map(|model| direct(model, &x)) {
                    Some(Ok((y, dx))) => {
                        json!([real(y), dx.into_iter().map(real).collect::<Vec<_>>()])
                    }
                    _ => Json::Null,
                }
            });
            let wanted: Vec<Json> = wanted.collect();
            let rows: Vec<Vec<Json>> = rows
                .iter()
                .map(|row| row.iter().map(|x| real(*x)).collect())
                .collect();
            runs.push(json!({"inputs": rows, "samples": samples, "wanted": wanted}));
        }
        count += 1;
        let case = json!({"name": name, "program": program(&encoded), "runs": runs});
        std::fs::write(folder.join(format!("{name}.json")), case.to_string()).unwrap();
    }
    (count, outside)
}

#[test]
fn programs_of_the_contract_agree_on_both_runtimes() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interpreter_onnx");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("interpreter.onnx"), interpreter_file().unwrap()).unwrap();
    let (count, outside) = write_cases(&folder);
    println!(
        "{count} programs inside, {} outside\n{}",
        outside.len(),
        outside.join("\n")
    );
    assert!(count > 250, "{count}");
    python::on_both_runtimes("tests/python/interpreter_cases.py", &[folder.as_os_str()]);
    let file = folder.join("interpreter.onnx");
    python::on_both_runtimes("examples/python/interpreter_onnx.py", &[file.as_os_str()]);
}

#[test]
fn the_example_for_python_is_short() {
    let example = include_str!("../examples/python/interpreter_onnx.py");
    assert!(example.lines().count() <= 60);
}
