//! Primitives on the structure of values: pairs and lists, predicates, equality.

use std::sync::Arc;

use super::machine::{Machine, fail};
use super::tape::{Question, same, whole};
use super::value::Value;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::real::Real;
use crate::ops::{Op, Role, wording};
use crate::syntax::ast::Constant;

impl<T: Real> Machine<T> {
    /// The value of `op`, which takes as many arguments, on `args`.
    pub fn primitive(&mut self, op: Op, args: &[Value<T>]) -> Result<Value<T>> {
        match op.row().role {
            Role::Numeric { .. } | Role::Defined(_) => self.arithmetic(op, args),
            Role::Structural => self.structural(op, args),
            Role::Missing => Err(Error::new(ErrorKind::Unsupported, wording::missing(op))),
        }
    }

    pub(super) fn arithmetic(&mut self, op: Op, args: &[Value<T>]) -> Result<Value<T>> {
        let array = |arg: &Value<T>| matches!(arg, Value::Array(_));
        match args.iter().find(|arg| !arg.is_numeric()) {
            None => self.numbers.program(op, args),
            Some(_) if op == Op::Not => Ok(Value::Bool(false)),
            Some(_) if gives_number(op) && args.iter().any(array) => self.elementwise(op, args),
            Some(other) => Err(fail(wording::not_a_number(op, &self.describe(other)))),
        }
    }

    fn structural(&mut self, op: Op, args: &[Value<T>]) -> Result<Value<T>> {
        let is = |holds: bool| Ok(Value::Bool(holds));
        match (op, args) {
            (Op::Cons, [car, cdr]) => self.heap.cons(*car, *cdr),
            (Op::Car, [pair]) => Ok(self.pair(op, *pair)?.0),
            (Op::Cdr, [pair]) => Ok(self.pair(op, *pair)?.1),
            (Op::List, items) => self.heap.list(items, Value::Nil),
            (Op::Length, [list]) => Ok(Value::Int(self.length(op, *list)?)),
            (Op::Append, args) => self.append(op, args),
            (Op::Reverse, [list]) => {
                self.length(op, *list)?;
                let (mut rest, mut reversed) = (*list, Value::Nil);
                while let Value::Pair(address) = rest {
                    let (car, cdr) = self.heap.pair(address);
                    reversed = self.heap.cons(car, reversed)?;
                    rest = cdr;
                }
                Ok(reversed)
            }
            (Op::ListTail, [list, index]) => self.tail(op, *list, *index),
            (Op::ListRef, [list, index]) => {
                let tail = self.tail(op, *list, *index)?;
                Ok(self.pair(op, tail)?.0)
            }
            (Op::Memq | Op::Member | Op::Assq | Op::Assoc, [key, list]) => {
                self.search(op, *key, *list)
            }
            (Op::Iota, [count, rest @ ..]) => self.iota(*count, rest),
            (Op::IsNull, [a]) => is(*a == Value::Nil),
            (Op::IsPair, [a]) => is(matches!(a, Value::Pair(_))),
            (Op::IsList, [a]) => {
                let (_, end) = self.measure(*a);
                is(end == Value::Nil)
            }
            (Op::IsNumber | Op::IsReal, [a]) => is(matches!(a, Value::Int(_) | Value::Real(..))),
            (Op::IsInteger, [Value::Real(x, _)]) => {
                is(self.numbers.answer(Question::Whole, args, whole(*x))?)
            }
            (Op::IsInteger, [a]) => is(matches!(a, Value::Int(_))),
            (Op::IsBoolean, [a]) => is(matches!(a, Value::Bool(_))),
            (Op::IsSymbol, [a]) => is(matches!(a, Value::Symbol(_))),
            (Op::IsChar, [a]) => is(matches!(a, Value::Char(_))),
            (Op::IsString, [a]) => is(matches!(a, Value::Str(..))),
            (Op::IsVector, [a]) => is(matches!(a, Value::Array(_))),
            (Op::IsProcedure, [a]) => is(matches!(a, Value::Closure(..) | Value::Primitive(_))),
            (Op::IsEq | Op::IsEqv, [a, b]) => is(self.same(*a, *b)?),
            (Op::IsEqual, [a, b]) => is(self.equal(*a, *b)?),
            (Op::NetworkInput, [value, network, input]) => {
                self.network_input(*value, *network, *input)
            }
            (Op::Error, args) => Err(fail(wording::error(args, |value| self.raised(value)))),
            _ => self.array_primitive(op, args),
        }
    }

    /// An argument of a network as a real, whatever number it is.
    fn network_input(
        &mut self,
        value: Value<T>,
        network: Value<T>,
        input: Value<T>,
    ) -> Result<Value<T>> {
        if value.is_numeric() {
            return self.numbers.program(Op::Mul, &[value, Value::real(T::ONE)]);
        }
        let name = |value| match self.code.atom(&self.heap, &value) {
            Some(Constant::Symbol(name)) => name,
            _ => Arc::from(""),
        };
        let what = self.describe(&value);
        let message = wording::network_argument(&name(network), &name(input), &what);
        Err(fail(message))
    }

    /// A value as `error` writes it.
    fn raised(&self, value: &Value<T>) -> wording::Part<Value<T>> {
        if let Value::Pair(address) = value {
            let (car, cdr) = self.heap.pair(*address);
            return wording::Part::Pair(car, cdr);
        }
        match self.code.atom(&self.heap, value) {
            Some(constant) => wording::Part::of(&constant),
            None => wording::Part::Atom(self.describe(value)),
        }
    }

    fn pair(&self, op: Op, value: Value<T>) -> Result<(Value<T>, Value<T>)> {
        match value {
            Value::Pair(address) => Ok(self.heap.pair(address)),
            other => Err(fail(wording::needs(op, "a pair", &self.describe(&other)))),
        }
    }

    /// How many pairs there are along a list, and what stands behind the last.
    fn measure(&mut self, list: Value<T>) -> (usize, Value<T>) {
        let (mut rest, mut length) = (list, 0);
        while let Value::Pair(address) = rest {
            rest = self.heap.get(address + 1);
            length += 1;
        }
        self.charge(length);
        (length, rest)
    }

    /// How many items a list has.
    fn length(&mut self, op: Op, list: Value<T>) -> Result<i64> {
        match self.measure(list) {
            (length, Value::Nil) => Ok(length as i64),
            _ => Err(fail(wording::needs(op, "a list", &self.describe(&list)))),
        }
    }

    fn append(&mut self, op: Op, lists: &[Value<T>]) -> Result<Value<T>> {
        let Some((last, lists)) = lists.split_last() else {
            return Ok(Value::Nil);
        };
        let mut items = std::mem::take(&mut self.items);
        items.clear();
        for list in lists {
            self.length(op, *list)?;
            self.heap.items(*list, &mut items);
        }
        let result = self.heap.list(&items, *last);
        self.items = items;
        result
    }

    fn tail(&mut self, op: Op, list: Value<T>, index: Value<T>) -> Result<Value<T>> {
        let Value::Int(index) = index else {
            return Err(fail(wording::needs(
                op,
                wording::INDEX,
                &self.describe(&index),
            )));
        };
        if index < 0 {
            return Err(fail(wording::index_negative(op, index)));
        }
        let mut rest = list;
        for _ in 0..index {
            let Value::Pair(address) = rest else {
                return Err(fail(wording::index_beyond_list(op, index)));
            };
            rest = self.heap.get(address + 1);
        }
        // no list is longer than the heap
        self.charge(index as usize);
        Ok(rest)
    }

    /// The first tail of `list`, or for association lists its first pair, whose key equals `key`; else `#f`.
    fn search(&mut self, op: Op, key: Value<T>, list: Value<T>) -> Result<Value<T>> {
        let (mut rest, mut passed) = (list, 0);
        while let Value::Pair(address) = rest {
            let (item, tail) = self.heap.pair(address);
            let candidate = match op {
                Op::Assq | Op::Assoc => self.pair(op, item)?.0,
                _ => item,
            };
            let found = match op {
                Op::Memq | Op::Assq => self.same(key, candidate)?,
                _ => self.equal(key, candidate)?,
            };
            if found {
                self.charge(passed);
                let whole = matches!(op, Op::Memq | Op::Member);
                return Ok(if whole { rest } else { item });
            }
            rest = tail;
            passed += 1;
        }
        self.charge(passed);
        Ok(Value::Bool(false))
    }

    /// `(iota count start step)`.
    fn iota(&mut self, count: Value<T>, rest: &[Value<T>]) -> Result<Value<T>> {
        let Value::Int(count @ 0..=wording::MAX_IOTA) = count else {
            return Err(fail(wording::not_a_count(&self.describe(&count))));
        };
        let start = rest.first().copied().unwrap_or(Value::Int(0));
        let step = rest.get(1).copied().unwrap_or(Value::Int(1));
        let mut list = Value::Nil;
        for i in (0..count).rev() {
            let offset = self.arithmetic(Op::Mul, &[Value::Int(i), step])?;
            let item = self.arithmetic(Op::Add, &[start, offset])?;
            list = self.heap.cons(item, list)?;
        }
        Ok(list)
    }

    /// `eqv?`: numbers by exactness and value, structure by identity. Two closures are one if they are of one function over
    /// the same values.
    fn same(&mut self, a: Value<T>, b: Value<T>) -> Result<bool> {
        match (a, b) {
            (Value::Closure(f, _), Value::Closure(g, _)) => {
                Ok(f == g && self.alike(a, b, Structure::Identical)?)
            }
            (a, b) => self.same_atom(a, b),
        }
    }

    /// Whether two values have one tag and one payload, which may decide the path.
    fn same_atom(&mut self, a: Value<T>, b: Value<T>) -> Result<bool> {
        match (a, b) {
            (Value::Real(x, _), Value::Real(y, _)) => {
                self.numbers.answer(Question::Same, &[a, b], same(x, y))
            }
            (a, b) => Ok(a == b),
        }
    }

    /// `equal?`: pairs and arrays item by item.
    fn equal(&mut self, a: Value<T>, b: Value<T>) -> Result<bool> {
        self.alike(a, b, Structure::Equal)
    }

    fn alike(&mut self, a: Value<T>, b: Value<T>, structure: Structure) -> Result<bool> {
        // pairs of values that are still to be compared
        let mut open = std::mem::take(&mut self.items);
        open.clear();
        open.extend([a, b]);
        let result = self.all_alike(&mut open, structure);
        self.items = open;
        let (alike, compared) = result?;
        self.charge(compared);
        Ok(alike)
    }

    /// Whether the pairs of values are alike, and how many have been compared.
    fn all_alike(
        &mut self,
        open: &mut Vec<Value<T>>,
        structure: Structure,
    ) -> Result<(bool, usize)> {
        let deep = structure == Structure::Equal;
        let mut compared = 0;
        while let (Some(b), Some(a)) = (open.pop(), open.pop()) {
            // what is shared may be met again and again
            self.check_work(compared)?;
            match (a, b) {
                (Value::Pair(x), Value::Pair(y)) if deep && x != y => {
                    let ((x_car, x_cdr), (y_car, y_cdr)) = (self.heap.pair(x), self.heap.pair(y));
                    open.extend([x_cdr, y_cdr, x_car, y_car]);
                }
                (Value::Array(x), Value::Array(y)) if deep => {
                    if !x.fits(y) {
                        return Ok((false, compared));
                    }
                    let (x, y) = (self.heap.slice(x.address, x.len()), y.address);
                    let pairs = x.iter().zip(self.heap.slice(y, x.len()));
                    open.extend(pairs.flat_map(|(x, y)| [*x, *y]));
                }
                (Value::Closure(f, x), Value::Closure(g, y)) if f == g && x != y => {
                    let captures = self.code.routines[f as usize].captures;
                    // what a closure captures is compared by identity
                    for i in 0..captures {
                        let (x, y) = (self.heap.get(x + i), self.heap.get(y + i));
                        let same = match (x, y) {
                            (Value::Closure(f, _), Value::Closure(g, _)) => {
                                open.extend([x, y]);
                                f == g
                            }
                            (x, y) => self.same_atom(x, y)?,
                        };
                        if !same {
                            return Ok((false, compared));
                        }
                    }
                }
                (a, b) => {
                    if !self.same_atom(a, b)? {
                        return Ok((false, compared));
                    }
                }
            }
            compared += 1;
        }
        Ok((true, compared))
    }
}

/// Whether an operation on numbers gives a number, not a boolean.
fn gives_number(op: Op) -> bool {
    match op.row().role {
        Role::Numeric { boolean, .. } => !boolean,
        _ => op == Op::Square,
    }
}

/// What two values must have in common.
#[derive(Clone, Copy, PartialEq)]
enum Structure {
    /// Pairs and arrays are the same ones.
    Identical,
    /// Pairs and arrays have equal items.
    Equal,
}
