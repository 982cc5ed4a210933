//! Models as `.onnx` files.

use prost::Message;

use super::export::{export_about, model as file_of};
use super::foreign::Settings;
use super::form::{Element, MAX_STEPS, Parameters};
use super::import::import_with;
use super::kinds::{Derivative, Made, graph_of};
use super::metadata::{About, write_made};
use super::training::export_training;
use super::whole_fit::FitDefaults;
use crate::compile::{Model, settle_ports};
use crate::error::{Error, ErrorKind, Result};
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
/// training file and of `loss` are by the parameters, those of `vjp` and `jacobian` by parameters and inputs. Each of these
/// files loads back as the model.
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
    let max_steps = options.int("max_steps").unsigned_abs();
    let about = About {
        source: model.source.clone(),
        fit: model.fit.clone(),
        max_steps: (max_steps != MAX_STEPS).then_some(max_steps),
    };
    let word = options.str("gradient");
    let population = options.str("population") == "true";
    let Some(derivative) = Derivative::named(word) else {
        if population {
            let message = "a training file has one set of parameters; population goes with the gradients none, loss, vjp, jacobian and fit";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let rate = options.real("learning_rate");
        return export_training(graph, &graph.parameters(), element, rate, &about);
    };
    if derivative == Derivative::Values && !population {
        return export_about(graph, element, &about);
    }
    let made = Made {
        derivative,
        parameters: match population {
            true => Parameters::Population,
            false => Parameters::One,
        },
    };
    let defaults = FitDefaults {
        epochs: options.int("max_iterations").unsigned_abs(),
        learning_rate: options.real("learning_rate"),
        gtol: options.real("gtol"),
        xtol: options.real("xtol"),
    };
    let file = graph_of(graph, element, made, &defaults, max_steps)?;
    let metadata = write_made(&about, element, &graph.to_string(), made);
    Ok(file_of(file, metadata).encode_to_vec())
}
