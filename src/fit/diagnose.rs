//! Which operation of a model first gives something that is not finite, for one sample: the program is walked node by node.

use super::report::significant;
use crate::graph::{Graph, NodeId, NodeKind, RegionId};
use crate::ops::{Linear, Op, fold};
use crate::syntax::ast::Constant;

/// Most nodes that are walked before the question is given up.
const MAX_VISITS: usize = 5_000_000;

/// A number, and the operation that it owes it to that it is not finite: an index into the walk's causes.
#[derive(Clone, Copy)]
struct Traced {
    value: f64,
    cause: Option<usize>,
}

/// What made output `output` of a numeric graph infinite or NaN, such as `log of -3e-5`, with the values of its ports given.
///
/// `None` where the output is finite, a port is not, or the graph has nodes that are not walked.
pub fn first_bad_operation(graph: &Graph, ports: &[f64], output: usize) -> Option<String> {
    let mut walk = Walk {
        graph,
        ports,
        values: vec![Vec::new(); graph.nodes.len()],
        causes: Vec::new(),
        visits: 0,
    };
    walk.region(RegionId(0), &[])?;
    let found = walk.get(graph.outputs.get(output)?.node)?;
    walk.causes.get(found.cause?).cloned()
}

struct Walk<'a> {
    graph: &'a Graph,
    ports: &'a [f64],
    /// The values of each node that has been walked.
    values: Vec<Vec<Traced>>,
    /// The operations that made something not finite out of finite arguments.
    causes: Vec<String>,
    visits: usize,
}

impl Walk<'_> {
    fn get(&self, node: NodeId) -> Option<Traced> {
        self.values[node.index()].first().copied()
    }

    fn many(&self, nodes: &[NodeId]) -> Option<Vec<Traced>> {
        nodes.iter().map(|node| self.get(*node)).collect()
    }

    /// Walks a region with these parameters, and gives its results.
    fn region(&mut self, region: RegionId, params: &[Traced]) -> Option<Vec<Traced>> {
        let graph = self.graph;
        let region = graph.region(region);
        for (param, value) in region.params.iter().zip(params) {
            self.values[param.index()] = vec![*value];
        }
        for node in &region.nodes {
            self.visits += 1;
            if self.visits > MAX_VISITS {
                return None;
            }
            self.node(*node)?;
        }
        self.many(&region.results)
    }

    fn node(&mut self, id: NodeId) -> Option<()> {
        let node = self.graph.node(id);
        let plain = |value: f64| vec![Traced { value, cause: None }];
        let found = match &node.kind {
            NodeKind::RegionParam => return Some(()),
            NodeKind::Constant(constant) => plain(constant.as_real()?),
            NodeKind::Port(port) => plain(*self.ports.get(*port as usize)?),
            NodeKind::Op(op) => vec![self.operation(*op, &node.args)?],
            NodeKind::Linear(linear) => self.linear(*linear, &node.args)?,
            NodeKind::Get(i) => {
                let of = &self.values[node.args.first()?.index()];
                vec![*of.get(*i as usize)?]
            }
            NodeKind::If(then, otherwise) => {
                let test = self.get(*node.args.first()?)?.value != 0.0;
                self.region(if test { *then } else { *otherwise }, &[])?
            }
            NodeKind::Loop(head, next) => {
                let mut states = self.many(&node.args)?;
                while self.region(*head, &states)?.first()?.value != 0.0 {
                    states = self.region(*next, &[])?;
                }
                states
            }
            _ => return None,
        };
        self.values[id.index()] = found;
        Some(())
    }

    fn operation(&mut self, op: Op, args: &[NodeId]) -> Option<Traced> {
        let args = self.many(args)?;
        if op == Op::Select {
            let [test, then, otherwise] = args[..] else {
                return None;
            };
            return Some(if test.value != 0.0 { then } else { otherwise });
        }
        let constants: Vec<Constant> = args.iter().map(|a| Constant::Real(a.value)).collect();
        let value = fold(op, &constants)?.as_real()?;
        Some(self.traced(value, &args, op.name()))
    }

    fn linear(&mut self, linear: Linear, args: &[NodeId]) -> Option<Vec<Traced>> {
        let args = self.many(args)?;
        let mut memory: Vec<f64> = args.iter().map(|a| a.value).collect();
        linear.apply(&mut memory, &mut vec![0.0; linear.scratch()]);
        let values = &memory[memory.len() - linear.values()..];
        let name = linear.name();
        Some(
            values
                .iter()
                .map(|v| self.traced(*v, &args, name))
                .collect(),
        )
    }

    /// A value with its cause: that of the first argument that has one, else this operation.
    fn traced(&mut self, value: f64, args: &[Traced], name: &str) -> Traced {
        if value.is_finite() {
            return Traced { value, cause: None };
        }
        let cause = args.iter().find_map(|argument| argument.cause);
        let cause = cause.unwrap_or_else(|| {
            let shown: Vec<String> = args.iter().map(|a| significant(a.value, 6)).collect();
            self.causes.push(match &shown[..] {
                [one] => format!("{name} of {one}"),
                some if some.len() <= 4 => format!("({name} {})", some.join(" ")),
                some => format!("{name} of {} numbers", some.len()),
            });
            self.causes.len() - 1
        });
        Traced {
            value,
            cause: Some(cause),
        }
    }
}
