//! What ONNX does not take.

use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, NodeId, NodeKind, RegionId};
use crate::ops::{MAX_WRITTEN_SIDE, Op, Role, linear};

/// So many graphs stand within each other at most: protobuf messages nest 100 deep, three for each.
const MAX_NESTED: usize = 31;

/// Refuses a graph that is not numeric, and large matrices.
pub fn check(graph: &Graph) -> Result<()> {
    for (i, node) in graph.nodes.iter().enumerate() {
        let numeric = match &node.kind {
            NodeKind::Constant(value) => value.as_real().is_some(),
            NodeKind::Op(op) => matches!(op.row().role, Role::Numeric { .. }),
            NodeKind::Port(_)
            | NodeKind::RegionParam
            | NodeKind::If(..)
            | NodeKind::Loop(..)
            | NodeKind::Reverse(_)
            | NodeKind::Linear(_)
            | NodeKind::Get(_) => true,
            _ => false,
        };
        let refuse = |message: String| {
            let error = Error::new(ErrorKind::Unsupported, message);
            Err(error.at(node.span))
        };
        if !numeric {
            return refuse(format!(
                "node {i} of the graph is not numeric; ONNX takes graphs of numbers only"
            ));
        }
        let side = match node.kind {
            NodeKind::Linear(linear) => Some((linear.name(), linear.side())),
            NodeKind::Op(op @ (Op::DetOf | Op::LogDetOf)) => {
                linear::side(node.args.len()).map(|n| (op.name(), n))
            }
            _ => None,
        };
        if let Some((name, n)) = side.filter(|(_, n)| *n > MAX_WRITTEN_SIDE) {
            return refuse(format!(
                "{name} of a {n} by {n} matrix: in ONNX linear algebra is written out, for sides up to {MAX_WRITTEN_SIDE}; the native engine runs it"
            ));
        }
    }
    Ok(())
}

/// Refuses what a graph in ONNX form cannot be written with.
pub fn check_form(form: &Graph) -> Result<()> {
    let mut open = vec![(RegionId(0), 1)];
    while let Some((region, depth)) = open.pop() {
        let region = form.region(region);
        for id in &region.nodes {
            let node = form.node(*id);
            let refuse = |message: String| {
                let error = Error::new(ErrorKind::Unsupported, message);
                Err(error.at(node.span))
            };
            let regions = form.regions_of(*id).enumerate();
            for (i, inner) in regions {
                // `next` is written into the same graph as the head
                let same = matches!(node.kind, NodeKind::Loop(..)) && i == 1;
                if same {
                    back_over_head(form, *id, inner).map_or(Ok(()), |_| {
                        refuse(
                            "ONNX has no way back, in the body of a loop, over a loop in its test"
                                .into(),
                        )
                    })?;
                }
                open.push((inner, depth + 1));
            }
            if form.regions_of(*id).next().is_some() && depth > MAX_NESTED {
                return refuse(format!(
                    "loops and branches stand more than {MAX_NESTED} deep within each other, more than ONNX Runtime reads"
                ));
            }
        }
    }
    Ok(())
}

/// A way back in `next` of the loop `id`, at any depth, over a loop in its head.
fn back_over_head(form: &Graph, id: NodeId, next: RegionId) -> Option<NodeId> {
    let NodeKind::Loop(head, _) = form.node(id).kind else {
        return None;
    };
    let mut open = vec![next];
    while let Some(region) = open.pop() {
        for id in &form.region(region).nodes {
            let node = form.node(*id);
            if matches!(node.kind, NodeKind::Reverse(_))
                && form.region(head).nodes.binary_search(&node.args[0]).is_ok()
            {
                return Some(*id);
            }
            open.extend(form.regions_of(*id));
        }
    }
    None
}
