//! One run of an optimiser on a session: from one start, from many, or from the end of another.

use super::anneal::anneal;
pub(super) use super::findings::Found;
use super::mapping::{Mapped, Mapping, Space};
use super::objective::Total;
use super::plan::{Optimizer, Plan};
use super::shared::{Shared, Sharing};
use super::starts::{self, End, latin_hypercube};
use super::subject::Subject;
use super::{
    Monitor, Outcome, Progress, Residuals, Save, Settings, Stop, adam, lbfgs, levmar,
    seconds_since, whole,
};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::session::{Element, Session};
use std::time::Instant;

/// What ends all runs of a fit with the one that it ends.
const ENDS_ALL: [Stop; 3] = [Stop::Stopped, Stop::Target, Stop::MaxTime];

/// How far the optimiser has come; running again goes on from here.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    New,
    LevMar(levmar::State),
    Lbfgs(lbfgs::State),
    Adam(adam::State),
}

/// What one run needs beside the session.
pub(super) struct Job<'a, 's> {
    pub subject: Subject<'a>,
    pub plan: &'a Plan,
    /// When the run began, of which this may be a part: `max_seconds` counts from here.
    pub began: Instant,
    pub mapping: &'a mut Mapping,
    /// The other processes that fit the same, if there are any.
    pub sharing: Option<Sharing<'s>>,
}

impl Job<'_, '_> {
    /// Runs the optimiser on from `state`.
    pub fn run<T: Element>(
        &mut self,
        session: &mut Session<T>,
        monitor: &mut Monitor,
        state: &mut State,
    ) -> Result<Found> {
        let start: Vec<f64> = self
            .subject
            .moving
            .iter()
            .map(|free| free.initial)
            .collect();
        self.mapping.bounds.check(&start)?;
        let new = *state == State::New;
        if new && (self.plan.starts > 1 || self.plan.hops > 0) {
            // the state of one of many runs is not that of the fit
            monitor.save = None;
        }
        let (mut outcome, ends) = if self.plan.starts > 1 && new {
            self.many_starts(session, monitor, state, &start)?
        } else {
            if *state == State::New {
                *state = self.begin(&self.mapping.coordinates(&start));
            }
            let outcome = self.minimize(session, monitor, state, &left(self.plan, self.began))?;
            (outcome, Vec::new())
        };
        if self.plan.hops > 0 && new {
            outcome = self.hop(session, monitor, state, outcome)?;
        }
        self.found(session, outcome, ends)
    }

    /// What a fit has found in `state`, as if it had been stopped there just now; the state itself stays as it is.
    pub fn look<T: Element>(&mut self, session: &mut Session<T>, state: &State) -> Result<Found> {
        let outcome = self.halt(session, &mut state.clone())?;
        self.found(session, outcome, Vec::new())
    }

    /// The end of a run that is stopped in `state`.
    fn halt<T: Element>(&mut self, session: &mut Session<T>, state: &mut State) -> Result<Outcome> {
        let settings = Settings {
            max_iterations: Some(0),
            ..self.plan.settings.clone()
        };
        let outcome = self.minimize(session, &mut Monitor::default(), state, &settings)?;
        Ok(Outcome {
            stop: Stop::Stopped,
            ..outcome
        })
    }

    /// As [`Job::run`]; where thresholds are to be fitted, from the best of what the smoothed model found. Which is best says the
    /// exact model, and it is fitted on from there.
    pub fn thaw<T: Element>(
        &mut self,
        session: &mut Session<T>,
        options: &Options,
        monitor: &mut Monitor,
        state: &mut State,
    ) -> Result<Found> {
        let Some(first) = self.plan.smoothing.filter(|_| *state == State::New) else {
            return self.run(session, monitor, state);
        };
        let watch = &mut Monitor {
            save: None,
            ..monitor.lend()
        };
        let (ends, stopped) = anneal(self, options, first, watch)?;
        let mut best = (f64::INFINITY, None);
        for end in ends {
            let coordinates = self.mapping.coordinates(&end);
            let own = &mut self.begin(&coordinates);
            let loss = match self.halt(session, own) {
                Ok(outcome) => outcome.loss,
                Err(error) if error.kind == ErrorKind::Numeric => continue,
                Err(error) => return Err(error),
            };
            // of equal ones the coldest
            if loss <= best.0 {
                best = (loss, Some(coordinates));
            }
        }
        if let (_, Some(coordinates)) = best {
            *state = self.begin(&coordinates);
            if stopped {
                return self.look(session, state);
            }
        }
        self.run(session, monitor, state)
    }

    pub fn begin(&self, coordinates: &[f64]) -> State {
        match self.plan.optimizer {
            Optimizer::LevMar => State::LevMar(levmar::State::new(coordinates)),
            Optimizer::Lbfgs => State::Lbfgs(lbfgs::State::new(coordinates)),
            Optimizer::Adam => State::Adam(adam::State::new(coordinates)),
        }
    }

    /// Gives each of many starts a few iterations, follows the best to their end, and returns the best of these with all of them.
    /// A start where the loss is not finite is passed over. What stops the fit early leaves the best so far.
    fn many_starts<T: Element>(
        &mut self,
        session: &mut Session<T>,
        monitor: &mut Monitor,
        state: &mut State,
        initial: &[f64],
    ) -> Result<(Outcome, Vec<End>)> {
        starts::check(self.plan.starts, initial.len())?;
        let limits = starts::limits(initial, &self.mapping.bounds, &self.mapping.transforms);
        let all = latin_hypercube(initial, &limits, self.plan.starts, self.plan.seed);
        let all = all.into_iter().map(|p| self.mapping.coordinates(&p));
        let all: Vec<Vec<f64>> = all.collect();
        let (mut iterations, mut evaluations) = (0, 0);
        let (mut ends, mut numbers, mut failure) = (Vec::new(), Vec::new(), None);
        let mut stopped = false;
        for (number, end) in self
            .short_runs(session, monitor.lend(), &all)?
            .into_iter()
            .enumerate()
        {
            match end {
                Ok(end) => {
                    iterations += end.iterations;
                    evaluations += end.evaluations;
                    stopped |= end.stop == Stop::Stopped;
                    ends.push((end.loss, end.params));
                    numbers.push(number);
                }
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        let chosen = starts::chosen(&ends, if stopped { 1 } else { self.plan.refine });
        let (mut found, mut cut) = (Vec::<(Outcome, State)>::new(), None);
        for place in chosen {
            let mut own = self.begin(&ends[place].1);
            monitor.start = numbers[place];
            let end = match stopped {
                true => self.halt(session, &mut own)?,
                false => self.minimize(
                    session,
                    &mut monitor.lend(),
                    &mut own,
                    &left(self.plan, self.began),
                )?,
            };
            iterations += end.iterations;
            evaluations += end.evaluations;
            // the fit ends where one of its runs is ended, though another may have found the best
            cut = Some(end.stop).filter(|stop| ENDS_ALL.contains(stop));
            found.push((end, own));
            if cut.is_some() {
                break;
            }
        }
        let ends = found
            .iter()
            .map(|(end, _)| (end.loss, self.mapping.values(&end.params)));
        let ends = starts::distinct(ends.collect());
        let best = found
            .into_iter()
            .min_by(|a, b| a.0.loss.total_cmp(&b.0.loss));
        let Some((outcome, own)) = best else {
            let none = Error::new(ErrorKind::Numeric, "no start has a finite loss");
            return Err(failure.unwrap_or(none));
        };
        *state = own;
        let outcome = Outcome {
            iterations,
            evaluations,
            seconds: seconds_since(self.began),
            stop: cut.unwrap_or(outcome.stop),
            ..outcome
        };
        Ok((outcome, ends))
    }

    /// A few iterations from each start; an error is that of a start whose loss is not finite. What stops one stops all.
    fn short_runs<T: Element>(
        &mut self,
        session: &mut Session<T>,
        mut monitor: Monitor,
        starts: &[Vec<f64>],
    ) -> Result<Vec<Result<Outcome>>> {
        let ends_all = |end: &Result<Outcome>| {
            let end = end.as_ref();
            end.is_ok_and(|end| ENDS_ALL.contains(&end.stop))
        };
        let (plan, began) = (self.plan, self.began);
        let short = || Settings {
            max_iterations: Some(starts::SHORT_RUN),
            restarts: 0,
            ..left(plan, began)
        };
        let mut ends = Vec::new();
        let bounds = self.mapping.coordinate_bounds();
        let mut problem = self.subject.problem(session)?;
        let seats = problem.seats();
        if let (Optimizer::LevMar, Some(seats)) = (plan.optimizer, seats) {
            let transforms = self.mapping.transforms_alone();
            let mut tell = monitor
                .callback
                .take()
                .map(|told| in_values(told, transforms));
            let mut problem = Mapped::new(&mut problem, self.mapping, Space::Coordinates);
            for group in starts.chunks(seats) {
                let watch = &mut Monitor {
                    callback: tell.as_mut().map(|tell| tell as _),
                    cancel: monitor.cancel,
                    every: monitor.every,
                    start: ends.len(),
                    save: None,
                };
                let found = levmar::lockstep(&mut problem, group, &bounds, &short(), watch)?;
                let last = found.iter().any(ends_all);
                ends.extend(found);
                if last {
                    break;
                }
            }
            return Ok(ends);
        }
        let whole = plan.optimizer == Optimizer::Adam && problem.fits_whole(self.mapping, &short());
        if let (true, Some(seats)) = (whole, problem.seats_of_epochs()) {
            for group in starts.chunks(seats) {
                let settings = short();
                // some have to be run, so that there is a best so far
                let some = !ends.is_empty();
                if some && (monitor.cancelled() || settings.max_seconds == 0.0) {
                    break;
                }
                ends.extend(problem.crowd_of_epochs(group, &bounds, &settings, &monitor)?);
            }
            return Ok(ends);
        }
        drop(problem);
        for start in starts {
            let mut own = self.begin(start);
            monitor.start = ends.len();
            let end = match self.minimize(session, &mut monitor.lend(), &mut own, &short()) {
                Err(error) if error.kind != ErrorKind::Numeric => return Err(error),
                end => end,
            };
            let last = ends_all(&end);
            ends.push(end);
            if last {
                break;
            }
        }
        Ok(ends)
    }

    /// Leaves the best end by random steps, and takes a better end in its place (monotonic basin hopping: Leary 2000). The
    /// steps get longer where they lead back to the same end, and shorter where they lead nowhere.
    fn hop<T: Element>(
        &mut self,
        session: &mut Session<T>,
        monitor: &mut Monitor,
        state: &mut State,
        first: Outcome,
    ) -> Result<Outcome> {
        let bounds = self.mapping.coordinate_bounds();
        let mut random = starts::Random(self.plan.seed);
        let mut reach = 0.25;
        let mut best = first;
        let (mut iterations, mut evaluations) = (best.iterations, best.evaluations);
        for number in 0..self.plan.hops {
            if ENDS_ALL.contains(&best.stop) {
                break;
            }
            let settings = left(self.plan, self.began);
            // where no step finds a value, none of them says so
            if monitor.cancelled() || settings.max_seconds == 0.0 {
                best.stop = match monitor.cancelled() {
                    true => Stop::Stopped,
                    false => Stop::MaxTime,
                };
                break;
            }
            monitor.start = self.plan.starts.max(1) + number;
            let start = starts::hop(&best.params, &bounds, reach, &mut random);
            let mut own = self.begin(&start);
            let end = match self.minimize(session, &mut monitor.lend(), &mut own, &settings) {
                Ok(end) => end,
                Err(error) if error.kind == ErrorKind::Numeric => {
                    reach = (reach * 0.8).max(1e-3);
                    continue;
                }
                Err(error) => return Err(error),
            };
            iterations += end.iterations;
            evaluations += end.evaluations;
            let last = matches!(end.stop, Stop::Stopped | Stop::MaxTime);
            let same = (end.loss - best.loss).abs() <= 1e-9 * best.loss;
            reach = match same {
                true => (reach * 1.25).min(0.5),
                false if end.loss > best.loss => (reach * 0.95).max(1e-3),
                false => reach,
            };
            if end.loss < best.loss && !same {
                (best, *state) = (end, own);
            } else if last {
                best.stop = end.stop;
            }
            if last {
                break;
            }
        }
        Ok(Outcome {
            iterations,
            evaluations,
            seconds: seconds_since(self.began),
            ..best
        })
    }

    fn minimize<T: Element>(
        &mut self,
        session: &mut Session<T>,
        monitor: &mut Monitor,
        state: &mut State,
        settings: &Settings,
    ) -> Result<Outcome> {
        let bounds = self.mapping.coordinate_bounds();
        let mut settings = settings.clone();
        if self.sharing.is_some() {
            // triangles of two places have no difference residual by residual, which the other strategies ask for
            settings.restarts = 0;
        }
        let mut problem = self.subject.problem(session)?;
        // the mapping is lent to the problem meanwhile
        let transforms = self.mapping.transforms_alone();
        let told = monitor.callback.as_deref_mut();
        let mut tell = told.map(|told| in_values(told, transforms));
        let monitor = &mut Monitor {
            callback: tell.as_mut().map(|tell| tell as _),
            // what one process is asked, all do at the same iteration
            cancel: match &self.sharing {
                Some(sharing) => Some(sharing.agreed),
                None => monitor.cancel,
            },
            every: monitor.every,
            start: monitor.start,
            save: monitor.save.as_mut().map(Save::lend),
        };
        let mapping = &mut *self.mapping;
        match state {
            State::LevMar(state) => {
                let mut shared;
                let problem: &mut dyn Residuals = match &mut self.sharing {
                    Some(sharing) => {
                        shared = Shared::new(&mut problem, sharing);
                        &mut shared
                    }
                    None => &mut problem,
                };
                let mut problem = Mapped::new(problem, mapping, Space::Coordinates);
                levmar::minimize(&mut problem, &bounds, &settings, monitor, state)
            }
            State::Lbfgs(state) => {
                let mut total = Total::new(&mut problem);
                let mut total = Mapped::new(&mut total, mapping, Space::Coordinates);
                lbfgs::minimize(&mut total, &bounds, &settings, monitor, state)
            }
            State::Adam(state) if problem.fits_whole(mapping, &settings) => {
                whole::minimize(&mut problem, mapping, &bounds, &settings, monitor, state)
            }
            State::Adam(state) => {
                let mut total = Total::new(&mut problem);
                let mut total = Mapped::new(&mut total, mapping, Space::Coordinates);
                adam::minimize(&mut total, &bounds, &settings, monitor, state)
            }
            State::New => Err(Error::new(ErrorKind::Argument, "the fit has no state")),
        }
    }
}

/// The settings, with the time that is left of a run that began then.
fn left(plan: &Plan, began: Instant) -> Settings {
    let whole = &plan.settings;
    Settings {
        max_seconds: (whole.max_seconds - seconds_since(began)).max(0.0),
        ..whole.clone()
    }
}

/// A callback that is told values where the optimiser moves coordinates.
fn in_values<'c>(
    told: &'c mut (dyn FnMut(&Progress) -> bool + 'c),
    transforms: Mapping,
) -> impl FnMut(&Progress) -> bool + 'c {
    move |progress: &Progress| {
        let params = transforms.values(progress.params);
        told(&Progress {
            params: &params,
            ..*progress
        })
    }
}
