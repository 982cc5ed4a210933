//! The memory of Levenberg–Marquardt, and the evaluations that fill it.

use super::levmar::State;
use super::linalg::{dot, jacobi_svd, norm, reduce_onto, reduce_work_len, triangle_len};
use super::step::Step;
use super::{Bounds, Residuals};
use crate::{Error, ErrorKind, Result};

/// All memory of a run. Of residuals and Jacobian it holds a block, from when they are first asked for: a problem that reduces
/// them itself never gives them.
pub(crate) struct Workspace {
    pub n: usize,
    /// Residuals of the longest block.
    most: usize,
    jacobian: Vec<f64>,
    residuals: Vec<f64>,
    bent: Vec<f64>,
    pub trial: Vec<f64>,
    pub triangle: Vec<f64>,
    trial_triangle: Vec<f64>,
    reduce: Vec<f64>,
    pub bend: Vec<f64>,
    pub held: Vec<bool>,
    trial_held: Vec<bool>,
    pub step: Step,
    pub loss: f64,
    /// Length of the part of the residuals that free parameters can remove, to first order.
    pub removable: f64,
    pub evaluations: u64,
}

impl Workspace {
    pub fn new(problem: &dyn Residuals) -> Workspace {
        let n = problem.parameter_count();
        let lengths = (0..problem.block_count()).map(|block| problem.block_len(block));
        Workspace {
            n,
            most: lengths.max().unwrap_or(0),
            jacobian: Vec::new(),
            residuals: Vec::new(),
            bent: Vec::new(),
            trial: vec![0.0; n],
            triangle: vec![0.0; triangle_len(n)],
            trial_triangle: vec![0.0; triangle_len(n)],
            reduce: Vec::new(),
            bend: vec![0.0; n],
            held: vec![false; n],
            trial_held: vec![false; n],
            step: Step::new(n),
            loss: f64::NAN,
            removable: f64::NAN,
            evaluations: 0,
        }
    }

    /// Makes room for a block.
    fn open(&mut self) -> Result<()> {
        let (m, n) = (self.most, self.n);
        let too_big = || {
            let message = format!("a Jacobian of {m} residuals by {n} parameters is too large");
            Error::new(ErrorKind::Memory, message)
        };
        if self.residuals.len() < m {
            let entries = m.checked_mul(n).ok_or_else(too_big)?;
            let jacobian = &mut self.jacobian;
            jacobian.try_reserve_exact(entries).map_err(|_| too_big())?;
            jacobian.resize(entries, 0.0);
            self.residuals.resize(m, 0.0);
            self.reduce.resize(reduce_work_len(m, n), 0.0);
        }
        Ok(())
    }

    /// Evaluates residuals and Jacobian at `params`, which must be a place the fit can stand on.
    pub fn start(
        &mut self,
        problem: &mut dyn Residuals,
        params: &[f64],
        bounds: &Bounds,
    ) -> Result<()> {
        self.evaluations += 1;
        let reduced = problem.reduced(params, Some(&mut self.triangle))?;
        match reduced.filter(|loss| loss.is_finite() && is_finite(&self.triangle)) {
            Some(loss) => self.loss = loss,
            // what is not finite is looked for block by block
            None => self.start_by_blocks(problem, params)?,
        }
        self.removable = self
            .step
            .hold(&self.triangle, params, bounds, &mut self.held);
        Ok(())
    }

    fn start_by_blocks(&mut self, problem: &mut dyn Residuals, params: &[f64]) -> Result<()> {
        self.open()?;
        self.loss = 0.0;
        self.triangle.fill(0.0);
        for block in 0..problem.block_count() {
            let m = problem.block_len(block);
            let (r, j) = (&mut self.residuals[..m], &mut self.jacobian[..m * self.n]);
            problem.evaluate(block, params, r, Some(&mut *j))?;
            check_finite(problem, params, block, r, j)?;
            self.loss += dot(r, r);
            reduce_onto(j, r, self.n, &mut self.triangle, &mut self.reduce);
        }
        if !self.loss.is_finite() {
            let message = "the sum of squares overflows at the initial values";
            return Err(Error::new(ErrorKind::Numeric, message));
        }
        if !is_finite(&self.triangle) {
            let message =
                "the Jacobian at the initial values is too large to square; rescale the parameters";
            return Err(Error::new(ErrorKind::Numeric, message));
        }
        Ok(())
    }

    /// Evaluates residuals, and their Jacobian if it is asked for, at the trial parameters; the loss there, infinite where it is
    /// not a number.
    pub fn try_residuals(
        &mut self,
        problem: &mut dyn Residuals,
        with_jacobian: bool,
    ) -> Result<f64> {
        self.evaluations += 1;
        let triangle = with_jacobian.then_some(&mut self.trial_triangle[..]);
        if let Some(loss) = problem.reduced(&self.trial, triangle)? {
            return Ok(if loss.is_nan() { f64::INFINITY } else { loss });
        }
        self.open()?;
        let mut loss = 0.0;
        if with_jacobian {
            self.trial_triangle.fill(0.0);
        }
        for block in 0..problem.block_count() {
            let m = problem.block_len(block);
            let r = &mut self.residuals[..m];
            if with_jacobian {
                let j = &mut self.jacobian[..m * self.n];
                problem.evaluate(block, &self.trial, r, Some(&mut *j))?;
                reduce_onto(j, r, self.n, &mut self.trial_triangle, &mut self.reduce);
            } else {
                problem.evaluate(block, &self.trial, r, None)?;
            }
            loss += dot(r, r);
        }
        Ok(if loss.is_nan() { f64::INFINITY } else { loss })
    }

    /// What the triangle at the trial parameters says, after it has been `evaluated` or is now: `None` if it is not finite, else
    /// the removable length there.
    pub fn try_jacobian(
        &mut self,
        problem: &mut dyn Residuals,
        evaluated: bool,
        bounds: &Bounds,
    ) -> Result<Option<f64>> {
        if !evaluated {
            self.try_residuals(problem, true)?;
        }
        if !is_finite(&self.trial_triangle) {
            return Ok(None);
        }
        let (t, p, h) = (&self.trial_triangle, &self.trial, &mut self.trial_held);
        Ok(Some(self.step.hold(t, p, bounds, h)))
    }

    /// Leaves in `bend` the product of the transposed Jacobian at `params` with the second derivative of the residuals along the
    /// step, from one evaluation a part `h` of the way.
    pub fn bend(&mut self, problem: &mut dyn Residuals, params: &[f64], h: f64) -> Result<()> {
        self.open()?;
        let n = self.n;
        self.evaluations += 2;
        for (trial, (p, s)) in self.trial.iter_mut().zip(params.iter().zip(&self.step.s)) {
            *trial = p + h * s;
        }
        self.bend.fill(0.0);
        self.bent.resize(self.residuals.len(), 0.0);
        for block in 0..problem.block_count() {
            let m = problem.block_len(block);
            let (r, bent) = (&mut self.residuals[..m], &mut self.bent[..m]);
            let jacobian = &mut self.jacobian[..m * n];
            problem.evaluate(block, params, r, Some(&mut *jacobian))?;
            problem.evaluate(block, &self.trial, bent, None)?;
            // 2/h ((r(p + h s) - r) / h - J s)
            for (x, r) in bent.iter_mut().zip(r) {
                *x = (*x - *r) / h;
            }
            for (column, &s) in jacobian.chunks_exact(m.max(1)).zip(&self.step.s) {
                for (x, &d) in bent.iter_mut().zip(column) {
                    *x -= s * d;
                }
            }
            for (sum, column) in self.bend.iter_mut().zip(jacobian.chunks_exact(m.max(1))) {
                *sum += 2.0 / h * dot(bent, column);
            }
        }
        Ok(())
    }

    /// Moves to the trial point.
    pub fn accept(&mut self, state: &mut State, loss: f64, removable: f64) {
        std::mem::swap(&mut self.triangle, &mut self.trial_triangle);
        std::mem::swap(&mut self.held, &mut self.trial_held);
        state.params.copy_from_slice(&self.trial);
        self.loss = loss;
        self.removable = removable;
    }

    /// The sine of the angle between the residuals and what cannot be removed from them.
    pub fn sine(&self) -> f64 {
        if self.loss == 0.0 {
            return 0.0;
        }
        self.removable / self.loss.sqrt()
    }

    /// Updates `D` from the present columns. A column of zeros gets the scale of its parameter, or one.
    pub fn rescale(&self, scale: &mut Vec<f64>, params: &[f64], monotone: bool) {
        let n = self.n;
        let first = scale.is_empty();
        scale.resize(n, 0.0);
        for j in 0..n {
            let length = norm(&self.triangle[j * (n + 1)..j * (n + 1) + j + 1]);
            let length = if length > 0.0 { length } else { scale[j] };
            scale[j] = if monotone {
                scale[j].max(length)
            } else {
                length
            };
            if scale[j] <= 0.0 || (first && length == 0.0) {
                scale[j] = 1.0 / params[j].abs().clamp(1e-8, 1e8);
            }
        }
    }

    /// The least effect that a free parameter has: its size times the length of its column, over the length of the residuals.
    pub fn weakest(&self, params: &[f64]) -> f64 {
        let n = self.n;
        let column = |j: usize| norm(&self.triangle[j * (n + 1)..j * (n + 1) + j + 1]);
        let effects = (0..n)
            .filter(|&j| !self.held[j])
            .map(|j| params[j].abs() * column(j));
        effects.fold(f64::INFINITY, f64::min) / self.loss.sqrt()
    }

    /// Smallest over largest singular value of the free columns, each scaled to length one.
    pub fn health(&mut self) -> f64 {
        let n = self.n;
        let mut a = Vec::with_capacity(n * n);
        for j in (0..n).filter(|&j| !self.held[j]) {
            let column = &self.triangle[j * (n + 1)..j * (n + 1) + n];
            let length = norm(&column[..j + 1]);
            if length == 0.0 {
                return 0.0;
            }
            a.extend((0..n).map(|i| if i <= j { column[i] / length } else { 0.0 }));
        }
        let free = a.len() / n.max(1);
        let mut v = vec![0.0; free * free];
        jacobi_svd(&mut a, n, free, &mut v);
        let sigma = a.chunks(n.max(1)).map(norm);
        let (least, most) = sigma.fold((f64::INFINITY, 0.0), |(l, m), s| {
            (f64::min(l, s), f64::max(m, s))
        });
        if free == 0 { 1.0 } else { least / most }
    }
}

fn is_finite(numbers: &[f64]) -> bool {
    numbers.iter().all(|x| x.is_finite())
}

/// Says which residual or derivative of a block spoils the start, and which operation made it so.
fn check_finite(
    problem: &dyn Residuals,
    params: &[f64],
    block: usize,
    residuals: &[f64],
    jacobian: &[f64],
) -> Result<()> {
    let fail = |message: String| Err(Error::new(ErrorKind::Numeric, message));
    let because = |row: usize, parameter: Option<usize>| {
        let cause = problem.cause(params, (block, row), parameter);
        cause.map_or(String::new(), |cause| format!(": {cause}"))
    };
    let m = residuals.len();
    if let Some(i) = residuals.iter().position(|r| !r.is_finite()) {
        let (place, value, cause) = (problem.place(block, i), residuals[i], because(i, None));
        return fail(format!(
            "{place} is {value} at the initial values{cause}; start elsewhere or remove that observation"
        ));
    }
    if let Some(k) = jacobian.iter().position(|x| !x.is_finite()) {
        let (i, j, value) = (k % m, k / m, jacobian[k]);
        let (place, name) = (problem.place(block, i), problem.name(j));
        let cause = because(i, Some(j));
        return fail(format!(
            "the derivative of {place} by {name} is {value} at the initial values{cause}; start elsewhere or remove that observation"
        ));
    }
    Ok(())
}
