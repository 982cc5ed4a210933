//! Models: make, save, export, look inside

use std::ffi::{CString, c_char};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::argument::{
    bad, bytes, copy_text, count, free, handle, optional_handle, out, out_handle, text, utf8,
};
use super::error::{c_text, ncg_error};
use super::guard;
use super::handle::{Handle, Opaque, opaque};
use super::options::{copied, ncg_options};
use crate::compile::Model;
use crate::document;
use crate::error::Result;
use crate::graph::PortKind;
use crate::interp::{Interpreter, bind_program, interpreter};
use crate::options::Options;
use crate::{ncg, onnx};

/// A model input: one value per sample.
pub const NCG_INPUT: i32 = 0;
/// A model constant that can be differentiated and fitted: one value for the whole batch.
pub const NCG_PARAMETER: i32 = 1;
/// A model output.
pub const NCG_OUTPUT: i32 = 2;
/// An input as it was declared: a number, a vector or a matrix, whose numbers are inputs. What ncg_run takes.
pub const NCG_INPUT_ARRAY: i32 = 3;
/// A parameter as it was declared: a number, a vector or a matrix.
pub const NCG_PARAMETER_ARRAY: i32 = 4;
/// A number, vector or matrix of the model's value.
pub const NCG_OUTPUT_ARRAY: i32 = 5;

/// A compiled model: immutable, shareable between threads. Made by ncg_model_*, freed by ncg_model_free.
pub struct ncg_model(Handle<Body>);

/// What is behind a model.
pub struct Body {
    pub(super) model: Arc<Model>,
    /// Of inputs, parameters and outputs; then of each of them as whole arrays.
    names: [Vec<CString>; 6],
    /// The shapes of the whole arrays.
    shapes: [Vec<Vec<usize>>; 3],
    /// Initial value, lower and upper bound of each parameter.
    parameters: Vec<[f64; 3]>,
    /// The model as an interpreter, prepared when a program is bound to it.
    interpreter: OnceLock<Result<Interpreter>>,
}

opaque!(ncg_model, "model", b"ncgmodel", Body);

impl ncg_model {
    /// Gives a new model to the caller.
    pub(super) fn of(model: Model) -> *mut ncg_model {
        let graph = &model.graph;
        let ports = |parameter: bool| {
            let ports = graph
                .ports
                .iter()
                .filter(|port| port.is_parameter() == parameter);
            ports.map(|port| c_text(&port.name)).collect()
        };
        let outputs = graph.outputs.iter().map(|output| c_text(&output.name));
        let arrays = [
            graph.input_arrays(),
            graph.parameter_arrays(),
            graph.output_arrays(),
        ];
        let [i, p, o] = arrays
            .each_ref()
            .map(|arrays| arrays.iter().map(|array| c_text(&array.name)).collect());
        let names = [ports(false), ports(true), outputs.collect(), i, p, o];
        let shapes = arrays.map(|arrays| arrays.into_iter().map(|array| array.shape).collect());
        let parameters = graph.ports.iter().filter_map(|port| match port.kind {
            PortKind::Input => None,
            PortKind::Parameter {
                initial,
                lower,
                upper,
            } => Some([initial, lower, upper]),
        });
        ncg_model::give(Body {
            names,
            shapes,
            parameters: parameters.collect(),
            interpreter: OnceLock::new(),
            model: Arc::new(model),
        })
    }
}

impl Body {
    fn names(&self, kind: i32) -> Result<&[CString]> {
        let names = usize::try_from(kind).ok().and_then(|i| self.names.get(i));
        names.map(Vec::as_slice).ok_or_else(|| {
            bad(format!(
                "argument \"kind\" is {kind}: it is one of NCG_INPUT, NCG_PARAMETER, NCG_OUTPUT, or one of these as arrays, NCG_INPUT_ARRAY and so on"
            ))
        })
    }

    fn interpreter(&self) -> Result<&Interpreter> {
        let prepared = self
            .interpreter
            .get_or_init(|| Interpreter::new(self.model.literal().clone()));
        prepared.as_ref().map_err(Clone::clone)
    }

    fn parameter(&self, index: i64) -> Result<[f64; 3]> {
        let found = usize::try_from(index)
            .ok()
            .and_then(|i| self.parameters.get(i));
        found
            .copied()
            .ok_or_else(|| out_of_range(index, self.parameters.len(), "parameters"))
    }
}

/// The shape of a whole array; none for what is a number anyway.
fn shape(model: &Body, kind: usize, place: usize) -> Option<&[usize]> {
    model.shapes.get(kind)?.get(place).map(Vec::as_slice)
}

fn out_of_range(index: i64, count: usize, what: &str) -> crate::Error {
    bad(format!(
        "argument \"index\" is {index}: the model has {count} {what}, counted from 0"
    ))
}

/// Runs a body that makes a model.
///
/// # Safety
/// As for the entries.
unsafe fn make(
    out: *mut *mut ncg_model,
    err: *mut *mut ncg_error,
    model: impl FnOnce() -> Result<Model>,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let out = unsafe { out_handle(out) }?;
        out.put(ncg_model::of(model()?));
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// Compiles Scheme source text: UTF-8, length in bytes. options may be NULL; "folder" says where the files lie that the text
/// may import, without it the text imports nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_compile(
    source: *const c_char,
    length: i64,
    options: *const ncg_options,
    out: *mut *mut ncg_model,
    err: *mut *mut ncg_error,
) -> i32 {
    // SAFETY: passed on.
    unsafe {
        make(out, err, || {
            let source = utf8(bytes(source, length, "source")?, "source")?;
            document::compile(source, &copied(options)?)
        })
    }
}

/// Reads a .scm, .ncg or .onnx file, told apart by content. A .scm file imports networks from where it lies, and any file that
/// it names: to confine a text that is not trusted, load it by ncg_model_load_with with the option "folder".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_load(
    path: *const c_char,
    out: *mut *mut ncg_model,
    err: *mut *mut ncg_error,
) -> i32 {
    // SAFETY: passed on.
    unsafe {
        make(out, err, || {
            document::load(Path::new(text(path, "path")?), &Options::new())
        })
    }
}

/// The same with options, those of ncg_model_compile and "weights", which says which weights of another tool's .onnx file
/// become parameters. options may be NULL; where "folder" is set, a .scm file imports from there, and what lies below it only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_load_with(
    path: *const c_char,
    options: *const ncg_options,
    out: *mut *mut ncg_model,
    err: *mut *mut ncg_error,
) -> i32 {
    // SAFETY: passed on.
    unsafe {
        make(out, err, || {
            let path = text(path, "path")?;
            document::load(Path::new(path), &copied(options)?)
        })
    }
}

/// As ncg_model_load, from memory: length in bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_parse(
    document: *const c_char,
    length: i64,
    out: *mut *mut ncg_model,
    err: *mut *mut ncg_error,
) -> i32 {
    // SAFETY: passed on.
    unsafe {
        make(out, err, || {
            document::parse(bytes(document, length, "document")?, &Options::new())
        })
    }
}

/// Writes a .ncg file: to a temporary name, then renamed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_save(
    model: *const ncg_model,
    path: *const c_char,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let (model, path) = unsafe { (handle(model)?, text(path, "path")?) };
        document::save(&model.model, Path::new(path))
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// Writes the model as text into the caller's buffer. format is "ncg" (what a .ncg file holds) or "text" (its graph, for
/// reading). needed receives the size including the final NUL; a NULL buffer asks for it alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_write(
    model: *const ncg_model,
    format: *const c_char,
    buffer: *mut c_char,
    capacity: i64,
    needed: *mut i64,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let (model, format) = unsafe { (handle(model)?, text(format, "format")?) };
        let written = match format {
            "ncg" => ncg::write(&model.model)?,
            "text" => model.model.graph.to_string(),
            _ => {
                return Err(bad(format!(
                    "unknown format \"{format}\": it is one of ncg, text"
                )));
            }
        };
        // SAFETY: passed on.
        unsafe { copy_text(&written, buffer, capacity, needed) }
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// Writes what in the model is allowed but hardly meant into the caller's buffer: a constant inside a test, an input that
/// nothing uses, a constant that no output depends on. One warning is its message and, below, its place in the source; an
/// empty line stands between two; an empty text where there is none. needed receives the size including the final NUL; a
/// NULL buffer asks for it alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_warnings(
    model: *const ncg_model,
    buffer: *mut c_char,
    capacity: i64,
    needed: *mut i64,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let model = unsafe { handle(model) }?;
        let warnings = model.model.warnings();
        let drawn: Vec<String> = warnings.iter().map(|warning| warning.to_string()).collect();
        // SAFETY: passed on.
        unsafe { copy_text(&drawn.join("\n\n"), buffer, capacity, needed) }
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// Writes an ONNX file: to a temporary name, then renamed. Options: "dtype", "gradient", "learning_rate".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_export_onnx(
    model: *const ncg_model,
    path: *const c_char,
    options: *const ncg_options,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let (model, path, options) =
            unsafe { (handle(model)?, text(path, "path")?, copied(options)?) };
        document::write_atomic(Path::new(path), &onnx::write(&model.model, &options)?)
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// The interpreter of this library as a model, compiled once per process: a graph with the inputs program and env, which
/// ncg_model_bind_program takes and ncg_model_save writes. options may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_interpreter(
    options: *const ncg_options,
    out: *mut *mut ncg_model,
    err: *mut *mut ncg_error,
) -> i32 {
    // SAFETY: passed on.
    unsafe {
        make(out, err, || {
            copied(options)?;
            Ok(interpreter()?.model())
        })
    }
}

/// A new model: an interpreter (from ncg_model_interpreter, ncg_model_load or ncg_model_parse) with a program bound as data
/// and specialised to it. source is UTF-8, length in bytes. Options: "params", "bind", "literals", "folder".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_bind_program(
    interpreter: *const ncg_model,
    source: *const c_char,
    length: i64,
    options: *const ncg_options,
    out: *mut *mut ncg_model,
    err: *mut *mut ncg_error,
) -> i32 {
    // SAFETY: passed on.
    unsafe {
        make(out, err, || {
            let source = utf8(bytes(source, length, "source")?, "source")?;
            let options = copied(options)?;
            let files = document::Files::of(None, &options);
            let interpreter = handle(interpreter)?.interpreter()?;
            bind_program(interpreter, files.text(source), &options)
        })
    }
}

/// Frees this reference; sessions and fits made from the model stay valid. NULL is a no-op.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_free(model: *mut ncg_model) {
    // SAFETY: passed on.
    guard::value((), || unsafe { free(model, |_| true) });
}

/// Answers a question about a model; `otherwise` where there is no such thing.
///
/// # Safety
/// As for the entries.
unsafe fn ask<R: Copy>(
    model: *const ncg_model,
    otherwise: R,
    answer: impl FnOnce(&Body) -> Result<R>,
) -> R {
    // SAFETY: passed on.
    guard::value(otherwise, || match unsafe { optional_handle(model) } {
        Ok(Some(model)) => answer(model).unwrap_or(otherwise),
        _ => otherwise,
    })
}

/// How many entries of a kind, NCG_INPUT and so on; 0 for NULL and for other kinds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_count(model: *const ncg_model, kind: i32) -> i64 {
    // SAFETY: passed on.
    unsafe { ask(model, 0, |model| Ok(model.names(kind)?.len() as i64)) }
}

/// The name of entry i (zero-based), borrowed from the model; NULL when out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_name(
    model: *const ncg_model,
    kind: i32,
    index: i64,
) -> *const c_char {
    let name = |model: &Body| {
        let names = model.names(kind)?;
        let name = usize::try_from(index).ok().and_then(|i| names.get(i));
        Ok(name.map_or(std::ptr::null(), |name| name.as_ptr()))
    };
    // SAFETY: passed on.
    unsafe { ask(model, std::ptr::null(), name) }
}

/// The zero-based index of a name; -1 when absent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_index(
    model: *const ncg_model,
    kind: i32,
    name: *const c_char,
) -> i64 {
    let index = |model: &Body| {
        // SAFETY: passed on.
        let name = unsafe { text(name, "name") }?;
        let mut names = model.names(kind)?.iter();
        let found = names.position(|other| other.to_bytes() == name.as_bytes());
        Ok(found.map_or(-1, |i| i as i64))
    };
    // SAFETY: passed on.
    unsafe { ask(model, -1, index) }
}

/// Rank and dimensions of one sample of entry i: 0 for a number, as each NCG_INPUT, NCG_PARAMETER and NCG_OUTPUT is, 1 for a
/// vector and 2 for a matrix. At most capacity dimensions are written to dims, which may be NULL where capacity is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_shape(
    model: *const ncg_model,
    kind: i32,
    index: i64,
    dims: *mut i64,
    capacity: i64,
    rank: *mut i64,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let (model, rank) = unsafe { (handle(model)?, out(rank, "rank")?) };
        let capacity = count(capacity, "capacity")?;
        if capacity > 0 {
            // SAFETY: passed on.
            unsafe { out(dims, "dims") }?;
        }
        let names = model.names(kind)?;
        let place = usize::try_from(index).ok().filter(|i| *i < names.len());
        let place =
            place.ok_or_else(|| out_of_range(index, names.len(), "entries of this kind"))?;
        let arrays = usize::try_from(kind - NCG_INPUT_ARRAY).ok();
        let shape: &[usize] = match arrays.and_then(|kind| self::shape(model, kind, place)) {
            Some(shape) => shape,
            None => &[],
        };
        for (i, size) in shape.iter().take(capacity).enumerate() {
            // SAFETY: there is room for `capacity` numbers, and dims is not NULL where there is any.
            unsafe { dims.add(i).write(*size as i64) };
        }
        rank.put(shape.len() as i64);
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// The value that a parameter has in the source text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_parameter_value(
    model: *const ncg_model,
    index: i64,
    value: *mut f64,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let (model, value) = unsafe { (handle(model)?, out(value, "value")?) };
        let [initial, _, _] = model.parameter(index)?;
        value.put(initial);
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// The bounds that a parameter has in the source text; infinite where there are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_model_parameter_bounds(
    model: *const ncg_model,
    index: i64,
    lower: *mut f64,
    upper: *mut f64,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let (model, low, high) =
            unsafe { (handle(model)?, out(lower, "lower")?, out(upper, "upper")?) };
        let [_, lower, upper] = model.parameter(index)?;
        low.put(lower);
        high.put(upper);
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}
