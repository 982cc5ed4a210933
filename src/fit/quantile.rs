//! Quantiles of Student's t and of the normal distribution, for confidence intervals.

/// The number `q` so that a variable of Student's t distribution lies within `-q` and `q` with probability `level`.
///
/// `degrees` of freedom may be infinite: then the distribution is the normal one. NaN unless `level` is between 0 and 1 and
/// `degrees` is positive.
pub fn two_sided(level: f64, degrees: f64) -> f64 {
    if !(level > 0.0 && level < 1.0 && degrees > 0.0) {
        return f64::NAN;
    }
    let target = 0.5 * (1.0 - level);
    let mut high = 1.0;
    while tail(high, degrees) > target && high < 1e300 {
        high *= 2.0;
    }
    // the tail falls from end to end, so halving always comes home
    let mut low = if high > 1.0 { 0.5 * high } else { 0.0 };
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if tail(middle, degrees) > target {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The probability of more than `t`, which is not negative.
fn tail(t: f64, degrees: f64) -> f64 {
    if degrees.is_infinite() {
        return 0.5 * libm::erfc(t * std::f64::consts::FRAC_1_SQRT_2);
    }
    0.5 * incomplete_beta(0.5 * degrees, 0.5, degrees / (degrees + t * t), t)
}

/// The regularised incomplete beta function `I_x(a, b)` where `1 - x = t² / (2a + t²)` (DLMF 8.17.22, the continued fraction by
/// the method of Lentz).
fn incomplete_beta(a: f64, b: f64, x: f64, t: f64) -> f64 {
    if t == 0.0 {
        return 1.0;
    }
    let complement = t * t / (2.0 * a + t * t);
    let front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b);
    let front = (front + a * libm::log(x) + b * libm::log(complement)).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(a, b, x) / a
    } else {
        1.0 - front * fraction(b, a, complement) / b
    }
}

fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let away = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let (mut c, mut result) = (1.0, d);
    for m in 1..100_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        result *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        result *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::two_sided;

    /// With one and two degrees of freedom the quantiles are elementary; the others are of tables (Abramowitz and Stegun 26.10).
    #[test]
    fn quantiles_are_those_of_closed_forms_and_tables() {
        for level in [0.5, 0.8, 0.95, 0.99, 0.9999] {
            let cauchy = (0.5 * std::f64::consts::PI * level).tan();
            assert!((two_sided(level, 1.0) / cauchy - 1.0).abs() < 1e-12);
            let two = level * (2.0 / (1.0 - level * level)).sqrt();
            assert!((two_sided(level, 2.0) / two - 1.0).abs() < 1e-12);
        }
        let table = [
            (0.95, 12.0, 2.178812829667228),
            (0.95, 30.0, 2.042272456301238),
            (0.99, 5.0, 4.032142983555228),
            (0.95, f64::INFINITY, 1.959963984540054),
            (0.6826894921370859, f64::INFINITY, 1.0),
        ];
        for (level, degrees, wanted) in table {
            let got = two_sided(level, degrees);
            assert!((got / wanted - 1.0).abs() < 1e-11, "{degrees}: {got}");
        }
        let (many, normal) = (two_sided(0.95, 1e6), two_sided(0.95, f64::INFINITY));
        assert!(many > normal && many - normal < 1e-5);
        assert!(two_sided(1.0, 3.0).is_nan() && two_sided(0.9, 0.0).is_nan());
    }
}
