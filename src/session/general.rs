//! Models whose structure hangs on data: on the tagged engine as they are, or by paths.

use std::borrow::Cow;

use super::{Derivatives, Element};
use crate::compile::Model;
use crate::engine::{paths, tagged};
use crate::error::Result;
use crate::grad;
use crate::graph::{Graph, Value};

/// The graph that the tagged engine runs: the program as it was written, where its value is one number.
fn literal(model: &Model) -> Cow<'_, Graph> {
    match model.graph.value {
        Value::Output(0) => Cow::Owned(Graph {
            ports: model.graph.ports.clone(),
            ..model.literal().clone()
        }),
        _ => Cow::Borrowed(&model.graph),
    }
}

/// A model on the tagged engine.
pub fn tagged<T: Element>(
    model: &Model,
    derivatives: &Derivatives,
    limits: tagged::Limits,
) -> Result<tagged::Tagged<T>> {
    let graph = literal(model);
    match derivatives {
        Derivatives::None => tagged::prepare::<T>(&graph, limits),
        Derivatives::Vjp(wrt) => tagged::prepare_vjp(&graph, wrt, limits),
        Derivatives::Jacobian(wrt) => tagged::prepare_jacobian(&graph, wrt, limits),
    }
}

/// A model whose structure hangs on data as paths, each of which `prepare` makes a program of.
pub fn paths<T: Element>(
    model: &Model,
    derivatives: &Derivatives,
    limits: tagged::Limits,
    prepare: paths::Prepare<T>,
) -> Result<paths::Paths<T>> {
    let graph = literal(model);
    let derive: paths::Derive = match derivatives {
        Derivatives::None => Box::new(Graph::clone),
        Derivatives::Vjp(wrt) => {
            let wrt = wrt.clone();
            Box::new(move |graph: &Graph| grad::vjp(graph, &wrt))
        }
        Derivatives::Jacobian(wrt) => {
            let wrt = wrt.clone();
            Box::new(move |graph: &Graph| grad::jacobian(graph, &wrt))
        }
    };
    let parameters: Vec<bool> = graph.ports.iter().map(|port| port.is_parameter()).collect();
    let values = graph.outputs.len();
    let mut summed = vec![false; values];
    match derivatives {
        Derivatives::None => {}
        Derivatives::Vjp(wrt) => summed.extend(wrt.iter().map(|port| parameters[*port])),
        Derivatives::Jacobian(wrt) => summed.resize(values + values * wrt.len(), false),
    }
    Ok(paths::Paths::new(
        tagged::Tracer::new(&graph, limits)?,
        tagged(model, derivatives, limits)?,
        prepare,
        derive,
        parameters,
        summed,
        limits.paths,
    ))
}
