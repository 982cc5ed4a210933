//! Which nodes stand in tail position, and which procedures call themselves through such positions.

use std::collections::BTreeSet;

use crate::graph::{FunctionId, Graph, NodeId, NodeKind, RegionId};
use crate::ops::Op;

/// The tail positions of a general graph.
pub struct Tails {
    /// For each node, whether its value is that of its region.
    tail: Vec<bool>,
    /// For each branch in tail position, whether a tail call in one of its arms leads back to the procedure around it.
    returns: Vec<bool>,
    /// For each function, its group: functions of one group reach each other by tail calls.
    group: Vec<u32>,
    /// For each group, whether it has a cycle.
    cyclic: Vec<bool>,
}

impl Tails {
    /// Reads them off `graph`.
    pub fn of(graph: &Graph) -> Tails {
        let mut tail = vec![false; graph.nodes.len()];
        for region in &graph.regions {
            let [result] = region.results[..] else {
                continue;
            };
            // an arm may give what was computed before it
            if region.nodes.binary_search(&result).is_err() {
                continue;
            }
            let node = graph.node(result);
            match node.kind {
                NodeKind::Get(_) => tail[node.args[0].index()] = true,
                NodeKind::Call(_) | NodeKind::Apply | NodeKind::Op(Op::Apply) => {
                    tail[result.index()] = true;
                }
                _ => {}
            }
        }
        let mut calls: Vec<Vec<FunctionId>> = graph
            .functions
            .iter()
            .map(|function| tail_calls(graph, &tail, function.body))
            .collect();
        calls.push(procedure_values(graph));
        let (group, count) = groups(&calls);
        let mut sizes = vec![0usize; count];
        group.iter().for_each(|g| sizes[*g as usize] += 1);
        let mut cyclic: Vec<bool> = sizes.iter().map(|size| *size > 1).collect();
        for (function, called) in calls.iter().enumerate() {
            if called.contains(&FunctionId(function as u32)) {
                cyclic[group[function] as usize] = true;
            }
        }
        let mut tails = Tails {
            returns: vec![false; tail.len()],
            tail,
            group,
            cyclic,
        };
        for (index, function) in graph.functions.iter().enumerate() {
            if tails.cyclic[tails.group[index] as usize] {
                tails.mark_returns(graph, function.body, tails.group[index]);
            }
        }
        tails
    }

    /// Whether the value of `node` is that of its region.
    pub fn is_tail(&self, node: NodeId) -> bool {
        self.tail[node.index()]
    }

    /// Whether a tail call in an arm of the branch `node` leads back to the procedure around it.
    pub fn returns(&self, node: NodeId) -> bool {
        self.returns[node.index()]
    }

    /// Whether each of the two reaches the other by tail calls; a function that never calls itself is not in a cycle.
    pub fn same_cycle(&self, a: FunctionId, b: FunctionId) -> bool {
        let group = self.group[a.0 as usize];
        group == self.group[b.0 as usize] && self.cyclic[group as usize]
    }

    /// Marks the branches in tail position of a body whose arms hold a tail call into `group`.
    fn mark_returns(&mut self, graph: &Graph, body: RegionId, group: u32) {
        // branches in the order in which they are found: a branch stands before those in its arms
        let mut found: Vec<(NodeId, Vec<NodeId>)> = Vec::new();
        let mut open = vec![body];
        while let Some(region) = open.pop() {
            let Some(last) = tail_node(graph, &self.tail, region) else {
                continue;
            };
            if let NodeKind::If(then, otherwise) = graph.node(last).kind {
                let arms = [then, otherwise];
                let inner = arms
                    .iter()
                    .filter_map(|arm| tail_node(graph, &self.tail, *arm));
                found.push((last, inner.collect()));
                open.extend(arms);
            }
        }
        for (branch, inner) in found.into_iter().rev() {
            let returns = inner.iter().any(|node| match graph.node(*node).kind {
                NodeKind::Call(function) => self.group[function.0 as usize] == group,
                _ => self.returns[node.index()],
            });
            self.returns[branch.index()] = returns;
        }
    }
}

/// The branch or call whose value is that of the region.
fn tail_node(graph: &Graph, tail: &[bool], region: RegionId) -> Option<NodeId> {
    let [result] = graph.region(region).results[..] else {
        return None;
    };
    let node = graph.node(result);
    let last = match node.kind {
        NodeKind::Get(_) => node.args[0],
        _ => result,
    };
    tail[last.index()].then_some(last)
}

/// The functions that procedure values can be.
fn procedure_values(graph: &Graph) -> Vec<FunctionId> {
    let values = graph.nodes.iter().filter_map(|node| match node.kind {
        NodeKind::Closure(function) => Some(function),
        _ => None,
    });
    values
        .collect::<BTreeSet<FunctionId>>()
        .into_iter()
        .collect()
}

/// The functions that a body calls in tail position. Behind the last function stands what calls every procedure value: a
/// call of one can be a call of any.
fn tail_calls(graph: &Graph, tail: &[bool], body: RegionId) -> Vec<FunctionId> {
    let any_value = FunctionId(graph.functions.len() as u32);
    let (mut calls, mut open) = (Vec::new(), vec![body]);
    while let Some(region) = open.pop() {
        if let Some(last) = tail_node(graph, tail, region) {
            match graph.node(last).kind {
                NodeKind::Call(function) => calls.push(function),
                NodeKind::Apply | NodeKind::Op(Op::Apply) => calls.push(any_value),
                NodeKind::If(then, otherwise) => open.extend([then, otherwise]),
                _ => {}
            }
        }
    }
    calls
}

/// The strongly connected components of a graph of calls (Tarjan 1972), without recursion: the component of each vertex, and
/// how many there are.
fn groups(calls: &[Vec<FunctionId>]) -> (Vec<u32>, usize) {
    const NONE: u32 = u32::MAX;
    let count = calls.len();
    let (mut index, mut low, mut group) = (vec![NONE; count], vec![0u32; count], vec![NONE; count]);
    let (mut stack, mut next, mut groups) = (Vec::new(), 0, 0);
    for start in 0..count {
        if index[start] != NONE {
            continue;
        }
        // a vertex and how many of its edges have been followed
        let mut open = vec![(start, 0)];
        while let Some((vertex, edge)) = open.pop() {
            if edge == 0 {
                (index[vertex], low[vertex]) = (next, next);
                next += 1;
                stack.push(vertex);
            }
            if let Some(to) = calls[vertex].get(edge) {
                let to = to.0 as usize;
                open.push((vertex, edge + 1));
                if index[to] == NONE {
                    open.push((to, 0));
                } else if group[to] == NONE {
                    low[vertex] = low[vertex].min(index[to]);
                }
                continue;
            }
            if low[vertex] == index[vertex] {
                while let Some(member) = stack.pop() {
                    group[member] = groups;
                    if member == vertex {
                        break;
                    }
                }
                groups += 1;
            }
            if let Some((parent, _)) = open.last() {
                low[*parent] = low[*parent].min(low[vertex]);
            }
        }
    }
    (group, groups as usize)
}
