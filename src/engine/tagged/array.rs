//! Vectors and matrices: their elements are reals, side by side on the heap. Sums go from the left, so that every engine
//! gives the same bits.

use super::machine::{Machine, fail};
use super::value::{Array, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::linear::MAX_SIDE;
use crate::ops::real::Real;
use crate::ops::{Linear, Op, wording};

/// Elements on the heap at equal distances.
#[derive(Clone, Copy)]
struct Run {
    first: u32,
    step: u32,
    count: u32,
}

impl Run {
    fn at(self, i: u32) -> u32 {
        self.first + i * self.step
    }
}

/// All elements of an array.
fn all(array: Array) -> Run {
    Run {
        first: array.address,
        step: 1,
        count: array.len() as u32,
    }
}

impl<T: Real> Machine<T> {
    /// The value of an operation on vectors and matrices.
    pub fn array_primitive(&mut self, op: Op, args: &[Value<T>]) -> Result<Value<T>> {
        match (op, args) {
            (Op::Vec, items) => self.vector_of(items),
            (Op::Mat, rows) => self.matrix_of(rows),
            (Op::SoftWeights, [weights, count]) => self.soft_weights(*weights, *count),
            (Op::Ref, [array, index]) => self.element(*array, *index),
            (Op::Dot, [a, b]) => {
                let (u, v) = (self.vector(op, *a)?, self.vector(op, *b)?);
                match u.fits(v) {
                    true => self.dot(all(u), all(v)),
                    false => Err(self.misfit(op, *a, *b)),
                }
            }
            (Op::Cross, [a, b]) => self.cross(*a, *b),
            (Op::Norm, [v]) => {
                let v = self.vector(op, *v)?;
                self.norm(v)
            }
            (Op::Normalize, [v]) => {
                let v = self.vector(op, *v)?;
                let length = self.norm(v)?;
                self.each(v, |this, x| this.number(Op::Div, &[x, length]))
            }
            (Op::VSum, [array]) => {
                let array = self.array(op, *array)?;
                self.sum(all(array))
            }
            (Op::VLen, [v]) => Ok(Value::Int(i64::from(self.vector(op, *v)?.rows))),
            (Op::Scale, [array, factor]) => {
                let array = self.array(op, *array)?;
                let factor = self.real_of(op, *factor)?;
                self.each(array, |this, x| this.number(Op::Mul, &[x, factor]))
            }
            (Op::MatMul, [a, b]) => self.product(*a, *b),
            (Op::MatVec, [a, b]) => {
                let ((m, columns), v) = (self.matrix(op, *a)?, self.vector(op, *b)?);
                if columns != v.rows {
                    return Err(self.misfit(op, *a, *b));
                }
                self.make(Array::vector(0, m.rows), |this, i| {
                    this.dot(row(m, columns, i), all(v))
                })
            }
            (Op::Transpose, [a]) => {
                let (m, columns) = self.matrix(op, *a)?;
                self.make(Array::matrix(0, columns, m.rows), |this, place| {
                    let (i, j) = (place % m.rows, place / m.rows);
                    Ok(this.heap.get(m.address + i * columns + j))
                })
            }
            (Op::Trace, [a]) => {
                let m = self.square(op, *a)?;
                self.sum(Run {
                    first: m.address,
                    step: m.rows + 1,
                    count: m.rows,
                })
            }
            (Op::Det, [a]) => self.determinant(op, *a, Op::DetOf),
            (Op::LogDet, [a]) => self.determinant(op, *a, Op::LogDetOf),
            (Op::Solve, [a, b]) => {
                let (m, v) = (self.decomposable(op, *a)?, self.vector(op, *b)?);
                match m.rows == v.rows {
                    true => self.solve(m, v, Some(v)),
                    false => Err(self.misfit(op, *a, *b)),
                }
            }
            (Op::Inv, [a]) => {
                let m = self.decomposable(op, *a)?;
                self.solve(m, m, None)
            }
            (Op::Outer, [a, b]) => {
                let (u, v) = (self.vector(op, *a)?, self.vector(op, *b)?);
                if u.rows == 0 || v.rows == 0 {
                    return Err(fail(wording::empty(op, "vectors")));
                }
                self.make(Array::matrix(0, u.rows, v.rows), |this, place| {
                    let x = this.heap.get(u.address + place / v.rows);
                    let y = this.heap.get(v.address + place % v.rows);
                    this.number(Op::Mul, &[x, y])
                })
            }
            (Op::Eye, [n]) => {
                let n = self.size(op, *n)?;
                self.make(Array::matrix(0, n, n), |_, place| Ok(identity(n, place)))
            }
            (Op::Zeros | Op::Ones, sizes) => {
                let shape = match sizes {
                    [n] => Array::vector(0, self.size(op, *n)?),
                    [n, m] => Array::matrix(0, self.size(op, *n)?, self.size(op, *m)?),
                    _ => return Err(fail(crate::anf::arity_message(op.row(), sizes.len()))),
                };
                let item = Value::real(if op == Op::Ones { T::ONE } else { T::ZERO });
                self.make(shape, |_, _| Ok(item))
            }
            _ => Err(fail(format!("\"{}\" cannot be used here", op.name()))),
        }
    }

    /// Arithmetic element by element: arrays of one shape, and numbers beside each of their elements.
    pub fn elementwise(&mut self, op: Op, args: &[Value<T>]) -> Result<Value<T>> {
        let mut first: Option<(Value<T>, Array)> = None;
        for arg in args {
            match (*arg, first) {
                (Value::Array(array), None) => first = Some((*arg, array)),
                (Value::Array(array), Some((value, known))) if !array.fits(known) => {
                    return Err(self.misfit(op, value, *arg));
                }
                (Value::Array(_), _) => {}
                (number, _) => drop(self.real_of(op, number)?),
            }
        }
        let Some((_, shape)) = first else {
            return Err(fail(format!("\"{}\" needs an array", op.name())));
        };
        let mut numbers = std::mem::take(&mut self.items);
        let result = self.make(shape, |this, place| {
            numbers.clear();
            for arg in args {
                numbers.push(match arg {
                    Value::Array(array) => this.heap.get(array.address + place),
                    number => this.real_of(op, *number)?,
                });
            }
            this.number(op, &numbers)
        });
        self.items = numbers;
        result
    }

    /// Arithmetic whose result is a real.
    fn number(&mut self, op: Op, args: &[Value<T>]) -> Result<Value<T>> {
        let value = self.numbers.program(op, args)?;
        self.real_of(op, value)
    }

    /// A number as a real: arrays hold no exact integers and no booleans.
    fn real_of(&self, op: Op, value: Value<T>) -> Result<Value<T>> {
        match (value, value.as_real()) {
            (Value::Real(..), _) => Ok(value),
            (_, Some(real)) => Ok(Value::real(real)),
            (other, None) => {
                let what = self.describe(&other);
                Err(fail(wording::needs(op, "numbers", &what)))
            }
        }
    }

    /// A new array of this shape, whose elements `item` gives by their places.
    fn make(
        &mut self,
        shape: Array,
        mut item: impl FnMut(&mut Self, u32) -> Result<Value<T>>,
    ) -> Result<Value<T>> {
        let address = self.heap.next();
        self.check_work(shape.len())?;
        self.charge(shape.len());
        for place in 0..shape.len() as u32 {
            let item = item(self, place)?;
            self.heap.push(item)?;
        }
        Ok(Value::Array(shape.at(address)))
    }

    fn each(
        &mut self,
        array: Array,
        mut f: impl FnMut(&mut Self, Value<T>) -> Result<Value<T>>,
    ) -> Result<Value<T>> {
        self.make(array, |this, place| {
            let item = this.heap.get(array.address + place);
            f(this, item)
        })
    }

    #[cold]
    fn unshaped(&self, op: Op, wanted: &str, value: Value<T>) -> Error {
        fail(wording::needs(op, wanted, &self.describe(&value)))
    }

    #[cold]
    fn misfit(&self, op: Op, a: Value<T>, b: Value<T>) -> Error {
        let (a, b) = (self.describe(&a), self.describe(&b));
        fail(wording::misfit(op, &a, &b))
    }

    fn array(&self, op: Op, value: Value<T>) -> Result<Array> {
        match value {
            Value::Array(array) => Ok(array),
            other => Err(self.unshaped(op, "a vector or a matrix", other)),
        }
    }

    fn vector(&self, op: Op, value: Value<T>) -> Result<Array> {
        match value {
            Value::Array(array) if array.columns().is_none() => Ok(array),
            other => Err(self.unshaped(op, "a vector", other)),
        }
    }

    /// A matrix and its columns.
    fn matrix(&self, op: Op, value: Value<T>) -> Result<(Array, u32)> {
        if let Value::Array(array) = value
            && let Some(columns) = array.columns()
        {
            return Ok((array, columns));
        }
        Err(self.unshaped(op, "a matrix", value))
    }

    fn square(&self, op: Op, value: Value<T>) -> Result<Array> {
        match value {
            Value::Array(array) if array.columns() == Some(array.rows) => Ok(array),
            other => Err(self.unshaped(op, "a square matrix", other)),
        }
    }

    /// A square matrix that is not too large to decompose.
    fn decomposable(&self, op: Op, value: Value<T>) -> Result<Array> {
        let array = self.square(op, value)?;
        let side = array.rows as usize;
        match side > MAX_SIDE {
            true => Err(Error::new(ErrorKind::Limit, wording::large_side(op, side))),
            false => Ok(array),
        }
    }

    fn vector_of(&mut self, items: &[Value<T>]) -> Result<Value<T>> {
        if items.iter().any(|item| matches!(item, Value::Array(_))) {
            return Err(fail(wording::NESTED_VECTOR.into()));
        }
        self.make(Array::vector(0, items.len() as u32), |this, place| {
            this.real_of(Op::Vec, items[place as usize])
        })
    }

    /// A vector of as many weights as a soft choice has options; a list of them becomes one.
    fn soft_weights(&mut self, weights: Value<T>, count: Value<T>) -> Result<Value<T>> {
        let op = Op::SoftChoice;
        let vector = match weights {
            Value::Array(_) => weights,
            list => {
                let mut items = std::mem::take(&mut self.items);
                items.clear();
                let vector = match self.heap.items(list, &mut items) {
                    Value::Nil => self.vector_of(&items),
                    _ => Err(self.unshaped(op, wording::WEIGHTS, list)),
                };
                self.items = items;
                vector?
            }
        };
        let given = self.vector(op, vector)?.rows;
        match count {
            Value::Int(count) if count != i64::from(given) => {
                Err(fail(wording::weights(count, given as usize)))
            }
            _ => Ok(vector),
        }
    }

    fn matrix_of(&mut self, rows: &[Value<T>]) -> Result<Value<T>> {
        let op = Op::Mat;
        for row in rows {
            self.vector(op, *row)?;
        }
        let first = match rows.first() {
            Some(first) => self.vector(op, *first)?,
            None => Array::vector(0, 0),
        };
        let width = first.rows;
        if width == 0 {
            return Err(fail(wording::empty(op, "rows")));
        }
        for row in rows {
            if self.vector(op, *row)?.rows != width {
                return Err(self.misfit(op, rows[0], *row));
            }
        }
        self.make(Array::matrix(0, rows.len() as u32, width), |this, place| {
            let row = this.vector(op, rows[(place / width) as usize])?;
            Ok(this.heap.get(row.address + place % width))
        })
    }

    /// The element of a vector, or the row of a matrix, at an index.
    fn element(&self, value: Value<T>, index: Value<T>) -> Result<Value<T>> {
        let array = self.array(Op::Ref, value)?;
        let Value::Int(index) = index else {
            return Err(self.unshaped(Op::Ref, wording::INDEX, index));
        };
        let Some(place) = u32::try_from(index).ok().filter(|i| *i < array.rows) else {
            let (count, what) = (array.rows as usize, self.describe(&value));
            return Err(fail(wording::index_outside(Op::Ref, index, count, &what)));
        };
        // a row shares its cells with the matrix: they never change
        Ok(match array.columns() {
            None => self.heap.get(array.address + place),
            Some(columns) => Value::Array(Array::vector(array.address + place * columns, columns)),
        })
    }

    fn sum(&mut self, items: Run) -> Result<Value<T>> {
        self.charge(items.count as usize);
        let mut sum = None;
        for i in 0..items.count {
            let item = self.heap.get(items.at(i));
            sum = Some(match sum {
                None => item,
                Some(sum) => self.number(Op::Add, &[sum, item])?,
            });
        }
        Ok(sum.unwrap_or(Value::real(T::ZERO)))
    }

    fn dot(&mut self, a: Run, b: Run) -> Result<Value<T>> {
        self.charge(a.count as usize);
        let mut sum = None;
        for i in 0..a.count {
            let (x, y) = (self.heap.get(a.at(i)), self.heap.get(b.at(i)));
            let product = self.number(Op::Mul, &[x, y])?;
            sum = Some(match sum {
                None => product,
                Some(sum) => self.number(Op::Add, &[sum, product])?,
            });
        }
        Ok(sum.unwrap_or(Value::real(T::ZERO)))
    }

    /// The root of the sum of squares. Where that is zero, no derivative passes.
    fn norm(&mut self, v: Array) -> Result<Value<T>> {
        let squares = self.dot(all(v), all(v))?;
        self.numbers.decide(squares)?;
        match squares.as_real() {
            Some(value) if value == T::ZERO => Ok(Value::real(T::ZERO)),
            _ => self.number(Op::Sqrt, &[squares]),
        }
    }

    fn cross(&mut self, a: Value<T>, b: Value<T>) -> Result<Value<T>> {
        let (u, v) = (self.vector(Op::Cross, a)?, self.vector(Op::Cross, b)?);
        if u.rows != 3 || v.rows != 3 {
            let what = format!("{} and {}", self.describe(&a), self.describe(&b));
            return Err(fail(wording::needs(Op::Cross, wording::TRIPLES, &what)));
        }
        self.make(Array::vector(0, 3), |this, i| {
            let (j, k) = ((i + 1) % 3, (i + 2) % 3);
            let at = |this: &Self, array: Array, i: u32| this.heap.get(array.address + i);
            let (uj, vk, uk, vj) = (
                at(this, u, j),
                at(this, v, k),
                at(this, u, k),
                at(this, v, j),
            );
            let first = this.number(Op::Mul, &[uj, vk])?;
            let second = this.number(Op::Mul, &[uk, vj])?;
            this.number(Op::Sub, &[first, second])
        })
    }

    fn product(&mut self, a: Value<T>, b: Value<T>) -> Result<Value<T>> {
        let op = Op::MatMul;
        let ((left, inner), (right, columns)) = (self.matrix(op, a)?, self.matrix(op, b)?);
        if inner != right.rows {
            return Err(self.misfit(op, a, b));
        }
        self.check_work(left.len().saturating_mul(columns as usize))?;
        self.make(Array::matrix(0, left.rows, columns), |this, place| {
            let column = Run {
                first: right.address + place % columns,
                step: columns,
                count: inner,
            };
            this.dot(row(left, inner, place / columns), column)
        })
    }

    fn determinant(&mut self, op: Op, value: Value<T>, of: Op) -> Result<Value<T>> {
        let m = self.decomposable(op, value)?;
        self.charge(m.len() * m.rows as usize);
        let items = self.heap.slice(m.address, m.len());
        self.numbers.apply(of, items)
    }

    /// The solution of a square system for the columns of `b`, those of the identity if there is none; of this shape.
    fn solve(&mut self, m: Array, shape: Array, b: Option<Array>) -> Result<Value<T>> {
        let n = m.rows;
        self.charge(m.len() * n as usize);
        let mut args = std::mem::take(&mut self.items);
        args.clear();
        args.extend_from_slice(self.heap.slice(m.address, m.len()));
        match b {
            Some(b) => args.extend_from_slice(self.heap.slice(b.address, b.len())),
            None => args.extend((0..n * n).map(|place| identity(n, place))),
        }
        let linear = Linear::Solve {
            n,
            m: if b.is_some() { 1 } else { n },
        };
        let mut values = std::mem::take(&mut self.values);
        values.clear();
        let result = self
            .numbers
            .linear(linear, &args, &mut values)
            .and_then(|()| self.make(shape, |_, place| Ok(values[place as usize])));
        (self.items, self.values) = (args, values);
        result
    }

    fn size(&self, op: Op, value: Value<T>) -> Result<u32> {
        match value {
            Value::Int(n @ 1..) if n < i64::from(u32::MAX) => Ok(n as u32),
            other => Err(self.unshaped(op, wording::SIZE, other)),
        }
    }
}

/// A row of a matrix.
fn row(matrix: Array, columns: u32, i: u32) -> Run {
    Run {
        first: matrix.address + i * columns,
        step: 1,
        count: columns,
    }
}

fn identity<T: Real>(n: u32, place: u32) -> Value<T> {
    Value::real(T::truth(place.is_multiple_of(n + 1)))
}
