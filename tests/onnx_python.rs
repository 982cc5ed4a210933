//! Our files through the ONNX checker, ONNX Runtime and the reference evaluator of Python, newest and oldest.

mod numeric;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ncg::grad;
use ncg::graph::Graph;
use ncg::onnx::{About, Element, decode, export, export_training, training_step};
use numeric::*;
use serde_json::{Map, Value as Json, json};

/// The packages, by the environment that they go to.
const NEWEST: &[&str] = &["onnx==1.23.2", "onnxruntime==1.32.0", "numpy==2.4.6"];
const OLDEST: &[&str] = &["onnx==1.23.2", "onnxruntime==1.20.1", "numpy==2.4.6"];

fn target() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().unwrap().join("python")
}

fn succeed(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!(
            "{command:?}: {}\n{}\n{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        )),
    }
}

/// The Python of an environment with these packages, made once.
fn environment(packages: &[&str]) -> Result<PathBuf, String> {
    let folder = target().join(packages.join("_").replace("==", "-"));
    let python = match cfg!(windows) {
        true => folder.join("Scripts/python.exe"),
        false => folder.join("bin/python"),
    };
    let ready = folder.join("ready");
    if !ready.exists() {
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let system = if cfg!(windows) { "python" } else { "python3" };
        succeed(Command::new(system).args(["-m", "venv"]).arg(&folder))?;
        let install = ["-m", "pip", "install", "--quiet", "--only-binary=:all:"];
        succeed(Command::new(&python).args(install).args(packages))?;
        fs::write(&ready, "").map_err(|error| error.to_string())?;
    }
    Ok(python)
}

fn real(value: f64) -> Json {
    match value.is_finite() {
        true => json!(value),
        false => json!(value.to_string()),
    }
}

fn column<T: Scalar>(values: &[T], batched: bool) -> Json {
    match batched {
        true => values.iter().map(|value| real(value.to_f64())).collect(),
        false => real(values[0].to_f64()),
    }
}

/// Samples for the ports of a graph, away from poles.
fn inputs<T: Scalar>(graph: &Graph, samples: usize) -> Columns<T> {
    let ports = 0..graph.ports.len() as u64;
    let values = ports.map(|port| {
        let values = random::<T>(samples, port).into_iter();
        values.map(|x| x.abs() * T::of(0.3) + T::of(0.5)).collect()
    });
    Columns {
        values: values.collect(),
        stride: 1,
    }
}

fn write<T: Scalar>(
    folder: &Path,
    name: &str,
    graph: &Graph,
    bytes: &[u8],
    training: Option<Json>,
) {
    const SAMPLES: usize = 37;
    let inputs = inputs::<T>(graph, SAMPLES);
    let expected = evaluate(graph, SAMPLES, &inputs);
    let batched = graph.batched();
    let proto = decode(bytes).unwrap().graph.unwrap();
    let feeds = proto.input.iter().zip(&graph.ports).zip(&inputs.values);
    let feeds = feeds.map(|((info, port), values)| {
        (
            info.name().to_string(),
            column(values, !port.is_parameter()),
        )
    });
    let results = proto.output.iter().zip(&graph.outputs).zip(&expected);
    let results = results.map(|((info, output), values)| {
        let batched = batched[output.node.index()];
        (info.name().to_string(), column(values, batched))
    });
    let mut case = Map::new();
    case.insert("inputs".into(), feeds.collect::<Map<_, _>>().into());
    case.insert("outputs".into(), results.collect::<Map<_, _>>().into());
    let double = T::of(1e-10) + T::ONE != T::ONE;
    case.insert("tolerance".into(), json!(if double { 1e-12 } else { 2e-5 }));
    if let Some(training) = training {
        case.insert("training".into(), training);
    }
    fs::write(folder.join(format!("{name}.onnx")), bytes).unwrap();
    fs::write(
        folder.join(format!("{name}.json")),
        Json::from(case).to_string(),
    )
    .unwrap();
}

fn write_all<T: Scalar>(folder: &Path, element: Element, suffix: &str) {
    let sources = [
        (
            "choice",
            "(input x) (parameter k 2.0) (if (> x 1) (exp (* k x)) (if (= x 0) x (sqrt k)))",
        ),
        (
            "structure",
            "(input x) (parameter k 2.0) (list (* k x) k (> x k) (max x k) (modulo x k) 3)",
        ),
        (
            "waves",
            "(input t) (parameter a 1.0) (parameter w 2.0) (* a (+ (cos (* w t)) (tan (/ t 9))) (expt t 3))",
        ),
        (
            "logistic",
            "(input x) (parameter k 1.0) (+ (sigmoid (* k x)) (tanh x) (log x) (expt x k) (round x))",
        ),
    ];
    let graphs = sources.map(|(name, source)| (name, compiled(source)));
    let graphs = graphs.into_iter().chain([("coulomb", coulomb())]);
    for (name, graph) in graphs {
        let wrt = graph.parameters();
        let all: Vec<usize> = (0..graph.ports.len()).collect();
        for (kind, graph) in [
            ("value", graph.clone()),
            ("vjp", grad::vjp(&graph, &all)),
            ("jacobian", grad::jacobian(&graph, &all)),
            ("training", grad::training(&graph, &wrt)),
            ("step", training_step(&graph, &wrt, 0.01)),
        ] {
            let bytes = export(&graph, element).unwrap();
            write::<T>(
                folder,
                &format!("{name}-{kind}-{suffix}"),
                &graph,
                &bytes,
                None,
            );
        }
    }
    // Coulomb's constant, from forces that 8.99 would give
    let graph = coulomb();
    let step = training_step(&graph, &[3], 0.01);
    let mut inputs = inputs::<f64>(&step, 200);
    inputs.values[3] = vec![8.99];
    inputs.values[4] = evaluate(&graph, 200, &inputs).remove(0);
    let names = ["q1", "q2", "r", "target.force"].into_iter();
    let columns = names.zip([0, 1, 2, 4].map(|port| column(&inputs.values[port], true)));
    let columns = columns.map(|(name, values)| (name.to_string(), values));
    let training = json!({
        "inputs": columns.collect::<Map<_, _>>(),
        "steps": 500,
        "fitted": { "k": 8.99 },
        "tolerance": 1e-5,
    });
    let bytes = export_training(&graph, &[3], element, 0.01, &About::default()).unwrap();
    let name = format!("coulomb-file-{suffix}");
    write::<T>(folder, &name, &graph, &bytes, Some(training));
}

#[test]
fn python_agrees() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx_python");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    write_all::<f64>(&folder, Element::F64, "f64");
    write_all::<f32>(&folder, Element::F32, "f32");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/onnx_models.py");
    for (packages, reference) in [(NEWEST, true), (OLDEST, false)] {
        let python = match environment(packages) {
            Ok(python) => python,
            Err(reason) => {
                let required = std::env::var("NCG_REQUIRE_ALL").is_ok_and(|value| value == "1");
                assert!(!required, "{reason}");
                eprintln!("skipped: python_agrees with {packages:?}: {reason}");
                continue;
            }
        };
        let mut command = Command::new(python);
        command.arg(&script).arg(&folder);
        if reference {
            command.arg("reference");
        }
        match succeed(&mut command) {
            Ok(text) => println!("{text}"),
            Err(reason) => panic!("{reason}"),
        }
    }
}
