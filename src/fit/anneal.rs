//! Fits of thresholds: comparisons are smoothed, and the temperature is lowered step by step.

use std::sync::Arc;

use super::job::{Job, State};
use super::subject::Subject;
use super::{Monitor, Stop};
use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{PortKind, TEMPERATURE, smooth};
use crate::options::Options;
use crate::session::Session;

/// What the temperature is multiplied by from one fit to the next.
const COOLING: f64 = 0.4;
/// How many fits there are.
const STEPS: i32 = 14;

/// The model at a temperature.
fn at(model: &Model, temperature: f64) -> Model {
    let mut model = model.clone();
    if let Some(port) = model.graph.ports.last_mut() {
        port.kind = PortKind::Parameter {
            initial: temperature,
            lower: 0.0,
            upper: f64::INFINITY,
        };
    }
    model
}

/// Fits the smoothed model at falling temperatures, each from the end of the one before, and returns the values at each end;
/// and whether it was asked to stop.
///
/// # Errors
/// `Argument` where no comparison hangs on a parameter, `Unsupported` for a model that is not numeric.
pub(super) fn anneal(
    job: &mut Job,
    options: &Options,
    first: f64,
    monitor: &mut Monitor,
) -> Result<(Vec<Vec<f64>>, bool)> {
    job.subject.model.check_numeric("smoothing")?;
    if job
        .subject
        .model
        .graph
        .ports
        .iter()
        .any(|port| &*port.name == TEMPERATURE)
    {
        let message = format!(
            "\"{TEMPERATURE}\" is the name of what smoothing adds; give the parameter another"
        );
        return Err(Error::new(ErrorKind::Argument, message));
    }
    let Some(graph) = smooth(&job.subject.model.graph, first)? else {
        let message = "smoothing: no comparison that decides between values hangs on a parameter";
        return Err(Error::new(ErrorKind::Argument, message));
    };
    let smoothed = Model {
        source: None,
        graph,
        general: None,
        refusal: None,
        fit: None,
    };
    let mut session = Session::<f64>::new(Arc::new(smoothed.clone()), options)?;
    let mut moving = job.subject.moving.to_vec();
    let mut ends: Vec<Vec<f64>> = Vec::new();
    let mut stopped = false;
    for step in 0..STEPS {
        let model = at(&smoothed, first * COOLING.powi(step));
        let mut stage = Job {
            subject: Subject {
                model: &model,
                moving: &moving,
                ..job.subject
            },
            plan: job.plan,
            began: job.began,
            mapping: &mut *job.mapping,
            sharing: None,
        };
        // only the first fit begins at many starts
        let start: Vec<f64> = moving.iter().map(|free| free.initial).collect();
        let mut state = match step {
            0 => State::New,
            _ => stage.begin(&stage.mapping.coordinates(&start)),
        };
        let found = match stage.run(&mut session, &mut monitor.lend(), &mut state) {
            Ok(found) => found,
            // a step too far: what the warmer fits found still counts
            Err(error) if error.kind == ErrorKind::Numeric && step > 0 => break,
            Err(error) => return Err(error),
        };
        for (free, value) in moving.iter_mut().zip(&found.outcome.params) {
            free.initial = *value;
        }
        ends.push(found.outcome.params);
        if matches!(found.outcome.stop, Stop::Stopped | Stop::MaxTime) {
            stopped = found.outcome.stop == Stop::Stopped;
            break;
        }
    }
    Ok((ends, stopped))
}
