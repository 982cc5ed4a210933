//! The step of Levenberg–Marquardt: the model `|R s + c|²` minimised within an ellipsoid and a box.
//!
//! The ellipsoid is `|D s| <= radius`; its multiplier is found as in Moré, "The Levenberg–Marquardt algorithm: implementation and
//! theory" (1978), by Newton's method on a triangle, never on normal equations. Parameters that the step would carry over a bound are
//! set on it and the rest is solved for again.

use super::Bounds;
use super::linalg::{damp, dot, norm, solve_upper, solve_upper_transposed, subset};

/// Scratch memory and the results of one step for `n` parameters.
pub(crate) struct Step {
    n: usize,
    /// The step: what to add to the parameters, bounds respected.
    pub s: Vec<f64>,
    /// The damped triangle of the last solve, columns scaled by `1 / D`; `n` by `n` while no parameter is fixed.
    damped: Vec<f64>,
    damped_rhs: Vec<f64>,
    a: Vec<f64>,
    c: Vec<f64>,
    y: Vec<f64>,
    row: Vec<f64>,
    rhs: Vec<f64>,
    work: Vec<f64>,
    free: Vec<usize>,
    fixed: Vec<bool>,
}

/// What is known of a step before the problem is evaluated there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forecast {
    /// How much the sum of squares falls according to the linear model.
    pub predicted: f64,
    /// `|D s|`.
    pub length: f64,
    /// Whether the radius did not matter.
    pub newton: bool,
    /// Whether every parameter was free, so that [`Step::accelerate`] applies.
    pub unconstrained: bool,
}

impl Step {
    pub(crate) fn new(n: usize) -> Step {
        let square = || vec![0.0; n * n];
        let line = || vec![0.0; n];
        Step {
            n,
            s: line(),
            damped: square(),
            damped_rhs: line(),
            a: square(),
            c: line(),
            y: line(),
            row: line(),
            rhs: line(),
            work: vec![0.0; n * (n + 1)],
            free: Vec::with_capacity(n),
            fixed: vec![false; n],
        }
    }

    /// Marks in `held` the parameters that sit on a bound with the gradient pushing outside, and returns the length of the part of the
    /// residuals that the others can still remove: `|Q'r|` over the free columns.
    pub(crate) fn hold(
        &mut self,
        triangle: &[f64],
        p: &[f64],
        bounds: &Bounds,
        held: &mut [bool],
    ) -> f64 {
        let n = self.n;
        let c = &triangle[n * (n + 1)..n * (n + 1) + n];
        self.free.clear();
        for j in 0..n {
            let gradient = dot(&triangle[j * (n + 1)..j * (n + 1) + j + 1], &c[..j + 1]);
            held[j] = bounds.holds(j, p[j], gradient);
            if !held[j] {
                self.free.push(j);
            }
        }
        if self.free.len() == n {
            return norm(c);
        }
        self.row.fill(1.0);
        let (a, b, w) = (&mut self.a, &mut self.c, &mut self.work);
        subset(triangle, c, &self.free, &self.row, a, b, w);
        norm(&self.c[..self.free.len()])
    }

    /// Solves for the step from `p` and leaves it in `s`. `scale` is the diagonal of `D`; parameters marked in `held` do not move.
    pub(crate) fn solve(
        &mut self,
        triangle: &[f64],
        p: &[f64],
        bounds: &Bounds,
        scale: &[f64],
        radius: f64,
        held: &[bool],
    ) -> Forecast {
        let n = self.n;
        let c = &triangle[n * (n + 1)..n * (n + 1) + n];
        self.fixed.copy_from_slice(held);
        self.s.fill(0.0);
        let mut newton;
        loop {
            self.free.clear();
            self.rhs.copy_from_slice(c);
            let mut spent = 0.0;
            for j in 0..n {
                if !self.fixed[j] {
                    self.free.push(j);
                } else if self.s[j] != 0.0 {
                    spent += (scale[j] * self.s[j]).powi(2);
                    for i in 0..=j {
                        self.rhs[i] += triangle[j * (n + 1) + i] * self.s[j];
                    }
                }
            }
            let left = (radius * radius - spent).max(0.01 * radius * radius).sqrt();
            newton = self.within_radius(triangle, scale, left);
            let mut crossed = false;
            for (q, &j) in self.free.iter().enumerate() {
                let s = self.y[q] / scale[j];
                let (lower, upper) = (bounds.lower[j], bounds.upper[j]);
                let target = p[j] + s;
                let inside = target.clamp(lower, upper);
                self.s[j] = if inside == target { s } else { inside - p[j] };
                if inside != target {
                    self.fixed[j] = true;
                    crossed = true;
                }
            }
            if !crossed || self.fixed.iter().all(|&f| f) {
                break;
            }
            for &j in &self.free {
                if !self.fixed[j] {
                    self.s[j] = 0.0;
                }
            }
        }
        let (predicted, length) = self.forecast(triangle, scale);
        Forecast {
            predicted,
            length,
            newton,
            unconstrained: self.free.len() == n && !self.fixed.contains(&true),
        }
    }

    /// The decrease that the linear model promises for the present `s`, and `|D s|`.
    pub(crate) fn forecast(&mut self, triangle: &[f64], scale: &[f64]) -> (f64, f64) {
        let n = self.n;
        let c = &triangle[n * (n + 1)..n * (n + 1) + n];
        self.row.fill(0.0);
        let mut length = 0.0;
        for j in 0..n {
            length += (scale[j] * self.s[j]).powi(2);
            for i in 0..=j {
                self.row[i] += triangle[j * (n + 1) + i] * self.s[j];
            }
        }
        let predicted = self.row.iter().zip(c).map(|(&x, &c)| -x * (x + 2.0 * c));
        (predicted.sum(), length.sqrt())
    }

    /// Minimises `|A y + c|²` over the free parameters within `|y| <= radius`, `A` being their columns over `D`; true if the radius did
    /// not matter. The result is in `y`.
    fn within_radius(&mut self, triangle: &[f64], scale: &[f64], radius: f64) -> bool {
        let f = self.free.len();
        subset(
            triangle,
            &self.rhs,
            &self.free,
            scale,
            &mut self.a,
            &mut self.c,
            &mut self.work,
        );
        let (a, c) = (&self.a[..f * f], &self.c[..f]);
        self.damped[..f * f].copy_from_slice(a);
        for (y, &c) in self.y.iter_mut().zip(c) {
            *y = -c;
        }
        let regular = solve_upper(a, f, &mut self.y[..f]);
        let mut length = norm(&self.y[..f]);
        if regular && length <= 1.1 * radius {
            return true;
        }
        let mut gradient = 0.0;
        for j in 0..f {
            gradient += dot(&a[j * f..j * f + j + 1], &c[..j + 1]).powi(2);
        }
        let mut upper = gradient.sqrt() / radius;
        if !upper.is_finite() || upper == 0.0 {
            self.y[..f].fill(0.0);
            return false;
        }
        let mut lower = 0.0;
        if regular && length.is_finite() {
            let slope = self.slope(f, length);
            lower = (length - radius) / radius / slope;
        }
        if !(lower.is_finite() && lower < upper) {
            lower = 0.0;
        }
        let mut lambda = lower.max(1e-3 * upper);
        for _ in 0..20 {
            self.damped[..f * f].copy_from_slice(&self.a[..f * f]);
            self.damped_rhs[..f].copy_from_slice(&self.c[..f]);
            damp(
                &mut self.damped,
                &mut self.damped_rhs,
                f,
                lambda,
                &mut self.row,
            );
            for (y, &c) in self.y[..f].iter_mut().zip(&self.damped_rhs) {
                *y = -c;
            }
            if !solve_upper(&self.damped, f, &mut self.y[..f]) {
                lower = lambda;
                lambda = (lower * upper).sqrt().max(2.0 * lambda);
                continue;
            }
            length = norm(&self.y[..f]);
            let excess = length - radius;
            if excess.abs() <= 0.1 * radius {
                break;
            }
            let correction = excess / radius / self.slope(f, length);
            if excess > 0.0 {
                lower = lower.max(lambda);
            } else {
                upper = upper.min(lambda);
            }
            lambda += correction;
            if !(lambda > lower && lambda < upper) {
                lambda = (lower * upper).sqrt().max(1e-3 * upper);
            }
        }
        false
    }

    /// `|A^-T y / |y||²` for the triangle in `damped`: minus the logarithmic derivative of the step's length.
    fn slope(&mut self, f: usize, length: f64) -> f64 {
        for (w, &y) in self.row.iter_mut().zip(&self.y[..f]) {
            *w = y / length;
        }
        solve_upper_transposed(&self.damped, f, &mut self.row[..f]);
        dot(&self.row[..f], &self.row[..f])
    }

    /// Adds half of the geodesic acceleration (Transtrum and Sethna 2012) to an unconstrained step, if it is short against the step.
    ///
    /// `gradient` is `J'` times the second derivative of the residuals along the step; it is overwritten.
    pub(crate) fn accelerate(&mut self, gradient: &mut [f64], scale: &[f64]) -> bool {
        let n = self.n;
        for (g, d) in gradient.iter_mut().zip(scale) {
            *g /= d;
        }
        solve_upper_transposed(&self.damped, n, gradient);
        if !solve_upper(&self.damped, n, gradient) {
            return false;
        }
        let (bend, step) = (norm(gradient), norm(&self.y));
        let usable = 2.0 * bend <= 0.75 * step;
        if usable {
            for j in 0..n {
                self.s[j] -= 0.5 * gradient[j] / scale[j];
            }
        }
        usable
    }
}
