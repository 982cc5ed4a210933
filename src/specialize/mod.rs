//! General graph → numeric graph: an online partial evaluator (Jones, Gomard, Sestoft, "Partial evaluation", 1993) in which
//! structure is concrete and numbers are symbolic. Closures, lists and symbols live only while it runs; what is left is
//! arithmetic on the ports.
//!
//! It is a machine with a stack of its own: the depth of the program's recursion is bounded by a setting.

mod array;
mod decide;
mod finish;
mod join;
mod machine;
mod peel;
mod repeat;
mod shape;
mod structure;
mod tail;
mod value;

use crate::error::Result;
use crate::graph::{Graph, simplify, write_out_choices};
use crate::ops::SoftChoice;

/// What specialisation refuses to go beyond.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Deepest recursion of the program.
    pub depth: usize,
    /// Most nodes evaluated.
    pub steps: usize,
    /// Most nodes of the result.
    pub nodes: usize,
    /// Deepest nesting of branches on data.
    pub branches: usize,
    /// How soft choices are made.
    pub soft_choice: SoftChoice,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth: 10_000,
            steps: 20_000_000,
            nodes: 1_000_000,
            branches: 200,
            soft_choice: SoftChoice::default(),
        }
    }
}

/// The numeric graph that computes what `graph` computes.
///
/// # Errors
/// `Compile` for what the program does wrong whatever the data (a call with the wrong number of arguments, `car` of a
/// number), `Limit` for a limit that it passes, `Unsupported` where its structure hangs on data.
pub fn specialize(graph: &Graph, limits: Limits) -> Result<Graph> {
    let graph = write_out_choices(graph, &limits.soft_choice);
    Ok(simplify(&machine::run(&graph, limits)?))
}
