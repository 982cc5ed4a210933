//! Fitting: least squares and gradient descent over anything that can evaluate itself, with the statistics of the result.
//!
//! The optimisers know nothing of models, graphs or engines. A problem is a [`Residuals`] (for [`levmar`]) or an [`Objective`] (for
//! [`adam`]); [`problem`] makes one of a session and data, and [`fitter`] leads a fit from start to report. Nothing here prints, starts a thread or panics on what a problem returns.
//!
//! - [`levmar`]: trust-region Levenberg–Marquardt with box bounds
//! - [`lbfgs`]: projected L-BFGS
//! - [`adam`]: projected Adam
//! - [`starts`]: many starts, of which the best are followed
//! - [`loss`]: what is minimised; [`mapping`]: parameters that are transformed, tied or known beforehand
//! - [`statistics`]: standard errors, correlations and what the data cannot determine; [`quantile`]: how wide intervals are;
//!   [`profile`]: intervals from the loss itself
//! - [`stream`]: rows that come one after the other, in memory that does not grow with them
//! - [`diagnose`]: which operation of a model fails on a row
//! - [`report`]: the result as text and JSON; [`plot`]: as SVG

pub mod adam;
mod anneal;
mod checkpoint;
pub mod diagnose;
mod findings;
pub mod fitter;
pub mod hash;
mod job;
pub mod lbfgs;
pub mod levmar;
mod linalg;
pub mod loss;
pub mod mapping;
mod measure;
pub mod objective;
mod plan;
pub mod plot;
pub mod problem;
pub mod profile;
pub mod quantile;
mod reduced;
pub mod report;
mod results;
mod resume;
pub mod shared;
pub mod starts;
pub mod statistics;
mod step;
pub mod stream;
mod subject;
mod whole;
mod window;
mod workspace;

pub use linalg::{add_rows, reduce, triangle_len};

use crate::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A least-squares problem: `residual_count` numbers that depend on `parameter_count` parameters.
///
/// Weights are the problem's business: a residual is `(model - data) / sigma`. Residuals come in blocks, so that nobody holds the
/// Jacobian of all of them; a small problem is one block.
pub trait Residuals {
    /// How many parameters there are.
    fn parameter_count(&self) -> usize;
    /// How many residuals there are.
    fn residual_count(&self) -> usize;
    /// How many blocks they come in.
    fn block_count(&self) -> usize {
        1
    }
    /// How many residuals a block has.
    fn block_len(&self, _block: usize) -> usize {
        self.residual_count()
    }
    /// Writes the residuals of a block at `p` and, when asked, their Jacobian.
    ///
    /// `p` has `parameter_count` entries, `residuals` has `block_len`; `jacobian` is column-major, `block_len` rows by
    /// `parameter_count` columns. Values that are not finite are allowed: the optimiser steps back from them. An error ends the fit.
    fn evaluate(
        &mut self,
        block: usize,
        p: &[f64],
        residuals: &mut [f64],
        jacobian: Option<&mut [f64]>,
    ) -> Result<()>;

    /// The sum of the squared residuals of all blocks at `p`; `triangle`, of [`triangle_len`] entries, becomes what [`reduce`] makes
    /// of them and their Jacobian. `None` for a problem that does not reduce them itself, and has left `triangle` as it was.
    fn reduced(&mut self, _p: &[f64], _triangle: Option<&mut [f64]>) -> Result<Option<f64>> {
        Ok(None)
    }

    /// What residual `row` of a block belongs to, for messages: a row of the data.
    fn place(&self, _block: usize, row: usize) -> String {
        format!("residual {row}")
    }

    /// The name of a parameter, for messages.
    fn name(&self, parameter: usize) -> String {
        format!("parameter {parameter}")
    }

    /// Which operation made residual `row` of a block, or its derivative by a parameter, not finite at `p`, if that is known.
    fn cause(
        &self,
        _p: &[f64],
        (_block, _row): (usize, usize),
        _parameter: Option<usize>,
    ) -> Option<String> {
        None
    }
}

/// A scalar loss with its gradient.
pub trait Objective {
    /// How many parameters there are.
    fn parameter_count(&self) -> usize;
    /// Returns the loss at `p` and writes its gradient (`parameter_count` entries). An error ends the fit.
    fn evaluate(&mut self, p: &[f64], gradient: &mut [f64]) -> Result<f64>;
}

/// Why a fit ended. The numbers are the `NCG_FIT_*` constants of the C ABI; none of these is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The gradient is zero within its tolerance.
    Gradient = 1,
    /// The loss falls by less than its tolerance, or cannot fall any more in floating point.
    Loss = 2,
    /// The step is below its tolerance.
    Step = 3,
    /// The iteration limit was reached.
    MaxIterations = 4,
    /// The time limit was reached.
    MaxTime = 5,
    /// The callback or the cancel flag asked to stop.
    Stopped = 6,
    /// The limit on evaluations was reached.
    MaxEvaluations = 7,
    /// The loss has come down to the target.
    Target = 8,
}

impl Stop {
    /// The name in reports, e.g. `"gradient"` or `"max_iterations"`.
    pub fn name(self) -> &'static str {
        match self {
            Stop::Gradient => "gradient",
            Stop::Loss => "loss",
            Stop::Step => "step",
            Stop::MaxIterations => "max_iterations",
            Stop::MaxTime => "max_time",
            Stop::Stopped => "stopped",
            Stop::MaxEvaluations => "max_evaluations",
            Stop::Target => "target",
        }
    }

    /// What it means, as a sentence for people.
    pub fn describe(self) -> &'static str {
        match self {
            Stop::Gradient => "the gradient is zero within its tolerance",
            Stop::Loss => "the loss cannot be lowered further",
            Stop::Step => "the parameters no longer move",
            Stop::MaxIterations => "the iteration limit was reached",
            Stop::MaxTime => "the time limit was reached",
            Stop::Stopped => "stopped on request",
            Stop::MaxEvaluations => "the limit on evaluations was reached",
            Stop::Target => "the loss has come down to its target",
        }
    }

    /// True for the three stops that mean an optimum was found.
    pub fn converged(self) -> bool {
        matches!(self, Stop::Gradient | Stop::Loss | Stop::Step)
    }
}

/// How the rate of Adam changes over the iterations that are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Schedule {
    /// Not at all.
    #[default]
    Constant,
    /// Down to zero along half a wave of the cosine.
    Cosine,
    /// Down to a thousandth, by the same factor each iteration.
    Exponential,
}

/// What an optimiser may spend and when it may call itself done. A tolerance of zero switches its test off.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Most iterations of one run; `None` is the optimiser's own limit ([`levmar::MAX_ITERATIONS`], [`lbfgs::MAX_ITERATIONS`],
    /// [`adam::MAX_ITERATIONS`]).
    pub max_iterations: Option<u64>,
    /// Most evaluations of one run, with or without derivatives; an iteration that has begun is not cut short.
    pub max_evaluations: Option<u64>,
    /// The loss that is low enough.
    pub target: f64,
    /// How the rate of Adam changes over the iterations that are allowed.
    pub schedule: Schedule,
    /// Most seconds of one run, wall clock.
    pub max_seconds: f64,
    /// Levenberg–Marquardt: the part of the residual vector that lies in the tangent space, relative to its length (the sine of Bates
    /// and Watts). Adam: the largest entry of the projected gradient times its parameter's size, relative to the loss.
    pub gtol: f64,
    /// Relative decrease of the loss below which the fit ends. Zero, the default, goes on until no decrease can be measured.
    pub ftol: f64,
    /// Relative change of every parameter below which the fit ends.
    pub xtol: f64,
    /// Step of Adam, in units of the parameter.
    pub learning_rate: f64,
    /// How many further strategies Levenberg–Marquardt may try from the same start when it ends at a singular Jacobian or has achieved little.
    pub restarts: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            max_iterations: None,
            max_evaluations: None,
            target: f64::NEG_INFINITY,
            schedule: Schedule::Constant,
            max_seconds: f64::INFINITY,
            gtol: 1e-12,
            ftol: 0.0,
            xtol: 1e-13,
            learning_rate: 0.01,
            restarts: 2,
        }
    }
}

impl Settings {
    /// Refuses tolerances, rates and limits that are negative or NaN.
    pub fn check(&self) -> Result<()> {
        let named = [
            ("max_seconds", self.max_seconds),
            ("gtol", self.gtol),
            ("ftol", self.ftol),
            ("xtol", self.xtol),
            ("learning_rate", self.learning_rate),
        ];
        for (name, value) in named {
            if value.is_nan() || value < 0.0 {
                let message = format!("{name} is {value}; it must be zero or positive");
                return Err(Error::new(ErrorKind::Argument, message));
            }
        }
        Ok(())
    }
}

/// Box bounds, one pair a parameter; infinite where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// Smallest allowed value of each parameter.
    pub lower: Vec<f64>,
    /// Largest allowed value of each parameter.
    pub upper: Vec<f64>,
}

impl Bounds {
    /// No bounds on `n` parameters.
    pub fn free(n: usize) -> Bounds {
        Bounds {
            lower: vec![f64::NEG_INFINITY; n],
            upper: vec![f64::INFINITY; n],
        }
    }

    /// Checks that there are `start.len()` pairs, that no lower bound exceeds its upper, and that `start` is finite and inside.
    pub fn check(&self, start: &[f64]) -> Result<()> {
        let n = start.len();
        if self.lower.len() != n || self.upper.len() != n {
            let (l, u) = (self.lower.len(), self.upper.len());
            let message = format!("{n} parameters, but {l} lower and {u} upper bounds");
            return Err(Error::new(ErrorKind::Argument, message));
        }
        for (i, ((&p, &lo), &hi)) in start.iter().zip(&self.lower).zip(&self.upper).enumerate() {
            let ordered = lo <= hi && lo < f64::INFINITY && hi > f64::NEG_INFINITY;
            if !ordered {
                let message = format!("parameter {i}: the bounds {lo} and {hi} enclose nothing");
                return Err(Error::new(ErrorKind::Argument, message));
            }
            if !p.is_finite() || p < lo || p > hi {
                let message =
                    format!("parameter {i}: the initial value {p} is not within {lo} and {hi}");
                return Err(Error::new(ErrorKind::Argument, message));
            }
        }
        Ok(())
    }

    /// Whether parameter `i` may not move against its gradient: it sits on a bound and the gradient pushes it outside.
    pub(crate) fn holds(&self, i: usize, value: f64, gradient: f64) -> bool {
        (value <= self.lower[i] && gradient >= 0.0) || (value >= self.upper[i] && gradient <= 0.0)
    }

    /// Which entries of `p` lie on a bound.
    pub fn at_bound(&self, p: &[f64]) -> Vec<bool> {
        let pairs = self.lower.iter().zip(&self.upper);
        p.iter()
            .zip(pairs)
            .map(|(&v, (&lo, &hi))| v <= lo || v >= hi)
            .collect()
    }
}

/// What a callback is told.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Iterations so far.
    pub iteration: u64,
    /// The loss at `params`.
    pub loss: f64,
    /// The measure that `gtol` bounds.
    pub gradient_norm: f64,
    /// Seconds since the run began.
    pub seconds: f64,
    /// The current parameters: the best so far in a run of one strategy.
    pub params: &'a [f64],
    /// Which start the run belongs to: 0 begins at the initial values, those behind it are the other starts and then the hops.
    pub start: usize,
}

/// The caller's view of a running fit: a callback, a cancel flag, or neither.
#[derive(Default)]
pub struct Monitor<'a> {
    /// Called every `every` iterations on the calling thread; returns true to stop.
    pub callback: Option<&'a mut dyn FnMut(&Progress) -> bool>,
    /// Set to true from any thread to stop.
    pub cancel: Option<&'a AtomicBool>,
    /// How many iterations pass between two calls; 0 counts as 1.
    pub every: u64,
    /// The start that the callback is told of.
    pub start: usize,
    /// Writes the state of the optimiser on the way; only a [`fitter::Fitter`] makes one.
    pub save: Option<Save<'a>>,
}

/// What writes the state of an optimiser every so many seconds.
pub struct Save<'a> {
    every: f64,
    last: Instant,
    /// Takes the state with the iterations and evaluations of the run.
    write: &'a mut dyn FnMut(job::State, (u64, u64)) -> Result<()>,
}

impl Save<'_> {
    /// The same for a shorter time.
    fn lend(&mut self) -> Save<'_> {
        Save {
            every: self.every,
            last: self.last,
            write: &mut *self.write,
        }
    }
}

impl Monitor<'_> {
    /// The same for a shorter time.
    fn lend(&mut self) -> Monitor<'_> {
        Monitor {
            callback: match &mut self.callback {
                Some(callback) => Some(&mut **callback),
                None => None,
            },
            cancel: self.cancel,
            every: self.every,
            start: self.start,
            save: self.save.as_mut().map(Save::lend),
        }
    }

    /// Checks flag, limits and callback, in this order; says why to stop, if so.
    fn check(
        &mut self,
        settings: &Settings,
        default_limit: u64,
        (iterations, evaluations): (u64, u64),
        progress: &Progress,
    ) -> Option<Stop> {
        if self.cancelled() {
            return Some(Stop::Stopped);
        }
        let due = progress.iteration.is_multiple_of(self.every.max(1));
        if let (true, Some(callback)) = (due, self.callback.as_mut())
            && callback(progress)
        {
            return Some(Stop::Stopped);
        }
        if self.cancelled() {
            return Some(Stop::Stopped);
        }
        if progress.loss <= settings.target {
            return Some(Stop::Target);
        }
        if settings
            .max_evaluations
            .is_some_and(|most| evaluations >= most)
        {
            return Some(Stop::MaxEvaluations);
        }
        if iterations >= settings.max_iterations.unwrap_or(default_limit) {
            return Some(Stop::MaxIterations);
        }
        (progress.seconds >= settings.max_seconds).then_some(Stop::MaxTime)
    }

    /// Writes the state if it is time to.
    fn save(&mut self, spent: (u64, u64), state: impl FnOnce() -> job::State) -> Result<()> {
        if let Some(save) = &mut self.save
            && seconds_since(save.last) >= save.every
        {
            (save.write)(state(), spent)?;
            save.last = Instant::now();
        }
        Ok(())
    }

    fn cancelled(&self) -> bool {
        self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

/// The result of a fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The best parameters found.
    pub params: Vec<f64>,
    /// The loss there: for least squares the sum of squared residuals.
    pub loss: f64,
    /// Iterations of this run: steps tried, accepted or not.
    pub iterations: u64,
    /// Evaluations of the problem in this run, with or without derivatives.
    pub evaluations: u64,
    /// Wall-clock seconds of this run.
    pub seconds: f64,
    /// Why it ended.
    pub stop: Stop,
    /// The measure that `gtol` bounds, at `params`.
    pub gradient_norm: f64,
    /// Parameters held at a bound by the gradient.
    pub held: Vec<bool>,
    /// For least squares: `[R, Q'r]`, the Jacobian and residuals at `params` reduced by [`reduce`]; [`statistics`] reads it.
    pub triangle: Option<Vec<f64>>,
}

/// Seconds since `start`.
fn seconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}
