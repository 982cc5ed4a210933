//! Activation functions, as the operators of ONNX define them.

use super::Kind;
use super::evaluator::{Call, Evaluator, wrong_type};
use super::fault::{Outcome, bad};
use super::tensor::Tensor;
use crate::ops::{NodeId, Op};

type Outputs = Outcome<Vec<Tensor>>;

/// The constants of Selu (Klambauer et al., "Self-normalizing neural networks", 2017), in single precision as ONNX has them.
const SELU: [f64; 2] = [1.673_263_192_176_818_8, 1.050_701_022_148_132_3];

impl<'a> Evaluator<'a> {
    pub(super) fn activation(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.numbers(0)?;
        let operator = call.operator();
        let attributes = &mut call.attributes;
        let default = match operator {
            "LeakyRelu" => 0.01f32,
            "HardSigmoid" => 0.2,
            _ => 1.0,
        };
        let alpha = match operator {
            "Selu" => attributes.real("alpha", SELU[0])?,
            _ => attributes.real("alpha", f64::from(default))?,
        };
        let beta = match operator {
            "HardSigmoid" => attributes.real("beta", 0.5)?,
            _ => 0.0,
        };
        let gamma = match operator {
            "Selu" => attributes.real("gamma", SELU[1])?,
            _ => 1.0,
        };
        let tanh = match operator {
            "Gelu" => match attributes.word("approximate")?.unwrap_or("none") {
                "none" => false,
                "tanh" => true,
                other => return Err(bad(format!("is of the unknown kind {other:?}"))),
            },
            _ => false,
        };
        let kind = match operator {
            "IsNaN" | "IsInf" => Kind::Truth,
            _ => Kind::Number,
        };
        let (lambda, bias) = match operator {
            "Shrink" => (
                attributes.real("lambd", 0.5)?,
                attributes.real("bias", 0.0)?,
            ),
            _ => (0.0, 0.0),
        };
        let signs = match operator {
            "IsInf" => [
                attributes
                    .flag("detect_positive", true)?
                    .then_some(f64::INFINITY),
                attributes
                    .flag("detect_negative", true)?
                    .then_some(f64::NEG_INFINITY),
            ],
            _ => [None; 2],
        };
        Ok(vec![self.map(kind, &x, |this, x| match operator {
            "IsInf" => {
                let mut any = this.element(0.0, Kind::Truth);
                for infinity in signs.into_iter().flatten() {
                    let infinity = this.real(infinity);
                    let same = this.op(Op::Equal, &[x, infinity])?;
                    any = this.op(Op::Or, &[any, same])?;
                }
                Ok(any)
            }
            "Shrink" => this.shrink(x, lambda, bias),
            "LeakyRelu" => {
                let slope = this.real(alpha);
                this.leaky(x, slope)
            }
            "Elu" | "Selu" => {
                let value = this.elu(x, alpha, 1.0)?;
                let gamma = this.real(gamma);
                this.mul(gamma, value)
            }
            "Celu" => this.elu(x, alpha, alpha),
            "ThresholdedRelu" => {
                let (bound, zero) = (this.real(alpha), this.real(0.0));
                let above = this.op(Op::Greater, &[x, bound])?;
                this.op(Op::Select, &[above, x, zero])
            }
            "HardSigmoid" => this.hard_sigmoid(x, alpha, beta),
            "HardSwish" => {
                let gate = this.hard_sigmoid(x, 1.0 / 6.0, 0.5)?;
                this.mul(x, gate)
            }
            "Softsign" => this.softsign(x),
            "Mish" => {
                let soft = this.op(Op::Softplus, &[x])?;
                let gate = this.op(Op::Tanh, &[soft])?;
                this.mul(x, gate)
            }
            "Swish" => {
                let alpha = this.real(alpha);
                let scaled = this.mul(alpha, x)?;
                let gate = this.op(Op::Sigmoid, &[scaled])?;
                this.mul(x, gate)
            }
            "Gelu" => this.gelu(x, tanh),
            "IsNaN" => {
                let same = this.op(Op::Equal, &[x, x])?;
                this.op(Op::Not, &[same])
            }
            _ => this.inverse_hyperbolic(operator, x),
        })?])
    }

    pub(super) fn parametric_relu(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        let (x, slope) = (call.numbers(0)?, call.numbers(1)?);
        let result = self.zip(Kind::Number, &[&x, &slope], |this, args| {
            this.leaky(args[0], args[1])
        })?;
        match result.shape == x.shape {
            true => Ok(vec![result]),
            false => Err(wrong_type()),
        }
    }

    pub(super) fn softsign(&mut self, x: NodeId) -> Outcome<NodeId> {
        let (one, size) = (self.real(1.0), self.op(Op::Abs, &[x])?);
        let below = self.add(one, size)?;
        self.div(x, below)
    }

    fn leaky(&mut self, x: NodeId, slope: NodeId) -> Outcome<NodeId> {
        let zero = self.real(0.0);
        let below = self.op(Op::Less, &[x, zero])?;
        let scaled = self.mul(slope, x)?;
        self.op(Op::Select, &[below, scaled, x])
    }

    /// Nearer to 0 by the bias, and 0 near it.
    fn shrink(&mut self, x: NodeId, lambda: f64, bias: f64) -> Outcome<NodeId> {
        let (zero, bias) = (self.real(0.0), self.real(bias));
        let (low, high) = (self.real(-lambda), self.real(lambda));
        let (below, above) = (
            self.op(Op::Less, &[x, low])?,
            self.op(Op::Greater, &[x, high])?,
        );
        let (more, less) = (self.add(x, bias)?, self.sub(x, bias)?);
        let inner = self.op(Op::Select, &[above, less, zero])?;
        self.op(Op::Select, &[below, more, inner])
    }

    /// `x` above 0, `alpha (exp(x / width) - 1)` below.
    fn elu(&mut self, x: NodeId, alpha: f64, width: f64) -> Outcome<NodeId> {
        let (zero, one) = (self.real(0.0), self.real(1.0));
        let (alpha, width) = (self.real(alpha), self.real(width));
        let above = self.op(Op::Greater, &[x, zero])?;
        // what is not taken must not overflow
        let below = self.op(Op::Select, &[above, zero, x])?;
        let scaled = self.div(below, width)?;
        let power = self.op(Op::Exp, &[scaled])?;
        let less = self.sub(power, one)?;
        let value = self.mul(alpha, less)?;
        self.op(Op::Select, &[above, x, value])
    }

    fn hard_sigmoid(&mut self, x: NodeId, alpha: f64, beta: f64) -> Outcome<NodeId> {
        let (alpha, beta) = (self.real(alpha), self.real(beta));
        let (zero, one) = (self.real(0.0), self.real(1.0));
        let scaled = self.mul(alpha, x)?;
        let value = self.add(scaled, beta)?;
        let least = self.op(Op::Max, &[zero, value])?;
        self.op(Op::Min, &[one, least])
    }

    fn gelu(&mut self, x: NodeId, tanh: bool) -> Outcome<NodeId> {
        let (half, one) = (self.real(0.5), self.real(1.0));
        let gate = match tanh {
            false => {
                let scale = self.real(std::f64::consts::FRAC_1_SQRT_2);
                let scaled = self.mul(x, scale)?;
                self.op(Op::Erf, &[scaled])?
            }
            true => {
                let scale = self.real((2.0 / std::f64::consts::PI).sqrt());
                let cubic = self.real(0.044_715);
                let (square, factor) = (self.mul(x, x)?, cubic);
                let cube = self.mul(square, x)?;
                let correction = self.mul(factor, cube)?;
                let inner = self.add(x, correction)?;
                let scaled = self.mul(scale, inner)?;
                self.op(Op::Tanh, &[scaled])?
            }
        };
        let (halved, above) = (self.mul(half, x)?, self.add(one, gate)?);
        self.mul(halved, above)
    }

    fn inverse_hyperbolic(&mut self, operator: &str, x: NodeId) -> Outcome<NodeId> {
        let (one, half) = (self.real(1.0), self.real(0.5));
        if operator == "Atanh" {
            let (above, below) = (self.add(one, x)?, self.sub(one, x)?);
            let ratio = self.div(above, below)?;
            let log = self.op(Op::Log, &[ratio])?;
            return self.mul(half, log);
        }
        let square = self.mul(x, x)?;
        let under = match operator {
            "Acosh" => self.sub(square, one)?,
            _ => self.add(square, one)?,
        };
        let root = self.op(Op::Sqrt, &[under])?;
        if operator == "Acosh" {
            let sum = self.add(x, root)?;
            return self.op(Op::Log, &[sum]);
        }
        // by the size, so that nothing cancels
        let size = self.op(Op::Abs, &[x])?;
        let sum = self.add(size, root)?;
        let log = self.op(Op::Log, &[sum])?;
        let zero = self.real(0.0);
        let negative = self.op(Op::Less, &[x, zero])?;
        let minus = self.op(Op::Neg, &[log])?;
        self.op(Op::Select, &[negative, minus, log])
    }
}
