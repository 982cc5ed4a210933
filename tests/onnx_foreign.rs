//! Models of other tools: values and gradients against those of PyTorch on both engines, after saving and loading, and what
//! is refused.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use ncg::compile::Model;
use ncg::document;
use ncg::engine::ort::probe;
use ncg::graph::verify_numeric;
use ncg::onnx::proto::{GraphProto, ModelProto};
use ncg::onnx::{Settings, decode, import, import_with};
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};
use proptest::prelude::*;
use prost::Message;
use serde_json::Value as Json;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx")
}

fn expected() -> Json {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn load(file: &str, options: &Options) -> ncg::Result<Model> {
    document::load(&folder().join(file), options)
}

fn numbers(json: &Json) -> Vec<f64> {
    match json {
        Json::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn near(found: f64, wanted: f64, what: &str) {
    let error = (found - wanted).abs() / wanted.abs().max(1.0);
    assert!(error < 1e-11, "{what}: {found}, not {wanted}: {error:e}");
}

fn engines() -> Vec<&'static str> {
    match probe(None) {
        Ok(_) => vec!["native", "tagged", "onnxruntime"],
        Err(_) => vec!["native", "tagged"],
    }
}

/// Compares the outputs of a model, and the gradient of their sum with the weights of the reference.
fn compare(model: Model, entry: &Json, engine: &str) {
    let what = format!("{} on {engine}", entry["file"]);
    let mut options = Options::new();
    options.set_str("engine", engine).unwrap();
    let model = Arc::new(model);
    let names: Vec<String> = {
        let ports = &model.graph.ports;
        let parameters = model.graph.parameters().into_iter();
        parameters.map(|i| ports[i].name.to_string()).collect()
    };
    let (x, wanted) = (numbers(&entry["x"]), numbers(&entry["y"]));
    let (width, outputs) = (model.graph.inputs().len(), model.graph.outputs.len());
    assert_eq!(x.len(), 3 * width, "{what}");
    assert_eq!(wanted.len(), 3 * outputs, "{what}");
    let mut session = Session::<f64>::new(model, &options).unwrap();
    let (mut y, mut dx, mut dp) = (
        vec![0.0; 3 * outputs],
        vec![0.0; 3 * width],
        vec![0.0; names.len()],
    );
    let rows = Strided::rows(&x, width);
    let cotangents: Vec<f64> = (0..3 * outputs)
        .map(|i| ((i % outputs) as f64).cos())
        .collect();
    let into = Gradient {
        y: Some(&mut StridedMut::rows(&mut y, outputs)),
        dx: Some(&mut StridedMut::rows(&mut dx, width)),
        dp: Some(&mut dp),
    };
    let seeds = Strided::rows(&cotangents, outputs);
    session
        .gradient(3, &rows, None, Some(&seeds), into, None)
        .unwrap();
    for (i, (found, wanted)) in y.iter().zip(&wanted).enumerate() {
        near(*found, *wanted, &format!("{what}: value {i}"));
    }
    for (i, (found, wanted)) in dx.iter().zip(numbers(&entry["dx"])).enumerate() {
        near(*found, wanted, &format!("{what}: derivative by input {i}"));
    }
    let mut own: Vec<(&str, f64)> = names.iter().map(String::as_str).zip(dp).collect();
    let mut compared = 0;
    let mut rearranged = Vec::new();
    for (weight, wanted) in entry["dp"].as_object().unwrap() {
        let wanted = numbers(wanted);
        let start = format!("{weight}.");
        let (found, others) = own.iter().partition(|(name, _)| name.starts_with(&start));
        let found: Vec<(&str, f64)> = found;
        own = others;
        // an exporter may store weights transposed or put together, under names of its own
        if found.is_empty() {
            rearranged.extend(wanted);
            continue;
        }
        assert_eq!(found.len(), wanted.len(), "{what}: {weight}");
        for ((name, found), wanted) in found.iter().zip(wanted) {
            near(*found, wanted, &format!("{what}: derivative by {name}"));
            compared += 1;
        }
    }
    // of those each derivative is that by one of the other weights
    for wanted in rearranged {
        let far = |value: f64| (value - wanted).abs();
        let nearest = (0..own.len()).min_by(|i, j| far(own[*i].1).total_cmp(&far(own[*j].1)));
        let (name, found) = own.swap_remove(nearest.unwrap());
        near(found, wanted, &format!("{what}: derivative by {name}"));
        compared += 1;
    }
    assert!(compared >= 9, "{what}: {compared} derivatives by weights");
}

#[test]
fn models_of_pytorch_have_its_values_and_gradients() {
    let expected = expected();
    let models = expected["models"].as_array().unwrap();
    assert!(models.len() >= 26);
    for entry in models {
        let file = entry["file"].as_str().unwrap();
        for engine in engines() {
            let model = load(file, &Options::new()).unwrap_or_else(|error| panic!("{error}"));
            compare(model, entry, engine);
        }
    }
}

#[test]
fn they_are_saved_and_loaded_in_both_forms() {
    let expected = expected();
    let options = Options::new();
    for entry in expected["models"].as_array().unwrap() {
        let model = load(entry["file"].as_str().unwrap(), &options).unwrap();
        let text = ncg::ncg::write(&model).unwrap();
        let saved = document::parse(text.as_bytes(), &options).unwrap();
        assert_eq!(saved.graph.ports, model.graph.ports);
        compare(saved, entry, "native");
        let bytes = ncg::onnx::write(&model, &options).unwrap();
        let exported = document::parse(&bytes, &options).unwrap();
        assert_eq!(exported.graph.ports, model.graph.ports);
        assert_eq!(exported.graph.to_string(), model.graph.to_string());
        compare(exported, entry, "native");
    }
}

#[test]
fn names_and_weights_are_as_documented() {
    let names = |weights: &str| {
        let mut options = Options::new();
        options.set_str("weights", weights).unwrap();
        let model = load("mlp-script.onnx", &options).unwrap();
        let names = model.graph.ports.iter().map(|port| port.name.to_string());
        names.collect::<Vec<String>>()
    };
    let all = names("arrays");
    assert_eq!(all.len(), 2 + 16 + 8 + 64 + 8 + 8 + 1);
    assert_eq!(all[..4], ["x.0", "x.1", "0.weight.0.0", "0.weight.0.1"]);
    assert_eq!(names("constant"), ["x.0", "x.1"]);
    assert_eq!(names("4.*, 0.bias").len(), 2 + 8 + 8 + 1);
    let model = load("mixed-dynamo.onnx", &Options::new()).unwrap();
    let ports = &model.graph.ports;
    assert!(!ports.iter().any(|port| port.name.contains("running")));
}

#[test]
fn what_is_too_large_is_refused() {
    let mut options = Options::new();
    options.set_int("max_nodes", 150).unwrap();
    let error = load("mlp-script.onnx", &options).unwrap_err();
    assert!(
        error.message.contains("raise the option max_nodes"),
        "{error}"
    );
    assert!(error.message.contains("Gemm"), "{error}");
}

/// The list of operators in the document is the list of those that can be read.
#[test]
fn the_document_lists_the_operators() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/onnx.md");
    let text = std::fs::read_to_string(path).unwrap();
    let list = text.split("<!-- operators -->").nth(1).unwrap();
    let listed: Vec<&str> = list
        .split_whitespace()
        .map(|word| word.trim_matches(['`', ',']))
        .collect();
    assert_eq!(listed, ncg::onnx::foreign_operators());
}

#[test]
fn unknown_operators_are_named_with_a_way_out() {
    let mut model = decode(&std::fs::read(folder().join("mlp-script.onnx")).unwrap()).unwrap();
    model.graph.as_mut().unwrap().node[1].op_type = Some("Tanhh".into());
    let error = import(&model.encode_to_vec()).unwrap_err().message;
    for part in [
        "operator Tanhh at node \"/1/Tanh\"",
        "Tanh is",
        "docs/onnx.md",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

/// The graph, or one inside of it.
fn inside<'a>(
    graph: &'a mut GraphProto,
    pick: &mut impl FnMut(usize) -> usize,
) -> &'a mut GraphProto {
    let holds = |graph: &GraphProto| {
        let nodes = graph.node.iter().enumerate();
        let places = nodes.flat_map(|(i, node)| {
            let attributes = node.attribute.iter().enumerate();
            attributes
                .filter(|(_, attribute)| attribute.g.is_some())
                .map(move |(j, _)| (i, j))
        });
        places.collect::<Vec<(usize, usize)>>()
    };
    let mut graph = graph;
    loop {
        let places = holds(graph);
        if places.is_empty() || pick(3) == 0 {
            return graph;
        }
        let (i, j) = places[pick(places.len())];
        graph = graph.node[i].attribute[j].g.as_mut().unwrap();
    }
}

/// Changes one thing in a model; `pick` chooses it.
fn change(model: &mut ModelProto, pick: &mut impl FnMut(usize) -> usize) {
    let graph = model.graph.as_mut().unwrap();
    let sizes = [0, 1, 2, 3, 8, -1, 1 << 20, 1 << 40, i64::MAX, i64::MIN];
    let outer: Vec<String> = graph
        .initializer
        .iter()
        .map(|t| t.name().to_string())
        .collect();
    let graph = inside(graph, pick);
    let nodes = graph.node.iter().flat_map(|node| node.output.clone());
    let inputs = graph.input.iter().map(|info| info.name().to_string());
    let names: Vec<String> = outer.into_iter().chain(nodes).chain(inputs).collect();
    let name = match names.is_empty() {
        true => return,
        false => names[pick(names.len())].clone(),
    };
    if pick(12) == 0 && !graph.output.is_empty() {
        let at = pick(graph.output.len());
        match pick(3) {
            0 => graph.output.truncate(at),
            1 => graph.output.push(graph.output[at].clone()),
            _ => graph.output[at].name = Some(name.clone()),
        }
        return;
    }
    if graph.node.is_empty() {
        return;
    }
    let count = graph.node.len();
    let node = &mut graph.node[pick(count)];
    let tensors = graph.initializer.len();
    match pick(8) {
        0 | 1 => {
            let operators = ncg::onnx::foreign_operators();
            node.op_type = Some(operators[pick(operators.len())].into());
        }
        2 if !node.input.is_empty() => {
            let at = pick(node.input.len());
            node.input[at] = name;
        }
        3 => node.input.push(name),
        4 if !node.attribute.is_empty() => {
            let at = pick(node.attribute.len());
            let attribute = &mut node.attribute[at];
            attribute.i = attribute.i.map(|_| sizes[pick(sizes.len())]);
            for value in &mut attribute.ints {
                *value = sizes[pick(sizes.len())];
            }
            if let Some(tensor) = &mut attribute.t {
                tensor.raw_data = Some(sizes[pick(sizes.len())].to_le_bytes().to_vec());
            }
        }
        5 if tensors > 0 => {
            let tensor = &mut graph.initializer[pick(tensors)];
            match tensor.dims.is_empty() {
                true => tensor.dims.push(sizes[pick(sizes.len())]),
                false => {
                    let at = pick(tensor.dims.len());
                    tensor.dims[at] = sizes[pick(sizes.len())];
                }
            }
        }
        6 if tensors > 0 => {
            let tensor = &mut graph.initializer[pick(tensors)];
            tensor.data_type = Some(pick(17) as i32);
            if pick(2) == 0 {
                let value = sizes[pick(sizes.len())];
                (tensor.dims, tensor.data_type) = (vec![1], Some(7));
                tensor.raw_data = Some(value.to_le_bytes().to_vec());
            }
        }
        _ => node.attribute.clear(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn changed_models_load_or_are_refused(
        which in 0..GOOD.len(),
        changes in 1..4usize,
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let (good, mut picks) = (&GOOD[which], picks.into_iter().cycle());
        let mut pick = |count: usize| picks.next().unwrap().index(count.max(1));
        let mut model = good.clone();
        for _ in 0..changes {
            change(&mut model, &mut pick);
        }
        let settings = Settings { max_nodes: 20_000, ..Settings::default() };
        let start = Instant::now();
        if let Ok(read) = import_with(&model.encode_to_vec(), &settings) {
            verify_numeric(&read.graph).unwrap();
        }
        prop_assert!(start.elapsed().as_secs() < 20, "it takes {:?}", start.elapsed());
    }

    #[test]
    fn changed_bytes_load_or_are_refused(which in 0..GOOD.len(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = GOOD[which].encode_to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let settings = Settings { max_nodes: 20_000, ..Settings::default() };
        if let Ok(read) = import_with(&bytes, &settings) {
            verify_numeric(&read.graph).unwrap();
        }
    }
}

static GOOD: LazyLock<Vec<ModelProto>> = LazyLock::new(|| {
    let expected = expected();
    let models = expected["models"].as_array().unwrap().iter();
    let read = |entry: &Json| {
        decode(&std::fs::read(folder().join(entry["file"].as_str().unwrap())).unwrap())
    };
    models.map(|entry| read(entry).unwrap()).collect()
});
