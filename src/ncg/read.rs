//! `.ncg` → graph. Strict and bounded: what is wrong is named by its node.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::place::{Placement, place};
use super::{FORMAT, MAX_BYTES, MAX_LOOP_DEPTH, MAX_NODES, VERSION, bad, json};
use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{
    Builder, Function, FunctionId, NodeId, NodeKind, Port, PortKind, RegionId, Type, verify,
};
use crate::ops::{self, Op};
use crate::options::Options;
use crate::syntax::ast::Constant;
use crate::syntax::reader;

/// Reads a document.
///
/// # Errors
/// `Format` for what is no such document, `Unsupported` for what this version cannot run, `Limit` for what is too large.
pub fn read(text: &str, options: &Options) -> Result<Model> {
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
    let extra = match document.get("ncg") {
        None => None,
        Some(extra) => Some(
            extra
                .as_object()
                .ok_or_else(|| bad("its \"ncg\" is no object"))?,
        ),
    };
    let graph = object(document, "graph", "the document")?;
    let body = Body::parse(graph, "the graph")?;
    let ports = ports(&body, extra)?;
    let mut reader = Reader {
        ports: ports
            .iter()
            .enumerate()
            .map(|(i, port)| (port.name.clone(), i))
            .collect(),
        builder: Builder::new(ports),
        functions: HashMap::new(),
        reference_division: extra
            .is_none_or(|extra| extra.get("division").is_some_and(|d| d == "reference")),
        exact: exact(extra)?,
        nodes_left: MAX_NODES,
    };
    let bodies = reader.declare(graph)?;
    let result = reader.body(&body, &Scope::default(), 0)?;
    reader.exact.clear();
    for (id, body) in &bodies {
        reader.function(*id, body)?;
    }
    let graph = reader.builder.finish_one(result);
    verify(&graph)?;
    let mut model = Model::from_graph(&graph, source, options)?;
    if let Some(fit) = extra
        .and_then(|extra| extra.get("fit"))
        .filter(|fit| !fit.is_null())
    {
        model.fit = Some(Arc::from(fit.to_string()));
    }
    Ok(model)
}

fn object<'a>(
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

fn names(holder: &Map<String, Json>, key: &str, what: &str) -> Result<Vec<Arc<str>>> {
    let wrong = || bad(format!("\"{key}\" of {what} is no list of names"));
    let list = holder.get(key).and_then(Json::as_array).ok_or_else(wrong)?;
    list.iter()
        .map(|name| name.as_str().map(Arc::from).ok_or_else(wrong))
        .collect()
}

/// One node as it is written.
struct Raw<'a> {
    name: &'a str,
    op: &'a str,
    value: &'a Json,
    edges: Vec<u64>,
    target: Option<&'a str>,
}

/// One graph as it is written.
struct Body<'a> {
    what: String,
    root: u64,
    input_names: Vec<Arc<str>>,
    nodes: BTreeMap<u64, Raw<'a>>,
    loops: Option<&'a Map<String, Json>>,
}

fn decimal(text: &str) -> Option<u64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

impl<'a> Body<'a> {
    fn parse(graph: &'a Map<String, Json>, what: &str) -> Result<Body<'a>> {
        let root = graph.get("root_id").and_then(Json::as_u64);
        let root = root.ok_or_else(|| bad(format!("{what} has no \"root_id\"")))?;
        let written = object(graph, "nodes", what)?;
        if written.len() > MAX_NODES {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("{what} has more than {MAX_NODES} nodes"),
            ));
        }
        let mut nodes = BTreeMap::new();
        for (key, node) in written {
            let id = decimal(key).ok_or_else(|| bad(format!("\"{key}\" is no node id")))?;
            nodes.insert(id, Raw::parse(id, node)?);
        }
        let loops = match graph.get("loops") {
            None | Some(Json::Null) => None,
            Some(loops) => Some(
                loops
                    .as_object()
                    .ok_or_else(|| bad(format!("\"loops\" of {what} is no object")))?,
            ),
        };
        Ok(Body {
            what: what.to_string(),
            root,
            input_names: names(graph, "input_names", what)?,
            nodes,
            loops,
        })
    }
}

impl<'a> Raw<'a> {
    fn parse(id: u64, node: &'a Json) -> Result<Raw<'a>> {
        let wrong = |what: &str| bad(format!("node {id}: {what}"));
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
        Ok(Raw {
            name: text("name")?.unwrap_or_default(),
            op: text("op_type")?.ok_or_else(|| wrong("it has no \"op_type\""))?,
            value: node.get("value").unwrap_or(&Json::Null),
            edges: edges.iter().map(edge).collect::<Result<_>>()?,
            target: text("call_target")?,
        })
    }
}

/// The ports of the graph: the inputs in order, with what the key `ncg` says of them.
fn ports(body: &Body, extra: Option<&Map<String, Json>>) -> Result<Vec<Port>> {
    let mut ports: Vec<Port> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for name in &body.input_names {
        if places.insert(name, ports.len()).is_some() {
            return Err(bad(format!("the input \"{name}\" is named twice")));
        }
        ports.push(Port {
            name: name.clone(),
            kind: PortKind::Input,
        });
    }
    let Some(parameters) = extra.and_then(|extra| extra.get("parameters")) else {
        return Ok(ports);
    };
    let parameters = parameters
        .as_object()
        .ok_or_else(|| bad("its \"parameters\" are no object"))?;
    for (name, written) in parameters {
        let wrong = |what: &str| bad(format!("parameter \"{name}\": {what}"));
        let port = places.get(name.as_str()).map(|place| &mut ports[*place]);
        let port = port.ok_or_else(|| wrong("the graph has no such input"))?;
        let bound = |key: &str, missing: f64| match written.get(key) {
            None | Some(Json::Null) => Ok(missing),
            Some(value) => {
                json::number(value).ok_or_else(|| wrong(&format!("its \"{key}\" is no number")))
            }
        };
        let initial = bound("initial", f64::NAN)?;
        let (lower, upper) = (
            bound("lower", f64::NEG_INFINITY)?,
            bound("upper", f64::INFINITY)?,
        );
        if !(initial.is_finite() && lower <= initial && initial <= upper) {
            return Err(wrong(
                "its initial value is not a finite number within its bounds",
            ));
        }
        port.kind = PortKind::Parameter {
            initial,
            lower,
            upper,
        };
    }
    Ok(ports)
}

/// The constants of the graph that are exact integers.
fn exact(extra: Option<&Map<String, Json>>) -> Result<HashMap<u64, i64>> {
    let Some(written) = extra.and_then(|extra| extra.get("exact")) else {
        return Ok(HashMap::new());
    };
    let wrong = || bad("its \"exact\" is no object of node ids and whole numbers");
    let written = written.as_object().ok_or_else(wrong)?;
    let pair = |(id, value): (&String, &Json)| Some((decimal(id)?, value.as_i64()?));
    written
        .iter()
        .map(|entry| pair(entry).ok_or_else(wrong))
        .collect()
}

/// What the names of a body mean: its parameters and captures.
#[derive(Default)]
struct Scope {
    params: HashMap<Arc<str>, NodeId>,
}

struct Reader {
    builder: Builder,
    /// The place of each port.
    ports: HashMap<Arc<str>, usize>,
    functions: HashMap<Arc<str>, FunctionId>,
    /// Whether `modulo` and `remainder` have the reference's meaning: each has that of R7RS's other.
    reference_division: bool,
    exact: HashMap<u64, i64>,
    nodes_left: usize,
}

impl Reader {
    /// Adds the functions of the registry; their bodies as they are written.
    fn declare<'a>(&mut self, graph: &'a Map<String, Json>) -> Result<Vec<(FunctionId, Body<'a>)>> {
        let Some(functions) = graph
            .get("functions")
            .filter(|functions| !functions.is_null())
        else {
            return Ok(Vec::new());
        };
        let functions = functions
            .as_object()
            .ok_or_else(|| bad("its \"functions\" are no object"))?;
        let mut bodies = Vec::new();
        for (name, written) in functions {
            let what = format!("function \"{name}\"");
            let written = written
                .as_object()
                .ok_or_else(|| bad(format!("{what} is no object")))?;
            let id = self.builder.function(Function {
                name: Arc::from(name.as_str()),
                captures: names(written, "captures", &what)?,
                params: names(written, "params", &what)?,
                rest: false,
                body: RegionId(0),
            });
            self.functions.insert(Arc::from(name.as_str()), id);
            bodies.push((
                id,
                Body::parse(object(written, "body_graph", &what)?, &what)?,
            ));
        }
        Ok(bodies)
    }

    fn function(&mut self, id: FunctionId, body: &Body) -> Result<()> {
        let function = &self.builder.graph().functions[id.0 as usize];
        let names: Vec<Arc<str>> = function
            .captures
            .iter()
            .chain(&function.params)
            .cloned()
            .collect();
        let params = self.builder.open_function(names.len());
        let scope = Scope {
            params: names.into_iter().zip(params).collect(),
        };
        let result = self.body(body, &scope, 0)?;
        let region = self.builder.close_function(vec![result]);
        self.builder.function_mut(id).body = region;
        Ok(())
    }

    /// The nodes of a body, into the innermost open region; the node of its value.
    fn body(&mut self, body: &Body, scope: &Scope, depth: usize) -> Result<NodeId> {
        if let Some((id, raw)) = body
            .nodes
            .iter()
            .find(|(_, raw)| raw.op == "if" && raw.edges.len() != 3)
        {
            return Err(bad(format!(
                "node {id}: an if has 3 edges, not {}",
                raw.edges.len()
            )));
        }
        let edges = |id: u64| body.nodes.get(&id).map(|raw| raw.edges.as_slice());
        let is_branch = |id: u64| body.nodes.get(&id).is_some_and(|raw| raw.op == "if");
        let placement = place(body.root, edges, is_branch)?;
        let mut nodes = HashMap::new();
        self.area(body, &placement, 0, scope, &mut nodes, depth)?;
        Ok(nodes[&body.root])
    }

    fn area(
        &mut self,
        body: &Body,
        placement: &Placement,
        area: usize,
        scope: &Scope,
        nodes: &mut HashMap<u64, NodeId>,
        depth: usize,
    ) -> Result<()> {
        for id in &placement.nodes[area] {
            let raw = &body.nodes[id];
            let node = match placement.arms.get(id) {
                None => self.node(*id, raw, body, scope, nodes, depth)?,
                Some(arms) => {
                    let mut regions = [RegionId(0); 2];
                    for (i, arm) in arms.iter().enumerate() {
                        self.builder.open_region(&[]);
                        self.area(body, placement, *arm, scope, nodes, depth)?;
                        let result = nodes[&raw.edges[i + 1]];
                        regions[i] = self.builder.close_region(vec![result]);
                    }
                    self.builder
                        .branch(nodes[&raw.edges[0]], regions[0], regions[1])[0]
                }
            };
            nodes.insert(*id, node);
        }
        Ok(())
    }

    fn node(
        &mut self,
        id: u64,
        raw: &Raw,
        body: &Body,
        scope: &Scope,
        nodes: &HashMap<u64, NodeId>,
        depth: usize,
    ) -> Result<NodeId> {
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or_else(|| {
            Error::new(
                ErrorKind::Limit,
                format!("the .ncg document has more than {MAX_NODES} nodes"),
            )
        })?;
        let wrong = |what: String| bad(format!("node {id} of {}: {what}", body.what));
        let args: Vec<NodeId> = raw.edges.iter().map(|edge| nodes[edge]).collect();
        let push =
            |this: &mut Self, kind: NodeKind| this.builder.push(kind, args.clone(), Type::General);
        match raw.op {
            "const" | "quote_const" | "input" | "func_param" | "loop_param" if !args.is_empty() => {
                Err(wrong(format!("a {} has no edges", raw.op)))
            }
            "const" => {
                let constant = match self.exact.get(&id).filter(|_| depth == 0) {
                    Some(value) => Some(Constant::Int(*value)),
                    None => atom(raw.value),
                };
                let constant = constant.ok_or_else(|| {
                    wrong("its \"value\" is no number, boolean or character".into())
                })?;
                Ok(self.builder.constant(constant))
            }
            "quote_const" => {
                let constant = quoted(raw.value)
                    .ok_or_else(|| wrong("its \"value\" is no quoted datum".into()))?;
                Ok(self.builder.constant(constant))
            }
            "input" | "func_param" | "loop_param" => self
                .name(raw.name, scope)
                .ok_or_else(|| wrong(format!("there is no input \"{}\"", raw.name))),
            "call" | "make_closure" => {
                let target = raw.target.unwrap_or_default();
                let function = *self
                    .functions
                    .get(target)
                    .ok_or_else(|| wrong(format!("there is no function \"{target}\"")))?;
                let row = &self.builder.graph().functions[function.0 as usize];
                let (captures, params) = (row.captures.clone(), row.params.len());
                let wanted = if raw.op == "call" {
                    params
                } else {
                    captures.len()
                };
                if args.len() != wanted {
                    return Err(wrong(format!(
                        "\"{target}\" takes {wanted} edges here, not {}",
                        args.len()
                    )));
                }
                if raw.op == "make_closure" {
                    return Ok(push(self, NodeKind::Closure(function)));
                }
                let mut all = Vec::with_capacity(captures.len() + args.len());
                for name in &captures {
                    let node = self.name(name, scope);
                    all.push(node.ok_or_else(|| {
                        wrong(format!(
                            "\"{target}\" captures \"{name}\", which is not known here"
                        ))
                    })?);
                }
                all.extend(args);
                Ok(self
                    .builder
                    .push(NodeKind::Call(function), all, Type::General))
            }
            "dynamic_call" if args.is_empty() => Err(wrong("it calls nothing".into())),
            "dynamic_call" => Ok(push(self, NodeKind::Apply)),
            "loop" => self.straight_loop(id, &args, body, scope, depth),
            "recur" => Err(wrong(
                "a recur may stand only at the end of a loop body".into(),
            )),
            "soft_choice" => Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "node {id} of {}: soft_choice is not supported in this version",
                    body.what
                ),
            )),
            name => {
                let op = self
                    .operation(name)
                    .ok_or_else(|| wrong(format!("unknown operation \"{name}\"")))?;
                let row = op.row();
                if args.len() < row.min || row.max.is_some_and(|max| args.len() > max) {
                    return Err(wrong(crate::anf::arity_message(row, args.len())));
                }
                Ok(push(self, NodeKind::Op(op)))
            }
        }
    }

    fn operation(&self, name: &str) -> Option<Op> {
        match ops::find(name)? {
            Op::Modulo if self.reference_division => Some(Op::Remainder),
            Op::Remainder if self.reference_division => Some(Op::Modulo),
            op => Some(op),
        }
    }

    /// The value of a name: a parameter of the body, else an input of the graph.
    fn name(&mut self, name: &str, scope: &Scope) -> Option<NodeId> {
        if let Some(node) = scope.params.get(name) {
            return Some(*node);
        }
        let port = *self.ports.get(name)?;
        // a body cannot see the nodes of another; every one reads the ports for itself
        Some(
            self.builder
                .push(NodeKind::Port(port as u32), vec![], Type::REAL),
        )
    }

    /// A loop whose body never recurs: its body, once.
    fn straight_loop(
        &mut self,
        id: u64,
        args: &[NodeId],
        outer: &Body,
        scope: &Scope,
        depth: usize,
    ) -> Result<NodeId> {
        let what = format!("loop {id} of {}", outer.what);
        if depth >= MAX_LOOP_DEPTH {
            return Err(bad(format!(
                "loops nest more than {MAX_LOOP_DEPTH} deep at {what}"
            )));
        }
        let written = outer
            .loops
            .and_then(|loops| loops.get(&id.to_string()))
            .and_then(Json::as_object);
        let written = written.ok_or_else(|| bad(format!("{what} has no body")))?;
        let (params, captures) = (
            names(written, "params", &what)?,
            names(written, "captures", &what)?,
        );
        if args.len() != params.len() + captures.len() {
            return Err(bad(format!(
                "{what} has {} edges for {} names",
                args.len(),
                params.len() + captures.len()
            )));
        }
        let body = Body::parse(object(written, "body_graph", &what)?, &what)?;
        if body.nodes.values().any(|raw| raw.op == "recur") {
            let message = format!("{what}: loops are not supported in this version");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let mut inner = Scope {
            params: scope.params.clone(),
        };
        inner
            .params
            .extend(params.into_iter().chain(captures).zip(args.iter().copied()));
        self.body(&body, &inner, depth + 1)
    }
}

/// The constant that a `const` node holds.
fn atom(value: &Json) -> Option<Constant> {
    match value {
        Json::Bool(value) => Some(Constant::Bool(*value)),
        Json::Object(object) => {
            let code = object
                .get("__char__")?
                .as_u64()
                .and_then(|code| u32::try_from(code).ok())?;
            char::from_u32(code).map(Constant::Char)
        }
        value => json::number(value).map(Constant::Real),
    }
}

/// The datum of a `quote_const` node: lists as arrays, atoms as the text of their tokens.
fn quoted(value: &Json) -> Option<Constant> {
    match value {
        Json::Array(items) => {
            let items: Option<Arc<[Constant]>> = items.iter().map(quoted).collect();
            Some(Constant::List(items?, None))
        }
        Json::String(text) => {
            let data = reader::read(text, reader::Limits::default()).ok();
            match data.as_deref() {
                Some([datum]) if datum.list().is_none() => Some(Constant::quote(datum)),
                _ => Some(Constant::Symbol(Arc::from(text.as_str()))),
            }
        }
        value => atom(value),
    }
}
