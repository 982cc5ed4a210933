//! In which region and in which order nodes are computed.

use super::live::Live;
use super::{Graph, Node, NodeId, NodeKind, RegionId};
use crate::ops::Op;

/// Moves each live node of `region` into the innermost region that holds all its uses: what only one arm of an `if` needs is
/// computed in that arm, so that its infinities reach no derivative outside (cf. Click, "Global code motion, global value
/// numbering", 1995). A node never moves outwards, nor into what runs again and again; but constants
/// stand outside of all arms and loops, so that where they were made does not show. The live nodes of each region, in order.
/// With an `inner` region, which stands in `region`, both count and `results` are seen from there.
pub fn schedule(
    graph: &Graph,
    region: RegionId,
    inner: Option<RegionId>,
    results: &[NodeId],
    live: &Live,
) -> Vec<Vec<NodeId>> {
    let count = graph.regions.len();
    let mut tree = Tree {
        home: vec![None; graph.nodes.len()],
        parent: vec![region; count],
        depth: vec![0; count],
        repeats: vec![false; count],
        constant: graph.nodes.iter().map(is_constant).collect(),
    };
    tree.build(graph, region);
    if let Some(inner) = inner {
        tree.depth[inner.0 as usize] = 1;
        tree.build(graph, inner);
    }
    let mut place: Vec<Option<RegionId>> = vec![None; graph.nodes.len()];
    for result in results {
        tree.meet(&mut place[result.index()], *result, inner.unwrap_or(region));
    }
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        let id = NodeId(i as u32);
        let (Some(here), Some(home)) = (place[i], tree.home[i]) else {
            continue;
        };
        // a sum over the batch counts every sample, whichever arms they take
        let here = match node.kind {
            NodeKind::Op(Op::BatchSum) => home,
            _ => here,
        };
        place[i] = Some(here);
        if let NodeKind::If(..) | NodeKind::Loop(..) | NodeKind::Reverse(_) = node.kind {
            tree.attach(graph, id, here);
        }
        each_use(graph, live, id, &mut |user, arg| {
            tree.meet(&mut place[arg.index()], arg, user.unwrap_or(here));
        });
    }
    let mut schedule = vec![Vec::new(); count];
    for id in order(graph, results, live) {
        if let Some(region) = place[id.index()].filter(|_| tree.home[id.index()].is_some()) {
            schedule[region.0 as usize].push(id);
        }
    }
    schedule
}

fn is_constant(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Constant(_))
}

/// Calls `f` with what a live node needs, and in which of its regions; `None` where the node itself stands.
fn each_use(graph: &Graph, live: &Live, id: NodeId, f: &mut impl FnMut(Option<RegionId>, NodeId)) {
    let node = graph.node(id);
    let used = live.used(id);
    let kept = |items: &[NodeId], f: &mut dyn FnMut(NodeId)| {
        let pairs = items.iter().zip(used);
        pairs
            .filter(|(_, used)| **used)
            .for_each(|(item, _)| f(*item));
    };
    match node.kind {
        NodeKind::If(then, otherwise) => {
            f(None, node.args[0]);
            for arm in [then, otherwise] {
                kept(&graph.region(arm).results, &mut |n| f(Some(arm), n));
            }
        }
        NodeKind::Loop(head, next) => {
            kept(&node.args, &mut |n| f(None, n));
            for flag in &graph.region(head).results {
                f(Some(head), *flag);
            }
            kept(&graph.region(next).results, &mut |n| f(Some(next), n));
        }
        NodeKind::Reverse(back) => {
            f(None, node.args[0]);
            kept(&node.args[1..], &mut |n| f(None, n));
            kept(&graph.region(back).results, &mut |n| f(Some(back), n));
        }
        _ => node.args.iter().for_each(|arg| f(None, *arg)),
    }
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
        if graph.node(id).kind == NodeKind::RegionParam {
            continue;
        }
        open.push((id, true));
        let first = open.len();
        each_use(graph, live, id, &mut |_, node| open.push((node, false)));
        open[first..].reverse();
    }
    order
}

/// The regions as they nest.
struct Tree {
    /// The region that a node stands in; `None` outside the root.
    home: Vec<Option<RegionId>>,
    parent: Vec<RegionId>,
    depth: Vec<u32>,
    /// Whether a region runs again and again.
    repeats: Vec<bool>,
    /// Whether a node is a constant.
    constant: Vec<bool>,
}

impl Tree {
    /// Where the nodes stand now.
    fn build(&mut self, graph: &Graph, root: RegionId) {
        let mut open = vec![root];
        while let Some(region) = open.pop() {
            for node in &graph.region(region).nodes {
                self.home[node.index()] = Some(region);
                self.attach(graph, *node, region);
                open.extend(graph.regions_of(*node));
            }
        }
    }

    /// Says that the regions of the node `id` stand in `here`.
    fn attach(&mut self, graph: &Graph, id: NodeId, here: RegionId) {
        let kind = &graph.node(id).kind;
        let repeats = matches!(kind, NodeKind::Loop(..) | NodeKind::Reverse(_));
        let mut around = here;
        for (i, region) in graph.regions_of(id).enumerate() {
            self.parent[region.0 as usize] = around;
            self.depth[region.0 as usize] = self.depth[around.0 as usize] + 1;
            self.repeats[region.0 as usize] = repeats && i == 0;
            if repeats {
                around = region;
            }
        }
    }

    /// Widens `place` to the innermost region that also holds `user`, but lies in no loop that `node` does not stand in.
    fn meet(&self, place: &mut Option<RegionId>, node: NodeId, user: RegionId) {
        let Some(home) = self.home[node.index()] else {
            return;
        };
        let mut user = user;
        let mut at = user;
        if self.constant[node.index()] {
            while self.depth[user.0 as usize] > 0 {
                user = self.parent[user.0 as usize];
            }
            at = home;
        }
        while at != home && self.depth[at.0 as usize] > 0 {
            let parent = self.parent[at.0 as usize];
            if self.repeats[at.0 as usize] {
                user = parent;
            }
            at = parent;
        }
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
