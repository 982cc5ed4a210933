//! A model at many sets of parameters in one call.

use std::sync::atomic::AtomicBool;

use super::{Derivatives, Element, Place, Results, Session, located};
use crate::compile::Model;
use crate::engine::{Inputs, Program};
use crate::error::Result;
use crate::graph::PortKind;
use crate::ops::real::Real;
use crate::session::{Columns, StridedMut};
use std::sync::Arc;

/// A model whose parameters are inputs: each member of the crowd has its own, and all see the same samples.
pub struct Crowd<T: Element> {
    model: Arc<Model>,
    places: Vec<Place>,
    parameters: usize,
    program: Box<dyn Program<T>>,
}

impl<T: Element> Session<T> {
    /// Prepares the model of this session, which is numeric, for many sets of parameters at once. On the native engine each gives
    /// the same bits as alone.
    pub fn crowd(&self) -> Result<Crowd<T>> {
        self.model.check_numeric("a crowd of parameter sets")?;
        let mut model = (*self.model).clone();
        for port in &mut model.graph.ports {
            port.kind = PortKind::Input;
        }
        let derivatives = Derivatives::Jacobian(self.parameters.clone());
        Ok(Crowd {
            model: self.model.clone(),
            places: self.places.clone(),
            parameters: self.parameters.len(),
            program: self.engine.prepare(&model, &derivatives)?,
        })
    }
}

impl<T: Element> Crowd<T> {
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
        let (mut y, mut j) = (StridedMut::columns(y, rows), StridedMut::columns(j, rows));
        let mut results = Results {
            samples: rows,
            outputs,
            derivatives: outputs * self.parameters,
            y: Some(&mut y),
            dx: Some(&mut j),
            dp: None,
        };
        let done = self.program.run(rows, &arguments, &mut results, cancel);
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
