//! Values taken apart: the structure, and the atoms that it holds. Two values of one structure differ in atoms alone.

use std::collections::HashMap;
use std::rc::Rc;

use super::value::{Heap, Val};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::FunctionId;

/// One part of a structure; what it is made of stands before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    /// An atom: a number, or a constant.
    Atom,
    /// A pair of the two values before it.
    Pair,
    /// The pair of this number, once more.
    Again(usize),
    /// A vector or matrix of this shape.
    Array(Vec<usize>),
    /// A closure with this many captured values.
    Closure(FunctionId, usize),
    /// One of two procedures: the test, then the two.
    Choice,
}

/// The structure of a row of values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Shape {
    parts: Vec<Part>,
}

enum Todo {
    Visit(Val),
    /// What is visited is complete; a pair has an address.
    Emit(Part, Option<u32>),
}

impl Shape {
    /// The structure of `values`, and their atoms in order. A pair that stands at several places is taken once.
    ///
    /// # Errors
    /// `Limit` where there are more than `limit` parts.
    pub fn of(values: &[Val], heap: &Heap, limit: usize) -> Result<(Shape, Vec<Val>)> {
        let (mut shape, mut atoms) = (Shape::default(), Vec::new());
        let mut pairs: HashMap<u32, usize> = HashMap::new();
        let visit = |value: &Val| Todo::Visit(value.clone());
        let mut open: Vec<Todo> = values.iter().rev().map(visit).collect();
        while let Some(todo) = open.pop() {
            let value = match todo {
                Todo::Visit(value) => value,
                Todo::Emit(part, address) => {
                    if let Some(address) = address {
                        pairs.insert(address, pairs.len());
                    }
                    shape.parts.push(part);
                    continue;
                }
            };
            match &value {
                Val::Pair(address) if !heap.is_quoted(*address) => {
                    if let Some(index) = pairs.get(address) {
                        shape.parts.push(Part::Again(*index));
                        continue;
                    }
                    let (car, cdr) = heap.pair(*address);
                    open.push(Todo::Emit(Part::Pair, Some(*address)));
                    open.extend([visit(cdr), visit(car)]);
                }
                Val::Array(array) => {
                    open.push(Todo::Emit(Part::Array(array.shape.clone()), None));
                    open.extend(array.items.iter().rev().map(visit));
                }
                Val::Closure(function, captures) => {
                    let part = Part::Closure(*function, captures.len());
                    open.push(Todo::Emit(part, None));
                    open.extend(captures.iter().rev().map(visit));
                }
                Val::Choice(test, arms) => {
                    open.push(Todo::Emit(Part::Choice, None));
                    open.extend([
                        visit(&arms.1),
                        visit(&arms.0),
                        Todo::Visit(Val::Node(*test)),
                    ]);
                }
                _ => {
                    atoms.push(value);
                    shape.parts.push(Part::Atom);
                }
            }
            if shape.parts.len() + open.len() > limit {
                let message = format!("a value that a loop carries has more than {limit} parts");
                return Err(Error::new(ErrorKind::Limit, message));
            }
        }
        Ok((shape, atoms))
    }

    /// The values of this structure with these atoms.
    pub fn with(&self, atoms: &[Val], heap: &mut Heap) -> Vec<Val> {
        let mut atoms = atoms.iter();
        let mut done: Vec<Val> = Vec::new();
        let mut pairs: Vec<Val> = Vec::new();
        for part in &self.parts {
            let value = match part {
                Part::Atom => atoms.next().cloned().unwrap_or(Val::Unset),
                Part::Pair => {
                    let [car, cdr] = last(&mut done);
                    let pair = heap.cons(car, cdr);
                    pairs.push(pair.clone());
                    pair
                }
                Part::Again(index) => pairs[*index].clone(),
                Part::Array(shape) => {
                    let count: usize = shape.iter().product();
                    let items = done.split_off(done.len() - count);
                    heap.array(shape.clone(), items)
                }
                Part::Closure(function, count) => {
                    let captures = done.split_off(done.len() - count);
                    Val::Closure(*function, captures.into())
                }
                Part::Choice => {
                    let [test, first, second] = last(&mut done);
                    match test {
                        Val::Node(test) => Val::Choice(test, Rc::new((first, second))),
                        Val::Constant(test) if !test.is_true() => second,
                        _ => first,
                    }
                }
            };
            done.push(value);
        }
        done
    }
}

/// Takes the last values off a stack that a well-formed structure has filled.
fn last<const N: usize>(done: &mut Vec<Val>) -> [Val; N] {
    let mut values = [const { Val::Unset }; N];
    for value in values.iter_mut().rev() {
        *value = done.pop().unwrap_or(Val::Unset);
    }
    values
}
