//! Fits of rows that come one after the other: in a window nothing is lost for linear models, little for others, and memory does not
//! grow with the rows. Blocks of large data give what one block gives.

mod fitting;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use fitting::{Random, close, params, run};
use ncg::compile::Model;
use ncg::fit::fitter::Fitter;
use ncg::fit::problem::Data;
use ncg::options::Options;

/// Counts bytes; the tests of this file take turns, so that each sees its own.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The most bytes above those at the start.
fn peak(work: impl FnOnce()) -> usize {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    work();
    PEAK.load(Ordering::Relaxed) - before
}

fn fitter(source: &str, settings: &[(&str, &str)]) -> Fitter {
    let mut options = Options::new();
    options.set_str("engine", "native").unwrap();
    for (name, value) in settings {
        options.set(name, value).unwrap();
    }
    let model = Arc::new(Model::compile(source, &options).unwrap());
    Fitter::new(model, &options).unwrap()
}

/// Rows of inputs and targets: `f` gives those of a sample.
fn rows(count: usize, inputs: usize, mut f: impl FnMut() -> Vec<f64>) -> Data {
    let all: Vec<Vec<f64>> = (0..count).map(|_| f()).collect();
    let column = |i: usize| all.iter().map(move |row| row[i]);
    let width = all[0].len();
    Data {
        samples: count,
        x: (0..inputs).flat_map(column).collect(),
        y: (inputs..width).flat_map(column).collect(),
        ..Data::default()
    }
}

/// Samples `from` to `to`.
fn part(data: &Data, from: usize, to: usize) -> Data {
    let cut = |all: &[f64]| {
        let columns = all.chunks_exact(data.samples);
        columns.flat_map(|c| c[from..to].to_vec()).collect()
    };
    Data {
        samples: to - from,
        x: cut(&data.x),
        y: cut(&data.y),
        weights: cut(&data.weights),
        ..Data::default()
    }
}

fn add(fitter: &mut Fitter, data: Data) {
    let noise = fitter.noise();
    fitter.add_data(data, noise).unwrap();
}

fn whole(source: &str, data: &Data, settings: &[(&str, &str)]) -> Fitter {
    let mut fitter = fitter(source, settings);
    let noise = fitter.noise();
    fitter.set_data(data.clone(), noise).unwrap();
    run(&mut fitter).unwrap();
    fitter
}

const LINEAR: &str = "(parameter a 1) (parameter b 0) (parameter c 0) (list (+ (* a x) (* b (sin t))) (+ c (* a t)))";

fn linear_rows(count: usize) -> Data {
    let mut random = Random(5);
    let mut data = rows(count, 2, || {
        let (x, t) = (random.uniform() - 0.3, 4.0 * random.uniform());
        let noise = [random.normal(), random.normal()];
        let first = 2.0 * x - 0.7 * t.sin() + 0.1 * noise[0];
        vec![x, t, first, 0.4 + 2.0 * t + 0.3 * noise[1]]
    });
    data.weights = (0..2 * count).map(|i| 1.0 + (i % 5) as f64).collect();
    data
}

/// Two outputs, weights, uneven parts: all that a full fit says, a stream says too.
#[test]
fn a_stream_of_a_linear_model_equals_a_full_fit() {
    let _turn = turn();
    let data = linear_rows(5000);
    for noise in ["estimated", "known"] {
        let full = whole(LINEAR, &data, &[("noise", noise)]);
        let settings = [("noise", noise), ("window", "40"), ("profile", "true")];
        let mut stream = fitter(LINEAR, &settings);
        let (mut from, mut step) = (0, 1);
        while from < 5000 {
            let to = (from + step).min(5000);
            add(&mut stream, part(&data, from, to));
            (from, step) = (to, step % 97 + 7);
        }
        run(&mut stream).unwrap();
        let (wanted, got) = (full.report().unwrap(), stream.report().unwrap());
        assert_eq!(got.observations, 10_000);
        assert_eq!(
            (stream.rows(), got.observations),
            (5000, wanted.observations)
        );
        assert!(stream.summarised() > 4900);
        close(got.outcome.loss, wanted.outcome.loss, 1e-10);
        for i in 0..3 {
            close(got.outcome.params[i], wanted.outcome.params[i], 1e-10);
            close(
                got.std_error(i).unwrap(),
                wanted.std_error(i).unwrap(),
                1e-10,
            );
        }
        let (g, w) = (got.goodness(), wanted.goodness());
        close(g.r_squared.unwrap(), w.r_squared.unwrap(), 1e-10);
        close(g.bic.unwrap(), w.bic.unwrap(), 1e-10);
        let profiles = got.profiles.as_ref().unwrap();
        for (i, ends) in profiles.iter().enumerate() {
            let interval = got.interval(i).unwrap();
            close(ends[0].unwrap(), interval[0], 1e-6);
            close(ends[1].unwrap(), interval[1], 1e-6);
        }
    }
}

#[test]
fn all_optimisers_priors_ties_and_transforms_read_the_summary() {
    let _turn = turn();
    let data = linear_rows(600);
    let cases: [&[(&str, &str)]; 4] = [
        &[("optimizer", "lbfgs")],
        &[("noise", "known"), ("prior", "a=2.5:0.01")],
        &[("tie", "c=(* 0.2 a)")],
        &[("transform", "a=log,c=log"), ("fixed", "b")],
    ];
    let source = LINEAR.replace("(parameter c 0)", "(parameter c 0.3)");
    for settings in cases {
        let full = whole(&source, &data, settings);
        let mut stream = fitter(&source, &[settings, &[("window", "50")]].concat());
        for from in (0..600).step_by(75) {
            add(&mut stream, part(&data, from, from + 75));
        }
        run(&mut stream).unwrap();
        assert!(stream.summarised() >= 500, "{settings:?}");
        for (got, wanted) in params(&stream).iter().zip(params(&full)) {
            close(*got, wanted, 1e-8);
        }
        let (got, wanted) = (stream.report().unwrap(), full.report().unwrap());
        for (got, wanted) in got.std_errors().iter().zip(wanted.std_errors()) {
            close(got.unwrap(), wanted.unwrap(), 1e-6);
        }
    }
}

const OSCILLATOR: &str =
    "(parameter a 1) (parameter g 0.3) (parameter w 2) (* a (exp (- (* g t))) (cos (* w t)))";

fn oscillator(random: &mut Random, count: usize) -> Data {
    rows(count, 1, || {
        let t = 5.0 * random.uniform();
        let noise = 0.1 * random.normal();
        vec![t, 1.4 * (-0.2 * t).exp() * (2.2 * t).cos() + noise]
    })
}

/// A million rows: memory stays flat, and the end is that of a full fit within a part of a standard error.
#[test]
fn a_long_stream_of_a_nonlinear_model_stays_close_in_flat_memory() {
    let _turn = turn();
    let count = 1_000_000;
    let mut stream = fitter(OSCILLATOR, &[("window", "500")]);
    let mut random = Random(11);
    let mut of_parts = Vec::new();
    for _ in 0..10 {
        of_parts.push(peak(|| {
            for _ in 0..count / 1000 / 10 {
                let data = oscillator(&mut random, 1000);
                add(&mut stream, data);
            }
            run(&mut stream).unwrap();
        }));
    }
    println!("bytes above those at the start of each tenth: {of_parts:?}");
    assert!(of_parts.iter().all(|bytes| *bytes < 600_000));
    assert_eq!(stream.rows(), count as u64);
    let mut random = Random(11);
    let full = whole(OSCILLATOR, &oscillator(&mut random, count), &[]);
    let (got, wanted) = (stream.report().unwrap(), full.report().unwrap());
    for i in 0..3 {
        let error = wanted.std_error(i).unwrap();
        let apart = (got.outcome.params[i] - wanted.outcome.params[i]).abs() / error;
        println!("{} apart by {apart:.4} standard errors", got.names[i]);
        assert!(apart < 0.1);
        close(got.std_error(i).unwrap(), error, 1e-3);
    }
    close(got.outcome.loss, wanted.outcome.loss, 1e-5);
    let text = got.to_text();
    assert!(
        text.contains("stream: 1000000 rows; the last 1000 as they are, 999000 as a quadratic"),
        "{text}"
    );
    let json = got.to_json();
    assert_eq!(json["stream"]["linearisations"], 1998);
    let moved = |which: &str| json["stream"][which]["w"].as_f64().unwrap();
    assert!(moved("moved_rms") > 0.0 && moved("moved_rms") < moved("moved_most"));
    assert!(wanted.to_json()["stream"].is_null());
}

#[test]
fn a_stream_goes_on_from_a_checkpoint_with_the_same_bits() {
    let _turn = turn();
    let data = oscillator(&mut Random(3), 900);
    let settings = [("window", "100")];
    let mut one = fitter(OSCILLATOR, &settings);
    add(&mut one, part(&data, 0, 450));
    run(&mut one).unwrap();
    add(&mut one, part(&data, 450, 470));
    let text = one.checkpoint().unwrap();
    let mut two = fitter(OSCILLATOR, &settings);
    two.resume(&text).unwrap();
    assert_eq!(two.rows(), 470);
    assert_eq!(two.checkpoint().unwrap(), text);
    for stream in [&mut one, &mut two] {
        add(stream, part(&data, 470, 900));
        run(stream).unwrap();
    }
    let bits = |f: &Fitter| params(f).iter().map(|p| p.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&one), bits(&two));
    assert_eq!(one.data_hash(), two.data_hash());
    let cut = text.replace("gone-triangle ", "gone-triangle 3ff0000000000000 ");
    let wrong = two.resume(&cut).unwrap_err().message;
    assert!(wrong.contains("other parameters"), "{wrong}");
}

/// Without a window all rows are kept: added rows are as good as rows given at once.
#[test]
fn without_a_window_added_rows_are_data() {
    let _turn = turn();
    let data = oscillator(&mut Random(3), 300);
    let mut all = whole(
        OSCILLATOR,
        &data,
        &[("loss", "huber"), ("loss_scale", "0.1")],
    );
    let mut added = fitter(OSCILLATOR, &[("loss", "huber"), ("loss_scale", "0.1")]);
    add(&mut added, part(&data, 0, 1));
    add(&mut added, part(&data, 1, 300));
    run(&mut added).unwrap();
    assert_eq!(params(&added), params(&all));
    assert_eq!(added.data_hash(), all.data_hash());
    // a run goes on from where the last one ended
    add(&mut all, part(&data, 0, 100));
    run(&mut all).unwrap();
    assert!(all.report().unwrap().observations == 400);
}

/// Rows that were added and not run are part of the data hash and of the checkpoint, which tells where the next run begins.
#[test]
fn rows_that_wait_are_part_of_the_fit() {
    let _turn = turn();
    let data = oscillator(&mut Random(5), 200);
    let mut weighted = data.clone();
    weighted.weights = (0..200).map(|i| 1.0 + f64::from(i) / 100.0).collect();
    for data in [data, weighted] {
        let mut all = whole(OSCILLATOR, &part(&data, 0, 120), &[]);
        let before = all.data_hash();
        add(&mut all, part(&data, 120, 150));
        add(&mut all, part(&data, 150, 200));
        assert_ne!(all.data_hash(), before);
        let mut other = whole(OSCILLATOR, &data, &[]);
        assert_eq!(all.data_hash(), other.data_hash());
        // nothing but rows that wait
        let mut waiting = fitter(OSCILLATOR, &[]);
        add(&mut waiting, part(&data, 0, 70));
        add(&mut waiting, part(&data, 70, 200));
        assert_eq!(waiting.data_hash(), other.data_hash());
        let text = all.checkpoint().unwrap();
        let mut fewer = whole(OSCILLATOR, &part(&data, 0, 120), &[]);
        let message = fewer.resume(&text).unwrap_err().message;
        assert!(message.contains("other data"), "{message}");
        other.resume(&text).unwrap();
        assert_eq!(other.checkpoint().unwrap(), text);
        waiting.resume(&text).unwrap();
        for fitter in [&mut all, &mut other, &mut waiting] {
            run(fitter).unwrap();
        }
        let bits = |fitter: &Fitter| -> Vec<u64> {
            params(fitter).iter().map(|value| value.to_bits()).collect()
        };
        assert_eq!(bits(&other), bits(&all));
        assert_eq!(bits(&waiting), bits(&all));
        let iterations = |fitter: &Fitter| fitter.report().unwrap().outcome.iterations;
        assert_eq!(iterations(&other), iterations(&all));
        assert_eq!(iterations(&waiting), iterations(&all));
        let cut = text.replace("begin ", "begin 3ff0000000000000 ");
        assert!(fewer.resume(&cut).is_err() && other.resume(&cut).is_err());
    }
}

#[test]
fn what_a_stream_cannot_do_says_why() {
    let _turn = turn();
    let data = oscillator(&mut Random(3), 30);
    let noise = ncg::fit::statistics::Noise::Estimated;
    let mut huber = fitter(
        OSCILLATOR,
        &[("window", "10"), ("loss", "huber"), ("loss_scale", "1")],
    );
    let message = huber.add_data(data.clone(), noise).unwrap_err().message;
    assert!(
        message.contains("loss=huber") && message.contains("\"window\""),
        "{message}"
    );
    let mut stream = fitter(OSCILLATOR, &[("window", "10")]);
    add(&mut stream, data.clone());
    let mut weighted = data.clone();
    weighted.weights = vec![1.0; 30];
    let message = stream.add_data(weighted, noise).unwrap_err().message;
    assert!(message.contains("weights"), "{message}");
    let message = stream
        .add_parameter("a", 1.0, 0.0, 2.0)
        .unwrap_err()
        .message;
    assert!(message.contains("before"), "{message}");
    let mut nowhere = fitter("(parameter k -1) (log (* k t))", &[("window", "10")]);
    let message = nowhere.add_data(data, noise).unwrap_err().message;
    assert!(
        message.contains("row 0") && message.contains("log"),
        "{message}"
    );
}

/// A large fit holds its data and a block, not the Jacobian of all rows.
#[test]
fn a_large_fit_holds_no_jacobian_of_all_rows() {
    let _turn = turn();
    let count = 400_000;
    let data = oscillator(&mut Random(8), count);
    for settings in [&[][..], &[("optimizer", "lbfgs"), ("max_iterations", "3")]] {
        let mut large = fitter(OSCILLATOR, settings);
        let noise = large.noise();
        large.set_data(data.clone(), noise).unwrap();
        let bytes = peak(|| {
            run(&mut large).unwrap();
        });
        println!("{bytes} bytes beside the data of {count} rows");
        assert!(bytes < 4_000_000);
    }
}
