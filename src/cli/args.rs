//! The command line: its words, their help, and which settings they set.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::error::Result;
use crate::options::{self, Options};

/// Compiles small Scheme models of known physics into differentiable graphs, runs them, and fits their constants.
#[derive(Parser)]
#[command(name = "ncg", version, about, disable_help_subcommand = true)]
pub struct Arguments {
    /// Print one JSON object on stdout and nothing else there; errors too
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// The command line as clap knows it.
pub fn command() -> clap::Command {
    // the library has an interpreter of its own
    Arguments::command().mut_subcommand("compile", |compile| {
        compile.mut_arg("file", |file| file.required_unless_present("interpreter"))
    })
}

/// The arguments of this process.
pub fn parse() -> std::result::Result<Arguments, clap::Error> {
    let matches = command().try_get_matches()?;
    Arguments::from_arg_matches(&matches)
}

#[derive(Subcommand)]
pub enum Command {
    /// Evaluate a model, and differentiate it
    #[command(
        after_help = "Example:\n  ncg run -e '(* k (square x))' --inputs '{\"x\": [1, 2, 3], \"k\": 0.5}' --grad x,k"
    )]
    Run(Box<Run>),
    /// Fit the constants of a model to data
    #[command(
        after_help = "Example:\n  ncg fit examples/models/misra1a.scm --data examples/data/misra1a.csv --target y -o fitted.ncg --plot fit.svg"
    )]
    Fit(Box<Fit>),
    /// Compile a model to a portable graph
    #[command(after_help = "Example:\n  ncg compile examples/models/coulomb.scm -o coulomb.ncg")]
    Compile(Compile),
    /// Bind a program to an interpreter: the interpreter runs it as data
    #[command(
        after_help = "Example:\n  ncg compile --interpreter -o interpreter.ncg\n  ncg bind interpreter.ncg examples/models/coulomb.scm -o coulomb.ncg\n  ncg compile --interpreter -o interpreter.onnx\n  ncg bind interpreter.onnx examples/models/coulomb.scm -o coulomb.json"
    )]
    Bind(Box<Bind>),
    /// Write a model as ONNX
    #[command(
        after_help = "Example:\n  ncg export examples/models/coulomb.scm -o coulomb.onnx --training\n  ncg export examples/models/misra1a.scm -o fit.onnx --fit --population"
    )]
    Export(Box<Export>),
    /// Show a model: inputs, parameters, size, what can run it
    #[command(after_help = "Example:\n  ncg info examples/models/pendulum-period.scm")]
    Info(Info),
    /// List what can run models on this machine, and why not
    #[command(after_help = "Example:\n  ncg engines --onnxruntime /usr/lib/libonnxruntime.so.1")]
    Engines(Engines),
    /// Show what each stage of the compiler makes of a program
    #[command(after_help = "Example:\n  ncg explain -e '(if (< x 0) 0 (sqrt x))' --grad x")]
    Explain(Explain),
    /// Before a fit: what the data can determine, gradients against differences
    #[command(
        after_help = "Example:\n  ncg check examples/models/hahn1.scm --data examples/data/hahn1.csv --target y"
    )]
    Check(Box<Check>),
    /// Fit models that come with the program, and write what it can write
    #[command(after_help = "Example:\n  ncg demo --output demo")]
    Demo(Demo),
}

/// A model on the command line.
#[derive(Args)]
pub struct Source {
    /// Model: .scm, .ncg or .onnx, told apart by content; - reads stdin
    #[arg(required_unless_present = "expression")]
    pub file: Option<PathBuf>,
    /// The program itself
    #[arg(short = 'e', value_name = "TEXT", conflicts_with = "file")]
    pub expression: Option<String>,
    /// Make an input a constant, so that loops over it have a known length; may be repeated
    #[arg(long = "bind", value_name = "NAME=INTEGER")]
    pub bind: Vec<String>,
    /// A setting of the library, such as max_steps or soft_choice_temperature; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub settings: Vec<String>,
    /// Make numbers of the program parameters lit.0, lit.1, ... by their place: all, reals, or a list such as 0,3
    #[arg(long, value_name = "WHICH")]
    pub literals: Option<String>,
    /// Run the program through the compiled interpreter: specialised where it can be, with --engine tagged as it is
    #[arg(long)]
    pub interpret: bool,
    /// Interpret, and refuse a program that the interpreter cannot be specialised to
    #[arg(long)]
    pub specialize: bool,
}

/// Parameters that are named from outside.
#[derive(Args)]
pub struct Parameters {
    /// Make an input a parameter, or give a parameter another start and bounds; may be repeated
    #[arg(long = "parameter", value_name = "NAME=INIT[:LOWER:UPPER]", value_parser = parameter)]
    pub parameters: Vec<Parameter>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub initial: f64,
    pub bounds: Option<(f64, f64)>,
}

/// What runs the model.
#[derive(Args)]
pub struct Engine {
    /// auto takes ONNX Runtime where it loads, else native; tagged for a program whose structure hangs on data
    #[arg(long, value_name = "NAME", value_parser = words("engine"))]
    pub engine: Option<String>,
    /// cpu, cuda or cuda:INDEX
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Precision of every number
    #[arg(long, value_name = "NAME", value_parser = words("dtype"))]
    pub dtype: Option<String>,
    /// Threads inside ONNX Runtime
    #[arg(long, value_name = "N", value_parser = setting("threads"))]
    pub threads: Option<String>,
    /// The ONNX Runtime library, or the folder that holds it
    #[arg(long, value_name = "PATH")]
    pub onnxruntime: Option<String>,
}

/// Observations in a table.
#[derive(Args)]
pub struct Data {
    /// Table whose columns are found by the names of the inputs: CSV or TSV with a header, in which lines that begin with # are
    /// skipped, or .npy with records (or a matrix, whose columns are c0, c1, ...), or .npz (whose columns are its arrays; those of a
    /// matrix x are x.0, x.1, ...), or Parquet
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// The column of the observed value; once for each value of a model whose value is a list; none for --loss value
    #[arg(long = "target", value_name = "COLUMN")]
    pub targets: Vec<String>,
    /// Known standard deviation of the observations: a column, or one number for all
    #[arg(long, value_name = "COLUMN|NUMBER")]
    pub sigma: Option<String>,
    /// Standard deviations that are known up to a common factor, which the residuals tell: a column
    #[arg(long, value_name = "COLUMN", conflicts_with = "sigma")]
    pub relative_sigma: Option<String>,
    /// The covariance of all observations: a CSV file of numbers without a header, a row for each
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["sigma", "relative_sigma"])]
    pub covariance: Option<PathBuf>,
}

#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    pub source: Source,
    /// Values by name, as JSON or as @FILE; an array is a batch, or a vector for an input that is one
    #[arg(long, value_name = "JSON|@FILE", default_value = "{}")]
    pub inputs: String,
    /// Differentiate the sum of the values by these inputs and parameters, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub grad: Vec<String>,
    #[command(flatten)]
    pub engine: Engine,
}

#[derive(Args)]
pub struct Fit {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub data: Data,
    #[command(flatten)]
    pub parameters: Parameters,
    /// What minimises
    #[arg(long, value_name = "NAME", value_parser = words("optimizer"))]
    pub optimizer: Option<String>,
    /// What is minimised
    #[arg(long, value_name = "NAME", value_parser = words("loss"))]
    pub loss: Option<String>,
    /// The residual from which on a robust loss treats an observation as an outlier
    #[arg(long, value_name = "X", value_parser = setting("loss_scale"))]
    pub loss_scale: Option<String>,
    /// Keep a parameter at its initial value; may be repeated
    #[arg(long = "fix", value_name = "NAME")]
    pub fixed: Vec<String>,
    /// Move a parameter by its logarithm, or by its logit between its bounds; may be repeated
    #[arg(long = "transform", value_name = "NAME=log|logit")]
    pub transforms: Vec<String>,
    /// Let a parameter follow from others by a Scheme expression; may be repeated
    #[arg(long = "tie", value_name = "NAME=EXPRESSION")]
    pub ties: Vec<String>,
    /// What is known of a parameter beforehand: a normal distribution; may be repeated
    #[arg(long = "prior", value_name = "NAME=MEAN:SD")]
    pub priors: Vec<String>,
    /// Iteration limit; 0 takes the optimiser's own
    #[arg(long, value_name = "N", value_parser = setting("max_iterations"))]
    pub max_iterations: Option<String>,
    /// Limit on evaluations of the model; 0 is none
    #[arg(long, value_name = "N", value_parser = setting("max_evaluations"))]
    pub max_evaluations: Option<String>,
    /// Stop when the loss has come down to this
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = setting("target"))]
    pub target_loss: Option<String>,
    /// Time limit
    #[arg(long, value_name = "SECONDS", value_parser = setting("max_seconds"))]
    pub max_seconds: Option<String>,
    /// Stop when the scaled gradient falls below this
    #[arg(long, value_name = "X", value_parser = setting("gtol"))]
    pub gtol: Option<String>,
    /// Stop when the loss changes relatively less than this
    #[arg(long, value_name = "X", value_parser = setting("ftol"))]
    pub ftol: Option<String>,
    /// Stop when the parameters change relatively less than this
    #[arg(long, value_name = "X", value_parser = setting("xtol"))]
    pub xtol: Option<String>,
    /// Step size of Adam
    #[arg(long, value_name = "X", value_parser = setting("learning_rate"))]
    pub learning_rate: Option<String>,
    /// How the step of Adam shrinks
    #[arg(long, value_name = "NAME", value_parser = words("schedule"))]
    pub schedule: Option<String>,
    /// Probability that the intervals cover the true values
    #[arg(long, value_name = "X", value_parser = setting("confidence"))]
    pub confidence: Option<String>,
    /// Add the intervals of the profile likelihood
    #[arg(long)]
    pub profile: bool,
    /// Fit thresholds: the temperature from which comparisons that hang on parameters are smoothed
    #[arg(long, value_name = "X", value_parser = setting("smoothing"))]
    pub smoothing: Option<String>,
    /// From how many starts: a Latin hypercube between the bounds, the initial values first
    #[arg(long, value_name = "N", value_parser = setting("starts"))]
    pub starts: Option<String>,
    /// How many of the starts are followed to their end
    #[arg(long, value_name = "N", value_parser = setting("refine"))]
    pub refine: Option<String>,
    /// For losses with many valleys: leave the best end so often by a random step, and fit again
    #[arg(long, value_name = "N", value_parser = setting("hops"))]
    pub hops: Option<String>,
    /// Seed of the starts and hops
    #[arg(long, value_name = "N", value_parser = setting("seed"))]
    pub seed: Option<String>,
    /// Take the rows one after the other, and keep at least so many of the last as they are; older
    /// ones become a quadratic summary, so that memory does not grow with the table
    #[arg(long, value_name = "N", value_parser = setting("window"))]
    pub window: Option<String>,
    /// Write the state of the fit when it stops, and of one from one start on the way, so that it can
    /// go on
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Seconds between two writings of the checkpoint
    #[arg(long, value_name = "SECONDS", value_parser = setting("checkpoint_seconds"))]
    pub checkpoint_seconds: Option<String>,
    /// Go on from the checkpoint, if it is there
    #[arg(long, requires = "checkpoint")]
    pub resume: bool,
    /// Write the model with the fitted values and the report: .ncg, .onnx or .scm
    #[arg(short, long, value_name = "FILE", value_parser = ending(&["ncg", "onnx", "scm"]))]
    pub output: Option<PathBuf>,
    /// Draw the fit
    #[arg(long, value_name = "FILE.svg", value_parser = ending(&["svg"]))]
    pub plot: Option<PathBuf>,
    #[command(flatten)]
    pub engine: Engine,
}

#[derive(Args)]
pub struct Compile {
    #[command(flatten)]
    pub source: Source,
    /// Write an interpreter: the library's own, or that of FILE, a program with the inputs program and env; to a .onnx file
    /// the machine that any ONNX Runtime runs
    #[arg(long, conflicts_with_all = ["bind", "literals", "interpret", "specialize", "parameters"])]
    pub interpreter: bool,
    /// The file to write: .ncg, or for an interpreter .onnx
    #[arg(short, long, value_name = "FILE", value_parser = ending(&["ncg", "onnx"]))]
    pub output: PathBuf,
    #[command(flatten)]
    pub parameters: Parameters,
}

#[derive(Args)]
pub struct Bind {
    /// An interpreter, as `ncg compile --interpreter` writes it
    pub interpreter: PathBuf,
    #[command(flatten)]
    pub source: Source,
    /// The file to write: .ncg; for an interpreter that is .onnx .json, the program as tensors
    #[arg(short, long, value_name = "FILE", value_parser = ending(&["ncg", "json"]))]
    pub output: PathBuf,
    #[command(flatten)]
    pub parameters: Parameters,
}

#[derive(Args)]
pub struct Export {
    #[command(flatten)]
    pub source: Source,
    /// The file to write
    #[arg(short, long, value_name = "FILE.onnx", value_parser = ending(&["onnx"]))]
    pub output: PathBuf,
    /// One file that infers and trains; the same as --gradient training
    #[arg(long, conflicts_with = "gradient")]
    pub training: bool,
    /// A whole fit by Adam in one call: data and number of epochs in, fitted parameters out; the same as --gradient fit
    #[arg(long, conflicts_with_all = ["gradient", "training"])]
    pub fit: bool,
    /// Parameters of shape [M, 1]: M parameter sets, or starts of a fit, on N samples in one call
    #[arg(long, conflicts_with = "training")]
    pub population: bool,
    /// Which derivatives the file computes
    #[arg(long, value_name = "NAME", value_parser = words("gradient"))]
    pub gradient: Option<String>,
    /// Precision of every number
    #[arg(long, value_name = "NAME", value_parser = words("dtype"))]
    pub dtype: Option<String>,
    /// Step size of the update in a training file, or of Adam in a fit
    #[arg(long, value_name = "X", value_parser = setting("learning_rate"))]
    pub learning_rate: Option<String>,
    #[command(flatten)]
    pub parameters: Parameters,
}

#[derive(Args)]
pub struct Info {
    #[command(flatten)]
    pub source: Source,
    /// The ONNX Runtime library, or the folder that holds it
    #[arg(long, value_name = "PATH")]
    pub onnxruntime: Option<String>,
}

#[derive(Args)]
pub struct Engines {
    /// The ONNX Runtime library, or the folder that holds it
    #[arg(long, value_name = "PATH")]
    pub onnxruntime: Option<String>,
}

#[derive(Args)]
pub struct Explain {
    #[command(flatten)]
    pub source: Source,
    /// Show the gradient by these inputs and parameters too, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub grad: Vec<String>,
    /// Run the program once on the tagged engine, and show the cells of its heap
    #[arg(long, conflicts_with = "grad")]
    pub heap: bool,
    /// Values by name for --heap, as JSON or as @FILE
    #[arg(
        long,
        value_name = "JSON|@FILE",
        default_value = "{}",
        requires = "heap"
    )]
    pub inputs: String,
}

#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub data: Data,
    #[command(flatten)]
    pub parameters: Parameters,
    #[command(flatten)]
    pub engine: Engine,
}

#[derive(Args)]
pub struct Demo {
    /// The folder to write to
    #[arg(short, long, value_name = "FOLDER", default_value = "demo")]
    pub output: PathBuf,
    /// auto takes ONNX Runtime where it loads, else native; tagged for a program whose structure hangs on data
    #[arg(long, value_name = "NAME", value_parser = words("engine"))]
    pub engine: Option<String>,
    /// The ONNX Runtime library, or the folder that holds it
    #[arg(long, value_name = "PATH")]
    pub onnxruntime: Option<String>,
}

/// The words that the text setting `name` may be.
fn words(name: &'static str) -> PossibleValuesParser {
    let choices = options::find(name).map_or(&[][..], |row| row.choices);
    PossibleValuesParser::new(choices.iter().copied())
}

/// A value that the setting `name` accepts, as text.
fn setting(name: &'static str) -> impl TypedValueParser<Value = String> {
    clap::builder::NonEmptyStringValueParser::new().try_map(move |text| {
        Options::new()
            .set(name, &text)
            .map(|()| text)
            .map_err(|error| error.message)
    })
}

/// A path with one of these extensions.
fn ending(extensions: &'static [&'static str]) -> impl TypedValueParser<Value = PathBuf> {
    clap::builder::PathBufValueParser::new().try_map(move |path| {
        let given = path.extension().and_then(|extension| extension.to_str());
        match given.is_some_and(|given| extensions.contains(&given)) {
            true => Ok(path),
            false => Err(format!(
                "the name must end in .{}",
                extensions.join(" or .")
            )),
        }
    })
}

/// `k=1.5` or `k=1.5:0:10`.
fn parameter(text: &str) -> std::result::Result<Parameter, String> {
    let form = "write NAME=INIT or NAME=INIT:LOWER:UPPER";
    let (name, rest) = text.split_once('=').ok_or(form)?;
    let numbers = rest
        .split(':')
        .map(|word| word.trim().parse::<f64>())
        .collect::<std::result::Result<Vec<f64>, _>>()
        .map_err(|_| form)?;
    let (initial, bounds) = match *numbers.as_slice() {
        [initial] => (initial, None),
        [initial, lower, upper] => (initial, Some((lower, upper))),
        _ => return Err(form.into()),
    };
    let (lower, upper) = bounds.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
    let inside = initial.is_finite() && lower <= initial && initial <= upper;
    match inside && !name.trim().is_empty() {
        true => Ok(Parameter {
            name: name.trim().to_string(),
            initial,
            bounds,
        }),
        false => Err(format!(
            "{form}, with a finite INIT between LOWER and UPPER"
        )),
    }
}

impl Engine {
    /// Sets the settings that were given.
    pub fn set(&self, options: &mut Options) -> Result<()> {
        set(options, "engine", &self.engine)?;
        set(options, "device", &self.device)?;
        set(options, "dtype", &self.dtype)?;
        set(options, "threads", &self.threads)?;
        set(options, "onnxruntime", &self.onnxruntime)
    }
}

/// Sets a setting if a value was given.
pub fn set(options: &mut Options, name: &str, value: &Option<String>) -> Result<()> {
    value
        .as_ref()
        .map_or(Ok(()), |value| options.set(name, value))
}
