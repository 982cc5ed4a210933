//! Programs on batches in memory, for the tests of the tagged engine.

use ncg::compile::front;
use ncg::engine::{Inputs, Outputs, Program};
use ncg::error::Error;
use ncg::graph::{self, Graph};
use ncg::options::Options;

pub fn general(text: &str) -> Result<Graph, Error> {
    Ok(front(text, &Options::new())?.general)
}

/// A batch: for each port, a value for each sample.
pub struct Table(pub Vec<Vec<f64>>);

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
pub struct Columns(pub Vec<Vec<f64>>);

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

pub fn run(
    program: &mut dyn Program<f64>,
    table: &Table,
    samples: usize,
) -> Result<Columns, Error> {
    let mut columns = Columns::default();
    program.run(samples, table, &mut columns, None)?;
    Ok(columns)
}

/// The values of the ports of a graph; parameters that are not given have their initial values.
pub fn ports(graph: &Graph, given: &[(&str, f64)]) -> Vec<f64> {
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
