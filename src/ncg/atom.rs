//! What a single node says: constants, quoted data, operations.

use std::sync::Arc;

use serde_json::Value as Json;

use super::extra::Extra;
use super::json;
use super::raw::Raw;
use crate::ops::{self, Op};
use crate::syntax::ast::Constant;
use crate::syntax::reader;

/// The constant that a node is; `None` for a node of another kind.
pub fn constant(raw: &Raw, extra: &Extra) -> Result<Option<Constant>, String> {
    if matches!(
        raw.op,
        "const" | "quote_const" | "input" | "func_param" | "loop_param"
    ) && !raw.edges.is_empty()
    {
        return Err(format!("a {} has no edges", raw.op));
    }
    if raw.constant.is_some() {
        return Ok(raw.constant.clone());
    }
    let (constant, wanted) = match raw.op {
        "const" if extra.whole => (atom(raw.value).map(whole), "number, boolean or character"),
        "const" => (atom(raw.value), "number, boolean or character"),
        "quote_const" => (quoted(raw.value), "quoted datum"),
        _ => return Ok(None),
    };
    match constant {
        Some(constant) => Ok(Some(constant)),
        None => Err(format!("its \"value\" is no {wanted}")),
    }
}

/// The operation that a node is, and the nodes that it takes.
pub fn operation<'a>(raw: &'a Raw, extra: &Extra) -> Result<(Op, &'a [u64]), String> {
    let unknown = || format!("unknown operation \"{}\"", raw.op);
    match (raw.operation, raw.op) {
        // to version 1 it is an `if` whose test is true
        (Some(Op::StraightThrough), "if") => {
            return Ok((Op::StraightThrough, raw.edges.get(1..).unwrap_or_default()));
        }
        (Some(op), _) => return Ok((op, &raw.edges)),
        (None, "soft_choice") => {
            let (given, said) = (raw.edges.len().saturating_sub(1), raw.value.as_f64());
            return match said.is_none_or(|said| said == given as f64) {
                true => Ok((Op::SoftChoice, &raw.edges)),
                false => Err(format!(
                    "its \"value\" is not {given}, the number of its options"
                )),
            };
        }
        _ => {}
    }
    let op = match ops::find(raw.op).ok_or_else(unknown)? {
        Op::Modulo if extra.reference_division => Op::Remainder,
        Op::Remainder if extra.reference_division => Op::Modulo,
        // a document has these of vectors and matrices: "ref", "det", "logdet"
        Op::Pick | Op::DetOf | Op::LogDetOf => return Err(unknown()),
        op => op,
    };
    Ok((op, &raw.edges))
}

/// The constant that a `const` node holds.
fn atom(value: &Json) -> Option<Constant> {
    match value {
        Json::Bool(value) => Some(Constant::Bool(*value)),
        Json::Object(object) => {
            let code = object
                .get("__char__")?
                .as_u64()
                .and_then(|code| u32::try_from(code).ok())?;
            char::from_u32(code).map(Constant::Char)
        }
        value => json::number(value).map(Constant::Real),
    }
}

/// A whole number as an exact one, up to where reals hold each.
fn whole(constant: Constant) -> Constant {
    const LIMIT: f64 = (1u64 << 53) as f64;
    match constant {
        Constant::Real(x)
            if x.trunc() == x && x.abs() <= LIMIT && x.to_bits() != (-0.0f64).to_bits() =>
        {
            Constant::Int(x as i64)
        }
        other => other,
    }
}

/// The datum of a `quote_const` node: lists as arrays, atoms as the text of their tokens.
fn quoted(value: &Json) -> Option<Constant> {
    match value {
        Json::Array(items) => {
            let items: Option<Arc<[Constant]>> = items.iter().map(quoted).collect();
            Some(Constant::List(items?, None))
        }
        Json::String(text) => {
            let data = reader::read(text, reader::Limits::default()).ok();
            match data.as_deref() {
                Some([datum]) if datum.list().is_none() => Some(Constant::quote(datum)),
                _ => Some(Constant::Symbol(Arc::from(text.as_str()))),
            }
        }
        value => atom(value),
    }
}
