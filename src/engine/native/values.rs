//! A numeric graph as a list of values: straight-line, each operation of at most three arguments, with what the planner
//! needs to know of each.

use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, NodeKind, flatten, write_out};
use crate::ops::{MAX_WRITTEN_SIDE, Op};

/// Where a value comes from. Arguments are indices of values that stand before.
#[derive(Clone, Debug)]
pub enum Source {
    Constant(f64),
    Parameter(usize),
    Input(usize),
    Count,
    Sum(usize),
    Op(Op, Vec<usize>),
}

/// A value of the graph.
#[derive(Clone, Debug)]
pub struct Value {
    /// Where it comes from.
    pub source: Source,
    /// Whether it differs from sample to sample.
    pub batched: bool,
    /// How many passes over the samples have to be over before it can be computed.
    pub depth: usize,
}

/// The values of a graph.
pub struct Values {
    /// All of them, arguments before users.
    pub list: Vec<Value>,
    /// Those that the outputs give, in order.
    pub outputs: Vec<usize>,
}

impl Values {
    /// The values of `graph`, with both arms of each `if` computed.
    pub fn of(graph: &Graph) -> Result<Values> {
        let graph = flatten(&write_out(graph, MAX_WRITTEN_SIDE));
        let mut values = Values {
            list: Vec::new(),
            outputs: Vec::new(),
        };
        let mut ids = vec![usize::MAX; graph.nodes.len()];
        for (i, node) in graph.nodes.iter().enumerate() {
            let args: Vec<usize> = node.args.iter().map(|arg| ids[arg.index()]).collect();
            ids[i] = match &node.kind {
                NodeKind::Constant(value) => {
                    let value = value.as_real().ok_or_else(not_numeric)?;
                    values.push(Source::Constant(value))
                }
                NodeKind::Port(port) => {
                    let port = *port as usize;
                    values.push(match graph.ports[port].is_parameter() {
                        true => Source::Parameter(port),
                        false => Source::Input(port),
                    })
                }
                NodeKind::Op(Op::BatchCount) => values.push(Source::Count),
                NodeKind::Op(Op::BatchSum) => values.push(Source::Sum(args[0])),
                NodeKind::Op(op @ (Op::Min | Op::Max)) => {
                    let pairs = args.into_iter();
                    let folded = pairs.reduce(|a, b| values.push(Source::Op(*op, vec![a, b])));
                    folded.ok_or_else(not_numeric)?
                }
                NodeKind::Op(op) => values.push(Source::Op(*op, args)),
                _ => return Err(not_numeric()),
            };
        }
        values.outputs = graph
            .outputs
            .iter()
            .map(|output| ids[output.node.index()])
            .collect();
        Ok(values)
    }

    fn push(&mut self, source: Source) -> usize {
        let (batched, depth) = match &source {
            Source::Constant(_) | Source::Parameter(_) | Source::Count => (false, 0),
            Source::Input(_) => (true, 0),
            Source::Sum(arg) => (false, self.list[*arg].depth + 1),
            Source::Op(_, args) => {
                let args = || args.iter().map(|arg| &self.list[*arg]);
                (
                    args().any(|arg| arg.batched),
                    args().map(|arg| arg.depth).max().unwrap_or(0),
                )
            }
        };
        self.list.push(Value {
            source,
            batched,
            depth,
        });
        self.list.len() - 1
    }

    /// The operation and arguments of a value that has to be computed sample by sample.
    pub fn batched_op(&self, value: usize) -> Option<(Op, &[usize])> {
        match &self.list[value].source {
            Source::Op(op, args) if self.list[value].batched => Some((*op, args)),
            _ => None,
        }
    }
}

fn not_numeric() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the native engine runs numeric graphs only",
    )
}
