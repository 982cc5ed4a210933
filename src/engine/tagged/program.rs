//! Graphs on batches: the machine runs sample by sample, tables are read and written in blocks.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Limits;
use super::machine::{End, Machine, fail};
use super::value::Value;
use crate::engine::{Inputs, Outputs, Program};
use crate::error::Result;
use crate::graph::Graph;
use crate::ops::real::Real;

/// Samples that are read and written together.
const BLOCK: usize = 256;

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
    machine: Machine<T>,
    derivatives: Derivatives,
    /// For each port, whether it is a parameter.
    parameters: Vec<bool>,
    /// For each port, whether a derivative by it is asked for.
    active: Vec<bool>,
    values: usize,
    /// The values of the inputs and of the seeds, port by port, for a block of samples.
    inputs: Vec<T>,
    /// The outputs, one by one, for a block of samples.
    outputs: Vec<T>,
    /// The sums of the derivatives by parameters over the batch.
    sums: Vec<T>,
    /// The places of the ports on the tape.
    marks: Vec<u32>,
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
            derivatives,
        })
    }

    /// Runs one sample of the block; its outputs go to the block.
    fn sample(&mut self, sample: usize, cancel: Option<&AtomicBool>) -> Result<End> {
        let machine = &mut self.machine;
        machine.reset();
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
            let value = machine.result(output);
            let Some(value) = value.as_real() else {
                let what = machine.describe(&value);
                return Err(fail(format!(
                    "the value of the program is {what}: a number is needed here"
                )));
            };
            self.outputs[output * BLOCK + sample] = value;
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
                    match self.parameters[*port] {
                        true => self.sums[i] = self.sums[i] + adjoint,
                        false => self.outputs[(self.values + i) * BLOCK + sample] = adjoint,
                    }
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
        for (port, parameter) in self.parameters.iter().enumerate() {
            if *parameter {
                let value = inputs.uniform(port);
                self.inputs[port * BLOCK..(port + 1) * BLOCK].fill(value);
            }
        }
        let count = self.outputs.len() / BLOCK;
        for start in (0..samples).step_by(BLOCK) {
            let length = BLOCK.min(samples - start);
            for port in 0..self.inputs.len() / BLOCK {
                if !self.parameters.get(port).is_some_and(|is| *is) {
                    let first = port * BLOCK;
                    inputs.gather(port, start, &mut self.inputs[first..first + length]);
                }
            }
            for sample in 0..length {
                let stop = cancel.is_some_and(|flag| flag.load(Ordering::Relaxed));
                if stop || self.sample(sample, cancel)? == End::Cancelled {
                    return Ok(());
                }
            }
            for output in (0..count).filter(|output| self.summed(*output).is_none()) {
                let first = output * BLOCK;
                outputs.scatter(output, start, &self.outputs[first..first + length]);
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
