//! ONNX Runtime: finding its library, and sessions over the caller's memory.
//!
//! Everything that touches the crate `ort` is here. That crate panics when it is used before a library is loaded, so each
//! way in goes through `load`, which has made sure of it.

mod binding;
mod cache;
mod config;
mod load;
mod logs;
mod place;
mod population;
mod program;
mod session;
mod sums;

pub use binding::{Binding, DeviceTensor};
pub(crate) use cache::shared as session_of;
pub use config::{Device, OrtConfig};
pub use load::{Loaded, probe};
pub(crate) use logs::{chunk_of_logs, states_of_loops};
pub(crate) use population::Population;
pub use program::{DEFAULT_CHUNK, DEFAULT_CHUNK_ON_GPU, prepare};
pub(crate) use program::{cut_off, default_chunk};
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

    /// Bytes of an element.
    fn size(self) -> usize {
        match self {
            ElementType::F64 | ElementType::I64 => 8,
            ElementType::F32 => 4,
            ElementType::Bool => 1,
        }
    }

    /// The type as the C interface calls it.
    fn code(self) -> ::ort::sys::ONNXTensorElementDataType {
        use ::ort::sys::ONNXTensorElementDataType as Code;
        match self {
            ElementType::F64 => Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
            ElementType::F32 => Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
            ElementType::I64 => Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
            ElementType::Bool => Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
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

impl Elements<'_> {
    fn element_type(self) -> ElementType {
        match self {
            Elements::F64(_) => ElementType::F64,
            Elements::F32(_) => ElementType::F32,
            Elements::I64(_) => ElementType::I64,
            Elements::Bool(_) => ElementType::Bool,
        }
    }
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

impl TensorMut<'_> {
    /// How many elements it has.
    pub(crate) fn len(&self) -> usize {
        match &self.elements {
            ElementsMut::F64(elements) => elements.len(),
            ElementsMut::F32(elements) => elements.len(),
            ElementsMut::I64(elements) => elements.len(),
            ElementsMut::Bool(elements) => elements.len(),
        }
    }

    /// The same tensor for a shorter time.
    pub(crate) fn lend(&mut self) -> TensorMut<'_> {
        TensorMut {
            dims: self.dims,
            elements: match &mut self.elements {
                ElementsMut::F64(elements) => ElementsMut::F64(elements),
                ElementsMut::F32(elements) => ElementsMut::F32(elements),
                ElementsMut::I64(elements) => ElementsMut::I64(elements),
                ElementsMut::Bool(elements) => ElementsMut::Bool(elements),
            },
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
