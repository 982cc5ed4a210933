//! What the machine executes: steps in a row, on the slots of an activation.

use std::sync::Arc;

use super::heap::Heap;
use super::value::Value;
use crate::error::Span;
use crate::ops::real::Real;
use crate::ops::{Linear, Op, wording};
use crate::syntax::ast::Constant;

/// A place of a value in an activation.
pub type Slot = u32;

/// Some of [`Code::operands`], side by side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slots {
    pub start: u32,
    pub count: u32,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Writes a constant.
    Constant { out: Slot, constant: u32 },
    /// Reads an input or parameter.
    Port { out: Slot, port: u32 },
    /// Copies a value.
    Move { out: Slot, from: Slot },
    /// Copies values that may stand in each other's places: those of the first slots to those of the second.
    MoveAll { from: Slots, out: Slots },
    /// An operation on one value.
    One { op: Op, out: Slot, a: Slot },
    /// An operation on two values.
    Two { op: Op, out: Slot, a: Slot, b: Slot },
    /// An operation on any number of values.
    Many { op: Op, out: Slot, args: Slots },
    /// Linear algebra: one of [`Code::linears`]. Its values go to slots side by side.
    Linear { index: u32, out: Slot, args: Slots },
    /// The closure of a function over what it captures.
    Closure {
        function: u32,
        out: Slot,
        captures: Slots,
    },
    /// Goes on elsewhere.
    Jump { target: u32 },
    /// Goes on elsewhere where the test is false.
    Unless { test: Slot, target: u32 },
    /// Goes back to the head of a loop; counts as a step of the program.
    Repeat { target: u32 },
    /// Calls a function, which gives its value to a slot.
    Call {
        function: u32,
        out: Slot,
        args: Slots,
    },
    /// Calls a function in place of the one that runs.
    TailCall { function: u32, args: Slots },
    /// Calls the first of some values with the others.
    Apply { out: Slot, args: Slots },
    /// The same in place of the function that runs.
    TailApply { args: Slots },
    /// Calls the first of some values with the others, the last of which is a list of further arguments.
    ApplyList { out: Slot, args: Slots },
    /// The same in place of the function that runs.
    TailApplyList { args: Slots },
    /// Gives a value back to the caller.
    Return { from: Slot },
    /// The program has its values.
    Finish,
}

/// A function: its code and its activation, whose first slots are its captures, then its parameters.
#[derive(Clone, Debug)]
pub struct Routine {
    pub name: Arc<str>,
    /// Its first step.
    pub entry: u32,
    /// How many slots an activation has.
    pub slots: u32,
    pub captures: u32,
    /// How many fixed parameters it has.
    pub params: u32,
    /// Whether one more parameter takes the remaining arguments as a list.
    pub rest: bool,
}

/// A program for the machine.
pub struct Code<T> {
    pub steps: Vec<Step>,
    /// Where each step comes from in the source.
    pub spans: Vec<Span>,
    pub operands: Vec<Slot>,
    pub constants: Vec<Value<T>>,
    pub linears: Vec<Linear>,
    /// The functions, in the order of the graph.
    pub routines: Vec<Routine>,
    /// How many slots the activation of the body has.
    pub slots: u32,
    /// Where the body leaves the values of the program.
    pub results: Vec<Slot>,
    /// The names of symbols.
    pub symbols: Vec<Arc<str>>,
    /// Whether `expt` of a real to a small whole power is a product, as programs have it; in numeric graphs that is said by
    /// the graph.
    pub whole_powers: bool,
}

impl<T: Real> Code<T> {
    /// The value as a constant, if it is an atom that can be written.
    pub fn atom(&self, heap: &Heap<T>, value: &Value<T>) -> Option<Constant> {
        Some(match value {
            Value::Nil => Constant::nil(),
            Value::Bool(value) => Constant::Bool(*value),
            Value::Int(value) => Constant::Int(*value),
            Value::Real(value, _) => Constant::Real(value.to_f64()),
            Value::Char(value) => Constant::Char(*value),
            Value::Symbol(id) => Constant::Symbol(self.symbols[*id as usize].clone()),
            Value::Str(address, length) => {
                let cells = heap.slice(*address, *length as usize).iter();
                let characters = cells.filter_map(|cell| match cell {
                    Value::Char(c) => Some(*c),
                    _ => None,
                });
                Constant::Str(Arc::from(characters.collect::<String>()))
            }
            _ => return None,
        })
    }

    /// What a value is, in words for errors.
    pub fn describe(&self, heap: &Heap<T>, value: &Value<T>) -> String {
        match value {
            Value::Pair(_) => "a pair".into(),
            Value::Closure(function, _) => {
                let name = &self.routines[*function as usize].name;
                match name.starts_with('%') {
                    true => "a procedure".into(),
                    false => format!("the procedure {name}"),
                }
            }
            Value::Primitive(op) => format!("the procedure {}", op.name()),
            Value::Array(array) => {
                let columns = array.columns().map(|columns| columns as usize);
                wording::array(array.rows as usize, columns)
            }
            atom => match self.atom(heap, atom) {
                Some(constant) => constant.describe(),
                None => "nothing".into(),
            },
        }
    }
}
