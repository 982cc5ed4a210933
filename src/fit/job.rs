//! One run of an optimiser on a session, and what the statistics need of its end.

use super::linalg::triangle_len;
use super::loss::{Loss, Whitening};
use super::mapping::{Mapped, Mapping, Space};
use super::objective::Total;
use super::plan::{Free, Optimizer, Plan, bounds, parameters};
use super::problem::{Data, Problem, Rows};
use super::profile::{self, Interval};
use super::report::Report;
use super::{
    Bounds, Monitor, Objective, Outcome, Progress, Residuals, adam, lbfgs, levmar, reduce,
};
use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::session::{Element, Session};

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
    /// The variance of a residual under a robust loss, if it can be estimated.
    pub variance: Option<f64>,
    /// Values of the tied parameters.
    pub tied: Vec<f64>,
    /// Their derivatives by the free ones, a row each.
    pub slopes: Vec<f64>,
}

/// What one run needs beside the session.
pub(super) struct Job<'a> {
    pub model: &'a Model,
    pub plan: &'a Plan,
    pub loss: Loss,
    pub data: &'a Data,
    pub whitening: Option<&'a Whitening>,
    pub moving: &'a [Free],
    pub mapping: &'a mut Mapping,
    /// Indices of the tied parameters.
    pub tied: &'a [usize],
}

impl Job<'_> {
    /// Runs the optimiser on from `state`.
    pub fn run<T: Element>(
        &mut self,
        session: &mut Session<T>,
        monitor: &mut Monitor,
        state: &mut State,
    ) -> Result<Found> {
        let start: Vec<f64> = self.moving.iter().map(|free| free.initial).collect();
        self.mapping.bounds.check(&start)?;
        let start = self.mapping.coordinates(&start);
        if *state == State::New {
            *state = match self.plan.optimizer {
                Optimizer::LevMar => State::LevMar(levmar::State::new(&start)),
                Optimizer::Lbfgs => State::Lbfgs(lbfgs::State::new(&start)),
                Optimizer::Adam => State::Adam(adam::State::new(&start)),
            };
        }
        let mut outcome = self.minimize(session, monitor, state)?;
        outcome.params = self.mapping.values(&outcome.params);
        let (tied, slopes) = self.mapping.tied(&outcome.params)?;
        let variance = self.describe(session, &mut outcome)?;
        Ok(Found {
            outcome,
            variance,
            tied,
            slopes,
        })
    }

    fn minimize<T: Element>(
        &mut self,
        session: &mut Session<T>,
        monitor: &mut Monitor,
        state: &mut State,
    ) -> Result<Outcome> {
        let settings = &self.plan.settings;
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
        // a callback is told values, and the mapping is lent to the problem meanwhile
        let transforms = Mapping {
            transforms: self.mapping.transforms.clone(),
            bounds: self.mapping.bounds.clone(),
            ties: Vec::new(),
            priors: Vec::new(),
            prior_weight: 1.0,
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
            cancel: monitor.cancel,
            every: monitor.every,
        };
        let mapping = &mut *self.mapping;
        match state {
            State::LevMar(state) => {
                let mut problem = Mapped::new(&mut problem, mapping, Space::Coordinates);
                levmar::minimize(&mut problem, &bounds, settings, monitor, state)
            }
            State::Lbfgs(state) => {
                let mut total = Total::new(&mut problem);
                let mut total = Mapped::new(&mut total, mapping, Space::Coordinates);
                lbfgs::minimize(&mut total, &bounds, settings, monitor, state)
            }
            State::Adam(state) => {
                let mut total = Total::new(&mut problem);
                let mut total = Mapped::new(&mut total, mapping, Space::Coordinates);
                adam::minimize(&mut total, &bounds, settings, monitor, state)
            }
            State::New => Err(Error::new(ErrorKind::Argument, "the fit has no state")),
        }
    }

    /// Leaves in the outcome the triangle that the statistics read, by the values of the parameters; the variance of a residual
    /// under a robust loss.
    fn describe<T: Element>(
        &mut self,
        session: &mut Session<T>,
        outcome: &mut Outcome,
    ) -> Result<Option<f64>> {
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
        let observed = problem.residual_count();
        let mut problem = Mapped::new(&mut problem, self.mapping, Space::Values);
        let rows = problem.residual_count();
        let mut residuals = vec![0.0; rows];
        let mut jacobian = vec![0.0; rows * n];
        problem.evaluate(&outcome.params, &mut residuals, Some(&mut jacobian))?;
        if squares {
            outcome.loss = residuals.iter().map(|r| r * r).sum();
        }
        let mut triangle = vec![0.0; triangle_len(n)];
        reduce(&jacobian, &residuals, n, &mut triangle);
        outcome.triangle = Some(triangle);
        let moved = outcome.held.iter().filter(|held| !**held).count();
        Ok(kind
            .is_robust()
            .then(|| robust_variance(&self.loss, &residuals[..observed], moved))
            .flatten())
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
    Problem::new(session, data, (&fixed, &free), loss, whitening)
}

/// The variance by which the inverse of `J'J` gives the covariance of a robust fit (Huber 1981, 7.6): `K²` times the mean square of
/// the influence over the squared mean of its slope.
fn robust_variance(loss: &Loss, residuals: &[f64], parameters: usize) -> Option<f64> {
    let count = residuals.len() as f64;
    let left = count - parameters as f64;
    if left <= 0.0 {
        return None;
    }
    let mut sums = (0.0, 0.0, 0.0);
    for residual in residuals {
        let (psi, slope) = loss.influence(*residual);
        sums = (sums.0 + psi * psi, sums.1 + slope, sums.2 + slope * slope);
    }
    let mean = sums.1 / count;
    let spread = sums.2 / count - mean * mean;
    let correction = 1.0 + parameters as f64 / count * spread / (mean * mean);
    (mean > 0.0).then(|| correction * correction * sums.0 / left / (mean * mean))
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
