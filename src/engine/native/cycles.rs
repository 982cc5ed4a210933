//! Gives places to loops and ways back: states keep their slots for as long as their loop runs.

use std::collections::{HashMap, HashSet};

use super::draft::{Draft, LoopDraft, Out, ReverseDraft};
use super::item::{Cycle, Item, Reverse, Row, Slots, Steps, Turn};
use super::registers::{ALWAYS, GONE, INPUT, Places, UNREAD, append, new_step};
use super::step::{Code, Slot};
use super::values::{Source, Values};

impl Places<'_> {
    /// The loop of a draft. As a replay it begins with states that it is given, and its results go nowhere.
    pub fn repeat(&mut self, draft: &LoopDraft, replay: bool) -> Cycle {
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

    /// The way back of a draft.
    pub fn reverse(&mut self, draft: &ReverseDraft) -> Reverse {
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
            // what comes from around the scope is the business of its own
            if !self.in_scope(*value) || params.contains(value) {
                continue;
            }
            if self.target[*value].take().is_none() && self.last[*value] == ALWAYS {
                self.give_back(self.slot[*value]);
            }
            self.last[*value] = GONE;
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
