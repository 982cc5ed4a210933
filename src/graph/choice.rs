//! Soft choices of a general graph, written in terms of other operations.

use std::borrow::Cow;

use super::{Graph, Node, NodeId, NodeKind, Type};
use crate::error::Span;
use crate::ops::{Emit, Linear, Op, Role, SoftChoice, soft_choice};
use crate::syntax::ast::Constant;

/// The same graph with each soft choice made as `settings` say. Its noise hangs on its place in the program alone: it is the
/// same in each iteration of a loop.
pub fn write_out_choices<'a>(graph: &'a Graph, settings: &SoftChoice) -> Cow<'a, Graph> {
    let is_choice = |node: &Node| node.kind == NodeKind::Op(Op::SoftChoice);
    if !graph.nodes.iter().any(is_choice) {
        return Cow::Borrowed(graph);
    }
    let mut owner = vec![0; graph.nodes.len()];
    for (region, row) in graph.regions.iter().enumerate() {
        row.nodes
            .iter()
            .for_each(|node| owner[node.index()] = region);
    }
    let mut regions = graph.regions.clone();
    regions.iter_mut().for_each(|region| region.nodes.clear());
    let mut map: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    let (mut nodes, mut draws) = (Vec::new(), 0);
    for (node, owner) in graph.nodes.iter().zip(owner) {
        let first = nodes.len() as u32;
        let args: Vec<NodeId> = node.args.iter().map(|arg| map[arg.index()]).collect();
        let mut emit = Written {
            nodes: &mut nodes,
            span: node.span,
        };
        let copy = match args.split_last() {
            Some((weights, options)) if is_choice(node) => {
                let weights = emit.weights(*weights, options.len());
                let value = soft_choice(&mut emit, options, &weights, settings, draws);
                draws += options.len();
                value
            }
            _ => {
                let copy = NodeId(first);
                nodes.push(Node {
                    args,
                    ..node.clone()
                });
                copy
            }
        };
        map.push(copy);
        let new = first..nodes.len() as u32;
        regions[owner].nodes.extend(new.map(NodeId));
    }
    let renamed = |node: &mut NodeId| *node = map[node.index()];
    for region in &mut regions {
        region.params.iter_mut().for_each(renamed);
        region.results.iter_mut().for_each(renamed);
    }
    let mut outputs = graph.outputs.clone();
    outputs
        .iter_mut()
        .for_each(|output| renamed(&mut output.node));
    Cow::Owned(Graph {
        nodes,
        regions,
        outputs,
        functions: graph.functions.clone(),
        ports: graph.ports.clone(),
        value: graph.value.clone(),
    })
}

/// Adds what is emitted to the nodes of a general graph.
struct Written<'a> {
    nodes: &'a mut Vec<Node>,
    span: Span,
}

impl Written<'_> {
    fn push(&mut self, kind: NodeKind, args: &[NodeId]) -> NodeId {
        self.nodes.push(Node {
            kind,
            args: args.to_vec(),
            ty: Type::General,
            span: self.span,
        });
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// The items of a vector of weights, once it is found to have so many.
    fn weights(&mut self, weights: NodeId, count: usize) -> Vec<NodeId> {
        let wanted = self.int(count as i64);
        let checked = self.push(NodeKind::Op(Op::SoftWeights), &[weights, wanted]);
        let mut item = |i: usize| {
            let index = self.int(i as i64);
            self.push(NodeKind::Op(Op::Ref), &[checked, index])
        };
        (0..count).map(&mut item).collect()
    }
}

impl Emit for Written<'_> {
    fn op(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        match op.row().role {
            Role::Defined(definition) => definition(self, args),
            _ => self.push(NodeKind::Op(op), args),
        }
    }

    fn linear(&mut self, linear: Linear, args: &[NodeId], index: usize) -> NodeId {
        let node = self.push(NodeKind::Linear(linear), args);
        self.push(NodeKind::Get(index as u32), &[node])
    }

    fn real(&mut self, value: f64) -> NodeId {
        self.push(NodeKind::Constant(Constant::Real(value)), &[])
    }

    fn int(&mut self, value: i64) -> NodeId {
        self.push(NodeKind::Constant(Constant::Int(value)), &[])
    }

    fn known(&self, node: NodeId) -> Option<f64> {
        match &self.nodes[node.index()].kind {
            NodeKind::Constant(constant) => constant.as_real(),
            _ => None,
        }
    }
}
