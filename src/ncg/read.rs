//! `.ncg` → model. Strict and bounded: what is wrong is named by its node.

use std::sync::Arc;

use serde_json::Value as Json;

use super::extra::Extra;
use super::raw::{Body, Place, object, registry};
use super::{FORMAT, MAX_BYTES, VERSION, bad, general, json, numeric};
use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::options::Options;

/// What a document holds.
struct Document {
    source: Option<Arc<str>>,
    fit: Option<Arc<str>>,
    graph: Graph,
}

/// Reads a document.
///
/// # Errors
/// `Format` for what is no such document, `Unsupported` for what this version cannot run, `Limit` for what is too large.
pub fn read(text: &str, options: &Options) -> Result<Model> {
    let document = document(text)?;
    let mut model = Model::from_graph(&document.graph, document.source, options)?;
    model.fit = document.fit;
    Ok(model)
}

/// The graph of a document as it is written there: numeric, or general.
///
/// # Errors
/// `Format` for what is no such document, `Limit` for what is too large.
pub fn read_graph(text: &str) -> Result<Graph> {
    document(text).map(|document| document.graph)
}

fn document(text: &str) -> Result<Document> {
    if text.len() > MAX_BYTES {
        let message = format!(
            "the .ncg document is {} bytes long; the limit is {MAX_BYTES}",
            text.len()
        );
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let document = json::parse(text)?;
    let document = document.as_object().ok_or_else(|| bad("it is no object"))?;
    if document.get("format").and_then(Json::as_str) != Some(FORMAT) {
        return Err(bad(format!("its \"format\" is not \"{FORMAT}\"")));
    }
    if document.get("version").and_then(Json::as_u64) != Some(VERSION) {
        return Err(bad(format!("its \"version\" is not {VERSION}")));
    }
    let source = match document.get("source") {
        None | Some(Json::Null) => None,
        Some(Json::String(source)) => Some(Arc::from(source.as_str())),
        Some(_) => return Err(bad("its \"source\" is no text")),
    };
    let extra = Extra::parse(document)?;
    let graph = object(document, "graph", "the document")?;
    let (registry, functions) = registry(graph)?;
    let place = Place {
        registry: &registry,
        extra: &extra,
        path: String::new(),
        depth: 0,
    };
    let body = Body::parse(graph, "the graph".into(), &place)?;
    let ports = extra.ports(&body.input_names)?;
    let graph = match extra.numeric {
        true => numeric::read(ports, &body, &extra)?,
        false => general::read(ports, &body, &place, &functions)?,
    };
    Ok(Document {
        source,
        fit: extra.fit.clone(),
        graph,
    })
}
