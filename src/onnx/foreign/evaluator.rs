//! Evaluates the nodes of an ONNX graph on tensors of nodes of a graph of numbers.

use std::collections::HashMap;
use std::rc::Rc;

use super::super::import::tensor_type;
use super::super::operators;
use super::super::proto::{GraphProto, NodeProto, TensorProto};
use super::attributes::Attributes;

use super::constants::{Array, array, kind_of};
use super::fault::{Fault, Outcome, bad, unsupported};
use super::registry;
use super::tensor::{Tensor, broadcast, count, spread};
use super::{Kind, Settings, default_domain};
use crate::error::Result;
use crate::graph::{Builder, NodeKind};
use crate::ops::{Emit, NodeId, Op};
use crate::syntax::ast::Constant;

/// How many elements may be worked on for each node that the graph may have: most work leaves no node behind.
const WORK_PER_NODE: usize = 32;

/// The work that a node of the file is at least.
const WORK_OF_NODE: usize = 16;

/// Deepest nesting of graphs.
const MAX_DEPTH: usize = 64;

/// A size that an operator is given: known, or that of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Known(i64),
    Samples,
}

/// A node that is being evaluated: its inputs, and its attributes.
pub(super) struct Call<'a> {
    pub node: &'a NodeProto,
    pub inputs: Vec<Option<Rc<Tensor>>>,
    pub attributes: Attributes<'a>,
}

impl<'a> Call<'a> {
    pub fn operator(&self) -> &'a str {
        self.node.op_type()
    }

    /// Refuses another number of inputs.
    pub fn arity(&self, wanted: std::ops::RangeInclusive<usize>) -> Outcome<()> {
        match wanted.contains(&self.inputs.len()) {
            true => Ok(()),
            false => Err(bad(format!("has {} inputs", self.inputs.len()))),
        }
    }

    /// An input that has to be there.
    pub fn input(&self, index: usize) -> Outcome<Rc<Tensor>> {
        let input = self.optional(index);
        input.ok_or_else(|| bad(format!("lacks input {index}")))
    }

    /// An input that has to be there, of numbers.
    pub fn numbers(&self, index: usize) -> Outcome<Rc<Tensor>> {
        let input = self.input(index)?;
        match input.kind {
            Kind::Number => Ok(input),
            _ => Err(wrong_type()),
        }
    }

    pub fn optional(&self, index: usize) -> Option<Rc<Tensor>> {
        self.inputs.get(index).cloned().flatten()
    }

    /// All inputs; none may be left out.
    pub fn all(&self) -> Outcome<Vec<Rc<Tensor>>> {
        self.all_from(0)
    }

    /// All inputs from this one on; none may be left out.
    pub fn all_from(&self, first: usize) -> Outcome<Vec<Rc<Tensor>>> {
        (first..self.inputs.len()).map(|i| self.input(i)).collect()
    }
}

pub(super) fn wrong_type() -> Fault {
    bad("has an input of the wrong type")
}

/// The state of an evaluation.
pub(super) struct Evaluator<'a> {
    pub builder: Builder,
    /// The version of the operators.
    pub opset: i64,
    max_nodes: usize,
    work: usize,
    /// Constants of the main graph.
    tensors: HashMap<&'a str, &'a TensorProto>,
    /// The values of the graphs that are open, the innermost last.
    scopes: Vec<HashMap<&'a str, Rc<Tensor>>>,
}

impl<'a> Evaluator<'a> {
    pub fn new(
        builder: Builder,
        opset: i64,
        settings: &Settings,
        tensors: HashMap<&'a str, &'a TensorProto>,
    ) -> Evaluator<'a> {
        Evaluator {
            builder,
            opset,
            max_nodes: settings.max_nodes,
            work: 0,
            tensors,
            scopes: vec![HashMap::new()],
        }
    }

    /// Counts work on so many elements.
    pub fn charge(&mut self, elements: usize) -> Outcome<()> {
        self.work = self.work.saturating_add(elements);
        let nodes = self.builder.graph().nodes.len();
        if nodes > self.max_nodes || self.work > self.max_nodes.saturating_mul(WORK_PER_NODE) {
            return Err(Fault::Limit(format!(
                "passes the limit of {} nodes; raise the option max_nodes, or make the network smaller: every number of \
                 a tensor is a node",
                self.max_nodes
            )));
        }
        Ok(())
    }

    /// The value of an operation on numbers.
    pub fn op(&mut self, op: Op, args: &[NodeId]) -> Outcome<NodeId> {
        self.charge(1)?;
        Ok(self.builder.op(op, args))
    }

    pub fn add(&mut self, a: NodeId, b: NodeId) -> Outcome<NodeId> {
        self.op(Op::Add, &[a, b])
    }

    pub fn sub(&mut self, a: NodeId, b: NodeId) -> Outcome<NodeId> {
        self.op(Op::Sub, &[a, b])
    }

    pub fn mul(&mut self, a: NodeId, b: NodeId) -> Outcome<NodeId> {
        self.op(Op::Mul, &[a, b])
    }

    pub fn div(&mut self, a: NodeId, b: NodeId) -> Outcome<NodeId> {
        self.op(Op::Div, &[a, b])
    }

    pub fn real(&mut self, value: f64) -> NodeId {
        self.builder.real(value)
    }

    /// The sum of numbers, from the first on.
    pub fn sum(&mut self, terms: &[NodeId]) -> Outcome<NodeId> {
        let Some((first, rest)) = terms.split_first() else {
            return Ok(self.real(0.0));
        };
        rest.iter()
            .try_fold(*first, |sum, term| self.add(sum, *term))
    }

    /// The sum of products of numbers.
    pub fn dot(&mut self, pairs: &[(NodeId, NodeId)]) -> Outcome<NodeId> {
        let products = pairs.iter().map(|(a, b)| self.mul(*a, *b));
        let products = products.collect::<Outcome<Vec<NodeId>>>()?;
        self.sum(&products)
    }

    /// The tensor of what `of` gives for each element.
    pub fn map(
        &mut self,
        kind: Kind,
        tensor: &Tensor,
        mut of: impl FnMut(&mut Self, NodeId) -> Outcome<NodeId>,
    ) -> Outcome<Tensor> {
        self.charge(tensor.elements.len())?;
        let elements = tensor.elements.iter().map(|element| of(self, *element));
        Ok(Tensor {
            kind,
            elements: elements.collect::<Outcome<_>>()?,
            shape: tensor.shape.clone(),
            samples: tensor.samples,
        })
    }

    /// The tensor of what `of` gives for the elements of all tensors, which are brought to one shape.
    pub fn zip(
        &mut self,
        kind: Kind,
        tensors: &[&Tensor],
        mut of: impl FnMut(&mut Self, &[NodeId]) -> Outcome<NodeId>,
    ) -> Outcome<Tensor> {
        let (shape, samples) = broadcast(tensors)?;
        let total = count(&shape)?;
        self.charge(total.saturating_mul(1 + tensors.len()))?;
        let places: Vec<Vec<usize>> = tensors.iter().map(|t| spread(t, &shape)).collect();
        let mut elements = Vec::with_capacity(total);
        let mut args = Vec::with_capacity(tensors.len());
        for i in 0..total {
            args.clear();
            let sources = tensors.iter().zip(&places);
            args.extend(sources.map(|(tensor, places)| tensor.elements[places[i]]));
            elements.push(of(self, &args)?);
        }
        Ok(Tensor {
            kind,
            shape,
            samples,
            elements,
        })
    }

    /// The truth value that a node is known to be.
    pub fn truth(&self, node: NodeId) -> Option<bool> {
        match self.builder.graph().node(node).kind {
            NodeKind::Constant(Constant::Bool(value)) => Some(value),
            _ => None,
        }
    }

    /// The only element of a tensor, which may be another for each sample.
    pub fn single(&self, tensor: &Tensor, kind: Kind) -> Outcome<NodeId> {
        match tensor.elements.as_slice() {
            [element] if tensor.kind == kind => Ok(*element),
            [_] => Err(wrong_type()),
            _ => Err(bad(format!(
                "takes one value, not a tensor of shape {}",
                tensor.shown()
            ))),
        }
    }

    /// The whole number that a node is known to be.
    pub fn int(&self, node: NodeId) -> Option<i64> {
        match self.builder.graph().node(node).kind {
            NodeKind::Constant(Constant::Int(value)) => Some(value),
            _ => None,
        }
    }

    /// The whole numbers that a tensor is known to hold.
    pub fn ints(&self, tensor: &Tensor) -> Outcome<Vec<i64>> {
        let ints: Option<Vec<i64>> = tensor.elements.iter().map(|n| self.int(*n)).collect();
        let ints = ints.filter(|_| tensor.kind == Kind::Integer);
        ints.ok_or_else(|| {
            unsupported(
                "needs whole numbers that hang neither on data nor on the number of samples",
            )
        })
    }

    /// The only element of a tensor.
    pub fn only(&self, tensor: &Tensor) -> Outcome<NodeId> {
        match tensor.elements.as_slice() {
            [element] if tensor.samples.is_none() => Ok(*element),
            _ => Err(unsupported(
                "needs one number that is the same for all samples",
            )),
        }
    }

    /// The sizes that a tensor holds.
    pub fn sizes(&self, tensor: &Tensor) -> Outcome<Vec<Size>> {
        let sizes = tensor.elements.iter().map(|node| {
            if let Some(value) = self.int(*node) {
                return Some(Size::Known(value));
            }
            let samples = self.builder.graph().node(*node).kind == NodeKind::Op(Op::BatchCount);
            samples.then_some(Size::Samples)
        });
        let sizes: Option<Vec<Size>> = sizes.collect();
        sizes.filter(|_| tensor.rank() == 1).ok_or_else(|| {
            unsupported(
                "needs sizes that are known, or that of the samples alone; samples cannot be counted together with another axis",
            )
        })
    }

    /// Axes, given as an attribute in older versions and as an input in newer ones.
    pub fn axes(&self, call: &mut Call<'a>, input: usize) -> Outcome<Option<Vec<i64>>> {
        if let Some(axes) = call.attributes.ints("axes")? {
            return Ok(Some(axes.to_vec()));
        }
        let input = call.optional(input);
        input.map(|axes| self.ints(&axes)).transpose()
    }

    /// Gives an input or parameter of the main graph its tensor, in place of a constant of the file.
    pub fn bind_input(&mut self, name: &'a str, tensor: Rc<Tensor>) -> Result<()> {
        let weight = self.scopes[0].insert(name, tensor);
        match weight {
            None => Ok(()),
            Some(_) => Err(operators::bad(&format!("{name:?} is there twice"))),
        }
    }

    /// Gives a tensor a name in the innermost graph.
    pub fn bind(&mut self, name: &'a str, tensor: Rc<Tensor>) -> Result<()> {
        let place = self.scopes.len() - 1;
        let known = self.scopes[place].insert(name, tensor).is_some();
        let constant = place == 0 && self.tensors.contains_key(name);
        match known || constant || name.is_empty() {
            true => Err(operators::bad(&format!(
                "a node gives {name:?}, which something else gives too"
            ))),
            false => Ok(()),
        }
    }

    /// The tensor of a name, as the innermost graph sees it.
    pub fn value(&mut self, name: &str, user: &str) -> Result<Rc<Tensor>> {
        if let Some(found) = self.scopes.iter().rev().find_map(|scope| scope.get(name)) {
            return Ok(found.clone());
        }
        let Some((key, tensor)) = self.tensors.get_key_value(name) else {
            return Err(operators::bad(&format!(
                "{user} uses {name:?}, which nothing before it gives"
            )));
        };
        let (key, tensor) = (*key, *tensor);
        let tensor = Rc::new(self.constant(tensor).map_err(|fault| fault.of(user))?);
        // kept by the innermost graph where the nodes stand in a region that others do not see
        let place = match self.builder.depth() {
            1 => 0,
            _ => self.scopes.len() - 1,
        };
        self.scopes[place].insert(key, tensor.clone());
        Ok(tensor)
    }

    /// The tensor of the main graph that a name stands for, if it is constant there.
    pub fn initializer(&self, name: &str) -> Option<&'a TensorProto> {
        let tensor = self.tensors.get(name).copied()?;
        // a graph inside may give another the same name; constants that were read before are here too
        let mut inner = self.scopes[1..].iter().filter_map(|scope| scope.get(name));
        inner.all(|_| false).then_some(tensor)
    }

    /// A constant.
    pub fn constant(&mut self, tensor: &TensorProto) -> Outcome<Tensor> {
        self.array(array(tensor)?)
    }

    pub fn array(&mut self, array: Array) -> Outcome<Tensor> {
        self.charge(array.values.len())?;
        let values = array.values.into_iter();
        let elements = values.map(|value| self.builder.constant(value)).collect();
        Ok(Tensor::fixed(array.kind, array.shape, elements))
    }

    /// What a graph inside this one gives for these inputs: it sees what the graphs around it have given so far.
    pub fn inside(
        &mut self,
        graph: &'a GraphProto,
        inputs: Vec<Rc<Tensor>>,
    ) -> Outcome<Vec<Rc<Tensor>>> {
        if self.scopes.len() > MAX_DEPTH {
            return Err(Fault::Limit(format!(
                "stands in graphs that nest more than {MAX_DEPTH} deep"
            )));
        }
        // counted even if the graph is empty: an iteration that costs nothing could be repeated for ever
        self.charge(WORK_OF_NODE + inputs.len() + graph.output.len())?;
        self.scopes.push(HashMap::new());
        let outputs = self.filled(graph, inputs);
        self.scopes.pop();
        outputs
    }

    /// The same, in the innermost scope.
    fn filled(
        &mut self,
        graph: &'a GraphProto,
        inputs: Vec<Rc<Tensor>>,
    ) -> Outcome<Vec<Rc<Tensor>>> {
        if graph.input.len() != inputs.len() {
            return Err(bad(format!(
                "has a graph of {} inputs, which is given {}",
                graph.input.len(),
                inputs.len()
            )));
        }
        if !graph.sparse_initializer.is_empty() {
            return Err(unsupported("has a graph with sparse initializers"));
        }
        for (info, tensor) in graph.input.iter().zip(inputs) {
            let declared = tensor_type(info).map(|(data_type, _)| kind_of(data_type));
            if declared.is_some_and(|kind| kind != Some(tensor.kind)) {
                return Err(bad(format!(
                    "gives its graph's input {:?} what is of another type than declared",
                    info.name()
                )));
            }
            self.bind(info.name(), tensor)?;
        }
        for tensor in &graph.initializer {
            let value = Rc::new(self.constant(tensor)?);
            self.bind(tensor.name(), value)?;
        }
        self.nodes(graph)?;
        let outputs = graph.output.iter();
        let outputs = outputs.map(|info| self.value(info.name(), "the list of a graph's outputs"));
        Ok(outputs.collect::<Result<_>>()?)
    }

    /// Evaluates the nodes of a graph.
    pub fn nodes(&mut self, graph: &'a GraphProto) -> Result<()> {
        for node in &graph.node {
            self.node(node)?;
        }
        Ok(())
    }

    fn node(&mut self, node: &'a NodeProto) -> Result<()> {
        let user = format!("operator {} at node {:?}", node.op_type(), node.name());
        let work = self.charge(WORK_OF_NODE + node.input.len() + node.output.len());
        work.map_err(|fault| fault.of(&user))?;
        let outputs = self.outputs(node, &user)?;
        let wanted = node.output.iter().rposition(|name| !name.is_empty());
        if wanted.map_or(0, |last| last + 1) > outputs.len() || node.output.is_empty() {
            let what = match node.output.len() {
                0 => "has no output".to_string(),
                _ => format!(
                    "has {} outputs; {} can be read",
                    node.output.len(),
                    outputs.len()
                ),
            };
            return Err(unsupported(what).of(&user));
        }
        for (name, tensor) in node.output.iter().zip(outputs) {
            if !name.is_empty() {
                let bound = self.bind(name, Rc::new(tensor));
                bound.map_err(|_| {
                    bad(format!("gives {name:?}, which something else gives too")).of(&user)
                })?;
            }
        }
        Ok(())
    }

    fn outputs(&mut self, node: &'a NodeProto, user: &str) -> Result<Vec<Tensor>> {
        if !default_domain(node.domain()) {
            let what = format!(
                "is of the domain {:?}; operators of the default domain can be read",
                node.domain()
            );
            return Err(unsupported(what).of(user));
        }
        let handler = registry::find(node.op_type()).map_err(|fault| fault.of(user))?;
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            // an input that is left out
            inputs.push(match name.is_empty() {
                true => None,
                false => Some(self.value(name, user)?),
            });
        }
        let mut call = Call {
            node,
            inputs,
            attributes: Attributes::of(node),
        };
        let outputs = handler(self, &mut call).map_err(|fault| fault.of(user))?;
        call.attributes.end().map_err(|fault| fault.of(user))?;
        Ok(outputs)
    }
}
