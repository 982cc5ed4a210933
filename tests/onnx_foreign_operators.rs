//! Every operator that takes attributes of its own against ONNX Runtime, with random shapes and attributes; what of them is
//! refused, and sizes that are made to harm.

mod foreign;
mod python;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use foreign::*;
use ncg::document;
use ncg::onnx::import;
use ncg::onnx::proto::NodeProto;
use ncg::options::Options;
use prost::Message;
use serde_json::Value as Json;

fn rows(json: &Json) -> Vec<Vec<f64>> {
    serde_json::from_value(json.clone()).unwrap()
}

#[test]
fn operators_compute_what_onnx_runtime_does() {
    let python = match python::environment(python::NEWEST) {
        Ok(python) => python,
        Err(reason) => {
            let required = std::env::var("NCG_REQUIRE_ALL").is_ok_and(|value| value == "1");
            assert!(!required, "{reason}");
            eprintln!("skipped: {reason}");
            return;
        }
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/foreign_cases.py");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign_cases");
    std::fs::create_dir_all(&folder).unwrap();
    // others by hand: NCG_SEED=2 cargo test --test onnx_foreign_operators
    let seed = std::env::var("NCG_SEED").unwrap_or_else(|_| "1".into());
    let mut command = Command::new(python);
    command.arg(script).arg(&folder).arg(seed);
    println!("{}", python::succeed(&mut command).unwrap());
    let cases = std::fs::read_to_string(folder.join("cases.json")).unwrap();
    let cases: Vec<Json> = serde_json::from_str(&cases).unwrap();
    assert!(cases.len() > 150, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let file = folder.join(case["file"].as_str().unwrap());
        let model = match document::load(&file, &Options::new()) {
            Ok(model) => model,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let tolerance = case["tolerance"].as_f64().unwrap();
        let found = first_engine(model, &rows(&case["x"]));
        let wanted: Vec<f64> = rows(&case["y"]).concat();
        let far = |(a, b): (&f64, &f64)| (a - b).abs() > tolerance * b.abs().max(1.0);
        let mut pairs = found.iter().zip(&wanted);
        if found.len() != wanted.len() || pairs.any(far) {
            wrong.push(format!("{name}: {found:?}, not {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn refused(operator: NodeProto, constants: Vec<NodeProto>) -> String {
    let outputs: Vec<&str> = operator.output.iter().map(String::as_str).collect();
    let mut nodes = constants;
    nodes.push(operator.clone());
    let file = model(nodes, &[free_info("x", FLOAT, &[2, 4])], &outputs);
    let start = Instant::now();
    let error = import(&file.encode_to_vec()).unwrap_err();
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    let name = operator.op_type.as_deref().unwrap();
    assert!(
        error.message.contains(&format!("operator {name} at node")),
        "{error}"
    );
    error.message
}

#[track_caller]
fn says(message: &str, part: &str) {
    assert!(message.contains(part), "{message}");
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    for operator in ["NonZero", "Unique", "GridSample", "Bernoulli"] {
        says(
            &refused(node(operator, &["x"], &["y"]), vec![]),
            "is not one that can be read",
        );
    }
    let sized = |node: NodeProto| {
        let all = vec![list("sizes", &[1, 2, 8])];
        refused(node, all)
    };
    let resize = || node("Resize", &["x", "", "", "sizes"], &["y"]);
    // a size for the samples
    says(&sized(resize()), "the samples");
    let resize = || ints(resize(), "axes", &[0, 1, 2]);
    says(&sized(resize()), "the samples");
    let resize = || {
        ints(
            node("Resize", &["x", "", "", "sizes"], &["y"]),
            "axes",
            &[1],
        )
    };
    let size = |size: i64| vec![list("sizes", &[size])];
    says(
        &refused(int(resize(), "antialias", 1), size(3)),
        "antialias",
    );
    says(
        &refused(word(resize(), "mode", "blurred"), size(3)),
        "\"blurred\"",
    );
    let cut = "tf_crop_and_resize";
    says(
        &refused(
            word(resize(), "coordinate_transformation_mode", cut),
            size(3),
        ),
        cut,
    );
    says(
        &refused(word(resize(), "nearest_mode", "up"), size(3)),
        "\"up\"",
    );
    for wrong in [0, -1, 1 << 40, i64::MAX, i64::MIN] {
        refused(resize(), size(wrong));
    }
    says(&refused(node("Resize", &["x"], &["y"]), vec![]), "inputs");
    says(
        &refused(node("ArgMax", &["x"], &["y"]), vec![]),
        "the samples",
    );
    refused(int(node("ArgMax", &["x"], &["y"]), "axis", 3), vec![]);
    for wrong in [5, -1, i64::MAX] {
        let top = node("TopK", &["x", "k"], &["y", "places"]);
        says(&refused(top, vec![list("k", &[wrong])]), "0 to 4 elements");
        let hot = node("OneHot", &["k", "d", "v"], &["y"]);
        let depth = whole("d", if wrong == 5 { 0 } else { wrong });
        refused(hot, vec![list("k", &[1]), depth, list("v", &[0, 1])]);
        let blocks = int(node("DepthToSpace", &["x"], &["y"]), "blocksize", wrong);
        refused(blocks, vec![]);
    }
    let shape = |name: &str, sizes: &[i64], of: &str| {
        let fill = node("ConstantOfShape", &[&format!("{name} shape")], &[of]);
        vec![list(&format!("{name} shape"), sizes), fill]
    };
    let weights = || {
        let mut all = shape("w", &[1, 8, 4], "w");
        all.extend(shape("r", &[1, 8, 2], "r"));
        all.push(list("lengths", &[1, 2]));
        // the batch before the sequence
        all.push(ints(
            node("Transpose", &["x"], &["sequence"]),
            "perm",
            &[1, 0, 2],
        ));
        all
    };
    let lstm = |inputs: &[&str]| node("LSTM", inputs, &["y"]);
    let plain = ["sequence", "w", "r"];
    let message = refused(lstm(&["sequence", "w", "r", "", "lengths"]), weights());
    says(&message, "sequence_lens");
    says(&refused(real(lstm(&plain), "clip", 0.5), weights()), "clip");
    says(
        &refused(int(lstm(&plain), "input_forget", 1), weights()),
        "input_forget",
    );
    says(
        &refused(
            words(lstm(&plain), "activations", &["Elu", "Tanh", "Tanh"]),
            weights(),
        ),
        "\"Elu\"",
    );
    says(
        &refused(int(lstm(&plain), "hidden_size", 1 << 60), weights()),
        "hidden_size",
    );
    // the sequence would be the samples
    says(&refused(lstm(&["x", "w", "r"]), weights()), "the samples");
    says(&refused(lstm(&["sequence", "w", "w"]), weights()), "shape");

    let pool = |kernel: i64| ints(node("MaxPool", &["x"], &["y"]), "kernel_shape", &[kernel]);
    let mut indices = pool(2);
    indices.output.push("places".into());
    says(&refused(indices, vec![]), "has 2 outputs");
    for kernel in [5, 0, -1, 1 << 24, 1 << 40, i64::MAX, i64::MIN] {
        refused(pool(kernel), vec![]);
    }
    for name in ["strides", "dilations", "pads"] {
        for value in [-1, 1 << 40, i64::MAX, i64::MIN] {
            let values = if name == "pads" {
                vec![value, value]
            } else {
                vec![value]
            };
            says(&refused(ints(pool(2), name, &values), vec![]), "belongs");
        }
    }
    // padding alone, and more windows than may be
    says(
        &refused(ints(pool(2), "pads", &[4, 0]), vec![]),
        "padding alone",
    );
    let padded = ints(node("AveragePool", &["x"], &["y"]), "kernel_shape", &[2]);
    says(
        &refused(ints(padded, "pads", &[1 << 24, 1 << 24]), vec![]),
        "too large",
    );
    for groups in [0, 3, -1, i64::MAX] {
        let conv = int(node("Conv", &["x", "w"], &["y"]), "group", groups);
        says(&refused(conv, shape("w", &[2, 2, 1], "w")), "groups");
    }
    for wrong in [&[2, 3, 1][..], &[2, 2], &[0, 2, 1], &[2, 2, 5]] {
        refused(node("Conv", &["x", "w"], &["y"]), shape("w", wrong, "w"));
    }
    let turned = node("ConvTranspose", &["x", "w"], &["y"]);
    says(
        &refused(
            ints(turned, "output_shape", &[9]),
            shape("w", &[2, 2, 1], "w"),
        ),
        "output_shape",
    );
}

#[test]
fn shapes_that_overflow_are_refused() {
    for size in [1 << 24, 1 << 40, i64::MAX, i64::MIN] {
        let tile = node("Tile", &["x", "k"], &["y"]);
        refused(tile, vec![list("k", &[1, size, size])]);
        let pad = node("Pad", &["x", "k"], &["y"]);
        refused(pad, vec![list("k", &[0, size, size, 0, size, size])]);
        let range = node("Range", &["a", "b", "c"], &["y"]);
        let bounds = vec![
            whole("a", -size.saturating_abs()),
            whole("b", size.saturating_abs()),
            whole("c", 0),
        ];
        refused(range.clone(), bounds);
        if size > 1 << 30 {
            let bounds = vec![whole("a", i64::MIN), whole("b", size), whole("c", 1)];
            says(&refused(range, bounds), "too large");
        }
        refused(node("CumSum", &["x", "k"], &["y"]), vec![whole("k", size)]);
        refused(
            node("GatherND", &["x", "k"], &["y"]),
            vec![list("k", &[size])],
        );
    }
    let reals = vec![number("a", 0.0), number("b", 1.0), number("c", f32::NAN)];
    says(
        &refused(node("Range", &["a", "b", "c"], &["y"]), reals),
        "counts from",
    );
    for equation in [
        "",
        "->",
        "ni->n",
        "nij->nijk",
        "nij->nii",
        "...ij->ij",
        "nij->ij",
        "nij,->n",
    ] {
        let sum = word(node("Einsum", &["x"], &["y"]), "equation", equation);
        refused(sum, vec![]);
    }
}
