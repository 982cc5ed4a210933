//! What is minimised: least squares, robust losses, and likelihoods.
//!
//! Every loss of one residual is written as the square of a *bent* residual `b(r)` with `b(0) = 0`, `b'(0) = 1`. Levenberg–Marquardt
//! then minimises the loss itself, with its exact gradient, and needs to know nothing of it. The same holds for the deviance of
//! counts (McCullagh and Nelder 1989, 2.3). Losses that are no sum of squares go to the optimisers of a scalar.

use crate::error::{Error, ErrorKind, Result};

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Kind {
    /// Squared residuals.
    #[default]
    Squares,
    /// Squares up to the scale, straight lines beyond (Huber 1964).
    Huber,
    /// A smooth Huber: `2 (sqrt(1 + s) - 1)` of the squared residual `s`.
    SoftL1,
    /// `log(1 + s)`: outliers count ever less.
    Cauchy,
    /// Tukey's biweight: beyond the scale outliers do not count at all.
    Tukey,
    /// Minus twice the log likelihood of counts, up to what the data alone say: the deviance.
    Poisson,
    /// Minus twice the log likelihood of normal observations whose standard deviations the model gives beside their means.
    Gaussian,
    /// The sum of the model's own values: a loss that the program writes.
    Value,
}

impl Kind {
    /// The kind of a word of the option `loss`.
    pub fn named(name: &str) -> Kind {
        let all = [
            Kind::Huber,
            Kind::SoftL1,
            Kind::Cauchy,
            Kind::Tukey,
            Kind::Poisson,
            Kind::Gaussian,
            Kind::Value,
        ];
        let found = all.into_iter().find(|kind| kind.name() == name);
        found.unwrap_or(Kind::Squares)
    }

    /// The word of the option `loss`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Squares => "squares",
            Kind::Huber => "huber",
            Kind::SoftL1 => "soft_l1",
            Kind::Cauchy => "cauchy",
            Kind::Tukey => "tukey",
            Kind::Poisson => "poisson",
            Kind::Gaussian => "gaussian",
            Kind::Value => "value",
        }
    }

    /// Whether this is one of the robust losses, which need a scale.
    pub fn is_robust(self) -> bool {
        matches!(
            self,
            Kind::Huber | Kind::SoftL1 | Kind::Cauchy | Kind::Tukey
        )
    }

    /// Whether this is minus a log likelihood (or twice that), so that its curvature alone gives the errors.
    pub fn is_likelihood(self) -> bool {
        matches!(self, Kind::Poisson | Kind::Gaussian | Kind::Value)
    }

    /// Whether this is a sum of squares of bent residuals, one for each target.
    pub fn is_sum_of_squares(self) -> bool {
        !matches!(self, Kind::Gaussian | Kind::Value)
    }

    /// How many targets a model with so many outputs needs.
    ///
    /// # Errors
    /// `Argument` where a Gaussian likelihood has no standard deviation for each mean.
    pub fn targets(self, outputs: usize) -> Result<usize> {
        match self {
            Kind::Value => Ok(0),
            Kind::Gaussian if outputs % 2 == 1 => {
                let message = format!(
                    "loss=gaussian needs a standard deviation for each mean, as in (list mean sd), but the value of the model holds {outputs} numbers"
                );
                Err(Error::new(ErrorKind::Argument, message))
            }
            Kind::Gaussian => Ok(outputs / 2),
            _ => Ok(outputs),
        }
    }
}

/// A loss with its scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// What is minimised.
    pub kind: Kind,
    /// The residual at which a robust loss begins to treat an observation as an outlier.
    pub scale: f64,
}

impl Default for Loss {
    fn default() -> Loss {
        Loss {
            kind: Kind::Squares,
            scale: 1.0,
        }
    }
}

/// `rho(s)` and its first two derivatives.
struct Rho(f64, f64, f64);

impl Loss {
    fn rho(&self, s: f64) -> Rho {
        match self.kind {
            Kind::Huber if s > 1.0 => {
                let root = s.sqrt();
                Rho(2.0 * root - 1.0, 1.0 / root, -0.5 / (s * root))
            }
            Kind::SoftL1 => {
                let root = (1.0 + s).sqrt();
                Rho(
                    2.0 * s / (root + 1.0),
                    1.0 / root,
                    -0.5 / (root * (1.0 + s)),
                )
            }
            Kind::Cauchy => {
                let slope = 1.0 / (1.0 + s);
                Rho(s.ln_1p(), slope, -slope * slope)
            }
            Kind::Tukey if s > 1.0 => Rho(1.0 / 3.0, 0.0, 0.0),
            Kind::Tukey => {
                let left = 1.0 - s;
                Rho(s - s * s + s * s * s / 3.0, left * left, -2.0 * left)
            }
            _ => Rho(s, 1.0, 0.0),
        }
    }

    /// The bent residual, whose square is the loss, and its derivative.
    pub fn bend(&self, residual: f64) -> (f64, f64) {
        if !self.kind.is_robust() || residual == 0.0 {
            return (residual, 1.0);
        }
        let s = (residual / self.scale).powi(2);
        if s == 0.0 {
            return (residual, 1.0);
        }
        let Rho(rho, slope, _) = self.rho(s);
        (
            self.scale.copysign(residual) * rho.sqrt(),
            slope * (s / rho).sqrt(),
        )
    }

    /// Half the derivative of the loss of a residual, and half its second derivative.
    pub fn influence(&self, residual: f64) -> (f64, f64) {
        let s = (residual / self.scale).powi(2);
        let Rho(_, slope, bend) = self.rho(s);
        (slope * residual, slope + 2.0 * s * bend)
    }
}

/// The deviance residual of an expected and an observed count, and its derivative by the expected one.
///
/// NaN where the expected count is negative, or zero while something was observed.
pub fn deviance(expected: f64, observed: f64) -> (f64, f64) {
    if observed == 0.0 {
        let root = (2.0 * expected).sqrt();
        return (root, 1.0 / root);
    }
    if expected <= 0.0 {
        return (f64::NAN, f64::NAN);
    }
    let x = (expected - observed) / observed;
    let ratio = twice_gap_over_square(x, expected / observed).sqrt();
    let root = observed.sqrt();
    (root * x * ratio, root / (expected * ratio))
}

/// `2 (x - log(1 + x)) / x²`, which is 1 at 0. The quotient is `1 + x` to more digits than the sum has near -1.
fn twice_gap_over_square(x: f64, quotient: f64) -> f64 {
    if x.abs() > 0.1 {
        return 2.0 * (x - quotient.ln()) / (x * x);
    }
    // 1 - 2x/3 + 2x²/4 - ..., to the last digit at 0.1
    let terms = (2..20).rev();
    2.0 * terms.fold(0.0, |sum, k| 1.0 / f64::from(k) - x * sum)
}

/// The covariance of the observations as its Cholesky decomposition: it makes residuals uncorrelated.
#[derive(Clone, Debug, PartialEq)]
pub struct Whitening {
    n: usize,
    /// Row by row.
    lower: Vec<f64>,
}

impl Whitening {
    /// Decomposes an `n` by `n` covariance.
    ///
    /// # Errors
    /// `Argument` where it is not symmetric or not positive definite, with the first row that shows it.
    pub fn new(covariance: &[f64], n: usize) -> Result<Whitening> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Argument, message));
        if n.checked_mul(n) != Some(covariance.len()) {
            let count = covariance.len();
            return refuse(format!(
                "the covariance of {n} observations has {} numbers, not {count}",
                n.saturating_mul(n)
            ));
        }
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let (a, b) = (covariance[i * n + j], covariance[j * n + i]);
                // the comparison is also false for what is not a number
                let symmetric = (a - b).abs() <= 1e-8 * (a.abs() + b.abs());
                if !symmetric {
                    return refuse(format!(
                        "the covariance is not symmetric: {a} and {b} at rows {i} and {j} (counted from 0)"
                    ));
                }
                let (row, other) = (&lower[i * n..i * n + j], &lower[j * n..j * n + j]);
                let rest = a - super::linalg::dot(row, other);
                if i > j {
                    lower[i * n + j] = rest / lower[j * n + j];
                } else if rest > 0.0 && rest.is_finite() {
                    lower[i * n + i] = rest.sqrt();
                } else {
                    return refuse(format!(
                        "the covariance is not positive definite: observation {i} (counted from 0) is a combination of those before it"
                    ));
                }
            }
        }
        Ok(Whitening { n, lower })
    }

    /// An entry of the triangle.
    pub fn lower(&self, row: usize, column: usize) -> f64 {
        self.lower[row * self.n + column]
    }

    /// The triangle, row by row.
    pub fn triangle(&self) -> &[f64] {
        &self.lower
    }

    /// Makes numbers with this covariance uncorrelated, with variance one.
    pub fn apply(&self, values: &mut [f64]) {
        for i in 0..self.n {
            let row = &self.lower[i * self.n..i * self.n + i];
            let rest = values[i] - super::linalg::dot(row, &values[..i]);
            values[i] = rest / self.lower[i * self.n + i];
        }
    }

    /// Takes derivatives by the whitened numbers to derivatives by the plain ones.
    pub fn apply_transposed(&self, values: &mut [f64]) {
        for i in (0..self.n).rev() {
            values[i] /= self.lower[i * self.n + i];
            let (before, at) = values.split_at_mut(i);
            for (value, l) in before.iter_mut().zip(&self.lower[i * self.n..]) {
                *value -= l * at[0];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Derivatives against central differences, on both sides of the scale.
    #[test]
    fn bent_residuals_have_the_slopes_they_say() {
        for kind in [Kind::Huber, Kind::SoftL1, Kind::Cauchy, Kind::Tukey] {
            let loss = Loss { kind, scale: 1.7 };
            for r in [-9.0, -1.6, -0.3, 1e-9, 0.4, 1.5, 1.9, 40.0] {
                let h = 1e-5 * f64::abs(r);
                let (bent, slope) = loss.bend(r);
                let difference = (loss.bend(r + h).0 - loss.bend(r - h).0) / (2.0 * h);
                assert!((slope - difference).abs() < 1e-8, "{kind:?} at {r}");
                let (first, second) = loss.influence(r);
                assert!((bent * slope - first).abs() < 1e-12 * r.abs());
                let difference = (loss.influence(r + h).0 - loss.influence(r - h).0) / (2.0 * h);
                assert!((second - difference).abs() < 1e-7, "{kind:?} at {r}");
            }
            assert!(loss.bend(1e-3).0 / 1e-3 - 1.0 < 1e-6);
        }
    }

    #[test]
    fn deviance_residuals_square_to_the_deviance() {
        for (f, y) in [
            (3.0, 5.0),
            (5.0, 3.0),
            (4.0 + 1e-7, 4.0),
            (0.2, 0.0),
            (1e-3, 7.0),
        ] {
            let (r, slope) = deviance(f, y);
            let log = if y == 0.0 { 0.0 } else { y * f64::ln(y / f) };
            assert!((r * r - 2.0 * (f - y + log)).abs() < 1e-13 * (1.0 + y));
            let h = 1e-6 * f;
            let difference = (deviance(f + h, y).0 - deviance(f - h, y).0) / (2.0 * h);
            assert!((slope / difference - 1.0).abs() < 1e-8, "{f} {y}");
        }
        let at_edge = |x: f64| twice_gap_over_square(x, 1.0 + x);
        assert!((at_edge(0.1) / at_edge(0.1 + 1e-12) - 1.0).abs() < 1e-12);
        assert!(deviance(-1.0, 2.0).0.is_nan() && deviance(-1.0, 0.0).0.is_nan());
    }

    #[test]
    fn whitening_undoes_a_covariance() {
        let covariance = [4.0, 1.0, 0.5, 1.0, 3.0, -0.2, 0.5, -0.2, 2.0];
        let whitening = Whitening::new(&covariance, 3).unwrap();
        // columns of the covariance, whitened from both sides, are those of the identity
        for j in 0..3 {
            let mut column: Vec<f64> = (0..3).map(|i| covariance[i * 3 + j]).collect();
            whitening.apply(&mut column);
            whitening.apply_transposed(&mut column);
            for (i, value) in column.iter().enumerate() {
                let wanted = if i == j { 1.0 } else { 0.0 };
                assert!((value - wanted).abs() < 1e-14);
            }
        }
        let message = |c: &[f64]| Whitening::new(c, 2).unwrap_err().message;
        assert!(message(&[1.0, 2.0, 2.0, 1.0]).contains("positive definite"));
        assert!(message(&[1.0, 0.1, 0.2, 1.0]).contains("symmetric"));
        assert!(message(&[1.0]).contains("4 numbers, not 1"));
        assert!(message(&[f64::NAN, 0.0, 0.0, 1.0]).contains("symmetric"));
    }
}
