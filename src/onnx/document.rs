//! Models as `.onnx` files.

use super::export::{export_about, export_population};
use super::foreign::Settings;
use super::form::{Element, MAX_STEPS, Parameters};
use super::import::import_with;
use super::metadata::About;
use super::training::export_training;
use super::whole_fit::{FitDefaults, export_fit};
use crate::compile::{Model, settle_ports};
use crate::error::{Error, ErrorKind, Result};
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
    let max_steps = options.int("max_steps").unsigned_abs();
    let about = About {
        source: model.source.clone(),
        fit: model.fit.clone(),
        max_steps: (max_steps != MAX_STEPS).then_some(max_steps),
    };
    let all: Vec<usize> = (0..graph.ports.len()).collect();
    let population = options.str("population") == "true";
    if options.str("gradient") == "fit" {
        let parameters = match population {
            true => Parameters::Population,
            false => Parameters::One,
        };
        let defaults = FitDefaults {
            epochs: options.int("max_iterations").unsigned_abs(),
            learning_rate: options.real("learning_rate"),
            gtol: options.real("gtol"),
            xtol: options.real("xtol"),
        };
        return export_fit(graph, element, parameters, &defaults, max_steps);
    }
    if population {
        let derived = match options.str("gradient") {
            "training" => {
                let message = "a training file has one set of parameters; population goes with the gradients none, loss, vjp, jacobian and fit";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            "loss" => grad::training(graph, &graph.parameters()),
            "vjp" => grad::vjp(graph, &all),
            "jacobian" => grad::jacobian(graph, &all),
            _ => graph.clone(),
        };
        // targets are those of all members, seeds are not
        let shared = match options.str("gradient") {
            "vjp" => graph.ports.len(),
            _ => derived.ports.len(),
        };
        return export_population(&derived, shared, element, max_steps);
    }
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
    let about = About {
        max_steps: about.max_steps,
        ..About::default()
    };
    export_about(&derived, element, &about)
}
