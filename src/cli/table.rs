//! Observations from a CSV file with a header.

use super::args;
use crate::error::{Error, ErrorKind, Result};
use crate::fit::problem::Data;
use crate::fit::statistics::Noise;
use crate::graph::{Graph, Type};

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 4 << 30;

/// A CSV file: the names of its columns, and the columns that were asked for.
struct Table {
    path: String,
    names: Vec<String>,
    rows: Vec<(u64, csv::StringRecord)>,
}

/// The columns that do not have the names of inputs.
pub struct Named<'a> {
    pub targets: &'a [String],
    pub sigma: Option<&'a str>,
    pub relative: bool,
}

/// The observations that the arguments name, checked against the model and how many targets it needs, and what the weights
/// mean.
pub fn observations(
    arguments: &args::Data,
    graph: &Graph,
    targets: usize,
) -> Result<(Data, Noise)> {
    let path = arguments.data.display().to_string();
    let io =
        |error: std::io::Error| Error::new(ErrorKind::Io, format!("cannot read {path}: {error}"));
    if std::fs::metadata(&arguments.data).map_err(io)?.len() > MAX_BYTES {
        let message = format!("{path} is larger than {MAX_BYTES} bytes");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let bytes = std::fs::read(&arguments.data).map_err(io)?;
    let columns = Named {
        targets: &arguments.targets,
        sigma: arguments
            .sigma
            .as_deref()
            .or(arguments.relative_sigma.as_deref()),
        relative: arguments.relative_sigma.is_some(),
    };
    check_outputs(graph, targets, columns.targets.len())?;
    from_bytes(&path, &bytes, &columns, graph)
}

/// The observations in the text of a CSV file.
pub fn from_bytes(
    path: &str,
    bytes: &[u8],
    columns: &Named,
    graph: &Graph,
) -> Result<(Data, Noise)> {
    let table = Table::read(path, bytes)?;
    let mut data = Data {
        samples: table.rows.len(),
        lines: table.rows.iter().map(|row| row.0).collect(),
        ..Data::default()
    };
    for port in graph.inputs() {
        let name = &graph.ports[port].name;
        let advice = format!("; if it is a constant, make it a parameter: --parameter {name}=1");
        let column = table.column(name, &format!("the input \"{name}\""), &advice)?;
        data.x.extend(table.numbers(column)?);
    }
    for name in columns.targets {
        let column = table.column(name, "the target", "")?;
        data.y.extend(table.numbers(column)?);
    }
    let Some(sigma) = columns.sigma else {
        return Ok((data, Noise::Estimated));
    };
    let sigmas = match sigma.parse::<f64>() {
        Ok(value) if !table.names.iter().any(|name| name == sigma) => {
            if !(value > 0.0 && value.is_finite()) {
                let message = format!(
                    "--sigma: the standard deviation is {value}; it must be positive and finite"
                );
                return Err(Error::new(ErrorKind::Argument, message));
            }
            vec![value; data.samples]
        }
        _ => {
            let column = table.column(sigma, "the standard deviations", "")?;
            table.numbers(column)?
        }
    };
    if let Some(row) = sigmas.iter().position(|s| !(*s > 0.0 && s.is_finite())) {
        let (line, value) = (table.rows[row].0, sigmas[row]);
        let message = format!(
            "{path}, line {line}: the standard deviation is {value}; it must be positive and finite"
        );
        return Err(Error::new(ErrorKind::Argument, message));
    }
    let weights: Vec<f64> = sigmas.iter().map(|s| 1.0 / (s * s)).collect();
    data.weights = weights.repeat(columns.targets.len());
    let noise = match columns.relative {
        true => Noise::Estimated,
        false => Noise::Known,
    };
    Ok((data, noise))
}

/// Each number of the model's value has a target, and the value holds nothing but numbers.
fn check_outputs(graph: &Graph, needed: usize, targets: usize) -> Result<()> {
    let outputs = graph.outputs.len();
    let numeric = graph
        .outputs
        .iter()
        .all(|output| match graph.node(output.node).ty {
            Type::Scalar(_) => true,
            // of a general graph this shows when it runs
            ty => ty == Type::General,
        });
    if outputs == 0 || !numeric {
        let message = "the value of the model holds no number to fit to data";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if needed != targets && outputs == needed {
        let message = format!(
            "the value of the model holds {outputs} numbers, and {targets} target columns were named; repeat --target for each"
        );
        return Err(Error::new(ErrorKind::Argument, message));
    }
    if needed != targets {
        let message = format!("this loss takes {needed} target columns, and {targets} were named");
        return Err(Error::new(ErrorKind::Argument, message));
    }
    Ok(())
}

/// The numbers of a CSV file without a header, row by row.
pub fn numbers(path: &std::path::Path) -> Result<Vec<f64>> {
    let shown = path.display().to_string();
    let bytes = crate::document::read(path)?;
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .has_headers(false)
        .from_reader(&bytes[..]);
    let mut numbers = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| said(&shown, &error))?;
        for cell in &record {
            let number = cell.parse::<f64>().map_err(|_| {
                let line = record.position().map_or(0, csv::Position::line);
                let message = format!("{shown}, line {line}: \"{cell}\" is not a number");
                Error::new(ErrorKind::Format, message)
            })?;
            numbers.push(number);
        }
    }
    Ok(numbers)
}

impl Table {
    fn read(name: &str, bytes: &[u8]) -> Result<Table> {
        let format = |message: String| Error::new(ErrorKind::Format, message);
        // spreadsheets put a byte order mark first
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(bytes);
        let header = reader.headers().map_err(|error| said(name, &error))?;
        if header.is_empty() {
            return Err(format(format!(
                "{name} is empty; it needs a header and rows"
            )));
        }
        let names: Vec<String> = header.iter().map(str::to_string).collect();
        if let Some(column) = (1..names.len()).find(|i| names[..*i].contains(&names[*i])) {
            let twice = &names[column];
            return Err(format(format!("{name} has two columns \"{twice}\"")));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| said(name, &error))?;
            rows.push((record.position().map_or(0, csv::Position::line), record));
        }
        if rows.is_empty() {
            return Err(format(format!("{name} has no rows under its header")));
        }
        Ok(Table {
            path: name.to_string(),
            names,
            rows,
        })
    }

    /// The index of the column `name`, which is needed for `what`.
    fn column(&self, name: &str, what: &str, advice: &str) -> Result<usize> {
        let found = self.names.iter().position(|other| other == name);
        found.ok_or_else(|| {
            let names = self.names.iter().map(String::as_str);
            let hint = crate::suggest::closest(name, names)
                .map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
            let message = format!(
                "{} has no column \"{name}\" for {what}{hint} (its columns: {}){advice}",
                self.path,
                self.names.join(", ")
            );
            Error::new(ErrorKind::Format, message)
        })
    }

    /// The numbers of a column.
    fn numbers(&self, column: usize) -> Result<Vec<f64>> {
        let number = |(line, record): &(u64, csv::StringRecord)| {
            let cell = record.get(column).unwrap_or("");
            let wrong = match cell.parse::<f64>() {
                Ok(value) if value.is_finite() => return Ok(value),
                Ok(value) => format!("holds {value}; leave such rows out"),
                Err(_) if cell.is_empty() => "is empty".to_string(),
                Err(_) => format!("holds \"{cell}\", which is not a number"),
            };
            let (path, name) = (&self.path, &self.names[column]);
            let message = format!("{path}, line {line}: column \"{name}\" {wrong}");
            Err(Error::new(ErrorKind::Format, message))
        };
        self.rows.iter().map(number).collect()
    }
}

/// What the crate `csv` complains about, with the line.
fn said(path: &str, error: &csv::Error) -> Error {
    let line = error.position().map_or(0, csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            format!("{path}, line {line}: {len} cells, but the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => format!("{path}, line {line}: the text is not UTF-8"),
        _ => format!("{path}: {error}"),
    };
    Error::new(ErrorKind::Format, message)
}
