//! Memory that holds machine code: written first, then made executable and never writable again.

use memmap2::{Mmap, MmapMut};

use crate::ops::real::Real;

/// Machine code that can run.
pub struct Executable(Mmap);

/// What code for blocks of samples works on; it knows the order.
#[repr(C)]
pub struct Blocks<T> {
    /// The blocks of the slots.
    pub base: *mut T,
    /// A pointer to the block of each input.
    pub inputs: *const *const T,
    /// The lanes of the sums.
    pub lanes: *mut T,
    /// How many samples there are.
    pub samples: usize,
    /// For each sample a value whose bits are set if it counts.
    pub mask: *const T,
    /// A pointer to where each output goes.
    pub outputs: *const *mut T,
    /// Vectors for values that find no register.
    pub vectors: *mut u8,
}

type Single<T> = unsafe extern "sysv64" fn(*mut T, *mut T);
type Block<T> = unsafe extern "sysv64" fn(*const Blocks<T>, usize);

impl Executable {
    /// Copies code to where it can run; `None` where the system does not allow that.
    pub fn new(code: &[u8]) -> Option<Executable> {
        let mut memory = MmapMut::map_anon(code.len().max(1)).ok()?;
        memory[..code.len()].copy_from_slice(code);
        memory.make_exec().ok().map(Executable)
    }

    fn at(&self, position: usize) -> *const u8 {
        self.0[position..].as_ptr()
    }

    /// Runs the code at a position on one sample: the values of the slots, and a place for each output.
    ///
    /// # Safety
    /// The position is that of code for one sample, of a plan that has so many slots and outputs.
    pub unsafe fn single<T: Real>(&self, entry: usize, values: *mut T, outputs: *mut T) {
        // SAFETY: the code there takes these arguments
        unsafe {
            let code = std::mem::transmute::<*const u8, Single<T>>(self.at(entry));
            code(values, outputs);
        }
    }

    /// Runs the code at a position on blocks of samples.
    ///
    /// # Safety
    /// The position is that of code for blocks, of a plan that has so many slots, inputs, sums and outputs; all blocks are
    /// whole.
    pub unsafe fn blocks<T: Real>(&self, entry: usize, on: Blocks<T>) {
        let end = on.samples * size_of::<T>();
        // SAFETY: the code there takes these arguments
        unsafe {
            let code = std::mem::transmute::<*const u8, Block<T>>(self.at(entry));
            code(&on, end);
        }
    }
}
