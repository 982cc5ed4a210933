//! What runs graphs. An engine prepares a [`Program`] from a graph once; the program then runs on batches.

pub mod fpenv;
pub mod native;
pub mod ort;
pub mod paths;
pub mod tagged;

use std::sync::atomic::AtomicBool;

use crate::error::Result;
use crate::ops::real::Real;

/// The values of a graph's ports for a batch of samples.
pub trait Inputs<T: Real>: Sync {
    /// The value of a parameter.
    fn uniform(&self, port: usize) -> T;

    /// Copies the values of an input for the samples from `start` on; `out` says how many.
    fn gather(&self, port: usize, start: usize, out: &mut [T]);

    /// The values of an input for `count` samples from `start` on, if they lie side by side in memory.
    fn contiguous(&self, port: usize, start: usize, count: usize) -> Option<&[T]>;

    /// The value of an input that is known to be the same for all samples.
    fn constant(&self, _port: usize) -> Option<T> {
        None
    }

    /// Copies the values of all inputs, whose ports are `ports`, for the first sample: one call where there is only one.
    fn first(&self, ports: &[usize], out: &mut [T]) {
        for (port, out) in ports.iter().zip(out) {
            self.gather(*port, 0, std::slice::from_mut(out));
        }
    }
}

/// Where the values of an output go.
#[derive(Clone, Copy, Debug)]
pub enum Destination<T> {
    /// To memory for all samples of the batch, that of the first here and each `stride` elements behind the one before.
    Memory {
        /// The value of the first sample.
        first: *mut T,
        /// From one sample to the next.
        stride: isize,
    },
    /// Nowhere.
    Nowhere,
    /// To where only [`Outputs::scatter`] knows.
    Unknown,
}

/// Where the values of a graph's outputs go.
pub trait Outputs<T: Real> {
    /// Takes the values of an output that differs from sample to sample, for the samples from `start` on.
    fn scatter(&mut self, output: usize, start: usize, values: &[T]);

    /// Takes the value of an output that is one for the whole batch; called once a run.
    fn uniform(&mut self, output: usize, value: T);

    /// The memory for `count` values of an output from `start` on, if they lie side by side.
    fn contiguous(&mut self, output: usize, start: usize, count: usize) -> Option<&mut [T]>;

    /// Where the values of an output go, for what writes them there itself, of so many samples, in any order and in several
    /// threads. What is said holds as long as this is borrowed.
    fn destination(&mut self, _output: usize, _samples: usize) -> Destination<T> {
        Destination::Unknown
    }

    /// Takes the values of all outputs of a batch of one sample; `uniform` says which are one for the whole batch.
    fn only(&mut self, values: &[T], uniform: &[bool]) {
        for (i, (value, uniform)) in values.iter().zip(uniform).enumerate() {
            match uniform {
                true => self.uniform(i, *value),
                false => self.scatter(i, 0, std::slice::from_ref(value)),
            }
        }
    }
}

/// A graph, prepared by an engine.
pub trait Program<T: Real>: Send {
    /// Runs on `samples` samples, which may be none. A sample's values do not depend on the others, nor on its place.
    /// In ONNX Runtime their last digits may: its vector instructions and what it does with the rest of a batch round
    /// differently.
    ///
    /// # Errors
    /// `Engine` where the engine fails. Returns early, with the outputs partly written, when `cancel` is set.
    fn run(
        &mut self,
        samples: usize,
        inputs: &dyn Inputs<T>,
        outputs: &mut dyn Outputs<T>,
        cancel: Option<&AtomicBool>,
    ) -> Result<()>;
}
