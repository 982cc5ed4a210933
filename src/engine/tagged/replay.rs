//! The arithmetic of one path for many samples at once: the tape of one of them, gone over with blocks of numbers instead
//! of numbers. Each sample gets the bits that it gets alone: the operations are the same, in the same order, and so are the
//! sums of the way back.

use pulp::Arch;

use super::immediate::{Function, Kept, Kernels};
use super::sweep::{Adjoints, sweep};
use super::tape::{Notes, Question, Rule, place, same, varies, whole};
use crate::ops::kernel::Operand;
use crate::ops::real::Real;
use crate::ops::{Emit, Linear, NodeId, Op, Role};

/// Samples that are computed together.
pub const LANES: usize = 128;

/// Where the numbers at a place are.
#[derive(Clone, Copy)]
enum Column<T> {
    /// One for all samples.
    Uniform(T),
    /// From here in the memory of blocks.
    Block(usize),
    /// From here in that of adjoints.
    Adjoint(usize),
}

/// A path that some samples take.
pub struct Replay<T> {
    notes: Notes<T>,
    /// Where the numbers are, by place, and then by node of what a rule emits.
    columns: Vec<Column<T>>,
    /// Where the adjoints are, by place; `None` where no derivative is asked.
    adjoints: Vec<Option<usize>>,
    /// How many numbers the blocks and the adjoints take.
    room: (usize, usize),
    /// The values of the program: their places, or the numbers that they always are.
    results: Vec<(T, u32)>,
}

/// What ports are to a path.
#[derive(Clone, Copy)]
pub struct Use {
    /// Whether it is one for the whole batch.
    pub uniform: bool,
    /// Whether a derivative is asked of it.
    pub active: bool,
}

/// Memory that paths share.
pub struct Memory<T> {
    blocks: Vec<T>,
    adjoints: Vec<T>,
    /// Whether anything has reached an adjoint, by place.
    reached: Vec<bool>,
    ids: Vec<NodeId>,
    kept: Kept<T>,
    arch: Arch,
}

impl<T: Real> Memory<T> {
    pub fn new() -> Memory<T> {
        Memory {
            blocks: Vec::new(),
            adjoints: Vec::new(),
            reached: Vec::new(),
            ids: Vec::new(),
            kept: Kept::new(),
            arch: Arch::new(),
        }
    }
}

impl<T: Real> Replay<T> {
    /// The path on a tape whose first places are the ports, with these results.
    pub fn new(notes: &Notes<T>, ports: &[Use], results: Vec<(T, u32)>) -> Replay<T> {
        let mut columns: Vec<Column<T>> =
            notes.values.iter().map(|v| Column::Uniform(*v)).collect();
        let mut adjoints = vec![None; columns.len()];
        let (mut blocks, mut slopes) = (0, 0);
        let mut add = |place: usize, uniform: bool, active: bool| {
            if !uniform {
                columns[place] = Column::Block(blocks);
                blocks += LANES;
            }
            if active {
                adjoints[place] = Some(slopes);
                slopes += LANES;
            }
            (uniform, active)
        };
        // by place, whether the numbers are one for all, and whether a derivative is asked
        let mut known = vec![(true, false); notes.values.len()];
        for (port, role) in ports.iter().enumerate() {
            known[1 + port] = add(1 + port, role.uniform, role.active);
        }
        for entry in &notes.entries {
            let args = entry.operands(&notes.operands).iter();
            let args = args.map(|arg| known[place(*arg) as usize]);
            let (uniform, active) = args.fold((true, false), |(u, a), (uniform, active)| {
                (u & uniform, a | active)
            });
            for out in entry.out..entry.out + entry.results() {
                known[out as usize] = add(out as usize, uniform, active);
            }
        }
        Replay {
            notes: notes.clone(),
            columns,
            adjoints,
            room: (blocks, slopes),
            results,
        }
    }

    /// Makes ready for `count` samples.
    pub fn start<'a>(
        &'a mut self,
        memory: &'a mut Memory<T>,
        kernels: &'a Kernels<T>,
        count: usize,
    ) -> Lanes<'a, T> {
        let (blocks, adjoints) = self.room;
        if memory.blocks.len() < blocks {
            memory.blocks.resize(blocks, T::ZERO);
        }
        if memory.adjoints.len() < adjoints {
            memory.adjoints.resize(adjoints, T::ZERO);
        }
        Lanes {
            length: self.notes.values.len(),
            next: blocks,
            path: self,
            memory,
            kernels,
            count,
        }
    }
}

/// A path with the numbers of some samples: computes what rules emit for all of them.
pub struct Lanes<'a, T> {
    path: &'a mut Replay<T>,
    memory: &'a mut Memory<T>,
    kernels: &'a Kernels<T>,
    /// How many samples there are.
    count: usize,
    /// How many places the tape has.
    length: usize,
    /// Where the next block goes.
    next: usize,
}

impl<T: Real> Lanes<'_, T> {
    /// Sets the value of a port that is one for all.
    pub fn set_uniform(&mut self, port: usize, value: T) {
        self.path.columns[1 + port] = Column::Uniform(value);
    }

    /// The values of a port that are to be set, one for each sample.
    pub fn port(&mut self, port: usize) -> Option<&mut [T]> {
        match self.path.columns[1 + port] {
            Column::Block(at) => Some(&mut self.memory.blocks[at..at + self.count]),
            _ => None,
        }
    }

    /// Computes the values; `taken` becomes false for the samples that leave the path, whose numbers mean nothing.
    /// Without it, no sample does. Stops where all have left.
    pub fn forward(&mut self, mut taken: Option<&mut [bool]>) {
        for index in 0..self.path.notes.entries.len() {
            let entry = self.path.notes.entries[index];
            let mut ids = std::mem::take(&mut self.memory.ids);
            ids.clear();
            let args = entry.operands(&self.path.notes.operands).iter();
            ids.extend(args.map(|arg| NodeId(place(*arg))));
            match (entry.rule, &mut taken) {
                (Rule::Op(op), _) => {
                    let out = self.block_of(entry.out as usize);
                    self.path.columns[entry.out as usize] = self.compute(op, &ids, out);
                }
                (Rule::Linear(linear), _) => {
                    let out = self.block_of(entry.out as usize);
                    self.solve(linear, &ids, out, entry.out as usize);
                }
                (Rule::Test(..), None) => {}
                (Rule::Test(question, answer), Some(taken)) => {
                    self.ask(question, answer, &ids, taken);
                    if !taken.iter().any(|taken| *taken) {
                        self.memory.ids = ids;
                        return;
                    }
                }
            }
            self.memory.ids = ids;
        }
    }

    /// Where the block of a place is.
    fn block_of(&self, place: usize) -> usize {
        match self.path.columns[place] {
            Column::Block(at) => at,
            _ => self.next,
        }
    }

    fn ask(&mut self, question: Question, answer: bool, args: &[NodeId], taken: &mut [bool]) {
        let holds = match question {
            Question::Op(op) => self.compute(op, args, self.next),
            _ => Column::Uniform(T::ZERO),
        };
        for (lane, taken) in taken.iter_mut().enumerate() {
            let arg = |i: usize| self.at(args[i], lane);
            *taken &= answer
                == match question {
                    Question::Op(_) => self.lane(holds, lane).is_true(),
                    Question::Whole => whole(arg(0)),
                    Question::Same => same(arg(0), arg(1)),
                };
        }
    }

    /// The number of a sample in a column.
    #[inline(always)]
    fn lane(&self, column: Column<T>, lane: usize) -> T {
        match column {
            Column::Uniform(value) => value,
            Column::Block(at) => self.memory.blocks[at + lane],
            Column::Adjoint(at) => self.memory.adjoints[at + lane],
        }
    }

    #[inline(always)]
    fn at(&self, node: NodeId, lane: usize) -> T {
        self.lane(self.path.columns[node.index()], lane)
    }

    /// Makes room for a block at `out`.
    fn reserve(&mut self, out: usize, blocks: usize) {
        let end = out + blocks * LANES;
        if self.memory.blocks.len() < end {
            self.memory.blocks.resize(end, T::ZERO);
        }
    }

    /// What an operation computes, into the block at `out`, which lies behind those of its arguments.
    fn compute(&mut self, op: Op, args: &[NodeId], out: usize) -> Column<T> {
        let (function, count) = (self.kernels.of(op), self.count);
        let columns = &self.path.columns;
        let column = |i: usize| columns[args[i].index()];
        let uniform = |i: usize| match column(i) {
            Column::Uniform(value) => Some(value),
            _ => None,
        };
        if (0..args.len()).all(|i| uniform(i).is_some()) {
            let value = |i: usize| uniform(i).unwrap_or(T::ZERO);
            return Column::Uniform(self.memory.kept.work.value(function, args.len(), value));
        }
        self.reserve(out, 1);
        let Memory {
            blocks,
            adjoints,
            kept,
            arch,
            ..
        } = &mut *self.memory;
        let (before, into) = blocks.split_at_mut(out);
        let into = &mut into[..count];
        let columns = &self.path.columns;
        let operand = |i: usize| match columns[args[i].index()] {
            Column::Uniform(value) => Operand::Uniform(value),
            Column::Block(at) => Operand::Block(&before[at..at + count]),
            Column::Adjoint(at) => Operand::Block(&adjoints[at..at + count]),
        };
        match (function, args.len()) {
            (Function::Unary(f), 1) => {
                if let Operand::Block(x) = operand(0) {
                    (f.block)(*arch, x, into);
                }
            }
            (Function::Binary(f), 2) => (f.block)(*arch, operand(0), operand(1), into),
            _ => {
                for (lane, into) in into.iter_mut().enumerate() {
                    let value = |i: usize| match operand(i) {
                        Operand::Uniform(value) => value,
                        Operand::Block(block) => block[lane],
                    };
                    *into = kept.work.value(function, args.len(), value);
                }
            }
        }
        Column::Block(out)
    }

    /// The values of an operation of linear algebra, into the blocks at `out`; their columns go to `first` and on.
    fn solve(&mut self, linear: Linear, args: &[NodeId], out: usize, first: usize) {
        let values = linear.values();
        self.reserve(out, values);
        let columns = &self.path.columns;
        let uniform = args
            .iter()
            .all(|arg| matches!(columns[arg.index()], Column::Uniform(_)));
        let (before, into) = self.memory.blocks.split_at_mut(out);
        let adjoints = &self.memory.adjoints;
        for lane in 0..if uniform { 1 } else { self.count } {
            let number = |arg: &NodeId| match columns[arg.index()] {
                Column::Uniform(value) => value,
                Column::Block(at) => before[at + lane],
                Column::Adjoint(at) => adjoints[at + lane],
            };
            let found = self
                .memory
                .kept
                .work
                .linear(linear, args.iter().map(number));
            for (i, value) in found.iter().enumerate() {
                into[i * LANES + lane] = *value;
            }
        }
        for i in 0..values {
            self.path.columns[first + i] = match uniform {
                true => Column::Uniform(into[i * LANES]),
                false => Column::Block(out + i * LANES),
            };
        }
    }

    /// A value of the program for a sample.
    pub fn value(&self, output: usize, lane: usize) -> T {
        match self.path.results[output] {
            (value, 0) => value,
            (_, place) => self.lane(self.path.columns[place as usize], lane),
        }
    }

    /// Makes all adjoints zero.
    pub fn clear_adjoints(&mut self) {
        self.memory.reached.clear();
        self.memory.reached.resize(self.length, false);
    }

    /// Adds to the adjoint of a value of the program, where any derivative is asked of it.
    pub fn seed(&mut self, output: usize, seed: impl Fn(usize) -> T) {
        let place = self.path.results[output].1;
        if self.path.adjoints[place as usize].is_some() {
            let (at, count) = (self.next, self.count);
            self.reserve(at, 1);
            for (lane, number) in self.memory.blocks[at..at + count].iter_mut().enumerate() {
                *number = seed(lane);
            }
            self.gain(place, Column::Block(at));
        }
    }

    /// Goes back from the adjoints that were added.
    pub fn sweep(&mut self) {
        // lent to the way back, which changes neither
        let entries = std::mem::take(&mut self.path.notes.entries);
        let operands = std::mem::take(&mut self.path.notes.operands);
        let mut ids = std::mem::take(&mut self.memory.ids);
        sweep(&entries, &operands, self, &mut ids);
        self.memory.ids = ids;
        self.path.notes.entries = entries;
        self.path.notes.operands = operands;
    }

    /// The derivative by a port for a sample.
    pub fn slope(&self, port: usize, lane: usize) -> T {
        match self.path.adjoints[1 + port] {
            Some(at) if self.memory.reached[1 + port] => self.memory.adjoints[at + lane],
            _ => T::ZERO,
        }
    }

    /// Adds to the adjoint at a place.
    fn gain(&mut self, place: u32, part: Column<T>) {
        let Some(into) = self.path.adjoints[place as usize] else {
            return;
        };
        let count = self.count;
        let reached = std::mem::replace(&mut self.memory.reached[place as usize], true);
        // what is passed on comes from a later place
        let (before, after) = match part {
            Column::Adjoint(from) => self.memory.adjoints.split_at_mut(from),
            _ => self.memory.adjoints.split_at_mut(into + count),
        };
        let into = &mut before[into..into + count];
        let part = match part {
            Column::Uniform(value) => {
                for sum in into {
                    *sum = if reached { *sum + value } else { value };
                }
                return;
            }
            Column::Block(at) => &self.memory.blocks[at..at + count],
            Column::Adjoint(_) => &after[..count],
        };
        match reached {
            true => {
                for (sum, part) in into.iter_mut().zip(part) {
                    *sum = *sum + *part;
                }
            }
            false => into.copy_from_slice(part),
        }
    }

    fn push(&mut self, column: Column<T>) -> NodeId {
        if let Column::Block(at) = column {
            self.next = at + LANES;
        }
        self.path.columns.push(column);
        NodeId(self.path.columns.len() as u32 - 1)
    }
}

impl<T: Real> Adjoints for Lanes<'_, T> {
    fn asked(&self, operand: u32) -> bool {
        varies(operand) && self.path.adjoints[operand as usize].is_some()
    }

    fn adjoint(&mut self, place: u32) -> Option<NodeId> {
        let at = self.path.adjoints[place as usize]?;
        let reached = self.memory.reached[place as usize];
        reached.then(|| self.push(Column::Adjoint(at)))
    }

    fn add(&mut self, place: u32, part: NodeId) {
        self.gain(place, self.path.columns[part.index()]);
    }

    fn forget(&mut self) {
        self.path.columns.truncate(self.length);
        self.next = self.path.room.0;
        self.memory.kept.clear();
    }
}

impl<T: Real> Emit for Lanes<'_, T> {
    fn op(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        if let Role::Defined(definition) = op.row().role {
            return definition(self, args);
        }
        let column = self.compute(op, args, self.next);
        self.push(column)
    }

    fn linear(&mut self, linear: Linear, args: &[NodeId], index: usize) -> NodeId {
        let first = self.memory.kept.linear(linear, args).unwrap_or_else(|| {
            let first = NodeId(self.path.columns.len() as u32);
            for _ in 0..linear.values() {
                self.path.columns.push(Column::Uniform(T::ZERO));
            }
            self.solve(linear, args, self.next, first.index());
            self.next += linear.values() * LANES;
            self.memory.kept.keep_linear(linear, args, first);
            first
        });
        NodeId(first.0 + index as u32)
    }

    fn real(&mut self, value: f64) -> NodeId {
        self.memory.kept.real(value).unwrap_or_else(|| {
            let node = self.push(Column::Uniform(T::of(value)));
            self.memory.kept.keep_real(value, node);
            node
        })
    }

    fn known(&self, _: NodeId) -> Option<f64> {
        None
    }
}
