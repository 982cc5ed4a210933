//! The interpreter: `bootstrap/interpreter.scm` compiled once to a general graph with the inputs `program` and `env`, and
//! programs bound to it as data.

mod bound;
mod choice;
mod encode;
mod order;

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use crate::compile::{self, Checked, General, Model, Text};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Builder, FunctionId, Graph, Port, PortKind, verify, verify_numeric};
use crate::lower::lower;
use crate::network::Network;
use crate::ops::SoftChoice;
use crate::options::Options;
use crate::specialize::{Given, Limits, Prepared, specialize_on};
use crate::syntax::ast::{Constant, Program};
use crate::syntax::datum::Datum;
use crate::syntax::reader;
use bound::bind_inputs;

/// The source text of the interpreter.
pub const SOURCE: &str = include_str!("../../bootstrap/interpreter.scm");

/// A procedure of this name tells that an interpreter takes programs of the core language.
const CORE: &str = "interpret-core";

/// How much deeper and longer an interpreted program runs than a compiled one.
const INTERPRETATION: usize = 16;

/// An interpreter that programs can be bound to. Copies share what is prepared.
#[derive(Clone)]
pub struct Interpreter {
    prepared: Arc<Prepared>,
    /// Whether it takes programs whose sugar is expanded; else it is given the forms of the source.
    core: bool,
    /// What the ports behind `program` and `env` are given: the weights of networks.
    weights: Arc<[Given]>,
}

impl Interpreter {
    /// The interpreter of a graph with the inputs `program` and `env`.
    pub fn new(graph: Graph) -> Result<Interpreter> {
        if !compile::is_interpreter(&graph) {
            let message =
                "this graph is no interpreter: its inputs are not \"program\" and \"env\"";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        verify(&graph)?;
        Ok(Interpreter {
            core: graph.functions.iter().any(|f| &*f.name == CORE),
            prepared: Arc::new(Prepared::new(graph)),
            weights: Arc::from([]),
        })
    }

    /// The same interpreter beside the networks that a program imports: their names, and what their weights are given. Their
    /// functions stand behind its own.
    fn beside(&self, networks: &[(Arc<str>, &Network, Vec<Given>)]) -> Interpreter {
        if networks.is_empty() {
            return self.clone();
        }
        let mut graph = self.graph().clone();
        let (mut weights, mut places) = (self.weights.to_vec(), Vec::new());
        for (name, network, given) in networks {
            let first = graph.ports.len();
            places.push((first..first + given.len()).collect::<Vec<usize>>());
            weights.extend_from_slice(given);
            graph
                .ports
                .extend(network.weights().into_iter().map(|weight| Port {
                    name: Arc::from(format!("{name}.{}", weight.name)),
                    kind: PortKind::Input,
                }));
        }
        let (outputs, value) = (graph.outputs.clone(), graph.value.clone());
        let mut builder = Builder::resume(graph);
        for ((name, network, _), places) in networks.iter().zip(&places) {
            network.define(&mut builder, name, places);
        }
        Interpreter {
            core: self.core,
            prepared: Arc::new(Prepared::new(builder.finish(outputs, value))),
            weights: weights.into(),
        }
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        self.prepared.graph()
    }

    /// The interpreter as a model: it runs nothing before a program is bound to it.
    pub fn model(&self) -> Model {
        Model::interpreter(self.graph().clone(), self.core.then(|| Arc::from(SOURCE)))
    }

    /// The numeric graph of the interpreter on a program and an environment. A name of the environment means what it is
    /// given.
    pub fn specialize(
        &self,
        program: &Constant,
        env: &[(Arc<str>, Given)],
        ports: &[Port],
        limits: Limits,
    ) -> Result<Graph> {
        let limits = Limits {
            depth: limits.depth.saturating_mul(INTERPRETATION),
            steps: limits.steps.saturating_mul(INTERPRETATION),
            pairs: limits.pairs.saturating_mul(INTERPRETATION),
            interpreter: true,
            ..limits
        };
        let graph = specialize_on(&self.prepared, ports, &self.given(program, env), limits)?;
        verify_numeric(&graph)?;
        Ok(graph)
    }

    /// The interpreter with a program and an environment in place of its inputs, as it is.
    pub fn apply(&self, program: &Constant, env: &[(Arc<str>, Given)], ports: &[Port]) -> Graph {
        bind_inputs(self.graph(), ports, &self.given(program, env))
    }

    fn given(&self, program: &Constant, env: &[(Arc<str>, Given)]) -> Vec<Given> {
        let ports = self.graph().ports.iter();
        let own = ports.len() - self.weights.len();
        let given = ports.take(own).map(|port| match &*port.name {
            "program" => Given::Constant(program.clone()),
            _ => Given::Association(env.to_vec()),
        });
        given.chain(self.weights.iter().cloned()).collect()
    }
}

static OWN: LazyLock<Result<Interpreter>> = LazyLock::new(|| compile_interpreter(SOURCE));

/// The interpreter of this library: compiled once, when it is first asked for.
pub fn interpreter() -> Result<&'static Interpreter> {
    OWN.as_ref().map_err(Clone::clone)
}

/// Compiles the source text of an interpreter, whose inputs are `program` and `env`.
pub fn compile_interpreter(source: &str) -> Result<Interpreter> {
    let graph = || {
        let Checked { anf, networks, .. } = compile::program(source.into(), &Options::new())?;
        let mut graph = lower(&anf, &networks)?;
        // places in the text of an interpreter say nothing about a program
        for node in &mut graph.nodes {
            node.span = Default::default();
        }
        Interpreter::new(graph)
    };
    graph().map_err(|error: Error| error.locate(source))
}

/// A program as data, and what its free names mean.
pub struct Bound {
    /// The interpreter, beside the networks that the program imports.
    pub interpreter: Interpreter,
    /// The forms of the program.
    pub program: Constant,
    /// What its inputs and parameters are.
    pub env: Vec<(Arc<str>, Given)>,
    /// The ports of the model.
    pub ports: Vec<Port>,
}

/// Reads a program for `interpreter`. Its free names become inputs; its declarations and the settings `params`, `bind` and
/// `literals` are honoured.
pub fn read_program<'a>(
    interpreter: &Interpreter,
    text: impl Into<Text<'a>>,
    options: &Options,
) -> Result<Bound> {
    let text = text.into();
    let read = || {
        let Checked { ast, anf, networks } = compile::program(text, options)?;
        let mut ports = anf.ports;
        compile::name_parameters(&mut ports, options.str("params"))?;
        let values = compile::bindings(&ports, options.str("bind"))?;
        let (mut kept, mut given) = (Vec::new(), Vec::new());
        for (index, port) in ports.iter().enumerate() {
            given.push(match values.iter().find(|(bound, _)| *bound == index) {
                Some((_, value)) => Given::Constant(Constant::Int(*value)),
                None => {
                    kept.push(port.clone());
                    Given::Port(kept.len() - 1)
                }
            });
        }
        let mut env = Vec::new();
        let (program, mentioned) = match interpreter.core {
            true => {
                let encoded = encode::encode(&ast, &SoftChoice::of(options))?;
                let named = encoded.internal.into_iter();
                env.extend(named.map(|op| (choice::internal_name(op), Given::Primitive(op))));
                (encoded.program, Some(encoded.declared))
            }
            false => (forms(&ast, text.source, options)?, None),
        };
        // a search in the environment should not pass all weights of a network
        let weights = anf.imports.iter().flat_map(|import| &import.weights);
        let weights: HashSet<usize> = weights.copied().collect();
        let named = |port: usize| {
            let mentioned = mentioned.as_ref();
            !weights.contains(&port) || mentioned.is_none_or(|names| names.contains(&port))
        };
        let names = ports.iter().zip(&given).enumerate();
        let names = names.filter(|(index, _)| named(*index));
        let mut own: Vec<(Arc<str>, Given)> = names
            .map(|(_, (port, given))| (port.name.clone(), given.clone()))
            .collect();
        own.append(&mut env);
        let first = interpreter.graph().functions.len();
        let mut beside = Vec::new();
        for (index, (import, network)) in anf.imports.iter().zip(&networks).enumerate() {
            let function = Given::Function(FunctionId((first + index) as u32));
            let name = match interpreter.core {
                true => encode::imported_name(&import.name),
                false => import.name.clone(),
            };
            own.push((name, function));
            let weights = import.weights.iter().map(|port| given[*port].clone());
            beside.push((import.name.clone(), network, weights.collect()));
        }
        Ok(Bound {
            interpreter: interpreter.beside(&beside),
            program,
            env: own,
            ports: kept,
        })
    };
    read().map_err(|error: Error| error.locate(text.source))
}

/// The forms of a source text as they are written, but for its declarations.
fn forms(ast: &Program, source: &str, options: &Options) -> Result<Constant> {
    if !options.str("literals").is_empty() {
        let message =
            "option \"literals\": this interpreter takes the forms of the source as they are";
        return Err(Error::new(ErrorKind::Argument, message));
    }
    let data = reader::read(source, reader::Limits::default())?;
    let declares = |datum: &&Datum| {
        let form = |head: &str| datum.form(head).is_some();
        !ast.declarations.is_empty() && (form("input") || form("parameter"))
            || !ast.imports.is_empty() && form("import")
    };
    let forms = data.iter().filter(|datum| !declares(datum));
    Ok(Constant::List(forms.map(Constant::quote).collect(), None))
}

/// The model of a program that `interpreter` interprets: specialised to it where its structure does not hang on data, else
/// the interpreter as it is with the program bound to it. Errors of the program carry their place in the source.
pub fn bind_program<'a>(
    interpreter: &Interpreter,
    text: impl Into<Text<'a>>,
    options: &Options,
) -> Result<Model> {
    let text = text.into();
    let source = text.source;
    let Bound {
        interpreter,
        program,
        env,
        ports,
    } = read_program(interpreter, text, options)?;
    let numeric = interpreter.specialize(&program, &env, &ports, compile::limits(options));
    let general: General = Arc::new(LazyLock::new(Box::new(move || {
        interpreter.apply(&program, &env, &ports)
    })));
    let (graph, refusal) = match numeric {
        Ok(graph) => (graph, None),
        Err(error) if error.kind == ErrorKind::Unsupported => {
            ((**general).clone(), Some(Arc::new(error)))
        }
        Err(error) => return Err(error.locate(source)),
    };
    Ok(Model {
        source: Some(Arc::from(source)),
        graph,
        general: Some(general),
        refusal,
        fit: None,
    })
}
