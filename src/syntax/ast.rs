//! The core language that sugar is expanded to. Bound names are resolved: each binding is a [`Var`] of its own, so that
//! no later stage knows about scopes.

use std::fmt;
use std::sync::Arc;

use super::datum::{Datum, DatumKind, write_char, write_real};
use crate::error::Span;

/// A value that is written in the source.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// A boolean.
    Bool(bool),
    /// An exact integer.
    Int(i64),
    /// A real.
    Real(f64),
    /// A character.
    Char(char),
    /// A symbol.
    Symbol(Arc<str>),
    /// A string.
    Str(Arc<str>),
    /// A list, with what stands behind its dot; the empty list has no items.
    List(Arc<[Constant]>, Option<Arc<Constant>>),
}

impl Constant {
    /// The empty list.
    pub fn nil() -> Constant {
        Constant::List(Arc::from([]), None)
    }

    /// The constant that quoting `datum` gives.
    pub fn quote(datum: &Datum) -> Constant {
        match &datum.kind {
            DatumKind::Bool(value) => Constant::Bool(*value),
            DatumKind::Int(value) => Constant::Int(*value),
            DatumKind::Real(value) => Constant::Real(*value),
            DatumKind::Char(value) => Constant::Char(*value),
            DatumKind::Str(value) => Constant::Str(value.clone()),
            DatumKind::Symbol(name) => Constant::Symbol(name.clone()),
            DatumKind::List(items, tail) => Constant::List(
                items.iter().map(Constant::quote).collect(),
                tail.as_ref().map(|tail| Arc::new(Constant::quote(tail))),
            ),
        }
    }

    /// The number as a real; a boolean counts as 1 or 0. `None` for what is not a number.
    pub fn as_real(&self) -> Option<f64> {
        match self {
            Constant::Bool(value) => Some(f64::from(u8::from(*value))),
            Constant::Int(value) => Some(*value as f64),
            Constant::Real(value) => Some(*value),
            _ => None,
        }
    }

    /// What the value is, in words for errors.
    pub fn describe(&self) -> String {
        match self {
            Constant::List(..) => "the empty list".into(),
            Constant::Symbol(name) => format!("the symbol {name}"),
            Constant::Str(text) => format!("the string {text:?}"),
            Constant::Char(_) => "a character".into(),
            Constant::Bool(_) => format!("the boolean {self}"),
            Constant::Int(_) | Constant::Real(_) => format!("the number {self}"),
        }
    }

    /// Whether a test on this value takes the first arm: all but `#f` and numeric zeros do.
    pub fn is_true(&self) -> bool {
        self.as_real() != Some(0.0)
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Constant::Bool(value) => f.write_str(if *value { "#t" } else { "#f" }),
            Constant::Int(value) => write!(f, "{value}"),
            Constant::Real(value) => write_real(f, *value),
            Constant::Char(value) => write_char(f, *value),
            Constant::Symbol(name) => f.write_str(name),
            Constant::Str(value) => write!(f, "{value:?}"),
            Constant::List(items, tail) => {
                f.write_str("(")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { " " })?;
                }
                if let Some(tail) = tail {
                    write!(f, " . {tail}")?;
                }
                f.write_str(")")
            }
        }
    }
}

/// A bound variable: an index into [`Program::vars`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Var(pub u32);

/// What a program declares at top level: `(input x)`, `(parameter k 1 0 10)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// The name.
    pub name: Arc<str>,
    /// The initial value of a parameter; `None` for an input.
    pub initial: Option<f64>,
    /// Lower bound of a parameter.
    pub lower: f64,
    /// Upper bound of a parameter.
    pub upper: f64,
    /// Where it is declared.
    pub span: Span,
}

/// A network that a program imports as a procedure: `(import NAME "FILE")`.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// The name of the procedure.
    pub name: Arc<str>,
    /// The file, as it is written.
    pub file: Arc<str>,
    /// Its weights: indices into [`Program::declarations`], in the order in which the network has them.
    pub weights: Vec<usize>,
    /// Where it is imported.
    pub span: Span,
}

/// A weight of a network that is imported.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// What it is called in its file.
    pub name: Arc<str>,
    /// Its initial value.
    pub initial: f64,
    /// Its lower bound.
    pub lower: f64,
    /// Its upper bound.
    pub upper: f64,
}

/// A program in the core language.
#[derive(Clone, Debug)]
pub struct Program {
    /// Declared inputs and parameters, in order.
    pub declarations: Vec<Declaration>,
    /// The networks that are imported, in order.
    pub imports: Vec<Import>,
    /// The name of each bound variable.
    pub vars: Vec<Arc<str>>,
    /// How many of them, the first ones, are procedures of the prelude.
    pub prelude: usize,
    /// The names that nothing in the source binds, in the order of their first appearance.
    pub free: Vec<Arc<str>>,
    /// The value of the program.
    pub body: Expr,
}

/// An expression of the core language.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands in the source.
    pub span: Span,
}

/// The parameters and the body of a procedure.
#[derive(Clone, Debug)]
pub struct Lambda {
    /// Fixed parameters.
    pub params: Vec<Var>,
    /// The parameter that takes the remaining arguments as a list.
    pub rest: Option<Var>,
    /// The value.
    pub body: Expr,
}

/// The core forms.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A constant.
    Constant(Constant),
    /// A bound variable.
    Var(Var),
    /// A declared input or parameter: an index into [`Program::declarations`].
    Declared(usize),
    /// A name that nothing in the source binds: a primitive, else an input.
    Free(Arc<str>),
    /// The procedure of a network: an index into [`Program::imports`].
    Import(usize),
    /// `(if test then else)`.
    If(Box<[Expr; 3]>),
    /// `(lambda (params …) body)`.
    Lambda(Box<Lambda>),
    /// Bindings whose right sides do not see each other.
    Let(Vec<(Var, Expr)>, Box<Expr>),
    /// Bindings evaluated in order, of which each procedure sees all.
    Letrec(Vec<(Var, Expr)>, Box<Expr>),
    /// A procedure and its arguments.
    Apply(Box<Expr>, Vec<Expr>),
    /// `(loop ((v init) …) body)`.
    Loop(Vec<(Var, Expr)>, Box<Expr>),
    /// `(recur e …)`.
    Recur(Vec<Expr>),
    /// `(soft-choice (option …) weights)`.
    SoftChoice(Vec<Expr>, Box<Expr>),
}
