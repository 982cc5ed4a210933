//! The native engine against plain Rust, finite differences, and itself: one sample against many, memory of any layout.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ncg::compile::stages;
use ncg::engine::native::{self, MachineCode, Settings};
use ncg::engine::{Destination, Inputs, Outputs, Program};
use ncg::grad::{jacobian, training, vjp};
use ncg::graph::{Builder, Graph, Output, Port, PortKind, Value};
use ncg::ops::kernel::Kernel;
use ncg::ops::real::Real;
use ncg::ops::{self, Emit, Op, Role};

/// How the values of an input lie in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    Contiguous,
    Strided,
}

/// The values of the ports: columns of samples, the first of which is the value of a parameter.
struct Table<T> {
    columns: Vec<Vec<T>>,
    layout: Layout,
    stride: usize,
}

impl<T: Real> Table<T> {
    fn new(columns: Vec<Vec<T>>) -> Table<T> {
        Table {
            columns,
            layout: Layout::Contiguous,
            stride: 1,
        }
    }

    /// The same values, spread out in memory.
    fn strided(&self, stride: usize) -> Table<T> {
        let spread = |column: &Vec<T>| {
            let values = column.iter();
            let spread = values.flat_map(|value| vec![*value; stride]);
            spread.collect()
        };
        Table {
            columns: self.columns.iter().map(spread).collect(),
            layout: Layout::Strided,
            stride,
        }
    }

    fn samples(&self, start: usize, count: usize) -> Table<T> {
        let part = |column: &Vec<T>| column[start..start + count].to_vec();
        Table::new(self.columns.iter().map(part).collect())
    }
}

impl<T: Real> Inputs<T> for Table<T> {
    fn uniform(&self, port: usize) -> T {
        self.columns[port][0]
    }

    fn gather(&self, port: usize, start: usize, out: &mut [T]) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = self.columns[port][(start + i) * self.stride];
        }
    }

    fn contiguous(&self, port: usize, start: usize, count: usize) -> Option<&[T]> {
        match self.layout {
            Layout::Contiguous => self.columns[port].get(start..start + count),
            Layout::Strided => None,
        }
    }
}

/// What a run gives: for each output its values, or its one value.
struct Results<T>(Vec<Vec<T>>);

impl<T: Real> Outputs<T> for Results<T> {
    fn scatter(&mut self, output: usize, start: usize, values: &[T]) {
        let column = &mut self.0[output];
        assert_eq!(column.len(), start, "each sample once, in order");
        column.extend(values);
    }

    fn uniform(&mut self, output: usize, value: T) {
        assert!(self.0[output].is_empty(), "called once");
        self.0[output].push(value);
    }

    fn contiguous(&mut self, _: usize, _: usize, _: usize) -> Option<&mut [T]> {
        None
    }
}

fn run<T: Real>(program: &mut dyn Program<T>, table: &Table<T>, samples: usize) -> Vec<Vec<T>> {
    let mut results = Results(vec![vec![]; 64]);
    program
        .run(samples, table, &mut results, None)
        .expect("runs");
    results.0
}

/// Prepares a graph with this machine code.
fn prepare<T: Real>(graph: &Graph, machine_code: MachineCode) -> native::Native<T> {
    let settings = Settings {
        machine_code,
        eager: true,
        ..Settings::default()
    };
    native::prepare_with(graph, &settings).expect("is numeric")
}

const CODES: [MachineCode; 3] = [MachineCode::Off, MachineCode::Avx, MachineCode::Auto];

/// The outputs, whose bits do not depend on the machine code.
fn run_graph<T: Real>(graph: &Graph, table: &Table<T>, samples: usize) -> Vec<Vec<T>> {
    let [without, with @ ..] = CODES.map(|code| {
        let mut results = run(&mut prepare(graph, code), table, samples);
        results.truncate(graph.outputs.len());
        results
    });
    for (code, with) in CODES[1..].iter().zip(with) {
        for (output, (with, without)) in with.iter().zip(&without).enumerate() {
            let what = format!("output {output} of {samples} samples with code {code:?}");
            same_bits(with, without, &what);
        }
    }
    without
}

fn numeric(source: &str) -> Graph {
    stages(source, &ncg::options::Options::new())
        .expect("compiles")
        .numeric
}

/// The bits of a value; all NaNs are the same.
fn bits<T: Real>(value: T) -> u64 {
    let value = value.to_f64();
    match value.is_nan() {
        true => f64::NAN.to_bits(),
        false => value.to_bits(),
    }
}

#[track_caller]
fn same_bits<T: Real>(a: &[T], b: &[T], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        assert_eq!(bits(*x), bits(*y), "{what}, value {i}: {x:?} and {y:?}");
    }
}

/// Columns of unlike positive numbers.
fn columns(ports: usize, samples: usize) -> Table<f64> {
    let value = |port: usize, i: usize| 0.3 + ((i * 7919 + port * 104_729) % 997) as f64 / 400.0;
    let column = |port| (0..samples.max(1)).map(|i| value(port, i)).collect();
    Table::new((0..ports).map(column).collect())
}

type Closure = fn(&[f64]) -> f64;

/// Models, and what they compute from the values of their ports.
const MODELS: [(&str, Closure); 11] = [
    ("(parameter k 2) (/ (* k (* q1 q2)) (* r r))", |p| {
        p[0] * (p[1] * p[2]) / (p[3] * p[3])
    }),
    (
        "(parameter a 1) (parameter b 1) (parameter w 1)
         (* a (* (exp (- 0 (* b t))) (cos (* w t))))",
        |p| p[0] * ((0.0 - p[1] * p[3]).exp() * (p[2] * p[3]).cos()),
    ),
    ("(- (+ (* x y) (/ x y)) (* (- x y) (+ x y)))", |p| {
        (p[0] * p[1] + p[0] / p[1]) - (p[0] - p[1]) * (p[0] + p[1])
    }),
    ("(if (< x y) (* x (sin y)) (- y (* x x)))", |p| {
        if p[0] < p[1] {
            p[0] * p[1].sin()
        } else {
            p[1] - p[0] * p[0]
        }
    }),
    ("(parameter n 2) (expt x n)", |p| p[1].powf(p[0])),
    ("(max x (min y z))", |p| p[0].max(p[1].min(p[2]))),
    ("(sqrt (+ (* x x) (* y y)))", |p| {
        (p[0] * p[0] + p[1] * p[1]).sqrt()
    }),
    ("(parameter a 1) (* (log (+ a x)) (tanh (/ x 8)))", |p| {
        (p[0] + p[1]).ln() * (p[1] / 8.0).tanh()
    }),
    ("(+ (sin x) (* y (cos x)))", |p| {
        p[0].sin() + p[1] * p[0].cos()
    }),
    ("(+ (* (cosh x) (sinh x)) (* (sin (* x y)) (sin y)))", |p| {
        p[0].cosh() * p[0].sinh() + (p[0] * p[1]).sin() * p[1].sin()
    }),
    ("x", |p| p[0]),
];

#[test]
fn values_are_those_of_plain_rust() {
    for (source, closure) in MODELS {
        let graph = numeric(source);
        let mut table = columns(graph.ports.len(), 300);
        for port in graph.parameters() {
            table.columns[port] = vec![table.columns[port][0]; 300];
        }
        let results = run_graph(&graph, &table, 300);
        let row = |i: usize| table.columns.iter().map(|c| c[i]).collect::<Vec<f64>>();
        let wanted: Vec<f64> = (0..300).map(|i| closure(&row(i))).collect();
        for (i, (x, y)) in results[0].iter().zip(&wanted).enumerate() {
            assert!(
                (x - y).abs() <= 1e-14 * y.abs(),
                "{source}, sample {i}: {x} and {y}"
            );
        }
    }
}

#[test]
fn derivatives_are_those_of_differences() {
    let samples = 130;
    for (source, closure) in MODELS {
        let graph = numeric(source);
        let ports = graph.ports.len();
        let wrt: Vec<usize> = (0..ports).collect();
        let mut table = columns(ports, samples);
        for port in graph.parameters() {
            table.columns[port] = vec![table.columns[port][0]; samples];
        }
        let row = |i: usize| table.columns.iter().map(|c| c[i]).collect::<Vec<f64>>();
        let slope = |i: usize, port: usize| {
            let at = |step: f64| {
                let mut row = row(i);
                row[port] += step;
                closure(&row)
            };
            (at(1e-6) - at(-1e-6)) / 2e-6
        };
        let near = |x: f64, y: f64| (x - y).abs() <= 2e-7 * (1.0 + y.abs());

        let results = run_graph(&jacobian(&graph, &wrt), &table, samples);
        for port in 0..ports {
            for i in 0..samples {
                let values = &results[1 + port];
                let value = values[if values.len() == 1 { 0 } else { i }];
                let wanted = slope(i, port);
                assert!(near(value, wanted), "{source}: {value} and {wanted}");
            }
        }

        let seeds: Vec<f64> = (0..samples).map(|i| 1.0 + (i % 3) as f64).collect();
        let mut seeded = Table::new(table.columns.clone());
        seeded.columns.push(seeds.clone());
        let results = run_graph(&vjp(&graph, &wrt), &seeded, samples);
        for port in 0..ports {
            let each = |i: usize| seeds[i] * slope(i, port);
            if graph.ports[port].is_parameter() {
                let wanted: f64 = (0..samples).map(each).sum();
                let value = results[1 + port][0];
                assert!(
                    (value - wanted).abs() < 1e-6 * (1.0 + wanted.abs()),
                    "{source}"
                );
            } else {
                for (i, value) in results[1 + port].iter().enumerate() {
                    let wanted = each(i);
                    assert!(
                        (value - wanted).abs() < 1e-6 * (1.0 + wanted.abs()),
                        "{source}"
                    );
                }
            }
        }

        let targets: Vec<f64> = (0..samples).map(|i| 1.0 + (i % 5) as f64 / 4.0).collect();
        let mut trained = Table::new(table.columns.clone());
        trained.columns.push(targets.clone());
        let parameters = graph.parameters();
        let results = run_graph(&training(&graph, &parameters), &trained, samples);
        let residual = |i: usize| closure(&row(i)) - targets[i];
        let mean = |f: &dyn Fn(usize) -> f64| (0..samples).map(f).sum::<f64>() / samples as f64;
        let loss = mean(&|i| residual(i) * residual(i));
        assert!((results[0][0] - loss).abs() < 1e-12 * loss, "{source}");
        for (at, port) in parameters.iter().enumerate() {
            let wanted = mean(&|i| 2.0 * residual(i) * slope(i, *port));
            let value = results[1 + at][0];
            assert!(near(value, wanted), "{source}: {value} and {wanted}");
        }
    }
}

#[test]
fn arms_that_are_not_taken_leave_no_trace() {
    let graph = numeric("(if (= x 0) 0 (/ (sin x) x))");
    let graph = jacobian(&graph, &[0]);
    for samples in [1, 3] {
        let table = Table::new(vec![vec![0.0, 0.0, 0.0]]);
        let results = run_graph::<f64>(&graph, &table, samples);
        same_bits(&results[0], &vec![0.0; samples], "value");
        same_bits(&results[1], &vec![0.0; samples], "derivative");
    }
}

#[test]
fn a_sample_has_the_same_bits_in_every_batch() {
    for (source, _) in MODELS {
        let graph = numeric(source);
        let graph = jacobian(&graph, &(0..graph.ports.len()).collect::<Vec<_>>());
        let [mut program, mut avx, mut without] =
            [MachineCode::Auto, MachineCode::Avx, MachineCode::Off]
                .map(|code| prepare::<f64>(&graph, code));
        let largest = 4097;
        let mut table = columns(graph.ports.len(), largest);
        for port in graph.parameters() {
            table.columns[port] = vec![table.columns[port][0]; largest];
        }
        let mut alone = vec![vec![]; 64];
        for i in 0..largest {
            let results = run(&mut without, &table.samples(i, 1), 1);
            for (all, one) in alone.iter_mut().zip(results) {
                all.extend(one);
            }
        }
        for samples in [
            0, 1, 2, 7, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000, 4097,
        ] {
            let first = run(&mut program, &table, samples);
            for (output, values) in first.iter().enumerate() {
                let batched = values.len() == samples;
                let wanted = &alone[output][..if batched { samples } else { values.len() }];
                same_bits(values, wanted, source);
            }
            let spread = run(&mut program, &table.strided(3), samples);
            for others in [spread, run(&mut avx, &table, samples)] {
                for (a, b) in first.iter().zip(&others) {
                    same_bits(a, b, source);
                }
            }
        }
    }
}

/// More values than there are registers, in an order in which the oldest is wanted first.
#[test]
fn many_values_that_wait_keep_their_bits() {
    for count in [10, 20, 40, 100] {
        let operations = ["+", "-", "*", "/", "min", "max", "<", "sqrt", "exp", "atan"];
        let value = |i: usize| match operations[i * 7 % operations.len()] {
            op @ ("sqrt" | "exp" | "atan") => format!("({op} (* 0.01 (+ k v{})))", i - 1),
            op => format!("({op} v{} (+ {i}.5 {}))", i - 1, ["x", "y", "k"][i % 3]),
        };
        let steps = (1..count).map(|i| format!("(v{i} {})", value(i)));
        let pairs = (0..count).map(|i| format!("(* v{i} v{})", (i * 13 + 5) % count));
        let source = format!(
            "(parameter k 1.25) (let* ((v0 (* x y)) {}) (if (< x 0) (- {1}) (+ {1})))",
            steps.collect::<String>(),
            pairs.collect::<String>()
        );
        let graph = numeric(&source);
        let all: Vec<usize> = (0..graph.ports.len()).collect();
        for graph in [
            jacobian(&graph, &all),
            training(&graph, &graph.parameters()),
        ] {
            for samples in [1, 5, 128, 300, 1111] {
                let table = columns(graph.ports.len(), samples);
                run_graph::<f64>(&graph, &table, samples);
                let narrow = |column: &Vec<f64>| column.iter().map(|x| *x as f32).collect();
                let table = Table::new(table.columns.iter().map(narrow).collect());
                run_graph::<f32>(&graph, &table, samples);
            }
        }
    }
}

#[test]
fn sums_are_the_same_each_time_and_accurate() {
    let graph = training(&numeric(MODELS[0].0), &[0]);
    let mut program = native::prepare::<f64>(&graph).expect("is numeric");
    for samples in [0usize, 1, 2, 31, 64, 129, 1023, 1025, 5000] {
        let table = columns(graph.ports.len(), samples);
        let first = run(&mut program, &table, samples);
        let again = run(&mut program, &table, samples);
        let spread = run(&mut program, &table.strided(2), samples);
        for (a, (b, c)) in first.iter().zip(again.iter().zip(&spread)) {
            same_bits(a, b, "again");
            same_bits(a, c, "spread");
        }
        let k = table.columns[0][0];
        let mut loss = 0.0;
        for i in 0..samples {
            let [_, q1, q2, r, target] = [0, 1, 2, 3, 4].map(|port| table.columns[port][i]);
            loss += (k * (q1 * q2) / (r * r) - target).powi(2);
        }
        let loss = loss / samples as f64;
        match samples {
            0 => assert!(first[0][0].is_nan()),
            _ => assert!((first[0][0] - loss).abs() < 1e-13 * loss),
        }
    }
}

fn input(name: &str) -> Port {
    Port {
        name: Arc::from(name),
        kind: PortKind::Input,
    }
}

fn parameter(name: &str) -> Port {
    Port {
        name: Arc::from(name),
        kind: PortKind::Parameter {
            initial: 0.0,
            lower: f64::NEG_INFINITY,
            upper: f64::INFINITY,
        },
    }
}

const EDGES: [f64; 22] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -2.5,
    3.0,
    1e-3,
    -7.25,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    5e-324,
    -2.2e-308,
    1e-45,
    f64::MAX,
    f64::MIN,
    1e38,
    -1e-38,
    1.0e15,
    0.1,
    710.0,
];

/// Runs `graph` on every combination of edge values, in one batch and one by one.
fn block_is_scalar<T: Real>(graph: &Graph, what: &str, code: MachineCode) {
    let ports = graph.ports.len();
    let count = EDGES.len().pow(ports as u32);
    let value =
        |port: usize, i: usize| T::of(EDGES[i / EDGES.len().pow(port as u32) % EDGES.len()]);
    let mut program = prepare::<T>(graph, code);
    if graph.parameters().is_empty() {
        let column = |port| (0..count).map(|i| value(port, i)).collect();
        let table = Table::new((0..ports).map(column).collect::<Vec<Vec<T>>>());
        let block = run(&mut program, &table, count);
        let mut alone = Vec::new();
        for i in 0..count {
            alone.extend(
                run(&mut program, &table.samples(i, 1), 1)[0]
                    .iter()
                    .copied(),
            );
        }
        same_bits(&block[0], &alone, what);
        return;
    }
    // one parameter at a time keeps its value through a batch
    for fixed in EDGES {
        let column = |port: usize| match graph.ports[port].is_parameter() {
            true => vec![T::of(fixed); EDGES.len()],
            false => EDGES.iter().map(|x| T::of(*x)).collect(),
        };
        let table = Table::new((0..ports).map(column).collect::<Vec<Vec<T>>>());
        let block = run(&mut program, &table, EDGES.len());
        let mut alone = Vec::new();
        for i in 0..EDGES.len() {
            alone.extend(
                run(&mut program, &table.samples(i, 1), 1)[0]
                    .iter()
                    .copied(),
            );
        }
        if block[0].len() == EDGES.len() {
            same_bits(&block[0], &alone, what);
        }
    }
}

fn one_op(op: Op, ports: Vec<Port>) -> Graph {
    let count = ports.len();
    let mut builder = Builder::new(ports);
    let args: Vec<_> = (0..count).map(|i| builder.port(i)).collect();
    let node = builder.op(op, &args);
    builder.finish_one(node)
}

#[test]
fn every_operation_gives_the_same_bits_in_a_block_as_alone() {
    for row in ops::all() {
        let Role::Numeric { kernel, .. } = row.role else {
            continue;
        };
        let arities = match (row.op, kernel) {
            (Op::Min | Op::Max, _) => 1..=3,
            (_, Some(Kernel::Unary(..))) => 1..=1,
            (_, Some(Kernel::Binary(..))) => 2..=2,
            (Op::Select, None) => 3..=3,
            _ => continue,
        };
        for arity in arities {
            let kinds = 1 << arity;
            for kind in 0..kinds {
                let port = |i: usize| match kind >> i & 1 {
                    0 => input(&format!("x{i}")),
                    _ => parameter(&format!("p{i}")),
                };
                let graph = one_op(row.op, (0..arity).map(port).collect());
                CODES
                    .into_iter()
                    .for_each(|code| block_is_scalar::<f64>(&graph, row.name, code));
                CODES
                    .into_iter()
                    .for_each(|code| block_is_scalar::<f32>(&graph, row.name, code));
            }
        }
    }
}

#[test]
fn two_operations_in_one_instruction_give_the_bits_of_two() {
    for inner in ["+", "-", "*", "/"] {
        for outer in ["+", "-", "*", "/"] {
            for source in [
                format!("({outer} ({inner} x y) z)"),
                format!("({outer} z ({inner} x y))"),
            ] {
                let graph = numeric(&source);
                CODES
                    .into_iter()
                    .for_each(|code| block_is_scalar::<f64>(&graph, &source, code));
                let apply = |op: &str, a: f64, b: f64| match op {
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a * b,
                    _ => a / b,
                };
                let table = columns(3, 100);
                let results = run_graph(&graph, &table, 100);
                let port = |name: &str| {
                    graph
                        .ports
                        .iter()
                        .position(|port| &*port.name == name)
                        .expect("is a port")
                };
                let wanted: Vec<f64> = (0..100)
                    .map(|i| {
                        let [x, y, z] = ["x", "y", "z"].map(|name| table.columns[port(name)][i]);
                        let part = apply(inner, x, y);
                        match source.ends_with("z)") {
                            true => apply(outer, part, z),
                            false => apply(outer, z, part),
                        }
                    })
                    .collect();
                same_bits(&results[0], &wanted, &source);
            }
        }
    }
}

/// `x` less its mean, and the sum of the squares of that: two passes over the samples.
#[test]
fn values_may_depend_on_sums() {
    let mut b = Builder::new(vec![input("x")]);
    let x = b.port(0);
    let sum = b.op(Op::BatchSum, &[x]);
    let count = b.op(Op::BatchCount, &[]);
    let mean = b.op(Op::Div, &[sum, count]);
    let centred = b.op(Op::Sub, &[x, mean]);
    let square = b.op(Op::Mul, &[centred, centred]);
    let spread = b.op(Op::BatchSum, &[square]);
    let one = b.real(1.0);
    let ones = b.op(Op::BatchSum, &[one]);
    let output = |name: &str, node| Output {
        name: Arc::from(name),
        node,
    };
    let outputs = vec![
        output("centred", centred),
        output("spread", spread),
        output("ones", ones),
    ];
    let graph = b.finish(outputs, Value::Output(0));
    for samples in [1usize, 3, 200] {
        let table = Table::new(vec![(1..=samples).map(|i| i as f64).collect()]);
        let results = run_graph(&graph, &table, samples);
        let n = samples as f64;
        let wanted: Vec<f64> = (1..=samples).map(|i| i as f64 - (n + 1.0) / 2.0).collect();
        same_bits(&results[0], &wanted, "centred");
        assert!((results[1][0] - n * (n * n - 1.0) / 12.0).abs() < 1e-9 * n * n * n);
        same_bits(&results[2], &[n], "ones");
    }
}

#[test]
fn a_run_can_be_cancelled() {
    let graph = numeric("(+ x 1)");
    let mut program = native::prepare::<f64>(&graph).expect("is numeric");
    let mut results = Results(vec![vec![]]);
    let cancel = AtomicBool::new(true);
    program
        .run(10_000, &columns(1, 10_000), &mut results, Some(&cancel))
        .expect("runs");
    assert!(results.0[0].len() < 10_000);
}

/// Outputs that are written where they go, one element behind the start of memory that is otherwise not touched.
struct InPlace {
    columns: Vec<Vec<f64>>,
    samples: usize,
}

const UNTOUCHED: f64 = -123.0;

impl Outputs<f64> for InPlace {
    fn scatter(&mut self, output: usize, start: usize, values: &[f64]) {
        self.columns[output][1 + start..][..values.len()].copy_from_slice(values);
    }

    fn uniform(&mut self, output: usize, value: f64) {
        self.columns[output][0] = value;
    }

    fn contiguous(&mut self, _: usize, _: usize, _: usize) -> Option<&mut [f64]> {
        None
    }

    fn destination(&mut self, output: usize, samples: usize) -> Destination<f64> {
        assert_eq!(samples, self.samples);
        Destination::Memory {
            first: self.columns[output][1..].as_mut_ptr(),
            stride: 1,
        }
    }
}

/// A table whose last column is ones that are nowhere in memory.
struct Ones<'a>(&'a Table<f64>);

impl Inputs<f64> for Ones<'_> {
    fn uniform(&self, port: usize) -> f64 {
        self.0.uniform(port)
    }

    fn gather(&self, _: usize, _: usize, _: &mut [f64]) {
        panic!("the others lie side by side");
    }

    fn contiguous(&self, port: usize, start: usize, count: usize) -> Option<&[f64]> {
        let column = self.0.columns.get(port)?;
        column.get(start..start + count)
    }

    fn constant(&self, port: usize) -> Option<f64> {
        (port == self.0.columns.len()).then_some(1.0)
    }
}

#[test]
fn outputs_written_in_place_and_inputs_of_one_value_change_no_bit() {
    for (source, _) in MODELS {
        let graph = numeric(source);
        let wrt: Vec<usize> = (0..graph.ports.len()).collect();
        let graph = vjp(&graph, &wrt);
        // what is shorter than a block is gathered
        for samples in [128, 256, 1024, 1280, 2048] {
            let mut table = columns(graph.ports.len() - 1, samples);
            for port in graph.parameters() {
                table.columns[port] = vec![table.columns[port][0]; samples];
            }
            let mut seeded = Table::new(table.columns.clone());
            seeded.columns.push(vec![1.0; samples]);
            for code in CODES {
                let mut program = prepare::<f64>(&graph, code);
                let wanted = run(&mut program, &seeded, samples);
                let mut found = InPlace {
                    columns: vec![vec![UNTOUCHED; samples + 2]; graph.outputs.len()],
                    samples,
                };
                program
                    .run(samples, &Ones(&table), &mut found, None)
                    .expect("runs");
                for (output, (found, wanted)) in found.columns.iter().zip(&wanted).enumerate() {
                    let what = format!("{source}, output {output} of {samples} samples, {code:?}");
                    match wanted[..] {
                        [value] => same_bits(&found[..1], &[value], &what),
                        _ => {
                            same_bits(&found[1..=samples], wanted, &what);
                            same_bits(&[found[0], found[samples + 1]], &[UNTOUCHED; 2], &what);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_last_samples_of_a_batch_are_written_in_place_and_nothing_behind_them() {
    let graph = numeric("(* x (+ x 1))");
    for samples in 2..300 {
        let table = columns(1, samples);
        for code in CODES {
            let mut program = prepare::<f64>(&graph, code);
            let wanted = run(&mut program, &table, samples);
            let mut found = InPlace {
                columns: vec![vec![UNTOUCHED; samples + 2]],
                samples,
            };
            program
                .run(samples, &table, &mut found, None)
                .expect("runs");
            let what = format!("{samples} samples, {code:?}");
            same_bits(&found.columns[0][1..=samples], &wanted[0], &what);
            same_bits(
                &[found.columns[0][0], found.columns[0][samples + 1]],
                &[UNTOUCHED; 2],
                &what,
            );
        }
    }
}
