//! Prints the core AST as Scheme text: one form a line, variables numbered where a name is bound more than once.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::ast::{Constant, Expr, ExprKind, Lambda, Program, Var};

impl Program {
    /// The name of `var`, with its number behind a dot where the program binds that name more than once.
    pub fn var_names(&self) -> Vec<String> {
        let mut seen: HashMap<&Arc<str>, usize> = HashMap::new();
        let mut names = Vec::with_capacity(self.vars.len());
        for name in &self.vars {
            let count = seen.entry(name).or_insert(0);
            names.push(match *count {
                0 => name.to_string(),
                n => format!("{name}.{n}"),
            });
            *count += 1;
        }
        names
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for d in &self.declarations {
            match d.initial {
                None => writeln!(f, "(input {})", d.name)?,
                Some(initial) => {
                    write!(f, "(parameter {} {}", d.name, Constant::Real(initial))?;
                    if d.lower > f64::NEG_INFINITY || d.upper < f64::INFINITY {
                        let (lower, upper) = (Constant::Real(d.lower), Constant::Real(d.upper));
                        write!(f, " {lower} {upper}")?;
                    }
                    writeln!(f, ")")?;
                }
            }
        }
        let printer = Printer {
            program: self,
            names: self.var_names(),
        };
        printer.expr(f, &self.body, 0)?;
        writeln!(f)
    }
}

struct Printer<'a> {
    program: &'a Program,
    names: Vec<String>,
}

impl Printer<'_> {
    fn var(&self, var: Var) -> &str {
        &self.names[var.0 as usize]
    }

    fn expr(&self, f: &mut fmt::Formatter<'_>, expr: &Expr, indent: usize) -> fmt::Result {
        match &expr.kind {
            ExprKind::Constant(c @ (Constant::Symbol(_) | Constant::List(..))) => write!(f, "'{c}"),
            ExprKind::Constant(c) => write!(f, "{c}"),
            ExprKind::Var(var) => f.write_str(self.var(*var)),
            ExprKind::Declared(i) => f.write_str(&self.program.declarations[*i].name),
            ExprKind::Free(name) => f.write_str(name),
            ExprKind::Import(i) => write!(f, "(import {:?})", self.program.imports[*i].file),
            ExprKind::If(parts) => self.form(f, "if", parts.iter(), indent),
            ExprKind::Lambda(lambda) => self.lambda(f, lambda, indent),
            ExprKind::Let(bindings, body) => self.binder(f, "let", bindings, body, indent),
            ExprKind::Letrec(bindings, body) => self.binder(f, "letrec*", bindings, body, indent),
            ExprKind::Loop(bindings, body) => self.binder(f, "loop", bindings, body, indent),
            ExprKind::Apply(head, arguments) => {
                f.write_str("(")?;
                self.expr(f, head, indent + 1)?;
                self.rest(f, arguments.iter(), indent)
            }
            ExprKind::Recur(arguments) => self.form(f, "recur", arguments.iter(), indent),
            ExprKind::SoftChoice(options, weights) => {
                f.write_str("(soft-choice (")?;
                for (i, option) in options.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { " " })?;
                    self.expr(f, option, indent + 2)?;
                }
                f.write_str(")")?;
                self.rest(f, std::iter::once(&**weights), indent)
            }
        }
    }

    fn form<'a>(
        &self,
        f: &mut fmt::Formatter<'_>,
        head: &str,
        parts: impl Iterator<Item = &'a Expr>,
        indent: usize,
    ) -> fmt::Result {
        write!(f, "({head}")?;
        self.rest(f, parts, indent)
    }

    fn rest<'a>(
        &self,
        f: &mut fmt::Formatter<'_>,
        parts: impl Iterator<Item = &'a Expr>,
        indent: usize,
    ) -> fmt::Result {
        for part in parts {
            f.write_str(" ")?;
            self.expr(f, part, indent + 1)?;
        }
        f.write_str(")")
    }

    fn lambda(&self, f: &mut fmt::Formatter<'_>, lambda: &Lambda, indent: usize) -> fmt::Result {
        let params: Vec<&str> = lambda.params.iter().map(|p| self.var(*p)).collect();
        match lambda.rest {
            None => write!(f, "(lambda ({})", params.join(" "))?,
            Some(rest) if params.is_empty() => write!(f, "(lambda {}", self.var(rest))?,
            Some(rest) => write!(f, "(lambda ({} . {})", params.join(" "), self.var(rest))?,
        }
        self.line(f, indent + 1)?;
        self.expr(f, &lambda.body, indent + 1)?;
        f.write_str(")")
    }

    fn binder(
        &self,
        f: &mut fmt::Formatter<'_>,
        head: &str,
        bindings: &[(Var, Expr)],
        body: &Expr,
        indent: usize,
    ) -> fmt::Result {
        write!(f, "({head} (")?;
        for (i, (var, value)) in bindings.iter().enumerate() {
            if i > 0 {
                self.line(f, indent + 2)?;
            }
            write!(f, "({} ", self.var(*var))?;
            self.expr(f, value, indent + 3)?;
            f.write_str(")")?;
        }
        f.write_str(")")?;
        self.line(f, indent + 1)?;
        self.expr(f, body, indent + 1)?;
        f.write_str(")")
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        write!(f, "\n{:width$}", "", width = indent * 2)
    }
}
