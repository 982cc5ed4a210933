//! The values of the partial evaluator.

use std::rc::Rc;

use crate::graph::{FunctionId, NodeId};
use crate::ops::Op;
use crate::syntax::ast::Constant;

/// A value: concrete structure, numbers concrete or symbolic.
#[derive(Clone, Debug)]
pub enum Val {
    /// Not computed yet.
    Unset,
    /// A concrete atom; never a non-empty list.
    Constant(Constant),
    /// A number that is known only when the graph runs: a node of the result.
    Node(NodeId),
    /// A pair: an address of the heap.
    Pair(u32),
    /// A vector or a matrix.
    Array(Rc<Array>),
    /// A function with what it captures.
    Closure(FunctionId, Rc<[Val]>),
    /// A primitive.
    Primitive(Op),
    /// One of two procedures, as this test decides.
    Choice(NodeId, Rc<(Val, Val)>),
    /// The values of an `if` that has not exactly one.
    Tuple(Rc<[Val]>),
    /// The value of a tail call that goes on with a loop: its next arguments.
    Recur(Rc<[Val]>),
    /// Goes on with a loop where this test holds, and ends it elsewhere.
    Mixed(NodeId),
    /// What never comes: the value of a loop without an end, or of a loop that ends by going on with one around it. With a
    /// node that has to be computed to find that out.
    Absent(Option<NodeId>),
}

/// A vector (one size) or a matrix (rows, columns) of reals, row by row, each a constant or a node.
#[derive(Debug)]
pub struct Array {
    pub shape: Vec<usize>,
    pub items: Vec<Val>,
}

impl Val {
    pub fn nil() -> Val {
        Val::Constant(Constant::nil())
    }

    pub fn bool(value: bool) -> Val {
        Val::Constant(Constant::Bool(value))
    }

    /// The values of an `if`; one value stands for itself.
    pub fn tuple(mut values: Vec<Val>) -> Val {
        match values.len() {
            1 => values.pop().unwrap_or(Val::Unset),
            _ => Val::Tuple(values.into()),
        }
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Val::Absent(_))
    }

    pub fn is_nil(&self) -> bool {
        matches!(self, Val::Constant(Constant::List(items, None)) if items.is_empty())
    }

    /// Whether this is a number or a boolean, concrete or symbolic.
    pub fn is_numeric(&self) -> bool {
        match self {
            Val::Constant(constant) => constant.as_real().is_some(),
            Val::Node(_) => true,
            _ => false,
        }
    }
}

/// Pairs, written once. Addresses grow, so that no pair contains itself.
#[derive(Default)]
pub struct Heap {
    cells: Vec<(Val, Val)>,
    /// How many numbers the arrays hold that were made so far.
    elements: usize,
    /// For each cell, whether it is part of a constant.
    quoted: Vec<bool>,
}

impl Heap {
    pub fn cons(&mut self, car: Val, cdr: Val) -> Val {
        self.cells.push((car, cdr));
        self.quoted.push(false);
        Val::Pair(self.cells.len() as u32 - 1)
    }

    pub fn pair(&self, address: u32) -> &(Val, Val) {
        &self.cells[address as usize]
    }

    /// Whether the pair is part of a constant.
    pub fn is_quoted(&self, address: u32) -> bool {
        self.quoted[address as usize]
    }

    /// How many cells and elements of arrays were made so far.
    pub fn len(&self) -> usize {
        self.cells.len() + self.elements
    }

    pub fn array(&mut self, shape: Vec<usize>, items: Vec<Val>) -> Val {
        self.elements += items.len();
        Val::Array(Rc::new(Array { shape, items }))
    }

    /// The list of `items` before `tail`.
    pub fn list(&mut self, items: Vec<Val>, tail: Val) -> Val {
        items
            .into_iter()
            .rev()
            .fold(tail, |tail, item| self.cons(item, tail))
    }

    /// A constant as a value: its lists as pairs.
    pub fn constant(&mut self, constant: &Constant) -> Val {
        match constant {
            Constant::List(items, tail) if !items.is_empty() => {
                let items: Vec<Val> = items.iter().map(|item| self.constant(item)).collect();
                let tail = match tail {
                    Some(tail) => self.constant(tail),
                    None => Val::nil(),
                };
                let first = self.cells.len();
                let list = self.list(items, tail);
                self.quoted[first..].fill(true);
                list
            }
            atom => Val::Constant(atom.clone()),
        }
    }

    /// The items of a list, and what stands behind its last pair: nil for a proper list.
    pub fn items(&self, list: &Val) -> (Vec<Val>, Val) {
        let (mut items, mut rest) = (Vec::new(), list.clone());
        while let Val::Pair(address) = rest {
            let (car, cdr) = self.pair(address);
            items.push(car.clone());
            rest = cdr.clone();
        }
        (items, rest)
    }
}
