//! The tape of one sample: the operations on what a derivative is asked of, in order (Griewank and Walther, "Evaluating
//! derivatives", 2008). The way back applies the adjoint rules of the table to numbers.

use super::heap;
use super::immediate::{Immediate, Kept, Kernels};
use crate::error::Result;
use crate::graph::Builder;
use crate::ops::real::Real;
use crate::ops::{Emit, Linear, NodeId, Op, Role, Site, linear_adjoints};

/// Marks an operand that no derivative is asked of.
const CONSTANT: u32 = 1 << 31;

/// What made a result.
#[derive(Clone, Copy)]
enum Rule {
    Op(Op),
    /// Several results, side by side.
    Linear(Linear),
    /// What decided the path, and whether it held; no result.
    Test(Op, bool),
}

#[derive(Clone, Copy)]
struct Entry {
    rule: Rule,
    /// The first of its operands, and how many there are.
    first: u32,
    count: u32,
    /// The place of its first result.
    out: u32,
}

/// Values by place, and what made them. Place 0 holds nothing.
pub struct Tape<T> {
    values: Vec<T>,
    entries: Vec<Entry>,
    operands: Vec<u32>,
    adjoints: Adjoints<T>,
    ids: Vec<NodeId>,
    kept: Kept<T>,
    limit: usize,
    /// Whether tests are noted too.
    tracing: bool,
    /// Whether something that is not on the tape has decided the path.
    opaque: bool,
}

/// The adjoints by place.
struct Adjoints<T> {
    values: Vec<T>,
    /// Whether anything has reached an adjoint.
    reached: Vec<bool>,
}

impl<T: Real> Adjoints<T> {
    fn get(&self, mark: u32) -> Option<T> {
        self.reached[mark as usize].then(|| self.values[mark as usize])
    }

    fn add(&mut self, mark: u32, value: T) {
        let value = match self.get(mark) {
            Some(sum) => sum + value,
            None => value,
        };
        self.values[mark as usize] = value;
        self.reached[mark as usize] = true;
    }
}

impl<T: Real> Tape<T> {
    /// An empty tape for at most so many values.
    pub fn new(limit: usize) -> Tape<T> {
        Tape {
            values: vec![T::ZERO],
            entries: Vec::new(),
            operands: Vec::new(),
            adjoints: Adjoints {
                values: Vec::new(),
                reached: Vec::new(),
            },
            ids: Vec::new(),
            kept: Kept::new(),
            limit: limit.min(CONSTANT as usize - 1),
            tracing: false,
            opaque: false,
        }
    }

    /// The same, on which tests are noted too: of what is marked by a place, nothing decides the path unseen.
    pub fn tracing(limit: usize) -> Tape<T> {
        Tape {
            tracing: true,
            ..Tape::new(limit)
        }
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        self.values.truncate(1);
        self.entries.clear();
        self.operands.clear();
        self.opaque = false;
    }

    /// Notes a test that has decided, or may decide, the path.
    pub fn test(
        &mut self,
        op: Op,
        args: impl Iterator<Item = (T, u32)>,
        holds: bool,
    ) -> Result<()> {
        if self.tracing {
            let first = self.operands(args)?;
            self.entry(Rule::Test(op, holds), first, 0);
        }
        Ok(())
    }

    /// Notes that something has decided the path that no operation on numbers tells.
    pub fn decided_otherwise(&mut self) {
        self.opaque = true;
    }

    /// How many operations are noted.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Emits what is on the tape, whose first places are the ports: the nodes of these places, 0 being none, and whether
    /// all tests go as they have gone; `None` where there was none. Nothing where the tape does not tell the path.
    pub fn emit(
        &self,
        builder: &mut Builder,
        ports: usize,
        places: &[u32],
    ) -> Option<(Vec<Option<NodeId>>, Option<NodeId>)> {
        if self.opaque {
            return None;
        }
        let mut nodes: Vec<Option<NodeId>> = vec![None; self.values.len()];
        for port in 0..ports {
            *nodes.get_mut(1 + port)? = Some(builder.port(port));
        }
        let mut path: Option<NodeId> = None;
        for entry in &self.entries {
            let operands =
                &self.operands[entry.first as usize..(entry.first + entry.count) as usize];
            let mut args = Vec::with_capacity(operands.len());
            for operand in operands {
                let place = (operand & !CONSTANT) as usize;
                args.push(match varies(*operand) {
                    true => nodes[place]?,
                    false => builder.real(self.values[place].to_f64()),
                });
            }
            let out = entry.out as usize;
            match entry.rule {
                Rule::Op(op) => nodes[out] = Some(builder.op(op, &args)),
                Rule::Linear(linear) => {
                    let values = builder.linear_values(linear, &args, 0..linear.values());
                    for (node, value) in nodes[out..].iter_mut().zip(values) {
                        *node = Some(value);
                    }
                }
                Rule::Test(op, holds) => {
                    let mut test = builder.op(op, &args);
                    if !holds {
                        test = builder.op(Op::Not, &[test]);
                    }
                    path = Some(match path {
                        None => test,
                        Some(path) => builder.op(Op::And, &[path, test]),
                    });
                }
            }
        }
        let results = places.iter().map(|place| nodes[*place as usize]);
        Some((results.collect(), path))
    }

    /// Puts a number on the tape; its place.
    pub fn push(&mut self, value: T) -> Result<u32> {
        if self.values.len() >= self.limit {
            return Err(heap::full(self.limit));
        }
        self.values.push(value);
        Ok(self.values.len() as u32 - 1)
    }

    /// Puts operands, numbers with their places, on the tape; the first.
    fn operands(&mut self, args: impl Iterator<Item = (T, u32)>) -> Result<u32> {
        let first = self.operands.len() as u32;
        for (value, mark) in args {
            let operand = match mark {
                0 => self.push(value)? | CONSTANT,
                mark => mark,
            };
            self.operands.push(operand);
        }
        Ok(first)
    }

    /// Notes an operation on numbers, given with their places, on at least one of which a derivative is asked; the place of
    /// its result.
    pub fn note(&mut self, op: Op, args: impl Iterator<Item = (T, u32)>, result: T) -> Result<u32> {
        let first = self.operands(args)?;
        let out = self.push(result)?;
        self.entry(Rule::Op(op), first, out);
        Ok(out)
    }

    /// The same for an operation of linear algebra; the place of its first result.
    pub fn note_linear(
        &mut self,
        linear: Linear,
        args: impl Iterator<Item = (T, u32)>,
        results: impl Iterator<Item = T>,
    ) -> Result<u32> {
        let first = self.operands(args)?;
        let out = self.values.len() as u32;
        for result in results {
            self.push(result)?;
        }
        self.entry(Rule::Linear(linear), first, out);
        Ok(out)
    }

    fn entry(&mut self, rule: Rule, first: u32, out: u32) {
        let count = self.operands.len() as u32 - first;
        self.entries.push(Entry {
            rule,
            first,
            count,
            out,
        });
    }

    /// Makes all adjoints zero.
    pub fn clear_adjoints(&mut self) {
        let Adjoints { values, reached } = &mut self.adjoints;
        values.clear();
        values.resize(self.values.len(), T::ZERO);
        reached.clear();
        reached.resize(self.values.len(), false);
    }

    /// Adds to the adjoint at a place; place 0 takes nothing.
    pub fn add(&mut self, mark: u32, value: T) {
        if mark != 0 {
            self.adjoints.add(mark, value);
        }
    }

    /// The adjoint at a place.
    pub fn adjoint(&self, mark: u32) -> T {
        self.adjoints.get(mark).unwrap_or(T::ZERO)
    }

    /// Goes back over the tape from the adjoints that were added.
    pub fn sweep(&mut self, kernels: &Kernels<T>) {
        let Tape {
            values,
            entries,
            operands,
            adjoints,
            ids,
            kept,
            ..
        } = self;
        let length = values.len();
        for entry in entries.iter().rev() {
            let args = &operands[entry.first as usize..(entry.first + entry.count) as usize];
            let mut emit = Immediate {
                values,
                kernels,
                kept,
            };
            match entry.rule {
                Rule::Test(..) => {}
                Rule::Op(op) => {
                    let Some(adjoint) = adjoints.get(entry.out) else {
                        continue;
                    };
                    let Role::Numeric { adjoint: rule, .. } = op.row().role else {
                        continue;
                    };
                    ids.clear();
                    ids.extend(args.iter().map(|arg| NodeId(arg & !CONSTANT)));
                    let site = Site {
                        args: ids,
                        out: NodeId(entry.out),
                        adjoint: emit.push(adjoint),
                    };
                    for (i, arg) in args.iter().enumerate().filter(|(_, arg)| varies(**arg)) {
                        if let Some(part) = rule(&mut emit, site, i) {
                            adjoints.add(*arg, emit.values[part.index()]);
                        }
                    }
                }
                Rule::Linear(linear) => {
                    let results = entry.out..entry.out + linear.values() as u32;
                    let parts: Vec<Option<NodeId>> = results
                        .map(|out| adjoints.get(out).map(|adjoint| emit.push(adjoint)))
                        .collect();
                    if parts.iter().all(Option::is_none) {
                        continue;
                    }
                    ids.clear();
                    ids.extend(args.iter().map(|arg| NodeId(arg & !CONSTANT)));
                    let wanted: Vec<bool> = args.iter().map(|arg| varies(*arg)).collect();
                    let found = linear_adjoints(&mut emit, linear, ids, &parts, &wanted);
                    for (arg, part) in args.iter().zip(found).filter(|(arg, _)| varies(**arg)) {
                        if let Some(part) = part {
                            adjoints.add(*arg, emit.values[part.index()]);
                        }
                    }
                }
            }
            values.truncate(length);
            kept.clear();
        }
    }
}

/// Whether a derivative is asked of an operand.
fn varies(operand: u32) -> bool {
    operand & CONSTANT == 0
}
