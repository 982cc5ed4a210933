//! Loops, ways back over them and branches on ONNX Runtime, against the plainest evaluator: graphs written by hand, one for
//! each way in which they can meet, and random ones; their values and their gradients.

mod loop_texts;
mod numeric;
mod onnx_checks;
mod onnx_models;
mod plain;
mod random_loops;

use loop_texts::{loop_in_arm, lotka_volterra, nested};
use ncg::ErrorKind;
use ncg::engine::ort::{OrtConfig, OrtSession, TensorMut, TensorRef, prepare};
use ncg::grad::{jacobian, vjp};
use ncg::graph::{Builder, Graph, NodeId, Type, parse};
use ncg::onnx::{Element, decode, export, training_step};
use ncg::ops::{Emit, Op};
use numeric::{Columns, Results, compiled};
use onnx_checks::{check, check_one, compare, run};
use onnx_models::have_runtime;
use proptest::prelude::*;

/// Reads a graph and checks it on samples of `inputs`, with `parameters` the same for all; ports are in that order.
fn check_text(text: &str, inputs: &[&[f64]], parameters: &[f64]) {
    let graph = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let samples = inputs.first().map_or(3, |values| values.len());
    let mut ports: Vec<Vec<f64>> = inputs.iter().map(|values| values.to_vec()).collect();
    ports.extend(parameters.iter().map(|value| vec![*value; samples]));
    check(&graph, &ports);
}

/// The operators of a model, those of bodies too.
fn operators(graph: &Graph) -> Vec<String> {
    let model = decode(&export(graph, Element::F64).unwrap()).unwrap();
    let mut open = vec![model.graph.unwrap()];
    let mut found = Vec::new();
    while let Some(graph) = open.pop() {
        for node in graph.node {
            found.push(node.op_type().to_string());
            open.extend(
                node.attribute
                    .into_iter()
                    .filter_map(|attribute| attribute.g),
            );
        }
    }
    found
}

fn has(graph: &Graph, operator: &str) -> usize {
    operators(graph)
        .iter()
        .filter(|name| *name == operator)
        .count()
}

const X: &[f64] = &[0.5, 2.5, 1.75, 4.0, 0.25];
const Y: &[f64] = &[1.0, 0.3, 2.0, 0.1, 1.5];

#[test]
fn a_static_number_of_iterations() {
    if !have_runtime("a_static_number_of_iterations") {
        return;
    }
    for test in [
        "  %19 = < %11 %6 bool",
        "  %18 = = %11 %6 bool\n  %19 = not %18 bool",
        "  %18 = <= %6 %11 bool\n  %19 = not %18 bool",
    ] {
        let text = lotka_volterra(test);
        let graph = parse(&text).unwrap();
        let both = vjp(&graph, &[0, 1, 2, 3]);
        assert_eq!((has(&graph, "Scan"), has(&graph, "Loop")), (1, 0), "{text}");
        // the reference evaluator has no Scan back, so files go back in a Loop
        assert_eq!((has(&both, "Scan"), has(&both, "Loop")), (1, 1));
        // without masks
        assert_eq!(has(&both, "Where"), 0);
        check_text(&text, &[X, Y], &[1.1, 0.4]);
    }
}

#[test]
fn no_iteration_at_all() {
    if !have_runtime("no_iteration_at_all") {
        return;
    }
    let text = lotka_volterra("  %19 = < %11 %4 bool");
    assert_eq!(operators(&parse(&text).unwrap()), ["Identity"; 3]);
    check_text(&text, &[X, Y], &[1.1, 0.4]);
}

#[test]
fn a_number_of_iterations_for_each_sample() {
    if !have_runtime("a_number_of_iterations_for_each_sample") {
        return;
    }
    // while x + y < 6 and fewer than 20 times: none, some and all
    let text = lotka_volterra(
        "  %14 = const 6.0 real\n  %15 = + %12 %13 real\n  %16 = < %15 %14 bool\n  %17 = < %11 %6 bool\n  %19 = and %16 %17 bool",
    );
    let graph = parse(&text).unwrap();
    assert_eq!((has(&graph, "Scan"), has(&graph, "Loop")), (0, 1));
    check_text(&text, &[X, Y], &[1.1, 0.4]);
    check_text(&text, &[&[7.0, 8.0], &[1.0, 1.0]], &[1.1, 0.4]);
    check_text(&text, &[&[3.0], &[1.0]], &[1.1, 0.4]);
}

#[test]
fn a_number_of_iterations_that_a_parameter_decides() {
    if !have_runtime("a_number_of_iterations_that_a_parameter_decides") {
        return;
    }
    let text = lotka_volterra("  %19 = < %11 %2 bool");
    let graph = parse(&text).unwrap();
    // one for all: no mask
    assert_eq!(
        (has(&graph, "Loop"), has(&graph, "Where")),
        (1, 3),
        "{:?}",
        operators(&graph)
    );
    for a in [0.0, 1.0, 3.5] {
        check_text(&text, &[X, Y], &[a, 0.4]);
    }
}

#[test]
fn loops_within_loops_and_in_tests() {
    if !have_runtime("loops_within_loops_and_in_tests") {
        return;
    }
    let text = nested();
    check_text(
        &text,
        &[&[0.5, 2.5, 1.75, 0.3], &[3.0, 0.3, 9.0, -1.0]],
        &[0.7],
    );
    // an inner loop that counts to three stays a Scan inside the masked loop
    let fixed = text.replace(
        "%41 = + %11 %5 int",
        "%41 = + %11 %5 int\n  %42 = const 3 int",
    );
    let fixed = fixed.replace("%53 = < %51 %41 bool", "%53 = < %51 %42 bool");
    let graph = parse(&fixed).unwrap();
    assert_eq!(has(&graph, "Scan"), 1);
    check_text(
        &fixed,
        &[&[0.5, 2.5, 1.75, 0.3], &[3.0, 0.3, 9.0, -1.0]],
        &[0.7],
    );
}

#[test]
fn a_loop_in_an_arm() {
    if !have_runtime("a_loop_in_an_arm") {
        return;
    }
    for static_test in [false, true] {
        // x < 16 is one for each sample; k < 1 is one for all, and the loop does not end where it fails
        let text = loop_in_arm("%24 = const 16.0 real\n%7 = < %0 %24 bool", static_test);
        let graph = parse(&text).unwrap();
        assert_eq!(has(&graph, "If"), 0);
        assert_eq!(has(&graph, if static_test { "Scan" } else { "Loop" }), 1);
        check_text(&text, &[&[20.0, 3.0, 1.0, 0.1, -1.0]], &[0.5]);
        check_text(&text, &[&[20.0, 30.0]], &[0.5]);
        let text = loop_in_arm("%7 = < %1 %5 bool", static_test);
        let graph = parse(&text).unwrap();
        assert_eq!(has(&graph, "If"), 1);
        check_text(&text, &[&[20.0, 3.0, 1.0, 0.1]], &[0.5]);
        check_text(&text, &[&[20.0, 3.0, 1.0, 0.1]], &[1.5]);
    }
    // here the loop of samples outside the arm never ends
    let text = loop_in_arm("%24 = const 16.0 real\n%7 = < %0 %24 bool", false)
        .replace("%15 = * %12 %1 real", "%24 = const 1.5 real\n    %25 = / %0 %24 real\n    %26 = - %12 %25 real\n    %15 = min %12 %26 real");
    check_text(
        &text.replacen(
            "%24 = const 16.0 real\n%7 = < %0 %24 bool",
            "%7 = > %0 %2 bool",
            1,
        ),
        &[&[-2.0, 3.0, 1.0]],
        &[0.5],
    );
}

#[test]
fn branches_within_branches_stay_where_tests_are_the_same_for_all() {
    if !have_runtime("branches_within_branches_stay_where_tests_are_the_same_for_all") {
        return;
    }
    let source = "(input x) (parameter k 2.0) (parameter m 1.0)
        (if (> k 1) (if (> x 0) (* k x) (if (< m 1) (exp m) (* x x))) (list-ref (list k m) 1))";
    let graph = compiled(source);
    assert_eq!(has(&graph, "If"), 2);
    for (k, m) in [(2.0, 1.0), (2.0, 0.5), (0.5, 0.25)] {
        let ports = [vec![1.0, -2.0, 0.0], vec![k; 3], vec![m; 3]];
        check(&graph, &ports);
    }
    // the deepest ones give way
    let mut deep = "x".to_string();
    for i in 0..60 {
        deep = format!("(if (> k {i}) (sin {deep}) (* x {i}))");
    }
    let graph = compiled(&format!("(input x) (parameter k 40.5) {deep}"));
    let count = has(&graph, "If");
    assert!((20..31).contains(&count), "{count}");
    for k in [-1.0, 30.5, 59.5, 70.0] {
        check_one("deep", &graph, &[vec![1.0, -2.0], vec![k; 2]]);
    }
}

#[test]
fn truth_values_and_exchanges_are_carried() {
    if !have_runtime("truth_values_and_exchanges_are_carried") {
        return;
    }
    let text = |flag: &str| {
        format!(
            "\
input x
parameter k = 0.7 [-inf.0, +inf.0]
%0 = port 0 real
%1 = port 1 real
%3 = const #t bool
%4 = const 0 int
%5 = const 1 int
%6 = const 7 int
%8 = const 0.0 real
%10 = loop %4 %0 %1 %3 %8 real
  %11 = param int
  %12 = param real
  %13 = param real
  %14 = param bool
  %15 = param real
  {flag}
  yield %19
do
  %20 = + %11 %5 int
  %21 = < %12 %13 bool
  %22 = select %14 %12 %13 real
  %23 = + %15 %22 real
  yield %20 %13 %12 %21 %23
end
%30 = get %10 1 real
%31 = get %10 2 real
%32 = get %10 3 bool
%33 = get %10 4 real
output a %30
output b %31
output less %32
output sum %33
"
        )
    };
    let inputs: &[f64] = &[0.5, 0.75, -2.0, 4.0];
    check_text(&text("%19 = < %11 %6 bool"), &[inputs], &[0.7]);
    check_text(
        &text("%18 = < %15 %6 bool\n  %17 = < %11 %6 bool\n  %19 = and %17 %18 bool"),
        &[inputs],
        &[0.7],
    );
    check_text(
        &text("%18 = < %11 %1 bool\n  %19 = and %14 %18 bool"),
        &[inputs],
        &[2.7],
    );
}

#[test]
fn single_precision() {
    if !have_runtime("single_precision") {
        return;
    }
    for test in [
        "  %19 = < %11 %6 bool",
        "  %19 = < %11 %2 bool",
        "  %18 = + %12 %13 real\n  %19 = < %18 %6 bool",
    ] {
        let graph = parse(&lotka_volterra(test)).unwrap();
        for graph in [graph.clone(), jacobian(&graph, &[0, 1, 2, 3])] {
            let ports = [X.to_vec(), Y.to_vec(), vec![2.5; 5], vec![0.4; 5]];
            let ports: Vec<Vec<f64>> = ports
                .map(|values| values.iter().map(|x| f64::from(*x as f32)).collect())
                .to_vec();
            let wanted = plain::evaluate(&graph, 5, &ports);
            let got = run::<f32>(&graph, 5, &ports, &OrtConfig::default(), 0).unwrap();
            compare("f32", &graph, &got, &wanted, 1e-4);
        }
    }
}

#[test]
fn a_step_of_training_goes_through_loops() {
    if !have_runtime("a_step_of_training_goes_through_loops") {
        return;
    }
    let graph = parse(&lotka_volterra("  %19 = < %11 %6 bool")).unwrap();
    let step = training_step(&graph, &[2, 3], 0.01);
    let mut ports = vec![X.to_vec(), Y.to_vec(), vec![1.1; 5], vec![0.4; 5]];
    ports.extend([vec![1.0; 5], vec![2.0; 5], vec![20.0; 5], vec![0.01; 5]]);
    check_one("step", &step, &ports);
}

/// Loops within each other that all end at once: the innermost adds up x until it is k.
fn deep(depth: usize) -> Graph {
    let mut builder = Builder::new(vec![numeric::input("x"), numeric::parameter("k", 1.0)]);
    fn inside(builder: &mut Builder, depth: usize, start: NodeId) -> NodeId {
        let (x, k) = (builder.port(0), builder.port(1));
        let state = builder.open_loop(&[Type::REAL])[0];
        let flag = builder.op(Op::Less, &[state, k]);
        builder.open_next();
        let after = match depth {
            1 => builder.op(Op::Add, &[state, x]),
            _ => inside(builder, depth - 1, state),
        };
        let next = builder.close_region(vec![after]);
        let head = builder.close_region(vec![flag]);
        builder.repeat(vec![start], head, next)[0]
    }
    let zero = builder.real(0.0);
    let sum = inside(&mut builder, depth, zero);
    builder.finish_one(sum)
}

#[test]
fn loops_stand_within_each_other_as_deep_as_the_runtime_reads() {
    if !have_runtime("loops_stand_within_each_other_as_deep_as_the_runtime_reads") {
        return;
    }
    check_one("deep", &deep(31), &[vec![0.5, 2.0, 0.25], vec![1.5; 3]]);
    let error = export(&deep(32), Element::F64).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.message.contains("more than 31 deep"), "{error}");
}

/// A loop of `k` steps that a sample leaves when it has reached x.
fn stairs(uniform: bool) -> Graph {
    let bound = if uniform { "%1" } else { "%0" };
    let text = format!(
        "\
input x
parameter k = 1.0 [-inf.0, +inf.0]
%0 = port 0 real
%1 = port 1 real
%2 = const 0 int
%3 = const 1 int
%4 = loop %2 int
  %5 = param int
  %6 = < %5 {bound} bool
  yield %6
do
  %7 = + %5 %3 int
  yield %7
end
%8 = get %4 0 int
%9 = + %8 %0 real
output n %9
"
    );
    parse(&text).unwrap()
}

#[test]
fn a_loop_without_end_is_an_error() {
    if !have_runtime("a_loop_without_end_is_an_error") {
        return;
    }
    let config = OrtConfig {
        max_steps: 50,
        ..OrtConfig::default()
    };
    let endless = |graph: &Graph, ports: &[Vec<f64>]| {
        let samples = ports[0].len();
        for graph in [graph.clone(), jacobian(graph, &[0, 1])] {
            let error = run::<f64>(&graph, samples, ports, &config, 0).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Limit);
            assert_eq!(
                error.message,
                "a loop has run more than 50 iterations (option max_steps)"
            );
        }
    };
    let ends = |graph: &Graph, ports: &[Vec<f64>]| {
        let wanted = plain::evaluate(graph, ports[0].len(), ports);
        let got = run::<f64>(graph, ports[0].len(), ports, &config, 0).unwrap();
        compare("ends", graph, &got, &wanted, 0.0);
    };
    ends(&stairs(true), &[vec![1.0; 3], vec![50.0; 3]]);
    endless(&stairs(true), &[vec![1.0; 3], vec![51.0; 3]]);
    ends(&stairs(false), &[vec![1.0, 50.0, 0.0], vec![50.0; 3]]);
    endless(&stairs(false), &[vec![1.0, 51.0, 0.0], vec![50.0; 3]]);
    // a counter whose end is known and too far
    let far =
        parse(&lotka_volterra("  %19 = < %11 %6 bool").replace("const 20 int", "const 60 int"))
            .unwrap();
    endless(
        &far,
        &[vec![0.5; 2], vec![0.5; 2], vec![0.1; 2], vec![0.1; 2]],
    );
    // within an arm, and within another loop
    let arm = |test: &str| parse(&loop_in_arm(test, false)).unwrap();
    let one_for_all = arm("%7 = < %1 %5 bool");
    ends(&one_for_all, &[vec![3.0], vec![1.5]]);
    endless(&one_for_all, &[vec![3.0], vec![0.999]]);
    let by_sample = arm("%24 = const 16.0 real\n%7 = < %0 %24 bool");
    ends(&by_sample, &[vec![20.0, 0.1], vec![1.5, 1.5]]);
    endless(&by_sample, &[vec![20.0, 3.0], vec![1.5, 1.5]]);
}

#[test]
fn a_file_gives_nan_where_a_loop_does_not_end() {
    if !have_runtime("a_file_gives_nan_where_a_loop_does_not_end") {
        return;
    }
    let session = OrtSession::new(
        &export(&stairs(false), Element::F64).unwrap(),
        &OrtConfig::default(),
    )
    .unwrap();
    let x = [2.0, 1e300, 0.0, 3.5];
    let mut y = [0.0f64; 4];
    let inputs = [TensorRef::new(&[4], &x)];
    session
        .run(&inputs, &mut [TensorMut::new(&[4], &mut y)])
        .unwrap();
    assert_eq!([y[0], y[2], y[3]], [4.0, 0.0, 7.5]);
    assert!(y[1].is_nan());
}

#[test]
fn loops_of_programs() {
    if !have_runtime("loops_of_programs") {
        return;
    }
    for (source, loops) in [
        (
            "(input x) (parameter k 0.9) (loop ((i 0) (y x)) (if (< i 30) (recur (+ i 1) (* k (sin y))) y))",
            "Scan",
        ),
        (
            "(input x) (parameter k 0.9) (loop ((n 0) (y x)) (if (> y 0.01) (recur (+ n 1) (* k (sin y))) (list n y)))",
            "Loop",
        ),
        (
            "(input x) (parameter k 0.9) (loop ((z x) (n 0)) (if (and (< (* z z) 4) (< n 25)) (recur (+ (* z z) k) (+ n 1)) n))",
            "Loop",
        ),
    ] {
        let graph = compiled(source);
        if has(&graph, loops) == 0 {
            // the compiler unrolls what is short
            println!("no {loops} in {source}");
        }
        check(&graph, &[vec![0.5, 1.5, -2.0, 0.1], vec![0.9; 4]]);
    }
}

/// How many random graphs are tried.
fn cases() -> u32 {
    let wanted = std::env::var("PROPTEST_CASES").ok();
    wanted.and_then(|cases| cases.parse().ok()).unwrap_or(60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn random_graphs(choices in proptest::collection::vec(any::<u16>(), 0..200)) {
        if have_runtime("random_graphs") {
            let graph = random_loops::graph(&choices);
            let ports = [
                vec![0.3, -1.2, 2.1],
                vec![0.9, 0.4, -0.7],
                vec![1.1; 3],
                vec![-0.6; 3],
            ];
            check(&graph, &ports);
        }
    }
}

/// `cargo test --release --test onnx_loops -- --ignored --nocapture timing`
#[test]
#[ignore = "a timing"]
fn timing() {
    if !have_runtime("timing") {
        return;
    }
    let fixed = lotka_volterra("  %19 = < %11 %6 bool")
        .replace("const 20 int", "const 200 int")
        .replace("0.05", "0.005");
    let free = fixed
        .replace("%19 = < %11 %6 bool", "%19 = < %11 %2 bool")
        .replace("%21 = * %2 %12", "%21 = * %3 %12");
    let by_sample = free
        .replace("%19 = < %11 %2 bool", "%19 = < %11 %0 bool")
        .replace("%10 = loop %4 %0 %1", "%10 = loop %4 %1 %1");
    for (what, text) in [
        ("known", fixed),
        ("one for all", free),
        ("by sample", by_sample),
    ] {
        let graph = parse(&text).unwrap();
        for (kind, graph) in [
            ("value", graph.clone()),
            ("value and gradient", vjp(&graph, &[0, 1, 2, 3])),
        ] {
            for (samples, chunk) in [
                (1, 0),
                (1024, 0),
                (65_536, 2048),
                (65_536, 4096),
                (65_536, 0),
            ] {
                let mut program = prepare::<f64>(&graph, &OrtConfig::default(), chunk).unwrap();
                let mut values = vec![vec![1.0; samples]; graph.ports.len()];
                let k = if what == "one for all" { 200.0 } else { 1.1 };
                values[2] = vec![k];
                values[3] = vec![0.4];
                if what == "by sample" {
                    values[0] = (0..samples).map(|i| 101.0 + (i % 100) as f64).collect();
                    values[0][0] = 200.0;
                }
                let inputs = Columns { values, stride: 1 };
                let mut results = Results::<f64>::new(graph.outputs.len(), samples, 1);
                let best = (0..7).map(|_| {
                    results.uniform.fill(None);
                    let start = std::time::Instant::now();
                    program.run(samples, &inputs, &mut results, None).unwrap();
                    start.elapsed().as_secs_f64() * 1e3
                });
                let best = best.fold(f64::INFINITY, f64::min);
                println!("{what}, {kind}, {samples} by {chunk}: {best:.2} ms");
            }
        }
    }
}
