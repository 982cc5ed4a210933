//! `If`, `Loop` and `Scan` in files made by hand: what is decided when the file is read, what becomes a loop of the graph, what
//! is refused, and files that are made to harm.

mod foreign;

use std::time::Instant;

use foreign::*;
use ncg::error::ErrorKind;
use ncg::graph::{Graph, NodeKind};
use ncg::onnx::proto::{GraphProto, ModelProto, NodeProto};
use ncg::onnx::{Settings, import, import_with};
use prost::Message;

fn read(model: &ModelProto) -> ncg::Result<Graph> {
    import(&model.encode_to_vec()).map(|imported| imported.graph)
}

fn refused(model: &ModelProto) -> String {
    read(model).unwrap_err().message
}

fn count(graph: &Graph, of: impl Fn(&NodeKind) -> bool) -> usize {
    graph.nodes.iter().filter(|node| of(&node.kind)).count()
}

fn is_loop(kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::Loop(..))
}

fn is_if(kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::If(..))
}

/// `x -> 2 x` while the condition holds, with `more` nodes and outputs.
fn doubling(test: &str, more: Vec<NodeProto>, outputs: &[&str]) -> GraphProto {
    let mut nodes = vec![node("Add", &["state", "state"], &["double"])];
    nodes.extend(more);
    let mut all = vec![test, "double"];
    all.extend(outputs);
    let mut body = graph(nodes, &all);
    body.input = vec![
        info("i", INT, &[]),
        info("on", BOOL, &[]),
        info("state", FLOAT, &[3]),
    ];
    body
}

/// A model of a loop over `x` of shape `[3]` with the trip count and the condition of these names.
fn looping(limit: &str, test: &str, body: GraphProto, before: Vec<NodeProto>) -> ModelProto {
    let extra = body.output.len() - 2;
    let names = ["y", "s0", "s1"];
    let run = with_graph(
        node("Loop", &[limit, test, "x"], &names[..1 + extra]),
        "body",
        body,
    );
    let mut nodes = vec![
        whole("four", 4),
        whole("endless", 1 << 60),
        truth("yes", true),
        truth("no", false),
        node("ReduceMax", &["x"], &["most"]),
        node("Squeeze", &["most"], &["one"]),
        number("limit", 50.0),
        node("Less", &["one", "limit"], &["small"]),
        to_int("one", "floor"),
    ];
    nodes.extend(before);
    nodes.push(run);
    model(nodes, &[info("x", FLOAT, &[3])], &names[..1 + extra])
}

const X: [f64; 3] = [1.0, 2.5, -3.0];

#[test]
fn what_is_known_is_written_out() {
    for (limit, test, factor) in [
        ("four", "yes", 16.0),
        ("four", "", 16.0),
        ("four", "no", 1.0),
        ("", "no", 1.0),
    ] {
        let graph = read(&looping(limit, test, doubling("on", vec![], &[]), vec![])).unwrap();
        assert_eq!(count(&graph, is_loop), 0, "{limit} {test}");
        for (values, _) in on_engines(&graph, &X) {
            assert_eq!(values, X.map(|x| factor * x), "{limit} {test}");
        }
    }
    // rows of each iteration
    let body = doubling("on", vec![node("Identity", &["state"], &["row"])], &["row"]);
    let graph = read(&looping("four", "", body, vec![])).unwrap();
    let values = on_engines(&graph, &X)[0].0.clone();
    let rows = [1.0, 2.0, 4.0, 8.0].map(|k| X.map(|x| k * x)).concat();
    assert_eq!(values[3..], rows);
}

/// The condition is known for the first iterations and hangs on data later.
#[test]
fn what_hangs_on_data_is_a_loop_of_the_graph() {
    let test = || {
        vec![
            node("ReduceMax", &["double"], &["top"]),
            node("Squeeze", &["top"], &["top1"]),
            node("Less", &["top1", "limit"], &["again"]),
        ]
    };
    // 2.5 · 2⁵ = 80 is the first above 50
    for (limit, first, factor) in [
        ("", "small", 32.0),
        ("", "", 32.0),
        ("endless", "yes", 32.0),
        ("four", "small", 16.0),
        ("floor", "yes", 4.0),
    ] {
        let model = looping(limit, first, doubling("again", test(), &[]), vec![]);
        let graph = read(&model).unwrap();
        assert_eq!(count(&graph, is_loop), 1, "{limit} {first}");
        for (values, derivatives) in on_engines(&graph, &X) {
            assert_eq!(values, X.map(|x| factor * x), "{limit} {first}");
            assert_eq!(derivatives, [factor; 3], "{limit} {first}");
        }
    }
    let graph = read(&looping("floor", "", doubling("on", vec![], &[]), vec![])).unwrap();
    for x in [f64::NAN, f64::INFINITY, -4.0, 0.9] {
        for (values, _) in on_engines(&graph, &[x; 3]) {
            assert_eq!(values[0].to_bits(), x.to_bits(), "{x}");
        }
    }
}

#[test]
fn iterations_that_hang_on_data_have_fixed_shapes_or_are_refused() {
    let rows = doubling("on", vec![node("Identity", &["state"], &["row"])], &["row"]);
    let message = refused(&looping("floor", "", rows, vec![]));
    for part in [
        "Loop at node \"Loop y\"",
        "its trip count",
        "known when the file is read",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let mut body = doubling(
        "on",
        vec![int(
            node("Concat", &["state", "state"], &["two"]),
            "axis",
            0,
        )],
        &[],
    );
    body.output[1] = info("two", FLOAT, &[]);
    let graph = read(&looping("four", "", body.clone(), vec![])).unwrap();
    assert_eq!(graph.outputs.len(), 48);
    let message = refused(&looping("floor", "", body, vec![]));
    for part in ["state 0 of shape [3]", "one of shape [6]"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn an_if_takes_its_arm_or_becomes_one() {
    let arm = |operator: &str| graph(vec![node(operator, &["x"], &["r"])], &["r"]);
    let choice = |test: &str, then, otherwise| {
        let branch = node("If", &[test], &["y"]);
        let branch = with_graph(
            with_graph(branch, "then_branch", then),
            "else_branch",
            otherwise,
        );
        let nodes = vec![
            truth("yes", true),
            node("ReduceMax", &["x"], &["most"]),
            number("limit", 2.0),
            node("Less", &["most", "limit"], &["small"]),
            branch,
        ];
        model(nodes, &[info("x", FLOAT, &[3])], &["y"])
    };
    let graph = read(&choice("yes", arm("Neg"), arm("Sqrt"))).unwrap();
    assert_eq!(count(&graph, is_if), 0);
    assert_eq!(on_engines(&graph, &X)[0].0, X.map(|x| -x));
    let graph = read(&choice("small", arm("Log"), arm("Neg"))).unwrap();
    assert_eq!(count(&graph, is_if), 1);
    for (values, derivatives) in on_engines(&graph, &X) {
        // the logarithm of a negative number is not taken, and reaches no derivative
        assert_eq!(
            (values, derivatives),
            (X.map(|x| -x).to_vec(), vec![-1.0; 3])
        );
    }
    let part = foreign::graph(vec![node("ReduceMax", &["x"], &["r"])], &["r"]);
    let message = refused(&choice("small", arm("Log"), part));
    for part in ["If at node \"If y\"", "output 0", "[3]", "[1]"] {
        assert!(message.contains(part), "{message}");
    }
    let nothing = foreign::graph(vec![], &["r"]);
    assert!(refused(&choice("small", arm("Log"), nothing)).contains("nothing before it gives"));
}

/// A file that asks for more work than allowed is refused soon.
fn refused_soon(model: &ModelProto, part: &str) {
    let start = Instant::now();
    let error = import(&model.encode_to_vec()).unwrap_err();
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    assert!(error.message.contains(part), "{error}");
}

#[test]
fn endless_files_are_refused() {
    let limit = "raise the option max_nodes";
    refused_soon(
        &looping("endless", "", doubling("on", vec![], &[]), vec![]),
        limit,
    );
    refused_soon(
        &looping("", "yes", doubling("on", vec![], &[]), vec![]),
        limit,
    );
    // loops in loops
    let mut body = doubling("on", vec![], &[]);
    for _ in 0..8 {
        let inner = with_graph(
            node("Loop", &["endless", "", "state"], &["double"]),
            "body",
            body,
        );
        body = doubling("on", vec![], &[]);
        body.node = vec![inner];
    }
    refused_soon(&looping("endless", "", body, vec![]), limit);
    // an empty body
    let mut body = doubling("on", vec![], &[]);
    body.node.clear();
    body.output[1] = info("state", FLOAT, &[]);
    refused_soon(&looping("endless", "", body, vec![]), limit);
    // a tensor that doubles
    let mut body = doubling(
        "on",
        vec![int(
            node("Concat", &["state", "state"], &["two"]),
            "axis",
            0,
        )],
        &[],
    );
    body.output[1] = info("two", FLOAT, &[]);
    refused_soon(&looping("endless", "", body, vec![]), limit);
}

#[test]
fn trip_counts_that_are_no_numbers_are_refused() {
    for value in [f32::NAN, f32::INFINITY, -1e30] {
        let before = vec![number("bad", value), to_int("bad", "count")];
        let message = refused(&looping("count", "", doubling("on", vec![], &[]), before));
        assert!(message.contains("makes a whole number of"), "{message}");
    }
    let message = refused(&looping("x", "", doubling("on", vec![], &[]), vec![]));
    assert!(
        message.contains("one value, not a tensor of shape [3]"),
        "{message}"
    );
    let message = refused(&looping("most", "", doubling("on", vec![], &[]), vec![]));
    assert!(message.contains("wrong type"), "{message}");
}

#[test]
fn graphs_nest_as_deep_as_the_format_goes() {
    let arm = |inner: NodeProto| graph(vec![inner], &["r"]);
    let wrapped = |inner: NodeProto| {
        let branch = node("If", &["yes"], &["r"]);
        let branch = with_graph(branch, "then_branch", arm(inner.clone()));
        with_graph(branch, "else_branch", arm(node("Log", &["x"], &["r"])))
    };
    let mut inner = node("Neg", &["x"], &["r"]);
    for _ in 0..30 {
        inner = wrapped(inner);
    }
    let nested = model(
        vec![truth("yes", true), inner],
        &[info("x", FLOAT, &[3])],
        &["r"],
    );
    let values = on_engines(&read(&nested).unwrap(), &X)[0].0.clone();
    assert_eq!(values, X.map(|x| -x));
    // graph 7 of the model, node 1 of a graph, attribute 5 of a node, graph 6 of an attribute
    let mut bytes = vec![];
    for depth in 0..30_000 {
        let mut outer = vec![[0x0a, 0x2a, 0x32][depth % 3]];
        prost::encode_length_delimiter(bytes.len(), &mut outer).unwrap();
        outer.extend(&bytes);
        bytes = outer;
    }
    let mut model = vec![0x3a];
    prost::encode_length_delimiter(bytes.len(), &mut model).unwrap();
    model.extend(bytes);
    assert_eq!(import(&model).unwrap_err().kind, ErrorKind::Format);
}

#[test]
fn a_scan_has_the_documented_directions_and_axes() {
    let body = || {
        let mut body = graph(
            vec![
                node("Add", &["s", "r"], &["sum"]),
                node("Mul", &["s", "r"], &["row"]),
            ],
            &["sum", "row"],
        );
        body.input = vec![info("s", FLOAT, &[]), info("r", FLOAT, &[])];
        body
    };
    let scan = |attributes: &[(&str, &[i64])]| {
        let mut scan = with_graph(node("Scan", &["zero", "x"], &["last", "y"]), "body", body());
        for (name, values) in attributes {
            scan = if *name == "num_scan_inputs" {
                int(scan, name, values[0])
            } else {
                ints(scan, name, values)
            };
        }
        let zero = number("zero", 0.0);
        model(vec![zero, scan], &[info("x", FLOAT, &[3])], &["last", "y"])
    };
    let values = |attributes: &[(&str, &[i64])]| {
        let graph = read(&scan(attributes)).unwrap();
        on_engines(&graph, &[1.0, 2.0, 4.0])[0].0.clone()
    };
    let one: (&str, &[i64]) = ("num_scan_inputs", &[1]);
    assert_eq!(values(&[one]), [7.0, 0.0, 2.0, 12.0]);
    assert_eq!(
        values(&[one, ("scan_input_directions", &[1])]),
        [7.0, 0.0, 8.0, 6.0]
    );
    assert_eq!(
        values(&[one, ("scan_output_directions", &[1])]),
        [7.0, 12.0, 2.0, 0.0]
    );
    assert!(refused(&scan(&[])).contains("another number of inputs"));
    assert!(refused(&scan(&[("num_scan_inputs", &[3])])).contains("another number of inputs"));
    assert!(refused(&scan(&[one, ("scan_input_axes", &[1])])).contains("axis 1"));
    let mut samples = scan(&[one]);
    samples.graph.as_mut().unwrap().input = vec![free_info("x", FLOAT, &[])];
    assert!(refused(&samples).contains("the samples"));
}

/// What is computed anew in each iteration counts, also where it is the same.
#[test]
fn the_limit_of_nodes_holds_for_iterations() {
    let settings = Settings {
        max_nodes: 100,
        ..Settings::default()
    };
    let file = looping("endless", "", doubling("on", vec![], &[]), vec![]).encode_to_vec();
    let error = import_with(&file, &settings).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit);
}
