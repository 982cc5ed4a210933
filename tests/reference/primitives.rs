//! The primitives: arithmetic, comparisons and predicates; lists and matrices have modules of their own.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::eval::{Machine, Result, Step};
use super::number::{Dual, Number, extremum};
use super::value::Value;
use super::{linear, lists};

const NAMES: &str = "+ - * / quotient remainder modulo abs min max square expt pow sqrt exp log sin cos tan asin acos \
    atan sinh cosh tanh floor ceiling round truncate sigmoid relu softplus erf = < > <= >= not zero? positive? \
    negative? even? odd? number? integer? real? boolean? symbol? char? string? vector? procedure? eq? eqv? equal? error";

/// What a primitive belongs to.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Scalar,
    List,
    Linear,
}

thread_local! {
    static KINDS: HashMap<&'static str, Kind> = {
        let groups = [(NAMES, Kind::Scalar), (lists::NAMES, Kind::List), (linear::NAMES, Kind::Linear)];
        let each = |(names, kind): (&'static str, Kind)| names.split_whitespace().map(move |name| (name, kind));
        groups.into_iter().flat_map(each).collect()
    };
}

fn kind(name: &str) -> Option<Kind> {
    let kind = KINDS.with(|kinds| kinds.get(name).copied());
    kind.or_else(|| lists::path(name).map(|_| Kind::List))
}

pub fn exists(name: &str) -> bool {
    kind(name).is_some()
}

/// Applies a primitive; `apply` may end in a tail call.
pub fn call(machine: &Machine, name: &str, arguments: Vec<Value>) -> Result<Step> {
    if name == "apply" {
        let (last, given) = arguments.split_last().ok_or("apply: no arguments")?;
        let (callee, given) = given.split_first().ok_or("apply: no list of arguments")?;
        let mut all = given.to_vec();
        all.extend(last.items().ok_or("apply: the last argument is no list")?);
        return machine.call(callee, all);
    }
    value(machine, name, arguments).map(Step::Done)
}

/// Applies a primitive other than `apply`.
pub fn value(machine: &Machine, name: &str, arguments: Vec<Value>) -> Result<Value> {
    if name == "error" {
        let word = |value: &Value| match value {
            Value::Str(text) => text.to_string(),
            Value::Symbol(name) => format!("\"{name}\""),
            other => other.to_string(),
        };
        let words: Vec<String> = arguments.iter().map(word).collect();
        return Err(words.join(" "));
    }
    match kind(name) {
        Some(Kind::List) => return lists::call(machine, name, &arguments),
        Some(Kind::Linear) => return linear::call(name, &arguments),
        _ => {}
    }
    if let Some(result) = predicate(name, &arguments)? {
        return Ok(Value::Bool(result));
    }
    let least = usize::from(!matches!(name, "+" | "*"));
    if arguments.len() < least {
        return Err(format!("{name}: no argument"));
    }
    elementwise(name, &arguments)
}

/// Arithmetic on numbers, or element by element with numbers broadcast.
fn elementwise(name: &str, arguments: &[Value]) -> Result<Value> {
    let mut shape: Option<&Vec<usize>> = None;
    for argument in arguments {
        match (argument, shape) {
            (Value::Tensor(tensor), None) => shape = Some(&tensor.shape),
            (Value::Tensor(tensor), Some(shape)) if *shape != tensor.shape => {
                return Err(format!("{name}: {shape:?} and {:?}", tensor.shape));
            }
            (Value::Tensor(_), _) => {}
            (argument, _) => drop(number(name, argument)?),
        }
    }
    let Some(shape) = shape else {
        let numbers: Result<Vec<Number>> = arguments.iter().map(|a| number(name, a)).collect();
        return Ok(match arithmetic(name, &numbers?)? {
            Number::Int(value) => Value::Int(value),
            Number::Real(dual) => Value::Real(dual),
        });
    };
    let mut data = Vec::new();
    for i in 0..shape.iter().product() {
        let numbers: Result<Vec<Number>> = arguments
            .iter()
            .map(|argument| match argument {
                Value::Tensor(tensor) => Ok(Number::Real(tensor.data[i])),
                argument => number(name, argument).map(|number| Number::Real(number.real())),
            })
            .collect();
        data.push(arithmetic(name, &numbers?)?.real());
    }
    Ok(Value::tensor(shape.clone(), data))
}

pub fn number(name: &str, value: &Value) -> Result<Number> {
    let number = value.number();
    number.ok_or_else(|| format!("{name}: {value} is no number"))
}

fn arithmetic(name: &str, numbers: &[Number]) -> Result<Number> {
    let fold = |f: fn(Number, Number) -> Number| numbers.iter().copied().reduce(f).unwrap();
    match (name, numbers) {
        ("+", []) => return Ok(Number::Int(0)),
        ("*", []) => return Ok(Number::Int(1)),
        ("-", [a]) => return Ok(a.neg()),
        ("/", [a]) => return Ok(Number::Int(1).div(*a)),
        ("+", _) => return Ok(fold(Number::add)),
        ("-", _) => return Ok(fold(Number::sub)),
        ("*", _) => return Ok(fold(Number::mul)),
        ("/", _) => return Ok(fold(Number::div)),
        ("max", _) => return Ok(extremum(numbers, 1.0)),
        ("min", _) => return Ok(extremum(numbers, -1.0)),
        _ => {}
    }
    match numbers {
        [a] => one(name, *a),
        [a, b] => two(name, *a, *b),
        _ => Err(format!("{name}: {} arguments", numbers.len())),
    }
}

fn one(name: &str, a: Number) -> Result<Number> {
    match name {
        "abs" => return Ok(a.abs()),
        "square" => return Ok(a.mul(a)),
        "floor" => return Ok(a.rounded(f64::floor, 0.0)),
        "ceiling" => return Ok(a.rounded(f64::ceil, 0.0)),
        "truncate" => return Ok(a.rounded(f64::trunc, 0.0)),
        "round" => return Ok(a.rounded(f64::round_ties_even, 0.5)),
        _ => {}
    }
    let a = a.real();
    let x = a.value;
    let logistic = |x: f64| match x > 0.0 {
        true => 1.0 / (1.0 + (-x).exp()),
        false => x.exp() / (1.0 + x.exp()),
    };
    let (value, slope) = match name {
        "sqrt" => return Ok(Number::Real(a.sqrt())),
        "exp" => (x.exp(), x.exp()),
        "log" => (x.ln(), 1.0 / x),
        "sin" => (x.sin(), x.cos()),
        "cos" => (x.cos(), -x.sin()),
        "tan" => (x.tan(), 1.0 / (x.cos() * x.cos())),
        "asin" => (x.asin(), 1.0 / ((1.0 - x) * (1.0 + x)).sqrt()),
        "acos" => (x.acos(), -1.0 / ((1.0 - x) * (1.0 + x)).sqrt()),
        "atan" => (x.atan(), 1.0 / (1.0 + x * x)),
        "sinh" => (x.sinh(), x.cosh()),
        "cosh" => (x.cosh(), x.sinh()),
        "tanh" => (x.tanh(), 1.0 / (x.cosh() * x.cosh())),
        "sigmoid" => (logistic(x), logistic(x) * logistic(-x)),
        "softplus" => (x.max(0.0) + (-x.abs()).exp().ln_1p(), logistic(x)),
        "erf" => {
            let slope = std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp();
            (libm::erf(x), slope)
        }
        "relu" => {
            a.border(Dual::constant(0.0));
            let value = if x > 0.0 || x.is_nan() { x } else { 0.0 };
            (value, if x > 0.0 { 1.0 } else { 0.0 })
        }
        _ => return Err(format!("{name}: 1 argument")),
    };
    Ok(Number::Real(a.chain(value, slope)))
}

fn two(name: &str, a: Number, b: Number) -> Result<Number> {
    Ok(match name {
        "quotient" => a.quotient(b),
        "remainder" => a.remainder(b),
        "modulo" => a.modulo(b),
        "expt" | "pow" => a.power(b),
        "log" => {
            let (top, base) = (one("log", a)?, one("log", b)?);
            top.div(base)
        }
        "atan" => {
            let (y, x) = (a.real(), b.real());
            let square = y.value * y.value + x.value * x.value;
            let terms = [(y, x.value / square), (x, -y.value / square)];
            Number::Real(Dual::join(y.value.atan2(x.value), &terms))
        }
        _ => return Err(format!("{name}: 2 arguments")),
    })
}

fn comparison(name: &str) -> Option<fn(Option<Ordering>) -> bool> {
    Some(match name {
        "=" => |order| order == Some(Ordering::Equal),
        "<" => |order| order == Some(Ordering::Less),
        ">" => |order| order == Some(Ordering::Greater),
        "<=" => |order| matches!(order, Some(Ordering::Less | Ordering::Equal)),
        ">=" => |order| matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        _ => return None,
    })
}

fn predicate(name: &str, arguments: &[Value]) -> Result<Option<bool>> {
    if let Some(holds) = comparison(name) {
        let numbers: Result<Vec<Number>> = arguments.iter().map(|a| number(name, a)).collect();
        let numbers = numbers?;
        // every pair is compared, so that every border is noted
        let pairs = numbers
            .windows(2)
            .map(|pair| pair[0].compare(pair[1], holds));
        return Ok(Some(
            pairs.collect::<Vec<bool>>().into_iter().all(|holds| holds),
        ));
    }
    Ok(Some(match (name, arguments) {
        ("eq?" | "eqv?", [a, b]) => a.eqv(b),
        ("equal?", [a, b]) => a.equal(b),
        ("not", [a]) => !a.truth(),
        ("number?" | "real?", [a]) => matches!(a, Value::Int(_) | Value::Real(_)),
        ("integer?", [Value::Real(dual)]) => dual.value.is_finite() && dual.value.fract() == 0.0,
        ("integer?", [a]) => matches!(a, Value::Int(_)),
        ("boolean?", [a]) => matches!(a, Value::Bool(_)),
        ("symbol?", [a]) => matches!(a, Value::Symbol(_)),
        ("char?", [a]) => matches!(a, Value::Char(_)),
        ("string?", [a]) => matches!(a, Value::Str(_)),
        ("vector?", [a]) => matches!(a, Value::Tensor(_)),
        ("procedure?", [a]) => matches!(a, Value::Closure(_) | Value::Primitive(_)),
        ("zero?" | "positive?" | "negative?", [a]) => {
            let same = match name {
                "zero?" => "=",
                "positive?" => ">",
                _ => "<",
            };
            return predicate(same, &[a.clone(), Value::Int(0)]);
        }
        ("even?" | "odd?", [a]) => {
            let odd = match number(name, a)? {
                Number::Int(value) => value % 2 != 0,
                Number::Real(dual) => dual.value % 2.0 != 0.0,
            };
            odd == (name == "odd?")
        }
        _ => return Ok(None),
    }))
}
