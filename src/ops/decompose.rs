//! Operations written in terms of others: for programs, and for ONNX Runtime, which has no double-precision kernel for
//! some of them.

use super::{Emit, NodeId, Op};

pub fn square(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    e.mul(args[0], args[0])
}

pub fn first(_: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    args[0]
}

pub fn is_zero(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let zero = e.int(0);
    e.op(Op::Equal, &[args[0], zero])
}

pub fn is_positive(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let zero = e.int(0);
    e.op(Op::Greater, &[args[0], zero])
}

pub fn is_negative(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let zero = e.int(0);
    e.op(Op::Less, &[args[0], zero])
}

pub fn is_even(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let two = e.int(2);
    let rest = e.op(Op::Remainder, &[args[0], two]);
    is_zero(e, &[rest])
}

/// Not "not even": a number that is not whole is neither.
pub fn is_odd(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let (one, two) = (e.int(1), e.int(2));
    let rest = e.op(Op::Remainder, &[args[0], two]);
    let size = e.op(Op::Abs, &[rest]);
    e.op(Op::Equal, &[size, one])
}

pub fn sign(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let x = args[0];
    let (zero, one, minus_one) = (e.real(0.0), e.real(1.0), e.real(-1.0));
    let (above, below) = (e.op(Op::Greater, &[x, zero]), e.op(Op::Less, &[x, zero]));
    let lower = e.select(below, minus_one, x);
    e.select(above, one, lower)
}

pub fn truncate(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let x = args[0];
    let zero = e.real(0.0);
    let (down, up) = (e.op(Op::Floor, &[x]), e.op(Op::Ceiling, &[x]));
    let below = e.op(Op::Less, &[x, zero]);
    e.select(below, up, down)
}

pub fn quotient(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let ratio = e.div(args[0], args[1]);
    truncate(e, &[ratio])
}

/// The remainder, moved to the sign of the divisor.
pub fn modulo(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let zero = e.real(0.0);
    let rest = e.op(Op::Remainder, args);
    let (rest_below, divisor_below) = (
        e.op(Op::Less, &[rest, zero]),
        e.op(Op::Less, &[args[1], zero]),
    );
    let (rest_above, divisor_not_below) = (
        e.op(Op::Greater, &[rest, zero]),
        e.op(Op::Not, &[divisor_below]),
    );
    let up = e.op(Op::And, &[rest_below, divisor_not_below]);
    let down = e.op(Op::And, &[rest_above, divisor_below]);
    let wrong = e.op(Op::Or, &[up, down]);
    let moved = e.add(rest, args[1]);
    e.select(wrong, moved, rest)
}

/// `max` by comparison: the runtime's own operator differs in what it makes of NaN.
pub fn max(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    extremum(e, args, Op::Greater)
}

pub fn min(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    extremum(e, args, Op::Less)
}

fn extremum(e: &mut dyn Emit, args: &[NodeId], better: Op) -> NodeId {
    args[1..].iter().fold(args[0], |a, b| {
        let (wins, same) = (e.op(better, &[a, *b]), e.op(Op::Equal, &[a, a]));
        let nan = e.op(Op::Not, &[same]);
        let first = e.op(Op::Or, &[wins, nan]);
        e.select(first, a, *b)
    })
}

pub fn relu(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let zero = e.real(0.0);
    let negative = e.op(Op::LessEqual, &[args[0], zero]);
    e.select(negative, zero, args[0])
}

pub fn sigmoid(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let one = e.real(1.0);
    let mirrored = e.neg(args[0]);
    let power = e.op(Op::Exp, &[mirrored]);
    let sum = e.add(one, power);
    e.div(one, sum)
}
