//! Operators that read and write elements at indices, and those that repeat, add up and count them. What is written is written
//! at indices that are known when the file is read.

use super::Kind;
use super::constants::kind_of;
use super::evaluator::{Call, Evaluator, wrong_type};
use super::fault::{Outcome, bad, unsupported};
use super::tensor::{MAX_ELEMENTS, Tensor, count, normalized, strides};
use crate::ops::{Emit, NodeId, Op};
use crate::syntax::ast::Constant;

type Outputs = Outcome<Vec<Tensor>>;

impl<'a> Evaluator<'a> {
    /// A number as an element of a tensor of this kind.
    pub(super) fn element(&mut self, value: f64, kind: Kind) -> NodeId {
        self.builder.constant(match kind {
            Kind::Number => Constant::Real(value),
            Kind::Integer => Constant::Int(value as i64),
            Kind::Truth => Constant::Bool(value != 0.0),
        })
    }

    pub(super) fn triangle(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=2)?;
        let x = call.input(0)?;
        let upper = call.attributes.flag("upper", true)?;
        let diagonal = match call.optional(1) {
            Some(diagonal) => self.ints(&diagonal)?,
            None => vec![0],
        };
        let [diagonal] = diagonal[..] else {
            return Err(bad("has a diagonal that is not one number"));
        };
        let [.., rows, columns] = x.shape[..] else {
            return Err(bad("takes matrices"));
        };
        x.refuse_samples(x.rank() - 2)?;
        x.refuse_samples(x.rank() - 1)?;
        self.charge(x.elements.len())?;
        let zero = self.element(0.0, x.kind);
        let mut result = (*x).clone();
        for (place, element) in result.elements.iter_mut().enumerate() {
            let (row, column) = (place / columns % rows, place % columns);
            let above = (column as i64 - row as i64).cmp(&diagonal);
            let kept = if upper { above.is_ge() } else { above.is_le() };
            if !kept {
                *element = zero;
            }
        }
        Ok(vec![result])
    }

    /// Ones on a diagonal of a matrix as large as the input.
    pub(super) fn eye_like(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.input(0)?;
        let diagonal = call.attributes.int_or("k", 0)?;
        let kind = match call.attributes.int("dtype")? {
            None => Some(x.kind),
            Some(to) => i32::try_from(to).ok().and_then(kind_of),
        };
        let kind = kind.ok_or_else(|| unsupported("is of a data type that is not known"))?;
        let [rows, columns] = x.shape[..] else {
            return Err(bad("takes matrices"));
        };
        x.refuse_samples(0)?;
        x.refuse_samples(1)?;
        self.charge(x.elements.len())?;
        let (zero, one) = (self.element(0.0, kind), self.element(1.0, kind));
        let on = |row: usize, column: usize| column as i64 - row as i64 == diagonal;
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let elements = places.map(|(row, column)| if on(row, column) { one } else { zero });
        Ok(vec![Tensor::fixed(
            kind,
            vec![rows, columns],
            elements.collect(),
        )])
    }

    pub(super) fn running_sum(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        let (x, axis) = (call.input(0)?, self.ints(&*call.input(1)?)?);
        let exclusive = call.attributes.flag("exclusive", false)?;
        let reverse = call.attributes.flag("reverse", false)?;
        let [axis] = axis[..] else {
            return Err(bad("has an axis that is not one number"));
        };
        if x.kind == Kind::Truth {
            return Err(wrong_type());
        }
        let axis = x.axis(axis)?;
        let zero = self.element(0.0, x.kind);
        Ok(vec![self.grouped(&x, &[axis], |this, group| {
            let mut sums = vec![zero; group.len()];
            let mut sum = None;
            for i in 0..group.len() {
                let i = if reverse { group.len() - 1 - i } else { i };
                let next = match sum {
                    None => group[i],
                    Some(sum) => this.add(sum, group[i])?,
                };
                sums[i] = match exclusive {
                    true => sum.unwrap_or(zero),
                    false => next,
                };
                sum = Some(next);
            }
            Ok(sums)
        })?])
    }

    pub(super) fn range(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(3..=3)?;
        let inputs = call.all()?;
        let kind = inputs[0].kind;
        if kind == Kind::Truth || inputs.iter().any(|input| input.kind != kind) {
            return Err(wrong_type());
        }
        let mut values = [0.0; 3];
        let mut wholes = [0i64; 3];
        for (i, input) in inputs.iter().enumerate() {
            let node = self.only(input)?;
            let value = self.builder.known(node);
            values[i] = value.ok_or_else(|| unsupported("has bounds that hang on data"))?;
            wholes[i] = self.int(node).unwrap_or(0);
        }
        let length = match kind {
            Kind::Integer if wholes[2] != 0 => {
                let [start, limit, step] = wholes.map(i128::from);
                let length = (limit - start + step - step.signum()) / step;
                length.clamp(0, MAX_ELEMENTS as i128 + 1) as usize
            }
            _ => {
                let length = ((values[1] - values[0]) / values[2]).ceil();
                if !length.is_finite() {
                    return Err(bad(format!(
                        "counts from {} to {} by {}",
                        values[0], values[1], values[2]
                    )));
                }
                length.clamp(0.0, MAX_ELEMENTS as f64 + 1.0) as usize
            }
        };
        self.charge(count(&[length])?)?;
        let elements = (0..length).map(|i| match kind {
            Kind::Integer => self.builder.int(wholes[0] + i as i64 * wholes[2]),
            _ => self.builder.real(values[0] + i as f64 * values[2]),
        });
        let elements = elements.collect();
        self.charge(0)?;
        Ok(vec![Tensor::fixed(kind, vec![length], elements)])
    }

    pub(super) fn tile(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        let (x, repeats) = (call.input(0)?, self.ints(&*call.input(1)?)?);
        if repeats.len() != x.rank() {
            return Err(bad(format!(
                "repeats {} axes of {}",
                repeats.len(),
                x.rank()
            )));
        }
        let mut shape = x.shape.clone();
        for (axis, repeats) in repeats.iter().enumerate() {
            if *repeats != 1 {
                x.refuse_samples(axis)?;
            }
            let repeats = usize::try_from(*repeats);
            let size = repeats
                .ok()
                .and_then(|repeats| shape[axis].checked_mul(repeats));
            shape[axis] =
                size.ok_or_else(|| bad("repeats elements too often, or fewer than no times"))?;
        }
        let total = count(&shape)?;
        self.charge(total)?;
        let (own, outer) = (strides(&x.shape), strides(&shape));
        let places: Vec<usize> = (0..total)
            .map(|place| {
                let axes = 0..x.rank();
                axes.map(|axis| place / outer[axis] % shape[axis] % x.shape[axis] * own[axis])
                    .sum()
            })
            .collect();
        Ok(vec![x.pick(&places, shape, x.samples)])
    }

    /// `DepthToSpace` and `SpaceToDepth`: blocks of channels become squares of the plane, or those become blocks.
    pub(super) fn blocks(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.input(0)?;
        let side = call.attributes.int_or("blocksize", 0)?;
        let mode = call.attributes.word("mode")?.unwrap_or("DCR");
        let [batch, channels, height, width] = x.shape[..] else {
            return Err(bad("takes tensors of four dimensions"));
        };
        for axis in 1..4 {
            x.refuse_samples(axis)?;
        }
        let unfit = || bad(format!("has blocks of {side}, which do not fit its input"));
        let side = usize::try_from(side)
            .ok()
            .filter(|side| (1..1 << 12).contains(side));
        let side = side.ok_or_else(unfit)?;
        let fits = |size: usize, by: usize| match size % by {
            0 => Ok(size / by),
            _ => Err(unfit()),
        };
        let (apart, order, shape) = match (call.operator(), mode) {
            ("SpaceToDepth", _) => {
                let (h, w) = (fits(height, side)?, fits(width, side)?);
                let apart = vec![batch, channels, h, side, w, side];
                (
                    apart,
                    [0, 3, 5, 1, 2, 4],
                    vec![batch, channels * side * side, h, w],
                )
            }
            (_, "DCR" | "CRD") => {
                let own = fits(channels, side * side)?;
                let shape = vec![batch, own, height * side, width * side];
                match mode {
                    "DCR" => (
                        vec![batch, side, side, own, height, width],
                        [0, 3, 4, 1, 5, 2],
                        shape,
                    ),
                    _ => (
                        vec![batch, own, side, side, height, width],
                        [0, 1, 4, 2, 5, 3],
                        shape,
                    ),
                }
            }
            (_, other) => return Err(bad(format!("is of the unknown mode {other:?}"))),
        };
        let moved = self.permuted(&x.reshaped(apart, x.samples), &order)?;
        Ok(vec![moved.reshaped(shape, x.samples)])
    }

    /// Refuses indices along one axis that do not fit the data.
    fn fit(&self, data: &Tensor, indices: &Tensor, axis: usize) -> Outcome<()> {
        if indices.rank() != data.rank() {
            return Err(bad("has indices of another number of dimensions"));
        }
        data.refuse_samples(axis)?;
        if data.samples != indices.samples {
            return Err(unsupported(
                "reads or writes at indices that are not as many as the samples",
            ));
        }
        for other in 0..data.rank() {
            if other != axis && indices.shape[other] > data.shape[other] {
                return Err(bad("has more indices than elements"));
            }
        }
        Ok(())
    }

    /// The places of `data` that indices of this shape along one axis speak of.
    fn along(&mut self, data: &Tensor, indices: &Tensor, axis: usize) -> Outcome<Vec<usize>> {
        let size = data.shape[axis];
        self.charge(indices.elements.len())?;
        let (own, outer) = (strides(&data.shape), strides(&indices.shape));
        let rows = self.ints(indices)?.into_iter().enumerate();
        let places = rows.map(|(place, index)| {
            let index = normalized(index, size)
                .map_err(|_| bad(format!("has index {index} into an axis of size {size}")))?;
            let others = (0..data.rank()).map(|other| match other == axis {
                true => index * own[axis],
                false => place / outer[other] % indices.shape[other] * own[other],
            });
            Ok(others.sum())
        });
        places.collect()
    }

    pub(super) fn gather_elements(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        let (x, indices) = (call.input(0)?, call.input(1)?);
        let axis = x.axis(call.attributes.int_or("axis", 0)?)?;
        self.fit(&x, &indices, axis)?;
        if indices
            .elements
            .iter()
            .any(|index| self.int(*index).is_none())
        {
            return self.elements_picked(&x, &indices, axis);
        }
        let places = self.along(&x, &indices, axis)?;
        Ok(vec![x.pick(&places, indices.shape.clone(), x.samples)])
    }

    pub(super) fn scatter_elements(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(3..=3)?;
        let (x, indices, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
        let axis = x.axis(call.attributes.int_or("axis", 0)?)?;
        self.fit(&x, &indices, axis)?;
        let places = self.along(&x, &indices, axis)?;
        if updates.shape != indices.shape || updates.samples != x.samples {
            return Err(bad("has another number of updates than of indices"));
        }
        self.written(call, &x, &places, &updates)
    }

    /// Where the parts of `data` begin that indices into its first axes speak of, how many elements each has, and how many
    /// axes the indices are for.
    fn parts(&mut self, data: &Tensor, indices: &Tensor) -> Outcome<(Vec<usize>, usize, usize)> {
        let depth = indices.shape.last().copied().unwrap_or(0);
        if depth == 0 || depth > data.rank() {
            return Err(bad(format!(
                "has indices into {depth} of {} dimensions",
                data.rank()
            )));
        }
        if data.samples.is_some_and(|at| at < depth) || indices.samples.is_some() {
            return Err(unsupported(
                "reads or writes along the samples, which are independent of each other here",
            ));
        }
        let own = strides(&data.shape);
        let indices = self.ints(indices)?;
        self.charge(indices.len())?;
        let starts = indices.chunks(depth).map(|index| {
            let mut start = 0;
            for (axis, index) in index.iter().enumerate() {
                let size = data.shape[axis];
                let index = normalized(*index, size)
                    .map_err(|_| bad(format!("has index {index} into an axis of size {size}")))?;
                start += index * own[axis];
            }
            Ok(start)
        });
        let size = data.shape[depth..].iter().product();
        Ok((starts.collect::<Outcome<_>>()?, size, depth))
    }

    pub(super) fn gather_nd(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        let (x, indices) = (call.input(0)?, call.input(1)?);
        if call.attributes.int_or("batch_dims", 0)? != 0 {
            return Err(unsupported("reads by batch (batch_dims)"));
        }
        let (starts, size, depth) = self.parts(&x, &indices)?;
        let mut shape = indices.shape[..indices.rank() - 1].to_vec();
        let samples = x.samples.map(|at| at - depth + shape.len());
        shape.extend(&x.shape[depth..]);
        self.charge(count(&shape)?)?;
        let places: Vec<usize> = starts
            .iter()
            .flat_map(|start| *start..start + size)
            .collect();
        Ok(vec![x.pick(&places, shape, samples)])
    }

    pub(super) fn scatter_nd(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(3..=3)?;
        let (x, indices, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
        let (starts, size, depth) = self.parts(&x, &indices)?;
        let mut shape = indices.shape[..indices.rank() - 1].to_vec();
        let samples = x.samples.map(|at| at - depth + shape.len());
        shape.extend(&x.shape[depth..]);
        if updates.shape != shape || updates.samples != samples {
            return Err(bad(format!(
                "has updates of shape {}, which do not fit its indices",
                updates.shown()
            )));
        }
        self.charge(count(&shape)?)?;
        let places: Vec<usize> = starts
            .iter()
            .flat_map(|start| *start..start + size)
            .collect();
        self.written(call, &x, &places, &updates)
    }

    /// The tensor with these updates at these places, the last one of several at one place unless they are combined.
    fn written(
        &mut self,
        call: &mut Call<'a>,
        x: &Tensor,
        places: &[usize],
        updates: &Tensor,
    ) -> Outputs {
        let combined = match call.attributes.word("reduction")?.unwrap_or("none") {
            "none" => None,
            "add" => Some(Op::Add),
            "mul" => Some(Op::Mul),
            "max" => Some(Op::Max),
            "min" => Some(Op::Min),
            other => return Err(bad(format!("has the unknown reduction {other:?}"))),
        };
        if updates.kind != x.kind || (combined.is_some() && x.kind == Kind::Truth) {
            return Err(wrong_type());
        }
        self.charge(x.elements.len() + places.len())?;
        let mut result = x.clone();
        for (place, update) in places.iter().zip(&updates.elements) {
            result.elements[*place] = match combined {
                Some(op) => self.op(op, &[result.elements[*place], *update])?,
                None => *update,
            };
        }
        Ok(vec![result])
    }
}
