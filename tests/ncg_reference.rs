//! Files of the reference system load and give its values.

use std::path::Path;
use std::sync::Arc;

use ncg::compile::Model;
use ncg::document;
use ncg::graph::Value;
use ncg::interp::{Interpreter, bind_program, compile_interpreter};
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};
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

/// What is said of the document of a branch, changed in one place.
fn refused(change: impl Fn(&mut Json)) -> String {
    refused_of("nested_if.ncg", change)
}

fn refused_of(file: &str, change: impl Fn(&mut Json)) -> String {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
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
fn what_is_wrong_with_a_loop_is_named() {
    let body = |d: &mut Json| d["graph"]["loops"]["4"]["body_graph"].take();
    let check = |wanted: &str, change: &dyn Fn(&mut Json)| {
        let message = refused_of("loop_sum.ncg", change);
        assert!(message.contains(wanted), "{message} does not say: {wanted}");
    };
    let inside = |d: &mut Json, change: &dyn Fn(&mut Json)| {
        let mut graph = body(d);
        change(&mut graph);
        d["graph"]["loops"]["4"]["body_graph"] = graph;
    };
    check("loop 4 of the graph has no body", &|d| {
        d["graph"]["loops"] = serde_json::json!({});
    });
    check("3 edges for 4 names", &|d| {
        d["graph"]["nodes"]["4"]["input_edges"] = serde_json::json!([2, 3, 0]);
    });
    check(
        "node 9 of loop 4 of the graph: its loop has 2 parameters, but 1 next",
        &|d| {
            inside(d, &|g| {
                g["nodes"]["9"]["input_edges"] = serde_json::json!([5])
            });
        },
    );
    check(
        "node 9 of loop 4 of the graph: a recur may stand only at the end",
        &|d| {
            inside(d, &|g| {
                g["nodes"]["3"]["input_edges"] = serde_json::json!([0, 9])
            });
        },
    );
    check("needs its own value", &|d| {
        inside(d, &|g| {
            g["nodes"]["7"]["input_edges"] = serde_json::json!([8, 0])
        });
    });
    check("a recur stands outside a loop", &|d| {
        d["graph"]["nodes"]["4"]["op_type"] = "recur".into();
    });
    check("two parameters \"i\"", &|d| {
        d["graph"]["loops"]["4"]["params"] = serde_json::json!(["i", "i"]);
    });
    check(
        "node 2 of loop 4 of the graph: there is no input \"m\"",
        &|d| {
            inside(d, &|g| g["nodes"]["2"]["name"] = "m".into());
        },
    );
    check("an if that ends with a recur is used twice", &|d| {
        inside(d, &|g| {
            let mut outer = g["nodes"]["10"].clone();
            outer["input_edges"] = serde_json::json!([3, 10, 12]);
            let mut other = g["nodes"]["10"].clone();
            other["input_edges"] = serde_json::json!([7, 10, 1]);
            g["nodes"]["11"] = outer;
            g["nodes"]["12"] = other;
            g["root_id"] = 11.into();
        });
    });
    // a recur that two arms end with stands in both
    let text = std::fs::read_to_string(folder().join("loop_sum.ncg")).unwrap();
    let mut document: Json = serde_json::from_str(&text).unwrap();
    inside(&mut document, &|g| {
        let mut inner = g["nodes"]["10"].clone();
        inner["input_edges"] = serde_json::json!([2, 9, 9]);
        g["nodes"]["11"] = inner;
        g["nodes"]["10"]["input_edges"] = serde_json::json!([3, 1, 11]);
    });
    let general = ncg::ncg::read_graph(&document.to_string()).unwrap();
    assert_eq!(general.to_string().matches("call").count(), 3, "{general}");
}

#[test]
fn a_body_reads_outer_names_that_it_does_not_list() {
    // the inner loop captures "i" of the outer one: without the list, by name
    let text = std::fs::read_to_string(folder().join("loop_nested.ncg")).unwrap();
    let mut document: Json = serde_json::from_str(&text).unwrap();
    let outer = &mut document["graph"]["loops"]["2"]["body_graph"];
    outer["nodes"]["8"]["input_edges"] = serde_json::json!([6, 7]);
    outer["loops"]["8"]["captures"] = serde_json::json!([]);
    let options = Options::new();
    let listed = ncg::ncg::read(&text, &options).unwrap().graph;
    let unlisted = ncg::ncg::read(&document.to_string(), &options).unwrap();
    assert_eq!(unlisted.graph.to_string(), listed.to_string());
}

/// A loop in the second arm of the body of a loop, and so on.
fn nested(depth: usize, arms: usize) -> Json {
    let node = |op: &str, name: &str, edges: Vec<usize>| serde_json::json!({"name": name, "op_type": op, "value": 1.0, "input_edges": edges});
    let mut body = Json::Null;
    for level in 0..=depth {
        let mut nodes = serde_json::Map::new();
        nodes.insert("0".into(), node("input", "x", vec![]));
        let last = match level {
            0 => node("sin", "", vec![0]),
            _ => node("loop", "", vec![0]),
        };
        nodes.insert("1".into(), last);
        for arm in 0..arms {
            nodes.insert((arm + 2).to_string(), node("if", "", vec![0, 0, arm + 1]));
        }
        let mut loops = serde_json::Map::new();
        if level > 0 {
            let inner = serde_json::json!({"params": ["x"], "captures": [], "body_graph": body});
            loops.insert("1".into(), inner);
        }
        body = serde_json::json!({"root_id": arms + 1, "input_names": ["x"], "nodes": nodes, "loops": loops});
    }
    serde_json::json!({"format": "nncompile-graph", "version": 1, "source": null, "graph": body})
}

#[test]
fn deep_loops_and_arms_are_errors() {
    let read = |depth, arms| ncg::ncg::read_graph(&nested(depth, arms).to_string());
    assert!(read(20, 10).is_ok());
    let message = read(33, 0).unwrap_err().message;
    assert!(
        message.contains("loops nest more than 32 deep"),
        "{message}"
    );
    assert!(read(1, 450).is_ok());
    for (depth, arms) in [(0, 1500), (10, 200), (30, 900)] {
        let message = read(depth, arms).unwrap_err().message;
        assert!(
            message.contains("branches nest more than 1000 deep"),
            "{message}"
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

/// A node of the reference.
fn node(id: usize, name: &str, op: &str, edges: &[u64]) -> Json {
    let labels: Vec<String> = (0..edges.len()).map(|i| format!("arg{i}")).collect();
    serde_json::json!({
        "node_id": id, "name": name, "op_type": op, "value": null, "input_edges": edges,
        "input_names": labels, "call_target": null,
    })
}

/// The calls in tail position of a body: those at its root, or at the end of arms below it.
fn tail_calls(nodes: &Json, at: u64, found: &mut Vec<u64>) {
    let node = &nodes[at.to_string()];
    match node["op_type"].as_str().unwrap() {
        "if" => {
            for arm in &node["input_edges"].as_array().unwrap()[1..] {
                tail_calls(nodes, arm.as_u64().unwrap(), found);
            }
        }
        "call" | "dynamic_call" => found.push(at),
        _ => {}
    }
}

/// A body as that of a loop in a body of its own, whose first nodes are of this kind.
fn in_a_loop(params: &Json, captures: &Json, mut body: Json, kind: &str) -> Json {
    for node in body["nodes"].as_object_mut().unwrap().values_mut() {
        if node["op_type"] == "func_param" {
            node["op_type"] = "loop_param".into();
        }
    }
    body["uses_tagged_values"] = false.into();
    let names = |list: &Json| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|name| name.as_str().unwrap().to_string())
            .collect()
    };
    let (states, captured) = (names(params), names(captures));
    let mut nodes = serde_json::Map::new();
    for (id, name) in states.iter().chain(&captured).enumerate() {
        let op = if id < states.len() { kind } else { "input" };
        nodes.insert(id.to_string(), node(id, name, op, &[]));
    }
    let id = nodes.len();
    let edges: Vec<u64> = (0..id as u64).collect();
    nodes.insert(id.to_string(), node(id, "__loop_1", "loop", &edges));
    let repeat = serde_json::json!({
        "params": params, "captures": captures, "recur_flag_id": null, "result_id": null,
        "recur_arg_ids": {}, "body_graph": body,
    });
    let bound: serde_json::Map<String, Json> = (states.iter().enumerate())
        .map(|(id, name)| (name.clone(), id.into()))
        .collect();
    serde_json::json!({
        "root_id": id, "input_names": params, "uses_tagged_values": false, "name_to_id": bound,
        "nodes": nodes, "loops": {id.to_string(): repeat},
    })
}

/// The file of an interpreter as the reference writes files: nothing of ours, whole numbers as reals, a procedure that ends
/// with calls as loops in each other, calls of itself among them as `recur`.
fn as_the_reference_writes(interpreter: &Interpreter) -> String {
    let text = ncg::ncg::write(&interpreter.model()).unwrap();
    let mut document: Json = serde_json::from_str(&text).unwrap();
    document.as_object_mut().unwrap().remove("ncg");
    document["source"] = Json::Null;
    let functions = document["graph"]["functions"].as_object_mut().unwrap();
    let mut loops = 0;
    for (name, function) in functions.iter_mut() {
        let (params, captures) = (function["params"].clone(), function["captures"].clone());
        let mut body = function["body_graph"].clone();
        let mut found = Vec::new();
        tail_calls(
            &body["nodes"],
            body["root_id"].as_u64().unwrap(),
            &mut found,
        );
        if found.is_empty() {
            continue;
        }
        for id in found {
            let call = &mut body["nodes"][id.to_string()];
            if call["call_target"] == name.as_str() {
                loops += 1;
                call["op_type"] = "recur".into();
                call["call_target"] = Json::Null;
            }
        }
        let inner = in_a_loop(&params, &captures, body, "loop_param");
        function["body_graph"] = in_a_loop(&params, &captures, inner, "func_param");
    }
    assert!(loops >= 4, "{loops}");
    serde_json::to_string_pretty(&document).unwrap()
}

/// Value and gradient of one sample.
fn at(model: &Arc<Model>, engine: &str, x: &[f64]) -> (f64, Vec<f64>) {
    let mut options = Options::new();
    options.set_str("engine", engine).unwrap();
    let mut session = Session::<f64>::new(model.clone(), &options).unwrap();
    let (mut y, mut dx) = ([0.0], vec![0.0; x.len()]);
    let into = Gradient {
        y: Some(&mut StridedMut::rows(&mut y, 1)),
        dx: Some(&mut StridedMut::rows(&mut dx, x.len())),
        dp: None,
    };
    let table = Strided::rows(x, x.len());
    session.gradient(1, &table, None, None, into, None).unwrap();
    (y[0], dx)
}

#[test]
fn an_interpreter_of_another_make_loads_and_runs_programs() {
    let evaluator = include_str!("data/evaluator.scm");
    let text = as_the_reference_writes(&compile_interpreter(evaluator).unwrap());
    let loaded = document::parse(text.as_bytes(), &Options::new()).unwrap();
    assert!(!loaded.is_numeric());
    let graph = ncg::ncg::read_graph(&text).unwrap();
    let interpreter = Interpreter::new(graph).unwrap();
    // each with its number of inputs, and whether its structure hangs on data
    for (program, inputs, general) in [
        ("(* a (exp (* (- 0 b) x)))", 3, false),
        ("(+ (* a x) (* b (* x x)))", 3, false),
        ("(if (< x 1) (* 2 x) (* x x))", 1, false),
        (
            "(cond ((< x 0) (- 0 x)) ((= x 0.5) 7) (else (sin x)))",
            1,
            false,
        ),
        ("(let ((y (* x x)) (z 3)) (+ y (* z x)))", 1, false),
        (
            "((lambda (f v) (f (f v))) (lambda (y) (+ y a)) x)",
            2,
            false,
        ),
        ("(define k 2.5) (define (g v) (* k v)) (g (g x))", 1, false),
        (
            "(define (power b n) (if (= n 0) 1 (* b (power b (- n 1))))) (power x 5)",
            1,
            false,
        ),
        (
            "(define (sum l) (if (null? l) 0 (+ (car l) (sum (cdr l))))) (sum (cons x (list 1 2 (* x a))))",
            2,
            false,
        ),
        ("(if (< (car (quote (1 2 3))) x) x (* a x))", 2, false),
        (
            "(define (fall y) (if (< y 1) y (* 0.5 (fall (- y 1))))) (fall (* a x))",
            2,
            true,
        ),
    ] {
        let bound = bind_program(&interpreter, program, &Options::new());
        let bound = Arc::new(bound.unwrap_or_else(|error| panic!("{program}: {error}")));
        let direct = Arc::new(Model::compile(program, &Options::new()).unwrap());
        assert_eq!(bound.graph.ports.len(), inputs, "{program}");
        assert_eq!(
            bound.is_numeric(),
            !general,
            "{program}: {:?}",
            bound.refusal
        );
        let names = |model: &Model| -> Vec<String> {
            let ports = model.graph.ports.iter();
            ports.map(|port| port.name.to_string()).collect()
        };
        assert_eq!(names(&bound), names(&direct), "{program}");
        for i in 0..7 {
            let x: Vec<f64> = (0..inputs).map(|j| 0.5 * (i + j) as f64 - 0.75).collect();
            let wanted = at(&direct, "tagged", &x);
            assert_eq!(at(&bound, "tagged", &x), wanted, "{program} at {x:?}");
            if !general {
                let (y, dx) = at(&bound, "native", &x);
                let near = |a: f64, b: f64| (a - b).abs() <= 1e-14 * b.abs();
                assert!(
                    near(y, wanted.0),
                    "{program} at {x:?}: {y}, not {}",
                    wanted.0
                );
                assert!(
                    dx.iter().zip(&wanted.1).all(|(a, b)| near(*a, *b)),
                    "{program}"
                );
            }
        }
    }
}
