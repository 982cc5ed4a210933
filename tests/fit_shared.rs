//! Fits that processes share, here as threads: blocks larger than what is evaluated at once, what is refused, and a process that
//! fails between two evaluations. `tests/capi/shared.c` has the rest, through the C ABI.

mod fitting;

use std::sync::atomic::AtomicBool;
use std::sync::{Barrier, Mutex};

use fitting::{Random, close, prepare};
use ncg::fit::Monitor;
use ncg::fit::problem::Data;
use ncg::fit::shared::Blocks;
use ncg::{ErrorKind, Result};

/// Two parameters that move and one that is tied to them.
const SOURCE: &str =
    "(parameter a 1) (parameter r 0.3) (parameter c 0) (+ c (* a (exp (- (* r x)))))";
const SETTINGS: &[(&str, &str)] = &[
    ("tie", "c=(* 0.1 a)"),
    ("prior", "r=0.5:0.2"),
    ("noise", "known"),
];

/// No multiple of the samples that are evaluated at once.
const BLOCKS: Blocks = Blocks {
    count: 3,
    samples: 20_000,
};

fn table() -> (Vec<f64>, Vec<f64>) {
    let mut random = Random(5);
    let count = BLOCKS.count * BLOCKS.samples - 777;
    let x: Vec<f64> = (0..count).map(|i| 1e-4 * i as f64).collect();
    let y = x
        .iter()
        .map(|x| 0.3 + 3.0 * (-0.5 * x).exp() + 0.05 * random.normal());
    let y = y.collect();
    (x, y)
}

fn part((x, y): &(Vec<f64>, Vec<f64>), blocks: std::ops::Range<usize>) -> Data {
    let end = (blocks.end * BLOCKS.samples).min(x.len());
    let samples = blocks.start * BLOCKS.samples..end;
    Data {
        samples: samples.len(),
        x: x[samples.clone()].to_vec(),
        y: y[samples.clone()].to_vec(),
        weights: vec![400.0; samples.len()],
        ..Data::default()
    }
}

/// What each of some processes finds: parameters, covariance, loss.
fn together(
    ranks: usize,
    settings: impl Fn(usize) -> Vec<(String, String)> + Sync,
) -> Vec<Result<Vec<f64>>> {
    let (table, barrier) = (table(), Barrier::new(ranks));
    let all = Mutex::new(vec![Vec::new(); ranks]);
    let rank = |number: usize| -> Result<Vec<f64>> {
        let blocks = BLOCKS.count * number / ranks..BLOCKS.count * (number + 1) / ranks;
        let own = settings(number);
        let own: Vec<(&str, &str)> = own.iter().map(|(k, v)| (&k[..], &v[..])).collect();
        let mut fitter = prepare(SOURCE, part(&table, blocks), &own)?;
        fitter.share(BLOCKS)?;
        let mut gather = |told: &[f64], into: &mut [f64]| {
            all.lock().unwrap()[number] = told.to_vec();
            barrier.wait();
            into.copy_from_slice(&all.lock().unwrap().concat());
            barrier.wait();
            true
        };
        let never = AtomicBool::new(false);
        fitter.run_with(&mut Monitor::default(), &never, Some(&mut gather))?;
        let report = fitter.report()?;
        let mut found = report.outcome.params.clone();
        found.extend(report.std_errors().into_iter().flatten());
        found.push(report.outcome.loss);
        Ok(found)
    };
    let rank = &rank;
    std::thread::scope(|scope| {
        let ranks: Vec<_> = (0..ranks)
            .map(|number| scope.spawn(move || rank(number)))
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn plain(_: usize) -> Vec<(String, String)> {
    SETTINGS
        .iter()
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .collect()
}

#[test]
fn blocks_larger_than_what_is_evaluated_at_once_give_the_same_digits_from_any_number_of_processes()
{
    let alone = fitting::fit(SOURCE, part(&table(), 0..BLOCKS.count), SETTINGS);
    let report = alone.report().unwrap();
    let mut wanted = report.outcome.params.clone();
    wanted.extend(report.std_errors().into_iter().flatten());
    wanted.push(report.outcome.loss);
    let one = together(1, plain).remove(0).unwrap();
    assert_eq!(one.len(), wanted.len());
    for (one, wanted) in one.iter().zip(&wanted) {
        close(*one, *wanted, 1e-8);
    }
    for ranks in 2..=BLOCKS.count {
        for found in together(ranks, plain) {
            assert_eq!(found.unwrap(), one, "{ranks} processes");
        }
    }
}

#[test]
fn a_process_that_cannot_write_its_checkpoint_lets_no_other_wait() {
    let found = together(3, |number| {
        let mut own = plain(number);
        if number == 1 {
            own.push(("checkpoint".into(), "/nowhere/at/all".into()));
            own.push(("checkpoint_seconds".into(), "0".into()));
        }
        own
    });
    for (number, found) in found.into_iter().enumerate() {
        let error = found.unwrap_err();
        assert_eq!(
            error.message.contains("/nowhere/at/all"),
            number == 1,
            "{error}"
        );
        assert_eq!(error.kind == ErrorKind::Engine, number != 1, "{error}");
    }
}

#[test]
fn what_does_not_go_with_a_shared_fit_is_refused_by_name() {
    let small = || part(&table(), 2..3);
    for (settings, named) in [
        (("window", "8"), "window"),
        (("hops", "3"), "hops=0"),
        (("starts", "3"), "starts=1"),
        (("profile", "true"), "profile=false"),
        (("max_seconds", "9"), "max_seconds"),
        (("loss", "huber"), "loss=squares"),
        (("optimizer", "lbfgs"), "optimizer=levmar"),
    ] {
        let mut fitter = prepare(SOURCE, small(), &[settings]).unwrap();
        let error = fitter.share(BLOCKS).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(error.message.contains(named), "{error}");
    }
    let mut fitter = prepare(SOURCE, small(), &[]).unwrap();
    let noise = fitter.noise();
    fitter.share(BLOCKS).unwrap();
    let error = fitter.add_data(small(), noise).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.message.contains("added to a shared fit"), "{error}");
    let error = fitting::run(&mut fitter).unwrap_err();
    assert!(error.message.contains("nothing gathers"), "{error}");
}
