//! Writes nodes and outputs.

use std::collections::HashMap;

use super::Names;
use super::axes::Axes;
use super::messages::{int_attribute, scalar, truths, value_info, whole, wholes};
use super::part::Part;
use crate::graph::{Elem, Graph, NodeId, NodeKind, RegionId, Type};
use crate::onnx::form::{Element, counted, used_ports};
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{AttributeProto, GraphProto, TensorProto};
use crate::ops::{OnnxForm, Op};
use crate::syntax::ast::Constant;

/// Who runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whoever reads the file. The numbers of samples whose loops were cut off are NaN. The reference evaluator of ONNX has
    /// no `Scan` from the end of a sequence.
    File,
    /// ONNX Runtime. One more output, a truth value, says whether a loop was cut off.
    Engine,
}

/// What [`write`] makes of a graph.
pub struct Written {
    /// Without inputs, and with the constants as the only initializers.
    pub graph: GraphProto,
    /// The tensors of the outputs of the form.
    pub outputs: Vec<String>,
    /// The constants that their tensor does not hold exactly.
    pub constants: Vec<(String, Constant)>,
}

/// Writes the nodes and outputs of a graph in ONNX form, whose ports are the tensors of these names. `members` says which
/// of them differ from member to member of a population: if any does, all outputs do.
pub fn write(
    form: &Graph,
    element: Element,
    ports: &[String],
    members: &[bool],
    names: &mut Names,
    max_steps: u64,
    target: Target,
) -> Written {
    let outputs = form.outputs.iter();
    let outputs: Vec<String> = outputs.map(|output| names.unique(&output.name)).collect();
    let mut writer = Writer::new(form, element, ports, members, names, max_steps, target);
    let nan = target == Target::File && writer.may_overrun();
    // the first output of a computed node gives it its name
    let populated = members.contains(&true);
    for (output, name) in form.outputs.iter().zip(&outputs) {
        let whole = writer.axes[output.node.index()].members == populated;
        if matches!(form.node(output.node).kind, NodeKind::Op(_)) && !nan && whole {
            writer.given.entry(output.node).or_insert(name.clone());
        }
    }
    writer.region(RegionId(0));
    let cut = writer.overrun();
    for (output, name) in form.outputs.iter().zip(&outputs) {
        let bool = writer.is_bool(output.node);
        let axes = Axes {
            members: populated,
            ..writer.axes[output.node.index()]
        };
        let tensor = writer.shaped(output.node, bool, axes);
        match &cut {
            Some((cut, own)) if nan && !bool => {
                let cut = writer.any_along(cut.clone(), *own, axes);
                let nan = writer.shared("NaN", |name| scalar(name, element, f64::NAN));
                writer
                    .part()
                    .push("Where", vec![cut, nan, tensor], name.clone());
            }
            _ if writer.given.get(&output.node) == Some(name) => {}
            _ => writer.part().push("Identity", vec![tensor], name.clone()),
        }
        let data_type = writer.data_type(bool);
        let info = value_info(name, data_type, axes.dims());
        writer.part().outputs.push(info);
    }
    if let Some((cut, axes)) = cut.filter(|_| target == Target::Engine) {
        let cut = writer.any_along(cut, axes, Axes::NONE);
        writer.output(cut, DataType::Bool, &[]);
    }
    let Writer {
        mut parts,
        initializers,
        inexact,
        ..
    } = writer;
    let mut graph = parts.remove(0).into_graph("ncg".into());
    graph.initializer = initializers;
    Written {
        graph,
        outputs,
        constants: inexact,
    }
}

pub struct Writer<'a> {
    pub form: &'a Graph,
    pub element: Element,
    pub ports: &'a [String],
    /// Which ports differ from member to member of a population.
    pub members: &'a [bool],
    pub names: &'a mut Names,
    pub max_steps: u64,
    pub target: Target,
    /// Along which axes nodes differ.
    pub axes: Vec<Axes>,
    /// For each node, whether another or a region uses it.
    pub used: Vec<bool>,
    /// For each loop that is gone back over, which states are read then.
    pub read: HashMap<NodeId, Vec<bool>>,
    /// For each node of linear algebra, which of its values are read.
    pub values_read: HashMap<NodeId, Vec<u32>>,
    /// The names of nodes that outputs have named.
    given: HashMap<NodeId, String>,
    /// The tensors of constants as numbers and as truth values.
    numbers: HashMap<NodeId, String>,
    truths: HashMap<NodeId, String>,
    /// What is written once, by a word for it.
    pub shared: HashMap<String, String>,
    pub initializers: Vec<TensorProto>,
    inexact: Vec<(String, Constant)>,
    /// The graphs that are being written, each inside the one before it.
    pub parts: Vec<Part>,
}

impl<'a> Writer<'a> {
    fn new(
        form: &'a Graph,
        element: Element,
        ports: &'a [String],
        members: &'a [bool],
        names: &'a mut Names,
        max_steps: u64,
        target: Target,
    ) -> Writer<'a> {
        let mut used = vec![false; form.nodes.len()];
        let args = form.nodes.iter().flat_map(|node| &node.args);
        let results = form.regions.iter().flat_map(|region| &region.results);
        args.chain(results)
            .for_each(|node| used[node.index()] = true);
        let mut read: HashMap<NodeId, Vec<bool>> = HashMap::new();
        let mut values_read: HashMap<NodeId, Vec<u32>> = HashMap::new();
        for node in &form.nodes {
            if let NodeKind::Get(index) = node.kind
                && matches!(form.node(node.args[0]).kind, NodeKind::Linear(_))
            {
                let indices = values_read.entry(node.args[0]).or_default();
                indices.push(index);
            }
            let NodeKind::Reverse(back) = node.kind else {
                continue;
            };
            let states = form.node(node.args[0]).args.len();
            let read = read.entry(node.args[0]).or_insert(vec![false; states]);
            for (read, param) in read.iter_mut().zip(&form.region(back).params) {
                *read |= used[param.index()];
            }
        }
        Writer {
            form,
            element,
            ports,
            members,
            names,
            max_steps,
            target,
            axes: Axes::of(form, members),
            used,
            read,
            values_read,
            given: HashMap::new(),
            numbers: HashMap::new(),
            truths: HashMap::new(),
            shared: HashMap::new(),
            initializers: Vec::new(),
            inexact: Vec::new(),
            parts: vec![Part::default()],
        }
    }

    /// Whether a loop may not end within the iterations that it has at most.
    fn may_overrun(&self) -> bool {
        (0..self.form.nodes.len() as u32).map(NodeId).any(|id| {
            matches!(self.form.node(id).kind, NodeKind::Loop(..))
                && counted(self.form, id, self.max_steps).is_none()
        })
    }

    /// The graph that is being written.
    pub fn part(&mut self) -> &mut Part {
        let innermost = self.parts.len() - 1;
        &mut self.parts[innermost]
    }

    pub fn is_bool(&self, node: NodeId) -> bool {
        self.form.node(node).ty == Type::Scalar(Elem::Bool)
    }

    pub fn data_type(&self, bool: bool) -> DataType {
        match bool {
            true => DataType::Bool,
            false => self.element.data_type(),
        }
    }

    /// The tensor of a node, and the graph that has it.
    fn tensor(&self, node: NodeId) -> (usize, String) {
        let parts = self.parts.iter().enumerate().rev();
        let mut found = parts.filter_map(|(i, part)| Some((i, part.tensors.get(&node)?)));
        let (part, tensor) = found.next().expect("arguments stand before their users");
        (part, tensor.clone())
    }

    /// The values of a node of several values.
    pub fn values(&self, node: NodeId) -> &super::part::Values {
        let mut parts = self.parts.iter().rev();
        let found = parts.find_map(|part| part.values.get(&node));
        found.expect("arguments stand before their users")
    }

    /// The tensor of a node as a number.
    pub fn number(&mut self, node: NodeId) -> String {
        self.number_at(node).1
    }

    fn number_at(&mut self, node: NodeId) -> (usize, String) {
        if let NodeKind::Constant(value) = &self.form.node(node).kind {
            return (0, self.constant(node, value));
        }
        let (part, tensor) = self.tensor(node);
        if !self.is_bool(node) {
            return (part, tensor);
        }
        if let Some(name) = self.parts[part].casts.get(&tensor) {
            return (part, name.clone());
        }
        let name = self.names.numbered("Cast");
        self.cast(part, tensor.clone(), name.clone());
        self.parts[part].casts.insert(tensor, name.clone());
        (part, name)
    }

    pub fn cast(&mut self, part: usize, from: String, to: String) {
        let attribute = int_attribute("to", self.element.data_type() as i64);
        self.parts[part].push_with("Cast", vec![from], vec![to], vec![attribute]);
    }

    /// The tensor of a node as a truth value.
    pub fn truth(&mut self, node: NodeId) -> String {
        self.truth_at(node).1
    }

    fn truth_at(&mut self, node: NodeId) -> (usize, String) {
        let NodeKind::Constant(value) = &self.form.node(node).kind else {
            return self.tensor(node);
        };
        if let Some(name) = self.truths.get(&node) {
            return (0, name.clone());
        }
        let name = self.names.numbered("constant");
        self.initializers.push(truths(&name, &[], value.is_true()));
        self.truths.insert(node, name.clone());
        (0, name)
    }

    /// The tensor of a node as a truth value or as a number.
    pub fn typed(&mut self, node: NodeId, bool: bool) -> String {
        match bool {
            true => self.truth(node),
            false => self.number(node),
        }
    }

    /// The same, with a value of its own along each of these axes.
    pub fn shaped(&mut self, node: NodeId, bool: bool, axes: Axes) -> String {
        let (part, tensor) = match bool {
            true => self.truth_at(node),
            false => self.number_at(node),
        };
        match self.axes[node.index()].covers(axes) {
            true => tensor,
            false => self.spread(part, tensor, axes),
        }
    }

    /// A tensor of the graph at this place, with a value along each of these axes.
    pub fn spread(&mut self, part: usize, tensor: String, axes: Axes) -> String {
        if axes == Axes::NONE {
            return tensor;
        }
        let key = (tensor, axes);
        if let Some(name) = self.parts[part].spread.get(&key) {
            return name.clone();
        }
        let shape = self.shape(axes);
        let name = self.names.numbered("Expand");
        self.parts[part].push("Expand", vec![key.0.clone(), shape], name.clone());
        self.parts[part].spread.insert(key, name.clone());
        name
    }

    /// A port that differs from sample to sample.
    pub fn sampled_port(&self) -> Option<usize> {
        let used = used_ports(self.form).into_iter();
        let mut inputs = used.filter(|port| !self.form.ports[*port].is_parameter());
        inputs.next()
    }

    fn constant(&mut self, node: NodeId, value: &Constant) -> String {
        if let Some(name) = self.numbers.get(&node) {
            return name.clone();
        }
        let name = self.names.numbered("constant");
        let real = value.as_real().unwrap_or(f64::NAN);
        self.initializers.push(scalar(&name, self.element, real));
        let exact = matches!(value, Constant::Real(_))
            && self.element.nearest(real).to_bits() == real.to_bits();
        if !exact {
            self.inexact.push((name.clone(), value.clone()));
        }
        self.numbers.insert(node, name.clone());
        name
    }

    /// A constant that is written once.
    pub fn shared(&mut self, word: &str, make: impl FnOnce(&str) -> TensorProto) -> String {
        if let Some(name) = self.shared.get(word) {
            return name.clone();
        }
        let name = self.names.numbered("constant");
        self.initializers.push(make(&name));
        self.shared.insert(word.into(), name.clone());
        name
    }

    /// An operator on constants, which is written once.
    pub fn once(&mut self, word: &str, operator: &str, input: Vec<String>) -> String {
        self.once_with(word, operator, input, vec![])
    }

    pub fn once_with(
        &mut self,
        word: &str,
        operator: &str,
        input: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) -> String {
        if let Some(name) = self.shared.get(word) {
            return name.clone();
        }
        let name = self.names.numbered(operator);
        self.parts[0].push_with(operator, input, vec![name.clone()], attribute);
        self.shared.insert(word.into(), name.clone());
        name
    }

    /// A whole number.
    pub fn whole(&mut self, value: i64) -> String {
        self.shared(&format!("whole {value}"), |name| whole(name, value))
    }

    /// A truth value.
    pub fn known_truth(&mut self, value: bool) -> String {
        self.shared(&value.to_string(), |name| truths(name, &[], value))
    }

    /// Adds an operator of one output, which gets a name of its own.
    pub fn push(&mut self, operator: &str, input: Vec<String>) -> String {
        let name = self.names.numbered(operator);
        self.part().push(operator, input, name.clone());
        name
    }

    /// Whether any of the truth values is true; no samples give none, which the runtime does not reduce.
    pub fn any(&mut self, tensor: String, axes: Axes) -> String {
        let tensor = match axes.members {
            false => tensor,
            true => {
                let row = self.shared("wholes -1", |name| wholes(name, &[-1]));
                self.push("Reshape", vec![tensor, row])
            }
        };
        let no = self.shared("no row", |name| truths(name, &[1], false));
        let all = self.names.numbered("Concat");
        let attribute = vec![int_attribute("axis", 0)];
        self.part()
            .push_with("Concat", vec![tensor, no], vec![all.clone()], attribute);
        let any = self.names.numbered("ReduceMax");
        let attribute = vec![int_attribute("keepdims", 0)];
        self.part()
            .push_with("ReduceMax", vec![all], vec![any.clone()], attribute);
        any
    }

    /// `new` for the samples of `mask`, `old` for the others.
    pub fn masked(&mut self, mask: &str, new: String, old: String, bool: bool) -> String {
        let mask = mask.to_string();
        if new == old {
            return new;
        }
        if !bool {
            return self.push("Where", vec![mask, new, old]);
        }
        // ONNX Runtime cannot select truth values
        let others = self.push("Not", vec![mask.clone()]);
        let new = self.push("And", vec![mask, new]);
        let old = self.push("And", vec![others, old]);
        self.push("Or", vec![new, old])
    }

    /// Whether the loops of this graph so far were cut off.
    pub fn overrun(&mut self) -> Option<(String, Axes)> {
        let all = std::mem::take(&mut self.part().overruns);
        all.into_iter()
            .reduce(|(a, x), (b, y)| (self.push("Or", vec![a, b]), x.join(y)))
    }

    /// Makes a tensor the next output of this graph.
    pub fn output(&mut self, tensor: String, data_type: DataType, dims: &[&str]) {
        let name = match self.part().take(&tensor) {
            true => tensor,
            false => self.push("Identity", vec![tensor]),
        };
        // an Identity of ours is an output at once
        self.part().take(&name);
        let info = value_info(&name, data_type, dims);
        self.part().outputs.push(info);
    }

    /// Adds an input to this graph; its name.
    pub fn input(&mut self, data_type: DataType, dims: &[&str]) -> String {
        let name = self.names.numbered("in");
        self.named_input(&name, data_type, dims);
        name
    }

    /// Adds an input that has its name already.
    pub fn named_input(&mut self, name: &str, data_type: DataType, dims: &[&str]) {
        let info = value_info(name, data_type, dims);
        self.part().inputs.push(info);
    }

    /// Says what a node is in this graph.
    pub fn bind(&mut self, node: NodeId, tensor: String) {
        self.part().tensors.insert(node, tensor);
    }

    /// Opens a graph inside this one.
    pub fn open(&mut self) {
        let masks = self.part().masks.clone();
        self.parts.push(Part {
            masks,
            ..Default::default()
        });
    }

    /// Closes the innermost graph.
    pub fn close(&mut self) -> Part {
        self.parts.pop().unwrap_or_default()
    }

    pub fn region(&mut self, region: RegionId) {
        let form = self.form;
        for id in &form.region(region).nodes {
            self.node(*id);
        }
    }

    pub fn node(&mut self, id: NodeId) {
        match self.form.node(id).kind {
            NodeKind::Port(port) => self.bind(id, self.ports[port as usize].clone()),
            NodeKind::Op(op @ (Op::DetOf | Op::LogDetOf)) => self.determinant(id, op),
            NodeKind::Op(op) => self.op(id, op),
            NodeKind::Linear(linear) => self.linear(id, linear),
            NodeKind::If(then, otherwise) => self.branch(id, then, otherwise),
            NodeKind::Loop(head, next) => self.repeat(id, head, next),
            NodeKind::Reverse(back) => self.reverse(id, back),
            NodeKind::Get(index) => {
                let of = self.form.node(id).args[0];
                let tensor = self.values(of).tensors[index as usize].clone();
                self.bind(id, tensor);
            }
            // constants are written where they are used first; parameters stand for inputs
            _ => {}
        }
    }

    /// The name of the tensor of a node: that of an output, or one of its own.
    pub fn name_for(&mut self, id: NodeId, operator: &str) -> String {
        match self.given.get(&id) {
            Some(name) => name.clone(),
            None => self.names.numbered(operator),
        }
    }

    fn op(&mut self, id: NodeId, op: Op) {
        let args = &self.form.node(id).args;
        let mut input: Vec<String> = match (op, args.as_slice()) {
            (Op::Select, [test, a, b]) => {
                vec![self.truth(*test), self.number(*a), self.number(*b)]
            }
            (Op::Not | Op::And | Op::Or, args) => args.iter().map(|arg| self.truth(*arg)).collect(),
            (_, args) => args.iter().map(|arg| self.number(*arg)).collect(),
        };
        let mut operator = match op.row().onnx {
            OnnxForm::Operator(name) => name,
            _ => unreachable!("the form holds operators only"),
        };
        if op == Op::BatchCount {
            let count = self.count(self.given.get(&id).cloned());
            return self.bind(id, count);
        }
        let mut attribute = vec![];
        match op {
            Op::Remainder => attribute.push(int_attribute("fmod", 1)),
            Op::BatchSum if self.axes[args[0].index()].samples => {
                // the sum of each member
                let members = self.axes[args[0].index()].members;
                if members {
                    input.push(self.shared("axis -1", |name| wholes(name, &[-1])));
                }
                attribute.push(int_attribute("keepdims", i64::from(members)));
            }
            Op::BatchSum => {
                operator = "Mul";
                input.push(self.count(None));
            }
            _ => {}
        }
        let name = self.name_for(id, operator);
        self.part()
            .push_with(operator, input, vec![name.clone()], attribute);
        self.bind(id, name);
    }

    /// The number of samples: the size of any input, or 1 where there is none.
    fn count(&mut self, given: Option<String>) -> String {
        if let Some(name) = self.shared.get("count").cloned() {
            if let Some(given) = given {
                self.parts[0].push("Identity", vec![name.clone()], given);
            }
            return name;
        }
        let name = given.unwrap_or_else(|| self.names.numbered("Size"));
        match self.form.inputs().first().copied() {
            Some(port) if self.members[port] => {
                let shape = self.names.numbered("Shape");
                let (input, attribute) = (self.ports[port].clone(), int_attribute("start", -1));
                self.parts[0].push_with("Shape", vec![input], vec![shape.clone()], vec![attribute]);
                let size = self.names.numbered("Squeeze");
                self.parts[0].push("Squeeze", vec![shape], size.clone());
                self.cast(0, size, name.clone());
            }
            Some(port) => {
                let size = self.names.numbered("Size");
                self.parts[0].push("Size", vec![self.ports[port].clone()], size.clone());
                self.cast(0, size, name.clone());
            }
            None => {
                let element = self.element;
                let one = self.shared("one", |name| scalar(name, element, 1.0));
                self.parts[0].push("Identity", vec![one], name.clone());
            }
        }
        self.shared.insert("count".into(), name.clone());
        name
    }
}
