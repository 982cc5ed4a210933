//! Threads that wait for work, beside the caller's. They are started once, take no signals of the process, and leave the
//! affinity and the priority that they are given alone.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};

use crate::error::{Error, ErrorKind, Result};

/// Most threads of a pool.
pub const MOST_THREADS: usize = 1024;

/// Threads that wait.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
    /// The process that has them: after a fork the child has none.
    process: u32,
    /// Held while they work.
    busy: Mutex<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There is work, or the end.
    begin: Condvar,
    /// All are done.
    end: Condvar,
}

#[derive(Debug)]
struct State {
    work: Option<Work>,
    /// Which piece of work it is.
    turn: u64,
    /// How many threads are at it.
    running: usize,
    panicked: bool,
    over: bool,
}

type Function = dyn Fn(usize) + Sync;

#[derive(Clone, Copy, Debug)]
struct Work(*const Function);

// SAFETY: the function may be called by any thread, and outlives the work: `Pool::run` waits for all
unsafe impl Send for Work {}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // nothing panics while it is locked
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// A pool of so many threads, that of the caller among them.
    ///
    /// # Errors
    /// `Argument` for more than [`MOST_THREADS`], `Memory` where the system gives no more threads.
    pub fn new(threads: usize) -> Result<Pool> {
        if threads > MOST_THREADS {
            let message = format!(
                "option \"threads\" is {threads}; the native engine takes at most {MOST_THREADS}"
            );
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                work: None,
                turn: 0,
                running: 0,
                panicked: false,
                over: false,
            }),
            begin: Condvar::new(),
            end: Condvar::new(),
        });
        let mut pool = Pool {
            shared,
            handles: Vec::new(),
            process: std::process::id(),
            busy: Mutex::new(()),
        };
        let masked = signals::Masked::all();
        for index in 1..threads.max(1) {
            let shared = pool.shared.clone();
            let thread = thread::Builder::new().name(format!("ncg-{index}"));
            let handle = thread
                .spawn(move || wait(&shared, index))
                .map_err(|error| {
                    let message = format!(
                        "the system gives {index} of {threads} threads (option threads): {error}"
                    );
                    Error::new(ErrorKind::Memory, message)
                })?;
            pool.handles.push(handle);
        }
        drop(masked);
        Ok(pool)
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.handles.len() + 1
    }

    /// Calls a function on all threads at once, with the number of each from 0 on; on that of the caller alone where the
    /// others are at work for somebody else, or did not come along into a forked process.
    pub fn run(&self, function: &(dyn Fn(usize) + Sync)) {
        let free = match self.process == std::process::id() {
            true => match self.busy.try_lock() {
                Ok(free) => Some(free),
                // work has panicked, after which all threads wait as before
                Err(TryLockError::Poisoned(free)) => Some(free.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            },
            false => None,
        };
        if free.is_none() || self.handles.is_empty() {
            return function(0);
        }
        // SAFETY: only the lifetime changes; this function does not return before the last thread is done with it
        let work = unsafe {
            std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const Function>(function)
        };
        {
            let mut state = self.shared.lock();
            state.work = Some(Work(work));
            state.turn += 1;
            state.running = self.handles.len();
            self.shared.begin.notify_all();
        }
        let own = catch_unwind(AssertUnwindSafe(|| function(0)));
        let mut state = self.shared.lock();
        while state.running > 0 {
            let waited = self.shared.end.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.work = None;
        let panicked = std::mem::take(&mut state.panicked);
        drop(state);
        if let Err(panic) = own {
            resume_unwind(panic);
        }
        assert!(!panicked, "a thread of the pool has panicked");
    }
}

/// What a thread does.
fn wait(shared: &Shared, index: usize) {
    let mut turn = 0;
    loop {
        let mut state = shared.lock();
        while !state.over && state.turn == turn {
            let waited = shared.begin.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if state.over {
            return;
        }
        turn = state.turn;
        let work = state.work;
        drop(state);
        let done = catch_unwind(AssertUnwindSafe(|| {
            if let Some(Work(function)) = work {
                // SAFETY: `run` keeps the function until this thread says that it is done
                unsafe { (*function)(index) }
            }
        }));
        let mut state = shared.lock();
        state.panicked |= done.is_err();
        state.running -= 1;
        if state.running == 0 {
            shared.end.notify_one();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // those of another process: nothing may be done with them here
            std::mem::forget(std::mem::take(&mut self.handles));
            return;
        }
        self.shared.lock().over = true;
        self.shared.begin.notify_all();
        for handle in self.handles.drain(..) {
            // it catches panics of the work
            let _ = handle.join();
        }
    }
}

/// New threads take the signal mask of the one that starts them.
#[cfg(unix)]
mod signals {
    /// All signals are blocked while it lives.
    pub struct Masked(libc::sigset_t);

    impl Masked {
        /// Blocks all signals for this thread.
        pub fn all() -> Masked {
            // SAFETY: plain C calls on memory of this function
            unsafe {
                let mut all = std::mem::zeroed();
                let mut before = std::mem::zeroed();
                libc::sigfillset(&mut all);
                libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
                Masked(before)
            }
        }
    }

    impl Drop for Masked {
        fn drop(&mut self) {
            // SAFETY: as above
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
        }
    }
}

/// There are no signals.
#[cfg(not(unix))]
mod signals {
    /// Nothing to block.
    pub struct Masked;

    impl Masked {
        /// Does nothing.
        pub fn all() -> Masked {
            Masked
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn more_threads_than_it_takes_are_refused() {
        let error = Pool::new(MOST_THREADS + 1).unwrap_err();
        assert!(error.kind == ErrorKind::Argument && error.message.contains("1025"));
    }

    #[test]
    fn all_threads_work_each_time() {
        let pool = Pool::new(4).unwrap();
        for _ in 0..1000 {
            let seen: [AtomicUsize; 4] = Default::default();
            pool.run(&|thread| {
                seen[thread].fetch_add(1, Ordering::Relaxed);
            });
            assert!(seen.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn a_panic_waits_for_the_others_and_leaves_the_pool_usable() {
        let pool = Pool::new(3).unwrap();
        for culprit in 0..3 {
            let done = AtomicUsize::new(0);
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool.run(&|thread| {
                    if thread == culprit {
                        panic!("on purpose");
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }));
            assert!(caught.is_err());
            assert_eq!(done.load(Ordering::Relaxed), 2);
        }
    }

    #[test]
    fn work_within_work_runs_on_one_thread() {
        let pool = Pool::new(2).unwrap();
        let calls = AtomicUsize::new(0);
        pool.run(&|_| {
            pool.run(&|thread| {
                assert_eq!(thread, 0);
                calls.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }
}
