//! Networks in general graphs: functions of numbers to numbers, with branches, loops and linear algebra of their own. A call
//! copies the function as a whole, as every pass over numeric graphs does.

use std::collections::HashMap;
use std::sync::Arc;

use super::machine::{Machine, fail};
use super::value::Val;
use crate::error::Result;
use crate::graph::{
    Arms, Copier, FunctionId, Graph, Node, NodeId, NodeKind, Output, Port, PortKind, Region,
    RegionId, Type, Value, verify_numeric,
};
use crate::ops::{Emit, Op, wording};

/// A function that computes numbers from numbers alone.
pub struct Numbers {
    /// What it computes. Its ports: the arguments of the function, then ports of the general graph.
    graph: Graph,
    /// Which ports of the general graph those are.
    ports: Vec<u32>,
    /// Whether its value is a list of the outputs; else it is the only one.
    list: bool,
}

impl Numbers {
    /// What `function` computes, if its body is numeric between the arguments, each made a real, and the list of its values.
    pub fn of(graph: &Graph, function: FunctionId) -> Option<Numbers> {
        let row = &graph.functions[function.0 as usize];
        if !row.captures.is_empty() || row.rest {
            return None;
        }
        let port = |name: &Arc<str>| Port {
            name: name.clone(),
            kind: PortKind::Input,
        };
        let mut taken = Taken {
            source: graph,
            params: &graph.region(row.body).params,
            graph: Graph {
                nodes: Vec::new(),
                regions: Vec::new(),
                functions: Vec::new(),
                ports: row.params.iter().map(port).collect(),
                outputs: Vec::new(),
                value: Value::Output(0),
            },
            map: HashMap::new(),
            ports: Vec::new(),
        };
        let result = graph.region(row.body).results[0];
        let (list, outputs) = match &graph.node(result) {
            Node {
                kind: NodeKind::Op(Op::List),
                args,
                ..
            } => (true, &args[..]),
            _ => (false, &[result][..]),
        };
        taken.regions(row.body)?;
        taken.close(outputs)?;
        verify_numeric(&taken.graph).ok()?;
        Some(Numbers {
            graph: taken.graph,
            ports: taken.ports,
            list,
        })
    }
}

/// A function on its way into a graph of its own.
struct Taken<'a> {
    source: &'a Graph,
    /// The parameters of the function.
    params: &'a [NodeId],
    graph: Graph,
    /// What the nodes of the source are.
    map: HashMap<NodeId, NodeId>,
    ports: Vec<u32>,
}

impl Taken<'_> {
    /// Takes the nodes of all regions of a body, in order.
    fn regions(&mut self, body: RegionId) -> Option<()> {
        let source = self.source;
        // a region is found before those in it, and the body first
        let (mut found, mut nodes) = (vec![body], Vec::new());
        let mut next = 0;
        while let Some(region) = found.get(next).copied() {
            next += 1;
            for node in &source.region(region).nodes {
                found.extend(source.regions_of(*node));
                nodes.push((*node, next - 1));
            }
        }
        let places: HashMap<RegionId, u32> = found.iter().copied().zip(0..).collect();
        self.graph.regions = vec![Region::default(); found.len()];
        nodes.sort_unstable();
        for (id, region) in nodes {
            if let Some(node) = self.node(id, &places)? {
                let copy = NodeId(self.graph.nodes.len() as u32);
                self.graph.nodes.push(node);
                self.graph.regions[region].nodes.push(copy);
                self.map.insert(id, copy);
            }
        }
        for (region, taken) in found.iter().zip(0..).skip(1) {
            let Region {
                params, results, ..
            } = source.region(*region);
            let (params, results) = (self.args(params)?, self.args(results)?);
            let region: &mut Region = &mut self.graph.regions[taken];
            (region.params, region.results) = (params, results);
        }
        Some(())
    }

    /// A node as it is in the graph of the function; nothing for what only makes the arguments and the value.
    fn node(&mut self, id: NodeId, places: &HashMap<RegionId, u32>) -> Option<Option<Node>> {
        let node = self.source.node(id);
        let kind = match &node.kind {
            NodeKind::RegionParam if self.params.contains(&id) => return Some(None),
            NodeKind::Constant(constant) if constant.as_real().is_none() => return Some(None),
            NodeKind::Op(Op::List) => return Some(None),
            NodeKind::Op(Op::NetworkInput) => {
                let place = self.params.iter().position(|param| *param == node.args[0]);
                return Some(Some(Node {
                    kind: NodeKind::Port(place? as u32),
                    args: vec![],
                    ty: Type::REAL,
                    span: node.span,
                }));
            }
            NodeKind::Port(port) => NodeKind::Port(self.port(*port)),
            NodeKind::If(then, otherwise) => {
                NodeKind::If(moved(places, then)?, moved(places, otherwise)?)
            }
            NodeKind::Loop(head, next) => {
                NodeKind::Loop(moved(places, head)?, moved(places, next)?)
            }
            NodeKind::RegionParam
            | NodeKind::Constant(_)
            | NodeKind::Op(_)
            | NodeKind::Linear(_)
            | NodeKind::Get(_) => node.kind.clone(),
            _ => return None,
        };
        // the nodes of programs have no types
        let numeric =
            node.ty != Type::General || matches!(kind, NodeKind::If(..) | NodeKind::Loop(..));
        numeric.then_some(())?;
        let args = self.args(&node.args)?;
        Some(Some(Node {
            kind,
            args,
            ty: node.ty,
            span: node.span,
        }))
    }

    fn args(&self, args: &[NodeId]) -> Option<Vec<NodeId>> {
        args.iter().map(|arg| self.map.get(arg).copied()).collect()
    }

    fn port(&mut self, port: u32) -> u32 {
        let own = self.params.len();
        let known = self.ports.iter().position(|known| *known == port);
        let place = known.unwrap_or_else(|| {
            self.graph.ports.push(Port {
                kind: PortKind::Input,
                ..self.source.ports[port as usize].clone()
            });
            self.ports.push(port);
            self.ports.len() - 1
        });
        (own + place) as u32
    }

    fn close(&mut self, outputs: &[NodeId]) -> Option<()> {
        let outputs = self.args(outputs)?;
        self.graph.outputs = outputs
            .iter()
            .enumerate()
            .map(|(i, node)| Output {
                name: Arc::from(format!("value.{i}")),
                node: *node,
            })
            .collect();
        self.graph.regions[0].results = outputs;
        Some(())
    }
}

/// A region as it is in the graph of the function.
fn moved(places: &HashMap<RegionId, u32>, region: &RegionId) -> Option<RegionId> {
    places.get(region).copied().map(RegionId)
}

impl Machine<'_> {
    /// Calls a network: its nodes, on these arguments.
    pub fn compute(
        &mut self,
        id: NodeId,
        function: FunctionId,
        network: &Numbers,
        args: &[Val],
    ) -> Result<()> {
        let graph = &network.graph;
        // what folds leaves no nodes to be counted
        self.steps = self.steps.saturating_add(graph.nodes.len());
        let row = &self.graph.functions[function.0 as usize];
        let mut given = Vec::with_capacity(graph.ports.len());
        for (input, value) in row.params.iter().zip(args) {
            let value = self.network_argument(&row.name, input, value)?;
            given.push(self.node(&value)?);
        }
        for port in &network.ports {
            let value = self.inputs[*port as usize].clone();
            given.push(self.node(&value)?);
        }
        let results: Vec<NodeId> = graph.outputs.iter().map(|output| output.node).collect();
        let copier = Copier::new(graph, RegionId(0), &results, Arms::Keep);
        let mut copier = copier.placed_at(self.span);
        for (node, place) in graph.nodes.iter().zip(0..) {
            if let NodeKind::Port(port) = node.kind {
                copier.set(NodeId(place), given[port as usize]);
            }
        }
        copier.nodes(&mut self.builder, RegionId(0));
        self.builder.span = self.span;
        let values: Vec<Val> = results
            .iter()
            .map(|node| self.value(copier.get(*node)))
            .collect();
        let value = match (network.list, &values[..]) {
            (false, [value]) => value.clone(),
            _ => self.heap.list(values, Val::nil()),
        };
        self.set(id, value);
        Ok(())
    }

    /// An argument of a network as a real, whatever number it is.
    pub fn network_argument(&mut self, network: &str, input: &str, value: &Val) -> Result<Val> {
        if !value.is_numeric() {
            let what = self.describe(value);
            return Err(fail(wording::network_argument(network, input, &what)));
        }
        let (node, one) = (self.node(value)?, self.builder.real(1.0));
        let node = self.builder.op(Op::Mul, &[node, one]);
        Ok(self.value(node))
    }
}
