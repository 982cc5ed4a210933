//! The tape of one sample: the operations on what a derivative is asked of, in order (Griewank and Walther, "Evaluating
//! derivatives", 2008), and, where the path is traced, the questions that decided it.

use super::heap;
use super::immediate::{Immediate, Kept, Kernels, Slopes};
use super::sweep::sweep;
use crate::error::Result;
use crate::graph::Builder;
use crate::ops::real::Real;
use crate::ops::{Emit, Linear, NodeId, Op};

/// Marks an operand that is on the tape as a number only.
const CONSTANT: u32 = 1 << 31;

/// What a program asks of numbers that decides its path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Question {
    /// Whether the value of this operation is true.
    Op(Op),
    /// Whether a number is whole.
    Whole,
    /// Whether two numbers have the same bits, or are no numbers both.
    Same,
}

/// Whether a number is whole.
pub fn whole<T: Real>(x: T) -> bool {
    x.floor() == x && x.abs() < T::of(f64::INFINITY)
}

/// Whether two numbers have the same bits, or are no numbers both.
pub fn same<T: Real>(a: T, b: T) -> bool {
    let (a, b) = (a.to_f64(), b.to_f64());
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// What made a result.
#[derive(Clone, Copy)]
pub enum Rule {
    Op(Op),
    /// Several results, side by side.
    Linear(Linear),
    /// What decided the path, and the answer; no result.
    Test(Question, bool),
}

/// An operation on the tape.
#[derive(Clone, Copy)]
pub struct Entry {
    pub rule: Rule,
    /// The first of its operands, and how many there are.
    first: u32,
    count: u32,
    /// The place of its first result.
    pub out: u32,
}

impl Entry {
    /// Its operands among all of the tape.
    pub fn operands<'a>(&self, all: &'a [u32]) -> &'a [u32] {
        &all[self.first as usize..(self.first + self.count) as usize]
    }

    /// How many results it has, from its first on.
    pub fn results(&self) -> u32 {
        match self.rule {
            Rule::Op(_) => 1,
            Rule::Linear(linear) => linear.values() as u32,
            Rule::Test(..) => 0,
        }
    }
}

/// What is on a tape, by place. Place 0 holds nothing.
#[derive(Clone)]
pub struct Notes<T> {
    pub values: Vec<T>,
    pub entries: Vec<Entry>,
    pub operands: Vec<u32>,
}

/// The place of an operand.
pub fn place(operand: u32) -> u32 {
    operand & !CONSTANT
}

/// Whether an operand is a result or a port, not a constant.
pub fn varies(operand: u32) -> bool {
    operand & CONSTANT == 0
}

/// Values by place, and what made them.
pub struct Tape<T> {
    pub notes: Notes<T>,
    adjoints: Slopes<T>,
    ids: Vec<NodeId>,
    kept: Kept<T>,
    limit: usize,
    /// Whether questions are noted too: then of what is marked by a place, nothing decides the path unseen.
    tracing: bool,
}

impl<T: Real> Tape<T> {
    /// An empty tape for at most so many values.
    pub fn new(limit: usize) -> Tape<T> {
        Tape {
            notes: Notes {
                values: vec![T::ZERO],
                entries: Vec::new(),
                operands: Vec::new(),
            },
            adjoints: Slopes::new(),
            ids: Vec::new(),
            kept: Kept::new(),
            limit: limit.min(CONSTANT as usize - 1),
            tracing: false,
        }
    }

    /// Begins anew; whether questions are noted.
    pub fn reset(&mut self, tracing: bool) {
        self.notes.values.truncate(1);
        self.notes.entries.clear();
        self.notes.operands.clear();
        self.tracing = tracing;
    }

    /// Notes a question that has decided, or may decide, the path.
    pub fn test(
        &mut self,
        question: Question,
        args: impl Iterator<Item = (T, u32)>,
        answer: bool,
    ) -> Result<()> {
        if self.tracing {
            let first = self.operands(args)?;
            self.entry(Rule::Test(question, answer), first, 0);
        }
        Ok(())
    }

    /// How many operations and questions are noted.
    pub fn len(&self) -> usize {
        self.notes.entries.len()
    }

    /// Emits what is on the tape, whose first places are the ports: the nodes of these places, 0 being none, and whether
    /// all questions are answered as they were; `None` where there was none. Nothing where a graph cannot tell the path.
    pub fn emit(
        &self,
        builder: &mut Builder,
        ports: usize,
        places: &[u32],
    ) -> Option<(Vec<Option<NodeId>>, Option<NodeId>)> {
        let notes = &self.notes;
        let mut nodes: Vec<Option<NodeId>> = vec![None; notes.values.len()];
        for port in 0..ports {
            *nodes.get_mut(1 + port)? = Some(builder.port(port));
        }
        let mut path: Option<NodeId> = None;
        for entry in &notes.entries {
            let operands = entry.operands(&notes.operands);
            let mut args = Vec::with_capacity(operands.len());
            for operand in operands {
                let place = place(*operand) as usize;
                args.push(match varies(*operand) {
                    true => nodes[place]?,
                    false => builder.real(notes.values[place].to_f64()),
                });
            }
            let out = entry.out as usize;
            match entry.rule {
                Rule::Op(op) => nodes[out] = Some(builder.op(op, &args)),
                Rule::Linear(linear) => {
                    let values = builder.linear_values(linear, &args, 0..linear.values());
                    for (node, value) in nodes[out..].iter_mut().zip(values) {
                        *node = Some(value);
                    }
                }
                Rule::Test(question, answer) => {
                    let mut test = match question {
                        Question::Op(op) => builder.op(op, &args),
                        Question::Whole => whole_node(builder, args[0]),
                        // no operation of graphs tells the bits of numbers
                        Question::Same => return None,
                    };
                    if !answer {
                        test = builder.op(Op::Not, &[test]);
                    }
                    path = Some(match path {
                        None => test,
                        Some(path) => builder.op(Op::And, &[path, test]),
                    });
                }
            }
        }
        let results = places.iter().map(|place| nodes[*place as usize]);
        Some((results.collect(), path))
    }

    /// Puts a number on the tape; its place.
    pub fn push(&mut self, value: T) -> Result<u32> {
        if self.notes.values.len() >= self.limit {
            return Err(heap::full(self.limit));
        }
        self.notes.values.push(value);
        Ok(self.notes.values.len() as u32 - 1)
    }

    /// Puts operands, numbers with their places, on the tape; the first.
    fn operands(&mut self, args: impl Iterator<Item = (T, u32)>) -> Result<u32> {
        let first = self.notes.operands.len() as u32;
        for (value, mark) in args {
            let operand = match mark {
                0 => self.push(value)? | CONSTANT,
                mark => mark,
            };
            self.notes.operands.push(operand);
        }
        Ok(first)
    }

    /// Notes an operation on numbers, given with their places, on at least one of which a derivative is asked; the place of
    /// its result.
    pub fn note(&mut self, op: Op, args: impl Iterator<Item = (T, u32)>, result: T) -> Result<u32> {
        let first = self.operands(args)?;
        let out = self.push(result)?;
        self.entry(Rule::Op(op), first, out);
        Ok(out)
    }

    /// The same for an operation of linear algebra; the place of its first result.
    pub fn note_linear(
        &mut self,
        linear: Linear,
        args: impl Iterator<Item = (T, u32)>,
        results: impl Iterator<Item = T>,
    ) -> Result<u32> {
        let first = self.operands(args)?;
        let out = self.notes.values.len() as u32;
        for result in results {
            self.push(result)?;
        }
        self.entry(Rule::Linear(linear), first, out);
        Ok(out)
    }

    fn entry(&mut self, rule: Rule, first: u32, out: u32) {
        let count = self.notes.operands.len() as u32 - first;
        self.notes.entries.push(Entry {
            rule,
            first,
            count,
            out,
        });
    }

    /// Makes all adjoints zero.
    pub fn clear_adjoints(&mut self) {
        self.adjoints.clear(self.notes.values.len());
    }

    /// Adds to the adjoint at a place; place 0 takes nothing.
    pub fn add(&mut self, mark: u32, value: T) {
        if mark != 0 {
            self.adjoints.add(mark, value);
        }
    }

    /// The adjoint at a place.
    pub fn adjoint(&self, mark: u32) -> T {
        self.adjoints.get(mark).unwrap_or(T::ZERO)
    }

    /// Goes back over the tape from the adjoints that were added.
    pub fn sweep(&mut self, kernels: &Kernels<T>) {
        let Notes {
            values,
            entries,
            operands,
        } = &mut self.notes;
        let (kept, adjoints) = (&mut self.kept, &mut self.adjoints);
        let mut at = Immediate::new(values, kernels, kept, adjoints);
        sweep(entries, operands, &mut at, &mut self.ids);
    }
}

/// Whether a number is whole, as [`whole`] tells.
fn whole_node(builder: &mut Builder, x: NodeId) -> NodeId {
    let (floor, size) = (builder.op(Op::Floor, &[x]), builder.op(Op::Abs, &[x]));
    let infinite = builder.real(f64::INFINITY);
    let (whole, finite) = (
        builder.op(Op::Equal, &[floor, x]),
        builder.op(Op::Less, &[size, infinite]),
    );
    builder.op(Op::And, &[whole, finite])
}
