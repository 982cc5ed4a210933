//! What is said of what an operation cannot do; `what` describes a value.

use super::Op;
use super::linear::MAX_SIDE;
use crate::syntax::ast::Constant;

/// `1 argument`, `2 arguments`.
pub fn counted(count: usize) -> String {
    format!("{count} argument{}", if count == 1 { "" } else { "s" })
}

/// A vector of so many numbers, or a matrix of so many rows and columns.
pub fn array(rows: usize, columns: Option<usize>) -> String {
    match (rows, columns) {
        (rows, Some(columns)) => format!("a {rows} by {columns} matrix"),
        (1, None) => "a vector of 1 number".into(),
        (length, None) => format!("a vector of {length} numbers"),
    }
}

/// Arithmetic on something that is no number.
pub fn not_a_number(op: Op, what: &str) -> String {
    format!("\"{}\" is arithmetic: it cannot take {what}", op.name())
}

/// An argument of a network that is no number.
pub fn network_argument(network: &str, input: &str, what: &str) -> String {
    format!("the network \"{network}\" takes one number as its argument \"{input}\", not {what}")
}

/// Something else than an operation needs, such as a pair.
pub fn needs(op: Op, wanted: &str, what: &str) -> String {
    format!("\"{}\" needs {wanted}, not {what}", op.name())
}

/// What an index must be.
pub const INDEX: &str = "an exact integer as index";

/// What the size of an array must be.
pub const SIZE: &str = "a size, an exact integer from 1";

/// What `cross` takes.
pub const TRIPLES: &str = "two vectors of 3 numbers";

/// What a soft choice takes beside its options.
pub const WEIGHTS: &str = "a vector of weights";

/// A number of weights other than that of the options of a soft choice.
pub fn weights(options: i64, given: usize) -> String {
    format!("\"soft-choice\" has {options} options, but {given} weights")
}

/// Two values that an operation cannot take together.
pub fn misfit(op: Op, a: &str, b: &str) -> String {
    format!("\"{}\": {a} and {b} do not fit", op.name())
}

/// An array among the elements of a vector.
pub const NESTED_VECTOR: &str = "\"vec\" takes numbers; a matrix is written (mat [1 2] [3 4])";

/// Rows or vectors that have no elements.
pub fn empty(op: Op, parts: &str) -> String {
    format!("\"{}\" needs {parts} that are not empty", op.name())
}

/// An index into an array of so many elements or rows that it does not have.
pub fn index_outside(op: Op, index: i64, count: usize, what: &str) -> String {
    match count.checked_sub(1) {
        None => format!("\"{}\": index {index} of an empty vector", op.name()),
        Some(last) => format!(
            "\"{}\": index {index} is not from 0 to {last} in {what}",
            op.name()
        ),
    }
}

/// A matrix that is too large to decompose.
pub fn large_side(op: Op, side: usize) -> String {
    format!(
        "\"{}\" of a {side} by {side} matrix: the largest side is {MAX_SIDE}",
        op.name()
    )
}

/// An index into a list, which ends before it.
pub fn index_beyond_list(op: Op, index: i64) -> String {
    format!(
        "\"{}\": index {index} is beyond the end of the list",
        op.name()
    )
}

/// An index below zero.
pub fn index_negative(op: Op, index: i64) -> String {
    format!("\"{}\": index {index} is negative", op.name())
}

/// Most items that `iota` makes.
pub const MAX_IOTA: i64 = 1_000_000;

/// A count that `iota` does not take.
pub fn not_a_count(what: &str) -> String {
    needs(Op::Iota, &format!("a count from 0 to {MAX_IOTA}"), what)
}

/// A call of something that is no procedure.
pub fn not_a_procedure(what: &str, count: usize) -> String {
    format!(
        "{what} is no procedure: it cannot be applied to {}",
        counted(count)
    )
}

/// The last argument of `apply` is no proper list.
pub fn not_an_argument_list(what: &str) -> String {
    format!("the last argument of apply must be a list, not {what}")
}

/// A recursion that goes too deep.
pub fn too_deep(name: &str, depth: usize) -> String {
    format!("the recursion of \"{name}\" goes deeper than {depth} calls (option max_depth)")
}

/// A loop or recursion that goes on for too long.
pub fn too_long(steps: usize) -> String {
    format!("the program takes more than {steps} steps (option max_steps)")
}

/// An operation that this version does not have.
pub fn missing(op: Op) -> String {
    format!("\"{}\" is not supported in this version", op.name())
}

/// Longest list that `error` writes out, in bytes.
const MAX_WRITTEN: usize = 200;

/// A value as `error` writes it.
pub enum Part<V> {
    /// The empty list.
    Nil,
    /// A text: what it says.
    Text(String),
    /// A symbol.
    Symbol(String),
    /// Another atom, or what it is in words.
    Atom(String),
    /// A pair.
    Pair(V, V),
}

impl<V> Part<V> {
    /// A constant that is no pair.
    pub fn of(constant: &Constant) -> Part<V> {
        match constant {
            Constant::List(..) => Part::Nil,
            Constant::Str(text) => Part::Text(text.to_string()),
            Constant::Symbol(name) => Part::Symbol(name.to_string()),
            atom => Part::Atom(atom.to_string()),
        }
    }
}

/// What `error` says: its texts as they are, other values as they are written, lists only so far.
pub fn error<V>(args: &[V], part: impl Fn(&V) -> Part<V>) -> String {
    let mut words = Vec::with_capacity(args.len());
    for arg in args {
        let mut text = String::new();
        // the second word says where in a list a value stands: whether it is the rest of one
        let mut open = vec![match part(arg) {
            Part::Symbol(name) => (Part::Atom(format!("\"{name}\"")), false),
            other => (other, false),
        }];
        while let Some((value, rest)) = open.pop() {
            if text.len() > MAX_WRITTEN {
                text.push('…');
                break;
            }
            match (value, rest) {
                (Part::Pair(car, cdr), rest) => {
                    text.push_str(if rest { " " } else { "(" });
                    open.push((part(&cdr), true));
                    open.push((part(&car), false));
                }
                (Part::Nil, true) => text.push(')'),
                (Part::Nil, false) => text.push_str("()"),
                (Part::Text(atom) | Part::Symbol(atom) | Part::Atom(atom), true) => {
                    text.push_str(&format!(" . {atom})"));
                }
                (Part::Text(atom) | Part::Symbol(atom) | Part::Atom(atom), false) => {
                    text.push_str(&atom)
                }
            }
        }
        words.push(text);
    }
    words.join(" ")
}
