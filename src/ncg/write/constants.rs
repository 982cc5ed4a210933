//! Constants and quoted data.

use serde_json::{Value as Json, json};

use super::Writer;
use crate::error::{Error, ErrorKind, Result};
use crate::ncg::json;
use crate::ncg::sheet::Mark;
use crate::syntax::ast::Constant;
use crate::syntax::reader;

/// Deepest nesting of the JSON of a document, a few levels below what the reader takes.
const MAX_JSON_DEPTH: usize = 120;

impl Writer<'_> {
    pub(super) fn constant(&mut self, constant: &Constant) -> Result<usize> {
        let value = match constant {
            Constant::Bool(value) => json!(value),
            Constant::Char(value) => {
                self.sheet().tagged = true;
                json!({"__char__": u32::from(*value)})
            }
            Constant::Int(value) => {
                let id = self.sheet().next_id();
                self.sheet().note("exact", id, json!(value));
                json!(*value as f64)
            }
            Constant::Real(value) => json::from_number(*value),
            other => {
                self.sheet().tagged = true;
                if has_dot(other) {
                    let written = self.dotted(other)?;
                    self.sheet().note("quotes", written, json!(text(other)));
                    return Ok(written);
                }
                let room = MAX_JSON_DEPTH.saturating_sub(10 + 3 * self.sheet().depth);
                let mark = Mark {
                    value: quoted(other, room)?,
                    ..Mark::default()
                };
                return Ok(self.sheet().node("quote_const", &[], mark));
            }
        };
        let mark = Mark {
            value,
            ..Mark::default()
        };
        Ok(self.sheet().node("const", &[], mark))
    }

    /// A datum that has something behind a dot, which version 1 does not quote: the nodes that build it.
    pub(super) fn dotted(&mut self, constant: &Constant) -> Result<usize> {
        let Constant::List(items, tail) = constant else {
            return self.constant(constant);
        };
        if !has_dot(constant) {
            return self.constant(constant);
        }
        let items = items
            .iter()
            .map(|item| self.dotted(item))
            .collect::<Result<Vec<usize>>>()?;
        Ok(match tail {
            None => self.push("list", &items),
            Some(tail) => {
                let tail = self.dotted(tail)?;
                self.chain(items, tail)
            }
        })
    }

    pub(super) fn chain(&mut self, items: Vec<usize>, tail: usize) -> usize {
        let items = items.into_iter().rev();
        items.fold(tail, |tail, item| self.push("cons", &[item, tail]))
    }
}

fn has_dot(constant: &Constant) -> bool {
    match constant {
        Constant::List(items, tail) => tail.is_some() || items.iter().any(has_dot),
        _ => false,
    }
}

/// A quoted datum: lists as arrays, atoms as the text of their tokens. `room` is how deep it may nest.
fn quoted(constant: &Constant, room: usize) -> Result<Json> {
    match constant {
        Constant::List(..) if room == 0 => Err(Error::new(
            ErrorKind::Limit,
            "a quoted list nests too deep for a .ncg document",
        )),
        Constant::List(items, _) => {
            let items = items.iter().map(|item| quoted(item, room - 1));
            Ok(Json::Array(items.collect::<Result<_>>()?))
        }
        other => Ok(Json::String(text(other))),
    }
}

/// A datum as the reader of programs takes it.
fn text(constant: &Constant) -> String {
    match constant {
        Constant::Symbol(name) => {
            let data = reader::read(name, reader::Limits::default()).ok();
            let plain = match data.as_deref() {
                Some([datum]) => Constant::quote(datum) == *constant,
                _ => false,
            };
            match plain {
                true => name.to_string(),
                false => format!("|{}|", name.replace('\\', "\\\\").replace('|', "\\|")),
            }
        }
        Constant::List(items, tail) => {
            let mut words: Vec<String> = items.iter().map(text).collect();
            if let Some(tail) = tail {
                words.extend([".".to_string(), text(tail)]);
            }
            format!("({})", words.join(" "))
        }
        other => other.to_string(),
    }
}
