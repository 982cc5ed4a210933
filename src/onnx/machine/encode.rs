//! A general graph as a program of the machine.
//!
//! A frame is: where the call goes back to, the closure that was called, the parameters, the captured values, then a cell for
//! each node. Constants have cells of their own in front of the stack.

mod calls;
mod library;
mod operations;

use std::collections::HashMap;
use std::sync::Arc;

use super::FIRST;
use super::set::{Code, INSTRUCTION, TOO_LARGE, tag};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::graph::{Function, Graph, NodeId, NodeKind, PortKind, RegionId, write_out_choices};
use crate::ops::{Op, SoftChoice};
use crate::syntax::ast::Constant;

/// The first parameter of a frame.
const PARAMETERS: i64 = 2;

/// A program as tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// Instructions, one a row.
    pub code: Vec<[i64; INSTRUCTION]>,
    /// The cells in front of the stack: tag, payload, reference.
    pub cells: Vec<[f64; 3]>,
    /// The names of the inputs and parameters, in the order of the rows of `inputs`.
    pub inputs: Vec<Arc<str>>,
    /// The initial values of parameters.
    pub initial: Vec<Option<f64>>,
}

/// Where an operand stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A cell with a fixed address.
    Cell(i64),
    /// A cell of the frame.
    Slot(i64),
    /// A cell of the frame that the next call opens.
    Callee(i64),
}

/// The cell that is false; operands that an operation does not have stand there.
const FALSE: Place = Place::Cell(0);
const VALUE: Place = Place::Cell(1);

#[derive(Clone, Debug)]
struct Instruction {
    operation: i64,
    /// Where it goes on: at the instruction behind it unless another is given.
    next: Option<usize>,
    other: usize,
    whole: i64,
    arguments: i64,
    operands: [Place; 4],
    to: Place,
    /// Cells of the frame in which it stands.
    frame: i64,
}

/// A function's instructions.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// For calls with captures and arguments.
    body: usize,
    /// For calls of closures.
    closure: usize,
}

/// An instruction that goes to a function which may not be written yet.
#[derive(Clone, Copy)]
enum Target {
    Body(usize),
    Closure(usize),
}

/// Encodes a verified graph whose value is one number; soft choices are made as `settings` say.
///
/// # Errors
/// `Unsupported` for what the machine does not have: vectors and matrices, whole numbers beyond 2^53.
pub fn encode(graph: &Graph, settings: &SoftChoice) -> Result<Encoded> {
    let graph = &*write_out_choices(graph, settings);
    let mut encoder = Encoder {
        program: graph,
        graph,
        ports: graph.ports.len() as i64,
        map: HashMap::new(),
        next: PARAMETERS,
        most: PARAMETERS,
        started: 1,
        code: vec![],
        cells: vec![],
        known: HashMap::new(),
        names: HashMap::new(),
        entries: vec![],
        first_function: 0,
        targets: vec![],
        closures: vec![],
        wrapped: HashMap::new(),
        wrappers: vec![],
        library: None,
        too_large: false,
        span: Span::default(),
    };
    encoder.program()?;
    if encoder.too_large {
        return Err(encoder.refuse("whole numbers beyond 2^53"));
    }
    Ok(encoder.finish())
}

struct Encoder<'a> {
    program: &'a Graph,
    /// The graph at hand: that of the program, then that of the library.
    graph: &'a Graph,
    ports: i64,
    /// The values of nodes; of a node of several, the first.
    map: HashMap<NodeId, Place>,
    /// The next free cell of the frame, and the most that were taken.
    next: i64,
    most: i64,
    /// The first instruction of the function at hand.
    started: usize,
    code: Vec<Instruction>,
    /// The cells behind those of the inputs.
    cells: Vec<[f64; 3]>,
    known: HashMap<(u8, u64), Place>,
    /// The numbers of symbols and strings.
    names: HashMap<(u8, Arc<str>), usize>,
    entries: Vec<Entry>,
    /// The place in `entries` of the first function of the graph at hand.
    first_function: usize,
    /// Instructions whose other next one is a function, or whose whole number is.
    targets: Vec<(usize, Target)>,
    /// Cells of closures without captures: their payload is a function.
    closures: Vec<(usize, usize)>,
    /// Operations that are values.
    wrapped: HashMap<Op, Place>,
    /// Those that are still to be written, with their places in `entries`.
    wrappers: Vec<(Op, usize)>,
    /// The functions of the library by name, once it is needed.
    library: Option<HashMap<Arc<str>, usize>>,
    /// Whether there is a whole number that reals do not hold.
    too_large: bool,
    span: Span,
}

impl Encoder<'_> {
    fn program(&mut self) -> Result<()> {
        let graph = self.graph;
        // number 0 ends a run
        self.emit(Code::Raise, &[], FALSE);
        self.entries = vec![Entry::default(); graph.functions.len()];
        self.region(RegionId(0))?;
        let [result] = graph.body().results[..] else {
            return Err(self.refuse("a program whose value is more than one number"));
        };
        let value = self.place(result)?;
        let end = self.emit(Code::Move1, &[value], VALUE);
        self.code[end].next = Some(0);
        self.close();
        self.functions(graph, 0)?;
        self.write_wrappers()?;
        self.write_library()?;
        self.write_wrappers()
    }

    /// Writes the functions of a graph.
    fn functions(&mut self, graph: &Graph, first: usize) -> Result<()> {
        for (index, function) in graph.functions.iter().enumerate() {
            self.function(function, first + index)?;
        }
        Ok(())
    }

    fn function(&mut self, function: &Function, index: usize) -> Result<()> {
        let (captures, params) = (function.captures.len(), function.params.len());
        // the list of the arguments that are left stands behind the parameters
        let fixed = params + usize::from(function.rest);
        self.open();
        let slots = (fixed..fixed + captures).chain(0..fixed);
        let nodes = self.graph.region(function.body).params.iter();
        for (node, slot) in nodes.zip(slots) {
            self.map
                .insert(*node, Place::Slot(PARAMETERS + slot as i64));
        }
        self.next = PARAMETERS + (captures + fixed) as i64;
        let closure = match function.rest {
            true => self.enter_rest(params, captures)?,
            false => self.enter(params, captures)?,
        };
        self.entries[index] = Entry {
            closure,
            body: self.code.len(),
        };
        self.tail(function.body)?;
        self.close();
        Ok(())
    }

    fn refuse(&self, what: &str) -> Error {
        let message = format!("interpreter.onnx does not run {what}; compile the program instead");
        Error::new(ErrorKind::Unsupported, message).at(self.span)
    }

    /// Begins a function.
    fn open(&mut self) {
        (self.next, self.most) = (PARAMETERS, PARAMETERS);
        self.started = self.code.len();
    }

    /// Ends a function: says how large its frame is.
    fn close(&mut self) {
        for instruction in &mut self.code[self.started..] {
            instruction.frame = self.most;
        }
    }

    fn take(&mut self, up_to: i64) {
        self.most = self.most.max(up_to);
    }

    fn slots(&mut self, count: usize) -> i64 {
        let first = self.next;
        self.next += count as i64;
        self.take(self.next);
        first
    }

    fn slot(&mut self) -> Place {
        Place::Slot(self.slots(1))
    }

    /// The place of a node's value; a new one unless it has been given one.
    fn allot(&mut self, node: NodeId) -> Place {
        if let Some(place) = self.map.get(&node) {
            return *place;
        }
        let slot = self.slot();
        self.map.insert(node, slot);
        slot
    }

    fn place(&self, node: NodeId) -> Result<Place> {
        let place = self.map.get(&node).copied();
        place.ok_or_else(|| self.refuse("a value that is used before it is made"))
    }

    fn places(&self, nodes: &[NodeId]) -> Result<Vec<Place>> {
        nodes.iter().map(|node| self.place(*node)).collect()
    }

    fn push(&mut self, operation: i64, operands: &[Place], to: Place) -> usize {
        let mut four = [FALSE; 4];
        four[..operands.len()].copy_from_slice(operands);
        self.code.push(Instruction {
            operation,
            next: None,
            other: 0,
            whole: 0,
            arguments: 0,
            operands: four,
            to,
            frame: 0,
        });
        self.code.len() - 1
    }

    fn emit(&mut self, code: Code, operands: &[Place], to: Place) -> usize {
        self.push(code as i64, operands, to)
    }

    /// A cell with these numbers.
    fn cell(&mut self, cell: [f64; 3]) -> Place {
        let key = (cell[0] as u8, cell[1].to_bits());
        if let Some(place) = self.known.get(&key) {
            return *place;
        }
        let place = self.new_cell(cell);
        self.known.insert(key, place);
        place
    }

    fn new_cell(&mut self, cell: [f64; 3]) -> Place {
        self.cells.push(cell);
        Place::Cell(FIRST + self.ports + self.cells.len() as i64 - 1)
    }

    fn name(&mut self, kind: u8, name: &Arc<str>) -> f64 {
        let next = self.names.len();
        *self.names.entry((kind, name.clone())).or_insert(next) as f64
    }

    fn constant(&mut self, constant: &Constant) -> Place {
        if let Constant::Int(value) = constant
            && value.unsigned_abs() as f64 >= TOO_LARGE
        {
            self.too_large = true;
        }
        let (tag, payload) = match constant {
            Constant::Bool(value) => (tag::BOOLEAN, f64::from(u8::from(*value))),
            Constant::Int(value) => (tag::INTEGER, *value as f64),
            Constant::Real(value) => (tag::REAL, *value),
            Constant::Char(value) => (tag::CHARACTER, f64::from(u32::from(*value))),
            Constant::Symbol(name) => (tag::SYMBOL, self.name(tag::SYMBOL as u8, name)),
            Constant::Str(text) => (tag::STRING, self.name(tag::STRING as u8, text)),
            Constant::List(items, tail) => {
                let mut list = match tail {
                    Some(tail) => self.constant(tail),
                    None => self.nil(),
                };
                for item in items.iter().rev() {
                    let item = self.constant(item);
                    let (car, cdr) = (self.content(item), self.content(list));
                    let address = self.new_cell(car);
                    self.new_cell(cdr);
                    if let Place::Cell(address) = address {
                        list = self.cell([tag::PAIR as f64, address as f64, -1.0]);
                    }
                }
                return list;
            }
        };
        self.cell([tag as f64, payload, -1.0])
    }

    /// What stands in a cell of constants.
    fn content(&self, place: Place) -> [f64; 3] {
        match place {
            Place::Cell(address) => self.cells[(address - FIRST - self.ports) as usize],
            _ => [0.0; 3],
        }
    }

    fn region(&mut self, region: RegionId) -> Result<()> {
        let nodes = self.graph.region(region).nodes.clone();
        nodes.into_iter().try_for_each(|node| self.node(node))
    }

    /// The instructions of a region whose value is that of the function.
    fn tail(&mut self, region: RegionId) -> Result<()> {
        let graph = self.graph;
        let region = graph.region(region);
        let result = region.results[0];
        let (before, last) = match region.nodes.split_last() {
            Some((last, before)) if *last == result => (before, *last),
            _ => (&region.nodes[..], result),
        };
        let of = match graph.node(last).kind {
            NodeKind::Get(0) if before.last() == Some(&graph.node(last).args[0]) => {
                graph.node(last).args[0]
            }
            _ => last,
        };
        let ends = before.len() < region.nodes.len();
        match &graph.node(of).kind {
            NodeKind::If(then, otherwise) if ends && of != last => {
                let (then, otherwise) = (*then, *otherwise);
                before[..before.len() - 1]
                    .iter()
                    .try_for_each(|node| self.node(*node))?;
                let test = self.place(graph.node(of).args[0])?;
                let branch = self.emit(Code::Branch, &[test], FALSE);
                self.tail(then)?;
                self.code[branch].other = self.code.len();
                self.tail(otherwise)
            }
            NodeKind::Call(function) if ends => {
                before.iter().try_for_each(|node| self.node(*node))?;
                let target = self.first_function + function.0 as usize;
                let args = self.arguments(&graph.node(of).args, function.0 as usize)?;
                let last = self.move_all(&args, PARAMETERS)?;
                self.targets.push((last, Target::Body(target)));
                Ok(())
            }
            NodeKind::Apply if ends => {
                before.iter().try_for_each(|node| self.node(*node))?;
                let args = self.places(&graph.node(of).args)?;
                self.tail_closure(&args)
            }
            NodeKind::Op(Op::Apply) if ends => {
                before.iter().try_for_each(|node| self.node(*node))?;
                let args = self.places(&graph.node(of).args)?;
                self.apply(&args, None)
            }
            _ => {
                region.nodes.iter().try_for_each(|node| self.node(*node))?;
                let value = self.place(result)?;
                self.give(value);
                Ok(())
            }
        }
    }

    fn give(&mut self, value: Place) {
        let back = [value, FALSE, Place::Slot(0)];
        self.emit(Code::Return, &back, FALSE);
    }

    fn node(&mut self, id: NodeId) -> Result<()> {
        let graph = self.graph;
        let node = graph.node(id);
        if node.span != Span::default() {
            self.span = node.span;
        }
        match &node.kind {
            NodeKind::RegionParam => {}
            NodeKind::Constant(constant) => {
                let place = self.constant(constant);
                self.map.insert(id, place);
            }
            NodeKind::Primitive(op) => {
                let place = self.wrapper(*op)?;
                self.map.insert(id, place);
            }
            NodeKind::Port(port) => {
                self.map.insert(id, Place::Cell(FIRST + i64::from(*port)));
            }
            NodeKind::Get(index) => {
                if let Place::Slot(first) = self.place(node.args[0])? {
                    self.map.insert(id, Place::Slot(first + i64::from(*index)));
                }
            }
            NodeKind::Op(Op::Apply) => {
                let args = self.places(&node.args)?;
                let to = self.allot(id);
                self.apply(&args, Some(to))?;
            }
            NodeKind::Op(op) => {
                let args = self.places(&node.args)?;
                let value = self.operation(*op, &args, &node.args)?;
                self.map.insert(id, value);
            }
            NodeKind::If(then, otherwise) => self.branch(id, *then, *otherwise)?,
            NodeKind::Loop(head, next) => self.repeat(id, *head, *next)?,
            NodeKind::Call(function) => {
                let target = self.first_function + function.0 as usize;
                let args = self.arguments(&node.args, function.0 as usize)?;
                let to = self.allot(id);
                self.call(target, &args, to)?;
            }
            NodeKind::Closure(function) => {
                let target = self.first_function + function.0 as usize;
                let captures = self.places(&node.args)?;
                self.closure(id, target, &captures);
            }
            NodeKind::Apply => {
                let args = self.places(&node.args)?;
                let to = self.allot(id);
                self.call_closure(&args, to)?;
            }
            NodeKind::Linear(linear) => return Err(self.refuse(linear.name())),
            NodeKind::Reverse(_) => return Err(self.refuse("the way back over a loop")),
        }
        Ok(())
    }

    fn branch(&mut self, id: NodeId, then: RegionId, otherwise: RegionId) -> Result<()> {
        let test = self.place(self.graph.node(id).args[0])?;
        let count = self.graph.region(then).results.len();
        let values = self.slots(count);
        self.map.insert(id, Place::Slot(values));
        let branch = self.emit(Code::Branch, &[test], FALSE);
        self.arm(then, values)?;
        let leave = self.code.len() - 1;
        self.code[branch].other = self.code.len();
        self.arm(otherwise, values)?;
        let here = self.code.len();
        self.code[leave].next = Some(here);
        Ok(())
    }

    fn arm(&mut self, arm: RegionId, values: i64) -> Result<()> {
        self.region(arm)?;
        let results = self.places(&self.graph.region(arm).results)?;
        for (i, some) in results.chunks(4).enumerate() {
            self.move_few(some, Place::Slot(values + 4 * i as i64));
        }
        if results.is_empty() {
            self.move_few(&[], FALSE);
        }
        Ok(())
    }

    /// The states of a loop stand in its values.
    fn repeat(&mut self, id: NodeId, head: RegionId, next: RegionId) -> Result<()> {
        let graph = self.graph;
        let inits = self.places(&graph.node(id).args)?;
        let states = self.slots(inits.len());
        for (i, param) in graph.region(head).params.iter().enumerate() {
            self.map.insert(*param, Place::Slot(states + i as i64));
        }
        self.map.insert(id, Place::Slot(states));
        self.move_all(&inits, states)?;
        let again = self.code.len();
        self.region(head)?;
        let test = self.place(graph.region(head).results[0])?;
        let branch = self.emit(Code::Branch, &[test], FALSE);
        self.region(next)?;
        let from = self.places(&graph.region(next).results)?;
        let last = self.move_all(&from, states)?;
        self.code[last].next = Some(again);
        self.code[branch].other = self.code.len();
        Ok(())
    }

    fn finish(mut self) -> Encoded {
        for (instruction, target) in std::mem::take(&mut self.targets) {
            let code = &mut self.code[instruction];
            match target {
                Target::Body(index) if code.operation == Code::Call as i64 => {
                    code.other = self.entries[index].body;
                }
                Target::Body(index) => code.next = Some(self.entries[index].body),
                Target::Closure(index) => code.whole = self.entries[index].closure as i64,
            }
        }
        for (cell, target) in &self.closures {
            self.cells[*cell][1] = self.entries[*target].closure as f64;
        }
        let mut cells = vec![
            [tag::BOOLEAN as f64, 0.0, -1.0],
            [tag::NIL as f64, 0.0, -1.0],
            [tag::NIL as f64, 0.0, -1.0],
        ];
        cells.extend(&self.cells);
        // four cells are fetched at once
        cells.extend([[tag::NIL as f64, 0.0, -1.0]; 4]);
        let rows = self.code.iter().enumerate();
        let initial = |kind: &PortKind| match kind {
            PortKind::Parameter { initial, .. } => Some(*initial),
            PortKind::Input => None,
        };
        let ports = &self.program.ports;
        Encoded {
            code: rows.map(|(i, row)| row.numbers(i)).collect(),
            cells,
            inputs: ports.iter().map(|port| port.name.clone()).collect(),
            initial: ports.iter().map(|port| initial(&port.kind)).collect(),
        }
    }
}

impl Instruction {
    fn numbers(&self, index: usize) -> [i64; INSTRUCTION] {
        let mut row = [0; INSTRUCTION];
        let next = self.next.unwrap_or(index + 1) as i64;
        row[..5].copy_from_slice(&[
            self.operation,
            next,
            self.other as i64,
            self.whole,
            self.arguments,
        ]);
        let places = self.operands.iter().chain([&self.to]);
        let callee = Place::Callee(0);
        for (i, place) in places.chain([&callee]).enumerate() {
            let (from_frame, address) = match place {
                Place::Cell(address) => (0, *address),
                Place::Slot(slot) => (1, *slot),
                Place::Callee(slot) => (1, self.frame + slot),
            };
            row[5 + i] = from_frame;
            row[11 + i] = address;
        }
        row
    }
}
