//! What tests of fits share: a fitter for a source text, and observations with noise that can be repeated.

#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ncg::compile::Model;
use ncg::fit::fitter::Fitter;
use ncg::fit::problem::Data;
use ncg::fit::{Monitor, Stop};
use ncg::options::Options;

/// A fitter on the native engine with these settings.
pub fn without_data(source: &str, settings: &[(&str, &str)]) -> ncg::Result<Fitter> {
    let mut options = Options::new();
    options.set_str("engine", "native")?;
    for (name, value) in settings {
        options.set(name, value)?;
    }
    let model = Arc::new(Model::compile(source, &options)?);
    Fitter::new(model, &options)
}

/// The same with data; the option `noise` says what the weights are.
pub fn prepare(source: &str, data: Data, settings: &[(&str, &str)]) -> ncg::Result<Fitter> {
    let mut fitter = without_data(source, settings)?;
    let noise = fitter.noise();
    fitter.set_data(data, noise)?;
    Ok(fitter)
}

pub fn run(fitter: &mut Fitter) -> ncg::Result<Stop> {
    fitter.run(&mut Monitor::default(), &AtomicBool::new(false))
}

/// A fit that has run.
pub fn fit(source: &str, data: Data, settings: &[(&str, &str)]) -> Fitter {
    let mut fitter = prepare(source, data, settings).unwrap();
    run(&mut fitter).unwrap();
    fitter
}

pub fn params(fitter: &Fitter) -> Vec<f64> {
    fitter.outcome().unwrap().params.clone()
}

/// What is said where a fit cannot be made or run.
pub fn complaint(source: &str, data: Data, settings: &[(&str, &str)]) -> String {
    let fit = prepare(source, data, settings).and_then(|mut fitter| run(&mut fitter));
    fit.unwrap_err().message
}

pub fn close(got: f64, wanted: f64, tolerance: f64) {
    assert!(
        (got - wanted).abs() <= tolerance * wanted.abs(),
        "{got} is not {wanted}"
    );
}

/// Random numbers that can be repeated (SplitMix64, Steele, Lea and Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normal with variance one (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A count of Poisson's distribution.
    pub fn count(&mut self, mean: f64) -> f64 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.uniform(), 0.0);
        while product > limit {
            product *= self.uniform();
            count += 1.0;
        }
        count
    }
}

/// Samples of one input, evenly spread.
pub fn samples(count: usize, low: f64, high: f64, mut f: impl FnMut(f64) -> f64) -> Data {
    let step = (high - low) / (count - 1) as f64;
    let x: Vec<f64> = (0..count).map(|i| low + step * i as f64).collect();
    Data {
        samples: count,
        y: x.iter().map(|x| f(*x)).collect(),
        x,
        ..Data::default()
    }
}
