//! Loops and ways back whose number of iterations is known: at least one, over a sequence of the values of the counter.

use super::loops::{Carried, needed};
use super::messages::{graph_attribute, int_attribute, ints_attribute, scalar};
use super::part::{Log, Values};
use super::write::Writer;
use crate::graph::{Graph, NodeId, NodeKind, RegionId};
use crate::onnx::form::Counted;

impl Writer<'_> {
    /// A loop as a `Scan`, without its test.
    pub fn scan(&mut self, id: NodeId, head: RegionId, next: RegionId, counted: &Counted) {
        let form = self.form;
        let (params, nexts) = (&form.region(head).params, &form.region(next).results);
        let others: Vec<usize> = (0..params.len()).filter(|i| *i != counted.state).collect();
        let of = |nodes: &[NodeId]| -> Vec<NodeId> { others.iter().map(|i| nodes[*i]).collect() };
        let states = self.carried(&of(params));
        let inits = of(&form.node(id).args);
        let mut input: Vec<String> = inits
            .iter()
            .zip(&states)
            .map(|(init, state)| self.shaped(*init, state.bool, state.axes))
            .collect();

        self.open();
        let old = self.inputs(&states);
        self.bind_all(&of(params), &old);
        // the counter is an input behind what is carried, but its name is needed now
        let counter = self.names.numbered("in");
        self.bind(params[counted.state], counter.clone());
        for node in closed(form, head, next) {
            self.node(node);
        }
        self.region(next);
        let new: Vec<String> = of(nexts)
            .iter()
            .zip(&states)
            .map(|(next, state)| self.shaped(*next, state.bool, state.axes))
            .collect();
        self.outputs(new, &states);
        let cut = self.carry_overrun(&mut input);
        let number = self.data_type(false);
        self.named_input(&counter, number, &[]);
        let goes_back = self.read.get(&id).cloned();
        let log: Vec<Option<&Carried>> = others
            .iter()
            .zip(&states)
            .map(|(i, state)| {
                let read = goes_back.as_ref().is_some_and(|read| read[*i]);
                read.then_some(state)
            })
            .collect();
        self.log_rows(&log, &old);
        let body = self.close().into_graph("body".into());

        let mut output: Vec<String> = Vec::new();
        let mut name = |writer: &mut Self| {
            let name = writer.names.numbered("Scan");
            output.push(name.clone());
            name
        };
        let mut tensors: Vec<String> = vec![String::new(); params.len()];
        for i in &others {
            tensors[*i] = name(self);
        }
        if let Some(axes) = cut {
            let name = name(self);
            self.part().overruns.push((name, axes));
        }
        let mut rows = vec![None; params.len()];
        for (i, log) in others.iter().zip(&log) {
            rows[*i] = log.map(|_| name(self));
        }
        if !output.is_empty() {
            input.push(self.sequence(counted));
            let attribute = vec![
                graph_attribute("body", body),
                int_attribute("num_scan_inputs", 1),
            ];
            self.part().push_with("Scan", input, output, attribute);
        }
        let counts = |node: &crate::graph::Node| {
            node.args == [id] && node.kind == NodeKind::Get(counted.state as u32)
        };
        if form.nodes.iter().any(counts) {
            let (word, element) = (format!("number {}", counted.last()), self.element);
            let last = self.shared(&word, |name| scalar(name, element, counted.last()));
            tensors[counted.state] = last;
        }
        let log = goes_back.map(|_| Log {
            states: rows,
            mask: None,
            counted: Some(counted.clone()),
        });
        self.part().values.insert(id, Values { tensors, log });
    }

    /// A way back as a `Scan` that reads its sequences from their ends.
    pub fn scan_back(&mut self, id: NodeId, back: RegionId, log: &Log, counted: &Counted) {
        let form = self.form;
        let (params, results) = (&form.region(back).params, &form.region(back).results);
        let (states, carries) = params.split_at(log.states.len());
        let kinds = self.carried(carries);
        let inits = &form.node(id).args[1..];
        let mut input: Vec<String> = inits
            .iter()
            .zip(&kinds)
            .map(|(init, one)| self.shaped(*init, one.bool, one.axes))
            .collect();

        self.open();
        let old = self.inputs(&kinds);
        self.bind_all(carries, &old);
        let mut slices = Vec::new();
        for (i, state) in states.iter().enumerate() {
            let sequence = match &log.states[i] {
                _ if i == counted.state && (self.used[state.index()]) => None,
                Some(rows) if self.used[state.index()] => Some(rows.clone()),
                _ => continue,
            };
            let slice = self.names.numbered("in");
            self.bind(*state, slice.clone());
            slices.push((slice, sequence, *state));
        }
        if slices.is_empty() {
            slices.push((self.names.numbered("in"), None, states[counted.state]));
        }
        self.region(back);
        let new: Vec<String> = results
            .iter()
            .zip(&kinds)
            .map(|(result, one)| self.shaped(*result, one.bool, one.axes))
            .collect();
        self.outputs(new, &kinds);
        let cut = self.carry_overrun(&mut input);
        for (slice, sequence, state) in &slices {
            let one = &self.carried(&[*state])[0];
            let dims = if sequence.is_some() {
                one.axes.dims()
            } else {
                &[]
            };
            let data_type = self.data_type(one.bool && sequence.is_some());
            self.named_input(slice, data_type, dims);
        }
        let body = self.close().into_graph("back".into());

        let tensors: Vec<String> = kinds.iter().map(|_| self.names.numbered("Scan")).collect();
        let mut output = tensors.clone();
        if let Some(axes) = cut {
            let name = self.names.numbered("Scan");
            self.part().overruns.push((name.clone(), axes));
            output.push(name);
        }
        let count = slices.len() as i64;
        for (_, sequence, _) in slices {
            input.push(match sequence {
                Some(rows) => rows,
                None => self.sequence(counted),
            });
        }
        let attribute = vec![
            graph_attribute("body", body),
            int_attribute("num_scan_inputs", count),
            ints_attribute("scan_input_directions", vec![1; count as usize]),
        ];
        self.part().push_with("Scan", input, output, attribute);
        let log = None;
        self.part().values.insert(id, Values { tensors, log });
    }

    /// The values of a counter before each iteration.
    pub fn sequence(&mut self, counted: &Counted) -> String {
        let (first, step, last) = (counted.first, counted.step, counted.last());
        let element = self.element;
        let range = [first, last, step];
        let range = range.map(|value| {
            self.shared(&format!("number {value}"), |name| {
                scalar(name, element, value)
            })
        });
        self.once(
            &format!("range {first} {step} {last}"),
            "Range",
            range.to_vec(),
        )
    }
}

/// The nodes of the head that `next` needs, directly or not, in order.
fn closed(form: &Graph, head: RegionId, next: RegionId) -> Vec<NodeId> {
    let mut wanted = needed(form, head, next);
    let mut at = 0;
    while at < wanted.len() {
        let mut open = vec![];
        let mut used = form.node(wanted[at]).args.clone();
        open.extend(form.regions_of(wanted[at]));
        while let Some(region) = open.pop() {
            used.extend(&form.region(region).results);
            for id in &form.region(region).nodes {
                used.extend(&form.node(*id).args);
                open.extend(form.regions_of(*id));
            }
        }
        for node in used {
            let inside = form.region(head).nodes.binary_search(&node).is_ok();
            if inside && !wanted.contains(&node) {
                wanted.push(node);
            }
        }
        at += 1;
    }
    wanted.sort();
    wanted
}
