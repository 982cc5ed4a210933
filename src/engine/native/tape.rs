//! The states of a loop, kept for the ways back over it: those of a stretch of iterations that a way back reads, and
//! checkpoints, from which the stretches before are computed again (cf. Griewank and Walther, "Algorithm 799: revolve",
//! 2000). However long a loop runs, the memory is bounded: when there is no room for another checkpoint, every other one is
//! dropped.

use super::block::{BLOCK, Samples};
use crate::ops::real::Real;

/// How large a stretch may be, in bytes: about what stays in the cache.
const STRETCH_BYTES: usize = 1 << 19;
/// Longest stretch, in iterations.
const LONGEST_STRETCH: usize = 1 << 14;
/// How large the checkpoints of one level may be, in bytes.
const CHECKPOINT_BYTES: usize = 1 << 22;
/// Most checkpoints of one level.
const MOST_CHECKPOINTS: usize = 1 << 12;
/// Fewest of either, however large they are.
const FEWEST: usize = 32;

/// Rows of states. Memory grows to the need and is kept.
pub struct Rows<T> {
    /// States that are one for the whole batch, or all those of one sample.
    pub single: Vec<T>,
    /// States that differ from sample to sample.
    pub blocks: Vec<Samples<T>>,
}

impl<T: Real> Rows<T> {
    fn new() -> Rows<T> {
        Rows {
            single: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// Makes room for row `index` of this many states of each kind.
    pub fn reserve(&mut self, index: usize, single: usize, blocks: usize) {
        let (single, blocks) = ((index + 1) * single, (index + 1) * blocks);
        if self.single.len() < single {
            self.single.resize(single, T::ZERO);
        }
        if self.blocks.len() < blocks {
            self.blocks.resize(blocks, Samples::ZERO);
        }
    }

    /// Copies row `from`, of this many states of each kind, over row `to`.
    fn replace(&mut self, to: usize, from: usize, single: usize, blocks: usize) {
        let rows = from * single..(from + 1) * single;
        self.single.copy_within(rows, to * single);
        let rows = from * blocks..(from + 1) * blocks;
        self.blocks.copy_within(rows, to * blocks);
    }
}

/// What is kept of a loop.
pub struct Tape<T> {
    /// The states that ways back read, for each iteration of a stretch.
    pub stretch: Rows<T>,
    /// Longest stretch.
    pub longest: usize,
    /// All states, for some iterations.
    pub checkpoints: Rows<T>,
    /// Most checkpoints of one level.
    pub most: usize,
    /// How many iterations lie between two checkpoints.
    pub stride: usize,
    /// How many checkpoints there are.
    pub count: usize,
    /// How many iterations the loop had.
    pub iterations: usize,
    /// How many of them each sample ran.
    pub ran: Box<[u32; BLOCK]>,
    /// The fewest that a sample ran.
    pub fewest: usize,
}

impl<T: Real> Tape<T> {
    /// An empty tape.
    pub fn new() -> Tape<T> {
        Tape {
            stretch: Rows::new(),
            longest: 0,
            checkpoints: Rows::new(),
            most: 0,
            stride: 1,
            count: 0,
            iterations: 0,
            ran: Box::new([0; BLOCK]),
            fewest: 0,
        }
    }

    /// Starts over for a loop of which one iteration takes this many bytes: the states that ways back read, and all.
    pub fn start(&mut self, read: usize, all: usize) {
        let rows = |bytes: usize, row: usize, most: usize| (bytes / row.max(1)).clamp(FEWEST, most);
        self.longest = rows(STRETCH_BYTES, read, LONGEST_STRETCH);
        self.most = rows(CHECKPOINT_BYTES, all, MOST_CHECKPOINTS);
        self.stride = self.longest;
        self.count = 0;
        self.iterations = 0;
        self.ran.fill(u32::MAX);
        self.fewest = usize::MAX;
    }

    /// Whether the states before `iteration` are to be a checkpoint; makes room for it. A checkpoint holds this many states
    /// of each kind.
    pub fn wants(&mut self, iteration: usize, single: usize, blocks: usize) -> bool {
        if iteration != self.count * self.stride {
            return false;
        }
        if self.count == self.most {
            for to in 1..self.count.div_ceil(2) {
                self.checkpoints.replace(to, 2 * to, single, blocks);
            }
            self.count = self.count.div_ceil(2);
            self.stride *= 2;
        }
        iteration == self.count * self.stride
    }
}
