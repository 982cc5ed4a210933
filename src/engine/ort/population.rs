//! A numeric graph for many sets of parameters on the same samples, in one call: parameters are `[M, 1]`, inputs `[N]`, and what
//! hangs on samples or on parameters alone is computed once for each of these.

use std::sync::Arc;

use super::cache::shared;
use super::program::cut_off;
use super::{Element as Tensor, Elements, OrtConfig, OrtSession, TensorMut, TensorRef};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::onnx::{Element, export_members};

/// A graph that is ready to run.
pub struct Population {
    session: Arc<OrtSession>,
    /// Which outputs differ from sample to sample.
    sampled: Vec<bool>,
    /// Whether a loop was cut off, if that can be.
    cut: Vec<bool>,
    max_steps: u64,
}

impl Population {
    /// Prepares a graph whose outputs are numbers.
    ///
    /// # Errors
    /// `Unsupported` for a graph that is not numeric; whatever [`OrtSession::new`] reports.
    pub fn new<T: Tensor>(graph: &Graph, config: &OrtConfig) -> Result<Population> {
        let element = match T::elements(&[]) {
            Elements::F32(_) => Element::F32,
            _ => Element::F64,
        };
        let (model, sampled) = export_members(graph, element, config.max_steps)?;
        let session = shared(model, config)?;
        let more = session.outputs().len().checked_sub(sampled.len());
        if session.inputs().len() != graph.ports.len() || !matches!(more, Some(0 | 1)) {
            let message = "ONNX Runtime has lost inputs or outputs of the model";
            return Err(Error::new(ErrorKind::Engine, message));
        }
        Ok(Population {
            cut: vec![false; more.unwrap_or(0)],
            session,
            sampled,
            max_steps: config.max_steps,
        })
    }

    /// Runs for `members` sets of parameters on `samples` samples. `ports` are the values of each port, one a sample of an
    /// input and one a member of a parameter, which is said before them. An output takes one value for each sample of each
    /// member, member by member.
    ///
    /// # Errors
    /// `Limit` where a loop was cut off; those of a run.
    pub fn run<T: Tensor + Copy + Default>(
        &mut self,
        (members, samples): (usize, usize),
        ports: &[(bool, &[T])],
        outputs: &mut [&mut [T]],
    ) -> Result<()> {
        let (per_sample, per_member) = ([samples as i64], [members as i64, 1]);
        let all = [members as i64, samples as i64];
        let inputs = ports.iter().map(|(parameter, values)| match parameter {
            true => TensorRef::new(&per_member, values),
            false => TensorRef::new(&per_sample, values),
        });
        let inputs: Vec<TensorRef> = inputs.collect();
        let mut ones: Vec<Vec<T>> = self.sampled.iter().map(|_| Vec::new()).collect();
        let mut results = Vec::with_capacity(outputs.len() + 1);
        let pairs = self.sampled.iter().zip(outputs.iter_mut().zip(&mut ones));
        for (sampled, (output, one)) in pairs {
            results.push(match sampled {
                true => TensorMut::new(&all, output),
                false => {
                    one.resize(members, T::default());
                    TensorMut::new(&per_member, one)
                }
            });
        }
        if !self.cut.is_empty() {
            results.push(TensorMut::new(&[], &mut self.cut));
        }
        self.session.run(&inputs, &mut results)?;
        if self.cut.contains(&true) {
            return Err(cut_off(self.max_steps));
        }
        for (output, one) in outputs.iter_mut().zip(ones) {
            for (rows, value) in output.chunks_exact_mut(samples.max(1)).zip(one) {
                rows.fill(value);
            }
        }
        Ok(())
    }
}
