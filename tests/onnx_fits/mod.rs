//! Files for populations and whole fits, with what separate runs and fits of the library give.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ncg::compile::Model;
use ncg::fit::fitter::Fitter;
use ncg::fit::problem::Data;
use ncg::fit::{Monitor, Stop};
use ncg::grad;
use ncg::graph::{Graph, PortKind};
use ncg::onnx::proto::tensor_shape_proto::dimension;
use ncg::onnx::proto::{ValueInfoProto, type_proto};
use ncg::onnx::{decode, write};
use ncg::options::Options;
use ncg::session::Strided;
use serde_json::{Map, Value as Json, json};

use crate::plain;

const MEMBERS: usize = 4;
const SAMPLES: usize = 6;

fn dims(info: &ValueInfoProto) -> usize {
    match info.r#type.as_ref().and_then(|ty| ty.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => {
            let dims = &tensor.shape.as_ref().unwrap().dim;
            let last = dims.last().and_then(|dim| dim.value.as_ref());
            assert_eq!(dims.len(), 2, "{}", info.name());
            match last {
                Some(dimension::Value::DimValue(1)) => 1,
                _ => SAMPLES,
            }
        }
        _ => unreachable!(),
    }
}

fn save(folder: &Path, name: &str, bytes: &[u8], case: Map<String, Json>) {
    fs::write(folder.join(format!("{name}.onnx")), bytes).unwrap();
    let case = Json::from(case).to_string();
    fs::write(folder.join(format!("{name}.json")), case).unwrap();
}

fn options(settings: &[(&'static str, &str)]) -> Options {
    let mut options = Options::new();
    for (name, value) in settings {
        options.set(name, value).unwrap();
    }
    options
}

/// What decides structure in these programs: nothing, samples, parameters, both.
const PROGRAMS: &[(&str, &str)] = &[
    ("plain", "(input x) (parameter k 2.0) (parameter a 0.5) (* a (exp (* (- k) x)))"),
    ("constant", "(input x) (parameter k 2.0) (list (* k k) x 3 (> x 1) (> k 1))"),
    ("choice", "(input x) (parameter k 2.0) (if (> (* k x) 1) (log (* k x)) (if (> k 1) (* x x) k))"),
    ("counted", "(input x) (parameter k 2.0) (let loop ((i 0) (y x)) (if (= i 5) y (loop (+ i 1) (+ (* k y (- 1 y)) (* 0.1 k)))))"),
    ("by-parameter", "(input x) (parameter k 2.0) (let loop ((s 0.0) (y x)) (if (> s 2) y (loop (+ s k) (+ (* 0.5 y) (sin (* k x))))))"),
    ("by-sample", "(input x) (parameter k 2.0) (let loop ((y x) (n 0)) (if (> y 3) (+ y (* 0.01 n)) (loop (* 1.25 y) (+ n k))))"),
    ("by-both", "(input x) (parameter k 2.0) (let loop ((y x)) (if (> y 3) y (loop (* y (+ 1.1 (* k k))))))"),
    (
        "nested",
        "(input x) (parameter k 2.0)
         (let outer ((y x) (s 0.0))
           (if (> y 2)
               s
               (outer (* 1.4 y)
                      (+ s (let inner ((t k) (z y)) (if (> t 1.5) (* t z) (inner (* t 1.3) (+ z (* 0.1 t)))))))))",
    ),
    (
        "parameters-around-samples",
        "(input x) (parameter k 2.0)
         (let outer ((t k) (s 0.0))
           (if (> t 1.6)
               s
               (outer (* t 1.2)
                      (+ s (* t (let inner ((z x)) (if (> z 1.5) z (inner (* z 1.3)))))))))",
    ),
];

/// The value of a port: parameters by member, inputs by sample.
fn value(port: usize, place: usize) -> f64 {
    0.45 + 0.17 * place as f64 + 0.05 * port as f64
}

/// Populations of `MEMBERS`, of `more` programs too: values, gradients and Jacobians against runs one by one.
pub fn write_populations(folder: &Path, more: &[(&str, &str)]) {
    for (name, source) in PROGRAMS.iter().chain(more) {
        let model = Model::compile(source, &Options::new()).unwrap();
        let graph = &model.graph;
        let all: Vec<usize> = (0..graph.ports.len()).collect();
        for kind in ["none", "vjp", "jacobian", "loss"] {
            let derived = match kind {
                "vjp" => grad::vjp(graph, &all),
                "jacobian" => grad::jacobian(graph, &all),
                "loss" => grad::training(graph, &graph.parameters()),
                _ => graph.clone(),
            };
            let settings = [("gradient", kind), ("population", "true")];
            let bytes = write(&model, &options(&settings)).unwrap();
            population(
                folder,
                &format!("population-{name}-{kind}"),
                graph,
                &derived,
                &bytes,
            );
        }
    }
}

fn population(folder: &Path, name: &str, graph: &Graph, derived: &Graph, bytes: &[u8]) {
    let proto = decode(bytes).unwrap().graph.unwrap();
    let seeded =
        |port: usize| port >= graph.ports.len() && derived.ports[port].name.starts_with("seed.");
    let seed = |member: usize, sample: usize| 0.3 + 0.2 * member as f64 - 0.1 * sample as f64;
    let mut inputs = Map::new();
    for (i, (port, info)) in derived.ports.iter().zip(&proto.input).enumerate() {
        let given = match port.kind {
            PortKind::Parameter { .. } => (0..MEMBERS).map(|m| json!([value(i, m)])).collect(),
            PortKind::Input if seeded(i) => (0..MEMBERS)
                .map(|m| (0..SAMPLES).map(|s| seed(m, s)).collect::<Json>())
                .collect(),
            PortKind::Input => (0..SAMPLES).map(|s| json!(value(i, s))).collect(),
        };
        inputs.insert(info.name().into(), Json::Array(given));
    }
    let runs: Vec<Vec<Vec<f64>>> = (0..MEMBERS)
        .map(|m| {
            let ports = derived.ports.iter().enumerate().map(|(i, port)| {
                let sample = |s: usize| match port.kind {
                    PortKind::Parameter { .. } => value(i, m),
                    PortKind::Input if seeded(i) => seed(m, s),
                    PortKind::Input => value(i, s),
                };
                (0..SAMPLES).map(sample).collect::<Vec<f64>>()
            });
            plain::evaluate(derived, SAMPLES, &ports.collect::<Vec<_>>())
        })
        .collect();
    let outputs = proto.output.iter().enumerate().map(|(o, info)| {
        let width = dims(info);
        let rows = runs.iter().map(|run| json!(run[o][..width]));
        (info.name().to_string(), rows.collect::<Json>())
    });
    let mut case = Map::new();
    case.insert("outputs".into(), outputs.collect::<Map<_, _>>().into());
    case.insert("inputs".into(), inputs.into());
    case.insert("tolerance".into(), json!(1e-11));
    // rows of two dimensions, which the way back over a loop of unknown length reads, are joined the wrong way
    let rows = ["by-", "nested", "around"]
        .iter()
        .any(|word| name.contains(word));
    if rows && !name.ends_with("none") {
        case.insert("reference".into(), json!(false));
    }
    save(folder, name, bytes, case);
}

/// One fit: a program, the truth that its data come from, its epochs and settings.
struct Case {
    name: &'static str,
    source: &'static str,
    truth: &'static [f64],
    epochs: u64,
    rate: f64,
    /// Multiplies the starts of the members.
    starts: &'static [f64],
}

const FITS: &[Case] = &[
    Case {
        name: "decay",
        source: "(input x) (parameter a 1.0) (parameter b 0.7) (* a (exp (* (- b) x)))",
        truth: &[2.0, 1.3],
        epochs: 60,
        rate: 0.05,
        starts: &[1.0, 0.6, 1.5],
    },
    // long enough to halve the rate, and to end before its limit
    Case {
        name: "line-to-its-end",
        source: "(input x) (parameter a 1.0) (parameter b 0.7) (+ a (* b x))",
        truth: &[2.0, 1.3],
        epochs: 4000,
        rate: 0.2,
        starts: &[1.0, 3.0],
    },
    // both bounds hold: the optimum lies outside
    Case {
        name: "bounds",
        source: "(input x) (parameter a 1.0 0.5 1.4) (parameter b 1.9 1.5 9.0) (* a (exp (* (- b) x)))",
        truth: &[2.0, 1.3],
        epochs: 80,
        rate: 0.1,
        starts: &[1.0, 0.8],
    },
    Case {
        name: "loop",
        source: "(input x) (parameter k 0.8) (let loop ((y x)) (if (> y 3) y (loop (* y (+ 1.1 (* k k))))))",
        truth: &[0.9],
        epochs: 25,
        rate: 0.01,
        starts: &[1.0, 1.05],
    },
    // steps into values that are not finite, and back
    Case {
        name: "not-finite",
        source: "(input x) (parameter a 0.2) (log (- (* a (+ x 1)) 0.1))",
        truth: &[0.4],
        epochs: 70,
        rate: 0.5,
        starts: &[1.0, 1.5],
    },
];

/// Whole fits, alone and as a population of starts, against Adam of the library on the native engine.
pub fn write_fits(folder: &Path) {
    for case in FITS {
        let model = Arc::new(Model::compile(case.source, &Options::new()).unwrap());
        let graph = &model.graph;
        let x: Vec<f64> = (0..SAMPLES).map(|s| value(0, s)).collect();
        let ports = graph
            .ports
            .iter()
            .enumerate()
            .map(|(i, port)| match port.kind {
                PortKind::Input => x.clone(),
                _ => vec![case.truth[i - 1]; SAMPLES],
            });
        let mut y = plain::evaluate(graph, SAMPLES, &ports.collect::<Vec<_>>()).remove(0);
        // a loss that stays above zero
        for (s, y) in y.iter_mut().enumerate() {
            *y += if s % 2 == 0 { 0.02 } else { -0.02 };
        }
        let epochs = case.epochs.to_string();
        let rate = case.rate.to_string();
        let settings = [
            ("engine", "native"),
            ("optimizer", "adam"),
            ("gradient", "fit"),
            ("max_iterations", &epochs),
            ("learning_rate", &rate),
            // before rounding decides when a fit ends
            ("gtol", "1e-6"),
        ];
        let found: Vec<Found> = case
            .starts
            .iter()
            .map(|factor| fit(&model, &x, &y, *factor, &options(&settings)))
            .collect();
        let data = |inputs: &mut Map<String, Json>| {
            inputs.insert("x".into(), json!(x));
            inputs.insert("target.value".into(), json!(y));
        };
        // rounding grows where a fit circles its optimum
        let tolerance = json!(1e-9);
        let reference = json!(case.epochs <= 100);

        let bytes = write(&model, &options(&settings)).unwrap();
        let mut inputs = Map::new();
        data(&mut inputs);
        let one = &found[0];
        let mut outputs = Map::new();
        for (port, value) in graph.parameters().iter().zip(&one.params) {
            outputs.insert(format!("fitted.{}", graph.ports[*port].name), json!(value));
        }
        outputs.insert("loss".into(), json!(one.loss));
        outputs.insert("iterations".into(), json!(one.iterations));
        outputs.insert("history".into(), json!(one.history));
        let case_of = |inputs: Map<String, Json>, outputs: Map<String, Json>| {
            let mut map = Map::new();
            map.insert("inputs".into(), inputs.into());
            map.insert("outputs".into(), outputs.into());
            map.insert("tolerance".into(), tolerance.clone());
            map.insert("reference".into(), reference.clone());
            map
        };
        save(
            folder,
            &format!("fit-{}", case.name),
            &bytes,
            case_of(inputs, outputs),
        );

        let mut settings = settings.to_vec();
        settings.push(("population", "true"));
        let bytes = write(&model, &options(&settings)).unwrap();
        let (mut inputs, mut outputs) = (Map::new(), Map::new());
        data(&mut inputs);
        let column = |of: &dyn Fn(&Found) -> Json| -> Json {
            found.iter().map(|found| json!([of(found)])).collect()
        };
        for (i, port) in graph.parameters().into_iter().enumerate() {
            let name = &graph.ports[port].name;
            let starts = column(&|found| json!(found.start[i]));
            // what has one start for all members can be left at its default
            if starts_differ(&found, i) {
                inputs.insert(name.to_string(), starts);
            }
            outputs.insert(
                format!("fitted.{name}"),
                column(&|found| json!(found.params[i])),
            );
        }
        outputs.insert("loss".into(), column(&|found| json!(found.loss)));
        outputs.insert(
            "iterations".into(),
            column(&|found| json!(found.iterations)),
        );
        let rows = found.iter().map(|found| found.history.len()).max().unwrap();
        let history = (0..rows).map(|row| -> Json {
            let at = |found: &Found| found.history.get(row).copied().unwrap_or(found.loss);
            found.iter().map(|found| json!(at(found))).collect()
        });
        outputs.insert("history".into(), history.collect());
        let name = format!("fit-{}-population", case.name);
        let mut case_of_all = case_of(inputs, outputs);
        if case.name == "loop" {
            // the way back over its loop reads rows of two dimensions
            case_of_all.insert("reference".into(), json!(false));
        }
        save(folder, &name, &bytes, case_of_all);
    }
}

/// Whether members start from different values of a parameter.
fn starts_differ(found: &[Found], parameter: usize) -> bool {
    let first = found[0].start[parameter];
    found.iter().any(|found| found.start[parameter] != first)
}

/// What a fit of the library gives.
struct Found {
    start: Vec<f64>,
    params: Vec<f64>,
    loss: f64,
    iterations: u64,
    history: Vec<f64>,
}

fn fit(model: &Arc<Model>, x: &[f64], y: &[f64], factor: f64, options: &Options) -> Found {
    let mut fitter = Fitter::new(model.clone(), options).unwrap();
    let mut start = Vec::new();
    for port in model.graph.parameters() {
        let port = &model.graph.ports[port];
        if let PortKind::Parameter {
            initial,
            lower,
            upper,
        } = port.kind
        {
            // the others start alike
            let factor = if start.is_empty() { factor } else { 1.0 };
            let initial = (initial * factor).clamp(lower, upper);
            fitter
                .add_parameter(&port.name, initial, lower, upper)
                .unwrap();
            start.push(initial);
        }
    }
    let (x, y) = (Strided::columns(x, SAMPLES), Strided::columns(y, SAMPLES));
    let data = Data::copy(SAMPLES, (&x, &["x"]), (&y, &["y"]), None).unwrap();
    fitter.set_data(data, fitter.noise()).unwrap();
    let mut history = Vec::new();
    let mut note = |progress: &ncg::fit::Progress| {
        history.push(progress.loss);
        false
    };
    let mut monitor = Monitor {
        callback: Some(&mut note),
        cancel: None,
        every: 1,
        ..Monitor::default()
    };
    let cancel = AtomicBool::new(false);
    fitter.run(&mut monitor, &cancel).unwrap();
    let outcome = fitter.outcome().unwrap();
    if outcome.stop == Stop::Gradient {
        // of this one it says nothing
        history.push(outcome.loss);
    }
    Found {
        start,
        params: outcome.params.clone(),
        loss: outcome.loss,
        iterations: outcome.iterations,
        history,
    }
}
