//! What the key `ncg` of a document says beside the format: kinds of the inputs, what the format cannot tell apart, the fit.
//!
//! Nodes are named by their ids; those of a loop's body have the id of the loop and a `/` before theirs, those of a
//! function's body its name and a `:`.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::raw::names;
use super::{bad, json};
use crate::error::Result;
use crate::graph::{Elem, Port, PortKind, Type};
use crate::ops::{self, Op};
use crate::syntax::ast::Constant;
use crate::syntax::reader;

/// What a function is beside what the format says.
#[derive(Default)]
pub struct FunctionExtra {
    /// Its name in the source.
    pub name: Option<Arc<str>>,
    /// The names of its captures and parameters in the source.
    pub captures: Option<Vec<Arc<str>>>,
    pub params: Option<Vec<Arc<str>>>,
    /// Whether one more parameter takes the remaining arguments as a list.
    pub rest: bool,
    /// The primitive that it stands for.
    pub primitive: Option<Op>,
}

/// The key `ncg`.
#[derive(Default)]
pub struct Extra {
    /// Whether the graph holds only numbers, `if` and loops, as this library writes them.
    pub numeric: bool,
    /// Whether `modulo` and `remainder` have the reference's meaning: each has that of R7RS's other.
    pub reference_division: bool,
    /// Whether whole numbers are exact: version 1 cannot tell `42` from `42.0`, and counters, indices and sizes have to be exact.
    pub whole: bool,
    /// Kind and bounds of the inputs that are parameters.
    parameters: Vec<(Arc<str>, PortKind)>,
    /// The names of the outputs.
    pub outputs: Vec<Arc<str>>,
    /// Constants that the format cannot hold.
    pub constants: HashMap<String, Constant>,
    /// Operations whose names in the format are those of others.
    pub operations: HashMap<String, Op>,
    /// Nodes `if` that are further values of another: that one, and which.
    pub values: HashMap<String, (u64, usize)>,
    /// The types of the states of loops.
    pub states: HashMap<String, Vec<Type>>,
    pub functions: HashMap<String, FunctionExtra>,
    /// What a fit found, as JSON text.
    pub fit: Option<Arc<str>>,
}

impl Extra {
    /// Reads the key `ncg` of a document, which may lack it.
    pub fn parse(document: &Map<String, Json>) -> Result<Extra> {
        let Some(extra) = document.get("ncg") else {
            return Ok(Extra {
                reference_division: true,
                whole: true,
                ..Extra::default()
            });
        };
        let extra = extra
            .as_object()
            .ok_or_else(|| bad("its \"ncg\" is no object"))?;
        Ok(Extra {
            numeric: extra.get("numeric").is_some_and(|numeric| numeric == true),
            whole: false,
            reference_division: extra.get("division").is_some_and(|d| d == "reference"),
            parameters: parameters(extra)?,
            outputs: match extra.get("outputs") {
                None | Some(Json::Null) => Vec::new(),
                Some(_) => names(extra, "outputs", "\"ncg\"")?,
            },
            constants: constants(extra)?,
            operations: entries(extra, "operations", "operations", |value| {
                ops::find(value.as_str()?)
            })?,
            values: entries(extra, "values", "pairs of an if and an index", |value| {
                let [of, index] = value.as_array()?.as_slice() else {
                    return None;
                };
                Some((of.as_u64()?, u32::try_from(index.as_u64()?).ok()? as usize))
            })?,
            states: entries(extra, "states", "lists of types", |value| {
                value.as_array()?.iter().map(ty).collect()
            })?,
            functions: entries(extra, "functions", "functions", function)?,
            fit: extra
                .get("fit")
                .filter(|fit| !fit.is_null())
                .map(|fit| Arc::from(fit.to_string())),
        })
    }

    /// The ports of a graph with these inputs.
    pub fn ports(&self, inputs: &[Arc<str>]) -> Result<Vec<Port>> {
        let mut ports: Vec<Port> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for name in inputs {
            if places.insert(name, ports.len()).is_some() {
                return Err(bad(format!("the input \"{name}\" is named twice")));
            }
            ports.push(Port {
                name: name.clone(),
                kind: PortKind::Input,
            });
        }
        for (name, kind) in &self.parameters {
            let place = places.get(&**name);
            let place = place
                .ok_or_else(|| bad(format!("parameter \"{name}\": the graph has no such input")))?;
            ports[*place].kind = *kind;
        }
        Ok(ports)
    }
}

/// The object at `key`, read entry by entry; empty where it is missing.
fn entries<T>(
    extra: &Map<String, Json>,
    key: &str,
    what: &str,
    read: impl Fn(&Json) -> Option<T>,
) -> Result<HashMap<String, T>> {
    let wrong = || bad(format!("its \"{key}\" is no object of node ids and {what}"));
    let written = match extra.get(key) {
        None | Some(Json::Null) => return Ok(HashMap::new()),
        Some(written) => written.as_object().ok_or_else(wrong)?,
    };
    written
        .iter()
        .map(|(id, value)| Ok((id.clone(), read(value).ok_or_else(wrong)?)))
        .collect()
}

fn parameters(extra: &Map<String, Json>) -> Result<Vec<(Arc<str>, PortKind)>> {
    let parameters = match extra.get("parameters") {
        None => return Ok(Vec::new()),
        Some(parameters) => parameters
            .as_object()
            .ok_or_else(|| bad("its \"parameters\" are no object"))?,
    };
    let parameter = |(name, written): (&String, &Json)| {
        let wrong = |what: &str| bad(format!("parameter \"{name}\": {what}"));
        let bound = |key: &str, missing: f64| match written.get(key) {
            None | Some(Json::Null) => Ok(missing),
            Some(value) => {
                json::number(value).ok_or_else(|| wrong(&format!("its \"{key}\" is no number")))
            }
        };
        let initial = bound("initial", f64::NAN)?;
        let (lower, upper) = (
            bound("lower", f64::NEG_INFINITY)?,
            bound("upper", f64::INFINITY)?,
        );
        if !(initial.is_finite() && lower <= initial && initial <= upper) {
            return Err(wrong(
                "its initial value is not a finite number within its bounds",
            ));
        }
        let kind = PortKind::Parameter {
            initial,
            lower,
            upper,
        };
        Ok((Arc::from(name.as_str()), kind))
    };
    parameters.iter().map(parameter).collect()
}

/// Exact integers, and data whose lists have something behind a dot.
fn constants(extra: &Map<String, Json>) -> Result<HashMap<String, Constant>> {
    let mut constants = entries(extra, "exact", "whole numbers", |value| {
        value.as_i64().map(Constant::Int)
    })?;
    constants.extend(entries(extra, "quotes", "data", |value| {
        let data = reader::read(value.as_str()?, reader::Limits::default()).ok()?;
        match data.as_slice() {
            [datum] => Some(Constant::quote(datum)),
            _ => None,
        }
    })?);
    Ok(constants)
}

fn function(value: &Json) -> Option<FunctionExtra> {
    let value = value.as_object()?;
    let list = |key: &str| match value.get(key) {
        None => Some(None),
        Some(_) => names(value, key, "").ok().map(Some),
    };
    Some(FunctionExtra {
        name: match value.get("name") {
            None => None,
            Some(name) => Some(Arc::from(name.as_str()?)),
        },
        captures: list("captures")?,
        params: list("params")?,
        rest: match value.get("rest") {
            None => false,
            Some(rest) => rest.as_bool()?,
        },
        primitive: match value.get("primitive") {
            None => None,
            Some(name) => Some(ops::find(name.as_str()?)?),
        },
    })
}

/// A type: `"real"`, `"int"` or `"bool"`.
fn ty(value: &Json) -> Option<Type> {
    let elem = match value.as_str()? {
        "bool" => Elem::Bool,
        "int" => Elem::Int,
        "real" => Elem::Real,
        _ => return None,
    };
    Some(Type::Scalar(elem))
}
