//! Copies the live part of a numeric graph into a builder, which shares and folds on the way. Passes that rewrite graphs
//! are written around it.

use std::collections::HashMap;

use super::{Builder, Graph, NodeId, NodeKind, Output, RegionId};
use crate::ops::{Emit, Op};

/// What becomes of an `if` whose test is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arms {
    /// It stays an `if`.
    Keep,
    /// Both arms are computed and their results selected.
    Select,
}

/// A copy in progress from one graph to a builder.
pub struct Copier<'a> {
    source: &'a Graph,
    arms: Arms,
    live: Live,
    /// The live nodes of each region, once each stands where all its uses are.
    schedule: Vec<Vec<NodeId>>,
    map: Vec<Option<NodeId>>,
    values: HashMap<NodeId, Vec<NodeId>>,
}

impl<'a> Copier<'a> {
    /// A copy of what `results`, seen from `region`, need. The caller maps what stands outside and the ports, with
    /// [`Copier::set`].
    pub fn new(source: &'a Graph, region: RegionId, results: &[NodeId], arms: Arms) -> Copier<'a> {
        let live = Live::of(source, results);
        Copier {
            source,
            arms,
            schedule: schedule(source, region, results, &live),
            live,
            map: vec![None; source.nodes.len()],
            values: HashMap::new(),
        }
    }

    /// Says what a node of the source is in the copy.
    pub fn set(&mut self, node: NodeId, copy: NodeId) {
        self.map[node.index()] = Some(copy);
    }

    /// What a node of the source is in the copy, if it has been copied.
    pub fn find(&self, node: NodeId) -> Option<NodeId> {
        self.map[node.index()]
    }

    /// What a node of the source, which verification puts before its users, is in the copy.
    pub fn get(&self, node: NodeId) -> NodeId {
        self.map[node.index()].expect("arguments stand before their users")
    }

    /// Whether the results need this node.
    pub fn is_live(&self, node: NodeId) -> bool {
        self.live.nodes[node.index()]
    }

    /// Copies the live nodes of a region into the innermost open region.
    pub fn nodes(&mut self, builder: &mut Builder, region: RegionId) {
        for id in std::mem::take(&mut self.schedule[region.0 as usize]) {
            if self.map[id.index()].is_none() {
                self.node(builder, id);
            }
        }
    }

    fn node(&mut self, builder: &mut Builder, id: NodeId) {
        let node = self.source.node(id);
        builder.span = node.span;
        let args: Vec<NodeId> = match node.kind {
            NodeKind::Get(_) => vec![],
            _ => node.args.iter().map(|arg| self.get(*arg)).collect(),
        };
        let copy = match &node.kind {
            NodeKind::Constant(value) => builder.constant(value.clone()),
            NodeKind::Op(op) => builder.op(*op, &args),
            NodeKind::Get(index) => {
                let used = &self.live.used[&node.args[0]];
                let position = used[..*index as usize].iter().filter(|used| **used).count();
                self.values[&node.args[0]][position]
            }
            NodeKind::If(then, otherwise) => {
                let values = self.branch(builder, id, args[0], *then, *otherwise);
                self.values.insert(id, values);
                return;
            }
            // ports are mapped by the caller; general graphs are specialised before they are copied
            kind => builder.push(kind.clone(), args, node.ty),
        };
        self.map[id.index()] = Some(copy);
    }

    /// The results of an arm that are used.
    fn used_results(&self, id: NodeId, arm: RegionId) -> Vec<NodeId> {
        let used = &self.live.used[&id];
        let results = self.source.region(arm).results.iter().zip(used);
        results
            .filter(|(_, used)| **used)
            .map(|(node, _)| *node)
            .collect()
    }

    fn arm(&mut self, builder: &mut Builder, id: NodeId, arm: RegionId) -> Vec<NodeId> {
        self.nodes(builder, arm);
        self.used_results(id, arm)
            .into_iter()
            .map(|node| self.get(node))
            .collect()
    }

    fn branch(
        &mut self,
        builder: &mut Builder,
        id: NodeId,
        test: NodeId,
        then: RegionId,
        otherwise: RegionId,
    ) -> Vec<NodeId> {
        if let Some(value) = builder.known(test) {
            return self.arm(builder, id, if value != 0.0 { then } else { otherwise });
        }
        if self.arms == Arms::Select {
            let a = self.arm(builder, id, then);
            let b = self.arm(builder, id, otherwise);
            let pairs = a.into_iter().zip(b);
            return pairs
                .map(|(a, b)| builder.op(Op::Select, &[test, a, b]))
                .collect();
        }
        builder.open_region(&[]);
        let results = self.arm(builder, id, then);
        let then = builder.close_region(results);
        builder.open_region(&[]);
        let results = self.arm(builder, id, otherwise);
        let otherwise = builder.close_region(results);
        builder.branch(test, then, otherwise)
    }
}

/// What some results need.
struct Live {
    nodes: Vec<bool>,
    /// For each live `if`, which of its values are read.
    used: HashMap<NodeId, Vec<bool>>,
}

impl Live {
    fn of(graph: &Graph, results: &[NodeId]) -> Live {
        let mut live = Live {
            nodes: vec![false; graph.nodes.len()],
            used: HashMap::new(),
        };
        for result in results {
            live.nodes[result.index()] = true;
        }
        // users stand behind their arguments, and arms before their `if`
        for i in (0..graph.nodes.len()).rev() {
            if !live.nodes[i] {
                continue;
            }
            let node = &graph.nodes[i];
            for arg in &node.args {
                live.nodes[arg.index()] = true;
            }
            match node.kind {
                NodeKind::Get(index) => {
                    let branch = node.args[0];
                    let NodeKind::If(then, _) = graph.node(branch).kind else {
                        continue;
                    };
                    let count = graph.region(then).results.len();
                    let used = live
                        .used
                        .entry(branch)
                        .or_insert_with(|| vec![false; count]);
                    used[index as usize] = true;
                }
                NodeKind::If(then, otherwise) => {
                    let used = live.used.entry(NodeId(i as u32)).or_default().clone();
                    for arm in [then, otherwise] {
                        for (result, used) in graph.region(arm).results.iter().zip(&used) {
                            live.nodes[result.index()] |= used;
                        }
                    }
                }
                _ => {}
            }
        }
        live
    }
}

/// Moves each live node of `region` into the innermost region that holds all its uses: what only one arm of an `if` needs is
/// computed in that arm, so that its infinities reach no derivative outside (cf. Click, "Global code motion, global value
/// numbering", 1995). A node never moves outwards.
fn schedule(graph: &Graph, region: RegionId, results: &[NodeId], live: &Live) -> Vec<Vec<NodeId>> {
    let count = graph.regions.len();
    // which nodes stand in this region, at any depth
    let mut inside = vec![false; graph.nodes.len()];
    let mut open = vec![region];
    while let Some(region) = open.pop() {
        for node in &graph.region(region).nodes {
            inside[node.index()] = true;
            if let NodeKind::If(then, otherwise) = graph.node(*node).kind {
                open.extend([then, otherwise]);
            }
        }
    }
    let mut tree = Tree {
        parent: vec![region; count],
        depth: vec![0; count],
    };
    let mut place: Vec<Option<RegionId>> = vec![None; graph.nodes.len()];
    results
        .iter()
        .for_each(|result| place[result.index()] = Some(region));
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        let Some(here) = place[i].filter(|_| inside[i]) else {
            continue;
        };
        node.args
            .iter()
            .for_each(|arg| tree.meet(&mut place[arg.index()], here));
        let NodeKind::If(then, otherwise) = node.kind else {
            continue;
        };
        for arm in [then, otherwise] {
            tree.parent[arm.0 as usize] = here;
            tree.depth[arm.0 as usize] = tree.depth[here.0 as usize] + 1;
            let results = graph
                .region(arm)
                .results
                .iter()
                .zip(&live.used[&NodeId(i as u32)]);
            let used = results.filter(|(_, used)| **used);
            used.for_each(|(result, _)| tree.meet(&mut place[result.index()], arm));
        }
    }
    let mut schedule = vec![Vec::new(); count];
    for id in order(graph, results, live) {
        if let Some(region) = place[id.index()].filter(|_| inside[id.index()]) {
            schedule[region.0 as usize].push(id);
        }
    }
    schedule
}

/// The live nodes in the order in which the results ask for them, arguments before users: it depends on what a graph
/// computes alone, not on how it was built.
fn order(graph: &Graph, results: &[NodeId], live: &Live) -> Vec<NodeId> {
    let mut order = Vec::new();
    let mut seen = vec![false; graph.nodes.len()];
    // a node and whether its arguments have been asked for
    let mut open: Vec<(NodeId, bool)> = results.iter().rev().map(|node| (*node, false)).collect();
    while let Some((id, ready)) = open.pop() {
        if ready {
            order.push(id);
            continue;
        }
        if std::mem::replace(&mut seen[id.index()], true) {
            continue;
        }
        open.push((id, true));
        let node = graph.node(id);
        if let NodeKind::If(then, otherwise) = node.kind {
            for arm in [otherwise, then] {
                let results = graph.region(arm).results.iter().zip(&live.used[&id]).rev();
                open.extend(
                    results
                        .filter(|(_, used)| **used)
                        .map(|(node, _)| (*node, false)),
                );
            }
        }
        open.extend(node.args.iter().rev().map(|arg| (*arg, false)));
    }
    order
}

/// The regions as they nest.
struct Tree {
    parent: Vec<RegionId>,
    depth: Vec<u32>,
}

impl Tree {
    /// Widens `place` to the innermost region that also holds `user`.
    fn meet(&self, place: &mut Option<RegionId>, user: RegionId) {
        let (mut a, mut b) = (place.unwrap_or(user), user);
        while a != b {
            if self.depth[a.0 as usize] >= self.depth[b.0 as usize] {
                a = self.parent[a.0 as usize];
            } else {
                b = self.parent[b.0 as usize];
            }
        }
        *place = Some(a);
    }
}

/// A copy of a numeric graph without what its outputs do not need.
pub(super) fn copy(graph: &Graph, arms: Arms) -> Graph {
    let mut builder = Builder::new(graph.ports.clone());
    let results: Vec<NodeId> = graph.outputs.iter().map(|output| output.node).collect();
    let mut copier = Copier::new(graph, RegionId(0), &results, arms);
    for (i, node) in graph.nodes.iter().enumerate() {
        if let NodeKind::Port(port) = node.kind {
            let copy = builder.port(port as usize);
            copier.set(NodeId(i as u32), copy);
        }
    }
    copier.nodes(&mut builder, RegionId(0));
    let outputs = graph.outputs.iter().map(|output| Output {
        name: output.name.clone(),
        node: copier.get(output.node),
    });
    let outputs = outputs.collect();
    builder.finish(outputs, graph.value.clone())
}

/// The same graph without `if`: both arms are computed, and their results selected, never blended.
pub fn flatten(graph: &Graph) -> Graph {
    copy(graph, Arms::Select)
}
