//! The path of one sample as a numeric graph: what the program computes of the ports, and the tests that all samples of the
//! same path answer alike.

use std::sync::atomic::AtomicBool;

use super::Limits;
use super::machine::{End, Machine};
use super::value::Value;
use crate::error::Result;
use crate::graph::{self, Builder, Graph, NodeId, Output, Port, simplify};
use crate::ops::Emit;
use crate::ops::real::Real;

/// Operations and questions that a path has at most.
pub const MAX_OPERATIONS: usize = 20_000;

/// A straight graph for all samples whose tests go the same way.
pub struct Path {
    /// The outputs of the program.
    pub values: Graph,
    /// One output: whether a sample takes this path. `None` where all do.
    pub check: Option<Graph>,
}

/// A program whose paths can be traced.
pub struct Tracer<T> {
    machine: Machine<T>,
    ports: Vec<Port>,
    outputs: Vec<Output>,
    value: graph::Value,
}

impl<T: Real> Tracer<T> {
    /// Prepares a verified graph, as [`super::prepare`] does.
    ///
    /// # Errors
    /// Those of [`super::prepare`].
    pub fn new(graph: &Graph, limits: Limits) -> Result<Tracer<T>> {
        Ok(Tracer {
            machine: super::machine(graph, limits)?,
            ports: graph.ports.clone(),
            outputs: graph.outputs.clone(),
            value: graph.value.clone(),
        })
    }

    /// The path of a sample with these values of the ports. `None` where no graph tells it: it is too long, or hangs on the
    /// bits of numbers; and when the run was cancelled.
    ///
    /// # Errors
    /// What the program does wrong on this sample.
    pub fn path(&mut self, values: &[T], cancel: Option<&AtomicBool>) -> Result<Option<Path>> {
        let machine = &mut self.machine;
        machine.reset(true);
        for (port, value) in machine.ports.iter_mut().zip(values) {
            *port = Value::Real(*value, machine.numbers.tape.push(*value)?);
        }
        if machine.run(cancel)? == End::Cancelled {
            return Ok(None);
        }
        let mut results = Vec::with_capacity(self.outputs.len());
        for output in 0..self.outputs.len() {
            let (number, mark) = machine.real_result(output)?;
            results.push((number.to_f64(), mark));
        }
        if machine.numbers.tape.len() > MAX_OPERATIONS {
            return Ok(None);
        }
        let Some((mut builder, nodes, test)) = self.emit(&results) else {
            return Ok(None);
        };
        let outputs = self.outputs.iter().zip(results.iter().zip(nodes));
        let outputs = outputs.map(|(output, ((number, _), node))| Output {
            name: output.name.clone(),
            node: node.unwrap_or_else(|| builder.real(*number)),
        });
        let outputs = outputs.collect();
        let values = simplify(&builder.finish(outputs, self.value.clone()));
        let check = match test {
            None => None,
            Some(_) => self
                .emit(&results)
                .and_then(|(builder, _, test)| Some(simplify(&builder.finish_one(test?)))),
        };
        Ok(Some(Path { values, check }))
    }

    /// The tape as nodes: of these results, and of the tests.
    #[allow(clippy::type_complexity)]
    fn emit(
        &self,
        results: &[(f64, u32)],
    ) -> Option<(Builder, Vec<Option<NodeId>>, Option<NodeId>)> {
        let mut builder = Builder::new(self.ports.clone());
        let places: Vec<u32> = results.iter().map(|(_, place)| *place).collect();
        let tape = &self.machine.numbers.tape;
        let (nodes, test) = tape.emit(&mut builder, self.ports.len(), &places)?;
        Some((builder, nodes, test))
    }
}
