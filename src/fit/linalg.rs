//! Dense linear algebra for small triangles: the reduction of a tall Jacobian, damped triangular least squares, a one-sided Jacobi SVD.
//!
//! A *triangle* for `n` parameters is the upper triangular factor of `[J r]`: `n + 1` columns of `n + 1` entries, column-major. Its
//! first `n` columns are `R`; the last holds `Q'r` in its first `n` entries and, below them, plus or minus the length of what is left of
//! `r`. So `|J s + r|² = |R s + Q'r|² + rest²` for every step `s`, and `J` is not needed any more.

/// Entries of a triangle for `n` parameters.
pub fn triangle_len(n: usize) -> usize {
    (n + 1) * (n + 1)
}

/// Rows that [`reduce`] takes at a time: few enough that a block of a few columns stays in the L1 cache.
const BLOCK_ROWS: usize = 256;

/// Entries of the `work` slice of [`reduce`].
pub(crate) fn reduce_work_len(m: usize, n: usize) -> usize {
    BLOCK_ROWS.min(m) * (n + 1)
}

/// Reduces a column-major `m` by `n` Jacobian and `m` residuals to a triangle ([`triangle_len`] entries).
///
/// Householder reflections, block of rows after block of rows onto one triangle (sequential TSQR; Demmel, Grigori, Hoemmen and
/// Langou 2012), so each entry of the Jacobian is read once. Entries that are not finite come out as entries that are not finite.
pub fn reduce(jacobian: &[f64], residuals: &[f64], n: usize, triangle: &mut [f64]) {
    triangle.fill(0.0);
    add_rows(jacobian, residuals, n, triangle);
}

/// Adds rows to those that [`reduce`] made a triangle of: the triangle of both.
pub fn add_rows(jacobian: &[f64], residuals: &[f64], n: usize, triangle: &mut [f64]) {
    let mut work = vec![0.0; reduce_work_len(residuals.len(), n)];
    reduce_onto(jacobian, residuals, n, triangle, &mut work);
}

/// [`add_rows`] with the caller's scratch memory ([`reduce_work_len`] entries).
pub(crate) fn reduce_onto(
    jacobian: &[f64],
    residuals: &[f64],
    n: usize,
    triangle: &mut [f64],
    work: &mut [f64],
) {
    let m = residuals.len();
    let mut first = 0;
    while first < m {
        let rows = BLOCK_ROWS.min(m - first);
        for j in 0..n {
            let column = &jacobian[j * m + first..j * m + first + rows];
            work[j * rows..(j + 1) * rows].copy_from_slice(column);
        }
        work[n * rows..(n + 1) * rows].copy_from_slice(&residuals[first..first + rows]);
        absorb(triangle, n + 1, n + 1, &mut work[..(n + 1) * rows], rows);
        first += rows;
    }
}

/// Rotates `rows` rows (`block`, column-major, `columns` columns) into an upper triangle of leading dimension `stride`.
fn absorb(triangle: &mut [f64], stride: usize, columns: usize, block: &mut [f64], rows: usize) {
    for k in 0..columns {
        let (left, right) = block.split_at_mut((k + 1) * rows);
        let v = &mut left[k * rows..];
        let tail = dot(v, v);
        if tail == 0.0 {
            continue;
        }
        let head = triangle[k * stride + k];
        let norm = (head * head + tail).sqrt();
        let beta = if head > 0.0 { -norm } else { norm };
        // The reflection is I - u u' / (norm² + |head| norm) with u = (head - beta, v).
        let u = head - beta;
        let scale = 1.0 / (norm * (norm + head.abs()));
        triangle[k * stride + k] = beta;
        for j in k + 1..columns {
            let column = &mut right[(j - k - 1) * rows..(j - k) * rows];
            let top = &mut triangle[j * stride + k];
            let factor = (u * *top + dot(v, column)) * scale;
            *top -= factor * u;
            for (c, &vi) in column.iter_mut().zip(v.iter()) {
                *c -= factor * vi;
            }
        }
    }
}

/// The columns of `triangle` listed in `columns`, scaled by `1 / scale`, and the right-hand side `rhs`, reduced again to a triangle.
///
/// `triangle` has `n + 1` entries a column; `rhs` has `n`. Writes `columns.len()` columns of `a` with that same leading dimension, and
/// the first `columns.len()` entries of `c`. `work` needs `n * (n + 1)` entries.
pub(crate) fn subset(
    triangle: &[f64],
    rhs: &[f64],
    columns: &[usize],
    scale: &[f64],
    a: &mut [f64],
    c: &mut [f64],
    work: &mut [f64],
) {
    let (n, f) = (rhs.len(), columns.len());
    if f == n {
        for j in 0..n {
            for i in 0..n {
                let value = triangle[j * (n + 1) + i] / scale[j];
                a[j * f + i] = if i <= j { value } else { 0.0 };
            }
        }
        c[..n].copy_from_slice(rhs);
        return;
    }
    // Reflect column after column, in place, in a dense n by f+1 copy.
    for (q, &j) in columns.iter().enumerate() {
        for i in 0..n {
            let value = triangle[j * (n + 1) + i] / scale[j];
            work[q * n + i] = if i <= j { value } else { 0.0 };
        }
    }
    work[f * n..(f + 1) * n].copy_from_slice(rhs);
    for k in 0..f {
        let (left, right) = work.split_at_mut((k + 1) * n);
        let v = &mut left[k * n + k..];
        let norm = dot(v, v).sqrt();
        if norm == 0.0 {
            continue;
        }
        let beta = if v[0] > 0.0 { -norm } else { norm };
        let scale = 1.0 / (norm * (norm + v[0].abs()));
        v[0] -= beta;
        for j in k + 1..=f {
            let column = &mut right[(j - k - 1) * n + k..(j - k) * n];
            let factor = dot(v, column) * scale;
            for (x, &vi) in column.iter_mut().zip(v.iter()) {
                *x -= factor * vi;
            }
        }
        v.fill(0.0);
        v[0] = beta;
    }
    for q in 0..f {
        a[q * f..(q + 1) * f].copy_from_slice(&work[q * n..q * n + f]);
    }
    c[..f].copy_from_slice(&work[f * n..f * n + f]);
}

/// Rotates `sqrt(lambda) I` into the `n` by `n` upper triangle `a` with right-hand side `c` (Givens, as in MINPACK's `qrsolv`).
///
/// The result minimises `|a y + c|² + lambda |y|²`; `row` needs `n` entries.
pub(crate) fn damp(a: &mut [f64], c: &mut [f64], n: usize, lambda: f64, row: &mut [f64]) {
    for j in 0..n {
        row[j..n].fill(0.0);
        row[j] = lambda.sqrt();
        let mut row_rhs = 0.0;
        for k in j..n {
            if row[k] == 0.0 {
                continue;
            }
            let diagonal = a[k * n + k];
            let norm = diagonal.hypot(row[k]);
            let (cos, sin) = (diagonal / norm, row[k] / norm);
            for i in k..n {
                let (x, y) = (a[i * n + k], row[i]);
                a[i * n + k] = cos * x + sin * y;
                row[i] = cos * y - sin * x;
            }
            let (x, y) = (c[k], row_rhs);
            c[k] = cos * x + sin * y;
            row_rhs = cos * y - sin * x;
        }
    }
}

/// Solves `a x = b` for an upper triangle, in place. False when a diagonal entry is zero or the result is not finite.
pub(crate) fn solve_upper(a: &[f64], n: usize, b: &mut [f64]) -> bool {
    for k in (0..n).rev() {
        b[k] /= a[k * n + k];
        let x = b[k];
        for i in 0..k {
            b[i] -= x * a[k * n + i];
        }
    }
    b[..n].iter().all(|x| x.is_finite())
}

/// Solves `a' x = b` for an upper triangle, in place.
pub(crate) fn solve_upper_transposed(a: &[f64], n: usize, b: &mut [f64]) {
    for k in 0..n {
        let sum = dot(&a[k * n..k * n + k], &b[..k]);
        b[k] = (b[k] - sum) / a[k * n + k];
    }
}

/// One-sided Jacobi SVD (Hestenes): on return the columns of `a` (`rows` by `n`, column-major) are `sigma_j u_j`, and `v` (`n` by `n`)
/// holds the right singular vectors. Small singular values keep their relative accuracy for columns of like size (Demmel and Veselić 1992).
pub(crate) fn jacobi_svd(a: &mut [f64], rows: usize, n: usize, v: &mut [f64]) {
    v.fill(0.0);
    for j in 0..n {
        v[j * n + j] = 1.0;
    }
    for _ in 0..60 {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let (ap, aq) = pair(a, rows, p, q);
                let (alpha, beta, gamma) = (dot(ap, ap), dot(aq, aq), dot(ap, aq));
                if gamma == 0.0 || gamma.abs() <= f64::EPSILON * (alpha * beta).sqrt() {
                    continue;
                }
                rotated = true;
                let zeta = (beta - alpha) / (2.0 * gamma);
                let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cos = 1.0 / t.hypot(1.0);
                let sin = cos * t;
                rotate(ap, aq, cos, sin);
                let (vp, vq) = pair(v, n, p, q);
                rotate(vp, vq, cos, sin);
            }
        }
        if !rotated {
            break;
        }
    }
}

fn pair(a: &mut [f64], rows: usize, p: usize, q: usize) -> (&mut [f64], &mut [f64]) {
    let (left, right) = a.split_at_mut(q * rows);
    (&mut left[p * rows..(p + 1) * rows], &mut right[..rows])
}

fn rotate(x: &mut [f64], y: &mut [f64], cos: f64, sin: f64) {
    for (a, b) in x.iter_mut().zip(y) {
        (*a, *b) = (cos * *a - sin * *b, sin * *a + cos * *b);
    }
}

/// The inner product, in eight partial sums.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let (a_rest, b_rest) = (a8.remainder(), b8.remainder());
    for (x, y) in a8.zip(b8) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7])) + rest
}

/// The Euclidean length.
pub(crate) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_triangle_reproduces_every_inner_product() {
        let (m, n) = (700, 3);
        let entry = |i: usize, j: usize| ((i * 7 + j * 13) as f64 * 0.37).sin() + j as f64;
        let jacobian: Vec<f64> = (0..n * m).map(|k| entry(k % m, k / m)).collect();
        let residuals: Vec<f64> = (0..m).map(|i| entry(i, n)).collect();
        let mut t = vec![0.0; triangle_len(n)];
        reduce(&jacobian, &residuals, n, &mut t);
        let mut all = jacobian.clone();
        all.extend(&residuals);
        for a in 0..=n {
            for b in 0..=n {
                let exact = dot(&all[a * m..(a + 1) * m], &all[b * m..(b + 1) * m]);
                let got = dot(
                    &t[a * (n + 1)..(a + 1) * (n + 1)],
                    &t[b * (n + 1)..(b + 1) * (n + 1)],
                );
                assert!(
                    (exact - got).abs() < 1e-10 * exact.abs().max(1.0),
                    "{a} {b}"
                );
            }
        }
    }

    #[test]
    fn the_svd_finds_a_tiny_singular_value() {
        let mut a = vec![1.0, 1.0, 1.0, 1.0 + 1e-9];
        let mut v = vec![0.0; 4];
        jacobi_svd(&mut a, 2, 2, &mut v);
        let mut sigma = [norm(&a[..2]), norm(&a[2..])];
        sigma.sort_by(f64::total_cmp);
        assert!((sigma[0] / 5e-10 - 1.0).abs() < 1e-6, "{sigma:?}");
        assert!((sigma[1] - 2.0).abs() < 1e-8);
    }
}
