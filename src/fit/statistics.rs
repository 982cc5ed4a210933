//! What a least-squares fit knows about its parameters: standard errors, correlations, and what the data cannot tell apart.
//!
//! Everything comes from the triangle of the Jacobian, its columns scaled to length one, through a singular value decomposition; the
//! product `J'J` is never formed, so a parameter with a standard error of a millionth keeps its digits. The convention is NIST's:
//! covariance `s² (J'J)^-1` with `s²` the residual sum of squares over the degrees of freedom.

use super::linalg::{jacobi_svd, norm, triangle_len};
use super::report::significant;
use crate::{Error, ErrorKind, Result};

/// What the residuals are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Noise {
    /// The standard deviation of the observations is unknown and estimated from the residuals.
    #[default]
    Estimated,
    /// The residuals are divided by known standard deviations, so one unit is one sigma.
    Known,
}

impl Noise {
    /// The word of the option `noise`.
    pub fn name(self) -> &'static str {
        match self {
            Noise::Estimated => "estimated",
            Noise::Known => "known",
        }
    }
}

/// Singular values below this fraction of the largest count as zero.
const RANK_TOLERANCE: f64 = 1e-12;
/// A direction that is known so many times worse than another is told of, though it is determined. Belsley, Kuh and Welsch (1980)
/// call a hundred harmful in regression; nonlinear models that fit well have up to some thousands.
const SEPARABLE: f64 = 1e4;
/// Parameters that make up less than this part of such a direction are not named.
const NAMED_SHARE: f64 = 0.05;
/// A parameter with more than this part in an undetermined direction has no standard error.
const SHARE_TOLERANCE: f64 = 1e-6;

/// The statistics of a fit with `n` parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Residuals less parameters that were free; negative when there are too few observations.
    pub degrees_of_freedom: i64,
    /// The variance of a residual that the errors rest on: one for known noise, else estimated; `None` where it cannot be.
    pub variance: Option<f64>,
    /// Residual standard deviation; `None` without degrees of freedom.
    pub residual_sd: Option<f64>,
    /// Standard error of each parameter; `None` where it is held at a bound, undetermined, or cannot be estimated.
    pub std_errors: Vec<Option<f64>>,
    /// Covariance, `n` by `n`; rows and columns of parameters without a standard error are `None`.
    pub covariance: Vec<Option<f64>>,
    /// Correlations, like `covariance`.
    pub correlations: Vec<Option<f64>>,
    /// Largest over smallest singular value of the free columns scaled to length one; infinite when they are dependent.
    pub condition: f64,
    /// Rank of the free columns.
    pub rank: usize,
    /// Parameters held at a bound, and so left out of the covariance.
    pub at_bound: Vec<bool>,
    /// What the data cannot determine, in words; empty when all is well.
    pub notes: Vec<String>,
}

impl Statistics {
    /// Takes errors and covariance, which were computed for a variance of one, to another; there are none without it.
    pub fn rescale(&mut self, variance: Option<f64>) {
        let scaled = |entry: &mut Option<f64>, factor: Option<f64>| {
            *entry = entry.zip(factor).map(|(entry, factor)| entry * factor);
        };
        let root = variance.map(f64::sqrt);
        self.std_errors.iter_mut().for_each(|e| scaled(e, root));
        self.covariance.iter_mut().for_each(|c| scaled(c, variance));
        self.variance = variance;
    }

    /// The standard error of a quantity with these derivatives by the parameters; `None` where it hangs on one without an error.
    pub fn error_along(&self, slopes: &[f64]) -> Option<f64> {
        let n = slopes.len();
        let mut variance = 0.0;
        for (i, a) in slopes.iter().enumerate().filter(|(_, a)| **a != 0.0) {
            for (j, b) in slopes.iter().enumerate().filter(|(_, b)| **b != 0.0) {
                variance += a * b * self.covariance[i * n + j]?;
            }
        }
        Some(variance.max(0.0).sqrt())
    }
}

/// Computes the statistics from the `triangle` of [`super::Outcome`].
///
/// `residual_count` is the number of residuals, `loss` their sum of squares, `at_bound` marks the parameters that a bound holds,
/// `names` are for the notes. Errors: `Argument` when lengths disagree, `Numeric` when the Jacobian is not finite.
pub fn statistics(
    triangle: &[f64],
    residual_count: usize,
    loss: f64,
    at_bound: &[bool],
    names: &[&str],
    noise: Noise,
) -> Result<Statistics> {
    let n = names.len();
    if triangle.len() != triangle_len(n) || at_bound.len() != n {
        let message = format!("the triangle or the bounds do not belong to {n} parameters");
        return Err(Error::new(ErrorKind::Argument, message));
    }
    if !triangle.iter().all(|x| x.is_finite()) {
        let message =
            "the Jacobian at the fitted values is not finite, so there are no standard errors";
        return Err(Error::new(ErrorKind::Numeric, message));
    }
    let lengths: Vec<f64> = (0..n)
        .map(|j| norm(&triangle[j * (n + 1)..j * (n + 1) + j + 1]))
        .collect();
    let free: Vec<usize> = (0..n).filter(|&j| !at_bound[j]).collect();
    let degrees_of_freedom = residual_count as i64 - free.len() as i64;
    let residual_sd = (degrees_of_freedom > 0).then(|| (loss / degrees_of_freedom as f64).sqrt());
    let mut notes = Vec::new();
    if residual_sd.is_none() && noise == Noise::Estimated {
        let f = free.len();
        notes.push(format!(
            "{residual_count} observations cannot give standard errors of {f} parameters"
        ));
    }
    for &j in free.iter().filter(|&&j| lengths[j] == 0.0) {
        notes.push(format!("{} has no effect on the residuals", names[j]));
    }
    let live: Vec<usize> = free.iter().copied().filter(|&j| lengths[j] > 0.0).collect();
    let factors = Factors::new(triangle, n, &live, &lengths);
    let mut determined = vec![false; n];
    for (q, &j) in live.iter().enumerate() {
        determined[j] = factors.null.iter().all(|v| v[q].abs() <= SHARE_TOLERANCE);
    }
    for direction in &factors.null {
        let (who, sum) = combination(direction, &live, names, 0.01);
        notes.push(format!(
            "{who} not separable: {sum} (each in units of its own effect on the residuals)"
        ));
    }
    for direction in &factors.weak {
        notes.extend(hardly_separable(
            direction, triangle, n, &live, &lengths, names,
        ));
    }
    let variance = match noise {
        Noise::Known => Some(1.0),
        Noise::Estimated => residual_sd.map(|s| s * s),
    };
    let mut covariance = vec![None; n * n];
    let mut correlations = vec![None; n * n];
    let mut std_errors = vec![None; n];
    for (q, &i) in live.iter().enumerate() {
        for (k, &j) in live.iter().enumerate() {
            if !(determined[i] && determined[j]) {
                continue;
            }
            let inner = factors.inner(q, k);
            let own = (factors.inner(q, q) * factors.inner(k, k)).sqrt();
            correlations[i * n + j] = Some(if i == j {
                1.0
            } else {
                (inner / own).clamp(-1.0, 1.0)
            });
            let value = variance.map(|v| v * inner / lengths[i] / lengths[j]);
            covariance[i * n + j] = value.filter(|c| c.is_finite());
        }
        if determined[i] {
            // the root of the covariance, to the digit, unless that has left the range of numbers
            let root = covariance[i * n + i].filter(|c| *c > f64::MIN_POSITIVE);
            let value = variance.map(|v| (v * factors.inner(q, q)).sqrt() / lengths[i]);
            std_errors[i] = root.map(f64::sqrt).or(value).filter(|s| s.is_finite());
        }
    }
    Ok(Statistics {
        degrees_of_freedom,
        variance,
        residual_sd,
        std_errors,
        covariance,
        correlations,
        condition: if live.len() == free.len() {
            factors.condition
        } else {
            f64::INFINITY
        },
        rank: live.len() - factors.null.len(),
        at_bound: at_bound.to_vec(),
        notes,
    })
}

/// The scaled Jacobian's singular value decomposition, as far as it is needed.
struct Factors {
    /// For each column, its entries in `V / sigma` over the directions that the data determine.
    rows: Vec<Vec<f64>>,
    /// Undetermined directions, in units of scaled columns.
    null: Vec<Vec<f64>>,
    /// Directions that are determined, but far worse than others; the same units.
    weak: Vec<Vec<f64>>,
    condition: f64,
}

impl Factors {
    fn new(triangle: &[f64], n: usize, live: &[usize], lengths: &[f64]) -> Factors {
        let f = live.len();
        let mut a = vec![0.0; n * f];
        for (q, &j) in live.iter().enumerate() {
            for i in 0..=j {
                a[q * n + i] = triangle[j * (n + 1) + i] / lengths[j];
            }
        }
        let mut v = vec![0.0; f * f];
        jacobi_svd(&mut a, n, f, &mut v);
        let sigma: Vec<f64> = a.chunks(n.max(1)).map(norm).collect();
        let most = sigma.iter().copied().fold(0.0, f64::max);
        let least = sigma.iter().copied().fold(f64::INFINITY, f64::min);
        let (good, bad): (Vec<usize>, Vec<usize>) =
            (0..f).partition(|&k| sigma[k] > RANK_TOLERANCE * most);
        let rows = (0..f)
            .map(|q| good.iter().map(|&k| v[k * f + q] / sigma[k]).collect())
            .collect();
        let null: Vec<Vec<f64>> = bad
            .iter()
            .map(|&k| v[k * f..(k + 1) * f].to_vec())
            .collect();
        let direction = |k: &usize| v[k * f..(k + 1) * f].to_vec();
        let weak = good.iter().filter(|k| sigma[**k] * SEPARABLE <= most);
        let weak = weak.map(direction).collect();
        let condition = match f {
            0 => 1.0,
            _ if null.is_empty() => most / least,
            _ => f64::INFINITY,
        };
        Factors {
            rows,
            null,
            weak,
            condition,
        }
    }

    /// Entry of the inverse of the scaled `J'J`.
    fn inner(&self, q: usize, k: usize) -> f64 {
        self.rows[q]
            .iter()
            .zip(&self.rows[k])
            .map(|(a, b)| a * b)
            .sum()
    }
}

/// Says that parameters can hardly be told apart, and by how much; `None` where those that make up the direction are not the reason.
fn hardly_separable(
    direction: &[f64],
    triangle: &[f64],
    n: usize,
    live: &[usize],
    lengths: &[f64],
    names: &[&str],
) -> Option<String> {
    let named = direction.iter().zip(live);
    let named: Vec<usize> = named
        .filter(|(share, _)| share.abs() >= NAMED_SHARE)
        .map(|(_, j)| *j)
        .collect();
    let f = named.len();
    let mut a = vec![0.0; n * f];
    for (q, &j) in named.iter().enumerate() {
        for i in 0..=j {
            a[q * n + i] = triangle[j * (n + 1) + i] / lengths[j];
        }
    }
    let mut v = vec![0.0; f * f];
    jacobi_svd(&mut a, n, f, &mut v);
    let sigma: Vec<f64> = a.chunks(n.max(1)).map(norm).collect();
    let by_size = |a: &usize, b: &usize| sigma[*a].total_cmp(&sigma[*b]);
    let (least, most) = ((0..f).min_by(by_size)?, (0..f).max_by(by_size)?);
    let ratio = sigma[most] / sigma[least];
    if ratio < 0.5 * SEPARABLE || f < 2 {
        return None;
    }
    let side = |k: usize| combination(&v[k * f..(k + 1) * f], &named, names, NAMED_SHARE);
    let ((who, worst), (_, best)) = (side(least), side(most));
    Some(format!(
        "{who} hardly separable: {worst} is known {} times worse than {best} (each in units of its own effect on the residuals)",
        significant(ratio, 1)
    ))
}

/// A direction in words: who is in it, and the sum, without those whose part is smaller than `least`.
fn combination(direction: &[f64], live: &[usize], names: &[&str], least: f64) -> (String, String) {
    let largest = direction.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let lead = direction.iter().find(|x| x.abs() >= 0.999 * largest);
    let sign = lead.map_or(1.0, |x| x.signum());
    let (mut who, mut sum) = (Vec::new(), String::new());
    let named = direction.iter().zip(live);
    for (&x, &j) in named.filter(|(x, _)| x.abs() >= least) {
        let x = x * sign;
        let operator = match (sum.is_empty(), x < 0.0) {
            (true, true) => "-",
            (true, false) => "",
            (false, true) => " - ",
            (false, false) => " + ",
        };
        sum += &format!("{operator}{:.2} {}", x.abs(), names[j]);
        who.push(names[j]);
    }
    let list = match who.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => who.join(""),
    };
    (list, sum)
}
