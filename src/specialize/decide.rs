//! What becomes of chains of tail calls. A chain is known by where it begins, or by a *point*: a function with the structure
//! of its arguments and what in them is no number. A chain that comes to the same point again can be a loop from there: that
//! is how a loop of a program that an interpreter runs is found.

use std::collections::HashMap;

use super::join::same_atom;
use super::machine::{Activation, Machine, fail};
use super::shape::Shape;
use super::value::Val;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{FunctionId, NodeId};
use crate::syntax::ast::Constant;

/// A chain of tail calls whose numbers fill the result with more nodes than this becomes a loop, if it can.
pub const UNROLLED_NODES: usize = 512;

/// A chain of fewer calls is never worth a loop.
pub const UNROLLED_CALLS: usize = 8;

/// Where a function is called from outside, at the beginning of a chain of tail calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// The function.
    pub function: FunctionId,
    /// The call.
    pub call: NodeId,
}

/// A function, and the arguments that are constants without numbers: for an interpreter, what it evaluates.
#[derive(Clone, Debug)]
pub struct Key {
    function: FunctionId,
    /// Nothing where another argument stands.
    fixed: Vec<Option<Val>>,
}

impl Key {
    /// Whether it is a key of `function`.
    pub fn is_of(&self, function: FunctionId) -> bool {
        self.function == function
    }

    pub fn is(&self, other: &Key) -> bool {
        let same = |(a, b): (&Option<Val>, &Option<Val>)| match (a, b) {
            (Some(a), Some(b)) => same_atom(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        self.function == other.function && self.fixed.iter().zip(&other.fixed).all(same)
    }
}

/// A function, the structure of its arguments, and what in them is no number.
#[derive(Clone, Debug)]
pub struct Point {
    pub key: Key,
    shape: Shape,
    /// Nothing where a number stands.
    fixed: Vec<Option<Val>>,
}

impl Point {
    pub fn is(&self, other: &Point) -> bool {
        let same = |(a, b): (&Option<Val>, &Option<Val>)| match (a, b) {
            (Some(a), Some(b)) => same_atom(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        self.key.is(&other.key)
            && self.shape == other.shape
            && self.fixed.iter().zip(&other.fixed).all(same)
    }
}

/// What a chain begins at.
#[derive(Clone, Debug)]
pub enum Start {
    Site(Site),
    Point(Point),
    Key(Key),
}

/// What becomes of a chain of tail calls.
#[derive(Clone, Debug)]
pub enum Decision {
    /// A loop.
    Repeat,
    /// One iteration after the other, because a loop failed.
    Peel,
    /// The calls are followed one by one, because that failed with this error too.
    Follow(Error),
}

/// What is known of chains of tail calls.
#[derive(Default)]
pub struct Decisions {
    sites: HashMap<Site, Decision>,
    points: Vec<(Point, Decision)>,
    keys: Vec<(Key, Decision)>,
}

impl Decisions {
    pub fn add(&mut self, start: Start, decision: Decision) {
        match start {
            Start::Site(site) => {
                self.sites.insert(site, decision);
            }
            Start::Point(point) => match self.points.iter_mut().find(|(p, _)| p.is(&point)) {
                Some((_, known)) => *known = decision,
                None => self.points.push((point, decision)),
            },
            Start::Key(key) => match self.keys.iter_mut().find(|(k, _)| k.is(&key)) {
                Some((_, known)) => *known = decision,
                None => self.keys.push((key, decision)),
            },
        }
    }

    pub fn site(&self, site: &Site) -> Option<&Decision> {
        self.sites.get(site)
    }

    pub fn point(&self, point: &Point) -> Option<&Decision> {
        let found = self.points.iter().find(|(other, _)| other.is(point));
        found.map(|(_, decision)| decision)
    }

    pub fn key(&self, key: &Key) -> Option<&Decision> {
        let found = self.keys.iter().find(|(other, _)| other.is(key));
        found.map(|(_, decision)| decision)
    }

    /// Whether something is known of points or keys of `function`.
    fn concern(&self, function: FunctionId) -> bool {
        let mut points = self.points.iter();
        let mut keys = self.keys.iter();
        points.any(|(point, _)| point.key.is_of(function))
            || keys.any(|(key, _)| key.is_of(function))
    }

    /// Whether something is known of points with this key.
    fn has_points(&self, key: &Key) -> bool {
        self.points.iter().any(|(point, _)| point.key.is(key))
    }
}

impl Machine<'_> {
    /// The point of a call.
    pub fn point(&self, function: FunctionId, args: &[Val]) -> Result<(Point, Vec<Val>)> {
        let (shape, atoms) = Shape::of(args, &self.heap, self.limits.nodes)?;
        let fixed = atoms
            .iter()
            .map(|atom| (!atom.is_numeric()).then(|| atom.clone()));
        let point = Point {
            key: self.key(function, args),
            shape,
            fixed: fixed.collect(),
        };
        Ok((point, atoms))
    }

    /// The key of a call.
    pub fn key(&self, function: FunctionId, args: &[Val]) -> Key {
        let fixed = args.iter().map(|arg| match arg {
            Val::Pair(address) if self.heap.is_quoted(*address) => Some(arg.clone()),
            Val::Constant(Constant::Symbol(_)) => Some(arg.clone()),
            _ => None,
        });
        Key {
            function,
            fixed: fixed.collect(),
        }
    }

    /// What a loop begins at, if the call of `function` at `call` begins one.
    pub fn start(
        &self,
        function: FunctionId,
        call: NodeId,
        args: &[Val],
    ) -> Result<Option<(Start, Decision)>> {
        let site = Site { function, call };
        if let Some(decision @ (Decision::Repeat | Decision::Peel)) = self.decisions.site(&site) {
            return Ok(Some((Start::Site(site), decision.clone())));
        }
        if !self.decisions.concern(function) {
            return Ok(None);
        }
        let key = self.key(function, args);
        if self.decisions.has_points(&key) {
            let (point, _) = self.point(function, args)?;
            if let Some(decision @ (Decision::Repeat | Decision::Peel)) =
                self.decisions.point(&point)
            {
                return Ok(Some((Start::Point(point), decision.clone())));
            }
        }
        match self.decisions.key(&key) {
            Some(decision @ (Decision::Repeat | Decision::Peel)) => {
                Ok(Some((Start::Key(key), decision.clone())))
            }
            _ => Ok(None),
        }
    }

    /// Begins again with a loop where a branch on data decides whether a procedure calls itself.
    pub fn must_repeat(&mut self, branch: NodeId) -> Result<()> {
        // what an interpreter repeats is found on the way
        if self.limits.interpreter || !self.tails.returns(branch) {
            return Ok(());
        }
        let (Some(activation), loops) = self.tail_of(branch) else {
            return Ok(());
        };
        let inside = |index: &usize| {
            let function = self.repeats[*index].site.function;
            self.tails.same_cycle(function, activation.function)
        };
        if loops.iter().any(inside) || self.decisions.site(&activation.site).is_some() {
            return Ok(());
        }
        self.decide(Start::Site(activation.site))
    }

    /// Begins again with a loop where a chain of tail calls has become too long.
    pub fn roll_up(&mut self, activation: &Activation) -> Result<()> {
        if self.limits.interpreter
            || !self.is_long(activation)
            || self.decisions.site(&activation.site).is_some()
        {
            return Ok(());
        }
        self.decide(Start::Site(activation.site))
    }

    pub fn is_long(&self, activation: &Activation) -> bool {
        let nodes = self.builder.graph().nodes.len() - activation.nodes;
        let long = activation.calls >= UNROLLED_CALLS && nodes >= UNROLLED_NODES;
        long || activation.calls >= self.limits.calls
    }

    fn decide(&mut self, start: Start) -> Result<()> {
        self.begin_again(start, Decision::Repeat)
    }

    /// Ends the run, so that it begins again with this decided.
    pub fn begin_again(&mut self, start: Start, decision: Decision) -> Result<()> {
        self.decided = Some((start, decision));
        Err(fail("the run begins again".into()))
    }

    /// Why the chain of tail calls that the branch belongs to is no loop.
    pub fn why_followed(&self, branch: NodeId) -> Option<Error> {
        let site = self.tail_of(branch).0?.site;
        match self.decisions.site(&site)? {
            Decision::Follow(error) if error.kind == ErrorKind::Unsupported => Some(error.clone()),
            _ => None,
        }
    }
}
