//! Graphs on batches: tables are read and written in blocks of samples, of which those that take the same path share its
//! structure.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Limits;
use super::machine::{End, Machine};
use super::shared::Shared;
use super::value::Value;
use crate::engine::{Inputs, Outputs, Program};
use crate::error::Result;
use crate::graph::Graph;
use crate::ops::real::Real;

/// Samples that are read and written together.
pub const BLOCK: usize = 256;

/// Which derivatives a program gives behind its values.
pub enum Derivatives {
    None,
    /// The vector–Jacobian product by these ports.
    Vjp(Vec<usize>),
    /// The Jacobian by these ports.
    Jacobian(Vec<usize>),
}

/// A graph, prepared for this engine.
pub struct Tagged<T> {
    pub(super) machine: Machine<T>,
    pub(super) derivatives: Derivatives,
    /// For each port, whether it is a parameter.
    pub(super) parameters: Vec<bool>,
    /// For each port, whether a derivative by it is asked for.
    pub(super) active: Vec<bool>,
    pub(super) values: usize,
    /// The values of the inputs and of the seeds, port by port, for a block of samples.
    pub(super) inputs: Vec<T>,
    /// The outputs, one by one, for a block of samples; the derivatives by parameters too, before they are summed.
    pub(super) outputs: Vec<T>,
    /// The sums of the derivatives by parameters over the batch.
    sums: Vec<T>,
    /// The places of the ports on the tape.
    marks: Vec<u32>,
    pub(super) shared: Shared<T>,
    /// How many samples have run through the structure of the program.
    structured: u64,
}

impl<T: Real> Tagged<T> {
    pub(super) fn new(
        graph: &Graph,
        derivatives: Derivatives,
        limits: Limits,
    ) -> Result<Tagged<T>> {
        let (ports, values) = (graph.ports.len(), graph.outputs.len());
        let (seeds, wrt, each) = match &derivatives {
            Derivatives::None => (0, &[][..], 0),
            Derivatives::Vjp(wrt) => (values, &wrt[..], 1),
            Derivatives::Jacobian(wrt) => (0, &wrt[..], values),
        };
        let mut active = vec![false; ports];
        for port in wrt {
            active[*port] = true;
        }
        Ok(Tagged {
            machine: super::machine(graph, limits)?,
            parameters: graph.ports.iter().map(|port| port.is_parameter()).collect(),
            active,
            values,
            inputs: vec![T::ZERO; (ports + seeds) * BLOCK],
            outputs: vec![T::ZERO; (values + each * wrt.len()) * BLOCK],
            sums: vec![T::ZERO; if each == 1 { wrt.len() } else { 0 }],
            marks: vec![0; ports],
            shared: Shared::new(limits.paths),
            structured: 0,
            derivatives,
        })
    }

    /// How many samples have run through the structure of the program so far. Those that took a path which was known by
    /// then have not: they shared its structure, and only their arithmetic was done.
    pub fn structured(&self) -> u64 {
        self.structured
    }

    /// Counts a run through the structure, and makes the machine ready for it.
    pub(super) fn reset(&mut self, tracing: bool) {
        self.structured += 1;
        self.machine.reset(tracing);
    }

    /// Runs one sample of the block by itself; its outputs go to the block.
    pub(super) fn sample(&mut self, sample: usize, cancel: Option<&AtomicBool>) -> Result<End> {
        self.reset(false);
        let machine = &mut self.machine;
        for port in 0..self.parameters.len() {
            let value = self.inputs[port * BLOCK + sample];
            let mark = match self.active[port] {
                true => machine.numbers.tape.push(value)?,
                false => 0,
            };
            self.marks[port] = mark;
            machine.ports[port] = Value::Real(value, mark);
        }
        if machine.run(cancel)? == End::Cancelled {
            return Ok(End::Cancelled);
        }
        for output in 0..self.values {
            self.outputs[output * BLOCK + sample] = machine.real_result(output)?.0;
        }
        self.derive(sample);
        Ok(End::Finished)
    }

    /// Goes back over the tape of the sample that has run.
    fn derive(&mut self, sample: usize) {
        let machine = &mut self.machine;
        match &self.derivatives {
            Derivatives::None => {}
            Derivatives::Vjp(wrt) => {
                machine.numbers.tape.clear_adjoints();
                for output in 0..self.values {
                    let seed = self.inputs[(self.parameters.len() + output) * BLOCK + sample];
                    let mark = machine.result(output).mark();
                    machine.numbers.tape.add(mark, seed);
                }
                machine.numbers.sweep();
                for (i, port) in wrt.iter().enumerate() {
                    let adjoint = machine.numbers.tape.adjoint(self.marks[*port]);
                    self.outputs[(self.values + i) * BLOCK + sample] = adjoint;
                }
            }
            Derivatives::Jacobian(wrt) => {
                let mut next = self.values;
                for output in 0..self.values {
                    machine.numbers.tape.clear_adjoints();
                    let mark = machine.result(output).mark();
                    machine.numbers.tape.add(mark, T::ONE);
                    machine.numbers.sweep();
                    for port in wrt {
                        let adjoint = machine.numbers.tape.adjoint(self.marks[*port]);
                        self.outputs[next * BLOCK + sample] = adjoint;
                        next += 1;
                    }
                }
            }
        }
    }

    /// The output that is one for the whole batch, if this is one: the sum of the derivatives by a parameter.
    fn summed(&self, output: usize) -> Option<usize> {
        match &self.derivatives {
            Derivatives::Vjp(wrt) => {
                let index = output.checked_sub(self.values)?;
                self.parameters[wrt[index]].then_some(index)
            }
            _ => None,
        }
    }
}

impl<T: Real> Program<T> for Tagged<T> {
    fn run(
        &mut self,
        samples: usize,
        inputs: &dyn Inputs<T>,
        outputs: &mut dyn Outputs<T>,
        cancel: Option<&AtomicBool>,
    ) -> Result<()> {
        self.sums.fill(T::ZERO);
        self.shared.begin();
        let stopped = || cancel.is_some_and(|flag| flag.load(Ordering::Relaxed));
        for (port, parameter) in self.parameters.iter().enumerate() {
            if *parameter {
                let value = inputs.uniform(port);
                self.inputs[port * BLOCK..(port + 1) * BLOCK].fill(value);
            }
        }
        let count = self.outputs.len() / BLOCK;
        for start in (0..samples).step_by(BLOCK) {
            if stopped() {
                return Ok(());
            }
            let length = BLOCK.min(samples - start);
            for port in 0..self.inputs.len() / BLOCK {
                if !self.parameters.get(port).is_some_and(|is| *is) {
                    let first = port * BLOCK;
                    inputs.gather(port, start, &mut self.inputs[first..first + length]);
                }
            }
            let end = match samples {
                1 => self.sample(0, cancel)?,
                _ => self.block(length, cancel)?,
            };
            if end == End::Cancelled {
                return Ok(());
            }
            for output in 0..count {
                let first = output * BLOCK;
                let values = &self.outputs[first..first + length];
                match self.summed(output) {
                    None => outputs.scatter(output, start, values),
                    // in the order of the samples
                    Some(index) => {
                        let sum = self.sums[index];
                        self.sums[index] = values.iter().fold(sum, |sum, value| sum + *value);
                    }
                }
            }
        }
        for output in 0..count {
            if let Some(index) = self.summed(output) {
                outputs.uniform(output, self.sums[index]);
            }
        }
        Ok(())
    }
}
