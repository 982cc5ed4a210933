//! Some iterations of Adam as one graph, for the library's own sessions: the state of the fit comes in and goes out, so that a
//! fit may be stopped between two calls, saved, and gone on with. How the iterations are cut into calls changes no digit.

use prost::Message;

use super::adam::{Settings, State};
use super::export::{Axes, Lines, Names, add_ports, graph_attribute, model, truths, value_info};
use super::form::{Element, Parameters, population_form};
use super::proto::GraphProto;
use super::proto::tensor_proto::DataType;
use super::whole_fit::{Body, keep_of};
use crate::error::Result;
use crate::graph::Graph;

/// Tensors of a state.
pub(crate) const STATES: usize = 10;
/// So many of them, the first, have a value for each parameter: `[M, P]`. The others are `[M, 1]`, and the last holds truth
/// values.
pub(crate) const WIDE: usize = 4;

/// The bytes of a model that does iterations of Adam on `graph`, which gives a loss and its gradient by the parameters `wrt`,
/// within the bounds of these ports. In double precision.
///
/// Inputs: the ports but those of `wrt`, samples `[N]` and parameters `[M, 1]`; how many iterations at most, an int64; the
/// learning rate, `gtol` and `xtol`; the state. Outputs: the state after them. Parameters and state are those of `M` members,
/// one for [`Parameters::One`].
///
/// # Errors
/// `Unsupported` for a graph that is not numeric.
pub(crate) fn export_epochs(
    graph: &Graph,
    wrt: &[usize],
    parameters: Parameters,
    max_steps: u64,
) -> Result<Vec<u8>> {
    let element = Element::F64;
    let step = population_form(graph, element, max_steps)?;
    let mut names = Names::default();
    let ports = names.ports(&step);
    let [epochs, learning_rate, gtol, xtol] =
        ["epochs", "learning_rate", "gtol", "xtol"].map(|name| names.unique(name));
    let states: [String; STATES] = std::array::from_fn(|_| names.numbered("state"));
    let next: [String; STATES] = std::array::from_fn(|_| names.numbered("next"));
    let settings = Settings {
        learning_rate,
        gtol,
        xtol,
    };
    let body = Body::write(
        &step,
        graph,
        wrt,
        &ports,
        &settings,
        keep_of(parameters),
        max_steps,
        &mut Lines::new(&mut names, element),
    );
    let mut main = GraphProto {
        name: Some("epochs".into()),
        initializer: body.initializers,
        ..Default::default()
    };
    let members: Vec<bool> = step.ports.iter().map(|port| port.is_parameter()).collect();
    let listed: Vec<usize> = (0..ports.len())
        .filter(|port| !wrt.contains(port))
        .collect();
    add_ports(&mut main, &step, element, &ports, &members, &listed);
    super::export::without_initial(&mut main, &ports);
    let number = element.data_type();
    main.input.push(value_info(&epochs, DataType::Int64, &[]));
    for name in [&settings.learning_rate, &settings.gtol, &settings.xtol] {
        main.input.push(value_info(name, number, &[]));
    }
    let width = wrt.len().to_string();
    let narrow = Axes {
        members: true,
        samples: false,
    };
    let info = |name: &str, place: usize| match place {
        0..WIDE => value_info(name, number, &["M", &width]),
        _ if place + 1 == STATES => value_info(name, DataType::Bool, narrow.dims()),
        _ => value_info(name, number, narrow.dims()),
    };
    for (place, name) in states.iter().enumerate() {
        main.input.push(info(name, place));
    }
    for (place, name) in next.iter().enumerate() {
        main.output.push(info(name, place));
    }
    let mut lines = Lines::new(&mut names, element);
    lines.nodes = body.before;
    let yes = lines.names.numbered("constant");
    lines.initializers.push(truths(&yes, &[], true));
    let states = State::from_list(states).into_list();
    let mut input = vec![&*epochs, &*yes];
    input.extend(states.iter().map(String::as_str));
    // the runtime crashes on outputs without a name
    let mut output = next.to_vec();
    output.push(lines.names.numbered("Loop"));
    let attribute = vec![graph_attribute("body", body.graph)];
    Lines::into(&mut lines, "Loop", &input, output, attribute);
    main.node = lines.nodes;
    main.initializer.extend(lines.initializers);
    Ok(model(main, String::new()).encode_to_vec())
}
