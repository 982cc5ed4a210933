//! The plan of a program: in which order, in which slots and with which instructions a graph is computed.

use super::pass;
use super::step::{Code, Slot, Step};
use super::values::{Source, Values};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::ops::kernel::{Binary, Unary};
use crate::ops::real::Real;
use crate::ops::{Op, Role};

/// A planned program.
///
/// Slots: first the uniform values, one for the whole batch; then the inputs; then one that nothing reads, for
/// steps without a result; then the registers, which are used again as soon as nothing reads their value any more.
pub struct Plan<T> {
    /// How many slots are uniform.
    pub uniforms: usize,
    /// The ports of the inputs, in the order of their slots.
    pub inputs: Vec<usize>,
    /// How many registers there are.
    pub registers: usize,
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
}

/// Uniform values, then a pass over the samples.
pub struct Stage {
    /// Computes uniform values.
    pub uniform: Vec<Step>,
    /// The pass over the samples that may follow.
    pub pass: Option<Pass>,
}

/// One pass over the samples.
pub struct Pass {
    /// What is computed for each sample.
    pub steps: Vec<Step>,
    /// The uniform slots that the steps read.
    pub uniforms: Vec<Slot>,
    /// Positions in [`Plan::inputs`] of what the steps read.
    pub inputs: Vec<usize>,
    /// Where the sums go.
    pub sums: Vec<Slot>,
}

/// Functions of the table, each once.
pub struct Kernels<T> {
    /// Of one argument.
    pub unary: Vec<Unary<T>>,
    /// Of two arguments.
    pub binary: Vec<Binary<T>>,
    known: Vec<(Op, Code)>,
}

impl<T: Real> Kernels<T> {
    /// The instruction for an operation.
    pub fn code(&mut self, op: Op) -> Result<Code> {
        if let Some(code) = Code::of(op) {
            return Ok(code);
        }
        if let Some((_, code)) = self.known.iter().find(|(known, _)| *known == op) {
            return Ok(*code);
        }
        let Role::Numeric {
            kernel: Some(kernel),
            ..
        } = op.row().role
        else {
            let message = format!("the native engine has no kernel for {}", op.name());
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let code = if let Some(unary) = kernel.unary() {
            self.unary.push(unary);
            Code::Unary(self.unary.len() as u16 - 1)
        } else {
            self.binary.extend(kernel.binary());
            Code::Binary(self.binary.len() as u16 - 1)
        };
        self.known.push((op, code));
        Ok(code)
    }
}

impl<T: Real> Plan<T> {
    /// Plans a verified numeric graph.
    pub fn of(graph: &Graph) -> Result<Plan<T>> {
        let values = Values::of(graph)?;
        let mut plan = Plan {
            uniforms: 0,
            inputs: graph.inputs(),
            registers: 0,
            constants: Vec::new(),
            parameters: Vec::new(),
            counts: Vec::new(),
            stages: Vec::new(),
            outputs: Vec::new(),
            uniform_outputs: Vec::new(),
            kernels: Kernels {
                unary: Vec::new(),
                binary: Vec::new(),
                known: Vec::new(),
            },
        };
        let slots = plan.fixed_slots(&values);
        let stages = values.list.iter().map(|value| value.depth).max();
        for depth in 0..=stages.unwrap_or(0) {
            let uniform = plan.uniform_steps(&values, &slots, depth)?;
            let (pass, registers) = pass::plan(&values, &slots, depth, &mut plan.kernels)?;
            plan.registers = plan.registers.max(registers);
            plan.stages.push(Stage { uniform, pass });
        }
        for (i, output) in values.outputs.iter().enumerate() {
            plan.uniform_outputs.push(!values.list[*output].batched);
            if !values.list[*output].batched {
                plan.outputs.push((i, slots.slot[*output]));
            }
        }
        Ok(plan)
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.uniforms + self.inputs.len() + 1 + self.registers
    }

    /// Gives a slot to each uniform value and to each input.
    fn fixed_slots(&mut self, values: &Values) -> FixedSlots {
        let uniform = values.list.iter().filter(|value| !value.batched);
        self.uniforms = uniform.count();
        let mut slots = FixedSlots {
            slot: vec![Slot::MAX; values.list.len()],
            uniforms: self.uniforms,
            inputs: self.inputs.len(),
        };
        let mut next = 0;
        for (i, value) in values.list.iter().enumerate() {
            if let Source::Input(port) = value.source {
                let position = self.inputs.iter().position(|input| *input == port);
                slots.slot[i] = (self.uniforms + position.unwrap_or(0)) as Slot;
            }
            if value.batched {
                continue;
            }
            slots.slot[i] = next;
            match value.source {
                Source::Constant(value) => self.constants.push((next, T::of(value))),
                Source::Parameter(port) => self.parameters.push((next, port)),
                Source::Count => self.counts.push(next),
                _ => {}
            }
            next += 1;
        }
        slots
    }

    /// The steps for the uniform values of this depth.
    fn uniform_steps(
        &mut self,
        values: &Values,
        slots: &FixedSlots,
        depth: usize,
    ) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for (i, value) in values.list.iter().enumerate() {
            let Source::Op(op, args) = &value.source else {
                continue;
            };
            if value.batched || value.depth != depth {
                continue;
            }
            let mut step = Step {
                code: self.kernels.code(*op)?,
                slot: slots.slot[i],
                index: 0,
                args: [0; 3],
            };
            for (to, arg) in step.args.iter_mut().zip(args) {
                *to = slots.slot[*arg];
            }
            steps.push(step);
        }
        Ok(steps)
    }
}

/// The slots of uniform values and inputs, by value.
pub struct FixedSlots {
    /// The slot; `MAX` for what gets a register.
    pub slot: Vec<Slot>,
    /// How many are uniform.
    pub uniforms: usize,
    /// How many are inputs.
    pub inputs: usize,
}
