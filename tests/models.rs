//! The example models with data of their own, each in two forms, `NAME.scm` by recursion and `NAME-loop.scm` by loops: against
//! the values that examples/models/generate.py wrote, against differences, against each other, and fitted.
//!
//! `cargo test --release --test models -- --nocapture` shows the fits.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ncg::compile::Model;
use ncg::fit::Monitor;
use ncg::fit::fitter::Fitter;
use ncg::fit::problem::Data;
use ncg::graph::PortKind;
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};

/// A model, its data, and the constants that the data were made with.
struct Example {
    name: String,
    model: Arc<Model>,
    /// Names of the parameters.
    names: Vec<String>,
    data: Data,
    /// The values without noise.
    exact: Vec<f64>,
    truth: Vec<f64>,
}

/// What an engine makes of an example at the true constants.
#[derive(Debug, PartialEq)]
struct Bits {
    values: Vec<u64>,
    by_inputs: Vec<u64>,
    by_parameters: Vec<u64>,
}

fn file(name: &str) -> String {
    let path = format!("{}/examples/models/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn example(name: &str, form: &str) -> Example {
    let model = Model::compile(&file(&format!("{name}{form}.scm")), &Options::new())
        .unwrap_or_else(|error| panic!("{name}{form}: {error}"));
    let ports = &model.graph.ports;
    let named = |places: Vec<usize>| -> Vec<String> {
        let names = places.iter().map(|place| ports[*place].name.to_string());
        names.collect()
    };
    let (inputs, names) = (named(model.graph.inputs()), named(model.graph.parameters()));

    let text = file(&format!("{name}.csv"));
    let mut lines = text.lines();
    let header = format!("{},y,exact", inputs.join(","));
    assert_eq!(lines.next(), Some(header.as_str()), "{name}{form}");
    let rows: Vec<Vec<f64>> = lines
        .map(|line| {
            line.split(',')
                .map(|field| field.parse().unwrap())
                .collect()
        })
        .collect();
    let column = |place: usize| rows.iter().map(|row| row[place]).collect::<Vec<f64>>();
    let truth: serde_json::Value = serde_json::from_str(&file("truth.json")).unwrap();
    Example {
        data: Data {
            samples: rows.len(),
            x: (0..inputs.len()).flat_map(column).collect(),
            y: column(inputs.len()),
            weights: vec![],
            ..Data::default()
        },
        exact: column(inputs.len() + 1),
        truth: names
            .iter()
            .map(|constant| truth[name][constant].as_f64().unwrap())
            .collect(),
        name: format!("{name}{form}"),
        model: Arc::new(model),
        names,
    }
}

fn engines() -> Vec<&'static str> {
    match ncg::engine::ort::probe(None) {
        Ok(_) => vec!["native", "onnxruntime"],
        Err(_) => {
            assert!(
                std::env::var_os("NCG_REQUIRE_ALL").is_none(),
                "no ONNX Runtime"
            );
            vec!["native"]
        }
    }
}

/// A session; a model that stays general has one engine.
fn session(example: &Example, engine: &str) -> Session<f64> {
    let engine = match example.model.is_numeric() {
        true => engine,
        false => "tagged",
    };
    let mut options = Options::new();
    options.set("engine", engine).unwrap();
    Session::new(example.model.clone(), &options).unwrap()
}

fn values(session: &mut Session<f64>, example: &Example, constants: &[f64]) -> Vec<f64> {
    let Data { samples, x, .. } = &example.data;
    let mut y = vec![0.0; *samples];
    session
        .eval(
            *samples,
            &Strided::columns(x, *samples),
            Some(constants),
            &mut StridedMut::new(&mut y, *samples, 1, 1, 1).unwrap(),
            None,
        )
        .unwrap();
    y
}

/// The derivative of the sum of the values by a parameter, by differences over five points: of some widths, the one whose
/// result differs least from that of the next.
fn difference(session: &mut Session<f64>, example: &Example, place: usize) -> f64 {
    let mut sum = |offset: f64| {
        let mut constants = example.truth.clone();
        constants[place] += offset;
        values(session, example, &constants).iter().sum::<f64>()
    };
    let widths =
        [1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5].map(|width| width * example.truth[place].abs());
    let slopes =
        widths.map(|h| (sum(-2.0 * h) - 8.0 * sum(-h) + 8.0 * sum(h) - sum(2.0 * h)) / (12.0 * h));
    let pairs = slopes
        .windows(2)
        .map(|pair| ((pair[0] - pair[1]).abs(), pair[1]));
    pairs.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1
}

/// Values against the exact ones, gradients against differences.
fn evaluate(example: &Example, engine: &str) -> Bits {
    let session = &mut session(example, engine);
    let Data { samples, x, .. } = &example.data;
    let inputs = x.len() / samples;
    let (mut y, mut dx) = (vec![0.0; *samples], vec![0.0; x.len()]);
    let mut dp = vec![0.0; example.truth.len()];
    session
        .gradient(
            *samples,
            &Strided::columns(x, *samples),
            Some(&example.truth),
            None,
            Gradient {
                y: Some(&mut StridedMut::new(&mut y, *samples, 1, 1, 1).unwrap()),
                dx: Some(&mut StridedMut::new(&mut dx, *samples, inputs, 1, *samples).unwrap()),
                dp: Some(&mut dp),
            },
            None,
        )
        .unwrap();
    let plain = values(session, example, &example.truth);
    for (row, (got, wanted)) in plain.iter().zip(&example.exact).enumerate() {
        assert!(
            (got - wanted).abs() <= 1e-10 * wanted.abs(),
            "{} on {engine}, row {row}: {got} is not {wanted}",
            example.name
        );
    }
    for (place, got) in dp.iter().enumerate() {
        let wanted = difference(session, example, place);
        assert!(
            (got - wanted).abs() <= 1e-6 * wanted.abs(),
            "{} on {engine}, derivative by {}: {got} is not {wanted}",
            example.name,
            example.names[place]
        );
    }
    assert!(dx.iter().all(|slope| slope.is_finite()), "{}", example.name);
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect();
    assert_eq!(bits(&plain), bits(&y) as Vec<u64>, "{}", example.name);
    Bits {
        values: bits(&y),
        by_inputs: bits(&dx),
        by_parameters: bits(&dp),
    }
}

/// The fit from the model's own start, with the settings as they come.
fn fit(example: &Example) {
    let mut fitter = Fitter::new(example.model.clone(), &Options::new()).unwrap();
    let noise = fitter.noise();
    fitter.set_data(example.data.clone(), noise).unwrap();
    fitter
        .run(&mut Monitor::default(), &AtomicBool::new(false))
        .unwrap();
    let report = fitter.report().unwrap();
    assert!(report.outcome.stop.converged(), "{}", report.to_text());
    let errors = &report.statistics.as_ref().unwrap().std_errors;
    println!(
        "{}: {} samples, {} iterations, {:.0} ms",
        example.name,
        example.data.samples,
        report.outcome.iterations,
        1e3 * report.outcome.seconds
    );
    for (place, name) in example.names.iter().enumerate() {
        let PortKind::Parameter {
            initial,
            lower,
            upper,
        } = example.model.graph.ports[example.model.graph.parameters()[place]].kind
        else {
            unreachable!()
        };
        let (found, truth) = (report.outcome.params[place], example.truth[place]);
        let error = errors[place].unwrap_or_else(|| panic!("{}", report.to_text()));
        println!(
            "  {name:12} start {initial:<8} truth {truth:<10} found {found:<20} +- {error:.2e}"
        );
        assert!(lower < truth && truth < upper && lower < initial && initial < upper);
        assert!(
            (initial - truth).abs() > 4.0 * error,
            "{name} starts at its truth"
        );
        assert!(
            (found - truth).abs() <= 4.0 * error,
            "{name}: {}",
            report.to_text()
        );
        assert!(
            (found - truth).abs() <= 0.05 * truth.abs(),
            "{name}: {}",
            report.to_text()
        );
    }
}

fn by_recursion(name: &str) {
    let example = example(name, "");
    for engine in engines() {
        evaluate(&example, engine);
    }
    fit(&example);
}

fn by_loops(name: &str) {
    let (recursive, looped) = (example(name, ""), example(name, "-loop"));
    for engine in engines() {
        let (looped, other) = (evaluate(&looped, engine), evaluate(&recursive, engine));
        if recursive.model.is_numeric() {
            let message = "the two forms differ in their bits";
            assert!(looped == other, "{name} on {engine}: {message}");
            continue;
        }
        // recursion whose depth hangs on data has an engine of its own, which adds derivatives up in another order
        if engine == "native" {
            assert_eq!(looped.values, other.values, "{name}");
        }
        for (a, b) in [
            (&looped.by_inputs, &other.by_inputs),
            (&looped.by_parameters, &other.by_parameters),
        ] {
            let largest = a.iter().map(|bits| f64::from_bits(*bits).abs());
            let largest = largest.fold(0.0, f64::max);
            for (a, b) in a.iter().zip(b) {
                let difference = (f64::from_bits(*a) - f64::from_bits(*b)).abs();
                assert!(difference <= 1e-12 * largest, "{name} on {engine}");
            }
        }
    }
    fit(&looped);
}

macro_rules! models {
    ($check:ident: $($test:ident $name:literal,)*) => {
        mod $check {
            $(#[test] fn $test() { super::$check($name) })*

            pub(super) const NAMES: &[&str] = &[$($name),*];
        }
    };
}

models! { by_recursion:
    carbon_cycle "carbon-cycle",
    continued_fraction "continued-fraction",
    damped_pendulum "damped-pendulum",
    decay_chain "decay-chain",
    heat_equation "heat-equation",
    horner "horner",
    iir_filter "iir-filter",
    kalman_filter "kalman-filter",
    logistic_map "logistic-map",
    lotka_volterra "lotka-volterra",
    moving_averages "moving-averages",
    newton_sqrt "newton-sqrt",
    sir "sir",
    taylor_series "taylor-series",
}

models! { by_loops:
    carbon_cycle "carbon-cycle",
    continued_fraction "continued-fraction",
    damped_pendulum "damped-pendulum",
    decay_chain "decay-chain",
    heat_equation "heat-equation",
    horner "horner",
    iir_filter "iir-filter",
    kalman_filter "kalman-filter",
    logistic_map "logistic-map",
    lotka_volterra "lotka-volterra",
    moving_averages "moving-averages",
    newton_sqrt "newton-sqrt",
    sir "sir",
    taylor_series "taylor-series",
}

#[test]
fn every_model_with_data_is_tested() {
    let truth: serde_json::Value = serde_json::from_str(&file("truth.json")).unwrap();
    let mut names: Vec<&str> = truth
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort();
    assert_eq!(names, by_recursion::NAMES);
    assert_eq!(names, by_loops::NAMES);
    let folder = format!("{}/examples/models", env!("CARGO_MANIFEST_DIR"));
    let tables = std::fs::read_dir(folder).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let table = path.extension().is_some_and(|extension| extension == "csv");
        table.then(|| path.file_stem().unwrap().to_str().unwrap().to_string())
    });
    let mut tables: Vec<String> = tables.collect();
    tables.sort();
    assert_eq!(tables, names);
}
