//! How the values of a graph depend on sums over the batch.

use crate::graph::{Graph, NodeId, NodeKind, RegionId};
use crate::ops::Op;

/// How a value depends on sums over the batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sums {
    /// It is zero.
    Zero,
    /// Not at all.
    Free,
    /// It is a sum of such sums, each times something that does not depend on any.
    Linear,
    /// In some other way.
    Other,
}

/// For each node of a graph, how it depends on sums over the batch.
pub fn sums(form: &Graph) -> Vec<Sums> {
    use Sums::{Free, Linear, Other, Zero};
    let mut sums: Vec<Sums> = Vec::with_capacity(form.nodes.len());
    let both = |a: Sums, b: Sums| match (a, b) {
        (Zero, other) | (other, Zero) => other,
        (Free, Free) => Free,
        (Linear, Linear) => Linear,
        _ => Other,
    };
    for (i, node) in form.nodes.iter().enumerate() {
        let of = |i: usize| sums[node.args[i].index()];
        let free = |id: &NodeId| matches!(sums[id.index()], Zero | Free);
        sums.push(match &node.kind {
            NodeKind::Constant(value) if value.as_real() == Some(0.0) => Zero,
            NodeKind::Op(Op::BatchSum) if free(&node.args[0]) => Linear,
            NodeKind::Op(Op::Add | Op::Sub) => both(of(0), of(1)),
            NodeKind::Op(Op::Neg) => of(0),
            NodeKind::Op(Op::Select) if free(&node.args[0]) => both(of(1), of(2)),
            NodeKind::Op(Op::Mul) if free(&node.args[0]) && of(1) == Linear => Linear,
            NodeKind::Op(Op::Mul | Op::Div) if free(&node.args[1]) && of(0) == Linear => Linear,
            // what a region computes of sums may come around again
            NodeKind::If(..) | NodeKind::Loop(..) | NodeKind::Reverse(_) => {
                let regions = form.regions_of(NodeId(i as u32));
                let inside = regions.into_iter().all(|region| all(form, region, &free));
                match inside && node.args.iter().all(free) {
                    true => Free,
                    false => Other,
                }
            }
            _ if node.args.iter().all(free) => Free,
            _ => Other,
        });
    }
    sums
}

/// Whether this holds for all nodes and results of a region.
fn all(form: &Graph, region: RegionId, holds: &impl Fn(&NodeId) -> bool) -> bool {
    let region = form.region(region);
    region.nodes.iter().chain(&region.results).all(holds)
}
