//! Where a chain of tail calls has been.

use std::cell::OnceCell;
use std::rc::Rc;

use super::decide::{Decision, Key, Point, Start};
use super::machine::{Activation, Machine};
use super::value::Val;
use crate::error::Result;
use crate::graph::FunctionId;

/// How far back a chain is searched for where it has been before.
const REMEMBERED: usize = 256;

/// So many times a chain comes to the same key before its iterations are taken one after the other: it may come to the same
/// point before that.
const SAME_KEYS: usize = 2;

/// The calls of a chain, the last one first.
pub struct Trail {
    call: Rc<Passed>,
    length: usize,
    before: Option<Rc<Trail>>,
}

/// One of them.
struct Passed {
    function: FunctionId,
    args: Vec<Val>,
    key: Key,
    /// Computed when it is first asked for: the heap is written once.
    point: OnceCell<Point>,
    /// How many branches on data were open.
    branches: usize,
}

impl Trail {
    fn push(call: Rc<Passed>, before: Option<Rc<Trail>>) -> Rc<Trail> {
        let length = before.as_ref().map_or(0, |trail| trail.length) + 1;
        if length <= 2 * REMEMBERED {
            return Rc::new(Trail {
                call,
                length,
                before,
            });
        }
        // what lies too far back is forgotten
        let mut kept = Vec::with_capacity(REMEMBERED);
        let mut earlier = before.as_ref();
        while let Some(trail) = earlier.filter(|_| kept.len() < REMEMBERED) {
            kept.push(trail.call.clone());
            earlier = trail.before.as_ref();
        }
        let length = kept.len() + 1;
        let before = kept
            .into_iter()
            .rev()
            .enumerate()
            .fold(None, |before, (i, call)| {
                let length = i + 1;
                Some(Rc::new(Trail {
                    call,
                    length,
                    before,
                }))
            });
        Rc::new(Trail {
            call,
            length,
            before,
        })
    }
}

impl Machine<'_> {
    /// Remembers a call of a chain that is no loop as a whole. Begins again where the chain has been there before, and data
    /// decided or the chain is long: with a loop from that point; where that is none, with one iteration after the other.
    pub fn remember(
        &mut self,
        around: &Activation,
        function: FunctionId,
        args: &[Val],
    ) -> Result<Option<Rc<Trail>>> {
        let followed = matches!(self.decisions.site(&around.site), Some(Decision::Follow(_)));
        if !followed && !self.limits.interpreter {
            return Ok(around.trail.clone());
        }
        let call = Passed {
            function,
            args: args.to_vec(),
            key: self.key(function, args),
            point: OnceCell::new(),
            branches: self.branches,
        };
        let long = self.is_long(around);
        let mut keys = 0;
        let mut earlier = around.trail.as_ref();
        for _ in 0..REMEMBERED {
            let Some(trail) = earlier else {
                break;
            };
            let other = &trail.call;
            if (long || self.branches > other.branches) && other.key.is(&call.key) {
                keys += usize::from(self.branches > other.branches);
                let point = self.point_of(&call)?;
                if self.point_of(other)?.is(point) && self.decisions.point(point).is_none() {
                    let start = Start::Point(point.clone());
                    self.begin_again(start, Decision::Repeat)?;
                }
                if keys >= SAME_KEYS
                    && self.limits.interpreter
                    && self.decisions.key(&call.key).is_none()
                {
                    self.begin_again(Start::Key(call.key.clone()), Decision::Peel)?;
                }
            }
            earlier = trail.before.as_ref();
        }
        Ok(Some(Trail::push(Rc::new(call), around.trail.clone())))
    }

    fn point_of<'a>(&self, call: &'a Passed) -> Result<&'a Point> {
        if let Some(point) = call.point.get() {
            return Ok(point);
        }
        let (point, _) = self.point(call.function, &call.args)?;
        Ok(call.point.get_or_init(|| point))
    }
}
