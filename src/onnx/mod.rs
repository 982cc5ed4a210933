//! ONNX models: the protobuf types and reading them from bytes.

/// The messages of `onnx.proto`, as prost writes them. `tests/onnx_proto.rs` keeps the two files together.
#[allow(missing_docs, clippy::all)]
#[rustfmt::skip]
pub mod proto;

mod decode;

pub use decode::{DecodeLimits, decode, decode_within};

/// stub
pub fn read(
    _d: &[u8],
    _o: &crate::options::Options,
) -> crate::error::Result<crate::compile::Model> {
    todo!()
}
/// stub
pub fn write(
    _m: &crate::compile::Model,
    _o: &crate::options::Options,
) -> crate::error::Result<Vec<u8>> {
    todo!()
}
