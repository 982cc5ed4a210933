//! The native engine: graphs in blocks of samples, on the CPU, without any library.
//!
//! A graph is planned once: `if` becomes selection, values fall into those that are one for the whole batch and those that
//! differ from sample to sample, and the latter get registers that stay in the L1 cache. A loop runs for a block of samples
//! until none of them has another iteration; a sample that has none keeps its states. The steps of a plan are compiled to
//! machine code where that can be, by the run from which on it pays. Any other run takes no lock, and allocates nothing but the
//! memory for the states of a loop that is longer than all before. A sample's values are the same bits
//! whatever the batch and the processor.

mod block;
mod compiled;
mod cycles;
mod draft;
mod flow;
mod item;
mod kernels;
mod linear;
mod plan;
pub mod pool;
mod reading;
mod registers;
mod scalar;
mod step;
mod tape;
mod team;
mod values;
mod vector;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::engine::{Inputs, Outputs, Program};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::ops::real::Real;
use crate::options::Options;
use flow::{Flow, Stop, cancelled};
use plan::Plan;
use pool::Pool;
use tape::Tape;
use team::Team;

/// The highest limit on the iterations of a loop.
const MOST: u32 = u32::MAX - 1;

/// Which machine code the engine makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MachineCode {
    /// None.
    Off,
    /// For AVX.
    Avx,
    /// The best that the processor runs.
    #[default]
    Auto,
}

/// How graphs are prepared.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Machine code, where the processor and the system let it run.
    pub machine_code: MachineCode,
    /// Whether that is made before the first run, rather than once it has paid.
    pub eager: bool,
    /// Most iterations of a loop.
    pub max_steps: u64,
    /// Threads that share large batches, if more than that of the caller are to work. The digits do not depend on it.
    pub pool: Option<Arc<Pool>>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            machine_code: MachineCode::Auto,
            eager: false,
            max_steps: 1_000_000,
            pool: None,
        }
    }
}

impl Settings {
    /// The settings that the options `machine_code`, `max_steps` and `threads` say.
    ///
    /// # Errors
    /// `Argument` for too many threads, `Memory` where the system gives no more.
    pub fn of(options: &Options) -> Result<Settings> {
        let threads = options.int("threads") as usize;
        Ok(Settings {
            machine_code: match options.str("machine_code") {
                "off" => MachineCode::Off,
                "avx" => MachineCode::Avx,
                _ => MachineCode::Auto,
            },
            eager: false,
            max_steps: options.int("max_steps").unsigned_abs(),
            pool: match threads {
                0 | 1 => None,
                _ => Some(Arc::new(Pool::new(threads)?)),
            },
        })
    }
}

/// Prepares a verified numeric graph.
///
/// # Errors
/// `Unsupported` where the graph is not numeric.
pub fn prepare<T: Real>(graph: &Graph) -> Result<Native<T>> {
    prepare_with(graph, &Settings::default())
}

/// Prepares a verified numeric graph.
///
/// # Errors
/// `Unsupported` where the graph is not numeric.
pub fn prepare_with<T: Real>(graph: &Graph, settings: &Settings) -> Result<Native<T>> {
    let mut plan = Plan::of(graph)?;
    (plan.code.which, plan.code.eager) = (settings.machine_code, settings.eager);
    let mut values = vec![T::ZERO; plan.slots()];
    for (slot, value) in &plan.constants {
        values[*slot as usize] = *value;
    }
    Ok(Native {
        memory: block::Memory::of(&plan),
        tapes: (0..plan.tapes).map(|_| Tape::new()).collect(),
        row: vec![T::ZERO; plan.uniform_outputs.len()],
        matrices: vec![T::ZERO; plan.matrices],
        limit: u32::try_from(settings.max_steps).map_or(MOST, |steps| steps.min(MOST)),
        values,
        team: Team::new(settings.pool.clone()),
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
    /// For operations on the matrices of one sample.
    matrices: Vec<T>,
    memory: block::Memory<T>,
    /// The states that are kept of loops.
    tapes: Vec<Tape<T>>,
    /// Most iterations of a loop.
    limit: u32,
    /// The threads that share large batches.
    team: Team<T>,
}

impl<T: Real> Program<T> for Native<T> {
    fn run(
        &mut self,
        samples: usize,
        inputs: &dyn Inputs<T>,
        outputs: &mut dyn Outputs<T>,
        cancel: Option<&AtomicBool>,
    ) -> Result<()> {
        match self.stages(samples, inputs, outputs, cancel) {
            Ok(()) | Err(Stop::Cancelled) => Ok(()),
            Err(Stop::Limit) => {
                let limit = self.limit;
                let message =
                    format!("a loop has run more than {limit} iterations (option max_steps)");
                Err(Error::new(ErrorKind::Limit, message))
            }
        }
    }
}

impl<T: Real> Native<T> {
    fn stages(
        &mut self,
        samples: usize,
        inputs: &dyn Inputs<T>,
        outputs: &mut dyn Outputs<T>,
        cancel: Option<&AtomicBool>,
    ) -> std::result::Result<(), Stop> {
        compiled::compile(&mut self.plan, samples);
        let Native {
            plan,
            values,
            row,
            matrices,
            memory,
            tapes,
            limit,
            team,
        } = self;
        for slot in &plan.counts {
            values[*slot as usize] = T::of(samples as f64);
        }
        for (slot, port) in &plan.parameters {
            values[*slot as usize] = inputs.uniform(*port);
        }
        if samples == 1 {
            let first = plan.uniforms;
            inputs.first(&plan.inputs, &mut values[first..first + plan.inputs.len()]);
        }
        let mut flow = Flow {
            machine: scalar::Single {
                values,
                kernels: &plan.kernels,
                row,
                sums: &[],
                matrices,
                code: plan.code.single.as_ref(),
            },
            tapes,
            limit: *limit,
            cancel,
        };
        for stage in &plan.stages {
            flow.items(&stage.uniform)?;
            let Some(pass) = &stage.pass else {
                continue;
            };
            if samples == 1 {
                flow.machine.sums = &pass.sums;
                flow.items(&pass.items)?;
                continue;
            }
            let batch = block::Batch {
                samples,
                inputs,
                limit: *limit,
                cancel,
            };
            let values = &mut *flow.machine.values;
            if !team.pass(plan, pass, values, &batch, outputs)? {
                let desk = block::Desk {
                    memory,
                    values,
                    tapes: &mut *flow.tapes,
                    outputs: &mut *outputs,
                };
                block::pass(plan, pass, desk, &batch)?;
            }
            if cancelled(cancel) {
                return Err(Stop::Cancelled);
            }
        }
        let scalar::Single { values, row, .. } = flow.machine;
        if samples == 1 {
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
