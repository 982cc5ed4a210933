//! Reverse mode over loops against forward mode on dual numbers: `vjp`, `jacobian` and `training` of graphs written by hand,
//! one for each way in which loops, branches and parameters can meet, and of random ones.

mod plain;
mod random_loops;

use ncg::grad::{cheapest_jacobian, cheapest_vjp, jacobian, training, vjp};
use ncg::graph::{Graph, NodeKind, parse, verify_numeric};
use plain::derivatives::{check, check_by};
use plain::evaluate;
use proptest::prelude::*;

/// The carries of each way back in a graph, in order.
fn carries(graph: &Graph) -> Vec<usize> {
    let nodes = graph.nodes.iter();
    nodes
        .filter(|node| matches!(node.kind, NodeKind::Reverse(_)))
        .map(|node| node.args.len() - 1)
        .collect()
}

const XK: &str = "\
input x
parameter k = 2.0 [-inf.0, +inf.0]
%0 = port 0 real
%1 = port 1 real
";

#[test]
fn a_static_trip_count() {
    // y ← k y + sin x, three times
    let graph = check(
        &format!(
            "{XK}\
%2 = const 0 int
%3 = const 1 int
%4 = const 3 int
%10 = loop %2 %0 real
  %11 = param int
  %12 = param real
  %13 = < %11 %4 bool
  yield %13
do
  %14 = + %11 %3 int
  %15 = * %1 %12 real
  %16 = sin %0 real
  %17 = + %15 %16 real
  yield %14 %17
end
%18 = get %10 1 real
output y %18
"
        ),
        &[&[0.5, -1.25, 3.0]],
        &[1.5],
    );
    // the counter has no adjoint: carried are those of y, of x and of k
    assert_eq!(carries(&vjp(&graph, &[0, 1])), [3]);
    assert_eq!(carries(&vjp(&graph, &[0])), [2]);
    assert_eq!(carries(&vjp(&graph, &[1])), [2]);
    // for few ports a loop that carries tangents is less work
    assert!(carries(&cheapest_vjp(&graph, &[0, 1])).is_empty());
    assert!(carries(&cheapest_jacobian(&graph, &[1])).is_empty());
}

#[test]
fn each_sample_its_own_trip_count_and_none() {
    // y ← k y + 1/x while y < 10: the test depends on the parameter and on the state
    check(
        &format!(
            "{XK}\
%2 = const 10.0 real
%3 = const 1.0 real
%10 = loop %0 real
  %12 = param real
  %13 = < %12 %2 bool
  yield %13
do
  %15 = * %1 %12 real
  %16 = / %3 %0 real
  %17 = + %15 %16 real
  yield %17
end
%18 = get %10 0 real
output y %18
"
        ),
        &[&[0.5, 4.0, 11.0, 0.01, 9.9]],
        &[1.75],
    );
}

#[test]
fn what_a_loop_without_iterations_would_compute_reaches_no_derivative() {
    // while y < 0: y ← y + log x + 1/x + sqrt (x - 1), which are infinite or NaN at 0
    let graph = check(
        &format!(
            "{XK}\
%2 = const 0.0 real
%3 = const 1.0 real
%10 = loop %0 real
  %12 = param real
  %13 = < %12 %2 bool
  yield %13
do
  %14 = log %0 real
  %15 = / %1 %0 real
  %16 = - %0 %3 real
  %17 = sqrt %16 real
  %18 = + %14 %15 real
  %19 = + %18 %17 real
  %20 = + %12 %19 real
  yield %20
end
%21 = get %10 0 real
%22 = * %21 %1 real
output y %22
"
        ),
        &[&[0.0, 2.0]],
        &[3.0],
    );
    let derived = vjp(&graph, &[0, 1]);
    let got = evaluate(&derived, 1, &[vec![0.0], vec![3.0], vec![1.0]]);
    assert_eq!([got[1][0], got[2][0]], [3.0, 0.0]);
}

#[test]
fn an_iteration_after_the_end_reaches_no_derivative() {
    // sums 1/x, 1/(x-1), … while x > 0: the division by zero of the sample that has ended is not computed
    check(
        &format!(
            "{XK}\
%2 = const 0.0 real
%3 = const 1.0 real
%10 = loop %0 %2 real
  %11 = param real
  %12 = param real
  %13 = > %11 %2 bool
  yield %13
do
  %14 = / %1 %11 real
  %15 = + %12 %14 real
  %16 = - %11 %3 real
  yield %16 %15
end
%21 = get %10 1 real
output y %21
"
        ),
        &[&[3.0, 1.0, 0.0, -2.0, 2.5]],
        &[3.0],
    );
}

#[test]
fn nested_loops() {
    // outer: i < 3; inner: z ← z k + x while j < i, from y; then y ← sin z
    check(
        &format!(
            "{XK}\
%2 = const 0 int
%3 = const 1 int
%4 = const 3 int
%10 = loop %2 %0 real
  %11 = param int
  %12 = param real
  %13 = < %11 %4 bool
  %14 = * %12 %1 real
  yield %13
do
  %20 = loop %2 %14 real
    %21 = param int
    %22 = param real
    %23 = < %21 %11 bool
    yield %23
  do
    %24 = + %21 %3 int
    %25 = * %22 %1 real
    %26 = + %25 %0 real
    %27 = * %26 %12 real
    yield %24 %27
  end
  %28 = get %20 1 real
  %29 = sin %28 real
  %30 = + %11 %3 int
  yield %30 %29
end
%18 = get %10 1 real
output y %18
"
        ),
        &[&[0.5, -1.25, 3.0]],
        &[0.7],
    );
}

#[test]
fn a_loop_in_the_head_of_a_loop() {
    // the head sums k y three times; the sum decides and goes on
    check(
        &format!(
            "{XK}\
%2 = const 0 int
%3 = const 1 int
%4 = const 3 int
%5 = const 20.0 real
%6 = const 0.0 real
%10 = loop %0 real
  %12 = param real
  %20 = loop %2 %6 real
    %21 = param int
    %22 = param real
    %23 = < %21 %4 bool
    yield %23
  do
    %24 = + %21 %3 int
    %25 = * %12 %1 real
    %26 = + %25 %22 real
    yield %24 %26
  end
  %28 = get %20 1 real
  %13 = < %28 %5 bool
  yield %13
do
  %29 = * %28 %12 real
  %30 = + %29 %0 real
  yield %30
end
%18 = get %10 0 real
output y %18
"
        ),
        &[&[0.5, 1.25, 3.0, 40.0]],
        &[0.7],
    );
}

#[test]
fn loops_in_arms() {
    // the arm that is not taken does not even end
    check(
        &format!(
            "{XK}\
%2 = const 0.0 real
%3 = const 100.0 real
%5 = > %0 %2 bool
%6 = if %5 real
  %10 = loop %0 real
    %12 = param real
    %13 = < %12 %3 bool
    yield %13
  do
    %14 = * %12 %1 real
    %15 = * %14 %0 real
    yield %15
  end
  %18 = get %10 0 real
  yield %18
else
  %19 = * %0 %1 real
  yield %19
end
%20 = get %6 0 real
output y %20
"
        ),
        &[&[2.0, -1.0, 1.5, 0.0, 200.0]],
        &[1.25],
    );
}

#[test]
fn branches_in_loops() {
    // y ← (if (= x 0) k y else y / x + sqrt x) while y < 20
    check(
        &format!(
            "{XK}\
%2 = const 0.0 real
%3 = const 20.0 real
%4 = const 1.0 real
%5 = = %0 %2 bool
%10 = loop %4 real
  %12 = param real
  %13 = < %12 %3 bool
  yield %13
do
  %6 = if %5 real
    %14 = * %12 %1 real
    yield %14
  else
    %15 = / %12 %0 real
    %16 = sqrt %0 real
    %17 = + %15 %16 real
    yield %17
  end
  %20 = get %6 0 real
  yield %20
end
%18 = get %10 0 real
output y %18
"
        ),
        &[&[0.0, 0.5, 0.25, 0.9]],
        &[1.25],
    );
}

#[test]
fn a_test_on_a_parameter_gives_no_gradient() {
    // t counts up to k; y adds x
    let graph = check(
        &format!(
            "{XK}\
%2 = const 0.0 real
%3 = const 1.0 real
%10 = loop %2 %2 real
  %11 = param real
  %12 = param real
  %13 = < %11 %1 bool
  yield %13
do
  %14 = + %11 %3 real
  %15 = + %12 %0 real
  yield %14 %15
end
%18 = get %10 1 real
output y %18
"
        ),
        &[&[0.5, 2.0]],
        &[3.5],
    );
    let derived = vjp(&graph, &[1]);
    assert!(carries(&derived).is_empty(), "{derived}");
    // the adjoint of y never changes: only that of x is carried
    assert_eq!(carries(&vjp(&graph, &[0])), [1]);
}

#[test]
fn a_state_that_only_the_test_reads_has_no_adjoint() {
    // the step is a parameter: t ← t + k while t < 3, y ← y x
    let graph = check(
        &format!(
            "{XK}\
%2 = const 0.0 real
%3 = const 1.0 real
%4 = const 3.0 real
%10 = loop %2 %3 real
  %11 = param real
  %12 = param real
  %13 = < %11 %4 bool
  yield %13
do
  %14 = + %11 %1 real
  %15 = * %12 %0 real
  yield %14 %15
end
%18 = get %10 1 real
output y %18
"
        ),
        &[&[0.5, 2.0]],
        &[0.7],
    );
    assert!(carries(&vjp(&graph, &[1])).is_empty());
    assert_eq!(carries(&vjp(&graph, &[0, 1])), [2]);
}

#[test]
fn exact_integers_take_part() {
    // y ← y + i k floor(x k): the counter and the floor have no derivative
    check(
        &format!(
            "{XK}\
%2 = const 0 int
%3 = const 1 int
%4 = const 4 int
%10 = loop %2 %0 real
  %11 = param int
  %12 = param real
  %13 = < %11 %4 bool
  yield %13
do
  %14 = + %11 %3 int
  %15 = * %11 %1 real
  %16 = * %0 %1 real
  %17 = floor %16 real
  %18 = * %15 %17 real
  %19 = + %12 %18 real
  yield %14 %19
end
%20 = get %10 1 real
%21 = get %10 0 int
%22 = * %20 %21 real
output y %22
"
        ),
        &[&[0.5, 2.0, -1.3]],
        &[1.7],
    );
}

#[test]
fn states_that_swap_and_states_from_outside() {
    // (a, b, c, d) ← (b, a k, 1, x): the last two forget where they started
    check(
        &format!(
            "{XK}\
%2 = const 0 int
%3 = const 1 int
%4 = const 3 int
%5 = const 1.0 real
%9 = exp %0 real
%10 = loop %2 %0 %1 %9 %1 real
  %11 = param int
  %12 = param real
  %13 = param real
  %14 = param real
  %15 = param real
  %16 = < %11 %4 bool
  yield %16
do
  %17 = + %11 %3 int
  %18 = * %12 %1 real
  %19 = + %14 %15 real
  yield %17 %13 %18 %5 %0
end
%20 = get %10 1 real
%21 = get %10 2 real
%22 = get %10 3 real
%23 = get %10 4 real
%24 = * %20 %21 real
%25 = * %22 %23 real
output a %24
output b %25
output a.again %24
output x %0
output k %1
"
        ),
        &[&[0.5, 2.0, -1.3]],
        &[1.7],
    );
}

/// t ← t + k, y ← y t x while t < 3: one state is the same for all samples, one is not, and both go on.
const MIXED: &str = "\
%2 = const 0.0 real
%3 = const 1.0 real
%4 = const 3.0 real
%10 = loop %2 %3 real
  %11 = param real
  %12 = param real
  %13 = < %11 %4 bool
  yield %13
do
  %14 = + %11 %1 real
  %15 = * %12 %14 real
  %16 = * %15 %0 real
  yield %14 %16
end
%18 = get %10 0 real
%19 = get %10 1 real
%20 = sin %18 real
%21 = * %20 %1 real
";

#[test]
fn a_state_for_all_samples_beside_one_for_each() {
    check(
        &format!("{XK}{MIXED}%22 = * %21 %19 real\noutput y %22\noutput t %21\n"),
        &[&[0.5, 2.0, -1.3]],
        &[0.7],
    );
    // what stands behind it: a branch and a loop that are the same for all samples
    check(
        &format!(
            "{XK}{MIXED}\
%30 = > %1 %2 bool
%31 = if %30 real
  %32 = * %21 %18 real
  yield %32
else
  yield %1
end
%33 = get %31 0 real
%40 = loop %33 real
  %41 = param real
  %42 = < %41 %4 bool
  yield %42
do
  %43 = + %41 %1 real
  %44 = + %43 %3 real
  yield %44
end
%45 = get %40 0 real
%22 = * %45 %19 real
output y %22
output t %45
"
        ),
        &[&[0.5, 2.0, -1.3]],
        &[0.7],
    );
}

#[test]
fn a_loop_for_the_whole_batch_is_swept_once() {
    // Newton's iteration for the root of k, times x
    let graph = check(
        &format!(
            "{XK}\
%2 = const 0 int
%3 = const 1 int
%4 = const 6 int
%5 = const 0.5 real
%10 = loop %2 %1 real
  %11 = param int
  %12 = param real
  %13 = < %11 %4 bool
  yield %13
do
  %14 = + %11 %3 int
  %15 = / %1 %12 real
  %16 = + %12 %15 real
  %17 = * %16 %5 real
  yield %14 %17
end
%18 = get %10 1 real
%19 = * %18 %0 real
output y %19
"
        ),
        &[&[0.5, 2.0, -1.3]],
        &[2.0],
    );
    for derived in [vjp(&graph, &[1]), training(&graph, &[1])] {
        let batched = derived.batched();
        for (i, node) in derived.nodes.iter().enumerate() {
            if let NodeKind::Reverse(_) = node.kind {
                assert!(!batched[i], "{derived}");
            }
        }
        assert_eq!(carries(&derived), [2]);
    }
    let derived = vjp(&graph, &[1]);
    let x = vec![0.5, 2.0, -1.3];
    let got = evaluate(&derived, 3, &[x.clone(), vec![2.0; 3], vec![1.0; 3]]);
    let wanted: f64 = x.iter().map(|x| x * 0.5 / 2f64.sqrt()).sum();
    assert!((got[1][0] - wanted).abs() < 1e-12);
}

#[test]
fn what_does_not_change_is_not_carried() {
    // c never changes; nothing reads d
    let graph = check(
        &format!(
            "{XK}\
%2 = const 0 int
%3 = const 1 int
%4 = const 3 int
%10 = loop %2 %0 %1 %0 real
  %11 = param int
  %12 = param real
  %13 = param real
  %14 = param real
  %16 = < %11 %4 bool
  yield %16
do
  %17 = + %11 %3 int
  %18 = * %12 %13 real
  %19 = * %14 %1 real
  yield %17 %18 %13 %19
end
%20 = get %10 1 real
%21 = get %10 2 real
%22 = * %20 %21 real
output y %22
"
        ),
        &[&[0.5, 2.0, -1.3]],
        &[1.7],
    );
    assert_eq!(carries(&vjp(&graph, &[0, 1])), [2]);
    assert_eq!(carries(&vjp(&graph, &[0])), [1]);
}

#[test]
fn a_loop_that_never_runs_is_its_first_states() {
    let graph = check(
        &format!(
            "{XK}\
%2 = const #f bool
%10 = loop %0 real
  %12 = param real
  yield %2
do
  %18 = * %12 %1 real
  yield %18
end
%20 = get %10 0 real
%21 = * %20 %1 real
output y %21
"
        ),
        &[&[0.5, 2.0, -1.3]],
        &[1.7],
    );
    assert!(carries(&vjp(&graph, &[0, 1])).is_empty());
}

#[test]
fn a_second_derivative_of_a_loop_is_no_number() {
    let graph = parse(&format!(
        "{XK}{MIXED}output y %19\noutput t %18\noutput x %0\n"
    ))
    .unwrap();
    let first = jacobian(&graph, &[1]);
    let second = jacobian(&first, &[1]);
    verify_numeric(&second).unwrap();
    let got = evaluate(&second, 1, &[vec![2.0], vec![0.7]]);
    let outputs = second.outputs.iter().zip(&got);
    let value = |name: &str| {
        let mut found = outputs.clone().filter(|(output, _)| &*output.name == name);
        found.next().unwrap().1[0]
    };
    // by way of the loop alone, and by way of the sweep back over it
    assert!((value("d.y.k") - value("d.d.y.k.k")).is_nan());
    assert!(!value("d.y.k").is_nan());
    assert_eq!(value("d.x.k"), 0.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_graphs(choices in prop::collection::vec(any::<u16>(), 0..240)) {
        let graph = random_loops::graph(&choices);
        verify_numeric(&graph).unwrap();
        let ports: Vec<Vec<f64>> = graph.ports.iter().enumerate().map(|(i, port)| {
            let value = |sample: usize| ((i * 5 + sample * 3) as f64 * 0.7).sin() * 1.5;
            match port.is_parameter() {
                true => vec![value(0); 4],
                false => (0..4).map(value).collect(),
            }
        }).collect();
        let all: Vec<usize> = (0..ports.len()).collect();
        check_by(&graph, &ports, &all);
        check_by(&graph, &ports, &graph.parameters());
        check_by(&graph, &ports, &[0]);
    }
}
