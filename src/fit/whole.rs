//! Fits by Adam whose iterations are one call of ONNX Runtime: no word passes between host and device until some hundreds of
//! them are done.
//!
//! Between two calls a fit is looked at as one that evaluates each iteration would be there: flags, limits, the target and the
//! callback are seen to, and the state is saved. A look changes nothing in the state, and how the iterations are cut changes
//! no digit of them; so a fit that was stopped goes on with the same bits.

use std::time::Instant;

use super::adam::{self, State};
use super::mapping::{Mapped, Mapping, Space};
use super::objective::Total;
use super::problem::Problem;
use super::{Bounds, Monitor, Objective, Outcome, Schedule, Settings, Stop, job, seconds_since};
use crate::engine::ort::{TensorMut, TensorRef};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::PortKind;
use crate::onnx::adam::{MAX_ITERATIONS, PATIENCE};
use crate::onnx::{Parameters, STATES, export_epochs};
use crate::session::{Element, Parts};

/// Iterations of the first call.
const FIRST: u64 = PATIENCE;
/// Most iterations of a call.
const MOST: u64 = 2000;
/// How many seconds a call should last: so long a request to stop may wait.
const SECONDS: f64 = 0.2;

/// The states of several fits, as the graph has them.
struct States {
    members: usize,
    /// A row for each member.
    wide: [Vec<f64>; 4],
    narrow: [Vec<f64>; 5],
    active: Vec<bool>,
}

impl States {
    fn of(states: &[State]) -> States {
        let wide = |pick: &dyn Fn(&State) -> &[f64]| -> Vec<f64> {
            states.iter().flat_map(pick).copied().collect()
        };
        let narrow = |pick: &dyn Fn(&State) -> f64| states.iter().map(pick).collect();
        States {
            members: states.len(),
            wide: [
                wide(&|state| &state.params),
                wide(&|state| &state.mean),
                wide(&|state| &state.square),
                wide(&|state| match state.best.is_empty() {
                    true => &state.params,
                    false => &state.best,
                }),
            ],
            narrow: [
                narrow(&|state| state.best_loss),
                narrow(&|state| state.rate),
                // the graph counts each evaluation, also of what has been weighed against the best already
                narrow(&|state| state.waiting as f64 - f64::from(u8::from(state.counted))),
                narrow(&|state| state.steps as f64),
                narrow(&|state| state.iterations as f64),
            ],
            active: vec![true; states.len()],
        }
    }

    /// Puts a member back into its state; whether its fit goes on.
    fn put(&self, member: usize, state: &mut State) -> bool {
        let n = state.params.len();
        let wide = |place: usize| &self.wide[place][member * n..(member + 1) * n];
        let narrow = |place: usize| self.narrow[place][member];
        state.params.copy_from_slice(wide(0));
        state.mean.copy_from_slice(wide(1));
        state.square.copy_from_slice(wide(2));
        state.best_loss = narrow(0);
        state.best = match state.best_loss < f64::INFINITY {
            true => wide(3).to_vec(),
            false => Vec::new(),
        };
        state.rate = narrow(1);
        state.waiting = narrow(2) as u64;
        state.steps = narrow(3) as u64;
        state.iterations = narrow(4) as u64;
        state.counted = false;
        self.active[member]
    }
}

impl<T: Element> Problem<'_, T> {
    /// Whether fits by Adam with these settings can be calls of many iterations here.
    pub(super) fn fits_whole(&self, mapping: &Mapping, settings: &Settings) -> bool {
        let plain = settings.schedule == Schedule::Constant && settings.max_evaluations.is_none();
        let simple = mapping.is_trivial() && mapping.summary.is_none();
        let whole = self.whitening.is_none() && self.is_one_section() && T::NAME == "f64";
        let asked = self.session.fits_whole() && self.has_sums();
        // an iteration sees all samples at once
        plain && simple && whole && asked && self.is_one_chunk()
    }

    /// Does up to `epochs` iterations of all members.
    fn epochs(
        &mut self,
        states: &mut States,
        epochs: u64,
        bounds: &Bounds,
        settings: &Settings,
    ) -> Result<()> {
        self.keep()?;
        let population = states.members > 1;
        let word = format!(
            "epochs {population} {bounds:?} {:?} {:?}",
            self.measure(),
            self.wrt()
        );
        let parts = match self.session.has_machine(&word) {
            true => None,
            false => Some(self.epochs_parts(population, bounds)?),
        };
        let (m, n) = (states.members, self.free.len());
        let fixed = (0..self.p.len()).filter(|index| !self.free.contains(index));
        let fixed: Vec<Vec<f64>> = fixed.map(|index| vec![self.p[index].to_f64(); m]).collect();
        let (wide, narrow) = ([m as i64, n as i64], [m as i64, 1]);
        let trips = [i64::try_from(epochs).unwrap_or(i64::MAX)];
        let numbers = [settings.learning_rate, settings.gtol, settings.xtol];
        let mut inputs: Vec<TensorRef> = fixed
            .iter()
            .map(|values| TensorRef::new(&narrow, values))
            .collect();
        inputs.push(TensorRef::new(&[], &trips));
        inputs.extend(
            numbers
                .iter()
                .map(|x| TensorRef::new(&[], std::slice::from_ref(x))),
        );
        let before = (
            states.wide.clone(),
            states.narrow.clone(),
            states.active.clone(),
        );
        inputs.extend(before.0.iter().map(|values| TensorRef::new(&wide, values)));
        inputs.extend(
            before
                .1
                .iter()
                .map(|values| TensorRef::new(&narrow, values)),
        );
        inputs.push(TensorRef::new(&narrow, &before.2));
        let mut outputs: Vec<TensorMut> = Vec::new();
        for values in &mut states.wide {
            outputs.push(TensorMut::new(&wide, values));
        }
        for values in &mut states.narrow {
            outputs.push(TensorMut::new(&narrow, values));
        }
        outputs.push(TensorMut::new(&narrow, &mut states.active));
        self.session
            .run_kept(&word, parts, 0, &inputs, &mut outputs)
    }

    fn epochs_parts(&self, population: bool, bounds: &Bounds) -> Result<Parts> {
        let wrt = self.wrt();
        let mut graph = self.measure().summed(&self.session.model().graph, &wrt);
        for (i, port) in wrt.iter().enumerate() {
            graph.ports[*port].kind = PortKind::Parameter {
                initial: 0.0,
                lower: bounds.lower[i],
                upper: bounds.upper[i],
            };
        }
        let parameters = match population {
            true => Parameters::Population,
            false => Parameters::One,
        };
        let bytes = export_epochs(&graph, &wrt, parameters, self.session.max_steps())?;
        let (mut columns, mut inputs) = (0.., Vec::new());
        for (place, port) in graph.ports.iter().enumerate() {
            match port.is_parameter() {
                true if wrt.contains(&place) => {}
                true => inputs.push(None),
                false => inputs.push(columns.next()),
            }
        }
        // how many, three settings, and the state
        inputs.resize(inputs.len() + 4 + STATES, None);
        Ok((bytes, inputs))
    }

    /// Minimises from many starts at once, so many iterations each: an error is that of a start whose loss is not finite.
    pub(super) fn crowd_of_epochs(
        &mut self,
        starts: &[Vec<f64>],
        bounds: &Bounds,
        settings: &Settings,
        monitor: &Monitor,
    ) -> Result<Vec<Result<Outcome>>> {
        let began = Instant::now();
        for start in starts {
            bounds.check(start)?;
        }
        let mut all: Vec<State> = starts.iter().map(|start| State::new(start)).collect();
        let mut states = States::of(&all);
        let limit = settings.max_iterations.unwrap_or(MAX_ITERATIONS);
        // once more than there are steps: each iteration begins with the loss
        let (mut left, mut slice) = (limit.saturating_add(1), 1);
        while left > 0 && !monitor.cancelled() && states.active.contains(&true) {
            let (called, trips) = (Instant::now(), slice.min(left));
            self.epochs(&mut states, trips, bounds, settings)?;
            left -= trips;
            slice = next_slice(slice, seconds_since(called));
        }
        let seconds = seconds_since(began);
        let ends = all.iter_mut().enumerate().map(|(member, state)| {
            let goes_on = states.put(member, state);
            if state.best.is_empty() {
                let message = "the loss or its gradient is not finite at a start";
                return Err(Error::new(ErrorKind::Numeric, message));
            }
            Ok(Outcome {
                params: std::mem::take(&mut state.best),
                loss: state.best_loss,
                iterations: state.iterations.min(limit),
                evaluations: state.iterations.min(limit) + 1,
                seconds,
                stop: match goes_on {
                    true if left > 0 => Stop::Stopped,
                    true => Stop::MaxIterations,
                    false => Stop::Step,
                },
                gradient_norm: f64::NAN,
                held: vec![false; state.params.len()],
                triangle: None,
            })
        });
        Ok(ends.collect())
    }
}

/// How many iterations the next call does, after one of so many took so many seconds.
fn next_slice(slice: u64, seconds: f64) -> u64 {
    if seconds < 0.5 * SECONDS {
        (slice * 2).min(MOST)
    } else if seconds > 2.0 * SECONDS {
        (slice / 2).max(1)
    } else {
        slice
    }
}

/// [`adam::minimize`] in calls of many iterations.
pub(super) fn minimize<T: Element>(
    problem: &mut Problem<'_, T>,
    mapping: &mut Mapping,
    bounds: &Bounds,
    settings: &Settings,
    monitor: &mut Monitor,
    state: &mut State,
) -> Result<Outcome> {
    let began = Instant::now();
    settings.check()?;
    let n = problem.free.len();
    if state.params.len() != n || state.mean.len() != n || state.square.len() != n {
        let given = state.params.len();
        let message = format!("{given} initial values for {n} parameters");
        return Err(Error::new(ErrorKind::Argument, message));
    }
    bounds.check(&state.params)?;
    let first = state.iterations;
    let limit = settings.max_iterations.unwrap_or(MAX_ITERATIONS);
    let (mut slice, mut looks) = (FIRST, 0);
    loop {
        // what a fit that evaluates each iteration says of this place; of the states only this one goes on
        let mut here = state.clone();
        let done = state.iterations - first;
        let left = Settings {
            max_iterations: Some(0),
            max_seconds: (settings.max_seconds - seconds_since(began)).max(0.0),
            ..settings.clone()
        };
        let mut total = Total::new(problem);
        let mut total = Mapped::new(&mut total, mapping, Space::Coordinates);
        let looked = look(&mut total, bounds, &left, monitor, &mut here)?;
        looks += looked.evaluations;
        let stop = match looked.stop {
            Stop::MaxIterations if done < limit => {
                (seconds_since(began) >= settings.max_seconds).then_some(Stop::MaxTime)
            }
            stop => Some(stop),
        };
        if let Some(stop) = stop {
            if stop.converged() {
                *state = here;
            }
            return Ok(ended(looked, done, looks, began, stop));
        }
        monitor.save((done, done + looks), || job::State::Adam(state.clone()))?;
        let mut trips = slice.min(limit - done);
        let align = |trips: u64, every: u64| trips.min(every - state.iterations % every);
        if monitor.callback.is_some() {
            trips = align(trips, monitor.every.max(1));
        }
        if settings.ftol > 0.0 {
            trips = align(trips, PATIENCE);
        }
        let called = Instant::now();
        let mut states = States::of(std::slice::from_ref(state));
        problem.epochs(&mut states, trips, bounds, settings)?;
        let goes_on = states.put(0, state);
        slice = next_slice(slice, seconds_since(called));
        let stalled = settings.ftol > 0.0
            && state.iterations.is_multiple_of(PATIENCE)
            && state.window_loss - state.best_loss <= settings.ftol * state.best_loss.abs();
        if settings.ftol > 0.0 && state.iterations.is_multiple_of(PATIENCE) {
            state.window_loss = state.best_loss;
        }
        if !goes_on || stalled {
            // the end is at the best, where the fit stays
            state.params.copy_from_slice(&state.best);
            let mut total = Total::new(problem);
            let mut total = Mapped::new(&mut total, mapping, Space::Coordinates);
            let left = Settings {
                max_iterations: Some(0),
                ..settings.clone()
            };
            let done = state.iterations - first;
            let looked = look(&mut total, bounds, &left, &mut Monitor::default(), state)?;
            let stop = match looked.stop {
                Stop::Gradient => Stop::Gradient,
                _ if stalled => Stop::Loss,
                _ => Stop::Step,
            };
            looks += looked.evaluations;
            return Ok(ended(looked, done, looks, began, stop));
        }
    }
}

/// No iteration: an evaluation, and what it and the monitor say.
fn look(
    objective: &mut dyn Objective,
    bounds: &Bounds,
    settings: &Settings,
    monitor: &mut Monitor,
    state: &mut State,
) -> Result<Outcome> {
    let save = monitor.save.take();
    let looked = adam::minimize(objective, bounds, settings, monitor, state);
    monitor.save = save;
    looked
}

fn ended(looked: Outcome, done: u64, looks: u64, began: Instant, stop: Stop) -> Outcome {
    Outcome {
        iterations: done,
        evaluations: done + looks,
        seconds: seconds_since(began),
        stop,
        ..looked
    }
}
