//! Along which axes values differ: from member to member of a population, from sample to sample.
//!
//! A tensor has the shape `[M, N]`, `[M, 1]`, `[N]` or none: what differs along fewer axes broadcasts against what differs
//! along more.

use super::messages::{int_attribute, scalar, wholes};
use super::write::Writer;
use crate::graph::Graph;

/// The axes along which a value differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Axes {
    /// From member to member of a population.
    pub members: bool,
    /// From sample to sample.
    pub samples: bool,
}

impl Axes {
    /// One value for all.
    pub const NONE: Axes = Axes {
        members: false,
        samples: false,
    };

    /// For each node of a graph; `members` says which ports differ from member to member.
    pub fn of(graph: &Graph, members: &[bool]) -> Vec<Axes> {
        let batched = graph.batched();
        let populated = match members.contains(&true) {
            true => graph.populated(members),
            false => vec![false; graph.nodes.len()],
        };
        let pairs = populated.into_iter().zip(batched);
        pairs
            .map(|(members, samples)| Axes { members, samples })
            .collect()
    }

    /// The dimensions of a tensor.
    pub fn dims(self) -> &'static [&'static str] {
        match (self.members, self.samples) {
            (true, true) => &["M", "N"],
            (true, false) => &["M", "1"],
            (false, true) => &["N"],
            (false, false) => &[],
        }
    }

    pub fn join(self, other: Axes) -> Axes {
        Axes {
            members: self.members || other.members,
            samples: self.samples || other.samples,
        }
    }

    pub fn meet(self, other: Axes) -> Axes {
        Axes {
            members: self.members && other.members,
            samples: self.samples && other.samples,
        }
    }

    pub fn covers(self, other: Axes) -> bool {
        self.join(other) == self
    }
}

impl Writer<'_> {
    /// Truth values along the axes `to` alone: whether any is true along the others.
    pub fn any_along(&mut self, tensor: String, from: Axes, to: Axes) -> String {
        let kept = from.meet(to);
        if kept == from {
            return tensor;
        }
        if kept == Axes::NONE {
            return self.any(tensor, from);
        }
        // as a sum, which takes no samples too
        let number = self.names.numbered("Cast");
        let innermost = self.parts.len() - 1;
        self.cast(innermost, tensor, number.clone());
        let (axis, keep) = if kept.members { (-1, 1) } else { (0, 0) };
        let axis = self.shared(&format!("axis {axis}"), |name| wholes(name, &[axis]));
        let sum = self.names.numbered("ReduceSum");
        let attribute = vec![int_attribute("keepdims", keep)];
        self.part().push_with(
            "ReduceSum",
            vec![number, axis],
            vec![sum.clone()],
            attribute,
        );
        let element = self.element;
        let zero = self.shared("number 0", |name| scalar(name, element, 0.0));
        self.push("Greater", vec![sum, zero])
    }

    /// The truth values of `flag`, which differ along `axes`, where this place counts.
    pub fn where_counted(&mut self, mut flag: String, axes: Axes) -> String {
        for (mask, own) in self.part().masks.clone() {
            if own.meet(axes) != Axes::NONE {
                let mask = self.any_along(mask, own, axes);
                flag = self.push("And", vec![mask, flag]);
            }
        }
        flag
    }

    /// From here on the nodes of this part count where `mask`, which holds nowhere else than the masks so far, does.
    pub fn count_where(&mut self, mask: String, axes: Axes) {
        self.part().masks.retain(|(_, own)| !axes.covers(*own));
        self.part().masks.push((mask, axes));
    }

    /// The shape of what differs along these axes.
    pub fn shape(&mut self, axes: Axes) -> String {
        let word = format!("shape {axes:?}");
        if let Some(name) = self.shared.get(&word) {
            return name.clone();
        }
        let name = match (axes.members, axes.samples) {
            (true, true) => {
                let (members, samples) = (self.size_of_axis(true), self.size_of_axis(false));
                self.joined(vec![members, samples])
            }
            (true, false) => {
                let members = self.size_of_axis(true);
                let one = self.shared("wholes 1", |name| wholes(name, &[1]));
                self.joined(vec![members, one])
            }
            _ => self.size_of_axis(false),
        };
        self.shared.insert(word, name.clone());
        name
    }

    /// A tensor of one number: how many members or samples there are.
    fn size_of_axis(&mut self, members: bool) -> String {
        let word = format!("size {members}");
        if let Some(name) = self.shared.get(&word) {
            return name.clone();
        }
        let (tensor, attribute) = match members {
            true => {
                // parameters that are left at their default have one value
                let ports = (0..self.ports.len())
                    .filter(|port| self.members[*port] && self.form.ports[*port].is_parameter());
                let all = ports.map(|port| self.ports[port].clone()).collect();
                let sum = self.names.numbered("Sum");
                self.parts[0].push("Sum", all, sum.clone());
                (sum, vec![int_attribute("end", 1)])
            }
            false => {
                let port = self.sampled_port().unwrap_or(0);
                let attribute = match self.members[port] {
                    true => vec![int_attribute("start", -1)],
                    false => vec![],
                };
                (self.ports[port].clone(), attribute)
            }
        };
        let name = self.names.numbered("Shape");
        let input = vec![tensor];
        self.parts[0].push_with("Shape", input, vec![name.clone()], attribute);
        self.shared.insert(word, name.clone());
        name
    }

    fn joined(&mut self, tensors: Vec<String>) -> String {
        let name = self.names.numbered("Concat");
        let attribute = vec![int_attribute("axis", 0)];
        self.parts[0].push_with("Concat", tensors, vec![name.clone()], attribute);
        name
    }
}
