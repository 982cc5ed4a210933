//! Declarations: inputs and parameters, numbers or arrays of them.
//!
//! An array is declared as its numbers, which are called `w.0`, `w.1`, … or, in a matrix, `m.0.0`, `m.0.1`, …; its name is a
//! variable that holds all of them.

use std::sync::Arc;

use super::{Bound, Expander, fail, usage};
use crate::error::{Result, Span};
use crate::syntax::ast::{Constant, Declaration, Expr, ExprKind, Var};
use crate::syntax::datum::{Datum, DatumKind};

/// Most numbers of an array that is declared.
const MAX_ELEMENTS: usize = 1 << 16;

/// A variable that a declaration binds at the top level.
pub(super) struct DeclaredValue {
    pub var: Var,
    pub value: Expr,
    /// What it is, for errors.
    pub what: &'static str,
}

const A_PARAMETER: &str = "a parameter";
const AN_INPUT: &str = "an input";

/// What one number of a declaration is: an input, or a parameter with its initial value and bounds.
pub(super) type Number = Option<(f64, f64, f64)>;

impl Expander {
    pub(super) fn parameter(&mut self, form: &Datum) -> Result<()> {
        let form_usage = "(parameter NAME INIT) or (parameter NAME INIT LOWER UPPER)";
        let (name, initial, bounds) = match form.list().unwrap_or_default() {
            [_, name, initial] => (name, initial, None),
            [_, name, initial, lower, upper] => (name, initial, Some((lower, upper))),
            _ => return Err(usage(form, form_usage)),
        };
        let (lower, upper) = match bounds {
            None => (f64::NEG_INFINITY, f64::INFINITY),
            Some((lower, upper)) => (number(name, lower)?, number(name, upper)?),
        };
        if lower > upper || lower.is_nan() || upper.is_nan() {
            return Err(fail(
                form.span,
                format!(
                    "the lower bound {lower} of parameter {name} is not below its upper bound {upper}"
                ),
            ));
        }
        let initial_value = |datum: &Datum| {
            let value = number(name, datum)?;
            if !value.is_finite() {
                return Err(fail(
                    datum.span,
                    "the initial value of a parameter must be finite",
                ));
            }
            if !(lower..=upper).contains(&value) {
                return Err(fail(
                    datum.span,
                    format!(
                        "the initial value {value} of parameter {name} is outside its bounds {lower} and {upper}"
                    ),
                ));
            }
            Ok(Some((value, lower, upper)))
        };
        let numbers = |row: &[Datum]| row.iter().map(initial_value).collect::<Result<Vec<_>>>();
        if let Some([_, row @ ..]) = initial.form("vec") {
            return self.declare_array(name, &[row.len()], &numbers(row)?, form.span);
        }
        let Some([_, rows @ ..]) = initial.form("mat") else {
            let value = initial_value(initial)?;
            return self.declare(name, value);
        };
        let (mut all, mut width) = (Vec::new(), None);
        for row in rows {
            match row.form("vec") {
                Some([_, row @ ..]) if *width.get_or_insert(row.len()) == row.len() => {
                    all.extend(numbers(row)?);
                }
                _ => {
                    let message =
                        format!("the matrix {name} needs rows [number …] of one length, not {row}");
                    return Err(fail(row.span, message));
                }
            }
        }
        self.declare_array(name, &[rows.len(), width.unwrap_or(0)], &all, form.span)
    }

    pub(super) fn input(&mut self, form: &Datum) -> Result<()> {
        let form_usage = "(input NAME), (input NAME SIZE) or (input NAME ROWS COLUMNS)";
        let (name, sizes) = match form.list().unwrap_or_default() {
            [_, name] => return self.declare(name, None),
            [_, name, sizes @ ..] if (1..=2).contains(&sizes.len()) => (name, sizes),
            _ => return Err(usage(form, form_usage)),
        };
        let mut shape = Vec::new();
        for size in sizes {
            match size.kind {
                DatumKind::Int(n) if (1..=MAX_ELEMENTS as i64).contains(&n) => {
                    shape.push(n as usize);
                }
                _ => {
                    let message = format!(
                        "input {name} needs a size here, a whole number from 1 to {MAX_ELEMENTS}, not {size}"
                    );
                    return Err(fail(size.span, message));
                }
            }
        }
        let count: usize = shape.iter().product();
        let numbers = vec![None; count.min(MAX_ELEMENTS + 1)];
        self.declare_array(name, &shape, &numbers, form.span)
    }

    fn declare(&mut self, name: &Datum, number: Number) -> Result<()> {
        if let (Some(symbol), Some(number)) = (name.symbol(), number)
            && self.declare_weight(symbol, Some(number), name.span)
        {
            return Ok(());
        }
        let symbol = self.new_name(name)?;
        self.add(symbol, number, name.span);
        Ok(())
    }

    pub(super) fn new_name(&mut self, name: &Datum) -> Result<Arc<str>> {
        let symbol = self.binding_name(name, &[])?;
        match self.is_bound(&symbol) {
            true => Err(fail(name.span, format!("\"{symbol}\" is declared twice"))),
            false => Ok(symbol),
        }
    }

    /// Declares a name that nothing binds; its index.
    pub(super) fn add(&mut self, name: Arc<str>, number: Number, span: Span) -> usize {
        let index = self.declarations.len();
        self.scope
            .insert(name.clone(), vec![Bound::Declared(index)]);
        let bounds = number.map(|(_, lower, upper)| (lower, upper));
        let (lower, upper) = bounds.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        self.declarations.push(Declaration {
            name,
            initial: number.map(|(initial, ..)| initial),
            lower,
            upper,
            span,
        });
        index
    }

    fn declare_array(
        &mut self,
        name: &Datum,
        shape: &[usize],
        numbers: &[Number],
        span: Span,
    ) -> Result<()> {
        let symbol = self.new_name(name)?;
        if numbers.is_empty() || numbers.len() > MAX_ELEMENTS {
            let message = format!("{symbol} needs from 1 to {MAX_ELEMENTS} numbers");
            return Err(fail(span, message));
        }
        let width = shape.get(1).copied();
        let mut declared = Vec::with_capacity(numbers.len());
        for (place, number) in numbers.iter().enumerate() {
            let element: Arc<str> = match width {
                None => format!("{symbol}.{place}").into(),
                Some(width) => format!("{symbol}.{}.{}", place / width, place % width).into(),
            };
            if self.is_bound(&element) {
                let message = format!("\"{element}\", a number of {symbol}, is declared already");
                return Err(fail(name.span, message));
            }
            let index = self.add(element, *number, name.span);
            declared.push(Expr::new(ExprKind::Declared(index), name.span));
        }
        let value = match width {
            None => Expr::primitive("vec", declared, name.span),
            Some(width) => {
                let rows = declared.chunks(width);
                let rows = rows.map(|row| Expr::primitive("vec", row.to_vec(), name.span));
                Expr::primitive("mat", rows.collect(), name.span)
            }
        };
        let var = self.fresh(&symbol);
        self.scope.insert(symbol.clone(), vec![Bound::Var(var)]);
        self.values.push(DeclaredValue {
            var,
            value,
            what: match numbers[0] {
                Some(_) => A_PARAMETER,
                None => AN_INPUT,
            },
        });
        Ok(())
    }

    /// What a name is declared as, if it is.
    pub(super) fn declared_as(&self, name: &str) -> Option<&'static str> {
        Some(match self.scope.get(name)?.last()? {
            Bound::Declared(index) if self.declarations[*index].initial.is_some() => A_PARAMETER,
            Bound::Declared(_) => AN_INPUT,
            Bound::Var(var) => self.values.iter().find(|value| value.var == *var)?.what,
        })
    }

    /// A program inside the definitions of the arrays and networks that it declares.
    pub(super) fn with_declared_values(&mut self, body: Expr) -> Expr {
        let values = std::mem::take(&mut self.values);
        if values.is_empty() {
            return body;
        }
        let span = body.span;
        let bindings = values.into_iter().map(|value| (value.var, value.value));
        Expr::new(ExprKind::Let(bindings.collect(), Box::new(body)), span)
    }
}

/// The number that a declaration holds.
fn number(name: &Datum, datum: &Datum) -> Result<f64> {
    let value = match &datum.kind {
        DatumKind::Int(_) | DatumKind::Real(_) => Constant::quote(datum).as_real(),
        DatumKind::List(items, None) => match items.as_slice() {
            [minus, value] if minus.symbol().is_some_and(|name| &**name == "-") => {
                Constant::quote(value).as_real().map(|value| -value)
            }
            _ => None,
        },
        _ => None,
    };
    value.ok_or_else(|| {
        fail(
            datum.span,
            format!("parameter {name} needs a number here, not {datum}"),
        )
    })
}
