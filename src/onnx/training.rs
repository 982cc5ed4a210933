//! Training in standard operators: the graph of one step of gradient descent, and files that hold it beside inference.

use std::collections::HashSet;
use std::sync::Arc;

use prost::Message;

use super::export::{Names, Target, add_ports, describe, model, write};
use super::form::{Count, Element, MAX_STEPS, onnx_form};
use super::metadata::About;
use super::proto::{StringStringEntryProto, TrainingInfoProto};
use crate::error::Result;
use crate::grad;
use crate::graph::{
    Arms, Builder, Copier, Graph, NodeId, NodeKind, Output, Port, PortKind, RegionId, Value,
    simplify,
};
use crate::ops::{Emit, Op};

/// One step of gradient descent on the mean squared error of the outputs of `graph`, over the parameters `wrt`.
///
/// Ports: those of [`grad::training`], then the parameter `learning_rate`. Outputs: `loss`, `d.NAME` for each port of
/// `wrt`, then `new.NAME` for each: its value after the step, inside its bounds.
pub fn training_step(graph: &Graph, wrt: &[usize], learning_rate: f64) -> Graph {
    let training = grad::training(graph, wrt);
    let mut ports = training.ports.clone();
    let taken: HashSet<&str> = ports.iter().map(|port| &*port.name).collect();
    let mut name = String::from("learning_rate");
    while taken.contains(&*name) {
        name.push('_');
    }
    let rate = ports.len();
    ports.push(Port {
        name: Arc::from(name),
        kind: PortKind::Parameter {
            initial: learning_rate,
            lower: 0.0,
            upper: f64::INFINITY,
        },
    });
    let mut builder = Builder::new(ports);
    let results: Vec<NodeId> = training.outputs.iter().map(|output| output.node).collect();
    let mut copier = Copier::new(&training, RegionId(0), &results, Arms::Keep);
    for (i, node) in training.nodes.iter().enumerate() {
        if let NodeKind::Port(port) = node.kind {
            copier.set(NodeId(i as u32), builder.port(port as usize));
        }
    }
    copier.nodes(&mut builder, RegionId(0));
    let copied = training.outputs.iter().map(|output| Output {
        name: output.name.clone(),
        node: copier.get(output.node),
    });
    let mut outputs: Vec<Output> = copied.collect();
    for (i, port) in wrt.iter().enumerate() {
        let slope = outputs[1 + i].node;
        let (old, rate) = (builder.port(*port), builder.port(rate));
        let step = builder.op(Op::Mul, &[rate, slope]);
        let mut new = builder.op(Op::Sub, &[old, step]);
        if let PortKind::Parameter { lower, upper, .. } = graph.ports[*port].kind {
            if lower > f64::NEG_INFINITY {
                let lower = builder.real(lower);
                new = builder.op(Op::Max, &[new, lower]);
            }
            if upper < f64::INFINITY {
                let upper = builder.real(upper);
                new = builder.op(Op::Min, &[new, upper]);
            }
        }
        outputs.push(Output {
            name: Arc::from(format!("new.{}", graph.ports[*port].name)),
            node: new,
        });
    }
    simplify(&builder.finish(outputs, Value::Output(0)))
}

/// The bytes of an ONNX file whose main graph computes `graph` and whose `training_info` holds [`training_step`]: its
/// algorithm reads the inputs and parameters of the main graph, has the targets and the learning rate as inputs of its
/// own, and binds each parameter of `wrt` to its new value. Runtimes for inference ignore it.
///
/// # Errors
/// `Unsupported` for a graph that is not numeric.
pub fn export_training(
    graph: &Graph,
    wrt: &[usize],
    element: Element,
    learning_rate: f64,
    about: &About,
) -> Result<Vec<u8>> {
    let max_steps = about.max_steps.unwrap_or(MAX_STEPS);
    let form = onnx_form(graph, element, Count::Size, max_steps)?;
    let step = onnx_form(
        &training_step(graph, wrt, learning_rate),
        element,
        Count::Size,
        max_steps,
    )?;
    let mut names = Names::default();
    let mut ports = names.ports(&form);
    let mut members = vec![false; ports.len()];
    let written = write(
        &form,
        element,
        &ports,
        &members,
        &mut names,
        max_steps,
        Target::File,
    );
    let metadata = describe(&form, graph, &ports, &written, element, about);
    let mut main = written.graph;
    let listed: Vec<usize> = (0..ports.len()).collect();
    add_ports(&mut main, &form, element, &ports, &members, &listed);

    let own: Vec<usize> = (ports.len()..step.ports.len()).collect();
    for port in &own {
        ports.push(names.unique(&step.ports[*port].name));
    }
    members.resize(ports.len(), false);
    let written = write(
        &step,
        element,
        &ports,
        &members,
        &mut names,
        max_steps,
        Target::File,
    );
    let mut algorithm = written.graph;
    algorithm.name = Some("gradient descent".into());
    add_ports(&mut algorithm, &step, element, &ports, &members, &own);
    let news = &written.outputs[1 + wrt.len()..];
    let update_binding = wrt
        .iter()
        .zip(news)
        .map(|(port, new)| StringStringEntryProto {
            key: Some(ports[*port].clone()),
            value: Some(new.clone()),
        });
    let mut model = model(main, metadata);
    model.training_info.push(TrainingInfoProto {
        algorithm: Some(algorithm),
        update_binding: update_binding.collect(),
        ..Default::default()
    });
    Ok(model.encode_to_vec())
}
