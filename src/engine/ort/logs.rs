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
    let numbers = loops.into_iter().map(|id| {
        let steps = counted(form, id, max_steps).map_or(EXPECTED_STEPS, |known| known.trips);
        (steps as usize).saturating_mul(form.node(id).args.len())
    });
    numbers.fold(0, usize::saturating_add)
}
