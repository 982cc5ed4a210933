//! `.ncg` files: a compiled program as JSON, in the format `nncompile-graph`, version 1, of the reference system.
//!
//! What this library adds rides in the key `ncg`, which other readers ignore: kinds, initial values and bounds of the
//! inputs, output names, exact integers, results of a fit.

mod json;
mod place;
mod read;
mod write;

pub use read::read;
pub use write::write;

use crate::error::{Error, ErrorKind};

/// The format's name and version.
const FORMAT: &str = "nncompile-graph";
const VERSION: u64 = 1;

/// Longest document that is read, in bytes.
const MAX_BYTES: usize = 128 << 20;

/// Most nodes that a document may hold, all bodies together.
const MAX_NODES: usize = 1_000_000;

/// Deepest nesting of loop bodies.
const MAX_LOOP_DEPTH: usize = 64;

fn bad(message: impl Into<String>) -> Error {
    Error::new(
        ErrorKind::Format,
        format!("not a valid .ncg document: {}", message.into()),
    )
}
