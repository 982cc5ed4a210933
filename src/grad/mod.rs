//! Derivatives, graph to graph: the reverse mode, and for loops and few ports the forward mode.
//!
//! Reverse mode (Griewank and Walther, "Evaluating derivatives", 2008): the result is an ordinary numeric
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
mod forward;
mod repeat;
mod sweep;

use std::sync::Arc;

use crate::graph::{Builder, Graph, NodeId, Output, Port, PortKind, Value, simplify};
use crate::ops::{Emit, Op};
pub(crate) use activity::{reached, useful};
use sweep::{Reduction, Sweep};

/// The vector–Jacobian product of `graph`.
///
/// Ports: those of `graph`, then one input `seed.NAME` for each output. Outputs: those of `graph`, then `d.NAME` for each
/// port of `wrt`: for an input one value a sample, for a parameter the sum over the batch.
pub fn vjp(graph: &Graph, wrt: &[usize]) -> Graph {
    let graph = &simplify(graph);
    reverse_vjp(graph, wrt)
}

/// The same by whichever mode is less work.
pub fn cheapest_vjp(graph: &Graph, wrt: &[usize]) -> Graph {
    let graph = &simplify(graph);
    match forward::is_cheaper(graph, wrt) {
        true => forward_vjp(graph, wrt),
        false => reverse_vjp(graph, wrt),
    }
}

/// The vector–Jacobian product by forward mode, where that can be had.
pub fn vjp_by_tangents(graph: &Graph, wrt: &[usize]) -> Option<Graph> {
    let graph = &simplify(graph);
    forward::is_possible(graph, wrt).then(|| forward_vjp(graph, wrt))
}

/// The ports of a graph and of seeds for its outputs.
fn with_seeds(graph: &Graph) -> Vec<Port> {
    let seeds = graph.outputs.iter().map(|output| Port {
        name: Arc::from(format!("seed.{}", output.name)),
        kind: PortKind::Input,
    });
    graph.ports.iter().cloned().chain(seeds).collect()
}

fn forward_vjp(graph: &Graph, wrt: &[usize]) -> Graph {
    let found = forward::tangents(graph, with_seeds(graph), wrt);
    let mut b = found.builder;
    let mut derivatives = Vec::new();
    for (place, port) in wrt.iter().enumerate() {
        let mut sum = None;
        for (output, tangents) in found.tangents.iter().enumerate() {
            let Some(tangent) = tangents[place] else {
                continue;
            };
            let seed = b.port(graph.ports.len() + output);
            let part = b.op(Op::Mul, &[seed, tangent]);
            sum = Some(match sum {
                None => part,
                Some(sum) => b.op(Op::Add, &[sum, part]),
            });
        }
        let derivative = match sum {
            None => b.real(0.0),
            Some(sum) if graph.ports[*port].is_parameter() => b.op(Op::BatchSum, &[sum]),
            Some(sum) => sum,
        };
        derivatives.push((graph.ports[*port].name.clone(), derivative));
    }
    finish(graph, b, &found.outputs, derivatives)
}

fn reverse_vjp(graph: &Graph, wrt: &[usize]) -> Graph {
    let mut sweep = Sweep::new(graph, with_seeds(graph), Reduction::Sum, wrt);
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
    reverse_jacobian(&simplify(graph), wrt)
}

/// The same by whichever mode is less work.
pub fn cheapest_jacobian(graph: &Graph, wrt: &[usize]) -> Graph {
    let graph = &simplify(graph);
    match forward::is_cheaper(graph, wrt) {
        true => forward_jacobian(graph, wrt),
        false => reverse_jacobian(graph, wrt),
    }
}

/// The Jacobian by forward mode, where that can be had.
pub fn jacobian_by_tangents(graph: &Graph, wrt: &[usize]) -> Option<Graph> {
    let graph = &simplify(graph);
    forward::is_possible(graph, wrt).then(|| forward_jacobian(graph, wrt))
}

fn forward_jacobian(graph: &Graph, wrt: &[usize]) -> Graph {
    let found = forward::tangents(graph, graph.ports.clone(), wrt);
    let mut b = found.builder;
    let mut derivatives = Vec::new();
    for (output, tangents) in graph.outputs.iter().zip(found.tangents) {
        for (port, tangent) in wrt.iter().zip(tangents) {
            let name = format!("{}.{}", output.name, graph.ports[*port].name);
            derivatives.push((Arc::from(name), tangent.unwrap_or_else(|| b.real(0.0))));
        }
    }
    finish(graph, b, &found.outputs, derivatives)
}

fn reverse_jacobian(graph: &Graph, wrt: &[usize]) -> Graph {
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

/// The graph of these outputs, those of the source, and these derivatives.
fn finish(
    graph: &Graph,
    builder: Builder,
    outputs: &[NodeId],
    derivatives: Vec<(Arc<str>, NodeId)>,
) -> Graph {
    let values = graph.outputs.iter().zip(outputs);
    let values = values.map(|(output, node)| Output {
        name: output.name.clone(),
        node: *node,
    });
    let derivatives = derivatives.into_iter().map(|(name, node)| Output {
        name: Arc::from(format!("d.{name}")),
        node,
    });
    let outputs = values.chain(derivatives).collect();
    simplify(&builder.finish(outputs, graph.value.clone()))
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

/// What a measure makes of the outputs of a graph: a number for each sample, and its derivatives by them.
pub(crate) struct Measured {
    /// The number.
    pub term: NodeId,
    /// Its derivative by each output.
    pub slopes: Vec<NodeId>,
}

/// A loss for each sample, and the gradient of its sum over the batch by `wrt`. `measure` is given the outputs of `graph` and
/// the first of the ports `more`, which stand behind those of `graph`.
///
/// Outputs: `loss`, one value a sample, then `d.NAME` for each port of `wrt`.
pub(crate) fn total(
    graph: &Graph,
    more: Vec<Port>,
    wrt: &[usize],
    measure: impl FnOnce(&mut Builder, &[NodeId], usize) -> Measured,
) -> Graph {
    let graph = &simplify(graph);
    let mut ports = graph.ports.clone();
    ports.extend(more);
    let mut sweep = Sweep::new(graph, ports, Reduction::Sum, wrt);
    let values = sweep.outputs.clone();
    let Measured { term, slopes } = measure(&mut sweep.builder, &values, graph.ports.len());
    let seeds: Vec<Option<NodeId>> = slopes.into_iter().map(Some).collect();
    let adjoints = sweep.adjoints(&seeds);
    let slopes = wrt.iter().zip(adjoints).map(|(port, node)| Output {
        name: Arc::from(format!("d.{}", graph.ports[*port].name)),
        node,
    });
    let loss = Output {
        name: Arc::from("loss"),
        node: term,
    };
    let outputs = [loss].into_iter().chain(slopes).collect();
    simplify(&sweep.builder.finish(outputs, Value::Output(0)))
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
