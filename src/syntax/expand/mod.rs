//! Data to core AST: resolves names and rewrites sugar. One function per form.

mod binding;
mod branch;
mod declare;
mod import;
mod prelude;
mod quasi;
mod toplevel;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub use import::imports;
pub use prelude::{is_prelude, prelude_names};

use super::ast::{Constant, Declaration, Expr, ExprKind, Import, Lambda, Program, Var, Weight};
use super::datum::{Datum, DatumKind};
use crate::error::{Error, ErrorKind, Result, Span};

/// Deepest nesting of core expressions; `cond` clauses nest too.
const MAX_DEPTH: usize = 1000;

/// Turns the data of a source text into a program of the core language. `weights` are those of each network that it imports, in
/// the order of [`imports`].
pub fn expand(data: &[Datum], weights: Vec<Vec<Weight>>) -> Result<Program> {
    let mut expander = Expander {
        declarations: Vec::new(),
        imports: Vec::new(),
        weights: weights.into_iter(),
        weight_at: HashSet::new(),
        values: Vec::new(),
        vars: Vec::new(),
        scope: HashMap::new(),
        prelude: HashMap::new(),
        free: HashMap::new(),
        depth: 0,
    };
    let body = expander.program(data)?;
    let mut free: Vec<(u32, Arc<str>)> = expander
        .free
        .into_iter()
        .map(|(name, start)| (start, name))
        .collect();
    free.sort();
    Ok(Program {
        declarations: expander.declarations,
        imports: expander.imports,
        vars: expander.vars,
        prelude: expander.prelude.len(),
        free: free.into_iter().map(|(_, name)| name).collect(),
        body,
    })
}

/// Most names that one parameter list binds.
const MAX_NAMES: usize = 10_000;

#[derive(Clone, Copy)]
enum Bound {
    Var(Var),
    Declared(usize),
}

struct Expander {
    declarations: Vec<Declaration>,
    imports: Vec<Import>,
    /// The weights of each network that is still to be imported.
    weights: std::vec::IntoIter<Vec<Weight>>,
    /// The declarations that are weights as their file has them.
    weight_at: HashSet<usize>,
    /// What is declared with a value of its own: arrays and networks.
    values: Vec<declare::DeclaredValue>,
    vars: Vec<Arc<str>>,
    /// What each name means here: the innermost binding is last.
    scope: HashMap<Arc<str>, Vec<Bound>>,
    /// The procedures of the prelude that the program mentions.
    prelude: HashMap<Arc<str>, Var>,
    /// Where each free name appears first.
    free: HashMap<Arc<str>, u32>,
    depth: usize,
}

/// A form's handler: the expander, the items of the form (its head included), and the whole form.
type Handler = fn(&mut Expander, &[Datum], &Datum) -> Result<Expr>;

/// The special forms. A name that the source binds is no form in that scope.
const FORMS: [(&str, Handler); 25] = [
    ("quote", Expander::quote),
    ("quasiquote", Expander::quasiquote),
    ("if", Expander::if_),
    ("cond", Expander::cond),
    ("case", Expander::case),
    ("and", Expander::and),
    ("or", Expander::or),
    ("when", Expander::when),
    ("unless", Expander::unless),
    ("let", Expander::let_),
    ("let*", Expander::let_star),
    ("letrec", Expander::letrec),
    ("letrec*", Expander::letrec),
    ("lambda", Expander::lambda),
    ("begin", Expander::begin),
    ("do", Expander::do_),
    ("loop", Expander::loop_),
    ("recur", Expander::recur),
    ("soft-choice", Expander::soft_choice),
    ("define", Expander::misplaced),
    ("parameter", Expander::misplaced),
    ("input", Expander::misplaced),
    ("import", Expander::misplaced),
    ("unquote", Expander::misplaced),
    ("unquote-splicing", Expander::misplaced),
];

/// Forms of Scheme that a pure language does not have.
const REFUSED: [&str; 26] = [
    "set!",
    "set-car!",
    "set-cdr!",
    "vector-set!",
    "string-set!",
    "define-syntax",
    "let-syntax",
    "letrec-syntax",
    "syntax-rules",
    "define-record-type",
    "call/cc",
    "call-with-current-continuation",
    "dynamic-wind",
    "delay",
    "force",
    "delay-force",
    "make-promise",
    "parameterize",
    "guard",
    "raise",
    "with-exception-handler",
    "eval",
    "load",
    "define-values",
    "let-values",
    "case-lambda",
];

/// Whether programs know `name` as a form, or as a word that forms use.
pub fn is_keyword(name: &str) -> bool {
    let form = FORMS.iter().any(|(form, _)| *form == name);
    form || REFUSED.contains(&name) || matches!(name, "else" | "=>")
}

fn fail(span: Span, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Compile, message).at(span)
}

fn usage(form: &Datum, usage: &str) -> Error {
    let name = form
        .list()
        .and_then(|items| items.first())
        .map_or(String::new(), Datum::to_string);
    fail(
        form.span,
        format!("malformed \"{name}\": it is written {usage}"),
    )
}

impl Expr {
    fn new(kind: ExprKind, span: Span) -> Expr {
        Expr { kind, span }
    }

    fn constant(value: Constant, span: Span) -> Expr {
        Expr::new(ExprKind::Constant(value), span)
    }

    fn var(var: Var, span: Span) -> Expr {
        Expr::new(ExprKind::Var(var), span)
    }

    fn if_(test: Expr, then: Expr, otherwise: Expr, span: Span) -> Expr {
        Expr::new(ExprKind::If(Box::new([test, then, otherwise])), span)
    }

    /// A call of the primitive `name`, whatever the source binds that name to.
    fn primitive(name: &str, arguments: Vec<Expr>, span: Span) -> Expr {
        let head = Expr::new(ExprKind::Free(Arc::from(name)), span);
        Expr::new(ExprKind::Apply(Box::new(head), arguments), span)
    }
}

impl Expander {
    fn expr(&mut self, datum: &Datum) -> Result<Expr> {
        self.deepen(1, datum)?;
        let span = datum.span;
        let expr = match &datum.kind {
            DatumKind::Symbol(name) => self.reference(name, span)?,
            DatumKind::List(items, None) if !items.is_empty() => self.combination(items, datum)?,
            DatumKind::List(_, Some(_)) => {
                return Err(fail(
                    span,
                    "a dotted pair is data: quote it to use it as a value",
                ));
            }
            DatumKind::List(_, None) => {
                return Err(fail(
                    span,
                    "() is no expression: write '() for the empty list",
                ));
            }
            _ => Expr::constant(Constant::quote(datum), span),
        };
        self.depth -= 1;
        Ok(expr)
    }

    /// Counts levels of nesting; whoever calls this takes them back once it is done.
    fn deepen(&mut self, levels: usize, datum: &Datum) -> Result<()> {
        self.depth += levels;
        match self.depth > MAX_DEPTH {
            true => Err(fail(
                datum.span,
                format!("expressions nest more than {MAX_DEPTH} deep"),
            )),
            false => Ok(()),
        }
    }

    fn reference(&mut self, name: &Arc<str>, span: Span) -> Result<Expr> {
        if let Some(bound) = self.scope.get(name).and_then(|stack| stack.last()) {
            return Ok(match *bound {
                Bound::Var(var) => Expr::var(var, span),
                Bound::Declared(index) => Expr::new(ExprKind::Declared(index), span),
            });
        }
        if REFUSED.contains(&&**name) {
            return Err(refused(name, span));
        }
        if FORMS.iter().any(|(form, _)| *form == &**name) || matches!(&**name, "else" | "=>" | ".")
        {
            return Err(fail(span, format!("\"{name}\" is a form, not a value")));
        }
        if let Some(Bound::Var(var)) = self.prelude(name) {
            return Ok(Expr::var(var, span));
        }
        let first = self.free.entry(name.clone()).or_insert(span.start);
        *first = span.start.min(*first);
        Ok(Expr::new(ExprKind::Free(name.clone()), span))
    }

    fn is_bound(&self, name: &Arc<str>) -> bool {
        self.scope.get(name).is_some_and(|stack| !stack.is_empty())
    }

    /// The special form that `items` begin with, unless the name is bound here.
    fn keyword<'a>(&self, items: &'a [Datum]) -> Option<&'a Arc<str>> {
        items.first()?.symbol().filter(|name| !self.is_bound(name))
    }

    fn combination(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        if let Some(name) = self.keyword(items) {
            if let Some((_, handler)) = FORMS.iter().find(|(form, _)| *form == &**name) {
                return handler(self, items, whole);
            }
            if REFUSED.contains(&&**name) {
                return Err(refused(name, items[0].span));
            }
        }
        let head = self.expr(&items[0])?;
        let arguments = self.exprs(&items[1..])?;
        Ok(Expr::new(
            ExprKind::Apply(Box::new(head), arguments),
            whole.span,
        ))
    }

    fn exprs(&mut self, data: &[Datum]) -> Result<Vec<Expr>> {
        data.iter().map(|datum| self.expr(datum)).collect()
    }

    fn quote(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        match items {
            [_, datum] => Ok(Expr::constant(Constant::quote(datum), whole.span)),
            _ => Err(usage(whole, "(quote datum)")),
        }
    }

    fn misplaced(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        let name = &items[0];
        let place = match items[0].symbol().map(|name| &**name) {
            Some("define") => "at the top level and at the head of a body",
            Some("parameter" | "input" | "import") => "at the top level of the program",
            _ => "inside a quasiquote (`)",
        };
        Err(fail(
            whole.span,
            format!("\"{name}\" may stand only {place}"),
        ))
    }

    /// A fresh variable that is not in scope by any name.
    fn fresh(&mut self, name: &str) -> Var {
        self.vars.push(Arc::from(name));
        Var(self.vars.len() as u32 - 1)
    }

    /// Binds `names` to fresh variables while `body` is expanded.
    fn with_names<T>(
        &mut self,
        names: &[Arc<str>],
        body: impl FnOnce(&mut Expander, &[Var]) -> Result<T>,
    ) -> Result<T> {
        let vars: Vec<Var> = names.iter().map(|name| self.fresh(name)).collect();
        for (name, var) in names.iter().zip(&vars) {
            self.scope
                .entry(name.clone())
                .or_default()
                .push(Bound::Var(*var));
        }
        let result = body(self, &vars);
        for name in names {
            if let Some(stack) = self.scope.get_mut(name) {
                stack.pop();
            }
        }
        result
    }

    fn lambda(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        match items {
            [_, params, body @ ..] if !body.is_empty() => self.procedure(params, body, whole),
            _ => Err(usage(whole, "(lambda (parameter …) body …)")),
        }
    }

    /// The procedure with the parameter list `params`: a list, a list with a rest parameter, or one symbol.
    fn procedure(&mut self, params: &Datum, body: &[Datum], whole: &Datum) -> Result<Expr> {
        let (fixed, rest): (&[Datum], Option<&Datum>) = match &params.kind {
            DatumKind::List(items, tail) => (items, tail.as_deref()),
            DatumKind::Symbol(_) => (&[], Some(params)),
            _ => {
                return Err(fail(
                    params.span,
                    "the parameter list of a lambda is expected here",
                ));
            }
        };
        let mut names = Vec::with_capacity(fixed.len() + 1);
        for param in fixed.iter().chain(rest) {
            names.push(self.binding_name(param, &names)?);
        }
        self.with_names(&names, |this, vars| {
            let body = this.body(body, whole)?;
            let lambda = Lambda {
                params: vars[..fixed.len()].to_vec(),
                rest: vars.get(fixed.len()).copied(),
                body,
            };
            Ok(Expr::new(ExprKind::Lambda(Box::new(lambda)), whole.span))
        })
    }

    /// The name that `datum` binds; `others` are bound beside it.
    fn binding_name(&self, datum: &Datum, others: &[Arc<str>]) -> Result<Arc<str>> {
        let name = datum
            .symbol()
            .ok_or_else(|| fail(datum.span, format!("a name is expected here, not {datum}")))?;
        if others.len() > MAX_NAMES {
            return Err(fail(
                datum.span,
                format!("more than {MAX_NAMES} names are bound here"),
            ));
        }
        if others.contains(name) {
            return Err(fail(datum.span, format!("\"{name}\" is bound twice here")));
        }
        Ok(name.clone())
    }

    fn recur(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        let arguments = self.exprs(&items[1..])?;
        Ok(Expr::new(ExprKind::Recur(arguments), whole.span))
    }

    fn soft_choice(&mut self, items: &[Datum], whole: &Datum) -> Result<Expr> {
        let [_, options, weights] = items else {
            return Err(usage(whole, "(soft-choice (option option …) weights)"));
        };
        let options = options
            .list()
            .filter(|options| options.len() >= 2)
            .ok_or_else(|| {
                fail(
                    whole.span,
                    "soft-choice needs a list of at least two options",
                )
            })?;
        let options = self.exprs(options)?;
        let weights = Box::new(self.expr(weights)?);
        Ok(Expr::new(
            ExprKind::SoftChoice(options, weights),
            whole.span,
        ))
    }
}

fn refused(name: &str, span: Span) -> Error {
    let what = match name.ends_with('!') {
        true => "the language is pure: bind a new name with let, or carry the value through a loop",
        false => "the language has no such form",
    };
    fail(span, format!("\"{name}\" is not supported: {what}"))
}
