//! General graph → numeric graph: an online partial evaluator (Jones, Gomard, Sestoft, "Partial evaluation", 1993) in which
//! structure is concrete and numbers are symbolic. Closures, lists and symbols live only while it runs; what is left is
//! arithmetic on the ports. Networks, which compute numbers from numbers alone, are copied as they are, with their branches and
//! loops.
//!
//! It is a machine with a stack of its own: the depth of the program's recursion is bounded by a setting.

mod array;
mod decide;
mod finish;
mod join;
mod machine;
mod network;
mod peel;
mod repeat;
mod shape;
mod slots;
mod structure;
mod tail;
mod trail;
mod value;

use std::sync::Arc;

use crate::error::Result;
use crate::graph::{FunctionId, Graph, Port, simplify, write_out_choices};
use crate::ops::{Op, SoftChoice};
use crate::syntax::ast::Constant;
use network::Numbers;
use slots::Slots;
use tail::Tails;

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
    /// Most pairs that the program makes.
    pub pairs: usize,
    /// A longer chain of tail calls becomes a loop even if it leaves no nodes: it may have no end.
    pub calls: usize,
    /// Whether the graph is an interpreter: what is repeated is then known by the expression that it evaluates.
    pub interpreter: bool,
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
            pairs: 1_000_000,
            calls: 100_000,
            interpreter: false,
            soft_choice: SoftChoice::default(),
        }
    }
}

/// A general graph, and what is read off it before it runs. A graph that runs often is prepared once.
pub struct Prepared {
    graph: Graph,
    tails: Tails,
    slots: Slots,
    /// For each function that is a network, what it computes.
    networks: Vec<Option<Numbers>>,
}

impl Prepared {
    /// Prepares `graph`.
    pub fn new(graph: Graph) -> Prepared {
        let functions = 0..graph.functions.len() as u32;
        Prepared {
            networks: functions
                .map(|function| Numbers::of(&graph, FunctionId(function)))
                .collect(),
            slots: Slots::of(&graph),
            tails: Tails::of(&graph),
            graph,
        }
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }
}

/// What an input of a general graph is given.
#[derive(Clone, Debug)]
pub enum Given {
    /// A port of the result.
    Port(usize),
    /// A value that is known.
    Constant(Constant),
    /// An operation: a procedure.
    Primitive(Op),
    /// A function of the graph that captures nothing: a procedure.
    Function(FunctionId),
    /// An association list: pairs of a symbol and a value.
    Association(Vec<(Arc<str>, Given)>),
}

/// The numeric graph that computes what `graph` computes.
///
/// # Errors
/// `Compile` for what the program does wrong whatever the data (a call with the wrong number of arguments, `car` of a
/// number), `Limit` for a limit that it passes, `Unsupported` where its structure hangs on data.
pub fn specialize(graph: &Graph, limits: Limits) -> Result<Graph> {
    let given: Vec<Given> = (0..graph.ports.len()).map(Given::Port).collect();
    let graph = write_out_choices(graph, &limits.soft_choice).into_owned();
    let ports = graph.ports.clone();
    specialize_on(&Prepared::new(graph), &ports, &given, limits)
}

/// The numeric graph over `ports` that computes what the prepared graph computes where its inputs are `given`.
///
/// # Errors
/// As [`specialize`].
pub fn specialize_on(
    prepared: &Prepared,
    ports: &[Port],
    given: &[Given],
    limits: Limits,
) -> Result<Graph> {
    Ok(simplify(&machine::run(prepared, ports, given, limits)?))
}
