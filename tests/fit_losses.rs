//! Losses: robust ones against outliers, likelihoods, a loss that the program writes, covariance of the data; each optimiser.

mod fitting;

use fitting::{Random, close, complaint, fit, params, prepare, run, samples};
use ncg::fit::problem::Data;
use ncg::fit::statistics::Noise;

const LINE: &str = "(parameter a 1) (parameter b 0) (+ (* a x) b)";
const DECAY: &str = "(parameter a 1) (parameter r 0.3) (* a (exp (- (* r x))))";

/// A line with noise of 0.1 and every eighth observation far off.
fn spoilt() -> Data {
    let (mut random, mut i) = (Random(7), 0);
    samples(80, 0.0, 10.0, |x| {
        i += 1;
        let outlier = if i % 8 == 0 { 30.0 } else { 0.0 };
        2.0 * x - 1.0 + 0.1 * random.normal() + outlier
    })
}

#[test]
fn robust_losses_look_past_outliers() {
    let plain = params(&fit(LINE, spoilt(), &[]));
    assert!((plain[1] + 1.0).abs() > 1.0, "{plain:?}");
    for (loss, reach) in [
        ("huber", 0.2),
        ("soft_l1", 0.3),
        ("cauchy", 0.05),
        ("tukey", 0.05),
    ] {
        let settings = [("loss", loss), ("loss_scale", "0.3")];
        let fitter = fit(LINE, spoilt(), &settings);
        let got = params(&fitter);
        assert!(
            (got[0] - 2.0).abs() < reach && (got[1] + 1.0).abs() < reach,
            "{loss} {got:?}"
        );
        let report = fitter.report().unwrap();
        assert!(report.outcome.stop.converged());
        let error = report.std_error(0).unwrap();
        assert!(error > 1e-4 && error < 0.05, "{loss}: {error}");
        assert_eq!(report.to_json()["loss_kind"], loss);
        assert!(report.to_text().contains("loss scale"));
    }
}

/// At the optimum of a robust loss the influences are orthogonal to the columns: summed here from the definition of the losses.
#[test]
fn every_optimiser_finds_the_same_robust_optimum() {
    let data = spoilt();
    type Influence = fn(f64) -> f64;
    let cases: [(&str, Influence); 4] = [
        ("huber", |z| z.clamp(-1.0, 1.0)),
        ("soft_l1", |z| z / (1.0 + z * z).sqrt()),
        ("cauchy", |z| z / (1.0 + z * z)),
        ("tukey", |z| z * (1.0 - (z * z).min(1.0)).powi(2)),
    ];
    for (loss, influence) in cases {
        let mut found = Vec::new();
        for optimizer in ["levmar", "lbfgs"] {
            let settings = [
                ("loss", loss),
                ("loss_scale", "0.5"),
                ("optimizer", optimizer),
            ];
            let p = params(&fit(LINE, data.clone(), &settings));
            let sum = |column: &dyn Fn(usize) -> f64| -> f64 {
                let terms = (0..data.samples).map(|i| {
                    let residual = p[0] * data.x[i] + p[1] - data.y[i];
                    influence(residual / 0.5) * column(i)
                });
                terms.sum()
            };
            assert!(
                sum(&|_| 1.0).abs() < 1e-6 && sum(&|i| data.x[i]).abs() < 1e-5,
                "{loss} {optimizer} {p:?}"
            );
            found.push(p);
        }
        close(found[0][0], found[1][0], 1e-7);
    }
}

#[test]
fn a_robust_loss_asks_for_its_scale() {
    assert!(complaint(LINE, spoilt(), &[("loss", "huber")]).contains("loss_scale"));
    // known standard deviations give it
    let mut data = spoilt();
    data.weights = vec![100.0; 80];
    let fitter = fit(LINE, data, &[("loss", "huber"), ("noise", "known")]);
    assert_eq!(fitter.report().unwrap().context.loss.scale, 1.345);
}

#[test]
fn counts_are_fitted_by_their_likelihood() {
    let mut random = Random(11);
    let data = samples(200, 0.0, 6.0, |x| random.count(9.0 * (-0.4 * x).exp()));
    assert!(data.y.contains(&0.0));
    let mut found = Vec::new();
    for optimizer in ["levmar", "lbfgs"] {
        let fitter = fit(
            DECAY,
            data.clone(),
            &[("loss", "poisson"), ("optimizer", optimizer)],
        );
        let (p, report) = (params(&fitter), fitter.report().unwrap());
        // the score by both parameters, by hand
        let score = |slope: &dyn Fn(f64, f64) -> f64| -> f64 {
            let terms = data.x.iter().zip(&data.y).map(|(x, y)| {
                let f = p[0] * (-p[1] * x).exp();
                (y / f - 1.0) * slope(*x, f)
            });
            terms.sum()
        };
        assert!(score(&|_, f| f / p[0]).abs() < 1e-6 && score(&|x, f| x * f).abs() < 1e-5);
        // Fisher's information, by hand
        let info = |a: &dyn Fn(f64, f64) -> f64, b: &dyn Fn(f64, f64) -> f64| -> f64 {
            data.x
                .iter()
                .map(|x| (x, p[0] * (-p[1] * x).exp()))
                .map(|(x, f)| a(*x, f) * b(*x, f) / f)
                .sum()
        };
        let (da, dr) = (|_: f64, f: f64| f / p[0], |x: f64, f: f64| -x * f);
        let (aa, ar, rr) = (info(&da, &da), info(&da, &dr), info(&dr, &dr));
        close(
            report.std_error(0).unwrap(),
            (rr / (aa * rr - ar * ar)).sqrt(),
            1e-9,
        );
        close(
            report.std_error(1).unwrap(),
            (aa / (aa * rr - ar * ar)).sqrt(),
            1e-9,
        );
        found.push(p);
    }
    close(found[0][0], found[1][0], 1e-7);
    assert!((found[0][1] - 0.4).abs() < 0.1);
    let negative = samples(5, 0.0, 1.0, |_| -1.0);
    assert!(complaint(DECAY, negative, &[("loss", "poisson")]).contains("counts"));
}

#[test]
fn a_variance_is_fitted_with_the_mean() {
    let mut random = Random(3);
    let data = samples(300, 0.0, 5.0, |x| 1.5 * x + 2.0 + 0.7 * random.normal());
    let source = "(parameter a 1) (parameter b 0) (parameter s 1 1e-6 100) (list (+ (* a x) b) s)";
    let fitter = fit(source, data.clone(), &[("loss", "gaussian")]);
    let (p, report) = (params(&fitter), fitter.report().unwrap());
    let squares = fit(LINE, data.clone(), &[]);
    let (mean, loss) = (params(&squares), squares.outcome().unwrap().loss);
    close(p[0], mean[0], 1e-7);
    close(p[1], mean[1], 1e-7);
    // the likelihood is greatest at the root mean square of the residuals
    let rms = (loss / 300.0).sqrt();
    close(p[2], rms, 1e-7);
    close(report.std_error(2).unwrap(), rms / 600f64.sqrt(), 1e-6);
    close(
        report.goodness().aic.unwrap(),
        300.0 * ((std::f64::consts::TAU * rms * rms).ln() + 1.0) + 6.0,
        1e-9,
    );
    assert_eq!(report.context.optimizer, "lbfgs");
    assert!(
        complaint(
            source,
            data.clone(),
            &[("loss", "gaussian"), ("optimizer", "levmar")]
        )
        .contains("lbfgs")
    );
    assert!(complaint(LINE, data, &[("loss", "gaussian")]).contains("(list mean sd)"));
}

#[test]
fn a_program_writes_its_own_loss() {
    // minus the log likelihood of Laplace's distribution, smoothed; the observations are an input
    let mut random = Random(5);
    let line = samples(60, 0.0, 4.0, |x| 3.0 * x - 2.0 + 0.2 * random.normal());
    let source = "(input x) (input y) (parameter a 1) (parameter b 0) (sqrt (+ 0.01 (square (- y (+ (* a x) b)))))";
    let both = Data {
        samples: 60,
        x: [line.x.clone(), line.y.clone()].concat(),
        ..Data::default()
    };
    let fitter = fit(source, both.clone(), &[("loss", "value")]);
    let p = params(&fitter);
    let gradient = |column: &dyn Fn(usize) -> f64| -> f64 {
        let terms = (0..60).map(|i| {
            let r = line.y[i] - p[0] * line.x[i] - p[1];
            r / (0.01 + r * r).sqrt() * column(i)
        });
        terms.sum()
    };
    let left = (gradient(&|_| 1.0), gradient(&|i| line.x[i]));
    assert!(
        left.0.abs() < 1e-6 && left.1.abs() < 1e-6,
        "{left:?} {:?}",
        fitter.outcome()
    );
    // errors from the second derivatives
    let second = |a: usize| {
        (0..60)
            .map(|i| {
                let r = line.y[i] - p[0] * line.x[i] - p[1];
                0.01 / (0.01 + r * r).powf(1.5) * line.x[i].powi(a as i32)
            })
            .sum::<f64>()
    };
    let (h0, h1, h2) = (second(0), second(1), second(2));
    close(
        fitter.report().unwrap().std_error(0).unwrap(),
        (h0 / (h0 * h2 - h1 * h1)).sqrt(),
        1e-5,
    );
}

#[test]
fn a_covariance_of_the_data_is_generalised_least_squares() {
    let data = samples(12, 0.0, 3.0, |x| 2.0 * x + 1.0 + 0.3 * (9.0 * x).sin());
    // correlation falls with distance
    let n = data.samples;
    let entry = |i: usize, j: usize| 0.04 * 0.6f64.powi((i as i32 - j as i32).abs());
    let covariance: Vec<f64> = (0..n * n).map(|k| entry(k / n, k % n)).collect();
    for optimizer in ["levmar", "lbfgs"] {
        let mut fitter = prepare(LINE, data.clone(), &[("optimizer", optimizer)]).unwrap();
        fitter.set_covariance(&covariance).unwrap();
        run(&mut fitter).unwrap();
        // the inverse of such a covariance has three diagonals: b = (X' V X)^-1 X' V y by hand
        let rho: f64 = 0.6;
        let v = |i: usize, j: usize| {
            let scale = 1.0 / (0.04 * (1.0 - rho * rho));
            match i.abs_diff(j) {
                0 if i == 0 || i == n - 1 => scale,
                0 => scale * (1.0 + rho * rho),
                1 => -rho * scale,
                _ => 0.0,
            }
        };
        let form = |a: &dyn Fn(usize) -> f64, b: &dyn Fn(usize) -> f64| -> f64 {
            (0..n * n)
                .map(|k| a(k / n) * v(k / n, k % n) * b(k % n))
                .sum()
        };
        let (x, one, y) = (|i: usize| data.x[i], |_: usize| 1.0, |i: usize| data.y[i]);
        let (xx, xo, oo) = (form(&x, &x), form(&x, &one), form(&one, &one));
        let (xy, oy) = (form(&x, &y), form(&one, &y));
        let determinant = xx * oo - xo * xo;
        let got = params(&fitter);
        close(got[0], (oo * xy - xo * oy) / determinant, 1e-8);
        close(got[1], (xx * oy - xo * xy) / determinant, 1e-8);
        let report = fitter.report().unwrap();
        close(
            report.std_error(0).unwrap(),
            (oo / determinant).sqrt(),
            1e-9,
        );
        assert_eq!(report.noise, Noise::Known);
    }
    let mut fitter = prepare(LINE, data, &[]).unwrap();
    let refused = fitter.set_covariance(&[1.0]).unwrap_err().message;
    assert!(refused.contains("144 numbers"), "{refused}");
}

#[test]
fn schedules_targets_and_limits_stop_where_they_say() {
    let data = samples(40, 0.0, 4.0, |x| 3.0 * (-0.5 * x).exp());
    for schedule in ["cosine", "exponential"] {
        let settings = [
            ("optimizer", "adam"),
            ("schedule", schedule),
            ("learning_rate", "0.1"),
            ("max_iterations", "2000"),
        ];
        let fitter = fit(DECAY, data.clone(), &settings);
        close(params(&fitter)[0], 3.0, 1e-5);
    }
    for optimizer in ["levmar", "lbfgs", "adam"] {
        let settings = [
            ("optimizer", optimizer),
            ("target", "0.5"),
            ("learning_rate", "0.1"),
        ];
        let fitter = fit(DECAY, data.clone(), &settings);
        let outcome = fitter.outcome().unwrap();
        assert_eq!(outcome.stop, ncg::fit::Stop::Target, "{optimizer}");
        assert!(outcome.loss <= 0.5 && outcome.loss > 1e-6);
        let settings = [("optimizer", optimizer), ("max_evaluations", "4")];
        let fitter = fit(DECAY, data.clone(), &settings);
        let outcome = fitter.outcome().unwrap();
        assert_eq!(outcome.stop, ncg::fit::Stop::MaxEvaluations, "{optimizer}");
        assert!(
            outcome.evaluations <= 7,
            "{optimizer}: {}",
            outcome.evaluations
        );
        // a fit that was stopped has a whole report
        assert!(fitter.report().unwrap().std_error(0).is_some());
    }
}

#[test]
fn lbfgs_respects_bounds_and_goes_on_with_the_same_bits() {
    let data = samples(30, 0.0, 4.0, |x| 3.0 * (-0.5 * x).exp());
    let bounded = DECAY.replace("(parameter a 1)", "(parameter a 1 0 2.5)");
    let by = |optimizer: &str| fit(&bounded, data.clone(), &[("optimizer", optimizer)]);
    let (a, b) = (by("lbfgs"), by("levmar"));
    assert_eq!(params(&a)[0], 2.5);
    assert_eq!(a.outcome().unwrap().held, [true, false]);
    close(params(&a)[1], params(&b)[1], 1e-7);
    let whole = fit(DECAY, data.clone(), &[("optimizer", "lbfgs")]);
    close(params(&whole)[0], 3.0, 1e-7);
    let mut parts = prepare(
        DECAY,
        data,
        &[("optimizer", "lbfgs"), ("max_iterations", "2")],
    )
    .unwrap();
    while run(&mut parts).unwrap() == ncg::fit::Stop::MaxIterations {}
    assert_eq!(params(&parts), params(&whole));
}
