//! Models as `.onnx` files.

use super::export::export_about;
use super::foreign::Settings;
use super::form::Element;
use super::import::import_with;
use super::metadata::About;
use super::training::export_training;
use crate::compile::{Model, settle_ports};
use crate::error::Result;
use crate::grad;
use crate::graph::simplify;
use crate::options::Options;

/// Reads a model from the bytes of an ONNX file.
///
/// # Errors
/// Those of [`import_with`], and names in the options that the model does not have.
pub fn read(bytes: &[u8], options: &Options) -> Result<Model> {
    let imported = import_with(bytes, &Settings::of(options))?;
    let mut graph = settle_ports(imported.graph, options)?;
    if !options.str("bind").is_empty() {
        graph = simplify(&graph);
    }
    Ok(Model {
        source: imported.about.source,
        graph,
        general: None,
        refusal: None,
        fit: imported.about.fit,
    })
}

/// The bytes of an ONNX file of a model, as the options `dtype`, `gradient` and `learning_rate` say. The derivatives of a
/// training file and of `loss` are by the parameters, those of `vjp` and `jacobian` by parameters and inputs.
///
/// # Errors
/// `Unsupported` for a model that is not numeric.
pub fn write(model: &Model, options: &Options) -> Result<Vec<u8>> {
    model.check_numeric("ONNX")?;
    let graph = &model.graph;
    let element = match options.str("dtype") {
        "f32" => Element::F32,
        _ => Element::F64,
    };
    let about = About {
        source: model.source.clone(),
        fit: model.fit.clone(),
    };
    let all: Vec<usize> = (0..graph.ports.len()).collect();
    let derived = match options.str("gradient") {
        "training" => {
            let rate = options.real("learning_rate");
            return export_training(graph, &graph.parameters(), element, rate, &about);
        }
        "loss" => grad::training(graph, &graph.parameters()),
        "vjp" => grad::vjp(graph, &all),
        "jacobian" => grad::jacobian(graph, &all),
        _ => return export_about(graph, element, &about),
    };
    // the source gives the model, not its derivative
    export_about(&derived, element, &About::default())
}
