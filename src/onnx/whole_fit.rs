//! A whole fit as one ONNX graph: Adam in a `Loop` over epochs, so that a runtime fits in one call.
//!
//! Inputs: those of the model, `target.NAME` for each output, the parameters with their initial values, and the settings
//! `epochs`, `learning_rate`, `gtol` and `xtol`, which have defaults. Outputs: `fitted.NAME` for each parameter, `loss` (the
//! sum of the squared differences there), `iterations`, and `history`: the loss at the parameters of each iteration, the
//! first at the initial ones. The iterations, their stops and the bounds are those of [`crate::fit::adam`].
//!
//! Of a population each parameter has the shape `[M, 1]`, one start for each member: so have `fitted.NAME`, `loss` and
//! `iterations`, and `history` is `[T, M]`. Members that have ended keep what they have.

use std::collections::HashSet;

use prost::Message;

use super::adam::{Bounds, Keep, MAX_ITERATIONS, Settings, State, iterate};
use super::export::{
    Axes, Lines, Names, Target, add_ports, graph_attribute, int_attribute, model, scalar, truths,
    value_info, whole, write,
};
use super::form::{Element, Parameters, population_form};
use super::proto::tensor_proto::DataType;
use super::proto::{GraphProto, NodeProto};
use crate::error::{Error, ErrorKind, Result};
use crate::grad;
use crate::graph::{Graph, PortKind};

/// The settings that a file has unless it is given others.
#[derive(Clone, Debug, PartialEq)]
pub struct FitDefaults {
    /// Most iterations; 0 stands for 20,000.
    pub epochs: u64,
    /// Step of Adam, in units of the parameter.
    pub learning_rate: f64,
    /// Stops when the scaled gradient falls below this.
    pub gtol: f64,
    /// Stops when the parameters change relatively less than this.
    pub xtol: f64,
}

/// The names of the outputs of a file.
struct Results {
    fitted: Vec<String>,
    loss: String,
    iterations: String,
    history: String,
}

/// The bytes of an ONNX file that fits all parameters of a numeric graph to data by Adam.
///
/// # Errors
/// `Unsupported` for a graph that is not numeric, or that has no parameter.
pub fn export_fit(
    graph: &Graph,
    element: Element,
    parameters: Parameters,
    defaults: &FitDefaults,
    max_steps: u64,
) -> Result<Vec<u8>> {
    let graph = fit_graph(graph, element, parameters, defaults, max_steps)?;
    Ok(model(graph, String::new()).encode_to_vec())
}

/// The graph of such a file.
pub(super) fn fit_graph(
    graph: &Graph,
    element: Element,
    parameters: Parameters,
    defaults: &FitDefaults,
    max_steps: u64,
) -> Result<GraphProto> {
    let wrt = graph.parameters();
    if wrt.is_empty() {
        let message = "a fit needs parameters, and the model has none: name inputs that are, as --parameter does";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let step = population_form(&grad::squares(graph, &wrt), element, max_steps)?;
    let mut names = Names::default();
    let ports = names.ports(&step);
    let [epochs, rate, gtol, xtol] =
        ["epochs", "learning_rate", "gtol", "xtol"].map(|name| names.unique(name));
    let results = Results {
        fitted: wrt
            .iter()
            .map(|port| names.unique(&format!("fitted.{}", graph.ports[*port].name)))
            .collect(),
        loss: names.unique("loss"),
        iterations: names.unique("iterations"),
        history: names.unique("history"),
    };

    let settings = Settings {
        learning_rate: rate,
        gtol,
        xtol,
    };
    let body = Body::write(
        &step,
        graph,
        &wrt,
        &ports,
        &settings,
        keep_of(parameters),
        max_steps,
        &mut Lines::new(&mut names, element),
    );

    let mut main = GraphProto {
        name: Some("fit".into()),
        initializer: body.initializers,
        ..Default::default()
    };
    let members: Vec<bool> = step
        .ports
        .iter()
        .map(|port| port.is_parameter() && parameters == Parameters::Population)
        .collect();
    let listed: Vec<usize> = (0..ports.len()).collect();
    add_ports(&mut main, &step, element, &ports, &members, &listed);
    let limit = match defaults.epochs {
        0 => MAX_ITERATIONS,
        epochs => epochs,
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX - 1);
    main.input.push(value_info(&epochs, DataType::Int64, &[]));
    main.initializer.push(whole(&epochs, limit));
    for (name, value) in [
        (&settings.learning_rate, defaults.learning_rate),
        (&settings.gtol, defaults.gtol),
        (&settings.xtol, defaults.xtol),
    ] {
        main.input.push(value_info(name, element.data_type(), &[]));
        main.initializer.push(scalar(name, element, value));
    }
    let starts: Vec<String> = wrt.iter().map(|port| ports[*port].clone()).collect();
    let mut lines = Lines::new(&mut names, element);
    lines.nodes = body.before;
    lines.run(&body.graph, &starts, &epochs, parameters, &results);
    main.initializer.extend(lines.initializers);
    main.node = lines.nodes;
    let axes = Axes {
        members: parameters == Parameters::Population,
        samples: false,
    };
    let number = element.data_type();
    for name in results.fitted.iter().chain([&results.loss]) {
        main.output.push(value_info(name, number, axes.dims()));
    }
    let iterations = value_info(&results.iterations, DataType::Int64, axes.dims());
    main.output.push(iterations);
    let rows: &[&str] = if axes.members { &["T", "M"] } else { &["T"] };
    main.output.push(value_info(&results.history, number, rows));
    Ok(main)
}

/// What becomes of members that have ended.
pub(super) fn keep_of(parameters: Parameters) -> Keep {
    match parameters {
        Parameters::One => Keep::Nothing,
        Parameters::Population => Keep::Ended,
    }
}

/// The body of the loop over epochs, and what does not change in it.
pub(super) struct Body {
    pub graph: GraphProto,
    /// To be computed once, before the loop.
    pub before: Vec<NodeProto>,
    pub initializers: Vec<super::proto::TensorProto>,
}

impl Body {
    /// One epoch on the graph `step`, which gives the loss and its gradient.
    #[allow(clippy::too_many_arguments)]
    pub fn write(
        step: &Graph,
        graph: &Graph,
        wrt: &[usize],
        ports: &[String],
        settings: &Settings,
        keep: Keep,
        max_steps: u64,
        lines: &mut Lines,
    ) -> Body {
        let element = lines.element;
        let inputs: [String; 12] = std::array::from_fn(|_| lines.names.numbered("in"));
        let state = State::from_list(std::array::from_fn(|i| inputs[i + 2].clone()));
        let columns: Vec<String> = wrt.iter().map(|_| lines.names.numbered("Split")).collect();
        let mut inner = ports.to_vec();
        for (port, column) in wrt.iter().zip(&columns) {
            inner[*port].clone_from(column);
        }
        let count = wrt.len() as i64;
        let attribute = vec![
            int_attribute("axis", 1),
            int_attribute("num_outputs", count),
        ];
        lines.into("Split", &[&state.params], columns, attribute);
        let members: Vec<bool> = step.ports.iter().map(|port| port.is_parameter()).collect();
        let written = write(
            step,
            element,
            &inner,
            &members,
            lines.names,
            max_steps,
            Target::File,
        );
        lines.nodes.extend(written.graph.node);
        let (loss, slopes) = (&written.outputs[0], &written.outputs[1..]);
        let slopes: Vec<&str> = slopes.iter().map(String::as_str).collect();
        let gradient = lines.with("Concat", &slopes, vec![int_attribute("axis", 1)]);
        let mut bounds = Bounds {
            lower: vec![],
            upper: vec![],
        };
        for port in wrt {
            if let PortKind::Parameter { lower, upper, .. } = graph.ports[*port].kind {
                bounds.lower.push(lower);
                bounds.upper.push(upper);
            }
        }
        let next = iterate(lines, &state, loss, &gradient, settings, &bounds, keep);
        let again = match keep {
            Keep::Nothing => lines.op("Squeeze", &[&next.active]),
            Keep::Ended => {
                // the runtime does not reduce no members
                let row = lines.wholes(&[-1]);
                let row = lines.op("Reshape", &[&next.active, &row]);
                let no = lines.names.numbered("constant");
                lines.initializers.push(truths(&no, &[1], false));
                let all = lines.with("Concat", &[&row, &no], vec![int_attribute("axis", 0)]);
                lines.with("ReduceMax", &[&all], vec![int_attribute("keepdims", 0)])
            }
        };
        let history = lines.op("Where", &[&state.active, loss, &state.best_loss]);
        // rows of one dimension: the reference evaluator of ONNX joins others the wrong way
        let axis = lines.wholes(&[1]);
        let history = lines.op("Squeeze", &[&history, &axis]);

        let changing: HashSet<String> = inputs.iter().cloned().collect();
        let (before, node) = split(std::mem::take(&mut lines.nodes), changing);
        let width = count.to_string();
        let wide: &[&str] = &["M", &width];
        let number = element.data_type();
        let info = |name: &str, place: usize| match place {
            0..4 => value_info(name, number, wide),
            9 => value_info(name, DataType::Bool, &["M", "1"]),
            _ => value_info(name, number, &["M", "1"]),
        };
        let mut input = vec![
            value_info(&inputs[0], DataType::Int64, &[]),
            value_info(&inputs[1], DataType::Bool, &[]),
        ];
        let states = inputs[2..].iter().enumerate();
        input.extend(states.map(|(place, name)| info(name, place)));
        let mut output = vec![value_info(&again, DataType::Bool, &[])];
        let states = next.into_list().into_iter().enumerate();
        output.extend(states.map(|(place, name)| info(&name, place)));
        output.push(value_info(&history, number, &["M"]));
        let mut initializers = written.graph.initializer;
        initializers.append(&mut lines.initializers);
        let graph = GraphProto {
            name: Some("epoch".into()),
            node,
            input,
            output,
            ..Default::default()
        };
        Body {
            graph,
            before,
            initializers,
        }
    }
}

/// The nodes that need nothing of what is changing, and the others; both in order.
fn split(nodes: Vec<NodeProto>, mut changing: HashSet<String>) -> (Vec<NodeProto>, Vec<NodeProto>) {
    let (mut before, mut inside) = (Vec::new(), Vec::new());
    for node in nodes {
        if reads(&node, &changing) {
            changing.extend(node.output.iter().cloned());
            inside.push(node);
        } else {
            before.push(node);
        }
    }
    (before, inside)
}

/// Whether a node, or one of the graphs that it holds, reads one of these tensors. Names are given once in a file.
fn reads(node: &NodeProto, tensors: &HashSet<String>) -> bool {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if node.input.iter().any(|name| tensors.contains(name)) {
            return true;
        }
        for graph in node
            .attribute
            .iter()
            .filter_map(|attribute| attribute.g.as_ref())
        {
            if graph
                .output
                .iter()
                .any(|info| tensors.contains(info.name()))
            {
                return true;
            }
            open.extend(&graph.node);
        }
    }
    false
}

impl Lines<'_> {
    /// Runs epochs of this body from these starts, and gives the results their names.
    fn run(
        &mut self,
        body: &GraphProto,
        starts: &[String],
        epochs: &str,
        parameters: Parameters,
        results: &Results,
    ) {
        let one = parameters == Parameters::One;
        let starts: Vec<String> = match one {
            true => {
                let shape = self.wholes(&[1, 1]);
                let starts = starts.iter();
                starts
                    .map(|start| self.op("Reshape", &[start, &shape]))
                    .collect()
            }
            false => {
                // parameters that are left at their default have one value
                let all: Vec<&str> = starts.iter().map(String::as_str).collect();
                let all = self.op("Sum", &all);
                let shape = self.op("Shape", &[&all]);
                let starts = starts.iter();
                starts
                    .map(|start| self.op("Expand", &[start, &shape]))
                    .collect()
            }
        };
        let columns: Vec<&str> = starts.iter().map(String::as_str).collect();
        let params = self.with("Concat", &columns, vec![int_attribute("axis", 1)]);
        let (wide, narrow) = (
            self.op("Shape", &[&params]),
            self.op("Shape", &[&starts[0]]),
        );
        let (zero, unit) = (self.number(0.0), self.number(1.0));
        let infinity = self.number(f64::INFINITY);
        let yes = self.names.numbered("constant");
        self.initializers.push(truths(&yes, &[], true));
        let zeros = self.op("Expand", &[&zero, &wide]);
        let [none, ones, infinite, active] =
            [&zero, &unit, &infinity, &yes].map(|value| self.op("Expand", &[value, &narrow]));
        let state = State {
            best: params.clone(),
            params,
            mean: zeros.clone(),
            square: zeros,
            best_loss: infinite,
            rate: ones,
            waiting: none.clone(),
            steps: none.clone(),
            iterations: none,
            active,
        };
        // once more than there are steps: each iteration begins with the loss
        let [least, more] = [0, 1].map(|value| {
            let name = self.names.numbered("constant");
            self.initializers.push(whole(&name, value));
            name
        });
        let limit = self.op("Max", &[epochs, &least]);
        let trips = self.op("Add", &[&limit, &more]);
        let states = state.into_list();
        let mut input = vec![&*trips, &*yes];
        input.extend(states.iter().map(String::as_str));
        // the runtime crashes on outputs without a name
        let mut output: Vec<String> = states.iter().map(|_| self.names.numbered("Loop")).collect();
        let [best, loss, iterations] = [3, 4, 8].map(|place| output[place].clone());
        let rows = match one {
            true => self.names.numbered("Loop"),
            false => results.history.clone(),
        };
        output.push(rows.clone());
        let attribute = vec![graph_attribute("body", body.clone())];
        self.into("Loop", &input, output, attribute);

        let fitted: Vec<String> = match one {
            true => starts
                .iter()
                .map(|_| self.names.numbered("Split"))
                .collect(),
            false => results.fitted.clone(),
        };
        let count = starts.len() as i64;
        let attribute = vec![
            int_attribute("axis", 1),
            int_attribute("num_outputs", count),
        ];
        self.into("Split", &[&best], fitted.clone(), attribute);
        let iterations = self.with(
            "Cast",
            &[&iterations],
            vec![int_attribute("to", DataType::Int64 as i64)],
        );
        let least = self.op("Min", &[&iterations, &limit]);
        let last = match one {
            true => "Squeeze",
            false => "Identity",
        };
        self.into(last, &[&loss], vec![results.loss.clone()], vec![]);
        self.into(last, &[&least], vec![results.iterations.clone()], vec![]);
        if one {
            let axis = self.wholes(&[1]);
            self.into(
                "Squeeze",
                &[&rows, &axis],
                vec![results.history.clone()],
                vec![],
            );
            for (column, name) in fitted.iter().zip(&results.fitted) {
                self.into("Squeeze", &[column], vec![name.clone()], vec![]);
            }
        }
    }
}
