//! `ncg` compiles small Scheme models of known physics into differentiable graphs.
/// What runs a graph.
pub mod engine;
pub mod error;
/// ONNX models: protobuf types and reading.
pub mod onnx;

pub use error::{Error, ErrorKind, Result};
