//! The names of tensors.

use std::collections::{HashMap, HashSet};

use crate::graph::Graph;

/// The names that are taken, in one file.
#[derive(Default)]
pub struct Names {
    taken: HashSet<String>,
    /// How often a name has been wished for.
    wished: HashMap<String, usize>,
}

impl Names {
    /// The name, or one that is like it.
    pub fn unique(&mut self, name: &str) -> String {
        if !name.is_empty() && self.taken.insert(name.into()) {
            return name.into();
        }
        loop {
            let count = self.wished.entry(name.into()).or_default();
            *count += 1;
            let other = format!("{name}.{count}");
            if self.taken.insert(other.clone()) {
                return other;
            }
        }
    }

    /// A name like `Mul.3`.
    pub fn numbered(&mut self, word: &str) -> String {
        loop {
            let count = self.wished.entry(word.into()).or_default();
            let name = format!("{word}.{count}");
            *count += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    /// The tensors of the ports of a graph.
    pub fn ports(&mut self, graph: &Graph) -> Vec<String> {
        let names = graph.ports.iter().map(|port| self.unique(&port.name));
        names.collect()
    }
}
