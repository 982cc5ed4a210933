//! What is computed, in which order and with which instructions, before values have places: which operations share an
//! instruction, and what loops hold.

use std::collections::HashMap;

use super::kernels::Kernels;
use super::step::Code;
use super::values::{Loop, Source, Values};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::Op;
use crate::ops::PAIRS;
use crate::ops::real::Real;

/// Most steps of a plan. A way back holds a copy of its loop, so that loops in loops can make a plan longer than its graph.
const MAX_STEPS: usize = 1 << 22;

/// A step on values, or what holds steps.
pub enum Draft {
    /// An instruction.
    Step {
        code: Code,
        /// The value that it computes, or which sum or output it feeds.
        out: Out,
        args: Vec<usize>,
    },
    /// An operation on matrices: its value.
    Linear(usize),
    /// A loop.
    Loop(LoopDraft),
    /// A way back over a loop.
    Reverse(ReverseDraft),
}

/// What a step computes or feeds.
#[derive(Clone, Copy)]
pub enum Out {
    Value(usize),
    Sum(usize),
    Output(usize),
    /// A value, and a sum that its square feeds.
    Both(usize, usize),
    /// Two values.
    Pair([usize; 2]),
}

/// A loop.
pub struct LoopDraft {
    pub value: usize,
    pub head: Vec<Draft>,
    pub next: Vec<Draft>,
    /// Values from around the loop that it uses.
    pub outer: Vec<usize>,
    /// Whether its states are kept for a way back.
    pub recorded: bool,
    /// Whether this is only the part of it that is one for the whole batch.
    pub single: bool,
}

/// A way back over a loop.
pub struct ReverseDraft {
    pub value: usize,
    /// The loop, to compute again the states that were not kept.
    pub replay: LoopDraft,
    pub back: Vec<Draft>,
    /// Values from around it that it uses.
    pub outer: Vec<usize>,
    /// Whether this is only the part of it that is one for the whole batch.
    pub single: bool,
}

impl Draft {
    /// Calls `f` with the values that stand around the draft and that it uses.
    pub fn uses(&self, values: &Values, f: &mut impl FnMut(usize)) {
        let inits = |value: usize| match &values.list[value].source {
            Source::Loop(l) => &l.inits[..],
            Source::Reverse(r) => &r.inits[..],
            Source::Linear(_, args) => &args[..],
            _ => &[],
        };
        let (own, outer) = match self {
            Draft::Step { args, .. } => (&args[..], &[][..]),
            Draft::Linear(value) => (inits(*value), &[][..]),
            Draft::Loop(draft) => (inits(draft.value), &draft.outer[..]),
            Draft::Reverse(draft) => (inits(draft.value), &draft.outer[..]),
        };
        let single = match self {
            Draft::Step { .. } | Draft::Linear(_) => false,
            Draft::Loop(draft) => draft.single,
            Draft::Reverse(draft) => draft.single,
        };
        let own = own
            .iter()
            .filter(|value| !(single && values.list[**value].batched));
        own.chain(outer).for_each(|value| f(*value));
    }
}

/// The uniform values of this depth.
pub fn stage<T: Real>(
    values: &Values,
    depth: usize,
    kernels: &mut Kernels<T>,
) -> Result<Vec<Draft>> {
    let count = values.list.len();
    let mut drafter = Drafter {
        values,
        wanted: Wanted::Stage(depth),
        roots: vec![Vec::new(); count],
        uses: vec![1; count],
        absorbed: vec![false; count],
        square_sum: vec![None; count],
        fused: vec![None; count],
        pair: HashMap::new(),
        kernels,
        steps: 0,
    };
    drafter.region(0)
}

/// What the roots need: for each value, the sums and outputs that it feeds.
pub fn pass<T: Real>(
    values: &Values,
    roots: Vec<Vec<Out>>,
    kernels: &mut Kernels<T>,
) -> Result<Vec<Draft>> {
    let count = values.list.len();
    let mut drafter = Drafter {
        values,
        wanted: Wanted::Pass,
        uses: uses(values, &roots),
        roots,
        absorbed: vec![false; count],
        square_sum: vec![None; count],
        fused: vec![None; count],
        pair: HashMap::new(),
        kernels,
        steps: 0,
    };
    drafter.fuse();
    drafter.find_pairs();
    drafter.region(0)
}

/// How often each value is read by what the roots need.
fn uses(values: &Values, roots: &[Vec<Out>]) -> Vec<usize> {
    let mut uses = vec![0usize; values.list.len()];
    for i in (0..values.list.len()).rev() {
        uses[i] += roots[i].len();
        if uses[i] == 0 {
            continue;
        }
        let mut all = |list: &[usize]| list.iter().for_each(|value| uses[*value] += 1);
        match &values.list[i].source {
            Source::Op(_, args) | Source::Linear(_, args) => all(args),
            Source::Result(of) => all(&[*of]),
            Source::Loop(l) => {
                all(&l.inits);
                all(&l.nexts);
                all(&[l.flag]);
            }
            Source::Reverse(r) => {
                all(&r.inits);
                all(&r.nexts);
                all(&[r.of]);
            }
            _ => {}
        }
    }
    uses
}

/// Which values are drafted.
enum Wanted {
    /// The uniform ones of a depth.
    Stage(usize),
    /// Those that are used.
    Pass,
}

struct Drafter<'a, T> {
    values: &'a Values,
    wanted: Wanted,
    roots: Vec<Vec<Out>>,
    uses: Vec<usize>,
    /// Values that live only inside the instruction of their one user.
    absorbed: Vec<bool>,
    /// Sums that take squares of these values.
    square_sum: Vec<Option<usize>>,
    /// The position of the argument whose operation is taken into the instruction.
    fused: Vec<Option<usize>>,
    /// Values that are computed together with another: by which kernel, and both in its order.
    pair: HashMap<usize, (usize, [usize; 2])>,
    kernels: &'a mut Kernels<T>,
    steps: usize,
}

impl<T: Real> Drafter<'_, T> {
    /// Finds the operations that share an instruction.
    fn fuse(&mut self) {
        let values = self.values;
        let count = values.list.len();
        let arithmetic = |i: usize| {
            values.batched_op(i).filter(|(op, args)| {
                let uniform = |arg: usize| !values.list[arg].batched;
                matches!(op, Op::Add | Op::Sub | Op::Mul) || (*op == Op::Div && !uniform(args[1]))
            })
        };
        for (i, roots) in self.roots.iter().enumerate() {
            if let ([Out::Sum(sum)], 1, Some((Op::Mul, args))) =
                (&roots[..], self.uses[i], values.batched_op(i))
            {
                self.absorbed[i] = true;
                let (a, b) = (args[0], args[1]);
                if a == b && matches!(values.batched_op(a), Some((Op::Sub, _))) {
                    self.square_sum[a] = Some(*sum);
                }
            }
        }
        for i in 0..count {
            if self.uses[i] == 0 || self.square_sum[i].is_some() {
                continue;
            }
            if let Some((_, args)) = arithmetic(i) {
                let single = |arg: usize| {
                    self.uses[arg] == 1
                        && arithmetic(arg).is_some()
                        && self.fused[arg].is_none()
                        && !self.absorbed[arg]
                        && values.list[arg].region == values.list[i].region
                };
                self.fused[i] = args.iter().copied().position(single);
                if let Some(position) = self.fused[i] {
                    self.absorbed[args[position]] = true;
                }
            }
        }
    }

    /// Finds values that have a kernel for two of them.
    fn find_pairs(&mut self) {
        let values = self.values;
        let mut seen = HashMap::new();
        for i in 0..values.list.len() {
            let Some((op, [arg])) = values.batched_op(i) else {
                continue;
            };
            let places = PAIRS
                .iter()
                .map(|pair| pair.iter().position(|of| *of == op));
            let Some((kernel, place)) = places.enumerate().find_map(|(k, p)| Some((k, p?))) else {
                continue;
            };
            if self.uses[i] == 0 {
                continue;
            }
            let key = (values.list[i].region, *arg, kernel);
            let found: &mut [Option<usize>; 2] = seen.entry(key).or_default();
            found[place] = Some(i);
            if let [Some(first), Some(second)] = *found {
                for value in [first, second] {
                    self.pair.insert(value, (kernel, [first, second]));
                }
            }
        }
    }

    /// Whether value `i` is computed here.
    fn wanted(&self, i: usize) -> bool {
        let value = &self.values.list[i];
        match self.wanted {
            Wanted::Stage(depth) => {
                let single = !value.batched || self.values.has_single_results(i);
                single && (value.region != 0 || value.depth == depth)
            }
            Wanted::Pass => self.uses[i] > 0,
        }
    }

    /// The steps of a region, in the order of its values.
    fn region(&mut self, region: usize) -> Result<Vec<Draft>> {
        let values = self.values;
        let mut drafts = Vec::new();
        for i in &values.regions[region] {
            if self.wanted(*i) {
                self.value(*i, &mut drafts)?;
            }
        }
        self.steps += drafts.len();
        match self.steps > MAX_STEPS {
            true => Err(Error::new(
                ErrorKind::Limit,
                format!("its loops nest so that the plan has more than {MAX_STEPS} steps"),
            )),
            false => Ok(drafts),
        }
    }

    fn value(&mut self, i: usize, drafts: &mut Vec<Draft>) -> Result<()> {
        let values = self.values;
        let value = &values.list[i];
        if self.absorbed[i] {
            drafts.extend(self.absorbed_sum(i));
            return Ok(());
        }
        // uniform values of the graph itself are computed before the pass
        let here = value.batched || value.region != 0 || self.is_stage();
        match &value.source {
            Source::Op(_, args) if self.pair.contains_key(&i) => {
                let (kernel, both) = self.pair[&i];
                // with the one that comes first
                if i == both[0].min(both[1]) {
                    drafts.push(Draft::Step {
                        code: Code::Pair(kernel as u16),
                        out: Out::Pair(both),
                        args: args.to_vec(),
                    });
                }
            }
            Source::Op(op, args) if here => {
                let (code, args) = match self.fused_code(*op, args, self.fused[i]) {
                    Some(fused) => fused,
                    None => (self.instruction(i, *op, args)?, args.to_vec()),
                };
                let (code, out) = match self.square_sum[i] {
                    Some(sum) => (Code::SubSumSquare, Out::Both(i, sum)),
                    None => (code, Out::Value(i)),
                };
                drafts.push(Draft::Step { code, out, args });
            }
            Source::Linear(..) if here => drafts.push(Draft::Linear(i)),
            Source::Loop(l) if here => drafts.push(Draft::Loop(self.repeat(i, l)?)),
            Source::Reverse(r) if here => {
                let Source::Loop(of) = &values.list[r.of].source else {
                    return Ok(());
                };
                let replay = self.repeat(r.of, of)?;
                let back = self.region(r.body)?;
                let mut outer = replay.outer.clone();
                let nexts = self.single(&r.nexts);
                self.outer(r.body, &[&back], &nexts, &mut outer);
                drafts.push(Draft::Reverse(ReverseDraft {
                    value: i,
                    replay,
                    back,
                    outer,
                    single: self.is_stage(),
                }));
            }
            _ => {}
        }
        for out in &self.roots[i] {
            let code = match out {
                Out::Output(_) => Code::Store,
                _ => Code::Sum,
            };
            drafts.push(Draft::Step {
                code,
                out: *out,
                args: vec![i],
            });
        }
        Ok(())
    }

    /// The step for a product that lives only inside a sum.
    fn absorbed_sum(&self, i: usize) -> Option<Draft> {
        let ([out @ Out::Sum(_)], Some((_, args))) =
            (&self.roots[i][..], self.values.batched_op(i))
        else {
            return None;
        };
        if self.square_sum[args[0]].is_some() && args[0] == args[1] {
            return None;
        }
        let (code, args) = match self.fused_code(Op::BatchSum, args, self.fused[i]) {
            Some(fused) => fused,
            None => (Code::SumMul, args.to_vec()),
        };
        let out = *out;
        Some(Draft::Step { code, out, args })
    }

    /// The instruction for `op` with its argument at `fused` taken into it.
    fn fused_code(
        &self,
        op: Op,
        args: &[usize],
        fused: Option<usize>,
    ) -> Option<(Code, Vec<usize>)> {
        let position = fused?;
        let (inner, inner_args) = self.values.batched_op(args[position])?;
        let code = Code::fused(inner, op, position == 1)?;
        Some((code, vec![inner_args[0], inner_args[1], args[1 - position]]))
    }

    /// The instruction for `op` alone.
    fn instruction(&mut self, i: usize, op: Op, args: &[usize]) -> Result<Code> {
        let list = &self.values.list;
        match op {
            Op::Div if list[i].batched && !list[args[1]].batched => Ok(Code::DivUniform),
            op => self.kernels.code(op),
        }
    }

    fn repeat(&mut self, value: usize, l: &Loop) -> Result<LoopDraft> {
        let head = self.region(l.head)?;
        let next = self.region(l.next)?;
        let mut outer = Vec::new();
        let mut results = self.single(&l.nexts);
        results.push(l.flag);
        self.outer(l.head, &[&head, &next], &results, &mut outer);
        Ok(LoopDraft {
            value,
            head,
            next,
            outer,
            recorded: l.reverses.iter().any(|reverse| match self.wanted {
                // a pass may read what was recorded before it
                Wanted::Stage(_) => true,
                Wanted::Pass => self.uses[*reverse] > 0,
            }),
            single: self.is_stage(),
        })
    }

    fn is_stage(&self) -> bool {
        matches!(self.wanted, Wanted::Stage(_))
    }

    /// Those values that may be drafted at all.
    fn single(&self, values: &[usize]) -> Vec<usize> {
        let may = |value: &&usize| !(self.is_stage() && self.values.list[**value].batched);
        values.iter().filter(may).copied().collect()
    }

    /// Appends what drafts of the scope `scope` and its results use from around it.
    fn outer(&self, scope: usize, drafts: &[&[Draft]], results: &[usize], outer: &mut Vec<usize>) {
        let values = self.values;
        let mut add = |value: usize| {
            if values.scopes[values.list[value].region] != scope {
                outer.push(value);
            }
        };
        for draft in drafts.iter().copied().flatten() {
            draft.uses(values, &mut add);
        }
        results.iter().for_each(|value| add(*value));
        outer.sort();
        outer.dedup();
    }
}
