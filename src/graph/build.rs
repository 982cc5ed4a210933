//! Builds graphs: opens and closes regions, shares equal nodes, folds constants and drops operations that change no bit.

use std::collections::HashMap;
use std::sync::Arc;

use super::{
    Elem, Function, FunctionId, Graph, Linear, Node, NodeId, NodeKind, Output, Port, Region,
    RegionId, Type, Value,
};
use crate::error::Span;
use crate::ops::{Emit, Op, Role, fold};
use crate::syntax::ast::Constant;

/// What makes two nodes equal: their kind and their arguments.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Real(u64),
    Int(i64),
    Bool(bool),
    Op(Op, Vec<NodeId>),
    Get(NodeId, u32),
    Linear(Linear, Vec<NodeId>),
}

/// A region that is being filled.
struct Open {
    id: RegionId,
    known: HashMap<Key, NodeId>,
    role: Place,
}

/// How often a region runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At most as often as the region around it.
    Arm,
    /// Again and again: the head of a loop, or the way back over one.
    Repeated,
    /// As often as the head around it, but for the last time.
    Next,
}

/// A graph under construction. Nodes go to the innermost open region.
pub struct Builder {
    graph: Graph,
    open: Vec<Open>,
    /// The open regions around function bodies.
    outer: Vec<Vec<Open>>,
    /// For each node, how deep the region lies that it belongs to; followed only if values are hoisted.
    depths: Option<Vec<u32>>,
    /// The place that new nodes come from.
    pub span: Span,
}

impl Builder {
    /// An empty graph with these ports; the nodes of the ports come first, in order.
    pub fn new(ports: Vec<Port>) -> Builder {
        let mut builder = Builder {
            graph: Graph {
                nodes: Vec::new(),
                regions: vec![Region::default()],
                functions: Vec::new(),
                ports,
                outputs: Vec::new(),
                value: Value::Output(0),
            },
            open: vec![Open {
                id: RegionId(0),
                known: HashMap::new(),
                role: Place::Arm,
            }],
            outer: Vec::new(),
            depths: None,
            span: Span::default(),
        };
        for port in 0..builder.graph.ports.len() as u32 {
            builder.push(NodeKind::Port(port), vec![], Type::REAL);
        }
        builder
    }

    /// A finished graph that more is added to.
    pub fn resume(graph: Graph) -> Builder {
        Builder {
            graph,
            ..Builder::new(vec![])
        }
    }

    /// The same as [`Builder::new`], for a graph whose values are computed outside the loops that they do not change in. Not before a gradient is
    /// taken: what a loop without iterations never computes must not reach a derivative.
    pub fn hoisting(ports: Vec<Port>) -> Builder {
        let mut builder = Builder::new(ports);
        builder.depths = Some(vec![0; builder.graph.nodes.len()]);
        builder
    }

    /// The graph so far.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The node of port `index`.
    pub fn port(&self, index: usize) -> NodeId {
        NodeId(index as u32)
    }

    /// Adds a node as it is, without sharing or folding.
    pub fn push(&mut self, kind: NodeKind, args: Vec<NodeId>, ty: Type) -> NodeId {
        self.push_at(self.open.len() - 1, kind, args, ty)
    }

    /// Adds a node to the open region at this depth.
    fn push_at(&mut self, depth: usize, kind: NodeKind, args: Vec<NodeId>, ty: Type) -> NodeId {
        let id = NodeId(self.graph.nodes.len() as u32);
        self.graph.nodes.push(Node {
            kind,
            args,
            ty,
            span: self.span,
        });
        let region = self.open[depth].id;
        self.graph.regions[region.0 as usize].nodes.push(id);
        if let Some(depths) = &mut self.depths {
            depths.push(depth as u32);
        }
        id
    }

    /// The outermost open region that a node with these arguments can go to: out of loops, but not out of arms.
    fn hoisted(&self, args: &[NodeId]) -> usize {
        let innermost = self.open.len() - 1;
        let Some(depths) = &self.depths else {
            return innermost;
        };
        let needed = args.iter().map(|arg| depths[arg.index()]).max();
        let needed = needed.unwrap_or(0) as usize;
        let mut depth = innermost;
        while depth > needed {
            match self.open[depth].role {
                Place::Arm => break,
                // out of the head as well, or not at all
                Place::Next if depth == needed + 1 => break,
                _ => depth -= 1,
            }
        }
        depth
    }

    fn share(&mut self, key: Key, kind: NodeKind, args: Vec<NodeId>, ty: Type) -> NodeId {
        if let Some(id) = self.open.iter().rev().find_map(|open| open.known.get(&key)) {
            return *id;
        }
        let depth = self.hoisted(&args);
        let id = self.push_at(depth, kind, args, ty);
        self.open[depth].known.insert(key, id);
        id
    }

    /// The node of a constant; equal numbers share one.
    pub fn constant(&mut self, value: Constant) -> NodeId {
        let (key, ty) = match &value {
            Constant::Real(x) => (Key::Real(x.to_bits()), Type::REAL),
            Constant::Int(x) => (Key::Int(*x), Type::Scalar(Elem::Int)),
            Constant::Bool(x) => (Key::Bool(*x), Type::Scalar(Elem::Bool)),
            _ => return self.push(NodeKind::Constant(value), vec![], Type::General),
        };
        self.share(key, NodeKind::Constant(value), vec![], ty)
    }

    /// Value `index` of the node of several values at `node`.
    pub fn get(&mut self, node: NodeId, index: u32, ty: Type) -> NodeId {
        self.share(Key::Get(node, index), NodeKind::Get(index), vec![node], ty)
    }

    /// The values of an operation of linear algebra at these places.
    pub fn linear_values(
        &mut self,
        linear: Linear,
        args: &[NodeId],
        places: impl Iterator<Item = usize>,
    ) -> Vec<NodeId> {
        let known: Option<Vec<f64>> = args.iter().map(|arg| self.known(*arg)).collect();
        if let Some(mut memory) = known {
            linear.apply(&mut memory, &mut vec![0.0; linear.scratch()]);
            let values = &memory[memory.len() - linear.values()..];
            return places.map(|place| self.real(values[place])).collect();
        }
        let node = self.linear_node(linear, args);
        places
            .map(|place| self.get(node, place as u32, Type::REAL))
            .collect()
    }

    fn linear_node(&mut self, linear: Linear, args: &[NodeId]) -> NodeId {
        let key = Key::Linear(linear, args.to_vec());
        let kind = NodeKind::Linear(linear);
        self.share(key, kind, args.to_vec(), Type::REAL)
    }

    /// Opens a region with parameters of these types; nodes go there until it is closed.
    pub fn open_region(&mut self, params: &[Type]) -> Vec<NodeId> {
        self.open_as(params, Place::Arm)
    }

    /// Opens a region that runs again and again: the head of a loop, or the way back over one.
    pub fn open_loop(&mut self, params: &[Type]) -> Vec<NodeId> {
        self.open_as(params, Place::Repeated)
    }

    /// Opens the region that gives the next states of a loop, inside its head.
    pub fn open_next(&mut self) {
        self.open_as(&[], Place::Next);
    }

    fn open_as(&mut self, params: &[Type], role: Place) -> Vec<NodeId> {
        let id = RegionId(self.graph.regions.len() as u32);
        self.graph.regions.push(Region::default());
        self.open.push(Open {
            id,
            known: HashMap::new(),
            role,
        });
        let params: Vec<NodeId> = params
            .iter()
            .map(|ty| self.push(NodeKind::RegionParam, vec![], *ty))
            .collect();
        self.graph.regions[id.0 as usize].params = params.clone();
        params
    }

    /// Closes the innermost region, which gives these results.
    pub fn close_region(&mut self, results: Vec<NodeId>) -> RegionId {
        let id = match self.open.len() {
            1 => RegionId(0),
            _ => self.open.pop().map_or(RegionId(0), |open| open.id),
        };
        self.graph.regions[id.0 as usize].results = results;
        id
    }

    /// Opens the body of a function, from which nothing outside can be seen.
    pub fn open_function(&mut self, params: usize) -> Vec<NodeId> {
        let outer = std::mem::take(&mut self.open);
        self.outer.push(outer);
        self.open_region(&vec![Type::General; params])
    }

    /// Closes the body of a function, which gives these results.
    pub fn close_function(&mut self, results: Vec<NodeId>) -> RegionId {
        let id = self.open.pop().map_or(RegionId(0), |open| open.id);
        self.graph.regions[id.0 as usize].results = results;
        self.open = self.outer.pop().unwrap_or_default();
        id
    }

    /// Adds a parameter to the innermost open region.
    pub fn push_param(&mut self, ty: Type) -> NodeId {
        let id = self.push(NodeKind::RegionParam, vec![], ty);
        let region = self.open[self.open.len() - 1].id;
        self.graph.regions[region.0 as usize].params.push(id);
        id
    }

    /// Says what a closed region gives.
    pub fn set_results(&mut self, region: RegionId, results: Vec<NodeId>) {
        self.graph.regions[region.0 as usize].results = results;
    }

    /// How many regions are open, the body included.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// An `if` whose arms have been closed; its values, one for each result of the arms.
    pub fn branch(&mut self, test: NodeId, then: RegionId, otherwise: RegionId) -> Vec<NodeId> {
        let types: Vec<Type> = {
            let (a, b) = (self.graph.region(then), self.graph.region(otherwise));
            let pairs = a.results.iter().zip(&b.results);
            pairs
                .map(|(a, b)| self.graph.node(*a).ty.join(self.graph.node(*b).ty))
                .collect()
        };
        self.values(NodeKind::If(then, otherwise), vec![test], &types)
    }

    /// A loop whose regions have been closed; its values, the last states. `inits` are of the types of the head's parameters.
    pub fn repeat(&mut self, inits: Vec<NodeId>, head: RegionId, next: RegionId) -> Vec<NodeId> {
        let params = self.graph.region(head).params.clone();
        let types: Vec<Type> = params.iter().map(|p| self.graph.node(*p).ty).collect();
        self.values(NodeKind::Loop(head, next), inits, &types)
    }

    /// The way back over the loop `of`, whose region has been closed; its values, the last carries.
    pub fn reverse(&mut self, of: NodeId, inits: Vec<NodeId>, back: RegionId) -> Vec<NodeId> {
        let params = &self.graph.region(back).params;
        let carries = params[params.len() - inits.len()..].iter();
        let types: Vec<Type> = carries.map(|p| self.graph.node(*p).ty).collect();
        let args = std::iter::once(of).chain(inits).collect();
        self.values(NodeKind::Reverse(back), args, &types)
    }

    fn values(&mut self, kind: NodeKind, args: Vec<NodeId>, types: &[Type]) -> Vec<NodeId> {
        let first = types.first().copied().unwrap_or(Type::General);
        let node = self.push(kind, args, first);
        let values = types.iter().enumerate();
        values
            .map(|(i, ty)| self.get(node, i as u32, *ty))
            .collect()
    }

    /// Adds a function; its body may be set later.
    pub fn function(&mut self, function: Function) -> FunctionId {
        self.graph.functions.push(function);
        FunctionId(self.graph.functions.len() as u32 - 1)
    }

    /// Changes a function that was added before.
    pub fn function_mut(&mut self, id: FunctionId) -> &mut Function {
        &mut self.graph.functions[id.0 as usize]
    }

    /// The finished graph, with these outputs.
    pub fn finish(mut self, outputs: Vec<Output>, value: Value) -> Graph {
        let results = outputs.iter().map(|output| output.node).collect();
        self.close_region(results);
        self.graph.outputs = outputs;
        self.graph.value = value;
        self.graph
    }

    /// The finished graph whose only output is `node`, called `value`.
    pub fn finish_one(self, node: NodeId) -> Graph {
        let name = Arc::from("value");
        self.finish(vec![Output { name, node }], Value::Output(0))
    }

    fn number(&self, node: NodeId) -> Option<&Constant> {
        match &self.graph.node(node).kind {
            NodeKind::Constant(constant) if constant.as_real().is_some() => Some(constant),
            _ => None,
        }
    }

    /// The argument that the operation gives back unchanged, bit for bit, whatever the other is.
    fn identity(&self, op: Op, args: &[NodeId]) -> Option<NodeId> {
        let known = |i: usize, value: f64| {
            self.known(args[i])
                .is_some_and(|x| x.to_bits() == value.to_bits())
        };
        match op {
            Op::Mul if known(1, 1.0) => Some(args[0]),
            Op::Mul if known(0, 1.0) => Some(args[1]),
            Op::Div if known(1, 1.0) => Some(args[0]),
            Op::Sub if known(1, 0.0) => Some(args[0]),
            // x + 0 changes -0 alone, and does so once
            Op::Add if known(1, 0.0) => match &self.graph.node(args[0]) {
                Node {
                    kind: NodeKind::Op(Op::Add),
                    args: inner,
                    ..
                } if self.known(inner[1]) == Some(0.0) => Some(args[0]),
                _ => None,
            },
            Op::Neg => match self.graph.node(args[0]).kind {
                NodeKind::Op(Op::Neg) => Some(self.graph.node(args[0]).args[0]),
                _ => None,
            },
            Op::Select => match self.number(args[0]) {
                Some(test) => Some(if test.is_true() { args[1] } else { args[2] }),
                None => (args[1] == args[2]).then_some(args[1]),
            },
            Op::Min | Op::Max if args.len() == 1 => Some(args[0]),
            Op::Pick => {
                let index = self.known(args[0])?;
                let place = (1..args.len()).find(|place| (place - 1) as f64 == index);
                place.map(|place| args[place])
            }
            Op::And | Op::Or => {
                let neutral = |i: usize| {
                    let known = self.number(args[i]);
                    known.is_some_and(|x| x.is_true() == (op == Op::And))
                };
                match (neutral(0), neutral(1)) {
                    (true, _) => Some(args[1]),
                    (_, true) => Some(args[0]),
                    _ => (args[0] == args[1]).then_some(args[0]),
                }
            }
            _ => None,
        }
    }

    fn result_type(&self, op: Op, args: &[NodeId]) -> Type {
        let Role::Numeric { boolean, .. } = op.row().role else {
            return Type::General;
        };
        if boolean {
            return Type::Scalar(Elem::Bool);
        }
        let joined = |args: &[NodeId]| {
            let types = args.iter().map(|arg| self.graph.node(*arg).ty);
            types.reduce(Type::join).unwrap_or(Type::REAL)
        };
        match op {
            Op::Select => joined(&args[1..]),
            Op::Add
            | Op::Sub
            | Op::Mul
            | Op::Neg
            | Op::Abs
            | Op::Sign
            | Op::Min
            | Op::Max
            | Op::Quotient
            | Op::Remainder
            | Op::Modulo
            | Op::Floor
            | Op::Ceiling
            | Op::Round
            | Op::Truncate => joined(args).join(Type::Scalar(Elem::Int)),
            _ => Type::REAL,
        }
    }
}

impl Emit for Builder {
    fn op(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        if let Role::Defined(definition) = op.row().role {
            return definition(self, args);
        }
        let constants: Option<Vec<Constant>> =
            args.iter().map(|arg| self.number(*arg).cloned()).collect();
        if let Some(value) = constants.and_then(|constants| fold(op, &constants)) {
            return self.constant(value);
        }
        let decides = |arg: &NodeId| {
            let known = self.number(*arg);
            known.is_some_and(|x| x.is_true() == (op == Op::Or))
        };
        if matches!(op, Op::And | Op::Or) && args.iter().any(decides) {
            return self.constant(Constant::Bool(op == Op::Or));
        }
        let ty = self.result_type(op, args);
        if let Some(node) = self.identity(op, args)
            && self.graph.node(node).ty == ty
        {
            return node;
        }
        let mut key = args.to_vec();
        if matches!(op, Op::Add | Op::Mul | Op::Equal) {
            key.sort();
        }
        let node = self.share(Key::Op(op, key), NodeKind::Op(op), args.to_vec(), ty);
        let signed = matches!(
            op,
            Op::Mul | Op::Neg | Op::Quotient | Op::Remainder | Op::Modulo
        );
        if signed && ty == Type::Scalar(Elem::Int) {
            // an exact zero has no sign
            let zero = self.constant(Constant::Int(0));
            return self.op(Op::Add, &[node, zero]);
        }
        node
    }

    fn linear(&mut self, linear: Linear, args: &[NodeId], index: usize) -> NodeId {
        self.linear_values(linear, args, std::iter::once(index))[0]
    }

    fn real(&mut self, value: f64) -> NodeId {
        self.constant(Constant::Real(value))
    }

    fn int(&mut self, value: i64) -> NodeId {
        self.constant(Constant::Int(value))
    }

    fn known(&self, node: NodeId) -> Option<f64> {
        self.number(node).and_then(Constant::as_real)
    }
}
