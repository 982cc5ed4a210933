//! A model, data and free parameters as a least-squares problem.

use std::borrow::Cow;

use super::Residuals;
use super::diagnose::first_bad_operation;
use super::loss::{Kind, Loss, Whitening, deviance};
use super::reduced::Reduced;
use crate::error::{Error, ErrorKind, Result};
use crate::grad;
use crate::graph::verify_numeric;
use crate::session::{Columns, Crowd, Element, Rows as Samples, Session, Strided, StridedMut};

/// Observations, one column after the other: the samples of an input, a target or a weight lie side by side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    /// How many samples there are.
    pub samples: usize,
    /// Inputs: `samples` values for each.
    pub x: Vec<f64>,
    /// Targets: `samples` values for each output.
    pub y: Vec<f64>,
    /// Weights: as many as targets, or none for ones. A residual is multiplied by the root of its weight.
    pub weights: Vec<f64>,
    /// The line of the file that each sample stands on, if it comes from one; else none.
    pub lines: Vec<u64>,
    /// How many samples there were before these, which are not here any more.
    pub before: u64,
}

impl Data {
    /// Copies tables of samples by entries. `Numeric` names the first value that is not finite, `Argument` a negative weight.
    pub fn copy(
        samples: usize,
        x: (&dyn Columns<f64>, &[&str]),
        y: (&dyn Columns<f64>, &[&str]),
        weights: Option<&dyn Columns<f64>>,
    ) -> Result<Data> {
        let data = Data {
            samples,
            x: copy(samples, x.0, x.1)?,
            y: copy(samples, y.0, y.1)?,
            weights: match weights {
                Some(weights) => copy(samples, weights, &vec!["weight"; y.1.len()])?,
                None => Vec::new(),
            },
            ..Data::default()
        };
        if let Some(i) = data.weights.iter().position(|weight| *weight < 0.0) {
            let (weight, row) = (data.weights[i], i % samples);
            let message =
                format!("the weight at row {row} is {weight}; weights cannot be negative");
            return Err(Error::new(ErrorKind::Argument, message));
        }
        Ok(data)
    }
}

fn copy(samples: usize, table: &dyn Columns<f64>, names: &[&str]) -> Result<Vec<f64>> {
    let length = samples
        .checked_mul(names.len())
        .filter(|length| *length <= isize::MAX as usize / 8);
    let mut values = Vec::new();
    let reserved = length.and_then(|length| values.try_reserve_exact(length).ok().map(|()| length));
    let Some(length) = reserved else {
        return Err(Error::new(
            ErrorKind::Memory,
            format!("no memory for {samples} samples of data"),
        ));
    };
    values.resize(length, 0.0);
    if samples == 0 {
        return Ok(values);
    }
    for (entry, (column, name)) in values.chunks_exact_mut(samples).zip(names).enumerate() {
        table.gather(entry, 0, column);
        if let Some(row) = column.iter().position(|value| !value.is_finite()) {
            let message = format!(
                "the value of \"{name}\" at row {row} (counted from 0) is {}",
                column[row]
            );
            return Err(Error::new(ErrorKind::Numeric, message));
        }
    }
    Ok(values)
}

/// What the rows of a [`Problem`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Residuals whose squares add up to the loss.
    Loss,
    /// Residuals whose Jacobian carries the information of the data on the parameters: for least squares the same, for robust
    /// losses those that are not bent, for likelihoods those of Fisher's information.
    Information,
}

/// Most entries of the Jacobian of a block: half a megabyte of them.
const BLOCK_ENTRIES: usize = 1 << 16;

/// Most values and derivatives of sets of parameters that are evaluated at once: 16 megabytes of them.
const SEAT_ENTRIES: usize = 1 << 21;
/// Most sets of parameters that are evaluated at once: each has a fit of its own, with memory of its own.
const MOST_SEATS: usize = 1 << 13;

/// The least-squares problem of a session's model on data. Samples come in blocks; residual `o * n + s` of a block belongs to
/// output `o` of its sample `s`, where `n` is how many samples the block has.
///
/// An evaluation is never cut short: half of one would look like another loss. A request to stop waits for its end.
pub struct Problem<'a, T: Element> {
    pub(super) session: &'a mut Session<T>,
    pub(super) loss: Loss,
    pub(super) whitening: Option<&'a Whitening>,
    /// What the rows are.
    pub rows: Rows,
    /// Inputs in the session's precision.
    x: Cow<'a, [T]>,
    pub(super) data: &'a Data,
    /// Numbers in the model's value.
    pub(super) outputs: usize,
    /// Targets of a sample.
    pub(super) targets: usize,
    /// Samples of a block; the last of a section may have fewer.
    block_samples: usize,
    /// Samples of a section, each of which begins with a block of its own; the last may have fewer.
    section_samples: usize,
    /// The block whose targets, roots of weights (or none) and values are at hand.
    loaded: Option<usize>,
    pub(super) y: Vec<f64>,
    pub(super) roots: Vec<f64>,
    pub(super) values: Vec<T>,
    /// The parameters that move: indices among the model's parameters.
    pub(super) free: Vec<usize>,
    /// All parameters of the model.
    pub(super) p: Vec<T>,
    /// The Jacobian of a block by all parameters; made when it is first asked for.
    jacobian: Vec<T>,
    /// Many sets of parameters, evaluated at once.
    seats: Option<Seats<T>>,
    /// The same, where the session reduces what it evaluates.
    pub(super) reduced: Option<Reduced>,
}

/// Values and Jacobian at many sets of parameters, one of which is looked at.
struct Seats<T: Element> {
    crowd: Crowd<T>,
    p: Vec<T>,
    values: Vec<T>,
    jacobian: Vec<T>,
    members: usize,
    member: usize,
}

impl<'a, T: Element> Problem<'a, T> {
    /// `fixed` holds the value of every parameter of the model, `free` says which of them move. `whitening` is of as many
    /// observations as there are targets.
    pub fn new(
        session: &'a mut Session<T>,
        data: &'a Data,
        parameters: (&[f64], &[usize]),
        loss: Loss,
        whitening: Option<&'a Whitening>,
    ) -> Result<Problem<'a, T>> {
        session.release();
        Problem::again(session, data, parameters, loss, whitening)
    }

    /// As [`Problem::new`], where the last problem of this session had the same data: what hangs on the inputs alone is not
    /// computed anew.
    pub(super) fn again(
        session: &'a mut Session<T>,
        data: &'a Data,
        (fixed, free): (&[f64], &[usize]),
        loss: Loss,
        whitening: Option<&'a Whitening>,
    ) -> Result<Problem<'a, T>> {
        let (inputs, parameters, outputs) = session.counts();
        let targets = loss.kind.targets(outputs)?;
        if data.x.len() != inputs * data.samples || data.y.len() != targets * data.samples {
            return Err(Error::new(
                ErrorKind::Shape,
                "the data do not fit the model's inputs and outputs",
            ));
        }
        // what is correlated cannot be taken apart
        let block_samples = match whitening {
            Some(_) => data.samples,
            None => (BLOCK_ENTRIES / (outputs * parameters).max(1)).clamp(256, 1 << 14),
        };
        Ok(Problem {
            session,
            loss,
            whitening,
            rows: Rows::Loss,
            x: T::numbers(&data.x),
            data,
            outputs,
            targets,
            block_samples: block_samples.max(1),
            section_samples: data.samples.max(1),
            loaded: None,
            y: Vec::new(),
            roots: Vec::new(),
            values: Vec::new(),
            free: free.to_vec(),
            p: fixed.iter().map(|p| T::of(*p)).collect(),
            jacobian: Vec::new(),
            seats: None,
            reduced: None,
        })
    }
}

impl<T: Element> Problem<'_, T> {
    /// The first sample of a block, and how many it has.
    fn samples(&self, block: usize) -> (usize, usize) {
        let blocks = self.section_blocks();
        let within = block % blocks * self.block_samples;
        let first = block / blocks * self.section_samples + within;
        let section = self.section_samples - within;
        let left = section.min(self.data.samples - first);
        (first, self.block_samples.min(left))
    }

    /// Whether all samples are one section.
    pub(super) fn is_one_section(&self) -> bool {
        self.section_samples >= self.data.samples
    }

    /// How many blocks a section has; the last may have fewer.
    pub(super) fn section_blocks(&self) -> usize {
        self.section_samples.div_ceil(self.block_samples)
    }

    /// Cuts the samples into sections of so many: no block is part of two.
    pub(super) fn cut(&mut self, samples: usize) {
        self.section_samples = samples.max(1);
        self.loaded = None;
    }

    /// Takes up parameters that move.
    pub(super) fn place_parameters(&mut self, p: &[f64]) {
        for (index, value) in self.free.iter().zip(p) {
            self.p[*index] = T::of(*value);
        }
    }

    /// Takes up the targets and weights of a block, and makes room for its values.
    fn load(&mut self, block: usize) {
        if self.loaded == Some(block) {
            return;
        }
        let (first, count) = self.samples(block);
        let (data, all) = (self.data, self.data.samples);
        self.y.clear();
        self.roots.clear();
        for o in 0..self.targets {
            let part = o * all + first..o * all + first + count;
            self.y.extend_from_slice(&data.y[part.clone()]);
            let weights = data.weights.get(part).unwrap_or(&[]);
            self.roots
                .extend(weights.iter().map(|weight| weight.sqrt()));
        }
        self.values.resize(self.outputs * count, T::ZERO);
        self.loaded = Some(block);
    }

    /// Whether many sets of parameters can be evaluated in one call, and how many of them keep memory small; `None` where it is
    /// not worth it.
    pub(super) fn seats(&self) -> Option<usize> {
        if let Some(seats) = self.reduced_seats() {
            return Some(seats);
        }
        let entries = self.outputs * (self.p.len() + 1) * self.data.samples;
        let one_block = self.whitening.is_none() && self.data.samples <= self.block_samples;
        (one_block && self.session.model().is_numeric())
            .then(|| (SEAT_ENTRIES / entries.max(1)).clamp(1, MOST_SEATS))
    }

    /// Evaluates the model and its Jacobian at all of these sets of its parameters; [`Problem::look_at`] says which one the next
    /// evaluations are of.
    pub(super) fn seat(&mut self, p: Vec<T>) -> Result<()> {
        if self.reduced_seats().is_some() {
            return self.seat_reduced(&p);
        }
        let mut seats = match self.seats.take() {
            Some(seats) => seats,
            None => Seats {
                crowd: self.session.crowd()?,
                p: Vec::new(),
                values: Vec::new(),
                jacobian: Vec::new(),
                members: 0,
                member: 0,
            },
        };
        let samples = self.data.samples;
        seats.members = p.len() / self.p.len().max(1);
        seats.p = p;
        let rows = self.outputs * samples * seats.members;
        seats.values.resize(rows, T::ZERO);
        seats.jacobian.resize(rows * self.p.len(), T::ZERO);
        let x = some_of(&self.x, samples, (0, samples)).table();
        let (y, j) = (&mut seats.values, &mut seats.jacobian);
        seats.crowd.jacobian(samples, &x, &seats.p, y, j, None)?;
        self.seats = Some(seats);
        Ok(())
    }

    /// The next evaluations are of this set of parameters among those that are seated.
    pub(super) fn look_at(&mut self, member: usize) {
        if let Some(seats) = &mut self.seats {
            seats.member = member;
        }
        if let Some(reduced) = &mut self.reduced {
            reduced.member = member;
        }
    }

    /// Takes values, and the Jacobian if it is asked for, from the seats; false where there are none.
    fn take_seat(&mut self, jacobian: bool) -> bool {
        let Some(seats) = &self.seats else {
            return false;
        };
        let (count, rows) = (self.data.samples, self.data.samples * seats.members);
        let take = |from: &[T], to: &mut [T]| {
            for (from, to) in from.chunks_exact(rows).zip(to.chunks_exact_mut(count)) {
                to.copy_from_slice(&from[seats.member * count..][..count]);
            }
        };
        take(&seats.values, &mut self.values);
        if jacobian {
            self.jacobian
                .resize(self.values.len() * self.p.len(), T::ZERO);
            take(&seats.jacobian, &mut self.jacobian);
        }
        true
    }

    /// Evaluates the model on a block: its values are left in `values`.
    pub(super) fn eval(&mut self, block: usize) -> Result<()> {
        self.load(block);
        if self.take_seat(false) {
            return Ok(());
        }
        let (first, count) = self.samples(block);
        let mut values = std::mem::take(&mut self.values);
        let rows = some_of(&self.x, self.data.samples, (first, count));
        let mut y = StridedMut::columns(&mut values, count);
        let done = self.session.eval_rows(rows, &self.p, &mut y);
        self.values = values;
        done
    }

    /// The reverse sweep on a block, to all parameters of the model.
    pub(super) fn sweep(&mut self, block: usize, seeds: &[T], sums: &mut [T]) -> Result<()> {
        let (first, count) = self.samples(block);
        let seeds = Strided::columns(seeds, count);
        let rows = some_of(&self.x, self.data.samples, (first, count));
        self.session.gradient_rows(rows, &self.p, &seeds, sums)
    }

    /// Values and Jacobian of the model on a block.
    fn differentiate(&mut self, block: usize) -> Result<()> {
        self.load(block);
        if self.take_seat(true) {
            return Ok(());
        }
        let (first, count) = self.samples(block);
        let entries = self.values.len() * self.p.len();
        self.jacobian
            .try_reserve_exact(entries.saturating_sub(self.jacobian.len()))
            .map_err(|_| Error::new(ErrorKind::Memory, "no memory for the Jacobian of the fit"))?;
        self.jacobian.resize(entries, T::ZERO);
        let rows = some_of(&self.x, self.data.samples, (first, count));
        let mut y = StridedMut::columns(&mut self.values, count);
        let mut j = StridedMut::columns(&mut self.jacobian, count);
        self.session.jacobian_rows(rows, &self.p, &mut y, &mut j)
    }

    /// Makes residuals of the model's values, and for each what its derivatives are multiplied by once they are weighted and
    /// whitened; there are no such slopes for least squares.
    pub(super) fn residuals(&self, residuals: &mut [f64], slopes: &mut [f64]) {
        let targets = self.y.iter().copied().chain(std::iter::repeat(0.0));
        for (residual, (value, target)) in residuals.iter_mut().zip(self.values.iter().zip(targets))
        {
            *residual = value.to_f64() - target;
        }
        let count = self.y.len();
        match self.loss.kind {
            Kind::Poisson => {
                for i in 0..count {
                    let (expected, observed) = (self.values[i].to_f64(), self.y[i]);
                    (residuals[i], slopes[i]) = deviance(expected, observed);
                    if self.rows == Rows::Information {
                        slopes[i] = 1.0 / expected.sqrt();
                    }
                }
            }
            Kind::Gaussian => {
                for i in 0..count {
                    let sd = self.values[count + i].to_f64();
                    residuals[i] /= sd;
                    residuals[count + i] = 0.0;
                    (slopes[i], slopes[count + i]) = (1.0 / sd, std::f64::consts::SQRT_2 / sd);
                }
            }
            _ => {}
        }
        self.weigh(residuals);
        if let Some(whitening) = self.whitening {
            whitening.apply(residuals);
        }
        if self.loss.kind.is_robust() && self.rows == Rows::Loss {
            for (residual, slope) in residuals.iter_mut().zip(slopes) {
                (*residual, *slope) = self.loss.bend(*residual);
            }
        }
    }

    /// Multiplies a column by the roots of the weights; of a Gaussian likelihood they belong to means and deviations.
    pub(super) fn weigh(&self, column: &mut [f64]) {
        for part in column.chunks_mut(self.y.len().max(1)) {
            for (value, root) in part.iter_mut().zip(&self.roots) {
                *value *= root;
            }
        }
    }

    /// The derivatives of the weighted and whitened residuals of a block by parameter `index` of the model.
    fn column(&self, block: usize, index: usize, column: &mut [f64]) {
        let parameters = self.p.len();
        let (_, count) = self.samples(block);
        for (o, part) in column.chunks_exact_mut(count.max(1)).enumerate() {
            let first = (o * parameters + index) * count;
            for (out, value) in part.iter_mut().zip(&self.jacobian[first..]) {
                *out = value.to_f64();
            }
        }
        self.weigh(column);
        if let Some(whitening) = self.whitening {
            whitening.apply(column);
        }
    }
}

/// Some of all samples of the inputs: the first of them, and how many.
fn some_of<T: Element>(x: &[T], samples: usize, (first, count): (usize, usize)) -> Samples<'_, T> {
    Samples {
        x,
        samples,
        first,
        count,
    }
}

impl<T: Element> Residuals for Problem<'_, T> {
    fn parameter_count(&self) -> usize {
        self.free.len()
    }

    fn residual_count(&self) -> usize {
        self.outputs * self.data.samples
    }

    fn block_count(&self) -> usize {
        let (whole, rest) = (
            self.data.samples / self.section_samples,
            self.data.samples % self.section_samples,
        );
        whole * self.section_blocks() + rest.div_ceil(self.block_samples)
    }

    fn block_len(&self, block: usize) -> usize {
        self.outputs * self.samples(block).1
    }

    fn evaluate(
        &mut self,
        block: usize,
        p: &[f64],
        residuals: &mut [f64],
        jacobian: Option<&mut [f64]>,
    ) -> Result<()> {
        self.place_parameters(p);
        match jacobian {
            None => self.eval(block)?,
            Some(_) => self.differentiate(block)?,
        }
        let plain = self.loss == Loss::default();
        let mut slopes = vec![1.0; if plain { 0 } else { residuals.len() }];
        self.residuals(residuals, &mut slopes);
        if let Some(jacobian) = jacobian {
            let rows = residuals.len().max(1);
            for (column, index) in jacobian.chunks_exact_mut(rows).zip(&self.free) {
                self.column(block, *index, column);
                column
                    .iter_mut()
                    .zip(&slopes)
                    .for_each(|(d, slope)| *d *= slope);
            }
        }
        Ok(())
    }

    fn reduced(&mut self, p: &[f64], triangle: Option<&mut [f64]>) -> Result<Option<f64>> {
        self.triangle_of(p, triangle)
    }

    fn place(&self, block: usize, row: usize) -> String {
        let (first, count) = self.samples(block);
        let sample = first + row % count.max(1);
        match self.data.lines.get(sample) {
            Some(line) => format!("the residual at line {line} of the data"),
            None => format!(
                "the residual at row {} of the data (counted from 0)",
                self.data.before + sample as u64
            ),
        }
    }

    fn name(&self, parameter: usize) -> String {
        let graph = &self.session.model().graph;
        let port = graph.parameters()[self.free[parameter]];
        format!("\"{}\"", graph.ports[port].name)
    }

    fn cause(
        &self,
        p: &[f64],
        (block, row): (usize, usize),
        parameter: Option<usize>,
    ) -> Option<String> {
        let graph = &self.session.model().graph;
        let (first, count) = self.samples(block);
        let (sample, output) = (first + row % count.max(1), row / count.max(1));
        let mut all: Vec<f64> = self.p.iter().map(|p| p.to_f64()).collect();
        for (index, value) in self.free.iter().zip(p) {
            all[*index] = *value;
        }
        let mut ports = vec![0.0; graph.ports.len()];
        for (input, port) in graph.inputs().into_iter().enumerate() {
            ports[port] = self.data.x[input * self.data.samples + sample];
        }
        let parameters = graph.parameters();
        for (port, value) in parameters.iter().zip(&all) {
            ports[*port] = *value;
        }
        let Some(parameter) = parameter else {
            return first_bad_operation(graph, &ports, output);
        };
        let derivative = graph.outputs.len() + output;
        let wrt = [parameters[self.free[parameter]]];
        verify_numeric(graph).ok()?;
        first_bad_operation(&grad::jacobian(graph, &wrt), &ports, derivative)
    }
}
