//! The way back over a long loop takes bounded memory.

mod numeric;

use ncg::engine::{Program, native};
use ncg::graph::Graph;
use ncg::ops::{Emit, Op};
use numeric::{Columns, Results, built, input, parameter, random, repeat, reverse};

const STEPS: usize = 100_000;
const STEP: f64 = 1e-3;

/// `x = x + h (a - x²)`, and the adjoints of the first `x` and of `a`.
fn relaxation() -> Graph {
    built(vec![input("x"), parameter("a", 2.0)], |b| {
        let (x, a) = (b.port(0), b.port(1));
        let [zero, one, h, last] = [0.0, 1.0, STEP, STEPS as f64].map(|value| b.real(value));
        let values = repeat(
            b,
            &[zero, x],
            |b, s| b.op(Op::Less, &[s[0], last]),
            |b, s| {
                let square = b.op(Op::Mul, &[s[1], s[1]]);
                let slope = b.op(Op::Sub, &[a, square]);
                let change = b.op(Op::Mul, &[h, slope]);
                vec![b.op(Op::Add, &[s[0], one]), b.op(Op::Add, &[s[1], change])]
            },
        );
        let back = reverse(b, values[1], &[one, zero], |b, s, c| {
            let part = b.op(Op::Mul, &[h, c[0]]);
            let by_a = b.op(Op::Add, &[c[1], part]);
            let twice = b.op(Op::Add, &[s[1], s[1]]);
            let part = b.op(Op::Mul, &[part, twice]);
            vec![b.op(Op::Sub, &[c[0], part]), by_a]
        });
        vec![("x", values[1]), ("dx", back[0]), ("da", back[1])]
    })
}

/// The same for one sample, with every state stored.
fn by_hand(x: f64, a: f64) -> [f64; 3] {
    let mut states = vec![x];
    for i in 0..STEPS {
        states.push(states[i] + STEP * (a - states[i] * states[i]));
    }
    let (mut dx, mut da) = (1.0, 0.0);
    for state in states[..STEPS].iter().rev() {
        let part = STEP * dx;
        da += part;
        dx -= part * (state + state);
    }
    [states[STEPS], dx, da]
}

/// The most memory that this process has had, in bytes.
#[cfg(target_os = "linux")]
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

// the only test of this file: others would take memory beside it
#[cfg(target_os = "linux")]
#[test]
fn a_long_way_back_takes_bounded_memory() {
    let mut program = native::prepare::<f64>(&relaxation()).unwrap();
    for samples in [1024, 1] {
        let x: Vec<f64> = random::<f64>(samples, 3)
            .into_iter()
            .map(f64::abs)
            .collect();
        let inputs = Columns {
            values: vec![x.clone(), vec![2.0]],
            stride: 1,
        };
        let mut results = Results::new(3, samples, 1);
        let before = peak();
        program.run(samples, &inputs, &mut results, None).unwrap();
        let growth = peak() - before;
        assert!(growth < 50 << 20, "{samples} samples: {} MB", growth >> 20);
        for sample in (0..samples).step_by(100) {
            let wanted = by_hand(x[sample], 2.0);
            let found = [0, 1, 2].map(|output: usize| results.values[output][sample]);
            assert_eq!(found.map(f64::to_bits), wanted.map(f64::to_bits));
            assert!(found[1] != 0.0 || wanted[1] == 0.0);
        }
    }
}
