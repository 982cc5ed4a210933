//! The derived graphs of a graph, `vjp`, `jacobian` and `training`, against forward mode on dual numbers.

use ncg::grad::{jacobian, jacobian_by_tangents, training, vjp, vjp_by_tangents};
use ncg::graph::{Graph, parse, simplify, verify_numeric};

use super::{Dual, evaluate};

/// Largest relative difference.
const TOLERANCE: f64 = 1e-12;

fn near(got: f64, wanted: f64, scale: f64) -> bool {
    got == wanted
        || (got.is_nan() && wanted.is_nan())
        || (got - wanted).abs() <= TOLERANCE * (1.0 + scale.max(wanted.abs()))
}

/// The derivatives of each output by each of `wrt`, sample by sample: `[output][port][sample]`.
fn slopes(graph: &Graph, ports: &[Vec<f64>], wrt: &[usize]) -> Vec<Vec<Vec<f64>>> {
    let mut all = vec![Vec::new(); graph.outputs.len()];
    for port in wrt {
        let moving = |i: usize, value: f64| Dual {
            value,
            slope: f64::from(u8::from(i == *port)),
        };
        let ports: Vec<Vec<Dual>> = ports
            .iter()
            .enumerate()
            .map(|(i, values)| values.iter().map(|value| moving(i, *value)).collect())
            .collect();
        let outputs = evaluate(graph, ports[0].len(), &ports);
        for (all, output) in all.iter_mut().zip(outputs) {
            all.push(output.iter().map(|dual| dual.slope).collect());
        }
    }
    all
}

/// A weight for each output and sample.
fn seeds(graph: &Graph, samples: usize) -> Vec<Vec<f64>> {
    let seed = |output: usize, sample: usize| ((output * 7 + sample * 3) % 5) as f64 * 0.5 - 0.75;
    (0..graph.outputs.len())
        .map(|output| (0..samples).map(|sample| seed(output, sample)).collect())
        .collect()
}

/// A derived graph is sound and has nothing left to simplify.
fn sound(graph: &Graph, what: &str) {
    verify_numeric(graph).unwrap_or_else(|error| panic!("{what}: {error}\n{graph}"));
    let again = simplify(graph);
    assert_eq!(
        again.to_string(),
        graph.to_string(),
        "{what} simplified again"
    );
    assert!(
        again == *graph,
        "{what} simplified again: not the same places"
    );
}

/// What a derivative by a port is when samples have these: the sum for a parameter.
fn reduced(graph: &Graph, port: usize, values: Vec<f64>) -> Vec<f64> {
    match graph.ports[port].is_parameter() {
        true => vec![values.iter().sum(); values.len()],
        false => values,
    }
}

fn compare(what: &str, graph: &Graph, got: &[f64], wanted: &[f64]) {
    let scale = wanted.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    for (i, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        assert!(
            near(*got, *wanted, scale),
            "{what}, sample {i}: {got:?}, not {wanted:?}\n{graph}"
        );
    }
}

/// Compares all three derived graphs by these ports with dual numbers.
pub fn check_by(graph: &Graph, ports: &[Vec<f64>], wrt: &[usize]) {
    let samples = ports[0].len();
    let slopes = slopes(graph, ports, wrt);
    let values = evaluate(graph, samples, ports);
    let outputs = graph.outputs.len();
    let name = |port: usize| format!("d.{}", graph.ports[port].name);

    let seeds = seeds(graph, samples);
    let given: Vec<Vec<f64>> = ports.iter().chain(&seeds).cloned().collect();
    let both = [
        ("vjp", Some(vjp(graph, wrt))),
        ("vjp by tangents", vjp_by_tangents(graph, wrt)),
    ];
    for (what, derived) in both {
        let Some(derived) = derived else { continue };
        sound(&derived, what);
        let got = evaluate(&derived, samples, &given);
        for (i, values) in values.iter().enumerate() {
            compare(&format!("a value of {what}"), &derived, &got[i], values);
        }
        for (i, port) in wrt.iter().enumerate() {
            let sum = |s: usize| (0..outputs).map(|o| seeds[o][s] * slopes[o][i][s]).sum();
            let wanted = reduced(graph, *port, (0..samples).map(sum).collect());
            let what = format!("{} of {what}", name(*port));
            compare(&what, &derived, &got[outputs + i], &wanted);
        }
    }

    let both = [
        ("Jacobian", Some(jacobian(graph, wrt))),
        ("Jacobian by tangents", jacobian_by_tangents(graph, wrt)),
    ];
    for (mode, derived) in both {
        let Some(derived) = derived else { continue };
        sound(&derived, mode);
        let got = evaluate(&derived, samples, ports);
        for (o, slopes) in slopes.iter().enumerate() {
            for (i, port) in wrt.iter().enumerate() {
                let what = format!("{} of output {o} in the {mode}", name(*port));
                let place = outputs + o * wrt.len() + i;
                compare(&what, &derived, &got[place], &slopes[i]);
            }
        }
    }

    let derived = training(graph, wrt);
    sound(&derived, "training");
    let got = evaluate(&derived, samples, &given);
    let count = (samples * outputs) as f64;
    let residual = |o: usize, s: usize| values[o][s] - seeds[o][s];
    let squares = (0..outputs).flat_map(|o| (0..samples).map(move |s| (o, s)));
    let loss: f64 = squares.map(|(o, s)| residual(o, s).powi(2)).sum();
    compare("the loss", &derived, &got[0], &vec![loss / count; samples]);
    for (i, port) in wrt.iter().enumerate() {
        let sum = |s: usize| (0..outputs).map(|o| residual(o, s) * slopes[o][i][s]).sum();
        let each = (0..samples).map(|s| {
            2.0 / count * {
                let x: f64 = sum(s);
                x
            }
        });
        let wanted = reduced(graph, *port, each.collect());
        let what = format!("{} of training", name(*port));
        compare(&what, &derived, &got[1 + i], &wanted);
    }
}

/// The same by all ports together and by each alone.
fn check_graph(graph: &Graph, ports: &[Vec<f64>]) {
    verify_numeric(graph).unwrap();
    let all: Vec<usize> = (0..graph.ports.len()).collect();
    check_by(graph, ports, &all);
    for port in &all {
        check_by(graph, ports, &[*port]);
    }
}

/// Reads a graph and checks it on samples of `inputs`, with `parameters` the same for all; ports are in that order.
pub fn check(text: &str, inputs: &[&[f64]], parameters: &[f64]) -> Graph {
    let graph = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let samples = inputs.first().map_or(3, |values| values.len());
    let mut ports: Vec<Vec<f64>> = inputs.iter().map(|values| values.to_vec()).collect();
    ports.extend(parameters.iter().map(|value| vec![*value; samples]));
    check_graph(&graph, &ports);
    graph
}
