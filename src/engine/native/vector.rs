//! One instruction on a block of samples.

use pulp::Arch;

use super::block::{Aligned, BLOCK, LANES};
use super::kernels::Kernels;
use super::step::{Run, Step};
use crate::engine::Outputs;
use crate::ops::kernel::Operand;
use crate::ops::real::Real;

/// An instruction and what it works on.
pub struct BlockRun<'r, T> {
    /// The instruction.
    pub step: &'r Step,
    /// How many samples of the block are in use; what lies behind them is computed too, and means nothing.
    pub count: usize,
    /// The first argument.
    pub a: &'r [T; BLOCK],
    /// The second.
    pub b: &'r [T; BLOCK],
    /// The third.
    pub c: &'r [T; BLOCK],
    /// The result.
    pub out: &'r mut [T; BLOCK],
    /// The first sample of the block.
    pub start: usize,
    /// The sums.
    pub lanes: &'r mut [Aligned<T, LANES>],
    /// The functions of the table.
    pub kernels: &'r Kernels<T>,
    /// How many slots are uniform.
    pub uniforms: usize,
    /// The instruction set.
    pub arch: Arch,
    /// Where outputs go.
    pub outputs: &'r mut dyn Outputs<T>,
}

// functions, so that the compiler knows that the blocks do not overlap
#[inline(always)]
fn map1<T: Real>(out: &mut [T; BLOCK], a: &[T; BLOCK], f: impl Fn(T) -> T) {
    for i in 0..BLOCK {
        out[i] = f(a[i]);
    }
}

#[inline(always)]
fn map2<T: Real>(out: &mut [T; BLOCK], a: &[T; BLOCK], b: &[T; BLOCK], f: impl Fn(T, T) -> T) {
    for i in 0..BLOCK {
        out[i] = f(a[i], b[i]);
    }
}

#[inline(always)]
fn map3<T: Real>(out: &mut [T; BLOCK], [a, b, c]: [&[T; BLOCK]; 3], f: impl Fn(T, T, T) -> T) {
    for i in 0..BLOCK {
        out[i] = f(a[i], b[i], c[i]);
    }
}

/// Adds the first `count` values of a block to the lanes.
#[inline(always)]
fn accumulate<T: Real>(
    lanes: &mut [T; LANES],
    [a, b, c]: [&[T; BLOCK]; 3],
    count: usize,
    f: impl Fn(T, T, T) -> T,
) {
    if count < BLOCK {
        for i in 0..count {
            lanes[i % LANES] = lanes[i % LANES] + f(a[i], b[i], c[i]);
        }
        return;
    }
    let mut sums = *lanes;
    for start in (0..BLOCK).step_by(LANES) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            let i = start + lane;
            *sum = *sum + f(a[i], b[i], c[i]);
        }
    }
    *lanes = sums;
}

/// `out = a - b`; adds the squares of the first `count` of them to the lanes.
#[inline(always)]
fn residual<T: Real>(
    out: &mut [T; BLOCK],
    lanes: &mut [T; LANES],
    a: &[T; BLOCK],
    b: &[T; BLOCK],
    count: usize,
) {
    if count < BLOCK {
        map2(out, a, b, |a, b| a - b);
        for i in 0..count {
            lanes[i % LANES] = lanes[i % LANES] + out[i] * out[i];
        }
        return;
    }
    let mut sums = *lanes;
    for start in (0..BLOCK).step_by(LANES) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            let i = start + lane;
            let difference = a[i] - b[i];
            out[i] = difference;
            *sum = *sum + difference * difference;
        }
    }
    *lanes = sums;
}

impl<'r, T: Real> BlockRun<'r, T> {
    #[inline(always)]
    fn operand(&self, i: usize, block: &'r [T; BLOCK]) -> Operand<'r, T> {
        match (self.step.args[i] as usize) < self.uniforms {
            true => Operand::Uniform(block[0]),
            false => Operand::Block(&block[..self.count]),
        }
    }
}

impl<T: Real> Run<T> for BlockRun<'_, T> {
    #[inline(always)]
    fn unary(&mut self, f: impl Fn(T) -> T) {
        map1(self.out, self.a, f);
    }

    #[inline(always)]
    fn binary(&mut self, f: impl Fn(T, T) -> T) {
        map2(self.out, self.a, self.b, f);
    }

    #[inline(always)]
    fn ternary(&mut self, f: impl Fn(T, T, T) -> T) {
        map3(self.out, [self.a, self.b, self.c], f);
    }

    #[inline(always)]
    fn div_uniform(&mut self) {
        let divisor = self.b[0];
        match exact_reciprocal(divisor) {
            Some(factor) => map1(self.out, self.a, |a| a * factor),
            None => map1(self.out, self.a, |a| a / divisor),
        }
    }

    #[inline(always)]
    fn unary_kernel(&mut self, kernel: usize) {
        let f = self.kernels.unary[kernel].block;
        f(
            self.arch,
            &self.a[..self.count],
            &mut self.out[..self.count],
        );
    }

    #[inline(always)]
    fn binary_kernel(&mut self, kernel: usize) {
        let f = self.kernels.binary[kernel].block;
        let (a, b) = (self.operand(0, self.a), self.operand(1, self.b));
        f(self.arch, a, b, &mut self.out[..self.count]);
    }

    #[inline(always)]
    fn pair_kernel(&mut self, _: usize) {
        unreachable!("a step of two results has no single block for them");
    }

    #[inline(always)]
    fn sum(&mut self, f: impl Fn(T, T, T) -> T) {
        let lanes = &mut self.lanes[self.step.index as usize].0;
        accumulate(lanes, [self.a, self.b, self.c], self.count, f);
    }

    #[inline(always)]
    fn sub_sum_square(&mut self) {
        let lanes = &mut self.lanes[self.step.index as usize].0;
        residual(self.out, lanes, self.a, self.b, self.count);
    }

    #[inline(always)]
    fn store(&mut self) {
        let values = &self.a[..self.count];
        self.outputs
            .scatter(self.step.index as usize, self.start, values);
    }
}

/// `1 / x` where multiplying by it gives the same bits as dividing by `x`: for powers of two.
#[inline(always)]
fn exact_reciprocal<T: Real>(x: T) -> Option<T> {
    let wide = x.to_f64();
    let fraction = wide.to_bits() & ((1 << 52) - 1);
    let exponent = (wide.to_bits() >> 52) & 0x7ff;
    // the same range in both types, far from subnormal numbers
    (fraction == 0 && (1023 - 100..1023 + 100).contains(&exponent)).then(|| T::ONE / x)
}
