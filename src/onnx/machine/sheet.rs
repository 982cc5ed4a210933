//! A graph while it is written node by node, with constants where they are used.

use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::tensor_shape_proto::{Dimension, dimension};
use crate::onnx::proto::{
    AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

/// A tensor, by its name.
pub type Tensor = String;

/// A graph, or the body of a node, while it is written. What stands around a body can be used in it.
pub struct Sheet {
    prefix: String,
    count: usize,
    graph: GraphProto,
}

/// A dimension: a number or a name.
#[derive(Clone, Copy)]
pub enum Dim {
    Is(i64),
    Named(&'static str),
}

impl Sheet {
    /// An empty graph whose tensors have names of their own.
    pub fn new(prefix: &str) -> Sheet {
        Sheet {
            prefix: prefix.into(),
            count: 0,
            graph: GraphProto {
                name: Some(prefix.into()),
                ..Default::default()
            },
        }
    }

    /// An empty body of a node of this graph.
    pub fn inner(&mut self) -> Sheet {
        let name = self.name();
        Sheet::new(&name)
    }

    /// A new name.
    pub fn name(&mut self) -> Tensor {
        self.count += 1;
        format!("{}.{}", self.prefix, self.count)
    }

    fn initializer(&mut self, tensor: TensorProto) -> Tensor {
        let name = tensor.name.clone().unwrap_or_default();
        self.graph.initializer.push(tensor);
        name
    }

    /// Real constants.
    pub fn reals(&mut self, dims: &[i64], values: &[f64]) -> Tensor {
        let name = self.name();
        self.initializer(reals(&name, dims, values))
    }

    /// One real constant.
    pub fn real(&mut self, value: f64) -> Tensor {
        self.reals(&[], &[value])
    }

    /// Whole constants.
    pub fn ints(&mut self, dims: &[i64], values: &[i64]) -> Tensor {
        let name = self.name();
        self.initializer(ints(&name, dims, values))
    }

    /// One whole constant.
    pub fn int(&mut self, value: i64) -> Tensor {
        self.ints(&[], &[value])
    }

    /// Constants of a byte each.
    pub fn bytes(&mut self, values: Vec<u8>) -> Tensor {
        let name = self.name();
        self.initializer(TensorProto {
            name: Some(name),
            data_type: Some(DataType::Uint8 as i32),
            dims: vec![values.len() as i64],
            raw_data: Some(values),
            ..Default::default()
        })
    }

    /// A truth value.
    pub fn truth(&mut self, value: bool) -> Tensor {
        self.truths(&[], value)
    }

    /// A tensor of one truth value.
    pub fn truths(&mut self, dims: &[i64], value: bool) -> Tensor {
        let name = self.name();
        self.initializer(TensorProto {
            dims: dims.to_vec(),
            ..truth(&name, value)
        })
    }

    /// An operator of one output.
    pub fn op(&mut self, operator: &str, inputs: &[&Tensor]) -> Tensor {
        self.op_with(operator, inputs, vec![])
    }

    /// An operator of one output, with attributes.
    pub fn op_with(
        &mut self,
        operator: &str,
        inputs: &[&Tensor],
        attributes: Vec<AttributeProto>,
    ) -> Tensor {
        let output = self.name();
        self.node(operator, inputs, vec![output.clone()], attributes);
        output
    }

    /// An operator of several outputs.
    pub fn ops_with(
        &mut self,
        operator: &str,
        inputs: &[&Tensor],
        outputs: usize,
        attributes: Vec<AttributeProto>,
    ) -> Vec<Tensor> {
        let outputs: Vec<Tensor> = (0..outputs).map(|_| self.name()).collect();
        self.node(operator, inputs, outputs.clone(), attributes);
        outputs
    }

    fn node(
        &mut self,
        operator: &str,
        inputs: &[&Tensor],
        output: Vec<Tensor>,
        attribute: Vec<AttributeProto>,
    ) {
        self.graph.node.push(NodeProto {
            name: output.first().cloned(),
            op_type: Some(operator.into()),
            input: inputs.iter().map(|name| (*name).clone()).collect(),
            output,
            attribute,
            ..Default::default()
        });
    }

    /// The same values as another type.
    pub fn cast(&mut self, tensor: &Tensor, to: DataType) -> Tensor {
        self.op_with("Cast", &[tensor], vec![int_attribute("to", to as i64)])
    }

    /// The items at these places of the first axis.
    pub fn gather(&mut self, tensor: &Tensor, places: &[i64]) -> Tensor {
        let places = self.ints(&[places.len() as i64], places);
        self.op("Gather", &[tensor, &places])
    }

    /// The item at this place of the first axis.
    pub fn item(&mut self, tensor: &Tensor, place: i64) -> Tensor {
        let place = self.int(place);
        self.op("Gather", &[tensor, &place])
    }

    /// Parts of these lengths, along the first axis.
    pub fn split(&mut self, tensor: &Tensor, lengths: &[i64]) -> Vec<Tensor> {
        let sizes = self.ints(&[lengths.len() as i64], lengths);
        let axis = vec![int_attribute("axis", 0)];
        self.ops_with("Split", &[tensor, &sizes], lengths.len(), axis)
    }

    /// The tensors behind each other, along the first axis.
    pub fn concat(&mut self, tensors: &[&Tensor]) -> Tensor {
        self.op_with("Concat", tensors, vec![int_attribute("axis", 0)])
    }

    /// The same values in another shape.
    pub fn reshape(&mut self, tensor: &Tensor, dims: &[i64]) -> Tensor {
        let dims = self.ints(&[dims.len() as i64], dims);
        self.op("Reshape", &[tensor, &dims])
    }

    /// The items of the first axis from one place up to another.
    pub fn slice(&mut self, tensor: &Tensor, from: &Tensor, to: &Tensor) -> Tensor {
        self.op("Slice", &[tensor, from, to])
    }

    /// Whether any item is true.
    pub fn any(&mut self, tensor: &Tensor) -> Tensor {
        let keep = vec![int_attribute("keepdims", 0)];
        self.op_with("ReduceMax", &[tensor], keep)
    }

    /// A node that runs other graphs.
    pub fn bodies(
        &mut self,
        operator: &str,
        inputs: &[&Tensor],
        outputs: usize,
        bodies: Vec<(&str, GraphProto)>,
    ) -> Vec<Tensor> {
        let bodies = bodies.into_iter();
        let attributes = bodies.map(|(name, graph)| AttributeProto {
            name: Some(name.into()),
            r#type: Some(AttributeType::Graph as i32),
            g: Some(graph),
            ..Default::default()
        });
        let attributes = attributes.collect();
        self.ops_with(operator, inputs, outputs, attributes)
    }

    /// Declares an input of this graph.
    pub fn input(&mut self, name: &str, of: DataType, dims: &[Dim]) -> Tensor {
        self.graph.input.push(value_info(name, of, dims));
        name.into()
    }

    /// Declares an input of a body.
    pub fn param(&mut self, of: DataType, dims: &[Dim]) -> Tensor {
        let name = self.name();
        self.input(&name, of, dims)
    }

    /// Gives an input the value that it has unless another is given.
    pub fn default_value(&mut self, tensor: TensorProto) {
        self.graph.initializer.push(tensor);
    }

    /// Makes a tensor of this graph its next output.
    pub fn output(&mut self, tensor: &Tensor, of: DataType, dims: &[Dim]) {
        self.graph.output.push(value_info(tensor, of, dims));
    }

    /// Makes a tensor of this graph, or of one around it, the next output, under a name.
    pub fn output_as(&mut self, name: &str, tensor: &Tensor, of: DataType, dims: &[Dim]) {
        self.node("Identity", &[tensor], vec![name.into()], vec![]);
        self.graph.output.push(value_info(name, of, dims));
    }

    /// Takes the nodes and constants of a graph that was written elsewhere.
    pub fn absorb(&mut self, graph: GraphProto) {
        self.graph.node.extend(graph.node);
        self.graph.initializer.extend(graph.initializer);
    }

    /// The graph.
    pub fn finish(self) -> GraphProto {
        self.graph
    }
}

pub fn reals(name: &str, dims: &[i64], values: &[f64]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        data_type: Some(DataType::Double as i32),
        dims: dims.to_vec(),
        raw_data: Some(values.iter().flat_map(|x| x.to_le_bytes()).collect()),
        ..Default::default()
    }
}

pub fn ints(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        data_type: Some(DataType::Int64 as i32),
        dims: dims.to_vec(),
        raw_data: Some(values.iter().flat_map(|x| x.to_le_bytes()).collect()),
        ..Default::default()
    }
}

pub fn truth(name: &str, value: bool) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        data_type: Some(DataType::Bool as i32),
        raw_data: Some(vec![u8::from(value)]),
        ..Default::default()
    }
}

pub fn int_attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(value),
        ..Default::default()
    }
}

pub fn word_attribute(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(AttributeType::String as i32),
        s: Some(value.as_bytes().to_vec()),
        ..Default::default()
    }
}

fn value_info(name: &str, of: DataType, dims: &[Dim]) -> ValueInfoProto {
    let dim = dims.iter().map(|dim| Dimension {
        denotation: None,
        value: Some(match dim {
            Dim::Is(size) => dimension::Value::DimValue(*size),
            Dim::Named(name) => dimension::Value::DimParam((*name).into()),
        }),
    });
    let tensor = type_proto::Tensor {
        elem_type: Some(of as i32),
        shape: Some(TensorShapeProto { dim: dim.collect() }),
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
