//! Forward mode, graph to graph: beside each value of the copy stand its tangents, one for each port by which the derivative
//! is, where the value depends on it. A loop carries the tangents of its states beside them, so that nothing of its iterations
//! has to be kept or computed again, as a way back needs: for few ports this is less work.
//!
//! The tangent of an operation is the sum over its arguments of what the rule of the reverse mode makes of the argument's
//! tangent in place of the result's adjoint: for functions of numbers, the rules multiply by the same factor.

use std::collections::HashMap;

use super::activity::reached;
use crate::graph::{Builder, Graph, NodeId, NodeKind, Port, RegionId, Type};
use crate::ops::{Emit, Op, Role, Site};

/// Most ports for which a loop is differentiated forward.
const FEW: usize = 3;

/// A copy of a graph with tangents.
pub struct Tangents {
    pub builder: Builder,
    /// The outputs of the source, copied.
    pub outputs: Vec<NodeId>,
    /// For each output its tangents, by the ports of `wrt`; `None` is zero.
    pub tangents: Vec<Vec<Option<NodeId>>>,
}

/// Whether forward mode is less work than a way back for derivatives by the ports of `wrt`, and can be had.
pub fn is_cheaper(graph: &Graph, wrt: &[usize]) -> bool {
    let bits = directions(graph, wrt);
    let loops = graph.nodes.iter().any(|node| match node.kind {
        NodeKind::Loop(head, _) => {
            let params = &graph.region(head).params;
            params.iter().any(|param| bits[param.index()] != 0)
        }
        _ => false,
    });
    loops && wrt.len() <= FEW && is_possible(graph, wrt)
}

/// Whether there is forward mode for a graph: not for linear algebra and ways back that derivatives go through, nor, for
/// inputs, where a value of one sample depends on all others.
pub fn is_possible(graph: &Graph, wrt: &[usize]) -> bool {
    let bits = directions(graph, wrt);
    let inputs = wrt.iter().any(|port| !graph.ports[*port].is_parameter());
    wrt.len() <= 64
        && graph
            .nodes
            .iter()
            .enumerate()
            .all(|(i, node)| match node.kind {
                NodeKind::Linear(_) => bits[i] == 0,
                NodeKind::Reverse(_) => false,
                NodeKind::Op(Op::BatchSum) => !inputs,
                _ => true,
            })
}

/// For each node the ports of `wrt` that it depends on smoothly, a bit for each.
fn directions(graph: &Graph, wrt: &[usize]) -> Vec<u64> {
    reached(graph, |port| {
        let places = wrt.iter().take(64).enumerate();
        let bits = places.filter(|(_, wanted)| **wanted == port);
        bits.fold(0, |bits, (place, _)| bits | 1 << place)
    })
}

/// The copy of a graph with tangents, where [`is_possible`].
pub fn tangents(graph: &Graph, ports: Vec<Port>, wrt: &[usize]) -> Tangents {
    let mut forward = Forward {
        graph,
        wrt,
        bits: directions(graph, wrt),
        builder: Builder::new(ports),
        copies: vec![None; graph.nodes.len()],
        tangents: HashMap::new(),
        values: HashMap::new(),
    };
    forward.region(RegionId(0));
    let outputs = graph.outputs.iter().map(|output| output.node);
    let outputs: Vec<NodeId> = outputs.collect();
    let tangents = outputs.iter().map(|output| {
        let places = 0..wrt.len();
        places
            .map(|place| forward.tangent(*output, place))
            .collect()
    });
    Tangents {
        tangents: tangents.collect(),
        outputs: outputs.iter().map(|output| forward.get(*output)).collect(),
        builder: forward.builder,
    }
}

struct Forward<'a> {
    graph: &'a Graph,
    wrt: &'a [usize],
    /// For each node the places of `wrt` that it depends on.
    bits: Vec<u64>,
    builder: Builder,
    copies: Vec<Option<NodeId>>,
    tangents: HashMap<(NodeId, usize), NodeId>,
    /// For each node of several values, these in the copy: each followed by its tangents.
    values: HashMap<NodeId, Vec<NodeId>>,
}

impl Forward<'_> {
    fn get(&self, node: NodeId) -> NodeId {
        self.copies[node.index()].expect("arguments stand before their users")
    }

    fn tangent(&self, node: NodeId, place: usize) -> Option<NodeId> {
        self.tangents.get(&(node, place)).copied()
    }

    /// The places of a set of bits.
    fn places(&self, bits: u64) -> impl Iterator<Item = usize> + use<> {
        (0..self.wrt.len()).filter(move |place| bits >> place & 1 == 1)
    }

    /// Copies of nodes, each followed by its tangents in the places of its bits.
    fn with_tangents(&mut self, nodes: &[NodeId], bits: &[u64]) -> Vec<NodeId> {
        let mut all = Vec::new();
        for (node, bits) in nodes.iter().zip(bits) {
            all.push(self.get(*node));
            for place in self.places(*bits) {
                let tangent = self.tangent(*node, place);
                all.push(tangent.unwrap_or_else(|| self.builder.real(0.0)));
            }
        }
        all
    }

    /// Says what nodes are: the copies, each followed by its tangents.
    fn define(&mut self, nodes: &[NodeId], bits: &[u64], copies: Vec<NodeId>) {
        let mut copies = copies.into_iter();
        for (node, bits) in nodes.iter().zip(bits) {
            self.copies[node.index()] = copies.next();
            for place in self.places(*bits) {
                self.tangents
                    .extend(copies.next().map(|copy| ((*node, place), copy)));
            }
        }
    }

    fn bits_of(&self, nodes: &[NodeId]) -> Vec<u64> {
        nodes.iter().map(|node| self.bits[node.index()]).collect()
    }

    fn region(&mut self, region: RegionId) {
        let graph = self.graph;
        for id in &graph.region(region).nodes {
            self.builder.span = graph.node(*id).span;
            self.node(*id);
        }
    }

    fn node(&mut self, id: NodeId) {
        let graph = self.graph;
        let node = graph.node(id);
        let copy = match &node.kind {
            NodeKind::Port(port) => {
                let port = *port as usize;
                for place in 0..self.wrt.len() {
                    if self.wrt[place] == port {
                        let one = self.builder.real(1.0);
                        self.tangents.insert((id, place), one);
                    }
                }
                self.builder.port(port)
            }
            NodeKind::Constant(value) => self.builder.constant(value.clone()),
            // a state, which the loop has defined
            NodeKind::RegionParam => return,
            NodeKind::Op(op) => self.op(*op, id),
            NodeKind::Linear(linear) => {
                let args: Vec<NodeId> = node.args.iter().map(|arg| self.get(*arg)).collect();
                let values = self
                    .builder
                    .linear_values(*linear, &args, 0..linear.values());
                self.values.insert(id, values);
                return;
            }
            NodeKind::If(then, otherwise) => return self.branch(id, *then, *otherwise),
            NodeKind::Loop(head, next) => return self.repeat(id, *head, *next),
            NodeKind::Get(index) => return self.value(id, node.args[0], *index as usize),
            kind => unreachable!("{kind:?} is not possible here"),
        };
        self.copies[id.index()] = Some(copy);
    }

    /// A value of a node of several.
    fn value(&mut self, id: NodeId, of: NodeId, index: usize) {
        let all = self.value_bits(of);
        let start = all[..index]
            .iter()
            .map(|bits| 1 + bits.count_ones() as usize);
        let start: usize = start.sum();
        let values = self.values[&of][start..].to_vec();
        self.define(&[id], &all[index..=index], values);
    }

    /// The bits of the values of a node of several.
    fn value_bits(&self, id: NodeId) -> Vec<u64> {
        let graph = self.graph;
        match graph.node(id).kind {
            NodeKind::If(then, otherwise) => {
                let [a, b] = [then, otherwise].map(|arm| self.bits_of(&graph.region(arm).results));
                a.iter().zip(&b).map(|(a, b)| a | b).collect()
            }
            NodeKind::Loop(head, _) => self.bits_of(&graph.region(head).params),
            NodeKind::Linear(linear) => vec![0; linear.values()],
            _ => vec![],
        }
    }

    fn op(&mut self, op: Op, id: NodeId) -> NodeId {
        let node = self.graph.node(id);
        let args: Vec<NodeId> = node.args.iter().map(|arg| self.get(*arg)).collect();
        let out = self.builder.op(op, &args);
        let Role::Numeric { adjoint: rule, .. } = op.row().role else {
            return out;
        };
        for place in self.places(self.bits[id.index()]) {
            let tangents = node.args.iter().map(|arg| self.tangent(*arg, place));
            let tangents: Vec<Option<NodeId>> = tangents.collect();
            let tangent = match (op, &tangents[..]) {
                (Op::BatchSum, [Some(tangent)]) => self.builder.op(op, &[*tangent]),
                (Op::Select, [_, yes, no]) => {
                    let [yes, no] = [yes, no].map(|t| t.unwrap_or_else(|| self.builder.real(0.0)));
                    self.builder.op(op, &[args[0], yes, no])
                }
                _ => {
                    let mut sum = None;
                    for (i, tangent) in tangents.iter().enumerate() {
                        let Some(adjoint) = *tangent else { continue };
                        let site = Site {
                            args: &args,
                            out,
                            adjoint,
                        };
                        if let Some(part) = rule(&mut self.builder, site, i) {
                            sum = Some(match sum {
                                None => part,
                                Some(sum) => self.builder.op(Op::Add, &[sum, part]),
                            });
                        }
                    }
                    let Some(sum) = sum else { continue };
                    sum
                }
            };
            self.tangents.insert((id, place), tangent);
        }
        out
    }

    fn branch(&mut self, id: NodeId, then: RegionId, otherwise: RegionId) {
        let graph = self.graph;
        let test = self.get(graph.node(id).args[0]);
        let bits = self.value_bits(id);
        let arms = [then, otherwise].map(|arm| {
            self.builder.open_region(&[]);
            self.region(arm);
            let results = self.with_tangents(&graph.region(arm).results, &bits);
            self.builder.close_region(results)
        });
        self.builder.span = graph.node(id).span;
        let values = self.builder.branch(test, arms[0], arms[1]);
        self.values.insert(id, values);
    }

    fn repeat(&mut self, id: NodeId, head: RegionId, next: RegionId) {
        let graph = self.graph;
        let params = &graph.region(head).params;
        let bits = self.bits_of(params);
        let inits = self.with_tangents(&graph.node(id).args, &bits);
        let mut types = Vec::new();
        for (param, bits) in params.iter().zip(&bits) {
            let ty = graph.node(*param).ty;
            types.push(ty);
            types.extend(self.places(*bits).map(|_| match ty {
                Type::Scalar(_) => Type::REAL,
                ty => ty,
            }));
        }
        let copies = self.builder.open_loop(&types);
        self.define(params, &bits, copies);
        self.region(head);
        let flag = self.get(graph.region(head).results[0]);
        self.builder.open_next();
        self.region(next);
        let nexts = self.with_tangents(&graph.region(next).results, &bits);
        let next = self.builder.close_region(nexts);
        let head = self.builder.close_region(vec![flag]);
        self.builder.span = graph.node(id).span;
        let values = self.builder.repeat(inits, head, next);
        self.values.insert(id, values);
    }
}
