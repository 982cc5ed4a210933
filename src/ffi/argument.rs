//! Reading the arguments of a call: NULL, counts, text and handles. Messages name the argument.

use std::ffi::{CStr, c_char};

use super::handle::Opaque;
use crate::error::{Error, ErrorKind, Result};

/// An error of kind `Argument`.
#[cold]
pub fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Argument, message)
}

#[cold]
fn null(name: &str) -> Error {
    bad(format!("argument \"{name}\" is NULL"))
}

/// A handle.
///
/// # Safety
/// `pointer` is NULL or leads to a handle that lives for `'a`.
#[inline]
pub unsafe fn handle<'a, H: Opaque + 'a>(pointer: *const H) -> Result<&'a H::Body> {
    if pointer.is_null() {
        return Err(null(H::NAME));
    }
    // SAFETY: not NULL, so it is a handle; that it is of this type has been checked before a reference is made.
    unsafe {
        if !H::is(pointer) {
            return Err(other_kind(H::NAME));
        }
        Ok((*pointer).body())
    }
}

#[cold]
fn other_kind(name: &str) -> Error {
    bad(format!("argument \"{name}\" is no handle of a {name}"))
}

/// A handle that may be left out.
///
/// # Safety
/// As for [`handle`].
pub unsafe fn optional_handle<'a, H: Opaque + 'a>(
    pointer: *const H,
) -> Result<Option<&'a H::Body>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on.
    unsafe { handle(pointer) }.map(Some)
}

/// Takes a handle back; NULL, a handle of another type and one that is in use are left alone.
///
/// # Safety
/// `pointer` is NULL or leads to a handle that nobody uses after this call.
pub unsafe fn free<H: Opaque>(pointer: *mut H, is_idle: impl FnOnce(&H::Body) -> bool) {
    // SAFETY: a handle of this type comes from `Opaque::give`, a box.
    unsafe {
        if !pointer.is_null() && H::is(pointer) && is_idle((*pointer).body()) {
            drop(Box::from_raw(pointer));
        }
    }
}

/// A place for one value that goes out.
pub struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Writes the value.
    pub fn put(&self, value: T) {
        // SAFETY: `out` and `optional_out` are given places for a value that live as long as the call.
        unsafe { self.0.write(value) }
    }
}

/// A place for one value.
///
/// # Safety
/// `pointer` is NULL or leads to memory for a value, for the whole call.
pub unsafe fn out<T>(pointer: *mut T, name: &str) -> Result<Out<T>> {
    if pointer.is_null() {
        return Err(null(name));
    }
    check_alignment(pointer, name)?;
    Ok(Out(pointer))
}

/// A place for a new handle, which is NULL until it is written.
///
/// # Safety
/// As for [`out`].
pub unsafe fn out_handle<H>(pointer: *mut *mut H) -> Result<Out<*mut H>> {
    // SAFETY: passed on.
    let out = unsafe { out(pointer, "out") }?;
    out.put(std::ptr::null_mut());
    Ok(out)
}

/// A count or length.
#[inline]
pub fn count(value: i64, name: &str) -> Result<usize> {
    usize::try_from(value).map_err(|_| bad(format!("argument \"{name}\" is negative: {value}")))
}

/// Refuses arrays that do not lie on a multiple of the size of their elements.
#[inline]
pub fn check_alignment<T>(pointer: *const T, name: &str) -> Result<()> {
    match pointer.is_aligned() {
        true => Ok(()),
        false => Err(misaligned::<T>(name)),
    }
}

/// The error of an array that does not.
#[cold]
pub fn misaligned<T>(name: &str) -> Error {
    bad(format!(
        "argument \"{name}\" is not aligned: its address is no multiple of {}",
        align_of::<T>()
    ))
}

/// A NUL-terminated string.
///
/// # Safety
/// `pointer` is NULL or leads to a NUL-terminated string that lives for `'a`.
pub unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str> {
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL, so it is a NUL-terminated string.
    utf8(unsafe { CStr::from_ptr(pointer) }.to_bytes(), name)
}

/// Bytes of a given length; NULL only where there are none.
///
/// # Safety
/// `pointer` is NULL or leads to `length` bytes that live for `'a`.
pub unsafe fn bytes<'a>(pointer: *const c_char, length: i64, name: &str) -> Result<&'a [u8]> {
    let length = count(length, "length")?;
    if length == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(null(name));
    }
    if length > isize::MAX as usize {
        return Err(bad(format!(
            "argument \"length\" is larger than memory: {length}"
        )));
    }
    // SAFETY: not NULL, so there are `length` bytes.
    Ok(unsafe { std::slice::from_raw_parts(pointer.cast(), length) })
}

/// Bytes as text.
pub fn utf8<'a>(bytes: &'a [u8], name: &str) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|error| {
        bad(format!(
            "argument \"{name}\" is not UTF-8: byte {} cannot stand there",
            error.valid_up_to()
        ))
    })
}

/// Copies `text` and a NUL into the caller's buffer, and says how large it must be. Without a buffer only that is said.
///
/// # Safety
/// `buffer` is NULL or leads to `capacity` bytes; `needed` is NULL or leads to a place for a number.
pub unsafe fn copy_text(
    text: &str,
    buffer: *mut c_char,
    capacity: i64,
    needed: *mut i64,
) -> Result<()> {
    let size = text.len() + 1;
    if buffer.is_null() && needed.is_null() {
        return Err(bad(
            "arguments \"buffer\" and \"needed\" are both NULL: there is nothing to answer",
        ));
    }
    let capacity = count(capacity, "capacity")?;
    if !needed.is_null() {
        // SAFETY: not NULL, so it is a place for a number.
        unsafe { out(needed, "needed") }?.put(size as i64);
    }
    if buffer.is_null() {
        return Ok(());
    }
    if capacity < size {
        let message = format!("the buffer has {capacity} bytes; {size} are needed");
        return Err(Error::new(ErrorKind::Buffer, message));
    }
    // SAFETY: the buffer has room for `size` bytes, and is the caller's alone.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), text.len());
        buffer.add(text.len()).write(0);
    }
    Ok(())
}

/// Copies numbers into the caller's array.
///
/// # Safety
/// `values` is NULL or leads to `capacity` numbers.
pub unsafe fn copy_numbers(numbers: &[f64], values: *mut f64, capacity: i64) -> Result<()> {
    let capacity = count(capacity, "capacity")?;
    // SAFETY: passed on; an array of no element is not looked at.
    unsafe { out(values, "values") }?;
    if capacity < numbers.len() {
        let message = format!(
            "the array has room for {capacity} numbers; {} are needed",
            numbers.len()
        );
        return Err(Error::new(ErrorKind::Buffer, message));
    }
    // SAFETY: the array has room for them, and is the caller's alone.
    unsafe { std::ptr::copy_nonoverlapping(numbers.as_ptr(), values, numbers.len()) };
    Ok(())
}
