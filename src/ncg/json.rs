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

/// Writes a document, indented by two blanks.
pub fn write(value: &Value) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| bad(error.to_string()))?;
    let mut out = text;
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
