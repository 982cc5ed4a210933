//! Nonlinear regression models with exact derivatives, for the tests of fitting.
#![allow(dead_code, clippy::suspicious_arithmetic_impl)]

use ncg::Result;
use ncg::fit::Residuals;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A value with its derivatives by up to nine parameters.
#[derive(Clone, Copy, Debug)]
pub struct Dual(pub f64, pub [f64; 9]);

impl Dual {
    pub fn constant(value: f64) -> Dual {
        Dual(value, [0.0; 9])
    }

    fn chain(self, value: f64, slope: f64) -> Dual {
        Dual(value, self.1.map(|d| d * slope))
    }

    pub fn exp(self) -> Dual {
        self.chain(self.0.exp(), self.0.exp())
    }

    pub fn ln(self) -> Dual {
        self.chain(self.0.ln(), 1.0 / self.0)
    }

    pub fn sin(self) -> Dual {
        self.chain(self.0.sin(), self.0.cos())
    }

    pub fn cos(self) -> Dual {
        self.chain(self.0.cos(), -self.0.sin())
    }

    pub fn atan(self) -> Dual {
        self.chain(self.0.atan(), 1.0 / (1.0 + self.0 * self.0))
    }

    pub fn pow(self, other: Dual) -> Dual {
        let value = self.0.powf(other.0);
        let (by_base, by_power) = (other.0 * self.0.powf(other.0 - 1.0), value * self.0.ln());
        let mut out = Dual::constant(value);
        for i in 0..9 {
            let power = if other.1[i] == 0.0 {
                0.0
            } else {
                by_power * other.1[i]
            };
            out.1[i] = by_base * self.1[i] + power;
        }
        out
    }

    pub fn square(self) -> Dual {
        self * self
    }
}

impl Add for Dual {
    type Output = Dual;
    fn add(self, o: Dual) -> Dual {
        Dual(self.0 + o.0, std::array::from_fn(|i| self.1[i] + o.1[i]))
    }
}

impl Sub for Dual {
    type Output = Dual;
    fn sub(self, o: Dual) -> Dual {
        Dual(self.0 - o.0, std::array::from_fn(|i| self.1[i] - o.1[i]))
    }
}

impl Mul for Dual {
    type Output = Dual;
    fn mul(self, o: Dual) -> Dual {
        Dual(
            self.0 * o.0,
            std::array::from_fn(|i| self.0 * o.1[i] + self.1[i] * o.0),
        )
    }
}

impl Div for Dual {
    type Output = Dual;
    fn div(self, o: Dual) -> Dual {
        let q = self.0 / o.0;
        Dual(q, std::array::from_fn(|i| (self.1[i] - q * o.1[i]) / o.0))
    }
}

impl Neg for Dual {
    type Output = Dual;
    fn neg(self) -> Dual {
        self * Dual::constant(-1.0)
    }
}

impl Mul<Dual> for f64 {
    type Output = Dual;
    fn mul(self, o: Dual) -> Dual {
        o.chain(self * o.0, self)
    }
}

impl Add<Dual> for f64 {
    type Output = Dual;
    fn add(self, o: Dual) -> Dual {
        Dual(self + o.0, o.1)
    }
}

impl Sub<Dual> for f64 {
    type Output = Dual;
    fn sub(self, o: Dual) -> Dual {
        Dual::constant(self) - o
    }
}

/// A model of parameters `b` at the point `x` (one or two coordinates).
pub type Formula = fn(&[Dual], &[f64; 2]) -> Dual;

/// Residuals `formula(b, x) - y`.
#[derive(Clone)]
pub struct Curve {
    pub formula: Formula,
    pub count: usize,
    pub x: Vec<[f64; 2]>,
    pub y: Vec<f64>,
}

impl Curve {
    pub fn value(&self, p: &[f64], x: &[f64; 2]) -> Dual {
        let mut b: Vec<Dual> = p.iter().map(|&v| Dual::constant(v)).collect();
        for (i, d) in b.iter_mut().enumerate() {
            d.1[i] = 1.0;
        }
        (self.formula)(&b, x)
    }
}

impl Residuals for Curve {
    fn parameter_count(&self) -> usize {
        self.count
    }

    fn residual_count(&self) -> usize {
        self.y.len()
    }

    fn evaluate(
        &mut self,
        _block: usize,
        p: &[f64],
        residuals: &mut [f64],
        jacobian: Option<&mut [f64]>,
    ) -> Result<()> {
        let m = self.y.len();
        let values: Vec<Dual> = self.x.iter().map(|x| self.value(p, x)).collect();
        for i in 0..m {
            residuals[i] = values[i].0 - self.y[i];
        }
        if let Some(jacobian) = jacobian {
            for (k, entry) in jacobian.iter_mut().enumerate() {
                *entry = values[k % m].1[k / m];
            }
        }
        Ok(())
    }
}

/// The formulas, under the names that NIST's Statistical Reference Datasets give them.
pub fn formula(name: &str) -> Formula {
    match name {
        "Misra1a" | "BoxBOD" => |b, x| b[0] * (1.0 - (-x[0] * b[1]).exp()),
        "Misra1b" => |b, x| b[0] * (1.0 - (1.0 + 0.5 * x[0] * b[1]).pow(Dual::constant(-2.0))),
        "Misra1c" => |b, x| b[0] * (1.0 - (1.0 + 2.0 * x[0] * b[1]).pow(Dual::constant(-0.5))),
        "Misra1d" => |b, x| x[0] * b[0] * b[1] / (1.0 + x[0] * b[1]),
        "Chwirut" | "Chwirut2" => |b, x| (-x[0] * b[0]).exp() / (b[1] + x[0] * b[2]),
        "DanWood" => |b, x| b[0] * Dual::constant(x[0]).pow(b[1]),
        "Lanczos" => |b, x| {
            b[0] * (-x[0] * b[1]).exp() + b[2] * (-x[0] * b[3]).exp() + b[4] * (-x[0] * b[5]).exp()
        },
        "Gauss1" | "Gauss2" | "Gauss3" => |b, x| {
            let x = x[0];
            b[0] * (-x * b[1]).exp()
                + b[2] * (-((x - b[3]) / b[4]).square()).exp()
                + b[5] * (-((x - b[6]) / b[7]).square()).exp()
        },
        "Kirby2" => |b, x| {
            let x = x[0];
            (b[0] + x * b[1] + x * x * b[2]) / (1.0 + x * b[3] + x * x * b[4])
        },
        "Hahn1" | "Thurber" => |b, x| {
            let (x, x2, x3) = (x[0], x[0] * x[0], x[0] * x[0] * x[0]);
            (b[0] + x * b[1] + x2 * b[2] + x3 * b[3]) / (1.0 + x * b[4] + x2 * b[5] + x3 * b[6])
        },
        "Nelson" => |b, x| b[0] - x[0] * b[1] * (-x[1] * b[2]).exp(),
        "MGH17" => |b, x| b[0] + b[1] * (-x[0] * b[3]).exp() + b[2] * (-x[0] * b[4]).exp(),
        "MGH09" => |b, x| {
            let x = x[0];
            b[0] * (x * x + x * b[1]) / (x * x + x * b[2] + b[3])
        },
        "MGH10" => |b, x| b[0] * (b[1] / (x[0] + b[2])).exp(),
        "Rat42" => |b, x| b[0] / (1.0 + (b[1] - x[0] * b[2]).exp()),
        "Rat43" => {
            |b, x| b[0] * (1.0 + (b[1] - x[0] * b[2]).exp()).pow(Dual::constant(-1.0) / b[3])
        }
        "Eckerle4" => |b, x| b[0] / b[1] * (-0.5 * ((x[0] - b[2]) / b[1]).square()).exp(),
        "Roszman1" => {
            |b, x| b[0] - x[0] * b[1] - std::f64::consts::FRAC_1_PI * (b[2] / (x[0] - b[3])).atan()
        }
        "Bennett5" => |b, x| b[0] * (x[0] + b[1]).pow(-(Dual::constant(1.0) / b[2])),
        "ENSO" => |b, x| {
            let turn = std::f64::consts::TAU * x[0];
            let (year, u, v) = (
                turn / 12.0,
                Dual::constant(turn) / b[3],
                Dual::constant(turn) / b[6],
            );
            b[0] + year.cos() * b[1]
                + year.sin() * b[2]
                + b[4] * u.cos()
                + b[5] * u.sin()
                + b[7] * v.cos()
                + b[8] * v.sin()
        },
        _ => |_, _| Dual::constant(f64::NAN),
    }
}

/// A small generator of normal noise (splitmix64 and Box–Muller), the same on every machine.
pub struct Noise(pub u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
