//! The interpreter: programs that it interprets, specialised, are the graphs of direct compilation, node for node; run as it is,
//! on the tagged engine, it gives the same values. `PROPTEST_CASES` sets how many random programs, `PROPTEST_RNG_SEED` which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ncg::compile::Model;
use ncg::error::ErrorKind;
use ncg::interp::{self, Interpreter, bind_program, interpreter, read_program};
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};
use ncg::specialize::{Given, Limits};
use ncg::syntax::ast::Constant;
use ncg::syntax::{expand, reader};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestError, TestRunner};

#[allow(dead_code)]
mod programs;
#[allow(dead_code)]
mod reference;

/// How many random programs where `PROPTEST_CASES` does not say.
const CASES: u32 = 300;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|e| e == "scm"))
        .collect();
    files.sort();
    files
}

fn options(settings: &[(&str, &str)]) -> Options {
    let mut options = Options::new();
    for (name, value) in settings {
        options.set(name, value).unwrap();
    }
    options
}

/// The lines from which on two texts differ.
fn difference(interpreted: &str, direct: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (interpreted.lines().collect(), direct.lines().collect());
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let show = |lines: &[&str]| {
        let lines = lines[same..].iter().take(12);
        lines
            .map(|line| format!("    {line}\n"))
            .collect::<String>()
    };
    format!(
        "  {} lines interpreted, {} direct; from line {}:\n  interpreted\n{}  direct\n{}",
        a.len(),
        b.len(),
        same + 1,
        show(&a),
        show(&b)
    )
}

/// Compares the graphs of one program; `None` where direct compilation gives no numeric graph.
fn compare(source: &str, options: &Options) -> Option<Result<(), String>> {
    let direct = Model::compile(source, options).ok()?;
    if !direct.is_numeric() {
        return None;
    }
    Some(
        match bind_program(interpreter().unwrap(), source, options) {
            Err(error) => Err(format!("  {error}")),
            Ok(Model {
                refusal: Some(error),
                ..
            }) => Err(format!("  {error}")),
            Ok(interpreted) => {
                let (a, b) = (interpreted.graph.to_string(), direct.graph.to_string());
                match a == b {
                    true => Ok(()),
                    false => Err(difference(&a, &b)),
                }
            }
        },
    )
}

#[test]
fn every_program_of_the_contract_is_the_direct_graph() {
    let (mut failures, mut count) = (Vec::new(), 0);
    let models = files("../examples/models").into_iter();
    for path in files("run").into_iter().chain(models) {
        let source = std::fs::read_to_string(&path).unwrap();
        let start = Instant::now();
        if let Some(result) = compare(&source, &Options::new()) {
            count += 1;
            if let Err(message) = result {
                let name = path.file_name().unwrap().to_string_lossy();
                failures.push(format!("{name}\n{message}"));
            }
        }
        if start.elapsed().as_millis() > 300 {
            println!("{} took {:?}", path.display(), start.elapsed());
        }
    }
    println!("{count} programs");
    assert!(
        failures.is_empty(),
        "{} of {count} programs differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(count > 400, "{count}");
}

/// Runs a property over the random programs.
fn over_programs(check: impl Fn(&programs::Program) -> Result<(), String>) {
    let mut config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 1000,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    if let RngSeed::Random = config.rng_seed {
        config.rng_seed = RngSeed::Fixed(1);
    }
    let choices = prop::collection::vec(any::<u16>(), 0..600);
    let result = TestRunner::new(config).run(&choices, |choices| {
        check(&programs::program(&choices)).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, choices)) => {
            panic!("{reason}\n\n{}", programs::program(&choices).text)
        }
        Err(other) => panic!("{other}"),
    }
}

/// The first theorem: what the interpreter makes of a program is what the compiler makes of it.
#[test]
fn random_programs_are_the_direct_graphs() {
    let (count, others) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    over_programs(|program| match compare(&program.text, &Options::new()) {
        None => Ok(()),
        Some(result) => {
            count.set(count.get() + 1);
            if result.is_err() {
                others.set(others.get() + 1);
            }
            result.or_else(|message| same_bits(program).map_err(|error| error + "\n" + &message))
        }
    });
    println!("{} programs, {} of other graphs", count.get(), others.get());
    assert!(count.get() > 200 && others.get() * 50 <= count.get());
}

/// A loop may begin an iteration later in one graph than in the other: the values and the derivatives are then the same.
fn same_bits(program: &programs::Program) -> Result<(), String> {
    let direct = Arc::new(Model::compile(&program.text, &Options::new()).unwrap());
    let bound = bind_program(interpreter().unwrap(), &program.text, &Options::new());
    let bound = Arc::new(bound.map_err(|error| error.to_string())?);
    for point in &program.points {
        let [(y, d), (z, e)] = [&direct, &bound].map(|model| run(model, "native", point).unwrap());
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        if !same(y, z) || !d.iter().zip(&e).all(|(a, b)| near(*a, *b)) {
            return Err(format!("{point:?}: {z} and {e:?}, not {y} and {d:?}"));
        }
    }
    Ok(())
}

/// Values and gradients of one sample.
fn run(model: &Arc<Model>, engine: &str, x: &[f64]) -> Result<(f64, Vec<f64>), ncg::Error> {
    let mut session = Session::<f64>::new(model.clone(), &options(&[("engine", engine)]))?;
    let (inputs, parameters, _) = session.counts();
    let (mut y, mut dx, mut dp) = ([0.0], vec![0.0; inputs], vec![0.0; parameters]);
    let into = Gradient {
        y: Some(&mut StridedMut::rows(&mut y, 1)),
        dx: Some(&mut StridedMut::rows(&mut dx, inputs)),
        dp: Some(&mut dp),
    };
    session.gradient(1, &Strided::rows(x, inputs), None, None, into, None)?;
    dx.extend(dp);
    Ok((y[0], dx))
}

fn near(a: f64, b: f64) -> bool {
    let size = a.abs().max(b.abs()).max(1.0);
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * size
}

/// The interpreter as it is, through its dispatch, environments and heap.
#[test]
fn run_literally_programs_have_the_same_values_and_gradients() {
    let count = std::cell::Cell::new(0);
    over_programs(|program| {
        let Ok(direct) = Model::compile(&program.text, &Options::new()) else {
            return Ok(());
        };
        let direct = Arc::new(direct);
        let bound = bind_program(interpreter().unwrap(), &program.text, &Options::new());
        let bound = Arc::new(bound.map_err(|error| error.to_string())?);
        for point in &program.points {
            let (Ok((y, d)), literal) =
                (run(&direct, "tagged", point), run(&bound, "tagged", point))
            else {
                continue;
            };
            let (z, e) = literal.map_err(|error| format!("{point:?}: {error}"))?;
            if y.to_bits() != z.to_bits() && !(y.is_nan() && z.is_nan()) {
                return Err(format!("{point:?}: the value is {z}, not {y}"));
            }
            if !d.iter().zip(&e).all(|(a, b)| near(*a, *b)) {
                return Err(format!("{point:?}: the gradient is {e:?}, not {d:?}"));
            }
            count.set(count.get() + 1);
        }
        Ok(())
    });
    println!("{} points", count.get());
    assert!(count.get() > 800);
}

/// The second theorem: wherever no border and no kink is near, the gradient is that of numbers that carry their derivatives
/// through the source.
#[test]
fn gradients_are_the_true_ones_off_the_borders() {
    let work = || {
        let count = std::cell::Cell::new(0);
        over_programs(|program| {
            let bound = bind_program(interpreter().unwrap(), &program.text, &Options::new());
            let Ok(bound) = bound.map(Arc::new) else {
                return Ok(());
            };
            if !bound.is_numeric() {
                return Ok(());
            }
            let parameters = program.parameters.iter().map(String::as_str);
            let wrt: Vec<&str> = programs::INPUTS.into_iter().chain(parameters).collect();
            for point in &program.points {
                let given: Vec<_> = programs::INPUTS.into_iter().zip(*point).collect();
                let limits = reference::eval::Limits {
                    depth: 2000,
                    steps: 3000,
                };
                let Ok(outcome) = reference::run(&program.text, &given, &wrt, limits) else {
                    continue;
                };
                let Some(number) = outcome.value.number() else {
                    continue;
                };
                let wanted = number.real();
                if outcome.gap < 1e-6 || outcome.wild || !wanted.value.is_finite() {
                    continue;
                }
                let (_, slopes) = run(&bound, "native", point).map_err(|e| e.to_string())?;
                for (i, slope) in slopes.iter().enumerate() {
                    let (true_slope, size) = (wanted.slopes[i], wanted.sizes[i]);
                    if (slope - true_slope).abs() > 1e-7 * (true_slope.abs() + size) {
                        let name = wrt[i];
                        return Err(format!("{point:?}, by {name}: {slope}, not {true_slope}"));
                    }
                    count.set(count.get() + 1);
                }
            }
            Ok(())
        });
        println!("{} derivatives", count.get());
        assert!(count.get() > 1000);
    };
    // the reference evaluator recurses as deep as the program does
    let thread = std::thread::Builder::new().stack_size(1 << 30).spawn(work);
    if let Err(panic) = thread.unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

/// The exceptions are the borders themselves; and a constant inside a test has the gradient zero, which a warning says.
#[test]
fn at_a_border_the_gradient_is_that_of_the_path_taken() {
    let bind = |text: &str| {
        let bound = bind_program(interpreter().unwrap(), text, &Options::new());
        Arc::new(bound.unwrap())
    };
    let model = bind("(input x)(parameter a 0.75) (if (< x a) (* 2 x) (* x x))");
    let (step, mut wrong) = (1e-7, Vec::new());
    for i in 0..16 {
        let x = i as f64 / 8.0;
        let (_, slope) = run(&model, "native", &[x]).unwrap();
        let side = |x: f64| run(&model, "native", &[x]).unwrap().0;
        let difference = (side(x + step) - side(x - step)) / (2.0 * step);
        if (difference - slope[0]).abs() > 1e-5 {
            wrong.push(x);
        }
        assert_eq!(slope[1], 0.0, "a stands in a test");
    }
    assert_eq!(wrong, [0.75]);
    let warnings = model.warnings();
    let kinds: Vec<_> = warnings.iter().map(|w| (w.kind.name(), &*w.name)).collect();
    assert_eq!(kinds[0], ("zero-gradient", "a"), "{kinds:?}");
}

/// The same in loops and in recursions, whether they become graphs or run through the interpreter as they are.
#[test]
fn a_constant_inside_a_test_has_no_gradient_through_it() {
    for (text, numeric) in [
        ("(if (< x a) (* b x) (* x x))", true),
        (
            "(define (f y) (if (< y a) (* b y) (f (- y 1)))) (f x)",
            true,
        ),
        (
            "(loop ((y x) (n 0)) (if (> y a) (* b n) (recur (+ y 0.5) (+ n 1))))",
            true,
        ),
        (
            "(define (f y) (if (< y a) y (* b (f (- y 1))))) (f x)",
            false,
        ),
    ] {
        let text = format!("(input x)(parameter a 0.75)(parameter b 1.5) {text}");
        let bind = |text: &str| bind_program(interpreter().unwrap(), text, &Options::new());
        let bound = Arc::new(bind(&text).unwrap());
        let direct = Arc::new(Model::compile(&text, &Options::new()).unwrap());
        assert_eq!(bound.is_numeric(), numeric, "{text}");
        // but for the places: nodes of an interpreter have none
        let said = |model: &Model| -> Vec<_> {
            let warnings = model.warnings().into_iter();
            warnings.map(|w| (w.kind, w.name, w.message)).collect()
        };
        assert_eq!(said(&bound), said(&direct), "{text}");
        if numeric {
            let warnings = bound.warnings();
            let zero = |w: &&ncg::warn::Warning| w.kind.name() == "zero-gradient";
            let warning = warnings
                .iter()
                .find(zero)
                .unwrap_or_else(|| panic!("{text}"));
            assert_eq!(&*warning.name, "a", "{text}");
            assert!(warning.message.contains("gradient"), "{}", warning.message);
        }
        for x in [-0.5, 0.4, 1.3, 3.9] {
            for engine in ["tagged", "native"] {
                if engine == "tagged" || numeric {
                    let (value, slopes) = run(&bound, engine, &[x]).unwrap();
                    let wanted = run(&direct, engine, &[x]).unwrap();
                    assert_eq!((value, &slopes), (wanted.0, &wanted.1), "{text} at {x}");
                    assert_eq!(slopes[1], 0.0, "{text} at {x}");
                }
            }
        }
    }
}

/// A literal run is bounded: in calls, and in cells of its heap and its tape; each bound can be raised.
#[test]
fn a_literal_run_says_which_limit_it_passes() {
    let text =
        "(input x) (define (f n y) (if (= n 0) y (f (- n 1) (* y (sin (+ x n)))))) (f 2000 x)";
    let bound = Arc::new(bind_program(interpreter().unwrap(), text, &Options::new()).unwrap());
    let gradient = |settings: &[(&str, &str)]| {
        let all: Vec<_> = [("engine", "tagged")]
            .iter()
            .chain(settings)
            .copied()
            .collect();
        let mut session = Session::<f64>::new(bound.clone(), &options(&all))?;
        let (mut y, mut dx) = ([0.0], [0.0]);
        let into = Gradient {
            y: Some(&mut StridedMut::rows(&mut y, 1)),
            dx: Some(&mut StridedMut::rows(&mut dx, 1)),
            dp: None,
        };
        session.gradient(1, &Strided::rows(&[0.3], 1), None, None, into, None)?;
        Ok::<_, ncg::Error>((y[0], dx[0]))
    };
    let wanted = gradient(&[]).unwrap();
    for (name, small, large) in [
        ("max_heap", "20000", "5000000"),
        ("max_steps", "20000", "300000"),
    ] {
        let error = gradient(&[(name, small)]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit, "{error}");
        assert!(error.message.contains(name), "{error}");
        assert_eq!(gradient(&[(name, large)]).unwrap(), wanted);
    }
}

/// Literally too, a batch gives the bits of its samples alone.
#[test]
fn literal_batches_have_the_bits_of_samples_alone() {
    for text in [
        "(* a (exp (* (- 0 b) x)))",
        "(define (f y) (if (< y a) y (* b (f (- y 1))))) (f x)",
        "(fold-left + 0 (map (lambda (c) (max (* c x) a (sin b))) (list a b 3)))",
        "(if (integer? (floor (* 2 x))) (/ a (+ b (* x x))) a)",
    ] {
        let text = format!("(input x)(parameter a 0.75)(parameter b 1.5) {text}");
        let bound = Arc::new(bind_program(interpreter().unwrap(), &text, &Options::new()).unwrap());
        let x: Vec<f64> = (0..300).map(|i| (i as f64 * 0.37).sin() * 4.0).collect();
        let mut session =
            Session::<f64>::new(bound.clone(), &options(&[("engine", "tagged")])).unwrap();
        let (mut y, mut dx, mut dp) = (vec![0.0; 300], vec![0.0; 300], [0.0; 2]);
        let into = Gradient {
            y: Some(&mut StridedMut::rows(&mut y, 1)),
            dx: Some(&mut StridedMut::rows(&mut dx, 1)),
            dp: Some(&mut dp),
        };
        let table = Strided::rows(&x, 1);
        session
            .gradient(300, &table, None, None, into, None)
            .unwrap();
        let mut sums = [0.0; 2];
        for (i, x) in x.iter().enumerate() {
            let (value, slopes) = run(&bound, "tagged", &[*x]).unwrap();
            assert_eq!((y[i], dx[i]), (value, slopes[0]), "{text} at {x}");
            sums = [sums[0] + slopes[1], sums[1] + slopes[2]];
        }
        assert_eq!(dp, sums, "{text}");
    }
}

/// The third theorem: composing two programs composes their values and gradients.
#[test]
fn composition_composes_values_and_gradients() {
    let outer = [
        "(* y (sin (* a y)))",
        "(if (> y 0) (exp (* a y)) (* y y))",
        "(loop ((i 0) (s y)) (if (= i 4) s (recur (+ i 1) (* a (cos s)))))",
    ];
    let inner = [
        "(+ (* a x) 0.25)",
        "(if (< x 1) (* x (+ a x)) (sqrt x))",
        "(fold-left + 0 (map (lambda (c) (* c x)) (list a 2 3)))",
    ];
    for f in outer {
        for g in inner {
            let both = format!("(input x)(parameter a 0.7)\n((lambda (y) {f}) {g})");
            let bind = |text: &str| {
                Arc::new(bind_program(interpreter().unwrap(), text, &Options::new()).unwrap())
            };
            let (outer, inner) = (
                bind(&format!("(input y)(parameter a 0.7)\n{f}")),
                bind(&format!("(input x)(parameter a 0.7)\n{g}")),
            );
            let both = bind(&both);
            for x in [-1.5, -0.2, 0.3, 0.9, 2.5] {
                let (y, dg) = run(&inner, "native", &[x]).unwrap();
                let (z, df) = run(&outer, "native", &[y]).unwrap();
                let (value, gradient) = run(&both, "native", &[x]).unwrap();
                assert_eq!(value.to_bits(), z.to_bits(), "{f} after {g} at {x}");
                let chained = [df[0] * dg[0], df[1] + df[0] * dg[1]];
                assert!(
                    near(gradient[0], chained[0]) && near(gradient[1], chained[1]),
                    "{f} after {g} at {x}: {gradient:?}, not {chained:?}"
                );
            }
        }
    }
}

/// The names in the interpreter's table, and what each of them means there.
fn table() -> BTreeMap<String, String> {
    let data = reader::read(interp::SOURCE, reader::Limits::default()).unwrap();
    let definition = data.iter().find(|datum| {
        let target = datum.form("define").and_then(|items| items[1].list());
        target.is_some_and(|target| {
            target[0]
                .symbol()
                .is_some_and(|name| &**name == "primitive")
        })
    });
    let items = definition.unwrap().list().unwrap();
    let mut table = BTreeMap::new();
    // ((memq name '(names …)) => (lambda (rest) (counterpart rest (list values …))))
    for clause in &items[2].form("cond").unwrap()[1..] {
        let Some([test, _, receiver]) = clause.list() else {
            continue;
        };
        let names = test.list().unwrap()[2].form("quote").unwrap()[1]
            .list()
            .unwrap();
        let values = &receiver.list().unwrap()[2].list().unwrap()[2]
            .form("list")
            .unwrap()[1..];
        assert_eq!(names.len(), values.len());
        for (name, value) in names.iter().zip(values) {
            let twice = table.insert(name.to_string(), value.to_string());
            assert!(twice.is_none(), "{name} stands twice");
        }
    }
    table
}

#[test]
fn its_primitives_are_those_of_the_compiler() {
    let public = ncg::ops::all().iter().filter(|row| row.public);
    let rows: BTreeSet<String> = public.map(|row| row.name.to_string()).collect();
    let compiler: BTreeSet<String> = rows
        .into_iter()
        .chain(expand::prelude_names().map(String::from))
        .chain(["pow".to_string()])
        .collect();
    let table = table();
    let names: BTreeSet<String> = table.keys().cloned().collect();
    let missing: Vec<_> = compiler.difference(&names).collect();
    let more: Vec<_> = names.difference(&compiler).collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "missing {missing:?}, too many {more:?}"
    );
    for (name, value) in &table {
        assert_eq!(value, if name == "pow" { "expt" } else { name });
    }
}

/// What an interpreter gives for the forms of a text, as they are.
fn raw(forms: &str, env: &[&str]) -> Result<String, ncg::Error> {
    let data = reader::read(forms, reader::Limits::default()).unwrap();
    let program = Constant::List(data.iter().map(Constant::quote).collect(), None);
    let ports: Vec<_> = env
        .iter()
        .map(|name| ncg::graph::Port {
            name: Arc::from(*name),
            kind: ncg::graph::PortKind::Input,
        })
        .collect();
    let env: Vec<_> = ports
        .iter()
        .enumerate()
        .map(|(i, port)| (port.name.clone(), Given::Port(i)))
        .collect();
    let own = interpreter()?;
    own.specialize(&program, &env, &ports, Limits::default())
        .map(|graph| graph.to_string())
}

#[test]
fn what_it_lacks_is_an_error_that_names_it() {
    for (program, words) in [
        ("(frobnicate x)", "\"frobnicate\""),
        ("(+ x nowhere)", "nowhere"),
        ("(set! x 3)", "set!"),
        ("(call/cc (lambda (k) x))", "call/cc"),
        ("(if (> x 0) (unknown x) x)", "unknown"),
        (
            "((lambda (a b) a) x)",
            "too few arguments: no value for \"b\"",
        ),
        ("((lambda (a) a) x x x)", "too many arguments"),
        ("(+ 1 (define a 2))", "(define a 2)"),
        ("(letrec ((a 5)) a)", "letrec binds procedures, not 5"),
        ("(car x)", "car"),
        ("(x 1)", "no procedure"),
        (
            "((error \"this is\" 'wrong (list 1 2)))",
            "this is \"wrong\" (1 2)",
        ),
    ] {
        let error = raw(program, &["x"]).unwrap_err();
        assert!(error.message.contains(words), "{program}: {error}");
    }
}

#[test]
fn it_takes_forms_as_a_person_writes_them() {
    let direct = |text: &str| {
        Model::compile(text, &Options::new())
            .unwrap()
            .graph
            .to_string()
    };
    for program in [
        "(define (f x) (* x 2)) (define k 3) (define (g x) (f (+ x k))) (g x)",
        "(define (even n) (if (= n 0) #t (odd (- n 1)))) (define (odd n) (if (= n 0) #f (even (- n 1)))) (if (even 10) x 0)",
        "(cond ((> x 1) x) ((> x 0) (* x x)) (else 0))",
        "(let ((a x) (b (* x x))) (begin (+ a b) (- a b)))",
        "(define (sum . l) (apply + l)) (sum x 1 2)",
        "(letrec ((f (lambda (n) (if (= n 0) x (* x (f (- n 1))))))) (f 3))",
        "(let ((car cdr)) (car '(1 2)))",
        "(if (> x 0) 1)",
    ] {
        assert_eq!(
            raw(program, &["x"]).unwrap_or_else(|e| panic!("{program}: {e}")),
            direct(&format!("(input x) {program}")),
            "{program}"
        );
    }
}

#[test]
fn the_file_is_small_deterministic_and_reads_back() {
    let own = interpreter().unwrap();
    let text = ncg::ncg::write(&own.model()).unwrap();
    println!("{} bytes, {} nodes", text.len(), own.graph().nodes.len());
    assert!(text.len() <= 285_000, "{}", text.len());
    let again = interp::compile_interpreter(interp::SOURCE).unwrap();
    assert_eq!(text, ncg::ncg::write(&again.model()).unwrap());
    let loaded = Interpreter::new(ncg::ncg::read_graph(&text).unwrap()).unwrap();
    let model = ncg::ncg::read(&text, &Options::new()).unwrap();
    assert!(!model.is_numeric());
    // reading drops what nothing uses
    let read = ncg::ncg::write(&model).unwrap();
    let again = ncg::ncg::read(&read, &Options::new()).unwrap();
    assert_eq!(ncg::ncg::write(&again).unwrap(), read);
    for program in [
        "(+ (* a x) b)",
        "(loop ((i 0) (s 0)) (if (< i n) (recur (+ i 1) (+ s (* i x))) s))",
        "(fold-left + 0 (map square (list x 2 k)))",
    ] {
        let bind = |interpreter| {
            bind_program(interpreter, program, &Options::new())
                .unwrap()
                .graph
                .to_string()
        };
        assert_eq!(bind(&loaded), bind(own));
    }
}

#[test]
fn what_is_no_interpreter_is_refused() {
    let graph = Model::compile("(+ x program)", &Options::new())
        .unwrap()
        .graph;
    assert_eq!(
        Interpreter::new(graph).err().unwrap().kind,
        ErrorKind::Argument
    );
    let graph = Model::compile("(+ env program)", &Options::new())
        .unwrap()
        .graph;
    assert_eq!(
        Interpreter::new(graph).err().unwrap().kind,
        ErrorKind::Argument
    );
}

#[test]
fn literals_become_parameters() {
    let program =
        "(input x) (define k 2.5) (+ (* k x) (exp (* -0.5 (expt x 2))) (case 1 ((1) 7) (else 8)))";
    for (which, names) in [
        (
            "all",
            "lit.0=2.5 lit.1=-0.5 lit.2=2 lit.3=1 lit.4=7 lit.5=8",
        ),
        ("reals", "lit.0=2.5 lit.1=-0.5"),
        ("1,0", "lit.0=2.5 lit.1=-0.5"),
        ("4", "lit.4=7"),
    ] {
        let options = options(&[("literals", which)]);
        let bound = bind_program(interpreter().unwrap(), program, &options).unwrap();
        let parameters: Vec<String> = bound
            .graph
            .ports
            .iter()
            .filter_map(|port| match port.kind {
                ncg::graph::PortKind::Parameter { initial, .. } => {
                    Some(format!("{}={initial}", port.name))
                }
                ncg::graph::PortKind::Input => None,
            })
            .collect();
        assert_eq!(parameters.join(" "), names);
        assert_eq!(compare(program, &options), Some(Ok(())));
        let plain = Arc::new(Model::compile(program, &Options::new()).unwrap());
        let (a, b) = (
            run(&Arc::new(bound), "native", &[0.7]).unwrap(),
            run(&plain, "native", &[0.7]).unwrap(),
        );
        assert!(near(a.0, b.0) && near(a.1[0], b.1[0]));
        assert!(near(a.1[1], 0.7) || which == "4");
    }
    for wrong in ["9", "x", "0,,1"] {
        let error = bind_program(
            interpreter().unwrap(),
            program,
            &options(&[("literals", wrong)]),
        );
        assert_eq!(error.unwrap_err().kind, ErrorKind::Argument);
    }
    let (mut settings, program) = (options(&[("literals", "all")]), "(* 3 x)");
    settings.set_str("params", "lit.0=4").unwrap();
    let bound = Arc::new(bind_program(interpreter().unwrap(), program, &settings).unwrap());
    assert_eq!(
        run(&bound, "native", &[2.0]).unwrap(),
        (8.0, vec![4.0, 2.0])
    );
}

/// The program that gives the interpreter's own text, core forms, to the interpreter.
fn tower(program: &str) -> Result<String, ncg::Error> {
    let own = interpreter()?;
    let inner = read_program(own, program, &Options::new())?;
    let outer = read_program(own, interp::SOURCE, &Options::new())?;
    let env = outer.ports.iter().map(|port| {
        let value = match &*port.name {
            "program" => Given::Constant(inner.program.clone()),
            _ => Given::Association(inner.env.clone()),
        };
        (port.name.clone(), value)
    });
    let env: Vec<_> = env.collect();
    let graph = own.specialize(&outer.program, &env, &inner.ports, Limits::default())?;
    Ok(graph.to_string())
}

#[test]
fn it_interprets_itself() {
    for program in [
        "x",
        "(+ (* a x) b)",
        "(if (> x 0) (sqrt x) 0)",
        "(define (f v) (* v v)) (f (+ x 1))",
        "(fold-left + 0 (map (lambda (v) (* v x)) '(1 2 3)))",
        "(define (fact n) (if (= n 0) 1 (* n (fact (- n 1))))) (* x (fact 5))",
        "(loop ((i 0) (s 0)) (if (< i n) (recur (+ i 1) (+ s (* i x))) s))",
    ] {
        let start = Instant::now();
        let graph = tower(program).unwrap_or_else(|error| panic!("{program}: {error}"));
        println!("{:?}: {program}", start.elapsed());
        let direct = Model::compile(program, &Options::new())
            .unwrap()
            .graph
            .to_string();
        assert!(
            graph == direct,
            "{program}\n{}",
            difference(&graph, &direct)
        );
    }
}

/// The shortest time of some runs.
fn shortest(runs: usize, work: impl Fn()) -> Duration {
    let times = (0..runs).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed()
    });
    times.min().unwrap_or_default()
}

/// Value and gradient of so many samples, one call.
fn gradient_time(model: &Arc<Model>, engine: &str, samples: usize) -> Duration {
    let mut session = Session::<f64>::new(model.clone(), &options(&[("engine", engine)])).unwrap();
    let (inputs, parameters, _) = session.counts();
    let x: Vec<f64> = (0..inputs * samples)
        .map(|i| 1.0 + 0.5 * (i as f64).sin())
        .collect();
    let (mut y, mut dx, mut dp) = (
        vec![0.0; samples],
        vec![0.0; x.len()],
        vec![0.0; parameters],
    );
    let session = std::cell::RefCell::new(&mut session);
    let memory = std::cell::RefCell::new((&mut y, &mut dx, &mut dp));
    shortest(20, || {
        let mut memory = memory.borrow_mut();
        let (y, dx, dp) = &mut *memory;
        let into = Gradient {
            y: Some(&mut StridedMut::rows(y, 1)),
            dx: Some(&mut StridedMut::rows(dx, inputs)),
            dp: Some(dp),
        };
        let table = Strided::rows(&x, inputs);
        session
            .borrow_mut()
            .gradient(samples, &table, None, None, into, None)
            .unwrap();
    })
}

/// `cargo test --release --test interpreter figures -- --ignored --nocapture`
#[test]
#[ignore = "measures"]
fn figures() {
    let recursive = "(parameter a 1)(parameter b 0.5)(parameter c 1)(parameter d 0.5)\n\
        (define (step n u v) (if (= n 0) u (step (- n 1) (+ u (* 0.01 (- (* a u) (* b u v)))) \
        (+ v (* 0.01 (- (* d u v) (* c v))))))) (step 20 u v)";
    let own = interpreter().unwrap();
    println!(
        "{:?} to compile the interpreter",
        shortest(20, || {
            interp::compile_interpreter(interp::SOURCE).unwrap();
        })
    );
    let model = include_str!("../examples/models/lotka-volterra.scm");
    for (name, text) in [
        (None, "(parameter a 1)(parameter b 1) (+ (* a x) b)"),
        (None, "(parameter k 1) (/ (* k (* q1 q2)) (* r r))"),
        (None, recursive),
        (Some("lotka-volterra.scm"), model),
    ] {
        let options = Options::new();
        let direct = shortest(200, || {
            Model::compile(text, &options).unwrap();
        });
        let bound = shortest(200, || {
            bind_program(own, text, &options).unwrap();
        });
        let title = name.unwrap_or(text);
        println!("{title}\n  compiled directly {direct:?}, bound and specialised {bound:?}");
        // how fast a whole model is bound is all that is asked of it
        if name.is_some() {
            continue;
        }
        let direct = Arc::new(Model::compile(text, &options).unwrap());
        let bound = Arc::new(bind_program(own, text, &options).unwrap());
        for samples in [1, 1024] {
            println!(
                "  {samples} samples, value and gradient: direct {:?}, specialised {:?}, literally {:?}, direct on the tagged engine {:?}",
                gradient_time(&direct, "native", samples),
                gradient_time(&bound, "native", samples),
                gradient_time(&bound, "tagged", samples),
                gradient_time(&direct, "tagged", samples),
            );
        }
    }
}
