//! Loops: a procedure whose tail calls lead back to itself, as often as data decide, becomes a `loop` of the result.
//!
//! Its body is evaluated three times on symbolic states. The first pass finds out which arguments change from call to call,
//! and where the body calls itself again: that gives the test. The second follows only what goes on, which gives the next
//! states; the third, behind the loop, only what ends it, which gives the value. So whatever ends a loop is computed once,
//! on the last states.

use std::collections::HashMap;

use super::decide::{Point, Site, Start};
use super::machine::{Activation, Body, Fork, Machine, Then, fail};
use super::shape::Shape;
use super::value::Val;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Elem, FunctionId, NodeId, NodeKind, RegionId, Type};
use crate::syntax::ast::Constant;

/// What a pass over a body follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Which arguments change, and where the body goes on.
    Probe,
    /// What goes on.
    Next,
    /// What ends the loop.
    Exit,
}

/// What the value of an arm in tail position can be.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    ends: bool,
    goes_on: bool,
}

impl Outcome {
    fn of(value: &Val) -> Outcome {
        Outcome {
            ends: !matches!(value, Val::Recur(_)),
            goes_on: matches!(value, Val::Recur(_) | Val::Mixed(_)),
        }
    }
}

/// A loop under construction, or one iteration that is taken off.
#[derive(Clone)]
pub struct Repeat {
    /// Where it is called.
    pub site: Site,
    /// What it begins at.
    pub start: Start,
    /// Whether this is one iteration alone.
    pub peeled: bool,
    /// Where that leads.
    pub onward: Option<Point>,
    pub mode: Mode,
    pub shape: Shape,
    /// The atoms of the first arguments.
    pub first: Vec<Val>,
    /// For each atom that changes, its type.
    states: Vec<Option<Elem>>,
    /// The nodes that hold the states in this pass.
    nodes: Vec<NodeId>,
    /// Whether this pass found more states.
    grown: bool,
    /// What the arms of the branches on data in tail position come to, by the arms that lead there.
    forks: HashMap<Vec<bool>, (Outcome, Outcome)>,
    /// The arms that lead to where the pass is.
    path: Vec<bool>,
    /// The test: goes on where it holds.
    flag: Option<NodeId>,
}

impl Repeat {
    pub fn new(start: Start, site: Site, shape: Shape, first: Vec<Val>) -> Repeat {
        Repeat {
            site,
            start,
            peeled: false,
            onward: None,
            mode: Mode::Probe,
            shape,
            states: vec![None; first.len()],
            first,
            nodes: Vec::new(),
            grown: false,
            forks: HashMap::new(),
            path: Vec::new(),
            flag: None,
        }
    }

    fn types(&self) -> Vec<Type> {
        let states = self.states.iter().flatten();
        let mut types: Vec<Type> = states.map(|elem| Type::Scalar(*elem)).collect();
        // a loop has one state at least
        if types.is_empty() {
            types.push(Type::Scalar(Elem::Int));
        }
        types
    }

    /// The atoms of this pass.
    fn atoms(&self) -> Vec<Val> {
        let mut nodes = self.nodes.iter();
        let pairs = self.first.iter().zip(&self.states);
        pairs
            .map(|(first, state)| match state {
                None => first.clone(),
                Some(_) => nodes.next().map_or(Val::Unset, |node| Val::Node(*node)),
            })
            .collect()
    }
}

impl Machine<'_> {
    /// The innermost activation that the value of `id` is the value of, if it is, and the open loops whose passes it ends,
    /// innermost first.
    pub fn tail_of(&self, id: NodeId) -> (Option<Activation>, Vec<usize>) {
        let (mut node, mut activation, mut loops) = (id, None, Vec::new());
        let mut index = self.repeats.len();
        for frame in self.frames.iter().rev() {
            if matches!(frame.body, Body::Region(_)) && !self.tails.is_tail(node) {
                break;
            }
            match &frame.then {
                Then::Finish => break,
                Then::Return(call, running) => {
                    activation.get_or_insert_with(|| running.clone());
                    node = *call;
                }
                Then::Taken(branch) => node = *branch,
                Then::First(fork, _) | Then::Second(fork, ..) => node = fork.branch,
                Then::Pass => {
                    index -= 1;
                    loops.push(index);
                    let site = self.repeats[index].site;
                    activation.get_or_insert_with(|| Activation {
                        function: site.function,
                        site,
                        calls: 0,
                        nodes: self.builder.graph().nodes.len(),
                        trail: None,
                        asked: None,
                    });
                    node = site.call;
                }
            }
        }
        (activation, loops)
    }

    /// The loops that a branch or call in tail position may matter to: those that are over but for their value, then the
    /// first that is not.
    fn deciding(&self, loops: Vec<usize>) -> Vec<usize> {
        let over = |index: &usize| self.repeats[*index].mode == Mode::Exit;
        let count = loops.iter().take_while(|index| over(index)).count();
        loops.into_iter().take(count + 1).collect()
    }

    /// Whether a call goes on with an open loop, or leaves one by going on with one around it; its value is then set.
    pub fn goes_on(&mut self, id: NodeId, function: FunctionId, args: &[Val]) -> Result<bool> {
        if self.repeats.is_empty() {
            return Ok(false);
        }
        let (_, loops) = self.tail_of(id);
        let open = |index: &usize| self.repeats[*index].mode != Mode::Exit;
        let Some(inner) = loops.iter().position(open) else {
            return Ok(false);
        };
        let mut target = None;
        for (i, index) in loops[inner..].iter().enumerate() {
            let again = match &self.repeats[*index].start {
                Start::Site(site) => site.function == function,
                Start::Point(point) => {
                    point.key.is_of(function)
                        && point.key.is(&self.key(function, args))
                        && self.point(function, args)?.0.is(point)
                }
                Start::Key(key) => key.is_of(function) && key.is(&self.key(function, args)),
            };
            if again {
                target = Some(i);
                break;
            }
        }
        let Some(target) = target else {
            return Ok(false);
        };
        let value = if target == 0 {
            let index = loops[inner];
            match &self.repeats[index] {
                Repeat { mode, .. } if *mode != Mode::Probe => {}
                Repeat { peeled: true, .. } => self.observe_peeled(index, args)?,
                _ => self.observe(index, args)?,
            }
            Val::Recur(args.to_vec().into())
        } else {
            Val::Absent(None)
        };
        self.set(id, value);
        Ok(true)
    }

    /// Compares the next arguments of a loop with the first.
    fn observe(&mut self, index: usize, args: &[Val]) -> Result<()> {
        let (shape, atoms) = Shape::of(args, &self.heap, self.limits.nodes)?;
        let name = &self.graph.functions[self.repeats[index].site.function.0 as usize].name;
        if shape != self.repeats[index].shape {
            let message = format!(
                "how often {} repeats hangs on data, and the structure of its arguments changes from one time to the next",
                named(name)
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let known = self.repeats[index].atoms();
        for (i, (old, new)) in known.iter().zip(&atoms).enumerate() {
            let (a, b) = (self.elem(old), self.elem(new));
            let state = self.repeats[index].states[i];
            let joined = match (state, a, b) {
                _ if state.is_none() && super::join::same_atom(old, new) => continue,
                (Some(elem), _, Some(b)) => elem.max(b),
                (None, Some(a), Some(b)) => a.max(b),
                _ => {
                    let message = format!(
                        "how often {} repeats hangs on data, and an argument changes from {} to {}",
                        named(name),
                        self.describe(old),
                        self.describe(new)
                    );
                    return Err(Error::new(ErrorKind::Unsupported, message));
                }
            };
            if state != Some(joined) {
                self.repeats[index].states[i] = Some(joined);
                self.repeats[index].grown = true;
            }
        }
        Ok(())
    }

    /// What kind of number a value is.
    fn elem(&self, value: &Val) -> Option<Elem> {
        match value {
            Val::Constant(Constant::Bool(_)) => Some(Elem::Bool),
            Val::Constant(Constant::Int(_)) => Some(Elem::Int),
            Val::Constant(Constant::Real(_)) => Some(Elem::Real),
            Val::Node(node) => match self.builder.graph().node(*node).ty {
                Type::Scalar(elem) => Some(elem),
                _ => None,
            },
            _ => None,
        }
    }

    /// Begins a loop.
    pub fn repeat(&mut self, start: Start, site: Site, args: Vec<Val>) -> Result<()> {
        let (shape, first) = Shape::of(&args, &self.heap, self.limits.nodes)?;
        self.repeats.push(Repeat::new(start, site, shape, first));
        self.probe();
        Ok(())
    }

    /// The first pass, in the head of the loop.
    fn probe(&mut self) {
        let Some(repeat) = self.repeats.last_mut() else {
            return;
        };
        repeat.grown = false;
        repeat.forks.clear();
        let types = repeat.types();
        repeat.nodes = self.builder.open_loop(&types);
        self.pass(Mode::Probe);
    }

    /// Evaluates the body on the states.
    pub fn pass(&mut self, mode: Mode) {
        let Some(repeat) = self.repeats.last_mut() else {
            return;
        };
        repeat.mode = mode;
        repeat.path.clear();
        let args = repeat.shape.with(&repeat.atoms(), &mut self.heap);
        let function = repeat.site.function;
        self.enter(function, args, Then::Pass);
    }

    /// Takes what a pass has given.
    pub fn passed(&mut self, value: Val) -> Result<()> {
        let Some(repeat) = self.repeats.last_mut() else {
            return Err(fail("the program has no value".into()));
        };
        if repeat.peeled {
            return self.peeled(value);
        }
        match repeat.mode {
            Mode::Probe if repeat.grown => {
                self.builder.close_region(vec![]);
                self.probe();
            }
            Mode::Probe => {
                let flag = match value {
                    Val::Recur(_) => self.builder.constant(Constant::Bool(true)),
                    Val::Mixed(node) => node,
                    _ => return self.once(),
                };
                repeat.flag = Some(flag);
                self.builder.open_next();
                self.pass(Mode::Next);
            }
            Mode::Next => {
                let Val::Recur(args) = value else {
                    return Err(fail("a loop goes on without arguments".into()));
                };
                self.close(&args)?;
            }
            Mode::Exit => {
                let call = repeat.site.call;
                self.repeats.pop();
                self.set(call, value);
            }
        }
        Ok(())
    }

    /// The body never calls itself again: it is evaluated once, on the first arguments.
    fn once(&mut self) -> Result<()> {
        self.builder.close_region(vec![]);
        let Some(repeat) = self.repeats.pop() else {
            return Ok(());
        };
        let args = repeat.shape.with(&repeat.first, &mut self.heap);
        self.follow(repeat.site.call, repeat.site.function, args)
    }

    /// Makes the loop, whose next arguments are `args`, and goes on behind it.
    fn close(&mut self, args: &[Val]) -> Result<()> {
        let (shape, next) = Shape::of(args, &self.heap, self.limits.nodes)?;
        let Some(repeat) = self.repeats.last() else {
            return Ok(());
        };
        if shape != repeat.shape {
            return Err(fail("a loop changes the structure of its states".into()));
        }
        let flag = repeat.flag.unwrap_or(NodeId(0));
        let span = self.graph.node(repeat.site.call).span;
        let kept = |values: &[Val]| -> Vec<Val> {
            let pairs = values.iter().zip(&repeat.states);
            pairs
                .filter(|(_, state)| state.is_some())
                .map(|(value, _)| value.clone())
                .collect()
        };
        let (first, next) = (kept(&repeat.first), kept(&next));
        let dummy = first.is_empty().then(|| repeat.nodes[0]);
        let mut results = next
            .iter()
            .map(|value| self.node(value))
            .collect::<Result<Vec<NodeId>>>()?;
        results.extend(dummy);
        let next = self.builder.close_region(results);
        let head = self.builder.close_region(vec![flag]);
        let mut inits = first
            .iter()
            .map(|value| self.node(value))
            .collect::<Result<Vec<NodeId>>>()?;
        inits.extend(dummy.map(|_| self.builder.constant(Constant::Int(0))));
        self.builder.span = span;
        let values = self.builder.repeat(inits, head, next);
        let endless = matches!(
            self.builder.graph().node(flag).kind,
            NodeKind::Constant(Constant::Bool(true))
        );
        if endless {
            if let Some(repeat) = self.repeats.pop() {
                self.set(repeat.site.call, Val::Absent(values.first().copied()));
            }
            return Ok(());
        }
        if let Some(repeat) = self.repeats.last_mut() {
            repeat.nodes = values;
        }
        self.pass(Mode::Exit);
        Ok(())
    }

    /// The arm of a branch in tail position that is surely taken, because the other does not do what this pass follows.
    pub fn certain(&mut self, branch: NodeId) -> Option<bool> {
        if self.repeats.is_empty() {
            return None;
        }
        let (_, loops) = self.tail_of(branch);
        let loops = self.deciding(loops);
        for (i, index) in loops.iter().enumerate() {
            let repeat = &self.repeats[*index];
            let follows = |outcome: &Outcome| match repeat.mode {
                Mode::Probe => true,
                Mode::Next => outcome.goes_on,
                Mode::Exit => outcome.ends,
            };
            let arms = repeat.forks.get(&repeat.path);
            let first = match arms.map(|(a, b)| (follows(a), follows(b))) {
                Some((true, false)) => true,
                Some((false, true)) => false,
                _ => continue,
            };
            for index in &loops[..=i] {
                self.repeats[*index].path.push(!first);
            }
            return Some(first);
        }
        None
    }

    /// Where the paths of the loops stand that a branch in tail position decides in.
    pub fn paths(&self, branch: NodeId) -> std::rc::Rc<[(usize, usize)]> {
        if self.repeats.is_empty() {
            return [].into();
        }
        let loops = self.deciding(self.tail_of(branch).1);
        let lengths = loops
            .into_iter()
            .map(|index| (index, self.repeats[index].path.len()));
        lengths.collect()
    }

    /// Goes into the first or the second arm of a branch.
    pub fn turn(&mut self, fork: &Fork, second: bool) {
        self.leave(fork);
        for (index, _) in fork.paths.iter() {
            self.repeats[*index].path.push(second);
        }
    }

    /// Goes back to before a branch.
    pub fn leave(&mut self, fork: &Fork) {
        for (index, length) in fork.paths.iter() {
            self.repeats[*index].path.truncate(*length);
        }
    }

    /// Joins the values of two arms, whose second region is still open.
    pub fn join_arms(
        &mut self,
        fork: &Fork,
        first: &[Val],
        second: &[Val],
        then: RegionId,
    ) -> Result<()> {
        let otherwise = self.builder.close_region(vec![]);
        self.branches -= 1;
        self.leave(fork);
        let span = self.graph.node(fork.branch).span;
        if span != crate::error::Span::default() {
            self.span = span;
        }
        self.builder.span = self.span;
        let last = fork.paths.last().map(|(index, _)| *index);
        let mode = last.map_or(Mode::Exit, |index| self.repeats[index].mode);
        let arms = (then, otherwise);
        let values = match (mode, last, first, second) {
            (Mode::Probe, Some(index), [a], [b]) => vec![self.outcome(fork, index, a, b, arms)?],
            (Mode::Next, _, [Val::Recur(a)], [Val::Recur(b)]) => {
                let (a, b) = (a.clone(), b.clone());
                let args = self.join(fork.test, &a, &b, arms)?;
                vec![Val::Recur(args.into())]
            }
            _ => self.join(fork.test, first, second, arms)?,
        };
        let value = match self.graph.node(fork.branch).kind {
            NodeKind::If(..) => Val::tuple(values),
            _ => values.into_iter().next().unwrap_or(Val::Unset),
        };
        self.set(fork.branch, value);
        Ok(())
    }

    /// What a branch in tail position comes to, for the test of the loop `index`.
    fn outcome(
        &mut self,
        fork: &Fork,
        index: usize,
        a: &Val,
        b: &Val,
        (then, otherwise): (RegionId, RegionId),
    ) -> Result<Val> {
        let (first, second) = (Outcome::of(a), Outcome::of(b));
        let repeat = &mut self.repeats[index];
        repeat.forks.insert(repeat.path.clone(), (first, second));
        match (first, second) {
            (Outcome { goes_on: false, .. }, Outcome { goes_on: false, .. }) => {
                return Ok(Val::Absent(None));
            }
            (Outcome { ends: false, .. }, Outcome { ends: false, .. }) => return Ok(a.clone()),
            _ => {}
        }
        let [a, b] = [a, b].map(|value| match value {
            Val::Mixed(node) => *node,
            value => {
                let goes_on = matches!(value, Val::Recur(_));
                self.builder.constant(Constant::Bool(goes_on))
            }
        });
        self.builder.set_results(then, vec![a]);
        self.builder.set_results(otherwise, vec![b]);
        Ok(Val::Mixed(
            self.builder.branch(fork.test, then, otherwise)[0],
        ))
    }
}

/// A procedure in an error message.
fn named(name: &str) -> String {
    match name {
        "loop" => "this loop".into(),
        name if name.starts_with('%') => "this procedure".into(),
        name => format!("\"{name}\""),
    }
}
