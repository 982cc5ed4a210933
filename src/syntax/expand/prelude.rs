//! The procedures that are written in the language itself: those that a program mentions are put around it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use super::{Bound, Expander};
use crate::error::{Result, Span};
use crate::syntax::ast::{Expr, ExprKind, Var};
use crate::syntax::datum::{Datum, DatumKind};
use crate::syntax::reader;

/// The definitions by name, without places: they stand in no source text.
static PRELUDE: LazyLock<HashMap<Arc<str>, Datum>> = LazyLock::new(|| {
    let text = include_str!("../prelude.scm").to_string() + &accessors();
    let data = reader::read(&text, reader::Limits::default()).unwrap_or_default();
    let named = data.iter().filter_map(|datum| {
        let DatumKind::List(target, _) = &datum.list()?.get(1)?.kind else {
            return None;
        };
        let name = target.first()?.symbol()?.clone();
        Some((name, placeless(datum)))
    });
    named.collect()
});

/// `cadr` to `cddddr`.
fn accessors() -> String {
    let mut text = String::new();
    for length in 2..=4u32 {
        for bits in 0..1u32 << length {
            let step = |i: u32| if bits >> i & 1 == 0 { 'a' } else { 'd' };
            let steps: String = (0..length).map(step).collect();
            let open: String = steps.chars().map(|c| format!("(c{c}r ")).collect();
            let close = ")".repeat(steps.len());
            text.push_str(&format!("(define (c{steps}r list) {open}list{close})\n"));
        }
    }
    text
}

fn placeless(datum: &Datum) -> Datum {
    let kind = match &datum.kind {
        DatumKind::List(items, tail) => DatumKind::List(
            items.iter().map(placeless).collect(),
            tail.as_ref().map(|tail| placeless(tail).into()),
        ),
        atom => atom.clone(),
    };
    Datum {
        kind,
        span: Span::default(),
    }
}

/// Whether `name` is a procedure of the language that is written in the language itself.
pub fn is_prelude(name: &str) -> bool {
    PRELUDE.contains_key(name)
}

/// The names of these procedures, in no order.
pub fn prelude_names() -> impl Iterator<Item = &'static str> {
    let names = PRELUDE.keys().map(|name| &**name);
    names.filter(|name| !name.starts_with('%'))
}

/// The names of the prelude that `data` mention, directly or through others, in order.
fn mentioned(data: &[Datum]) -> Vec<Arc<str>> {
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    let mut open: Vec<&Datum> = data.iter().collect();
    while let Some(datum) = open.pop() {
        match &datum.kind {
            DatumKind::List(items, tail) => {
                open.extend(items);
                open.extend(tail.as_deref());
            }
            DatumKind::Symbol(name) => {
                if let Some((name, definition)) = PRELUDE.get_key_value(name)
                    && seen.insert(name.clone())
                {
                    names.push(name.clone());
                    open.push(definition);
                }
            }
            _ => {}
        }
    }
    names.sort();
    names
}

impl Expander {
    /// Expands the top level of a program inside the definitions of the prelude that it mentions.
    pub(super) fn program(&mut self, data: &[Datum]) -> Result<Expr> {
        let names = mentioned(data);
        let vars: Vec<Var> = names.iter().map(|name| self.fresh(name)).collect();
        for (name, var) in names.iter().zip(&vars) {
            self.prelude.insert(name.clone(), *var);
        }
        let mut bindings = Vec::new();
        for (name, var) in names.iter().zip(&vars) {
            let definition = &PRELUDE[name];
            let items = definition.list().unwrap_or_default();
            if let [_, target, body @ ..] = items
                && let Some((params, tail)) = signature(target)
            {
                let params = Datum {
                    kind: DatumKind::List(params.to_vec(), tail),
                    span: Span::default(),
                };
                bindings.push((*var, self.procedure(&params, body, definition)?));
            }
        }
        let body = self.top_level(data)?;
        if bindings.is_empty() {
            return Ok(body);
        }
        let span = body.span;
        Ok(Expr::new(ExprKind::Letrec(bindings, Box::new(body)), span))
    }

    /// The variable of a prelude procedure, where the source binds no such name.
    pub(super) fn prelude(&self, name: &str) -> Option<Bound> {
        self.prelude.get(name).map(|var| Bound::Var(*var))
    }
}

type Tail = Option<Box<Datum>>;

/// The parameters of `(name parameter … . rest)`.
fn signature(target: &Datum) -> Option<(&[Datum], Tail)> {
    match &target.kind {
        DatumKind::List(items, tail) => Some((items.get(1..)?, tail.clone())),
        _ => None,
    }
}
