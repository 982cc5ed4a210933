//! What is behind a handle: a mark of its kind, and a count of who uses it.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicI32, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// The memory of a handle. It begins with the mark of its kind, so that a handle of another kind is told apart.
#[repr(C)]
pub struct Handle<B> {
    kind: u64,
    pub body: B,
}

impl<B> Handle<B> {
    pub const fn new(kind: u64, body: B) -> Handle<B> {
        Handle { kind, body }
    }
}

/// A type of handle.
pub trait Opaque: Sized {
    /// Its name in messages.
    const NAME: &'static str;
    /// Its mark.
    const KIND: u64;
    /// What is behind it.
    type Body;

    fn wrap(handle: Handle<Self::Body>) -> Self;
    fn body(&self) -> &Self::Body;

    /// Gives a new handle to the caller.
    fn give(body: Self::Body) -> *mut Self {
        Box::into_raw(Box::new(Self::wrap(Handle::new(Self::KIND, body))))
    }

    /// Whether the memory at `pointer`, which is not NULL, is that of a handle of this type.
    ///
    /// # Safety
    /// `pointer` leads to a handle of any type.
    unsafe fn is(pointer: *const Self) -> bool {
        // SAFETY: every handle begins with its mark, and `opaque!` has checked that this type does.
        pointer.is_aligned() && unsafe { pointer.cast::<u64>().read() } == Self::KIND
    }
}

/// Declares what [`Opaque`] needs for a newtype around a [`Handle`].
macro_rules! opaque {
    ($type:ident, $name:literal, $kind:literal, $body:ty) => {
        impl $crate::ffi::handle::Opaque for $type {
            const NAME: &'static str = $name;
            const KIND: u64 = u64::from_be_bytes(*$kind);
            type Body = $body;

            fn wrap(handle: $crate::ffi::handle::Handle<$body>) -> $type {
                $type(handle)
            }

            fn body(&self) -> &$body {
                &self.0.body
            }
        }

        const _: () = assert!(std::mem::offset_of!($type, 0) == 0);
    };
}
pub(super) use opaque;

const FREE: i32 = 0;
const CHANGING: i32 = -1;
/// A panic left the state as it was then.
const BROKEN: i32 = i32::MIN;

/// State that one thread may change, or any number may read. Nobody waits: who comes too early is told `Busy`.
pub struct Lock<S> {
    /// How many read, or one of the values above.
    users: AtomicI32,
    state: UnsafeCell<S>,
}

impl<S> Lock<S> {
    pub fn new(state: S) -> Lock<S> {
        Lock {
            users: AtomicI32::new(FREE),
            state: UnsafeCell::new(state),
        }
    }

    /// The state, to change it; `name` is the handle's in messages.
    #[inline]
    pub fn change(&self, name: &str) -> Result<Changing<'_, S>> {
        let order = (Ordering::Acquire, Ordering::Relaxed);
        match self
            .users
            .compare_exchange(FREE, CHANGING, order.0, order.1)
        {
            Ok(_) => Ok(Changing(self)),
            Err(users) => Err(refused(name, users)),
        }
    }

    /// The state, to read it.
    pub fn read(&self, name: &str) -> Result<Reading<'_, S>> {
        let mut users = self.users.load(Ordering::Relaxed);
        loop {
            if !(FREE..i32::MAX).contains(&users) {
                return Err(refused(name, users));
            }
            let order = (Ordering::Acquire, Ordering::Relaxed);
            match self
                .users
                .compare_exchange_weak(users, users + 1, order.0, order.1)
            {
                Ok(_) => return Ok(Reading(self)),
                Err(now) => users = now,
            }
        }
    }

    /// Whether nobody uses the state, so that it may be freed.
    pub fn is_idle(&self) -> bool {
        matches!(self.users.load(Ordering::Acquire), FREE | BROKEN)
    }
}

#[cold]
fn refused(name: &str, users: i32) -> Error {
    if users == BROKEN {
        let message = format!("the {name} met a bug in this library earlier; free it");
        return Error::new(ErrorKind::Panic, message);
    }
    let message = format!("the {name} is in use by another call; use it from one thread at a time");
    Error::new(ErrorKind::Busy, message)
}

/// The state of a [`Lock`] while one call may change it.
pub struct Changing<'a, S>(&'a Lock<S>);

impl<S> Deref for Changing<'_, S> {
    type Target = S;
    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: while this exists `users` is CHANGING, so there is no other access.
        unsafe { &*self.0.state.get() }
    }
}

impl<S> DerefMut for Changing<'_, S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut S {
        // SAFETY: as above.
        unsafe { &mut *self.0.state.get() }
    }
}

impl<S> Drop for Changing<'_, S> {
    #[inline]
    fn drop(&mut self) {
        let users = if std::thread::panicking() {
            BROKEN
        } else {
            FREE
        };
        self.0.users.store(users, Ordering::Release);
    }
}

/// The state of a [`Lock`] while calls read it.
pub struct Reading<'a, S>(&'a Lock<S>);

impl<S> Deref for Reading<'_, S> {
    type Target = S;
    fn deref(&self) -> &S {
        // SAFETY: while this exists `users` is positive, so nobody changes the state.
        unsafe { &*self.0.state.get() }
    }
}

impl<S> Drop for Reading<'_, S> {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changes_or_many_read() {
        let lock = Lock::new(1);
        let change = lock.change("fit").unwrap();
        assert_eq!(lock.change("fit").err().unwrap().kind, ErrorKind::Busy);
        assert_eq!(lock.read("fit").err().unwrap().kind, ErrorKind::Busy);
        assert!(!lock.is_idle());
        drop(change);
        let (one, two) = (lock.read("fit").unwrap(), lock.read("fit").unwrap());
        assert_eq!((*one, *two), (1, 1));
        assert_eq!(lock.change("fit").err().unwrap().kind, ErrorKind::Busy);
        drop((one, two));
        *lock.change("fit").unwrap() += 1;
        assert_eq!(*lock.read("fit").unwrap(), 2);
    }

    #[test]
    fn a_panic_leaves_it_broken() {
        let lock = Lock::new(());
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _state = lock.change("fit");
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(caught.is_err());
        assert_eq!(lock.change("fit").err().unwrap().kind, ErrorKind::Panic);
        assert!(lock.is_idle());
    }
}
