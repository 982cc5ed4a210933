//! Profile likelihood of losses that are no sums of squares, against closed forms and bisection of them.

mod fitting;

use std::sync::atomic::AtomicBool;

use fitting::{Random, close, fit, params, prepare, run, samples};
use ncg::fit::problem::Data;
use ncg::fit::profile::{Known, intervals};
use ncg::fit::quantile::two_sided;
use ncg::fit::{Bounds, Monitor, Outcome, Settings, Stop};

/// Rows of one input, without targets.
fn rows(x: Vec<f64>) -> Data {
    Data {
        samples: x.len(),
        x,
        ..Data::default()
    }
}

/// Where a function that is negative at `inside` and positive at `outside` is zero.
fn root(f: &dyn Fn(f64) -> f64, mut inside: f64, mut outside: f64) -> f64 {
    assert!(f(inside) < 0.0 && f(outside) > 0.0);
    for _ in 0..200 {
        let middle = 0.5 * (inside + outside);
        match f(middle) < 0.0 {
            true => inside = middle,
            false => outside = middle,
        }
    }
    inside
}

/// Both ends of the profile of parameter `i`.
fn ends(fitter: &ncg::fit::fitter::Fitter, i: usize) -> [f64; 2] {
    fitter.report().unwrap().profiles.unwrap()[i].map(Option::unwrap)
}

/// With the variance at its best for each mean, minus twice the log likelihood is `n log(1 + (x - mean)² / s²)` above its least:
/// a curve like that of Student's t, wider than the normal interval.
#[test]
fn the_profile_of_a_mean_whose_variance_is_fitted_is_wider_than_normal() {
    let mut random = Random(21);
    let data = samples(9, 0.0, 1.0, |_| 4.0 + 0.7 * random.normal());
    let n = 9.0;
    let mean = data.y.iter().sum::<f64>() / n;
    let variance = data.y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n;
    let source = "(input x) (parameter m 1) (parameter s 1 1e-6 100) (list m s)";
    for (level, optimizer) in [("0.95", "lbfgs"), ("0.6826894921370859", "adam")] {
        let settings = [
            ("loss", "gaussian"),
            ("profile", "true"),
            ("confidence", level),
            ("optimizer", optimizer),
        ];
        let fitter = fit(source, data.clone(), &settings);
        let q = two_sided(level.parse().unwrap(), f64::INFINITY);
        let reach = (variance * ((q * q / n).exp() - 1.0)).sqrt();
        let [low, high] = ends(&fitter, 0);
        close(high - mean, reach, 1e-5);
        close(mean - low, reach, 1e-5);
        assert!(reach > q * fitter.report().unwrap().std_error(0).unwrap());
        // the deviation: the mean stays at its best
        let above = |s: f64| n * ((s * s / variance).ln() + variance / (s * s) - 1.0) - q * q;
        let [low, high] = ends(&fitter, 1);
        let best = variance.sqrt();
        close(low, root(&above, best, 0.1 * best), 1e-5);
        close(high, root(&above, best, 10.0 * best), 1e-5);
        assert!(high - best > 1.2 * (best - low));
    }
}

/// A loss that the program writes is taken for minus a log likelihood: it may grow by half of the squared quantile.
#[test]
fn a_quadratic_loss_of_a_program_has_the_interval_of_its_curvature() {
    let data = rows(vec![1.0, 2.5, 3.0, 5.5]);
    let source = "(input y) (parameter k 1) (* 0.5 (square (/ (- y k) 0.5)))";
    let fitter = fit(source, data, &[("loss", "value"), ("profile", "true")]);
    let reach = two_sided(0.95, f64::INFINITY) * 0.5 / 4f64.sqrt();
    let [low, high] = ends(&fitter, 0);
    close(high - 3.0, reach, 1e-6);
    close(3.0 - low, reach, 1e-6);
    close(fitter.report().unwrap().std_error(0).unwrap(), 0.25, 1e-6);
    let text = fitter.report().unwrap().to_text();
    assert!(text.contains("minus a log likelihood"), "{text}");
    let json = fitter.report().unwrap().to_json();
    assert!(json["notes"].to_string().contains("minus a log likelihood"));
}

/// Weibull's distribution: for each shape `k` the best scale is the root of order `k` of the mean of `x^k`.
#[test]
fn a_skewed_loss_of_a_program_has_the_ends_of_its_likelihood() {
    let mut random = Random(4);
    let x: Vec<f64> = (0..25)
        .map(|_| 2.0 * (-random.uniform().ln()).powf(1.0 / 1.7))
        .collect();
    let n = x.len() as f64;
    let logs: f64 = x.iter().map(|x| x.ln()).sum();
    let scale = |k: f64| (x.iter().map(|x| x.powf(k)).sum::<f64>() / n).powf(1.0 / k);
    let least_at = |k: f64| -n * k.ln() + n * k * scale(k).ln() - (k - 1.0) * logs + n;
    let source = "(input x) (parameter k 1 0.01 50) (parameter l 1 0.01 50)
        (- (pow (/ x l) k) (+ (log (/ k l)) (* (- k 1) (log (/ x l)))))";
    let settings = [("loss", "value"), ("profile", "true")];
    let fitter = fit(source, rows(x.clone()), &settings);
    let p = params(&fitter);
    close(p[1], scale(p[0]), 1e-6);
    let q = two_sided(0.95, f64::INFINITY);
    let above = |k: f64| least_at(k) - least_at(p[0]) - 0.5 * q * q;
    let [low, high] = ends(&fitter, 0);
    close(low, root(&above, p[0], 0.2 * p[0]), 1e-5);
    close(high, root(&above, p[0], 5.0 * p[0]), 1e-5);
    assert!(high - p[0] > 1.05 * (p[0] - low));
}

/// Priors are part of the likelihood, and weights count rows.
#[test]
fn profiles_of_a_loss_of_a_program_count_priors_and_weights() {
    let source = "(input y) (parameter k 1) (* 0.5 (square (- y k)))";
    let mut settings = vec![("loss", "value"), ("profile", "true"), ("prior", "k=3:0.5")];
    let fitter = fit(source, rows(vec![3.0; 12]), &settings);
    // twelve rows and four of the prior
    let q = two_sided(0.95, f64::INFINITY);
    close(ends(&fitter, 0)[1] - 3.0, q / 4.0, 1e-6);
    settings.push(("confidence", "0.5"));
    let half = fit(source, rows(vec![3.0; 12]), &settings);
    close(
        ends(&half, 0)[1] - 3.0,
        two_sided(0.5, f64::INFINITY) / 4.0,
        1e-6,
    );
}

/// The limits on one run are not those of the profile; the time limit is, and what it cuts off is left open.
#[test]
fn profiles_end_with_the_time() {
    let outcome = Outcome {
        params: vec![2.0],
        loss: 1.0,
        iterations: 0,
        evaluations: 0,
        seconds: 0.0,
        stop: Stop::Gradient,
        gradient_norm: 0.0,
        held: vec![false],
        triangle: None,
    };
    let settings = Settings {
        max_iterations: Some(1),
        max_seconds: 0.05,
        ..Settings::default()
    };
    let bounds = Bounds::free(1);
    let known = Known {
        outcome: &outcome,
        bounds: &bounds,
        errors: &[Some(1.0)],
    };
    let mut seen = Vec::new();
    let mut fit = |start: &[f64], _: &Bounds, limits: &Settings, _: &mut Monitor| {
        assert_eq!(limits.max_iterations, None);
        seen.push(limits.max_seconds);
        std::thread::sleep(std::time::Duration::from_millis(30));
        Ok(Outcome {
            loss: 1.0 + (start[0] - 2.0).powi(2) + (start[0] - 2.0).powi(4),
            params: start.to_vec(),
            stop: if limits.max_seconds > 0.0 {
                Stop::Gradient
            } else {
                Stop::MaxTime
            },
            ..outcome.clone()
        })
    };
    let found = intervals(&mut fit, known, (2.0, 1.0), &settings, &Monitor::default()).unwrap();
    assert_eq!(found, [[None, None]]);
    assert!(seen[0] <= 0.05 && seen[1] < seen[0] - 0.02, "{seen:?}");
    assert_eq!(seen.last(), Some(&0.0));
}

#[test]
fn a_request_to_stop_leaves_the_profile_out() {
    let source = "(input y) (parameter k 1) (* 0.5 (square (- y k)))";
    let settings = [("loss", "value"), ("profile", "true")];
    let mut fitter = prepare(source, rows(vec![1.0, 2.0]), &settings).unwrap();
    let cancel = AtomicBool::new(true);
    fitter.run(&mut Monitor::default(), &cancel).unwrap();
    assert!(fitter.report().unwrap().profiles.is_none());
    assert!(fitter.report().unwrap().to_json()["parameters"]["k"]["profile"].is_null());
    run(&mut fitter).unwrap();
    assert!(fitter.report().unwrap().profiles.is_some());
}
