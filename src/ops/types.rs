//! What kind of value a node gives.

use std::fmt;

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Elem {
    /// `#t` or `#f`; 1 or 0 in arithmetic.
    Bool,
    /// A whole number; engines hold it as a real.
    Int,
    /// A real.
    Real,
}

/// The type of a node's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Any value of the language: known only when the program runs.
    General,
    /// A number.
    Scalar(Elem),
}

impl Type {
    /// A real scalar.
    pub const REAL: Type = Type::Scalar(Elem::Real);

    /// The type that holds the values of both.
    pub fn join(self, other: Type) -> Type {
        match (self, other) {
            (Type::Scalar(a), Type::Scalar(b)) => Type::Scalar(a.max(b)),
            (a, b) if a == b => a,
            _ => Type::General,
        }
    }

    /// Whether this is one number.
    pub fn is_scalar(self) -> bool {
        matches!(self, Type::Scalar(_))
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::General => f.write_str("any"),
            Type::Scalar(Elem::Bool) => f.write_str("bool"),
            Type::Scalar(Elem::Int) => f.write_str("int"),
            Type::Scalar(Elem::Real) => f.write_str("real"),
        }
    }
}
