//! `tan`, `atan`, `atan2`, `asin` and `acos`.
//!
//! Reductions and polynomials are those of FreeBSD's msun (Sun Microsystems, 1993), the branches selections.

use super::{paired, quadrant, upper, with_sign};

/// From the third power upwards.
const TAN: [f64; 13] = [
    0.333_333_333_333_334_1,
    0.133_333_333_333_201_24,
    0.053_968_253_976_226_05,
    0.021_869_488_294_859_542,
    0.008_863_239_823_599_3,
    0.003_592_079_107_591_312_4,
    0.001_456_209_454_325_290_3,
    0.000_588_041_240_820_264_1,
    0.000_246_463_134_818_469_9,
    7.817_944_429_395_571e-5,
    7.140_724_913_826_082e-5,
    -1.855_863_748_552_754_6e-5,
    2.590_730_518_636_337_3e-5,
];

/// From the third power upwards, with the other sign.
const ATAN: [f64; 11] = [
    0.333_333_333_333_329_3,
    -0.199_999_999_998_764_83,
    0.142_857_142_725_034_66,
    -0.111_111_104_054_623_56,
    0.090_908_871_334_365_07,
    -0.076_918_762_050_448_3,
    0.066_610_731_373_875_31,
    -0.058_335_701_337_905_735,
    0.049_768_779_946_159_32,
    -0.036_531_572_744_216_916,
    0.016_285_820_115_365_782,
];

/// `asin(x) = x + x R(x²)`, `|x| <= 1/2`: the numerator of `R` from the first power upwards.
const ASIN_P: [f64; 6] = [
    0.166_666_666_666_666_66,
    -0.325_565_818_622_400_9,
    0.201_212_532_134_862_93,
    -0.040_055_534_500_679_41,
    0.000_791_534_994_289_814_5,
    3.479_331_075_960_212e-5,
];
/// The denominator from the constant upwards.
const ASIN_Q: [f64; 5] = [
    1.0,
    -2.403_394_911_734_414,
    2.020_945_760_233_505_7,
    -0.688_283_971_605_453_3,
    0.077_038_150_555_901_94,
];

/// A number, and what it leaves out.
type Parts = [f64; 2];

const EIGHTH: Parts = [std::f64::consts::FRAC_PI_4, 3.061_616_997_868_383e-17];
const QUARTER: Parts = [std::f64::consts::FRAC_PI_2, 6.123_233_995_736_766e-17];
const HALF: Parts = [std::f64::consts::PI, 1.224_646_799_147_353_2e-16];

/// The arc tangents of 0, 1/2, 1, 3/2 and infinity.
const ARCS: [Parts; 5] = [
    [0.0, 0.0],
    [0.463_647_609_000_806_1, 2.269_877_745_296_168_7e-17],
    EIGHTH,
    [0.982_793_723_247_329, 1.390_331_103_123_099_8e-17],
    QUARTER,
];

/// What they leave of half a turn.
const OTHER_ARCS: [Parts; 5] = [
    HALF,
    [2.677_945_044_588_987, 1.552_770_536_930_314_7e-16],
    [2.356_194_490_192_345, 9.184_850_993_605_148e-17],
    [2.158_798_930_342_464, 2.195_836_713_460_199_7e-16],
    QUARTER,
];

/// Where the argument of `tan` is so large that its reduction takes more digits: as for `sin`.
pub use super::rare_turn as rare_tan;

#[inline(always)]
pub fn tan(x: f64) -> f64 {
    let (turn, angle, low) = quadrant(x);
    let below = angle < 0.0;
    let (size, rest) = (angle.abs(), if below { -low } else { low });
    // near an eighth of a turn from there on
    let near = size >= 0.6744;
    let mirrored = (EIGHTH[0] - size) + (EIGHTH[1] - rest);
    let (t, rest) = if near { (mirrored, 0.0) } else { (size, rest) };

    let z = t * t;
    let cube = z * t;
    let tail: [f64; 12] = *TAN.last_chunk().expect("one less");
    let (even, odd) = paired(z, tail);
    let r = rest + z * (cube * (even + z * odd) + rest);
    let r = r + TAN[0] * cube;
    let w = t + r;

    // one division: of the tangent of what is left of an eighth, or of the cotangent
    let turned = turn & 1 == 1;
    let side = if turned { -1.0 } else { 1.0 };
    let (above, under) = if near { (w * w, w + side) } else { (-1.0, w) };
    let quotient = above / under;
    let far = side - 2.0 * (t - (quotient - r));
    let (head, short) = (upper(quotient), upper(w));
    let behind = r - (short - t);
    let cotangent = head + quotient * ((1.0 + head * short) + head * behind);
    let plain = if turned { cotangent } else { w };
    let value = if near { far } else { plain };
    let value = if below { -value } else { value };
    // zero keeps its sign
    if x == 0.0 { x } else { value }
}

/// `hi + lo + atan(t)` for `|t| <= 7/16`.
#[inline(always)]
fn arc(t: f64, [hi, lo]: Parts) -> f64 {
    let z = t * t;
    let (even, odd) = paired(z, ATAN);
    let sum = z * even + z * z * odd;
    hi - ((t * sum - lo) - t)
}

/// The one of five that stands at the interval of `a / b`, none of them negative; the last also where that is not a number.
#[inline(always)]
fn at_slope<V>(a: f64, b: f64, of: [V; 5]) -> V {
    let [first, second, third, fourth, fifth] = of;
    if a < 0.4375 * b {
        first
    } else if a < 0.6875 * b {
        second
    } else if a < 1.1875 * b {
        third
    } else if a < 2.4375 * b {
        fourth
    } else {
        fifth
    }
}

/// The tangent that is left of the angle whose tangent is `a / b` behind the first of its interval.
#[inline(always)]
fn left_over(a: f64, b: f64) -> f64 {
    let slope = at_slope(a, b, [0.0, 0.5, 1.0, 1.5, 0.0]);
    let far = at_slope(a, b, [false, false, false, false, true]);
    let (above, under) = (a - slope * b, b + slope * a);
    let (above, under) = if far { (-b, a) } else { (above, under) };
    above / under
}

#[inline(always)]
pub fn atan(x: f64) -> f64 {
    let size = x.abs();
    let t = left_over(size, 1.0);
    let hi = at_slope(size, 1.0, ARCS.map(|parts| parts[0]));
    let lo = at_slope(size, 1.0, ARCS.map(|parts| parts[1]));
    with_sign(arc(t, [hi, lo]), x)
}

/// Where `atan2` is of a zero point, or of one so far or so near that its steps would overflow or lose digits.
#[inline(always)]
pub fn rare_atan2(y: f64, x: f64) -> bool {
    let (y, x) = (y.abs(), x.abs());
    let most = if y > x { y } else { x };
    let usual = most > 1e-280 && most < 1e300 && !y.is_nan() && !x.is_nan();
    !usual
}

#[inline(always)]
pub fn atan2(y: f64, x: f64) -> f64 {
    let (a, b) = (y.abs(), x.abs());
    let t = left_over(a, b);
    let back = x.is_sign_negative();
    let t = if back { -t } else { t };
    let part = |part: usize| {
        let front = at_slope(a, b, ARCS.map(|parts| parts[part]));
        let other = at_slope(a, b, OTHER_ARCS.map(|parts| parts[part]));
        if back { other } else { front }
    };
    with_sign(arc(t, [part(0), part(1)]), y)
}

/// `R(z)` of `asin`.
#[inline(always)]
fn arc_ratio(z: f64) -> f64 {
    let (even, odd) = paired(z, ASIN_P);
    let (under_even, under_odd) = paired(z, ASIN_Q);
    z * (even + z * odd) / (under_even + z * under_odd)
}

/// The square root of `z`, and what it leaves out.
#[inline(always)]
fn root(z: f64) -> Parts {
    let root = z.sqrt();
    let short = upper(root);
    let rest = root - short;
    let missing = ((z - short * short) - 2.0 * short * rest) - rest * rest;
    let low = if root > 0.0 {
        missing / (2.0 * root)
    } else {
        0.0
    };
    [root, low]
}

#[inline(always)]
pub fn asin(x: f64) -> f64 {
    let size = x.abs();
    let near = size < 0.5;
    let half = 0.5 * (1.0 - size);
    let ratio = arc_ratio(if near { x * x } else { half });
    let inner = size + size * ratio;
    let [high, low] = root(half);
    // 2 asin(root) from a quarter turn, whose parts it is taken from one by one
    let twice = 2.0 * high;
    let rest = 2.0 * (high * ratio + low) - QUARTER[1];
    let first = QUARTER[0] - twice;
    let lost = (QUARTER[0] - first) - twice;
    let outer = first - (rest - lost);
    with_sign(if near { inner } else { outer }, x)
}

#[inline(always)]
pub fn acos(x: f64) -> f64 {
    let size = x.abs();
    let near = size < 0.5;
    let half = 0.5 * (1.0 - size);
    let ratio = arc_ratio(if near { x * x } else { half });
    let inner = QUARTER[0] - (x - (QUARTER[1] - x * ratio));
    let [high, low] = root(half);
    let rest = high * ratio + low;
    let front = 2.0 * (high + rest);
    let first = HALF[0] - 2.0 * high;
    let lost = (HALF[0] - first) - 2.0 * high;
    let back = first - ((2.0 * rest - HALF[1]) - lost);
    let outer = if x > 0.0 { front } else { back };
    if near { inner } else { outer }
}
