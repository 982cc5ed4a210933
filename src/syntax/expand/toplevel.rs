//! The top level of a program, and bodies with internal definitions.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Bound, Expander, fail, usage};
use crate::error::{Result, Span};
use crate::syntax::ast::{Expr, ExprKind, Var};
use crate::syntax::datum::{Datum, DatumKind};

/// One form of a body: a definition, or an expression.
enum Item<'a> {
    Define {
        name: Arc<str>,
        value: Value<'a>,
        whole: &'a Datum,
    },
    Expr(&'a Datum),
}

/// Whether a name may be defined again: at the top level, where forms run in order, later forms see the new value.
#[derive(Clone, Copy, PartialEq)]
enum Again {
    Allowed,
    Refused,
}

/// The right side of a definition.
enum Value<'a> {
    Expr(&'a Datum),
    Procedure { params: Datum, body: &'a [Datum] },
}

impl Expander {
    pub(super) fn top_level(&mut self, data: &[Datum]) -> Result<Expr> {
        let mut rest = Vec::new();
        for datum in data {
            match datum
                .list()
                .and_then(|items| items.first()?.symbol())
                .map(|name| &**name)
            {
                Some("parameter") => self.parameter(datum)?,
                Some("input") => self.input(datum)?,
                Some("import") => self.import(datum)?,
                _ => rest.push(datum),
            }
        }
        if rest.is_empty() {
            let end = data.last().map_or(Span::default(), |datum| datum.span);
            return Err(fail(
                end,
                "the program is empty: it has no expression to give its value",
            ));
        }
        let end = rest[rest.len() - 1].span;
        let body = self.sequence(
            &rest,
            end,
            "the program ends with a definition: add an expression, which gives its value",
            Again::Allowed,
        )?;
        Ok(self.with_declared_values(body))
    }

    /// The body of a procedure or of a binding form.
    pub(super) fn body(&mut self, data: &[Datum], whole: &Datum) -> Result<Expr> {
        let data: Vec<&Datum> = data.iter().collect();
        self.sequence(
            &data,
            whole.span,
            "the body ends with a definition: add an expression, which gives its value",
            Again::Refused,
        )
    }

    pub(super) fn begin(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        match &items[1..] {
            [] => Err(usage(whole, "(begin expression …)")),
            [one] => self.expr(one),
            data => self.body(data, whole),
        }
    }

    /// Definitions and expressions in order; the last expression is the value.
    fn sequence(
        &mut self,
        data: &[&Datum],
        span: Span,
        ends_badly: &str,
        again: Again,
    ) -> Result<Expr> {
        let mut items = Vec::new();
        self.collect(data, &mut items)?;
        let Some(Item::Expr(last)) = items.pop() else {
            return Err(fail(span, ends_badly));
        };
        if items.is_empty() {
            return self.expr(last);
        }
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut seen = HashSet::new();
        for item in &items {
            if let Item::Define { name, whole, .. } = item {
                if !seen.insert(name.clone()) {
                    if again == Again::Allowed {
                        continue;
                    }
                    return Err(fail(
                        whole.span,
                        format!("\"{name}\" is defined twice here"),
                    ));
                }
                if let Some(what) = self.declared_as(name) {
                    return Err(fail(
                        whole.span,
                        format!("\"{name}\" is declared as {what} already"),
                    ));
                }
                names.push(name.clone());
            }
        }
        self.with_names(&names, |this, vars| {
            let mut fresh = names.iter().zip(vars).peekable();
            let mut bindings: Vec<(Var, Expr)> = Vec::with_capacity(items.len());
            for item in &items {
                let binding = match item {
                    Item::Define { name, value, whole } => {
                        let value = match value {
                            Value::Expr(datum) => this.expr(datum)?,
                            Value::Procedure { params, body } => {
                                this.procedure(params, body, whole)?
                            }
                        };
                        let var = match fresh.next_if(|(first, _)| *first == name) {
                            Some((_, var)) => *var,
                            None => this.rebind(name),
                        };
                        (var, value)
                    }
                    Item::Expr(datum) => {
                        let value = this.expr(datum)?;
                        (this.fresh("_"), value)
                    }
                };
                bindings.push(binding);
            }
            let body = Box::new(this.expr(last)?);
            Ok(Expr::new(ExprKind::Letrec(bindings, body), span))
        })
    }

    /// A new variable for a name that is in scope: what follows sees it.
    fn rebind(&mut self, name: &Arc<str>) -> Var {
        let var = self.fresh(name);
        if let Some(bound) = self.scope.get_mut(name).and_then(|stack| stack.last_mut()) {
            *bound = Bound::Var(var);
        }
        var
    }

    /// Sorts the forms of a body into definitions and expressions; `begin` splices.
    fn collect<'a>(&self, data: &[&'a Datum], items: &mut Vec<Item<'a>>) -> Result<()> {
        for datum in data {
            let form = datum.list().unwrap_or_default();
            match self.keyword(form).map(|name| &**name) {
                Some("begin") => {
                    let inner: Vec<&Datum> = form[1..].iter().collect();
                    if inner.is_empty() {
                        return Err(usage(datum, "(begin expression …)"));
                    }
                    self.collect(&inner, items)?;
                }
                Some("define") => items.push(self.definition(form, datum)?),
                _ => items.push(Item::Expr(datum)),
            }
        }
        Ok(())
    }

    fn definition<'a>(&self, form: &'a [Datum], whole: &'a Datum) -> Result<Item<'a>> {
        let form_usage = "(define name value) or (define (name parameter …) body …)";
        let [_, target, rest @ ..] = form else {
            return Err(usage(whole, form_usage));
        };
        let (name, value) = match (&target.kind, rest) {
            (DatumKind::Symbol(name), [value]) => (name.clone(), Value::Expr(value)),
            (DatumKind::List(items, tail), body) if !items.is_empty() && !body.is_empty() => {
                let name = self.binding_name(&items[0], &[])?;
                let kind = match (items.len(), tail) {
                    (1, Some(tail)) => tail.kind.clone(),
                    _ => DatumKind::List(items[1..].to_vec(), tail.clone()),
                };
                let params = Datum {
                    kind,
                    span: target.span,
                };
                (name, Value::Procedure { params, body })
            }
            (DatumKind::Symbol(_), _) => return Err(usage(whole, form_usage)),
            (DatumKind::List(items, _), _) if !items.is_empty() => {
                return Err(usage(whole, form_usage));
            }
            _ => {
                return Err(fail(
                    target.span,
                    format!("define needs a name here, not {target}"),
                ));
            }
        };
        Ok(Item::Define { name, value, whole })
    }
}
