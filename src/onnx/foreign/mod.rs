//! Inference graphs of other tools → numeric graphs.
//!
//! A graph of numbers holds scalars, and computes them for many samples. A tensor becomes as many nodes as it has elements;
//! the one dimension whose size the file leaves open is that of the samples. An input `x` of shape `[N, 3]` becomes the
//! inputs `x.0`, `x.1`, `x.2`. A floating-point initializer `w` of at least one dimension becomes as many parameters, with its
//! values as the initial ones. Every floating-point type is read as a real, without rounding.

mod activation;
mod attributes;
mod choice;
mod constants;
mod control;
mod einsum;
mod elementwise;
mod evaluator;
mod fault;
mod indexing;
mod normal;
mod products;
mod recurrent;
mod reduce;
mod registry;
mod resize;
mod scan;
mod shaping;
mod tensor;
mod window;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::import::{default_domain, tensor_type};
use super::operators::{Kind, bad, unsupported};
use super::proto::tensor_shape_proto::dimension;
use super::proto::{GraphProto, TensorProto};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Builder, Graph, Output, Port, PortKind, Value, simplify, verify_numeric};
use crate::ops::{Emit, NodeId, Op};
use crate::options::Options;
use constants::{array, kind_of, shape_of};
use evaluator::Evaluator;
pub use registry::operators;
use tensor::Tensor;

/// How a foreign model is read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Most nodes of the graph.
    pub max_nodes: usize,
    /// The initializers that become parameters.
    pub weights: Weights,
}

/// Which initializers become parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// The floating-point ones of at least one dimension.
    Arrays,
    /// None.
    Constant,
    /// Those of these names; a `*` at the end stands for anything.
    Named(Vec<String>),
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::of(&Options::new())
    }
}

impl Settings {
    /// The settings that the options `max_nodes` and `weights` say.
    pub fn of(options: &Options) -> Settings {
        let names = |list: &str| {
            list.split(',')
                .map(|name| name.trim().to_string())
                .collect()
        };
        Settings {
            max_nodes: options.int("max_nodes") as usize,
            weights: match options.str("weights") {
                "arrays" => Weights::Arrays,
                "constant" => Weights::Constant,
                list => Weights::Named(names(list)),
            },
        }
    }
}

impl Weights {
    fn take(&self, tensor: &TensorProto) -> bool {
        match self {
            Weights::Arrays => !tensor.dims.is_empty(),
            Weights::Constant => false,
            Weights::Named(names) => names.iter().any(|name| match name.strip_suffix('*') {
                Some(start) => tensor.name().starts_with(start),
                None => name == tensor.name(),
            }),
        }
    }
}

/// Reads the nodes of a graph.
///
/// # Errors
/// `Format` for a graph that contradicts itself, `Unsupported` for what no graph of numbers can be, `Limit` for one too
/// large.
pub(super) fn read(file: &GraphProto, opset: i64, settings: &Settings) -> Result<Graph> {
    let mut tensors: HashMap<&str, &TensorProto> = HashMap::new();
    for tensor in &file.initializer {
        if tensor.name().is_empty() || tensors.insert(tensor.name(), tensor).is_some() {
            return Err(bad(&format!(
                "initializer {:?} is there twice or nameless",
                tensor.name()
            )));
        }
    }
    let mut ports = Ports::default();
    let mut samples = None;
    for info in &file.input {
        let name = info.name();
        let wrong = |what: &str| unsupported(&format!("input {name:?} {what}"));
        let Some((data_type, Some(dims))) = tensor_type(info) else {
            return Err(wrong("is no tensor of known shape"));
        };
        if tensors.contains_key(name) && !dims.is_empty() {
            // old files list their weights as inputs
            continue;
        }
        if kind_of(data_type) != Some(Kind::Number) {
            return Err(wrong("is not of a floating-point type"));
        }
        let (mut shape, mut axis) = (Vec::new(), None);
        for (i, dim) in dims.iter().enumerate() {
            let free = match &dim.value {
                Some(dimension::Value::DimValue(size)) => {
                    shape.push(usize::try_from(*size).map_err(|_| wrong("has a negative size"))?);
                    continue;
                }
                Some(dimension::Value::DimParam(free)) => free.as_str(),
                None => "",
            };
            if axis.replace(i).is_some() || *samples.get_or_insert(free) != free {
                return Err(wrong(&format!(
                    "has another number of samples than those before it: only one size can stay free, not {free:?} too; \
                     export the model with the others fixed"
                )));
            }
            shape.push(1);
        }
        let kind = match dims.is_empty() {
            false => PortKind::Input,
            true => {
                let initial = tensors.get(name).map(|tensor| array(tensor)).transpose()?;
                let value = initial.and_then(|array| array.values.first()?.as_real());
                free(value.unwrap_or(0.0))
            }
        };
        ports.add(name, shape, axis, settings.max_nodes, |_| kind)?;
        // it is an input now
        tensors.remove(name);
    }
    let used = used_names(file);
    for tensor in &file.initializer {
        let weight =
            kind_of(tensor.data_type()) == Some(Kind::Number) && settings.weights.take(tensor);
        if weight && used.contains(tensor.name()) && tensors.contains_key(tensor.name()) {
            let shape = shape_of(tensor)?;
            let values = array(tensor)?.values;
            ports.add(tensor.name(), shape, None, settings.max_nodes, |i| {
                free(values[i].as_real().unwrap_or(0.0))
            })?;
        }
    }
    let Ports {
        ports,
        tensors: named,
        ..
    } = ports;
    let mut evaluator = Evaluator::new(Builder::new(ports), opset, settings, tensors);
    for (name, tensor) in named {
        evaluator.bind_input(name, Rc::new(tensor))?;
    }
    evaluator.nodes(file)?;
    let graph = finish(evaluator, file)?;
    let graph = simplify(&graph);
    verify_numeric(&graph)?;
    Ok(graph)
}

fn free(initial: f64) -> PortKind {
    PortKind::Parameter {
        initial,
        lower: f64::NEG_INFINITY,
        upper: f64::INFINITY,
    }
}

/// The initializers that are used other than as the statistics of a normalisation, the scales of a change of size, or the two
/// values of a code.
fn used_names(file: &GraphProto) -> HashSet<&str> {
    let mut used: HashSet<&str> = file.output.iter().map(|info| info.name()).collect();
    let mut open = vec![file];
    while let Some(graph) = open.pop() {
        for node in &graph.node {
            let taken = match node.op_type() {
                "BatchNormalization" => 3,
                "Resize" | "OneHot" => 1,
                _ => node.input.len(),
            };
            used.extend(node.input.iter().take(taken).map(String::as_str));
            open.extend(
                node.attribute
                    .iter()
                    .filter_map(|attribute| attribute.g.as_ref()),
            );
        }
        used.extend(graph.output.iter().map(|info| info.name()));
    }
    used
}

/// The ports of the graph, and the tensors that they make up.
#[derive(Default)]
struct Ports<'a> {
    ports: Vec<Port>,
    names: HashSet<Arc<str>>,
    tensors: Vec<(&'a str, Tensor)>,
}

impl<'a> Ports<'a> {
    fn add(
        &mut self,
        name: &'a str,
        shape: Vec<usize>,
        samples: Option<usize>,
        limit: usize,
        kind: impl Fn(usize) -> PortKind,
    ) -> Result<()> {
        let total = shape
            .iter()
            .try_fold(1usize, |total, size| total.checked_mul(*size));
        let total = total.filter(|total| total.saturating_add(self.ports.len()) <= limit);
        let total = total.filter(|_| shape.len() <= tensor::MAX_RANK).ok_or_else(|| {
            let message = format!(
                "the ONNX model is too large: {name:?} of shape {shape:?} passes the limit of {limit} nodes; raise the option \
                 max_nodes, or make the network smaller: every number of a tensor is a node"
            );
            Error::new(ErrorKind::Limit, message)
        })?;
        let first = self.ports.len();
        for (i, element) in element_names(name, &shape, samples).into_iter().enumerate() {
            if name.is_empty() || !self.names.insert(element.clone()) {
                return Err(bad(&format!(
                    "input {element:?} is there twice or nameless"
                )));
            }
            self.ports.push(Port {
                name: element,
                kind: kind(i),
            });
        }
        let elements = (first..first + total).map(|i| NodeId(i as u32)).collect();
        self.tensors.push((
            name,
            Tensor {
                kind: Kind::Number,
                shape,
                samples,
                elements,
            },
        ));
        Ok(())
    }
}

/// The names of the elements of a tensor, by their indices but that of the sample. One number a sample has no index.
fn element_names(name: &str, shape: &[usize], samples: Option<usize>) -> Vec<Arc<str>> {
    let total: usize = shape.iter().product();
    let sizes = own_shape(shape, samples);
    if total == 1 && (samples.is_some() || sizes.is_empty()) {
        return vec![Arc::from(name)];
    }
    let strides = tensor::strides(&sizes);
    let names = (0..total).map(|place| {
        let indices = sizes
            .iter()
            .zip(&strides)
            .map(|(size, stride)| place / stride % size);
        indices
            .fold(name.to_string(), |name, index| format!("{name}.{index}"))
            .into()
    });
    names.collect()
}

/// The shape of one sample.
fn own_shape(shape: &[usize], samples: Option<usize>) -> Vec<usize> {
    let axes = shape
        .iter()
        .enumerate()
        .filter(|(axis, _)| samples != Some(*axis));
    axes.map(|(_, size)| *size).collect()
}

fn finish(mut evaluator: Evaluator, file: &GraphProto) -> Result<Graph> {
    let (mut outputs, mut values) = (Vec::new(), Vec::new());
    for info in &file.output {
        let name = info.name();
        let tensor = evaluator.value(name, "the list of outputs")?;
        check_output(info, &tensor)?;
        let shape = own_shape(&tensor.shape, tensor.samples);
        let names = element_names(name, &tensor.shape, tensor.samples);
        let first = outputs.len();
        for (name, node) in names.into_iter().zip(&tensor.elements) {
            let one = evaluator.real(1.0);
            let node = match tensor.kind {
                // a truth value that was cast is a number again
                Kind::Truth => *node,
                _ => evaluator.builder.op(Op::Mul, &[*node, one]),
            };
            outputs.push(Output { name, node });
        }
        let numbers: Vec<Value> = (first..outputs.len()).map(Value::Output).collect();
        values.push(value_of(&shape, numbers));
    }
    let value = match values.len() {
        1 => values.swap_remove(0),
        _ => Value::List(values, None),
    };
    Ok(evaluator.builder.finish(outputs, value))
}

/// A number; a vector or matrix; a list of what has more dimensions.
fn value_of(shape: &[usize], mut numbers: Vec<Value>) -> Value {
    match shape {
        _ if numbers.len() == 1 => numbers.swap_remove(0),
        [] | [_] | [_, _] => Value::Array(shape.to_vec(), numbers),
        [_, rest @ ..] => {
            let size: usize = rest.iter().product();
            let items = numbers.chunks(size.max(1));
            Value::List(
                items.map(|item| value_of(rest, item.to_vec())).collect(),
                None,
            )
        }
    }
}

fn check_output(info: &super::proto::ValueInfoProto, tensor: &Tensor) -> Result<()> {
    let name = info.name();
    let Some((data_type, dims)) = tensor_type(info) else {
        return Err(bad(&format!("output {name:?} is no tensor")));
    };
    if kind_of(data_type) != Some(tensor.kind) {
        return Err(bad(&format!(
            "output {name:?} is of another type than declared"
        )));
    }
    let fits = dims.is_none_or(|dims| {
        dims.len() == tensor.rank()
            && dims.iter().enumerate().all(|(axis, dim)| match dim.value {
                Some(dimension::Value::DimValue(size)) => {
                    tensor.samples != Some(axis) && size == tensor.shape[axis] as i64
                }
                _ => true,
            })
    });
    if tensor.elements.is_empty() {
        return Err(unsupported(&format!("output {name:?} has no elements")));
    }
    match fits {
        true => Ok(()),
        false => Err(bad(&format!("output {name:?} has not the shape declared"))),
    }
}
