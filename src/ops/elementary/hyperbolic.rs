//! `tanh`, `sinh`, `cosh`, and the logistic function and its integral.

use super::{LN2_HIGH, LN2_LOW, ONE, exp, exp_parts, log_series, polynomial, with_sign};

/// `tanh(x) = x + x z P(z) / Q(z)`, `z = x²`, for `|x| < 0.625`: Cephes, `tanh.c`. From the highest power downwards.
const TANH_P: [f64; 3] = [
    -0.964_399_179_425_052_2,
    -99.287_723_100_191_86,
    -1_614.687_684_417_084_5,
];
const TANH_Q: [f64; 4] = [
    1.0,
    112.811_678_491_632_93,
    2_235.488_390_601_004_5,
    4_844.063_053_251_255,
];

/// `1 / (2 i + 1)!` from `i = 9` down to 1.
const SINH: [f64; 9] = [
    1.0 / 121_645_100_408_832_000.0,
    1.0 / 355_687_428_096_000.0,
    1.0 / 1_307_674_368_000.0,
    1.0 / 6_227_020_800.0,
    1.0 / 39_916_800.0,
    1.0 / 362_880.0,
    1.0 / 5_040.0,
    1.0 / 120.0,
    1.0 / 6.0,
];

/// `2^n` for the sum of [`super::ROUND`] and `n`.
#[inline(always)]
fn power(shifted: u64, n: u64) -> f64 {
    f64::from_bits((shifted.wrapping_add(n) << 52).wrapping_add(ONE))
}

#[inline(always)]
pub fn tanh(x: f64) -> f64 {
    let size = x.abs();
    let near = size < 0.625;
    let z = size * size;
    // behind 40 the result is 1 long since; NaN stays
    let far = if size > 40.0 { 40.0 } else { size };
    let (shifted, r, rest) = exp_parts(2.0 * far);
    let p = power(shifted, 0);
    // exp(2 x) + 1, and what rounding loses of it
    let (whole, part) = (p + 1.0, p * (r + rest));
    let sum = whole + part;
    let lost = (whole - sum) + part;

    let above = if near { z * polynomial(z, TANH_P) } else { 2.0 };
    let under = if near { polynomial(z, TANH_Q) } else { sum };
    let quotient = above / under;
    let inner = size + size * quotient;
    let first = 1.0 - quotient;
    let behind = ((1.0 - first) - quotient) + 0.5 * quotient * quotient * lost;
    let outer = first + behind;
    with_sign(if near { inner } else { outer }, x)
}

/// Where `sinh` or `cosh` may overflow or be NaN.
pub use super::rare_exp as rare_sinh;

/// `exp(x) / 2` in two parts, and `exp(-x) / 2`, for `x >= 0`.
#[inline(always)]
fn halves(x: f64) -> (f64, f64, f64) {
    let (shifted, r, rest) = exp_parts(x);
    let p = power(shifted, u64::MAX);
    let sum = 1.0 + r;
    let low = ((1.0 - sum) + r) + rest;
    let (high, low) = (p * sum, p * low);
    (high, low, 0.25 / (high + low))
}

#[inline(always)]
pub fn sinh(x: f64) -> f64 {
    sinh_cosh(x).0
}

#[inline(always)]
pub fn cosh(x: f64) -> f64 {
    sinh_cosh(x).1
}

/// `sinh` and `cosh` of the same number.
#[inline(always)]
pub fn sinh_cosh(x: f64) -> (f64, f64) {
    let size = x.abs();
    let z = size * size;
    let inner = size + size * (z * polynomial(z, SINH));
    let (high, low, other) = halves(size);
    let outer = high + (low - other);
    let sinh = with_sign(if size < 1.0 { inner } else { outer }, x);
    (sinh, high + (low + other))
}

/// Where the exponential in `sigmoid` may overflow, underflow or be NaN.
pub use super::rare_exp as rare_sigmoid;

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

/// Where the exponential in `softplus` may underflow or be NaN.
pub use super::rare_exp as rare_softplus;

/// `log(1 + exp(x))`, without overflow.
#[inline(always)]
pub fn softplus(x: f64) -> f64 {
    let u = exp(-x.abs());
    // log(1 + u): of half of it where that is nearer to 1
    let sum = 1.0 + u;
    let upper = sum > std::f64::consts::SQRT_2;
    let lost = (u - (sum - 1.0)) / sum;
    let (f, k, lost) = if upper {
        (0.5 * sum - 1.0, 1.0, lost)
    } else {
        (u, 0.0, 0.0)
    };
    let half_square = 0.5 * f * f;
    let (s, rest) = log_series(f);
    let log = s * (half_square + rest) + (k * LN2_LOW + lost) - half_square + f + k * LN2_HIGH;
    if x > 0.0 { x + log } else { log }
}
