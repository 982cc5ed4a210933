//! JSON with the bare words `NaN`, `Infinity` and `-Infinity`, which the reference system writes for such constants.

use serde_json::Value;

use super::bad;
use crate::error::Result;

/// What stands for a bare word while `serde_json` has the text: a string that no document may hold.
const MARK: &str = "\u{fdd0}number:";

const WORDS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// Parses a document.
pub fn parse(text: &str) -> Result<Value> {
    if text.contains('\u{fdd0}') {
        return Err(bad("it holds the character U+FDD0, which is no character"));
    }
    serde_json::from_str(&quote_words(text)).map_err(|error| bad(error.to_string()))
}

/// Puts bare words into marked strings; what is inside strings stays.
fn quote_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut inside) = (text, false);
    while let Some(c) = rest.chars().next() {
        let word = WORDS
            .iter()
            .find(|word| !inside && rest.starts_with(**word));
        let length = match word {
            Some(word) => {
                out.extend(["\"", MARK, word, "\""]);
                word.len()
            }
            // an escape keeps the character behind it
            None if inside && c == '\\' => {
                let length = rest.chars().take(2).map(char::len_utf8).sum();
                out.push_str(&rest[..length]);
                length
            }
            None => {
                inside ^= c == '"';
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    out
}

/// The number that `value` is.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.strip_prefix(MARK)? {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            _ => Some(f64::NEG_INFINITY),
        },
        _ => None,
    }
}

/// A number as JSON.
pub fn from_number(number: f64) -> Value {
    let word = match number {
        n if n.is_nan() => WORDS[0],
        f64::INFINITY => WORDS[1],
        f64::NEG_INFINITY => WORDS[2],
        _ => return Value::from(number),
    };
    Value::from(format!("{MARK}{word}"))
}

/// Longest line of a value that is written on one.
const LINE: usize = 240;

/// Writes a document for people: indented by two blanks, a value that fits on a line of its own, such as a node, on one.
pub fn write(value: &Value) -> Result<String> {
    let mut out = String::new();
    lines(value, 0, &mut out);
    for word in WORDS {
        out = out.replace(&format!("\"{MARK}{word}\""), word);
    }
    match out.contains('\u{fdd0}') {
        true => Err(bad(
            "a name or the source holds the character U+FDD0, which is no character",
        )),
        false => Ok(out),
    }
}

/// The values inside, with their keys.
fn parts(value: &Value) -> Option<Vec<(Option<&String>, &Value)>> {
    match value {
        Value::Array(items) => Some(items.iter().map(|item| (None, item)).collect()),
        Value::Object(entries) => Some(entries.iter().map(|(k, v)| (Some(k), v)).collect()),
        _ => None,
    }
}

/// Whether a value holds values that hold values no deeper than `levels`.
fn is_flat(value: &Value, levels: usize) -> bool {
    match parts(value) {
        None => true,
        Some(parts) => levels > 0 && parts.iter().all(|(_, part)| is_flat(part, levels - 1)),
    }
}

/// A value on one line; nothing if that is too long.
fn line(value: &Value) -> Option<String> {
    let Some(parts) = parts(value) else {
        return Some(value.to_string());
    };
    let mut out = Vec::with_capacity(parts.len());
    let mut length = 0;
    for (key, part) in &parts {
        let part = line(part)?;
        let part = match key {
            Some(key) => format!("{}: {part}", quoted(key)),
            None => part,
        };
        length += part.len() + 2;
        if length > LINE {
            return None;
        }
        out.push(part);
    }
    let inside = out.join(", ");
    Some(match value {
        Value::Array(_) => format!("[{inside}]"),
        _ => format!("{{{inside}}}"),
    })
}

fn quoted(key: &str) -> String {
    Value::from(key).to_string()
}

fn lines(value: &Value, indent: usize, out: &mut String) {
    let one = match is_flat(value, 2) {
        true => line(value),
        false => None,
    };
    let Some(parts) = parts(value).filter(|_| one.is_none()) else {
        out.push_str(&one.unwrap_or_else(|| value.to_string()));
        return;
    };
    let (open, close) = match value {
        Value::Array(_) => ('[', ']'),
        _ => ('{', '}'),
    };
    out.push(open);
    for (i, (key, part)) in parts.into_iter().enumerate() {
        out.push_str(if i > 0 { ",\n" } else { "\n" });
        out.extend(std::iter::repeat_n(' ', indent + 2));
        if let Some(key) = key {
            out.push_str(&quoted(key));
            out.push_str(": ");
        }
        lines(part, indent + 2, out);
    }
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_survive_both_ways() {
        let text = r#"{"a": [NaN, Infinity, -Infinity, 1.0], "b": "NaN \" Infinity"}"#;
        let value = parse(text).unwrap();
        let numbers: Vec<f64> = value["a"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(number)
            .collect();
        assert!(numbers[0].is_nan());
        assert_eq!(numbers[1..], [f64::INFINITY, f64::NEG_INFINITY, 1.0]);
        assert_eq!(value["b"], "NaN \" Infinity");
        assert_eq!(parse(&write(&value).unwrap()).unwrap(), value);
    }
}
