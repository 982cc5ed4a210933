//! The whole language against a plain evaluator that shares no code with the library. The evaluator gives every value and
//! derivative of the contract files; random programs give the same bits compiled and evaluated, and their gradient is
//! that of numbers that carry their derivatives. `PROPTEST_CASES` sets how many programs, `PROPTEST_RNG_SEED` which.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ncg::compile::Model;
use ncg::error::{Error, ErrorKind};
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestError, TestRunner};

mod programs;
mod reference;

use programs::{INPUTS, Program};

use reference::contract;
use reference::eval::Limits;

/// Whether a program may be refused as not supported; such programs are counted.
const ALLOW_UNSUPPORTED: bool = false;

/// How many programs where `PROPTEST_CASES` does not say.
const CASES: u32 = 300;

/// The engines that must give the same bits; recursion whose depth hangs on data has one.
fn engines(model: &Model) -> &'static [&'static str] {
    match model.is_numeric() {
        true => &["native", "tagged"],
        false => &["tagged"],
    }
}

/// The stack of the evaluator, which recurses as deep as the program does.
const STACK: usize = 1 << 30;

/// No file that gives a value takes as many steps.
const LIMITS: Limits = Limits {
    depth: 10_500,
    steps: 250_000,
};

fn on_a_large_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work);
    if let Err(panic) = thread.unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn the_reference_gives_the_contract() {
    on_a_large_stack(|| {
        let (mut failures, mut count) = (Vec::new(), 0);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests")
            .join("run");
        let entries = std::fs::read_dir(&folder).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let run = |text: &str, given: &[(&str, f64)], wrt: &[&str]| {
                reference::run(text, given, wrt, LIMITS)
            };
            for message in contract::failures(&text, &run) {
                failures.push(format!("{name}, {message}"));
            }
            count += 1;
        }
        assert!(count > 300, "{count} files");
        let listed = failures.join("\n");
        assert!(
            failures.is_empty(),
            "{} failures:\n{listed}",
            failures.len()
        );
    });
}

/// What became of the programs.
#[derive(Default)]
struct Tally {
    compared: usize,
    slopes: usize,
    lengthy: usize,
    refused: BTreeMap<String, usize>,
}

#[test]
fn programs_give_the_bits_of_the_reference() {
    on_a_large_stack(|| {
        let mut config = ProptestConfig {
            failure_persistence: None,
            max_shrink_iters: 3000,
            ..ProptestConfig::default()
        };
        if std::env::var_os("PROPTEST_CASES").is_none() {
            config.cases = CASES;
        }
        if let RngSeed::Random = config.rng_seed {
            config.rng_seed = RngSeed::Fixed(1);
        }
        let tally = std::cell::RefCell::new(Tally::default());
        let choices = prop::collection::vec(any::<u16>(), 0..600);
        let result = TestRunner::new(config).run(&choices, |choices| {
            let program = programs::program(&choices);
            let verdict = check(&program, &mut tally.borrow_mut());
            verdict.map_err(TestCaseError::fail)
        });
        let tally = tally.into_inner();
        println!(
            "{} programs and {} derivatives compared, {} took too long",
            tally.compared, tally.slopes, tally.lengthy
        );
        for (message, count) in &tally.refused {
            println!("{count} refused: {message}");
        }
        match result {
            Ok(()) => {}
            Err(TestError::Fail(reason, choices)) => {
                panic!("{reason}\n\n{}", programs::program(&choices).text)
            }
            Err(other) => panic!("{other}"),
        }
    });
}

/// What the random programs should hold: each of these in at least one of two hundred.
const WORDS: &str = "(+ (- (* (/ (max (min (abs (square (sqrt (floor (round (truncate (relu (if (cond (case (when (unless \
    (and (or (not (let (let* (letrec (define (lambda (loop (recur (letgo (do( => (map (filter (fold-left \
    (fold-right (reduce (apply (append (reverse (list-ref (list-tail (list (cons (car (cdr (cadr (iota (length (assq \
    (assoc (evaluate (insert (twice (compose (adder (sumsq (total ' ` ,@ #t \"k\" #\\a [ (vec (mat (ref (dot (norm \
    (normalize (cross (vsum (vlen (scale (matmul (matvec (transpose (trace (det (inv (solve (outer (eye (zeros (ones \
    (modulo (quotient (remainder (even? (zero? (soft-choice (sin (exp (logdet";

#[test]
fn the_random_programs_are_broad_and_tame() {
    on_a_large_stack(|| {
        let config = ProptestConfig {
            rng_seed: RngSeed::Fixed(2),
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let mut runner = TestRunner::new(config);
        let choices = prop::collection::vec(any::<u16>(), 0..600);
        let mut counts: BTreeMap<&str, usize> = WORDS.split_whitespace().map(|w| (w, 0)).collect();
        let (mut points, mut finite, mut tame, mut moving, mut lengthy, mut length) =
            (0, 0, 0, 0, 0, 0);
        let total = 1000;
        for _ in 0..total {
            let choices = choices.new_tree(&mut runner).unwrap().current();
            let program = programs::program(&choices);
            length += program.text.len();
            let (_, text) = program.text.split_once("(define (tame").unwrap();
            let text = text.replace(' ', "");
            for (word, count) in &mut counts {
                *count += usize::from(text.contains(word));
            }
            let Some(wanted) = wanted(&program).unwrap_or_else(|e| panic!("{e}\n{}", program.text))
            else {
                lengthy += 1;
                continue;
            };
            for wanted in wanted {
                points += 1;
                finite += usize::from(wanted.value.is_finite());
                tame += usize::from(!wanted.wild);
                moving += usize::from(wanted.slopes.iter().any(|slope| *slope != 0.0));
            }
        }
        let length = length / total;
        println!(
            "{points} points: {finite} finite, {tame} tame, {moving} moving; {lengthy} programs take too long; {length} characters"
        );
        println!("{counts:?}");
        let rare: Vec<_> = counts
            .iter()
            .filter(|(_, count)| **count < total / 200)
            .collect();
        assert!(rare.is_empty(), "{rare:?}");
        assert!(finite * 10 > points * 8 && tame * 10 > points * 6 && moving * 10 > points * 5);
        assert!(lengthy * 20 < total);
    });
}

/// What the reference says about a program at one point.
struct Wanted {
    value: f64,
    slopes: Vec<f64>,
    sizes: Vec<f64>,
    gap: f64,
    wild: bool,
}

/// Random programs that take more than this are left out.
const SHORT: Limits = Limits {
    depth: 2000,
    steps: 3000,
};

/// What the reference gives at each point; `None` if it takes too long.
fn wanted(program: &Program) -> Result<Option<Vec<Wanted>>, String> {
    let parameters = program.parameters.iter().map(String::as_str);
    let wrt: Vec<&str> = INPUTS.into_iter().chain(parameters).collect();
    let mut results = Vec::new();
    for point in &program.points {
        let given: Vec<_> = INPUTS.into_iter().zip(*point).collect();
        let outcome = match reference::run(&program.text, &given, &wrt, SHORT) {
            Ok(outcome) => outcome,
            Err(message) if message.contains("is exceeded") => return Ok(None),
            Err(message) => return Err(format!("the reference at {point:?}: {message}")),
        };
        let dual = outcome
            .value
            .number()
            .ok_or("the value is no number")?
            .real();
        results.push(Wanted {
            value: dual.value,
            slopes: dual.slopes[..wrt.len()].to_vec(),
            sizes: dual.sizes[..wrt.len()].to_vec(),
            gap: outcome.gap,
            wild: outcome.wild,
        });
    }
    Ok(Some(results))
}

/// What a model gives at some points: values, derivatives by the inputs, their sums by the parameters.
struct Got {
    y: Vec<f64>,
    dx: Vec<f64>,
    dp: Vec<f64>,
}

fn got(model: &Arc<Model>, engine: &str, points: &[[f64; 3]]) -> Result<Got, Error> {
    let mut options = Options::new();
    options.set_str("engine", engine)?;
    let mut session = Session::<f64>::new(model.clone(), &options)?;
    let x = points.concat();
    let (mut alone, mut y) = (vec![0.0; points.len()], vec![0.0; points.len()]);
    let (mut dx, mut dp) = (vec![0.0; x.len()], vec![0.0; session.counts().1]);
    let (table, rows) = (Strided::rows(&x, 3), points.len());
    session.eval(
        rows,
        &table,
        None,
        &mut StridedMut::rows(&mut alone, 1),
        None,
    )?;
    let into = Gradient {
        y: Some(&mut StridedMut::rows(&mut y, 1)),
        dx: Some(&mut StridedMut::rows(&mut dx, 3)),
        dp: Some(&mut dp),
    };
    session.gradient(rows, &table, None, None, into, None)?;
    match same_bits(&alone, &y) {
        true => Ok(Got { y, dx, dp }),
        false => {
            let message = format!("the reverse sweep gives other values: {alone:?}, {y:?}");
            Err(Error::new(ErrorKind::Panic, message))
        }
    }
}

fn same_bits(a: &[f64], b: &[f64]) -> bool {
    let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    a.len() == b.len() && a.iter().zip(b).all(same)
}

/// Compares a program as compiled with what it should give.
fn check(program: &Program, tally: &mut Tally) -> Result<(), String> {
    let Some(wanted) = wanted(program)? else {
        tally.lengthy += 1;
        return Ok(());
    };
    let slopes = match compiled(program, &wanted) {
        Ok(slopes) => slopes,
        Err(Failure::Wrong(message)) => return Err(message),
        Err(Failure::Error(error)) => {
            let kind = error.kind;
            let refused = [ErrorKind::Unsupported, ErrorKind::Compile, ErrorKind::Limit];
            if !ALLOW_UNSUPPORTED || !refused.contains(&kind) {
                return Err(format!("{}: {error}", kind.code_name()));
            }
            if kind == ErrorKind::Limit {
                println!("{}\n{}", error.message, program.text);
            }
            let message = format!("{} {}", kind.code_name(), error.message);
            *tally.refused.entry(message).or_default() += 1;
            return Ok(());
        }
    };
    tally.compared += 1;
    tally.slopes += slopes;
    Ok(())
}

enum Failure {
    Wrong(String),
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Failure {
        Failure::Wrong(message)
    }
}

/// Runs a program in every way; gives how many derivatives were compared.
fn compiled(program: &Program, wanted: &[Wanted]) -> Result<usize, Failure> {
    let options = Options::new();
    let model = Arc::new(Model::compile(&program.text, &options)?);
    if model.graph.outputs.len() != 1 {
        return Err(format!("{} outputs, not one number", model.graph.outputs.len()).into());
    }
    let reread = ncg::ncg::read(&ncg::ncg::write(&model)?, &options)?;
    let engines = engines(&model);
    let (first, mut slopes) = (got(&model, engines[0], &program.points)?, 0);
    for (point, (value, wanted)) in program.points.iter().zip(first.y.iter().zip(wanted)) {
        if !same_value(*value, wanted, program.exact) {
            return Err(format!("at {point:?}: {value:?}, not {:?}", wanted.value).into());
        }
    }
    let reread = Arc::new(reread);
    let others = engines[1..].iter().map(|engine| (*engine, &model));
    for (engine, model) in others.chain([(engines[0], &reread)]) {
        let other = got(model, engine, &program.points)?;
        if !same_bits(&other.y, &first.y) {
            return Err(
                format!("{engine}, or read again: {:?}, not {:?}", other.y, first.y).into(),
            );
        }
        if engine == engines[0] && !same_bits(&other.dx, &first.dx) {
            let (other, first) = (other.dx, first.dx);
            return Err(format!("derivatives, read again: {other:?}, not {first:?}").into());
        }
    }
    let mut sums = vec![0.0; first.dp.len()];
    for (s, point) in program.points.iter().enumerate() {
        let one = got(&model, engines[0], &[*point])?;
        let same =
            same_bits(&one.y, &first.y[s..=s]) && same_bits(&one.dx, &first.dx[3 * s..3 * s + 3]);
        if !same {
            let (one, batch) = ((one.y, one.dx), (first.y[s], &first.dx[3 * s..3 * s + 3]));
            return Err(format!("at {point:?} alone {one:?}, in the batch {batch:?}").into());
        }
        let derivatives: Vec<f64> = one.dx.iter().chain(&one.dp).copied().collect();
        slopes += compare_slopes(program, point, &derivatives, &wanted[s])?;
        sums.iter_mut()
            .zip(&one.dp)
            .for_each(|(sum, dp)| *sum += dp);
    }
    for (i, (sum, batch)) in sums.iter().zip(&first.dp).enumerate() {
        let size: f64 = wanted.iter().map(|wanted| wanted.sizes[3 + i]).sum();
        let tame = sum.is_finite() && !wanted.iter().any(|wanted| wanted.wild);
        let close = (sum - batch).abs() <= 1e-12 * size;
        if tame && !close {
            let name = &program.parameters[i];
            return Err(format!("by {name}: {batch:?} in the batch, {sum:?} in sum").into());
        }
    }
    Ok(slopes)
}

fn same_value(got: f64, wanted: &Wanted, exact: bool) -> bool {
    let near = || {
        let moves = wanted.sizes.iter().copied().fold(0.0, f64::max);
        let risky = wanted.gap < 1e-9 || wanted.wild || moves > 1e4;
        risky || (got - wanted.value).abs() <= 1e-9 * wanted.value.abs().max(1.0)
    };
    same_bits(&[got], &[wanted.value]) || (!exact && near())
}

fn compare_slopes(
    program: &Program,
    point: &[f64; 3],
    got: &[f64],
    wanted: &Wanted,
) -> Result<usize, String> {
    let risky = !program.exact && wanted.gap < 1e-6;
    if wanted.wild || risky || !wanted.value.is_finite() {
        return Ok(0);
    }
    let (relative, absolute) = if program.exact {
        (1e-9, 1e-12)
    } else {
        (1e-7, 1e-7)
    };
    for (i, (got, slope)) in got.iter().zip(&wanted.slopes).enumerate() {
        let bound = relative * slope.abs() + absolute * wanted.sizes[i];
        let close = (got - slope).abs() <= bound;
        if !close {
            let parameters = program.parameters.iter().map(String::as_str);
            let name = INPUTS.into_iter().chain(parameters).nth(i).unwrap();
            return Err(format!("at {point:?}, by {name}: {got:?}, not {slope:?}"));
        }
    }
    Ok(wanted.slopes.len())
}
