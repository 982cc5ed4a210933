//! Document of this library → numeric graph, as it was: loops stay loops, and the values of an `if` stay values of one.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::atom;
use super::extra::Extra;
use super::place::{Placement, place};
use super::raw::{Body, Raw};
use super::{MAX_NODES, bad};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{
    Builder, Graph, Linear, NodeId, Output, Port, RegionId, Value, verify_numeric, verify_operation,
};
use crate::ops::linear::{MAX_SIDE, side};
use crate::ops::{Emit, Op};
use crate::syntax::ast::Constant;

/// Deepest nesting of lists in the value of a model.
const MAX_VALUE_DEPTH: usize = 1000;

/// The numeric graph of a document.
pub fn read(ports: Vec<Port>, body: &Body, extra: &Extra) -> Result<Graph> {
    let mut scope = Scope::default();
    for (i, port) in ports.iter().enumerate() {
        scope.insert(port.name.clone(), Item::Node(NodeId(i as u32)));
    }
    let mut reader = Reader {
        builder: Builder::new(ports),
        extra,
        cells: Vec::new(),
        nodes_left: MAX_NODES,
    };
    let mut nodes = Nodes::default();
    let placement = reader.place(body, 0)?;
    reader.area(body, &placement, (0, 0), &scope, &mut nodes)?;
    let root = nodes.item(body, body.root)?;
    let (mut numbers, mut parts) = (Vec::new(), 0);
    let value = reader.value(root, &mut numbers, &mut parts, 0)?;
    let graph = reader
        .builder
        .finish(extra.outputs(&value, &numbers), value);
    verify_numeric(&graph)?;
    Ok(graph)
}

impl Extra {
    /// The outputs of a graph of this value: under the names that the document gives, where they are as many.
    fn outputs(&self, value: &Value, numbers: &[NodeId]) -> Vec<Output> {
        let given = self.outputs.len() == numbers.len();
        let name = |i: usize| match value {
            _ if given => self.outputs[i].clone(),
            Value::Output(_) => Arc::from("value"),
            _ => Arc::from(format!("value.{i}")),
        };
        let numbers = numbers.iter().enumerate();
        numbers
            .map(|(i, node)| Output {
                name: name(i),
                node: *node,
            })
            .collect()
    }
}

/// What a node gives: a number of the graph, or structure that the value of the model is made of.
#[derive(Clone)]
enum Item {
    Node(NodeId),
    Constant(Constant),
    /// An index into [`Reader::cells`].
    Pair(usize),
    /// A vector, or a matrix row by row, by its width.
    Array(Option<usize>, Rc<[NodeId]>),
}

type Scope = HashMap<Arc<str>, Item>;

/// What the nodes of a body give.
#[derive(Default)]
struct Nodes {
    items: HashMap<u64, Item>,
    /// The values of branches.
    values: HashMap<u64, Vec<NodeId>>,
}

impl Nodes {
    fn item(&self, body: &Body, id: u64) -> Result<Item> {
        let item = self.items.get(&id).cloned();
        item.ok_or_else(|| bad(format!("node {id} of {} has no value here", body.what)))
    }

    fn number(&self, body: &Body, id: u64) -> Result<NodeId> {
        match self.items.get(&id) {
            Some(Item::Node(node)) => Ok(*node),
            _ => Err(bad(format!("node {id} of {} is no number", body.what))),
        }
    }
}

struct Reader<'a> {
    builder: Builder,
    extra: &'a Extra,
    cells: Vec<(Item, Item)>,
    nodes_left: usize,
}

impl Reader<'_> {
    fn place(&self, body: &Body, depth: usize) -> Result<Placement> {
        let edges = |id: u64| body.nodes.get(&id).map(|raw| raw.edges.as_slice());
        let is_branch = |id: u64| body.nodes.get(&id).is_some_and(Raw::is_branch);
        place(body.root, edges, is_branch, depth)
    }

    /// The nodes of one region of a body. `depth` regions are open around it.
    fn area(
        &mut self,
        body: &Body,
        placement: &Placement,
        (area, depth): (usize, usize),
        scope: &Scope,
        nodes: &mut Nodes,
    ) -> Result<()> {
        for id in &placement.nodes[area] {
            let raw = &body.nodes[id];
            let item = match placement.arms.get(id) {
                None => self.node(*id, raw, body, scope, nodes, depth)?,
                Some(arms) => {
                    let mut regions = [RegionId(0); 2];
                    for (i, arm) in arms.iter().enumerate() {
                        self.builder.open_region(&[]);
                        self.area(body, placement, (*arm, depth + 1), scope, nodes)?;
                        let results = raw.ends(i).map(|end| nodes.number(body, end));
                        let results = results.collect::<Result<Vec<NodeId>>>()?;
                        regions[i] = self.builder.close_region(results);
                    }
                    let test = nodes.number(body, raw.edges[0])?;
                    if !self.builder.graph().node(test).ty.is_scalar() {
                        let what = &body.what;
                        return Err(bad(format!("node {id} of {what}: its test is no number")));
                    }
                    let values = self.builder.branch(test, regions[0], regions[1]);
                    let first = Item::Node(values[0]);
                    nodes.values.insert(*id, values);
                    first
                }
            };
            nodes.items.insert(*id, item);
        }
        Ok(())
    }

    fn node(
        &mut self,
        id: u64,
        raw: &Raw,
        body: &Body,
        scope: &Scope,
        nodes: &Nodes,
        depth: usize,
    ) -> Result<Item> {
        self.spend(1)?;
        let wrong = |what: String| bad(format!("node {id} of {}: {what}", body.what));
        if let Some((of, index)) = raw.value_of {
            let value = nodes.values.get(&of).and_then(|values| values.get(index));
            let value = value.ok_or_else(|| wrong(format!("node {of} has no value {index}")))?;
            return Ok(Item::Node(*value));
        }
        if let Some(constant) = atom::constant(raw, self.extra).map_err(wrong)? {
            return Ok(match constant.as_real() {
                Some(_) => Item::Node(self.builder.constant(constant)),
                None => Item::Constant(constant),
            });
        }
        let item = |edge: &u64| nodes.item(body, *edge);
        Ok(match (raw.op, &raw.edges[..]) {
            ("input" | "loop_param", _) => {
                let item = scope.get(raw.name).cloned();
                item.ok_or_else(|| wrong(format!("there is no input \"{}\"", raw.name)))?
            }
            ("recur", _) => {
                return Err(wrong(
                    "a recur may stand only at the end of a loop body".into(),
                ));
            }
            ("loop", _) => return self.repeat(id, raw, body, scope, nodes, depth),
            ("list", edges) => {
                let items = edges.iter().map(item).collect::<Result<Vec<Item>>>()?;
                self.list(items)
            }
            ("cons", [car, cdr]) => self.cons(item(car)?, item(cdr)?),
            ("car" | "cdr", [pair]) => match (item(pair)?, raw.op) {
                (Item::Pair(cell), "car") => self.cells[cell].0.clone(),
                (Item::Pair(cell), _) => self.cells[cell].1.clone(),
                _ => return Err(wrong(format!("\"{}\" needs a pair", raw.op))),
            },
            ("vec" | "mat", edges) => {
                let items = edges.iter().map(item).collect::<Result<Vec<Item>>>()?;
                self.array(items)?
                    .ok_or_else(|| wrong("its rows are no rows".into()))?
            }
            ("ref", [array, index]) => {
                let index = nodes.number(body, *index)?;
                let found = self.item(&item(array)?, index);
                found.ok_or_else(|| wrong("it has no such item".into()))?
            }
            ("det" | "logdet", [matrix]) => match item(matrix)? {
                Item::Array(Some(width), items) if side(items.len()) == Some(width) => {
                    let op = if raw.op == "det" {
                        Op::DetOf
                    } else {
                        Op::LogDetOf
                    };
                    Item::Node(self.builder.op(op, &items))
                }
                _ => return Err(wrong("it needs a square matrix".into())),
            },
            ("inv", [matrix]) => {
                let matrix = item(matrix)?;
                let side = match &matrix {
                    Item::Array(Some(n), _) if *n <= MAX_SIDE => *n,
                    _ => return Err(wrong("it needs a square matrix".into())),
                };
                let (one, zero) = (self.builder.real(1.0), self.builder.real(0.0));
                let identity = (0..side * side).map(|i| match i / side == i % side {
                    true => one,
                    false => zero,
                });
                let identity = Item::Array(Some(side), identity.collect());
                let solved = self.solve(matrix, identity)?;
                solved.ok_or_else(|| wrong("it needs a square matrix".into()))?
            }
            ("solve", [left, right]) => {
                let solved = self.solve(item(left)?, item(right)?)?;
                solved.ok_or_else(|| wrong("its matrices do not fit".into()))?
            }
            _ => {
                let (op, edges) = atom::operation(raw, self.extra).map_err(wrong)?;
                let op = match (op, edges.len()) {
                    (Op::Sub, 1) => Op::Neg,
                    (Op::Atan, 2) => Op::Atan2,
                    (op, _) => op,
                };
                let args = edges.iter().map(|edge| nodes.number(body, *edge));
                let args = args.collect::<Result<Vec<NodeId>>>()?;
                verify_operation(self.builder.graph(), op, &args).map_err(wrong)?;
                Item::Node(self.builder.op(op, &args))
            }
        })
    }

    fn spend(&mut self, count: usize) -> Result<()> {
        self.nodes_left = self.nodes_left.checked_sub(count).ok_or_else(|| {
            Error::new(
                ErrorKind::Limit,
                format!("the .ncg document has more than {MAX_NODES} nodes"),
            )
        })?;
        Ok(())
    }

    /// A vector of numbers, or a matrix of rows of one length.
    fn array(&mut self, items: Vec<Item>) -> Result<Option<Item>> {
        let mut all = Vec::with_capacity(items.len());
        let mut width = None;
        for item in items {
            let row = match item {
                Item::Node(node) if width.is_none() => {
                    all.push(node);
                    continue;
                }
                Item::Array(None, row) if all.is_empty() || width == Some(row.len()) => row,
                _ => return Ok(None),
            };
            self.spend(row.len())?;
            width = Some(row.len());
            all.extend_from_slice(&row);
        }
        Ok((width != Some(0)).then(|| Item::Array(width, all.into())))
    }

    /// The item of a vector, or the row of a matrix, at a place.
    fn item(&mut self, of: &Item, index: NodeId) -> Option<Item> {
        let Item::Array(width, items) = of else {
            return None;
        };
        let known = self.builder.known(index);
        let known = known.map(|place| (place, place as usize));
        let place = known.map(|(given, place)| (place as f64 == given).then_some(place));
        Some(match (width, place) {
            (None, Some(place)) => Item::Node(*items.get(place?)?),
            (Some(width), Some(place)) => {
                let first = place?.checked_mul(*width)?;
                let row = items.get(first..first.checked_add(*width)?)?;
                Item::Array(None, row.into())
            }
            (None, None) if !items.is_empty() => {
                let args: Vec<NodeId> = std::iter::once(index)
                    .chain(items.iter().copied())
                    .collect();
                Item::Node(self.builder.op(Op::Pick, &args))
            }
            _ => return None,
        })
    }

    /// The solution of a linear system.
    fn solve(&mut self, left: Item, right: Item) -> Result<Option<Item>> {
        let (Item::Array(Some(n), left), Item::Array(width, right)) = (left, right) else {
            return Ok(None);
        };
        let m = width.unwrap_or(1);
        if n > MAX_SIDE || left.len() != n * n || right.len() != n * m {
            return Ok(None);
        }
        self.spend(right.len())?;
        let linear = Linear::Solve {
            n: n as u32,
            m: m as u32,
        };
        if !linear.in_bounds() {
            return Ok(None);
        }
        let args: Vec<NodeId> = left.iter().chain(right.iter()).copied().collect();
        let places = 0..linear.values();
        let values = self.builder.linear_values(linear, &args, places);
        Ok(Some(Item::Array(width, values.into())))
    }

    fn cons(&mut self, car: Item, cdr: Item) -> Item {
        self.cells.push((car, cdr));
        Item::Pair(self.cells.len() - 1)
    }

    fn list(&mut self, items: Vec<Item>) -> Item {
        let nil = Item::Constant(Constant::nil());
        let items = items.into_iter().rev();
        items.fold(nil, |tail, item| self.cons(item, tail))
    }

    /// A loop as the writer writes it: an `if` whose first arm is a `recur`, and whose other is one of the parameters or a
    /// list of some.
    fn repeat(
        &mut self,
        id: u64,
        raw: &Raw,
        outer: &Body,
        scope: &Scope,
        nodes: &Nodes,
        depth: usize,
    ) -> Result<Item> {
        let repeat = outer.loops.get(&id);
        let repeat =
            repeat.ok_or_else(|| bad(format!("loop {id} of {} has no body", outer.what)))?;
        let body = &repeat.body;
        let wrong = |what: &str| bad(format!("{}: {what}", body.what));
        let (params, captures) = (&repeat.signature.params, &repeat.signature.captures);
        if raw.edges.len() != params.len() + captures.len() {
            return Err(wrong("its edges are not as many as its names"));
        }
        let types = repeat.states.as_deref().unwrap_or_default();
        if types.len() != params.len() {
            return Err(wrong("the types of its states are missing"));
        }
        let end = body.nodes.get(&body.root).filter(|root| root.is_branch());
        let Some(&[flag, next, result]) = end.map(|root| root.edges.as_slice()) else {
            return Err(wrong("its body is no if"));
        };
        let recur = body.nodes.get(&next).filter(|next| next.op == "recur");
        let recur = recur.ok_or_else(|| wrong("its first arm is no recur"))?;
        if recur.edges.len() != params.len() {
            return Err(wrong("its next values are not as many as its parameters"));
        }
        let index = |node: Option<&Raw>| {
            let node = node.filter(|node| node.op == "loop_param");
            node.and_then(|node| params.iter().position(|name| **name == *node.name))
        };
        let (results, listed) = match body.nodes.get(&result) {
            Some(list) if list.op == "list" => {
                let items = list.edges.iter().map(|edge| index(body.nodes.get(edge)));
                (items.collect::<Option<Vec<usize>>>(), true)
            }
            node => (index(node).map(|index| vec![index]), false),
        };
        let results = results.ok_or_else(|| wrong("its second arm is not made of parameters"))?;

        let mut inits = Vec::with_capacity(params.len());
        for edge in &raw.edges[..params.len()] {
            inits.push(nodes.number(outer, *edge)?);
        }
        let placement = self.place(body, depth + 1)?;
        let mut inner = scope.clone();
        for (name, edge) in captures.iter().zip(&raw.edges[params.len()..]) {
            inner.insert(name.clone(), nodes.item(outer, *edge)?);
        }
        let states = self.builder.open_loop(types);
        inner.extend(
            params
                .iter()
                .cloned()
                .zip(states.into_iter().map(Item::Node)),
        );
        let mut inside = Nodes::default();
        // the `if` at the root and what hangs below its arms is no part of the head
        let [then, _] = placement.arms[&body.root];
        let mut head = placement;
        head.nodes[0].retain(|node| *node != body.root);
        head.nodes[then].retain(|node| *node != next);
        self.area(body, &head, (0, depth + 1), &inner, &mut inside)?;
        let flag = inside.number(body, flag)?;
        self.builder.open_next();
        self.area(body, &head, (then, depth + 2), &inner, &mut inside)?;
        let nexts = recur.edges.iter().map(|edge| inside.number(body, *edge));
        let nexts = nexts.collect::<Result<Vec<NodeId>>>()?;
        let next = self.builder.close_region(nexts);
        let head = self.builder.close_region(vec![flag]);
        let values = self.builder.repeat(inits, head, next);
        let mut items = results.into_iter().map(|index| Item::Node(values[index]));
        Ok(match (listed, items.next()) {
            (false, Some(item)) => item,
            (_, first) => {
                let items = first.into_iter().chain(items).collect();
                self.list(items)
            }
        })
    }

    /// The value of the model, the numbers in it, and how many parts it has.
    fn value(
        &self,
        item: Item,
        numbers: &mut Vec<NodeId>,
        parts: &mut usize,
        depth: usize,
    ) -> Result<Value> {
        if depth > MAX_VALUE_DEPTH {
            return Err(bad(format!(
                "the value nests more than {MAX_VALUE_DEPTH} lists"
            )));
        }
        let mut items = Vec::new();
        let mut rest = item;
        while let Item::Pair(cell) = rest {
            let (car, cdr) = self.cells[cell].clone();
            items.push(self.value(car, numbers, parts, depth + 1)?);
            *parts += 1;
            if *parts > MAX_NODES {
                return Err(bad(format!("the value has more than {MAX_NODES} parts")));
            }
            rest = cdr;
        }
        let end = match rest {
            Item::Node(node) => {
                numbers.push(node);
                Value::Output(numbers.len() - 1)
            }
            Item::Constant(constant) => Value::Constant(constant),
            Item::Array(width, nodes) => {
                let outputs = (numbers.len()..numbers.len() + nodes.len()).map(Value::Output);
                let outputs: Vec<Value> = outputs.collect();
                *parts += nodes.len();
                numbers.extend_from_slice(&nodes);
                let shape = match width {
                    None => vec![nodes.len()],
                    Some(width) => vec![nodes.len() / width, width],
                };
                Value::Array(shape, outputs)
            }
            Item::Pair(_) => return Err(bad("the value has no end")),
        };
        Ok(match (items.is_empty(), end) {
            (true, end) => end,
            (false, Value::Constant(Constant::List(last, None))) if last.is_empty() => {
                Value::List(items, None)
            }
            (false, end) => Value::List(items, Some(Box::new(end))),
        })
    }
}
