//! Runs a pass over the samples, a block at a time. The whole pass is compiled for each instruction set that `pulp` knows
//! and picked once a run.
//!
//! The arithmetic of a sample is the same in each of them, and the order of additions in a sum depends on the number of
//! samples only: sample `i` goes to lane `i % LANES` of its section of [`SECTION`] samples, the lanes of a section are added
//! as a tree, and the sections in order.

use std::sync::atomic::{AtomicBool, Ordering};

use pulp::Arch;

use super::plan::{Kernels, Pass, Plan};
use super::step::{self, Run, Step};
use crate::engine::{Inputs, Outputs};
use crate::ops::kernel::Operand;
use crate::ops::real::Real;

/// How many samples are computed at a time.
pub const BLOCK: usize = 64;

/// Into how many parts a sum is split.
const LANES: usize = 32;

/// How many samples are summed before their sum joins the total; a multiple of [`BLOCK`].
const SECTION: usize = 1024;

/// The memory of a program that runs in blocks.
pub struct Memory<T: 'static> {
    arch: Arch,
    uniforms: Vec<[T; BLOCK]>,
    inputs: Vec<[T; BLOCK]>,
    registers: Vec<[T; BLOCK]>,
    lanes: Vec<[T; LANES]>,
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
            uniforms: vec![[T::ZERO; BLOCK]; plan.uniforms],
            inputs: vec![[T::ZERO; BLOCK]; plan.inputs.len()],
            registers: vec![[T::ZERO; BLOCK]; plan.registers],
            lanes: vec![[T::ZERO; LANES]; sums],
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
        memory.uniforms[*slot as usize] = [values[*slot as usize]; BLOCK];
    }
    for slot in &pass.sums {
        values[*slot as usize] = T::ZERO;
    }
    let mut views: Vec<&[T]> = std::mem::take(&mut memory.views);
    let direct = |port: &usize| batch.inputs.contiguous(*port, 0, batch.samples);
    views.extend(plan.inputs.iter().map(|port| direct(port).unwrap_or(&[])));
    memory.arch.dispatch(
        #[inline(always)]
        || {
            let mut start = 0;
            while start < batch.samples {
                if cancelled(batch.cancel) {
                    break;
                }
                let end = batch.samples.min(start + SECTION);
                section(plan, pass, memory, &views, &batch, start..end, outputs);
                for (lanes, slot) in memory.lanes.iter_mut().zip(&pass.sums) {
                    values[*slot as usize] = values[*slot as usize] + tree(lanes);
                    *lanes = [T::ZERO; LANES];
                }
                start = end;
            }
        },
    );
    views.clear();
    // reuses the allocation: the vector is empty, only its lifetime changes
    memory.views = views.into_iter().map(|_| -> &[T] { &[] }).collect();
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

#[inline(always)]
fn section<T: Real>(
    plan: &Plan<T>,
    pass: &Pass,
    memory: &mut Memory<T>,
    views: &[&[T]],
    batch: &Batch<T>,
    samples: std::ops::Range<usize>,
    outputs: &mut dyn Outputs<T>,
) {
    for start in samples.clone().step_by(BLOCK) {
        let count = BLOCK.min(samples.end - start);
        for input in &pass.inputs {
            // read where they are, if they lie side by side and fill the block
            if count < BLOCK || views[*input].is_empty() {
                let out = &mut memory.inputs[*input][..count];
                batch.inputs.gather(plan.inputs[*input], start, out);
            }
        }
        let places = Places {
            uniforms: &memory.uniforms,
            views,
            inputs: &memory.inputs,
            start,
        };
        for step in &pass.steps {
            let mut run = BlockRun {
                arch: memory.arch,
                step,
                count,
                places,
                registers: &mut memory.registers,
                lanes: &mut memory.lanes,
                kernels: &plan.kernels,
                outputs: &mut *outputs,
            };
            step::run(step.code, &mut run);
        }
    }
}

/// The slots that steps only read.
struct Places<'r, T> {
    uniforms: &'r [[T; BLOCK]],
    views: &'r [&'r [T]],
    inputs: &'r [[T; BLOCK]],
    start: usize,
}

impl<T> Clone for Places<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Places<'_, T> {}

impl<'r, T> Places<'r, T> {
    /// The block of an argument; `low` and `high` are the registers before and after register `out`.
    #[inline(always)]
    fn block(self, slot: u32, low: &'r [[T; BLOCK]], high: &'r [[T; BLOCK]]) -> &'r [T; BLOCK] {
        let slot = slot as usize;
        if let Some(uniform) = self.uniforms.get(slot) {
            return uniform;
        }
        let slot = slot - self.uniforms.len();
        if let Some(view) = self.views.get(slot) {
            let direct = view.get(self.start..).and_then(|view| view.first_chunk());
            return direct.unwrap_or(&self.inputs[slot]);
        }
        let register = slot - self.views.len();
        match low.get(register) {
            Some(register) => register,
            None => &high[register - low.len() - 1],
        }
    }
}

struct BlockRun<'r, T> {
    arch: Arch,
    step: &'r Step,
    count: usize,
    places: Places<'r, T>,
    registers: &'r mut [[T; BLOCK]],
    lanes: &'r mut [[T; LANES]],
    kernels: &'r Kernels<T>,
    outputs: &'r mut dyn Outputs<T>,
}

impl<T: Real> BlockRun<'_, T> {
    /// The result's register and the blocks of `N` arguments.
    #[inline(always)]
    fn split<const N: usize>(&mut self) -> (&mut [T; BLOCK], [&[T; BLOCK]; N]) {
        let first = self.places.uniforms.len() + self.places.views.len();
        let (low, rest) = self.registers.split_at_mut(self.step.out as usize - first);
        let (out, high) = rest.split_first_mut().expect("planned");
        let places = self.places;
        let args = std::array::from_fn(|i| places.block(self.step.args[i], low, high));
        (out, args)
    }
}

impl<T: Real> Run<T> for BlockRun<'_, T> {
    #[inline(always)]
    fn unary(&mut self, f: impl Fn(T) -> T) {
        let (out, [a]) = self.split();
        for i in 0..BLOCK {
            out[i] = f(a[i]);
        }
    }

    #[inline(always)]
    fn binary(&mut self, f: impl Fn(T, T) -> T) {
        let (out, [a, b]) = self.split();
        for i in 0..BLOCK {
            out[i] = f(a[i], b[i]);
        }
    }

    #[inline(always)]
    fn ternary(&mut self, f: impl Fn(T, T, T) -> T) {
        let (out, [a, b, c]) = self.split();
        for i in 0..BLOCK {
            out[i] = f(a[i], b[i], c[i]);
        }
    }

    #[inline(always)]
    fn div_uniform(&mut self) {
        let (out, [a, b]) = self.split();
        let divisor = b[0];
        match exact_reciprocal(divisor) {
            Some(factor) => {
                for i in 0..BLOCK {
                    out[i] = a[i] * factor;
                }
            }
            None => {
                for i in 0..BLOCK {
                    out[i] = a[i] / divisor;
                }
            }
        }
    }

    #[inline(always)]
    fn unary_kernel(&mut self, kernel: usize) {
        let f = self.kernels.unary[kernel].block;
        let (arch, count) = (self.arch, self.count);
        let (out, [a]) = self.split();
        f(arch, &a[..count], &mut out[..count]);
    }

    #[inline(always)]
    fn binary_kernel(&mut self, kernel: usize) {
        let f = self.kernels.binary[kernel].block;
        let (arch, count, step) = (self.arch, self.count, self.step);
        let uniforms = self.places.uniforms.len();
        let (out, args) = self.split::<2>();
        let operand = |i: usize| match (step.args[i] as usize) < uniforms {
            true => Operand::Uniform(args[i][0]),
            false => Operand::Block(&args[i][..count]),
        };
        f(arch, operand(0), operand(1), &mut out[..count]);
    }

    #[inline(always)]
    fn sum(&mut self, f: impl Fn(T, T) -> T) {
        let (places, args) = (self.places, self.step.args);
        let [a, b] = [0, 1].map(|i| places.block(args[i], self.registers, &[]));
        let lanes = &mut self.lanes[self.step.out as usize];
        if self.count == BLOCK {
            for i in (0..BLOCK).step_by(LANES) {
                for lane in 0..LANES {
                    lanes[lane] = lanes[lane] + f(a[i + lane], b[i + lane]);
                }
            }
        } else {
            for i in 0..self.count {
                lanes[i % LANES] = lanes[i % LANES] + f(a[i], b[i]);
            }
        }
    }

    #[inline(always)]
    fn store(&mut self) {
        let values = self.places.block(self.step.args[0], self.registers, &[]);
        let values = &values[..self.count];
        let output = self.step.out as usize;
        self.outputs.scatter(output, self.places.start, values);
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
