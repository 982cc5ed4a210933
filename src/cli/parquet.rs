//! Parquet tables: columns of numbers and booleans, row group by row group; the columns that are needed are read together, so
//! many rows at a time, so that memory does not grow with the table.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::table::{Sink, Table};
use crate::error::{Error, ErrorKind, Result};

/// Rows that are read of one column before the next.
const BLOCK: usize = 8192;

/// Reads the columns that `find` asks for.
pub fn read(
    file: &Path,
    find: impl FnOnce(&[String]) -> Result<Vec<usize>>,
    sink: Sink,
) -> Result<()> {
    let path = file.display().to_string();
    // the crate promises errors for damaged files, and its tests cannot try all
    let result = catch_unwind(AssertUnwindSafe(|| guarded(&path, file, find, sink)));
    result.unwrap_or_else(|_| Err(damaged(&path, &"its structure is inconsistent")))
}

fn damaged(path: &str, what: &dyn std::fmt::Display) -> Error {
    let message = format!("{path}: the Parquet file cannot be read: {what}");
    Error::new(ErrorKind::Format, message)
}

/// What the crate says; of a compression that is not built in, what would be read.
fn said(path: &str, error: &ParquetError) -> Error {
    let text = error.to_string();
    match text.contains("Disabled feature") || text.contains("compression") {
        true => damaged(
            path,
            &format!(
                "{text}; columns are read that are compressed with snappy, gzip or not at all"
            ),
        ),
        false => damaged(path, &text),
    }
}

fn guarded(
    path: &str,
    file: &Path,
    find: impl FnOnce(&[String]) -> Result<Vec<usize>>,
    sink: Sink,
) -> Result<()> {
    let failed = |error: ParquetError| said(path, &error);
    let opened = File::open(file)
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot read {path}: {error}")))?;
    let reader = SerializedFileReader::new(opened).map_err(failed)?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let descriptions = schema.columns();
    let names: Vec<String> = descriptions
        .iter()
        .map(|column| column.path().string())
        .collect();
    let places = find(&names)?;
    let mut kinds = Vec::with_capacity(places.len());
    for place in &places {
        let kind = kind(&descriptions[*place]).map_err(|what| {
            let name = &names[*place];
            let message = format!(
                "{path}: the column \"{name}\" holds {what}; columns of numbers and booleans are read, one to a row"
            );
            Error::new(ErrorKind::Format, message)
        })?;
        kinds.push(kind);
    }
    let mut columns = vec![Vec::new(); places.len()];
    let mut rows = 0usize;
    let mut give = |columns: &mut Vec<Vec<f64>>| {
        (sink.take)(Table {
            path: path.to_string(),
            names: names.clone(),
            columns: columns.iter_mut().map(std::mem::take).collect(),
            lines: Vec::new(),
        })
    };
    for index in 0..reader.num_row_groups() {
        let group = reader.get_row_group(index).map_err(failed)?;
        let count = usize::try_from(group.metadata().num_rows());
        let mut left = count.map_err(|_| damaged(path, &"a row group has fewer rows than none"))?;
        let mut readers = Vec::with_capacity(places.len());
        for place in &places {
            readers.push(group.get_column_reader(*place).map_err(failed)?);
        }
        while left > 0 {
            let held = columns.first().map_or(0, Vec::len);
            let count = left.min(BLOCK).min(sink.rows - held);
            for (i, reader) in readers.iter_mut().enumerate() {
                let (name, from) = (&names[places[i]], columns[i].len());
                let description = &descriptions[places[i]];
                numbers(reader, description, kinds[i], count, &mut columns[i])
                    .map_err(|fault| match fault {
                        Fault::Parquet(error) => failed(error),
                        Fault::Short => damaged(path, &"a column has fewer values than its row group"),
                        Fault::Null(row) => Error::new(
                            ErrorKind::Format,
                            format!(
                                "{path}: column \"{name}\" is empty (null) at row {} (counted from 0); leave such rows out",
                                rows + row
                            ),
                        ),
                    })?;
                if let Some(row) = columns[i][from..].iter().position(|x| !x.is_finite()) {
                    let message = format!(
                        "{path}: column \"{name}\" holds {} at row {} (counted from 0); leave such rows out",
                        columns[i][from + row],
                        rows + row
                    );
                    return Err(Error::new(ErrorKind::Format, message));
                }
            }
            rows += count;
            left -= count;
            if held + count >= sink.rows {
                give(&mut columns)?;
            }
        }
    }
    if rows == 0 {
        let message = format!("{path}: the table has no rows");
        return Err(Error::new(ErrorKind::Format, message));
    }
    match columns.first().is_some_and(|column| !column.is_empty()) {
        true => give(&mut columns),
        false => Ok(()),
    }
}

/// How the numbers of a column are meant.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Signed,
    Unsigned,
}

/// How the numbers of a column are meant, or what else it holds.
fn kind(column: &ColumnDescriptor) -> std::result::Result<Kind, String> {
    if column.max_rep_level() > 0 {
        return Err("lists".into());
    }
    let numeric = matches!(
        column.physical_type(),
        Type::BOOLEAN | Type::INT32 | Type::INT64 | Type::FLOAT | Type::DOUBLE
    );
    let whole = matches!(
        column.logical_type_ref(),
        None | Some(LogicalType::Integer(_))
    );
    match column.converted_type() {
        ConvertedType::NONE
        | ConvertedType::INT_8
        | ConvertedType::INT_16
        | ConvertedType::INT_32
        | ConvertedType::INT_64
            if numeric && whole =>
        {
            Ok(Kind::Signed)
        }
        ConvertedType::UINT_8
        | ConvertedType::UINT_16
        | ConvertedType::UINT_32
        | ConvertedType::UINT_64
            if numeric && whole =>
        {
            Ok(Kind::Unsigned)
        }
        ConvertedType::NONE => Err(format!("{}", column.physical_type())),
        other => Err(format!("{other}")),
    }
}

/// What is wrong with the values of a column.
enum Fault {
    Parquet(ParquetError),
    /// A value that is not there, so many rows on.
    Null(usize),
    Short,
}

/// Appends the next `count` numbers of a column.
fn numbers(
    reader: &mut ColumnReader,
    column: &ColumnDescriptor,
    kind: Kind,
    count: usize,
    into: &mut Vec<f64>,
) -> std::result::Result<(), Fault> {
    let levels = column.max_def_level();
    let unsigned = kind == Kind::Unsigned;
    match reader {
        ColumnReader::BoolColumnReader(reader) => {
            typed(reader, levels, count, into, |x| f64::from(u8::from(*x)))
        }
        ColumnReader::Int32ColumnReader(reader) => {
            typed(reader, levels, count, into, |x| match unsigned {
                true => f64::from(*x as u32),
                false => f64::from(*x),
            })
        }
        ColumnReader::Int64ColumnReader(reader) => {
            typed(reader, levels, count, into, |x| match unsigned {
                true => *x as u64 as f64,
                false => *x as f64,
            })
        }
        ColumnReader::FloatColumnReader(reader) => {
            typed(reader, levels, count, into, |x| f64::from(*x))
        }
        ColumnReader::DoubleColumnReader(reader) => typed(reader, levels, count, into, |x| *x),
        _ => Err(Fault::Short),
    }
}

fn typed<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    most: i16,
    count: usize,
    into: &mut Vec<f64>,
    number: impl Fn(&T::T) -> f64,
) -> std::result::Result<(), Fault> {
    let (mut values, mut levels, mut left) = (Vec::new(), Vec::new(), count);
    while left > 0 {
        values.clear();
        levels.clear();
        let defined = (most > 0).then_some(&mut levels);
        let (records, ..) = reader
            .read_records(left, defined, None, &mut values)
            .map_err(Fault::Parquet)?;
        if let Some(row) = levels.iter().position(|level| *level < most) {
            return Err(Fault::Null(count - left + row));
        }
        if records == 0 || records > left || values.len() != records {
            return Err(Fault::Short);
        }
        into.extend(values.iter().map(&number));
        left -= records;
    }
    Ok(())
}
