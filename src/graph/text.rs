//! The text form of graphs: prints, and parses back to the same graph.
//!
//! ```text
//! input x
//! parameter k = 2.0 [0.0, +inf.0]
//! %0 = port 0 real
//! %3 = * %0 %1 real
//! %4 = if %3 real
//!   yield %0
//! else
//!   yield %1
//! end
//! %7 = get %4 0 real
//! %8 = loop %0 real
//!   %9 = param real
//!   %10 = < %9 %7 bool
//!   yield %10
//! do
//!   %11 = + %9 %9 real
//!   yield %11
//! end
//! output value %7
//! ```

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use super::{
    Builder, Elem, Function, FunctionId, Graph, Linear, MAX_REGION_DEPTH, NodeId, NodeKind, Output,
    Port, PortKind, RegionId, Type, Value, verify,
};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::ops;
use crate::syntax::ast::Constant;
use crate::syntax::datum::{Datum, DatumKind};
use crate::syntax::reader;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for port in &self.ports {
            match port.kind {
                PortKind::Input => writeln!(f, "input {}", name(&port.name))?,
                PortKind::Parameter {
                    initial,
                    lower,
                    upper,
                } => {
                    let [initial, lower, upper] = [initial, lower, upper].map(Constant::Real);
                    writeln!(
                        f,
                        "parameter {} = {initial} [{lower}, {upper}]",
                        name(&port.name)
                    )?;
                }
            }
        }
        let mut printer = Printer {
            graph: self,
            numbers: vec![0; self.nodes.len()],
            count: 0,
        };
        for function in &self.functions {
            let list =
                |names: &[Arc<str>]| names.iter().map(|n| name(n)).collect::<Vec<_>>().join(" ");
            let rest = if function.rest { " rest" } else { "" };
            writeln!(
                f,
                "function {} ({}) ({}){rest}",
                name(&function.name),
                list(&function.captures),
                list(&function.params)
            )?;
            printer.region(f, function.body, 1)?;
            writeln!(f, "end")?;
        }
        printer.nodes(f, RegionId(0), 0)?;
        for output in &self.outputs {
            writeln!(
                f,
                "output {} %{}",
                name(&output.name),
                printer.numbers[output.node.index()]
            )?;
        }
        if self.value != Value::Output(0) {
            writeln!(f, "value {}", self.value)?;
        }
        Ok(())
    }
}

/// A name as a symbol that reads back.
fn name(name: &str) -> String {
    // what begins as a number would be read as one
    let number = name.trim_start_matches(['+', '-', '.']);
    let plain = !name.is_empty()
        && !number.starts_with(|c: char| c.is_ascii_digit())
        && name
            .chars()
            .all(|c| c.is_ascii_graphic() && !"()[]\"';|`,#".contains(c));
    if plain {
        name.to_string()
    } else {
        format!("{name:?}")
    }
}

impl fmt::Display for Value {
    /// Outputs by number behind a `$`, constants quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Output(index) => write!(f, "${index}"),
            Value::Constant(constant) => write!(f, "'{constant}"),
            Value::Procedure => f.write_str("procedure"),
            Value::List(items, tail) => {
                f.write_char('(')?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { " " })?;
                }
                if let Some(tail) = tail {
                    write!(f, " . {tail}")?;
                }
                f.write_char(')')
            }
            Value::Array(shape, items) => {
                f.write_char('[')?;
                for (i, row) in Value::rows(shape, items).iter().enumerate() {
                    write!(f, "{}{row}", if i == 0 { "" } else { " " })?;
                }
                f.write_char(']')
            }
        }
    }
}

/// Prints regions; nodes are numbered as they are printed.
struct Printer<'a> {
    graph: &'a Graph,
    numbers: Vec<u32>,
    count: u32,
}

impl Printer<'_> {
    fn region(
        &mut self,
        f: &mut fmt::Formatter<'_>,
        region: RegionId,
        indent: usize,
    ) -> fmt::Result {
        self.nodes(f, region, indent)?;
        let pad = "  ".repeat(indent);
        write!(f, "{pad}yield")?;
        for result in &self.graph.region(region).results {
            write!(f, " %{}", self.numbers[result.index()])?;
        }
        writeln!(f)
    }

    fn nodes(
        &mut self,
        f: &mut fmt::Formatter<'_>,
        region: RegionId,
        indent: usize,
    ) -> fmt::Result {
        let pad = "  ".repeat(indent);
        for id in &self.graph.region(region).nodes {
            let node = self.graph.node(*id);
            let number = self.count;
            self.count += 1;
            self.numbers[id.index()] = number;
            write!(f, "{pad}%{number} = ")?;
            match &node.kind {
                NodeKind::Constant(value) => write!(f, "const {value}")?,
                NodeKind::Port(port) => write!(f, "port {port}")?,
                NodeKind::RegionParam => write!(f, "param")?,
                NodeKind::Op(op) => write!(f, "{}", op.name())?,
                NodeKind::Primitive(op) => write!(f, "primitive {}", op.name())?,
                NodeKind::If(..) => write!(f, "if")?,
                NodeKind::Loop(..) => write!(f, "loop")?,
                NodeKind::Reverse(_) => write!(f, "reverse")?,
                NodeKind::Linear(linear) => match linear {
                    Linear::Solve { n, m } => write!(f, "{} {n} {m}", linear.name())?,
                    Linear::Cofactors { n } => write!(f, "{} {n}", linear.name())?,
                },
                NodeKind::Get(_) => write!(f, "get")?,
                NodeKind::Call(function) => write!(f, "call {}", function.0)?,
                NodeKind::Closure(function) => write!(f, "closure {}", function.0)?,
                NodeKind::Apply => write!(f, "apply-closure")?,
            }
            for arg in &node.args {
                write!(f, " %{}", self.numbers[arg.index()])?;
            }
            if let NodeKind::Get(index) = node.kind {
                write!(f, " {index}")?;
            }
            writeln!(f, " {}", node.ty)?;
            match node.kind {
                NodeKind::If(then, otherwise) => {
                    self.region(f, then, indent + 1)?;
                    writeln!(f, "{pad}else")?;
                    self.region(f, otherwise, indent + 1)?;
                    writeln!(f, "{pad}end")?;
                }
                NodeKind::Loop(head, next) => {
                    self.region(f, head, indent + 1)?;
                    writeln!(f, "{pad}do")?;
                    self.region(f, next, indent + 1)?;
                    writeln!(f, "{pad}end")?;
                }
                NodeKind::Reverse(back) => {
                    self.region(f, back, indent + 1)?;
                    writeln!(f, "{pad}end")?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Reads the text form.
///
/// # Errors
/// `Format` with the line that is wrong; whatever is read passes [`verify`].
pub fn parse(text: &str) -> Result<Graph> {
    let mut parser = Parser {
        lines: text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .peekable(),
        builder: Builder::new(vec![]),
        nodes: HashMap::new(),
        ports: Vec::new(),
        outputs: Vec::new(),
        value: Value::Output(0),
    };
    parser.graph()?;
    let Parser {
        builder,
        ports,
        outputs,
        value,
        ..
    } = parser;
    let mut graph = builder.finish(outputs, value);
    graph.ports = ports;
    verify(&graph)?;
    Ok(graph)
}

struct Parser<'a, I: Iterator<Item = (usize, &'a str)>> {
    lines: std::iter::Peekable<I>,
    builder: Builder,
    /// What each number of the text is in the graph.
    nodes: HashMap<u32, NodeId>,
    ports: Vec<Port>,
    outputs: Vec<Output>,
    value: Value,
}

fn bad(line: usize, message: impl fmt::Display) -> Error {
    Error::new(
        ErrorKind::Format,
        format!("graph text, line {}: {message}", line + 1),
    )
}

impl<'a, I: Iterator<Item = (usize, &'a str)>> Parser<'a, I> {
    fn graph(&mut self) -> Result<()> {
        while let Some((at, line)) = self.lines.next() {
            let words = tokens(at, line)?;
            let names = |datum: &Datum| -> Result<Vec<Arc<str>>> {
                let items = datum
                    .list()
                    .ok_or_else(|| bad(at, "a list of names is expected"))?;
                items.iter().map(|item| word(at, Some(item))).collect()
            };
            match &*word(at, words.first())? {
                "input" => self.ports.push(Port {
                    name: word(at, words.get(1))?,
                    kind: PortKind::Input,
                }),
                "parameter" => {
                    let numbers: Vec<f64> = words.iter().flat_map(numbers).collect();
                    let [initial, lower, upper] = numbers[..] else {
                        return Err(bad(at, "a parameter needs a value and two bounds"));
                    };
                    self.ports.push(Port {
                        name: word(at, words.get(1))?,
                        kind: PortKind::Parameter {
                            initial,
                            lower,
                            upper,
                        },
                    });
                }
                "function" => {
                    let [_, name, captures, params, rest @ ..] = &words[..] else {
                        return Err(bad(at, "a function needs a name, captures and parameters"));
                    };
                    let function = Function {
                        name: word(at, Some(name))?,
                        captures: names(captures)?,
                        params: names(params)?,
                        rest: !rest.is_empty(),
                        body: RegionId(0),
                    };
                    let id = self.builder.function(function);
                    self.builder.open_function(0);
                    let results = self.region(at, 1)?;
                    let body = self.builder.close_function(results);
                    self.builder.function_mut(id).body = body;
                    self.expect(at, "end")?;
                }
                "output" => {
                    let name = word(at, words.get(1))?;
                    let node = self.node(at, words.get(2))?;
                    self.outputs.push(Output { name, node });
                }
                "value" => {
                    let datum = words.get(1).ok_or_else(|| bad(at, "a value is expected"))?;
                    self.value = value(at, datum)?;
                }
                _ => self.statement(at, &words, 0)?,
            }
        }
        Ok(())
    }

    fn expect(&mut self, at: usize, wanted: &str) -> Result<()> {
        match self.lines.next() {
            Some((_, line)) if line.trim() == wanted => Ok(()),
            _ => Err(bad(at, format!("its region is not closed by \"{wanted}\""))),
        }
    }

    /// The nodes up to `yield`, into the innermost open region; what is yielded.
    fn region(&mut self, at: usize, depth: usize) -> Result<Vec<NodeId>> {
        if depth > MAX_REGION_DEPTH {
            return Err(bad(
                at,
                format!("regions nest more than {MAX_REGION_DEPTH} deep"),
            ));
        }
        while let Some((at, line)) = self.lines.next() {
            let words = tokens(at, line)?;
            if &*word(at, words.first())? == "yield" {
                return words[1..]
                    .iter()
                    .map(|datum| self.node(at, Some(datum)))
                    .collect();
            }
            self.statement(at, &words, depth)?;
        }
        Err(bad(at, "its region has no \"yield\""))
    }

    fn node(&self, at: usize, datum: Option<&Datum>) -> Result<NodeId> {
        let text = word(at, datum)?;
        let id = text.strip_prefix('%').and_then(|id| id.parse().ok());
        id.and_then(|id: u32| self.nodes.get(&id))
            .copied()
            .ok_or_else(|| bad(at, format!("there is no node {text} before this line")))
    }

    /// `any`, `bool`, `int` or `real`.
    fn ty(&self, at: usize, datum: &Datum) -> Result<Type> {
        Ok(match &*word(at, Some(datum))? {
            "any" => Type::General,
            "bool" => Type::Scalar(Elem::Bool),
            "int" => Type::Scalar(Elem::Int),
            "real" => Type::REAL,
            other => return Err(bad(at, format!("unknown type {other}"))),
        })
    }

    /// `%id = kind argument … type`.
    fn statement(&mut self, at: usize, words: &[Datum], depth: usize) -> Result<()> {
        let [id, equals, kind, args @ .., ty] = words else {
            return Err(bad(at, "a node is written %ID = KIND ARGUMENT … TYPE"));
        };
        let id = word(at, Some(id))?
            .strip_prefix('%')
            .and_then(|id| id.parse().ok());
        let id: u32 = id.ok_or_else(|| bad(at, "a node is written %ID = KIND ARGUMENT … TYPE"))?;
        if &*word(at, Some(equals))? != "=" {
            return Err(bad(at, "\"=\" is expected"));
        }
        let ty = self.ty(at, ty)?;
        let index = |datum: Option<&Datum>| match datum.map(|datum| &datum.kind) {
            Some(DatumKind::Int(index)) => {
                u32::try_from(*index).map_err(|_| bad(at, "an index is expected"))
            }
            _ => Err(bad(at, "an index is expected")),
        };
        let op = |datum: Option<&Datum>| {
            let name = word(at, datum)?;
            ops::find(&name).ok_or_else(|| bad(at, format!("unknown operation {name}")))
        };
        let kind_name = word(at, Some(kind))?;
        let (kind, args) = match &*kind_name {
            "const" => {
                let datum = args
                    .first()
                    .ok_or_else(|| bad(at, "a constant is expected"))?;
                (NodeKind::Constant(Constant::quote(datum)), &args[1..])
            }
            "port" => (NodeKind::Port(index(args.first())?), &args[1..]),
            "param" => (NodeKind::RegionParam, args),
            "primitive" => (NodeKind::Primitive(op(args.first())?), &args[1..]),
            "get" => match args {
                [node, last] => (
                    NodeKind::Get(index(Some(last))?),
                    std::slice::from_ref(node),
                ),
                _ => return Err(bad(at, "get takes a node and an index")),
            },
            "lu-solve" => {
                let (n, m) = (index(args.first())?, index(args.get(1))?);
                (NodeKind::Linear(Linear::Solve { n, m }), &args[2..])
            }
            "cofactors" => {
                let n = index(args.first())?;
                (NodeKind::Linear(Linear::Cofactors { n }), &args[1..])
            }
            "call" => (NodeKind::Call(FunctionId(index(args.first())?)), &args[1..]),
            "closure" => (
                NodeKind::Closure(FunctionId(index(args.first())?)),
                &args[1..],
            ),
            "apply-closure" => (NodeKind::Apply, args),
            "if" => (NodeKind::If(RegionId(0), RegionId(0)), args),
            "loop" => (NodeKind::Loop(RegionId(0), RegionId(0)), args),
            "reverse" => (NodeKind::Reverse(RegionId(0)), args),
            _ => (NodeKind::Op(op(Some(kind))?), args),
        };
        let args = args
            .iter()
            .map(|arg| self.node(at, Some(arg)))
            .collect::<Result<Vec<NodeId>>>()?;
        let kind = match kind {
            NodeKind::If(..) => {
                self.builder.open_region(&[]);
                let results = self.region(at, depth + 1)?;
                let then = self.builder.close_region(results);
                self.expect(at, "else")?;
                self.builder.open_region(&[]);
                let results = self.region(at, depth + 1)?;
                let otherwise = self.builder.close_region(results);
                self.expect(at, "end")?;
                NodeKind::If(then, otherwise)
            }
            NodeKind::Loop(..) => {
                self.builder.open_loop(&[]);
                let flag = self.region(at, depth + 1)?;
                self.expect(at, "do")?;
                self.builder.open_next();
                let states = self.region(at, depth + 2)?;
                let next = self.builder.close_region(states);
                let head = self.builder.close_region(flag);
                self.expect(at, "end")?;
                NodeKind::Loop(head, next)
            }
            NodeKind::Reverse(_) => {
                self.builder.open_loop(&[]);
                let carries = self.region(at, depth + 1)?;
                let back = self.builder.close_region(carries);
                self.expect(at, "end")?;
                NodeKind::Reverse(back)
            }
            kind => kind,
        };
        let node = match kind {
            NodeKind::RegionParam => self.builder.push_param(ty),
            kind => self.builder.push(kind, args, ty),
        };
        match self.nodes.insert(id, node) {
            None => Ok(()),
            Some(_) => Err(bad(at, format!("node %{id} is defined twice"))),
        }
    }
}

/// The data of a line; a number in front of `]` or `,` included.
fn tokens(at: usize, line: &str) -> Result<Vec<Datum>> {
    let limits = reader::Limits {
        bytes: 1 << 24,
        depth: 1000,
    };
    let line = match line.trim_start().starts_with("parameter ") {
        true => line.replace(", ", " "),
        false => line.to_string(),
    };
    reader::read(&line, limits).map_err(|error| bad(at, error.message))
}

/// The symbol or string that `datum` is.
fn word(at: usize, datum: Option<&Datum>) -> Result<Arc<str>> {
    match datum.map(|datum| &datum.kind) {
        Some(DatumKind::Symbol(name) | DatumKind::Str(name)) => Ok(name.clone()),
        _ => Err(bad(at, "a name is expected")),
    }
}

/// The numbers that `datum` is or holds.
fn numbers(datum: &Datum) -> Vec<f64> {
    match &datum.kind {
        DatumKind::List(items, None) => items.iter().flat_map(numbers).collect(),
        _ => Constant::quote(datum).as_real().into_iter().collect(),
    }
}

fn value(at: usize, datum: &Datum) -> Result<Value> {
    if let Some([_, quoted]) = datum.form("quote") {
        return Ok(Value::Constant(Constant::quote(quoted)));
    }
    if let Some([_, rows @ ..]) = datum.form("vec") {
        let rows = rows.iter().map(|row| value(at, row));
        return Value::array(rows.collect::<Result<_>>()?)
            .ok_or_else(|| bad(at, "an array holds outputs, in rows of equal length"));
    }
    match &datum.kind {
        DatumKind::Symbol(word) if &**word == "procedure" => Ok(Value::Procedure),
        DatumKind::Symbol(word) => {
            let index = word.strip_prefix('$').and_then(|index| index.parse().ok());
            index
                .map(Value::Output)
                .ok_or_else(|| bad(at, "$INDEX is expected"))
        }
        DatumKind::List(items, tail) => {
            // `(a . 'b)` reads as `(a quote b)`: a bare name can only begin what stands behind the dot
            let begins =
                |item: &Datum| matches!(item.symbol().map(|s| &**s), Some("quote" | "vec"));
            let behind = items.iter().position(begins).filter(|index| *index > 0);
            let tail = match behind {
                Some(index) => Some(Box::new(Datum {
                    kind: DatumKind::List(items[index..].to_vec(), None),
                    span: datum.span,
                })),
                None => tail.clone(),
            };
            let items = items[..behind.unwrap_or(items.len())]
                .iter()
                .map(|item| value(at, item))
                .collect::<Result<Vec<Value>>>()?;
            let tail = tail
                .as_ref()
                .map(|tail| value(at, tail).map(Box::new))
                .transpose()?;
            Ok(Value::List(items, tail))
        }
        _ => Err(bad(at, "a value is expected")),
    }
}

impl Graph {
    /// The same graph without places in the source: what the text form keeps.
    pub fn without_spans(&self) -> Graph {
        let mut graph = self.clone();
        graph
            .nodes
            .iter_mut()
            .for_each(|node| node.span = Span::default());
        graph
    }
}
