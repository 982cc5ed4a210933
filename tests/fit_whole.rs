//! Fits by Adam whose iterations are calls of ONNX Runtime, and many starts in one call: the same results as one evaluation
//! after the other, the same digits however the iterations are cut.

mod fitting;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fitting::{Random, close, fit, params, prepare, run, samples};
use ncg::compile::Model;
use ncg::engine::ort::probe;
use ncg::fit::fitter::Fitter;
use ncg::fit::problem::Data;
use ncg::fit::{Monitor, Progress, Stop};
use ncg::options::Options;
use ncg::session::{Session, Strided, StridedMut};

const DECAY: &str = "(parameter a 1) (parameter r 0.3) (* a (exp (- (* r x))))";

fn have_runtime(test: &str) -> bool {
    let have = probe(None).is_ok();
    assert!(
        have || std::env::var_os("NCG_REQUIRE_ALL").is_none(),
        "no ONNX Runtime"
    );
    if !have {
        println!("{test} skipped: no ONNX Runtime");
    }
    have
}

fn decay(count: usize) -> Data {
    let mut random = Random(9);
    samples(count, 0.0, 5.0, |x| {
        3.0 * (-0.7 * x).exp() + 0.01 * random.normal()
    })
}

const WHOLE: [(&str, &str); 4] = [
    ("engine", "onnxruntime"),
    ("whole_fit", "on"),
    ("optimizer", "adam"),
    ("learning_rate", "0.05"),
];

fn whole(source: &str, data: &Data, settings: &[(&str, &str)]) -> Fitter {
    prepare(source, data.clone(), &[&WHOLE, settings].concat()).unwrap()
}

fn bits(fitter: &Fitter) -> Vec<u64> {
    let outcome = fitter.outcome().unwrap();
    let numbers = outcome.params.iter().chain([&outcome.loss]);
    numbers.map(|x| x.to_bits()).collect()
}

/// A program, data, and what is asked of the fit.
type Case<'a> = (&'a str, Data, &'a [(&'a str, &'a str)]);

#[test]
fn whole_fits_end_where_others_do() {
    if !have_runtime("whole_fits_end_where_others_do") {
        return;
    }
    let weighted = Data {
        weights: (0..60).map(|i| 0.5 + f64::from(i % 3)).collect(),
        ..decay(60)
    };
    let bounded = "(parameter a 1 0 2.5) (parameter r 0.3) (* a (exp (- (* r x))))";
    let counted = "(parameter k 0.5) (parameter c 1) (let loop ((i 0) (y x)) (if (= i 4) (* c y) (loop (+ i 1) (+ y (* 0.1 k (- 1 y))))))";
    let constant = Data {
        x: vec![],
        ..samples(5, 0.0, 1.0, |_| 3.0)
    };
    let cases: [Case; 8] = [
        (DECAY, decay(60), &[]),
        (DECAY, weighted.clone(), &[]),
        (DECAY, decay(60), &[("fixed", "a")]),
        (
            DECAY,
            weighted,
            &[("loss", "huber"), ("loss_scale", "0.02")],
        ),
        (bounded, decay(60), &[]),
        (DECAY, decay(60), &[("ftol", "1e-9")]),
        (counted, decay(60), &[("max_iterations", "300")]),
        ("(parameter a 1) (* a 2)", constant, &[]),
    ];
    for (source, data, settings) in cases {
        let mut one = whole(source, &data, settings);
        let stop = run(&mut one).unwrap();
        let native = [("engine", "native"), WHOLE[2], WHOLE[3]];
        let other = fit(source, data, &[&native, settings].concat());
        let outcome = other.outcome().unwrap();
        for (got, wanted) in params(&one).iter().zip(&outcome.params) {
            assert!(
                (got - wanted).abs() <= 1e-5 * wanted.abs().max(1e-3),
                "{settings:?}: {got} is not {wanted}"
            );
        }
        close(one.outcome().unwrap().loss, outcome.loss, 1e-6);
        assert_eq!(
            stop.converged(),
            outcome.stop.converged(),
            "{source} {stop:?}"
        );
        assert_eq!(
            one.report().unwrap().statistics.is_some(),
            other.report().unwrap().statistics.is_some()
        );
        // some hundreds of iterations a call
        let traffic = one.traffic();
        let iterations = one.outcome().unwrap().iterations;
        assert!(
            traffic.calls < 60 + iterations / 20,
            "{traffic:?} {iterations}"
        );
        let data = other.data().unwrap();
        let columns = [&data.x, &data.y, &data.weights];
        let columns = columns.iter().filter(|numbers| !numbers.is_empty());
        assert_eq!(traffic.copies as usize, columns.count());
    }
}

/// The same bits however often the fit is looked at, and where it is stopped and gone on with.
#[test]
fn no_digit_hangs_on_how_iterations_are_cut() {
    if !have_runtime("no_digit_hangs_on_how_iterations_are_cut") {
        return;
    }
    let data = decay(60);
    let limit = |most: &'static str| [("max_iterations", most)];
    let mut plain = whole(DECAY, &data, &limit("240"));
    run(&mut plain).unwrap();
    for every in [1, 7, 60] {
        let mut told = Vec::new();
        let mut tell = |progress: &Progress| {
            told.push((progress.iteration, progress.loss));
            false
        };
        let mut fitter = whole(DECAY, &data, &limit("240"));
        let mut monitor = Monitor {
            callback: Some(&mut tell),
            every,
            ..Monitor::default()
        };
        fitter.run(&mut monitor, &AtomicBool::new(false)).unwrap();
        assert_eq!(bits(&fitter), bits(&plain), "every {every}");
        let wanted: Vec<u64> = (0..=240).step_by(every as usize).collect();
        assert_eq!(told.iter().map(|t| t.0).collect::<Vec<_>>(), wanted);
        assert!(told[0].1 > told[told.len() - 1].1);
    }
    let mut parts = whole(DECAY, &data, &limit("80"));
    for _ in 0..3 {
        assert_eq!(run(&mut parts).unwrap(), Stop::MaxIterations);
    }
    assert_eq!(bits(&parts), bits(&plain));
    assert_eq!(parts.outcome().unwrap().iterations, 240);
    // and through a checkpoint
    let mut first = whole(DECAY, &data, &limit("80"));
    run(&mut first).unwrap();
    let saved = first.checkpoint().unwrap();
    let mut second = whole(DECAY, &data, &limit("80"));
    second.resume(&saved).unwrap();
    run(&mut second).unwrap();
    run(&mut second).unwrap();
    assert_eq!(bits(&second), bits(&plain));
}

#[test]
fn a_whole_fit_is_stopped_between_calls() {
    if !have_runtime("a_whole_fit_is_stopped_between_calls") {
        return;
    }
    let cancel = AtomicBool::new(false);
    let mut tell = |progress: &Progress| {
        if progress.iteration >= 100 {
            cancel.store(true, Ordering::Relaxed);
        }
        false
    };
    let mut fitter = whole(DECAY, &decay(60), &[]);
    let mut monitor = Monitor {
        callback: Some(&mut tell),
        every: 50,
        ..Monitor::default()
    };
    assert_eq!(fitter.run(&mut monitor, &cancel).unwrap(), Stop::Stopped);
    assert_eq!(fitter.outcome().unwrap().iterations, 100);
    let mut target = whole(DECAY, &decay(60), &[("target", "1")]);
    assert_eq!(run(&mut target).unwrap(), Stop::Target);
    assert!(target.outcome().unwrap().loss <= 1.0);
    let mut late = whole(DECAY, &decay(60), &[("max_seconds", "0")]);
    assert_eq!(run(&mut late).unwrap(), Stop::MaxTime);
    let bad = samples(10, -1.0, 1.0, |x| x);
    let mut fitter = whole("(parameter a 1) (* a (log x))", &bad, &[]);
    assert!(
        run(&mut fitter)
            .unwrap_err()
            .message
            .contains("initial values")
    );
}

/// Two hundred starts on 64 samples: one call an iteration for Levenberg–Marquardt, one call for Adam, and the ends of starts
/// one by one.
#[test]
fn many_starts_are_one_call() {
    if !have_runtime("many_starts_are_one_call") {
        return;
    }
    let mut random = Random(2);
    let wave = samples(64, 0.0, 6.0, |x| (2.3 * x).sin() + 0.01 * random.normal());
    let source = "(parameter w 1 0.1 6) (parameter p 0.5 -3 3) (sin (+ (* w x) p))";
    for optimizer in ["levmar", "adam"] {
        let starts = [
            ("starts", "200"),
            ("refine", "3"),
            ("optimizer", optimizer),
            ("learning_rate", "0.1"),
        ];
        let on = [
            ("engine", "onnxruntime"),
            ("resident", "on"),
            ("whole_fit", "on"),
        ];
        let off = [
            ("engine", "onnxruntime"),
            ("resident", "off"),
            ("whole_fit", "off"),
        ];
        let [kept, moved, native] = [&on[..], &off, &[("engine", "native")]]
            .map(|engine| fit(source, wave.clone(), &[engine, &starts].concat()));
        for fitter in [&kept, &moved] {
            for (got, wanted) in params(fitter).iter().zip(params(&native)) {
                close(*got, wanted, 1e-6);
            }
            close(
                fitter.outcome().unwrap().loss,
                native.outcome().unwrap().loss,
                1e-8,
            );
        }
        let (a, b) = (kept.report().unwrap(), native.report().unwrap());
        for (got, wanted) in a.context.ends.iter().zip(&b.context.ends) {
            close(got.0, wanted.0, 1e-6);
        }
        let traffic = kept.traffic();
        assert_eq!(traffic.copies, 2, "{optimizer}");
        // 15 short iterations of all starts, then three that are followed
        assert!(traffic.calls < 300, "{optimizer} {traffic:?}");
    }
}

/// A crowd on ONNX Runtime is one call, `[M, 1]` parameters on `[N]` samples, and gives what its members give alone, also where
/// each goes its own way.
#[test]
fn a_crowd_is_one_population() {
    if !have_runtime("a_crowd_is_one_population") {
        return;
    }
    let sources = [
        "(input x) (parameter k 2.0) (parameter a 0.5) (* a (exp (* (- k) x)))",
        "(input x) (parameter k 2.0) (list (* k k) x 3 (if (> (* k x) 1) (log (* k x)) (if (> k 1) (* x x) k)))",
        "(input x) (parameter k 2.0) (let loop ((i 0) (y x)) (if (= i 5) y (loop (+ i 1) (+ (* k y (- 1 y)) (* 0.1 k)))))",
        "(input x) (parameter k 2.0) (let loop ((y x)) (if (> y 3) y (loop (* y (+ 1.1 (* k k))))))",
        "(parameter k 2.0) (parameter m 1.0) (+ k (* m m))",
    ];
    let (members, samples) = (200, 64);
    for source in sources {
        let mut options = Options::new();
        options.set_str("engine", "onnxruntime").unwrap();
        let model = Arc::new(Model::compile(source, &options).unwrap());
        let mut session = Session::<f64>::new(model, &options).unwrap();
        let (inputs, parameters, outputs) = session.counts();
        let x: Vec<f64> = (0..inputs * samples)
            .map(|s| 0.05 + 0.03 * s as f64)
            .collect();
        let p: Vec<f64> = (0..members * parameters)
            .map(|i| 0.3 + 0.01 * (i % 177) as f64)
            .collect();
        let rows = members * samples;
        let (mut y, mut j) = (
            vec![0.0; outputs * rows],
            vec![0.0; outputs * parameters * rows],
        );
        let mut crowd = session.crowd().unwrap();
        let table = Strided::columns(&x, samples);
        crowd
            .jacobian(samples, &table, &p, &mut y, &mut j, None)
            .unwrap();
        assert_eq!(crowd.calls(), 1);
        for m in (0..members).step_by(17) {
            let (mut own_y, mut own_j) = (
                vec![0.0; outputs * samples],
                vec![0.0; outputs * parameters * samples],
            );
            let (mut a, mut b) = (
                StridedMut::columns(&mut own_y, samples),
                StridedMut::columns(&mut own_j, samples),
            );
            let p = &p[m * parameters..(m + 1) * parameters];
            session
                .jacobian(samples, &table, Some(p), Some(&mut a), &mut b, None)
                .unwrap();
            let pairs = [(&own_y, &y), (&own_j, &j)];
            for (own, all) in pairs {
                for (column, all) in own.chunks(samples).zip(all.chunks(rows)) {
                    for (got, wanted) in all[m * samples..].iter().zip(column) {
                        assert!(
                            (got - wanted).abs() <= 1e-12 * wanted.abs().max(1e-3),
                            "{source}: {got} {wanted}"
                        );
                    }
                }
            }
        }
    }
}
