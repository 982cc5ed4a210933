//! Graphs for tests, batches of samples in memory, and the plainest evaluator: a table of operations, sample by sample.
#![allow(dead_code)]

use std::sync::Arc;

use ncg::compile;
use ncg::engine::{Inputs, Outputs};
use ncg::graph::{Builder, Graph, NodeId, NodeKind, Output, Port, PortKind, Value, flatten};
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
pub fn built(ports: Vec<Port>, steps: impl Fn(&mut Builder) -> Vec<(&str, NodeId)>) -> Graph {
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
    let flat = flatten(graph);
    let batched = flat.batched();
    let mut values: Vec<Vec<T>> = Vec::new();
    for node in &flat.nodes {
        let length = match batched[values.len()] {
            true => samples,
            false => 1,
        };
        let at = |arg: usize, i: usize| {
            let values = &values[node.args[arg].index()];
            if values.len() == 1 {
                values[0]
            } else {
                values[i]
            }
        };
        let value = |i: usize| match &node.kind {
            NodeKind::Constant(value) => T::of(value.as_real().unwrap()),
            NodeKind::Port(port) => inputs.values[*port as usize][i * inputs.stride],
            NodeKind::Op(Op::Select) => at(if at(0, i).is_true() { 1 } else { 2 }, i),
            NodeKind::Op(Op::BatchCount) => T::of(samples as f64),
            NodeKind::Op(Op::BatchSum) => (0..samples).fold(T::ZERO, |sum, i| sum + at(0, i)),
            NodeKind::Op(op) => apply(*op, node.args.len(), |arg| at(arg, i)),
            other => panic!("{other:?} in a numeric graph"),
        };
        values.push((0..length).map(value).collect());
    }
    let outputs = graph.outputs.iter().zip(&flat.outputs);
    let declared = graph.batched();
    outputs
        .map(|(source, output)| {
            let values = values[output.node.index()].clone();
            match declared[source.node.index()] && values.len() == 1 {
                true => vec![values[0]; samples],
                false => values,
            }
        })
        .collect()
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
