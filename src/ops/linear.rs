//! Linear algebra on square matrices, row by row: LU decomposition (Golub and Van Loan, "Matrix computations", 2013, 3.4)
//! and what is made of it. Nothing is allocated: matrices are overwritten, and the caller gives scratch memory.

use super::kernel::UnaryFn;
use super::numeric::Log;
use super::real::Real;

/// Largest side of a matrix that is decomposed.
pub const MAX_SIDE: usize = 64;

/// An operation of linear algebra that gives several numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Linear {
    /// The solution X of A X = B. Arguments: A, `n` by `n`, row by row, then B, `n` by `m`; values: X, `n` by `m`.
    Solve {
        /// Rows of all three.
        n: u32,
        /// Columns of B and X.
        m: u32,
    },
    /// The cofactors of a matrix, `n` by `n`: the derivatives of its determinant, right at singular matrices too.
    Cofactors {
        /// The side.
        n: u32,
    },
}

impl Linear {
    /// Its name in graphs.
    pub fn name(self) -> &'static str {
        match self {
            Linear::Solve { .. } => "lu-solve",
            Linear::Cofactors { .. } => "cofactors",
        }
    }

    /// The side of the matrix.
    pub fn side(self) -> usize {
        match self {
            Linear::Solve { n, .. } | Linear::Cofactors { n } => n as usize,
        }
    }

    /// How many arguments it takes.
    pub fn arguments(self) -> usize {
        match self {
            Linear::Solve { n, m } => n as usize * (n as usize + m as usize),
            Linear::Cofactors { n } => n as usize * n as usize,
        }
    }

    /// How many values it gives.
    pub fn values(self) -> usize {
        match self {
            Linear::Solve { n, m } => n as usize * m as usize,
            Linear::Cofactors { n } => n as usize * n as usize,
        }
    }

    /// Whether the sides are from 1 to [`MAX_SIDE`].
    pub fn in_bounds(self) -> bool {
        let side = |n: u32| (1..=MAX_SIDE as u32).contains(&n);
        match self {
            Linear::Solve { n, m } => side(n) && side(m),
            Linear::Cofactors { n } => side(n),
        }
    }

    /// How much scratch memory [`Linear::apply`] needs.
    pub fn scratch(self) -> usize {
        match self {
            Linear::Solve { .. } => 0,
            Linear::Cofactors { n } => n as usize * n as usize,
        }
    }

    /// Computes the values from the arguments, both in `memory`: the arguments are overwritten, and the values are the
    /// last [`Linear::values`] elements.
    pub fn apply<T: Real>(self, memory: &mut [T], scratch: &mut [T]) {
        let n = self.side();
        let (a, b) = memory.split_at_mut(n * n);
        match self {
            Linear::Solve { .. } => solve(n, a, b),
            Linear::Cofactors { .. } => cofactors(n, a, scratch),
        }
    }
}

/// The side of a square matrix of `count` elements, if that is a number of elements a square matrix can have here.
pub fn side(count: usize) -> Option<usize> {
    let n = count.isqrt();
    (n * n == count && (1..=MAX_SIDE).contains(&n)).then_some(n)
}

fn swap_rows<T>(rows: &mut [T], width: usize, i: usize, k: usize) {
    let (low, high) = (i.min(k), i.max(k));
    let (above, below) = rows.split_at_mut(high * width);
    above[low * width..(low + 1) * width].swap_with_slice(&mut below[..width]);
}

/// Row `i`, and row `j` behind it.
fn two_rows<T>(rows: &mut [T], width: usize, i: usize, j: usize) -> (&[T], &mut [T]) {
    let (above, below) = rows.split_at_mut(j * width);
    (&above[i * width..(i + 1) * width], &mut below[..width])
}

/// Subtracts the multiples of row `k` that make column `k` zero below it, and puts the factors there.
fn eliminate<T: Real>(n: usize, a: &mut [T], k: usize) {
    for i in k + 1..n {
        let (above, row) = two_rows(a, n, k, i);
        let factor = row[k] / above[k];
        row[k] = factor;
        for (x, above) in row[k + 1..].iter_mut().zip(&above[k + 1..]) {
            *x = *x - factor * *above;
        }
    }
}

/// Decomposes `a` into L and U with partial pivoting: of the rows that have the largest size in a column the first comes up.
/// The rows of `b`, if there are any, change places with those of `a`. Whether the number of exchanges is odd.
fn decompose<T: Real>(n: usize, a: &mut [T], b: &mut [T]) -> bool {
    let mut odd = false;
    for k in 0..n {
        let mut pivot = k;
        for i in k + 1..n {
            if a[i * n + k].abs() > a[pivot * n + k].abs() {
                pivot = i;
            }
        }
        if pivot != k {
            swap_rows(a, n, pivot, k);
            swap_rows(b, b.len() / n, pivot, k);
            odd = !odd;
        }
        if a[k * n + k] != T::ZERO {
            eliminate(n, a, k);
        }
    }
    odd
}

fn pivots<T: Real>(n: usize, a: &[T]) -> impl Iterator<Item = T> {
    a.iter().step_by(n + 1).copied()
}

/// The determinant: the product of the pivots from the left.
pub fn det<T: Real>(n: usize, a: &mut [T]) -> T {
    let odd = decompose(n, a, &mut []);
    let product = pivots(n, a).reduce(|x, y| x * y).unwrap_or(T::ONE);
    if odd { -product } else { product }
}

/// The logarithm of the size of the determinant: the sum of the logarithms of the sizes of the pivots.
pub fn logdet<T: Real>(n: usize, a: &mut [T]) -> T {
    decompose(n, a, &mut []);
    let logs = pivots(n, a).map(|pivot| Log::apply(pivot.abs()));
    logs.reduce(|x, y| x + y).unwrap_or(T::ZERO)
}

/// Solves A X = B; X takes the place of B. Forwards, then backwards, in the order of the columns of A.
pub fn solve<T: Real>(n: usize, a: &mut [T], b: &mut [T]) {
    decompose(n, a, b);
    let m = b.len() / n;
    for i in 0..n {
        for j in 0..i {
            let (above, row) = two_rows(b, m, j, i);
            subtract(row, a[i * n + j], above);
        }
    }
    back_substitute(n, n, a, b);
}

/// `row - factor * other`.
fn subtract<T: Real>(row: &mut [T], factor: T, other: &[T]) {
    for (x, y) in row.iter_mut().zip(other) {
        *x = *x - factor * *y;
    }
}

/// Solves U X = B, where U is the upper triangle of the first `n` rows and columns of `a`, whose rows have `width` elements.
fn back_substitute<T: Real>(n: usize, width: usize, a: &[T], b: &mut [T]) {
    let m = b.len() / n;
    for i in (0..n).rev() {
        let (rows, below) = b.split_at_mut((i + 1) * m);
        let row = &mut rows[i * m..];
        for (j, solved) in (i + 1..n).zip(below.chunks_exact(m)) {
            subtract(row, a[i * width + j], solved);
        }
        let pivot = a[i * width + i];
        row.iter_mut().for_each(|x| *x = *x / pivot);
    }
}

/// The cofactors of `a` take its place.
pub fn cofactors<T: Real>(n: usize, a: &mut [T], scratch: &mut [T]) {
    match n {
        0 => {}
        1 => a[0] = T::ONE,
        2 => {
            a.swap(0, 3);
            (a[1], a[2]) = (-a[2], -a[1]);
        }
        3 => {
            for i in 0..3 {
                for j in 0..3 {
                    let at = |di: usize, dj: usize| a[(i + di) % 3 * 3 + (j + dj) % 3];
                    scratch[i * 3 + j] = at(1, 1) * at(2, 2) - at(1, 2) * at(2, 1);
                }
            }
            a.copy_from_slice(&scratch[..9]);
        }
        _ => adjugate_by_lu(n, a, &mut scratch[..n * n]),
    }
}

/// The cofactors from P A Q = L U with complete pivoting. The adjugate of a product is the product of the adjugates,
/// backwards; that of L is its inverse, and that of U = [V u; 0 d] is [d det(V) V⁻¹, -det(V) V⁻¹ u; 0, det(V)]: no division by
/// the last pivot, and zero if there are two pivots of zero.
fn adjugate_by_lu<T: Real>(n: usize, a: &mut [T], scratch: &mut [T]) {
    let mut rows: [u8; MAX_SIDE] = std::array::from_fn(|i| i as u8);
    let mut columns = rows;
    let odd = decompose_completely(n, a, &mut rows, &mut columns);
    // the inverse of L
    scratch.fill(T::ZERO);
    for i in 0..n {
        scratch[i * n + i] = T::ONE;
        for j in 0..i {
            let (above, row) = two_rows(scratch, n, j, i);
            subtract(row, a[i * n + j], above);
        }
    }
    let minor = pivots(n, a).take(n - 1).reduce(|x, y| x * y);
    let minor = minor.unwrap_or(T::ONE);
    if pivots(n, a).take(n - 1).any(|pivot| pivot == T::ZERO) {
        a.fill(T::ZERO);
        return;
    }
    let minor = if odd { -minor } else { minor };
    let last = a[n * n - 1];
    let (above, below) = scratch.split_at_mut((n - 1) * n);
    for (i, row) in above.chunks_exact_mut(n).enumerate() {
        row.iter_mut().for_each(|x| *x = last * *x);
        subtract(row, a[i * n + n - 1], below);
    }
    back_substitute(n - 1, n, a, above);
    for (i, row) in scratch.chunks_exact(n).enumerate() {
        for (j, x) in row.iter().enumerate() {
            a[rows[j] as usize * n + columns[i] as usize] = minor * *x;
        }
    }
}

/// Decomposes `a` with complete pivoting; which rows and columns of the matrix stand where afterwards. Whether the number of
/// exchanges is odd.
fn decompose_completely<T: Real>(
    n: usize,
    a: &mut [T],
    rows: &mut [u8; MAX_SIDE],
    columns: &mut [u8; MAX_SIDE],
) -> bool {
    let mut odd = false;
    for k in 0..n {
        let (mut row, mut column) = (k, k);
        for i in k..n {
            for j in k..n {
                if a[i * n + j].abs() > a[row * n + column].abs() {
                    (row, column) = (i, j);
                }
            }
        }
        if row != k {
            swap_rows(a, n, row, k);
            rows.swap(row, k);
            odd = !odd;
        }
        if column != k {
            a.chunks_exact_mut(n).for_each(|row| row.swap(column, k));
            columns.swap(column, k);
            odd = !odd;
        }
        if a[k * n + k] != T::ZERO {
            eliminate(n, a, k);
        }
    }
    odd
}
