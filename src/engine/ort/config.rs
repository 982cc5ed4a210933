//! How a session is made: its settings, and what the model says of its inputs and outputs.

use std::path::PathBuf;

use ort::environment::Environment;
use ort::error::ErrorCode;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::{Outlet, TensorElementType, ValueType};

use super::load::take_complaint;
use super::{ElementType, TensorInfo};
use crate::error::{Error, ErrorKind, Result};
use crate::onnx::form::MAX_STEPS;

/// Where a session computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The NVIDIA GPU of this number.
    Cuda(i32),
}

/// How to make a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrtConfig {
    /// The ONNX Runtime library, or the folder that holds it; see [`probe`](super::probe).
    pub library: Option<PathBuf>,
    /// Where to compute.
    pub device: Device,
    /// How many threads work inside one operation.
    pub threads: usize,
    /// So many iterations a loop of a graph has at most; one that has not ended then is an error of kind `Limit`.
    pub max_steps: u64,
}

impl Default for OrtConfig {
    fn default() -> OrtConfig {
        OrtConfig {
            library: None,
            device: Device::Cpu,
            threads: 1,
            max_steps: MAX_STEPS,
        }
    }
}

/// Rewritings of ONNX Runtime that do not keep each bit of each value: `(1 / y) x` becomes `x / y`; `x + 0` becomes `x`.
const CHANGE_VALUES: &str = "DivMulFusion;NoopElimination";

pub(super) fn options(environment: &Environment, threads: usize) -> ort::Result<SessionBuilder> {
    // Threads that are asked for by number are not bound to processors. A pattern of memory is kept for each combination
    // of shapes that was ever seen: with batches of any size that is a leak, and the look-up costs time.
    Ok(Session::builder(environment)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_parallel_execution(false)?
        .with_memory_pattern(false)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_disabled_optimizers(CHANGE_VALUES)?
        .with_log_level(LogLevel::Error)?)
}

pub(super) fn on_cuda(builder: SessionBuilder, index: i32) -> Result<SessionBuilder> {
    // Without TF32, which would narrow single precision.
    let provider = ort::ep::CUDA::default()
        .with_device_id(index)
        .with_tf32(false)
        .build()
        .error_on_failure();
    builder
        .with_execution_providers([provider])
        .map_err(|error| {
            let mut message = format!("CUDA device {index} cannot be used: {error}");
            let complaint = take_complaint();
            if !complaint.is_empty() && !message.contains(&complaint) {
                message.push_str(&format!(" ({complaint})"));
            }
            Error::new(ErrorKind::EngineUnavailable, message)
        })
}

/// An error of making a session.
pub(super) fn refused(error: ort::Error) -> Error {
    let kind = match error.code() {
        ErrorCode::InvalidProtobuf | ErrorCode::InvalidGraph | ErrorCode::NoModel => {
            ErrorKind::Format
        }
        ErrorCode::NotImplemented => ErrorKind::Unsupported,
        _ => ErrorKind::Engine,
    };
    Error::new(kind, format!("ONNX Runtime refuses the model: {error}"))
}

pub(super) fn describe(role: &str, outlet: &Outlet) -> Result<TensorInfo> {
    let unsupported = |what: &dyn std::fmt::Display| {
        let message = format!(
            "{role} {:?} of the ONNX model is of type {what}; f64, f32, i64 and bool can be used",
            outlet.name()
        );
        Error::new(ErrorKind::Unsupported, message)
    };
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
        return Err(unsupported(outlet.dtype()));
    };
    let element_type = match ty {
        TensorElementType::Float64 => ElementType::F64,
        TensorElementType::Float32 => ElementType::F32,
        TensorElementType::Int64 => ElementType::I64,
        TensorElementType::Bool => ElementType::Bool,
        other => return Err(unsupported(other)),
    };
    Ok(TensorInfo {
        name: outlet.name().to_owned(),
        element_type,
        dims: shape.to_vec(),
    })
}
