//! `ncg` compiles small Scheme models of known physics into differentiable graphs.
pub mod anf;
pub mod compile;
pub mod error;
pub mod graph;
pub mod lower;
pub mod ops;
pub mod specialize;
pub mod syntax;

/// ONNX models: protobuf types and reading.
pub mod onnx;

/// What runs a graph.
pub mod engine;

pub use error::{Error, ErrorKind, Result};
