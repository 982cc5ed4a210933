//! Tables of numbers in the caller's memory: samples by entries, with strides.

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

    /// Where the values of an entry lie: that of the first sample, and the stride from each to the next. `None` where they
    /// must be written in order.
    fn memory(&mut self, _entry: usize) -> Option<(*mut T, isize)> {
        None
    }

    /// Takes the first entries of the first sample, as many as `values` has.
    fn only(&mut self, values: &[T]) {
        for (entry, value) in values.iter().enumerate() {
            self.scatter(entry, 0, std::slice::from_ref(value));
        }
    }
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
        Ok(StridedMut {
            data,
            sample,
            entry,
        })
    }

    /// One entry after the other, the samples of an entry side by side.
    pub fn columns(data: &'a mut [T], samples: usize) -> Self {
        StridedMut {
            data,
            sample: 1,
            entry: samples,
        }
    }

    /// One sample after the other, the entries of a sample side by side.
    pub fn rows(data: &'a mut [T], entries: usize) -> Self {
        StridedMut {
            data,
            sample: entries,
            entry: 1,
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

    fn memory(&mut self, entry: usize) -> Option<(*mut T, isize)> {
        let first = self.data.get_mut(entry * self.entry..)?;
        Some((first.as_mut_ptr(), self.sample as isize))
    }
}
