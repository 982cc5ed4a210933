//! The steps of a run as operations on values, each defined once.

use super::assembler::{Arithmetic, Comparison};
use crate::engine::native::kernels::Kernels;
use crate::engine::native::step::{Code, Slot, Step};
use crate::ops::Op;
use crate::ops::real::Real;

/// A value of a run, by its number.
pub type Value = usize;

/// What an operation does.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Kind {
    Copy,
    Neg,
    Abs,
    Sqrt,
    Not,
    Arithmetic(Arithmetic),
    Compare(Comparison),
    And,
    Or,
    Select,
    /// Adds to a sum over the batch.
    Sum(u32),
    /// Gives to an output.
    Store(u32),
    /// Calls the function at an address.
    Call(u64),
}

/// An operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What it does.
    pub kind: Kind,
    /// The arguments.
    args: [Value; 3],
    /// How many of them there are.
    count: usize,
    /// What it gives.
    pub out: Option<Value>,
}

impl Operation {
    /// The arguments.
    pub fn args(&self) -> &[Value] {
        &self.args[..self.count]
    }
}

/// Operations in a row.
#[derive(Default)]
pub struct Operations {
    /// In order.
    pub list: Vec<Operation>,
    /// For each value the slot that it is or can be kept in; none for values that the next operation uses up.
    pub slots: Vec<Option<Slot>>,
    /// How many of the values were there before.
    pub before: Vec<bool>,
}

/// The values that the slots hold, while operations are collected. Its memory is used again for every run.
pub struct Collector {
    held: Vec<(u32, Value)>,
    run: u32,
}

impl Collector {
    /// For a plan of so many slots.
    pub fn new(slots: usize) -> Collector {
        Collector {
            held: vec![(0, 0); slots],
            run: 0,
        }
    }

    /// The operations of steps. `kernels` are given where functions of the table are called one value at a time.
    pub fn collect<'s, T: Real>(
        &mut self,
        steps: impl Iterator<Item = &'s Step>,
        kernels: &Kernels<T>,
    ) -> Operations {
        self.run += 1;
        let mut operations = Operations::default();
        for step in steps {
            self.step(step, kernels, &mut operations);
        }
        operations
    }

    /// The value in a slot.
    fn get(&mut self, slot: Slot, operations: &mut Operations) -> Value {
        let (run, value) = &mut self.held[slot as usize];
        if *run != self.run {
            (*run, *value) = (self.run, operations.value(Some(slot), true));
        }
        *value
    }

    fn step<T: Real>(&mut self, step: &Step, kernels: &Kernels<T>, to: &mut Operations) {
        let mut args = [0; 3];
        for (arg, slot) in args.iter_mut().zip(&step.args) {
            *arg = self.get(*slot, to);
        }
        let [a, b, c] = args;
        let out = match step.code {
            Code::Store => {
                to.push(Kind::Store(step.index), &[a], None);
                return;
            }
            Code::Sum => {
                to.push(Kind::Sum(step.index), &[a], None);
                return;
            }
            Code::Pair(kernel) => {
                let kernels = kernels.pairs[kernel as usize].alone;
                for (kernel, slot) in kernels.iter().zip([step.slot, step.index]) {
                    let out = to.value(Some(slot), false);
                    to.push(Kind::Call(kernel.call as usize as u64), &[a], Some(out));
                    self.held[slot as usize] = (self.run, out);
                }
                return;
            }
            Code::SumMul => {
                let product = to.inner(Kind::Arithmetic(Arithmetic::Mul), &[a, b]);
                to.push(Kind::Sum(step.index), &[product], None);
                return;
            }
            _ => match step.code.parts() {
                Some((inner, Op::BatchSum, _)) => {
                    let inner = to.inner(arithmetic(inner), &[a, b]);
                    let product = to.inner(Kind::Arithmetic(Arithmetic::Mul), &[inner, c]);
                    to.push(Kind::Sum(step.index), &[product], None);
                    return;
                }
                _ => to.value(Some(step.slot), false),
            },
        };
        if let Some((inner, outer, reversed)) = step.code.parts() {
            let inner = to.inner(arithmetic(inner), &[a, b]);
            let args = if reversed { [c, inner] } else { [inner, c] };
            to.push(arithmetic(outer), &args, Some(out));
        } else {
            let compare = Kind::Compare;
            let (kind, count) = match step.code {
                Code::Copy => (Kind::Copy, 1),
                Code::Neg => (Kind::Neg, 1),
                Code::Abs => (Kind::Abs, 1),
                Code::Sqrt => (Kind::Sqrt, 1),
                Code::Not => (Kind::Not, 1),
                Code::Add => (Kind::Arithmetic(Arithmetic::Add), 2),
                Code::Sub | Code::SubSumSquare => (Kind::Arithmetic(Arithmetic::Sub), 2),
                Code::Mul => (Kind::Arithmetic(Arithmetic::Mul), 2),
                Code::Div | Code::DivUniform => (Kind::Arithmetic(Arithmetic::Div), 2),
                Code::Min => (Kind::Arithmetic(Arithmetic::Min), 2),
                Code::Max => (Kind::Arithmetic(Arithmetic::Max), 2),
                Code::Equal => (compare(Comparison::Equal), 2),
                Code::Less => (compare(Comparison::Less), 2),
                Code::Greater => (compare(Comparison::Greater), 2),
                Code::LessEqual => (compare(Comparison::LessEqual), 2),
                Code::GreaterEqual => (compare(Comparison::GreaterEqual), 2),
                Code::And => (Kind::And, 2),
                Code::Or => (Kind::Or, 2),
                Code::Select => (Kind::Select, 3),
                Code::Unary(kernel) => {
                    let call = kernels.unary[kernel as usize].call;
                    (Kind::Call(call as usize as u64), 1)
                }
                Code::Binary(kernel) => {
                    let call = kernels.binary[kernel as usize].call;
                    (Kind::Call(call as usize as u64), 2)
                }
                _ => unreachable!("codes of two operations and sums come before"),
            };
            to.push(kind, &args[..count], Some(out));
        }
        if step.code == Code::SubSumSquare {
            let square = to.inner(Kind::Arithmetic(Arithmetic::Mul), &[out, out]);
            to.push(Kind::Sum(step.index), &[square], None);
        }
        self.held[step.slot as usize] = (self.run, out);
    }
}

impl Operations {
    fn value(&mut self, slot: Option<Slot>, before: bool) -> Value {
        self.slots.push(slot);
        self.before.push(before);
        self.slots.len() - 1
    }

    fn push(&mut self, kind: Kind, args: &[Value], out: Option<Value>) {
        let mut operation = Operation {
            kind,
            args: [0; 3],
            count: args.len(),
            out,
        };
        operation.args[..args.len()].copy_from_slice(args);
        self.list.push(operation);
    }

    /// An operation whose value the next one uses up.
    fn inner(&mut self, kind: Kind, args: &[Value]) -> Value {
        let out = self.value(None, false);
        self.push(kind, args, Some(out));
        out
    }
}

fn arithmetic(op: Op) -> Kind {
    Kind::Arithmetic(match op {
        Op::Add => Arithmetic::Add,
        Op::Sub => Arithmetic::Sub,
        Op::Mul => Arithmetic::Mul,
        Op::Div => Arithmetic::Div,
        op => unreachable!("{} shares no instruction", op.name()),
    })
}
