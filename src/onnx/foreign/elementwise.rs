//! Operators that work element by element.

use super::super::operators::elementwise;
use super::Kind;
use super::constants::kind_of;
use super::evaluator::{Call, Evaluator, wrong_type};
use super::fault::{Outcome, bad, unsupported};
use super::tensor::Tensor;
use crate::ops::{Emit, NodeId, Op};
use crate::syntax::ast::Constant;

type Outputs = Outcome<Vec<Tensor>>;

impl<'a> Evaluator<'a> {
    /// One operation of the graph.
    pub(super) fn plain(&mut self, call: &mut Call<'a>) -> Outputs {
        let Some((op, arity, takes, gives)) = elementwise(call.operator()) else {
            return Err(unsupported("is not one that is known"));
        };
        call.arity(arity..=arity)?;
        let inputs = call.all()?;
        let kind = inputs[0].kind;
        if inputs.iter().any(|input| input.kind != kind) || !accepts(takes, kind) {
            return Err(wrong_type());
        }
        let gives = if gives == takes { kind } else { gives };
        let inputs: Vec<&Tensor> = inputs.iter().map(|input| &**input).collect();
        Ok(vec![
            self.zip(gives, &inputs, |this, args| this.op(op, args))?,
        ])
    }

    /// Whole numbers are divided towards zero.
    pub(super) fn divide(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        let (a, b) = (call.input(0)?, call.input(1)?);
        let op = match (a.kind, b.kind) {
            (Kind::Number, Kind::Number) => Op::Div,
            (Kind::Integer, Kind::Integer) => Op::Quotient,
            _ => return Err(wrong_type()),
        };
        Ok(vec![self.zip(a.kind, &[&a, &b], |this, args| {
            let by_zero = op == Op::Quotient && this.int(args[1]) == Some(0);
            match by_zero {
                true => Err(bad("divides a whole number by zero")),
                false => this.op(op, args),
            }
        })?])
    }

    pub(super) fn fold(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=usize::MAX)?;
        let inputs = call.all()?;
        let op = match call.operator() {
            "Max" => Op::Max,
            "Min" => Op::Min,
            _ => Op::Add,
        };
        let kind = inputs[0].kind;
        if inputs.iter().any(|input| input.kind != kind) || !accepts(Kind::Number, kind) {
            return Err(wrong_type());
        }
        let mean = call.operator() == "Mean";
        let inputs: Vec<&Tensor> = inputs.iter().map(|input| &**input).collect();
        Ok(vec![self.zip(kind, &inputs, |this, args| {
            let rest = args[1..].iter();
            let all = rest
                .copied()
                .try_fold(args[0], |a, b| this.op(op, &[a, b]))?;
            let count = this.real(args.len() as f64);
            if mean { this.div(all, count) } else { Ok(all) }
        })?])
    }

    pub(super) fn equal(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        let (a, b) = (call.input(0)?, call.input(1)?);
        if a.kind != b.kind {
            return Err(wrong_type());
        }
        let of = |this: &mut Self, args: &[NodeId]| this.op(Op::Equal, args);
        Ok(vec![self.zip(Kind::Truth, &[&a, &b], of)?])
    }

    pub(super) fn exclusive(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        let (a, b) = (call.input(0)?, call.input(1)?);
        if a.kind != Kind::Truth || b.kind != Kind::Truth {
            return Err(wrong_type());
        }
        Ok(vec![self.zip(Kind::Truth, &[&a, &b], |this, args| {
            let same = this.op(Op::Equal, args)?;
            this.op(Op::Not, &[same])
        })?])
    }

    pub(super) fn reciprocal(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.numbers(0)?;
        Ok(vec![self.map(Kind::Number, &x, |this, x| {
            let one = this.real(1.0);
            this.div(one, x)
        })?])
    }

    pub(super) fn modulo(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        let (a, b) = (call.input(0)?, call.input(1)?);
        let truncating = call.attributes.flag("fmod", false)?;
        let op = match (a.kind, b.kind, truncating) {
            (Kind::Number, Kind::Number, true) | (Kind::Integer, Kind::Integer, true) => {
                Op::Remainder
            }
            (Kind::Integer, Kind::Integer, false) => Op::Modulo,
            (Kind::Number, Kind::Number, false) => {
                return Err(bad("takes numbers and is not of the kind fmod=1"));
            }
            _ => return Err(wrong_type()),
        };
        Ok(vec![self.zip(
            a.kind,
            &[&a, &b],
            |this, args| match this.int(args[1]) {
                Some(0) => Err(bad("divides a whole number by zero")),
                _ => this.op(op, args),
            },
        )?])
    }

    pub(super) fn choose(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(3..=3)?;
        let (test, a, b) = (call.input(0)?, call.input(1)?, call.input(2)?);
        if test.kind != Kind::Truth || a.kind != b.kind {
            return Err(wrong_type());
        }
        let of = |this: &mut Self, args: &[NodeId]| this.op(Op::Select, args);
        Ok(vec![self.zip(a.kind, &[&test, &a, &b], of)?])
    }

    /// What is out of bounds is replaced by the bound; at a bound the slope is 1.
    pub(super) fn clip(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=3)?;
        let x = call.input(0)?;
        let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
        let (low, high) = (
            call.attributes.real("min", low)?,
            call.attributes.real("max", high)?,
        );
        let mut bounds = Vec::new();
        for (i, bound) in [low, high].into_iter().enumerate() {
            bounds.push(match call.optional(i + 1) {
                Some(tensor) if tensor.kind == x.kind => Some(self.only(&tensor)?),
                Some(_) => return Err(wrong_type()),
                None if bound.is_finite() => Some(self.real(bound)),
                None => None,
            });
        }
        Ok(vec![self.map(x.kind, &x, |this, mut x| {
            for (bound, op) in bounds.iter().zip([Op::Less, Op::Greater]) {
                if let Some(bound) = bound {
                    let out = this.op(op, &[x, *bound])?;
                    x = this.op(Op::Select, &[out, *bound, x])?;
                }
            }
            Ok(x)
        })?])
    }

    pub(super) fn cast(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.input(0)?;
        call.attributes.ignore("saturate");
        call.attributes.ignore("round_mode");
        let to = call.attributes.int_or("to", 0)?;
        let kind = i32::try_from(to).ok().and_then(kind_of);
        let kind = kind.ok_or_else(|| unsupported(format!("casts to the data type {to}")))?;
        Ok(vec![self.converted(&x, kind)?])
    }

    pub(super) fn cast_like(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        call.attributes.ignore("saturate");
        call.attributes.ignore("round_mode");
        let (x, like) = (call.input(0)?, call.input(1)?);
        Ok(vec![self.converted(&x, like.kind)?])
    }

    /// Numbers are all of one type here, so that only a change of their kind changes anything.
    fn converted(&mut self, x: &Tensor, kind: Kind) -> Outcome<Tensor> {
        self.map(kind, x, |this, node| match (x.kind, kind) {
            (Kind::Truth, Kind::Truth) => Ok(node),
            (_, Kind::Truth) => {
                let zero = this.real(0.0);
                let same = this.op(Op::Equal, &[node, zero])?;
                this.op(Op::Not, &[same])
            }
            (Kind::Number, Kind::Integer) => match this.builder.known(node) {
                // the whole numbers that fit into 64 bits
                Some(value) if value.abs() < 2f64.powi(63) => Ok(this.builder.int(value as i64)),
                Some(value) => Err(bad(format!("makes a whole number of {value}"))),
                None => this.op(Op::Truncate, &[node]),
            },
            (Kind::Truth, Kind::Integer) => {
                let one = this.builder.constant(Constant::Int(1));
                this.mul(node, one)
            }
            (Kind::Integer, Kind::Number) => Ok(match this.int(node) {
                Some(value) => this.real(value as f64),
                None => node,
            }),
            _ => Ok(node),
        })
    }
}

/// Whether an operator that takes `takes` takes `kind`: what is for numbers is for whole numbers too.
fn accepts(takes: Kind, kind: Kind) -> bool {
    takes == kind || (takes == Kind::Number && kind == Kind::Integer)
}
