//! Observations from a table with named columns: CSV, TSV, NumPy's `.npy` and `.npz`, or Parquet.

use std::io::{BufRead, BufReader};

use super::{args, npy, npz, progress};
use crate::error::{Error, ErrorKind, Result};
use crate::fit::problem::Data;
use crate::fit::statistics::Noise;
use crate::graph::{Graph, Type};

/// A table of which only the columns that are needed were read.
pub struct Table {
    pub path: String,
    pub names: Vec<String>,
    /// The columns in the order in which they were asked for.
    pub columns: Vec<Vec<f64>>,
    /// The line that each row stands on; none for a file that is no text.
    pub lines: Vec<u64>,
}

/// The columns that do not have the names of inputs.
pub struct Named<'a> {
    pub targets: &'a [String],
    pub sigma: Option<&'a str>,
    pub relative: bool,
}

/// Where the rows of a table go, so many at a time.
pub struct Sink<'a> {
    /// How many rows at a time.
    pub rows: usize,
    pub take: &'a mut dyn FnMut(Table) -> Result<()>,
}

/// The observations that the arguments name, checked against the model and how many targets it needs, and what the weights
/// mean.
pub fn observations(
    arguments: &args::Data,
    graph: &Graph,
    targets: usize,
) -> Result<(Data, Noise)> {
    let mut found = None;
    observations_by(arguments, graph, targets, usize::MAX, &mut |data, noise| {
        found = Some((data, noise));
        Ok(())
    })?;
    found.ok_or_else(|| Error::new(ErrorKind::Format, "the table has no rows"))
}

/// The same, given to `take` so many rows at a time.
pub fn observations_by(
    arguments: &args::Data,
    graph: &Graph,
    targets: usize,
    rows: usize,
    take: &mut dyn FnMut(Data, Noise) -> Result<()>,
) -> Result<()> {
    let columns = Named {
        targets: &arguments.targets,
        sigma: arguments
            .sigma
            .as_deref()
            .or(arguments.relative_sigma.as_deref()),
        relative: arguments.relative_sigma.is_some(),
    };
    check_outputs(graph, targets, columns.targets.len())?;
    let path = arguments.data.display().to_string();
    let io =
        |error: std::io::Error| Error::new(ErrorKind::Io, format!("cannot read {path}: {error}"));
    let file = std::fs::File::open(&arguments.data).map_err(io)?;
    let mut reader = BufReader::with_capacity(1 << 16, progress::reading(file));
    let start = reader.fill_buf().map_err(io)?;
    let array = start.starts_with(npy::MAGIC);
    let archive = npz::MAGIC.iter().any(|magic| start.starts_with(magic));
    let pages = start.starts_with(b"PAR1");
    let find = |names: &[String]| find(&path, names, &columns, graph);
    let mut assembled = |table: Table| {
        let (data, noise) = assemble(table, &columns, graph)?;
        take(data, noise)
    };
    let sink = Sink {
        rows,
        take: &mut assembled,
    };
    match () {
        () if array => npy::read(&arguments.data, reader, find, sink),
        () if archive => npz::read(&arguments.data, find, sink),
        #[cfg(feature = "parquet")]
        () if pages => super::parquet::read(&arguments.data, find, sink),
        #[cfg(not(feature = "parquet"))]
        () if pages => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{path} is a Parquet file, which this command was built without (cargo feature parquet)"
            ),
        )),
        () => text(&path, reader, find, sink),
    }
}

/// The observations in the text of a CSV file.
pub fn from_bytes(
    path: &str,
    bytes: &[u8],
    columns: &Named,
    graph: &Graph,
) -> Result<(Data, Noise)> {
    let mut found = Err(Error::new(ErrorKind::Format, "the table has no rows"));
    let mut take = |table: Table| {
        found = assemble(table, columns, graph);
        Ok(())
    };
    let sink = Sink {
        rows: usize::MAX,
        take: &mut take,
    };
    text(path, bytes, |names| find(path, names, columns, graph), sink)?;
    found
}

/// The places of the columns that are needed: of inputs, targets and standard deviations.
fn find(path: &str, names: &[String], columns: &Named, graph: &Graph) -> Result<Vec<usize>> {
    let mut places = Vec::new();
    for port in graph.inputs() {
        let name = &graph.ports[port].name;
        let advice = format!("; if it is a constant, make it a parameter: --parameter {name}=1");
        places.push(column(
            path,
            names,
            name,
            &format!("the input \"{name}\""),
            &advice,
        )?);
    }
    for name in columns.targets {
        places.push(column(path, names, name, "the target", "")?);
    }
    if let Some(sigma) = columns.sigma
        && constant_sigma(sigma, names).is_none()
    {
        places.push(column(path, names, sigma, "the standard deviations", "")?);
    }
    Ok(places)
}

/// The standard deviation that is one number for all, if it is no name of a column.
fn constant_sigma(sigma: &str, names: &[String]) -> Option<f64> {
    let number = sigma.parse::<f64>().ok();
    number.filter(|_| !names.iter().any(|name| name == sigma))
}

fn assemble(table: Table, named: &Named, graph: &Graph) -> Result<(Data, Noise)> {
    let inputs = graph.inputs().len();
    let targets = named.targets.len();
    let mut columns = table.columns;
    let samples = columns.first().map_or(0, Vec::len);
    let sigmas = match named
        .sigma
        .map(|sigma| (sigma, constant_sigma(sigma, &table.names)))
    {
        None => None,
        Some((_, Some(value))) => {
            if !(value > 0.0 && value.is_finite()) {
                let message = format!(
                    "--sigma: the standard deviation is {value}; it must be positive and finite"
                );
                return Err(Error::new(ErrorKind::Argument, message));
            }
            Some(vec![value; samples])
        }
        Some((_, None)) => columns.pop(),
    };
    let mut data = Data {
        samples,
        lines: table.lines,
        y: join(columns.split_off(inputs)),
        x: join(columns),
        ..Data::default()
    };
    let Some(sigmas) = sigmas else {
        return Ok((data, Noise::Estimated));
    };
    if let Some(row) = sigmas.iter().position(|s| !(*s > 0.0 && s.is_finite())) {
        let value = sigmas[row];
        let place = match data.lines.get(row) {
            Some(line) => format!("line {line}"),
            None => format!("row {row} (counted from 0)"),
        };
        let message = format!(
            "{}, {place}: the standard deviation is {value}; it must be positive and finite",
            table.path
        );
        return Err(Error::new(ErrorKind::Argument, message));
    }
    let weights: Vec<f64> = sigmas.iter().map(|s| 1.0 / (s * s)).collect();
    data.weights = weights.repeat(targets);
    let noise = match named.relative {
        true => Noise::Estimated,
        false => Noise::Known,
    };
    Ok((data, noise))
}

/// The columns one after the other; each is freed as soon as it is copied.
fn join(mut columns: Vec<Vec<f64>>) -> Vec<f64> {
    if columns.len() == 1 {
        return columns.pop().unwrap_or_default();
    }
    let mut all = Vec::with_capacity(columns.iter().map(Vec::len).sum());
    for column in columns {
        all.extend(column);
    }
    all
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

/// Reads a table of text row by row; `find` says which columns are needed. Columns are separated by tabs where the first line has
/// one and no comma, else by commas.
fn text(
    path: &str,
    mut reader: impl BufRead,
    find: impl FnOnce(&[String]) -> Result<Vec<usize>>,
    sink: Sink,
) -> Result<()> {
    let format = |message: String| Error::new(ErrorKind::Format, message);
    let io =
        |error: std::io::Error| Error::new(ErrorKind::Io, format!("cannot read {path}: {error}"));
    // spreadsheets put a byte order mark first
    if reader.fill_buf().map_err(io)?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    let start = reader.fill_buf().map_err(io)?;
    let mut lines = start.split(|byte| *byte == b'\n');
    let header = lines.find(|line| !line.starts_with(b"#") && !line.trim_ascii().is_empty());
    let tabs = header.is_some_and(|line| line.contains(&b'\t') && !line.contains(&b','));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(if tabs { b'\t' } else { b',' })
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(reader);
    let header = reader.headers().map_err(|error| said(path, &error))?;
    if header.is_empty() {
        return Err(format(format!(
            "{path} is empty; it needs a header and rows"
        )));
    }
    let names: Vec<String> = header.iter().map(str::to_string).collect();
    if let Some(column) = (1..names.len()).find(|i| names[..*i].contains(&names[*i])) {
        let twice = &names[column];
        return Err(format(format!("{path} has two columns \"{twice}\"")));
    }
    let places = find(&names)?;
    let mut columns = vec![Vec::new(); places.len()];
    let (mut lines, mut empty) = (Vec::new(), true);
    let mut give = |columns: &mut Vec<Vec<f64>>, lines: &mut Vec<u64>| {
        (sink.take)(Table {
            path: path.to_string(),
            names: names.clone(),
            columns: columns.iter_mut().map(std::mem::take).collect(),
            lines: std::mem::take(lines),
        })
    };
    let mut record = csv::StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| said(path, &error))?
    {
        let line = record.position().map_or(0, csv::Position::line);
        lines.push(line);
        for (place, column) in places.iter().zip(&mut columns) {
            let cell = record.get(*place).unwrap_or("");
            column.push(number(cell).map_err(|wrong| {
                let name = &names[*place];
                format(format!("{path}, line {line}: column \"{name}\" {wrong}"))
            })?);
        }
        empty = false;
        if lines.len() >= sink.rows {
            give(&mut columns, &mut lines)?;
        }
    }
    if empty {
        return Err(format(format!("{path} has no rows under its header")));
    }
    match lines.is_empty() {
        true => Ok(()),
        false => give(&mut columns, &mut lines),
    }
}

/// The number in a cell, or what is wrong with it.
fn number(cell: &str) -> std::result::Result<f64, String> {
    match cell.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(value) => Err(format!("holds {value}; leave such rows out")),
        Err(_) if cell.is_empty() => Err("is empty".to_string()),
        Err(_) => Err(format!("holds \"{cell}\", which is not a number")),
    }
}

/// The index of the column `name`, which is needed for `what`.
fn column(path: &str, names: &[String], name: &str, what: &str, advice: &str) -> Result<usize> {
    let found = names.iter().position(|other| other == name);
    found.ok_or_else(|| {
        let hint = crate::suggest::closest(name, names.iter().map(String::as_str))
            .map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
        let message = format!(
            "{path} has no column \"{name}\" for {what}{hint} (its columns: {}){advice}",
            names.join(", ")
        );
        Error::new(ErrorKind::Format, message)
    })
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
