//! Programs that import networks, and their numbers on every engine.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ncg::compile::Model;
use ncg::document;
use ncg::engine::ort::probe;
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};

/// An empty folder of its own.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("imports-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub fn options(settings: &[(&str, &str)]) -> Options {
    let mut options = Options::new();
    for (name, value) in settings {
        options.set(name, value).unwrap();
    }
    options
}

/// Compiles a text that may import what lies in `folder`.
pub fn compile(source: &str, folder: &Path) -> ncg::Result<Model> {
    let folder = folder.to_str().unwrap();
    document::compile(source, &options(&[("folder", folder)]))
}

pub fn engines() -> Vec<&'static str> {
    match probe(None) {
        Ok(_) => vec!["native", "tagged", "onnxruntime"],
        Err(_) => vec!["native", "tagged"],
    }
}

/// Outputs, derivatives by inputs, and derivatives by parameters, at these samples.
pub type Numbers = (Vec<f64>, Vec<f64>, Vec<f64>);

pub fn run(model: &Arc<Model>, engine: &str, x: &[f64]) -> ncg::Result<Numbers> {
    let mut session = Session::<f64>::new(model.clone(), &options(&[("engine", engine)]))?;
    let (inputs, parameters, outputs) = session.counts();
    let samples = x.len() / inputs.max(1);
    let (mut y, mut dx, mut dp) = (
        vec![0.0; samples * outputs],
        vec![0.0; x.len()],
        vec![0.0; parameters],
    );
    let into = Gradient {
        y: Some(&mut StridedMut::rows(&mut y, outputs)),
        dx: Some(&mut StridedMut::rows(&mut dx, inputs)),
        dp: Some(&mut dp),
    };
    session.gradient(samples, &Strided::rows(x, inputs), None, None, into, None)?;
    Ok((y, dx, dp))
}

/// Compares to twelve digits.
pub fn near(found: &Numbers, wanted: &Numbers, what: &str) {
    within(1e-12, found, wanted, what);
}

#[track_caller]
pub fn within(tolerance: f64, found: &Numbers, wanted: &Numbers, what: &str) {
    for (found, wanted) in [
        (&found.0, &wanted.0),
        (&found.1, &wanted.1),
        (&found.2, &wanted.2),
    ] {
        assert_eq!(found.len(), wanted.len(), "{what}");
        for (found, wanted) in found.iter().zip(wanted.iter()) {
            let error = (found - wanted).abs() / wanted.abs().max(1.0);
            assert!(error < tolerance, "{what}: {found}, not {wanted}");
        }
    }
}
