//! What a report says of a fit: intervals, profile likelihood, and which row and operation spoil a start.

mod fitting;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use fitting::{Random, samples};
use ncg::compile::Model;
use ncg::fit::Monitor;
use ncg::fit::fitter::Fitter;
use ncg::fit::problem::Data;
use ncg::fit::quantile::two_sided;
use ncg::fit::statistics::Noise;
use ncg::options::Options;

fn prepare(source: &str, data: Data, settings: &[(&str, &str)]) -> Fitter {
    let mut options = Options::new();
    options.set_str("engine", "native").unwrap();
    for (name, value) in settings {
        options.set(name, value).unwrap();
    }
    let model = Arc::new(Model::compile(source, &Options::new()).unwrap());
    let mut fitter = Fitter::new(model, &options).unwrap();
    let noise = fitter.noise();
    fitter.set_data(data, noise).unwrap();
    fitter
}

fn run(fitter: &mut Fitter) -> ncg::Result<()> {
    let never = AtomicBool::new(false);
    fitter.run(&mut Monitor::default(), &never).map(|_| ())
}

fn wavy(samples: usize, f: impl Fn(f64) -> f64) -> Data {
    let x: Vec<f64> = (0..samples).map(|i| 0.25 + i as f64 * 0.5).collect();
    let y = x.iter().map(|x| f(*x) + 0.1 * (37.0 * x).sin()).collect();
    Data {
        samples,
        x,
        y,
        ..Data::default()
    }
}

const LINE: &str = "(parameter a 1) (parameter b 0) (+ (* a x) b)";
const SATURATION: &str = "(parameter a 1) (parameter r 1) (* a (- 1 (exp (- (* r x)))))";

#[test]
fn intervals_reach_a_quantile_of_standard_errors() {
    let data = wavy(12, |x| 2.0 * x - 1.0);
    for (noise, degrees) in [("estimated", 10.0), ("known", f64::INFINITY)] {
        for confidence in ["0.95", "0.5"] {
            let settings = [("noise", noise), ("confidence", confidence)];
            let mut fitter = prepare(LINE, data.clone(), &settings);
            run(&mut fitter).unwrap();
            let report = fitter.report().unwrap();
            let reach = two_sided(confidence.parse().unwrap(), degrees);
            for i in 0..2 {
                let (value, error) = (report.outcome.params[i], report.std_error(i).unwrap());
                let [low, high] = report.interval(i).unwrap();
                assert!((high - low - 2.0 * reach * error).abs() < 1e-12 * error);
                assert!((0.5 * (high + low) - value).abs() < 1e-12);
            }
            let json = report.to_json();
            assert!(json["parameters"]["a"]["interval"][1].is_f64());
            assert!(json["parameters"]["a"]["profile"].is_null());
            assert!(report.to_text().contains("% interval"));
        }
    }
    let mut options = Options::new();
    options.set_real("confidence", 1.5).unwrap();
    let model = Arc::new(Model::compile(LINE, &Options::new()).unwrap());
    let refused = Fitter::new(model, &options).err().unwrap();
    assert!(refused.message.contains("between 0 and 1"));
}

#[test]
fn the_profile_of_a_linear_model_is_its_symmetric_interval() {
    let data = wavy(15, |x| 2.0 * x - 1.0);
    let mut fitter = prepare(LINE, data, &[("profile", "true")]);
    run(&mut fitter).unwrap();
    let report = fitter.report().unwrap();
    for (i, ends) in report.profiles.as_ref().unwrap().iter().enumerate() {
        let error = report.std_error(i).unwrap();
        for (end, wanted) in ends.iter().zip(report.interval(i).unwrap()) {
            assert!((end.unwrap() - wanted).abs() < 1e-6 * error);
        }
    }
}

/// At an end of a profile interval the best fit of the other parameters has the loss that the quantile allows; that fit is made
/// here from a model in which the parameter is a number.
#[test]
fn the_profile_of_a_curved_model_ends_where_the_loss_says() {
    let data = wavy(14, |x| 3.0 * (1.0 - (-0.2 * x).exp()));
    let mut fitter = prepare(SATURATION, data.clone(), &[("profile", "true")]);
    run(&mut fitter).unwrap();
    let report = fitter.report().unwrap();
    let profiles = report.profiles.clone().unwrap();
    let allowed = report.quantile().unwrap().powi(2) * report.outcome.loss / 12.0;
    for (i, other) in [(0, "r"), (1, "a")] {
        let [low, high] = profiles[i].map(Option::unwrap);
        let best = report.outcome.params[i];
        assert!(low < best && best < high);
        // the interval leans to the side on which the data say less
        assert!((high - best) / (best - low) > 1.001 || (high - best) / (best - low) < 0.999);
        for end in [low, high] {
            let name = if i == 0 { "a" } else { "r" };
            let source = SATURATION.replace(
                &format!("(parameter {name} 1)"),
                &format!("(define {name} {end:?})"),
            );
            let mut fixed = prepare(&source, data.clone(), &[]);
            run(&mut fixed).unwrap();
            assert_eq!(&*fixed.names()[0], other);
            let rise = fixed.outcome().unwrap().loss - report.outcome.loss;
            assert!((rise / allowed - 1.0).abs() < 1e-5, "{rise} {allowed}");
        }
    }
    let text = report.to_text();
    assert!(text.contains("profile likelihood, 95 %"), "{text}");
    assert!(report.to_json()["parameters"]["a"]["profile"][0].is_f64());
}

/// Where no residual reaches the scale a robust loss is squares, and its profile the interval.
#[test]
fn robust_losses_have_profiles() {
    let mut random = Random(4);
    let data = samples(60, 0.0, 3.0, |x| 1.0 + 2.0 * x + 0.1 * random.normal());
    for (loss, tolerance) in [("huber", 0.1), ("cauchy", 0.15)] {
        let settings = [("loss", loss), ("loss_scale", "0.2"), ("profile", "true")];
        let mut fitter = prepare(LINE, data.clone(), &settings);
        run(&mut fitter).unwrap();
        let report = fitter.report().unwrap();
        for (i, ends) in report.profiles.as_ref().unwrap().iter().enumerate() {
            let [low, high] = report.interval(i).unwrap();
            let half = 0.5 * (high - low);
            assert!(
                (ends[0].unwrap() - low).abs() < tolerance * half,
                "{loss} {ends:?} {low}"
            );
            assert!(
                (ends[1].unwrap() - high).abs() < tolerance * half,
                "{loss} {ends:?} {high}"
            );
        }
    }
}

#[test]
fn a_profile_that_a_bound_ends_is_left_open() {
    let data = wavy(14, |x| 3.0 * (1.0 - (-0.2 * x).exp()));
    let source = SATURATION.replace("(parameter r 1)", "(parameter r 0.2 0 0.21)");
    let mut fitter = prepare(
        &source,
        data,
        &[("profile", "true"), ("confidence", "0.9999999")],
    );
    run(&mut fitter).unwrap();
    let report = fitter.report().unwrap();
    let [low, high] = report.profiles.as_ref().unwrap()[1];
    assert!(high.is_none(), "{low:?} {high:?}");
    assert!(report.to_text().contains("...]"));
}

fn complaint(source: &str, data: Data) -> String {
    run(&mut prepare(source, data, &[])).unwrap_err().message
}

#[test]
fn the_first_bad_row_is_named_with_the_operation_that_failed() {
    let mut data = wavy(9, |x| x);
    data.x[6] = -3e-5;
    let has = |source: &str, data: &Data, words: &[&str]| {
        let message = complaint(source, data.clone());
        for word in words {
            assert!(message.contains(word), "{message}: no {word}");
        }
    };
    has(
        "(parameter k 2) (* k (log x))",
        &data,
        &["row 6", "NaN", "log of -3e-5"],
    );
    has(
        "(parameter k 2) (if (< x 0) (* k (sqrt x)) k)",
        &data,
        &["row 6", "sqrt of -3e-5"],
    );
    // inside a loop, and behind finite detours
    let source = "(parameter k 2) (let loop ((i 0) (s 0)) (if (>= i x) (+ s (* k (/ 1 (- i 6)))) (loop (+ i 1) (+ s 1))))";
    let mut counts = wavy(9, |x| x);
    counts.x = (0..9).map(f64::from).collect();
    has(source, &counts, &["row 6", "inf", "(/ 1 0)"]);
    // a derivative alone
    has(
        "(parameter k 0) (sqrt (* k x))",
        &counts,
        &["derivative", "\"k\"", "by", "(/ "],
    );
    data.lines = (0..9).map(|i| 10 + i).collect();
    has("(parameter k 2) (* k (log x))", &data, &["line 16"]);
    let fine = wavy(9, |x| x);
    let mut fitter = prepare("(parameter k 2) (* k (log x))", fine, &[]);
    fitter.set_data(wavy(9, |x| x), Noise::Known).unwrap();
    run(&mut fitter).unwrap();
}
