//! Where a fit stands as text, and how a fit goes on from there: hashes tell whether it is the same fit.

use std::time::Instant;

use super::checkpoint::Checkpoint;
use super::fitter::{AnySession, Fitter};
use super::hash::Hash;
use super::job::{Found, State};
use super::plan::Optimizer;
use super::seconds_since;
use crate::document::write_atomic;
use crate::error::{Error, ErrorKind, Result};

/// Writes a state, after so many iterations and evaluations.
type Saver = dyn FnMut(State, (u64, u64)) -> Result<()>;

impl Fitter {
    /// The hash of the data: inputs, targets, weights and covariance, with rows that were added and not run yet; of a stream that
    /// does not keep them all, of its rows.
    pub fn data_hash(&self) -> String {
        if let Some(hash) = self.window.hash {
            return hash.text();
        }
        let mut hash = Hash::default();
        self.hash_rows(&mut hash);
        if let Some(whitening) = &self.whitening {
            hash.numbers(whitening.triangle());
        }
        hash.text()
    }

    /// The hash of the model, of the parameters that move, and of what the options say of them.
    fn model_hash(&self) -> Result<String> {
        let mut hash = Hash::default();
        hash.bytes(crate::ncg::write(&self.model)?.as_bytes());
        hash.bytes(self.plan.key().as_bytes());
        for free in self.moving()? {
            hash.numbers(&[free.index as f64, free.initial, free.lower, free.upper]);
        }
        Ok(hash.text())
    }

    /// What writes the state of a run that began at `began`, on the way, if it is asked for.
    pub(super) fn saver(&self, began: Instant) -> Result<Option<Box<Saver>>> {
        let Some(path) = self.plan.checkpoint.clone() else {
            return Ok(None);
        };
        let before = self.as_checkpoint()?;
        Ok(Some(Box::new(move |state, (iterations, evaluations)| {
            let now = Checkpoint {
                iterations: before.iterations + iterations,
                evaluations: before.evaluations + evaluations,
                seconds: before.seconds + seconds_since(began),
                state,
                ..before.clone()
            };
            write_atomic(&path, now.write().as_bytes())
        })))
    }

    /// The state of the fit as text; [`Fitter::resume`] goes on from there with the same bits.
    pub fn checkpoint(&self) -> Result<String> {
        Ok(self.as_checkpoint()?.write())
    }

    fn as_checkpoint(&self) -> Result<Checkpoint> {
        Ok(Checkpoint {
            model: self.model_hash()?,
            data: self.data_hash(),
            iterations: self.iterations,
            evaluations: self.evaluations,
            seconds: self.seconds,
            state: self.state.clone(),
            stream: self.kept()?,
            begin: match self.window.hash {
                None => self.window.estimate.clone(),
                Some(_) => None,
            },
        })
    }

    /// Takes up the state that [`Fitter::checkpoint`] wrote of the same model, data and options. That of a stream with a window
    /// brings its rows with it, in place of data that were given. Its result is that state, as if the fit had been stopped there
    /// just now.
    ///
    /// # Errors
    /// `Format` for a text that is no checkpoint, `Argument` for one of another model, other data or another optimiser.
    pub fn resume(&mut self, text: &str) -> Result<()> {
        let checkpoint = Checkpoint::read(text)?;
        let other = |what: &str| {
            let message = format!("the checkpoint is of a fit with {what}");
            Err(Error::new(ErrorKind::Argument, message))
        };
        if checkpoint.model != self.model_hash()? {
            return other("another model, other parameters or other options");
        }
        if checkpoint.stream.is_none() && checkpoint.data != self.data_hash() {
            return other("other data");
        }
        let moving = self.moving()?.len();
        let optimizer = match checkpoint.state {
            State::New => self.plan.optimizer,
            State::LevMar(_) => Optimizer::LevMar,
            State::Lbfgs(_) => Optimizer::Lbfgs,
            State::Adam(_) => Optimizer::Adam,
        };
        if optimizer != self.plan.optimizer || !checkpoint.fits(moving) {
            return other("another optimizer");
        }
        if self.blocks.is_some() && checkpoint.stream.is_some() {
            return other("a window over its rows, which a shared fit does not have");
        }
        if self.blocks.is_some() && checkpoint.restarted() {
            return other("a later strategy of its optimizer, which a shared fit does not use");
        }
        match checkpoint.stream {
            Some(kept) => self.take_up(kept, moving)?,
            None => self.window.estimate = checkpoint.begin,
        }
        self.reset();
        self.iterations = checkpoint.iterations;
        self.evaluations = checkpoint.evaluations;
        self.seconds = checkpoint.seconds;
        self.state = checkpoint.state;
        // what all processes have found is known when they run again
        if self.state != State::New && self.blocks.is_none() {
            let state = self.state.clone();
            let found = self.with_job(None, |job, session| match session {
                AnySession::F64(session) => job.look(session, &state),
                AnySession::F32(session) => job.look(session, &state),
            });
            // where the loss is not finite, the next run says so
            self.found = found.ok();
            if let Some(Found { outcome, .. }) = &mut self.found {
                outcome.iterations = self.iterations;
                outcome.evaluations = self.evaluations;
                outcome.seconds = self.seconds;
            }
        }
        Ok(())
    }
}
