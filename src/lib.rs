//! `ncg` compiles small Scheme models of known physics into differentiable graphs, runs them through ONNX Runtime or its
//! own engine, and fits their unknown constants inside a running simulator.
//!
//! # The way of the data
//!
//! The modules below stand in the order in which data passes through them; a module uses only those before it.
//!
//! # Invariants
//!
//! 1. Everything before [`document`] does no I/O, reads no environment variable, starts no thread and prints nothing.
//! 2. Any bytes given to a reader end in a value or an [`Error`]; nothing panics, nothing recurses without a bound.
//! 3. [`graph::verify`] accepts each graph that `compile`, `grad`, `specialize`, `ncg` and `onnx::import` return; nothing
//!    downstream checks again.
//! 4. Same source and options, same bytes. No hash order reaches an output.
//! 5. A model is immutable and shared freely between threads.
//! 6. Precision is never narrowed without being asked. The default is f64 everywhere.
//! 7. `unsafe` lives in `ffi`, `engine::ort` and `engine::fpenv`; JSON in `ncg`, `onnx::metadata`, `fit::report` and
//!    `cli`; protobuf in `onnx`; `ort` in `engine::ort`.
//! 8. No caller pointer is kept after a call, save a callback and its `user_data`.
//! 9. The library never prints, exits, aborts, takes signals, sets affinity, or leaves the floating-point environment
//!    changed; printing and Ctrl-C are the business of `cli`, which only the command calls.
//! 10. One thread unless asked.

/// The one error type: kind, message, place.
pub mod error;

/// Near names, for errors.
pub mod suggest;

/// The named settings: one table.
pub mod options;

/// Text → data with spans → core AST.
pub mod syntax;

/// The operations: one is one row of a table.
pub mod ops;

/// The dataflow graph: arena, regions, verification, text form, simplification.
pub mod graph;

/// Networks that programs import, as functions of their graphs.
pub mod network;

/// Core AST → A-normal form.
pub mod anf;

/// A-normal form → general graph.
pub mod lower;

/// Reverse mode, graph → graph.
pub mod grad;

/// General graph → numeric graph.
pub mod specialize;

/// What in a model is allowed but hardly meant.
pub mod warn;

/// The pipeline on one screen.
pub mod compile;

/// `.ncg` JSON, both directions.
pub mod ncg;

/// ONNX models: protobuf types, reading and writing.
pub mod onnx;

/// Models in files, told apart by content.
pub mod document;

/// What runs a graph.
pub mod engine;

/// The compiled interpreter, and programs bound to it as data.
pub mod interp;

/// Graph + engine + options + memory: evaluates, differentiates.
pub mod session;

/// Fitting: problem, optimisers, statistics, report.
pub mod fit;

/// The C ABI, by handle.
pub mod ffi;

/// The command `ncg`.
#[cfg(feature = "cli")]
pub mod cli;

/// The Rust code of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

pub use error::{Error, ErrorKind, Result};
