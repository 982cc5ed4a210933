//! Brings a numeric graph to the form in which each operation is one operator of ONNX: both arms of an `if` on a test that
//! differs from sample to sample are computed and selected, operations without an operator are decomposed, and tests are
//! truth values. Linear algebra on large matrices stays what it is. Loops stay loops; those of a known number of iterations
//! have it whatever a sample's own test says.

mod check;
mod counted;
mod rewrite;

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Result;
use crate::graph::{
    Builder, Elem, Graph, NodeId, NodeKind, Output, Port, PortKind, RegionId, Type, flatten,
    flatten_batched, hoist, write_out,
};
use crate::ops::{Emit, MAX_WRITTEN_SIDE, Op, linear_values};
use crate::syntax::ast::Constant;
use check::{check, check_form};
pub use counted::{Counted, counted};

/// The element type of a model's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Double precision.
    F64,
    /// Single precision.
    F32,
}

impl Element {
    /// The name of the type, e.g. `"f64"`.
    pub fn name(self) -> &'static str {
        match self {
            Element::F64 => "f64",
            Element::F32 => "f32",
        }
    }
}

/// How many values a parameter has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// One.
    One,
    /// One for each member of a population.
    Population,
}

/// Where the number of samples comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// From the size of an input.
    Size,
    /// From one more parameter, which stands behind the ports of the graph.
    Port,
}

/// So many iterations a loop has at most unless another number is given.
pub const MAX_STEPS: u64 = 1_000_000;

/// Real exponents up to this one become products, which differ from the power by less than four units in the last place.
const LARGEST_PRODUCT: f64 = 6.0;

/// The graph in ONNX form. An output that is a number stays one: a truth value in its place becomes a product with 1. Loops
/// that are known to have more than `max_steps` iterations are like those of which nothing is known.
pub(crate) fn onnx_form(
    graph: &Graph,
    element: Element,
    count: Count,
    max_steps: u64,
) -> Result<Graph> {
    check(graph)?;
    let flat = flatten_batched(&write_out(graph, MAX_WRITTEN_SIDE));
    form_of(flat, element, count, max_steps)
}

/// The same for a graph whose parameters have a value for each member of a population: no test is one for all.
pub(crate) fn population_form(graph: &Graph, element: Element, max_steps: u64) -> Result<Graph> {
    check(graph)?;
    let flat = flatten(&write_out(graph, MAX_WRITTEN_SIDE));
    form_of(flat, element, Count::Size, max_steps)
}

fn form_of(flat: Graph, element: Element, count: Count, max_steps: u64) -> Result<Graph> {
    let mut ports = flat.ports.clone();
    if count == Count::Port {
        ports.push(Port {
            name: Arc::from("batch-count"),
            kind: PortKind::Parameter {
                initial: 1.0,
                lower: 0.0,
                upper: f64::INFINITY,
            },
        });
    }
    let count = (count == Count::Port).then_some(NodeId(flat.ports.len() as u32));
    let mut form = Form {
        flat: &flat,
        element,
        count,
        max_steps,
        builder: Builder::new(ports),
        map: vec![None; flat.nodes.len()],
        values: HashMap::new(),
        loops: HashMap::new(),
    };
    form.region(RegionId(0));
    let outputs = flat.outputs.iter().map(|output| {
        let node = form.get(output.node);
        let number = flat.node(output.node).ty != Type::Scalar(Elem::Bool) && form.is_bool(node);
        Output {
            name: output.name.clone(),
            node: if number { form.as_number(node) } else { node },
        }
    });
    let outputs = outputs.collect();
    // once more, for what decompositions and products have left unused
    let mut form = hoist(&form.builder.finish(outputs, flat.value.clone()));
    check_form(&form)?;
    if let Some(count) = count {
        let batched = form.batched();
        for node in &mut form.nodes {
            // the sum of what is one for all; without a count from outside, the writer knows it
            if node.kind == NodeKind::Op(Op::BatchSum) && !batched[node.args[0].index()] {
                node.kind = NodeKind::Op(Op::Mul);
                node.args.push(count);
            }
        }
    }
    Ok(form)
}

/// The ports that a graph uses.
pub(crate) fn used_ports(graph: &Graph) -> Vec<usize> {
    let mut used = vec![false; graph.ports.len()];
    let args = graph.nodes.iter().flat_map(|node| &node.args);
    let results = graph.regions.iter().flat_map(|region| &region.results);
    for node in args.chain(results) {
        if let NodeKind::Port(port) = graph.node(*node).kind {
            used[port as usize] = true;
        }
    }
    (0..used.len()).filter(|port| used[*port]).collect()
}

struct Form<'a> {
    flat: &'a Graph,
    element: Element,
    count: Option<NodeId>,
    max_steps: u64,
    builder: Builder,
    /// What each node is.
    map: Vec<Option<NodeId>>,
    /// The values of each node of several values.
    values: HashMap<NodeId, Vec<NodeId>>,
    /// The loops that have iterations, each with the samples that it has them for, where not for all.
    loops: HashMap<NodeId, (NodeId, Option<NodeId>)>,
}

/// Which nodes of a growing graph without `if` differ from sample to sample.
#[derive(Default)]
pub(super) struct Batched(Vec<bool>);

impl Batched {
    pub fn get(&mut self, graph: &Graph, node: NodeId) -> bool {
        for node in &graph.nodes[self.0.len()..] {
            let batched = match node.kind {
                NodeKind::Port(port) => !graph.ports[port as usize].is_parameter(),
                NodeKind::Op(Op::BatchSum) => false,
                _ => node.args.iter().any(|arg| self.0[arg.index()]),
            };
            self.0.push(batched);
        }
        self.0[node.index()]
    }
}

impl Form<'_> {
    /// What a node, which verification puts before its users, is.
    fn get(&self, node: NodeId) -> NodeId {
        self.map[node.index()].expect("arguments stand before their users")
    }

    fn region(&mut self, region: RegionId) {
        let flat = self.flat;
        for id in &flat.region(region).nodes {
            self.node(*id);
        }
    }

    fn node(&mut self, id: NodeId) {
        let flat = self.flat;
        let node = flat.node(id);
        self.builder.span = node.span;
        let copy = match &node.kind {
            NodeKind::If(then, otherwise) => return self.branch(id, *then, *otherwise),
            NodeKind::Loop(head, next) => return self.repeat(id, *head, *next),
            NodeKind::Reverse(back) => return self.reverse(id, *back),
            NodeKind::Linear(linear) => {
                let args: Vec<NodeId> = node.args.iter().map(|arg| self.get(*arg)).collect();
                let values = match linear.side() > MAX_WRITTEN_SIDE {
                    true => self
                        .builder
                        .linear_values(*linear, &args, 0..linear.values()),
                    false => linear_values(self, *linear, &args),
                };
                self.values.insert(id, values);
                return;
            }
            NodeKind::Get(index) => self.values[&node.args[0]][*index as usize],
            NodeKind::Constant(value) => self.builder.constant(value.clone()),
            NodeKind::Port(port) => self.builder.port(*port as usize),
            NodeKind::Op(op) => {
                let args: Vec<NodeId> = node.args.iter().map(|arg| self.get(*arg)).collect();
                self.op(*op, &args)
            }
            // parameters are mapped where their region is opened
            _ => return,
        };
        self.map[id.index()] = Some(copy);
    }

    /// What nodes are, in place of parameters: tests as truth values.
    fn carried(&mut self, params: &[NodeId], nodes: &[NodeId]) -> Vec<NodeId> {
        let pairs = params.iter().zip(nodes);
        pairs
            .map(|(param, node)| {
                let copy = self.get(*node);
                match self.flat.node(*param).ty {
                    Type::Scalar(Elem::Bool) => self.truth(copy),
                    _ => copy,
                }
            })
            .collect()
    }

    fn open(&mut self, params: &[NodeId]) {
        let types: Vec<Type> = params
            .iter()
            .map(|param| self.flat.node(*param).ty)
            .collect();
        let copies = self.builder.open_loop(&types);
        for (param, copy) in params.iter().zip(copies) {
            self.map[param.index()] = Some(copy);
        }
    }

    /// `values` for the samples of `guard`, `inits` for the others.
    fn guarded(
        &mut self,
        guard: Option<NodeId>,
        values: Vec<NodeId>,
        inits: &[NodeId],
    ) -> Vec<NodeId> {
        let Some(guard) = guard else {
            return values;
        };
        let pairs = values.into_iter().zip(inits);
        pairs
            .map(|(value, init)| self.select(guard, value, *init))
            .collect()
    }

    fn branch(&mut self, id: NodeId, then: RegionId, otherwise: RegionId) {
        let flat = self.flat;
        let test = self.get(flat.node(id).args[0]);
        let test = self.truth(test);
        let [then, otherwise] = [then, otherwise].map(|arm| {
            self.builder.open_region(&[]);
            self.region(arm);
            let results = flat.region(arm).results.iter();
            let results = results.map(|node| self.get(*node)).collect();
            self.builder.close_region(results)
        });
        let values = self.builder.branch(test, then, otherwise);
        self.values.insert(id, values);
    }

    fn repeat(&mut self, id: NodeId, head: RegionId, next: RegionId) {
        let flat = self.flat;
        let params = &flat.region(head).params;
        let inits = self.carried(params, &flat.node(id).args);
        let known = counted(flat, id, self.max_steps);
        if known.as_ref().is_some_and(|known| known.trips == 0) {
            self.values.insert(id, inits);
            return;
        }
        let guards = known.iter().flat_map(|known| &known.guards);
        let guards: Vec<NodeId> = guards.map(|guard| self.get(*guard)).collect();
        let guard = guards
            .into_iter()
            .reduce(|a, b| self.op(Op::And, &[a, b]))
            .map(|guard| self.truth(guard));
        self.open(params);
        self.region(head);
        let flag = flat.region(head).results[0];
        let test = self.get(known.as_ref().map_or(flag, |known| known.test));
        let test = self.truth(test);
        self.builder.open_next();
        if let Some(known) = &known {
            // the test of the counter has been passed
            let yes = self.builder.constant(Constant::Bool(true));
            self.map[known.test.index()] = Some(yes);
            self.map[flag.index()] = Some(guard.unwrap_or(yes));
        }
        self.region(next);
        let results = self.carried(params, &flat.region(next).results);
        let next = self.builder.close_region(results);
        let head = self.builder.close_region(vec![test]);
        let values = self.builder.repeat(inits.clone(), head, next);
        let copy = self.builder.graph().node(values[0]).args[0];
        self.loops.insert(id, (copy, guard));
        let values = self.guarded(guard, values, &inits);
        self.values.insert(id, values);
    }

    fn reverse(&mut self, id: NodeId, back: RegionId) {
        let flat = self.flat;
        let args = &flat.node(id).args;
        let params = &flat.region(back).params;
        let carries = &params[params.len() + 1 - args.len()..];
        let inits = self.carried(carries, &args[1..]);
        let Some((of, guard)) = self.loops.get(&args[0]).copied() else {
            // the loop has no iteration
            self.values.insert(id, inits);
            return;
        };
        self.open(params);
        self.region(back);
        let results = self.carried(carries, &flat.region(back).results);
        let back = self.builder.close_region(results);
        let values = self.builder.reverse(of, inits.clone(), back);
        let values = self.guarded(guard, values, &inits);
        self.values.insert(id, values);
    }
}
