//! The way back over a tape: applies the adjoint rules of the table, from the last operation to the first. What the numbers
//! are, of one sample or of many, is left to who keeps the adjoints; the order of all sums is the same.

use super::tape::{Entry, Rule, place};
use crate::ops::{Emit, NodeId, Role, Site, linear_adjoints};

/// Computes what rules emit, and keeps the adjoints by place. The nodes below the length of the tape are its places.
pub trait Adjoints: Emit {
    /// Whether a derivative is asked of an operand.
    fn asked(&self, operand: u32) -> bool;
    /// The adjoint at a place, as a node; `None` where nothing has reached it.
    fn adjoint(&mut self, place: u32) -> Option<NodeId>;
    /// Adds to the adjoint at a place.
    fn add(&mut self, place: u32, part: NodeId);
    /// Forgets the nodes of the rules of an entry.
    fn forget(&mut self);
}

/// Goes back over the tape from the adjoints that are there. `ids` is memory.
pub fn sweep<A: Adjoints>(entries: &[Entry], operands: &[u32], at: &mut A, ids: &mut Vec<NodeId>) {
    for entry in entries.iter().rev() {
        let args = entry.operands(operands);
        match entry.rule {
            Rule::Test(..) => continue,
            Rule::Op(op) => {
                let Some(adjoint) = at.adjoint(entry.out) else {
                    continue;
                };
                let Role::Numeric { adjoint: rule, .. } = op.row().role else {
                    continue;
                };
                ids.clear();
                ids.extend(args.iter().map(|arg| NodeId(place(*arg))));
                let site = Site {
                    args: ids,
                    out: NodeId(entry.out),
                    adjoint,
                };
                for (i, arg) in args.iter().enumerate() {
                    if at.asked(*arg)
                        && let Some(part) = rule(at, site, i)
                    {
                        at.add(*arg, part);
                    }
                }
            }
            Rule::Linear(linear) => {
                let results = entry.out..entry.out + entry.results();
                let parts: Vec<Option<NodeId>> = results.map(|out| at.adjoint(out)).collect();
                if parts.iter().all(Option::is_none) {
                    continue;
                }
                ids.clear();
                ids.extend(args.iter().map(|arg| NodeId(place(*arg))));
                let wanted: Vec<bool> = args.iter().map(|arg| at.asked(*arg)).collect();
                let found = linear_adjoints(at, linear, ids, &parts, &wanted);
                for ((arg, part), wanted) in args.iter().zip(found).zip(wanted) {
                    if let (Some(part), true) = (part, wanted) {
                        at.add(*arg, part);
                    }
                }
            }
        }
        at.forget();
    }
}
