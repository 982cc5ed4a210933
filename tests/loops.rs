//! Loops in graphs: the text form, simplification and flattening keep what they compute.

use ncg::graph::{flatten, parse, simplify, verify_numeric};

/// `x` doubled while it is below `limit`, with a state that never changes, one that nothing reads, and work that does not
/// change in the loop.
const DOUBLING: &str = "\
input x
input limit
%0 = port 0 real
%1 = port 1 real
%2 = const 1.0 real
%3 = loop %0 %2 %1 %2 real
  %4 = param real
  %5 = param real
  %6 = param real
  %7 = param real
  %8 = < %4 %6 bool
  %9 = exp %7 real
  yield %8
do
  %10 = + %4 %4 real
  %11 = exp %1 real
  %12 = * %10 %11 real
  %13 = + %5 %12 real
  yield %12 %13 %6 %9
end
%14 = get %3 0 real
output value %14
";

#[test]
fn the_text_form_reads_back() {
    let graph = parse(DOUBLING).unwrap();
    verify_numeric(&graph).unwrap();
    let text = graph.to_string();
    assert_eq!(parse(&text).unwrap().to_string(), text);
}

#[test]
fn simplification_drops_dead_and_constant_states() {
    let graph = simplify(&parse(DOUBLING).unwrap());
    verify_numeric(&graph).unwrap();
    let text = graph.to_string();
    assert_eq!(text.matches("param").count(), 1, "{text}");
    // before gradients, what does not change in a loop stays in it
    assert!(text.contains("\n  %6 = exp %1 real"), "{text}");
    assert_eq!(simplify(&graph), graph);
}

#[test]
fn flattening_hoists_what_does_not_change() {
    let graph = flatten(&parse(DOUBLING).unwrap());
    verify_numeric(&graph).unwrap();
    let text = graph.to_string();
    assert!(text.contains("\n%2 = exp %1 real"), "{text}");
}
