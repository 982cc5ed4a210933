//! Inputs made constants.

use super::{Graph, NodeKind, Type};
use crate::ops::Elem;
use crate::syntax::ast::Constant;

/// The same graph with exact integers in place of some ports, which it no longer has. `values` names each by its index.
pub fn bind(graph: &Graph, values: &[(usize, i64)]) -> Graph {
    let mut graph = graph.clone();
    let known = |port: usize| values.iter().find(|(index, _)| *index == port);
    let mut kept = 0;
    let places: Vec<u32> = (0..graph.ports.len())
        .map(|port| {
            let place = kept;
            kept += u32::from(known(port).is_none());
            place
        })
        .collect();
    for node in &mut graph.nodes {
        if let NodeKind::Port(port) = node.kind {
            node.kind = match known(port as usize) {
                Some((_, value)) => NodeKind::Constant(Constant::Int(*value)),
                None => NodeKind::Port(places[port as usize]),
            };
            if known(port as usize).is_some() && node.ty != Type::General {
                node.ty = Type::Scalar(Elem::Int);
            }
        }
    }
    let mut port = 0;
    graph.ports.retain(|_| {
        port += 1;
        known(port - 1).is_none()
    });
    graph
}
