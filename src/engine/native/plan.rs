//! The plan of a program: in which order, in which slots and with which instructions a graph is computed.

use std::collections::BTreeSet;

use super::compiled::Codes;
use super::draft::{self, Out};
use super::item::{Item, Part, Slots};
use super::kernels::Kernels;
use super::reading;
use super::registers::{INPUT, Places, REGISTER, UNREAD};
use super::step::Slot;
use super::values::{Source, Values};
use crate::error::Result;
use crate::graph::{Graph, NodeKind};
use crate::ops::real::Real;

/// A planned program.
///
/// Slots: first the uniform values, one for the whole batch, those that blocks of samples read last; then the inputs; then
/// one that nothing reads, for steps without a result; then the registers, which are used again as soon as nothing reads
/// their value any more.
pub struct Plan<T> {
    /// How many slots are uniform.
    pub uniforms: usize,
    /// The first slot that blocks of samples read.
    pub first_block: usize,
    /// The ports of the inputs, in the order of their slots.
    pub inputs: Vec<usize>,
    /// How many registers there are.
    pub registers: usize,
    /// How much memory operations on matrices take.
    pub matrices: usize,
    /// How many loops keep their states.
    pub tapes: usize,
    /// Whether there are loops.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    pub loops: bool,
    /// Slots that hold constants.
    pub constants: Vec<(Slot, T)>,
    /// Slots that hold parameters, and their ports.
    pub parameters: Vec<(Slot, usize)>,
    /// Slots that hold the number of samples.
    pub counts: Vec<Slot>,
    /// What to do, in order.
    pub stages: Vec<Stage>,
    /// Outputs that are one for the whole batch, and their slots.
    pub outputs: Vec<(usize, Slot)>,
    /// Which outputs those are.
    pub uniform_outputs: Vec<bool>,
    /// The functions of the table that the steps use.
    pub kernels: Kernels<T>,
    /// Machine code for the steps.
    pub code: Codes,
}

/// Uniform values, then a pass over the samples.
pub struct Stage {
    /// Computes uniform values.
    pub uniform: Vec<Item>,
    /// The pass over the samples that may follow.
    pub pass: Option<Pass>,
}

/// One pass over the samples.
pub struct Pass {
    /// What is computed for each sample.
    pub items: Vec<Item>,
    /// The uniform slots that the steps read.
    pub uniforms: Vec<Slot>,
    /// Positions in [`Plan::inputs`] of what the steps read.
    pub inputs: Vec<usize>,
    /// Where the sums go.
    pub sums: Vec<Slot>,
    /// The outputs that it gives.
    pub stored: Vec<usize>,
}

impl<T: Real> Plan<T> {
    /// Plans a verified numeric graph.
    pub fn of(graph: &Graph) -> Result<Plan<T>> {
        let values = reading::values(graph)?;
        let inputs = graph.inputs();
        let mut places = Places::new(&values, &inputs);
        let mut kernels = Kernels::new();
        let mut stages = Vec::new();
        let depths = values.list.iter().map(|value| value.depth).max();
        for depth in 0..=depths.unwrap_or(0) {
            let drafts = draft::stage(&values, depth, &mut kernels)?;
            let uniform = places.items(&drafts);
            let pass = pass(&values, &mut places, depth, &mut kernels)?;
            stages.push(Stage { uniform, pass });
        }
        let mut plan = Plan {
            uniforms: places.uniforms as usize,
            first_block: 0,
            inputs,
            registers: places.registers as usize,
            matrices: 0,
            tapes: places.tapes,
            loops: graph
                .nodes
                .iter()
                .any(|node| matches!(node.kind, NodeKind::Loop(..))),
            constants: Vec::new(),
            parameters: Vec::new(),
            counts: Vec::new(),
            stages,
            outputs: Vec::new(),
            uniform_outputs: Vec::new(),
            kernels,
            code: Codes::default(),
        };
        for (value, slot) in values.list.iter().zip(&places.slot) {
            match value.source {
                Source::Constant(value) => plan.constants.push((*slot, T::of(value))),
                Source::Parameter(port) => plan.parameters.push((*slot, port)),
                Source::Count => plan.counts.push(*slot),
                _ => {}
            }
        }
        for (i, output) in values.outputs.iter().enumerate() {
            let uniform = !values.list[*output].batched;
            plan.uniform_outputs.push(uniform);
            if uniform {
                plan.outputs.push((i, places.slot[*output]));
            }
        }
        plan.settle_slots();
        for stage in &mut plan.stages {
            let pass = stage.pass.iter_mut().flat_map(|pass| &mut pass.items);
            for item in stage.uniform.iter_mut().chain(pass) {
                item.parts(&mut |part| {
                    if let Part::Linear(step) = part {
                        plan.matrices = plan.matrices.max(step.memory());
                    }
                });
            }
        }
        Ok(plan)
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.uniforms + self.inputs.len() + 1 + self.registers
    }

    /// Replaces marked slots by final ones.
    fn settle_slots(&mut self) {
        let mut in_blocks = vec![false; self.uniforms];
        for pass in self.stages.iter().filter_map(|stage| stage.pass.as_ref()) {
            pass.uniforms
                .iter()
                .for_each(|slot| in_blocks[*slot as usize] = true);
        }
        let alone = in_blocks.iter().filter(|in_blocks| !**in_blocks).count();
        let mut next = [0, alone as Slot];
        let order: Vec<Slot> = in_blocks
            .into_iter()
            .map(|in_blocks| {
                let next = &mut next[usize::from(in_blocks)];
                *next += 1;
                *next - 1
            })
            .collect();
        self.first_block = alone;
        let first = self.uniforms as Slot;
        let unread = first + self.inputs.len() as Slot;
        let mut settle = |slot: &mut Slot| {
            *slot = match *slot {
                s if s < INPUT => order[s as usize],
                s if s < REGISTER => first + (s - INPUT),
                s if s < UNREAD => unread + 1 + (s - REGISTER),
                _ => unread,
            }
        };
        for stage in &mut self.stages {
            stage.uniform.slots(&mut settle);
            if let Some(pass) = &mut stage.pass {
                pass.items.slots(&mut settle);
                pass.uniforms.iter_mut().for_each(&mut settle);
                pass.sums.iter_mut().for_each(&mut settle);
            }
        }
        self.constants.iter_mut().for_each(|(slot, _)| settle(slot));
        self.parameters
            .iter_mut()
            .for_each(|(slot, _)| settle(slot));
        self.counts.iter_mut().for_each(&mut settle);
        self.outputs.iter_mut().for_each(|(_, slot)| settle(slot));
    }
}

/// The pass that gives the sums and outputs of this depth, if there are any.
fn pass<T: Real>(
    values: &Values,
    places: &mut Places,
    depth: usize,
    kernels: &mut Kernels<T>,
) -> Result<Option<Pass>> {
    let mut roots = vec![Vec::new(); values.list.len()];
    let (mut sums, mut stored) = (Vec::new(), Vec::new());
    for (i, value) in values.list.iter().enumerate() {
        if let Source::Sum(arg) = value.source
            && value.depth == depth + 1
        {
            roots[arg].push(Out::Sum(sums.len()));
            sums.push(places.slot[i]);
        }
    }
    for (i, output) in values.outputs.iter().enumerate() {
        let value = &values.list[*output];
        if value.batched && value.depth == depth {
            roots[*output].push(Out::Output(i));
            stored.push(i);
        }
    }
    if roots.iter().all(Vec::is_empty) {
        return Ok(None);
    }
    let drafts = draft::pass(values, roots, kernels)?;
    let mut items = places.items(&drafts);
    let mut uniforms = BTreeSet::new();
    items.parts(&mut |part| {
        let mut read = |slot: Slot| {
            if slot < INPUT {
                uniforms.insert(slot);
            }
        };
        match part {
            Part::Steps(steps) => {
                let args = steps.batched.iter().flat_map(|step| step.args);
                args.for_each(&mut read);
            }
            Part::Linear(step) if !step.uniform => step.args.iter().copied().for_each(&mut read),
            _ => {}
        }
    });
    items.parts(&mut |part| match part {
        Part::Steps(steps) => {
            let results = steps.uniform.iter().map(|step| step.slot);
            steps.fills = results.filter(|slot| uniforms.contains(slot)).collect();
        }
        Part::Linear(step) => {
            let results = step.results.iter().copied();
            step.fills = results.filter(|slot| uniforms.contains(slot)).collect();
        }
        Part::Row(row) => {
            let states = row.uniform.iter().copied();
            row.fills = states.filter(|slot| uniforms.contains(slot)).collect();
        }
    });
    let mut inputs = BTreeSet::new();
    items.slots(&mut |slot| {
        if (INPUT..REGISTER).contains(slot) {
            inputs.insert((*slot - INPUT) as usize);
        }
    });
    Ok(Some(Pass {
        items,
        uniforms: uniforms.into_iter().collect(),
        inputs: inputs.into_iter().collect(),
        sums,
        stored,
    }))
}
