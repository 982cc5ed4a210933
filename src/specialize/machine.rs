//! The machine: activations of functions, frames of regions, and what a finished region gives its values to.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::decide::{Decision, Decisions, Site, Start};
use super::network::Numbers;
use super::repeat::{Mode, Repeat};
use super::slots::Slots;
use super::tail::Tails;
use super::trail::Trail;
use super::value::{Heap, Val};
use super::{Given, Limits, Prepared};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::graph::{
    Builder, Elem, FunctionId, Graph, Node, NodeId, NodeKind, Port, RegionId, Type,
};
use crate::lower::arity_message;
use crate::ops::{Op, wording};
use crate::syntax::ast::Constant;

/// Runs the body of `graph`; the numeric graph of what is left, not yet simplified.
///
/// Whether the tail calls of a procedure are followed one by one or become a loop turns out on the way; the run then begins
/// again, with that decided.
pub fn run(prepared: &Prepared, ports: &[Port], given: &[Given], limits: Limits) -> Result<Graph> {
    let graph = &prepared.graph;
    let mut decisions = Decisions::default();
    loop {
        let mut heap = Heap::default();
        let builder = Builder::new(ports.to_vec());
        let inputs = given.iter().map(|given| input(given, &mut heap, &builder));
        let inputs = inputs.collect();
        let mut machine = Machine {
            graph,
            limits,
            tails: &prepared.tails,
            networks: &prepared.networks,
            builder,
            heap,
            inputs,
            constants: HashMap::new(),
            slots: &prepared.slots,
            values: vec![Val::Unset; prepared.slots.in_body()],
            environments: vec![0],
            meanings: HashMap::new(),
            scratch: Vec::new(),
            frames: vec![Frame::of(RegionId(0), Then::Finish)],
            decisions: &decisions,
            decided: None,
            repeats: Vec::new(),
            steps: 0,
            branches: 0,
            span: Span::default(),
        };
        let error = match machine.run() {
            Ok(value) => return machine.finish(value),
            Err(error) => error.at(machine.span),
        };
        match (machine.decided, machine.repeats.last()) {
            (None, _) if error.kind == ErrorKind::Limit => return Err(error),
            (Some((start, decision)), _) => decisions.add(start, decision),
            // what fails inside a loop may not fail where its iterations are followed one by one
            // nor where its structure may change
            (None, Some(repeat)) => {
                let decision = match (&repeat.start, repeat.peeled) {
                    (Start::Site(_), false) => Decision::Peel,
                    _ => Decision::Follow(error),
                };
                decisions.add(repeat.start.clone(), decision);
            }
            // an arm that is never taken never matters: whether this fails is known only when the program runs
            (None, None) if machine.branches > 0 && error.kind == ErrorKind::Compile => {
                return Err(Error {
                    kind: ErrorKind::Unsupported,
                    ..error
                });
            }
            (None, None) => return Err(error),
        };
    }
}

/// The value of an input of the graph.
fn input(given: &Given, heap: &mut Heap, builder: &Builder) -> Val {
    match given {
        Given::Port(port) => Val::Node(builder.port(*port)),
        Given::Primitive(op) => Val::Primitive(*op),
        Given::Function(function) => Val::Closure(*function, Rc::from([])),
        Given::Constant(constant) => heap.constant(constant),
        Given::Association(entries) => {
            let mut pairs = Vec::with_capacity(entries.len());
            for (name, value) in entries {
                let value = input(value, heap, builder);
                pairs.push(heap.cons(Val::Constant(Constant::Symbol(name.clone())), value));
            }
            heap.list(pairs, Val::nil())
        }
    }
}

/// What happens with the values of a finished region.
pub enum Then {
    /// They are the value of the program.
    Finish,
    /// They are the value of this call, in the activation below.
    Return(NodeId, Activation),
    /// They are the values of this `if`, whose test was known.
    Taken(NodeId),
    /// They are those of the first of two arms, which this test decides; the second is to come.
    First(Fork, Arm),
    /// They are those of the second arm; the first arm's are here.
    Second(Fork, Rc<[Val]>, RegionId),
    /// They are what one pass over the body of the innermost open loop gives.
    Pass,
}

/// A call in progress.
#[derive(Clone)]
pub struct Activation {
    /// The function that is running.
    pub function: FunctionId,
    /// Where a chain of tail calls began.
    pub site: Site,
    /// How long it is.
    pub calls: usize,
    /// How many nodes the result had then.
    pub nodes: usize,
    /// The points that it has passed.
    pub trail: Option<Rc<Trail>>,
    /// The function and the name whose meaning its value is.
    pub asked: Option<(FunctionId, Arc<str>)>,
}

/// A branch on data whose arms are being evaluated.
pub struct Fork {
    /// The `if`, or the call of one of two procedures.
    pub branch: NodeId,
    /// The test.
    pub test: NodeId,
    /// The open loops that it is a tail position of, and how long their paths were.
    pub paths: Rc<[(usize, usize)]>,
}

/// An arm of a branch on data.
pub enum Arm {
    /// A region of an `if`.
    Region(RegionId),
    /// The call of one of two procedures on arguments.
    Call(Val, Vec<Val>),
    /// One side of an iteration that is taken off a repetition.
    Peeled(Box<Repeat>, Mode),
}

/// What is being evaluated: a region, or a call in an arm.
pub struct Frame {
    pub body: Body,
    next: usize,
    pub then: Then,
}

#[derive(Clone, Copy)]
pub enum Body {
    Region(RegionId),
    /// Waits for the value of this node.
    Value(NodeId),
}

impl Frame {
    pub fn waiting(body: Body, then: Then) -> Frame {
        Frame {
            body,
            next: 0,
            then,
        }
    }

    pub fn of(region: RegionId, then: Then) -> Frame {
        Frame {
            body: Body::Region(region),
            next: 0,
            then,
        }
    }
}

pub struct Machine<'a> {
    pub graph: &'a Graph,
    pub limits: Limits,
    pub tails: &'a Tails,
    /// For each function that is a network, what it computes.
    pub networks: &'a [Option<Numbers>],
    pub builder: Builder,
    pub heap: Heap,
    /// The values of the graph's inputs.
    pub inputs: Vec<Val>,
    /// The lists of constants so far: each is built once.
    constants: HashMap<NodeId, Val>,
    /// Where in an activation the value of a node lies.
    slots: &'a Slots,
    /// The values of the nodes of all activations of functions, innermost last.
    values: Vec<Val>,
    /// Where the values of each activation begin.
    environments: Vec<usize>,
    /// The primitives that functions give for names: an interpreter asks for the meaning of a name again and again.
    meanings: HashMap<(FunctionId, Arc<str>), Op>,
    /// The arguments of the node that is being evaluated; empty in between, so that its memory serves the next.
    scratch: Vec<Val>,
    pub frames: Vec<Frame>,
    /// What is known of chains of tail calls.
    pub decisions: &'a Decisions,
    /// What has turned out: the run begins again.
    pub decided: Option<(Start, Decision)>,
    /// The open loops, innermost last.
    pub repeats: Vec<Repeat>,
    pub steps: usize,
    /// How many branches on data are open.
    pub branches: usize,
    /// Where the node stands that is being evaluated.
    pub span: Span,
}

pub fn fail(message: String) -> Error {
    Error::new(ErrorKind::Compile, message)
}

pub fn too_many_steps(limit: usize) -> Error {
    let message = format!("the program takes more than {limit} steps to compile");
    Error::new(ErrorKind::Limit, message)
}

/// A call with a name and nothing else, captured values included: whatever it gives hangs on the name alone.
fn question(function: FunctionId, args: &[Val]) -> Option<(FunctionId, Arc<str>)> {
    match args {
        [Val::Constant(Constant::Symbol(name))] => Some((function, name.clone())),
        _ => None,
    }
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Val> {
        loop {
            let Some(frame) = self.frames.last_mut() else {
                return Err(fail("the program has no value".into()));
            };
            let results: Vec<Val> = match frame.body {
                Body::Value(node) => vec![self.get(node)],
                Body::Region(region) => {
                    let region = self.graph.region(region);
                    if let Some(node) = region.nodes.get(frame.next) {
                        frame.next += 1;
                        self.step(*node)?;
                        continue;
                    }
                    if let ([result], Then::Taken(branch)) = (&region.results[..], &frame.then) {
                        let (branch, value) = (*branch, self.get(*result));
                        self.frames.pop();
                        self.set(branch, value);
                        continue;
                    }
                    region.results.iter().map(|node| self.get(*node)).collect()
                }
            };
            let Some(frame) = self.frames.pop() else {
                return Err(fail("the program has no value".into()));
            };
            match frame.then {
                Then::Finish => {
                    return results
                        .into_iter()
                        .next()
                        .ok_or_else(|| fail("the program has no value".into()));
                }
                Then::Return(call, activation) => {
                    self.forget();
                    let value = results.into_iter().next().unwrap_or(Val::Unset);
                    if let (Some(question), Val::Primitive(op)) = (activation.asked, &value) {
                        self.meanings.insert(question, *op);
                    }
                    self.set(call, value);
                }
                Then::Taken(branch) => self.set(branch, Val::tuple(results)),
                Then::First(fork, second) => {
                    let region = self.builder.close_region(vec![]);
                    self.turn(&fork, true);
                    let branch = fork.branch;
                    let then = Then::Second(fork, results.into(), region);
                    self.arm(branch, second, then)?;
                }
                Then::Second(fork, first, then) => {
                    self.join_arms(&fork, &first, &results, then)?;
                }
                Then::Pass => {
                    self.forget();
                    let value = results.into_iter().next().unwrap_or(Val::Unset);
                    self.passed(value)?;
                }
            }
        }
    }

    #[inline]
    fn get(&self, node: NodeId) -> Val {
        self.values[self.place(node)].clone()
    }

    pub fn set(&mut self, node: NodeId, value: Val) {
        let place = self.place(node);
        self.values[place] = value;
    }

    /// Where the value of a node of the innermost activation lies.
    fn place(&self, node: NodeId) -> usize {
        self.environments
            .last()
            .map_or(0, |first| first + self.slots.of_node(node))
    }

    /// Forgets the values of the innermost activation.
    fn forget(&mut self) {
        if let Some(first) = self.environments.pop() {
            self.values.truncate(first);
        }
    }

    fn step(&mut self, id: NodeId) -> Result<()> {
        let node = self.graph.node(id);
        // what has no place, such as the prelude, counts to the place that called it
        if node.span != Span::default() {
            self.span = node.span;
        }
        self.builder.span = self.span;
        self.steps += 1;
        if self.steps > self.limits.steps {
            return Err(too_many_steps(self.limits.steps));
        }
        if self.heap.len() > self.limits.pairs {
            let message = format!("the program makes more than {} pairs", self.limits.pairs);
            return Err(Error::new(ErrorKind::Limit, message));
        }
        if self.builder.graph().nodes.len() > self.limits.nodes {
            let message = format!(
                "the graph of the program has more than {} nodes",
                self.limits.nodes
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        if matches!(node.kind, NodeKind::RegionParam) {
            return Ok(());
        }
        if let Some(absent) = node.args.iter().find(|arg| self.at(**arg).is_absent()) {
            let value = self.get(*absent);
            self.set(id, value);
            return Ok(());
        }
        let value = match &node.kind {
            NodeKind::RegionParam => return Ok(()),
            NodeKind::Constant(constant @ Constant::List(..)) => match self.constants.get(&id) {
                Some(value) => value.clone(),
                None => {
                    let value = self.heap.constant(constant);
                    self.constants.insert(id, value.clone());
                    value
                }
            },
            NodeKind::Constant(constant) => Val::Constant(constant.clone()),
            NodeKind::Port(port) => self.inputs[*port as usize].clone(),
            NodeKind::Primitive(op) => Val::Primitive(*op),
            NodeKind::Closure(function) => Val::Closure(*function, self.args(node).collect()),
            NodeKind::Get(index) => match self.at(node.args[0]) {
                Val::Tuple(values) => values[*index as usize].clone(),
                Val::Unset => return Err(fail("the program has no value".into())),
                single => single.clone(),
            },
            NodeKind::Op(Op::Apply) => {
                let args = self.args(node).collect();
                return self.apply_list(id, args);
            }
            NodeKind::Op(op) => {
                let mut args = std::mem::take(&mut self.scratch);
                args.extend(self.args(node));
                let value = self.primitive(*op, &args)?;
                args.clear();
                self.scratch = args;
                value
            }
            NodeKind::If(then, otherwise) => {
                let test = self.get(node.args[0]);
                return self.branch(id, &test, *then, *otherwise);
            }
            NodeKind::Loop(..) | NodeKind::Reverse(_) | NodeKind::Linear(_) => {
                return Err(fail(
                    "a general graph calls procedures instead of loops and linear algebra".into(),
                ));
            }
            NodeKind::Call(function) => {
                let args = self.args(node).collect();
                return self.call(id, *function, args);
            }
            NodeKind::Apply => {
                let mut args = self.args(node);
                let head = args
                    .next()
                    .ok_or_else(|| fail("nothing is applied here".into()))?;
                let args = args.collect();
                return self.apply(id, head, args);
            }
        };
        self.set(id, value);
        Ok(())
    }

    /// The value of a node of the innermost activation.
    fn at(&self, node: NodeId) -> &Val {
        &self.values[self.place(node)]
    }

    /// The values of the arguments of a node.
    fn args<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = Val> + 'a {
        node.args.iter().map(|arg| self.get(*arg))
    }

    /// Calls a procedure value.
    fn apply(&mut self, id: NodeId, head: Val, args: Vec<Val>) -> Result<()> {
        match head {
            Val::Closure(function, captures) => {
                let row = &self.graph.functions[function.0 as usize];
                let wanted = row.params.len();
                if args.len() < wanted || (!row.rest && args.len() > wanted) {
                    return Err(fail(arity_message(&row.name, wanted, row.rest, args.len())));
                }
                let all = captures.iter().cloned().chain(args).collect();
                self.call(id, function, all)
            }
            Val::Primitive(op) => {
                let row = op.row();
                if args.len() < row.min || row.max.is_some_and(|max| args.len() > max) {
                    return Err(fail(crate::anf::arity_message(row, args.len())));
                }
                if op == Op::Apply {
                    return self.apply_list(id, args);
                }
                let value = self.primitive(op, &args)?;
                self.set(id, value);
                Ok(())
            }
            Val::Choice(test, arms) => {
                let (first, second) = (*arms).clone();
                self.fork(
                    id,
                    test,
                    Arm::Call(first, args.clone()),
                    Arm::Call(second, args),
                )
            }
            other => {
                let what = self.describe(&other);
                Err(fail(wording::not_a_procedure(&what, args.len())))
            }
        }
    }

    /// `(apply f a … list)`.
    fn apply_list(&mut self, id: NodeId, mut args: Vec<Val>) -> Result<()> {
        let last = args.pop().unwrap_or(Val::Unset);
        let (items, end) = self.heap.items(&last);
        if !end.is_nil() {
            let what = self.describe(&last);
            return Err(fail(wording::not_an_argument_list(&what)));
        }
        let head = args.remove(0);
        args.extend(items);
        self.apply(id, head, args)
    }

    /// Calls a function on its captures and arguments.
    fn call(&mut self, id: NodeId, function: FunctionId, mut args: Vec<Val>) -> Result<()> {
        let networks = self.networks;
        if let Some(network) = &networks[function.0 as usize] {
            return self.compute(id, function, network, &args);
        }
        let row = &self.graph.functions[function.0 as usize];
        if row.rest {
            let fixed = row.captures.len() + row.params.len();
            let rest = args.split_off(fixed);
            args.push(self.heap.list(rest, Val::nil()));
        }
        if let Some(op) = question(function, &args).and_then(|asked| self.meanings.get(&asked)) {
            self.set(id, Val::Primitive(*op));
            return Ok(());
        }
        if self.goes_on(id, function, &args)? {
            return Ok(());
        }
        match self.start(function, id, &args)? {
            Some((start, Decision::Peel)) => self.peel(start, Site { function, call: id }, &args),
            Some((start, _)) => self.repeat(start, Site { function, call: id }, args),
            None => self.follow(id, function, args),
        }
    }

    /// Calls a function; in tail position, in place of the call around it.
    pub fn follow(&mut self, id: NodeId, function: FunctionId, args: Vec<Val>) -> Result<()> {
        let row = &self.graph.functions[function.0 as usize];
        let mut activation = Activation {
            function,
            site: Site { function, call: id },
            calls: 0,
            nodes: self.builder.graph().nodes.len(),
            trail: None,
            asked: question(function, &args),
        };
        let around = self.tail_of(id).0;
        let around = around.filter(|around| self.tails.same_cycle(around.function, function));
        // of an interpreter, the calls of the program's procedures count
        let counts =
            !self.limits.interpreter || !matches!(self.graph.node(id).kind, NodeKind::Call(_));
        let longer = around.as_ref().map(|around| Activation {
            function,
            calls: around.calls + usize::from(counts),
            ..around.clone()
        });
        if let (Some(around), Some(longer)) = (&around, &longer) {
            activation.trail = self.remember(around, longer, &args)?;
        }
        let mut call = id;
        if let Some((base, replaced)) = self.replaced(id) {
            if let Some(longer) = longer {
                activation = Activation {
                    trail: activation.trail,
                    asked: activation.asked,
                    ..longer
                };
                self.roll_up(&activation)?;
            }
            call = replaced;
            if let Then::Return(_, before) = &mut self.frames[base].then {
                activation.asked = activation.asked.or_else(|| before.asked.take());
            }
            self.frames.truncate(base);
            self.forget();
        }
        if self.environments.len() > self.limits.depth {
            let message = wording::too_deep(&row.name, self.limits.depth);
            return Err(Error::new(ErrorKind::Limit, message));
        }
        self.enter(function, args, Then::Return(call, activation));
        Ok(())
    }

    /// Begins the evaluation of a function's body.
    pub fn enter(&mut self, function: FunctionId, args: Vec<Val>, then: Then) {
        let body = self.graph.functions[function.0 as usize].body;
        let first = self.values.len();
        let size = self.slots.in_function(function);
        self.values.resize_with(first + size, || Val::Unset);
        for (param, value) in self.graph.region(body).params.iter().zip(args) {
            self.values[first + self.slots.of_node(*param)] = value;
        }
        self.environments.push(first);
        self.frames.push(Frame::of(body, then));
    }

    /// The activation that a call at `id`, in tail position, takes the place of: its frame, and where its value goes.
    fn replaced(&self, id: NodeId) -> Option<(usize, NodeId)> {
        let mut node = id;
        for (index, frame) in self.frames.iter().enumerate().rev() {
            if !self.tails.is_tail(node) || matches!(frame.body, Body::Value(_)) {
                return None;
            }
            match &frame.then {
                Then::Return(call, _) => return Some((index, *call)),
                Then::Taken(branch) => node = *branch,
                _ => return None,
            }
        }
        None
    }

    fn branch(
        &mut self,
        id: NodeId,
        test: &Val,
        then: RegionId,
        otherwise: RegionId,
    ) -> Result<()> {
        let node = match test {
            Val::Node(node) => *node,
            Val::Constant(constant) => {
                let arm = if constant.is_true() { then } else { otherwise };
                self.frames.push(Frame::of(arm, Then::Taken(id)));
                return Ok(());
            }
            // pairs and procedures are true
            _ => {
                self.frames.push(Frame::of(then, Then::Taken(id)));
                return Ok(());
            }
        };
        let (then, otherwise) = (Arm::Region(then), Arm::Region(otherwise));
        self.fork(id, node, then, otherwise)
    }

    /// Evaluates both arms of a branch on data, each in a region of the result.
    fn fork(&mut self, id: NodeId, test: NodeId, then: Arm, otherwise: Arm) -> Result<()> {
        self.must_repeat(id)?;
        match self.certain(id) {
            Some(true) => return self.certain_arm(id, then),
            Some(false) => return self.certain_arm(id, otherwise),
            None => {}
        }
        self.nest(id)?;
        let fork = Fork {
            branch: id,
            test,
            paths: self.paths(id),
        };
        self.turn(&fork, false);
        self.arm(id, then, Then::First(fork, otherwise))
    }

    /// Counts one more branch on data that is open.
    pub fn nest(&mut self, id: NodeId) -> Result<()> {
        self.branches += 1;
        if self.branches > self.limits.branches {
            if let Some(error) = self.why_followed(id) {
                return Err(error);
            }
            let message = format!(
                "branches on data nest more than {} deep: the depth of this recursion hangs on data",
                self.limits.branches
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(())
    }

    /// Evaluates an arm that is surely taken.
    fn certain_arm(&mut self, id: NodeId, arm: Arm) -> Result<()> {
        match arm {
            Arm::Region(region) => {
                self.frames.push(Frame::of(region, Then::Taken(id)));
                Ok(())
            }
            Arm::Call(head, args) => self.apply(id, head, args),
            Arm::Peeled(..) => Err(fail("an iteration has no certain side".into())),
        }
    }

    /// Evaluates an arm in a region of its own.
    pub fn arm(&mut self, id: NodeId, arm: Arm, then: Then) -> Result<()> {
        self.builder.open_region(&[]);
        match arm {
            Arm::Region(region) => {
                self.frames.push(Frame::of(region, then));
                Ok(())
            }
            Arm::Call(head, args) => {
                self.frames.push(Frame::waiting(Body::Value(id), then));
                self.apply(id, head, args)
            }
            Arm::Peeled(repeat, mode) => {
                self.peeled_arm(*repeat, mode, then);
                Ok(())
            }
        }
    }

    /// The node of a number.
    pub fn node(&mut self, value: &Val) -> Result<NodeId> {
        match value {
            Val::Node(node) => Ok(*node),
            Val::Constant(constant) if constant.as_real().is_some() => {
                Ok(self.builder.constant(constant.clone()))
            }
            other => {
                let what = self.describe(other);
                Err(fail(format!("a number is expected here, not {what}")))
            }
        }
    }

    /// A node of the result as a value: concrete where it is constant.
    pub fn value(&self, node: NodeId) -> Val {
        match &self.builder.graph().node(node).kind {
            NodeKind::Constant(constant) => Val::Constant(constant.clone()),
            _ => Val::Node(node),
        }
    }

    /// What a value is, in words for errors.
    pub fn describe(&self, value: &Val) -> String {
        match value {
            Val::Constant(constant) => constant.describe(),
            Val::Node(node) => match self.builder.graph().node(*node).ty {
                Type::Scalar(Elem::Bool) => "a boolean".into(),
                _ => "a number".into(),
            },
            Val::Pair(_) => "a pair".into(),
            Val::Array(array) => match array.shape[..] {
                [rows, columns] => wording::array(rows, Some(columns)),
                _ => wording::array(array.items.len(), None),
            },
            Val::Closure(function, _) => {
                let name = &self.graph.functions[function.0 as usize].name;
                match name.starts_with('%') {
                    true => "a procedure".into(),
                    false => format!("the procedure {name}"),
                }
            }
            Val::Primitive(op) => format!("the procedure {}", op.name()),
            Val::Choice(..) => "a procedure".into(),
            _ => "nothing".into(),
        }
    }
}
