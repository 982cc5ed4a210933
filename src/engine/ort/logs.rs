//! How much memory the logs of loops take.
//!
//! A loop that is gone back over keeps its states from all iterations. Smaller chunks bound that; a loop so long that the
//! states of one sample are too many would need checkpoints.

use crate::graph::{Graph, NodeId, NodeKind};
use crate::onnx::form::counted;

/// So many bytes of logs a chunk has at most, if more than one sample.
const LOG_BYTES: usize = 256 << 20;

/// So many iterations are expected of a loop where nothing is known.
const EXPECTED_STEPS: u64 = 1000;

/// The most samples of a chunk whose logs hold so many bytes a sample.
pub fn chunk_of_logs(bytes: usize) -> usize {
    LOG_BYTES
        .checked_div(bytes)
        .map_or(usize::MAX, |samples| samples.max(1))
}

/// How many numbers the logs of a graph in ONNX form hold for each sample.
pub fn logged_numbers(form: &Graph, max_steps: u64) -> usize {
    let mut loops: Vec<NodeId> = form
        .nodes
        .iter()
        .filter(|node| matches!(node.kind, NodeKind::Reverse(_)))
        .map(|node| node.args[0])
        .collect();
    loops.sort();
    loops.dedup();
    let numbers = loops.into_iter().map(|id| numbers_of(form, id, max_steps));
    numbers.fold(0, usize::saturating_add)
}

/// How many numbers the logs of a graph would hold for each sample, if all its loops were gone back over.
pub fn states_of_loops(graph: &Graph, max_steps: u64) -> usize {
    let loops = (0..graph.nodes.len() as u32).map(NodeId);
    let loops = loops.filter(|id| matches!(graph.node(*id).kind, NodeKind::Loop(..)));
    loops
        .map(|id| numbers_of(graph, id, max_steps))
        .fold(0, usize::saturating_add)
}

fn numbers_of(graph: &Graph, id: NodeId, max_steps: u64) -> usize {
    let steps = counted(graph, id, max_steps).map_or(EXPECTED_STEPS, |known| known.trips);
    (steps as usize).saturating_mul(graph.node(id).args.len())
}
