//! The example `examples/hybrid` in a small version: a pendulum whose friction is a network finds what one with the wrong
//! friction cannot, and says more beyond what it was fitted to. `examples/hybrid/compare.py` is the whole comparison.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ncg::compile::Model;
use ncg::document;
use ncg::fit::Monitor;
use ncg::fit::fitter::Fitter;
use ncg::fit::problem::Data;
use ncg::fit::statistics::Noise;
use ncg::options::Options;
use ncg::session::{Session, Strided, StridedMut};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hybrid")
}

/// The column release, then the column step, and the angle, of the rows up to a step.
fn table(file: &str, last: f64) -> (Vec<f64>, Vec<f64>) {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    let rows = text.lines().skip(1).map(|line| -> Vec<f64> {
        let fields = line.split(',');
        fields.map(|field| field.parse().unwrap()).collect()
    });
    let rows: Vec<Vec<f64>> = rows.filter(|row| row[1] <= last).collect();
    let column = |place: usize| rows.iter().map(move |row| row[place]);
    (column(0).chain(column(1)).collect(), column(2).collect())
}

/// The model fitted to the first four seconds, and χ² by degree of freedom.
fn fit(file: &str, settings: &[(&str, &str)]) -> (Model, f64) {
    let mut options = Options::new();
    let own = [
        ("engine", "native"),
        ("noise", "known"),
        ("max_iterations", "60"),
        ("ftol", "1e-4"),
    ];
    for (name, value) in own.iter().chain(settings) {
        options.set(name, value).unwrap();
    }
    let mut model = document::load(&folder().join(file), &options).unwrap();
    let mut misfit = f64::NAN;
    // a network that begins as noise is lost on a long path
    for steps in [10.0, 20.0, 40.0, 80.0] {
        let mut fitter = Fitter::new(model.into(), &options).unwrap();
        let (x, y) = table("train.csv", steps);
        let data = Data {
            samples: y.len(),
            weights: vec![1.0 / (0.01 * 0.01); y.len()],
            x,
            y,
            ..Data::default()
        };
        fitter.set_data(data, Noise::Known).unwrap();
        fitter.run(&mut Monitor::default(), &false.into()).unwrap();
        let residual = fitter.report().unwrap().to_json()["residual_sd"].as_f64();
        misfit = residual.unwrap().powi(2);
        model = fitter.bake().unwrap();
    }
    (model, misfit)
}

/// The root mean square of the error of the angle.
fn error(model: Model, (x, y): &(Vec<f64>, Vec<f64>)) -> f64 {
    let mut session = Session::<f64>::new(Arc::new(model), &Options::new()).unwrap();
    let mut found = vec![0.0; y.len()];
    let columns = Strided::columns(x, y.len());
    let mut rows = StridedMut::rows(&mut found, 1);
    session
        .eval(y.len(), &columns, None, &mut rows, None)
        .unwrap();
    let squares = found.iter().zip(y).map(|(a, b)| (a - b).powi(2));
    (squares.sum::<f64>() / y.len() as f64).sqrt()
}

#[test]
fn physics_with_a_network_says_more_than_the_wrong_physics() {
    let (physics, misfit) = fit("physics.scm", &[]);
    let (hybrid, fitted) = fit("hybrid.scm", &[("prior", "friction.*=0:3")]);
    assert!(misfit > 1.5, "{misfit}");
    assert!(fitted < 1.2, "{fitted}");
    // later, and from greater angles
    for (file, last) in [("later.csv", 160.0), ("wider.csv", 80.0)] {
        let rows = table(file, last);
        let (with, without) = (error(hybrid.clone(), &rows), error(physics.clone(), &rows));
        println!("{file}: physics {without:.4}, with the network {with:.4}");
        assert!(with < 0.7 * without, "{file}: {with}, not below {without}");
    }
}
