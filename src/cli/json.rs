//! Values of the language as JSON and as Scheme prints them.

use serde_json::{Value as Json, json};

use crate::graph::{Elem, Graph, Type, Value};
use crate::syntax::ast::Constant;

/// Largest magnitude below which every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number, or one of the strings `"nan"`, `"inf"`, `"-inf"`.
pub fn number(x: f64) -> Json {
    if x.is_finite() {
        json!(x)
    } else if x.is_nan() {
        json!("nan")
    } else {
        json!(if x > 0.0 { "inf" } else { "-inf" })
    }
}

/// What [`number`] writes, read back.
pub fn as_number(json: &Json) -> Option<f64> {
    match json {
        Json::Number(number) => number.as_f64(),
        Json::Bool(value) => Some(f64::from(u8::from(*value))),
        Json::String(word) => match word.as_str() {
            "nan" => Some(f64::NAN),
            "inf" => Some(f64::INFINITY),
            "-inf" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// The value of a graph for one sample, from the columns of its outputs.
pub struct Shown<'a> {
    pub graph: &'a Graph,
    /// For each output, its value for each sample.
    pub columns: &'a [Vec<f64>],
    pub sample: usize,
}

impl Shown<'_> {
    fn output(&self, index: usize) -> (f64, Type) {
        let node = self.graph.outputs[index].node;
        (self.columns[index][self.sample], self.graph.node(node).ty)
    }

    /// The value as JSON.
    pub fn json(&self, value: &Value) -> Json {
        match value {
            Value::Output(index) => match self.output(*index) {
                (x, Type::Scalar(Elem::Bool)) => json!(x != 0.0),
                (x, Type::Scalar(Elem::Int)) if x.abs() < EXACT => json!(x as i64),
                (x, _) => number(x),
            },
            Value::Constant(constant) => constant_json(constant),
            Value::Procedure => json!({"procedure": true}),
            Value::List(items, tail) => {
                let items: Vec<Json> = items.iter().map(|item| self.json(item)).collect();
                let tail = tail.as_ref().map(|tail| self.json(tail));
                list(items, tail)
            }
            Value::Array(shape, items) => {
                let rows = Value::rows(shape, items);
                Json::Array(rows.iter().map(|row| self.json(row)).collect())
            }
        }
    }

    /// The value as Scheme prints it.
    pub fn scheme(&self, value: &Value) -> String {
        match value {
            Value::Output(index) => match self.output(*index) {
                (x, Type::Scalar(Elem::Bool)) => Constant::Bool(x != 0.0).to_string(),
                (x, Type::Scalar(Elem::Int)) if x.abs() < EXACT => (x as i64).to_string(),
                (x, _) => Constant::Real(x).to_string(),
            },
            Value::Constant(constant) => constant.to_string(),
            Value::Procedure => "#<procedure>".to_string(),
            Value::List(items, tail) => {
                let items: Vec<String> = items.iter().map(|item| self.scheme(item)).collect();
                let tail = tail.as_ref().map(|tail| self.scheme(tail));
                let tail = tail.map_or(String::new(), |tail| format!(" . {tail}"));
                format!("({}{tail})", items.join(" "))
            }
            Value::Array(shape, items) => {
                let rows = Value::rows(shape, items);
                let rows: Vec<String> = rows.iter().map(|row| self.scheme(row)).collect();
                format!("[{}]", rows.join(" "))
            }
        }
    }
}

fn list(items: Vec<Json>, tail: Option<Json>) -> Json {
    match tail {
        None => json!({ "list": items }),
        Some(tail) => json!({"list": items, "tail": tail}),
    }
}

fn constant_json(constant: &Constant) -> Json {
    match constant {
        Constant::Bool(value) => json!(value),
        Constant::Int(value) => json!(value),
        Constant::Real(value) => number(*value),
        Constant::Char(value) => json!({"char": value}),
        Constant::Symbol(name) => json!({"symbol": &**name}),
        Constant::Str(text) => json!({"string": &**text}),
        Constant::List(items, tail) => {
            let items = items.iter().map(constant_json).collect();
            list(items, tail.as_ref().map(|tail| constant_json(tail)))
        }
    }
}
