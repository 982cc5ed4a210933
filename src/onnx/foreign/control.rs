//! `If` and `Loop`. What is known when the file is read is decided then: the arm is taken, the iterations are written out.
//! What hangs on data becomes an `if` or a loop of the graph.

use std::rc::Rc;

use super::super::proto::GraphProto;
use super::Kind;
use super::evaluator::{Call, Evaluator, wrong_type};
use super::fault::{Outcome, bad, unsupported};
use super::scan::Stack;
use super::tensor::Tensor;
use crate::graph::{Elem, Type};
use crate::ops::{Emit, NodeId, Op};
use crate::syntax::ast::Constant;

type Outputs = Outcome<Vec<Tensor>>;

/// The tensors as the outputs of an operator.
pub(super) fn owned(tensors: Vec<Rc<Tensor>>) -> Vec<Tensor> {
    let tensors = tensors.into_iter();
    tensors.map(Rc::unwrap_or_clone).collect()
}

impl<'a> Evaluator<'a> {
    pub(super) fn branch(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let test = self.single(&*call.input(0)?, Kind::Truth)?;
        let then = call.attributes.graph("then_branch")?;
        let otherwise = call.attributes.graph("else_branch")?;
        if let Some(test) = self.truth(test) {
            let arm = if test { then } else { otherwise };
            return Ok(owned(self.inside(arm, vec![])?));
        }
        let (then, a) = self.arm(then)?;
        let (otherwise, b) = self.arm(otherwise)?;
        if a.len() != b.len() {
            return Err(bad("has arms of unequal numbers of outputs"));
        }
        for (i, (a, b)) in a.iter().zip(&b).enumerate() {
            if a.kind != b.kind {
                return Err(bad(format!("gives output {i} another type in each arm")));
            }
            if a.shape != b.shape || a.samples != b.samples {
                return Err(unsupported(format!(
                    "gives output {i} the shape {} in one arm and {} in the other; which arm is taken hangs on data, so that both \
                     shapes have to be the same",
                    a.shown(),
                    b.shown()
                )));
            }
        }
        if a.iter().all(|tensor| tensor.elements.is_empty()) {
            return Ok(owned(a));
        }
        let values = self.builder.branch(test, then, otherwise);
        let values = &mut values.into_iter();
        Ok(a.iter().map(|like| filled(like, values)).collect())
    }

    /// An arm as a region, and the tensors that it gives.
    fn arm(&mut self, graph: &'a GraphProto) -> Outcome<(crate::graph::RegionId, Vec<Rc<Tensor>>)> {
        self.builder.open_region(&[]);
        let outputs = self.inside(graph, vec![])?;
        let results = elements(&outputs);
        self.charge(results.len())?;
        Ok((self.builder.close_region(results), outputs))
    }

    pub(super) fn repeat(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=usize::MAX)?;
        let body = call.attributes.graph("body")?;
        let limit = call.optional(0);
        let limit = limit.map(|limit| self.single(&limit, Kind::Integer));
        let limit = limit.transpose()?;
        let test = call.optional(1);
        let test = test
            .map(|test| self.single(&test, Kind::Truth))
            .transpose()?;
        let mut states = call.all_from(2)?;
        let stacked = (body.output.len()).checked_sub(1 + states.len());
        let stacked = stacked.ok_or_else(|| bad("has a body that gives too few states"))?;
        let mut stacks: Vec<Stack> = (0..stacked).map(|_| Stack::default()).collect();
        let known = limit.map(|limit| self.int(limit));
        let mut test = match test {
            Some(test) => test,
            None => self.builder.constant(Constant::Bool(true)),
        };
        let mut step = 0i64;
        loop {
            let reason = match (known, self.truth(test)) {
                (_, Some(false)) => break,
                (Some(Some(limit)), _) if step >= limit => break,
                (Some(None), _) => "its trip count",
                (_, None) => "its condition",
                _ => "",
            };
            if !reason.is_empty() {
                if stacked > 0 {
                    return Err(unsupported(format!(
                        "gives outputs with a row for each iteration, and how many there are hangs on data ({reason}); a shape \
                         has to be known when the file is read"
                    )));
                }
                // an exporter's way to say that there is none
                let limit = limit.filter(|limit| self.int(*limit) != Some(i64::MAX));
                states = self.looped(body, limit, step, test, &states)?;
                break;
            }
            let truth = self.builder.constant(Constant::Bool(true));
            let mut given = vec![self.index(step), Rc::new(number(Kind::Truth, truth))];
            given.append(&mut states);
            let count = given.len() - 2;
            let mut outputs = self.inside(body, given)?.into_iter();
            let next = outputs
                .next()
                .ok_or_else(|| bad("has a body that gives nothing"))?;
            test = self.single(&next, Kind::Truth)?;
            states = outputs.by_ref().take(count).collect();
            for (stack, row) in stacks.iter_mut().zip(outputs) {
                stack.push(self, row)?;
            }
            step += 1;
        }
        let mut outputs = owned(states);
        for stack in stacks {
            outputs.push(stack.joined(self, 0, false)?);
        }
        Ok(outputs)
    }

    /// The number of an iteration.
    fn index(&mut self, step: i64) -> Rc<Tensor> {
        let node = self.builder.int(step);
        Rc::new(number(Kind::Integer, node))
    }

    /// A loop of the graph from iteration `step` on: its states are the number of the iteration, whether to go on, and the
    /// elements of the tensors.
    fn looped(
        &mut self,
        body: &'a GraphProto,
        limit: Option<NodeId>,
        step: i64,
        test: NodeId,
        states: &[Rc<Tensor>],
    ) -> Outcome<Vec<Rc<Tensor>>> {
        let mut inits = vec![self.builder.int(step), test];
        let mut types = vec![Type::Scalar(Elem::Int), Type::Scalar(Elem::Bool)];
        for state in states {
            inits.extend(&state.elements);
            let ty = match state.kind {
                Kind::Truth => Type::Scalar(Elem::Bool),
                // a number that was cut to a whole one is still held as a number
                Kind::Number | Kind::Integer => Type::REAL,
            };
            types.extend(std::iter::repeat_n(ty, state.elements.len()));
        }
        self.charge(inits.len())?;
        let params = self.builder.open_loop(&types);
        let mut flag = params[1];
        if let Some(limit) = limit {
            // what fits into no whole number of 64 bits counts no iterations, instead of never ending
            let most = self.real(2f64.powi(63));
            let counts = self.op(Op::Less, &[limit, most])?;
            let below = self.op(Op::Less, &[params[0], limit])?;
            let runs = self.op(Op::And, &[counts, below])?;
            flag = self.op(Op::And, &[runs, flag])?;
        }
        self.builder.open_next();
        let truth = self.builder.constant(Constant::Bool(true));
        let mut given = vec![
            Rc::new(number(Kind::Integer, params[0])),
            Rc::new(number(Kind::Truth, truth)),
        ];
        let own = &mut params[2..].iter().copied();
        given.extend(states.iter().map(|like| Rc::new(filled(like, own))));
        let outputs = self.inside(body, given)?;
        let Some((next, nexts)) = outputs.split_first() else {
            return Err(bad("has a body that gives nothing"));
        };
        let next = self.single(next, Kind::Truth)?;
        for (i, (state, next)) in states.iter().zip(nexts).enumerate() {
            if state.kind != next.kind {
                return Err(wrong_type());
            }
            if state.shape != next.shape || state.samples != next.samples {
                return Err(unsupported(format!(
                    "has a state {i} of shape {}, which its body makes one of shape {}; how often it runs hangs on data, so that \
                     the shapes have to be the same",
                    state.shown(),
                    next.shown()
                )));
            }
        }
        let one = self.builder.int(1);
        let mut results = vec![self.add(params[0], one)?, next];
        results.extend(elements(nexts));
        self.charge(results.len())?;
        let next = self.builder.close_region(results);
        let head = self.builder.close_region(vec![flag]);
        let values = self.builder.repeat(inits, head, next);
        let values = &mut values.into_iter().skip(2);
        let last = states.iter().map(|like| Rc::new(filled(like, values)));
        Ok(last.collect())
    }
}

/// One value as a tensor without dimensions.
fn number(kind: Kind, node: NodeId) -> Tensor {
    Tensor::fixed(kind, vec![], vec![node])
}

fn elements(tensors: &[Rc<Tensor>]) -> Vec<NodeId> {
    let elements = tensors.iter().flat_map(|tensor| &tensor.elements);
    elements.copied().collect()
}

/// The tensor like this one with the next of these elements.
fn filled(like: &Tensor, elements: &mut impl Iterator<Item = NodeId>) -> Tensor {
    Tensor {
        elements: elements.take(like.elements.len()).collect(),
        ..like.clone()
    }
}
