//! What a caller sees of a fit that is many runs, and what is left when it stops one of them.

mod fitting;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use fitting::{params, prepare, run, samples};
use ncg::fit::fitter::Fitter;
use ncg::fit::problem::Data;
use ncg::fit::{Monitor, Progress, Stop};

const WAVE: &str = "(parameter a 1 0.1 10) (parameter w 1 0.1 12) (* a (sin (* w x)))";
const STEP: &str =
    "(parameter low 0) (parameter high 1) (parameter at 1 0 6) (if (< x at) low high)";

/// A frequency has a minimum of its own for nearly every wave that the data hold.
fn wave() -> Data {
    samples(64, 0.0, 6.0, |x| {
        2.0 * (7.3 * x).sin() + 0.01 * (91.0 * x).sin()
    })
}

fn step() -> Data {
    samples(40, 0.0, 6.0, |x| if x < 3.7 { 1.5 } else { 4.0 })
}

/// Runs with a callback, which stops the fit where `stops` says so.
fn watched(fitter: &mut Fitter, stops: &mut dyn FnMut(&Progress) -> bool) -> Stop {
    let mut monitor = Monitor {
        callback: Some(stops),
        ..Monitor::default()
    };
    fitter.run(&mut monitor, &AtomicBool::new(false)).unwrap()
}

#[test]
fn the_callback_hears_of_each_start_and_of_each_hop() {
    for optimizer in ["levmar", "lbfgs"] {
        let settings = [
            ("optimizer", optimizer),
            ("starts", "20"),
            ("refine", "3"),
            ("hops", "4"),
            ("transform", "a=log"),
        ];
        let mut quiet = prepare(WAVE, wave(), &settings).unwrap();
        run(&mut quiet).unwrap();
        let (mut heard, mut long, mut hops) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut fitter = prepare(WAVE, wave(), &settings).unwrap();
        let stop = watched(&mut fitter, &mut |progress| {
            // values, not the coordinates that the optimiser moves
            assert!(progress.params[0] >= 0.1 && progress.params[1] <= 12.0);
            match progress.start {
                start if start < 20 => heard.insert(start),
                hop => hops.insert(hop - 20),
            };
            if progress.iteration > 15 {
                long.insert(progress.start);
            }
            false
        });
        assert!(stop.converged());
        assert_eq!(heard, (0..20).collect(), "{optimizer}");
        assert_eq!(hops, (0..4).collect(), "{optimizer}");
        // only those that were followed and hops go on for longer
        assert!(
            long.iter().filter(|start| **start < 20).count() <= 3,
            "{long:?}"
        );
        // who listens changes nothing
        assert_eq!(params(&fitter), params(&quiet));
    }
}

/// Whichever run is stopped, by the callback or by the flag, the result is the best so far, with a whole report, and running again
/// goes on from there.
#[test]
fn a_request_in_any_run_leaves_the_best_so_far() {
    let cases: [(&str, Data, &[(&str, &str)]); 4] = [
        (WAVE, wave(), &[("starts", "20"), ("refine", "3")]),
        (WAVE, wave(), &[("starts", "20"), ("optimizer", "lbfgs")]),
        (WAVE, wave(), &[("hops", "6")]),
        (WAVE, wave(), &[("starts", "12"), ("hops", "3")]),
    ];
    for (source, data, settings) in cases {
        let mut whole = prepare(source, data.clone(), settings).unwrap();
        let mut calls = 0;
        watched(&mut whole, &mut |_| {
            calls += 1;
            false
        });
        let points = (1..=calls).step_by((calls / 12).max(1));
        for (point, by_flag) in points.flat_map(|point| [(point, false), (point, true)]) {
            let mut fitter = prepare(source, data.clone(), settings).unwrap();
            let (flag, mut call, mut least) = (AtomicBool::new(false), 0, f64::INFINITY);
            let mut stops = |progress: &Progress| {
                call += 1;
                assert!(call <= point, "{settings:?}: told after the request");
                least = least.min(progress.loss);
                flag.store(by_flag && call == point, Ordering::Relaxed);
                !by_flag && call == point
            };
            let mut monitor = Monitor {
                callback: Some(&mut stops),
                ..Monitor::default()
            };
            let stop = fitter.run(&mut monitor, &flag).unwrap();
            assert_eq!(
                stop,
                Stop::Stopped,
                "{settings:?} at call {point} of {calls}"
            );
            let report = fitter.report().unwrap();
            assert_eq!(report.outcome.stop, Stop::Stopped);
            // where rounding hides the change of the loss, the slope may have decided
            let loss = report.outcome.loss;
            assert!(
                loss <= least * (1.0 + 1e-14),
                "{settings:?} at call {point}: {loss} {least}"
            );
            assert!(report.statistics.is_some() && report.to_text().contains("stopped"));
            assert!(fitter.bake().is_ok() && fitter.checkpoint().is_ok());
            assert!(run(&mut fitter).unwrap().converged());
            assert!(params(&fitter).iter().all(|p| p.is_finite()));
        }
    }
}

#[test]
fn a_request_while_comparisons_are_smoothed_leaves_the_best_so_far() {
    let settings = [("smoothing", "1")];
    let mut whole = prepare(STEP, step(), &settings).unwrap();
    let mut calls = 0;
    watched(&mut whole, &mut |_| {
        calls += 1;
        false
    });
    assert!(whole.outcome().unwrap().loss < 1e-12);
    for point in (1..calls).step_by((calls / 10).max(1)) {
        let mut call = 0;
        let mut fitter = prepare(STEP, step(), &settings).unwrap();
        let stop = watched(&mut fitter, &mut |_| {
            call += 1;
            assert!(call <= point, "told after the request");
            call == point
        });
        assert_eq!(stop, Stop::Stopped, "call {point} of {calls}");
        let report = fitter.report().unwrap();
        assert!(report.outcome.loss.is_finite() && report.to_text().contains("stopped"));
    }
}

/// The time limit is that of all runs together.
#[test]
fn the_time_limit_is_that_of_all_runs() {
    let cases: [(&str, Data, &[(&str, &str)]); 4] = [
        (WAVE, wave(), &[("starts", "100000")]),
        (WAVE, wave(), &[("starts", "100000"), ("optimizer", "adam")]),
        (WAVE, wave(), &[("hops", "100000000")]),
        (
            STEP,
            step(),
            &[
                ("smoothing", "1"),
                ("optimizer", "adam"),
                ("learning_rate", "1e-6"),
            ],
        ),
    ];
    for (source, data, settings) in cases {
        let settings = [settings, &[("max_seconds", "0.2")]].concat();
        let began = std::time::Instant::now();
        let mut fitter = prepare(source, data, &settings).unwrap();
        assert_eq!(run(&mut fitter).unwrap(), Stop::MaxTime, "{settings:?}");
        // once more as long for what follows the end, on a busy machine
        let spent = began.elapsed().as_secs_f64();
        assert!(spent < 2.0, "{settings:?}: {spent} s");
        assert!(fitter.report().unwrap().outcome.loss.is_finite());
    }
}

/// What no machine holds is refused at once, and many starts are held in little memory.
#[test]
fn more_starts_than_can_be_held_are_refused() {
    for settings in [
        [("starts", "1000000000")],
        [("starts", "9223372036854775807")],
    ] {
        let began = std::time::Instant::now();
        let message = fitting::complaint(WAVE, wave(), &settings);
        assert!(
            message.contains("starts") && message.contains("too many"),
            "{message}"
        );
        assert!(began.elapsed().as_secs_f64() < 2.0);
    }
}

#[test]
fn what_is_left_to_fit_is_said() {
    let complaint = |settings: &[(&str, &str)]| fitting::complaint(WAVE, wave(), settings);
    let fixed = complaint(&[("fixed", "a,w")]);
    assert!(
        fixed.contains("all of the model are fixed or tied"),
        "{fixed}"
    );
    let circle = complaint(&[("tie", "a=(* 2 w),w=(/ a 2)")]);
    assert!(
        circle.contains("\"w\" is no parameter that moves"),
        "{circle}"
    );
    let own = complaint(&[("tie", "a=(* 2 a)")]);
    assert!(own.contains("the tie of \"a\""), "{own}");
    let mut options = ncg::options::Options::new();
    options.set_str("params", "a=1,w=2,a=3").unwrap();
    let twice = ncg::compile::Model::compile(WAVE, &options).err().unwrap();
    assert!(
        twice.message.contains("\"a\" is given two values"),
        "{}",
        twice.message
    );
}
