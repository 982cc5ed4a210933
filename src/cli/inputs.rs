//! `--inputs`: values by name, as columns for a session.

use serde_json::{Map, Value as Json};

use super::arrays;
use super::json::as_number;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Port, PortKind};

/// Largest file of inputs that is read, in bytes.
const MAX_BYTES: u64 = 512 << 20;

/// The values for one run.
pub struct Inputs {
    /// How many samples there are; 1 when nothing is a batch.
    pub samples: usize,
    /// Whether any input was given as an array.
    pub batch: bool,
    /// For each input of the model, one value a sample.
    pub x: Vec<Vec<f64>>,
    /// For each input of the model, whether it was given as an array.
    pub arrays: Vec<bool>,
    /// The value of each parameter of the model.
    pub p: Vec<f64>,
    /// For each port of the model, whether it is a parameter.
    parameters: Vec<bool>,
}

fn bad(message: String) -> Error {
    Error::new(ErrorKind::Argument, message)
}

/// Reads `text`, JSON or `@FILE`.
pub fn read(text: &str, graph: &Graph) -> Result<Inputs> {
    let from_file = match text.strip_prefix('@') {
        None => None,
        Some(path) => Some(file(path)?),
    };
    let json: Json =
        serde_json::from_str(from_file.as_deref().unwrap_or(text)).map_err(|error| {
            let message =
                format!("--inputs is not JSON: {error}; write {{\"x\": 1.5, \"y\": [1, 2]}}");
            Error::new(ErrorKind::Format, message)
        })?;
    let Json::Object(given) = json else {
        let message = "--inputs is not a JSON object; write {\"x\": 1.5, \"y\": [1, 2]}";
        return Err(Error::new(ErrorKind::Format, message));
    };
    let given = arrays::take_apart(given, graph)?;
    check_names(&given, graph)?;
    let samples = batch_length(&given)?;
    let mut inputs = Inputs {
        samples: samples.unwrap_or(1),
        batch: samples.is_some(),
        x: Vec::new(),
        arrays: Vec::new(),
        p: Vec::new(),
        parameters: graph.ports.iter().map(Port::is_parameter).collect(),
    };
    for port in &graph.ports {
        inputs.add(port, given.get(&*port.name))?;
    }
    Ok(inputs)
}

fn file(path: &str) -> Result<String> {
    let io =
        |error: std::io::Error| Error::new(ErrorKind::Io, format!("cannot read {path}: {error}"));
    if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
        let message = format!("{path} is larger than {MAX_BYTES} bytes");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    std::fs::read_to_string(path).map_err(io)
}

/// Every given name is one of the model's, and every input has a value.
fn check_names(given: &Map<String, Json>, graph: &Graph) -> Result<()> {
    let names = || graph.ports.iter().map(|port| &*port.name);
    for name in given.keys() {
        if !names().any(|other| other == name) {
            let known: Vec<&str> = names().collect();
            let hint = match crate::suggest::closest(name, names()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None if known.is_empty() => "it has none".into(),
                None => format!("it has {}", known.join(", ")),
            };
            return Err(bad(format!("the model has no input \"{name}\"; {hint}")));
        }
    }
    let missing: Vec<String> = graph
        .ports
        .iter()
        .filter(|port| !port.is_parameter() && !given.contains_key(&*port.name))
        .map(|port| format!("\"{}\"", port.name))
        .collect();
    match missing.len() {
        0 => Ok(()),
        1 => Err(bad(format!(
            "the input {} has no value; give it with --inputs",
            missing[0]
        ))),
        _ => Err(bad(format!(
            "the inputs {} have no value; give them with --inputs",
            missing.join(", ")
        ))),
    }
}

/// The one length of all arrays, if there are any.
fn batch_length(given: &Map<String, Json>) -> Result<Option<usize>> {
    let mut first: Option<(&str, usize)> = None;
    for (name, value) in given {
        let Json::Array(items) = value else { continue };
        match first {
            Some((other, length)) if length != items.len() => {
                return Err(Error::new(
                    ErrorKind::Shape,
                    format!(
                        "\"{other}\" has {length} values and \"{name}\" has {}; the arrays of a batch are of one length",
                        items.len()
                    ),
                ));
            }
            _ => first = Some((name, items.len())),
        }
    }
    Ok(first.map(|(_, length)| length))
}

impl Inputs {
    /// The values of the ports for one sample, in the order of the ports.
    pub fn ports(&self, sample: usize) -> Vec<f64> {
        let (mut x, mut p) = (self.x.iter(), self.p.iter());
        let value = |parameter: &bool| match parameter {
            true => p.next().copied(),
            false => x.next().map(|column| column[sample]),
        };
        self.parameters
            .iter()
            .map(value)
            .map(Option::unwrap_or_default)
            .collect()
    }

    fn add(&mut self, port: &Port, value: Option<&Json>) -> Result<()> {
        let name = &port.name;
        let scalar = |value: &Json, place: &str| {
            as_number(value).ok_or_else(|| {
                bad(format!(
                    "the value of \"{name}\"{place} is {value}, which is not a number"
                ))
            })
        };
        match (port.kind, value) {
            (PortKind::Parameter { .. }, Some(Json::Array(_))) => {
                return Err(bad(format!(
                    "\"{name}\" is a parameter, which has one value for the whole batch; an array was given"
                )));
            }
            (PortKind::Parameter { initial, .. }, value) => {
                let value = value.map_or(Ok(initial), |value| scalar(value, ""))?;
                self.p.push(value);
            }
            (PortKind::Input, Some(Json::Array(items))) => {
                let column = items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| scalar(item, &format!(" at index {i}")));
                self.x.push(column.collect::<Result<Vec<f64>>>()?);
                self.arrays.push(true);
            }
            (PortKind::Input, value) => {
                let value = value.map_or(Ok(f64::NAN), |value| scalar(value, ""))?;
                self.x.push(vec![value; self.samples]);
                self.arrays.push(false);
            }
        }
        Ok(())
    }
}
