//! The time of one call for one sample from Rust: `cargo bench --bench one_call`.

use std::sync::Arc;
use std::time::Instant;

use ncg::compile::Model;
use ncg::options::Options;
use ncg::session::{Session, Strided, StridedMut};

fn main() {
    let mut options = Options::new();
    options.set_str("engine", "native").unwrap();
    let model = Model::compile("(parameter k 2) (/ (* k q1 q2) (square r))", &options).unwrap();
    let mut session = Session::<f64>::new(Arc::new(model), &options).unwrap();
    let (x, mut y) = ([1.0, 2.0, 3.0], [0.0]);
    let mut best = f64::INFINITY;
    for _ in 0..2000 {
        let start = Instant::now();
        for _ in 0..1000 {
            let x = Strided::rows(std::hint::black_box(&x), 3);
            session
                .eval(1, &x, None, &mut StridedMut::rows(&mut y, 1), None)
                .unwrap();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / 1000.0);
    }
    println!("Rust     {best:6.1}");
}
