//! Repetition whose structure changes from one time to the next, such as that along a list: one iteration after the other is
//! taken off, but the arms of its branches on data that go on are joined before the next, so that their number does not double
//! each time.

use super::decide::{Site, Start};
use super::machine::{Arm, Body, Fork, Frame, Machine, Then, fail};
use super::repeat::{Mode, Repeat};
use super::shape::Shape;
use super::value::Val;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::NodeId;

impl Machine<'_> {
    /// Begins an iteration.
    pub fn peel(&mut self, start: Start, site: Site, args: &[Val]) -> Result<()> {
        let (shape, first) = Shape::of(args, &self.heap, self.limits.nodes)?;
        let mut repeat = Repeat::new(start, site, shape, first);
        repeat.peeled = true;
        self.repeats.push(repeat);
        self.pass(Mode::Probe);
        Ok(())
    }

    /// Holds the next arguments against those of the other arms.
    pub fn observe_peeled(&mut self, index: usize, args: &[Val]) -> Result<()> {
        let function = self.repeats[index].site.function;
        let (point, _) = self.point(function, args)?;
        match &self.repeats[index].onward {
            Some(known) if !known.is(&point) => {
                let message = "the structure of what is repeated hangs on data";
                Err(Error::new(ErrorKind::Unsupported, message))
            }
            Some(_) => Ok(()),
            None => {
                self.repeats[index].onward = Some(point);
                Ok(())
            }
        }
    }

    /// Takes what a pass over an iteration has given.
    pub fn peeled(&mut self, value: Val) -> Result<()> {
        let Some(repeat) = self.repeats.pop() else {
            return Err(fail("the program has no value".into()));
        };
        let call = repeat.site.call;
        match (repeat.mode, value) {
            (Mode::Probe, Val::Recur(_)) => {
                self.repeats.push(repeat);
                self.pass(Mode::Next);
                Ok(())
            }
            (Mode::Probe, Val::Mixed(test)) => self.part(repeat, test),
            (Mode::Probe, _) => {
                let args = repeat.shape.with(&repeat.first, &mut self.heap);
                self.follow(call, repeat.site.function, args)
            }
            (Mode::Next, Val::Recur(args)) => self.peel(repeat.start, repeat.site, &args),
            (Mode::Next, _) => Err(fail("a repetition goes on without arguments".into())),
            (Mode::Exit, value) => {
                self.set(call, value);
                Ok(())
            }
        }
    }

    /// Goes on where the test holds, and ends elsewhere.
    fn part(&mut self, repeat: Repeat, test: NodeId) -> Result<()> {
        let call = repeat.site.call;
        self.nest(call)?;
        let fork = Fork {
            branch: call,
            test,
            paths: [].into(),
        };
        let ends = Arm::Peeled(Box::new(repeat.clone()), Mode::Exit);
        self.arm(
            call,
            Arm::Peeled(Box::new(repeat), Mode::Next),
            Then::First(fork, ends),
        )
    }

    /// Evaluates one side of an iteration in the open region.
    pub fn peeled_arm(&mut self, repeat: Repeat, mode: Mode, then: Then) {
        self.frames
            .push(Frame::waiting(Body::Value(repeat.site.call), then));
        self.repeats.push(repeat);
        self.pass(mode);
    }
}
