//! Fits of compiled models from start to report: certified values on both engines, weights and known noise, bounds, fits
//! that go on, several outputs, and the fitted values in the model.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ncg::compile::Model;
use ncg::fit::fitter::Fitter;
use ncg::fit::problem::Data;
use ncg::fit::statistics::Noise;
use ncg::fit::{Monitor, Stop};
use ncg::graph::PortKind;
use ncg::options::Options;

fn options(settings: &[(&str, &str)]) -> Options {
    let mut options = Options::new();
    for (name, value) in settings {
        options.set(name, value).unwrap();
    }
    options
}

fn model(source: &str) -> Arc<Model> {
    Arc::new(Model::compile(source, &Options::new()).unwrap())
}

fn fit(source: &str, data: Data, settings: &[(&str, &str)]) -> Fitter {
    let mut fitter = Fitter::new(model(source), &options(settings)).unwrap();
    let noise = fitter.noise();
    fitter.set_data(data, noise).unwrap();
    fitter
        .run(&mut Monitor::default(), &AtomicBool::new(false))
        .unwrap();
    fitter
}

fn line(samples: usize, f: impl Fn(f64) -> f64) -> Data {
    let x: Vec<f64> = (0..samples).map(|i| 0.25 + i as f64 * 0.125).collect();
    let y = x.iter().map(|x| f(*x)).collect();
    Data {
        samples,
        x,
        y,
        weights: vec![],
        ..Data::default()
    }
}

/// The observations of a problem of NIST: y and x.
fn nist(name: &str) -> Data {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/nist/{name}.dat"));
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().skip(60).filter(|line| !line.trim().is_empty());
    let rows: Vec<Vec<f64>> = rows
        .map(|line| {
            line.split_whitespace()
                .map(|w| w.parse().unwrap())
                .collect()
        })
        .collect();
    Data {
        samples: rows.len(),
        x: rows.iter().map(|row| row[1]).collect(),
        y: rows.iter().map(|row| row[0]).collect(),
        weights: vec![],
        ..Data::default()
    }
}

fn close(got: f64, wanted: f64, tolerance: f64) {
    assert!(
        (got - wanted).abs() <= tolerance * wanted.abs(),
        "{got} is not {wanted}"
    );
}

const MISRA: &str = "(parameter b1 500) (parameter b2 0.0001) (* b1 (- 1 (exp (- (* b2 x)))))";

#[test]
fn certified_values_on_both_engines() {
    for engine in ["native", "onnxruntime"] {
        if engine == "onnxruntime" && ncg::engine::ort::probe(None).is_err() {
            assert!(
                std::env::var_os("NCG_REQUIRE_ALL").is_none(),
                "no ONNX Runtime"
            );
            println!("skipped: no ONNX Runtime");
            continue;
        }
        let fitter = fit(MISRA, nist("Misra1a"), &[("engine", engine)]);
        let report = fitter.report().unwrap();
        let statistics = report.statistics.as_ref().unwrap();
        for (got, wanted) in report
            .outcome
            .params
            .iter()
            .zip([2.3894212918e2, 5.5015643181e-4])
        {
            close(*got, wanted, 1e-10);
        }
        for (got, wanted) in statistics
            .std_errors
            .iter()
            .zip([2.7070075241, 7.2668688436e-6])
        {
            close(got.unwrap(), wanted, 1e-8);
        }
        close(report.outcome.loss, 1.2455138894e-1, 1e-10);
        close(statistics.residual_sd.unwrap(), 1.0187876330e-1, 1e-10);
        assert!(report.outcome.stop.converged());
        assert!(report.engine.starts_with(engine));
    }
}

#[test]
fn single_precision_and_adam_come_near() {
    let single = fit(
        MISRA,
        nist("Misra1a"),
        &[("engine", "native"), ("dtype", "f32")],
    );
    close(single.outcome().unwrap().params[0], 2.3894212918e2, 1e-3);
    let data = line(40, |x| 3.0 * x - 1.0);
    let adam = fit(
        "(parameter a 1) (parameter b 0) (+ (* a x) b)",
        data,
        &[("optimizer", "adam"), ("learning_rate", "0.1")],
    );
    let outcome = adam.outcome().unwrap();
    close(outcome.params[0], 3.0, 1e-6);
    close(outcome.params[1], -1.0, 1e-6);
    assert!(adam.report().unwrap().statistics.is_some());
}

#[test]
fn weights_count_and_known_noise_fixes_the_errors() {
    let mut data = line(30, |x| 2.0 * x + 0.01 * (37.0 * x).sin());
    data.weights = (0..30).map(|i| 1.0 + (i % 3) as f64).collect();
    let source = "(parameter k 1) (* k x)";
    // by hand: k = Σ w x y / Σ w x², and its variance is s² / Σ w x²
    let sum = |f: &dyn Fn(usize) -> f64| (0..30).map(|i| data.weights[i] * f(i)).sum::<f64>();
    let xx = sum(&|i| data.x[i] * data.x[i]);
    let k = sum(&|i| data.x[i] * data.y[i]) / xx;
    let squares = sum(&|i| (data.y[i] - k * data.x[i]).powi(2));
    let error = |settings: &[(&str, &str)]| {
        let fitter = fit(source, data.clone(), settings);
        close(fitter.outcome().unwrap().params[0], k, 1e-13);
        fitter.report().unwrap().statistics.unwrap().std_errors[0].unwrap()
    };
    close(error(&[]), (squares / 29.0 / xx).sqrt(), 1e-10);
    close(error(&[("noise", "known")]), (1.0 / xx).sqrt(), 1e-10);
}

#[test]
fn bounds_hold_and_a_parameter_alone_may_move() {
    let data = line(20, |x| 3.0 * x + 1.0);
    let source = "(parameter a 1 0 2) (parameter b 0) (+ (* a x) b)";
    let fitter = fit(source, data.clone(), &[]);
    let report = fitter.report().unwrap();
    assert_eq!(report.outcome.params[0], 2.0);
    assert_eq!(report.outcome.held, [true, false]);
    assert_eq!(report.statistics.unwrap().std_errors[0], None);

    let mut fitter = Fitter::new(model(source), &Options::new()).unwrap();
    fitter
        .add_parameter("b", 5.0, f64::NEG_INFINITY, f64::INFINITY)
        .unwrap();
    let message = |result: ncg::Result<()>| result.unwrap_err().message;
    assert!(message(fitter.add_parameter("b", 5.0, 0.0, 9.0)).contains("\"b\""));
    assert!(message(fitter.add_parameter("bb", 5.0, 0.0, 9.0)).contains("did you mean"));
    assert!(message(fitter.add_parameter("a", 5.0, 9.0, 0.0)).contains("\"a\""));
    fitter.set_data(data, Noise::Estimated).unwrap();
    fitter
        .run(&mut Monitor::default(), &AtomicBool::new(false))
        .unwrap();
    // a stays 1, so b is the mean of 3x + 1 - x
    let outcome = fitter.outcome().unwrap();
    assert_eq!(outcome.params.len(), 1);
    close(
        outcome.params[0],
        1.0 + 2.0 * (0.25 + 19.0 * 0.125 / 2.0),
        1e-13,
    );
}

#[test]
fn a_fit_that_goes_on_gives_the_same_bits() {
    let whole = fit(MISRA, nist("Misra1a"), &[("engine", "native")]);
    let mut parts = Fitter::new(
        model(MISRA),
        &options(&[("engine", "native"), ("max_iterations", "3")]),
    )
    .unwrap();
    parts.set_data(nist("Misra1a"), Noise::Estimated).unwrap();
    let mut stops = Vec::new();
    while stops.last() != Some(&true) && stops.len() < 100 {
        let stop = parts
            .run(&mut Monitor::default(), &AtomicBool::new(false))
            .unwrap();
        stops.push(stop != Stop::MaxIterations);
    }
    assert!(stops.len() > 2);
    let bits = |fitter: &Fitter| {
        fitter
            .outcome()
            .unwrap()
            .params
            .iter()
            .map(|p| p.to_bits())
            .collect::<Vec<_>>()
    };
    assert_eq!(bits(&whole), bits(&parts));
}

#[test]
fn several_outputs_are_fitted_together_and_baked() {
    let source = "(parameter a 1) (parameter w 1 0 10) (list (* a x) (+ a (* w x)))";
    let x: Vec<f64> = (1..=12).map(f64::from).collect();
    let y = x
        .iter()
        .map(|x| 2.5 * x)
        .chain(x.iter().map(|x| 2.5 + 0.5 * x))
        .collect();
    let fitter = fit(
        source,
        Data {
            samples: 12,
            x,
            y,
            weights: vec![],
            ..Data::default()
        },
        &[],
    );
    let baked = fitter.bake().unwrap();
    let read = ncg::ncg::read(&ncg::ncg::write(&baked).unwrap(), &Options::new()).unwrap();
    assert_eq!(read.graph.ports, baked.graph.ports);
    assert!(read.fit.as_deref().unwrap().contains("\"std_error\""));
    for (port, wanted) in read
        .graph
        .ports
        .iter()
        .filter(|port| port.is_parameter())
        .zip([2.5, 0.5])
    {
        let PortKind::Parameter { initial, .. } = port.kind else {
            unreachable!()
        };
        close(initial, wanted, 1e-12);
    }
}

#[test]
fn what_cannot_be_fitted_says_why() {
    let start = |source: &str, data: Option<Data>| {
        let mut fitter = Fitter::new(model(source), &Options::new())?;
        if let Some(data) = data {
            fitter.set_data(data, Noise::Estimated)?;
        }
        fitter
            .run(&mut Monitor::default(), &AtomicBool::new(false))
            .map(|_| ())
    };
    let message = |source: &str, data: Option<Data>| start(source, data).unwrap_err().message;
    let data = || Some(line(5, |x| x));
    assert!(message("(* 2 x)", data()).contains("no parameter"));
    assert!(message("(parameter k 1) (* k x)", None).contains("no data"));
    assert!(message("(parameter k 1) (* k x y)", data()).contains("2 inputs"));
    assert!(message("(parameter k -1) (log (* k x))", data()).contains("row 0"));
    let empty = Data {
        samples: 0,
        ..Data::default()
    };
    assert!(message("(parameter k 1) (* k x)", Some(empty)).contains("at least one sample"));
}

#[test]
fn the_table_of_options_gives_the_optimisers_defaults() {
    let (options, settings) = (Options::new(), ncg::fit::Settings::default());
    let given =
        ["gtol", "ftol", "xtol", "learning_rate", "max_seconds"].map(|name| options.real(name));
    let wanted = [
        settings.gtol,
        settings.ftol,
        settings.xtol,
        settings.learning_rate,
        settings.max_seconds,
    ];
    assert_eq!(given, wanted);
    let limits = format!(
        "({}, Adam {})",
        ncg::fit::levmar::MAX_ITERATIONS,
        ncg::fit::adam::MAX_ITERATIONS
    );
    assert!(
        ncg::options::find("max_iterations")
            .unwrap()
            .description
            .contains(&limits),
        "{limits}"
    );
}
