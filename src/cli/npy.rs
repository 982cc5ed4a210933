//! NumPy's `.npy` files: an array of records, whose fields are columns, or a matrix, whose columns are called c0, c1, ….

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::table::{Sink, Table};
use crate::error::{Error, ErrorKind, Result};

/// The first bytes of a file.
pub const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is read, in bytes.
const MAX_HEADER: usize = 1 << 20;
/// Bytes that are read at once.
const BLOCK: usize = 1 << 16;
/// Most numbers of a column that room is made for before they are read, where nothing tells that they are there.
const MAX_UNSEEN: usize = 1 << 16;

/// The type of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    F64,
    F32,
    I64,
    I32,
}

impl Kind {
    fn named(word: &str) -> Option<Kind> {
        match word {
            "<f8" => Some(Kind::F64),
            "<f4" => Some(Kind::F32),
            "<i8" => Some(Kind::I64),
            "<i4" => Some(Kind::I32),
            _ => None,
        }
    }

    fn size(self) -> usize {
        match self {
            Kind::F64 | Kind::I64 => 8,
            Kind::F32 | Kind::I32 => 4,
        }
    }

    fn read(self, bytes: &[u8]) -> f64 {
        let mut eight = [0; 8];
        eight[..self.size()].copy_from_slice(bytes);
        let whole = u64::from_le_bytes(eight);
        match self {
            Kind::F64 => f64::from_bits(whole),
            Kind::F32 => f64::from(f32::from_bits(whole as u32)),
            Kind::I64 => whole as i64 as f64,
            Kind::I32 => f64::from(whole as u32 as i32),
        }
    }
}

/// What the columns of an array are.
#[derive(Clone, Debug, PartialEq)]
pub enum Columns {
    /// It is one.
    One,
    /// So many, without names.
    Matrix(usize),
    /// The fields of its records.
    Fields(Vec<String>),
}

/// What the header says.
pub struct Layout {
    pub columns: Columns,
    kinds: Vec<Kind>,
    pub rows: usize,
    /// Whether the columns lie one after the other.
    by_columns: bool,
    /// Bytes before the numbers.
    header: u64,
}

impl Layout {
    /// Bytes of a row.
    fn width(&self) -> usize {
        self.kinds.iter().map(|kind| kind.size()).sum()
    }

    /// Bytes of the file, its header included; `None` for more than can be.
    pub fn bytes(&self) -> Option<u64> {
        let numbers = (self.rows as u64).checked_mul(self.width() as u64)?;
        numbers.checked_add(self.header)
    }

    /// What reads these columns of the array, each with the place that it goes to. `open` opens the file so many bytes behind
    /// its start.
    pub fn streams(
        &self,
        wanted: &[(usize, usize)],
        mut open: impl FnMut(u64) -> Result<Box<dyn Read>>,
    ) -> Result<Vec<Stream>> {
        let before = |place: usize| -> usize {
            let kinds = self.kinds[..place].iter();
            kinds.map(|kind| kind.size()).sum()
        };
        let stream = |reader, width, cells| Stream {
            reader,
            width,
            cells,
            buffer: Vec::new(),
        };
        if !self.by_columns {
            let cells = wanted.iter().map(|(column, to)| Cell {
                kind: self.kinds[*column],
                at: before(*column),
                to: *to,
            });
            let (width, cells) = (self.width(), cells.collect());
            return Ok(vec![stream(open(self.header)?, width, cells)]);
        }
        // one reader for each column, all of which go on together
        let one = |(column, to): &(usize, usize)| {
            let kind = self.kinds[*column];
            // saturates only where there is no file of that length, which is then said
            let passed = (before(*column) as u64).saturating_mul(self.rows as u64);
            let start = self.header.saturating_add(passed);
            let cell = Cell {
                kind,
                at: 0,
                to: *to,
            };
            Ok(stream(open(start)?, kind.size(), vec![cell]))
        };
        wanted.iter().map(one).collect()
    }
}

/// Where a number stands in a row, and the column that it goes to.
struct Cell {
    kind: Kind,
    at: usize,
    to: usize,
}

/// Rows, or the numbers of a column, one after the other.
pub struct Stream {
    reader: Box<dyn Read>,
    width: usize,
    cells: Vec<Cell>,
    buffer: Vec<u8>,
}

impl Stream {
    /// Appends the next rows to the columns.
    fn read(&mut self, mut count: usize, columns: &mut [Vec<f64>]) -> std::io::Result<()> {
        let most = (BLOCK / self.width.max(1)).max(1);
        while count > 0 {
            let rows = count.min(most);
            self.buffer.resize(rows * self.width, 0);
            self.reader.read_exact(&mut self.buffer)?;
            for Cell { kind, at, to } in &self.cells {
                let rows = self.buffer.chunks_exact(self.width);
                columns[*to].extend(rows.map(|row| kind.read(&row[*at..*at + kind.size()])));
            }
            count -= rows;
        }
        Ok(())
    }
}

/// What is read of which file.
pub struct Plan<'a> {
    pub path: &'a str,
    /// The names of all columns.
    pub names: &'a [String],
    /// Those that are wanted.
    pub places: &'a [usize],
    pub rows: usize,
    /// Whether the file is known to be as long as it says.
    pub whole: bool,
}

/// Reads the rows of all streams together, and gives them away so many at a time.
pub fn pump(plan: &Plan, mut streams: Vec<Stream>, sink: Sink) -> Result<()> {
    let Plan { path, rows, .. } = *plan;
    let bad = |what: &str| Error::new(ErrorKind::Format, format!("{path}: {what}"));
    if rows == 0 {
        return Err(bad("the array has no rows"));
    }
    let mut first = 0;
    while first < rows {
        let count = sink.rows.min(rows - first);
        let room = if plan.whole {
            count
        } else {
            count.min(MAX_UNSEEN)
        };
        let mut columns = vec![Vec::with_capacity(room); plan.places.len()];
        // in turns, so that what they read lies side by side in a file by rows
        let mut left = count;
        while left > 0 {
            let some = left.min(BLOCK / 8);
            for stream in &mut streams {
                stream
                    .read(some, &mut columns)
                    .map_err(|error| match error.kind() {
                        std::io::ErrorKind::UnexpectedEof => bad("the file is cut short"),
                        _ => Error::new(ErrorKind::Io, format!("cannot read {path}: {error}")),
                    })?;
            }
            left -= some;
        }
        for (place, column) in plan.places.iter().zip(&columns) {
            if let Some(row) = column.iter().position(|x| !x.is_finite()) {
                let (name, value) = (&plan.names[*place], column[row]);
                let row = first + row;
                return Err(bad(&format!(
                    "column \"{name}\" holds {value} at row {row} (counted from 0); leave such rows out"
                )));
            }
        }
        first += count;
        (sink.take)(Table {
            path: path.to_string(),
            names: plan.names.to_vec(),
            columns,
            lines: Vec::new(),
        })?;
    }
    Ok(())
}

/// Reads the columns that `find` asks for; `reader` is the file at its start. Of one whose columns lie one after the other each
/// is read on its own, all of them together row by row.
pub fn read(
    file: &Path,
    mut reader: impl Read + 'static,
    find: impl FnOnce(&[String]) -> Result<Vec<usize>>,
    sink: Sink,
) -> Result<()> {
    let path = file.display().to_string();
    let layout = layout(&path, &mut reader)?;
    let names = match &layout.columns {
        Columns::One => vec!["c0".to_string()],
        Columns::Matrix(width) => (0..*width).map(|i| format!("c{i}")).collect(),
        Columns::Fields(names) => names.clone(),
    };
    let places = find(&names)?;
    let io =
        |error: std::io::Error| Error::new(ErrorKind::Io, format!("cannot read {path}: {error}"));
    let about = std::fs::metadata(file).map_err(io)?;
    let whole = about.is_file() && layout.bytes().is_some_and(|bytes| bytes <= about.len());
    if about.is_file() && !whole {
        let message = format!("{path}: the file is cut short");
        return Err(Error::new(ErrorKind::Format, message));
    }
    let wanted: Vec<(usize, usize)> = places.iter().copied().zip(0..).collect();
    let mut first: Option<Box<dyn Read>> = Some(Box::new(reader));
    let streams = layout.streams(&wanted, |start| {
        // the header is behind it already
        if let (false, Some(reader)) = (layout.by_columns, first.take()) {
            return Ok(reader);
        }
        if !about.is_file() {
            let message = format!(
                "{path}: the columns of this array lie one after the other (fortran_order), which only a file can be read by; write it \
                 with numpy.ascontiguousarray"
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let mut column = File::open(file).map_err(io)?;
        column.seek(SeekFrom::Start(start)).map_err(io)?;
        Ok(Box::new(BufReader::with_capacity(BLOCK, column)))
    })?;
    let plan = Plan {
        path: &path,
        names: &names,
        places: &places,
        rows: layout.rows,
        whole,
    };
    pump(&plan, streams, sink)
}

/// Reads the header of an array, and nothing behind it.
pub fn layout(path: &str, reader: &mut impl Read) -> Result<Layout> {
    let bad = |what: &str| Error::new(ErrorKind::Format, format!("{path}: {what}"));
    let cut = |_| bad("the file is cut short");
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(cut)?;
    if !start.starts_with(MAGIC) {
        return Err(bad("this is no array in the .npy format"));
    }
    let (sized, length) = match start[6] {
        1 => {
            let mut two = [0; 2];
            reader.read_exact(&mut two).map_err(cut)?;
            (2, usize::from(u16::from_le_bytes(two)))
        }
        2 | 3 => {
            let mut four = [0; 4];
            reader.read_exact(&mut four).map_err(cut)?;
            (4, u32::from_le_bytes(four) as usize)
        }
        _ => return Err(bad("the version of the .npy format is not 1, 2 or 3")),
    };
    if length > MAX_HEADER {
        return Err(bad("the header is too long"));
    }
    let mut header = vec![0; length];
    reader.read_exact(&mut header).map_err(cut)?;
    let text = String::from_utf8_lossy(&header).into_owned();
    let bytes = (start.len() + sized + length) as u64;
    described(&text, bytes).ok_or_else(|| {
        bad("this array is neither a matrix of f8, f4, i8 or i4 (little endian) nor a list of records of them")
    })
}

/// The value behind a key of the header, which is a Python dictionary, up to the comma that ends it.
fn entry<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{key}':"))?;
    let mut depth = 0i32;
    let end = rest.find(|character| {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        depth < 0 || (depth == 0 && (character == ',' || character == '}'))
    });
    Some(rest[..end?].trim())
}

fn described(text: &str, header: u64) -> Option<Layout> {
    let descr = entry(text, "descr")?;
    let shape = entry(text, "shape")?;
    let shape = shape.strip_prefix('(')?.strip_suffix(')')?;
    let sizes = shape
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty());
    let sizes: Vec<usize> = sizes
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()
        .ok()?;
    let quoted: Vec<&str> = descr.split('\'').skip(1).step_by(2).collect();
    let fortran = entry(text, "fortran_order")? == "True";
    if descr.starts_with('[') {
        let pairs = quoted.chunks_exact(2);
        let [rows] = sizes[..] else { return None };
        if quoted.len() % 2 == 1
            || quoted.is_empty()
            || descr.matches('(').count() != quoted.len() / 2
        {
            return None;
        }
        let names = pairs.clone().map(|pair| pair[0].to_string()).collect();
        return Some(Layout {
            columns: Columns::Fields(names),
            kinds: pairs
                .map(|pair| Kind::named(pair[1]))
                .collect::<Option<_>>()?,
            rows,
            by_columns: false,
            header,
        });
    }
    let kind = Kind::named(quoted.first()?)?;
    let (rows, width, columns) = match sizes[..] {
        [rows] => (rows, 1, Columns::One),
        [rows, width] if width <= MAX_HEADER => (rows, width, Columns::Matrix(width)),
        _ => return None,
    };
    Some(Layout {
        columns,
        kinds: vec![kind; width],
        rows,
        by_columns: fortran && width > 1,
        header,
    })
}
