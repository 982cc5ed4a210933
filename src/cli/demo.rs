//! `ncg demo`: the main job on models and data that come with the program.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::json::number;
use super::{Reply, args, fit, progress, table};
use crate::compile::Model;
use crate::document::write_atomic;
use crate::error::{Error, ErrorKind, Result};
use crate::fit::fitter::Fitter;
use crate::fit::report::{Report, significant};
use crate::options::Options;

/// A model with data and the values that are known for it.
struct Example {
    name: &'static str,
    title: &'static str,
    target: &'static str,
    sigma: Option<&'static str>,
    source: &'static str,
    data: &'static str,
}

macro_rules! example {
    ($name:literal, $title:literal, $target:literal, $sigma:expr) => {
        Example {
            name: $name,
            title: $title,
            target: $target,
            sigma: $sigma,
            source: include_str!(concat!("../../examples/models/", $name, ".scm")),
            data: include_str!(concat!("../../examples/data/", $name, ".csv")),
        }
    };
}

const EXAMPLES: &[Example] = &[
    example!("misra1a", "Misra1a (NIST StRD)", "y", None),
    example!("chwirut2", "Chwirut2 (NIST StRD)", "y", None),
    example!("gauss1", "Gauss1 (NIST StRD)", "y", None),
    example!("hahn1", "Hahn1 (NIST StRD)", "y", None),
    example!("rat42", "Rat42 (NIST StRD)", "y", None),
    example!(
        "coulomb",
        "Coulomb's law (simulated, noise of 1 %)",
        "force",
        Some("sigma")
    ),
];

/// Models that are compiled and not fitted.
const OTHERS: &[(&str, &str)] = &[
    (
        "pendulum-period",
        include_str!("../../examples/models/pendulum-period.scm"),
    ),
    (
        "relativistic-energy",
        include_str!("../../examples/models/relativistic-energy.scm"),
    ),
];

/// A value that is known: certified by NIST, or what the data were made with.
struct Known {
    name: String,
    value: f64,
    certified: bool,
}

/// One fit of the demonstration.
struct Fitted {
    title: &'static str,
    known: Vec<Known>,
    report: Report,
}

pub fn run(arguments: &args::Demo, json: bool) -> Result<Reply> {
    let mut options = Options::new();
    args::set(&mut options, "engine", &arguments.engine)?;
    args::set(&mut options, "onnxruntime", &arguments.onnxruntime)?;
    std::fs::create_dir_all(&arguments.output).map_err(|error| {
        let message = format!("cannot make {}: {error}", arguments.output.display());
        Error::new(ErrorKind::Io, message)
    })?;
    let mut written = Vec::new();
    let mut fits = Vec::new();
    for example in EXAMPLES {
        fits.push(example.run(&arguments.output, &options, &mut written, json)?);
    }
    for (name, source) in OTHERS {
        let model = Model::compile(source, &Options::new())?;
        save(&model, name, &arguments.output, &mut written)?;
    }
    let engine = fits.last().map_or("", |fit| fit.report.engine.as_str());
    Ok(Reply {
        text: text(&fits, engine, &written),
        json: json!({
            "engine": engine,
            "fits": fits.iter().map(Fitted::json).collect::<Vec<_>>(),
            "written": written.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        }),
        warnings: vec![],
    })
}

/// Writes a model as `.ncg` and as `.onnx`.
fn save(model: &Model, name: &str, folder: &Path, written: &mut Vec<PathBuf>) -> Result<()> {
    for ending in ["ncg", "onnx"] {
        let path = folder.join(format!("{name}.{ending}"));
        write_atomic(&path, &fit::document(model, &path, &Options::new())?)?;
        written.push(path);
    }
    Ok(())
}

impl Example {
    fn run(
        &self,
        folder: &Path,
        options: &Options,
        written: &mut Vec<PathBuf>,
        quiet: bool,
    ) -> Result<Fitted> {
        let model = Arc::new(Model::compile(self.source, options)?);
        let columns = table::Named {
            targets: &[self.target.to_string()],
            sigma: self.sigma,
            relative: false,
        };
        let bytes = self.data.as_bytes();
        let (data, noise) = table::from_bytes(self.name, bytes, &columns, &model.graph)?;
        let mut fitter = Fitter::new(model, options)?;
        fitter.set_data(data.clone(), noise)?;
        progress::run(&mut fitter, quiet)?;
        let (report, fitted) = (fitter.report()?, fitter.bake()?);
        save(&fitted, self.name, folder, written)?;
        let heading = fit::Heading {
            title: self.title,
            target: self.target,
        };
        let path = folder.join(format!("{}.svg", self.name));
        let svg = fit::draw(&heading, &fitted, &data, &report, options)?;
        write_atomic(&path, svg.as_bytes())?;
        written.push(path);
        Ok(Fitted {
            title: self.title,
            known: known(self.data),
            report,
        })
    }
}

/// The known values in the comments of a data file: `# b1 = 2.389E+02 +- 2.7E+00`.
fn known(data: &str) -> Vec<Known> {
    let comments = data.lines().filter_map(|line| line.strip_prefix("# "));
    let pairs = comments.filter_map(|line| line.split_once(" = "));
    pairs
        .filter_map(|(name, rest)| {
            let (value, certified) = match rest.split_once(" +- ") {
                Some((value, _)) => (value, true),
                None => (rest, false),
            };
            Some(Known {
                name: name.to_string(),
                value: value.trim().parse().ok()?,
                certified,
            })
        })
        .collect()
}

/// Correct significant digits, at most the eleven that are certified.
fn digits(value: f64, known: f64) -> f64 {
    (-((value - known) / known).abs().log10()).clamp(0.0, 11.0)
}

impl Fitted {
    /// Each parameter: what is known, what was found, its standard error.
    fn rows(&self) -> impl Iterator<Item = (&Known, f64, Option<f64>)> {
        let report = &self.report;
        let errors = report.statistics.as_ref().map(|s| &s.std_errors);
        report
            .names
            .iter()
            .enumerate()
            .filter_map(move |(i, name)| {
                let known = self.known.iter().find(|known| known.name == *name)?;
                let error = errors.and_then(|errors| errors[i]);
                Some((known, report.outcome.params[i], error))
            })
    }

    fn json(&self) -> Value {
        let parameters: Map<String, Value> = self
            .rows()
            .map(|(known, value, error)| {
                let entry = json!({
                    "reference": known.value,
                    "certified": known.certified,
                    "value": number(value),
                    "std_error": error.map(number),
                    "digits": number(digits(value, known.value)),
                });
                (known.name.clone(), entry)
            })
            .collect();
        json!({
            "name": self.title,
            "parameters": parameters,
            "stop": self.report.outcome.stop.name(),
            "seconds": number(self.report.outcome.seconds),
        })
    }

    fn text(&self) -> String {
        let outcome = &self.report.outcome;
        let mut out = format!(
            "{}: {} observations, {} iterations, {:.1} ms, {}\n",
            self.title,
            self.report.observations,
            outcome.iterations,
            1e3 * outcome.seconds,
            outcome.stop.describe()
        );
        let certified = self.rows().all(|(known, ..)| known.certified);
        let head = if certified { "certified" } else { "true value" };
        out += &format!(
            "  {:<4} {:>18} {:>18} {:>12}  agreement\n",
            "", head, "fitted", "std error"
        );
        for (known, value, error) in self.rows() {
            let agreement = match (known.certified, error) {
                (false, Some(error)) => {
                    format!("{:.1} std errors away", (value - known.value).abs() / error)
                }
                _ => format!("{:.1} digits", digits(value, known.value)),
            };
            out += &format!(
                "  {:<4} {:>18} {:>18} {:>12}  {agreement}\n",
                known.name,
                significant(known.value, 11),
                significant(value, 11),
                error.map_or("-".to_string(), |error| significant(error, 5)),
            );
        }
        out
    }
}

fn text(fits: &[Fitted], engine: &str, written: &[PathBuf]) -> String {
    let mut out = format!("engine: {engine}\n");
    if engine.starts_with("native") {
        out += "(ONNX Runtime was not used; `ncg engines` says why)\n";
    }
    for fit in fits {
        out += &format!("\n{}", fit.text());
    }
    out += "\nwritten:\n";
    for path in written {
        out += &format!("  {}\n", path.display());
    }
    out
}
