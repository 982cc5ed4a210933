//! `ncg run`: evaluates a model, and differentiates it.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::json::{Shown, number};
use super::{Reply, args, arrays, inputs};
use crate::compile::Model;
use crate::engine::tagged;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Value};
use crate::options::Options;
use crate::session::{Element, Gradient, Session, Strided, StridedMut};
use crate::syntax::ast::Constant;

pub fn run(arguments: &args::Run) -> Result<Reply> {
    let mut options = Options::new();
    arguments.engine.set(&mut options)?;
    let model = Arc::new(arguments.source.plain(&mut options)?);
    let wanted = ports(&model.graph, &arguments.grad)?;
    let inputs = inputs::read(&arguments.inputs, &model.graph)?;
    let result = match options.str("dtype") {
        "f32" => Evaluated::compute::<f32>(&model, &inputs, &wanted, &options),
        _ => Evaluated::compute::<f64>(&model, &inputs, &wanted, &options),
    }?;
    Ok(Reply {
        text: result.text(&model.graph, &inputs),
        json: result.json(&model.graph, &inputs),
        warnings: model.warnings(),
    })
}

/// The ports of these names; the name of an array stands for all its numbers.
pub fn ports(graph: &Graph, names: &[String]) -> Result<Vec<usize>> {
    let find = |name: &String| {
        let elements = arrays::elements(graph, name.trim());
        if !elements.is_empty() {
            return Ok(elements.into_iter().map(|(port, _)| port).collect());
        }
        let known = || graph.ports.iter().map(|port| &*port.name);
        known()
            .position(|other| other == name.trim())
            .map(|port| vec![port])
            .ok_or_else(|| {
                let hint = crate::suggest::closest(name, known())
                    .map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
                let message =
                    format!("--grad: the model has no input or parameter \"{name}\"{hint}");
                Error::new(ErrorKind::Argument, message)
            })
    };
    let found: Result<Vec<Vec<usize>>> = names.iter().map(find).collect();
    Ok(found?.concat())
}

/// A derivative by one input or parameter.
struct Derivative {
    name: Arc<str>,
    /// One value a sample for an input that was given as an array, else one.
    values: Vec<f64>,
    array: bool,
}

/// What came out of a session.
struct Evaluated {
    columns: Vec<Vec<f64>>,
    /// The value of each sample, where it is more than the numbers in the columns.
    values: Option<Vec<Value>>,
    derivatives: Vec<Derivative>,
    engine: &'static str,
    device: String,
    dtype: &'static str,
}

impl Evaluated {
    fn compute<T: Element>(
        model: &Arc<Model>,
        inputs: &inputs::Inputs,
        wanted: &[usize],
        options: &Options,
    ) -> Result<Evaluated> {
        let mut session = Session::<T>::new(model.clone(), options)?;
        let samples = inputs.samples;
        let x: Vec<T> = inputs.x.iter().flatten().map(|x| T::of(*x)).collect();
        let p: Vec<T> = inputs.p.iter().map(|p| T::of(*p)).collect();
        let (n_inputs, n_parameters, n_outputs) = session.counts();
        let mut y = vec![T::ZERO; n_outputs * samples];
        let mut dx = vec![T::ZERO; n_inputs * samples];
        let mut dp = vec![T::ZERO; n_parameters];
        let table = Strided::columns(&x, samples);
        let mut values = StridedMut::columns(&mut y, samples);
        // what a general program gives need not be a number
        let whole = match !model.is_numeric() && wanted.is_empty() && T::NAME == "f64" {
            true => Some(whole_values(model, inputs, options)?),
            false => None,
        };
        if whole.is_none() && wanted.is_empty() {
            session.eval(samples, &table, Some(&p), &mut values, None)?;
        } else if whole.is_none() {
            if n_outputs == 0 {
                let message = "the value of the model holds no number to differentiate";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            let is_parameter = |port: &usize| model.graph.ports[*port].is_parameter();
            let mut by_input = StridedMut::columns(&mut dx, samples);
            let into = Gradient {
                y: Some(&mut values),
                dx: match wanted.iter().all(is_parameter) {
                    true => None,
                    false => Some(&mut by_input),
                },
                dp: wanted.iter().any(is_parameter).then_some(&mut dp),
            };
            session.gradient(samples, &table, Some(&p), None, into, None)?;
        }
        let derivative = |port: &usize| {
            let place = |ports: Vec<usize>| ports.iter().position(|other| other == port);
            let name = model.graph.ports[*port].name.clone();
            let (values, array) = match place(model.graph.inputs()) {
                Some(i) => {
                    let column = dx[i * samples..(i + 1) * samples].iter().copied();
                    match inputs.arrays[i] {
                        true => (column.map(shown).collect(), true),
                        false => {
                            let sum: f64 = column.map(|x| x.to_f64()).sum();
                            (vec![shown(T::of(sum))], false)
                        }
                    }
                }
                None => {
                    let i = place(model.graph.parameters()).unwrap_or(0);
                    (vec![shown(dp[i])], false)
                }
            };
            Derivative {
                name,
                values,
                array,
            }
        };
        Ok(Evaluated {
            derivatives: wanted.iter().map(derivative).collect(),
            values: whole,
            columns: (0..n_outputs)
                .map(|o| y[o * samples..(o + 1) * samples].iter().copied().map(shown))
                .map(Iterator::collect)
                .collect(),
            engine: session.engine(),
            device: session.device(),
            dtype: T::NAME,
        })
    }

    fn shown<'a>(&'a self, graph: &'a Graph, sample: usize) -> Shown<'a> {
        Shown {
            graph,
            columns: &self.columns,
            sample,
        }
    }

    fn value<'a>(&'a self, graph: &'a Graph, sample: usize) -> &'a Value {
        match &self.values {
            Some(values) => &values[sample],
            None => &graph.value,
        }
    }

    fn json(&self, graph: &Graph, inputs: &inputs::Inputs) -> Json {
        let one = |sample| self.shown(graph, sample).json(self.value(graph, sample));
        let mut out = Map::new();
        let value = match inputs.batch {
            true => (0..inputs.samples).map(one).collect(),
            false => one(0),
        };
        out.insert("value".into(), value);
        if !self.derivatives.is_empty() {
            let entry = |d: &Derivative| {
                let values: Json = match d.array {
                    true => d.values.iter().map(|x| number(*x)).collect(),
                    false => number(d.values[0]),
                };
                (d.name.to_string(), values)
            };
            let gradient: Map<String, Json> = self.derivatives.iter().map(entry).collect();
            out.insert("gradient".into(), gradient.into());
        }
        out.insert("engine".into(), json!(self.engine));
        out.insert("device".into(), json!(self.device));
        out.insert("dtype".into(), json!(self.dtype));
        out.into()
    }

    /// A line for the value of each sample, then a line for each derivative.
    fn text(&self, graph: &Graph, inputs: &inputs::Inputs) -> String {
        let mut text = String::new();
        for sample in 0..inputs.samples {
            text += &self.shown(graph, sample).scheme(self.value(graph, sample));
            text.push('\n');
        }
        for d in &self.derivatives {
            let values: Vec<String> = d
                .values
                .iter()
                .map(|x| Constant::Real(*x).to_string())
                .collect();
            text += &format!("d/d{} = {}\n", d.name, values.join(" "));
        }
        text
    }
}

/// The values of a general model, sample by sample.
fn whole_values(model: &Model, inputs: &inputs::Inputs, options: &Options) -> Result<Vec<Value>> {
    let samples = (0..inputs.samples).map(|sample| inputs.ports(sample));
    let values = tagged::evaluate_all(&model.graph, samples, tagged::Limits::of(options));
    values.map_err(|error| match &model.source {
        Some(source) => error.locate(source),
        None => error,
    })
}

/// The number as it is shown: the shortest decimal that names it in its own precision.
fn shown<T: Element>(x: T) -> f64 {
    match T::NAME {
        "f32" => {
            let text = (x.to_f64() as f32).to_string();
            text.parse().unwrap_or(x.to_f64())
        }
        _ => x.to_f64(),
    }
}
