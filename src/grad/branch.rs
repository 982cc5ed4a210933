//! The way back over an `if`.

use super::activity::captures;
use super::sweep::{Adjoints, Seed, Sweep};
use crate::graph::{Arms, Copier, NodeId, RegionId};
use crate::ops::Emit;

impl Sweep<'_> {
    /// The adjoint of an `if`: an `if` on the same test. Each arm recomputes what it needs and sweeps back over itself.
    pub fn branch(
        &mut self,
        id: NodeId,
        then: RegionId,
        otherwise: RegionId,
        seeds: &[Seed],
        adjoints: &mut Adjoints,
    ) {
        let of = self.graph.node(id).args[0];
        let test = self.copier.get(of);
        let used = captures(self.graph, &[then, otherwise]);
        let zero = self.builder.real(0.0);
        let arms = [then, otherwise].map(|arm| self.arm(arm, &used, seeds));
        let reaches = |i: &usize| arms.iter().any(|(_, parts)| parts[*i].is_some());
        let reached: Vec<usize> = (0..used.len()).filter(reaches).collect();
        for (arm, parts) in &arms {
            let results = reached.iter();
            let results = results.map(|i| parts[*i].map_or(zero, |(node, _)| node));
            self.builder.set_results(*arm, results.collect());
        }
        let [(then, first), (otherwise, second)] = arms;
        let values = self.builder.branch(test, then, otherwise);
        for (i, value) in reached.into_iter().zip(values) {
            let differs = [first[i], second[i]]
                .iter()
                .flatten()
                .any(|(_, batched)| *batched);
            let batched = differs || self.batched[of.index()];
            self.add(adjoints, used[i], value, batched);
        }
    }

    /// The region that gives the adjoints of what one arm uses, and these adjoints, each with whether it differs from sample
    /// to sample.
    fn arm(
        &mut self,
        arm: RegionId,
        used: &[NodeId],
        seeds: &[Seed],
    ) -> (RegionId, Vec<Option<(NodeId, bool)>>) {
        let graph = self.graph;
        let results = &graph.region(arm).results;
        self.builder.open_region(&[]);
        // what has no seed may hang on what nothing else needs
        let needed: Vec<NodeId> = seeds.iter().map(|seed| results[seed.index]).collect();
        let inside = Copier::new(graph, arm, &needed, Arms::Keep);
        let seeds = seeds
            .iter()
            .map(|seed| (results[seed.index], seed.node, seed.batched));
        let adjoints = self.inner(inside, used, &[arm], seeds);
        let parts = used
            .iter()
            .map(|node| self.unsummed(*node, &adjoints))
            .collect();
        (self.builder.close_region(vec![]), parts)
    }
}
