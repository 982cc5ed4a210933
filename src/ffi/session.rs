//! Sessions: evaluate and differentiate

use std::ffi::{CString, c_char};
use std::sync::Arc;

use super::argument::{bad, check_alignment, count, free, handle, optional_handle, out_handle};
use super::error::{c_text, ncg_error};
use super::guard;
use super::handle::{Handle, Lock, Opaque, opaque};
use super::model::ncg_model;
use super::options::{copied, ncg_options};
use super::table::{Input, Output};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Array;
use crate::session::{Columns, ColumnsMut, Element, Gradient, Session};

/// One engine's prepared state and scratch memory for one model: one thread at a time. Freed by ncg_session_free.
pub struct ncg_session(Handle<Body>);

/// What is behind a session.
pub struct Body {
    description: CString,
    pub(super) state: Lock<State>,
}

opaque!(ncg_session, "session", b"ncgsessn", Body);

/// A session in the precision that was asked for.
pub(super) enum State {
    F64(Work<f64>),
    F32(Work<f32>),
}

/// A session, and copies of the caller's parameters, which might overlap an output.
pub(super) struct Work<T: Element> {
    pub(super) session: Session<T>,
    pub(super) p: Vec<T>,
    pub(super) dp: Vec<T>,
    /// Inputs, parameters and outputs as whole arrays, when they are first asked for.
    arrays: Option<Arc<[Vec<Array>; 3]>>,
}

impl<T: Element> Work<T> {
    fn new(session: Session<T>) -> Work<T> {
        let p = session.initial().to_vec();
        Work {
            session,
            dp: p.clone(),
            p,
            arrays: None,
        }
    }

    /// The inputs, parameters and outputs as whole arrays.
    pub(super) fn arrays(&mut self) -> Arc<[Vec<Array>; 3]> {
        let graph = &self.session.model().graph;
        let find = || {
            let (inputs, parameters) = (graph.input_arrays(), graph.parameter_arrays());
            Arc::new([inputs, parameters, graph.output_arrays()])
        };
        self.arrays.get_or_insert_with(find).clone()
    }

    /// Takes the values of the parameters.
    ///
    /// # Safety
    /// `p` is NULL or leads to one value per parameter.
    #[inline]
    unsafe fn set_parameters(&mut self, p: *const T) -> Result<()> {
        if p.is_null() {
            self.p.copy_from_slice(self.session.initial());
            return Ok(());
        }
        check_alignment(p, "p")?;
        // SAFETY: there are as many values as parameters.
        unsafe { std::ptr::copy_nonoverlapping(p, self.p.as_mut_ptr(), self.p.len()) };
        Ok(())
    }
}

/// The precisions, told apart in a [`State`].
pub(super) trait Precision: Element {
    fn work(state: &mut State) -> Result<&mut Work<Self>>;
}

impl Precision for f64 {
    #[inline]
    fn work(state: &mut State) -> Result<&mut Work<f64>> {
        match state {
            State::F64(work) => Ok(work),
            State::F32(_) => Err(other_precision("f32", "f64")),
        }
    }
}

impl Precision for f32 {
    #[inline]
    fn work(state: &mut State) -> Result<&mut Work<f32>> {
        match state {
            State::F32(work) => Ok(work),
            State::F64(_) => Err(other_precision("f64", "f32")),
        }
    }
}

#[cold]
fn other_precision(is: &str, wanted: &str) -> Error {
    let message = format!(
        "the session computes in {is}, and this function in {wanted}: set the option \"dtype\" to \"{wanted}\""
    );
    Error::new(ErrorKind::Shape, message)
}

/// Prepares a model for one engine. Options: "engine", "device", "dtype", "threads", "onnxruntime", "chunk", and "max_depth",
/// "max_steps" and "max_heap". options may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_session_new(
    model: *const ncg_model,
    options: *const ncg_options,
    out: *mut *mut ncg_session,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let (out, model, options) = unsafe { (out_handle(out)?, handle(model)?, copied(options)?) };
        let model = model.model.clone();
        let (description, state) = if options.str("dtype") == "f32" {
            let session = Session::new(model, &options)?;
            (session.describe(), State::F32(Work::new(session)))
        } else {
            let session = Session::new(model, &options)?;
            (session.describe(), State::F64(Work::new(session)))
        };
        out.put(ncg_session::give(Body {
            description: c_text(&description),
            state: Lock::new(state),
        }));
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// What was really chosen, e.g. "native cpu f64 threads=1". Borrowed from the session; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_session_describe(session: *const ncg_session) -> *const c_char {
    // SAFETY: passed on.
    guard::value(c"".as_ptr(), || match unsafe { optional_handle(session) } {
        Ok(Some(session)) => session.description.as_ptr(),
        _ => c"".as_ptr(),
    })
}

/// An array of an entry: where it begins, sample stride, entry stride.
type Placed<P> = (P, i64, i64);

/// # Safety
/// As for the entries.
#[inline]
unsafe fn eval<T: Precision>(
    session: *mut ncg_session,
    n_samples: i64,
    x: Placed<*const T>,
    p: *const T,
    y: Placed<*mut T>,
) -> Result<()> {
    // SAFETY: passed on.
    let session: &Body = unsafe { handle(session) }?;
    let mut state = session.state.change("session")?;
    let work = T::work(&mut state)?;
    let samples = count(n_samples, "n_samples")?;
    let (inputs, _, outputs) = work.session.counts();
    // SAFETY: passed on.
    let (mut x, mut y) = unsafe {
        (
            Input::new("x", (samples, inputs), x.0, x.1, x.2)?,
            Output::new("y", (samples, outputs), y.0, y.1, y.2)?,
        )
    };
    y.apart_from(&mut x);
    // SAFETY: passed on.
    unsafe { work.set_parameters(p) }?;
    work.session.eval(samples, &x, Some(&work.p), &mut y, None)
}

/// y = f(x; p) for models whose entries are all scalars. Entry i of sample s is x[s*x_sample_stride + i*x_stride]; p has one
/// value per parameter, NULL takes those of the source.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_eval_f64(
    session: *mut ncg_session,
    n_samples: i64,
    x: *const f64,
    x_sample_stride: i64,
    x_stride: i64,
    p: *const f64,
    y: *mut f64,
    y_sample_stride: i64,
    y_stride: i64,
    err: *mut *mut ncg_error,
) -> i32 {
    let x = (x, x_sample_stride, x_stride);
    let y = (y, y_sample_stride, y_stride);
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| eval(session, n_samples, x, p, y)) }
}

/// As ncg_eval_f64, in single precision; needs a session with "dtype" = "f32".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_eval_f32(
    session: *mut ncg_session,
    n_samples: i64,
    x: *const f32,
    x_sample_stride: i64,
    x_stride: i64,
    p: *const f32,
    y: *mut f32,
    y_sample_stride: i64,
    y_stride: i64,
    err: *mut *mut ncg_error,
) -> i32 {
    let x = (x, x_sample_stride, x_stride);
    let y = (y, y_sample_stride, y_stride);
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| eval(session, n_samples, x, p, y)) }
}

/// The arrays of a reverse sweep.
struct Sweep<T> {
    x: Placed<*const T>,
    p: *const T,
    seed: Placed<*const T>,
    y: Placed<*mut T>,
    dx: Placed<*mut T>,
    dp: *mut T,
}

/// # Safety
/// As for the entries.
#[inline]
unsafe fn gradient<T: Precision>(
    session: *mut ncg_session,
    n_samples: i64,
    sweep: Sweep<T>,
) -> Result<()> {
    // SAFETY: passed on.
    let session: &Body = unsafe { handle(session) }?;
    let mut state = session.state.change("session")?;
    let work = T::work(&mut state)?;
    let samples = count(n_samples, "n_samples")?;
    let (inputs, parameters, outputs) = work.session.counts();
    let Sweep {
        x,
        p,
        seed,
        y,
        dx,
        dp,
    } = sweep;
    // What is left out is a table without elements.
    let present = |is_null: bool| if is_null { 0 } else { samples };
    // SAFETY: passed on.
    let (mut x, mut s, mut to_y, mut to_dx) = unsafe {
        (
            Input::new("x", (samples, inputs), x.0, x.1, x.2)?,
            Input::new(
                "seed",
                (present(seed.0.is_null()), outputs),
                seed.0,
                seed.1,
                seed.2,
            )?,
            Output::new("y", (present(y.0.is_null()), outputs), y.0, y.1, y.2)?,
            Output::new("dx", (present(dx.0.is_null()), inputs), dx.0, dx.1, dx.2)?,
        )
    };
    check_alignment(dp, "dp")?;
    for table in [&mut x, &mut s] {
        to_y.apart_from(table);
        to_dx.apart_from(table);
    }
    to_y.apart_from_output(&mut to_dx);
    // SAFETY: passed on.
    unsafe { work.set_parameters(p) }?;
    let seed = (!seed.0.is_null()).then_some(&s as &dyn Columns<T>);
    let into = Gradient {
        y: (!y.0.is_null()).then_some(&mut to_y as &mut dyn ColumnsMut<T>),
        dx: (!dx.0.is_null()).then_some(&mut to_dx as &mut dyn ColumnsMut<T>),
        dp: (!dp.is_null()).then_some(&mut work.dp[..]),
    };
    work.session
        .gradient(samples, &x, Some(&work.p), seed, into, None)?;
    if !dp.is_null() {
        // SAFETY: not NULL, so there is room for one value per parameter.
        unsafe { std::ptr::copy_nonoverlapping(work.dp.as_ptr(), dp, parameters) };
    }
    Ok(())
}

/// Reverse mode: dx[s,i] = sum_o seed[s,o] dy[s,o]/dx[s,i] and dp[j] = sum_s sum_o seed[s,o] dy[s,o]/dp[j]. y, dx and dp may
/// be NULL; seed NULL means ones.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_grad_f64(
    session: *mut ncg_session,
    n_samples: i64,
    x: *const f64,
    x_sample_stride: i64,
    x_stride: i64,
    p: *const f64,
    seed: *const f64,
    seed_sample_stride: i64,
    seed_stride: i64,
    y: *mut f64,
    y_sample_stride: i64,
    y_stride: i64,
    dx: *mut f64,
    dx_sample_stride: i64,
    dx_stride: i64,
    dp: *mut f64,
    err: *mut *mut ncg_error,
) -> i32 {
    let sweep = Sweep {
        x: (x, x_sample_stride, x_stride),
        p,
        seed: (seed, seed_sample_stride, seed_stride),
        y: (y, y_sample_stride, y_stride),
        dx: (dx, dx_sample_stride, dx_stride),
        dp,
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| gradient(session, n_samples, sweep)) }
}

/// The Jacobian of the outputs by the parameters: dy[s,o]/dp[k] at j[s*j_sample_stride + o*j_output_stride + k*j_stride]. y
/// may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_jacobian_f64(
    session: *mut ncg_session,
    n_samples: i64,
    x: *const f64,
    x_sample_stride: i64,
    x_stride: i64,
    p: *const f64,
    y: *mut f64,
    y_sample_stride: i64,
    y_stride: i64,
    j: *mut f64,
    j_sample_stride: i64,
    j_output_stride: i64,
    j_stride: i64,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let session: &Body = unsafe { handle(session) }?;
        let mut state = session.state.change("session")?;
        let work = f64::work(&mut state)?;
        let samples = count(n_samples, "n_samples")?;
        let (inputs, parameters, outputs) = work.session.counts();
        if j.is_null() && samples > 0 {
            return Err(bad("argument \"j\" is NULL"));
        }
        let y_samples = if y.is_null() { 0 } else { samples };
        // SAFETY: passed on.
        let (mut x, mut to_y, mut to_j) = unsafe {
            (
                Input::new("x", (samples, inputs), x, x_sample_stride, x_stride)?,
                Output::new("y", (y_samples, outputs), y, y_sample_stride, y_stride)?,
                Output::grouped(
                    "j",
                    (samples, outputs, parameters),
                    j,
                    j_sample_stride,
                    j_output_stride,
                    j_stride,
                )?,
            )
        };
        to_y.apart_from(&mut x);
        to_j.apart_from(&mut x);
        to_j.apart_from_output(&mut to_y);
        // SAFETY: passed on.
        unsafe { work.set_parameters(p) }?;
        let y = (!y.is_null()).then_some(&mut to_y as &mut dyn ColumnsMut<f64>);
        work.session
            .jacobian(samples, &x, Some(&work.p), y, &mut to_j, None)
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// Frees a session; NULL is a no-op, and so is a session that a call on another thread is using.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_session_free(session: *mut ncg_session) {
    // SAFETY: passed on.
    guard::value((), || unsafe {
        free(session, |session| session.state.is_idle())
    });
}
