//! Reverse-mode rules: given the arguments, the result and the adjoint of the result, the adjoint of one argument.
//!
//! At kinks: `abs` 0 at 0, `min` and `max` shared equally at a tie, comparisons and rounding 0.

use super::{Emit, Linear, NodeId, Op};

/// What a rule sees: arguments, result, adjoint of the result.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The arguments.
    pub args: &'a [NodeId],
    /// The result.
    pub out: NodeId,
    /// The adjoint of the result.
    pub adjoint: NodeId,
}

/// Emits the adjoint of argument `index`; `None` where it is zero everywhere.
pub type Adjoint = fn(&mut dyn Emit, Site, index: usize) -> Option<NodeId>;

/// A graph that keeps nothing.
struct Nowhere;

impl Emit for Nowhere {
    fn op(&mut self, _: Op, _: &[NodeId]) -> NodeId {
        NodeId(0)
    }

    fn linear(&mut self, _: Linear, _: &[NodeId], _: usize) -> NodeId {
        NodeId(0)
    }

    fn real(&mut self, _: f64) -> NodeId {
        NodeId(0)
    }

    fn known(&self, _: NodeId) -> Option<f64> {
        None
    }
}

/// Whether a rule has a derivative by argument `index` of `count`.
pub fn exists(rule: Adjoint, index: usize, count: usize) -> bool {
    let args = vec![NodeId(0); count];
    let site = Site {
        args: &args,
        out: NodeId(0),
        adjoint: NodeId(0),
    };
    rule(&mut Nowhere, site, index).is_some()
}

/// The derivative is zero wherever it exists.
pub fn zero(_: &mut dyn Emit, _: Site, _: usize) -> Option<NodeId> {
    None
}

pub fn add(_: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    Some(s.adjoint)
}

pub fn sub(e: &mut dyn Emit, s: Site, index: usize) -> Option<NodeId> {
    Some(if index == 0 {
        s.adjoint
    } else {
        e.neg(s.adjoint)
    })
}

pub fn mul(e: &mut dyn Emit, s: Site, index: usize) -> Option<NodeId> {
    Some(e.mul(s.adjoint, s.args[1 - index]))
}

pub fn div(e: &mut dyn Emit, s: Site, index: usize) -> Option<NodeId> {
    let quotient = e.div(s.adjoint, s.args[1]);
    if index == 0 {
        return Some(quotient);
    }
    let product = e.mul(quotient, s.out);
    Some(e.neg(product))
}

pub fn neg(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    Some(e.neg(s.adjoint))
}

pub fn abs(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let sign = e.op(Op::Sign, &[s.args[0]]);
    Some(e.mul(s.adjoint, sign))
}

/// `max` and `min`: the adjoint goes to the arguments that equal the result, in equal shares.
pub fn extremum(e: &mut dyn Emit, s: Site, index: usize) -> Option<NodeId> {
    let wins: Vec<NodeId> = s
        .args
        .iter()
        .map(|arg| e.op(Op::Equal, &[*arg, s.out]))
        .collect();
    let count = wins[1..].iter().fold(wins[0], |sum, win| e.add(sum, *win));
    let share = e.div(s.adjoint, count);
    let zero = e.real(0.0);
    Some(e.select(wins[index], share, zero))
}

/// `x^y`. At `x = 0` the derivative by `y` is taken as 0, and that by `x` is exact for `y` of 0 and 1 too.
pub fn pow(e: &mut dyn Emit, s: Site, index: usize) -> Option<NodeId> {
    let (x, y) = (s.args[0], s.args[1]);
    let (zero, one) = (e.real(0.0), e.real(1.0));
    let factor = if index == 0 {
        let constant = e.op(Op::Equal, &[y, zero]);
        let lower = e.sub(y, one);
        let exponent = e.select(constant, one, lower);
        let power = e.op(Op::Pow, &[x, exponent]);
        e.mul(y, power)
    } else {
        let at_zero = e.op(Op::Equal, &[x, zero]);
        let base = e.select(at_zero, one, x);
        let log = e.op(Op::Log, &[base]);
        e.mul(s.out, log)
    };
    Some(e.mul(s.adjoint, factor))
}

pub fn sqrt(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let twice = e.add(s.out, s.out);
    Some(e.div(s.adjoint, twice))
}

pub fn exp(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    Some(e.mul(s.adjoint, s.out))
}

pub fn log(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    Some(e.div(s.adjoint, s.args[0]))
}

pub fn sin(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let cos = e.op(Op::Cos, s.args);
    Some(e.mul(s.adjoint, cos))
}

pub fn cos(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let sin = e.op(Op::Sin, s.args);
    let product = e.mul(s.adjoint, sin);
    Some(e.neg(product))
}

/// `1 + tan²`.
pub fn tan(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let one = e.real(1.0);
    let square = e.mul(s.out, s.out);
    let slope = e.add(one, square);
    Some(e.mul(s.adjoint, slope))
}

/// `sqrt((1 - x) (1 + x))`: no cancellation near 1.
fn arc_root(e: &mut dyn Emit, x: NodeId) -> NodeId {
    let one = e.real(1.0);
    let (below, above) = (e.sub(one, x), e.add(one, x));
    let product = e.mul(below, above);
    e.op(Op::Sqrt, &[product])
}

pub fn asin(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let root = arc_root(e, s.args[0]);
    Some(e.div(s.adjoint, root))
}

pub fn acos(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let root = arc_root(e, s.args[0]);
    let quotient = e.div(s.adjoint, root);
    Some(e.neg(quotient))
}

pub fn atan(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let one = e.real(1.0);
    let square = e.mul(s.args[0], s.args[0]);
    let slope = e.add(one, square);
    Some(e.div(s.adjoint, slope))
}

/// `atan2(y, x)`: `x / (x² + y²)` and `-y / (x² + y²)`.
pub fn atan2(e: &mut dyn Emit, s: Site, index: usize) -> Option<NodeId> {
    let (y, x) = (s.args[0], s.args[1]);
    let (xx, yy) = (e.mul(x, x), e.mul(y, y));
    let norm = e.add(xx, yy);
    let side = if index == 0 { x } else { e.neg(y) };
    let slope = e.div(side, norm);
    Some(e.mul(s.adjoint, slope))
}

pub fn sinh(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let cosh = e.op(Op::Cosh, s.args);
    Some(e.mul(s.adjoint, cosh))
}

pub fn cosh(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let sinh = e.op(Op::Sinh, s.args);
    Some(e.mul(s.adjoint, sinh))
}

/// `(1 - tanh) (1 + tanh)`.
pub fn tanh(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let one = e.real(1.0);
    let (below, above) = (e.sub(one, s.out), e.add(one, s.out));
    let slope = e.mul(below, above);
    Some(e.mul(s.adjoint, slope))
}

/// `σ(x) σ(-x)`: `1 - σ` would cancel at large x.
pub fn sigmoid(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let mirrored = e.neg(s.args[0]);
    let rest = e.op(Op::Sigmoid, &[mirrored]);
    let slope = e.mul(s.out, rest);
    Some(e.mul(s.adjoint, slope))
}

pub fn relu(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let zero = e.real(0.0);
    let positive = e.op(Op::Greater, &[s.args[0], zero]);
    Some(e.select(positive, s.adjoint, zero))
}

pub fn softplus(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let slope = e.op(Op::Sigmoid, s.args);
    Some(e.mul(s.adjoint, slope))
}

/// `2/√π exp(-x²)`.
pub fn erf(e: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    let square = e.mul(s.args[0], s.args[0]);
    let negated = e.neg(square);
    let bell = e.op(Op::Exp, &[negated]);
    let scale = e.real(std::f64::consts::FRAC_2_SQRT_PI);
    let slope = e.mul(scale, bell);
    Some(e.mul(s.adjoint, slope))
}

/// `x - y trunc(x / y)` and `x - y floor(x / y)`: 1, and minus the whole quotient.
fn division(e: &mut dyn Emit, s: Site, index: usize, whole: Op) -> Option<NodeId> {
    if index == 0 {
        return Some(s.adjoint);
    }
    let ratio = e.div(s.args[0], s.args[1]);
    let quotient = e.op(whole, &[ratio]);
    let product = e.mul(s.adjoint, quotient);
    Some(e.neg(product))
}

pub fn remainder(e: &mut dyn Emit, s: Site, index: usize) -> Option<NodeId> {
    division(e, s, index, Op::Truncate)
}

pub fn modulo(e: &mut dyn Emit, s: Site, index: usize) -> Option<NodeId> {
    division(e, s, index, Op::Floor)
}

/// `test ? a : b`: the adjoint goes to the side that was taken.
/// The value is the first argument's, the derivative the second's.
pub fn straight_through(_: &mut dyn Emit, s: Site, index: usize) -> Option<NodeId> {
    (index == 1).then_some(s.adjoint)
}

pub fn select(e: &mut dyn Emit, s: Site, index: usize) -> Option<NodeId> {
    let zero = e.real(0.0);
    match index {
        1 => Some(e.select(s.args[0], s.adjoint, zero)),
        2 => Some(e.select(s.args[0], zero, s.adjoint)),
        _ => None,
    }
}

/// The sum over the batch gives its adjoint to every sample.
pub fn batch_sum(_: &mut dyn Emit, s: Site, _: usize) -> Option<NodeId> {
    Some(s.adjoint)
}

/// `pick`: the adjoint goes to the number that was chosen.
pub fn pick(e: &mut dyn Emit, s: Site, index: usize) -> Option<NodeId> {
    let place = e.int(index.checked_sub(1)? as i64);
    let chosen = e.op(Op::Equal, &[s.args[0], place]);
    let zero = e.real(0.0);
    Some(e.select(chosen, s.adjoint, zero))
}
