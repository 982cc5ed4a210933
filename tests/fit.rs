//! Fitting: bounds, stops, failures, statistics and reports.

mod shapes;

use ncg::fit::plot::{self, Plot};
use ncg::fit::report::Report;
use ncg::fit::statistics::{Noise, Statistics, statistics};
use ncg::fit::{Bounds, Monitor, Objective, Outcome, Progress, Residuals, Settings, Stop};
use ncg::fit::{adam, levmar};
use ncg::{ErrorKind, Result};
use shapes::{Curve, Dual, Formula, formula};
use std::sync::atomic::{AtomicBool, Ordering};

fn curve(formula: Formula, count: usize, truth: &[f64], points: usize) -> Curve {
    let x: Vec<[f64; 2]> = (0..points).map(|i| [0.25 * i as f64 + 0.5, 0.0]).collect();
    let mut curve = Curve {
        formula,
        count,
        x,
        y: Vec::new(),
    };
    let wiggle = |i: usize| 0.02 * ((i * i) as f64).sin();
    curve.y = (0..points)
        .map(|i| curve.value(truth, &curve.x[i]).0 + wiggle(i))
        .collect();
    curve
}

fn saturation() -> Curve {
    curve(formula("Misra1a"), 2, &[3.0, 0.4], 20)
}

fn solve(curve: &mut Curve, start: &[f64], bounds: &Bounds) -> Outcome {
    levmar::fit(
        curve,
        start,
        bounds,
        &Settings::default(),
        &mut Monitor::default(),
    )
    .unwrap()
}

fn known(fit: &Outcome, curve: &Curve, names: &[&str]) -> Statistics {
    let triangle = fit.triangle.as_ref().unwrap();
    statistics(
        triangle,
        curve.y.len(),
        fit.loss,
        &fit.held,
        names,
        Noise::Estimated,
    )
    .unwrap()
}

fn boxed(lower: &[f64], upper: &[f64]) -> Bounds {
    Bounds {
        lower: lower.to_vec(),
        upper: upper.to_vec(),
    }
}

/// The sum of squares of a curve as a scalar objective.
struct Squares(Curve);

impl Objective for Squares {
    fn parameter_count(&self) -> usize {
        self.0.count
    }

    fn evaluate(&mut self, p: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let (m, n) = (self.0.y.len(), self.0.count);
        let (mut r, mut j) = (vec![0.0; m], vec![0.0; m * n]);
        Residuals::evaluate(&mut self.0, 0, p, &mut r, Some(&mut j))?;
        for k in 0..n {
            gradient[k] = (0..m).map(|i| 2.0 * r[i] * j[k * m + i]).sum();
        }
        Ok(r.iter().map(|r| r * r).sum())
    }
}

#[test]
fn an_active_bound_gives_the_constrained_optimum() {
    let mut two = saturation();
    let free = solve(&mut two, &[1.0, 1.0], &Bounds::free(2));
    for b1 in [free.params[0] - 0.3, free.params[0] + 0.3] {
        let below = b1 < free.params[0];
        let infinity = f64::INFINITY;
        let bounds = if below {
            boxed(&[-infinity, 0.0], &[b1, infinity])
        } else {
            boxed(&[b1, 0.0], &[infinity, infinity])
        };
        let mut fixed = two.clone();
        fixed.count = 1;
        // The best second parameter with the first at its bound, by a fit of one parameter.
        fixed.formula = |b, x| Dual::constant(x[1]) * (1.0 - (-x[0] * b[0]).exp());
        fixed.x.iter_mut().for_each(|x| x[1] = b1);
        let expected = solve(&mut fixed, &[0.5], &Bounds::free(1));
        for start in [
            [b1, 0.1],
            [b1, 5.0],
            [if below { b1 - 2.0 } else { b1 + 40.0 }, 0.4],
        ] {
            let got = solve(&mut two, &start, &bounds);
            assert_eq!(got.params[0], b1);
            assert!((got.params[1] / expected.params[0] - 1.0).abs() < 1e-10);
            assert_eq!(got.held, [true, false]);
            let s = known(&got, &two, &["b1", "b2"]);
            assert_eq!((s.std_errors[0], s.degrees_of_freedom), (None, 19));
            let one = known(&expected, &fixed, &["b2"]);
            assert!((s.std_errors[1].unwrap() / one.std_errors[0].unwrap() - 1.0).abs() < 1e-8);
        }
    }
}

#[test]
fn a_start_on_a_bound_is_released_when_the_gradient_points_inside() {
    let mut curve = saturation();
    let free = solve(&mut curve, &[1.0, 1.0], &Bounds::free(2));
    let corners = [[0.1, 0.01], [0.1, 9.0], [50.0, 0.01], [50.0, 9.0]];
    for start in corners {
        let got = solve(&mut curve, &start, &boxed(&[0.1, 0.01], &[50.0, 9.0]));
        assert!(
            (got.params[0] / free.params[0] - 1.0).abs() < 1e-10,
            "{start:?} {got:?}"
        );
        assert_eq!(got.held, [false, false]);
    }
}

#[test]
fn trial_points_never_leave_the_box() {
    struct Guard(Curve, Bounds);
    impl Residuals for Guard {
        fn parameter_count(&self) -> usize {
            self.0.count
        }
        fn residual_count(&self) -> usize {
            self.0.y.len()
        }
        fn evaluate(
            &mut self,
            block: usize,
            p: &[f64],
            r: &mut [f64],
            j: Option<&mut [f64]>,
        ) -> Result<()> {
            for (i, &v) in p.iter().enumerate() {
                assert!(v >= self.1.lower[i] && v <= self.1.upper[i], "{p:?}");
            }
            self.0.evaluate(block, p, r, j)
        }
    }
    let bounds = boxed(&[0.0, 0.3], &[2.5, 0.9]);
    let mut guard = Guard(saturation(), bounds.clone());
    let settings = Settings::default();
    let got = levmar::fit(
        &mut guard,
        &[0.0, 0.9],
        &bounds,
        &settings,
        &mut Monitor::default(),
    )
    .unwrap();
    assert_eq!(got.params[0], 2.5);
}

#[test]
fn everything_fixed_is_a_fit_too() {
    let mut curve = saturation();
    let got = solve(&mut curve, &[2.0, 0.3], &boxed(&[2.0, 0.3], &[2.0, 0.3]));
    assert_eq!(got.params, [2.0, 0.3]);
    assert_eq!(got.held, [true, true]);
    assert!(got.stop.converged());
    assert_eq!(known(&got, &curve, &["b1", "b2"]).std_errors, [None, None]);
}

#[test]
fn a_perfect_fit_ends_quickly() {
    let mut curve = saturation();
    curve.y = curve
        .x
        .iter()
        .map(|x| curve.value(&[3.0, 0.4], x).0)
        .collect();
    let got = solve(&mut curve, &[1.0, 1.0], &Bounds::free(2));
    assert!((got.params[0] - 3.0).abs() < 1e-13 && (got.params[1] - 0.4).abs() < 1e-13);
    assert!(got.evaluations < 20, "{got:?}");
}

#[test]
fn a_linear_model_takes_one_step() {
    let mut line = curve(|b, x| x[0] * b[0], 1, &[2.0], 1024);
    let got = solve(&mut line, &[1.0], &Bounds::free(1));
    assert_eq!((got.stop, got.iterations), (Stop::Gradient, 1));
}

/// From far below, a step of the start's own size changes no digit of the loss; that is no end.
#[test]
fn a_start_many_orders_too_small_is_left() {
    for truth in [1e12, 1e16, 1e23, 1e30] {
        let mut line = curve(|b, x| x[0] * b[0], 1, &[truth], 20);
        let fit = solve(&mut line, &[1.0], &Bounds::free(1));
        assert!(
            (fit.params[0] / truth - 1.0).abs() < 1e-12,
            "{truth}: {fit:?}"
        );
    }
}

#[test]
fn a_bad_start_names_the_first_bad_residual() {
    let mut curve = saturation();
    curve.y[7] = f64::NAN;
    curve.y[9] = f64::INFINITY;
    let (bounds, settings) = (Bounds::free(2), Settings::default());
    let fit = levmar::fit(
        &mut curve,
        &[1.0, 1.0],
        &bounds,
        &settings,
        &mut Monitor::default(),
    );
    let error = fit.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Numeric);
    assert!(error.message.starts_with("residual 7 is NaN"), "{error}");
    let fit = adam::fit(
        &mut Squares(curve),
        &[1.0, 1.0],
        &bounds,
        &settings,
        &mut Monitor::default(),
    );
    assert_eq!(fit.unwrap_err().kind, ErrorKind::Numeric);
}

#[test]
fn a_region_without_values_is_stepped_round() {
    // The logarithm is not a number for negative b1; the first step goes there.
    let mut log = curve(|b, x| (x[0] * b[0]).ln() + b[1], 2, &[0.2, 1.0], 12);
    log.formula = |b, x| (1.0 + x[0] * b[0]).ln() * b[1];
    log.y = log
        .x
        .iter()
        .map(|x| 0.5 * (1.0 + 0.01 * x[0]).ln())
        .collect();
    let got = solve(&mut log, &[40.0, 0.1], &Bounds::free(2));
    assert!((got.params[0] / 0.01 - 1.0).abs() < 1e-6, "{got:?}");
}

#[test]
fn unusable_arguments_are_refused() {
    let mut curve = saturation();
    let bad_bounds = [
        (boxed(&[2.0, 0.0], &[1.0, 1.0]), [1.0, 1.0]),
        (boxed(&[0.0, 0.0], &[1.0, 1.0]), [2.0, 1.0]),
        (boxed(&[0.0, f64::NAN], &[1.0, 1.0]), [1.0, 1.0]),
        (boxed(&[0.0], &[1.0]), [1.0, 1.0]),
        (Bounds::free(2), [f64::NAN, 1.0]),
    ];
    for (bounds, start) in bad_bounds {
        let fit = levmar::fit(
            &mut curve,
            &start,
            &bounds,
            &Settings::default(),
            &mut Monitor::default(),
        );
        assert_eq!(fit.unwrap_err().kind, ErrorKind::Argument);
    }
    let settings = Settings {
        gtol: -1.0,
        ..Settings::default()
    };
    let fit = levmar::fit(
        &mut curve,
        &[1.0, 1.0],
        &Bounds::free(2),
        &settings,
        &mut Monitor::default(),
    );
    assert!(fit.unwrap_err().message.contains("gtol"));
    let fit = levmar::fit(
        &mut curve,
        &[1.0],
        &Bounds::free(1),
        &Settings::default(),
        &mut Monitor::default(),
    );
    assert_eq!(fit.unwrap_err().kind, ErrorKind::Argument);
}

#[test]
fn limits_callback_and_cancel_stop_a_fit_with_the_best_so_far() {
    let mut curve = saturation();
    let bounds = Bounds::free(2);
    let start = [1.0, 1.0];
    let run = |curve: &mut Curve, settings: Settings, monitor: &mut Monitor| {
        levmar::fit(curve, &start, &bounds, &settings, monitor).unwrap()
    };
    let few = Settings {
        max_iterations: Some(2),
        ..Settings::default()
    };
    let got = run(&mut curve, few, &mut Monitor::default());
    assert_eq!((got.stop, got.iterations), (Stop::MaxIterations, 2));
    let brief = Settings {
        max_seconds: 0.0,
        ..Settings::default()
    };
    assert_eq!(
        run(&mut curve, brief, &mut Monitor::default()).stop,
        Stop::MaxTime
    );

    let flag = AtomicBool::new(true);
    let mut monitor = Monitor {
        cancel: Some(&flag),
        ..Monitor::default()
    };
    let got = run(&mut curve, Settings::default(), &mut monitor);
    assert_eq!((got.stop, got.params), (Stop::Stopped, start.to_vec()));

    flag.store(false, Ordering::Relaxed);
    let mut seen = Vec::new();
    let mut callback = |p: &Progress| {
        seen.push((p.iteration, p.loss));
        p.iteration == 3
    };
    let mut monitor = Monitor {
        callback: Some(&mut callback),
        cancel: Some(&flag),
        every: 1,
        ..Monitor::default()
    };
    let got = run(&mut curve, Settings::default(), &mut monitor);
    assert_eq!(got.stop, Stop::Stopped);
    assert_eq!(seen.iter().map(|s| s.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(seen[3].1 < seen[0].1 && got.loss == seen[3].1);
}

#[test]
fn a_stopped_fit_goes_on_with_the_same_bits() {
    let mut curve = curve(formula("MGH17"), 5, &[0.4, 1.9, -1.5, 0.05, 0.6], 60);
    let (bounds, start) = (Bounds::free(5), [50.0, 150.0, -100.0, 1.0, 2.0]);
    let whole = solve(&mut curve, &start, &bounds);
    let mut state = levmar::State::new(&start);
    let pieces = Settings {
        max_iterations: Some(3),
        ..Settings::default()
    };
    let last = loop {
        let mut monitor = Monitor::default();
        let got = levmar::minimize(&mut curve, &bounds, &pieces, &mut monitor, &mut state).unwrap();
        if got.stop != Stop::MaxIterations {
            break got;
        }
    };
    assert_eq!(
        (last.params, last.loss, last.stop),
        (whole.params, whole.loss, whole.stop)
    );
    assert!(state.iterations > 9);
}

#[test]
fn adam_finds_what_levenberg_marquardt_finds() {
    let mut two = saturation();
    let bounds = boxed(&[0.0, 0.0], &[f64::INFINITY, 0.35]);
    for bounds in [Bounds::free(2), bounds] {
        let expected = solve(&mut two, &[1.0, 0.1], &bounds);
        let settings = Settings {
            gtol: 1e-7,
            ..Settings::default()
        };
        let mut objective = Squares(two.clone());
        let got = adam::fit(
            &mut objective,
            &[1.0, 0.1],
            &bounds,
            &settings,
            &mut Monitor::default(),
        );
        let got = got.unwrap();
        assert!(got.stop.converged(), "{got:?}");
        for i in 0..2 {
            assert!(
                (got.params[i] / expected.params[i] - 1.0).abs() < 1e-5,
                "{got:?} {expected:?}"
            );
        }
        assert_eq!(got.held, expected.held);
    }
}

#[test]
fn adam_goes_on_with_the_same_bits() {
    let (bounds, mut objective) = (Bounds::free(2), Squares(saturation()));
    let mut run = |limit: u64, state: &mut adam::State| {
        let settings = Settings {
            max_iterations: Some(limit),
            ..Settings::default()
        };
        adam::minimize(
            &mut objective,
            &bounds,
            &settings,
            &mut Monitor::default(),
            state,
        )
        .unwrap()
    };
    let whole = run(100, &mut adam::State::new(&[1.0, 1.0]));
    let mut state = adam::State::new(&[1.0, 1.0]);
    run(37, &mut state);
    let rest = run(63, &mut state);
    assert_eq!((whole.params, whole.loss), (rest.params, rest.loss));
}

#[test]
fn parameters_that_cannot_be_told_apart_are_named() {
    let mut three = curve(|b, x| b[0] + x[0] * (b[1] + b[2]), 3, &[1.0, 2.0, 3.0], 20);
    let got = solve(&mut three, &[0.0, 0.0, 0.0], &Bounds::free(3));
    let s = known(&got, &three, &["a", "b2", "b3"]);
    assert_eq!(s.rank, 2);
    assert!(s.std_errors[0].is_some() && s.std_errors[1].is_none() && s.std_errors[2].is_none());
    assert!(
        s.notes[0].starts_with("b2 and b3 not separable: 0.71 b2 - 0.71 b3"),
        "{:?}",
        s.notes
    );
    assert!((got.params[1] + got.params[2] - 5.0).abs() < 0.1);
    assert!(s.condition.is_infinite());

    // nearly the same, of two and of three
    let mut near = curve(
        |b, x| b[0] + x[0] * (b[1] + b[2]) + 1e-6 * x[0].sin() * b[2],
        3,
        &[1.0, 2.0, 3.0],
        20,
    );
    let got = solve(&mut near, &[0.0, 0.0, 0.0], &Bounds::free(3));
    let s = known(&got, &near, &["a", "b2", "b3"]);
    assert!(s.rank == 3 && s.std_errors.iter().all(Option::is_some));
    assert!(
        s.notes.len() == 1
            && s.notes[0].starts_with("b2 and b3 hardly separable: 0.71 b2 - 0.71 b3 is known ")
            && s.notes[0].contains("e6 times worse than 0.71 b2 + 0.71 b3 "),
        "{:?}",
        s.notes
    );
    let mut three = curve(
        |b, x| x[0] * b[0] + x[0].sin() * b[1] + (x[0] + x[0].sin() + 1e-5 * x[0] * x[0]) * b[2],
        3,
        &[1.0, 2.0, 3.0],
        20,
    );
    let got = solve(&mut three, &[0.0, 0.0, 0.0], &Bounds::free(3));
    let s = known(&got, &three, &["a", "b", "c"]);
    assert!(
        s.rank == 3 && s.notes.len() == 1 && s.notes[0].starts_with("a, b and c hardly separable"),
        "{:?}",
        s.notes
    );

    let mut idle = curve(|b, x| x[0] * b[0] + 0.0 * b[1], 2, &[1.0, 2.0], 20);
    let got = solve(&mut idle, &[0.0, 7.0], &Bounds::free(2));
    let s = known(&got, &idle, &["a", "idle"]);
    assert_eq!(got.params[1], 7.0);
    assert_eq!(s.notes, ["idle has no effect on the residuals"]);
    assert!(s.std_errors[0].is_some() && s.std_errors[1].is_none());
}

#[test]
fn too_few_observations_are_said_so() {
    let mut curve = saturation();
    curve.x.truncate(2);
    curve.y.truncate(2);
    let got = solve(&mut curve, &[1.0, 1.0], &Bounds::free(2));
    let s = known(&got, &curve, &["b1", "b2"]);
    assert_eq!((s.degrees_of_freedom, s.residual_sd), (0, None));
    assert_eq!(s.std_errors, [None, None]);
    assert!(s.notes[0].contains("2 observations"));
    curve.x.truncate(1);
    curve.y.truncate(1);
    assert!(solve(&mut curve, &[1.0, 1.0], &Bounds::free(2)).loss < 1e-20);
}

fn report() -> Report {
    let mut curve = saturation();
    let bounds = boxed(&[0.0, f64::NEG_INFINITY], &[2.5, f64::INFINITY]);
    let outcome = solve(&mut curve, &[1.0, 1.0], &bounds);
    let statistics = Some(known(&outcome, &curve, &["amplitude", "rate"]));
    Report {
        names: vec!["amplitude".to_string(), "rate".to_string()],
        initial: vec![1.0, 1.0],
        bounds,
        outcome,
        statistics,
        noise: Noise::Estimated,
        observations: 20,
        total_sum_of_squares: Some(10.0),
        engine: "native".to_string(),
        confidence: 0.95,
        profiles: None,
        context: Default::default(),
    }
}

#[test]
fn a_report_has_the_promised_keys() {
    let json = report().to_json();
    let promised = "parameters loss residual_sd degrees_of_freedom covariance stop iterations evaluations seconds engine";
    for key in promised.split(' ') {
        assert!(json.get(key).is_some(), "{key}");
    }
    let amplitude = &json["parameters"]["amplitude"];
    assert_eq!(amplitude["value"], 2.5);
    assert_eq!(amplitude["at_bound"], true);
    assert!(amplitude["std_error"].is_null());
    assert!(json["parameters"]["rate"]["lower"].is_null());
    assert!(json["covariance"][1][1].is_f64() && json["covariance"][0][1].is_null());

    let mut odd = report();
    odd.outcome.loss = f64::NAN;
    odd.outcome.gradient_norm = f64::INFINITY;
    let json = odd.to_json();
    assert_eq!(
        (&json["loss"], &json["gradient_norm"]),
        (&"nan".into(), &"inf".into())
    );
}

#[test]
fn a_report_reads_well() {
    let text = report().to_text();
    println!("{text}");
    assert!(text.starts_with("converged: "));
    assert!(text.contains("at upper bound 2.5") && text.contains("residual sd"));
    let mut free = report();
    let mut curve = saturation();
    free.bounds = Bounds::free(2);
    free.outcome = solve(&mut curve, &[1.0, 1.0], &free.bounds);
    free.statistics = Some(known(&free.outcome, &curve, &["amplitude", "rate"]));
    let text = free.to_text();
    println!("{text}");
    assert!(text.contains(" ± ") && text.contains(" %"));
}

#[test]
fn a_plot_is_a_well_formed_svg() {
    let mut curve = saturation();
    let got = solve(&mut curve, &[1.0, 1.0], &Bounds::free(2));
    let s = known(&got, &curve, &["b1", "b2"]);
    let x: Vec<f64> = curve.x.iter().map(|x| x[0]).collect();
    let fitted: Vec<f64> = curve
        .x
        .iter()
        .map(|x| curve.value(&got.params, x).0)
        .collect();
    let residuals: Vec<f64> = curve.y.iter().zip(&fitted).map(|(y, f)| y - f).collect();
    let curve_x: Vec<f64> = (0..200).map(|i| 0.5 + 4.75 * i as f64 / 199.0).collect();
    let curve_y: Vec<f64> = curve_x
        .iter()
        .map(|&x| curve.value(&got.params, &[x, 0.0]).0)
        .collect();
    let caption = plot::caption(&["b1", "b2"], &got.params, &s.std_errors);
    assert_eq!(caption, "b1 = 2.996 ± 0.016,  b2 = 0.3994 ± 0.0046");
    let band = vec![0.05; curve_x.len()];
    let picture = Plot {
        title: "Saturation & <growth>",
        caption: &caption,
        x_label: "dose",
        y_label: "response",
        x: &x,
        y: &curve.y,
        residuals: &residuals,
        curve_x: &curve_x,
        curve_y: &curve_y,
        band: &band,
    };
    let svg = plot::svg(&picture).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("&amp; &lt;growth") && svg.contains("± 0.016") && !svg.contains("NaN"));
    assert!(svg.contains("band") && svg.contains("<polygon"));
    if let Ok(path) = std::env::var("NCG_TEST_PLOT") {
        std::fs::write(path, svg).unwrap();
    }

    let odd = |x: &[f64], y: &[f64]| {
        let few = Plot {
            x,
            y,
            residuals: y,
            curve_x: x,
            curve_y: y,
            band: &[],
            ..picture
        };
        plot::svg(&few).map(|svg| svg.len()).map_err(|e| e.kind)
    };
    assert!(odd(&[1.0], &[2.0]).is_ok());
    assert!(odd(&[0.0, 0.0], &[0.0, 0.0]).is_ok());
    assert!(odd(&[1.0, 2.0], &[f64::NAN, 1e-300]).is_ok());
    assert!(odd(&[1e9, 1e9 + 1e-6], &[1e200, -1e200]).is_ok());
    assert_eq!(odd(&[], &[]), Err(ErrorKind::Argument));
    assert_eq!(odd(&[f64::NAN], &[1.0]), Err(ErrorKind::Argument));
    assert_eq!(odd(&[1.0], &[]), Err(ErrorKind::Shape));
}
