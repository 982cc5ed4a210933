//! Operators one after the other, with the constants that they need.

use std::collections::HashMap;

use super::Names;
use super::messages::wholes;
use crate::onnx::form::Element;
use crate::onnx::proto::{AttributeProto, NodeProto, TensorProto};

/// A part of a graph that is written by hand.
pub struct Lines<'a> {
    pub names: &'a mut Names,
    pub element: Element,
    pub nodes: Vec<NodeProto>,
    pub initializers: Vec<TensorProto>,
    /// The constants so far: the bits of numbers, or whole numbers.
    known: HashMap<(Vec<u64>, bool), String>,
}

impl<'a> Lines<'a> {
    pub fn new(names: &'a mut Names, element: Element) -> Lines<'a> {
        Lines {
            names,
            element,
            nodes: Vec::new(),
            initializers: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// Adds an operator of one output, whose name it gives.
    pub fn op(&mut self, operator: &str, input: &[&str]) -> String {
        self.with(operator, input, vec![])
    }

    /// The same, with attributes.
    pub fn with(
        &mut self,
        operator: &str,
        input: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> String {
        let name = self.names.numbered(operator);
        self.into(operator, input, vec![name.clone()], attribute);
        name
    }

    /// Adds an operator whose outputs have names already.
    pub fn into(
        &mut self,
        operator: &str,
        input: &[&str],
        output: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        self.nodes.push(NodeProto {
            name: output.iter().find(|name| !name.is_empty()).cloned(),
            op_type: Some(operator.into()),
            input: input.iter().map(|name| (*name).into()).collect(),
            output,
            attribute,
            ..Default::default()
        });
    }

    /// A constant number.
    pub fn number(&mut self, value: f64) -> String {
        self.numbers(&[value], vec![])
    }

    /// Constant numbers as one row.
    pub fn row(&mut self, values: &[f64]) -> String {
        self.numbers(values, vec![1, values.len() as i64])
    }

    fn numbers(&mut self, values: &[f64], dims: Vec<i64>) -> String {
        let bits = values.iter().map(|value| value.to_bits());
        let key = (
            bits.chain(dims.iter().map(|dim| *dim as u64)).collect(),
            true,
        );
        if let Some(name) = self.known.get(&key) {
            return name.clone();
        }
        let name = self.names.numbered("constant");
        let bytes = values.iter().map(|value| match self.element {
            Element::F64 => value.to_le_bytes().to_vec(),
            Element::F32 => (*value as f32).to_le_bytes().to_vec(),
        });
        self.initializers.push(TensorProto {
            name: Some(name.clone()),
            data_type: Some(self.element.data_type() as i32),
            dims,
            raw_data: Some(bytes.flatten().collect()),
            ..Default::default()
        });
        self.known.insert(key, name.clone());
        name
    }

    /// Constant whole numbers, side by side.
    pub fn wholes(&mut self, values: &[i64]) -> String {
        let key = (values.iter().map(|value| *value as u64).collect(), false);
        if let Some(name) = self.known.get(&key) {
            return name.clone();
        }
        let name = self.names.numbered("constant");
        self.initializers.push(wholes(&name, values));
        self.known.insert(key, name.clone());
        name
    }
}
