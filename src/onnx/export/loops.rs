//! Loops of which it is not known how often they run.

use std::collections::HashSet;

use super::axes::Axes;
use super::messages::graph_attribute;
use super::part::{Log, Values};
use super::write::Writer;
use crate::graph::{Graph, NodeId, NodeKind, RegionId};
use crate::onnx::form::counted;
use crate::onnx::proto::tensor_proto::DataType;

/// What a body carries from one iteration to the next: its shape and type.
pub struct Carried {
    pub bool: bool,
    pub axes: Axes,
}

impl Writer<'_> {
    /// A loop as a `Loop`. Its head is written twice: for the first states before it, and for the next states in its body.
    /// Where samples do not end together, a mask keeps the states of those that have.
    pub fn repeat(&mut self, id: NodeId, head: RegionId, next: RegionId) {
        if let Some(counted) = counted(self.form, id, self.max_steps) {
            return self.scan(id, head, next, &counted);
        }
        let form = self.form;
        let (params, nexts) = (&form.region(head).params, &form.region(next).results);
        let flag = form.region(head).results[0];
        let axes = self.axes[flag.index()];
        let differs = axes != Axes::NONE;
        let states = self.carried(params);
        let shared: Vec<NodeId> = needed(form, head, next)
            .into_iter()
            .filter(|node| *node != flag && direct(form, *node))
            .collect();

        let inits = form.node(id).args.iter().zip(&states);
        let inits: Vec<String> = inits
            .map(|(init, state)| self.shaped(*init, state.bool, state.axes))
            .collect();
        self.bind_all(params, &inits);
        self.region(head);
        let going = self.truth(flag);
        let going = self.where_counted(going, axes);
        let first = self.any_along(going.clone(), axes, Axes::NONE);
        let more: Vec<String> = shared
            .iter()
            .map(|node| self.typed(*node, self.is_bool(*node)))
            .collect();
        self.forget(head);
        let mut input = vec![
            self.whole(i64::try_from(self.max_steps).unwrap_or(i64::MAX)),
            first,
        ];
        input.extend(inits);
        input.push(going);
        input.extend(more);

        self.open();
        self.input(DataType::Int64, &[]);
        self.input(DataType::Bool, &[]);
        let old = self.inputs(&states);
        let active = self.input(DataType::Bool, axes.dims());
        if differs {
            self.count_where(active.clone(), axes);
        }
        let kinds = self.carried(&shared);
        let more = self.inputs(&kinds);
        self.bind_all(params, &old);
        self.bind_all(&shared, &more);
        self.bind(flag, active.clone());
        self.region(next);
        let mut new = Vec::new();
        for ((result, state), old) in nexts.iter().zip(&states).zip(&old) {
            new.push(match differs {
                true => {
                    let new = self.typed(*result, state.bool);
                    self.masked(&active, new, old.clone(), state.bool)
                }
                false => self.shaped(*result, state.bool, state.axes),
            });
        }
        self.part().tensors.remove(&flag);
        self.forget(head);
        self.bind_all(params, &new);
        self.region(head);
        let mut going = self.truth(flag);
        if differs {
            // rounding could bring a sample back that has ended
            going = self.push("And", vec![active.clone(), going]);
        }
        let more: Vec<String> = shared
            .iter()
            .map(|node| self.typed(*node, self.is_bool(*node)))
            .collect();
        let again = self.any_along(going.clone(), axes, Axes::NONE);
        self.output(again, DataType::Bool, &[]);
        self.outputs(new, &states);
        self.output(going, DataType::Bool, axes.dims());
        self.outputs(more, &kinds);
        let cut = self.carry_overrun(&mut input);

        // what the way back reads: at least something, for the number of iterations
        let mut log: Vec<Option<&Carried>> = vec![None; states.len()];
        if let Some(read) = self.read.get(&id) {
            for ((log, state), read) in log.iter_mut().zip(&states).zip(read) {
                *log = read.then_some(state);
            }
            if !differs && !read.contains(&true) {
                log[0] = states.first();
            }
        }
        self.log_rows(&log, &old);
        let masks = differs && self.read.contains_key(&id);
        if masks {
            self.output(active, DataType::Bool, axes.dims());
        }
        let body = self.close().into_graph("body".into());

        let mut output: Vec<String> = Vec::new();
        let mut name = |writer: &mut Self| {
            let name = writer.names.numbered("Loop");
            output.push(name.clone());
            name
        };
        let tensors = states.iter().map(|_| name(self)).collect();
        let overrun = name(self);
        self.part().overruns.push((overrun, axes));
        kinds.iter().for_each(|_| drop(name(self)));
        if let Some(axes) = cut {
            let name = name(self);
            self.part().overruns.push((name, axes));
        }
        let rows = log.iter().map(|log| log.map(|_| name(self))).collect();
        let mask = masks.then(|| (name(self), axes));
        let attribute = vec![graph_attribute("body", body)];
        self.part().push_with("Loop", input, output, attribute);
        let log = self.read.contains_key(&id).then_some(Log {
            states: rows,
            mask,
            counted: None,
        });
        self.part().values.insert(id, Values { tensors, log });
    }

    /// What these parameters, or other nodes of a body, carry.
    pub fn carried(&self, nodes: &[NodeId]) -> Vec<Carried> {
        let nodes = nodes.iter();
        nodes
            .map(|node| Carried {
                bool: self.is_bool(*node),
                axes: self.axes[node.index()],
            })
            .collect()
    }

    pub fn bind_all(&mut self, nodes: &[NodeId], tensors: &[String]) {
        for (node, tensor) in nodes.iter().zip(tensors) {
            self.bind(*node, tensor.clone());
        }
    }

    /// Forgets what the nodes of a region are in this graph.
    fn forget(&mut self, region: RegionId) {
        let form = self.form;
        for node in &form.region(region).nodes {
            self.part().tensors.remove(node);
            self.part().values.remove(node);
        }
    }

    pub fn inputs(&mut self, carried: &[Carried]) -> Vec<String> {
        let carried = carried.iter();
        carried
            .map(|one| self.input(self.data_type(one.bool), one.axes.dims()))
            .collect()
    }

    pub fn outputs(&mut self, tensors: Vec<String>, carried: &[Carried]) {
        for (tensor, one) in tensors.into_iter().zip(carried) {
            let data_type = self.data_type(one.bool);
            self.output(tensor, data_type, one.axes.dims());
        }
    }

    /// Carries whether a loop in this body was cut off in any iteration so far; the axes along which that differs. It is the
    /// last of what is carried; `input` are the first values.
    pub fn carry_overrun(&mut self, input: &mut Vec<String>) -> Option<Axes> {
        let (cut, axes) = self.overrun()?;
        let before = self.input(DataType::Bool, axes.dims());
        let cut = self.push("Or", vec![before, cut]);
        self.output(cut, DataType::Bool, axes.dims());
        let no = self.known_truth(false);
        input.push(self.spread(0, no, axes));
        Some(axes)
    }

    /// Adds the states before the iteration as outputs.
    pub fn log_rows(&mut self, log: &[Option<&Carried>], old: &[String]) {
        for (log, old) in log.iter().zip(old) {
            if let Some(state) = log {
                let data_type = self.data_type(state.bool);
                self.output(old.clone(), data_type, state.axes.dims());
            }
        }
    }
}

/// Whether a node is one value, which can be carried.
fn direct(form: &Graph, node: NodeId) -> bool {
    matches!(form.node(node).kind, NodeKind::Op(_) | NodeKind::Get(_))
}

/// The nodes of the head of a loop, but for its parameters and constants, that `next` uses: directly, at any depth.
pub fn needed(form: &Graph, head: RegionId, next: RegionId) -> Vec<NodeId> {
    let mut used = HashSet::new();
    let mut open = vec![next];
    while let Some(region) = open.pop() {
        used.extend(form.region(region).results.iter().copied());
        for id in &form.region(region).nodes {
            used.extend(form.node(*id).args.iter().copied());
            open.extend(form.regions_of(*id));
        }
    }
    let nodes = form.region(head).nodes.iter().copied();
    nodes.filter(|node| used.contains(node)).collect()
}
