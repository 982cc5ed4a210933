//! Sessions: vectors and matrices

use std::ffi::c_void;

use super::argument::{bad, check_alignment, count, handle};
use super::error::ncg_error;
use super::guard;
use super::session::{Precision, State, Work, ncg_session};
use super::tables::Tables;
use crate::error::Result;
use crate::graph::Array;
use crate::ops::real::Real;
use crate::session::{Columns, ColumnsMut, Gradient};

/// The arrays of one kind as the caller gives them: one pointer each, and strides for all of them, one after the other.
#[derive(Clone, Copy)]
struct Given<P> {
    name: &'static str,
    pointers: *const P,
    strides: *const i64,
    /// Whether they are written; such arrays may be left out.
    written: bool,
}

impl<P: Copy + Into<Pointer>> Given<P> {
    /// The arrays as a table of samples by numbers.
    ///
    /// # Safety
    /// `pointers` is NULL or leads to a pointer for each array, and that to its elements; `strides` is NULL or leads to a sample
    /// stride and one stride per dimension for each array.
    unsafe fn table<T: Real>(self, arrays: &[Array], samples: usize) -> Result<Tables<T>> {
        let name = self.name;
        check_alignment(self.pointers, name)?;
        check_alignment(self.strides, name)?;
        if self.pointers.is_null() && !arrays.is_empty() && !self.written {
            return Err(bad(format!("argument \"{name}\" is NULL")));
        }
        let mut table = Tables::new();
        // what is left out as a whole has no strides either
        let mut strides = match self.pointers.is_null() {
            true => std::ptr::null(),
            false => self.strides,
        };
        for (i, array) in arrays.iter().enumerate() {
            let pointer = match self.pointers.is_null() {
                true => std::ptr::null_mut(),
                // SAFETY: there is a pointer for each array.
                false => unsafe { self.pointers.add(i).read() }.into().0.cast::<T>(),
            };
            if pointer.is_null() && !self.written && samples > 0 && !array.is_empty() {
                let message = format!("argument \"{name}\" is NULL at {i}, \"{}\"", array.name);
                return Err(bad(message));
            }
            let (rows, columns) = match array.shape[..] {
                [] => (1, 1),
                [size] => (1, size),
                [rows, columns, ..] => (rows, columns),
            };
            // packed: one sample after the other, row by row
            let mut own = [(rows * columns) as i64, columns as i64, 1];
            if !strides.is_null() {
                let last = array.shape.len();
                // SAFETY: there are a sample stride and one stride per dimension.
                unsafe {
                    own[0] = strides.read();
                    for (place, dimension) in (1..=last).rev().zip([2, 1]) {
                        own[dimension] = strides.add(place).read();
                    }
                    strides = strides.add(1 + last);
                }
            }
            let dimensions = [(samples, own[0]), (rows, own[1]), (columns, own[2])];
            // SAFETY: passed on.
            unsafe {
                match self.written {
                    true => table.written(name, pointer, dimensions),
                    false => table.read(name, pointer, dimensions),
                }
            }?;
        }
        Ok(table)
    }
}

/// A pointer of the caller's to numbers that are read or written.
struct Pointer(*mut c_void);

impl From<*const c_void> for Pointer {
    fn from(pointer: *const c_void) -> Pointer {
        Pointer(pointer.cast_mut())
    }
}

impl From<*mut c_void> for Pointer {
    fn from(pointer: *mut c_void) -> Pointer {
        Pointer(pointer)
    }
}

/// Takes the values of the parameters, which lie packed in an array each; those that are left out are as in the source.
///
/// # Safety
/// `pointers` is NULL or leads to a pointer for each array, and that to its numbers.
unsafe fn set_parameters<T: Precision>(
    work: &mut Work<T>,
    arrays: &[Array],
    pointers: *const *const c_void,
) -> Result<()> {
    check_alignment(pointers, "parameters")?;
    work.p.copy_from_slice(work.session.initial());
    if pointers.is_null() {
        return Ok(());
    }
    for (i, array) in arrays.iter().enumerate() {
        // SAFETY: there is a pointer for each array.
        let pointer = unsafe { pointers.add(i).read() }.cast::<T>();
        check_alignment(pointer, "parameters")?;
        let place = &mut work.p[array.first..][..array.len()];
        if !pointer.is_null() {
            // SAFETY: not NULL, so it leads to the numbers of the array.
            unsafe { std::ptr::copy_nonoverlapping(pointer, place.as_mut_ptr(), place.len()) };
        }
    }
    Ok(())
}

/// What a call reads and writes.
struct Call {
    samples: i64,
    inputs: Given<*const c_void>,
    parameters: *const *const c_void,
    outputs: Given<*mut c_void>,
}

/// # Safety
/// As for the entries.
unsafe fn run<T: Precision>(work: &mut Work<T>, call: Call) -> Result<()> {
    let samples = count(call.samples, "n_samples")?;
    let arrays = work.arrays();
    let [inputs, parameters, outputs] = &*arrays;
    // SAFETY: passed on.
    let (mut x, mut y) = unsafe {
        set_parameters(work, parameters, call.parameters)?;
        (
            call.inputs.table::<T>(inputs, samples)?,
            call.outputs.table::<T>(outputs, samples)?,
        )
    };
    y.apart_from(&mut x);
    work.session.eval(samples, &x, Some(&work.p), &mut y, None)
}

/// Evaluates a model whose entries are vectors and matrices too: one pointer per NCG_INPUT_ARRAY, NCG_PARAMETER_ARRAY and
/// NCG_OUTPUT_ARRAY. The numbers are of the session's precision. The strides of an entry are its sample stride and one for each
/// dimension, in elements, one entry after the other; NULL means packed, samples one after the other and the last dimension
/// fastest. Parameters lie packed; those of the source are taken where `parameters` or one of its pointers is NULL. Outputs
/// whose pointer is NULL are left out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_run(
    session: *mut ncg_session,
    n_samples: i64,
    inputs: *const *const c_void,
    input_strides: *const i64,
    parameters: *const *const c_void,
    outputs: *const *mut c_void,
    output_strides: *const i64,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let session = unsafe { handle(session) }?;
        let mut state = session.state.change("session")?;
        let call = Call {
            samples: n_samples,
            inputs: Given {
                name: "inputs",
                pointers: inputs,
                strides: input_strides,
                written: false,
            },
            parameters,
            outputs: Given {
                name: "outputs",
                pointers: outputs,
                strides: output_strides,
                written: true,
            },
        };
        // SAFETY: passed on.
        unsafe {
            match &mut *state {
                State::F64(work) => run(work, call),
                State::F32(work) => run(work, call),
            }
        }
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// What a reverse sweep reads and writes beside a [`Call`].
struct Sweep {
    seeds: Given<*const c_void>,
    d_inputs: Given<*mut c_void>,
    d_parameters: *const *mut c_void,
}

/// # Safety
/// As for the entries.
unsafe fn sweep<T: Precision>(work: &mut Work<T>, call: Call, sweep: Sweep) -> Result<()> {
    let samples = count(call.samples, "n_samples")?;
    let arrays = work.arrays();
    let [inputs, parameters, outputs] = &*arrays;
    let has_seeds = !sweep.seeds.pointers.is_null();
    let given = [call.outputs.pointers, sweep.d_inputs.pointers].map(|given| !given.is_null());
    let (has_y, has_dx) = (given[0], given[1]);
    check_alignment(sweep.d_parameters, "d_parameters")?;
    // SAFETY: passed on.
    let (mut x, mut s, mut y, mut dx) = unsafe {
        set_parameters(work, parameters, call.parameters)?;
        (
            call.inputs.table::<T>(inputs, samples)?,
            match has_seeds {
                true => sweep.seeds.table::<T>(outputs, samples)?,
                false => Tables::new(),
            },
            call.outputs.table::<T>(outputs, samples)?,
            sweep.d_inputs.table::<T>(inputs, samples)?,
        )
    };
    for table in [&mut x, &mut s] {
        y.apart_from(table);
        dx.apart_from(table);
    }
    y.apart_from(&mut dx);
    let into = Gradient {
        y: has_y.then_some(&mut y as &mut dyn ColumnsMut<T>),
        dx: has_dx.then_some(&mut dx as &mut dyn ColumnsMut<T>),
        dp: (!sweep.d_parameters.is_null()).then_some(&mut work.dp[..]),
    };
    let seed = has_seeds.then_some(&s as &dyn Columns<T>);
    work.session
        .gradient(samples, &x, Some(&work.p), seed, into, None)?;
    if sweep.d_parameters.is_null() {
        return Ok(());
    }
    for (i, array) in parameters.iter().enumerate() {
        // SAFETY: there is a pointer for each array.
        let pointer = unsafe { sweep.d_parameters.add(i).read() }.cast::<T>();
        check_alignment(pointer, "d_parameters")?;
        if !pointer.is_null() {
            let found = &work.dp[array.first..][..array.len()];
            // SAFETY: not NULL, so it leads to room for the numbers of the array.
            unsafe { std::ptr::copy_nonoverlapping(found.as_ptr(), pointer, found.len()) };
        }
    }
    Ok(())
}

/// As ncg_run, with the reverse sweep: d_inputs and d_parameters receive the derivatives of the sum of seeds times outputs;
/// those of parameters are summed over the samples, and lie packed. `seeds` NULL means ones. `outputs`, d_inputs and
/// d_parameters may be NULL, and so may each of their pointers: what is left out is not written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_run_gradient(
    session: *mut ncg_session,
    n_samples: i64,
    inputs: *const *const c_void,
    input_strides: *const i64,
    parameters: *const *const c_void,
    seeds: *const *const c_void,
    seed_strides: *const i64,
    outputs: *const *mut c_void,
    output_strides: *const i64,
    d_inputs: *const *mut c_void,
    d_input_strides: *const i64,
    d_parameters: *const *mut c_void,
    err: *mut *mut ncg_error,
) -> i32 {
    let read = |name, pointers, strides| Given {
        name,
        pointers,
        strides,
        written: false,
    };
    let written = |name, pointers, strides| Given {
        name,
        pointers,
        strides,
        written: true,
    };
    let body = || {
        // SAFETY: passed on.
        let session = unsafe { handle(session) }?;
        let mut state = session.state.change("session")?;
        let call = Call {
            samples: n_samples,
            inputs: read("inputs", inputs, input_strides),
            parameters,
            outputs: written("outputs", outputs, output_strides),
        };
        let back = Sweep {
            seeds: read("seeds", seeds, seed_strides),
            d_inputs: written("d_inputs", d_inputs, d_input_strides),
            d_parameters,
        };
        // SAFETY: passed on.
        unsafe {
            match &mut *state {
                State::F64(work) => sweep(work, call, back),
                State::F32(work) => sweep(work, call, back),
            }
        }
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}
