//! Tensors of a file as numbers.

use super::super::operators;
use super::super::proto::TensorProto;
use super::super::proto::tensor_proto::{DataLocation, DataType};
use super::Kind;
use super::tensor::{MAX_ELEMENTS, MAX_RANK};
use crate::error::Result;
use crate::syntax::ast::Constant;

/// A tensor of a file.
pub(super) struct Array {
    pub kind: Kind,
    pub shape: Vec<usize>,
    pub values: Vec<Constant>,
}

/// The kind of values of a data type.
pub(super) fn kind_of(data_type: i32) -> Option<Kind> {
    Some(match DataType::try_from(data_type).ok()? {
        DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16 => Kind::Number,
        DataType::Bool => Kind::Truth,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Uint8
        | DataType::Uint16
        | DataType::Uint32
        | DataType::Uint64 => Kind::Integer,
        _ => return None,
    })
}

/// The sizes of a tensor, if they and their product are within the limits.
pub(super) fn shape_of(tensor: &TensorProto) -> Result<Vec<usize>> {
    let sizes = tensor.dims.iter().map(|size| usize::try_from(*size).ok());
    let shape: Option<Vec<usize>> = sizes.collect();
    let total = |shape: &Vec<usize>| {
        let total = shape
            .iter()
            .try_fold(1usize, |total, size| total.checked_mul(*size));
        total.is_some_and(|total| total <= MAX_ELEMENTS) && shape.len() <= MAX_RANK
    };
    shape.filter(total).ok_or_else(|| {
        operators::bad(&format!(
            "the constant {:?} has the shape {:?}; up to {MAX_ELEMENTS} elements and {MAX_RANK} dimensions can be read",
            tensor.name(),
            tensor.dims
        ))
    })
}

/// Reads a tensor.
pub(super) fn array(tensor: &TensorProto) -> Result<Array> {
    let what = format!("the constant {:?}", tensor.name());
    if tensor.data_location() == DataLocation::External || !tensor.external_data.is_empty() {
        return Err(operators::unsupported(&format!(
            "{what} lies in another file; save the model in one file, without external data"
        )));
    }
    let shape = shape_of(tensor)?;
    let count = shape.iter().product();
    let data_type = DataType::try_from(tensor.data_type()).unwrap_or(DataType::Undefined);
    let kind = kind_of(tensor.data_type()).ok_or_else(|| {
        operators::unsupported(&format!("{what} is of type {}", data_type.as_str_name()))
    })?;
    let values = match tensor.raw_data.as_deref() {
        Some(raw) => from_raw(data_type, raw, count),
        None => from_fields(data_type, tensor, count),
    };
    let values = values.ok_or_else(|| {
        operators::bad(&format!(
            "{what} is of the wrong size: it should hold {count} values"
        ))
    })?;
    Ok(Array {
        kind,
        shape,
        values,
    })
}

/// Numbers as the bytes of a file, lowest first.
fn from_raw(data_type: DataType, raw: &[u8], count: usize) -> Option<Vec<Constant>> {
    fn each<const N: usize>(
        raw: &[u8],
        count: usize,
        value: impl Fn([u8; N]) -> Constant,
    ) -> Option<Vec<Constant>> {
        if Some(raw.len()) != count.checked_mul(N) {
            return None;
        }
        let chunks = raw.chunks_exact(N);
        chunks
            .map(|chunk| Some(value(chunk.try_into().ok()?)))
            .collect()
    }
    let int = |value: i64| Constant::Int(value);
    let real = Constant::Real;
    match data_type {
        DataType::Double => each(raw, count, |b| real(f64::from_le_bytes(b))),
        DataType::Float => each(raw, count, |b| real(f64::from(f32::from_le_bytes(b)))),
        DataType::Float16 => each(raw, count, |b| real(half(u16::from_le_bytes(b)))),
        DataType::Bfloat16 => each(raw, count, |b| real(brain(u16::from_le_bytes(b)))),
        DataType::Bool => each(raw, count, |[b]| Constant::Bool(b != 0)),
        DataType::Int8 => each(raw, count, |b| int(i8::from_le_bytes(b).into())),
        DataType::Int16 => each(raw, count, |b| int(i16::from_le_bytes(b).into())),
        DataType::Int32 => each(raw, count, |b| int(i32::from_le_bytes(b).into())),
        DataType::Int64 => each(raw, count, |b| int(i64::from_le_bytes(b))),
        DataType::Uint8 => each(raw, count, |[b]| int(b.into())),
        DataType::Uint16 => each(raw, count, |b| int(u16::from_le_bytes(b).into())),
        DataType::Uint32 => each(raw, count, |b| int(u32::from_le_bytes(b).into())),
        DataType::Uint64 => each(raw, count, |b| unsigned(u64::from_le_bytes(b))),
        _ => None,
    }
}

fn from_fields(data_type: DataType, tensor: &TensorProto, count: usize) -> Option<Vec<Constant>> {
    let ints = || tensor.int32_data.iter();
    let values: Vec<Constant> = match data_type {
        DataType::Double => tensor
            .double_data
            .iter()
            .copied()
            .map(Constant::Real)
            .collect(),
        DataType::Float => {
            let values = tensor.float_data.iter();
            values.map(|x| Constant::Real(f64::from(*x))).collect()
        }
        DataType::Float16 => ints().map(|x| Constant::Real(half(*x as u16))).collect(),
        DataType::Bfloat16 => ints().map(|x| Constant::Real(brain(*x as u16))).collect(),
        DataType::Bool => ints().map(|x| Constant::Bool(*x != 0)).collect(),
        DataType::Int64 => tensor
            .int64_data
            .iter()
            .copied()
            .map(Constant::Int)
            .collect(),
        DataType::Uint32 | DataType::Uint64 => {
            tensor.uint64_data.iter().copied().map(unsigned).collect()
        }
        _ => ints().map(|x| Constant::Int(i64::from(*x))).collect(),
    };
    (values.len() == count).then_some(values)
}

fn unsigned(value: u64) -> Constant {
    match i64::try_from(value) {
        Ok(value) => Constant::Int(value),
        Err(_) => Constant::Real(value as f64),
    }
}

/// A number of 16 bits, of which 5 are the exponent (IEEE 754 binary16).
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

/// The upper half of a number in single precision.
fn brain(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_are_read() {
        assert_eq!(
            [0x3c00, 0xc000, 0x7bff, 1, 0xfc00].map(half),
            [1.0, -2.0, 65504.0, 2f64.powi(-24), f64::NEG_INFINITY]
        );
        assert!(half(0x7e00).is_nan());
        assert_eq!([0x3f80, 0xc040].map(brain), [1.0, -3.0]);
    }
}
