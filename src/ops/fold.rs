//! What operations give on constants: exact integers stay exact, everything else goes through the kernels.

use super::kernel::Kernel;
use super::{Op, Role, linear};
use crate::syntax::ast::Constant;

/// The value of a numeric operation on constant numbers, as an engine would give it; integers stay exact where the
/// language says so. `None` where the operation has no kernel or the arguments do not fit it.
pub fn fold(op: Op, args: &[Constant]) -> Option<Constant> {
    if let Some(integers) = args.iter().map(integer).collect::<Option<Vec<i64>>>()
        && let Some(value) = exact(op, &integers)
    {
        return Some(value);
    }
    if matches!(op, Op::DetOf | Op::LogDetOf | Op::Pick) {
        return many(op, args).map(Constant::Real);
    }
    let Role::Numeric {
        kernel: Some(kernel),
        boolean,
        ..
    } = op.row().role
    else {
        return None;
    };
    let reals = args
        .iter()
        .map(Constant::as_real)
        .collect::<Option<Vec<f64>>>()?;
    let value = match (kernel, reals.as_slice()) {
        (Kernel::Unary(f, _), [x]) => (f.scalar)(*x),
        (Kernel::Binary(f, _), [a, rest @ ..]) if !rest.is_empty() => {
            if rest.len() > 1 && !matches!(op, Op::Min | Op::Max) {
                return None;
            }
            rest.iter().fold(*a, |a, b| (f.scalar)(a, *b))
        }
        _ => return None,
    };
    Some(match boolean {
        true => Constant::Bool(value != 0.0),
        false => Constant::Real(value),
    })
}

/// What the operations on many numbers give.
fn many(op: Op, args: &[Constant]) -> Option<f64> {
    let mut reals: Vec<f64> = args.iter().map(Constant::as_real).collect::<Option<_>>()?;
    Some(match op {
        Op::DetOf => linear::det(linear::side(reals.len())?, &mut reals),
        Op::LogDetOf => linear::logdet(linear::side(reals.len())?, &mut reals),
        _ => {
            let (index, numbers) = reals.split_first()?;
            let place = (0..numbers.len()).find(|place| *place as f64 == *index);
            place.map_or(f64::NAN, |place| numbers[place])
        }
    })
}

fn integer(constant: &Constant) -> Option<i64> {
    match constant {
        Constant::Int(value) => Some(*value),
        Constant::Bool(value) => Some(i64::from(*value)),
        _ => None,
    }
}

/// Exact arithmetic; `None` where the result is no exact integer, by overflow or by nature.
pub(crate) fn exact(op: Op, args: &[i64]) -> Option<Constant> {
    let value = match (op, args) {
        (Op::Add, [a, b]) => a.checked_add(*b),
        (Op::Sub, [a, b]) => a.checked_sub(*b),
        (Op::Mul, [a, b]) => a.checked_mul(*b),
        (Op::Div, [a, b]) if *b != 0 && a.checked_rem(*b) == Some(0) => a.checked_div(*b),
        (Op::Neg, [a]) => a.checked_neg(),
        (Op::Abs, [a]) => a.checked_abs(),
        (Op::Sign, [a]) => Some(a.signum()),
        (Op::Min, args) => args.iter().min().copied(),
        (Op::Max, args) => args.iter().max().copied(),
        (Op::Quotient, [a, b]) => a.checked_div(*b),
        (Op::Remainder, [a, b]) => a.checked_rem(*b),
        // the remainder, moved to the sign of the divisor
        (Op::Modulo, [a, b]) => a.checked_rem(*b).map(|r| {
            if r != 0 && (r < 0) != (*b < 0) {
                r + b
            } else {
                r
            }
        }),
        (Op::Floor | Op::Ceiling | Op::Round | Op::Truncate, [a]) => Some(*a),
        (Op::Pow, [a, b]) => u32::try_from(*b).ok().and_then(|b| a.checked_pow(b)),
        (Op::Equal, [a, b]) => return Some(Constant::Bool(a == b)),
        (Op::Less, [a, b]) => return Some(Constant::Bool(a < b)),
        (Op::Greater, [a, b]) => return Some(Constant::Bool(a > b)),
        (Op::LessEqual, [a, b]) => return Some(Constant::Bool(a <= b)),
        (Op::GreaterEqual, [a, b]) => return Some(Constant::Bool(a >= b)),
        _ => None,
    };
    value.map(Constant::Int)
}
