//! The samples of a fit where its session computes: copied there once, so that an evaluation brings parameters and takes sums
//! away.

use std::sync::Arc;

use super::{Element, Engine, Session};
use crate::engine::ort::{
    self, Binding, DeviceTensor, OrtConfig, OrtSession, TensorMut, TensorRef, session_of,
};
use crate::error::{Error, ErrorKind, Result};

/// Most entries of residuals and Jacobian of a chunk: a quarter of a gigabyte of them, of which a reduction holds a few.
const MOST_ENTRIES: usize = 1 << 25;

/// Which sessions do something that pays on a GPU: the options `resident` and `whole_fit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeping {
    /// Those on a GPU.
    Auto,
    /// All of ONNX Runtime.
    On,
    /// None.
    Off,
}

impl Keeping {
    pub fn named(word: &str) -> Keeping {
        match word {
            "on" => Keeping::On,
            "off" => Keeping::Off,
            _ => Keeping::Auto,
        }
    }

    /// Whether this is asked for on this device.
    pub fn holds(self, device: ort::Device) -> bool {
        match self {
            Keeping::Auto => device != ort::Device::Cpu,
            Keeping::On => true,
            Keeping::Off => false,
        }
    }
}

/// A column of samples.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column<'a> {
    /// As it is.
    Plain(&'a [f64]),
    /// The roots of the numbers.
    Roots(&'a [f64]),
}

impl Column<'_> {
    fn numbers(&self) -> &[f64] {
        match self {
            Column::Plain(numbers) | Column::Roots(numbers) => numbers,
        }
    }
}

/// How much work the samples of a session have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Columns, or parts of them, that were copied to where the session computes.
    pub copies: u64,
    /// Calls of ONNX Runtime over them.
    pub calls: u64,
    /// Numbers that came back from these calls.
    pub numbers: u64,
}

/// Columns in chunks, and the graphs that run over them.
pub(crate) struct Resident {
    config: OrtConfig,
    /// Which memory the columns were copied from, and how long the chunks were to be.
    from: (Vec<(usize, usize)>, usize),
    chunks: Vec<Chunk>,
    /// By the words that their makers call them.
    machines: Vec<(String, Machine)>,
}

/// The columns of some samples.
type Chunk = Vec<Arc<DeviceTensor>>;

/// A graph with a binding for each chunk, made when it first runs.
struct Machine {
    session: Arc<OrtSession>,
    /// For each input, the column that it is, if it is one.
    columns: Vec<Option<usize>>,
    bindings: Vec<Option<Binding>>,
    /// Whether a loop was cut off, if that can be.
    cut: Vec<bool>,
}

/// What a machine is made of: a model, and for each input the column that it is, if it is one.
pub(crate) type Parts = (Vec<u8>, Vec<Option<usize>>);

impl<T: Element> Session<T> {
    /// Whether the samples of a fit stay where this session computes.
    pub(crate) fn keeps_samples(&self) -> bool {
        match &self.engine {
            Engine::OnnxRuntime { config, .. } => {
                self.model.is_numeric() && self.keeping.holds(config.device)
            }
            _ => false,
        }
    }

    /// Whether fits by Adam are calls of many iterations.
    pub(crate) fn fits_whole(&self) -> bool {
        match &self.engine {
            Engine::OnnxRuntime { config, .. } => {
                self.model.is_numeric() && self.whole.holds(config.device)
            }
            _ => false,
        }
    }

    /// How many samples this session takes at once where each has so many numbers in what is reduced.
    pub(crate) fn kept_chunk(&self, entries: usize) -> usize {
        let Engine::OnnxRuntime { config, chunk, .. } = &self.engine else {
            return 0;
        };
        let size = std::mem::size_of::<T>();
        let logged = ort::states_of_loops(&self.model.graph, config.max_steps);
        let most = ort::chunk_of_logs(size.saturating_mul(logged));
        let wide = MOST_ENTRIES / entries.max(1);
        (*chunk).min(wide).min(most).max(1)
    }

    /// Makes sure that the columns, of `samples` numbers each, are where this session computes, in chunks of so many.
    pub(crate) fn keep_samples(
        &mut self,
        samples: usize,
        columns: &[Column],
        chunk: usize,
    ) -> Result<()> {
        let Engine::OnnxRuntime { config, .. } = &self.engine else {
            let message = "only the onnxruntime engine keeps samples where it computes";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let places = columns.iter().map(|column| {
            let numbers = column.numbers();
            (numbers.as_ptr() as usize, numbers.len())
        });
        let from = (places.collect(), chunk);
        if self.resident.as_ref().is_some_and(|kept| kept.from == from) {
            return Ok(());
        }
        // what is there is given back before more is asked for
        self.resident = None;
        let mut chunks = Vec::new();
        let mut typed: Vec<T> = Vec::new();
        for start in (0..samples).step_by(chunk) {
            let count = chunk.min(samples - start);
            let mut tensors = Vec::with_capacity(columns.len());
            for column in columns {
                let part = &column.numbers()[start..start + count];
                typed.clear();
                typed.extend(part.iter().map(|number| match column {
                    Column::Plain(_) => T::of(*number),
                    Column::Roots(_) => T::of(number.sqrt()),
                }));
                let tensor = DeviceTensor::new(&typed, config).map_err(no_room)?;
                self.traffic.copies += 1;
                tensors.push(Arc::new(tensor));
            }
            chunks.push(tensors);
        }
        self.resident = Some(Resident {
            config: config.clone(),
            from,
            chunks,
            machines: Vec::new(),
        });
        Ok(())
    }

    /// In how many chunks the samples are that are kept.
    pub(crate) fn kept_chunks(&self) -> usize {
        self.resident.as_ref().map_or(0, |kept| kept.chunks.len())
    }

    /// Whether there is a machine of this word already.
    pub(crate) fn has_machine(&self, word: &str) -> bool {
        let machines = self.resident.iter().flat_map(|kept| &kept.machines);
        machines.into_iter().any(|(known, _)| known == word)
    }

    /// So many iterations a loop of the model has at most.
    pub(crate) fn max_steps(&self) -> u64 {
        match &self.engine {
            Engine::OnnxRuntime { config, .. } => config.max_steps,
            _ => u64::MAX,
        }
    }

    /// What the samples of this session have been so far: counts of copies, calls and numbers.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Runs a machine over a chunk of the samples that are kept: the one of this word, which `parts` are the parts of where it
    /// is not there yet. `inputs` are those that are no columns.
    pub(crate) fn run_kept(
        &mut self,
        word: &str,
        parts: Option<Parts>,
        chunk: usize,
        inputs: &[TensorRef],
        outputs: &mut [TensorMut],
    ) -> Result<()> {
        let Some(kept) = &mut self.resident else {
            return Err(Error::new(ErrorKind::Panic, "no samples are kept"));
        };
        let cut = kept.run(word, parts, chunk, inputs, outputs)?;
        self.traffic.calls += 1;
        let numbers = outputs.iter().map(TensorMut::len);
        self.traffic.numbers += numbers.sum::<usize>() as u64;
        match (cut, &self.engine) {
            (true, Engine::OnnxRuntime { config, .. }) => Err(ort::cut_off(config.max_steps)),
            _ => Ok(()),
        }
    }
}

impl Resident {
    /// Whether a loop was cut off.
    fn run(
        &mut self,
        word: &str,
        parts: Option<Parts>,
        chunk: usize,
        inputs: &[TensorRef],
        outputs: &mut [TensorMut],
    ) -> Result<bool> {
        let known = self.machines.iter().position(|(known, _)| known == word);
        let place = match (known, parts) {
            (Some(place), _) => place,
            (None, None) => {
                let message = "a machine without parts";
                return Err(Error::new(ErrorKind::Panic, message));
            }
            (None, Some((model, columns))) => {
                let session = session_of(model, &self.config)?;
                let machine = Machine {
                    cut: vec![false; session.outputs().len().saturating_sub(outputs.len())],
                    session,
                    columns,
                    bindings: self.chunks.iter().map(|_| None).collect(),
                };
                self.machines.push((word.to_string(), machine));
                self.machines.len() - 1
            }
        };
        let (machine, chunk_of) = (&mut self.machines[place].1, &self.chunks[chunk]);
        let binding = match &mut machine.bindings[chunk] {
            Some(binding) => binding,
            none => {
                let mut binding = Binding::new(machine.session.clone())?;
                for (input, column) in machine.columns.iter().enumerate() {
                    if let Some(column) = column {
                        binding.keep(input, &chunk_of[*column])?;
                    }
                }
                none.insert(binding)
            }
        };
        // one more output says whether a loop was cut off
        let cut = &mut machine.cut;
        let mut all: Vec<TensorMut> = outputs.iter_mut().map(TensorMut::lend).collect();
        if !cut.is_empty() {
            all.push(TensorMut::new(&[], cut));
        }
        binding.run(inputs, &mut all).map_err(no_room)?;
        Ok(machine.cut.contains(&true))
    }
}

/// Says what to do where the device has no room.
fn no_room(error: Error) -> Error {
    match error.kind {
        ErrorKind::Memory => Error {
            message: format!(
                "{}: the samples of a fit stay on the device; a smaller \"chunk\" needs less beside them, and \"resident\" = \"off\" moves them there in each evaluation",
                error.message
            ),
            ..error
        },
        _ => error,
    }
}
