//! The caller's arrays as tables: pointer, sample stride and entry stride, in elements, of either sign.

use std::ops::Range;

use super::argument::{bad, misaligned};
use crate::engine::Destination;
use crate::error::{Error, Result};
use crate::ops::real::Real;
use crate::session::{Columns, ColumnsMut, apart};

/// No array has more elements, nor may any count be larger: so no arithmetic on counts and strides overflows 128 bits.
const MOST: usize = 1 << 56;

/// Counts and strides up to here need 64 bits only: three products of them, in bytes, stay below 2^62.
const SMALL: usize = 1 << 28;

/// The addresses that an array reaches, from the first byte to one past the last. `dimensions` are counts and strides.
///
/// Refuses NULL, misaligned memory and strides that lead out of the address space. An array without elements may be NULL.
#[inline(always)]
pub(super) fn reach<T>(
    pointer: *const T,
    dimensions: &[(usize, i64)],
    name: &'static str,
) -> Result<Range<usize>> {
    let (mut low, mut high) = (0i64, 1i64);
    let mut small = true;
    for (count, stride) in dimensions {
        if *count == 0 {
            return Ok(0..0);
        }
        small &= *count <= SMALL && stride.unsigned_abs() <= SMALL as u64;
        let last = (*count as i64 - 1).wrapping_mul(*stride);
        low = low.wrapping_add(last.min(0));
        high = high.wrapping_add(last.max(0));
    }
    if pointer.is_null() || !pointer.is_aligned() {
        return Err(unusable(pointer, name));
    }
    let size = size_of::<T>() as i64;
    if small
        && let Some(start) = pointer.addr().checked_add_signed((low * size) as isize)
        && let Some(end) = pointer.addr().checked_add_signed((high * size) as isize)
    {
        return Ok(start..end);
    }
    reach_far(pointer, dimensions, name)
}

/// [`reach`] for counts and strides of any size.
#[cold]
fn reach_far<T>(
    pointer: *const T,
    dimensions: &[(usize, i64)],
    name: &'static str,
) -> Result<Range<usize>> {
    let (mut low, mut high) = (0i128, 1i128);
    let mut in_memory = true;
    for (count, stride) in dimensions {
        in_memory &= *count <= MOST;
        let last = (*count as i128 - 1).wrapping_mul(i128::from(*stride));
        low = low.wrapping_add(last.min(0));
        high = high.wrapping_add(last.max(0));
    }
    let first = pointer.addr() as i128;
    let (low, high) = (
        first.wrapping_add(low.wrapping_mul(size_of::<T>() as i128)),
        first.wrapping_add(high.wrapping_mul(size_of::<T>() as i128)),
    );
    if !in_memory || low < 0 || high > usize::MAX as i128 {
        return Err(out_of_memory(name));
    }
    Ok(low as usize..high as usize)
}

#[cold]
fn unusable<T>(pointer: *const T, name: &'static str) -> Error {
    if pointer.is_null() {
        return bad(format!("argument \"{name}\" is NULL"));
    }
    misaligned::<T>(name)
}

#[cold]
fn out_of_memory(name: &'static str) -> Error {
    bad(format!(
        "counts and strides of \"{name}\" lead out of memory"
    ))
}

/// A table that is read.
#[derive(Debug)]
pub struct Input<T> {
    first: *const T,
    sample: isize,
    entry: isize,
    reach: Range<usize>,
    slices: bool,
}

impl<T: Real> Input<T> {
    /// The table of `samples` by `entries` at `first`, with these strides. Nothing is read yet.
    ///
    /// # Safety
    /// The elements can be read as long as the table is used, and nobody else writes them.
    #[inline(always)]
    pub unsafe fn new(
        name: &'static str,
        (samples, entries): (usize, usize),
        first: *const T,
        sample: i64,
        entry: i64,
    ) -> Result<Input<T>> {
        Ok(Input {
            reach: reach(first, &[(samples, sample), (entries, entry)], name)?,
            first,
            sample: sample as isize,
            entry: entry as isize,
            slices: true,
        })
    }

    #[inline]
    fn at(&self, entry: usize, sample: usize) -> *const T {
        // `reach` has checked that no element of the table is out of reach
        let elements = entry as isize * self.entry + sample as isize * self.sample;
        self.first.wrapping_offset(elements)
    }
}

impl<T: Real> Columns<T> for Input<T> {
    #[inline]
    fn gather(&self, entry: usize, start: usize, out: &mut [T]) {
        let first = self.at(entry, start);
        for (i, value) in out.iter_mut().enumerate() {
            // SAFETY: an element of the table, which `new` was promised to be readable.
            *value = unsafe { first.wrapping_offset(i as isize * self.sample).read() };
        }
    }

    #[inline]
    fn contiguous(&self, entry: usize, start: usize, count: usize) -> Option<&[T]> {
        if !self.slices || !(self.sample == 1 || count == 1) {
            return None;
        }
        // SAFETY: `count` elements of the table that lie side by side; no table that is written reaches them.
        Some(unsafe { std::slice::from_raw_parts(self.at(entry, start), count) })
    }
}

/// A table that is written. Its entries may lie in two dimensions, as those of a Jacobian do.
#[derive(Debug)]
pub struct Output<T> {
    first: *mut T,
    sample: isize,
    samples: usize,
    groups: usize,
    /// The stride of a group of entries, how many entries a group has, and the stride within a group.
    outer: isize,
    group: usize,
    entry: isize,
    reach: Range<usize>,
    slices: bool,
}

impl<T: Real> Output<T> {
    /// The table of `samples` by `entries` at `first`, with these strides.
    ///
    /// # Safety
    /// The elements can be written as long as the table is used, and nobody else uses them.
    #[inline(always)]
    pub unsafe fn new(
        name: &'static str,
        (samples, entries): (usize, usize),
        first: *mut T,
        sample: i64,
        entry: i64,
    ) -> Result<Output<T>> {
        // SAFETY: passed on.
        unsafe { Output::grouped(name, (samples, 1, entries), first, sample, 0, entry) }
    }

    /// As [`Output::new`], with `groups` of `group` entries each.
    ///
    /// # Safety
    /// As for [`Output::new`].
    #[inline(always)]
    pub unsafe fn grouped(
        name: &'static str,
        (samples, groups, group): (usize, usize, usize),
        first: *mut T,
        sample: i64,
        outer: i64,
        entry: i64,
    ) -> Result<Output<T>> {
        let dimensions = [(samples, sample), (groups, outer), (group, entry)];
        let reach = reach(first, &dimensions, name)?;
        let falls = |(count, stride): &(usize, i64)| *count > 1 && *stride == 0;
        if dimensions.iter().any(falls) && !reach.is_empty() {
            return Err(falls_on_itself(name));
        }
        Ok(Output {
            first,
            sample: sample as isize,
            samples,
            groups,
            outer: outer as isize,
            group,
            entry: entry as isize,
            reach,
            slices: true,
        })
    }

    #[inline]
    fn at(&self, entry: usize, sample: usize) -> *mut T {
        let elements = if entry < self.group {
            entry as isize * self.entry
        } else {
            (entry / self.group) as isize * self.outer + (entry % self.group) as isize * self.entry
        };
        // `reach` has checked that no element of the table is out of reach
        self.first
            .wrapping_offset(elements + sample as isize * self.sample)
    }

    /// Sees to it that no slices are made of memory that this table and another share, as fields of a record do.
    #[inline]
    pub fn apart_from(&mut self, other: &mut Input<T>) {
        if overlap(&self.reach, &other.reach) {
            (self.slices, other.slices) = (false, false);
        }
    }

    /// As [`Output::apart_from`], for two tables that are written.
    #[inline]
    pub fn apart_from_output(&mut self, other: &mut Output<T>) {
        if overlap(&self.reach, &other.reach) {
            (self.slices, other.slices) = (false, false);
        }
    }
}

#[cold]
pub(super) fn falls_on_itself(name: &'static str) -> Error {
    bad(format!(
        "a stride of output \"{name}\" is 0: its elements would fall on each other"
    ))
}

#[inline]
pub(super) fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

impl<T: Real> ColumnsMut<T> for Output<T> {
    #[inline]
    fn scatter(&mut self, entry: usize, start: usize, values: &[T]) {
        let first = self.at(entry, start);
        for (i, value) in values.iter().enumerate() {
            // SAFETY: an element of the table, which `new` was promised to be writable.
            unsafe {
                first
                    .wrapping_offset(i as isize * self.sample)
                    .write(*value)
            };
        }
    }

    fn fill(&mut self, entry: usize, samples: usize, value: T) {
        let first = self.at(entry, 0);
        for s in 0..samples {
            // SAFETY: as above.
            unsafe { first.wrapping_offset(s as isize * self.sample).write(value) };
        }
    }

    #[inline]
    fn contiguous(&mut self, entry: usize, start: usize, count: usize) -> Option<&mut [T]> {
        if !self.slices || !(self.sample == 1 || count == 1) {
            return None;
        }
        // SAFETY: `count` elements of the table that lie side by side; no other table reaches them.
        Some(unsafe { std::slice::from_raw_parts_mut(self.at(entry, start), count) })
    }

    fn destination(&mut self, entry: usize, samples: usize) -> Destination<T> {
        let groups = [(self.groups, self.outer), (self.group, self.entry)];
        let [outer, inner] = groups.map(|(count, stride)| (count, stride as i64));
        // memory that another table shares may be read when it is written
        if samples > self.samples
            || !self.slices
            || !apart([(self.samples, self.sample as i64), outer, inner])
        {
            return Destination::Unknown;
        }
        Destination::Memory {
            first: self.at(entry, 0),
            stride: self.sample,
        }
    }
}

// SAFETY: the caller lends the table for reading for as long as it is used, from whichever thread
unsafe impl<T: Sync> Sync for Input<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_with_strides_of_either_sign() {
        let data: Vec<f64> = (0..12).map(f64::from).collect();
        let mut out = [0.0; 3];
        let last = &data[11];
        // SAFETY: three samples, two entries, backwards from the last element.
        let table = unsafe { Input::new("x", (3, 2), last, -4, -1) }.unwrap();
        table.gather(1, 0, &mut out);
        assert_eq!(out, [10.0, 6.0, 2.0]);
        table.gather(0, 1, &mut out[..2]);
        assert_eq!(out[..2], [7.0, 3.0]);
        assert!(table.contiguous(0, 0, 2).is_none());
        assert_eq!(table.contiguous(1, 2, 1), Some(&[2.0][..]));
    }

    #[test]
    fn refuses_what_leads_out_of_memory() {
        let data = [0.0f64; 4];
        let table = |pointer, samples, sample, entry| {
            // SAFETY: no element is read.
            unsafe { Input::new("x", (samples, 2), pointer, sample, entry) }
                .map(|_| ())
                .map_err(|error| error.message)
        };
        let first = data.as_ptr();
        assert_eq!(table(first, 2, 2, 1), Ok(()));
        assert_eq!(table(std::ptr::null(), 0, 2, 1), Ok(()));
        for (samples, sample, entry) in [
            (2, i64::MAX, 1),
            (2, i64::MIN, 1),
            (3, i64::MAX / 2, i64::MAX),
            (1, 1, i64::MAX / 4),
            (usize::MAX, 1, 1),
            (usize::MAX / 16, -1, 1),
        ] {
            let error = table(first, samples, sample, entry).unwrap_err();
            assert_eq!(error, "counts and strides of \"x\" lead out of memory");
        }
        assert!(
            table(std::ptr::null(), 1, 1, 1)
                .unwrap_err()
                .contains("NULL")
        );
        let odd = first.wrapping_byte_add(1);
        assert!(table(odd, 1, 1, 1).unwrap_err().contains("aligned"));
    }

    #[test]
    fn writes_jacobians_and_refuses_stride_zero() {
        let mut data = [0.0f64; 12];
        let first = data.as_mut_ptr();
        // SAFETY: one sample of two groups of three entries, transposed.
        let mut table = unsafe { Output::grouped("j", (1, 2, 3), first, 0, 1, 2) }.unwrap();
        for entry in 0..6 {
            table.scatter(entry, 0, &[entry as f64]);
        }
        assert_eq!(data[..6], [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        // SAFETY: nothing is written.
        let zero = unsafe { Output::new("y", (2, 1), first, 0, 1) }.unwrap_err();
        assert!(zero.message.contains("stride of output \"y\" is 0"));
        // SAFETY: nothing is written.
        assert!(unsafe { Output::new("y", (2, 1), first, 1, 0) }.is_ok());
    }

    #[test]
    fn gives_no_slices_of_shared_memory() {
        let mut data = [0.0f64; 8];
        let first = data.as_mut_ptr();
        // SAFETY: the tables are used one at a time.
        let (mut x, mut y) = unsafe {
            (
                Input::new("x", (4, 1), first, 1, 1).unwrap(),
                Output::new("y", (4, 1), first.add(3), 1, 1).unwrap(),
            )
        };
        assert!(x.contiguous(0, 0, 4).is_some() && y.contiguous(0, 0, 4).is_some());
        y.apart_from(&mut x);
        assert!(x.contiguous(0, 0, 4).is_none() && y.contiguous(0, 0, 4).is_none());
    }
}
