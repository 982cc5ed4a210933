//! Graphs for tests, batches of samples in memory, and the plainest evaluator: a table of operations, sample by sample.
#![allow(dead_code)]

use std::sync::Arc;

use ncg::compile;
use ncg::engine::{Inputs, Outputs};
use ncg::graph::{Builder, Graph, NodeId, NodeKind, Output, Port, PortKind, RegionId, Type, Value};
use ncg::ops::kernel::Kernel;
use ncg::ops::real::Real;
use ncg::ops::{Emit, Op, Role};
use ncg::options::Options;

pub fn input(name: &str) -> Port {
    Port {
        name: Arc::from(name),
        kind: PortKind::Input,
    }
}

pub fn parameter(name: &str, initial: f64) -> Port {
    let (lower, upper) = (f64::NEG_INFINITY, f64::INFINITY);
    Port {
        name: Arc::from(name),
        kind: PortKind::Parameter {
            initial,
            lower,
            upper,
        },
    }
}

/// The graph of an operation on inputs `a`, `b`, …
pub fn graph_of(op: Op, count: usize) -> Graph {
    let names = ["a", "b", "c"];
    let mut builder = Builder::new(names[..count].iter().map(|name| input(name)).collect());
    let args: Vec<NodeId> = (0..count).map(|i| builder.port(i)).collect();
    let node = builder.op(op, &args);
    builder.finish_one(node)
}

/// The numeric graph of a program.
pub fn compiled(source: &str) -> Graph {
    compile::stages(source, &Options::new()).unwrap().numeric
}

/// The graph that these steps build: the outputs, by name.
pub fn built(
    ports: Vec<Port>,
    steps: impl Fn(&mut Builder) -> Vec<(&'static str, NodeId)>,
) -> Graph {
    let mut builder = Builder::new(ports);
    let outputs = steps(&mut builder).into_iter().map(|(name, node)| Output {
        name: Arc::from(name),
        node,
    });
    let outputs: Vec<Output> = outputs.collect();
    let value = match outputs.len() {
        1 => Value::Output(0),
        n => Value::List((0..n).map(Value::Output).collect(), None),
    };
    builder.finish(outputs, value)
}

/// The values of a loop: its last states.
pub fn repeat(
    b: &mut Builder,
    inits: &[NodeId],
    head: impl FnOnce(&mut Builder, &[NodeId]) -> NodeId,
    next: impl FnOnce(&mut Builder, &[NodeId]) -> Vec<NodeId>,
) -> Vec<NodeId> {
    let states = b.open_loop(&vec![Type::REAL; inits.len()]);
    let flag = head(b, &states);
    b.open_next();
    let nexts = next(b, &states);
    let next = b.close_region(nexts);
    let head = b.close_region(vec![flag]);
    b.repeat(inits.to_vec(), head, next)
}

/// The values of a way back over the loop that has this value: its last carries.
pub fn reverse(
    b: &mut Builder,
    value: NodeId,
    inits: &[NodeId],
    back: impl FnOnce(&mut Builder, &[NodeId], &[NodeId]) -> Vec<NodeId>,
) -> Vec<NodeId> {
    let of = b.graph().node(value).args[0];
    let NodeKind::Loop(head, _) = b.graph().node(of).kind else {
        panic!("no value of a loop");
    };
    let states = b.graph().region(head).params.len();
    let params = b.open_loop(&vec![Type::REAL; states + inits.len()]);
    let carries = back(b, &params[..states], &params[states..]);
    let back = b.close_region(carries);
    b.reverse(of, inits.to_vec(), back)
}

/// k q1 q2 / r².
pub fn coulomb() -> Graph {
    let ports = vec![input("q1"), input("q2"), input("r"), parameter("k", 1.0)];
    built(ports, |b| {
        let [q1, q2, r, k] = [0, 1, 2, 3].map(|i| b.port(i));
        let charges = b.op(Op::Mul, &[q1, q2]);
        let above = b.op(Op::Mul, &[k, charges]);
        let square = b.op(Op::Mul, &[r, r]);
        vec![("force", b.op(Op::Div, &[above, square]))]
    })
}

/// An element type of kernels.
pub trait Scalar: Real {
    fn unary(kernel: &Kernel) -> Option<fn(Self) -> Self>;
    fn binary(kernel: &Kernel) -> Option<fn(Self, Self) -> Self>;
    /// Neighbouring values have neighbouring numbers; both zeros have 0.
    fn number(self) -> i64;
    /// Values at the edges of the type.
    fn edges() -> Vec<Self>;
}

macro_rules! scalar {
    ($type:ident, $bits:ident, $unary:pat => $u:expr, $binary:pat => $b:expr) => {
        impl Scalar for $type {
            fn unary(kernel: &Kernel) -> Option<fn(Self) -> Self> {
                match kernel {
                    $unary => Some($u),
                    _ => None,
                }
            }
            fn binary(kernel: &Kernel) -> Option<fn(Self, Self) -> Self> {
                match kernel {
                    $binary => Some($b),
                    _ => None,
                }
            }
            fn number(self) -> i64 {
                let magnitude = i64::from(self.abs().to_bits() as $bits);
                if self.is_sign_negative() {
                    -magnitude
                } else {
                    magnitude
                }
            }
            fn edges() -> Vec<Self> {
                let positive = [
                    0.0,
                    1.0,
                    2.0,
                    3.0,
                    0.5,
                    0.1,
                    1.5,
                    2.5,
                    1e-3,
                    10.0,
                    709.0,
                    740.0,
                    100.0,
                    1e5,
                    1e7,
                    1e15,
                    88.0,
                    1000.0,
                    $type::INFINITY,
                    $type::MIN_POSITIVE,
                    $type::MIN_POSITIVE / 8.0,
                    $type::from_bits(1),
                    $type::MAX,
                    $type::EPSILON,
                    1.0 - $type::EPSILON,
                    std::$type::consts::PI,
                    std::$type::consts::FRAC_PI_2,
                ];
                let negative = positive.map(|x| -x);
                positive
                    .into_iter()
                    .chain(negative)
                    .chain([$type::NAN])
                    .collect()
            }
        }
    };
}

scalar!(f64, i64, Kernel::Unary(f, _) => f.scalar, Kernel::Binary(f, _) => f.scalar);
scalar!(f32, i32, Kernel::Unary(_, f) => f.scalar, Kernel::Binary(_, f) => f.scalar);

/// How many values lie between: 0 for equal ones and two NaN, without end for one NaN.
pub fn ulps<T: Scalar>(a: T, b: T) -> u64 {
    match (a.to_f64().is_nan(), b.to_f64().is_nan()) {
        (true, true) => 0,
        (false, false) => a.number().abs_diff(b.number()),
        _ => u64::MAX,
    }
}

/// Values between about -10 and 10, the same in each run.
pub fn random<T: Real>(count: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        T::of((state >> 11) as f64 / (1u64 << 53) as f64 * 20.0 - 10.0)
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Port values in memory: for a parameter one value, for an input `stride` numbers a sample, of which the first counts.
pub struct Columns<T> {
    pub values: Vec<Vec<T>>,
    pub stride: usize,
}

impl<T: Real> Inputs<T> for Columns<T> {
    fn uniform(&self, port: usize) -> T {
        self.values[port][0]
    }

    fn gather(&self, port: usize, start: usize, out: &mut [T]) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = self.values[port][(start + i) * self.stride];
        }
    }

    fn contiguous(&self, port: usize, start: usize, count: usize) -> Option<&[T]> {
        (self.stride == 1).then(|| &self.values[port][start..start + count])
    }
}

/// Output values in memory, likewise.
pub struct Results<T> {
    pub values: Vec<Vec<T>>,
    pub uniform: Vec<Option<T>>,
    pub stride: usize,
}

impl<T: Real> Results<T> {
    pub fn new(outputs: usize, samples: usize, stride: usize) -> Results<T> {
        Results {
            values: vec![vec![T::of(f64::NAN); samples * stride]; outputs],
            uniform: vec![None; outputs],
            stride,
        }
    }
}

impl<T: Real> Outputs<T> for Results<T> {
    fn scatter(&mut self, output: usize, start: usize, values: &[T]) {
        for (i, value) in values.iter().enumerate() {
            self.values[output][(start + i) * self.stride] = *value;
        }
    }

    fn uniform(&mut self, output: usize, value: T) {
        assert!(self.uniform[output].replace(value).is_none(), "given twice");
    }

    fn contiguous(&mut self, output: usize, start: usize, count: usize) -> Option<&mut [T]> {
        match self.stride {
            1 => Some(&mut self.values[output][start..start + count]),
            _ => None,
        }
    }
}

/// The outputs of a graph: one value for those of the whole batch, else one a sample.
pub fn evaluate<T: Scalar>(graph: &Graph, samples: usize, inputs: &Columns<T>) -> Vec<Vec<T>> {
    let batched = graph.batched();
    // without samples there are the values of the whole batch still
    let mut all: Vec<Sample<T>> = (0..samples.max(1))
        .map(|sample| Sample::new(graph, sample, samples, inputs))
        .collect();
    for id in &graph.body().nodes {
        // of a loop that ends for all samples at once, some values may be one for the whole batch
        let skipped = match graph.node(*id).kind {
            NodeKind::Loop(head, _) => batched[graph.region(head).results[0].index()],
            NodeKind::Reverse(_) => false,
            _ => batched[id.index()],
        };
        if samples == 0 && skipped {
            continue;
        }
        if graph.node(*id).kind == NodeKind::Op(Op::BatchSum) {
            let arg = graph.node(*id).args[0].index();
            let values = all[..samples].iter().map(|sample| sample.values[arg]);
            let sum = batch_sum(&values.collect::<Vec<T>>());
            all.iter_mut().for_each(|s| s.values[id.index()] = sum);
        } else {
            all.iter_mut().for_each(|sample| sample.node(*id));
        }
    }
    let outputs = graph.outputs.iter().map(|output| output.node.index());
    outputs
        .map(|node| match batched[node] {
            true => all[..samples].iter().map(|s| s.values[node]).collect(),
            false => vec![all[0].values[node]],
        })
        .collect()
}

/// The sum over a batch in the order of the native engine: a sample in 32 goes to a lane, the lanes of 1024 samples are
/// added as a tree, and these sums in order.
fn batch_sum<T: Real>(values: &[T]) -> T {
    let mut total = T::ZERO;
    for section in values.chunks(1024) {
        let mut lanes = [T::ZERO; 32];
        for (i, value) in section.iter().enumerate() {
            lanes[i % 32] = lanes[i % 32] + *value;
        }
        let mut width = 16;
        while width > 0 {
            for i in 0..width {
                lanes[i] = lanes[i] + lanes[i + width];
            }
            width /= 2;
        }
        total = total + lanes[0];
    }
    total
}

/// One sample, node by node: the arm that is taken, and each iteration of each loop, all of whose states are stored.
struct Sample<'a, T> {
    graph: &'a Graph,
    sample: usize,
    samples: usize,
    inputs: &'a Columns<T>,
    values: Vec<T>,
    /// The values of each `if`, loop and way back.
    lists: Vec<Vec<T>>,
    /// The states of each loop before each of its iterations.
    states: Vec<Vec<Vec<T>>>,
}

impl<'a, T: Scalar> Sample<'a, T> {
    fn new(
        graph: &'a Graph,
        sample: usize,
        samples: usize,
        inputs: &'a Columns<T>,
    ) -> Sample<'a, T> {
        Sample {
            graph,
            sample,
            samples,
            inputs,
            values: vec![T::ZERO; graph.nodes.len()],
            lists: vec![vec![]; graph.nodes.len()],
            states: vec![vec![]; graph.nodes.len()],
        }
    }

    fn all(&self, nodes: &[NodeId]) -> Vec<T> {
        nodes.iter().map(|node| self.values[node.index()]).collect()
    }

    /// The results of a region for these parameters.
    fn region(&mut self, region: RegionId, params: &[T]) -> Vec<T> {
        let region = self.graph.region(region);
        for (param, value) in region.params.iter().zip(params) {
            self.values[param.index()] = *value;
        }
        region.nodes.iter().for_each(|node| self.node(*node));
        self.all(&region.results)
    }

    fn node(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let args = self.all(&node.args);
        let value = match &node.kind {
            NodeKind::Constant(value) => T::of(value.as_real().unwrap()),
            NodeKind::Port(port) => {
                let parameter = self.graph.ports[*port as usize].is_parameter();
                let row = if parameter { 0 } else { self.sample };
                self.inputs.values[*port as usize][row * self.inputs.stride]
            }
            NodeKind::RegionParam => return,
            NodeKind::Op(Op::Select) => args[if args[0].is_true() { 1 } else { 2 }],
            NodeKind::Op(Op::BatchCount) => T::of(self.samples as f64),
            NodeKind::Op(op) => apply(*op, args.len(), |arg| args[arg]),
            NodeKind::If(then, otherwise) => {
                let arm = if args[0].is_true() { then } else { otherwise };
                self.lists[id.index()] = self.region(*arm, &[]);
                return;
            }
            NodeKind::Loop(head, next) => {
                let (mut states, mut before) = (args, vec![]);
                while self.region(*head, &states)[0].is_true() {
                    before.push(states);
                    states = self.region(*next, &[]);
                }
                self.lists[id.index()] = states;
                self.states[id.index()] = before;
                return;
            }
            NodeKind::Reverse(back) => {
                let mut carries = args[1..].to_vec();
                for states in self.states[node.args[0].index()].clone().iter().rev() {
                    carries = self.region(*back, &[&states[..], &carries].concat());
                }
                self.lists[id.index()] = carries;
                return;
            }
            NodeKind::Get(index) => self.lists[node.args[0].index()][*index as usize],
            other => panic!("{other:?} in a numeric graph"),
        };
        self.values[id.index()] = value;
    }
}

fn apply<T: Scalar>(op: Op, count: usize, arg: impl Fn(usize) -> T) -> T {
    let Role::Numeric {
        kernel: Some(kernel),
        ..
    } = op.row().role
    else {
        panic!("{} has no kernel", op.name());
    };
    match (T::unary(&kernel), T::binary(&kernel)) {
        (Some(f), _) => f(arg(0)),
        (_, Some(f)) => (1..count).fold(arg(0), |a, i| f(a, arg(i))),
        _ => unreachable!(),
    }
}
