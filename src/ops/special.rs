//! Elementary functions written in terms of others, for ONNX Runtime, which has no double-precision kernel for them.
//!
//! Each says how many nodes it takes, constants left out, and how far it is at most from the standard library (`libm` for
//! `erf`, Taylor's series for `sinh` below 1), itself off by a unit in the last place (ulp) or two: the largest distance
//! over the edges and ten million points, in f64 and in f32, given the standard library's `exp`, `log`, `tanh`, `sin` and
//! `cos`.
//!
//! The runtime evaluates both arms of a `select`, which costs three ordinary nodes, and makes +0 of -0 in its first arm:
//! there are few, and none takes a signed zero from there. None overflows, or loses digits to
//! underflow, before the function itself does, in f32 neither.

use std::f64::consts::{PI, SQRT_2};

use super::{Emit, NodeId, Op};

/// Beyond this, `atan` is a quarter turn in f64; twice its square is finite in f32.
const FAR: f64 = (1u64 << 60) as f64;

/// `atan(t) = t + t z P(z) / Q(z)`, `z = t²`, for `|t| <= 0.66`: Cephes, `atan.c`. From the constant upwards.
const ATAN_P: [f64; 5] = [
    -64.85021904942025,
    -122.88666844901361,
    -75.00855792314705,
    -16.157537187333652,
    -0.8750608600031904,
];
/// The leading coefficient is one.
const ATAN_Q: [f64; 5] = [
    194.5506571482614,
    485.3903996359137,
    432.88106049129027,
    165.02700983169885,
    24.858464901423062,
];

/// `erf(x) = x T(z) / U(z)`, `z = x²`, for `|x| <= 1`: Cephes, `ndtr.c`. From the constant upwards.
const ERF_T: [f64; 5] = [
    55592.30130103949,
    7003.325141128051,
    2232.005345946843,
    90.02601972038427,
    9.604973739870516,
];
/// The leading coefficient is one.
const ERF_U: [f64; 5] = [
    49267.39426086359,
    22629.000061389095,
    4594.323829709801,
    521.3579497801527,
    33.56171416475031,
];
/// `erfc(x) = exp(-x²) P(x) / Q(x)`, for `1 <= x <= 8`: Cephes, `ndtr.c`. From the leading coefficient downwards, that
/// is, of `P(x) / x⁸` in `1 / x` from the constant upwards, which is as good and finite at infinity.
const ERFC_P: [f64; 9] = [
    2.461969814735305e-10,
    0.5641895648310689,
    7.463210564422699,
    48.63719709856814,
    196.5208329560771,
    526.4451949954773,
    934.5285271719576,
    1027.5518868951572,
    557.5353353693994,
];
const ERFC_Q: [f64; 9] = [
    1.0,
    13.228195115474499,
    86.70721408859897,
    354.9377788878199,
    975.7085017432055,
    1823.9091668790973,
    2246.3376081871097,
    1656.6630919416134,
    557.5353408177277,
];

/// `sin(x) / cos(x)`. 3 nodes; 2 ulp, f32 2.
pub fn tan(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let (sin, cos) = (e.op(Op::Sin, args), e.op(Op::Cos, args));
    e.div(sin, cos)
}

/// From the tangent of a quarter of the angle, `x / (d + √(2d))` where `d = 1 + √(1 - x²)`. 32 nodes; 3 ulp, f32 3.
pub fn asin(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let x = args[0];
    let (one, four) = (e.real(1.0), e.real(4.0));
    let (left, right) = (e.sub(one, x), e.add(one, x));
    let product = e.mul(left, right);
    let cos = e.op(Op::Sqrt, &[product]);
    let d = e.add(one, cos);
    let double = e.add(d, d);
    let root = e.op(Op::Sqrt, &[double]);
    let adjacent = e.add(d, root);
    let opposite = e.mul(four, x);
    let t = e.div(opposite, adjacent);
    scaled_atan(e, t, 4.0, 1.0)
}

/// From the tangent of an eighth of the angle, `√(1 - x) / (d + √(2√2 d))` where `d = √2 + √(1 + x)`: the cosine and the
/// sine of the half are `√(1 ± x) / √2`. 31 nodes; 4 ulp, f32 4.
pub fn acos(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let x = args[0];
    let (one, root_two) = (e.real(1.0), e.real(SQRT_2));
    let (left, right) = (e.sub(one, x), e.add(one, x));
    let (sin, cos) = (e.op(Op::Sqrt, &[left]), e.op(Op::Sqrt, &[right]));
    let d = e.add(root_two, cos);
    let scale = e.real(2.0 * SQRT_2);
    let scaled = e.mul(scale, d);
    let root = e.op(Op::Sqrt, &[scaled]);
    let adjacent = e.add(d, root);
    let t = e.div(sin, adjacent);
    scaled_atan(e, t, 1.0, 8.0)
}

/// Clamped to where its square is finite. 36 nodes, two of them `select`; 4 ulp, f32 4.
pub fn atan(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let x = args[0];
    let (far, minus_far) = (e.real(FAR), e.real(-FAR));
    let (above, below) = (
        e.op(Op::Greater, &[x, far]),
        e.op(Op::Less, &[x, minus_far]),
    );
    let lower = e.select(below, minus_far, x);
    let near = e.select(above, far, lower);
    atan_near(e, near)
}

/// C99's results at zeros, infinities and on the axes. 51 nodes, five of them `select`; 5 ulp, f32 4.
///
/// The angle in the first quadrant is turned to the right one. The sign of a zero is that of its reciprocal, the sign of
/// an infinity its own: their sum has the sign of both.
pub fn atan2(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let (y, x) = (args[0], args[1]);
    let (zero, one, minus_one) = (e.real(0.0), e.real(1.0), e.real(-1.0));
    let (a, b) = (e.op(Op::Abs, &[y]), e.op(Op::Abs, &[x]));
    let ratio = e.div(a, b);
    // 0 / 0 and inf / inf
    let (same, nonzero) = (e.op(Op::Equal, &[a, b]), e.op(Op::Greater, &[a, zero]));
    let middle = e.select(nonzero, one, zero);
    let slope = e.select(same, middle, ratio);
    let far = e.real(FAR);
    let steep = e.op(Op::Greater, &[slope, far]);
    let near = e.select(steep, far, slope);
    let first = atan_near(e, near);

    let pi = e.real(PI);
    let second = e.sub(pi, first);
    let back = sign_bit(e, x);
    let upper = e.select(back, second, first);
    let down = sign_bit(e, y);
    let sign = e.select(down, minus_one, one);
    e.mul(sign, upper)
}

/// Whether `x` is negative or -0.
fn sign_bit(e: &mut dyn Emit, x: NodeId) -> NodeId {
    let (zero, one) = (e.real(0.0), e.real(1.0));
    let reciprocal = e.div(one, x);
    let sum = e.add(x, reciprocal);
    e.op(Op::Less, &[sum, zero])
}

/// `atan(x)` for `|x| <= FAR`, from the tangent of a quarter of the angle, `x / (d + √(2hd))` where `h = √(1 + x²)` and
/// `d = 1 + h`. 32 nodes.
fn atan_near(e: &mut dyn Emit, x: NodeId) -> NodeId {
    let (one, four) = (e.real(1.0), e.real(4.0));
    let square = e.mul(x, x);
    let sum = e.add(one, square);
    let h = e.op(Op::Sqrt, &[sum]);
    let d = e.add(one, h);
    let double = e.add(h, h);
    let product = e.mul(double, d);
    let root = e.op(Op::Sqrt, &[product]);
    let adjacent = e.add(d, root);
    let opposite = e.mul(four, x);
    let t = e.div(opposite, adjacent);
    scaled_atan(e, t, 4.0, 1.0)
}

/// `factor * scale * atan(t / scale)` for `|t / scale| <= 0.66`, both powers of two. 22 nodes.
///
/// A product at the end, because the sum `t + t z P / Q` makes +0 of -0; a scale, because the smallest numbers have no
/// quarter.
fn scaled_atan(e: &mut dyn Emit, t: NodeId, scale: f64, factor: f64) -> NodeId {
    // Here z is scale² times that of the approximation; with P and Q times scale^10, Q's leading coefficient is one
    // again. All exact.
    let shift = |power: i32| (scale * scale).powi(5 - power);
    let p = (0..).zip(ATAN_P).map(|(i, c)| c * shift(i + 1) * factor);
    let q = (0..).zip(ATAN_Q).map(|(i, c)| c * shift(i));
    let (p, q): (Vec<f64>, Vec<f64>) = (p.collect(), q.collect());
    let z = e.mul(t, t);
    let above = polynomial(e, z, &p);
    let below = monic(e, z, &q);
    let quotient = e.div(above, below);
    let rest = e.mul(z, quotient);
    let factor = e.real(factor);
    let slope = e.add(factor, rest);
    e.mul(t, slope)
}

/// `tanh(x) cosh(x)`: no cancellation near zero. 9 nodes; 4 ulp, f32 4.
pub fn sinh(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let (tanh, cosh) = (e.op(Op::Tanh, args), cosh(e, args));
    e.mul(tanh, cosh)
}

/// `p + 1 / 4p` where `p = exp(|x|) / 2`, by half the exponent squared, so that `p` overflows only where `cosh` does. 7 nodes;
/// 2 ulp, f32 2.
pub fn cosh(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let (half, quarter) = (e.real(0.5), e.real(0.25));
    let size = e.op(Op::Abs, args);
    let exponent = e.mul(half, size);
    let root = e.op(Op::Exp, &[exponent]);
    let half_root = e.mul(half, root);
    let p = e.mul(half_root, root);
    let other = e.div(quarter, p);
    e.add(p, other)
}

/// `max(x, 0) + log(1 + u)` where `u = exp(-|x|)`. What rounding `w = 1 + u` loses comes back as `(u - (w - 1)) / w`.
/// 12 nodes, one of them `select`; 2 ulp, f32 2.
pub fn softplus(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let x = args[0];
    let (zero, one) = (e.real(0.0), e.real(1.0));
    let size = e.op(Op::Abs, &[x]);
    let exponent = e.neg(size);
    let u = e.op(Op::Exp, &[exponent]);
    let w = e.add(one, u);
    let log = e.op(Op::Log, &[w]);
    let kept = e.sub(w, one);
    let lost = e.sub(u, kept);
    let correction = e.div(lost, w);
    let log = e.add(log, correction);
    let negative = e.op(Op::LessEqual, &[x, zero]);
    let positive = e.select(negative, zero, x);
    e.add(positive, log)
}

/// `1 - erfc(|x|)` with the sign of `x` from 1 on, a rational function of `x²` below. 64 nodes, two of them `select`; 3 ulp,
/// f32 3.
pub fn erf(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let x = args[0];
    let (one, minus_one) = (e.real(1.0), e.real(-1.0));
    let z = e.mul(x, x);

    let above = polynomial(e, z, &ERF_T);
    let below = monic(e, z, &ERF_U);
    let factor = e.div(above, below);
    let inner = e.mul(x, factor);

    let size = e.op(Op::Abs, &[x]);
    let v = e.div(one, size);
    let above = polynomial(e, v, &ERFC_P);
    let below = polynomial(e, v, &ERFC_Q);
    let ratio = e.div(above, below);
    let exponent = e.neg(z);
    let power = e.op(Op::Exp, &[exponent]);
    let complement = e.mul(power, ratio);
    let outer = e.sub(one, complement);
    let mirrored = e.sub(complement, one);

    let (right, left) = (
        e.op(Op::GreaterEqual, &[x, one]),
        e.op(Op::LessEqual, &[x, minus_one]),
    );
    let lower = e.select(left, mirrored, inner);
    e.select(right, outer, lower)
}

/// The polynomial whose coefficients are `low`, from the constant upwards, by Horner's rule.
fn polynomial(e: &mut dyn Emit, x: NodeId, low: &[f64]) -> NodeId {
    let (leading, low) = low.split_last().expect("a coefficient");
    let leading = e.real(*leading);
    let first = e.mul(leading, x);
    horner(e, x, first, low)
}

/// The same with a leading coefficient of one on top.
fn monic(e: &mut dyn Emit, x: NodeId, low: &[f64]) -> NodeId {
    horner(e, x, x, low)
}

/// `first + low[n - 1]`, times `x`, and so on down.
fn horner(e: &mut dyn Emit, x: NodeId, first: NodeId, low: &[f64]) -> NodeId {
    let (constant, others) = low.split_first().expect("a coefficient");
    let value = others.iter().rev().fold(first, |value, coefficient| {
        let coefficient = e.real(*coefficient);
        let sum = e.add(value, coefficient);
        e.mul(sum, x)
    });
    let constant = e.real(*constant);
    e.add(value, constant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::kernel::Kernel;
    use crate::ops::real::Real;
    use crate::ops::{Linear, OnnxForm, Role};

    /// What the test knows of an element type.
    trait Lane: Real {
        fn unary(kernel: &Kernel) -> Option<fn(Self) -> Self>;
        fn binary(kernel: &Kernel) -> Option<fn(Self, Self) -> Self>;
        fn from_pattern(bits: u64) -> Self;
        /// Consecutive for consecutive numbers.
        fn place(self) -> i64;
        fn next(self, up: bool) -> Self;
    }

    macro_rules! lane {
        ($type:ident, $bits:ident, $signed:ident, $first:pat, $second:pat, $f:ident) => {
            impl Lane for $type {
                fn unary(kernel: &Kernel) -> Option<fn(Self) -> Self> {
                    match kernel {
                        Kernel::Unary($first, $second) => Some($f.scalar),
                        Kernel::Binary(..) => None,
                    }
                }
                fn binary(kernel: &Kernel) -> Option<fn(Self, Self) -> Self> {
                    match kernel {
                        Kernel::Binary($first, $second) => Some($f.scalar),
                        Kernel::Unary(..) => None,
                    }
                }
                fn from_pattern(bits: u64) -> Self {
                    <$type>::from_bits((bits >> (64 - $bits::BITS)) as $bits)
                }
                fn place(self) -> i64 {
                    let size = i64::from(self.abs().to_bits() as $signed);
                    if self.is_sign_negative() {
                        -1 - size
                    } else {
                        size
                    }
                }
                fn next(self, up: bool) -> Self {
                    if up { self.next_up() } else { self.next_down() }
                }
            }
        };
    }

    lane!(f64, u64, i64, f, _, f);
    lane!(f32, u32, i32, _, f, f);

    /// Evaluates what is emitted at once.
    struct Direct<T> {
        values: Vec<T>,
        nodes: usize,
    }

    impl<T: Lane> Direct<T> {
        fn push(&mut self, value: T) -> NodeId {
            self.values.push(value);
            NodeId(self.values.len() as u32 - 1)
        }

        fn apply(&mut self, op: Op, args: &[T]) -> T {
            let OnnxForm::Decomposed(rule) = op.row().onnx else {
                panic!("{} is not written in terms of others", op.name());
            };
            self.values.clear();
            self.nodes = 0;
            let args: Vec<NodeId> = args.iter().map(|x| self.push(*x)).collect();
            let out = rule(self, &args);
            self.values[out.index()]
        }
    }

    impl<T: Lane> Emit for Direct<T> {
        fn op(&mut self, op: Op, args: &[NodeId]) -> NodeId {
            assert!(matches!(op.row().onnx, OnnxForm::Operator(_)));
            self.nodes += 1;
            let at = |i: usize| self.values[args[i].index()];
            let value = match op.row().role {
                // The first arm loses the sign of a zero.
                _ if op == Op::Select && at(0).is_true() => at(1) + T::ZERO,
                _ if op == Op::Select => at(2),
                Role::Numeric {
                    kernel: Some(kernel),
                    ..
                } => match (T::unary(&kernel), T::binary(&kernel)) {
                    (Some(f), _) => f(at(0)),
                    (_, Some(f)) => f(at(0), at(1)),
                    _ => unreachable!(),
                },
                _ => panic!("{} has no kernel", op.name()),
            };
            self.push(value)
        }

        fn linear(&mut self, _: Linear, _: &[NodeId], _: usize) -> NodeId {
            unreachable!("elementary functions take no linear algebra")
        }

        fn real(&mut self, value: f64) -> NodeId {
            self.push(T::of(value))
        }

        fn known(&self, _: NodeId) -> Option<f64> {
            None
        }
    }

    /// Numbers from `a` to `b`. All NaNs are one; different signs, of zeros too, are as far as can be.
    fn ulps<T: Lane>(a: T, b: T) -> u64 {
        let nan = |x: T| x.to_f64().is_nan();
        match (nan(a), nan(b)) {
            (true, true) => 0,
            (false, false) if (a.place() < 0) == (b.place() < 0) => a.place().abs_diff(b.place()),
            _ => u64::MAX,
        }
    }

    /// SplitMix64.
    struct Random(u64);

    impl Random {
        fn bits(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        fn within(&mut self, limit: f64) -> f64 {
            ((self.bits() >> 10) as f64 / (1u64 << 53) as f64 - 1.0) * limit
        }
    }

    /// Points of one kind.
    const COUNT: usize = 2000;

    fn edges<T: Lane>() -> Vec<T> {
        let sizes = [
            0.0,
            1e-310,
            1e-300,
            1e-45,
            1e-40,
            1e-38,
            1e-20,
            1e-16,
            1e-9,
            0.5,
            0.66,
            1.0,
            2.0,
            4.0,
            6.0,
            20.0,
            36.0,
            37.5,
            88.0,
            89.4,
            103.0,
            708.4,
            709.8,
            710.4,
            710.48,
            745.2,
            1420.0,
            FAR,
            1e19,
            1e30,
            1e154,
            1e300,
            f64::MAX,
            PI,
            PI / 2.0,
            f64::INFINITY,
            f64::NAN,
        ];
        let near = |x: f64| {
            let x = T::of(x);
            let up = [x, x.next(true), x.next(true).next(true)];
            [up, [x.next(false), x.next(false).next(false), x]].concat()
        };
        let signed = sizes.iter().flat_map(|x| [*x, -*x]);
        signed
            .flat_map(near)
            .chain([T::from_pattern(1 << 32), T::from_pattern(1)])
            .collect()
    }

    fn points<T: Lane>() -> Vec<T> {
        let (mut random, count) = (Random(7), COUNT);
        let mut all = edges();
        all.extend((0..count).map(|_| T::from_pattern(random.bits())));
        for limit in [1e-3, 1.0, 1.5, 3.0, 7.0, 40.0, 720.0, 1e6] {
            all.extend((0..count).map(|_| T::of(random.within(limit))));
            let dense = (0..=count).map(|i| (2.0 * i as f64 / count as f64 - 1.0) * limit);
            all.extend(dense.map(T::of));
        }
        all
    }

    fn pairs<T: Lane>() -> Vec<Vec<T>> {
        let edges: Vec<T> = edges();
        let mut random = Random(11);
        let mut all = Vec::new();
        for y in &edges {
            all.extend(edges.iter().map(|x| vec![*y, *x]));
        }
        for _ in 0..4 * COUNT {
            all.push(vec![
                T::from_pattern(random.bits()),
                T::from_pattern(random.bits()),
            ]);
            for (y, x) in [(1.0, 1.0), (1e-3, 1e3), (1e3, 1e-3)] {
                all.push(vec![T::of(random.within(y)), T::of(random.within(x))]);
            }
        }
        all
    }

    /// Checks the number of nodes and the distance to `reference` at `inputs`.
    fn check<T: Lane>(
        op: Op,
        nodes: usize,
        limit: u64,
        reference: impl Fn(&[T]) -> T,
        inputs: &[Vec<T>],
    ) {
        let mut direct = Direct {
            values: Vec::new(),
            nodes: 0,
        };
        for args in inputs {
            let (got, want) = (direct.apply(op, args), reference(args));
            let distance = ulps(got, want);
            assert!(
                distance <= limit,
                "{} {args:?}: {got:?}, not {want:?}; {distance} ulp",
                op.name()
            );
        }
        assert_eq!(direct.nodes, nodes, "{}", op.name());
    }

    /// By Taylor's series where the standard library is off by more than one ulp.
    fn sinh(x: f64) -> f64 {
        if x.abs() > 1.0 {
            return x.sinh();
        }
        let rest = (1..12).rev().fold(0.0, |rest, i| {
            (1.0 + rest) * x * x / f64::from(2 * i * (2 * i + 1))
        });
        x + x * rest
    }

    fn softplus(x: f64) -> f64 {
        x.max(0.0) + (-x.abs()).exp().ln_1p()
    }

    type Function = fn(f64) -> f64;

    /// `f`, and NaN at NaN: `max` ignores it.
    fn keep_nan(f: Function) -> impl Fn(f64) -> f64 {
        move |x| if x.is_nan() { x } else { f(x) }
    }

    #[test]
    fn unary_functions_are_within_their_limits() {
        // function, nodes, limits in f64 and f32; cosh stands one above its own, for the kernel of exp that this test
        // runs is itself a unit off the standard library's
        let functions: [(Op, usize, u64, u64, Function); 8] = [
            (Op::Tan, 3, 2, 2, f64::tan),
            (Op::Asin, 32, 3, 3, f64::asin),
            (Op::Acos, 31, 4, 4, f64::acos),
            (Op::Atan, 36, 4, 4, f64::atan),
            (Op::Sinh, 9, 4, 4, sinh),
            (Op::Cosh, 7, 3, 2, f64::cosh),
            (Op::Softplus, 12, 2, 2, softplus),
            (Op::Erf, 64, 3, 3, libm::erf),
        ];
        let double: Vec<Vec<f64>> = points().into_iter().map(|x| vec![x]).collect();
        let single: Vec<Vec<f32>> = points().into_iter().map(|x| vec![x]).collect();
        for (op, nodes, in_f64, in_f32, f) in functions {
            let f = keep_nan(f);
            check(op, nodes, in_f64, |x| f(x[0]), &double);
            check(op, nodes, in_f32, |x| f(f64::from(x[0])) as f32, &single);
        }
    }

    #[test]
    fn atan2_is_within_its_limits() {
        check(Op::Atan2, 51, 5, |a| f64::atan2(a[0], a[1]), &pairs());
        let single = |a: &[f32]| f64::atan2(f64::from(a[0]), f64::from(a[1])) as f32;
        check(Op::Atan2, 51, 4, single, &pairs());
    }
}
