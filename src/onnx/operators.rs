//! The operators, attributes and constants that [`super::import`] knows, and how it says what it does not.

use super::form::Element;
use super::proto::tensor_proto::{DataLocation, DataType};
use super::proto::{NodeProto, TensorProto};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::Op;
use crate::syntax::ast::Constant;

pub(super) fn bad(message: &str) -> Error {
    Error::new(
        ErrorKind::Format,
        format!("not a valid ONNX model: {message}"),
    )
}

pub(super) fn unsupported(message: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("the ONNX model cannot be read as a graph of numbers: {message}"),
    )
}

/// How the file holds a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// In the element type of the file.
    Number,
    /// As a tensor of booleans.
    Truth,
    /// As an integer.
    Integer,
}

/// The attributes of a node that have not been looked at.
pub(super) struct Attributes<'a> {
    user: &'a str,
    left: Vec<(&'a str, i64)>,
}

impl<'a> Attributes<'a> {
    /// All must be integers, as those of the operators that are known.
    pub(super) fn of(node: &'a NodeProto, user: &'a str) -> Result<Attributes<'a>> {
        let attributes = node.attribute.iter().map(|attribute| match attribute.i {
            Some(value) => Ok((attribute.name(), value)),
            None => Err(unsupported(&format!(
                "{user} has the attribute {:?}",
                attribute.name()
            ))),
        });
        Ok(Attributes {
            user,
            left: attributes.collect::<Result<_>>()?,
        })
    }

    pub(super) fn take(&mut self, name: &str) -> Option<i64> {
        let at = self.left.iter().position(|(key, _)| *key == name)?;
        Some(self.left.swap_remove(at).1)
    }

    /// An attribute that changes nothing here.
    pub(super) fn ignore(&mut self, name: &str) {
        self.take(name);
    }

    pub(super) fn end(self) -> Result<()> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => Err(unsupported(&format!(
                "{} has the attribute {name:?}",
                self.user
            ))),
        }
    }
}

/// An operator that works element by element: the operation, its inputs' number and kind, the kind of its output.
pub(super) fn elementwise(operator: &str) -> Option<(Op, usize, Kind, Kind)> {
    use Kind::{Number, Truth};
    Some(match operator {
        "Add" => (Op::Add, 2, Number, Number),
        "Sub" => (Op::Sub, 2, Number, Number),
        "Mul" => (Op::Mul, 2, Number, Number),
        "Div" => (Op::Div, 2, Number, Number),
        "Pow" => (Op::Pow, 2, Number, Number),
        "Neg" => (Op::Neg, 1, Number, Number),
        "Abs" => (Op::Abs, 1, Number, Number),
        "Sign" => (Op::Sign, 1, Number, Number),
        "Sqrt" => (Op::Sqrt, 1, Number, Number),
        "Exp" => (Op::Exp, 1, Number, Number),
        "Log" => (Op::Log, 1, Number, Number),
        "Sin" => (Op::Sin, 1, Number, Number),
        "Cos" => (Op::Cos, 1, Number, Number),
        "Tan" => (Op::Tan, 1, Number, Number),
        "Asin" => (Op::Asin, 1, Number, Number),
        "Acos" => (Op::Acos, 1, Number, Number),
        "Atan" => (Op::Atan, 1, Number, Number),
        "Sinh" => (Op::Sinh, 1, Number, Number),
        "Cosh" => (Op::Cosh, 1, Number, Number),
        "Tanh" => (Op::Tanh, 1, Number, Number),
        "Floor" => (Op::Floor, 1, Number, Number),
        "Ceil" => (Op::Ceiling, 1, Number, Number),
        "Round" => (Op::Round, 1, Number, Number),
        "Sigmoid" => (Op::Sigmoid, 1, Number, Number),
        "Relu" => (Op::Relu, 1, Number, Number),
        "Softplus" => (Op::Softplus, 1, Number, Number),
        "Erf" => (Op::Erf, 1, Number, Number),
        "Less" => (Op::Less, 2, Number, Truth),
        "Greater" => (Op::Greater, 2, Number, Truth),
        "LessOrEqual" => (Op::LessEqual, 2, Number, Truth),
        "GreaterOrEqual" => (Op::GreaterEqual, 2, Number, Truth),
        "Not" => (Op::Not, 1, Truth, Truth),
        "And" => (Op::And, 2, Truth, Truth),
        "Or" => (Op::Or, 2, Truth, Truth),
        _ => return None,
    })
}

/// The value of a tensor of one element.
pub(super) fn scalar(tensor: &TensorProto, element: Element) -> Result<(Constant, Kind)> {
    let fail = |what: &str| unsupported(&format!("the constant {:?} {what}", tensor.name()));
    if tensor.data_location() == DataLocation::External || !tensor.external_data.is_empty() {
        return Err(fail("lies in another file"));
    }
    if !tensor.dims.is_empty() {
        return Err(fail("is no scalar"));
    }
    let raw = tensor.raw_data.as_deref();
    let data_type = DataType::try_from(tensor.data_type()).unwrap_or(DataType::Undefined);
    let value = match (data_type, raw) {
        (DataType::Double, Some(raw)) => raw.try_into().ok().map(f64::from_le_bytes),
        (DataType::Double, None) => only(&tensor.double_data),
        (DataType::Float, Some(raw)) => {
            let value = raw.try_into().ok().map(f32::from_le_bytes);
            value.map(f64::from)
        }
        (DataType::Float, None) => only(&tensor.float_data).map(f64::from),
        (DataType::Bool, raw) => {
            let value = match raw {
                Some(raw) => only(raw).map(i32::from),
                None => only(&tensor.int32_data),
            };
            let value = value.ok_or_else(|| bad("a constant of the wrong size"))?;
            return Ok((Constant::Bool(value != 0), Kind::Truth));
        }
        _ => return Err(fail(&format!("is of type {}", data_type.as_str_name()))),
    };
    if data_type != element.data_type() {
        return Err(fail("is of another type than the model"));
    }
    let value = value.ok_or_else(|| bad("a constant of the wrong size"))?;
    Ok((Constant::Real(value), Kind::Number))
}

pub(super) fn only<T: Copy>(values: &[T]) -> Option<T> {
    match values {
        [value] => Some(*value),
        _ => None,
    }
}
