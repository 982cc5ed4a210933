//! Primitives on the evaluator's values: arithmetic becomes nodes, structure is computed here and now.

use std::sync::Arc;

use super::machine::{Machine, fail};
use super::value::Val;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Elem, NodeId, Type};
use crate::ops::{Emit, Op, Role, wording};
use crate::syntax::ast::Constant;

/// Whole exponents up to this size become products.
const MAX_PRODUCT_EXPONENT: i64 = 16;

impl Machine<'_> {
    /// The value of `op`, whose arity has been checked, on `args`.
    pub fn primitive(&mut self, op: Op, args: &[Val]) -> Result<Val> {
        match op.row().role {
            Role::Numeric { .. } | Role::Defined(_) => self.arithmetic(op, args),
            Role::Structural => self.structural(op, args),
            Role::Missing => Err(Error::new(ErrorKind::Unsupported, wording::missing(op))),
        }
    }

    pub fn arithmetic(&mut self, op: Op, args: &[Val]) -> Result<Val> {
        if op == Op::Not && !args[0].is_numeric() {
            return Ok(Val::bool(false));
        }
        if args.iter().any(|arg| matches!(arg, Val::Array(_))) && gives_number(op) {
            return self.elementwise(op, args);
        }
        let mut nodes = Vec::with_capacity(args.len());
        for arg in args {
            if !arg.is_numeric() {
                let what = self.describe(arg);
                return Err(fail(wording::not_a_number(op, &what)));
            }
            nodes.push(self.node(arg)?);
        }
        let node = self.variadic(op, &nodes, args);
        Ok(self.value(node))
    }

    /// Writes the variadic forms of programs in terms of the operations of graphs.
    fn variadic(&mut self, op: Op, nodes: &[NodeId], args: &[Val]) -> NodeId {
        let b = &mut self.builder;
        match (op, nodes) {
            (Op::Add, []) => b.constant(Constant::Int(0)),
            (Op::Mul, []) => b.constant(Constant::Int(1)),
            (Op::Sub, [x]) => b.op(Op::Neg, &[*x]),
            (Op::Div, [x]) => {
                let one = b.constant(Constant::Int(1));
                b.op(Op::Div, &[one, *x])
            }
            // a boolean alone becomes the number it counts as
            (Op::Add, [x]) => {
                let zero = b.constant(Constant::Int(0));
                if b.graph().node(*x).ty == Type::Scalar(Elem::Bool) {
                    b.op(Op::Add, &[zero, *x])
                } else {
                    *x
                }
            }
            (Op::Mul, [x]) => {
                let one = b.constant(Constant::Int(1));
                if b.graph().node(*x).ty == Type::Scalar(Elem::Bool) {
                    b.op(Op::Mul, &[one, *x])
                } else {
                    *x
                }
            }
            (Op::Add | Op::Sub | Op::Mul | Op::Div, [first, rest @ ..]) => {
                rest.iter().fold(*first, |a, c| b.op(op, &[a, *c]))
            }
            (Op::Equal | Op::Less | Op::Greater | Op::LessEqual | Op::GreaterEqual, nodes) => {
                let tests: Vec<NodeId> = nodes.windows(2).map(|pair| b.op(op, pair)).collect();
                let all = tests.into_iter().reduce(|a, c| b.op(Op::And, &[a, c]));
                all.unwrap_or_else(|| b.constant(Constant::Bool(true)))
            }
            (Op::Log, [x, base]) => {
                let (log_x, log_base) = (b.op(Op::Log, &[*x]), b.op(Op::Log, &[*base]));
                b.op(Op::Div, &[log_x, log_base])
            }
            (Op::Atan, [y, x]) => b.op(Op::Atan2, &[*y, *x]),
            (Op::Pow, [x, _]) => match (&args[0], &args[1]) {
                // of a constant too, so that folding changes no bit
                (
                    Val::Node(_) | Val::Constant(Constant::Real(_)),
                    Val::Constant(Constant::Int(n)),
                ) if n.abs() <= MAX_PRODUCT_EXPONENT => self.whole_power(*x, *n),
                _ => b.op(op, nodes),
            },
            _ => b.op(op, nodes),
        }
    }

    /// `x` to a whole power, by repeated squaring.
    fn whole_power(&mut self, x: NodeId, exponent: i64) -> NodeId {
        let b = &mut self.builder;
        let one = b.constant(Constant::Int(1));
        let (mut square, mut rest, mut product) = (x, exponent.unsigned_abs(), None);
        while rest > 0 {
            if rest & 1 == 1 {
                product = Some(match product {
                    None => square,
                    Some(product) => b.op(Op::Mul, &[product, square]),
                });
            }
            rest >>= 1;
            if rest > 0 {
                square = b.op(Op::Mul, &[square, square]);
            }
        }
        let product = product.unwrap_or(one);
        if exponent < 0 {
            b.op(Op::Div, &[one, product])
        } else {
            product
        }
    }

    fn structural(&mut self, op: Op, args: &[Val]) -> Result<Val> {
        Ok(match op {
            Op::Cons => self.heap.cons(args[0].clone(), args[1].clone()),
            Op::Car => self.pair(op, &args[0])?.0.clone(),
            Op::Cdr => self.pair(op, &args[0])?.1.clone(),
            Op::List => self.heap.list(args.to_vec(), Val::nil()),
            Op::Length => Val::Constant(Constant::Int(self.length(op, &args[0])?)),
            Op::Append => {
                let Some((last, lists)) = args.split_last() else {
                    return Ok(Val::nil());
                };
                let mut items = Vec::new();
                for list in lists {
                    items.extend(self.list(op, list)?);
                }
                self.heap.list(items, last.clone())
            }
            Op::Reverse => {
                let items = self.list(op, &args[0])?;
                items
                    .into_iter()
                    .fold(Val::nil(), |tail, item| self.heap.cons(item, tail))
            }
            Op::ListTail => self.tail(op, &args[0], &args[1])?,
            Op::ListRef => {
                let tail = self.tail(op, &args[0], &args[1])?;
                self.pair(op, &tail)?.0.clone()
            }
            Op::Memq | Op::Member => {
                self.search(op, &args[0], &args[1], |_, item| Ok(item.clone()))?
            }
            Op::Assq | Op::Assoc => self.search(op, &args[0], &args[1], |this, item| {
                Ok(this.pair(op, item)?.0.clone())
            })?,
            Op::Iota => self.iota(args)?,
            Op::IsNull => Val::bool(args[0].is_nil()),
            Op::IsPair => Val::bool(matches!(args[0], Val::Pair(_))),
            Op::IsList => Val::bool(self.heap.items(&args[0]).1.is_nil()),
            Op::IsNumber | Op::IsReal => {
                Val::bool(args[0].is_numeric() && !self.is_boolean(&args[0]))
            }
            Op::IsBoolean => Val::bool(self.is_boolean(&args[0])),
            Op::IsInteger => self.is_integer(&args[0])?,
            Op::IsSymbol => Val::bool(matches!(args[0], Val::Constant(Constant::Symbol(_)))),
            Op::IsChar => Val::bool(matches!(args[0], Val::Constant(Constant::Char(_)))),
            Op::IsString => Val::bool(matches!(args[0], Val::Constant(Constant::Str(_)))),
            Op::IsVector => Val::bool(matches!(args[0], Val::Array(_))),
            Op::IsProcedure => Val::bool(matches!(
                args[0],
                Val::Closure(..) | Val::Primitive(_) | Val::Choice(..)
            )),
            Op::IsEq | Op::IsEqv => self.same(&args[0], &args[1])?,
            Op::IsEqual => self.equal(&args[0], &args[1])?,
            Op::NetworkInput => self.network_input(args)?,
            Op::Error => return Err(fail(wording::error(args, |value| self.raised(value)))),
            _ => return self.array_primitive(op, args),
        })
    }

    /// An argument of a network as a real, whatever number it is.
    fn network_input(&mut self, args: &[Val]) -> Result<Val> {
        let name = |value: &Val| match value {
            Val::Constant(Constant::Symbol(name)) => name.clone(),
            _ => Arc::from(""),
        };
        self.network_argument(&name(&args[1]), &name(&args[2]), &args[0])
    }

    /// A value as `error` writes it.
    fn raised(&self, value: &Val) -> wording::Part<Val> {
        match value {
            Val::Pair(address) => {
                let (car, cdr) = self.heap.pair(*address).clone();
                wording::Part::Pair(car, cdr)
            }
            Val::Constant(constant) => wording::Part::of(constant),
            other => wording::Part::Atom(self.describe(other)),
        }
    }

    fn pair(&self, op: Op, value: &Val) -> Result<&(Val, Val)> {
        match value {
            Val::Pair(address) => Ok(self.heap.pair(*address)),
            other => Err(fail(wording::needs(op, "a pair", &self.describe(other)))),
        }
    }

    fn list(&self, op: Op, value: &Val) -> Result<Vec<Val>> {
        let (items, rest) = self.heap.items(value);
        match rest.is_nil() {
            true => Ok(items),
            false => Err(fail(wording::needs(op, "a list", &self.describe(value)))),
        }
    }

    fn length(&self, op: Op, list: &Val) -> Result<i64> {
        let (mut length, mut rest) = (0, list);
        while let Val::Pair(address) = rest {
            (length, rest) = (length + 1, &self.heap.pair(*address).1);
        }
        match rest.is_nil() {
            true => Ok(length),
            false => Err(fail(wording::needs(op, "a list", &self.describe(list)))),
        }
    }

    fn tail(&self, op: Op, list: &Val, index: &Val) -> Result<Val> {
        let Val::Constant(Constant::Int(index)) = index else {
            let what = self.describe(index);
            return Err(fail(wording::needs(op, wording::INDEX, &what)));
        };
        let mut rest = list;
        for _ in 0..*index {
            let Val::Pair(address) = rest else {
                return Err(fail(wording::index_beyond_list(op, *index)));
            };
            rest = &self.heap.pair(*address).1;
        }
        match *index < 0 {
            true => Err(fail(wording::index_negative(op, *index))),
            false => Ok(rest.clone()),
        }
    }

    /// The first tail of `list`, or for association lists its first pair, whose key equals `key`; else `#f`.
    fn search(
        &mut self,
        op: Op,
        key: &Val,
        list: &Val,
        key_of: impl Fn(&Self, &Val) -> Result<Val>,
    ) -> Result<Val> {
        if let (Op::Assq | Op::Memq, Val::Constant(Constant::Symbol(name))) = (op, key)
            && let Some(found) = self.entry(op, name, list)
        {
            return Ok(found);
        }
        let mut rest = list.clone();
        while let Val::Pair(address) = rest {
            let (item, tail) = self.heap.pair(address).clone();
            let candidate = key_of(self, &item)?;
            let same = match op {
                Op::Memq | Op::Assq => self.same(key, &candidate)?,
                _ => self.equal(key, &candidate)?,
            };
            match same {
                Val::Constant(found) if found.is_true() => {
                    return Ok(if matches!(op, Op::Memq | Op::Member) {
                        Val::Pair(address)
                    } else {
                        item
                    });
                }
                Val::Constant(_) => rest = tail,
                _ => {
                    let message = format!(
                        "\"{}\" compares a number that hangs on data: this is not supported in this version",
                        op.name()
                    );
                    return Err(Error::new(ErrorKind::Unsupported, message));
                }
            }
        }
        Ok(Val::bool(false))
    }

    /// What `assq` and `memq` find for a symbol; nothing where they fail.
    fn entry(&self, op: Op, name: &Arc<str>, list: &Val) -> Option<Val> {
        let mut rest = list;
        while let Val::Pair(address) = rest {
            let (item, tail) = self.heap.pair(*address);
            let key = match (op, item) {
                (Op::Memq, item) => item,
                (_, Val::Pair(entry)) => &self.heap.pair(*entry).0,
                _ => return None,
            };
            if let Val::Constant(Constant::Symbol(other)) = key
                && (Arc::ptr_eq(name, other) || name == other)
            {
                return Some(match op {
                    Op::Memq => rest.clone(),
                    _ => item.clone(),
                });
            }
            rest = tail;
        }
        Some(Val::bool(false))
    }

    fn iota(&mut self, args: &[Val]) -> Result<Val> {
        let Val::Constant(Constant::Int(count @ 0..=wording::MAX_IOTA)) = args[0] else {
            let what = self.describe(&args[0]);
            return Err(fail(wording::not_a_count(&what)));
        };
        let start = args
            .get(1)
            .cloned()
            .unwrap_or(Val::Constant(Constant::Int(0)));
        let step = args
            .get(2)
            .cloned()
            .unwrap_or(Val::Constant(Constant::Int(1)));
        let mut items = Vec::new();
        for i in 0..count {
            let offset =
                self.arithmetic(Op::Mul, &[Val::Constant(Constant::Int(i)), step.clone()])?;
            items.push(self.arithmetic(Op::Add, &[start.clone(), offset])?);
        }
        Ok(self.heap.list(items, Val::nil()))
    }

    fn is_boolean(&self, value: &Val) -> bool {
        match value {
            Val::Constant(Constant::Bool(_)) => true,
            Val::Node(node) => self.builder.graph().node(*node).ty == Type::Scalar(Elem::Bool),
            _ => false,
        }
    }

    /// Whole and finite.
    fn is_integer(&mut self, value: &Val) -> Result<Val> {
        if !value.is_numeric() || self.is_boolean(value) {
            return Ok(Val::bool(false));
        }
        let x = self.node(value)?;
        if self.builder.graph().node(x).ty == Type::Scalar(Elem::Int) {
            return Ok(Val::bool(true));
        }
        let b = &mut self.builder;
        let (whole, size, infinity) = (
            b.op(Op::Floor, &[x]),
            b.op(Op::Abs, &[x]),
            b.real(f64::INFINITY),
        );
        let (same, finite) = (
            b.op(Op::Equal, &[x, whole]),
            b.op(Op::Less, &[size, infinity]),
        );
        let node = b.op(Op::And, &[same, finite]);
        Ok(self.value(node))
    }

    /// `eqv?`: numbers by value (and exactness, where both are known), structure by identity. A procedure is known by its
    /// function and by what it captures, item by item: it has no other place.
    fn same(&mut self, a: &Val, b: &Val) -> Result<Val> {
        self.all_alike(vec![(a.clone(), b.clone())], false)
    }

    /// `equal?`: pairs and arrays item by item.
    fn equal(&mut self, a: &Val, b: &Val) -> Result<Val> {
        self.all_alike(vec![(a.clone(), b.clone())], true)
    }

    /// Whether all these pairs are alike; `deep` where pairs and arrays are compared item by item.
    fn all_alike(&mut self, mut open: Vec<(Val, Val)>, deep: bool) -> Result<Val> {
        // what closures capture, which is compared by identity, stands behind these
        let mut captured: Vec<(Val, Val)> = Vec::new();
        let mut result: Option<NodeId> = None;
        loop {
            let next = open.pop().map(|pair| (pair, deep));
            let next = next.or_else(|| captured.pop().map(|pair| (pair, false)));
            let Some(((a, b), deep)) = next else {
                break;
            };
            // what is shared may be met again and again
            self.steps += 1;
            if self.steps > self.limits.steps {
                return Err(super::machine::too_many_steps(self.limits.steps));
            }
            let next = match (&a, &b) {
                (Val::Pair(x), Val::Pair(y)) if deep => {
                    let ((x_car, x_cdr), (y_car, y_cdr)) =
                        (self.heap.pair(*x).clone(), self.heap.pair(*y).clone());
                    open.push((x_cdr, y_cdr));
                    open.push((x_car, y_car));
                    continue;
                }
                (Val::Array(x), Val::Array(y)) if deep && x.shape == y.shape => {
                    let pairs = x.items.iter().zip(&y.items).rev();
                    open.extend(pairs.map(|(x, y)| (x.clone(), y.clone())));
                    continue;
                }
                (Val::Closure(f, x), Val::Closure(g, y)) if f == g => {
                    if !std::rc::Rc::ptr_eq(x, y) {
                        captured.extend(x.iter().cloned().zip(y.iter().cloned()).rev());
                    }
                    continue;
                }
                (a, b) => self.same_atom(a, b)?,
            };
            match next {
                Val::Constant(same) if !same.is_true() => return Ok(Val::bool(false)),
                Val::Node(node) => {
                    result = Some(match result {
                        None => node,
                        Some(other) => self.builder.op(Op::And, &[other, node]),
                    });
                }
                _ => {}
            }
        }
        Ok(result.map_or(Val::bool(true), |node| self.value(node)))
    }

    fn same_atom(&mut self, a: &Val, b: &Val) -> Result<Val> {
        Ok(match (a, b) {
            (Val::Constant(a), Val::Constant(b)) => Val::bool(eqv(a, b)),
            (a, b) if a.is_numeric() && b.is_numeric() => {
                if self.is_boolean(a) != self.is_boolean(b) {
                    return Ok(Val::bool(false));
                }
                let (x, y) = (self.node(a)?, self.node(b)?);
                let node = self.builder.op(Op::Equal, &[x, y]);
                self.value(node)
            }
            (Val::Pair(a), Val::Pair(b)) => Val::bool(a == b),
            (Val::Primitive(a), Val::Primitive(b)) => Val::bool(a == b),
            (Val::Array(a), Val::Array(b)) => Val::bool(std::rc::Rc::ptr_eq(a, b)),
            _ => Val::bool(false),
        })
    }
}

/// Whether an operation on numbers gives a number, not a boolean.
fn gives_number(op: Op) -> bool {
    match op.row().role {
        Role::Numeric { boolean, .. } => !boolean,
        _ => op == Op::Square,
    }
}

fn eqv(a: &Constant, b: &Constant) -> bool {
    match (a, b) {
        (Constant::Real(a), Constant::Real(b)) => {
            a.to_bits() == b.to_bits() || (a == b && *a != 0.0)
        }
        (Constant::List(a, _), Constant::List(b, _)) => a.is_empty() && b.is_empty(),
        (a, b) => a == b,
    }
}
