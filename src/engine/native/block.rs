//! Runs a pass over the samples, a block at a time. Runs of instructions are compiled for each instruction set that `pulp`
//! knows.
//!
//! The arithmetic of a sample is the same in each of them, and the order of additions in a sum depends on the number of
//! samples only: sample `i` goes to lane `i % LANES` of its section of [`SECTION`] samples, the lanes of a section are added
//! as a tree, and the sections in order.

use std::sync::atomic::AtomicBool;

use pulp::{Arch, Simd, WithSimd};

use super::compiled::{self, Code, Piece, VECTOR};
use super::flow::{Flow, Machine, Stop, cancelled};
use super::item::{Item, Row, Steps};
use super::linear;
use super::plan::{Pass, Plan};
use super::scalar;
use super::step::{self, Code as StepCode, Slot, Step};
use super::tape::{Rows, Tape};
use super::vector::BlockRun;
use crate::engine::{Destination, Inputs, Outputs};
use crate::ops::kernel::Pair;
use crate::ops::real::Real;

/// How many samples are computed at a time.
pub const BLOCK: usize = 128;

/// Into how many parts a sum is split.
pub const LANES: usize = 32;

/// How many samples are summed before their sum joins the total; a multiple of [`BLOCK`].
const SECTION: usize = 1024;

/// Values, aligned to a cache line: a vector that crosses two takes twice as long.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Aligned<T, const N: usize>(pub [T; N]);

/// The values of a block of samples.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Samples<T>(pub [T; BLOCK], Padding<T>);

/// A cache line more: the same sample of many blocks would otherwise lie in few sets of the cache.
type Padding<T> = [T; 8];

impl<T: Real> Samples<T> {
    /// All zero.
    pub const ZERO: Samples<T> = Samples([T::ZERO; BLOCK], [T::ZERO; 8]);
}

/// The memory of a program that runs in blocks.
pub struct Memory<T: 'static> {
    arch: Arch,
    /// A block for each slot from [`Plan::first_block`] on. Those of inputs are in use only where the caller's memory
    /// cannot be read in place.
    blocks: Vec<Samples<T>>,
    lanes: Vec<Aligned<T, LANES>>,
    /// For operations on matrices.
    matrices: Vec<T>,
    /// Empty between runs; keeps its capacity.
    views: Vec<&'static [T]>,
    /// Which inputs are the same for all samples of the pass, and fill their blocks.
    constant: Vec<bool>,
    /// What machine code needs.
    code: ForCode<T>,
}

/// What machine code needs beside the blocks of slots.
struct ForCode<T> {
    /// Blocks for the outputs of a piece.
    outputs: Vec<Samples<T>>,
    /// For each input, if it has ever been the same for all samples, its value as often as a section has samples.
    constants: Vec<Vec<Aligned<T, SECTION>>>,
    /// Where in the caller's memory each output of the plan goes, sample by sample, if it can be written there at once.
    memory: Vec<Option<*mut T>>,
    /// Where each output of the piece at hand goes.
    targets: Vec<*mut T>,
    /// Vectors of values that find no register.
    vectors: Vec<Aligned<[u8; VECTOR], 1>>,
    /// A value whose bits are all set for each sample that counts, and then zeros.
    mask: Samples<T>,
    /// How many samples the mask says count.
    masked: usize,
    /// Where the blocks of the inputs are, and the first sample and number of samples for which that is so.
    inputs: Vec<*const T>,
    pointed: Option<(usize, usize)>,
}

impl<T: Real> ForCode<T> {
    /// Makes room for so many outputs and vectors.
    fn make_room(&mut self, outputs: usize, vectors: usize) {
        if self.outputs.len() < outputs {
            self.outputs.resize(outputs, Samples::ZERO);
            self.targets.resize(outputs, std::ptr::null_mut());
        }
        if self.vectors.len() < vectors {
            self.vectors.resize(vectors, Aligned([[0; VECTOR]]));
        }
    }
}

// SAFETY: the pointers are written before each use
unsafe impl<T: Send> Send for ForCode<T> {}

impl<T: Real> Memory<T> {
    /// The memory that `plan` needs.
    pub fn of(plan: &Plan<T>) -> Memory<T> {
        let passes = plan.stages.iter().filter_map(|stage| stage.pass.as_ref());
        let sums = passes.clone().map(|pass| pass.sums.len()).max();
        let blocks = match passes.count() {
            0 => 0,
            _ => plan.slots() - plan.first_block,
        };
        Memory {
            arch: Arch::new(),
            blocks: vec![Samples::ZERO; blocks],
            lanes: vec![Aligned([T::ZERO; LANES]); sums.unwrap_or(0)],
            matrices: vec![T::ZERO; plan.matrices],
            views: Vec::with_capacity(plan.inputs.len()),
            constant: vec![false; plan.inputs.len()],
            code: ForCode {
                outputs: Vec::new(),
                constants: vec![Vec::new(); plan.inputs.len()],
                memory: vec![None; plan.uniform_outputs.len()],
                targets: Vec::new(),
                vectors: Vec::new(),
                mask: Samples::ZERO,
                masked: 0,
                inputs: vec![std::ptr::null(); plan.inputs.len()],
                pointed: None,
            },
        }
    }
}

/// What a pass works on.
pub struct Batch<'a, T> {
    /// How many samples there are.
    pub samples: usize,
    /// Their values.
    pub inputs: &'a dyn Inputs<T>,
    /// Most iterations of a loop.
    pub limit: u32,
    /// Set from outside to stop the pass.
    pub cancel: Option<&'a AtomicBool>,
}

/// What a thread works with.
pub struct Desk<'a, T: 'static> {
    /// Blocks.
    pub memory: &'a mut Memory<T>,
    /// The uniform values.
    pub values: &'a mut [T],
    /// The states that are kept of loops.
    pub tapes: &'a mut [Tape<T>],
    /// Where outputs go.
    pub outputs: &'a mut dyn Outputs<T>,
}

/// A pass over a batch. The sums are put among the uniform values.
pub fn pass<T: Real>(
    plan: &Plan<T>,
    pass: &Pass,
    desk: Desk<T>,
    batch: &Batch<T>,
) -> Result<(), Stop> {
    for slot in &pass.sums {
        desk.values[*slot as usize] = T::ZERO;
    }
    at_desk(plan, pass, desk, batch, |flow| {
        for index in 0..sections(batch.samples) {
            section(pass, flow, batch, index)?;
            flow.machine
                .take_sums(pass.sums.len(), |values, sum, value| {
                    let total = &mut values[pass.sums[sum] as usize];
                    *total = *total + value;
                });
        }
        Ok(())
    })
}

/// How many sections a batch has. They can be computed in any order, and their sums added in the order of the samples.
pub fn sections(samples: usize) -> usize {
    samples.div_ceil(SECTION)
}

/// Computes those sections of a batch that `next` says, and gives the sums of each, in the order of the pass, to `done`.
pub fn some_sections<T: Real>(
    plan: &Plan<T>,
    pass: &Pass,
    desk: Desk<T>,
    batch: &Batch<T>,
    mut next: impl FnMut() -> Option<usize>,
    mut done: impl FnMut(usize, T),
) -> Result<(), Stop> {
    at_desk(plan, pass, desk, batch, |flow| {
        while let Some(index) = next() {
            section(pass, flow, batch, index)?;
            let sums = pass.sums.len();
            flow.machine
                .take_sums(sums, |_, sum, value| done(index * sums + sum, value));
        }
        Ok(())
    })
}

/// Sets up a block of samples and works with it.
fn at_desk<T: Real>(
    plan: &Plan<T>,
    pass: &Pass,
    desk: Desk<T>,
    batch: &Batch<T>,
    work: impl FnOnce(&mut Flow<T, Block<T>>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let memory = desk.memory;
    let mut views: Vec<&[T]> = std::mem::take(&mut memory.views);
    let direct = |port: &usize| batch.inputs.contiguous(*port, 0, batch.samples);
    views.extend(plan.inputs.iter().map(|port| direct(port).unwrap_or(&[])));
    let block = Block {
        plan,
        blocks: &mut memory.blocks,
        lanes: &mut memory.lanes,
        arch: memory.arch,
        values: desk.values,
        views: &views,
        constant: &mut memory.constant,
        start: 0,
        count: 0,
        width: BLOCK
            .min(batch.samples)
            .next_multiple_of(VECTOR / size_of::<T>()),
        outputs: desk.outputs,
        matrices: &mut memory.matrices,
        code: &mut memory.code,
    };
    block.code.pointed = None;
    block.code.make_room(plan.code.outputs, plan.code.vectors);
    if plan.code.blocks.is_some() {
        for output in &pass.stored {
            block.code.memory[*output] = match block.outputs.destination(*output, batch.samples) {
                Destination::Memory { first, stride: 1 } => Some(first),
                _ => None,
            };
        }
    }
    let mut flow = Flow {
        machine: block,
        tapes: desk.tapes,
        limit: batch.limit,
        cancel: batch.cancel,
    };
    flow.machine.fill(&pass.uniforms);
    flow.machine.fill_constant(&pass.inputs, batch.inputs);
    let done = work(&mut flow);
    if done.is_err() {
        memory.lanes.fill(Aligned([T::ZERO; LANES]));
    }
    views.clear();
    // reuses the allocation: the vector is empty, only its lifetime changes
    memory.views = views.into_iter().map(|_| -> &[T] { &[] }).collect();
    done
}

/// One section.
fn section<T: Real>(
    pass: &Pass,
    flow: &mut Flow<T, Block<T>>,
    batch: &Batch<T>,
    index: usize,
) -> Result<(), Stop> {
    if cancelled(batch.cancel) {
        return Err(Stop::Cancelled);
    }
    let mut start = index * SECTION;
    let end = batch.samples.min(start + SECTION);
    while start < end {
        flow.machine.start = start;
        if let [Item::Steps(steps)] = &pass.items[..] {
            flow.machine.stretch(steps, pass, end);
            start = flow.machine.start;
            if start == end {
                break;
            }
        }
        flow.machine.count = BLOCK.min(end - start);
        flow.machine.gather(&pass.inputs, batch.inputs);
        if let [Item::Steps(steps)] = &pass.items[..] {
            // without loops, all blocks of the section in one go
            flow.machine.section(steps, pass, batch.inputs, end);
            start = end;
        } else {
            flow.items(&pass.items)?;
            start += flow.machine.count;
        }
    }
    Ok(())
}

/// A block of samples at work.
struct Block<'a, T> {
    plan: &'a Plan<T>,
    blocks: &'a mut [Samples<T>],
    lanes: &'a mut [Aligned<T, LANES>],
    arch: Arch,
    /// The uniform values.
    values: &'a mut [T],
    /// Inputs that are read in place.
    views: &'a [&'a [T]],
    /// Which inputs are the same for all samples.
    constant: &'a mut [bool],
    /// The first sample of the block.
    start: usize,
    /// How many samples are in use.
    count: usize,
    /// How many samples of a block are in use at most, in whole vectors.
    width: usize,
    outputs: &'a mut dyn Outputs<T>,
    /// Memory for operations on matrices.
    matrices: &'a mut [T],
    /// What machine code needs.
    code: &'a mut ForCode<T>,
}

impl<T: Real> Block<'_, T> {
    /// Gives single values to all samples that a block may hold in this batch.
    fn fill(&mut self, slots: &[Slot]) {
        for slot in slots {
            let slot = *slot as usize;
            let block = &mut self.blocks[slot - self.plan.first_block].0;
            block[..self.width].fill(self.values[slot]);
        }
    }

    /// Fills the blocks of inputs that are the same for all samples.
    fn fill_constant(&mut self, inputs: &[usize], from: &dyn Inputs<T>) {
        let first = self.plan.uniforms - self.plan.first_block;
        for input in inputs {
            let value = match self.views[*input] {
                [] => from.constant(self.plan.inputs[*input]),
                _ => None,
            };
            self.constant[*input] = value.is_some();
            if let Some(value) = value {
                self.blocks[first + input].0 = [value; BLOCK];
                let long = &mut self.code.constants[*input];
                let bits = |value: &T| value.to_f64().to_bits();
                if long.first().map(|long| bits(&long.0[0])) != Some(bits(&value)) {
                    long.clear();
                    long.push(Aligned([value; SECTION]));
                }
            }
        }
    }

    /// Gets the inputs that cannot be read where they are: those that do not lie side by side or do not fill the block.
    fn gather(&mut self, inputs: &[usize], from: &dyn Inputs<T>) {
        let first = self.plan.uniforms - self.plan.first_block;
        for input in inputs {
            let elsewhere = self.count < BLOCK || self.views[*input].is_empty();
            if elsewhere && !self.constant[*input] {
                let out = &mut self.blocks[first + input].0[..self.count];
                from.gather(self.plan.inputs[*input], self.start, out);
            }
        }
    }

    /// Runs instructions on the block at hand and on those after it up to sample `end`.
    fn section(&mut self, steps: &Steps, pass: &Pass, from: &dyn Inputs<T>, end: usize) {
        let inputs = &pass.inputs;
        let more = Some(More { inputs, from, end });
        self.arch.dispatch(Batched(self, steps, more));
    }

    /// Runs as many whole blocks up to sample `end` as can be in one go: where a single piece of machine code passes nothing
    /// through blocks, and inputs and outputs lie in the caller's memory.
    fn stretch(&mut self, steps: &Steps, pass: &Pass, end: usize) {
        let (Some(executable), [Piece::Code(code)]) =
            (&self.plan.code.blocks, &steps.compiled.pieces[..])
        else {
            return;
        };
        let (start, samples) = (self.start, (end - self.start) / BLOCK * BLOCK);
        if !code.long || samples <= BLOCK {
            return;
        }
        let at = &mut *self.code;
        at.pointed = None;
        for input in &pass.inputs {
            at.inputs[*input] = match self.views[*input].get(start..start + samples) {
                Some(view) => view.as_ptr(),
                None if self.constant[*input] => at.constants[*input][0].0.as_ptr(),
                None => return,
            };
        }
        for (target, output) in at.targets.iter_mut().zip(&code.outputs) {
            match at.memory[*output as usize] {
                Some(first) => *target = first.wrapping_add(start),
                None => return,
            }
        }
        let on = compiled::Blocks {
            base: self.blocks.as_mut_ptr().cast(),
            inputs: at.inputs.as_ptr(),
            lanes: self.lanes.as_mut_ptr().cast(),
            samples,
            mask: at.mask.0.as_ptr(),
            outputs: at.targets.as_ptr(),
            vectors: at.vectors.as_mut_ptr().cast(),
        };
        // SAFETY: the code was compiled for this plan; it reads inputs, of which there are so many samples here, and uniform
        // values, and writes sums and outputs, for which `Destination` promises memory
        unsafe { executable.blocks(code.entry, on) };
        self.start += samples;
    }

    /// Gives the sums of a section to `to`, with the uniform values, and starts over.
    fn take_sums(&mut self, sums: usize, mut to: impl FnMut(&mut [T], usize, T)) {
        for (sum, lanes) in self.lanes[..sums].iter_mut().enumerate() {
            to(self.values, sum, tree(&lanes.0));
            lanes.0 = [T::ZERO; LANES];
        }
    }

    /// The samples of a slot that are in use.
    fn read(&self, slot: Slot) -> &[T] {
        let first = self.plan.first_block;
        let views = Views {
            first: self.plan.uniforms,
            views: self.views,
            start: self.start,
        };
        &views.block(slot, first, self.blocks, &[])[..self.count]
    }
}

impl<T: Real> Machine<T> for Block<'_, T> {
    fn samples(&self) -> usize {
        self.count
    }

    fn steps(&mut self, steps: &Steps) {
        if !steps.uniform.is_empty() {
            scalar::uniform(&steps.uniform, &self.plan.kernels, self.values);
            self.fill(&steps.fills);
        }
        if !steps.batched.is_empty() {
            self.arch.dispatch(Batched(self, steps, None));
        }
    }

    fn linear(&mut self, step: &linear::Step) {
        let samples = if step.uniform { 1 } else { self.count };
        for sample in 0..samples {
            for (i, slot) in step.args.iter().enumerate() {
                self.matrices[i] = match step.uniform {
                    true => self.values[*slot as usize],
                    false => self.read(*slot)[sample],
                };
            }
            let results = step.compute(self.matrices);
            for (slot, result) in step.results.iter().zip(results) {
                match step.uniform {
                    true => self.values[*slot as usize] = *result,
                    false => {
                        self.blocks[*slot as usize - self.plan.first_block].0[sample] = *result;
                    }
                }
            }
        }
        if step.uniform {
            self.fill(&step.fills);
        }
    }

    fn active(&mut self, flag: Slot, uniform: bool) -> usize {
        match uniform {
            true if self.values[flag as usize].is_true() => self.count,
            true => 0,
            false => self.arch.dispatch(Count(self.read(flag))),
        }
    }

    fn keep(&mut self, flag: Slot, pairs: &[[Slot; 2]]) {
        self.arch.dispatch(Keep(self, flag, pairs));
    }

    fn finish(&mut self, flag: Slot, ran: &mut [u32], iterations: u32) {
        for (ran, flag) in ran.iter_mut().zip(self.read(flag)) {
            if *ran == u32::MAX && !flag.is_true() {
                *ran = iterations;
            }
        }
    }

    fn mask(&mut self, mask: Slot, ran: &[u32], iteration: u32) {
        let mask = &mut self.blocks[mask as usize - self.plan.first_block].0;
        for (mask, ran) in mask.iter_mut().zip(ran) {
            *mask = T::truth(*ran > iteration);
        }
    }

    fn width(&self, row: &Row) -> (usize, usize) {
        (row.uniform.len(), row.batched.len())
    }

    fn save(&mut self, rows: &mut Rows<T>, index: usize, row: &Row) {
        let (single, blocks) = self.width(row);
        rows.reserve(index, single, blocks);
        for (to, slot) in rows.single[index * single..].iter_mut().zip(&row.uniform) {
            *to = self.values[*slot as usize];
        }
        for (to, slot) in rows.blocks[index * blocks..].iter_mut().zip(&row.batched) {
            *to = self.blocks[*slot as usize - self.plan.first_block];
        }
    }

    fn load(&mut self, rows: &Rows<T>, index: usize, row: &Row) {
        let (single, blocks) = self.width(row);
        for (from, slot) in rows.single[index * single..].iter().zip(&row.uniform) {
            self.values[*slot as usize] = *from;
        }
        for (from, slot) in rows.blocks[index * blocks..].iter().zip(&row.batched) {
            self.blocks[*slot as usize - self.plan.first_block] = *from;
        }
        self.fill(&row.fills);
    }
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

// types rather than closures, since `pulp` compiles for an instruction set only what is inlined, and closures of this size
// are not

/// Runs instructions on the block at hand, and on more.
struct Batched<'m, 'a, T>(&'m mut Block<'a, T>, &'m Steps, Option<More<'m, T>>);

/// The blocks after the one at hand.
struct More<'m, T> {
    /// Positions of the inputs that are read.
    inputs: &'m [usize],
    from: &'m dyn Inputs<T>,
    /// Behind the last sample.
    end: usize,
}

impl<T: Real> WithSimd for Batched<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Batched(block, steps, more) = self;
        loop {
            if block.plan.code.blocks.is_none() {
                block.run(&steps.batched);
            }
            // without code there are no pieces, or they are of no use
            let pieces = match block.plan.code.blocks {
                Some(_) => &steps.compiled.pieces[..],
                None => &[],
            };
            for piece in pieces {
                match piece {
                    Piece::Code(code) => block.code(code),
                    Piece::Steps(range) => block.run(&steps.batched[range.clone()]),
                }
            }
            let Some(more) = &more else { break };
            block.start += block.count;
            if block.start >= more.end {
                break;
            }
            block.count = BLOCK.min(more.end - block.start);
            block.gather(more.inputs, more.from);
        }
    }
}

impl<T: Real> Block<'_, T> {
    /// Runs machine code.
    fn code(&mut self, code: &Code) {
        let Some(executable) = &self.plan.code.blocks else {
            return;
        };
        let at = &mut *self.code;
        if at.pointed != Some((self.start, self.count)) {
            at.pointed = Some((self.start, self.count));
            let views = Views {
                first: self.plan.uniforms,
                views: self.views,
                start: self.start,
            };
            for (i, pointer) in at.inputs.iter_mut().enumerate() {
                let slot = (self.plan.uniforms + i) as Slot;
                *pointer = views
                    .block(slot, self.plan.first_block, self.blocks, &[])
                    .as_ptr();
            }
        }
        // code works on vectors of so many samples
        let vector = VECTOR / size_of::<T>();
        let whole = self.count.is_multiple_of(vector);
        if at.masked != self.count {
            at.masked = self.count;
            for (i, mask) in at.mask.0.iter_mut().enumerate() {
                *mask = if i < self.count {
                    T::all_ones()
                } else {
                    T::ZERO
                };
            }
        }
        // past the last sample only blocks of our own are written
        let memory = |output: &u32| match whole {
            true => at.memory[*output as usize],
            false => None,
        };
        let pairs = at.targets.iter_mut().zip(&mut at.outputs);
        for ((target, block), output) in pairs.zip(&code.outputs) {
            *target = match memory(output) {
                Some(first) => first.wrapping_add(self.start),
                None => block.0.as_mut_ptr(),
            };
        }
        let on = compiled::Blocks {
            base: self.blocks.as_mut_ptr().cast(),
            inputs: at.inputs.as_ptr(),
            lanes: self.lanes.as_mut_ptr().cast(),
            samples: self.count.next_multiple_of(vector),
            mask: at.mask.0.as_ptr(),
            outputs: at.targets.as_ptr(),
            vectors: at.vectors.as_mut_ptr().cast(),
        };
        // SAFETY: the code was compiled for this plan, which said how many blocks of each kind there are; those of inputs are
        // whole, as `Views::block` says by its type, and `Destination` promises memory for all samples of the batch
        unsafe { executable.blocks(if whole { code.entry } else { code.masked }, on) };
        for (output, block) in code.outputs.iter().zip(&at.outputs) {
            if memory(output).is_none() {
                self.outputs
                    .scatter(*output as usize, self.start, &block.0[..self.count]);
            }
        }
    }

    #[inline(always)]
    fn run(&mut self, steps: &[Step]) {
        let views = Views {
            first: self.plan.uniforms,
            views: self.views,
            start: self.start,
        };
        // in variables: what a step writes could be the machine itself, for all that the compiler knows
        let (blocks, lanes) = (&mut *self.blocks, &mut *self.lanes);
        let (first, uniforms) = (self.plan.first_block, self.plan.uniforms);
        let (start, count) = (self.start, self.count);
        for step in steps {
            if let StepCode::Pair(kernel) = step.code {
                let kernel = &self.plan.kernels.pairs[kernel as usize];
                pair(kernel, self.arch, step, views, blocks, first, count);
                continue;
            }
            let (low, rest) = blocks.split_at_mut(step.slot as usize - first);
            let (out, high) = rest.split_first_mut().expect("a slot of the plan");
            let [a, b, c] = step.args;
            let mut run = BlockRun {
                step,
                count,
                a: views.block(a, first, low, high),
                b: views.block(b, first, low, high),
                c: views.block(c, first, low, high),
                out: &mut out.0,
                start,
                lanes: &mut *lanes,
                kernels: &self.plan.kernels,
                uniforms,
                arch: self.arch,
                outputs: &mut *self.outputs,
            };
            step::run(step.code, &mut run);
        }
    }
}

/// Runs a step of two results.
fn pair<T: Real>(
    kernel: &Pair<T>,
    arch: Arch,
    step: &Step,
    views: Views<T>,
    blocks: &mut [Samples<T>],
    first: usize,
    count: usize,
) {
    let [x, a, b] = [step.args[0], step.slot, step.index].map(|slot| slot as usize - first);
    const DISTINCT: &str = "results have slots of their own";
    match views.view(step.args[0]) {
        Some(x) => {
            let [a, b] = blocks.get_disjoint_mut([a, b]).expect(DISTINCT);
            (kernel.block)(arch, &x[..count], [&mut a.0[..count], &mut b.0[..count]]);
        }
        None => {
            let [x, a, b] = blocks.get_disjoint_mut([x, a, b]).expect(DISTINCT);
            (kernel.block)(arch, &x.0[..count], [&mut a.0[..count], &mut b.0[..count]]);
        }
    }
}

/// How many flags are true.
struct Count<'m, T>(&'m [T]);

impl<T: Real> WithSimd for Count<'_, T> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        self.0.iter().map(|flag| usize::from(flag.is_true())).sum()
    }
}

/// Where a flag is false, the value after is the value before.
struct Keep<'m, 'a, T>(&'m mut Block<'a, T>, Slot, &'m [[Slot; 2]]);

impl<T: Real> WithSimd for Keep<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Keep(block, flag, pairs) = self;
        let first = block.plan.first_block;
        let views = Views {
            first: block.plan.uniforms,
            views: block.views,
            start: block.start,
        };
        for [before, after] in pairs {
            let (low, rest) = block.blocks.split_at_mut(*after as usize - first);
            let (after, high) = rest.split_first_mut().expect("a slot of the plan");
            let flag = views.block(flag, first, low, high);
            let before = views.block(*before, first, low, high);
            for ((after, before), flag) in after.0.iter_mut().zip(before).zip(flag) {
                *after = if flag.is_true() { *after } else { *before };
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
    /// The block of an argument in the caller's memory, if it is read there.
    #[inline(always)]
    fn view(self, slot: u32) -> Option<&'r [T; BLOCK]> {
        let view = self.views.get((slot as usize).wrapping_sub(self.first))?;
        view.get(self.start..)?.first_chunk()
    }

    /// The block of an argument. `low` and `high` are the blocks before and after one that is written to; the first is that
    /// of slot `first`.
    #[inline(always)]
    fn block(
        self,
        slot: u32,
        first: usize,
        low: &'r [Samples<T>],
        high: &'r [Samples<T>],
    ) -> &'r [T; BLOCK] {
        if let Some(block) = self.view(slot) {
            return block;
        }
        let slot = slot as usize;
        match low.get(slot - first) {
            Some(block) => &block.0,
            None => &high[slot - first - low.len() - 1].0,
        }
    }
}
