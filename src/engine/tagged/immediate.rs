//! What operations compute, and a graph that computes what is emitted into it at once: so the rules of the table, which make
//! graphs, give numbers.

use crate::ops::real::Real;
use crate::ops::{Emit, Linear, NodeId, Op, Role, linear};

/// What an operation computes.
#[derive(Clone, Copy)]
pub enum Function<T> {
    /// One number.
    Unary(fn(T) -> T),
    /// Two numbers, or more in turn.
    Binary(fn(T, T) -> T),
    /// Many numbers, which it may overwrite.
    Many(fn(&mut [T]) -> T),
    /// One of two numbers, as a third decides.
    Select,
    /// No number.
    Other,
}

/// What each operation computes, in the order of the table.
pub struct Kernels<T>(Vec<Function<T>>);

impl<T: Real> Kernels<T> {
    /// Those of the table.
    pub fn new() -> Kernels<T> {
        let function = |row: &crate::ops::Row| match (row.op, row.role) {
            (Op::Select, _) => Function::Select,
            (Op::DetOf, _) => Function::Many(det),
            (Op::LogDetOf, _) => Function::Many(logdet),
            (Op::Pick, _) => Function::Many(pick),
            (
                _,
                Role::Numeric {
                    kernel: Some(kernel),
                    ..
                },
            ) => match (kernel.unary::<T>(), kernel.binary::<T>()) {
                (Some(unary), _) => Function::Unary(unary.scalar),
                (_, Some(binary)) => Function::Binary(binary.scalar),
                _ => Function::Other,
            },
            _ => Function::Other,
        };
        Kernels(crate::ops::all().iter().map(function).collect())
    }

    /// That of one operation.
    #[inline(always)]
    pub fn of(&self, op: Op) -> Function<T> {
        self.0[op as usize]
    }
}

fn det<T: Real>(matrix: &mut [T]) -> T {
    let side = linear::side(matrix.len());
    side.map_or(T::of(f64::NAN), |n| linear::det(n, matrix))
}

fn logdet<T: Real>(matrix: &mut [T]) -> T {
    let side = linear::side(matrix.len());
    side.map_or(T::of(f64::NAN), |n| linear::logdet(n, matrix))
}

/// The number whose place among those behind the first is the first.
fn pick<T: Real>(numbers: &mut [T]) -> T {
    let chosen = numbers.split_first().and_then(|(index, numbers)| {
        let place = (0..numbers.len()).find(|place| T::of(*place as f64) == *index);
        place.map(|place| numbers[place])
    });
    chosen.unwrap_or(T::of(f64::NAN))
}

/// Memory for linear algebra.
pub struct Workspace<T> {
    memory: Vec<T>,
    scratch: Vec<T>,
}

impl<T: Real> Workspace<T> {
    pub fn new() -> Workspace<T> {
        Workspace {
            memory: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// The values of an operation of linear algebra.
    pub fn linear(&mut self, linear: Linear, args: impl Iterator<Item = T>) -> &[T] {
        self.memory.clear();
        self.memory.extend(args);
        self.scratch.clear();
        self.scratch.resize(linear.scratch(), T::ZERO);
        linear.apply(&mut self.memory, &mut self.scratch);
        &self.memory[self.memory.len() - linear.values()..]
    }

    /// The value of an operation on many numbers.
    pub fn many(&mut self, function: fn(&mut [T]) -> T, args: impl Iterator<Item = T>) -> T {
        self.memory.clear();
        self.memory.extend(args);
        function(&mut self.memory)
    }
}

/// What [`Immediate`] keeps from one rule of an entry to the next.
pub struct Kept<T> {
    pub work: Workspace<T>,
    /// Real constants: equal ones are one node.
    reals: Vec<(u64, NodeId)>,
    /// The last operation of linear algebra: its arguments and its first value.
    last: Option<(Linear, NodeId)>,
    last_args: Vec<NodeId>,
}

impl<T: Real> Kept<T> {
    pub fn new() -> Kept<T> {
        Kept {
            work: Workspace::new(),
            reals: Vec::new(),
            last: None,
            last_args: Vec::new(),
        }
    }

    /// Forgets nodes that are no more.
    pub fn clear(&mut self) {
        self.reals.clear();
        self.last = None;
    }
}

/// Computes what rules emit at once: a node is the place of its value.
pub struct Immediate<'a, T> {
    pub values: &'a mut Vec<T>,
    pub kernels: &'a Kernels<T>,
    pub kept: &'a mut Kept<T>,
}

impl<T: Real> Immediate<'_, T> {
    /// A node with this value.
    pub fn push(&mut self, value: T) -> NodeId {
        self.values.push(value);
        NodeId(self.values.len() as u32 - 1)
    }
}

impl<T: Real> Emit for Immediate<'_, T> {
    fn op(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        if let Role::Defined(definition) = op.row().role {
            return definition(self, args);
        }
        let value = |i: usize| self.values[args[i].index()];
        let result = match (self.kernels.of(op), args.len()) {
            (Function::Unary(f), 1) => f(value(0)),
            (Function::Binary(f), 1..) => (1..args.len()).fold(value(0), |a, i| f(a, value(i))),
            (Function::Select, 3) => match value(0).is_true() {
                true => value(1),
                false => value(2),
            },
            (Function::Many(f), _) => self.kept.work.many(f, (0..args.len()).map(value)),
            // no rule emits anything else
            _ => T::of(f64::NAN),
        };
        self.push(result)
    }

    fn linear(&mut self, linear: Linear, args: &[NodeId], index: usize) -> NodeId {
        let first = match self.kept.last {
            Some((last, first)) if last == linear && self.kept.last_args == args => first,
            _ => {
                let first = NodeId(self.values.len() as u32);
                let numbers = args.iter().map(|arg| self.values[arg.index()]);
                let values = self.kept.work.linear(linear, numbers);
                self.values.extend_from_slice(values);
                self.kept.last = Some((linear, first));
                self.kept.last_args.clear();
                self.kept.last_args.extend_from_slice(args);
                first
            }
        };
        NodeId(first.0 + index as u32)
    }

    fn real(&mut self, value: f64) -> NodeId {
        let bits = value.to_bits();
        if let Some((_, node)) = self.kept.reals.iter().find(|(other, _)| *other == bits) {
            return *node;
        }
        let node = self.push(T::of(value));
        self.kept.reals.push((bits, node));
        node
    }

    fn known(&self, _: NodeId) -> Option<f64> {
        None
    }
}
