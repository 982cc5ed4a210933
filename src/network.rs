//! Networks that programs import: numeric graphs as procedures.
//!
//! A network is a function of the general graph like any other, written once however often it is called. Its weights are
//! ports, which every function can read: calls, closures and loops carry none of them. Branches, loops and linear algebra of
//! the network stay what they are.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result, Span};
use crate::graph::{
    Arms, Builder, Copier, Function, FunctionId, Graph, Linear, NodeId, NodeKind, Port, PortKind,
    RegionId, Type, verify_numeric,
};
use crate::ops::Op;
use crate::syntax::ast::{Constant, Weight};

/// Where the networks come from that a program imports.
pub trait Networks {
    /// The numeric graph of the file that a program calls `file`.
    fn network(&self, file: &str) -> Result<Graph>;
}

/// A numeric graph that a general graph can hold.
#[derive(Clone, Debug)]
pub struct Network {
    graph: Arc<Graph>,
}

impl Network {
    /// The network of a numeric graph.
    ///
    /// # Errors
    /// `Format` for a graph that is not numeric; `Unsupported` for a part of a derivative or of a sum over a batch, and for a
    /// graph without outputs.
    pub fn new(graph: Graph) -> Result<Network> {
        verify_numeric(&graph)?;
        let refuse = |what: &str| Err(Error::new(ErrorKind::Unsupported, what));
        let whole = |kind: &NodeKind| {
            matches!(
                kind,
                NodeKind::Reverse(_)
                    | NodeKind::Linear(Linear::Cofactors { .. })
                    | NodeKind::Op(Op::BatchSum | Op::BatchCount)
            )
        };
        if graph.nodes.iter().any(|node| whole(&node.kind)) {
            return refuse(
                "it holds a derivative, or works on all samples at once, and cannot be called for one: import the network itself",
            );
        }
        if graph.outputs.is_empty() {
            return refuse("it has no output");
        }
        Ok(Network {
            graph: Arc::new(graph),
        })
    }

    /// How many nodes it has.
    pub fn size(&self) -> usize {
        self.graph.nodes.len()
    }

    /// Its inputs: the arguments of the procedure.
    pub fn inputs(&self) -> impl Iterator<Item = &Port> {
        self.graph.ports.iter().filter(|port| !port.is_parameter())
    }

    /// Its parameters, in order.
    pub fn weights(&self) -> Vec<Weight> {
        let weights = self.graph.ports.iter().filter_map(|port| match port.kind {
            PortKind::Input => None,
            PortKind::Parameter {
                initial,
                lower,
                upper,
            } => Some(Weight {
                name: port.name.clone(),
                initial,
                lower,
                upper,
            }),
        });
        weights.collect()
    }

    /// Adds the network to a general graph whose ports `weights` are its parameters. The value of the function is a number; a
    /// list where the network has several outputs.
    pub fn define(&self, builder: &mut Builder, name: &Arc<str>, weights: &[usize]) -> FunctionId {
        let graph = &*self.graph;
        let inputs: Vec<Arc<str>> = self.inputs().map(|port| port.name.clone()).collect();
        let function = builder.function(Function {
            name: name.clone(),
            captures: Vec::new(),
            params: inputs.clone(),
            rest: false,
            body: RegionId(0),
        });
        let params = builder.open_function(inputs.len());
        // what has no place of its own counts to the place of the call
        builder.span = Span::default();
        let called = builder.constant(Constant::Symbol(name.clone()));
        let (mut arguments, mut weights) = (params.iter().zip(&inputs), weights.iter());
        let results: Vec<NodeId> = graph.outputs.iter().map(|output| output.node).collect();
        let mut copier = Copier::new(graph, RegionId(0), &results, Arms::Keep);
        let mut given: Vec<NodeId> = Vec::with_capacity(graph.ports.len());
        for port in &graph.ports {
            given.push(match port.kind {
                PortKind::Input => {
                    let (argument, input) = arguments.next().unzip();
                    let input = input.cloned().unwrap_or_default();
                    let input = builder.constant(Constant::Symbol(input));
                    let args = argument.copied().into_iter().chain([called, input]);
                    // a network computes in reals, whatever numbers it is called with
                    let kind = NodeKind::Op(Op::NetworkInput);
                    builder.push(kind, args.collect(), Type::REAL)
                }
                PortKind::Parameter { .. } => {
                    let port = weights.next().map_or(0, |port| *port as u32);
                    builder.push(NodeKind::Port(port), vec![], Type::REAL)
                }
            });
        }
        for (node, place) in graph.nodes.iter().zip(0..) {
            if let NodeKind::Port(port) = node.kind {
                copier.set(NodeId(place), given[port as usize]);
            }
        }
        copier.nodes(builder, RegionId(0));
        let outputs: Vec<NodeId> = results.iter().map(|node| copier.get(*node)).collect();
        let value = match outputs[..] {
            [one] => one,
            _ => builder.push(NodeKind::Op(Op::List), outputs, Type::General),
        };
        let body = builder.close_function(vec![value]);
        builder.function_mut(function).body = body;
        function
    }
}
