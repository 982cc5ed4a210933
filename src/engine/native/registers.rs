//! Gives places to the values of drafts: what differs from sample to sample gets registers, which are used again as soon as
//! nothing reads their value any more; states keep theirs for as long as their loop runs.

use std::collections::{HashMap, HashSet};

use super::draft::{Draft, LoopDraft, Out, ReverseDraft};
use super::item::{Cycle, Item, Loop, Reverse, Row, Slots, Steps, Turn};
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
    /// For each recorded loop its tape: those of loops that are one for the whole batch, and those of this pass.
    tape: [HashMap<usize, usize>; 2],
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
        self.tape[1].clear();
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

    /// The loop of a draft. As a replay it begins with states that it is given, and its results go nowhere.
    fn repeat(&mut self, draft: &LoopDraft, replay: bool) -> Cycle {
        let values = self.values;
        let Source::Loop(l) = &values.list[draft.value].source else {
            unreachable!("a loop's draft");
        };
        let wave = self.wave(draft.single, [&l.params, &l.inits, &l.nexts], &l.read);
        let results = &values.list[draft.value].results;
        let begin = match replay {
            true => Steps::default(),
            false => self.begin(&wave),
        };
        let around = std::mem::replace(&mut self.scope, values.scopes[l.head]);
        self.enter(&wave);
        self.mark(&draft.head, 0);
        self.mark(&draft.next, draft.head.len());
        let drafts = draft.head.iter().chain(&draft.next);
        let copied = self.targets(drafts, &wave, Some(l.flag));
        self.keep(l.flag);
        let head = self.list(&draft.head, 0);
        let mut next = self.list(&draft.next, draft.head.len());
        append(&mut next, self.rest(&wave, &copied));
        let turn = Turn {
            head,
            flag: self.slot[l.flag],
            next,
            states: self.row(&wave.params),
            read: self.row(&wave.read),
            pairs: wave.batched_pairs(values),
        };
        self.close(wave.nexts.iter().chain([&l.flag]), &wave.params);
        self.scope = around;
        self.leave(&wave, (!replay).then_some((draft.single, results)));
        Cycle {
            begin,
            turns: turns(turn, &wave.pairs),
            settle: settle(&wave.pairs),
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
        let wave = self.wave(draft.single, [&r.carries, &r.inits, &r.nexts], &[]);
        let begin = self.begin(&wave);
        let uniform = !values.list[of.flag].batched;
        let mask = match uniform {
            true => UNREAD,
            // before the replay, which must leave it alone
            false => self.register(),
        };
        let replay = self.repeat(&draft.replay, true);
        let around = std::mem::replace(&mut self.scope, r.body);
        self.enter(&wave);
        let read = of.read.iter().map(|i| r.states[*i]);
        let read: Vec<usize> = read
            .filter(|state| self.may(draft.single, *state))
            .collect();
        for state in &read {
            self.slot[*state] = self.place(*state);
        }
        self.mark(&draft.back, 0);
        let copied = self.targets(draft.back.iter(), &wave, None);
        for state in read.iter().chain(&r.mask) {
            self.keep(*state);
        }
        if let Some(value) = r.mask {
            self.slot[value] = mask;
        }
        let mut next = self.list(&draft.back, 0);
        append(&mut next, self.rest(&wave, &copied));
        let load = self.row(&read);
        let turn = Turn {
            head: Vec::new(),
            flag: mask,
            next,
            states: Row::default(),
            read: Row::default(),
            pairs: wave.batched_pairs(values),
        };
        let params = [&wave.params[..], &r.states].concat();
        self.close(wave.nexts.iter(), &params);
        self.scope = around;
        for state in &read {
            self.give_back(self.slot[*state]);
        }
        self.give_back(mask);
        let results = &values.list[draft.value].results;
        self.leave(&wave, Some((draft.single, results)));
        Reverse {
            tape: match self.tape[1].get(&r.of) {
                Some(tape) if !draft.single => *tape,
                _ => self.tape[0][&r.of],
            },
            replay,
            cycle: Cycle {
                begin,
                turns: turns(turn, &wave.pairs),
                settle: settle(&wave.pairs),
                uniform,
            },
            load,
        }
    }

    /// Whether a value belongs to what is drafted: to all of a loop, or to the part that is one for the whole batch.
    fn may(&self, single: bool, value: usize) -> bool {
        !(single && self.values.list[value].batched)
    }

    /// What goes round, with new slots; `read` are positions.
    fn wave(
        &mut self,
        single: bool,
        [params, inits, nexts]: [&[usize]; 3],
        read: &[usize],
    ) -> Wave {
        let all = 0..params.len();
        let positions: Vec<usize> = all.filter(|i| self.may(single, params[*i])).collect();
        let part = |list: &[usize]| positions.iter().map(|i| list[*i]).collect();
        let read = read.iter().map(|i| params[*i]);
        let pair = |i: &usize| [0, 1].map(|_| self.place(params[*i]));
        Wave {
            pairs: positions.iter().map(pair).collect(),
            params: part(params),
            inits: part(inits),
            nexts: part(nexts),
            read: read.filter(|param| self.may(single, *param)).collect(),
            positions,
        }
    }

    /// Copies first values to states.
    fn begin(&self, wave: &Wave) -> Steps {
        let pairs = wave.pairs.iter().zip(&wave.inits);
        copies(pairs.map(|([now, _], init)| (*now, self.slot[*init])))
    }

    /// Gives the states their slots; they keep them until the scope ends.
    fn enter(&mut self, wave: &Wave) {
        for (param, [now, _]) in wave.params.iter().zip(&wave.pairs) {
            self.slot[*param] = *now;
        }
    }

    /// Copies next states that are computed elsewhere to where the next iteration wants them.
    fn rest(&self, wave: &Wave, copied: &[usize]) -> Steps {
        let place = |i: &usize| (wave.pairs[*i][1], self.slot[wave.nexts[*i]]);
        copies(copied.iter().map(place))
    }

    /// Gives back the slots of states but for those of results.
    fn leave(&mut self, wave: &Wave, results: Option<(bool, &Vec<usize>)>) {
        for (i, [now, then]) in wave.positions.iter().zip(&wave.pairs) {
            self.give_back(*then);
            let Some((single, results)) = results else {
                self.give_back(*now);
                continue;
            };
            let result = &self.values.list[results[*i]];
            // what is one for the whole batch and stands in no loop is computed beside the passes
            if single || result.batched || result.region != 0 {
                self.slot[results[*i]] = *now;
            }
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
        wave: &Wave,
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
        let computed: HashSet<usize> = computed.collect();
        let mut copied = Vec::new();
        for (i, (param, next)) in wave.params.iter().zip(&wave.nexts).enumerate() {
            let alike = list[*param].batched == list[*next].batched && flag != Some(*next);
            if alike && computed.contains(next) && self.target[*next].is_none() {
                self.target[*next] = Some(wave.pairs[i][1]);
            } else {
                copied.push(i);
            }
            self.keep(*next);
        }
        wave.params.iter().for_each(|param| self.keep(*param));
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
}

/// The states of a loop or the carries of a way back.
struct Wave {
    /// Which they are of all.
    positions: Vec<usize>,
    params: Vec<usize>,
    inits: Vec<usize>,
    nexts: Vec<usize>,
    /// Those that ways back read.
    read: Vec<usize>,
    /// Their slots, for this iteration and for the next.
    pairs: Vec<[Slot; 2]>,
}

impl Wave {
    fn batched_pairs(&self, values: &Values) -> Vec<[Slot; 2]> {
        let all = self.params.iter().zip(&self.pairs);
        let batched = all.filter(|(param, _)| values.list[**param].batched);
        batched.map(|(_, pair)| *pair).collect()
    }
}

/// Moves the next states to the slots of the states.
fn settle(pairs: &[[Slot; 2]]) -> Steps {
    copies(pairs.iter().map(|[now, then]| (*now, *then)))
}

/// Copies to the first slot what is in the second.
fn copies(pairs: impl Iterator<Item = (Slot, Slot)>) -> Steps {
    let mut steps = Steps::default();
    for (to, from) in pairs {
        let step = new_step(Code::Copy, to, 0, &[from]);
        match to < INPUT {
            true => steps.uniform.push(step),
            false => steps.batched.push(step),
        }
    }
    steps
}

/// The values that a draft gives to its scope.
fn defined<'v>(values: &'v Values, draft: &'v Draft) -> &'v [usize] {
    match draft {
        Draft::Step {
            out: Out::Value(value) | Out::Both(value, _),
            ..
        } => std::slice::from_ref(value),
        Draft::Step { .. } => &[],
        Draft::Linear(value) => &values.list[*value].results,
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
    let plain = |items: &[Item]| {
        items
            .iter()
            .all(|item| matches!(item, Item::Steps(_) | Item::Linear(_)))
    };
    if !plain(&turn.head) || !plain(&turn.next) {
        return vec![turn];
    }
    let both = |[a, b]: &[Slot; 2]| [(*a, *b), (*b, *a)];
    let exchanged: HashMap<Slot, Slot> = pairs.iter().flat_map(both).collect();
    let mut second = turn.clone();
    second.slots(&mut |slot| *slot = exchanged.get(slot).copied().unwrap_or(*slot));
    vec![turn, second]
}
