//! Normalisations by what is measured in the tensor itself.

use super::Kind;
use super::evaluator::{Call, Evaluator};
use super::fault::{Outcome, bad, unsupported};
use super::tensor::Tensor;
use crate::ops::{NodeId, Op};

type Outputs = Outcome<Vec<Tensor>>;

impl<'a> Evaluator<'a> {
    /// Numbers less their mean, divided by their standard deviation.
    fn standardised(&mut self, group: &[NodeId], epsilon: f64) -> Outcome<Vec<NodeId>> {
        let mean = self.mean(group)?;
        let less = group.iter().map(|x| self.sub(*x, mean));
        let less = less.collect::<Outcome<Vec<NodeId>>>()?;
        self.over_root(&less, epsilon)
    }

    /// Numbers divided by the root of the mean of their squares.
    fn over_root(&mut self, group: &[NodeId], epsilon: f64) -> Outcome<Vec<NodeId>> {
        let squares = group.iter().map(|x| self.mul(*x, *x));
        let squares = squares.collect::<Outcome<Vec<NodeId>>>()?;
        let variance = self.mean(&squares)?;
        let epsilon = self.real(epsilon);
        let above = self.add(variance, epsilon)?;
        let deviation = self.op(Op::Sqrt, &[above])?;
        group.iter().map(|x| self.div(*x, deviation)).collect()
    }

    /// `normal · scale + bias`.
    fn scaled_by(&mut self, normal: &Tensor, scale: &Tensor, bias: Option<&Tensor>) -> Outputs {
        let mut result = self.zip(Kind::Number, &[normal, scale], |this, a| {
            this.mul(a[0], a[1])
        })?;
        if let Some(bias) = bias {
            result = self.zip(Kind::Number, &[&result, bias], |this, a| {
                this.add(a[0], a[1])
            })?;
        }
        match result.shape == normal.shape {
            true => Ok(vec![result]),
            false => Err(bad("has a scale or bias that does not fit")),
        }
    }

    pub(super) fn layer_norm(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=3)?;
        let (x, scale) = (call.numbers(0)?, call.numbers(1)?);
        call.attributes.ignore("stash_type");
        let axis = x.axis(call.attributes.int_or("axis", -1)?)?;
        let epsilon = call.attributes.real("epsilon", f64::from(1e-5f32))?;
        let axes: Vec<usize> = (axis..x.rank()).collect();
        let centred = call.operator() == "LayerNormalization";
        let normal = self.grouped(&x, &axes, |this, group| match centred {
            true => this.standardised(group, epsilon),
            false => this.over_root(group, epsilon),
        })?;
        let bias = match call.optional(2) {
            Some(_) if centred => Some(call.numbers(2)?),
            Some(_) => return Err(bad("has a bias")),
            None => None,
        };
        self.scaled_by(&normal, &scale, bias.as_deref())
    }

    /// Over the axes of space, of each channel or of each group of channels.
    pub(super) fn instance_norm(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(3..=3)?;
        let (x, scale, bias) = (call.numbers(0)?, call.numbers(1)?, call.numbers(2)?);
        call.attributes.ignore("stash_type");
        let epsilon = call.attributes.real("epsilon", f64::from(1e-5f32))?;
        if x.rank() < 3 {
            return Err(bad("takes a batch of channels in space"));
        }
        for axis in 1..x.rank() {
            x.refuse_samples(axis)?;
        }
        let channels = x.shape[1];
        let groups = match call.operator() {
            "InstanceNormalization" => channels,
            _ => {
                let groups = call.attributes.int_or("num_groups", 0)?;
                usize::try_from(groups).unwrap_or(0)
            }
        };
        if groups == 0 || channels % groups != 0 {
            return Err(bad(format!("has {groups} groups of {channels} channels")));
        }
        let mut shape = vec![x.shape[0], groups, channels / groups];
        shape.extend(&x.shape[2..]);
        super::tensor::count(&shape)?;
        let axes: Vec<usize> = (2..shape.len()).collect();
        let grouped = x.reshaped(shape, x.samples);
        let normal = self.grouped(&grouped, &axes, |this, group| {
            this.standardised(group, epsilon)
        })?;
        // before operator set 21 a group has one scale
        let whole = call.operator() == "GroupNormalization" && self.opset < 21;
        let per = if whole { groups } else { channels };
        let mut each = Vec::with_capacity(2);
        for given in [&scale, &bias] {
            if given.shape != [per] || given.samples.is_some() {
                return Err(bad(format!(
                    "has a scale or bias of shape {}, not [{per}]",
                    given.shown()
                )));
            }
            let places: Vec<usize> = (0..channels).map(|c| c * per / channels).collect();
            let mut shape = vec![1; x.rank()];
            shape[1] = channels;
            each.push(given.pick(&places, shape, None));
        }
        let normal = normal.reshaped(x.shape.clone(), x.samples);
        self.scaled_by(&normal, &each[0], Some(&each[1]))
    }

    /// Numbers divided by their norm; where that is zero, they stay.
    pub(super) fn norm_of_one(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.numbers(0)?;
        let axis = x.axis(call.attributes.int_or("axis", -1)?)?;
        let power = call.attributes.int_or("p", 2)?;
        let operator = match power {
            1 => "ReduceL1",
            2 => "ReduceL2",
            other => return Err(unsupported(format!("takes the norm p = {other}"))),
        };
        Ok(vec![self.grouped(&x, &[axis], |this, group| {
            let norm = this.reduce(operator, group)?;
            let (zero, one) = (this.real(0.0), this.real(1.0));
            let none = this.op(Op::Equal, &[norm, zero])?;
            let norm = this.op(Op::Select, &[none, one, norm])?;
            group.iter().map(|x| this.div(*x, norm)).collect()
        })?])
    }
}
