//! A model and an engine, prepared: evaluates, differentiates and gives Jacobians, with memory of its own.

mod crowd;
mod general;
mod held;
mod resident;
mod table;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::compile::Model;
use crate::engine::{Destination, Inputs, Outputs, Program, native, ort, tagged};
use crate::error::{Error, ErrorKind, Result};
use crate::grad;
use crate::graph::{Graph, PortKind};
use crate::ops::real::Real;
use crate::options::Options;

pub use crowd::Crowd;
pub(crate) use held::Rows;
pub use resident::Traffic;
pub(crate) use resident::{Column, Parts};
use resident::{Keeping, Resident};
pub(crate) use table::apart;
pub use table::{Columns, ColumnsMut, Strided, StridedMut};

/// Which engine runs a session, as it was really chosen.
#[derive(Clone, Debug)]
enum Engine {
    Native(native::Settings),
    OnnxRuntime {
        config: ort::OrtConfig,
        version: String,
        chunk: usize,
        /// For programs whose structure hangs on data: how they are traced, and how many paths are kept.
        limits: tagged::Limits,
    },
    Tagged(tagged::Limits),
}

impl Engine {
    /// Chooses the engine that the options ask for.
    fn choose(model: &Model, options: &Options) -> Result<Engine> {
        let device = device(options.str("device"))?;
        let wanted = options.str("engine");
        let library = options.str("onnxruntime");
        let config = ort::OrtConfig {
            library: (!library.is_empty()).then(|| library.into()),
            device,
            threads: options.int("threads") as usize,
            max_steps: options.int("max_steps").unsigned_abs(),
        };
        model.check_bound()?;
        let general = wanted == "auto" && !model.is_numeric();
        if wanted == "native" {
            model.check_numeric(&format!("the {wanted} engine"))?;
        }
        if wanted == "native" || wanted == "tagged" || general {
            let engine = match wanted {
                "native" => Engine::native(options)?,
                _ => Engine::Tagged(tagged::Limits::of(options)),
            };
            return match device {
                ort::Device::Cpu => Ok(engine),
                ort::Device::Cuda(_) => Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "the {} engine runs on the cpu; only the onnxruntime engine runs on cuda",
                        engine.name()
                    ),
                )),
            };
        }
        match ort::probe(config.library.as_deref()) {
            Ok(loaded) => Ok(Engine::OnnxRuntime {
                config,
                version: loaded.version,
                chunk: match options.is_set("chunk") {
                    true => options.int("chunk") as usize,
                    false => ort::default_chunk(device),
                },
                limits: tagged::Limits::of(options),
            }),
            // a library or a device that was asked for by name is never replaced silently
            Err(_)
                if wanted == "auto" && config.library.is_none() && device == ort::Device::Cpu =>
            {
                Engine::native(options)
            }
            Err(error) => Err(error),
        }
    }

    fn native(options: &Options) -> Result<Engine> {
        Ok(Engine::Native(native::Settings::of(options)?))
    }

    fn name(&self) -> &'static str {
        match self {
            Engine::Native(_) => "native",
            Engine::OnnxRuntime { .. } => "onnxruntime",
            Engine::Tagged(_) => "tagged",
        }
    }

    /// Prepares what `model` computes, with derivatives.
    fn prepare<T: Element>(
        &self,
        model: &Model,
        derivatives: &Derivatives,
    ) -> Result<Box<dyn Program<T>>> {
        let graph = || match derivatives {
            Derivatives::None => Cow::Borrowed(&model.graph),
            Derivatives::Vjp(wrt) => Cow::Owned(grad::cheapest_vjp(&model.graph, wrt)),
            Derivatives::Jacobian(wrt) => Cow::Owned(grad::cheapest_jacobian(&model.graph, wrt)),
        };
        match self {
            Engine::Native(_) => self.prepare_graph(&graph()),
            Engine::OnnxRuntime {
                config,
                chunk,
                limits,
                ..
            } if !model.is_numeric() => {
                let (config, chunk) = (config.clone(), *chunk);
                let prepare = move |graph: &Graph| T::prepare_ort(graph, &config, chunk);
                let paths = general::paths(model, derivatives, *limits, Box::new(prepare))?;
                Ok(Box::new(paths))
            }
            Engine::OnnxRuntime { .. } => self.prepare_graph(&graph()),
            Engine::Tagged(limits) => Ok(Box::new(general::tagged(model, derivatives, *limits)?)),
        }
    }

    /// Prepares a numeric graph.
    fn prepare_graph<T: Element>(&self, graph: &Graph) -> Result<Box<dyn Program<T>>> {
        match self {
            Engine::OnnxRuntime { config, chunk, .. } => T::prepare_ort(graph, config, *chunk),
            Engine::Native(settings) => T::prepare_native(graph, settings),
            Engine::Tagged(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "the tagged engine takes programs, not graphs of numbers",
            )),
        }
    }
}

/// What a program gives behind its values.
enum Derivatives {
    None,
    /// The vector–Jacobian product by these ports.
    Vjp(Vec<usize>),
    /// The Jacobian by these ports.
    Jacobian(Vec<usize>),
}

/// The element types that sessions come in.
pub trait Element: Real + ort::Element + Default {
    /// `"f64"` or `"f32"`.
    const NAME: &'static str;
    /// Numbers in this precision: the same memory where they have it already.
    fn numbers(values: &[f64]) -> Cow<'_, [Self]>;
    #[doc(hidden)]
    fn prepare_native(graph: &Graph, settings: &native::Settings)
    -> Result<Box<dyn Program<Self>>>;
    #[doc(hidden)]
    fn prepare_ort(
        graph: &Graph,
        config: &ort::OrtConfig,
        chunk: usize,
    ) -> Result<Box<dyn Program<Self>>>;
}

macro_rules! element {
    ($type:ident, $values:ident => $numbers:expr) => {
        impl Element for $type {
            const NAME: &'static str = stringify!($type);
            fn numbers($values: &[f64]) -> Cow<'_, [$type]> {
                $numbers
            }
            fn prepare_native(
                graph: &Graph,
                settings: &native::Settings,
            ) -> Result<Box<dyn Program<Self>>> {
                Ok(Box::new(native::prepare_with::<$type>(graph, settings)?))
            }
            fn prepare_ort(
                graph: &Graph,
                config: &ort::OrtConfig,
                chunk: usize,
            ) -> Result<Box<dyn Program<Self>>> {
                ort::prepare::<$type>(graph, config, chunk)
            }
        }
    };
}

element!(f64, values => Cow::Borrowed(values));
element!(f32, values => Cow::Owned(values.iter().map(|value| *value as f32).collect()));

/// `cpu`, `cuda` or `cuda:INDEX`.
fn device(text: &str) -> Result<ort::Device> {
    let cuda = |index: &str| {
        index
            .parse()
            .ok()
            .filter(|index| *index >= 0)
            .map(ort::Device::Cuda)
    };
    let device = match text.split_once(':') {
        None if text == "cpu" => Some(ort::Device::Cpu),
        None if text == "cuda" => Some(ort::Device::Cuda(0)),
        Some(("cuda", index)) => cuda(index),
        _ => None,
    };
    device.ok_or_else(|| {
        let message =
            format!("option \"device\" cannot be \"{text}\": it is cpu, cuda or cuda:INDEX");
        Error::new(ErrorKind::Argument, message)
    })
}

/// Where the reverse sweep puts what it finds; `None` skips it.
pub struct Gradient<'a, T: Real> {
    /// The outputs, samples by outputs.
    pub y: Option<&'a mut dyn ColumnsMut<T>>,
    /// The derivatives by the inputs, samples by inputs.
    pub dx: Option<&'a mut dyn ColumnsMut<T>>,
    /// The derivatives by the parameters, summed over the samples.
    pub dp: Option<&'a mut [T]>,
}

/// A model prepared for one engine; used by one thread at a time.
pub struct Session<T: Element> {
    model: Arc<Model>,
    engine: Engine,
    threads: usize,
    inputs: Vec<usize>,
    parameters: Vec<usize>,
    /// For each port, its place among the inputs or among the parameters.
    places: Vec<Place>,
    initial: Vec<T>,
    value: Box<dyn Program<T>>,
    /// The reverse sweep to inputs alone, to parameters alone, to both; made when first used.
    sweeps: [Option<Box<dyn Program<T>>>; 3],
    jacobian: Option<Box<dyn Program<T>>>,
    /// What is computed once for inputs that stay the same.
    held: held::Held<T>,
    /// Whether the samples of a fit stay where this computes.
    keeping: Keeping,
    /// Whether fits by Adam are calls of many iterations.
    whole: Keeping,
    /// The samples of a fit that do.
    resident: Option<Resident>,
    traffic: Traffic,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Input(usize),
    Parameter(usize),
}

impl<T: Element> Session<T> {
    /// Prepares a model. Options: `engine`, `device`, `threads`, `machine_code`, `onnxruntime`, `chunk`, `max_steps`, `resident`; for the
    /// tagged engine `max_depth` and `max_heap` too.
    pub fn new(model: Arc<Model>, options: &Options) -> Result<Session<T>> {
        let engine = Engine::choose(&model, options)?;
        let value = engine.prepare(&model, &Derivatives::None)?;
        let (inputs, parameters) = (model.graph.inputs(), model.graph.parameters());
        let mut places = vec![Place::Input(0); model.graph.ports.len()];
        for (i, port) in inputs.iter().enumerate() {
            places[*port] = Place::Input(i);
        }
        for (i, port) in parameters.iter().enumerate() {
            places[*port] = Place::Parameter(i);
        }
        let initial = model.graph.ports.iter().filter_map(|port| match port.kind {
            PortKind::Parameter { initial, .. } => Some(T::of(initial)),
            PortKind::Input => None,
        });
        let initial = initial.collect();
        Ok(Session {
            model,
            engine,
            threads: options.int("threads") as usize,
            inputs,
            parameters,
            places,
            initial,
            value,
            sweeps: [None, None, None],
            jacobian: None,
            held: held::Held::new(),
            keeping: Keeping::named(options.str("resident")),
            whole: Keeping::named(options.str("whole_fit")),
            resident: None,
            traffic: Traffic::default(),
        })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// How many inputs, parameters and outputs the model has.
    pub fn counts(&self) -> (usize, usize, usize) {
        (
            self.inputs.len(),
            self.parameters.len(),
            self.model.graph.outputs.len(),
        )
    }

    /// The initial values of the parameters.
    pub fn initial(&self) -> &[T] {
        &self.initial
    }

    /// The name of the engine: `"native"`, `"onnxruntime"` or `"tagged"`.
    pub fn engine(&self) -> &'static str {
        self.engine.name()
    }

    /// The device: `"cpu"`, `"cuda:0"`, ….
    pub fn device(&self) -> String {
        match &self.engine {
            Engine::OnnxRuntime { config, .. } => match config.device {
                ort::Device::Cpu => "cpu".into(),
                ort::Device::Cuda(index) => format!("cuda:{index}"),
            },
            Engine::Native(_) | Engine::Tagged(_) => "cpu".into(),
        }
    }

    /// What was really chosen, e.g. `"native cpu f64 threads=1"`.
    pub fn describe(&self) -> String {
        let (engine, device, dtype) = (self.engine(), self.device(), T::NAME);
        match &self.engine {
            Engine::Tagged(_) => format!("{engine} {device} {dtype} threads=1"),
            Engine::Native(_) => format!("{engine} {device} {dtype} threads={}", self.threads),
            Engine::OnnxRuntime { version, .. } => {
                format!(
                    "{engine} {version} {device} {dtype} threads={}",
                    self.threads
                )
            }
        }
    }

    /// `y = f(x; p)` for `samples` samples. `p` of `None` takes the initial values.
    pub fn eval(
        &mut self,
        samples: usize,
        x: &dyn Columns<T>,
        p: Option<&[T]>,
        y: &mut dyn ColumnsMut<T>,
        cancel: Option<&AtomicBool>,
    ) -> Result<()> {
        check_parameters(self.parameters.len(), p.map(<[T]>::len))?;
        let arguments = Arguments {
            places: &self.places,
            x,
            p: p.unwrap_or(&self.initial),
            seed: None,
        };
        let mut results = Results {
            samples,
            outputs: self.model.graph.outputs.len(),
            derivatives: 0,
            y: Some(y),
            dx: None,
            dp: None,
        };
        let done = self.value.run(samples, &arguments, &mut results, cancel);
        done.map_err(|error| located(&self.model, error))
    }

    /// The reverse sweep: `dx[s,i] = Σ_o seed[s,o] ∂y[s,o]/∂x[s,i]` and `dp[j] = Σ_s Σ_o seed[s,o] ∂y[s,o]/∂p[j]`. A seed
    /// of `None` means ones.
    pub fn gradient(
        &mut self,
        samples: usize,
        x: &dyn Columns<T>,
        p: Option<&[T]>,
        seed: Option<&dyn Columns<T>>,
        into: Gradient<T>,
        cancel: Option<&AtomicBool>,
    ) -> Result<()> {
        check_parameters(self.parameters.len(), p.map(<[T]>::len))?;
        let Gradient { y, dx, dp } = into;
        let which = match (&dx, &dp) {
            (None, None) => {
                return match y {
                    Some(y) => self.eval(samples, x, p, y, cancel),
                    None => Ok(()),
                };
            }
            (Some(_), None) => 0,
            (None, Some(_)) => 1,
            (Some(_), Some(_)) => 2,
        };
        check_parameters(self.parameters.len(), dp.as_ref().map(|dp| dp.len()))?;
        if self.sweeps[which].is_none() {
            let derivatives = Derivatives::Vjp(self.wrt(which));
            self.sweeps[which] = Some(self.engine.prepare(&self.model, &derivatives)?);
        }
        let Some(program) = &mut self.sweeps[which] else {
            return Ok(());
        };
        let arguments = Arguments {
            places: &self.places,
            x,
            p: p.unwrap_or(&self.initial),
            seed,
        };
        let mut results = Results {
            samples,
            outputs: self.model.graph.outputs.len(),
            derivatives: if dx.is_some() { self.inputs.len() } else { 0 },
            y,
            dx,
            dp,
        };
        let done = program.run(samples, &arguments, &mut results, cancel);
        done.map_err(|error| located(&self.model, error))
    }

    /// The ports that sweep `which` differentiates by.
    fn wrt(&self, which: usize) -> Vec<usize> {
        let inputs: &[usize] = if which == 1 { &[] } else { &self.inputs };
        let parameters: &[usize] = if which == 0 { &[] } else { &self.parameters };
        [inputs, parameters].concat()
    }

    /// The Jacobian of the outputs by the parameters: `j` is a table of samples by `outputs * parameters` entries, output
    /// by output. `y` may be left out.
    pub fn jacobian<'a>(
        &mut self,
        samples: usize,
        x: &dyn Columns<T>,
        p: Option<&[T]>,
        y: Option<&'a mut dyn ColumnsMut<T>>,
        j: &'a mut dyn ColumnsMut<T>,
        cancel: Option<&AtomicBool>,
    ) -> Result<()> {
        check_parameters(self.parameters.len(), p.map(<[T]>::len))?;
        if self.jacobian.is_none() {
            let derivatives = Derivatives::Jacobian(self.parameters.clone());
            self.jacobian = Some(self.engine.prepare(&self.model, &derivatives)?);
        }
        let Some(program) = &mut self.jacobian else {
            return Ok(());
        };
        let arguments = Arguments {
            places: &self.places,
            x,
            p: p.unwrap_or(&self.initial),
            seed: None,
        };
        let outputs = self.model.graph.outputs.len();
        let mut results = Results {
            samples,
            outputs,
            derivatives: outputs * self.parameters.len(),
            y,
            dx: Some(j),
            dp: None,
        };
        let done = program.run(samples, &arguments, &mut results, cancel);
        done.map_err(|error| located(&self.model, error))
    }
}

/// The error with its place in the source of the model, if it has one.
fn located(model: &Model, error: Error) -> Error {
    match &model.source {
        Some(source) => error.locate(source),
        None => error,
    }
}

fn check_parameters(wanted: usize, given: Option<usize>) -> Result<()> {
    match given {
        Some(given) if given != wanted => {
            let message = format!("the model has {wanted} parameters, not {given}");
            Err(Error::new(ErrorKind::Shape, message))
        }
        _ => Ok(()),
    }
}

/// The ports of a graph, read from the caller's tables. Ports behind those of the model are seeds.
struct Arguments<'a, T: Real> {
    places: &'a [Place],
    x: &'a dyn Columns<T>,
    p: &'a [T],
    seed: Option<&'a dyn Columns<T>>,
}

impl<T: Real> Inputs<T> for Arguments<'_, T> {
    fn uniform(&self, port: usize) -> T {
        match self.places[port] {
            Place::Parameter(index) => self.p[index],
            Place::Input(_) => T::ZERO,
        }
    }

    fn gather(&self, port: usize, start: usize, out: &mut [T]) {
        match (self.places.get(port), self.seed) {
            (Some(Place::Input(index)), _) => self.x.gather(*index, start, out),
            (Some(Place::Parameter(index)), _) => out.fill(self.p[*index]),
            (None, Some(seed)) => seed.gather(port - self.places.len(), start, out),
            (None, None) => out.fill(T::ONE),
        }
    }

    fn contiguous(&self, port: usize, start: usize, count: usize) -> Option<&[T]> {
        match (self.places.get(port), self.seed) {
            (Some(Place::Input(index)), _) => self.x.contiguous(*index, start, count),
            (None, Some(seed)) => seed.contiguous(port - self.places.len(), start, count),
            _ => None,
        }
    }

    fn constant(&self, port: usize) -> Option<T> {
        (port >= self.places.len() && self.seed.is_none()).then_some(T::ONE)
    }

    fn first(&self, ports: &[usize], out: &mut [T]) {
        // the inputs of the model stand in the order of its ports, the seeds behind them
        let seeds = ports.partition_point(|port| *port < self.places.len());
        let (inputs, seeds) = out.split_at_mut(seeds);
        self.x.first(inputs);
        match self.seed {
            Some(seed) => seed.first(seeds),
            None => seeds.fill(T::ONE),
        }
    }
}

/// The outputs of a graph, written to the caller's tables: values, then derivatives by sample, then sums.
struct Results<'a, T: Real> {
    samples: usize,
    /// How many outputs are values.
    outputs: usize,
    /// How many outputs behind them go to `dx`.
    derivatives: usize,
    y: Option<&'a mut (dyn ColumnsMut<T> + 'a)>,
    dx: Option<&'a mut (dyn ColumnsMut<T> + 'a)>,
    dp: Option<&'a mut [T]>,
}

impl<'a, T: Real> Results<'a, T> {
    fn column(&mut self, output: usize) -> Option<(&mut (dyn ColumnsMut<T> + 'a), usize)> {
        match output.checked_sub(self.outputs) {
            None => self.y.as_deref_mut().map(|y| (y, output)),
            Some(index) if index < self.derivatives => self.dx.as_deref_mut().map(|dx| (dx, index)),
            Some(_) => None,
        }
    }
}

impl<T: Real> Outputs<T> for Results<'_, T> {
    fn scatter(&mut self, output: usize, start: usize, values: &[T]) {
        if let Some((table, entry)) = self.column(output) {
            table.scatter(entry, start, values);
        }
    }

    fn uniform(&mut self, output: usize, value: T) {
        let samples = self.samples;
        if let Some((table, entry)) = self.column(output) {
            table.fill(entry, samples, value);
        } else if let (Some(dp), Some(index)) = (
            self.dp.as_deref_mut(),
            output.checked_sub(self.outputs + self.derivatives),
        ) {
            dp[index] = value;
        }
    }

    fn contiguous(&mut self, output: usize, start: usize, count: usize) -> Option<&mut [T]> {
        let (table, entry) = self.column(output)?;
        table.contiguous(entry, start, count)
    }

    fn destination(&mut self, output: usize, samples: usize) -> Destination<T> {
        match self.column(output) {
            None => Destination::Nowhere,
            Some((table, entry)) => table.destination(entry, samples),
        }
    }

    fn only(&mut self, values: &[T], _: &[bool]) {
        let (y, rest) = values.split_at(self.outputs);
        let (dx, dp) = rest.split_at(self.derivatives);
        if let Some(table) = self.y.as_deref_mut() {
            table.only(y);
        }
        if let Some(table) = self.dx.as_deref_mut() {
            table.only(dx);
        }
        if let Some(sums) = self.dp.as_deref_mut() {
            sums.copy_from_slice(dp);
        }
    }
}
