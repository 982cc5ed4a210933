//! Fitting

use std::cell::RefCell;
use std::ffi::{c_char, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::argument::{
    bad, copy_numbers, copy_text, count, free, handle, optional_handle, out, out_handle, text,
};
use super::error::ncg_error;
use super::guard::{self, Caller};
use super::handle::{Handle, Lock, Opaque, opaque};
use super::model::ncg_model;
use super::options::{copied, ncg_options};
use super::table::Input;
use crate::document::{self, write_atomic};
use crate::error::{Error, ErrorKind, Result};
use crate::fit::fitter::Fitter;
use crate::fit::problem::Data;
use crate::fit::shared::Blocks;
use crate::fit::{Monitor, Progress, Stop};
use crate::session::Columns;

/// The fit has not run.
pub const NCG_FIT_NOT_RUN: i32 = 0;
/// Gradient tolerance met.
pub const NCG_FIT_GRADIENT: i32 = 1;
/// Loss change below tolerance.
pub const NCG_FIT_LOSS: i32 = 2;
/// Parameter step below tolerance.
pub const NCG_FIT_STEP: i32 = 3;
/// Iteration limit reached.
pub const NCG_FIT_MAX_ITERATIONS: i32 = 4;
/// Time limit reached.
pub const NCG_FIT_MAX_TIME: i32 = 5;
/// Stopped by the callback or by ncg_fit_cancel.
pub const NCG_FIT_STOPPED: i32 = 6;
/// The limit on evaluations was reached.
pub const NCG_FIT_MAX_EVALUATIONS: i32 = 7;
/// The loss has come down to the option "target".
pub const NCG_FIT_TARGET: i32 = 8;

const _: () = assert!(
    NCG_FIT_GRADIENT == Stop::Gradient as i32
        && NCG_FIT_LOSS == Stop::Loss as i32
        && NCG_FIT_STEP == Stop::Step as i32
        && NCG_FIT_MAX_ITERATIONS == Stop::MaxIterations as i32
        && NCG_FIT_MAX_TIME == Stop::MaxTime as i32
        && NCG_FIT_STOPPED == Stop::Stopped as i32
        && NCG_FIT_MAX_EVALUATIONS == Stop::MaxEvaluations as i32
        && NCG_FIT_TARGET == Stop::Target as i32
);

/// Called on the thread that called ncg_fit_run. Return non-zero to stop. Must return normally (no longjmp, no exception);
/// may call on its fit ncg_fit_cancel, ncg_fit_stat for the number "start", and nothing else. A fit with many starts, hops or
/// smoothing is many runs: the callback hears of each, which counts its iterations from 0, and "start" says which it is.
pub type ncg_fit_callback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        iteration: i64,
        loss: f64,
        params: *const f64,
        n_params: i64,
    ) -> i32,
>;

/// Called by a fit that several processes share, on the thread that called ncg_fit_run: own are n_own numbers of this process,
/// equally many for each of its blocks; all receives those of all blocks in order, n_all numbers, the same on every process
/// (MPI_Allgatherv). Return 0, or anything else where that failed. Must return normally. In the first call of a run there is room
/// behind all for as many numbers again: a process with more blocks than its place is found there, and does no harm.
pub type ncg_fit_gather = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        own: *const f64,
        n_own: i64,
        all: *mut f64,
        n_all: i64,
    ) -> i32,
>;

/// A parameter-fitting problem: one thread at a time, ncg_fit_cancel excepted. Freed by ncg_fit_free.
pub struct ncg_fit(Handle<Body>);

/// What is behind a fit.
pub struct Body {
    cancel: AtomicBool,
    /// The start that the callback was last told of.
    start: AtomicU64,
    state: Lock<State>,
}

opaque!(ncg_fit, "fit", b"ncg_fit_", Body);

struct State {
    fitter: Fitter,
    callback: ncg_fit_callback,
    user_data: *mut c_void,
    every: u64,
    gather: ncg_fit_gather,
    gather_data: *mut c_void,
    stop: i32,
}

/// A fitting problem. Options: those of a session, and those whose description (ncg_option_describe) begins with "Fit", such
/// as "optimizer", "loss", "noise", "max_iterations", "tie". options may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_new(
    model: *const ncg_model,
    options: *const ncg_options,
    out: *mut *mut ncg_fit,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let (out, model, options) = unsafe { (out_handle(out)?, handle(model)?, copied(options)?) };
        let state = State {
            fitter: Fitter::new(model.model.clone(), &options)?,
            callback: None,
            user_data: std::ptr::null_mut(),
            every: 1,
            gather: None,
            gather_data: std::ptr::null_mut(),
            stop: NCG_FIT_NOT_RUN,
        };
        out.put(ncg_fit::give(Body {
            cancel: AtomicBool::new(false),
            start: AtomicU64::new(0),
            state: Lock::new(state),
        }));
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// Runs a body that changes a fit.
///
/// # Safety
/// As for the entries.
unsafe fn change(
    fit: *mut ncg_fit,
    err: *mut *mut ncg_error,
    change: impl FnOnce(&mut State) -> Result<()>,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let fit: &Body = unsafe { handle(fit) }?;
        change(&mut *fit.state.change("fit")?)
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// Runs a body that reads a fit.
///
/// # Safety
/// As for the entries.
unsafe fn read(
    fit: *const ncg_fit,
    err: *mut *mut ncg_error,
    read: impl FnOnce(&State) -> Result<()>,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let fit: &Body = unsafe { handle(fit) }?;
        read(&*fit.state.read("fit")?)
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// Lets a parameter move between two bounds, which may be infinite. Parameters not named keep their value; if none is named,
/// all move, from the values and within the bounds of the source. The name of a vector or matrix stands for all its numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_add_parameter(
    fit: *mut ncg_fit,
    name: *const c_char,
    initial: f64,
    lower: f64,
    upper: f64,
    err: *mut *mut ncg_error,
) -> i32 {
    let add = |state: &mut State| {
        // SAFETY: passed on.
        let name = unsafe { text(name, "name") }?;
        state.fitter.add_parameter(name, initial, lower, upper)?;
        state.stop = NCG_FIT_NOT_RUN;
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { change(fit, err, add) }
}

/// Copies the observations: inputs x, targets y (one for each output; one for each mean with the loss "gaussian", none with
/// "value"), and weights w (NULL means ones). A squared residual counts as often as its weight says. What weights are has to be
/// said by the option "noise": "known", one over known variances, which the standard errors rest on; or "estimated", relative to
/// each other: their scale does not matter, the residuals tell the noise. Without it they are refused; the losses "poisson" and
/// "gaussian" need none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_set_data_f64(
    fit: *mut ncg_fit,
    n_samples: i64,
    x: *const f64,
    x_sample_stride: i64,
    x_stride: i64,
    y: *const f64,
    y_sample_stride: i64,
    y_stride: i64,
    w: *const f64,
    w_sample_stride: i64,
    w_stride: i64,
    err: *mut *mut ncg_error,
) -> i32 {
    let set = |state: &mut State| {
        let samples = count(n_samples, "n_samples")?;
        let tables = [
            (x, x_sample_stride, x_stride),
            (y, y_sample_stride, y_stride),
            (w, w_sample_stride, w_stride),
        ];
        // SAFETY: passed on.
        let data = unsafe { observations(state, samples, tables) }?;
        let noise = state.fitter.noise();
        state.fitter.set_data(data, noise)?;
        state.stop = NCG_FIT_NOT_RUN;
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { change(fit, err, set) }
}

/// Adds observations to those that are there, with or without ncg_fit_set_data_f64 before; arguments as there, and all
/// rows have weights or none has. The next run goes on from the last estimate. With the option "window" the fit keeps at least
/// so many of the last rows, at most twice as many, and memory does not grow with the rows: whenever there are twice as many,
/// this call runs the fit and makes the older half part of a quadratic summary. That is exact where the model is linear in
/// its parameters; the report says how far the estimate has moved since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_add_data_f64(
    fit: *mut ncg_fit,
    n_samples: i64,
    x: *const f64,
    x_sample_stride: i64,
    x_stride: i64,
    y: *const f64,
    y_sample_stride: i64,
    y_stride: i64,
    w: *const f64,
    w_sample_stride: i64,
    w_stride: i64,
    err: *mut *mut ncg_error,
) -> i32 {
    let add = |state: &mut State| {
        let samples = count(n_samples, "n_samples")?;
        let tables = [
            (x, x_sample_stride, x_stride),
            (y, y_sample_stride, y_stride),
            (w, w_sample_stride, w_stride),
        ];
        // SAFETY: passed on.
        let data = unsafe { observations(state, samples, tables) }?;
        let noise = state.fitter.noise();
        state.stop = NCG_FIT_NOT_RUN;
        state.fitter.add_data(data, noise)
    };
    // SAFETY: passed on.
    unsafe { change(fit, err, add) }
}

/// A table: pointer, sample stride, entry stride.
type Table = (*const f64, i64, i64);

/// Copies inputs, targets and weights (none where they are NULL).
///
/// # Safety
/// As for the entries.
unsafe fn observations(state: &State, samples: usize, tables: [Table; 3]) -> Result<Data> {
    let graph = &state.fitter.model().graph;
    let inputs = graph.inputs();
    let inputs: Vec<&str> = inputs.iter().map(|i| &*graph.ports[*i].name).collect();
    let outputs = graph.outputs.iter().take(state.fitter.targets()?);
    let outputs: Vec<&str> = outputs.map(|output| &*output.name).collect();
    let [x, y, w] = tables;
    let weighted = if w.0.is_null() { 0 } else { samples };
    // SAFETY: passed on.
    let (x, y, weights) = unsafe {
        (
            Input::new("x", (samples, inputs.len()), x.0, x.1, x.2)?,
            Input::new("y", (samples, outputs.len()), y.0, y.1, y.2)?,
            Input::new("w", (weighted, outputs.len()), w.0, w.1, w.2)?,
        )
    };
    let weights = (weighted > 0).then_some(&weights as &dyn Columns<f64>);
    if weights.is_some() && !state.fitter.knows_weights() {
        return Err(bad(
            "argument \"w\": the option \"noise\" must say what the weights are: \"known\", one over known variances, so that errors are absolute; or \"estimated\", relative to each other, so that the residuals tell the noise",
        ));
    }
    Data::copy(samples, (&x, &inputs), (&y, &outputs), weights)
}

/// Copies the covariance of the observations, after ncg_fit_set_data_f64 without weights: n by n, symmetric, where n is
/// n_samples times the number of targets, in the order of all samples of the first target, then of the next.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_set_covariance_f64(
    fit: *mut ncg_fit,
    n: i64,
    covariance: *const f64,
    err: *mut *mut ncg_error,
) -> i32 {
    let set = |state: &mut State| {
        let n = count(n, "n")?;
        // SAFETY: passed on.
        let table = unsafe { Input::new("covariance", (n, n), covariance, n as i64, 1) }?;
        let mut values = Vec::new();
        let reserved = n
            .checked_mul(n)
            .and_then(|all| values.try_reserve_exact(all).ok());
        reserved.ok_or_else(|| {
            let message = format!("no memory for a covariance of {n} observations");
            Error::new(ErrorKind::Memory, message)
        })?;
        values.resize(n * n, 0.0);
        for (entry, column) in values.chunks_exact_mut(n.max(1)).enumerate() {
            table.gather(entry, 0, column);
        }
        state.fitter.set_covariance(&values)?;
        state.stop = NCG_FIT_NOT_RUN;
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { change(fit, err, set) }
}

/// Asks for a call every `every` iterations (1 or more); a NULL callback removes it. user_data is given to the callback as
/// it is, and must live as long as the fit may run.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_set_callback(
    fit: *mut ncg_fit,
    callback: ncg_fit_callback,
    user_data: *mut c_void,
    every: i64,
    err: *mut *mut ncg_error,
) -> i32 {
    let set = |state: &mut State| {
        let every = match u64::try_from(every) {
            Ok(every) if every > 0 => every,
            _ if callback.is_none() => 1,
            _ => {
                return Err(bad(format!(
                    "argument \"every\" is {every}: it is at least 1"
                )));
            }
        };
        (state.callback, state.user_data, state.every) = (callback, user_data, every);
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { change(fit, err, set) }
}

/// Shares the fit among processes. The observations of all of them are one table, cut into n_blocks blocks of block_samples
/// samples, the last of which may have fewer; each process sets the data of one or more whole blocks, the processes in order.
/// All then call ncg_fit_run at the same time, with the same model, parameters, options and answers of callbacks, and find the
/// same, with digits that do not hang on the number of processes. A request to cancel one stops all. Other losses and optimizers
/// than the default, starts, hops, a window, profiles, smoothing and max_seconds are refused, and so is ncg_fit_add_data_f64.
/// A process that has no data, or more or fewer samples than its blocks, fails, and all others with it: none waits for it. One
/// that has no data gives `gather` the numbers of one block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_share(
    fit: *mut ncg_fit,
    n_blocks: i64,
    block_samples: i64,
    gather: ncg_fit_gather,
    user_data: *mut c_void,
    err: *mut *mut ncg_error,
) -> i32 {
    let share = |state: &mut State| {
        if gather.is_none() {
            return Err(bad("argument \"gather\" is NULL"));
        }
        state.fitter.share(Blocks {
            count: count(n_blocks, "n_blocks")?,
            samples: count(block_samples, "block_samples")?,
        })?;
        (state.gather, state.gather_data) = (gather, user_data);
        state.stop = NCG_FIT_NOT_RUN;
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { change(fit, err, share) }
}

/// Writes the state of the fit to a file: whole or not at all. ncg_fit_resume goes on from there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_checkpoint(
    fit: *const ncg_fit,
    path: *const c_char,
    err: *mut *mut ncg_error,
) -> i32 {
    let write = |state: &State| {
        // SAFETY: passed on.
        let path = unsafe { text(path, "path") }?;
        write_atomic(Path::new(path), state.fitter.checkpoint()?.as_bytes())
    };
    // SAFETY: passed on.
    unsafe { read(fit, err, write) }
}

/// Takes up the state that ncg_fit_checkpoint wrote, after the parameters and the data have been given again: the next
/// ncg_fit_run goes on with the same bits. Until then the result is that state, as if the run had been stopped there. Another
/// model, other data or other options are refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_resume(
    fit: *mut ncg_fit,
    path: *const c_char,
    err: *mut *mut ncg_error,
) -> i32 {
    let resume = |state: &mut State| {
        // SAFETY: passed on.
        let path = unsafe { text(path, "path") }?;
        state.fitter.resume(&document::text(Path::new(path))?)?;
        state.stop = NCG_FIT_NOT_RUN;
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { change(fit, err, resume) }
}

/// Runs until an NCG_FIT_* stop. A limit, the callback and ncg_fit_cancel are stops, not errors; calling again continues.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_run(
    fit: *mut ncg_fit,
    stop: *mut i32,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = |caller: &mut Caller| {
        // SAFETY: passed on.
        let (fit, stop): (&Body, _) = unsafe { (handle(fit)?, out(stop, "stop")?) };
        let state = &mut *fit.state.change("fit")?;
        let (user_data, gather_data) = (state.user_data, state.gather_data);
        let caller = RefCell::new(caller);
        let mut call;
        let mut monitor = Monitor {
            callback: None,
            cancel: Some(&fit.cancel),
            every: state.every,
            ..Monitor::default()
        };
        let callback = state.callback;
        if let Some(callback) = &callback {
            call = |progress: &Progress| {
                let iteration = i64::try_from(progress.iteration).unwrap_or(i64::MAX);
                let (params, n) = (progress.params.as_ptr(), progress.params.len() as i64);
                fit.start.store(progress.start as u64, Ordering::Relaxed);
                let mut caller = caller.borrow_mut();
                // SAFETY: the caller's function with the caller's pointer; the parameters live until it returns.
                caller.call(|| unsafe { callback(user_data, iteration, progress.loss, params, n) })
                    != 0
            };
            monitor.callback = Some(&mut call);
        }
        let gather = state.gather;
        let mut first = true;
        let mut bring = |own: &[f64], all: &mut [f64]| {
            // The first numbers tell who has more blocks than its place. No process brings more numbers than all are, so with
            // as much room again none is written elsewhere; behind them the fit ends or every process has its place.
            let mut room = match std::mem::take(&mut first) {
                true => vec![f64::NAN; 2 * all.len()],
                false => Vec::new(),
            };
            let (n_own, n_all) = (own.len() as i64, all.len() as i64);
            let into = match room.is_empty() {
                true => all.as_mut_ptr(),
                false => room.as_mut_ptr(),
            };
            let own = own.as_ptr();
            let brought = gather.is_some_and(|gather| {
                let mut caller = caller.borrow_mut();
                // SAFETY: the caller's function with the caller's pointer; the numbers live until it returns.
                caller.call(|| unsafe { gather(gather_data, own, n_own, into, n_all) }) == 0
            });
            for (all, room) in all.iter_mut().zip(&room) {
                *all = *room;
            }
            brought
        };
        let result = state
            .fitter
            .run_with(&mut monitor, &fit.cancel, Some(&mut bring));
        // A request is met, or came too late, when the run has ended.
        fit.cancel.store(false, Ordering::Relaxed);
        state.stop = result? as i32;
        stop.put(state.stop);
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, body) }
}

/// Asks a running fit to stop soon; where none is running, the next run stops at once. The one call allowed from another
/// thread, a signal handler or a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_cancel(fit: *const ncg_fit) {
    // No guard: nothing here can panic, and a signal handler may touch nothing but an atomic flag.
    // SAFETY: passed on.
    if let Ok(Some(fit)) = unsafe { optional_handle(fit) } {
        fit.cancel.store(true, Ordering::Relaxed);
    }
}

/// A number about the fit so far: "loss", "iterations", "evaluations", "seconds", "gradient_norm", "stop" (an NCG_FIT_*
/// value), "parameters" (how many move), "rows" (how many samples there were), "summarised" (how many of them are kept as a
/// summary only), "start" (which run the callback was last told of: 0 begins at the initial values, then come the other starts,
/// then the hops).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_stat(
    fit: *const ncg_fit,
    name: *const c_char,
    value: *mut f64,
    err: *mut *mut ncg_error,
) -> i32 {
    let stat = || {
        // SAFETY: passed on.
        let (fit, name, value): (&Body, _, _) =
            unsafe { (handle(fit)?, text(name, "name")?, out(value, "value")?) };
        if name == "start" {
            // the callback may ask while the fit runs
            value.put(fit.start.load(Ordering::Relaxed) as f64);
            return Ok(());
        }
        let state = &*fit.state.read("fit")?;
        let fitter = &state.fitter;
        value.put(match name {
            "loss" => fitter.outcome()?.loss,
            "iterations" => fitter.outcome()?.iterations as f64,
            "evaluations" => fitter.outcome()?.evaluations as f64,
            "seconds" => fitter.outcome()?.seconds,
            "gradient_norm" => fitter.outcome()?.gradient_norm,
            "stop" => f64::from(state.stop),
            "parameters" => fitter.names().len() as f64,
            "rows" => fitter.rows() as f64,
            "summarised" => fitter.summarised() as f64,
            _ => {
                return Err(bad(format!(
                    "a fit has no number \"{name}\": it is one of loss, iterations, evaluations, seconds, gradient_norm, stop, parameters, rows, summarised, start"
                )));
            }
        });
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| stat()) }
}

/// The best values so far, in the order the parameters were added (that of the model where none was). capacity counts
/// numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_parameters(
    fit: *const ncg_fit,
    values: *mut f64,
    capacity: i64,
    err: *mut *mut ncg_error,
) -> i32 {
    // SAFETY: passed on.
    unsafe {
        read(fit, err, |state| {
            copy_numbers(&state.fitter.outcome()?.params, values, capacity)
        })
    }
}

/// The covariance of the fitted parameters, n by n; symmetric, so either index order reads it. NaN where the data do not
/// determine it, and for parameters that a bound holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_covariance(
    fit: *const ncg_fit,
    values: *mut f64,
    capacity: i64,
    err: *mut *mut ncg_error,
) -> i32 {
    let covariance = |state: &State| {
        let report = state.fitter.report()?;
        let n = report.names.len();
        let numbers = match &report.statistics {
            Some(statistics) => statistics.covariance.iter(),
            None => [].iter(),
        };
        let mut numbers: Vec<f64> = numbers.map(|entry| entry.unwrap_or(f64::NAN)).collect();
        numbers.resize(n * n, f64::NAN);
        // SAFETY: passed on.
        unsafe { copy_numbers(&numbers, values, capacity) }
    };
    // SAFETY: passed on.
    unsafe { read(fit, err, covariance) }
}

/// The report as text or JSON (format "text" or "json"): estimates, standard errors, intervals, correlations, chi-square, stop reason,
/// active bounds, what cannot be told apart. needed receives the size including the final NUL; a NULL buffer asks for it
/// alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_report(
    fit: *const ncg_fit,
    format: *const c_char,
    buffer: *mut c_char,
    capacity: i64,
    needed: *mut i64,
    err: *mut *mut ncg_error,
) -> i32 {
    let report = |state: &State| {
        // SAFETY: passed on.
        let format = unsafe { text(format, "format") }?;
        let written = match format {
            "text" => state.fitter.report()?.to_text(),
            "json" => state.fitter.report()?.to_json().to_string(),
            _ => {
                return Err(bad(format!(
                    "unknown format \"{format}\": it is one of text, json"
                )));
            }
        };
        // SAFETY: passed on.
        unsafe { copy_text(&written, buffer, capacity, needed) }
    };
    // SAFETY: passed on.
    unsafe { read(fit, err, report) }
}

/// A new model with the fitted values as its parameter values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_bake(
    fit: *const ncg_fit,
    out: *mut *mut ncg_model,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let (out, fit): (_, &Body) = unsafe { (out_handle(out)?, handle(fit)?) };
        let model = fit.state.read("fit")?.fitter.bake()?;
        out.put(ncg_model::of(model));
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// Frees a fit; NULL is a no-op, and so is a fit that runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_fit_free(fit: *mut ncg_fit) {
    // SAFETY: passed on.
    guard::value((), || unsafe { free(fit, |fit| fit.state.is_idle()) });
}
