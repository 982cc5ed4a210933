//! The values of the language.

use std::fmt;
use std::rc::Rc;

use super::eval::Closure;
use super::number::{Dual, Number};

#[derive(Clone)]
pub enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Real(Dual),
    Char(char),
    Symbol(Rc<str>),
    Str(Rc<str>),
    Pair(Rc<(Value, Value)>),
    Closure(Rc<Closure>),
    Primitive(Rc<str>),
    Tensor(Rc<Tensor>),
}

/// A vector or a matrix, by rows. Its elements are reals.
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<Dual>,
}

impl Value {
    pub fn symbol(name: &str) -> Value {
        Value::Symbol(Rc::from(name))
    }

    pub fn cons(car: Value, cdr: Value) -> Value {
        Value::Pair(Rc::new((car, cdr)))
    }

    pub fn list(items: Vec<Value>) -> Value {
        Value::list_with_tail(items, Value::Nil)
    }

    pub fn list_with_tail(items: Vec<Value>, tail: Value) -> Value {
        let join = |tail, item| Value::cons(item, tail);
        items.into_iter().rev().fold(tail, join)
    }

    pub fn tensor(shape: Vec<usize>, data: Vec<Dual>) -> Value {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        Value::Tensor(Rc::new(Tensor { shape, data }))
    }

    /// False is `#f` and a numeric zero, nothing else.
    pub fn truth(&self) -> bool {
        match self {
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Real(dual) => dual.value != 0.0,
            _ => true,
        }
    }

    /// The items of a proper list.
    pub fn items(&self) -> Option<Vec<Value>> {
        let (items, tail) = self.parts();
        matches!(tail, Value::Nil).then_some(items)
    }

    /// The items of a list and what stands behind its dot.
    pub fn parts(&self) -> (Vec<Value>, Value) {
        let (mut items, mut rest) = (Vec::new(), self.clone());
        while let Value::Pair(pair) = &rest {
            items.push(pair.0.clone());
            rest = pair.1.clone();
        }
        (items, rest)
    }

    /// A number in arithmetic: a boolean counts as 1 or 0.
    pub fn number(&self) -> Option<Number> {
        match self {
            Value::Bool(value) => Some(Number::Int(i64::from(*value))),
            Value::Int(value) => Some(Number::Int(*value)),
            Value::Real(dual) => Some(Number::Real(*dual)),
            _ => None,
        }
    }

    pub fn eqv(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Nil, Value::Nil) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Real(a), Value::Real(b)) => {
                a.value.to_bits() == b.value.to_bits() || (a.value.is_nan() && b.value.is_nan())
            }
            (Value::Char(a), Value::Char(b)) => a == b,
            (Value::Symbol(a), Value::Symbol(b)) => a == b,
            (Value::Str(a), Value::Str(b)) => Rc::ptr_eq(a, b),
            (Value::Pair(a), Value::Pair(b)) => Rc::ptr_eq(a, b),
            (Value::Closure(a), Value::Closure(b)) => Rc::ptr_eq(a, b),
            (Value::Primitive(a), Value::Primitive(b)) => a == b,
            (Value::Tensor(a), Value::Tensor(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }

    pub fn equal(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::Pair(a), Value::Pair(b)) => a.0.equal(&b.0) && a.1.equal(&b.1),
            (Value::Tensor(a), Value::Tensor(b)) => {
                a.shape == b.shape
                    && a.data
                        .iter()
                        .zip(&b.data)
                        .all(|(a, b)| Value::Real(*a).eqv(&Value::Real(*b)))
            }
            _ => self.eqv(other),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("()"),
            Value::Bool(value) => f.write_str(if *value { "#t" } else { "#f" }),
            Value::Int(value) => write!(f, "{value}"),
            Value::Real(dual) => write!(f, "{:?}", dual.value),
            Value::Char(value) => write!(f, "#\\{value}"),
            Value::Symbol(name) => f.write_str(name),
            Value::Str(text) => write!(f, "{text:?}"),
            Value::Pair(_) => {
                let (items, tail) = self.parts();
                let items: Vec<String> = items.iter().map(Value::to_string).collect();
                match tail {
                    Value::Nil => write!(f, "({})", items.join(" ")),
                    tail => write!(f, "({} . {tail})", items.join(" ")),
                }
            }
            Value::Closure(_) => f.write_str("#<procedure>"),
            Value::Primitive(name) => write!(f, "#<procedure {name}>"),
            Value::Tensor(tensor) => {
                let numbers: Vec<String> = tensor
                    .data
                    .iter()
                    .map(|dual| format!("{:?}", dual.value))
                    .collect();
                write!(f, "#{:?}({})", tensor.shape, numbers.join(" "))
            }
        }
    }
}
