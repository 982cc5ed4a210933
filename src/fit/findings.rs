//! What the statistics need of the end of a run: its curvature, and the intervals of the profile likelihood.

use super::job::Job;
use super::linalg::{dot, reduce_onto, reduce_work_len, triangle_len};
use super::loss::{Kind, Loss, Whitening};
use super::mapping::{Mapped, Space};
use super::objective::Total;
use super::plan::bounds;
use super::problem::Rows;
use super::profile::{self, Interval, Known};
use super::report::Report;
use super::shared::Shared;
use super::starts::End;
use super::stream::Summary;
use super::{Bounds, Monitor, Objective, Outcome, Residuals, Settings, lbfgs, levmar};
use crate::error::Result;
use crate::session::{Element, Session};

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

impl Job<'_, '_> {
    /// What is known of the end of a run.
    pub(super) fn found<T: Element>(
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

    /// Leaves in the outcome the triangle that the statistics read, by the values of the parameters; the variance of a residual
    /// under a robust loss and the mean slope of its influence.
    fn describe<T: Element>(
        &mut self,
        session: &mut Session<T>,
        outcome: &mut Outcome,
    ) -> Result<Option<(f64, f64)>> {
        let kind = self.subject.loss.kind;
        let squares = self.subject.loss == Loss::default();
        if squares && outcome.triangle.is_some() && self.mapping.is_trivial() {
            return Ok(None);
        }
        let n = self.subject.moving.len();
        let mut problem = self.subject.problem(session)?;
        if kind == Kind::Value {
            let mut total = Total::new(&mut problem);
            let mut total = Mapped::new(&mut total, self.mapping, Space::Values);
            let bounds = bounds(self.subject.moving);
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
                influence.add(&self.subject.loss, r);
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
        let mut problem = self.subject.problem(session)?;
        let mut problem = Mapped::new(&mut problem, self.mapping, Space::Values);
        summary.fold(&mut problem, p, self.subject.data)
    }

    /// The intervals of the profile likelihood, in the values of the parameters. The loss may grow by the squared quantile times
    /// `variance`; sums of squares are followed by Levenberg–Marquardt, other losses by L-BFGS.
    pub fn profile<T: Element>(
        &mut self,
        session: &mut Session<T>,
        report: &Report,
        (quantile, variance): (f64, f64),
        settings: &Settings,
        monitor: &Monitor,
    ) -> Result<Vec<Interval>> {
        let mut problem = self.subject.problem(session)?;
        let errors = report.std_errors();
        let known = Known {
            outcome: &report.outcome,
            bounds: &report.bounds,
            errors: &errors,
        };
        if self.subject.loss.kind.is_sum_of_squares() {
            let mut problem = Mapped::new(&mut problem, self.mapping, Space::Values);
            let fit =
                &mut |start: &[f64], bounds: &Bounds, limits: &Settings, watch: &mut Monitor| {
                    levmar::fit(&mut problem, start, bounds, limits, watch)
                };
            return profile::intervals(fit, known, (quantile, variance), settings, monitor);
        }
        let mut total = Total::new(&mut problem);
        let mut total = Mapped::new(&mut total, self.mapping, Space::Values);
        let fit = &mut |start: &[f64], bounds: &Bounds, limits: &Settings, watch: &mut Monitor| {
            let state = &mut lbfgs::State::new(start);
            lbfgs::minimize(&mut total, bounds, limits, watch, state)
        };
        profile::intervals(fit, known, (quantile, variance), settings, monitor)
    }
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
