//! A-normal form → general graph: one node a binding. Procedures become functions that take what they capture as
//! parameters (lambda lifting, Johnsson 1985), so that recursion needs no cyclic closures.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::anf::{Anf, Atom, Block, Procedure, Rhs, counted};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::graph::{Builder, Function, FunctionId, Graph, NodeId, NodeKind, RegionId, Type};
use crate::network::Network;
use crate::syntax::ast::{Import, Var};

/// Makes the general graph of a program; `networks` are the graphs of its imports.
pub fn lower(anf: &Anf, networks: &[Network]) -> Result<Graph> {
    let captures = captures(&anf.body)?;
    let mut lowerer = Lowerer {
        anf,
        networks,
        captures,
        functions: HashMap::new(),
        pending: Vec::new(),
        builder: Builder::new(anf.ports.clone()),
        nodes: HashMap::new(),
        in_function: false,
    };
    lowerer.declare(&anf.body);
    let result = lowerer.block(&anf.body)?;
    lowerer.in_function = true;
    while let Some((id, var, procedure)) = lowerer.pending.pop() {
        lowerer.function(id, var, &procedure)?;
    }
    Ok(lowerer.builder.finish_one(result))
}

/// A function that calls know.
#[derive(Clone, Copy)]
struct Callee {
    id: FunctionId,
    /// How many arguments it takes; with `rest`, at least.
    params: usize,
    rest: bool,
}

struct Lowerer<'a> {
    anf: &'a Anf,
    networks: &'a [Network],
    /// What each procedure captures, in order.
    captures: HashMap<Var, Vec<Var>>,
    functions: HashMap<Var, Callee>,
    /// Functions whose bodies are still to be lowered.
    pending: Vec<(FunctionId, Var, Arc<Procedure>)>,
    builder: Builder,
    /// The node of each variable of the function that is being lowered.
    nodes: HashMap<Var, NodeId>,
    in_function: bool,
}

impl Lowerer<'_> {
    fn name(&self, var: Var) -> &str {
        &self.anf.vars[var.0 as usize]
    }

    /// Registers the procedures of a block, so that calls of later ones are known.
    fn declare(&mut self, block: &Block) {
        for binding in &block.bindings {
            if let Rhs::Import(index) = &binding.rhs {
                let Import { name, weights, .. } = &self.anf.imports[*index];
                let network = &self.networks[*index];
                let callee = Callee {
                    id: network.define(&mut self.builder, name, weights),
                    params: network.inputs().count(),
                    rest: false,
                };
                self.functions.insert(binding.var, callee);
            }
            if let Rhs::Lambda(procedure) = &binding.rhs {
                let names = |vars: &[Var]| vars.iter().map(|v| Arc::from(self.name(*v))).collect();
                let function = Function {
                    name: Arc::from(self.name(binding.var)),
                    captures: names(&self.captures[&binding.var]),
                    params: names(&procedure.params),
                    rest: procedure.rest.is_some(),
                    body: RegionId(0),
                };
                let id = self.builder.function(function);
                let callee = Callee {
                    id,
                    params: procedure.params.len(),
                    rest: procedure.rest.is_some(),
                };
                self.functions.insert(binding.var, callee);
                self.pending.push((id, binding.var, procedure.clone()));
            }
        }
    }

    fn function(&mut self, id: FunctionId, var: Var, procedure: &Procedure) -> Result<()> {
        let mut vars = self.captures[&var].clone();
        vars.extend(procedure.params.iter().chain(&procedure.rest));
        let params = self.builder.open_function(vars.len());
        self.nodes = vars.into_iter().zip(params).collect();
        self.declare(&procedure.body);
        let result = self.block(&procedure.body)?;
        let body = self.builder.close_function(vec![result]);
        self.builder.function_mut(id).body = body;
        Ok(())
    }

    fn push(&mut self, kind: NodeKind, args: Vec<NodeId>, span: Span) -> NodeId {
        self.builder.span = span;
        self.builder.push(kind, args, Type::General)
    }

    /// The nodes of a block, in the innermost open region; the node of its value.
    fn block(&mut self, block: &Block) -> Result<NodeId> {
        for binding in &block.bindings {
            let span = binding.span;
            let node = match &binding.rhs {
                Rhs::Atom(atom) => self.atom(atom, span)?,
                Rhs::Op(op, atoms) => {
                    let args = self.atoms(atoms, span)?;
                    self.push(NodeKind::Op(*op), args, span)
                }
                Rhs::Call(head, atoms) => self.call(head, atoms, span)?,
                Rhs::If(test, then, otherwise) => {
                    let test = self.atom(test, span)?;
                    let then = self.arm(then)?;
                    let otherwise = self.arm(otherwise)?;
                    self.builder.span = span;
                    self.builder.branch(test, then, otherwise)[0]
                }
                // made where it is used: it may capture what is defined further down
                Rhs::Lambda(_) | Rhs::Import(_) => continue,
            };
            self.nodes.insert(binding.var, node);
        }
        self.atom(&block.result, block.span)
    }

    fn arm(&mut self, block: &Block) -> Result<RegionId> {
        self.declare(block);
        self.builder.open_region(&[]);
        let result = self.block(block)?;
        Ok(self.builder.close_region(vec![result]))
    }

    fn atoms(&mut self, atoms: &[Atom], span: Span) -> Result<Vec<NodeId>> {
        atoms.iter().map(|atom| self.atom(atom, span)).collect()
    }

    fn atom(&mut self, atom: &Atom, span: Span) -> Result<NodeId> {
        match atom {
            Atom::Var(var) if self.functions.contains_key(var) => {
                let id = self.functions[var].id;
                let captured = self.captured(*var, span)?;
                Ok(self.push(NodeKind::Closure(id), captured, span))
            }
            Atom::Var(var) => self.var(*var, span),
            Atom::Port(port) if self.in_function => {
                Ok(self.push(NodeKind::Port(*port as u32), vec![], span))
            }
            Atom::Port(port) => Ok(self.builder.port(*port)),
            Atom::Constant(value) => {
                self.builder.span = span;
                Ok(self.builder.constant(value.clone()))
            }
            Atom::Primitive(op) => Ok(self.push(NodeKind::Primitive(*op), vec![], span)),
        }
    }

    fn var(&self, var: Var, span: Span) -> Result<NodeId> {
        self.nodes.get(&var).copied().ok_or_else(|| {
            let message = format!("\"{}\" is used here before it is defined", self.name(var));
            Error::new(ErrorKind::Compile, message).at(span)
        })
    }

    fn captured(&mut self, function: Var, span: Span) -> Result<Vec<NodeId>> {
        let vars = self.captures[&function].clone();
        vars.into_iter().map(|var| self.var(var, span)).collect()
    }

    fn call(&mut self, head: &Atom, atoms: &[Atom], span: Span) -> Result<NodeId> {
        if let Atom::Var(var) = head
            && let Some(Callee { id, params, rest }) = self.functions.get(var).copied()
        {
            if atoms.len() < params || (!rest && atoms.len() > params) {
                let message = arity_message(self.name(*var), params, rest, atoms.len());
                return Err(Error::new(ErrorKind::Compile, message).at(span));
            }
            let mut args = self.captured(*var, span)?;
            args.extend(self.atoms(atoms, span)?);
            return Ok(self.push(NodeKind::Call(id), args, span));
        }
        let mut args = vec![self.atom(head, span)?];
        args.extend(self.atoms(atoms, span)?);
        Ok(self.push(NodeKind::Apply, args, span))
    }
}

/// What is said of a procedure that was given the wrong number of arguments.
pub fn arity_message(name: &str, wanted: usize, rest: bool, given: usize) -> String {
    let name = match name.starts_with('%') {
        true => "this procedure".to_string(),
        false => format!("\"{name}\""),
    };
    let least = if rest { "at least " } else { "" };
    format!("{name} takes {least}{}, not {given}", counted(wanted))
}

/// Most captured variables, all procedures together.
const MAX_CAPTURES: usize = 5_000_000;

/// What each procedure of a program captures: its free variables and, for procedures among them, what those capture.
fn captures(body: &Block) -> Result<HashMap<Var, Vec<Var>>> {
    let mut walk = Walk::default();
    walk.block(body, &mut HashSet::new());
    let mut sets: HashMap<Var, BTreeSet<u32>> = HashMap::new();
    let mut users: HashMap<Var, Vec<Var>> = HashMap::new();
    let mut news: Vec<(Var, u32)> = Vec::new();
    for (procedure, free) in &walk.free {
        let set = sets.entry(*procedure).or_default();
        for var in free {
            if walk.free.contains_key(var) {
                users.entry(*var).or_default().push(*procedure);
            } else if set.insert(var.0) {
                news.push((*procedure, var.0));
            }
        }
    }
    let mut count = news.len();
    while let Some((procedure, var)) = news.pop() {
        for user in users.get(&procedure).into_iter().flatten() {
            if sets.entry(*user).or_default().insert(var) {
                news.push((*user, var));
                count += 1;
            }
        }
        if count > MAX_CAPTURES {
            let message = format!("the procedures capture more than {MAX_CAPTURES} variables");
            return Err(Error::new(ErrorKind::Limit, message));
        }
    }
    let ordered = |set: BTreeSet<u32>| set.into_iter().map(Var).collect();
    Ok(sets
        .into_iter()
        .map(|(var, set)| (var, ordered(set)))
        .collect())
}

/// Collects the free variables of each procedure.
#[derive(Default)]
struct Walk {
    free: HashMap<Var, HashSet<Var>>,
}

impl Walk {
    /// Adds the variables that `block` uses and does not bind to `used`.
    fn block(&mut self, block: &Block, used: &mut HashSet<Var>) {
        let mut inner = HashSet::new();
        let mut bound = HashSet::new();
        for binding in &block.bindings {
            bound.insert(binding.var);
            match &binding.rhs {
                Rhs::Atom(atom) => Self::atom(atom, &mut inner),
                Rhs::Op(_, atoms) => atoms.iter().for_each(|atom| Self::atom(atom, &mut inner)),
                Rhs::Call(head, atoms) => {
                    Self::atom(head, &mut inner);
                    atoms.iter().for_each(|atom| Self::atom(atom, &mut inner));
                }
                Rhs::If(test, then, otherwise) => {
                    Self::atom(test, &mut inner);
                    self.block(then, &mut inner);
                    self.block(otherwise, &mut inner);
                }
                Rhs::Import(_) => {
                    self.free.insert(binding.var, HashSet::new());
                }
                Rhs::Lambda(procedure) => {
                    let mut free = HashSet::new();
                    self.block(&procedure.body, &mut free);
                    for param in procedure.params.iter().chain(&procedure.rest) {
                        free.remove(param);
                    }
                    inner.extend(free.iter().copied());
                    self.free.insert(binding.var, free);
                }
            }
        }
        Self::atom(&block.result, &mut inner);
        used.extend(inner.difference(&bound));
    }

    fn atom(atom: &Atom, used: &mut HashSet<Var>) {
        if let Atom::Var(var) = atom {
            used.insert(*var);
        }
    }
}
