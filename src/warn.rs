//! Warnings: what a model may say, but its author hardly meant. They are read off the numeric graph.

use std::fmt;
use std::sync::Arc;

use crate::error::{Place, Span};
use crate::grad::{reached, useful};
use crate::graph::{Elem, Graph, NodeId, NodeKind, Type, verify_numeric};
use crate::ops::Op;

/// What a [`Warning`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// A parameter stands inside a test or a rounding: its gradient through it is zero.
    ZeroGradient,
    /// Nothing uses an input or a parameter.
    Unused,
    /// No output depends smoothly on a parameter.
    Ineffective,
}

impl WarningKind {
    /// The name of the kind, for programs.
    pub fn name(self) -> &'static str {
        match self {
            WarningKind::ZeroGradient => "zero-gradient",
            WarningKind::Unused => "unused",
            WarningKind::Ineffective => "ineffective",
        }
    }
}

/// One thing in a model that is allowed but hardly meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// What it is about.
    pub kind: WarningKind,
    /// The input or parameter.
    pub name: Arc<str>,
    /// What is to be known; no place, no newline at the end.
    pub message: String,
    /// The span in the source text, if it is known.
    pub span: Option<Span>,
    /// The place in the source text, once it has been located.
    pub place: Option<Box<Place>>,
}

impl Warning {
    fn new(kind: WarningKind, name: &Arc<str>, message: String, span: Option<Span>) -> Warning {
        Warning {
            kind,
            name: name.clone(),
            message,
            span,
            place: None,
        }
    }

    /// Resolves the span against `source`, so that the warning can draw its line.
    pub fn locate(&mut self, source: &str) {
        self.place = self.span.map(|span| Box::new(Place::find(source, span)));
    }
}

impl fmt::Display for Warning {
    /// The message; with a place, also the line, a caret under the thing, and line and column.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.place {
            Some(place) => write!(f, "\n{place}"),
            None => Ok(()),
        }
    }
}

/// The warnings of a graph as simplification leaves it, port by port; of a general one only what nothing uses.
pub fn warnings(graph: &Graph) -> Vec<Warning> {
    let outputs: Vec<NodeId> = graph.outputs.iter().map(|output| output.node).collect();
    let used = used(graph);
    let mut node_of = vec![None; graph.ports.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        if let NodeKind::Port(port) = node.kind {
            node_of[port as usize] = Some(i);
        }
    }
    let is = |set: &[bool], port: usize| node_of[port].is_some_and(|node| set[node]);
    let numeric = verify_numeric(graph).is_ok();
    let (useful, mut stops) = match numeric {
        true => (useful(graph, &outputs), stops(graph)),
        false => (vec![], vec![]),
    };
    let mut warnings = Vec::new();
    for (i, port) in graph.ports.iter().enumerate() {
        let name = &port.name;
        let what = if port.is_parameter() {
            "parameter"
        } else {
            "input"
        };
        if !is(&used, i) {
            let message = format!("{what} \"{name}\" is never used");
            warnings.push(Warning::new(WarningKind::Unused, name, message, None));
            continue;
        }
        if !port.is_parameter() || !numeric {
            continue;
        }
        for (stop, span) in std::mem::take(&mut stops[i]) {
            let (place, through) = stop.words();
            let message = format!(
                "the constant \"{name}\" stands inside {place}: its gradient through {through} is zero"
            );
            let kind = WarningKind::ZeroGradient;
            warnings.push(Warning::new(kind, name, message, span));
        }
        if !is(&useful, i) {
            let message =
                format!("parameter \"{name}\" cannot matter: no output depends on it smoothly");
            warnings.push(Warning::new(WarningKind::Ineffective, name, message, None));
        }
    }
    warnings
}

/// Where a gradient ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Branch,
    Loop,
    Comparison,
    Rounding,
    Index,
}

impl Stop {
    /// Where a constant stands, and what its gradient does not pass.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Stop::Branch => ("a branch test", "the test"),
            Stop::Loop => ("the test of a loop", "the test"),
            Stop::Comparison => ("a comparison", "the comparison"),
            Stop::Rounding => ("a rounding", "the rounding"),
            Stop::Index => ("an index", "the index"),
        }
    }
}

/// For each node, whether something uses it.
fn used(graph: &Graph) -> Vec<bool> {
    let mut used = vec![false; graph.nodes.len()];
    let args = graph.nodes.iter().flat_map(|node| &node.args);
    let results = graph.regions.iter().flat_map(|region| &region.results);
    args.chain(results)
        .for_each(|node| used[node.index()] = true);
    used
}

/// For each port, where the gradients by a parameter end, in the order of the source.
fn stops(graph: &Graph) -> Vec<Vec<(Stop, Option<Span>)>> {
    let mut tests = Vec::new();
    let mut flags = Vec::new();
    for node in &graph.nodes {
        match node.kind {
            NodeKind::If(..) | NodeKind::Op(Op::Select) => tests.push(node.args[0]),
            NodeKind::Loop(head, _) => flags.extend(&graph.region(head).results),
            _ => {}
        }
    }
    let (tests, flags) = (deciding(graph, tests), deciding(graph, flags));
    let stop_of = |op: Op, id: NodeId| match op {
        _ if flags[id.index()] => Stop::Loop,
        _ if tests[id.index()] => Stop::Branch,
        Op::Select => Stop::Branch,
        Op::Pick => Stop::Index,
        Op::Floor | Op::Ceiling | Op::Round | Op::Truncate | Op::Quotient => Stop::Rounding,
        _ => Stop::Comparison,
    };
    // what is not passed on, by what, and where
    let mut ends: Vec<(NodeId, Stop, Span)> = Vec::new();
    for (i, node) in graph.nodes.iter().enumerate() {
        match node.kind {
            NodeKind::Op(op) => {
                let args = node.args.iter().enumerate();
                let ending = args.filter(|(i, _)| !op.passes(*i, node.args.len()));
                let stop = stop_of(op, NodeId(i as u32));
                ends.extend(ending.map(|(_, arg)| (*arg, stop, node.span)));
            }
            NodeKind::If(..) => {
                let test = node.args[0];
                let stop = match flags[test.index()] {
                    true => Stop::Loop,
                    false => Stop::Branch,
                };
                ends.push((test, stop, node.span));
            }
            NodeKind::Loop(head, _) => {
                let flags = graph.region(head).results.iter();
                ends.extend(flags.map(|flag| (*flag, Stop::Loop, node.span)));
            }
            _ => {}
        }
    }
    ends.sort_by_key(|(_, _, span)| (span.start, span.end));
    let mut stops: Vec<Vec<(Stop, Option<Span>)>> = vec![Vec::new(); graph.ports.len()];
    let parameters = graph.parameters();
    for chunk in parameters.chunks(u64::BITS as usize) {
        let bits = |port: usize| {
            let place = chunk.iter().position(|other| *other == port);
            place.map_or(0, |place| 1u64 << place)
        };
        let reached = reached(graph, bits);
        for (node, stop, span) in &ends {
            for (place, port) in chunk.iter().enumerate() {
                let end = (*stop, (*span != Span::default()).then_some(*span));
                let known = &mut stops[*port];
                if reached[node.index()] >> place & 1 == 1 && !known.contains(&end) {
                    known.push(end);
                }
            }
        }
    }
    stops
}

/// For each node, whether it has a say in one of `roots`: is one, or is a truth value that one is made of.
fn deciding(graph: &Graph, roots: Vec<NodeId>) -> Vec<bool> {
    let mut deciding = vec![false; graph.nodes.len()];
    let mut open = roots;
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut deciding[id.index()], true) {
            continue;
        }
        let node = graph.node(id);
        match node.kind {
            NodeKind::Op(_) => {
                let bool = |arg: &&NodeId| graph.node(**arg).ty == Type::Scalar(Elem::Bool);
                open.extend(node.args.iter().filter(bool));
            }
            NodeKind::Get(index) => {
                let of = graph.node(node.args[0]);
                if let NodeKind::If(then, otherwise) = of.kind {
                    let results =
                        [then, otherwise].map(|arm| graph.region(arm).results[index as usize]);
                    open.extend(results);
                    open.extend(&of.args);
                }
            }
            _ => {}
        }
    }
    deciding
}
