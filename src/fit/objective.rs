//! A model, data and free parameters as one scalar loss, with its gradient by the reverse sweep.

use super::loss::Kind;
use super::problem::Problem;
use super::{Objective, Residuals};
use crate::error::Result;
use crate::session::Element;

/// The loss of a [`Problem`]: the sum of its squared residuals, or what the likelihood or the model itself says.
pub struct Total<'a, 'b, T: Element> {
    problem: &'a mut Problem<'b, T>,
    /// Derivatives of the loss by the model's values on a block.
    seeds: Vec<f64>,
    typed: Vec<T>,
    derivatives: Vec<T>,
}

impl<'a, 'b, T: Element> Total<'a, 'b, T> {
    /// The loss of `problem`.
    pub fn new(problem: &'a mut Problem<'b, T>) -> Total<'a, 'b, T> {
        let parameters = problem.p.len();
        Total {
            problem,
            seeds: Vec::new(),
            typed: Vec::new(),
            derivatives: vec![T::ZERO; parameters],
        }
    }

    /// The loss of the model's values on the block at hand; its derivatives by them go to `seeds`.
    fn loss(&mut self) -> f64 {
        let this = &self.problem;
        let value = |i: usize| this.values[i].to_f64();
        let weight = |i: usize| this.roots.get(i).map_or(1.0, |root| root * root);
        let (count, mut loss) = (this.y.len(), 0.0);
        self.seeds.resize(this.values.len(), 0.0);
        match this.loss.kind {
            Kind::Value => {
                for (i, seed) in self.seeds.iter_mut().enumerate() {
                    loss += weight(i) * value(i);
                    *seed = weight(i);
                }
            }
            Kind::Gaussian => {
                for i in 0..count {
                    let (sd, w) = (value(count + i), weight(i));
                    let z = (value(i) - this.y[i]) / sd;
                    loss += w * (2.0 * libm::log(sd) + z * z);
                    self.seeds[i] = 2.0 * w * z / sd;
                    self.seeds[count + i] = 2.0 * w * (1.0 - z * z) / sd;
                }
            }
            _ => {
                let mut residuals = vec![0.0; count];
                self.seeds.fill(1.0);
                this.residuals(&mut residuals, &mut self.seeds);
                for (residual, seed) in residuals.iter().zip(&mut self.seeds) {
                    loss += residual * residual;
                    *seed *= 2.0 * residual;
                }
                if let Some(whitening) = this.whitening {
                    whitening.apply_transposed(&mut self.seeds);
                }
                this.weigh(&mut self.seeds);
            }
        }
        loss
    }
}

impl<T: Element> Objective for Total<'_, '_, T> {
    fn parameter_count(&self) -> usize {
        self.problem.free.len()
    }

    fn evaluate(&mut self, p: &[f64], gradient: &mut [f64]) -> Result<f64> {
        if let Some(loss) = self.problem.total_of(p, gradient)? {
            return Ok(loss);
        }
        self.problem.place_parameters(p);
        gradient.fill(0.0);
        let mut total = 0.0;
        for block in 0..self.problem.block_count() {
            self.problem.eval(block)?;
            total += self.loss();
            self.typed.clear();
            self.typed
                .extend(self.seeds.iter().map(|seed| T::of(*seed)));
            self.problem
                .sweep(block, &self.typed, &mut self.derivatives)?;
            for (out, index) in gradient.iter_mut().zip(&self.problem.free) {
                *out += self.derivatives[*index].to_f64();
            }
        }
        Ok(total)
    }
}
