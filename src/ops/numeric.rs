//! What the numeric operations compute, one sample at a time. IEEE 754 throughout; nothing is clamped.

use super::kernel::{BinaryFn, Pair, PairFn, UnaryFn, pair};
use super::real::Real;
use super::{Op, elementary};

macro_rules! unary_fn {
    ($($(#[$doc:meta])* $name:ident($x:ident) = $body:expr;)*) => {
        $($(#[$doc])* pub struct $name;
        impl UnaryFn for $name {
            #[inline(always)]
            fn apply<T: Real>($x: T) -> T {
                $body
            }
        })*
    };
}

macro_rules! binary_fn {
    ($($(#[$doc:meta])* $name:ident($a:ident, $b:ident) = $body:expr;)*) => {
        $($(#[$doc])* pub struct $name;
        impl BinaryFn for $name {
            #[inline(always)]
            fn apply<T: Real>($a: T, $b: T) -> T {
                $body
            }
        })*
    };
}

unary_fn! {
    Neg(x) = -x;
    Abs(x) = x.abs();
    /// -1, 0 or 1; NaN for NaN.
    Sign(x) = if x > T::ZERO { T::ONE } else if x < T::ZERO { -T::ONE } else { x };
    Not(x) = T::truth(!x.is_true());
    Sqrt(x) = x.sqrt();
    Floor(x) = x.floor();
    Ceiling(x) = x.ceil();
    Round(x) = x.round_ties_even();
    Truncate(x) = x.trunc();
    Relu(x) = if x > T::ZERO || x.is_nan() { x } else { T::ZERO };
}

/// Functions with branch-free code, for all but rare arguments. They compute in f64 for both element types.
macro_rules! elementary_fn {
    ($($(#[$doc:meta])* $name:ident $fast:ident $(, $rare:ident $slow:expr)?;)*) => {
        $($(#[$doc])* pub struct $name;
        impl UnaryFn for $name {
            #[inline(always)]
            fn apply<T: Real>(x: T) -> T {
                $(if Self::rare(x) {
                    let slow: fn(T) -> T = $slow;
                    return slow(x);
                })?
                Self::fast(x)
            }
            #[inline(always)]
            fn fast<T: Real>(x: T) -> T {
                T::of(elementary::$fast(x.to_f64()))
            }
            $(#[inline(always)]
            fn rare<T: Real>(x: T) -> bool {
                elementary::$rare(x.to_f64())
            })?
        })*
    };
}

elementary_fn! {
    Exp exp, rare_exp T::exp;
    Log log, rare_log T::ln;
    Sin sin, rare_turn T::sin;
    Cos cos, rare_turn T::cos;
    Tan tan, rare_tan T::tan;
    Asin asin;
    Acos acos;
    Atan atan;
    Sinh sinh, rare_sinh T::sinh;
    Cosh cosh, rare_sinh T::cosh;
    Tanh tanh;
    Sigmoid sigmoid, rare_sigmoid |x| T::ONE / (T::ONE + (-x).exp());
    /// `log(1 + exp(x))`, without overflow.
    Softplus softplus, rare_softplus |x| {
        let positive = if x > T::ZERO || x.is_nan() { x } else { T::ZERO };
        positive + (-x.abs()).exp().ln_1p()
    };
    Erf erf;
}

/// Two of these functions of the same number.
macro_rules! pairs {
    ($($name:ident $first:ident $second:ident $fast:ident;)*) => {
        $(struct $name;
        impl PairFn for $name {
            type First = $first;
            type Second = $second;
            #[inline(always)]
            fn fast<T: Real>(x: T) -> (T, T) {
                let (first, second) = elementary::$fast(x.to_f64());
                (T::of(first), T::of(second))
            }
        })*

        /// The operations that have one kernel for two of them: each with its partner, in the order of the kernel's results.
        pub const PAIRS: &[[Op; 2]] = &[$([Op::$first, Op::$second],)*];

        /// The kernels of [`PAIRS`].
        pub const fn pair_kernels<T: Real>() -> [Pair<T>; PAIRS.len()] {
            [$(pair::<$name, T>(),)*]
        }
    };
}

pairs! {
    SinCos Sin Cos sin_cos;
    SinhCosh Sinh Cosh sinh_cosh;
}

/// The same of two arguments.
macro_rules! elementary_binary_fn {
    ($($name:ident $fast:ident, $rare:ident $slow:expr;)*) => {
        $(pub struct $name;
        impl BinaryFn for $name {
            #[inline(always)]
            fn apply<T: Real>(a: T, b: T) -> T {
                if Self::rare(a, b) { $slow(a, b) } else { Self::fast(a, b) }
            }
            #[inline(always)]
            fn fast<T: Real>(a: T, b: T) -> T {
                T::of(elementary::$fast(a.to_f64(), b.to_f64()))
            }
            #[inline(always)]
            fn rare<T: Real>(a: T, b: T) -> bool {
                elementary::$rare(a.to_f64(), b.to_f64())
            }
        })*
    };
}

elementary_binary_fn! {
    Pow pow, rare_pow T::powf;
    Atan2 atan2, rare_atan2 T::atan2;
}

binary_fn! {
    Add(a, b) = a + b;
    Sub(a, b) = a - b;
    Mul(a, b) = a * b;
    Div(a, b) = a / b;
    /// The larger; NaN if either is.
    Max(a, b) = if a > b || a.is_nan() { a } else { b };
    /// The first; its derivative goes to the second.
    StraightThrough(a, _b) = a;
    /// The smaller; NaN if either is.
    Min(a, b) = if a < b || a.is_nan() { a } else { b };
    Quotient(a, b) = (a / b).trunc();
    /// The sign follows the dividend.
    Remainder(a, b) = a % b;
    /// The sign follows the divisor.
    Modulo(a, b) = {
        let r = a % b;
        if r != T::ZERO && (r < T::ZERO) != (b < T::ZERO) { r + b } else { r }
    };
    Equal(a, b) = T::truth(a == b);
    Less(a, b) = T::truth(a < b);
    Greater(a, b) = T::truth(a > b);
    LessEqual(a, b) = T::truth(a <= b);
    GreaterEqual(a, b) = T::truth(a >= b);
    And(a, b) = T::truth(a.is_true() && b.is_true());
    Or(a, b) = T::truth(a.is_true() || b.is_true());
}

/// NaN without a method of its own in [`Real`].
trait IsNan {
    #[allow(clippy::wrong_self_convention)]
    fn is_nan(self) -> bool;
}

impl<T: Real> IsNan for T {
    #[inline(always)]
    #[allow(clippy::eq_op)]
    fn is_nan(self) -> bool {
        self != self
    }
}
