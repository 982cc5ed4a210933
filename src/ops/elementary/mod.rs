//! Elementary functions without branches, so that a loop over them becomes vector code: within one unit in the last place,
//! `atan2` within 1.5, `sigmoid` and `softplus` within 2, where their `rare_…` says no, which leaves the rest to the
//! standard library.
//!
//! The reductions and polynomials of `exp`, `log`, `sin` and `cos` are those of FreeBSD's msun (Sun Microsystems, 1993), save
//! the polynomial of `exp`, Taylor's. Every operation rounds once, so that each instruction set gives the same bits.

mod angle;
mod error;
mod hyperbolic;
mod power;

pub use angle::{acos, asin, atan, atan2, rare_atan2, rare_tan, tan};
pub use error::erf;
pub use hyperbolic::{
    cosh, rare_sigmoid, rare_sinh, rare_softplus, sigmoid, sinh, sinh_cosh, softplus, tanh,
};
pub use power::{pow, rare_pow};

/// Adding it leaves the nearest integer in the low bits; taking it away again, that integer.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// `1 / i!` from `i = 13` down to 2.
const EXP: [f64; 12] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
];

/// From the highest power downwards.
const SIN: [f64; 5] = [
    1.589_690_995_211_55e-10,
    -2.505_076_025_340_686_3e-8,
    2.755_731_370_707_006_8e-6,
    -0.000_198_412_698_298_579_5,
    0.008_333_333_333_322_49,
];
const SIN_1: f64 = -0.166_666_666_666_666_32;

/// From the highest power downwards.
const COS: [f64; 6] = [
    -1.135_964_755_778_819_5e-11,
    2.087_572_321_298_175e-9,
    -2.755_731_435_139_066_3e-7,
    2.480_158_728_947_673e-5,
    -0.001_388_888_888_887_411,
    0.041_666_666_666_666_6,
];

/// A quarter turn in three parts, the first two of 33 bits.
const QUARTER: [f64; 3] = [
    1.570_796_326_734_125_6,
    6.077_100_506_303_966e-11,
    2.022_266_248_795_950_6e-21,
];

/// Even powers, then odd ones, each from the highest downwards.
const LOG_EVEN: [f64; 3] = [
    0.153_138_376_992_093_73,
    0.222_221_984_321_497_84,
    0.399_999_999_994_094_2,
];
const LOG_ODD: [f64; 4] = [
    0.147_981_986_051_165_86,
    0.181_835_721_616_180_5,
    0.285_714_287_436_623_9,
    0.666_666_666_666_673_5,
];

/// The upper bits of `sqrt(1/2)`.
const ROOT_HALF: u64 = 0x3fe6_a09e_0000_0000;
const ONE: u64 = 0x3ff0_0000_0000_0000;

#[inline(always)]
fn polynomial<const N: usize>(x: f64, coefficients: [f64; N]) -> f64 {
    let mut sum = coefficients[0];
    for coefficient in &coefficients[1..] {
        sum = sum * x + coefficient;
    }
    sum
}

/// The even and the odd coefficients of a polynomial, from the constant upwards, each summed over powers of `z²`: two
/// sums of half the length wait for each other half as long.
#[inline(always)]
fn paired<const N: usize>(z: f64, coefficients: [f64; N]) -> (f64, f64) {
    let square = z * z;
    let mut sums = [coefficients[(N - 1) & !1], coefficients[(N - 2) | 1]];
    let mut i = N - 2;
    while i > 0 {
        i -= 1;
        sums[i & 1] = sums[i & 1] * square + coefficients[i];
    }
    (sums[0], sums[1])
}

/// The same number without its lower 32 bits: products of two such numbers are exact.
#[inline(always)]
fn upper(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & 0xffff_ffff_0000_0000)
}

/// A number that is not negative, with the sign of another.
#[inline(always)]
fn with_sign(size: f64, sign: f64) -> f64 {
    f64::from_bits(size.to_bits() | sign.to_bits() & (1 << 63))
}

/// The exponent in the bits of a positive number, made a number by standing in the low bits of `2^52`.
#[inline(always)]
fn exponent(bits: u64) -> f64 {
    f64::from_bits(0x4330_0000_0000_0000 | (bits >> 52)) - (4_503_599_627_370_496.0 + 1023.0)
}

/// Where `exp` may overflow, underflow or be NaN.
#[inline(always)]
pub fn rare_exp(x: f64) -> bool {
    x.is_nan() || x.abs() >= 708.0
}

#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(ONE));
    (1.0 + (r + r * r * polynomial(r, EXP))) * power
}

/// `exp(x) = 2^n (1 + r + rest)`: the sum of [`ROUND`] and `n` as bits, `r` and `rest`.
#[inline(always)]
fn exp_parts(x: f64) -> (u64, f64, f64) {
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let (high, low) = (x - n * LN2_HIGH, n * LN2_LOW);
    let r = high - low;
    let lost = (high - r) - low;
    (shifted.to_bits(), r, lost + r * r * polynomial(r, EXP))
}

/// Where the argument of `sin` or `cos` is so large that its reduction takes more digits.
#[inline(always)]
pub fn rare_turn(x: f64) -> bool {
    x.is_nan() || x.abs() >= 8192.0
}

/// The quadrant in the low bits, and the angle in it as a sum of two numbers.
#[inline(always)]
fn quadrant(x: f64) -> (u64, f64, f64) {
    let shifted = x * std::f64::consts::FRAC_2_PI + ROUND;
    let n = shifted - ROUND;
    let [first, second, third] = QUARTER.map(|part| n * part);
    let rest = x - first;
    let high = rest - second;
    // what the subtraction rounded away, whichever of the two is larger
    let back = high - rest;
    let lost = (rest - (high - back)) - (second + back);
    let low = lost - third;
    let angle = high + low;
    (shifted.to_bits(), angle, (high - angle) + low)
}

#[inline(always)]
fn quarter_sin(x: f64, low: f64) -> f64 {
    let z = x * x;
    let v = z * x;
    x - ((z * (0.5 * low - v * polynomial(z, SIN)) - low) - v * SIN_1)
}

#[inline(always)]
fn quarter_cos(x: f64, low: f64) -> f64 {
    let z = x * x;
    let half = 0.5 * z;
    let w = 1.0 - half;
    w + (((1.0 - w) - half) + (z * (z * polynomial(z, COS)) - x * low))
}

/// `sin` and `cos` of the same number.
#[inline(always)]
pub fn sin_cos(x: f64) -> (f64, f64) {
    let (turn, angle, low) = quadrant(x);
    let both = (quarter_sin(angle, low), quarter_cos(angle, low));
    let sin = at_turn(turn, both);
    let sin = if x == 0.0 { x } else { sin };
    (sin, at_turn(turn.wrapping_add(1), both))
}

/// The sine of an angle that is `turn` quarter turns further.
#[inline(always)]
fn sin_at(turn: u64, angle: f64, low: f64) -> f64 {
    at_turn(turn, (quarter_sin(angle, low), quarter_cos(angle, low)))
}

/// The same, of the sine and cosine of the angle.
#[inline(always)]
fn at_turn(turn: u64, (sin, cos): (f64, f64)) -> f64 {
    let value = if turn & 1 == 0 { sin } else { cos };
    f64::from_bits(value.to_bits() ^ (turn & 2) << 62)
}

#[inline(always)]
pub fn sin(x: f64) -> f64 {
    let (turn, angle, low) = quadrant(x);
    // zero keeps its sign
    if x == 0.0 {
        x
    } else {
        sin_at(turn, angle, low)
    }
}

#[inline(always)]
pub fn cos(x: f64) -> f64 {
    let (turn, angle, low) = quadrant(x);
    sin_at(turn.wrapping_add(1), angle, low)
}

/// Where `log` is not of a normal positive number.
#[inline(always)]
pub fn rare_log(x: f64) -> bool {
    x.is_nan() || x < f64::MIN_POSITIVE || x == f64::INFINITY
}

#[inline(always)]
pub fn log(x: f64) -> f64 {
    let bits = x.to_bits().wrapping_add(ONE - ROOT_HALF);
    let k = exponent(bits);
    let f = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) + ROOT_HALF) - 1.0;
    let half_square = 0.5 * f * f;
    let (s, rest) = log_series(f);
    s * (half_square + rest) + k * LN2_LOW - half_square + f + k * LN2_HIGH
}

/// `s = f / (2 + f)`, and the `R` in `log(1 + f) = f - f²/2 + s (f²/2 + R)`.
#[inline(always)]
fn log_series(f: f64) -> (f64, f64) {
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * polynomial(w, LOG_EVEN);
    let odd = z * polynomial(w, LOG_ODD);
    (s, odd + even)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance in units in the last place of `wanted`.
    fn ulps(value: f64, wanted: f64) -> f64 {
        let next = f64::from_bits(wanted.abs().to_bits() + 1);
        (value - wanted).abs() / (next - wanted.abs())
    }

    fn largest(f: fn(f64) -> f64, wanted: fn(f64) -> f64, x: impl Fn(u64) -> f64) -> f64 {
        // multiples of the golden ratio are spread evenly
        let points = (0..400_000u64).map(|i| x(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11));
        points.map(|x| ulps(f(x), wanted(x))).fold(0.0, f64::max)
    }

    #[test]
    fn within_a_unit_of_the_standard_library() {
        let unit = |i: u64| i as f64 / (1u64 << 53) as f64;
        let spread = |range: f64| move |i: u64| (2.0 * unit(i) - 1.0) * range;
        for range in [1e-9, 0.3, 3.0, 50.0, 707.9] {
            assert!(largest(exp, f64::exp, spread(range)) <= 1.0, "exp {range}");
        }
        for range in [1e-9, 0.7, 2.0, 7.0, 100.0, 8191.0] {
            assert!(largest(sin, f64::sin, spread(range)) <= 1.0, "sin {range}");
            assert!(largest(cos, f64::cos, spread(range)) <= 1.0, "cos {range}");
        }
        for range in [0.01, 1.0, 700.0] {
            let x = |i: u64| spread(range)(i).exp();
            assert!(largest(log, f64::ln, x) <= 1.0, "log {range}");
        }
        // near multiples of a quarter turn
        for i in 1..5000 {
            let x = f64::from(i) * std::f64::consts::FRAC_PI_2;
            assert!(ulps(sin(x), x.sin()) <= 1.0, "sin {x}");
            assert!(ulps(cos(x), x.cos()) <= 1.0, "cos {x}");
        }
    }
}
