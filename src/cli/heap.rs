//! `ncg explain --heap`: the cells that one run leaves on the heap of the tagged engine.

use serde_json::{Value as Json, json};

use super::json::number;
use super::{Reply, inputs};
use crate::compile::Model;
use crate::engine::tagged::{Cell, Limits, trace};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::syntax::ast::Constant;

pub fn show(model: &Model, given: &str, options: &Options) -> Result<Reply> {
    let inputs = inputs::read(given, &model.graph)?;
    if inputs.batch {
        let message = "--heap shows one run: give each input one value, not an array";
        return Err(Error::new(ErrorKind::Argument, message));
    }
    let graph = model.literal();
    let trace = trace(graph, &inputs.ports(0), Limits::of(options));
    let trace = trace.map_err(|error| match &model.source {
        Some(source) => error.locate(source),
        None => error,
    })?;
    let cells = trace.cells.iter().enumerate();
    let cells: Vec<Json> = cells
        .map(|(i, cell)| {
            let mut entry = entry(cell);
            entry["address"] = json!(cell.address);
            entry["constant"] = json!(i < trace.constants);
            entry
        })
        .collect();
    Ok(Reply {
        json: json!({"heap": cells, "values": trace.values.iter().map(entry).collect::<Json>()}),
        text: text(&trace.cells, trace.constants, &trace.values),
        warnings: model.warnings(),
    })
}

fn entry(cell: &Cell) -> Json {
    json!({
        "tag": cell.tag,
        "payload": cell.payload.iter().map(|x| number(*x)).collect::<Json>(),
        "text": cell.text,
    })
}

/// A line a cell: address, tag, payload up to its last number that is not zero, value.
fn text(cells: &[Cell], constants: usize, values: &[Cell]) -> String {
    let row = |address: String, cell: &Cell| {
        let last = cell.payload.iter().rposition(|x| *x != 0.0).unwrap_or(0);
        let numbers = cell.payload[..=last].iter();
        let numbers: Vec<String> = match cell.tag {
            "nil" => Vec::new(),
            "real" => numbers.map(|x| Constant::Real(*x).to_string()).collect(),
            _ => numbers.map(f64::to_string).collect(),
        };
        [
            address,
            cell.tag.into(),
            numbers.join(" "),
            cell.text.clone(),
        ]
    };
    let mut rows = vec![["address", "tag", "payload", "value"].map(String::from)];
    rows.extend(cells.iter().map(|cell| row(cell.address.to_string(), cell)));
    rows.extend(values.iter().map(|value| row("value".into(), value)));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..3).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for [address, tag, payload, value] in &rows {
        let line = format!(
            "{address:>0$}  {tag:<1$}  {payload:<2$}  {value}",
            widths[0], widths[1], widths[2]
        );
        out += line.trim_end();
        out.push('\n');
    }
    out += &match (cells.len(), constants) {
        (0, _) => "the heap is empty\n".to_string(),
        (_, 0) => String::new(),
        (_, 1) => "cell 0 holds a constant of the program\n".to_string(),
        (_, n) => format!("cells 0 to {} hold the constants of the program\n", n - 1),
    };
    out
}
