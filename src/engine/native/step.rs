//! The instructions of a plan, and what each computes.

use crate::ops::numeric as n;
use crate::ops::real::Real;
use crate::ops::{Op, kernel::BinaryFn, kernel::UnaryFn};

/// A place for a value; see [`super::plan::Plan`] for the order of the places.
pub type Slot = u32;

/// One instruction.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What to compute.
    pub code: Code,
    /// Where the result goes; never a slot that the arguments are in.
    pub slot: Slot,
    /// The sum that [`Code::Sum`] and its kin add to, the output of [`Code::Store`], the slot of the second result of
    /// [`Code::Pair`].
    pub index: u32,
    /// The arguments, as many as the code takes.
    pub args: [Slot; 3],
}

/// What an instruction computes. Codes of two names, such as `MulAdd`, are two operations with two roundings in one pass:
/// the first on the first two arguments, the second on its result and the third; `R` puts the third first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Code {
    Copy,
    Neg,
    Abs,
    Sqrt,
    Not,
    Add,
    Sub,
    Mul,
    Div,
    /// A quotient by a uniform value.
    DivUniform,
    Min,
    Max,
    Equal,
    Less,
    Greater,
    LessEqual,
    GreaterEqual,
    And,
    Or,
    Select,
    AddAdd,
    SubAdd,
    MulAdd,
    DivAdd,
    AddSub,
    SubSub,
    MulSub,
    DivSub,
    AddSubR,
    SubSubR,
    MulSubR,
    DivSubR,
    AddMul,
    SubMul,
    MulMul,
    DivMul,
    AddDiv,
    SubDiv,
    MulDiv,
    DivDiv,
    AddDivR,
    SubDivR,
    MulDivR,
    DivDivR,
    /// Kernel `i` of the plan, of one argument.
    Unary(u16),
    /// Kernel `i` of the plan, of two arguments.
    Binary(u16),
    /// Kernel `i` of two results, of one argument.
    Pair(u16),
    /// Adds the argument to a sum over the batch.
    Sum,
    /// Adds the product of two arguments to a sum over the batch.
    SumMul,
    /// Adds the product of a result and the third argument to a sum over the batch.
    SumAddMul,
    SumSubMul,
    SumMulMul,
    SumDivMul,
    /// A difference, whose square it adds to a sum over the batch: a residual.
    SubSumSquare,
    /// Gives the argument to an output.
    Store,
}

impl Step {
    /// Calls a function with the slots of its results.
    pub fn results(&mut self, f: &mut dyn FnMut(&mut Slot)) {
        f(&mut self.slot);
        if let Code::Pair(_) = self.code {
            f(&mut self.index);
        }
    }
}

impl Code {
    /// The instruction for an operation that needs no kernel of the table.
    pub fn of(op: Op) -> Option<Code> {
        Some(match op {
            Op::Neg => Code::Neg,
            Op::Abs => Code::Abs,
            Op::Sqrt => Code::Sqrt,
            Op::Not => Code::Not,
            Op::Add => Code::Add,
            Op::Sub => Code::Sub,
            Op::Mul => Code::Mul,
            Op::Div => Code::Div,
            Op::Min => Code::Min,
            Op::Max => Code::Max,
            Op::Equal => Code::Equal,
            Op::Less => Code::Less,
            Op::Greater => Code::Greater,
            Op::LessEqual => Code::LessEqual,
            Op::GreaterEqual => Code::GreaterEqual,
            Op::And => Code::And,
            Op::Or => Code::Or,
            Op::Select => Code::Select,
            _ => return None,
        })
    }

    /// The instruction for `outer` on the result of `inner` and another value, which stands first if `reversed`;
    /// an `outer` of `BatchSum` adds their product to a sum.
    pub fn fused(inner: Op, outer: Op, reversed: bool) -> Option<Code> {
        let ordered = matches!(outer, Op::Sub | Op::Div);
        let row = FUSED
            .iter()
            .find(|row| row.0 == outer && (row.1 == reversed || !ordered))?;
        Some(row.2[INNER.iter().position(|op| *op == inner)?])
    }

    /// What [`Code::fused`] made the instruction of.
    #[cfg(target_arch = "x86_64")]
    pub fn parts(self) -> Option<(Op, Op, bool)> {
        FUSED.iter().find_map(|(outer, reversed, row)| {
            let inner = row.iter().position(|code| *code == self)?;
            Some((INNER[inner], *outer, *reversed))
        })
    }
}

/// The first operations of instructions that are two.
const INNER: [Op; 4] = [Op::Add, Op::Sub, Op::Mul, Op::Div];

/// Their second operations, whether these take the result of the first as the second argument, and the instructions.
const FUSED: [(Op, bool, [Code; 4]); 7] = {
    use Code::*;
    [
        (
            Op::BatchSum,
            false,
            [SumAddMul, SumSubMul, SumMulMul, SumDivMul],
        ),
        (Op::Add, false, [AddAdd, SubAdd, MulAdd, DivAdd]),
        (Op::Sub, false, [AddSub, SubSub, MulSub, DivSub]),
        (Op::Sub, true, [AddSubR, SubSubR, MulSubR, DivSubR]),
        (Op::Mul, false, [AddMul, SubMul, MulMul, DivMul]),
        (Op::Div, false, [AddDiv, SubDiv, MulDiv, DivDiv]),
        (Op::Div, true, [AddDivR, SubDivR, MulDivR, DivDivR]),
    ]
};

/// Runs one step: applies a function to its arguments wherever they lie.
pub trait Run<T: Real> {
    /// A function of the first argument.
    fn unary(&mut self, f: impl Fn(T) -> T);
    /// A function of two arguments.
    fn binary(&mut self, f: impl Fn(T, T) -> T);
    /// A function of three arguments.
    fn ternary(&mut self, f: impl Fn(T, T, T) -> T);
    /// A quotient by a uniform value.
    fn div_uniform(&mut self);
    /// A function of one argument from the table.
    fn unary_kernel(&mut self, kernel: usize);
    /// A function of two arguments from the table.
    fn binary_kernel(&mut self, kernel: usize);
    /// Two functions of one argument from the table.
    fn pair_kernel(&mut self, kernel: usize);
    /// Adds to a sum over the batch.
    fn sum(&mut self, f: impl Fn(T, T, T) -> T);
    /// A difference, whose square is added to a sum over the batch.
    fn sub_sum_square(&mut self);
    /// Gives the first argument to an output.
    fn store(&mut self);
}

/// Runs a step of this code.
#[inline(always)]
pub fn run<T: Real, R: Run<T>>(code: Code, r: &mut R) {
    match code {
        Code::Copy => r.unary(|a| a),
        Code::Neg => r.unary(n::Neg::apply),
        Code::Abs => r.unary(n::Abs::apply),
        Code::Sqrt => r.unary(n::Sqrt::apply),
        Code::Not => r.unary(n::Not::apply),
        Code::Add => r.binary(n::Add::apply),
        Code::Sub => r.binary(n::Sub::apply),
        Code::Mul => r.binary(n::Mul::apply),
        Code::Div => r.binary(n::Div::apply),
        Code::DivUniform => r.div_uniform(),
        Code::Min => r.binary(n::Min::apply),
        Code::Max => r.binary(n::Max::apply),
        Code::Equal => r.binary(n::Equal::apply),
        Code::Less => r.binary(n::Less::apply),
        Code::Greater => r.binary(n::Greater::apply),
        Code::LessEqual => r.binary(n::LessEqual::apply),
        Code::GreaterEqual => r.binary(n::GreaterEqual::apply),
        Code::And => r.binary(n::And::apply),
        Code::Or => r.binary(n::Or::apply),
        Code::Select => r.ternary(|test, a, b| if test.is_true() { a } else { b }),
        Code::AddAdd => r.ternary(|a, b, c| (a + b) + c),
        Code::SubAdd => r.ternary(|a, b, c| (a - b) + c),
        Code::MulAdd => r.ternary(|a, b, c| (a * b) + c),
        Code::DivAdd => r.ternary(|a, b, c| (a / b) + c),
        Code::AddSub => r.ternary(|a, b, c| (a + b) - c),
        Code::SubSub => r.ternary(|a, b, c| (a - b) - c),
        Code::MulSub => r.ternary(|a, b, c| (a * b) - c),
        Code::DivSub => r.ternary(|a, b, c| (a / b) - c),
        Code::AddSubR => r.ternary(|a, b, c| c - (a + b)),
        Code::SubSubR => r.ternary(|a, b, c| c - (a - b)),
        Code::MulSubR => r.ternary(|a, b, c| c - (a * b)),
        Code::DivSubR => r.ternary(|a, b, c| c - (a / b)),
        Code::AddMul => r.ternary(|a, b, c| (a + b) * c),
        Code::SubMul => r.ternary(|a, b, c| (a - b) * c),
        Code::MulMul => r.ternary(|a, b, c| (a * b) * c),
        Code::DivMul => r.ternary(|a, b, c| (a / b) * c),
        Code::AddDiv => r.ternary(|a, b, c| (a + b) / c),
        Code::SubDiv => r.ternary(|a, b, c| (a - b) / c),
        Code::MulDiv => r.ternary(|a, b, c| (a * b) / c),
        Code::DivDiv => r.ternary(|a, b, c| (a / b) / c),
        Code::AddDivR => r.ternary(|a, b, c| c / (a + b)),
        Code::SubDivR => r.ternary(|a, b, c| c / (a - b)),
        Code::MulDivR => r.ternary(|a, b, c| c / (a * b)),
        Code::DivDivR => r.ternary(|a, b, c| c / (a / b)),
        Code::Unary(kernel) => r.unary_kernel(kernel as usize),
        Code::Binary(kernel) => r.binary_kernel(kernel as usize),
        Code::Pair(kernel) => r.pair_kernel(kernel as usize),
        Code::Sum => r.sum(|a, _, _| a),
        Code::SumMul => r.sum(|a, b, _| a * b),
        Code::SumAddMul => r.sum(|a, b, c| (a + b) * c),
        Code::SumSubMul => r.sum(|a, b, c| (a - b) * c),
        Code::SumMulMul => r.sum(|a, b, c| (a * b) * c),
        Code::SumDivMul => r.sum(|a, b, c| (a / b) * c),
        Code::SubSumSquare => r.sub_sum_square(),
        Code::Store => r.store(),
    }
}
