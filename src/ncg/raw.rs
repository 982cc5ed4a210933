//! A document as it is written: its graphs, nodes and loops, checked for their form but not for their meaning.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::extra::Extra;
use super::{MAX_LOOP_DEPTH, MAX_NODES, bad};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Type;
use crate::ops::Op;
use crate::syntax::ast::Constant;

/// The object at `key`.
pub fn object<'a>(
    holder: &'a Map<String, Json>,
    key: &str,
    what: &str,
) -> Result<&'a Map<String, Json>> {
    let value = holder
        .get(key)
        .ok_or_else(|| bad(format!("{what} has no \"{key}\"")))?;
    value
        .as_object()
        .ok_or_else(|| bad(format!("\"{key}\" of {what} is no object")))
}

/// The object at `key`, or `None` where there is none.
fn object_or_none<'a>(
    holder: &'a Map<String, Json>,
    key: &str,
    what: &str,
) -> Result<Option<&'a Map<String, Json>>> {
    match holder.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(_) => object(holder, key, what).map(Some),
    }
}

/// The list of names at `key`.
pub fn names(holder: &Map<String, Json>, key: &str, what: &str) -> Result<Vec<Arc<str>>> {
    let wrong = || bad(format!("\"{key}\" of {what} is no list of names"));
    let list = holder.get(key).and_then(Json::as_array).ok_or_else(wrong)?;
    list.iter()
        .map(|name| name.as_str().map(Arc::from).ok_or_else(wrong))
        .collect()
}

/// The parameters and captures of a function or a loop.
pub struct Signature {
    /// The names of its parameters, each once.
    pub params: Vec<Arc<str>>,
    /// The names of what it captures.
    pub captures: Vec<Arc<str>>,
}

impl Signature {
    fn parse(written: &Map<String, Json>, what: &str) -> Result<Signature> {
        let signature = Signature {
            params: names(written, "params", what)?,
            captures: names(written, "captures", what)?,
        };
        let mut seen = HashSet::new();
        match signature.params.iter().find(|name| !seen.insert(*name)) {
            Some(name) => Err(bad(format!("{what} has two parameters \"{name}\""))),
            None => Ok(signature),
        }
    }
}

/// The signatures of the functions of a document, by name.
pub type Registry<'a> = HashMap<&'a str, Signature>;

/// The bodies of the functions of a document, with their names.
pub type Bodies<'a> = Vec<(&'a str, &'a Map<String, Json>)>;

/// Reads the signatures of the functions; their bodies as they are written, in order.
pub fn registry(graph: &Map<String, Json>) -> Result<(Registry<'_>, Bodies<'_>)> {
    let functions = object_or_none(graph, "functions", "the graph")?;
    let (mut registry, mut bodies) = (HashMap::new(), Vec::new());
    for (name, written) in functions.into_iter().flatten() {
        let what = format!("function \"{name}\"");
        let written = written
            .as_object()
            .ok_or_else(|| bad(format!("{what} is no object")))?;
        registry.insert(name.as_str(), Signature::parse(written, &what)?);
        bodies.push((name.as_str(), object(written, "body_graph", &what)?));
    }
    Ok((registry, bodies))
}

/// One node as it is written.
pub struct Raw<'a> {
    pub name: &'a str,
    pub op: &'a str,
    pub value: &'a Json,
    /// The nodes that it needs. Those of an `if` that leads others: the test, then its arms and theirs, in turns.
    pub edges: Vec<u64>,
    pub target: Option<&'a str>,
    /// The exact integer or the quoted datum that it is.
    pub constant: Option<Constant>,
    /// The operation that it is, where its name in the format does not say so.
    pub operation: Option<Op>,
    /// Of an `if` whose value is one of the values of another: that one, and which.
    pub value_of: Option<(u64, usize)>,
}

impl Raw<'_> {
    /// Whether this is a branch with arms of its own.
    pub fn is_branch(&self) -> bool {
        let other = self.operation.is_some() || self.value_of.is_some() || self.constant.is_some();
        self.op == "if" && !other
    }

    /// Of a branch: the ends of its first arm or of its second.
    pub fn ends(&self, arm: usize) -> impl Iterator<Item = u64> {
        self.edges.iter().skip(1 + arm).step_by(2).copied()
    }
}

/// A loop as it is written.
pub struct Repeat<'a> {
    pub signature: Signature,
    pub body: Body<'a>,
    /// The types of its states, where they are known.
    pub states: Option<Vec<Type>>,
}

/// One graph as it is written.
pub struct Body<'a> {
    pub what: String,
    pub root: u64,
    pub input_names: Vec<Arc<str>>,
    pub nodes: BTreeMap<u64, Raw<'a>>,
    pub loops: HashMap<u64, Repeat<'a>>,
    /// Which nodes have which names.
    pub bound: HashMap<&'a str, u64>,
    /// The names that it reads, the loops in it included, but for those that they bind.
    pub free: HashSet<Arc<str>>,
}

/// A number in decimal digits.
pub fn decimal(text: &str) -> Option<u64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// What the graphs of a document share, and where the one at hand stands.
#[derive(Clone)]
pub struct Place<'a> {
    pub registry: &'a Registry<'a>,
    pub extra: &'a Extra,
    /// What stands before an id in the keys of [`Extra`].
    pub path: String,
    pub depth: usize,
}

impl<'a> Body<'a> {
    /// Reads the form of a graph, of the loops in it too.
    pub fn parse(graph: &'a Map<String, Json>, what: String, place: &Place) -> Result<Body<'a>> {
        let root = graph.get("root_id").and_then(Json::as_u64);
        let root = root.ok_or_else(|| bad(format!("{what} has no \"root_id\"")))?;
        let written = object(graph, "nodes", &what)?;
        if written.len() > MAX_NODES {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("{what} has more than {MAX_NODES} nodes"),
            ));
        }
        let mut body = Body {
            root,
            input_names: names(graph, "input_names", &what)?,
            nodes: BTreeMap::new(),
            loops: HashMap::new(),
            bound: HashMap::new(),
            free: HashSet::new(),
            what,
        };
        for (key, node) in written {
            let id = decimal(key).ok_or_else(|| bad(format!("\"{key}\" is no node id")))?;
            let raw = Raw::parse(id, node, &body.what, place)?;
            body.nodes.insert(id, raw);
        }
        let bound = object_or_none(graph, "name_to_id", &body.what)?;
        for (name, id) in bound.into_iter().flatten() {
            if let Some(id) = id.as_u64().filter(|id| body.nodes.contains_key(id)) {
                body.bound.insert(name, id);
            }
        }
        let loops = object_or_none(graph, "loops", &body.what)?;
        for (key, written) in loops.into_iter().flatten() {
            let id = decimal(key).ok_or_else(|| bad(format!("\"{key}\" is no node id")))?;
            let repeat = body.repeat(id, written, place)?;
            body.loops.insert(id, repeat);
        }
        body.group()?;
        body.free = body.free_names(place.registry);
        Ok(body)
    }

    fn repeat(&self, id: u64, written: &'a Json, place: &Place) -> Result<Repeat<'a>> {
        let what = format!("loop {id} of {}", self.what);
        if place.depth >= MAX_LOOP_DEPTH {
            return Err(bad(format!(
                "loops nest more than {MAX_LOOP_DEPTH} deep at {what}"
            )));
        }
        let written = written
            .as_object()
            .ok_or_else(|| bad(format!("{what} is no object")))?;
        let inside = Place {
            path: format!("{}{id}/", place.path),
            depth: place.depth + 1,
            ..place.clone()
        };
        let graph = object(written, "body_graph", &what)?;
        Ok(Repeat {
            signature: Signature::parse(written, &what)?,
            states: place
                .extra
                .states
                .get(&format!("{}{id}", place.path))
                .cloned(),
            body: Body::parse(graph, what, &inside)?,
        })
    }

    /// Puts the arms of each `if` that gives a value of another into that one.
    fn group(&mut self) -> Result<()> {
        let wrong = |id: u64, what: &str| bad(format!("node {id} of {}: {what}", self.what));
        let mut members: BTreeMap<(u64, usize), u64> = BTreeMap::new();
        for (id, raw) in &self.nodes {
            if raw.op == "if" && raw.constant.is_none() && raw.edges.len() != 3 {
                let message = format!("an if has 3 edges, not {}", raw.edges.len());
                return Err(wrong(*id, &message));
            }
            if let Some(place) = raw.value_of
                && members.insert(place, *id).is_some()
            {
                return Err(wrong(*id, "another node is the same value of its if"));
            }
        }
        for ((leader, index), id) in members {
            let edges = self.nodes[&id].edges.clone();
            let leads = self.nodes.get_mut(&leader).filter(|raw| {
                raw.is_branch() && raw.edges.len() == 1 + 2 * index && raw.edges[0] == edges[0]
            });
            let Some(raw) = leads else {
                let message = format!("it cannot be value {index} of node {leader}");
                return Err(bad(format!("node {id} of {}: {message}", self.what)));
            };
            raw.edges.extend(&edges[1..]);
            if let Some(raw) = self.nodes.get_mut(&id) {
                raw.edges = vec![leader];
            }
        }
        Ok(())
    }

    fn free_names(&self, registry: &Registry) -> HashSet<Arc<str>> {
        let mut free = HashSet::new();
        for raw in self.nodes.values() {
            match raw.op {
                "input" | "loop_param" | "func_param" => {
                    free.insert(Arc::from(raw.name));
                }
                "call" => {
                    let target = raw.target.and_then(|target| registry.get(target));
                    let captures = target.into_iter().flat_map(|target| &target.captures);
                    let unbound = captures.filter(|name| !self.bound.contains_key(&***name));
                    free.extend(unbound.cloned());
                }
                _ => {}
            }
        }
        for repeat in self.loops.values() {
            let Signature { params, captures } = &repeat.signature;
            let inner = repeat.body.free.iter();
            free.extend(
                inner
                    .filter(|name| !params.contains(name) && !captures.contains(name))
                    .cloned(),
            );
        }
        free
    }
}

impl<'a> Raw<'a> {
    fn parse(id: u64, node: &'a Json, holder: &str, place: &Place) -> Result<Raw<'a>> {
        let wrong = |what: &str| bad(format!("node {id} of {holder}: {what}"));
        let node = node.as_object().ok_or_else(|| wrong("it is no object"))?;
        let text = |key: &str| match node.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(wrong(&format!("its \"{key}\" is no text"))),
        };
        let edges = match node.get("input_edges") {
            None => return Err(wrong("it has no \"input_edges\"")),
            Some(edges) => edges
                .as_array()
                .ok_or_else(|| wrong("its \"input_edges\" are no list"))?,
        };
        let edge = |edge: &Json| edge.as_u64().ok_or_else(|| wrong("an edge is no node id"));
        let key = format!("{}{id}", place.path);
        let constant = place.extra.constants.get(&key).cloned();
        let op = text("op_type")?.ok_or_else(|| wrong("it has no \"op_type\""))?;
        Ok(Raw {
            name: text("name")?.unwrap_or_default(),
            op,
            value: node.get("value").unwrap_or(&Json::Null),
            // a datum with a dot is written as the nodes that build it
            edges: match constant {
                Some(_) => Vec::new(),
                None => edges.iter().map(edge).collect::<Result<_>>()?,
            },
            target: text("call_target")?,
            operation: place.extra.operations.get(&key).copied(),
            value_of: match place.extra.values.get(&key) {
                Some(value) if op == "if" && constant.is_none() => Some(*value),
                _ => None,
            },
            constant,
        })
    }
}
