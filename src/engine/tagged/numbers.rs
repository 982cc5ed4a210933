//! Arithmetic: exact integers stay exact, everything else goes through the kernels of the table. What a derivative is asked
//! of is noted on the tape.

use super::immediate::{Function, Kernels, Workspace};
use super::tape::{Question, Tape};
use super::value::Value;
use crate::error::Result;
use crate::ops::real::Real;
use crate::ops::{Emit, Linear, NodeId, Op, Role, exact};
use crate::syntax::ast::Constant;

/// Whole exponents up to this size become products.
const MAX_PRODUCT_EXPONENT: i64 = 16;

/// What arithmetic needs.
pub struct Numbers<T> {
    pub kernels: Kernels<T>,
    pub tape: Tape<T>,
    /// Whether `expt` of a real to a small whole power is a product.
    pub whole_powers: bool,
    /// The values of an operation that is defined by others.
    values: Vec<Value<T>>,
    work: Workspace<T>,
}

impl<T: Real> Numbers<T> {
    /// Nothing on the tape yet.
    pub fn new(whole_powers: bool, limit: usize) -> Numbers<T> {
        Numbers {
            kernels: Kernels::new(),
            tape: Tape::new(limit),
            whole_powers,
            values: Vec::new(),
            work: Workspace::new(),
        }
    }

    /// Goes back over the tape from the adjoints that were added.
    pub fn sweep(&mut self) {
        self.tape.sweep(&self.kernels);
    }

    /// An operation of programs, which may take any number of arguments, all of them numbers.
    pub fn program(&mut self, op: Op, args: &[Value<T>]) -> Result<Value<T>> {
        match (op, args) {
            (Op::Add, []) => Ok(Value::Int(0)),
            (Op::Mul, []) => Ok(Value::Int(1)),
            (Op::Sub, [x]) => self.one(Op::Neg, *x),
            (Op::Div, [x]) => self.two(Op::Div, Value::Int(1), *x),
            // a boolean alone becomes the number it counts as
            (Op::Add | Op::Mul, [Value::Bool(x)]) => Ok(Value::Int(i64::from(*x))),
            (Op::Add | Op::Mul, [x]) => Ok(*x),
            (Op::Add | Op::Sub | Op::Mul | Op::Div, [first, rest @ ..]) => {
                let mut value = *first;
                for next in rest {
                    value = self.two(op, value, *next)?;
                }
                Ok(value)
            }
            (Op::Equal | Op::Less | Op::Greater | Op::LessEqual | Op::GreaterEqual, args) => {
                let mut holds = true;
                for pair in args.windows(2) {
                    holds &= self.two(op, pair[0], pair[1])?.is_true();
                }
                Ok(Value::Bool(holds))
            }
            (Op::Log, [x, base]) => {
                let (x, base) = (self.one(Op::Log, *x)?, self.one(Op::Log, *base)?);
                self.two(Op::Div, x, base)
            }
            (Op::Atan, [y, x]) => self.two(Op::Atan2, *y, *x),
            (Op::Pow, [x @ Value::Real(..), Value::Int(n)])
                if self.whole_powers && n.abs() <= MAX_PRODUCT_EXPONENT =>
            {
                self.whole_power(*x, *n)
            }
            (op, args) => match op.row().role {
                Role::Defined(definition) => self.defined(definition, args),
                _ => self.apply(op, args),
            },
        }
    }

    /// `x` to a whole power, by repeated squaring.
    fn whole_power(&mut self, x: Value<T>, exponent: i64) -> Result<Value<T>> {
        let (mut square, mut rest, mut product) = (x, exponent.unsigned_abs(), None);
        while rest > 0 {
            if rest & 1 == 1 {
                product = Some(match product {
                    None => square,
                    Some(product) => self.two(Op::Mul, product, square)?,
                });
            }
            rest >>= 1;
            if rest > 0 {
                square = self.two(Op::Mul, square, square)?;
            }
        }
        let product = product.unwrap_or(Value::Int(1));
        match exponent < 0 {
            true => self.two(Op::Div, Value::Int(1), product),
            false => Ok(product),
        }
    }

    fn defined(
        &mut self,
        definition: fn(&mut dyn Emit, &[NodeId]) -> NodeId,
        args: &[Value<T>],
    ) -> Result<Value<T>> {
        let mut values = std::mem::take(&mut self.values);
        values.clear();
        values.extend_from_slice(args);
        let mut ids = [NodeId(0); 3];
        for (i, id) in ids.iter_mut().enumerate() {
            *id = NodeId(i as u32);
        }
        let mut emit = Forward {
            numbers: self,
            values,
            error: None,
        };
        let node = definition(&mut emit, &ids[..args.len().min(3)]);
        let value = emit.values[node.index()];
        let Forward { values, error, .. } = emit;
        self.values = values;
        match error {
            None => Ok(value),
            Some(error) => Err(error),
        }
    }

    /// An operation of graphs on numbers.
    pub fn apply(&mut self, op: Op, args: &[Value<T>]) -> Result<Value<T>> {
        match (self.kernels.of(op), args) {
            (Function::Many(f), args) => {
                let value = self.work.many(f, args.iter().map(|a| real(*a)));
                self.noted(op, args, value)
            }
            (_, [a]) => self.one(op, *a),
            (_, [a, b]) => self.two(op, *a, *b),
            (Function::Select, [test, a, b]) => {
                self.decide(*test)?;
                Ok(if test.is_true() { *a } else { *b })
            }
            (_, args) => self.extremum(op, args),
        }
    }

    /// Notes that the path hangs on whether a value is true.
    #[inline(always)]
    pub fn decide(&mut self, test: Value<T>) -> Result<()> {
        match test {
            Value::Real(value, mark) if mark != 0 => {
                let args = [(value, mark), (T::ZERO, 0)].into_iter();
                let zero = value == T::ZERO;
                self.tape.test(Question::Op(Op::Equal), args, zero)
            }
            _ => Ok(()),
        }
    }

    /// Notes the answer to a question about numbers that decides the path; gives it.
    #[inline(always)]
    pub fn answer(&mut self, asked: Question, args: &[Value<T>], answer: bool) -> Result<bool> {
        if args.iter().any(|arg| arg.mark() != 0) {
            let args = args.iter().map(|a| (real(*a), a.mark()));
            self.tape.test(asked, args, answer)?;
        }
        Ok(answer)
    }

    /// An operation on one number.
    pub fn one(&mut self, op: Op, a: Value<T>) -> Result<Value<T>> {
        if let Some(a) = a.as_integer()
            && let Some(value) = exact(op, &[a])
        {
            return Ok(number(&value));
        }
        match self.kernels.of(op) {
            Function::Unary(f) => self.noted(op, &[a], (f.scalar)(real(a))),
            // the least of one number
            _ => Ok(a),
        }
    }

    /// An operation on two numbers.
    pub fn two(&mut self, op: Op, a: Value<T>, b: Value<T>) -> Result<Value<T>> {
        if let (Some(a), Some(b)) = (a.as_integer(), b.as_integer())
            && let Some(value) = exact(op, &[a, b])
        {
            return Ok(number(&value));
        }
        match self.kernels.of(op) {
            Function::Binary(f) => self.noted(op, &[a, b], (f.scalar)(real(a), real(b))),
            _ => Ok(a),
        }
    }

    /// The least or greatest of many.
    fn extremum(&mut self, op: Op, args: &[Value<T>]) -> Result<Value<T>> {
        if args.iter().all(|a| a.as_integer().is_some()) {
            let integers = args.iter().filter_map(Value::as_integer);
            let value = match op {
                Op::Min => integers.min(),
                _ => integers.max(),
            };
            return Ok(Value::Int(value.unwrap_or(0)));
        }
        let Function::Binary(f) = self.kernels.of(op) else {
            return Ok(Value::Nil);
        };
        let value = args.iter().map(|a| real(*a)).reduce(f.scalar);
        self.noted(op, args, value.unwrap_or(T::ZERO))
    }

    /// The values of an operation of linear algebra, appended to `out`.
    pub fn linear(
        &mut self,
        linear: Linear,
        args: &[Value<T>],
        out: &mut Vec<Value<T>>,
    ) -> Result<()> {
        let first = out.len();
        let values = self.work.linear(linear, args.iter().map(|a| real(*a)));
        out.extend(values.iter().map(|value| Value::real(*value)));
        if args.iter().all(|a| a.mark() == 0) {
            return Ok(());
        }
        let args = args.iter().map(|a| (real(*a), a.mark()));
        let results = out[first..].iter().map(|value| real(*value));
        let place = self.tape.note_linear(linear, args, results)?;
        for (value, place) in out[first..].iter_mut().zip(place..) {
            *value = Value::Real(real(*value), place);
        }
        Ok(())
    }

    /// The result of an operation, noted on the tape where a derivative is asked of an argument.
    #[inline(always)]
    fn noted(&mut self, op: Op, args: &[Value<T>], value: T) -> Result<Value<T>> {
        let constant = args.iter().all(|a| a.mark() == 0);
        if let Role::Numeric { boolean: true, .. } = op.row().role {
            let holds = self.answer(Question::Op(op), args, value.is_true())?;
            return Ok(Value::Bool(holds));
        }
        if constant {
            return Ok(Value::real(value));
        }
        let args = args.iter().map(|a| (real(*a), a.mark()));
        Ok(Value::Real(value, self.tape.note(op, args, value)?))
    }
}

fn real<T: Real>(value: Value<T>) -> T {
    value.as_real().unwrap_or(T::ZERO)
}

/// A number that a constant is.
fn number<T: Real>(constant: &Constant) -> Value<T> {
    match constant {
        Constant::Bool(value) => Value::Bool(*value),
        Constant::Int(value) => Value::Int(*value),
        other => Value::real(T::of(other.as_real().unwrap_or(0.0))),
    }
}

/// Computes what definitions emit at once: a node is the place of its value.
pub struct Forward<'a, T> {
    numbers: &'a mut Numbers<T>,
    values: Vec<Value<T>>,
    error: Option<crate::error::Error>,
}

impl<T: Real> Forward<'_, T> {
    fn push(&mut self, value: Value<T>) -> NodeId {
        self.values.push(value);
        NodeId(self.values.len() as u32 - 1)
    }
}

impl<T: Real> Emit for Forward<'_, T> {
    fn op(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        if let Role::Defined(definition) = op.row().role {
            return definition(self, args);
        }
        let value = |id: NodeId| self.values[id.index()];
        let result = match *args {
            [a] => self.numbers.one(op, value(a)),
            [a, b] => self.numbers.two(op, value(a), value(b)),
            [a, b, c] => self.numbers.apply(op, &[value(a), value(b), value(c)]),
            _ => {
                let args: Vec<Value<T>> = args.iter().map(|id| value(*id)).collect();
                self.numbers.apply(op, &args)
            }
        };
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                self.error.get_or_insert(error);
                Value::real(T::ZERO)
            }
        };
        self.push(value)
    }

    fn linear(&mut self, linear: Linear, args: &[NodeId], index: usize) -> NodeId {
        let args: Vec<Value<T>> = args.iter().map(|id| self.values[id.index()]).collect();
        let first = self.values.len();
        if let Err(error) = self.numbers.linear(linear, &args, &mut self.values) {
            self.error.get_or_insert(error);
        }
        NodeId((first + index) as u32)
    }

    fn real(&mut self, value: f64) -> NodeId {
        self.push(Value::real(T::of(value)))
    }

    fn int(&mut self, value: i64) -> NodeId {
        self.push(Value::Int(value))
    }

    fn known(&self, _: NodeId) -> Option<f64> {
        None
    }
}
