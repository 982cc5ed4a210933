//! `ncg explain`: what each stage of the compiler makes of a program.

use std::collections::HashMap;

use console::{Term, measure_text_width};
use serde_json::{Map, Value, json};

use super::{Reply, args, heap, run};
use crate::anf::{Anf, Block, Rhs};
use crate::compile::front;
use crate::error::{Result, Span};
use crate::grad;
use crate::graph::{Graph, NodeId, NodeKind, RegionId};
use crate::options::Options;

/// Width where the terminal does not say its own.
const WIDTH: usize = 100;
/// Between two stages that stand side by side.
const GAP: &str = "  │  ";

pub fn run(arguments: &args::Explain) -> Result<Reply> {
    let mut options = Options::new();
    let model = arguments.source.plain(&mut options)?;
    if arguments.heap {
        return heap::show(&model, &arguments.inputs, &options);
    }
    let wanted = run::ports(&model.graph, &arguments.grad)?;
    let mut panels: Vec<(&str, String)> = Vec::new();
    let source = model.source.clone();
    let lines = Lines::new(source.as_deref().unwrap_or(""));
    match &source {
        Some(source) => {
            panels.push(("source", numbered(source)));
            let files = arguments.source.files(&options);
            // a model that was saved holds what its text imports: the files need not be there
            if let Ok(front) = front(files.text(source), &options) {
                panels.push(("ast", front.ast.to_string()));
                panels.push(("anf", lines.anf(&front.anf)));
                panels.push(("graph", lines.graph(&front.general)));
            }
            panels.push(match &model.refusal {
                None => ("numeric", lines.graph(&model.graph)),
                Some(refusal) => ("numeric", format!("none: {}\n", refusal.message)),
            });
        }
        None => panels.push(("numeric", model.graph.to_string())),
    }
    if !wanted.is_empty() {
        model.check_numeric("a gradient as a graph")?;
        let gradient = grad::vjp(&model.graph, &wanted);
        panels.push(("gradient", lines.graph(&gradient)));
    }
    let mut json: Map<String, Value> = panels
        .iter()
        .map(|(name, text)| (name.to_string(), json!(text)))
        .collect();
    if let Some(source) = source {
        json.insert("source".into(), json!(&*source));
    }
    let (_, columns) = Term::stdout().size_checked().unwrap_or((0, WIDTH as u16));
    Ok(Reply {
        text: arrange(&panels, columns as usize),
        json: json.into(),
        warnings: model.warnings(),
    })
}

/// The source with its line numbers.
fn numbered(source: &str) -> String {
    let width = source.lines().count().to_string().len();
    let lines = source.lines().enumerate();
    lines
        .map(|(i, line)| format!("{:>width$} {line}\n", i + 1))
        .collect()
}

/// Side by side as many as fit into `columns`, the others below.
fn arrange(panels: &[(&str, String)], columns: usize) -> String {
    let titled: Vec<Vec<String>> = panels
        .iter()
        .map(|(name, text)| {
            let mut lines = vec![name.to_uppercase()];
            lines.extend(text.trim_end().lines().map(str::to_string));
            lines
        })
        .collect();
    let width = |panel: &[String]| {
        let widths = panel.iter().map(|line| measure_text_width(line));
        widths.max().unwrap_or(0)
    };
    let mut out = String::new();
    let mut rest = &titled[..];
    while !rest.is_empty() {
        let mut used = width(&rest[0]);
        let mut count = 1;
        while let Some(next) = rest.get(count) {
            used += measure_text_width(GAP) + width(next);
            if used > columns {
                break;
            }
            count += 1;
        }
        let (row, below) = rest.split_at(count);
        rest = below;
        for i in 0..row.iter().map(Vec::len).max().unwrap_or(0) {
            let cells: Vec<String> = row
                .iter()
                .map(|panel| {
                    let cell = panel.get(i).map_or("", String::as_str);
                    let pad = width(panel).saturating_sub(measure_text_width(cell));
                    format!("{cell}{}", " ".repeat(pad))
                })
                .collect();
            out += cells.join(GAP).trim_end();
            out.push('\n');
        }
        if !rest.is_empty() {
            out.push('\n');
        }
    }
    out
}

/// Where the lines of a source begin.
struct Lines {
    starts: Vec<usize>,
    /// Whether there is more than one line, so that a reference tells something.
    many: bool,
}

impl Lines {
    fn new(source: &str) -> Lines {
        let mut starts = vec![0];
        starts.extend(source.match_indices('\n').map(|(i, _)| i + 1));
        Lines {
            many: source.trim_end().contains('\n'),
            starts,
        }
    }

    /// `; line 3`, for a node that comes from somewhere.
    fn reference(&self, span: Span) -> Option<String> {
        let known = self.many && span.end > span.start;
        known.then(|| {
            let line = self.starts.partition_point(|s| *s <= span.start as usize);
            format!("; line {line}")
        })
    }

    /// The text of a graph, each node with its line.
    fn graph(&self, graph: &Graph) -> String {
        let mut order = Vec::new();
        for function in &graph.functions {
            printed(graph, function.body, &mut order);
        }
        printed(graph, RegionId(0), &mut order);
        let references: HashMap<usize, String> = order
            .iter()
            .enumerate()
            .filter_map(|(i, node)| Some((i, self.reference(graph.node(*node).span)?)))
            .collect();
        annotate(&graph.to_string(), |line| {
            let number = line.trim_start().strip_prefix('%')?.split_once(" = ")?.0;
            references.get(&number.parse().ok()?)
        })
    }

    /// The text of the A-normal form, each binding with its line.
    fn anf(&self, anf: &Anf) -> String {
        let mut spans = HashMap::new();
        collect(anf, &anf.body, &mut spans);
        let references: HashMap<String, String> = spans
            .into_iter()
            .filter_map(|(name, span)| Some((name.to_string(), self.reference(span)?)))
            .collect();
        annotate(&anf.to_string(), |line| {
            references.get(line.trim_start().split_once(" = ")?.0)
        })
    }
}

/// The nodes of a region in the order in which the text form prints them.
fn printed(graph: &Graph, region: RegionId, order: &mut Vec<NodeId>) {
    for node in &graph.region(region).nodes {
        order.push(*node);
        if let NodeKind::If(then, otherwise) = graph.node(*node).kind {
            printed(graph, then, order);
            printed(graph, otherwise, order);
        }
    }
}

/// The place of each binding; no name is bound twice.
fn collect<'a>(anf: &'a Anf, block: &'a Block, spans: &mut HashMap<&'a str, Span>) {
    for binding in &block.bindings {
        spans.insert(&anf.vars[binding.var.0 as usize], binding.span);
        match &binding.rhs {
            Rhs::If(_, then, otherwise) => {
                collect(anf, then, spans);
                collect(anf, otherwise, spans);
            }
            Rhs::Lambda(procedure) => collect(anf, &procedure.body, spans),
            _ => {}
        }
    }
}

/// Puts a reference behind each line that has one, all in one column.
fn annotate<'a>(text: &str, reference: impl Fn(&str) -> Option<&'a String>) -> String {
    let found: Vec<(&str, Option<&String>)> =
        text.lines().map(|line| (line, reference(line))).collect();
    let width = found
        .iter()
        .filter(|(_, reference)| reference.is_some())
        .map(|(line, _)| measure_text_width(line))
        .max()
        .unwrap_or(0);
    found
        .into_iter()
        .map(|(line, reference)| match reference {
            Some(reference) => {
                let pad = " ".repeat(width - measure_text_width(line));
                format!("{line}{pad}  {reference}\n")
            }
            None => format!("{line}\n"),
        })
        .collect()
}
