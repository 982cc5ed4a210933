//! Runs of the tagged engine: its limits, its errors and their places, models that stay general, and what a run leaves on
//! the heap.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use ncg::compile::Model;
use ncg::engine::tagged::{self, Limits};
use ncg::engine::{Inputs, Outputs, Program};
use ncg::error::{Error, ErrorKind};
use ncg::graph;
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};
use ncg::syntax::ast::Constant;

mod batch;

use batch::{Columns, Table, general, ports, run};

fn value_of(text: &str, given: &[(&str, f64)], limits: Limits) -> Result<graph::Value, Error> {
    let graph = general(text).unwrap();
    tagged::evaluate(&graph, &ports(&graph, given), limits)
}

/// Programs of a million steps that need no more memory than one.
const ENDLESS: [&str; 5] = [
    "(define (f n) (if (= n 0) 7 (f (- n 1)))) (f N)",
    "(define (even n) (if (= n 0) 7 (odd (- n 1)))) (define (odd n) (if (= n 0) 8 (even (- n 1)))) (even N)",
    "(loop ((n N)) (if (= n 0) 7 (recur (- n 1))))",
    "(define (f g n) (if (= n 0) 7 (g g (- n 1)))) (f f N)",
    "(define (f n) (cond ((= n 0) 7) (else (and #t (apply f (list (- n 1))))))) (f N)",
];

#[test]
fn tail_calls_take_constant_space() {
    for text in ENDLESS {
        let cells = if text.contains("list") {
            4_000_000
        } else {
            100
        };
        let limits = Limits {
            depth: 2,
            steps: 2_000_010,
            heap: cells,
            ..Limits::default()
        };
        let text = text.replace(" N)", " 1000000.)");
        let value = value_of(&text, &[], limits).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(value, graph::Value::Constant(Constant::Int(7)), "{text}");
    }
}

#[test]
fn the_step_limit_ends_what_never_ends() {
    for text in ENDLESS {
        let text = text.replace(" N)", " -1)");
        let start = Instant::now();
        let error = value_of(&text, &[], Limits::default()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit, "{text}: {error}");
        assert!(error.message.contains("max_steps"), "{error}");
        let limit = if cfg!(debug_assertions) { 20.0 } else { 1.0 };
        assert!(start.elapsed().as_secs_f64() < limit, "{text}");
    }
}

#[test]
fn long_lists_are_no_way_around_the_step_limit() {
    let start = Instant::now();
    for work in [
        "(length l)",
        "(list-ref l 999999)",
        "(equal? l l2)",
        "(memq 'a l)",
        "(dot v v)",
    ] {
        let text = format!(
            "(define l (iota 1000000)) (define l2 (iota 1000000)) (define v (zeros 1000000)) (define (f n) (if {work} (f n) (f n))) (f 0)"
        );
        let limits = Limits {
            steps: 200_000,
            ..Limits::default()
        };
        let error = value_of(&text, &[], limits).unwrap_err();
        assert!(error.message.contains("max_steps"), "{work}: {error}");
    }
    // without the limit this would take hours
    assert!(start.elapsed().as_secs_f64() < 60.0);
}

#[test]
fn recursion_needs_no_stack_of_the_processor_and_ends_at_its_limit() {
    let text = "(define (count n) (if (= n 0) 0 (+ 1 (count (- n 1))))) (count x)";
    let deep = move || {
        let limits = Limits {
            depth: 1_000_001,
            steps: 2_000_000,
            heap: 20_000_000,
            ..Limits::default()
        };
        value_of(text, &[("x", 1e6)], limits)
    };
    let thread = std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(deep);
    let value = thread.unwrap().join().unwrap().unwrap();
    assert_eq!(value, graph::Value::Constant(Constant::Int(1_000_000)));
    let shallow = |depth: usize, x: f64| {
        let limits = Limits {
            depth,
            ..Limits::default()
        };
        value_of(text, &[("x", x)], limits)
    };
    assert!(shallow(10, 9.0).is_ok());
    let error = shallow(10, 10.0).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit);
    assert!(error.message.contains("\"count\"") && error.message.contains("max_depth"));
}

#[test]
fn the_memory_limit_ends_what_grows() {
    let limits = Limits {
        heap: 1000,
        ..Limits::default()
    };
    for text in [
        "(define (grow l) (grow (cons 1 l))) (grow '())",
        "(length (iota 100000))",
        "(define (deep n) (+ 1 (deep n))) (deep x)",
        "(vsum (zeros 4000000000 4000000000))",
        "(define (grow f) (grow (lambda (v) (f v)))) (grow sin)",
    ] {
        let error = value_of(text, &[("x", 1.0)], limits).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit, "{text}: {error}");
        assert!(error.message.contains("max_heap"), "{text}: {error}");
    }
    // the tape has a limit too
    let graph = general("(loop ((i 0) (v x)) (if (= i 5000) v (recur (+ i 1) (sin v))))").unwrap();
    let mut program = tagged::prepare_vjp::<f64>(&graph, &[0], limits).unwrap();
    let error = run(&mut program, &Table(vec![vec![1.0], vec![1.0]]), 1).err();
    assert_eq!(error.unwrap().kind, ErrorKind::Limit);
}

#[test]
fn memory_is_reused_from_sample_to_sample() {
    let graph = general("(apply + (iota 100 x))").unwrap();
    let limits = Limits {
        heap: 500,
        ..Limits::default()
    };
    let mut program = tagged::prepare_vjp::<f64>(&graph, &[0], limits).unwrap();
    let samples = 1000;
    let x: Vec<f64> = (0..samples).map(|i| i as f64).collect();
    let wanted: Vec<f64> = x.iter().map(|x| 100.0 * x + 4950.0).collect();
    let columns = run(&mut program, &Table(vec![x, vec![1.0; samples]]), samples).unwrap();
    assert_eq!(columns.0[0], wanted);
    assert_eq!(columns.0[1], vec![100.0; samples]);
}

#[test]
fn a_run_stops_when_it_is_told_to() {
    let graph = general("(define (f n) (f (+ n 1))) (f x)").unwrap();
    let limits = Limits {
        steps: usize::MAX,
        ..Limits::default()
    };
    let mut program = tagged::prepare::<f64>(&graph, limits).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let other = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        flag.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let table = Table(vec![vec![1.0]]);
    let done = program.run(1, &table, &mut Columns::default(), Some(&stop));
    assert!(done.is_ok());
    other.join().unwrap();
}

/// What is wrong whatever the data is said in the same words, at the same place, by the compiler and by the machine.
#[test]
fn errors_are_those_of_the_compiler() {
    for text in [
        "(+ 1 'a)",
        "(car 5)",
        "(cdr '())",
        "(length '(1 . 2))",
        "(list-ref '(1 2) 2)",
        "(list-tail '(1 2) -1)",
        "(list-ref '(1 2) 1.5)",
        "((car (list (lambda (a b) a))) 1)",
        "((car (list 4)) 1 2)",
        "((car (list sin)) 1 2)",
        "(apply + 1)",
        "(iota -1)",
        "(map car '(1 2))",
        "(fold-left + 0 '(1 \"b\" 2))",
        "(assq 'a '(1 2))",
        "(define (f x) (* 2\n  (car x)))\n(+ 1 (f 3))",
        "(+ [1 2] [1 2 3])",
        "(ref [1 2] 2)",
        "(ref [1 2] -1)",
        "(ref (vec) 0)",
        "(ref [1 2] 0.)",
        "(dot [1 2] [1])",
        "(matmul (mat [1 2]) (mat [1 2]))",
        "(matvec (mat [1 2]) [1])",
        "(det (mat [1 2]))",
        "(solve (eye 2) [1 2 3])",
        "(inv (eye 65))",
        "(cross [1 2] [1 2 3])",
        "(mat [1 2] [1])",
        "(mat (vec))",
        "(vec [1] 2)",
        "(vec 'a)",
        "(outer (vec) [1])",
        "(zeros 0)",
        "(eye 1.5)",
        "(norm 3)",
        "(trace [1])",
        "(vlen (eye 2))",
        "(scale [1 2] 'b)",
        "(vsum 1)",
        "(< [1 2] 3)",
    ] {
        let compiled = Model::compile(text, &Options::new()).unwrap_err();
        let run = value_of(text, &[], Limits::default()).unwrap_err();
        assert_eq!(
            (compiled.kind, &compiled.message, compiled.span),
            (run.kind, &run.message, run.span),
            "{text}"
        );
    }
}

#[test]
fn a_value_that_is_no_number_is_named() {
    for (text, what) in [
        ("(list x 1)", "a pair"),
        ("'a", "the symbol a"),
        ("(lambda (y) x)", "a procedure"),
        ("[x 2]", "a vector of 2 numbers"),
    ] {
        let graph = general(text).unwrap();
        let mut program = tagged::prepare::<f64>(&graph, Limits::default()).unwrap();
        let error = run(&mut program, &Table(vec![vec![1.0]]), 1).err().unwrap();
        assert!(error.message.contains(what), "{text}: {error}");
    }
}

#[test]
fn equality_of_procedures_strings_and_numbers() {
    let yes = "(and (eq? sin sin) (let ((f (lambda (v) (+ v x)))) (eq? f f)) (eqv? \"a\" \"a\") (equal? '(1 (2 \"b\")) (list 1 (list 2 \"b\"))) (equal? [1 2] (vec 1. 2)) (eqv? (- (sqrt -1.)) (sqrt -1.)))";
    let no = "(or (eq? sin cos) (let ((f (lambda (n) (lambda (v) (+ v n))))) (eq? (f 1) (f 2))) (eqv? 1 1.) (eqv? 0. -0.) (equal? '(1 2) '(1 2 3)) (equal? [1 2] (mat [1 2])) (eq? (list 1) (list 1)))";
    for (text, wanted) in [(yes, true), (no, false)] {
        let value = value_of(text, &[("x", 1.0)], Limits::default())
            .or_else(|_| value_of(text, &[], Limits::default()));
        assert_eq!(
            value.unwrap(),
            graph::Value::Constant(Constant::Bool(wanted))
        );
    }
}

const FIB: &str = "(parameter k 0.5)\n(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))\n(* k (fib x))";

fn session(source: &str, engine: &str) -> Result<Session<f64>, Error> {
    let mut options = Options::new();
    options.set_str("engine", engine)?;
    Session::new(Arc::new(Model::compile(source, &options)?), &options)
}

#[test]
fn a_model_that_stays_general_runs_and_differentiates() {
    let model = Model::compile(FIB, &Options::new()).unwrap();
    assert!(!model.is_numeric());
    for engine in ["auto", "tagged"] {
        let mut session = session(FIB, engine).unwrap();
        assert_eq!(session.describe(), "tagged cpu f64 threads=1");
        let x = [10.5, 1.0, 3.0];
        let table = Strided::columns(&x, 3);
        let (mut y, mut dx, mut dp, mut j) = ([0.0; 3], [0.0; 3], [0.0], [0.0; 3]);
        let into = Gradient {
            y: Some(&mut StridedMut::columns(&mut y, 3)),
            dx: Some(&mut StridedMut::columns(&mut dx, 3)),
            dp: Some(&mut dp),
        };
        session.gradient(3, &table, None, None, into, None).unwrap();
        // fib of 10.5: 89 leaves of 0.5 and 55 of 1.5
        let fib = [0.5 * 34.0 + 1.5 * 55.0, 1.0, 2.0];
        assert_eq!(y, fib.map(|f| 0.5 * f));
        assert_eq!(dp, [fib.iter().sum::<f64>()]);
        assert_eq!(dx[1..], [0.5, 1.5]);
        let into = &mut StridedMut::columns(&mut j, 3);
        session
            .jacobian(3, &table, Some(&[2.0]), None, into, None)
            .unwrap();
        assert_eq!(j, fib);
    }
    // ONNX Runtime runs it by paths
    let error = session(FIB, "native").err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    for part in ["native", "hangs on data", "engine=tagged"] {
        assert!(error.message.contains(part), "{error}");
    }
    let error = ncg::onnx::write(&model, &Options::new()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    let error = session("(car x)", "auto").err().unwrap();
    assert_eq!(error.kind, ErrorKind::Compile);
}

#[test]
fn errors_of_a_run_have_their_place_in_the_source() {
    let source = "(define (f n) (if (< n 1)\n  (car n)\n  (+ 1 (f (- n 1)))))\n(f x)";
    let mut session = session(source, "auto").unwrap();
    let table = Strided::columns(&[3.0], 1);
    let error = session
        .eval(
            1,
            &table,
            None,
            &mut StridedMut::columns(&mut [0.0], 1),
            None,
        )
        .unwrap_err();
    assert!(
        error
            .message
            .contains("\"car\" needs a pair, not the number 0"),
        "{error}"
    );
    assert_eq!(
        error.place.map(|place| (place.line, place.column)),
        Some((2, 3))
    );
}

#[test]
fn a_model_that_stays_general_is_fitted() {
    // the sum of as many terms of a geometric series as the data say, by a recursion that is no tail call
    let source = "(parameter a 0.3) (parameter r 0.2)\n(define (terms n) (if (< n 1) 0 (+ a (* r (terms (- n 1))))))\n(terms x)";
    let model = Arc::new(Model::compile(source, &Options::new()).unwrap());
    let mut options = Options::new();
    options.set_str("engine", "tagged").unwrap();
    let x: Vec<f64> = (1..12).map(f64::from).collect();
    let y = x
        .iter()
        .map(|n| 2.0 * (1.0 - 0.7f64.powf(*n)) / 0.3)
        .collect();
    let data = ncg::fit::problem::Data {
        samples: x.len(),
        x,
        y,
        ..Default::default()
    };
    let mut fitter = ncg::fit::fitter::Fitter::new(model, &options).unwrap();
    let noise = fitter.noise();
    fitter.set_data(data, noise).unwrap();
    let stop = AtomicBool::new(false);
    fitter
        .run(&mut ncg::fit::Monitor::default(), &stop)
        .unwrap();
    let baked = fitter.bake().unwrap();
    let initial = |port: &graph::Port| match port.kind {
        graph::PortKind::Parameter { initial, .. } => Some(initial),
        graph::PortKind::Input => None,
    };
    let found: Vec<f64> = baked.graph.ports.iter().filter_map(initial).collect();
    assert!(
        (found[0] - 2.0).abs() < 1e-8 && (found[1] - 0.7).abs() < 1e-8,
        "{found:?}"
    );
}

#[test]
fn single_precision_computes_in_single_precision() {
    let graph = general("(define (f n) (if (< n 1) 0 (+ (/ x 3.) (f (- n 1))))) (f x)").unwrap();
    struct One(f32);
    impl Inputs<f32> for One {
        fn uniform(&self, _: usize) -> f32 {
            self.0
        }
        fn gather(&self, _: usize, _: usize, out: &mut [f32]) {
            out.fill(self.0);
        }
        fn contiguous(&self, _: usize, _: usize, _: usize) -> Option<&[f32]> {
            None
        }
    }
    struct Kept(f32);
    impl Outputs<f32> for Kept {
        fn scatter(&mut self, _: usize, _: usize, values: &[f32]) {
            self.0 = values[0];
        }
        fn uniform(&mut self, _: usize, _: f32) {}
        fn contiguous(&mut self, _: usize, _: usize, _: usize) -> Option<&mut [f32]> {
            None
        }
    }
    let mut program = tagged::prepare::<f32>(&graph, Limits::default()).unwrap();
    let mut kept = Kept(0.0);
    program.run(1, &One(7.0), &mut kept, None).unwrap();
    let third = 7.0f32 / 3.0;
    let wanted = (0..7).fold(0.0f32, |sum, _| third + sum);
    assert_eq!(kept.0, wanted);
}

#[test]
fn the_heap_is_shown_cell_by_cell() {
    let text = "(define (pairs n) (if (< n 1) '(\"hi\") (cons n (pairs (- n 1))))) (list (pairs x) sin [1 x])";
    let graph = general(text).unwrap();
    let trace = tagged::trace(&graph, &[1.0], Limits::default()).unwrap();
    for (i, cell) in trace.cells.iter().enumerate() {
        assert_eq!(cell.address as usize, i);
        assert!(tagged::TAGS.contains(&cell.tag));
        // an address is written once, and points to what was there before
        if cell.tag == "pair" {
            assert!(cell.payload[1] < i as f64, "{cell:?}");
        }
    }
    let tags: Vec<&str> = trace.cells.iter().map(|cell| cell.tag).collect();
    let constants = ["character", "character", "string", "nil"];
    assert_eq!(tags[..trace.constants], constants);
    assert_eq!(tags[4..6], ["real", "pair"]);
    assert_eq!(trace.cells[5].text, "(\"hi\" . ())");
    assert!(tags.contains(&"closure") && tags.contains(&"array"));
    assert_eq!(trace.values[0].tag, "pair");
    // again the same: nothing is left of a run
    assert_eq!(
        trace,
        tagged::trace(&graph, &[1.0], Limits::default()).unwrap()
    );
}

/// How fast the machine is: `cargo test --release --test tagged_runs -- --ignored --nocapture speed`.
#[test]
#[ignore = "prints times"]
fn speed() {
    let limits = Limits {
        steps: usize::MAX,
        ..Limits::default()
    };
    for (name, text, x, steps) in [
        (
            "tail calls",
            "(define (f n s) (if (< n 1) s (f (- n 1) (+ s n)))) (f x 0)",
            5e6,
            5e6,
        ),
        (
            "fib",
            "(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))) (fib x)",
            30.0,
            2_692_537.0,
        ),
        (
            "map",
            "(define (f n) (if (< n 1) 0 (begin (map (lambda (v) (* v v)) '(1 2 3 4 5 6 7 8 9)) (f (- n 1))))) (f x)",
            1e5,
            2_000_000.0,
        ),
    ] {
        let graph = general(text).unwrap();
        for by in [vec![], vec![0]] {
            let mut program = match by.is_empty() {
                true => tagged::prepare::<f64>(&graph, limits),
                false => tagged::prepare_vjp(
                    &graph,
                    &by,
                    Limits {
                        heap: 100_000_000,
                        ..limits
                    },
                ),
            }
            .unwrap();
            let table = Table(vec![vec![x], vec![1.0]]);
            let start = Instant::now();
            if let Err(error) = run(&mut program, &table, 1) {
                println!("{name}: {error}");
                continue;
            }
            let seconds = start.elapsed().as_secs_f64();
            let what = if by.is_empty() { "value" } else { "gradient" };
            println!(
                "{name}, {what}: {:.1} million calls a second",
                steps / seconds / 1e6
            );
        }
    }
}
