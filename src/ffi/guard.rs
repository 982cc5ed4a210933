//! What every entry runs in: no panic leaves it, and the caller's floating-point environment comes back.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

use super::error::{ncg_error, put_error};
use crate::engine::fpenv::NativeGuard;
use crate::error::{Error, ErrorKind, Result};

thread_local! {
    /// Whether this thread is inside an entry.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// Where the last panic inside was.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Marks this thread as inside, or as outside, until dropped.
struct Mark(bool);

impl Mark {
    #[inline]
    fn set(inside: bool) -> Mark {
        Mark(INSIDE.replace(inside))
    }
}

impl Drop for Mark {
    #[inline]
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

/// The caller of an entry.
pub struct Caller(NativeGuard);

impl Caller {
    /// Calls back, in the caller's floating-point environment.
    pub fn call<R>(&mut self, callback: impl FnOnce() -> R) -> R {
        let _mark = Mark::set(false);
        self.0.outside(callback)
    }
}

/// Runs the body of an entry that answers with a status; a failure also goes to `*err`.
///
/// # Safety
/// `err` is NULL or leads to a place for a pointer.
#[inline]
pub unsafe fn status(
    err: *mut *mut ncg_error,
    body: impl FnOnce(&mut Caller) -> Result<()>,
) -> i32 {
    match run(body) {
        Ok(()) => super::error::NCG_OK,
        // SAFETY: passed on.
        Err(error) => unsafe { put_error(err, error) },
    }
}

/// Runs the body of an entry that answers with a value; `otherwise` is the answer where there is a bug.
pub fn value<R>(otherwise: R, body: impl FnOnce() -> R) -> R {
    run(|_| Ok(body())).unwrap_or(otherwise)
}

#[inline]
fn run<R>(body: impl FnOnce(&mut Caller) -> Result<R>) -> Result<R> {
    install_hook();
    let mut caller = Caller(NativeGuard::new());
    let _mark = Mark::set(true);
    // What a panic leaves half done is behind a handle, whose lock is then broken.
    match catch_unwind(AssertUnwindSafe(|| body(&mut caller))) {
        Ok(result) => result,
        Err(payload) => Err(bug(payload)),
    }
}

/// Makes panics inside entries silent. Those outside go to the hook that was there before.
#[inline]
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // a thread that is ending has no marks any more
            if INSIDE.try_with(Cell::get).unwrap_or(false) {
                keep_place(info);
            } else {
                previous(info);
            }
        }));
    });
}

fn keep_place(info: &PanicHookInfo) {
    let text = info
        .location()
        .map(|place| format!("{}:{}", place.file(), place.line()));
    let _ = PLACE.try_with(|place| {
        if let Ok(mut place) = place.try_borrow_mut() {
            *place = text;
        }
    });
}

/// The error of a caught panic.
#[cold]
fn bug(payload: Box<dyn Any + Send>) -> Error {
    let what = if let Some(text) = payload.downcast_ref::<&str>() {
        text.to_string()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        // dropping what is not known could panic again
        std::mem::forget(payload);
        "a panic without a message".to_string()
    };
    let place = PLACE.with_borrow_mut(Option::take);
    let place = place.map_or(String::new(), |place| format!(" at {place}"));
    let message = format!("bug in this library{place}: {what}; free the handle it happened on");
    Error::new(ErrorKind::Panic, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_place() {
        let error = run::<()>(|_| panic!("{} is wrong", 1)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Panic);
        assert!(error.message.contains("guard.rs:"), "{}", error.message);
        assert!(error.message.contains("1 is wrong"), "{}", error.message);
        let error = run::<()>(|_| std::panic::panic_any(7)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Panic);
        assert_eq!(value(3, || panic!()), 3);
        assert_eq!(run(|_| Ok(5)), Ok(5));
    }

    #[test]
    fn a_call_back_is_outside() {
        let marks = run(|caller| Ok((INSIDE.get(), caller.call(|| INSIDE.get()), INSIDE.get())));
        assert_eq!(marks, Ok((true, false, true)));
        assert!(!INSIDE.get());
    }
}
