//! Which nodes a sweep needs to visit: those that depend on what the derivative is by, and on which an output depends, both
//! without a jump in between.
//!
//! The states of a loop depend on each other in a circle: what is known of them grows from nothing until nothing changes.

use std::collections::HashSet;

use crate::graph::{Graph, NodeId, NodeKind, RegionId};
use crate::ops::Op;

/// Up to 64 growing sets of nodes: for each node a bit for each set.
struct Set<'a> {
    graph: &'a Graph,
    nodes: Vec<u64>,
    /// Whether a parameter of a region was added: nodes visited before may depend on it.
    again: bool,
}

impl Set<'_> {
    /// Adds what `pass` adds, until nothing changes.
    fn grow(graph: &Graph, mut pass: impl FnMut(&mut Set)) -> Vec<u64> {
        let mut set = Set {
            graph,
            nodes: vec![0; graph.nodes.len()],
            again: true,
        };
        while std::mem::replace(&mut set.again, false) {
            pass(&mut set);
        }
        set.nodes
    }

    /// The same for one set.
    fn grow_one(graph: &Graph, pass: impl FnMut(&mut Set)) -> Vec<bool> {
        let sets = Set::grow(graph, pass);
        sets.into_iter().map(|bits| bits != 0).collect()
    }

    fn has(&self, node: NodeId) -> bool {
        self.nodes[node.index()] != 0
    }

    /// In which sets one of the nodes is.
    fn any(&self, nodes: &[NodeId]) -> u64 {
        nodes.iter().fold(0, |bits, n| bits | self.nodes[n.index()])
    }

    fn add(&mut self, node: NodeId) {
        self.add_to(node, 1);
    }

    fn add_to(&mut self, node: NodeId, bits: u64) {
        let old = self.nodes[node.index()];
        self.nodes[node.index()] |= bits;
        self.again |= bits & !old != 0 && self.graph.node(node).kind == NodeKind::RegionParam;
    }
}

/// What value `index` of the node `of` is: the results of both arms of an `if`, or the parameter that holds the state of a
/// loop, or the carry of a way back. Each value of linear algebra depends on all of its arguments.
fn value(graph: &Graph, of: NodeId, index: u32) -> Vec<NodeId> {
    let node = graph.node(of);
    let index = index as usize;
    match node.kind {
        NodeKind::If(then, otherwise) => [then, otherwise]
            .iter()
            .map(|arm| graph.region(*arm).results[index])
            .collect(),
        NodeKind::Loop(head, _) => vec![graph.region(head).params[index]],
        NodeKind::Reverse(back) => {
            let back = graph.region(back);
            vec![back.params[back.params.len() - back.results.len() + index]]
        }
        NodeKind::Linear(_) => vec![of],
        _ => vec![],
    }
}

/// What a loop or a way back carries: the parameter, its first value and its next value.
fn carried(graph: &Graph, id: NodeId) -> Vec<[NodeId; 3]> {
    let node = graph.node(id);
    let (params, inits, nexts) = match node.kind {
        NodeKind::Loop(head, next) => (
            &graph.region(head).params[..],
            &node.args[..],
            &graph.region(next).results,
        ),
        NodeKind::Reverse(back) => {
            let back = graph.region(back);
            let states = back.params.len() - back.results.len();
            (&back.params[states..], &node.args[1..], &back.results)
        }
        _ => return vec![],
    };
    let triples = params.iter().zip(inits).zip(nexts);
    triples.map(|((p, i), n)| [*p, *i, *n]).collect()
}

/// For each node, whether it depends smoothly on a port of `wrt`.
pub fn varied(graph: &Graph, wrt: &[usize]) -> Vec<bool> {
    let sets = reached(graph, |port| u64::from(wrt.contains(&port)));
    sets.into_iter().map(|bits| bits != 0).collect()
}

/// For each node, the bits of the ports that it depends on smoothly; `bits` says which those of a port are.
pub fn reached(graph: &Graph, bits: impl Fn(usize) -> u64) -> Vec<u64> {
    Set::grow(graph, |set| {
        for (i, node) in graph.nodes.iter().enumerate() {
            let varies = match &node.kind {
                NodeKind::Port(port) => bits(*port as usize),
                NodeKind::Op(op) => {
                    let args = node.args.iter().enumerate();
                    let passes = |i: usize| op.passes(i, node.args.len());
                    args.filter(|(i, arg)| set.has(**arg) && passes(*i))
                        .fold(0, |bits, (_, arg)| bits | set.any(&[*arg]))
                }
                NodeKind::Linear(_) => set.any(&node.args),
                NodeKind::Get(index) => set.any(&value(graph, node.args[0], *index)),
                _ => 0,
            };
            let id = NodeId(i as u32);
            set.add_to(id, varies);
            for (param, state) in states(graph, id) {
                set.add_to(param, set.any(&[state]));
            }
            for [param, init, next] in carried(graph, id) {
                set.add_to(param, set.any(&[init, next]));
            }
        }
    })
}

/// For each node, whether one of `outputs` depends smoothly on it.
pub fn useful(graph: &Graph, outputs: &[NodeId]) -> Vec<bool> {
    Set::grow_one(graph, |set| {
        outputs.iter().for_each(|output| set.add(*output));
        for (i, node) in graph.nodes.iter().enumerate().rev() {
            let id = NodeId(i as u32);
            for [param, init, next] in carried(graph, id) {
                if set.has(param) {
                    set.add(init);
                    set.add(next);
                }
            }
            if !set.has(id) {
                continue;
            }
            match &node.kind {
                NodeKind::Op(op) => {
                    let count = node.args.len();
                    let args = node.args.iter().enumerate();
                    args.filter(|(i, _)| op.passes(*i, count))
                        .for_each(|(_, arg)| set.add(*arg));
                }
                NodeKind::Linear(_) => node.args.iter().for_each(|arg| set.add(*arg)),
                NodeKind::Get(index) => {
                    let nodes = value(graph, node.args[0], *index);
                    nodes.iter().for_each(|node| set.add(*node));
                }
                _ => {}
            }
        }
    })
}

/// For each node, whether its adjoint in a batch is kept sample by sample, though the value may be one for all. What comes
/// from the states of a loop is, where any state is: a sum over the samples could not be told from the part of one sample.
pub fn sampled(graph: &Graph, active: &[bool]) -> Vec<bool> {
    let batched = graph.batched();
    Set::grow_one(graph, |set| {
        for (i, node) in graph.nodes.iter().enumerate() {
            let id = NodeId(i as u32);
            let sampled = match &node.kind {
                NodeKind::Op(Op::BatchSum) => false,
                NodeKind::Op(_) | NodeKind::Linear(_) => set.any(&node.args) != 0,
                NodeKind::If(then, otherwise) => [then, otherwise]
                    .iter()
                    .any(|arm| set.any(&graph.region(**arm).results) != 0),
                NodeKind::Get(index) => match graph.node(node.args[0]).kind {
                    NodeKind::If(..) => set.has(node.args[0]),
                    _ => set.any(&value(graph, node.args[0], *index)) != 0,
                },
                _ => false,
            };
            if sampled || batched[i] {
                set.add(id);
            }
            let mut carried = carried(graph, id);
            carried.retain(|[param, ..]| active[param.index()]);
            if carried.iter().any(|nodes| set.any(nodes) != 0) {
                carried.iter().for_each(|[param, ..]| set.add(*param));
            }
        }
    })
}

/// Each state of a loop as a way back over it sees it, and the state itself.
fn states(graph: &Graph, id: NodeId) -> Vec<(NodeId, NodeId)> {
    let node = graph.node(id);
    let NodeKind::Reverse(back) = node.kind else {
        return vec![];
    };
    let NodeKind::Loop(head, _) = graph.node(node.args[0]).kind else {
        return vec![];
    };
    let pairs = graph.region(back).params.iter();
    let pairs = pairs.zip(&graph.region(head).params);
    pairs.map(|(param, state)| (*param, *state)).collect()
}

/// The nodes outside these regions that they use, at any depth, in order.
pub fn captures(graph: &Graph, regions: &[RegionId]) -> Vec<NodeId> {
    let mut inside = regions.to_vec();
    let mut own = HashSet::new();
    let mut used = Vec::new();
    while let Some(region) = inside.pop() {
        used.extend(&graph.region(region).results);
        for id in &graph.region(region).nodes {
            own.insert(*id);
            used.extend(&graph.node(*id).args);
            inside.extend(graph.regions_of(*id));
        }
    }
    used.retain(|node| !own.contains(node));
    used.sort();
    used.dedup();
    used
}
