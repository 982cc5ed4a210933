//! The pipeline: source text to the graphs of a model, stage by stage.

use std::sync::Arc;

use crate::anf::{self, Anf};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Port, PortKind, bind, simplify, verify, verify_numeric};
use crate::lower::lower;
use crate::options::Options;
use crate::specialize::{Limits, specialize};
use crate::syntax::ast::Program;
use crate::syntax::literals::declare_literals;
use crate::syntax::{expand, reader};

/// What each stage made of a source text.
#[derive(Clone, Debug)]
pub struct Stages {
    /// The core AST.
    pub ast: Program,
    /// A-normal form.
    pub anf: Anf,
    /// The general graph.
    pub general: Graph,
    /// The numeric graph.
    pub numeric: Graph,
}

/// A compiled model: immutable, shared freely between threads.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The text that it was compiled from, if it is known.
    pub source: Option<Arc<str>>,
    /// The numeric graph.
    pub graph: Graph,
    /// What a fit found, as JSON text: estimates, errors, stop reason.
    pub fit: Option<Arc<str>>,
}

impl Model {
    /// Compiles a source text. Errors carry their place in it.
    pub fn compile(source: &str, options: &Options) -> Result<Model> {
        Ok(Model {
            source: Some(Arc::from(source)),
            graph: stages(source, options)?.numeric,
            fit: None,
        })
    }

    /// The model of a graph that a reader made, general or numeric.
    pub fn from_graph(graph: &Graph, source: Option<Arc<str>>, options: &Options) -> Result<Model> {
        let graph = settle_ports(graph.clone(), options)?;
        // what is numeric already has nothing to specialise
        let graph = match verify_numeric(&graph) {
            Ok(()) => simplify(&graph),
            Err(_) => specialize(&graph, limits(options))?,
        };
        verify_numeric(&graph)?;
        Ok(Model {
            source,
            graph,
            fit: None,
        })
    }
}

/// Compiles `source`, keeping what each stage makes. Errors carry their place in the source.
pub fn stages(source: &str, options: &Options) -> Result<Stages> {
    compile_stages(source, options).map_err(|error| error.locate(source))
}

/// The program of a source text, checked: its core AST and its A-normal form.
pub(crate) fn front(source: &str, options: &Options) -> Result<(Program, Anf)> {
    let data = reader::read(source, reader::Limits::default())?;
    let mut ast = expand::expand(&data)?;
    declare_literals(&mut ast, options.str("literals"))?;
    let anf = anf::normalize(&ast)?;
    Ok((ast, anf))
}

fn compile_stages(source: &str, options: &Options) -> Result<Stages> {
    let (ast, anf) = front(source, options)?;
    let general = settle_ports(lower(&anf)?, options)?;
    verify(&general)?;
    let numeric = specialize(&general, limits(options))?;
    verify_numeric(&numeric)?;
    Ok(Stages {
        ast,
        anf,
        general,
        numeric,
    })
}

pub(crate) fn limits(options: &Options) -> Limits {
    Limits {
        depth: options.int("max_depth") as usize,
        nodes: options.int("max_nodes") as usize,
        ..Limits::default()
    }
}

/// The graph with the parameters that the option `params` names, and without the inputs that the option `bind` makes constants.
pub(crate) fn settle_ports(mut graph: Graph, options: &Options) -> Result<Graph> {
    name_parameters(&mut graph.ports, options.str("params"))?;
    let values = bindings(&graph.ports, options.str("bind"))?;
    Ok(match values.is_empty() {
        true => graph,
        false => bind(&graph, &values),
    })
}

/// The inputs that the option `bind` names, and their values: `n=20`, separated by commas.
pub(crate) fn bindings(ports: &[Port], list: &str) -> Result<Vec<(usize, i64)>> {
    let argument = |message: String| {
        let message = format!("option \"bind\": {message}");
        Error::new(ErrorKind::Argument, message)
    };
    let mut values: Vec<(usize, i64)> = Vec::new();
    for item in list
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        let (name, value) = item.split_once('=').unwrap_or((item, ""));
        let (name, value) = (name.trim(), value.trim());
        let value = value.parse::<i64>().map_err(|_| {
            argument(format!(
                "\"{name}\" needs an exact integer, as in {name}=20, not \"{value}\""
            ))
        })?;
        let port = find_port(ports, name).map_err(argument)?;
        if values.iter().any(|(other, _)| *other == port) {
            return Err(argument(format!("\"{name}\" is bound twice")));
        }
        values.push((port, value));
    }
    Ok(values)
}

/// The index of a port by name, or what to say where there is none.
fn find_port(ports: &[Port], name: &str) -> std::result::Result<usize, String> {
    let names = || ports.iter().map(|port| &*port.name);
    names().position(|other| other == name).ok_or_else(|| {
        let hint = crate::suggest::closest(name, names());
        let hint = hint.map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
        format!("the model has no input \"{name}\"{hint}")
    })
}

/// Makes the inputs that the option `params` names parameters: `k` or `k=1.5`, separated by commas.
pub(crate) fn name_parameters(ports: &mut [Port], list: &str) -> Result<()> {
    for item in list
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        let (name, value) = match item.split_once('=') {
            None => (item, None),
            Some((name, value)) => (name.trim(), Some(value.trim())),
        };
        let given = value.map(|value| value.parse::<f64>().ok().filter(|value| value.is_finite()));
        if given == Some(None) {
            let message =
                format!("option \"params\": the initial value of \"{name}\" is no number");
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let port = find_port(ports, name).map_err(|message| {
            Error::new(ErrorKind::Argument, format!("option \"params\": {message}"))
        })?;
        match (&mut ports[port].kind, given.flatten()) {
            (PortKind::Parameter { initial, .. }, Some(value)) => *initial = value,
            (PortKind::Parameter { .. }, None) => {}
            (kind, value) => {
                *kind = PortKind::Parameter {
                    initial: value.unwrap_or(1.0),
                    lower: f64::NEG_INFINITY,
                    upper: f64::INFINITY,
                };
            }
        }
    }
    Ok(())
}
