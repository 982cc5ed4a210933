//! Operation by operation: each in operators of ONNX, tests as truth values.

use super::{Element, Form, LARGEST_PRODUCT};
use crate::graph::{Elem, NodeId, Type};
use crate::ops::{Emit, Linear, MAX_WRITTEN_SIDE, OnnxForm, Op, Role, linear_values};
use crate::syntax::ast::Constant;

impl Form<'_> {
    pub(super) fn is_bool(&self, node: NodeId) -> bool {
        self.builder.graph().node(node).ty == Type::Scalar(Elem::Bool)
    }

    pub(super) fn as_number(&mut self, node: NodeId) -> NodeId {
        let one = self.builder.constant(Constant::Int(1));
        self.builder.op(Op::Mul, &[node, one])
    }

    /// Whether a number counts as true: all but zeros do, NaN too.
    pub(super) fn truth(&mut self, node: NodeId) -> NodeId {
        if self.is_bool(node) {
            return node;
        }
        if let Some(value) = self.builder.known(node) {
            return self.builder.constant(Constant::Bool(value != 0.0));
        }
        let zero = self.builder.real(0.0);
        let same = self.builder.op(Op::Equal, &[node, zero]);
        self.builder.op(Op::Not, &[same])
    }

    pub(super) fn select(&mut self, test: NodeId, a: NodeId, b: NodeId) -> NodeId {
        let test = self.truth(test);
        let known = self.builder.known(test).is_some() || a == b;
        if known || !self.is_bool(a) || !self.is_bool(b) {
            return self.builder.op(Op::Select, &[test, a, b]);
        }
        // ONNX Runtime cannot select truth values
        let other = self.builder.op(Op::Not, &[test]);
        let (a, b) = (
            self.builder.op(Op::And, &[test, a]),
            self.builder.op(Op::And, &[other, b]),
        );
        self.builder.op(Op::Or, &[a, b])
    }

    /// The cosine in double precision, for which ONNX Runtime 1.20 to 1.23 have no kernel, from sines.
    ///
    /// `sin(x + π/2)`, corrected for what rounding has taken from `t ≈ x + π/2`; far from 0, where that correction would
    /// be large, `1 - 2 sin²(x/2)`.
    fn cosine(&mut self, x: NodeId) -> NodeId {
        const LOW_PART_OF_HALF_PI: f64 = 6.123_233_995_736_766e-17;
        let [half, two, one] = [0.5, 2.0, 1.0].map(|value| self.builder.real(value));
        let [limit, high, low] = [1e6, std::f64::consts::FRAC_PI_2, LOW_PART_OF_HALF_PI]
            .map(|value| self.builder.real(value));
        let mut op = |op: Op, args: &[NodeId]| self.builder.op(op, args);
        let size = op(Op::Abs, &[x]);
        let near = op(Op::LessEqual, &[size, limit]);
        let t = op(Op::Add, &[x, high]);
        // t = x + high - lost, exactly (Knuth's two-sum)
        let high_of_t = op(Op::Sub, &[t, x]);
        let x_of_t = op(Op::Sub, &[t, high_of_t]);
        let (lost_x, lost_high) = (op(Op::Sub, &[x, x_of_t]), op(Op::Sub, &[high, high_of_t]));
        let lost = op(Op::Add, &[lost_x, lost_high]);
        let rest = op(Op::Add, &[lost, low]);
        let halved = op(Op::Mul, &[x, half]);
        let angle = op(Op::Select, &[near, t, halved]);
        let (sine, sine_of_x) = (op(Op::Sin, &[angle]), op(Op::Sin, &[x]));
        let correction = op(Op::Mul, &[rest, sine_of_x]);
        let corrected = op(Op::Sub, &[sine, correction]);
        let square = op(Op::Mul, &[sine, sine]);
        let twice = op(Op::Mul, &[two, square]);
        let far = op(Op::Sub, &[one, twice]);
        op(Op::Select, &[near, corrected, far])
    }

    /// `x^n` by squaring.
    fn power(&mut self, x: NodeId, n: u32) -> NodeId {
        match n {
            0 => self.builder.real(1.0),
            1 => x,
            _ => {
                let root = self.power(x, n / 2);
                let square = self.builder.op(Op::Mul, &[root, root]);
                match n % 2 {
                    0 => square,
                    _ => self.builder.op(Op::Mul, &[square, x]),
                }
            }
        }
    }
}

impl Emit for Form<'_> {
    fn op(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        let row = op.row();
        let kernel = match row.role {
            Role::Defined(definition) => return definition(self, args),
            Role::Numeric { kernel, .. } => kernel,
            _ => None,
        };
        let constant = args.iter().all(|arg| self.known(*arg).is_some());
        if kernel.is_some() && constant {
            return self.builder.op(op, args);
        }
        match (op, args) {
            (Op::Select, [test, a, b]) => return self.select(*test, *a, *b),
            (Op::Not | Op::And | Op::Or, args) => {
                let args: Vec<NodeId> = args.iter().map(|arg| self.truth(*arg)).collect();
                return self.builder.op(op, &args);
            }
            (Op::Pow, [x, exponent]) => {
                if let Some(n) = self.known(*exponent)
                    && n.fract() == 0.0
                    && (0.0..=LARGEST_PRODUCT).contains(&n)
                {
                    return self.power(*x, n as u32);
                }
            }
            (Op::Cos, [x]) if self.element == Element::F64 => return self.cosine(*x),
            (Op::BatchCount, []) => {
                if let Some(port) = self.count {
                    return port;
                }
            }
            _ => {}
        }
        match row.onnx {
            // a large matrix stays one
            _ if matches!(op, Op::DetOf | Op::LogDetOf)
                && args.len() > MAX_WRITTEN_SIDE * MAX_WRITTEN_SIDE =>
            {
                self.builder.op(op, args)
            }
            OnnxForm::Decomposed(definition) => definition(self, args),
            _ => self.builder.op(op, args),
        }
    }

    fn linear(&mut self, linear: Linear, args: &[NodeId], index: usize) -> NodeId {
        match linear.side() > MAX_WRITTEN_SIDE {
            true => self.builder.linear(linear, args, index),
            false => linear_values(self, linear, args)[index],
        }
    }

    fn real(&mut self, value: f64) -> NodeId {
        self.builder.real(value)
    }

    fn known(&self, node: NodeId) -> Option<f64> {
        self.builder.known(node)
    }
}
