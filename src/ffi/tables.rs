//! Several arrays of the caller's as one table of samples by numbers: each array has a pointer and strides of its own.

use std::ops::Range;

use super::table::{falls_on_itself, overlap, reach};
use crate::engine::Destination;
use crate::error::Result;
use crate::ops::real::Real;
use crate::session::{Columns, ColumnsMut, apart};

/// Counts and strides: of the samples, the rows and the columns of an array. A vector has one row.
pub type Dimensions = [(usize, i64); 3];

/// Arrays of the caller's, number by number.
#[derive(Debug)]
pub struct Tables<T> {
    /// Where each number of the first sample is, NULL for those of arrays that were left out, and its stride to the next.
    entries: Vec<(*mut T, isize)>,
    /// What each array reaches.
    reaches: Vec<Range<usize>>,
    slices: bool,
    /// Whether no two elements of an array that is written are the same.
    apart: bool,
}

impl<T: Real> Tables<T> {
    /// No arrays yet.
    pub fn new() -> Tables<T> {
        Tables {
            entries: Vec::new(),
            reaches: Vec::new(),
            slices: true,
            apart: true,
        }
    }

    /// Adds an array that is read, or one that is left out. Nothing is read yet.
    ///
    /// # Safety
    /// `first` is NULL, or its elements can be read as long as the table is used, and nobody else writes them.
    pub unsafe fn read(
        &mut self,
        name: &'static str,
        first: *mut T,
        dimensions: Dimensions,
    ) -> Result<()> {
        let [(_, sample), (rows, row), (columns, column)] = dimensions;
        if !first.is_null() {
            self.reaches.push(reach(first, &dimensions, name)?);
        }
        for r in 0..rows {
            for c in 0..columns {
                // `reach` has checked that no element of the array is out of reach
                let to = r as isize * row as isize + c as isize * column as isize;
                let place = match first.is_null() {
                    true => first,
                    false => first.wrapping_offset(to),
                };
                self.entries.push((place, sample as isize));
            }
        }
        Ok(())
    }

    /// Adds an array that is written.
    ///
    /// # Safety
    /// `first` is NULL, or its elements can be written as long as the table is used, and nobody else uses them.
    pub unsafe fn written(
        &mut self,
        name: &'static str,
        first: *mut T,
        dimensions: Dimensions,
    ) -> Result<()> {
        let falls = |(count, stride): &(usize, i64)| *count > 1 && *stride == 0;
        let is_empty = dimensions.iter().any(|(count, _)| *count == 0);
        if !first.is_null() && !is_empty && dimensions.iter().any(falls) {
            return Err(falls_on_itself(name));
        }
        self.apart &= first.is_null() || apart(dimensions);
        // SAFETY: passed on.
        unsafe { self.read(name, first, dimensions) }?;
        if let Some((last, before)) = self.reaches.split_last()
            && before.iter().any(|other| overlap(last, other))
        {
            self.slices = false;
        }
        Ok(())
    }

    /// Sees to it that no slices are made of memory that this table, which is written, and another share.
    pub fn apart_from(&mut self, other: &mut Tables<T>) {
        let shared = self
            .reaches
            .iter()
            .any(|one| other.reaches.iter().any(|two| overlap(one, two)));
        if shared {
            (self.slices, other.slices) = (false, false);
        }
    }

    /// Where a number lies for `count` samples from `start` on, if they lie side by side and nothing else does.
    fn slice(&self, entry: usize, start: usize, count: usize) -> Option<*mut T> {
        let (first, sample) = self.entries[entry];
        let usable = self.slices && !first.is_null() && (sample == 1 || count == 1);
        usable.then(|| first.wrapping_offset(start as isize * sample))
    }
}

impl<T: Real> Columns<T> for Tables<T> {
    fn gather(&self, entry: usize, start: usize, out: &mut [T]) {
        let (first, sample) = self.entries[entry];
        for (i, value) in out.iter_mut().enumerate() {
            // SAFETY: an element of an array that `read` was promised to be readable; none of what is read is left out.
            *value = unsafe { first.wrapping_offset((start + i) as isize * sample).read() };
        }
    }

    fn contiguous(&self, entry: usize, start: usize, count: usize) -> Option<&[T]> {
        let first = self.slice(entry, start, count)?;
        // SAFETY: `count` elements that lie side by side; no array that is written reaches them.
        Some(unsafe { std::slice::from_raw_parts(first, count) })
    }
}

impl<T: Real> ColumnsMut<T> for Tables<T> {
    fn scatter(&mut self, entry: usize, start: usize, values: &[T]) {
        let (first, sample) = self.entries[entry];
        if first.is_null() {
            return;
        }
        for (i, value) in values.iter().enumerate() {
            // SAFETY: an element of an array that `written` was promised to be writable.
            unsafe {
                first
                    .wrapping_offset((start + i) as isize * sample)
                    .write(*value)
            };
        }
    }

    fn fill(&mut self, entry: usize, samples: usize, value: T) {
        for sample in 0..samples {
            self.scatter(entry, sample, std::slice::from_ref(&value));
        }
    }

    fn contiguous(&mut self, entry: usize, start: usize, count: usize) -> Option<&mut [T]> {
        let first = self.slice(entry, start, count)?;
        // SAFETY: `count` elements that lie side by side; no other array reaches them.
        Some(unsafe { std::slice::from_raw_parts_mut(first, count) })
    }

    fn destination(&mut self, entry: usize, _samples: usize) -> Destination<T> {
        let (first, stride) = self.entries[entry];
        match first.is_null() {
            true => Destination::Nowhere,
            // Threads write different samples without asking each other. That is sound where their elements differ: those of
            // one array are apart, and no other array, read or written, reaches them. `written` was promised that all of
            // them can be written, from whichever thread, as long as the table is used.
            false if self.slices && self.apart => Destination::Memory { first, stride },
            false => Destination::Unknown,
        }
    }
}

// SAFETY: the caller lends what a shared reference gives access to for reading for as long as it is used, from whichever thread;
// writing takes the table as `&mut`.
unsafe impl<T: Sync> Sync for Tables<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_follow_each_other_number_by_number() {
        let mut matrix: Vec<f64> = (0..8).map(f64::from).collect();
        let mut vector = [10.0, 11.0];
        let mut table = Tables::new();
        // SAFETY: two samples of a matrix of two rows and columns, column by column; one vector of two for both samples.
        unsafe {
            let dimensions = [(2, 4), (2, 1), (2, 2)];
            table.read("x", matrix.as_mut_ptr(), dimensions).unwrap();
            let dimensions = [(2, 0), (1, 0), (2, 1)];
            table.read("x", vector.as_mut_ptr(), dimensions).unwrap();
        }
        let mut out = [0.0; 2];
        for (entry, wanted) in [
            (0, [0.0, 4.0]),
            (1, [2.0, 6.0]),
            (2, [1.0, 5.0]),
            (5, [11.0; 2]),
        ] {
            table.gather(entry, 0, &mut out);
            assert_eq!(out, wanted);
        }
        let columns: &dyn Columns<f64> = &table;
        assert!(columns.contiguous(0, 0, 2).is_none());
    }

    #[test]
    fn what_is_left_out_is_not_written_and_shared_memory_is_no_slice() {
        let mut data = [0.0f64; 4];
        let first = data.as_mut_ptr();
        let mut table = Tables::new();
        let single = |samples| [(samples, 1), (1, 0), (1, 0)];
        // SAFETY: the tables are used one at a time.
        unsafe {
            let none = std::ptr::null_mut();
            table.written("y", none, single(4)).unwrap();
            table.written("y", first, single(2)).unwrap();
        }
        table.scatter(0, 0, &[1.0; 4]);
        table.scatter(1, 0, &[7.0, 8.0]);
        let columns: &mut dyn ColumnsMut<f64> = &mut table;
        assert!(columns.contiguous(0, 0, 2).is_none());
        assert!(columns.contiguous(1, 0, 2).is_some());
        // SAFETY: as above.
        unsafe { table.written("y", first.add(1), single(2)) }.unwrap();
        let columns: &mut dyn ColumnsMut<f64> = &mut table;
        assert!(columns.contiguous(1, 0, 2).is_none());
        // SAFETY: nothing is written.
        let falls = unsafe { table.written("y", first, [(2, 0), (1, 0), (1, 0)]) };
        assert!(
            falls
                .unwrap_err()
                .message
                .contains("stride of output \"y\" is 0")
        );
        assert_eq!(data, [7.0, 8.0, 0.0, 0.0]);
    }
    #[test]
    fn threads_may_write_where_no_element_is_another() {
        let mut data = [0.0f64; 24];
        let first = data.as_mut_ptr();
        let place = |dimensions: &[Dimensions], from: &[usize]| {
            let mut table = Tables::new();
            for (dimensions, from) in dimensions.iter().zip(from) {
                // SAFETY: nothing is written.
                unsafe { table.written("y", first.add(*from), *dimensions) }.unwrap();
            }
            match table.destination(1, 4) {
                Destination::Memory { first: at, stride } => {
                    // SAFETY: both lie in the data.
                    Some((unsafe { at.offset_from(first) }, stride))
                }
                Destination::Unknown => None,
                Destination::Nowhere => panic!("something is written"),
            }
        };
        let one = |rows, columns, sample| [[(4, sample), rows, columns]];
        // rows of samples, samples backwards, samples side by side
        assert_eq!(place(&one((1, 0), (3, 1), 3), &[0]), Some((1, 3)));
        assert_eq!(place(&one((2, 1), (2, 2), -4), &[12]), Some((14, -4)));
        assert_eq!(place(&one((1, 0), (3, 4), 1), &[0]), Some((4, 1)));
        // the second number of a sample is the first of the next
        assert_eq!(place(&one((1, 0), (3, 1), 1), &[0]), None);
        // arrays one behind the other, and fields of the same records
        let single = |sample| [(4, sample), (1, 0), (1, 0)];
        assert_eq!(place(&[single(2), single(2)], &[0, 8]), Some((8, 2)));
        assert_eq!(place(&[single(2), single(2)], &[0, 1]), None);
        let mut table = Tables::<f64>::new();
        // SAFETY: nothing is written.
        unsafe { table.written("y", std::ptr::null_mut(), single(0)) }.unwrap();
        assert!(matches!(table.destination(0, 4), Destination::Nowhere));
    }
}
