//! A program of the core language as data for the interpreter: quoted forms in which every bound name is unique.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::choice::write_out;
use super::order::{Group, groups};
use crate::error::Result;
use crate::ops::{self, Op, SoftChoice};
use crate::syntax::ast::{Constant, Expr, ExprKind, Lambda, Program, Var};
use crate::syntax::expand;

/// A program as data.
pub struct Encoded {
    /// The list of forms whose value the interpreter takes for the program's.
    pub program: Constant,
    /// The operations in it that the language does not name.
    pub internal: BTreeSet<Op>,
    /// The declarations that it mentions.
    pub declared: HashSet<usize>,
}

/// The name that programs as data have for a network that they import.
pub fn imported_name(name: &str) -> Arc<str> {
    Arc::from(format!("import:{name}"))
}

/// Makes data of a program.
pub fn encode(program: &Program, settings: &SoftChoice) -> Result<Encoded> {
    let mut encoder = Encoder {
        program,
        settings,
        choices: 0,
        draws: 0,
        internal: BTreeSet::new(),
        declared: HashSet::new(),
        names: names(program),
        loops: Vec::new(),
        loop_count: 0,
    };
    let body = match &program.body.kind {
        // the interpreter knows the procedures of the prelude
        ExprKind::Letrec(bindings, body)
            if bindings
                .first()
                .is_some_and(|(var, _)| (var.0 as usize) < program.prelude) =>
        {
            body
        }
        _ => &program.body,
    };
    let form = encoder.expr(body)?;
    Ok(Encoded {
        program: list([form]),
        internal: encoder.internal,
        declared: encoder.declared,
    })
}

struct Encoder<'a> {
    program: &'a Program,
    names: Vec<Arc<str>>,
    /// The names of the loops around the expression at hand, innermost last.
    loops: Vec<Arc<str>>,
    loop_count: usize,
    settings: &'a SoftChoice,
    /// How many soft choices there were, and how much noise they use.
    choices: usize,
    draws: usize,
    internal: BTreeSet<Op>,
    declared: HashSet<usize>,
}

/// A name for each variable that stands for nothing else in the program: an interpreted scope hides nothing by accident.
fn names(program: &Program) -> Vec<Arc<str>> {
    let declared = program.declarations.iter().map(|d| d.name.clone());
    let imported = program.imports.iter();
    let imported = imported.map(|import| imported_name(&import.name));
    let others = program.free.iter().cloned().chain(imported);
    let mut taken: HashSet<Arc<str>> = declared.chain(others).collect();
    let mut names = Vec::with_capacity(program.vars.len());
    for (index, name) in program.vars.iter().enumerate() {
        let means_something =
            || expand::is_keyword(name) || expand::is_prelude(name) || ops::find(name).is_some();
        let mut own = name.clone();
        if index >= program.prelude && (means_something() || !taken.insert(own.clone())) {
            own = Arc::from(format!("{name}.{index}"));
            while !taken.insert(own.clone()) {
                own = Arc::from(format!("{own}."));
            }
        }
        names.push(own);
    }
    names
}

pub fn list(items: impl IntoIterator<Item = Constant>) -> Constant {
    Constant::List(items.into_iter().collect(), None)
}

pub fn word(name: &str) -> Constant {
    Constant::Symbol(Arc::from(name))
}

impl Encoder<'_> {
    fn var(&self, var: Var) -> Constant {
        Constant::Symbol(self.names[var.0 as usize].clone())
    }

    fn exprs(&mut self, exprs: &[Expr]) -> Result<Vec<Constant>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr(&mut self, expr: &Expr) -> Result<Constant> {
        Ok(match &expr.kind {
            ExprKind::Constant(value @ (Constant::Symbol(_) | Constant::List(..))) => {
                list([word("quote"), value.clone()])
            }
            ExprKind::Constant(value) => value.clone(),
            ExprKind::Var(var) => self.var(*var),
            ExprKind::Declared(index) => {
                self.declared.insert(*index);
                Constant::Symbol(self.program.declarations[*index].name.clone())
            }
            ExprKind::Free(name) => Constant::Symbol(name.clone()),
            ExprKind::Import(index) => {
                Constant::Symbol(imported_name(&self.program.imports[*index].name))
            }
            ExprKind::If(parts) => {
                let parts = self.exprs(&**parts)?;
                list(std::iter::once(word("if")).chain(parts))
            }
            ExprKind::Lambda(lambda) => self.lambda(lambda)?,
            ExprKind::Let(bindings, body) => {
                let bindings = self.bindings(bindings.iter().map(|(var, value)| (*var, value)))?;
                list([word("let"), bindings, self.expr(body)?])
            }
            ExprKind::Letrec(bindings, body) => self.letrec(bindings, body)?,
            ExprKind::Apply(head, arguments) => {
                let head = self.expr(head)?;
                let arguments = self.exprs(arguments)?;
                list(std::iter::once(head).chain(arguments))
            }
            ExprKind::Loop(bindings, body) => self.repeat(bindings, body)?,
            ExprKind::Recur(arguments) => {
                let head = self.loops.last().map(|name| Constant::Symbol(name.clone()));
                let arguments = self.exprs(arguments)?;
                list(head.into_iter().chain(arguments))
            }
            ExprKind::SoftChoice(options, weights) => {
                let options = self.exprs(options)?;
                let weights = self.expr(weights)?;
                let (index, draws) = (self.choices, self.draws);
                self.choices += 1;
                self.draws += options.len();
                let internal = &mut self.internal;
                write_out(options, weights, self.settings, index, draws, internal)
            }
        })
    }

    /// `((name value) …)`.
    fn bindings<'b>(
        &mut self,
        bindings: impl Iterator<Item = (Var, &'b Expr)>,
    ) -> Result<Constant> {
        let pairs = bindings.map(|(var, value)| {
            let value = self.expr(value)?;
            Ok(list([self.var(var), value]))
        });
        Ok(list(pairs.collect::<Result<Vec<Constant>>>()?))
    }

    fn lambda(&mut self, lambda: &Lambda) -> Result<Constant> {
        let params: Vec<Constant> = lambda.params.iter().map(|var| self.var(*var)).collect();
        let params = match lambda.rest.map(|rest| self.var(rest)) {
            Some(rest) if params.is_empty() => rest,
            rest => Constant::List(params.into(), rest.map(Arc::new)),
        };
        Ok(list([word("lambda"), params, self.expr(&lambda.body)?]))
    }

    /// One scope inside the other, so that only procedures that call each other share one.
    fn letrec(&mut self, bindings: &[(Var, Expr)], body: &Expr) -> Result<Constant> {
        let mut scopes = Vec::new();
        for group in groups(bindings, &self.program.vars)? {
            scopes.push(match group {
                Group::Value(var, value) => {
                    (word("let"), self.bindings(std::iter::once((var, value)))?)
                }
                Group::Procedures(procedures) => {
                    (word("letrec"), self.bindings(procedures.into_iter())?)
                }
            });
        }
        let body = self.expr(body)?;
        let nest = |body, (head, bindings)| list([head, bindings, body]);
        Ok(scopes.into_iter().rev().fold(body, nest))
    }

    /// `(letrec ((loop (lambda (name …) body))) (loop init …))`.
    fn repeat(&mut self, bindings: &[(Var, Expr)], body: &Expr) -> Result<Constant> {
        // "loop" is a form: no variable has such a name
        let name: Arc<str> = Arc::from(format!("loop:{}", self.loop_count));
        self.loop_count += 1;
        let states = list(bindings.iter().map(|(var, _)| self.var(*var)));
        let mut call = vec![Constant::Symbol(name.clone())];
        for (_, init) in bindings {
            call.push(self.expr(init)?);
        }
        self.loops.push(name.clone());
        let body = self.expr(body);
        self.loops.pop();
        let lambda = list([word("lambda"), states, body?]);
        let own = list([list([Constant::Symbol(name), lambda])]);
        Ok(list([word("letrec"), own, list(call)]))
    }
}
