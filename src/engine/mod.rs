//! What runs a graph.

pub mod fpenv;
pub mod ort;
