//! A thousand programs bound to one interpreter, one after the other, in a process of their own: its memory does not grow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ncg::compile::Model;
use ncg::interp::{bind_program, interpreter};
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};

/// Value and gradient at one point, to the bit.
fn run(model: Model, x: f64) -> (u64, u64, u64) {
    let mut options = Options::new();
    options.set_str("engine", "native").unwrap();
    let mut session = Session::<f64>::new(Arc::new(model), &options).unwrap();
    let (mut y, mut dx, mut dp) = ([0.0], [0.0], [0.0]);
    let into = Gradient {
        y: Some(&mut StridedMut::rows(&mut y, 1)),
        dx: Some(&mut StridedMut::rows(&mut dx, 1)),
        dp: Some(&mut dp),
    };
    let x = [x];
    session
        .gradient(1, &Strided::rows(&x, 1), None, None, into, None)
        .unwrap();
    (y[0].to_bits(), dx[0].to_bits(), dp[0].to_bits())
}

/// Memory of this process, in kilobytes.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn a_thousand_programs_one_after_the_other() {
    let forms = [
        "(+ (* a x) B)",
        "(* a (exp (* (- 0 B) x)))",
        "(if (> x B) (* a x) (sin (+ x B)))",
        "(fold-left + B (map (lambda (c) (* c x)) (list a 2 3)))",
        "(loop ((i 0) (s x)) (if (= i 5) s (recur (+ i 1) (+ B (* a s)))))",
    ];
    let text = |i: usize| {
        format!(
            "(input x)(parameter a 1.5)\n{}",
            forms[i % forms.len()].replace('B', &format!("{}.5", i))
        )
    };
    let (mut binding, mut before) = (Duration::ZERO, None);
    for i in 0..1200 {
        let start = Instant::now();
        let bound = bind_program(interpreter().unwrap(), &text(i), &Options::new()).unwrap();
        let got = run(bound, 0.5);
        if i >= 200 {
            binding += start.elapsed();
        }
        let direct = Model::compile(&text(i), &Options::new()).unwrap();
        assert_eq!(got, run(direct, 0.5), "{}", text(i));
        if i == 200 {
            before = memory();
        }
    }
    println!(
        "{:?} a program, bound, evaluated and differentiated",
        binding / 1000
    );
    if let (Some(before), Some(after)) = (before, memory()) {
        println!("{before} kB after 200 programs, {after} kB after 1200");
        assert!(after < before + 8192, "{before} kB, then {after} kB");
    }
}
