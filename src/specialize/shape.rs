//! Values taken apart: the structure, and the atoms that it holds. Two values of one structure differ in atoms alone.

use std::rc::Rc;

use super::value::{Heap, Val};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::FunctionId;

/// One part of a structure, in preorder.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    /// An atom: a number, or a constant without parts.
    Atom,
    /// A pair: its car, then its cdr.
    Pair,
    /// A closure with this many captured values.
    Closure(FunctionId, usize),
    /// One of two procedures: the test, then the two.
    Choice,
}

/// The structure of a row of values.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Shape {
    parts: Vec<Part>,
}

impl Shape {
    /// The structure of `values`, and their atoms in order.
    ///
    /// # Errors
    /// `Limit` where there are more than `limit` parts.
    pub fn of(values: &[Val], heap: &Heap, limit: usize) -> Result<(Shape, Vec<Val>)> {
        let (mut shape, mut atoms) = (Shape::default(), Vec::new());
        let mut open: Vec<Val> = values.iter().rev().cloned().collect();
        while let Some(value) = open.pop() {
            let part = match &value {
                Val::Pair(address) => {
                    let (car, cdr) = heap.pair(*address).clone();
                    open.extend([cdr, car]);
                    Part::Pair
                }
                Val::Closure(function, captures) => {
                    open.extend(captures.iter().rev().cloned());
                    Part::Closure(*function, captures.len())
                }
                Val::Choice(test, arms) => {
                    let (first, second) = (**arms).clone();
                    open.extend([second, first, Val::Node(*test)]);
                    Part::Choice
                }
                _ => {
                    atoms.push(value);
                    Part::Atom
                }
            };
            shape.parts.push(part);
            if shape.parts.len() > limit {
                let message = format!("a value that a loop carries has more than {limit} parts");
                return Err(Error::new(ErrorKind::Limit, message));
            }
        }
        Ok((shape, atoms))
    }

    /// The values of this structure with these atoms.
    pub fn with(&self, atoms: &[Val], heap: &mut Heap) -> Vec<Val> {
        let mut atoms = atoms.iter().rev();
        let mut done: Vec<Val> = Vec::new();
        let pop = |done: &mut Vec<Val>| done.pop().unwrap_or(Val::Unset);
        for part in self.parts.iter().rev() {
            let value = match part {
                Part::Atom => atoms.next().cloned().unwrap_or(Val::Unset),
                Part::Pair => {
                    let (car, cdr) = (pop(&mut done), pop(&mut done));
                    heap.cons(car, cdr)
                }
                Part::Closure(function, count) => {
                    let captures: Vec<Val> = (0..*count).map(|_| pop(&mut done)).collect();
                    Val::Closure(*function, captures.into())
                }
                Part::Choice => match pop(&mut done) {
                    Val::Node(test) => {
                        let arms = (pop(&mut done), pop(&mut done));
                        Val::Choice(test, Rc::new(arms))
                    }
                    known => {
                        let (first, second) = (pop(&mut done), pop(&mut done));
                        match known {
                            Val::Constant(test) if !test.is_true() => second,
                            _ => first,
                        }
                    }
                },
            };
            done.push(value);
        }
        done.reverse();
        done
    }
}
