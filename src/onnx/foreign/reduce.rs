//! Reductions, softmax, and the normalisation by what was measured in training.

use super::Kind;
use super::evaluator::{Call, Evaluator};
use super::fault::{Outcome, bad, unsupported};
use super::tensor::{Tensor, count, places, strides};
use crate::ops::{NodeId, Op};

type Outputs = Outcome<Vec<Tensor>>;

impl<'a> Evaluator<'a> {
    pub(super) fn reduction(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=2)?;
        let x = call.input(0)?;
        if x.kind == Kind::Truth {
            return Err(super::evaluator::wrong_type());
        }
        let keep = call.attributes.flag("keepdims", true)?;
        let none_keeps = call.attributes.flag("noop_with_empty_axes", false)?;
        let axes = self.axes(call, 1)?.unwrap_or_default();
        let axes: Vec<usize> = match axes.is_empty() {
            true if none_keeps => vec![],
            true => (0..x.rank()).collect(),
            false => axes
                .iter()
                .map(|axis| x.axis(*axis))
                .collect::<Outcome<_>>()?,
        };
        let operator = call.operator();
        // the samples are summed by the graph
        let whole = x.samples.is_some_and(|at| axes.contains(&at));
        if whole && (operator != "ReduceSum" || self.builder.depth() > 1) {
            return Err(unsupported(
                "reduces over the samples, which only ReduceSum can in the main graph",
            ));
        }
        Ok(vec![self.reduced(&x, &axes, keep, |this, group| {
            let value = this.reduce(operator, group)?;
            match whole {
                false => Ok(value),
                true if this.builder.graph().batched()[value.index()] => {
                    this.op(Op::BatchSum, &[value])
                }
                true => {
                    let samples = this.op(Op::BatchCount, &[])?;
                    this.mul(value, samples)
                }
            }
        })?])
    }

    pub(super) fn reduce(&mut self, operator: &str, group: &[NodeId]) -> Outcome<NodeId> {
        let each = |this: &mut Self, of: &dyn Fn(&mut Self, NodeId) -> Outcome<NodeId>| {
            let all = group.iter().map(|x| of(this, *x));
            let all = all.collect::<Outcome<Vec<NodeId>>>()?;
            this.sum(&all)
        };
        let squares = |this: &mut Self| each(this, &|this, x| this.mul(x, x));
        match operator {
            "ReduceSum" => self.sum(group),
            "ReduceMean" => self.mean(group),
            "ReduceProd" => {
                let one = self.real(1.0);
                group
                    .iter()
                    .try_fold(one, |product, x| self.mul(product, *x))
            }
            "ReduceMax" | "ReduceMin" if group.is_empty() => Err(bad("reduces no elements")),
            "ReduceMax" => self.most(Op::Max, group),
            "ReduceMin" => self.most(Op::Min, group),
            "ReduceL1" => each(self, &|this, x| this.op(Op::Abs, &[x])),
            "ReduceSumSquare" => squares(self),
            "ReduceL2" => {
                let sum = squares(self)?;
                self.op(Op::Sqrt, &[sum])
            }
            "ReduceLogSum" => {
                let sum = self.sum(group)?;
                self.op(Op::Log, &[sum])
            }
            _ => {
                let most = self.most(Op::Max, group)?;
                let powers = self.powers(group, most)?;
                let sum = self.sum(&powers)?;
                let log = self.op(Op::Log, &[sum])?;
                self.add(most, log)
            }
        }
    }

    pub(super) fn most(&mut self, op: Op, group: &[NodeId]) -> Outcome<NodeId> {
        let Some((first, rest)) = group.split_first() else {
            return Err(bad("reduces no elements"));
        };
        rest.iter().try_fold(*first, |a, b| self.op(op, &[a, *b]))
    }

    /// The exponentials of the differences to the largest, which never overflow.
    fn powers(&mut self, group: &[NodeId], most: NodeId) -> Outcome<Vec<NodeId>> {
        let powers = group.iter().map(|x| {
            let less = self.sub(*x, most)?;
            self.op(Op::Exp, &[less])
        });
        powers.collect()
    }

    pub(super) fn mean(&mut self, group: &[NodeId]) -> Outcome<NodeId> {
        let (sum, count) = (self.sum(group)?, self.real(group.len() as f64));
        self.div(sum, count)
    }

    /// Where the elements lie that differ in these axes alone: one list for each element of the rest.
    fn groups(&mut self, x: &Tensor, axes: &[usize]) -> Outcome<(Vec<usize>, Vec<Vec<usize>>)> {
        self.charge(x.elements.len())?;
        let steps: Vec<isize> = strides(&x.shape).iter().map(|s| *s as isize).collect();
        let part = |wanted: bool| -> Vec<usize> {
            let sizes = x.shape.iter().enumerate();
            sizes
                .map(|(axis, size)| {
                    if axes.contains(&axis) == wanted {
                        *size
                    } else {
                        1
                    }
                })
                .collect()
        };
        let (inner, outer) = (part(true), part(false));
        count(&outer)?;
        self.charge(outer.iter().product())?;
        let within = places(&inner, &steps, 0);
        let starts = places(&outer, &steps, 0).into_iter();
        let groups = starts.map(|start| within.iter().map(|place| start + place).collect());
        Ok((outer, groups.collect()))
    }

    /// The tensor of what `of` gives for the elements that differ in these axes alone, which it no longer has.
    pub(super) fn reduced(
        &mut self,
        x: &Tensor,
        axes: &[usize],
        keep: bool,
        mut of: impl FnMut(&mut Self, &[NodeId]) -> Outcome<NodeId>,
    ) -> Outcome<Tensor> {
        let (shape, groups) = self.groups(x, axes)?;
        let mut elements = Vec::with_capacity(groups.len());
        for group in groups {
            let group: Vec<NodeId> = group.iter().map(|place| x.elements[*place]).collect();
            elements.push(of(self, &group)?);
        }
        let kept = |axis: &usize| keep || !axes.contains(axis);
        let samples = x.samples.filter(|at| !axes.contains(at));
        Ok(Tensor {
            kind: x.kind,
            samples: samples.map(|at| (0..at).filter(kept).count()),
            shape: (0..x.rank()).filter(kept).map(|axis| shape[axis]).collect(),
            elements,
        })
    }

    /// The tensor of what `of` gives for the elements that differ in these axes alone.
    pub(super) fn grouped(
        &mut self,
        x: &Tensor,
        axes: &[usize],
        mut of: impl FnMut(&mut Self, &[NodeId]) -> Outcome<Vec<NodeId>>,
    ) -> Outcome<Tensor> {
        for axis in axes {
            x.refuse_samples(*axis)?;
        }
        let (_, groups) = self.groups(x, axes)?;
        let mut result = x.clone();
        for group in groups {
            let values: Vec<NodeId> = group.iter().map(|place| x.elements[*place]).collect();
            for (place, value) in group.iter().zip(of(self, &values)?) {
                result.elements[*place] = value;
            }
        }
        Ok(result)
    }

    pub(super) fn softmax(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.numbers(0)?;
        // older versions take all axes from this one on
        let (default, old) = if self.opset < 13 {
            (1, true)
        } else {
            (-1, false)
        };
        let axis = x.axis(call.attributes.int_or("axis", default)?)?;
        let axes: Vec<usize> = (axis..if old { x.rank() } else { axis + 1 }).collect();
        let logarithm = call.operator() == "LogSoftmax";
        Ok(vec![self.grouped(&x, &axes, |this, group| {
            if group.is_empty() {
                return Ok(vec![]);
            }
            let most = this.most(Op::Max, group)?;
            let powers = this.powers(group, most)?;
            let sum = this.sum(&powers)?;
            if !logarithm {
                return powers.iter().map(|power| this.div(*power, sum)).collect();
            }
            let log = this.op(Op::Log, &[sum])?;
            let whole = this.add(most, log)?;
            group.iter().map(|x| this.sub(*x, whole)).collect()
        })?])
    }

    /// As in inference: the mean and the variance are those of training.
    pub(super) fn batch_norm(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(5..=5)?;
        let x = call.numbers(0)?;
        for unused in ["momentum", "spatial"] {
            call.attributes.ignore(unused);
        }
        if call.attributes.flag("training_mode", false)? {
            return Err(unsupported(
                "is in training mode; export the model after eval()",
            ));
        }
        let epsilon = call.attributes.real("epsilon", f64::from(1e-5f32))?;
        let channels = x
            .shape
            .get(1)
            .copied()
            .ok_or_else(|| bad("has no channels"))?;
        x.refuse_samples(1)?;
        let mut shape = vec![1; x.rank()];
        shape[1] = channels;
        let mut given = Vec::with_capacity(4);
        for i in 1..5 {
            let value = match self.initializer(&call.node.input[i]).filter(|_| i > 2) {
                // what was measured in training is not learnt
                Some(tensor) => self.constant(tensor)?,
                None => (*call.numbers(i)?).clone(),
            };
            if value.shape != [channels] || value.samples.is_some() || value.kind != Kind::Number {
                return Err(bad(format!(
                    "has an input {i} that does not fit its {channels} channels"
                )));
            }
            given.push(value.reshaped(shape.clone(), None));
        }
        let all = [&*x, &given[0], &given[1], &given[2], &given[3]];
        Ok(vec![self.zip(Kind::Number, &all, |this, args| {
            let [x, scale, bias, mean, variance] = args else {
                return Err(bad("has not five inputs"));
            };
            let epsilon = this.real(epsilon);
            let above = this.add(*variance, epsilon)?;
            let deviation = this.op(Op::Sqrt, &[above])?;
            let less = this.sub(*x, *mean)?;
            let normal = this.div(less, deviation)?;
            let scaled = this.mul(normal, *scale)?;
            this.add(scaled, *bias)
        })?])
    }
}
