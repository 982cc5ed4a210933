//! ONNX model → numeric graph: our own files with all that they were made from, and foreign ones that compute elementwise
//! on scalars and on tensors of one free dimension, the samples.
//!
//! A scalar input becomes a parameter, one of shape `[N]` an input. What cannot be read is an error that names the
//! operator and the node. Nothing is guessed from metadata that the file itself contradicts: the graph that it holds as
//! text counts only if it gives the file's nodes again.

use std::collections::HashMap;
use std::sync::Arc;

use super::decode::decode;
use super::export::model_of;
use super::foreign::{self, Settings};
use super::form::{Batched, Element};
use super::kinds::model_of_file;
use super::metadata::{self, About, Metadata};
use super::operators::{Attributes, Kind, bad, elementwise, scalar, unsupported};
use super::proto::tensor_proto::DataType;
use super::proto::tensor_shape_proto::dimension;
use super::proto::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, type_proto};
use crate::error::Result;
use crate::graph::{
    Builder, Elem, Graph, NodeId, Output, Port, PortKind, Type, Value, parse, verify_numeric,
};
use crate::ops::{Emit, Op};
use crate::syntax::ast::Constant;

/// The versions of the default domain whose operators mean what is assumed here.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=26;

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The graph; it passes [`verify_numeric`].
    pub graph: Graph,
    /// The element type of the file.
    pub element: Element,
    /// What else the file says of the model.
    pub about: About,
}

/// Reads the main graph of an ONNX file; `training_info` is left aside.
///
/// # Errors
/// `Format` for bytes that are no valid model, `Unsupported` for a model that is more than numbers by sample, `Limit` for
/// one that is too large.
pub fn import(bytes: &[u8]) -> Result<Imported> {
    import_with(bytes, &Settings::default())
}

/// The same, a model of another tool as the settings say.
///
/// # Errors
/// As [`import`].
pub fn import_with(bytes: &[u8], settings: &Settings) -> Result<Imported> {
    let model = decode(bytes)?;
    let graph = model.graph.as_ref().ok_or_else(|| bad("it has no graph"))?;
    let opset = check_model(&model, graph)?;
    let text = model
        .metadata_props
        .iter()
        .find(|entry| entry.key.as_deref() == Some(metadata::KEY));
    let metadata = match text {
        Some(entry) => Some(metadata::read(entry.value())?),
        None => None,
    };
    // a graph without numbers has no element type of its own
    let element = element(graph)
        .or(metadata.as_ref().map(|metadata| metadata.element))
        .unwrap_or(Element::F64);
    if metadata.is_none() {
        return Ok(Imported {
            graph: foreign::read(graph, opset, settings)?,
            element,
            about: About::default(),
        });
    }
    if let Some(metadata) = &metadata
        && let Some(made) = metadata.made
    {
        return Ok(Imported {
            graph: model_of_file(metadata, made, graph)?,
            element: metadata.element,
            about: metadata.about.clone(),
        });
    }
    let mut tensors: HashMap<&str, &TensorProto> = HashMap::new();
    for tensor in &graph.initializer {
        if tensor.name().is_empty() || tensors.insert(tensor.name(), tensor).is_some() {
            let message = format!("initializer {:?} is there twice or nameless", tensor.name());
            return Err(bad(&message));
        }
    }
    let mut reader = Reader::new(graph, element, metadata.as_ref(), tensors)?;
    let ports = &reader.builder.graph().ports;
    let read = match metadata.as_ref().and_then(|m| source(m, ports, graph)) {
        Some(source) => source,
        None => {
            for node in &graph.node {
                reader.node(node)?;
            }
            let read = reader.finish(graph)?;
            verify_numeric(&read)?;
            read
        }
    };
    Ok(Imported {
        graph: read,
        element,
        about: metadata.map(|metadata| metadata.about).unwrap_or_default(),
    })
}

/// The graph that the file was made from, with the parameters that were read: if it gives the very nodes of the file.
fn source(metadata: &Metadata, ports: &[Port], file: &GraphProto) -> Option<Graph> {
    let mut source = parse(&metadata.graph).ok()?;
    verify_numeric(&source).ok()?;
    if source.ports.len() != ports.len() {
        return None;
    }
    source.ports = ports.to_vec();
    let model = model_of(&source, metadata.element, &metadata.about).ok()?;
    (model.graph.as_ref() == Some(file)).then_some(source)
}

/// Refuses models of other versions or with parts that are not known; the version of the operators.
fn check_model(model: &ModelProto, graph: &GraphProto) -> Result<i64> {
    let opset = model
        .opset_import
        .iter()
        .find(|opset| default_domain(opset.domain()));
    let version = opset.map(|opset| opset.version());
    let version = version.ok_or_else(|| bad("it names no version of the default domain"))?;
    if !OPSETS.contains(&version) {
        let (first, last) = (OPSETS.start(), OPSETS.end());
        return Err(unsupported(&format!(
            "it is of operator set {version}; {first} to {last} can be read"
        )));
    }
    if !model.functions.is_empty() {
        return Err(unsupported("it defines functions"));
    }
    if !graph.sparse_initializer.is_empty() {
        return Err(unsupported("it has sparse initializers"));
    }
    Ok(version)
}

pub(super) fn default_domain(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// The tensor type of an input or output: its element type, and its dimensions where they are given.
pub(super) fn tensor_type(
    info: &ValueInfoProto,
) -> Option<(i32, Option<&[super::proto::tensor_shape_proto::Dimension]>)> {
    match info.r#type.as_ref()?.value.as_ref()? {
        type_proto::Value::TensorType(tensor) => Some((
            tensor.elem_type?,
            tensor.shape.as_ref().map(|shape| &shape.dim[..]),
        )),
        _ => None,
    }
}

/// The floating-point type of the first tensor that has one.
fn element(graph: &GraphProto) -> Option<Element> {
    let ports = graph.input.iter().chain(&graph.output);
    let types = ports.filter_map(|info| tensor_type(info).map(|(ty, _)| ty));
    let initializers = graph.initializer.iter().map(|tensor| tensor.data_type());
    types
        .chain(initializers)
        .find_map(|ty| match DataType::try_from(ty) {
            Ok(DataType::Double) => Some(Element::F64),
            Ok(DataType::Float) => Some(Element::F32),
            _ => None,
        })
}

fn type_name(data_type: i32) -> &'static str {
    DataType::try_from(data_type).map_or("unknown", |ty| ty.as_str_name())
}

type Typed = (NodeId, Kind);

struct Reader<'a> {
    element: Element,
    metadata: Option<&'a Metadata>,
    tensors: HashMap<&'a str, &'a TensorProto>,
    values: HashMap<&'a str, Typed>,
    builder: Builder,
    batched: Batched,
}

impl<'a> Reader<'a> {
    fn new(
        graph: &'a GraphProto,
        element: Element,
        metadata: Option<&'a Metadata>,
        tensors: HashMap<&'a str, &'a TensorProto>,
    ) -> Result<Reader<'a>> {
        let mut ports = Vec::new();
        let mut values = HashMap::new();
        let mut samples: Option<&str> = None;
        let known: HashMap<&str, &metadata::Entry<PortKind>> = metadata
            .iter()
            .flat_map(|metadata| &metadata.ports)
            .map(|port| (&*port.tensor, port))
            .collect();
        for (i, info) in graph.input.iter().enumerate() {
            let tensor = info.name();
            let typed = (NodeId(i as u32), Kind::Number);
            if tensor.is_empty() || values.insert(tensor, typed).is_some() {
                return Err(bad(&format!("input {tensor:?} is there twice or nameless")));
            }
            let wrong = |what: &str| unsupported(&format!("input {tensor:?} {what}"));
            let Some((data_type, Some(dims))) = tensor_type(info) else {
                return Err(wrong("is no tensor of known shape"));
            };
            if data_type != element.data_type() as i32 {
                let what = format!(
                    "is of type {}, not {} as the others",
                    type_name(data_type),
                    element.data_type().as_str_name()
                );
                return Err(wrong(&what));
            }
            let batched = match dims {
                [] => false,
                [dim] => {
                    let name = match &dim.value {
                        Some(dimension::Value::DimParam(name)) => name.as_str(),
                        None => "",
                        Some(dimension::Value::DimValue(size)) => {
                            return Err(wrong(&format!("has a fixed number of samples, {size}")));
                        }
                    };
                    if *samples.get_or_insert(name) != name {
                        return Err(wrong("has another number of samples than those before it"));
                    }
                    true
                }
                _ => return Err(wrong("has more than one dimension")),
            };
            let entry = known.get(tensor);
            let initial = tensors.get(tensor);
            let kind = match (batched, initial) {
                (true, None) => PortKind::Input,
                (true, Some(_)) => return Err(wrong("has samples of its own")),
                (false, initial) => {
                    let value = match initial {
                        Some(initial) => scalar(initial, element)?.0,
                        None => Constant::Real(0.0),
                    };
                    parameter(value.as_real().unwrap_or(0.0), entry, element)
                }
            };
            let name = entry.map_or_else(|| Arc::from(tensor), |entry| entry.name.clone());
            ports.push(Port { name, kind });
        }
        Ok(Reader {
            element,
            metadata,
            tensors,
            values,
            builder: Builder::new(ports),
            batched: Batched::default(),
        })
    }

    fn is_bool(&self, node: NodeId) -> bool {
        self.builder.graph().node(node).ty == Type::Scalar(Elem::Bool)
    }

    /// The value of a tensor that was computed before or is constant.
    fn value(&mut self, tensor: &str, user: &str) -> Result<Typed> {
        if let Some(value) = self.values.get(tensor) {
            return Ok(*value);
        }
        let initializer = self.tensors.get(tensor).copied().ok_or_else(|| {
            bad(&format!(
                "{user} uses {tensor:?}, which nothing before it gives"
            ))
        })?;
        self.constant(initializer, tensor)
    }

    /// A constant: exactly as metadata knows it, where that is what the tensor holds.
    fn constant(&mut self, initializer: &TensorProto, tensor: &str) -> Result<Typed> {
        let (mut value, kind) = scalar(initializer, self.element)?;
        if let Some(exact) = self.metadata.and_then(|data| data.constants.get(tensor))
            && let (Some(a), Some(b)) = (exact.as_real(), value.as_real())
            && self.element.nearest(a).to_bits() == b.to_bits()
        {
            value = exact.clone();
        }
        Ok((self.builder.constant(value), kind))
    }

    fn node(&mut self, node: &'a NodeProto) -> Result<()> {
        let operator = node.op_type();
        let user = format!("operator {operator} at node {:?}", node.name());
        let fail = |what: &str| unsupported(&format!("{user} {what}"));
        if !default_domain(node.domain()) {
            return Err(fail(&format!("is of the domain {:?}", node.domain())));
        }
        let output = match node.output.as_slice() {
            [output] if !output.is_empty() => output.as_str(),
            _ => return Err(fail("has not exactly one output")),
        };
        let value = if operator == "Constant" {
            self.constant_node(node, output, &user)?
        } else {
            let mut args = Vec::with_capacity(node.input.len());
            for input in &node.input {
                args.push(self.value(input, &user)?);
            }
            self.operator(node, &args, &user)?
        };
        let known = self.tensors.contains_key(output);
        if known || self.values.insert(output, value).is_some() {
            return Err(bad(&format!(
                "{user} gives {output:?}, which something else gives too"
            )));
        }
        Ok(())
    }

    fn constant_node(&mut self, node: &NodeProto, output: &str, user: &str) -> Result<Typed> {
        let [attribute] = node.attribute.as_slice() else {
            return Err(bad(&format!("{user} has not exactly one attribute")));
        };
        match (attribute.name(), &attribute.t, attribute.f) {
            ("value", Some(tensor), _) => self.constant(tensor, output),
            ("value_float", _, Some(value)) if self.element == Element::F32 => {
                let node = self.builder.real(f64::from(value));
                Ok((node, Kind::Number))
            }
            (name, ..) => Err(unsupported(&format!("{user} has the attribute {name:?}"))),
        }
    }

    fn operator(&mut self, node: &NodeProto, args: &[Typed], user: &str) -> Result<Typed> {
        let operator = node.op_type();
        let mut attributes = Attributes::of(node, user)?;
        let arity = |wanted: std::ops::RangeInclusive<usize>| {
            if wanted.contains(&args.len()) {
                return Ok(());
            }
            let message = format!("{user} has {} inputs", args.len());
            Err(bad(&message))
        };
        let wrong_type = || bad(&format!("{user} has an input of the wrong type"));
        let all = |kind: Kind| match args.iter().all(|arg| arg.1 == kind) {
            true => Ok(()),
            false => Err(wrong_type()),
        };
        let nodes: Vec<NodeId> = args.iter().map(|arg| arg.0).collect();
        let value = match operator {
            "Identity" => {
                arity(1..=1)?;
                args[0]
            }
            "Cast" => {
                arity(1..=1)?;
                attributes.ignore("saturate");
                self.cast(args[0], attributes.take("to").unwrap_or(0), user)?
            }
            "Where" => {
                arity(3..=3)?;
                if args[0].1 != Kind::Truth || args[1].1 != args[2].1 || args[1].1 == Kind::Integer
                {
                    return Err(wrong_type());
                }
                (self.builder.op(Op::Select, &nodes), args[1].1)
            }
            "Size" => {
                arity(1..=1)?;
                let node = match self.is_batched(args[0].0) {
                    true => self.builder.op(Op::BatchCount, &[]),
                    false => self.builder.constant(Constant::Int(1)),
                };
                (node, Kind::Integer)
            }
            "ReduceSum" => {
                arity(1..=1)?;
                all(Kind::Number)?;
                attributes.ignore("noop_with_empty_axes");
                if attributes.take("keepdims").unwrap_or(1) != 0 {
                    return Err(unsupported(&format!("{user} keeps its dimensions")));
                }
                match self.is_batched(args[0].0) {
                    true => (self.builder.op(Op::BatchSum, &nodes), Kind::Number),
                    false => args[0],
                }
            }
            "Mod" => {
                arity(2..=2)?;
                all(Kind::Number)?;
                if attributes.take("fmod") != Some(1) {
                    return Err(unsupported(&format!("{user} is not of the kind fmod=1")));
                }
                (self.builder.op(Op::Remainder, &nodes), Kind::Number)
            }
            "Sum" | "Max" | "Min" => {
                arity(1..=usize::MAX)?;
                all(Kind::Number)?;
                let op = match operator {
                    "Sum" => Op::Add,
                    "Max" => Op::Max,
                    _ => Op::Min,
                };
                let rest = nodes[1..].iter();
                let node = rest.fold(nodes[0], |a, b| self.builder.op(op, &[a, *b]));
                (node, Kind::Number)
            }
            "Reciprocal" => {
                arity(1..=1)?;
                all(Kind::Number)?;
                let one = self.builder.real(1.0);
                (self.builder.op(Op::Div, &[one, nodes[0]]), Kind::Number)
            }
            "Equal" => {
                arity(2..=2)?;
                if args[0].1 != args[1].1 {
                    return Err(wrong_type());
                }
                (self.builder.op(Op::Equal, &nodes), Kind::Truth)
            }
            _ => {
                let Some((op, count, takes, gives)) = elementwise(operator) else {
                    return Err(unsupported(&format!("{user} is not one that is known")));
                };
                arity(count..=count)?;
                all(takes)?;
                (self.builder.op(op, &nodes), gives)
            }
        };
        attributes.end()?;
        Ok(value)
    }

    fn cast(&mut self, (node, kind): Typed, to: i64, user: &str) -> Result<Typed> {
        match (i32::try_from(to).map(DataType::try_from), kind) {
            (Ok(Ok(DataType::Bool)), Kind::Truth) => Ok((node, kind)),
            (Ok(Ok(DataType::Bool)), Kind::Number) => {
                let zero = self.builder.real(0.0);
                let same = self.builder.op(Op::Equal, &[node, zero]);
                Ok((self.builder.op(Op::Not, &[same]), Kind::Truth))
            }
            (Ok(Ok(to)), _) if to == self.element.data_type() => Ok((node, Kind::Number)),
            _ => {
                let name = type_name(to as i32);
                Err(unsupported(&format!("{user} casts to {name}")))
            }
        }
    }

    fn is_batched(&mut self, node: NodeId) -> bool {
        self.batched.get(self.builder.graph(), node)
    }

    fn finish(mut self, graph: &GraphProto) -> Result<Graph> {
        let known: HashMap<&str, &metadata::Entry<Elem>> = self
            .metadata
            .iter()
            .flat_map(|metadata| &metadata.outputs)
            .map(|output| (&*output.tensor, output))
            .collect();
        let (mut outputs, mut types) = (Vec::new(), Vec::new());
        let mut same = true;
        for (i, info) in graph.output.iter().enumerate() {
            let tensor = info.name();
            let (node, kind) = self.value(tensor, "the list of outputs")?;
            self.check_output(info, node, kind)?;
            let node = match kind {
                Kind::Number if self.is_bool(node) => {
                    let one = self.builder.constant(Constant::Int(1));
                    self.builder.op(Op::Mul, &[node, one])
                }
                _ => node,
            };
            let entry = known.get(tensor);
            let place = self.metadata.and_then(|data| data.outputs.get(i));
            same &= place.is_some_and(|place| place.tensor == tensor);
            let name = entry.map_or_else(|| Arc::from(tensor), |entry| entry.name.clone());
            outputs.push(Output { name, node });
            types.push(entry.map(|entry| entry.kind));
        }
        let value = match self.metadata {
            Some(metadata) if same && metadata.outputs.len() == outputs.len() => {
                metadata.value.clone()
            }
            _ if outputs.len() == 1 => Value::Output(0),
            _ => Value::List((0..outputs.len()).map(Value::Output).collect(), None),
        };
        let nodes: Vec<NodeId> = outputs.iter().map(|output| output.node).collect();
        let mut graph = self.builder.finish(outputs, value);
        for (node, elem) in nodes.iter().zip(types) {
            let ty = &mut graph.nodes[node.index()].ty;
            if let Some(elem) = elem
                && elem != Elem::Bool
                && *ty != Type::Scalar(Elem::Bool)
            {
                *ty = Type::Scalar(elem);
            }
        }
        Ok(graph)
    }

    /// Whether an output is what the file declares.
    fn check_output(&mut self, info: &ValueInfoProto, node: NodeId, kind: Kind) -> Result<()> {
        let name = info.name();
        let Some((data_type, dims)) = tensor_type(info) else {
            return Err(bad(&format!("output {name:?} is no tensor")));
        };
        let wanted = match kind {
            Kind::Number => self.element.data_type(),
            Kind::Truth => DataType::Bool,
            Kind::Integer => return Err(unsupported(&format!("output {name:?} is an integer"))),
        };
        if data_type != wanted as i32 {
            let (declared, is) = (type_name(data_type), wanted.as_str_name());
            return Err(bad(&format!(
                "output {name:?} is declared as {declared} and is {is}"
            )));
        }
        let fits = match dims {
            None => true,
            Some([]) => !self.is_batched(node),
            Some([_]) => true,
            Some(_) => false,
        };
        match fits {
            true => Ok(()),
            false => Err(bad(&format!("output {name:?} has not the shape declared"))),
        }
    }
}

fn parameter(
    initial: f64,
    entry: Option<&&metadata::Entry<PortKind>>,
    element: Element,
) -> PortKind {
    match entry.map(|entry| entry.kind) {
        Some(PortKind::Parameter {
            initial: exact,
            lower,
            upper,
        }) => PortKind::Parameter {
            // another tool may have put a fitted value in its place
            initial: match element.nearest(exact).to_bits() == initial.to_bits() {
                true => exact,
                false => initial,
            },
            lower,
            upper,
        },
        _ => PortKind::Parameter {
            initial,
            lower: f64::NEG_INFINITY,
            upper: f64::INFINITY,
        },
    }
}
