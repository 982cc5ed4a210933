//! A forward copy of a graph and the sweeps back over it.

use std::collections::HashMap;
use std::sync::Arc;

use super::activity::{sampled, useful, varied};
use crate::graph::{Arms, Builder, Copier, Graph, NodeId, NodeKind, Port, RegionId};
use crate::ops::{Emit, Linear, Op, Role, Site, linear_adjoints};

/// What the adjoint of a parameter is in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The sum over the samples.
    Sum,
    /// One value for each sample.
    PerSample,
}

/// A forward copy of a graph, ready for sweeps back over it. The graph is as [`simplify`] leaves it: each node is needed and
/// stands in the innermost region of its uses.
pub struct Sweep<'a> {
    pub graph: &'a Graph,
    pub builder: Builder,
    pub copier: Copier<'a>,
    pub reduction: Reduction,
    wrt: &'a [usize],
    /// Which nodes of the source depend on a port of `wrt`.
    varied: Vec<bool>,
    /// Which of those an output with a seed depends on.
    pub active: Vec<bool>,
    /// Which nodes of the source differ from sample to sample.
    pub batched: Vec<bool>,
    /// Which nodes of the source have an adjoint that does.
    pub sampled: Vec<bool>,
    /// The outputs of the source, copied.
    pub outputs: Vec<NodeId>,
}

/// The adjoint of a node while it is gathered: a part that differs from sample to sample, and one that does not.
#[derive(Clone, Copy, Default)]
pub struct Adjoint {
    pub batched: Option<NodeId>,
    uniform: Option<NodeId>,
}

/// The adjoints of the nodes that a sweep has come to.
pub type Adjoints = HashMap<NodeId, Adjoint>;

/// The adjoint of one value of an `if` or a loop.
#[derive(Clone, Copy)]
pub struct Seed {
    /// Which value.
    pub index: usize,
    pub node: NodeId,
    /// Whether it differs from sample to sample.
    pub batched: bool,
}

impl<'a> Sweep<'a> {
    pub fn new(
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
            varied: varied(graph, wrt),
            active: vec![],
            batched: graph.batched(),
            sampled: vec![],
            outputs,
        }
    }

    /// The adjoints of the ports of `wrt` for these adjoints of the outputs; `None` is zero.
    pub fn adjoints(&mut self, seeds: &[Option<NodeId>]) -> Vec<NodeId> {
        let graph = self.graph;
        let seeded = graph.outputs.iter().zip(seeds);
        let seeded: Vec<(NodeId, NodeId)> = seeded
            .filter_map(|(output, seed)| Some((output.node, (*seed)?)))
            .collect();
        let outputs: Vec<NodeId> = seeded.iter().map(|(output, _)| *output).collect();
        let useful = useful(graph, &outputs);
        let both = self.varied.iter().zip(useful);
        self.active = both.map(|(varied, useful)| *varied && useful).collect();
        self.sampled = sampled(graph, &self.active);
        if self.goes_back() {
            let nan = self.builder.real(f64::NAN);
            return vec![nan; self.wrt.len()];
        }
        let mut adjoints = Adjoints::new();
        for (output, seed) in seeded {
            // given seeds differ from sample to sample; those of a Jacobian are ones
            let batched = self.reduction == Reduction::Sum;
            self.add(&mut adjoints, output, seed, batched);
        }
        self.region(RegionId(0), &mut adjoints);
        let mut ports: HashMap<usize, NodeId> = HashMap::new();
        for (i, node) in graph.nodes.iter().enumerate() {
            if let NodeKind::Port(port) = node.kind {
                ports.insert(port as usize, NodeId(i as u32));
            }
        }
        let wrt = self.wrt;
        wrt.iter()
            .map(|port| {
                let node = ports.get(port).copied();
                let adjoint = node.and_then(|node| self.gathered(node, &adjoints));
                adjoint.map_or_else(|| self.builder.real(0.0), |(adjoint, _)| adjoint)
            })
            .collect()
    }

    /// Whether derivatives would have to go through a way back over a loop.
    fn goes_back(&self) -> bool {
        self.graph.nodes.iter().any(|node| match node.kind {
            NodeKind::Reverse(back) => {
                let params = &self.graph.region(back).params;
                params.iter().any(|param| self.active[param.index()])
            }
            _ => false,
        })
    }

    /// Adds `value` to the adjoint of `node`.
    pub fn add(&mut self, adjoints: &mut Adjoints, node: NodeId, value: NodeId, batched: bool) {
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

    /// The whole adjoint of a node, and whether it differs from sample to sample.
    fn gathered(&mut self, node: NodeId, adjoints: &Adjoints) -> Option<(NodeId, bool)> {
        let summed = self.reduction == Reduction::Sum && !self.sampled[node.index()];
        self.whole(node, adjoints, summed)
    }

    /// The same where it leaves a region: not summed yet.
    pub fn unsummed(&mut self, node: NodeId, adjoints: &Adjoints) -> Option<(NodeId, bool)> {
        self.whole(node, adjoints, false)
    }

    fn whole(&mut self, node: NodeId, adjoints: &Adjoints, summed: bool) -> Option<(NodeId, bool)> {
        let adjoint = adjoints.get(&node)?;
        let batched = match adjoint.batched {
            Some(part) if summed => Some(self.builder.op(Op::BatchSum, &[part])),
            part => part,
        };
        let whole = match (batched, adjoint.uniform) {
            (Some(a), Some(b)) => self.builder.op(Op::Add, &[a, b]),
            (a, b) => a.or(b)?,
        };
        Some((whole, adjoint.batched.is_some() && !summed))
    }

    /// Sweeps back over the nodes of a region.
    pub fn region(&mut self, region: RegionId, adjoints: &mut Adjoints) {
        let graph = self.graph;
        // the adjoints of the values of an `if`, a loop or linear algebra, until the sweep reaches it
        let mut seeds: HashMap<NodeId, Vec<Seed>> = HashMap::new();
        for id in graph.region(region).nodes.iter().rev() {
            let node = graph.node(*id);
            self.builder.span = node.span;
            match &node.kind {
                NodeKind::Op(op) => {
                    if let Some((whole, batched)) = self.gathered(*id, adjoints) {
                        self.op(*op, *id, whole, batched, adjoints);
                    }
                }
                NodeKind::Get(index) => {
                    if let Some((whole, batched)) = self.gathered(*id, adjoints) {
                        seeds.entry(node.args[0]).or_default().push(Seed {
                            index: *index as usize,
                            node: whole,
                            batched,
                        });
                    }
                }
                NodeKind::Linear(linear) => {
                    if let Some(seeds) = seeds.remove(id) {
                        self.linear(*linear, *id, &seeds, adjoints);
                    }
                }
                NodeKind::If(then, otherwise) => {
                    if let Some(seeds) = seeds.remove(id) {
                        self.branch(*id, *then, *otherwise, &seeds, adjoints);
                    }
                }
                NodeKind::Loop(head, next) => {
                    if let Some(seeds) = seeds.remove(id) {
                        self.repeat(*id, *head, *next, &seeds, adjoints);
                    }
                }
                _ => {}
            }
        }
    }

    fn op(&mut self, op: Op, id: NodeId, whole: NodeId, batched: bool, adjoints: &mut Adjoints) {
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
                self.add(adjoints, *arg, value, batched || op == Op::BatchSum);
            }
        }
    }

    fn linear(&mut self, linear: Linear, id: NodeId, seeds: &[Seed], adjoints: &mut Adjoints) {
        let node = self.graph.node(id);
        let args: Vec<NodeId> = node.args.iter().map(|arg| self.copier.get(*arg)).collect();
        let wanted: Vec<bool> = node.args.iter().map(|a| self.active[a.index()]).collect();
        let mut values = vec![None; linear.values()];
        let mut batched = self.batched[id.index()];
        for seed in seeds {
            values[seed.index] = Some(seed.node);
            batched |= seed.batched;
        }
        let parts = linear_adjoints(&mut self.builder, linear, &args, &values, &wanted);
        for (arg, part) in node.args.iter().zip(parts) {
            if let Some(part) = part {
                self.add(adjoints, *arg, part, batched);
            }
        }
    }

    /// Sweeps back over regions that do not run for all samples, or not equally often: `inside` copies them forward, and
    /// `seeds` are the adjoints of nodes in them. Gives the adjoints that come out, not summed.
    pub fn inner(
        &mut self,
        mut inside: Copier<'a>,
        outside: &[NodeId],
        regions: &[RegionId],
        seeds: impl Iterator<Item = (NodeId, NodeId, bool)>,
    ) -> Adjoints {
        inside.inherit(&self.copier, outside);
        for region in regions {
            inside.nodes(&mut self.builder, *region);
        }
        let copier = std::mem::replace(&mut self.copier, inside);
        // a sum over the batch would count samples that are not there
        let reduction = std::mem::replace(&mut self.reduction, Reduction::PerSample);
        let mut adjoints = Adjoints::new();
        for (node, seed, batched) in seeds {
            self.add(&mut adjoints, node, seed, batched);
        }
        for region in regions.iter().rev() {
            self.region(*region, &mut adjoints);
        }
        self.copier = copier;
        self.reduction = reduction;
        adjoints
    }

    /// The graph with the outputs of the source and these derivatives.
    pub fn finish(self, derivatives: Vec<(Arc<str>, NodeId)>) -> Graph {
        super::finish(self.graph, self.builder, &self.outputs, derivatives)
    }
}
