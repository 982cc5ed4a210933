//! Where there is no machine code.

use crate::engine::native::plan::Plan;
use crate::ops::real::Real;

/// No code.
pub enum Executable {}

/// What code works on.
pub struct Blocks<T> {
    /// The blocks of the slots.
    pub base: *mut T,
    /// A pointer to the block of each input.
    pub inputs: *const *const T,
    /// The lanes of the sums.
    pub lanes: *mut T,
    /// How many samples there are.
    pub samples: usize,
    /// For each sample a value whose bits are set if it counts.
    pub mask: *const T,
    /// A pointer to where each output goes.
    pub outputs: *const *mut T,
    /// Vectors for values that find no register.
    pub vectors: *mut u8,
}

impl Executable {
    /// Runs code on one sample.
    ///
    /// # Safety
    /// None is ever there.
    pub unsafe fn single<T: Real>(&self, _: usize, _: *mut T, _: *mut T) {
        match *self {}
    }

    /// Runs code on blocks.
    ///
    /// # Safety
    /// None is ever there.
    pub unsafe fn blocks<T: Real>(&self, _: usize, _: Blocks<T>) {
        match *self {}
    }
}

/// Compiles nothing.
pub fn compile<T: Real>(_: &mut Plan<T>, _: usize) {}
