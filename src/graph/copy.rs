//! Copies the live part of a numeric graph into a builder, which shares and folds on the way. Passes that rewrite graphs
//! are written around it.

use std::borrow::Cow;
use std::collections::HashMap;

use super::live::Live;
use super::schedule::schedule;
use super::{Builder, Elem, Graph, Node, NodeId, NodeKind, Output, RegionId, Type};
use crate::error::Span;
use crate::ops::{Emit, OnnxForm, Op, linear_values};
use crate::syntax::ast::Constant;

/// What becomes of an `if` whose test is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arms {
    /// It stays an `if`.
    Keep,
    /// Both arms are computed and their results selected.
    Select,
    /// It stays where its test is one for the whole batch, and regions do not nest too deep; else as [`Arms::Select`].
    Uniform,
}

/// So many regions nest at most where [`Arms::Uniform`] has a choice: ONNX Runtime reads 31 graphs within each other.
const MAX_NESTED: usize = 30;

/// A copy in progress from one graph to a builder.
pub struct Copier<'a> {
    source: &'a Graph,
    arms: Arms,
    live: Live,
    /// The live nodes of each region, once each stands where all its uses are.
    schedule: Vec<Vec<NodeId>>,
    map: Vec<Option<NodeId>>,
    /// The used values of each node of several values.
    values: HashMap<NodeId, Vec<NodeId>>,
    /// For each loop that was copied, which of its used states never change.
    states: HashMap<NodeId, Vec<bool>>,
    /// Where arms are selected: for which samples the nodes at hand count.
    guard: Option<NodeId>,
    /// For [`Arms::Uniform`]: which nodes of the source differ from sample to sample, and how deep loops nest in each region.
    batched: Vec<bool>,
    nested: Vec<usize>,
    /// Whether something was copied that nothing uses, or has led to the order of the rest: another pass is needed.
    dropped: bool,
    /// Linear algebra on matrices of this side or less becomes scalar operations.
    written: usize,
    /// The place that all copies come from, if it is not that of what they are copies of.
    span: Option<Span>,
}

impl<'a> Copier<'a> {
    /// A copy of what `results`, seen from `region`, need. The caller maps what stands outside and the ports, with
    /// [`Copier::set`].
    pub fn new(source: &'a Graph, region: RegionId, results: &[NodeId], arms: Arms) -> Copier<'a> {
        Copier::of(source, region, None, results, arms)
    }

    /// A copy of one iteration of the loop `id`, its head and what `self` needs of its `next`. The caller maps what stands
    /// outside and the states.
    pub fn iteration(&self, id: NodeId, head: RegionId, next: RegionId) -> Copier<'a> {
        let source = self.source;
        let mut results = self.live.keep(id, &source.region(next).results);
        results.extend(&source.region(head).results);
        Copier::of(source, head, Some(next), &results, Arms::Keep)
    }

    /// Whether value `index` of a node of several values is needed.
    pub fn uses(&self, id: NodeId, index: usize) -> bool {
        self.live.used(id).get(index).copied().unwrap_or(false)
    }

    fn of(
        source: &'a Graph,
        region: RegionId,
        inner: Option<RegionId>,
        results: &[NodeId],
        arms: Arms,
    ) -> Copier<'a> {
        let live = Live::of(source, results);
        Copier {
            source,
            arms,
            schedule: schedule(source, region, inner, results, &live),
            live,
            map: vec![None; source.nodes.len()],
            values: HashMap::new(),
            states: HashMap::new(),
            guard: None,
            batched: match arms {
                Arms::Uniform => source.batched(),
                _ => vec![],
            },
            nested: match arms {
                Arms::Uniform => nested_loops(source),
                _ => vec![],
            },
            dropped: false,
            written: 0,
            span: None,
        }
    }

    /// The same copy, all of whose nodes come from `span`.
    pub fn placed_at(mut self, span: Span) -> Copier<'a> {
        self.span = Some(span);
        self
    }

    /// Where the copy of a node comes from.
    fn place(&self, id: NodeId) -> Span {
        self.span.unwrap_or(self.source.node(id).span)
    }

    /// Says what a node of the source is in the copy.
    pub fn set(&mut self, node: NodeId, copy: NodeId) {
        self.map[node.index()] = Some(copy);
    }

    /// Takes over from `outer`, a copy of the same source, what these nodes are.
    pub fn inherit(&mut self, outer: &Copier, nodes: &[NodeId]) {
        for node in nodes {
            self.map[node.index()] = outer.find(*node);
            if let Some(constant) = outer.states.get(node) {
                self.states.insert(*node, constant.clone());
            }
            if let Some(values) = outer.values.get(node) {
                self.values.insert(*node, values.clone());
                self.live.inherit(&outer.live, *node);
            }
        }
    }

    /// What a node of the source is in the copy, if it has been copied.
    pub fn find(&self, node: NodeId) -> Option<NodeId> {
        self.map[node.index()]
    }

    /// What a node of the source, which verification puts before its users, is in the copy.
    pub fn get(&self, node: NodeId) -> NodeId {
        self.map[node.index()].expect("arguments stand before their users")
    }

    /// Whether the results need this node.
    pub fn is_live(&self, node: NodeId) -> bool {
        self.live.nodes[node.index()]
    }

    /// Copies the live nodes of a region into the innermost open region.
    pub fn nodes(&mut self, builder: &mut Builder, region: RegionId) {
        for id in std::mem::take(&mut self.schedule[region.0 as usize]) {
            if self.map[id.index()].is_none() {
                self.node(builder, id);
            }
        }
    }

    fn node(&mut self, builder: &mut Builder, id: NodeId) {
        let node = self.source.node(id);
        builder.span = self.place(id);
        match node.kind {
            NodeKind::If(then, otherwise) => {
                let test = self.get(node.args[0]);
                let values = self.branch(builder, id, test, then, otherwise);
                self.values.insert(id, values);
                return;
            }
            NodeKind::Loop(head, next) => return self.repeat(builder, id, head, next),
            NodeKind::Reverse(back) => return self.reverse(builder, id, back),
            NodeKind::Get(index) => {
                let used = &self.live.used(node.args[0])[..index as usize];
                let position = used.iter().filter(|used| **used).count();
                self.map[id.index()] = Some(self.values[&node.args[0]][position]);
                return;
            }
            _ => {}
        }
        let args: Vec<NodeId> = node.args.iter().map(|arg| self.get(*arg)).collect();
        if let NodeKind::Linear(linear) = node.kind {
            let used = self.live.used(id).iter().enumerate();
            let places = used.filter(|(_, used)| **used).map(|(place, _)| place);
            let values = if linear.side() <= self.written {
                let all = linear_values(builder, linear, &args);
                places.map(|place| all[place]).collect()
            } else {
                builder.linear_values(linear, &args, places)
            };
            self.values.insert(id, values);
            return;
        }
        let copy = match &node.kind {
            NodeKind::Constant(value) => builder.constant(value.clone()),
            NodeKind::Op(op) => match (is_written(node, self.written), op.row().onnx) {
                (true, OnnxForm::Decomposed(form)) => form(builder, &args),
                _ => builder.op(*op, &args),
            },
            // ports are mapped by the caller; general graphs are specialised before they are copied
            kind => builder.push(kind.clone(), args, node.ty),
        };
        self.map[id.index()] = Some(copy);
    }

    /// The results of a region that are used.
    fn results(&self, id: NodeId, region: RegionId) -> Vec<NodeId> {
        let results = self.live.keep(id, &self.source.region(region).results);
        results.into_iter().map(|node| self.get(node)).collect()
    }

    fn arm(&mut self, builder: &mut Builder, id: NodeId, arm: RegionId) -> Vec<NodeId> {
        self.nodes(builder, arm);
        self.results(id, arm)
    }

    /// The same where both arms are computed; `test` says for which samples this one counts.
    fn selected(
        &mut self,
        builder: &mut Builder,
        id: NodeId,
        arm: RegionId,
        test: NodeId,
    ) -> Vec<NodeId> {
        let around = self.guard;
        self.guard = Some(match around {
            Some(guard) => builder.op(Op::And, &[guard, test]),
            None => test,
        });
        let values = self.arm(builder, id, arm);
        self.guard = around;
        values
    }

    fn branch(
        &mut self,
        builder: &mut Builder,
        id: NodeId,
        test: NodeId,
        then: RegionId,
        otherwise: RegionId,
    ) -> Vec<NodeId> {
        if let Some(value) = builder.known(test) {
            return self.arm(builder, id, if value != 0.0 { then } else { otherwise });
        }
        // (if (not test) a b) is (if test b a)
        let opposite = builder.graph().node(test);
        if opposite.kind == NodeKind::Op(Op::Not) {
            let test = opposite.args[0];
            self.dropped = true;
            return self.branch(builder, id, test, otherwise, then);
        }
        if self.selects(builder, id, then, otherwise) {
            let a = self.selected(builder, id, then, test);
            let not = builder.op(Op::Not, &[test]);
            let b = self.selected(builder, id, otherwise, not);
            let pairs = a.into_iter().zip(b);
            return pairs
                .map(|(a, b)| builder.op(Op::Select, &[test, a, b]))
                .collect();
        }
        builder.open_region(&[]);
        let results = self.arm(builder, id, then);
        let then = builder.close_region(results);
        builder.open_region(&[]);
        let results = self.arm(builder, id, otherwise);
        let otherwise = builder.close_region(results);
        if let Some(values) = self.boolean(builder, test, then, otherwise) {
            self.dropped = true;
            return values;
        }
        builder.span = self.place(id);
        builder.branch(test, then, otherwise)
    }

    /// Whether both arms of the `if` at `id` are computed.
    fn selects(&self, builder: &Builder, id: NodeId, then: RegionId, otherwise: RegionId) -> bool {
        match self.arms {
            Arms::Keep => false,
            Arms::Select => true,
            Arms::Uniform => {
                let nested = [then, otherwise].map(|arm| self.nested[arm.0 as usize]);
                let depth = builder.depth() + nested[0].max(nested[1]);
                depth >= MAX_NESTED || self.batched[self.source.node(id).args[0].index()]
            }
        }
    }

    /// `(if test #t #f)` is the test, `(if test #f #t)` its opposite.
    fn boolean(
        &self,
        builder: &mut Builder,
        test: NodeId,
        then: RegionId,
        otherwise: RegionId,
    ) -> Option<Vec<NodeId>> {
        let graph = builder.graph();
        let is = |region: RegionId, value: bool| match graph.region(region).results[..] {
            [node] => graph.node(node).kind == NodeKind::Constant(Constant::Bool(value)),
            _ => false,
        };
        let (same, opposite) = (
            is(then, true) && is(otherwise, false),
            is(then, false) && is(otherwise, true),
        );
        let bool = graph.node(test).ty == Type::Scalar(Elem::Bool);
        match (same, opposite) {
            (true, _) if bool => Some(vec![test]),
            (_, true) => Some(vec![builder.op(Op::Not, &[test])]),
            _ => None,
        }
    }

    fn repeat(&mut self, builder: &mut Builder, id: NodeId, head: RegionId, next: RegionId) {
        let source = self.source;
        let inits = self.live.keep(id, &source.node(id).args);
        let inits: Vec<NodeId> = inits.into_iter().map(|init| self.get(init)).collect();
        let params = self.live.keep(id, &source.region(head).params);
        let nexts = self.live.keep(id, &source.region(next).results);
        // a state that never changes is its first value; one state stays, because the loop may not end
        let mut constant: Vec<bool> = params.iter().zip(&nexts).map(|(p, n)| p == n).collect();
        if constant.iter().all(|constant| *constant) {
            constant.iter_mut().take(1).for_each(|first| *first = false);
        }
        self.dropped |= constant.contains(&true);
        let types = changing(&params, &constant);
        let types: Vec<Type> = types.iter().map(|param| source.node(*param).ty).collect();
        let mut copies = builder.open_loop(&types).into_iter();
        for ((param, init), constant) in params.iter().zip(&inits).zip(&constant) {
            let copy = if *constant {
                Some(*init)
            } else {
                copies.next()
            };
            self.map[param.index()] = copy;
        }
        self.nodes(builder, head);
        let test = source.region(head).results[0];
        let mut flag = self.get(test);
        if let Some(guard) = self
            .guard
            .filter(|guard| !asks(builder.graph(), flag, *guard))
        {
            flag = builder.op(Op::And, &[guard, flag]);
        }
        builder.open_next();
        let around = self.guard;
        let counts = match self.arms {
            Arms::Keep => false,
            Arms::Select => true,
            Arms::Uniform => around.is_some() || self.batched[test.index()],
        };
        if counts {
            self.guard = Some(flag);
        }
        self.nodes(builder, next);
        self.guard = around;
        let changing = |items: &[NodeId]| changing(items, &constant);
        let results: Vec<NodeId> = nexts.iter().map(|node| self.get(*node)).collect();
        // what turns out never to change is dropped by another pass
        let mut pairs = params.iter().zip(&nexts).zip(&results);
        self.dropped |=
            pairs.any(|((param, next), copy)| param != next && self.find(*param) == Some(*copy));
        let next = builder.close_region(changing(&results));
        let head = builder.close_region(vec![flag]);
        if builder.known(flag) == Some(0.0) {
            self.dropped = true;
            self.values.insert(id, inits);
            return;
        }
        builder.span = self.place(id);
        let values = builder.repeat(changing(&inits), head, next);
        self.map[id.index()] = values.first().map(|get| builder.graph().node(*get).args[0]);
        self.values.insert(id, merged(inits, values, &constant));
        self.states.insert(id, constant);
    }

    fn reverse(&mut self, builder: &mut Builder, id: NodeId, back: RegionId) {
        let source = self.source;
        let node = source.node(id);
        let of = node.args[0];
        let inits = self.live.keep(id, &node.args[1..]);
        let inits: Vec<NodeId> = inits.into_iter().map(|init| self.get(init)).collect();
        let params = &source.region(back).params;
        let (states, carries) = params.split_at(source.node(of).args.len());
        let carries = self.live.keep(id, carries);
        let nexts = self.live.keep(id, &source.region(back).results);
        // a carry that never changes is its first value
        let constant: Vec<bool> = carries.iter().zip(&nexts).map(|(c, n)| c == n).collect();
        let changing = |items: &[NodeId]| changing(items, &constant);
        self.dropped |= constant.contains(&true);
        let types = changing(&carries);
        let types: Vec<Type> = types.iter().map(|carry| source.node(*carry).ty).collect();
        let opened = match types.is_empty() {
            true => None,
            false => self.open_back(builder, of, &types),
        };
        let Some(opened) = opened else {
            // nothing changes, or the loop has no iteration
            self.dropped = true;
            self.values.insert(id, inits);
            return;
        };
        for (state, copy) in states.iter().zip(&opened.states) {
            self.map[state.index()] = *copy;
        }
        let mut copies = opened.carries.iter();
        for ((carry, init), constant) in carries.iter().zip(&inits).zip(&constant) {
            self.map[carry.index()] = match constant {
                true => Some(*init),
                false => copies.next().copied(),
            };
        }
        self.nodes(builder, back);
        let results = changing(&nexts);
        let results: Vec<NodeId> = results.iter().map(|node| self.get(*node)).collect();
        self.dropped |= results.iter().zip(&opened.carries).any(|(a, b)| a == b);
        let back = builder.close_region(results);
        builder.span = self.place(id);
        let values = builder.reverse(opened.of, changing(&inits), back);
        self.values.insert(id, merged(inits, values, &constant));
    }

    /// Opens the way back over the copy of the loop `of`, with carries of these types; `None` if it has no iteration.
    pub fn open_back(&self, builder: &mut Builder, of: NodeId, carries: &[Type]) -> Option<Back> {
        let (copy, constant) = (self.find(of)?, self.states.get(&of)?);
        let NodeKind::Loop(head, _) = builder.graph().node(copy).kind else {
            return None;
        };
        let graph = builder.graph();
        let states = graph.region(head).params.iter();
        let mut types: Vec<Type> = states.map(|state| graph.node(*state).ty).collect();
        types.extend(carries);
        let mut params = builder.open_loop(&types).into_iter();
        let mut values = self.values.get(&of)?.iter().zip(constant);
        let states = self.live.used(of).iter().map(|used| match used {
            false => None,
            true => match values.next()? {
                (value, true) => Some(*value),
                (_, false) => params.next(),
            },
        });
        Some(Back {
            of: copy,
            states: states.collect(),
            carries: params.collect(),
        })
    }
}

/// The way back over a loop that has been copied, while it is open.
pub struct Back {
    /// The loop.
    pub of: NodeId,
    /// What each state of the source is before an iteration; `None` where nothing uses it.
    pub states: Vec<Option<NodeId>>,
    /// The carries.
    pub carries: Vec<NodeId>,
}

/// The items that are not constant.
fn changing(items: &[NodeId], constant: &[bool]) -> Vec<NodeId> {
    let pairs = items.iter().zip(constant);
    pairs
        .filter(|(_, constant)| !**constant)
        .map(|(item, _)| *item)
        .collect()
}

/// The first value where it is constant, else the next of the values.
fn merged(inits: Vec<NodeId>, values: Vec<NodeId>, constant: &[bool]) -> Vec<NodeId> {
    let mut values = values.into_iter();
    let pairs = inits.into_iter().zip(constant);
    let all = pairs.map(|(init, constant)| match constant {
        true => init,
        false => values.next().unwrap_or(init),
    });
    all.collect()
}

/// Whether a node computes on many numbers, on matrices of this side or less.
fn is_written(node: &Node, side: usize) -> bool {
    match node.kind {
        NodeKind::Op(Op::Pick) => side > 0,
        NodeKind::Op(Op::DetOf | Op::LogDetOf) => node.args.len() <= side * side,
        NodeKind::Linear(linear) => linear.side() <= side,
        _ => false,
    }
}

/// The same graph with linear algebra on matrices of this side or less, and every pick, in terms of scalar operations.
pub fn write_out(graph: &Graph, side: usize) -> Cow<'_, Graph> {
    match graph.nodes.iter().any(|node| is_written(node, side)) {
        true => Cow::Owned(copy(graph, Arms::Keep, false, side)),
        false => Cow::Borrowed(graph),
    }
}

/// Whether `flag` is `guard` or a conjunction with it.
fn asks(graph: &Graph, flag: NodeId, guard: NodeId) -> bool {
    let node = graph.node(flag);
    let both = node.kind == NodeKind::Op(Op::And);
    flag == guard || (both && node.args.iter().any(|arg| asks(graph, *arg, guard)))
}

/// For each region, how many regions of loops nest in it.
fn nested_loops(graph: &Graph) -> Vec<usize> {
    let mut home = vec![0; graph.nodes.len()];
    for (i, region) in graph.regions.iter().enumerate() {
        region.nodes.iter().for_each(|node| home[node.index()] = i);
    }
    let mut nested = vec![0; graph.regions.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        let own = match node.kind {
            NodeKind::Loop(..) => 2,
            NodeKind::Reverse(_) => 1,
            _ => 0,
        };
        let regions = graph.regions_of(NodeId(i as u32));
        if let Some(inside) = regions.map(|region| nested[region.0 as usize]).max() {
            let around = &mut nested[home[i]];
            *around = (*around).max(inside + own);
        }
    }
    nested
}

/// A copy of a numeric graph without what its outputs do not need; `hoisting` as [`Builder::hoisting`] says, `written` as
/// [`write_out`].
pub(super) fn copy(graph: &Graph, arms: Arms, hoisting: bool, written: usize) -> Graph {
    let mut builder = match hoisting {
        false => Builder::new(graph.ports.clone()),
        true => Builder::hoisting(graph.ports.clone()),
    };
    let results: Vec<NodeId> = graph.outputs.iter().map(|output| output.node).collect();
    let mut copier = Copier::new(graph, RegionId(0), &results, arms);
    copier.written = written;
    for (i, node) in graph.nodes.iter().enumerate() {
        if let NodeKind::Port(port) = node.kind {
            let copy = builder.port(port as usize);
            copier.set(NodeId(i as u32), copy);
        }
    }
    copier.nodes(&mut builder, RegionId(0));
    let outputs = graph.outputs.iter().map(|output| Output {
        name: output.name.clone(),
        node: copier.get(output.node),
    });
    let outputs = outputs.collect();
    let dropped = copier.dropped;
    let copied = builder.finish(outputs, graph.value.clone());
    match dropped {
        true => copy(&copied, arms, hoisting, written),
        false => copied,
    }
}

/// The same graph without `if`: both arms are computed, and their results selected, never blended. A loop in an arm has no
/// iteration for samples that do not take it. What does not change in a loop is computed before it.
pub fn flatten(graph: &Graph) -> Graph {
    copy(graph, Arms::Select, true, 0)
}

/// The same, but an `if` stays where its test is one for the whole batch.
pub fn flatten_batched(graph: &Graph) -> Graph {
    copy(graph, Arms::Uniform, true, 0)
}

/// The same graph with what does not change in a loop computed before it.
pub fn hoist(graph: &Graph) -> Graph {
    copy(graph, Arms::Keep, true, 0)
}
