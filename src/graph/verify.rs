//! Checks what every later stage takes for granted:
//!
//! - each node belongs to exactly one region, and regions form a tree under the body and the function bodies;
//! - arguments, results and captured values stand before their use, in the same region or in one around it;
//! - arities, port, region and function indices are in range; `get` reads an existing value;
//! - both arms of an `if` give equally many results; the regions of a loop fit its states; no tree is deeper than [`super::MAX_REGION_DEPTH`];
//! - outputs are the results of the body.

use super::{Graph, MAX_REGION_DEPTH, Node, NodeId, NodeKind, RegionId, Type};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::kernel::Kernel;
use crate::ops::linear::{MAX_SIDE, side};
use crate::ops::{Op, Role};

fn bad(message: String) -> Error {
    Error::new(ErrorKind::Format, format!("malformed graph: {message}"))
}

/// Checks any graph.
pub fn verify(graph: &Graph) -> Result<()> {
    if graph.regions.is_empty() {
        return Err(bad("it has no body".into()));
    }
    let mut state = State {
        graph,
        owner: vec![None; graph.nodes.len()],
        seen: vec![false; graph.regions.len()],
    };
    state.region(RegionId(0), 0, &mut Vec::new())?;
    for function in &graph.functions {
        state.enter(function.body)?;
        let params = function.captures.len() + function.params.len() + usize::from(function.rest);
        let body = graph.region(function.body);
        if body.params.len() != params || body.results.len() != 1 {
            return Err(bad(format!(
                "function {} does not fit its body",
                function.name
            )));
        }
        state.region(function.body, 0, &mut Vec::new())?;
    }
    if let Some(i) = state.owner.iter().position(Option::is_none) {
        return Err(bad(format!("node {i} belongs to no region")));
    }
    let outputs: Vec<NodeId> = graph.outputs.iter().map(|output| output.node).collect();
    if outputs != graph.body().results {
        return Err(bad("its outputs are not the results of its body".into()));
    }
    Ok(())
}

/// Checks a numeric graph: only numbers, numeric operations, linear algebra, `if` and loops.
pub fn verify_numeric(graph: &Graph) -> Result<()> {
    verify(graph)?;
    for (i, node) in graph.nodes.iter().enumerate() {
        let numeric = match &node.kind {
            NodeKind::Constant(value) => value.as_real().is_some(),
            NodeKind::Op(op) => fits(*op, node.args.len()),
            NodeKind::Port(_)
            | NodeKind::RegionParam
            | NodeKind::If(..)
            | NodeKind::Loop(..)
            | NodeKind::Reverse(_)
            | NodeKind::Linear(_)
            | NodeKind::Get(_) => true,
            _ => false,
        };
        let empty = match node.kind {
            NodeKind::If(then, _) => graph.region(then).results.is_empty(),
            NodeKind::Loop(head, _) => graph.region(head).params.is_empty(),
            NodeKind::Reverse(_) => node.args.len() == 1,
            _ => false,
        };
        if !numeric || (node.ty == Type::General && !empty) {
            return Err(bad(format!("node {i} is not numeric")));
        }
        carried(graph, node).map_err(|message| bad(format!("node {i}: {message}")))?;
    }
    Ok(())
}

/// Checks that what a loop or the way back over one carries is of the types of its parameters.
fn carried(graph: &Graph, node: &Node) -> std::result::Result<(), String> {
    let holds = |param: &NodeId, value: &NodeId| {
        let (param, value) = (graph.node(*param).ty, graph.node(*value).ty);
        param.join(value) == param
    };
    let fit = |params: &[NodeId], values: &[NodeId]| {
        params
            .iter()
            .zip(values)
            .all(|(param, value)| holds(param, value))
    };
    let ok = match node.kind {
        NodeKind::Loop(head, next) => {
            let (head, next) = (graph.region(head), graph.region(next));
            let flag = graph.node(head.results[0]).ty;
            flag.is_scalar() && fit(&head.params, &node.args) && fit(&head.params, &next.results)
        }
        NodeKind::Reverse(back) => {
            let back = graph.region(back);
            let (states, carries) = back.params.split_at(back.params.len() - back.results.len());
            let NodeKind::Loop(head, _) = graph.node(node.args[0]).kind else {
                return Err("it goes back over no loop".into());
            };
            let same = fit(states, &graph.region(head).params);
            same && fit(carries, &node.args[1..]) && fit(carries, &back.results)
        }
        _ => true,
    };
    match ok {
        true => Ok(()),
        false => Err("what it carries changes its type".into()),
    }
}

/// Checks that a numeric graph may hold `op` on these arguments; says what is wrong with it.
pub fn verify_operation(graph: &Graph, op: Op, args: &[NodeId]) -> std::result::Result<(), String> {
    if !fits(op, args.len()) {
        return Err(format!(
            "{} does not take {} arguments",
            op.name(),
            args.len()
        ));
    }
    match args.iter().all(|arg| graph.node(*arg).ty.is_scalar()) {
        true => Ok(()),
        false => Err(format!("{} takes numbers alone", op.name())),
    }
}

/// Whether `op` is numeric and takes this many arguments once the variadic forms of programs are gone.
fn fits(op: Op, count: usize) -> bool {
    match op.row().role {
        Role::Numeric { .. } if matches!(op, Op::Min | Op::Max) => count >= 1,
        Role::Numeric { kernel, .. } => match kernel {
            Some(Kernel::Unary(..)) => count == 1,
            Some(Kernel::Binary(..)) => count == 2,
            None if matches!(op, Op::DetOf | Op::LogDetOf) => side(count).is_some(),
            None => count >= op.row().min && op.row().max.is_none_or(|max| count <= max),
        },
        _ => false,
    }
}

struct State<'a> {
    graph: &'a Graph,
    owner: Vec<Option<RegionId>>,
    seen: Vec<bool>,
}

impl State<'_> {
    /// Marks a region as visited; a region has one place.
    fn enter(&mut self, id: RegionId) -> Result<()> {
        match self.seen.get_mut(id.0 as usize) {
            Some(seen) if !*seen && id.0 > 0 => {
                *seen = true;
                Ok(())
            }
            _ => Err(bad(format!("region {} is missing or used twice", id.0))),
        }
    }

    /// Checks a region; `around` holds the regions that it stands in, innermost last.
    fn region(&mut self, id: RegionId, depth: usize, around: &mut Vec<RegionId>) -> Result<()> {
        if depth > MAX_REGION_DEPTH {
            return Err(bad(format!(
                "regions nest more than {MAX_REGION_DEPTH} deep"
            )));
        }
        around.push(id);
        let graph = self.graph;
        let region = graph.region(id);
        let mut last = None;
        for node in &region.nodes {
            if last >= Some(*node) || node.index() >= graph.nodes.len() {
                return Err(bad(format!(
                    "the nodes of region {} are out of order",
                    id.0
                )));
            }
            last = Some(*node);
            self.node(*node, id, depth, around)?;
        }
        for param in &region.params {
            if !region.nodes.contains(param) || graph.node(*param).kind != NodeKind::RegionParam {
                return Err(bad(format!(
                    "node {} is no parameter of region {}",
                    param.0, id.0
                )));
            }
        }
        for result in &region.results {
            self.visible(*result, NodeId(u32::MAX), around)?;
        }
        around.pop();
        Ok(())
    }

    /// Checks that `arg` may be used at `user` inside `around`.
    fn visible(&self, arg: NodeId, user: NodeId, around: &[RegionId]) -> Result<()> {
        let owner = self.owner.get(arg.index()).copied().flatten();
        match owner {
            Some(owner) if arg < user && around.contains(&owner) => Ok(()),
            _ => Err(bad(format!(
                "node {} uses node {}, which it cannot see",
                user.0, arg.0
            ))),
        }
    }

    fn node(
        &mut self,
        id: NodeId,
        region: RegionId,
        depth: usize,
        around: &mut Vec<RegionId>,
    ) -> Result<()> {
        let graph = self.graph;
        let node = graph.node(id);
        for arg in &node.args {
            self.visible(*arg, id, around)?;
        }
        let arity = |wanted: usize| match node.args.len() == wanted {
            true => Ok(()),
            false => Err(bad(format!(
                "node {} takes {wanted} arguments, not {}",
                id.0,
                node.args.len()
            ))),
        };
        match &node.kind {
            NodeKind::Constant(_) | NodeKind::Primitive(_) => arity(0)?,
            NodeKind::Port(port) => {
                arity(0)?;
                if *port as usize >= graph.ports.len() {
                    return Err(bad(format!(
                        "node {} reads port {port}, which does not exist",
                        id.0
                    )));
                }
            }
            NodeKind::RegionParam => {
                arity(0)?;
                if !graph.region(region).params.contains(&id) {
                    return Err(bad(format!("node {} is a parameter of no region", id.0)));
                }
            }
            NodeKind::Op(op) => {
                let row = op.row();
                let count = node.args.len();
                if count < row.min || row.max.is_some_and(|max| count > max) {
                    return Err(bad(format!(
                        "node {}: {} does not take {count} arguments",
                        id.0, row.name
                    )));
                }
            }
            NodeKind::If(then, otherwise) => {
                arity(1)?;
                for arm in [*then, *otherwise] {
                    self.enter(arm)?;
                    self.region(arm, depth + 1, around)?;
                    if !graph.region(arm).params.is_empty() {
                        return Err(bad(format!("an arm of node {} has parameters", id.0)));
                    }
                    if graph.region(arm).nodes.last() > Some(&id) {
                        return Err(bad(format!("an arm of node {} stands behind it", id.0)));
                    }
                }
                if graph.region(*then).results.len() != graph.region(*otherwise).results.len() {
                    return Err(bad(format!(
                        "the arms of node {} give unequal results",
                        id.0
                    )));
                }
            }
            NodeKind::Loop(head, next) => {
                self.enter(*head)?;
                self.enter(*next)?;
                self.region(*head, depth + 1, around)?;
                // `next` sees what the head computes
                around.push(*head);
                self.region(*next, depth + 2, around)?;
                around.pop();
                let (head, next) = (graph.region(*head), graph.region(*next));
                let states = node.args.len();
                if head.results.len() != 1 || !next.params.is_empty() {
                    return Err(bad(format!("loop {} has no single test", id.0)));
                }
                if head.params.len() != states || next.results.len() != states {
                    return Err(bad(format!("the states of loop {} do not fit", id.0)));
                }
                if head.nodes.last() > Some(&id) || next.nodes.last() > Some(&id) {
                    return Err(bad(format!("a region of loop {} stands behind it", id.0)));
                }
            }
            NodeKind::Reverse(back) => {
                self.enter(*back)?;
                self.region(*back, depth + 1, around)?;
                let of = node.args.first().map(|of| (of, &graph.node(*of).kind));
                let Some((of, NodeKind::Loop(head, _))) = of else {
                    return Err(bad(format!("node {} goes back over no loop", id.0)));
                };
                let states = &graph.region(*head).params;
                let (back, carries) = (graph.region(*back), node.args.len() - 1);
                let fits = back.params.len() == states.len() + carries
                    && back.results.len() == carries
                    && back.nodes.last() < Some(&id);
                if !fits {
                    let message = format!("node {} does not fit loop {}", id.0, of.0);
                    return Err(bad(message));
                }
            }
            NodeKind::Linear(linear) => {
                if !linear.in_bounds() {
                    let message = format!("node {}: a side is not from 1 to {MAX_SIDE}", id.0);
                    return Err(bad(message));
                }
                arity(linear.arguments())?;
            }
            NodeKind::Get(index) => {
                arity(1)?;
                let of = graph.node(node.args[0]);
                let count = match of.kind {
                    NodeKind::If(then, _) => graph.region(then).results.len(),
                    NodeKind::Loop(..) => of.args.len(),
                    NodeKind::Reverse(_) => of.args.len() - 1,
                    NodeKind::Linear(linear) => linear.values(),
                    _ => 0,
                };
                if *index as usize >= count {
                    return Err(bad(format!(
                        "node {} reads value {index}, which does not exist",
                        id.0
                    )));
                }
            }
            NodeKind::Call(function) | NodeKind::Closure(function) => {
                let function = graph.functions.get(function.0 as usize);
                let function =
                    function.ok_or_else(|| bad(format!("node {} names no function", id.0)))?;
                let fixed = match node.kind {
                    NodeKind::Closure(_) => function.captures.len(),
                    _ => function.captures.len() + function.params.len(),
                };
                let more = function.rest && matches!(node.kind, NodeKind::Call(_));
                if node.args.len() < fixed || (!more && node.args.len() > fixed) {
                    return Err(bad(format!(
                        "node {} does not fit function {}",
                        id.0, function.name
                    )));
                }
            }
            NodeKind::Apply if node.args.is_empty() => {
                return Err(bad(format!("node {} applies nothing", id.0)));
            }
            NodeKind::Apply => {}
        }
        match &mut self.owner[id.index()] {
            owner @ None => *owner = Some(region),
            Some(_) => return Err(bad(format!("node {} belongs to two regions", id.0))),
        }
        Ok(())
    }
}
