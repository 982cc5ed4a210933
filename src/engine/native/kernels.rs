//! The functions of the table that a plan uses.

use super::step::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::kernel::{Binary, Pair, Unary};
use crate::ops::pair_kernels;
use crate::ops::real::Real;
use crate::ops::{Op, Role};

/// Functions of the table, each once.
pub struct Kernels<T> {
    /// Of one argument.
    pub unary: Vec<Unary<T>>,
    /// Of two arguments.
    pub binary: Vec<Binary<T>>,
    /// Of one argument, two at once.
    pub pairs: Vec<Pair<T>>,
    known: Vec<(Op, Code)>,
}

impl<T: Real> Kernels<T> {
    /// No functions.
    pub fn new() -> Kernels<T> {
        Kernels {
            unary: Vec::new(),
            binary: Vec::new(),
            pairs: pair_kernels().to_vec(),
            known: Vec::new(),
        }
    }

    /// The instruction for an operation.
    pub fn code(&mut self, op: Op) -> Result<Code> {
        if let Some(code) = Code::of(op) {
            return Ok(code);
        }
        if let Some((_, code)) = self.known.iter().find(|(known, _)| *known == op) {
            return Ok(*code);
        }
        let Role::Numeric {
            kernel: Some(kernel),
            ..
        } = op.row().role
        else {
            let message = format!("the native engine has no kernel for {}", op.name());
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let code = if let Some(unary) = kernel.unary() {
            self.unary.push(unary);
            Code::Unary(self.unary.len() as u16 - 1)
        } else {
            self.binary.extend(kernel.binary());
            Code::Binary(self.binary.len() as u16 - 1)
        };
        self.known.push((op, code));
        Ok(code)
    }
}
