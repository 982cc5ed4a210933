//! Brings a numeric graph to the form in which each node is one operator of ONNX: both arms of an `if` are computed and
//! selected, operations without an operator are decomposed, and tests are truth values.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::graph::{
    Builder, Elem, Graph, NodeId, NodeKind, Output, Port, PortKind, Type, flatten, write_out,
};
use crate::ops::{Emit, Linear, MAX_WRITTEN_SIDE, OnnxForm, Op, Role, linear, linear_values};
use crate::syntax::ast::Constant;

/// The element type of a model's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Double precision.
    F64,
    /// Single precision.
    F32,
}

impl Element {
    /// The name of the type, e.g. `"f64"`.
    pub fn name(self) -> &'static str {
        match self {
            Element::F64 => "f64",
            Element::F32 => "f32",
        }
    }
}

/// Where the number of samples comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// From the size of an input.
    Size,
    /// From one more parameter, which stands behind the ports of the graph.
    Port,
}

/// Real exponents up to this one become products, which differ from the power by less than four units in the last place.
const LARGEST_PRODUCT: f64 = 6.0;

/// The graph in ONNX form. An output that is a number stays one: a truth value in its place becomes a product with 1.
pub(crate) fn onnx_form(graph: &Graph, element: Element, count: Count) -> Result<Graph> {
    for (i, node) in graph.nodes.iter().enumerate() {
        let numeric = match &node.kind {
            NodeKind::Constant(value) => value.as_real().is_some(),
            NodeKind::Op(op) => matches!(op.row().role, Role::Numeric { .. }),
            NodeKind::Port(_) | NodeKind::If(..) | NodeKind::Get(_) | NodeKind::Linear(_) => true,
            _ => false,
        };
        if !numeric {
            let message = format!(
                "node {i} of the graph is not numeric; ONNX takes graphs of numbers and `if` only"
            );
            return Err(Error::new(ErrorKind::Unsupported, message).at(node.span));
        }
        let side = match node.kind {
            NodeKind::Linear(linear) => Some((linear.name(), linear.side())),
            NodeKind::Op(op @ (Op::DetOf | Op::LogDetOf)) => {
                linear::side(node.args.len()).map(|n| (op.name(), n))
            }
            _ => None,
        };
        if let Some((name, n)) = side.filter(|(_, n)| *n > MAX_WRITTEN_SIDE) {
            let message = format!(
                "{name} of a {n} by {n} matrix: in ONNX linear algebra is written out, for sides up to {MAX_WRITTEN_SIDE}; the native engine runs it"
            );
            return Err(Error::new(ErrorKind::Unsupported, message).at(node.span));
        }
    }
    let flat = flatten(&write_out(graph, MAX_WRITTEN_SIDE));
    let mut ports = flat.ports.clone();
    if count == Count::Port {
        ports.push(Port {
            name: Arc::from("batch-count"),
            kind: PortKind::Parameter {
                initial: 1.0,
                lower: 0.0,
                upper: f64::INFINITY,
            },
        });
    }
    let mut form = Form {
        element,
        count: (count == Count::Port).then_some(NodeId(flat.ports.len() as u32)),
        batched: Batched::default(),
        builder: Builder::new(ports),
    };
    let mut map: Vec<NodeId> = Vec::with_capacity(flat.nodes.len());
    for node in &flat.nodes {
        form.builder.span = node.span;
        let args: Vec<NodeId> = node.args.iter().map(|arg| map[arg.index()]).collect();
        map.push(match &node.kind {
            NodeKind::Constant(value) => form.builder.constant(value.clone()),
            NodeKind::Op(op) => form.op(*op, &args),
            NodeKind::Port(port) => form.builder.port(*port as usize),
            _ => unreachable!("checked above; nothing else is left"),
        });
    }
    let outputs = flat.outputs.iter().map(|output| {
        let node = map[output.node.index()];
        let number = flat.node(output.node).ty != Type::Scalar(Elem::Bool) && form.is_bool(node);
        Output {
            name: output.name.clone(),
            node: if number { form.as_number(node) } else { node },
        }
    });
    let outputs = outputs.collect();
    // once more, for what decompositions and products have left unused
    Ok(flatten(&form.builder.finish(outputs, flat.value.clone())))
}

struct Form {
    element: Element,
    builder: Builder,
    count: Option<NodeId>,
    batched: Batched,
}

/// Which nodes of a growing graph without `if` differ from sample to sample.
#[derive(Default)]
pub(super) struct Batched(Vec<bool>);

impl Batched {
    pub fn get(&mut self, graph: &Graph, node: NodeId) -> bool {
        for node in &graph.nodes[self.0.len()..] {
            let batched = match node.kind {
                NodeKind::Port(port) => !graph.ports[port as usize].is_parameter(),
                NodeKind::Op(Op::BatchSum) => false,
                _ => node.args.iter().any(|arg| self.0[arg.index()]),
            };
            self.0.push(batched);
        }
        self.0[node.index()]
    }
}

impl Form {
    fn is_bool(&self, node: NodeId) -> bool {
        self.builder.graph().node(node).ty == Type::Scalar(Elem::Bool)
    }

    fn as_number(&mut self, node: NodeId) -> NodeId {
        let one = self.builder.constant(Constant::Int(1));
        self.builder.op(Op::Mul, &[node, one])
    }

    /// Whether a number counts as true: all but zeros do, NaN too.
    fn truth(&mut self, node: NodeId) -> NodeId {
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

    fn select(&mut self, test: NodeId, a: NodeId, b: NodeId) -> NodeId {
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

impl Emit for Form {
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
            (Op::BatchSum, [x]) if !self.batched.get(self.builder.graph(), *x) => {
                let count = self.op(Op::BatchCount, &[]);
                return self.builder.op(Op::Mul, &[*x, count]);
            }
            _ => {}
        }
        match row.onnx {
            OnnxForm::Decomposed(definition) => definition(self, args),
            _ => self.builder.op(op, args),
        }
    }

    fn linear(&mut self, linear: Linear, args: &[NodeId], index: usize) -> NodeId {
        linear_values(self, linear, args)[index]
    }

    fn real(&mut self, value: f64) -> NodeId {
        self.builder.real(value)
    }

    fn known(&self, node: NodeId) -> Option<f64> {
        self.builder.known(node)
    }
}
