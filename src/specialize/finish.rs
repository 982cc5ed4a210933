//! The value of a program as outputs of its graph.

use std::sync::Arc;

use super::machine::{Machine, fail};
use super::value::Val;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, NodeId, Output, Value};

/// Deepest nesting of lists in a program's value.
const MAX_VALUE_DEPTH: usize = 1000;

impl Machine<'_> {
    /// The graph whose value is `value`.
    pub fn finish(mut self, value: Val) -> Result<Graph> {
        if value.is_absent() {
            let message = "the program never ends: a loop in it has no way out";
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let mut numbers = Vec::new();
        let shape = self.shape(&value, &mut numbers, 0)?;
        let single = shape == Value::Output(0);
        let outputs = numbers.into_iter().enumerate().map(|(i, node)| Output {
            name: if single {
                Arc::from("value")
            } else {
                Arc::from(format!("value.{i}"))
            },
            node,
        });
        Ok(self.builder.finish(outputs.collect(), shape))
    }

    fn shape(&mut self, value: &Val, numbers: &mut Vec<NodeId>, depth: usize) -> Result<Value> {
        if depth > MAX_VALUE_DEPTH {
            return Err(fail(format!(
                "the program's value nests more than {MAX_VALUE_DEPTH} lists"
            )));
        }
        Ok(match value {
            value if value.is_numeric() => {
                let node = self.node(value)?;
                numbers.push(node);
                Value::Output(numbers.len() - 1)
            }
            Val::Constant(constant) => Value::Constant(constant.clone()),
            Val::Pair(_) => {
                let (items, rest) = self.heap.items(value);
                let mut shapes = Vec::with_capacity(items.len());
                for item in &items {
                    shapes.push(self.shape(item, numbers, depth + 1)?);
                }
                let tail = match rest.is_nil() {
                    true => None,
                    false => Some(Box::new(self.shape(&rest, numbers, depth + 1)?)),
                };
                Value::List(shapes, tail)
            }
            Val::Array(array) => {
                let mut items = Vec::with_capacity(array.items.len());
                for item in &array.items {
                    items.push(self.shape(item, numbers, depth + 1)?);
                }
                Value::Array(array.shape.clone(), items)
            }
            Val::Closure(..) | Val::Primitive(_) => Value::Procedure,
            _ => return Err(fail("the program has no value".into())),
        })
    }
}
