//! Files of the reference system load and give its values.

use std::path::Path;
use std::sync::Arc;

use ncg::document;
use ncg::graph::Value;
use ncg::options::Options;
use ncg::session::{Session, Strided, StridedMut};
use ncg::syntax::ast::Constant;
use serde_json::Value as Json;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ncg")
}

/// The samples of a case and, for each input, its value in each.
fn samples(inputs: &Json, names: &[Arc<str>]) -> (usize, Vec<f64>) {
    let batch = |name: &str| match &inputs[name] {
        Json::Number(number) => vec![number.as_f64().unwrap()],
        batch => {
            assert_eq!(batch["role"], "batch");
            batch["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|x| x.as_f64().unwrap())
                .collect()
        }
    };
    let columns: Vec<Vec<f64>> = names.iter().map(|name| batch(name)).collect();
    let count = columns.iter().map(Vec::len).max().unwrap_or(1);
    let spread = columns.into_iter().flat_map(|column| match column.len() {
        1 => vec![column[0]; count],
        _ => column,
    });
    (count, spread.collect())
}

fn same(value: &Value, outputs: &[Vec<f64>], wanted: &Json) {
    let number = |index: &usize| outputs[*index][0];
    let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-15 * b.abs(), "{a} is not {b}");
    match (wanted["type"].as_str().unwrap(), value) {
        ("number", Value::Output(index)) => close(number(index), wanted["value"].as_f64().unwrap()),
        ("bool", Value::Output(index)) => {
            assert_eq!(number(index) != 0.0, wanted["value"].as_bool().unwrap())
        }
        ("array", Value::Output(index)) => {
            let data = wanted["data"].as_array().unwrap();
            assert_eq!(outputs[*index].len(), data.len());
            outputs[*index]
                .iter()
                .zip(data)
                .for_each(|(a, b)| close(*a, b.as_f64().unwrap()));
        }
        ("array", Value::Array(shape, items)) => {
            let data = |key: &str| wanted[key].as_array().unwrap();
            let wanted: Vec<u64> = data("shape").iter().map(|x| x.as_u64().unwrap()).collect();
            assert_eq!(wanted, shape.iter().map(|x| *x as u64).collect::<Vec<_>>());
            assert_eq!(items.len(), data("data").len());
            for (item, x) in items.iter().zip(data("data")) {
                let wanted = serde_json::json!({"type": "number", "value": x});
                same(item, outputs, &wanted);
            }
        }
        ("symbol", Value::Constant(Constant::Symbol(name))) => {
            assert_eq!(&**name, wanted["value"].as_str().unwrap())
        }
        ("list", Value::List(items, None)) => {
            let data = wanted["items"].as_array().unwrap();
            assert_eq!(items.len(), data.len());
            items
                .iter()
                .zip(data)
                .for_each(|(item, datum)| same(item, outputs, datum));
        }
        ("list", Value::Constant(Constant::List(items, None))) if items.is_empty() => {
            assert!(wanted["items"].as_array().unwrap().is_empty());
        }
        (wanted, value) => panic!("{value} is no {wanted}"),
    }
}

#[test]
fn files_of_the_reference_give_its_values() {
    let index = std::fs::read_to_string(folder().join("index.jsonl")).unwrap();
    let (mut options, mut ran) = (Options::new(), 0);
    options.set_str("engine", "native").unwrap();
    for line in index.lines() {
        let entry: Json = serde_json::from_str(line).unwrap();
        let file = entry["file"].as_str().unwrap();
        let loaded = document::load(&folder().join(file), &options);
        let model = Arc::new(loaded.unwrap_or_else(|error| panic!("{file}: {error}")));
        assert_eq!(model.source.as_deref(), entry["source"].as_str());
        let names: Vec<Arc<str>> = model
            .graph
            .ports
            .iter()
            .map(|port| port.name.clone())
            .collect();
        for case in entry["cases"].as_array().unwrap() {
            let (count, x) = samples(&case["inputs"], &names);
            let mut session = Session::<f64>::new(model.clone(), &options).unwrap();
            let mut y = vec![0.0; count * model.graph.outputs.len()];
            let table = Strided::columns(&x, count);
            session
                .eval(
                    count,
                    &table,
                    None,
                    &mut StridedMut::columns(&mut y, count),
                    None,
                )
                .unwrap();
            let outputs: Vec<Vec<f64>> = y.chunks(count).map(<[f64]>::to_vec).collect();
            same(&model.graph.value, &outputs, &case["result"]);
            ran += 1;
        }
    }
    assert!(ran >= 20, "{ran} cases ran");
}

/// The document of Coulomb's law, changed in one place.
fn refused(change: impl Fn(&mut Json)) -> String {
    let text = std::fs::read_to_string(folder().join("nested_if.ncg")).unwrap();
    let mut document: Json = serde_json::from_str(&text).unwrap();
    change(&mut document);
    document::parse(document.to_string().as_bytes(), &Options::new())
        .unwrap_err()
        .message
}

#[test]
fn what_is_wrong_is_named() {
    let has = |message: String, wanted: &str| assert!(message.contains(wanted), "{message}");
    has(refused(|d| d["format"] = "zip".into()), "\"format\"");
    has(refused(|d| d["version"] = 2.into()), "\"version\"");
    has(refused(|d| d["source"] = 1.into()), "\"source\"");
    has(refused(|d| d["graph"] = Json::Null), "\"graph\"");
    has(refused(|d| d["graph"]["root_id"] = 99.into()), "node 99");
    has(
        refused(|d| d["graph"]["root_id"] = (-1).into()),
        "\"root_id\"",
    );
    has(
        refused(|d| d["graph"]["input_names"] = Json::from(vec!["x", "x"])),
        "\"x\"",
    );
    has(
        refused(|d| d["graph"]["input_names"] = Json::from(vec!["y"])),
        "\"x\"",
    );
    has(
        refused(|d| d["graph"]["nodes"]["0x"] = Json::Null),
        "\"0x\"",
    );
    has(
        refused(|d| d["graph"]["nodes"]["2"]["op_type"] = "frobnicate".into()),
        "\"frobnicate\"",
    );
    has(
        refused(|d| d["graph"]["nodes"]["2"]["op_type"] = Json::Null),
        "node 2",
    );
    has(
        refused(|d| d["graph"]["nodes"]["2"]["input_edges"] = Json::from(vec![2, 2])),
        "node 2",
    );
    has(
        refused(|d| d["graph"]["nodes"]["2"]["op_type"] = "sin".into()),
        "\"sin\" takes 1 argument, not 2",
    );
    has(
        refused(|d| d["graph"]["nodes"]["1"]["input_edges"] = Json::from(vec![0])),
        "node 1",
    );
    has(
        refused(|d| d["graph"]["nodes"]["2"]["input_edges"] = Json::from(vec![0, 77])),
        "node 77",
    );
    has(
        refused(|d| d["graph"]["nodes"]["2"]["input_edges"] = Json::from(vec!["a"])),
        "node 2",
    );
    has(refused(|d| d["ncg"] = 3.into()), "\"ncg\"");
    has(
        refused(|d| d["ncg"] = serde_json::json!({"parameters": {"z": {"initial": 1.0}}})),
        "\"z\"",
    );
    has(
        refused(|d| d["ncg"] = serde_json::json!({"parameters": {"x": {"initial": null}}})),
        "\"x\"",
    );
    for text in ["{", "{}", "{\"format\": NaN}", "{\"a\": \"\u{fdd0}\"}"] {
        assert!(
            document::parse(text.as_bytes(), &Options::new()).is_err(),
            "{text}"
        );
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let text = std::fs::read(folder().join("nested_if.ncg")).unwrap();
    for length in (1..text.len() - 1).step_by(7) {
        assert!(
            document::parse(&text[..length], &Options::new()).is_err(),
            "cut at {length}"
        );
    }
}

#[test]
fn deep_nesting_is_an_error() {
    let text = format!("{{\"format\": {}", "[".repeat(1_000_000));
    assert!(document::parse(text.as_bytes(), &Options::new()).is_err());
}

#[test]
fn names_values_and_bounds_survive() {
    let source = "(parameter k 2.5 0 +inf.0) (parameter |odd \"name| -1 -2 3) (list (if (> x 0) (* k x) |odd \"name|) 'a +inf.0 7 #\\b)";
    let model = ncg::compile::Model::compile(source, &Options::new()).unwrap();
    let text = ncg::ncg::write(&model).unwrap();
    let read = ncg::ncg::read(&text, &Options::new()).unwrap();
    assert_eq!(read.graph.ports, model.graph.ports);
    assert_eq!(read.graph.value, model.graph.value);
    assert_eq!(read.graph.to_string(), model.graph.to_string());
    assert_eq!(ncg::ncg::write(&read).unwrap(), text);
}
