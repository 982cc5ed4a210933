//! Operations as instructions.

use super::super::set::{Code, NUMERIC, function, tag};
use super::{Encoder, Entry, FALSE, Place, library};
use crate::error::{Error, Result};
use crate::graph::{NodeId, NodeKind};
use crate::ops::{Emit, Linear, Op, Role};
use crate::syntax::ast::Constant;

/// Most arguments of an operation that is a value and takes any number of them.
const MOST_OF_ANY: usize = 8;
/// Whole exponents up to this size become products.
const MAX_PRODUCT_EXPONENT: u64 = 16;

impl Encoder<'_> {
    /// The value of an operation of programs; `nodes` are its arguments where they are known.
    pub(super) fn operation(&mut self, op: Op, args: &[Place], nodes: &[NodeId]) -> Result<Place> {
        match op.row().role {
            Role::Numeric { .. } | Role::Defined(_) => self.arithmetic(op, args, nodes),
            _ => self.structural(op, args),
        }
    }

    fn arithmetic(&mut self, op: Op, args: &[Place], nodes: &[NodeId]) -> Result<Place> {
        let int = |value| Constant::Int(value);
        match (op, args) {
            (Op::Add, []) => Ok(self.constant(&int(0))),
            (Op::Mul, []) => Ok(self.constant(&int(1))),
            (Op::Sub, [x]) => self.number(Op::Neg, &[*x]),
            (Op::Div, [x]) => {
                let one = self.constant(&int(1));
                self.number(Op::Div, &[one, *x])
            }
            // a boolean alone becomes the number it counts as
            (Op::Add | Op::Mul | Op::Min | Op::Max, [x]) => {
                let one = self.constant(&int(1));
                self.number(Op::Mul, &[*x, one])
            }
            (Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Min | Op::Max, [first, rest @ ..]) => rest
                .iter()
                .try_fold(*first, |value, next| self.number(op, &[value, *next])),
            (Op::Equal | Op::Less | Op::Greater | Op::LessEqual | Op::GreaterEqual, args) => {
                let mut holds: Option<Place> = None;
                for pair in args.windows(2) {
                    let one = self.number(op, pair)?;
                    holds = Some(match holds {
                        Some(others) => self.number(Op::And, &[others, one])?,
                        None => one,
                    });
                }
                Ok(match holds {
                    Some(holds) => holds,
                    None => self.constant(&Constant::Bool(true)),
                })
            }
            (Op::Log, [x, base]) => {
                let x = self.number(Op::Log, &[*x])?;
                let base = self.number(Op::Log, &[*base])?;
                self.number(Op::Div, &[x, base])
            }
            (Op::Atan, [y, x]) => self.number(Op::Atan2, &[*y, *x]),
            (Op::Pow, [x, _]) => match nodes.get(1).map(|node| &self.graph.node(*node).kind) {
                Some(NodeKind::Constant(Constant::Int(n)))
                    if n.unsigned_abs() <= MAX_PRODUCT_EXPONENT =>
                {
                    self.whole_power(*x, *n)
                }
                _ => self.number(op, args),
            },
            _ => self.number(op, args),
        }
    }

    /// `x` to a whole power, by repeated squaring.
    fn whole_power(&mut self, x: Place, exponent: i64) -> Result<Place> {
        let (mut square, mut rest, mut product) = (x, exponent.unsigned_abs(), None);
        while rest > 0 {
            if rest & 1 == 1 {
                product = Some(match product {
                    None => square,
                    Some(product) => self.number(Op::Mul, &[product, square])?,
                });
            }
            rest >>= 1;
            if rest > 0 {
                square = self.number(Op::Mul, &[square, square])?;
            }
        }
        let one = self.constant(&Constant::Int(1));
        match (product, exponent < 0) {
            (None, _) => Ok(one),
            (Some(product), false) => Ok(product),
            (Some(product), true) => self.number(Op::Div, &[one, product]),
        }
    }

    /// An operation on numbers.
    fn number(&mut self, op: Op, args: &[Place]) -> Result<Place> {
        if let Role::Defined(definition) = op.row().role {
            let ids: Vec<NodeId> = (0..args.len() as u32).map(NodeId).collect();
            let mut written = Written {
                encoder: self,
                places: args.to_vec(),
                error: None,
            };
            let value = definition(&mut written, &ids);
            let Written { places, error, .. } = written;
            return match error {
                Some(error) => Err(error),
                None => Ok(places[value.index()]),
            };
        }
        if let (Op::Select, [test, a, b]) = (op, args) {
            return Ok(self.choose(*test, *a, *b));
        }
        let Some(function) = function(op) else {
            return Err(self.refuse(op.name()));
        };
        let to = self.slot();
        self.push((NUMERIC + function) as i64, args, to);
        Ok(to)
    }

    /// One of two values.
    fn choose(&mut self, test: Place, a: Place, b: Place) -> Place {
        let to = self.slot();
        let branch = self.emit(Code::Branch, &[test], FALSE);
        let leave = self.emit(Code::Move1, &[a], to);
        self.code[branch].other = self.code.len();
        self.emit(Code::Move1, &[b], to);
        self.code[leave].next = Some(self.code.len());
        to
    }

    fn structural(&mut self, op: Op, args: &[Place]) -> Result<Place> {
        let code = match op {
            Op::Cons => Code::Cons,
            Op::Car => Code::Car,
            Op::Cdr => Code::Cdr,
            Op::IsNull => Code::IsNull,
            Op::IsPair => Code::IsPair,
            Op::IsNumber | Op::IsReal => Code::IsNumber,
            Op::IsBoolean => Code::IsBoolean,
            Op::IsSymbol => Code::IsSymbol,
            Op::IsChar => Code::IsChar,
            Op::IsString => Code::IsString,
            Op::IsProcedure => Code::IsProcedure,
            Op::IsEq | Op::IsEqv => Code::IsEq,
            Op::Error => {
                self.emit(Code::Raise, &[], FALSE);
                return Ok(FALSE);
            }
            Op::NetworkInput => {
                let one = self.constant(&Constant::Real(1.0));
                return self.number(Op::Mul, &[args[0], one]);
            }
            // there are none
            Op::IsVector => return Ok(FALSE),
            Op::IsInteger => return self.is_integer(args[0]),
            Op::List => return Ok(self.list(args)),
            Op::Append => return self.append(args),
            op if library::has(op) => return self.listed(op, args),
            _ => return Err(self.refuse(op.name())),
        };
        let to = self.slot();
        self.emit(code, args, to);
        Ok(to)
    }

    pub(super) fn list(&mut self, items: &[Place]) -> Place {
        let nil = self.constant(&Constant::nil());
        items.iter().rev().fold(nil, |list, item| {
            let to = self.slot();
            self.emit(Code::Cons, &[*item, list], to);
            to
        })
    }

    fn append(&mut self, lists: &[Place]) -> Result<Place> {
        let Some((last, lists)) = lists.split_last() else {
            return Ok(self.constant(&Constant::nil()));
        };
        lists
            .iter()
            .rev()
            .try_fold(*last, |rest, list| self.listed(Op::Append, &[*list, rest]))
    }

    /// A call of a function of the library.
    fn listed(&mut self, op: Op, args: &[Place]) -> Result<Place> {
        let mut args = args.to_vec();
        if op == Op::Iota {
            let (start, step) = (
                self.constant(&Constant::Int(0)),
                self.constant(&Constant::Int(1)),
            );
            args.extend([start, step].iter().skip(args.len() - 1));
        }
        let target = self.library(op.name())?;
        let to = self.slot();
        self.call(target, &args, to)?;
        Ok(to)
    }

    /// Whether a value is a number without a fraction.
    fn is_integer(&mut self, x: Place) -> Result<Place> {
        let number = self.slot();
        self.emit(Code::IsNumber, &[x], number);
        let to = self.slot();
        let branch = self.emit(Code::Branch, &[number], FALSE);
        let floor = self.number(Op::Floor, &[x])?;
        let rest = self.number(Op::Sub, &[x, floor])?;
        let zero = self.constant(&Constant::Int(0));
        let whole = self.number(Op::Equal, &[rest, zero])?;
        let leave = self.emit(Code::Move1, &[whole], to);
        self.code[branch].other = self.code.len();
        self.emit(Code::Move1, &[FALSE], to);
        self.code[leave].next = Some(self.code.len());
        Ok(to)
    }

    /// An operation as a value: a closure.
    pub(super) fn wrapper(&mut self, op: Op) -> Result<Place> {
        if let Some(place) = self.wrapped.get(&op) {
            return Ok(*place);
        }
        if op == Op::Apply {
            return Err(self.refuse("apply as a value"));
        }
        let target = self.entries.len();
        self.entries.push(Entry::default());
        let place = self.fixed_closure(target);
        self.wrapped.insert(op, place);
        self.wrappers.push((op, target));
        Ok(place)
    }

    /// Writes the operations that are values: for each number of arguments there are instructions of their own.
    pub(super) fn write_wrappers(&mut self) -> Result<()> {
        while let Some((op, target)) = self.wrappers.pop() {
            let row = op.row();
            self.open();
            let start = self.code.len();
            self.entries[target] = Entry {
                closure: start,
                body: start,
            };
            let most = row.max.unwrap_or(MOST_OF_ANY);
            let first = self.slots(most);
            for count in row.min..=most {
                let tag = self.cell([count as f64, 0.0, -1.0]);
                let test = self.emit(Code::Count, &[Place::Slot(1), tag], FALSE);
                let args: Vec<Place> = (first..first + count as i64).map(Place::Slot).collect();
                let value = self.operation(op, &args, &[])?;
                self.give(value);
                self.code[test].other = self.code.len();
            }
            // a call with another number of arguments
            self.emit(Code::TailClosure, &[FALSE], FALSE);
            self.close();
        }
        Ok(())
    }

    /// The cell of the empty list.
    pub(super) fn nil(&mut self) -> Place {
        self.cell([tag::NIL as f64, 0.0, -1.0])
    }
}

/// Writes what definitions emit.
struct Written<'e, 'a> {
    encoder: &'e mut Encoder<'a>,
    places: Vec<Place>,
    error: Option<Error>,
}

impl Written<'_, '_> {
    fn place(&mut self, place: Place) -> NodeId {
        self.places.push(place);
        NodeId(self.places.len() as u32 - 1)
    }
}

impl Emit for Written<'_, '_> {
    fn op(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        let args: Vec<Place> = args.iter().map(|arg| self.places[arg.index()]).collect();
        match self.encoder.number(op, &args) {
            Ok(place) => self.place(place),
            Err(error) => {
                self.error.get_or_insert(error);
                self.place(FALSE)
            }
        }
    }

    fn linear(&mut self, linear: Linear, _: &[NodeId], _: usize) -> NodeId {
        let error = self.encoder.refuse(linear.name());
        self.error.get_or_insert(error);
        self.place(FALSE)
    }

    fn real(&mut self, value: f64) -> NodeId {
        let place = self.encoder.constant(&Constant::Real(value));
        self.place(place)
    }

    fn int(&mut self, value: i64) -> NodeId {
        let place = self.encoder.constant(&Constant::Int(value));
        self.place(place)
    }

    fn known(&self, _: NodeId) -> Option<f64> {
        None
    }
}
