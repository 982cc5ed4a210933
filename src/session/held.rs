//! Inputs that stay the same over many calls, as the data of a fit do: what hangs on them alone is computed once.

use super::{
    Arguments, Columns, ColumnsMut, Element, Gradient, Results, Session, Strided, StridedMut,
    check_parameters, located,
};
use crate::engine::Program;
use crate::error::Result;
use crate::grad;
use crate::graph::split;
use crate::ops::real::Real;

/// Fewer samples than this are not worth a second program.
const LEAST_SAMPLES: usize = 64;
/// Most memory for what was computed once, in bytes, for each of value, gradient and Jacobian.
const MOST_BYTES: usize = 1 << 26;

/// Some samples of inputs that are held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a, T> {
    /// All inputs, one column after the other.
    pub x: &'a [T],
    /// How many samples there are in all.
    pub samples: usize,
    /// The first of these.
    pub first: usize,
    /// How many these are.
    pub count: usize,
}

impl<'a, T: Real> Rows<'a, T> {
    /// These samples as a table.
    pub(crate) fn table(&self) -> Strided<'a, T> {
        // a model without inputs has nothing there
        Strided::columns(self.x.get(self.first..).unwrap_or(&[]), self.samples)
    }
}

/// What a session keeps of held inputs: for values, gradients by the parameters, and Jacobians.
pub(super) struct Held<T>([Kept<T>; 3]);

impl<T> Held<T> {
    pub(super) fn new() -> Held<T> {
        Held([Kept::Unknown, Kept::Unknown, Kept::Unknown])
    }
}

/// What is asked of a model.
#[derive(Clone, Copy)]
enum Asked {
    Value,
    Gradient,
    Jacobian,
}

/// A program in two parts, as far as that is known and worth it.
enum Kept<T> {
    Unknown,
    Whole,
    Split {
        first: Box<dyn Program<T>>,
        rest: Box<dyn Program<T>>,
        columns: Found<T>,
    },
}

/// What the first part has found: the values of one output after the other, for all samples.
struct Found<T> {
    count: usize,
    values: Vec<T>,
    /// Whether they are those of the inputs that are held.
    valid: bool,
    /// How often they have been computed.
    times: u64,
}

impl<T: Element> Session<T> {
    /// Says that the inputs of calls with [`Rows`] are others from now on.
    pub(crate) fn release(&mut self) {
        self.resident = None;
        for kept in &mut self.held.0 {
            if let Kept::Split { columns, .. } = kept {
                columns.valid = false;
                columns.values = Vec::new();
            }
        }
    }

    /// As [`Session::eval`], on samples of inputs that are the same in each call until [`Session::release`]: what hangs on them
    /// alone is computed in the first of these calls, for all samples, and the bits are the same.
    pub(crate) fn eval_rows(
        &mut self,
        rows: Rows<T>,
        p: &[T],
        y: &mut dyn ColumnsMut<T>,
    ) -> Result<()> {
        if !self.holds(Asked::Value, &rows)? {
            return self.eval(rows.count, &rows.table(), Some(p), y, None);
        }
        let into = Gradient {
            y: Some(y),
            dx: None,
            dp: None,
        };
        self.run_rows(Asked::Value, rows, p, None, into)
    }

    /// The same as [`Session::gradient`] by the parameters alone.
    pub(crate) fn gradient_rows(
        &mut self,
        rows: Rows<T>,
        p: &[T],
        seed: &Strided<T>,
        sums: &mut [T],
    ) -> Result<()> {
        let into = Gradient {
            y: None,
            dx: None,
            dp: Some(sums),
        };
        match self.holds(Asked::Gradient, &rows)? {
            false => self.gradient(rows.count, &rows.table(), Some(p), Some(seed), into, None),
            true => self.run_rows(Asked::Gradient, rows, p, Some(seed), into),
        }
    }

    /// The same as [`Session::jacobian`].
    pub(crate) fn jacobian_rows(
        &mut self,
        rows: Rows<T>,
        p: &[T],
        y: &mut dyn ColumnsMut<T>,
        j: &mut dyn ColumnsMut<T>,
    ) -> Result<()> {
        if !self.holds(Asked::Jacobian, &rows)? {
            return self.jacobian(rows.count, &rows.table(), Some(p), Some(y), j, None);
        }
        let into = Gradient {
            y: Some(y),
            dx: Some(j),
            dp: None,
        };
        self.run_rows(Asked::Jacobian, rows, p, None, into)
    }

    /// What is computed once for inputs that stay the same, for values, gradients by the parameters and Jacobians: how many
    /// numbers for each sample, 0 where that is not worth it or has not been asked for, and how often so far.
    pub fn held(&self) -> [(usize, u64); 3] {
        let about = |kept: &Kept<T>| match kept {
            Kept::Split { columns, .. } => (columns.count, columns.times),
            _ => (0, 0),
        };
        [0, 1, 2].map(|asked| about(&self.held.0[asked]))
    }

    /// Whether what is asked is computed in two parts, the first of which is then done.
    fn holds(&mut self, asked: Asked, rows: &Rows<T>) -> Result<bool> {
        if rows.samples < LEAST_SAMPLES || !self.model.is_numeric() || self.engine() == "tagged" {
            return Ok(false);
        }
        if matches!(self.held.0[asked as usize], Kept::Unknown) {
            self.held.0[asked as usize] = self.part(asked)?;
        }
        let Kept::Split { first, columns, .. } = &mut self.held.0[asked as usize] else {
            return Ok(false);
        };
        if columns.valid {
            return Ok(true);
        }
        let length = columns.count.saturating_mul(rows.samples);
        let fits = length.saturating_mul(std::mem::size_of::<T>()) <= MOST_BYTES;
        if !fits || columns.values.try_reserve_exact(length).is_err() {
            return Ok(false);
        }
        columns.values.resize(length, T::ZERO);
        let all = Rows {
            first: 0,
            count: rows.samples,
            ..*rows
        };
        let arguments = Arguments {
            places: &self.places,
            x: &all.table(),
            p: &self.initial,
            seed: None,
        };
        let mut table = StridedMut::columns(&mut columns.values, rows.samples);
        let mut results = Results {
            samples: rows.samples,
            outputs: columns.count,
            derivatives: 0,
            y: Some(&mut table),
            dx: None,
            dp: None,
        };
        let done = first.run(rows.samples, &arguments, &mut results, None);
        columns.valid = done.is_ok();
        columns.times += 1;
        done.map_err(|error| located(&self.model, error))?;
        Ok(true)
    }

    /// Runs the second part of what is asked, once [`Session::holds`] has said that there is one.
    fn run_rows(
        &mut self,
        asked: Asked,
        rows: Rows<T>,
        p: &[T],
        seed: Option<&Strided<T>>,
        into: Gradient<T>,
    ) -> Result<()> {
        check_parameters(self.parameters.len(), Some(p.len()))?;
        let Kept::Split { rest, columns, .. } = &mut self.held.0[asked as usize] else {
            return Ok(());
        };
        let outputs = self.model.graph.outputs.len();
        let behind = Behind {
            seed,
            seeds: if seed.is_some() { outputs } else { 0 },
            columns: Rows {
                x: &columns.values[..],
                ..rows
            }
            .table(),
        };
        let arguments = Arguments {
            places: &self.places,
            x: &rows.table(),
            p,
            seed: Some(&behind),
        };
        let mut results = Results {
            samples: rows.count,
            outputs,
            derivatives: match asked {
                Asked::Jacobian => outputs * self.parameters.len(),
                _ => 0,
            },
            y: into.y,
            dx: into.dx,
            dp: into.dp,
        };
        let done = rest.run(rows.count, &arguments, &mut results, None);
        done.map_err(|error| located(&self.model, error))
    }

    /// The two parts of what is asked; where there is one only, it is prepared as ever.
    fn part(&mut self, asked: Asked) -> Result<Kept<T>> {
        let parameters = self.parameters.clone();
        let graph = match asked {
            Asked::Value => self.model.graph.clone(),
            Asked::Gradient => grad::cheapest_vjp(&self.model.graph, &parameters),
            Asked::Jacobian => grad::cheapest_jacobian(&self.model.graph, &parameters),
        };
        let ports = self.model.graph.ports.len();
        let kept: Vec<bool> = graph
            .ports
            .iter()
            .enumerate()
            .map(|(i, port)| i < ports && !port.is_parameter())
            .collect();
        let Some(parts) = split(&graph, &kept) else {
            match asked {
                Asked::Value => {}
                Asked::Gradient if self.sweeps[1].is_none() => {
                    self.sweeps[1] = Some(self.engine.prepare_graph(&graph)?);
                }
                Asked::Jacobian if self.jacobian.is_none() => {
                    self.jacobian = Some(self.engine.prepare_graph(&graph)?);
                }
                _ => {}
            }
            return Ok(Kept::Whole);
        };
        Ok(Kept::Split {
            first: self.engine.prepare_graph(&parts.first)?,
            rest: self.engine.prepare_graph(&parts.rest)?,
            columns: Found {
                count: parts.first.outputs.len(),
                values: Vec::new(),
                valid: false,
                times: 0,
            },
        })
    }
}

/// What stands behind the inputs of a model: seeds for its outputs, then columns that were computed once.
struct Behind<'a, T: Real> {
    seed: Option<&'a Strided<'a, T>>,
    seeds: usize,
    columns: Strided<'a, T>,
}

impl<T: Real> Columns<T> for Behind<'_, T> {
    fn gather(&self, entry: usize, start: usize, out: &mut [T]) {
        match (entry.checked_sub(self.seeds), self.seed) {
            (None, Some(seed)) => seed.gather(entry, start, out),
            (column, _) => self.columns.gather(column.unwrap_or(0), start, out),
        }
    }

    fn contiguous(&self, entry: usize, start: usize, count: usize) -> Option<&[T]> {
        match (entry.checked_sub(self.seeds), self.seed) {
            (None, Some(seed)) => seed.contiguous(entry, start, count),
            (column, _) => self.columns.contiguous(column?, start, count),
        }
    }
}
