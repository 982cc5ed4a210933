//! Elementary functions: against values of 106 bits, at their edges, and the same bits on every instruction set.

use ncg::ops::kernel::{Kernel, Operand};
use ncg::ops::real::Real;
use ncg::ops::{self, Role};
use ncg::ops::{PAIRS, pair_kernels};
use pulp::Arch;

/// Functions, and how many units in the last place they may be off: in f64, and in f32 where they round once from f64.
const LIMITS: [(&str, f64, f64); 16] = [
    ("exp", 1.0, 0.501),
    ("log", 1.0, 0.501),
    ("sin", 1.0, 0.501),
    ("cos", 1.0, 0.501),
    ("tan", 1.0, 0.501),
    ("asin", 1.0, 0.501),
    ("acos", 1.0, 0.501),
    ("atan", 1.0, 0.501),
    ("sinh", 1.0, 0.501),
    ("cosh", 1.0, 0.501),
    ("tanh", 1.0, 0.501),
    ("sigmoid", 2.0, 0.501),
    ("softplus", 2.0, 0.501),
    ("erf", 1.0, 0.501),
    ("expt", 1.0, 0.501),
    ("atan2", 1.5, 0.501),
];

fn kernel(name: &str) -> Kernel {
    let op = ops::find(name).expect("an operation");
    match op.row().role {
        Role::Numeric {
            kernel: Some(kernel),
            ..
        } => kernel,
        _ => panic!("{name} has no kernel"),
    }
}

fn apply<T: Real>(kernel: &Kernel, args: &[T]) -> T {
    match *args {
        [x] => (kernel.unary().expect("of one number").scalar)(x),
        [a, b] => (kernel.binary().expect("of two numbers").scalar)(a, b),
        _ => unreachable!("one or two arguments"),
    }
}

/// A number as Python writes it in hexadecimal.
fn number(text: &str) -> f64 {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, exponent) = rest
        .strip_prefix("0x")
        .and_then(|rest| rest.split_once('p'))
        .expect("hexadecimal");
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let bits = u64::from_str_radix(&format!("{whole}{fraction}"), 16).expect("digits");
    let exponent = exponent.parse::<i32>().expect("an exponent") - 4 * fraction.len() as i32;
    // in two steps, both exact: neither power is out of range, nor is the product but at the end
    let half = exponent / 2;
    let size = bits as f64 * f64::from(half).exp2() * f64::from(exponent - half).exp2();
    if negative { -size } else { size }
}

/// The distance between neighbours at a number, in a type with so many digits and this smallest exponent.
fn unit(value: f64, digits: i32, smallest: i32) -> f64 {
    let exponent = ((value.abs().to_bits() >> 52) as i32 - 1023).max(smallest);
    f64::from((exponent - digits + 1).max(-1074)).exp2()
}

#[test]
fn values_are_within_their_limits_of_those_of_106_bits() {
    let mut most = vec![[0.0f64; 2]; LIMITS.len()];
    for line in include_str!("data/elementary/values.txt").lines() {
        let (name, numbers) = line.split_once(' ').expect("a name");
        let numbers: Vec<f64> = numbers.split(' ').map(number).collect();
        let (args, value) = numbers.split_at(numbers.len() - 2);
        let at = LIMITS
            .iter()
            .position(|row| row.0 == name)
            .expect("a function");
        let kernel = kernel(name);
        let off = ((apply(&kernel, args) - value[0]) - value[1]).abs() / unit(value[0], 53, -1022);
        assert!(off <= LIMITS[at].1, "{line}: {off} ulp");
        most[at][0] = most[at][0].max(off);
        let singles: Vec<f32> = args.iter().map(|x| *x as f32).collect();
        let fits = singles
            .iter()
            .zip(args)
            .all(|(single, x)| f64::from(*single) == *x);
        if fits && value[0].abs() < f64::from(f32::MAX) {
            let result = f64::from(apply(&kernel, &singles));
            let off = ((result - value[0]) - value[1]).abs() / unit(value[0], 24, -126);
            assert!(off <= LIMITS[at].2, "{line}: {off} ulp in f32");
            most[at][1] = most[at][1].max(off);
        }
    }
    for ((name, ..), [double, single]) in LIMITS.iter().zip(most) {
        println!("{name} {double:.3} ulp, f32 {single:.4} ulp");
        assert!(double > 0.3, "{name} has no values");
    }
}

/// Points over all orders of magnitude, and the numbers where there is something to go wrong.
fn points() -> Vec<f64> {
    let mut points = Vec::new();
    for i in 0..6000u64 {
        // multiples of the golden ratio are spread evenly
        points.push(f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        points.push((i as f64 - 3000.0) / 400.0);
        points.push((i as f64 - 3000.0) * 0.3);
    }
    for edge in EDGES {
        for sign in [1.0, -1.0] {
            let x = sign * edge;
            points.extend([x, x.next_up(), x.next_down()]);
        }
    }
    points
}

const EDGES: [f64; 36] = [
    0.0,
    5e-324,
    f64::MIN_POSITIVE,
    1e-160,
    1e-17,
    0.4375,
    0.5,
    0.625,
    0.6744,
    0.6875,
    std::f64::consts::FRAC_PI_4,
    1.0,
    1.1875,
    std::f64::consts::FRAC_PI_2,
    2.0,
    2.4375,
    3.0,
    std::f64::consts::PI,
    6.0,
    22.0,
    40.0,
    708.0,
    709.782_712_893_384,
    710.475_860_073_943_9,
    745.133_219_101_941_2,
    1020.0,
    1074.0,
    8192.0,
    1e15,
    9_007_199_254_740_992.0,
    1e19,
    1e154,
    1e300,
    f64::MAX,
    f64::INFINITY,
    f64::NAN,
];

/// The standard library's, where it has the function.
fn standard(name: &str, args: &[f64]) -> f64 {
    let x = args[0];
    match name {
        "exp" => x.exp(),
        "log" => x.ln(),
        "sin" => x.sin(),
        "cos" => x.cos(),
        "tan" => x.tan(),
        "asin" => x.asin(),
        "acos" => x.acos(),
        "atan" => x.atan(),
        "sinh" => x.sinh(),
        "cosh" => x.cosh(),
        "tanh" => x.tanh(),
        "sigmoid" => 1.0 / (1.0 + (-x).exp()),
        "softplus" => x.max(0.0) + (-x.abs()).exp().ln_1p() + 0.0 * x,
        "erf" => libm::erf(x),
        "expt" => x.powf(args[1]),
        _ => x.atan2(args[1]),
    }
}

/// The values of `standard` are themselves off by a unit or two.
fn compare(name: &str, limit: f64, args: &[f64]) {
    let (value, wanted) = (apply(&kernel(name), args), standard(name, args));
    let exact = wanted.is_nan() || wanted.is_infinite() || wanted == 0.0;
    let good = match exact {
        true => value.to_bits() == wanted.to_bits() || value.is_nan() && wanted.is_nan(),
        false => (value - wanted).abs() <= (limit + 2.0) * unit(wanted, 53, -1022),
    };
    assert!(
        good,
        "{name} {args:?}: {value:?}, standard library {wanted:?}"
    );
}

#[test]
fn the_standard_library_is_near_everywhere_and_agrees_at_the_edges() {
    let points = points();
    for (name, limit, _) in LIMITS {
        match kernel(name) {
            Kernel::Unary(..) => points.iter().for_each(|x| {
                // infinity less infinity
                if name != "softplus" || *x != f64::NEG_INFINITY && *x != f64::INFINITY {
                    compare(name, limit, &[*x]);
                }
            }),
            Kernel::Binary(..) => {
                for (i, x) in points.iter().enumerate() {
                    compare(name, limit, &[*x, points[(i * 7919) % points.len()]]);
                    compare(name, limit, &[*x, (i % 19) as f64 / 2.0 - 4.0]);
                }
                let edges = &points[18_000..];
                for x in edges {
                    edges.iter().for_each(|y| compare(name, limit, &[*x, *y]));
                }
            }
        }
    }
}

#[test]
fn powers_that_are_numbers_are_exact() {
    let power = |x: f64, y: f64| apply(&kernel("expt"), &[x, y]);
    for x in -40..=40 {
        let mut exact = 1i128;
        for y in 0..40 {
            if exact.unsigned_abs() < 1 << 53 {
                assert_eq!(power(f64::from(x), f64::from(y)), exact as f64, "{x}^{y}");
            }
            exact = exact.saturating_mul(x.into());
        }
    }
    for x in 0..1 << 20 {
        let x = f64::from(x);
        assert_eq!(power(x * x, 0.5), x, "{x}^2^0.5");
    }
    for x in points().iter().filter(|x| x.is_finite()) {
        assert_eq!(power(*x, 1.0).to_bits(), x.to_bits(), "{x}^1");
        assert_eq!(power(*x, 0.0), 1.0, "{x}^0");
    }
}

/// Calls `f` with each instruction set of this processor.
fn each_arch(f: impl Fn(Arch, &str)) {
    f(Arch::Scalar, "scalar");
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = pulp::x86::V3::try_new() {
            f(Arch::V3(simd), "AVX2");
        }
        if let Some(simd) = pulp::x86::V4::try_new() {
            f(Arch::V4(simd), "AVX-512");
        }
    }
    f(Arch::new(), "the best");
}

fn same_bits_in_blocks<T: Real>(points: &[T], bits: fn(T) -> u64) {
    for (name, ..) in LIMITS {
        let kernel = kernel(name);
        each_arch(|arch, which| {
            // blocks of each length, so that a number stands at each place of a vector and behind the last
            for length in [1, 2, 3, 5, 8, 13, 64, 127, 128] {
                let others: Vec<T> = points.iter().rev().copied().collect();
                for (a, b) in points.chunks(length).zip(others.chunks(length)) {
                    let mut out = vec![T::ZERO; a.len()];
                    let mut check = |operands: [Operand<T>; 2]| {
                        let at = |operand: Operand<T>, i: usize| match operand {
                            Operand::Block(block) => block[i],
                            Operand::Uniform(value) => value,
                        };
                        match (kernel.unary::<T>(), kernel.binary::<T>()) {
                            (Some(f), _) => (f.block)(arch, a, &mut out),
                            (_, Some(f)) => (f.block)(arch, operands[0], operands[1], &mut out),
                            _ => unreachable!("of one number or two"),
                        }
                        for (i, out) in out.iter().enumerate() {
                            let args = [at(operands[0], i), at(operands[1], i)];
                            let args = &args[..if kernel.unary::<T>().is_some() { 1 } else { 2 }];
                            let alone = apply(&kernel, args);
                            let same = bits(*out) == bits(alone)
                                || out.to_f64().is_nan() && alone.to_f64().is_nan();
                            assert!(same, "{name} {args:?} on {which}: {out:?}, alone {alone:?}");
                        }
                    };
                    check([Operand::Block(a), Operand::Block(b)]);
                    if kernel.binary::<T>().is_some() {
                        check([Operand::Block(a), Operand::Uniform(b[0])]);
                        check([Operand::Uniform(a[0]), Operand::Block(b)]);
                        check([Operand::Uniform(a[0]), Operand::Uniform(b[0])]);
                    }
                }
            }
        });
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits_in_blocks_as_alone() {
    let points: Vec<f64> = points().into_iter().step_by(11).collect();
    same_bits_in_blocks(&points, f64::to_bits);
    let singles: Vec<f32> = points.iter().map(|x| *x as f32).collect();
    same_bits_in_blocks(&singles, |x| u64::from(x.to_bits()));
}

fn same_bits_in_pairs<T: Real>(points: &[T], bits: fn(T) -> u64) {
    for (pair, names) in pair_kernels::<T>().iter().zip(PAIRS) {
        each_arch(|arch, which| {
            for length in [1, 3, 8, 13, 128] {
                for block in points.chunks(length) {
                    let mut out = [vec![T::ZERO; block.len()], vec![T::ZERO; block.len()]];
                    let [first, second] = &mut out;
                    (pair.block)(arch, block, [first, second]);
                    for (place, out) in out.iter().enumerate() {
                        let Role::Numeric {
                            kernel: Some(kernel),
                            ..
                        } = names[place].row().role
                        else {
                            panic!("a function");
                        };
                        for (x, value) in block.iter().zip(out) {
                            let alone = apply(&kernel, &[*x]);
                            let same = bits(*value) == bits(alone)
                                || value.to_f64().is_nan() && alone.to_f64().is_nan();
                            assert!(
                                same,
                                "{} {x:?} on {which}: {value:?}, alone {alone:?}",
                                names[place].name()
                            );
                        }
                    }
                }
            }
        });
    }
}

#[test]
fn two_functions_at_once_give_the_bits_of_each_alone() {
    let points: Vec<f64> = points().into_iter().step_by(3).collect();
    same_bits_in_pairs(&points, f64::to_bits);
    let singles: Vec<f32> = points.iter().map(|x| *x as f32).collect();
    same_bits_in_pairs(&singles, |x| u64::from(x.to_bits()));
}
