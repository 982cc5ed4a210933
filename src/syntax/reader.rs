//! Text to data: tokens of R7RS, with an explicit stack so that depth is bounded by a number, not by the machine.

use std::sync::Arc;

use super::datum::{CHARACTER_NAMES, Datum, DatumKind};
use crate::error::{Error, ErrorKind, Result, Span};

/// What the reader refuses to go beyond.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest text, in bytes.
    pub bytes: usize,
    /// Deepest nesting of parentheses.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 4 << 20,
            depth: 1000,
        }
    }
}

/// An open list, or a prefix such as `'` that waits for its datum.
enum Frame {
    List {
        open: Span,
        close: u8,
        items: Vec<Datum>,
        dot: Option<Span>,
        tail: Option<Box<Datum>>,
    },
    Prefix {
        name: &'static str,
        span: Span,
    },
    Comment {
        span: Span,
    },
}

/// Reads every datum of `text`. Errors carry their span, not yet their place.
pub fn read(text: &str, limits: Limits) -> Result<Vec<Datum>> {
    if text.len() > limits.bytes {
        return Err(Error::new(
            ErrorKind::Limit,
            format!(
                "the source is {} bytes long; the limit is {}",
                text.len(),
                limits.bytes
            ),
        ));
    }
    let mut reader = Reader {
        text,
        at: 0,
        stack: Vec::new(),
        done: Vec::new(),
    };
    while let Some(start) = reader.skip_blank()? {
        reader.token(start)?;
        if reader.stack.len() > limits.depth {
            return Err(fail(
                start,
                reader.at,
                format!("nested more than {} deep", limits.depth),
            ));
        }
    }
    match reader.stack.pop() {
        None => Ok(reader.done),
        Some(Frame::List { open, close, .. }) => Err(Error::new(
            ErrorKind::Parse,
            format!(
                "this \"{}\" is never closed: a closing {} \"{}\" is missing",
                &text[open.start as usize..open.end as usize],
                if close == b')' {
                    "parenthesis"
                } else {
                    "bracket"
                },
                close as char
            ),
        )
        .at(open)),
        Some(Frame::Prefix { name, span }) => Err(Error::new(
            ErrorKind::Parse,
            format!("nothing follows this {name} mark ({})", mark(name)),
        )
        .at(span)),
        Some(Frame::Comment { span }) => {
            Err(Error::new(ErrorKind::Parse, "nothing follows this \"#;\"").at(span))
        }
    }
}

fn fail(start: usize, end: usize, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Parse, message).at(Span::new(start, end))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    stack: Vec<Frame>,
    done: Vec<Datum>,
}

/// How a prefix is written.
fn mark(name: &str) -> &'static str {
    match name {
        "quote" => "'",
        "quasiquote" => "`",
        "unquote" => ",",
        _ => ",@",
    }
}

fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'(' | b')' | b'[' | b']' | b'"' | b';' | b'\'')
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Skips blanks and comments; gives the start of the next token, or `None` at the end.
    fn skip_blank(&mut self) -> Result<Option<usize>> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return Ok(None),
                (Some(b';'), _) => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                (Some(b'#'), Some(b'|')) => self.skip_block_comment()?,
                (Some(_), _) => match self.text[self.at..].chars().next() {
                    Some(c) if c.is_whitespace() || c == '\u{feff}' => self.at += c.len_utf8(),
                    _ => return Ok(Some(self.at)),
                },
            }
        }
    }

    fn skip_block_comment(&mut self) -> Result<()> {
        let start = self.at;
        let mut depth = 0usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'#'), Some(b'|')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'|'), Some(b'#')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => {
                    return Err(fail(
                        start,
                        start + 2,
                        "this \"#|\" comment is never closed",
                    ));
                }
            }
        }
    }

    /// Reads one token at `start` and places what it makes.
    fn token(&mut self, start: usize) -> Result<()> {
        let prefix = |name| (name, 1);
        let (name, length) = match self.text.as_bytes()[start] {
            open @ (b'(' | b'[') => {
                self.at += 1;
                let open_span = Span::new(start, start + 1);
                let vector = Datum {
                    kind: DatumKind::Symbol(Arc::from("vec")),
                    span: open_span,
                };
                self.stack.push(Frame::List {
                    open: open_span,
                    close: if open == b'(' { b')' } else { b']' },
                    items: if open == b'(' { vec![] } else { vec![vector] },
                    dot: None,
                    tail: None,
                });
                return Ok(());
            }
            close @ (b')' | b']') => return self.close(start, close),
            b'\'' => prefix("quote"),
            b'`' => prefix("quasiquote"),
            b',' if self.peek(1) == Some(b'@') => ("unquote-splicing", 2),
            b',' => prefix("unquote"),
            b'#' if self.peek(1) == Some(b';') => {
                self.at += 2;
                let span = Span::new(start, self.at);
                self.stack.push(Frame::Comment { span });
                return Ok(());
            }
            b'"' => {
                let kind = self.string(start)?;
                return self.place(start, kind);
            }
            b'#' if self.peek(1) == Some(b'\\') => {
                let kind = self.character(start)?;
                return self.place(start, kind);
            }
            b'|' => {
                let end = self.text[start + 1..]
                    .find('|')
                    .ok_or_else(|| fail(start, start + 1, "this \"|\" symbol is never closed"))?;
                self.at = start + end + 2;
                let name = Arc::from(&self.text[start + 1..start + 1 + end]);
                return self.place(start, DatumKind::Symbol(name));
            }
            _ => {
                let kind = self.word(start)?;
                return self.place(start, kind);
            }
        };
        self.at += length;
        let span = Span::new(start, self.at);
        self.stack.push(Frame::Prefix { name, span });
        Ok(())
    }

    fn close(&mut self, start: usize, close: u8) -> Result<()> {
        self.at += 1;
        match self.stack.pop() {
            Some(Frame::List {
                open,
                close: wanted,
                items,
                dot,
                tail,
            }) => {
                if wanted != close {
                    return Err(fail(
                        start,
                        start + 1,
                        format!(
                            "\"{}\" stands here, where \"{}\" was expected",
                            close as char, wanted as char
                        ),
                    ));
                }
                if let (Some(dot), None) = (dot, &tail) {
                    return Err(
                        Error::new(ErrorKind::Parse, "nothing follows this dot (.)").at(dot)
                    );
                }
                self.place(open.start as usize, DatumKind::List(items, tail))
            }
            Some(Frame::Prefix { name, span }) => Err(Error::new(
                ErrorKind::Parse,
                format!("nothing follows this {name} mark ({})", mark(name)),
            )
            .at(span)),
            Some(Frame::Comment { span }) => {
                Err(Error::new(ErrorKind::Parse, "nothing follows this \"#;\"").at(span))
            }
            None => Err(fail(
                start,
                start + 1,
                format!(
                    "this \"{}\" closes nothing: there is a {} too many",
                    close as char,
                    if close == b')' {
                        "parenthesis"
                    } else {
                        "bracket"
                    }
                ),
            )),
        }
    }

    /// Puts a finished datum where it belongs, finishing the prefixes that waited for it.
    fn place(&mut self, start: usize, kind: DatumKind) -> Result<()> {
        let mut datum = Datum {
            kind,
            span: Span::new(start, self.at),
        };
        loop {
            match self.stack.last_mut() {
                None => {
                    self.done.push(datum);
                    return Ok(());
                }
                Some(Frame::Comment { .. }) => {
                    self.stack.pop();
                    return Ok(());
                }
                Some(Frame::Prefix { name, span }) => {
                    let symbol = Datum {
                        kind: DatumKind::Symbol(Arc::from(*name)),
                        span: *span,
                    };
                    let whole = Span::new(span.start as usize, self.at);
                    self.stack.pop();
                    datum = Datum {
                        kind: DatumKind::List(vec![symbol, datum], None),
                        span: whole,
                    };
                }
                Some(Frame::List {
                    items,
                    dot,
                    tail,
                    close,
                    ..
                }) => {
                    let is_dot = matches!(&datum.kind, DatumKind::Symbol(name) if &**name == ".")
                        && &self.text[start..self.at] == ".";
                    if is_dot {
                        if items.is_empty() || dot.is_some() || *close == b']' {
                            return Err(fail(start, self.at, "a dot (.) cannot stand here"));
                        }
                        *dot = Some(datum.span);
                    } else if tail.is_some() {
                        return Err(fail(start, self.at, "only one datum may follow a dot (.)"));
                    } else if dot.is_some() {
                        match datum.kind {
                            // (a . (b c)) is (a b c)
                            DatumKind::List(more, rest) => {
                                if more.is_empty() {
                                    *dot = None;
                                }
                                items.extend(more);
                                *tail = rest;
                                if tail.is_none() {
                                    *dot = None;
                                }
                            }
                            _ => *tail = Some(Box::new(datum)),
                        }
                    } else {
                        items.push(datum);
                    }
                    return Ok(());
                }
            }
        }
    }

    fn string(&mut self, start: usize) -> Result<DatumKind> {
        let mut value = String::new();
        self.at = start + 1;
        loop {
            match self.next_char(start)? {
                '"' => return Ok(DatumKind::Str(Arc::from(value))),
                '\\' => self.escape(start, &mut value)?,
                c => value.push(c),
            }
        }
    }

    /// Takes the next character of the string that begins at `start`.
    fn next_char(&mut self, start: usize) -> Result<char> {
        let c = self.text[self.at..].chars().next();
        let c = c.ok_or_else(|| {
            fail(
                start,
                start + 1,
                "this string is never closed: a \" is missing",
            )
        })?;
        self.at += c.len_utf8();
        Ok(c)
    }

    /// Reads what follows a backslash in the string that begins at `start`.
    fn escape(&mut self, start: usize, value: &mut String) -> Result<()> {
        let place = self.at - 1;
        match self.next_char(start)? {
            'n' => value.push('\n'),
            't' => value.push('\t'),
            'r' => value.push('\r'),
            'a' => value.push('\u{7}'),
            'b' => value.push('\u{8}'),
            c @ ('\\' | '"' | '|') => value.push(c),
            'x' => {
                let rest = &self.text[self.at..];
                let end = rest.find(';').filter(|end| *end <= 8);
                let code = end.and_then(|end| u32::from_str_radix(&rest[..end], 16).ok());
                let character = code.and_then(char::from_u32).ok_or_else(|| {
                    fail(
                        place,
                        self.at,
                        "this escape is not \\xHEX; with a valid code point",
                    )
                })?;
                self.at += end.unwrap_or(0) + 1;
                value.push(character);
            }
            // a backslash at the end of a line joins it to the next, without the blanks between
            c if c.is_whitespace() => {
                let rest = &self.text[self.at..];
                self.at += rest.len() - rest.trim_start().len();
            }
            c => {
                return Err(fail(
                    place,
                    self.at,
                    format!("unknown escape \"\\{c}\" in a string"),
                ));
            }
        }
        Ok(())
    }

    fn character(&mut self, start: usize) -> Result<DatumKind> {
        let rest = &self.text[start + 2..];
        let Some(first) = rest.chars().next() else {
            return Err(fail(
                start,
                self.text.len(),
                "a character is missing after \"#\\\"",
            ));
        };
        let tail = &rest[first.len_utf8()..];
        let length = first.len_utf8() + tail.bytes().position(is_delimiter).unwrap_or(tail.len());
        let name = &rest[..length];
        self.at = start + 2 + length;
        if name.chars().count() == 1 {
            return Ok(DatumKind::Char(first));
        }
        if let Some((_, c)) = CHARACTER_NAMES.iter().find(|(n, _)| *n == name) {
            return Ok(DatumKind::Char(*c));
        }
        let code = name
            .strip_prefix('x')
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        code.and_then(char::from_u32).map(DatumKind::Char).ok_or_else(|| {
            fail(
                start,
                self.at,
                format!("unknown character \"#\\{name}\"; known names are newline, space, tab, null, … and xHEX"),
            )
        })
    }

    /// A number, a boolean or a symbol.
    fn word(&mut self, start: usize) -> Result<DatumKind> {
        let rest = &self.text[start..];
        let length = rest
            .bytes()
            .position(is_delimiter)
            .unwrap_or(rest.len())
            .max(1);
        // Unicode blanks end a word too
        let length = rest[..length].find(char::is_whitespace).unwrap_or(length);
        let word = &rest[..length];
        self.at = start + length;
        match word {
            "#t" | "#true" => return Ok(DatumKind::Bool(true)),
            "#f" | "#false" => return Ok(DatumKind::Bool(false)),
            _ => {}
        }
        if let Some(number) = number(word) {
            return Ok(number);
        }
        if word.starts_with('#') {
            return Err(fail(start, self.at, format!("unknown token \"{word}\"")));
        }
        let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
        let unpointed = unsigned.strip_prefix('.').unwrap_or(unsigned);
        if unpointed.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(fail(start, self.at, format!("malformed number \"{word}\"")));
        }
        Ok(DatumKind::Symbol(Arc::from(word)))
    }
}

/// The number that `word` spells, if it spells one.
fn number(word: &str) -> Option<DatumKind> {
    match word {
        "+inf.0" => return Some(DatumKind::Real(f64::INFINITY)),
        "-inf.0" => return Some(DatumKind::Real(f64::NEG_INFINITY)),
        "+nan.0" | "-nan.0" => return Some(DatumKind::Real(f64::NAN)),
        _ => {}
    }
    for (prefix, radix) in [("#x", 16), ("#b", 2), ("#o", 8), ("#d", 10)] {
        if let Some(digits) = word.strip_prefix(prefix) {
            return i64::from_str_radix(digits, radix).ok().map(DatumKind::Int);
        }
    }
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    if !digits.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let real = || word.parse().ok().map(DatumKind::Real);
        return word.parse().ok().map(DatumKind::Int).or_else(real);
    }
    let decimal = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if decimal {
        return word.parse().ok().map(DatumKind::Real);
    }
    let (numerator, denominator) = word.split_once('/')?;
    let (n, d) = (
        numerator.parse::<i64>().ok()?,
        denominator.parse::<u32>().ok()?,
    );
    match i64::from(d) {
        0 => None,
        d if n % d == 0 => Some(DatumKind::Int(n / d)),
        d => Some(DatumKind::Real(n as f64 / d as f64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        match read(text, Limits::default()) {
            Ok(data) => data
                .iter()
                .map(Datum::to_string)
                .collect::<Vec<_>>()
                .join(" "),
            Err(error) => {
                let span = error.span.unwrap();
                format!("{}..{} {}", span.start, span.end, error.message)
            }
        }
    }

    #[test]
    fn reads_every_token() {
        assert_eq!(show("(a . (b . (c)))"), "(a b c)");
        assert_eq!(show("(a . b) () (a . (b . c))"), "(a . b) () (a b . c)");
        assert_eq!(
            show("'x `(a ,b ,@c)"),
            "(quote x) (quasiquote (a (unquote b) (unquote-splicing c)))"
        );
        assert_eq!(
            show("[1 [2]] ; c\n#| a #| b |# |# #;(x y) z"),
            "(vec 1 (vec 2)) z"
        );
        assert_eq!(
            show("42 -7 +5 3.14 1e-3 -.5 1. .5 1e400"),
            "42 -7 5 3.14 0.001 -0.5 1.0 0.5 +inf.0"
        );
        assert_eq!(
            show("+inf.0 -inf.0 +nan.0 9223372036854775808"),
            "+inf.0 -inf.0 +nan.0 9.223372036854776e18"
        );
        assert_eq!(show("#x1F #b-101 1/2 6/3"), "31 -5 0.5 2");
        assert_eq!(
            show(r"#\a #\space #\newline #\x41 #\x #\( #\é"),
            r"#\a #\space #\newline #\A #\x #\( #\é"
        );
        assert_eq!(
            show(
                r#""a\n\"\x41;" "x\
               y""#
            ),
            r#""a\n\"A" "xy""#
        );
        assert_eq!(
            show("#t #f #true #false + - ... -> |a b| x->y"),
            "#t #f #t #f + - ... -> a b x->y"
        );
    }

    #[test]
    fn names_the_place_of_what_it_cannot_read() {
        assert!(show("(+ 1 (* 2 3)").starts_with("0..1 this \"(\" is never closed"));
        assert!(show("(+ 1))").starts_with("5..6 this \")\" closes nothing"));
        assert!(show("(a]").starts_with("2..3 \"]\" stands here"));
        assert!(show(" \"abc").starts_with("1..2 this string is never closed"));
        assert!(show("#| x").starts_with("0..2 this \"#|\""));
        assert!(show("(1 . )").starts_with("3..4 nothing follows this dot"));
        assert!(show("(. 1)").starts_with("1..2 a dot (.) cannot"));
        assert!(show("(a . b c)").starts_with("7..8 only one datum"));
        assert!(show("12ab").starts_with("0..4 malformed number"));
        assert!(show("#foo").starts_with("0..4 unknown token"));
        assert!(show(r"#\foo").starts_with("0..5 unknown character"));
        assert!(show("(a ')").starts_with("3..4 nothing follows this quote"));
    }

    #[test]
    fn depth_is_bounded() {
        let text = "(".repeat(100_000);
        assert!(
            read(&text, Limits::default())
                .unwrap_err()
                .message
                .contains("1000 deep")
        );
        let text = "'".repeat(100_000);
        assert!(
            read(&text, Limits::default())
                .unwrap_err()
                .message
                .contains("1000 deep")
        );
    }
}
