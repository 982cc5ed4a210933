//! Inputs that stay the same over many calls, as the data of a fit do: what hangs on them alone is computed once.

use super::{
    Arguments, Columns, ColumnsMut, Element, Gradient, Results, Session, Strided, StridedMut,
    check_parameters, located,
};
use crate::engine::Program;
use crate::error::Result;
use crate::grad;
use crate::graph::{Graph, simplify, split};
use crate::ops::real::Real;

/// Fewer samples than this are not worth a second program.
const LEAST_SAMPLES: usize = 64;
/// What is repaid by so many runs is computed in the first of them.
const AT_ONCE: u64 = 4;
/// Most memory for what was computed once, in bytes, for gradients and for Jacobians.
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

/// What a session keeps of held inputs: with gradients by the parameters, and with Jacobians.
pub(super) struct Held<T>([Kept<T>; 2]);

impl<T> Held<T> {
    pub(super) fn new() -> Held<T> {
        Held([Kept::Unknown, Kept::Unknown])
    }
}

/// Which derivatives a program gives with the values.
#[derive(Clone, Copy)]
enum By {
    Gradient,
    Jacobian,
}

/// A program in two parts, as far as that is known and worth it.
enum Kept<T> {
    Unknown,
    Whole,
    Split(Box<Parts<T>>),
}

/// A program in two parts.
struct Parts<T> {
    first: Box<dyn Program<T>>,
    rest: Box<dyn Program<T>>,
    /// The second part without derivatives; made when it is first used.
    values: Option<Box<dyn Program<T>>>,
    graph: Graph,
    /// After so many runs the first part pays, and how many there were with the inputs that are held.
    pays: u64,
    runs: u64,
    /// How many numbers the first part finds for a sample.
    count: usize,
    /// Those of one output after the other, for all samples, and whether they are of the inputs that are held.
    columns: Vec<T>,
    valid: bool,
    /// How often they have been computed.
    times: u64,
}

impl<T: Element> Session<T> {
    /// Says that the inputs of calls with [`Rows`] are others from now on.
    pub(crate) fn release(&mut self) {
        self.resident = None;
        for kept in &mut self.held.0 {
            if let Kept::Split(parts) = kept {
                (parts.valid, parts.runs) = (false, 0);
            }
        }
    }

    /// As [`Session::eval`], on samples of inputs that are the same in each call until [`Session::release`]. What hangs on them
    /// alone is computed once for all samples, as soon as that pays, by the calls for derivatives; the bits are the same.
    pub(crate) fn eval_rows(
        &mut self,
        rows: Rows<T>,
        p: &[T],
        y: &mut dyn ColumnsMut<T>,
    ) -> Result<()> {
        let found = |by: &By| matches!(&self.held.0[*by as usize], Kept::Split(p) if p.valid);
        let by = [By::Jacobian, By::Gradient].into_iter().find(found);
        let Some(by) = by else {
            return self.eval(rows.count, &rows.table(), Some(p), y, None);
        };
        let into = Gradient {
            y: Some(y),
            dx: None,
            dp: None,
        };
        self.run_rows((by, false), rows, p, None, into)
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
        match self.holds(By::Gradient, &rows)? {
            false => self.gradient(rows.count, &rows.table(), Some(p), Some(seed), into, None),
            true => self.run_rows((By::Gradient, true), rows, p, Some(seed), into),
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
        if !self.holds(By::Jacobian, &rows)? {
            return self.jacobian(rows.count, &rows.table(), Some(p), Some(y), j, None);
        }
        let into = Gradient {
            y: Some(y),
            dx: Some(j),
            dp: None,
        };
        self.run_rows((By::Jacobian, true), rows, p, None, into)
    }

    /// What is computed once for inputs that stay the same, with gradients by the parameters and with Jacobians: how many numbers
    /// for each sample, 0 where that is not worth it or has not been asked for, and how often so far.
    pub fn held(&self) -> [(usize, u64); 2] {
        let about = |kept: &Kept<T>| match kept {
            Kept::Split(parts) => (parts.count, parts.times),
            _ => (0, 0),
        };
        [0, 1].map(|by| about(&self.held.0[by]))
    }

    /// Whether there are two parts, the first of which is then done.
    fn holds(&mut self, by: By, rows: &Rows<T>) -> Result<bool> {
        let graphs = self.model.is_numeric() && self.engine() != "tagged";
        if rows.samples < LEAST_SAMPLES || !graphs {
            return Ok(false);
        }
        if matches!(self.held.0[by as usize], Kept::Unknown) {
            self.held.0[by as usize] = self.part(by)?;
        }
        let Kept::Split(parts) = &mut self.held.0[by as usize] else {
            return Ok(false);
        };
        if parts.valid {
            return Ok(true);
        }
        // what a few runs repay is worth it from the first on: there are few fits of fewer
        parts.runs += u64::from(rows.first == 0);
        let length = parts.count.saturating_mul(rows.samples);
        let fits = length.saturating_mul(std::mem::size_of::<T>()) <= MOST_BYTES;
        let early = parts.pays > AT_ONCE && parts.runs <= parts.pays;
        let more = length.saturating_sub(parts.columns.len());
        if early || !fits || parts.columns.try_reserve_exact(more).is_err() {
            return Ok(false);
        }
        parts.columns.resize(length, T::ZERO);
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
        let mut table = StridedMut::columns(&mut parts.columns, rows.samples);
        let mut results = Results {
            samples: rows.samples,
            outputs: parts.count,
            derivatives: 0,
            y: Some(&mut table),
            dx: None,
            dp: None,
        };
        let done = parts
            .first
            .run(rows.samples, &arguments, &mut results, None);
        parts.valid = done.is_ok();
        parts.times += 1;
        done.map_err(|error| located(&self.model, error))?;
        Ok(true)
    }

    /// Runs the second part, with derivatives or without them, once [`Session::holds`] has said that there is one.
    fn run_rows(
        &mut self,
        (by, derivatives): (By, bool),
        rows: Rows<T>,
        p: &[T],
        seed: Option<&Strided<T>>,
        into: Gradient<T>,
    ) -> Result<()> {
        check_parameters(self.parameters.len(), Some(p.len()))?;
        let Kept::Split(parts) = &mut self.held.0[by as usize] else {
            return Ok(());
        };
        let outputs = self.model.graph.outputs.len();
        let program = match (derivatives, &mut parts.values) {
            (true, _) => &mut parts.rest,
            (false, Some(values)) => values,
            (false, none) => {
                let mut graph = parts.graph.clone();
                graph.outputs.truncate(outputs);
                graph.regions[0].results.truncate(outputs);
                none.insert(self.engine.prepare_graph(&simplify(&graph))?)
            }
        };
        let behind = Behind {
            seed,
            seeds: match by {
                By::Gradient => outputs,
                By::Jacobian => 0,
            },
            columns: Rows {
                x: &parts.columns[..],
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
            derivatives: match (by, derivatives) {
                (By::Jacobian, true) => outputs * self.parameters.len(),
                _ => 0,
            },
            y: into.y,
            dx: into.dx,
            dp: into.dp,
        };
        let done = program.run(rows.count, &arguments, &mut results, None);
        done.map_err(|error| located(&self.model, error))
    }

    /// How much work is worth a column, in additions. For Jacobians on the native engine that of a function like `exp`, since what is
    /// less waits for memory no longer than a column does; for gradients, of which fits take hundreds, and in ONNX Runtime, which
    /// walks memory for each operation, that of a division.
    fn worth(&self, by: By) -> u32 {
        match (by, self.engine()) {
            (By::Gradient, _) | (_, "onnxruntime") => 4,
            _ => 10,
        }
    }

    /// The two parts; where there is one only, it is prepared as ever.
    fn part(&mut self, by: By) -> Result<Kept<T>> {
        let model = &self.model.graph;
        let graph = match by {
            By::Gradient => grad::cheapest_vjp(model, &self.parameters),
            By::Jacobian => grad::cheapest_jacobian(model, &self.parameters),
        };
        let inputs = graph.ports.iter().enumerate();
        let kept = inputs.map(|(i, port)| i < model.ports.len() && !port.is_parameter());
        let parts = split(&graph, &kept.collect::<Vec<bool>>(), self.worth(by));
        // where it pays late, the whole comes first
        if parts.as_ref().is_none_or(|parts| parts.pays > AT_ONCE) {
            let place = match by {
                By::Gradient => &mut self.sweeps[1],
                By::Jacobian => &mut self.jacobian,
            };
            if place.is_none() {
                *place = Some(self.engine.prepare_graph(&graph)?);
            }
        }
        let Some(parts) = parts else {
            return Ok(Kept::Whole);
        };
        Ok(Kept::Split(Box::new(Parts {
            first: self.engine.prepare_graph(&parts.first)?,
            rest: self.engine.prepare_graph(&parts.rest)?,
            values: None,
            graph: parts.rest,
            pays: parts.pays,
            runs: 0,
            count: parts.first.outputs.len(),
            columns: Vec::new(),
            valid: false,
            times: 0,
        })))
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
