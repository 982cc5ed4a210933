//! Thresholds: comparisons that hang on parameters, smoothed and cooled down.

mod fitting;

use std::sync::Arc;

use fitting::{Random, close, complaint, fit, params, samples};
use ncg::compile::Model;
use ncg::graph::smooth;
use ncg::options::Options;
use ncg::session::{Session, Strided, StridedMut};

/// The value of a smoothed model at one input and these parameters, the temperature last.
fn smoothed(source: &str, x: f64, p: &[f64]) -> f64 {
    let model = Model::compile(source, &Options::new()).unwrap();
    let graph = smooth(&model.graph, 1.0).unwrap().unwrap();
    let mut options = Options::new();
    options.set_str("engine", "native").unwrap();
    let model = Model::from_graph(&graph, None, &options).unwrap();
    let mut session = Session::<f64>::new(Arc::new(model), &options).unwrap();
    let (x, mut y) = ([x], [0.0]);
    let mut table = StridedMut::columns(&mut y, 1);
    session
        .eval(1, &Strided::columns(&x, 1), Some(p), &mut table, None)
        .unwrap();
    y[0]
}

#[test]
fn a_branch_becomes_a_blend_of_its_arms() {
    let logistic = |margin: f64| 1.0 / (1.0 + (-margin).exp());
    let one = "(parameter c 1) (if (< x c) (* 2 x) 10)";
    for (x, c, t) in [(0.3, 1.0, 0.5), (1.7, 1.0, 2.0), (1.0, 1.0, 1e-9)] {
        let weight = logistic((c - x) / t);
        close(
            smoothed(one, x, &[c, t]),
            weight * 2.0 * x + (1.0 - weight) * 10.0,
            1e-14,
        );
    }
    // cold, it is the branch itself
    close(smoothed(one, 0.9, &[1.0, 1e-6]), 1.8, 1e-15);
    let two = "(parameter a 1) (parameter b 2) (if (and (> x a) (not (>= x b))) 1 0)";
    let (x, t) = (1.4, 0.3);
    let wanted = logistic((x - 1.0) / t) * (1.0 - logistic((x - 2.0) / t));
    close(smoothed(two, x, &[1.0, 2.0, t]), wanted, 1e-13);
    let either = two.replace("(and (> x a) (not (>= x b)))", "(or (> x b) (< x a))");
    let (p, q) = (logistic((x - 2.0) / t), logistic((1.0 - x) / t));
    close(smoothed(&either, x, &[1.0, 2.0, t]), p + q - p * q, 1e-13);
}

#[test]
fn a_jump_is_found_where_the_data_have_it() {
    let source = "(parameter c 6) (parameter low 1) (parameter high 1) (if (< x c) low high)";
    let mut random = Random(9);
    let data = samples(81, 0.0, 8.0, |x| {
        (if x < 3.35 { 2.0 } else { 5.0 }) + 0.05 * random.normal()
    });
    // without smoothing the threshold does not move
    let plain = fit(source, data.clone(), &[]);
    assert_eq!(params(&plain)[0], 6.0);
    let fitter = fit(source, data, &[("smoothing", "1")]);
    let got = params(&fitter);
    assert!(got[0] > 3.3 && got[0] <= 3.4, "{got:?}");
    assert!(
        (got[1] - 2.0).abs() < 0.03 && (got[2] - 5.0).abs() < 0.03,
        "{got:?}"
    );
    let report = fitter.report().unwrap();
    // the loss is that of the exact model, and the report says what was done
    assert!(report.outcome.loss < 81.0 * 0.05 * 0.05 * 1.5);
    assert!(
        report.to_text().contains("comparisons were smoothed")
            && report.to_json()["smoothing"] == 1.0
    );
    assert_eq!(report.std_error(0), None);
}

#[test]
fn a_breakpoint_of_a_bent_line_is_found() {
    let source = "(parameter c 7 0 9) (parameter a 1) (parameter b 1) (if (< x c) (* a x) (+ (* a c) (* b (- x c))))";
    let data = samples(60, 0.0, 9.0, |x| {
        if x < 4.2 {
            2.0 * x
        } else {
            8.4 - 0.5 * (x - 4.2)
        }
    });
    let fitter = fit(source, data, &[("smoothing", "1")]);
    for (got, wanted) in params(&fitter).iter().zip([4.2, 2.0, -0.5]) {
        close(*got, wanted, 1e-6);
    }
}

/// A store that drains by a fixed amount in every step in which it stands above a threshold.
#[test]
fn a_threshold_of_a_recursive_program_is_found() {
    let source = "(parameter limit 7 0 20) (parameter drain 1 0 10)
        (define (flow n level)
          (if (= n 0) level (flow (- n 1) (let ((full (+ level x))) (if (> full limit) (- full drain) full)))))
        (flow 5 0)";
    let store = |x: f64| {
        (0..5).fold(0.0, |level, _| {
            let full = level + x;
            if full > 5.25 { full - 1.5 } else { full }
        })
    };
    let data = samples(97, 0.5, 2.9, store);
    let settings = [("smoothing", "1"), ("starts", "30")];
    let fitter = fit(source, data, &settings);
    let got = params(&fitter);
    let loss = fitter.outcome().unwrap().loss;
    assert!((got[0] - 5.25).abs() < 0.06, "{got:?} {loss}");
    close(got[1], 1.5, 1e-2);
}

#[test]
fn what_cannot_be_smoothed_says_so() {
    let data = || samples(10, 0.0, 1.0, |x| x);
    let message = complaint("(parameter k 1) (* k x)", data(), &[("smoothing", "1")]);
    assert!(message.contains("no comparison"), "{message}");
    let fixed = complaint(
        "(parameter k 1) (if (< x 0.5) k 1)",
        data(),
        &[("smoothing", "1")],
    );
    assert!(fixed.contains("no comparison"), "{fixed}");
}
