//! L-BFGS (Nocedal 1980) on a scalar loss, kept within box bounds by projection.
//!
//! Parameters are counted in units of their size at the start. Those that a bound holds against the gradient are left out of a
//! step; a step is cut at the bounds (Bertsekas 1982). The line search asks for the weak conditions of Wolfe by bisection (Lewis
//! and Overton 2013); where rounding hides the change of the loss, the slope decides (Hager and Zhang 2005).

use super::adam::{bad_start, gradient_norm};
use super::linalg::{dot, norm};
use super::{Bounds, Monitor, Objective, Outcome, Progress, Settings, Stop, seconds_since};
use crate::{Error, ErrorKind, Result};
use std::time::Instant;

/// Iterations allowed when the settings name no limit.
pub const MAX_ITERATIONS: u64 = 5_000;
/// How many pairs of steps and changes of the gradient are remembered.
const MEMORY: usize = 12;
/// The part of the promised decrease that a step must bring.
const DECREASE: f64 = 1e-4;
/// The part of the slope that may be left at the end of a step.
const SLOPE: f64 = 0.9;
/// Most evaluations of one line search.
const MAX_TRIALS: usize = 40;

/// How far a fit has come: everything that [`minimize`] needs to go on with the same bits.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The current parameters: the best so far.
    pub params: Vec<f64>,
    /// The unit of each parameter.
    pub unit: Vec<f64>,
    /// The remembered steps and changes of the gradient, in these units, the latest last.
    pub memory: Vec<(Vec<f64>, Vec<f64>)>,
    /// Iterations over all runs.
    pub iterations: u64,
}

impl State {
    /// A fit that has not begun.
    pub fn new(start: &[f64]) -> State {
        let unit = |p: &f64| match p.abs() {
            size if size > 0.0 && size.is_finite() => size,
            _ => 1.0,
        };
        State {
            params: start.to_vec(),
            unit: start.iter().map(unit).collect(),
            memory: Vec::new(),
            iterations: 0,
        }
    }
}

/// Where a line search ended.
struct Point {
    params: Vec<f64>,
    gradient: Vec<f64>,
    loss: f64,
}

/// Minimises `objective`, going on from `state`.
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
    if state.params.len() != n || state.unit.len() != n {
        let given = state.params.len();
        let message = format!("{given} initial values for {n} parameters");
        return Err(Error::new(ErrorKind::Argument, message));
    }
    bounds.check(&state.params)?;
    let first_iteration = state.iterations;
    let mut gradient = vec![0.0; n];
    let loss = objective.evaluate(&state.params, &mut gradient)?;
    if !(loss.is_finite() && gradient.iter().all(|g| g.is_finite())) {
        return Err(bad_start(loss, &gradient));
    }
    let mut at = Point {
        params: state.params.clone(),
        gradient,
        loss,
    };
    let mut evaluations = 1;
    let stop = loop {
        let size = gradient_norm(&at.params, &at.gradient, at.loss, bounds);
        let progress = Progress {
            iteration: state.iterations,
            loss: at.loss,
            gradient_norm: size,
            seconds: seconds_since(began),
            params: &at.params,
            start: monitor.start,
        };
        if size <= settings.gtol {
            break Stop::Gradient;
        }
        let spent = (state.iterations - first_iteration, evaluations);
        if let Some(stop) = monitor.check(settings, MAX_ITERATIONS, spent, &progress) {
            break stop;
        }
        monitor.save(spent, || super::job::State::Lbfgs(state.clone()))?;
        state.iterations += 1;
        let direction = direction(state, &at, bounds);
        let found = search(objective, bounds, state, &at, &direction, &mut evaluations)?;
        let Some(next) = found else {
            if state.memory.is_empty() {
                break Stop::Loss;
            }
            // what is remembered may be spoilt: once more along the gradient
            state.memory.clear();
            continue;
        };
        let moved = at.params.iter().zip(&next.params);
        let moved = moved.map(|(p, q)| (q - p).abs() / p.abs().max(f64::MIN_POSITIVE));
        let moved = moved.fold(0.0, f64::max);
        let fall = at.loss - next.loss;
        remember(state, &at, &next);
        at = next;
        state.params.copy_from_slice(&at.params);
        if moved <= settings.xtol {
            break Stop::Step;
        }
        if settings.ftol > 0.0 && fall.abs() <= settings.ftol * at.loss.abs() {
            break Stop::Loss;
        }
    };
    let held = (0..n).map(|i| bounds.holds(i, at.params[i], at.gradient[i]));
    Ok(Outcome {
        held: held.collect(),
        gradient_norm: gradient_norm(&at.params, &at.gradient, at.loss, bounds),
        loss: at.loss,
        params: at.params,
        iterations: state.iterations - first_iteration,
        evaluations,
        seconds: seconds_since(began),
        stop,
        triangle: None,
    })
}

/// The direction of the next step, in units of the parameters: that of Newton as far as it is remembered.
fn direction(state: &mut State, at: &Point, bounds: &Bounds) -> Vec<f64> {
    let n = at.params.len();
    let held: Vec<bool> = (0..n)
        .map(|i| bounds.holds(i, at.params[i], at.gradient[i]))
        .collect();
    let free = |values: &[f64]| -> Vec<f64> {
        let pairs = values.iter().zip(&held);
        pairs
            .map(|(x, held)| if *held { 0.0 } else { *x })
            .collect()
    };
    let gradient: Vec<f64> = at
        .gradient
        .iter()
        .zip(&state.unit)
        .map(|(g, u)| g * u)
        .collect();
    let gradient = free(&gradient);
    let pairs: Vec<(Vec<f64>, Vec<f64>, f64)> = state
        .memory
        .iter()
        .map(|(s, y)| (free(s), free(y)))
        .map(|(s, y)| {
            let inner = dot(&s, &y);
            (s, y, inner)
        })
        .filter(|(s, y, inner)| *inner > 1e-12 * norm(s) * norm(y))
        .collect();
    let mut d: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut factors = Vec::with_capacity(pairs.len());
    for (s, y, inner) in pairs.iter().rev() {
        let factor = dot(s, &d) / inner;
        d.iter_mut().zip(y).for_each(|(d, y)| *d -= factor * y);
        factors.push(factor);
    }
    let scale = match pairs.last() {
        Some((_, y, inner)) => inner / dot(y, y),
        // a first step of a tenth of the parameters
        None => 0.1 / norm(&gradient),
    };
    d.iter_mut().for_each(|d| *d *= scale);
    for ((s, y, inner), factor) in pairs.iter().zip(factors.iter().rev()) {
        let back = dot(y, &d) / inner;
        d.iter_mut()
            .zip(s)
            .for_each(|(d, s)| *d += (factor - back) * s);
    }
    let descends = dot(&d, &gradient) < 0.0 && d.iter().all(|d| d.is_finite());
    if descends {
        return d;
    }
    state.memory.clear();
    let scale = 0.1 / norm(&gradient);
    gradient.iter().map(|g| -scale * g).collect()
}

/// Looks along `direction` for a point that satisfies the conditions of Wolfe; `None` where nothing lowers the loss.
fn search(
    objective: &mut dyn Objective,
    bounds: &Bounds,
    state: &State,
    at: &Point,
    direction: &[f64],
    evaluations: &mut u64,
) -> Result<Option<Point>> {
    let n = at.params.len();
    let step: Vec<f64> = direction
        .iter()
        .zip(&state.unit)
        .map(|(d, u)| d * u)
        .collect();
    let along = |gradient: &[f64]| dot(gradient, &step);
    let slope = along(&at.gradient);
    let rounding = 4.0 * f64::EPSILON * at.loss.abs();
    let (mut low, mut high, mut length) = (0.0, f64::INFINITY, 1.0);
    let mut best: Option<Point> = None;
    for _ in 0..MAX_TRIALS {
        let mut cut = false;
        let target = |i: usize| at.params[i] + length * step[i];
        let params: Vec<f64> = (0..n)
            .map(|i| target(i).clamp(bounds.lower[i], bounds.upper[i]))
            .collect();
        cut |= (0..n).any(|i| params[i] != target(i));
        if params == at.params {
            break;
        }
        let mut gradient = vec![0.0; n];
        let loss = objective.evaluate(&params, &mut gradient)?;
        *evaluations += 1;
        let finite = loss.is_finite() && gradient.iter().all(|g| g.is_finite());
        let moved: Vec<f64> = params.iter().zip(&at.params).map(|(q, p)| q - p).collect();
        let promised = dot(&at.gradient, &moved);
        let lower = finite && loss <= at.loss + DECREASE * promised && loss < at.loss;
        let end = along(&gradient);
        let hidden = finite
            && (loss - at.loss).abs() <= rounding
            && end <= (2.0 * DECREASE - 1.0) * slope
            && end.abs() <= SLOPE * slope.abs();
        if !(lower || hidden) {
            high = length;
        } else {
            let flat = cut || end >= SLOPE * slope;
            best = Some(Point {
                params,
                gradient,
                loss,
            });
            if flat {
                break;
            }
            low = length;
        }
        length = match high.is_finite() {
            true => 0.5 * (low + high),
            false => 2.0 * low,
        };
        if best.is_some() && high - low <= 1e-3 * high {
            break;
        }
    }
    Ok(best)
}

/// Adds the last step to the memory, where the loss curves upwards along it.
fn remember(state: &mut State, from: &Point, to: &Point) {
    let units = || state.unit.iter();
    let ends = from.params.iter().zip(&to.params).zip(units());
    let s: Vec<f64> = ends.map(|((p, q), u)| (q - p) / u).collect();
    let ends = from.gradient.iter().zip(&to.gradient).zip(units());
    let y: Vec<f64> = ends.map(|((g, h), u)| (h - g) * u).collect();
    if dot(&s, &y) > 1e-12 * norm(&s) * norm(&y) {
        if state.memory.len() == MEMORY {
            state.memory.remove(0);
        }
        state.memory.push((s, y));
    }
}
