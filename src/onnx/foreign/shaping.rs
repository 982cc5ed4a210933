//! Operators that move elements, and those that speak of shapes.

use std::rc::Rc;

use super::Kind;
use super::constants::{Array, shape_of};
use super::evaluator::{Call, Evaluator, Size, wrong_type};
use super::fault::{Outcome, bad, unsupported};
use super::tensor::{Tensor, broadcast, count, normalized, places, spread, strides};
use crate::ops::{Emit, NodeId, Op};
use crate::syntax::ast::Constant;

type Outputs = Outcome<Vec<Tensor>>;

impl<'a> Evaluator<'a> {
    pub(super) fn identity(&mut self, call: &mut Call<'a>) -> Outputs {
        for unused in ["ratio", "seed", "is_test"] {
            call.attributes.ignore(unused);
        }
        let x = call.input(0)?;
        self.charge(x.elements.len())?;
        Ok(vec![(*x).clone()])
    }

    pub(super) fn constant_node(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(0..=0)?;
        let attributes = &mut call.attributes;
        if let Some(tensor) = attributes.tensor("value")? {
            return Ok(vec![self.constant(tensor)?]);
        }
        let (kind, shape, values): (Kind, Vec<usize>, Vec<Constant>) =
            if let Some(value) = attributes.int("value_int")? {
                (Kind::Integer, vec![], vec![Constant::Int(value)])
            } else if let Some(values) = attributes.ints("value_ints")? {
                let ints = values.iter().copied().map(Constant::Int).collect();
                (Kind::Integer, vec![values.len()], ints)
            } else if let Some(values) = attributes.reals("value_floats")? {
                let reals = values.iter().copied().map(Constant::Real).collect();
                (Kind::Number, vec![values.len()], reals)
            } else {
                let value = attributes.real("value_float", f64::NAN)?;
                if value.is_nan() {
                    return Err(unsupported("holds no numbers"));
                }
                (Kind::Number, vec![], vec![Constant::Real(value)])
            };
        let array = Array {
            kind,
            shape,
            values,
        };
        Ok(vec![self.array(array)?])
    }

    pub(super) fn constant_of_shape(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let sizes = self.sizes(&*call.input(0)?)?;
        let value = match call.attributes.tensor("value")? {
            // a shape of one element, read before any is made
            Some(tensor) if shape_of(tensor)?.iter().product::<usize>() == 1 => {
                self.constant(tensor)?
            }
            Some(_) => return Err(bad("has a value that is not one number")),
            None => {
                let zero = self.real(0.0);
                Tensor::fixed(Kind::Number, vec![1], vec![zero])
            }
        };
        let (shape, samples) = fixed_sizes(&sizes)?;
        let total = count(&shape)?;
        self.charge(total)?;
        Ok(vec![Tensor {
            kind: value.kind,
            elements: vec![value.elements[0]; total],
            shape,
            samples,
        }])
    }

    fn dimensions(&mut self, x: &Tensor) -> Vec<NodeId> {
        let axes = x.shape.iter().enumerate();
        axes.map(|(axis, size)| match x.samples == Some(axis) {
            true => self.builder.op(Op::BatchCount, &[]),
            false => self.builder.int(*size as i64),
        })
        .collect()
    }

    pub(super) fn shape(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.input(0)?;
        let rank = x.rank() as i64;
        let within = |place: i64| {
            let place = if place < 0 {
                place.saturating_add(rank)
            } else {
                place
            };
            place.clamp(0, rank) as usize
        };
        let start = within(call.attributes.int_or("start", 0)?);
        let end = within(call.attributes.int_or("end", rank)?).max(start);
        let elements = self.dimensions(&x)[start..end].to_vec();
        let shape = vec![elements.len()];
        Ok(vec![Tensor::fixed(Kind::Integer, shape, elements)])
    }

    pub(super) fn size(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.input(0)?;
        let mut total = self.builder.int(x.elements.len() as i64);
        if x.samples.is_some() {
            let samples = self.builder.op(Op::BatchCount, &[]);
            total = match x.elements.len() {
                1 => samples,
                _ => self.mul(total, samples)?,
            };
        }
        Ok(vec![Tensor::fixed(Kind::Integer, vec![], vec![total])])
    }

    pub(super) fn reshape(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        let (x, sizes) = (call.input(0)?, self.sizes(&*call.input(1)?)?);
        let zero_is_size = call.attributes.flag("allowzero", false)?;
        let mut shape = Vec::with_capacity(sizes.len());
        let (mut samples, mut free) = (None, None);
        for (axis, size) in sizes.iter().enumerate() {
            let size = match *size {
                Size::Known(0) if !zero_is_size => {
                    let size = x.shape.get(axis).copied();
                    if x.samples == Some(axis) {
                        samples = Some(axis);
                    }
                    size.ok_or_else(|| bad(format!("keeps axis {axis}, which is not there")))?
                }
                Size::Known(-1) if free.replace(axis).is_none() => 1,
                Size::Known(size) => usize::try_from(size)
                    .map_err(|_| bad(format!("makes an axis of size {size}")))?,
                Size::Samples if samples.replace(axis).is_none() => 1,
                Size::Samples => return Err(bad("has the samples along two axes")),
            };
            shape.push(size);
        }
        let others = count(&shape)?;
        if let Some(axis) = free {
            if x.samples.is_some() && samples.is_none() {
                samples = Some(axis);
            } else if others > 0 && x.elements.len() % others == 0 {
                shape[axis] = x.elements.len() / others;
            }
        }
        if count(&shape)? != x.elements.len() {
            return Err(bad(format!(
                "cannot bring the shape {:?} to {shape:?}",
                x.shape
            )));
        }
        let before = |shape: &[usize], axis: usize| shape[..axis].iter().product::<usize>();
        let kept = match (x.samples, samples) {
            (None, None) => true,
            (Some(from), Some(to)) => before(&x.shape, from) == before(&shape, to),
            _ => false,
        };
        if !kept {
            return Err(unsupported(
                "mixes the axis of the samples with others, or gives it a fixed size; export the model with a free first dimension",
            ));
        }
        self.charge(x.elements.len())?;
        Ok(vec![x.reshaped(shape, samples)])
    }

    pub(super) fn flatten(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.input(0)?;
        let axis = call.attributes.int_or("axis", 1)?;
        let axis = match axis == x.rank() as i64 {
            true => x.rank(),
            false => x.axis(axis)?,
        };
        let sizes = |axes: &[usize]| axes.iter().product::<usize>();
        let shape = vec![sizes(&x.shape[..axis]), sizes(&x.shape[axis..])];
        let samples = match x.samples {
            None => None,
            Some(at) if at < axis && shape[0] == 1 => Some(0),
            Some(at) if at >= axis && shape[1] == 1 => Some(1),
            Some(_) => {
                return Err(unsupported(
                    "mixes the axis of the samples with others, which are independent here",
                ));
            }
        };
        self.charge(x.elements.len())?;
        Ok(vec![x.reshaped(shape, samples)])
    }

    pub(super) fn squeeze(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=2)?;
        let x = call.input(0)?;
        let axes = match self.axes(call, 1)? {
            Some(axes) => {
                let axes = axes.iter().map(|axis| x.axis(*axis));
                axes.collect::<Outcome<Vec<usize>>>()?
            }
            None => (0..x.rank())
                .filter(|axis| x.shape[*axis] == 1 && x.samples != Some(*axis))
                .collect(),
        };
        for axis in &axes {
            x.refuse_samples(*axis)?;
            if x.shape[*axis] != 1 {
                return Err(bad(format!("removes axis {axis}, whose size is not 1")));
            }
        }
        let kept = |axis: &usize| !axes.contains(axis);
        let shape = (0..x.rank()).filter(kept).map(|axis| x.shape[axis]);
        let samples = x.samples.map(|at| (0..at).filter(kept).count());
        self.charge(x.elements.len())?;
        Ok(vec![x.reshaped(shape.collect(), samples)])
    }

    pub(super) fn unsqueeze(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=2)?;
        let x = call.input(0)?;
        let axes = self.axes(call, 1)?.ok_or_else(|| bad("has no axes"))?;
        let rank = x.rank().saturating_add(axes.len());
        count(&vec![1; rank.min(64)])?;
        let mut added = vec![false; rank];
        for axis in axes {
            let axis = normalized(axis, rank)?;
            if std::mem::replace(&mut added[axis], true) {
                return Err(bad(format!("adds axis {axis} twice")));
            }
        }
        let (mut shape, mut samples, mut own) = (Vec::new(), None, 0);
        for (axis, added) in added.into_iter().enumerate() {
            if added {
                shape.push(1);
                continue;
            }
            if x.samples == Some(own) {
                samples = Some(axis);
            }
            shape.push(x.shape[own]);
            own += 1;
        }
        self.charge(x.elements.len())?;
        Ok(vec![x.reshaped(shape, samples)])
    }

    pub(super) fn transpose(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.input(0)?;
        let order: Vec<usize> = match call.attributes.ints("perm")? {
            Some(axes) => axes.iter().map(|a| x.axis(*a)).collect::<Outcome<_>>()?,
            None => (0..x.rank()).rev().collect(),
        };
        Ok(vec![self.permuted(&x, &order)?])
    }

    /// The tensor whose axis `i` is axis `order[i]` of this one.
    pub(super) fn permuted(&mut self, x: &Tensor, order: &[usize]) -> Outcome<Tensor> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..x.rank()) {
            return Err(bad(format!("has {order:?} as the order of the axes")));
        }
        self.charge(x.elements.len())?;
        let own = strides(&x.shape);
        let shape: Vec<usize> = order.iter().map(|axis| x.shape[*axis]).collect();
        let steps: Vec<isize> = order.iter().map(|axis| own[*axis] as isize).collect();
        let samples = x.samples;
        let samples = samples.and_then(|at| order.iter().position(|axis| *axis == at));
        Ok(x.pick(&places(&shape, &steps, 0), shape, samples))
    }

    pub(super) fn expand(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        let x = call.input(0)?;
        let (shape, samples) = fixed_sizes(&self.sizes(&*call.input(1)?)?)?;
        let zero = self.real(0.0);
        // a tensor of the wanted shape, of which only the shape is used
        let total = count(&shape)?;
        self.charge(total)?;
        let wanted = Tensor {
            kind: x.kind,
            elements: vec![zero; total],
            shape,
            samples,
        };
        let (shape, samples) = broadcast(&[&x, &wanted])?;
        self.charge(count(&shape)?)?;
        Ok(vec![x.pick(&spread(&x, &shape), shape, samples)])
    }

    pub(super) fn concat(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=usize::MAX)?;
        let inputs = call.all()?;
        let axis = call.attributes.int("axis")?;
        let axis = inputs[0].axis(axis.ok_or_else(|| bad("has no axis"))?)?;
        Ok(vec![self.joined(&inputs, axis)?])
    }

    /// Tensors one behind the other along an axis.
    pub(super) fn joined(&mut self, inputs: &[Rc<Tensor>], axis: usize) -> Outcome<Tensor> {
        let first = &inputs[0];
        let mut shape = first.shape.clone();
        let mut samples = None;
        shape[axis] = 0;
        for input in inputs {
            input.refuse_samples(axis)?;
            let fits = |(at, (a, b)): (usize, (&usize, &usize))| at == axis || a == b;
            let mut sizes = input.shape.iter().zip(&first.shape).enumerate();
            if input.kind != first.kind || input.rank() != first.rank() || !sizes.all(fits) {
                return Err(bad("joins tensors that do not fit"));
            }
            shape[axis] += input.shape[axis];
            if input.samples.is_some() && samples.is_some() && samples != input.samples {
                return Err(unsupported(
                    "joins tensors whose samples lie along different axes",
                ));
            }
            samples = samples.or(input.samples);
        }
        self.charge(count(&shape)?)?;
        let outer: usize = shape[..axis].iter().product();
        let mut elements = Vec::with_capacity(shape.iter().product());
        for i in 0..outer {
            for input in inputs {
                let width: usize = input.shape[axis..].iter().product();
                elements.extend(&input.elements[i * width..(i + 1) * width]);
            }
        }
        Ok(Tensor {
            kind: first.kind,
            shape,
            samples,
            elements,
        })
    }

    /// The elements of `x` whose index along `axis` is `first`, `first + step`, …
    pub(super) fn part(
        &mut self,
        x: &Tensor,
        axis: usize,
        first: usize,
        size: usize,
        step: isize,
    ) -> Outcome<Tensor> {
        let mut shape = x.shape.clone();
        shape[axis] = size;
        self.charge(count(&shape)?)?;
        let own = strides(&x.shape);
        let mut steps: Vec<isize> = own.iter().map(|stride| *stride as isize).collect();
        steps[axis] *= step;
        Ok(x.pick(&places(&shape, &steps, first * own[axis]), shape, x.samples))
    }

    pub(super) fn split(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=2)?;
        let x = call.input(0)?;
        let axis = x.axis(call.attributes.int_or("axis", 0)?)?;
        x.refuse_samples(axis)?;
        let given = match (call.attributes.ints("split")?, call.optional(1)) {
            (Some(sizes), _) => Some(sizes.to_vec()),
            (None, Some(sizes)) => Some(self.ints(&sizes)?),
            (None, None) => None,
        };
        let parts = call
            .attributes
            .int_or("num_outputs", call.node.output.len() as i64)?;
        let sizes: Vec<usize> = match given {
            Some(sizes) => sizes
                .iter()
                .map(|size| usize::try_from(*size).unwrap_or(usize::MAX))
                .collect(),
            None => {
                let parts = usize::try_from(parts)
                    .unwrap_or(0)
                    .clamp(1, x.shape[axis].max(1));
                let width = x.shape[axis].div_ceil(parts);
                let starts = (0..parts).map(|part| (part * width).min(x.shape[axis]));
                starts
                    .map(|start| width.min(x.shape[axis] - start))
                    .collect()
            }
        };
        let total = sizes
            .iter()
            .try_fold(0usize, |sum, size| sum.checked_add(*size));
        if total != Some(x.shape[axis]) {
            return Err(bad(format!(
                "splits an axis of size {} into {sizes:?}",
                x.shape[axis]
            )));
        }
        let mut start = 0;
        let mut outputs = Vec::with_capacity(sizes.len());
        for size in sizes {
            // an empty part begins nowhere
            let first = if size == 0 { 0 } else { start };
            outputs.push(self.part(&x, axis, first, size, 1)?);
            start += size;
        }
        Ok(outputs)
    }

    pub(super) fn slice(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=5)?;
        let x = call.input(0)?;
        let (starts, ends, axes, steps) = match call.attributes.ints("starts")? {
            Some(starts) => {
                let ends = call.attributes.ints("ends")?.unwrap_or_default();
                let axes = call.attributes.ints("axes")?.map(<[i64]>::to_vec);
                (known(starts), known(ends), axes, None)
            }
            None => {
                let optional = |this: &Self, i| call.optional(i).map(|t| this.ints(&t)).transpose();
                let (starts, ends) = (self.sizes(&*call.input(1)?)?, self.sizes(&*call.input(2)?)?);
                (starts, ends, optional(self, 3)?, optional(self, 4)?)
            }
        };
        let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = steps.unwrap_or_else(|| vec![1; axes.len()]);
        if [starts.len(), ends.len(), steps.len()] != [axes.len(); 3] {
            return Err(bad("has unequal numbers of starts, ends, axes and steps"));
        }
        let mut result = (*x).clone();
        for (i, axis) in axes.iter().enumerate() {
            let axis = x.axis(*axis)?;
            if x.samples == Some(axis) {
                let to_end = match ends[i] {
                    Size::Samples => true,
                    Size::Known(end) => end >= i64::from(i32::MAX),
                };
                match starts[i] == Size::Known(0) && to_end && steps[i] == 1 {
                    true => continue,
                    false => x.refuse_samples(axis)?,
                }
            }
            let (Size::Known(start), Size::Known(end)) = (starts[i], ends[i]) else {
                return Err(unsupported("cuts an axis at the number of samples"));
            };
            let (first, size) = range(start, end, steps[i], result.shape[axis])?;
            result = self.part(&result, axis, first, size, steps[i] as isize)?;
        }
        Ok(vec![result])
    }

    pub(super) fn gather(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        let (x, indices) = (call.input(0)?, call.input(1)?);
        let axis = x.axis(call.attributes.int_or("axis", 0)?)?;
        x.refuse_samples(axis)?;
        if indices.kind != Kind::Integer {
            return Err(wrong_type());
        }
        if indices
            .elements
            .iter()
            .any(|index| self.int(*index).is_none())
        {
            return self.gather_picked(&x, &indices, axis);
        }
        let size = x.shape[axis];
        let mut rows = Vec::with_capacity(indices.elements.len());
        for index in self.ints(&indices)? {
            rows.push(
                normalized(index, size)
                    .map_err(|_| bad(format!("reads element {index} of an axis of size {size}")))?,
            );
        }
        let mut shape = x.shape[..axis].to_vec();
        shape.extend(&indices.shape);
        shape.extend(&x.shape[axis + 1..]);
        self.charge(count(&shape)?)?;
        let samples = x.samples.map(|at| match at < axis {
            true => at,
            false => at + indices.rank() - 1,
        });
        let inner: usize = x.shape[axis + 1..].iter().product();
        let outer: usize = x.shape[..axis].iter().product();
        let mut elements = Vec::with_capacity(shape.iter().product());
        for i in 0..outer {
            for row in &rows {
                let start = (i * size + row) * inner;
                elements.extend(&x.elements[start..start + inner]);
            }
        }
        Ok(vec![Tensor {
            kind: x.kind,
            shape,
            samples,
            elements,
        }])
    }
}

fn known(values: &[i64]) -> Vec<Size> {
    values.iter().copied().map(Size::Known).collect()
}

/// A shape that is made, and the axis of its samples.
fn fixed_sizes(sizes: &[Size]) -> Outcome<(Vec<usize>, Option<usize>)> {
    let mut samples = None;
    let mut shape = Vec::with_capacity(sizes.len());
    for (axis, size) in sizes.iter().enumerate() {
        shape.push(match *size {
            Size::Known(size) => {
                usize::try_from(size).map_err(|_| bad(format!("makes an axis of size {size}")))?
            }
            Size::Samples if samples.replace(axis).is_some() => {
                return Err(bad("has the samples along two axes"));
            }
            Size::Samples => 1,
        });
    }
    Ok((shape, samples))
}

/// The first index of a slice of an axis, and how many there are.
fn range(start: i64, end: i64, step: i64, size: usize) -> Outcome<(usize, usize)> {
    let size = size as i64;
    if step == 0 || step == i64::MIN {
        return Err(bad(format!("has the step {step}")));
    }
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let within = |at: i64| {
        let at = if at < 0 { at.saturating_add(size) } else { at };
        at.clamp(low, high)
    };
    let (start, end) = (within(start), within(end));
    let length = if step > 0 { end - start } else { start - end };
    let count = if length <= 0 {
        0
    } else {
        1 + (length - 1) / step.abs()
    };
    Ok((if count == 0 { 0 } else { start as usize }, count as usize))
}
