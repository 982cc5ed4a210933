//! One model in ONNX Runtime, run over the caller's memory.

use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ort::AsPointer;
use ort::error::ErrorCode;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::sys;

use super::config::{Device, OrtConfig, describe, on_cuda, options, refused};
use super::load::{runtime, take_complaint};
use super::{ElementType, Elements, ElementsMut, TensorInfo, TensorMut, TensorRef, engine_error};
use crate::engine::fpenv::ForeignGuard;
use crate::error::{Error, ErrorKind, Result};

/// A model that is ready to run; many threads may run one session at once.
#[derive(Debug)]
pub struct OrtSession {
    // Dropped first, before what it refers to.
    session: Option<Session>,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    input_names: Names,
    output_names: Names,
    /// Says to ONNX Runtime that the caller's memory is ordinary memory.
    memory: MemoryInfo<'static>,
    /// Held during a run on a GPU, where sessions are not safe to share.
    turn: Option<Mutex<()>>,
}

/// Names as the C interface wants them: an array of pointers to C strings.
#[derive(Debug)]
struct Names {
    pointers: Vec<*const c_char>,
    _texts: Vec<CString>,
}

// SAFETY: the pointers lead to the texts beside them, which nothing changes.
unsafe impl Send for Names {}
// SAFETY: as above.
unsafe impl Sync for Names {}

impl Names {
    fn new(entries: &[TensorInfo]) -> Result<Names> {
        let texts = entries
            .iter()
            .map(|entry| CString::new(entry.name.as_str()))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|_| {
                Error::new(
                    ErrorKind::Format,
                    "the ONNX model has a name with a NUL byte",
                )
            })?;
        Ok(Names {
            pointers: texts.iter().map(|text| text.as_ptr()).collect(),
            _texts: texts,
        })
    }
}

/// So many tensors, inputs and outputs together, a run handles without allocating.
const INLINE: usize = 64;

impl OrtSession {
    /// Prepares an ONNX model, given as the bytes of its file.
    ///
    /// A device that cannot be used is an error of kind `EngineUnavailable`; nothing falls back to another.
    pub fn new(model: &[u8], config: &OrtConfig) -> Result<OrtSession> {
        let threads = i32::try_from(config.threads)
            .ok()
            .filter(|&threads| threads > 0);
        if threads.is_none() {
            let message = format!(
                "the number of threads is {}; it must be 1 or more",
                config.threads
            );
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let runtime = runtime(config.library.as_deref())?;
        let _guard = ForeignGuard::new();
        take_complaint();
        let mut builder = options(&runtime.environment, config.threads)
            .map_err(|error| engine_error("ONNX Runtime refuses the session options", error))?;
        if let Device::Cuda(index) = config.device {
            builder = on_cuda(builder, index)?;
        }
        let session = builder.commit_from_memory(model).map_err(refused)?;
        let inputs = session
            .inputs()
            .iter()
            .map(|outlet| describe("input", outlet))
            .collect::<Result<Vec<_>>>()?;
        let outputs = session
            .outputs()
            .iter()
            .map(|outlet| describe("output", outlet))
            .collect::<Result<Vec<_>>>()?;
        let memory = MemoryInfo::new(
            AllocationDevice::CPU,
            0,
            AllocatorType::Device,
            MemoryType::Default,
        )
        .map_err(|error| engine_error("ONNX Runtime cannot describe memory", error))?;
        Ok(OrtSession {
            session: Some(session),
            input_names: Names::new(&inputs)?,
            output_names: Names::new(&outputs)?,
            inputs,
            outputs,
            memory,
            turn: matches!(config.device, Device::Cuda(_)).then(|| Mutex::new(())),
        })
    }

    /// The inputs, in the order that [`run`](OrtSession::run) takes them.
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    /// The outputs, in the order that [`run`](OrtSession::run) gives them.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    /// Evaluates the model: reads all inputs and writes all outputs, in place and without a copy.
    ///
    /// Types and sizes that do not fit are errors of kind `Shape`. After an error the outputs hold anything.
    pub fn run(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>]) -> Result<()> {
        if outputs.len() != self.outputs.len() {
            return Err(count_error("outputs", self.outputs.len(), outputs.len()));
        }
        self.run_named(inputs, &self.output_names.pointers, None, outputs)
    }

    /// As [`run`](OrtSession::run), for the outputs of these indices only. The model computes the others all the same.
    pub fn run_some(
        &self,
        inputs: &[TensorRef<'_>],
        which: &[usize],
        outputs: &mut [TensorMut<'_>],
    ) -> Result<()> {
        if outputs.len() != which.len() {
            return Err(count_error("outputs", which.len(), outputs.len()));
        }
        if let Some(index) = which.iter().find(|&&index| index >= self.outputs.len()) {
            let message = format!(
                "output {index} is asked for; the model has {}",
                self.outputs.len()
            );
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let mut inline = [ptr::null(); INLINE];
        let mut spilled = Vec::new();
        let names = first(&mut inline, &mut spilled, which.len(), ptr::null());
        for (name, &index) in names.iter_mut().zip(which) {
            *name = self.output_names.pointers[index];
        }
        self.run_named(inputs, names, Some(which), outputs)
    }

    /// The session of ONNX Runtime, as long as this lives.
    pub(super) fn pointer(&self) -> Result<*mut sys::OrtSession> {
        match &self.session {
            Some(session) => Ok(session.ptr().cast_mut()),
            None => Err(Error::new(ErrorKind::Panic, "the session is gone")),
        }
    }

    /// To be held during a run, where runs are not safe side by side.
    pub(super) fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        let turn = self.turn.as_ref();
        turn.map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The name of an input as a C string that lives as long as this.
    pub(super) fn input_name(&self, index: usize) -> *const c_char {
        self.input_names.pointers[index]
    }

    /// The same of an output.
    pub(super) fn output_name(&self, index: usize) -> *const c_char {
        self.output_names.pointers[index]
    }

    fn run_named(
        &self,
        inputs: &[TensorRef<'_>],
        names: &[*const c_char],
        which: Option<&[usize]>,
        outputs: &mut [TensorMut<'_>],
    ) -> Result<()> {
        if inputs.len() != self.inputs.len() {
            return Err(count_error("inputs", self.inputs.len(), inputs.len()));
        }
        let session = self.pointer()?;
        let _turn = self.turn();
        let _guard = ForeignGuard::new();

        let mut inline = [ptr::null_mut(); INLINE];
        let mut spilled = Vec::new();
        let slots = first(
            &mut inline,
            &mut spilled,
            inputs.len() + outputs.len(),
            ptr::null_mut(),
        );
        let values = Values(slots);
        for (index, tensor) in inputs.iter().enumerate() {
            let (data, length, element_type) = tensor.parts();
            check(
                "input",
                &self.inputs[index],
                tensor.dims,
                length,
                element_type,
            )?;
            values.0[index] = self.value(data, length, element_type, tensor.dims)?;
        }
        for (index, tensor) in outputs.iter_mut().enumerate() {
            let (data, length, element_type) = tensor.parts();
            let entry = &self.outputs[which.map_or(index, |which| which[index])];
            check("output", entry, tensor.dims, length, element_type)?;
            values.0[inputs.len() + index] = self.value(data, length, element_type, tensor.dims)?;
        }
        let (feeds, fetches) = values.0.split_at_mut(inputs.len());
        // SAFETY: the session lives; names and values are arrays of the lengths given, of C strings and of tensors that
        // were made above over memory which `inputs` and `outputs` borrow for the whole call. ONNX Runtime only reads the
        // feeds, writes the fetches, and keeps neither; its sessions may be run from many threads on the CPU, and on a GPU
        // `_turn` is held.
        let status = unsafe {
            (ort::api().Run)(
                session,
                ptr::null(),
                self.input_names.pointers.as_ptr(),
                feeds.as_ptr().cast(),
                feeds.len(),
                names.as_ptr(),
                names.len(),
                fetches.as_mut_ptr(),
            )
        };
        // SAFETY: the status is fresh from the interface, and owned by us.
        unsafe { ort::Error::result_from_status(status) }.map_err(|error| failed(&error))?;
        outputs.iter_mut().for_each(normalise_truth_values);
        Ok(())
    }

    /// A tensor of ONNX Runtime over memory that outlives it.
    fn value(
        &self,
        data: *mut c_void,
        length: usize,
        element_type: ElementType,
        dims: &[i64],
    ) -> Result<*mut sys::OrtValue> {
        let size = element_type.size();
        let mut value = ptr::null_mut();
        // SAFETY: `data` leads to `length` elements of `size` bytes, `dims` to as many dimensions; the memory information
        // lives as long as the session.
        let status = unsafe {
            (ort::api().CreateTensorWithDataAsOrtValue)(
                self.memory.ptr(),
                data,
                length * size,
                dims.as_ptr(),
                dims.len(),
                element_type.code(),
                &mut value,
            )
        };
        // SAFETY: the status is fresh from the interface, and owned by us.
        unsafe { ort::Error::result_from_status(status) }.map_err(|error| failed(&error))?;
        Ok(value)
    }
}

impl Drop for OrtSession {
    fn drop(&mut self) {
        let _guard = ForeignGuard::new();
        self.session = None;
    }
}

/// The tensors of one call, given back when it ends.
struct Values<'a>(&'a mut [*mut sys::OrtValue]);

impl Drop for Values<'_> {
    fn drop(&mut self) {
        for &value in self.0.iter().filter(|value| !value.is_null()) {
            // SAFETY: made by this call and given back once.
            unsafe { (ort::api().ReleaseValue)(value) };
        }
    }
}

/// `count` slots, on the stack where they fit there.
fn first<'a, T: Copy>(
    inline: &'a mut [T; INLINE],
    spilled: &'a mut Vec<T>,
    count: usize,
    empty: T,
) -> &'a mut [T] {
    match inline.get_mut(..count) {
        Some(slots) => slots,
        None => {
            spilled.resize(count, empty);
            spilled
        }
    }
}

impl TensorRef<'_> {
    /// Address, number and type of the elements. The address is only ever read from.
    pub(super) fn parts(&self) -> (*mut c_void, usize, ElementType) {
        match self.elements {
            Elements::F64(data) => (
                data.as_ptr().cast_mut().cast(),
                data.len(),
                ElementType::F64,
            ),
            Elements::F32(data) => (
                data.as_ptr().cast_mut().cast(),
                data.len(),
                ElementType::F32,
            ),
            Elements::I64(data) => (
                data.as_ptr().cast_mut().cast(),
                data.len(),
                ElementType::I64,
            ),
            Elements::Bool(data) => (
                data.as_ptr().cast_mut().cast(),
                data.len(),
                ElementType::Bool,
            ),
        }
    }
}

impl TensorMut<'_> {
    /// Address, number and type of the elements.
    pub(super) fn parts(&mut self) -> (*mut c_void, usize, ElementType) {
        match &mut self.elements {
            ElementsMut::F64(data) => (data.as_mut_ptr().cast(), data.len(), ElementType::F64),
            ElementsMut::F32(data) => (data.as_mut_ptr().cast(), data.len(), ElementType::F32),
            ElementsMut::I64(data) => (data.as_mut_ptr().cast(), data.len(), ElementType::I64),
            ElementsMut::Bool(data) => (data.as_mut_ptr().cast(), data.len(), ElementType::Bool),
        }
    }
}

/// A foreign model may hold any byte in a constant truth value; in Rust it must be 0 or 1.
fn normalise_truth_values(tensor: &mut TensorMut<'_>) {
    if let (data, length, ElementType::Bool) = tensor.parts() {
        let bytes = data.cast::<u8>();
        for index in 0..length {
            // SAFETY: within the caller's slice, and looked at as bytes, of which every value is valid.
            unsafe {
                bytes
                    .add(index)
                    .write(u8::from(bytes.add(index).read() != 0))
            };
        }
    }
}

pub(super) fn count_error(what: &str, wanted: usize, given: usize) -> Error {
    Error::new(
        ErrorKind::Shape,
        format!("the model wants {wanted} {what}, and {given} are given"),
    )
}

/// Whether a tensor fits an entry of the model, so that errors name it.
pub(super) fn check(
    role: &str,
    entry: &TensorInfo,
    dims: &[i64],
    length: usize,
    element_type: ElementType,
) -> Result<()> {
    if element_type != entry.element_type {
        return Err(misfit(
            role,
            entry,
            format!("holds {}", element_type.name()),
        ));
    }
    let count = dims.iter().try_fold(1usize, |count, &dim| {
        count.checked_mul(usize::try_from(dim).ok()?)
    });
    if count != Some(length) {
        return Err(misfit(
            role,
            entry,
            format!("has dimensions {dims:?} and {length} elements"),
        ));
    }
    // No dimensions may also mean that the model gives no shape.
    if !entry.dims.is_empty() {
        let fits = |(&have, &want): (&i64, &i64)| want < 0 || have == want;
        if entry.dims.len() != dims.len() || !dims.iter().zip(&entry.dims).all(fits) {
            return Err(misfit(role, entry, format!("has dimensions {dims:?}")));
        }
    }
    Ok(())
}

#[cold]
fn misfit(role: &str, entry: &TensorInfo, has: String) -> Error {
    let wanted = format!(
        "{} with dimensions {:?} (-1: any size)",
        entry.element_type.name(),
        entry.dims
    );
    let message = format!("{role} {:?} {has}; the model wants {wanted}", entry.name);
    Error::new(ErrorKind::Shape, message)
}

/// An error of a run.
#[cold]
pub(super) fn failed(error: &ort::Error) -> Error {
    take_complaint();
    let text = error.to_string();
    let about_sizes = error.code() == ErrorCode::InvalidArgument || text.contains("hape");
    let kind = if text.contains("allocate memory") || text.contains("out of memory") {
        ErrorKind::Memory
    } else if about_sizes {
        ErrorKind::Shape
    } else {
        ErrorKind::Engine
    };
    Error::new(kind, format!("ONNX Runtime failed: {}", text.trim_end()))
}
