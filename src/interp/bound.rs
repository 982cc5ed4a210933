//! A general graph with values in place of its inputs.

use crate::graph::{Graph, Node, NodeId, NodeKind, Port, Region, RegionId, Type};
use crate::ops::{Elem, Op};
use crate::specialize::Given;
use crate::syntax::ast::Constant;

/// The graph over `ports` that computes what `graph` computes where its inputs are `given`.
pub fn bind_inputs(graph: &Graph, ports: &[Port], given: &[Given]) -> Graph {
    let mut owner = vec![RegionId(0); graph.nodes.len()];
    for (index, region) in graph.regions.iter().enumerate() {
        for node in &region.nodes {
            owner[node.index()] = RegionId(index as u32);
        }
    }
    let empty = |region: &Region| Region {
        nodes: Vec::new(),
        ..region.clone()
    };
    let mut bound = Bound {
        nodes: Vec::with_capacity(graph.nodes.len()),
        regions: graph.regions.iter().map(empty).collect(),
    };
    for port in 0..ports.len() {
        bound.push(RegionId(0), NodeKind::Port(port as u32), vec![], Type::REAL);
    }
    let mut map: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    for (node, region) in graph.nodes.iter().zip(owner) {
        let id = match node.kind {
            NodeKind::Port(port) => bound.value(region, &given[port as usize]),
            _ => {
                let args = node.args.iter().map(|arg| map[arg.index()]).collect();
                let id = bound.push(region, node.kind.clone(), args, node.ty);
                bound.nodes[id.index()].span = node.span;
                id
            }
        };
        map.push(id);
    }
    let Bound { nodes, mut regions } = bound;
    for region in &mut regions {
        for id in region.params.iter_mut().chain(&mut region.results) {
            *id = map[id.index()];
        }
    }
    let mut outputs = graph.outputs.clone();
    for output in &mut outputs {
        output.node = map[output.node.index()];
    }
    Graph {
        nodes,
        regions,
        functions: graph.functions.clone(),
        ports: ports.to_vec(),
        outputs,
        value: graph.value.clone(),
    }
}

struct Bound {
    nodes: Vec<Node>,
    regions: Vec<Region>,
}

impl Bound {
    fn push(&mut self, region: RegionId, kind: NodeKind, args: Vec<NodeId>, ty: Type) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node {
            kind,
            args,
            ty,
            span: Default::default(),
        });
        self.regions[region.0 as usize].nodes.push(id);
        id
    }

    /// The node of a given value, in `region`.
    fn value(&mut self, region: RegionId, given: &Given) -> NodeId {
        match given {
            // the ports stand first in the body
            Given::Port(port) if region == RegionId(0) => NodeId(*port as u32),
            Given::Port(port) => {
                self.push(region, NodeKind::Port(*port as u32), vec![], Type::REAL)
            }
            Given::Primitive(op) => {
                self.push(region, NodeKind::Primitive(*op), vec![], Type::General)
            }
            Given::Function(function) => {
                self.push(region, NodeKind::Closure(*function), vec![], Type::General)
            }
            Given::Constant(constant) => self.constant(region, constant.clone()),
            Given::Association(entries) => {
                let mut pairs = Vec::with_capacity(entries.len());
                for (name, value) in entries {
                    let name = self.constant(region, Constant::Symbol(name.clone()));
                    let value = self.value(region, value);
                    let pair = NodeKind::Op(Op::Cons);
                    pairs.push(self.push(region, pair, vec![name, value], Type::General));
                }
                self.push(region, NodeKind::Op(Op::List), pairs, Type::General)
            }
        }
    }

    fn constant(&mut self, region: RegionId, constant: Constant) -> NodeId {
        let ty = match constant {
            Constant::Bool(_) => Type::Scalar(Elem::Bool),
            Constant::Int(_) => Type::Scalar(Elem::Int),
            Constant::Real(_) => Type::REAL,
            _ => Type::General,
        };
        self.push(region, NodeKind::Constant(constant), vec![], ty)
    }
}
