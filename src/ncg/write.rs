//! Graph → `.ncg`: deterministic, formatted for people. Regions are flattened: arms are what hangs below an `if`.

mod constants;
mod procedures;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json, json};

use super::sheet::{Mark, Sheet, Slot};
use super::{FORMAT, MAX_LOOP_DEPTH, VERSION, json};
use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{
    FunctionId, Graph, Linear, NodeId, NodeKind, PortKind, RegionId, Value, verify_numeric,
};
use crate::ops::linear::side;
use crate::ops::{Op, Role};
use crate::syntax::ast::Constant;
use procedures::primitive_key;

/// Writes a model.
///
/// # Errors
/// `Unsupported` for a model whose value is a procedure, `Limit` where loops or quoted lists nest too deep.
pub fn write(model: &Model) -> Result<String> {
    let graph = &model.graph;
    let mut writer = Writer::new(graph);
    let inputs: Vec<String> = graph
        .ports
        .iter()
        .map(|port| port.name.to_string())
        .collect();
    for (port, name) in inputs.iter().enumerate() {
        let id = writer.sheet().named("input", name);
        writer.sheet().ports.insert(port as u32, id);
    }
    writer.region(RegionId(0))?;
    let root = writer.value(&graph.value)?;
    writer.whole = std::mem::take(writer.sheet());
    let mut functions = Map::new();
    for id in 0..graph.functions.len() {
        let body = writer.function(FunctionId(id as u32))?;
        functions.insert(writer.keys[id].clone(), body);
    }
    for op in std::mem::take(&mut writer.primitives) {
        let body = writer.primitive(op)?;
        functions.insert(primitive_key(op), body);
    }
    let notes = std::mem::take(&mut writer.whole.notes);
    let mut written = writer.whole.finish(root, &inputs);
    written["functions"] = Json::Object(functions);
    let fit = model
        .fit
        .as_deref()
        .and_then(|fit| serde_json::from_str::<Json>(fit).ok());
    let outputs: Vec<&str> = graph.outputs.iter().map(|output| &*output.name).collect();
    let mut extra = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "numeric": writer.numeric,
        "parameters": parameters(graph),
        "outputs": outputs,
        // modulo and remainder are written under the reference's names
        "division": "reference",
        "exact": {},
    });
    for (entry, key, value) in notes {
        extra[entry][key] = value;
    }
    if !writer.functions.is_empty() {
        extra["functions"] = Json::Object(writer.functions);
    }
    extra["fit"] = fit.unwrap_or_default();
    let document = json!({
        "format": FORMAT,
        "version": VERSION,
        "source": model.source.as_deref(),
        "graph": written,
        "ncg": extra,
    });
    json::write(&document)
}

/// Initial values and bounds.
fn parameters(graph: &Graph) -> Map<String, Json> {
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
    parameters
}

struct Writer<'a> {
    graph: &'a Graph,
    numeric: bool,
    /// The graphs that are being written: the body of a function or the whole, then the loops in it, innermost last.
    sheets: Vec<Sheet>,
    /// The name of each function in the registry.
    keys: Vec<String>,
    /// What stands before the names of values that loops carry and capture; no input begins with it.
    prefix: String,
    /// Which values of each loop are read.
    used: HashMap<NodeId, HashSet<u32>>,
    /// The primitives that are passed as values.
    primitives: Vec<Op>,
    /// The whole, once it is written and functions are.
    whole: Sheet,
    /// What the format cannot tell of functions.
    functions: Map<String, Json>,
}

impl<'a> Writer<'a> {
    fn new(graph: &'a Graph) -> Writer<'a> {
        let mut prefix = String::from("v");
        while graph
            .ports
            .iter()
            .any(|port| port.name.starts_with(&prefix))
        {
            prefix.push('_');
        }
        let (mut keys, mut taken) = (Vec::new(), HashSet::new());
        for function in &graph.functions {
            let mut key = function.name.to_string();
            let mut count = 1;
            while !taken.insert(key.clone()) {
                count += 1;
                key = format!("{}~{count}", function.name);
            }
            keys.push(key);
        }
        let mut used: HashMap<NodeId, HashSet<u32>> = HashMap::new();
        for node in &graph.nodes {
            if let NodeKind::Get(index) = node.kind {
                used.entry(node.args[0]).or_default().insert(index);
            }
        }
        Writer {
            graph,
            numeric: verify_numeric(graph).is_ok(),
            sheets: vec![Sheet::default()],
            keys,
            prefix,
            used,
            primitives: Vec::new(),
            whole: Sheet::default(),
            functions: Map::new(),
        }
    }

    /// The graph that is being written.
    fn sheet(&mut self) -> &mut Sheet {
        let last = self.sheets.len() - 1;
        &mut self.sheets[last]
    }

    fn push(&mut self, op: &str, edges: &[usize]) -> usize {
        self.sheet().node(op, edges, Mark::default())
    }

    /// The node of a value in the innermost graph, which captures what it does not hold.
    fn id(&mut self, node: NodeId) -> Result<usize> {
        self.id_in(self.sheets.len() - 1, node)
    }

    fn id_in(&mut self, level: usize, node: NodeId) -> Result<usize> {
        let sheet = &self.sheets[level];
        let kind = &self.graph.node(node).kind;
        if let NodeKind::Port(port) = kind
            && let Some(id) = sheet.ports.get(port)
        {
            return Ok(*id);
        }
        let slot = self.slot(node);
        if let Some(id) = sheet.ids.get(&slot) {
            return Ok(*id);
        }
        let name = match kind {
            NodeKind::Port(port) => self.graph.ports[*port as usize].name.to_string(),
            _ if !sheet.is_loop => return Err(malformed("a node stands behind its user")),
            _ => self.carried(slot),
        };
        let sheet = &mut self.sheets[level];
        let id = sheet.named("input", &name);
        match kind {
            NodeKind::Port(port) => sheet.ports.insert(*port, id),
            _ => sheet.ids.insert(slot, id),
        };
        if sheet.is_loop {
            sheet.captures.push((name, node));
        }
        Ok(id)
    }

    /// The value that a node is: one of those of another, or its own.
    fn slot(&self, node: NodeId) -> Slot {
        match self.graph.node(node).kind {
            NodeKind::Get(index) => (self.graph.node(node).args[0], index),
            _ => (node, 0),
        }
    }

    /// The name under which loops carry or capture a value.
    fn carried(&self, (node, index): Slot) -> String {
        match index {
            0 => format!("{}{}", self.prefix, node.0),
            _ => format!("{}{}_{index}", self.prefix, node.0),
        }
    }

    fn ids(&mut self, nodes: &[NodeId]) -> Result<Vec<usize>> {
        nodes.iter().map(|node| self.id(*node)).collect()
    }

    fn region(&mut self, region: RegionId) -> Result<()> {
        for id in &self.graph.region(region).nodes {
            self.node(*id)?;
        }
        Ok(())
    }

    fn node(&mut self, id: NodeId) -> Result<()> {
        let node = self.graph.node(id);
        let written = match &node.kind {
            NodeKind::Port(_) => return self.id(id).map(|_| ()),
            // written with what they belong to
            NodeKind::RegionParam | NodeKind::Get(_) => return Ok(()),
            NodeKind::Constant(constant) => self.constant(constant)?,
            NodeKind::If(then, otherwise) => return self.branch(id, *then, *otherwise),
            NodeKind::Loop(head, next) => return self.repeat(id, *head, *next),
            NodeKind::Linear(Linear::Solve { n, m }) => return self.solve(id, *n, *m),
            NodeKind::Reverse(_) | NodeKind::Linear(Linear::Cofactors { .. }) => {
                return Err(unsupported("a gradient"));
            }
            NodeKind::Op(op) => {
                let edges = self.ids(&node.args)?;
                match (op, side(edges.len())) {
                    (Op::DetOf, Some(n)) => {
                        let matrix = self.matrix(&edges, n);
                        self.push("det", &[matrix])
                    }
                    (Op::LogDetOf, Some(n)) => {
                        let matrix = self.matrix(&edges, n);
                        self.push("logdet", &[matrix])
                    }
                    (Op::Pick, _) => {
                        let items = self.push("vec", &edges[1..]);
                        self.push("ref", &[items, edges[0]])
                    }
                    // the format has the number first
                    (Op::Scale, _) => self.push("scale", &[edges[1], edges[0]]),
                    _ => self.operation(*op, &edges),
                }
            }
            NodeKind::Primitive(op) => {
                if !self.primitives.contains(op) {
                    self.primitives.push(*op);
                }
                self.closure(&primitive_key(*op), &[])
            }
            NodeKind::Closure(function) => {
                let edges = self.ids(&node.args)?;
                let key = self.keys[function.0 as usize].clone();
                self.closure(&key, &edges)
            }
            NodeKind::Call(function) => {
                let edges = self.ids(&node.args)?;
                self.call(*function, &edges)
            }
            NodeKind::Apply => {
                let edges = self.ids(&node.args)?;
                self.sheet().tagged = true;
                self.push("dynamic_call", &edges)
            }
        };
        self.sheet().ids.insert((id, 0), written);
        Ok(())
    }

    fn operation(&mut self, op: Op, edges: &[usize]) -> usize {
        if let Role::Structural = op.row().role {
            self.sheet().tagged = true;
        }
        let id = match op {
            Op::SoftChoice => {
                let mark = Mark {
                    value: json!(edges.len().saturating_sub(1)),
                    ..Mark::default()
                };
                self.sheet().node("soft_choice", edges, mark)
            }
            // the value is the first argument's
            Op::StraightThrough => {
                let mark = Mark {
                    value: json!(true),
                    ..Mark::default()
                };
                let test = self.sheet().node("const", &[], mark);
                self.push("if", &[test, edges[0], edges[1]])
            }
            op => self.push(spelling(op), edges),
        };
        // `(- x)` and `(atan y x)` are what the variadic forms of general graphs become in numeric ones
        let told = match op {
            Op::Select | Op::StraightThrough => false,
            Op::Neg | Op::Atan2 => self.numeric,
            _ => true,
        };
        if !told {
            self.sheet().note("operations", id, json!(op.name()));
        }
        id
    }

    /// A matrix of the format, from its items row by row.
    fn matrix(&mut self, items: &[usize], width: usize) -> usize {
        let rows = items.chunks(width.max(1));
        let rows: Vec<usize> = rows.map(|row| self.push("vec", row)).collect();
        self.push("mat", &rows)
    }

    /// The item of a vector at a known place.
    fn item(&mut self, of: usize, place: usize) -> Result<usize> {
        let known = self.sheet().places.get(&place).copied();
        let index = match known {
            Some(index) => index,
            None => self.constant(&Constant::Int(place as i64))?,
        };
        self.sheet().places.insert(place, index);
        Ok(self.push("ref", &[of, index]))
    }

    fn is_identity(&self, items: &[NodeId], n: usize) -> bool {
        let is = |node: NodeId, value: f64| match &self.graph.node(node).kind {
            NodeKind::Constant(Constant::Real(x)) => x.to_bits() == value.to_bits(),
            _ => false,
        };
        let mut items = items.iter().enumerate();
        items.all(|(i, node)| is(*node, f64::from(u8::from(i / n == i % n))))
    }

    /// The solution of a linear system: the operation of the format on a matrix and a vector, or two matrices; where the
    /// second is one, the inverse.
    fn solve(&mut self, id: NodeId, n: u32, m: u32) -> Result<()> {
        let (n, m) = (n as usize, m as usize);
        let args = &self.graph.node(id).args;
        let inverse = n == m && m > 1 && self.is_identity(&args[n * n..], n);
        let edges = self.ids(args)?;
        let (left, right) = edges.split_at(n * n);
        let left = self.matrix(left, n);
        let solution = match m {
            _ if inverse => self.push("inv", &[left]),
            1 => {
                let right = self.push("vec", right);
                self.push("solve", &[left, right])
            }
            _ => {
                let right = self.matrix(right, m);
                self.push("solve", &[left, right])
            }
        };
        let mut read: Vec<u32> = self.used.get(&id).into_iter().flatten().copied().collect();
        read.sort_unstable();
        for index in read {
            let place = index as usize;
            let written = match m {
                1 => self.item(solution, place)?,
                _ => {
                    let row = self.item(solution, place / m)?;
                    self.item(row, place % m)?
                }
            };
            self.sheet().ids.insert((id, index), written);
        }
        Ok(())
    }

    /// A branch: one `if` for each of its values.
    fn branch(&mut self, id: NodeId, then: RegionId, otherwise: RegionId) -> Result<()> {
        self.region(then)?;
        self.region(otherwise)?;
        let test = self.id(self.graph.node(id).args[0])?;
        let results = |region: RegionId| self.graph.region(region).results.clone();
        let mut first = None;
        for (i, (a, b)) in results(then)
            .into_iter()
            .zip(results(otherwise))
            .enumerate()
        {
            let edges = [test, self.id(a)?, self.id(b)?];
            let written = self.push("if", &edges);
            let leader = *first.get_or_insert(written);
            if i > 0 {
                self.sheet().note("values", written, json!([leader, i]));
            }
            self.sheet().ids.insert((id, i as u32), written);
        }
        Ok(())
    }

    /// A loop. Its value in the format is that of its body: the state that is read, or a list of those that are. (A loop for
    /// each would need no list; but those inside another would be written and run again for each of its values too.)
    fn repeat(&mut self, id: NodeId, head: RegionId, next: RegionId) -> Result<()> {
        let graph = self.graph;
        let mut read: Vec<u32> = self.used.get(&id).into_iter().flatten().copied().collect();
        read.sort_unstable();
        let [first, ..] = read[..] else {
            return Ok(());
        };
        let inits = self.ids(&graph.node(id).args)?;
        let around = self.sheet();
        let inside = Sheet {
            depth: around.depth + 1,
            is_loop: true,
            ..Sheet::default()
        };
        if self.sheet().depth >= MAX_LOOP_DEPTH {
            let message = format!("loops nest more than {MAX_LOOP_DEPTH} deep");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        self.sheets.push(inside);
        let params = &graph.region(head).params;
        let names: Vec<String> = params.iter().map(|p| self.carried((*p, 0))).collect();
        for (param, name) in params.iter().zip(&names) {
            let written = self.sheet().named("loop_param", name);
            self.sheet().ids.insert((*param, 0), written);
        }
        self.region(head)?;
        self.region(next)?;
        let flag = self.id(graph.region(head).results[0])?;
        let nexts = self.ids(&graph.region(next).results)?;
        let recur = self.push("recur", &nexts);
        let states: Vec<NodeId> = read.iter().map(|index| params[*index as usize]).collect();
        let states = self.ids(&states)?;
        let result = match states[..] {
            [state] => state,
            _ => {
                self.sheet().tagged = true;
                self.push("list", &states)
            }
        };
        let root = self.push("if", &[flag, recur, result]);
        let Some(mut sheet) = self.sheets.pop() else {
            return Err(malformed("a loop stands nowhere"));
        };
        let captures = std::mem::take(&mut sheet.captures);
        let notes = std::mem::take(&mut sheet.notes);
        let mut edges = inits;
        for (_, node) in &captures {
            edges.push(self.id(*node)?);
        }
        let captured: Vec<&str> = captures.iter().map(|(name, _)| name.as_str()).collect();
        self.sheet().tagged |= sheet.tagged;
        let written = self.push("loop", &edges);
        let body = json!({
            "params": names,
            "captures": captured,
            "recur_flag_id": flag,
            "result_id": result,
            "recur_arg_ids": {},
            "body_graph": sheet.finish(root, &names),
        });
        self.sheet().loops.insert(written.to_string(), body);
        let types = params.iter().map(|p| graph.node(*p).ty.to_string());
        let types: Vec<String> = types.collect();
        self.sheet().note("states", written, json!(types));
        self.sheet().adopt(notes, &format!("{written}/"));
        if states.len() == 1 {
            self.sheet().ids.insert((id, first), written);
            return Ok(());
        }
        let mut rest = written;
        for (i, index) in read.iter().enumerate() {
            if i > 0 {
                rest = self.push("cdr", &[rest]);
            }
            let state = self.push("car", &[rest]);
            self.sheet().ids.insert((id, *index), state);
        }
        Ok(())
    }

    /// The node of the model's value: an output, a constant, or a list built of them.
    fn value(&mut self, value: &Value) -> Result<usize> {
        match value {
            Value::Output(index) => self.id(self.graph.outputs[*index].node),
            Value::Constant(constant) => self.constant(constant),
            Value::Procedure => Err(unsupported("a model whose value is a procedure")),
            Value::Array(shape, items) => {
                let items = Value::rows(shape, items)
                    .iter()
                    .map(|item| self.value(item))
                    .collect::<Result<Vec<usize>>>()?;
                let name = if shape.len() == 1 { "vec" } else { "mat" };
                Ok(self.push(name, &items))
            }
            Value::List(items, tail) => {
                self.sheet().tagged = true;
                let items = items
                    .iter()
                    .map(|item| self.value(item))
                    .collect::<Result<Vec<usize>>>()?;
                Ok(match tail {
                    None => self.push("list", &items),
                    Some(tail) => {
                        let tail = self.value(tail)?;
                        self.chain(items, tail)
                    }
                })
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

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Format, format!("malformed graph: {what}"))
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
