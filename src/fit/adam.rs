//! Adam (Kingma and Ba 2015) on a scalar loss, kept within box bounds by projection.

use super::{
    Bounds, Monitor, Objective, Outcome, Progress, Schedule, Settings, Stop, seconds_since,
};
use crate::onnx::adam::{self as constants, BETA1, BETA2, EPSILON, PATIENCE, SMALLEST_RATE};
use crate::{Error, ErrorKind, Result};
use std::time::Instant;

/// Iterations allowed when the settings name no limit.
pub const MAX_ITERATIONS: u64 = constants::MAX_ITERATIONS;

/// What an exponential schedule leaves of the rate at its end.
const LAST_RATE: f64 = 1e-3;

/// How far a fit has come: everything that [`minimize`] needs to go on with the same bits.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The current parameters, not always the best.
    pub params: Vec<f64>,
    /// Running mean of the gradient.
    pub mean: Vec<f64>,
    /// Running mean of the squared gradient.
    pub square: Vec<f64>,
    /// Steps since the means were last zero.
    pub steps: u64,
    /// Iterations over all runs.
    pub iterations: u64,
    /// What the learning rate is multiplied by.
    pub rate: f64,
    /// Iterations since the last best.
    pub waiting: u64,
    /// The best parameters so far; empty before the first evaluation.
    pub best: Vec<f64>,
    /// The loss at `best`.
    pub best_loss: f64,
    /// Whether the current parameters have been weighed against the best already.
    pub counted: bool,
    /// The best loss when `ftol` last looked.
    pub window_loss: f64,
}

impl State {
    /// A fit that has not begun.
    pub fn new(start: &[f64]) -> State {
        State {
            params: start.to_vec(),
            mean: vec![0.0; start.len()],
            square: vec![0.0; start.len()],
            steps: 0,
            iterations: 0,
            rate: 1.0,
            waiting: 0,
            best: Vec::new(),
            best_loss: f64::INFINITY,
            counted: false,
            window_loss: f64::INFINITY,
        }
    }
}

/// Minimises `objective` from `start`. See [`minimize`].
pub fn fit(
    objective: &mut dyn Objective,
    start: &[f64],
    bounds: &Bounds,
    settings: &Settings,
    monitor: &mut Monitor,
) -> Result<Outcome> {
    minimize(objective, bounds, settings, monitor, &mut State::new(start))
}

/// Minimises `objective`, going on from `state`.
///
/// The rate is halved when fifty iterations bring no new best, and the fit goes on from the best; so it ends at an optimum (`Step`, the
/// rate being spent) where plain Adam would circle it. A loss or gradient that is not finite also sends it back to the best
/// at half the rate. `ftol` ends it (`Loss`) when fifty iterations lower the loss by less than that fraction.
///
/// Errors: `Argument` for bounds, settings or sizes that do not fit; `Numeric` when the loss or its gradient is not finite where the
/// fit begins; and whatever the objective returns.
pub fn minimize(
    objective: &mut dyn Objective,
    bounds: &Bounds,
    settings: &Settings,
    monitor: &mut Monitor,
    state: &mut State,
) -> Result<Outcome> {
    let began = Instant::now();
    let n = objective.parameter_count();
    settings.check()?;
    if state.params.len() != n || state.mean.len() != n || state.square.len() != n {
        let given = state.params.len();
        let message = format!("{given} initial values for {n} parameters");
        return Err(Error::new(ErrorKind::Argument, message));
    }
    bounds.check(&state.params)?;
    let first_iteration = state.iterations;
    let mut gradient = vec![0.0; n];
    let mut evaluations = 0;
    let mut norm;
    let stop = loop {
        let loss = objective.evaluate(&state.params, &mut gradient)?;
        evaluations += 1;
        let finite = loss.is_finite() && gradient.iter().all(|g| g.is_finite());
        if state.best.is_empty() && !finite {
            return Err(bad_start(loss, &gradient));
        }
        if finite && (state.best.is_empty() || loss < state.best_loss) {
            state.best = state.params.clone();
            state.best_loss = loss;
            state.waiting = 0;
        } else if !state.counted {
            state.waiting += 1;
        }
        state.counted = false;
        norm = if finite {
            gradient_norm(&state.params, &gradient, loss, bounds)
        } else {
            f64::NAN
        };
        let progress = Progress {
            iteration: state.iterations,
            loss,
            gradient_norm: norm,
            seconds: seconds_since(began),
            params: &state.params,
            start: monitor.start,
        };
        if norm <= settings.gtol || (norm == 0.0 && loss <= state.best_loss) {
            break Stop::Gradient;
        }
        let spent = (state.iterations - first_iteration, evaluations);
        if let Some(stop) = monitor.check(settings, MAX_ITERATIONS, spent, &progress) {
            // a fit that goes on comes here again
            state.counted = true;
            break stop;
        }
        monitor.save(spent, || {
            super::job::State::Adam(State {
                counted: true,
                ..state.clone()
            })
        })?;
        state.iterations += 1;
        if settings.ftol > 0.0 && state.iterations.is_multiple_of(PATIENCE) {
            if state.window_loss - state.best_loss <= settings.ftol * state.best_loss.abs() {
                break Stop::Loss;
            }
            state.window_loss = state.best_loss;
        }
        if !finite || state.waiting >= PATIENCE {
            state.rate *= 0.5;
            if state.rate < SMALLEST_RATE {
                break Stop::Step;
            }
            state.params.copy_from_slice(&state.best);
            state.mean.fill(0.0);
            state.square.fill(0.0);
            state.steps = 0;
            state.waiting = 0;
            continue;
        }
        let rate = settings.learning_rate * scheduled(settings, state.iterations);
        let moved = step(state, &gradient, bounds, rate);
        if state.rate < 1.0 && moved <= settings.xtol {
            break Stop::Step;
        }
    };
    let loss = objective.evaluate(&state.best, &mut gradient)?;
    let held = (0..n)
        .map(|i| bounds.holds(i, state.best[i], gradient[i]))
        .collect();
    Ok(Outcome {
        params: state.best.clone(),
        loss,
        iterations: state.iterations - first_iteration,
        evaluations: evaluations + 1,
        seconds: seconds_since(began),
        stop,
        gradient_norm: gradient_norm(&state.best, &gradient, loss, bounds),
        held,
        triangle: None,
    })
}

/// What the schedule multiplies the rate by in an iteration. A schedule runs over the iterations that are allowed.
fn scheduled(settings: &Settings, iteration: u64) -> f64 {
    let all = settings.max_iterations.unwrap_or(MAX_ITERATIONS).max(1);
    let part = (iteration as f64 / all as f64).min(1.0);
    match settings.schedule {
        Schedule::Constant => 1.0,
        Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * part).cos()),
        Schedule::Exponential => LAST_RATE.powf(part),
    }
}

/// One step of Adam, clamped to the box; returns the largest relative change of a parameter.
fn step(state: &mut State, gradient: &[f64], bounds: &Bounds, learning_rate: f64) -> f64 {
    state.steps += 1;
    let exponent = state.steps.min(i32::MAX as u64) as i32;
    let (bias1, bias2) = (1.0 - BETA1.powi(exponent), 1.0 - BETA2.powi(exponent));
    let rate = learning_rate * state.rate;
    let mut moved = 0.0_f64;
    for (i, &g) in gradient.iter().enumerate() {
        let p = state.params[i];
        // A parameter held by its bound carries no momentum into the wall.
        let g = if bounds.holds(i, p, g) { 0.0 } else { g };
        state.mean[i] = BETA1 * state.mean[i] + (1.0 - BETA1) * g;
        state.square[i] = BETA2 * state.square[i] + (1.0 - BETA2) * g * g;
        let direction = (state.mean[i] / bias1) / ((state.square[i] / bias2).sqrt() + EPSILON);
        let next = (p - rate * direction).clamp(bounds.lower[i], bounds.upper[i]);
        moved = moved.max((next - p).abs() / p.abs().max(f64::MIN_POSITIVE));
        state.params[i] = next;
    }
    moved
}

/// The largest entry of the projected gradient times the size of its parameter (at least one), over the size of the loss.
pub(super) fn gradient_norm(p: &[f64], gradient: &[f64], loss: f64, bounds: &Bounds) -> f64 {
    let entries = p.iter().zip(gradient).enumerate().map(|(i, (&p, &g))| {
        if bounds.holds(i, p, g) {
            0.0
        } else {
            g.abs() * p.abs().max(1.0)
        }
    });
    let largest = entries.fold(0.0, f64::max);
    if largest == 0.0 {
        0.0
    } else {
        largest / loss.abs().max(f64::MIN_POSITIVE)
    }
}

pub(super) fn bad_start(loss: f64, gradient: &[f64]) -> Error {
    let message = match gradient.iter().position(|g| !g.is_finite()) {
        _ if !loss.is_finite() => format!("the loss is {loss} at the initial values"),
        Some(i) => {
            let value = gradient[i];
            format!("the derivative of the loss by parameter {i} is {value} at the initial values")
        }
        None => "the loss is not finite at the initial values".to_string(),
    };
    Error::new(ErrorKind::Numeric, message)
}
