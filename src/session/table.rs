//! Tables of numbers in the caller's memory: samples by entries, with strides.

use crate::engine::Destination;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::real::Real;

/// A table that is read: samples by entries, wherever it lies in memory.
pub trait Columns<T: Real>: Sync {
    /// Copies the values of an entry for the samples from `start` on; `out` says how many.
    fn gather(&self, entry: usize, start: usize, out: &mut [T]);

    /// The values of an entry for `count` samples from `start` on, if they lie side by side.
    fn contiguous(&self, entry: usize, start: usize, count: usize) -> Option<&[T]>;

    /// Copies the first entries of the first sample, as many as `out` has.
    fn first(&self, out: &mut [T]) {
        for (entry, out) in out.iter_mut().enumerate() {
            self.gather(entry, 0, std::slice::from_mut(out));
        }
    }
}

/// A table that is written: samples by entries.
pub trait ColumnsMut<T: Real> {
    /// Takes the values of an entry for the samples from `start` on.
    fn scatter(&mut self, entry: usize, start: usize, values: &[T]);

    /// Gives an entry the same value for the first `samples` samples.
    fn fill(&mut self, entry: usize, samples: usize, value: T);

    /// The memory of an entry for `count` samples from `start` on, if it lies side by side.
    fn contiguous(&mut self, entry: usize, start: usize, count: usize) -> Option<&mut [T]>;

    /// Where the values of an entry go, for several threads that write those of different samples at once: no two elements
    /// of the table are the same then. [`Destination::Unknown`] where they must be written in order.
    fn destination(&mut self, _entry: usize, _samples: usize) -> Destination<T> {
        Destination::Unknown
    }

    /// Takes the first entries of the first sample, as many as `values` has.
    fn only(&mut self, values: &[T]) {
        for (entry, value) in values.iter().enumerate() {
            self.scatter(entry, 0, std::slice::from_ref(value));
        }
    }
}

/// Whether all elements of an array with these counts and strides are plainly different: each stride leads beyond what the
/// smaller ones reach.
pub(crate) fn apart(mut dimensions: [(usize, i64); 3]) -> bool {
    dimensions.sort_by_key(|(_, stride)| stride.unsigned_abs());
    let mut reached = 0u128;
    let moves = dimensions.iter().filter(|(count, _)| *count > 1);
    moves.into_iter().all(|(count, stride)| {
        let stride = u128::from(stride.unsigned_abs());
        let beyond = stride > reached;
        // below 2^64 times 2^63 each
        reached = reached.saturating_add((*count as u128 - 1) * stride);
        beyond
    })
}

/// A table in a slice: entry `i` of sample `s` is at `s * sample + i * entry`. A stride of 0 broadcasts.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a, T> {
    data: &'a [T],
    sample: usize,
    entry: usize,
}

/// The last index that a table reaches, if it has any element and no index overflows.
fn last_index(samples: usize, entries: usize, sample: usize, entry: usize) -> Option<usize> {
    let (s, e) = (samples.checked_sub(1)?, entries.checked_sub(1)?);
    s.checked_mul(sample)?.checked_add(e.checked_mul(entry)?)
}

fn check_table(
    length: usize,
    samples: usize,
    entries: usize,
    sample: usize,
    entry: usize,
) -> Result<()> {
    if samples == 0 || entries == 0 {
        return Ok(());
    }
    match last_index(samples, entries, sample, entry) {
        Some(last) if last < length => Ok(()),
        _ => Err(Error::new(
            ErrorKind::Shape,
            format!(
                "a table of {samples} samples by {entries} entries does not fit in {length} elements"
            ),
        )),
    }
}

impl<'a, T: Real> Strided<'a, T> {
    /// A table of `samples` by `entries` with these strides, in elements.
    pub fn new(
        data: &'a [T],
        samples: usize,
        entries: usize,
        sample: usize,
        entry: usize,
    ) -> Result<Self> {
        check_table(data.len(), samples, entries, sample, entry)?;
        Ok(Strided {
            data,
            sample,
            entry,
        })
    }

    /// One sample after the other, the entries of a sample side by side (C order).
    pub fn rows(data: &'a [T], entries: usize) -> Self {
        Strided {
            data,
            sample: entries,
            entry: 1,
        }
    }

    /// One entry after the other, the samples of an entry side by side (Fortran order).
    pub fn columns(data: &'a [T], samples: usize) -> Self {
        Strided {
            data,
            sample: 1,
            entry: samples,
        }
    }
}

impl<T: Real> Columns<T> for Strided<'_, T> {
    fn gather(&self, entry: usize, start: usize, out: &mut [T]) {
        let first = entry * self.entry;
        for (i, out) in out.iter_mut().enumerate() {
            *out = self.data[first + (start + i) * self.sample];
        }
    }

    fn contiguous(&self, entry: usize, start: usize, count: usize) -> Option<&[T]> {
        let first = entry * self.entry + start;
        (self.sample == 1)
            .then(|| self.data.get(first..first + count))
            .flatten()
    }
}

/// A table in a slice that is written; strides as in [`Strided`], none of them 0 where it matters.
#[derive(Debug)]
pub struct StridedMut<'a, T> {
    data: &'a mut [T],
    sample: usize,
    entry: usize,
    /// Whether no two elements are the same.
    apart: bool,
}

impl<'a, T: Real> StridedMut<'a, T> {
    /// A table of `samples` by `entries` with these strides, in elements.
    pub fn new(
        data: &'a mut [T],
        samples: usize,
        entries: usize,
        sample: usize,
        entry: usize,
    ) -> Result<Self> {
        check_table(data.len(), samples, entries, sample, entry)?;
        if (sample == 0 && samples > 1) || (entry == 0 && entries > 1) {
            return Err(Error::new(
                ErrorKind::Argument,
                "an output cannot have a stride of 0",
            ));
        }
        // a slice has no more than `i64::MAX` elements, and strides of what has one element do not matter
        let [s, e] = [sample, entry].map(|stride| i64::try_from(stride).unwrap_or(i64::MAX));
        Ok(StridedMut {
            data,
            sample,
            entry,
            apart: apart([(samples, s), (entries, e), (1, 0)]),
        })
    }

    /// One entry after the other, the samples of an entry side by side.
    pub fn columns(data: &'a mut [T], samples: usize) -> Self {
        StridedMut {
            data,
            sample: 1,
            entry: samples,
            apart: true,
        }
    }

    /// One sample after the other, the entries of a sample side by side.
    pub fn rows(data: &'a mut [T], entries: usize) -> Self {
        StridedMut {
            data,
            sample: entries,
            entry: 1,
            apart: true,
        }
    }
}

impl<T: Real> ColumnsMut<T> for StridedMut<'_, T> {
    fn scatter(&mut self, entry: usize, start: usize, values: &[T]) {
        let first = entry * self.entry;
        for (i, value) in values.iter().enumerate() {
            self.data[first + (start + i) * self.sample] = *value;
        }
    }

    fn fill(&mut self, entry: usize, samples: usize, value: T) {
        for s in 0..samples {
            self.data[entry * self.entry + s * self.sample] = value;
        }
    }

    fn contiguous(&mut self, entry: usize, start: usize, count: usize) -> Option<&mut [T]> {
        let first = entry * self.entry + start;
        (self.sample == 1)
            .then(|| self.data.get_mut(first..first + count))
            .flatten()
    }

    fn destination(&mut self, entry: usize, samples: usize) -> Destination<T> {
        let last = last_index(samples, entry + 1, self.sample, self.entry);
        let fits = last.is_some_and(|last| last < self.data.len());
        match self.data.get_mut(entry.saturating_mul(self.entry)..) {
            // what does not fit is found out where it is written, sample by sample
            Some(first) if self.apart && fits => Destination::Memory {
                first: first.as_mut_ptr(),
                stride: self.sample as isize,
            },
            _ => Destination::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_apart_where_each_stride_leads_beyond_the_smaller_ones() {
        for (dimensions, wanted) in [
            ([(9, 6), (2, 3), (3, 1)], true),
            ([(9, -6), (2, 1), (3, 2)], true),
            ([(9, 1), (2, 27), (3, -9)], true),
            ([(9, 1), (1, 0), (3, 8)], false),
            ([(9, 1), (1, 0), (2, 1)], false),
            ([(2, 1), (2, 0), (1, 7)], false),
            ([(0, 0), (2, 1), (1, 0)], true),
            (
                [(usize::MAX, i64::MIN), (usize::MAX, i64::MIN), (3, 1)],
                false,
            ),
        ] {
            assert_eq!(apart(dimensions), wanted, "{dimensions:?}");
        }
    }

    #[test]
    fn a_table_whose_elements_fall_on_each_other_is_written_in_order() {
        let mut data = [0.0f64; 9];
        for (sample, entry, known) in [(1, 4, true), (2, 1, true), (1, 1, false), (2, 2, false)] {
            let mut table = StridedMut::new(&mut data, 4, 2, sample, entry).unwrap();
            let mut found =
                |samples| matches!(table.destination(1, samples), Destination::Memory { .. });
            assert_eq!(found(4), known, "{sample}, {entry}");
            // nor is one that the samples do not fit in
            assert!(!found(9), "{sample}, {entry}");
        }
    }
}
