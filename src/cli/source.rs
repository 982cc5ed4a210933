//! Where a model comes from: a file, stdin or the command line.

use std::io::Read;
use std::path::Path;

use super::args::{Parameter, Parameters, Source};
use crate::compile::Model;
use crate::document::{self, Files};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::PortKind;
use crate::interp::{Interpreter, bind_program, interpreter};
use crate::options::Options;

/// Largest program or table that is read from stdin, in bytes.
const MAX_STDIN: u64 = 512 << 20;

impl Source {
    /// Reads the model, its parameters as they were declared or named.
    pub fn load(&self, parameters: &Parameters, options: &mut Options) -> Result<Model> {
        if self.interpret || self.specialize {
            return self.bound(interpreter()?, parameters, options);
        }
        self.settle(parameters, options)?;
        let mut model = match (&self.expression, &self.file) {
            (Some(text), _) => document::compile(text, options),
            (None, Some(path)) if path == Path::new("-") => document::parse(&stdin()?, options),
            (None, Some(path)) => document::load(path, options),
            (None, None) => Err(Error::new(ErrorKind::Argument, "no model was given")),
        }?;
        set_bounds(&mut model, &parameters.parameters)?;
        Ok(model)
    }

    /// Binds the program to an interpreter.
    pub fn bound(
        &self,
        interpreter: &Interpreter,
        parameters: &Parameters,
        options: &mut Options,
    ) -> Result<Model> {
        self.settle(parameters, options)?;
        let text = self.text()?;
        let files = self.files(options);
        let mut model = bind_program(interpreter, files.text(&text), options)?;
        if self.specialize {
            model.check_numeric("--specialize")?;
        }
        set_bounds(&mut model, &parameters.parameters)?;
        Ok(model)
    }

    /// Sets the settings that name parameters, and the others that were given.
    fn settle(&self, parameters: &Parameters, options: &mut Options) -> Result<()> {
        let parameters = &parameters.parameters;
        let names: Vec<String> = parameters
            .iter()
            .map(|p| format!("{}={:?}", p.name, p.initial))
            .collect();
        if !names.is_empty() {
            options.set_str("params", &names.join(","))?;
        }
        self.set(options)
    }

    /// Whether there is a program.
    pub fn is_given(&self) -> bool {
        self.expression.is_some() || self.file.is_some()
    }

    /// The source text of the program.
    pub fn text(&self) -> Result<String> {
        let bytes = match (&self.expression, &self.file) {
            (Some(text), _) => return Ok(text.clone()),
            (None, Some(path)) if path == Path::new("-") => stdin()?,
            (None, Some(path)) => document::read(path)?,
            (None, None) => return Err(Error::new(ErrorKind::Argument, "no program was given")),
        };
        match String::from_utf8(bytes) {
            Ok(text) if !text.trim_start().starts_with('{') => Ok(text),
            _ => {
                let message =
                    "an interpreter takes the source text of a program, not a compiled model";
                Err(Error::new(ErrorKind::Argument, message))
            }
        }
    }

    /// What the program may import.
    pub fn files(&self, options: &Options) -> Files {
        let path = self.file.as_deref().filter(|path| *path != Path::new("-"));
        Files::of(path, options)
    }

    /// Sets the settings that were given.
    pub fn set(&self, options: &mut Options) -> Result<()> {
        super::args::set(options, "literals", &self.literals)?;
        for setting in &self.settings {
            let Some((name, value)) = setting.split_once('=') else {
                let message = format!("--set {setting}: it is written NAME=VALUE");
                return Err(Error::new(ErrorKind::Argument, message));
            };
            options.set(name.trim(), value.trim())?;
        }
        match self.bind.is_empty() {
            true => Ok(()),
            false => options.set_str("bind", &self.bind.join(",")),
        }
    }

    /// Reads the model as it is.
    pub fn plain(&self, options: &mut Options) -> Result<Model> {
        let none = Parameters { parameters: vec![] };
        self.load(&none, options)
    }

    /// Refuses an output that cannot be written, or that is the model itself.
    pub fn check_output(&self, output: &Path) -> Result<()> {
        let same = |file: &Path| matches!((file.canonicalize(), output.canonicalize()), (Ok(a), Ok(b)) if a == b);
        if self.file.as_deref().is_some_and(same) {
            let message = format!(
                "{} is the model that is read; write to another file",
                output.display()
            );
            return Err(Error::new(ErrorKind::Argument, message));
        }
        document::check_folder(output)
    }

    /// A name for headings.
    pub fn title(&self) -> String {
        let stem = self.file.as_deref().and_then(Path::file_stem);
        match stem.map(|stem| stem.to_string_lossy()) {
            Some(stem) if stem != "-" => stem.into_owned(),
            _ => self.expression.clone().unwrap_or_else(|| "model".into()),
        }
    }
}

fn set_bounds(model: &mut Model, parameters: &[Parameter]) -> Result<()> {
    for parameter in parameters {
        let mut ports = model.graph.ports.iter_mut();
        let Some(port) = ports.find(|port| *port.name == *parameter.name) else {
            continue;
        };
        let PortKind::Parameter { lower, upper, .. } = &mut port.kind else {
            continue;
        };
        if let Some(bounds) = parameter.bounds {
            (*lower, *upper) = bounds;
        }
        if parameter.initial < *lower || parameter.initial > *upper {
            let Parameter { name, initial, .. } = parameter;
            let message = format!(
                "the initial value {initial} of \"{name}\" is not within its bounds {lower} and {upper}"
            );
            return Err(Error::new(ErrorKind::Argument, message));
        }
    }
    Ok(())
}

fn stdin() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut limited = std::io::stdin().lock().take(MAX_STDIN);
    let result = limited.read_to_end(&mut bytes);
    result.map_err(|error| Error::new(ErrorKind::Io, format!("cannot read stdin: {error}")))?;
    Ok(bytes)
}
