//! Loops and ways back over them on the native engine, bit for bit against the plain evaluator, which runs one sample after
//! the other and stores every state.

#[path = "loops_by_hand/mod.rs"]
mod by_hand;
mod numeric;

use std::sync::atomic::AtomicBool;

use by_hand::{CASES, ports};
use ncg::engine::native::{self, MachineCode, Native, Settings};
use ncg::engine::{Inputs, Program};
use ncg::error::{Error, ErrorKind};
use ncg::graph::{Builder, Graph, NodeId, verify_numeric};
use ncg::ops::real::Real;
use ncg::ops::{Emit, Op};
use numeric::{Columns, Results, built, evaluate, input, parameter, random, repeat, reverse};
use proptest::prelude::*;

const CODES: [MachineCode; 3] = [MachineCode::Off, MachineCode::Avx, MachineCode::Auto];

fn prepare<T: Real>(graph: &Graph, machine_code: MachineCode) -> Native<T> {
    let settings = Settings {
        machine_code,
        eager: true,
        ..Settings::default()
    };
    native::prepare_with(graph, &settings).unwrap()
}

const SIZES: [usize; 8] = [0, 1, 2, 127, 128, 129, 1000, 5000];

/// Values of the ports: `x` and `y` of both signs, `n` from 0 to 8, some `m` and `p`.
fn inputs(samples: usize, seed: u64) -> Columns<f64> {
    let small = |seed: u64| {
        random::<f64>(samples.max(1), seed)
            .into_iter()
            .map(|x| x / 5.0)
    };
    let trips = random::<f64>(samples.max(1), seed + 2).into_iter();
    Columns {
        values: vec![
            small(seed).collect(),
            small(seed + 1).collect(),
            trips.map(|x| ((x + 10.0) / 2.3).floor()).collect(),
            vec![5.0],
            vec![0.75],
        ],
        stride: 1,
    }
}

/// The values for the samples from `start` on.
fn part(all: &Columns<f64>, start: usize, count: usize) -> Columns<f64> {
    let values = all.values.iter().map(|column| match column.len() {
        1 => column.clone(),
        _ => column[start..start + count].to_vec(),
    });
    Columns {
        values: values.collect(),
        stride: 1,
    }
}

/// The same values, spread out in memory.
fn spread(all: &Columns<f64>, stride: usize) -> Columns<f64> {
    let values = all.values.iter().map(|column| {
        let spread = column.iter().flat_map(|value| vec![*value; stride]);
        spread.collect()
    });
    Columns {
        values: values.collect(),
        stride,
    }
}

fn bits(value: f64) -> u64 {
    match value.is_nan() {
        true => f64::NAN.to_bits(),
        false => value.to_bits(),
    }
}

/// The outputs, each one value or one a sample.
fn run(
    program: &mut Native<f64>,
    outputs: usize,
    samples: usize,
    inputs: &Columns<f64>,
) -> Result<Vec<Vec<u64>>, Error> {
    let mut results = Results::new(outputs, samples, 1);
    program.run(samples, inputs, &mut results, None)?;
    let values = results.values.into_iter().zip(results.uniform);
    let values = values.map(|(values, uniform)| match uniform {
        Some(value) => vec![bits(value); samples.max(1)],
        None => values.into_iter().map(bits).collect(),
    });
    Ok(values.collect())
}

/// What the plain evaluator says, likewise.
fn expected(graph: &Graph, samples: usize, inputs: &Columns<f64>) -> Vec<Vec<u64>> {
    let values = evaluate(graph, samples, inputs).into_iter();
    let batched = graph.batched();
    let outputs = graph
        .outputs
        .iter()
        .map(|output| batched[output.node.index()]);
    let values = values.zip(outputs).map(|(values, batched)| match batched {
        true => values.into_iter().map(bits).collect(),
        false => vec![bits(values[0]); samples.max(1)],
    });
    values.collect()
}

#[track_caller]
fn agree(graph: &Graph, sizes: &[usize], seed: u64, what: &str) {
    verify_numeric(graph).unwrap();
    let mut programs = CODES.map(|code| prepare::<f64>(graph, code));
    for samples in sizes {
        let inputs = inputs(*samples, seed);
        let wanted = expected(graph, *samples, &inputs);
        let spread = spread(&inputs, 3);
        let runs = programs.iter_mut().zip([&inputs, &inputs, &spread]);
        for (program, inputs) in runs {
            let found = run(program, graph.outputs.len(), *samples, inputs).unwrap();
            for (output, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                // simplification may find out that a value is one for the whole batch
                let wanted = &wanted[..found.len().min(wanted.len())];
                for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                    let [a, b] = [found, wanted].map(|bits| f64::from_bits(*bits));
                    let name = &graph.outputs[output].name;
                    assert_eq!(
                        found, wanted,
                        "{what}, {samples} samples, {name}, sample {i}: {a} and {b}\n{graph}"
                    );
                }
            }
        }
    }
}

#[test]
fn loops_give_the_values_of_the_plain_evaluator() {
    for (name, case) in CASES {
        agree(&built(ports(), case), &SIZES, 7, name);
    }
}

#[test]
fn the_cases_are_not_trivial() {
    // a loop in the cases runs, for some samples and not for others
    let trips = &inputs(1000, 7).values[2];
    assert!(trips.contains(&0.0) && trips.contains(&7.0));
    for (name, case) in CASES {
        let graph = built(ports(), case);
        let values = expected(&graph, 1000, &inputs(1000, 7));
        for (output, values) in graph.outputs.iter().zip(values) {
            let finite = values.iter().filter(|v| f64::from_bits(**v).is_finite());
            assert!(finite.count() > 500, "{name}, {}", output.name);
        }
    }
}

#[test]
fn a_sample_has_the_same_bits_however_the_batch_is_split() {
    let samples = 1000;
    let all = inputs(samples, 11);
    for (name, case) in CASES {
        let graph = built(ports(), case);
        if graph.to_string().contains("batch-") {
            continue;
        }
        let outputs = graph.outputs.len();
        let mut program = prepare::<f64>(&graph, MachineCode::Off);
        let whole = run(&mut program, outputs, samples, &all).unwrap();
        let mut program = prepare::<f64>(&graph, MachineCode::Auto);
        for size in [1, 7, 128, 300] {
            for start in (0..samples).step_by(size) {
                let count = size.min(samples - start);
                let found = run(&mut program, outputs, count, &part(&all, start, count)).unwrap();
                for (found, whole) in found.iter().zip(&whole) {
                    assert_eq!(
                        found[..],
                        whole[start..start + count],
                        "{name}, from {start}"
                    );
                }
            }
        }
    }
}

/// A loop of this many states and its way back, for trip counts up to `n * scale`.
fn long(states: usize, scale: f64) -> Graph {
    built(ports(), |b| {
        let [x, n, p] = [0, 2, 4].map(|port| b.port(port));
        let (zero, one, scale) = (b.real(0.0), b.real(1.0), b.real(scale));
        let last = b.op(Op::Mul, &[n, scale]);
        let mut inits = vec![zero];
        inits.extend(vec![x; states]);
        let results = repeat(
            b,
            &inits,
            |b, s| b.op(Op::Less, &[s[0], last]),
            |b, s| {
                let mut next = vec![b.op(Op::Add, &[s[0], one])];
                for i in 1..s.len() {
                    // each state takes a part of the one before it
                    let neighbour = s[if i == 1 { s.len() - 1 } else { i - 1 }];
                    let sine = b.op(Op::Mul, &[neighbour, p]);
                    let half = b.op(Op::Mul, &[s[i], s[i]]);
                    let tame = b.op(Op::Add, &[one, half]);
                    next.push(b.op(Op::Div, &[sine, tame]));
                }
                next
            },
        );
        let carries = reverse(b, results[0], &[one, zero], |b, s, c| {
            let mut slope = s[1];
            for state in &s[2..] {
                slope = b.op(Op::Sub, &[*state, slope]);
            }
            let step = b.op(Op::Mul, &[slope, c[0]]);
            let tame = b.op(Op::Div, &[step, last]);
            let first = b.op(Op::Sub, &[c[0], tame]);
            let sum = b.op(Op::Add, &[c[1], s[0]]);
            vec![first, sum]
        });
        vec![
            ("state", results[1]),
            ("slope", carries[0]),
            ("sum", carries[1]),
        ]
    })
}

#[test]
fn a_way_back_longer_than_its_tape_computes_states_again() {
    // of one state some hundred iterations are kept, of forty states some dozens
    agree(&long(1, 1.0), &[1, 130], 3, "short");
    agree(&long(1, 100.0), &[1, 130], 3, "longer than the tape");
    agree(
        &long(40, 700.0),
        &[2, 130],
        3,
        "more checkpoints than there is room for",
    );
}

#[test]
fn single_precision_too() {
    for (name, case) in CASES {
        let graph = built(ports(), case);
        let wide = inputs(300, 5);
        let narrow = |column: &Vec<f64>| column.iter().map(|x| *x as f32).collect();
        let inputs = Columns::<f32> {
            values: wide.values.iter().map(narrow).collect(),
            stride: 1,
        };
        let wanted = evaluate(&graph, 300, &inputs);
        for code in CODES {
            let mut results = Results::<f32>::new(graph.outputs.len(), 300, 1);
            let mut program = prepare::<f32>(&graph, code);
            program.run(300, &inputs, &mut results, None).unwrap();
            for (i, wanted) in wanted.iter().enumerate() {
                for (sample, wanted) in wanted.iter().enumerate() {
                    let found = results.uniform[i].unwrap_or(results.values[i][sample]);
                    let same =
                        found.to_bits() == wanted.to_bits() || (found.is_nan() && wanted.is_nan());
                    assert!(
                        same,
                        "{name}, sample {sample}, code {code:?}: {found} and {wanted}"
                    );
                }
            }
        }
    }
}

/// Counts to its input, or for ever where that is not a number.
fn counting() -> Graph {
    built(vec![input("n"), parameter("m", 3.0)], |b| {
        let (n, m) = (b.port(0), b.port(1));
        let (zero, one) = (b.real(0.0), b.real(1.0));
        let mut count = |last: NodeId| {
            let head = |b: &mut Builder, s: &[NodeId]| {
                let done = b.op(Op::GreaterEqual, &[s[0], last]);
                b.op(Op::Not, &[done])
            };
            repeat(b, &[zero], head, |b, s| vec![b.op(Op::Add, &[s[0], one])])[0]
        };
        vec![("each", count(n)), ("all", count(m))]
    })
}

fn limited(max_steps: u64) -> Native<f64> {
    let settings = Settings {
        max_steps,
        ..Settings::default()
    };
    native::prepare_with(&counting(), &settings).unwrap()
}

#[test]
fn a_loop_without_an_end_is_an_error() {
    let mut program = limited(1000);
    let columns = |n: Vec<f64>, m: f64| Columns {
        values: vec![n, vec![m]],
        stride: 1,
    };
    for samples in [1, 2, 200] {
        let mut try_with = |n: f64, m: f64| {
            let mut all = vec![3.0; samples];
            all[samples - 1] = n;
            run(&mut program, 2, samples, &columns(all, m))
        };
        let counts = try_with(1000.0, 1000.0).unwrap();
        assert_eq!(counts[0][samples - 1], 1000f64.to_bits());
        for (n, m) in [
            (1001.0, 1.0),
            (1.0, 1001.0),
            (f64::NAN, 1.0),
            (1.0, f64::NAN),
        ] {
            let error = try_with(n, m).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Limit);
            let wanted = "a loop has run more than 1000 iterations (option max_steps)";
            assert_eq!(error.message, wanted);
        }
        // a run that fails leaves nothing behind
        assert_eq!(try_with(7.0, 5.0).unwrap()[0][samples - 1], 7f64.to_bits());
    }
}

#[test]
fn the_limit_is_that_of_the_option_by_default() {
    let mut program = native::prepare::<f64>(&counting()).unwrap();
    let inputs = |n: f64| Columns {
        values: vec![vec![n], vec![1.0]],
        stride: 1,
    };
    let most: f64 = ncg::options::Options::new().int("max_steps") as f64;
    assert!(run(&mut program, 2, 1, &inputs(most)).is_ok());
    assert!(run(&mut program, 2, 1, &inputs(most + 1.0)).is_err());
}

#[test]
fn a_loop_can_be_cancelled() {
    /// Sets the flag while the values are read, and so before the loop begins.
    struct Stopping<'a>(Columns<f64>, &'a AtomicBool);
    impl Inputs<f64> for Stopping<'_> {
        fn uniform(&self, port: usize) -> f64 {
            self.0.uniform(port)
        }
        fn gather(&self, port: usize, start: usize, out: &mut [f64]) {
            self.1.store(true, std::sync::atomic::Ordering::Relaxed);
            self.0.gather(port, start, out);
        }
        fn contiguous(&self, _: usize, _: usize, _: usize) -> Option<&[f64]> {
            None
        }
    }
    for samples in [1, 2, 200] {
        let mut program = limited(u64::MAX);
        let cancel = AtomicBool::new(false);
        let columns = Columns {
            values: vec![vec![f64::INFINITY; samples], vec![1.0]],
            stride: 1,
        };
        let mut results = Results::new(2, samples, 1);
        let inputs = Stopping(columns, &cancel);
        program
            .run(samples, &inputs, &mut results, Some(&cancel))
            .unwrap();
    }
}

/// A graph that the numbers choose: loops in loops, in arms and in ways back, with at most a few iterations each.
struct Choices<'a> {
    numbers: std::slice::Iter<'a, u16>,
    one: NodeId,
}

impl Choices<'_> {
    /// A number below `limit`; zeros once there are no more, which choose what ends.
    fn below(&mut self, limit: usize) -> usize {
        self.numbers.next().map_or(0, |n| *n as usize % limit)
    }

    fn value(&mut self, b: &mut Builder, seen: &[NodeId]) -> NodeId {
        let any = |choices: &mut Self| seen[choices.below(seen.len())];
        let (x, y) = (any(self), any(self));
        let op = [
            Op::Add,
            Op::Sub,
            Op::Mul,
            Op::Div,
            Op::Min,
            Op::Max,
            Op::Less,
            Op::Or,
            Op::Sub,
            Op::Mul,
        ];
        let unary = [
            Op::Sin,
            Op::Abs,
            Op::Neg,
            Op::Exp,
            Op::Sqrt,
            Op::Not,
            Op::Log,
        ];
        match self.below(4) {
            0 => {
                let op = unary[self.below(unary.len())];
                b.op(op, &[x])
            }
            1 => {
                let inner = b.op(op[self.below(3)], &[x, y]);
                let z = any(self);
                b.op(op[self.below(4)], &[inner, z])
            }
            _ => b.op(op[self.below(op.len())], &[x, y]),
        }
    }

    /// Adds values to those that are seen.
    fn statements(&mut self, b: &mut Builder, seen: &mut Vec<NodeId>, depth: usize) {
        for _ in 0..1 + self.below(4) {
            match self.below(6) {
                0 | 1 if depth < 3 => self.repeat(b, seen, depth),
                2 if depth < 3 => {
                    let test = self.value(b, seen);
                    let arms = [(); 2].map(|_| {
                        b.open_region(&[]);
                        let mut inside = seen.clone();
                        self.statements(b, &mut inside, depth + 1);
                        let last = self.last(&inside, 2);
                        b.close_region(last)
                    });
                    seen.extend(b.branch(test, arms[0], arms[1]));
                }
                _ => {
                    let value = self.value(b, seen);
                    seen.push(value);
                }
            }
        }
    }

    /// Some of the values, rather late ones.
    fn last(&mut self, seen: &[NodeId], count: usize) -> Vec<NodeId> {
        let any = |_| seen[seen.len() - 1 - self.below(seen.len().min(6))];
        (0..count).map(any).collect()
    }

    fn repeat(&mut self, b: &mut Builder, seen: &mut Vec<NodeId>, depth: usize) {
        let states = 1 + self.below(3);
        let mut inits = vec![self.one];
        inits.extend(self.last(seen, states));
        let around = seen.clone();
        let most = match self.below(3) {
            0 => self.one,
            1 => self.last(seen, 1)[0],
            _ => around[self.below(5)],
        };
        let five = b.real(5.0);
        let most = b.op(Op::Min, &[most, five]);
        let condition = self.below(3);
        let mut inside = around.clone();
        let me = std::cell::RefCell::new(&mut *self);
        let results = {
            let kept = std::cell::RefCell::new(&mut inside);
            repeat(
                b,
                &inits,
                |b, s| {
                    let (mut me, mut inside) = (me.borrow_mut(), kept.borrow_mut());
                    inside.extend(s);
                    let counted = b.op(Op::Less, &[s[0], most]);
                    match condition {
                        0 => counted,
                        1 => {
                            me.statements(b, &mut inside, depth + 1);
                            let other = me.value(b, &inside);
                            b.op(Op::And, &[counted, other])
                        }
                        _ => {
                            let other = me.value(b, &inside);
                            inside.push(other);
                            b.op(Op::And, &[counted, other])
                        }
                    }
                },
                |b, s| {
                    let (mut me, mut inside) = (me.borrow_mut(), kept.borrow_mut());
                    me.statements(b, &mut inside, depth + 1);
                    let mut next = vec![b.op(Op::Add, &[s[0], me.one])];
                    next.extend(me.last(&inside, states));
                    next
                },
            )
        };
        seen.extend(&results);
        for _ in 0..self.below(3) {
            let carries = 1 + self.below(3);
            let inits = self.last(seen, carries);
            let me = std::cell::RefCell::new(&mut *self);
            let last = reverse(b, results[0], &inits, |b, s, c| {
                let mut me = me.borrow_mut();
                let mut inside = around.clone();
                inside.extend(s);
                inside.extend(c);
                me.statements(b, &mut inside, depth + 1);
                me.last(&inside, carries)
            });
            seen.extend(last);
        }
    }

    fn graph(numbers: &[u16]) -> Graph {
        built(ports(), |b| {
            let one = b.real(1.0);
            let mut choices = Choices {
                numbers: numbers.iter(),
                one,
            };
            let mut seen: Vec<NodeId> = (0..5).map(|port| b.port(port)).collect();
            choices.statements(b, &mut seen, 0);
            choices.repeat(b, &mut seen, 0);
            let sum = b.op(Op::BatchSum, &[seen[seen.len() - 1]]);
            let scaled = b.op(Op::Mul, &[sum, seen[0]]);
            seen.push(scaled);
            choices.statements(b, &mut seen, 1);
            let last = choices.last(&seen, 4);
            vec![
                ("a", last[0]),
                ("b", last[1]),
                ("c", last[2]),
                ("sum", sum),
                ("scaled", scaled),
            ]
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(400), ..ProptestConfig::default() })]
    #[test]
    fn random_loops_give_the_values_of_the_plain_evaluator(
        numbers in prop::collection::vec(any::<u16>(), 20..250),
        seed in 1u64..1000,
    ) {
        agree(&Choices::graph(&numbers), &[0, 1, 2, 129, 300], seed, "random");
    }
}
/// A state that becomes what hangs on a sum over the batch, though it begins with what does not.
const LATER: &str = "\
input x
input y
input n
parameter m = 5.0 [-inf.0, +inf.0]
parameter p = 0.75 [-inf.0, +inf.0]
%0 = port 0 real
%1 = port 1 real
%5 = const 1.0 real
%6 = * %0 %0 real
%39 = const 5.0 real
%65 = batch-sum %6 real
%66 = * %65 %0 real
%69 = loop %5 %6 %66 %1 real
  %70 = param real
  %71 = param real
  %72 = param real
  %73 = param real
  %74 = < %70 %39 bool
  %75 = exp %73 real
  %76 = and %74 %75 bool
  yield %76
do
  %78 = + %70 %5 real
  yield %78 %72 %72 %72
end
%80 = get %69 1 real
output a %80
value $0
";

#[test]
fn a_loop_waits_for_the_sums_that_its_next_states_read() {
    let graph = ncg::graph::parse(LATER).unwrap();
    agree(&graph, &[1, 2, 129, 300], 923, "later");
}

/// A value that is the next state of a loop and stands on a way back inside that loop too.
const SHARED: &str = "\
input x
input y
input n
parameter m = 5.0 [-inf.0, +inf.0]
parameter p = 0.75 [-inf.0, +inf.0]
%0 = port 0 real
%4 = port 4 real
%5 = const 1.0 real
%6 = loop %5 %4 %0 %4 real
  %7 = param real
  %8 = param real
  %9 = param real
  %10 = param real
  %11 = < %7 %0 bool
  yield %11
do
  %12 = + %7 %5 real
  %13 = loop %5 real
    %14 = param real
    %15 = < %14 %5 bool
    yield %15
  do
    %16 = + %14 %5 real
    yield %16
  end
  %17 = get %13 0 real
  %19 = + %8 %0 real
  %20 = reverse %13 %19 %19 real
    %21 = param real
    %22 = param real
    %23 = param real
    yield %19 %22
  end
  %24 = get %20 0 real
  %25 = get %20 1 real
  yield %12 %25 %19 %24
end
%26 = get %6 0 real
%27 = get %6 1 real
%28 = get %6 2 real
%29 = get %6 3 real
%30 = reverse %6 %28 real
  %31 = param real
  %32 = param real
  %33 = param real
  %34 = param real
  %35 = param real
  %36 = loop %5 %34 real
    %37 = param real
    %38 = param real
    %39 = < %37 %0 bool
    yield %39
  do
    %40 = + %37 %5 real
    %41 = loop %5 %38 real
      %42 = param real
      %43 = param real
      %44 = < %42 %5 bool
      yield %44
    do
      %45 = + %42 %5 real
      %46 = sin %0 real
      yield %45 %46
    end
    %47 = get %41 0 real
    %48 = get %41 1 real
    yield %40 %48
  end
  %49 = get %36 0 real
  %50 = get %36 1 real
  yield %50
end
%51 = get %30 0 real
output a %51
value $0
";

#[test]
fn a_way_back_leaves_the_registers_of_what_is_around_it_alone() {
    let graph = ncg::graph::parse(SHARED).unwrap();
    agree(&graph, &[1, 2, 129], 1, "shared");
}
