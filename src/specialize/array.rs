//! Vectors and matrices: concrete shapes of numbers, which are concrete or symbolic. Sums go from the left, so that every
//! engine gives the same bits.

use std::rc::Rc;

use super::machine::{Machine, fail};
use super::value::{Array, Val};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Elem, Linear, NodeId, Type};
use crate::ops::linear::MAX_SIDE;
use crate::ops::{Emit, Op, wording};
use crate::syntax::ast::Constant;

fn real(value: f64) -> Val {
    Val::Constant(Constant::Real(value))
}

impl Machine<'_> {
    /// The value of an operation on vectors and matrices.
    pub fn array_primitive(&mut self, op: Op, args: &[Val]) -> Result<Val> {
        match op {
            Op::Vec => self.vector_of(op, args),
            Op::Mat => self.matrix_of(args),
            Op::SoftWeights => self.soft_weights(&args[0], &args[1]),
            Op::Ref => self.element(&args[0], &args[1]),
            Op::Dot => {
                let (a, b) = (self.vector(op, &args[0])?, self.vector(op, &args[1])?);
                self.same_length(op, &a, &b)?;
                self.dot(&a.items, &b.items)
            }
            Op::Cross => self.cross(&args[0], &args[1]),
            Op::Norm => {
                let v = self.vector(op, &args[0])?;
                self.norm(&v.items)
            }
            Op::Normalize => {
                let v = self.vector(op, &args[0])?;
                let length = self.norm(&v.items)?;
                self.each(&v, |this, x| this.number(Op::Div, &[x, length.clone()]))
            }
            Op::VSum => {
                let array = self.array(op, &args[0])?;
                self.sum(array.items.iter().cloned())
            }
            Op::VLen => {
                let v = self.vector(op, &args[0])?;
                Ok(Val::Constant(Constant::Int(v.items.len() as i64)))
            }
            Op::Scale => {
                let array = self.array(op, &args[0])?;
                let factor = self.real_of(op, &args[1])?;
                self.each(&array, |this, x| this.number(Op::Mul, &[x, factor.clone()]))
            }
            Op::MatMul => self.product(&args[0], &args[1]),
            Op::MatVec => {
                let (a, v) = (self.matrix(op, &args[0])?, self.vector(op, &args[1])?);
                if a.shape[1] != v.items.len() {
                    return Err(self.misfit(op, &args[0], &args[1]));
                }
                let rows = a.items.chunks(a.shape[1]);
                let items: Result<_> = rows.map(|row| self.dot(row, &v.items)).collect();
                self.new_array(vec![a.shape[0]], items?)
            }
            Op::Transpose => {
                let a = self.matrix(op, &args[0])?;
                self.new_array(vec![a.shape[1], a.shape[0]], transposed(&a))
            }
            Op::Trace => {
                let a = self.square(op, &args[0])?;
                let diagonal = a.items.iter().step_by(a.shape[0] + 1);
                self.sum(diagonal.cloned())
            }
            Op::Det | Op::LogDet => {
                let nodes = self.decomposable(op, &args[0])?;
                let op = if op == Op::Det {
                    Op::DetOf
                } else {
                    Op::LogDetOf
                };
                let node = self.builder.op(op, &nodes);
                Ok(self.value(node))
            }
            Op::Solve => {
                let nodes = self.decomposable(op, &args[0])?;
                let b = self.vector(op, &args[1])?;
                let n = b.items.len();
                if n * n != nodes.len() {
                    return Err(self.misfit(op, &args[0], &args[1]));
                }
                let b = self.nodes(&b.items)?;
                self.solve(vec![n], nodes, b)
            }
            Op::Inv => {
                let nodes = self.decomposable(op, &args[0])?;
                let n = nodes.len().isqrt();
                let identity = self.nodes(&identity(n))?;
                self.solve(vec![n, n], nodes, identity)
            }
            Op::Outer => {
                let (a, b) = (self.vector(op, &args[0])?, self.vector(op, &args[1])?);
                let shape = vec![a.items.len(), b.items.len()];
                self.room(shape.iter().product())?;
                if shape.contains(&0) {
                    return Err(fail(wording::empty(op, "vectors")));
                }
                let mut items = Vec::with_capacity(shape.iter().product());
                for x in &a.items {
                    for y in &b.items {
                        items.push(self.number(Op::Mul, &[x.clone(), y.clone()])?);
                    }
                }
                self.new_array(shape, items)
            }
            Op::Eye => {
                let n = self.size(op, &args[0])?;
                self.room(n.saturating_mul(n))?;
                self.new_array(vec![n, n], identity(n))
            }
            Op::Zeros | Op::Ones => {
                let shape: Result<Vec<usize>> = args.iter().map(|n| self.size(op, n)).collect();
                let shape = shape?;
                let count = shape
                    .iter()
                    .fold(1, |n: usize, side| n.saturating_mul(*side));
                self.room(count)?;
                let item = real(if op == Op::Ones { 1.0 } else { 0.0 });
                self.new_array(shape, vec![item; count])
            }
            _ => Err(fail(format!("\"{}\" cannot be used here", op.name()))),
        }
    }

    /// A vector of as many weights as a soft choice has options; a list of them becomes one.
    fn soft_weights(&mut self, weights: &Val, count: &Val) -> Result<Val> {
        let weights = match weights {
            Val::Array(array) if array.shape.len() == 1 => weights.clone(),
            list => {
                let (items, end) = self.heap.items(list);
                if !end.is_nil() {
                    let what = self.describe(list);
                    return Err(fail(wording::needs(
                        Op::SoftChoice,
                        wording::WEIGHTS,
                        &what,
                    )));
                }
                self.vector_of(Op::SoftChoice, &items)?
            }
        };
        let given = self.vector(Op::SoftChoice, &weights)?.items.len();
        match *count {
            Val::Constant(Constant::Int(count)) if count != given as i64 => {
                Err(fail(wording::weights(count, given)))
            }
            _ => Ok(weights),
        }
    }

    /// Arithmetic element by element: arrays of one shape, and numbers beside each of their elements.
    pub fn elementwise(&mut self, op: Op, args: &[Val]) -> Result<Val> {
        let mut first: Option<(&Val, &Rc<Array>)> = None;
        for arg in args {
            match (arg, first) {
                (Val::Array(array), None) => first = Some((arg, array)),
                (Val::Array(array), Some((value, known))) if array.shape != known.shape => {
                    return Err(self.misfit(op, value, arg));
                }
                _ => {}
            }
        }
        let Some((_, shaped)) = first else {
            return Err(fail(format!("\"{}\" needs an array", op.name())));
        };
        self.room(shaped.items.len().saturating_mul(args.len()))?;
        let mut reals = Vec::with_capacity(args.len());
        for arg in args {
            reals.push(match arg {
                Val::Array(_) => arg.clone(),
                number => self.real_of(op, number)?,
            });
        }
        let mut items = Vec::with_capacity(shaped.items.len());
        for i in 0..shaped.items.len() {
            let numbers: Vec<Val> = reals
                .iter()
                .map(|arg| match arg {
                    Val::Array(array) => array.items[i].clone(),
                    number => number.clone(),
                })
                .collect();
            items.push(self.number(op, &numbers)?);
        }
        self.new_array(shaped.shape.clone(), items)
    }

    /// Arithmetic whose result is a real.
    fn number(&mut self, op: Op, args: &[Val]) -> Result<Val> {
        let value = self.arithmetic(op, args)?;
        self.real_of(op, &value)
    }

    /// A number as a real: arrays hold no exact integers and no booleans.
    fn real_of(&mut self, op: Op, value: &Val) -> Result<Val> {
        match value {
            Val::Constant(Constant::Real(_)) => Ok(value.clone()),
            Val::Constant(constant) if constant.as_real().is_some() => {
                Ok(real(constant.as_real().unwrap_or(f64::NAN)))
            }
            Val::Node(node) if self.builder.graph().node(*node).ty == Type::REAL => {
                Ok(value.clone())
            }
            Val::Node(node) => {
                let zero = self.builder.real(0.0);
                let node = self.builder.op(Op::Add, &[*node, zero]);
                Ok(self.value(node))
            }
            other => {
                let what = self.describe(other);
                Err(fail(wording::needs(op, "numbers", &what)))
            }
        }
    }

    fn nodes(&mut self, items: &[Val]) -> Result<Vec<NodeId>> {
        items.iter().map(|item| self.node(item)).collect()
    }

    /// Refuses an array, or an operation, of more numbers than a graph may have nodes.
    fn room(&self, count: usize) -> Result<()> {
        if count > self.limits.nodes {
            let message = format!("an array takes more than {} numbers", self.limits.nodes);
            return Err(Error::new(ErrorKind::Limit, message));
        }
        Ok(())
    }

    /// A new array; its numbers count like cells of lists.
    pub fn new_array(&mut self, shape: Vec<usize>, items: Vec<Val>) -> Result<Val> {
        self.room(items.len())?;
        Ok(self.heap.array(shape, items))
    }

    fn each(
        &mut self,
        array: &Array,
        mut f: impl FnMut(&mut Self, Val) -> Result<Val>,
    ) -> Result<Val> {
        let items: Result<_> = array.items.iter().map(|x| f(self, x.clone())).collect();
        self.new_array(array.shape.clone(), items?)
    }

    fn array(&self, op: Op, value: &Val) -> Result<Rc<Array>> {
        self.shaped(op, value, "a vector or a matrix", |_| true)
    }

    fn vector(&self, op: Op, value: &Val) -> Result<Rc<Array>> {
        self.shaped(op, value, "a vector", |shape| shape.len() == 1)
    }

    fn matrix(&self, op: Op, value: &Val) -> Result<Rc<Array>> {
        self.shaped(op, value, "a matrix", |shape| shape.len() == 2)
    }

    fn square(&self, op: Op, value: &Val) -> Result<Rc<Array>> {
        self.shaped(
            op,
            value,
            "a square matrix",
            |shape| matches!(shape, [n, m] if n == m),
        )
    }

    fn shaped(
        &self,
        op: Op,
        value: &Val,
        wanted: &str,
        fits: fn(&[usize]) -> bool,
    ) -> Result<Rc<Array>> {
        match value {
            Val::Array(array) if fits(&array.shape) => Ok(array.clone()),
            other => {
                let what = self.describe(other);
                Err(fail(wording::needs(op, wanted, &what)))
            }
        }
    }

    /// The numbers of a square matrix that is not too large to decompose.
    fn decomposable(&mut self, op: Op, value: &Val) -> Result<Vec<NodeId>> {
        let a = self.square(op, value)?;
        let n = a.shape[0];
        if n > MAX_SIDE {
            return Err(Error::new(ErrorKind::Limit, wording::large_side(op, n)));
        }
        self.nodes(&a.items)
    }

    fn misfit(&self, op: Op, a: &Val, b: &Val) -> Error {
        fail(wording::misfit(op, &self.describe(a), &self.describe(b)))
    }

    fn same_length(&self, op: Op, a: &Rc<Array>, b: &Rc<Array>) -> Result<()> {
        match a.items.len() == b.items.len() {
            true => Ok(()),
            false => Err(self.misfit(op, &Val::Array(a.clone()), &Val::Array(b.clone()))),
        }
    }

    fn vector_of(&mut self, op: Op, args: &[Val]) -> Result<Val> {
        if args.iter().any(|arg| matches!(arg, Val::Array(_))) {
            return Err(fail(wording::NESTED_VECTOR.into()));
        }
        let items: Result<_> = args.iter().map(|arg| self.real_of(op, arg)).collect();
        self.new_array(vec![args.len()], items?)
    }

    fn matrix_of(&mut self, args: &[Val]) -> Result<Val> {
        let op = Op::Mat;
        let rows: Result<Vec<Rc<Array>>> = args.iter().map(|row| self.vector(op, row)).collect();
        let rows = rows?;
        let Some(first) = rows.first().filter(|first| !first.items.is_empty()) else {
            return Err(fail(wording::empty(op, "rows")));
        };
        for row in &rows {
            self.same_length(op, first, row)?;
        }
        let shape = vec![rows.len(), first.items.len()];
        let items = rows.iter().flat_map(|row| row.items.iter().cloned());
        self.new_array(shape, items.collect())
    }

    /// The element of a vector, or the row of a matrix, at an index.
    fn element(&mut self, value: &Val, index: &Val) -> Result<Val> {
        let array = self.array(Op::Ref, value)?;
        let (count, width) = match array.shape[..] {
            [rows, columns] => (rows, columns),
            _ => (array.items.len(), 1),
        };
        let items: Vec<Val> = match index {
            Val::Constant(Constant::Int(i)) => {
                let place = usize::try_from(*i).ok().filter(|place| *place < count);
                let Some(place) = place else {
                    let what = self.describe(value);
                    let message = wording::index_outside(Op::Ref, *i, count, &what);
                    return Err(fail(message));
                };
                array.items[place * width..(place + 1) * width].to_vec()
            }
            Val::Node(node)
                if self.builder.graph().node(*node).ty == Type::Scalar(Elem::Int) && count > 0 =>
            {
                self.room(array.items.len())?;
                let mut items = Vec::with_capacity(width);
                for column in 0..width {
                    let mut args = vec![*node];
                    for row in array.items.chunks(width) {
                        args.push(self.node(&row[column])?);
                    }
                    let picked = self.builder.op(Op::Pick, &args);
                    items.push(self.value(picked));
                }
                items
            }
            other => {
                let what = self.describe(other);
                return Err(fail(wording::needs(Op::Ref, wording::INDEX, &what)));
            }
        };
        match array.shape.len() {
            1 => Ok(items.into_iter().next().unwrap_or(Val::Unset)),
            _ => self.new_array(vec![width], items),
        }
    }

    fn sum(&mut self, items: impl Iterator<Item = Val>) -> Result<Val> {
        let mut sum = None;
        for item in items {
            sum = Some(match sum {
                None => item,
                Some(sum) => self.number(Op::Add, &[sum, item])?,
            });
        }
        Ok(sum.unwrap_or(real(0.0)))
    }

    fn dot(&mut self, a: &[Val], b: &[Val]) -> Result<Val> {
        let mut products = Vec::with_capacity(a.len());
        for (x, y) in a.iter().zip(b) {
            products.push(self.number(Op::Mul, &[x.clone(), y.clone()])?);
        }
        self.sum(products.into_iter())
    }

    fn cross(&mut self, a: &Val, b: &Val) -> Result<Val> {
        let (u, v) = (self.vector(Op::Cross, a)?, self.vector(Op::Cross, b)?);
        if u.items.len() != 3 || v.items.len() != 3 {
            let what = format!("{} and {}", self.describe(a), self.describe(b));
            return Err(fail(wording::needs(Op::Cross, wording::TRIPLES, &what)));
        }
        let mut items = Vec::with_capacity(3);
        for i in 0..3 {
            let (j, k) = ((i + 1) % 3, (i + 2) % 3);
            let first = self.number(Op::Mul, &[u.items[j].clone(), v.items[k].clone()])?;
            let second = self.number(Op::Mul, &[u.items[k].clone(), v.items[j].clone()])?;
            items.push(self.number(Op::Sub, &[first, second])?);
        }
        self.new_array(vec![3], items)
    }

    /// The root of the sum of squares. Where that is zero, a root of one is taken and not used, so that the derivative is 0.
    fn norm(&mut self, items: &[Val]) -> Result<Val> {
        let squares = self.dot(items, items)?;
        let squares = self.node(&squares)?;
        let b = &mut self.builder;
        let (zero, one) = (b.real(0.0), b.real(1.0));
        let none = b.op(Op::Equal, &[squares, zero]);
        let safe = b.op(Op::Select, &[none, one, squares]);
        let root = b.op(Op::Sqrt, &[safe]);
        let norm = b.op(Op::Select, &[none, zero, root]);
        Ok(self.value(norm))
    }

    fn product(&mut self, a: &Val, b: &Val) -> Result<Val> {
        let op = Op::MatMul;
        let (left, right) = (self.matrix(op, a)?, self.matrix(op, b)?);
        let (rows, inner, columns) = (left.shape[0], left.shape[1], right.shape[1]);
        if inner != right.shape[0] {
            return Err(self.misfit(op, a, b));
        }
        self.room(left.items.len().saturating_mul(columns))?;
        let right = transposed(&right);
        let mut items = Vec::with_capacity(rows * columns);
        for row in left.items.chunks(inner) {
            for column in right.chunks(inner) {
                items.push(self.dot(row, column)?);
            }
        }
        self.new_array(vec![rows, columns], items)
    }

    /// The solution of a square system for the columns of `b`.
    fn solve(&mut self, shape: Vec<usize>, mut a: Vec<NodeId>, b: Vec<NodeId>) -> Result<Val> {
        let n = a.len().isqrt();
        let linear = Linear::Solve {
            n: n as u32,
            m: (b.len() / n) as u32,
        };
        a.extend(b);
        let values = self
            .builder
            .linear_values(linear, &a, 0..linear.values())
            .into_iter()
            .map(|node| self.value(node))
            .collect();
        self.new_array(shape, values)
    }

    fn size(&self, op: Op, value: &Val) -> Result<usize> {
        match value {
            Val::Constant(Constant::Int(n)) if (1..=i64::from(u32::MAX)).contains(n) => {
                Ok(*n as usize)
            }
            other => {
                let what = self.describe(other);
                Err(fail(wording::needs(op, wording::SIZE, &what)))
            }
        }
    }
}

/// The items of a matrix, column by column.
fn transposed(a: &Array) -> Vec<Val> {
    let (rows, columns) = (a.shape[0], a.shape[1]);
    let places = (0..columns).flat_map(|j| (0..rows).map(move |i| i * columns + j));
    places.map(|place| a.items[place].clone()).collect()
}

fn identity(n: usize) -> Vec<Val> {
    let entry = |place: usize| real(f64::from(u8::from(place.is_multiple_of(n + 1))));
    (0..n * n).map(entry).collect()
}
