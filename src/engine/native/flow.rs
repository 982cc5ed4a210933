//! Runs the items of a plan on a machine: on single values or on a block of samples.

use std::sync::atomic::{AtomicBool, Ordering};

use super::item::{Item, Loop, Reverse, Row, Steps, Turn};
use super::linear;
use super::step::Slot;
use super::tape::{Rows, Tape};
use crate::ops::real::Real;

/// Why a run ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A loop has more iterations than it may.
    Limit,
    /// The caller wants no more.
    Cancelled,
}

/// What computes: it has a value for each slot, for one sample or for each of several.
pub trait Machine<T> {
    /// How many samples there are.
    fn samples(&self) -> usize;
    /// Runs instructions.
    fn steps(&mut self, steps: &Steps);
    /// Runs an operation on matrices.
    fn linear(&mut self, step: &linear::Step);
    /// For how many samples a flag is true; `uniform` if it is one for the whole batch.
    fn active(&mut self, flag: Slot, uniform: bool) -> usize;
    /// Where a flag is false, the value after is the value before.
    fn keep(&mut self, flag: Slot, pairs: &[[Slot; 2]]);
    /// Notes for samples whose flag is false for the first time how many iterations they ran.
    fn finish(&mut self, flag: Slot, ran: &mut [u32], iterations: u32);
    /// True where a sample ran more than `iteration` iterations.
    fn mask(&mut self, mask: Slot, ran: &[u32], iteration: u32);
    /// How many states of a row are single values, and how many are blocks.
    fn width(&self, row: &Row) -> (usize, usize);
    /// Copies states to row `index`.
    fn save(&mut self, rows: &mut Rows<T>, index: usize, row: &Row);
    /// Copies states from row `index`.
    fn load(&mut self, rows: &Rows<T>, index: usize, row: &Row);
}

/// Whether the caller wants the run to stop.
pub fn cancelled(cancel: Option<&AtomicBool>) -> bool {
    cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed))
}

/// A run of items.
pub struct Flow<'a, T, M> {
    /// What computes.
    pub machine: M,
    /// The states that are kept of loops.
    pub tapes: &'a mut [Tape<T>],
    /// Most iterations of a loop.
    pub limit: u32,
    /// Set from outside to stop the run.
    pub cancel: Option<&'a AtomicBool>,
}

/// What a replay of a loop keeps.
#[derive(Clone, Copy)]
enum Keep {
    /// The states that a way back reads, of each iteration.
    Stretch,
    /// A checkpoint, each time after so many iterations.
    Checkpoints(usize),
}

/// How far a way back is.
struct Back {
    /// Which of the iterations that take turns comes next.
    turn: usize,
    /// Whether the mask is true for all samples.
    full: bool,
}

impl<T: Real, M: Machine<T>> Flow<'_, T, M> {
    /// Runs items in order.
    pub fn items(&mut self, items: &[Item]) -> Result<(), Stop> {
        for item in items {
            match item {
                Item::Steps(steps) => self.machine.steps(steps),
                Item::Linear(step) => self.machine.linear(step),
                Item::Loop(item) => self.repeat(item)?,
                Item::Reverse(item) => self.reverse(item)?,
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Stop> {
        match cancelled(self.cancel) {
            true => Err(Stop::Cancelled),
            false => Ok(()),
        }
    }

    fn repeat(&mut self, item: &Loop) -> Result<(), Stop> {
        let cycle = &item.cycle;
        self.machine.steps(&cycle.begin);
        if let (Some(tape), [first, ..]) = (item.tape, &cycle.turns[..]) {
            let bytes = |row: &Row| {
                let (single, blocks) = self.machine.width(row);
                (single + blocks * super::block::BLOCK) * size_of::<T>()
            };
            self.tapes[tape].start(bytes(&first.read), bytes(&first.states));
        }
        let samples = self.machine.samples();
        let (mut before, mut iteration) = (samples, 0);
        loop {
            let turn = &cycle.turns[iteration as usize % cycle.turns.len()];
            self.items(&turn.head)?;
            let active = self.machine.active(turn.flag, cycle.uniform);
            if active < before
                && let Some(tape) = item.tape
            {
                let tape = &mut self.tapes[tape];
                tape.fewest = tape.fewest.min(iteration as usize);
                if !cycle.uniform {
                    self.machine.finish(turn.flag, &mut tape.ran[..], iteration);
                }
            }
            if active == 0 {
                break;
            }
            if iteration == self.limit {
                return Err(Stop::Limit);
            }
            self.check()?;
            if let Some(tape) = item.tape {
                self.record(tape, turn, iteration as usize);
            }
            self.items(&turn.next)?;
            if active < samples {
                self.machine.keep(turn.flag, &turn.pairs);
            }
            if cycle.turns.len() == 1 {
                self.machine.steps(&cycle.settle);
            }
            before = active;
            iteration += 1;
        }
        if let Some(tape) = item.tape {
            self.tapes[tape].iterations = iteration as usize;
        }
        if cycle.turns.len() == 2 && iteration % 2 == 1 {
            self.machine.steps(&cycle.settle);
        }
        Ok(())
    }

    /// Keeps the states before an iteration.
    fn record(&mut self, tape: usize, turn: &Turn, iteration: usize) {
        let tape = &mut self.tapes[tape];
        if iteration < tape.longest {
            self.machine.save(&mut tape.stretch, iteration, &turn.read);
        }
        let (single, blocks) = self.machine.width(&turn.states);
        if tape.wants(iteration, single, blocks) {
            let rows = &mut tape.checkpoints;
            self.machine.save(rows, tape.count, &turn.states);
            tape.count += 1;
        }
    }

    fn reverse(&mut self, item: &Reverse) -> Result<(), Stop> {
        let cycle = &item.cycle;
        self.machine.steps(&cycle.begin);
        let mut at = Back {
            turn: 0,
            full: false,
        };
        let tape = &self.tapes[item.tape];
        let (iterations, stride) = (tape.iterations, tape.stride);
        if iterations <= tape.longest {
            self.back(item, 0, iterations, &mut at)?;
        } else {
            for checkpoint in (0..tape.count).rev() {
                let start = checkpoint * stride;
                let end = iterations.min(start + stride);
                self.stretch(item, checkpoint, start, end, &mut at)?;
            }
        }
        if at.turn == 1 {
            self.machine.steps(&cycle.settle);
        }
        Ok(())
    }

    /// Goes back over the iterations from `end` to `start`, for which there is a checkpoint.
    fn stretch(
        &mut self,
        item: &Reverse,
        checkpoint: usize,
        start: usize,
        end: usize,
        at: &mut Back,
    ) -> Result<(), Stop> {
        let tape = &self.tapes[item.tape];
        let (first, length) = (tape.count, end - start);
        if length <= tape.longest {
            self.replay(item, checkpoint, length, Keep::Stretch)?;
            return self.back(item, start, end, at);
        }
        let stride = tape.longest.max(length.div_ceil(tape.most));
        self.replay(item, checkpoint, length, Keep::Checkpoints(stride))?;
        for i in (0..length.div_ceil(stride)).rev() {
            let checkpoint = match i {
                0 => checkpoint,
                i => first + i - 1,
            };
            let start = start + i * stride;
            self.stretch(item, checkpoint, start, end.min(start + stride), at)?;
        }
        self.tapes[item.tape].count = first;
        Ok(())
    }

    /// Computes the states of `length` iterations again, from a checkpoint on.
    fn replay(
        &mut self,
        item: &Reverse,
        checkpoint: usize,
        length: usize,
        keep: Keep,
    ) -> Result<(), Stop> {
        let cycle = &item.replay;
        let rows = &self.tapes[item.tape].checkpoints;
        self.machine.load(rows, checkpoint, &cycle.turns[0].states);
        let samples = self.machine.samples();
        for iteration in 0..length {
            let turn = &cycle.turns[iteration % cycle.turns.len()];
            let tape = &mut self.tapes[item.tape];
            match keep {
                Keep::Stretch => self.machine.save(&mut tape.stretch, iteration, &turn.read),
                Keep::Checkpoints(stride) if iteration > 0 && iteration.is_multiple_of(stride) => {
                    self.machine
                        .save(&mut tape.checkpoints, tape.count, &turn.states);
                    tape.count += 1;
                }
                Keep::Checkpoints(_) => {}
            }
            if iteration + 1 == length {
                break;
            }
            self.check()?;
            self.items(&turn.head)?;
            let active = self.machine.active(turn.flag, cycle.uniform);
            self.items(&turn.next)?;
            if active < samples {
                self.machine.keep(turn.flag, &turn.pairs);
            }
            if cycle.turns.len() == 1 {
                self.machine.steps(&cycle.settle);
            }
        }
        Ok(())
    }

    /// Goes back over the iterations from `end` to `start`, the states before which are kept.
    fn back(
        &mut self,
        item: &Reverse,
        start: usize,
        end: usize,
        at: &mut Back,
    ) -> Result<(), Stop> {
        let cycle = &item.cycle;
        for iteration in (start..end).rev() {
            self.check()?;
            let tape = &self.tapes[item.tape];
            self.machine
                .load(&tape.stretch, iteration - start, &item.load);
            let turn = &cycle.turns[at.turn];
            let partial = !cycle.uniform && iteration >= tape.fewest;
            if partial || !(cycle.uniform || at.full) {
                self.machine
                    .mask(turn.flag, &tape.ran[..], iteration as u32);
                at.full = !partial;
            }
            self.items(&turn.next)?;
            if partial {
                self.machine.keep(turn.flag, &turn.pairs);
            }
            match cycle.turns.len() {
                1 => self.machine.steps(&cycle.settle),
                _ => at.turn = 1 - at.turn,
            }
        }
        Ok(())
    }
}
