//! Kernels: an operation on numbers, as a function of one sample and as a function of a block of samples.
//!
//! A block function is compiled for each instruction set that `pulp` knows and picked at run time. It applies the scalar
//! function to each element, so that both give the same bits and a result does not depend on the place in a block.

use std::any::Any;
use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};

use super::real::Real;

/// An argument of a block function: one value a sample, or one for all of them.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a, T> {
    /// One value a sample.
    Block(&'a [T]),
    /// One value for the whole block.
    Uniform(T),
}

/// A function of one number.
#[derive(Clone, Copy)]
pub struct Unary<T> {
    /// The function.
    pub scalar: fn(T) -> T,
    /// The function over a block: argument, result.
    pub block: fn(Arch, &[T], &mut [T]),
    /// The function, for machine code to call.
    #[cfg(target_arch = "x86_64")]
    pub call: extern "sysv64" fn(T) -> T,
}

/// A function of two numbers.
#[derive(Clone, Copy)]
pub struct Binary<T> {
    /// The function.
    pub scalar: fn(T, T) -> T,
    /// The function over a block: arguments, result.
    pub block: fn(Arch, Operand<T>, Operand<T>, &mut [T]),
    /// The function, for machine code to call.
    #[cfg(target_arch = "x86_64")]
    pub call: extern "sysv64" fn(T, T) -> T,
}

/// Two functions of one number that share most of their work.
#[derive(Clone, Copy)]
pub struct Pair<T> {
    /// Each alone.
    pub alone: [Unary<T>; 2],
    /// Both over a block, to the same bits: argument, results.
    pub block: fn(Arch, &[T], [&mut [T]; 2]),
}

/// The kernel of an operation in both element types.
#[derive(Clone, Copy)]
pub enum Kernel {
    /// One argument.
    Unary(Unary<f64>, Unary<f32>),
    /// Two arguments.
    Binary(Binary<f64>, Binary<f32>),
}

impl Kernel {
    /// The function of one number in element type `T`, if this is one.
    pub fn unary<T: Real>(&self) -> Option<Unary<T>> {
        match self {
            Kernel::Unary(double, single) => pick(double, single),
            Kernel::Binary(..) => None,
        }
    }

    /// The function of two numbers in element type `T`, if this is one.
    pub fn binary<T: Real>(&self) -> Option<Binary<T>> {
        match self {
            Kernel::Binary(double, single) => pick(double, single),
            Kernel::Unary(..) => None,
        }
    }
}

/// The one of the two that is a `K`.
fn pick<K: Copy + 'static>(double: &dyn Any, single: &dyn Any) -> Option<K> {
    double
        .downcast_ref::<K>()
        .or_else(|| single.downcast_ref::<K>())
        .copied()
}

/// A kernel's one-sample function, generic over the element type; the table is built from it.
pub trait UnaryFn {
    /// The value at `x`.
    fn apply<T: Real>(x: T) -> T;

    /// The same, without branches, where `x` is not rare.
    #[inline(always)]
    fn fast<T: Real>(x: T) -> T {
        Self::apply(x)
    }

    /// Whether `fast` does not hold at `x`.
    #[inline(always)]
    fn rare<T: Real>(_: T) -> bool {
        false
    }
}

/// Two functions of one number that share most of their work.
pub trait PairFn {
    /// The first alone.
    type First: UnaryFn;
    /// The second alone.
    type Second: UnaryFn;

    /// The values of both at `x`, without branches, where `x` is rare for neither: those of `fast`.
    fn fast<T: Real>(x: T) -> (T, T);
}

/// A kernel's one-sample function of two arguments.
pub trait BinaryFn {
    /// The value at `(a, b)`.
    fn apply<T: Real>(a: T, b: T) -> T;

    /// The same, without branches, where `(a, b)` is not rare.
    #[inline(always)]
    fn fast<T: Real>(a: T, b: T) -> T {
        Self::apply(a, b)
    }

    /// Whether `fast` does not hold at `(a, b)`.
    #[inline(always)]
    fn rare<T: Real>(_: T, _: T) -> bool {
        false
    }
}

/// The kernel that `F` defines.
pub const fn unary<F: UnaryFn>() -> Kernel {
    Kernel::Unary(alone::<F, f64>(), alone::<F, f32>())
}

const fn alone<F: UnaryFn, T: Real>() -> Unary<T> {
    Unary {
        scalar: F::apply::<T>,
        block: unary_block::<F, T>,
        #[cfg(target_arch = "x86_64")]
        call: unary_call::<F, T>,
    }
}

/// The kernel of the two functions of `F`.
pub const fn pair<F: PairFn, T: Real>() -> Pair<T> {
    Pair {
        alone: [alone::<F::First, T>(), alone::<F::Second, T>()],
        block: pair_block::<F, T>,
    }
}

/// The kernel that `F` defines.
pub const fn binary<F: BinaryFn>() -> Kernel {
    Kernel::Binary(
        Binary {
            scalar: F::apply::<f64>,
            block: binary_block::<F, f64>,
            #[cfg(target_arch = "x86_64")]
            call: binary_call::<F, f64>,
        },
        Binary {
            scalar: F::apply::<f32>,
            block: binary_block::<F, f32>,
            #[cfg(target_arch = "x86_64")]
            call: binary_call::<F, f32>,
        },
    )
}

#[cfg(target_arch = "x86_64")]
extern "sysv64" fn unary_call<F: UnaryFn, T: Real>(x: T) -> T {
    F::apply(x)
}

#[cfg(target_arch = "x86_64")]
extern "sysv64" fn binary_call<F: BinaryFn, T: Real>(a: T, b: T) -> T {
    F::apply(a, b)
}

/// A loop that `pulp` compiles for each instruction set; a type rather than a closure, so that it is surely inlined.
struct Loop<A, F>(A, PhantomData<F>);

fn unary_block<F: UnaryFn, T: Real>(arch: Arch, x: &[T], out: &mut [T]) {
    arch.dispatch(Loop::<_, F>((x, out), PhantomData));
}

impl<F: UnaryFn, T: Real> WithSimd for Loop<(&[T], &mut [T]), F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (x, out) = self.0;
        let mut rare = false;
        for (out, x) in out.iter_mut().zip(x) {
            *out = F::fast(*x);
            rare |= F::rare(*x);
        }
        if rare {
            redo::<F, T>(x, out);
        }
    }
}

/// Puts right what is rare.
#[inline(never)]
fn redo<F: UnaryFn, T: Real>(x: &[T], out: &mut [T]) {
    for (out, x) in out.iter_mut().zip(x) {
        if F::rare(*x) {
            *out = F::apply(*x);
        }
    }
}

fn pair_block<F: PairFn, T: Real>(arch: Arch, x: &[T], out: [&mut [T]; 2]) {
    arch.dispatch(Loop::<_, F>((x, out), PhantomData));
}

impl<F: PairFn, T: Real> WithSimd for Loop<(&[T], [&mut [T]; 2]), F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (x, [first, second]) = self.0;
        // one flag for both: with two the compiler finds no vector code
        let mut rare = false;
        for ((first, second), x) in first.iter_mut().zip(second.iter_mut()).zip(x) {
            (*first, *second) = F::fast(*x);
            rare |= F::First::rare(*x) | F::Second::rare(*x);
        }
        if rare {
            redo::<F::First, T>(x, first);
            redo::<F::Second, T>(x, second);
        }
    }
}

fn binary_block<F: BinaryFn, T: Real>(arch: Arch, a: Operand<T>, b: Operand<T>, out: &mut [T]) {
    arch.dispatch(Loop::<_, F>((a, b, out), PhantomData));
}

impl<F: BinaryFn, T: Real> WithSimd for Loop<(Operand<'_, T>, Operand<'_, T>, &mut [T]), F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (a, b, out) = self.0;
        let rare = match (a, b) {
            (Operand::Block(a), Operand::Block(b)) => {
                each::<F, T>(a.iter().zip(b).map(|(a, b)| (*a, *b)), out)
            }
            (Operand::Block(a), Operand::Uniform(b)) => {
                each::<F, T>(a.iter().map(|a| (*a, b)), out)
            }
            (Operand::Uniform(a), Operand::Block(b)) => {
                each::<F, T>(b.iter().map(|b| (a, *b)), out)
            }
            (Operand::Uniform(a), Operand::Uniform(b)) => {
                out.fill(F::apply(a, b));
                false
            }
        };
        if rare {
            redo_pairs::<F, T>(a, b, out);
        }
    }
}

/// Says whether any of the pairs is rare.
#[inline(always)]
fn each<F: BinaryFn, T: Real>(pairs: impl Iterator<Item = (T, T)>, out: &mut [T]) -> bool {
    let mut rare = false;
    for (out, (a, b)) in out.iter_mut().zip(pairs) {
        *out = F::fast(a, b);
        rare |= F::rare(a, b);
    }
    rare
}

/// Puts right what is rare.
#[inline(never)]
fn redo_pairs<F: BinaryFn, T: Real>(a: Operand<T>, b: Operand<T>, out: &mut [T]) {
    let at = |operand: Operand<T>, i: usize| match operand {
        Operand::Block(values) => values[i],
        Operand::Uniform(value) => value,
    };
    for (i, out) in out.iter_mut().enumerate() {
        let (a, b) = (at(a, i), at(b, i));
        if F::rare(a, b) {
            *out = F::apply(a, b);
        }
    }
}
