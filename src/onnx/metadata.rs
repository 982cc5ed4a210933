//! What a file says of a model beyond what ONNX has words for: one JSON text under the key `ncg` of `metadata_props`.
//! A tool that rewrites the file may leave it behind, so each entry names its tensor and is used only where it fits.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::form::{Element, Parameters};
use super::kinds::{Derivative, Made};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Elem, PortKind, Type, Value};
use crate::syntax::ast::Constant;

/// The key of `metadata_props`.
pub(super) const KEY: &str = "ncg";

/// Deepest value structure that is read.
const MAX_DEPTH: usize = 1000;

/// A named thing and its tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry<K> {
    pub tensor: String,
    pub name: Arc<str>,
    pub kind: K,
}

/// What else is known of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The text that it was compiled from.
    pub source: Option<Arc<str>>,
    /// What a fit found, as JSON text.
    pub fit: Option<Arc<str>>,
    /// So many iterations a loop has at most, where that is not the default of the option `max_steps`.
    pub max_steps: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Metadata {
    pub ports: Vec<Entry<PortKind>>,
    pub outputs: Vec<Entry<Elem>>,
    pub value: Value,
    /// Constants that their tensor does not hold exactly.
    pub constants: HashMap<String, Constant>,
    pub about: About,
    pub element: Element,
    /// The graph as text, before it was brought to ONNX form.
    pub graph: String,
    /// What the file is, where it does not compute the values of the graph for one set of parameters: ports, outputs, value and
    /// constants are then those of the text alone.
    pub made: Option<Made>,
}

fn malformed(what: &str) -> Error {
    let message = format!("not a valid ONNX model: {what} in its metadata {KEY:?}");
    Error::new(ErrorKind::Format, message)
}

/// As text; `constants` in the order given.
pub(super) fn write(
    ports: &[Entry<PortKind>],
    outputs: &[Entry<Elem>],
    value: &Value,
    constants: &[(String, Constant)],
    about: &About,
    element: Element,
    graph: &str,
) -> String {
    let ports: Vec<Json> = ports
        .iter()
        .map(|port| {
            let mut entry = named(&port.tensor, &port.name);
            if let PortKind::Parameter {
                initial,
                lower,
                upper,
            } = port.kind
            {
                entry.insert("initial".into(), write_real(initial));
                entry.insert("lower".into(), write_real(lower));
                entry.insert("upper".into(), write_real(upper));
            }
            Json::Object(entry)
        })
        .collect();
    let outputs: Vec<Json> = outputs
        .iter()
        .map(|output| {
            let mut entry = named(&output.tensor, &output.name);
            let ty = Type::Scalar(output.kind).to_string();
            entry.insert("type".into(), Json::String(ty));
            Json::Object(entry)
        })
        .collect();
    let mut tokens = Vec::new();
    write_value(value, &mut tokens);
    let constants: Map<String, Json> = constants
        .iter()
        .map(|(tensor, constant)| {
            let mut tokens = Vec::new();
            write_constant(constant, &mut tokens);
            (tensor.clone(), tokens.swap_remove(0))
        })
        .collect();
    let mut json = json!({
        "version": 1,
        "dtype": element.name(),
        "ports": ports,
        "outputs": outputs,
        "value": tokens,
        "constants": constants,
        "graph": graph,
    });
    for (key, text) in [("source", &about.source), ("fit", &about.fit)] {
        if let Some(text) = text {
            json[key] = Json::String(text.to_string());
        }
    }
    if let Some(max_steps) = about.max_steps {
        json["max_steps"] = json!(max_steps);
    }
    json.to_string()
}

/// The metadata of a file that is made of a model in another way.
pub(super) fn write_made(about: &About, element: Element, graph: &str, made: Made) -> String {
    let text = write(&[], &[], &Value::Procedure, &[], about, element, graph);
    let mut json: Json = serde_json::from_str(&text).unwrap_or_default();
    json["gradient"] = made.derivative.name().into();
    json["population"] = (made.parameters == Parameters::Population).into();
    json.to_string()
}

fn read_made(json: &Json) -> Result<Option<Made>> {
    let Some(word) = json.get("gradient") else {
        return Ok(None);
    };
    let derivative = word.as_str().and_then(Derivative::named);
    let derivative =
        derivative.ok_or_else(|| malformed(&format!("the unknown gradient {word}")))?;
    let parameters = match json["population"].as_bool() {
        Some(true) => Parameters::Population,
        Some(false) => Parameters::One,
        None => return Err(malformed("no word on populations")),
    };
    Ok(Some(Made {
        derivative,
        parameters,
    }))
}

fn named(tensor: &str, name: &str) -> Map<String, Json> {
    let mut entry = Map::new();
    entry.insert("name".into(), Json::String(name.into()));
    if tensor != name {
        entry.insert("tensor".into(), Json::String(tensor.into()));
    }
    entry
}

fn write_real(value: f64) -> Json {
    match serde_json::Number::from_f64(value) {
        Some(number) => Json::Number(number),
        None => Json::String(value.to_string()),
    }
}

/// In prefix notation, so that reading takes no deep document.
fn write_value(value: &Value, out: &mut Vec<Json>) {
    match value {
        Value::Output(index) => out.push(json!(["output", index])),
        Value::Constant(constant) => write_constant(constant, out),
        Value::Procedure => out.push(json!(["procedure"])),
        Value::List(items, tail) => {
            let word = if tail.is_some() { "dotted" } else { "list" };
            out.push(json!([word, items.len()]));
            items.iter().for_each(|item| write_value(item, out));
            if let Some(tail) = tail {
                write_value(tail, out);
            }
        }
        Value::Array(shape, items) => {
            let rows = Value::rows(shape, items);
            out.push(json!(["array", rows.len()]));
            rows.iter().for_each(|row| write_value(row, out));
        }
    }
}

fn write_constant(constant: &Constant, out: &mut Vec<Json>) {
    match constant {
        Constant::Bool(value) => out.push(json!(["bool", value])),
        Constant::Int(value) => out.push(json!(["int", value])),
        Constant::Real(value) => out.push(json!(["real", write_real(*value)])),
        Constant::Char(value) => out.push(json!(["char", value.to_string()])),
        Constant::Symbol(value) => out.push(json!(["symbol", &**value])),
        Constant::Str(value) => out.push(json!(["string", &**value])),
        Constant::List(items, tail) => {
            let word = match tail {
                Some(_) => "quoted-dotted",
                None => "quoted-list",
            };
            out.push(json!([word, items.len()]));
            items.iter().for_each(|item| write_constant(item, out));
            if let Some(tail) = tail {
                write_constant(tail, out);
            }
        }
    }
}

/// Reads what [`write`] gives.
pub(super) fn read(text: &str) -> Result<Metadata> {
    let json: Json = serde_json::from_str(text).map_err(|error| malformed(&error.to_string()))?;
    if json["version"] != 1 {
        let message = format!(
            "the metadata {KEY:?} of the ONNX model is of version {}, not 1",
            json["version"]
        );
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let list = |key: &str| {
        let list = json[key].as_array();
        list.ok_or_else(|| malformed(&format!("no list {key:?}")))
    };
    let ports = list("ports")?.iter().map(|entry| {
        let kind = match entry.get("initial") {
            None => PortKind::Input,
            Some(initial) => PortKind::Parameter {
                initial: real(initial)?,
                lower: real(&entry["lower"])?,
                upper: real(&entry["upper"])?,
            },
        };
        read_entry(entry, kind)
    });
    let ports = ports.collect::<Result<_>>()?;
    let outputs = list("outputs")?.iter().map(|entry| {
        let kind = match entry["type"].as_str() {
            Some("bool") => Elem::Bool,
            Some("int") => Elem::Int,
            Some("real") => Elem::Real,
            _ => return Err(malformed("an output of unknown type")),
        };
        read_entry(entry, kind)
    });
    let outputs: Vec<Entry<Elem>> = outputs.collect::<Result<_>>()?;
    let mut tokens = list("value")?.iter();
    let value = read_value(&mut tokens, outputs.len(), 0)?;
    if tokens.next().is_some() {
        return Err(malformed("more than one value"));
    }
    let constants = json["constants"].as_object();
    let constants = constants.ok_or_else(|| malformed("no table \"constants\""))?;
    let constants = constants.iter().map(|(tensor, token)| {
        let constant = read_constant(&mut [token.clone()].iter(), 0)?;
        Ok((tensor.clone(), constant))
    });
    let element = match json["dtype"].as_str() {
        Some("f64") => Element::F64,
        Some("f32") => Element::F32,
        _ => return Err(malformed("an unknown dtype")),
    };
    Ok(Metadata {
        element,
        graph: json["graph"].as_str().unwrap_or_default().into(),
        made: read_made(&json)?,
        ports,
        outputs,
        value,
        constants: constants.collect::<Result<_>>()?,
        about: About {
            source: json["source"].as_str().map(Arc::from),
            fit: json["fit"].as_str().map(Arc::from),
            max_steps: json["max_steps"].as_u64(),
        },
    })
}

fn read_entry<K>(entry: &Json, kind: K) -> Result<Entry<K>> {
    let name = entry["name"].as_str();
    let name = name.ok_or_else(|| malformed("an entry without a name"))?;
    Ok(Entry {
        tensor: entry["tensor"].as_str().unwrap_or(name).into(),
        name: Arc::from(name),
        kind,
    })
}

fn real(json: &Json) -> Result<f64> {
    let text = |text: &str| match text {
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ => None,
    };
    let value = json.as_f64().or_else(|| json.as_str().and_then(text));
    value.ok_or_else(|| malformed(&format!("{json} in place of a number")))
}

type Tokens<'a> = std::slice::Iter<'a, Json>;

fn next<'a>(tokens: &mut Tokens<'a>, depth: usize) -> Result<(&'a str, &'a Json)> {
    let token = tokens.next().ok_or_else(|| malformed("a cut value"))?;
    if depth > MAX_DEPTH {
        return Err(malformed("a value that is nested too deep"));
    }
    let word = token[0].as_str();
    Ok((word.ok_or_else(|| malformed("a broken value"))?, &token[1]))
}

/// How many items follow, which cannot be more than there are tokens.
fn length(json: &Json, tokens: &Tokens) -> Result<usize> {
    let length = json.as_u64().and_then(|n| usize::try_from(n).ok());
    length
        .filter(|n| *n <= tokens.len())
        .ok_or_else(|| malformed("a list that is cut"))
}

fn read_value(tokens: &mut Tokens, outputs: usize, depth: usize) -> Result<Value> {
    let (word, detail) = next(&mut tokens.clone(), depth)?;
    let dotted = match word {
        "output" => {
            tokens.next();
            let index = detail.as_u64().filter(|i| *i < outputs as u64);
            let index = index.ok_or_else(|| malformed("a value from no output"))?;
            return Ok(Value::Output(index as usize));
        }
        "procedure" => {
            tokens.next();
            return Ok(Value::Procedure);
        }
        "array" => {
            tokens.next();
            let rows = (0..length(detail, tokens)?)
                .map(|_| read_value(tokens, outputs, depth + 1))
                .collect::<Result<_>>()?;
            return Value::array(rows).ok_or_else(|| malformed("an array of uneven rows"));
        }
        "list" => false,
        "dotted" => true,
        _ => return Ok(Value::Constant(read_constant(tokens, depth)?)),
    };
    tokens.next();
    let items = (0..length(detail, tokens)?)
        .map(|_| read_value(tokens, outputs, depth + 1))
        .collect::<Result<_>>()?;
    let tail = dotted.then(|| read_value(tokens, outputs, depth + 1));
    Ok(Value::List(items, tail.transpose()?.map(Box::new)))
}

fn read_constant(tokens: &mut Tokens, depth: usize) -> Result<Constant> {
    let (word, detail) = next(tokens, depth)?;
    let wrong = || malformed(&format!("{detail} in place of a {word}"));
    let text = || detail.as_str().ok_or_else(wrong);
    Ok(match word {
        "bool" => Constant::Bool(detail.as_bool().ok_or_else(wrong)?),
        "int" => Constant::Int(detail.as_i64().ok_or_else(wrong)?),
        "real" => Constant::Real(real(detail)?),
        "char" => Constant::Char(text()?.chars().next().ok_or_else(wrong)?),
        "symbol" => Constant::Symbol(Arc::from(text()?)),
        "string" => Constant::Str(Arc::from(text()?)),
        "quoted-list" | "quoted-dotted" => {
            let items = (0..length(detail, tokens)?)
                .map(|_| read_constant(tokens, depth + 1))
                .collect::<Result<_>>()?;
            let tail = (word == "quoted-dotted").then(|| read_constant(tokens, depth + 1));
            Constant::List(items, tail.transpose()?.map(Arc::new))
        }
        _ => return Err(malformed(&format!("the unknown word {word:?}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> String {
        let entry = |name: &str, tensor: &str| (Arc::from(name), tensor.to_string());
        let ports = [
            (entry("x y", "x y"), PortKind::Input),
            (
                entry("k", "k.1"),
                PortKind::Parameter {
                    initial: -0.0,
                    lower: f64::NEG_INFINITY,
                    upper: 0.1,
                },
            ),
        ];
        let ports = ports.map(|((name, tensor), kind)| Entry { tensor, name, kind });
        let outputs = [Elem::Bool, Elem::Int].map(|kind| Entry {
            tensor: "o".into(),
            name: Arc::from("o"),
            kind,
        });
        let symbol = Constant::Symbol(Arc::from("a b"));
        let quoted = Constant::List(
            Arc::from([symbol, Constant::Char('λ')]),
            Some(Arc::new(Constant::Str(Arc::from("\u{7}\"")))),
        );
        let list = Value::List(vec![Value::Output(1), Value::Procedure], None);
        let value = Value::List(
            vec![list, Value::Constant(Constant::nil())],
            Some(Box::new(Value::Constant(quoted))),
        );
        let constants = [("c".to_string(), Constant::Int(i64::MAX))];
        let about = About {
            source: Some(Arc::from("(+ x \"1\")")),
            fit: None,
            max_steps: Some(7),
        };
        write(
            &ports,
            &outputs,
            &value,
            &constants,
            &about,
            Element::F32,
            "x\ny",
        )
    }

    #[test]
    fn reads_back_what_was_written() {
        let text = sample();
        let read = read(&text).unwrap();
        assert_eq!(read.ports[1].tensor, "k.1");
        let constants: Vec<_> = read.constants.into_iter().collect();
        assert_eq!(
            write(
                &read.ports,
                &read.outputs,
                &read.value,
                &constants,
                &read.about,
                read.element,
                &read.graph
            ),
            text
        );
    }

    #[test]
    fn refuses_broken_texts_without_panicking() {
        let text = sample();
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            assert!(read(&text[..at]).is_err());
            for other in ["", "9", "\"", "[", "null"] {
                if let Some(rest) = text.get(at + 1..) {
                    let _ = read(&format!("{}{other}{rest}", &text[..at]));
                }
            }
        }
        let deep = format!("[{}[\"list\",0]]", "[\"list\",1],".repeat(100_000));
        let text = format!(
            r#"{{"version":1,"dtype":"f64","ports":[],"outputs":[],"constants":{{}},"value":{deep}}}"#
        );
        assert!(read(&text).unwrap_err().message.contains("too deep"));
    }
}
