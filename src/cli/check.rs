//! `ncg check`: before a fit, whether gradients agree with differences, and what the data can determine.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::json::number;
use super::{Reply, args, table};
use crate::error::{Error, ErrorKind, Result};
use crate::fit::loss::Loss;
use crate::fit::problem::{Data, Problem};
use crate::fit::report::significant;
use crate::fit::statistics::{Statistics, statistics};
use crate::fit::{Residuals, reduce, triangle_len};
use crate::graph::{Graph, PortKind};
use crate::options::Options;
use crate::session::Session;

/// Largest difference between derivative and difference, relative to the largest derivative, that passes.
const TOLERANCE: f64 = 1e-6;

/// What is known of one parameter at the start.
struct Derivative {
    name: String,
    initial: f64,
    /// Length of its column of the Jacobian.
    effect: f64,
    /// Largest difference to central differences, relative to the largest entry of the column.
    difference: f64,
}

impl Derivative {
    fn agrees(&self) -> bool {
        self.difference <= TOLERANCE
    }
}

pub fn run(arguments: &args::Check) -> Result<Reply> {
    let mut options = Options::new();
    arguments.engine.set(&mut options)?;
    if options.str("dtype") != "f64" {
        let message = "check compares derivatives with differences, which needs --dtype f64";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let model = Arc::new(arguments.source.load(&arguments.parameters, &mut options)?);
    let warnings = model.warnings();
    let outputs = model.graph.outputs.len();
    let (data, noise) = table::observations(&arguments.data, &model.graph, outputs)?;
    let start = start(&model.graph)?;
    let mut session = Session::<f64>::new(model, &options)?;
    let (residuals, jacobian, derivatives) = differentiate(&mut session, &data, &start)?;
    let names: Vec<&str> = start.iter().map(|(name, _)| name.as_str()).collect();
    let n = names.len();
    let loss: f64 = residuals.iter().map(|r| r * r).sum();
    if !loss.is_finite() {
        let bad = residuals.iter().position(|r| !r.is_finite()).unwrap_or(0);
        let message = format!(
            "the model is not finite at its initial values: sample {} (counted from 1)",
            bad % data.samples + 1
        );
        return Err(Error::new(ErrorKind::Numeric, message));
    }
    let mut triangle = vec![0.0; triangle_len(n)];
    reduce(&jacobian, &residuals, n, &mut triangle);
    let statistics = statistics(
        &triangle,
        residuals.len(),
        loss,
        &vec![false; n],
        &names,
        noise,
    )?;
    Ok(Reply {
        text: text(&derivatives, &statistics, residuals.len(), loss),
        json: to_json(&derivatives, &statistics, residuals.len(), loss),
        warnings,
    })
}

fn start(graph: &Graph) -> Result<Vec<(String, f64)>> {
    let start: Vec<(String, f64)> = graph
        .ports
        .iter()
        .filter_map(|port| match port.kind {
            PortKind::Parameter { initial, .. } => Some((port.name.to_string(), initial)),
            PortKind::Input => None,
        })
        .collect();
    match start.is_empty() {
        false => Ok(start),
        true => Err(Error::new(
            ErrorKind::Argument,
            "the model has no parameter: declare one with (parameter NAME INIT), or name it with --parameter NAME=INIT",
        )),
    }
}

type Differentiated = (Vec<f64>, Vec<f64>, Vec<Derivative>);

/// Residuals and Jacobian at the start, compared with differences.
fn differentiate(
    session: &mut Session<f64>,
    data: &Data,
    start: &[(String, f64)],
) -> Result<Differentiated> {
    let p: Vec<f64> = start.iter().map(|(_, initial)| *initial).collect();
    let free: Vec<usize> = (0..p.len()).collect();
    let mut problem = Problem::new(session, data, (&p, &free), Loss::default(), None)?;
    let rows = problem.residual_count();
    let mut residuals = vec![0.0; rows];
    let mut jacobian = vec![0.0; rows * p.len()];
    problem.evaluate(&p, &mut residuals, Some(&mut jacobian))?;
    let mut derivatives = Vec::new();
    for (i, (name, initial)) in start.iter().enumerate() {
        let exact = &jacobian[i * rows..(i + 1) * rows];
        let largest = exact.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let mut difference = f64::INFINITY;
        // truncation falls with the step, rounding rises: the best of a few steps tells
        for exponent in [-3, -4, -5, -6] {
            let size = if *initial == 0.0 { 1.0 } else { initial.abs() };
            let step = size * 10f64.powi(exponent);
            let slopes = slopes(&mut problem, &p, i, step, rows)?;
            let apart = exact.iter().zip(&slopes);
            let apart = apart.fold(0.0, |most: f64, (a, b)| match (a - b).abs() {
                gap if gap.is_nan() => f64::INFINITY,
                gap => most.max(gap),
            });
            let scale = if largest > 0.0 { largest } else { 1.0 };
            difference = difference.min(apart / scale);
        }
        derivatives.push(Derivative {
            name: name.clone(),
            initial: *initial,
            effect: exact.iter().map(|x| x * x).sum::<f64>().sqrt(),
            difference,
        });
    }
    Ok((residuals, jacobian, derivatives))
}

/// Derivatives by parameter `i` from differences: central ones with two steps, combined so that the error falls with the
/// fourth power of the step.
fn slopes(
    problem: &mut Problem<f64>,
    p: &[f64],
    i: usize,
    step: f64,
    rows: usize,
) -> Result<Vec<f64>> {
    let mut central = |step: f64| -> Result<Vec<f64>> {
        let mut at = |value: f64| -> Result<Vec<f64>> {
            let (mut p, mut out) = (p.to_vec(), vec![0.0; rows]);
            p[i] = value;
            problem.evaluate(&p, &mut out, None)?;
            Ok(out)
        };
        let (above, below) = (p[i] + step, p[i] - step);
        let pairs = at(above)?.into_iter().zip(at(below)?);
        Ok(pairs.map(|(a, b)| (a - b) / (above - below)).collect())
    };
    let pairs = central(step)?.into_iter().zip(central(step / 2.0)?);
    Ok(pairs
        .map(|(coarse, fine)| (4.0 * fine - coarse) / 3.0)
        .collect())
}

fn text(derivatives: &[Derivative], s: &Statistics, observations: usize, loss: f64) -> String {
    let width = derivatives.iter().map(|d| d.name.chars().count()).max();
    let width = width.unwrap_or(0).max("parameter".len());
    let mut out = format!(
        "{:<width$}  {:>12}  {:>12}  {:>10}\n",
        "parameter", "initial", "effect", "difference"
    );
    for d in derivatives {
        let remark = if d.agrees() { "" } else { "  DISAGREES" };
        out += &format!(
            "{:<width$}  {:>12}  {:>12}  {:>10.1e}{remark}\n",
            d.name,
            significant(d.initial, 6),
            significant(d.effect, 6),
            d.difference
        );
    }
    let n = derivatives.len();
    out += "\neffect: length of the derivatives of the residuals by the parameter\n";
    out += "difference: largest deviation of the gradient from central differences, relative\n";
    out += &format!(
        "\nobservations  {observations}\nloss          {}\nrank          {} of {n}\ncondition     {}\n",
        significant(loss, 10),
        s.rank,
        significant(s.condition, 3)
    );
    for note in &s.notes {
        out += &format!("\nnote: {note}\n");
    }
    let agree = derivatives.iter().all(Derivative::agrees);
    out += match (agree, s.rank == n) {
        (true, true) => {
            "\nthe gradients agree, and the data determine every parameter at the start\n"
        }
        (true, false) => {
            "\nthe gradients agree; the data do not determine every parameter at the start\n"
        }
        (false, _) => {
            "\nsome gradients disagree with differences: the model jumps or has a kink near the start, or this is a bug\n"
        }
    };
    out
}

fn to_json(derivatives: &[Derivative], s: &Statistics, observations: usize, loss: f64) -> Value {
    let parameters: Map<String, Value> = derivatives
        .iter()
        .map(|d| {
            let entry = json!({
                "initial": number(d.initial),
                "effect": number(d.effect),
                "difference": number(d.difference),
                "agrees": d.agrees(),
            });
            (d.name.clone(), entry)
        })
        .collect();
    json!({
        "parameters": parameters,
        "gradients_agree": derivatives.iter().all(Derivative::agrees),
        "observations": observations,
        "loss": number(loss),
        "rank": s.rank,
        "condition": number(s.condition),
        "notes": s.notes,
        "warnings": [],
    })
}
