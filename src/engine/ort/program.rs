//! A numeric graph in ONNX Runtime, run on a batch in chunks: memory stays bounded and a cancel is prompt.
//!
//! Sums over the batch are added up over the chunks. That is right for an output that is linear in such sums, as the
//! gradients of [`vjp`](crate::grad::vjp) and the loss and gradients of [`training`](crate::grad::training) are, because the
//! number of samples reaches the graph from outside. A graph with any other output that depends on a sum runs in one chunk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cache::shared;
use super::logs::{chunk_of_logs, logged_numbers};
use super::sums::{Sums, sums};
use super::{Device, Element as Tensor, Elements, OrtConfig, OrtSession, TensorMut, TensorRef};
use crate::engine::{Inputs, Outputs, Program};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Elem, Graph, Type};
use crate::onnx::form::{Count, onnx_form, used_ports};
use crate::onnx::{Element, export_form};
use crate::ops::real::Real;

/// So many samples a chunk has unless another number is given: the values of a node then stay in the cache.
pub const DEFAULT_CHUNK: usize = 16_384;

/// The same on a GPU, which needs many at once to be busy.
pub const DEFAULT_CHUNK_ON_GPU: usize = 1 << 20;

/// So many tensors a run handles without allocating.
const INLINE: usize = 64;

/// Prepares a numeric graph for ONNX Runtime. A chunk of 0 samples stands for [`DEFAULT_CHUNK`], on a GPU
/// [`DEFAULT_CHUNK_ON_GPU`].
///
/// # Errors
/// `Unsupported` for a graph that is not numeric; whatever [`OrtSession::new`] reports.
pub fn prepare<T: Real + Tensor>(
    graph: &Graph,
    config: &OrtConfig,
    chunk: usize,
) -> Result<Box<dyn Program<T>>> {
    if graph.outputs.is_empty() {
        return Ok(Box::new(Nothing));
    }
    let element = match T::elements(&[]) {
        Elements::F32(_) => Element::F32,
        Elements::F64(_) => Element::F64,
        _ => {
            let message = "numeric graphs compute in f64 or f32";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    };
    let form = onnx_form(graph, element, Count::Port, config.max_steps)?;
    let listed = used_ports(&form);
    let bytes = export_form(&form, element, &listed, config.max_steps);
    let session = shared(bytes, config)?;
    // one more output says whether a loop was cut off
    let more = session.outputs().len().checked_sub(form.outputs.len());
    if session.inputs().len() != listed.len() || !matches!(more, Some(0 | 1)) {
        let message = "ONNX Runtime has lost inputs or outputs of the model";
        return Err(Error::new(ErrorKind::Engine, message));
    }
    let feeds = listed
        .iter()
        .map(|port| match form.ports[*port].is_parameter() {
            _ if *port == graph.ports.len() => Feed::Count,
            true => Feed::Uniform(*port),
            false => Feed::Batched(*port),
        });
    let (declared, batched, sums) = (graph.batched(), form.batched(), sums(&form));
    let size = std::mem::size_of::<T>();
    let logged = size.saturating_mul(logged_numbers(&form, config.max_steps));
    let results = graph.outputs.iter().zip(&form.outputs);
    let results: Vec<Fetch> = results
        .map(|(source, output)| {
            let node = output.node.index();
            Fetch {
                bool: form.nodes[node].ty == Type::Scalar(Elem::Bool),
                declared: declared[source.node.index()],
                batched: batched[node],
                sums: sums[node],
            }
        })
        .collect();
    let whole = results.iter().any(|result| result.sums == Sums::Other);
    let direct = |result: &Fetch| result.batched && !result.bool;
    Ok(Box::new(OrtProgram::<T> {
        session,
        feeds: feeds.collect(),
        direct: results.iter().position(direct),
        chunk: match (whole, chunk) {
            (true, _) => usize::MAX,
            (false, 0) => default_chunk(config.device).min(chunk_of_logs(logged)),
            (false, chunk) => chunk.min(chunk_of_logs(logged)),
        },
        cut: vec![false; more.unwrap_or(0)],
        max_steps: config.max_steps,
        values: vec![Vec::new(); results.len()],
        truths: vec![Vec::new(); results.len()],
        totals: vec![0.0; results.len()],
        gathered: vec![Vec::new(); listed.len()],
        results,
    }))
}

/// So many samples a chunk has on this device unless another number is given.
pub fn default_chunk(device: Device) -> usize {
    match device {
        Device::Cpu => DEFAULT_CHUNK,
        Device::Cuda(_) => DEFAULT_CHUNK_ON_GPU,
    }
}

/// The error of a loop that has not ended.
pub fn cut_off(steps: u64) -> Error {
    let message = format!("a loop has run more than {steps} iterations (option max_steps)");
    Error::new(ErrorKind::Limit, message)
}

/// What an input of the session is fed with.
#[derive(Clone, Copy)]
enum Feed {
    /// The samples of a port.
    Batched(usize),
    /// The one value of a port.
    Uniform(usize),
    /// The number of samples.
    Count,
}

/// What is known of an output.
#[derive(Clone, Copy)]
struct Fetch {
    /// Whether the session gives truth values.
    bool: bool,
    /// Whether the graph as it was given has one value a sample.
    declared: bool,
    /// Whether the session gives one value a sample.
    batched: bool,
    sums: Sums,
}

struct OrtProgram<T> {
    session: Arc<OrtSession>,
    feeds: Vec<Feed>,
    results: Vec<Fetch>,
    /// The output that is written where it goes, if its place is contiguous.
    direct: Option<usize>,
    chunk: usize,
    /// For each feed: one value, or the samples of a chunk that had to be gathered.
    gathered: Vec<Vec<T>>,
    /// For each output: one value, or those of a chunk.
    values: Vec<Vec<T>>,
    /// The same for truth values.
    truths: Vec<Vec<bool>>,
    /// For each output that is a sum, the sum so far.
    totals: Vec<f64>,
    /// Whether a loop was cut off, if that can be.
    cut: Vec<bool>,
    max_steps: u64,
}

/// The program of a graph without outputs, which ONNX Runtime refuses.
struct Nothing;

impl<T: Real> Program<T> for Nothing {
    fn run(
        &mut self,
        _: usize,
        _: &dyn Inputs<T>,
        _: &mut dyn Outputs<T>,
        _: Option<&AtomicBool>,
    ) -> Result<()> {
        Ok(())
    }
}

impl<T: Real + Tensor> Program<T> for OrtProgram<T> {
    fn run(
        &mut self,
        samples: usize,
        inputs: &dyn Inputs<T>,
        outputs: &mut dyn Outputs<T>,
        cancel: Option<&AtomicBool>,
    ) -> Result<()> {
        for (feed, gathered) in self.feeds.iter().zip(&mut self.gathered) {
            let value = match feed {
                Feed::Batched(_) => continue,
                Feed::Uniform(port) => inputs.uniform(*port),
                Feed::Count => T::of(samples as f64),
            };
            gathered.clear();
            gathered.push(value);
        }
        self.totals.fill(0.0);
        // no samples still have sums and other values of the batch
        let uniform = self.results.iter().any(|result| !result.declared);
        let mut start = 0;
        while start < samples || (samples == 0 && start == 0 && uniform) {
            if cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
                return Ok(());
            }
            let count = self.chunk.min(samples - start);
            self.chunk(start, count, inputs, outputs)?;
            start += count.max(1);
        }
        for (i, result) in self.results.iter().enumerate() {
            if !result.declared {
                outputs.uniform(i, T::of(self.totals[i]));
            }
        }
        Ok(())
    }
}

impl<T: Real + Tensor> OrtProgram<T> {
    /// Runs on some samples, scatters what differs from sample to sample, and updates the totals.
    fn chunk(
        &mut self,
        start: usize,
        count: usize,
        inputs: &dyn Inputs<T>,
        outputs: &mut dyn Outputs<T>,
    ) -> Result<()> {
        let dims = [count as i64];
        for (feed, gathered) in self.feeds.iter().zip(&mut self.gathered) {
            if let Feed::Batched(port) = feed
                && inputs.contiguous(*port, start, count).is_none()
            {
                gathered.resize(count, T::ZERO);
                inputs.gather(*port, start, gathered);
            }
        }
        for (i, result) in self.results.iter().enumerate() {
            let length = if result.batched { count } else { 1 };
            match result.bool {
                true => self.truths[i].resize(length, false),
                false => self.values[i].resize(length, T::ZERO),
            }
        }
        let mut inline = [TensorRef::new::<T>(&[], &[]); INLINE];
        let mut spilled = Vec::new();
        let feeds = match inline.get_mut(..self.feeds.len()) {
            Some(slots) => slots,
            None => {
                spilled.resize(self.feeds.len(), TensorRef::new::<T>(&[], &[]));
                &mut spilled
            }
        };
        for (slot, (feed, gathered)) in feeds.iter_mut().zip(self.feeds.iter().zip(&self.gathered))
        {
            *slot = match feed {
                Feed::Batched(port) => {
                    let values = inputs.contiguous(*port, start, count);
                    TensorRef::new(&dims, values.unwrap_or(&gathered[..]))
                }
                _ => TensorRef::new(&[], gathered),
            };
        }
        // one output at most can be borrowed from the caller at a time
        let mut direct = match self.direct {
            Some(output) => outputs.contiguous(output, start, count),
            None => None,
        };
        let written = direct.as_ref().and(self.direct);
        let buffers = self.values.iter_mut().zip(&mut self.truths);
        let mut places = self.results.iter().zip(buffers).map(|(result, buffers)| {
            let dims: &[i64] = if result.batched { &dims } else { &[] };
            (result, dims, buffers)
        });
        let results = self.results.len();
        let count_of_fetches = results + self.cut.len();
        let mut cut = &mut self.cut[..];
        let mut next = |i: usize| match places.next() {
            Some((_, dims, _)) if Some(i) == written => {
                TensorMut::new(dims, direct.take().unwrap_or_default())
            }
            Some((result, dims, (_, truths))) if result.bool => TensorMut::new(dims, truths),
            Some((_, dims, (values, _))) => TensorMut::new(dims, values),
            None if i == results => TensorMut::new(&[], std::mem::take(&mut cut)),
            None => TensorMut::new::<T>(&[], &mut []),
        };
        if count_of_fetches <= INLINE {
            let mut inline: [TensorMut; INLINE] = std::array::from_fn(&mut next);
            let fetches = &mut inline[..count_of_fetches];
            self.session.run(feeds, fetches)?;
        } else {
            let mut fetches: Vec<TensorMut> = (0..count_of_fetches).map(&mut next).collect();
            self.session.run(feeds, &mut fetches)?;
        }
        if self.cut.contains(&true) {
            return Err(cut_off(self.max_steps));
        }
        for (i, result) in self.results.iter().enumerate() {
            let values = &mut self.values[i];
            if result.bool {
                let truths = self.truths[i].iter().map(|truth| T::truth(*truth));
                values.clear();
                values.extend(truths);
            }
            if result.declared && Some(i) != written {
                // decided by tests alone, a value may be one for all
                if !result.batched {
                    let value = values[0];
                    values.resize(count, value);
                }
                outputs.scatter(i, start, values);
            } else if !result.declared {
                match result.sums {
                    Sums::Linear => self.totals[i] += values[0].to_f64(),
                    _ => self.totals[i] = values[0].to_f64(),
                }
            }
        }
        Ok(())
    }
}
