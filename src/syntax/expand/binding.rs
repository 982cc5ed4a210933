//! `let`, `let*`, `letrec`, named `let`, `do` and `loop`.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Expander, fail, usage};
use crate::error::Result;
use crate::syntax::ast::{Constant, Expr, ExprKind, Lambda, Var};
use crate::syntax::datum::Datum;

impl Expander {
    pub(super) fn let_(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        match items {
            [_, name, bindings, body @ ..] if name.symbol().is_some() && !body.is_empty() => {
                self.named_let(name, bindings, body, whole)
            }
            [_, bindings, body @ ..] if !body.is_empty() => {
                let (names, values) = self.bindings(bindings)?;
                let values = self.exprs(&values)?;
                self.with_names(&names, |this, vars| {
                    let body = Box::new(this.body(body, whole)?);
                    let bindings = vars.iter().copied().zip(values).collect();
                    Ok(Expr::new(ExprKind::Let(bindings, body), whole.span))
                })
            }
            _ => Err(usage(whole, "(let ((name value) …) body …)")),
        }
    }

    pub(super) fn let_star(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        match items {
            [_, bindings, body @ ..] if !body.is_empty() => {
                let list = bindings
                    .list()
                    .ok_or_else(|| usage(whole, "(let* ((name value) …) body …)"))?;
                self.let_star_from(list, body, whole)
            }
            _ => Err(usage(whole, "(let* ((name value) …) body …)")),
        }
    }

    /// One `let` a binding, with an explicit list of what is open: the bindings of a `let*` do not nest the machine stack.
    fn let_star_from(&mut self, list: &[Datum], body: &[Datum], whole: &Datum) -> Result<Expr> {
        let mut opened: Vec<(Arc<str>, Var, Expr)> = Vec::with_capacity(list.len());
        let mut outcome = Ok(());
        for binding in list {
            match self.binding(binding) {
                Ok((name, value)) => match self.expr(&value) {
                    Ok(value) => {
                        let var = self.fresh(&name);
                        self.scope
                            .entry(name.clone())
                            .or_default()
                            .push(super::Bound::Var(var));
                        opened.push((name, var, value));
                    }
                    Err(error) => outcome = Err(error),
                },
                Err(error) => outcome = Err(error),
            }
            if outcome.is_err() {
                break;
            }
        }
        let result = outcome.and_then(|()| self.body(body, whole));
        for (name, _, _) in &opened {
            if let Some(stack) = self.scope.get_mut(name) {
                stack.pop();
            }
        }
        let body = result?;
        let bindings: Vec<(Var, Expr)> = opened
            .into_iter()
            .map(|(_, var, value)| (var, value))
            .collect();
        // variables are unique, so bindings in sequence need no nesting
        Ok(match bindings.is_empty() {
            true => body,
            false => Expr::new(ExprKind::Letrec(bindings, Box::new(body)), whole.span),
        })
    }

    pub(super) fn letrec(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        let [_, bindings, body @ ..] = items else {
            return Err(usage(whole, "(letrec ((name value) …) body …)"));
        };
        if body.is_empty() || bindings.list().is_none() {
            return Err(usage(whole, "(letrec ((name value) …) body …)"));
        }
        let (names, values) = self.bindings(bindings)?;
        self.with_names(&names, |this, vars| {
            let values = this.exprs(&values)?;
            let body = Box::new(this.body(body, whole)?);
            let bindings = vars.iter().copied().zip(values).collect();
            Ok(Expr::new(ExprKind::Letrec(bindings, body), whole.span))
        })
    }

    fn named_let(
        &mut self,
        name: &Datum,
        bindings: &Datum,
        body: &[Datum],
        whole: &Datum,
    ) -> Result<Expr> {
        let procedure = self.binding_name(name, &[])?;
        let (names, values) = self.bindings(bindings)?;
        let values = self.exprs(&values)?;
        self.with_names(&[procedure], |this, own| {
            let lambda = this.with_names(&names, |this, vars| {
                let body = this.body(body, whole)?;
                Ok(Lambda {
                    params: vars.to_vec(),
                    rest: None,
                    body,
                })
            })?;
            Ok(call_itself(own[0], lambda, values, whole))
        })
    }

    /// `(do ((var init step) …) (test value …) command …)`.
    pub(super) fn do_(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        let form_usage = "(do ((var init step) …) (test value …) command …)";
        let [_, specs, exit, commands @ ..] = items else {
            return Err(usage(whole, form_usage));
        };
        let (Some(specs), Some([test, values @ ..])) = (specs.list(), exit.list()) else {
            return Err(usage(whole, form_usage));
        };
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut inits = Vec::new();
        for spec in specs {
            match spec.list() {
                Some([name, init]) | Some([name, init, _]) => {
                    names.push(self.binding_name(name, &names)?);
                    inits.push(self.expr(init)?);
                }
                _ => {
                    return Err(fail(
                        spec.span,
                        "a binding of do is written (name init step)",
                    ));
                }
            }
        }
        let own = self.fresh("do");
        let lambda = self.with_names(&names, |this, vars| {
            let test = this.expr(test)?;
            let value = match values {
                [] => Expr::constant(Constant::Bool(false), exit.span),
                values => this.body(values, exit)?,
            };
            let mut effects = Vec::new();
            for command in commands {
                effects.push((this.fresh("_"), this.expr(command)?));
            }
            let mut next = Vec::new();
            for (spec, var) in specs.iter().zip(vars) {
                next.push(match spec.list() {
                    Some([_, _, step]) => this.expr(step)?,
                    _ => Expr::var(*var, spec.span),
                });
            }
            let head = Box::new(Expr::var(own, whole.span));
            let mut again = Expr::new(ExprKind::Apply(head, next), whole.span);
            if !effects.is_empty() {
                again = Expr::new(ExprKind::Letrec(effects, Box::new(again)), whole.span);
            }
            Ok(Lambda {
                params: vars.to_vec(),
                rest: None,
                body: Expr::if_(test, value, again, whole.span),
            })
        })?;
        Ok(call_itself(own, lambda, inits, whole))
    }

    pub(super) fn loop_(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        let [_, bindings, body @ ..] = items else {
            return Err(usage(whole, "(loop ((name init) …) body)"));
        };
        if body.is_empty() {
            return Err(usage(whole, "(loop ((name init) …) body)"));
        }
        let (names, inits) = self.bindings(bindings)?;
        let inits = self.exprs(&inits)?;
        self.with_names(&names, |this, vars| {
            let body = Box::new(this.body(body, whole)?);
            let bindings = vars.iter().copied().zip(inits).collect();
            Ok(Expr::new(ExprKind::Loop(bindings, body), whole.span))
        })
    }

    /// The names and right sides of `((name value) …)`; no name twice.
    fn bindings(&self, datum: &Datum) -> Result<(Vec<Arc<str>>, Vec<Datum>)> {
        let list = datum.list().ok_or_else(|| {
            fail(
                datum.span,
                "let, letrec and loop need a list of bindings ((name value) …) here",
            )
        })?;
        let (mut names, mut values) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for binding in list {
            let (name, value) = self.binding(binding)?;
            if !seen.insert(name.clone()) {
                let span = binding.list().map_or(binding.span, |items| items[0].span);
                return Err(fail(span, format!("\"{name}\" is bound twice here")));
            }
            names.push(name);
            values.push(value);
        }
        Ok((names, values))
    }

    fn binding(&self, binding: &Datum) -> Result<(Arc<str>, Datum)> {
        match binding.list() {
            Some([name, value]) => Ok((self.binding_name(name, &[])?, value.clone())),
            _ => Err(fail(
                binding.span,
                "a binding of let, let*, letrec or loop is written (name value)",
            )),
        }
    }
}

/// `(letrec ((own lambda)) (own inits …))`.
fn call_itself(own: Var, lambda: Lambda, inits: Vec<Expr>, whole: &Datum) -> Expr {
    let lambda = Expr::new(ExprKind::Lambda(Box::new(lambda)), whole.span);
    let head = Box::new(Expr::var(own, whole.span));
    let call = Expr::new(ExprKind::Apply(head, inits), whole.span);
    Expr::new(
        ExprKind::Letrec(vec![(own, lambda)], Box::new(call)),
        whole.span,
    )
}
