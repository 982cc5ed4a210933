//! What rules emit into: the one thing that this table knows of graphs.

use super::{Linear, Op};

/// A value of a graph: the index of the node that computes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The index as a number of the machine.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A graph under construction.
pub trait Emit {
    /// The value of `op` on `args`. The graph may share equal nodes and fold constants.
    fn op(&mut self, op: Op, args: &[NodeId]) -> NodeId;

    /// Value `index` of an operation of linear algebra.
    fn linear(&mut self, linear: Linear, args: &[NodeId], index: usize) -> NodeId;

    /// A real constant.
    fn real(&mut self, value: f64) -> NodeId;

    /// An exact integer constant.
    fn int(&mut self, value: i64) -> NodeId {
        self.real(value as f64)
    }

    /// The real constant that `node` is known to be.
    fn known(&self, node: NodeId) -> Option<f64>;
}

impl dyn Emit + '_ {
    pub(super) fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.op(Op::Add, &[a, b])
    }

    pub(super) fn sub(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.op(Op::Sub, &[a, b])
    }

    pub(super) fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.op(Op::Mul, &[a, b])
    }

    pub(super) fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.op(Op::Div, &[a, b])
    }

    pub(super) fn neg(&mut self, a: NodeId) -> NodeId {
        self.op(Op::Neg, &[a])
    }

    pub(super) fn select(&mut self, test: NodeId, a: NodeId, b: NodeId) -> NodeId {
        self.op(Op::Select, &[test, a, b])
    }
}
