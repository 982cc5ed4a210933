//! Functions, and the nodes that make and call them.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use super::Writer;
use crate::error::Result;
use crate::graph::FunctionId;
use crate::ncg::sheet::{Mark, Sheet};
use crate::ops::Op;

impl Writer<'_> {
    pub(super) fn closure(&mut self, key: &str, edges: &[usize]) -> usize {
        self.sheet().tagged = true;
        let mark = Mark {
            target: Some(key),
            ..Mark::default()
        };
        self.sheet().node("make_closure", edges, mark)
    }

    /// A call. The reader finds what the function captures by name; where a name means something else already, the call goes
    /// through a closure.
    pub(super) fn call(&mut self, function: FunctionId, edges: &[usize]) -> usize {
        let key = self.keys[function.0 as usize].clone();
        let names = self.captured_names(function);
        let (captures, args) = edges.split_at(names.len().min(edges.len()));
        let mut bound = true;
        for (name, id) in names.iter().zip(captures) {
            bound &= self.sheet().bind(name, *id);
        }
        if !bound {
            let closure = self.closure(&key, captures);
            let edges: Vec<usize> = std::iter::once(closure)
                .chain(args.iter().copied())
                .collect();
            return self.push("dynamic_call", &edges);
        }
        let mark = Mark {
            target: Some(&key),
            ..Mark::default()
        };
        self.sheet().node("call", args, mark)
    }

    /// The names of what a function captures: its own, but for those that inputs have.
    pub(super) fn captured_names(&self, function: FunctionId) -> Vec<String> {
        let captures = &self.graph.functions[function.0 as usize].captures;
        captures.iter().map(|name| self.apart(name)).collect()
    }

    /// A name that no input has.
    pub(super) fn apart(&self, name: &str) -> String {
        let mut name = name.to_string();
        while self.graph.ports.iter().any(|port| *port.name == *name) {
            name.push('~');
        }
        name
    }

    /// The body of a function, as the registry has it.
    pub(super) fn function(&mut self, id: FunctionId) -> Result<Json> {
        let function = &self.graph.functions[id.0 as usize];
        let key = self.keys[id.0 as usize].clone();
        let region = self.graph.region(function.body);
        let captures = self.captured_names(id);
        let mut taken: HashSet<String> = captures.iter().cloned().collect();
        let rest = function.rest.then_some("rest");
        let given = function.params.iter().map(|name| &**name).chain(rest);
        let mut params: Vec<String> = Vec::new();
        for name in given {
            let mut name = self.apart(name);
            while !taken.insert(name.clone()) {
                name.push('~');
            }
            params.push(name);
        }
        self.sheets = vec![Sheet {
            depth: 1,
            ..Sheet::default()
        }];
        let names = captures.iter().chain(&params);
        for (i, (name, node)) in names.zip(&region.params).enumerate() {
            let op = if i < captures.len() {
                "input"
            } else {
                "func_param"
            };
            let written = self.sheet().named(op, name);
            self.sheet().ids.insert((*node, 0), written);
        }
        self.region(function.body)?;
        let root = self.id(region.results[0])?;
        let mut extra = Map::new();
        let same = |names: &[String], given: &[std::sync::Arc<str>]| {
            names.len() == given.len() && names.iter().zip(given).all(|(a, b)| **a == **b)
        };
        let list = |given: &[std::sync::Arc<str>]| {
            Json::from(given.iter().map(|name| &**name).collect::<Vec<&str>>())
        };
        if *key != *function.name {
            extra.insert("name".into(), json!(&*function.name));
        }
        if !same(&captures, &function.captures) {
            extra.insert("captures".into(), list(&function.captures));
        }
        if !same(&params[..function.params.len()], &function.params) {
            extra.insert("params".into(), list(&function.params));
        }
        if function.rest {
            extra.insert("rest".into(), json!(true));
        }
        if !extra.is_empty() {
            self.functions.insert(key.clone(), Json::Object(extra));
        }
        Ok(self.body(&key, &params, &captures, root))
    }

    /// The function that stands for a primitive where it is passed as a value.
    pub(super) fn primitive(&mut self, op: Op) -> Result<Json> {
        let key = primitive_key(op);
        // version 1 has no functions of any number of arguments; most callers pass two
        let row = op.row();
        let count = row.max.unwrap_or(row.min.max(2)).min(row.min.max(2));
        let params: Vec<String> = (0..count).map(|i| format!("{}{i}", self.prefix)).collect();
        self.sheets = vec![Sheet {
            depth: 1,
            ..Sheet::default()
        }];
        let mut edges = Vec::new();
        for name in &params {
            edges.push(self.sheet().named("func_param", name));
        }
        let root = self.operation(op, &edges);
        let extra = json!({"primitive": op.name()});
        self.functions.insert(key.clone(), extra);
        Ok(self.body(&key, &params, &[], root))
    }

    pub(super) fn body(
        &mut self,
        key: &str,
        params: &[String],
        captures: &[String],
        root: usize,
    ) -> Json {
        let mut sheet = std::mem::take(self.sheet());
        self.whole.tagged |= sheet.tagged;
        self.whole
            .adopt(std::mem::take(&mut sheet.notes), &format!("{key}:"));
        json!({
            "name": key,
            "params": params,
            "captures": captures,
            "body_graph": sheet.finish(root, params),
        })
    }
}

/// The name of the function that stands for a primitive; a name of a program has no blank.
pub fn primitive_key(op: Op) -> String {
    format!("primitive {}", op.name())
}
