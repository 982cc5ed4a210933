//! The caller's floating-point environment: put aside on entry, the default inside, given back on exit.
//!
//! A host may run with traps on, with another rounding mode or with flush-to-zero; inside, code expects what every
//! program starts with: no traps, round to nearest, gradual underflow. Both guards also give back the exception flags, so
//! that what happens inside leaves no trace. The compiler does not order floating-point arithmetic against a guard: call a
//! function that is not inlined under it.

use std::marker::PhantomData;

/// Puts the environment of vector and scalar arithmetic (MXCSR; FPCR and FPSR) back when dropped: about 10 ns.
///
/// Enough for Rust code, which never uses the x87 unit.
#[must_use = "the caller's environment comes back when the guard is dropped"]
#[derive(Debug)]
pub struct NativeGuard {
    saved: arch::Simd,
    thread: PhantomData<*const ()>,
}

impl NativeGuard {
    /// Saves the environment and sets the default one.
    #[inline]
    pub fn new() -> NativeGuard {
        let saved = arch::Simd::read();
        saved.enter_default();
        NativeGuard {
            saved,
            thread: PhantomData,
        }
    }

    /// Calls `outer` in the environment that the guard put aside; what `outer` makes of it is kept for the end.
    pub fn outside<R>(&mut self, outer: impl FnOnce() -> R) -> R {
        self.saved.write();
        let result = outer();
        self.saved = arch::Simd::read();
        self.saved.enter_default();
        result
    }
}

impl Default for NativeGuard {
    fn default() -> NativeGuard {
        NativeGuard::new()
    }
}

impl Drop for NativeGuard {
    #[inline]
    fn drop(&mut self) {
        self.saved.restore();
    }
}

/// Puts the whole environment back when dropped, that of the x87 unit included: for calls into foreign code.
#[must_use = "the caller's environment comes back when the guard is dropped"]
#[derive(Debug)]
pub struct ForeignGuard {
    /// Declared first, so that it is restored first: no trap of the caller's can be on while it runs.
    _x87: arch::X87,
    _simd: NativeGuard,
}

impl ForeignGuard {
    /// Saves the environment and sets the default one.
    #[inline]
    pub fn new() -> ForeignGuard {
        let simd = NativeGuard::new();
        let x87 = arch::X87::enter_default();
        ForeignGuard {
            _x87: x87,
            _simd: simd,
        }
    }
}

impl Default for ForeignGuard {
    fn default() -> ForeignGuard {
        ForeignGuard::new()
    }
}

#[cfg(target_arch = "x86_64")]
mod arch {
    use std::arch::asm;

    /// MXCSR as a program starts: all exceptions masked, round to nearest, no flush-to-zero, no flags.
    const DEFAULT_MXCSR: u32 = 0x1f80;
    /// The exception flags in MXCSR.
    const FLAGS: u32 = 0x3f;
    /// The x87 control word as a program starts: all exceptions masked, round to nearest, 64-bit mantissa.
    const DEFAULT_CONTROL: u16 = 0x037f;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Simd(pub u32);

    impl Simd {
        #[inline]
        pub fn read() -> Simd {
            let mut mxcsr = 0u32;
            // SAFETY: stores four bytes to a live local and changes nothing else.
            unsafe { asm!("stmxcsr [{}]", in(reg) &mut mxcsr, options(nostack, preserves_flags)) };
            Simd(mxcsr)
        }

        #[inline]
        pub fn enter_default(self) {
            // the flags of exceptions that are masked change nothing
            if self.0 & !FLAGS != DEFAULT_MXCSR {
                Simd(DEFAULT_MXCSR).write();
            }
        }

        #[inline]
        pub fn restore(self) {
            if Simd::read() != self {
                self.write();
            }
        }

        #[inline]
        pub fn write(self) {
            // SAFETY: loads the default, which is what compiled code expects, or the value that this thread had on entry,
            // which has no reserved bit set because the processor stored it.
            unsafe { asm!("ldmxcsr [{}]", in(reg) &self.0, options(nostack, readonly)) };
        }
    }

    /// What `fnstenv` stores: control, status, tags, pointers.
    #[repr(C, align(4))]
    #[derive(Clone, Copy, Debug)]
    struct Stored([u8; 28]);

    /// The x87 state of the caller.
    #[derive(Debug)]
    pub struct X87 {
        control: u16,
        /// Only where the caller had exception flags set; else there is nothing to give back but the control word.
        stored: Option<Stored>,
    }

    #[inline]
    fn has_flags() -> bool {
        let status: u16;
        // SAFETY: reads the status word into ax and changes nothing else.
        unsafe { asm!("fnstsw ax", out("ax") status, options(nomem, nostack, preserves_flags)) };
        status & 0xff != 0
    }

    #[inline]
    fn load_control(control: &u16) {
        // SAFETY: loads the default, or the control word that this thread had on entry; the callers have made sure that no
        // exception is pending that the new word unmasks.
        unsafe { asm!("fldcw [{}]", in(reg) control, options(nostack, readonly)) };
    }

    impl X87 {
        #[inline]
        pub fn enter_default() -> X87 {
            let mut control = 0u16;
            // SAFETY: stores two bytes to a live local and changes nothing else.
            unsafe { asm!("fnstcw [{}]", in(reg) &mut control, options(nostack, preserves_flags)) };
            let stored = has_flags().then(|| {
                let mut stored = Stored([0; 28]);
                // SAFETY: stores 28 bytes to a live local of that size, masks all exceptions and clears their flags.
                unsafe { asm!("fnstenv [{}]", "fnclex", in(reg) &mut stored, options(nostack)) };
                stored
            });
            if control != DEFAULT_CONTROL || stored.is_some() {
                load_control(&DEFAULT_CONTROL);
            }
            X87 { control, stored }
        }
    }

    impl Drop for X87 {
        #[inline]
        fn drop(&mut self) {
            if has_flags() {
                // SAFETY: clears exception flags, which the caller did not set, and changes nothing else.
                unsafe { asm!("fnclex", options(nomem, nostack)) };
            }
            match &self.stored {
                // SAFETY: loads what `fnstenv` stored on this thread; the register stack is as it was then, as the calling
                // convention wants it empty at both places.
                Some(stored) => unsafe {
                    asm!("fldenv [{}]", in(reg) stored, options(nostack, readonly))
                },
                None => load_control(&self.control),
            }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod arch {
    use std::arch::asm;

    /// FPCR (traps, rounding, flush-to-zero) and FPSR (flags): the whole environment on this machine.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Simd(pub u64, pub u64);

    impl Simd {
        #[inline]
        pub fn read() -> Simd {
            let (control, status): (u64, u64);
            // SAFETY: reads two registers and changes nothing.
            unsafe {
                asm!("mrs {}, fpcr", "mrs {}, fpsr", out(reg) control, out(reg) status, options(nomem, nostack))
            };
            Simd(control, status)
        }

        #[inline]
        pub fn enter_default(self) {
            if self != Simd(0, 0) {
                Simd(0, 0).write();
            }
        }

        #[inline]
        pub fn write(self) {
            // SAFETY: loads the default, which is what compiled code expects, or what this thread had on entry.
            unsafe {
                asm!("msr fpcr, {}", "msr fpsr, {}", in(reg) self.0, in(reg) self.1, options(nomem, nostack))
            };
        }

        #[inline]
        pub fn restore(self) {
            self.write();
        }
    }

    /// This machine has no x87 unit.
    #[derive(Debug)]
    pub struct X87;

    impl X87 {
        #[inline]
        pub fn enter_default() -> X87 {
            X87
        }
    }
}

/// Other machines keep the environment of the caller.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod arch {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Simd;

    impl Simd {
        pub fn read() -> Simd {
            Simd
        }
        pub fn enter_default(self) {}
        pub fn write(self) {}
        pub fn restore(self) {}
    }

    #[derive(Debug)]
    pub struct X87;

    impl X87 {
        pub fn enter_default() -> X87 {
            X87
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::arch::asm;

    use super::*;

    /// Arithmetic that the compiler cannot do in advance or move.
    fn divide(a: f64, b: f64) -> f64 {
        let mut quotient = a;
        // SAFETY: one division of two values.
        unsafe { asm!("divsd {}, {}", inout(xmm_reg) quotient, in(xmm_reg) b, options(nostack)) };
        quotient
    }

    /// Divides by zero on the x87 unit, which sets its flag.
    fn divide_by_zero_on_x87() {
        // SAFETY: pushes two values and pops both, so the register stack is as before.
        unsafe {
            asm!("fldz", "fld1", "fdivrp", "fstp st(0)", out("st(0)") _, out("st(1)") _, options(nostack))
        };
    }

    fn x87() -> (u16, u16) {
        let (mut control, mut status) = (0u16, 0u16);
        // SAFETY: stores two bytes to each of two live locals.
        unsafe {
            asm!("fnstcw [{}]", "fnstsw [{}]", in(reg) &mut control, in(reg) &mut status, options(nostack))
        };
        (control, status & 0xff)
    }

    fn set_x87_control(control: u16) {
        // SAFETY: the tests restore the default before they end.
        unsafe { asm!("fldcw [{}]", in(reg) &control, options(nostack)) };
    }

    fn clear_x87() {
        // SAFETY: clears flags only.
        unsafe { asm!("fnclex", options(nostack)) };
    }

    const MASKED: u32 = 0x1f80;
    const FLUSH: u32 = 0x8040;
    const ROUND_UP: u32 = 0x4000;

    #[test]
    fn native_guard_gives_the_default_inside_and_the_callers_state_back() {
        // Inexact flag, flush-to-zero, round up; then traps for zero division and overflow.
        for mxcsr in [
            MASKED | FLUSH | ROUND_UP | 0x20,
            MASKED & !(0x0200 | 0x0400),
        ] {
            arch::Simd(mxcsr).write();
            let guard = NativeGuard::new();
            let inside = arch::Simd::read();
            let infinite = divide(1.0, 0.0);
            let tiny = divide(f64::MIN_POSITIVE, 2.0);
            let third = divide(1.0, 3.0);
            drop(guard);
            let after = arch::Simd::read();
            arch::Simd(MASKED).write();
            assert_eq!(inside.0, MASKED);
            assert_eq!(infinite, f64::INFINITY);
            assert_eq!(tiny, f64::MIN_POSITIVE / 2.0);
            assert_eq!(third, 1.0 / 3.0);
            assert_eq!(after.0, mxcsr);
        }
    }

    #[test]
    fn foreign_guard_also_covers_the_x87_unit() {
        // Zero division traps, 53-bit mantissa, round up.
        let control = 0x0a7b;
        set_x87_control(control);
        let before = x87();
        let guard = ForeignGuard::new();
        let inside = x87();
        divide_by_zero_on_x87();
        let flagged = x87();
        drop(guard);
        let after = x87();
        set_x87_control(0x037f);
        assert_eq!(inside, (0x037f, 0));
        assert_eq!(flagged.1 & 4, 4);
        assert_eq!(after, before);
        assert_eq!(after.0, control);
    }

    #[test]
    fn foreign_guard_gives_back_the_callers_x87_flags() {
        divide_by_zero_on_x87();
        let before = x87();
        let guard = ForeignGuard::new();
        let inside = x87();
        drop(guard);
        let after = x87();
        clear_x87();
        assert_eq!(before.1 & 4, 4);
        assert_eq!(inside, (0x037f, 0));
        assert_eq!(after, before);
    }

    #[test]
    #[ignore = "a timing"]
    fn timing() {
        const ROUNDS: u32 = 10_000_000;
        let time = |body: fn()| {
            let start = std::time::Instant::now();
            (0..ROUNDS).for_each(|_| body());
            start.elapsed().as_nanos() as f64 / f64::from(ROUNDS)
        };
        println!("native guard {:.1} ns", time(|| drop(NativeGuard::new())));
        println!("foreign guard {:.1} ns", time(|| drop(ForeignGuard::new())));
    }
}
