//! The values of the machine: a tag and a payload, small enough to be copied.

use crate::ops::Op;
use crate::ops::real::Real;

/// The names of the tags, in the order of their indices.
pub const TAGS: [&str; 10] = [
    "nil",
    "boolean",
    "integer",
    "real",
    "character",
    "symbol",
    "pair",
    "string",
    "closure",
    "array",
];

/// How many numbers the tensor form of a value has: a one-hot tag, then the payload.
pub const WIDTH: usize = TAGS.len() + PAYLOAD;

/// How many numbers the payload has.
pub const PAYLOAD: usize = 4;

/// Stands for the columns of a vector, which has none.
const NO_COLUMNS: u32 = u32::MAX;

/// A value of the language. Addresses are those of cells of the heap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<T> {
    /// The empty list.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An exact integer.
    Int(i64),
    /// A real, and its place on the tape; 0 where no derivative is asked of it.
    Real(T, u32),
    /// A character.
    Char(char),
    /// A symbol: an index into the names of the program.
    Symbol(u32),
    /// A pair: the address of its car, behind which its cdr stands.
    Pair(u32),
    /// A string: the address of its first character, and how many there are.
    Str(u32, u32),
    /// A function, and the address of what it captures.
    Closure(u32, u32),
    /// An operation as a value.
    Primitive(Op),
    /// A vector or matrix of reals.
    Array(Array),
}

/// A vector, or a matrix by rows: its elements stand side by side on the heap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Array {
    /// The address of the first element.
    pub address: u32,
    /// How many rows a matrix has, how many elements a vector.
    pub rows: u32,
    columns: u32,
}

impl Array {
    /// A vector of `length` elements.
    pub fn vector(address: u32, length: u32) -> Array {
        Array {
            address,
            rows: length,
            columns: NO_COLUMNS,
        }
    }

    /// A matrix.
    pub fn matrix(address: u32, rows: u32, columns: u32) -> Array {
        Array {
            address,
            rows,
            columns,
        }
    }

    /// The same shape at another address.
    pub fn at(self, address: u32) -> Array {
        Array { address, ..self }
    }

    /// The columns of a matrix; `None` for a vector.
    pub fn columns(self) -> Option<u32> {
        (self.columns != NO_COLUMNS).then_some(self.columns)
    }

    /// How many elements there are.
    pub fn len(self) -> usize {
        self.rows as usize * self.columns().unwrap_or(1) as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether both have the same shape.
    pub fn fits(self, other: Array) -> bool {
        (self.rows, self.columns) == (other.rows, other.columns)
    }
}

impl<T: Real> Value<T> {
    /// A real that no derivative is asked of.
    pub fn real(value: T) -> Value<T> {
        Value::Real(value, 0)
    }

    /// The index of the tag.
    pub fn tag(&self) -> usize {
        match self {
            Value::Nil => 0,
            Value::Bool(_) => 1,
            Value::Int(_) => 2,
            Value::Real(..) => 3,
            Value::Char(_) => 4,
            Value::Symbol(_) => 5,
            Value::Pair(_) => 6,
            Value::Str(..) => 7,
            Value::Closure(..) | Value::Primitive(_) => 8,
            Value::Array(_) => 9,
        }
    }

    /// The payload. A primitive is a closure whose function id is below zero.
    pub fn payload(&self) -> [f64; PAYLOAD] {
        let (a, b, c) = match self {
            Value::Nil => (0.0, 0.0, 0.0),
            Value::Bool(value) => (f64::from(u8::from(*value)), 0.0, 0.0),
            Value::Int(value) => (*value as f64, 0.0, 0.0),
            Value::Real(value, _) => (value.to_f64(), 0.0, 0.0),
            Value::Char(value) => (f64::from(u32::from(*value)), 0.0, 0.0),
            Value::Symbol(id) => (f64::from(*id), 0.0, 0.0),
            Value::Pair(address) => (f64::from(*address), f64::from(*address) + 1.0, 0.0),
            Value::Str(address, length) => (f64::from(*address), f64::from(*length), 0.0),
            Value::Closure(function, address) => (f64::from(*function), f64::from(*address), 0.0),
            Value::Primitive(op) => (-1.0 - f64::from(*op as u32), 0.0, 0.0),
            Value::Array(array) => {
                let columns = array.columns().unwrap_or(0);
                let (address, rows) = (f64::from(array.address), f64::from(array.rows));
                (address, rows, f64::from(columns))
            }
        };
        [a, b, c, 0.0]
    }

    /// The tensor form: the tag one-hot, then the payload.
    pub fn tensor(&self) -> [f64; WIDTH] {
        let mut tensor = [0.0; WIDTH];
        tensor[self.tag()] = 1.0;
        tensor[TAGS.len()..].copy_from_slice(&self.payload());
        tensor
    }

    /// Whether a test on this value takes the first arm: all but `#f` and numeric zeros do.
    #[inline(always)]
    pub fn is_true(&self) -> bool {
        match self {
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Real(value, _) => value.is_true(),
            _ => true,
        }
    }

    /// Whether this is a number or a boolean.
    #[inline(always)]
    pub fn is_numeric(&self) -> bool {
        matches!(self, Value::Bool(_) | Value::Int(_) | Value::Real(..))
    }

    /// The number as a real; a boolean counts as 1 or 0. `None` for what is not a number.
    #[inline(always)]
    pub fn as_real(&self) -> Option<T> {
        match self {
            Value::Bool(value) => Some(T::truth(*value)),
            Value::Int(value) => Some(T::of(*value as f64)),
            Value::Real(value, _) => Some(*value),
            _ => None,
        }
    }

    /// The number as an exact integer; a boolean counts as 1 or 0. `None` for what is none.
    #[inline(always)]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Bool(value) => Some(i64::from(*value)),
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The place on the tape; 0 where no derivative is asked of the value.
    #[inline(always)]
    pub fn mark(&self) -> u32 {
        match self {
            Value::Real(_, mark) => *mark,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_small() {
        assert_eq!(std::mem::size_of::<Value<f64>>(), 16);
        assert_eq!(std::mem::size_of::<Value<f32>>(), 16);
    }

    #[test]
    fn the_tensor_form_is_a_tag_and_a_payload() {
        let tensor = Value::<f64>::Pair(7).tensor();
        assert_eq!(tensor[..10].iter().sum::<f64>(), 1.0);
        assert_eq!((tensor[6], &tensor[10..]), (1.0, &[7.0, 8.0, 0.0, 0.0][..]));
        let real = Value::Real(2.5, 3).tensor();
        assert_eq!((real[3], real[10]), (1.0, 2.5));
        let matrix = Value::<f64>::Array(Array::matrix(4, 2, 3)).tensor();
        assert_eq!((matrix[9], &matrix[10..]), (1.0, &[4.0, 2.0, 3.0, 0.0][..]));
    }
}
