//! What files hold that are made of a model: its values, a derivative, a population, a whole fit. Each of them loads back as
//! the model: its graph stands in the metadata, and counts only if it gives the very nodes of the file again.

use std::collections::HashSet;

use super::export::{model_of, population_graph};
use super::form::{Element, MAX_STEPS, Parameters};
use super::metadata::{About, Metadata};
use super::operators::{bad, scalar, unsupported};
use super::proto::{GraphProto, TensorProto};
use super::whole_fit::{FitDefaults, fit_graph};
use crate::error::{Error, ErrorKind, Result};
use crate::grad;
use crate::graph::{Graph, PortKind, parse, verify_numeric};

/// What a file computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derivative {
    /// The values.
    Values,
    /// The mean squared error against targets, and its gradient by the parameters.
    Loss,
    /// Values and vector–Jacobian product by parameters and inputs.
    Vjp,
    /// Values and Jacobian by parameters and inputs.
    Jacobian,
    /// A whole fit by Adam.
    Fit,
}

impl Derivative {
    /// The one of a word of the option `gradient`.
    pub(super) fn named(word: &str) -> Option<Derivative> {
        let all = [
            Derivative::Values,
            Derivative::Loss,
            Derivative::Vjp,
            Derivative::Jacobian,
            Derivative::Fit,
        ];
        all.into_iter().find(|kind| kind.name() == word)
    }

    /// Its word.
    pub(super) fn name(self) -> &'static str {
        match self {
            Derivative::Values => "none",
            Derivative::Loss => "loss",
            Derivative::Vjp => "vjp",
            Derivative::Jacobian => "jacobian",
            Derivative::Fit => "fit",
        }
    }
}

/// What kind of file it is: not that of the values of one set of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub derivative: Derivative,
    pub parameters: Parameters,
}

/// The graph of such a file of a model.
pub(super) fn graph_of(
    model: &Graph,
    element: Element,
    made: Made,
    defaults: &FitDefaults,
    max_steps: u64,
) -> Result<GraphProto> {
    let all: Vec<usize> = (0..model.ports.len()).collect();
    let derived = match made.derivative {
        Derivative::Fit => {
            return fit_graph(model, element, made.parameters, defaults, max_steps);
        }
        Derivative::Values => model.clone(),
        Derivative::Loss => grad::training(model, &model.parameters()),
        Derivative::Vjp => grad::vjp(model, &all),
        Derivative::Jacobian => grad::jacobian(model, &all),
    };
    if made.parameters == Parameters::Population {
        // targets are those of all members, seeds are not
        let shared = match made.derivative {
            Derivative::Vjp => model.ports.len(),
            _ => derived.ports.len(),
        };
        return population_graph(&derived, shared, element, max_steps);
    }
    let about = About {
        max_steps: (max_steps != MAX_STEPS).then_some(max_steps),
        ..About::default()
    };
    let file = model_of(&derived, element, &about)?;
    file.graph.ok_or_else(|| bad("it has no graph"))
}

/// Most nodes of a model times its numbers, which is the work of its Jacobian, where a file asks for it.
const MOST_WORK: usize = 50_000_000;

/// The model that such a file was made from, with the values of parameters that the file has.
///
/// # Errors
/// `Format` for metadata without a graph; `Unsupported` where they do not give the nodes of the file, as after another tool
/// has changed them.
pub(super) fn model_of_file(metadata: &Metadata, made: Made, file: &GraphProto) -> Result<Graph> {
    let broken = |error: Error| bad(&format!("its metadata hold no graph: {}", error.message));
    let mut model = parse(&metadata.graph).map_err(broken)?;
    verify_numeric(&model).map_err(broken)?;
    let changed = || {
        unsupported(
            "its graph is not what its metadata say it was made from: it has been changed since, and the model cannot be told from it; export the model anew",
        )
    };
    let numbers = match made.derivative {
        Derivative::Jacobian => model.outputs.len().saturating_mul(model.ports.len() + 1),
        _ => 1,
    };
    if numbers > file.output.len().max(1) {
        return Err(changed());
    }
    if model.nodes.len().saturating_mul(model.outputs.len().max(1)) > MOST_WORK {
        let message = "the model of an ONNX file is too large to be made anew from its metadata";
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let max_steps = metadata.about.max_steps.unwrap_or(MAX_STEPS);
    // the settings of a fit are initial values of inputs, which may be others
    let none = FitDefaults {
        epochs: 0,
        learning_rate: 0.0,
        gtol: 0.0,
        xtol: 0.0,
    };
    let again = graph_of(&model, metadata.element, made, &none, max_steps)?;
    if !same_nodes(&again, file) {
        return Err(changed());
    }
    // the ports of the model are the first inputs
    for (port, info) in model.ports.iter_mut().zip(&again.input) {
        let PortKind::Parameter { initial, .. } = &mut port.kind else {
            continue;
        };
        let named = |tensor: &&TensorProto| tensor.name() == info.name();
        let Some(tensor) = file.initializer.iter().find(named) else {
            continue;
        };
        let one = TensorProto {
            dims: match tensor.dims.iter().all(|dim| *dim == 1) {
                true => vec![],
                false => tensor.dims.clone(),
            },
            ..tensor.clone()
        };
        let value = scalar(&one, metadata.element)?.0.as_real();
        let value = value.ok_or_else(|| bad("an initial value that is no number"))?;
        // another tool may have put a fitted value in its place
        if metadata.element.nearest(*initial).to_bits() != value.to_bits() {
            *initial = value;
        }
    }
    Ok(model)
}

/// Whether two graphs are the same but for the initial values of their inputs.
fn same_nodes(a: &GraphProto, b: &GraphProto) -> bool {
    let inputs: HashSet<&str> = a.input.iter().map(|info| info.name()).collect();
    let constants = |graph: &'_ GraphProto| -> Vec<TensorProto> {
        let all = graph.initializer.iter();
        let constants = all.filter(|tensor| !inputs.contains(tensor.name()));
        constants.cloned().collect()
    };
    let bare = |graph: &GraphProto| GraphProto {
        initializer: constants(graph),
        ..graph.clone()
    };
    let names = |graph: &GraphProto| -> HashSet<String> {
        let all = graph.initializer.iter();
        all.map(|tensor| tensor.name().to_string()).collect()
    };
    bare(a) == bare(b) && names(a) == names(b)
}
