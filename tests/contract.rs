//! The contract of the language, one program a file: `tests/run` gives values and derivatives on every engine and through
//! every file format, `tests/fail` gives errors with their places. `tests/CONTRACT.md` describes the format.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ncg::compile::Model;
use ncg::graph::{PortKind, Value};
use ncg::options::Options;
use ncg::session::{Element, Gradient, Session, Strided, StridedMut};
use ncg::syntax::ast::Constant;
use ncg::syntax::datum::{Datum, DatumKind};
use ncg::syntax::reader::{self, Limits};

/// How a program is run.
struct Runner {
    name: &'static str,
    engine: &'static str,
    single: bool,
    /// What the model goes through first.
    prepare: fn(Model) -> Model,
    /// Relative error that is allowed beside the file's own.
    tolerance: f64,
}

fn as_it_is(model: Model) -> Model {
    model
}

fn through_ncg(model: Model) -> Model {
    let text = ncg::ncg::write(&model).unwrap();
    let read = ncg::ncg::read(&text, &Options::new()).unwrap();
    assert_eq!(
        ncg::ncg::write(&Model {
            source: model.source,
            ..read.clone()
        })
        .unwrap(),
        text,
        "written again"
    );
    read
}

fn through_text(model: Model) -> Model {
    let text = model.graph.to_string();
    let graph = ncg::graph::parse(&text).unwrap();
    assert_eq!(graph.to_string(), text);
    Model { graph, ..model }
}

/// A model that stays general has no ONNX file.
fn through_onnx(model: Model) -> Model {
    if !model.is_numeric() {
        return model;
    }
    let bytes = ncg::onnx::write(&model, &Options::new()).unwrap();
    ncg::onnx::read(&bytes, &Options::new()).unwrap()
}

/// Functions of the platform's C library are off by an ulp here and there, and some cases amplify it.
const ULPS: f64 = 4.0 * f64::EPSILON;

const RUNNERS: [Runner; 7] = [
    Runner {
        name: "native-f64",
        engine: "native",
        single: false,
        prepare: as_it_is,
        tolerance: ULPS,
    },
    Runner {
        name: "native-f32",
        engine: "native",
        single: true,
        prepare: as_it_is,
        tolerance: 2e-5,
    },
    Runner {
        name: "reloaded-ncg",
        engine: "native",
        single: false,
        prepare: through_ncg,
        tolerance: ULPS,
    },
    Runner {
        name: "reloaded-text",
        engine: "native",
        single: false,
        prepare: through_text,
        tolerance: ULPS,
    },
    Runner {
        name: "reloaded-onnx",
        engine: "native",
        single: false,
        prepare: through_onnx,
        tolerance: ULPS,
    },
    Runner {
        name: "onnxruntime-f64",
        engine: "onnxruntime",
        single: false,
        prepare: as_it_is,
        tolerance: 4.0 * ULPS,
    },
    Runner {
        name: "tagged-f64",
        engine: "tagged",
        single: false,
        prepare: as_it_is,
        tolerance: ULPS,
    },
];

/// A number for the whole batch, or one a sample.
#[derive(Clone, Debug)]
enum Number {
    One(f64),
    Batch(Vec<f64>),
}

struct Case {
    line: usize,
    bindings: Vec<(String, Number)>,
    expected: Expected,
    tolerance: f64,
    gradients: Vec<(usize, String, Number, f64)>,
}

enum Expected {
    Error(String),
    Value(Datum),
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|e| e == "scm"))
        .collect();
    files.sort();
    assert!(files.len() > 50);
    files
}

/// The head of an array in an expected value, which is written `#(…)`.
const ARRAY: &str = "%array";

fn read_all(text: &str) -> Vec<Datum> {
    reader::read(text, Limits::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn number(datum: &Datum) -> Number {
    match datum.form("vec") {
        Some(items) => Number::Batch(
            items[1..]
                .iter()
                .map(|item| Constant::quote(item).as_real().unwrap())
                .collect(),
        ),
        None => Number::One(
            Constant::quote(datum)
                .as_real()
                .unwrap_or_else(|| panic!("{datum} is no number")),
        ),
    }
}

/// Splits `value ~1e-12`.
fn tolerance(text: &str) -> (&str, f64) {
    match text.rsplit_once('~') {
        Some((value, tolerance)) => (value.trim(), tolerance.trim().parse().unwrap()),
        None => (text.trim(), 1e-14),
    }
}

fn bindings(text: &str) -> Vec<(String, Number)> {
    let data = read_all(text);
    let mut items = data[0].list().unwrap().iter();
    let mut result = Vec::new();
    while let Some(item) = items.next() {
        let word = item.symbol().unwrap();
        let (name, value) = word.split_once('=').unwrap();
        let value = match value {
            "" => number(items.next().unwrap()),
            value => number(&read_all(value)[0]),
        };
        result.push((name.to_string(), value));
    }
    result
}

fn cases(text: &str) -> (Vec<Case>, Vec<String>) {
    let (mut cases, mut except): (Vec<Case>, Vec<String>) = (Vec::new(), Vec::new());
    for (i, line) in text.lines().enumerate() {
        if let Some(rest) = line.strip_prefix("; run: ") {
            let (given, expected) = rest.split_once("=>").unwrap();
            let expected = expected.trim();
            let (value, tolerance) = tolerance(expected);
            cases.push(Case {
                line: i + 1,
                bindings: bindings(given),
                expected: match expected.strip_prefix("error: ") {
                    Some(message) => Expected::Error(message.to_string()),
                    None => {
                        let value = value.replace("#(", &format!("({ARRAY} "));
                        Expected::Value(read_all(&value).remove(0))
                    }
                },
                tolerance,
                gradients: Vec::new(),
            });
        } else if let Some(rest) = line.strip_prefix("; grad: ") {
            let (name, value) = rest.split_once("=>").unwrap();
            let (value, tolerance) = tolerance(value);
            let entry = (
                i + 1,
                name.trim().to_string(),
                number(&read_all(value)[0]),
                tolerance,
            );
            cases.last_mut().unwrap().gradients.push(entry);
        } else if let Some(rest) = line.strip_prefix("; except: ") {
            except.push(rest.split_whitespace().next().unwrap().to_string());
        }
    }
    (cases, except)
}

fn close(got: f64, wanted: f64, tolerance: f64) -> bool {
    if got.is_nan() || wanted.is_nan() || got.is_infinite() || wanted.is_infinite() {
        return got == wanted || (got.is_nan() && wanted.is_nan());
    }
    (got - wanted).abs() <= tolerance * wanted.abs().max(if wanted == 0.0 { 1.0 } else { 0.0 })
}

/// What a run gave: each output for each sample, and the derivative of the sum by each port.
struct Got {
    outputs: Vec<Vec<f64>>,
    gradients: Vec<Vec<f64>>,
}

fn run<T: Element>(model: &Arc<Model>, engine: &str, case: &Case) -> Result<Got, String> {
    let mut options = Options::new();
    options.set_str("engine", engine).unwrap();
    let graph = &model.graph;
    let batch = case.bindings.iter().filter_map(|(_, number)| match number {
        Number::Batch(values) => Some(values.len()),
        Number::One(_) => None,
    });
    let samples = batch.max().unwrap_or(1);
    let bound = |name: &str| {
        case.bindings
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, number)| number)
    };
    let mut x = Vec::new();
    let mut p = Vec::new();
    for port in &graph.ports {
        match (bound(&port.name), &port.kind) {
            (Some(Number::One(value)), PortKind::Input) => x.extend(vec![T::of(*value); samples]),
            (Some(Number::Batch(values)), PortKind::Input) => {
                assert_eq!(values.len(), samples);
                x.extend(values.iter().map(|value| T::of(*value)));
            }
            (None, PortKind::Input) => panic!("input {} has no value", port.name),
            (Some(Number::One(value)), PortKind::Parameter { .. }) => p.push(T::of(*value)),
            (None, PortKind::Parameter { initial, .. }) => p.push(T::of(*initial)),
            (Some(Number::Batch(_)), PortKind::Parameter { .. }) => {
                panic!("a batch for parameter {}", port.name)
            }
        }
    }
    let mut session =
        Session::<T>::new(model.clone(), &options).map_err(|error| error.to_string())?;
    let (inputs, parameters, outputs) = session.counts();
    let table = Strided::columns(&x, samples);
    let mut y = vec![T::ZERO; outputs * samples];
    let into = &mut StridedMut::columns(&mut y, samples);
    session
        .eval(samples, &table, Some(&p), into, None)
        .map_err(|error| error.to_string())?;
    let (mut again, mut dx, mut dp) = (
        vec![T::ZERO; y.len()],
        vec![T::ZERO; inputs * samples],
        vec![T::ZERO; parameters],
    );
    let into = Gradient {
        y: Some(&mut StridedMut::columns(&mut again, samples)),
        dx: Some(&mut StridedMut::columns(&mut dx, samples)),
        dp: Some(&mut dp),
    };
    session
        .gradient(samples, &table, Some(&p), None, into, None)
        .map_err(|error| error.to_string())?;
    let bits = |values: &[T]| {
        values
            .iter()
            .map(|v| v.to_f64().to_bits())
            .collect::<Vec<u64>>()
    };
    if engine == "native" {
        assert_eq!(
            bits(&y),
            bits(&again),
            "the reverse sweep gives other values"
        );
    }
    let (mut next_dx, mut next_dp) = (dx.chunks(samples.max(1)), dp.iter());
    let gradients = graph.ports.iter().map(|port| match port.kind {
        PortKind::Input => next_dx.next().unwrap().iter().map(|v| v.to_f64()).collect(),
        PortKind::Parameter { .. } => vec![next_dp.next().unwrap().to_f64()],
    });
    Ok(Got {
        gradients: gradients.collect(),
        outputs: y
            .chunks(samples.max(1))
            .map(|column| column.iter().map(|v| v.to_f64()).collect())
            .collect(),
    })
}

/// Whether the value of the model, sample by sample, is what the file says.
fn same_value(value: &Value, outputs: &[Vec<f64>], wanted: &Datum, tolerance: f64) -> bool {
    match value {
        Value::Output(index) => match number_or_none(wanted) {
            Some(Number::One(wanted)) => outputs[*index]
                .iter()
                .all(|got| close(*got, wanted, tolerance)),
            Some(Number::Batch(wanted)) => {
                let pairs = || outputs[*index].iter().zip(&wanted);
                outputs[*index].len() == wanted.len()
                    && pairs().all(|(got, wanted)| close(*got, *wanted, tolerance))
            }
            None => false,
        },
        Value::Constant(constant) => *constant == Constant::quote(wanted),
        Value::List(items, tail) => match &wanted.kind {
            DatumKind::List(data, rest) => {
                let items = items.len() == data.len()
                    && items
                        .iter()
                        .zip(data)
                        .all(|(item, datum)| same_value(item, outputs, datum, tolerance));
                items
                    && match (tail, rest) {
                        (None, None) => true,
                        (Some(tail), Some(rest)) => same_value(tail, outputs, rest, tolerance),
                        _ => false,
                    }
            }
            _ => false,
        },
        Value::Array(shape, items) => wanted.form(ARRAY).is_some_and(|data| {
            let rows = Value::rows(shape, items);
            same_rows(&rows, &data[1..], outputs, tolerance)
        }),
        Value::Procedure => false,
    }
}

/// Whether the items of an array are those of a datum, in which rows are lists.
fn same_rows(rows: &[Value], data: &[Datum], outputs: &[Vec<f64>], tolerance: f64) -> bool {
    let same = |(row, datum): (&Value, &Datum)| match row {
        Value::Array(shape, items) => datum
            .list()
            .is_some_and(|data| same_rows(&Value::rows(shape, items), data, outputs, tolerance)),
        item => same_value(item, outputs, datum, tolerance),
    };
    rows.len() == data.len() && rows.iter().zip(data).all(same)
}

fn number_or_none(datum: &Datum) -> Option<Number> {
    (datum.form("vec").is_some() || Constant::quote(datum).as_real().is_some())
        .then(|| number(datum))
}

fn check(runner: &Runner, text: &str, case: &Case) -> Result<(), String> {
    let compiled = Model::compile(text, &Options::new());
    let got = match compiled {
        Err(error) => Err(error.to_string()),
        Ok(model) => {
            let model = Arc::new((runner.prepare)(model));
            // what stays general has one engine
            let engine = match model.is_numeric() {
                true => runner.engine,
                false => "tagged",
            };
            let got = match runner.single {
                true => run::<f32>(&model, engine, case),
                false => run::<f64>(&model, engine, case),
            };
            got.map(|got| (model, got))
        }
    };
    let (model, got) = match (got, &case.expected) {
        (Err(message), Expected::Error(wanted)) if message.contains(wanted.as_str()) => {
            return Ok(());
        }
        (Err(message), _) => return Err(format!("line {}: {message}", case.line)),
        (Ok(_), Expected::Error(wanted)) => {
            return Err(format!("line {}: no error \"{wanted}\"", case.line));
        }
        (Ok(got), Expected::Value(_)) => got,
    };
    let Expected::Value(wanted) = &case.expected else {
        return Ok(());
    };
    if !same_value(
        &model.graph.value,
        &got.outputs,
        wanted,
        case.tolerance.max(runner.tolerance),
    ) {
        return Err(format!(
            "line {}: the value is {:?}, not {wanted}",
            case.line, got.outputs
        ));
    }
    for (line, name, wanted, tolerance) in &case.gradients {
        let tolerance = tolerance.max(runner.tolerance);
        let port = model
            .graph
            .ports
            .iter()
            .position(|port| &*port.name == name.as_str());
        let got = port.map_or(vec![0.0], |port| got.gradients[port].clone());
        let same = match wanted {
            Number::One(wanted) => close(got.iter().sum(), *wanted, tolerance),
            Number::Batch(wanted) => {
                got.len() == wanted.len()
                    && got
                        .iter()
                        .zip(wanted)
                        .all(|(got, wanted)| close(*got, *wanted, tolerance))
            }
        };
        if !same {
            return Err(format!(
                "line {line}: the derivative by {name} is {got:?}, not {wanted:?}"
            ));
        }
    }
    Ok(())
}

fn run_all(name: &str) {
    let runner = RUNNERS.iter().find(|runner| runner.name == name).unwrap();
    if runner.engine == "onnxruntime"
        && let Err(error) = ncg::engine::ort::probe(None)
    {
        assert!(std::env::var_os("NCG_REQUIRE_ALL").is_none(), "{error}");
        println!("skipped: {error}");
        return;
    }
    let (mut failures, mut count) = (Vec::new(), 0);
    for path in files("run") {
        let text = std::fs::read_to_string(&path).unwrap();
        let (cases, except) = cases(&text);
        assert!(!cases.is_empty(), "{} has no case", path.display());
        let excepted = except.iter().any(|engine| engine == name);
        let results: Vec<String> = cases
            .iter()
            .filter_map(|case| check(runner, &text, case).err())
            .collect();
        count += cases.len();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        match (results.is_empty(), excepted) {
            (true, true) => failures.push(format!("{file}: excepted, but it passes")),
            (false, false) => {
                failures.extend(results.iter().map(|message| format!("{file}, {message}")))
            }
            _ => {}
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {count} cases on {name}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    println!("{count} cases on {name}");
}

#[test]
fn native_f64() {
    run_all("native-f64");
}

#[test]
fn native_f32() {
    run_all("native-f32");
}

#[test]
fn reloaded_from_ncg() {
    run_all("reloaded-ncg");
}

#[test]
fn reloaded_from_text() {
    run_all("reloaded-text");
}

#[test]
fn reloaded_from_onnx() {
    run_all("reloaded-onnx");
}

#[test]
fn onnxruntime_f64() {
    run_all("onnxruntime-f64");
}

#[test]
fn tagged_f64() {
    run_all("tagged-f64");
}

#[test]
fn errors_name_the_thing_and_the_place() {
    let mut failures = Vec::new();
    for path in files("fail") {
        let text = std::fs::read_to_string(&path).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("; error: "))
            .unwrap();
        let mut parts = line.splitn(3, ' ');
        let (kind, place, wanted) = (
            parts.next().unwrap(),
            parts.next().unwrap(),
            parts.next().unwrap_or(""),
        );
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let error = match Model::compile(&text, &Options::new()) {
            Ok(_) => {
                failures.push(format!("{file}: it compiles"));
                continue;
            }
            Err(error) => error,
        };
        let at = error
            .place
            .as_ref()
            .map_or(String::from("nowhere"), |place| {
                format!("{}:{}", place.line, place.column)
            });
        let code = error.kind.code_name().trim_start_matches("NCG_ERR_");
        if code != kind || at != place || !error.message.contains(wanted) {
            failures.push(format!(
                "{file}: wanted {line}; got {code} {at} {}",
                error.message
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
