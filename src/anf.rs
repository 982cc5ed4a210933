//! Core AST → A-normal form (Flanagan et al., "The essence of compiling with continuations", 1993): every compound
//! subexpression gets a name, so that each binding becomes one node of the graph.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result, Span};
use crate::graph::{Port, PortKind};
pub use crate::ops::wording::counted;
use crate::ops::{self, Op, Role};
use crate::syntax::ast::{Constant, Expr, ExprKind, Import, Lambda, Program, Var};

/// A program in A-normal form.
#[derive(Clone, Debug)]
pub struct Anf {
    /// Inputs and parameters: the declared ones in order, then the free names in order of appearance.
    pub ports: Vec<Port>,
    /// The networks that are imported; their weights are indices into the ports.
    pub imports: Vec<Import>,
    /// The name of each variable, each name once.
    pub vars: Vec<String>,
    /// The program.
    pub body: Block,
}

/// Bindings in order, and the value of the whole.
#[derive(Clone, Debug)]
pub struct Block {
    /// What is computed. A procedure is visible in all of its block.
    pub bindings: Vec<Binding>,
    /// The value.
    pub result: Atom,
    /// Where the value stands.
    pub span: Span,
}

/// One named value.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Its name.
    pub var: Var,
    /// What computes it.
    pub rhs: Rhs,
    /// Where it stands.
    pub span: Span,
}

/// A value that needs no computation.
#[derive(Clone, Debug, PartialEq)]
pub enum Atom {
    /// A variable.
    Var(Var),
    /// An input or parameter.
    Port(usize),
    /// A constant.
    Constant(Constant),
    /// A primitive as a value.
    Primitive(Op),
}

/// A procedure.
#[derive(Clone, Debug)]
pub struct Procedure {
    /// Fixed parameters.
    pub params: Vec<Var>,
    /// The parameter that takes the remaining arguments.
    pub rest: Option<Var>,
    /// Its body.
    pub body: Block,
}

/// A computation on atoms.
#[derive(Clone, Debug)]
pub enum Rhs {
    /// Another name for an atom that is not known yet where it is used.
    Atom(Atom),
    /// A primitive.
    Op(Op, Vec<Atom>),
    /// A procedure call.
    Call(Atom, Vec<Atom>),
    /// A branch.
    If(Atom, Block, Block),
    /// A procedure.
    Lambda(Arc<Procedure>),
    /// The procedure of a network: an index into [`Anf::imports`].
    Import(usize),
}

/// Normalises a program.
pub fn normalize(program: &Program) -> Result<Anf> {
    let declared = program.declarations.iter().map(|d| Port {
        name: d.name.clone(),
        kind: match d.initial {
            None => PortKind::Input,
            Some(initial) => PortKind::Parameter {
                initial,
                lower: d.lower,
                upper: d.upper,
            },
        },
    });
    let mut ports: Vec<Port> = declared.collect();
    let mut free = HashMap::new();
    for name in program.free.iter().filter(|name| public(name).is_none()) {
        free.insert(name.clone(), ports.len());
        ports.push(Port {
            name: name.clone(),
            kind: PortKind::Input,
        });
    }
    let mut normalizer = Normalizer {
        vars: program.var_names(),
        free,
        alias: HashMap::new(),
        temporaries: 0,
        loops: Vec::new(),
    };
    let body = normalizer.block(&program.body)?;
    let Normalizer { vars, .. } = normalizer;
    Ok(Anf {
        ports,
        // the declarations are the first ports
        imports: program.imports.clone(),
        vars,
        body,
    })
}

/// The primitive that programs know by this name.
fn public(name: &str) -> Option<Op> {
    ops::find(name).filter(|op| op.row().public)
}

struct Normalizer {
    vars: Vec<String>,
    /// The port of each free name.
    free: HashMap<Arc<str>, usize>,
    /// Variables that are other names of atoms.
    alias: HashMap<Var, Atom>,
    temporaries: usize,
    /// The loops around the expression at hand, innermost last: their procedures, and how many states they have.
    loops: Vec<(Var, usize)>,
}

impl Normalizer {
    fn block(&mut self, expr: &Expr) -> Result<Block> {
        let mut bindings = Vec::new();
        let result = self.atom(expr, None, &mut bindings)?;
        Ok(Block {
            bindings,
            result,
            span: expr.span,
        })
    }

    fn bind(&mut self, var: Option<Var>, rhs: Rhs, span: Span, out: &mut Vec<Binding>) -> Atom {
        let var = var.unwrap_or_else(|| {
            self.temporaries += 1;
            self.vars.push(format!("%{}", self.temporaries));
            Var(self.vars.len() as u32 - 1)
        });
        out.push(Binding { var, rhs, span });
        Atom::Var(var)
    }

    fn atoms(&mut self, exprs: &[Expr], out: &mut Vec<Binding>) -> Result<Vec<Atom>> {
        exprs
            .iter()
            .map(|expr| self.atom(expr, None, out))
            .collect()
    }

    /// Normalises `expr`; what it computes is bound to `var`, else to a fresh variable.
    fn atom(&mut self, expr: &Expr, var: Option<Var>, out: &mut Vec<Binding>) -> Result<Atom> {
        match &expr.kind {
            ExprKind::Constant(value) => Ok(Atom::Constant(value.clone())),
            ExprKind::Var(var) => Ok(self.alias.get(var).cloned().unwrap_or(Atom::Var(*var))),
            ExprKind::Declared(index) => Ok(Atom::Port(*index)),
            ExprKind::Free(name) => self.free_name(name, expr.span),
            ExprKind::Import(index) => Ok(self.bind(var, Rhs::Import(*index), expr.span, out)),
            ExprKind::If(parts) => {
                let [test, then, otherwise] = &**parts;
                let test = self.atom(test, None, out)?;
                let (then, otherwise) = (self.block(then)?, self.block(otherwise)?);
                Ok(self.bind(var, Rhs::If(test, then, otherwise), expr.span, out))
            }
            ExprKind::Lambda(lambda) => {
                let procedure = self.procedure(lambda)?;
                Ok(self.bind(var, Rhs::Lambda(Arc::new(procedure)), expr.span, out))
            }
            ExprKind::Let(bindings, body) => {
                for (var, value) in bindings {
                    let atom = self.atom(value, Some(*var), out)?;
                    if atom != Atom::Var(*var) {
                        self.alias.insert(*var, atom);
                    }
                }
                self.atom(body, var, out)
            }
            ExprKind::Letrec(bindings, body) => {
                // procedures may use constants that are defined further down
                for (var, value) in bindings {
                    if let ExprKind::Constant(value) = &value.kind {
                        self.alias.insert(*var, Atom::Constant(value.clone()));
                    }
                }
                for (var, value) in bindings {
                    let atom = self.atom(value, Some(*var), out)?;
                    if atom != Atom::Var(*var) && !self.alias.contains_key(var) {
                        self.bind(Some(*var), Rhs::Atom(atom), value.span, out);
                    }
                }
                self.atom(body, var, out)
            }
            ExprKind::Apply(head, arguments) => self.apply(head, arguments, expr.span, var, out),
            ExprKind::Loop(bindings, body) => self.repeat(bindings, body, expr.span, var, out),
            ExprKind::Recur(arguments) => match self.loops.last().copied() {
                Some((head, states)) if arguments.len() == states => {
                    let atoms = self.atoms(arguments, out)?;
                    Ok(self.bind(var, Rhs::Call(Atom::Var(head), atoms), expr.span, out))
                }
                Some((_, states)) => {
                    let (given, wanted) = (counted(arguments.len()), counted(states));
                    let message = format!("\"recur\" takes {wanted} in this loop, not {given}");
                    Err(Error::new(ErrorKind::Compile, message).at(expr.span))
                }
                None => Err(misplaced_recur(expr.span)),
            },
            ExprKind::SoftChoice(options, weights) => {
                let mut atoms = self.atoms(options, out)?;
                atoms.push(self.atom(weights, None, out)?);
                Ok(self.bind(var, Rhs::Op(Op::SoftChoice, atoms), expr.span, out))
            }
        }
    }

    /// A loop is a procedure that calls itself in tail position, and is called with the first states.
    fn repeat(
        &mut self,
        bindings: &[(Var, Expr)],
        body: &Expr,
        span: Span,
        var: Option<Var>,
        out: &mut Vec<Binding>,
    ) -> Result<Atom> {
        check_recur(body)?;
        self.vars.push("loop".into());
        let head = Var(self.vars.len() as u32 - 1);
        let (states, inits): (Vec<Var>, Vec<&Expr>) =
            bindings.iter().map(|(state, init)| (*state, init)).unzip();
        let inits = inits
            .into_iter()
            .map(|init| self.atom(init, None, out))
            .collect::<Result<Vec<Atom>>>()?;
        self.loops.push((head, states.len()));
        let body = self.block(body)?;
        self.loops.pop();
        let procedure = Procedure {
            params: states,
            rest: None,
            body,
        };
        self.bind(Some(head), Rhs::Lambda(Arc::new(procedure)), span, out);
        Ok(self.bind(var, Rhs::Call(Atom::Var(head), inits), span, out))
    }

    fn procedure(&mut self, lambda: &Lambda) -> Result<Procedure> {
        // the body of a procedure is in no loop around it
        let loops = std::mem::take(&mut self.loops);
        let body = self.block(&lambda.body)?;
        self.loops = loops;
        Ok(Procedure {
            params: lambda.params.clone(),
            rest: lambda.rest,
            body,
        })
    }

    fn free_name(&self, name: &Arc<str>, span: Span) -> Result<Atom> {
        match (self.free.get(name), public(name)) {
            (Some(port), _) => Ok(Atom::Port(*port)),
            (None, Some(op)) if matches!(op.row().role, Role::Missing) => Err(missing(name, span)),
            (None, Some(op)) => Ok(Atom::Primitive(op)),
            (None, None) => Err(self.unbound(name, span)),
        }
    }

    /// A free name in front of arguments is no input: it must be a procedure.
    fn unbound(&self, name: &Arc<str>, span: Span) -> Error {
        if composed(name) {
            return missing(name, span);
        }
        let bound = self
            .vars
            .iter()
            .map(String::as_str)
            .filter(|name| !name.starts_with(['%', '_']));
        let hint = match ops::nearest(name, bound) {
            Some(near) => format!("; did you mean \"{near}\"?"),
            None => ": define it, or spell it as a primitive".to_string(),
        };
        Error::new(
            ErrorKind::Compile,
            format!("unbound variable \"{name}\"{hint}"),
        )
        .at(span)
    }

    fn apply(
        &mut self,
        head: &Expr,
        arguments: &[Expr],
        span: Span,
        var: Option<Var>,
        out: &mut Vec<Binding>,
    ) -> Result<Atom> {
        if let ExprKind::Free(name) = &head.kind
            && public(name).is_none()
        {
            return Err(self.unbound(name, head.span));
        }
        // ((lambda (x …) body) e …) is a let
        if let ExprKind::Lambda(lambda) = &head.kind
            && lambda.rest.is_none()
            && lambda.params.len() == arguments.len()
        {
            let atoms = self.atoms(arguments, out)?;
            for (param, atom) in lambda.params.iter().zip(atoms) {
                self.alias.insert(*param, atom);
            }
            return self.atom(&lambda.body, var, out);
        }
        let head_atom = self.atom(head, None, out)?;
        match &head_atom {
            Atom::Primitive(op) => {
                let row = op.row();
                let count = arguments.len();
                if count < row.min || row.max.is_some_and(|max| count > max) {
                    return Err(Error::new(ErrorKind::Compile, arity_message(row, count)).at(span));
                }
                let atoms = self.atoms(arguments, out)?;
                Ok(self.bind(var, Rhs::Op(*op, atoms), span, out))
            }
            Atom::Constant(value) => {
                let message = format!("{value} is no procedure: it cannot be applied");
                Err(Error::new(ErrorKind::Compile, message).at(span))
            }
            _ => {
                let atoms = self.atoms(arguments, out)?;
                Ok(self.bind(var, Rhs::Call(head_atom, atoms), span, out))
            }
        }
    }
}

fn misplaced_recur(span: Span) -> Error {
    let message = "\"recur\" may stand only in tail position of a loop";
    Error::new(ErrorKind::Compile, message).at(span)
}

/// Checks that each `recur` of the loop with this body stands in tail position.
fn check_recur(body: &Expr) -> Result<()> {
    let mut open = vec![(body, true)];
    while let Some((expr, tail)) = open.pop() {
        match &expr.kind {
            ExprKind::Recur(_) if !tail => return Err(misplaced_recur(expr.span)),
            ExprKind::Recur(arguments) => open.extend(arguments.iter().map(|e| (e, false))),
            ExprKind::If(parts) => {
                let [test, then, otherwise] = &**parts;
                open.extend([(test, false), (then, tail), (otherwise, tail)]);
            }
            ExprKind::Let(bindings, body) | ExprKind::Letrec(bindings, body) => {
                open.extend(bindings.iter().map(|(_, value)| (value, false)));
                open.push((body, tail));
            }
            ExprKind::Apply(head, arguments) => {
                open.push((head, false));
                open.extend(arguments.iter().map(|e| (e, false)));
            }
            ExprKind::SoftChoice(options, weights) => {
                open.push((weights, false));
                open.extend(options.iter().map(|e| (e, false)));
            }
            // the body of a loop inside has its own
            ExprKind::Loop(bindings, _) => {
                open.extend(bindings.iter().map(|(_, init)| (init, false)));
            }
            ExprKind::Lambda(lambda) => open.push((&lambda.body, false)),
            ExprKind::Constant(_)
            | ExprKind::Var(_)
            | ExprKind::Declared(_)
            | ExprKind::Free(_)
            | ExprKind::Import(_) => {}
        }
    }
    Ok(())
}

/// What is said of a primitive that was given the wrong number of arguments.
pub fn arity_message(row: &ops::Row, given: usize) -> String {
    let wanted = match (row.min, row.max) {
        (min, Some(max)) if min == max => counted(min),
        (min, Some(max)) => format!("{min} to {}", counted(max)),
        (min, None) => format!("at least {}", counted(min)),
    };
    format!("\"{}\" takes {wanted}, not {given}", row.name)
}

/// `cadr`, `cddar`, …: two to four of `car` and `cdr` in one name.
fn composed(name: &str) -> bool {
    let steps = name
        .strip_prefix('c')
        .and_then(|rest| rest.strip_suffix('r'));
    steps.is_some_and(|s| (2..=4).contains(&s.len()) && s.bytes().all(|b| matches!(b, b'a' | b'd')))
}

fn missing(name: &str, span: Span) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("\"{name}\" is not supported in this version"),
    )
    .at(span)
}

impl fmt::Display for Anf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for port in &self.ports {
            match port.kind {
                PortKind::Input => writeln!(f, "input {}", port.name)?,
                PortKind::Parameter { initial, .. } => {
                    writeln!(f, "parameter {} = {initial:?}", port.name)?
                }
            }
        }
        self.show_block(f, &self.body, 0)
    }
}

impl Anf {
    fn show_atom(&self, atom: &Atom) -> String {
        match atom {
            Atom::Var(var) => self.vars[var.0 as usize].clone(),
            Atom::Port(port) => self.ports[*port].name.to_string(),
            Atom::Constant(c @ (Constant::Symbol(_) | Constant::List(..))) => format!("'{c}"),
            Atom::Constant(c) => c.to_string(),
            Atom::Primitive(op) => op.name().to_string(),
        }
    }

    fn show_block(&self, f: &mut fmt::Formatter<'_>, block: &Block, indent: usize) -> fmt::Result {
        let pad = "  ".repeat(indent);
        let list = |head: &str, atoms: &[Atom]| {
            let mut words = vec![head.to_string()];
            words.extend(atoms.iter().map(|atom| self.show_atom(atom)));
            format!("({})", words.join(" "))
        };
        for binding in &block.bindings {
            write!(f, "{pad}{} = ", self.vars[binding.var.0 as usize])?;
            match &binding.rhs {
                Rhs::Atom(atom) => writeln!(f, "{}", self.show_atom(atom))?,
                Rhs::Op(op, atoms) => writeln!(f, "{}", list(op.name(), atoms))?,
                Rhs::Call(head, atoms) => writeln!(f, "{}", list(&self.show_atom(head), atoms))?,
                Rhs::If(test, then, otherwise) => {
                    writeln!(f, "if {}", self.show_atom(test))?;
                    self.show_block(f, then, indent + 1)?;
                    writeln!(f, "{pad}else")?;
                    self.show_block(f, otherwise, indent + 1)?;
                }
                Rhs::Import(index) => writeln!(f, "import {:?}", self.imports[*index].file)?,
                Rhs::Lambda(procedure) => {
                    let names = procedure
                        .params
                        .iter()
                        .map(|p| self.vars[p.0 as usize].as_str());
                    let names: Vec<&str> = names.collect();
                    let rest = procedure
                        .rest
                        .map_or(String::new(), |r| format!(" . {}", self.vars[r.0 as usize]));
                    writeln!(f, "lambda ({}{rest})", names.join(" "))?;
                    self.show_block(f, &procedure.body, indent + 1)?;
                }
            }
        }
        writeln!(f, "{pad}{}", self.show_atom(&block.result))
    }
}
