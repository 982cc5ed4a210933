//! One graph of a document while it is written.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use crate::graph::NodeId;

/// A value of the graph: a node, or one of the values of a node with several.
pub type Slot = (NodeId, u32);

/// One graph of a document: the whole, or the body of a loop or function.
#[derive(Default)]
pub struct Sheet {
    /// How many loops and functions it stands in.
    pub depth: usize,
    /// Whether it is the body of a loop, which captures what it reads of the graph around it.
    pub is_loop: bool,
    pub nodes: Map<String, Json>,
    pub names: Map<String, Json>,
    pub loops: Map<String, Json>,
    /// What each value of the graph is in it.
    pub ids: HashMap<Slot, usize>,
    /// The node of each port that it reads.
    pub ports: HashMap<u32, usize>,
    /// The constants that are places in vectors.
    pub places: HashMap<usize, usize>,
    /// What it captures, with the name of each.
    pub captures: Vec<(String, NodeId)>,
    /// What the format cannot tell of its nodes: the entry of `ncg`, the key there, the value.
    pub notes: Vec<Note>,
    /// Whether pairs, symbols, characters or closures occur.
    pub tagged: bool,
}

/// An entry of `ncg`, a key there, and the value.
pub type Note = (&'static str, String, Json);

/// What a node is, beside its operation and its edges.
#[derive(Default)]
pub struct Mark<'a> {
    pub name: Option<&'a str>,
    pub value: Json,
    pub target: Option<&'a str>,
}

impl Sheet {
    /// How many nodes there are, which is the id of the next one.
    pub fn next_id(&self) -> usize {
        self.nodes.len()
    }

    /// Says what the format cannot of a node.
    pub fn note(&mut self, entry: &'static str, id: usize, value: Json) {
        self.notes.push((entry, id.to_string(), value));
    }

    /// Takes over what is said of the nodes of a graph inside; `path` stands before their ids.
    pub fn adopt(&mut self, notes: Vec<Note>, path: &str) {
        let notes = notes.into_iter();
        self.notes
            .extend(notes.map(|(entry, key, value)| (entry, format!("{path}{key}"), value)));
    }

    /// Adds a node.
    pub fn node(&mut self, op: &str, edges: &[usize], mark: Mark) -> usize {
        let id = self.next_id();
        let name = match mark.name {
            Some(name) => name.to_string(),
            None if op == "const" || op == "quote_const" => format!("c{id}"),
            None => format!("n{id}"),
        };
        let labels: Vec<String> = match op {
            "if" => ["test", "then", "else"].map(String::from).to_vec(),
            _ => (0..edges.len()).map(|i| format!("arg{i}")).collect(),
        };
        let node = json!({
            "node_id": id,
            "name": name,
            "op_type": op,
            "value": mark.value,
            "input_edges": edges,
            "input_names": labels,
            "call_target": mark.target,
        });
        self.nodes.insert(id.to_string(), node);
        id
    }

    /// Adds a node that is read by its name.
    pub fn named(&mut self, op: &str, name: &str) -> usize {
        let mark = Mark {
            name: Some(name),
            ..Mark::default()
        };
        let id = self.node(op, &[], mark);
        self.names.insert(name.to_string(), json!(id));
        id
    }

    /// Lets `name` be known as the node `id`, if it is not known as another.
    pub fn bind(&mut self, name: &str, id: usize) -> bool {
        let known = self.names.entry(name).or_insert_with(|| json!(id));
        *known == json!(id)
    }

    /// The graph as the format has it.
    pub fn finish(self, root: usize, inputs: &[String]) -> Json {
        json!({
            "root_id": root,
            "input_names": inputs,
            "uses_tagged_values": self.tagged,
            "name_to_id": self.names,
            "nodes": self.nodes,
            "loops": self.loops,
        })
    }
}
