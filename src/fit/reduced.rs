//! Evaluations of a problem that are reduced where its session computes: parameters go there, and sums come back.
//!
//! Chunks of samples are reduced one by one; their triangles are joined here by Householder reflections, as those of blocks are.
//! Not for a covariance of the data, whose residuals hang together, and not for fits that several processes share.

use super::linalg::{add_rows, triangle_len};
use super::loss::Kind;
use super::measure::Measure;
use super::problem::{Problem, Rows};
use crate::engine::ort::{TensorMut, TensorRef};
use crate::error::Result;
use crate::onnx::{Element as Precision, Parameters, Reduction, export_reduced};
use crate::session::{Column, Element, Parts};

/// Most parameters that a triangle is made for there: its graph has a dozen operators for each.
const MOST_PARAMETERS: usize = 128;

/// Most numbers of residuals and Jacobian of all members of a population at once, over all their samples.
const SEAT_ENTRIES: usize = 1 << 25;

/// What was reduced for many sets of parameters, one of which is looked at.
pub(super) struct Reduced {
    squares: Vec<f64>,
    triangles: Vec<f64>,
    pub member: usize,
}

/// How many numbers the rows of a triangle have.
fn packed_len(n: usize) -> usize {
    (n + 1) * (n + 2) / 2
}

/// Joins a triangle, given as its rows from the diagonal on, with one in columns.
fn join(packed: &[f64], n: usize, triangle: &mut [f64]) {
    let mut columns = vec![0.0; triangle_len(n)];
    let mut entries = packed.iter();
    for i in 0..=n {
        for j in i..=n {
            columns[j * (n + 1) + i] = entries.next().copied().unwrap_or(f64::NAN);
        }
    }
    let (jacobian, residuals) = columns.split_at(n * (n + 1));
    add_rows(jacobian, residuals, n, triangle);
}

impl<T: Element> Problem<'_, T> {
    /// Whether evaluations are reduced where the session computes.
    fn reduces(&self) -> bool {
        let whole = self.whitening.is_none() && self.is_one_section();
        whole && self.free.len() <= MOST_PARAMETERS && self.session.keeps_samples()
    }

    pub(super) fn measure(&self) -> Measure {
        Measure {
            loss: self.loss,
            rows: self.rows,
            targets: self.targets,
            weighted: !self.data.weights.is_empty(),
        }
    }

    /// The ports that the parameters that move are.
    pub(super) fn wrt(&self) -> Vec<usize> {
        let ports = self.session.model().graph.parameters();
        self.free.iter().map(|index| ports[*index]).collect()
    }

    /// Brings the data to where the session computes, unless they are there.
    pub(super) fn keep(&mut self) -> Result<()> {
        let (data, samples) = (self.data, self.data.samples.max(1));
        let plain = data
            .x
            .chunks_exact(samples)
            .chain(data.y.chunks_exact(samples));
        let roots = data.weights.chunks_exact(samples);
        let columns: Vec<Column> = plain
            .map(Column::Plain)
            .chain(roots.map(Column::Roots))
            .collect();
        let chunk = self.session.kept_chunk(self.entries());
        self.session.keep_samples(data.samples, &columns, chunk)
    }

    /// How many numbers a sample has in what is reduced.
    fn entries(&self) -> usize {
        self.outputs * (self.free.len() + 1)
    }

    /// Whether the session takes all samples at once.
    pub(super) fn is_one_chunk(&self) -> bool {
        self.data.samples <= self.session.kept_chunk(self.entries())
    }

    /// The model of a reduction, and which of its inputs are columns of the data.
    fn parts(&self, reduction: Reduction, parameters: Parameters) -> Result<Parts> {
        let (measure, wrt) = (self.measure(), self.wrt());
        let model = &self.session.model().graph;
        let graph = match reduction {
            Reduction::Triangle { parameters: 0, .. } => measure.residuals(model, &[]),
            Reduction::Triangle { .. } => measure.residuals(model, &wrt),
            Reduction::Total => measure.total(model, &wrt),
        };
        let mut columns = 0..;
        let inputs = graph.ports.iter().map(|port| match port.is_parameter() {
            true => None,
            false => columns.next(),
        });
        let inputs = inputs.collect();
        let precision = match T::NAME {
            "f32" => Precision::F32,
            _ => Precision::F64,
        };
        let steps = self.session.max_steps();
        let bytes = export_reduced(&graph, reduction, parameters, precision, steps)?;
        Ok((bytes, inputs))
    }

    /// Runs a reduction over all samples, for `members` sets of parameters that lie in `p` one after the other: what each
    /// chunk gives is handed to `take`.
    fn reduce(
        &mut self,
        reduction: Reduction,
        parameters: Parameters,
        p: &[T],
        width: usize,
        take: &mut dyn FnMut(&[f64], &[f64]),
    ) -> Result<()> {
        self.keep()?;
        let count = self.p.len();
        let members = p.len().checked_div(count).unwrap_or(1);
        // the values of a parameter, member by member
        let mut columns: Vec<T> = Vec::with_capacity(p.len());
        for index in 0..count {
            columns.extend(p.iter().skip(index).step_by(count));
        }
        let column = [members as i64, 1];
        let dims: &[i64] = match parameters {
            Parameters::One => &[],
            Parameters::Population => &column,
        };
        let inputs = columns.chunks_exact(members.max(1));
        let inputs: Vec<TensorRef> = inputs.map(|part| TensorRef::new(dims, part)).collect();
        let (measure, wrt) = (self.measure(), self.wrt());
        let word = format!("{reduction:?} {parameters:?} {measure:?} {wrt:?}");
        let (mut first, mut second) = (vec![0.0; members], vec![0.0; members * width]);
        let (one, many) = ([members as i64], [members as i64, width as i64]);
        for chunk in 0..self.session.kept_chunks() {
            // made before the session is lent, where it is not there yet
            let parts = match self.session.has_machine(&word) {
                true => None,
                false => Some(self.parts(reduction, parameters)?),
            };
            let mut outputs = [
                TensorMut::new(&one, &mut first),
                TensorMut::new(&many, &mut second),
            ];
            self.session
                .run_kept(&word, parts, chunk, &inputs, &mut outputs)?;
            take(&first, &second);
        }
        Ok(())
    }

    /// See [`Residuals::reduced`](super::Residuals::reduced).
    pub(super) fn triangle_of(
        &mut self,
        p: &[f64],
        triangle: Option<&mut [f64]>,
    ) -> Result<Option<f64>> {
        let n = self.free.len();
        if let Some(seats) = &self.reduced {
            if let Some(triangle) = triangle {
                triangle.fill(0.0);
                let width = packed_len(n);
                join(
                    &seats.triangles[seats.member * width..][..width],
                    n,
                    triangle,
                );
            }
            return Ok(Some(seats.squares[seats.member]));
        }
        let bent = self.rows == Rows::Information && self.loss.kind.is_robust();
        if !self.reduces() || bent || !self.loss.kind.is_sum_of_squares() {
            return Ok(None);
        }
        self.place_parameters(p);
        let p = self.p.clone();
        let columns = if triangle.is_some() { n } else { 0 };
        let reduction = Reduction::Triangle {
            outputs: self.outputs,
            parameters: columns,
        };
        let mut none = [];
        let into = match triangle {
            Some(triangle) => {
                triangle.fill(0.0);
                triangle
            }
            None => &mut none[..],
        };
        let mut squares = 0.0;
        let width = packed_len(columns);
        self.reduce(reduction, Parameters::One, &p, width, &mut |sum, rows| {
            squares += sum[0];
            if !into.is_empty() {
                join(rows, n, into);
            }
        })?;
        Ok(Some(squares))
    }

    /// Whether the loss of a sample differs from sample to sample: what is one for all has no sum over them there.
    pub(super) fn has_sums(&self) -> bool {
        let graph = &self.session.model().graph;
        let batched = graph.batched();
        let mut outputs = graph.outputs.iter();
        self.loss.kind != Kind::Value || outputs.all(|output| batched[output.node.index()])
    }

    /// The loss at `p`, with its gradient by the parameters that move; `None` where it is not reduced.
    pub(super) fn total_of(&mut self, p: &[f64], gradient: &mut [f64]) -> Result<Option<f64>> {
        if !self.reduces() || !self.has_sums() {
            return Ok(None);
        }
        self.place_parameters(p);
        let p = self.p.clone();
        gradient.fill(0.0);
        let (mut loss, width) = (0.0, self.free.len());
        self.reduce(
            Reduction::Total,
            Parameters::One,
            &p,
            width,
            &mut |sum, slopes| {
                loss += sum[0];
                gradient.iter_mut().zip(slopes).for_each(|(g, s)| *g += s);
            },
        )?;
        Ok(Some(loss))
    }

    /// How many sets of parameters are reduced in one call, so that memory stays small; `None` where they are not.
    pub(super) fn reduced_seats(&self) -> Option<usize> {
        let squares = self.loss.kind.is_sum_of_squares();
        match self.reduces() && squares && !self.p.is_empty() {
            true => self.seats_of_epochs(),
            false => None,
        }
    }

    /// How many members a population has in one call.
    pub(super) fn seats_of_epochs(&self) -> Option<usize> {
        let seats = SEAT_ENTRIES / (self.entries() * self.data.samples).max(1);
        (seats > 1).then_some(seats)
    }

    /// Reduces the samples for all of these sets of parameters; [`Problem::look_at`] says of which one the next evaluations
    /// are.
    pub(super) fn seat_reduced(&mut self, p: &[T]) -> Result<()> {
        let n = self.free.len();
        let reduction = Reduction::Triangle {
            outputs: self.outputs,
            parameters: n,
        };
        let members = p.len() / self.p.len().max(1);
        let width = packed_len(n);
        let mut found = Reduced {
            squares: vec![0.0; members],
            triangles: Vec::new(),
            member: 0,
        };
        let mut joined: Vec<f64> = Vec::new();
        self.reduce(
            reduction,
            Parameters::Population,
            p,
            width,
            &mut |sums, rows| {
                found
                    .squares
                    .iter_mut()
                    .zip(sums)
                    .for_each(|(a, b)| *a += b);
                if found.triangles.is_empty() {
                    found.triangles.extend_from_slice(rows);
                    return;
                }
                for (own, rows) in found
                    .triangles
                    .chunks_exact_mut(width)
                    .zip(rows.chunks_exact(width))
                {
                    joined.clear();
                    joined.resize(triangle_len(n), 0.0);
                    join(own, n, &mut joined);
                    join(rows, n, &mut joined);
                    let mut entries = own.iter_mut();
                    for i in 0..=n {
                        for (j, entry) in (i..=n).zip(&mut entries) {
                            *entry = joined[j * (n + 1) + i];
                        }
                    }
                }
            },
        )?;
        self.reduced = Some(found);
        Ok(())
    }
}
