//! Operations on numbers, chosen by their number while the model runs: bodies of `If`s that come from the table of operations.
//!
//! The bodies are not nested deep, because the time in which older runtimes load a model grows with each level: 1.20 took more
//! than nine seconds of the processor's time for a tree of all operations, nine levels deep, and takes one for this. The
//! frequent operations are a small tree; the others stand in groups behind each other, each of which passes on what stands
//! before it unless the operation is one of its own.

use super::set::{FUNCTIONS, Mark, TOO_LARGE, is_test, mark};
use super::sheet::{Dim, Sheet, Tensor};
use crate::error::Result;
use crate::graph::{Builder, Graph, Output, Port, PortKind, Value};
use crate::onnx::export::{Names, Target, write};
use crate::onnx::form::{Count, Element, MAX_STEPS, onnx_form};
use crate::onnx::proto::GraphProto;
use crate::onnx::proto::tensor_proto::DataType;
use crate::ops::{Emit, NodeId, Op, Role, Site};

/// The number of what only passes its first operand on, and has no adjoints: no group has it.
pub const NONE: usize = FUNCTIONS.len().next_multiple_of(GROUP);

/// How many operations are in the tree of the frequent ones, the first of [`FUNCTIONS`].
const FREQUENT: usize = 8;

/// How many operations stand in a group of the others.
const GROUP: usize = 4;

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
        let leaves = FUNCTIONS.iter();
        let leaves = leaves.map(|(op, count)| self.value_leaf(sheet, *op, *count, operands, dims));
        let leaves = leaves.collect::<Result<Vec<GraphProto>>>()?;
        let (none, outputs) = ([operands.a.clone()], [(DataType::Double, dims)]);
        Ok(choose(sheet, function, leaves, &none, &outputs).remove(0))
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
        for (op, count) in FUNCTIONS {
            let mut body = sheet.inner();
            let value = self.leaf(&mut body, *op, *count, operands)?;
            let mark = marked(&mut body, *op, &value);
            body.output(&value, DataType::Double, dims);
            body.output(&mark, DataType::Bool, dims);
            leaves.push(body.finish());
        }
        let none = [operands.a.clone(), sheet.truths(&[1], false)];
        let outputs = [(DataType::Double, &dims[..]), (DataType::Bool, dims)];
        Ok(choose(sheet, function, leaves, &none, &outputs))
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
        let leaves = FUNCTIONS.iter().map(|(op, count)| {
            let both = (operands, back);
            self.adjoint_leaf(sheet, *op, *count, both, dims)
        });
        let leaves = leaves.collect::<Result<Vec<GraphProto>>>()?;
        let none = [back.zeros.clone(), back.zeros.clone()];
        let output = (DataType::Double, dims);
        Ok(choose(sheet, function, leaves, &none, &[output, output]))
    }

    fn value_leaf(
        &mut self,
        sheet: &mut Sheet,
        op: Op,
        count: usize,
        operands: &Operands,
        dims: &[Dim],
    ) -> Result<GraphProto> {
        let mut body = sheet.inner();
        let value = self.leaf(&mut body, op, count, operands)?;
        body.output(&value, DataType::Double, dims);
        Ok(body.finish())
    }

    fn leaf(
        &mut self,
        body: &mut Sheet,
        op: Op,
        count: usize,
        operands: &Operands,
    ) -> Result<Tensor> {
        let ports = [operands.a, operands.b];
        let mut builder = Builder::new(inputs(count));
        let args: Vec<NodeId> = (0..count).map(|i| builder.port(i)).collect();
        let node = builder.op(op, &args);
        let graph = builder.finish(vec![output("value", node)], Value::Output(0));
        let value = self.write(body, &graph, &ports[..count])?.remove(0);
        Ok(match is_test(op) {
            true => body.cast(&value, DataType::Double),
            false => value,
        })
    }

    fn adjoint_leaf(
        &mut self,
        sheet: &mut Sheet,
        op: Op,
        count: usize,
        (operands, back): (&Operands, &Back),
        dims: &[Dim],
    ) -> Result<GraphProto> {
        let mut body = sheet.inner();
        let mut outputs = vec![];
        let mut places = [None; 2];
        let mut builder = Builder::new(inputs(4));
        if let Role::Numeric { adjoint, .. } = op.row().role {
            let ports: Vec<NodeId> = (0..4).map(|i| builder.port(i)).collect();
            let site = Site {
                args: &ports[..count],
                out: ports[2],
                adjoint: ports[3],
            };
            for (i, place) in places.iter_mut().enumerate().take(count) {
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

/// Chooses among the leaves, which give as many outputs as `none`; that is what comes out where the number is beyond them.
fn choose(
    sheet: &mut Sheet,
    function: &Tensor,
    mut leaves: Vec<GraphProto>,
    none: &[Tensor],
    outputs: &[(DataType, &[Dim])],
) -> Vec<Tensor> {
    let rest = leaves.split_off(FREQUENT);
    let mut then = sheet.inner();
    let tensors = tree(&mut then, function, 0, leaves, outputs);
    give(&mut then, &tensors, outputs);

    let mut otherwise = sheet.inner();
    let count = rest.len().div_ceil(GROUP);
    let numbers: Vec<f64> = (0..count).map(|i| (FREQUENT / GROUP + i) as f64).collect();
    let numbers = otherwise.reals(&[count as i64], &numbers);
    let size = otherwise.real(GROUP as f64);
    let group = otherwise.op("Div", &[function, &size]);
    let group = otherwise.op("Floor", &[&group]);
    let tests = otherwise.op("Equal", &[&group, &numbers]);
    let tests = otherwise.split(&tests, &vec![1; count]);
    let mut tensors = none.to_vec();
    let (mut rest, mut first) = (rest.into_iter(), FREQUENT);
    for test in &tests {
        let leaves: Vec<GraphProto> = rest.by_ref().take(GROUP).collect();
        let (mut inside, mut outside) = (otherwise.inner(), otherwise.inner());
        let length = leaves.len();
        let found = tree(&mut inside, function, first, leaves, outputs);
        give(&mut inside, &found, outputs);
        pass(&mut outside, &tensors, outputs);
        tensors = branch(&mut otherwise, test, inside, outside, outputs.len());
        first += length;
    }
    // what no node of a body makes is no output of it
    pass(&mut otherwise, &tensors, outputs);

    let border = sheet.real(FREQUENT as f64);
    let test = sheet.op("Less", &[function, &border]);
    branch(sheet, &test, then, otherwise, outputs.len())
}

/// Makes tensors of a body its outputs.
fn give(body: &mut Sheet, tensors: &[Tensor], outputs: &[(DataType, &[Dim])]) {
    for (tensor, (of, dims)) in tensors.iter().zip(outputs) {
        body.output(tensor, *of, dims);
    }
}

/// Makes tensors of what is around a body its outputs.
fn pass(body: &mut Sheet, tensors: &[Tensor], outputs: &[(DataType, &[Dim])]) {
    let own: Vec<Tensor> = tensors
        .iter()
        .map(|tensor| body.op("Identity", &[tensor]))
        .collect();
    give(body, &own, outputs);
}

fn branch(
    sheet: &mut Sheet,
    test: &Tensor,
    then: Sheet,
    otherwise: Sheet,
    outputs: usize,
) -> Vec<Tensor> {
    let bodies = vec![
        ("then_branch", then.finish()),
        ("else_branch", otherwise.finish()),
    ];
    sheet.bodies("If", &[test], outputs, bodies)
}

/// Chooses by halves among leaves, the first of which has the number `first`; the tensors of its outputs.
fn tree(
    sheet: &mut Sheet,
    function: &Tensor,
    first: usize,
    mut leaves: Vec<GraphProto>,
    outputs: &[(DataType, &[Dim])],
) -> Vec<Tensor> {
    if leaves.len() < 2 {
        let leaf = leaves.pop().unwrap_or_default();
        let names = leaf.output.iter().map(|output| output.name().to_string());
        let names = names.collect();
        sheet.absorb(leaf);
        return names;
    }
    let middle = leaves.len() / 2;
    let rest = leaves.split_off(middle);
    let border = sheet.real((first + middle) as f64);
    let test = sheet.op("Less", &[function, &border]);
    let mut arm = |first: usize, leaves: Vec<GraphProto>| {
        let mut body = sheet.inner();
        let tensors = tree(&mut body, function, first, leaves, outputs);
        give(&mut body, &tensors, outputs);
        body
    };
    let (then, otherwise) = (arm(first, leaves), arm(first + middle, rest));
    branch(sheet, &test, then, otherwise, outputs.len())
}
