//! What some results need.

use std::collections::HashMap;

use super::{Graph, NodeId, NodeKind};

/// The nodes that some results need.
pub struct Live {
    /// For each node, whether it is needed.
    pub nodes: Vec<bool>,
    /// For each live node of several values, which of them are needed: of a loop also those states that only others need.
    used: HashMap<NodeId, Vec<bool>>,
}

impl Live {
    /// What `results` need.
    pub fn of(graph: &Graph, results: &[NodeId]) -> Live {
        let mut search = Search {
            graph,
            live: Live {
                nodes: vec![false; graph.nodes.len()],
                used: HashMap::new(),
            },
            owners: owners(graph),
            open: Vec::new(),
        };
        search.run(results);
        search.live
    }

    /// Which values of a live node of several values are needed.
    pub fn used(&self, id: NodeId) -> &[bool] {
        self.used.get(&id).map_or(&[], |used| used)
    }

    /// Takes over from `outer` which values of a node are needed.
    pub fn inherit(&mut self, outer: &Live, id: NodeId) {
        if let Some(used) = outer.used.get(&id) {
            self.used.insert(id, used.clone());
        }
    }

    /// The items that belong to needed values.
    pub fn keep<T: Copy>(&self, id: NodeId, items: &[T]) -> Vec<T> {
        let pairs = items.iter().zip(self.used(id));
        pairs
            .filter(|(_, used)| **used)
            .map(|(item, _)| *item)
            .collect()
    }
}

/// For each parameter of a region, the loop or way back that it belongs to, and its place there.
fn owners(graph: &Graph) -> HashMap<NodeId, (NodeId, usize)> {
    let mut owners = HashMap::new();
    for (i, node) in graph.nodes.iter().enumerate() {
        let (NodeKind::Loop(region, _) | NodeKind::Reverse(region)) = node.kind else {
            continue;
        };
        let params = graph.region(region).params.iter().enumerate();
        owners.extend(params.map(|(place, param)| (*param, (NodeId(i as u32), place))));
    }
    owners
}

struct Search<'a> {
    graph: &'a Graph,
    live: Live,
    owners: HashMap<NodeId, (NodeId, usize)>,
    open: Vec<NodeId>,
}

impl Search<'_> {
    fn run(&mut self, results: &[NodeId]) {
        self.open.extend(results);
        while let Some(id) = self.open.pop() {
            if std::mem::replace(&mut self.live.nodes[id.index()], true) {
                continue;
            }
            let node = self.graph.node(id);
            match node.kind {
                NodeKind::Get(index) => self.value(node.args[0], index as usize),
                NodeKind::If(..) => self.open.push(node.args[0]),
                NodeKind::Loop(head, _) => self.open.extend(&self.graph.region(head).results),
                NodeKind::Reverse(_) => self.open.push(node.args[0]),
                NodeKind::RegionParam => match self.owners.get(&id).copied() {
                    Some((of, place)) => self.param(of, place),
                    None => continue,
                },
                _ => self.open.extend(&node.args),
            }
        }
    }

    /// A parameter of a loop is one of its states; one of a way back a state of its loop, or a carry.
    fn param(&mut self, of: NodeId, place: usize) {
        let node = self.graph.node(of);
        match node.kind {
            NodeKind::Reverse(_) => {
                let states = self.graph.node(node.args[0]).args.len();
                match place.checked_sub(states) {
                    None => self.value(node.args[0], place),
                    Some(carry) => self.value(of, carry),
                }
            }
            _ => self.value(of, place),
        }
    }

    /// Value `index` of the node `id` is needed.
    fn value(&mut self, id: NodeId, index: usize) {
        self.open.push(id);
        let graph = self.graph;
        let node = graph.node(id);
        let count = match node.kind {
            NodeKind::If(then, _) => graph.region(then).results.len(),
            NodeKind::Loop(..) => node.args.len(),
            NodeKind::Linear(linear) => linear.values(),
            _ => node.args.len() - 1,
        };
        let used = self.live.used.entry(id).or_default();
        used.resize(count, false);
        if std::mem::replace(&mut used[index], true) {
            return;
        }
        match node.kind {
            NodeKind::If(then, otherwise) => {
                let results = |region| graph.region(region).results[index];
                self.open.extend([results(then), results(otherwise)]);
            }
            NodeKind::Loop(_, next) => {
                let next = graph.region(next).results[index];
                self.open.extend([node.args[index], next]);
            }
            NodeKind::Reverse(back) => {
                let next = graph.region(back).results[index];
                self.open.extend([node.args[index + 1], next]);
            }
            _ => {}
        }
    }
}
