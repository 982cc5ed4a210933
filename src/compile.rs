//! The pipeline: source text to the graphs of a model, stage by stage.

use std::sync::Arc;

use crate::anf::{self, Anf};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, PortKind, simplify, verify, verify_numeric};
use crate::lower::lower;
use crate::options::Options;
use crate::specialize::{Limits, specialize};
use crate::syntax::ast::Program;
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
        // what is numeric already has nothing to specialise
        let graph = match verify_numeric(graph) {
            Ok(()) => simplify(graph),
            Err(_) => specialize(graph, limits(options))?,
        };
        verify_numeric(&graph)?;
        let mut model = Model {
            source,
            graph,
            fit: None,
        };
        name_parameters(&mut model.graph, options.str("params"))?;
        Ok(model)
    }
}

/// Compiles `source`, keeping what each stage makes. Errors carry their place in the source.
pub fn stages(source: &str, options: &Options) -> Result<Stages> {
    compile_stages(source, options).map_err(|error| error.locate(source))
}

fn compile_stages(source: &str, options: &Options) -> Result<Stages> {
    let data = reader::read(source, reader::Limits::default())?;
    let ast = expand::expand(&data)?;
    let anf = anf::normalize(&ast)?;
    let mut general = lower(&anf)?;
    name_parameters(&mut general, options.str("params"))?;
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

fn limits(options: &Options) -> Limits {
    Limits {
        depth: options.int("max_depth") as usize,
        nodes: options.int("max_nodes") as usize,
        ..Limits::default()
    }
}

/// Makes the inputs that the option `params` names parameters: `k` or `k=1.5`, separated by commas.
pub(crate) fn name_parameters(graph: &mut Graph, list: &str) -> Result<()> {
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
        let Some(port) = graph.ports.iter_mut().find(|port| &*port.name == name) else {
            let names = graph.ports.iter().map(|port| &*port.name);
            let hint = crate::suggest::closest(name, names);
            let hint = hint.map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
            let message = format!("option \"params\": the model has no input \"{name}\"{hint}");
            return Err(Error::new(ErrorKind::Argument, message));
        };
        match (&mut port.kind, given.flatten()) {
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
