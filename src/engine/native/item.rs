//! What a plan consists of: runs of instructions, loops and ways back.

use super::compiled::Compiled;
use super::linear;
use super::step::{Slot, Step};

/// A part of a plan.
#[derive(Clone)]
pub enum Item {
    /// Instructions.
    Steps(Steps),
    /// An operation on matrices.
    Linear(Box<linear::Step>),
    /// A loop.
    Loop(Box<Loop>),
    /// A way back over a loop.
    Reverse(Box<Reverse>),
}

/// Instructions in a row: those on values that are one for the whole batch first.
#[derive(Clone, Default)]
pub struct Steps {
    /// On single values.
    pub uniform: Vec<Step>,
    /// Which of their results blocks of samples read.
    pub fills: Vec<Slot>,
    /// On each sample.
    pub batched: Vec<Step>,
    /// Where the machine code for them is, if there is any.
    pub compiled: Compiled,
}

/// What goes round.
#[derive(Clone)]
pub struct Cycle {
    /// Gives the first states their values.
    pub begin: Steps,
    /// One iteration; or two that take turns, the second with the slots of states and next states exchanged.
    pub turns: Vec<Turn>,
    /// Moves the next states to the slots of the states.
    pub settle: Steps,
    /// Whether all samples have equally many iterations.
    pub uniform: bool,
}

/// One iteration.
#[derive(Clone)]
pub struct Turn {
    /// Gives the flag.
    pub head: Vec<Item>,
    /// True for the samples that run the iteration.
    pub flag: Slot,
    /// Gives the next states.
    pub next: Vec<Item>,
    /// The states before the iteration.
    pub states: Row,
    /// Those that ways back read.
    pub read: Row,
    /// The states that differ from sample to sample, before and after.
    pub pairs: Vec<[Slot; 2]>,
}

/// The slots of states.
#[derive(Clone, Default)]
pub struct Row {
    /// Of those that are one for the whole batch.
    pub uniform: Vec<Slot>,
    /// Which of these blocks of samples read.
    pub fills: Vec<Slot>,
    /// Of those that differ from sample to sample.
    pub batched: Vec<Slot>,
}

/// A loop.
#[derive(Clone)]
pub struct Loop {
    /// What goes round.
    pub cycle: Cycle,
    /// Where its states are kept, if a way back reads them.
    pub tape: Option<usize>,
}

/// A way back over a loop.
#[derive(Clone)]
pub struct Reverse {
    /// Where the states of the loop are kept.
    pub tape: usize,
    /// The loop, in slots of its own; computes again the states that were not kept.
    pub replay: Cycle,
    /// What goes round; the flags are true for the samples that ran the iteration.
    pub cycle: Cycle,
    /// Where the states before an iteration go.
    pub load: Row,
}

/// Calls a function with every slot.
pub trait Slots {
    /// Calls `f` with every slot.
    fn slots(&mut self, f: &mut dyn FnMut(&mut Slot));

    /// Calls `f` with every run of instructions and every row of states.
    fn parts(&mut self, f: &mut dyn FnMut(Part));
}

/// What [`Slots::parts`] finds.
pub enum Part<'a> {
    /// A run of instructions.
    Steps(&'a mut Steps),
    /// An operation on matrices.
    Linear(&'a mut linear::Step),
    /// The states that a way back loads.
    Row(&'a mut Row),
}

impl Slots for Steps {
    fn slots(&mut self, f: &mut dyn FnMut(&mut Slot)) {
        for step in self.uniform.iter_mut().chain(&mut self.batched) {
            step.results(f);
            step.args.iter_mut().for_each(&mut *f);
        }
        self.fills.iter_mut().for_each(f);
    }

    fn parts(&mut self, f: &mut dyn FnMut(Part)) {
        f(Part::Steps(self));
    }
}

impl Slots for Row {
    fn slots(&mut self, f: &mut dyn FnMut(&mut Slot)) {
        self.uniform.iter_mut().for_each(&mut *f);
        self.fills.iter_mut().for_each(&mut *f);
        self.batched.iter_mut().for_each(f);
    }

    fn parts(&mut self, f: &mut dyn FnMut(Part)) {
        f(Part::Row(self));
    }
}

impl Slots for Turn {
    fn slots(&mut self, f: &mut dyn FnMut(&mut Slot)) {
        self.head.slots(f);
        f(&mut self.flag);
        self.next.slots(f);
        self.states.slots(f);
        self.read.slots(f);
        self.pairs.iter_mut().flatten().for_each(f);
    }

    fn parts(&mut self, f: &mut dyn FnMut(Part)) {
        self.head.parts(f);
        self.next.parts(f);
        self.states.parts(f);
        self.read.parts(f);
    }
}

impl Slots for Cycle {
    fn slots(&mut self, f: &mut dyn FnMut(&mut Slot)) {
        self.begin.slots(f);
        self.turns.iter_mut().for_each(|turn| turn.slots(f));
        self.settle.slots(f);
    }

    fn parts(&mut self, f: &mut dyn FnMut(Part)) {
        self.begin.parts(f);
        self.turns.iter_mut().for_each(|turn| turn.parts(f));
        self.settle.parts(f);
    }
}

impl Slots for Item {
    fn slots(&mut self, f: &mut dyn FnMut(&mut Slot)) {
        match self {
            Item::Steps(steps) => steps.slots(f),
            Item::Linear(step) => {
                let slots = step.args.iter_mut().chain(&mut step.results);
                slots.chain(&mut step.fills).for_each(f);
            }
            Item::Loop(l) => l.cycle.slots(f),
            Item::Reverse(r) => {
                r.replay.slots(f);
                r.cycle.slots(f);
                r.load.slots(f);
            }
        }
    }

    fn parts(&mut self, f: &mut dyn FnMut(Part)) {
        match self {
            Item::Steps(steps) => steps.parts(f),
            Item::Linear(step) => f(Part::Linear(step)),
            Item::Loop(l) => l.cycle.parts(f),
            Item::Reverse(r) => {
                r.replay.parts(f);
                r.cycle.parts(f);
                r.load.parts(f);
            }
        }
    }
}

impl Slots for Vec<Item> {
    fn slots(&mut self, f: &mut dyn FnMut(&mut Slot)) {
        self.iter_mut().for_each(|item| item.slots(f));
    }

    fn parts(&mut self, f: &mut dyn FnMut(Part)) {
        self.iter_mut().for_each(|item| item.parts(f));
    }
}
