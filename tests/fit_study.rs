//! What a scientist relies on: intervals that cover as often as they say, and constants that are recovered.

mod fitting;

use fitting::{Random, close, fit, params, samples};
use ncg::fit::problem::Data;

/// How often intervals of 95 % cover the truth over a thousand sets of synthetic data, for each parameter.
fn coverage(
    source: &str,
    settings: &[(&str, &str)],
    truth: &[f64],
    mut data: impl FnMut(u64) -> Data,
) -> Vec<f64> {
    let mut covered = vec![0; truth.len()];
    for seed in 0..1000 {
        let report = fit(source, data(seed), settings).report().unwrap();
        for (i, value) in truth.iter().enumerate() {
            let [low, high] = report.interval(i).unwrap();
            covered[i] += usize::from(low <= *value && *value <= high);
        }
    }
    covered.iter().map(|count| *count as f64 / 10.0).collect()
}

fn check(what: &str, shares: &[f64]) {
    println!("{what}: intervals of 95 % cover {shares:?} %");
    for share in shares {
        assert!((share - 95.0).abs() <= 2.0, "{what}: {shares:?}");
    }
}

const DECAY: &str =
    "(parameter a 2) (parameter r 0.3) (parameter c 0) (+ c (* a (exp (- (* r x)))))";

#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    let truth = [3.0, 0.6, 0.5];
    let curve = |x: f64| 0.5 + 3.0 * (-0.6 * x).exp();
    // few observations: with normal quantiles in place of Student's 91 % would be covered
    let noisy = |seed: u64, count: usize| {
        let mut random = Random(seed);
        samples(count, 0.0, 8.0, |x| curve(x) + 0.05 * random.normal())
    };
    check(
        "estimated noise",
        &coverage(DECAY, &[], &truth, |seed| noisy(seed, 10)),
    );
    let known = |seed: u64| Data {
        weights: vec![400.0; 10],
        ..noisy(seed, 10)
    };
    check(
        "known noise",
        &coverage(DECAY, &[("noise", "known")], &truth, known),
    );
    let robust = [("loss", "huber"), ("loss_scale", "0.067")];
    check(
        "huber",
        &coverage(DECAY, &robust, &truth, |seed| noisy(seed, 60)),
    );
}

#[test]
fn intervals_of_counts_cover_the_truth() {
    let source = "(parameter a 10) (parameter r 0.3) (* a (exp (- (* r x))))";
    let counts = |seed: u64| {
        let mut random = Random(seed);
        samples(40, 0.0, 4.0, |x| random.count(20.0 * (-0.5 * x).exp()))
    };
    check(
        "counts",
        &coverage(source, &[("loss", "poisson")], &[20.0, 0.5], counts),
    );
}

/// A law: its text, the range of its input, and the truth of its parameters.
type Law = (&'static str, f64, f64, &'static [f64]);

const CLOSED_FORMS: [Law; 19] = [
    // one constant in closed form; recursion; a closure; composed functions
    (
        "(parameter k 1) (/ (* k 2.0 3.0) (* x x))",
        0.5,
        3.0,
        &[8.9875],
    ),
    (
        "(parameter a 0.5) (define (power n) (if (= n 0) 1 (* a x (power (- n 1))))) (power 3)",
        0.5,
        2.0,
        &[1.7],
    ),
    (
        "(parameter a 0.5) (define (scale by) (lambda (y) (* by y))) ((scale a) (+ x 1))",
        0.0,
        4.0,
        &[2.25],
    ),
    (
        "(parameter a 1) (parameter b 0.1) (define (f y) (* a y)) (define (g y) (+ (sin (* b y)) y)) (f (g x))",
        0.1,
        3.0,
        &[1.4, 0.8],
    ),
    // fifteen laws of physics, chemistry and biology
    ("(parameter g 5) (* 0.5 g x x)", 0.1, 3.0, &[9.80665]),
    (
        "(parameter l 0.5) (* 6.283185307179586 (sqrt (/ (* l x) 9.80665)))",
        0.5,
        4.0,
        &[1.3],
    ),
    (
        "(parameter k 0.1) (parameter t 20) (+ t (* 70 (exp (- (* k x)))))",
        0.0,
        20.0,
        &[0.23, 18.0],
    ),
    (
        "(parameter n 50) (parameter l 0.5) (* n (exp (- (* l x))))",
        0.0,
        6.0,
        &[120.0, 0.31],
    ),
    (
        "(parameter v 1) (parameter km 1) (/ (* v x) (+ km x))",
        0.1,
        12.0,
        &[3.4, 1.9],
    ),
    (
        "(parameter v 1) (parameter k 1) (parameter n 1.5) (/ (* v (expt x n)) (+ (expt k n) (expt x n)))",
        0.2,
        6.0,
        &[2.2, 1.6, 2.7],
    ),
    (
        "(parameter r 0.5) (parameter k 5) (/ k (+ 1 (* 9 (exp (- (* r x))))))",
        0.0,
        10.0,
        &[0.9, 8.0],
    ),
    (
        "(parameter a 1) (parameter e 1) (* a (exp (- (/ e (* 0.0083145 x)))))",
        280.0,
        400.0,
        &[5.0, 12.0],
    ),
    (
        "(parameter a 0.5) (parameter g 0.2) (parameter w 1.8) (* a (exp (- (* g x))) (cos (* w x)))",
        0.0,
        8.0,
        &[1.5, 0.15, 2.1],
    ),
    (
        "(parameter e 0.5) (parameter s 1) (* 4 e (- (expt (/ s x) 12) (expt (/ s x) 6)))",
        0.95,
        2.5,
        &[0.8, 1.05],
    ),
    (
        "(parameter a 1) (parameter b 0.01) (/ (* a x) (+ 1 (* b x)))",
        0.5,
        40.0,
        &[2.6, 0.07],
    ),
    (
        "(parameter e 0.5) (* e 5.670374e-8 (expt x 4))",
        200.0,
        500.0,
        &[0.87],
    ),
    (
        "(parameter q 1) (parameter t 1) (* q (- 1 (exp (- (/ x t)))))",
        0.0,
        9.0,
        &[2.4, 1.7],
    ),
    (
        "(parameter c 1) (parameter z 0.5) (* c (expt x z))",
        0.5,
        50.0,
        &[3.1, 0.26],
    ),
    (
        "(parameter a 0.5) (parameter m 0.5) (parameter s 1) (* a (exp (- (/ (square (- x m)) (* 2 s s)))))",
        -3.0,
        3.0,
        &[1.2, 0.3, 0.8],
    ),
];

#[test]
fn constants_of_laws_are_recovered() {
    for (source, low, high, truth) in CLOSED_FORMS {
        let model =
            std::sync::Arc::new(ncg::compile::Model::compile(source, &Default::default()).unwrap());
        let mut session = ncg::session::Session::<f64>::new(model, &Default::default()).unwrap();
        let value = |x: f64| {
            let mut y = [0.0];
            let mut table = ncg::session::StridedMut::columns(&mut y, 1);
            let x = [x];
            session
                .eval(
                    1,
                    &ncg::session::Strided::columns(&x, 1),
                    Some(truth),
                    &mut table,
                    None,
                )
                .unwrap();
            y[0]
        };
        let data = samples(40, low, high, value);
        for (got, wanted) in params(&fit(source, data, &[])).iter().zip(truth) {
            assert!(
                (got / wanted - 1.0).abs() < 1e-6,
                "{source}: {got} is not {wanted}"
            );
        }
    }
}

/// The recursive models of the examples, from data without noise.
#[test]
fn constants_of_recursive_models_are_recovered() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models");
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&text("truth.json")).unwrap();
    for (name, digits) in [
        ("heat-equation", 1e-9),
        ("logistic-map", 1e-6),
        ("horner", 1e-6),
        ("newton-sqrt", 1e-6),
        ("lotka-volterra", 1e-6),
        ("sir", 1e-6),
        ("decay-chain", 1e-6),
        ("damped-pendulum", 1e-6),
        ("continued-fraction", 1e-6),
    ] {
        let source = text(&format!("{name}.scm"));
        let table = text(&format!("{name}.csv"));
        let rows: Vec<Vec<f64>> = table
            .lines()
            .skip(1)
            .map(|line| line.split(',').map(|c| c.parse().unwrap()).collect())
            .collect();
        let inputs = rows[0].len() - 2;
        let column = |i: usize| rows.iter().map(|row| row[i]).collect::<Vec<f64>>();
        let data = Data {
            samples: rows.len(),
            x: (0..inputs).flat_map(column).collect(),
            y: column(inputs + 1),
            ..Data::default()
        };
        let fitter = fit(&source, data, &[("engine", "auto")]);
        for (parameter, got) in fitter.names().iter().zip(params(&fitter)) {
            let wanted = truth[name][&**parameter].as_f64().unwrap();
            println!("{name} {parameter}: {:.1e}", (got / wanted - 1.0).abs());
            close(got, wanted, digits);
        }
    }
}
