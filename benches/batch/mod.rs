//! A batch in memory, as the benches hand it to a program.

use ncg::engine::{Inputs, Outputs};

/// Columns of samples and values of parameters, by port.
pub struct Batch {
    /// One column a port.
    pub columns: Vec<Vec<f64>>,
    /// One value a port.
    pub parameters: Vec<f64>,
}

impl Inputs<f64> for Batch {
    fn uniform(&self, port: usize) -> f64 {
        self.parameters[port]
    }

    fn gather(&self, port: usize, start: usize, out: &mut [f64]) {
        out.copy_from_slice(&self.columns[port][start..start + out.len()]);
    }

    fn contiguous(&self, port: usize, start: usize, count: usize) -> Option<&[f64]> {
        self.columns[port].get(start..start + count)
    }
}

/// The outputs that are one for the batch: loss and derivatives.
pub struct Sums(pub Vec<f64>);

impl Outputs<f64> for Sums {
    fn scatter(&mut self, _: usize, _: usize, _: &[f64]) {}

    fn uniform(&mut self, output: usize, value: f64) {
        self.0[output] = value;
    }

    fn contiguous(&mut self, _: usize, _: usize, _: usize) -> Option<&mut [f64]> {
        None
    }
}
