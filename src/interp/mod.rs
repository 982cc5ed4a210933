//! The interpreter: `bootstrap/interpreter.scm` compiled once to a general graph with the inputs `program` and `env`, and
//! programs bound to it as data.

mod encode;
mod order;

use std::sync::{Arc, LazyLock};

use crate::compile::{self, Model};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Port, verify_numeric};
use crate::lower::lower;
use crate::options::Options;
use crate::specialize::{Given, Limits, Prepared, specialize_on};
use crate::syntax::ast::Constant;

/// The source text of the interpreter.
pub const SOURCE: &str = include_str!("../../bootstrap/interpreter.scm");

/// How much deeper and longer an interpreted program runs than a compiled one.
const INTERPRETATION: usize = 16;

/// An interpreter that programs can be bound to.
pub struct Interpreter {
    prepared: Prepared,
}

impl Interpreter {
    /// The interpreter of a graph with the inputs `program` and `env`.
    pub fn new(graph: Graph) -> Result<Interpreter> {
        for name in ["program", "env"] {
            if !graph.ports.iter().any(|port| &*port.name == name) {
                let message = format!("this graph is no interpreter: it has no input \"{name}\"");
                return Err(Error::new(ErrorKind::Argument, message));
            }
        }
        if let Some(port) = graph
            .ports
            .iter()
            .find(|port| !["program", "env"].contains(&&*port.name))
        {
            let message = format!(
                "this graph is no interpreter: it has an input \"{}\"",
                port.name
            );
            return Err(Error::new(ErrorKind::Argument, message));
        }
        Ok(Interpreter {
            prepared: Prepared::new(graph),
        })
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        self.prepared.graph()
    }
}

static OWN: LazyLock<Result<Interpreter>> = LazyLock::new(|| {
    let (_, anf) = compile::program(SOURCE, &Options::new())?;
    let mut graph = lower(&anf)?;
    // places in the text of the interpreter say nothing about a program
    for node in &mut graph.nodes {
        node.span = Default::default();
    }
    Interpreter::new(graph)
});

/// The interpreter of this library: compiled once, when it is first asked for.
pub fn interpreter() -> Result<&'static Interpreter> {
    OWN.as_ref().map_err(Clone::clone)
}

/// The model of a program that `interpreter` interprets, specialised: its free names are inputs, and its declarations and
/// the settings `params`, `bind` and `literals` are honoured. Errors carry their place in the source.
pub fn bind_program(interpreter: &Interpreter, source: &str, options: &Options) -> Result<Model> {
    let graph = bound(interpreter, source, options).map_err(|error| error.locate(source))?;
    Ok(Model {
        source: Some(Arc::from(source)),
        graph,
        general: None,
        refusal: None,
        fit: None,
    })
}

fn bound(interpreter: &Interpreter, source: &str, options: &Options) -> Result<Graph> {
    let (ast, anf) = compile::program(source, options)?;
    let program = encode::encode(&ast)?;
    let mut ports = anf.ports;
    compile::name_parameters(&mut ports, options.str("params"))?;
    let values = compile::bindings(&ports, options.str("bind"))?;
    let mut kept = Vec::new();
    let mut env = Vec::new();
    for (index, port) in ports.into_iter().enumerate() {
        let value = match values.iter().find(|(bound, _)| *bound == index) {
            Some((_, value)) => Given::Constant(Constant::Int(*value)),
            None => Given::Port(kept.len()),
        };
        env.push((port.name.clone(), value.clone()));
        if let Given::Port(_) = value {
            kept.push(port);
        }
    }
    apply(interpreter, program, env, &kept, compile::limits(options))
}

/// The numeric graph of the interpreter on a program and an environment.
pub fn apply(
    interpreter: &Interpreter,
    program: Constant,
    env: Vec<(Arc<str>, Given)>,
    ports: &[Port],
    limits: Limits,
) -> Result<Graph> {
    let given: Vec<Given> = interpreter
        .graph()
        .ports
        .iter()
        .map(|port| match &*port.name {
            "program" => Given::Constant(program.clone()),
            _ => Given::Association(env.clone()),
        })
        .collect();
    let limits = Limits {
        depth: limits.depth.saturating_mul(INTERPRETATION),
        steps: limits.steps.saturating_mul(INTERPRETATION),
        calls: limits.calls.saturating_mul(INTERPRETATION),
        pairs: limits.pairs.saturating_mul(INTERPRETATION),
        interpreter: true,
        ..limits
    };
    let graph = specialize_on(&interpreter.prepared, ports, &given, limits)?;
    verify_numeric(&graph)?;
    Ok(graph)
}
