//! The graph of a model, or of a body in it, while it is written.

use std::collections::{HashMap, HashSet};

use super::axes::Axes;
use crate::graph::NodeId;
use crate::onnx::form::Counted;
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto, ValueInfoProto};

/// A graph while it is written. Names of the graphs around it can be used in it.
#[derive(Default)]
pub struct Part {
    pub nodes: Vec<NodeProto>,
    pub inputs: Vec<ValueInfoProto>,
    pub outputs: Vec<ValueInfoProto>,
    /// The tensors of nodes.
    pub tensors: HashMap<NodeId, String>,
    /// The values of nodes of several values.
    pub values: HashMap<NodeId, Values>,
    /// What has been made of tensors of this part: as numbers, and along more axes.
    pub casts: HashMap<String, String>,
    pub spread: HashMap<(String, Axes), String>,
    /// The tensors that nodes of this part give and that are no output yet.
    pub made: HashSet<String>,
    /// Whether loops were cut off: truth values, each with the axes along which it differs.
    pub overruns: Vec<(String, Axes)>,
    /// For which members and samples the nodes at hand count, where not for all: where all of these are true.
    pub masks: Vec<(String, Axes)>,
}

/// The values of a node of several values.
pub struct Values {
    pub tensors: Vec<String>,
    /// Of a loop that is gone back over: what it has logged.
    pub log: Option<Log>,
}

/// What a loop has logged: a tensor of one row for each iteration.
#[derive(Clone)]
pub struct Log {
    /// The states before each iteration; `None` for those that are not read.
    pub states: Vec<Option<String>>,
    /// Where each iteration counts, if not for all.
    pub mask: Option<(String, Axes)>,
    /// What is known of the number of iterations.
    pub counted: Option<Counted>,
}

impl Part {
    /// Adds an operator of one output.
    pub fn push(&mut self, operator: &str, input: Vec<String>, output: String) {
        self.push_with(operator, input, vec![output], vec![]);
    }

    pub fn push_with(
        &mut self,
        operator: &str,
        input: Vec<String>,
        output: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        self.made.extend(output.iter().cloned());
        self.nodes.push(NodeProto {
            name: output.first().cloned(),
            op_type: Some(operator.into()),
            input,
            output,
            attribute,
            ..Default::default()
        });
    }

    /// Whether a tensor can be an output as it is: made here, and no output yet.
    pub fn take(&mut self, tensor: &str) -> bool {
        self.made.remove(tensor)
    }

    pub fn into_graph(self, name: String) -> GraphProto {
        GraphProto {
            name: Some(name),
            node: self.nodes,
            input: self.inputs,
            output: self.outputs,
            ..Default::default()
        }
    }
}
