//! What a fit has found, told: outcome, intervals, report, and the model with the fitted values.

use std::sync::Arc;

use super::fitter::{AnySession, Fitter};
use super::job::Found;
use super::loss::Kind;
use super::plan::bounds;
use super::profile::Interval;
use super::report::{Context, Report, Stream, Tied};
use super::statistics::{Noise, Statistics, statistics};
use super::stream::Moments;
use super::{Monitor, Outcome, Settings};
use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::PortKind;

impl Fitter {
    /// The intervals of the profile likelihood of a fit that has converged, found within so many seconds. Every loss has them: it is
    /// a sum of squares, scaled as the errors are, or minus twice a log likelihood; that of `value` is taken for minus a log
    /// likelihood.
    pub(super) fn profile(&mut self, seconds: f64, monitor: &Monitor) -> Result<Vec<Interval>> {
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
