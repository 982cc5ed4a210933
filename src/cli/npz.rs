//! NumPy's `.npz` files: a ZIP archive of `.npy` arrays, stored or deflated. The array `x` is the column `x`; of a matrix `x` the
//! columns are `x.0`, `x.1`, …, of records `x.field`.
//!
//! The arrays that are needed are read together, row by row, each by a reader of its own, so that memory does not grow with
//! them. An archive may be made to harm: it is refused where entries overlap, where there are too many, and where a few bytes
//! would become very many.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::CrcReader;
use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::npy::{self, Columns, Layout, Plan};
use super::table::Sink;
use crate::error::{Error, ErrorKind, Result};

/// The first bytes of a file, of one with entries and of one without.
pub const MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
/// Most entries of an archive.
const MAX_ENTRIES: usize = 1000;
/// Most columns of all arrays together.
const MAX_COLUMNS: usize = 1 << 16;
/// Deflated arrays that are needed may become so many times as large, or take so many bytes: more is hardly meant.
const MAX_GROWTH: u64 = 250;
const MAX_GROWN: u64 = 1 << 30;
/// Bytes that are read at once.
const BLOCK: usize = 1 << 16;

/// An array of the archive.
struct Array {
    name: String,
    layout: Layout,
    packed: Packed,
}

/// Where an entry lies.
#[derive(Clone, Copy)]
struct Packed {
    start: u64,
    /// Bytes in the archive, and bytes of what they stand for.
    bytes: u64,
    size: u64,
    deflated: bool,
    crc: u32,
}

/// Reads the columns that `find` asks for.
pub fn read(
    file: &Path,
    find: impl FnOnce(&[String]) -> Result<Vec<usize>>,
    sink: Sink,
) -> Result<()> {
    let path = file.display().to_string();
    let bad = |what: &str| Error::new(ErrorKind::Format, format!("{path}: {what}"));
    let (arrays, unread) = arrays(file)?;
    // for each column its array and its place there
    let (mut names, mut columns) = (Vec::new(), Vec::new());
    for (array, Array { name, layout, .. }) in arrays.iter().enumerate() {
        let first = names.len();
        match &layout.columns {
            Columns::One | Columns::Matrix(1) => names.push(name.clone()),
            Columns::Matrix(width) => names.extend((0..*width).map(|i| format!("{name}.{i}"))),
            Columns::Fields(fields) => {
                names.extend(fields.iter().map(|field| format!("{name}.{field}")));
            }
        }
        columns.extend((0..names.len() - first).map(|place| (array, place)));
        if names.len() > MAX_COLUMNS {
            let message = format!("{path}: its arrays have more than {MAX_COLUMNS} columns");
            return Err(Error::new(ErrorKind::Limit, message));
        }
    }
    let mut known = HashSet::new();
    if let Some(twice) = names.iter().find(|name| !known.insert(*name)) {
        return Err(bad(&format!("it has two columns \"{twice}\"")));
    }
    let places = find(&names).map_err(|error| match unread.is_empty() {
        true => error,
        false => Error {
            message: format!("{}; not read: {}", error.message, unread.join("; ")),
            ..error
        },
    })?;
    // for each array that is needed its columns and where they go
    let mut wanted: Vec<(usize, Vec<(usize, usize)>)> = Vec::new();
    for (to, place) in places.iter().enumerate() {
        let (array, column) = columns[*place];
        match wanted.iter_mut().find(|(known, _)| *known == array) {
            Some((_, columns)) => columns.push((column, to)),
            None => wanted.push((array, vec![(column, to)])),
        }
    }
    let Some(first) = wanted.first().map(|(array, _)| &arrays[*array]) else {
        return Err(bad("no column of it is needed"));
    };
    let (mut bytes, mut size) = (0u64, 0u64);
    for array in wanted.iter().map(|(array, _)| &arrays[*array]) {
        let Array {
            name,
            layout,
            packed,
        } = array;
        if layout.rows != first.layout.rows {
            return Err(bad(&format!(
                "the arrays \"{}\" and \"{name}\" have {} and {} rows",
                first.name, first.layout.rows, layout.rows
            )));
        }
        if layout.bytes() != Some(packed.size) {
            return Err(bad(&format!(
                "the array \"{name}\" is not as long as its header says: it is cut short, or more stands behind it"
            )));
        }
        if !packed.deflated && packed.bytes != packed.size {
            return Err(bad(&format!(
                "the array \"{name}\" is stored in {} bytes and has {}",
                packed.bytes, packed.size
            )));
        }
        if packed.deflated {
            (bytes, size) = (bytes + packed.bytes, size.saturating_add(packed.size));
        }
    }
    if size > MAX_GROWN && size > bytes.saturating_mul(MAX_GROWTH) {
        let message = format!(
            "{path}: its arrays grow from {bytes} to {size} bytes, more than {MAX_GROWTH} times; if that is meant, store them as they are \
             (numpy.savez)"
        );
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let mut streams = Vec::new();
    for (array, columns) in &wanted {
        let Array { layout, packed, .. } = &arrays[*array];
        streams.extend(layout.streams(columns, |start| open(file, *packed, start))?);
    }
    let plan = Plan {
        path: &path,
        names: &names,
        places: &places,
        rows: first.layout.rows,
        whole: true,
    };
    npy::pump(&plan, streams, sink)
}

/// The arrays of an archive, and why others cannot be read.
fn arrays(file: &Path) -> Result<(Vec<Array>, Vec<String>)> {
    let path = file.display().to_string();
    let failed = |error: zip::result::ZipError| match error {
        zip::result::ZipError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::Io, format!("cannot read {path}: {error}"))
        }
        error => Error::new(
            ErrorKind::Format,
            format!("{path}: the ZIP archive is damaged: {error}"),
        ),
    };
    let reader = File::open(file)
        .map_err(|error| failed(zip::result::ZipError::Io(error)))
        .map(|file| BufReader::with_capacity(BLOCK, file))?;
    let mut archive = ZipArchive::new(reader).map_err(failed)?;
    if archive.len() > MAX_ENTRIES {
        let message = format!("{path}: the archive has more than {MAX_ENTRIES} entries");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    if archive.has_overlapping_entries().map_err(failed)? {
        let message = format!("{path}: entries of the archive lie in each other");
        return Err(Error::new(ErrorKind::Format, message));
    }
    let (mut arrays, mut unread) = (Vec::new(), Vec::new());
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(failed)?;
        let name = entry.name().map_err(failed)?.into_owned();
        let Some(name) = name.strip_suffix(".npy") else {
            continue;
        };
        let deflated = match entry.compression() {
            CompressionMethod::Stored => Some(false),
            CompressionMethod::Deflated => Some(true),
            _ => None,
        };
        let (Some(deflated), Some(start), false) =
            (deflated, entry.data_start(), entry.encrypted())
        else {
            unread.push(format!("\"{name}\" is neither stored nor deflated"));
            continue;
        };
        let packed = Packed {
            start,
            bytes: entry.compressed_size(),
            size: entry.size(),
            deflated,
            crc: entry.crc32(),
        };
        drop(entry);
        let of = format!("{path}, array \"{name}\"");
        match npy::layout(&of, &mut open(file, packed, 0)?) {
            Ok(layout) => arrays.push(Array {
                name: name.to_string(),
                layout,
                packed,
            }),
            Err(error) => unread.push(error.message),
        }
    }
    Ok((arrays, unread))
}

/// Opens an array so many bytes behind its start.
fn open(file: &Path, packed: Packed, start: u64) -> Result<Box<dyn Read>> {
    let io = |error: std::io::Error| {
        Error::new(
            ErrorKind::Io,
            format!("cannot read {}: {error}", file.display()),
        )
    };
    let mut reader = File::open(file).map_err(io)?;
    // what is stored is found without what stands before it
    let skipped = match packed.deflated || start <= BLOCK as u64 {
        true => 0,
        false => start,
    };
    let from = packed.start.saturating_add(skipped);
    reader.seek(SeekFrom::Start(from)).map_err(io)?;
    let reader = reader.take(packed.bytes.saturating_sub(skipped));
    let reader = BufReader::with_capacity(BLOCK, reader);
    let reader: Box<dyn Read> = match packed.deflated {
        true => Box::new(DeflateDecoder::new(reader)),
        false => Box::new(reader),
    };
    let mut reader = Checked {
        reader: CrcReader::new(reader),
        left: packed.size.saturating_sub(skipped),
        crc: (skipped == 0).then_some(packed.crc),
    };
    // what is deflated has to be unpacked to be passed over; a file that ends there is found to be cut short later
    let mut before = (&mut reader).take(start - skipped);
    std::io::copy(&mut before, &mut std::io::sink()).map_err(io)?;
    Ok(Box::new(reader))
}

/// An array up to its end, where its checksum is compared.
struct Checked {
    reader: CrcReader<Box<dyn Read>>,
    left: u64,
    /// The checksum; none where a part was passed over.
    crc: Option<u32>,
}

impl Read for Checked {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(into.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.reader.read(&mut into[..most])?;
        self.left -= count as u64;
        let wrong = self.crc.is_some_and(|crc| crc != self.reader.crc().sum());
        if self.left == 0 && wrong {
            let message = "the checksum of an array does not fit: the file is damaged";
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                message,
            ));
        }
        Ok(count)
    }
}
