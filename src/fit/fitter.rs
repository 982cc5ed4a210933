//! One fit from start to report: a model, its free parameters, data, an optimiser, and what it found.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::job::{Found, Job, State};
use super::loss::{Kind, Whitening};
use super::plan::{Free, Optimizer, Plan, bounds, names};
use super::problem::Data;
use super::profile::Interval;
use super::report::{Context, Report, Stream, Tied};
use super::shared::{Blocks, Gather, Sharing};
use super::statistics::{Noise, Statistics, statistics};
use super::stream::Moments;
use super::subject::Subject;
use super::window::Window;
use super::{Monitor, Outcome, Save, Settings, Stop, seconds_since};
use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::PortKind;
use crate::options::Options;
use crate::session::{Session, Traffic};

/// A session in the precision that was asked for.
pub(super) enum AnySession {
    F64(Session<f64>),
    F32(Session<f32>),
}

impl AnySession {
    fn new(model: &Arc<Model>, options: &Options) -> Result<AnySession> {
        Ok(match options.str("dtype") {
            "f32" => AnySession::F32(Session::new(model.clone(), options)?),
            _ => AnySession::F64(Session::new(model.clone(), options)?),
        })
    }

    /// Says that the data are others.
    fn release(&mut self) {
        match self {
            AnySession::F64(session) => session.release(),
            AnySession::F32(session) => session.release(),
        }
    }
}

/// A fitting problem. Parameters that are not added keep their initial values; if none is added, all of them move.
pub struct Fitter {
    pub(super) model: Arc<Model>,
    options: Options,
    pub(super) plan: Plan,
    pub(super) session: AnySession,
    free: Vec<Free>,
    pub(super) data: Option<Data>,
    /// Whether the data, or rows that were added, have weights.
    pub(super) weighted: bool,
    pub(super) noise: Noise,
    pub(super) whitening: Option<Whitening>,
    pub(super) window: Window,
    /// How the observations of all processes are cut, if several fit together, and how many there are, when that is known.
    pub(super) blocks: Option<(Blocks, usize)>,
    pub(super) state: State,
    pub(super) found: Option<Found>,
    pub(super) profiles: Option<Vec<Interval>>,
    pub(super) iterations: u64,
    pub(super) evaluations: u64,
    pub(super) seconds: f64,
}

impl Fitter {
    /// Prepares a fit. Options: those of a session, and those whose description begins with "Fit".
    pub fn new(model: Arc<Model>, options: &Options) -> Result<Fitter> {
        let session = AnySession::new(&model, options)?;
        let plan = Plan::new(options)?;
        let fitter = Fitter {
            noise: plan.noise,
            options: options.clone(),
            model,
            plan,
            session,
            free: Vec::new(),
            data: None,
            weighted: false,
            whitening: None,
            window: Window::default(),
            blocks: None,
            state: State::New,
            found: None,
            profiles: None,
            iterations: 0,
            evaluations: 0,
            seconds: 0.0,
        };
        fitter.moving()?;
        Ok(fitter)
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

    /// How much work the data have been where the session computes, if they stay there.
    pub fn traffic(&self) -> Traffic {
        match &self.session {
            AnySession::F64(session) => session.traffic(),
            AnySession::F32(session) => session.traffic(),
        }
    }

    /// The name of the engine alone.
    pub fn engine(&self) -> &'static str {
        match &self.session {
            AnySession::F64(session) => session.engine(),
            AnySession::F32(session) => session.engine(),
        }
    }

    /// What hangs on the data alone and is computed once for them, as [`Session::held`] says.
    pub fn computed_once(&self) -> [(usize, u64); 2] {
        match &self.session {
            AnySession::F64(session) => session.held(),
            AnySession::F32(session) => session.held(),
        }
    }

    /// Lets a parameter move between two bounds, which may be infinite. The name of a vector or matrix stands for all its numbers.
    pub fn add_parameter(
        &mut self,
        name: &str,
        initial: f64,
        lower: f64,
        upper: f64,
    ) -> Result<()> {
        if self.window.summary.is_some() {
            let message = "parameters are added before rows that are not kept";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let index = match Plan::index(&self.model, "", name) {
            Ok(index) => index,
            Err(error) => return self.add_array(name, [initial, lower, upper], error),
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

    /// Adds the numbers `NAME.0`, `NAME.1`, ... of an array; `error` says that there is no parameter of that name alone.
    fn add_array(
        &mut self,
        name: &str,
        [initial, lower, upper]: [f64; 3],
        error: Error,
    ) -> Result<()> {
        let all = self.model.graph.parameters();
        let all = names(&self.model, 0..all.len());
        let within = |full: &str| {
            let rest = full
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('.'));
            rest.is_some_and(|rest| rest.split('.').all(|i| i.parse::<usize>().is_ok()))
        };
        let members: Vec<&Arc<str>> = all.iter().filter(|full| within(full)).collect();
        if members.is_empty() {
            return Err(error);
        }
        for member in members {
            self.add_parameter(member, initial, lower, upper)?;
        }
        Ok(())
    }

    /// Whether what weights mean has been said, or does not matter: to least squares and robust losses the option `noise` says it,
    /// to likelihoods they are counts.
    pub fn knows_weights(&self) -> bool {
        self.plan.kind.is_likelihood() || self.options.is_set("noise")
    }

    /// How the residuals are measured: what the option `noise` says, until [`Fitter::set_data`] says otherwise.
    pub fn noise(&self) -> Noise {
        self.noise
    }

    /// Takes the observations in place of those before. `noise` says whether the weights are one over known variances.
    pub fn set_data(&mut self, data: Data, noise: Noise) -> Result<()> {
        self.check_data(&data)?;
        self.weighted = !data.weights.is_empty();
        self.put(data);
        self.noise = noise;
        self.whitening = None;
        self.window = Window::default();
        self.reset();
        Ok(())
    }

    /// Takes the place of the observations that are kept.
    pub(super) fn put(&mut self, data: Data) {
        self.data = Some(data);
        self.session.release();
    }

    /// The observations that are kept; of a stream with a window, those of the last run.
    pub fn data(&self) -> Option<&Data> {
        self.data.as_ref()
    }

    pub(super) fn check_data(&self, data: &Data) -> Result<()> {
        let graph = &self.model.graph;
        let (inputs, outputs) = (graph.inputs().len(), graph.outputs.len());
        let targets = self.plan.kind.targets(outputs)?;
        let fits = data.x.len() == inputs * data.samples
            && data.y.len() == targets * data.samples
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
        let counts = self.plan.kind == Kind::Poisson;
        if let Some(row) = data.y.iter().position(|y| counts && *y < 0.0) {
            let (row, count) = (row % data.samples, data.y[row]);
            let message = format!(
                "loss=poisson fits counts, but the target at row {row} (counted from 0) is {count}"
            );
            return Err(Error::new(ErrorKind::Argument, message));
        }
        Ok(())
    }

    /// How many targets each sample has.
    pub fn targets(&self) -> Result<usize> {
        self.plan.kind.targets(self.model.graph.outputs.len())
    }

    /// Takes the covariance of the observations, row by row: of all samples of the first target, then of the next. It takes the
    /// place of standard deviations and is known, not relative.
    ///
    /// # Errors
    /// `Argument` before there are data, with weights beside it, where its size is another, or where it is not symmetric and
    /// positive definite; `Unsupported` for a loss that is not made of residuals.
    pub fn set_covariance(&mut self, covariance: &[f64]) -> Result<()> {
        self.settle()?;
        let Some(data) = &self.data else {
            return Err(Error::new(ErrorKind::Argument, "the fit has no data yet"));
        };
        if self.window.summary.is_some() {
            let message = "rows that are not kept have no covariance with others";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        if self.plan.kind.is_likelihood() {
            let message = format!(
                "loss={} has a variance of its own; a covariance of the data goes with least squares and robust losses",
                self.plan.kind.name()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if !data.weights.is_empty() {
            let message = "the data have weights and a covariance; one of them is enough";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        if self.blocks.is_some() {
            let message = "a shared fit takes no covariance of the data";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        self.whitening = Some(Whitening::new(covariance, data.y.len())?);
        self.noise = Noise::Known;
        self.reset();
        Ok(())
    }

    pub(super) fn reset(&mut self) {
        self.state = State::New;
        self.found = None;
        self.profiles = None;
        (self.iterations, self.evaluations, self.seconds) = (0, 0, 0.0);
    }

    /// The parameters that move: of those that were added, or of all of the model, those that are neither fixed nor tied.
    pub(super) fn moving(&self) -> Result<Vec<Free>> {
        self.plan.moving(&self.model, &self.free)
    }

    /// The names of the parameters that move, in order.
    pub fn names(&self) -> Vec<Arc<str>> {
        // the options were checked when the fit was made
        let moving = self.moving().unwrap_or_default();
        names(&self.model, moving.iter().map(|free| free.index))
    }

    /// Runs until it stops; running again goes on. `cancel` may be set from another thread, and takes the place of the
    /// monitor's flag.
    ///
    /// # Errors
    /// `Argument` without data or parameters, `Numeric` where the loss is not finite at the start.
    pub fn run(&mut self, monitor: &mut Monitor, cancel: &AtomicBool) -> Result<Stop> {
        self.run_with(monitor, cancel, None)
    }

    /// Makes the fit one of several processes, each of which holds the data of some of the blocks. All run it at the same time, by
    /// [`Fitter::run_with`], with the same model, parameters and options, and find the same.
    ///
    /// # Errors
    /// `Argument` for no blocks, `Unsupported` for options that do not go with it.
    pub fn share(&mut self, blocks: Blocks) -> Result<()> {
        if blocks.count == 0 || blocks.samples == 0 {
            let message = "a shared fit needs at least one block, of at least one sample";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let plan = &self.plan;
        let reasons = [
            (plan.kind != Kind::Squares, "loss=squares"),
            (plan.optimizer != Optimizer::LevMar, "optimizer=levmar"),
            (plan.starts > 1, "starts=1"),
            (plan.hops > 0, "hops=0"),
            (plan.profile, "profile=false"),
            (plan.smoothing.is_some(), "no smoothing"),
            (
                plan.settings.max_seconds.is_finite(),
                "no max_seconds, which not all would meet at the same time",
            ),
            (
                plan.window.is_some() || self.window.hash.is_some(),
                "no window, so that each process keeps its rows",
            ),
            (self.whitening.is_some(), "no covariance of the data"),
        ];
        if let Some((_, needs)) = reasons.iter().find(|(applies, _)| *applies) {
            let message = format!("a shared fit needs {needs}");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        self.settle()?;
        // where one process has come to before is no start of all
        self.window.estimate = None;
        self.reset();
        self.blocks = Some((blocks, 0));
        Ok(())
    }

    /// As [`Fitter::run`], together with the processes whose numbers `gather` brings.
    ///
    /// # Errors
    /// `Argument` where a fit is shared and there is no `gather`, `Engine` where `gather` or another process fails.
    pub fn run_with(
        &mut self,
        monitor: &mut Monitor,
        cancel: &AtomicBool,
        gather: Option<&mut Gather<'_>>,
    ) -> Result<Stop> {
        let (agreed, late) = (AtomicBool::new(false), Cell::new(None));
        let mut sharing = match (self.blocks, gather) {
            (None, _) => None,
            (Some((blocks, _)), Some(gather)) => Some(Sharing {
                blocks,
                gather,
                cancel: Some(cancel),
                agreed: &agreed,
                late: &late,
            }),
            (Some(_), None) => {
                let message = "the fit is shared, and nothing gathers the numbers of the processes";
                return Err(Error::new(ErrorKind::Argument, message));
            }
        };
        if let Some(sharing) = &mut sharing {
            let own = self.own_observations();
            let all = sharing.observations(own)?;
            self.blocks = Some((sharing.blocks, all));
        }
        let began = Instant::now();
        let stop = self.advance(monitor, cancel, sharing)?;
        if self.plan.profile && stop.converged() {
            let monitor = Monitor {
                cancel: Some(cancel),
                ..Monitor::default()
            };
            let left = self.plan.settings.max_seconds - seconds_since(began);
            self.profiles = Some(self.profile(left.max(0.0), &monitor)?);
        }
        Ok(stop)
    }

    /// How many observations this process has and in how many samples, or why it cannot run.
    fn own_observations(&mut self) -> Result<(usize, usize)> {
        self.settle()?;
        self.saver(Instant::now())?;
        self.with_job(None, |job, _| {
            let start: Vec<f64> = job.subject.moving.iter().map(|free| free.initial).collect();
            job.mapping.bounds.check(&start)?;
            Ok((job.subject.data.y.len(), job.subject.data.samples))
        })
    }

    /// As [`Fitter::run_with`], without profiles.
    pub(super) fn advance(
        &mut self,
        monitor: &mut Monitor,
        cancel: &AtomicBool,
        sharing: Option<Sharing>,
    ) -> Result<Stop> {
        self.settle()?;
        let began = Instant::now();
        let mut saver = self.saver(began)?;
        // the other processes must hear of a failure before this one leaves
        let late = sharing.as_ref().map(|sharing| sharing.late);
        let mut saver = saver.as_mut().map(|write| {
            move |state: State, spent: (u64, u64)| match (write(state, spent), late) {
                (Err(error), Some(late)) => {
                    late.set(Some(error));
                    Ok(())
                }
                (done, _) => done,
            }
        });
        let mut state = std::mem::replace(&mut self.state, State::New);
        let monitor = &mut Monitor {
            callback: match &mut monitor.callback {
                Some(callback) => Some(&mut **callback),
                None => None,
            },
            cancel: Some(cancel),
            every: monitor.every,
            start: 0,
            save: saver.as_mut().map(|write| Save {
                every: self.plan.checkpoint_seconds,
                last: began,
                write,
            }),
        };
        let (options, estimate) = (self.options.clone(), self.window.estimate.clone());
        let result = self.with_job(sharing, |job, session| {
            if let (State::New, Some(estimate)) = (&state, &estimate) {
                state = job.begin(estimate);
            }
            match session {
                AnySession::F64(session) => job.thaw(session, &options, monitor, &mut state),
                AnySession::F32(session) => job.thaw(session, &options, monitor, &mut state),
            }
        });
        self.state = state;
        let mut found = result?;
        if let Some(error) = late.and_then(Cell::take) {
            return Err(error);
        }
        let outcome = &mut found.outcome;
        self.iterations += outcome.iterations;
        self.evaluations += outcome.evaluations;
        self.seconds += outcome.seconds;
        outcome.iterations = self.iterations;
        outcome.evaluations = self.evaluations;
        outcome.seconds = self.seconds;
        let stop = outcome.stop;
        self.found = Some(found);
        self.profiles = None;
        Ok(stop)
    }

    /// Does something with the model, its data and what the options say of them.
    pub(super) fn with_job<R>(
        &mut self,
        sharing: Option<Sharing>,
        work: impl FnOnce(&mut Job, &mut AnySession) -> Result<R>,
    ) -> Result<R> {
        let moving = self.moving()?;
        let (mut mapping, tied) = self.plan.mapping(&self.model, &moving, self.noise)?;
        if moving.is_empty() && !self.model.graph.parameters().is_empty() {
            let message = "no parameter is left to fit: all of the model are fixed or tied";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        if moving.is_empty() {
            let message = "the model has no parameter to fit: declare one with (parameter NAME INIT), or name it in the option \"params\" (of the command: --parameter NAME=INIT)";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let Some(data) = &self.data else {
            return Err(Error::new(ErrorKind::Argument, "the fit has no data yet"));
        };
        mapping.summary = self.window.summary.clone();
        let mut job = Job {
            subject: Subject {
                model: &self.model,
                loss: self.plan.loss(self.noise)?,
                data,
                whitening: self.whitening.as_ref(),
                moving: &moving,
                tied: &tied,
            },
            plan: &self.plan,
            began: Instant::now(),
            mapping: &mut mapping,
            sharing,
        };
        work(&mut job, &mut self.session)
    }

    /// The intervals of the profile likelihood of a fit that has converged, found within so many seconds. Every loss has them: it is
    /// a sum of squares, scaled as the errors are, or minus twice a log likelihood; that of `value` is taken for minus a log
    /// likelihood.
    fn profile(&mut self, seconds: f64, monitor: &Monitor) -> Result<Vec<Interval>> {
        let report = self.report()?;
        let none = vec![[None, None]; report.names.len()];
        let Some(statistics) = &report.statistics else {
            return Ok(none);
        };
        let (Some(quantile), Some(variance)) = (report.quantile(), statistics.variance) else {
            return Ok(none);
        };
        let unit = match self.plan.kind {
            Kind::Value => 0.5,
            // near its minimum a robust loss is as steep as squares times the mean slope of the influence
            _ => self.found()?.robust.map_or(1.0, |(_, slope)| slope),
        };
        let with = (quantile, variance * unit);
        let settings = Settings {
            max_seconds: seconds,
            ..self.plan.settings.clone()
        };
        self.with_job(None, |job, session| match session {
            AnySession::F64(session) => job.profile(session, &report, with, &settings, monitor),
            AnySession::F32(session) => job.profile(session, &report, with, &settings, monitor),
        })
    }

    fn found(&self) -> Result<&Found> {
        self.found
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Argument, "the fit has not run yet"))
    }

    /// The result of the last run.
    pub fn outcome(&self) -> Result<&Outcome> {
        Ok(&self.found()?.outcome)
    }

    /// How many observations there are, what is known of parameters beforehand among them.
    fn observations(&self, priors: usize) -> usize {
        let data = self.data.as_ref();
        if let Some((_, all)) = self.blocks {
            return priors + all;
        }
        let gone = self.window.summary.as_ref().map_or(0, |s| s.residuals);
        priors
            + gone as usize
            + data.map_or(0, |data| match self.plan.kind {
                Kind::Value => data.samples,
                _ => data.y.len(),
            })
    }

    fn statistics(&self, found: &Found, names: &[&str], observations: usize) -> Option<Statistics> {
        let (kind, outcome) = (self.plan.kind, &found.outcome);
        let plain = kind == Kind::Squares;
        let noise = if plain { self.noise } else { Noise::Known };
        let triangle = outcome.triangle.as_ref()?;
        let (loss, held) = (outcome.loss, &outcome.held);
        let mut statistics = statistics(triangle, observations, loss, held, names, noise).ok()?;
        if !plain {
            statistics.residual_sd = None;
        }
        if kind.is_robust() {
            statistics.rescale(found.robust.map(|(variance, _)| variance));
        }
        if kind == Kind::Value {
            let note = "errors and intervals take the loss for minus a log likelihood";
            statistics.notes.push(note.into());
        }
        Some(statistics)
    }

    /// Everything that is told about the result.
    pub fn report(&self) -> Result<Report> {
        let found = self.found()?;
        let moving = self.moving()?;
        let (mapping, _) = self.plan.mapping(&self.model, &moving, self.noise)?;
        let names: Vec<String> = self.names().iter().map(|name| name.to_string()).collect();
        let short: Vec<&str> = names.iter().map(String::as_str).collect();
        let observations = self.observations(mapping.priors.len());
        let statistics = self.statistics(found, &short, observations);
        let kind = self.plan.kind;
        let tied = mapping.ties.iter().zip(&found.tied).enumerate();
        let tied = tied.map(|(t, (tie, value))| {
            let slopes = &found.slopes[t * names.len()..(t + 1) * names.len()];
            let error = statistics.as_ref().and_then(|s| s.error_along(slopes));
            Tied {
                name: tie.name.clone(),
                value: *value,
                std_error: error,
            }
        });
        let own = self.whitening.is_none() && self.blocks.is_none();
        let plain = kind == Kind::Squares && own && mapping.priors.is_empty();
        Ok(Report {
            initial: moving.iter().map(|free| free.initial).collect(),
            bounds: bounds(&moving),
            outcome: found.outcome.clone(),
            noise: if kind.is_likelihood() {
                Noise::Known
            } else {
                self.noise
            },
            observations,
            total_sum_of_squares: plain.then(|| self.total_sum_of_squares()),
            engine: self.describe(),
            confidence: self.plan.confidence,
            profiles: self.profiles.clone(),
            context: Context {
                loss: self.plan.loss(self.noise)?,
                optimizer: self.plan.optimizer.name(),
                tied: tied.collect(),
                priors: mapping.priors.len(),
                ends: found.ends.clone(),
                starts: self.plan.starts,
                smoothing: self.plan.smoothing,
                data_hash: self.data_hash(),
                stream: self.window.summary.clone().map(|summary| Stream {
                    held: self.data.as_ref().map_or(0, |data| data.samples as u64),
                    summary,
                }),
            },
            names,
            statistics,
        })
    }

    /// The weighted sum of squared deviations of the targets from their weighted means.
    fn total_sum_of_squares(&self) -> f64 {
        let kept = self.data.as_ref().map_or(Vec::new(), Moments::of);
        let gone = self.window.summary.as_ref().map(|s| &s.moments[..]);
        let all = kept.iter().enumerate().map(|(o, kept)| match gone {
            Some(gone) => gone[o].and(*kept),
            None => *kept,
        });
        all.map(|moments| moments.squares).sum()
    }

    /// The model with the fitted values as its initial ones, and the report with it.
    pub fn bake(&self) -> Result<Model> {
        let found = self.found()?;
        let moving = self.moving()?;
        let (_, tied) = self.plan.mapping(&self.model, &moving, self.noise)?;
        let mut model = (*self.model).clone();
        let ports = model.graph.parameters();
        let free = moving
            .iter()
            .map(|free| (free.index, Some((free.lower, free.upper))));
        let tied = tied.iter().map(|index| (*index, None));
        let values = found.outcome.params.iter().chain(&found.tied);
        for ((index, limits), value) in free.chain(tied).zip(values) {
            let kind = &mut model.graph.ports[ports[index]].kind;
            if let PortKind::Parameter {
                initial,
                lower,
                upper,
            } = kind
            {
                *initial = *value;
                // a tied value is not asked whether it is within bounds
                (*lower, *upper) = limits.unwrap_or((lower.min(*value), upper.max(*value)));
            }
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
