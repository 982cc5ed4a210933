//! Reverse mode, graph to graph (Griewank and Walther, "Evaluating derivatives", 2008): the result is an ordinary numeric
//! graph, which holds the forward computation and the adjoints as plain nodes.
//!
//! A value that is one for the whole batch gets the sum of the adjoints of all samples: the adjoint of broadcasting. An `if`
//! differentiates into an `if` on the same test, whose arms give the adjoints of what they use: so nothing that an untaken
//! arm computes reaches a derivative.

use std::collections::HashMap;
use std::sync::Arc;

use crate::graph::{
    Arms, Builder, Copier, Graph, NodeId, NodeKind, Output, Port, PortKind, RegionId, Value,
    simplify,
};
use crate::ops::{Emit, Linear, Op, Role, Site, linear_adjoints};

/// What the adjoint of a parameter is in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    /// The sum over the samples.
    Sum,
    /// One value for each sample.
    PerSample,
}

/// The vector–Jacobian product of `graph`.
///
/// Ports: those of `graph`, then one input `seed.NAME` for each output. Outputs: those of `graph`, then `d.NAME` for each
/// port of `wrt`: for an input one value a sample, for a parameter the sum over the batch.
pub fn vjp(graph: &Graph, wrt: &[usize]) -> Graph {
    let seeds = graph.outputs.iter().map(|output| Port {
        name: Arc::from(format!("seed.{}", output.name)),
        kind: PortKind::Input,
    });
    let mut ports = graph.ports.clone();
    ports.extend(seeds);
    let mut sweep = Sweep::new(graph, ports, Reduction::Sum, wrt);
    let first_seed = graph.ports.len();
    let seeds: Vec<NodeId> = (0..graph.outputs.len())
        .map(|i| sweep.builder.port(first_seed + i))
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
    let mut sweep = Sweep::new(graph, graph.ports.clone(), Reduction::PerSample, wrt);
    let mut derivatives = Vec::new();
    for (i, output) in graph.outputs.iter().enumerate() {
        let seeds: Vec<Option<NodeId>> = (0..graph.outputs.len())
            .map(|j| (i == j).then(|| sweep.builder.real(1.0)))
            .collect();
        let adjoints = sweep.sparse_adjoints(&seeds);
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
    let targets = graph.outputs.iter().map(|output| Port {
        name: Arc::from(format!("target.{}", output.name)),
        kind: PortKind::Input,
    });
    let mut ports = graph.ports.clone();
    ports.extend(targets);
    let mut sweep = Sweep::new(graph, ports, Reduction::Sum, wrt);
    let b = &mut sweep.builder;
    let samples = b.op(Op::BatchCount, &[]);
    let outputs = b.real(graph.outputs.len() as f64);
    let count = b.op(Op::Mul, &[samples, outputs]);
    let (mut total, mut seeds) = (None, Vec::new());
    for (i, output) in sweep.outputs.iter().enumerate() {
        let target = b.port(graph.ports.len() + i);
        let residual = b.op(Op::Sub, &[*output, target]);
        let square = b.op(Op::Mul, &[residual, residual]);
        total = Some(match total {
            None => square,
            Some(total) => b.op(Op::Add, &[total, square]),
        });
        seeds.push(residual);
    }
    let total = total.unwrap_or_else(|| b.real(0.0));
    let sum = b.op(Op::BatchSum, &[total]);
    let loss = b.op(Op::Div, &[sum, count]);
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
                b.op(Op::Div, &[twice, count])
            }
        };
        outputs.push(Output {
            name: Arc::from(format!("d.{}", graph.ports[*port].name)),
            node,
        });
    }
    simplify(&sweep.builder.finish(outputs, Value::Output(0)))
}

/// A forward copy of a graph, ready for sweeps back over it.
struct Sweep<'a> {
    graph: &'a Graph,
    builder: Builder,
    copier: Copier<'a>,
    reduction: Reduction,
    wrt: &'a [usize],
    /// Which nodes of the source depend on a port of `wrt`.
    active: Vec<bool>,
    /// Which nodes of the source differ from sample to sample.
    batched: Vec<bool>,
    /// The outputs of the source, copied.
    outputs: Vec<NodeId>,
}

/// The adjoint of a node while it is gathered: a part that differs from sample to sample, and one that does not.
#[derive(Clone, Copy, Default)]
struct Adjoint {
    batched: Option<NodeId>,
    uniform: Option<NodeId>,
}

impl<'a> Sweep<'a> {
    fn new(
        graph: &'a Graph,
        ports: Vec<Port>,
        reduction: Reduction,
        wrt: &'a [usize],
    ) -> Sweep<'a> {
        let results: Vec<NodeId> = graph.outputs.iter().map(|output| output.node).collect();
        let mut builder = Builder::new(ports);
        let mut copier = Copier::new(graph, RegionId(0), &results, Arms::Keep);
        for (i, node) in graph.nodes.iter().enumerate() {
            if let NodeKind::Port(port) = node.kind {
                copier.set(NodeId(i as u32), builder.port(port as usize));
            }
        }
        copier.nodes(&mut builder, RegionId(0));
        let outputs = results.iter().map(|node| copier.get(*node)).collect();
        Sweep {
            graph,
            builder,
            copier,
            reduction,
            wrt,
            active: active(graph, wrt),
            batched: graph.batched(),
            outputs,
        }
    }

    fn adjoints(&mut self, seeds: &[NodeId]) -> Vec<NodeId> {
        let seeds: Vec<Option<NodeId>> = seeds.iter().copied().map(Some).collect();
        self.sparse_adjoints(&seeds)
    }

    /// The adjoints of the ports of `wrt` for these adjoints of the outputs; `None` is zero.
    fn sparse_adjoints(&mut self, seeds: &[Option<NodeId>]) -> Vec<NodeId> {
        let mut adjoints: HashMap<NodeId, Adjoint> = HashMap::new();
        for (output, seed) in self.graph.outputs.iter().zip(seeds) {
            if let Some(seed) = seed {
                // given seeds differ from sample to sample; those of a Jacobian are ones
                let batched = self.reduction == Reduction::Sum;
                self.add(&mut adjoints, output.node, *seed, batched);
            }
        }
        self.region(RegionId(0), &mut adjoints);
        let wrt = self.wrt;
        let mut ports: HashMap<usize, NodeId> = HashMap::new();
        for (i, node) in self.graph.nodes.iter().enumerate() {
            if let NodeKind::Port(port) = node.kind {
                ports.insert(port as usize, NodeId(i as u32));
            }
        }
        wrt.iter()
            .map(|port| {
                let adjoint = ports.get(port).and_then(|node| {
                    let adjoint = adjoints.get(node).copied()?;
                    self.gathered(*node, adjoint)
                });
                adjoint.unwrap_or_else(|| self.builder.real(0.0))
            })
            .collect()
    }

    /// Adds `value` to the adjoint of `node`.
    fn add(
        &mut self,
        adjoints: &mut HashMap<NodeId, Adjoint>,
        node: NodeId,
        value: NodeId,
        batched: bool,
    ) {
        if !self.active[node.index()] {
            return;
        }
        let adjoint = adjoints.entry(node).or_default();
        let part = if batched {
            &mut adjoint.batched
        } else {
            &mut adjoint.uniform
        };
        *part = Some(match *part {
            None => value,
            Some(other) => self.builder.op(Op::Add, &[other, value]),
        });
    }

    /// The whole adjoint of a node.
    fn gathered(&mut self, node: NodeId, adjoint: Adjoint) -> Option<NodeId> {
        let summed = self.reduction == Reduction::Sum && !self.batched[node.index()];
        let batched = match adjoint.batched {
            Some(part) if summed => Some(self.builder.op(Op::BatchSum, &[part])),
            part => part,
        };
        match (batched, adjoint.uniform) {
            (Some(a), Some(b)) => Some(self.builder.op(Op::Add, &[a, b])),
            (a, b) => a.or(b),
        }
    }

    /// Sweeps back over the nodes of a region.
    fn region(&mut self, region: RegionId, adjoints: &mut HashMap<NodeId, Adjoint>) {
        let graph = self.graph;
        // the adjoints of the values of an `if` or of linear algebra, until the sweep reaches it
        let mut values: HashMap<NodeId, Vec<(u32, NodeId, bool)>> = HashMap::new();
        for id in graph.region(region).nodes.iter().rev() {
            let node = graph.node(*id);
            if let NodeKind::If(then, otherwise) = node.kind {
                if let Some(values) = values.remove(id) {
                    self.branch(*id, then, otherwise, &values, adjoints);
                }
                continue;
            }
            if let NodeKind::Linear(linear) = node.kind {
                if let Some(values) = values.remove(id) {
                    self.linear(linear, *id, &values, adjoints);
                }
                continue;
            }
            let Some(adjoint) = adjoints.get(id).copied() else {
                continue;
            };
            if matches!(node.kind, NodeKind::Port(_)) {
                continue;
            }
            let Some(whole) = self.gathered(*id, adjoint) else {
                continue;
            };
            // a uniform value's adjoint is uniform once it has been summed
            let batched = match self.reduction {
                Reduction::Sum => self.batched[id.index()],
                Reduction::PerSample => adjoint.batched.is_some() || self.batched[id.index()],
            };
            self.builder.span = node.span;
            match &node.kind {
                NodeKind::Op(op) => self.op(*op, *id, whole, batched, adjoints),
                NodeKind::Get(index) => values
                    .entry(node.args[0])
                    .or_default()
                    .push((*index, whole, batched)),
                _ => {}
            }
        }
    }

    fn op(
        &mut self,
        op: Op,
        id: NodeId,
        whole: NodeId,
        batched: bool,
        adjoints: &mut HashMap<NodeId, Adjoint>,
    ) {
        let Role::Numeric { adjoint: rule, .. } = op.row().role else {
            return;
        };
        let node = self.graph.node(id);
        let args: Vec<NodeId> = node.args.iter().map(|arg| self.copier.get(*arg)).collect();
        let site = Site {
            args: &args,
            out: self.copier.get(id),
            adjoint: whole,
        };
        for (i, arg) in node.args.iter().enumerate() {
            if self.active[arg.index()]
                && let Some(value) = rule(&mut self.builder, site, i)
            {
                // the sum over a batch gives its adjoint, one for all, to every sample
                let spreads = op == Op::BatchSum && self.batched[arg.index()];
                self.add(adjoints, *arg, value, batched || spreads);
            }
        }
    }

    /// The adjoints of the arguments of linear algebra, given those of its values.
    fn linear(
        &mut self,
        linear: Linear,
        id: NodeId,
        values: &[(u32, NodeId, bool)],
        adjoints: &mut HashMap<NodeId, Adjoint>,
    ) {
        let node = self.graph.node(id);
        let mut seeds = vec![None; linear.values()];
        let mut batched = self.batched[id.index()];
        for (index, value, differs) in values {
            seeds[*index as usize] = Some(*value);
            batched |= *differs;
        }
        self.builder.span = node.span;
        let args: Vec<NodeId> = node.args.iter().map(|arg| self.copier.get(*arg)).collect();
        let wanted: Vec<bool> = node.args.iter().map(|a| self.active[a.index()]).collect();
        let parts = linear_adjoints(&mut self.builder, linear, &args, &seeds, &wanted);
        for (arg, part) in node.args.iter().zip(parts) {
            if let Some(part) = part {
                self.add(adjoints, *arg, part, batched);
            }
        }
    }

    /// The adjoint of an `if`: an `if` on the same test. Each arm recomputes what it needs and sweeps back over itself.
    fn branch(
        &mut self,
        id: NodeId,
        then: RegionId,
        otherwise: RegionId,
        values: &[(u32, NodeId, bool)],
        adjoints: &mut HashMap<NodeId, Adjoint>,
    ) {
        let test = self.copier.get(self.graph.node(id).args[0]);
        let mut used: Vec<NodeId> = Vec::new();
        for arm in [then, otherwise] {
            captures(self.graph, arm, &mut used);
        }
        used.sort();
        used.dedup();
        let captured: Vec<NodeId> = used
            .iter()
            .copied()
            .filter(|node| self.active[node.index()])
            .collect();
        // a sum over the batch inside an arm would count samples that do not take it
        let reduction = std::mem::replace(&mut self.reduction, Reduction::PerSample);
        let [(then, first), (otherwise, second)] =
            [then, otherwise].map(|arm| self.arm(arm, values, &used, &captured));
        self.reduction = reduction;
        let results = self.builder.branch(test, then, otherwise);
        let test_batched = self.batched[self.graph.node(id).args[0].index()];
        for (i, (node, result)) in captured.iter().zip(results).enumerate() {
            self.add(
                adjoints,
                *node,
                result,
                test_batched || first[i] || second[i],
            );
        }
    }

    /// The region that gives the adjoints of `captured` for one arm, and which of them differ from sample to sample.
    /// `used` are the nodes outside that the arm may use.
    fn arm(
        &mut self,
        arm: RegionId,
        values: &[(u32, NodeId, bool)],
        used: &[NodeId],
        captured: &[NodeId],
    ) -> (RegionId, Vec<bool>) {
        let graph = self.graph;
        let results = &graph.region(arm).results;
        self.builder.open_region(&[]);
        let mut inner = Copier::new(graph, arm, results, Arms::Keep);
        for node in used {
            if let Some(copy) = self.copier.find(*node) {
                inner.set(*node, copy);
            }
        }
        inner.nodes(&mut self.builder, arm);
        let outer = std::mem::replace(&mut self.copier, inner);
        let mut adjoints: HashMap<NodeId, Adjoint> = HashMap::new();
        for (index, value, batched) in values {
            self.add(&mut adjoints, results[*index as usize], *value, *batched);
        }
        self.region(arm, &mut adjoints);
        let zero = self.builder.real(0.0);
        let parts: Vec<Adjoint> = captured
            .iter()
            .map(|node| adjoints.get(node).copied().unwrap_or_default())
            .collect();
        let nodes = captured
            .iter()
            .zip(&parts)
            .map(|(node, part)| self.gathered(*node, *part).unwrap_or(zero));
        let nodes = nodes.collect();
        self.copier = outer;
        (
            self.builder.close_region(nodes),
            parts.iter().map(|part| part.batched.is_some()).collect(),
        )
    }

    /// The graph with the outputs of the source and these derivatives.
    fn finish(self, derivatives: Vec<(Arc<str>, NodeId)>) -> Graph {
        let values = self
            .graph
            .outputs
            .iter()
            .zip(&self.outputs)
            .map(|(output, node)| Output {
                name: output.name.clone(),
                node: *node,
            });
        let derivatives = derivatives.into_iter().map(|(name, node)| Output {
            name: Arc::from(format!("d.{name}")),
            node,
        });
        let outputs = values.chain(derivatives).collect();
        simplify(&self.builder.finish(outputs, self.graph.value.clone()))
    }
}

/// For each node, whether it depends on a port of `wrt`.
fn active(graph: &Graph, wrt: &[usize]) -> Vec<bool> {
    let mut active = vec![false; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        active[i] = match node.kind {
            NodeKind::Port(port) => wrt.contains(&(port as usize)),
            NodeKind::If(then, otherwise) => [then, otherwise].iter().any(|arm| {
                graph
                    .region(*arm)
                    .results
                    .iter()
                    .any(|result| active[result.index()])
            }),
            _ => node.args.iter().any(|arg| active[arg.index()]),
        };
    }
    active
}

/// Appends the nodes outside `region` that it uses, at any depth.
fn captures(graph: &Graph, region: RegionId, out: &mut Vec<NodeId>) {
    let mut inside = vec![region];
    let mut own = std::collections::HashSet::new();
    let mut used = Vec::new();
    while let Some(region) = inside.pop() {
        used.extend(&graph.region(region).results);
        for id in &graph.region(region).nodes {
            own.insert(*id);
            used.extend(&graph.node(*id).args);
            if let NodeKind::If(then, otherwise) = graph.node(*id).kind {
                inside.extend([then, otherwise]);
            }
        }
    }
    out.extend(used.into_iter().filter(|node| !own.contains(node)));
}
