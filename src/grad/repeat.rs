//! The way back over a loop.

use super::activity::captures;
use super::sweep::{Adjoints, Seed, Sweep};
use crate::graph::{NodeId, RegionId, Type};
use crate::ops::{Emit, Op};

impl Sweep<'_> {
    /// The adjoint of a loop: its iterations, the last one first. Each is computed again from the states before it. Carried
    /// are the adjoints of the states, and for what the loop uses from outside the sum of the adjoints so far.
    pub fn repeat(
        &mut self,
        id: NodeId,
        head: RegionId,
        next: RegionId,
        seeds: &[Seed],
        adjoints: &mut Adjoints,
    ) {
        let graph = self.graph;
        let inits = &graph.node(id).args;
        let (params, nexts) = (&graph.region(head).params, &graph.region(next).results);
        let carried: Vec<usize> = (0..params.len())
            .filter(|i| self.active[params[*i].index()] && self.copier.uses(id, *i))
            .collect();
        let types: Vec<Type> = carried
            .iter()
            .map(|i| real(graph.node(params[*i]).ty))
            .collect();
        let zero = self.builder.real(0.0);
        let mut first: Vec<NodeId> = carried
            .iter()
            .map(|i| seeds.iter().find(|seed| seed.index == *i))
            .map(|seed| seed.map_or(zero, |seed| seed.node))
            .collect();
        let Some(back) = self.copier.open_back(&mut self.builder, id, &types) else {
            // no iteration: the values are the first states
            for seed in seeds {
                self.add(adjoints, inits[seed.index], seed.node, seed.batched);
            }
            return;
        };
        let mut inside = self.copier.iteration(id, head, next);
        for (param, state) in params.iter().zip(&back.states) {
            if let Some(state) = state {
                inside.set(*param, *state);
            }
        }
        let used = captures(graph, &[head, next]);
        let batched = seeds.iter().any(|seed| seed.batched);
        let carries = carried.iter().zip(&back.carries);
        let carries = carries.map(|(i, carry)| (nexts[*i], *carry, batched));
        let parts = self.inner(inside, &used, &[head, next], carries);
        let mut results: Vec<NodeId> = carried
            .iter()
            .map(|i| self.unsummed(params[*i], &parts))
            .map(|part| part.map_or(zero, |(node, _)| node))
            .collect();
        let mut reached: Vec<NodeId> = carried.iter().map(|i| inits[*i]).collect();
        for node in used {
            if let Some((part, _)) = self.unsummed(node, &parts) {
                let so_far = self.builder.push_param(real(graph.node(node).ty));
                results.push(self.builder.op(Op::Add, &[so_far, part]));
                first.push(zero);
                reached.push(node);
            }
        }
        let region = self.builder.close_region(results);
        let values = self.builder.reverse(back.of, first, region);
        for (node, value) in reached.into_iter().zip(values) {
            self.add(adjoints, node, value, batched);
        }
    }
}

/// The type of the adjoint of a value of this type.
fn real(ty: Type) -> Type {
    match ty {
        Type::Scalar(_) => Type::REAL,
        ty => ty,
    }
}
