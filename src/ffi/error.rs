//! Errors

use std::ffi::{CString, c_char};

use super::argument::{free, optional_handle};
use super::guard;
use super::handle::{Handle, Opaque, opaque};
use crate::error::{Error, ErrorKind};

/// The call succeeded.
pub const NCG_OK: i32 = 0;
/// A NULL, out-of-range or otherwise unusable argument.
pub const NCG_ERR_ARGUMENT: i32 = 1;
/// The source text is not well-formed Scheme; the error carries a location.
pub const NCG_ERR_PARSE: i32 = 2;
/// The source is well-formed but is not a model that can be compiled; the error carries a location.
pub const NCG_ERR_COMPILE: i32 = 3;
/// A file or byte string is not a valid .ncg or .onnx document.
pub const NCG_ERR_FORMAT: i32 = 4;
/// The operating system refused a read or a write.
pub const NCG_ERR_IO: i32 = 5;
/// The operation exists but this engine, dtype or export target lacks it.
pub const NCG_ERR_UNSUPPORTED: i32 = 6;
/// The requested engine cannot be loaded on this machine.
pub const NCG_ERR_ENGINE_UNAVAILABLE: i32 = 7;
/// The engine was loaded and failed.
pub const NCG_ERR_ENGINE: i32 = 8;
/// Shapes, ranks or element types do not agree.
pub const NCG_ERR_SHAPE: i32 = 9;
/// A fit cannot start: the loss or its gradient is not finite.
pub const NCG_ERR_NUMERIC: i32 = 10;
/// A configured limit (recursion, heap, size, iterations inside the model) was reached.
pub const NCG_ERR_LIMIT: i32 = 11;
/// Memory could not be allocated.
pub const NCG_ERR_MEMORY: i32 = 12;
/// The handle is in use by another call.
pub const NCG_ERR_BUSY: i32 = 13;
/// The caller's buffer is too small; the needed size has been written.
pub const NCG_ERR_BUFFER: i32 = 14;
/// A bug in this library; free the handle it happened on.
pub const NCG_ERR_PANIC: i32 = 15;

/// The kinds of errors and their codes.
pub(super) const CODES: [(ErrorKind, i32, &std::ffi::CStr); 15] = [
    (ErrorKind::Argument, NCG_ERR_ARGUMENT, c"NCG_ERR_ARGUMENT"),
    (ErrorKind::Parse, NCG_ERR_PARSE, c"NCG_ERR_PARSE"),
    (ErrorKind::Compile, NCG_ERR_COMPILE, c"NCG_ERR_COMPILE"),
    (ErrorKind::Format, NCG_ERR_FORMAT, c"NCG_ERR_FORMAT"),
    (ErrorKind::Io, NCG_ERR_IO, c"NCG_ERR_IO"),
    (
        ErrorKind::Unsupported,
        NCG_ERR_UNSUPPORTED,
        c"NCG_ERR_UNSUPPORTED",
    ),
    (
        ErrorKind::EngineUnavailable,
        NCG_ERR_ENGINE_UNAVAILABLE,
        c"NCG_ERR_ENGINE_UNAVAILABLE",
    ),
    (ErrorKind::Engine, NCG_ERR_ENGINE, c"NCG_ERR_ENGINE"),
    (ErrorKind::Shape, NCG_ERR_SHAPE, c"NCG_ERR_SHAPE"),
    (ErrorKind::Numeric, NCG_ERR_NUMERIC, c"NCG_ERR_NUMERIC"),
    (ErrorKind::Limit, NCG_ERR_LIMIT, c"NCG_ERR_LIMIT"),
    (ErrorKind::Memory, NCG_ERR_MEMORY, c"NCG_ERR_MEMORY"),
    (ErrorKind::Busy, NCG_ERR_BUSY, c"NCG_ERR_BUSY"),
    (ErrorKind::Buffer, NCG_ERR_BUFFER, c"NCG_ERR_BUFFER"),
    (ErrorKind::Panic, NCG_ERR_PANIC, c"NCG_ERR_PANIC"),
];

const _: () = {
    let mut i = 0;
    while i < CODES.len() {
        assert!(CODES[i].0 as i32 == CODES[i].1 && CODES[i].1 == i as i32 + 1);
        i += 1;
    }
};

/// One failure: status code, message, place in the source. Freed by ncg_error_free.
pub struct ncg_error(Handle<Body>);

/// What is behind an error.
pub struct Body {
    code: i32,
    message: CString,
    /// Zero-based offset, one-based line and column.
    place: Option<[i64; 3]>,
}

opaque!(ncg_error, "error", b"ncgerror", Body);

/// A text without NUL, as C has it.
pub(super) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

/// Gives `error` to the caller, if it is wanted, and its code.
///
/// # Safety
/// `err` is NULL or leads to a place for a pointer.
#[cold]
pub(super) unsafe fn put_error(err: *mut *mut ncg_error, error: Error) -> i32 {
    let code = error.kind as i32;
    if !err.is_null() && err.is_aligned() {
        let place = error.place.as_ref().map(|place| {
            [place.offset, place.line, place.column]
                .map(|number| i64::try_from(number).unwrap_or(i64::MAX))
        });
        let message = c_text(&error.to_string());
        // SAFETY: not NULL, so it is a place for a pointer.
        unsafe {
            err.write(ncg_error::give(Body {
                code,
                message,
                place,
            }))
        };
    }
    code
}

/// The status code of an error; NCG_OK for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_error_code(error: *const ncg_error) -> i32 {
    // SAFETY: passed on.
    guard::value(NCG_ERR_PANIC, || match unsafe { optional_handle(error) } {
        Ok(Some(error)) => error.code,
        Ok(None) => NCG_OK,
        Err(_) => NCG_ERR_ARGUMENT,
    })
}

/// The message, with the line of the source where there is one; borrowed from the error; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_error_message(error: *const ncg_error) -> *const c_char {
    // SAFETY: passed on.
    guard::value(c"".as_ptr(), || match unsafe { optional_handle(error) } {
        Ok(Some(error)) => error.message.as_ptr(),
        _ => c"".as_ptr(),
    })
}

/// Where in the source text: zero-based byte offset, one-based line and column. Returns 1 if known, 0 if not; NULL outputs
/// are skipped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_error_location(
    error: *const ncg_error,
    offset: *mut i64,
    line: *mut i64,
    column: *mut i64,
) -> i32 {
    guard::value(0, || {
        // SAFETY: passed on.
        let Ok(Some(Body {
            place: Some(place), ..
        })) = (unsafe { optional_handle(error) })
        else {
            return 0;
        };
        for (out, number) in [offset, line, column].into_iter().zip(place) {
            if !out.is_null() && out.is_aligned() {
                // SAFETY: not NULL, so it is a place for a number.
                unsafe { out.write(*number) };
            }
        }
        1
    })
}

/// Frees an error; NULL is a no-op.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_error_free(error: *mut ncg_error) {
    // SAFETY: passed on.
    guard::value((), || unsafe { free(error, |_| true) });
}
