//! Networks with branches and loops that hang on data, and with linear algebra, inside programs: against the same program with
//! the body written in Scheme, against dual numbers and differences, on all engines.
#![cfg(feature = "cli")]

mod networks;
mod plain;

use std::path::Path;
use std::sync::Arc;

use ncg::compile::Model;
use ncg::document::{self, Files};
use ncg::graph::{Node, NodeKind};
use ncg::interp::{bind_program, interpreter};
use ncg::options::Options;
use networks::*;

/// A network: its parameters, its inputs, its body, and whether dual numbers can go through it.
struct Net {
    parameters: &'static [(&'static str, f64)],
    inputs: &'static str,
    body: &'static str,
    linear: bool,
}

const NETS: [Net; 8] = [
    // a trip count that hangs on the sample
    Net {
        parameters: &[("c", 0.7)],
        inputs: "n x",
        body: "(loop ((i 0) (s 0)) (if (< i (abs n)) (recur (+ i 1) (+ s (* i (sin (* c x))))) s))",
        linear: false,
    },
    // a condition that does, and no iteration for some
    Net {
        parameters: &[("c", 2.0)],
        inputs: "n x",
        body: "(loop ((y (+ 1 (abs x)))) (if (> (abs (- (* y y) (+ c (* n n)))) 1e-9) (recur (* 0.5 (+ y (/ (+ c (* n n)) y)))) y))",
        linear: false,
    },
    // a loop in a loop, each of its own length, with a branch inside
    Net {
        parameters: &[("c", 0.3), ("k", 1.5)],
        inputs: "n x",
        body: "(loop ((i 0) (s x))
                 (if (< i (abs n))
                     (recur (+ i 1)
                            (loop ((j 0) (t s)) (if (< j i) (recur (+ j 1) (if (> t 0) (* c t) (sin (- k t)))) (+ t c))))
                     s))",
        linear: false,
    },
    // an arm that must not be computed
    Net {
        parameters: &[("c", 3.0)],
        inputs: "n x",
        body: "(if (> x 0) (* c (sqrt x)) (if (< n 0) (log (- x)) (/ n (- x 1))))",
        linear: false,
    },
    Net {
        parameters: &[("c", 3.0), ("k", 0.5)],
        inputs: "n x",
        body: "(+ (det (mat [c x n] [1 k x] [n 2 c])) (logdet (mat [(+ 4 (* x x)) n] [n (+ 5 (* n n))])))",
        linear: true,
    },
    Net {
        parameters: &[("c", 3.0), ("k", 0.5)],
        inputs: "n x",
        body: "(dot [1 k x] (matvec (inv (mat [9 x n] [1 8 x] [n 2 7])) (solve (mat [9 k 1] [x 8 c] [n c 9]) [n x 1])))",
        linear: true,
    },
    // larger than what is written out
    Net {
        parameters: &[("c", 3.0), ("k", 0.5)],
        inputs: "n x",
        body: "(dot [x n c k 1 2] (solve (mat [19 x n 1 2 3] [1 18 x c k 1] [n 2 17 1 1 x] [k c n 16 1 2] [0 1 2 x 15 k] [1 1 1 1 1 14])
                 [n x 1 k c 2]))",
        linear: true,
    },
    // in a loop whose length hangs on what it solves
    Net {
        parameters: &[("c", 1.5)],
        inputs: "n x",
        body: "(loop ((v [1 x]) (i 0))
                 (if (> (abs (- (ref v 0) (ref v 1))) 0.05)
                     (recur (solve (mat [4 1] [(+ 1 (* n n)) (+ 6 c)]) v) (+ i 1))
                     (+ i (vsum v))))",
        linear: true,
    },
];

const X: [f64; 8] = [2.0, 0.7, -3.0, -1.2, 0.4, 1.9, 0.0, 0.5];

/// What of the program uses the network `f`: alone, twice, in an arm, and in a loop that hangs on data as well.
const PROGRAMS: [&str; 5] = [
    "(f n x)",
    "(parameter q 0.8) (+ (f n x) (* q (f 1 (sin x))))",
    "(if (> x 0) (f n x) (* 2 (f x n)))",
    "(loop ((i 0) (s x)) (if (< i (abs n)) (recur (+ i 1) (+ (* 0.1 (f i (sin s))) (* 0.2 s))) s))",
    "(apply + (map (lambda (a) (f a x)) (list n 2 (* 0.5 x))))",
];

fn declared(net: &Net, prefix: &str) -> String {
    let lines = net.parameters.iter();
    lines
        .map(|(name, value)| format!("(parameter {prefix}{name} {value:?}) "))
        .collect()
}

/// Writes the network as `net.onnx`.
fn write(net: &Net, folder: &Path) -> Model {
    let inputs: String = net
        .inputs
        .split(' ')
        .map(|name| format!("(input {name}) "))
        .collect();
    let source = format!("{}{inputs}{}", declared(net, ""), net.body);
    let model = Model::compile(&source, &Options::new()).unwrap();
    let bytes = ncg::onnx::write(&model, &Options::new()).unwrap();
    std::fs::write(folder.join("net.onnx"), bytes).unwrap();
    model
}

/// The program with its body in place of the import.
fn by_hand(net: &Net, program: &str) -> String {
    let mut body = net.body.to_string();
    for (name, _) in net.parameters {
        for (before, after) in [(' ', ' '), (' ', ')'), ('[', ' '), (' ', ']'), ('(', ' ')] {
            body = body.replace(
                &format!("{before}{name}{after}"),
                &format!("{before}f.{name}{after}"),
            );
        }
    }
    format!(
        "{}(input n) (input x) (define (f n x) {body}) {program}",
        declared(net, "f.")
    )
}

fn imported(program: &str) -> String {
    format!("(import f \"net.onnx\") (input n) (input x) {program}")
}

fn regions(model: &Model) -> usize {
    let nodes = model.graph.nodes.iter();
    let is = |node: &&Node| matches!(node.kind, NodeKind::Loop(..) | NodeKind::If(..));
    nodes.filter(is).count()
}

#[test]
fn it_computes_what_the_same_body_in_scheme_computes() {
    let folder = folder("control");
    for (which, net) in NETS.iter().enumerate() {
        let alone = write(net, &folder);
        for program in PROGRAMS {
            let what = format!("network {which} in {program}");
            let found = compile(&imported(program), &folder).unwrap();
            let wanted = Model::compile(by_hand(net, program).as_str(), &Options::new()).unwrap();
            assert!(found.is_numeric() && wanted.is_numeric(), "{what}");
            assert!(regions(&found) >= regions(&alone), "{what}");
            let sorted = |model: &Model| {
                let mut names: Vec<_> = model
                    .graph
                    .ports
                    .iter()
                    .map(|port| port.name.clone())
                    .collect();
                names.sort();
                names
            };
            assert_eq!(sorted(&found), sorted(&wanted), "{what}");
            let (found, wanted) = (Arc::new(found), Arc::new(wanted));
            let by_hand = run(&wanted, "native", &X).unwrap();
            assert!(
                by_hand.0.iter().all(|y| y.is_finite()),
                "{what}: {by_hand:?}"
            );
            for engine in engines() {
                let numbers = run(&found, engine, &X).unwrap();
                within(1e-10, &numbers, &by_hand, &format!("{what} on {engine}"));
            }
        }
    }
}

#[test]
fn derivatives_are_those_of_dual_numbers_and_differences() {
    let folder = folder("control-derivatives");
    for (which, net) in NETS.iter().enumerate() {
        write(net, &folder);
        for program in PROGRAMS {
            let what = format!("network {which} in {program}");
            let model = Arc::new(compile(&imported(program), &folder).unwrap());
            let ports = &model.graph.ports;
            let samples = X.len() / 2;
            let initial = |name: &str| {
                let own = net
                    .parameters
                    .iter()
                    .find(|(own, _)| name == format!("f.{own}"));
                own.map_or(0.8, |(_, value)| *value)
            };
            let values = ports.iter().map(|port| match &*port.name {
                "n" => (0..samples).map(|i| X[2 * i]).collect(),
                "x" => (0..samples).map(|i| X[2 * i + 1]).collect(),
                name => vec![initial(name); samples],
            });
            let values: Vec<Vec<f64>> = values.collect();
            if !net.linear {
                let wrt: Vec<usize> = (0..ports.len()).collect();
                plain::derivatives::check_by(&model.graph, &values, &wrt);
            }
            let (y, dx, dp) = run(&model, "native", &X).unwrap();
            let inputs =
                ["n", "x"].map(|name| ports.iter().position(|port| &*port.name == name).unwrap());
            let shifted = |port: usize, by: f64| {
                let mut values = values.clone();
                values[port].iter_mut().for_each(|value| *value += by);
                plain::evaluate(&model.graph, samples, &values).remove(0)
            };
            // an odd number of trips must not change between the two: X lies away from the steps, but for the sample n = 0
            let slope = |port: usize| -> Vec<f64> {
                let h = 1e-5;
                let (up, down) = (shifted(port, h), shifted(port, -h));
                up.iter()
                    .zip(&down)
                    .map(|(a, b)| (a - b) / (2.0 * h))
                    .collect()
            };
            assert_eq!(
                plain::evaluate(&model.graph, samples, &values)[0].len(),
                y.len(),
                "{what}"
            );
            let close = |a: f64, b: f64, by: &str| {
                assert!(
                    (a - b).abs() < 1e-6 * b.abs().max(1.0),
                    "{what} by {by}: {a}, not {b}"
                );
            };
            // the trip count jumps at whole n
            let by_x = slope(inputs[1]);
            for sample in 0..samples {
                close(dx[2 * sample + 1], by_x[sample], "x");
            }
            let parameters = model.graph.parameters();
            for (i, port) in parameters.into_iter().enumerate() {
                close(dp[i], slope(port).iter().sum(), &ports[port].name);
            }
        }
    }
}

/// Saved, exported and read again, in a program that a graph of numbers cannot be too, and interpreted.
#[test]
fn it_is_saved_and_interpreted_like_any_other() {
    let folder = folder("control-saved");
    let options = options(&[("folder", folder.to_str().unwrap())]);
    // a recursion whose depth hangs on the sample
    let deep = "(define (walk k s) (if (< k 0.5) s (+ (f k (sin s)) (walk (- k 1) (* 0.5 s))))) (walk (abs n) x)";
    for (which, net) in NETS.iter().enumerate() {
        write(net, &folder);
        for program in [PROGRAMS[1], PROGRAMS[3], deep] {
            let what = format!("network {which} in {program}");
            let source = imported(program);
            let model = Arc::new(compile(&source, &folder).unwrap());
            assert_eq!(model.is_numeric(), program != deep, "{what}");
            let wanted = run(&model, "tagged", &X).unwrap();
            let written = Model::compile(by_hand(net, program).as_str(), &Options::new()).unwrap();
            within(
                1e-10,
                &wanted,
                &run(&Arc::new(written), "tagged", &X).unwrap(),
                &what,
            );
            let text = ncg::ncg::write(&model).unwrap();
            let saved = Arc::new(document::parse(text.as_bytes(), &Options::new()).unwrap());
            assert_eq!(saved.graph.ports, model.graph.ports, "{what}");
            assert_eq!(saved.is_numeric(), model.is_numeric(), "{what}");
            near(
                &run(&saved, "tagged", &X).unwrap(),
                &wanted,
                &format!("{what}, saved"),
            );
            let files = Files::of(None, &options);
            let bound =
                bind_program(interpreter().unwrap(), files.text(&source), &options).unwrap();
            near(
                &run(&Arc::new(bound), "tagged", &X).unwrap(),
                &wanted,
                &format!("{what}, interpreted"),
            );
            if model.is_numeric() {
                let bytes = ncg::onnx::write(&model, &Options::new()).unwrap();
                let exported = Arc::new(document::parse(&bytes, &Options::new()).unwrap());
                near(
                    &run(&exported, "native", &X).unwrap(),
                    &wanted,
                    &format!("{what}, exported"),
                );
            }
        }
    }
}

/// What a network is given is checked where it is called, on the engine that finds out as well.
#[test]
fn a_wrong_argument_is_found_while_the_program_runs() {
    let folder = folder("control-arguments");
    write(&NETS[0], &folder);
    let source = "(import f \"net.onnx\") (input n) (input x)
        (define (walk k) (if (< k 0.5)
           (f n '(1))
           (+ 1 (walk (- k 1))))) (walk x)";
    let model = Arc::new(compile(source, &folder).unwrap());
    assert!(!model.is_numeric());
    let error = run(&model, "tagged", &[1.0, 3.0]).unwrap_err();
    let said = "the network \"f\" takes one number as its argument \"x\", not a pair";
    assert!(error.message.contains(said), "{error}");
}

/// A graph that a host hands over may be anything.
#[test]
fn what_is_no_network_is_refused() {
    struct Memory(ncg::graph::Graph);
    impl ncg::network::Networks for Memory {
        fn network(&self, _: &str) -> ncg::Result<ncg::graph::Graph> {
            Ok(self.0.clone())
        }
    }
    let refuse = |graph: ncg::graph::Graph| {
        let networks = Memory(graph);
        let text = ncg::compile::Text {
            source: "(import f \"it\") (f x)",
            networks: &networks,
        };
        Model::compile(text, &Options::new()).unwrap_err().message
    };
    let model = |source: &str| Model::compile(source, &Options::new()).unwrap();
    let looped = model("(loop ((y x)) (if (< y 5) (recur (* 2 y)) y))").graph;
    let derivative = ncg::grad::vjp(&looped, &[0]);
    assert!(refuse(derivative).contains("it holds a derivative"));
    let general = model("(define (walk k) (if (< k 0.5) 0 (+ 1 (walk (- k 1))))) (walk x)");
    assert!(refuse(general.graph).contains("not numeric"));
}
