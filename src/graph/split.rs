//! A graph in two: what hangs on some inputs alone, and the rest.
//!
//! Where inputs stay the same over many runs, as the data of a fit do, the first part is computed once and the second reads what
//! it found as columns beside the inputs. The same operations are done on the same numbers, so the bits are the same.

use std::sync::Arc;

use super::copy::Arms;
use super::{
    Builder, Copier, Graph, NodeId, NodeKind, Output, Port, PortKind, RegionId, Type, Value,
    simplify,
};
use crate::ops::Op;

/// The work of a division.
const DIVISION: u32 = 4;
/// Most columns.
const MOST: usize = 32;
/// What it costs to write a column once and to read one more, in additions.
const WRITE: u32 = 4;
const READ: u32 = 2;
/// From so many values on that might be columns, it is not worth finding out which.
const CANDIDATES: usize = 1000;

/// A graph in two.
pub struct Split {
    /// What hangs on the kept inputs alone; its ports are those of the source.
    pub first: Graph,
    /// The rest: behind the ports of the source one input for each output of `first`.
    pub rest: Graph,
    /// After about so many runs with the same inputs the work that is saved is more than that of taking it out.
    pub pays: u64,
}

/// Takes out of a numeric graph what hangs on the inputs alone whose ports are `kept`: not on other ports, and not on sums over
/// the batch or its size.
///
/// Work is counted in additions; a division is four, a function of the table like `exp` twelve. A value is taken out where it saves
/// `worth`, and others with it where the rest reads no more columns for them.
/// `None` where nothing is worth it.
pub fn split(graph: &Graph, kept: &[bool], worth: u32) -> Option<Split> {
    let search = Search::new(graph, kept);
    let (found, least) = search.reached(&|id| search.may(id));
    let all: Vec<NodeId> = found.into_iter().filter(|id| search.may(*id)).collect();
    if all.len() > CANDIDATES {
        return None;
    }
    let mut heavy: Vec<(u32, NodeId)> = all.iter().map(|id| (search.work(&[*id]), *id)).collect();
    heavy.retain(|(work, _)| *work >= worth);
    heavy.sort_by_key(|(work, id)| (std::cmp::Reverse(*work), *id));
    heavy.truncate(MOST);
    let heavy: Vec<NodeId> = heavy.into_iter().map(|(_, id)| id).collect();
    let before = search.reached(&|_| false).1;
    let some = heavy.len() + search.reached(&|id| heavy.contains(&id)).1;
    let (lifted, after) = match all.len() <= MOST && all.len() + least <= some.max(before) {
        true => (all.clone(), all.len() + least),
        false => (heavy, some),
    };
    let work = search.work(&lifted);
    let more = READ * after.saturating_sub(before) as u32;
    let saved = work.saturating_sub(more);
    if saved < worth {
        return None;
    }
    let once = u64::from(work) + u64::from(WRITE) * lifted.len() as u64;
    Some(search.cut(lifted, once.div_ceil(u64::from(saved))))
}

struct Search<'a> {
    graph: &'a Graph,
    kept: &'a [bool],
    /// For each node whether it hangs on a kept input, and on those alone.
    data: Vec<bool>,
    /// Which nodes belong to the body.
    body: Vec<bool>,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph, kept: &'a [bool]) -> Search<'a> {
        let others: Vec<bool> = kept.iter().map(|kept| !kept).collect();
        let (on_kept, on_others) = (graph.populated(kept), graph.populated(&others));
        let mut sums = vec![false; graph.nodes.len()];
        for (i, node) in graph.nodes.iter().enumerate() {
            let inside = graph.regions_of(NodeId(i as u32));
            let inside = inside.flat_map(|region| &graph.region(region).nodes);
            sums[i] = matches!(node.kind, NodeKind::Op(Op::BatchSum | Op::BatchCount))
                || node.args.iter().chain(inside).any(|id| sums[id.index()]);
        }
        let mut body = vec![false; graph.nodes.len()];
        graph
            .body()
            .nodes
            .iter()
            .for_each(|id| body[id.index()] = true);
        let data = (0..sums.len()).map(|i| on_kept[i] && !on_others[i] && !sums[i]);
        Search {
            graph,
            kept,
            data: data.collect(),
            body,
        }
    }

    /// Whether a node may be taken out: a number that is computed in the body.
    fn may(&self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        let computed = matches!(node.kind, NodeKind::Op(_) | NodeKind::Get(_));
        computed && node.ty == Type::REAL && self.data[id.index()] && self.body[id.index()]
    }

    /// What the outputs need, but for what only the nodes need at which it `stops`; and how many kept inputs are among it.
    fn reached(&self, stops: &dyn Fn(NodeId) -> bool) -> (Vec<NodeId>, usize) {
        let outputs = self.graph.outputs.iter().map(|output| output.node);
        self.walk(outputs.collect(), stops)
    }

    fn walk(&self, mut open: Vec<NodeId>, stops: &dyn Fn(NodeId) -> bool) -> (Vec<NodeId>, usize) {
        let mut seen = vec![false; self.graph.nodes.len()];
        let (mut found, mut inputs) = (Vec::new(), 0);
        while let Some(id) = open.pop() {
            if std::mem::replace(&mut seen[id.index()], true) {
                continue;
            }
            found.push(id);
            let node = self.graph.node(id);
            if let NodeKind::Port(port) = node.kind {
                inputs += usize::from(self.kept[port as usize]);
            }
            if !stops(id) {
                open.extend(&node.args);
                for region in self.graph.regions_of(id) {
                    open.extend(&self.graph.region(region).results);
                }
            }
        }
        found.sort_unstable();
        (found, inputs)
    }

    /// How much work it is to compute nodes from the ports, roughly, in additions.
    fn work(&self, wanted: &[NodeId]) -> u32 {
        let (nodes, _) = self.walk(wanted.to_vec(), &|_| false);
        let each = nodes.iter().map(|id| match self.graph.node(*id).kind {
            NodeKind::Op(op) => weight(op),
            NodeKind::If(..) | NodeKind::Loop(..) | NodeKind::Reverse(_) | NodeKind::Linear(_) => {
                10 * DIVISION
            }
            _ => 0,
        });
        each.fold(0, u32::saturating_add)
    }

    /// The two graphs.
    fn cut(&self, lifted: Vec<NodeId>, pays: u64) -> Split {
        let source = self.graph;
        let name = |i: usize| Arc::from(format!("held.{i}"));
        let outputs: Vec<Output> = lifted
            .iter()
            .enumerate()
            .map(|(i, node)| Output {
                name: name(i),
                node: *node,
            })
            .collect();
        let columns = (0..lifted.len()).map(|i| Port {
            name: name(i),
            kind: PortKind::Input,
        });
        let ports = source.ports.iter().cloned().chain(columns).collect();
        let first = copy(source, source.ports.clone(), &[], &outputs);
        let rest = copy(source, ports, &lifted, &source.outputs);
        Split {
            first: Graph {
                value: Value::Output(0),
                ..first
            },
            rest,
            pays,
        }
    }
}

/// What these outputs need, where the nodes of `known` are the last ports.
fn copy(source: &Graph, ports: Vec<Port>, known: &[NodeId], outputs: &[Output]) -> Graph {
    let mut builder = Builder::new(ports);
    let wanted: Vec<NodeId> = outputs.iter().map(|output| output.node).collect();
    let mut copier = Copier::new(source, RegionId(0), &wanted, Arms::Keep);
    for (i, node) in source.nodes.iter().enumerate() {
        if let NodeKind::Port(port) = node.kind {
            copier.set(NodeId(i as u32), builder.port(port as usize));
        }
    }
    for (i, node) in known.iter().enumerate() {
        copier.set(*node, builder.port(source.ports.len() + i));
    }
    copier.nodes(&mut builder, RegionId(0));
    let outputs = outputs.iter().map(|output| Output {
        name: output.name.clone(),
        node: copier.get(output.node),
    });
    let graph = builder.finish(outputs.collect(), source.value.clone());
    simplify(&graph)
}

/// What an operation costs, in additions.
fn weight(op: Op) -> u32 {
    use Op::*;
    match op {
        Neg | Abs | Not | Add | Sub | Mul | Min | Max | Equal | Less | Greater | LessEqual
        | GreaterEqual | And | Or | Select => 1,
        Div | Sqrt => DIVISION,
        _ => 3 * DIVISION,
    }
}
