//! What becomes of chains of tail calls. A chain is known by where it begins, or by a *point*: a function with the structure
//! of its arguments and what in them is no number. A chain that comes to the same point again can be a loop from there: that
//! is how a loop of a program that an interpreter runs is found.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use super::join::same_atom;
use super::machine::{Activation, Machine, fail};
use super::shape::Shape;
use super::value::Val;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{FunctionId, NodeId};

/// A chain of tail calls whose numbers fill the result with more nodes than this becomes a loop, if it can.
const UNROLLED_NODES: usize = 2_000;

/// A chain of fewer calls is never worth a loop.
const UNROLLED_CALLS: usize = 8;

/// A chain of more calls becomes a loop even if it leaves no nodes: it may have no end.
const FOLLOWED_CALLS: usize = 100_000;

/// How far back a chain is searched for the point that it has come to.
const REMEMBERED_POINTS: usize = 256;

/// Where a function is called from outside, at the beginning of a chain of tail calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// The function.
    pub function: FunctionId,
    /// The call.
    pub call: NodeId,
}

/// A function, the structure of its arguments, and what in them is no number.
#[derive(Clone, Debug)]
pub struct Point {
    pub function: FunctionId,
    shape: Shape,
    /// Nothing where a number stands.
    fixed: Vec<Option<Val>>,
}

impl Point {
    pub fn new(function: FunctionId, shape: Shape, atoms: &[Val]) -> Point {
        let fixed = atoms
            .iter()
            .map(|atom| (!atom.is_numeric()).then(|| atom.clone()));
        Point {
            function,
            shape,
            fixed: fixed.collect(),
        }
    }

    pub fn is(&self, other: &Point) -> bool {
        let same = |(a, b): (&Option<Val>, &Option<Val>)| match (a, b) {
            (Some(a), Some(b)) => same_atom(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        self.function == other.function
            && self.shape == other.shape
            && self.fixed.iter().zip(&other.fixed).all(same)
    }

    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.function, &self.shape).hash(&mut hasher);
        for fixed in self.fixed.iter().flatten() {
            if let Val::Pair(address) = fixed {
                address.hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

/// What a chain begins at.
#[derive(Clone, Debug)]
pub enum Start {
    Site(Site),
    Point(Point),
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
        }
    }

    pub fn site(&self, site: &Site) -> Option<&Decision> {
        self.sites.get(site)
    }

    fn point(&self, point: &Point) -> Option<&Decision> {
        let found = self.points.iter().find(|(other, _)| other.is(point));
        found.map(|(_, decision)| decision)
    }

    /// Whether there are points of this function.
    pub fn has_points(&self, function: FunctionId) -> bool {
        self.points
            .iter()
            .any(|(point, _)| point.function == function)
    }
}

/// The points that a chain of tail calls has passed, the last one first.
pub struct Trail {
    hash: u64,
    point: Point,
    /// How many branches on data were open.
    branches: usize,
    before: Option<Rc<Trail>>,
}

impl Machine<'_> {
    /// The point of a call.
    pub fn point(&self, function: FunctionId, args: &[Val]) -> Result<(Point, Vec<Val>)> {
        let (shape, atoms) = Shape::of(args, &self.heap, self.limits.nodes)?;
        Ok((Point::new(function, shape, &atoms), atoms))
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
        if self.decisions.has_points(function) {
            let (point, _) = self.point(function, args)?;
            if let Some(decision @ (Decision::Repeat | Decision::Peel)) =
                self.decisions.point(&point)
            {
                return Ok(Some((Start::Point(point), decision.clone())));
            }
        }
        Ok(None)
    }

    /// Begins again with a loop where a branch on data decides whether a procedure calls itself.
    pub fn must_repeat(&mut self, branch: NodeId) -> Result<()> {
        if !self.tails.returns(branch) {
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
        if !self.is_long(activation) || self.decisions.site(&activation.site).is_some() {
            return Ok(());
        }
        self.decide(Start::Site(activation.site))
    }

    fn is_long(&self, activation: &Activation) -> bool {
        let nodes = self.builder.graph().nodes.len() - activation.nodes;
        let long = activation.calls >= UNROLLED_CALLS && nodes >= UNROLLED_NODES;
        long || activation.calls >= FOLLOWED_CALLS
    }

    /// Remembers the point that a chain of tail calls comes to, where the chain as a whole is no loop. Begins again where it
    /// has been there before, and data decided or the chain is long.
    pub fn remember(
        &mut self,
        around: &Activation,
        function: FunctionId,
        args: &[Val],
    ) -> Result<Option<Rc<Trail>>> {
        if !matches!(self.decisions.site(&around.site), Some(Decision::Follow(_))) {
            return Ok(around.trail.clone());
        }
        let (point, _) = self.point(function, args)?;
        let hash = point.hash();
        let long = self.is_long(around);
        let mut earlier = around.trail.as_ref();
        for _ in 0..REMEMBERED_POINTS {
            let Some(trail) = earlier else {
                break;
            };
            if trail.hash == hash && trail.point.is(&point) {
                let decided = self.decisions.point(&point).is_some();
                if !decided && (long || self.branches > trail.branches) {
                    self.decide(Start::Point(point.clone()))?;
                }
                break;
            }
            earlier = trail.before.as_ref();
        }
        Ok(Some(Rc::new(Trail {
            hash,
            point,
            branches: self.branches,
            before: around.trail.clone(),
        })))
    }

    fn decide(&mut self, start: Start) -> Result<()> {
        self.decided = Some((start, Decision::Repeat));
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
