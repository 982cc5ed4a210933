//! The native engine: graphs in blocks of samples, on the CPU, without any library.
//!
//! A graph is planned once: `if` becomes selection, values fall into those that are one for the whole batch and those that
//! differ from sample to sample, and the latter get registers that stay in the L1 cache. A run allocates nothing and takes
//! no lock. A sample's values are the same bits whatever the batch and the processor.

mod block;
mod pass;
mod plan;
mod scalar;
mod step;
mod values;

use std::sync::atomic::AtomicBool;

use crate::engine::{Inputs, Outputs, Program};
use crate::error::Result;
use crate::graph::Graph;
use crate::ops::real::Real;
use plan::Plan;

/// Prepares a verified numeric graph.
///
/// # Errors
/// `Unsupported` where the graph is not numeric.
pub fn prepare<T: Real>(graph: &Graph) -> Result<Native<T>> {
    let plan = Plan::of(graph)?;
    let mut values = vec![T::ZERO; plan.slots()];
    for (slot, value) in &plan.constants {
        values[*slot as usize] = *value;
    }
    Ok(Native {
        memory: block::Memory::of(&plan),
        row: vec![T::ZERO; plan.uniform_outputs.len()],
        values,
        plan,
    })
}

/// A graph, planned for this engine.
pub struct Native<T: 'static> {
    plan: Plan<T>,
    /// A value for each slot: the uniform ones, and those of a batch of one sample.
    values: Vec<T>,
    /// The outputs of a batch of one sample.
    row: Vec<T>,
    memory: block::Memory<T>,
}

impl<T: Real> Program<T> for Native<T> {
    fn run(
        &mut self,
        samples: usize,
        inputs: &dyn Inputs<T>,
        outputs: &mut dyn Outputs<T>,
        cancel: Option<&AtomicBool>,
    ) -> Result<()> {
        let Native {
            plan,
            values,
            row,
            memory,
        } = self;
        let single = samples == 1;
        if single {
            let first = plan.uniforms;
            inputs.first(&plan.inputs, &mut values[first..first + plan.inputs.len()]);
        }
        for slot in &plan.counts {
            values[*slot as usize] = T::of(samples as f64);
        }
        for (slot, port) in &plan.parameters {
            values[*slot as usize] = inputs.uniform(*port);
        }
        for stage in &plan.stages {
            scalar::uniform(&stage.uniform, &plan.kernels, values);
            let Some(pass) = &stage.pass else {
                continue;
            };
            if single {
                scalar::pass(plan, pass, values, row);
                continue;
            }
            let batch = block::Batch {
                samples,
                inputs,
                cancel,
            };
            block::pass(plan, pass, memory, values, batch, outputs);
            if block::cancelled(cancel) {
                return Ok(());
            }
        }
        if single {
            for (output, slot) in &plan.outputs {
                row[*output] = values[*slot as usize];
            }
            outputs.only(row, &plan.uniform_outputs);
            return Ok(());
        }
        for (output, slot) in &plan.outputs {
            outputs.uniform(*output, values[*slot as usize]);
        }
        Ok(())
    }
}
