//! Reverse mode, graph to graph (Griewank and Walther, "Evaluating derivatives", 2008): the result is an ordinary numeric
//! graph, which holds the forward computation and the adjoints as plain nodes.
//!
//! A value that is one for the whole batch gets the sum of the adjoints of all samples: the adjoint of broadcasting. An `if`
//! differentiates into an `if` on the same test, whose arms give the adjoints of what they use: so nothing that an untaken
//! arm computes reaches a derivative. A loop differentiates into a way back over its iterations, each of which is computed
//! again from the states before it: so nothing that a loop without iterations never computes reaches a derivative.
//!
//! A way back over a loop has no derivative here: those of graphs that hold one on the way to an output are NaN.

mod activity;
mod branch;
mod repeat;
mod sweep;

use std::sync::Arc;

use crate::graph::{Graph, NodeId, Output, Port, PortKind, Value, simplify};
use crate::ops::{Emit, Op};
pub(crate) use activity::{reached, useful};
use sweep::{Reduction, Sweep};

/// The vector–Jacobian product of `graph`.
///
/// Ports: those of `graph`, then one input `seed.NAME` for each output. Outputs: those of `graph`, then `d.NAME` for each
/// port of `wrt`: for an input one value a sample, for a parameter the sum over the batch.
pub fn vjp(graph: &Graph, wrt: &[usize]) -> Graph {
    let graph = &simplify(graph);
    let seeds = graph.outputs.iter().map(|output| Port {
        name: Arc::from(format!("seed.{}", output.name)),
        kind: PortKind::Input,
    });
    let mut ports = graph.ports.clone();
    ports.extend(seeds);
    let mut sweep = Sweep::new(graph, ports, Reduction::Sum, wrt);
    let first_seed = graph.ports.len();
    let seeds: Vec<Option<NodeId>> = (0..graph.outputs.len())
        .map(|i| Some(sweep.builder.port(first_seed + i)))
        .collect();
    let adjoints = sweep.adjoints(&seeds);
    let derivatives = wrt
        .iter()
        .zip(adjoints)
        .map(|(port, node)| (graph.ports[*port].name.clone(), node));
    let derivatives = derivatives.collect();
    sweep.finish(derivatives)
}

/// The Jacobian of the outputs of `graph` by the ports of `wrt`, one value a sample.
///
/// Outputs: those of `graph`, then `d.OUTPUT.NAME`, output by output, port by port.
pub fn jacobian(graph: &Graph, wrt: &[usize]) -> Graph {
    let graph = &simplify(graph);
    let mut sweep = Sweep::new(graph, graph.ports.clone(), Reduction::PerSample, wrt);
    let mut derivatives = Vec::new();
    for (i, output) in graph.outputs.iter().enumerate() {
        let seeds: Vec<Option<NodeId>> = (0..graph.outputs.len())
            .map(|j| (i == j).then(|| sweep.builder.real(1.0)))
            .collect();
        let adjoints = sweep.adjoints(&seeds);
        for (port, node) in wrt.iter().zip(adjoints) {
            let name = format!("{}.{}", output.name, graph.ports[*port].name);
            derivatives.push((Arc::from(name), node));
        }
    }
    sweep.finish(derivatives)
}

/// The mean squared error of the outputs of `graph` against targets, and its gradient by the parameters `wrt`.
///
/// Ports: those of `graph`, then one input `target.NAME` for each output. Outputs: `loss`, the mean over samples and outputs
/// of the squared differences, then `d.NAME` for each port of `wrt`.
pub fn training(graph: &Graph, wrt: &[usize]) -> Graph {
    squared_errors(graph, wrt, Squares::Mean)
}

/// The same with the sum of the squared differences in place of their mean.
pub fn squares(graph: &Graph, wrt: &[usize]) -> Graph {
    squared_errors(graph, wrt, Squares::Sum)
}

/// What is made of squared differences.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Squares {
    Mean,
    Sum,
}

fn squared_errors(graph: &Graph, wrt: &[usize], squares: Squares) -> Graph {
    let graph = &simplify(graph);
    let targets = graph.outputs.iter().map(|output| Port {
        name: Arc::from(format!("target.{}", output.name)),
        kind: PortKind::Input,
    });
    let mut ports = graph.ports.clone();
    ports.extend(targets);
    let mut sweep = Sweep::new(graph, ports, Reduction::Sum, wrt);
    let b = &mut sweep.builder;
    let count = (squares == Squares::Mean).then(|| {
        let samples = b.op(Op::BatchCount, &[]);
        let outputs = b.real(graph.outputs.len() as f64);
        b.op(Op::Mul, &[samples, outputs])
    });
    let (mut total, mut seeds) = (None, Vec::new());
    for (i, output) in sweep.outputs.iter().enumerate() {
        let target = b.port(graph.ports.len() + i);
        let residual = b.op(Op::Sub, &[*output, target]);
        let square = b.op(Op::Mul, &[residual, residual]);
        total = Some(match total {
            None => square,
            Some(total) => b.op(Op::Add, &[total, square]),
        });
        seeds.push(Some(residual));
    }
    let total = total.unwrap_or_else(|| b.real(0.0));
    let sum = b.op(Op::BatchSum, &[total]);
    let loss = count.map_or(sum, |count| b.op(Op::Div, &[sum, count]));
    // adjoints are linear in the seeds: the factor `2 / count` comes last, once instead of sample by sample
    let adjoints = sweep.adjoints(&seeds);
    let mut outputs = vec![Output {
        name: Arc::from("loss"),
        node: loss,
    }];
    for (port, adjoint) in wrt.iter().zip(adjoints) {
        let b = &mut sweep.builder;
        let node = match b.known(adjoint) {
            Some(_) => adjoint,
            None => {
                let twice = b.op(Op::Add, &[adjoint, adjoint]);
                count.map_or(twice, |count| b.op(Op::Div, &[twice, count]))
            }
        };
        outputs.push(Output {
            name: Arc::from(format!("d.{}", graph.ports[*port].name)),
            node,
        });
    }
    simplify(&sweep.builder.finish(outputs, Value::Output(0)))
}
