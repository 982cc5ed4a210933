//! Networks that programs import: numeric graphs as procedures.
//!
//! A network is a function of the general graph like any other, written once however often it is called. Its weights are
//! ports, which every function can read: calls, closures and loops carry none of them.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result, Span};
use crate::graph::{
    Builder, Function, FunctionId, Graph, NodeId, NodeKind, Port, PortKind, RegionId, Type, flatten,
};
use crate::ops::Op;
use crate::syntax::ast::{Constant, Weight};

/// Where the networks come from that a program imports.
pub trait Networks {
    /// The numeric graph of the file that a program calls `file`.
    fn network(&self, file: &str) -> Result<Graph>;
}

/// A numeric graph without branches and loops, which a general graph can hold.
#[derive(Clone, Debug)]
pub struct Network {
    graph: Arc<Graph>,
}

impl Network {
    /// The network of a numeric graph. Of branches both arms are computed.
    ///
    /// # Errors
    /// `Unsupported` for a graph with loops or decompositions of matrices, and for one without outputs.
    pub fn new(graph: Graph) -> Result<Network> {
        let branches = |kind: &NodeKind| matches!(kind, NodeKind::If(..));
        let graph = match graph.nodes.iter().any(|node| branches(&node.kind)) {
            true => flatten(&graph),
            false => graph,
        };
        let straight = |kind: &NodeKind| {
            matches!(
                kind,
                NodeKind::Port(_) | NodeKind::Constant(_) | NodeKind::Op(_)
            )
        };
        let refuse = |what: &str| Err(Error::new(ErrorKind::Unsupported, what));
        if !graph.nodes.iter().all(|node| straight(&node.kind)) {
            return refuse(
                "it holds loops that hang on data, or decompositions of matrices, which cannot be imported: write that part in Scheme",
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
        let one = builder.constant(Constant::Real(1.0));
        let (mut arguments, mut weights) = (params.iter(), weights.iter());
        let mut given: Vec<NodeId> = Vec::with_capacity(graph.ports.len());
        for port in &graph.ports {
            let (kind, args, ty) = match port.kind {
                // a network computes in reals, whatever numbers it is called with
                PortKind::Input => {
                    let argument = arguments.next().copied().into_iter();
                    let args = argument.chain([one]).collect();
                    (NodeKind::Op(Op::Mul), args, Type::General)
                }
                PortKind::Parameter { .. } => {
                    let port = weights.next().map_or(0, |port| *port as u32);
                    (NodeKind::Port(port), vec![], Type::REAL)
                }
            };
            given.push(builder.push(kind, args, ty));
        }
        let mut map: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
        for node in &graph.nodes {
            map.push(match &node.kind {
                NodeKind::Port(port) => given[*port as usize],
                NodeKind::Constant(constant) => builder.constant(constant.clone()),
                kind => {
                    let args = node.args.iter().map(|arg| map[arg.index()]).collect();
                    builder.push(kind.clone(), args, Type::General)
                }
            });
        }
        let outputs = graph.outputs.iter().map(|output| map[output.node.index()]);
        let outputs: Vec<NodeId> = outputs.collect();
        let value = match outputs[..] {
            [one] => one,
            _ => builder.push(NodeKind::Op(Op::List), outputs, Type::General),
        };
        let body = builder.close_function(vec![value]);
        builder.function_mut(function).body = body;
        function
    }
}
