//! A numeric graph as a list of values, each operation of at most three arguments, with what the planner needs to know of
//! each. Values stand in regions: that of the graph, and those of loops and ways back.

use std::collections::HashMap;

use super::linear::System;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, NodeId, NodeKind, RegionId, flatten, write_out};
use crate::ops::Op;

/// Linear algebra on matrices of this side or less is written out in scalar operations, which run on many samples at once.
const WRITTEN_SIDE: usize = 4;

/// Where a value comes from. Arguments are indices of values that stand before.
#[derive(Clone, Debug)]
pub enum Source {
    Constant(f64),
    Parameter(usize),
    Input(usize),
    Count,
    Sum(usize),
    Op(Op, Vec<usize>),
    /// A state, a carry, or the mask of a way back.
    Param,
    /// A loop; its last states are values of their own.
    Loop(Loop),
    /// A way back over a loop; its last carries are values of their own.
    Reverse(Reverse),
    /// An operation on matrices; what it gives are values of their own.
    Linear(System, Vec<usize>),
    /// A last state or carry of this loop or way back, or what this operation on matrices gives.
    Result(usize),
}

/// A loop.
#[derive(Clone, Debug)]
pub struct Loop {
    /// The first states.
    pub inits: Vec<usize>,
    /// The states.
    pub params: Vec<usize>,
    /// Whether there is another iteration.
    pub flag: usize,
    /// The next states.
    pub nexts: Vec<usize>,
    /// The region that gives the flag.
    pub head: usize,
    /// The region that gives the next states.
    pub next: usize,
    /// Positions of the states that a way back over the loop reads.
    pub read: Vec<usize>,
    /// The ways back over it.
    pub reverses: Vec<usize>,
}

/// A way back over a loop.
#[derive(Clone, Debug)]
pub struct Reverse {
    /// The loop.
    pub of: usize,
    /// The first carries.
    pub inits: Vec<usize>,
    /// The states before an iteration.
    pub states: Vec<usize>,
    /// The carries.
    pub carries: Vec<usize>,
    /// The next carries.
    pub nexts: Vec<usize>,
    /// The region that gives them.
    pub body: usize,
    /// True for samples that ran the iteration, where that is read.
    pub mask: Option<usize>,
}

/// A value of the graph.
#[derive(Clone, Debug)]
pub struct Value {
    /// Where it comes from.
    pub source: Source,
    /// Whether it differs from sample to sample.
    pub batched: bool,
    /// How many passes over the samples have to be over before it can be computed.
    pub depth: usize,
    /// The region that it stands in.
    pub region: usize,
    /// The last states of a loop, the last carries of a way back, or what an operation on matrices gives.
    pub results: Vec<usize>,
    /// Whether anything reads it.
    pub read: bool,
}

/// The values of a graph.
pub struct Values {
    /// All of them, arguments before users.
    pub list: Vec<Value>,
    /// Those that the outputs give, in order.
    pub outputs: Vec<usize>,
    /// The values of each region, in order; the first region is that of the graph.
    pub regions: Vec<Vec<usize>>,
    /// For each region the one whose values it is planned with: `next` belongs to its head.
    pub scopes: Vec<usize>,
}

impl Values {
    /// The values of `graph`, with both arms of each `if` computed.
    pub fn of(graph: &Graph) -> Result<Values> {
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

    fn push(&mut self, source: Source, region: usize) -> usize {
        let (batched, depth) = match &source {
            Source::Input(_) => (true, 0),
            Source::Sum(arg) => (false, self.list[*arg].depth + 1),
            Source::Op(_, args) | Source::Linear(_, args) => {
                let args = || args.iter().map(|arg| &self.list[*arg]);
                (
                    args().any(|arg| arg.batched),
                    args().map(|arg| arg.depth).max().unwrap_or(0),
                )
            }
            Source::Result(of) => match &self.list[*of].source {
                Source::Linear(..) => (self.list[*of].batched, self.list[*of].depth),
                _ => (false, self.list[*of].depth),
            },
            _ => (false, 0),
        };
        self.list.push(Value {
            source,
            batched,
            depth,
            region,
            results: Vec::new(),
            read: false,
        });
        let value = self.list.len() - 1;
        self.regions[region].push(value);
        value
    }

    /// Adds a loop or a way back and its results, computed once `regions` and these values can be.
    fn control(
        &mut self,
        source: Source,
        region: usize,
        from: impl Iterator<Item = usize>,
        regions: &[usize],
        results: &[bool],
    ) -> usize {
        let mut depth = from.map(|value| self.list[value].depth).max().unwrap_or(0);
        let mut inside = Vec::new();
        let mut open = regions.to_vec();
        while let Some(region) = open.pop() {
            for value in &self.regions[region] {
                inside.push(*value);
                depth = depth.max(self.list[*value].depth);
                match &self.list[*value].source {
                    Source::Loop(inner) => open.extend([inner.head, inner.next]),
                    Source::Reverse(inner) => open.push(inner.body),
                    _ => {}
                }
            }
        }
        for value in inside {
            self.list[value].depth = depth;
        }
        let control = self.push(source, region);
        self.list[control].depth = depth;
        for batched in results {
            let result = self.push(Source::Result(control), region);
            self.list[result].batched = *batched;
            self.list[control].results.push(result);
        }
        control
    }

    /// Finds which values are read, and for each loop which states its ways back read.
    fn find_read(&mut self) {
        let mut read = vec![false; self.list.len()];
        let mut all = |values: &[usize]| values.iter().for_each(|value| read[*value] = true);
        all(&self.outputs);
        for value in &self.list {
            match &value.source {
                Source::Op(_, args) | Source::Linear(_, args) => all(args),
                Source::Sum(arg) => all(&[*arg]),
                Source::Loop(l) => {
                    all(&l.inits);
                    all(&l.nexts);
                    all(&[l.flag]);
                }
                Source::Reverse(r) => {
                    all(&r.inits);
                    all(&r.nexts);
                }
                _ => {}
            }
        }
        for (value, read) in self.list.iter_mut().zip(&read) {
            value.read = *read;
        }
        for i in 0..self.list.len() {
            let Source::Reverse(reverse) = &self.list[i].source else {
                continue;
            };
            let states = reverse.states.iter().enumerate();
            let states = states.filter(|(_, state)| read[**state]).map(|(at, _)| at);
            let (states, of): (Vec<usize>, usize) = (states.collect(), reverse.of);
            if let Source::Loop(of) = &mut self.list[of].source {
                of.read.extend(states);
                of.read.sort();
                of.read.dedup();
                of.reverses.push(i);
            }
        }
    }

    /// Whether a loop or way back has the same number of iterations for all samples, and a result that is read and one for
    /// the whole batch.
    pub fn has_single_results(&self, control: usize) -> bool {
        let of = match &self.list[control].source {
            Source::Reverse(r) => r.of,
            _ => control,
        };
        let Source::Loop(of) = &self.list[of].source else {
            return false;
        };
        let single = |result: &usize| self.list[*result].read && !self.list[*result].batched;
        !self.list[of.flag].batched && self.list[control].results.iter().any(single)
    }

    /// The operation and arguments of a value that has to be computed sample by sample.
    pub fn batched_op(&self, value: usize) -> Option<(Op, &[usize])> {
        match &self.list[value].source {
            Source::Op(op, args) if self.list[value].batched => Some((*op, args)),
            _ => None,
        }
    }
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
        let from = inits.clone();
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
        let source = Source::Reverse(Reverse {
            of: *of,
            inits: inits.to_vec(),
            states,
            carries,
            nexts: self.all(&region.results),
            body: back,
            mask: self.masks.get(&back).copied(),
        });
        let home = self.homes[node];
        let from = args.iter().copied();
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
