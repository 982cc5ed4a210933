//! The derivative of every primitive against its own formula, written here independently, in the interior and at the
//! edges: zeros of both signs, infinities, NaN, subnormal and huge numbers, kinks and borders of domains.

use std::sync::Arc;

use ncg::compile::Model;
use ncg::ops::{self, Role};
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};

const EDGES: [f64; 25] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    -2.0,
    3.0,
    0.1,
    -0.1,
    0.999,
    1e-8,
    -1e-8,
    7.25,
    -7.25,
    30.0,
    -30.0,
    5e-324,
    1e-300,
    1e300,
    -1e300,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// The derivatives of `source` by `a` and `b` at each pair of points.
fn derivatives(source: &str, points: &[(f64, f64)], engine: &str) -> Vec<[f64; 2]> {
    let mut options = Options::new();
    options.set_str("engine", engine).unwrap();
    let source = format!("(input a) (input b) {source}");
    let model = Arc::new(
        Model::compile(&source, &options).unwrap_or_else(|error| panic!("{source}: {error}")),
    );
    let mut session = Session::<f64>::new(model, &options).unwrap();
    let x: Vec<f64> = points.iter().flat_map(|(a, b)| [*a, *b]).collect();
    let mut dx = vec![0.0; x.len()];
    let into = Gradient {
        y: None,
        dx: Some(&mut StridedMut::rows(&mut dx, 2)),
        dp: None,
    };
    session
        .gradient(points.len(), &Strided::rows(&x, 2), None, None, into, None)
        .unwrap();
    dx.chunks(2).map(|pair| [pair[0], pair[1]]).collect()
}

fn same(got: f64, wanted: f64) -> bool {
    if got.is_nan() || wanted.is_nan() || got.is_infinite() || wanted.is_infinite() {
        return got == wanted || (got.is_nan() && wanted.is_nan());
    }
    (got - wanted).abs() <= 1e-13 * wanted.abs() + 1e-320
}

type Slope = fn(f64) -> f64;

fn zero(_: f64) -> f64 {
    0.0
}

fn root_of_circle(x: f64) -> f64 {
    ((1.0 - x) * (1.0 + x)).sqrt()
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// 1/cosh², which vanishes where the hyperbolic cosine overflows.
fn sech_squared(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    let sech = 2.0 * e / (1.0 + e * e);
    sech * sech
}

const UNARY: [(&str, Slope); 26] = [
    ("-", |_| -1.0),
    ("/", |x| -1.0 / x / x),
    ("abs", |x| {
        if x == 0.0 {
            0.0
        } else if x.is_nan() {
            f64::NAN
        } else {
            x.signum()
        }
    }),
    ("square", |x| 2.0 * x),
    ("sqrt", |x| 0.5 / x.sqrt()),
    ("exp", f64::exp),
    ("log", |x| 1.0 / x),
    ("sin", f64::cos),
    ("cos", |x| -x.sin()),
    ("tan", |x| 1.0 / (x.cos() * x.cos())),
    ("asin", |x| 1.0 / root_of_circle(x)),
    ("acos", |x| -1.0 / root_of_circle(x)),
    ("atan", |x| 1.0 / (1.0 + x * x)),
    ("sinh", f64::cosh),
    ("cosh", f64::sinh),
    ("tanh", sech_squared),
    ("floor", zero),
    ("ceiling", zero),
    ("round", zero),
    ("truncate", zero),
    ("relu", |x| if x > 0.0 { 1.0 } else { 0.0 }),
    ("sigmoid", |x| logistic(x) * logistic(-x)),
    ("softplus", logistic),
    ("erf", |x| {
        std::f64::consts::FRAC_2_SQRT_PI * (-(x * x)).exp()
    }),
    ("zero?", zero),
    ("not", zero),
];

#[test]
fn of_one_argument() {
    let points: Vec<(f64, f64)> = EDGES.iter().map(|x| (*x, 0.0)).collect();
    for (name, slope) in UNARY {
        for (got, (x, _)) in derivatives(&format!("({name} a)"), &points, "native")
            .iter()
            .zip(&points)
        {
            // tanh near 1 cancels in 1 - tanh: its slope is good to a few units of 1e-16
            let small = name == "tanh" && (got[0] - slope(*x)).abs() < 1e-15;
            assert!(
                small || same(got[0], slope(*x)),
                "({name} {x:?})' is {:?}, not {:?}",
                got[0],
                slope(*x)
            );
            assert_eq!(got[1], 0.0);
        }
    }
}

type Slopes = fn(f64, f64) -> [f64; 2];

/// 1 for the larger of two, a half for both at a tie, and nothing for either beside a NaN.
fn wins(better: bool, tie: bool, nan: bool) -> f64 {
    match (nan, better, tie) {
        (true, _, _) => 0.0,
        (_, true, _) => 1.0,
        (_, _, true) => 0.5,
        _ => 0.0,
    }
}

const BINARY: [(&str, Slopes); 13] = [
    ("+", |_, _| [1.0, 1.0]),
    ("-", |_, _| [1.0, -1.0]),
    ("*", |a, b| [b, a]),
    ("/", |a, b| [1.0 / b, -(1.0 / b * (a / b))]),
    ("max", |a, b| {
        let nan = a.is_nan() || b.is_nan();
        [wins(a > b, a == b, nan), wins(b > a, a == b, nan)]
    }),
    ("min", |a, b| {
        let nan = a.is_nan() || b.is_nan();
        [wins(a < b, a == b, nan), wins(b < a, a == b, nan)]
    }),
    ("expt", |a, b| {
        let by_base = if b == 0.0 { b * a } else { b * a.powf(b - 1.0) };
        let by_exponent = a.powf(b) * if a == 0.0 { 0.0 } else { a.ln() };
        [by_base, by_exponent]
    }),
    ("atan", |y, x| [x / (x * x + y * y), -y / (x * x + y * y)]),
    ("quotient", |_, _| [0.0, 0.0]),
    ("remainder", |a, b| [1.0, -(a / b).trunc()]),
    ("modulo", |a, b| [1.0, -(a / b).floor()]),
    ("<", |_, _| [0.0, 0.0]),
    ("=", |_, _| [0.0, 0.0]),
];

#[test]
fn of_two_arguments() {
    let points: Vec<(f64, f64)> = EDGES
        .iter()
        .flat_map(|a| EDGES.iter().map(|b| (*a, *b)))
        .collect();
    for (name, slopes) in BINARY {
        for (got, (a, b)) in derivatives(&format!("({name} a b)"), &points, "native")
            .iter()
            .zip(&points)
        {
            let wanted = slopes(*a, *b);
            for i in 0..2 {
                // x^0 is 1 for every x, infinite and NaN ones too
                let flat = name == "expt" && *b == 0.0 && i == 0 && !a.is_finite();
                assert!(
                    flat || same(got[i], wanted[i]),
                    "({name} {a:?} {b:?}), argument {i}: {:?}, not {:?}",
                    got[i],
                    wanted[i]
                );
            }
        }
    }
}

#[test]
fn every_differentiable_primitive_is_checked() {
    let checked: Vec<&str> = UNARY
        .iter()
        .map(|(name, _)| *name)
        .chain(BINARY.iter().map(|(name, _)| *name))
        .collect();
    // shown by the others: they are made of the same operations, or have derivative zero
    let alike = ["<=", ">=", ">", "positive?", "negative?", "even?", "odd?"];
    for row in ops::all().iter().filter(|row| row.public) {
        let numeric = matches!(row.role, Role::Numeric { .. } | Role::Defined(_));
        let named = checked.contains(&row.name) || alike.contains(&row.name);
        assert!(!numeric || named, "{} is not checked", row.name);
    }
}

#[test]
fn an_untaken_arm_leaves_no_trace() {
    let bad = [
        "(/ 1 a)",
        "(sqrt (- a 1))",
        "(log a)",
        "(/ a a)",
        "(expt a -1.5)",
        "(asin (+ a 2))",
        "(/ (sin a) a)",
    ];
    for engine in ["native", "onnxruntime"] {
        if engine == "onnxruntime" && ncg::engine::ort::probe(None).is_err() {
            assert!(
                std::env::var_os("NCG_REQUIRE_ALL").is_none(),
                "no ONNX Runtime"
            );
            println!("skipped: no ONNX Runtime");
            continue;
        }
        for arm in bad {
            for source in [
                format!("(if (= a 0) (* 3 b) {arm})"),
                format!("(if (= a 0) (* 3 b) (if (> a 0) {arm} (* a {arm})))"),
                format!("(let ((hidden {arm})) (if (= a 0) (* 3 b) (+ hidden 1)))"),
                format!("(+ b (if (= a 0) (* 2 b) (* b {arm})))"),
                format!("(cond ((= a 0) (* 3 b)) ((> b 0) {arm}) (else (* b {arm})))"),
            ] {
                let got = derivatives(&source, &[(0.0, 5.0), (1.5, 5.0)], engine);
                assert_eq!(got[0], [0.0, 3.0], "{source} on {engine}");
            }
        }
    }
}
