//! Tensors whose elements are nodes of a graph of numbers: shapes are known, values are not.
//!
//! The dimension of the samples has no size here. It is kept as an axis of size 1 that is marked, and every element stands
//! for its values in all samples.

use super::Kind;
use super::fault::{Fault, Outcome, bad, unsupported};
use crate::ops::NodeId;

/// Most dimensions of a tensor.
pub(super) const MAX_RANK: usize = 16;

/// Most elements of a tensor.
pub(super) const MAX_ELEMENTS: usize = 1 << 24;

/// A tensor.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub kind: Kind,
    /// The sizes; that of the samples is 1.
    pub shape: Vec<usize>,
    /// The axis of the samples.
    pub samples: Option<usize>,
    /// The elements, the last axis fastest.
    pub elements: Vec<NodeId>,
}

impl Tensor {
    /// A tensor without samples.
    pub fn fixed(kind: Kind, shape: Vec<usize>, elements: Vec<NodeId>) -> Tensor {
        Tensor {
            kind,
            shape,
            samples: None,
            elements,
        }
    }

    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The shape for an error message, with `N` for the size of the samples.
    pub fn shown(&self) -> String {
        let sizes = self.shape.iter().enumerate();
        let sizes: Vec<String> = sizes
            .map(|(axis, size)| match self.samples == Some(axis) {
                true => "N".into(),
                false => size.to_string(),
            })
            .collect();
        format!("[{}]", sizes.join(", "))
    }

    /// The same elements in another shape of as many.
    pub fn reshaped(&self, shape: Vec<usize>, samples: Option<usize>) -> Tensor {
        Tensor {
            shape,
            samples,
            ..self.clone()
        }
    }

    /// The elements at these places.
    pub fn pick(&self, places: &[usize], shape: Vec<usize>, samples: Option<usize>) -> Tensor {
        Tensor {
            kind: self.kind,
            elements: places.iter().map(|place| self.elements[*place]).collect(),
            shape,
            samples,
        }
    }

    /// The axis that a whole number names, counted from the end where it is negative.
    pub fn axis(&self, axis: i64) -> Outcome<usize> {
        normalized(axis, self.rank())
    }

    /// Refuses the axis of the samples, along which nothing can be done.
    pub fn refuse_samples(&self, axis: usize) -> Outcome<()> {
        match self.samples == Some(axis) {
            true => Err(along_samples(axis)),
            false => Ok(()),
        }
    }
}

fn along_samples(axis: usize) -> Fault {
    unsupported(format!(
        "works along axis {axis}, the samples, which are independent of each other here"
    ))
}

/// An axis counted from the end where it is negative.
pub(super) fn normalized(axis: i64, rank: usize) -> Outcome<usize> {
    let size = rank as i64;
    let found = if axis < 0 {
        axis.checked_add(size)
    } else {
        Some(axis)
    };
    match found {
        Some(found) if (0..size).contains(&found) => Ok(found as usize),
        _ => Err(bad(format!(
            "names axis {axis} of a tensor of {rank} dimensions"
        ))),
    }
}

/// The number of elements of a shape, within the limit.
pub(super) fn count(shape: &[usize]) -> Outcome<usize> {
    let mut total = Some(1usize);
    for size in shape {
        total = total.and_then(|total| total.checked_mul(*size));
    }
    match total.filter(|total| *total <= MAX_ELEMENTS && shape.len() <= MAX_RANK) {
        Some(total) => Ok(total),
        None => Err(Fault::Limit(format!(
            "makes a tensor of shape {shape:?}, which has more than {MAX_ELEMENTS} elements or {MAX_RANK} dimensions"
        ))),
    }
}

/// How far apart neighbours along each axis lie.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// The places of the elements of a shape, in order, where the first lies at `start` and neighbours `steps` apart.
pub(super) fn places(shape: &[usize], steps: &[isize], start: usize) -> Vec<usize> {
    let total = shape.iter().product();
    let mut places = Vec::with_capacity(total);
    let mut index = vec![0usize; shape.len()];
    let mut place = start as isize;
    for _ in 0..total {
        places.push(place as usize);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            place += steps[axis];
            if index[axis] < shape[axis] {
                break;
            }
            place -= steps[axis] * shape[axis] as isize;
            index[axis] = 0;
        }
    }
    places
}

/// The shape that tensors are brought to before they are combined element by element, and the axis of its samples.
pub(super) fn broadcast(tensors: &[&Tensor]) -> Outcome<(Vec<usize>, Option<usize>)> {
    let rank = tensors
        .iter()
        .map(|tensor| tensor.rank())
        .max()
        .unwrap_or(0);
    let mut shape = vec![1; rank];
    let mut samples = None;
    for tensor in tensors {
        let missing = rank - tensor.rank();
        if let Some(axis) = tensor.samples {
            let axis = axis + missing;
            if samples.replace(axis).is_some_and(|other| other != axis) {
                return Err(unsupported(
                    "combines samples along two axes, which are independent of each other here",
                ));
            }
        }
        for (axis, size) in tensor.shape.iter().enumerate() {
            let wanted = &mut shape[axis + missing];
            if *wanted == 1 {
                *wanted = *size;
            } else if *size != 1 && size != wanted {
                let shapes: Vec<&[usize]> = tensors.iter().map(|t| &t.shape[..]).collect();
                return Err(bad(format!("cannot combine the shapes {shapes:?}")));
            }
        }
    }
    if let Some(axis) = samples
        && shape[axis] != 1
    {
        return Err(unsupported(format!(
            "combines the samples with an axis of fixed size {}",
            shape[axis]
        )));
    }
    count(&shape)?;
    Ok((shape, samples))
}

/// Where the elements of a tensor go when it is brought to a shape, whose axes of size 1 it repeats.
pub(super) fn spread(tensor: &Tensor, shape: &[usize]) -> Vec<usize> {
    let missing = shape.len() - tensor.rank();
    let own = strides(&tensor.shape);
    let steps: Vec<isize> = (0..shape.len())
        .map(|axis| match axis.checked_sub(missing) {
            Some(axis) if tensor.shape[axis] != 1 => own[axis] as isize,
            _ => 0,
        })
        .collect();
    places(shape, &steps, 0)
}
