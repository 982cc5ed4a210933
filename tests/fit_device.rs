//! Fits whose data stay where ONNX Runtime computes: they are copied once, an evaluation brings sums back, and the results are
//! those of fits that look at every residual. Without a GPU the option `resident=on` takes the same way on the processor.

mod fitting;

use std::path::Path;

use fitting::{Random, close, fit, params, prepare, run, samples};
use ncg::engine::ort::probe;
use ncg::fit::fitter::Fitter;
use ncg::fit::problem::Data;

const LINE: &str = "(parameter a 1) (parameter b 0) (+ (* a x) b)";
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

fn with<'a>(
    settings: &[(&'a str, &'a str)],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    [settings, more].concat()
}

/// The same fit with the data where ONNX Runtime computes, and without.
fn both(source: &str, data: &Data, settings: &[(&str, &str)]) -> [Fitter; 2] {
    ["on", "off"].map(|resident| {
        let more = [("engine", "onnxruntime"), ("resident", resident)];
        fit(source, data.clone(), &with(settings, &more))
    })
}

/// Parameters, standard errors and loss agree.
fn agree(what: &str, [kept, moved]: &[Fitter; 2], tolerance: f64) {
    let (a, b) = (kept.report().unwrap(), moved.report().unwrap());
    let near = |got: f64, wanted: f64, part: &str| {
        let size = wanted.abs().max(1e-6);
        assert!(
            (got - wanted).abs() <= tolerance * size,
            "{what}: {part} {got} is not {wanted}"
        );
    };
    for i in 0..a.names.len() {
        near(a.outcome.params[i], b.outcome.params[i], &a.names[i]);
        assert_eq!(a.std_error(i).is_some(), b.std_error(i).is_some(), "{what}");
        if let (Some(got), Some(wanted)) = (a.std_error(i), b.std_error(i)) {
            near(got, wanted, "a standard error");
        }
    }
    near(a.outcome.loss, b.outcome.loss, "the loss");
    assert!(kept.traffic().calls > 0, "{what}: nothing was reduced");
    assert_eq!(moved.traffic().calls, 0, "{what}");
}

/// A line with noise, weights that differ, and every eighth observation far off.
fn spoilt(weighted: bool) -> Data {
    let (mut random, mut i) = (Random(7), 0);
    let data = samples(80, 0.0, 10.0, |x| {
        i += 1;
        let outlier = if i % 8 == 0 { 30.0 } else { 0.0 };
        2.0 * x - 1.0 + 0.1 * random.normal() + outlier
    });
    Data {
        weights: match weighted {
            true => (0..80).map(|i| 0.5 + 0.25 * f64::from(i % 5)).collect(),
            false => vec![],
        },
        ..data
    }
}

/// The observations of a problem of NIST: y and x.
fn nist(name: &str) -> Data {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/nist/{name}.dat"));
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().skip(60).filter(|line| !line.trim().is_empty());
    let rows: Vec<Vec<f64>> = rows
        .map(|line| {
            line.split_whitespace()
                .map(|w| w.parse().unwrap())
                .collect()
        })
        .collect();
    Data {
        samples: rows.len(),
        y: rows.iter().map(|row| row[0]).collect(),
        x: rows.iter().map(|row| row[1]).collect(),
        ..Data::default()
    }
}

/// The triangle that the device makes has the digits that certified standard errors ask for.
#[test]
fn certified_values_come_out_of_triangles_of_the_device() {
    if !have_runtime("certified_values_come_out_of_triangles_of_the_device") {
        return;
    }
    let hahn = "(parameter b1 1) (parameter b2 -0.1) (parameter b3 0.005) (parameter b4 -0.000001) (parameter b5 -0.005)
        (parameter b6 0.0001) (parameter b7 -0.0000001)
        (/ (+ b1 (* b2 x) (* b3 x x) (* b4 x x x)) (+ 1 (* b5 x) (* b6 x x) (* b7 x x x)))";
    let cases: [(&str, &str, &[[f64; 2]], f64); 2] = [
        (
            "Misra1a",
            "(parameter b1 500) (parameter b2 0.0001) (* b1 (- 1 (exp (- (* b2 x)))))",
            &[
                [2.3894212918e2, 2.7070075241],
                [5.5015643181e-4, 7.2668688436e-6],
            ],
            1.2455138894e-1,
        ),
        (
            "Hahn1",
            hahn,
            &[
                [1.0776351733, 1.7070154742e-1],
                [-1.2269296921e-1, 1.2000289189e-2],
                [4.0863750610e-3, 2.2508314937e-4],
                [-1.4262662514e-6, 2.7578037666e-7],
                [-5.7609940901e-3, 2.4712888219e-4],
                [2.4053735503e-4, 1.0449373768e-5],
                [-1.2314450199e-7, 1.3027335327e-8],
            ],
            1.5324382854,
        ),
    ];
    for (name, source, certified, loss) in cases {
        for chunk in ["16384", "64"] {
            let settings = [
                ("engine", "onnxruntime"),
                ("resident", "on"),
                ("chunk", chunk),
            ];
            let fitter = fit(source, nist(name), &settings);
            let report = fitter.report().unwrap();
            for (i, [value, error]) in certified.iter().enumerate() {
                close(report.outcome.params[i], *value, 1e-7);
                close(report.std_error(i).unwrap(), *error, 1e-6);
            }
            close(report.outcome.loss, loss, 1e-9);
            assert!(fitter.traffic().calls > 0);
        }
    }
}

#[test]
fn every_loss_and_optimiser_finds_the_same_with_data_on_the_device() {
    if !have_runtime("every_loss_and_optimiser_finds_the_same_with_data_on_the_device") {
        return;
    }
    for weighted in [false, true] {
        let data = spoilt(weighted);
        for optimizer in ["levmar", "lbfgs", "adam"] {
            for loss in ["squares", "huber", "soft_l1", "cauchy", "tukey"] {
                let settings = [
                    ("loss", loss),
                    ("loss_scale", "0.3"),
                    ("optimizer", optimizer),
                    ("learning_rate", "0.1"),
                    ("chunk", "32"),
                ];
                let fits = both(LINE, &data, &settings);
                agree(&format!("{optimizer} {loss} {weighted}"), &fits, 1e-6);
            }
        }
    }
    let mut random = Random(11);
    let counts = samples(200, 0.0, 6.0, |x| random.count(9.0 * (-0.4 * x).exp()));
    for optimizer in ["levmar", "lbfgs"] {
        let settings = [
            ("loss", "poisson"),
            ("optimizer", optimizer),
            ("chunk", "64"),
        ];
        agree("poisson", &both(DECAY, &counts, &settings), 1e-6);
    }
    let normal = samples(200, 0.0, 6.0, |x| 2.0 * x + 0.3 * random.normal());
    let scatter = "(parameter a 1) (parameter s 1 0.01 100) (list (* a x) s)";
    let gaussian = [("loss", "gaussian"), ("chunk", "64")];
    agree("gaussian", &both(scatter, &normal, &gaussian), 1e-5);
    let own = "(input x) (input y) (parameter a 1) (parameter b 0) (sqrt (+ 0.01 (square (- y (+ (* a x) b)))))";
    let line = spoilt(false);
    let pairs = Data {
        samples: 80,
        x: [line.x, line.y].concat(),
        ..Data::default()
    };
    agree("value", &both(own, &pairs, &[("loss", "value")]), 1e-5);
}

#[test]
fn transforms_ties_priors_outputs_and_loops_go_with_it() {
    if !have_runtime("transforms_ties_priors_outputs_and_loops_go_with_it") {
        return;
    }
    let mut random = Random(3);
    let data = samples(100, 0.0, 5.0, |x| {
        3.0 * (-0.7 * x).exp() + 0.01 * random.normal()
    });
    let known = Data {
        weights: vec![1e4; 100],
        ..data.clone()
    };
    let cases: [(&str, &[(&str, &str)]); 5] = [
        (DECAY, &[("transform", "a=log,r=log")]),
        (DECAY, &[("tie", "r=(/ a 4.3)")]),
        (DECAY, &[("fixed", "a")]),
        (DECAY, &[("prior", "r=0.8:0.01"), ("noise", "known")]),
        (
            DECAY,
            &[
                ("tie", "r=(/ a 4.3)"),
                ("transform", "a=log"),
                ("prior", "a=3:0.1"),
                ("noise", "known"),
            ],
        ),
    ];
    for (source, settings) in cases {
        let prior = settings.iter().any(|(name, _)| *name == "prior");
        let data = if prior { &known } else { &data };
        for optimizer in ["levmar", "lbfgs"] {
            let settings = with(settings, &[("optimizer", optimizer), ("chunk", "30")]);
            agree(
                &format!("{settings:?}"),
                &both(source, data, &settings),
                1e-6,
            );
        }
    }
    // two outputs, one of which does not see the samples in all its derivatives
    let two = "(parameter a 1) (parameter b 1) (parameter c 0.5) (list (+ (* a x) b) (* c (exp (- x)) b))";
    let first = samples(40, 0.0, 3.0, |x| 2.0 * x + 1.5 + 0.01 * random.normal());
    let outputs = Data {
        y: [
            first.y.clone(),
            first.x.iter().map(|x| 0.9 * (-x).exp()).collect(),
        ]
        .concat(),
        ..first
    };
    for chunk in ["7", "16384"] {
        agree(
            "two outputs",
            &both(two, &outputs, &[("chunk", chunk)]),
            1e-7,
        );
    }
    // loops of a known and an unknown number of iterations
    let counted = "(parameter k 0.5) (let loop ((i 0) (y x)) (if (= i 5) y (loop (+ i 1) (+ y (* 0.1 k (- 1 y))))))";
    let open = "(parameter k 0.5) (let loop ((y (+ x 0.1))) (if (> y 3) y (loop (* y (+ 1.1 k)))))";
    for source in [counted, open] {
        let data = samples(50, 0.0, 2.0, |x| match source == counted {
            true => (0..5).fold(x, |y, _| y + 0.1 * 0.7 * (1.0 - y)),
            false => {
                let mut y = x + 0.1;
                while y <= 3.0 {
                    y *= 1.1 + 0.52;
                }
                y
            }
        });
        agree("a loop", &both(source, &data, &[("chunk", "20")]), 1e-6);
    }
    let endless = "(parameter k 0.5) (let loop ((y x)) (if (< y -1) (* k y) (loop (+ y 1))))";
    let settings = [
        ("engine", "onnxruntime"),
        ("resident", "on"),
        ("max_steps", "50"),
    ];
    let data = samples(10, 0.0, 1.0, |x| x);
    let mut fitter = prepare(endless, data, &settings).unwrap();
    let message = run(&mut fitter).unwrap_err().message;
    assert!(message.contains("more than 50 iterations"), "{message}");
}

/// Single precision: the model's numbers are those of f32, the sums of f64.
#[test]
fn single_precision_comes_near() {
    if !have_runtime("single_precision_comes_near") {
        return;
    }
    let data = samples(1000, 0.0, 5.0, |x| 3.0 * (-0.7 * x).exp());
    for optimizer in ["levmar", "lbfgs"] {
        let settings = [
            ("engine", "onnxruntime"),
            ("resident", "on"),
            ("dtype", "f32"),
            ("optimizer", optimizer),
        ];
        let p = params(&fit(DECAY, data.clone(), &settings));
        close(p[0], 3.0, 1e-5);
        close(p[1], 0.7, 1e-5);
    }
}

/// The columns of the data go to the device once, however many iterations there are and whatever is asked for afterwards; an
/// evaluation brings back a triangle, or a gradient.
#[test]
fn data_are_copied_once_for_a_fit() {
    if !have_runtime("data_are_copied_once_for_a_fit") {
        return;
    }
    let mut random = Random(5);
    let data = Data {
        weights: (0..80).map(|i| 0.5 + 0.25 * f64::from(i % 5)).collect(),
        ..samples(80, 0.0, 10.0, |x| 2.0 * x - 1.0 + 0.1 * random.normal())
    };
    for (optimizer, width) in [("levmar", 6), ("lbfgs", 2), ("adam", 2)] {
        let settings = [
            ("engine", "onnxruntime"),
            ("resident", "on"),
            ("optimizer", optimizer),
            ("max_iterations", "40"),
            (
                "profile",
                if optimizer == "levmar" {
                    "true"
                } else {
                    "false"
                },
            ),
            ("chunk", "32"),
        ];
        let mut fitter = prepare(LINE, data.clone(), &settings).unwrap();
        assert_eq!(fitter.traffic().copies, 0);
        run(&mut fitter).unwrap();
        fitter.report().unwrap();
        let (first, chunks) = (fitter.traffic(), 3);
        // x, y and the weights
        assert_eq!(first.copies, 3 * chunks, "{optimizer}");
        let evaluations = fitter.outcome().unwrap().evaluations;
        assert!(first.calls >= evaluations * chunks, "{optimizer} {first:?}");
        assert!(
            first.numbers <= first.calls * (width + 1).max(7),
            "{optimizer} {first:?}"
        );
        // a fit that goes on finds them there; other data are copied anew
        run(&mut fitter).unwrap();
        assert_eq!(fitter.traffic().copies, first.copies, "{optimizer}");
        assert!(fitter.traffic().calls > first.calls);
        let noise = fitter.noise();
        fitter.set_data(data.clone(), noise).unwrap();
        run(&mut fitter).unwrap();
        assert_eq!(fitter.traffic().copies, 2 * first.copies, "{optimizer}");
    }
    // of rows that are added, those before are copied with them
    let settings = [("engine", "onnxruntime"), ("resident", "on")];
    let mut fitter = prepare(LINE, data.clone(), &settings).unwrap();
    run(&mut fitter).unwrap();
    let noise = fitter.noise();
    fitter.add_data(data.clone(), noise).unwrap();
    run(&mut fitter).unwrap();
    let mut twice = prepare(LINE, data.clone(), &[("engine", "native")]).unwrap();
    twice.add_data(data, noise).unwrap();
    run(&mut twice).unwrap();
    for (got, wanted) in params(&fitter).iter().zip(params(&twice)) {
        close(*got, wanted, 1e-9);
    }
}

/// What is not finite at the start is named, row and all, as without.
#[test]
fn a_start_that_is_not_finite_is_named() {
    if !have_runtime("a_start_that_is_not_finite_is_named") {
        return;
    }
    let source = "(parameter a 1) (* a (log x))";
    let data = samples(10, -1.0, 1.0, |x| x);
    let message = |resident: &str| {
        let settings = [("engine", "onnxruntime"), ("resident", resident)];
        let mut fitter = prepare(source, data.clone(), &settings).unwrap();
        run(&mut fitter).unwrap_err().message
    };
    assert!(message("on").contains("row 0"), "{}", message("on"));
    assert_eq!(message("on"), message("off"));
}

/// A covariance of the data goes the way of residuals, and says nothing wrong.
#[test]
fn a_covariance_is_not_reduced_there() {
    if !have_runtime("a_covariance_is_not_reduced_there") {
        return;
    }
    let data = samples(12, 0.0, 2.0, |x| 2.0 * x + 0.5 + 0.01 * (5.0 * x).sin());
    let mut covariance = vec![0.0; 144];
    for i in 0..12 {
        covariance[i * 13] = 1e-4 * (1.0 + i as f64);
    }
    let settings = [("engine", "onnxruntime"), ("resident", "on")];
    let mut fitter = prepare(LINE, data, &settings).unwrap();
    fitter.set_covariance(&covariance).unwrap();
    run(&mut fitter).unwrap();
    assert_eq!(fitter.traffic().calls, 0);
    assert!(fitter.outcome().unwrap().stop.converged());
}
