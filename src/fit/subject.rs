//! What is fitted to what: a model, its parameters that move, and the observations.

use super::loss::{Loss, Whitening};
use super::plan::{Free, parameters};
use super::problem::{Data, Problem};
use crate::compile::Model;
use crate::error::Result;
use crate::session::{Element, Session};

/// What a loss is the loss of.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub model: &'a Model,
    pub loss: Loss,
    pub data: &'a Data,
    pub whitening: Option<&'a Whitening>,
    pub moving: &'a [Free],
    /// Indices of the tied parameters.
    pub tied: &'a [usize],
}

impl<'a> Subject<'a> {
    /// The residuals of the model on the data, by the free parameters and then the tied ones.
    pub fn problem<'s, T: Element>(self, session: &'s mut Session<T>) -> Result<Problem<'s, T>>
    where
        'a: 's,
    {
        let fixed: Vec<f64> = parameters(self.model).iter().map(|p| p.initial).collect();
        let free = self.moving.iter().map(|free| free.index);
        let free: Vec<usize> = free.chain(self.tied.iter().copied()).collect();
        // the session is told where the data change
        Problem::again(
            session,
            self.data,
            (&fixed, &free),
            self.loss,
            self.whitening,
        )
    }
}
