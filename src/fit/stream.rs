//! What is left of rows that are not kept: a quadratic of the parameters.
//!
//! A fit of a stream keeps a window of rows as they are. Rows that leave it are linearised at the estimate of that time and rotated
//! into one triangle, the square root of their information (Bierman 1977, chapter 4; for models that bend, the iterated
//! filter of Bell and Cathey 1993, whose every update is a Gauss–Newton fit). Where a model is linear in its parameters nothing is
//! lost; else what is lost hangs on how far the estimate moves afterwards, which is kept too.

use super::Residuals;
use super::linalg::{reduce_onto, reduce_work_len, triangle_len};
use super::problem::Data;
use crate::error::{Error, ErrorKind, Result};

/// Weight, weighted mean, and weighted squares about it, of the values of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// The sum of the weights.
    pub weight: f64,
    /// The mean.
    pub mean: f64,
    /// The squares about the mean.
    pub squares: f64,
}

impl Moments {
    /// Those of all targets of `data`.
    pub fn of(data: &Data) -> Vec<Moments> {
        let columns = data.y.chunks_exact(data.samples.max(1)).enumerate();
        let moments = columns.map(|(o, column)| {
            let weights = data.weights.get(o * data.samples..);
            let weight = |s: usize| weights.and_then(|w| w.get(s)).copied().unwrap_or(1.0);
            let pairs = || column.iter().enumerate().map(|(s, y)| (weight(s), *y));
            let total: f64 = pairs().map(|(w, _)| w).sum();
            let mean = pairs().map(|(w, y)| w * y).sum::<f64>() / total;
            Moments {
                weight: total,
                mean,
                squares: pairs().map(|(w, y)| w * (y - mean) * (y - mean)).sum(),
            }
        });
        moments.collect()
    }

    /// Those of both together (Chan, Golub and LeVeque 1979).
    pub fn and(self, other: Moments) -> Moments {
        let weight = self.weight + other.weight;
        if other.weight == 0.0 || self.weight == 0.0 {
            return if other.weight == 0.0 { self } else { other };
        }
        let (apart, share) = (other.mean - self.mean, other.weight / weight);
        Moments {
            weight,
            mean: self.mean + apart * share,
            squares: self.squares + other.squares + apart * apart * self.weight * share,
        }
    }
}

/// The sum of squares of rows that are gone, about the parameters at which they were linearised.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// How many rows there were.
    pub rows: u64,
    /// How many residuals they had.
    pub residuals: u64,
    /// How often rows were linearised.
    pub times: u64,
    /// The parameters at which `triangle` holds.
    pub reference: Vec<f64>,
    /// Jacobian and residuals at `reference`, reduced by [`super::reduce`].
    pub triangle: Vec<f64>,
    /// Of each parameter where rows were linearised: the mean over the rows, and the squares about it.
    pub places: Vec<[f64; 2]>,
    /// And the least and the largest value.
    pub ends: Vec<[f64; 2]>,
    /// Of each target.
    pub moments: Vec<Moments>,
}

impl Summary {
    /// That of no rows.
    pub fn new(parameters: usize, targets: usize) -> Summary {
        Summary {
            rows: 0,
            residuals: 0,
            times: 0,
            reference: vec![0.0; parameters],
            triangle: vec![0.0; triangle_len(parameters)],
            places: vec![[0.0; 2]; parameters],
            ends: vec![[f64::INFINITY, f64::NEG_INFINITY]; parameters],
            moments: vec![Moments::default(); targets],
        }
    }

    /// Residuals that stand for the rows: one for each parameter, and one that no parameter changes.
    pub fn len(&self) -> usize {
        self.reference.len() + 1
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Writes the residuals at `p`.
    pub fn residuals(&self, p: &[f64], residuals: &mut [f64]) {
        let n = p.len();
        residuals.copy_from_slice(&self.triangle[n * (n + 1)..]);
        for (j, (p, reference)) in p.iter().zip(&self.reference).enumerate() {
            let column = &self.triangle[j * (n + 1)..j * (n + 1) + j + 1];
            for (residual, r) in residuals.iter_mut().zip(column) {
                *residual += r * (p - reference);
            }
        }
    }

    /// The derivatives of the residuals by parameter `j`, whatever the parameters.
    pub fn column(&self, j: usize) -> &[f64] {
        let n = self.reference.len();
        &self.triangle[j * (n + 1)..(j + 1) * (n + 1)]
    }

    /// Adds rows: those of `problem`, which are the samples of `data`, linearised at `p`.
    ///
    /// # Errors
    /// `Numeric` where a residual or a derivative is not finite there, and what the problem returns; the summary is then as it was.
    pub fn fold(&mut self, problem: &mut dyn Residuals, p: &[f64], data: &Data) -> Result<()> {
        let n = p.len();
        let mut triangle = self.triangle.clone();
        self.residuals(p, &mut triangle[n * (n + 1)..]);
        let (mut r, mut j, mut work) = (Vec::new(), Vec::new(), Vec::new());
        for block in 0..problem.block_count() {
            let m = problem.block_len(block);
            r.resize(m, 0.0);
            j.resize(m * n, 0.0);
            work.resize(reduce_work_len(m, n), 0.0);
            problem.evaluate(block, p, &mut r, Some(&mut j))?;
            reduce_onto(&j, &r, n, &mut triangle, &mut work);
        }
        if !triangle.iter().all(|x| x.is_finite()) {
            let message = "rows that leave the window have residuals or derivatives that are not finite at the estimate";
            return Err(Error::new(ErrorKind::Numeric, message));
        }
        let rows = data.samples as f64;
        let share = rows / (self.rows as f64 + rows);
        for (i, p) in p.iter().enumerate() {
            let [mean, squares] = &mut self.places[i];
            let apart = p - *mean;
            *mean += share * apart;
            *squares += share * self.rows as f64 * apart * apart;
            self.ends[i] = [self.ends[i][0].min(*p), self.ends[i][1].max(*p)];
        }
        for (all, new) in self.moments.iter_mut().zip(Moments::of(data)) {
            *all = all.and(new);
        }
        self.triangle = triangle;
        self.reference = p.to_vec();
        self.rows += data.samples as u64;
        self.residuals += problem.residual_count() as u64;
        self.times += 1;
        Ok(())
    }

    /// How far parameter `i`, now at `value`, is from where rows were linearised: the root of the mean square over the rows, and the
    /// farthest.
    pub fn moved(&self, i: usize, value: f64) -> [f64; 2] {
        let [mean, squares] = self.places[i];
        let spread = squares / (self.rows as f64).max(1.0);
        let most = self.ends[i].map(|end| (value - end).abs());
        [
            (spread + (value - mean).powi(2)).sqrt(),
            most[0].max(most[1]),
        ]
    }
}
