//! `pow`.
//!
//! The algorithm of FreeBSD's msun (`e_pow.c`, Sun Microsystems, 1993): the logarithm in two parts, times the exponent, and the
//! power of two of that. Its branches are selections here.

use super::{ONE, ROUND, exponent, polynomial, upper};

/// `3 (log(x) - 2 s - 2/3 s³) / 2`, from the highest power downwards.
const LOG: [f64; 6] = [
    0.206_975_017_800_338_42,
    0.230_660_745_775_561_75,
    0.272_728_123_808_534,
    0.333_333_329_818_377_43,
    0.428_571_428_578_550_2,
    0.599_999_999_999_994_6,
];
const EXP: [f64; 5] = [
    4.138_136_797_057_238_5e-8,
    -1.653_390_220_546_525_2e-6,
    6.613_756_321_437_934e-5,
    -0.002_777_777_777_701_559_3,
    0.166_666_666_666_666_02,
];

/// `2 / (3 ln 2)`: whole, then in two parts.
const FACTOR: [f64; 3] = [
    0.961_796_693_925_975_6,
    0.961_796_700_954_437_3,
    -7.028_461_650_952_758e-9,
];
/// `log2(3/2)` in two parts.
const THREE_HALVES: [f64; 2] = [0.584_962_487_220_764_2, 1.350_039_202_129_749e-8];
/// `ln 2`: whole, then in two parts.
const LN2: [f64; 3] = [
    std::f64::consts::LN_2,
    0.693_147_182_464_599_6,
    -1.904_654_299_957_768e-9,
];

/// Where `x` is zero, infinite, NaN or subnormal, or the result may overflow, be subnormal or NaN.
#[inline(always)]
pub fn rare_pow(x: f64, y: f64) -> bool {
    let size = x.abs();
    // a straight line between powers of two: the logarithm to base 2 but for 0.0861
    let fraction = f64::from_bits(size.to_bits() & 0x000f_ffff_ffff_ffff | ONE) - 1.0;
    let log = (exponent(size.to_bits()) + fraction).abs() + 0.1;
    // false for NaN
    let usual = (f64::MIN_POSITIVE..f64::INFINITY).contains(&size) && y.abs() * log < 1020.0;
    !usual
}

#[inline(always)]
pub fn pow(x: f64, y: f64) -> f64 {
    let bits = x.to_bits() & !(1 << 63);
    let fraction = f64::from_bits(bits & 0x000f_ffff_ffff_ffff | ONE);
    // a fraction near 1 or near 3/2
    let large = fraction >= 1.732_050_807_568_877_2;
    let a = if large { 0.5 * fraction } else { fraction };
    let n = exponent(bits) + if large { 1.0 } else { 0.0 };
    let middle = !large && fraction >= 1.224_744_871_391_589;
    let base = if middle { 1.5 } else { 1.0 };
    let of_base = THREE_HALVES.map(|part| if middle { part } else { 0.0 });

    // s = (a - base) / (a + base), the product with its denominator taken in parts
    let (u, v) = (a - base, 1.0 / (a + base));
    let s = u * v;
    let s_high = upper(s);
    let t_high = upper(a + base);
    let t_low = a - (t_high - base);
    let s_low = v * ((u - s_high * t_high) - s_high * t_low);
    let square = s * s;
    let r = square * square * polynomial(square, LOG) + s_low * (s_high + s);
    let square = s_high * s_high;
    let t_high = upper(3.0 + square + r);
    let t_low = r - ((t_high - 3.0) - square);
    // s (3 + s² + ...)
    let (u, v) = (s_high * t_high, s_low * t_high + t_low * s);
    let p_high = upper(u + v);
    let p_low = v - (p_high - u);
    // log2(x)
    let z_high = FACTOR[1] * p_high;
    let z_low = FACTOR[2] * p_high + p_low * FACTOR[0] + of_base[1];
    let log = upper(((z_high + z_low) + of_base[0]) + n);
    let log_low = z_low - (((log - n) - of_base[0]) - z_high);

    // y log2(x)
    let y_high = upper(y);
    let p_low = (y - y_high) * log + y * log_low;
    let p_high = y_high * log;
    let shifted = (p_low + p_high) + ROUND;
    let p_high = p_high - (shifted - ROUND);
    let t = upper(p_low + p_high);
    let (u, v) = (t * LN2[1], (p_low - (t - p_high)) * LN2[0] + t * LN2[2]);
    let z = u + v;
    let w = v - (z - u);
    let square = z * z;
    let t = z - square * polynomial(square, EXP);
    let r = (z * t) / (t - 2.0) - (w + z * w);
    let scale = f64::from_bits((shifted.to_bits() << 52).wrapping_add(ONE));
    let value = (1.0 - (r - z)) * scale;

    // a negative number has a real power where that is whole
    let rounded = y + ROUND;
    let whole = rounded - ROUND == y;
    let odd = whole && rounded.to_bits() & 1 == 1;
    let value = if odd && x < 0.0 { -value } else { value };
    if whole || x > 0.0 { value } else { f64::NAN }
}
