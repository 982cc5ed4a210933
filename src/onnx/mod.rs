//! ONNX models: the protobuf types, numeric graphs as models and back.

/// The messages of `onnx.proto`, as prost writes them. `tests/onnx_proto.rs` keeps the two files together.
#[allow(missing_docs, clippy::all)]
#[rustfmt::skip]
pub mod proto;

mod decode;

mod metadata;

mod kinds;

pub(crate) mod form;

mod export;

mod training;

pub(crate) mod adam;

mod whole_fit;

mod epochs;

mod reduced;

mod operators;

mod foreign;

mod import;

mod document;

pub mod machine;

pub(crate) use epochs::{STATES, export_epochs};
pub(crate) use export::{export_form, export_members};
pub(crate) use reduced::{Reduction, export_reduced};

pub use decode::{DecodeLimits, decode, decode_within};
pub use document::{read, write};
pub use export::{export, export_population};
pub use foreign::{Settings, Weights, operators as foreign_operators};
pub use form::{Element, Parameters};
pub use import::{Imported, import, import_with};
pub use metadata::About;
pub use training::{export_training, training_step};
pub use whole_fit::{FitDefaults, export_fit};
