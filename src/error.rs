//! The one error type of the library: what went wrong, where, and what to do about it.

use std::fmt;

/// What kind of failure an [`Error`] reports. The numbers are the status codes of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// An argument is out of range or otherwise unusable.
    Argument = 1,
    /// The source text is not well-formed Scheme.
    Parse = 2,
    /// The source is well-formed but is not a model that can be compiled.
    Compile = 3,
    /// A file or byte string is not a valid `.ncg` or `.onnx` document, or a table is malformed.
    Format = 4,
    /// The operating system refused a read or a write.
    Io = 5,
    /// The operation exists but this engine, element type or export target lacks it.
    Unsupported = 6,
    /// The requested engine cannot be loaded on this machine.
    EngineUnavailable = 7,
    /// The engine was loaded and failed.
    Engine = 8,
    /// Shapes, ranks or element types do not agree.
    Shape = 9,
    /// A fit cannot start: the loss or its gradient is not finite.
    Numeric = 10,
    /// A configured limit (recursion, heap, iterations inside the model, size) was reached.
    Limit = 11,
    /// Memory could not be allocated.
    Memory = 12,
    /// The handle is in use by another thread.
    Busy = 13,
    /// The caller's buffer is too small.
    Buffer = 14,
    /// A bug in this library.
    Panic = 15,
}

impl ErrorKind {
    /// The name of the status code in the C ABI, e.g. `"NCG_ERR_PARSE"`.
    pub fn code_name(self) -> &'static str {
        match self {
            ErrorKind::Argument => "NCG_ERR_ARGUMENT",
            ErrorKind::Parse => "NCG_ERR_PARSE",
            ErrorKind::Compile => "NCG_ERR_COMPILE",
            ErrorKind::Format => "NCG_ERR_FORMAT",
            ErrorKind::Io => "NCG_ERR_IO",
            ErrorKind::Unsupported => "NCG_ERR_UNSUPPORTED",
            ErrorKind::EngineUnavailable => "NCG_ERR_ENGINE_UNAVAILABLE",
            ErrorKind::Engine => "NCG_ERR_ENGINE",
            ErrorKind::Shape => "NCG_ERR_SHAPE",
            ErrorKind::Numeric => "NCG_ERR_NUMERIC",
            ErrorKind::Limit => "NCG_ERR_LIMIT",
            ErrorKind::Memory => "NCG_ERR_MEMORY",
            ErrorKind::Busy => "NCG_ERR_BUSY",
            ErrorKind::Buffer => "NCG_ERR_BUFFER",
            ErrorKind::Panic => "NCG_ERR_PANIC",
        }
    }
}

/// A range of bytes of a source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span from `start` to `end`, in bytes.
    pub fn new(start: usize, end: usize) -> Span {
        Span {
            start: start as u32,
            end: end as u32,
        }
    }
}

/// A place in a source text, with the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Zero-based byte offset in the source.
    pub offset: usize,
    /// One-based line.
    pub line: usize,
    /// One-based column, in characters.
    pub column: usize,
    /// The text of that line (cut to a width that a terminal shows).
    excerpt: String,
    /// Where the caret stands under `excerpt`, in characters.
    caret: usize,
    /// How many carets to draw.
    width: usize,
}

/// A failure: its kind, a message that names the thing, and the place in the source if there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What kind of failure this is.
    pub kind: ErrorKind,
    /// What happened, to what, and what to do; no place, no newline at the end.
    pub message: String,
    /// The span in a source text that is not yet at hand; [`Error::locate`] turns it into a place.
    pub span: Option<Span>,
    /// The place in the source.
    pub place: Option<Box<Place>>,
}

/// The result of everything in this library that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Longest piece of a source line that an error draws, in characters.
const EXCERPT_WIDTH: usize = 100;

impl Error {
    /// An error without a place.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            kind,
            message: message.into(),
            span: None,
            place: None,
        }
    }

    /// The same error at `span` of the source that is being read; an earlier span is kept.
    pub fn at(mut self, span: Span) -> Error {
        self.span.get_or_insert(span);
        self
    }

    /// Resolves the span against `source`, so that the error can draw its line.
    pub fn locate(mut self, source: &str) -> Error {
        if let (Some(span), None) = (self.span, &self.place) {
            self.place = Some(Box::new(Place::find(source, span)));
        }
        self
    }
}

impl Place {
    /// Where a span stands in a source text.
    pub fn find(source: &str, span: Span) -> Place {
        let mut offset = (span.start as usize).min(source.len());
        while !source.is_char_boundary(offset) {
            offset -= 1;
        }
        let line_start = source[..offset].rfind('\n').map_or(0, |i| i + 1);
        let line_end = source[offset..]
            .find('\n')
            .map_or(source.len(), |i| offset + i);
        let column = source[line_start..offset].chars().count();
        let width = source
            .get(offset..(span.end as usize).clamp(offset, line_end))
            .map_or(1, |text| text.chars().count().max(1));
        let skip = column.saturating_sub(EXCERPT_WIDTH / 2);
        let excerpt: String = source[line_start..line_end]
            .chars()
            .skip(skip)
            .take(EXCERPT_WIDTH)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Place {
            offset,
            line: source[..offset].matches('\n').count() + 1,
            column: column + 1,
            caret: column - skip,
            width: width.min(EXCERPT_WIDTH - (column - skip).min(EXCERPT_WIDTH - 1)),
            excerpt,
        }
    }
}

impl fmt::Display for Place {
    /// Line and column, the line, and a caret under the thing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        write!(f, "{gutter}--> line {}, column {}", self.line, self.column)?;
        write!(f, "\n{gutter} |\n{number} | {}", self.excerpt)?;
        let (indent, carets) = (" ".repeat(self.caret), "^".repeat(self.width));
        write!(f, "\n{gutter} | {indent}{carets}")
    }
}

impl fmt::Display for Error {
    /// The message; with a place, also the line, a caret under the thing, and line and column.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.place {
            Some(place) => write!(f, "\n{place}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_the_line_and_the_caret() {
        let error = Error::new(ErrorKind::Parse, "unbound variable \"foo\"")
            .at(Span::new(10, 13))
            .locate("(define)\n(foo)");
        assert_eq!(
            error.to_string(),
            "unbound variable \"foo\"\n --> line 2, column 2\n  |\n2 | (foo)\n  |  ^^^"
        );
    }

    #[test]
    fn survives_spans_outside_the_text_and_inside_characters() {
        for (start, end) in [(0, 0), (1, 2), (3, 99), (99, 3), (u32::MAX as usize, 0)] {
            let error = Error::new(ErrorKind::Parse, "x").at(Span::new(start, end));
            assert!(!error.locate("é\n\u{7}").to_string().is_empty());
        }
    }
}
