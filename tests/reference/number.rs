//! Numbers: exact integers, and reals that carry their derivatives in a few directions.

use std::cell::Cell;

/// In how many directions derivatives are taken at once.
pub const DIRECTIONS: usize = 6;

/// Beyond this a derivative on the way is not to be compared: another order of products may overflow.
const WILD: f64 = 1e100;

thread_local! {
    static GAP: Cell<f64> = const { Cell::new(f64::INFINITY) };
    static IS_WILD: Cell<bool> = const { Cell::new(false) };
}

pub fn trace_reset() {
    GAP.set(f64::INFINITY);
    IS_WILD.set(false);
}

/// The smallest distance to a kink or a border so far, and whether a derivative went wild.
pub fn trace() -> (f64, bool) {
    (GAP.get(), IS_WILD.get())
}

/// A real with its derivatives.
#[derive(Clone, Copy, Debug)]
pub struct Dual {
    pub value: f64,
    pub slopes: [f64; DIRECTIONS],
    /// The sums of the sizes of what adds up to the slopes: rounding is relative to these.
    pub sizes: [f64; DIRECTIONS],
    /// Whether it hangs on what moves, even where its derivative is zero.
    pub hangs: bool,
}

impl Dual {
    pub fn constant(value: f64) -> Dual {
        Dual {
            value,
            slopes: [0.0; DIRECTIONS],
            sizes: [0.0; DIRECTIONS],
            hangs: false,
        }
    }

    /// A function of this number: its value and its derivative here.
    pub fn chain(self, value: f64, factor: f64) -> Dual {
        Dual::join(value, &[(self, factor)])
    }

    /// A function of several numbers: its value and its derivatives here. What does not move gives no derivative, at a
    /// pole either.
    pub fn join(value: f64, terms: &[(Dual, f64)]) -> Dual {
        let mut result = Dual::constant(value);
        for (dual, factor) in terms {
            if !dual.hangs {
                continue;
            }
            result.hangs = true;
            let tame = (1.0 / WILD..WILD).contains(&factor.abs());
            if !tame && *factor != 0.0 {
                IS_WILD.set(true);
            }
            for i in 0..DIRECTIONS {
                if dual.slopes[i] != 0.0 {
                    result.slopes[i] += dual.slopes[i] * factor;
                }
                if dual.sizes[i] != 0.0 {
                    result.sizes[i] += dual.sizes[i] * factor.abs();
                }
            }
        }
        if !result.sizes.iter().all(|size| *size < WILD) {
            IS_WILD.set(true);
        }
        result
    }

    pub fn add(self, other: Dual) -> Dual {
        Dual::join(self.value + other.value, &[(self, 1.0), (other, 1.0)])
    }

    pub fn sub(self, other: Dual) -> Dual {
        Dual::join(self.value - other.value, &[(self, 1.0), (other, -1.0)])
    }

    pub fn mul(self, other: Dual) -> Dual {
        let factors = [(self, other.value), (other, self.value)];
        Dual::join(self.value * other.value, &factors)
    }

    pub fn div(self, other: Dual) -> Dual {
        let value = self.value / other.value;
        let by_other = -(1.0 / other.value) * value;
        Dual::join(value, &[(self, 1.0 / other.value), (other, by_other)])
    }

    pub fn neg(self) -> Dual {
        self.chain(-self.value, -1.0)
    }

    pub fn sqrt(self) -> Dual {
        let value = self.value.sqrt();
        self.chain(value, 0.5 / value)
    }

    /// Notes the distance to a kink or a border at `other`.
    pub fn border(self, other: Dual) {
        let distance = (self.value - other.value).abs();
        if (self.hangs || other.hangs) && distance < GAP.get() {
            GAP.set(distance);
        }
    }
}

/// The sum from the left, beginning with the first term.
pub fn sum(terms: impl IntoIterator<Item = Dual>) -> Dual {
    let sum = terms.into_iter().reduce(Dual::add);
    sum.unwrap_or(Dual::constant(0.0))
}

#[derive(Clone, Copy, Debug)]
pub enum Number {
    Int(i64),
    Real(Dual),
}

use Number::{Int, Real};

/// An exact result, or the nearest real if it does not fit.
fn exact(value: i128) -> Number {
    match i64::try_from(value) {
        Ok(value) => Int(value),
        Err(_) => Real(Dual::constant(value as f64)),
    }
}

impl Number {
    pub fn real(self) -> Dual {
        match self {
            Int(value) => Dual::constant(value as f64),
            Real(dual) => dual,
        }
    }

    pub fn add(self, other: Number) -> Number {
        match (self, other) {
            (Int(a), Int(b)) => exact(i128::from(a) + i128::from(b)),
            (a, b) => Real(a.real().add(b.real())),
        }
    }

    pub fn sub(self, other: Number) -> Number {
        match (self, other) {
            (Int(a), Int(b)) => exact(i128::from(a) - i128::from(b)),
            (a, b) => Real(a.real().sub(b.real())),
        }
    }

    pub fn mul(self, other: Number) -> Number {
        match (self, other) {
            (Int(a), Int(b)) => exact(i128::from(a) * i128::from(b)),
            (a, b) => Real(a.real().mul(b.real())),
        }
    }

    pub fn div(self, other: Number) -> Number {
        match (self, other) {
            (Int(a), Int(b)) if b != 0 && i128::from(a) % i128::from(b) == 0 => {
                exact(i128::from(a) / i128::from(b))
            }
            (a, b) => Real(a.real().div(b.real())),
        }
    }

    pub fn neg(self) -> Number {
        match self {
            Int(a) => exact(-i128::from(a)),
            Real(a) => Real(a.neg()),
        }
    }

    pub fn abs(self) -> Number {
        match self {
            Int(a) => exact(i128::from(a).abs()),
            Real(a) => {
                a.border(Dual::constant(0.0));
                let slope = match a.value == 0.0 {
                    true => 0.0,
                    false => a.value.signum(),
                };
                Real(a.chain(a.value.abs(), slope))
            }
        }
    }

    pub fn quotient(self, other: Number) -> Number {
        match (self, other) {
            (Int(a), Int(b)) if b != 0 => exact(i128::from(a) / i128::from(b)),
            (a, b) => {
                let ratio = a.real().div(b.real());
                whole_border(ratio, 0.0);
                Real(Dual::constant((a.real().value / b.real().value).trunc()))
            }
        }
    }

    pub fn remainder(self, other: Number) -> Number {
        match (self, other) {
            (Int(a), Int(b)) if b != 0 => exact(i128::from(a) % i128::from(b)),
            (a, b) => {
                let (a, b) = (a.real(), b.real());
                whole_border(a.div(b), 0.0);
                let turns = (a.value / b.value).trunc();
                Real(Dual::join(a.value % b.value, &[(a, 1.0), (b, -turns)]))
            }
        }
    }

    pub fn modulo(self, other: Number) -> Number {
        match (self, other) {
            (Int(a), Int(b)) if b != 0 => {
                let (a, b) = (i128::from(a), i128::from(b));
                exact(((a % b) + b) % b)
            }
            (a, b) => {
                let (a, b) = (a.real(), b.real());
                whole_border(a.div(b), 0.0);
                let turns = (a.value / b.value).floor();
                let rest = a.value % b.value;
                let value = match rest != 0.0 && (rest < 0.0) != (b.value < 0.0) {
                    true => rest + b.value,
                    false => rest,
                };
                Real(Dual::join(value, &[(a, 1.0), (b, -turns)]))
            }
        }
    }

    /// Rounds by `f`, whose steps lie at whole numbers plus `offset`.
    pub fn rounded(self, f: fn(f64) -> f64, offset: f64) -> Number {
        match self {
            Int(a) => Int(a),
            Real(a) => {
                whole_border(a, offset);
                Real(Dual::constant(f(a.value)))
            }
        }
    }

    pub fn power(self, exponent: Number) -> Number {
        match (self, exponent) {
            (base, Int(n)) if (0..=16).contains(&n) => {
                (0..n).map(|_| base).reduce(Number::mul).unwrap_or(Int(1))
            }
            (Int(base), Int(n)) if n > 0 && base.pow_fits(n) => Int(base.pow(n as u32)),
            (base, exponent) => {
                let (x, k) = (base.real(), exponent.real());
                let value = x.value.powf(k.value);
                let by_x = match k.value == 0.0 {
                    true => 0.0,
                    false => k.value * x.value.powf(k.value - 1.0),
                };
                let by_k = match x.value == 0.0 && k.value > 0.0 {
                    true => 0.0,
                    false => value * x.value.ln(),
                };
                Real(Dual::join(value, &[(x, by_x), (k, by_k)]))
            }
        }
    }

    /// Whether `a` and `b` compare as `f` says; exact integers exactly.
    pub fn compare(self, other: Number, f: fn(Option<std::cmp::Ordering>) -> bool) -> bool {
        match (self, other) {
            (Int(a), Int(b)) => f(Some(a.cmp(&b))),
            (a, b) => {
                a.real().border(b.real());
                f(a.real().value.partial_cmp(&b.real().value))
            }
        }
    }
}

trait PowFits {
    fn pow_fits(self, n: i64) -> bool;
}

impl PowFits for i64 {
    fn pow_fits(self, n: i64) -> bool {
        u32::try_from(n).is_ok_and(|n| self.checked_pow(n).is_some())
    }
}

fn whole_border(a: Dual, offset: f64) {
    let nearest = (a.value - offset).round() + offset;
    a.border(Dual::constant(nearest));
}

/// The largest number (the smallest if `sign` is negative). The derivative is shared by all that tie.
pub fn extremum(numbers: &[Number], sign: f64) -> Number {
    let ints: Option<Vec<i64>> = numbers
        .iter()
        .map(|number| match number {
            Int(value) => Some(*value),
            Real(_) => None,
        })
        .collect();
    if let Some(ints) = ints {
        let chosen = match sign > 0.0 {
            true => ints.iter().max(),
            false => ints.iter().min(),
        };
        return Int(*chosen.unwrap());
    }
    let reals: Vec<Dual> = numbers.iter().map(|number| number.real()).collect();
    let choose = |a: f64, b: f64| match sign * a > sign * b || a.is_nan() {
        true => a,
        false => b,
    };
    let value = reals.iter().map(|a| a.value).reduce(choose).unwrap();
    let ties = reals.iter().filter(|a| a.value == value).count();
    for (i, a) in reals.iter().enumerate() {
        for b in &reals[..i] {
            a.border(*b);
        }
    }
    let terms: Vec<(Dual, f64)> = reals
        .iter()
        .filter(|a| a.value == value)
        .map(|a| (*a, 1.0 / ties as f64))
        .collect();
    Real(Dual::join(value, &terms))
}
