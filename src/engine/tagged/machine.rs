//! The machine: runs code on a stack of activations. A tail call replaces the activation that runs; the depth of other calls
//! is bounded by a number, not by the stack of the processor.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Limits;
use super::code::{Code, Slot, Slots, Step};
use super::heap::{self, Heap};
use super::numbers::Numbers;
use super::value::Value;
use crate::error::{Error, ErrorKind, Result, Span};
use crate::lower::arity_message;
use crate::ops::real::Real;
use crate::ops::{Op, wording};

/// Steps of the program between two looks at whether to stop.
const PATIENCE: usize = 1 << 16;

/// So many cells that one operation goes over count as a step of the program.
const CELLS_PER_STEP: usize = 32;

/// A call that waits for its value.
struct Frame {
    /// Where it goes on.
    pc: usize,
    /// Where its activation begins.
    base: usize,
    /// Where the value goes.
    out: Slot,
}

/// What runs: the next step, and where its activation begins and ends.
struct Cursor {
    pc: usize,
    base: usize,
    top: usize,
}

/// What calling something comes to.
enum Call<T> {
    /// A function, whose captures and arguments stand in `args`.
    Enter(u32),
    /// A value: a primitive has been called.
    Value(Value<T>),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The program has its values.
    Finished,
    /// It was told to stop.
    Cancelled,
}

/// A program with its memory.
pub struct Machine<T> {
    pub code: Code<T>,
    pub heap: Heap<T>,
    pub numbers: Numbers<T>,
    /// The values of the ports.
    pub ports: Vec<Value<T>>,
    /// The slots of all activations.
    stack: Vec<Value<T>>,
    frames: Vec<Frame>,
    /// The arguments of a call or an operation.
    args: Vec<Value<T>>,
    /// The items of a list.
    pub(super) items: Vec<Value<T>>,
    /// The values of an operation that has several.
    pub(super) values: Vec<Value<T>>,
    limits: Limits,
    steps: usize,
    /// The step at hand.
    pc: usize,
    /// The last call that has a place in the source.
    place: usize,
}

/// What the program does wrong.
#[cold]
pub fn fail(message: String) -> Error {
    Error::new(ErrorKind::Compile, message)
}

impl<T: Real> Machine<T> {
    /// A machine for `code` with so many ports.
    pub fn new(code: Code<T>, heap: Heap<T>, ports: usize, limits: Limits) -> Machine<T> {
        // addresses are 32 bits wide
        let limits = Limits {
            heap: limits.heap.min(u32::MAX as usize),
            ..limits
        };
        Machine {
            numbers: Numbers::new(code.whole_powers, limits.heap),
            code,
            heap,
            ports: vec![Value::Nil; ports],
            stack: Vec::new(),
            frames: Vec::new(),
            args: Vec::new(),
            items: Vec::new(),
            values: Vec::new(),
            limits,
            steps: 0,
            pc: 0,
            place: 0,
        }
    }

    /// Makes the memory ready for the next sample; whether its path is traced.
    pub fn reset(&mut self, tracing: bool) {
        self.heap.reset();
        self.numbers.tape.reset(tracing);
        self.frames.clear();
        self.steps = 0;
        (self.pc, self.place) = (0, 0);
    }

    /// Runs the program on the values of the ports.
    pub fn run(&mut self, cancel: Option<&AtomicBool>) -> Result<End> {
        let result = self.execute(cancel);
        result.map_err(|error| error.at(self.span()))
    }

    /// Value `index` of the program, after a run.
    pub fn result(&self, index: usize) -> Value<T> {
        self.stack[self.code.results[index] as usize]
    }

    /// The same where it is a number, with its place on the tape.
    pub fn real_result(&self, index: usize) -> Result<(T, u32)> {
        let value = self.result(index);
        match value.as_real() {
            Some(number) => Ok((number, value.mark())),
            None => {
                let what = self.describe(&value);
                Err(fail(format!(
                    "the value of the program is {what}: a number is needed here"
                )))
            }
        }
    }

    /// Where the step at hand comes from. What has no place, such as the prelude, counts to the place that called it.
    fn span(&self) -> Span {
        match self.code.spans[self.pc] {
            span if span == Span::default() => self.code.spans[self.place],
            span => span,
        }
    }

    /// What a value is, in words for errors.
    #[cold]
    pub fn describe(&self, value: &Value<T>) -> String {
        self.code.describe(&self.heap, value)
    }

    fn execute(&mut self, cancel: Option<&AtomicBool>) -> Result<End> {
        let mut at = Cursor {
            pc: 0,
            base: 0,
            top: self.code.slots as usize,
        };
        let mut pause = PATIENCE.min(self.limits.steps);
        self.grow(at.top)?;
        loop {
            self.pc = at.pc;
            let step = self.code.steps[at.pc];
            at.pc += 1;
            match step {
                Step::Constant { out, constant } => {
                    self.stack[at.base + out as usize] = self.code.constants[constant as usize];
                }
                Step::Port { out, port } => {
                    self.stack[at.base + out as usize] = self.ports[port as usize];
                }
                Step::Move { out, from } => {
                    self.stack[at.base + out as usize] = self.stack[at.base + from as usize];
                }
                Step::MoveAll { from, out } => {
                    self.gather(at.base, from);
                    for i in 0..out.count as usize {
                        let slot = self.code.operands[out.start as usize + i];
                        self.stack[at.base + slot as usize] = self.args[i];
                    }
                }
                Step::One { op, out, a } => {
                    let a = self.stack[at.base + a as usize];
                    let value = match (op, a) {
                        (Op::Car, Value::Pair(address)) => self.heap.get(address),
                        (Op::Cdr, Value::Pair(address)) => self.heap.get(address + 1),
                        (Op::IsNull, a) => Value::Bool(a == Value::Nil),
                        (Op::IsPair, a) => Value::Bool(matches!(a, Value::Pair(_))),
                        (op, a) => self.primitive(op, &[a])?,
                    };
                    self.stack[at.base + out as usize] = value;
                }
                Step::Two { op, out, a, b } => {
                    let a = self.stack[at.base + a as usize];
                    let b = self.stack[at.base + b as usize];
                    self.stack[at.base + out as usize] = match fast(op, a, b) {
                        Some(value) => value,
                        None => self.primitive(op, &[a, b])?,
                    };
                }
                Step::Many { op, out, args } => {
                    self.gather(at.base, args);
                    let args = std::mem::take(&mut self.args);
                    let value = self.primitive(op, &args);
                    self.args = args;
                    self.stack[at.base + out as usize] = value?;
                }
                Step::Linear { index, out, args } => {
                    self.gather(at.base, args);
                    self.items.clear();
                    let linear = self.code.linears[index as usize];
                    self.numbers.linear(linear, &self.args, &mut self.items)?;
                    let first = at.base + out as usize;
                    self.stack[first..first + self.items.len()].copy_from_slice(&self.items);
                }
                Step::Closure {
                    function,
                    out,
                    captures,
                } => {
                    let address = self.heap.next();
                    for slot in slots(&self.code.operands, captures) {
                        self.heap.push(self.stack[at.base + *slot as usize])?;
                    }
                    self.stack[at.base + out as usize] = Value::Closure(function, address);
                }
                Step::Jump { target } => at.pc = target as usize,
                Step::Unless { test, target } => {
                    let test = self.stack[at.base + test as usize];
                    self.numbers.decide(test)?;
                    if !test.is_true() {
                        at.pc = target as usize;
                    }
                }
                Step::Repeat { target } => {
                    if self.count(&mut pause, cancel)? {
                        return Ok(End::Cancelled);
                    }
                    at.pc = target as usize;
                }
                Step::Call {
                    function,
                    out,
                    args,
                } => {
                    if self.count_call(&mut pause, cancel)? {
                        return Ok(End::Cancelled);
                    }
                    let routine = &self.code.routines[function as usize];
                    if routine.rest || self.frames.len() >= self.limits.depth {
                        self.gather(at.base, args);
                        self.enter(&mut at, function, Some(out))?;
                        continue;
                    }
                    let (entry, top) = (routine.entry, at.top + routine.slots as usize);
                    if self.stack.len() < top {
                        self.grow(top)?;
                    }
                    for (i, slot) in slots(&self.code.operands, args).iter().enumerate() {
                        self.stack[at.top + i] = self.stack[at.base + *slot as usize];
                    }
                    self.frames.push(Frame {
                        pc: at.pc,
                        base: at.base,
                        out,
                    });
                    at = Cursor {
                        pc: entry as usize,
                        base: at.top,
                        top,
                    };
                }
                Step::TailCall { function, args } => {
                    if self.count_call(&mut pause, cancel)? {
                        return Ok(End::Cancelled);
                    }
                    self.gather(at.base, args);
                    self.enter(&mut at, function, None)?;
                }
                Step::Apply { args, .. }
                | Step::TailApply { args }
                | Step::ApplyList { args, .. }
                | Step::TailApplyList { args } => {
                    if self.count_call(&mut pause, cancel)? {
                        return Ok(End::Cancelled);
                    }
                    self.gather(at.base, args);
                    let call = match step {
                        Step::Apply { .. } | Step::TailApply { .. } => self.call()?,
                        _ => {
                            self.spread()?;
                            self.call()?
                        }
                    };
                    let out = match step {
                        Step::Apply { out, .. } | Step::ApplyList { out, .. } => Some(out),
                        _ => None,
                    };
                    match (call, out) {
                        (Call::Enter(function), out) => self.enter(&mut at, function, out)?,
                        (Call::Value(value), Some(out)) => {
                            self.stack[at.base + out as usize] = value;
                        }
                        (Call::Value(value), None) => self.give(&mut at, value)?,
                    }
                }
                Step::Return { from } => {
                    let value = self.stack[at.base + from as usize];
                    self.give(&mut at, value)?;
                }
                Step::Finish => return Ok(End::Finished),
            }
        }
    }

    /// Gives a value to the caller.
    #[inline(always)]
    fn give(&mut self, at: &mut Cursor, value: Value<T>) -> Result<()> {
        let Some(frame) = self.frames.pop() else {
            return Err(fail("the program has no value".into()));
        };
        self.stack[frame.base + frame.out as usize] = value;
        // activations stand behind each other
        *at = Cursor {
            pc: frame.pc,
            base: frame.base,
            top: at.base,
        };
        Ok(())
    }

    /// Counts a step of the program; whether to stop.
    #[inline(always)]
    fn count(&mut self, pause: &mut usize, cancel: Option<&AtomicBool>) -> Result<bool> {
        self.steps += 1;
        match self.steps > *pause {
            true => self.look(pause, cancel),
            false => Ok(false),
        }
    }

    /// Counts the cells that an operation goes over, so that long lists are no way around the limit on steps.
    #[inline(always)]
    pub(super) fn charge(&mut self, cells: usize) {
        self.steps = self.steps.saturating_add(cells / CELLS_PER_STEP);
    }

    /// Refuses to go over more cells at once than the heap may have.
    pub(super) fn check_work(&self, cells: usize) -> Result<()> {
        match cells > self.limits.heap {
            true => Err(heap::full(self.limits.heap)),
            false => Ok(()),
        }
    }

    /// The same for a call, whose place is kept.
    #[inline(always)]
    fn count_call(&mut self, pause: &mut usize, cancel: Option<&AtomicBool>) -> Result<bool> {
        if self.code.spans[self.pc] != Span::default() {
            self.place = self.pc;
        }
        self.count(pause, cancel)
    }

    #[cold]
    fn look(&mut self, pause: &mut usize, cancel: Option<&AtomicBool>) -> Result<bool> {
        let limit = self.limits.steps;
        if self.steps > limit {
            return Err(Error::new(ErrorKind::Limit, wording::too_long(limit)));
        }
        *pause = self.steps.saturating_add(PATIENCE).min(limit);
        Ok(cancel.is_some_and(|flag| flag.load(Ordering::Relaxed)))
    }

    /// Makes room for so many slots.
    #[cold]
    fn grow(&mut self, slots: usize) -> Result<()> {
        if slots > self.limits.heap {
            return Err(heap::full(self.limits.heap));
        }
        if self.stack.len() < slots {
            let length = slots.max(2 * self.stack.len()).min(self.limits.heap);
            self.stack.resize(length, Value::Nil);
        }
        Ok(())
    }

    /// Copies values to `args`.
    fn gather(&mut self, base: usize, from: Slots) {
        self.args.clear();
        let values = slots(&self.code.operands, from).iter();
        self.args
            .extend(values.map(|slot| self.stack[base + *slot as usize]));
    }

    /// What a call of the first of `args` with the others comes to.
    fn call(&mut self) -> Result<Call<T>> {
        loop {
            match self.args[0] {
                Value::Closure(function, address) => {
                    let routine = &self.code.routines[function as usize];
                    let (given, wanted) = (self.args.len() - 1, routine.params as usize);
                    if given < wanted || (!routine.rest && given > wanted) {
                        let message = arity_message(&routine.name, wanted, routine.rest, given);
                        return Err(fail(message));
                    }
                    let captures = self.heap.slice(address, routine.captures as usize);
                    match captures {
                        // in place of the closure itself
                        [one] => self.args[0] = *one,
                        captures => {
                            self.items.clear();
                            self.items.extend_from_slice(captures);
                            self.items.extend_from_slice(&self.args[1..]);
                            std::mem::swap(&mut self.items, &mut self.args);
                        }
                    }
                    return Ok(Call::Enter(function));
                }
                Value::Primitive(op) => {
                    let (row, given) = (op.row(), self.args.len() - 1);
                    if given < row.min || row.max.is_some_and(|max| given > max) {
                        return Err(fail(crate::anf::arity_message(row, given)));
                    }
                    if op == Op::Apply {
                        self.args.remove(0);
                        self.spread()?;
                        continue;
                    }
                    let args = std::mem::take(&mut self.args);
                    let value = self.primitive(op, &args[1..]);
                    self.args = args;
                    return value.map(Call::Value);
                }
                other => {
                    let what = self.describe(&other);
                    let message = wording::not_a_procedure(&what, self.args.len() - 1);
                    return Err(fail(message));
                }
            }
        }
    }

    /// Puts the items of the last of `args`, a list, in its place.
    fn spread(&mut self) -> Result<()> {
        let last = self.args.pop().unwrap_or(Value::Nil);
        let end = self.heap.items(last, &mut self.args);
        self.charge(self.args.len());
        match end {
            Value::Nil => Ok(()),
            _ => Err(fail(wording::not_an_argument_list(&self.describe(&last)))),
        }
    }

    /// Enters a function whose captures and arguments stand in `args`; without `out`, in place of the one that runs.
    fn enter(&mut self, at: &mut Cursor, function: u32, out: Option<Slot>) -> Result<()> {
        let routine = &self.code.routines[function as usize];
        let (entry, slots) = (routine.entry as usize, routine.slots as usize);
        let fixed = (routine.captures + routine.params) as usize;
        let base = match out {
            None => at.base,
            Some(_) if self.frames.len() >= self.limits.depth => {
                let message = wording::too_deep(&routine.name, self.limits.depth);
                return Err(Error::new(ErrorKind::Limit, message));
            }
            Some(_) => at.top,
        };
        if self.stack.len() < base + slots {
            self.grow(base + slots)?;
        }
        if self.code.routines[function as usize].rest {
            let rest = self.heap.list(&self.args[fixed..], Value::Nil)?;
            self.args.truncate(fixed);
            self.args.push(rest);
        }
        self.stack[base..base + self.args.len()].copy_from_slice(&self.args);
        if let Some(out) = out {
            self.frames.push(Frame {
                pc: at.pc,
                base: at.base,
                out,
            });
        }
        *at = Cursor {
            pc: entry,
            base,
            top: base + slots,
        };
        Ok(())
    }
}

/// The operands that a step names.
#[inline(always)]
fn slots(operands: &[Slot], slots: Slots) -> &[Slot] {
    &operands[slots.start as usize..(slots.start + slots.count) as usize]
}

/// The commonest operations on two numbers that no derivative is asked of; `None` for all else.
#[inline(always)]
fn fast<T: Real>(op: Op, a: Value<T>, b: Value<T>) -> Option<Value<T>> {
    let (a, b) = match (a, b) {
        (Value::Int(a), Value::Int(b)) => return fast_exact(op, a, b),
        (Value::Real(a, 0), Value::Real(b, 0)) => (a, b),
        (Value::Real(a, 0), Value::Int(b)) => (a, T::of(b as f64)),
        (Value::Int(a), Value::Real(b, 0)) => (T::of(a as f64), b),
        _ => return None,
    };
    Some(match op {
        Op::Add => Value::real(a + b),
        Op::Sub => Value::real(a - b),
        Op::Mul => Value::real(a * b),
        Op::Div => Value::real(a / b),
        Op::Less => Value::Bool(a < b),
        Op::Greater => Value::Bool(a > b),
        Op::LessEqual => Value::Bool(a <= b),
        Op::GreaterEqual => Value::Bool(a >= b),
        Op::Equal => Value::Bool(a == b),
        _ => return None,
    })
}

/// The same on exact integers.
#[inline(always)]
fn fast_exact<T: Real>(op: Op, a: i64, b: i64) -> Option<Value<T>> {
    Some(match op {
        Op::Add => Value::Int(a.checked_add(b)?),
        Op::Sub => Value::Int(a.checked_sub(b)?),
        Op::Mul => Value::Int(a.checked_mul(b)?),
        Op::Less => Value::Bool(a < b),
        Op::Greater => Value::Bool(a > b),
        Op::LessEqual => Value::Bool(a <= b),
        Op::GreaterEqual => Value::Bool(a >= b),
        Op::Equal => Value::Bool(a == b),
        _ => return None,
    })
}
