//! Numbers of the source text made parameters.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::{Constant, Declaration, Expr, ExprKind, Program};
use crate::error::{Error, ErrorKind, Result, Span};

/// Makes numbers that stand in expressions parameters `lit.0`, `lit.1`, …, numbered by their place in the text, with the number
/// as the initial value. `which` is `all`, `reals` (those written with a point or an exponent), or a list of numbers as
/// `0,3`; what is left out keeps its number. Quoted data and the keys of `case` stay as they are.
pub fn declare_literals(program: &mut Program, which: &str) -> Result<()> {
    if which.is_empty() {
        return Ok(());
    }
    let mut places: BTreeMap<usize, (f64, bool, Span)> = BTreeMap::new();
    each_literal(&mut program.body, &mut |expr, value, real| {
        places.insert(expr.span.start as usize, (value, real, expr.span));
    });
    let chosen = chosen(which, places.len())?;
    let mut declared: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, (start, (value, real, span))) in places.into_iter().enumerate() {
        let wanted = match &chosen {
            Chosen::All => true,
            Chosen::Reals => real,
            Chosen::These(indices) => indices.contains(&index),
        };
        if !wanted || !value.is_finite() {
            continue;
        }
        declared.insert(start, program.declarations.len());
        program.declarations.push(Declaration {
            name: Arc::from(format!("lit.{index}")),
            initial: Some(value),
            lower: f64::NEG_INFINITY,
            upper: f64::INFINITY,
            span,
        });
    }
    each_literal(&mut program.body, &mut |expr, _, _| {
        if let Some(index) = declared.get(&(expr.span.start as usize)) {
            expr.kind = ExprKind::Declared(*index);
        }
    });
    Ok(())
}

enum Chosen {
    All,
    Reals,
    These(Vec<usize>),
}

fn chosen(which: &str, count: usize) -> Result<Chosen> {
    match which {
        "all" => return Ok(Chosen::All),
        "reals" => return Ok(Chosen::Reals),
        _ => {}
    }
    let mut indices = Vec::new();
    for item in which.split(',').map(str::trim) {
        let index = item.parse::<usize>().ok().filter(|index| *index < count);
        indices.push(index.ok_or_else(|| {
            let message = format!(
                "option \"literals\": \"{item}\" is none of the program's {count} numbers, which are counted from 0; \
                 write all, reals, or a list such as 0,2"
            );
            Error::new(ErrorKind::Argument, message)
        })?);
    }
    Ok(Chosen::These(indices))
}

/// Visits the numbers that stand in the source text: their values, and whether they are written as reals.
fn each_literal(expr: &mut Expr, visit: &mut impl FnMut(&mut Expr, f64, bool)) {
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        let number = match &expr.kind {
            ExprKind::Constant(Constant::Int(value)) => Some((*value as f64, false)),
            ExprKind::Constant(Constant::Real(value)) => Some((*value, true)),
            _ => None,
        };
        if let Some((value, real)) = number {
            // what has no place belongs to the prelude
            if expr.span != Span::default() {
                visit(expr, value, real);
            }
            continue;
        }
        match &mut expr.kind {
            ExprKind::If(parts) => open.extend(parts.iter_mut()),
            ExprKind::Lambda(lambda) => open.push(&mut lambda.body),
            ExprKind::Let(bindings, body)
            | ExprKind::Letrec(bindings, body)
            | ExprKind::Loop(bindings, body) => {
                open.extend(bindings.iter_mut().map(|(_, value)| value));
                open.push(body);
            }
            ExprKind::Apply(head, arguments) => {
                if matches!(&head.kind, ExprKind::Free(name) if &**name == "eqv?") {
                    continue;
                }
                open.push(head);
                open.extend(arguments);
            }
            ExprKind::Recur(arguments) => open.extend(arguments),
            ExprKind::SoftChoice(options, weights) => {
                open.extend(options);
                open.push(weights);
            }
            ExprKind::Constant(_)
            | ExprKind::Var(_)
            | ExprKind::Declared(_)
            | ExprKind::Free(_)
            | ExprKind::Import(_) => {}
        }
    }
}
