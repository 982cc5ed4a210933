//! The element types that kernels compute in.

/// An IEEE 754 real: what a kernel may do with it.
pub trait Real:
    Copy
    + PartialOrd
    + Send
    + Sync
    + std::fmt::Debug
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Rem<Output = Self>
    + std::ops::Neg<Output = Self>
    + 'static
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// The nearest value of this type.
    fn of(value: f64) -> Self;
    /// The same value as f64.
    fn to_f64(self) -> f64;
    /// One where the condition holds, zero elsewhere.
    #[inline(always)]
    fn truth(condition: bool) -> Self {
        if condition { Self::ONE } else { Self::ZERO }
    }
    /// Whether a test on this value takes the first arm: all but zeros do, NaN too.
    #[inline(always)]
    fn is_true(self) -> bool {
        self != Self::ZERO
    }
    /// A value all of whose bits are set.
    fn all_ones() -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Exponential.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// `ln(1 + self)`.
    fn ln_1p(self) -> Self;
    /// Sine.
    fn sin(self) -> Self;
    /// Cosine.
    fn cos(self) -> Self;
    /// Tangent.
    fn tan(self) -> Self;
    /// Arc tangent of `self / x` in the quadrant of the point `(x, self)`.
    fn atan2(self, x: Self) -> Self;
    /// Hyperbolic sine.
    fn sinh(self) -> Self;
    /// Hyperbolic cosine.
    fn cosh(self) -> Self;
    /// `self` to the power `y`.
    fn powf(self, y: Self) -> Self;
    /// Largest integer not above.
    fn floor(self) -> Self;
    /// Smallest integer not below.
    fn ceil(self) -> Self;
    /// Nearest integer, ties to even.
    fn round_ties_even(self) -> Self;
    /// Integer part.
    fn trunc(self) -> Self;
}

macro_rules! real {
    ($type:ident) => {
        impl Real for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn all_ones() -> Self {
                <$type>::from_bits(!0)
            }
            real!(@unary $type abs sqrt exp ln ln_1p sin cos tan sinh cosh floor ceil round_ties_even trunc);
            #[inline(always)]
            fn atan2(self, x: Self) -> Self {
                <$type>::atan2(self, x)
            }
            #[inline(always)]
            fn powf(self, y: Self) -> Self {
                <$type>::powf(self, y)
            }
        }
    };
    (@unary $type:ident $($name:ident)*) => {
        $(#[inline(always)]
        fn $name(self) -> Self {
            <$type>::$name(self)
        })*
    };
}

real!(f64);
real!(f32);
