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
use crate::fit::{Residuals, add_rows, triangle_len};
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
    let Differentiated {
        observations,
        loss,
        triangle,
        derivatives,
    } = differentiate(&mut session, &data, &start)?;
    let names: Vec<&str> = start.iter().map(|(name, _)| name.as_str()).collect();
    let n = names.len();
    let statistics = statistics(
        &triangle,
        observations,
        loss,
        &vec![false; n],
        &names,
        noise,
    )?;
    Ok(Reply {
        text: text(&derivatives, &statistics, observations, loss),
        json: to_json(&derivatives, &statistics, observations, loss),
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

/// The model at its start.
struct Differentiated {
    /// How many residuals there are.
    observations: usize,
    loss: f64,
    triangle: Vec<f64>,
    derivatives: Vec<Derivative>,
}

/// Steps of the differences, as powers of ten of the parameter: truncation falls with the step, rounding rises, and the best tells.
const EXPONENTS: [i32; 4] = [-3, -4, -5, -6];

/// Loss and Jacobian at the start, block by block, compared with differences.
fn differentiate(
    session: &mut Session<f64>,
    data: &Data,
    start: &[(String, f64)],
) -> Result<Differentiated> {
    let p: Vec<f64> = start.iter().map(|(_, initial)| *initial).collect();
    let n = p.len();
    let free: Vec<usize> = (0..n).collect();
    let mut problem = Problem::new(session, data, (&p, &free), Loss::default(), None)?;
    let (mut loss, mut triangle) = (0.0, vec![0.0; triangle_len(n)]);
    let (mut squares, mut largest) = (vec![0.0; n], vec![0.0f64; n]);
    let mut apart = vec![[0.0f64; EXPONENTS.len()]; n];
    for block in 0..problem.block_count() {
        let rows = problem.block_len(block);
        let (mut residuals, mut jacobian) = (vec![0.0; rows], vec![0.0; rows * n]);
        problem.evaluate(block, &p, &mut residuals, Some(&mut jacobian))?;
        if let Some(bad) = residuals.iter().position(|r| !r.is_finite()) {
            let place = problem.place(block, bad);
            let message = format!("the model is not finite at its initial values: {place}");
            return Err(Error::new(ErrorKind::Numeric, message));
        }
        loss += residuals.iter().map(|r| r * r).sum::<f64>();
        add_rows(&jacobian, &residuals, n, &mut triangle);
        for i in 0..n {
            let exact = &jacobian[i * rows..(i + 1) * rows];
            squares[i] += exact.iter().map(|x| x * x).sum::<f64>();
            largest[i] = exact.iter().fold(largest[i], |most, x| most.max(x.abs()));
            for (exponent, apart) in EXPONENTS.iter().zip(&mut apart[i]) {
                let size = if p[i] == 0.0 { 1.0 } else { p[i].abs() };
                let step = size * 10f64.powi(*exponent);
                let slopes = slopes(&mut problem, block, &p, i, step)?;
                let pairs = exact.iter().zip(&slopes);
                *apart = pairs.fold(*apart, |most, (a, b)| match (a - b).abs() {
                    gap if gap.is_nan() => f64::INFINITY,
                    gap => most.max(gap),
                });
            }
        }
    }
    let derivatives = start.iter().enumerate().map(|(i, (name, initial))| {
        let scale = if largest[i] > 0.0 { largest[i] } else { 1.0 };
        Derivative {
            name: name.clone(),
            initial: *initial,
            effect: squares[i].sqrt(),
            difference: apart[i].iter().copied().fold(f64::INFINITY, f64::min) / scale,
        }
    });
    Ok(Differentiated {
        observations: problem.residual_count(),
        loss,
        triangle,
        derivatives: derivatives.collect(),
    })
}

/// Derivatives of a block by parameter `i` from differences: central ones with two steps, combined so that the error falls with the
/// fourth power of the step.
fn slopes(
    problem: &mut Problem<f64>,
    block: usize,
    p: &[f64],
    i: usize,
    step: f64,
) -> Result<Vec<f64>> {
    let rows = problem.block_len(block);
    let mut central = |step: f64| -> Result<Vec<f64>> {
        let mut at = |value: f64| -> Result<Vec<f64>> {
            let (mut p, mut out) = (p.to_vec(), vec![0.0; rows]);
            p[i] = value;
            problem.evaluate(block, &p, &mut out, None)?;
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
        (true, true) if !s.notes.is_empty() => {
            "\nthe gradients agree; the data determine the parameters at the start, some of them hardly\n"
        }
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
