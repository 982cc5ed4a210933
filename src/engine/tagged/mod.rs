//! The tagged engine: runs any graph. A value is a tag and a payload; pairs, strings, closures and arrays live on a heap whose
//! cells are written once (cf. Landin, "The mechanical evaluation of expressions", 1964).
//!
//! A graph becomes code once: each node has a slot, calls in tail position replace the activation that runs. Derivatives
//! follow the path taken: the operations on what a derivative is asked of are noted on a tape, over which the adjoint rules
//! of the table go back. Memory is kept from sample to sample, so that in the long run nothing is allocated.
//!
//! In a batch, the structure runs once a path, not once a sample: the questions about numbers that decided the path of one
//! sample are noted on its tape, and all samples that answer them alike go over that tape together. The bits are those of
//! samples that run alone.

mod array;
mod assemble;
mod code;
mod heap;
mod immediate;
mod machine;
mod numbers;
mod path;
mod program;
mod replay;
mod shared;
mod show;
mod structure;
mod sweep;
mod tape;
mod value;

use crate::error::Result;
use crate::graph::{Graph, write_out_choices};
use crate::ops::SoftChoice;
use crate::ops::real::Real;
use crate::options::Options;
use machine::Machine;

pub use path::{Path, Tracer};
pub use program::Tagged;
pub use show::{Cell, Trace, evaluate, evaluate_all, trace};
pub use value::{Array, PAYLOAD, TAGS, Value, WIDTH};

/// What a run must not go beyond.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Deepest recursion, calls in tail position aside.
    pub depth: usize,
    /// Most calls and iterations of loops.
    pub steps: usize,
    /// Most cells of the heap, of the activations and of the tape.
    pub heap: usize,
    /// Most paths that are kept for the samples of batches; none where each sample is to run through the structure.
    pub paths: usize,
    /// How soft choices are made.
    pub soft_choice: SoftChoice,
}

impl Limits {
    /// Those that the options `max_depth`, `max_steps`, `max_heap`, `max_paths` and `soft_choice_…` set.
    pub fn of(options: &Options) -> Limits {
        let size = |name| usize::try_from(options.int(name)).unwrap_or(usize::MAX);
        Limits {
            depth: size("max_depth"),
            steps: size("max_steps"),
            heap: size("max_heap"),
            paths: size("max_paths"),
            soft_choice: SoftChoice::of(options),
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::of(&Options::new())
    }
}

/// Prepares a verified graph, general or numeric. The values of its outputs must be numbers.
///
/// # Errors
/// `Unsupported` where the graph holds what only graphs of derivatives do.
pub fn prepare<T: Real>(graph: &Graph, limits: Limits) -> Result<Tagged<T>> {
    Tagged::new(graph, program::Derivatives::None, limits)
}

/// The same with the vector–Jacobian product by the ports of `wrt`: the ports and outputs are those of the graph that
/// [`crate::grad::vjp`] makes.
pub fn prepare_vjp<T: Real>(graph: &Graph, wrt: &[usize], limits: Limits) -> Result<Tagged<T>> {
    Tagged::new(graph, program::Derivatives::Vjp(wrt.to_vec()), limits)
}

/// The same with the Jacobian by the ports of `wrt`: the outputs are those of the graph that [`crate::grad::jacobian`] makes.
pub fn prepare_jacobian<T: Real>(
    graph: &Graph,
    wrt: &[usize],
    limits: Limits,
) -> Result<Tagged<T>> {
    Tagged::new(graph, program::Derivatives::Jacobian(wrt.to_vec()), limits)
}

/// A machine for a graph.
fn machine<T: Real>(graph: &Graph, limits: Limits) -> Result<Machine<T>> {
    let graph = write_out_choices(graph, &limits.soft_choice);
    let (code, heap) = assemble::assemble(&graph, limits.heap)?;
    Ok(Machine::new(code, heap, graph.ports.len(), limits))
}
