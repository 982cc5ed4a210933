//! Losses as graphs: what [`Loss`] and [`deviance`](super::loss::deviance) compute of one number, in operations of numeric
//! graphs, so that an engine can reduce many samples where they lie.
//!
//! Ports are those of the model, then one for each target and, where there are weights, one for the root of each weight; all
//! of these are inputs.

use std::sync::Arc;

use super::loss::{Kind, Loss};
use super::problem::Rows;
use crate::grad::{self, Measured};
use crate::graph::{
    Arms, Builder, Copier, Graph, NodeId, NodeKind, Output, Port, PortKind, RegionId, Value,
    simplify,
};
use crate::ops::{Emit, Op};

/// What is measured of a model.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measure {
    pub loss: Loss,
    pub rows: Rows,
    /// Targets of a sample.
    pub targets: usize,
    /// Whether there are weights.
    pub weighted: bool,
}

impl Measure {
    /// The ports behind those of a model.
    fn ports(&self) -> Vec<Port> {
        let input = |name: String| Port {
            name: Arc::from(name),
            kind: PortKind::Input,
        };
        let targets = (0..self.targets).map(|o| input(format!("target.{o}")));
        let roots = (0..self.targets).filter(|_| self.weighted);
        targets
            .chain(roots.map(|o| input(format!("root.{o}"))))
            .collect()
    }

    fn target(&self, b: &Builder, first: usize, o: usize) -> NodeId {
        b.port(first + o)
    }

    fn root(&self, b: &Builder, first: usize, o: usize) -> Option<NodeId> {
        self.weighted.then(|| b.port(first + self.targets + o))
    }

    /// The residuals of each sample, and their derivatives by the ports `wrt`, residual by residual. For losses that are sums
    /// of squares.
    pub fn residuals(&self, model: &Graph, wrt: &[usize]) -> Graph {
        let graph = grad::cheapest_jacobian(model, wrt);
        let first = graph.ports.len();
        let mut ports = graph.ports.clone();
        ports.extend(self.ports());
        let mut b = Builder::new(ports);
        let results: Vec<NodeId> = graph.outputs.iter().map(|output| output.node).collect();
        let mut copier = Copier::new(&graph, RegionId(0), &results, Arms::Keep);
        for (i, node) in graph.nodes.iter().enumerate() {
            if let NodeKind::Port(port) = node.kind {
                copier.set(NodeId(i as u32), b.port(port as usize));
            }
        }
        copier.nodes(&mut b, RegionId(0));
        let copied: Vec<NodeId> = results.iter().map(|node| copier.get(*node)).collect();
        let (values, derivatives) = copied.split_at(self.targets);
        let (mut residuals, mut rows) = (Vec::new(), Vec::new());
        for (o, value) in values.iter().enumerate() {
            let (residual, slope) = self.residual(&mut b, *value, first, o);
            residuals.push(residual);
            for derivative in &derivatives[o * wrt.len()..(o + 1) * wrt.len()] {
                rows.push(match slope {
                    Some(slope) => b.op(Op::Mul, &[*derivative, slope]),
                    None => *derivative,
                });
            }
        }
        let outputs = residuals.into_iter().chain(rows).enumerate();
        let outputs = outputs.map(|(i, node)| Output {
            name: Arc::from(format!("row.{i}")),
            node,
        });
        let outputs = outputs.collect();
        simplify(&b.finish(outputs, Value::Output(0)))
    }

    /// The loss of each sample, and the gradient of its sum by the ports `wrt`.
    pub fn total(&self, model: &Graph, wrt: &[usize]) -> Graph {
        grad::total(model, self.ports(), wrt, |b, values, first| {
            self.term(b, values, first)
        })
    }

    /// The loss of all samples and its gradient: as [`Measure::total`], with the sum of the loss.
    pub fn summed(&self, model: &Graph, wrt: &[usize]) -> Graph {
        let graph = self.total(model, wrt);
        let mut outputs = graph.outputs.clone();
        let mut b = Builder::resume(graph);
        outputs[0].node = b.op(Op::BatchSum, &[outputs[0].node]);
        simplify(&b.finish(outputs, Value::Output(0)))
    }

    fn term(&self, b: &mut Builder, values: &[NodeId], first: usize) -> Measured {
        let one = b.real(1.0);
        let (mut terms, mut slopes) = (Vec::new(), vec![one; values.len()]);
        match self.loss.kind {
            Kind::Value => terms.extend_from_slice(values),
            Kind::Gaussian => {
                for o in 0..self.targets {
                    let (mean, sd) = (values[o], values[self.targets + o]);
                    let target = self.target(b, first, o);
                    let two = b.real(2.0);
                    let gap = b.op(Op::Sub, &[mean, target]);
                    let z = b.op(Op::Div, &[gap, sd]);
                    let square = b.op(Op::Mul, &[z, z]);
                    let log = b.op(Op::Log, &[sd]);
                    let log = b.op(Op::Mul, &[two, log]);
                    let mut term = b.op(Op::Add, &[log, square]);
                    let mut factor = b.op(Op::Div, &[two, sd]);
                    if let Some(root) = self.root(b, first, o) {
                        let weight = b.op(Op::Mul, &[root, root]);
                        term = b.op(Op::Mul, &[weight, term]);
                        factor = b.op(Op::Mul, &[weight, factor]);
                    }
                    let rest = b.op(Op::Sub, &[one, square]);
                    terms.push(term);
                    slopes[o] = b.op(Op::Mul, &[factor, z]);
                    slopes[self.targets + o] = b.op(Op::Mul, &[factor, rest]);
                }
            }
            _ => {
                for (o, value) in values.iter().enumerate() {
                    let (residual, slope) = self.residual(b, *value, first, o);
                    terms.push(b.op(Op::Mul, &[residual, residual]));
                    let twice = b.op(Op::Add, &[residual, residual]);
                    slopes[o] = match slope {
                        Some(slope) => b.op(Op::Mul, &[twice, slope]),
                        None => twice,
                    };
                }
            }
        }
        let term = terms.into_iter().reduce(|a, c| b.op(Op::Add, &[a, c]));
        Measured {
            term: term.unwrap_or(one),
            slopes,
        }
    }

    /// A residual, and its derivative by the model's value where that is not one.
    fn residual(
        &self,
        b: &mut Builder,
        value: NodeId,
        first: usize,
        o: usize,
    ) -> (NodeId, Option<NodeId>) {
        let target = self.target(b, first, o);
        let (mut residual, mut slope) = match self.loss.kind {
            Kind::Poisson => {
                let (residual, mut slope) = deviance(b, value, target);
                if self.rows == Rows::Information {
                    let (one, root) = (b.real(1.0), b.op(Op::Sqrt, &[value]));
                    slope = b.op(Op::Div, &[one, root]);
                }
                (residual, Some(slope))
            }
            _ => (b.op(Op::Sub, &[value, target]), None),
        };
        let mut times = |b: &mut Builder, factor: NodeId| {
            slope = Some(match slope {
                Some(slope) => b.op(Op::Mul, &[slope, factor]),
                None => factor,
            });
        };
        if let Some(root) = self.root(b, first, o) {
            residual = b.op(Op::Mul, &[residual, root]);
            times(b, root);
        }
        if self.loss.kind.is_robust() && self.rows == Rows::Loss {
            let (bent, bend) = bend(b, &self.loss, residual);
            residual = bent;
            times(b, bend);
        }
        (residual, slope)
    }
}

/// [`Loss::bend`].
fn bend(b: &mut Builder, loss: &Loss, residual: NodeId) -> (NodeId, NodeId) {
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let scale = b.real(loss.scale);
    let ratio = b.op(Op::Div, &[residual, scale]);
    let s = b.op(Op::Mul, &[ratio, ratio]);
    let more = b.op(Op::Add, &[one, s]);
    let beyond = b.op(Op::Greater, &[s, one]);
    let (rho, slope) = match loss.kind {
        Kind::Huber => {
            let two = b.real(2.0);
            let root = b.op(Op::Sqrt, &[s]);
            let twice = b.op(Op::Mul, &[two, root]);
            let rho = b.op(Op::Sub, &[twice, one]);
            let slope = b.op(Op::Div, &[one, root]);
            (
                b.op(Op::Select, &[beyond, rho, s]),
                b.op(Op::Select, &[beyond, slope, one]),
            )
        }
        Kind::SoftL1 => {
            let root = b.op(Op::Sqrt, &[more]);
            let (twice, below) = (b.op(Op::Add, &[s, s]), b.op(Op::Add, &[root, one]));
            (b.op(Op::Div, &[twice, below]), b.op(Op::Div, &[one, root]))
        }
        Kind::Cauchy => (log_of_one_more(b, s, more), b.op(Op::Div, &[one, more])),
        _ => {
            // Tukey's
            let third = b.real(1.0 / 3.0);
            let left = b.op(Op::Sub, &[one, s]);
            let square = b.op(Op::Mul, &[s, s]);
            let cube = b.op(Op::Mul, &[square, s]);
            let cube = b.op(Op::Mul, &[cube, third]);
            let rho = b.op(Op::Sub, &[s, square]);
            let rho = b.op(Op::Add, &[rho, cube]);
            let slope = b.op(Op::Mul, &[left, left]);
            (
                b.op(Op::Select, &[beyond, third, rho]),
                b.op(Op::Select, &[beyond, zero, slope]),
            )
        }
    };
    let root = b.op(Op::Sqrt, &[rho]);
    let length = b.op(Op::Mul, &[scale, root]);
    let negative = b.op(Op::Less, &[residual, zero]);
    let below = b.op(Op::Neg, &[length]);
    let bent = b.op(Op::Select, &[negative, below, length]);
    let part = b.op(Op::Div, &[s, rho]);
    let part = b.op(Op::Sqrt, &[part]);
    let slope = b.op(Op::Mul, &[slope, part]);
    // a residual whose square is nothing is not bent
    let none = b.op(Op::Equal, &[s, zero]);
    (
        b.op(Op::Select, &[none, residual, bent]),
        b.op(Op::Select, &[none, one, slope]),
    )
}

/// `log(1 + s)` for `s >= 0`, where `more` is `1 + s` rounded: its rounding error is divided out (Kahan).
fn log_of_one_more(b: &mut Builder, s: NodeId, more: NodeId) -> NodeId {
    let (zero, one) = (b.real(0.0), b.real(1.0));
    let log = b.op(Op::Log, &[more]);
    let taken = b.op(Op::Sub, &[more, one]);
    let part = b.op(Op::Div, &[s, taken]);
    let value = b.op(Op::Mul, &[log, part]);
    let lost = b.op(Op::Equal, &[taken, zero]);
    b.op(Op::Select, &[lost, s, value])
}

/// [`deviance`](super::loss::deviance).
fn deviance(b: &mut Builder, expected: NodeId, observed: NodeId) -> (NodeId, NodeId) {
    let (zero, one, two) = (b.real(0.0), b.real(1.0), b.real(2.0));
    let twice = b.op(Op::Mul, &[two, expected]);
    let bare = b.op(Op::Sqrt, &[twice]);
    let bare_slope = b.op(Op::Div, &[one, bare]);
    let gap = b.op(Op::Sub, &[expected, observed]);
    let x = b.op(Op::Div, &[gap, observed]);
    let quotient = b.op(Op::Div, &[expected, observed]);
    let ratio = twice_gap_over_square(b, x, quotient);
    let ratio = b.op(Op::Sqrt, &[ratio]);
    let root = b.op(Op::Sqrt, &[observed]);
    let residual = b.op(Op::Mul, &[root, x]);
    let residual = b.op(Op::Mul, &[residual, ratio]);
    let slope = b.op(Op::Mul, &[expected, ratio]);
    let slope = b.op(Op::Div, &[root, slope]);
    let nan = b.real(f64::NAN);
    let nothing_expected = b.op(Op::LessEqual, &[expected, zero]);
    let nothing_seen = b.op(Op::Equal, &[observed, zero]);
    let mut choose = |seen: NodeId, bare: NodeId| {
        let seen = b.op(Op::Select, &[nothing_expected, nan, seen]);
        b.op(Op::Select, &[nothing_seen, bare, seen])
    };
    (choose(residual, bare), choose(slope, bare_slope))
}

/// `2 (x - log(1 + x)) / x²`: see [`super::loss`].
fn twice_gap_over_square(b: &mut Builder, x: NodeId, quotient: NodeId) -> NodeId {
    let two = b.real(2.0);
    let log = b.op(Op::Log, &[quotient]);
    let gap = b.op(Op::Sub, &[x, log]);
    let gap = b.op(Op::Mul, &[two, gap]);
    let square = b.op(Op::Mul, &[x, x]);
    let far = b.op(Op::Div, &[gap, square]);
    let mut near = b.real(0.0);
    for k in (2..20).rev() {
        let (term, step) = (b.real(1.0 / f64::from(k)), b.op(Op::Mul, &[x, near]));
        near = b.op(Op::Sub, &[term, step]);
    }
    let near = b.op(Op::Mul, &[two, near]);
    let (size, edge) = (b.op(Op::Abs, &[x]), b.real(0.1));
    let beyond = b.op(Op::Greater, &[size, edge]);
    b.op(Op::Select, &[beyond, far, near])
}
