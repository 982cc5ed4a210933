//! What the reader makes of text: data with the place they came from.

use std::fmt;
use std::sync::Arc;

use crate::error::Span;

/// One datum of the source text.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// What it is.
    pub kind: DatumKind,
    /// Where it stands in the source.
    pub span: Span,
}

/// The kinds of data that can be written.
#[derive(Clone, Debug, PartialEq)]
pub enum DatumKind {
    /// `#t`, `#f`.
    Bool(bool),
    /// An exact integer.
    Int(i64),
    /// A real.
    Real(f64),
    /// A character.
    Char(char),
    /// A string.
    Str(Arc<str>),
    /// A symbol.
    Symbol(Arc<str>),
    /// A list: its items, and what stands behind a dot. An empty list has no items.
    List(Vec<Datum>, Option<Box<Datum>>),
}

impl Datum {
    /// The symbol's name, if this is a symbol.
    pub fn symbol(&self) -> Option<&Arc<str>> {
        match &self.kind {
            DatumKind::Symbol(name) => Some(name),
            _ => None,
        }
    }

    /// The items, if this is a proper list.
    pub fn list(&self) -> Option<&[Datum]> {
        match &self.kind {
            DatumKind::List(items, None) => Some(items),
            _ => None,
        }
    }

    /// The items, if this is a proper list that begins with the symbol `head`.
    pub fn form(&self, head: &str) -> Option<&[Datum]> {
        let items = self.list()?;
        let name = items.first()?.symbol()?;
        (&**name == head).then_some(items)
    }
}

/// Writes a real so that it reads back as the same real, never as an integer: `2.0`, `1e-7`, `+inf.0`.
pub fn write_real(f: &mut fmt::Formatter<'_>, value: f64) -> fmt::Result {
    if value.is_nan() {
        f.write_str("+nan.0")
    } else if value.is_infinite() {
        f.write_str(if value > 0.0 { "+inf.0" } else { "-inf.0" })
    } else {
        write!(f, "{value:?}")
    }
}

/// Writes a character as the reader reads it.
pub fn write_char(f: &mut fmt::Formatter<'_>, value: char) -> fmt::Result {
    match CHARACTER_NAMES.iter().find(|(_, c)| *c == value) {
        Some((name, _)) => write!(f, "#\\{name}"),
        None if value.is_control() => write!(f, "#\\x{:x}", value as u32),
        None => write!(f, "#\\{value}"),
    }
}

/// The named characters of R7RS.
pub const CHARACTER_NAMES: [(&str, char); 9] = [
    ("alarm", '\u{7}'),
    ("backspace", '\u{8}'),
    ("delete", '\u{7f}'),
    ("escape", '\u{1b}'),
    ("newline", '\n'),
    ("null", '\0'),
    ("return", '\r'),
    ("space", ' '),
    ("tab", '\t'),
];

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DatumKind::Bool(value) => f.write_str(if *value { "#t" } else { "#f" }),
            DatumKind::Int(value) => write!(f, "{value}"),
            DatumKind::Real(value) => write_real(f, *value),
            DatumKind::Char(value) => write_char(f, *value),
            DatumKind::Str(value) => write!(f, "{value:?}"),
            DatumKind::Symbol(name) => f.write_str(name),
            DatumKind::List(items, tail) => {
                f.write_str("(")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { " " })?;
                }
                if let Some(tail) = tail {
                    write!(f, " . {tail}")?;
                }
                f.write_str(")")
            }
        }
    }
}
