//! Samples that take the same path: its structure runs for one of them, its arithmetic for all. Paths are kept from run to
//! run; nothing is assumed of them, the questions that decided a path are asked of each sample and each value of the
//! parameters anew.

use std::sync::atomic::{AtomicBool, Ordering};

use super::machine::End;
use super::path::MAX_OPERATIONS;
use super::program::{BLOCK, Derivatives, Tagged};
use super::replay::{LANES, Lanes, Memory, Replay, Use};
use super::value::Value;
use crate::error::Result;
use crate::ops::real::Real;

/// The paths that are known.
pub struct Shared<T> {
    known: Vec<Known<T>>,
    memory: Memory<T>,
    /// Most paths that are kept.
    limit: usize,
    /// How many runs there have been.
    runs: u64,
    /// How many paths of this run, one after the other, only one sample has taken.
    lonely: usize,
    /// Whether a path of this run cannot be kept.
    lengthy: bool,
}

/// So many paths that only one sample takes are enough to see that the next one will be such a path too.
const LONELY: usize = 8;

/// For so many runs in which it is not taken a path is kept.
const PATIENCE: u64 = 8;

struct Known<T> {
    path: Replay<T>,
    /// The run in which it was last taken.
    used: u64,
}

impl<T: Real> Shared<T> {
    /// No path yet, and at most so many.
    pub fn new(limit: usize) -> Shared<T> {
        Shared {
            known: Vec::new(),
            memory: Memory::new(),
            limit,
            runs: 0,
            lonely: 0,
            lengthy: false,
        }
    }

    /// Begins a run.
    pub fn begin(&mut self) {
        let oldest = self.runs.saturating_sub(PATIENCE);
        self.runs += 1;
        (self.lonely, self.lengthy) = (0, false);
        self.known.retain(|known| known.used >= oldest);
        self.known
            .sort_by_key(|known| std::cmp::Reverse(known.used));
    }

    /// Where the next path goes: in place of the one that was not taken for longest. `None` where all are in use.
    fn room(&self) -> Option<usize> {
        if self.lengthy || self.lonely >= LONELY || self.limit == 0 {
            return None;
        }
        if self.known.len() < self.limit {
            return Some(self.known.len());
        }
        let oldest = (0..self.known.len()).min_by_key(|i| self.known[*i].used)?;
        (self.known[oldest].used < self.runs).then_some(oldest)
    }
}

impl<T: Real> Tagged<T> {
    /// Runs the samples of the block, by path.
    pub(super) fn block(&mut self, length: usize, cancel: Option<&AtomicBool>) -> Result<End> {
        let mut pending: Vec<usize> = (0..length).collect();
        for path in 0..self.shared.known.len() {
            if pending.is_empty() {
                break;
            }
            pending = self.take(path, pending);
        }
        // what is wrong with a sample is said before anything of those behind it: the first one is always next
        while let Some(first) = pending.first().copied() {
            if cancel.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
                return Ok(End::Cancelled);
            }
            if let Some(room) = self.shared.room() {
                self.trace(first, room, cancel);
                if !self.shared.lengthy {
                    let before = pending.len();
                    pending = self.take(room, pending);
                    self.shared.lonely = match before - pending.len() {
                        0 | 1 => self.shared.lonely + 1,
                        _ => 0,
                    };
                }
            }
            if pending.first() == Some(&first) {
                if self.sample(first, cancel)? == End::Cancelled {
                    return Ok(End::Cancelled);
                }
                pending.remove(0);
            }
        }
        Ok(End::Finished)
    }

    /// Traces a sample, whose path is kept at `room`; not where the sample fails, or its path is too long: then it is to
    /// run by itself.
    fn trace(&mut self, sample: usize, room: usize, cancel: Option<&AtomicBool>) {
        match self.path(sample, cancel) {
            Ok(Some(path)) => {
                let used = self.shared.runs;
                match self.shared.known.get_mut(room) {
                    Some(known) => *known = Known { path, used },
                    None => self.shared.known.push(Known { path, used }),
                }
            }
            Ok(None) | Err(_) => self.shared.lengthy = true,
        }
    }

    /// The path of a sample; `None` where it is too long, or the run was cancelled.
    fn path(&mut self, sample: usize, cancel: Option<&AtomicBool>) -> Result<Option<Replay<T>>> {
        self.reset(true);
        for port in 0..self.parameters.len() {
            let value = self.inputs[port * BLOCK + sample];
            let place = self.machine.numbers.tape.push(value)?;
            self.machine.ports[port] = Value::Real(value, place);
        }
        if self.machine.run(cancel)? == End::Cancelled {
            return Ok(None);
        }
        let results = (0..self.values).map(|output| self.machine.real_result(output));
        let results = results.collect::<Result<Vec<(T, u32)>>>()?;
        let tape = &self.machine.numbers.tape;
        if tape.len() > MAX_OPERATIONS {
            return Ok(None);
        }
        let uses = self.parameters.iter().zip(&self.active);
        let uses = uses.map(|(parameter, active)| Use {
            uniform: *parameter,
            active: *active,
        });
        let uses: Vec<Use> = uses.collect();
        Ok(Some(Replay::new(&tape.notes, &uses, results)))
    }

    /// Runs the samples of `pending` that take a path; gives the others.
    fn take(&mut self, path: usize, pending: Vec<usize>) -> Vec<usize> {
        let (mut group, mut others) = (Vec::new(), Vec::new());
        let known = &mut self.shared.known[path];
        let mut work = Work {
            parameters: &self.parameters,
            derivatives: &self.derivatives,
            values: self.values,
            inputs: &self.inputs,
            outputs: &mut self.outputs,
        };
        let kernels = &self.machine.numbers.kernels;
        let mut any = false;
        for samples in pending.chunks(LANES) {
            let mut lanes = known
                .path
                .start(&mut self.shared.memory, kernels, samples.len());
            work.load(&mut lanes, samples);
            let mut taken = [true; LANES];
            let taken = &mut taken[..samples.len()];
            lanes.forward(Some(taken));
            match taken.iter().filter(|taken| **taken).count() {
                count if count == samples.len() => {
                    work.finish(&mut lanes, samples);
                    any = true;
                }
                _ => {
                    let pairs = || samples.iter().zip(taken.iter());
                    group.extend(pairs().filter(|(_, taken)| **taken).map(|(s, _)| *s));
                    others.extend(pairs().filter(|(_, taken)| !**taken).map(|(s, _)| *s));
                }
            }
        }
        // those of blocks that others have left, together
        for samples in group.chunks(LANES) {
            let mut lanes = known
                .path
                .start(&mut self.shared.memory, kernels, samples.len());
            work.load(&mut lanes, samples);
            lanes.forward(None);
            work.finish(&mut lanes, samples);
            any = true;
        }
        if any {
            known.used = self.shared.runs;
        }
        others
    }
}

/// What is to be computed of a block of samples.
struct Work<'a, T> {
    parameters: &'a [bool],
    derivatives: &'a Derivatives,
    values: usize,
    inputs: &'a [T],
    outputs: &'a mut [T],
}

impl<T: Real> Work<'_, T> {
    /// Sets the ports.
    fn load(&self, lanes: &mut Lanes<T>, samples: &[usize]) {
        for (port, parameter) in self.parameters.iter().enumerate() {
            let column = &self.inputs[port * BLOCK..(port + 1) * BLOCK];
            if *parameter {
                lanes.set_uniform(port, column[samples[0]]);
            } else if let Some(into) = lanes.port(port) {
                pick(column, samples, into);
            }
        }
    }

    /// Differentiates, and writes the outputs.
    fn finish(&mut self, lanes: &mut Lanes<T>, samples: &[usize]) {
        let mut write = |output: usize, value: &dyn Fn(usize) -> T| {
            for (lane, sample) in samples.iter().enumerate() {
                self.outputs[output * BLOCK + sample] = value(lane);
            }
        };
        for output in 0..self.values {
            write(output, &|lane| lanes.value(output, lane));
        }
        match self.derivatives {
            Derivatives::None => {}
            Derivatives::Vjp(wrt) => {
                lanes.clear_adjoints();
                for output in 0..self.values {
                    let seeds = &self.inputs[(self.parameters.len() + output) * BLOCK..];
                    lanes.seed(output, |lane| seeds[samples[lane]]);
                }
                lanes.sweep();
                for (i, port) in wrt.iter().enumerate() {
                    write(self.values + i, &|lane| lanes.slope(*port, lane));
                }
            }
            Derivatives::Jacobian(wrt) => {
                let mut next = self.values;
                for output in 0..self.values {
                    lanes.clear_adjoints();
                    lanes.seed(output, |_| T::ONE);
                    lanes.sweep();
                    for port in wrt {
                        write(next, &|lane| lanes.slope(*port, lane));
                        next += 1;
                    }
                }
            }
        }
    }
}

/// Copies the numbers of some samples.
fn pick<T: Copy>(column: &[T], samples: &[usize], into: &mut [T]) {
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    match last - first + 1 == samples.len() {
        true => into.copy_from_slice(&column[first..=last]),
        false => {
            for (into, sample) in into.iter_mut().zip(samples) {
                *into = column[*sample];
            }
        }
    }
}
