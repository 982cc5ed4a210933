//! `ncg` compiles small Scheme models of known physics into differentiable graphs.
pub mod error;
pub mod fit;

pub use error::{Error, ErrorKind, Result};
