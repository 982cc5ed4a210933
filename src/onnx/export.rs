//! Numeric graph → ONNX model, in operators of the default domain only.
//!
//! Inputs are tensors of shape `[N]`; parameters are scalars, listed as inputs with an initializer that holds their initial
//! value, so that a runtime may give them others. An output has shape `[N]` if it differs from sample to sample and is a
//! scalar otherwise. Names keep their spelling unless two things share one. Equal graphs give equal bytes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use prost::Message;

use super::form::{Count, Element, onnx_form};
use super::metadata::{self, About, Entry};
use super::proto::attribute_proto::AttributeType;
use super::proto::tensor_proto::DataType;
use super::proto::tensor_shape_proto::{Dimension, dimension};
use super::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};
use crate::error::Result;
use crate::graph::{Elem, Graph, NodeId, NodeKind, PortKind, Type};
use crate::ops::{OnnxForm, Op};
use crate::syntax::ast::Constant;

/// The version of the file format that is written: the first with all that is used.
const IR_VERSION: i64 = 8;
/// The version of the default domain that is written: likewise.
const OPSET: i64 = 17;

impl Element {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Element::F64 => DataType::Double,
            Element::F32 => DataType::Float,
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
    let form = onnx_form(graph, element, Count::Size)?;
    let mut names = Names::default();
    let ports = names.ports(&form);
    let written = write(&form, element, &ports, &mut names);
    let listed: Vec<usize> = (0..form.ports.len()).collect();
    let metadata = describe(&form, graph, &ports, &written, element, about);
    let mut graph_proto = written.graph;
    add_ports(&mut graph_proto, &form, element, &ports, &listed);
    Ok(model(graph_proto, metadata))
}

/// The bytes of a model for an engine: `form` is in ONNX form, parameters have no initial values, and only the ports of
/// `listed` are inputs.
pub(crate) fn export_form(form: &Graph, element: Element, listed: &[usize]) -> Vec<u8> {
    let mut names = Names::default();
    let ports = names.ports(form);
    let mut graph = write(form, element, &ports, &mut names).graph;
    add_ports(&mut graph, form, element, &ports, listed);
    graph.initializer.retain(|tensor| {
        let name = tensor.name.as_deref();
        listed.iter().all(|port| Some(&*ports[*port]) != name)
    });
    model(graph, String::new()).encode_to_vec()
}

/// The names that are taken, in one file.
#[derive(Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// How often a name has been wished for.
    wished: HashMap<String, usize>,
}

impl Names {
    /// The name, or one that is like it.
    pub fn unique(&mut self, name: &str) -> String {
        if !name.is_empty() && self.taken.insert(name.into()) {
            return name.into();
        }
        loop {
            let count = self.wished.entry(name.into()).or_default();
            *count += 1;
            let other = format!("{name}.{count}");
            if self.taken.insert(other.clone()) {
                return other;
            }
        }
    }

    /// A name like `Mul.3`.
    fn numbered(&mut self, word: &str) -> String {
        loop {
            let count = self.wished.entry(word.into()).or_default();
            let name = format!("{word}.{count}");
            *count += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    /// The tensors of the ports of a graph.
    pub fn ports(&mut self, graph: &Graph) -> Vec<String> {
        let names = graph.ports.iter().map(|port| self.unique(&port.name));
        names.collect()
    }
}

/// What [`write`] makes of a graph.
pub(super) struct Written {
    /// Without inputs, and with the constants as the only initializers.
    pub graph: GraphProto,
    /// The tensors of the outputs.
    pub outputs: Vec<String>,
    /// The constants that their tensor does not hold exactly.
    pub constants: Vec<(String, Constant)>,
}

/// Writes the nodes and outputs of a graph in ONNX form, whose ports are the tensors of these names.
pub(super) fn write(
    form: &Graph,
    element: Element,
    ports: &[String],
    names: &mut Names,
) -> Written {
    let outputs: Vec<String> = form
        .outputs
        .iter()
        .map(|output| names.unique(&output.name))
        .collect();
    let mut writer = Writer {
        form,
        element,
        ports,
        names,
        given: HashMap::new(),
        tensors: vec![None; form.nodes.len()],
        casts: HashMap::new(),
        truths: HashMap::new(),
        graph: GraphProto {
            name: Some("ncg".into()),
            ..Default::default()
        },
        constants: Vec::new(),
    };
    // the first output of a computed node gives it its name
    for (output, name) in form.outputs.iter().zip(&outputs) {
        if matches!(form.node(output.node).kind, NodeKind::Op(_)) {
            writer.given.entry(output.node).or_insert(name.clone());
        }
    }
    for (i, node) in form.nodes.iter().enumerate() {
        match node.kind {
            NodeKind::Port(port) => writer.tensors[i] = Some(ports[port as usize].clone()),
            NodeKind::Op(op) => writer.op(NodeId(i as u32), op),
            _ => {}
        }
    }
    let batched = form.batched();
    for (output, name) in form.outputs.iter().zip(&outputs) {
        let bool = writer.is_bool(output.node);
        if writer.given.get(&output.node) != Some(name) {
            let tensor = match bool {
                true => writer.truth(output.node),
                false => writer.number(output.node),
            };
            writer.push("Identity", vec![tensor], name.clone());
        }
        let data_type = match bool {
            true => DataType::Bool,
            false => element.data_type(),
        };
        let info = value_info(name, data_type, batched[output.node.index()]);
        writer.graph.output.push(info);
    }
    Written {
        graph: writer.graph,
        outputs,
        constants: writer.constants,
    }
}

struct Writer<'a> {
    form: &'a Graph,
    element: Element,
    ports: &'a [String],
    names: &'a mut Names,
    /// The names of nodes that outputs have named.
    given: HashMap<NodeId, String>,
    /// The tensor of each node, once it is written.
    tensors: Vec<Option<String>>,
    /// The tensors of truth values as numbers.
    casts: HashMap<NodeId, String>,
    /// The tensors of constant truth values.
    truths: HashMap<NodeId, String>,
    graph: GraphProto,
    constants: Vec<(String, Constant)>,
}

impl Writer<'_> {
    fn is_bool(&self, node: NodeId) -> bool {
        self.form.node(node).ty == Type::Scalar(Elem::Bool)
    }

    fn tensor(&self, node: NodeId) -> String {
        let tensor = self.tensors[node.index()].as_ref();
        tensor.expect("arguments stand before their users").clone()
    }

    /// The tensor of a node as a number.
    fn number(&mut self, node: NodeId) -> String {
        if let NodeKind::Constant(value) = &self.form.node(node).kind {
            return self.constant(node, value);
        }
        if !self.is_bool(node) {
            return self.tensor(node);
        }
        if let Some(name) = self.casts.get(&node) {
            return name.clone();
        }
        let name = self.names.numbered("Cast");
        let tensor = self.tensor(node);
        self.cast(tensor, name.clone());
        self.casts.insert(node, name.clone());
        name
    }

    /// The tensor of a node as a truth value.
    fn truth(&mut self, node: NodeId) -> String {
        let NodeKind::Constant(value) = &self.form.node(node).kind else {
            return self.tensor(node);
        };
        if let Some(name) = self.truths.get(&node) {
            return name.clone();
        }
        let name = self.names.numbered("constant");
        self.graph.initializer.push(TensorProto {
            name: Some(name.clone()),
            data_type: Some(DataType::Bool as i32),
            raw_data: Some(vec![u8::from(value.is_true())]),
            ..Default::default()
        });
        self.truths.insert(node, name.clone());
        name
    }

    fn constant(&mut self, node: NodeId, value: &Constant) -> String {
        if let Some(name) = &self.tensors[node.index()] {
            return name.clone();
        }
        let name = self.names.numbered("constant");
        let real = value.as_real().unwrap_or(f64::NAN);
        let tensor = scalar(&name, self.element, real);
        self.graph.initializer.push(tensor);
        let exact = matches!(value, Constant::Real(_))
            && self.element.nearest(real).to_bits() == real.to_bits();
        if !exact {
            self.constants.push((name.clone(), value.clone()));
        }
        self.tensors[node.index()] = Some(name.clone());
        name
    }

    fn op(&mut self, id: NodeId, op: Op) {
        let args = &self.form.node(id).args;
        let input: Vec<String> = match (op, args.as_slice()) {
            (Op::Select, [test, a, b]) => {
                vec![self.truth(*test), self.number(*a), self.number(*b)]
            }
            (Op::Not | Op::And | Op::Or, args) => args.iter().map(|arg| self.truth(*arg)).collect(),
            (_, args) => args.iter().map(|arg| self.number(*arg)).collect(),
        };
        let operator = match op.row().onnx {
            OnnxForm::Operator(name) => name,
            _ => unreachable!("the form holds operators only"),
        };
        let name = match self.given.get(&id) {
            Some(name) => name.clone(),
            None => self.names.numbered(operator),
        };
        self.tensors[id.index()] = Some(name.clone());
        match op {
            Op::BatchCount => self.count(name),
            Op::Remainder => {
                self.push(operator, input, name);
                self.attribute("fmod", 1);
            }
            Op::BatchSum => {
                self.push(operator, input, name);
                self.attribute("keepdims", 0);
            }
            _ => self.push(operator, input, name),
        }
    }

    /// The number of samples: the size of any input, or 1 where there is none.
    fn count(&mut self, name: String) {
        match self.form.inputs().first() {
            Some(port) => {
                let size = self.names.numbered("Size");
                self.push("Size", vec![self.ports[*port].clone()], size.clone());
                self.cast(size, name);
            }
            None => {
                let one = self.names.numbered("constant");
                self.graph.initializer.push(scalar(&one, self.element, 1.0));
                self.push("Identity", vec![one], name);
            }
        }
    }

    fn cast(&mut self, from: String, to: String) {
        self.push("Cast", vec![from], to);
        self.attribute("to", self.element.data_type() as i64);
    }

    fn push(&mut self, operator: &str, input: Vec<String>, output: String) {
        self.graph.node.push(NodeProto {
            name: Some(output.clone()),
            op_type: Some(operator.into()),
            input,
            output: vec![output],
            ..Default::default()
        });
    }

    /// Gives the newest node an attribute.
    fn attribute(&mut self, name: &str, value: i64) {
        if let Some(node) = self.graph.node.last_mut() {
            node.attribute.push(AttributeProto {
                name: Some(name.into()),
                r#type: Some(AttributeType::Int as i32),
                i: Some(value),
                ..Default::default()
            });
        }
    }
}

pub(super) fn scalar(name: &str, element: Element, value: f64) -> TensorProto {
    let bytes = match element {
        Element::F64 => value.to_le_bytes().to_vec(),
        Element::F32 => (value as f32).to_le_bytes().to_vec(),
    };
    TensorProto {
        name: Some(name.into()),
        data_type: Some(element.data_type() as i32),
        raw_data: Some(bytes),
        ..Default::default()
    }
}

fn value_info(name: &str, data_type: DataType, batched: bool) -> ValueInfoProto {
    let samples = Dimension {
        denotation: None,
        value: Some(dimension::Value::DimParam("N".into())),
    };
    let tensor = type_proto::Tensor {
        elem_type: Some(data_type as i32),
        shape: Some(TensorShapeProto {
            dim: if batched { vec![samples] } else { vec![] },
        }),
    };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto {
            denotation: None,
            value: Some(type_proto::Value::TensorType(tensor)),
        }),
        ..Default::default()
    }
}

/// Lists these ports as inputs, with the initial values of parameters.
pub(super) fn add_ports(
    graph: &mut GraphProto,
    form: &Graph,
    element: Element,
    ports: &[String],
    listed: &[usize],
) {
    for port in listed {
        let kind = form.ports[*port].kind;
        let batched = kind == PortKind::Input;
        let info = value_info(&ports[*port], element.data_type(), batched);
        graph.input.push(info);
        if let PortKind::Parameter { initial, .. } = kind {
            let tensor = scalar(&ports[*port], element, initial);
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
