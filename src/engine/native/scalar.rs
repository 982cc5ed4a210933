//! Runs steps on single values: uniform values, and passes over a batch of one sample.

use super::plan::{Kernels, Pass, Plan};
use super::step::{self, Run, Step};
use crate::ops::real::Real;

/// Computes uniform values.
pub fn uniform<T: Real>(steps: &[Step], kernels: &Kernels<T>, values: &mut [T]) {
    for step in steps {
        let mut run = Scalar {
            step,
            values: &mut *values,
            kernels,
            row: &mut [],
            sums: &[],
        };
        step::run(step.code, &mut run);
    }
}

/// A pass over one sample. `values` has a place for each slot, those of the inputs filled; `row` one for each output.
pub fn pass<T: Real>(plan: &Plan<T>, pass: &Pass, values: &mut [T], row: &mut [T]) {
    for step in &pass.steps {
        let mut run = Scalar {
            step,
            values: &mut *values,
            kernels: &plan.kernels,
            row: &mut *row,
            sums: &pass.sums,
        };
        step::run(step.code, &mut run);
    }
}

struct Scalar<'r, T> {
    step: &'r Step,
    values: &'r mut [T],
    kernels: &'r Kernels<T>,
    row: &'r mut [T],
    sums: &'r [step::Slot],
}

impl<T: Real> Scalar<'_, T> {
    #[inline(always)]
    fn arg(&self, i: usize) -> T {
        self.values[self.step.args[i] as usize]
    }

    #[inline(always)]
    fn set(&mut self, value: T) {
        self.values[self.step.slot as usize] = value;
    }
}

impl<T: Real> Run<T> for Scalar<'_, T> {
    #[inline(always)]
    fn unary(&mut self, f: impl Fn(T) -> T) {
        self.set(f(self.arg(0)));
    }

    #[inline(always)]
    fn binary(&mut self, f: impl Fn(T, T) -> T) {
        self.set(f(self.arg(0), self.arg(1)));
    }

    #[inline(always)]
    fn ternary(&mut self, f: impl Fn(T, T, T) -> T) {
        self.set(f(self.arg(0), self.arg(1), self.arg(2)));
    }

    #[inline(always)]
    fn div_uniform(&mut self) {
        self.binary(|a, b| a / b);
    }

    #[inline(always)]
    fn unary_kernel(&mut self, kernel: usize) {
        let f = self.kernels.unary[kernel].scalar;
        self.unary(f);
    }

    #[inline(always)]
    fn binary_kernel(&mut self, kernel: usize) {
        let f = self.kernels.binary[kernel].scalar;
        self.binary(f);
    }

    #[inline(always)]
    fn sum(&mut self, f: impl Fn(T, T, T) -> T) {
        // as in a block, where sums start from zero
        let value = T::ZERO + f(self.arg(0), self.arg(1), self.arg(2));
        self.values[self.sums[self.step.index as usize] as usize] = value;
    }

    #[inline(always)]
    fn sub_sum_square(&mut self) {
        self.binary(|a, b| a - b);
        self.sum(|a, b, _| (a - b) * (a - b));
    }

    #[inline(always)]
    fn store(&mut self) {
        self.row[self.step.index as usize] = self.arg(0);
    }
}
