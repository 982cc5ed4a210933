//! Linear algebra on ONNX Runtime where elimination is a loop of operators, sides 9 to 64: values and gradients against the
//! plainest evaluator, whose kernels are those of the native engine.
#![allow(dead_code)]

mod numeric;
mod onnx_checks;
mod onnx_models;
mod plain;

use ncg::engine::ort::OrtConfig;
use ncg::grad::{jacobian, vjp};
use ncg::graph::Graph;
use numeric::compiled;
use onnx_checks::{check, check_one, compare, run};
use onnx_models::have_runtime;

/// SplitMix64, as whole numbers from -4 to 4.
fn whole(seed: u64) -> i64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % 9) as i64 - 4
}

/// The text of a matrix of these elements.
fn matrix(n: usize, m: usize, element: impl Fn(usize, usize) -> String) -> String {
    let row = |i| {
        let row: Vec<String> = (0..m).map(|j| element(i, j)).collect();
        format!("[{}]", row.join(" "))
    };
    let rows: Vec<String> = (0..n).map(row).collect();
    format!("(mat {})", rows.join(" "))
}

/// A well-conditioned matrix of side `n` that hangs on `name`, rows exchanged so that pivots have to be looked for.
fn mixed(n: usize, name: &str) -> String {
    matrix(n, n, |i, j| {
        let c = whole((i * n + j) as u64 + 7) as f64 / (2 * n) as f64;
        match (i + 3) % n == j {
            true => format!("(+ 1.5 (* {c} {name}))"),
            false if (i * 5 + j) % 7 == 0 => format!("(* {c} {name})"),
            false => format!("{c}"),
        }
    })
}

fn vector(n: usize, name: &str) -> String {
    let items: Vec<String> = (0..n)
        .map(|i| format!("(* {name} {})", whole(i as u64 + 99)))
        .collect();
    format!("[{}]", items.join(" "))
}

const HEAD: &str = "(input x) (input y) (parameter p 0.75)";

fn ports() -> Vec<Vec<f64>> {
    let [x, y] = [[0.5, -1.25, 2.0, 0.125, 1.0], [1.0, -2.0, 0.5, 3.0, 0.25]];
    vec![x.to_vec(), y.to_vec(), vec![0.75; 5]]
}

fn agrees(text: &str) {
    check(&compiled(&format!("{HEAD} {text}")), &ports());
}

#[test]
fn one_matrix_for_each_sample() {
    if !have_runtime("one_matrix_for_each_sample") {
        return;
    }
    for n in [9, 16] {
        let (m, v) = (mixed(n, "x"), vector(n, "y"));
        agrees(&format!("(define m {m}) (* p (det m))"));
        agrees(&format!("(define m {m}) (+ y (* p (logdet m)))"));
        agrees(&format!("(define m {m}) (* p (vsum (solve m {v})))"));
        let m = mixed(n, "(* x p)");
        agrees(&format!(
            "(define i (inv {m})) (+ (trace i) (ref (ref i 1) 3))"
        ));
    }
    for n in [33, 64] {
        let (m, v) = (mixed(n, "x"), vector(n, "y"));
        for body in ["(det m)", &format!("(vsum (solve m {v}))")] {
            let graph = compiled(&format!("{HEAD} (define m {m}) (* p {body})"));
            let mut ports = ports();
            check_one("value", &graph, &ports);
            ports.push(vec![1.0; 5]);
            check_one("vjp", &vjp(&graph, &[0, 1, 2]), &ports);
        }
    }
}

#[test]
fn one_matrix_for_the_whole_batch() {
    if !have_runtime("one_matrix_for_the_whole_batch") {
        return;
    }
    for n in [9, 17] {
        let (m, v) = (mixed(n, "p"), vector(n, "p"));
        agrees(&format!("(define m {m}) (* x (det m))"));
        agrees(&format!("(define m {m}) (logdet m)"));
        agrees(&format!("(define m {m}) (+ x (vsum (solve m {v})))"));
        let right = vector(n, "x");
        agrees(&format!("(define m {m}) (vsum (solve m {right}))"));
    }
}

#[test]
fn in_loops_and_arms() {
    if !have_runtime("in_loops_and_arms") {
        return;
    }
    let (m, v) = (mixed(9, "x"), vector(9, "y"));
    for test in ["(< i 3)", "(< (* i 0.5) x)"] {
        agrees(&format!(
            "(define m {m}) (loop ((i 0) (v {v})) (if {test} (recur (+ i 1) (solve m (* p v))) (vsum v)))"
        ));
    }
    agrees(&format!(
        "(define m {m}) (if (> x 0) (* y (det m)) (* p y))"
    ));
    agrees(&format!(
        "(define m {m}) (if (> p 0) (* y (logdet m)) (* p y))"
    ));
}

/// A matrix of this rank at x = 0, and regular elsewhere.
fn singular(n: usize, rank: usize) -> String {
    matrix(n, n, |i, j| {
        let term = |r: usize| whole((r * n + i) as u64 + 1) * whole((r * n + j) as u64 + 1000);
        let at_zero: i64 = (0..rank).map(term).sum();
        format!("(+ {at_zero} (* x {}))", whole((i * n + j) as u64 + 5000))
    })
}

#[test]
fn determinants_have_their_slope_at_singular_matrices() {
    if !have_runtime("determinants_have_their_slope_at_singular_matrices") {
        return;
    }
    let n = 9;
    let slope = |rank: usize| -> Vec<f64> {
        let text = format!("{HEAD} (det {})", singular(n, rank));
        let graph = jacobian(&compiled(&text), &[0]);
        let ports = vec![vec![0.0, 1.0], vec![1.0; 2], vec![0.75; 2]];
        let got = run::<f64>(&graph, 2, &ports, &OrtConfig::default(), 0).unwrap();
        let wanted = plain::evaluate(&graph, 2, &ports);
        compare("slope", &graph, &got, &wanted, 1e-10);
        got[1].clone()
    };
    // by the matrix it is the sum of cofactors times what x does
    let one_below = slope(n - 1)[0];
    assert!(
        one_below.is_finite() && one_below.abs() > 1.0,
        "{one_below}"
    );
    let two_below = slope(n - 2)[0];
    assert!(two_below.abs() <= 1e-6 * one_below.abs(), "{two_below}");
}

#[test]
fn no_sample_touches_another() {
    if !have_runtime("no_sample_touches_another") {
        return;
    }
    let (m, v) = (mixed(12, "x"), vector(12, "y"));
    for body in ["(det m)", "(logdet m)", &format!("(vsum (solve m {v}))")] {
        let graph = compiled(&format!("{HEAD} (define m {m}) (* p {body})"));
        let graph = vjp(&graph, &[0, 1]);
        let mut ports = ports();
        ports.push(vec![1.0; 5]);
        let clean = run::<f64>(&graph, 5, &ports, &OrtConfig::default(), 0).unwrap();
        ports[0][2] = f64::NAN;
        ports[0][3] = f64::INFINITY;
        let spoilt = run::<f64>(&graph, 5, &ports, &OrtConfig::default(), 0).unwrap();
        for (clean, spoilt) in clean.iter().zip(&spoilt) {
            for i in [0, 1, 4] {
                let at = |values: &[f64]| values[if values.len() == 1 { 0 } else { i }].to_bits();
                assert_eq!(at(clean), at(spoilt), "{body}, sample {i}");
            }
        }
        assert!(spoilt[0][2].is_nan(), "{body}: {}", spoilt[0][2]);
    }
}

#[test]
fn the_order_of_operations_is_that_of_the_native_engine() {
    if !have_runtime("the_order_of_operations_is_that_of_the_native_engine") {
        return;
    }
    for n in [9, 24] {
        let graph = compiled(&format!("{HEAD} (det {})", mixed(n, "x")));
        let got = run::<f64>(&graph, 5, &ports(), &OrtConfig::default(), 0).unwrap();
        assert_eq!(got, plain::evaluate(&graph, 5, &ports()));
    }
}

#[test]
fn single_precision() {
    if !have_runtime("single_precision") {
        return;
    }
    let (m, v) = (mixed(10, "x"), vector(10, "y"));
    let both = |graph: &Graph| {
        let wanted = plain::evaluate(graph, 5, &ports());
        let got = run::<f32>(graph, 5, &ports(), &OrtConfig::default(), 0).unwrap();
        compare("f32", graph, &got, &wanted, 1e-3);
    };
    for body in ["(det m)", "(logdet m)", &format!("(vsum (solve m {v}))")] {
        let graph = compiled(&format!("{HEAD} (define m {m}) (* p {body})"));
        both(&graph);
        both(&jacobian(&graph, &[0, 1, 2]));
    }
}

#[test]
fn a_step_of_training_goes_through_them() {
    if !have_runtime("a_step_of_training_goes_through_them") {
        return;
    }
    let graph = compiled(&format!("{HEAD} (logdet {})", mixed(9, "(* x p)")));
    let step = ncg::onnx::training_step(&graph, &[2], 0.01);
    let mut ports = ports();
    ports.extend([vec![1.0; 5], vec![1.0; 5], vec![0.01; 5]]);
    ports.truncate(step.ports.len());
    check_one("step", &step, &ports);
}
