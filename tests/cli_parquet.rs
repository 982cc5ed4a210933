//! Parquet tables: the same bits as a table of text, through a window too; what is refused, and damaged files.
#![cfg(feature = "parquet")]

mod command;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use command::{answer, folder_of, ncg, refusal, value};
use parquet::basic::{Compression, GzipLevel};
use parquet::column::writer::ColumnWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

const LINE: &str = "(parameter a 1) (parameter b 0.1) (+ (* a t) (* b (sin x)) (* a z) (* b flag))";
const ROWS: usize = 5000;
const GROUP: usize = 1200;
const SCHEMA: &str = "message table { required int64 t; optional float x; required double z; optional boolean flag; \
                      required double y; optional int32 u (UINT_32); optional int64 at (TIMESTAMP_MILLIS); \
                      optional group list (LIST) { repeated group list { optional double element; } } }";

/// t, x, z, flag and y of a row.
fn row(i: usize) -> [f64; 5] {
    let t = i as f64;
    let x = f64::from((0.37 * t).cos() as f32);
    let (z, flag) = ((0.011 * t).sin(), f64::from(u8::from(i.is_multiple_of(3))));
    [
        t,
        x,
        z,
        flag,
        0.5 * t + 2.0 * x.sin() + 0.5 * z + 2.0 * flag + 0.1 * (1.7 * t).sin(),
    ]
}

fn folder(name: &str) -> PathBuf {
    folder_of("cli-parquet", name)
}

/// Writes the table; `null` is the row at which x is not there.
fn write(path: &Path, compression: Compression, null: Option<usize>) {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_data_page_row_count_limit(500)
        .build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    for first in (0..ROWS).step_by(GROUP) {
        let rows: Vec<usize> = (first..ROWS.min(first + GROUP)).collect();
        let column = |place: usize| rows.iter().map(move |i| row(*i)[place]);
        let all = vec![1; rows.len()];
        let mut group = writer.next_row_group().unwrap();
        let mut place = 0;
        while let Some(mut open) = group.next_column().unwrap() {
            match open.untyped() {
                ColumnWriter::Int64ColumnWriter(writer) if place == 0 => {
                    let values: Vec<i64> = column(0).map(|x| x as i64).collect();
                    writer.write_batch(&values, None, None).unwrap();
                }
                ColumnWriter::Int64ColumnWriter(writer) => {
                    writer
                        .write_batch(&vec![0; rows.len()], Some(&all), None)
                        .unwrap();
                }
                ColumnWriter::FloatColumnWriter(writer) => {
                    let there = |i: &&usize| Some(**i) != null;
                    let values: Vec<f32> = rows
                        .iter()
                        .filter(there)
                        .map(|i| row(*i)[1] as f32)
                        .collect();
                    let levels: Vec<i16> =
                        rows.iter().map(|i| i16::from(Some(*i) != null)).collect();
                    writer.write_batch(&values, Some(&levels), None).unwrap();
                }
                ColumnWriter::BoolColumnWriter(writer) => {
                    let values: Vec<bool> = column(3).map(|x| x == 1.0).collect();
                    writer.write_batch(&values, Some(&all), None).unwrap();
                }
                ColumnWriter::DoubleColumnWriter(writer) if place == 7 => {
                    let none = vec![0; rows.len()];
                    writer.write_batch(&[], Some(&none), Some(&none)).unwrap();
                }
                ColumnWriter::DoubleColumnWriter(writer) => {
                    let values: Vec<f64> = column(place).collect();
                    writer.write_batch(&values, None, None).unwrap();
                }
                ColumnWriter::Int32ColumnWriter(writer) => {
                    let values: Vec<i32> = rows.iter().map(|i| -1 - *i as i32).collect();
                    writer.write_batch(&values, Some(&all), None).unwrap();
                }
                _ => panic!("column {place}"),
            }
            open.close().unwrap();
            place += 1;
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

fn fit(program: &str, data: &str, more: &[&str]) -> serde_json::Value {
    let own = [
        "fit",
        "-e",
        program,
        "--target=y",
        "--engine=native",
        "--data",
        data,
    ];
    answer(&[&own[..], more].concat())
}

fn bits(report: &serde_json::Value) -> Vec<u64> {
    ["a", "b"]
        .iter()
        .map(|name| value(report, name, "value").to_bits())
        .collect()
}

#[test]
fn columns_give_the_bits_of_text() {
    let folder = folder("bits");
    let text: String = (0..ROWS)
        .map(|i| row(i).map(|x| format!("{x:?}")).join(",") + "\n")
        .collect();
    let csv = folder.join("data.csv");
    std::fs::write(&csv, format!("t,x,z,flag,y\n{text}")).unwrap();
    let gzip = Compression::GZIP(GzipLevel::default());
    for window in [
        &[][..],
        &["--window=7"],
        &["--window=1100"],
        &["--window=4000"],
    ] {
        let wanted = fit(LINE, csv.to_str().unwrap(), window);
        for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, gzip] {
            let path = folder.join("data.parquet");
            write(&path, compression, None);
            let found = fit(LINE, path.to_str().unwrap(), window);
            assert_eq!(bits(&found), bits(&wanted), "{compression:?} {window:?}");
            assert_eq!(found["observations"], ROWS);
        }
    }
    // what is unsigned counts from zero
    let path = folder.join("data.parquet");
    let unsigned = "(parameter a 1) (parameter b 0) (+ (* a (- 4294967295 u)) b)";
    let found = fit(unsigned, path.to_str().unwrap(), &[]);
    assert!((value(&found, "a", "value") - 0.5).abs() < 0.01, "{found}");
}

#[test]
fn what_is_no_number_is_named() {
    let folder = folder("misfits");
    let path = folder.join("data.parquet");
    let file = path.to_str().unwrap();
    let refused = |program: &str| refusal(&["fit", "-e", program, "--target=y", "--data", file]);
    write(&path, Compression::SNAPPY, Some(3456));
    let said = refused(LINE);
    assert!(
        said.contains("column \"x\" is empty (null) at row 3456"),
        "{said}"
    );
    let said = refused("(parameter a 1) (* a at)");
    assert!(said.contains("\"at\" holds TIMESTAMP_MILLIS"), "{said}");
    let said = refused("(parameter a 1) (* a list.list.element)");
    assert!(said.contains("holds lists"), "{said}");
    let said = refused("(parameter a 1) (* a nothing)");
    assert!(
        said.contains("no column \"nothing\"") && said.contains("t, x, z, flag, y"),
        "{said}"
    );
}

/// Any byte of a small file changed, and any of its ends.
#[test]
fn a_damaged_file_is_refused() {
    let folder = folder("damaged");
    let path = folder.join("data.parquet");
    let file = path.to_str().unwrap();
    write(&path, Compression::SNAPPY, None);
    let plain = std::fs::read(&path).unwrap();
    let run = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let (code, _, stderr) = ncg(&[
            "fit",
            "-e",
            LINE,
            "--target=y",
            "--engine=native",
            "--data",
            file,
        ]);
        assert!([0, 1].contains(&code), "{code}: {stderr}");
        code
    };
    for cut in [4, 5, 12, plain.len() / 2, plain.len() - 8, plain.len() - 1] {
        assert_eq!(run(&plain[..cut]), 1);
    }
    let footer = plain.len() - 2000;
    for at in (0..footer)
        .step_by(footer / 40)
        .chain((footer..plain.len()).step_by(29))
    {
        let mut changed = plain.clone();
        changed[at] = changed[at].wrapping_add(0x41);
        run(&changed);
    }
}
