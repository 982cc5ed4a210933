//! Lists the values of a graph.

use std::collections::HashMap;

use super::linear::System;
use super::values::{Loop, Reverse, Source, Values};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, NodeId, NodeKind, RegionId, flatten, write_out};
use crate::ops::Op;

/// Linear algebra on matrices of this side or less is written out in scalar operations, which run on many samples at once.
const WRITTEN_SIDE: usize = 4;

/// The values of `graph`, with both arms of each `if` computed.
pub fn values(graph: &Graph) -> Result<Values> {
    let graph = flatten(&write_out(graph, WRITTEN_SIDE));
    let mut reading = Reading::new(&graph);
    for i in 0..graph.nodes.len() {
        reading.node(i)?;
    }
    let Reading {
        ids, mut values, ..
    } = reading;
    let outputs = graph.outputs.iter();
    values.outputs = outputs.map(|output| ids[output.node.index()]).collect();
    values.find_read();
    Ok(values)
}

/// A graph while its values are listed.
struct Reading<'a> {
    graph: &'a Graph,
    batched: Vec<bool>,
    /// For each node the region that it stands in.
    homes: Vec<usize>,
    /// For each region the one around it.
    parents: Vec<usize>,
    /// Which regions belong to ways back whose samples differ in how many iterations they have.
    masked: Vec<bool>,
    masks: HashMap<usize, usize>,
    /// For each node its value.
    ids: Vec<usize>,
    values: Values,
}

impl<'a> Reading<'a> {
    fn new(graph: &'a Graph) -> Reading<'a> {
        let count = graph.regions.len();
        let mut homes = vec![0; graph.nodes.len()];
        for (i, region) in graph.regions.iter().enumerate() {
            region.nodes.iter().for_each(|node| homes[node.index()] = i);
        }
        let batched = graph.batched();
        let mut parents = vec![0; count];
        let mut scopes: Vec<usize> = (0..count).collect();
        let mut masked = vec![false; count];
        for (i, node) in graph.nodes.iter().enumerate() {
            match node.kind {
                NodeKind::Loop(head, next) => {
                    parents[head.0 as usize] = homes[i];
                    parents[next.0 as usize] = head.0 as usize;
                    scopes[next.0 as usize] = head.0 as usize;
                }
                NodeKind::Reverse(back) => {
                    parents[back.0 as usize] = homes[i];
                    if let NodeKind::Loop(head, _) = graph.node(node.args[0]).kind {
                        let flags = &graph.region(head).results;
                        masked[back.0 as usize] = flags.iter().any(|flag| batched[flag.index()]);
                    }
                }
                _ => {}
            }
        }
        Reading {
            graph,
            batched,
            homes,
            parents,
            masked,
            masks: HashMap::new(),
            ids: vec![usize::MAX; graph.nodes.len()],
            values: Values {
                list: Vec::new(),
                outputs: Vec::new(),
                regions: vec![Vec::new(); count],
                scopes,
            },
        }
    }

    fn node(&mut self, i: usize) -> Result<()> {
        let graph = self.graph;
        let node = &graph.nodes[i];
        let home = self.homes[i];
        let all = |nodes: &[NodeId], ids: &[usize]| -> Vec<usize> {
            nodes.iter().map(|node| ids[node.index()]).collect()
        };
        let args = all(&node.args, &self.ids);
        let value = match &node.kind {
            NodeKind::Constant(value) => {
                let value = value.as_real().ok_or_else(not_numeric)?;
                self.values.push(Source::Constant(value), 0)
            }
            NodeKind::Port(port) => {
                let port = *port as usize;
                let source = match graph.ports[port].is_parameter() {
                    true => Source::Parameter(port),
                    false => Source::Input(port),
                };
                self.values.push(source, 0)
            }
            NodeKind::Op(Op::BatchCount) => self.values.push(Source::Count, 0),
            NodeKind::Op(Op::BatchSum) if home != 0 => return Err(sum_in_loop()),
            NodeKind::Op(Op::BatchSum) => self.values.push(Source::Sum(args[0]), 0),
            NodeKind::Op(op @ (Op::Min | Op::Max)) => {
                let pair = |a, b| self.values.push(Source::Op(*op, vec![a, b]), home);
                args.into_iter().reduce(pair).ok_or_else(not_numeric)?
            }
            NodeKind::Op(Op::DetOf) => self.system(System::Det, args, home) + 1,
            NodeKind::Op(Op::LogDetOf) => self.system(System::LogDet, args, home) + 1,
            NodeKind::Op(op) => self.values.push(Source::Op(*op, args), home),
            NodeKind::Linear(linear) => self.system(System::Many(*linear), args, home),
            NodeKind::RegionParam => {
                let value = self.values.push(Source::Param, home);
                self.values.list[value].batched = self.batched[i];
                value
            }
            NodeKind::Loop(head, next) => self.repeat(i, args, *head, *next),
            NodeKind::Reverse(back) => self.reverse(i, args, *back)?,
            NodeKind::Get(index) => {
                let results = &self.values.list[args[0]].results;
                *results.get(*index as usize).ok_or_else(not_numeric)?
            }
            _ => return Err(not_numeric()),
        };
        self.ids[i] = value;
        Ok(())
    }

    fn all(&self, nodes: &[NodeId]) -> Vec<usize> {
        nodes.iter().map(|node| self.ids[node.index()]).collect()
    }

    /// An operation on matrices; its values stand behind it.
    fn system(&mut self, system: System, args: Vec<usize>, region: usize) -> usize {
        let value = self.values.push(Source::Linear(system, args), region);
        for _ in 0..system.values() {
            let result = self.values.push(Source::Result(value), region);
            self.values.list[value].results.push(result);
        }
        value
    }

    fn repeat(&mut self, node: usize, inits: Vec<usize>, head: RegionId, next: RegionId) -> usize {
        let graph = self.graph;
        let (first, second) = (graph.region(head), graph.region(next));
        let [head, next] = [head, next].map(|region| region.0 as usize);
        let params = self.all(&first.params);
        let nexts = self.all(&second.results);
        let mut flag = self.all(&first.results)[0];
        if self.values.list[flag].batched
            && let Some(mask) = self.mask(self.homes[node])
        {
            // a sample that did not run this iteration of the way back knows no end of the loop
            let source = Source::Op(Op::And, vec![flag, mask]);
            flag = self.values.push(source, head);
        }
        let results: Vec<bool> = params
            .iter()
            .map(|p| self.values.list[*p].batched)
            .collect();
        let all_batched = results.iter().any(|b| *b) || self.values.list[flag].batched;
        // the next states, and the test, may be values from around the loop
        let from = [&inits[..], &nexts, &[flag]].concat();
        let source = Source::Loop(Loop {
            inits,
            params,
            flag,
            nexts,
            head,
            next,
            read: Vec::new(),
            reverses: Vec::new(),
        });
        let home = self.homes[node];
        let from = from.into_iter();
        let value = self
            .values
            .control(source, home, from, &[head, next], &results);
        self.values.list[value].batched = all_batched;
        value
    }

    fn reverse(&mut self, node: usize, args: Vec<usize>, back: RegionId) -> Result<usize> {
        let region = self.graph.region(back);
        let back = back.0 as usize;
        let (of, inits) = args.split_first().ok_or_else(not_numeric)?;
        let mut states = self.all(&region.params);
        let carries = states.split_off(states.len() - inits.len());
        let results: Vec<bool> = carries
            .iter()
            .map(|c| self.values.list[*c].batched)
            .collect();
        let all_batched = results.iter().any(|b| *b) || self.masked[back];
        let nexts = self.all(&region.results);
        // the next carries may be values from around it
        let from = [&args[..], &nexts].concat();
        let source = Source::Reverse(Reverse {
            of: *of,
            inits: inits.to_vec(),
            states,
            carries,
            nexts,
            body: back,
            mask: self.masks.get(&back).copied(),
        });
        let home = self.homes[node];
        let from = from.into_iter();
        let value = self.values.control(source, home, from, &[back], &results);
        self.values.list[value].batched = all_batched;
        Ok(value)
    }

    /// The mask of the innermost way back around `region` that has one.
    fn mask(&mut self, mut region: usize) -> Option<usize> {
        while region != 0 {
            if self.masked[region] {
                let values = &mut self.values;
                let mask = self.masks.entry(region).or_insert_with(|| {
                    let mask = values.push(Source::Param, region);
                    values.list[mask].batched = true;
                    mask
                });
                return Some(*mask);
            }
            region = self.parents[region];
        }
        None
    }
}

fn not_numeric() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the native engine runs numeric graphs only",
    )
}

fn sum_in_loop() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the native engine takes no sum over the batch inside a loop",
    )
}
