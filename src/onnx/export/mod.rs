//! Numeric graph → ONNX model, in operators of the default domain only.
//!
//! Inputs are tensors of shape `[N]`; parameters are scalars, listed as inputs with an initializer that holds their initial
//! value, so that a runtime may give them others. An output has shape `[N]` if it differs from sample to sample and is a
//! scalar otherwise. Names keep their spelling unless two things share one. Equal graphs give equal bytes.
//!
//! An `if` on a test that is one for the whole batch is an `If`. A loop is a `Scan` where the number of its iterations is
//! known, else a `Loop` that keeps, with a mask, the states of samples that have ended. Files have no way to report a loop
//! that does not end within so many iterations: all numbers that they give for its samples are then NaN. Linear algebra on
//! matrices too large to be written out is a `Loop` over their columns.
//!
//! With a population, a parameter has the shape `[M, 1]`: one value for each of `M` members, which all see the same `N`
//! samples. Outputs are then `[M, N]`, or `[M, 1]` where they do not differ from sample to sample; the seeds of a
//! vector-Jacobian product are `[M, N]`. Nothing that one member or one sample decides is decided for the others.

mod axes;
mod back;
mod branch;
mod counted;
mod eliminate;
mod linear;
mod lines;
mod loops;
mod matrices;
mod messages;
mod names;
mod part;
mod write;

use std::collections::HashSet;
use std::sync::Arc;

use prost::Message;

use super::form::{Count, Element, MAX_STEPS, onnx_form, population_form};
use super::metadata::{self, About, Entry};
use super::proto::tensor_proto::DataType;
use super::proto::{GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Elem, Graph, PortKind, Type};
pub(super) use axes::Axes;
pub(super) use lines::Lines;
pub(super) use messages::{graph_attribute, int_attribute, scalar, truths, value_info, whole};
pub(super) use names::Names;
pub(super) use write::{Target, Written, write};

/// The version of the file format that is written: the first with all that is used.
const IR_VERSION: i64 = 9;
/// The version of the default domain that is written: likewise.
const OPSET: i64 = 20;

impl Element {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Element::F64 => DataType::Double,
            Element::F32 => DataType::Float,
        }
    }

    /// The smallest number that does not lose digits.
    pub(super) fn smallest(self) -> f64 {
        match self {
            Element::F64 => f64::MIN_POSITIVE,
            Element::F32 => f64::from(f32::MIN_POSITIVE),
        }
    }

    /// The nearest value of the element type.
    pub(super) fn nearest(self, value: f64) -> f64 {
        match self {
            Element::F64 => value,
            Element::F32 => f64::from(value as f32),
        }
    }
}

/// The bytes of an ONNX file that computes the outputs of a numeric graph.
///
/// # Errors
/// `Unsupported` for a graph that is not numeric.
pub fn export(graph: &Graph, element: Element) -> Result<Vec<u8>> {
    export_about(graph, element, &About::default())
}

/// The same, with what else is known of the model.
pub(super) fn export_about(graph: &Graph, element: Element, about: &About) -> Result<Vec<u8>> {
    Ok(model_of(graph, element, about)?.encode_to_vec())
}

pub(super) fn model_of(graph: &Graph, element: Element, about: &About) -> Result<ModelProto> {
    let max_steps = about.max_steps.unwrap_or(MAX_STEPS);
    let form = onnx_form(graph, element, Count::Size, max_steps)?;
    let mut names = Names::default();
    let ports = names.ports(&form);
    let members = vec![false; ports.len()];
    let written = write(
        &form,
        element,
        &ports,
        &members,
        &mut names,
        max_steps,
        Target::File,
    );
    let listed: Vec<usize> = (0..form.ports.len()).collect();
    let metadata = describe(&form, graph, &ports, &written, element, about);
    let mut graph_proto = written.graph;
    add_ports(&mut graph_proto, &form, element, &ports, &members, &listed);
    Ok(model(graph_proto, metadata))
}

/// The bytes of an ONNX file that computes the outputs of a numeric graph for a population of parameter sets. Ports behind
/// the first `shared` that are inputs have values of their own for each member.
///
/// # Errors
/// `Unsupported` for a graph that is not numeric, or that has no parameter.
pub fn export_population(
    graph: &Graph,
    shared: usize,
    element: Element,
    max_steps: u64,
) -> Result<Vec<u8>> {
    let graph = population_graph(graph, shared, element, max_steps)?;
    Ok(model(graph, String::new()).encode_to_vec())
}

/// The graph of such a file.
pub(super) fn population_graph(
    graph: &Graph,
    shared: usize,
    element: Element,
    max_steps: u64,
) -> Result<GraphProto> {
    if graph.parameters().is_empty() {
        let message = "a population has values of its own for parameters, and the model has none: name inputs that are parameters, as --parameter does";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let form = population_form(graph, element, max_steps)?;
    let mut names = Names::default();
    let ports = names.ports(&form);
    let members = form.ports.iter().enumerate();
    let members: Vec<bool> = members
        .map(|(i, port)| port.is_parameter() || i >= shared)
        .collect();
    let written = write(
        &form,
        element,
        &ports,
        &members,
        &mut names,
        max_steps,
        Target::File,
    );
    let listed: Vec<usize> = (0..form.ports.len()).collect();
    let mut graph_proto = written.graph;
    add_ports(&mut graph_proto, &form, element, &ports, &members, &listed);
    Ok(graph_proto)
}

/// The bytes of a model for an engine: `form` is in ONNX form, parameters have no initial values, and only the ports of
/// `listed` are inputs. If it has loops whose ends are not known, one more output says whether one was cut off after
/// `max_steps` iterations.
pub(crate) fn export_form(
    form: &Graph,
    element: Element,
    listed: &[usize],
    max_steps: u64,
) -> Vec<u8> {
    let mut names = Names::default();
    let ports = names.ports(form);
    let members = vec![false; ports.len()];
    let written = write(
        form,
        element,
        &ports,
        &members,
        &mut names,
        max_steps,
        Target::Engine,
    );
    let mut graph = written.graph;
    add_ports(&mut graph, form, element, &ports, &members, listed);
    without_initial(&mut graph, &ports);
    model(graph, String::new()).encode_to_vec()
}

/// The same for a population of parameter sets, and whether each output differs from sample to sample: those that do are
/// `[M, N]`, the others `[M, 1]`. All ports are inputs.
///
/// # Errors
/// `Unsupported` for a graph that is not numeric.
pub(crate) fn export_members(
    graph: &Graph,
    element: Element,
    max_steps: u64,
) -> Result<(Vec<u8>, Vec<bool>)> {
    let form = population_form(graph, element, max_steps)?;
    let mut names = Names::default();
    let ports = names.ports(&form);
    let members: Vec<bool> = form.ports.iter().map(|port| port.is_parameter()).collect();
    let written = write(
        &form,
        element,
        &ports,
        &members,
        &mut names,
        max_steps,
        Target::Engine,
    );
    let axes = Axes::of(&form, &members);
    let sampled = form.outputs.iter();
    let sampled = sampled.map(|output| axes[output.node.index()].samples);
    let listed: Vec<usize> = (0..ports.len()).collect();
    let mut main = written.graph;
    add_ports(&mut main, &form, element, &ports, &members, &listed);
    without_initial(&mut main, &ports);
    let bytes = model(main, String::new()).encode_to_vec();
    Ok((bytes, sampled.collect()))
}

/// Takes the initial values of parameters away: they are inputs like others, which each run is given.
pub(super) fn without_initial(graph: &mut GraphProto, ports: &[String]) {
    let ports: HashSet<&str> = ports.iter().map(String::as_str).collect();
    let initial = |name: Option<&str>| name.is_some_and(|name| ports.contains(name));
    graph
        .initializer
        .retain(|tensor| !initial(tensor.name.as_deref()));
}

/// Lists these ports as inputs, with the initial values of parameters: of a population, those of a single member.
pub(super) fn add_ports(
    graph: &mut GraphProto,
    form: &Graph,
    element: Element,
    ports: &[String],
    members: &[bool],
    listed: &[usize],
) {
    for port in listed {
        let kind = form.ports[*port].kind;
        let axes = Axes {
            members: members[*port],
            samples: kind == PortKind::Input,
        };
        let info = value_info(&ports[*port], element.data_type(), axes.dims());
        graph.input.push(info);
        if let PortKind::Parameter { initial, .. } = kind {
            let mut tensor = scalar(&ports[*port], element, initial);
            tensor.dims = vec![1; axes.dims().len()];
            graph.initializer.push(tensor);
        }
    }
}

/// The metadata of a graph: `source` knows the types of the outputs, which decompositions may have widened.
pub(super) fn describe(
    form: &Graph,
    source: &Graph,
    ports: &[String],
    written: &Written,
    element: Element,
    about: &About,
) -> String {
    let ports = form.ports.iter().zip(ports).map(|(port, tensor)| Entry {
        tensor: tensor.clone(),
        name: port.name.clone(),
        kind: port.kind,
    });
    let ports: Vec<Entry<PortKind>> = ports.collect();
    let outputs = source.outputs.iter().zip(&written.outputs);
    let outputs = outputs.map(|(output, tensor)| Entry {
        tensor: tensor.clone(),
        name: Arc::clone(&output.name),
        kind: match source.node(output.node).ty {
            Type::Scalar(elem) => elem,
            _ => Elem::Real,
        },
    });
    let outputs: Vec<Entry<Elem>> = outputs.collect();
    let text = source.to_string();
    metadata::write(
        &ports,
        &outputs,
        &form.value,
        &written.constants,
        about,
        element,
        &text,
    )
}

/// The model of a graph; without metadata where that is empty.
pub(super) fn model(graph: GraphProto, metadata: String) -> ModelProto {
    let entry = StringStringEntryProto {
        key: Some(metadata::KEY.into()),
        value: Some(metadata),
    };
    let metadata_props = match entry.value.as_deref() {
        Some("") => vec![],
        _ => vec![entry],
    };
    ModelProto {
        ir_version: Some(IR_VERSION),
        opset_import: vec![OperatorSetIdProto {
            domain: Some(String::new()),
            version: Some(OPSET),
        }],
        producer_name: Some("ncg".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(graph),
        metadata_props,
        ..Default::default()
    }
}
