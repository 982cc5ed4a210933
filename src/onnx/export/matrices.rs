//! Tensors of matrices, from the nodes of their elements: B by rows by columns, where B is how many matrices there are.

use std::collections::HashMap;

use super::axes::Axes;
use super::messages::{int_attribute, ints_attribute, numbers, truths};
use super::write::Writer;
use crate::graph::{NodeId, NodeKind};
use crate::onnx::proto::AttributeProto;

/// Distinct nodes, by what their tensors are.
#[derive(Default)]
struct Elements {
    constants: Vec<NodeId>,
    /// One for all matrices, each.
    uniform: Vec<NodeId>,
    /// One for each matrix, each.
    differing: Vec<NodeId>,
}

impl Writer<'_> {
    /// Nodes, row by row, as matrices.
    pub fn matrices(
        &mut self,
        nodes: &[NodeId],
        height: usize,
        width: usize,
        axes: Axes,
    ) -> String {
        let (elements, order) = self.elements(nodes);
        let mut parts = Vec::new();
        if !elements.constants.is_empty() {
            let column = self.constants(&elements.constants);
            parts.push(self.spread_column(column, axes));
        }
        if !elements.uniform.is_empty() {
            let new = self.row(&[0, 1]);
            let rows = elements.uniform.iter().map(|node| {
                let number = self.number(*node);
                self.push("Unsqueeze", vec![number, new.clone()])
            });
            let rows = rows.collect();
            let column = self.stacked(rows);
            parts.push(self.spread_column(column, axes));
        }
        if !elements.differing.is_empty() {
            let numbers = elements.differing.iter().map(|node| self.flat(*node, axes));
            let numbers = numbers.collect();
            let numbers = self.stacked(numbers);
            let shape = self.row(&[elements.differing.len() as i64, -1]);
            parts.push(self.push("Reshape", vec![numbers, shape]));
        }
        let mut all = self.stacked(parts);
        if !order.iter().copied().eq(0..order.len() as i64) {
            let order = self.row(&order);
            all = self.on_axis("Gather", 0, vec![all, order]);
        }
        let turned = vec![ints_attribute("perm", vec![1, 0])];
        let all = self.apply("Transpose", vec![all], turned);
        let shape = self.row(&[-1, height as i64, width as i64]);
        self.push("Reshape", vec![all, shape])
    }

    /// The distinct ones of these nodes, and where each node stands among all of them.
    fn elements(&self, nodes: &[NodeId]) -> (Elements, Vec<i64>) {
        let mut elements = Elements::default();
        let mut places: HashMap<NodeId, usize> = HashMap::new();
        for node in nodes {
            let kind = match self.form.node(*node).kind {
                NodeKind::Constant(_) => &mut elements.constants,
                _ if self.axes[node.index()] != Axes::NONE => &mut elements.differing,
                _ => &mut elements.uniform,
            };
            places.entry(*node).or_insert_with(|| {
                kind.push(*node);
                kind.len() - 1
            });
        }
        let (constants, uniform) = (elements.constants.len(), elements.uniform.len());
        let order = nodes.iter().map(|node| {
            let first = match self.form.node(*node).kind {
                NodeKind::Constant(_) => 0,
                _ if self.axes[node.index()] != Axes::NONE => constants + uniform,
                _ => constants,
            };
            (first + places[node]) as i64
        });
        let order = order.collect();
        (elements, order)
    }

    /// A node with a value of its own along these axes, as a row.
    fn flat(&mut self, node: NodeId, axes: Axes) -> String {
        if !axes.members {
            return self.number(node);
        }
        let tensor = self.shaped(node, false, axes);
        let row = self.row(&[-1]);
        self.push("Reshape", vec![tensor, row])
    }

    /// How many values there are along these axes, as a row of one.
    pub fn flat_size(&mut self, axes: Axes) -> String {
        let shape = self.shape(axes);
        match axes.members {
            true => self.once(&format!("product {axes:?}"), "ReduceProd", vec![shape]),
            false => shape,
        }
    }

    fn constants(&mut self, nodes: &[NodeId]) -> String {
        let form = self.form;
        let values = nodes.iter().map(|node| match &form.node(*node).kind {
            NodeKind::Constant(value) => value.as_real().unwrap_or(f64::NAN),
            _ => f64::NAN,
        });
        let values: Vec<f64> = values.collect();
        self.numerals(&[values.len() as i64, 1], &values)
    }

    /// A column with one more axis: that of the matrices.
    fn spread_column(&mut self, column: String, axes: Axes) -> String {
        if axes == Axes::NONE {
            return column;
        }
        let size = self.flat_size(axes);
        self.push("Expand", vec![column, size])
    }

    fn stacked(&mut self, mut parts: Vec<String>) -> String {
        match parts.len() {
            1 => parts.remove(0),
            _ => self.on_axis("Concat", 0, parts),
        }
    }

    /// A tensor of this rank whose first axis has the size 1, for each of the B matrices.
    pub fn each(&mut self, tensor: String, rank: usize, axes: Axes) -> String {
        if axes == Axes::NONE {
            return tensor;
        }
        let input = vec![self.flat_size(axes), self.row(&vec![1; rank - 1])];
        let axis = vec![int_attribute("axis", 0)];
        let shape = self.once_with(&format!("shape {rank} {axes:?}"), "Concat", input, axis);
        self.push("Expand", vec![tensor, shape])
    }

    /// From `start` to before `end` of an axis.
    pub fn cut(&mut self, tensor: &str, axis: i64, start: usize, end: usize) -> String {
        let [start, end] = [start, end].map(|at| self.row(&[at as i64]));
        let axis = self.row(&[axis]);
        self.push("Slice", vec![tensor.into(), start, end, axis])
    }

    /// A constant tensor of numbers.
    pub fn numerals(&mut self, dims: &[i64], values: &[f64]) -> String {
        let element = self.element;
        let bits: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
        self.shared(&format!("numbers {dims:?} {bits:x?}"), |name| {
            numbers(name, dims, element, values)
        })
    }

    pub fn numeral(&mut self, value: f64) -> String {
        self.numerals(&[], &[value])
    }

    /// A constant tensor of one truth value.
    pub fn truths_of(&mut self, dims: &[i64], value: bool) -> String {
        self.shared(&format!("truths {dims:?} {value}"), |name| {
            truths(name, dims, value)
        })
    }

    pub fn on_axis(&mut self, operator: &str, axis: i64, input: Vec<String>) -> String {
        self.apply(operator, input, vec![int_attribute("axis", axis)])
    }

    /// Adds an operator of one output, which gets a name of its own.
    pub fn apply(
        &mut self,
        operator: &str,
        input: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) -> String {
        let name = self.names.numbered(operator);
        self.part()
            .push_with(operator, input, vec![name.clone()], attribute);
        name
    }
}
