//! Joins the values that the two arms of a branch on data give.

use std::rc::Rc;

use super::machine::{Machine, fail};
use super::value::Val;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{NodeId, RegionId};
use crate::syntax::ast::Constant;

impl Machine<'_> {
    /// Joins the values of two closed arms: where they differ, a value of the branch decides.
    pub fn join(
        &mut self,
        test: NodeId,
        first: &[Val],
        second: &[Val],
        (then, otherwise): (RegionId, RegionId),
    ) -> Result<Vec<Val>> {
        let mut slots = Join {
            test,
            arms: (then, otherwise),
            choice: false,
            slots: Vec::new(),
            values: None,
        };
        for (a, b) in first.iter().zip(second) {
            self.merge(Some(a), Some(b), &mut slots)?;
        }
        let (firsts, seconds) = slots.slots.iter().copied().unzip();
        self.builder.set_results(then, firsts);
        self.builder.set_results(otherwise, seconds);
        slots.values = Some(self.builder.branch(test, then, otherwise).into_iter());
        let mut values = Vec::with_capacity(first.len());
        for (a, b) in first.iter().zip(second) {
            values.push(self.merge(Some(a), Some(b), &mut slots)?);
        }
        Ok(values)
    }

    /// The value that is `a` in the first arm and `b` in the second; `None` where an arm has no such part. Numbers become
    /// values of the branch, procedures that differ a choice.
    fn merge(&mut self, a: Option<&Val>, b: Option<&Val>, join: &mut Join) -> Result<Val> {
        let value = match (a, b) {
            (Some(Val::Absent(a)), Some(Val::Absent(b))) => Val::Absent(a.or(*b)),
            // what never comes counts for nothing, but where a node has to be computed to find that out
            (Some(Val::Absent(node)), Some(b)) => {
                let node = node.filter(|_| b.is_numeric()).map(Val::Node);
                return self.merge(node.as_ref(), Some(b), join);
            }
            (Some(a), Some(Val::Absent(node))) => {
                let node = node.filter(|_| a.is_numeric()).map(Val::Node);
                return self.merge(Some(a), node.as_ref(), join);
            }
            (Some(a), Some(b)) if same_atom(a, b) => a.clone(),
            (Some(Val::Pair(_)), Some(Val::Pair(_)))
            | (Some(Val::Pair(_)), None)
            | (None, Some(Val::Pair(_))) => {
                return self.merge_list(a, b, join);
            }
            (Some(Val::Closure(f, x)), Some(Val::Closure(g, y))) if f == g && self.joins(x, y) => {
                let pairs = x.iter().zip(y.iter());
                let captures = pairs.map(|(x, y)| self.merge(Some(x), Some(y), join));
                Val::Closure(*f, captures.collect::<Result<_>>()?)
            }
            (Some(Val::Array(x)), Some(Val::Array(y))) if x.shape == y.shape => {
                let pairs = x.items.iter().zip(&y.items);
                let items = pairs.map(|(x, y)| self.merge(Some(x), Some(y), join));
                let items = items.collect::<Result<_>>()?;
                self.heap.array(x.shape.clone(), items)
            }
            (Some(Val::Array(array)), None) | (None, Some(Val::Array(array))) => {
                let first = b.is_none();
                let items = array.items.iter().map(|item| match first {
                    true => self.merge(Some(item), None, join),
                    false => self.merge(None, Some(item), join),
                });
                let items = items.collect::<Result<_>>()?;
                self.heap.array(array.shape.clone(), items)
            }
            (a, b) if a.is_none_or(Val::is_numeric) && b.is_none_or(Val::is_numeric) => {
                return self.merge_number(a, b, join);
            }
            (Some(a), Some(b)) if is_procedure(a) && is_procedure(b) => {
                let outer = std::mem::replace(&mut join.choice, true);
                let arms = (
                    self.merge(Some(a), None, join)?,
                    self.merge(None, Some(b), join)?,
                );
                join.choice = outer;
                Val::Choice(join.test, Rc::new(arms))
            }
            (Some(Val::Closure(f, captures)), None) | (None, Some(Val::Closure(f, captures))) => {
                let side = |value| {
                    if b.is_none() {
                        (Some(value), None)
                    } else {
                        (None, Some(value))
                    }
                };
                let captures = captures.iter().map(|value| {
                    let (a, b) = side(value);
                    self.merge(a, b, join)
                });
                Val::Closure(*f, captures.collect::<Result<_>>()?)
            }
            (Some(Val::Choice(test, arms)), None) | (None, Some(Val::Choice(test, arms))) => {
                let test = Val::Node(*test);
                let side = |value| {
                    if b.is_none() {
                        (Some(value), None)
                    } else {
                        (None, Some(value))
                    }
                };
                let (x, y) = side(&test);
                let test = self.merge(x, y, join)?;
                let (x, y) = side(&arms.0);
                let first = self.merge(x, y, join)?;
                let (x, y) = side(&arms.1);
                let second = self.merge(x, y, join)?;
                Val::Choice(self.node(&test)?, Rc::new((first, second)))
            }
            (Some(value), None) | (None, Some(value)) => value.clone(),
            (Some(a), Some(b)) => {
                let message = format!(
                    "the arms of this branch on data give {} and {}: structure that hangs on data is not supported in this version",
                    self.describe(a),
                    self.describe(b)
                );
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            (None, None) => Val::Unset,
        };
        Ok(value)
    }

    /// Along the list, so that long lists do not nest the machine stack.
    /// Whether what two closures of one function capture can become one: not where they hold different constants, such as
    /// what an interpreter's procedures evaluate.
    fn joins(&self, first: &[Val], second: &[Val]) -> bool {
        let mut open: Vec<(Val, Val)> = Vec::new();
        let pairs = |x: &[Val], y: &[Val]| -> Vec<(Val, Val)> {
            x.iter().cloned().zip(y.iter().cloned()).collect()
        };
        open.extend(pairs(first, second));
        let mut count = 0;
        while let Some((a, b)) = open.pop() {
            count += 1;
            match (&a, &b) {
                _ if count > self.limits.nodes => return false,
                (Val::Absent(_), _) | (_, Val::Absent(_)) => {}
                (a, b) if same_atom(a, b) || (a.is_numeric() && b.is_numeric()) => {}
                (Val::Pair(x), Val::Pair(y)) => {
                    if self.heap.is_quoted(*x) || self.heap.is_quoted(*y) {
                        return false;
                    }
                    let ((a, b), (c, d)) = (self.heap.pair(*x).clone(), self.heap.pair(*y).clone());
                    open.extend([(a, c), (b, d)]);
                }
                (Val::Closure(f, x), Val::Closure(g, y)) if f == g => open.extend(pairs(x, y)),
                (a, b) if is_procedure(a) && is_procedure(b) => {}
                (Val::Array(_), Val::Array(_)) => {}
                _ => return false,
            }
        }
        true
    }

    fn merge_list(&mut self, a: Option<&Val>, b: Option<&Val>, join: &mut Join) -> Result<Val> {
        let (mut items, mut rest) = (Vec::new(), (a.cloned(), b.cloned()));
        loop {
            let cell = |value: &Option<Val>| match value {
                Some(Val::Pair(address)) => Some(self.heap.pair(*address).clone()),
                _ => None,
            };
            let (x, y) = (cell(&rest.0), cell(&rest.1));
            let both = x.is_some() == rest.0.is_some() && y.is_some() == rest.1.is_some();
            if !both || (x.is_none() && y.is_none()) {
                break;
            }
            let item = self.merge(
                x.as_ref().map(|cell| &cell.0),
                y.as_ref().map(|cell| &cell.0),
                join,
            )?;
            items.push(item);
            rest = (x.map(|cell| cell.1), y.map(|cell| cell.1));
        }
        let tail = self.merge(rest.0.as_ref(), rest.1.as_ref(), join)?;
        Ok(self.heap.list(items, tail))
    }

    fn merge_number(&mut self, a: Option<&Val>, b: Option<&Val>, join: &mut Join) -> Result<Val> {
        // what one of two procedures holds and is known outside its arm
        match (a, b) {
            (Some(a), None) if join.choice && self.is_outside(a, join.arms.0) => {
                return Ok(a.clone());
            }
            (None, Some(b)) if join.choice && self.is_outside(b, join.arms.1) => {
                return Ok(b.clone());
            }
            _ => {}
        }
        if let Some(values) = &mut join.values {
            return values
                .next()
                .map(Val::Node)
                .ok_or_else(|| fail("the program has no value".into()));
        }
        // an arm without such a part gives a number that nobody reads
        let unused = Val::Constant(Constant::Real(0.0));
        let pair = (
            self.node(a.unwrap_or(&unused))?,
            self.node(b.unwrap_or(&unused))?,
        );
        join.slots.push(pair);
        if join.slots.len() > self.limits.nodes {
            return Err(Error::new(
                ErrorKind::Limit,
                "a value that a branch gives is too large",
            ));
        }
        Ok(Val::Unset)
    }
}

impl Machine<'_> {
    /// Whether a number is computed before this arm.
    fn is_outside(&self, value: &Val, arm: RegionId) -> bool {
        let first = self.builder.graph().region(arm).nodes.first();
        match value {
            Val::Node(node) => first.is_none_or(|first| node < first),
            _ => true,
        }
    }
}

/// The numbers in which two arms differ: first gathered, then read from the branch in the same order.
struct Join {
    test: NodeId,
    arms: (RegionId, RegionId),
    /// Whether what is merged belongs to one of two procedures.
    choice: bool,
    slots: Vec<(NodeId, NodeId)>,
    values: Option<std::vec::IntoIter<NodeId>>,
}

/// Whether both are the same constant to the bit, the same node, or the same primitive.
pub fn same_atom(a: &Val, b: &Val) -> bool {
    match (a, b) {
        (Val::Constant(Constant::Real(a)), Val::Constant(Constant::Real(b))) => {
            a.to_bits() == b.to_bits()
        }
        (Val::Constant(a), Val::Constant(b)) => a == b,
        (Val::Node(a), Val::Node(b)) => a == b,
        (Val::Primitive(a), Val::Primitive(b)) => a == b,
        (Val::Pair(a), Val::Pair(b)) => a == b,
        (Val::Array(a), Val::Array(b)) => Rc::ptr_eq(a, b),
        _ => false,
    }
}

fn is_procedure(value: &Val) -> bool {
    matches!(
        value,
        Val::Closure(..) | Val::Primitive(_) | Val::Choice(..)
    )
}
