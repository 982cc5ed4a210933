//! A model at many sets of parameters in one call.

use std::sync::atomic::AtomicBool;

use super::{Derivatives, Element, Engine, Place, Results, Session, located};
use crate::compile::Model;
use crate::engine::{Inputs, Program, ort};
use crate::error::Result;
use crate::grad;
use crate::graph::PortKind;
use crate::ops::real::Real;
use crate::session::{Columns, StridedMut};
use std::sync::Arc;

/// A model each of whose members has parameters of its own, while all see the same samples.
pub struct Crowd<T: Element> {
    model: Arc<Model>,
    places: Vec<Place>,
    parameters: usize,
    machine: Machine<T>,
    calls: u64,
}

/// What runs a crowd.
enum Machine<T> {
    /// The native engine: parameters are inputs, and each sample of each member is a row.
    Rows(Box<dyn Program<T>>),
    /// ONNX Runtime.
    Population(ort::Population),
}

impl<T: Element> Session<T> {
    /// Prepares the model of this session, which is numeric, for many sets of parameters at once. On the native engine each gives
    /// the same bits as alone; ONNX Runtime takes them as one population, whose last digits may differ.
    pub fn crowd(&self) -> Result<Crowd<T>> {
        self.model.check_numeric("a crowd of parameter sets")?;
        let machine = match &self.engine {
            Engine::OnnxRuntime { config, .. } => {
                let graph = grad::cheapest_jacobian(&self.model.graph, &self.parameters);
                Machine::Population(ort::Population::new::<T>(&graph, config)?)
            }
            _ => {
                let mut model = (*self.model).clone();
                for port in &mut model.graph.ports {
                    port.kind = PortKind::Input;
                }
                let derivatives = Derivatives::Jacobian(self.parameters.clone());
                Machine::Rows(self.engine.prepare(&model, &derivatives)?)
            }
        };
        Ok(Crowd {
            model: self.model.clone(),
            places: self.places.clone(),
            parameters: self.parameters.len(),
            machine,
            calls: 0,
        })
    }
}

impl<T: Element> Crowd<T> {
    /// How often ONNX Runtime has been called.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Values and Jacobian of all members on `samples` samples: `p` holds the parameters of one member after the other. Sample `s`
    /// of member `m` is row `m * samples + s` of the tables, whose entries lie one after the other: `y` has the outputs, `j` outputs
    /// times parameters.
    pub fn jacobian(
        &mut self,
        samples: usize,
        x: &dyn Columns<T>,
        p: &[T],
        y: &mut [T],
        j: &mut [T],
        cancel: Option<&AtomicBool>,
    ) -> Result<()> {
        let members = p.len() / self.parameters.max(1);
        let rows = members * samples;
        let outputs = self.model.graph.outputs.len();
        let arguments = Arguments {
            places: &self.places,
            samples,
            parameters: self.parameters,
            x,
            p,
        };
        let done = match &mut self.machine {
            _ if rows == 0 => Ok(()),
            Machine::Rows(program) => {
                let (mut y, mut j) = (StridedMut::columns(y, rows), StridedMut::columns(j, rows));
                let mut results = Results {
                    samples: rows,
                    outputs,
                    derivatives: outputs * self.parameters,
                    y: Some(&mut y),
                    dx: Some(&mut j),
                    dp: None,
                };
                program.run(rows, &arguments, &mut results, cancel)
            }
            Machine::Population(population) => {
                self.calls += 1;
                let values: Vec<Vec<T>> = (0..self.places.len())
                    .map(|port| arguments.values(port, members))
                    .collect();
                let kinds = self.places.iter().zip(&values);
                let ports: Vec<(bool, &[T])> = kinds
                    .map(|(place, values)| (matches!(place, Place::Parameter(_)), &values[..]))
                    .collect();
                let tables = y.chunks_exact_mut(rows).take(outputs);
                let mut tables: Vec<&mut [T]> = tables.chain(j.chunks_exact_mut(rows)).collect();
                population.run((members, samples), &ports, &mut tables)
            }
        };
        done.map_err(|error| located(&self.model, error))
    }
}

struct Arguments<'a, T: Real> {
    places: &'a [Place],
    samples: usize,
    parameters: usize,
    x: &'a dyn Columns<T>,
    p: &'a [T],
}

impl<T: Real> Arguments<'_, T> {
    /// The values of a port: of each sample, or of each member.
    fn values(&self, port: usize, members: usize) -> Vec<T> {
        match self.places[port] {
            Place::Input(index) => {
                let mut values = vec![T::ZERO; self.samples];
                self.x.gather(index, 0, &mut values);
                values
            }
            Place::Parameter(index) => {
                let own = self.p.iter().skip(index).step_by(self.parameters);
                own.take(members).copied().collect()
            }
        }
    }
}

impl<T: Real> Inputs<T> for Arguments<'_, T> {
    fn uniform(&self, _port: usize) -> T {
        // no port is a parameter any more
        T::ZERO
    }

    fn gather(&self, port: usize, start: usize, out: &mut [T]) {
        let mut done = 0;
        while done < out.len() {
            let (member, sample) = ((start + done) / self.samples, (start + done) % self.samples);
            let count = (self.samples - sample).min(out.len() - done);
            let out = &mut out[done..done + count];
            match self.places[port] {
                Place::Input(index) => self.x.gather(index, sample, out),
                Place::Parameter(index) => out.fill(self.p[member * self.parameters + index]),
            }
            done += count;
        }
    }

    fn contiguous(&self, _port: usize, _start: usize, _count: usize) -> Option<&[T]> {
        None
    }
}
