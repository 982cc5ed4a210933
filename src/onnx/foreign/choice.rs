//! Operators that choose elements by their place: the place of the largest, the largest so many, and what is read at indices
//! that hang on data. A place has no derivative; what stands there has.

use super::Kind;
use super::evaluator::{Call, Evaluator, wrong_type};
use super::fault::{Outcome, bad, unsupported};
use super::tensor::{Tensor, count, normalized, places, strides};
use crate::ops::{Emit, NodeId, Op};

type Outputs = Outcome<Vec<Tensor>>;

impl<'a> Evaluator<'a> {
    /// `ArgMax` and `ArgMin`: of equal elements the first, or the last.
    pub(super) fn place_of_most(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.input(0)?;
        let axis = x.axis(call.attributes.int_or("axis", 0)?)?;
        let keep = call.attributes.flag("keepdims", true)?;
        let last = call.attributes.flag("select_last_index", false)?;
        if x.kind == Kind::Truth {
            return Err(wrong_type());
        }
        x.refuse_samples(axis)?;
        let better = match (call.operator(), last) {
            ("ArgMax", false) => Op::Greater,
            ("ArgMax", true) => Op::GreaterEqual,
            (_, false) => Op::Less,
            _ => Op::LessEqual,
        };
        let mut result = self.reduced(&x, &[axis], keep, |this, group| {
            this.first_best(better, group)
        })?;
        result.kind = Kind::Integer;
        Ok(vec![result])
    }

    /// The place of the element that none behind it is better than.
    fn first_best(&mut self, better: Op, group: &[NodeId]) -> Outcome<NodeId> {
        let Some((first, rest)) = group.split_first() else {
            return Err(bad("chooses from no elements"));
        };
        let (mut best, mut place) = (*first, self.builder.int(0));
        for (i, element) in rest.iter().enumerate() {
            let test = self.op(better, &[*element, best])?;
            let index = self.builder.int(i as i64 + 1);
            place = self.op(Op::Select, &[test, index, place])?;
            best = self.op(Op::Select, &[test, *element, best])?;
        }
        Ok(place)
    }

    /// 1 at the place of the largest element, 0 elsewhere.
    pub(super) fn hard_max(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.numbers(0)?;
        // older versions take all axes from this one on
        let old = self.opset < 13;
        let axis = x.axis(call.attributes.int_or("axis", if old { 1 } else { -1 })?)?;
        let axes: Vec<usize> = (axis..if old { x.rank() } else { axis + 1 }).collect();
        Ok(vec![self.grouped(&x, &axes, |this, group| {
            let place = this.first_best(Op::Greater, group)?;
            let (zero, one) = (this.real(0.0), this.real(1.0));
            let places = 0..group.len();
            places.map(|i| this.is_at(place, i, zero, one)).collect()
        })?])
    }

    /// `on` where the place is this one, else `off`.
    fn is_at(&mut self, place: NodeId, i: usize, off: NodeId, on: NodeId) -> Outcome<NodeId> {
        let index = self.builder.int(i as i64);
        let test = self.op(Op::Equal, &[place, index])?;
        self.op(Op::Select, &[test, on, off])
    }

    pub(super) fn one_hot(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(3..=3)?;
        let (indices, depth, values) = (call.input(0)?, call.input(1)?, call.input(2)?);
        let depth = self.only(&depth)?;
        let depth = self.builder.known(depth).filter(|depth| *depth >= 1.0);
        let depth = depth.ok_or_else(|| unsupported("needs a depth that is known"))? as usize;
        let [off, on] = values.elements[..] else {
            return Err(bad("takes two values, off and on"));
        };
        if values.samples.is_some() || indices.kind == Kind::Truth {
            return Err(wrong_type());
        }
        let rank = indices.rank();
        let axis = call.attributes.int_or("axis", -1)?;
        let axis = normalized(axis, rank + 1)?;
        let mut shape = indices.shape.clone();
        shape.insert(axis, depth);
        let total = count(&shape)?;
        self.charge(total)?;
        let samples = indices.samples.map(|at| at + usize::from(at >= axis));
        let inner: usize = indices.shape[axis..].iter().product();
        let mut elements = Vec::with_capacity(total);
        let size = self.builder.int(depth as i64);
        for outer in indices.elements.chunks(inner.max(1)) {
            let places = outer
                .iter()
                .map(|place| self.counted_from_end(*place, size));
            let places = places.collect::<Outcome<Vec<NodeId>>>()?;
            for i in 0..depth {
                for place in &places {
                    elements.push(self.is_at(*place, i, off, on)?);
                }
            }
        }
        Ok(vec![Tensor {
            kind: values.kind,
            shape,
            samples,
            elements,
        }])
    }

    /// An index counted from the end where it is negative.
    fn counted_from_end(&mut self, index: NodeId, size: NodeId) -> Outcome<NodeId> {
        let zero = self.builder.int(0);
        let negative = self.op(Op::Less, &[index, zero])?;
        let counted = self.add(index, size)?;
        self.op(Op::Select, &[negative, counted, index])
    }

    /// The largest or smallest so many along an axis, and where they stood; of equal ones the first comes first.
    pub(super) fn top(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=2)?;
        let x = call.input(0)?;
        let wanted = match (call.attributes.int("k")?, call.optional(1)) {
            (Some(wanted), _) => vec![wanted],
            (None, Some(wanted)) => self.ints(&wanted)?,
            (None, None) => vec![],
        };
        let axis = x.axis(call.attributes.int_or("axis", -1)?)?;
        let larger = match call.attributes.flag("largest", true)? {
            true => Op::Greater,
            false => Op::Less,
        };
        // without an order any will do
        call.attributes.ignore("sorted");
        x.refuse_samples(axis)?;
        let size = x.shape[axis];
        let wanted = match wanted[..] {
            [wanted] => usize::try_from(wanted)
                .ok()
                .filter(|wanted| *wanted <= size),
            _ => None,
        };
        let wanted = wanted.ok_or_else(|| {
            bad(format!(
                "takes another number than 0 to {size} elements of an axis"
            ))
        })?;
        if x.kind == Kind::Truth {
            return Err(wrong_type());
        }
        let mut sorted = (*x).clone();
        let mut stood = (*x).clone();
        stood.kind = Kind::Integer;
        for (start, step) in self.lines(&x, axis)? {
            let place = |i: usize| start + i * step;
            let mut line: Vec<(NodeId, NodeId)> = (0..size)
                .map(|i| (x.elements[place(i)], self.builder.int(i as i64)))
                .collect();
            // the best of the rest moves to its front
            for front in 0..wanted {
                for i in (front + 1..size).rev() {
                    let ((a, at_a), (b, at_b)) = (line[i - 1], line[i]);
                    let swap = self.op(larger, &[b, a])?;
                    let mut choose = |one, other| self.op(Op::Select, &[swap, one, other]);
                    line[i - 1] = (choose(b, a)?, choose(at_b, at_a)?);
                    line[i] = (choose(a, b)?, choose(at_a, at_b)?);
                }
            }
            for (i, (value, at)) in line.into_iter().enumerate() {
                sorted.elements[place(i)] = value;
                stood.elements[place(i)] = at;
            }
        }
        let values = self.part(&sorted, axis, 0, wanted, 1)?;
        let indices = self.part(&stood, axis, 0, wanted, 1)?;
        Ok(vec![values, indices])
    }

    /// Where each line along an axis begins, and how far apart its elements lie.
    fn lines(&mut self, x: &Tensor, axis: usize) -> Outcome<Vec<(usize, usize)>> {
        self.charge(x.elements.len())?;
        let own = strides(&x.shape);
        let mut outer = x.shape.clone();
        outer[axis] = usize::from(x.shape[axis] > 0);
        let steps: Vec<isize> = own.iter().map(|step| *step as isize).collect();
        let starts = places(&outer, &steps, 0).into_iter();
        Ok(starts.map(|start| (start, own[axis])).collect())
    }

    /// The element of these at an index that hangs on data; NaN where there is none.
    fn picked(&mut self, index: NodeId, items: Vec<NodeId>) -> Outcome<NodeId> {
        self.charge(items.len())?;
        let size = self.builder.int(items.len() as i64);
        let index = self.counted_from_end(index, size)?;
        let args: Vec<NodeId> = std::iter::once(index).chain(items).collect();
        self.op(Op::Pick, &args)
    }

    /// `Gather` at indices that hang on data.
    pub(super) fn gather_picked(&mut self, x: &Tensor, indices: &Tensor, axis: usize) -> Outputs {
        let size = x.shape[axis];
        if size == 0 {
            return Err(bad("reads elements of an empty axis"));
        }
        if x.samples.is_some() && indices.samples.is_some() {
            return Err(unsupported(
                "reads samples at the indices of others, which are independent here",
            ));
        }
        if x.kind == Kind::Truth {
            return Err(wrong_type());
        }
        let mut shape = x.shape[..axis].to_vec();
        shape.extend(&indices.shape);
        shape.extend(&x.shape[axis + 1..]);
        self.charge(count(&shape)?.saturating_mul(size))?;
        let own = x.samples.map(|at| match at < axis {
            true => at,
            false => at + indices.rank() - 1,
        });
        let samples = own.or(indices.samples.map(|at| at + axis));
        let inner: usize = x.shape[axis + 1..].iter().product();
        let outer: usize = x.shape[..axis].iter().product();
        let mut elements = Vec::with_capacity(shape.iter().product());
        for i in 0..outer {
            for index in &indices.elements {
                for j in 0..inner {
                    let places = (0..size).map(|row| (i * size + row) * inner + j);
                    let items = places.map(|place| x.elements[place]).collect();
                    elements.push(self.picked(*index, items)?);
                }
            }
        }
        Ok(vec![Tensor {
            kind: x.kind,
            shape,
            samples,
            elements,
        }])
    }

    /// `GatherElements` at indices that hang on data: each is for its own place along the other axes.
    pub(super) fn elements_picked(&mut self, x: &Tensor, indices: &Tensor, axis: usize) -> Outputs {
        if x.kind == Kind::Truth || indices.kind != Kind::Integer {
            return Err(wrong_type());
        }
        let size = x.shape[axis];
        self.charge(indices.elements.len().saturating_mul(size))?;
        let (own, outer) = (strides(&x.shape), strides(&indices.shape));
        let mut elements = Vec::with_capacity(indices.elements.len());
        for (place, index) in indices.elements.iter().enumerate() {
            let others = (0..x.rank()).filter(|other| *other != axis);
            let start: usize = others
                .map(|other| place / outer[other] % indices.shape[other] * own[other])
                .sum();
            let items = (0..size).map(|i| x.elements[start + i * own[axis]]);
            elements.push(self.picked(*index, items.collect())?);
        }
        Ok(vec![Tensor {
            kind: x.kind,
            shape: indices.shape.clone(),
            samples: x.samples,
            elements,
        }])
    }
}
