//! Where the values of an activation lie. The arms of a branch share their places, because only one is evaluated at a time, and
//! what it gives is kept elsewhere: an activation is as large as its largest path, however many arms its function has.

use crate::graph::{FunctionId, Graph, NodeId, NodeKind, RegionId};

/// The places of the nodes of a general graph.
pub struct Slots {
    /// For each node, its place in an activation.
    slot: Vec<u32>,
    /// How many places an activation of each function has.
    functions: Vec<usize>,
    /// How many the body of the graph has.
    body: usize,
}

impl Slots {
    /// Gives the nodes of `graph` their places.
    pub fn of(graph: &Graph) -> Slots {
        let mut slot = vec![0; graph.nodes.len()];
        let body = assign(graph, RegionId(0), &mut slot);
        let bodies = graph.functions.iter().map(|function| function.body);
        Slots {
            functions: bodies.map(|body| assign(graph, body, &mut slot)).collect(),
            slot,
            body,
        }
    }

    /// The place of a node.
    pub fn of_node(&self, node: NodeId) -> usize {
        self.slot[node.index()] as usize
    }

    /// How many places an activation of `function` has.
    pub fn in_function(&self, function: FunctionId) -> usize {
        self.functions[function.0 as usize]
    }

    /// How many the body of the graph has.
    pub fn in_body(&self) -> usize {
        self.body
    }
}

/// Gives the nodes of a body their places; how many there are.
fn assign(graph: &Graph, body: RegionId, slot: &mut [u32]) -> usize {
    let (mut size, mut open) = (0, vec![(body, 0)]);
    while let Some((region, first)) = open.pop() {
        let nodes = &graph.region(region).nodes;
        let behind = first + nodes.len();
        for (place, node) in (first..).zip(nodes) {
            slot[node.index()] = place as u32;
            if let NodeKind::If(then, otherwise) = graph.node(*node).kind {
                open.extend([(then, behind), (otherwise, behind)]);
            }
        }
        size = size.max(behind);
    }
    size
}
