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
    // tests of order change once, where the counter passes the bound
    let passing = ((bound - first) / step).floor().max(0.0) as u64;
    let tried = [0, 1, passing, passing.saturating_add(1)];
    let fails = tried.into_iter().filter(|trips| !holds(value(*trips)));
    let trips = fails.min().filter(|trips| *trips <= max_steps)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::parse;

    /// The number of iterations of a loop from `first` on.
    fn trips(first: &str, next: &str, test: &str) -> Option<u64> {
        let text = format!(
            "\
input x
%0 = port 0 real
%1 = const {first}
%2 = const 3 int
%3 = const 10 int
%4 = const 2.5 real
%5 = loop %1 %0 real
  %6 = param real
  %7 = param real
{test}
  yield %10
do
  %11 = + %7 %6 real
  %12 = {next} real
  yield %12 %11
end
%13 = get %5 1 real
output value %13
"
        );
        let graph = parse(&text).unwrap();
        let is_loop = |id: &u32| matches!(graph.nodes[*id as usize].kind, NodeKind::Loop(..));
        let id = (0..graph.nodes.len() as u32).find(is_loop).unwrap();
        let found = counted(&graph, NodeId(id), 1000);
        if let Some(found) = &found {
            // the same by counting
            let value = (0..found.trips).fold(found.first, |value, _| value + found.step);
            assert_eq!(value, found.last());
        }
        found.map(|found| found.trips)
    }

    #[test]
    fn counts_what_counts_in_whole_steps_to_a_constant() {
        let up = "+ %6 %2";
        let (less, not_equal) = ("%10 = < %6 %3 bool", "%9 = = %6 %3 bool\n%10 = not %9 bool");
        for (first, next, test, expected) in [
            ("0 int", up, less, Some(4)),
            ("1 int", up, less, Some(3)),
            ("10 int", up, less, Some(0)),
            ("11.0 real", up, less, Some(0)),
            ("-5 int", "+ %2 %6", less, Some(5)),
            ("1 int", up, "%10 = <= %6 %3 bool", Some(4)),
            ("1 int", up, "%10 = >= %3 %6 bool", Some(4)),
            ("1 int", up, not_equal, Some(3)),
            ("0 int", up, not_equal, None),
            ("10 int", up, "%10 = = %3 %6 bool", Some(1)),
            ("20 int", "- %6 %2", "%10 = > %6 %3 bool", Some(4)),
            ("20 int", "- %6 %2", "%10 = < %3 %6 bool", Some(4)),
            ("19 int", "- %6 %2", "%10 = >= %6 %3 bool", Some(4)),
            (
                "19 int",
                "- %6 %2",
                "%9 = < %6 %3 bool\n%10 = not %9 bool",
                Some(4),
            ),
            // never, too far, not whole, not a counter
            ("0 int", "- %6 %2", less, None),
            ("-9000 int", up, less, None),
            ("0.5 real", up, less, None),
            ("0 int", "+ %6 %4", less, None),
            ("0 int", "- %2 %6", less, None),
            ("0 int", up, "%10 = < %6 %0 bool", None),
            ("0 int", up, "%10 = < %7 %3 bool", None),
            (
                "0 int",
                up,
                "%9 = < %7 %3 bool\n%8 = < %6 %3 bool\n%10 = and %8 %9 bool",
                None,
            ),
            // what is known before the loop is no matter of counting
            (
                "0 int",
                up,
                "%9 = < %6 %3 bool\n%10 = and %9 %0 bool",
                Some(4),
            ),
        ] {
            assert_eq!(
                trips(first, next, test),
                expected,
                "{first}, {next}, {test}"
            );
        }
    }
}
