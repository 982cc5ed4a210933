//! What an optimiser needs of many samples, reduced where they lie: sums of squares with the triangle of a Jacobian, or a loss
//! with its gradient. For the library's own sessions; parameters have no initial values.
//!
//! The triangle is the factor `R` of `[J r]`, by modified Gram–Schmidt on its columns with the residuals as the last. It has
//! the backward error of a factor by Householder reflections, and so has the solution of least squares that follows from it
//! (Björck 1967; Björck and Paige 1992). `J'J`, which is less work, would square the condition of the problem.

use prost::Message;

use super::export::{
    Axes, Lines, Names, Target, add_ports, int_attribute, model, value_info, without_initial, write,
};
use super::form::{Count, Element, Parameters, onnx_form, population_form};
use super::proto::ValueInfoProto;
use super::proto::tensor_proto::DataType;
use crate::error::Result;
use crate::graph::Graph;

/// What the outputs of a graph are reduced to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// The graph gives `outputs` residuals of each sample, then their derivatives by `parameters` parameters, residual by
    /// residual. The file gives `squares`, the sum of the squared residuals, and `triangle`: the rows of `R` from its diagonal
    /// on, one after the other.
    Triangle {
        /// Residuals of a sample.
        outputs: usize,
        /// Columns of the Jacobian.
        parameters: usize,
    },
    /// The graph gives the loss of each sample, then sums over the batch. The file gives `loss`, its sum, and `gradient`: the
    /// sums side by side.
    Total,
}

/// The bytes of a model that reduces the outputs of a graph, in double precision, for each member: `[M]` the first output,
/// `[M, L]` the second; one member has `M = 1`. All ports are inputs. If it has loops whose ends are not known, one more
/// output says whether one was cut off.
///
/// # Errors
/// `Unsupported` for a graph that is not numeric.
pub(crate) fn export_reduced(
    graph: &Graph,
    reduction: Reduction,
    parameters: Parameters,
    element: Element,
    max_steps: u64,
) -> Result<Vec<u8>> {
    let form = match parameters {
        Parameters::One => onnx_form(graph, element, Count::Size, max_steps)?,
        Parameters::Population => population_form(graph, element, max_steps)?,
    };
    let population = parameters == Parameters::Population;
    let mut names = Names::default();
    let ports = names.ports(&form);
    let members = form.ports.iter();
    let members: Vec<bool> = members
        .map(|port| population && port.is_parameter())
        .collect();
    let written = write(
        &form,
        element,
        &ports,
        &members,
        &mut names,
        max_steps,
        Target::Engine,
    );
    let axes = Axes::of(&form, &members);
    let tensors = written.outputs.iter().zip(&form.outputs);
    let tensors: Vec<(String, bool)> = tensors
        .map(|(tensor, output)| (tensor.clone(), axes[output.node.index()].samples))
        .collect();
    let mut main = written.graph;
    let cut = main.output.split_off(tensors.len());
    let listed: Vec<usize> = (0..ports.len()).collect();
    add_ports(&mut main, &form, element, &ports, &members, &listed);
    without_initial(&mut main, &ports);

    let mut tail = Tail {
        lines: Lines::new(&mut names, Element::F64),
        element,
        population,
    };
    let outputs = match reduction {
        Reduction::Triangle {
            outputs,
            parameters,
        } => tail.triangle(&tensors, outputs, parameters),
        Reduction::Total => tail.total(&tensors),
    };
    main.node.append(&mut tail.lines.nodes);
    main.initializer.append(&mut tail.lines.initializers);
    main.output = outputs;
    main.output.extend(cut);
    Ok(model(main, String::new()).encode_to_vec())
}

/// The operators behind a graph.
struct Tail<'a> {
    /// They compute in double precision.
    lines: Lines<'a>,
    /// The precision of the graph.
    element: Element,
    /// Whether its outputs have one more dimension, for members, in front.
    population: bool,
}

impl Tail<'_> {
    fn double(&mut self, tensor: String) -> String {
        match self.element {
            Element::F64 => tensor,
            Element::F32 => {
                let to = int_attribute("to", DataType::Double as i64);
                self.lines.with("Cast", &[&tensor], vec![to])
            }
        }
    }

    /// A tensor summed over the dimensions from `first` on.
    fn sum(&mut self, tensor: &str, axes: &[i64], keep: bool) -> String {
        let axes = self.lines.wholes(axes);
        let keep = int_attribute("keepdims", i64::from(keep));
        self.lines.with("ReduceSum", &[tensor, &axes], vec![keep])
    }

    fn joined(&mut self, tensors: &[String], axis: i64) -> String {
        match tensors {
            [one] => one.clone(),
            _ => {
                let tensors: Vec<&str> = tensors.iter().map(String::as_str).collect();
                let axis = int_attribute("axis", axis);
                self.lines.with("Concat", &tensors, vec![axis])
            }
        }
    }

    fn named(&mut self, tensor: &str, name: &str, dims: &[&str]) -> ValueInfoProto {
        let name = self.lines.names.unique(name);
        let output = vec![name.clone()];
        Lines::into(&mut self.lines, "Identity", &[tensor], output, vec![]);
        value_info(&name, DataType::Double, dims)
    }

    fn triangle(
        &mut self,
        tensors: &[(String, bool)],
        outputs: usize,
        parameters: usize,
    ) -> Vec<ValueInfoProto> {
        // a residual differs from sample to sample: its target does
        let shape = self.lines.op("Shape", &[&tensors[0].0]);
        let in_front: &[i64] = if self.population { &[1] } else { &[0, 1] };
        let mut columns = Vec::with_capacity(parameters + 1);
        for column in (0..parameters).map(Some).chain([None]) {
            let mut pieces = Vec::with_capacity(outputs);
            for output in 0..outputs {
                let (tensor, samples) = match column {
                    Some(column) => &tensors[outputs + output * parameters + column],
                    None => &tensors[output],
                };
                let tensor = match samples {
                    true => tensor.clone(),
                    false => self.lines.op("Expand", &[tensor, &shape]),
                };
                let axes = self.lines.wholes(in_front);
                pieces.push(self.lines.op("Unsqueeze", &[&tensor, &axes]));
            }
            let column = self.joined(&pieces, 2);
            columns.push(self.double(column));
        }
        let residuals = columns[parameters].clone();
        let squares = self.lines.op("Mul", &[&residuals, &residuals]);
        let squares = self.sum(&squares, &[1, 2], false);
        let mut rest = self.joined(&columns, 1);
        let mut rows = Vec::with_capacity(parameters + 1);
        for left in (0..=parameters as i64).rev() {
            let (first, others) = match left {
                0 => (rest.clone(), None),
                _ => {
                    let sizes = self.lines.wholes(&[1, left]);
                    let parts = ["first", "rest"].map(|name| self.lines.names.numbered(name));
                    let axis = vec![int_attribute("axis", 1)];
                    let input = [&*rest, &sizes];
                    Lines::into(&mut self.lines, "Split", &input, parts.to_vec(), axis);
                    let [first, others] = parts;
                    (first, Some(others))
                }
            };
            let length = self.lines.op("Mul", &[&first, &first]);
            let length = self.sum(&length, &[2], true);
            let length = self.lines.op("Sqrt", &[&length]);
            rows.push(length.clone());
            let Some(others) = others else {
                break;
            };
            // a column of zeros has no direction
            let zero = self.lines.number(0.0);
            let some = self.lines.op("Greater", &[&length, &zero]);
            let direction = self.lines.op("Div", &[&first, &length]);
            let direction = self.lines.op("Where", &[&some, &direction, &zero]);
            // a Transpose would be fused into a product that old runtimes have in single precision alone
            let upright = self.lines.wholes(&[0, -1, 1]);
            let upright = self.lines.op("Reshape", &[&direction, &upright]);
            let along = self.lines.op("MatMul", &[&others, &upright]);
            let part = self.lines.op("Mul", &[&along, &direction]);
            rest = self.lines.op("Sub", &[&others, &part]);
            rows.push(along);
        }
        let rows = self.joined(&rows, 1);
        let axis = self.lines.wholes(&[2]);
        let rows = self.lines.op("Squeeze", &[&rows, &axis]);
        let numbers = ((parameters + 1) * (parameters + 2) / 2).to_string();
        vec![
            self.named(&squares, "squares", &["M"]),
            self.named(&rows, "triangle", &["M", &numbers]),
        ]
    }

    fn total(&mut self, tensors: &[(String, bool)]) -> Vec<ValueInfoProto> {
        let row = self.lines.wholes(&[-1]);
        let column = self.lines.wholes(&[-1, 1]);
        let loss = self.double(tensors[0].0.clone());
        let loss = self.sum(&loss, &[-1], false);
        let loss = self.lines.op("Reshape", &[&loss, &row]);
        let slopes: Vec<String> = tensors[1..]
            .iter()
            .map(|(tensor, _)| self.lines.op("Reshape", &[tensor, &column]))
            .collect();
        let slopes = self.joined(&slopes, 1);
        let slopes = self.double(slopes);
        let width = (tensors.len() - 1).to_string();
        vec![
            self.named(&loss, "loss", &["M"]),
            self.named(&slopes, "gradient", &["M", &width]),
        ]
    }
}
