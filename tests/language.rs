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
use proptest::test_runner::{RngSeed, TestError, TestRunner};

mod programs;
mod reference;

use programs::{INPUTS, Program};

use reference::eval::Limits;
use reference::number::DIRECTIONS;
use reference::reader::{Datum, read_all};
use reference::value::Value;

/// Whether a program may be refused as not supported; such programs are counted.
const ALLOW_UNSUPPORTED: bool = true;

/// How many programs where `PROPTEST_CASES` does not say.
const CASES: u32 = 300;

/// The engines that must give the same bits.
fn engines() -> &'static [&'static str] {
    &["native"]
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

/// Contract files that say something else than the language does, and why.
const DISPUTED: [(&str, &str); 1] = [(
    "error-car-of-nil.scm",
    "(cdr l) of the empty list comes first, so the error is cdr's, not car's",
)];

#[test]
fn the_reference_gives_the_contract() {
    on_a_large_stack(|| {
        let (mut failures, mut count) = (Vec::new(), 0);
        for folder in ["run", "run-later"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests")
                .join(folder);
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            for path in paths {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let disputed = DISPUTED.iter().find(|(file, _)| *file == name);
                if let Some((_, reason)) = disputed {
                    println!("{name} is left out: {reason}");
                    continue;
                }
                for message in contract_file(&text) {
                    failures.push(format!("{name}, {message}"));
                }
                count += 1;
            }
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

/// A line `; run:` with the lines `; grad:` behind it.
struct Case {
    line: usize,
    given: Vec<(String, Vec<f64>)>,
    wanted: Result<(Datum, bool), String>,
    tolerance: f64,
    gradients: Vec<(usize, String, Vec<f64>, f64)>,
}

fn numbers(datum: &Datum) -> Vec<f64> {
    let number = |datum: &Datum| match datum.quote().number() {
        Some(number) => number.real().value,
        None => panic!("{} is no number", datum.quote()),
    };
    match datum.form("vec") {
        Some(items) => items[1..].iter().map(number).collect(),
        None => vec![number(datum)],
    }
}

/// Splits `value ~1e-12`; the platform's functions are off by an ulp here and there, and some cases amplify it.
fn tolerance(text: &str) -> (&str, f64) {
    let (text, tolerance) = match text.rsplit_once('~') {
        Some((value, tolerance)) => (value, tolerance.trim().parse().unwrap()),
        None => (text, 1e-14),
    };
    (text.trim(), tolerance)
}

fn given(text: &str) -> Vec<(String, Vec<f64>)> {
    let list = read_all(text).unwrap().remove(0);
    let mut items = list.items().unwrap_or(&[]).iter();
    let mut given = Vec::new();
    while let Some(item) = items.next() {
        let (name, value) = item.symbol().unwrap().split_once('=').unwrap();
        let values = match value {
            "" => numbers(items.next().unwrap()),
            value => numbers(&read_all(value).unwrap()[0]),
        };
        given.push((name.to_string(), values));
    }
    given
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if let Some(rest) = line.strip_prefix("; run: ") {
            let (bindings, wanted) = rest.split_once("=>").unwrap();
            let (value, tolerance) = tolerance(wanted);
            let wanted = match value.strip_prefix("error: ") {
                Some(message) => Err(message.to_string()),
                None => {
                    let vector = value.strip_prefix('#').filter(|rest| rest.starts_with('('));
                    let datum = read_all(vector.unwrap_or(value)).unwrap().remove(0);
                    Ok((datum, vector.is_some()))
                }
            };
            cases.push(Case {
                line: i + 1,
                given: given(bindings),
                wanted,
                tolerance,
                gradients: Vec::new(),
            });
        } else if let Some(rest) = line.strip_prefix("; grad: ") {
            let (name, value) = rest.split_once("=>").unwrap();
            let (value, tolerance) = tolerance(value);
            let wanted = numbers(&read_all(value).unwrap()[0]);
            let entry = (i + 1, name.trim().to_string(), wanted, tolerance);
            cases.last_mut().unwrap().gradients.push(entry);
        }
    }
    assert!(!cases.is_empty());
    cases
}

fn close(got: f64, wanted: f64, tolerance: f64) -> bool {
    let scale = if wanted == 0.0 { 1.0 } else { wanted.abs() };
    got == wanted
        || (got.is_nan() && wanted.is_nan())
        || (got - wanted).abs() <= (tolerance + 4.0 * f64::EPSILON) * scale && wanted.is_finite()
}

/// Whether a value is what a file says.
fn same(got: &Value, wanted: &Value, tolerance: f64) -> bool {
    match (got, wanted) {
        (Value::Pair(a), Value::Pair(b)) => {
            same(&a.0, &b.0, tolerance) && same(&a.1, &b.1, tolerance)
        }
        (Value::Int(_) | Value::Real(_), Value::Int(_) | Value::Real(_)) => {
            let real = |value: &Value| value.number().unwrap().real().value;
            close(real(got), real(wanted), tolerance)
        }
        (Value::Str(a), Value::Str(b)) => a == b,
        _ => got.eqv(wanted),
    }
}

/// A vector or matrix as the list that a file writes.
fn as_list(value: &Value) -> Option<Value> {
    let Value::Tensor(tensor) = value else {
        return None;
    };
    let list = |data: &[_]| Value::list(data.iter().map(|dual| Value::Real(*dual)).collect());
    Some(match tensor.shape[..] {
        [_, width] => Value::list(tensor.data.chunks(width).map(list).collect()),
        _ => list(&tensor.data),
    })
}

fn contract_file(text: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for case in cases(text) {
        if let Err(message) = contract_case(text, &case) {
            failures.push(message);
        }
    }
    failures
}

fn contract_case(text: &str, case: &Case) -> Result<(), String> {
    let samples = case.given.iter().map(|(_, values)| values.len()).max();
    let samples = samples.unwrap_or(1);
    let wrt: Vec<&str> = case.gradients.iter().map(|(_, name, ..)| &**name).collect();
    assert!(wrt.len() <= DIRECTIONS);
    let mut slopes = vec![Vec::new(); wrt.len()];
    for sample in 0..samples {
        let at = |values: &Vec<f64>| *values.get(sample).unwrap_or(&values[0]);
        let given: Vec<(&str, f64)> = case
            .given
            .iter()
            .map(|(name, values)| (&**name, at(values)))
            .collect();
        let outcome = match (reference::run(text, &given, &wrt, LIMITS), &case.wanted) {
            (Err(message), Err(wanted)) if message.contains(wanted.as_str()) => continue,
            (Err(message), _) => return Err(format!("line {}: {message}", case.line)),
            (Ok(_), Err(wanted)) => {
                return Err(format!("line {}: no error \"{wanted}\"", case.line));
            }
            (Ok(outcome), Ok(_)) => outcome,
        };
        let Ok((wanted, vector)) = &case.wanted else {
            continue;
        };
        let wanted = match wanted.form("vec") {
            Some(items) if !vector => items[sample + 1].quote(),
            _ => wanted.quote(),
        };
        let got = as_list(&outcome.value).filter(|_| *vector);
        let got = got.unwrap_or(outcome.value);
        let as_number = |value: &Value| value.number().map(|number| Value::Real(number.real()));
        // a boolean is a number where an array of numbers is wanted, and the other way round
        let alike = match (as_number(&got), as_number(&wanted)) {
            (Some(got), Some(wanted)) => same(&got, &wanted, case.tolerance),
            _ => same(&got, &wanted, case.tolerance),
        };
        if !alike {
            return Err(format!(
                "line {}: the value is {got}, not {wanted}",
                case.line
            ));
        }
        for (i, slopes) in slopes.iter_mut().enumerate() {
            let dual = got.number().ok_or("the value is no number")?.real();
            slopes.push(dual.slopes[i]);
        }
    }
    for ((line, name, wanted, tolerance), got) in case.gradients.iter().zip(slopes) {
        let batch = case
            .given
            .iter()
            .any(|(other, values)| other == name && values.len() > 1);
        let got = match batch || wanted.len() > 1 {
            true => got,
            false => vec![got.iter().sum()],
        };
        let near = |(got, wanted): (&f64, &f64)| close(*got, *wanted, *tolerance);
        if got.len() != wanted.len() || !got.iter().zip(wanted).all(near) {
            return Err(format!(
                "line {line}: the derivative by {name} is {got:?}, not {wanted:?}"
            ));
        }
    }
    Ok(())
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
    let (first, mut slopes) = (got(&model, engines()[0], &program.points)?, 0);
    for (point, (value, wanted)) in program.points.iter().zip(first.y.iter().zip(wanted)) {
        if !same_value(*value, wanted, program.exact) {
            return Err(format!("at {point:?}: {value:?}, not {:?}", wanted.value).into());
        }
    }
    let reread = Arc::new(reread);
    let others = engines()[1..].iter().map(|engine| (*engine, &model));
    for (engine, model) in others.chain([("native", &reread)]) {
        let other = got(model, engine, &program.points)?;
        if !same_bits(&other.y, &first.y) {
            return Err(
                format!("{engine}, or read again: {:?}, not {:?}", other.y, first.y).into(),
            );
        }
        if engine == engines()[0] && !same_bits(&other.dx, &first.dx) {
            let (other, first) = (other.dx, first.dx);
            return Err(format!("derivatives, read again: {other:?}, not {first:?}").into());
        }
    }
    let mut sums = vec![0.0; first.dp.len()];
    for (s, point) in program.points.iter().enumerate() {
        let one = got(&model, engines()[0], &[*point])?;
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
        if tame && !((sum - batch).abs() <= 1e-12 * size) {
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
        if !((got - slope).abs() <= bound) {
            let parameters = program.parameters.iter().map(String::as_str);
            let name = INPUTS.into_iter().chain(parameters).nth(i).unwrap();
            return Err(format!("at {point:?}, by {name}: {got:?}, not {slope:?}"));
        }
    }
    Ok(wanted.slopes.len())
}
