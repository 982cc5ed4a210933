//! Parameters that are transformed, tied to others, or known beforehand.
//!
//! An optimiser moves *coordinates*: the logarithm of a parameter, its logit between its bounds, or the parameter itself. A model is
//! given *values*: those of the free parameters, then those that a Scheme expression computes from them. Priors are normal, and add
//! a residual each; so does what is left of rows that are not kept.

use std::sync::Arc;

use super::linalg::{add_rows, dot, triangle_len};
use super::problem::Problem;
use super::stream::Summary;
use super::{Bounds, Objective, Residuals, levmar};
use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::PortKind;
use crate::options::Options;
use crate::session::{Element, Gradient, Session, Strided, StridedMut};

/// How a parameter is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Transform {
    /// As it is.
    #[default]
    Identity,
    /// By its logarithm: it stays positive.
    Log,
    /// By the logit of its place between its bounds: it stays strictly between them.
    Logit,
}

impl Transform {
    /// The transform of a word of the option `transform`.
    pub fn named(name: &str) -> Option<Transform> {
        match name {
            "identity" => Some(Transform::Identity),
            "log" => Some(Transform::Log),
            "logit" => Some(Transform::Logit),
            _ => None,
        }
    }

    fn coordinate(self, value: f64, [lower, upper]: [f64; 2]) -> f64 {
        match self {
            Transform::Identity => value,
            Transform::Log => value.ln(),
            Transform::Logit => ((value - lower) / (upper - value)).ln(),
        }
    }

    /// The value at a coordinate, and its derivative.
    fn value(self, coordinate: f64, [lower, upper]: [f64; 2]) -> (f64, f64) {
        match self {
            Transform::Identity => (coordinate, 1.0),
            Transform::Log => {
                let value = coordinate.exp().clamp(lower, upper);
                (value, value)
            }
            Transform::Logit => {
                let (near, far) = (
                    1.0 / (1.0 + (-coordinate).exp()),
                    1.0 / (1.0 + coordinate.exp()),
                );
                let value = lower + (upper - lower) * near;
                (value, (upper - lower) * near * far)
            }
        }
    }
}

/// A parameter that an expression computes from others.
pub struct Tie {
    /// The name of the parameter.
    pub name: String,
    session: Session<f64>,
    /// What the expression reads: a free parameter, or the value of one that does not move.
    reads: Vec<Read>,
}

#[derive(Clone, Copy)]
enum Read {
    Free(usize),
    Fixed(f64),
}

impl Tie {
    /// Compiles an expression in the parameters that `find` knows: `Ok` is the place among the free ones, `Err` a fixed value.
    ///
    /// # Errors
    /// What is wrong with the expression, and names in it that are no parameters.
    pub fn new(
        name: &str,
        expression: &str,
        find: &dyn Fn(&str) -> Option<std::result::Result<usize, f64>>,
    ) -> Result<Tie> {
        let about = |message: String| {
            let message = format!("the tie of \"{name}\": {message}");
            Error::new(ErrorKind::Argument, message)
        };
        let mut options = Options::new();
        options.set_str("engine", "native")?;
        let model = Model::compile(expression, &options).map_err(|e| about(e.to_string()))?;
        let declares = |port: &crate::graph::Port| matches!(port.kind, PortKind::Parameter { .. });
        if model.graph.ports.iter().any(declares) || model.graph.outputs.len() != 1 {
            return Err(about(
                "an expression of other parameters gives one number, and declares nothing".into(),
            ));
        }
        let read = |port: &crate::graph::Port| match find(&port.name) {
            Some(Ok(place)) => Ok(Read::Free(place)),
            Some(Err(value)) => Ok(Read::Fixed(value)),
            None => Err(about(format!(
                "\"{}\" is no parameter that moves or is fixed; a tie does not follow another",
                port.name
            ))),
        };
        let reads = model.graph.ports.iter().map(read).collect::<Result<_>>()?;
        Ok(Tie {
            name: name.to_string(),
            session: Session::new(Arc::new(model), &options)?,
            reads,
        })
    }

    /// The value, and its derivatives by the free parameters, which are added to `slopes`.
    fn evaluate(&mut self, free: &[f64], slopes: &mut [f64]) -> Result<f64> {
        let read = |read: &Read| match *read {
            Read::Free(place) => free[place],
            Read::Fixed(value) => value,
        };
        let x: Vec<f64> = self.reads.iter().map(read).collect();
        let (mut y, mut dx) = ([0.0], vec![0.0; x.len()]);
        let mut value = StridedMut::columns(&mut y, 1);
        let mut derivatives = StridedMut::columns(&mut dx, 1);
        let into = Gradient {
            y: Some(&mut value),
            dx: Some(&mut derivatives),
            dp: None,
        };
        self.session
            .gradient(1, &Strided::columns(&x, 1), None, None, into, None)?;
        slopes.fill(0.0);
        for (read, slope) in self.reads.iter().zip(&dx) {
            if let Read::Free(place) = read {
                slopes[*place] += slope;
            }
        }
        Ok(y[0])
    }
}

/// What is known of a parameter beforehand: a normal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Its place among the free parameters.
    pub place: usize,
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation.
    pub sd: f64,
}

/// How coordinates become the parameters of a model.
pub struct Mapping {
    /// Of each free parameter.
    pub transforms: Vec<Transform>,
    /// Of the values of the free parameters.
    pub bounds: Bounds,
    /// Parameters behind the free ones.
    pub ties: Vec<Tie>,
    /// What is known beforehand.
    pub priors: Vec<Prior>,
    /// What the square of a prior's residual counts in the loss.
    pub prior_weight: f64,
    /// What is left of rows that are not kept, by the values of the free parameters.
    pub summary: Option<Summary>,
}

impl Mapping {
    /// Residuals that are not those of observations: of priors, and of rows that are not kept.
    fn known_len(&self) -> usize {
        self.priors.len() + self.summary.as_ref().map_or(0, Summary::len)
    }

    /// Writes these residuals, and their derivatives by the values.
    fn known(&self, values: &[f64], residuals: &mut [f64], jacobian: Option<&mut [f64]>) {
        let root = self.prior_weight.sqrt();
        let rows = residuals.len().max(1);
        let (own, left) = residuals.split_at_mut(self.priors.len());
        for (residual, prior) in own.iter_mut().zip(&self.priors) {
            *residual = root * (values[prior.place] - prior.mean) / prior.sd;
        }
        if let Some(summary) = &self.summary {
            summary.residuals(values, left);
        }
        let columns = jacobian.map(|jacobian| jacobian.chunks_exact_mut(rows));
        for (i, column) in columns.into_iter().flatten().enumerate() {
            let (own, left) = column.split_at_mut(self.priors.len());
            for (derivative, prior) in own.iter_mut().zip(&self.priors) {
                let moves = if prior.place == i { 1.0 } else { 0.0 };
                *derivative = moves * root / prior.sd;
            }
            if let Some(summary) = &self.summary {
                left.copy_from_slice(summary.column(i));
            }
        }
    }

    /// The transforms without what else there is.
    pub(super) fn transforms_alone(&self) -> Mapping {
        Mapping {
            transforms: self.transforms.clone(),
            bounds: self.bounds.clone(),
            ties: Vec::new(),
            priors: Vec::new(),
            prior_weight: 1.0,
            summary: None,
        }
    }

    fn limits(&self, i: usize) -> [f64; 2] {
        [self.bounds.lower[i], self.bounds.upper[i]]
    }

    /// The coordinates of values.
    pub fn coordinates(&self, values: &[f64]) -> Vec<f64> {
        let pairs = values.iter().zip(&self.transforms).enumerate();
        pairs
            .map(|(i, (value, transform))| transform.coordinate(*value, self.limits(i)))
            .collect()
    }

    /// The values of coordinates.
    pub fn values(&self, coordinates: &[f64]) -> Vec<f64> {
        let pairs = coordinates.iter().zip(&self.transforms).enumerate();
        pairs
            .map(|(i, (u, transform))| transform.value(*u, self.limits(i)).0)
            .collect()
    }

    /// The bounds of the coordinates.
    pub fn coordinate_bounds(&self) -> Bounds {
        let mut bounds = self.bounds.clone();
        for (i, transform) in self.transforms.iter().enumerate() {
            match transform {
                Transform::Identity => {}
                Transform::Log => {
                    // a bound that is not positive is none
                    bounds.lower[i] = bounds.lower[i].max(0.0).ln();
                    bounds.upper[i] = bounds.upper[i].ln();
                }
                Transform::Logit => {
                    (bounds.lower[i], bounds.upper[i]) = (f64::NEG_INFINITY, f64::INFINITY);
                }
            }
        }
        bounds
    }

    /// Whether coordinates are values, and nothing is added.
    pub fn is_trivial(&self) -> bool {
        let plain = |transform: &Transform| *transform == Transform::Identity;
        self.transforms.iter().all(plain) && self.ties.is_empty() && self.priors.is_empty()
    }

    /// The values of the tied parameters, and their derivatives by the free ones, a row each.
    pub fn tied(&mut self, free: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let n = free.len();
        let mut slopes = vec![0.0; n * self.ties.len()];
        let mut values = Vec::with_capacity(self.ties.len());
        for (tie, slopes) in self.ties.iter_mut().zip(slopes.chunks_mut(n.max(1))) {
            values.push(tie.evaluate(free, slopes)?);
        }
        Ok((values, slopes))
    }
}

/// Which numbers an optimiser or the statistics move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// The coordinates.
    Coordinates,
    /// The values of the free parameters.
    Values,
}

/// A problem of all parameters as a problem of the coordinates or values of the free ones.
pub struct Mapped<'a, P: ?Sized> {
    inner: &'a mut P,
    mapping: &'a mut Mapping,
    space: Space,
    buffer: Vec<f64>,
    /// Values of the free parameters, then of the tied ones.
    values: Vec<f64>,
    /// The derivatives of the free values by what is moved.
    slopes: Vec<f64>,
    /// The derivatives of the tied values by the free ones.
    tied: Vec<f64>,
}

impl<'a, P: ?Sized> Mapped<'a, P> {
    /// The problem `inner`, whose parameters are the free ones, then the tied ones.
    pub fn new(inner: &'a mut P, mapping: &'a mut Mapping, space: Space) -> Mapped<'a, P> {
        Mapped {
            inner,
            mapping,
            space,
            buffer: Vec::new(),
            values: Vec::new(),
            slopes: Vec::new(),
            tied: Vec::new(),
        }
    }

    fn settle(&mut self, p: &[f64]) -> Result<()> {
        self.values.clear();
        self.slopes.clear();
        for (i, u) in p.iter().enumerate() {
            let transform = match self.space {
                Space::Coordinates => self.mapping.transforms[i],
                Space::Values => Transform::Identity,
            };
            let (value, slope) = transform.value(*u, self.mapping.limits(i));
            self.values.push(value);
            self.slopes.push(slope);
        }
        let (values, slopes) = self.mapping.tied(&self.values)?;
        self.values.extend(values);
        self.tied = slopes;
        Ok(())
    }
}

impl<T: Element> levmar::Crowd for Mapped<'_, Problem<'_, T>> {
    fn gather(&mut self, points: &[&[f64]]) -> Result<()> {
        let mut all = Vec::new();
        for point in points {
            self.settle(point)?;
            self.inner.place_parameters(&self.values);
            all.extend_from_slice(&self.inner.p);
        }
        self.inner.seat(all)
    }

    fn look_at(&mut self, point: usize) {
        self.inner.look_at(point);
    }
}

impl<P: Residuals + ?Sized> Residuals for Mapped<'_, P> {
    fn parameter_count(&self) -> usize {
        self.mapping.transforms.len()
    }

    fn residual_count(&self) -> usize {
        self.inner.residual_count() + self.mapping.known_len()
    }

    fn block_count(&self) -> usize {
        self.inner.block_count() + usize::from(self.mapping.known_len() > 0)
    }

    fn block_len(&self, block: usize) -> usize {
        match block < self.inner.block_count() {
            true => self.inner.block_len(block),
            false => self.mapping.known_len(),
        }
    }

    fn evaluate(
        &mut self,
        block: usize,
        p: &[f64],
        residuals: &mut [f64],
        jacobian: Option<&mut [f64]>,
    ) -> Result<()> {
        self.settle(p)?;
        let (n, m) = (p.len(), residuals.len());
        let observed = block < self.inner.block_count();
        let Some(jacobian) = jacobian else {
            match observed {
                true => self.inner.evaluate(block, &self.values, residuals, None)?,
                false => self.mapping.known(&self.values[..n], residuals, None),
            }
            return Ok(());
        };
        if !observed {
            self.mapping
                .known(&self.values[..n], residuals, Some(&mut *jacobian));
        } else if self.mapping.ties.is_empty() {
            self.inner
                .evaluate(block, &self.values, residuals, Some(&mut *jacobian))?;
        } else {
            self.buffer.resize(m * self.values.len(), 0.0);
            let inner = Some(&mut self.buffer[..m * self.values.len()]);
            self.inner.evaluate(block, &self.values, residuals, inner)?;
            for (i, column) in jacobian.chunks_exact_mut(m.max(1)).enumerate() {
                column.copy_from_slice(&self.buffer[i * m..(i + 1) * m]);
                for t in 0..self.mapping.ties.len() {
                    let slope = self.tied[t * n + i];
                    let through = &self.buffer[(n + t) * m..(n + t + 1) * m];
                    if slope != 0.0 {
                        column
                            .iter_mut()
                            .zip(through)
                            .for_each(|(d, x)| *d += slope * x);
                    }
                }
            }
        }
        for (column, slope) in jacobian.chunks_exact_mut(m.max(1)).zip(&self.slopes) {
            if *slope != 1.0 {
                column.iter_mut().for_each(|d| *d *= slope);
            }
        }
        Ok(())
    }

    fn reduced(&mut self, p: &[f64], triangle: Option<&mut [f64]>) -> Result<Option<f64>> {
        self.settle(p)?;
        let (n, known) = (p.len(), self.mapping.known_len());
        let mut residuals = vec![0.0; known];
        let Some(triangle) = triangle else {
            let loss = self.inner.reduced(&self.values, None)?;
            self.mapping.known(&self.values[..n], &mut residuals, None);
            return Ok(loss.map(|loss| loss + dot(&residuals, &residuals)));
        };
        let all = self.values.len();
        let moved = self.slopes.iter().any(|slope| *slope != 1.0);
        if all == n && !moved && known == 0 {
            return self.inner.reduced(&self.values, Some(triangle));
        }
        self.buffer.resize(triangle_len(all), 0.0);
        let inner = Some(&mut self.buffer[..triangle_len(all)]);
        let Some(loss) = self.inner.reduced(&self.values, inner)? else {
            return Ok(None);
        };
        // its columns stand for those of the Jacobian, whose product with the slopes they have too
        let rows = all + 1;
        let mut columns = vec![0.0; rows * n];
        for (i, column) in columns.chunks_exact_mut(rows).enumerate() {
            column.copy_from_slice(&self.buffer[i * rows..(i + 1) * rows]);
            for t in 0..all - n {
                let slope = self.tied[t * n + i];
                let through = &self.buffer[(n + t) * rows..(n + t + 1) * rows];
                let pairs = column.iter_mut().zip(through);
                pairs.for_each(|(d, x)| *d += slope * x);
            }
            column.iter_mut().for_each(|d| *d *= self.slopes[i]);
        }
        triangle.fill(0.0);
        let last = &self.buffer[all * rows..(all + 1) * rows];
        add_rows(&columns, last, n, triangle);
        let mut jacobian = vec![0.0; known * n];
        let values = &self.values[..n];
        self.mapping
            .known(values, &mut residuals, Some(&mut jacobian));
        for (column, slope) in jacobian.chunks_exact_mut(known.max(1)).zip(&self.slopes) {
            column.iter_mut().for_each(|d| *d *= slope);
        }
        add_rows(&jacobian, &residuals, n, triangle);
        Ok(Some(loss + dot(&residuals, &residuals)))
    }

    fn place(&self, block: usize, row: usize) -> String {
        if block < self.inner.block_count() {
            return self.inner.place(block, row);
        }
        match row < self.mapping.priors.len() {
            true => format!("the residual of prior {row}"),
            false => "what is left of earlier rows".to_string(),
        }
    }

    fn name(&self, parameter: usize) -> String {
        self.inner.name(parameter)
    }

    fn cause(
        &self,
        _p: &[f64],
        (block, row): (usize, usize),
        parameter: Option<usize>,
    ) -> Option<String> {
        if block >= self.inner.block_count() {
            return None;
        }
        // the values are those of the evaluation that failed
        self.inner.cause(&self.values, (block, row), parameter)
    }
}

impl<P: Objective + ?Sized> Objective for Mapped<'_, P> {
    fn parameter_count(&self) -> usize {
        self.mapping.transforms.len()
    }

    fn evaluate(&mut self, p: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.settle(p)?;
        let n = p.len();
        self.buffer.resize(self.values.len(), 0.0);
        let mut loss = self.inner.evaluate(&self.values, &mut self.buffer)?;
        for (i, out) in gradient.iter_mut().enumerate() {
            let ties =
                (0..self.mapping.ties.len()).map(|t| self.tied[t * n + i] * self.buffer[n + t]);
            *out = self.buffer[i] + ties.sum::<f64>();
        }
        let known = self.mapping.known_len();
        let (mut residuals, mut jacobian) = (vec![0.0; known], vec![0.0; known * n]);
        let values = &self.values[..n];
        self.mapping
            .known(values, &mut residuals, Some(&mut jacobian));
        loss += dot(&residuals, &residuals);
        for (out, column) in gradient.iter_mut().zip(jacobian.chunks_exact(known.max(1))) {
            *out += 2.0 * dot(column, &residuals);
        }
        gradient
            .iter_mut()
            .zip(&self.slopes)
            .for_each(|(g, slope)| *g *= slope);
        Ok(loss)
    }
}

/// The items of a list such as `b=(* 2 a),c=log`: separated by commas outside parentheses, each a name and what stands behind its
/// first `=`.
///
/// # Errors
/// `Argument` for an item without `=`, naming `option`.
pub fn assignments<'a>(option: &str, list: &'a str) -> Result<Vec<(&'a str, &'a str)>> {
    let (mut depth, mut start, mut items) = (0i64, 0, Vec::new());
    for (at, character) in list.char_indices() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&list[start..]);
    let items = items
        .into_iter()
        .map(str::trim)
        .filter(|item| !item.is_empty());
    items
        .map(|item| {
            let (name, value) = item.split_once('=').ok_or_else(|| {
                let message =
                    format!("option \"{option}\": \"{item}\" is not of the form NAME=...");
                Error::new(ErrorKind::Argument, message)
            })?;
            Ok((name.trim(), value.trim()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_come_back_and_have_the_slopes_they_say() {
        for (transform, value, limits) in [
            (Transform::Identity, -3.0, [-5.0, 5.0]),
            (Transform::Log, 1e-9, [0.0, f64::INFINITY]),
            (Transform::Log, 4e7, [1.0, 1e9]),
            (Transform::Logit, 0.25, [0.0, 1.0]),
            (Transform::Logit, -1.999, [-2.0, 7.0]),
        ] {
            let u = transform.coordinate(value, limits);
            let (back, slope) = transform.value(u, limits);
            assert!((back / value - 1.0).abs() < 1e-13);
            let difference =
                (transform.value(u + 1e-6, limits).0 - transform.value(u - 1e-6, limits).0) / 2e-6;
            assert!((slope / difference - 1.0).abs() < 1e-7, "{transform:?}");
        }
    }

    #[test]
    fn lists_are_split_outside_parentheses() {
        let got = assignments("tie", "a=(max b, c), d=log,").unwrap();
        assert_eq!(got, [("a", "(max b, c)"), ("d", "log")]);
        assert!(
            assignments("tie", "a")
                .unwrap_err()
                .message
                .contains("NAME=")
        );
    }
}
