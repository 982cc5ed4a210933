//! Operations on numbers, chosen by their number while the model runs: a tree of `If`s whose leaves come from the table of
//! operations, frequent ones near the root.

use super::set::{FUNCTIONS, Mark, TOO_LARGE, is_test, mark};
use super::sheet::{Dim, Sheet, Tensor};
use crate::error::Result;
use crate::graph::{Builder, Graph, Output, Port, PortKind, Value};
use crate::onnx::export::{Names, Target, write};
use crate::onnx::form::{Count, Element, MAX_STEPS, onnx_form};
use crate::onnx::proto::GraphProto;
use crate::onnx::proto::tensor_proto::DataType;
use crate::ops::{Emit, NodeId, Op, Role, Site};

/// How many leaves a tree has: one for each function, then one for what only passes its first operand on.
pub const LEAVES: usize = FUNCTIONS.len() + 1;

/// Writes the trees of one file.
pub struct Functions {
    names: Names,
}

/// The tensors that the leaves read.
pub struct Operands<'a> {
    pub a: &'a Tensor,
    pub b: &'a Tensor,
}

/// What the leaves of the way back read, too.
pub struct Back<'a> {
    pub value: &'a Tensor,
    pub adjoint: &'a Tensor,
    /// Zeros of the same shape.
    pub zeros: &'a Tensor,
}

impl Functions {
    pub fn new() -> Functions {
        Functions {
            names: Names::default(),
        }
    }

    /// The value of the function of this number, a real, on the operands, which have one shape.
    pub fn value(
        &mut self,
        sheet: &mut Sheet,
        function: &Tensor,
        operands: &Operands,
        dims: &[Dim],
    ) -> Result<Tensor> {
        let leaves = (0..LEAVES).map(|leaf| self.value_leaf(sheet, leaf, operands, dims));
        let leaves = leaves.collect::<Result<Vec<GraphProto>>>()?;
        Ok(tree(sheet, function, 0, leaves, &[(DataType::Double, dims)]).remove(0))
    }

    /// The same for one sample, with what is asked of the result.
    pub fn marked(
        &mut self,
        sheet: &mut Sheet,
        function: &Tensor,
        operands: &Operands,
    ) -> Result<Vec<Tensor>> {
        let dims = &[Dim::Is(1)];
        let mut leaves = Vec::new();
        for (leaf, (op, ..)) in FUNCTIONS.iter().enumerate() {
            let mut body = sheet.inner();
            let value = self.leaf(&mut body, leaf, operands)?;
            let mark = marked(&mut body, *op, &value);
            body.output(&value, DataType::Double, dims);
            body.output(&mark, DataType::Bool, dims);
            leaves.push(body.finish());
        }
        let outputs = [(DataType::Double, &dims[..]), (DataType::Bool, dims)];
        Ok(tree(sheet, function, 0, leaves, &outputs))
    }

    /// The adjoints of both operands.
    pub fn adjoints(
        &mut self,
        sheet: &mut Sheet,
        function: &Tensor,
        operands: &Operands,
        back: &Back,
        dims: &[Dim],
    ) -> Result<Vec<Tensor>> {
        let leaves = (0..LEAVES).map(|leaf| self.adjoint_leaf(sheet, leaf, operands, back, dims));
        let leaves = leaves.collect::<Result<Vec<GraphProto>>>()?;
        let output = (DataType::Double, dims);
        Ok(tree(sheet, function, 0, leaves, &[output, output]))
    }

    fn value_leaf(
        &mut self,
        sheet: &mut Sheet,
        leaf: usize,
        operands: &Operands,
        dims: &[Dim],
    ) -> Result<GraphProto> {
        let mut body = sheet.inner();
        let value = self.leaf(&mut body, leaf, operands)?;
        body.output(&value, DataType::Double, dims);
        Ok(body.finish())
    }

    fn leaf(&mut self, body: &mut Sheet, leaf: usize, operands: &Operands) -> Result<Tensor> {
        let Some((op, count, _)) = FUNCTIONS.get(leaf) else {
            return Ok(body.op("Identity", &[operands.a]));
        };
        let ports = [operands.a, operands.b];
        let mut builder = Builder::new(inputs(*count));
        let args: Vec<NodeId> = (0..*count).map(|i| builder.port(i)).collect();
        let node = builder.op(*op, &args);
        let graph = builder.finish(vec![output("value", node)], Value::Output(0));
        let value = self.write(body, &graph, &ports[..*count])?.remove(0);
        Ok(match is_test(*op) {
            true => body.cast(&value, DataType::Double),
            false => value,
        })
    }

    fn adjoint_leaf(
        &mut self,
        sheet: &mut Sheet,
        leaf: usize,
        operands: &Operands,
        back: &Back,
        dims: &[Dim],
    ) -> Result<GraphProto> {
        let mut body = sheet.inner();
        let mut outputs = vec![];
        let mut places = [None; 2];
        let mut builder = Builder::new(inputs(4));
        if let Some((op, count, _)) = FUNCTIONS.get(leaf)
            && let Role::Numeric { adjoint, .. } = op.row().role
        {
            let ports: Vec<NodeId> = (0..4).map(|i| builder.port(i)).collect();
            let site = Site {
                args: &ports[..*count],
                out: ports[2],
                adjoint: ports[3],
            };
            for (i, place) in places.iter_mut().enumerate().take(*count) {
                if let Some(node) = adjoint(&mut builder, site, i) {
                    *place = Some(outputs.len());
                    outputs.push(output(if i == 0 { "da" } else { "db" }, node));
                }
            }
        }
        let written = match outputs.is_empty() {
            true => vec![],
            false => {
                let graph = builder.finish(outputs, Value::Output(0));
                let ports = [operands.a, operands.b, back.value, back.adjoint];
                self.write(&mut body, &graph, &ports)?
            }
        };
        for place in places {
            let tensor = match place {
                Some(place) => written[place].clone(),
                None => body.op("Identity", &[back.zeros]),
            };
            body.output(&tensor, DataType::Double, dims);
        }
        Ok(body.finish())
    }

    /// Writes a graph into a body; the tensors of its outputs.
    fn write(&mut self, body: &mut Sheet, graph: &Graph, ports: &[&Tensor]) -> Result<Vec<Tensor>> {
        let form = onnx_form(graph, Element::F64, Count::Size, MAX_STEPS)?;
        let ports: Vec<String> = ports.iter().map(|name| (*name).clone()).collect();
        let members = vec![false; ports.len()];
        let names = &mut self.names;
        let target = Target::Engine;
        let written = write(
            &form,
            Element::F64,
            &ports,
            &members,
            names,
            MAX_STEPS,
            target,
        );
        body.absorb(written.graph);
        Ok(written.outputs)
    }
}

/// What is asked of the result of an operation.
fn marked(body: &mut Sheet, op: Op, value: &Tensor) -> Tensor {
    match mark(op) {
        Mark::TooLarge => {
            let size = body.op("Abs", &[value]);
            let border = body.real(TOO_LARGE);
            body.op("GreaterOrEqual", &[&size, &border])
        }
        Mark::Whole => {
            let floor = body.op("Floor", &[value]);
            let whole = body.op("Equal", &[&floor, value]);
            let size = body.op("Abs", &[value]);
            let border = body.real(TOO_LARGE);
            let small = body.op("Less", &[&size, &border]);
            body.op("And", &[&whole, &small])
        }
        Mark::Nothing => {
            let no = body.truths(&[1], false);
            body.op("Identity", &[&no])
        }
    }
}

fn inputs(count: usize) -> Vec<Port> {
    let port = |i: usize| Port {
        name: ["a", "b", "value", "adjoint"][i].into(),
        kind: PortKind::Input,
    };
    (0..count).map(port).collect()
}

fn output(name: &str, node: NodeId) -> Output {
    Output {
        name: name.into(),
        node,
    }
}

fn weight(leaf: usize) -> u32 {
    FUNCTIONS.get(leaf).map_or(10, |row| row.2)
}

/// Chooses among leaves, the first of which has the number `first`: halves by weight (Knuth, "Optimum binary search trees",
/// 1971, gives the best ones; these are near).
fn tree(
    sheet: &mut Sheet,
    function: &Tensor,
    first: usize,
    mut leaves: Vec<GraphProto>,
    outputs: &[(DataType, &[Dim])],
) -> Vec<Tensor> {
    let total: u32 = (first..first + leaves.len()).map(weight).sum();
    let (mut middle, mut sum) = (1, weight(first));
    while middle + 1 < leaves.len() && 2 * (sum + weight(first + middle)) <= total {
        sum += weight(first + middle);
        middle += 1;
    }
    let rest = leaves.split_off(middle);
    let border = sheet.real((first + middle) as f64);
    let test = sheet.op("Less", &[function, &border]);
    let mut arms = Vec::new();
    for (first, mut leaves) in [(first, leaves), (first + middle, rest)] {
        if leaves.len() == 1 {
            arms.push(leaves.remove(0));
            continue;
        }
        let mut body = sheet.inner();
        let tensors = tree(&mut body, function, first, leaves, outputs);
        for (tensor, (of, dims)) in tensors.iter().zip(outputs) {
            body.output(tensor, *of, dims);
        }
        arms.push(body.finish());
    }
    let otherwise = arms.pop().unwrap_or_default();
    let then = arms.pop().unwrap_or_default();
    let bodies = vec![("then_branch", then), ("else_branch", otherwise)];
    sheet.bodies("If", &[&test], outputs.len(), bodies)
}
