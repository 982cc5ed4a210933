//! Arrays among the ports of a model: the numbers of `x` are ports called `x.0`, `x.1`, … or, in a matrix, `x.0.0`, `x.0.1`, ….

use serde_json::{Map, Value as Json};

use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;

/// The ports that are the numbers of array `name`, in order, with their places in it; none if there is no such array.
pub fn elements(graph: &Graph, name: &str) -> Vec<(usize, Vec<usize>)> {
    let places = |port: &str| -> Option<Vec<usize>> {
        let rest = port.strip_prefix(name)?.strip_prefix('.')?;
        let places: Option<Vec<usize>> = rest.split('.').map(|word| word.parse().ok()).collect();
        places.filter(|places| places.len() <= 2)
    };
    if graph.ports.iter().any(|port| &*port.name == name) {
        return vec![];
    }
    let ports = graph.ports.iter().enumerate();
    ports
        .filter_map(|(i, port)| Some((i, places(&port.name)?)))
        .collect()
}

/// The given values with those of arrays taken apart: by the names of their numbers, each a number or a batch of numbers.
pub fn take_apart(given: Map<String, Json>, graph: &Graph) -> Result<Map<String, Json>> {
    let mut all = Map::new();
    for (name, value) in given {
        let elements = elements(graph, &name);
        let Some((_, first)) = elements.first() else {
            insert(&mut all, name, value)?;
            continue;
        };
        let sizes = (0..first.len()).map(|axis| {
            let places = elements.iter().filter_map(|(_, place)| place.get(axis));
            places.max().map_or(0, |last| last.saturating_add(1))
        });
        let shape: Vec<usize> = sizes.collect();
        let whole = |value: &Json| fits(value, &shape);
        let batch = match &value {
            value if whole(value) => None,
            Json::Array(samples) if samples.iter().all(whole) => Some(samples),
            _ => return Err(misfit(&name, &shape)),
        };
        for (port, place) in &elements {
            let number = |value: &Json| {
                let found = place.iter().try_fold(value, |value, i| value.get(i));
                found.cloned().unwrap_or(Json::Null)
            };
            let column = match batch {
                Some(samples) => samples.iter().map(number).collect(),
                None => number(&value),
            };
            insert(&mut all, graph.ports[*port].name.to_string(), column)?;
        }
    }
    Ok(all)
}

fn insert(all: &mut Map<String, Json>, name: String, value: Json) -> Result<()> {
    if all.contains_key(&name) {
        let message = format!("\"{name}\" is given twice, alone and in its array");
        return Err(Error::new(ErrorKind::Argument, message));
    }
    all.insert(name, value);
    Ok(())
}

/// Whether a value is an array of this shape.
fn fits(value: &Json, shape: &[usize]) -> bool {
    match (shape, value) {
        ([], Json::Array(_)) => false,
        ([], _) => true,
        ([size, rest @ ..], Json::Array(items)) => {
            items.len() == *size && items.iter().all(|item| fits(item, rest))
        }
        _ => false,
    }
}

fn misfit(name: &str, shape: &[usize]) -> Error {
    let what = match shape {
        [size] => format!("a vector of {size} numbers, written [1, 2, …]"),
        [rows, columns] => format!("a {rows} by {columns} matrix, written [[1, 2, …], …]"),
        _ => "an array".into(),
    };
    let message = format!("\"{name}\" is {what}; its value is one of these, or an array of them");
    Error::new(ErrorKind::Shape, message)
}
