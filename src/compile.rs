//! The pipeline: source text to the graphs of a model, stage by stage.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use crate::anf::{self, Anf};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Port, PortKind, bind, simplify, verify, verify_numeric};
use crate::lower::lower;
use crate::network::{Network, Networks};
use crate::ops::SoftChoice;
use crate::options::Options;
use crate::specialize::{Limits, specialize};
use crate::syntax::ast::{Program, Weight};
use crate::syntax::datum::Datum;
use crate::syntax::literals::declare_literals;
use crate::syntax::{expand, reader};
use crate::warn::{Warning, warnings};

/// A source text, and where the networks come from that it imports. A text alone has none: what reads files is
/// [`document::compile`](crate::document::compile).
#[derive(Clone, Copy)]
pub struct Text<'a> {
    /// The source text.
    pub source: &'a str,
    /// What its imports mean.
    pub networks: &'a dyn Networks,
}

impl<'a, S: AsRef<str> + ?Sized> From<&'a S> for Text<'a> {
    fn from(source: &'a S) -> Text<'a> {
        Text {
            source: source.as_ref(),
            networks: &NoNetworks,
        }
    }
}

struct NoNetworks;

impl Networks for NoNetworks {
    fn network(&self, _: &str) -> Result<Graph> {
        let message = "this text is compiled without access to files";
        Err(Error::new(ErrorKind::Unsupported, message))
    }
}

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

/// What the stages make of a source text that do not depend on what its structure hangs on.
#[derive(Clone, Debug)]
pub struct Front {
    /// The core AST.
    pub ast: Program,
    /// A-normal form.
    pub anf: Anf,
    /// The general graph.
    pub general: Graph,
}

/// A general graph that is made when it is first looked at.
pub type General = Arc<LazyLock<Graph, Box<dyn FnOnce() -> Graph + Send>>>;

fn general(graph: Graph) -> General {
    Arc::new(LazyLock::new(Box::new(move || graph)))
}

/// A compiled model: immutable, shared freely between threads.
#[derive(Clone, Debug)]
pub struct Model {
    /// The text that it was compiled from, if it is known.
    pub source: Option<Arc<str>>,
    /// The numeric graph; of a program whose structure hangs on data, which has none, the general graph.
    pub graph: Graph,
    /// The general graph, if the model was made from one.
    pub general: Option<General>,
    /// Why there is no numeric graph, if there is none.
    pub refusal: Option<Arc<Error>>,
    /// What a fit found, as JSON text: estimates, errors, stop reason.
    pub fit: Option<Arc<str>>,
}

/// Models are equal that compute the same, whatever they were made from.
impl PartialEq for Model {
    fn eq(&self, other: &Model) -> bool {
        (&self.source, &self.graph, &self.fit) == (&other.source, &other.graph, &other.fit)
    }
}

impl Model {
    /// Compiles a source text. Errors carry their place in it.
    pub fn compile<'a>(text: impl Into<Text<'a>>, options: &Options) -> Result<Model> {
        let text = text.into();
        let source = text.source;
        let Front { general, .. } = front(text, options)?;
        let numeric = specialize(&general, limits(options));
        let numeric = numeric.map_err(|error| error.locate(source));
        let (graph, refusal) = numeric_or_general(numeric, &general)?;
        Ok(Model {
            source: Some(Arc::from(source)),
            graph,
            general: Some(self::general(general)),
            refusal,
            fit: None,
        })
    }

    /// The model of a graph that a reader made, general or numeric.
    pub fn from_graph(graph: &Graph, source: Option<Arc<str>>, options: &Options) -> Result<Model> {
        let graph = settle_ports(graph.clone(), options)?;
        // what is numeric already has nothing to specialise
        if verify_numeric(&graph).is_ok() {
            return Ok(Model {
                source,
                graph: simplify(&graph),
                general: None,
                refusal: None,
                fit: None,
            });
        }
        if is_interpreter(&graph) {
            return Ok(Model::interpreter(graph, source));
        }
        let numeric = specialize(&graph, limits(options));
        let (numeric, refusal) = numeric_or_general(numeric, &graph)?;
        Ok(Model {
            source,
            graph: numeric,
            general: Some(general(graph)),
            refusal,
            fit: None,
        })
    }

    /// What in the model is allowed but hardly meant, each with its place where that is known.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = warnings(&self.graph);
        if let Some(source) = &self.source {
            let located = warnings.iter_mut();
            located.for_each(|warning| warning.locate(source));
        }
        warnings
    }

    /// Refuses an interpreter, which waits for a program.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn check_bound(&self) -> Result<()> {
        match &self.refusal {
            Some(refusal) if is_interpreter(&self.graph) => Err((**refusal).clone()),
            _ => Ok(()),
        }
    }

    /// The model of an interpreter, which waits for a program.
    pub fn interpreter(graph: Graph, source: Option<Arc<str>>) -> Model {
        let message = "an interpreter runs nothing before a program is bound to it";
        Model {
            source,
            general: Some(general(graph.clone())),
            graph,
            refusal: Some(Arc::new(Error::new(ErrorKind::Unsupported, message))),
            fit: None,
        }
    }

    /// The program as it was written: the general graph, if the model was made from one.
    pub fn literal(&self) -> &Graph {
        self.general.as_ref().map_or(&self.graph, |general| general)
    }

    /// Whether the graph is numeric: every engine runs it, and it can be exported. Else only the tagged engine runs it.
    pub fn is_numeric(&self) -> bool {
        self.refusal.is_none()
    }

    /// Refuses a model that is not numeric for `what`, which needs one that is.
    ///
    /// # Errors
    /// `Unsupported`, with the reason why there is no numeric graph.
    pub fn check_numeric(&self, what: &str) -> Result<()> {
        let Some(refusal) = &self.refusal else {
            return Ok(());
        };
        let message = format!(
            "{what} needs a numeric graph, which the model does not have: {}; engine=tagged runs it as it is",
            refusal.message
        );
        Err(Error {
            message,
            ..(**refusal).clone()
        })
    }
}

/// The numeric graph; the general one, with the reason, where the structure of the program hangs on data.
fn numeric_or_general(
    numeric: Result<Graph>,
    general: &Graph,
) -> Result<(Graph, Option<Arc<Error>>)> {
    match numeric {
        Ok(graph) => {
            verify_numeric(&graph)?;
            Ok((graph, None))
        }
        Err(error) if error.kind == ErrorKind::Unsupported => {
            Ok((general.clone(), Some(Arc::new(error))))
        }
        Err(error) => Err(error),
    }
}

/// Whether a graph has the inputs of an interpreter: `program` and `env`.
pub fn is_interpreter(graph: &Graph) -> bool {
    let mut names: Vec<&str> = graph.ports.iter().map(|port| &*port.name).collect();
    names.sort_unstable();
    names == ["env", "program"] && verify_numeric(graph).is_err()
}

/// The program of a source text, checked.
pub(crate) struct Checked {
    /// Its core AST.
    pub ast: Program,
    /// Its A-normal form.
    pub anf: Anf,
    /// The networks that it imports.
    pub networks: Vec<Network>,
}

pub(crate) fn program(text: Text, options: &Options) -> Result<Checked> {
    let data = reader::read(text.source, reader::Limits::default())?;
    let networks = networks(&data, text.networks, options)?;
    let weights: Vec<Vec<Weight>> = networks.iter().map(Network::weights).collect();
    let mut ast = expand::expand(&data, weights)?;
    declare_literals(&mut ast, options.str("literals"))?;
    let anf = anf::normalize(&ast)?;
    Ok(Checked { ast, anf, networks })
}

/// The networks that a program imports, in order. Together they have no more nodes than a graph may have.
fn networks(data: &[Datum], from: &dyn Networks, options: &Options) -> Result<Vec<Network>> {
    let (mut networks, mut size) = (Vec::new(), 0);
    for import in expand::imports(data)? {
        let network = from.network(&import.file).and_then(Network::new);
        let network = network.and_then(|network| {
            size += network.size();
            let limit = limits(options).nodes;
            if size > limit {
                let message = format!(
                    "the imports of the program have more than {limit} nodes; raise the option max_nodes, or make the networks \
                     smaller: every number of a tensor is a node"
                );
                return Err(Error::new(ErrorKind::Limit, message));
            }
            Ok(network)
        });
        networks.push(network.map_err(|error| {
            Error {
                message: format!("cannot import {:?}: {}", import.file, error.message),
                ..error
            }
            .at(import.span)
        })?);
    }
    Ok(networks)
}

/// Compiles `source`, keeping what each stage makes. Errors carry their place in the source.
///
/// # Errors
/// `Unsupported` for a program that has no numeric graph, and those of [`front`].
pub fn stages<'a>(text: impl Into<Text<'a>>, options: &Options) -> Result<Stages> {
    let text = text.into();
    let Front { ast, anf, general } = front(text, options)?;
    let numeric = specialize(&general, limits(options));
    let numeric = numeric.map_err(|error| error.locate(text.source))?;
    verify_numeric(&numeric)?;
    Ok(Stages {
        ast,
        anf,
        general,
        numeric,
    })
}

/// Compiles `source` as far as its general graph. Errors carry their place in the source.
///
/// # Errors
/// `Parse` and `Compile` for what the text does wrong, `Argument` for parameters that it does not have.
pub fn front<'a>(text: impl Into<Text<'a>>, options: &Options) -> Result<Front> {
    let text = text.into();
    let stages = || {
        let Checked { ast, anf, networks } = program(text, options)?;
        let general = settle_ports(lower(&anf, &networks)?, options)?;
        verify(&general)?;
        Ok(Front { ast, anf, general })
    };
    stages().map_err(|error: Error| error.locate(text.source))
}

pub(crate) fn limits(options: &Options) -> Limits {
    Limits {
        depth: options.int("max_depth") as usize,
        nodes: options.int("max_nodes") as usize,
        soft_choice: SoftChoice::of(options),
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
    let mut given_values = BTreeSet::new();
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
        if given.is_some() && !given_values.insert(port) {
            let message = format!("option \"params\": \"{name}\" is given two values");
            return Err(Error::new(ErrorKind::Argument, message));
        }
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
