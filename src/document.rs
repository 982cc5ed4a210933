//! Models in files: `.scm`, `.ncg` and `.onnx`, told apart by content.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use crate::compile::{Model, Text};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, PortKind};
use crate::ncg;
use crate::network::Networks;
use crate::onnx::{self, Settings};
use crate::options::Options;
use crate::syntax::ast::Constant;
use crate::syntax::reader;

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 512 << 20;

/// Which files a source text may import.
///
/// A text from memory imports nothing unless the option `folder` names a folder, and then what lies below that folder, links
/// followed. A file that is loaded by its path imports relative to where it lies, and any file, unless that option is set.
#[derive(Clone, Debug)]
pub struct Files {
    /// Where relative names begin.
    folder: Option<PathBuf>,
    /// Whether all files have to lie below the folder.
    confined: bool,
    settings: Settings,
}

impl Files {
    /// The files that a text may import: one that was read from the file `path`, or from memory.
    pub fn of(path: Option<&Path>, options: &Options) -> Files {
        let folder = match options.str("folder") {
            "" => path.map(|path| path.parent().unwrap_or(Path::new("")).to_path_buf()),
            folder => Some(PathBuf::from(folder)),
        };
        Files {
            folder,
            confined: !options.str("folder").is_empty(),
            settings: Settings::of(options),
        }
    }

    /// The source text with the meaning of its imports.
    pub fn text<'a>(&'a self, source: &'a str) -> Text<'a> {
        Text {
            source,
            networks: self,
        }
    }

    /// The path of a file that may be read.
    fn path(&self, file: &str) -> Result<PathBuf> {
        let Some(folder) = &self.folder else {
            let message = "a text that is no file imports nothing unless the option folder says from where (on the command line: \
                           --set folder=.)";
            return Err(Error::new(ErrorKind::Argument, message));
        };
        let path = folder.join(file);
        if !self.confined {
            return Ok(path);
        }
        let found = |path: &Path| {
            path.canonicalize().map_err(|error| {
                let message = format!("cannot read {}: {error}", path.display());
                Error::new(ErrorKind::Io, message)
            })
        };
        let around = found(folder)?;
        // what the name alone leads out is not looked for: whether it is there is not for the text to know
        let climbs = Path::new(file)
            .components()
            .any(|part| part == Component::ParentDir);
        let named = !climbs && (path.starts_with(folder) || path.starts_with(&around));
        match named.then(|| found(&path)).transpose()? {
            Some(path) if path.starts_with(&around) => Ok(path),
            _ => {
                let message = format!(
                    "the file does not lie below {}, which the option folder says",
                    folder.display()
                );
                Err(Error::new(ErrorKind::Argument, message))
            }
        }
    }
}

impl Networks for Files {
    fn network(&self, file: &str) -> Result<Graph> {
        let path = self.path(file)?;
        // a pipe or a device may have no end
        if path.exists() && !path.is_file() {
            let message = format!("{} is no regular file", path.display());
            return Err(Error::new(ErrorKind::Io, message));
        }
        let bytes = read(&path)?;
        Ok(onnx::import_with(&bytes, &self.settings)?.graph)
    }
}

/// Compiles a source text from memory, with what it may import.
///
/// # Errors
/// Those of [`Model::compile`]; `Io` for files that cannot be read, `Argument` for files that the text may not import.
pub fn compile(source: &str, options: &Options) -> Result<Model> {
    Model::compile(Files::of(None, options).text(source), options)
}

/// Reads a model from memory: JSON is `.ncg`, other text is Scheme, the rest is ONNX.
pub fn parse(document: &[u8], options: &Options) -> Result<Model> {
    parse_from(None, document, options)
}

fn parse_from(path: Option<&Path>, document: &[u8], options: &Options) -> Result<Model> {
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
            let mut model = Model::compile(Files::of(path, options).text(text), options)?;
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
    parse_from(Some(path), &read(path)?, options).map_err(|error| Error {
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
    // what is no regular file says nothing of its size
    let mut file = std::fs::File::open(path).map_err(io)?.take(MAX_BYTES + 1);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!(
            "{} has more than {MAX_BYTES} bytes, which is the limit",
            path.display()
        );
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(bytes)
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
/// end. Declarations are written anew, the rest stands as it is. `path` is the file that the text is for: what it imports is
/// looked for from there.
///
/// # Errors
/// `Unsupported` for a model without a source text, or with parameters that are numbers within it; those of reading the text
/// again.
pub fn scheme(model: &Model, path: &Path) -> Result<String> {
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
    let options = Options::new();
    let again = Model::compile(Files::of(Some(path), &options).text(&out), &options)?;
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
