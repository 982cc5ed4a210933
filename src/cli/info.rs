//! `ncg info`: what a model is.

use std::sync::Arc;

use serde_json::{Value, json};

use super::json::number;
use super::{Reply, args};
use crate::error::Result;
use crate::graph::{Graph, NodeKind, Port, PortKind};
use crate::options::Options;
use crate::session::Session;

pub fn run(arguments: &args::Info) -> Result<Reply> {
    let mut options = Options::new();
    args::set(&mut options, "onnxruntime", &arguments.onnxruntime)?;
    let model = Arc::new(arguments.source.plain(&mut options)?);
    let graph = &model.graph;
    let engines: Vec<Value> = ["native", "onnxruntime", "tagged"]
        .into_iter()
        .map(|engine| {
            options.set_str("engine", engine)?;
            Ok(match Session::<f64>::new(model.clone(), &options) {
                Ok(_) => json!({"name": engine, "runs": true}),
                Err(error) => json!({"name": engine, "runs": false, "reason": error.message}),
            })
        })
        .collect::<Result<_>>()?;
    let fit: Option<Value> = model
        .fit
        .as_deref()
        .and_then(|fit| serde_json::from_str(fit).ok());
    let ports = |parameters: bool| -> Vec<&Port> {
        let ports = graph.ports.iter();
        ports
            .filter(|port| port.is_parameter() == parameters)
            .collect()
    };
    let (inputs, parameters) = (ports(false), ports(true));
    let branches = graph
        .nodes
        .iter()
        .filter(|node| matches!(node.kind, NodeKind::If(..)))
        .count();
    let json = json!({
        "inputs": inputs.iter().map(|port| &*port.name).collect::<Vec<_>>(),
        "parameters": parameters.iter().map(|port| parameter_json(port)).collect::<Vec<_>>(),
        "outputs": graph.outputs.iter().map(output_json(graph)).collect::<Vec<_>>(),
        "kind": if model.is_numeric() { "numeric" } else { "general" },
        "nodes": graph.nodes.len(),
        "depth": depth(graph),
        "branches": branches,
        "source": model.source.is_some(),
        "fit": fit,
        "engines": engines,
        "warnings": [],
    });
    Ok(Reply {
        text: text(&json),
        json,
        warnings: model.warnings(),
    })
}

fn parameter_json(port: &Port) -> Value {
    let PortKind::Parameter {
        initial,
        lower,
        upper,
    } = port.kind
    else {
        return Value::Null;
    };
    let bound = |x: f64| match x.is_finite() {
        true => number(x),
        false => Value::Null,
    };
    json!({"name": &*port.name, "initial": number(initial), "lower": bound(lower), "upper": bound(upper)})
}

fn output_json(graph: &Graph) -> impl Fn(&crate::graph::Output) -> Value + '_ {
    |output| json!({"name": &*output.name, "type": graph.node(output.node).ty.to_string()})
}

/// Nodes on the longest way from an input to an output.
fn depth(graph: &Graph) -> usize {
    let mut depths = vec![0usize; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        let mut before: Vec<_> = node.args.clone();
        if let NodeKind::If(then, otherwise) = node.kind {
            before.extend(&graph.region(then).results);
            before.extend(&graph.region(otherwise).results);
        }
        let deepest = before.iter().map(|node| depths[node.index()]).max();
        depths[i] = 1 + deepest.unwrap_or(0);
    }
    depths.into_iter().max().unwrap_or(0)
}

fn text(json: &Value) -> String {
    let words = |value: &Value, show: &dyn Fn(&Value) -> String| {
        let items = value.as_array().map_or(&[][..], Vec::as_slice);
        match items.is_empty() {
            true => "none".to_string(),
            false => items.iter().map(show).collect::<Vec<_>>().join(", "),
        }
    };
    let name = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let output = |value: &Value| format!("{} ({})", name(&value["name"]), name(&value["type"]));
    let mut out = format!(
        "inputs      {}\noutputs     {}\ngraph       {}: {} nodes, depth {}, {} branches\n",
        words(&json["inputs"], &name),
        words(&json["outputs"], &output),
        name(&json["kind"]),
        json["nodes"],
        json["depth"],
        json["branches"],
    );
    out += "parameters ";
    let parameters = json["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    if parameters.is_empty() {
        out += " none\n";
    }
    for (i, p) in parameters.iter().enumerate() {
        let bound = |value: &Value, none: &str| match value {
            Value::Null => none.to_string(),
            value => value.to_string(),
        };
        let bounds = match (&p["lower"], &p["upper"]) {
            (Value::Null, Value::Null) => String::new(),
            (lower, upper) => format!(" in [{}, {}]", bound(lower, "-inf"), bound(upper, "inf")),
        };
        let indent = if i == 0 { " " } else { "            " };
        out += &format!("{indent}{} = {}{bounds}\n", name(&p["name"]), p["initial"]);
    }
    if let Value::Object(fit) = &json["fit"] {
        out += &format!(
            "fit         stopped by {}, loss {}\n",
            fit.get("stop").map(name).unwrap_or_default(),
            fit.get("loss").unwrap_or(&Value::Null)
        );
        for (key, words) in [("data_hash", "data hash"), ("version", "by version")] {
            if let Some(value) = fit.get(key) {
                out += &format!("            {words} {}\n", name(value));
            }
        }
        let fitted = fit.get("parameters").and_then(Value::as_object);
        for (key, entry) in fitted.into_iter().flatten() {
            let error = match &entry["std_error"] {
                Value::Null => String::new(),
                error => format!(" ± {error}"),
            };
            out += &format!("            {key} = {}{error}\n", entry["value"]);
        }
        let covariance = fit.get("covariance").and_then(Value::as_array);
        let rows = covariance.map_or(&[][..], Vec::as_slice);
        for (i, row) in rows.iter().enumerate() {
            let heading = if i == 0 { "covariance" } else { "" };
            let cells = row.as_array().map_or(&[][..], Vec::as_slice).iter();
            let cells: Vec<String> = cells.map(Value::to_string).collect();
            out += &format!("            {heading:<10}  {}\n", cells.join("  "));
        }
    }
    for engine in json["engines"].as_array().into_iter().flatten() {
        let state = match engine["runs"] == json!(true) {
            true => "runs it".to_string(),
            false => format!("does not run it: {}", name(&engine["reason"])),
        };
        out += &format!("{:<11} {state}\n", name(&engine["name"]));
    }
    out
}
