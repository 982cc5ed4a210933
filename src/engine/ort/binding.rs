//! Runs over tensors that stay where a session computes: they are copied there once, and each run brings its few other inputs
//! and takes its outputs away.
//!
//! On a GPU a tensor is brought there by a session of one `Identity` whose output is bound to the memory of the device; each
//! binding that uses it refers to that memory. On the processor the same calls copy within its own memory.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

use ort::AsPointer;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::sys;

use super::cache::shared;
use super::config::{Device, OrtConfig};
use super::session::{check, count_error, failed};
use super::{
    Element, ElementType, Elements, ElementsMut, OrtSession, TensorMut, TensorRef, engine_error,
};
use crate::engine::fpenv::ForeignGuard;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::parse;
use crate::onnx::{Element as Precision, export};

/// A tensor whose memory belongs to ONNX Runtime.
#[derive(Debug)]
struct Value {
    pointer: *mut sys::OrtValue,
    element_type: ElementType,
    dims: Vec<i64>,
    length: usize,
}

// SAFETY: a value of ONNX Runtime is not bound to a thread, and this one is reached through one place at a time.
unsafe impl Send for Value {}
// SAFETY: what is shared is the handle, which ONNX Runtime only reads.
unsafe impl Sync for Value {}

impl Drop for Value {
    fn drop(&mut self) {
        let _guard = ForeignGuard::new();
        // SAFETY: owned by this, and given back once.
        unsafe { (ort::api().ReleaseValue)(self.pointer) };
    }
}

impl Value {
    /// A tensor in the memory of the processor; its elements are anything.
    fn on_host(element_type: ElementType, dims: &[i64], length: usize) -> Result<Value> {
        let mut pointer = ptr::null_mut();
        // SAFETY: `dims` leads to as many dimensions; the default allocator lives as long as the process.
        let status = unsafe {
            (ort::api().CreateTensorAsOrtValue)(
                host_allocator()?,
                dims.as_ptr(),
                dims.len(),
                element_type.code(),
                &mut pointer,
            )
        };
        checked(status)?;
        Ok(Value {
            pointer,
            element_type,
            dims: dims.to_vec(),
            length,
        })
    }

    fn is(&self, element_type: ElementType, dims: &[i64]) -> bool {
        self.element_type == element_type && self.dims == dims
    }

    /// Where the elements lie.
    fn data(&self) -> Result<*mut c_void> {
        let mut data = ptr::null_mut();
        // SAFETY: the value is a tensor that lives.
        let status = unsafe { (ort::api().GetTensorMutableData)(self.pointer, &mut data) };
        checked(status)?;
        Ok(data)
    }

    /// Copies elements into a tensor that lies in the memory of the processor.
    fn write(&mut self, elements: Elements<'_>) -> Result<()> {
        let data = self.data()?;
        let length = self.length;
        // SAFETY: the tensor is of the type and length of `elements`, which its makers have checked, and nothing runs on it now.
        unsafe {
            match elements {
                Elements::F64(from) => ptr::copy_nonoverlapping(from.as_ptr(), data.cast(), length),
                Elements::F32(from) => ptr::copy_nonoverlapping(from.as_ptr(), data.cast(), length),
                Elements::I64(from) => ptr::copy_nonoverlapping(from.as_ptr(), data.cast(), length),
                Elements::Bool(from) => {
                    ptr::copy_nonoverlapping(from.as_ptr(), data.cast(), length)
                }
            }
        }
        Ok(())
    }

    /// Copies the elements of a tensor that lies in the memory of the processor.
    fn read(&self, elements: &mut ElementsMut<'_>) -> Result<()> {
        let data = self.data()?.cast_const();
        let length = self.length;
        // SAFETY: as for `write`; truth values are looked at as bytes, of which every value is valid.
        unsafe {
            match elements {
                ElementsMut::F64(to) => {
                    ptr::copy_nonoverlapping(data.cast(), to.as_mut_ptr(), length)
                }
                ElementsMut::F32(to) => {
                    ptr::copy_nonoverlapping(data.cast(), to.as_mut_ptr(), length)
                }
                ElementsMut::I64(to) => {
                    ptr::copy_nonoverlapping(data.cast(), to.as_mut_ptr(), length)
                }
                ElementsMut::Bool(to) => {
                    for (i, to) in to.iter_mut().enumerate() {
                        *to = data.cast::<u8>().add(i).read() != 0;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The allocator of ordinary memory, which ONNX Runtime keeps.
fn host_allocator() -> Result<*mut sys::OrtAllocator> {
    let mut allocator = ptr::null_mut();
    // SAFETY: writes one pointer.
    let status = unsafe { (ort::api().GetAllocatorWithDefaultOptions)(&mut allocator) };
    checked(status)?;
    Ok(allocator)
}

fn checked(status: sys::OrtStatusPtr) -> Result<()> {
    // SAFETY: the status is fresh from the interface, and owned by us.
    unsafe { ort::Error::result_from_status(status) }.map_err(|error| failed(&error))
}

/// A tensor of one dimension that lies where sessions of a configuration compute.
#[derive(Debug)]
pub struct DeviceTensor {
    value: Value,
    /// Whose allocator the memory is of.
    _home: Arc<OrtSession>,
}

impl DeviceTensor {
    /// Copies numbers to the device of this configuration.
    ///
    /// # Errors
    /// Those of [`OrtSession::new`]; `Memory` where the device has no room.
    pub fn new<T: Element>(numbers: &[T], config: &OrtConfig) -> Result<DeviceTensor> {
        let elements = T::elements(numbers);
        let precision = match elements {
            Elements::F64(_) => Precision::F64,
            Elements::F32(_) => Precision::F32,
            _ => {
                let message = "numbers on a device are f64 or f32";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        let identity = parse("input x\n%0 = port 0 real\noutput value %0\n")?;
        let session = shared(export(&identity, precision)?, config)?;
        let dims = [numbers.len() as i64];
        let _guard = ForeignGuard::new();
        let mut value = Value::on_host(elements.element_type(), &dims, numbers.len())?;
        value.write(elements)?;
        let memory = memory_of(config.device)?;
        let turn = session.turn();
        let binding = Raw::new(&session)?;
        binding.input(session.input_name(0), &value)?;
        // SAFETY: binding, name and memory information live; ONNX Runtime copies what it keeps.
        checked(unsafe {
            (ort::api().BindOutputToDevice)(binding.0, session.output_name(0), memory.ptr())
        })?;
        binding.run(&session)?;
        let value = Value {
            pointer: binding.only_output()?,
            element_type: value.element_type,
            dims: dims.to_vec(),
            length: numbers.len(),
        };
        drop((binding, turn));
        Ok(DeviceTensor {
            value,
            _home: session,
        })
    }
}

/// Where the tensors of sessions on this device lie.
fn memory_of(device: Device) -> Result<MemoryInfo<'static>> {
    let (kind, index) = match device {
        Device::Cpu => (AllocationDevice::CPU, 0),
        Device::Cuda(index) => (AllocationDevice::CUDA, index),
    };
    MemoryInfo::new(kind, index, AllocatorType::Device, MemoryType::Default)
        .map_err(|error| engine_error("ONNX Runtime cannot describe memory", error))
}

/// A binding of ONNX Runtime.
#[derive(Debug)]
struct Raw(*mut sys::OrtIoBinding);

// SAFETY: a binding is not bound to a thread, and its owner uses it from one at a time.
unsafe impl Send for Raw {}

impl Drop for Raw {
    fn drop(&mut self) {
        let _guard = ForeignGuard::new();
        // SAFETY: made by `new` and given back once.
        unsafe { (ort::api().ReleaseIoBinding)(self.0) };
    }
}

impl Raw {
    fn new(session: &OrtSession) -> Result<Raw> {
        let mut binding = ptr::null_mut();
        // SAFETY: the session lives; whoever owns the binding owns the session too.
        checked(unsafe { (ort::api().CreateIoBinding)(session.pointer()?, &mut binding) })?;
        Ok(Raw(binding))
    }

    /// Binds an input; what does not lie where the session wants it is copied there now.
    fn input(&self, name: *const c_char, value: &Value) -> Result<()> {
        // SAFETY: binding, name and value live; ONNX Runtime keeps a reference of its own to the memory of the value.
        checked(unsafe { (ort::api().BindInput)(self.0, name, value.pointer) })
    }

    fn output(&self, name: *const c_char, value: &Value) -> Result<()> {
        // SAFETY: as above.
        checked(unsafe { (ort::api().BindOutput)(self.0, name, value.pointer) })
    }

    /// Runs; when this returns, all copies have ended.
    fn run(&self, session: &OrtSession) -> Result<()> {
        // SAFETY: the binding lives and is of this session; its owner runs it from one thread at a time, and on a GPU holds the
        // turn of the session.
        unsafe {
            checked((ort::api().SynchronizeBoundInputs)(self.0))?;
            checked((ort::api().RunWithBinding)(
                session.pointer()?,
                ptr::null(),
                self.0,
            ))?;
            checked((ort::api().SynchronizeBoundOutputs)(self.0))
        }
    }

    /// The value of the one output, which the caller then owns.
    fn only_output(&self) -> Result<*mut sys::OrtValue> {
        let allocator = host_allocator()?;
        let (mut values, mut count) = (ptr::null_mut(), 0);
        // SAFETY: the binding lives; the array comes from `allocator`.
        checked(unsafe {
            (ort::api().GetBoundOutputValues)(self.0, allocator, &mut values, &mut count)
        })?;
        if values.is_null() || count == 0 {
            let message = "ONNX Runtime has given no output";
            return Err(Error::new(ErrorKind::Engine, message));
        }
        // SAFETY: there are `count` values, each owned by us; all but the first, and the array, are given back.
        unsafe {
            let first = *values;
            for i in 1..count {
                (ort::api().ReleaseValue)(*values.add(i));
            }
            checked((ort::api().AllocatorFree)(allocator, values.cast()))?;
            Ok(first)
        }
    }
}

/// A session with inputs that stay on its device; used by one thread at a time.
#[derive(Debug)]
pub struct Binding {
    // given back first
    raw: Raw,
    /// Inputs that stay, by index.
    kept: Vec<Option<Arc<DeviceTensor>>>,
    /// The other inputs, in ordinary memory, made when first given.
    values: Vec<Option<Value>>,
    /// The outputs, in ordinary memory, made when first asked for.
    results: Vec<Option<Value>>,
    session: Arc<OrtSession>,
}

impl Binding {
    /// A session whose inputs do not stay yet.
    ///
    /// # Errors
    /// What ONNX Runtime reports.
    pub fn new(session: Arc<OrtSession>) -> Result<Binding> {
        let _guard = ForeignGuard::new();
        Ok(Binding {
            raw: Raw::new(&session)?,
            kept: session.inputs().iter().map(|_| None).collect(),
            values: session.inputs().iter().map(|_| None).collect(),
            results: session.outputs().iter().map(|_| None).collect(),
            session,
        })
    }

    /// Makes a tensor on the device input `index` of all runs from now on.
    ///
    /// # Errors
    /// `Shape` where type or dimensions do not fit, `Argument` for an index that is none.
    pub fn keep(&mut self, index: usize, tensor: &Arc<DeviceTensor>) -> Result<()> {
        let Some(entry) = self.session.inputs().get(index) else {
            let message = format!("the model has no input {index}");
            return Err(Error::new(ErrorKind::Argument, message));
        };
        let value = &tensor.value;
        check(
            "input",
            entry,
            &value.dims,
            value.length,
            value.element_type,
        )?;
        let _guard = ForeignGuard::new();
        let _turn = self.session.turn();
        self.raw.input(self.session.input_name(index), value)?;
        self.kept[index] = Some(tensor.clone());
        Ok(())
    }

    /// Runs with these inputs in the order of those that do not stay, and writes all outputs.
    ///
    /// # Errors
    /// As [`OrtSession::run`].
    pub fn run(&mut self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>]) -> Result<()> {
        let session = &self.session;
        let given: Vec<usize> = (0..self.kept.len())
            .filter(|index| self.kept[*index].is_none())
            .collect();
        if inputs.len() != given.len() {
            return Err(count_error("inputs", given.len(), inputs.len()));
        }
        if outputs.len() != self.results.len() {
            return Err(count_error("outputs", self.results.len(), outputs.len()));
        }
        let _guard = ForeignGuard::new();
        let _turn = session.turn();
        for (tensor, index) in inputs.iter().zip(given) {
            let (_, length, element_type) = tensor.parts();
            let entry = &session.inputs()[index];
            check("input", entry, tensor.dims, length, element_type)?;
            let slot = &mut self.values[index];
            let value = settle(slot, element_type, tensor.dims, length)?;
            value.write(tensor.elements)?;
            // bound again each time: what lies elsewhere is copied when it is bound
            self.raw.input(session.input_name(index), value)?;
        }
        for (index, tensor) in outputs.iter_mut().enumerate() {
            let (_, length, element_type) = tensor.parts();
            let entry = &session.outputs()[index];
            check("output", entry, tensor.dims, length, element_type)?;
            let slot = &mut self.results[index];
            if slot
                .as_ref()
                .is_none_or(|value| !value.is(element_type, tensor.dims))
            {
                let value = settle(slot, element_type, tensor.dims, length)?;
                self.raw.output(session.output_name(index), value)?;
            }
        }
        self.raw.run(session)?;
        for (tensor, value) in outputs.iter_mut().zip(self.results.iter().flatten()) {
            value.read(&mut tensor.elements)?;
        }
        Ok(())
    }
}

/// The tensor of a slot, of this type and these dimensions.
fn settle<'a>(
    slot: &'a mut Option<Value>,
    element_type: ElementType,
    dims: &[i64],
    length: usize,
) -> Result<&'a mut Value> {
    let value = match slot.take().filter(|value| value.is(element_type, dims)) {
        Some(value) => value,
        None => Value::on_host(element_type, dims, length)?,
    };
    Ok(slot.insert(value))
}
