//! Programs whose structure hangs on data, on engines for numeric graphs: samples of the same path share a straight graph.
//!
//! The tagged engine traces the path of one sample; the tests of that path, as a graph of their own, tell for all samples
//! and all values of the parameters which others take it. What takes no known path is traced in turn. Nothing is assumed
//! of a path from one run to the next: the tests are evaluated each time. A sample whose tests the two engines answer
//! differently, because they round differently, and paths beyond the limit run on the tagged engine.

use std::sync::atomic::{AtomicBool, Ordering};

use super::tagged::{Tagged, Tracer};
use super::{Inputs, Outputs, Program};
use crate::error::Result;
use crate::graph::Graph;
use crate::ops::real::Real;

/// Makes a program of a graph.
pub type Prepare<T> = Box<dyn Fn(&Graph) -> Result<Box<dyn Program<T>>> + Send>;

/// Makes the graph with derivatives of the graph of a path.
pub type Derive = Box<dyn Fn(&Graph) -> Graph + Send>;

/// A path and what runs it.
struct Known<T> {
    /// Whether a sample takes the path; `None` where all do.
    check: Option<Box<dyn Program<T>>>,
    work: Box<dyn Program<T>>,
    /// The run in which it was last taken.
    used: u64,
}

/// A general graph as a program of paths.
pub struct Paths<T: Real> {
    tracer: Tracer<T>,
    /// What runs samples without a path, with the same derivatives.
    general: Tagged<T>,
    prepare: Prepare<T>,
    derive: Derive,
    known: Vec<Known<T>>,
    limit: usize,
    runs: u64,
    ports: Vec<bool>,
    /// For each output, whether it is the sum of the derivatives by a parameter.
    summed: Vec<bool>,
}

impl<T: Real> Paths<T> {
    /// `parameters` says which ports are, `summed` which outputs are sums over the batch; at most `limit` paths are kept.
    pub fn new(
        tracer: Tracer<T>,
        general: Tagged<T>,
        prepare: Prepare<T>,
        derive: Derive,
        parameters: Vec<bool>,
        summed: Vec<bool>,
        limit: usize,
    ) -> Paths<T> {
        Paths {
            tracer,
            general,
            prepare,
            derive,
            known: Vec::new(),
            limit,
            runs: 0,
            ports: parameters,
            summed,
        }
    }

    /// Traces a sample, and makes room for its path; `None` where there is no path or no room.
    fn trace(
        &mut self,
        sample: usize,
        inputs: &dyn Inputs<T>,
        cancel: Option<&AtomicBool>,
    ) -> Result<Option<usize>> {
        let oldest = (0..self.known.len()).min_by_key(|i| self.known[*i].used);
        let place = match oldest {
            Some(oldest) if self.known.len() >= self.limit => {
                if self.known[oldest].used == self.runs {
                    return Ok(None);
                }
                Some(oldest)
            }
            _ if self.limit == 0 => return Ok(None),
            _ => None,
        };
        let values = self.ports.iter().enumerate().map(|(port, parameter)| {
            let mut value = [T::ZERO];
            match parameter {
                true => value[0] = inputs.uniform(port),
                false => inputs.gather(port, sample, &mut value),
            }
            value[0]
        });
        let values: Vec<T> = values.collect();
        let Some(path) = self.tracer.path(&values, cancel)? else {
            return Ok(None);
        };
        let check = path.check.as_ref().map(|check| (self.prepare)(check));
        let known = Known {
            check: check.transpose()?,
            work: (self.prepare)(&(self.derive)(&path.values))?,
            used: self.runs,
        };
        match place {
            Some(place) => {
                self.known[place] = known;
                Ok(Some(place))
            }
            None => {
                self.known.push(known);
                Ok(Some(self.known.len() - 1))
            }
        }
    }

    /// Runs the samples of `pending` that take a path; gives the others.
    fn take(
        &mut self,
        path: usize,
        pending: Vec<usize>,
        inputs: &dyn Inputs<T>,
        outputs: &mut Sums<T>,
        cancel: Option<&AtomicBool>,
    ) -> Result<Vec<usize>> {
        let known = &mut self.known[path];
        let (group, others) = match &mut known.check {
            None => (pending, Vec::new()),
            Some(check) => {
                let mut passed = Passed(vec![false; pending.len()]);
                let samples = Samples {
                    inputs,
                    samples: &pending,
                };
                check.run(pending.len(), &samples, &mut passed, cancel)?;
                let mut passed = passed.0.into_iter();
                pending
                    .into_iter()
                    .partition(|_| passed.next().unwrap_or(false))
            }
        };
        if !group.is_empty() {
            known.used = self.runs;
            outputs.run(known.work.as_mut(), &group, inputs, cancel)?;
        }
        Ok(others)
    }
}

impl<T: Real> Program<T> for Paths<T> {
    fn run(
        &mut self,
        samples: usize,
        inputs: &dyn Inputs<T>,
        outputs: &mut dyn Outputs<T>,
        cancel: Option<&AtomicBool>,
    ) -> Result<()> {
        self.runs += 1;
        let stopped = || cancel.is_some_and(|flag| flag.load(Ordering::Relaxed));
        let mut sums = Sums {
            summed: self.summed.clone(),
            sums: vec![T::ZERO; self.summed.len()],
            outputs,
        };
        let mut pending: Vec<usize> = (0..samples).collect();
        let mut order: Vec<usize> = (0..self.known.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(self.known[*i].used));
        for path in order {
            if pending.is_empty() || stopped() {
                break;
            }
            pending = self.take(path, pending, inputs, &mut sums, cancel)?;
        }
        let mut pathless = Vec::new();
        while let Some(first) = pending.first().copied() {
            if stopped() {
                return Ok(());
            }
            let Some(path) = self.trace(first, inputs, cancel)? else {
                pathless.push(first);
                pending.remove(0);
                continue;
            };
            pending = self.take(path, pending, inputs, &mut sums, cancel)?;
            if pending.first() == Some(&first) {
                pathless.push(first);
                pending.remove(0);
            }
        }
        if !pathless.is_empty() {
            sums.run(&mut self.general, &pathless, inputs, cancel)?;
        }
        if stopped() {
            return Ok(());
        }
        for output in 0..sums.summed.len() {
            if sums.summed[output] {
                sums.outputs.uniform(output, sums.sums[output]);
            }
        }
        Ok(())
    }
}

/// Some samples of a batch.
struct Samples<'a, T> {
    inputs: &'a dyn Inputs<T>,
    samples: &'a [usize],
}

impl<T: Real> Inputs<T> for Samples<'_, T> {
    fn uniform(&self, port: usize) -> T {
        self.inputs.uniform(port)
    }

    fn gather(&self, port: usize, start: usize, out: &mut [T]) {
        for (sample, out) in self.samples[start..].iter().zip(out) {
            self.inputs.gather(port, *sample, std::slice::from_mut(out));
        }
    }

    fn contiguous(&self, port: usize, start: usize, count: usize) -> Option<&[T]> {
        let samples = &self.samples[start..start + count];
        let (first, last) = (*samples.first()?, *samples.last()?);
        match last - first + 1 == count {
            true => self.inputs.contiguous(port, first, count),
            false => None,
        }
    }
}

/// Which samples pass a check.
struct Passed(Vec<bool>);

impl<T: Real> Outputs<T> for Passed {
    fn scatter(&mut self, _: usize, start: usize, values: &[T]) {
        for (passed, value) in self.0[start..].iter_mut().zip(values) {
            *passed = value.is_true();
        }
    }

    fn uniform(&mut self, _: usize, value: T) {
        self.0.fill(value.is_true());
    }

    fn contiguous(&mut self, _: usize, _: usize, _: usize) -> Option<&mut [T]> {
        None
    }
}

/// The outputs of the batch, and the sums over the groups so far.
struct Sums<'a, T> {
    summed: Vec<bool>,
    sums: Vec<T>,
    outputs: &'a mut dyn Outputs<T>,
}

impl<T: Real> Sums<'_, T> {
    /// Runs a program on a group.
    fn run(
        &mut self,
        program: &mut dyn Program<T>,
        samples: &[usize],
        inputs: &dyn Inputs<T>,
        cancel: Option<&AtomicBool>,
    ) -> Result<()> {
        let mut group = Group {
            sums: self,
            samples,
        };
        program.run(
            samples.len(),
            &Samples { inputs, samples },
            &mut group,
            cancel,
        )
    }
}

/// The outputs of a group.
struct Group<'a, 'b, T> {
    sums: &'a mut Sums<'b, T>,
    samples: &'a [usize],
}

impl<T: Real> Outputs<T> for Group<'_, '_, T> {
    fn scatter(&mut self, output: usize, start: usize, values: &[T]) {
        for (sample, value) in self.samples[start..].iter().zip(values) {
            let value = std::slice::from_ref(value);
            self.sums.outputs.scatter(output, *sample, value);
        }
    }

    fn uniform(&mut self, output: usize, value: T) {
        match self.sums.summed[output] {
            true => self.sums.sums[output] = self.sums.sums[output] + value,
            false => self.scatter(output, 0, &vec![value; self.samples.len()]),
        }
    }

    fn contiguous(&mut self, output: usize, start: usize, count: usize) -> Option<&mut [T]> {
        let samples = &self.samples[start..start + count];
        let (first, last) = (*samples.first()?, *samples.last()?);
        match last - first + 1 == count {
            true => self.sums.outputs.contiguous(output, first, count),
            false => None,
        }
    }
}
