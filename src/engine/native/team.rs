//! A pass over a large batch by several threads. They take sections of samples, whichever comes next; the sums of sections are
//! added in the order of the samples afterwards, so that the digits are those of one thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::block::{self, Batch, Desk, Memory};
use super::flow::Stop;
use super::plan::{Pass, Plan};
use super::pool::Pool;
use super::tape::Tape;
use crate::engine::{Destination, Outputs};
use crate::ops::real::Real;

/// The threads of a program, and what each works with.
pub struct Team<T: 'static> {
    pool: Option<Arc<Pool>>,
    /// Made when first used.
    members: Vec<Mutex<Member<T>>>,
    destinations: Destinations<T>,
    /// The sums of each section.
    sums: Vec<T>,
}

/// What one thread works with.
struct Member<T: 'static> {
    memory: Memory<T>,
    values: Vec<T>,
    tapes: Vec<Tape<T>>,
    /// Sums of the sections that it computed: where they belong, and what they are.
    sums: Vec<(usize, T)>,
}

impl<T: Real> Team<T> {
    /// The team of these threads; none where there is no pool.
    pub fn new(pool: Option<Arc<Pool>>) -> Team<T> {
        Team {
            pool,
            members: Vec::new(),
            destinations: Destinations(Vec::new()),
            sums: Vec::new(),
        }
    }

    /// Does the pass, if there are threads for it, and work; says whether it did.
    pub fn pass(
        &mut self,
        plan: &Plan<T>,
        pass: &Pass,
        values: &mut [T],
        batch: &Batch<T>,
        outputs: &mut dyn Outputs<T>,
    ) -> Result<bool, Stop> {
        let Some(pool) = &self.pool else {
            return Ok(false);
        };
        let sections = block::sections(batch.samples);
        if sections < 2 || !self.destinations.find(pass, batch.samples, outputs) {
            return Ok(false);
        }
        self.members.resize_with(pool.threads(), || {
            Mutex::new(Member {
                memory: Memory::of(plan),
                values: vec![T::ZERO; values.len()],
                tapes: (0..plan.tapes).map(|_| Tape::new()).collect(),
                sums: Vec::new(),
            })
        });
        let next = AtomicUsize::new(0);
        let stop = Mutex::new(None);
        let (members, uniform) = (&self.members, &*values);
        let destinations = &self.destinations;
        pool.run(&|thread| {
            // a member is used by one thread; poison is of no account, since all but memory is written anew
            let mut member = members[thread]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let member = &mut *member;
            member.values.copy_from_slice(uniform);
            member.sums.clear();
            let desk = Desk {
                memory: &mut member.memory,
                values: &mut member.values,
                tapes: &mut member.tapes,
                outputs: &mut Direct(destinations),
            };
            let take = || {
                let section = next.fetch_add(1, Ordering::Relaxed);
                (section < sections).then_some(section)
            };
            let kept = &mut member.sums;
            let keep = |at, value| kept.push((at, value));
            if let Err(found) = block::some_sections(plan, pass, desk, batch, take, keep) {
                // nobody needs to begin another section
                next.store(sections, Ordering::Relaxed);
                stop.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(found);
            }
        });
        if let Some(stop) = stop.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(stop);
        }
        self.sums.clear();
        self.sums.resize(sections * pass.sums.len(), T::ZERO);
        for member in &mut self.members {
            let member = member.get_mut().unwrap_or_else(PoisonError::into_inner);
            for (at, value) in member.sums.drain(..) {
                self.sums[at] = value;
            }
        }
        for (sum, slot) in pass.sums.iter().enumerate() {
            let of_sections = self.sums.iter().skip(sum).step_by(pass.sums.len());
            values[*slot as usize] = of_sections.fold(T::ZERO, |total, value| total + *value);
        }
        Ok(true)
    }
}

/// Where each output of a pass goes.
struct Destinations<T>(Vec<Destination<T>>);

// SAFETY: they are found anew for each pass; the threads write different samples, and nobody reads
unsafe impl<T: Send> Send for Destinations<T> {}
// SAFETY: as above
unsafe impl<T: Send> Sync for Destinations<T> {}

impl<T: Real> Destinations<T> {
    /// Finds them; says whether all can be written by several threads.
    fn find(&mut self, pass: &Pass, samples: usize, outputs: &mut dyn Outputs<T>) -> bool {
        self.0.clear();
        pass.stored.iter().all(|output| {
            let found = outputs.destination(*output, samples);
            let count = self.0.len().max(output + 1);
            self.0.resize(count, Destination::Nowhere);
            self.0[*output] = found;
            !matches!(found, Destination::Unknown)
        })
    }
}

/// Outputs that go right to their memory.
struct Direct<'a, T>(&'a Destinations<T>);

impl<T: Real> Outputs<T> for Direct<'_, T> {
    fn scatter(&mut self, output: usize, start: usize, values: &[T]) {
        let Destination::Memory { first, stride } = self.0.0[output] else {
            return;
        };
        for (i, value) in values.iter().enumerate() {
            let at = first.wrapping_offset((start + i) as isize * stride);
            // SAFETY: `Destination` promises memory for all samples of the batch, and sections of samples do not overlap
            unsafe { at.write(*value) };
        }
    }

    fn uniform(&mut self, _: usize, _: T) {
        unreachable!("uniform outputs are written when the passes are over");
    }

    fn contiguous(&mut self, _: usize, _: usize, _: usize) -> Option<&mut [T]> {
        None
    }

    fn destination(&mut self, output: usize, _: usize) -> Destination<T> {
        self.0.0[output]
    }
}
