//! Text to data.

use std::rc::Rc;

use super::number::Dual;
use super::value::Value;

/// A piece of a program. A list holds its items and, if it is dotted, the atom behind the dot.
#[derive(Clone)]
pub enum Datum {
    Atom(Value),
    List(Rc<Vec<Datum>>, Option<Value>),
}

impl Datum {
    pub fn symbol(&self) -> Option<&Rc<str>> {
        match self {
            Datum::Atom(Value::Symbol(name)) => Some(name),
            _ => None,
        }
    }

    /// The items of a proper list.
    pub fn items(&self) -> Option<&[Datum]> {
        match self {
            Datum::List(items, None) => Some(items),
            _ => None,
        }
    }

    /// The items of the form that begins with the word `head`.
    pub fn form(&self, head: &str) -> Option<&[Datum]> {
        let items = self.items()?;
        (&**items.first()?.symbol()? == head).then_some(items)
    }

    /// The value that quoting gives.
    pub fn quote(&self) -> Value {
        match self {
            Datum::Atom(value) => value.clone(),
            Datum::List(items, tail) => {
                let items = items.iter().map(Datum::quote).collect();
                Value::list_with_tail(items, tail.clone().unwrap_or(Value::Nil))
            }
        }
    }

    fn list(items: Vec<Datum>) -> Datum {
        match items.is_empty() {
            true => Datum::Atom(Value::Nil),
            false => Datum::List(Rc::new(items), None),
        }
    }
}

/// All data of a text.
pub fn read_all(text: &str) -> Result<Vec<Datum>, String> {
    let mut reader = Reader {
        rest: text.chars().collect(),
        at: 0,
    };
    let mut data = Vec::new();
    while let Some(datum) = reader.datum()? {
        data.push(datum);
    }
    match reader.peek(0) {
        Some(c) => Err(format!("stray {c}")),
        None => Ok(data),
    }
}

struct Reader {
    rest: Vec<char>,
    at: usize,
}

fn delimits(c: char) -> bool {
    c.is_whitespace() || "()[]\";'`,".contains(c)
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    fn blanks(&mut self) -> Result<(), String> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(c), _) if c.is_whitespace() => self.at += 1,
                (Some(';'), _) => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                (Some('#'), Some('|')) => {
                    let mut depth = 0;
                    loop {
                        match (self.peek(0), self.peek(1)) {
                            (Some('#'), Some('|')) => (depth, self.at) = (depth + 1, self.at + 2),
                            (Some('|'), Some('#')) => (depth, self.at) = (depth - 1, self.at + 2),
                            (Some(_), _) => self.at += 1,
                            (None, _) => return Err("an open comment".into()),
                        }
                        if depth == 0 {
                            break;
                        }
                    }
                }
                (Some('#'), Some(';')) => {
                    self.at += 2;
                    self.datum()?.ok_or("nothing behind #;")?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// The next datum; `None` before a closing parenthesis and at the end.
    fn datum(&mut self) -> Result<Option<Datum>, String> {
        self.blanks()?;
        let Some(c) = self.peek(0) else {
            return Ok(None);
        };
        let quoted = match (c, self.peek(1)) {
            ('\'', _) => Some(("quote", 1)),
            ('`', _) => Some(("quasiquote", 1)),
            (',', Some('@')) => Some(("unquote-splicing", 2)),
            (',', _) => Some(("unquote", 1)),
            _ => None,
        };
        if let Some((word, length)) = quoted {
            self.at += length;
            let datum = self.datum()?.ok_or("nothing behind a quote")?;
            return Ok(Some(Datum::list(vec![
                Datum::Atom(Value::symbol(word)),
                datum,
            ])));
        }
        match c {
            ')' | ']' => Ok(None),
            '(' => self.list(')', Vec::new()).map(Some),
            '[' => self
                .list(']', vec![Datum::Atom(Value::symbol("vec"))])
                .map(Some),
            '"' => self.string().map(Some),
            _ => self.token().map(Some),
        }
    }

    fn list(&mut self, close: char, mut items: Vec<Datum>) -> Result<Datum, String> {
        self.at += 1;
        loop {
            self.blanks()?;
            let dot = self.peek(0) == Some('.') && self.peek(1).is_none_or(delimits);
            if dot {
                self.at += 1;
                let tail = self.datum()?.ok_or("nothing behind the dot")?;
                self.close(close)?;
                return Ok(match tail {
                    Datum::List(rest, tail) => {
                        items.extend(rest.iter().cloned());
                        Datum::List(Rc::new(items), tail)
                    }
                    Datum::Atom(Value::Nil) => Datum::list(items),
                    Datum::Atom(value) => Datum::List(Rc::new(items), Some(value)),
                });
            }
            match self.datum()? {
                Some(datum) => items.push(datum),
                None => {
                    self.close(close)?;
                    return Ok(Datum::list(items));
                }
            }
        }
    }

    fn close(&mut self, close: char) -> Result<(), String> {
        self.blanks()?;
        match self.peek(0) == Some(close) {
            true => self.at += 1,
            false => return Err(format!("no {close}")),
        }
        Ok(())
    }

    fn string(&mut self) -> Result<Datum, String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let c = self.peek(0).ok_or("an open string")?;
            self.at += 1;
            match c {
                '"' => return Ok(Datum::Atom(Value::Str(Rc::from(text)))),
                '\\' => {
                    let c = self.peek(0).ok_or("an open string")?;
                    self.at += 1;
                    text.push(match c {
                        'n' => '\n',
                        't' => '\t',
                        c => c,
                    });
                }
                c => text.push(c),
            }
        }
    }

    fn token(&mut self) -> Result<Datum, String> {
        let mut word = String::new();
        if self.peek(0) == Some('#') && self.peek(1) == Some('\\') {
            // the first character of the name may be a delimiter
            word.extend(['#', '\\']);
            word.push(self.peek(2).ok_or("no character")?);
            self.at += 3;
        }
        while let Some(c) = self.peek(0).filter(|c| !delimits(*c)) {
            word.push(c);
            self.at += 1;
        }
        atom(&word).map(Datum::Atom)
    }
}

fn atom(word: &str) -> Result<Value, String> {
    if let Some(name) = word.strip_prefix("#\\") {
        return character(name).map(Value::Char);
    }
    Ok(match word {
        "#t" | "#true" => Value::Bool(true),
        "#f" | "#false" => Value::Bool(false),
        "+inf.0" => Value::Real(Dual::constant(f64::INFINITY)),
        "-inf.0" => Value::Real(Dual::constant(f64::NEG_INFINITY)),
        "+nan.0" | "-nan.0" => Value::Real(Dual::constant(f64::NAN)),
        _ if word.starts_with('#') => return Err(format!("bad token {word}")),
        _ => {
            let body = word.trim_start_matches(['+', '-']);
            let mut start = body.chars();
            let numeric = match (start.next(), start.next()) {
                (Some('.'), Some(c)) => c.is_ascii_digit(),
                (Some(c), _) => c.is_ascii_digit(),
                _ => false,
            };
            if !numeric {
                Value::symbol(word)
            } else if let Ok(value) = word.parse::<i64>() {
                Value::Int(value)
            } else if let Ok(value) = word.parse::<f64>() {
                Value::Real(Dual::constant(value))
            } else {
                return Err(format!("bad number {word}"));
            }
        }
    })
}

fn character(name: &str) -> Result<char, String> {
    let mut chars = name.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        return Ok(c);
    }
    let code = name.strip_prefix('x');
    let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
    match name {
        "space" => Ok(' '),
        "newline" => Ok('\n'),
        "tab" => Ok('\t'),
        "return" => Ok('\r'),
        "null" => Ok('\0'),
        _ => code
            .and_then(char::from_u32)
            .ok_or_else(|| format!("bad character {name}")),
    }
}
