//! Text → data with spans → core AST. Nothing here knows what a primitive computes.

pub mod ast;
pub mod datum;
pub mod expand;
pub mod literals;
mod print;
pub mod reader;
