//! Parameters that are transformed, fixed, tied, known beforehand, or members of an array.

mod fitting;

use fitting::{Random, close, complaint, fit, params, prepare, run, samples};
use ncg::graph::PortKind;

const DECAY: &str = "(parameter a 1) (parameter r 0.3) (* a (exp (- (* r x))))";
const LINE: &str = "(parameter a 1) (parameter b 0) (+ (* a x) b)";

fn decay() -> ncg::fit::problem::Data {
    let mut random = Random(1);
    samples(40, 0.0, 5.0, |x| {
        3.0 * (-0.5 * x).exp() + 0.01 * random.normal()
    })
}

#[test]
fn transforms_change_the_way_and_not_the_end() {
    let plain = fit(DECAY, decay(), &[]);
    let bounded = DECAY.replace("(parameter r 0.3)", "(parameter r 0.3 0 2)");
    for optimizer in ["levmar", "lbfgs"] {
        for transform in [
            "a=log",
            "a=log,r=log",
            "r=logit",
            "a=log, r=logit",
            "a=identity",
        ] {
            let settings = [("transform", transform), ("optimizer", optimizer)];
            let fitter = fit(&bounded, decay(), &settings);
            for (got, wanted) in params(&fitter).iter().zip(params(&plain)) {
                close(*got, wanted, 1e-7);
            }
            // errors are of the parameters, whatever moved them
            let (a, b) = (fitter.report().unwrap(), plain.report().unwrap());
            for i in 0..2 {
                close(a.std_error(i).unwrap(), b.std_error(i).unwrap(), 1e-6);
            }
            close(a.outcome.loss, b.outcome.loss, 1e-9);
        }
    }
    let refused = |transform: &str| complaint(DECAY, decay(), &[("transform", transform)]);
    assert!(refused("r=logit").contains("two finite bounds"));
    assert!(refused("r=root").contains("identity, log or logit"));
    assert!(refused("q=log").contains("no parameter \"q\""));
    assert!(refused("r").contains("NAME=..."));
    let negative = DECAY.replace("(parameter a 1)", "(parameter a -1)");
    assert!(complaint(&negative, decay(), &[("transform", "a=log")]).contains("positive"));
}

#[test]
fn a_callback_is_told_values() {
    let mut fitter = prepare(DECAY, decay(), &[("transform", "a=log,r=log")]).unwrap();
    let mut first = None;
    let mut see = |progress: &ncg::fit::Progress| {
        first.get_or_insert(progress.params.to_vec());
        false
    };
    let mut monitor = ncg::fit::Monitor {
        callback: Some(&mut see),
        ..Default::default()
    };
    let never = std::sync::atomic::AtomicBool::new(false);
    fitter.run(&mut monitor, &never).unwrap();
    let first = first.unwrap();
    close(first[0], 1.0, 1e-15);
    close(first[1], 0.3, 1e-15);
}

#[test]
fn a_fixed_parameter_stays() {
    let fitter = fit(DECAY, decay(), &[("fixed", "r")]);
    assert_eq!(fitter.names().len(), 1);
    // linear in a: the sum of products over the sum of squares
    let data = decay();
    let shape: Vec<f64> = data.x.iter().map(|x| (-0.3 * x).exp()).collect();
    let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    close(
        params(&fitter)[0],
        sum(&shape, &data.y) / sum(&shape, &shape),
        1e-12,
    );
    assert!(complaint(DECAY, decay(), &[("fixed", "a, r")]).contains("no parameter is left to fit"));
    let wrong = complaint(DECAY, decay(), &[("fixed", "rr")]);
    assert!(
        wrong.contains("\"fixed\"") && wrong.contains("did you mean"),
        "{wrong}"
    );
}

/// A tie is the same as writing the expression into the program.
#[test]
fn a_tied_parameter_follows() {
    let tied = "(parameter a 1) (parameter r 0.3) (parameter c 0) (+ (* a (exp (- (* r x)))) c)";
    let written = "(parameter a 1) (parameter r 0.3) (define c (* 0.1 (square a) r)) (+ (* a (exp (- (* r x)))) c)";
    for optimizer in ["levmar", "lbfgs"] {
        let settings = [("tie", "c=(* 0.1 (square a) r)"), ("optimizer", optimizer)];
        let got = fit(tied, decay(), &settings);
        let wanted = fit(written, decay(), &[]);
        for (a, b) in params(&got).iter().zip(params(&wanted)) {
            close(*a, b, 1e-7);
        }
        let (a, b) = (got.report().unwrap(), wanted.report().unwrap());
        close(a.std_error(0).unwrap(), b.std_error(0).unwrap(), 1e-6);
        let [p, r] = a.outcome.params[..] else {
            panic!()
        };
        let one = &a.context.tied[0];
        assert_eq!(one.name, "c");
        close(one.value, 0.1 * p * p * r, 1e-12);
        // by hand: the slopes of c are 0.2 a r and 0.1 a²
        let cov = |i: usize| a.statistics.as_ref().unwrap().covariance[i].unwrap();
        let (g, h) = (0.2 * p * r, 0.1 * p * p);
        let variance = g * g * cov(0) + 2.0 * g * h * cov(1) + h * h * cov(3);
        close(one.std_error.unwrap(), variance.sqrt(), 1e-10);
        assert!(a.to_text().contains("tied\n  c = ") && a.to_json()["tied"]["c"]["value"].is_f64());
        let baked = got.bake().unwrap();
        let PortKind::Parameter { initial, .. } = baked
            .graph
            .ports
            .iter()
            .find(|p| &*p.name == "c")
            .unwrap()
            .kind
        else {
            panic!()
        };
        assert_eq!(initial, one.value);
    }
    let refused = |tie: &str| complaint(tied, decay(), &[("tie", tie)]);
    assert!(refused("c=(* 2 zeta)").contains("\"zeta\""));
    assert!(refused("c=(* 2 c)").contains("\"c\""));
    assert!(refused("c=(list a r)").contains("one number"));
    assert!(refused("c=(* 2").contains("the tie of \"c\""));
    assert!(refused("c=a, c=r").contains("already"));
    assert!(complaint(tied, decay(), &[("tie", "c=a"), ("fixed", "c")]).contains("already"));
}

#[test]
fn a_prior_counts_as_an_observation() {
    let mut data = decay();
    data.weights = vec![1e4; 40];
    let settings = [("noise", "known"), ("prior", "r=0.7:0.01, a=3:0.5")];
    for optimizer in ["levmar", "lbfgs"] {
        let fitter = fit(
            DECAY,
            data.clone(),
            &[settings[0], settings[1], ("optimizer", optimizer)],
        );
        // the same as two more outputs of the model, each of its own weight
        let report = fitter.report().unwrap();
        let source = "(parameter a 1) (parameter r 0.3) (if (< x -1) (if (< x -2) a r) (* a (exp (- (* r x)))))";
        let mut more = data.clone();
        more.samples += 2;
        more.x.extend([-1.5, -3.0]);
        more.y.extend([0.7, 3.0]);
        more.weights.extend([1e4, 4.0]);
        let wanted = fit(source, more, &[("noise", "known")]);
        let other = wanted.report().unwrap();
        for i in 0..2 {
            close(report.outcome.params[i], other.outcome.params[i], 1e-7);
            close(
                report.std_error(i).unwrap(),
                other.std_error(i).unwrap(),
                1e-7,
            );
        }
        close(report.outcome.loss, other.outcome.loss, 1e-8);
        assert_eq!(report.observations, 42);
    }
    let refused =
        |prior: &str| complaint(DECAY, data.clone(), &[("noise", "known"), ("prior", prior)]);
    assert!(refused("r=0.7").contains("MEAN:SD") && refused("r=1:0").contains("positive"));
    let relative = complaint(DECAY, decay(), &[("prior", "r=0.7:0.01")]);
    assert!(relative.contains("noise=known"), "{relative}");
}

#[test]
fn the_numbers_of_an_array_move_together() {
    let source = "(input c 3) (+ (ref c 0) (* (ref c 1) x) (* (ref c 2) x x))";
    let data = samples(20, -1.0, 2.0, |x| 1.0 - 2.0 * x + 0.5 * x * x);
    let mut fitter = prepare(source, data.clone(), &[("params", "c.0,c.1,c.2")]).unwrap();
    fitter.add_parameter("c", 0.25, -10.0, 10.0).unwrap();
    run(&mut fitter).unwrap();
    assert_eq!(
        fitter.names().iter().map(|n| &**n).collect::<Vec<_>>(),
        ["c.0", "c.1", "c.2"]
    );
    for (got, wanted) in params(&fitter).iter().zip([1.0, -2.0, 0.5]) {
        close(*got, wanted, 1e-12);
    }
    let mut other = prepare(LINE, data, &[]).unwrap();
    assert!(
        other
            .add_parameter("c", 0.0, -1.0, 1.0)
            .unwrap_err()
            .message
            .contains("no parameter \"c\"")
    );
}
