//! `if`, `cond`, `case`, `and`, `or`, `when`, `unless`.

use super::{Expander, fail, usage};
use crate::error::{Result, Span};
use crate::syntax::ast::{Constant, Expr, ExprKind, Var};
use crate::syntax::datum::Datum;

/// What follows the test of a clause, already expanded.
enum Clause {
    /// `(test body …)`.
    Body(Expr, Expr),
    /// `(test)`: the value of the test.
    Test(Expr, Var),
    /// `(test => procedure)`.
    Arrow(Expr, Var, Expr),
}

fn no_value(span: Span) -> Expr {
    Expr::constant(Constant::Bool(false), span)
}

/// `(let ((var value)) body)`.
fn bind(var: Var, value: Expr, body: Expr, span: Span) -> Expr {
    Expr::new(ExprKind::Let(vec![(var, value)], Box::new(body)), span)
}

impl Expander {
    pub(super) fn if_(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        let (test, then, otherwise) = match items {
            [_, test, then] => (test, then, None),
            [_, test, then, otherwise] => (test, then, Some(otherwise)),
            _ => return Err(usage(whole, "(if test then) or (if test then else)")),
        };
        let (test, then) = (self.expr(test)?, self.expr(then)?);
        let otherwise = match otherwise {
            Some(datum) => self.expr(datum)?,
            None => no_value(whole.span),
        };
        Ok(Expr::if_(test, then, otherwise, whole.span))
    }

    pub(super) fn when(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        let [_, test, body @ ..] = items else {
            return Err(usage(whole, "(when test body …)"));
        };
        if body.is_empty() {
            return Err(usage(whole, "(when test body …)"));
        }
        let (test, body) = (self.expr(test)?, self.body(body, whole)?);
        Ok(Expr::if_(test, body, no_value(whole.span), whole.span))
    }

    pub(super) fn unless(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        let [_, test, body @ ..] = items else {
            return Err(usage(whole, "(unless test body …)"));
        };
        if body.is_empty() {
            return Err(usage(whole, "(unless test body …)"));
        }
        let (test, body) = (self.expr(test)?, self.body(body, whole)?);
        Ok(Expr::if_(test, no_value(whole.span), body, whole.span))
    }

    /// `(and a b …)`: the first false value, else the last one.
    pub(super) fn and(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        let mut parts = self.nested_exprs(&items[1..])?;
        let Some(mut result) = parts.pop() else {
            return Ok(Expr::constant(Constant::Bool(true), whole.span));
        };
        while let Some(part) = parts.pop() {
            let (var, span) = (self.fresh("and"), part.span);
            let value = || Expr::var(var, span);
            let branch = Expr::if_(value(), result, value(), whole.span);
            result = bind(var, part, branch, whole.span);
        }
        Ok(result)
    }

    /// `(or a b …)`: the first true value, else the last one.
    pub(super) fn or(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        let mut parts = self.nested_exprs(&items[1..])?;
        let Some(mut result) = parts.pop() else {
            return Ok(no_value(whole.span));
        };
        while let Some(part) = parts.pop() {
            let (var, span) = (self.fresh("or"), part.span);
            let value = || Expr::var(var, span);
            let branch = Expr::if_(value(), value(), result, whole.span);
            result = bind(var, part, branch, whole.span);
        }
        Ok(result)
    }

    /// Expands expressions of which each will stand inside the one before.
    fn nested_exprs(&mut self, data: &[Datum]) -> Result<Vec<Expr>> {
        let depth = self.depth;
        let mut parts = Vec::new();
        for datum in data {
            parts.push(self.expr(datum)?);
            self.deepen(1, datum)?;
        }
        self.depth = depth;
        Ok(parts)
    }

    pub(super) fn cond(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        let form_usage = "(cond (test body …) … (else body …))";
        let mut clauses = Vec::new();
        let mut otherwise = no_value(whole.span);
        let depth = self.depth;
        for (i, clause) in items[1..].iter().enumerate() {
            let parts = clause.list().filter(|parts| !parts.is_empty());
            let parts = parts
                .ok_or_else(|| fail(clause.span, "a clause of cond is written (test body …)"))?;
            if self.is_else(&parts[0]) {
                if i + 2 != items.len() {
                    return Err(fail(clause.span, "else must be the last clause"));
                }
                if parts.len() < 2 {
                    return Err(fail(clause.span, "an else clause needs a body"));
                }
                otherwise = self.body(&parts[1..], clause)?;
                break;
            }
            clauses.push((self.clause(parts, clause)?, clause.span));
            // the next clause stands inside this one
            self.deepen(1, clause)?;
        }
        self.depth = depth;
        if items.len() < 2 {
            return Err(usage(whole, form_usage));
        }
        let result =
            clauses
                .into_iter()
                .rev()
                .fold(otherwise, |rest, (clause, span)| match clause {
                    Clause::Body(test, body) => Expr::if_(test, body, rest, span),
                    Clause::Test(test, var) => {
                        let value = || Expr::var(var, span);
                        bind(var, test, Expr::if_(value(), value(), rest, span), span)
                    }
                    Clause::Arrow(test, var, procedure) => {
                        let value = || Expr::var(var, span);
                        let call = ExprKind::Apply(Box::new(procedure), vec![value()]);
                        bind(
                            var,
                            test,
                            Expr::if_(value(), Expr::new(call, span), rest, span),
                            span,
                        )
                    }
                });
        Ok(result)
    }

    fn clause(&mut self, parts: &[Datum], clause: &Datum) -> Result<Clause> {
        let test = self.expr(&parts[0])?;
        match &parts[1..] {
            [] => Ok(Clause::Test(test, self.fresh("cond"))),
            [arrow, rest @ ..] if self.is_arrow(arrow) => match rest {
                [procedure] => {
                    let procedure = self.expr(procedure)?;
                    Ok(Clause::Arrow(test, self.fresh("cond"), procedure))
                }
                _ => Err(fail(
                    clause.span,
                    "this clause is written (test => procedure)",
                )),
            },
            body => Ok(Clause::Body(test, self.body(body, clause)?)),
        }
    }

    pub(super) fn case(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        let form_usage = "(case key ((datum …) body …) … (else body …))";
        let [_, key, clauses @ ..] = items else {
            return Err(usage(whole, form_usage));
        };
        if clauses.is_empty() {
            return Err(usage(whole, form_usage));
        }
        let key_expr = self.expr(key)?;
        let var = self.fresh("case");
        let mut arms = Vec::new();
        let mut otherwise = no_value(whole.span);
        let depth = self.depth;
        for (i, clause) in clauses.iter().enumerate() {
            let Some([head, body @ ..]) = clause.list().filter(|parts| parts.len() > 1) else {
                return Err(fail(
                    clause.span,
                    "a clause of case is written ((datum …) body …)",
                ));
            };
            let value = match body {
                [arrow, procedure] if self.is_arrow(arrow) => {
                    let procedure = self.expr(procedure)?;
                    let call = ExprKind::Apply(Box::new(procedure), vec![Expr::var(var, key.span)]);
                    Expr::new(call, clause.span)
                }
                _ => self.body(body, clause)?,
            };
            if self.is_else(head) {
                if i + 1 != clauses.len() {
                    return Err(fail(clause.span, "else must be the last clause"));
                }
                otherwise = value;
                break;
            }
            let data = head.list().ok_or_else(|| {
                fail(
                    head.span,
                    "a clause of case begins with a list of data, or else",
                )
            })?;
            arms.push((data, value, clause.span));
            self.deepen(data.len() + 1, clause)?;
        }
        self.depth = depth;
        let chain = arms
            .into_iter()
            .rev()
            .fold(otherwise, |rest, (data, value, span)| {
                let tests = data.iter().rev().fold(None, |later: Option<Expr>, datum| {
                    let quoted = Expr::constant(Constant::quote(datum), datum.span);
                    let test =
                        Expr::primitive("eqv?", vec![Expr::var(var, key.span), quoted], datum.span);
                    Some(match later {
                        None => test,
                        Some(later) => Expr::if_(
                            test,
                            Expr::constant(Constant::Bool(true), datum.span),
                            later,
                            span,
                        ),
                    })
                });
                Expr::if_(tests.unwrap_or_else(|| no_value(span)), value, rest, span)
            });
        Ok(bind(var, key_expr, chain, whole.span))
    }

    fn is_else(&self, datum: &Datum) -> bool {
        self.is_plain(datum, "else")
    }

    fn is_arrow(&self, datum: &Datum) -> bool {
        self.is_plain(datum, "=>")
    }

    fn is_plain(&self, datum: &Datum, word: &str) -> bool {
        datum
            .symbol()
            .is_some_and(|name| &**name == word && !self.is_bound(name))
    }
}
