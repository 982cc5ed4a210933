//! The tagged engine gives what the contract files say, and what the reference evaluator gives for random programs, to the
//! bit; its derivatives are those of numbers that carry theirs. `PROPTEST_CASES` sets how many programs,
//! `PROPTEST_RNG_SEED` which.

use std::path::Path;
use std::rc::Rc;

use ncg::compile::Model;
use ncg::engine::tagged::{self, Limits};
use ncg::error::{Error, ErrorKind};
use ncg::graph::{self, Graph};
use ncg::options::Options;
use ncg::syntax::ast::Constant;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestError, TestRunner};

mod batch;
mod programs;
mod reference;

use batch::{Table, general, ports, run};
use programs::INPUTS;
use reference::number::{DIRECTIONS, Dual};
use reference::value::Value;
use reference::{Outcome, contract};

/// How many random programs where `PROPTEST_CASES` does not say.
const CASES: u32 = 300;

/// The stack of the reference evaluator, which recurses as deep as the program does.
const STACK: usize = 1 << 30;

fn on_a_large_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work);
    if let Err(panic) = thread.unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

/// A value of the engine as one of the reference.
fn converted(value: &graph::Value) -> Value {
    match value {
        graph::Value::Constant(constant) => constant_converted(constant),
        graph::Value::List(items, tail) => Value::list_with_tail(
            items.iter().map(converted).collect(),
            tail.as_ref().map_or(Value::Nil, |tail| converted(tail)),
        ),
        graph::Value::Array(shape, items) => {
            let items = items.iter().map(converted);
            let numbers = items.map(|item| item.number().unwrap().real());
            Value::tensor(shape.clone(), numbers.collect())
        }
        graph::Value::Procedure => Value::Primitive(Rc::from("procedure")),
        graph::Value::Output(_) => panic!("a number without a value"),
    }
}

fn constant_converted(constant: &Constant) -> Value {
    match constant {
        Constant::Bool(value) => Value::Bool(*value),
        Constant::Int(value) => Value::Int(*value),
        Constant::Real(value) => Value::Real(Dual::constant(*value)),
        Constant::Char(value) => Value::Char(*value),
        Constant::Symbol(name) => Value::symbol(name),
        Constant::Str(text) => Value::Str(Rc::from(&**text)),
        Constant::List(items, tail) => Value::list_with_tail(
            items.iter().map(constant_converted).collect(),
            tail.as_ref()
                .map_or(Value::Nil, |tail| constant_converted(tail)),
        ),
    }
}

/// Runs a program at one point; its derivatives, if it is a number and any are asked for.
fn outcome(text: &str, given: &[(&str, f64)], wrt: &[&str]) -> Result<Outcome, Error> {
    let graph = general(text)?;
    let values = ports(&graph, given);
    let value = converted(&tagged::evaluate(&graph, &values, Limits::default())?);
    let value = match wrt.is_empty() {
        true => value,
        false => {
            let mut dual = value.number().expect("a number").real();
            let known: Vec<(usize, usize)> = wrt
                .iter()
                .enumerate()
                .filter_map(|(i, name)| {
                    let port = graph.ports.iter().position(|port| &*port.name == *name);
                    Some((i, port?))
                })
                .collect();
            let by: Vec<usize> = known.iter().map(|(_, port)| *port).collect();
            let mut program = tagged::prepare_vjp::<f64>(&graph, &by, Limits::default())?;
            let mut table = Table(values.iter().map(|value| vec![*value]).collect());
            table.0.push(vec![1.0]);
            let columns = run(&mut program, &table, 1)?;
            assert!(same_bits(columns.0[0][0], dual.value), "with derivatives");
            for ((i, _), column) in known.iter().zip(&columns.0[1..]) {
                dual.slopes[*i] = column[0];
            }
            let mut program = tagged::prepare_jacobian::<f64>(&graph, &by, Limits::default())?;
            let jacobian = run(&mut program, &table, 1)?;
            for (one, other) in jacobian.0.iter().zip(&columns.0) {
                let same = one[0] == other[0] || (one[0].is_nan() && other[0].is_nan());
                assert!(same, "{:?} and {:?}", jacobian.0, columns.0);
            }
            Value::Real(dual)
        }
    };
    Ok(Outcome {
        value,
        gap: f64::INFINITY,
        wild: false,
    })
}

fn same_bits(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

#[test]
fn contract_files() {
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
            outcome(text, given, wrt).map_err(|error| error.to_string())
        };
        let found = contract::failures(&text, &run);
        failures.extend(found.iter().map(|message| format!("{name}, {message}")));
        count += 1;
    }
    assert!(count > 300, "{count} files");
    let listed = failures.join("\n");
    assert!(
        failures.is_empty(),
        "{} failures:\n{listed}",
        failures.len()
    );
}

/// Random programs take no more than this.
const SHORT: reference::eval::Limits = reference::eval::Limits {
    depth: 2000,
    steps: 3000,
};

/// What became of the programs.
#[derive(Default)]
struct Tally {
    compared: usize,
    slopes: usize,
    numeric: usize,
    lengthy: usize,
}

#[test]
fn random_programs() {
    on_a_large_stack(|| {
        let mut config = ProptestConfig {
            failure_persistence: None,
            max_shrink_iters: 2000,
            ..ProptestConfig::default()
        };
        if std::env::var_os("PROPTEST_CASES").is_none() {
            config.cases = CASES;
        }
        if let RngSeed::Random = config.rng_seed {
            config.rng_seed = RngSeed::Fixed(3);
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
            "{} programs and {} derivatives compared, {} numeric graphs; {} took too long",
            tally.compared, tally.slopes, tally.numeric, tally.lengthy
        );
        match result {
            Ok(()) => {}
            Err(TestError::Fail(reason, choices)) => {
                panic!("{reason}\n\n{}", programs::program(&choices).text)
            }
            Err(other) => panic!("{other}"),
        }
        assert!(tally.compared > tally.lengthy);
    });
}

/// Compares a program with the reference at each of its points; then in a batch, and as a numeric graph if it has one.
fn check(program: &programs::Program, tally: &mut Tally) -> Result<(), String> {
    let text = &program.text;
    let names: Vec<&str> = INPUTS
        .into_iter()
        .chain(program.parameters.iter().map(String::as_str))
        .collect();
    assert!(names.len() <= DIRECTIONS);
    let (mut wanted, mut got) = (Vec::new(), Vec::new());
    for point in &program.points {
        let given: Vec<_> = INPUTS.into_iter().zip(*point).collect();
        match reference::run(text, &given, &names, SHORT) {
            Ok(outcome) => wanted.push(outcome),
            Err(message) if message.contains("is exceeded") => {
                tally.lengthy += 1;
                return Ok(());
            }
            Err(message) => return Err(format!("the reference at {point:?}: {message}")),
        }
        match outcome(text, &given, &names) {
            Ok(outcome) => got.push(outcome),
            Err(error) => return Err(format!("at {point:?}: {error}")),
        }
    }
    tally.compared += 1;
    for ((wanted, got), point) in wanted.iter().zip(&got).zip(&program.points) {
        let (wide, tight) = (dual(wanted), dual(got));
        compare_values(program, wanted, &wide, tight.value)
            .map_err(|message| format!("at {point:?}: {message}"))?;
        let risky = !program.exact && wanted.gap < 1e-6;
        if wanted.wild || risky || !wide.value.is_finite() {
            continue;
        }
        let (relative, absolute) = match program.exact {
            true => (1e-9, 1e-12),
            false => (1e-7, 1e-7),
        };
        for (i, name) in names.iter().enumerate() {
            let (slope, other) = (wide.slopes[i], tight.slopes[i]);
            let bound = relative * slope.abs() + absolute * wide.sizes[i];
            let close = (other - slope).abs() <= bound;
            if !close {
                return Err(format!("at {point:?}, by {name}: {other:?}, not {slope:?}"));
            }
            tally.slopes += 1;
        }
    }
    batch(program, &got)?;
    tally.numeric += usize::from(as_numeric(program, &got)?);
    Ok(())
}

fn dual(outcome: &Outcome) -> Dual {
    outcome.value.number().expect("a number").real()
}

fn compare_values(
    program: &programs::Program,
    wanted: &Outcome,
    wide: &Dual,
    got: f64,
) -> Result<(), String> {
    let near = || {
        let moves = wide.sizes.iter().copied().fold(0.0, f64::max);
        let risky = wanted.gap < 1e-9 || wanted.wild || moves > 1e4;
        risky || (got - wide.value).abs() <= 1e-9 * wide.value.abs().max(1.0)
    };
    match same_bits(got, wide.value) || (!program.exact && near()) {
        true => Ok(()),
        false => Err(format!("{got:?}, not {:?}", wide.value)),
    }
}

/// The points of a program as a batch, with seeds of one.
fn table(graph: &Graph, program: &programs::Program) -> Table {
    let column = |port: &graph::Port| match port.kind {
        graph::PortKind::Parameter { initial, .. } => vec![initial],
        graph::PortKind::Input => {
            let place = INPUTS.iter().position(|name| *name == &*port.name);
            let points = program.points.iter();
            points.map(|point| point[place.unwrap()]).collect()
        }
    };
    let mut columns: Vec<Vec<f64>> = graph.ports.iter().map(column).collect();
    columns.push(vec![1.0; program.points.len()]);
    Table(columns)
}

/// A batch gives each sample what it gives alone, and sums in the order of the samples.
fn batch(program: &programs::Program, alone: &[Outcome]) -> Result<(), String> {
    let graph = general(&program.text).unwrap();
    let by: Vec<usize> = (0..graph.ports.len()).collect();
    let mut vjp = tagged::prepare_vjp::<f64>(&graph, &by, Limits::default()).unwrap();
    let table = table(&graph, program);
    let columns = run(&mut vjp, &table, program.points.len()).unwrap();
    let same = |a: &[f64], b: &[f64]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_bits(*a, *b))
    };
    let values: Vec<f64> = alone.iter().map(|outcome| dual(outcome).value).collect();
    if !same(&columns.0[0], &values) {
        return Err(format!("{:?} in a batch, {values:?} alone", columns.0[0]));
    }
    for (port, column) in columns.0[1..].iter().enumerate() {
        let slopes = alone.iter().map(|outcome| dual(outcome).slopes[port]);
        let wanted: Vec<f64> = match graph.ports[port].is_parameter() {
            true => vec![slopes.fold(0.0, |sum, slope| sum + slope)],
            false => slopes.collect(),
        };
        if !same(column, &wanted) {
            return Err(format!(
                "by port {port}: {column:?} in a batch, {wanted:?} alone"
            ));
        }
    }
    Ok(())
}

/// Whether the program has a numeric graph; that gives the same bits.
fn as_numeric(program: &programs::Program, alone: &[Outcome]) -> Result<bool, String> {
    let model = match Model::compile(&program.text, &Options::new()) {
        Ok(model) if model.is_numeric() => model,
        Ok(_) => return Ok(false),
        Err(error) if error.kind == ErrorKind::Limit => return Ok(false),
        Err(error) => return Err(error.to_string()),
    };
    let mut numeric = tagged::prepare::<f64>(&model.graph, Limits::default())
        .map_err(|error| error.to_string())?;
    let table = table(&model.graph, program);
    let columns = run(&mut numeric, &table, program.points.len());
    let columns = columns.map_err(|error| format!("the numeric graph: {error}"))?;
    for (got, alone) in columns.0[0].iter().zip(alone) {
        let wanted = dual(alone).value;
        let near = !program.exact && (got - wanted).abs() <= 1e-9 * wanted.abs().max(1.0);
        if !same_bits(*got, wanted) && !near {
            return Err(format!("the numeric graph gives {got:?}, not {wanted:?}"));
        }
    }
    Ok(true)
}
