//! Soft choices written out in the core language.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::encode::{list, word};
use crate::ops::{Emit, Linear, NodeId, Op, Role, SoftChoice, soft_choice};
use crate::syntax::ast::Constant;

/// An expression that binds what it computes one after the other.
pub struct Written<'a> {
    /// A name or a constant for each value.
    atoms: Vec<Constant>,
    /// The bindings, in order.
    bindings: Vec<(Constant, Constant)>,
    /// The operations that programs have no names for.
    internal: &'a mut BTreeSet<Op>,
    prefix: String,
}

/// The name that programs as data have for an operation that the language does not name.
pub fn internal_name(op: Op) -> Arc<str> {
    Arc::from(format!("operation:{}", op.name()))
}

/// The form of a soft choice between `options`; `index` tells it from others, `draws` is how much noise others have used.
pub fn write_out(
    options: Vec<Constant>,
    weights: Constant,
    settings: &SoftChoice,
    index: usize,
    draws: usize,
    internal: &mut BTreeSet<Op>,
) -> Constant {
    let mut written = Written {
        atoms: Vec::new(),
        bindings: Vec::new(),
        internal,
        prefix: format!("choice:{index}"),
    };
    let options: Vec<NodeId> = options.into_iter().map(|e| written.bind(e)).collect();
    let weights = written.bind(weights);
    let count = written.int(options.len() as i64);
    let checked = written.op(Op::SoftWeights, &[weights, count]);
    let weights: Vec<NodeId> = (0..options.len() as i64)
        .map(|i| {
            let index = written.int(i);
            written.op(Op::Ref, &[checked, index])
        })
        .collect();
    let value = soft_choice(&mut written, &options, &weights, settings, draws);
    let result = written.atoms[value.index()].clone();
    let nest = |body, (name, value)| list([word("let"), list([list([name, value])]), body]);
    written.bindings.into_iter().rev().fold(result, nest)
}

impl Written<'_> {
    fn atom(&mut self, atom: Constant) -> NodeId {
        self.atoms.push(atom);
        NodeId(self.atoms.len() as u32 - 1)
    }

    fn bind(&mut self, value: Constant) -> NodeId {
        let name = word(&format!("{}.{}", self.prefix, self.bindings.len()));
        self.bindings.push((name.clone(), value));
        self.atom(name)
    }
}

impl Emit for Written<'_> {
    fn op(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        let row = op.row();
        if let Role::Defined(definition) = row.role {
            return definition(self, args);
        }
        let head = match row.public {
            true => word(row.name),
            false => {
                self.internal.insert(op);
                Constant::Symbol(internal_name(op))
            }
        };
        let args = args.iter().map(|arg| self.atoms[arg.index()].clone());
        let form = list(std::iter::once(head).chain(args));
        self.bind(form)
    }

    fn linear(&mut self, _: Linear, args: &[NodeId], _: usize) -> NodeId {
        // a soft choice has no linear algebra
        args[0]
    }

    fn real(&mut self, value: f64) -> NodeId {
        self.atom(Constant::Real(value))
    }

    fn int(&mut self, value: i64) -> NodeId {
        self.atom(Constant::Int(value))
    }

    fn known(&self, node: NodeId) -> Option<f64> {
        self.atoms[node.index()].as_real()
    }
}
