//! Inputs, parameters and outputs as whole arrays: which numbers of a graph make a vector or a matrix.
//!
//! The numbers of an array that is declared are ports called `w.0`, `w.1`, …, those of a matrix `m.0.0`, `m.0.1`, …
//! ([`crate::syntax::expand`]). Names are all that files keep of it, so it is from names that arrays are found again: a run of
//! ports whose names count up from 0, row by row, is one. What has lost a number, to another kind for example, is numbers.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Graph, Value};

/// A number, vector or matrix among the inputs, parameters or outputs of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// What it is called: of a number its own name.
    pub name: Arc<str>,
    /// The place of its first number among those of its kind; the others follow, row by row.
    pub first: usize,
    /// No dimension for a number, its size for a vector, rows and columns for a matrix.
    pub shape: Vec<usize>,
}

impl Array {
    /// How many numbers it has.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has none, which only a value of a program can.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The arrays that ports with these names, in their order, make.
pub fn arrays(names: &[Arc<str>]) -> Vec<Array> {
    let mut sizes = HashMap::new();
    for name in names {
        *sizes.entry(root(name)).or_insert(0) += 1;
    }
    let mut found = Vec::new();
    let mut first = 0;
    while first < names.len() {
        let array = matrix(names, first).or_else(|| vector(names, first));
        // where a number of that name stands elsewhere, some of the array is not here
        let whole = array.filter(|array| sizes.get(root(&names[first])) == Some(&array.len()));
        let array = whole.unwrap_or_else(|| Array {
            name: names[first].clone(),
            first,
            shape: Vec::new(),
        });
        first += array.len();
        found.push(array);
    }
    found
}

/// A name without the indices at its end.
fn root(name: &str) -> &str {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match name.rsplit_once('.') {
        Some((stem, index)) if digits(index) => match stem.rsplit_once('.') {
            Some((root, index)) if digits(index) => root,
            _ => stem,
        },
        _ => name,
    }
}

/// `NAME` of `NAME.INDEX`.
fn stem(name: &str, index: usize) -> Option<&str> {
    let (stem, number) = name.rsplit_once('.')?;
    (number == index.to_string()).then_some(stem)
}

fn vector(names: &[Arc<str>], first: usize) -> Option<Array> {
    let name = stem(&names[first], 0)?;
    let following = names[first..].iter().enumerate();
    let count = following
        .take_while(|(i, other)| stem(other, *i) == Some(name))
        .count();
    Some(Array {
        name: Arc::from(name),
        first,
        shape: vec![count],
    })
}

fn matrix(names: &[Arc<str>], first: usize) -> Option<Array> {
    let name = stem(stem(&names[first], 0)?, 0)?;
    let mut widths = Vec::new();
    let mut at = first;
    // each row is a vector called NAME.ROW
    loop {
        let row = names[at..].iter().enumerate().take_while(|(i, other)| {
            let row = stem(other, *i);
            row.and_then(|row| stem(row, widths.len())) == Some(name)
        });
        match row.count() {
            0 => break,
            width => {
                at += width;
                widths.push(width);
            }
        }
    }
    let width = widths[0];
    let even = widths.iter().all(|other| *other == width);
    even.then(|| Array {
        name: Arc::from(name),
        first,
        shape: vec![widths.len(), width],
    })
}

impl Graph {
    /// The inputs as whole arrays.
    pub fn input_arrays(&self) -> Vec<Array> {
        self.port_arrays(&self.inputs())
    }

    /// The parameters as whole arrays.
    pub fn parameter_arrays(&self) -> Vec<Array> {
        self.port_arrays(&self.parameters())
    }

    fn port_arrays(&self, ports: &[usize]) -> Vec<Array> {
        let names: Vec<Arc<str>> = ports
            .iter()
            .map(|port| self.ports[*port].name.clone())
            .collect();
        arrays(&names)
    }

    /// The outputs as whole arrays: the numbers, vectors and matrices of the program's value, in order. What is not the value
    /// of a program, as the outputs of a file of another tool, is told by its names.
    pub fn output_arrays(&self) -> Vec<Array> {
        let mut shapes = Vec::new();
        let mut next = 0;
        let names: Vec<Arc<str>> = self.outputs.iter().map(|o| o.name.clone()).collect();
        if !collect(&self.value, &mut next, &mut shapes) || next != names.len() {
            return arrays(&names);
        }
        let single = shapes.len() == 1;
        let named = arrays(&names);
        let mut first = 0;
        let mut found = Vec::new();
        for (i, shape) in shapes.into_iter().enumerate() {
            let length: usize = shape.iter().product();
            let own = match shape.is_empty() {
                true => None,
                // a file may have named it
                false => named.iter().find(|array| {
                    (array.first, &array.shape) == (first, &shape) && &*array.name != "value"
                }),
            };
            let name = match (own, shape.is_empty()) {
                (Some(array), _) => array.name.clone(),
                (None, true) if !names[first].starts_with("value.") => names[first].clone(),
                (None, _) if single => Arc::from("value"),
                (None, _) => Arc::from(format!("value.{i}")),
            };
            found.push(Array { name, first, shape });
            first += length;
        }
        found
    }
}

/// The shapes of the numbers and arrays of a value; whether its outputs are `next`, `next + 1`, …, each once.
fn collect(value: &Value, next: &mut usize, shapes: &mut Vec<Vec<usize>>) -> bool {
    match value {
        Value::Output(i) => {
            shapes.push(Vec::new());
            *next += 1;
            *i + 1 == *next
        }
        Value::Constant(_) | Value::Procedure => true,
        Value::List(items, rest) => {
            let mut all = items.iter().chain(rest.as_deref());
            all.all(|item| collect(item, next, shapes))
        }
        Value::Array(shape, items) => {
            shapes.push(shape.clone());
            shape.iter().product::<usize>() == items.len()
                && items.iter().all(|item| {
                    *next += 1;
                    *item == Value::Output(*next - 1)
                })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &str) -> String {
        let names: Vec<Arc<str>> = names.split(' ').map(Arc::from).collect();
        let shown = arrays(&names).into_iter();
        let shown: Vec<String> = shown
            .map(|array| format!("{}@{}{:?}", array.name, array.first, array.shape))
            .collect();
        shown.join(" ")
    }

    #[test]
    fn runs_of_names_are_arrays() {
        assert_eq!(
            found("w.0 w.1 x.0 m.0.0 m.0.1 m.1.0 m.1.1 y"),
            "w@0[2] x@2[1] m@3[2, 2] y@7[]"
        );
        assert_eq!(found("m.0.0 m.1.0 m.2.0"), "m@0[3, 1]");
    }

    #[test]
    fn what_lacks_a_number_is_numbers() {
        assert_eq!(found("w.1 w.2"), "w.1@0[] w.2@1[]");
        assert_eq!(found("w.0 w.2"), "w.0@0[] w.2@1[]");
        assert_eq!(found("w.0 x w.1"), "w.0@0[] x@1[] w.1@2[]");
        assert_eq!(found("w.00 w.01"), "w.00@0[] w.01@1[]");
        // two rows of different widths
        assert_eq!(found("m.0.0 m.0.1 m.1.0"), "m.0.0@0[] m.0.1@1[] m.1.0@2[]");
    }
}
