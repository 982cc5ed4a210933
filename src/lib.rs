//! `ncg` compiles small Scheme models of known physics into differentiable graphs.
pub mod error;

/// ONNX models: protobuf types and reading.
pub mod onnx;

/// What runs a graph.
pub mod engine;

pub use error::{Error, ErrorKind, Result};
