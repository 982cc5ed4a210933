//! The machine: activations of functions, frames of regions, and what a finished region gives its values to.

use std::rc::Rc;

use super::Limits;
use super::value::{Heap, Val};
use crate::anf::counted;
use crate::error::{Error, ErrorKind, Result, Span};
use crate::graph::{Builder, Elem, FunctionId, Graph, NodeId, NodeKind, RegionId, Type};
use crate::lower::arity_message;
use crate::ops::Op;
use crate::syntax::ast::Constant;

/// Runs the body of `graph`; the numeric graph of what is left, not yet simplified.
pub fn run(graph: &Graph, limits: Limits) -> Result<Graph> {
    let mut machine = Machine {
        graph,
        limits,
        builder: Builder::new(graph.ports.clone()),
        heap: Heap::default(),
        environments: Vec::new(),
        frames: Vec::new(),
        ranges: graph
            .functions
            .iter()
            .map(|f| node_range(graph, f.body))
            .collect(),
        steps: 0,
        branches: 0,
        span: Span::default(),
    };
    let body = node_range(graph, RegionId(0));
    machine.environments.push(Environment::new(body));
    machine.frames.push(Frame::of(RegionId(0), Then::Finish));
    let value = machine.run().map_err(|error| error.at(machine.span))?;
    machine.finish(value)
}

/// The ids of all nodes of a region, those of regions inside included, lie in this range.
fn node_range(graph: &Graph, region: RegionId) -> (usize, usize) {
    let nodes = &graph.region(region).nodes;
    let mut first = nodes.first().map_or(0, |node| node.index());
    let last = nodes.last().map_or(0, |node| node.index() + 1);
    let mut open = vec![region];
    while let Some(region) = open.pop() {
        for node in &graph.region(region).nodes {
            first = first.min(node.index());
            if let NodeKind::If(then, otherwise) = graph.node(*node).kind {
                open.extend([then, otherwise]);
            }
        }
    }
    (first, last)
}

/// The values of the nodes of one activation of a function.
struct Environment {
    first: usize,
    values: Vec<Val>,
}

impl Environment {
    fn new((first, last): (usize, usize)) -> Environment {
        Environment {
            first,
            values: vec![Val::Unset; last.saturating_sub(first)],
        }
    }
}

/// What happens with the values of a finished region.
enum Then {
    /// They are the value of the program.
    Finish,
    /// They are the value of this call, in the activation below.
    Return(NodeId),
    /// They are the values of this `if`, whose test was known.
    Taken(NodeId),
    /// They are those of the first of two arms, which this test decides; the second is to come.
    First(NodeId, NodeId, Arm),
    /// They are those of the second arm; the first arm's are here.
    Second(NodeId, NodeId, Rc<[Val]>, RegionId),
}

/// An arm of a branch on data.
enum Arm {
    /// A region of an `if`.
    Region(RegionId),
    /// The call of one of two procedures on arguments.
    Call(Val, Vec<Val>),
}

/// What is being evaluated: a region, or a call in an arm.
struct Frame {
    body: Body,
    next: usize,
    then: Then,
}

#[derive(Clone, Copy)]
enum Body {
    Region(RegionId),
    /// Waits for the value of this node.
    Value(NodeId),
}

impl Frame {
    fn of(region: RegionId, then: Then) -> Frame {
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
    pub builder: Builder,
    pub heap: Heap,
    environments: Vec<Environment>,
    frames: Vec<Frame>,
    ranges: Vec<(usize, usize)>,
    steps: usize,
    /// How many branches on data are open.
    pub branches: usize,
    /// Where the node stands that is being evaluated.
    pub span: Span,
}

pub fn fail(message: String) -> Error {
    Error::new(ErrorKind::Compile, message)
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
                Then::Return(call) => {
                    self.environments.pop();
                    self.set(call, results.into_iter().next().unwrap_or(Val::Unset));
                }
                Then::Taken(branch) => self.set(branch, Val::Tuple(results.into())),
                Then::First(branch, test, second) => {
                    let region = self.builder.close_region(vec![]);
                    let then = Then::Second(branch, test, results.into(), region);
                    self.arm(branch, second, then)?;
                }
                Then::Second(branch, test, first, then) => {
                    self.join(branch, test, &first, &results, then)?
                }
            }
        }
    }

    fn get(&self, node: NodeId) -> Val {
        let environment = &self.environments[self.environments.len() - 1];
        environment.values[node.index() - environment.first].clone()
    }

    pub fn set(&mut self, node: NodeId, value: Val) {
        if let Some(environment) = self.environments.last_mut() {
            environment.values[node.index() - environment.first] = value;
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
            let message = format!(
                "the program takes more than {} steps to compile",
                self.limits.steps
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        if self.builder.graph().nodes.len() > self.limits.nodes
            || self.heap.len() > self.limits.nodes
        {
            let message = format!(
                "the graph of the program has more than {} nodes",
                self.limits.nodes
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let args: Vec<Val> = node.args.iter().map(|arg| self.get(*arg)).collect();
        let value = match &node.kind {
            NodeKind::RegionParam => return Ok(()),
            NodeKind::Constant(constant) => self.heap.constant(constant),
            NodeKind::Port(port) => Val::Node(self.builder.port(*port as usize)),
            NodeKind::Primitive(op) => Val::Primitive(*op),
            NodeKind::Closure(function) => Val::Closure(*function, args.into()),
            NodeKind::Get(index) => match &args[0] {
                Val::Tuple(values) => values[*index as usize].clone(),
                _ => return Err(fail("the program has no value".into())),
            },
            NodeKind::Op(Op::Apply) => return self.apply_list(id, args),
            NodeKind::Op(op) => self.primitive(*op, &args)?,
            NodeKind::If(then, otherwise) => return self.branch(id, &args[0], *then, *otherwise),
            NodeKind::Loop(..) | NodeKind::Reverse(_) | NodeKind::Linear(_) => {
                return Err(fail(
                    "a general graph calls procedures instead of loops and linear algebra".into(),
                ));
            }
            NodeKind::Call(function) => return self.call(id, *function, args),
            NodeKind::Apply => {
                let (head, args) = args
                    .split_first()
                    .map(|(head, args)| (head.clone(), args.to_vec()))
                    .ok_or_else(|| fail("nothing is applied here".into()))?;
                return self.apply(id, head, args);
            }
        };
        self.set(id, value);
        Ok(())
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
            Val::Primitive(Op::Apply) => self.apply_list(id, args),
            Val::Primitive(op) => {
                let row = op.row();
                if args.len() < row.min || row.max.is_some_and(|max| args.len() > max) {
                    return Err(fail(crate::anf::arity_message(row, args.len())));
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
                Err(fail(format!(
                    "{what} is no procedure: it cannot be applied to {}",
                    counted(args.len())
                )))
            }
        }
    }

    /// `(apply f a … list)`.
    fn apply_list(&mut self, id: NodeId, mut args: Vec<Val>) -> Result<()> {
        let last = args.pop().unwrap_or(Val::Unset);
        let (items, end) = self.heap.items(&last);
        if !end.is_nil() {
            let what = self.describe(&last);
            return Err(fail(format!(
                "the last argument of apply must be a list, not {what}"
            )));
        }
        let head = args.remove(0);
        args.extend(items);
        self.apply(id, head, args)
    }

    /// Calls a function on its captures and arguments.
    fn call(&mut self, id: NodeId, function: FunctionId, mut args: Vec<Val>) -> Result<()> {
        let row = &self.graph.functions[function.0 as usize];
        if self.environments.len() > self.limits.depth {
            let message = format!(
                "the recursion of \"{}\" goes deeper than {} calls (option max_depth)",
                row.name, self.limits.depth
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        if row.rest {
            let fixed = row.captures.len() + row.params.len();
            let rest = args.split_off(fixed);
            args.push(self.heap.list(rest, Val::nil()));
        }
        let mut environment = Environment::new(self.ranges[function.0 as usize]);
        for (param, value) in self.graph.region(row.body).params.iter().zip(args) {
            environment.values[param.index() - environment.first] = value;
        }
        self.environments.push(environment);
        self.frames.push(Frame::of(row.body, Then::Return(id)));
        Ok(())
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
        self.branches += 1;
        if self.branches > self.limits.branches {
            let message = format!(
                "branches on data nest more than {} deep: a recursion whose depth hangs on data is not supported in this version",
                self.limits.branches
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        self.arm(id, then, Then::First(id, test, otherwise))
    }

    fn arm(&mut self, id: NodeId, arm: Arm, then: Then) -> Result<()> {
        self.builder.open_region(&[]);
        match arm {
            Arm::Region(region) => {
                self.frames.push(Frame::of(region, then));
                Ok(())
            }
            Arm::Call(head, args) => {
                self.frames.push(Frame {
                    body: Body::Value(id),
                    next: 0,
                    then,
                });
                self.apply(id, head, args)
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
            Val::Constant(Constant::List(..)) => "the empty list".into(),
            Val::Constant(Constant::Symbol(name)) => format!("the symbol {name}"),
            Val::Constant(Constant::Str(text)) => format!("the string {text:?}"),
            Val::Constant(Constant::Char(_)) => "a character".into(),
            Val::Constant(constant) => {
                format!("the number {constant}").replace("number #", "boolean #")
            }
            Val::Node(node) => match self.builder.graph().node(*node).ty {
                Type::Scalar(Elem::Bool) => "a boolean".into(),
                _ => "a number".into(),
            },
            Val::Pair(_) => "a pair".into(),
            Val::Array(array) => match array.shape[..] {
                [rows, columns] => format!("a {rows} by {columns} matrix"),
                _ if array.items.len() == 1 => "a vector of 1 number".into(),
                _ => format!("a vector of {} numbers", array.items.len()),
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
            Val::Unset | Val::Tuple(_) => "nothing".into(),
        }
    }
}
