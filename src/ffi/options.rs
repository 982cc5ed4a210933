//! Options: a self-describing bag of names

use std::ffi::{CString, c_char};
use std::sync::OnceLock;

use super::argument::{free, handle, optional_handle, out_handle, text};
use super::error::{NCG_ERR_ARGUMENT, NCG_ERR_PANIC, NCG_OK, c_text, ncg_error};
use super::guard;
use super::handle::{Handle, Lock, Opaque, opaque};
use crate::error::Result;
use crate::options::{Options, TABLE};

/// A bag of named settings; copied wherever it is passed. Freed by ncg_options_free.
pub struct ncg_options(Handle<Lock<Options>>);

opaque!(ncg_options, "options", b"ncgoptns", Lock<Options>);

/// A copy of the settings; the defaults for NULL.
///
/// # Safety
/// `options` is NULL or a handle.
pub(super) unsafe fn copied(options: *const ncg_options) -> Result<Options> {
    // SAFETY: passed on.
    match unsafe { optional_handle(options) }? {
        Some(lock) => Ok(lock.read("options")?.clone()),
        None => Ok(Options::new()),
    }
}

/// A new, empty bag of settings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_options_new(
    out: *mut *mut ncg_options,
    err: *mut *mut ncg_error,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let out = unsafe { out_handle(out) }?;
        out.put(ncg_options::give(Lock::new(Options::new())));
        Ok(())
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// Sets one option.
///
/// # Safety
/// As for the entries.
unsafe fn set(
    options: *mut ncg_options,
    name: *const c_char,
    err: *mut *mut ncg_error,
    set: impl FnOnce(&mut Options, &str) -> Result<()>,
) -> i32 {
    let body = || {
        // SAFETY: passed on.
        let (options, name) = unsafe { (handle(options)?, text(name, "name")?) };
        set(&mut *options.change("options")?, name)
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

/// Sets a text option, e.g. "engine" to "onnxruntime", "params" to "k,alpha". An unknown name is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_options_set_str(
    options: *mut ncg_options,
    name: *const c_char,
    value: *const c_char,
    err: *mut *mut ncg_error,
) -> i32 {
    // SAFETY: passed on.
    unsafe {
        set(options, name, err, |options, name| {
            options.set_str(name, text(value, "value")?)
        })
    }
}

/// Sets an integer option, e.g. "threads" to 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_options_set_int(
    options: *mut ncg_options,
    name: *const c_char,
    value: i64,
    err: *mut *mut ncg_error,
) -> i32 {
    // SAFETY: passed on.
    unsafe {
        set(options, name, err, |options, name| {
            options.set_int(name, value)
        })
    }
}

/// Sets a real option, e.g. "gtol" to 1e-10.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_options_set_real(
    options: *mut ncg_options,
    name: *const c_char,
    value: f64,
    err: *mut *mut ncg_error,
) -> i32 {
    // SAFETY: passed on.
    unsafe {
        set(options, name, err, |options, name| {
            options.set_real(name, value)
        })
    }
}

/// How many options this build knows.
#[unsafe(no_mangle)]
pub extern "C" fn ncg_option_count() -> i64 {
    TABLE.len() as i64
}

/// Option i as four static strings: name, type ("str", "int", "real"), default, one-line description. NULL outputs are
/// skipped. Returns NCG_ERR_ARGUMENT where there is no such option.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_option_describe(
    index: i64,
    name: *mut *const c_char,
    type_name: *mut *const c_char,
    default_value: *mut *const c_char,
    description: *mut *const c_char,
) -> i32 {
    static TEXTS: OnceLock<Vec<[CString; 4]>> = OnceLock::new();
    guard::value(NCG_ERR_PANIC, || {
        let texts = TEXTS.get_or_init(|| {
            TABLE
                .iter()
                .map(|row| [row.name, row.kind.name(), row.default, row.description].map(c_text))
                .collect()
        });
        let Some(row) = usize::try_from(index).ok().and_then(|i| texts.get(i)) else {
            return NCG_ERR_ARGUMENT;
        };
        for (out, text) in [name, type_name, default_value, description]
            .into_iter()
            .zip(row)
        {
            if !out.is_null() && out.is_aligned() {
                // SAFETY: not NULL, so it is a place for a pointer.
                unsafe { out.write(text.as_ptr()) };
            }
        }
        NCG_OK
    })
}

/// Frees the bag; NULL is a no-op.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_options_free(options: *mut ncg_options) {
    // SAFETY: passed on.
    guard::value((), || unsafe { free(options, Lock::is_idle) });
}
