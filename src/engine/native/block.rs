//! Runs a pass over the samples, a block at a time. The whole pass is compiled for each instruction set that `pulp` knows
//! and picked once a run.
//!
//! The arithmetic of a sample is the same in each of them, and the order of additions in a sum depends on the number of
//! samples only: sample `i` goes to lane `i % LANES` of its section of [`SECTION`] samples, the lanes of a section are added
//! as a tree, and the sections in order.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use pulp::{Arch, Simd, WithSimd};

use super::plan::{Kernels, Pass, Plan};
use super::step::{self, Run, Step};
use crate::engine::{Inputs, Outputs};
use crate::ops::kernel::Operand;
use crate::ops::real::Real;

/// How many samples are computed at a time.
pub const BLOCK: usize = 128;

/// Into how many parts a sum is split.
const LANES: usize = 32;

/// How many samples are summed before their sum joins the total; a multiple of [`BLOCK`].
const SECTION: usize = 1024;

/// Values, aligned to a cache line: a vector that crosses two takes twice as long.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Aligned<T, const N: usize>([T; N]);

/// The memory of a program that runs in blocks.
pub struct Memory<T: 'static> {
    arch: Arch,
    /// A block for each slot. Those of inputs are in use only where the caller's memory cannot be read in place.
    blocks: Vec<Aligned<T, BLOCK>>,
    lanes: Vec<Aligned<T, LANES>>,
    /// Empty between runs; keeps its capacity.
    views: Vec<&'static [T]>,
}

impl<T: Real> Memory<T> {
    /// The memory that `plan` needs.
    pub fn of(plan: &Plan<T>) -> Memory<T> {
        let sums = plan.stages.iter().filter_map(|stage| stage.pass.as_ref());
        let sums = sums.map(|pass| pass.sums.len()).max().unwrap_or(0);
        Memory {
            arch: Arch::new(),
            blocks: vec![Aligned([T::ZERO; BLOCK]); plan.slots()],
            lanes: vec![Aligned([T::ZERO; LANES]); sums],
            views: Vec::with_capacity(plan.inputs.len()),
        }
    }
}

/// What a pass works on.
pub struct Batch<'a, T> {
    /// How many samples there are.
    pub samples: usize,
    /// Their values.
    pub inputs: &'a dyn Inputs<T>,
    /// Set from outside to stop the pass.
    pub cancel: Option<&'a AtomicBool>,
}

/// A pass over a batch. `values` has the uniform values; the sums are put there too.
pub fn pass<T: Real>(
    plan: &Plan<T>,
    pass: &Pass,
    memory: &mut Memory<T>,
    values: &mut [T],
    batch: Batch<T>,
    outputs: &mut dyn Outputs<T>,
) {
    for slot in &pass.uniforms {
        memory.blocks[*slot as usize].0 = [values[*slot as usize]; BLOCK];
    }
    for slot in &pass.sums {
        values[*slot as usize] = T::ZERO;
    }
    let mut views: Vec<&[T]> = std::mem::take(&mut memory.views);
    let direct = |port: &usize| batch.inputs.contiguous(*port, 0, batch.samples);
    views.extend(plan.inputs.iter().map(|port| direct(port).unwrap_or(&[])));
    memory.arch.dispatch(Vectorized {
        plan,
        pass,
        memory: &mut *memory,
        values,
        views: &views,
        batch,
        outputs,
    });
    views.clear();
    // reuses the allocation: the vector is empty, only its lifetime changes
    memory.views = views.into_iter().map(|_| -> &[T] { &[] }).collect();
}

/// The loop over the sections. A type rather than a closure, since `pulp` compiles for an instruction set only what is
/// inlined, and closures of this size are not.
struct Vectorized<'a, T: Real> {
    plan: &'a Plan<T>,
    pass: &'a Pass,
    memory: &'a mut Memory<T>,
    values: &'a mut [T],
    views: &'a [&'a [T]],
    batch: Batch<'a, T>,
    outputs: &'a mut dyn Outputs<T>,
}

impl<T: Real> WithSimd for Vectorized<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        let mut start = 0;
        while start < self.batch.samples && !cancelled(self.batch.cancel) {
            let end = self.batch.samples.min(start + SECTION);
            self.section(start..end);
            for (lanes, slot) in self.memory.lanes.iter_mut().zip(&self.pass.sums) {
                let total = &mut self.values[*slot as usize];
                *total = *total + tree(&lanes.0);
                lanes.0 = [T::ZERO; LANES];
            }
            start = end;
        }
    }
}

/// Whether the caller wants the run to stop.
pub fn cancelled(cancel: Option<&AtomicBool>) -> bool {
    cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed))
}

/// The sum of the lanes.
fn tree<T: Real>(lanes: &[T; LANES]) -> T {
    let mut lanes = *lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = lanes[i] + lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

impl<T: Real> Vectorized<'_, T> {
    #[inline(always)]
    fn section(&mut self, samples: Range<usize>) {
        let (plan, memory) = (self.plan, &mut *self.memory);
        for start in samples.clone().step_by(BLOCK) {
            let count = BLOCK.min(samples.end - start);
            for input in &self.pass.inputs {
                // read where they are, if they lie side by side and fill the block
                if count < BLOCK || self.views[*input].is_empty() {
                    let out = &mut memory.blocks[plan.uniforms + input].0[..count];
                    self.batch.inputs.gather(plan.inputs[*input], start, out);
                }
            }
            for step in &self.pass.steps {
                let views = Views {
                    first: plan.uniforms,
                    views: self.views,
                    start,
                };
                let (low, rest) = memory.blocks.split_at_mut(step.slot as usize);
                let (out, high) = rest.split_first_mut().expect("a slot of the plan");
                let [a, b, c] = step.args;
                let mut run = BlockRun {
                    step,
                    count,
                    a: views.block(a, low, high),
                    b: views.block(b, low, high),
                    c: views.block(c, low, high),
                    out: &mut out.0,
                    start,
                    lanes: &mut memory.lanes,
                    kernels: &plan.kernels,
                    uniforms: plan.uniforms,
                    arch: memory.arch,
                    outputs: &mut *self.outputs,
                };
                step::run(step.code, &mut run);
            }
        }
    }
}

/// Inputs that are read in place.
#[derive(Clone, Copy)]
struct Views<'r, T> {
    /// The slot of the first.
    first: usize,
    views: &'r [&'r [T]],
    start: usize,
}

impl<'r, T> Views<'r, T> {
    /// The block of an argument; `low` and `high` are the blocks before and after that of the result.
    #[inline(always)]
    fn block(
        self,
        slot: u32,
        low: &'r [Aligned<T, BLOCK>],
        high: &'r [Aligned<T, BLOCK>],
    ) -> &'r [T; BLOCK] {
        let slot = slot as usize;
        if let Some(view) = self.views.get(slot.wrapping_sub(self.first))
            && let Some(rest) = view.get(self.start..)
            && let Some(block) = rest.first_chunk()
        {
            return block;
        }
        match low.get(slot) {
            Some(block) => &block.0,
            None => &high[slot - low.len() - 1].0,
        }
    }
}

struct BlockRun<'r, T> {
    step: &'r Step,
    /// How many samples of the block are in use; what lies behind them is computed too, and means nothing.
    count: usize,
    a: &'r [T; BLOCK],
    b: &'r [T; BLOCK],
    c: &'r [T; BLOCK],
    out: &'r mut [T; BLOCK],
    start: usize,
    lanes: &'r mut [Aligned<T, LANES>],
    kernels: &'r Kernels<T>,
    uniforms: usize,
    arch: Arch,
    outputs: &'r mut dyn Outputs<T>,
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
