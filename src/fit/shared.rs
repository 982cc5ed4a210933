//! A fit that several processes share: each holds some of the observations, and all take the same steps.
//!
//! The observations of all processes are one table, cut into blocks of a fixed number of samples; a process holds whole blocks. Each
//! block is reduced by itself to the triangle `[R, Q'r]` of its Jacobian and residuals, the triangles of all blocks are gathered by
//! every process, and stand in place of the observations: they have the same sum of squares, gradient and curvature. What a block
//! is reduced to does not hang on who holds it, and the blocks are taken in order, so the digits of the result are the same for any
//! number of processes. (Parallel TSQR with a fixed tree: Demmel, Grigori, Hoemmen and Langou 2012.)

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Residuals;
use super::linalg::{dot, reduce_onto, reduce_work_len, triangle_len};
use super::problem::Problem;
use crate::error::{Error, ErrorKind, Result};
use crate::session::Element;

/// Most numbers that are gathered at once.
const MAX_NUMBERS: usize = 1 << 28;

/// How the observations of all processes are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// How many blocks there are in all.
    pub count: usize,
    /// How many samples each has; the last may have fewer.
    pub samples: usize,
}

impl Blocks {
    /// How many blocks a process has that holds so many samples.
    pub fn of(&self, samples: usize) -> usize {
        samples.div_ceil(self.samples.max(1))
    }
}

/// Brings the numbers of all processes together: the first argument are those of this one, as many for each of its blocks; the
/// second receives those of all blocks in order, the same on every process. False where that failed.
pub type Gather<'a> = dyn FnMut(&[f64], &mut [f64]) -> bool + 'a;

/// What a process needs to take part.
pub struct Sharing<'a> {
    /// How the observations are cut.
    pub blocks: Blocks,
    /// What brings numbers together.
    pub gather: &'a mut Gather<'a>,
    /// Whether this process has been asked to stop. The others are told with the next numbers.
    pub cancel: Option<&'a AtomicBool>,
    /// Set when all processes know that one has been asked to stop.
    pub agreed: &'a AtomicBool,
    /// What failed in this process between two exchanges; the others are told with the next numbers.
    pub late: &'a Cell<Option<Error>>,
}

/// What a process tells of itself with each block.
const GOES_ON: f64 = 0.0;
const STOPS: f64 = 1.0;
const FAILED: f64 = 2.0;

impl Sharing<'_> {
    /// The numbers of all blocks, `width` each, from those of this process; `failure` is what went wrong here, which the others
    /// must know before this one leaves.
    fn exchange(&mut self, own: &[f64], width: usize, failure: Option<Error>) -> Result<Vec<f64>> {
        let failure = failure.or_else(|| self.late.take());
        let total = self.blocks.count.checked_mul(width + 1);
        let total = total.filter(|total| *total <= MAX_NUMBERS).ok_or_else(|| {
            let message = format!(
                "{} blocks are too many: make them larger",
                self.blocks.count
            );
            Error::new(ErrorKind::Limit, message)
        })?;
        let asked = self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed));
        let says = match (&failure, asked) {
            (Some(_), _) => FAILED,
            (None, true) => STOPS,
            (None, false) => GOES_ON,
        };
        let mut told = Vec::with_capacity(own.len() / width * (width + 1));
        for block in own.chunks_exact(width) {
            told.push(says);
            told.extend_from_slice(block);
        }
        let mut all = vec![f64::NAN; total];
        let gathered = (self.gather)(&told, &mut all);
        if let Some(failure) = failure {
            return Err(failure);
        }
        if !gathered {
            let message = "the numbers of the processes could not be gathered";
            return Err(Error::new(ErrorKind::Engine, message));
        }
        let mut numbers = Vec::with_capacity(self.blocks.count * width);
        for block in all.chunks_exact(width + 1) {
            match block[0] {
                GOES_ON => {}
                STOPS => self.agreed.store(true, Ordering::Relaxed),
                FAILED => {
                    let message = "another process of this fit has failed; its message is there";
                    return Err(Error::new(ErrorKind::Engine, message));
                }
                _ => {
                    let message = "the numbers of a block are missing: the callback fills all of them, those of each process in its place";
                    return Err(Error::new(ErrorKind::Engine, message));
                }
            }
            numbers.extend_from_slice(&block[1..]);
        }
        Ok(numbers)
    }

    /// How many observations all processes have together, if this one has so many in so many samples; or why it has none. It is
    /// the first exchange of a run: a process that cannot take part says so in it, and all find out here whether the samples that
    /// each has are those of its blocks.
    ///
    /// # Errors
    /// What this process brings, `Engine` where another has failed, `Argument` where samples and blocks are at odds.
    pub fn observations(&mut self, own: Result<(usize, usize)>) -> Result<usize> {
        let Blocks { count, samples } = self.blocks;
        let own = own.and_then(|(observations, held)| match self.blocks.of(held) {
            blocks if blocks <= count => Ok((observations / held.max(1), held, blocks)),
            blocks => Err(Error::new(
                ErrorKind::Argument,
                format!(
                    "this process has {held} samples, which are {blocks} blocks of {samples}; all processes together have {count}"
                ),
            )),
        });
        let (targets, numbers, failure) = match own {
            Ok((targets, held, blocks)) => {
                let of_block = |block: usize| {
                    let inside = samples.min(held - block * samples);
                    [inside * targets, block, blocks].map(|number| number as f64)
                };
                (targets, (0..blocks).flat_map(of_block).collect(), None)
            }
            // one block is enough to say it
            Err(error) => (0, vec![0.0; 3], Some(error)),
        };
        let all = self.exchange(&numbers, 3, failure)?;
        let refuse = |message: String| Err(Error::new(ErrorKind::Argument, message));
        let (mut total, mut due) = (0, None);
        for (block, told) in all.chunks_exact(3).enumerate() {
            let (observations, place) = (told[0], (told[1], told[2]));
            let follows = match due {
                Some(due) => place == due,
                None => place.0 == 0.0,
            };
            if !follows {
                return refuse(format!(
                    "block {block} of {count} (counted from 0) is another than is due there: the data of a process have more or fewer samples than its blocks, of {samples} each"
                ));
            }
            let full = (samples * targets) as f64;
            if observations > full || (observations < full && block + 1 < count) {
                return refuse(format!(
                    "block {block} of {count} (counted from 0) has {observations} observations instead of {full}; only the last may have fewer"
                ));
            }
            total += observations as usize;
            due = (place.0 + 1.0 < place.1).then_some((place.0 + 1.0, place.1));
        }
        match due {
            None => Ok(total),
            Some(_) => refuse(format!(
                "the last process has more blocks of {samples} samples than are left of {count}"
            )),
        }
    }
}

/// The problem of all processes: each of their blocks is one of `n + 1` residuals here.
///
/// The numbers of all blocks come at once, with the evaluation of the first; the others are read from them.
pub(super) struct Shared<'a, 'b, 'p, T: Element> {
    own: &'a mut Problem<'p, T>,
    sharing: &'a mut Sharing<'b>,
    /// Where the numbers hold, and whether they are triangles or lengths of residuals alone.
    at: Option<(Vec<u64>, bool)>,
    numbers: Vec<f64>,
}

impl<'a, 'b, 'p, T: Element> Shared<'a, 'b, 'p, T> {
    /// The problem of this process together with those of the others.
    pub fn new(own: &'a mut Problem<'p, T>, sharing: &'a mut Sharing<'b>) -> Shared<'a, 'b, 'p, T> {
        own.cut(sharing.blocks.samples);
        Shared {
            own,
            sharing,
            at: None,
            numbers: Vec::new(),
        }
    }

    /// Numbers of a block: a triangle by columns, or the length of the residuals alone.
    fn width(&self, triangles: bool) -> usize {
        match triangles {
            true => triangle_len(self.own.parameter_count()),
            false => 1,
        }
    }

    /// Evaluates the blocks of this process at `p`, and brings the numbers of all together.
    fn gather(&mut self, p: &[f64], triangles: bool) -> Result<()> {
        let (n, width) = (self.own.parameter_count(), self.width(triangles));
        let lengths = (0..self.own.block_count()).map(|part| self.own.block_len(part));
        let most = lengths.max().unwrap_or(0);
        let mut residuals = vec![0.0; most];
        let mut jacobian = vec![0.0; if triangles { most * n } else { 0 }];
        let mut work = vec![0.0; reduce_work_len(most, n)];
        let parts = self.own.section_blocks();
        let blocks = self.own.block_count().div_ceil(parts);
        let (mut told, mut failure) = (vec![0.0; blocks * width], None);
        for part in 0..self.own.block_count() {
            let m = self.own.block_len(part);
            let r = &mut residuals[..m];
            let into = &mut told[part / parts * width..][..width];
            let done = if triangles {
                let j = &mut jacobian[..m * n];
                let done = self.own.evaluate(part, p, r, Some(&mut *j));
                reduce_onto(j, r, n, into, &mut work);
                done
            } else {
                let done = self.own.evaluate(part, p, r, None);
                into[0] += dot(r, r);
                done
            };
            if let Err(error) = done {
                failure = Some(error);
                break;
            }
        }
        if !triangles {
            told.iter_mut()
                .for_each(|squares| *squares = squares.sqrt());
        }
        self.at = None;
        self.numbers = self.sharing.exchange(&told, width, failure)?;
        self.at = Some((bits(p), triangles));
        Ok(())
    }
}

/// The same bits are the same place on all processes, also where they are no number.
fn bits(p: &[f64]) -> Vec<u64> {
    p.iter().map(|p| p.to_bits()).collect()
}

impl<T: Element> Residuals for Shared<'_, '_, '_, T> {
    fn parameter_count(&self) -> usize {
        self.own.parameter_count()
    }

    fn residual_count(&self) -> usize {
        self.sharing.blocks.count * (self.own.parameter_count() + 1)
    }

    fn block_count(&self) -> usize {
        self.sharing.blocks.count
    }

    fn block_len(&self, _block: usize) -> usize {
        self.own.parameter_count() + 1
    }

    fn evaluate(
        &mut self,
        block: usize,
        p: &[f64],
        residuals: &mut [f64],
        jacobian: Option<&mut [f64]>,
    ) -> Result<()> {
        let here = Some((bits(p), jacobian.is_some()));
        if block == 0 || self.at != here {
            self.gather(p, jacobian.is_some())?;
        }
        let width = self.width(jacobian.is_some());
        let numbers = &self.numbers[block * width..][..width];
        match jacobian {
            // the columns of a triangle are those of its Jacobian and residuals
            Some(jacobian) => {
                let (columns, last) = numbers.split_at(jacobian.len());
                jacobian.copy_from_slice(columns);
                residuals.copy_from_slice(last);
            }
            None => {
                residuals.fill(0.0);
                residuals[residuals.len() - 1] = numbers[0];
            }
        }
        Ok(())
    }

    fn place(&self, block: usize, _row: usize) -> String {
        format!("block {block} of the observations of all processes (counted from 0)")
    }

    fn name(&self, parameter: usize) -> String {
        self.own.name(parameter)
    }
}
