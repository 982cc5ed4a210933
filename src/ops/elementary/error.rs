//! `erf`.

use super::{exp, polynomial, with_sign};

/// `erf(x) = x + x P(x² - 1/2)` for `|x| < 1`, from the highest power downwards; off by `2^-62`.
const NEAR: [f64; 13] = [
    5.960701739558499e-11,
    -7.798543730460156e-10,
    9.38761602000731e-09,
    -1.0420369434123441e-07,
    1.0536449567409755e-06,
    -9.61480868684592e-06,
    7.829649525406884e-05,
    -0.0005611894221159949,
    0.0034802744966656455,
    -0.018283884489152906,
    0.07940998675593483,
    -0.2810721780454342,
    -0.03453126133013269,
];

/// `erfc(x) = exp(-x²) P((x - 1) / (x + 2))` for `1 <= x <= 6`, from the highest power downwards; off by `2^-60`.
const FAR: [f64; 13] = [
    -0.0003991672573233745,
    0.000567420608532747,
    0.0005766826551793971,
    0.0003011477023578948,
    -0.002555685653050369,
    -0.004426717682973055,
    0.006425129249590509,
    0.02756099989934669,
    -0.025632378976478184,
    -0.1800761010499614,
    0.5697080079951593,
    -0.819636044351694,
    0.427583576155807,
];

/// Both polynomials are minimax, by Remez's exchange, the second of the error in `erfc` itself.
#[inline(always)]
pub fn erf(x: f64) -> f64 {
    // behind 6 the result is 1; NaN stays
    let size = x.abs();
    let size = if size > 6.0 { 6.0 } else { size };
    let z = size * size;
    let inner = size + size * polynomial(z - 0.5, NEAR);
    let outer = 1.0 - exp(-z) * polynomial((size - 1.0) / (size + 2.0), FAR);
    with_sign(if size < 1.0 { inner } else { outer }, x)
}
