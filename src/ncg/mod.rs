//! `.ncg` files: a compiled program as JSON, in the format `nncompile-graph`, version 1, of the reference system.
//!
//! What this library adds rides in the key `ncg`, which other readers ignore: kinds, initial values and bounds of the
//! inputs, output names, results of a fit, and what the format cannot tell apart: exact integers, the values of one `if`, the
//! types of what loops carry.

mod atom;
mod extra;
mod general;
mod json;
mod numeric;
mod place;
mod raw;
mod read;
mod sheet;
mod write;

pub use read::{read, read_graph};
pub use write::write;

use crate::error::{Error, ErrorKind};

/// The format's name and version.
const FORMAT: &str = "nncompile-graph";
const VERSION: u64 = 1;

/// Longest document that is read, in bytes.
const MAX_BYTES: usize = 128 << 20;

/// Most nodes that a document may hold, all bodies together.
const MAX_NODES: usize = 1_000_000;

/// Deepest nesting of loop bodies. Each lies three levels below the one around it, and the JSON reader takes 128 levels.
const MAX_LOOP_DEPTH: usize = 32;

fn bad(message: impl Into<String>) -> Error {
    Error::new(
        ErrorKind::Format,
        format!("not a valid .ncg document: {}", message.into()),
    )
}
