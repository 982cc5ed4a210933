//! NumPy's `.npy` files: an array of records, whose fields are columns, or a matrix, whose columns are called c0, c1, ….

use std::io::Read;

use super::table::{Sink, Table};
use crate::error::{Error, ErrorKind, Result};

/// The first bytes of a file.
pub const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is read, in bytes.
const MAX_HEADER: usize = 1 << 20;

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

/// What the header says.
struct Layout {
    names: Vec<String>,
    kinds: Vec<Kind>,
    rows: usize,
    /// Whether the columns lie one after the other.
    by_columns: bool,
}

/// Reads the columns that `find` asks for. What lies column after column is given away whole.
pub fn read(
    path: &str,
    mut reader: impl Read,
    find: impl FnOnce(&[String]) -> Result<Vec<usize>>,
    sink: Sink,
) -> Result<()> {
    let bad = |what: &str| Error::new(ErrorKind::Format, format!("{path}: {what}"));
    let cut = |_| bad("the file is cut short");
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(cut)?;
    let length = match start[6] {
        1 => {
            let mut two = [0; 2];
            reader.read_exact(&mut two).map_err(cut)?;
            usize::from(u16::from_le_bytes(two))
        }
        2 | 3 => {
            let mut four = [0; 4];
            reader.read_exact(&mut four).map_err(cut)?;
            u32::from_le_bytes(four) as usize
        }
        _ => return Err(bad("the version of the .npy format is not 1, 2 or 3")),
    };
    if length > MAX_HEADER {
        return Err(bad("the header is too long"));
    }
    let mut header = vec![0; length];
    reader.read_exact(&mut header).map_err(cut)?;
    let header = String::from_utf8_lossy(&header).into_owned();
    let layout = layout(&header).ok_or_else(|| {
        bad("this array is neither a matrix of f8, f4, i8 or i4 (little endian) nor a list of records of them")
    })?;
    let places = find(&layout.names)?;
    let width: usize = layout.kinds.iter().map(|kind| kind.size()).sum();
    let mut columns = vec![Vec::new(); places.len()];
    // gives away the rows up to `last`
    let mut give = |columns: Vec<Vec<f64>>, last: usize| {
        for (place, column) in places.iter().zip(&columns) {
            if let Some(row) = column.iter().position(|x| !x.is_finite()) {
                let (name, value) = (&layout.names[*place], column[row]);
                let row = last + 1 - column.len() + row;
                return Err(bad(&format!(
                    "column \"{name}\" holds {value} at row {row} (counted from 0); leave such rows out"
                )));
            }
        }
        (sink.take)(Table {
            path: path.to_string(),
            names: layout.names.clone(),
            columns,
            lines: Vec::new(),
        })
    };
    let offset = |place: usize| {
        layout.kinds[..place]
            .iter()
            .map(|kind| kind.size())
            .sum::<usize>()
    };
    if layout.by_columns {
        let mut cell = vec![0; layout.kinds.first().map_or(0, |kind| kind.size())];
        for (place, kind) in layout.kinds.iter().enumerate() {
            for _ in 0..layout.rows {
                reader.read_exact(&mut cell).map_err(cut)?;
                let wanted = places.iter().zip(&mut columns);
                wanted
                    .filter(|(wanted, _)| **wanted == place)
                    .for_each(|(_, column)| column.push(kind.read(&cell)));
            }
        }
    } else {
        let offsets: Vec<usize> = places.iter().map(|place| offset(*place)).collect();
        let mut row = vec![0; width];
        for index in 0..layout.rows {
            reader.read_exact(&mut row).map_err(cut)?;
            for ((place, at), column) in places.iter().zip(&offsets).zip(&mut columns) {
                let kind = layout.kinds[*place];
                column.push(kind.read(&row[*at..at + kind.size()]));
            }
            let whole = index % sink.rows == sink.rows - 1;
            if whole && index + 1 < layout.rows {
                give(columns.iter_mut().map(std::mem::take).collect(), index)?;
            }
        }
    }
    match layout.rows {
        0 => Err(bad("the array has no rows")),
        rows => give(columns, rows - 1),
    }
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

fn layout(header: &str) -> Option<Layout> {
    let descr = entry(header, "descr")?;
    let shape = entry(header, "shape")?;
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
    let fortran = entry(header, "fortran_order")? == "True";
    if descr.starts_with('[') {
        let pairs = quoted.chunks_exact(2);
        let [rows] = sizes[..] else { return None };
        if quoted.len() % 2 == 1
            || quoted.is_empty()
            || descr.matches('(').count() != quoted.len() / 2
        {
            return None;
        }
        return Some(Layout {
            names: pairs.clone().map(|pair| pair[0].to_string()).collect(),
            kinds: pairs
                .map(|pair| Kind::named(pair[1]))
                .collect::<Option<_>>()?,
            rows,
            by_columns: false,
        });
    }
    let kind = Kind::named(quoted.first()?)?;
    let (rows, width) = match sizes[..] {
        [rows] => (rows, 1),
        [rows, width] if width <= MAX_HEADER => (rows, width),
        _ => return None,
    };
    Some(Layout {
        names: (0..width).map(|i| format!("c{i}")).collect(),
        kinds: vec![kind; width],
        rows,
        by_columns: fortran,
    })
}
