//! ONNX models: the protobuf types, numeric graphs as models and back.

/// The messages of `onnx.proto`, as prost writes them. `tests/onnx_proto.rs` keeps the two files together.
#[allow(missing_docs, clippy::all)]
#[rustfmt::skip]
pub mod proto;

mod decode;

mod metadata;

pub(crate) mod form;

mod export;

mod training;

mod import;

pub(crate) use export::export_form;

pub use decode::{DecodeLimits, decode, decode_within};
pub use export::export;
pub use form::Element;
pub use import::{Imported, import};
pub use training::{export_training, training_step};

use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::grad;
use crate::graph::{Graph, verify_numeric};
use crate::options::Options;

/// Reads a model from the bytes of an ONNX file. The option `params` names inputs that become parameters.
pub fn read(bytes: &[u8], options: &Options) -> Result<Model> {
    let imported = import(bytes)?;
    Model::from_graph(&imported.graph, None, options)
}

/// Writes a model as an ONNX file. Options: `dtype`; `gradient` is `none`, `training` for one file that infers and trains,
/// or `loss`, `vjp` or `jacobian` for that graph alone, by the parameters (of `vjp` by the inputs too).
pub fn write(model: &Model, options: &Options) -> Result<Vec<u8>> {
    let element = match options.str("dtype") {
        "f32" => Element::F32,
        _ => Element::F64,
    };
    let graph = &model.graph;
    let parameters = graph.parameters();
    let write = |graph: &Graph| {
        verify_numeric(graph)?;
        export(graph, element)
    };
    let gradient = options.str("gradient");
    if parameters.is_empty() && !matches!(gradient, "none" | "vjp") {
        let message = format!(
            "the model has no parameter to differentiate by, so there is no {gradient} graph"
        );
        return Err(Error::new(ErrorKind::Argument, message));
    }
    match gradient {
        "training" => export_training(graph, &parameters, element),
        "loss" => write(&grad::training(graph, &parameters)),
        "vjp" => write(&grad::vjp(graph, &[graph.inputs(), parameters].concat())),
        "jacobian" => write(&grad::jacobian(graph, &parameters)),
        _ => write(graph),
    }
}
