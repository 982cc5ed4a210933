//! Contract files, in the format that `tests/CONTRACT.md` describes, against the evaluator.

use super::Outcome;
use super::number::DIRECTIONS;
use super::reader::{Datum, read_all};
use super::value::Value;

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

/// What runs a program: its text, what is bound, and by what the derivatives are.
pub type Run<'a> = &'a dyn Fn(&str, &[(&str, f64)], &[&str]) -> Result<Outcome, String>;

/// Where `run` gives something else than a file says.
pub fn failures(text: &str, run: Run) -> Vec<String> {
    let mut failures = Vec::new();
    for case in cases(text) {
        if let Err(message) = run_case(text, &case, run) {
            failures.push(message);
        }
    }
    failures
}

fn run_case(text: &str, case: &Case, run: Run) -> Result<(), String> {
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
        let outcome = match (run(text, &given, &wrt), &case.wanted) {
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
