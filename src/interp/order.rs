//! The order in which the bindings of a scope can be made one after the other (Waddell, Sarkar, Dybvig, "Fixing letrec",
//! 2005): values in the order of the source, each procedure as soon as a value needs it, procedures that call each other
//! together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::syntax::ast::{Expr, ExprKind, Var};

/// Bindings that are made at once.
pub enum Group<'a> {
    /// A value; or a procedure that does not call itself.
    Value(Var, &'a Expr),
    /// Procedures that see each other.
    Procedures(Vec<(Var, &'a Expr)>),
}

/// The bindings of a `letrec*` in an order in which each needs only those before it, or in its group.
pub fn groups<'a>(bindings: &'a [(Var, Expr)], names: &[Arc<str>]) -> Result<Vec<Group<'a>>> {
    let procedure = |expr: &Expr| matches!(expr.kind, ExprKind::Lambda(_));
    if !bindings.iter().any(|(_, value)| procedure(value)) {
        // procedures further in may use constants that are bound further down
        let constant = |expr: &Expr| matches!(expr.kind, ExprKind::Constant(_));
        let (first, rest): (Vec<_>, Vec<_>) = bindings.iter().partition(|(_, e)| constant(e));
        let all = first.into_iter().chain(rest);
        return Ok(all.map(|(var, value)| Group::Value(*var, value)).collect());
    }
    let index: HashMap<Var, usize> = bindings.iter().enumerate().map(|(i, b)| (b.0, i)).collect();
    let mut order = Order {
        bindings,
        names,
        uses: bindings
            .iter()
            .map(|(_, value)| uses(value, &index))
            .collect(),
        made: vec![false; bindings.len()],
        groups: Vec::new(),
    };
    for (i, (_, value)) in bindings.iter().enumerate() {
        if matches!(value.kind, ExprKind::Constant(_)) {
            order.make(i);
        }
    }
    for (i, (_, value)) in bindings.iter().enumerate() {
        if !order.made[i] && !procedure(value) {
            order.prepare(order.uses[i].clone())?;
            order.make(i);
        }
    }
    order.prepare((0..bindings.len()).collect())?;
    Ok(order.groups)
}

/// The bindings that an expression mentions, in order.
fn uses(expr: &Expr, index: &HashMap<Var, usize>) -> Vec<usize> {
    let mut found = HashSet::new();
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        match &expr.kind {
            ExprKind::Var(var) => found.extend(index.get(var).copied()),
            ExprKind::If(parts) => open.extend(parts.iter()),
            ExprKind::Lambda(lambda) => open.push(&lambda.body),
            ExprKind::Let(bindings, body)
            | ExprKind::Letrec(bindings, body)
            | ExprKind::Loop(bindings, body) => {
                open.extend(bindings.iter().map(|(_, value)| value));
                open.push(body);
            }
            ExprKind::Apply(head, arguments) => {
                open.push(head);
                open.extend(arguments);
            }
            ExprKind::Recur(arguments) => open.extend(arguments),
            ExprKind::SoftChoice(options, weights) => {
                open.extend(options);
                open.push(weights);
            }
            ExprKind::Constant(_)
            | ExprKind::Declared(_)
            | ExprKind::Free(_)
            | ExprKind::Import(_) => {}
        }
    }
    let mut found: Vec<usize> = found.into_iter().collect();
    found.sort_unstable();
    found
}

struct Order<'a, 'n> {
    bindings: &'a [(Var, Expr)],
    names: &'n [Arc<str>],
    uses: Vec<Vec<usize>>,
    made: Vec<bool>,
    groups: Vec<Group<'a>>,
}

impl Order<'_, '_> {
    fn make(&mut self, index: usize) {
        let (var, value) = &self.bindings[index];
        self.made[index] = true;
        self.groups.push(Group::Value(*var, value));
    }

    /// Makes the procedures that `roots` need, and those that they need: strongly connected components (Tarjan 1972), those
    /// that are needed first.
    fn prepare(&mut self, roots: Vec<usize>) -> Result<()> {
        const NONE: usize = usize::MAX;
        let count = self.bindings.len();
        let (mut number, mut low) = (vec![NONE; count], vec![0; count]);
        let mut placed = self.made.clone();
        let (mut stack, mut next) = (Vec::new(), 0);
        for root in roots {
            if self.made[root] || number[root] != NONE {
                continue;
            }
            let mut open = vec![(root, 0)];
            while let Some((at, edge)) = open.pop() {
                if edge == 0 {
                    if !matches!(self.bindings[at].1.kind, ExprKind::Lambda(_)) {
                        return Err(self.too_early(at));
                    }
                    (number[at], low[at]) = (next, next);
                    next += 1;
                    stack.push(at);
                }
                if let Some(to) = self.uses[at].get(edge).copied() {
                    open.push((at, edge + 1));
                    if placed[to] {
                        continue;
                    }
                    match number[to] {
                        NONE => open.push((to, 0)),
                        seen => low[at] = low[at].min(seen),
                    }
                    continue;
                }
                if low[at] == number[at] {
                    let first = stack.iter().rposition(|member| *member == at).unwrap_or(0);
                    let mut members = stack.split_off(first);
                    members.sort_unstable();
                    for member in &members {
                        placed[*member] = true;
                        self.made[*member] = true;
                    }
                    self.add(members);
                }
                if let Some((around, _)) = open.last() {
                    low[*around] = low[*around].min(low[at]);
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, members: Vec<usize>) {
        match members[..] {
            [one] if !self.uses[one].contains(&one) => {
                let (var, value) = &self.bindings[one];
                self.groups.push(Group::Value(*var, value));
            }
            _ => {
                let procedures = members
                    .iter()
                    .map(|i| (self.bindings[*i].0, &self.bindings[*i].1));
                self.groups.push(Group::Procedures(procedures.collect()));
            }
        }
    }

    fn too_early(&self, index: usize) -> Error {
        let (var, value) = &self.bindings[index];
        let name = &self.names[var.0 as usize];
        let message = format!("\"{name}\" is used before it is defined");
        Error::new(ErrorKind::Compile, message).at(value.span)
    }
}
