//! Gives places to the values of drafts: what differs from sample to sample gets registers, which are used again as soon as
//! nothing reads their value any more; states keep theirs for as long as their loop runs.

use std::collections::HashMap;

use super::draft::{Draft, LoopDraft, Out, ReverseDraft};
use super::item::{Cycle, Item, Loop, Reverse, Row, Slots, Steps, Turn};
use super::step::{Code, Slot, Step};
use super::values::{Source, Values};

/// Marks the slots of inputs until it is known how many slots are before them.
pub const INPUT: Slot = 1 << 30;
/// Marks registers, likewise.
pub const REGISTER: Slot = 2 << 30;
/// The slot that nothing reads, likewise.
pub const UNREAD: Slot = 3 << 30;

/// The value is read until its region ends.
const ALWAYS: usize = usize::MAX;
/// The register of the value has been given back.
const GONE: usize = usize::MAX - 1;

/// The places of values.
pub struct Places<'a> {
    values: &'a Values,
    /// For each value its slot, where it is now.
    pub slot: Vec<Slot>,
    /// How many slots for single values there are.
    pub uniforms: Slot,
    /// The most registers that were in use at a time.
    pub registers: Slot,
    /// How many tapes there are.
    pub tapes: usize,
    /// For each recorded loop its tape.
    tape: HashMap<usize, usize>,
    used: Slot,
    free: Vec<Slot>,
    /// The scope whose values are given places.
    scope: usize,
    /// For each value the last position in its scope where it is read.
    last: Vec<usize>,
    /// The slots of values that are next states.
    target: Vec<Option<Slot>>,
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
            tape: HashMap::new(),
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

    fn register(&mut self) -> Slot {
        self.free.pop().unwrap_or_else(|| {
            self.used += 1;
            self.registers = self.registers.max(self.used);
            REGISTER + self.used - 1
        })
    }

    /// A new slot for `value`.
    fn place(&mut self, value: usize) -> Slot {
        match self.values.list[value].batched {
            true => self.register(),
            false => self.uniform(),
        }
    }

    fn give_back(&mut self, slot: Slot) {
        if (REGISTER..UNREAD).contains(&slot) {
            self.free.push(slot);
        }
    }

    /// The items of drafts that stand in no loop.
    pub fn items(&mut self, drafts: &[Draft]) -> Vec<Item> {
        self.used = 0;
        self.free.clear();
        self.scope = 0;
        self.mark(drafts, 0);
        self.list(drafts, 0)
    }

    fn in_scope(&self, value: usize) -> bool {
        self.values.scopes[self.values.list[value].region] == self.scope
    }

    /// Finds where values of the scope are read last; the first of the drafts is at position `base`.
    fn mark(&mut self, drafts: &[Draft], base: usize) {
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
    fn list(&mut self, drafts: &[Draft], base: usize) -> Vec<Item> {
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
                Draft::Loop(draft) => {
                    let cycle = self.repeat(draft, false);
                    let tape = draft.recorded.then(|| {
                        self.tape.insert(draft.value, self.tapes);
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

    /// The slots of states, for this iteration and for the next.
    fn pairs(&mut self, params: &[usize]) -> Vec<[Slot; 2]> {
        let pair = |param: &usize| [0, 1].map(|_| self.place(*param));
        params.iter().map(pair).collect()
    }

    /// The loop of a draft. As a replay it begins with states that it is given, and its results go nowhere.
    fn repeat(&mut self, draft: &LoopDraft, replay: bool) -> Cycle {
        let values = self.values;
        let Source::Loop(l) = &values.list[draft.value].source else {
            unreachable!("a loop's draft");
        };
        let pairs = self.pairs(&l.params);
        let begin = match replay {
            true => Steps::default(),
            false => self.copies(&l.params, |places, i| {
                (pairs[i][0], places.slot[l.inits[i]])
            }),
        };
        let around = std::mem::replace(&mut self.scope, values.scopes[l.head]);
        for (param, pair) in l.params.iter().zip(&pairs) {
            self.slot[*param] = pair[0];
        }
        self.mark(&draft.head, 0);
        self.mark(&draft.next, draft.head.len());
        let drafts = || draft.head.iter().chain(&draft.next);
        let copied = self.targets(drafts(), &l.params, &l.nexts, &pairs, Some(l.flag));
        self.keep(l.flag);
        l.params.iter().for_each(|param| self.last[*param] = ALWAYS);
        let head = self.list(&draft.head, 0);
        let mut next = self.list(&draft.next, draft.head.len());
        let copies = self.copies(&copied, |places, i| {
            (pairs[copied[i]][1], places.slot[l.nexts[copied[i]]])
        });
        append(&mut next, copies);
        let read: Vec<usize> = l.read.iter().map(|i| l.params[*i]).collect();
        let turn = Turn {
            head,
            flag: self.slot[l.flag],
            next,
            states: self.row(&l.params),
            read: self.row(&read),
            pairs: self.batched_pairs(&l.params, &pairs),
        };
        self.close(l.nexts.iter().chain([&l.flag]), &l.params);
        self.scope = around;
        let settle = self.copies(&l.params, |_, i| (pairs[i][0], pairs[i][1]));
        for (i, [now, then]) in pairs.iter().enumerate() {
            self.give_back(*then);
            match replay {
                true => self.give_back(*now),
                false => self.slot[values.list[draft.value].results[i]] = *now,
            }
        }
        Cycle {
            begin,
            turns: turns(turn, &pairs),
            settle,
            uniform: !values.list[l.flag].batched,
        }
    }

    fn reverse(&mut self, draft: &ReverseDraft) -> Reverse {
        let values = self.values;
        let Source::Reverse(r) = &values.list[draft.value].source else {
            unreachable!("the draft of a way back");
        };
        let Source::Loop(of) = &values.list[r.of].source else {
            unreachable!("verification finds a loop");
        };
        let pairs = self.pairs(&r.carries);
        let begin = self.copies(&r.carries, |places, i| {
            (pairs[i][0], places.slot[r.inits[i]])
        });
        let uniform = !values.list[of.flag].batched;
        let mask = match uniform {
            true => UNREAD,
            // before the replay, which must leave it alone
            false => self.register(),
        };
        let replay = self.repeat(&draft.replay, true);
        let around = std::mem::replace(&mut self.scope, r.body);
        for (carry, pair) in r.carries.iter().zip(&pairs) {
            self.slot[*carry] = pair[0];
        }
        let read: Vec<usize> = of.read.iter().map(|i| r.states[*i]).collect();
        for state in &read {
            self.slot[*state] = self.place(*state);
        }
        self.mark(&draft.back, 0);
        let copied = self.targets(draft.back.iter(), &r.carries, &r.nexts, &pairs, None);
        if let Some(value) = r.mask {
            self.slot[value] = mask;
            self.last[value] = ALWAYS;
        }
        let params = || r.carries.iter().chain(&r.states);
        params().for_each(|param| self.last[*param] = ALWAYS);
        let mut next = self.list(&draft.back, 0);
        let copies = self.copies(&copied, |places, i| {
            (pairs[copied[i]][1], places.slot[r.nexts[copied[i]]])
        });
        append(&mut next, copies);
        let load = self.row(&read);
        let turn = Turn {
            head: Vec::new(),
            flag: mask,
            next,
            states: Row::default(),
            read: Row::default(),
            pairs: self.batched_pairs(&r.carries, &pairs),
        };
        let params: Vec<usize> = params().copied().collect();
        self.close(r.nexts.iter(), &params);
        self.scope = around;
        for state in &read {
            self.give_back(self.slot[*state]);
        }
        self.give_back(mask);
        let settle = self.copies(&r.carries, |_, i| (pairs[i][0], pairs[i][1]));
        for (i, [now, then]) in pairs.iter().enumerate() {
            self.give_back(*then);
            self.slot[values.list[draft.value].results[i]] = *now;
        }
        Reverse {
            tape: self.tape[&r.of],
            replay,
            cycle: Cycle {
                begin,
                turns: turns(turn, &pairs),
                settle,
                uniform,
            },
            load,
        }
    }

    /// Lets a value of the scope live until the scope ends.
    fn keep(&mut self, value: usize) {
        if self.in_scope(value) {
            self.last[value] = ALWAYS;
        }
    }

    /// Lets the values that are next states be computed where the next iteration wants them; the positions of those that
    /// have to be copied there. The flag is read when next states are in place already.
    fn targets<'d>(
        &mut self,
        drafts: impl Iterator<Item = &'d Draft>,
        params: &[usize],
        nexts: &[usize],
        pairs: &[[Slot; 2]],
        flag: Option<usize>,
    ) -> Vec<usize> {
        let list = &self.values.list;
        let computed = drafts.filter_map(|draft| match draft {
            Draft::Step {
                out: Out::Value(value),
                ..
            } => Some(*value),
            _ => None,
        });
        let computed: std::collections::HashSet<usize> = computed.collect();
        let mut copied = Vec::new();
        for (i, (param, next)) in params.iter().zip(nexts).enumerate() {
            let alike = list[*param].batched == list[*next].batched && flag != Some(*next);
            if alike && computed.contains(next) && self.target[*next].is_none() {
                self.target[*next] = Some(pairs[i][1]);
            } else {
                copied.push(i);
            }
            self.keep(*next);
        }
        copied
    }

    /// Ends the scope: gives back the registers of values that were read until its end.
    fn close<'v>(&mut self, always: impl Iterator<Item = &'v usize>, params: &[usize]) {
        for value in always {
            let own = self.in_scope(*value) && !params.contains(value);
            if self.target[*value].take().is_none() && own && self.last[*value] == ALWAYS {
                self.give_back(self.slot[*value]);
            }
            if own {
                self.last[*value] = GONE;
            }
        }
    }

    /// Steps that copy to what `places` says first from what it says second; `kinds` says what is copied, and how often.
    fn copies(&self, kinds: &[usize], places: impl Fn(&Places, usize) -> (Slot, Slot)) -> Steps {
        let mut steps = Steps::default();
        for i in 0..kinds.len() {
            let (to, from) = places(self, i);
            let step = new_step(Code::Copy, to, 0, &[from]);
            match to < INPUT {
                true => steps.uniform.push(step),
                false => steps.batched.push(step),
            }
        }
        steps
    }

    fn row(&self, params: &[usize]) -> Row {
        let mut row = Row::default();
        for param in params {
            match self.values.list[*param].batched {
                true => row.batched.push(self.slot[*param]),
                false => row.uniform.push(self.slot[*param]),
            }
        }
        row
    }

    fn batched_pairs(&self, params: &[usize], pairs: &[[Slot; 2]]) -> Vec<[Slot; 2]> {
        let all = params.iter().zip(pairs);
        let batched = all.filter(|(param, _)| self.values.list[**param].batched);
        batched.map(|(_, pair)| *pair).collect()
    }
}

/// The values that a draft gives to its scope.
fn defined<'v>(values: &'v Values, draft: &'v Draft) -> &'v [usize] {
    match draft {
        Draft::Step {
            out: Out::Value(value) | Out::Both(value, _),
            ..
        } => std::slice::from_ref(value),
        Draft::Step { .. } => &[],
        Draft::Loop(draft) => &values.list[draft.value].results,
        Draft::Reverse(draft) => &values.list[draft.value].results,
    }
}

fn new_step(code: Code, slot: Slot, index: u32, args: &[Slot]) -> Step {
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
fn append(items: &mut Vec<Item>, steps: Steps) {
    if let Some(Item::Steps(last)) = items.last_mut() {
        last.uniform.extend(steps.uniform);
        last.batched.extend(steps.batched);
    } else if !(steps.uniform.is_empty() && steps.batched.is_empty()) {
        items.push(Item::Steps(steps));
    }
}

/// The iterations that take turns: two where they hold no loop, so that no state has to be moved.
fn turns(turn: Turn, pairs: &[[Slot; 2]]) -> Vec<Turn> {
    let plain = |items: &[Item]| items.iter().all(|item| matches!(item, Item::Steps(_)));
    if !plain(&turn.head) || !plain(&turn.next) {
        return vec![turn];
    }
    let both = |[a, b]: &[Slot; 2]| [(*a, *b), (*b, *a)];
    let exchanged: HashMap<Slot, Slot> = pairs.iter().flat_map(both).collect();
    let mut second = turn.clone();
    second.slots(&mut |slot| *slot = exchanged.get(slot).copied().unwrap_or(*slot));
    vec![turn, second]
}
