//! Document → general graph. A loop becomes a function that calls itself in tail position, as in programs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::atom;
use super::extra::Extra;
use super::place::{Placement, place};
use super::raw::{Body, Place, Raw, Registry, Repeat};
use super::{MAX_NODES, bad};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{
    Builder, Function, FunctionId, Graph, NodeId, NodeKind, Port, RegionId, Type, verify,
};
use crate::ops::Op;

/// The general graph of a document whose graph is `body`, with the bodies of its functions as they are written.
pub fn read(
    ports: Vec<Port>,
    body: &Body,
    place: &Place,
    functions: &[(&str, &Map<String, Json>)],
) -> Result<Graph> {
    let mut reader = Reader {
        ports: ports
            .iter()
            .enumerate()
            .map(|(i, port)| (port.name.clone(), i))
            .collect(),
        builder: Builder::new(ports),
        registry: place.registry,
        extra: place.extra,
        functions: HashMap::new(),
        nodes_left: MAX_NODES,
    };
    for (name, _) in functions {
        reader.declare(name)?;
    }
    let scope = Scope::default();
    let result = reader.body(body, &scope, 0)?;
    for (name, written) in functions {
        if let Some(id) = reader.functions.get(*name).copied() {
            let inside = Place {
                path: format!("{name}:"),
                ..place.clone()
            };
            let body = Body::parse(written, format!("function \"{name}\""), &inside)?;
            reader.function(id, name, &body)?;
        }
    }
    let graph = reader.builder.finish_one(result);
    verify(&graph)?;
    Ok(graph)
}

/// The loop that a body belongs to.
struct Around<'a> {
    function: FunctionId,
    captures: Vec<NodeId>,
    params: &'a [Arc<str>],
}

/// What the names of a body mean: its parameters and captures.
#[derive(Default)]
struct Scope<'a> {
    names: HashMap<Arc<str>, NodeId>,
    in_function: bool,
    around: Option<Around<'a>>,
}

/// What the nodes of a body are in the graph.
#[derive(Default)]
struct Nodes {
    nodes: HashMap<u64, NodeId>,
    /// The values of branches with several.
    values: HashMap<u64, Vec<NodeId>>,
    /// The edges of calls: what the function captures by name stands in front.
    calls: HashMap<u64, Vec<u64>>,
}

struct Reader<'a> {
    builder: Builder,
    /// The place of each port.
    ports: HashMap<Arc<str>, usize>,
    registry: &'a Registry<'a>,
    extra: &'a Extra,
    functions: HashMap<Arc<str>, FunctionId>,
    nodes_left: usize,
}

impl<'a> Reader<'a> {
    /// Adds a function whose body comes later.
    fn declare(&mut self, name: &str) -> Result<()> {
        let signature = &self.registry[name];
        let extra = self.extra.functions.get(name);
        if extra.is_some_and(|extra| extra.primitive.is_some()) {
            return Ok(());
        }
        let rest = extra.is_some_and(|extra| extra.rest);
        // the parameter that takes the rest is written as the last one
        let fixed = signature.params.len().checked_sub(usize::from(rest));
        let fixed = fixed.ok_or_else(|| bad(format!("function \"{name}\" has no parameter")))?;
        let names = |given: Option<&Vec<Arc<str>>>, written: &[Arc<str>]| match given {
            Some(given) if given.len() != written.len() => Err(bad(format!(
                "function \"{name}\": its names in \"ncg\" do not fit"
            ))),
            Some(given) => Ok(given.clone()),
            None => Ok(written.to_vec()),
        };
        let function = Function {
            name: extra
                .and_then(|extra| extra.name.clone())
                .unwrap_or_else(|| Arc::from(name)),
            captures: names(
                extra.and_then(|extra| extra.captures.as_ref()),
                &signature.captures,
            )?,
            params: names(
                extra.and_then(|extra| extra.params.as_ref()),
                &signature.params[..fixed],
            )?,
            rest,
            body: RegionId(0),
        };
        let id = self.builder.function(function);
        self.functions.insert(Arc::from(name), id);
        Ok(())
    }

    fn function(&mut self, id: FunctionId, name: &str, body: &Body) -> Result<()> {
        let signature = &self.registry[name];
        let names = || signature.captures.iter().chain(&signature.params).cloned();
        let params = self.builder.open_function(names().count());
        let scope = Scope {
            names: names().zip(params).collect(),
            in_function: true,
            around: None,
        };
        let result = self.body(body, &scope, 0)?;
        let region = self.builder.close_function(vec![result]);
        self.builder.function_mut(id).body = region;
        Ok(())
    }

    /// The nodes of a body, into the innermost open region; the node of its value. `depth` regions are open around it.
    fn body(&mut self, body: &Body, scope: &Scope, depth: usize) -> Result<NodeId> {
        let mut nodes = Nodes::default();
        for (id, raw) in body.nodes.iter().filter(|(_, raw)| raw.op == "call") {
            let captures = raw.target.and_then(|target| self.registry.get(target));
            let captures = captures.into_iter().flat_map(|target| &target.captures);
            let local = captures
                .filter(|name| !scope.names.contains_key(*name))
                .filter_map(|name| body.bound.get(&**name))
                .filter(|node| *node != id);
            let edges: Vec<u64> = local.chain(&raw.edges).copied().collect();
            nodes.calls.insert(*id, edges);
        }
        let edges = |id: u64| {
            let call = nodes.calls.get(&id).map(Vec::as_slice);
            call.or_else(|| body.nodes.get(&id).map(|raw| raw.edges.as_slice()))
        };
        let is_branch = |id: u64| body.nodes.get(&id).is_some_and(Raw::is_branch);
        let placement = place(body.root, edges, is_branch, depth)?;
        check_recur(body, &placement, edges, scope.around.is_some())?;
        self.area(body, &placement, (0, depth), scope, &mut nodes)?;
        self.end(body.root, body, scope, &nodes)
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
            let node = match placement.arms.get(id) {
                // it goes on where the region ends
                None if raw.op == "recur" => continue,
                None => self.node(*id, raw, body, scope, nodes, depth)?,
                Some(arms) => {
                    let mut regions = [RegionId(0); 2];
                    for (i, arm) in arms.iter().enumerate() {
                        self.builder.open_region(&[]);
                        self.area(body, placement, (*arm, depth + 1), scope, nodes)?;
                        let results = raw.ends(i).map(|end| self.end(end, body, scope, nodes));
                        let results = results.collect::<Result<Vec<NodeId>>>()?;
                        regions[i] = self.builder.close_region(results);
                    }
                    let test = nodes.nodes[&raw.edges[0]];
                    let values = self.builder.branch(test, regions[0], regions[1]);
                    let first = values[0];
                    nodes.values.insert(*id, values);
                    first
                }
            };
            nodes.nodes.insert(*id, node);
        }
        Ok(())
    }

    /// The node that a region ends with.
    fn end(&mut self, id: u64, body: &Body, scope: &Scope, nodes: &Nodes) -> Result<NodeId> {
        let raw = &body.nodes[&id];
        let Some(around) = scope.around.as_ref().filter(|_| raw.op == "recur") else {
            return Ok(nodes.nodes[&id]);
        };
        let wanted = around.params.len();
        if raw.edges.len() != wanted {
            return Err(bad(format!(
                "node {id} of {}: its loop has {wanted} parameters, but {} next values",
                body.what,
                raw.edges.len()
            )));
        }
        self.count()?;
        let next = raw.edges.iter().map(|edge| nodes.nodes[edge]);
        let args = around.captures.iter().copied().chain(next).collect();
        let call = NodeKind::Call(around.function);
        Ok(self.builder.push(call, args, Type::General))
    }

    fn count(&mut self) -> Result<()> {
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or_else(|| {
            Error::new(
                ErrorKind::Limit,
                format!("the .ncg document has more than {MAX_NODES} nodes"),
            )
        })?;
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
    ) -> Result<NodeId> {
        self.count()?;
        let wrong = |what: String| bad(format!("node {id} of {}: {what}", body.what));
        if let Some((of, index)) = raw.value_of {
            let value = nodes.values.get(&of).and_then(|values| values.get(index));
            return value
                .copied()
                .ok_or_else(|| wrong(format!("node {of} has no value {index}")));
        }
        let mut args: Vec<NodeId> = raw.edges.iter().map(|edge| nodes.nodes[edge]).collect();
        if let Some(constant) = atom::constant(raw, self.extra).map_err(wrong)? {
            return Ok(self.builder.constant(constant));
        }
        let kind = match raw.op {
            "input" | "func_param" | "loop_param" => {
                return self
                    .name(raw.name, scope)
                    .ok_or_else(|| wrong(format!("there is no input \"{}\"", raw.name)));
            }
            "call" => return self.call(id, raw, body, scope, nodes),
            "make_closure" => self.closure(raw).map_err(wrong)?,
            "dynamic_call" if args.is_empty() => return Err(wrong("it calls nothing".into())),
            "dynamic_call" => NodeKind::Apply,
            "loop" => return self.repeat(id, args, body, scope, depth),
            _ => {
                let (op, edges) = atom::operation(raw, self.extra).map_err(wrong)?;
                args = edges.iter().map(|edge| nodes.nodes[edge]).collect();
                let row = op.row();
                if args.len() < row.min || row.max.is_some_and(|max| args.len() > max) {
                    return Err(wrong(crate::anf::arity_message(row, args.len())));
                }
                // the format has the number first
                if op == Op::Scale {
                    args.swap(0, 1);
                }
                NodeKind::Op(op)
            }
        };
        Ok(self.builder.push(kind, args, Type::General))
    }

    /// The value of a name: a parameter or capture of the body, else an input of the graph.
    fn name(&mut self, name: &str, scope: &Scope) -> Option<NodeId> {
        if let Some(node) = scope.names.get(name) {
            return Some(*node);
        }
        let port = *self.ports.get(name)?;
        if !scope.in_function {
            return Some(self.builder.port(port));
        }
        // a body cannot see the nodes of another; every one reads the ports for itself
        Some(
            self.builder
                .push(NodeKind::Port(port as u32), vec![], Type::REAL),
        )
    }

    fn closure(&self, raw: &Raw) -> std::result::Result<NodeKind, String> {
        let target = raw.target.unwrap_or_default();
        let signature = self.registry.get(target);
        let signature = signature.ok_or_else(|| format!("there is no function \"{target}\""))?;
        let (wanted, given) = (signature.captures.len(), raw.edges.len());
        if given != wanted {
            return Err(format!(
                "\"{target}\" takes {wanted} edges here, not {given}"
            ));
        }
        let primitive = self.extra.functions.get(target);
        Ok(match primitive.and_then(|extra| extra.primitive) {
            Some(op) => NodeKind::Primitive(op),
            None => NodeKind::Closure(self.functions[target]),
        })
    }

    /// A call: what the function captures it finds by name, in the body at hand or around it.
    fn call(
        &mut self,
        id: u64,
        raw: &Raw,
        body: &Body,
        scope: &Scope,
        nodes: &Nodes,
    ) -> Result<NodeId> {
        let wrong = |what: String| bad(format!("node {id} of {}: {what}", body.what));
        let target = raw.target.unwrap_or_default();
        let (Some(signature), Some(function)) =
            (self.registry.get(target), self.functions.get(target))
        else {
            return Err(wrong(format!("there is no function \"{target}\"")));
        };
        let function = *function;
        let row = &self.builder.graph().functions[function.0 as usize];
        let (wanted, rest, given) = (row.params.len(), row.rest, raw.edges.len());
        if given < wanted || (given > wanted && !rest) {
            return Err(wrong(format!(
                "\"{target}\" takes {wanted} edges here, not {given}"
            )));
        }
        let mut args = Vec::with_capacity(signature.captures.len() + given);
        for name in &signature.captures {
            let local = body.bound.get(&**name).and_then(|id| nodes.nodes.get(id));
            let node = match scope.names.get(name).or(local) {
                Some(node) => Some(*node),
                None => self.name(name, scope),
            };
            args.push(node.ok_or_else(|| {
                wrong(format!(
                    "\"{target}\" captures \"{name}\", which is not known here"
                ))
            })?);
        }
        args.extend(raw.edges.iter().map(|edge| nodes.nodes[edge]));
        let call = NodeKind::Call(function);
        Ok(self.builder.push(call, args, Type::General))
    }

    /// A loop: the function that it is, and a call of it.
    fn repeat(
        &mut self,
        id: u64,
        args: Vec<NodeId>,
        outer: &Body,
        scope: &Scope,
        depth: usize,
    ) -> Result<NodeId> {
        let repeat = outer
            .loops
            .get(&id)
            .ok_or_else(|| bad(format!("loop {id} of {} has no body", outer.what)))?;
        let Repeat {
            signature, body, ..
        } = repeat;
        let (states, captured) = (signature.params.len(), signature.captures.len());
        if args.len() != states + captured {
            return Err(bad(format!(
                "{} has {} edges for {} names",
                body.what,
                args.len(),
                states + captured
            )));
        }
        let (inits, mut values) = (args[..states].to_vec(), args[states..].to_vec());
        let mut captures = signature.captures.clone();
        // a body may also read a name of the body around it that is not listed
        let known: HashSet<&Arc<str>> = signature.params.iter().chain(&captures).collect();
        let unlisted = body.free.iter().filter(|name| !known.contains(name));
        let mut unlisted: Vec<(Arc<str>, NodeId)> = unlisted
            .filter_map(|name| Some((name.clone(), *scope.names.get(name)?)))
            .collect();
        unlisted.sort();
        for (name, node) in unlisted {
            captures.push(name);
            values.push(node);
        }
        let function = self.builder.function(Function {
            name: Arc::from("loop"),
            captures: captures.clone(),
            params: signature.params.clone(),
            rest: false,
            body: RegionId(0),
        });
        let params = self.builder.open_function(captures.len() + states);
        let names = captures.iter().chain(&signature.params).cloned();
        let inner = Scope {
            names: names.zip(params.iter().copied()).collect(),
            in_function: true,
            around: Some(Around {
                function,
                captures: params[..captures.len()].to_vec(),
                params: &signature.params,
            }),
        };
        let result = self.body(body, &inner, depth + 1)?;
        let region = self.builder.close_function(vec![result]);
        self.builder.function_mut(function).body = region;
        values.extend(inits);
        let call = NodeKind::Call(function);
        Ok(self.builder.push(call, values, Type::General))
    }
}

/// Checks that each `recur` stands at the root of the body of a loop, or at the end of the arms below it.
fn check_recur<'a>(
    body: &Body,
    placement: &Placement,
    edges: impl Fn(u64) -> Option<&'a [u64]>,
    in_loop: bool,
) -> Result<()> {
    // whether all uses of a node are such ends
    let mut tail: HashMap<u64, bool> = HashMap::from([(body.root, true)]);
    let mut uses: HashMap<u64, usize> = HashMap::new();
    // the branches that lead to a recur
    let mut goes_on: HashSet<u64> = HashSet::new();
    for id in &placement.order {
        let raw = &body.nodes[id];
        let arms = raw.is_branch() && raw.edges[1..].iter().any(|end| goes_on.contains(end));
        if raw.op == "recur" || arms {
            goes_on.insert(*id);
        }
    }
    for id in placement.order.iter().rev() {
        let raw = &body.nodes[id];
        let here = tail.get(id).copied().unwrap_or_default();
        for (i, edge) in edges(*id).into_iter().flatten().enumerate() {
            let end = here && raw.is_branch() && i > 0 && raw.edges.len() == 3;
            let all = tail.entry(*edge).or_insert(true);
            *all &= end;
            *uses.entry(*edge).or_default() += 1;
        }
    }
    for id in &placement.order {
        let wrong = |what: &str| bad(format!("node {id} of {}: {what}", body.what));
        let is_recur = body.nodes[id].op == "recur";
        if is_recur && !in_loop {
            return Err(wrong("a recur stands outside a loop"));
        }
        if is_recur && !tail[id] {
            return Err(wrong("a recur may stand only at the end of a loop body"));
        }
        // it would be computed before the arms that use it
        if goes_on.contains(id) && !is_recur && uses.get(id).copied().unwrap_or_default() > 1 {
            return Err(wrong("an if that ends with a recur is used twice"));
        }
    }
    Ok(())
}
