//! Our files through the ONNX checker, ONNX Runtime and the reference evaluator of Python, newest and oldest.

mod loop_texts;
mod numeric;
mod onnx_fits;
mod plain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use loop_texts::{loop_in_arm, lotka_volterra, nested};
use ncg::grad;
use ncg::graph::{Graph, parse};
use ncg::onnx::proto::type_proto;
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

const SAMPLES: usize = 37;

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
    let inputs = inputs::<T>(graph, SAMPLES);
    let expected = evaluate(graph, SAMPLES, &inputs);
    let batched = graph.batched();
    let batched = graph
        .outputs
        .iter()
        .map(|output| batched[output.node.index()]);
    write_case(
        folder,
        name,
        graph,
        bytes,
        &inputs,
        &expected,
        &batched.collect::<Vec<_>>(),
        training,
    );
}

/// The same for graphs with loops, which the file itself says the shapes of the outputs of.
fn write_loops<T: Scalar>(
    folder: &Path,
    name: &str,
    graph: &Graph,
    bytes: &[u8],
    training: Option<Json>,
) {
    let inputs = inputs::<T>(graph, SAMPLES);
    let spread = |port: usize, values: &Vec<T>| {
        let step = usize::from(!graph.ports[port].is_parameter());
        (0..SAMPLES).map(|i| values[i * step].to_f64()).collect()
    };
    let ports: Vec<Vec<f64>> = inputs
        .values
        .iter()
        .enumerate()
        .map(|(i, values)| spread(i, values))
        .collect();
    let expected = plain::evaluate(graph, SAMPLES, &ports);
    let expected: Vec<Vec<T>> = expected
        .iter()
        .map(|values| values.iter().map(|x| T::of(*x)).collect())
        .collect();
    let proto = decode(bytes).unwrap().graph.unwrap();
    let batched = proto.output.iter().map(|info| {
        match info.r#type.as_ref().and_then(|ty| ty.value.as_ref()) {
            Some(type_proto::Value::TensorType(tensor)) => {
                !tensor.shape.as_ref().unwrap().dim.is_empty()
            }
            _ => unreachable!(),
        }
    });
    write_case(
        folder,
        name,
        graph,
        bytes,
        &inputs,
        &expected,
        &batched.collect::<Vec<_>>(),
        training,
    );
}

#[allow(clippy::too_many_arguments)]
fn write_case<T: Scalar>(
    folder: &Path,
    name: &str,
    graph: &Graph,
    bytes: &[u8],
    inputs: &Columns<T>,
    expected: &[Vec<T>],
    batched: &[bool],
    training: Option<Json>,
) {
    let proto = decode(bytes).unwrap().graph.unwrap();
    let feeds = proto.input.iter().zip(&graph.ports).zip(&inputs.values);
    let feeds = feeds.map(|((info, port), values)| {
        (
            info.name().to_string(),
            column(values, !port.is_parameter()),
        )
    });
    let results = proto.output.iter().zip(batched).zip(expected);
    let results = results
        .map(|((info, batched), values)| (info.name().to_string(), column(values, *batched)));
    let mut case = Map::new();
    case.insert("inputs".into(), feeds.collect::<Map<_, _>>().into());
    case.insert("outputs".into(), results.collect::<Map<_, _>>().into());
    let double = T::of(1e-10) + T::ONE != T::ONE;
    case.insert("tolerance".into(), json!(if double { 1e-12 } else { 2e-5 }));
    // an inner loop without iterations has scan outputs if it is gone back over
    let gradient = ["vjp", "jacobian", "training", "step"]
        .iter()
        .any(|kind| name.contains(kind));
    if name.starts_with("loop-nested") && gradient {
        case.insert("reference".into(), json!(false));
    }
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

/// The parameters of [`lotka_volterra`], from what 0.9 and 0.5 give.
fn predators(graph: &Graph) -> Json {
    let mut values: Vec<Vec<f64>> = (0..2)
        .map(|port| {
            random::<f64>(100, port)
                .iter()
                .map(|x| x.abs() * 0.2 + 0.2)
                .collect()
        })
        .collect();
    values.extend([0.9, 0.5].map(|value| vec![value; 100]));
    let outputs = plain::evaluate(graph, 100, &values);
    let targets = ["target.x", "target.y", "target.steps"];
    let columns = ["x", "y"].into_iter().zip(&values);
    let columns = columns.chain(targets.into_iter().zip(&outputs));
    let columns = columns.map(|(name, values)| (name.to_string(), column(values, true)));
    json!({
        "inputs": columns.collect::<Map<_, _>>(),
        "steps": 400,
        "fitted": { "a": 0.9, "b": 0.5 },
        "tolerance": 1e-3,
    })
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
    let loops = [
        ("known", lotka_volterra("  %19 = < %11 %6 bool")),
        (
            "parameter",
            lotka_volterra("  %18 = * %2 %7 real\n  %17 = * %18 %11 real\n  %19 = < %17 %5 bool"),
        ),
        (
            "sample",
            lotka_volterra(
                "  %14 = const 6.0 real\n  %15 = + %12 %13 real\n  %16 = < %15 %14 bool\n  %17 = < %11 %6 bool\n  %19 = and %16 %17 bool",
            ),
        ),
        ("nested", nested()),
        (
            "arm",
            loop_in_arm("%24 = const 2.0 real\n%7 = < %0 %24 bool", false).replace(
                "%15 = * %12 %1 real",
                "%26 = tanh %1 real\n    %15 = * %12 %26 real",
            ),
        ),
        (
            "arm-known",
            loop_in_arm("%24 = const 2.0 real\n%7 = < %0 %24 bool", true),
        ),
        (
            "one-arm",
            loop_in_arm("%24 = const 9.0 real\n%7 = < %1 %24 bool", true),
        ),
    ];
    let mut graphs = Vec::new();
    for (name, text) in loops {
        // rounding decides how often a loop runs that tests what it computes
        if element == Element::F32 && matches!(name, "parameter" | "sample" | "nested" | "arm") {
            continue;
        }
        let parsed = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        graphs.push((name, parsed));
    }
    // elimination on a side that is not written out
    graphs.push(("linear", compiled(&linear(9))));
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
            let name = format!("loop-{name}-{kind}-{suffix}");
            write_loops::<T>(folder, &name, &graph, &bytes, None);
        }
        let bytes = export_training(&graph, &wrt, element, 0.05, &About::default()).unwrap();
        let training = (name == "known").then(|| predators(&graph));
        let name = format!("loop-{name}-file-{suffix}");
        write_loops::<T>(folder, &name, &graph, &bytes, training);
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

/// A determinant and a system of this side: one matrix for each sample, and one for all.
fn linear(n: usize) -> String {
    let matrix = |name: &str| {
        let element = |i: usize, j: usize| match i.abs_diff(j) {
            0 => format!("(+ 2 {name})"),
            1 => format!("(* {name} 0.{})", i + 1),
            _ => format!("0.{}", (i * 3 + j * 5) % 7),
        };
        let row = |i| (0..n).map(|j| element(i, j)).collect::<Vec<_>>().join(" ");
        let rows: Vec<String> = (0..n).map(|i| format!("[{}]", row(i))).collect();
        format!("(mat {})", rows.join(" "))
    };
    let right = vec!["x"; n].join(" ");
    format!(
        "(input x) (parameter k 0.7) (+ (logdet {}) (det (* 0.5 {})) (vsum (solve {} [{right}])))",
        matrix("x"),
        matrix("x"),
        matrix("k")
    )
}

#[test]
fn python_agrees() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx_python");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    write_all::<f64>(&folder, Element::F64, "f64");
    write_all::<f32>(&folder, Element::F32, "f32");
    onnx_fits::write_populations(&folder, &[("linear", &linear(9))]);
    onnx_fits::write_fits(&folder);
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
