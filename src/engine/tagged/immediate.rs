//! What operations compute, and a graph that computes what is emitted into it at once: so the rules of the table, which make
//! graphs, give numbers.

use super::sweep::Adjoints;
use super::tape::varies;
use crate::ops::kernel::{Binary, Unary};
use crate::ops::real::Real;
use crate::ops::{Emit, Linear, NodeId, Op, Role, linear};

/// What an operation computes.
#[derive(Clone, Copy)]
pub enum Function<T> {
    /// One number.
    Unary(Unary<T>),
    /// Two numbers, or more in turn.
    Binary(Binary<T>),
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
                (Some(unary), _) => Function::Unary(unary),
                (_, Some(binary)) => Function::Binary(binary),
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

    /// What a function computes of so many numbers.
    pub fn value(&mut self, function: Function<T>, count: usize, arg: impl Fn(usize) -> T) -> T {
        match (function, count) {
            (Function::Unary(f), 1) => (f.scalar)(arg(0)),
            (Function::Binary(f), 1..) => (1..count).fold(arg(0), |a, i| (f.scalar)(a, arg(i))),
            (Function::Select, 3) => match arg(0).is_true() {
                true => arg(1),
                false => arg(2),
            },
            (Function::Many(f), _) => self.many(f, (0..count).map(arg)),
            // no rule emits anything else
            _ => T::of(f64::NAN),
        }
    }

    /// The value of an operation on many numbers.
    pub fn many(&mut self, function: fn(&mut [T]) -> T, args: impl Iterator<Item = T>) -> T {
        self.memory.clear();
        self.memory.extend(args);
        function(&mut self.memory)
    }
}

/// What is kept from one rule of an entry to the next.
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

    /// The node of a constant, if there is one.
    pub fn real(&self, value: f64) -> Option<NodeId> {
        let bits = value.to_bits();
        let known = self.reals.iter().find(|(other, _)| *other == bits);
        known.map(|(_, node)| *node)
    }

    /// Keeps the node of a constant.
    pub fn keep_real(&mut self, value: f64, node: NodeId) {
        self.reals.push((value.to_bits(), node));
    }

    /// The first value of an operation of linear algebra, if it was the last one.
    pub fn linear(&self, linear: Linear, args: &[NodeId]) -> Option<NodeId> {
        let (last, first) = self.last?;
        (last == linear && self.last_args == args).then_some(first)
    }

    /// Keeps the first value of an operation of linear algebra.
    pub fn keep_linear(&mut self, linear: Linear, args: &[NodeId], first: NodeId) {
        self.last = Some((linear, first));
        self.last_args.clear();
        self.last_args.extend_from_slice(args);
    }
}

/// The adjoints of one sample by place.
pub struct Slopes<T> {
    values: Vec<T>,
    /// Whether anything has reached an adjoint.
    reached: Vec<bool>,
}

impl<T: Real> Slopes<T> {
    pub fn new() -> Slopes<T> {
        Slopes {
            values: Vec::new(),
            reached: Vec::new(),
        }
    }

    /// Makes those of so many places zero.
    pub fn clear(&mut self, places: usize) {
        self.values.clear();
        self.values.resize(places, T::ZERO);
        self.reached.clear();
        self.reached.resize(places, false);
    }

    /// The adjoint at a place that something has reached.
    pub fn get(&self, place: u32) -> Option<T> {
        self.reached[place as usize].then(|| self.values[place as usize])
    }

    /// Adds to the adjoint at a place.
    pub fn add(&mut self, place: u32, value: T) {
        let value = match self.get(place) {
            Some(sum) => sum + value,
            None => value,
        };
        self.values[place as usize] = value;
        self.reached[place as usize] = true;
    }
}

/// Computes what rules emit for one sample at once: a node is the place of its value.
pub struct Immediate<'a, T> {
    values: &'a mut Vec<T>,
    kernels: &'a Kernels<T>,
    kept: &'a mut Kept<T>,
    adjoints: &'a mut Slopes<T>,
    /// How many values are on the tape.
    length: usize,
}

impl<'a, T: Real> Immediate<'a, T> {
    /// Behind the values of the tape.
    pub fn new(
        values: &'a mut Vec<T>,
        kernels: &'a Kernels<T>,
        kept: &'a mut Kept<T>,
        adjoints: &'a mut Slopes<T>,
    ) -> Immediate<'a, T> {
        Immediate {
            length: values.len(),
            values,
            kernels,
            kept,
            adjoints,
        }
    }

    /// A node with this value.
    fn push(&mut self, value: T) -> NodeId {
        self.values.push(value);
        NodeId(self.values.len() as u32 - 1)
    }
}

impl<T: Real> Adjoints for Immediate<'_, T> {
    fn asked(&self, operand: u32) -> bool {
        // only what a derivative is asked of has a place on the tape of one sample
        varies(operand)
    }

    fn adjoint(&mut self, place: u32) -> Option<NodeId> {
        let value = self.adjoints.get(place)?;
        Some(self.push(value))
    }

    fn add(&mut self, place: u32, part: NodeId) {
        self.adjoints.add(place, self.values[part.index()]);
    }

    fn forget(&mut self) {
        self.values.truncate(self.length);
        self.kept.clear();
    }
}

impl<T: Real> Emit for Immediate<'_, T> {
    fn op(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        if let Role::Defined(definition) = op.row().role {
            return definition(self, args);
        }
        let value = |i: usize| self.values[args[i].index()];
        let result = (self.kept.work).value(self.kernels.of(op), args.len(), value);
        self.push(result)
    }

    fn linear(&mut self, linear: Linear, args: &[NodeId], index: usize) -> NodeId {
        let first = self.kept.linear(linear, args).unwrap_or_else(|| {
            let first = NodeId(self.values.len() as u32);
            let numbers = args.iter().map(|arg| self.values[arg.index()]);
            let values = self.kept.work.linear(linear, numbers);
            self.values.extend_from_slice(values);
            self.kept.keep_linear(linear, args, first);
            first
        });
        NodeId(first.0 + index as u32)
    }

    fn real(&mut self, value: f64) -> NodeId {
        self.kept.real(value).unwrap_or_else(|| {
            let node = self.push(T::of(value));
            self.kept.keep_real(value, node);
            node
        })
    }

    fn known(&self, _: NodeId) -> Option<f64> {
        None
    }
}
