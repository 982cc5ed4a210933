//! Where a chain of tail calls has been.

use std::cell::OnceCell;
use std::rc::Rc;

use super::decide::{Decision, Key, Point, Start, UNROLLED_CALLS, UNROLLED_NODES};
use super::machine::{Activation, Machine};
use super::value::Val;
use crate::error::Result;
use crate::graph::FunctionId;

/// How far back a chain is searched for where it has been before.
const SEARCHED: usize = 1024;

/// How many calls are remembered at least.
const KEPT: usize = 2048;

/// A chain that comes to the same key in so many branches that lie in each other takes its iterations one after the other: it
/// may come to the same point before that.
const SAME_KEYS: usize = 4;

/// A long chain is searched again after so many nodes more.
const PATIENCE: usize = 500;

/// The calls of a chain, the last one first.
pub struct Trail {
    call: Rc<Passed>,
    length: usize,
    before: Option<Rc<Trail>>,
    /// The first calls of a chain that is longer than what is kept, in order.
    origin: Option<Rc<[Rc<Passed>]>>,
}

/// One of them.
struct Passed {
    function: FunctionId,
    args: Vec<Val>,
    // computed when they are first asked for: the heap is written once
    key: OnceCell<Key>,
    point: OnceCell<Point>,
    /// How many branches on data were open.
    branches: usize,
    /// How many calls the chain has, this one included; of an interpreter those of procedures of the program.
    calls: usize,
    /// How many nodes the result had.
    nodes: usize,
    /// How many it must have before the chain is searched for a long loop.
    quiet: usize,
}

impl Trail {
    fn push(call: Passed, before: Option<Rc<Trail>>) -> Rc<Trail> {
        let call = Rc::new(call);
        let (length, origin) = match &before {
            None => (1, None),
            Some(before) => (before.length + 1, before.origin.clone()),
        };
        if length <= 2 * KEPT {
            return Rc::new(Trail {
                call,
                length,
                before,
                origin,
            });
        }
        // what lies between the first calls and the last is forgotten
        let all: Vec<Rc<Passed>> = calls(before.as_ref())
            .map(|trail| trail.call.clone())
            .collect();
        let origin = origin.or_else(|| Some(all.iter().rev().take(KEPT).cloned().collect()));
        let mut trail = None;
        for (i, passed) in all[..KEPT].iter().rev().chain([&call]).enumerate() {
            trail = Some(Rc::new(Trail {
                call: passed.clone(),
                length: i + 1,
                before: trail,
                origin: origin.clone(),
            }));
        }
        trail.unwrap_or_else(|| {
            Rc::new(Trail {
                call,
                length: 1,
                before: None,
                origin,
            })
        })
    }
}

/// The calls of a chain, the last one first.
fn calls(trail: Option<&Rc<Trail>>) -> impl Iterator<Item = &Rc<Trail>> {
    std::iter::successors(trail, |trail| trail.before.as_ref())
}

impl Machine<'_> {
    /// Remembers a call of a chain that is no loop as a whole. Begins again where the chain has been there before, and data
    /// decided or the chain is long: with a loop from that point; where that is none, with one iteration after the other.
    pub fn remember(
        &mut self,
        around: &Activation,
        activation: &Activation,
        args: &[Val],
    ) -> Result<Option<Rc<Trail>>> {
        let followed = matches!(self.decisions.site(&around.site), Some(Decision::Follow(_)));
        if !followed && !self.limits.interpreter {
            return Ok(around.trail.clone());
        }
        let mut call = Passed {
            function: activation.function,
            args: args.to_vec(),
            key: OnceCell::new(),
            point: OnceCell::new(),
            branches: self.branches,
            calls: activation.calls,
            nodes: self.builder.graph().nodes.len(),
            quiet: around.trail.as_ref().map_or(0, |trail| trail.call.quiet),
        };
        if self.branches > 0 {
            self.search_branches(&call, around)?;
        }
        let patient = call.nodes < call.quiet && call.calls < self.limits.calls;
        if call.calls > around.calls && !patient && self.is_long(activation) {
            call.quiet = self.search_long(&call, around)?;
        }
        Ok(Some(Trail::push(call, around.trail.clone())))
    }

    /// Looks for where the chain was before data decided that it goes on.
    fn search_branches(&mut self, call: &Passed, around: &Activation) -> Result<()> {
        let (mut keys, mut branches) = (0, self.branches);
        for (i, trail) in calls(around.trail.as_ref()).take(SEARCHED).enumerate() {
            let other = &trail.call;
            if other.branches >= self.branches
                || other.function != call.function
                || !self.key_of(other).is(self.key_of(call))
            {
                continue;
            }
            let point = self.point_of(call)?;
            if self.point_of(other)?.is(point) && self.decisions.point(point).is_none() {
                let start = self.point_of(self.start_of(call, around, i)?)?;
                let start = match self.decisions.point(start) {
                    None => start,
                    Some(_) => point,
                };
                return self.begin_again(Start::Point(start.clone()), Decision::Repeat);
            }
            if other.branches < branches {
                (keys, branches) = (keys + 1, other.branches);
            }
            let key = self.key_of(call);
            if keys >= SAME_KEYS && self.limits.interpreter && self.decisions.key(key).is_none() {
                return self.begin_again(Start::Key(key.clone()), Decision::Peel);
            }
        }
        Ok(())
    }

    /// Looks for a loop that has left many nodes, or has no end in sight. How many nodes the result must have before the next
    /// search.
    fn search_long(&mut self, call: &Passed, around: &Activation) -> Result<usize> {
        let later = call.nodes + PATIENCE;
        for (i, trail) in calls(around.trail.as_ref()).take(SEARCHED).enumerate() {
            if !self.is_same(&trail.call, call)? {
                continue;
            }
            let start = self.start_of(call, around, i)?;
            let calls = call.calls - start.calls.min(call.calls);
            let long = calls >= UNROLLED_CALLS && call.nodes - start.nodes >= UNROLLED_NODES;
            let point = self.point_of(start)?;
            if (long || calls >= self.limits.calls) && self.decisions.point(point).is_none() {
                self.begin_again(Start::Point(point.clone()), Decision::Repeat)?;
            }
            return Ok(later.min((start.nodes + UNROLLED_NODES).max(call.nodes + 1)));
        }
        Ok(later)
    }

    /// Where the chain first came to what it repeats; `earlier` calls lie between the two that are at the same point.
    fn start_of<'a>(
        &self,
        call: &'a Passed,
        around: &'a Activation,
        earlier: usize,
    ) -> Result<&'a Passed> {
        let trail = around.trail.as_ref();
        let mut chain: Vec<&Passed> = calls(trail).map(|trail| &*trail.call).collect();
        let mut iteration = vec![call];
        iteration.extend(&chain[..earlier]);
        chain.reverse();
        let origin = trail.and_then(|trail| trail.origin.as_ref());
        let first = origin.into_iter().flat_map(|calls| calls.iter());
        for passed in first.map(|call| &**call).chain(chain) {
            for part in &iteration {
                if self.is_same(passed, part)? {
                    return Ok(passed);
                }
            }
        }
        Ok(call)
    }

    /// Whether two calls are at the same point.
    fn is_same(&self, a: &Passed, b: &Passed) -> Result<bool> {
        let alike = a.function == b.function && self.key_of(a).is(self.key_of(b));
        Ok(alike && self.point_of(a)?.is(self.point_of(b)?))
    }

    fn key_of<'a>(&self, call: &'a Passed) -> &'a Key {
        call.key.get_or_init(|| self.key(call.function, &call.args))
    }

    fn point_of<'a>(&self, call: &'a Passed) -> Result<&'a Point> {
        if let Some(point) = call.point.get() {
            return Ok(point);
        }
        let (point, _) = self.point(call.function, &call.args)?;
        Ok(call.point.get_or_init(|| point))
    }
}
