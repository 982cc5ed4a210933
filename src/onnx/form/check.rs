//! What ONNX does not take.

use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, NodeId, NodeKind, RegionId};
use crate::ops::{Op, Role};

/// So many graphs stand within each other at most: protobuf messages nest 100 deep, three for each.
const MAX_NESTED: usize = 31;

/// Refuses a graph that is not numeric.
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
            // what stays linear algebra is written as a loop
            let nests = form.regions_of(*id).next().is_some()
                || matches!(
                    node.kind,
                    NodeKind::Linear(_) | NodeKind::Op(Op::DetOf | Op::LogDetOf)
                );
            if nests && depth > MAX_NESTED {
                return refuse(format!(
                    "loops, linear algebra and branches stand more than {MAX_NESTED} deep within each other, more than ONNX Runtime reads"
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
