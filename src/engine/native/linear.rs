//! Linear algebra on the native engine: the matrices of one sample after the other are gathered from the slots of their
//! elements, and what comes out is put back.

use super::step::Slot;
use crate::ops::linear::{self, Linear};
use crate::ops::real::Real;

/// What is computed.
#[derive(Clone, Copy, Debug)]
pub enum System {
    /// A determinant.
    Det,
    /// The logarithm of its size.
    LogDet,
    /// Several numbers.
    Many(Linear),
}

/// An operation on matrices.
#[derive(Clone, Debug)]
pub struct Step {
    /// What to compute.
    pub system: System,
    /// The slots of the arguments.
    pub args: Vec<Slot>,
    /// The slots of the values.
    pub results: Vec<Slot>,
    /// Whether the values are one for the whole batch.
    pub uniform: bool,
    /// Which of them blocks of samples read.
    pub fills: Vec<Slot>,
}

impl System {
    /// How many values there are.
    pub fn values(self) -> usize {
        match self {
            System::Det | System::LogDet => 1,
            System::Many(linear) => linear.values(),
        }
    }
}

impl Step {
    /// How much memory a run takes.
    pub fn memory(&self) -> usize {
        match self.system {
            System::Many(linear) => linear.arguments() + linear.scratch(),
            _ => self.args.len(),
        }
    }

    /// Computes for one sample. `memory` begins with the arguments; the values are returned.
    pub fn compute<'m, T: Real>(&self, memory: &'m mut [T]) -> &'m [T] {
        let (args, scratch) = memory.split_at_mut(self.args.len());
        let side = args.len().isqrt();
        match self.system {
            System::Det => args[0] = linear::det(side, args),
            System::LogDet => args[0] = linear::logdet(side, args),
            System::Many(linear) => {
                linear.apply(args, scratch);
                return &args[args.len() - self.results.len()..];
            }
        }
        &args[..1]
    }
}
