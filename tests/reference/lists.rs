//! The primitives on lists, and those that take procedures.

use super::eval::{Machine, Result};
use super::number::Number;
use super::primitives::number;
use super::value::Value;

pub const NAMES: &str = "cons car cdr list length append reverse list-ref list-tail null? pair? list? map filter \
    fold-left fold-right reduce for-each apply assoc assq member memq iota";

/// The letters of `c[ad]{1,4}r`, first to last.
pub fn path(name: &str) -> Option<&str> {
    let letters = name.strip_prefix('c')?.strip_suffix('r')?;
    let fits = (1..=4).contains(&letters.len()) && letters.chars().all(|c| c == 'a' || c == 'd');
    fits.then_some(letters)
}

fn items(name: &str, value: &Value) -> Result<Vec<Value>> {
    let items = value.items();
    items.ok_or_else(|| format!("{name}: {value} is no list"))
}

fn index(name: &str, value: &Value) -> Result<usize> {
    match value {
        Value::Int(i) if *i >= 0 => Ok(*i as usize),
        other => Err(format!("{name}: {other} is no index")),
    }
}

/// The arguments of each call, until the shortest list ends.
fn rows(name: &str, lists: &[Value]) -> Result<Vec<Vec<Value>>> {
    let lists: Result<Vec<Vec<Value>>> = lists.iter().map(|list| items(name, list)).collect();
    let lists = lists?;
    let count = lists.iter().map(Vec::len).min().unwrap_or(0);
    let row = |i: usize| lists.iter().map(|list| list[i].clone()).collect();
    Ok((0..count).map(row).collect())
}

pub fn call(machine: &Machine, name: &str, arguments: &[Value]) -> Result<Value> {
    if let (Some(letters), [argument]) = (path(name), arguments) {
        let mut value = argument.clone();
        for letter in letters.chars().rev() {
            value = match (&value, letter) {
                (Value::Pair(pair), 'a') => pair.0.clone(),
                (Value::Pair(pair), _) => pair.1.clone(),
                (other, _) => return Err(format!("{name}: {other} is no pair")),
            };
        }
        return Ok(value);
    }
    Ok(match (name, arguments) {
        ("cons", [a, b]) => Value::cons(a.clone(), b.clone()),
        ("list", all) => Value::list(all.to_vec()),
        ("length", [list]) => Value::Int(items(name, list)?.len() as i64),
        ("append", []) => Value::Nil,
        ("append", [first @ .., last]) => {
            let mut all = Vec::new();
            for list in first {
                all.extend(items(name, list)?);
            }
            Value::list_with_tail(all, last.clone())
        }
        ("reverse", [list]) => Value::list(items(name, list)?.into_iter().rev().collect()),
        ("list-tail" | "list-ref", [list, i]) => {
            let mut rest = list.clone();
            for _ in 0..index(name, i)? {
                let Value::Pair(pair) = &rest else {
                    return Err(format!("{name}: the list ends before {i}"));
                };
                rest = pair.1.clone();
            }
            match (name, &rest) {
                ("list-tail", _) => rest,
                (_, Value::Pair(pair)) => pair.0.clone(),
                _ => return Err(format!("{name}: the list ends before {i}")),
            }
        }
        ("null?", [a]) => Value::Bool(matches!(a, Value::Nil)),
        ("pair?", [a]) => Value::Bool(matches!(a, Value::Pair(_))),
        ("list?", [a]) => Value::Bool(a.items().is_some()),
        ("map" | "for-each", [f, lists @ ..]) if !lists.is_empty() => {
            let mut results = Vec::new();
            for row in rows(name, lists)? {
                results.push(machine.call_value(f, row)?);
            }
            match name {
                "map" => Value::list(results),
                _ => Value::Bool(false),
            }
        }
        ("filter", [f, list]) => {
            let mut kept = Vec::new();
            for item in items(name, list)? {
                if machine.call_value(f, vec![item.clone()])?.truth() {
                    kept.push(item);
                }
            }
            Value::list(kept)
        }
        ("fold-left", [f, init, lists @ ..]) if !lists.is_empty() => {
            let mut value = init.clone();
            for mut row in rows(name, lists)? {
                row.insert(0, value);
                value = machine.call_value(f, row)?;
            }
            value
        }
        ("fold-right", [f, init, lists @ ..]) if !lists.is_empty() => {
            let mut value = init.clone();
            for mut row in rows(name, lists)?.into_iter().rev() {
                row.push(value);
                value = machine.call_value(f, row)?;
            }
            value
        }
        // SRFI 1: the procedure takes the item first, then what was found so far
        ("reduce", [f, init, list]) => {
            let mut items = items(name, list)?.into_iter();
            match items.next() {
                None => init.clone(),
                Some(mut value) => {
                    for item in items {
                        value = machine.call_value(f, vec![item, value])?;
                    }
                    value
                }
            }
        }
        ("assoc" | "assq", [key, list]) => {
            for entry in items(name, list)? {
                let Value::Pair(pair) = &entry else {
                    return Err(format!("{name}: {entry} is no pair"));
                };
                let found = match name {
                    "assoc" => pair.0.equal(key),
                    _ => pair.0.eqv(key),
                };
                if found {
                    return Ok(entry);
                }
            }
            Value::Bool(false)
        }
        ("member" | "memq", [key, list]) => {
            let mut rest = list.clone();
            while let Value::Pair(pair) = &rest {
                let found = match name {
                    "member" => pair.0.equal(key),
                    _ => pair.0.eqv(key),
                };
                if found {
                    return Ok(rest);
                }
                rest = pair.1.clone();
            }
            Value::Bool(false)
        }
        ("iota", [count, more @ ..]) if more.len() <= 2 => {
            let start = more
                .first()
                .map_or(Ok(Number::Int(0)), |v| number(name, v))?;
            let step = more
                .get(1)
                .map_or(Ok(Number::Int(1)), |v| number(name, v))?;
            let item = |i: usize| match start.add(Number::Int(i as i64).mul(step)) {
                Number::Int(value) => Value::Int(value),
                Number::Real(dual) => Value::Real(dual),
            };
            Value::list((0..index(name, count)?).map(item).collect())
        }
        _ => return Err(format!("{name}: a wrong number of arguments")),
    })
}
