//! Graphs on ONNX Runtime against the plainest evaluator: whole, in chunks, read back from a file, and without a sample.

use ncg::Result;
use ncg::engine::ort::{Element as Tensor, OrtConfig, prepare};
use ncg::grad::{jacobian, training, vjp};
use ncg::graph::{Graph, verify_numeric};
use ncg::onnx::{Element, export, import};

use super::numeric::{Columns, Results, Scalar};
use super::plain;

/// The outputs of a graph on ONNX Runtime, one value for those of the whole batch.
pub fn run<T: Scalar + Tensor>(
    graph: &Graph,
    samples: usize,
    ports: &[Vec<f64>],
    config: &OrtConfig,
    chunk: usize,
) -> Result<Vec<Vec<f64>>> {
    let mut program = prepare::<T>(graph, config, chunk)?;
    let values = ports.iter();
    let inputs = Columns {
        values: values
            .map(|values| values.iter().map(|x| T::of(*x)).collect())
            .collect(),
        stride: 1,
    };
    let mut results = Results::<T>::new(graph.outputs.len(), samples, 1);
    program.run(samples, &inputs, &mut results, None)?;
    let uniform = results.uniform.into_iter().zip(results.values);
    Ok(uniform
        .map(|(uniform, values)| match uniform {
            Some(value) => vec![value.to_f64()],
            None => values.iter().map(|value| value.to_f64()).collect(),
        })
        .collect())
}

fn near(got: f64, wanted: f64, scale: f64, tolerance: f64) -> bool {
    got == wanted
        || (got.is_nan() && wanted.is_nan())
        || (got - wanted).abs() <= tolerance * (1.0 + scale.max(wanted.abs()))
}

pub fn compare(what: &str, graph: &Graph, got: &[Vec<f64>], wanted: &[Vec<f64>], tolerance: f64) {
    for (output, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        let scale = wanted.iter().filter(|x| x.is_finite());
        let scale = scale.fold(0.0, |a: f64, b| a.max(b.abs()));
        assert!(
            got.len() == wanted.len() || got.len() == 1,
            "{what}: {} values of {}",
            got.len(),
            graph.outputs[output].name
        );
        for (i, wanted) in wanted.iter().enumerate() {
            let got = if got.len() == 1 { got[0] } else { got[i] };
            assert!(
                near(got, *wanted, scale, tolerance),
                "{what}: {} of sample {i} is {got:?}, not {wanted:?}\n{graph}",
                graph.outputs[output].name
            );
        }
    }
}

/// Runs a graph in chunks of several sizes, and file and graph once more after they have been read back.
pub fn check_one(what: &str, graph: &Graph, ports: &[Vec<f64>]) {
    verify_numeric(graph).unwrap();
    let samples = ports.first().map_or(1, |values| values.len());
    let wanted = plain::evaluate(graph, samples, ports);
    let config = OrtConfig::default();
    for chunk in [0, 1, 2] {
        let got = run::<f64>(graph, samples, ports, &config, chunk);
        let got = got.unwrap_or_else(|error| panic!("{what} by {chunk}: {error}\n{graph}"));
        compare(&format!("{what} by {chunk}"), graph, &got, &wanted, 1e-10);
    }
    let bytes = export(graph, Element::F64).unwrap();
    assert_eq!(import(&bytes).unwrap().graph.to_string(), graph.to_string());
    let none: Vec<Vec<f64>> = ports.iter().map(|values| vec![values[0]]).collect();
    run::<f64>(graph, 0, &none, &config, 0)
        .unwrap_or_else(|error| panic!("{what}, no sample: {error}\n{graph}"));
}

/// Checks a graph and its derivatives on these samples; `ports` are the values of the ports.
pub fn check(graph: &Graph, ports: &[Vec<f64>]) {
    let samples = ports[0].len();
    let all: Vec<usize> = (0..graph.ports.len()).collect();
    let weights = (0..graph.outputs.len()).map(|output| {
        (0..samples).map(move |sample| ((output * 7 + sample * 3) % 5) as f64 * 0.5 - 0.75)
    });
    let mut given = ports.to_vec();
    given.extend(weights.map(|weights| weights.collect::<Vec<f64>>()));
    check_one("value", graph, ports);
    check_one("jacobian", &jacobian(graph, &all), ports);
    check_one("vjp", &vjp(graph, &all), &given);
    check_one("training", &training(graph, &all), &given);
}
