//! A fit that several processes share: each holds some of the observations, and all take the same steps.
//!
//! The observations of all processes are one table, cut into blocks of a fixed number of samples; a process holds whole blocks. Each
//! block is reduced by itself to the triangle `[R, Q'r]` of its Jacobian and residuals, the triangles of all blocks are gathered by
//! every process, and stand in place of the observations: they have the same sum of squares, gradient and curvature. What a block
//! is reduced to does not hang on who holds it, and the blocks are taken in order, so the digits of the result are the same for any
//! number of processes. (Parallel TSQR with a fixed tree: Demmel, Grigori, Hoemmen and Langou 2012.)

use std::sync::atomic::{AtomicBool, Ordering};

use super::Residuals;
use super::linalg::{reduce, triangle_len};
use crate::error::{Error, ErrorKind, Result};

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
}

/// What a process tells of itself with each block.
const GOES_ON: f64 = 0.0;
const STOPS: f64 = 1.0;
const FAILED: f64 = 2.0;

impl Sharing<'_> {
    /// The numbers of all blocks, `width` each, from those of this process; `failure` is what went wrong here, which the others
    /// must know before this one leaves.
    fn exchange(&mut self, own: &[f64], width: usize, failure: Option<Error>) -> Result<Vec<f64>> {
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

    /// How many observations all processes have together, if this one has `own` in `samples` samples.
    pub fn observations(&mut self, own: usize, samples: usize) -> Result<usize> {
        let blocks = self.blocks.of(samples);
        let mut numbers = vec![0.0; blocks];
        if let Some(first) = numbers.first_mut() {
            *first = own as f64;
        }
        let all = self.exchange(&numbers, 1, None)?;
        Ok(all.iter().sum::<f64>() as usize)
    }
}

/// The problem of all processes: for each block a triangle of `n + 1` residuals.
pub struct Shared<'a, 'b, P: ?Sized> {
    own: &'a mut P,
    /// Samples of this process, and residuals of each: residual `o * samples + s` belongs to sample `s`.
    samples: usize,
    sharing: &'a mut Sharing<'b>,
}

impl<'a, 'b, P: Residuals + ?Sized> Shared<'a, 'b, P> {
    /// The problem `own` of `samples` samples, and those of the others.
    pub fn new(own: &'a mut P, samples: usize, sharing: &'a mut Sharing<'b>) -> Shared<'a, 'b, P> {
        Shared {
            own,
            samples,
            sharing,
        }
    }

    /// The residuals and derivatives of a block, one column after the other, residuals last.
    fn block(&self, block: usize, residuals: &[f64], jacobian: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let size = self.sharing.blocks.samples;
        let samples = block * size..((block + 1) * size).min(self.samples);
        let pick = |column: &[f64]| -> Vec<f64> {
            let outputs = column.chunks_exact(self.samples);
            outputs
                .flat_map(|output| output[samples.clone()].iter().copied())
                .collect()
        };
        let columns = jacobian.chunks_exact(residuals.len());
        (columns.flat_map(pick).collect(), pick(residuals))
    }
}

impl<P: Residuals + ?Sized> Residuals for Shared<'_, '_, P> {
    fn parameter_count(&self) -> usize {
        self.own.parameter_count()
    }

    fn residual_count(&self) -> usize {
        self.sharing.blocks.count * (self.own.parameter_count() + 1)
    }

    fn evaluate(
        &mut self,
        p: &[f64],
        residuals: &mut [f64],
        jacobian: Option<&mut [f64]>,
    ) -> Result<()> {
        let (n, m) = (self.own.parameter_count(), self.own.residual_count());
        let (mut r, mut j) = (vec![0.0; m], Vec::new());
        let mut wanted = None;
        if jacobian.is_some() {
            j.resize(m * n, 0.0);
            wanted = Some(&mut j[..]);
        }
        let failure = self.own.evaluate(p, &mut r, wanted).err();
        let blocks = self.sharing.blocks.of(self.samples);
        // a triangle by columns, or the length of the residuals alone
        let width = if jacobian.is_some() {
            triangle_len(n)
        } else {
            1
        };
        let mut own = Vec::with_capacity(blocks * width);
        for block in 0..blocks {
            let (columns, last) = self.block(block, &r, &j);
            if jacobian.is_some() {
                let mut triangle = vec![0.0; width];
                reduce(&columns, &last, n, &mut triangle);
                own.extend(triangle);
            } else {
                own.push(last.iter().map(|x| x * x).sum::<f64>().sqrt());
            }
        }
        let all = self.sharing.exchange(&own, width, failure)?;
        let rows = residuals.len();
        let Some(jacobian) = jacobian else {
            residuals.fill(0.0);
            for (block, length) in all.iter().enumerate() {
                residuals[block * (n + 1) + n] = *length;
            }
            return Ok(());
        };
        for (block, triangle) in all.chunks_exact(width).enumerate() {
            let first = block * (n + 1);
            for (column, entries) in triangle.chunks_exact(n + 1).enumerate() {
                let into = match column < n {
                    true => &mut jacobian[column * rows..(column + 1) * rows],
                    false => &mut *residuals,
                };
                into[first..=first + n].copy_from_slice(entries);
            }
        }
        Ok(())
    }

    fn place(&self, residual: usize) -> String {
        format!(
            "block {} of the observations",
            residual / (self.own.parameter_count() + 1)
        )
    }

    fn name(&self, parameter: usize) -> String {
        self.own.name(parameter)
    }
}
