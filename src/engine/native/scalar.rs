//! Runs items on single values: uniform values, and passes over a batch of one sample.

use super::compiled::Executable;
use super::flow::Machine;
use super::item::{Row, Steps};
use super::kernels::Kernels;
use super::linear;
use super::step::{self, Run, Slot, Step};
use super::tape::Rows;
use crate::ops::real::Real;

/// Computes single values.
pub struct Single<'a, T> {
    /// A value for each slot.
    pub values: &'a mut [T],
    /// The functions of the table.
    pub kernels: &'a Kernels<T>,
    /// A place for each output.
    pub row: &'a mut [T],
    /// The slots of sums.
    pub sums: &'a [Slot],
    /// Memory for operations on matrices.
    pub matrices: &'a mut [T],
    /// Machine code of the plan.
    pub code: Option<&'a Executable>,
}

impl<T: Real> Single<'_, T> {
    #[inline(always)]
    fn run(&mut self, steps: &[Step]) {
        // in variables: what a step writes could be the machine itself, for all that the compiler knows
        let (values, row) = (&mut *self.values, &mut *self.row);
        let (kernels, sums) = (self.kernels, self.sums);
        for step in steps {
            let mut run = Scalar {
                step,
                values: &mut *values,
                kernels,
                row: &mut *row,
                sums,
            };
            step::run(step.code, &mut run);
        }
    }
}

impl<T: Real> Machine<T> for Single<'_, T> {
    fn samples(&self) -> usize {
        1
    }

    fn steps(&mut self, steps: &Steps) {
        if let (Some(code), Some(entry)) = (self.code, steps.compiled.single) {
            // SAFETY: the code was compiled for this plan, whose slots and outputs these are
            unsafe { code.single(entry, self.values.as_mut_ptr(), self.row.as_mut_ptr()) };
            return;
        }
        self.run(&steps.uniform);
        self.run(&steps.batched);
    }

    fn linear(&mut self, step: &linear::Step) {
        for (to, slot) in self.matrices.iter_mut().zip(&step.args) {
            *to = self.values[*slot as usize];
        }
        let results = step.compute(self.matrices);
        for (slot, result) in step.results.iter().zip(results) {
            self.values[*slot as usize] = *result;
        }
    }

    fn active(&mut self, flag: Slot, _: bool) -> usize {
        usize::from(self.values[flag as usize].is_true())
    }

    fn keep(&mut self, _: Slot, _: &[[Slot; 2]]) {
        // a loop ends with its only sample
    }

    fn finish(&mut self, _: Slot, ran: &mut [u32], iterations: u32) {
        ran[0] = iterations;
    }

    fn mask(&mut self, mask: Slot, ran: &[u32], iteration: u32) {
        self.values[mask as usize] = T::truth(ran[0] > iteration);
    }

    fn width(&self, row: &Row) -> (usize, usize) {
        (row.uniform.len() + row.batched.len(), 0)
    }

    fn save(&mut self, rows: &mut Rows<T>, index: usize, row: &Row) {
        let (single, blocks) = self.width(row);
        rows.reserve(index, single, blocks);
        let slots = row.uniform.iter().chain(&row.batched);
        for (to, slot) in rows.single[index * single..].iter_mut().zip(slots) {
            *to = self.values[*slot as usize];
        }
    }

    fn load(&mut self, rows: &Rows<T>, index: usize, row: &Row) {
        let (single, _) = self.width(row);
        let slots = row.uniform.iter().chain(&row.batched);
        for (from, slot) in rows.single[index * single..].iter().zip(slots) {
            self.values[*slot as usize] = *from;
        }
    }
}

/// Computes uniform values beside a block of samples.
pub fn uniform<T: Real>(steps: &[Step], kernels: &Kernels<T>, values: &mut [T]) {
    let mut single = Single {
        values,
        kernels,
        row: &mut [],
        sums: &[],
        matrices: &mut [],
        code: None,
    };
    single.run(steps);
}

struct Scalar<'r, T> {
    step: &'r Step,
    values: &'r mut [T],
    kernels: &'r Kernels<T>,
    row: &'r mut [T],
    sums: &'r [Slot],
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
    fn pair_kernel(&mut self, kernel: usize) {
        let [first, second] = self.kernels.pairs[kernel].alone;
        let x = self.arg(0);
        self.set((first.scalar)(x));
        self.values[self.step.index as usize] = (second.scalar)(x);
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
