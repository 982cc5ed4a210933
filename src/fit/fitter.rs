//! One fit from start to report: a model, its free parameters, data, an optimiser, and what it found.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::problem::{Data, Problem, SumOfSquares};
use super::profile::{self, Interval};
use super::report::Report;
use super::statistics::{Noise, statistics};
use super::{
    Bounds, Monitor, Outcome, Residuals, Settings, Stop, adam, levmar, reduce, triangle_len,
};
use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::PortKind;
use crate::options::Options;
use crate::session::{Element, Session};

/// A parameter that moves.
#[derive(Clone, Debug, PartialEq)]
struct Free {
    /// Its index among the model's parameters.
    index: usize,
    initial: f64,
    lower: f64,
    upper: f64,
}

/// How far the optimiser has come; running again goes on from here.
enum State {
    New,
    LevMar(levmar::State),
    Adam(adam::State),
}

/// A session in the precision that was asked for.
enum AnySession {
    F64(Session<f64>),
    F32(Session<f32>),
}

/// A fitting problem. Parameters that are not added keep their initial values; if none is added, all of them move.
pub struct Fitter {
    model: Arc<Model>,
    settings: Settings,
    adam: bool,
    session: AnySession,
    free: Vec<Free>,
    data: Option<Data>,
    noise: Noise,
    confidence: f64,
    profile: bool,
    state: State,
    outcome: Option<Outcome>,
    profiles: Option<Vec<Interval>>,
    iterations: u64,
    evaluations: u64,
    seconds: f64,
}

impl Fitter {
    /// Prepares a fit. Options: those of a session, and `optimizer`, `loss`, `max_iterations`, `max_seconds`, `gtol`,
    /// `ftol`, `xtol`, `learning_rate`, `noise`, `confidence`, `profile`.
    pub fn new(model: Arc<Model>, options: &Options) -> Result<Fitter> {
        let session = match options.str("dtype") {
            "f32" => AnySession::F32(Session::new(model.clone(), options)?),
            _ => AnySession::F64(Session::new(model.clone(), options)?),
        };
        let limit = options.int("max_iterations") as u64;
        let settings = Settings {
            max_iterations: (limit > 0).then_some(limit),
            max_seconds: options.real("max_seconds"),
            gtol: options.real("gtol"),
            ftol: options.real("ftol"),
            xtol: options.real("xtol"),
            learning_rate: options.real("learning_rate"),
            restarts: Settings::default().restarts,
        };
        let confidence = options.real("confidence");
        if !(confidence > 0.0 && confidence < 1.0) {
            let message = format!("confidence is {confidence}; it must be between 0 and 1");
            return Err(Error::new(ErrorKind::Argument, message));
        }
        Ok(Fitter {
            model,
            settings,
            adam: options.str("optimizer") == "adam",
            session,
            free: Vec::new(),
            data: None,
            noise: match options.str("noise") {
                "known" => Noise::Known,
                _ => Noise::Estimated,
            },
            confidence,
            profile: options.str("profile") == "true",
            state: State::New,
            outcome: None,
            profiles: None,
            iterations: 0,
            evaluations: 0,
            seconds: 0.0,
        })
    }

    /// The model that is fitted.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// What evaluates the model, e.g. `"native cpu f64 threads=1"`.
    pub fn describe(&self) -> String {
        match &self.session {
            AnySession::F64(session) => session.describe(),
            AnySession::F32(session) => session.describe(),
        }
    }

    /// The name of the engine alone.
    pub fn engine(&self) -> &'static str {
        match &self.session {
            AnySession::F64(session) => session.engine(),
            AnySession::F32(session) => session.engine(),
        }
    }

    /// Lets a parameter move between two bounds, which may be infinite.
    pub fn add_parameter(
        &mut self,
        name: &str,
        initial: f64,
        lower: f64,
        upper: f64,
    ) -> Result<()> {
        let ports = self.model.graph.parameters();
        let names = || {
            ports
                .iter()
                .map(|port| &*self.model.graph.ports[*port].name)
        };
        let Some(index) = names().position(|other| other == name) else {
            let hint = crate::suggest::closest(name, names());
            let hint = hint.map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
            let message = format!("the model has no parameter \"{name}\"{hint}");
            return Err(Error::new(ErrorKind::Argument, message));
        };
        if self.free.iter().any(|free| free.index == index) {
            return Err(Error::new(
                ErrorKind::Argument,
                format!("parameter \"{name}\" has been added already"),
            ));
        }
        let free = Free {
            index,
            initial,
            lower,
            upper,
        };
        check(name, &free)?;
        self.free.push(free);
        self.reset();
        Ok(())
    }

    /// How the residuals are measured: what the option `noise` says, until [`Fitter::set_data`] says otherwise.
    pub fn noise(&self) -> Noise {
        self.noise
    }

    /// Takes the observations. `noise` says whether the weights are one over known variances.
    pub fn set_data(&mut self, data: Data, noise: Noise) -> Result<()> {
        let graph = &self.model.graph;
        let (inputs, outputs) = (graph.inputs().len(), graph.outputs.len());
        let fits = data.x.len() == inputs * data.samples
            && data.y.len() == outputs * data.samples
            && (data.weights.is_empty() || data.weights.len() == data.y.len());
        if !fits {
            let message =
                format!("the data do not fit a model with {inputs} inputs and {outputs} outputs");
            return Err(Error::new(ErrorKind::Shape, message));
        }
        if data.samples == 0 {
            return Err(Error::new(
                ErrorKind::Argument,
                "a fit needs at least one sample",
            ));
        }
        self.data = Some(data);
        self.noise = noise;
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        self.state = State::New;
        self.outcome = None;
        self.profiles = None;
        (self.iterations, self.evaluations, self.seconds) = (0, 0, 0.0);
    }

    /// The parameters that move: those that were added, or all of the model.
    fn moving(&self) -> Vec<Free> {
        if !self.free.is_empty() {
            return self.free.clone();
        }
        let parameters = self
            .model
            .graph
            .ports
            .iter()
            .filter_map(|port| match port.kind {
                PortKind::Parameter {
                    initial,
                    lower,
                    upper,
                } => Some((initial, lower, upper)),
                PortKind::Input => None,
            });
        let free = parameters
            .enumerate()
            .map(|(index, (initial, lower, upper))| Free {
                index,
                initial,
                lower,
                upper,
            });
        free.collect()
    }

    /// The names of the parameters that move, in order.
    pub fn names(&self) -> Vec<Arc<str>> {
        let ports = self.model.graph.parameters();
        self.moving()
            .iter()
            .map(|free| self.model.graph.ports[ports[free.index]].name.clone())
            .collect()
    }

    /// Runs until it stops; running again goes on. `cancel` may be set from another thread, and takes the place of the
    /// monitor's flag.
    ///
    /// # Errors
    /// `Argument` without data or parameters, `Numeric` where the loss is not finite at the start.
    pub fn run(&mut self, monitor: &mut Monitor, cancel: &AtomicBool) -> Result<Stop> {
        let moving = self.moving();
        if moving.is_empty() {
            let message = "the model has no parameter to fit: declare one with (parameter NAME INIT), or name it in the option \"params\" (of the command: --parameter NAME=INIT)";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let Some(data) = self.data.take() else {
            return Err(Error::new(ErrorKind::Argument, "the fit has no data yet"));
        };
        let mut state = std::mem::replace(&mut self.state, State::New);
        let job = Job {
            model: &self.model,
            settings: &self.settings,
            adam: self.adam,
            data: &data,
            moving: &moving,
        };
        let monitor = &mut Monitor {
            callback: match &mut monitor.callback {
                Some(callback) => Some(&mut **callback),
                None => None,
            },
            cancel: Some(cancel),
            every: monitor.every,
        };
        let result = match &mut self.session {
            AnySession::F64(session) => job.run(session, monitor, &mut state),
            AnySession::F32(session) => job.run(session, monitor, &mut state),
        };
        self.state = state;
        self.data = Some(data);
        let outcome = result?;
        self.iterations += outcome.iterations;
        self.evaluations += outcome.evaluations;
        self.seconds += outcome.seconds;
        let stop = outcome.stop;
        self.outcome = Some(Outcome {
            iterations: self.iterations,
            evaluations: self.evaluations,
            seconds: self.seconds,
            ..outcome
        });
        self.profiles = None;
        if self.profile && stop.converged() {
            self.profiles = Some(self.profile(monitor)?);
        }
        Ok(stop)
    }

    /// The intervals of the profile likelihood of a fit that has converged.
    fn profile(&mut self, monitor: &Monitor) -> Result<Vec<Interval>> {
        let report = self.report()?;
        let Some(statistics) = &report.statistics else {
            return Ok(vec![[None, None]; report.names.len()]);
        };
        let (Some(quantile), Some(variance)) = (report.quantile(), statistics.variance) else {
            return Ok(vec![[None, None]; report.names.len()]);
        };
        let moving = self.moving();
        let Some(data) = &self.data else {
            return Err(Error::new(ErrorKind::Argument, "the fit has no data yet"));
        };
        let job = Job {
            model: &self.model,
            settings: &self.settings,
            adam: self.adam,
            data,
            moving: &moving,
        };
        let with = (quantile, variance);
        match &mut self.session {
            AnySession::F64(session) => job.profile(session, &report, with, monitor),
            AnySession::F32(session) => job.profile(session, &report, with, monitor),
        }
    }

    /// The result of the last run.
    pub fn outcome(&self) -> Result<&Outcome> {
        self.outcome
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Argument, "the fit has not run yet"))
    }

    /// Everything that is told about the result.
    pub fn report(&self) -> Result<Report> {
        let outcome = self.outcome()?.clone();
        let moving = self.moving();
        let names: Vec<String> = self.names().iter().map(|name| name.to_string()).collect();
        let observations = self.data.as_ref().map_or(0, |data| data.y.len());
        let statistics = match &outcome.triangle {
            None => None,
            Some(triangle) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                statistics(
                    triangle,
                    observations,
                    outcome.loss,
                    &outcome.held,
                    &names,
                    self.noise,
                )
                .ok()
            }
        };
        Ok(Report {
            initial: moving.iter().map(|free| free.initial).collect(),
            bounds: bounds(&moving),
            names,
            outcome,
            statistics,
            noise: self.noise,
            observations,
            total_sum_of_squares: self.data.as_ref().map(total_sum_of_squares),
            engine: self.describe(),
            confidence: self.confidence,
            profiles: self.profiles.clone(),
        })
    }

    /// The model with the fitted values as its initial ones, and the report with it.
    pub fn bake(&self) -> Result<Model> {
        let outcome = self.outcome()?;
        let mut model = (*self.model).clone();
        let ports = model.graph.parameters();
        for (free, value) in self.moving().iter().zip(&outcome.params) {
            model.graph.ports[ports[free.index]].kind = PortKind::Parameter {
                initial: *value,
                lower: free.lower,
                upper: free.upper,
            };
        }
        let mut report = self.report()?.to_json();
        // the same fit is the same file, however long it took
        if let Some(report) = report.as_object_mut() {
            report.remove("seconds");
        }
        model.fit = Some(Arc::from(report.to_string()));
        Ok(model)
    }
}

fn check(name: &str, free: &Free) -> Result<()> {
    let Free {
        initial,
        lower,
        upper,
        ..
    } = *free;
    let ordered = lower <= upper && lower < f64::INFINITY && upper > f64::NEG_INFINITY;
    let message = if !ordered {
        format!("parameter \"{name}\": the bounds {lower} and {upper} enclose nothing")
    } else if !initial.is_finite() || initial < lower || initial > upper {
        format!(
            "parameter \"{name}\": the initial value {initial} is not within its bounds {lower} and {upper}"
        )
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Argument, message))
}

fn bounds(moving: &[Free]) -> Bounds {
    Bounds {
        lower: moving.iter().map(|free| free.lower).collect(),
        upper: moving.iter().map(|free| free.upper).collect(),
    }
}

/// The weighted sum of squared deviations of the targets from their weighted means, output by output.
fn total_sum_of_squares(data: &Data) -> f64 {
    let mut total = 0.0;
    for (o, column) in data.y.chunks_exact(data.samples.max(1)).enumerate() {
        let weight = |s: usize| {
            data.weights
                .get(o * data.samples + s)
                .copied()
                .unwrap_or(1.0)
        };
        let weights: f64 = (0..column.len()).map(weight).sum();
        let mean = column
            .iter()
            .enumerate()
            .map(|(s, y)| weight(s) * y)
            .sum::<f64>()
            / weights;
        total += column
            .iter()
            .enumerate()
            .map(|(s, y)| weight(s) * (y - mean) * (y - mean))
            .sum::<f64>();
    }
    total
}

/// What one run needs beside the session.
struct Job<'a> {
    model: &'a Model,
    settings: &'a Settings,
    adam: bool,
    data: &'a Data,
    moving: &'a [Free],
}

impl Job<'_> {
    fn run<T: Element>(
        &self,
        session: &mut Session<T>,
        monitor: &mut Monitor,
        state: &mut State,
    ) -> Result<Outcome> {
        let start: Vec<f64> = self.moving.iter().map(|free| free.initial).collect();
        let bounds = bounds(self.moving);
        let mut problem = self.problem(session)?;
        if !self.adam {
            if !matches!(state, State::LevMar(_)) {
                *state = State::LevMar(levmar::State::new(&start));
            }
            let State::LevMar(state) = state else {
                return Err(Error::new(ErrorKind::Argument, "the fit has no state"));
            };
            return levmar::minimize(&mut problem, &bounds, self.settings, monitor, state);
        }
        if !matches!(state, State::Adam(_)) {
            *state = State::Adam(adam::State::new(&start));
        }
        let State::Adam(state) = state else {
            return Err(Error::new(ErrorKind::Argument, "the fit has no state"));
        };
        let mut loss = SumOfSquares::new(problem);
        let outcome = adam::minimize(&mut loss, &bounds, self.settings, monitor, state)?;
        self.with_triangle(loss.into_problem(), outcome)
    }

    /// The residuals of the model on the data.
    fn problem<'s, T: Element>(&'s self, session: &'s mut Session<T>) -> Result<Problem<'s, T>> {
        let ports = self.model.graph.ports.iter();
        let fixed = ports.filter_map(|port| match port.kind {
            PortKind::Parameter { initial, .. } => Some(initial),
            PortKind::Input => None,
        });
        let fixed: Vec<f64> = fixed.collect();
        let free: Vec<usize> = self.moving.iter().map(|free| free.index).collect();
        Problem::new(session, self.data, &fixed, &free)
    }

    fn profile<T: Element>(
        &self,
        session: &mut Session<T>,
        report: &Report,
        (quantile, variance): (f64, f64),
        monitor: &Monitor,
    ) -> Result<Vec<Interval>> {
        let mut problem = self.problem(session)?;
        profile::intervals(
            &mut problem,
            &report.outcome,
            &report.bounds,
            &report.std_errors(),
            (quantile, variance),
            self.settings,
            monitor,
        )
    }

    /// Adds what the statistics need, and the loss as the sum of squares that they expect.
    fn with_triangle<T: Element>(
        &self,
        mut problem: Problem<T>,
        outcome: Outcome,
    ) -> Result<Outcome> {
        let (rows, columns) = (problem.residual_count(), problem.parameter_count());
        let mut residuals = vec![0.0; rows];
        let mut jacobian = vec![0.0; rows * columns];
        problem.evaluate(&outcome.params, &mut residuals, Some(&mut jacobian))?;
        let mut triangle = vec![0.0; triangle_len(columns)];
        reduce(&jacobian, &residuals, columns, &mut triangle);
        Ok(Outcome {
            loss: residuals.iter().map(|r| r * r).sum(),
            triangle: Some(triangle),
            ..outcome
        })
    }
}
