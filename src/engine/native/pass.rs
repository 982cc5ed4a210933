//! Plans one pass over the samples: what it needs, which operations share an instruction, and the registers.

use super::plan::{FixedSlots, Kernels, Pass};
use super::step::{Code, Slot, Step};
use super::values::{Source, Values};
use crate::error::Result;
use crate::ops::Op;
use crate::ops::real::Real;

/// A step on values, before they have registers.
struct Draft {
    code: Code,
    /// The value that it computes, or which sum or output it feeds.
    out: Out,
    args: Vec<usize>,
}

#[derive(Clone, Copy)]
enum Out {
    Value(usize),
    Sum(usize),
    Output(usize),
    /// A value, and a sum that its square feeds.
    Both(usize, usize),
}

/// The pass that gives the sums and outputs of this depth, if there are any, and how many registers it needs.
pub fn plan<T: Real>(
    values: &Values,
    slots: &FixedSlots,
    depth: usize,
    kernels: &mut Kernels<T>,
) -> Result<(Option<Pass>, usize)> {
    let mut roots = vec![Vec::new(); values.list.len()];
    let mut sums = Vec::new();
    for (i, value) in values.list.iter().enumerate() {
        if let Source::Sum(arg) = value.source
            && value.depth == depth + 1
        {
            roots[arg].push(Out::Sum(sums.len()));
            sums.push(slots.slot[i]);
        }
    }
    for (i, output) in values.outputs.iter().enumerate() {
        let value = &values.list[*output];
        if value.batched && value.depth == depth {
            roots[*output].push(Out::Output(i));
        }
    }
    if roots.iter().all(Vec::is_empty) {
        return Ok((None, 0));
    }
    let drafts = draft(values, &roots, kernels)?;
    let (steps, registers) = allocate(&drafts, values.list.len(), slots);
    let mut uniforms = Vec::new();
    let mut inputs = Vec::new();
    for arg in drafts.iter().flat_map(|draft| &draft.args) {
        let slot = slots.slot[*arg] as usize;
        if slot < slots.uniforms {
            uniforms.push(slot as Slot);
        } else if slot < slots.uniforms + slots.inputs {
            inputs.push(slot - slots.uniforms);
        }
    }
    inputs.sort();
    inputs.dedup();
    uniforms.sort();
    uniforms.dedup();
    let pass = Pass {
        steps,
        uniforms,
        inputs,
        sums,
    };
    Ok((Some(pass), registers))
}

/// The steps that the roots need, in the order of the values.
fn draft<T: Real>(
    values: &Values,
    roots: &[Vec<Out>],
    kernels: &mut Kernels<T>,
) -> Result<Vec<Draft>> {
    let count = values.list.len();
    let mut uses = vec![0usize; count];
    for i in (0..count).rev() {
        uses[i] += roots[i].len();
        if uses[i] > 0
            && let Some((_, args)) = values.batched_op(i)
        {
            args.iter().for_each(|arg| uses[*arg] += 1);
        }
    }
    let arithmetic = |i: usize| {
        values.batched_op(i).filter(|(op, args)| {
            let uniform = |arg: usize| !values.list[arg].batched;
            matches!(op, Op::Add | Op::Sub | Op::Mul) || (*op == Op::Div && !uniform(args[1]))
        })
    };
    // values that live only inside the instruction of their one user
    let mut absorbed = vec![false; count];
    // sums that take squares of these values
    let mut square_sum: Vec<Option<usize>> = vec![None; count];
    for (i, roots) in roots.iter().enumerate() {
        if let ([Out::Sum(sum)], 1, Some((Op::Mul, args))) =
            (&roots[..], uses[i], values.batched_op(i))
        {
            absorbed[i] = true;
            let (a, b) = (args[0], args[1]);
            if a == b && matches!(values.batched_op(a), Some((Op::Sub, _))) {
                square_sum[a] = Some(*sum);
            }
        }
    }
    let mut fused: Vec<Option<usize>> = vec![None; count];
    for i in 0..count {
        if uses[i] == 0 || square_sum[i].is_some() {
            continue;
        }
        if let Some((_, args)) = arithmetic(i) {
            let single = |arg: usize| {
                uses[arg] == 1
                    && arithmetic(arg).is_some()
                    && fused[arg].is_none()
                    && !absorbed[arg]
            };
            fused[i] = args.iter().copied().position(single);
            if let Some(position) = fused[i] {
                absorbed[args[position]] = true;
            }
        }
    }
    let mut drafts: Vec<Draft> = Vec::new();
    for i in 0..count {
        if uses[i] == 0 {
            continue;
        }
        if absorbed[i] {
            if let ([out @ Out::Sum(_)], Some((_, args))) = (&roots[i][..], values.batched_op(i))
                && square_sum[args[0]].is_none_or(|_| args[0] != args[1])
            {
                let (code, args) = match fuse(values, Op::BatchSum, args, fused[i]) {
                    Some(fused) => fused,
                    None => (Code::SumMul, args.to_vec()),
                };
                let out = *out;
                drafts.push(Draft { code, out, args });
            }
            continue;
        }
        if let Some((op, args)) = values.batched_op(i) {
            let (code, args) = match fuse(values, op, args, fused[i]) {
                Some(fused) => fused,
                None => (instruction(values, op, args, kernels)?, args.to_vec()),
            };
            let (code, out) = match square_sum[i] {
                Some(sum) => (Code::SubSumSquare, Out::Both(i, sum)),
                None => (code, Out::Value(i)),
            };
            drafts.push(Draft { code, out, args });
        }
        for out in &roots[i] {
            let code = match out {
                Out::Output(_) => Code::Store,
                _ => Code::Sum,
            };
            drafts.push(Draft {
                code,
                out: *out,
                args: vec![i],
            });
        }
    }
    Ok(drafts)
}

/// The instruction for `op` with its argument at `fused` taken into it.
fn fuse(
    values: &Values,
    op: Op,
    args: &[usize],
    fused: Option<usize>,
) -> Option<(Code, Vec<usize>)> {
    let position = fused?;
    let (inner, inner_args) = values.batched_op(args[position])?;
    let code = Code::fused(inner, op, position == 1)?;
    Some((code, vec![inner_args[0], inner_args[1], args[1 - position]]))
}

/// The instruction for `op` alone.
fn instruction<T: Real>(
    values: &Values,
    op: Op,
    args: &[usize],
    kernels: &mut Kernels<T>,
) -> Result<Code> {
    match op {
        Op::Div if !values.list[args[1]].batched => Ok(Code::DivUniform),
        op => kernels.code(op),
    }
}

/// Gives registers to the values of the steps. A result never shares a register with an argument of its step.
fn allocate(drafts: &[Draft], values: usize, slots: &FixedSlots) -> (Vec<Step>, usize) {
    let mut last = vec![usize::MAX; values];
    for (position, draft) in drafts.iter().enumerate() {
        for arg in &draft.args {
            last[*arg] = position;
        }
    }
    let unread = (slots.uniforms + slots.inputs) as Slot;
    let first = unread + 1;
    let mut slot = slots.slot.clone();
    let mut registers = 0;
    let mut free: Vec<Slot> = Vec::new();
    let mut steps = Vec::with_capacity(drafts.len());
    for (position, draft) in drafts.iter().enumerate() {
        let (out, index) = match draft.out {
            Out::Sum(i) | Out::Output(i) => (unread, i as u32),
            Out::Value(i) | Out::Both(i, _) => {
                slot[i] = free.pop().unwrap_or_else(|| {
                    registers += 1;
                    first + registers - 1
                });
                let sum = match draft.out {
                    Out::Both(_, sum) => sum,
                    _ => 0,
                };
                (slot[i], sum as u32)
            }
        };
        let mut args = [0; 3];
        for (i, arg) in draft.args.iter().enumerate() {
            args[i] = slot[*arg];
            let repeated = draft.args[..i].contains(arg);
            if last[*arg] == position && slot[*arg] >= first && !repeated {
                free.push(slot[*arg]);
            }
        }
        steps.push(Step {
            code: draft.code,
            slot: out,
            index,
            args,
        });
    }
    (steps, registers as usize)
}
