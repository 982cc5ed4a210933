//! Loops whose number of iterations is known: a counter with a constant first value and step, tested against a constant.

use crate::graph::{Graph, NodeId, NodeKind};
use crate::ops::Op;

/// Whole numbers up to this one, and what they count up to, are exact in single precision.
const LARGEST: f64 = 16_777_216.0;

/// A loop whose number of iterations is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// The state that counts.
    pub state: usize,
    /// Its first value.
    pub first: f64,
    /// What each iteration adds to it.
    pub step: f64,
    /// How many iterations there are, where there are any.
    pub trips: u64,
    /// The test of the counter.
    pub test: NodeId,
    /// Tests of what is known before the loop: it has no iteration for samples that fail one.
    pub guards: Vec<NodeId>,
}

impl Counted {
    /// The value of the counter after the last iteration.
    pub fn last(&self) -> f64 {
        self.first + self.step * self.trips as f64
    }
}

/// What is known of the loop `id`, if its iterations are at most `max_steps`.
pub fn counted(graph: &Graph, id: NodeId, max_steps: u64) -> Option<Counted> {
    let NodeKind::Loop(head, next) = graph.node(id).kind else {
        return None;
    };
    let (head, next) = (graph.region(head), graph.region(next));
    let (mut tests, mut guards) = (Vec::new(), Vec::new());
    let mut open = vec![head.results[0]];
    while let Some(node) = open.pop() {
        match &graph.node(node).kind {
            _ if head.nodes.binary_search(&node).is_err() => guards.push(node),
            NodeKind::Op(Op::And) => open.extend(&graph.node(node).args),
            _ => tests.push(node),
        }
    }
    let [test] = tests[..] else {
        return None;
    };
    let (mut at, mut wanted) = (test, true);
    while graph.node(at).kind == NodeKind::Op(Op::Not) {
        at = graph.node(at).args[0];
        wanted = !wanted;
    }
    let NodeKind::Op(op @ (Op::Less | Op::Greater | Op::LessEqual | Op::GreaterEqual | Op::Equal)) =
        graph.node(at).kind
    else {
        return None;
    };
    let place = |node: NodeId| head.params.iter().position(|param| *param == node);
    let (a, b) = (graph.node(at).args[0], graph.node(at).args[1]);
    let (state, bound, swapped) = match (place(a), place(b)) {
        (Some(state), None) => (state, whole(graph, b)?, false),
        (None, Some(state)) => (state, whole(graph, a)?, true),
        _ => return None,
    };
    let first = whole(graph, graph.node(id).args[state])?;
    let step = step(graph, head.params[state], next.results[state])?;
    let holds = |value: f64| {
        let (a, b) = if swapped {
            (bound, value)
        } else {
            (value, bound)
        };
        wanted
            == match op {
                Op::Less => a < b,
                Op::Greater => a > b,
                Op::LessEqual => a <= b,
                Op::GreaterEqual => a >= b,
                _ => a == b,
            }
    };
    let value = |trips: u64| first + step * trips as f64;
    let trips = (0..=max_steps).find(|trips| !holds(value(*trips)))?;
    (value(trips).abs() <= LARGEST).then_some(Counted {
        state,
        first,
        step,
        trips,
        test,
        guards,
    })
}

/// The whole number that a node is known to be.
fn whole(graph: &Graph, node: NodeId) -> Option<f64> {
    let NodeKind::Constant(value) = &graph.node(node).kind else {
        return None;
    };
    let fits =
        |x: &f64| x.fract() == 0.0 && x.abs() <= LARGEST && (*x != 0.0 || x.is_sign_positive());
    value.as_real().filter(fits)
}

/// What `next` adds to `param`.
fn step(graph: &Graph, param: NodeId, next: NodeId) -> Option<f64> {
    let node = graph.node(next);
    match (&node.kind, &node.args[..]) {
        (NodeKind::Op(Op::Add), [a, b]) if *a == param => whole(graph, *b),
        (NodeKind::Op(Op::Add), [a, b]) if *b == param => whole(graph, *a),
        (NodeKind::Op(Op::Sub), [a, b]) if *a == param => whole(graph, *b).map(|x| -x),
        _ => None,
    }
}
