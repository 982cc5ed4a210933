//! Threads on the native engine: the same bits as one thread, for every way to call a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ncg::compile::Model;
use ncg::error::ErrorKind;
use ncg::options::Options;
use ncg::session::{Element, Gradient, Session, Strided, StridedMut};

const MODELS: [&str; 4] = [
    "(parameter a 1.5) (parameter b 0.3) (* a (exp (- (* b x))) (cos (* a y)))",
    // a loop of as many iterations as the sample says
    "(parameter k 0.9) (let loop ((i 0) (s x)) (if (< i (abs (* 3 y))) (loop (+ i 1) (+ (* k s) y)) s))",
    "(parameter k 0.9) (vec (if (< x y) (* k x) (/ y k)) (sqrt (abs (* x y))) k)",
    // nothing differs from sample to sample
    "(input x) (input y) (parameter k 2) (* k k)",
];

const SIZES: [usize; 8] = [0, 1, 2, 1024, 1025, 2048, 5000, 40_000];

fn options(settings: &[(&str, &str)]) -> Options {
    let mut options = Options::new();
    options.set_str("engine", "native").unwrap();
    for (name, value) in settings {
        match value.parse() {
            Ok(value) => options.set_int(name, value).unwrap(),
            Err(_) => options.set_str(name, value).unwrap(),
        }
    }
    options
}

fn session<T: Element>(source: &str, threads: &str) -> Session<T> {
    let model = Model::compile(source, &Options::new()).unwrap();
    Session::new(Arc::new(model), &options(&[("threads", threads)])).unwrap()
}

/// Everything that a session gives, in one list of bits. The tables are written sample by sample or entry by entry.
fn everything<T: Element>(session: &mut Session<T>, samples: usize, rows: bool) -> Vec<u64> {
    let (inputs, parameters, outputs) = session.counts();
    let value = |i: usize| T::of(((i * 7919) % 1000) as f64 / 250.0 - 2.0);
    let x: Vec<T> = (0..samples * inputs).map(value).collect();
    let x = Strided::rows(&x, inputs);
    let fill = |count: usize| vec![T::of(f64::MAX); count];
    let mut y = fill(samples * outputs);
    let mut dx = fill(samples * inputs);
    let mut dp = fill(parameters);
    let mut jacobian = fill(samples * outputs * parameters);
    fn table<T: Element>(
        data: &mut [T],
        samples: usize,
        entries: usize,
        rows: bool,
    ) -> StridedMut<'_, T> {
        match rows {
            true => StridedMut::rows(data, entries),
            false => StridedMut::columns(data, samples),
        }
    }
    let mut all = Vec::new();
    let mut note = |values: &[T]| all.extend(values.iter().map(|value| value.to_f64().to_bits()));
    session
        .eval(
            samples,
            &x,
            None,
            &mut table(&mut y, samples, outputs, rows),
            None,
        )
        .unwrap();
    note(&y);
    y.fill(T::ZERO);
    let wanted = Gradient {
        y: Some(&mut table(&mut y, samples, outputs, rows)),
        dx: Some(&mut table(&mut dx, samples, inputs, rows)),
        dp: Some(&mut dp),
    };
    session
        .gradient(samples, &x, None, None, wanted, None)
        .unwrap();
    note(&y);
    note(&dx);
    note(&dp);
    let mut into = table(&mut jacobian, samples, outputs * parameters, rows);
    session
        .jacobian(samples, &x, None, None, &mut into, None)
        .unwrap();
    note(&jacobian);
    all
}

fn same<T: Element>() {
    for source in MODELS {
        let mut alone = session::<T>(source, "1");
        for threads in ["2", "3", "7"] {
            let mut shared = session::<T>(source, threads);
            assert!(shared.describe().ends_with(&format!("threads={threads}")));
            for samples in SIZES {
                for rows in [true, false] {
                    let found = everything(&mut shared, samples, rows);
                    let wanted = everything(&mut alone, samples, rows);
                    assert!(
                        found == wanted,
                        "{source}, {threads} threads, {samples} samples"
                    );
                }
            }
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_threads() {
    same::<f64>();
    same::<f32>();
}

#[test]
fn a_loop_without_an_end_is_an_error_on_every_thread() {
    let source = "(let loop ((i 0)) (if (< i x) (loop (+ i 1)) i))";
    let model = Arc::new(Model::compile(source, &Options::new()).unwrap());
    let limits = options(&[("threads", "3"), ("max_steps", "100")]);
    let mut session = Session::<f64>::new(model, &limits).unwrap();
    let mut x = vec![5.0; 20_000];
    for bad in [0, 9_999, 19_999] {
        x[bad] = 1e9;
        let mut y = vec![0.0; x.len()];
        let error = session
            .eval(
                x.len(),
                &Strided::rows(&x, 1),
                None,
                &mut StridedMut::rows(&mut y, 1),
                None,
            )
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit);
        x[bad] = 5.0;
        session
            .eval(
                x.len(),
                &Strided::rows(&x, 1),
                None,
                &mut StridedMut::rows(&mut y, 1),
                None,
            )
            .unwrap();
        assert!(y.iter().all(|y| *y == 5.0));
    }
}

#[test]
fn threads_can_be_cancelled() {
    let source = "(let loop ((i 0) (s x)) (if (< i 1e6) (loop (+ i 1) (sin (+ s 1))) s))";
    let mut session = session::<f64>(source, "2");
    let x = vec![0.5; 200_000];
    let mut y = vec![0.0; x.len()];
    let cancel = AtomicBool::new(false);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            cancel.store(true, Ordering::Relaxed);
        });
        let done = session.eval(
            x.len(),
            &Strided::rows(&x, 1),
            None,
            &mut StridedMut::rows(&mut y, 1),
            Some(&cancel),
        );
        // a cancelled call says so, or ends early with outputs partly written
        let _ = done;
    });
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "{:?}",
        begin.elapsed()
    );
}

/// The threads do not come along into a forked process, which works all the same.
#[cfg(unix)]
#[test]
fn a_forked_process_works_on_its_own() {
    let mut shared = session::<f64>(MODELS[0], "3");
    let wanted = everything(&mut shared, 5000, true);
    // SAFETY: the child computes and leaves without running what is registered for the end of the process
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            let found = everything(&mut shared, 5000, true);
            libc::_exit(if found == wanted { 7 } else { 1 });
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        assert!(
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7,
            "{status}"
        );
    }
    assert!(everything(&mut shared, 5000, true) == wanted);
}
