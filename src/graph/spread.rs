//! Which values differ from sample to sample.

use super::{Graph, NodeId, NodeKind, RegionId};
use crate::ops::Op;

impl Graph {
    /// For each node, whether its value differs from sample to sample. A state of a loop does where its first value does,
    /// where its next value does, and where the number of iterations does.
    pub fn batched(&self) -> Vec<bool> {
        self.differing(&|port| !self.ports[port].is_parameter(), false)
    }

    /// For each node, whether its value differs between members of a population that each have values of their own for
    /// these ports. Unlike samples, members are not summed over.
    pub fn populated(&self, ports: &[bool]) -> Vec<bool> {
        self.differing(&|port| ports[port], true)
    }

    /// For each node, whether its value differs where these ports do; `through_sums` says whether sums over the batch do.
    fn differing(&self, port: &dyn Fn(usize) -> bool, through_sums: bool) -> Vec<bool> {
        let mut differing = vec![false; self.nodes.len()];
        // a state that turns out to differ may make others differ: from false upwards until nothing changes
        while self.spread(&mut differing, port, through_sums) {}
        differing
    }

    /// One pass over the nodes; whether it changed anything.
    fn spread(
        &self,
        batched: &mut [bool],
        port: &dyn Fn(usize) -> bool,
        through_sums: bool,
    ) -> bool {
        let mut changed = false;
        let mut set = |batched: &mut [bool], node: NodeId, value: bool| {
            let slot = &mut batched[node.index()];
            // what a loop body says of its parameters shows in the nodes before: they need another pass
            changed |= value && !*slot && matches!(self.node(node).kind, NodeKind::RegionParam);
            *slot |= value;
        };
        for (i, node) in self.nodes.iter().enumerate() {
            let id = NodeId(i as u32);
            let any = |nodes: &[NodeId], batched: &[bool]| nodes.iter().any(|n| batched[n.index()]);
            let results = |region: RegionId| &self.region(region).results[..];
            let value = match node.kind {
                NodeKind::Port(index) => port(index as usize),
                NodeKind::Op(Op::BatchSum) => through_sums && any(&node.args, batched),
                NodeKind::If(then, otherwise) => {
                    any(&node.args, batched)
                        || any(results(then), batched)
                        || any(results(otherwise), batched)
                }
                NodeKind::Loop(head, next) => {
                    let flag = any(results(head), batched);
                    let params = self.region(head).params.iter();
                    let states = params.zip(&node.args).zip(results(next));
                    let mut all = flag;
                    for ((param, init), next) in states {
                        let differs = flag || batched[init.index()] || batched[next.index()];
                        set(batched, *param, differs);
                        all |= differs;
                    }
                    all
                }
                NodeKind::Reverse(back) => {
                    let Some((of, inits)) = node.args.split_first() else {
                        continue;
                    };
                    let NodeKind::Loop(head, _) = self.node(*of).kind else {
                        continue;
                    };
                    let counts = any(results(head), batched);
                    let states = &self.region(head).params;
                    let params = &self.region(back).params;
                    for (param, state) in params.iter().zip(states) {
                        let differs = batched[state.index()];
                        set(batched, *param, differs);
                    }
                    let mut all = counts;
                    let carries = params[states.len().min(params.len())..].iter();
                    for ((param, init), next) in carries.zip(inits).zip(results(back)) {
                        let differs = counts || batched[init.index()] || batched[next.index()];
                        set(batched, *param, differs);
                        all |= differs;
                    }
                    all
                }
                NodeKind::Get(index) => match self.node(node.args[0]).kind {
                    NodeKind::Loop(head, _) => {
                        let params = &self.region(head).params;
                        params
                            .get(index as usize)
                            .is_some_and(|p| batched[p.index()])
                    }
                    NodeKind::Reverse(back) => {
                        let params = &self.region(back).params;
                        let inits = self.node(node.args[0]).args.len() - 1;
                        let first = params.len().saturating_sub(inits);
                        let param = params.get(first + index as usize);
                        param.is_some_and(|p| batched[p.index()])
                    }
                    _ => any(&node.args, batched),
                },
                NodeKind::RegionParam => continue,
                _ => any(&node.args, batched),
            };
            set(batched, id, value);
        }
        changed
    }
}
