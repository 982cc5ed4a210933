//! Rows that are added over the life of a fit.

use std::sync::atomic::AtomicBool;

use super::Monitor;
use super::checkpoint::Kept;
use super::fitter::{AnySession, Fitter};
use super::hash::Hash;
use super::job::State;
use super::problem::Data;
use super::statistics::Noise;
use super::stream::Summary;
use crate::error::{Error, ErrorKind, Result};

/// What a fit knows of added rows beside its data.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Window {
    /// Rows that the data do not hold yet, one after the other: inputs, targets, weights.
    pub pending: Vec<f64>,
    /// What is left of rows that are not kept.
    pub summary: Option<Summary>,
    /// The hash of all rows in the order in which they came, where not all are kept.
    pub hash: Option<Hash>,
    /// The coordinates from which the next run begins.
    pub estimate: Option<Vec<f64>>,
}

/// How many numbers of each kind a row has.
#[derive(Clone, Copy)]
struct Width {
    inputs: usize,
    targets: usize,
    weights: usize,
}

impl Width {
    fn all(self) -> usize {
        self.inputs + self.targets + self.weights
    }
}

fn refuse<T>(kind: ErrorKind, message: &str) -> Result<T> {
    Err(Error::new(kind, message))
}

impl Fitter {
    /// Adds observations to those that are there; the next run goes on from the last estimate.
    ///
    /// With the option `window` the fit keeps at least so many of the last rows, at most twice as many. Whenever there are twice
    /// as many, the fit is run and the older half becomes part of a quadratic summary, linearised at the estimate (see
    /// [`super::stream`]); memory does not grow with the rows.
    ///
    /// No rows at all change nothing.
    ///
    /// # Errors
    /// As [`Fitter::set_data`]; `Argument` where some rows have weights and others have none, or beside a covariance;
    /// `Unsupported` for a fit that processes share, and with a window for losses other than squares; with a window also what a run returns. The rows before the
    /// one at which a run failed are then part of the fit.
    pub fn add_data(&mut self, data: Data, noise: Noise) -> Result<()> {
        if data.samples == 0 {
            return Ok(());
        }
        self.check_data(&data)?;
        if self.blocks.is_some() {
            return refuse(
                ErrorKind::Unsupported,
                "rows cannot be added to a shared fit, whose blocks would no longer be those of all processes; set all data anew",
            );
        }
        let window = self.plan.window()?;
        if self.whitening.is_some() {
            return refuse(
                ErrorKind::Argument,
                "rows cannot be added to observations with a covariance",
            );
        }
        let width = self.width(!data.weights.is_empty())?;
        if self.has_data() && (self.weighted, self.noise) != (width.weights > 0, noise) {
            return refuse(
                ErrorKind::Argument,
                "the rows before have weights and these have none, or the other way round, or they mean something else",
            );
        }
        if window.is_some() && self.window.hash.is_none() {
            let mut hash = Hash::default();
            self.hash_rows(&mut hash);
            self.window.hash = Some(hash);
        }
        (self.weighted, self.noise) = (width.weights > 0, noise);
        self.leave();
        let most = window.map_or(usize::MAX, |rows| rows.saturating_mul(2));
        let mut row = 0;
        while row < data.samples {
            let held = self.held(width);
            if held >= most {
                self.condense(most / 2)?;
                continue;
            }
            let count = (data.samples - row).min(most - held);
            self.window.pending.reserve(count * width.all());
            for row in row..row + count {
                for numbers in [&data.x, &data.y, &data.weights] {
                    let columns = numbers.chunks_exact(data.samples);
                    self.window
                        .pending
                        .extend(columns.map(|column| column[row]));
                }
                let first = self.window.pending.len() - width.all();
                if let Some(hash) = &mut self.window.hash {
                    hash.numbers(&self.window.pending[first..]);
                }
            }
            row += count;
        }
        Ok(())
    }

    /// How many samples there were in all.
    pub fn rows(&self) -> u64 {
        let added = match self.width(self.weighted) {
            Ok(width) => self.held(width) as u64,
            Err(_) => 0,
        };
        added + self.summarised()
    }

    /// How many of them are kept as a summary only.
    pub fn summarised(&self) -> u64 {
        self.window
            .summary
            .as_ref()
            .map_or(0, |summary| summary.rows)
    }

    fn width(&self, weighted: bool) -> Result<Width> {
        let targets = self.targets()?;
        Ok(Width {
            inputs: self.model.graph.inputs().len(),
            targets,
            weights: if weighted { targets } else { 0 },
        })
    }

    /// Whether there are observations.
    fn has_data(&self) -> bool {
        self.data.is_some() || !self.window.pending.is_empty()
    }

    /// How many rows there are as they are.
    fn held(&self, width: Width) -> usize {
        let settled = self.data.as_ref().map_or(0, |data| data.samples);
        settled + self.window.pending.len() / width.all().max(1)
    }

    /// Leaves the present end of the fit: the next run begins there.
    fn leave(&mut self) {
        let coordinates = match &self.state {
            State::New => None,
            State::LevMar(state) => Some(&state.params),
            State::Lbfgs(state) => Some(&state.params),
            State::Adam(state) => Some(&state.best),
        };
        if let Some(coordinates) = coordinates.filter(|all| !all.is_empty()) {
            self.window.estimate = Some(coordinates.clone());
        }
        self.state = State::New;
        self.found = None;
        self.profiles = None;
    }

    /// Adds all rows to a hash, those first that are data; it is that of data which hold them all.
    pub(super) fn hash_rows(&self, hash: &mut Hash) {
        let (none, pending) = (Data::default(), &self.window.pending);
        let (Some(data), Ok(width)) = (
            self.data
                .as_ref()
                .or((!pending.is_empty()).then_some(&none)),
            self.width(self.weighted),
        ) else {
            return;
        };
        let mut first = 0;
        for (settled, count) in [
            (&data.x, width.inputs),
            (&data.y, width.targets),
            (&data.weights, width.weights),
        ] {
            let added = pending.len() / width.all().max(1);
            let columns = (0..count).flat_map(|column| {
                let rows = pending.chunks_exact(width.all());
                let settled = settled.chunks_exact(data.samples.max(1)).nth(column);
                let added = rows.map(move |row| row[first + column]);
                settled.unwrap_or(&[]).iter().copied().chain(added)
            });
            hash.numbers_from(settled.len() + count * added, columns);
            first += count;
        }
    }

    /// Puts added rows into the data.
    pub(super) fn settle(&mut self) -> Result<()> {
        if !self.window.pending.is_empty() {
            let pending = std::mem::take(&mut self.window.pending);
            let data = self.settled(&pending)?;
            self.put(data);
        }
        Ok(())
    }

    /// The data with rows behind them.
    fn settled(&self, pending: &[f64]) -> Result<Data> {
        let width = self.width(self.weighted)?;
        let none = Data::default();
        let old = self.data.as_ref().unwrap_or(&none);
        let samples = old.samples + pending.len() / width.all();
        let columns = |settled: &[f64], first: usize, count: usize| {
            let mut all = Vec::with_capacity(count * samples);
            for column in 0..count {
                all.extend_from_slice(&settled[column * old.samples..(column + 1) * old.samples]);
                let rows = pending.chunks_exact(width.all());
                all.extend(rows.map(|row| row[first + column]));
            }
            all
        };
        Ok(Data {
            samples,
            x: columns(&old.x, 0, width.inputs),
            y: columns(&old.y, width.inputs, width.targets),
            weights: columns(&old.weights, width.inputs + width.targets, width.weights),
            lines: old.lines.clone(),
            before: old.before,
        })
    }

    /// What a checkpoint of a stream with a window holds.
    pub(super) fn kept(&self) -> Result<Option<Kept>> {
        if self.window.hash.is_none() {
            return Ok(None);
        }
        let data = self.settled(&self.window.pending)?;
        Ok(Some(Kept {
            data,
            noise: self.noise,
            window: Window {
                pending: Vec::new(),
                ..self.window.clone()
            },
        }))
    }

    /// Goes on with the stream of a checkpoint, of `n` parameters.
    pub(super) fn take_up(&mut self, kept: Kept, n: usize) -> Result<()> {
        if !kept.fits(n, self.targets()?) {
            let message = "the checkpoint is of a stream with other parameters or targets";
            return refuse(ErrorKind::Argument, message);
        }
        self.check_data(&kept.data)?;
        self.weighted = !kept.data.weights.is_empty();
        self.noise = kept.noise;
        self.whitening = None;
        self.put(kept.data);
        self.window = kept.window;
        Ok(())
    }

    /// Runs the fit, and makes all rows but the last `keep` part of the summary.
    fn condense(&mut self, keep: usize) -> Result<()> {
        self.advance(&mut Monitor::default(), &AtomicBool::new(false), None)?;
        let values = self.outcome()?.params.clone();
        let targets = self.targets()?;
        let Some(data) = self.data.take() else {
            return Ok(());
        };
        let (old, new) = halves(&data, data.samples.saturating_sub(keep));
        let summary = self.window.summary.take();
        let mut summary = summary.unwrap_or_else(|| Summary::new(values.len(), targets));
        self.put(old);
        let folded = self.with_job(None, |job, session| match session {
            AnySession::F64(session) => job.fold(session, &mut summary, &values),
            AnySession::F32(session) => job.fold(session, &mut summary, &values),
        });
        self.window.summary = (!summary.is_empty()).then_some(summary);
        self.put(if folded.is_ok() { new } else { data });
        folded?;
        self.leave();
        Ok(())
    }
}

/// The first `count` samples, and the others.
fn halves(data: &Data, count: usize) -> (Data, Data) {
    let part = |from: usize, to: usize| {
        let cut = |numbers: &[f64]| -> Vec<f64> {
            let columns = numbers.chunks_exact(data.samples.max(1));
            columns
                .flat_map(|column| &column[from..to])
                .copied()
                .collect()
        };
        Data {
            samples: to - from,
            x: cut(&data.x),
            y: cut(&data.y),
            weights: cut(&data.weights),
            lines: data.lines.get(from..).unwrap_or(&[]).to_vec(),
            before: data.before + from as u64,
        }
    };
    (part(0, count), part(count, data.samples))
}
