//! Batches on the tagged engine: samples of one path share its structure, and get the bits that they get alone.

use ncg::engine::tagged::{self, Limits, Tagged};
use ncg::error::{Error, ErrorKind};
use ncg::graph::Graph;

mod batch;

use batch::{Columns, Table, general, ports, run};

/// Samples of a batch: more than are read at once, and no multiple of anything.
const SAMPLES: usize = 601;

/// Programs of the input x and the parameter k, and how many paths they have at most over -3 < x < 3.
const PROGRAMS: &[(&str, usize)] = &[
    ("(+ (* k x) (sin x))", 1),
    ("(if (< x 0) (* k x) (exp (* k x)))", 2),
    ("(if (floor x) (/ k x) (* k k x))", 2),
    ("(if (integer? (floor x)) (+ x k) 2)", 1),
    ("(if (integer? x) (+ x k) (* x k))", 2),
    ("(if (equal? (floor x) (floor k)) (* x x k) (- x k))", 2),
    (
        "(if (member (round x) (list k 1.0 2.0)) (* 3 x) (/ k x))",
        4,
    ),
    (
        "(define (f a) (lambda () a)) (if (eqv? (f (floor x)) (f 1.0)) x (* k x))",
        2,
    ),
    (
        "(define (f y) (if (> y 3) y (* k (f (+ y 0.5))))) (f x)",
        14,
    ),
    (
        "(define (fib n) (if (< n 2) (* k n) (+ (fib (- n 1)) (* x (fib (- n 2)))))) (fib (+ x 4))",
        8,
    ),
    ("(max x k (* x k) 0)", 1),
    ("(+ (max x 1) (min x k) (abs x))", 1),
    (
        "(let ((m (mat [2 x] [k 9]))) (+ (det m) (dot [x k] (solve m [1 x]))))",
        1,
    ),
    ("(norm [(floor x) (floor x)])", 2),
    ("(soft-choice (x (* 2 x) k) (vec x k 1))", 1),
    (
        "(loop ((y x) (n 0)) (if (or (> y 9) (> n 12)) y (recur (+ (* y y) k) (+ n 1))))",
        16,
    ),
    ("(expt x 3)", 1),
    ("(+ 1 (if (> x 0) #t #f))", 2),
    (
        "(reduce + 0 (map (lambda (c) (* c (sin (* c x)))) (list 1 k 3)))",
        1,
    ),
    ("k", 1),
    ("7", 1),
];

/// The graph of a program, which has the input and the parameter whether it reads them or not.
fn graph(text: &str) -> Graph {
    general(&format!("(input x) (parameter k 1.25) {text}"))
        .unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Many samples, some of which are whole numbers or zero.
fn samples() -> Vec<f64> {
    let spread = |i: usize| match i % 7 {
        0 => ((i / 7) % 7) as f64 - 3.0,
        _ => 3.0 * (i as f64 * 0.7).sin(),
    };
    (0..SAMPLES).map(spread).collect()
}

/// The table of some samples: the ports, then the seeds.
fn table(graph: &Graph, x: &[f64], k: f64) -> Table {
    let values = ports(graph, &[("x", x[0]), ("k", k)]);
    let mut columns: Vec<Vec<f64>> = values.into_iter().map(|value| vec![value]).collect();
    for input in graph.inputs() {
        columns[input] = x.to_vec();
    }
    columns.push(x.iter().map(|x| 1.0 - 0.1 * x).collect());
    Table(columns)
}

type Prepare = fn(&Graph, Limits) -> Result<Tagged<f64>, Error>;

fn places(graph: &Graph, names: &[&str]) -> Vec<usize> {
    let named = |port: &usize| names.contains(&&*graph.ports[*port].name);
    (0..graph.ports.len()).filter(named).collect()
}

/// Each way to run a graph, and whether it sums derivatives by `k`.
const WAYS: &[(&str, Prepare)] = &[
    ("the value", tagged::prepare),
    ("the sweep", |graph, limits| {
        tagged::prepare_vjp(graph, &places(graph, &["x", "k"]), limits)
    }),
    ("the sweep by x", |graph, limits| {
        tagged::prepare_vjp(graph, &places(graph, &["x"]), limits)
    }),
    ("the sweep by k", |graph, limits| {
        tagged::prepare_vjp(graph, &places(graph, &["k"]), limits)
    }),
    ("the Jacobian", |graph, limits| {
        tagged::prepare_jacobian(graph, &places(graph, &["k", "x"]), limits)
    }),
];

/// What each sample gives alone; what is summed, in the order of the samples.
fn alone(program: &mut Tagged<f64>, graph: &Graph, x: &[f64], k: f64) -> Columns {
    let mut all = Columns::default();
    for x in x {
        let columns = run(program, &table(graph, &[*x], k), 1).unwrap();
        all.0.resize(columns.0.len(), Vec::new());
        for (all, column) in all.0.iter_mut().zip(columns.0) {
            all.extend(column);
        }
    }
    all
}

/// Equal bits; a column of one number is the sum of the other.
fn assert_same(found: &Columns, alone: &Columns, what: &str) {
    assert_eq!(found.0.len(), alone.0.len(), "{what}");
    for (output, (found, alone)) in found.0.iter().zip(&alone.0).enumerate() {
        let sum = [alone.iter().fold(0.0, |sum, value| sum + value)];
        let wanted = match found.len() {
            1 => &sum[..],
            _ => alone,
        };
        assert_eq!(found.len(), wanted.len(), "{what}, output {output}");
        for (sample, (a, b)) in found.iter().zip(wanted).enumerate() {
            let same = a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
            assert!(
                same,
                "{what}, output {output}, sample {sample}: {a}, not {b}"
            );
        }
    }
}

#[test]
fn batches_give_the_bits_of_samples_alone() {
    let x = samples();
    for (text, paths) in PROGRAMS {
        let graph = graph(text);
        for (way, prepare) in WAYS {
            for limit in [64, 2, 0] {
                let limits = Limits {
                    paths: limit,
                    ..Limits::default()
                };
                let what = format!("{text}, {way}, {limit} paths");
                let mut one = prepare(&graph, Limits::default()).unwrap();
                let mut program = prepare(&graph, limits).unwrap();
                for k in [1.25, 2.0, 1.25] {
                    let wanted = alone(&mut one, &graph, &x, k);
                    let found = run(&mut program, &table(&graph, &x, k), x.len()).unwrap();
                    assert_same(&found, &wanted, &format!("{what}, k = {k}"));
                }
                assert_eq!(one.structured(), 3 * SAMPLES as u64, "{what}");
                match limit {
                    0 => assert_eq!(program.structured(), 3 * SAMPLES as u64, "{what}"),
                    64 => assert!(
                        program.structured() <= 3 * *paths as u64,
                        "{what}: {} runs through the structure",
                        program.structured()
                    ),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn paths_are_kept_from_run_to_run() {
    let graph = graph("(define (f y) (if (> y 3) y (* k (f (+ y 0.5))))) (f x)");
    let mut program = tagged::prepare::<f64>(&graph, Limits::default()).unwrap();
    let x = samples();
    run(&mut program, &table(&graph, &x, 1.0), x.len()).unwrap();
    let first = program.structured();
    assert!((2..20).contains(&first), "{first}");
    run(&mut program, &table(&graph, &x, 1.5), x.len()).unwrap();
    assert_eq!(program.structured(), first);
}

/// A program of which each sample takes a path of its own runs as before: nothing is traced that nobody else takes.
#[test]
fn samples_with_paths_of_their_own_run_alone() {
    let graph = graph("(define (f n) (if (< n 1) k (* x (f (- n 1))))) (f (* 2000 (+ 4 x)))");
    let limits = Limits::default();
    let mut program = tagged::prepare::<f64>(&graph, limits).unwrap();
    let x: Vec<f64> = (0..SAMPLES).map(|i| -3.5 + i as f64 / 150.0).collect();
    run(&mut program, &table(&graph, &x, 1.0), x.len()).unwrap();
    let runs = program.structured() as usize;
    assert!(runs < SAMPLES + 20, "{runs}");
}

/// The first sample that fails says why, as it does alone, and those before it do not matter.
#[test]
fn errors_are_those_of_the_first_sample_that_fails() {
    let texts = [
        "(if (< x 2) (* k x) (error \"beyond\" x))",
        "(if (< x 2) (* k x) (ref [1 2] (if (< x 2.5) 5 7)))",
        "(define (f n) (if (< x 2) k (f (+ n 1)))) (f 0)",
        "(define (f n) (if (< x 2) k (+ 1 (f (+ n 1))))) (f 0)",
        "(if (< x 2) x (list x))",
    ];
    let x = samples();
    let limits = Limits {
        steps: 5000,
        depth: 2000,
        ..Limits::default()
    };
    for text in texts {
        let graph = graph(text);
        let first = x.iter().position(|x| *x >= 2.0).unwrap();
        let mut program = tagged::prepare::<f64>(&graph, limits).unwrap();
        let wanted = run(&mut program, &table(&graph, &x[first..=first], 1.0), 1);
        let wanted = wanted.err().unwrap_or_else(|| panic!("{text}"));
        for _ in 0..2 {
            let found = run(&mut program, &table(&graph, &x, 1.0), x.len())
                .err()
                .unwrap();
            assert_eq!(
                (found.kind, &found.message, found.span),
                (wanted.kind, &wanted.message, wanted.span),
                "{text}"
            );
        }
        let well: Vec<f64> = x.iter().copied().filter(|x| *x < 2.0).collect();
        assert!(
            run(&mut program, &table(&graph, &well, 1.0), well.len()).is_ok(),
            "{text}"
        );
    }
}

/// What the tape takes is no reason for an error that a sample alone does not give.
#[test]
fn a_tape_that_does_not_fit_is_no_error() {
    let graph = graph("(define (f n y) (if (= n 0) y (f (- n 1) (* y x)))) (f 500 k)");
    let limits = Limits {
        heap: 300,
        ..Limits::default()
    };
    let mut program = tagged::prepare::<f64>(&graph, limits).unwrap();
    let found = run(&mut program, &table(&graph, &samples(), 1.0), SAMPLES);
    assert!(found.is_ok());
    // with derivatives the tape is needed, and is what does not fit
    let mut program = WAYS[1].1(&graph, limits).unwrap();
    let error = run(&mut program, &table(&graph, &samples(), 1.0), SAMPLES)
        .err()
        .unwrap();
    assert_eq!(error.kind, ErrorKind::Limit);
    assert!(error.message.contains("max_heap"), "{error}");
}
