//! Value and gradient of the mean squared error on the native engine, one thread, beside a loop written by hand.

mod batch;

use std::hint::black_box;
use std::sync::Arc;

use batch::{Batch, Sums};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ncg::compile::stages;
use ncg::engine::{Program, native};
use ncg::grad::training;
use ncg::graph::{Builder, Graph, Output, Port, PortKind, Type, Value};
use ncg::ops::{Emit, Op};

const SIZES: [usize; 3] = [1, 1024, 65_536];

const COULOMB: &str = "(parameter k 0.9) (/ (* k (* q1 q2)) (* r r))";

const OSCILLATOR: &str = "(parameter a 1.2) (parameter b 0.3) (parameter w 2.0)
    (* a (* (exp (- 0 (* b t))) (cos (* w t))))";

fn columns(ports: usize, samples: usize) -> Batch {
    let value = |port: usize, i: usize| 0.5 + ((i * 37 + port * 11) % 101) as f64 / 64.0;
    let column = |port| (0..samples).map(|i| value(port, i)).collect();
    Batch {
        columns: (0..ports).map(column).collect(),
        parameters: (0..ports).map(|port| 0.7 + port as f64 / 8.0).collect(),
    }
}

fn model(criterion: &mut Criterion, name: &str, source: &str) {
    let graph = stages(source, &ncg::options::Options::new())
        .expect("compiles")
        .numeric;
    let graph = training(&graph, &graph.parameters());
    let mut program = native::prepare::<f64>(&graph).expect("is numeric");
    let mut group = criterion.benchmark_group(name);
    for samples in SIZES {
        let inputs = columns(graph.ports.len(), samples);
        let mut outputs = Sums(vec![0.0; graph.outputs.len()]);
        group.bench_function(BenchmarkId::new("native", samples), |b| {
            b.iter(|| {
                program
                    .run(samples, black_box(&inputs), &mut outputs, None)
                    .expect("runs");
                outputs.0[0]
            });
        });
    }
    group.finish();
}

/// Mean squared error of Coulomb's law and its derivative by `k`, as one would write it.
#[inline(always)]
fn coulomb_by_hand(k: f64, [q1, q2, r, target]: [&[f64]; 4]) -> (f64, f64) {
    const LANES: usize = 32;
    let (mut loss, mut slope) = ([0.0; LANES], [0.0; LANES]);
    let chunks = |column| <[f64]>::as_chunks::<LANES>(column).0;
    let rows = chunks(q1)
        .iter()
        .zip(chunks(q2))
        .zip(chunks(r))
        .zip(chunks(target));
    for (((q1, q2), r), target) in rows {
        for i in 0..LANES {
            let shape = q1[i] * q2[i] / (r[i] * r[i]);
            let residual = k * shape - target[i];
            loss[i] += residual * residual;
            slope[i] += residual * shape;
        }
    }
    let n = q1.len() as f64;
    (
        loss.iter().sum::<f64>() / n,
        2.0 * slope.iter().sum::<f64>() / n,
    )
}

struct ByHand<'a>(f64, [&'a [f64]; 4]);

impl pulp::WithSimd for ByHand<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> (f64, f64) {
        coulomb_by_hand(self.0, self.1)
    }
}

fn by_hand(criterion: &mut Criterion) {
    let arch = pulp::Arch::new();
    let mut group = criterion.benchmark_group("coulomb");
    for samples in [1024, 65_536] {
        let inputs = columns(4, samples);
        let [a, b, c, d] = &inputs.columns[..] else {
            return;
        };
        group.bench_function(BenchmarkId::new("by hand", samples), |bench| {
            bench.iter(|| {
                let columns = black_box([&a[..], b, c, d]);
                arch.dispatch(ByHand(black_box(0.9), columns))
            });
        });
    }
    group.finish();
}

/// Euler steps of the Lotka-Volterra equations; how many is one number for all samples, or an input.
fn lotka_volterra(steps: Option<usize>) -> Graph {
    let inputs = ["x", "y", "steps"].map(|name| Port {
        name: Arc::from(name),
        kind: PortKind::Input,
    });
    let parameters = ["a", "b", "c", "d"].map(|name| Port {
        name: Arc::from(name),
        kind: PortKind::Parameter {
            initial: 1.0,
            lower: f64::NEG_INFINITY,
            upper: f64::INFINITY,
        },
    });
    let mut builder = Builder::new(inputs.into_iter().chain(parameters).collect());
    let b = &mut builder;
    let [x, y, last, alpha, beta, gamma, delta] = [0, 1, 2, 3, 4, 5, 6].map(|port| b.port(port));
    let last = steps.map_or(last, |steps| b.real(steps as f64));
    let [zero, one, h] = [0.0, 1.0, 1e-3].map(|value| b.real(value));
    let [i, u, v] = b.open_loop(&[Type::REAL; 3])[..] else {
        unreachable!("three states");
    };
    let flag = b.op(Op::Less, &[i, last]);
    b.open_next();
    let grown = b.op(Op::Mul, &[alpha, u]);
    let met = b.op(Op::Mul, &[u, v]);
    let eaten = b.op(Op::Mul, &[beta, met]);
    let slope = b.op(Op::Sub, &[grown, eaten]);
    let change = b.op(Op::Mul, &[h, slope]);
    let next_u = b.op(Op::Add, &[u, change]);
    let fed = b.op(Op::Mul, &[delta, met]);
    let died = b.op(Op::Mul, &[gamma, v]);
    let slope = b.op(Op::Sub, &[fed, died]);
    let change = b.op(Op::Mul, &[h, slope]);
    let next_v = b.op(Op::Add, &[v, change]);
    let next_i = b.op(Op::Add, &[i, one]);
    let next = b.close_region(vec![next_i, next_u, next_v]);
    let head = b.close_region(vec![flag]);
    let values = b.repeat(vec![zero, x, y], head, next);
    let outputs = ["x", "y"].into_iter().zip(&values[1..]);
    let outputs = outputs.map(|(name, node)| Output {
        name: Arc::from(name),
        node: *node,
    });
    builder.finish(outputs.collect(), Value::Output(0))
}

/// Time a step and sample: divide by 20 or 200, and by 1024.
fn loops(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lotka-volterra");
    for steps in [20, 200] {
        for (name, count) in [("one count", Some(steps)), ("a count each", None)] {
            let graph = lotka_volterra(count);
            let mut program = native::prepare::<f64>(&graph).expect("is numeric");
            for samples in [1, 1024] {
                let mut inputs = columns(graph.ports.len(), samples);
                inputs.columns[2] = vec![steps as f64; samples];
                let mut outputs = Sums(vec![0.0; graph.outputs.len()]);
                let id = BenchmarkId::new(format!("{name}, {steps} steps"), samples);
                group.bench_function(id, |b| {
                    b.iter(|| {
                        program
                            .run(samples, black_box(&inputs), &mut outputs, None)
                            .expect("runs");
                    });
                });
            }
        }
    }
    group.finish();
}

/// Functions of the table on 1024 samples, beside the standard library's in a loop.
fn functions(criterion: &mut Criterion) {
    type Function = fn(f64) -> f64;
    let functions: [(&str, &str, Function); 15] = [
        ("exp", "(exp x)", f64::exp),
        ("log", "(log x)", f64::ln),
        ("sin", "(sin x)", f64::sin),
        ("tan", "(tan x)", f64::tan),
        ("asin", "(asin (/ x 4))", |x| (x / 4.0).asin()),
        ("acos", "(acos (/ x 4))", |x| (x / 4.0).acos()),
        ("atan", "(atan x)", f64::atan),
        ("atan2", "(atan x 1.1)", |x| x.atan2(1.1)),
        ("sinh", "(sinh x)", f64::sinh),
        ("cosh", "(cosh x)", f64::cosh),
        ("tanh", "(tanh x)", f64::tanh),
        ("sigmoid", "(sigmoid x)", |x| 1.0 / (1.0 + (-x).exp())),
        ("softplus", "(softplus x)", |x| x + (-x).exp().ln_1p()),
        ("erf", "(erf x)", libm::erf),
        ("expt", "(expt x 1.5)", |x| x.powf(1.5)),
    ];
    let samples = 1024;
    let mut group = criterion.benchmark_group("functions");
    for (name, source, standard) in functions {
        let graph = stages(source, &ncg::options::Options::new())
            .expect("compiles")
            .numeric;
        let mut program = native::prepare::<f64>(&graph).expect("is numeric");
        let inputs = columns(1, samples);
        let mut outputs = Sums(vec![0.0; 1]);
        group.bench_function(BenchmarkId::new(name, "native"), |b| {
            b.iter(|| program.run(samples, black_box(&inputs), &mut outputs, None));
        });
        let mut out = vec![0.0; samples];
        group.bench_function(BenchmarkId::new(name, "standard library"), |b| {
            b.iter(|| {
                let column = black_box(&inputs.columns[0]);
                for (out, x) in out.iter_mut().zip(column) {
                    *out = standard(*x);
                }
                black_box(&out);
            });
        });
    }
    group.finish();
}

/// Damped pendulums of 200 steps with other functions in the place of the sine.
fn pendulums(criterion: &mut Criterion) {
    for force in ["(sin a)", "(tanh a)", "(erf a)", "(expt (+ 2. a) 1.5)"] {
        let source = format!(
            "(parameter g 0.3) (parameter drag 0.2)
             (loop ((i 0) (a (* 0.1 angle)) (w 0.))
               (if (= i 200) a
                 (recur (+ i 1) (+ a (* 0.01 w)) (- w (* 0.01 (+ (* g {force}) (* drag w)))))))"
        );
        model(criterion, &format!("pendulum {force}"), &source);
    }
}

fn all(criterion: &mut Criterion) {
    functions(criterion);
    pendulums(criterion);
    model(criterion, "coulomb", COULOMB);
    by_hand(criterion);
    model(criterion, "oscillator", OSCILLATOR);
    loops(criterion);
}

criterion_group!(benches, all);
criterion_main!(benches);
