//! A numeric graph as a list of values, each operation of at most three arguments, with what the planner needs to know of
//! each. Values stand in regions: that of the graph, and those of loops and ways back.

use super::linear::System;
use crate::ops::Op;

/// Where a value comes from. Arguments are indices of values that stand before.
#[derive(Clone, Debug)]
pub enum Source {
    Constant(f64),
    Parameter(usize),
    Input(usize),
    Count,
    Sum(usize),
    Op(Op, Vec<usize>),
    /// A state, a carry, or the mask of a way back.
    Param,
    /// A loop; its last states are values of their own.
    Loop(Loop),
    /// A way back over a loop; its last carries are values of their own.
    Reverse(Reverse),
    /// An operation on matrices; what it gives are values of their own.
    Linear(System, Vec<usize>),
    /// A last state or carry of this loop or way back, or what this operation on matrices gives.
    Result(usize),
}

/// A loop.
#[derive(Clone, Debug)]
pub struct Loop {
    /// The first states.
    pub inits: Vec<usize>,
    /// The states.
    pub params: Vec<usize>,
    /// Whether there is another iteration.
    pub flag: usize,
    /// The next states.
    pub nexts: Vec<usize>,
    /// The region that gives the flag.
    pub head: usize,
    /// The region that gives the next states.
    pub next: usize,
    /// Positions of the states that a way back over the loop reads.
    pub read: Vec<usize>,
    /// The ways back over it.
    pub reverses: Vec<usize>,
}

/// A way back over a loop.
#[derive(Clone, Debug)]
pub struct Reverse {
    /// The loop.
    pub of: usize,
    /// The first carries.
    pub inits: Vec<usize>,
    /// The states before an iteration.
    pub states: Vec<usize>,
    /// The carries.
    pub carries: Vec<usize>,
    /// The next carries.
    pub nexts: Vec<usize>,
    /// The region that gives them.
    pub body: usize,
    /// True for samples that ran the iteration, where that is read.
    pub mask: Option<usize>,
}

/// A value of the graph.
#[derive(Clone, Debug)]
pub struct Value {
    /// Where it comes from.
    pub source: Source,
    /// Whether it differs from sample to sample.
    pub batched: bool,
    /// How many passes over the samples have to be over before it can be computed.
    pub depth: usize,
    /// The region that it stands in.
    pub region: usize,
    /// The last states of a loop, the last carries of a way back, or what an operation on matrices gives.
    pub results: Vec<usize>,
    /// Whether anything reads it.
    pub read: bool,
}

/// The values of a graph.
pub struct Values {
    /// All of them, arguments before users.
    pub list: Vec<Value>,
    /// Those that the outputs give, in order.
    pub outputs: Vec<usize>,
    /// The values of each region, in order; the first region is that of the graph.
    pub regions: Vec<Vec<usize>>,
    /// For each region the one whose values it is planned with: `next` belongs to its head.
    pub scopes: Vec<usize>,
}

impl Values {
    /// Adds a value to a region.
    pub fn push(&mut self, source: Source, region: usize) -> usize {
        let (batched, depth) = match &source {
            Source::Input(_) => (true, 0),
            Source::Sum(arg) => (false, self.list[*arg].depth + 1),
            Source::Op(_, args) | Source::Linear(_, args) => {
                let args = || args.iter().map(|arg| &self.list[*arg]);
                (
                    args().any(|arg| arg.batched),
                    args().map(|arg| arg.depth).max().unwrap_or(0),
                )
            }
            Source::Result(of) => match &self.list[*of].source {
                Source::Linear(..) => (self.list[*of].batched, self.list[*of].depth),
                _ => (false, self.list[*of].depth),
            },
            _ => (false, 0),
        };
        self.list.push(Value {
            source,
            batched,
            depth,
            region,
            results: Vec::new(),
            read: false,
        });
        let value = self.list.len() - 1;
        self.regions[region].push(value);
        value
    }

    /// Adds a loop or a way back and its results, computed once `regions` and these values can be.
    pub fn control(
        &mut self,
        source: Source,
        region: usize,
        from: impl Iterator<Item = usize>,
        regions: &[usize],
        results: &[bool],
    ) -> usize {
        let mut depth = from.map(|value| self.list[value].depth).max().unwrap_or(0);
        let mut inside = Vec::new();
        let mut open = regions.to_vec();
        while let Some(region) = open.pop() {
            for value in &self.regions[region] {
                inside.push(*value);
                depth = depth.max(self.list[*value].depth);
                match &self.list[*value].source {
                    Source::Loop(inner) => open.extend([inner.head, inner.next]),
                    Source::Reverse(inner) => open.push(inner.body),
                    _ => {}
                }
            }
        }
        for value in inside {
            self.list[value].depth = depth;
        }
        let control = self.push(source, region);
        self.list[control].depth = depth;
        for batched in results {
            let result = self.push(Source::Result(control), region);
            self.list[result].batched = *batched;
            self.list[control].results.push(result);
        }
        control
    }

    /// Finds which values are read, and for each loop which states its ways back read.
    pub fn find_read(&mut self) {
        let mut read = vec![false; self.list.len()];
        let mut all = |values: &[usize]| values.iter().for_each(|value| read[*value] = true);
        all(&self.outputs);
        for value in &self.list {
            match &value.source {
                Source::Op(_, args) | Source::Linear(_, args) => all(args),
                Source::Sum(arg) => all(&[*arg]),
                Source::Loop(l) => {
                    all(&l.inits);
                    all(&l.nexts);
                    all(&[l.flag]);
                }
                Source::Reverse(r) => {
                    all(&r.inits);
                    all(&r.nexts);
                }
                _ => {}
            }
        }
        for (value, read) in self.list.iter_mut().zip(&read) {
            value.read = *read;
        }
        for i in 0..self.list.len() {
            let Source::Reverse(reverse) = &self.list[i].source else {
                continue;
            };
            let states = reverse.states.iter().enumerate();
            let states = states.filter(|(_, state)| read[**state]).map(|(at, _)| at);
            let (states, of): (Vec<usize>, usize) = (states.collect(), reverse.of);
            if let Source::Loop(of) = &mut self.list[of].source {
                of.read.extend(states);
                of.read.sort();
                of.read.dedup();
                of.reverses.push(i);
            }
        }
    }

    /// Whether a loop or way back has the same number of iterations for all samples, and a result that is one for the whole
    /// batch and read, by a way back too.
    pub fn has_single_results(&self, control: usize) -> bool {
        let (of, reverses) = match &self.list[control].source {
            Source::Reverse(r) => (r.of, &[][..]),
            Source::Loop(l) => (control, &l.reverses[..]),
            _ => return false,
        };
        let Source::Loop(of) = &self.list[of].source else {
            return false;
        };
        let single = |result: &usize| self.list[*result].read && !self.list[*result].batched;
        !self.list[of.flag].batched
            && (self.list[control].results.iter().any(single)
                || reverses
                    .iter()
                    .any(|reverse| self.has_single_results(*reverse)))
    }

    /// The operation and arguments of a value that has to be computed sample by sample.
    pub fn batched_op(&self, value: usize) -> Option<(Op, &[usize])> {
        match &self.list[value].source {
            Source::Op(op, args) if self.list[value].batched => Some((*op, args)),
            _ => None,
        }
    }
}
