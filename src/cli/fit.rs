//! `ncg fit`: fits the constants of a model to a table.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::{Reply, args, progress, table};
use crate::compile::Model;
use crate::document::write_atomic;
use crate::error::{Error, ErrorKind, Result};
use crate::fit::fitter::Fitter;
use crate::fit::plot::{self, Plot};
use crate::fit::problem::Data;
use crate::fit::report::Report;
use crate::options::Options;
use crate::session::{Element, Session, Strided, StridedMut};

/// Points along a fitted curve.
const CURVE: usize = 600;

pub fn run(arguments: &args::Fit, json: bool) -> Result<Reply> {
    let outputs = arguments.output.iter().chain(&arguments.plot);
    for output in outputs.chain(&arguments.checkpoint) {
        arguments.source.check_output(output)?;
    }
    let mut options = Options::new();
    arguments.engine.set(&mut options)?;
    let settings = [
        ("optimizer", &arguments.optimizer),
        ("loss", &arguments.loss),
        ("max_iterations", &arguments.max_iterations),
        ("max_seconds", &arguments.max_seconds),
        ("gtol", &arguments.gtol),
        ("ftol", &arguments.ftol),
        ("xtol", &arguments.xtol),
        ("learning_rate", &arguments.learning_rate),
        ("confidence", &arguments.confidence),
        ("loss_scale", &arguments.loss_scale),
        ("max_evaluations", &arguments.max_evaluations),
        ("target", &arguments.target_loss),
        ("schedule", &arguments.schedule),
        ("starts", &arguments.starts),
        ("smoothing", &arguments.smoothing),
        ("refine", &arguments.refine),
        ("hops", &arguments.hops),
        ("seed", &arguments.seed),
        ("window", &arguments.window),
        ("checkpoint_seconds", &arguments.checkpoint_seconds),
    ];
    for (name, value) in settings {
        args::set(&mut options, name, value)?;
    }
    let lists = [
        ("fixed", &arguments.fixed),
        ("transform", &arguments.transforms),
        ("tie", &arguments.ties),
        ("prior", &arguments.priors),
    ];
    for (name, list) in lists {
        if !list.is_empty() {
            options.set_str(name, &list.join(","))?;
        }
    }
    if let Some(path) = arguments.checkpoint.as_deref().and_then(Path::to_str) {
        options.set_str("checkpoint", path)?;
    }
    if arguments.profile {
        options.set_str("profile", "true")?;
    }
    let model = Arc::new(arguments.source.load(&arguments.parameters, &mut options)?);
    let warnings = model.warnings();
    let mut fitter = Fitter::new(model.clone(), &options)?;
    let resumed = match &arguments.checkpoint {
        Some(path) if arguments.resume && path.exists() => Some(crate::document::text(path)?),
        _ => None,
    };
    // without sigmas the setting says how the residuals are measured
    let measured = |fitter: &Fitter, data: &Data, noise| match data.weights.is_empty() {
        true => fitter.noise(),
        false => noise,
    };
    let targets = fitter.targets()?;
    match options.int("window") as usize {
        0 => {
            let (data, noise) = table::observations(&arguments.data, &model.graph, targets)?;
            let noise = measured(&fitter, &data, noise);
            fitter.set_data(data, noise)?;
            if let Some(path) = &arguments.data.covariance {
                fitter.set_covariance(&table::numbers(path)?)?;
            }
            if let Some(text) = &resumed {
                fitter.resume(text)?;
            }
        }
        rows => {
            if arguments.data.covariance.is_some() {
                let message = "--covariance is of all observations, of which --window keeps some";
                return Err(Error::new(ErrorKind::Argument, message));
            }
            // the rows of the file come behind those of the checkpoint
            if let Some(text) = &resumed {
                fitter.resume(text)?;
            }
            let take = &mut |data: Data, noise| {
                let noise = measured(&fitter, &data, noise);
                fitter.add_data(data, noise)
            };
            table::observations_by(&arguments.data, &model.graph, targets, rows, take)?;
        }
    }
    progress::run(&mut fitter, json)?;
    if let Some(path) = &arguments.checkpoint {
        write_atomic(path, fitter.checkpoint()?.as_bytes())?;
    }
    let report = fitter.report()?;
    let fitted = fitter.bake()?;

    let mut files: Vec<(&str, &Path, Vec<u8>)> = Vec::new();
    if let Some(path) = &arguments.output {
        files.push(("output", path, document(&fitted, path, &options)?));
    }
    if let Some(path) = &arguments.plot {
        let Some(target) = arguments.data.targets.first() else {
            let message = "--plot: a loss that the program writes has no observations to draw";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let heading = Heading {
            title: &arguments.source.title(),
            target,
        };
        let none = Data::default();
        let data = fitter.data().unwrap_or(&none);
        let svg = draw(&heading, &fitted, data, &report, &options)?;
        files.push(("plot", path, svg.into_bytes()));
    }
    let (mut text, mut object) = (report.to_text(), report.to_json());
    for (what, path, bytes) in files {
        write_atomic(path, &bytes)?;
        text += &format!("\nwritten: {}", path.display());
        object[what] = json!(path.display().to_string());
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(Reply {
        text,
        json: object,
        warnings,
    })
}

/// The bytes of a model as the file `path`, which says the format.
pub fn document(model: &Model, path: &Path, options: &Options) -> Result<Vec<u8>> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("onnx") => crate::onnx::write(model, options),
        Some("scm") => Ok(crate::document::scheme(model, path)?.into_bytes()),
        _ => Ok(crate::ncg::write(model)?.into_bytes()),
    }
}

/// What stands over a plot and beside it.
pub struct Heading<'a> {
    pub title: &'a str,
    pub target: &'a str,
}

/// The plot of a fit: the curve of a model with one input, else the observations against their fitted values.
pub fn draw(
    heading: &Heading,
    fitted: &Model,
    data: &Data,
    report: &Report,
    options: &Options,
) -> Result<String> {
    let names: Vec<&str> = report.names.iter().map(String::as_str).collect();
    let caption = plot::caption(&names, &report.outcome.params, &report.std_errors());
    let model = Arc::new(fitted.clone());
    let values = evaluate(&model, &data.x, data.samples, options)?;
    // a model of several values is drawn by its first
    let y = &data.y[..data.samples];
    let residuals: Vec<f64> = y.iter().zip(&values).map(|(y, f)| y - f).collect();
    let inputs = model.graph.inputs();
    let [input] = inputs[..] else {
        let ends = extent(&values);
        return plot::svg(&Plot {
            title: heading.title,
            caption: &caption,
            x_label: "fitted",
            y_label: heading.target,
            x: &values,
            y,
            residuals: &residuals,
            curve_x: &ends,
            curve_y: &ends,
            band: &[],
        });
    };
    let [low, high] = extent(&data.x);
    let curve_x: Vec<f64> = (0..CURVE)
        .map(|i| low + (high - low) * i as f64 / (CURVE - 1) as f64)
        .collect();
    let curve_y = evaluate(&model, &curve_x, CURVE, options)?;
    let band = band(&model, &curve_x, report, options)?;
    plot::svg(&Plot {
        title: heading.title,
        caption: &caption,
        x_label: &model.graph.ports[input].name,
        y_label: heading.target,
        x: &data.x,
        y,
        residuals: &residuals,
        curve_x: &curve_x,
        curve_y: &curve_y[..CURVE],
        band: &band,
    })
}

/// How far the confidence band of the curve reaches to each side, from the covariance of the parameters; empty without one.
fn band(model: &Arc<Model>, x: &[f64], report: &Report, options: &Options) -> Result<Vec<f64>> {
    let (Some(statistics), Some(quantile)) = (&report.statistics, report.quantile()) else {
        return Ok(Vec::new());
    };
    if options.str("dtype") != "f64" || report.std_errors().iter().all(Option::is_none) {
        return Ok(Vec::new());
    }
    let graph = &model.graph;
    let parameters = graph.parameters();
    let place = |name: &String| {
        parameters
            .iter()
            .position(|p| *graph.ports[*p].name == **name)
    };
    let places: Vec<Option<usize>> = report.names.iter().map(place).collect();
    let (n, all, samples) = (report.names.len(), parameters.len(), x.len());
    let mut jacobian = vec![0.0; samples * all * graph.outputs.len()];
    let table = Strided::columns(x, samples);
    let mut into = StridedMut::columns(&mut jacobian, samples);
    let mut session = Session::<f64>::new(model.clone(), options)?;
    session.jacobian(samples, &table, None, None, &mut into, None)?;
    let slope = |i: usize, s: usize| places[i].map_or(0.0, |place| jacobian[place * samples + s]);
    let reach = |s: usize| {
        let mut variance = 0.0;
        for i in 0..n {
            for j in 0..n {
                // what is held or undetermined adds nothing to the band
                variance +=
                    slope(i, s) * slope(j, s) * statistics.covariance[i * n + j].unwrap_or(0.0);
            }
        }
        quantile * variance.max(0.0).sqrt()
    };
    Ok((0..samples).map(reach).collect())
}

fn extent(values: &[f64]) -> [f64; 2] {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    [low, values.iter().copied().fold(low, f64::max)]
}

/// The first value of the model for each sample, at its own parameters.
fn evaluate(model: &Arc<Model>, x: &[f64], samples: usize, options: &Options) -> Result<Vec<f64>> {
    fn typed<T: Element>(
        model: &Arc<Model>,
        x: &[f64],
        samples: usize,
        options: &Options,
    ) -> Result<Vec<f64>> {
        let mut session = Session::<T>::new(model.clone(), options)?;
        let x: Vec<T> = x.iter().map(|x| T::of(*x)).collect();
        let mut y = vec![T::ZERO; samples * model.graph.outputs.len()];
        let table = Strided::columns(&x, samples);
        let mut values = StridedMut::columns(&mut y, samples);
        session.eval(samples, &table, None, &mut values, None)?;
        Ok(y[..samples].iter().map(|y| y.to_f64()).collect())
    }
    match options.str("dtype") {
        "f32" => typed::<f32>(model, x, samples, options),
        _ => typed::<f64>(model, x, samples, options),
    }
}
