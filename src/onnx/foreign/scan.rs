//! `Scan`: its iterations are written out.

use std::rc::Rc;

use super::control::owned;
use super::evaluator::{Call, Evaluator};
use super::fault::{Outcome, bad, unsupported};
use super::tensor::{Tensor, count, normalized};

type Outputs = Outcome<Vec<Tensor>>;

/// Rows, one from each iteration, that become one tensor.
#[derive(Default)]
pub(super) struct Stack {
    rows: Vec<Rc<Tensor>>,
}

impl Stack {
    pub fn push(&mut self, evaluator: &mut Evaluator, row: Rc<Tensor>) -> Outcome<()> {
        evaluator.charge(row.elements.len())?;
        self.rows.push(row);
        Ok(())
    }

    /// The tensor of the rows along an axis that is added, the last one first if `reversed`.
    pub fn joined(
        mut self,
        evaluator: &mut Evaluator,
        axis: i64,
        reversed: bool,
    ) -> Outcome<Tensor> {
        let Some(first) = self.rows.first() else {
            return Err(unsupported(
                "has no iteration, so that the shapes of its outputs are not known",
            ));
        };
        let axis = normalized(axis, first.rank() + 1)?;
        let mut shape = first.shape.clone();
        shape.insert(axis, 1);
        count(&shape)?;
        let samples = |row: &Tensor| row.samples.map(|at| at + usize::from(at >= axis));
        for row in &mut self.rows {
            let mut shape = row.shape.clone();
            shape.insert(axis.min(shape.len()), 1);
            *row = Rc::new(row.reshaped(shape, samples(row)));
        }
        if reversed {
            self.rows.reverse();
        }
        evaluator.joined(&self.rows, axis)
    }
}

impl<'a> Evaluator<'a> {
    pub(super) fn scan(&mut self, call: &mut Call<'a>) -> Outputs {
        if self.opset < 9 {
            return Err(unsupported(
                "is of the version before operator set 9; convert the model to a newer one",
            ));
        }
        let body = call.attributes.graph("body")?;
        let inputs = call.all()?;
        let scanned = call.attributes.int("num_scan_inputs")?;
        let scanned = scanned.and_then(|count| usize::try_from(count).ok());
        let carried = scanned.filter(|count| *count > 0);
        let carried = carried.and_then(|count| inputs.len().checked_sub(count));
        let carried = carried.ok_or_else(|| bad("scans another number of inputs than it has"))?;
        let (states, sequences) = inputs.split_at(carried);
        let mut states = states.to_vec();
        let stacked = body.output.len().checked_sub(carried);
        let stacked = stacked.ok_or_else(|| bad("has a body that gives too few states"))?;
        let mut per = |name: &str, wanted: usize| match call.attributes.ints(name)? {
            None => Ok(vec![0; wanted]),
            Some(values) if values.len() == wanted => Ok(values.to_vec()),
            Some(_) => Err(bad(format!("has {name:?} of another number than {wanted}"))),
        };
        let axes = per("scan_input_axes", sequences.len())?;
        let backwards = per("scan_input_directions", sequences.len())?;
        let output_axes = per("scan_output_axes", stacked)?;
        let reversed = per("scan_output_directions", stacked)?;
        let mut length = None;
        let mut slices = Vec::with_capacity(sequences.len());
        for (sequence, axis) in sequences.iter().zip(axes) {
            let axis = sequence.axis(axis)?;
            sequence.refuse_samples(axis)?;
            let size = sequence.shape[axis];
            if *length.get_or_insert(size) != size {
                return Err(bad("scans inputs of unequal lengths"));
            }
            slices.push(axis);
        }
        let length = length.unwrap_or(0);
        let mut stacks: Vec<Stack> = (0..stacked).map(|_| Stack::default()).collect();
        for step in 0..length {
            let mut given = std::mem::take(&mut states);
            for ((sequence, axis), backwards) in sequences.iter().zip(&slices).zip(&backwards) {
                let place = match backwards {
                    0 => step,
                    _ => length - 1 - step,
                };
                given.push(Rc::new(self.row(sequence, *axis, place)?));
            }
            let mut outputs = self.inside(body, given)?.into_iter();
            states = outputs.by_ref().take(carried).collect();
            for (stack, row) in stacks.iter_mut().zip(outputs) {
                stack.push(self, row)?;
            }
        }
        let mut outputs = owned(states);
        for ((stack, axis), reversed) in stacks.into_iter().zip(output_axes).zip(reversed) {
            outputs.push(stack.joined(self, axis, reversed != 0)?);
        }
        Ok(outputs)
    }

    /// The elements whose index along `axis` is `place`, without that axis.
    pub(super) fn row(&mut self, x: &Tensor, axis: usize, place: usize) -> Outcome<Tensor> {
        let mut row = self.part(x, axis, place, 1, 1)?;
        row.shape.remove(axis);
        row.samples = row.samples.map(|at| at - usize::from(at > axis));
        Ok(row)
    }
}
