//! Models in files: `.scm`, `.ncg` and `.onnx`, told apart by content.

use std::path::Path;

use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, PortKind};
use crate::ncg;
use crate::options::Options;
use crate::syntax::ast::Constant;
use crate::syntax::reader;

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 512 << 20;

/// Reads a model from memory: JSON is `.ncg`, other text is Scheme, the rest is ONNX.
pub fn parse(document: &[u8], options: &Options) -> Result<Model> {
    let text = match std::str::from_utf8(document) {
        Ok(text) => text,
        Err(error) => {
            return crate::onnx::read(document, options)
                .map_err(|onnx| not_a_model(document, error.valid_up_to(), onnx));
        }
    };
    match text.trim_start().as_bytes().first() {
        Some(b'{') => ncg::read(text, options),
        // the first field of an ONNX file is its version, whose tag no program begins with
        Some(0x08) => crate::onnx::read(document, options),
        _ => {
            let mut model = Model::compile(text, options)?;
            model.fit = fit_comment(text);
            Ok(model)
        }
    }
}

/// The graph of a `.ncg` document as it is written there.
pub fn graph(document: &[u8]) -> Result<Graph> {
    let text = std::str::from_utf8(document).map_err(|_| {
        let message = "this is no .ncg document: it is not text in UTF-8";
        Error::new(ErrorKind::Format, message)
    })?;
    ncg::read_graph(text)
}

/// What is said of bytes that are neither text nor ONNX: text in another encoding is the likeliest.
fn not_a_model(document: &[u8], valid: usize, onnx: Error) -> Error {
    if document.first() == Some(&0x08) {
        return onnx;
    }
    let line = 1 + document[..valid].iter().filter(|b| **b == b'\n').count();
    let message = format!(
        "neither text in UTF-8 (line {line}: byte 0x{:02x} cannot stand there) nor ONNX: {}",
        document[valid], onnx.message
    );
    Error::new(ErrorKind::Format, message)
}

/// Reads a model from a file.
pub fn load(path: &Path, options: &Options) -> Result<Model> {
    parse(&read(path)?, options).map_err(|error| Error {
        message: format!("{}: {}", path.display(), error.message),
        ..error
    })
}

/// Reads a file that is not too large.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let io = |error: std::io::Error| {
        Error::new(
            ErrorKind::Io,
            format!("cannot read {}: {error}", path.display()),
        )
    };
    let size = std::fs::metadata(path).map_err(io)?.len();
    if size > MAX_BYTES {
        let message = format!(
            "{} has {size} bytes; the limit is {MAX_BYTES}",
            path.display()
        );
        return Err(Error::new(ErrorKind::Limit, message));
    }
    std::fs::read(path).map_err(io)
}

/// Reads a file of text.
pub fn text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|_| {
        let message = format!("{} is not text in UTF-8", path.display());
        Error::new(ErrorKind::Format, message)
    })
}

/// What stands before the report of a fit in a source text: a comment.
const FIT_COMMENT: &str = ";; ncg fit: ";

/// The source text of a model with its parameters as they are now, and the report of a fit, if there is one, as a comment at its
/// end. Declarations are written anew, the rest stands as it is.
///
/// # Errors
/// `Unsupported` for a model without a source text, or with parameters that are numbers within it.
pub fn scheme(model: &Model) -> Result<String> {
    let refuse = |message: &str| Err(Error::new(ErrorKind::Unsupported, message));
    let Some(source) = &model.source else {
        return refuse("the model has no source text to write its parameters into; write .ncg");
    };
    let mut declared = Vec::new();
    for form in reader::read(source, reader::Limits::default())? {
        if let Some([_, name, ..]) = form.form("parameter")
            && let Some(name) = name.symbol()
        {
            declared.push((name.clone(), form.span));
        }
    }
    let (mut out, mut at) = (String::new(), 0);
    let mut edits = Vec::new();
    for port in &model.graph.ports {
        let PortKind::Parameter {
            initial,
            lower,
            upper,
        } = port.kind
        else {
            continue;
        };
        if port.name.starts_with("lit.") {
            return refuse(
                "a parameter that is a number within the text cannot be written into it; write .ncg",
            );
        }
        let [initial, lower, upper] = [initial, lower, upper].map(Constant::Real);
        let bounds = match (&lower, &upper) {
            (Constant::Real(f64::NEG_INFINITY), Constant::Real(f64::INFINITY)) => String::new(),
            _ => format!(" {lower} {upper}"),
        };
        let form = format!("(parameter {} {initial}{bounds})", port.name);
        match declared.iter().find(|(name, _)| *name == port.name) {
            Some((_, span)) => edits.push((span.start as usize, span.end as usize, form)),
            // an input that was made a parameter from outside
            None => out += &format!("{form}\n"),
        }
    }
    edits.sort();
    for (start, end, form) in edits {
        out += &source[at..start];
        out += &form;
        at = end;
    }
    let rest = &source[at..];
    out += rest.split(FIT_COMMENT).next().unwrap_or(rest);
    let again = Model::compile(&out, &Options::new())?;
    // what is declared in front changes the order, which does not matter
    let sorted = |model: &Model| {
        let mut ports = model.graph.ports.clone();
        ports.sort_by(|a, b| a.name.cmp(&b.name));
        ports
    };
    if sorted(&again) != sorted(model) {
        return refuse(
            "options of the compiler, such as bound inputs or the numbers of an array as parameters, cannot be written into the text; write .ncg",
        );
    }
    if let Some(fit) = &model.fit {
        if !out.ends_with('\n') {
            out.push('\n');
        }
        out += &format!("{FIT_COMMENT}{fit}\n");
    }
    Ok(out)
}

/// The report of a fit that [`scheme`] has written.
fn fit_comment(source: &str) -> Option<std::sync::Arc<str>> {
    let last = source.trim_end().lines().last()?;
    last.strip_prefix(FIT_COMMENT).map(std::sync::Arc::from)
}

/// Refuses, before any work is done, a file that cannot be written because its folder is not there.
pub fn check_folder(path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let reason = match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => std::io::ErrorKind::NotADirectory.into(),
        Err(error) => error,
    };
    let message = format!("cannot write {}: {reason}", path.display());
    Err(Error::new(ErrorKind::Io, message))
}

/// Writes a file whole or not at all: to a temporary name beside it, then renamed.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let io = |error: std::io::Error| {
        Error::new(
            ErrorKind::Io,
            format!("cannot write {}: {error}", path.display()),
        )
    };
    let name = path
        .file_name()
        .ok_or_else(|| io(std::io::ErrorKind::InvalidFilename.into()))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let result = std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    result.map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        io(error)
    })
}

/// Writes a `.ncg` file.
pub fn save(model: &Model, path: &Path) -> Result<()> {
    write_atomic(path, ncg::write(model)?.as_bytes())
}
