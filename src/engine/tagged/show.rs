//! One run, looked at: the value of the program, and what lies on the heap when it ends.

use super::Limits;
use super::machine::{Machine, fail};
use super::value::{PAYLOAD, TAGS, Value};
use crate::error::Result;
use crate::graph::{self, Graph};
use crate::syntax::ast::Constant;

/// Deepest nesting of lists in a program's value.
const MAX_DEPTH: usize = 1000;

/// The value of a graph, whose numbers are constants, for these values of its ports.
///
/// # Errors
/// What the program does wrong, and the limits that it passes.
pub fn evaluate(graph: &Graph, ports: &[f64], limits: Limits) -> Result<graph::Value> {
    let mut values = evaluate_all(graph, std::iter::once(ports), limits)?;
    Ok(values.remove(0))
}

/// The same for some samples, each given by the values of its ports.
///
/// # Errors
/// Those of [`evaluate`].
pub fn evaluate_all(
    graph: &Graph,
    samples: impl Iterator<Item = impl AsRef<[f64]>>,
    limits: Limits,
) -> Result<Vec<graph::Value>> {
    let mut machine = super::machine::<f64>(graph, limits)?;
    let values = samples.map(|ports| {
        run(&mut machine, ports.as_ref())?;
        filled(&machine, &graph.value)
    });
    values.collect()
}

/// A value of a graph with the values of its outputs in place.
fn filled(machine: &Machine<f64>, of: &graph::Value) -> Result<graph::Value> {
    let all = |items: &[graph::Value]| -> Result<Vec<graph::Value>> {
        items.iter().map(|item| filled(machine, item)).collect()
    };
    Ok(match of {
        graph::Value::Output(index) => value(machine, machine.result(*index), 0)?,
        graph::Value::List(items, tail) => {
            let tail = tail
                .as_ref()
                .map(|tail| filled(machine, tail).map(Box::new));
            graph::Value::List(all(items)?, tail.transpose()?)
        }
        graph::Value::Array(shape, items) => graph::Value::Array(shape.clone(), all(items)?),
        other => other.clone(),
    })
}

fn run(machine: &mut Machine<f64>, ports: &[f64]) -> Result<()> {
    machine.reset(false);
    for (port, value) in machine.ports.iter_mut().zip(ports) {
        *port = Value::real(*value);
    }
    machine.run(None).map(drop)
}

fn value(machine: &Machine<f64>, of: Value<f64>, depth: usize) -> Result<graph::Value> {
    if depth > MAX_DEPTH {
        return Err(fail(format!(
            "the program's value nests more than {MAX_DEPTH} lists"
        )));
    }
    let list = |items: &[Value<f64>], rest: Value<f64>| {
        let items = items.iter().map(|item| value(machine, *item, depth + 1));
        let items = items.collect::<Result<Vec<graph::Value>>>()?;
        let tail = match rest {
            Value::Nil => None,
            rest => Some(Box::new(value(machine, rest, depth + 1)?)),
        };
        Ok(graph::Value::List(items, tail))
    };
    match of {
        Value::Pair(_) => {
            let mut items = Vec::new();
            let rest = machine.heap.items(of, &mut items);
            list(&items, rest)
        }
        Value::Array(array) => {
            let cells = machine.heap.slice(array.address, array.len()).iter();
            let items = cells.map(|cell| value(machine, *cell, depth + 1));
            let columns = array.columns().map(|columns| columns as usize);
            let shape = std::iter::once(array.rows as usize).chain(columns);
            let items = items.collect::<Result<Vec<graph::Value>>>()?;
            Ok(graph::Value::Array(shape.collect(), items))
        }
        other => Ok(match machine.code.atom(&machine.heap, &other) {
            Some(constant) => graph::Value::Constant(constant),
            None => graph::Value::Procedure,
        }),
    }
}

/// A cell of the heap.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its address.
    pub address: u32,
    /// The name of the tag of its value.
    pub tag: &'static str,
    /// The payload of its value.
    pub payload: [f64; PAYLOAD],
    /// The value in words.
    pub text: String,
}

/// What a run leaves behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The cells of the heap, by address.
    pub cells: Vec<Cell>,
    /// How many of them hold the constants of the program.
    pub constants: usize,
    /// The values of the outputs, as cells would hold them; their addresses are behind the heap.
    pub values: Vec<Cell>,
}

/// Runs a graph once and shows its heap.
///
/// # Errors
/// Those of [`evaluate`].
pub fn trace(graph: &Graph, ports: &[f64], limits: Limits) -> Result<Trace> {
    let mut machine = super::machine::<f64>(graph, limits)?;
    run(&mut machine, ports)?;
    let cell = |address: usize, value: &Value<f64>| Cell {
        address: address as u32,
        tag: TAGS[value.tag()],
        payload: value.payload(),
        text: text(&machine, value),
    };
    let cells = machine.heap.cells().iter().enumerate();
    let cells: Vec<Cell> = cells.map(|(i, value)| cell(i, value)).collect();
    let outputs = 0..graph.outputs.len();
    Ok(Trace {
        constants: machine.heap.constants(),
        values: outputs
            .map(|i| cell(cells.len() + i, &machine.result(i)))
            .collect(),
        cells,
    })
}

/// A value as a reader of the heap wants to see it: an atom as it is written, all else by its addresses.
fn text(machine: &Machine<f64>, value: &Value<f64>) -> String {
    let part = |address: u32| match machine.heap.get(address) {
        Value::Pair(to) => format!("@{to}"),
        value => text_of_atom(machine, &value),
    };
    match value {
        Value::Pair(address) => format!("({} . {})", part(*address), part(address + 1)),
        Value::Closure(function, address) => {
            let routine = &machine.code.routines[*function as usize];
            match routine.captures {
                0 => machine.describe(value),
                n => format!("{} over {n} cells @{address}", machine.describe(value)),
            }
        }
        other => text_of_atom(machine, other),
    }
}

fn text_of_atom(machine: &Machine<f64>, value: &Value<f64>) -> String {
    match machine.code.atom(&machine.heap, value) {
        Some(Constant::List(..)) => "()".into(),
        Some(constant) => constant.to_string(),
        None => machine.describe(value),
    }
}
