//! Fits that begin at many starts, that are stopped and taken up again, and what they leave in a model.

mod fitting;

use std::path::Path;
use std::sync::Arc;

use fitting::{Random, close, fit, params, prepare, run, samples};
use ncg::compile::Model;
use ncg::document;
use ncg::fit::loss::Loss;
use ncg::fit::mapping::{Mapped, Mapping, Prior, Space, Tie, Transform};
use ncg::fit::problem::{Data, Problem};
use ncg::fit::{Bounds, Monitor, Outcome, Settings, Stop, levmar};
use ncg::options::Options;
use ncg::session::Session;

const DECAY: &str = "(parameter a 1) (parameter r 0.3) (* a (exp (- (* r x))))";
const WAVE: &str = "(parameter a 1 0.1 10) (parameter w 1 0.1 12) (* a (sin (* w x)))";

fn decay() -> Data {
    let mut random = Random(1);
    samples(40, 0.0, 5.0, |x| {
        3.0 * (-0.5 * x).exp() + 0.01 * random.normal()
    })
}

/// A frequency has a minimum of its own for nearly every wave that the data hold.
fn wave() -> Data {
    samples(64, 0.0, 6.0, |x| 2.0 * (7.3 * x).sin())
}

#[test]
fn many_starts_find_what_one_does_not() {
    let one = fit(WAVE, wave(), &[]);
    assert!(one.outcome().unwrap().loss > 10.0);
    let settings = [("starts", "200"), ("seed", "1")];
    let many = fit(WAVE, wave(), &settings);
    close(params(&many)[0], 2.0, 1e-9);
    close(params(&many)[1], 7.3, 1e-9);
    let report = many.report().unwrap();
    assert!(report.context.ends.len() > 1 && report.context.ends[0].0 < report.context.ends[1].0);
    assert_eq!(report.to_json()["starts"], 200);
    assert!(report.to_text().contains("200 starts"));
    // seeded: the same again, to the bit
    let again = fit(WAVE, wave(), &settings);
    assert_eq!(params(&again), params(&many));
    assert_eq!(again.report().unwrap().context.ends, report.context.ends);
    let lbfgs = fit(WAVE, wave(), &[settings[0], ("optimizer", "lbfgs")]);
    close(params(&lbfgs)[1], 7.3, 1e-6);
}

/// A rough line: a sawtooth of valleys over a wide slope, on which a fit from one start is caught.
const ROUGH: &str = "(parameter a 8 -10 10) (parameter b 7 -10 10) (list (+ a (* 0.7 (sin (* 9 a)))) (+ b (* 0.7 (sin (* 9 b)))))";

fn rough() -> Data {
    Data {
        samples: 1,
        y: vec![1.0, -2.0],
        ..Data::default()
    }
}

#[test]
fn hops_leave_the_valley_that_a_fit_is_caught_in() {
    let one = fit(ROUGH, rough(), &[]);
    assert!(one.outcome().unwrap().loss > 1.0);
    let settings = [("hops", "200"), ("seed", "3")];
    let many = fit(ROUGH, rough(), &settings);
    assert!(many.outcome().unwrap().loss < 1e-20, "{:?}", many.outcome());
    assert!(many.outcome().unwrap().evaluations > one.outcome().unwrap().evaluations);
    assert_eq!(params(&fit(ROUGH, rough(), &settings)), params(&many));
    let other = fit(ROUGH, rough(), &[settings[0], ("seed", "4")]);
    assert!(other.outcome().unwrap().loss < 1e-20);
}

/// All starts in one call take the steps that each takes alone, to the bit: with weights, a tie, a prior, two outputs, starts
/// without a value, and more members than fit in one call.
#[test]
fn starts_in_lockstep_are_those_of_one_at_a_time() {
    let source = "(parameter a 1) (parameter g 0.3) (parameter w 2) (parameter c 1) (list (* a (exp (- (* g t))) (cos (* w t))) (* c (sqrt (+ w 3)) t))";
    let mut data = samples(64, 0.0, 5.0, |t| 1.4 * (-0.2 * t).exp() * (2.2 * t).cos());
    data.y.extend((0..64).map(|i| 0.2 * i as f64));
    data.weights = (0..128).map(|i| 1.0 + (i % 3) as f64).collect();
    let model = Arc::new(Model::compile(source, &Options::new()).unwrap());
    let mut options = Options::new();
    options.set_str("engine", "native").unwrap();
    let mapping = || Mapping {
        transforms: vec![Transform::Log, Transform::Identity, Transform::Identity],
        bounds: Bounds::free(3),
        ties: vec![Tie::new("c", "(* 2 a)", &|name| (name == "a").then_some(Ok(0))).unwrap()],
        priors: vec![Prior {
            place: 2,
            mean: 2.0,
            sd: 0.5,
        }],
        prior_weight: 1.0,
        summary: None,
    };
    let mut random = Random(2);
    let starts: Vec<Vec<f64>> = (0..300)
        .map(|_| {
            vec![
                random.normal(),
                random.uniform(),
                8.0 * random.uniform() - 4.0,
            ]
        })
        .collect();
    let settings = Settings {
        max_iterations: Some(15),
        restarts: 0,
        ..Settings::default()
    };
    let fixed = [1.0, 0.3, 2.0, 1.0];
    let (mut one, mut all) = (
        Session::<f64>::new(model.clone(), &options).unwrap(),
        Session::<f64>::new(model, &options).unwrap(),
    );
    let loss = Loss::default();
    let free = [0, 1, 2, 3];
    let mut first = Problem::new(&mut all, &data, (&fixed, &free), loss, None).unwrap();
    let mut own = mapping();
    let mut crowd = Mapped::new(&mut first, &mut own, Space::Coordinates);
    let quiet = &mut Monitor::default();
    let bounds = Bounds::free(3);
    let together = levmar::lockstep(&mut crowd, &starts, &bounds, &settings, quiet).unwrap();
    let mut problem = Problem::new(&mut one, &data, (&fixed, &free), loss, None).unwrap();
    let mut failed = 0;
    for (start, got) in starts.iter().zip(together) {
        let mut own = mapping();
        let mut alone = Mapped::new(&mut problem, &mut own, Space::Coordinates);
        let wanted = levmar::fit(&mut alone, start, &bounds, &settings, quiet);
        match (got, wanted) {
            (Ok(got), Ok(wanted)) => {
                let seconds = got.seconds;
                assert_eq!(got, Outcome { seconds, ..wanted }, "{start:?}");
            }
            (Err(got), Err(wanted)) => {
                assert_eq!(got.message, wanted.message);
                failed += 1;
            }
            (got, wanted) => panic!("{start:?}: {got:?} {wanted:?}"),
        }
    }
    assert!(failed > 10 && failed < 200, "{failed}");
}

#[test]
fn starts_without_a_value_are_passed_over() {
    let source = "(parameter k 1 -20 20) (parameter b 0 -1 1) (+ b (sqrt (* k x)))";
    let data = samples(20, 0.1, 2.0, |x| 0.5 + (6.0 * x).sqrt());
    let fitter = fit(source, data, &[("starts", "30")]);
    close(params(&fitter)[0], 6.0, 1e-9);
}

/// What is written on the way is a state of the fit: taken up by another, it ends with the same bits.
#[test]
fn checkpoints_are_written_on_the_way() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("checkpoints");
    std::fs::create_dir_all(&folder).unwrap();
    for optimizer in ["levmar", "lbfgs", "adam"] {
        let path = folder.join(optimizer);
        let _ = std::fs::remove_file(&path);
        let plain = [("optimizer", optimizer), ("learning_rate", "0.05")];
        let saved = [
            ("checkpoint", path.to_str().unwrap()),
            ("checkpoint_seconds", "0"),
        ];
        let whole = fit(DECAY, decay(), &[plain, saved].concat());
        let text = std::fs::read_to_string(&path).unwrap();
        let mut resumed = prepare(DECAY, decay(), &plain).unwrap();
        resumed.resume(&text).unwrap();
        run(&mut resumed).unwrap();
        assert_eq!(params(&resumed), params(&whole), "{optimizer}");
        let before = whole.outcome().unwrap().iterations;
        assert_eq!(resumed.outcome().unwrap().iterations, before);
        // nothing but the file itself is left
        let left = std::fs::read_dir(&folder).unwrap().count();
        assert!(left <= 3, "{left}");
    }
    let nowhere = [
        ("checkpoint", "/nowhere/state"),
        ("checkpoint_seconds", "0"),
    ];
    let mut fitter = prepare(DECAY, decay(), &nowhere).unwrap();
    assert!(run(&mut fitter).unwrap_err().message.contains("/nowhere"));
}

#[test]
fn a_fit_goes_on_from_a_checkpoint_with_the_same_bits() {
    for optimizer in ["levmar", "lbfgs", "adam"] {
        let settings = [
            ("optimizer", optimizer),
            ("transform", "a=log"),
            ("learning_rate", "0.05"),
        ];
        let whole = fit(DECAY, decay(), &settings);
        let limited = [
            settings[0],
            settings[1],
            settings[2],
            ("max_iterations", "2"),
        ];
        let many = [
            settings[0],
            settings[1],
            settings[2],
            ("max_iterations", "700"),
        ];
        let limited = if optimizer == "adam" { many } else { limited };
        let mut text = prepare(DECAY, decay(), &limited)
            .unwrap()
            .checkpoint()
            .unwrap();
        for _ in 0..100 {
            // each part in a fitter of its own, as after the end of a process
            let mut part = prepare(DECAY, decay(), &limited).unwrap();
            part.resume(&text).unwrap();
            let stop = run(&mut part).unwrap();
            text = part.checkpoint().unwrap();
            if stop != Stop::MaxIterations {
                let (a, b) = (part.outcome().unwrap(), whole.outcome().unwrap());
                assert_eq!(a.params, b.params, "{optimizer}");
                assert_eq!(a.loss.to_bits(), b.loss.to_bits());
                assert_eq!(a.iterations, b.iterations);
                break;
            }
        }
        let mut last = prepare(DECAY, decay(), &settings).unwrap();
        last.resume(&text).unwrap();
        run(&mut last).unwrap();
        assert_eq!(params(&last).len(), 2, "{optimizer}");
    }
}

#[test]
fn a_checkpoint_of_another_fit_is_refused() {
    let fitter = fit(DECAY, decay(), &[]);
    let text = fitter.checkpoint().unwrap();
    let refused = |source: &str, data: Data, settings: &[(&str, &str)], text: &str| {
        let mut other = prepare(source, data, settings).unwrap();
        other.resume(text).unwrap_err().message
    };
    let mut data = decay();
    data.y[7] += 1e-15 + data.y[7] * 1e-15;
    assert!(refused(DECAY, data, &[], &text).contains("other data"));
    let model = DECAY.replace("0.3", "0.31");
    assert!(refused(&model, decay(), &[], &text).contains("another model"));
    assert!(refused(DECAY, decay(), &[("fixed", "r")], &text).contains("other parameters"));
    assert!(
        refused(DECAY, decay(), &[("optimizer", "lbfgs")], &text).contains("another optimizer")
    );
    // every prefix and every damaged byte ends in an error or a checkpoint
    let mut random = Random(2);
    for cut in 0..text.len() - 1 {
        let mut bytes = text.clone().into_bytes();
        assert!(refused(DECAY, decay(), &[], &text[..cut]).contains("checkpoint"));
        bytes[cut] = (random.bits() % 128) as u8;
        if let Ok(damaged) = String::from_utf8(bytes) {
            let mut other = prepare(DECAY, decay(), &[]).unwrap();
            if other.resume(&damaged).is_ok() {
                let _ = run(&mut other);
            }
        }
    }
}

#[test]
fn the_fitted_model_carries_its_fit_in_every_format() {
    let source = "; decay\n(parameter a 1 0 10) ; amplitude\n(* a (exp (- (* r x))))\n";
    let fitter = fit(source, decay(), &[("params", "r=0.3")]);
    let baked = fitter.bake().unwrap();
    let scheme = document::scheme(&baked, Path::new("model.scm")).unwrap();
    assert!(
        scheme.contains("; decay") && scheme.contains("; amplitude"),
        "{scheme}"
    );
    let onnx = ncg::onnx::write(&baked, &Options::new()).unwrap();
    let ncg = ncg::ncg::write(&baked).unwrap();
    for bytes in [scheme.as_bytes(), &onnx, ncg.as_bytes()] {
        let read = document::parse(bytes, &Options::new()).unwrap();
        assert_eq!(read.fit, baked.fit);
        let report: serde_json::Value = serde_json::from_str(read.fit.as_deref().unwrap()).unwrap();
        assert_eq!(report["data_hash"], fitter.data_hash());
        assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
        assert!(report["covariance"][0][1].is_f64());
        let mut names: Vec<&str> = read.graph.ports.iter().map(|port| &*port.name).collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "r", "x"]);
        for port in &baked.graph.ports {
            assert!(read.graph.ports.contains(port), "{port:?}");
        }
    }
    // written twice is written once
    let again = document::parse(scheme.as_bytes(), &Options::new()).unwrap();
    assert_eq!(
        document::scheme(&again, Path::new("model.scm")).unwrap(),
        scheme
    );
    let number = fit("(* 2.5 x)", decay(), &[("literals", "all")]);
    let refused = document::scheme(&number.bake().unwrap(), Path::new("model.scm"))
        .unwrap_err()
        .message;
    assert!(refused.contains("write .ncg"), "{refused}");
}
