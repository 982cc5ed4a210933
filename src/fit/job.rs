//! One run of an optimiser on a session, and what the statistics need of its end.

use super::anneal::anneal;
use super::linalg::{dot, reduce_onto, reduce_work_len, triangle_len};
use super::loss::{Loss, Whitening};
use super::mapping::{Mapped, Mapping, Space};
use super::objective::Total;
use super::plan::{Free, Optimizer, Plan, bounds, parameters};
use super::problem::{Data, Problem, Rows};
use super::profile::{self, Interval};
use super::report::Report;
use super::shared::{Shared, Sharing};
use super::starts::{self, End, latin_hypercube};
use super::stream::Summary;
use super::{
    Bounds, Monitor, Objective, Outcome, Progress, Residuals, Save, Settings, Stop, adam, lbfgs,
    levmar, seconds_since, whole,
};
use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::session::{Element, Session};
use std::time::Instant;

/// How far the optimiser has come; running again goes on from here.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    New,
    LevMar(levmar::State),
    Lbfgs(lbfgs::State),
    Adam(adam::State),
}

/// What a run found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// With values, not coordinates, as its parameters.
    pub outcome: Outcome,
    /// The variance of a residual under a robust loss, if it can be estimated, and the mean slope of its influence.
    pub robust: Option<(f64, f64)>,
    /// Values of the tied parameters.
    pub tied: Vec<f64>,
    /// Their derivatives by the free ones, a row each.
    pub slopes: Vec<f64>,
    /// Where the starts ended that were followed, if there were several: loss and values.
    pub ends: Vec<End>,
}

/// What one run needs beside the session.
pub(super) struct Job<'a, 's> {
    pub model: &'a Model,
    pub plan: &'a Plan,
    pub loss: Loss,
    pub data: &'a Data,
    pub whitening: Option<&'a Whitening>,
    pub moving: &'a [Free],
    pub mapping: &'a mut Mapping,
    /// Indices of the tied parameters.
    pub tied: &'a [usize],
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
        let start: Vec<f64> = self.moving.iter().map(|free| free.initial).collect();
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
            let outcome = self.minimize(session, monitor, state, &self.plan.settings)?;
            (outcome, Vec::new())
        };
        if self.plan.hops > 0 && new {
            outcome = self.hop(session, monitor, state, outcome)?;
        }
        self.found(session, outcome, ends)
    }

    /// What a fit has found in `state`, as if it had been stopped there just now; the state itself stays as it is.
    pub fn look<T: Element>(&mut self, session: &mut Session<T>, state: &State) -> Result<Found> {
        let settings = Settings {
            max_iterations: Some(0),
            ..self.plan.settings.clone()
        };
        let state = &mut state.clone();
        let mut outcome = self.minimize(session, &mut Monitor::default(), state, &settings)?;
        outcome.stop = Stop::Stopped;
        self.found(session, outcome, Vec::new())
    }

    /// What is known of the end of a run.
    fn found<T: Element>(
        &mut self,
        session: &mut Session<T>,
        mut outcome: Outcome,
        ends: Vec<End>,
    ) -> Result<Found> {
        outcome.params = self.mapping.values(&outcome.params);
        let (tied, slopes) = self.mapping.tied(&outcome.params)?;
        let robust = self.describe(session, &mut outcome)?;
        Ok(Found {
            outcome,
            robust,
            tied,
            slopes,
            ends,
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
        let ends = anneal(
            self,
            options,
            first,
            &mut Monitor {
                cancel: monitor.cancel,
                ..Monitor::default()
            },
        )?;
        let mut best = (f64::INFINITY, None);
        for end in ends {
            let coordinates = self.mapping.coordinates(&end);
            let own = &mut self.begin(&coordinates);
            let look = Settings {
                max_iterations: Some(0),
                ..self.plan.settings.clone()
            };
            let quiet = &mut Monitor::default();
            let loss = match self.minimize(session, quiet, own, &look) {
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
        let began = Instant::now();
        let whole = &self.plan.settings;
        let left = |whole: &Settings| (whole.max_seconds - seconds_since(began)).max(0.0);
        let limits = starts::limits(initial, &self.mapping.bounds, &self.mapping.transforms);
        let all = latin_hypercube(initial, &limits, self.plan.starts, self.plan.seed);
        let short = Settings {
            max_iterations: Some(starts::SHORT_RUN),
            max_seconds: left(whole),
            restarts: 0,
            ..whole.clone()
        };
        let all: Vec<Vec<f64>> = all.iter().map(|p| self.mapping.coordinates(p)).collect();
        let (mut iterations, mut evaluations) = (0, 0);
        let (mut ends, mut failure) = (Vec::new(), None);
        for end in self.short_runs(session, monitor, &all, &short)? {
            match end {
                Ok(end) => {
                    iterations += end.iterations;
                    evaluations += end.evaluations;
                    ends.push((end.loss, end.params));
                }
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        let chosen = starts::best(ends, self.plan.refine);
        let mut found: Vec<(Outcome, State)> = Vec::new();
        for (_, coordinates) in chosen {
            let settings = Settings {
                max_seconds: left(whole),
                ..whole.clone()
            };
            let mut own = self.begin(&coordinates);
            let end = self.minimize(session, monitor, &mut own, &settings)?;
            iterations += end.iterations;
            evaluations += end.evaluations;
            let last = matches!(end.stop, Stop::Stopped | Stop::Target | Stop::MaxTime);
            found.push((end, own));
            if last {
                break;
            }
        }
        let ends = found
            .iter()
            .map(|(end, _)| (end.loss, self.mapping.values(&end.params)));
        let ends = starts::best(ends.collect(), usize::MAX);
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
            seconds: seconds_since(began),
            ..outcome
        };
        Ok((outcome, ends))
    }

    /// A few iterations from each start; an error is that of a start whose loss is not finite. What stops one stops all.
    fn short_runs<T: Element>(
        &mut self,
        session: &mut Session<T>,
        monitor: &Monitor,
        starts: &[Vec<f64>],
        settings: &Settings,
    ) -> Result<Vec<Result<Outcome>>> {
        let began = Instant::now();
        let ends_all = |end: &Result<Outcome>| {
            let stop = end.as_ref().map(|end| end.stop);
            matches!(stop, Ok(Stop::Stopped | Stop::Target | Stop::MaxTime))
        };
        let quiet = || Monitor {
            cancel: monitor.cancel,
            ..Monitor::default()
        };
        let left = || Settings {
            max_seconds: (settings.max_seconds - seconds_since(began)).max(0.0),
            ..settings.clone()
        };
        let mut ends = Vec::new();
        let bounds = self.mapping.coordinate_bounds();
        let mut problem = problem(
            self.model,
            self.loss,
            self.data,
            self.whitening,
            self.moving,
            self.tied,
            session,
        )?;
        let seats = problem.seats();
        if let (Optimizer::LevMar, Some(seats)) = (self.plan.optimizer, seats) {
            let mut problem = Mapped::new(&mut problem, self.mapping, Space::Coordinates);
            for group in starts.chunks(seats) {
                let found = levmar::lockstep(&mut problem, group, &bounds, &left(), &mut quiet())?;
                let last = found.iter().any(ends_all);
                ends.extend(found);
                if last {
                    break;
                }
            }
            return Ok(ends);
        }
        let whole =
            self.plan.optimizer == Optimizer::Adam && problem.fits_whole(self.mapping, settings);
        if let (true, Some(seats)) = (whole, problem.seats_of_epochs()) {
            for group in starts.chunks(seats) {
                if monitor.cancelled() || settings.max_seconds <= seconds_since(began) {
                    break;
                }
                ends.extend(problem.crowd_of_epochs(group, &bounds, settings, monitor)?);
            }
            return Ok(ends);
        }
        drop(problem);
        for start in starts {
            let mut own = self.begin(start);
            let end = match self.minimize(session, &mut quiet(), &mut own, &left()) {
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
        let began = Instant::now();
        let bounds = self.mapping.coordinate_bounds();
        let mut random = starts::Random(self.plan.seed);
        let mut reach = 0.25;
        let mut best = first;
        let whole = &self.plan.settings;
        let (spent, mut iterations, mut evaluations) =
            (best.seconds, best.iterations, best.evaluations);
        for _ in 0..self.plan.hops {
            if matches!(best.stop, Stop::Stopped | Stop::Target | Stop::MaxTime) {
                break;
            }
            let start = starts::hop(&best.params, &bounds, reach, &mut random);
            let settings = Settings {
                max_seconds: (whole.max_seconds - spent - seconds_since(began)).max(0.0),
                ..whole.clone()
            };
            let mut own = self.begin(&start);
            let end = match self.minimize(session, monitor, &mut own, &settings) {
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
            seconds: spent + seconds_since(began),
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
        let mut problem = problem(
            self.model,
            self.loss,
            self.data,
            self.whitening,
            self.moving,
            self.tied,
            session,
        )?;
        // a callback is told values, and the mapping is lent to the problem meanwhile
        let transforms = Mapping {
            transforms: self.mapping.transforms.clone(),
            bounds: self.mapping.bounds.clone(),
            ties: Vec::new(),
            priors: Vec::new(),
            prior_weight: 1.0,
            summary: None,
        };
        let told = monitor.callback.take();
        let mut tell = told.map(|callback| {
            move |progress: &Progress| {
                let params = transforms.values(progress.params);
                callback(&Progress {
                    params: &params,
                    ..*progress
                })
            }
        });
        let monitor = &mut Monitor {
            callback: tell
                .as_mut()
                .map(|tell| tell as &mut dyn FnMut(&Progress) -> bool),
            // what one process is asked, all do at the same iteration
            cancel: match &self.sharing {
                Some(sharing) => Some(sharing.agreed),
                None => monitor.cancel,
            },
            every: monitor.every,
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

    /// Leaves in the outcome the triangle that the statistics read, by the values of the parameters; the variance of a residual
    /// under a robust loss and the mean slope of its influence.
    fn describe<T: Element>(
        &mut self,
        session: &mut Session<T>,
        outcome: &mut Outcome,
    ) -> Result<Option<(f64, f64)>> {
        let kind = self.loss.kind;
        let squares = self.loss == Loss::default();
        if squares && outcome.triangle.is_some() && self.mapping.is_trivial() {
            return Ok(None);
        }
        let n = self.moving.len();
        let mut problem = problem(
            self.model,
            self.loss,
            self.data,
            self.whitening,
            self.moving,
            self.tied,
            session,
        )?;
        if kind == super::loss::Kind::Value {
            let mut total = Total::new(&mut problem);
            let mut total = Mapped::new(&mut total, self.mapping, Space::Values);
            let bounds = bounds(self.moving);
            outcome.triangle = curvature(&mut total, &outcome.params, &bounds)?;
            return Ok(None);
        }
        problem.rows = Rows::Information;
        let observed = problem.block_count();
        let mut shared;
        let problem: &mut dyn Residuals = match &mut self.sharing {
            Some(sharing) => {
                shared = Shared::new(&mut problem, sharing);
                &mut shared
            }
            None => &mut problem,
        };
        let mut problem = Mapped::new(problem, self.mapping, Space::Values);
        let mut triangle = vec![0.0; triangle_len(n)];
        if let Some(loss) = problem.reduced(&outcome.params, Some(&mut triangle))? {
            if squares {
                outcome.loss = loss;
            }
            outcome.triangle = Some(triangle);
            return Ok(None);
        }
        let blocks = (0..problem.block_count()).map(|block| problem.block_len(block));
        let most = blocks.max().unwrap_or(0);
        let (mut residuals, mut jacobian) = (vec![0.0; most], vec![0.0; most * n]);
        let mut work = vec![0.0; reduce_work_len(most, n)];
        let (mut loss, mut influence) = (0.0, Influence::default());
        for block in 0..problem.block_count() {
            let m = problem.block_len(block);
            let (r, j) = (&mut residuals[..m], &mut jacobian[..m * n]);
            problem.evaluate(block, &outcome.params, r, Some(&mut *j))?;
            loss += dot(r, r);
            if block < observed {
                influence.add(&self.loss, r);
            }
            reduce_onto(j, r, n, &mut triangle, &mut work);
        }
        if squares {
            outcome.loss = loss;
        }
        outcome.triangle = Some(triangle);
        let moved = outcome.held.iter().filter(|held| !**held).count();
        Ok(kind
            .is_robust()
            .then(|| influence.variance(moved))
            .flatten())
    }

    /// Adds the data to a summary, linearised at the values `p`.
    pub fn fold<T: Element>(
        &mut self,
        session: &mut Session<T>,
        summary: &mut Summary,
        p: &[f64],
    ) -> Result<()> {
        self.mapping.priors.clear();
        self.mapping.summary = None;
        let mut problem = problem(
            self.model,
            self.loss,
            self.data,
            self.whitening,
            self.moving,
            self.tied,
            session,
        )?;
        let mut problem = Mapped::new(&mut problem, self.mapping, Space::Values);
        summary.fold(&mut problem, p, self.data)
    }

    /// The intervals of the profile likelihood, in the values of the parameters.
    pub fn profile<T: Element>(
        &mut self,
        session: &mut Session<T>,
        report: &Report,
        (quantile, variance): (f64, f64),
        monitor: &Monitor,
    ) -> Result<Vec<Interval>> {
        let mut problem = problem(
            self.model,
            self.loss,
            self.data,
            self.whitening,
            self.moving,
            self.tied,
            session,
        )?;
        let mut problem = Mapped::new(&mut problem, self.mapping, Space::Values);
        profile::intervals(
            &mut problem,
            &report.outcome,
            &report.bounds,
            &report.std_errors(),
            (quantile, variance),
            &self.plan.settings,
            monitor,
        )
    }
}

/// The residuals of the model on the data, by the free parameters and then the tied ones.
fn problem<'s, T: Element>(
    model: &Model,
    loss: Loss,
    data: &'s Data,
    whitening: Option<&'s Whitening>,
    moving: &[Free],
    tied: &[usize],
    session: &'s mut Session<T>,
) -> Result<Problem<'s, T>> {
    let fixed: Vec<f64> = parameters(model).iter().map(|p| p.initial).collect();
    let free = moving.iter().map(|free| free.index);
    let free: Vec<usize> = free.chain(tied.iter().copied()).collect();
    Problem::on_kept(session, data, (&fixed, &free), loss, whitening)
}

/// Sums over the residuals of a robust loss: how many, the squares of the influence, its slopes, and their squares.
#[derive(Default)]
struct Influence {
    count: f64,
    squares: f64,
    slopes: f64,
    squared_slopes: f64,
}

impl Influence {
    fn add(&mut self, loss: &Loss, residuals: &[f64]) {
        for residual in residuals {
            let (psi, slope) = loss.influence(*residual);
            self.count += 1.0;
            self.squares += psi * psi;
            self.slopes += slope;
            self.squared_slopes += slope * slope;
        }
    }

    /// The variance by which the inverse of `J'J` gives the covariance of a robust fit (Huber 1981, 7.6): `K²` times the mean square
    /// of the influence over the squared mean of its slope; and that mean.
    fn variance(&self, parameters: usize) -> Option<(f64, f64)> {
        let left = self.count - parameters as f64;
        if left <= 0.0 {
            return None;
        }
        let mean = self.slopes / self.count;
        let spread = self.squared_slopes / self.count - mean * mean;
        let correction = 1.0 + parameters as f64 / self.count * spread / (mean * mean);
        let variance = correction * correction * self.squares / left / (mean * mean);
        (mean > 0.0).then_some((variance, mean))
    }
}

/// The triangle of the second derivatives of a loss that is minus a log likelihood, from central differences of its gradient;
/// `None` where they are not those of a minimum.
fn curvature(
    objective: &mut dyn Objective,
    at: &[f64],
    bounds: &Bounds,
) -> Result<Option<Vec<f64>>> {
    let n = at.len();
    let mut hessian = vec![0.0; n * n];
    for i in 0..n {
        let size = if at[i] == 0.0 { 1.0 } else { at[i].abs() };
        let step = f64::EPSILON.cbrt() * size;
        let mut side = |value: f64| -> Result<(f64, Vec<f64>)> {
            let (mut p, mut gradient) = (at.to_vec(), vec![0.0; n]);
            p[i] = value.clamp(bounds.lower[i], bounds.upper[i]);
            objective.evaluate(&p, &mut gradient)?;
            Ok((p[i], gradient))
        };
        let ((above, up), (below, down)) = (side(at[i] + step)?, side(at[i] - step)?);
        for j in 0..n {
            let value = 0.5 * (up[j] - down[j]) / (above - below);
            hessian[i * n + j] += value;
            hessian[j * n + i] += value;
        }
    }
    let Ok(factor) = Whitening::new(&hessian, n) else {
        return Ok(None);
    };
    let mut triangle = vec![0.0; triangle_len(n)];
    for j in 0..n {
        for i in 0..=j {
            triangle[j * (n + 1) + i] = factor.lower(j, i);
        }
    }
    Ok(Some(triangle))
}
