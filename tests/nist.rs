//! Nine problems of NIST's Statistical Reference Datasets for nonlinear regression, each from both starts, at default settings.

mod shapes;

use ncg::fit::statistics::{Noise, statistics};
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
        line.split_whitespace()
            .map(|word| word.parse().unwrap())
            .collect()
    };
    let rows: Vec<Vec<f64>> = lines[40..]
        .iter()
        .map_while(|line| line.split_once('='))
        .map(|(_, values)| numbers(values))
        .collect();
    let column = |i: usize| rows.iter().map(|row| row[i]).collect::<Vec<f64>>();
    let data = lines[60..]
        .iter()
        .map(|line| numbers(line))
        .filter(|row| row.len() == 2);
    let (y, x) = data.map(|row| (row[0], [row[1], 0.0])).unzip();
    Reference {
        curve: Curve {
            formula: formula(name),
            count: rows.len(),
            x,
            y,
        },
        starts: [column(0), column(1)],
        certified: column(2),
        deviations: column(3),
    }
}

/// Correct digits of the worst entry, at most the eleven that are certified.
fn digits(got: &[f64], certified: &[f64]) -> f64 {
    let pairs = got.iter().zip(certified);
    pairs
        .map(|(g, c)| (-((g - c) / c).abs().log10()).min(11.0))
        .fold(11.0, f64::min)
}

const PROBLEMS: [&str; 9] = [
    "Misra1a", "Chwirut2", "DanWood", "Gauss1", "Misra1d", "Kirby2", "Hahn1", "MGH17", "Rat42",
];

#[test]
fn every_fit_reaches_the_certified_values() {
    let (mut sum, mut count) = (0.0, 0.0);
    println!("problem  start  digits  digits of std errors  iterations  evaluations  stop");
    for name in PROBLEMS {
        let reference = read(name);
        let n = reference.certified.len();
        let names: Vec<String> = (1..=n).map(|i| format!("b{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for (i, start) in reference.starts.iter().enumerate() {
            let mut curve = reference.curve.clone();
            let (bounds, settings) = (Bounds::free(n), Settings::default());
            let fit = levmar::fit(
                &mut curve,
                start,
                &bounds,
                &settings,
                &mut Monitor::default(),
            );
            let fit = fit.unwrap();
            let triangle = fit.triangle.as_ref().unwrap();
            let known = statistics(
                triangle,
                curve.y.len(),
                fit.loss,
                &fit.held,
                &names,
                Noise::Estimated,
            );
            let known = known.unwrap();
            let errors: Vec<f64> = known.std_errors.iter().map(|e| e.unwrap()).collect();
            let (values, errors) = (
                digits(&fit.params, &reference.certified),
                digits(&errors, &reference.deviations),
            );
            let (stop, its, evals) = (fit.stop.name(), fit.iterations, fit.evaluations);
            println!(
                "{name:9} {:4} {values:8.2} {errors:20.2} {its:12} {evals:12}  {stop}",
                i + 1
            );
            assert!(fit.stop.converged(), "{name} {stop}");
            assert!(
                values >= 10.0,
                "{name} from start {}: {values} digits",
                i + 1
            );
            assert!(
                errors >= 8.5,
                "{name} from start {}: {errors} digits",
                i + 1
            );
            assert!(known.notes.is_empty() && known.rank == n);
            sum += values;
            count += 1.0;
        }
    }
    println!("mean {:.2}", sum / count);
    assert!(sum / count >= 10.5);
}
