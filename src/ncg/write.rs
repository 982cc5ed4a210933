//! Graph → `.ncg`: deterministic, formatted for people. Regions are flattened: arms are what hangs below an `if`.

use serde_json::{Map, Value as Json, json};

use super::{FORMAT, VERSION, json};
use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, NodeId, NodeKind, PortKind, RegionId, Value};
use crate::ops::Op;
use crate::syntax::ast::Constant;

/// Writes a model.
///
/// # Errors
/// `Unsupported` for a model whose value is a procedure.
pub fn write(model: &Model) -> Result<String> {
    let graph = &model.graph;
    let mut writer = Writer {
        graph,
        nodes: Map::new(),
        names: Map::new(),
        exact: Map::new(),
        ids: vec![None; graph.nodes.len()],
        tagged: false,
    };
    for port in 0..graph.ports.len() {
        let name = &*graph.ports[port].name;
        let id = writer.node("input", name, Json::Null, &[]);
        writer.names.insert(name.to_string(), json!(id));
    }
    writer.region(RegionId(0))?;
    let root = writer.value(&graph.value)?;
    let mut parameters = Map::new();
    for port in &graph.ports {
        if let PortKind::Parameter {
            initial,
            lower,
            upper,
        } = port.kind
        {
            let bound = |bound: f64| {
                if bound.is_finite() {
                    json!(bound)
                } else {
                    Json::Null
                }
            };
            let entry = json!({"initial": initial, "lower": bound(lower), "upper": bound(upper)});
            parameters.insert(port.name.to_string(), entry);
        }
    }
    let fit = model
        .fit
        .as_deref()
        .and_then(|fit| serde_json::from_str::<Json>(fit).ok());
    let names: Vec<&str> = graph.ports.iter().map(|port| &*port.name).collect();
    let outputs: Vec<&str> = graph.outputs.iter().map(|output| &*output.name).collect();
    let document = json!({
        "format": FORMAT,
        "version": VERSION,
        "source": model.source.as_deref(),
        "graph": {
            "root_id": root,
            "input_names": names,
            "uses_tagged_values": writer.tagged,
            "name_to_id": writer.names,
            "nodes": writer.nodes,
            "loops": {},
            "functions": {},
        },
        "ncg": {
            "version": env!("CARGO_PKG_VERSION"),
            "parameters": parameters,
            "outputs": outputs,
            // modulo and remainder are written under the reference's names
            "division": "reference",
            "exact": writer.exact,
            "fit": fit,
        },
    });
    json::write(&document)
}

struct Writer<'a> {
    graph: &'a Graph,
    nodes: Map<String, Json>,
    names: Map<String, Json>,
    exact: Map<String, Json>,
    /// What each node of the graph is in the document.
    ids: Vec<Option<usize>>,
    tagged: bool,
}

impl Writer<'_> {
    fn node(&mut self, op: &str, name: &str, value: Json, edges: &[usize]) -> usize {
        let id = self.nodes.len();
        let labels: Vec<String> = match op {
            "if" => ["test", "then", "else"].map(String::from).to_vec(),
            _ => (0..edges.len()).map(|i| format!("arg{i}")).collect(),
        };
        let node = json!({
            "node_id": id,
            "name": name,
            "op_type": op,
            "value": value,
            "input_edges": edges,
            "input_names": labels,
            "call_target": null,
        });
        self.nodes.insert(id.to_string(), node);
        id
    }

    fn id(&self, node: NodeId) -> Result<usize> {
        self.ids[node.index()].ok_or_else(|| {
            Error::new(
                ErrorKind::Format,
                "malformed graph: a node stands behind its user",
            )
        })
    }

    fn region(&mut self, region: RegionId) -> Result<()> {
        let graph = self.graph;
        for id in &graph.region(region).nodes {
            let node = graph.node(*id);
            let written = match &node.kind {
                NodeKind::Port(port) => *port as usize,
                NodeKind::Constant(constant) => self.constant(constant),
                NodeKind::If(then, otherwise) => {
                    self.region(*then)?;
                    self.region(*otherwise)?;
                    continue;
                }
                NodeKind::Get(index) => {
                    let branch = graph.node(node.args[0]);
                    let NodeKind::If(then, otherwise) = branch.kind else {
                        return Err(unsupported("a value of no branch"));
                    };
                    let result =
                        |arm: RegionId| self.id(graph.region(arm).results[*index as usize]);
                    let edges = [self.id(branch.args[0])?, result(then)?, result(otherwise)?];
                    self.named("if", &edges)
                }
                NodeKind::Op(op) => {
                    let edges = node
                        .args
                        .iter()
                        .map(|arg| self.id(*arg))
                        .collect::<Result<Vec<usize>>>()?;
                    self.named(spelling(*op), &edges)
                }
                _ => return Err(unsupported("a general graph")),
            };
            self.ids[id.index()] = Some(written);
        }
        Ok(())
    }

    fn named(&mut self, op: &str, edges: &[usize]) -> usize {
        let name = format!("n{}", self.nodes.len());
        self.node(op, &name, Json::Null, edges)
    }

    fn constant(&mut self, constant: &Constant) -> usize {
        let name = format!("c{}", self.nodes.len());
        let value = match constant {
            Constant::Bool(value) => json!(value),
            Constant::Char(value) => {
                self.tagged = true;
                json!({"__char__": u32::from(*value)})
            }
            Constant::Int(value) => {
                self.exact
                    .insert(self.nodes.len().to_string(), json!(value));
                json!(*value as f64)
            }
            Constant::Real(value) => json::from_number(*value),
            other => {
                self.tagged = true;
                return self.node("quote_const", &name, quoted(other), &[]);
            }
        };
        self.node("const", &name, value, &[])
    }

    /// The node of the model's value: an output, a constant, or a list built of them.
    fn value(&mut self, value: &Value) -> Result<usize> {
        match value {
            Value::Output(index) => self.id(self.graph.outputs[*index].node),
            Value::Constant(constant) => Ok(self.constant(constant)),
            Value::Procedure => Err(unsupported("a model whose value is a procedure")),
            Value::Array(shape, items) => {
                let items = Value::rows(shape, items)
                    .iter()
                    .map(|item| self.value(item))
                    .collect::<Result<Vec<usize>>>()?;
                let name = if shape.len() == 1 { "vec" } else { "mat" };
                Ok(self.named(name, &items))
            }
            Value::List(items, tail) => {
                self.tagged = true;
                let items = items
                    .iter()
                    .map(|item| self.value(item))
                    .collect::<Result<Vec<usize>>>()?;
                let Some(tail) = tail else {
                    return Ok(self.named("list", &items));
                };
                let tail = self.value(tail)?;
                Ok(items
                    .into_iter()
                    .rev()
                    .fold(tail, |tail, item| self.named("cons", &[item, tail])))
            }
        }
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{what} cannot be written as .ncg in this version"),
    )
}

/// The name of an operation in the format.
fn spelling(op: Op) -> &'static str {
    match op {
        Op::Neg => "-",
        Op::Atan2 => "atan",
        Op::Select => "if",
        Op::Modulo => "remainder",
        Op::Remainder => "modulo",
        op => op.name(),
    }
}

/// A quoted datum: lists as arrays, atoms as the text of their tokens.
fn quoted(constant: &Constant) -> Json {
    match constant {
        Constant::List(items, None) => Json::Array(items.iter().map(quoted).collect()),
        other => Json::String(other.to_string()),
    }
}
