//! Files of other tools made by hand, and their values on every engine.
#![allow(dead_code)]

use std::sync::Arc;

use ncg::compile::Model;
use ncg::engine::ort::probe;
use ncg::graph::Graph;
use ncg::onnx::proto::tensor_shape_proto::{Dimension, dimension};
use ncg::onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};

/// Data types of ONNX.
pub const FLOAT: i32 = 1;
pub const INT: i32 = 7;
pub const BOOL: i32 = 9;

pub fn engines() -> Vec<&'static str> {
    match probe(None) {
        Ok(_) => vec!["native", "tagged", "onnxruntime"],
        Err(_) => vec!["native", "tagged"],
    }
}

/// A node; it is named by its operator and its first output.
pub fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    NodeProto {
        op_type: Some(operator.into()),
        name: Some(format!("{operator} {}", outputs[0])),
        input: names(inputs),
        output: names(outputs),
        ..Default::default()
    }
}

fn with(mut node: NodeProto, name: &str, attribute: AttributeProto) -> NodeProto {
    node.attribute.push(AttributeProto {
        name: Some(name.into()),
        ..attribute
    });
    node
}

pub fn with_graph(node: NodeProto, name: &str, graph: GraphProto) -> NodeProto {
    let g = Some(graph);
    with(
        node,
        name,
        AttributeProto {
            g,
            ..Default::default()
        },
    )
}

pub fn int(node: NodeProto, name: &str, value: i64) -> NodeProto {
    let i = Some(value);
    with(
        node,
        name,
        AttributeProto {
            i,
            ..Default::default()
        },
    )
}

pub fn ints(node: NodeProto, name: &str, values: &[i64]) -> NodeProto {
    let ints = values.to_vec();
    with(
        node,
        name,
        AttributeProto {
            ints,
            ..Default::default()
        },
    )
}

pub fn real(node: NodeProto, name: &str, value: f32) -> NodeProto {
    let f = Some(value);
    with(
        node,
        name,
        AttributeProto {
            f,
            ..Default::default()
        },
    )
}

pub fn word(node: NodeProto, name: &str, value: &str) -> NodeProto {
    let s = Some(value.as_bytes().to_vec());
    with(
        node,
        name,
        AttributeProto {
            s,
            ..Default::default()
        },
    )
}

pub fn words(node: NodeProto, name: &str, values: &[&str]) -> NodeProto {
    let strings = values
        .iter()
        .map(|value| value.as_bytes().to_vec())
        .collect();
    with(
        node,
        name,
        AttributeProto {
            strings,
            ..Default::default()
        },
    )
}

/// A list of whole numbers.
pub fn list(name: &str, values: &[i64]) -> NodeProto {
    ints(node("Constant", &[], &[name]), "value_ints", values)
}

fn scalar(name: &str, data_type: i32, raw: &[u8]) -> NodeProto {
    let tensor = TensorProto {
        data_type: Some(data_type),
        raw_data: Some(raw.to_vec()),
        ..Default::default()
    };
    let t = Some(tensor);
    with(
        node("Constant", &[], &[name]),
        "value",
        AttributeProto {
            t,
            ..Default::default()
        },
    )
}

pub fn number(name: &str, value: f32) -> NodeProto {
    scalar(name, FLOAT, &value.to_le_bytes())
}

pub fn whole(name: &str, value: i64) -> NodeProto {
    scalar(name, INT, &value.to_le_bytes())
}

pub fn truth(name: &str, value: bool) -> NodeProto {
    scalar(name, BOOL, &[u8::from(value)])
}

pub fn to_int(from: &str, to: &str) -> NodeProto {
    int(node("Cast", &[from], &[to]), "to", i64::from(INT))
}

fn typed(name: &str, data_type: i32, dim: Vec<Dimension>) -> ValueInfoProto {
    let tensor = type_proto::Tensor {
        elem_type: Some(data_type),
        shape: Some(TensorShapeProto { dim }),
    };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn dimension(value: dimension::Value) -> Dimension {
    Dimension {
        value: Some(value),
        ..Default::default()
    }
}

pub fn info(name: &str, data_type: i32, shape: &[i64]) -> ValueInfoProto {
    let sizes = shape.iter();
    let dims = sizes.map(|size| dimension(dimension::Value::DimValue(*size)));
    typed(name, data_type, dims.collect())
}

/// A tensor whose first dimension is that of the samples.
pub fn free_info(name: &str, data_type: i32, shape: &[i64]) -> ValueInfoProto {
    let sizes = shape.iter();
    let dims = sizes.map(|size| dimension(dimension::Value::DimValue(*size)));
    let free = dimension(dimension::Value::DimParam("N".into()));
    typed(name, data_type, std::iter::once(free).chain(dims).collect())
}

/// Of no declared shape.
fn open_info(name: &str) -> ValueInfoProto {
    let mut info = info(name, FLOAT, &[]);
    let ty = info.r#type.as_mut().unwrap().value.as_mut().unwrap();
    if let type_proto::Value::TensorType(tensor) = ty {
        tensor.shape = None;
    }
    info
}

pub fn graph(nodes: Vec<NodeProto>, outputs: &[&str]) -> GraphProto {
    GraphProto {
        node: nodes,
        output: outputs.iter().map(|name| open_info(name)).collect(),
        ..Default::default()
    }
}

pub fn model(nodes: Vec<NodeProto>, inputs: &[ValueInfoProto], outputs: &[&str]) -> ModelProto {
    let mut graph = graph(nodes, outputs);
    graph.input = inputs.to_vec();
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto {
            domain: None,
            version: Some(18),
        }],
        graph: Some(graph),
        ..Default::default()
    }
}

/// The outputs of one sample, and the derivatives of their sum by the inputs, on every engine.
pub fn on_engines(graph: &Graph, x: &[f64]) -> Vec<(Vec<f64>, Vec<f64>)> {
    let model = Arc::new(Model::from_graph(graph, None, &Options::new()).unwrap());
    let results = engines().into_iter().map(|engine| {
        let mut options = Options::new();
        options.set_str("engine", engine).unwrap();
        let (width, outputs) = (model.graph.inputs().len(), model.graph.outputs.len());
        assert_eq!(width, x.len());
        let mut session = Session::<f64>::new(model.clone(), &options).unwrap();
        let (mut y, mut dx) = (vec![0.0; outputs], vec![0.0; width]);
        let mut dp = vec![0.0; model.graph.parameters().len()];
        let into = Gradient {
            y: Some(&mut StridedMut::rows(&mut y, outputs)),
            dx: Some(&mut StridedMut::rows(&mut dx, width)),
            dp: Some(&mut dp),
        };
        let seeds = vec![1.0; outputs];
        let seeds = Strided::rows(&seeds, outputs);
        session
            .gradient(1, &Strided::rows(x, width), None, Some(&seeds), into, None)
            .unwrap();
        (y, dx)
    });
    results.collect()
}

/// The outputs of all samples on the native engine.
pub fn first_engine(model: Model, x: &[Vec<f64>]) -> Vec<f64> {
    let mut options = Options::new();
    options.set_str("engine", "native").unwrap();
    let (width, outputs) = (model.graph.inputs().len(), model.graph.outputs.len());
    let mut session = Session::<f64>::new(Arc::new(model), &options).unwrap();
    let mut y = vec![0.0; x.len() * outputs];
    let x = x.concat();
    session
        .eval(
            x.len() / width,
            &Strided::rows(&x, width),
            None,
            &mut StridedMut::rows(&mut y, outputs),
            None,
        )
        .unwrap();
    y
}
