//! Soft choices under the options that change them, on every engine that runs here.

use std::sync::Arc;

use ncg::compile::Model;
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};

/// The values and the derivatives of the first one by each input.
fn run(source: &str, settings: &[(&str, &str)], engine: &str, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut options = Options::new();
    options.set_str("engine", engine).unwrap();
    for (name, value) in settings {
        options.set(name, value).unwrap();
    }
    let model = Arc::new(Model::compile(source, &options).unwrap());
    let mut session = Session::<f64>::new(model.clone(), &options).unwrap();
    let mut y = vec![0.0; model.graph.outputs.len()];
    let mut dx = vec![0.0; x.len()];
    let seeds: Vec<f64> = (0..y.len()).map(|i| f64::from(u8::from(i == 0))).collect();
    let into = Gradient {
        y: Some(&mut StridedMut::columns(&mut y, 1)),
        dx: Some(&mut StridedMut::columns(&mut dx, 1)),
        dp: None,
    };
    let seeds = Strided::columns(&seeds, 1);
    session
        .gradient(1, &Strided::columns(x, 1), None, Some(&seeds), into, None)
        .unwrap();
    (y, dx)
}

/// The same on the native and on the tagged engine, bit for bit the same values.
fn both(source: &str, settings: &[(&str, &str)], x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (y, dx) = run(source, settings, "native", x);
    let (tagged, tagged_dx) = run(source, settings, "tagged", x);
    assert_eq!(y, tagged, "{source}");
    for (a, b) in dx.iter().zip(&tagged_dx) {
        assert!(
            (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-14 * b.abs().max(1.0),
            "{dx:?} {tagged_dx:?}"
        );
    }
    (y, dx)
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let total: f64 = scores.iter().map(|s| s.exp()).sum();
    scores.iter().map(|s| s.exp() / total).collect()
}

const TWO: &str = "(input x) (input w) (soft-choice ((+ x x) (* x x)) [w 0.25])";

#[test]
fn the_temperature_divides_the_weights() {
    for temperature in [0.1, 0.5, 1.0, 4.0] {
        let text = temperature.to_string();
        let (y, dx) = both(TWO, &[("soft_choice_temperature", &text)], &[3.0, 0.5]);
        let share = softmax(&[0.5 / temperature, 0.25 / temperature]);
        let wanted = 6.0 * share[0] + 9.0 * share[1];
        assert!(
            (y[0] - wanted).abs() < 1e-13 * wanted,
            "{} is not {wanted}",
            y[0]
        );
        let by_weight = (6.0 - 9.0) * share[0] * share[1] / temperature;
        assert!((dx[0] - (2.0 * share[0] + 6.0 * share[1])).abs() < 1e-13);
        assert!(
            (dx[1] - by_weight).abs() < 1e-13,
            "{} is not {by_weight}",
            dx[1]
        );
    }
    let mut options = Options::new();
    let error = options.set("soft_choice_temperature", "0").unwrap_err();
    assert!(error.message.contains("soft_choice_temperature"), "{error}");
}

#[test]
fn a_hard_choice_has_the_value_of_one_and_the_derivative_of_all() {
    let soft = both(TWO, &[], &[3.0, 0.5]);
    let hard = both(TWO, &[("soft_choice_hard", "true")], &[3.0, 0.5]);
    assert_eq!(hard.0, [6.0]);
    for (hard, soft) in hard.1.iter().zip(&soft.1) {
        assert!((hard - soft).abs() < 1e-14 * soft.abs(), "{hard} {soft}");
    }
    let other = both(TWO, &[("soft_choice_hard", "true")], &[3.0, -0.5]);
    assert_eq!(other.0, [9.0]);
    // never blended: what is not chosen may be anything
    let poisoned = "(input x) (soft-choice (x (sqrt (- -1 (* x x)))) [1 0])";
    assert_eq!(
        both(poisoned, &[("soft_choice_hard", "true")], &[3.0]).0,
        [3.0]
    );
}

#[test]
fn noise_hangs_on_its_seed_and_place_alone() {
    let source = "(input x) (input w) (list (soft-choice (x 1) [w 0]) (soft-choice (x 1) [w 0]))";
    let seed = |seed: &str| both(source, &[("soft_choice_noise", seed)], &[3.0, 0.5]).0;
    let plain = both(source, &[], &[3.0, 0.5]).0;
    assert_eq!(plain[0], plain[1]);
    let first = seed("1");
    assert_eq!(first, seed("1"));
    assert!(first[0] != first[1] && first != seed("2") && first != plain);
    assert_eq!(seed("-1"), plain);
    // one iteration of a loop draws what another does
    let repeated = "(input x) (input w) \
        (loop ((i 0) (s 0)) (if (= i 3) s (recur (+ i 1) (+ s (soft-choice (x 1) [w 0])))))";
    let three = both(repeated, &[("soft_choice_noise", "1")], &[3.0, 0.5]).0;
    assert!(
        (three[0] - 3.0 * first[0]).abs() < 1e-14 * three[0].abs(),
        "{three:?} {first:?}"
    );
}

#[test]
fn noise_chooses_as_often_as_the_weights_say() {
    // the largest of weights with Gumbel noise is each with the probability that the softmax says
    let mut first = 0;
    for seed in 0..2000 {
        let settings = [
            ("soft_choice_noise", &*seed.to_string()),
            ("soft_choice_hard", "true"),
        ];
        let mut options = Options::new();
        settings
            .iter()
            .for_each(|(name, value)| options.set(name, value).unwrap());
        let model = Model::compile("(soft-choice (1 0) [1 0])", &options).unwrap();
        let value = model.graph.node(model.graph.outputs[0].node);
        first += usize::from(
            value.kind == ncg::graph::NodeKind::Constant(ncg::syntax::ast::Constant::Real(1.0)),
        );
    }
    let wanted = 2000.0 * softmax(&[1.0, 0.0])[0];
    assert!((first as f64 - wanted).abs() < 80.0, "{first} of {wanted}");
}

#[test]
fn options_may_be_arrays_and_weights_a_list() {
    let (y, _) = both(
        "(input x) (soft-choice ([x 1] [2 x]) (list 0 1))",
        &[],
        &[3.0],
    );
    let share = softmax(&[0.0, 1.0]);
    assert!((y[0] - (3.0 * share[0] + 2.0 * share[1])).abs() < 1e-14);
    assert!((y[1] - (share[0] + 3.0 * share[1])).abs() < 1e-14);
    let hard = both(
        "(input x) (soft-choice ([x 1] [2 x]) (list 0 1))",
        &[("soft_choice_hard", "true")],
        &[3.0],
    );
    assert_eq!(hard.0, [2.0, 3.0]);
}

#[test]
fn what_is_wrong_is_named() {
    let message = |source: &str| Model::compile(source, &Options::new()).unwrap_err().message;
    for (source, wanted) in [
        (
            "(soft-choice (x 1) [1 2 3])",
            "\"soft-choice\" has 2 options, but 3 weights",
        ),
        (
            "(soft-choice (x 1) (list 1))",
            "\"soft-choice\" has 2 options, but 1 weights",
        ),
        (
            "(soft-choice (x 1) x)",
            "\"soft-choice\" needs a vector of weights, not a number",
        ),
        ("(soft-choice (x 'a) [1 2])", "it cannot take the symbol a"),
        ("(soft-choice (x 1) '(1 a))", "not the symbol a"),
    ] {
        let message = message(source);
        assert!(message.contains(wanted), "{source}: {message}");
    }
}
