//! What is said of arguments that an operation cannot take; `what` describes the argument.

use super::Op;

/// `1 argument`, `2 arguments`.
pub fn counted(count: usize) -> String {
    format!("{count} argument{}", if count == 1 { "" } else { "s" })
}

/// Arithmetic on something that is no number.
pub fn not_a_number(op: Op, what: &str) -> String {
    format!("\"{}\" is arithmetic: it cannot take {what}", op.name())
}

/// A part of something that is no pair.
pub fn not_a_pair(op: Op, what: &str) -> String {
    format!("\"{}\" needs a pair, not {what}", op.name())
}

/// Something that is no proper list.
pub fn not_a_list(op: Op, what: &str) -> String {
    format!("\"{}\" needs a list, not {what}", op.name())
}

/// The last argument of `apply` is no proper list.
pub fn not_applicable_list(what: &str) -> String {
    format!("the last argument of apply must be a list, not {what}")
}

/// An index that is no exact integer.
pub fn not_an_index(op: Op, what: &str) -> String {
    format!(
        "\"{}\" needs an exact integer as index, not {what}",
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
    format!("\"iota\" needs a count from 0 to {MAX_IOTA}, not {what}")
}

/// A call of something that is no procedure.
pub fn not_a_procedure(what: &str, count: usize) -> String {
    format!(
        "{what} is no procedure: it cannot be applied to {}",
        counted(count)
    )
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
