//! ONNX Runtime: finding its library, and sessions over the caller's memory.
//!
//! Everything that touches the crate `ort` is here. That crate panics when it is used before a library is loaded, so each
//! way in goes through `load`, which has made sure of it.

mod cache;
mod config;
mod load;
mod logs;
mod place;
mod program;
mod session;
mod sums;

pub use config::{Device, OrtConfig};
pub use load::{Loaded, probe};
pub use program::{DEFAULT_CHUNK, prepare};
pub use session::OrtSession;

use crate::error::{Error, ErrorKind};

/// The type of the elements of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// Double precision.
    F64,
    /// Single precision.
    F32,
    /// 64-bit signed integers.
    I64,
    /// Truth values.
    Bool,
}

impl ElementType {
    /// The name of the type, e.g. `"f64"`.
    pub fn name(self) -> &'static str {
        match self {
            ElementType::F64 => "f64",
            ElementType::F32 => "f32",
            ElementType::I64 => "i64",
            ElementType::Bool => "bool",
        }
    }
}

/// The elements of an input, last dimension fastest.
#[derive(Clone, Copy, Debug)]
pub enum Elements<'a> {
    /// Double precision.
    F64(&'a [f64]),
    /// Single precision.
    F32(&'a [f32]),
    /// 64-bit signed integers.
    I64(&'a [i64]),
    /// Truth values.
    Bool(&'a [bool]),
}

/// The elements of an output, last dimension fastest.
#[derive(Debug)]
pub enum ElementsMut<'a> {
    /// Double precision.
    F64(&'a mut [f64]),
    /// Single precision.
    F32(&'a mut [f32]),
    /// 64-bit signed integers.
    I64(&'a mut [i64]),
    /// Truth values.
    Bool(&'a mut [bool]),
}

/// An input tensor in the caller's memory; a scalar has no dimensions.
#[derive(Clone, Copy, Debug)]
pub struct TensorRef<'a> {
    /// The size of each dimension.
    pub dims: &'a [i64],
    /// As many elements as the product of the dimensions.
    pub elements: Elements<'a>,
}

/// An output tensor in the caller's memory; a scalar has no dimensions.
#[derive(Debug)]
pub struct TensorMut<'a> {
    /// The size of each dimension.
    pub dims: &'a [i64],
    /// As many elements as the product of the dimensions.
    pub elements: ElementsMut<'a>,
}

/// An input or output of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name in the model.
    pub name: String,
    /// The type of its elements.
    pub element_type: ElementType,
    /// Its dimensions, -1 where the size is free; empty also where the model gives no shape.
    pub dims: Vec<i64>,
}

/// A Rust type that can be the element of a tensor.
pub trait Element: Sized + sealed::Sealed {
    /// A slice of this type as elements to read.
    fn elements(slice: &[Self]) -> Elements<'_>;
    /// A slice of this type as elements to write.
    fn elements_mut(slice: &mut [Self]) -> ElementsMut<'_>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! element_types {
    ($($type:ty, $variant:ident;)*) => {
        $(
            impl sealed::Sealed for $type {}
            impl Element for $type {
                fn elements(slice: &[$type]) -> Elements<'_> {
                    Elements::$variant(slice)
                }
                fn elements_mut(slice: &mut [$type]) -> ElementsMut<'_> {
                    ElementsMut::$variant(slice)
                }
            }
        )*
    };
}

element_types! {
    f64, F64;
    f32, F32;
    i64, I64;
    bool, Bool;
}

impl<'a> TensorRef<'a> {
    /// A tensor of these dimensions over `elements`.
    pub fn new<T: Element>(dims: &'a [i64], elements: &'a [T]) -> TensorRef<'a> {
        TensorRef {
            dims,
            elements: T::elements(elements),
        }
    }
}

impl<'a> TensorMut<'a> {
    /// A tensor of these dimensions over `elements`.
    pub fn new<T: Element>(dims: &'a [i64], elements: &'a mut [T]) -> TensorMut<'a> {
        TensorMut {
            dims,
            elements: T::elements_mut(elements),
        }
    }
}

/// The text of an error of the crate `ort` as an error of kind `Engine`.
fn engine_error(what: &str, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Engine, format!("{what}: {error}"))
}
