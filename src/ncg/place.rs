//! Finds the regions of a flat graph: the arms of an `if` are whatever hangs below its edges and nowhere else. A node goes
//! to the innermost region that holds all its uses (cf. Click, "Global code motion, global value numbering", 1995).

use std::collections::HashMap;

use super::bad;
use crate::error::Result;
use crate::graph::MAX_REGION_DEPTH;

/// A region of the flat graph: the whole, or an arm.
struct Area {
    parent: usize,
    depth: usize,
}

/// The nodes of each region in order, arguments before users. Region 0 is the whole.
pub struct Placement {
    /// All nodes, arguments before users.
    pub order: Vec<u64>,
    /// The nodes of each region.
    pub nodes: Vec<Vec<u64>>,
    /// The arms of each `if`.
    pub arms: HashMap<u64, [usize; 2]>,
}

/// Places the nodes that `root` needs. `edges` gives a node's arguments, or `None` where there is no such node;
/// `is_branch` tells an `if`, whose edges are the test and then, in turns, the ends of its two arms. The whole stands in
/// `around` regions already.
pub fn place<'a>(
    root: u64,
    edges: impl Fn(u64) -> Option<&'a [u64]>,
    is_branch: impl Fn(u64) -> bool,
    around: usize,
) -> Result<Placement> {
    let order = topological(root, &edges)?;
    let mut areas = vec![Area {
        parent: 0,
        depth: around,
    }];
    let mut arms: HashMap<u64, [usize; 2]> = HashMap::new();
    let mut area_of: HashMap<u64, usize> = HashMap::from([(root, 0)]);
    for id in order.iter().rev() {
        let area = area_of[id];
        let args = edges(*id).unwrap_or_default();
        let mut places = vec![area; args.len()];
        if is_branch(*id) {
            let depth = areas[area].depth + 1;
            if depth > MAX_REGION_DEPTH {
                return Err(bad(format!(
                    "branches nest more than {MAX_REGION_DEPTH} deep at node {id}"
                )));
            }
            areas.extend([(); 2].map(|()| Area {
                parent: area,
                depth,
            }));
            let pair = [areas.len() - 2, areas.len() - 1];
            arms.insert(*id, pair);
            for (i, place) in places.iter_mut().skip(1).enumerate() {
                *place = pair[i % 2];
            }
        }
        for (arg, place) in args.iter().zip(places) {
            let joined = match area_of.get(arg) {
                None => place,
                Some(other) => common(&areas, *other, place),
            };
            area_of.insert(*arg, joined);
        }
    }
    let mut nodes = vec![Vec::new(); areas.len()];
    for id in &order {
        nodes[area_of[id]].push(*id);
    }
    Ok(Placement { order, nodes, arms })
}

/// The innermost region that holds both.
fn common(areas: &[Area], mut a: usize, mut b: usize) -> usize {
    while a != b {
        if areas[a].depth >= areas[b].depth {
            a = areas[a].parent;
        } else {
            b = areas[b].parent;
        }
    }
    a
}

/// What `root` needs, arguments before users: in the order of the ids where that is one, so that a document that this
/// library wrote keeps its order.
fn topological<'a>(root: u64, edges: &impl Fn(u64) -> Option<&'a [u64]>) -> Result<Vec<u64>> {
    let mut order = Vec::new();
    // whether a node is finished; one that is open is being visited
    let mut finished: HashMap<u64, bool> = HashMap::new();
    let mut open: Vec<(u64, usize)> = vec![(root, 0)];
    finished.insert(root, false);
    while let Some((id, next)) = open.last_mut() {
        let args = edges(*id).ok_or_else(|| bad(format!("node {id} does not exist")))?;
        let Some(arg) = args.get(*next) else {
            finished.insert(*id, true);
            order.push(*id);
            open.pop();
            continue;
        };
        *next += 1;
        match finished.get(arg) {
            Some(true) => {}
            Some(false) => return Err(bad(format!("node {arg} needs its own value"))),
            None => {
                if edges(*arg).is_none() {
                    return Err(bad(format!(
                        "node {id} needs node {arg}, which does not exist"
                    )));
                }
                finished.insert(*arg, false);
                open.push((*arg, 0));
            }
        }
    }
    let backward = |id: &u64| edges(*id).is_none_or(|args| args.iter().all(|arg| arg < id));
    if order.iter().all(backward) {
        order.sort_unstable();
    }
    Ok(order)
}
