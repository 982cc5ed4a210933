//! Compiles the steps of a plan.

use super::assembler::{Assembler, Shape, Width};
use super::memory::Executable;
use super::operation::{Collector, Kind};
use super::translate::{Blocks, Constants, Layout, Translator};
use super::{Code, Part, Piece};
use crate::engine::native::MachineCode;
use crate::engine::native::block::{BLOCK, LANES, Samples};
use crate::engine::native::item::{self, Cycle, Item, Slots, Steps};
use crate::engine::native::plan::{Plan, Stage};
use crate::engine::native::step::{self, Slot, Step};
use crate::ops::real::Real;

/// Most steps that are compiled.
const MOST_STEPS: usize = 1 << 18;

/// From so many operations on there is only one code, which masks samples that do not count.
const MASKED: usize = 200;

/// After so many samples alone, or blocks of samples, compiling takes no longer than not to compile has taken: about a
/// microsecond a step against some nanoseconds. Plans with loops run most steps many times.
const PAYS: [usize; 2] = [200, 32];

/// Compiles what a batch of one sample needs, or what larger ones do, where that is possible, will pay and has not been done.
pub fn compile<T: Real>(plan: &mut Plan<T>, samples: usize) {
    let (which, work) = match samples {
        0 => return,
        1 => (Part::One, 1),
        _ => (Part::More, samples.div_ceil(BLOCK)),
    };
    let part = which as usize;
    if plan.code.tried[part] {
        return;
    }
    plan.code.ran[part] += work;
    if !plan.code.eager && !plan.loops && plan.code.ran[part] < PAYS[part] {
        return;
    }
    plan.code.tried[part] = true;
    let offsets = plan.slots() * size_of::<Samples<T>>();
    let possible = is_x86_feature_detected!("avx") && offsets <= i32::MAX as usize;
    let steps = steps(&mut plan.stages);
    if plan.code.which == MachineCode::Off || !possible || steps == 0 || steps > MOST_STEPS {
        return;
    }
    let mut stages = std::mem::take(&mut plan.stages);
    // code for single values is made once more, for all of them, where a batch of one sample comes after others
    let (mut single, mut blocks) = (Compiler::new(plan, &stages), Compiler::new(plan, &stages));
    let uniform = which == Part::One || !plan.code.tried[Part::One as usize];
    for stage in &mut stages {
        stage.uniform.parts(&mut |part| {
            if let item::Part::Steps(steps) = part
                && uniform
            {
                steps.compiled.single = single.single(steps, &[]);
            }
        });
        let Some(pass) = &mut stage.pass else {
            continue;
        };
        let sums = &pass.sums;
        pass.items.parts(&mut |part| {
            if let item::Part::Steps(steps) = part {
                match which {
                    Part::One => steps.compiled.single = single.single(steps, sums),
                    Part::More => steps.compiled.pieces = blocks.pieces(&steps.batched),
                }
            }
        });
    }
    let bytes = [single, blocks].map(|compiler| {
        let most = (compiler.outputs, compiler.vectors);
        (compiler.assembler.bytes, most)
    });
    let [(single, _), (blocks, (outputs, vectors))] = bytes;
    plan.stages = stages;
    if uniform {
        plan.code.single = Executable::new(&single);
    }
    if which == Part::More {
        plan.code.blocks = Executable::new(&blocks);
        (plan.code.outputs, plan.code.vectors) = (outputs, vectors);
    }
}

/// How many steps there are.
fn steps(stages: &mut [Stage]) -> usize {
    let mut steps = 0;
    for stage in stages {
        let pass = stage.pass.iter_mut().flat_map(|pass| &mut pass.items);
        for item in stage.uniform.iter_mut().chain(pass) {
            item.parts(&mut |part| {
                if let item::Part::Steps(run) = part {
                    steps += run.uniform.len() + run.batched.len();
                }
            });
        }
    }
    steps
}

struct Compiler<'p, T> {
    plan: &'p Plan<T>,
    /// Which slots are read by others than the steps that write them.
    read: Vec<bool>,
    shape: Shape,
    /// Of vectors.
    width: Width,
    assembler: Assembler,
    constants: Constants,
    collector: Collector,
    /// Behind which step of the run at hand a slot is read no more.
    last_read: Vec<usize>,
    /// The most outputs that a piece gives.
    outputs: usize,
    /// The most vectors that a piece keeps outside registers.
    vectors: usize,
}

impl<'p, T: Real> Compiler<'p, T> {
    fn new(plan: &'p Plan<T>, stages: &[Stage]) -> Compiler<'p, T> {
        let shape = Shape {
            double: size_of::<T>() == 8,
            width: Width::One,
        };
        let mut assembler = Assembler { bytes: Vec::new() };
        let constants = Constants::new(&mut assembler, shape);
        Compiler {
            read: read_from_outside(plan, stages),
            plan,
            shape,
            width: match plan.code.which {
                MachineCode::Auto if is_x86_feature_detected!("avx512f") => Width::Avx512,
                _ => Width::Avx,
            },
            assembler,
            constants,
            collector: Collector::new(plan.slots()),
            last_read: vec![0; plan.slots()],
            outputs: 0,
            vectors: 0,
        }
    }

    /// Code for one sample.
    fn single(&mut self, steps: &Steps, sums: &[Slot]) -> Option<usize> {
        let all = steps.uniform.iter().chain(&steps.batched);
        let operations = self.collector.collect(all, &self.plan.kernels);
        if operations.list.is_empty() {
            return None;
        }
        let entry = self.assembler.bytes.len();
        self.assembler.enter();
        let layout = Layout::Single(sums);
        let (read, uniforms) = (&self.read, self.plan.uniforms);
        let live = |slot: Slot| read[slot as usize] || (slot as usize) < uniforms;
        let (assembler, constants) = (&mut self.assembler, &self.constants);
        Translator::new(assembler, self.shape, constants, &layout, &operations).run(&live);
        self.assembler.leave();
        Some(entry)
    }

    /// Code for blocks of samples, and what is left to run as it is: functions of the table, which are code for blocks
    /// already.
    fn pieces(&mut self, steps: &[Step]) -> Vec<Piece> {
        for step in steps {
            step.args
                .iter()
                .for_each(|slot| self.last_read[*slot as usize] = 0);
        }
        for (i, step) in steps.iter().enumerate() {
            step.args
                .iter()
                .for_each(|slot| self.last_read[*slot as usize] = i + 1);
        }
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < steps.len() {
            use step::Code::{Binary, Pair, Unary};
            let called = |step: &Step| matches!(step.code, Unary(_) | Binary(_) | Pair(_));
            let kind = called(&steps[at]);
            let length = steps[at..].iter().take_while(|step| called(step) == kind);
            let end = at + length.count();
            pieces.push(match kind {
                true => Piece::Steps(at..end),
                false => Piece::Code(self.piece(&steps[at..end], end)),
            });
            at = end;
        }
        pieces
    }

    /// Code for steps that end before step `end` of their run.
    fn piece(&mut self, steps: &[Step], end: usize) -> Code {
        let operations = self.collector.collect(steps.iter(), &self.plan.kernels);
        let mut outputs = Vec::new();
        let mut sums = false;
        for operation in &operations.list {
            match operation.kind {
                Kind::Store(output) if !outputs.contains(&output) => outputs.push(output),
                Kind::Sum(_) => sums = true,
                _ => {}
            }
        }
        let shape = Shape {
            width: self.width,
            ..self.shape
        };
        let (read, last_read) = (&self.read, &self.last_read);
        let live = |slot: Slot| read[slot as usize] || last_read[slot as usize] > end;
        let mut entries = [0; 2];
        let mut slots = false;
        // in a long piece, or without sums, masks are of no account
        let twice = sums && operations.list.len() < MASKED;
        for masked in [false, true] {
            if !masked && sums && !twice {
                continue;
            }
            if masked && !sums {
                entries[1] = entries[0];
                continue;
            }
            let layout = Layout::Blocks(Blocks {
                first: self.plan.first_block,
                uniforms: self.plan.uniforms,
                inputs: self.plan.inputs.len(),
                stride: size_of::<Samples<T>>(),
                lanes: LANES,
                outputs: &outputs,
                masked,
            });
            let (assembler, constants) = (&mut self.assembler, &self.constants);
            entries[usize::from(masked)] = assembler.bytes.len();
            assembler.enter_blocks();
            let mut code = Translator::new(assembler, shape, constants, &layout, &operations);
            code.spread();
            let start = code.start();
            let outside = code.run(&live);
            self.vectors = self.vectors.max(outside.vectors);
            slots |= outside.slots;
            self.assembler.again(shape.bytes() as u8, start);
            self.assembler.leave_blocks();
        }
        if sums && !twice {
            entries[0] = entries[1];
        }
        self.outputs = self.outputs.max(outputs.len());
        Code {
            entry: entries[0],
            masked: entries[1],
            outputs,
            // masks have the length of a block
            long: !slots && (twice || !sums),
        }
    }
}

/// Which slots are read by others than the steps that write them: by steps that stand before or in other runs, and by what
/// goes on between runs.
fn read_from_outside<T: Real>(plan: &Plan<T>, stages: &[Stage]) -> Vec<bool> {
    let mut reads = Reads {
        read: vec![false; plan.slots()],
        written: vec![0; plan.slots()],
        run: 0,
    };
    for stage in stages {
        reads.items(&stage.uniform);
        if let Some(pass) = &stage.pass {
            reads.items(&pass.items);
        }
    }
    reads.read
}

struct Reads {
    read: Vec<bool>,
    /// The run that wrote each slot last.
    written: Vec<u32>,
    run: u32,
}

impl Reads {
    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Steps(steps) => self.steps(steps),
                Item::Linear(step) => self.slots(&step.args),
                Item::Loop(item) => self.cycle(&item.cycle),
                Item::Reverse(item) => {
                    self.cycle(&item.replay);
                    self.cycle(&item.cycle);
                }
            }
        }
    }

    fn slots(&mut self, slots: &[Slot]) {
        slots
            .iter()
            .for_each(|slot| self.read[*slot as usize] = true);
    }

    fn steps(&mut self, steps: &Steps) {
        self.run += 1;
        for step in steps.uniform.iter().chain(&steps.batched) {
            for slot in step.args {
                self.read[slot as usize] |= self.written[slot as usize] != self.run;
            }
            let mut step = *step;
            step.results(&mut |slot| self.written[*slot as usize] = self.run);
        }
    }

    fn cycle(&mut self, cycle: &Cycle) {
        self.steps(&cycle.begin);
        for turn in &cycle.turns {
            self.items(&turn.head);
            self.items(&turn.next);
            self.slots(&[turn.flag]);
            for row in [&turn.states, &turn.read] {
                self.slots(&row.uniform);
                self.slots(&row.batched);
            }
            turn.pairs.iter().for_each(|pair| self.slots(pair));
        }
        self.steps(&cycle.settle);
    }
}
