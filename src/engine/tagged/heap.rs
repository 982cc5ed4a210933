//! The heap: cells that are written once. The first cells hold the constants of the program and stay; what a sample writes
//! behind them is dropped before the next one.

use super::value::Value;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::real::Real;

/// Cells by address.
pub struct Heap<T> {
    cells: Vec<Value<T>>,
    /// How many cells hold constants.
    fixed: usize,
    limit: usize,
}

impl<T: Real> Heap<T> {
    /// An empty heap of at most so many cells.
    pub fn new(limit: usize) -> Heap<T> {
        Heap {
            cells: Vec::new(),
            fixed: 0,
            // addresses are 32 bits wide
            limit: limit.min(u32::MAX as usize),
        }
    }

    /// Makes what is on the heap now its constants.
    pub fn fix(&mut self) {
        self.fixed = self.cells.len();
    }

    /// Drops all but the constants.
    pub fn reset(&mut self) {
        self.cells.truncate(self.fixed);
    }

    /// How many cells hold the constants of the program.
    pub fn constants(&self) -> usize {
        self.fixed
    }

    /// All cells.
    pub fn cells(&self) -> &[Value<T>] {
        &self.cells
    }

    /// The address of the next cell that is written.
    pub fn next(&self) -> u32 {
        self.cells.len() as u32
    }

    /// The value of a cell.
    #[inline(always)]
    pub fn get(&self, address: u32) -> Value<T> {
        self.cells[address as usize]
    }

    /// The values of so many cells, side by side.
    pub fn slice(&self, address: u32, count: usize) -> &[Value<T>] {
        &self.cells[address as usize..address as usize + count]
    }

    /// Writes the next cell.
    #[inline(always)]
    pub fn push(&mut self, value: Value<T>) -> Result<()> {
        if self.cells.len() >= self.limit {
            return Err(full(self.limit));
        }
        self.cells.push(value);
        Ok(())
    }

    /// A new pair.
    #[inline(always)]
    pub fn cons(&mut self, car: Value<T>, cdr: Value<T>) -> Result<Value<T>> {
        let address = self.next();
        self.push(car)?;
        self.push(cdr)?;
        Ok(Value::Pair(address))
    }

    /// The two parts of a pair.
    #[inline(always)]
    pub fn pair(&self, address: u32) -> (Value<T>, Value<T>) {
        (self.get(address), self.get(address + 1))
    }

    /// The list of `items` before `tail`.
    pub fn list(&mut self, items: &[Value<T>], tail: Value<T>) -> Result<Value<T>> {
        let mut list = tail;
        for item in items.iter().rev() {
            list = self.cons(*item, list)?;
        }
        Ok(list)
    }

    /// Appends the items of a list to `items`; what stands behind its last pair, nil for a proper list.
    pub fn items(&self, list: Value<T>, items: &mut Vec<Value<T>>) -> Value<T> {
        let mut rest = list;
        while let Value::Pair(address) = rest {
            let (car, cdr) = self.pair(address);
            items.push(car);
            rest = cdr;
        }
        rest
    }
}

/// What is said of a program that needs too much memory.
#[cold]
pub fn full(limit: usize) -> Error {
    let message = format!("the program needs more than {limit} cells of memory (option max_heap)");
    Error::new(ErrorKind::Limit, message)
}
