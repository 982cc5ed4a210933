//! Programs whose structure hangs on data, on ONNX Runtime by paths: equal to the tagged engine, in value and derivative.

mod onnx_models;

use std::sync::Arc;

use ncg::compile::Model;
use ncg::options::Options;
use ncg::session::{Columns, ColumnsMut, Gradient, Session, Strided, StridedMut};
use onnx_models::have_runtime;

/// Each with the values of its parameters one after the other.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "two calls of itself, as often as the data say",
        "(input n) (parameter k 0.5)
         (define (fib n) (if (< n 2) (* k (+ n 1)) (+ (fib (- n 1)) (* k (fib (- n 2))))))
         (fib n)",
    ),
    (
        "adaptive quadrature",
        "(input b) (parameter k 2.0)
         (define (f x) (exp (* (- k) x x)))
         (define (simpson a b) (* (/ (- b a) 6) (+ (f a) (* 4 (f (/ (+ a b) 2))) (f b))))
         (define (integral a b whole depth)
           (let* ((m (/ (+ a b) 2)) (left (simpson a m)) (right (simpson m b)))
             (if (or (= depth 0) (< (abs (- (+ left right) whole)) 1e-5))
                 (+ left right)
                 (+ (integral a m left (- depth 1)) (integral m b right (- depth 1))))))
         (integral 0 b (simpson 0 b) 6)",
    ),
    (
        "a list as long as the data say",
        "(input x) (parameter k 0.3)
         (define (steps y) (if (> y 3) '() (cons (sin y) (steps (+ y k 0.2)))))
         (define (total list) (if (null? list) 0 (+ (car list) (* x (total (cdr list))))))
         (total (steps x))",
    ),
    (
        "structure that hangs on a parameter alone",
        "(input x) (parameter k 0.3)
         (define (power y n) (if (< n 0.25) y (* x (power (+ y k) (- n 0.25)))))
         (power x k)",
    ),
    (
        "equality of reals, which no comparison tells",
        "(input x) (parameter k 1.5)
         (define (climb y) (if (equal? (floor y) (floor 3.5)) y (+ k (climb (+ y 0.5)))))
         (climb (/ x 2))",
    ),
    (
        "a number as a test, and whole numbers",
        "(input x) (parameter k 1.5)
         (define (down y) (if (floor y) (+ (* k y) (down (/ y 2))) (if (integer? y) 7 (* y x))))
         (down x)",
    ),
    (
        "vectors and a system of equations",
        "(input x) (parameter k 1.5)
         (define (shrink v n)
           (if (< (norm v) 1)
               (+ n (dot v (solve (mat [2 k] [1 (+ 3 x)]) v)))
               (+ (ref v 0) (shrink (* 0.6 v) (* k n)))))
         (shrink [x k] 1)",
    ),
];

fn session(source: &str, engine: &str, settings: &[(&str, &str)]) -> Session<f64> {
    let mut options = Options::new();
    options.set("engine", engine).unwrap();
    for (name, value) in settings {
        options.set(name, value).unwrap();
    }
    let model = Arc::new(Model::compile(source, &Options::new()).unwrap());
    Session::new(model, &options).unwrap()
}

/// Values, the reverse sweep and the Jacobian, one after the other.
fn everything(session: &mut Session<f64>, x: &[f64], k: f64) -> Vec<f64> {
    let (samples, (inputs, parameters, outputs)) = (x.len(), session.counts());
    assert_eq!((inputs, parameters), (1, 1));
    let seeds: Vec<f64> = (0..samples * outputs)
        .map(|i| 1.0 - 0.1 * i as f64)
        .collect();
    let table = Strided::columns(x, samples);
    let x = &table as &dyn Columns<f64>;
    let (mut y, mut values) = (vec![0.0; samples * outputs], vec![0.0; samples * outputs]);
    let (mut dx, mut dp, mut j) = (
        vec![0.0; samples],
        vec![0.0; 1],
        vec![0.0; samples * outputs],
    );
    let mut into = StridedMut::columns(&mut y, samples);
    session
        .eval(samples, x, Some(&[k]), &mut into, None)
        .unwrap();
    let seed = Strided::columns(&seeds, samples);
    let mut value = StridedMut::columns(&mut values, samples);
    let mut slope = StridedMut::columns(&mut dx, samples);
    let into = Gradient {
        y: Some(&mut value as &mut dyn ColumnsMut<f64>),
        dx: Some(&mut slope as &mut dyn ColumnsMut<f64>),
        dp: Some(&mut dp),
    };
    session
        .gradient(samples, x, Some(&[k]), Some(&seed), into, None)
        .unwrap();
    let mut into = StridedMut::columns(&mut j, samples);
    session
        .jacobian(samples, x, Some(&[k]), None, &mut into, None)
        .unwrap();
    [y, values, dx, dp, j].concat()
}

fn assert_close(found: &[f64], wanted: &[f64], what: &str) {
    for (i, (a, b)) in found.iter().zip(wanted).enumerate() {
        let same = a == b || (a.is_nan() && b.is_nan());
        let close = (a - b).abs() <= 1e-12 * b.abs().max(1.0);
        assert!(same || close, "{what}, number {i}: {a}, not {b}");
    }
    assert_eq!(found.len(), wanted.len(), "{what}");
}

#[test]
fn paths_give_what_the_tagged_engine_gives() {
    if !have_runtime("paths_give_what_the_tagged_engine_gives") {
        return;
    }
    // many samples to a path, and paths that come back
    let x: Vec<f64> = (0..23).map(|i| 0.11 + (i * 7 % 23) as f64 * 0.19).collect();
    for settings in [
        &[][..],
        &[("max_paths", "2")],
        &[("max_paths", "0")],
        &[("chunk", "3")],
    ] {
        for (name, source) in PROGRAMS {
            let mut tagged = session(source, "tagged", &[]);
            let mut paths = session(source, "onnxruntime", settings);
            assert_eq!(paths.engine(), "onnxruntime");
            // each value of the parameter may send samples another way
            for k in [0.5, 1.1, 0.5, 0.27, 2.0] {
                let wanted = everything(&mut tagged, &x, k);
                let found = everything(&mut paths, &x, k);
                assert_close(&found, &wanted, &format!("{name}, {settings:?}, k = {k}"));
            }
            for few in [&x[..0], &x[..1]] {
                let wanted = everything(&mut tagged, few, 0.7);
                assert_close(&everything(&mut paths, few, 0.7), &wanted, name);
            }
        }
    }
}

#[test]
fn errors_and_limits_are_those_of_the_program() {
    if !have_runtime("errors_and_limits_are_those_of_the_program") {
        return;
    }
    let source = "(input x) (parameter k 1.0)
        (define (f y) (if (< y 1) k (if (> y 5) (error \"too large\" y) (* y (f (- y 1))))))
        (f x)";
    let mut session = session(source, "onnxruntime", &[("max_depth", "3")]);
    let mut y = [0.0];
    let mut run = |x: f64| {
        let x = [x];
        let table = Strided::columns(&x, 1);
        let mut into = StridedMut::columns(&mut y, 1);
        session
            .eval(1, &table, None, &mut into, None)
            .map(|()| y[0])
    };
    assert_eq!(run(0.5).unwrap(), 1.0);
    let error = run(5.5).unwrap_err();
    assert!(error.message.contains("too large"), "{error}");
    let error = run(4.5).unwrap_err();
    assert_eq!(error.kind, ncg::ErrorKind::Limit, "{error}");
    assert_eq!(run(2.5).unwrap(), 2.5 * 1.5);
}
