//! Quasiquotation: a template becomes calls of `cons` and `append` on quoted parts.

use super::{Expander, fail, usage};
use crate::error::Result;
use crate::syntax::ast::{Constant, Expr, ExprKind};
use crate::syntax::datum::{Datum, DatumKind};

impl Expander {
    pub(super) fn quasiquote(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        match items {
            [_, template] => self.template(template, 1),
            _ => Err(usage(whole, "(quasiquote template)")),
        }
    }

    /// The value of `template` at nesting `level` of quasiquotes.
    fn template(&mut self, template: &Datum, level: usize) -> Result<Expr> {
        if let Some([_, inner]) = template.form("unquote") {
            return match level {
                1 => self.expr(inner),
                _ => self.rebuild("unquote", inner, level - 1),
            };
        }
        if let Some([_, inner]) = template.form("quasiquote") {
            return self.rebuild("quasiquote", inner, level + 1);
        }
        if template.form("unquote-splicing").is_some() && level == 1 {
            return Err(fail(
                template.span,
                "unquote-splicing (,@) may stand only inside a list",
            ));
        }
        match &template.kind {
            DatumKind::List(items, tail) if !items.is_empty() => {
                self.template_list(items, tail.as_deref(), template, level)
            }
            _ => Ok(Expr::constant(Constant::quote(template), template.span)),
        }
    }

    fn template_list(
        &mut self,
        items: &[Datum],
        tail: Option<&Datum>,
        whole: &Datum,
        level: usize,
    ) -> Result<Expr> {
        // `(a . ,b) reads as (a unquote b)
        let dotted = items.len() >= 3
            && items[items.len() - 2]
                .symbol()
                .is_some_and(|s| &**s == "unquote");
        let (items, result) = match (tail, dotted) {
            (None, true) => {
                let last = &items[items.len() - 1];
                let value = match level {
                    1 => self.expr(last)?,
                    _ => self.rebuild("unquote", last, level - 1)?,
                };
                (&items[..items.len() - 2], value)
            }
            (None, false) => (items, Expr::constant(Constant::nil(), whole.span)),
            (Some(tail), _) => (items, self.template(tail, level)?),
        };
        let mut parts = Vec::with_capacity(items.len());
        for item in items {
            let spliced = item.form("unquote-splicing").filter(|form| form.len() == 2);
            parts.push(match spliced {
                Some(form) if level == 1 => ("append", self.expr(&form[1])?),
                Some(form) => {
                    let inner = self.rebuild("unquote-splicing", &form[1], level - 1)?;
                    ("cons", inner)
                }
                None => ("cons", self.template(item, level)?),
            });
        }
        if let Some(constant) = constant_list(&parts, &result) {
            return Ok(Expr::constant(constant, whole.span));
        }
        Ok(join(parts, result, whole))
    }

    /// `(list 'head template)`: a nested mark that stays data.
    fn rebuild(&mut self, head: &str, inner: &Datum, level: usize) -> Result<Expr> {
        let mark = Expr::constant(Constant::Symbol(head.into()), inner.span);
        let inner = self.template(inner, level)?;
        let span = inner.span;
        Ok(Expr::primitive("list", vec![mark, inner], span))
    }
}

/// Appends runs of single items, spliced lists and the rest; no part stands inside another.
fn join(parts: Vec<(&str, Expr)>, rest: Expr, whole: &Datum) -> Expr {
    let mut lists: Vec<Expr> = Vec::new();
    let mut run: Vec<Expr> = Vec::new();
    let close = |run: &mut Vec<Expr>, lists: &mut Vec<Expr>| {
        if !run.is_empty() {
            lists.push(Expr::primitive("list", std::mem::take(run), whole.span));
        }
    };
    for (name, part) in parts {
        if name == "cons" {
            run.push(part);
        } else {
            close(&mut run, &mut lists);
            lists.push(part);
        }
    }
    close(&mut run, &mut lists);
    let empty =
        matches!(&rest.kind, ExprKind::Constant(Constant::List(items, None)) if items.is_empty());
    match (empty, lists.len()) {
        (true, 1) => lists.remove(0),
        _ => {
            lists.push(rest);
            Expr::primitive("append", lists, whole.span)
        }
    }
}

/// The list of `parts` before `rest`, if all of it is known.
fn constant_list(parts: &[(&str, Expr)], rest: &Expr) -> Option<Constant> {
    let ExprKind::Constant(Constant::List(last, tail)) = &rest.kind else {
        return None;
    };
    let mut items = Vec::with_capacity(parts.len() + last.len());
    for (name, part) in parts {
        match &part.kind {
            ExprKind::Constant(constant) if *name == "cons" => items.push(constant.clone()),
            _ => return None,
        }
    }
    items.extend(last.iter().cloned());
    Some(Constant::List(items.into(), tail.clone()))
}
