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
    numbers(name, &[], element, &[value])
}

/// A constant tensor of numbers.
pub fn numbers(name: &str, dims: &[i64], element: Element, values: &[f64]) -> TensorProto {
    let values = values.iter();
    let bytes = match element {
        Element::F64 => values.flat_map(|value| value.to_le_bytes()).collect(),
        Element::F32 => values
            .flat_map(|value| (*value as f32).to_le_bytes())
            .collect(),
    };
    TensorProto {
        name: Some(name.into()),
        data_type: Some(element.data_type() as i32),
        dims: dims.to_vec(),
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
    whole_tensor(name, &[], &[value])
}

/// A constant of whole numbers, side by side.
pub fn wholes(name: &str, values: &[i64]) -> TensorProto {
    whole_tensor(name, &[values.len() as i64], values)
}

/// A constant tensor of whole numbers.
pub fn whole_tensor(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    TensorProto {
        name: Some(name.into()),
        data_type: Some(DataType::Int64 as i32),
        dims: dims.to_vec(),
        raw_data: Some(bytes.collect()),
        ..Default::default()
    }
}

/// A tensor of these dimensions: free ones have names.
pub fn value_info(name: &str, data_type: DataType, dims: &[&str]) -> ValueInfoProto {
    let dims = dims.iter().map(|name| match name.parse() {
        Ok(size) => dimension::Value::DimValue(size),
        Err(_) => dimension::Value::DimParam((*name).into()),
    });
    sized(name, data_type, dims.collect())
}

/// A tensor of these dimensions.
pub fn sized(name: &str, data_type: DataType, dims: Vec<dimension::Value>) -> ValueInfoProto {
    let dim = dims.into_iter().map(|value| Dimension {
        denotation: None,
        value: Some(value),
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
