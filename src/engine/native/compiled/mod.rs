//! Machine code for the steps of a plan, on x86-64 with AVX. It keeps values in registers where the steps would pass them
//! through memory, and needs no jump from step to step. Each operation stays what it is, in the order of the plan, so that the
//! bits are those of the steps. Where code cannot run (another processor, a system that forbids it), the steps do.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]

#[cfg(target_arch = "x86_64")]
mod assembler;
#[cfg(target_arch = "x86_64")]
mod compile;
#[cfg(target_arch = "x86_64")]
mod memory;
#[cfg(target_arch = "x86_64")]
mod operation;
#[cfg(target_arch = "x86_64")]
mod translate;

#[cfg(target_arch = "x86_64")]
pub use compile::compile;
#[cfg(target_arch = "x86_64")]
pub use memory::{Blocks, Executable};

#[cfg(not(target_arch = "x86_64"))]
mod nothing;
#[cfg(not(target_arch = "x86_64"))]
pub use nothing::{Blocks, Executable, compile};

use std::ops::Range;

use super::MachineCode;

/// Bytes of the longest vector that code works on.
pub const VECTOR: usize = 64;

/// The machine code of a plan.
#[derive(Default)]
pub struct Codes {
    /// Which is wanted.
    pub which: MachineCode,
    /// Whether it is made before the first run, rather than when that has paid.
    pub eager: bool,
    /// How many samples, or blocks of them, each [`Part`] would have run so far.
    ran: [usize; 2],
    /// Whether each [`Part`] has been compiled, or found impossible.
    tried: [bool; 2],
    /// For single values.
    pub single: Option<Executable>,
    /// For blocks of samples.
    pub blocks: Option<Executable>,
    /// The most outputs that a piece gives.
    pub outputs: usize,
    /// How many vectors it keeps outside registers.
    pub vectors: usize,
}

/// What is compiled when it is needed first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What a batch of one sample needs.
    One,
    /// What larger batches do.
    More,
}

/// The machine code of a run of steps.
#[derive(Clone, Default)]
pub struct Compiled {
    /// For one sample: the position of the code for all the steps.
    pub single: Option<usize>,
    /// For a block of samples: what to do in order. Empty where there is no code.
    pub pieces: Vec<Piece>,
}

/// A part of the steps on blocks of samples.
#[derive(Clone)]
pub enum Piece {
    /// Code for some of them.
    Code(Code),
    /// Some that are run as they are.
    Steps(Range<usize>),
}

/// Code for some steps.
#[derive(Clone)]
pub struct Code {
    /// Its position.
    pub entry: usize,
    /// The position of the same for blocks of which not all samples count; without sums there is no difference.
    pub masked: usize,
    /// The outputs that it gives, in the order of their blocks.
    pub outputs: Vec<u32>,
    /// Whether it reads inputs and uniform values alone and writes outputs and sums alone, so that the code at `entry` may
    /// run on more samples than a block has.
    pub long: bool,
}
