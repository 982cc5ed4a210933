//! Fits that processes share, here as threads: blocks larger than what is evaluated at once, what is refused, and a process that
//! fails between two evaluations. `tests/capi/shared.c` has the rest, through the C ABI.

mod fitting;

use std::sync::atomic::AtomicBool;
use std::sync::{Barrier, Mutex};

use fitting::{Random, close, prepare, without_data};
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

/// The blocks of a process.
fn held(number: usize, ranks: usize) -> std::ops::Range<usize> {
    BLOCKS.count * number / ranks..BLOCKS.count * (number + 1) / ranks
}

/// What each of some processes finds: parameters, covariance, loss.
fn together(
    ranks: usize,
    settings: impl Fn(usize) -> Vec<(String, String)> + Sync,
) -> Vec<Result<Vec<f64>>> {
    let table = table();
    together_with(ranks, settings, |number| {
        Some(part(&table, held(number, ranks)))
    })
}

/// The same with other data than those of the blocks, or none.
fn together_with(
    ranks: usize,
    settings: impl Fn(usize) -> Vec<(String, String)> + Sync,
    data: impl Fn(usize) -> Option<Data> + Sync,
) -> Vec<Result<Vec<f64>>> {
    let barrier = Barrier::new(ranks);
    let all = Mutex::new(vec![Vec::new(); ranks]);
    let rank = |number: usize| -> Result<Vec<f64>> {
        let own = settings(number);
        let own: Vec<(&str, &str)> = own.iter().map(|(k, v)| (&k[..], &v[..])).collect();
        let mut fitter = without_data(SOURCE, &own)?;
        if let Some(data) = data(number) {
            let noise = fitter.noise();
            fitter.set_data(data, noise)?;
        }
        fitter.share(BLOCKS)?;
        let mut gather = |told: &[f64], into: &mut [f64]| {
            all.lock().unwrap()[number] = told.to_vec();
            barrier.wait();
            // each in its place, whatever it holds; what does not fit at the end is lost
            let each = into.len() / BLOCKS.count;
            for (number, told) in all.lock().unwrap().iter().enumerate() {
                let into = &mut into[each * held(number, ranks).start..];
                let fits = told.len().min(into.len());
                into[..fits].copy_from_slice(&told[..fits]);
            }
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
fn a_process_whose_data_are_missing_or_no_whole_blocks_lets_no_other_wait() {
    let table = table();
    let cut = |from: usize, to: usize| {
        let data = part(&table, 0..BLOCKS.count);
        Data {
            samples: to - from,
            x: data.x[from..to].to_vec(),
            y: data.y[from..to].to_vec(),
            weights: data.weights[from..to].to_vec(),
            ..Data::default()
        }
    };
    let (each, all) = (BLOCKS.samples, table.0.len());
    // who has what instead of its own, and what that one and the others are told
    let failed = "another process of this fit has failed";
    let other = "more or fewer samples than its blocks";
    let short = "instead of 20000; only the last";
    let cases: [(usize, usize, Option<Data>, &str, &str); 10] = [
        (3, 0, None, "no data yet", failed),
        (2, 1, None, "no data yet", failed),
        (3, 2, None, "no data yet", failed),
        // a sample is missing, or a block
        (3, 1, Some(cut(each, 2 * each - 1)), short, short),
        (2, 1, Some(cut(each, 2 * each)), "missing", "missing"),
        // one sample more, which is a block more
        (3, 0, Some(cut(0, each + 1)), other, other),
        (3, 1, Some(cut(each, 2 * each + 1)), other, other),
        (2, 1, Some(cut(0, all)), "more blocks", "more blocks"),
        (3, 2, Some(cut(0, each + 1)), "more blocks", "more blocks"),
        (
            2,
            0,
            Some(Data {
                samples: 4 * each,
                x: vec![1.0; 4 * each],
                y: vec![1.0; 4 * each],
                ..Data::default()
            }),
            "4 blocks of 20000; all processes together have 3",
            failed,
        ),
    ];
    for (case, (ranks, number, data, own, others)) in cases.into_iter().enumerate() {
        let found = together_with(ranks, plain, |rank| match rank == number {
            true => data.clone(),
            false => Some(part(&table, held(rank, ranks))),
        });
        for (rank, found) in found.into_iter().enumerate() {
            let error = found.unwrap_err();
            let wanted = if rank == number { own } else { others };
            assert!(error.message.contains(wanted), "{case}, {rank}: {error}");
        }
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
