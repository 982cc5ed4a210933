//! Models in files: `.scm`, `.ncg` and `.onnx`, told apart by content.

use std::path::Path;

use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::ncg;
use crate::options::Options;

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 512 << 20;

/// Reads a model from memory: JSON is `.ncg`, other text is Scheme, the rest is ONNX.
pub fn parse(document: &[u8], options: &Options) -> Result<Model> {
    let Ok(text) = std::str::from_utf8(document) else {
        return crate::onnx::read(document, options);
    };
    match text.trim_start().as_bytes().first() {
        Some(b'{') => ncg::read(text, options),
        // the first field of an ONNX file is its version, whose tag no program begins with
        Some(0x08) => crate::onnx::read(document, options),
        _ => Model::compile(text, options),
    }
}

/// Reads a model from a file.
pub fn load(path: &Path, options: &Options) -> Result<Model> {
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
    parse(&std::fs::read(path).map_err(io)?, options).map_err(|error| Error {
        message: format!("{}: {}", path.display(), error.message),
        ..error
    })
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
