//! The messages that models are made of.

use crate::onnx::form::Element;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::tensor_shape_proto::{Dimension, dimension};
use crate::onnx::proto::{
    AttributeProto, GraphProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    type_proto,
};

pub fn scalar(name: &str, element: Element, value: f64) -> TensorProto {
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

/// A constant of truth values: one, or a tensor of one.
pub fn truths(name: &str, dims: &[i64], value: bool) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        data_type: Some(DataType::Bool as i32),
        dims: dims.to_vec(),
        raw_data: Some(vec![u8::from(value)]),
        ..Default::default()
    }
}

/// A constant whole number.
pub fn whole(name: &str, value: i64) -> TensorProto {
    TensorProto {
        dims: vec![],
        ..wholes(name, &[value])
    }
}

/// A constant of whole numbers, side by side.
pub fn wholes(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        data_type: Some(DataType::Int64 as i32),
        dims: vec![values.len() as i64],
        raw_data: Some(
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ),
        ..Default::default()
    }
}

/// A tensor of these dimensions: free ones have names.
pub fn value_info(name: &str, data_type: DataType, dims: &[&str]) -> ValueInfoProto {
    let dim = dims.iter().map(|name| Dimension {
        denotation: None,
        value: Some(match name.parse() {
            Ok(size) => dimension::Value::DimValue(size),
            Err(_) => dimension::Value::DimParam((*name).into()),
        }),
    });
    let tensor = type_proto::Tensor {
        elem_type: Some(data_type as i32),
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

pub fn int_attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(value),
        ..Default::default()
    }
}

pub fn ints_attribute(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(AttributeType::Ints as i32),
        ints: values,
        ..Default::default()
    }
}

pub fn graph_attribute(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(AttributeType::Graph as i32),
        g: Some(graph),
        ..Default::default()
    }
}
