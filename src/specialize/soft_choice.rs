//! Soft choices: the softmax-weighted sum of options.

use super::machine::{Machine, fail};
use super::value::Val;
use crate::error::Result;
use crate::graph::{Graph, NodeId, NodeKind};
use crate::ops::{Op, soft_choice};

impl Machine<'_> {
    /// The choice at node `id`: the options, then the weights, in a vector or a list.
    pub fn soft_choice(&mut self, id: NodeId, args: &[Val]) -> Result<Val> {
        let Some((weights, options)) = args.split_last() else {
            return Err(fail("\"soft-choice\" chooses from nothing".into()));
        };
        let (weights, end) = self.heap.items(weights);
        if !end.is_nil() {
            let what = self.describe(&args[options.len()]);
            return Err(fail(format!(
                "\"soft-choice\" needs a vector of weights, not {what}"
            )));
        }
        if weights.len() != options.len() {
            return Err(fail(format!(
                "\"soft-choice\" has {} options, but {} weights",
                options.len(),
                weights.len()
            )));
        }
        let mut nodes = Vec::with_capacity(weights.len());
        for weight in &weights {
            nodes.push(self.node(weight)?);
        }
        let mut items = Vec::with_capacity(options.len());
        for option in options {
            items.push(vec![self.node(option)?]);
        }
        let settings = self.limits.soft_choice;
        let draws = draws_before(self.graph, id);
        let values = soft_choice(&mut self.builder, &items, &nodes, &settings, draws);
        Ok(self.value(values[0]))
    }
}

/// How many numbers of the noise the choices before node `id` take. They hang on places in the program alone, so that a
/// choice is the same in each iteration of a loop, however the loop is evaluated.
pub fn draws_before(graph: &Graph, id: NodeId) -> usize {
    let before = graph.nodes[..id.index()].iter();
    let choices = before.filter(|node| node.kind == NodeKind::Op(Op::SoftChoice));
    choices.map(|node| node.args.len().saturating_sub(1)).sum()
}
