//! The plainest evaluator of numeric graphs with loops: node by node, sample by sample, regions by recursion. A loop keeps all
//! its states for the way back. It runs on plain numbers and on dual numbers, whose second part is a derivative: forward
//! mode, which shares nothing with the reverse mode of the library but the values of the operations.
#![allow(dead_code)]

pub mod derivatives;

use std::collections::HashMap;
use std::f64::consts::FRAC_2_SQRT_PI;

use ncg::graph::{Graph, NodeId, NodeKind, RegionId};
use ncg::ops::kernel::Kernel;
use ncg::ops::{Linear, Op, Role, linear};

/// Most iterations of one loop.
const MAX_ITERATIONS: usize = 100_000;

/// What graphs are evaluated on.
pub trait Number: Copy {
    fn of(value: f64) -> Self;
    fn value(self) -> f64;
    fn apply(op: Op, args: &[Self]) -> Self;

    /// Linear algebra of several values.
    fn linear(_: Linear, _: &[Self]) -> Vec<Self> {
        panic!("linear algebra on other numbers than plain ones");
    }
}

/// The value of an operation by its kernel.
fn kernel(op: Op, args: &[f64]) -> f64 {
    let Role::Numeric {
        kernel: Some(kernel),
        ..
    } = op.row().role
    else {
        panic!("{} has no kernel", op.name());
    };
    match kernel {
        Kernel::Unary(f, _) => (f.scalar)(args[0]),
        Kernel::Binary(f, _) => args[1..].iter().fold(args[0], |a, b| (f.scalar)(a, *b)),
    }
}

impl Number for f64 {
    fn of(value: f64) -> f64 {
        value
    }

    fn value(self) -> f64 {
        self
    }

    fn apply(op: Op, args: &[f64]) -> f64 {
        let n = || linear::side(args.len()).unwrap();
        match op {
            Op::DetOf => linear::det(n(), &mut args.to_vec()),
            Op::LogDetOf => linear::logdet(n(), &mut args.to_vec()),
            _ => kernel(op, args),
        }
    }

    fn linear(system: Linear, args: &[f64]) -> Vec<f64> {
        let n = system.side();
        let (a, b) = args.split_at(n * n);
        let (mut a, mut b) = (a.to_vec(), b.to_vec());
        match system {
            Linear::Solve { .. } => {
                linear::solve(n, &mut a, &mut b);
                b
            }
            Linear::Cofactors { .. } => {
                linear::cofactors(n, &mut a, &mut vec![0.0; 2 * n * n + 4 * n]);
                a
            }
        }
    }
}

/// A number and its derivative.
#[derive(Clone, Copy, Debug)]
pub struct Dual {
    pub value: f64,
    pub slope: f64,
}

impl Number for Dual {
    fn of(value: f64) -> Dual {
        Dual { value, slope: 0.0 }
    }

    fn value(self) -> f64 {
        self.value
    }

    fn apply(op: Op, args: &[Dual]) -> Dual {
        let values: Vec<f64> = args.iter().map(|arg| arg.value).collect();
        let value = kernel(op, &values);
        let partials = partials(op, &values, value);
        let terms = args.iter().zip(partials);
        // what does not move adds nothing, however steep the operation
        let slope = terms
            .filter(|(arg, _)| arg.slope != 0.0)
            .map(|(arg, partial)| arg.slope * partial)
            .sum();
        Dual { value, slope }
    }
}

/// The derivatives of an operation by its arguments.
fn partials(op: Op, args: &[f64], value: f64) -> Vec<f64> {
    let x = args[0];
    let y = args.get(1).copied().unwrap_or(f64::NAN);
    match op {
        Op::Add => vec![1.0, 1.0],
        Op::Sub => vec![1.0, -1.0],
        Op::Mul => vec![y, x],
        Op::Div => vec![1.0 / y, -x / (y * y)],
        Op::Neg => vec![-1.0],
        Op::Abs => vec![if x == 0.0 { 0.0 } else { x.signum() }],
        Op::Min | Op::Max => {
            let wins = args.iter().filter(|arg| **arg == value).count() as f64;
            let share = |arg: &f64| if *arg == value { 1.0 / wins } else { 0.0 };
            args.iter().map(share).collect()
        }
        Op::Pow => vec![y * x.powf(y - 1.0), value * x.ln()],
        Op::Sqrt => vec![0.5 / value],
        Op::Exp => vec![value],
        Op::Log => vec![1.0 / x],
        Op::Sin => vec![x.cos()],
        Op::Cos => vec![-x.sin()],
        Op::Tanh => vec![1.0 / x.cosh().powi(2)],
        Op::Atan => vec![1.0 / (1.0 + x * x)],
        Op::Sigmoid => vec![value * (1.0 - value)],
        Op::Softplus => vec![1.0 / (1.0 + (-x).exp())],
        Op::Erf => vec![FRAC_2_SQRT_PI * (-x * x).exp()],
        Op::Remainder => vec![1.0, -(x / y).trunc()],
        Op::Modulo => vec![1.0, -(x / y).floor()],
        Op::Floor | Op::Ceiling | Op::Round | Op::Truncate | Op::Sign | Op::Quotient => {
            vec![0.0; args.len()]
        }
        Op::Equal | Op::Less | Op::Greater | Op::LessEqual | Op::GreaterEqual => vec![0.0; 2],
        Op::And | Op::Or | Op::Not => vec![0.0; args.len()],
        other => panic!("no derivative of {} here", other.name()),
    }
}

/// The outputs of a graph, one value a sample. `ports` are the values of the ports, for each the samples.
pub fn evaluate<T: Number>(graph: &Graph, samples: usize, ports: &[Vec<T>]) -> Vec<Vec<T>> {
    let mut all: Vec<Sample<T>> = (0..samples)
        .map(|sample| Sample {
            graph,
            ports: ports.iter().map(|values| values[sample]).collect(),
            nodes: vec![None; graph.nodes.len()],
            values: HashMap::new(),
            states: HashMap::new(),
        })
        .collect();
    for id in &graph.body().nodes {
        let node = graph.node(*id);
        match node.kind {
            // the only operations that see more than one sample
            NodeKind::Op(Op::BatchSum) => {
                let sum = all
                    .iter()
                    .map(|sample| sample.get(node.args[0]).value())
                    .sum();
                all.iter_mut()
                    .for_each(|sample| sample.set(*id, T::of(sum)));
            }
            NodeKind::Op(Op::BatchCount) => {
                let count = T::of(samples as f64);
                all.iter_mut().for_each(|sample| sample.set(*id, count));
            }
            _ => all.iter_mut().for_each(|sample| sample.node(*id)),
        }
    }
    let outputs = graph.outputs.iter();
    outputs
        .map(|output| all.iter().map(|sample| sample.get(output.node)).collect())
        .collect()
}

/// One sample.
struct Sample<'a, T> {
    graph: &'a Graph,
    ports: Vec<T>,
    nodes: Vec<Option<T>>,
    /// The values of each `if`, loop and way back that has run.
    values: HashMap<NodeId, Vec<T>>,
    /// The states before each iteration of each loop that has run.
    states: HashMap<NodeId, Vec<Vec<T>>>,
}

impl<T: Number> Sample<'_, T> {
    fn get(&self, id: NodeId) -> T {
        self.nodes[id.index()].expect("a node that has been computed")
    }

    fn all(&self, ids: &[NodeId]) -> Vec<T> {
        ids.iter().map(|id| self.get(*id)).collect()
    }

    fn set(&mut self, id: NodeId, value: T) {
        self.nodes[id.index()] = Some(value);
    }

    /// Computes a region anew; its results.
    fn region(&mut self, region: RegionId, params: &[T]) -> Vec<T> {
        let region = self.graph.region(region);
        for node in &region.nodes {
            self.nodes[node.index()] = None;
            self.values.remove(node);
            self.states.remove(node);
        }
        for (param, value) in region.params.iter().zip(params) {
            self.set(*param, *value);
        }
        region.nodes.iter().for_each(|node| self.node(*node));
        self.all(&region.results)
    }

    fn node(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        match &node.kind {
            NodeKind::Constant(value) => self.set(id, T::of(value.as_real().unwrap())),
            NodeKind::Port(port) => self.set(id, self.ports[*port as usize]),
            NodeKind::RegionParam => {}
            NodeKind::Op(Op::Select) => {
                let taken = if self.test(node.args[0]) { 1 } else { 2 };
                self.set(id, self.get(node.args[taken]));
            }
            NodeKind::Op(op) => self.set(id, T::apply(*op, &self.all(&node.args))),
            NodeKind::Linear(system) => {
                let values = T::linear(*system, &self.all(&node.args));
                self.values.insert(id, values);
            }
            NodeKind::Get(index) => self.set(id, self.values[&node.args[0]][*index as usize]),
            NodeKind::If(then, otherwise) => {
                let arm = if self.test(node.args[0]) {
                    then
                } else {
                    otherwise
                };
                let values = self.region(*arm, &[]);
                self.values.insert(id, values);
            }
            NodeKind::Loop(head, next) => {
                let mut states = self.all(&node.args);
                let mut before = Vec::new();
                while self.region(*head, &states)[0].value() != 0.0 {
                    assert!(before.len() < MAX_ITERATIONS, "a loop that does not end");
                    let after = self.region(*next, &[]);
                    before.push(std::mem::replace(&mut states, after));
                }
                self.values.insert(id, states);
                self.states.insert(id, before);
            }
            NodeKind::Reverse(back) => {
                let mut carries = self.all(&node.args[1..]);
                for mut params in self.states[&node.args[0]].clone().into_iter().rev() {
                    params.append(&mut carries);
                    carries = self.region(*back, &params);
                }
                self.values.insert(id, carries);
            }
            other => panic!("{other:?} in a numeric graph"),
        }
    }

    fn test(&self, id: NodeId) -> bool {
        self.get(id).value() != 0.0
    }
}
