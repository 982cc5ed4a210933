//! The tape of one sample: the operations on what a derivative is asked of, in order (Griewank and Walther, "Evaluating
//! derivatives", 2008). The way back applies the adjoint rules of the table to numbers: what they emit is computed at once.

use std::marker::PhantomData;

use super::heap;
use crate::error::Result;
use crate::ops::real::Real;
use crate::ops::{Emit, NodeId, Op, Role, Site};

/// Marks an operand that no derivative is asked of.
const CONSTANT: u32 = 1 << 31;

/// What the way back does at an entry.
#[derive(Clone, Copy)]
enum Rule {
    /// The adjoint rule of an operation.
    Op(Op),
    /// The partial derivatives are known: they stand on the tape before the result, one for each operand.
    Partials,
}

struct Entry {
    rule: Rule,
    /// The first of its operands.
    first: u32,
    count: u32,
    /// The place of its result.
    out: u32,
}

/// Values by place, and what made them. Place 0 holds nothing.
pub struct Tape<T> {
    values: Vec<T>,
    entries: Vec<Entry>,
    operands: Vec<u32>,
    adjoints: Vec<T>,
    /// Whether anything has reached an adjoint.
    reached: Vec<bool>,
    ids: Vec<NodeId>,
    limit: usize,
}

impl<T: Real> Tape<T> {
    /// An empty tape for at most so many values.
    pub fn new(limit: usize) -> Tape<T> {
        Tape {
            values: vec![T::ZERO],
            entries: Vec::new(),
            operands: Vec::new(),
            adjoints: Vec::new(),
            reached: Vec::new(),
            ids: Vec::new(),
            limit: limit.min(CONSTANT as usize - 1),
        }
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        self.values.truncate(1);
        self.entries.clear();
        self.operands.clear();
    }

    /// Puts a value on the tape; its place.
    fn push(&mut self, value: T) -> Result<u32> {
        if self.values.len() >= self.limit {
            return Err(heap::full(self.limit));
        }
        self.values.push(value);
        Ok(self.values.len() as u32 - 1)
    }

    /// Puts a number that a derivative is asked of on the tape; its place.
    pub fn port(&mut self, value: T) -> Result<u32> {
        self.push(value)
    }

    /// Notes an operation on numbers, given with their places; the place of its result, 0 where no operand has one.
    pub fn note(&mut self, op: Op, args: &[(T, u32)], out: T) -> Result<u32> {
        if args.iter().all(|(_, mark)| *mark == 0) {
            return Ok(0);
        }
        let first = self.operands.len() as u32;
        for (value, mark) in args {
            let operand = match mark {
                0 => self.push(*value)? | CONSTANT,
                mark => *mark,
            };
            self.operands.push(operand);
        }
        self.entry(Rule::Op(op), first, out)
    }

    /// Notes a function of numbers, given by their places and its partial derivatives.
    pub fn note_partials(&mut self, args: impl Iterator<Item = (u32, T)>, out: T) -> Result<u32> {
        let first = self.operands.len() as u32;
        for (mark, partial) in args.filter(|(mark, _)| *mark != 0) {
            self.push(partial)?;
            self.operands.push(mark);
        }
        match self.operands.len() as u32 == first {
            true => Ok(0),
            false => self.entry(Rule::Partials, first, out),
        }
    }

    fn entry(&mut self, rule: Rule, first: u32, out: T) -> Result<u32> {
        let out = self.push(out)?;
        self.entries.push(Entry {
            rule,
            first,
            count: self.operands.len() as u32 - first,
            out,
        });
        Ok(out)
    }

    /// Makes all adjoints zero.
    pub fn clear_adjoints(&mut self) {
        self.adjoints.clear();
        self.adjoints.resize(self.values.len(), T::ZERO);
        self.reached.clear();
        self.reached.resize(self.values.len(), false);
    }

    /// Adds to the adjoint at a place; place 0 takes nothing.
    pub fn add(&mut self, mark: u32, value: T) {
        let (adjoint, reached) = (
            &mut self.adjoints[mark as usize],
            &mut self.reached[mark as usize],
        );
        *adjoint = match *reached {
            true => *adjoint + value,
            false => value,
        };
        *reached = mark != 0;
    }

    /// The adjoint at a place.
    pub fn adjoint(&self, mark: u32) -> T {
        match self.reached[mark as usize] {
            true => self.adjoints[mark as usize],
            false => T::ZERO,
        }
    }

    /// Goes back over the tape from the adjoints that were added.
    pub fn sweep(&mut self, kernels: &Kernels<T>) {
        let length = self.values.len();
        for i in (0..self.entries.len()).rev() {
            let Entry {
                rule,
                first,
                count,
                out,
            } = self.entries[i];
            if !self.reached[out as usize] {
                continue;
            }
            let adjoint = self.adjoints[out as usize];
            let (first, count) = (first as usize, count as usize);
            let op = match rule {
                Rule::Partials => {
                    for k in 0..count {
                        let partial = self.values[out as usize - count + k];
                        self.add(self.operands[first + k], adjoint * partial);
                    }
                    continue;
                }
                Rule::Op(op) => op,
            };
            let Role::Numeric { adjoint: rule, .. } = op.row().role else {
                continue;
            };
            let operands = &self.operands[first..first + count];
            let ids = operands.iter().map(|operand| NodeId(operand & !CONSTANT));
            self.ids.clear();
            self.ids.extend(ids);
            let mut emit = Immediate {
                values: &mut self.values,
                kernels,
            };
            let site = Site {
                args: &self.ids,
                out: NodeId(out),
                adjoint: emit.push(adjoint),
            };
            for k in 0..count {
                let operand = self.operands[first + k];
                if operand & CONSTANT != 0 {
                    continue;
                }
                let mut emit = Immediate {
                    values: &mut self.values,
                    kernels,
                };
                let part = rule(&mut emit, site, k).map(|node| emit.values[node.index()]);
                if let Some(part) = part {
                    let (adjoint, reached) = (
                        &mut self.adjoints[operand as usize],
                        &mut self.reached[operand as usize],
                    );
                    *adjoint = if *reached { *adjoint + part } else { part };
                    *reached = true;
                }
            }
            self.values.truncate(length);
        }
    }
}

impl Clone for Entry {
    fn clone(&self) -> Entry {
        *self
    }
}

impl Copy for Entry {}

/// Computes what rules emit at once: a node is the place of its value.
struct Immediate<'a, T> {
    values: &'a mut Vec<T>,
    kernels: &'a Kernels<T>,
}

impl<T: Real> Immediate<'_, T> {
    fn push(&mut self, value: T) -> NodeId {
        self.values.push(value);
        NodeId(self.values.len() as u32 - 1)
    }
}

impl<T: Real> Emit for Immediate<'_, T> {
    fn op(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        if let Role::Defined(definition) = op.row().role {
            return definition(self, args);
        }
        let value = |i: usize| self.values[args[i].index()];
        let result = match (self.kernels.of(op), args.len()) {
            (Function::Unary(f), 1) => f(value(0)),
            (Function::Binary(f), 1..) => (1..args.len()).fold(value(0), |a, i| f(a, value(i))),
            (Function::Select, 3) => match value(0).is_true() {
                true => value(1),
                false => value(2),
            },
            // no rule emits anything else
            _ => T::of(f64::NAN),
        };
        self.push(result)
    }

    fn real(&mut self, value: f64) -> NodeId {
        self.push(T::of(value))
    }

    fn known(&self, _: NodeId) -> Option<f64> {
        None
    }
}

/// What an operation computes.
#[derive(Clone, Copy)]
pub enum Function<T> {
    /// One number.
    Unary(fn(T) -> T),
    /// Two numbers, or more in turn.
    Binary(fn(T, T) -> T),
    /// One of two numbers.
    Select,
    /// No number.
    Other,
}

/// What each operation computes, in the order of the table.
pub struct Kernels<T> {
    functions: Vec<Function<T>>,
    element: PhantomData<T>,
}

impl<T: Real> Kernels<T> {
    /// Those of the table.
    pub fn new() -> Kernels<T> {
        let function = |row: &crate::ops::Row| match row.role {
            _ if row.op == Op::Select => Function::Select,
            Role::Numeric {
                kernel: Some(kernel),
                ..
            } => match (kernel.unary::<T>(), kernel.binary::<T>()) {
                (Some(unary), _) => Function::Unary(unary.scalar),
                (_, Some(binary)) => Function::Binary(binary.scalar),
                _ => Function::Other,
            },
            _ => Function::Other,
        };
        Kernels {
            functions: crate::ops::all().iter().map(function).collect(),
            element: PhantomData,
        }
    }

    /// That of one operation.
    #[inline(always)]
    pub fn of(&self, op: Op) -> Function<T> {
        self.functions[op as usize]
    }
}
