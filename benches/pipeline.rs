//! The whole way, on both engines and one thread: text to graph, text to first gradient, one sample, batches, fits.
//!
//! Where no ONNX Runtime library is found its rows are left out.

mod batch;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use batch::{Batch, Sums};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use ncg::compile::{Model, stages};
use ncg::engine::ort::{self, OrtConfig};
use ncg::engine::{Program, native};
use ncg::fit::Monitor;
use ncg::fit::fitter::Fitter;
use ncg::fit::problem::Data;
use ncg::fit::statistics::Noise;
use ncg::grad;
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};

struct Source {
    name: &'static str,
    text: &'static str,
    /// The parameters that made the data, by order in the source.
    truth: &'static [f64],
}

const COULOMB: Source = Source {
    name: "coulomb",
    text: "(parameter k 0.9) (/ (* k (* q1 q2)) (* r r))",
    truth: &[2.0],
};

const OSCILLATOR: Source = Source {
    name: "oscillator",
    text: "(parameter a 1.2) (parameter b 0.3) (parameter w 2.0)
        (* a (* (exp (- 0 (* b t))) (cos (* w t))))",
    truth: &[1.0, 0.5, 2.2],
};

const LOTKA_VOLTERRA: Source = Source {
    name: "lotka-volterra",
    text: "(parameter a 1.1) (parameter b 0.4) (parameter c 0.1) (parameter d 0.4)
        (define (steps n x y)
          (if (= n 0)
              (+ x y)
              (steps (- n 1)
                     (+ x (* 0.05 (- (* a x) (* b (* x y)))))
                     (+ y (* 0.05 (- (* c (* x y)) (* d y)))))))
        (steps 20 x y)",
    truth: &[1.0, 0.5, 0.12, 0.5],
};

/// Recursion of a known depth: it becomes a loop, or as many nodes as it has steps.
const RECURSIONS: [(&str, &str); 3] = [
    (
        "tail recursion, 20 steps",
        "(define (f n y) (if (= n 0) y (f (- n 1) (- y (* 0.01 k (sin y)))))) (f 20 x)",
    ),
    (
        "tail recursion, 1000 steps",
        "(define (f n y) (if (= n 0) y (f (- n 1) (- y (* 0.01 k (sin y)))))) (f 1000 x)",
    ),
    (
        "other recursion, 1000 steps",
        "(define (f n) (if (= n 0) x (- (* k n) (* 0.5 (f (- n 1)))))) (f 1000)",
    ),
];

const MISRA1A: &str = include_str!("../examples/models/misra1a.scm");
const MISRA1A_DATA: &str = include_str!("../examples/data/misra1a.csv");

/// The engines that are there.
fn engines() -> Vec<(&'static str, Options)> {
    let engine = |name| {
        let mut options = Options::new();
        options.set_str("engine", name).expect("an option");
        (name, options)
    };
    let mut engines = vec![engine("native")];
    if ort::probe(None).is_ok() {
        engines.push(engine("onnxruntime"));
    }
    engines
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(15)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(700));
    group
}

fn model(text: &str) -> Arc<Model> {
    Arc::new(Model::compile(text, &Options::new()).expect("compiles"))
}

/// Values of inputs, one column after the other, between 0.5 and 2.1.
fn columns(inputs: usize, samples: usize) -> Vec<f64> {
    let value = |input: usize, i: usize| 0.5 + ((i * 37 + input * 11) % 101) as f64 / 64.0;
    let column = |input| (0..samples).map(move |i| value(input, i));
    (0..inputs).flat_map(column).collect()
}

/// Value and derivatives by inputs and parameters, of one sample.
fn first_gradient(session: &mut Session<f64>) -> f64 {
    let (inputs, parameters, _) = session.counts();
    let (x, mut y) = ([1.5, 1.25, 2.5, 1.0], [0.0]);
    let (mut dx, mut dp) = ([0.0; 4], [0.0; 4]);
    let into = Gradient {
        y: Some(&mut StridedMut::rows(&mut y, 1)),
        dx: Some(&mut StridedMut::rows(&mut dx[..inputs], inputs)),
        dp: Some(&mut dp[..parameters]),
    };
    let x = Strided::rows(black_box(&x[..inputs]), inputs);
    session
        .gradient(1, &x, None, None, into, None)
        .expect("runs");
    y[0]
}

fn compile(criterion: &mut Criterion) {
    let mut group = group(criterion, "text to graph");
    for source in [COULOMB, OSCILLATOR, LOTKA_VOLTERRA] {
        group.bench_function(source.name, |b| {
            b.iter(|| stages(black_box(source.text), &Options::new()).expect("compiles"));
        });
    }
    for (name, text) in RECURSIONS {
        group.bench_function(name, |b| {
            b.iter(|| stages(black_box(text), &Options::new()).unwrap());
        });
    }
    group.finish();
}

fn gradient_of_text(criterion: &mut Criterion) {
    let mut group = group(criterion, "text to first gradient");
    for (engine, options) in engines() {
        for source in [COULOMB, OSCILLATOR, LOTKA_VOLTERRA] {
            group.bench_function(BenchmarkId::new(engine, source.name), |b| {
                b.iter(|| {
                    let model = model(black_box(source.text));
                    let mut session = Session::new(model, &options).expect("an engine");
                    first_gradient(&mut session)
                });
            });
        }
    }
    group.finish();
}

fn one_sample(criterion: &mut Criterion) {
    let mut group = group(criterion, "one sample");
    for (engine, options) in engines() {
        for source in [COULOMB, OSCILLATOR, LOTKA_VOLTERRA] {
            let mut session = Session::<f64>::new(model(source.text), &options).expect("an engine");
            let inputs = session.counts().0;
            group.bench_function(format!("{engine}/{}/value", source.name), |b| {
                let (x, mut y) = ([1.5, 1.25, 2.5, 1.0], [0.0]);
                b.iter(|| {
                    let x = Strided::rows(black_box(&x[..inputs]), inputs);
                    let y = &mut StridedMut::rows(&mut y, 1);
                    session.eval(1, &x, None, y, None).expect("runs");
                });
            });
            group.bench_function(format!("{engine}/{}/gradient", source.name), |b| {
                b.iter(|| first_gradient(&mut session));
            });
        }
    }
    group.finish();
}

fn mean_squared_error(criterion: &mut Criterion) {
    let mut group = group(criterion, "mean squared error, value and gradient");
    for source in [COULOMB, OSCILLATOR, LOTKA_VOLTERRA] {
        let graph = &model(source.text).graph;
        let graph = grad::training(graph, &graph.parameters());
        let config = OrtConfig::default();
        let chunk = Options::new().int("chunk") as usize;
        for (engine, _) in engines() {
            let mut program: Box<dyn Program<f64>> = match engine {
                "native" => Box::new(native::prepare(&graph).expect("is numeric")),
                _ => ort::prepare(&graph, &config, chunk).expect("is numeric"),
            };
            for samples in [1024, 65_536] {
                let ports = graph.ports.len();
                let batch = Batch {
                    columns: (0..ports)
                        .map(|port| columns(port + 1, samples)[port * samples..].to_vec())
                        .collect(),
                    parameters: (0..ports).map(|port| 0.3 + port as f64 / 16.0).collect(),
                };
                let mut sums = Sums(vec![0.0; graph.outputs.len()]);
                group.bench_function(format!("{engine}/{}/{samples}", source.name), |b| {
                    b.iter(|| {
                        program
                            .run(samples, black_box(&batch), &mut sums, None)
                            .expect("runs");
                        sums.0[0]
                    });
                });
            }
        }
    }
    group.finish();
}

/// Points that the model gives with its true parameters.
fn points(source: &Source, samples: usize) -> (Arc<Model>, Data) {
    let model = model(source.text);
    let mut native = Options::new();
    native.set_str("engine", "native").expect("an option");
    let mut session = Session::<f64>::new(model.clone(), &native).expect("native");
    let (inputs, ..) = session.counts();
    let (x, mut y) = (columns(inputs, samples), vec![0.0; samples]);
    session
        .eval(
            samples,
            &Strided::columns(&x, samples),
            Some(source.truth),
            &mut StridedMut::columns(&mut y, samples),
            None,
        )
        .expect("runs");
    let data = Data {
        samples,
        x,
        y,
        ..Data::default()
    };
    (model, data)
}

fn misra1a() -> (Arc<Model>, Data) {
    let rows = MISRA1A_DATA.lines().filter_map(|line| line.split_once(','));
    let rows = rows.filter_map(|(x, y)| Some((x.parse::<f64>().ok()?, y.parse::<f64>().ok()?)));
    let (x, y): (Vec<f64>, Vec<f64>) = rows.unzip();
    let data = Data {
        samples: x.len(),
        x,
        y,
        ..Data::default()
    };
    (model(MISRA1A), data)
}

/// From the model to the fitted parameters: session, Jacobian and iterations, without text and report.
fn fits(criterion: &mut Criterion) {
    let mut group = group(criterion, "fit");
    let (coulomb, oscillator) = (points(&COULOMB, 1024), points(&OSCILLATOR, 1024));
    let problems = [
        ("coulomb, 1024 points", coulomb),
        ("oscillator, 1024 points", oscillator),
        ("Misra1a, 14 points", misra1a()),
    ];
    for (engine, options) in engines() {
        for (name, (model, data)) in &problems {
            group.bench_function(BenchmarkId::new(engine, name), |b| {
                b.iter(|| {
                    let mut fitter = Fitter::new(model.clone(), &options).expect("an engine");
                    fitter
                        .set_data(data.clone(), Noise::Estimated)
                        .expect("data");
                    let stop = fitter
                        .run(&mut Monitor::default(), &AtomicBool::new(false))
                        .expect("runs");
                    assert!(stop.converged(), "{stop:?}");
                });
            });
        }
    }
    group.finish();
}

criterion_group!(
    benches,
    compile,
    gradient_of_text,
    one_sample,
    mean_squared_error,
    fits
);
criterion_main!(benches);
