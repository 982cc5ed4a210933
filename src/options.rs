//! The named settings: one table, which the Rust API, the C ABI, the command and the documentation read.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};

/// What a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Str,
    /// A whole number.
    Int,
    /// A real.
    Real,
}

impl Kind {
    /// `"str"`, `"int"` or `"real"`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Str => "str",
            Kind::Int => "int",
            Kind::Real => "real",
        }
    }
}

/// One row of the table.
pub struct Setting {
    /// The name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// The value when it is not set, as text.
    pub default: &'static str,
    /// What it does, in a sentence.
    pub description: &'static str,
    /// The words that a text setting may be; empty where any text may stand.
    pub choices: &'static [&'static str],
    /// The smallest value of a number.
    pub min: f64,
}

const fn text(name: &'static str, default: &'static str, description: &'static str) -> Setting {
    choice(name, default, description, &[])
}

const fn choice(
    name: &'static str,
    default: &'static str,
    description: &'static str,
    choices: &'static [&'static str],
) -> Setting {
    Setting {
        name,
        kind: Kind::Str,
        default,
        description,
        choices,
        min: 0.0,
    }
}

const fn int(
    name: &'static str,
    default: &'static str,
    min: f64,
    description: &'static str,
) -> Setting {
    Setting {
        name,
        kind: Kind::Int,
        default,
        description,
        choices: &[],
        min,
    }
}

const fn real(name: &'static str, default: &'static str, description: &'static str) -> Setting {
    Setting {
        name,
        kind: Kind::Real,
        default,
        description,
        choices: &[],
        min: 0.0,
    }
}

/// Every setting.
pub static TABLE: &[Setting] = &[
    text(
        "params",
        "",
        "Compile: inputs to make parameters, as NAME or NAME=INIT, separated by commas; INIT is 1 if left out.",
    ),
    text(
        "bind",
        "",
        "Compile: inputs to make constants, as NAME=INTEGER, separated by commas.",
    ),
    text(
        "literals",
        "",
        "Compile: numbers in the text to make parameters lit.0, lit.1, ... by their place: all, reals, or a list such as 0,3.",
    ),
    int(
        "max_depth",
        "10000",
        1.0,
        "Compile and session: deepest recursion of the program.",
    ),
    int(
        "max_steps",
        "1000000",
        1.0,
        "Most iterations of a loop, or calls, in one evaluation.",
    ),
    int(
        "max_heap",
        "10000000",
        1.0,
        "Session: most cells of memory that the tagged engine takes for one evaluation.",
    ),
    int(
        "max_nodes",
        "1000000",
        1.0,
        "Compile: most nodes of the compiled graph.",
    ),
    text(
        "folder",
        "",
        "Compile: the folder in which the files lie that a text imports, below which it stays. Without it a text that is no file imports nothing, and a file imports from where it lies.",
    ),
    text(
        "weights",
        "arrays",
        "Load and import, ONNX models of other tools: which weights become parameters: arrays (those of one dimension or more), constant (none), or names separated by commas, where a * at the end stands for anything.",
    ),
    Setting {
        min: 1e-12,
        ..real(
            "soft_choice_temperature",
            "1",
            "Compile: what soft-choice divides its weights by; near 0 the largest takes all.",
        )
    },
    int(
        "soft_choice_noise",
        "-1",
        -1.0,
        "Compile: seed of the Gumbel noise that soft-choice adds to its weights; -1 is no noise.",
    ),
    choice(
        "soft_choice_hard",
        "false",
        "Compile: true makes soft-choice give the option of the largest weight, with the derivative of the weighted sum.",
        &["false", "true"],
    ),
    choice(
        "engine",
        "auto",
        "Session: what runs the model; auto takes ONNX Runtime where it loads, else native, and tagged for what is not numeric.",
        &["auto", "native", "onnxruntime", "tagged"],
    ),
    text(
        "device",
        "cpu",
        "Session: cpu, cuda or cuda:INDEX; only the onnxruntime engine runs on cuda.",
    ),
    choice(
        "dtype",
        "f64",
        "Session and export: precision of every number.",
        &["f64", "f32"],
    ),
    int(
        "threads",
        "1",
        1.0,
        "Session: threads that share a large batch on the native engine, with the same digits, or that work inside ONNX Runtime.",
    ),
    choice(
        "machine_code",
        "auto",
        "Session: machine code that the native engine makes on x86-64: the best that the processor runs, for AVX, or none; the digits are the same.",
        &["auto", "avx", "off"],
    ),
    text(
        "onnxruntime",
        "",
        "Session: path of the ONNX Runtime library, or of the folder that holds it.",
    ),
    int(
        "chunk",
        "16384",
        1.0,
        "Session: most samples that ONNX Runtime is given at once; unless it is set, 1048576 on a GPU.",
    ),
    choice(
        "resident",
        "auto",
        "Fit: whether ONNX Runtime keeps the data where it computes, where an evaluation is reduced to a few sums: auto on a GPU, on everywhere, off nowhere.",
        &["auto", "on", "off"],
    ),
    choice(
        "whole_fit",
        "auto",
        "Fit: whether ONNX Runtime does many iterations of Adam in one call, over data that it keeps: auto on a GPU, on everywhere, off nowhere.",
        &["auto", "on", "off"],
    ),
    int(
        "max_paths",
        "64",
        0.0,
        "Session: most paths that the onnxruntime and tagged engines keep, for a program whose structure hangs on data.",
    ),
    choice(
        "optimizer",
        "levmar",
        "Fit: Levenberg-Marquardt, L-BFGS or Adam; lbfgs is the default for losses that are no sum of squares.",
        &["levmar", "lbfgs", "adam"],
    ),
    choice(
        "loss",
        "squares",
        "Fit: what is minimised: squares; the robust huber, soft_l1, cauchy, tukey; the likelihoods poisson (of counts) and gaussian (the model gives means, then standard deviations); value, the sum of the model's own values.",
        &[
            "squares", "huber", "soft_l1", "cauchy", "tukey", "poisson", "gaussian", "value",
        ],
    ),
    real(
        "loss_scale",
        "0",
        "Fit: the residual from which on a robust loss treats an observation as an outlier; 0 takes the usual multiple of known standard deviations.",
    ),
    text(
        "fixed",
        "",
        "Fit: parameters that do not move, separated by commas; a * at the end of a name stands for anything.",
    ),
    text(
        "transform",
        "",
        "Fit: parameters that are moved by their logarithm or their logit between bounds, as NAME=log or NAME=logit, separated by commas.",
    ),
    text(
        "tie",
        "",
        "Fit: parameters that follow from others, as NAME=EXPRESSION in Scheme, separated by commas.",
    ),
    text(
        "prior",
        "",
        "Fit: what is known of parameters beforehand, normal distributions as NAME=MEAN:SD, separated by commas.",
    ),
    real(
        "smoothing",
        "0",
        "Fit: temperature, in units of what is compared, from which comparisons that hang on parameters are smoothed, so that thresholds can be fitted; it is lowered to almost nothing, and the end is that of the exact model. 0 smooths nothing.",
    ),
    int(
        "starts",
        "1",
        1.0,
        "Fit: from how many starts, a Latin hypercube between the bounds of the parameters with the initial values first.",
    ),
    int(
        "refine",
        "5",
        1.0,
        "Fit: how many of the starts, the best after a few iterations, are followed to their end.",
    ),
    int(
        "hops",
        "0",
        0.0,
        "Fit: for losses with many valleys, how often the best end is left by a random step from which the fit runs again; a better end takes its place.",
    ),
    int("seed", "0", 0.0, "Fit: seed of the starts and hops."),
    text(
        "checkpoint",
        "",
        "Fit: file to which the state of a running fit from one start is written now and then, whole or not at all, so that it can be resumed.",
    ),
    real(
        "checkpoint_seconds",
        "60",
        "Fit: seconds between two writings of the checkpoint.",
    ),
    int(
        "window",
        "0",
        0.0,
        "Fit: of rows that are added one after the other, how many at least are kept as they are; older ones become a quadratic summary, so that memory does not grow. 0 keeps all.",
    ),
    choice(
        "schedule",
        "constant",
        "Fit: how the step of Adam shrinks over the iterations that are allowed.",
        &["constant", "cosine", "exponential"],
    ),
    int(
        "max_evaluations",
        "0",
        0.0,
        "Fit: limit on evaluations of the model; 0 is none.",
    ),
    Setting {
        min: f64::NEG_INFINITY,
        ..real(
            "target",
            "-inf",
            "Fit: stops when the loss has come down to this.",
        )
    },
    choice(
        "noise",
        "estimated",
        "Fit: estimated takes weights as relative and the noise from the residuals; known takes them as one over known variances. Weights need it to be said.",
        &["estimated", "known"],
    ),
    int(
        "max_iterations",
        "0",
        0.0,
        "Fit: iteration limit; 0 takes the optimiser's own (5000, Adam 20000).",
    ),
    real(
        "confidence",
        "0.95",
        "Fit: probability that the intervals of the report cover the true values, between 0 and 1.",
    ),
    choice(
        "profile",
        "false",
        "Fit: true adds the intervals of the profile likelihood, which cost a few fits for each parameter.",
        &["false", "true"],
    ),
    real("max_seconds", "inf", "Fit: time limit in seconds."),
    real(
        "gtol",
        "1e-12",
        "Fit: stops when the scaled gradient falls below this.",
    ),
    real(
        "ftol",
        "0",
        "Fit: stops when the loss changes relatively less than this.",
    ),
    real(
        "xtol",
        "1e-13",
        "Fit: stops when the parameters change relatively less than this.",
    ),
    real(
        "learning_rate",
        "0.01",
        "Fit and export: step size of Adam, and of the update in a training file.",
    ),
    choice(
        "gradient",
        "none",
        "Export: none, training (one file that infers and trains), or a graph of its own: loss, vjp, jacobian, or fit, a whole fit by Adam.",
        &["none", "training", "loss", "vjp", "jacobian", "fit"],
    ),
    choice(
        "population",
        "false",
        "Export: true gives parameters the shape [M, 1], for M parameter sets on N samples in one call.",
        &["false", "true"],
    ),
];

/// The row of the setting called `name`.
pub fn find(name: &str) -> Result<&'static Setting> {
    TABLE.iter().find(|row| row.name == name).ok_or_else(|| {
        let near = crate::suggest::closest(name, TABLE.iter().map(|row| row.name));
        let hint = near.map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
        bad(format!("unknown option \"{name}\"{hint}"))
    })
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Str(String),
    Int(i64),
    Real(f64),
}

/// A bag of settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    values: BTreeMap<&'static str, Value>,
}

fn bad(message: String) -> Error {
    Error::new(ErrorKind::Argument, message)
}

impl Options {
    /// An empty bag: every setting has its default.
    pub fn new() -> Options {
        Options::default()
    }

    fn row(name: &str, kind: Kind) -> Result<&'static Setting> {
        let row = find(name)?;
        match row.kind == kind {
            true => Ok(row),
            false => {
                let (is, given) = (row.kind.name(), kind.name());
                Err(bad(format!(
                    "option \"{name}\" is of type {is}, not {given}"
                )))
            }
        }
    }

    /// Sets a text setting.
    pub fn set_str(&mut self, name: &str, value: &str) -> Result<()> {
        let row = Options::row(name, Kind::Str)?;
        if !row.choices.is_empty() && !row.choices.contains(&value) {
            let choices = row.choices.join(", ");
            return Err(bad(format!(
                "option \"{name}\" cannot be \"{value}\": it is one of {choices}"
            )));
        }
        self.values.insert(row.name, Value::Str(value.to_string()));
        Ok(())
    }

    /// Sets a whole-number setting.
    pub fn set_int(&mut self, name: &str, value: i64) -> Result<()> {
        let row = Options::row(name, Kind::Int)?;
        if (value as f64) < row.min {
            return Err(bad(format!(
                "option \"{name}\" cannot be {value}: it is at least {}",
                row.min
            )));
        }
        self.values.insert(row.name, Value::Int(value));
        Ok(())
    }

    /// Sets a real setting.
    pub fn set_real(&mut self, name: &str, value: f64) -> Result<()> {
        let row = Options::row(name, Kind::Real)?;
        if value.is_nan() || value < row.min {
            return Err(bad(format!(
                "option \"{name}\" cannot be {value}: it is at least {}",
                row.min
            )));
        }
        self.values.insert(row.name, Value::Real(value));
        Ok(())
    }

    /// Sets a setting of any type from text, as a command line gives it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let row = find(name)?;
        let not = |what: &str| {
            bad(format!(
                "option \"{name}\" cannot be \"{value}\": it is {what}"
            ))
        };
        match row.kind {
            Kind::Str => self.set_str(name, value),
            Kind::Int => self.set_int(name, value.parse().map_err(|_| not("a whole number"))?),
            Kind::Real => self.set_real(name, value.parse().map_err(|_| not("a number"))?),
        }
    }

    /// The value of a text setting.
    pub fn str(&self, name: &'static str) -> &str {
        match self.values.get(name) {
            Some(Value::Str(value)) => value,
            _ => default(name),
        }
    }

    /// The value of a whole-number setting.
    pub fn int(&self, name: &'static str) -> i64 {
        match self.values.get(name) {
            Some(Value::Int(value)) => *value,
            _ => default(name).parse().unwrap_or_default(),
        }
    }

    /// The value of a real setting.
    pub fn real(&self, name: &'static str) -> f64 {
        match self.values.get(name) {
            Some(Value::Real(value)) => *value,
            _ => default(name).parse().unwrap_or_default(),
        }
    }

    /// Whether the setting has been given a value.
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }
}

fn default(name: &str) -> &'static str {
    TABLE
        .iter()
        .find(|row| row.name == name)
        .map_or("", |row| row.default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_fit_their_rows() {
        for row in TABLE {
            let mut options = Options::new();
            if !(row.kind == Kind::Str && row.default.is_empty()) {
                options.set(row.name, row.default).unwrap();
            }
            assert_eq!(
                TABLE.iter().filter(|other| other.name == row.name).count(),
                1
            );
        }
    }

    #[test]
    fn names_what_is_wrong() {
        let mut options = Options::new();
        let message = |result: Result<()>| result.unwrap_err().message;
        assert_eq!(
            message(options.set_str("enigne", "x")),
            "unknown option \"enigne\"; did you mean \"engine\"?"
        );
        assert!(message(options.set_str("engine", "gpu")).contains("auto, native, onnxruntime"));
        assert!(message(options.set_int("engine", 1)).contains("type str"));
        assert!(message(options.set_int("threads", 0)).contains("at least 1"));
        assert!(message(options.set_real("gtol", f64::NAN)).contains("NaN"));
        assert!(message(options.set("chunk", "many")).contains("whole number"));
        options.set("gtol", "1e-6").unwrap();
        assert_eq!(
            (
                options.real("gtol"),
                options.int("threads"),
                options.str("dtype")
            ),
            (1e-6, 1, "f64")
        );
    }
}
