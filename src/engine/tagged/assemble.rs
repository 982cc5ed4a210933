//! Graph → code of the machine. Each node gets a slot of its own in the activation of its function; what stands in tail
//! position becomes a tail call.

use std::collections::HashMap;
use std::sync::Arc;

use super::code::{Code, Routine, Slot, Slots, Step};
use super::heap::Heap;
use super::value::Value;
use crate::error::{Error, ErrorKind, Result, Span};
use crate::graph::{Graph, NodeId, NodeKind, RegionId, verify_numeric};
use crate::ops::real::Real;
use crate::ops::{Op, Role, wording};
use crate::syntax::ast::Constant;

/// The code of a verified graph, and the heap with its constants, which takes at most `max_heap` cells.
///
/// # Errors
/// `Unsupported` for what only graphs of derivatives hold, `Limit` where the constants do not fit on the heap.
pub fn assemble<T: Real>(graph: &Graph, max_heap: usize) -> Result<(Code<T>, Heap<T>)> {
    let mut assembler = Assembler {
        graph,
        slots: vec![0; graph.nodes.len()],
        next: 0,
        names: HashMap::new(),
        strings: HashMap::new(),
        span: Span::default(),
        code: Code {
            steps: Vec::new(),
            spans: Vec::new(),
            operands: Vec::new(),
            constants: Vec::new(),
            linears: Vec::new(),
            routines: Vec::new(),
            slots: 0,
            results: Vec::new(),
            symbols: Vec::new(),
            whole_powers: verify_numeric(graph).is_err(),
        },
        heap: Heap::new(max_heap),
    };
    assembler.region(RegionId(0))?;
    assembler.step(Step::Finish);
    let results = graph.body().results.iter();
    assembler.code.results = results.map(|node| assembler.slots[node.index()]).collect();
    assembler.code.slots = assembler.next;
    for function in &graph.functions {
        assembler.next = 0;
        let entry = assembler.here();
        for param in &graph.region(function.body).params {
            assembler.allot(*param);
        }
        assembler.tail(function.body)?;
        assembler.code.routines.push(Routine {
            name: function.name.clone(),
            entry,
            slots: assembler.next,
            captures: function.captures.len() as u32,
            params: function.params.len() as u32,
            rest: function.rest,
        });
    }
    assembler.heap.fix();
    Ok((assembler.code, assembler.heap))
}

struct Assembler<'a, T> {
    graph: &'a Graph,
    /// The slot of each node; of an `if` and a loop, the first of those of their values.
    slots: Vec<Slot>,
    /// The next free slot of the function at hand.
    next: Slot,
    /// The index of each symbol.
    names: HashMap<Arc<str>, u32>,
    /// The value of each string.
    strings: HashMap<Arc<str>, Value<T>>,
    span: Span,
    code: Code<T>,
    heap: Heap<T>,
}

impl<T: Real> Assembler<'_, T> {
    fn here(&self) -> u32 {
        self.code.steps.len() as u32
    }

    fn step(&mut self, step: Step) -> usize {
        self.code.steps.push(step);
        self.code.spans.push(self.span);
        self.code.steps.len() - 1
    }

    fn reserve(&mut self, count: usize) -> Slot {
        let first = self.next;
        self.next += count as u32;
        first
    }

    fn allot(&mut self, node: NodeId) -> Slot {
        let slot = self.reserve(1);
        self.slots[node.index()] = slot;
        slot
    }

    fn slot(&self, node: NodeId) -> Slot {
        self.slots[node.index()]
    }

    fn list(&mut self, slots: impl IntoIterator<Item = Slot>) -> Slots {
        let start = self.code.operands.len() as u32;
        self.code.operands.extend(slots);
        Slots {
            start,
            count: self.code.operands.len() as u32 - start,
        }
    }

    fn operands(&mut self, nodes: &[NodeId]) -> Slots {
        let slots: Vec<Slot> = nodes.iter().map(|node| self.slot(*node)).collect();
        self.list(slots)
    }

    /// Sets where the jump at `step` goes.
    fn land(&mut self, step: usize) {
        let here = self.here();
        if let Step::Jump { target } | Step::Unless { target, .. } = &mut self.code.steps[step] {
            *target = here;
        }
    }

    /// The code of a region.
    fn region(&mut self, region: RegionId) -> Result<()> {
        let graph = self.graph;
        for node in &graph.region(region).nodes {
            self.node(*node)?;
        }
        Ok(())
    }

    /// The code of a region whose value is that of the function.
    fn tail(&mut self, region: RegionId) -> Result<()> {
        let graph = self.graph;
        let region = graph.region(region);
        let result = region.results[0];
        // what is computed last, if it is the result
        let last = region.nodes.last().filter(|last| **last == result);
        let kind = |node: NodeId| &graph.node(node).kind;
        let (before, of) = match last.map(|last| (kind(*last), *last)) {
            Some((NodeKind::Call(_) | NodeKind::Apply | NodeKind::Op(Op::Apply), last)) => {
                (&region.nodes[..region.nodes.len() - 1], last)
            }
            Some((NodeKind::Get(0), get)) => {
                let of = graph.node(get).args[0];
                let nodes = &region.nodes[..region.nodes.len() - 1];
                match (nodes.split_last(), kind(of)) {
                    (Some((last, before)), NodeKind::If(..)) if *last == of => (before, of),
                    _ => (&region.nodes[..], result),
                }
            }
            _ => (&region.nodes[..], result),
        };
        for node in before {
            self.node(*node)?;
        }
        let node = graph.node(of);
        self.span = node.span;
        if before.len() == region.nodes.len() {
            let from = self.slot(result);
            self.step(Step::Return { from });
            return Ok(());
        }
        match &node.kind {
            NodeKind::If(then, otherwise) => {
                let test = self.slot(node.args[0]);
                let unless = self.step(Step::Unless { test, target: 0 });
                self.tail(*then)?;
                self.land(unless);
                self.tail(*otherwise)?;
            }
            NodeKind::Call(function) => {
                let args = self.operands(&node.args);
                let function = function.0;
                self.step(Step::TailCall { function, args });
            }
            NodeKind::Apply => {
                let args = self.operands(&node.args);
                self.step(Step::TailApply { args });
            }
            _ => {
                let args = self.operands(&node.args);
                self.step(Step::TailApplyList { args });
            }
        }
        Ok(())
    }

    fn node(&mut self, id: NodeId) -> Result<()> {
        let graph = self.graph;
        let node = graph.node(id);
        self.span = node.span;
        match &node.kind {
            // those of a function and of a loop have their slots already
            NodeKind::RegionParam => {}
            NodeKind::Constant(constant) => {
                let value = self.constant(constant)?;
                self.put(id, value);
            }
            NodeKind::Primitive(op) => self.put(id, Value::Primitive(*op)),
            NodeKind::Port(port) => {
                let (out, port) = (self.allot(id), *port);
                self.step(Step::Port { out, port });
            }
            NodeKind::Get(index) => {
                // the values of an `if` and of a loop stand where those leave them
                self.slots[id.index()] = self.slot(node.args[0]) + index;
            }
            NodeKind::Op(Op::Apply) => {
                let args = self.operands(&node.args);
                let out = self.allot(id);
                self.step(Step::ApplyList { out, args });
            }
            NodeKind::Op(op) => self.operation(id, *op)?,
            NodeKind::If(then, otherwise) => self.branch(id, *then, *otherwise)?,
            NodeKind::Loop(head, next) => self.repeat(id, *head, *next)?,
            NodeKind::Linear(linear) => {
                let args = self.operands(&node.args);
                let index = self.code.linears.len() as u32;
                self.code.linears.push(*linear);
                let out = self.reserve(linear.values());
                self.slots[id.index()] = out;
                self.step(Step::Linear { index, out, args });
            }
            NodeKind::Reverse(_) => return Err(derived("the way back over a loop")),
            NodeKind::Call(function) => {
                let args = self.operands(&node.args);
                let (out, function) = (self.allot(id), function.0);
                self.step(Step::Call {
                    function,
                    out,
                    args,
                });
            }
            NodeKind::Closure(function) => {
                let captures = self.operands(&node.args);
                let (out, function) = (self.allot(id), function.0);
                self.step(Step::Closure {
                    function,
                    out,
                    captures,
                });
            }
            NodeKind::Apply => {
                let args = self.operands(&node.args);
                let out = self.allot(id);
                self.step(Step::Apply { out, args });
            }
        }
        Ok(())
    }

    fn put(&mut self, id: NodeId, value: Value<T>) {
        let constant = self.code.constants.len() as u32;
        self.code.constants.push(value);
        let out = self.allot(id);
        self.step(Step::Constant { out, constant });
    }

    fn operation(&mut self, id: NodeId, op: Op) -> Result<()> {
        match op.row().role {
            Role::Missing => {
                return Err(Error::new(ErrorKind::Unsupported, wording::missing(op)).at(self.span));
            }
            _ if matches!(op, Op::BatchSum | Op::BatchCount) => {
                return Err(derived("a sum over the batch"));
            }
            _ => {}
        }
        let args = &self.graph.node(id).args;
        let step = match args[..] {
            [a] => Step::One {
                op,
                a: self.slot(a),
                out: self.allot(id),
            },
            [a, b] => Step::Two {
                op,
                a: self.slot(a),
                b: self.slot(b),
                out: self.allot(id),
            },
            _ => Step::Many {
                op,
                args: self.operands(args),
                out: self.allot(id),
            },
        };
        self.step(step);
        Ok(())
    }

    fn branch(&mut self, id: NodeId, then: RegionId, otherwise: RegionId) -> Result<()> {
        let graph = self.graph;
        let test = self.slot(graph.node(id).args[0]);
        let values = self.reserve(graph.region(then).results.len());
        self.slots[id.index()] = values;
        let unless = self.step(Step::Unless { test, target: 0 });
        self.arm(then, values)?;
        let jump = self.step(Step::Jump { target: 0 });
        self.land(unless);
        self.arm(otherwise, values)?;
        self.land(jump);
        Ok(())
    }

    fn arm(&mut self, arm: RegionId, values: Slot) -> Result<()> {
        self.region(arm)?;
        let graph = self.graph;
        for (i, result) in graph.region(arm).results.iter().enumerate() {
            let (from, out) = (self.slot(*result), values + i as u32);
            self.step(Step::Move { out, from });
        }
        Ok(())
    }

    /// The states of a loop are the parameters of its head; they are its values when it ends.
    fn repeat(&mut self, id: NodeId, head: RegionId, next: RegionId) -> Result<()> {
        let graph = self.graph;
        let inits = self.operands(&graph.node(id).args);
        let states = self.reserve(inits.count as usize);
        for (i, param) in graph.region(head).params.iter().enumerate() {
            self.slots[param.index()] = states + i as u32;
        }
        self.slots[id.index()] = states;
        let out = self.list(states..states + inits.count);
        self.step(Step::MoveAll { from: inits, out });
        let again = self.here();
        self.region(head)?;
        let test = self.slot(graph.region(head).results[0]);
        let unless = self.step(Step::Unless { test, target: 0 });
        self.region(next)?;
        self.span = graph.node(id).span;
        let from = self.operands(&graph.region(next).results);
        self.step(Step::MoveAll { from, out });
        self.step(Step::Repeat { target: again });
        self.land(unless);
        Ok(())
    }

    /// A constant as a value: lists and strings on the heap.
    fn constant(&mut self, constant: &Constant) -> Result<Value<T>> {
        Ok(match constant {
            Constant::Bool(value) => Value::Bool(*value),
            Constant::Int(value) => Value::Int(*value),
            Constant::Real(value) => Value::real(T::of(*value)),
            Constant::Char(value) => Value::Char(*value),
            Constant::Symbol(name) => {
                let (names, symbols) = (&mut self.names, &mut self.code.symbols);
                let id = *names.entry(name.clone()).or_insert_with(|| {
                    symbols.push(name.clone());
                    symbols.len() as u32 - 1
                });
                Value::Symbol(id)
            }
            Constant::Str(text) => {
                if let Some(value) = self.strings.get(text) {
                    return Ok(*value);
                }
                let address = self.heap.next();
                for c in text.chars() {
                    self.heap.push(Value::Char(c))?;
                }
                let value = Value::Str(address, self.heap.next() - address);
                self.strings.insert(text.clone(), value);
                value
            }
            Constant::List(items, tail) => {
                let items = items.iter().map(|item| self.constant(item));
                let items = items.collect::<Result<Vec<Value<T>>>>()?;
                let tail = match tail {
                    Some(tail) => self.constant(tail)?,
                    None => Value::Nil,
                };
                self.heap.list(&items, tail)?
            }
        })
    }
}

fn derived(what: &str) -> Error {
    let message = format!("the tagged engine differentiates by itself: it does not run {what}");
    Error::new(ErrorKind::Unsupported, message)
}
