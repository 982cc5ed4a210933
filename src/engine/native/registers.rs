//! Gives places to the values of drafts: what differs from sample to sample gets registers, which are used again as soon as
//! nothing reads their value any more; states keep theirs for as long as their loop runs.

use std::collections::HashMap;

use super::draft::{Draft, Out};
use super::item::{Item, Loop, Steps};
use super::linear;
use super::step::{Code, Slot, Step};
use super::values::{Source, Values};

/// Marks the slots of inputs until it is known how many slots are before them.
pub const INPUT: Slot = 1 << 30;
/// Marks registers, likewise.
pub const REGISTER: Slot = 2 << 30;
/// The slot that nothing reads, likewise.
pub const UNREAD: Slot = 3 << 30;

/// The value is read until its region ends.
pub const ALWAYS: usize = usize::MAX;
/// The register of the value has been given back.
pub const GONE: usize = usize::MAX - 1;

/// The places of values.
pub struct Places<'a> {
    pub(super) values: &'a Values,
    /// For each value its slot, where it is now.
    pub slot: Vec<Slot>,
    /// How many slots for single values there are.
    pub uniforms: Slot,
    /// The most registers that were in use at a time.
    pub registers: Slot,
    /// How many tapes there are.
    pub tapes: usize,
    /// For each recorded loop its tape: those of loops that are one for the whole batch, and those of this pass.
    pub(super) tape: [HashMap<usize, usize>; 2],
    used: Slot,
    free: Vec<Slot>,
    /// The scope whose values are given places.
    pub(super) scope: usize,
    /// For each value the last position in its scope where it is read.
    pub(super) last: Vec<usize>,
    /// The slots of values that are next states.
    pub(super) target: Vec<Option<Slot>>,
}

impl<'a> Places<'a> {
    /// Gives slots to inputs and to uniform values outside loops.
    pub fn new(values: &'a Values, inputs: &[usize]) -> Places<'a> {
        let count = values.list.len();
        let mut places = Places {
            values,
            slot: vec![UNREAD; count],
            uniforms: 0,
            registers: 0,
            tapes: 0,
            tape: [HashMap::new(), HashMap::new()],
            used: 0,
            free: Vec::new(),
            scope: 0,
            last: vec![0; count],
            target: vec![None; count],
        };
        for (i, value) in values.list.iter().enumerate() {
            match value.source {
                Source::Input(port) => {
                    let position = inputs.iter().position(|input| *input == port);
                    places.slot[i] = INPUT + position.unwrap_or(0) as Slot;
                }
                // they get theirs with the loops that they belong to
                Source::Loop(_) | Source::Reverse(_) | Source::Result(_) => {}
                _ if value.batched || value.region != 0 => {}
                _ => places.slot[i] = places.uniform(),
            }
        }
        places
    }

    fn uniform(&mut self) -> Slot {
        self.uniforms += 1;
        self.uniforms - 1
    }

    pub(super) fn register(&mut self) -> Slot {
        self.free.pop().unwrap_or_else(|| {
            self.used += 1;
            self.registers = self.registers.max(self.used);
            REGISTER + self.used - 1
        })
    }

    /// A new slot for `value`.
    pub(super) fn place(&mut self, value: usize) -> Slot {
        match self.values.list[value].batched {
            true => self.register(),
            false => self.uniform(),
        }
    }

    pub(super) fn give_back(&mut self, slot: Slot) {
        if (REGISTER..UNREAD).contains(&slot) {
            self.free.push(slot);
        }
    }

    /// The items of drafts that stand in no loop.
    pub fn items(&mut self, drafts: &[Draft]) -> Vec<Item> {
        self.used = 0;
        self.free.clear();
        self.tape[1].clear();
        self.scope = 0;
        self.mark(drafts, 0);
        self.list(drafts, 0)
    }

    pub(super) fn in_scope(&self, value: usize) -> bool {
        self.values.scopes[self.values.list[value].region] == self.scope
    }

    /// Finds where values of the scope are read last; the first of the drafts is at position `base`.
    pub(super) fn mark(&mut self, drafts: &[Draft], base: usize) {
        let values = self.values;
        for (i, draft) in drafts.iter().enumerate() {
            for value in defined(values, draft) {
                self.last[*value] = base + i;
            }
            draft.uses(values, &mut |value| {
                if self.in_scope(value) {
                    self.last[value] = base + i;
                }
            });
        }
    }

    /// Items for drafts of the scope. A result never shares a register with an argument of its step.
    pub(super) fn list(&mut self, drafts: &[Draft], base: usize) -> Vec<Item> {
        let values = self.values;
        let mut items = Vec::new();
        for (i, draft) in drafts.iter().enumerate() {
            match draft {
                Draft::Step { code, out, args } => {
                    let step = self.step(*code, *out, args);
                    let uniform = match out {
                        Out::Value(value) => !values.list[*value].batched,
                        _ => false,
                    };
                    push(&mut items, step, uniform);
                }
                Draft::Linear(value) => {
                    let step = self.linear(*value);
                    items.push(Item::Linear(Box::new(step)));
                }
                Draft::Loop(draft) => {
                    let cycle = self.repeat(draft, false);
                    let tape = draft.recorded.then(|| {
                        let tapes = &mut self.tape[usize::from(!draft.single)];
                        tapes.insert(draft.value, self.tapes);
                        self.tapes += 1;
                        self.tapes - 1
                    });
                    items.push(Item::Loop(Box::new(Loop { cycle, tape })));
                }
                Draft::Reverse(draft) => {
                    items.push(Item::Reverse(Box::new(self.reverse(draft))));
                }
            }
            let position = base + i;
            for value in defined(values, draft) {
                self.release(*value, position);
            }
            draft.uses(values, &mut |value| self.release(value, position));
        }
        items
    }

    /// Gives the register of a value back that is read at `position` for the last time.
    fn release(&mut self, value: usize, position: usize) {
        if self.last[value] == position && self.in_scope(value) {
            self.last[value] = GONE;
            self.give_back(self.slot[value]);
        }
    }

    fn step(&mut self, code: Code, out: Out, args: &[usize]) -> Step {
        let (slot, index) = match out {
            Out::Sum(i) | Out::Output(i) => (UNREAD, i),
            Out::Pair(pair) => {
                for value in pair {
                    self.slot[value] = self.place(value);
                }
                (self.slot[pair[0]], self.slot[pair[1]] as usize)
            }
            Out::Value(i) | Out::Both(i, _) => {
                let target = self.target[i];
                let inside = self.values.list[i].batched || self.values.list[i].region != 0;
                self.slot[i] = match target {
                    Some(target) => target,
                    None if inside => self.place(i),
                    None => self.slot[i],
                };
                match out {
                    Out::Both(_, sum) => (self.slot[i], sum),
                    _ => (self.slot[i], 0),
                }
            }
        };
        let slots: Vec<Slot> = args.iter().map(|arg| self.slot[*arg]).collect();
        new_step(code, slot, index as u32, &slots)
    }

    /// An operation on matrices, its values in slots of their own.
    fn linear(&mut self, value: usize) -> linear::Step {
        let values = self.values;
        let Source::Linear(system, args) = &values.list[value].source else {
            unreachable!("the draft of an operation on matrices");
        };
        let results = &values.list[value].results;
        for result in results {
            self.slot[*result] = self.place(*result);
        }
        let slots = |list: &[usize]| list.iter().map(|value| self.slot[*value]).collect();
        linear::Step {
            system: *system,
            args: slots(args),
            results: slots(results),
            uniform: !values.list[value].batched,
            fills: Vec::new(),
        }
    }
}

/// The values that a draft gives to its scope.
fn defined<'v>(values: &'v Values, draft: &'v Draft) -> &'v [usize] {
    match draft {
        Draft::Step {
            out: Out::Value(value) | Out::Both(value, _),
            ..
        } => std::slice::from_ref(value),
        Draft::Step {
            out: Out::Pair(pair),
            ..
        } => pair,
        Draft::Step { .. } => &[],
        Draft::Linear(value) => &values.list[*value].results,
        Draft::Loop(draft) => &values.list[draft.value].results,
        Draft::Reverse(draft) => &values.list[draft.value].results,
    }
}

pub fn new_step(code: Code, slot: Slot, index: u32, args: &[Slot]) -> Step {
    let first = args.first().copied().unwrap_or(0);
    let mut step = Step {
        code,
        slot,
        index,
        // what the code does not take must be a slot all the same
        args: [first; 3],
    };
    step.args[..args.len()].copy_from_slice(args);
    step
}

fn push(items: &mut Vec<Item>, step: Step, uniform: bool) {
    let mut steps = Steps::default();
    match uniform {
        true => steps.uniform.push(step),
        false => steps.batched.push(step),
    }
    append(items, steps);
}

/// Adds steps to the last of the items.
pub fn append(items: &mut Vec<Item>, steps: Steps) {
    if let Some(Item::Steps(last)) = items.last_mut() {
        last.uniform.extend(steps.uniform);
        last.batched.extend(steps.batched);
    } else if !(steps.uniform.is_empty() && steps.batched.is_empty()) {
        items.push(Item::Steps(steps));
    }
}
