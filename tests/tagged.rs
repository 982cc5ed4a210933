//! The tagged engine: the contract files and random programs against the reference evaluator, its limits, its errors, and
//! what it leaves on its heap.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use ncg::compile::{Model, front};
use ncg::engine::tagged::{self, Limits};
use ncg::engine::{Inputs, Outputs, Program};
use ncg::error::{Error, ErrorKind};
use ncg::graph::{self, Graph};
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};
use ncg::syntax::ast::Constant;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestError, TestRunner};

mod programs;
mod reference;

use programs::INPUTS;
use reference::number::{DIRECTIONS, Dual};
use reference::value::Value;
use reference::{Outcome, contract};

/// How many random programs where `PROPTEST_CASES` does not say.
const CASES: u32 = 300;

/// The stack of the reference evaluator, which recurses as deep as the program does.
const STACK: usize = 1 << 30;

/// Contract files that the tagged engine does not run yet, and why.
const LATER: &[(&str, &str)] = &[];

fn on_a_large_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work);
    if let Err(panic) = thread.unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

fn general(text: &str) -> Result<Graph, Error> {
    Ok(front(text, &Options::new())?.general)
}

/// A batch: for each port, a value for each sample.
struct Table(Vec<Vec<f64>>);

impl Inputs<f64> for Table {
    fn uniform(&self, port: usize) -> f64 {
        self.0[port][0]
    }

    fn gather(&self, port: usize, start: usize, out: &mut [f64]) {
        out.copy_from_slice(&self.0[port][start..start + out.len()]);
    }

    fn contiguous(&self, port: usize, start: usize, count: usize) -> Option<&[f64]> {
        Some(&self.0[port][start..start + count])
    }
}

/// What comes out: for each output, a value for each sample, or one.
#[derive(Default)]
struct Columns(Vec<Vec<f64>>);

impl Columns {
    fn column(&mut self, output: usize) -> &mut Vec<f64> {
        if self.0.len() <= output {
            self.0.resize(output + 1, Vec::new());
        }
        &mut self.0[output]
    }
}

impl Outputs<f64> for Columns {
    fn scatter(&mut self, output: usize, start: usize, values: &[f64]) {
        let column = self.column(output);
        column.resize(column.len().max(start + values.len()), f64::NAN);
        column[start..start + values.len()].copy_from_slice(values);
    }

    fn uniform(&mut self, output: usize, value: f64) {
        self.column(output).push(value);
    }

    fn contiguous(&mut self, _: usize, _: usize, _: usize) -> Option<&mut [f64]> {
        None
    }
}

fn run(program: &mut dyn Program<f64>, table: &Table, samples: usize) -> Result<Columns, Error> {
    let mut columns = Columns::default();
    program.run(samples, table, &mut columns, None)?;
    Ok(columns)
}

/// The values of the ports of a graph; parameters that are not given have their initial values.
fn ports(graph: &Graph, given: &[(&str, f64)]) -> Vec<f64> {
    let value = |port: &graph::Port| {
        let given = given.iter().find(|(name, _)| *name == &*port.name);
        match (given, port.kind) {
            (Some((_, value)), _) => *value,
            (None, graph::PortKind::Parameter { initial, .. }) => initial,
            (None, graph::PortKind::Input) => panic!("{} has no value", port.name),
        }
    };
    graph.ports.iter().map(value).collect()
}

/// A value of the engine as one of the reference.
fn converted(value: &graph::Value) -> Value {
    match value {
        graph::Value::Constant(constant) => constant_converted(constant),
        graph::Value::List(items, tail) => Value::list_with_tail(
            items.iter().map(converted).collect(),
            tail.as_ref().map_or(Value::Nil, |tail| converted(tail)),
        ),
        graph::Value::Procedure => Value::Primitive(Rc::from("procedure")),
        other => panic!("{other:?}"),
    }
}

fn constant_converted(constant: &Constant) -> Value {
    match constant {
        Constant::Bool(value) => Value::Bool(*value),
        Constant::Int(value) => Value::Int(*value),
        Constant::Real(value) => Value::Real(Dual::constant(*value)),
        Constant::Char(value) => Value::Char(*value),
        Constant::Symbol(name) => Value::symbol(name),
        Constant::Str(text) => Value::Str(Rc::from(&**text)),
        Constant::List(items, tail) => Value::list_with_tail(
            items.iter().map(constant_converted).collect(),
            tail.as_ref()
                .map_or(Value::Nil, |tail| constant_converted(tail)),
        ),
    }
}

/// Runs a program at one point; its derivatives, if it is a number and any are asked for.
fn outcome(text: &str, given: &[(&str, f64)], wrt: &[&str]) -> Result<Outcome, Error> {
    let graph = general(text)?;
    let values = ports(&graph, given);
    let value = converted(&tagged::evaluate(&graph, &values, Limits::default())?);
    let value = match wrt.is_empty() {
        true => value,
        false => {
            let mut dual = value.number().expect("a number").real();
            let known: Vec<(usize, usize)> = wrt
                .iter()
                .enumerate()
                .filter_map(|(i, name)| {
                    let port = graph.ports.iter().position(|port| &*port.name == *name);
                    Some((i, port?))
                })
                .collect();
            let by: Vec<usize> = known.iter().map(|(_, port)| *port).collect();
            let mut program = tagged::prepare_vjp::<f64>(&graph, &by, Limits::default())?;
            let mut table = Table(values.iter().map(|value| vec![*value]).collect());
            table.0.push(vec![1.0]);
            let columns = run(&mut program, &table, 1)?;
            assert!(same_bits(columns.0[0][0], dual.value), "with derivatives");
            for ((i, _), column) in known.iter().zip(&columns.0[1..]) {
                dual.slopes[*i] = column[0];
            }
            let mut program = tagged::prepare_jacobian::<f64>(&graph, &by, Limits::default())?;
            let jacobian = run(&mut program, &table, 1)?;
            for (one, other) in jacobian.0.iter().zip(&columns.0) {
                let same = one[0] == other[0] || (one[0].is_nan() && other[0].is_nan());
                assert!(same, "{:?} and {:?}", jacobian.0, columns.0);
            }
            Value::Real(dual)
        }
    };
    Ok(Outcome {
        value,
        gap: f64::INFINITY,
        wild: false,
    })
}

fn same_bits(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

#[test]
fn contract_files() {
    let (mut failures, mut count, mut left) = (Vec::new(), 0, 0);
    for folder in ["run", "run-later"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests")
            .join(folder);
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let run = |text: &str, given: &[(&str, f64)], wrt: &[&str]| {
                outcome(text, given, wrt).map_err(|error| error.to_string())
            };
            let found = contract::failures_of(&text, &run);
            let later = LATER.iter().find(|(prefix, _)| name.starts_with(prefix));
            match (later, found.is_empty()) {
                (Some((_, reason)), false) => {
                    println!("{name} is left out: {reason}");
                    left += 1;
                }
                (Some(_), true) => failures.push(format!("{name} is left out, but it passes")),
                _ => failures.extend(found.iter().map(|message| format!("{name}, {message}"))),
            }
            count += 1;
        }
    }
    assert!(count - left > 300, "{count} files, {left} left out");
    println!("{count} files, {left} left out");
    let listed = failures.join("\n");
    assert!(
        failures.is_empty(),
        "{} failures:\n{listed}",
        failures.len()
    );
}
