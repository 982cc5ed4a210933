//! Comparisons that hang on parameters, smoothed: a branch on one becomes a blend of its arms, so that what is compared can be
//! fitted. The weight of an arm is the logistic function of the margin of the comparison over a temperature.

use std::sync::Arc;

use super::{
    Graph, Node, NodeId, NodeKind, Port, PortKind, Type, flatten, simplify, verify_numeric,
};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::ops::Op;
use crate::syntax::ast::Constant;

/// The name of the parameter that holds the temperature: the last of the smoothed graph.
pub const TEMPERATURE: &str = "smoothing.temperature";

/// The numeric graph with smoothed comparisons, and one more parameter, the temperature; `None` where no comparison that decides
/// between values hangs on a parameter. How often a loop runs is decided as before, and so is equality.
///
/// # Errors
/// `Unsupported` where the blends have no place, as in a loop over whole numbers.
pub fn smooth(graph: &Graph, temperature: f64) -> Result<Option<Graph>> {
    let flat = flatten(graph);
    let depends = dependence(&flat);
    let mut pass = Pass {
        graph: &flat,
        depends,
        nodes: Vec::new(),
        map: Vec::with_capacity(flat.nodes.len()),
        soft: vec![None; flat.nodes.len()],
        temperature: NodeId(0),
        blended: false,
    };
    let mut owner = vec![0; flat.nodes.len()];
    for (region, row) in flat.regions.iter().enumerate() {
        row.nodes
            .iter()
            .for_each(|node| owner[node.index()] = region);
    }
    let mut regions = flat.regions.clone();
    regions.iter_mut().for_each(|region| region.nodes.clear());
    let port = NodeKind::Port(flat.ports.len() as u32);
    pass.temperature = pass.push(port, &[], Span::default());
    regions[0].nodes.push(pass.temperature);
    for (id, owner) in owner.into_iter().enumerate() {
        let first = pass.nodes.len() as u32;
        let copy = pass.node(NodeId(id as u32));
        pass.map.push(copy);
        let new = first..pass.nodes.len() as u32;
        regions[owner].nodes.extend(new.map(NodeId));
    }
    if !pass.blended {
        return Ok(None);
    }
    let Pass { nodes, map, .. } = pass;
    let renamed = |node: &mut NodeId| *node = map[node.index()];
    for region in &mut regions {
        region.params.iter_mut().for_each(renamed);
        region.results.iter_mut().for_each(renamed);
    }
    let mut outputs = flat.outputs.clone();
    outputs
        .iter_mut()
        .for_each(|output| renamed(&mut output.node));
    let mut ports = flat.ports.clone();
    ports.push(Port {
        name: Arc::from(TEMPERATURE),
        kind: PortKind::Parameter {
            initial: temperature,
            lower: 0.0,
            upper: f64::INFINITY,
        },
    });
    let smoothed = Graph {
        nodes,
        regions,
        outputs,
        ports,
        functions: flat.functions.clone(),
        value: flat.value.clone(),
    };
    verify_numeric(&smoothed).map_err(|error| {
        let message = format!(
            "the comparisons of this model cannot be smoothed: {}",
            error.message
        );
        Error::new(ErrorKind::Unsupported, message)
    })?;
    Ok(Some(simplify(&smoothed)))
}

/// Which nodes hang on a parameter. What goes round in a loop is found by going round until nothing changes.
fn dependence(graph: &Graph) -> Vec<bool> {
    let mut depends = vec![false; graph.nodes.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for (id, node) in graph.nodes.iter().enumerate() {
            let through = |depends: &[bool]| node.args.iter().any(|arg| depends[arg.index()]);
            let now = match node.kind {
                NodeKind::Port(port) => graph.ports[port as usize].is_parameter(),
                NodeKind::RegionParam => depends[id],
                NodeKind::Loop(head, next) => {
                    let params = &graph.region(head).params;
                    let results = &graph.region(next).results;
                    for ((param, first), result) in params.iter().zip(&node.args).zip(results) {
                        let now = depends[first.index()] || depends[result.index()];
                        changed |= now && !depends[param.index()];
                        depends[param.index()] |= now;
                    }
                    params.iter().any(|param| depends[param.index()])
                }
                NodeKind::Get(i) => {
                    let of = node.args.first().map(|arg| graph.node(*arg));
                    match of.map(|of| &of.kind) {
                        Some(NodeKind::Loop(head, _)) => {
                            let param = graph.region(*head).params.get(i as usize);
                            param.is_some_and(|param| depends[param.index()])
                        }
                        _ => through(&depends),
                    }
                }
                _ => through(&depends),
            };
            changed |= now && !depends[id];
            depends[id] |= now;
        }
    }
    depends
}

struct Pass<'a> {
    graph: &'a Graph,
    depends: Vec<bool>,
    nodes: Vec<Node>,
    /// The copies of the nodes that have been passed.
    map: Vec<NodeId>,
    /// Of those that are tests, how far they are true: between 0 and 1.
    soft: Vec<Option<NodeId>>,
    temperature: NodeId,
    blended: bool,
}

impl Pass<'_> {
    fn push(&mut self, kind: NodeKind, args: &[NodeId], span: Span) -> NodeId {
        self.nodes.push(Node {
            kind,
            args: args.to_vec(),
            ty: Type::REAL,
            span,
        });
        NodeId(self.nodes.len() as u32 - 1)
    }

    fn op(&mut self, op: Op, args: &[NodeId], span: Span) -> NodeId {
        self.push(NodeKind::Op(op), args, span)
    }

    fn real(&mut self, value: f64, span: Span) -> NodeId {
        self.push(NodeKind::Constant(Constant::Real(value)), &[], span)
    }

    /// How far a test is true, as a number; of one that is not smoothed 0 or 1.
    fn number(&mut self, test: NodeId, span: Span) -> NodeId {
        if let Some(soft) = self.soft[test.index()] {
            return soft;
        }
        let (one, zero) = (self.real(1.0, span), self.real(0.0, span));
        self.op(Op::Select, &[self.map[test.index()], one, zero], span)
    }

    /// `weight * a + (1 - weight) * b`.
    fn blend(&mut self, weight: NodeId, a: NodeId, b: NodeId, span: Span) -> NodeId {
        let one = self.real(1.0, span);
        let other = self.op(Op::Sub, &[one, weight], span);
        let (a, b) = (
            self.op(Op::Mul, &[weight, a], span),
            self.op(Op::Mul, &[other, b], span),
        );
        self.op(Op::Add, &[a, b], span)
    }

    /// The logistic function of the margin by which `a` is above `b`.
    fn above(&mut self, a: NodeId, b: NodeId, span: Span) -> NodeId {
        let margin = self.op(Op::Sub, &[a, b], span);
        let (two, half) = (self.real(2.0, span), self.real(0.5, span));
        let wide = self.op(Op::Mul, &[two, self.temperature], span);
        let part = self.op(Op::Div, &[margin, wide], span);
        let bent = self.op(Op::Tanh, &[part], span);
        let bent = self.op(Op::Mul, &[half, bent], span);
        self.op(Op::Add, &[half, bent], span)
    }

    /// Copies a node; one that chooses by a smoothed test becomes a blend.
    fn node(&mut self, id: NodeId) -> NodeId {
        let node = self.graph.node(id);
        let (args, span) = (&node.args, node.span);
        let new: Vec<NodeId> = args.iter().map(|arg| self.map[arg.index()]).collect();
        let boolean = node.ty == Type::Scalar(super::Elem::Bool);
        let soft = |this: &Self, arg: usize| this.soft[args[arg].index()];
        if node.kind == NodeKind::Op(Op::Select)
            && !boolean
            && let Some(weight) = soft(self, 0)
        {
            self.blended = true;
            return self.blend(weight, new[1], new[2], span);
        }
        let mut copy = node.clone();
        copy.args = new.clone();
        // a whole number that is blended is one no more
        let real = new
            .iter()
            .any(|arg| self.nodes[arg.index()].ty == Type::REAL);
        if matches!(copy.kind, NodeKind::Op(_)) && !boolean && real {
            copy.ty = Type::REAL;
        }
        let kind = copy.kind.clone();
        self.nodes.push(copy);
        let copy = NodeId(self.nodes.len() as u32 - 1);
        let NodeKind::Op(op) = kind else {
            return copy;
        };
        self.soft[id.index()] = match (op, args.len()) {
            (Op::Less | Op::LessEqual, 2) if self.depends[id.index()] => {
                Some(self.above(new[1], new[0], span))
            }
            (Op::Greater | Op::GreaterEqual, 2) if self.depends[id.index()] => {
                Some(self.above(new[0], new[1], span))
            }
            (Op::Not, 1) => soft(self, 0).map(|weight| {
                let one = self.real(1.0, span);
                self.op(Op::Sub, &[one, weight], span)
            }),
            (Op::And | Op::Or, 2) if soft(self, 0).or(soft(self, 1)).is_some() => {
                let (a, b) = (self.number(args[0], span), self.number(args[1], span));
                let both = self.op(Op::Mul, &[a, b], span);
                Some(match op {
                    Op::And => both,
                    _ => {
                        let sum = self.op(Op::Add, &[a, b], span);
                        self.op(Op::Sub, &[sum, both], span)
                    }
                })
            }
            (Op::Select, 3) if boolean && (0..3).any(|arg| soft(self, arg).is_some()) => {
                // where an arm is the test itself, it is known there
                let known = [None, Some(1.0), Some(0.0)];
                let [test, a, b] = [0, 1, 2].map(|arg| match known[arg] {
                    Some(value) if args[arg] == args[0] => self.real(value, span),
                    _ => self.number(args[arg], span),
                });
                Some(self.blend(test, a, b, span))
            }
            _ => None,
        };
        copy
    }
}
