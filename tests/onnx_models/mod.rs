//! Small ONNX models for the tests, and whether there is a runtime to run them.
#![allow(dead_code)]

use ncg::engine::ort::probe;
use ncg::onnx::proto::attribute_proto::AttributeType;
use ncg::onnx::proto::tensor_proto::DataType;
use ncg::onnx::proto::tensor_shape_proto::{Dimension, dimension};
use ncg::onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};
use prost::Message;

/// Whether ONNX Runtime is there. Where the build has put it beside the test it must load; elsewhere a test is skipped
/// with a line that says so, unless NCG_REQUIRE_ALL=1.
pub fn have_runtime(test: &str) -> bool {
    let Err(error) = probe(None) else { return true };
    let program = std::env::current_exe().unwrap();
    let beside = program.ancestors().skip(1).take(2).any(|folder| {
        [
            "libonnxruntime.so.1",
            "libonnxruntime.dylib",
            "onnxruntime.dll",
        ]
        .iter()
        .any(|name| folder.join(name).exists())
    });
    let required = std::env::var("NCG_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!beside && !required, "{error}");
    eprintln!("skipped: {test}: {error}");
    false
}

pub enum Dim {
    Free(&'static str),
    Fixed(i64),
}

pub fn entry(name: &str, element_type: DataType, dims: &[Dim]) -> ValueInfoProto {
    let dim = dims.iter().map(|dim| Dimension {
        denotation: None,
        value: Some(match dim {
            Dim::Free(name) => dimension::Value::DimParam(name.to_string()),
            Dim::Fixed(size) => dimension::Value::DimValue(*size),
        }),
    });
    let tensor = type_proto::Tensor {
        elem_type: Some(element_type as i32),
        shape: Some(TensorShapeProto { dim: dim.collect() }),
    };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto {
            denotation: None,
            value: Some(type_proto::Value::TensorType(tensor)),
        }),
        ..Default::default()
    }
}

pub fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: Some(operator.to_owned()),
        input: inputs.iter().map(|name| name.to_string()).collect(),
        output: outputs.iter().map(|name| name.to_string()).collect(),
        ..Default::default()
    }
}

pub fn with_graph(mut node: NodeProto, name: &str, graph: GraphProto) -> NodeProto {
    node.attribute.push(AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Graph as i32),
        g: Some(graph),
        ..Default::default()
    });
    node
}

pub fn with_int(mut node: NodeProto, name: &str, value: i64) -> NodeProto {
    node.attribute.push(AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(value),
        ..Default::default()
    });
    node
}

pub fn graph(
    nodes: Vec<NodeProto>,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
) -> GraphProto {
    GraphProto {
        name: Some("graph".to_owned()),
        node: nodes,
        input: inputs,
        output: outputs,
        ..Default::default()
    }
}

pub fn constant(name: &str, element_type: DataType, dims: &[i64], raw: Vec<u8>) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(element_type as i32),
        dims: dims.to_vec(),
        raw_data: Some(raw),
        ..Default::default()
    }
}

pub fn model(graph: GraphProto) -> Vec<u8> {
    ModelProto {
        ir_version: Some(10),
        opset_import: vec![OperatorSetIdProto {
            domain: Some(String::new()),
            version: Some(21),
        }],
        graph: Some(graph),
        ..Default::default()
    }
    .encode_to_vec()
}

/// y = x·p + exp(x), and the second output e = exp(x); x and y of shape [N], p a scalar.
pub fn line_and_exp(element_type: DataType) -> Vec<u8> {
    let batch = || [Dim::Free("N")];
    model(graph(
        vec![
            node("Mul", &["x", "p"], &["xp"]),
            node("Exp", &["x"], &["e"]),
            node("Add", &["xp", "e"], &["y"]),
        ],
        vec![
            entry("x", element_type, &batch()),
            entry("p", element_type, &[]),
        ],
        vec![
            entry("y", element_type, &batch()),
            entry("e", element_type, &batch()),
        ],
    ))
}
