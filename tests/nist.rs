//! Nine problems of NIST's Statistical Reference Datasets for nonlinear regression, each from both starts, at default settings.

mod shapes;

use ncg::fit::{Bounds, Monitor, Settings, levmar};
use shapes::{Curve, formula};

/// One data file: starts and certified values with their standard deviations.
struct Reference {
    curve: Curve,
    starts: [Vec<f64>; 2],
    certified: Vec<f64>,
    deviations: Vec<f64>,
}

fn read(name: &str) -> Reference {
    let path = format!("{}/tests/data/nist/{name}.dat", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let numbers = |line: &str| -> Vec<f64> {
        line.split_whitespace().map(|word| word.parse().unwrap()).collect()
    };
    let rows: Vec<Vec<f64>> = lines[40..]
        .iter()
        .map_while(|line| line.split_once('='))
        .map(|(_, values)| numbers(values))
        .collect();
    let column = |i: usize| rows.iter().map(|row| row[i]).collect::<Vec<f64>>();
    let data = lines[60..].iter().map(|line| numbers(line)).filter(|row| row.len() == 2);
    let (y, x) = data.map(|row| (row[0], [row[1], 0.0])).unzip();
    Reference {
        curve: Curve { formula: formula(name), count: rows.len(), x, y },
        starts: [column(0), column(1)],
        certified: column(2),
        deviations: column(3),
    }
}

/// Correct digits of the worst entry, at most the eleven that are certified.
fn digits(got: &[f64], certified: &[f64]) -> f64 {
    let pairs = got.iter().zip(certified);
    pairs.map(|(g, c)| (-((g - c) / c).abs().log10()).min(11.0)).fold(11.0, f64::min)
}

const PROBLEMS: [&str; 9] =
    ["Misra1a", "Chwirut2", "DanWood", "Gauss1", "Misra1d", "Kirby2", "Hahn1", "MGH17", "Rat42"];

#[test]
fn every_fit_reaches_the_certified_values() {
    for name in PROBLEMS {
        let reference = read(name);
        for (i, start) in reference.starts.iter().enumerate() {
            let mut curve = reference.curve.clone();
            let bounds = Bounds::free(start.len());
            let outcome =
                levmar::fit(&mut curve, start, &bounds, &Settings::default(), &mut Monitor::default()).unwrap();
            let lre = digits(&outcome.params, &reference.certified);
            println!("{name:9} {} {lre:5.2} {:5} {:5} {:?} {:e}", i + 1, outcome.iterations, outcome.evaluations, outcome.stop, outcome.gradient_norm);
        }
    }
}
