//! Tables of NumPy, `.npy` and `.npz`: the same bits as a table of text, through a window too; archives that are damaged or made
//! to harm.
#![cfg(feature = "cli")]

mod command;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use command::{answer, folder_of, ncg, refusal, value};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const LINE: &str = "(parameter a 1) (parameter b 0.1) (+ (* a t) (* b (sin x.0)) (* a x.1))";
const ROWS: usize = 3000;

fn folder(name: &str) -> PathBuf {
    folder_of("cli-tables", name)
}

/// The rows of t, x.0, x.1 and y. All numbers are such that single precision holds them.
fn rows() -> Vec<[f64; 4]> {
    let short = |x: f64| f64::from(x as f32);
    let row = |i: usize| {
        let t = i as f64;
        let (x, z) = (short((0.37 * t).cos()), short((0.011 * t).sin()));
        [
            t,
            x,
            z,
            0.5 * t + 2.0 * x.sin() + 0.5 * z + 0.1 * (1.7 * t).sin(),
        ]
    };
    (0..ROWS).map(row).collect()
}

fn column(i: usize) -> Vec<f64> {
    rows().iter().map(|row| row[i]).collect()
}

/// The bytes of numbers of a type.
fn packed(descr: &str, numbers: &[f64]) -> Vec<u8> {
    let bytes = numbers.iter().map(|x| match descr {
        "<f8" => x.to_le_bytes().to_vec(),
        "<f4" => (*x as f32).to_le_bytes().to_vec(),
        "<i8" => (*x as i64).to_le_bytes().to_vec(),
        _ => (*x as i32).to_le_bytes().to_vec(),
    });
    bytes.collect::<Vec<_>>().concat()
}

fn npy(descr: &str, fortran: &str, shape: &str, body: Vec<u8>) -> Vec<u8> {
    let descr = match descr.starts_with('[') {
        true => descr.to_string(),
        false => format!("'{descr}'"),
    };
    let header = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(body);
    bytes
}

fn vector(descr: &str, numbers: &[f64]) -> Vec<u8> {
    npy(
        descr,
        "False",
        &format!("({},)", numbers.len()),
        packed(descr, numbers),
    )
}

fn archive(path: &Path, method: CompressionMethod, arrays: &[(&str, Vec<u8>)]) -> String {
    let mut writer = ZipWriter::new(std::fs::File::create(path).unwrap());
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in arrays {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
    path.to_str().unwrap().to_string()
}

/// t and y as vectors, x as a matrix, by rows or by columns.
fn arrays(fortran: bool) -> Vec<(&'static str, Vec<u8>)> {
    let x = match fortran {
        true => [column(1), column(2)].concat(),
        false => rows().iter().flat_map(|row| [row[1], row[2]]).collect(),
    };
    let order = if fortran { "True" } else { "False" };
    vec![
        ("t.npy", vector("<i8", &column(0))),
        ("readme.txt", b"no array".to_vec()),
        (
            "x.npy",
            npy("<f4", order, &format!("({ROWS}, 2)"), packed("<f4", &x)),
        ),
        ("names.npy", npy("<U4", "False", "(2,)", vec![0; 32])),
        ("y.npy", vector("<f8", &column(3))),
    ]
}

fn fit(data: &str, more: &[&str]) -> serde_json::Value {
    let own = [
        "fit",
        "-e",
        LINE,
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
fn arrays_give_the_bits_of_text() {
    let folder = folder("bits");
    let text: String = rows()
        .iter()
        .map(|[t, x, z, y]| format!("{t:?},{x:?},{z:?},{y:?}\n"))
        .collect();
    let csv = folder.join("data.csv");
    std::fs::write(&csv, format!("t,x.0,x.1,y\n{text}")).unwrap();
    let csv = csv.to_str().unwrap();
    let mut files = Vec::new();
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        for fortran in [false, true] {
            let path = folder.join(format!("data-{method}-{fortran}.npz"));
            files.push(archive(&path, method, &arrays(fortran)));
        }
    }
    // a matrix by columns is named c0, c1, ...: the model is written for that
    let by_columns = npy(
        "<f8",
        "True",
        &format!("({ROWS}, 4)"),
        packed("<f8", &[0, 1, 2, 3].map(column).concat()),
    );
    let by_rows = npy(
        "<f8",
        "False",
        &format!("({ROWS}, 4)"),
        packed("<f8", &rows().concat()),
    );
    let records = "[('t', '<f8'), ('x.0', '<f8'), ('x.1', '<f8'), ('y', '<f8')]";
    let records = npy(
        records,
        "False",
        &format!("({ROWS},)"),
        packed("<f8", &rows().concat()),
    );
    std::fs::write(folder.join("records.npy"), &records).unwrap();
    files.push(folder.join("records.npy").to_str().unwrap().to_string());
    let fields = folder.join("fields.npz");
    archive(&fields, CompressionMethod::Deflated, &[("r.npy", records)]);
    for window in [&[][..], &["--window=7"], &["--window=1000"]] {
        let wanted = fit(csv, window);
        for file in &files {
            let found = fit(file, window);
            assert_eq!(bits(&found), bits(&wanted), "{file} {window:?}");
            assert_eq!(found["observations"], ROWS, "{file}");
        }
        let renamed = |source: &str, names: [&str; 3]| {
            let mut source = source.to_string();
            for (old, new) in [" t)", "x.0", "x.1"].iter().zip(names) {
                source = source.replace(old, new);
            }
            source
        };
        let matrix = renamed(LINE, [" c0)", "c1", "c2"]);
        let record = renamed(LINE, [" r.t)", "r.x.0", "r.x.1"]);
        for (name, bytes) in [("columns.npy", &by_columns), ("rows.npy", &by_rows)] {
            std::fs::write(folder.join(name), bytes).unwrap();
            let file = folder.join(name);
            let own = [
                "fit",
                "-e",
                &matrix,
                "--target=c3",
                "--engine=native",
                "--data",
                file.to_str().unwrap(),
            ];
            assert_eq!(
                bits(&answer(&[&own[..], window].concat())),
                bits(&wanted),
                "{name} {window:?}"
            );
        }
        let own = [
            "fit",
            "-e",
            &record,
            "--target=r.y",
            "--engine=native",
            "--data",
            fields.to_str().unwrap(),
        ];
        assert_eq!(
            bits(&answer(&[&own[..], window].concat())),
            bits(&wanted),
            "{window:?}"
        );
    }
}

fn refused(data: &str) -> String {
    refusal(&["fit", "-e", LINE, "--target=y", "--data", data])
}

#[test]
fn what_does_not_fit_is_named() {
    let folder = folder("misfits");
    let stored = CompressionMethod::Stored;
    let write =
        |name: &str, arrays: &[(&str, Vec<u8>)]| archive(&folder.join(name), stored, arrays);
    let mut short = arrays(false);
    short[4].1 = vector("<f8", &column(3)[1..]);
    let said = refused(&write("short.npz", &short));
    assert!(
        said.contains("\"t\" and \"y\" have 3000 and 2999 rows"),
        "{said}"
    );
    // names are names, not paths
    let mut nested = arrays(false);
    (nested[0].0, nested[3].0) = ("deep/t.npy", "../t.npy");
    let said = refused(&write("nested.npz", &nested));
    assert!(
        said.contains("no column \"t\"") && said.contains("deep/t, x.0, x.1, y"),
        "{said}"
    );
    assert!(
        said.contains("not read: ") && said.contains("array \"../t\""),
        "{said}"
    );
    let mut twice = arrays(false);
    twice.push(("x.1.npy", vector("<f8", &column(3))));
    let said = refused(&write("twice.npz", &twice));
    assert!(said.contains("two columns \"x.1\""), "{said}");
    let mut longer = arrays(false);
    longer[0].1.extend([0; 8]);
    let said = refused(&write("longer.npz", &longer));
    assert!(
        said.contains("array \"t\" is not as long as its header says"),
        "{said}"
    );
    let mut bad = column(3);
    bad[17] = f64::NAN;
    let mut hole = arrays(false);
    hole[4].1 = vector("<f8", &bad);
    let said = refused(&write("hole.npz", &hole));
    assert!(said.contains("column \"y\" holds NaN at row 17"), "{said}");
    let said = refused(&write("empty.npz", &[]));
    assert!(said.contains("no column \"t\""), "{said}");
    let fortran = npy("<f8", "True", "(4000, 4)", packed("<f8", &column(0)));
    let file = folder.join("short.npy");
    std::fs::write(&file, fortran).unwrap();
    let said = refused(file.to_str().unwrap());
    assert!(said.contains("no column \"t\""), "{said}");
    let own = [
        "fit",
        "-e",
        "(parameter a 1) (* a c0)",
        "--target=c3",
        "--data",
        file.to_str().unwrap(),
    ];
    assert!(refusal(&own).contains("cut short"));
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_format_that_is_not_built_in_is_named() {
    let file = folder("pages").join("data.parquet");
    std::fs::write(&file, b"PAR1 and more").unwrap();
    let said = refused(file.to_str().unwrap());
    assert!(
        said.contains("a Parquet file") && said.contains("cargo feature parquet"),
        "{said}"
    );
}

/// Where the central directory of an archive has this entry.
fn central(bytes: &[u8], entry: &str) -> usize {
    let named = |at: &usize| {
        let entry = bytes[at + 46..].starts_with(entry.as_bytes());
        bytes[*at..].starts_with(b"PK\x01\x02") && entry
    };
    (0..bytes.len() - 46).rfind(named).unwrap()
}

#[test]
fn an_archive_that_is_made_to_harm_is_refused_at_once() {
    let folder = folder("hostile");
    let path = folder.join("data.npz");
    let file = path.to_str().unwrap();
    let said = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let start = Instant::now();
        let said = refused(file);
        assert!(start.elapsed() < Duration::from_secs(20), "{said}");
        said
    };
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        archive(&path, method, &arrays(false));
        let plain = std::fs::read(&path).unwrap();
        // a number of an array
        let mut flipped = plain.clone();
        let middle = plain.len() / 3;
        flipped[middle] ^= 4;
        let message = said(&flipped);
        assert!(
            message.contains("checksum") || message.contains("corrupt"),
            "{message}"
        );
        // two entries in one place
        let mut overlapping = plain.clone();
        let (first, last) = (central(&plain, "t.npy"), central(&plain, "y.npy"));
        overlapping.copy_within(first + 42..first + 46, last + 42);
        assert!(said(&overlapping).contains("lie in each other"));
        // cut short anywhere
        for cut in [
            0,
            1,
            3,
            10,
            40,
            plain.len() / 2,
            plain.len() - 30,
            plain.len() - 1,
        ] {
            said(&plain[..cut]);
        }
        // any byte of what says where the entries lie
        let from = central(&plain, "t.npy");
        for at in (from..plain.len()).step_by(3) {
            let mut changed = plain.clone();
            changed[at] = changed[at].wrapping_add(0x81);
            std::fs::write(&path, &changed).unwrap();
            let (code, _, stderr) = ncg(&[
                "fit",
                "-e",
                LINE,
                "--target=y",
                "--engine=native",
                "--data",
                file,
            ]);
            assert!(
                [0, 1].contains(&code) && !stderr.contains("panicked"),
                "{at}: {stderr}"
            );
        }
    }
    // four numbers that say that they are very many: stored, and deflated
    let huge = 1_usize << 40;
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let names = ["t", "x.0", "x.1", "y"];
        let arrays: Vec<(String, Vec<u8>)> = names
            .iter()
            .map(|name| {
                (
                    format!("{name}.npy"),
                    npy("<f8", "False", &format!("({huge},)"), vec![0; 64]),
                )
            })
            .collect();
        let arrays: Vec<(&str, Vec<u8>)> = arrays
            .iter()
            .map(|(name, bytes)| (&**name, bytes.clone()))
            .collect();
        archive(&path, method, &arrays);
        let bytes = std::fs::read(&path).unwrap();
        assert!(said(&bytes).contains("not as long as its header says"));
    }
    // very many zeros that are but a few bytes
    let zeros = npy("<f8", "False", "(40000000,)", vec![]);
    let mut writer = ZipWriter::new(std::fs::File::create(&path).unwrap());
    let options = SimpleFileOptions::default();
    for name in ["t", "x.0", "x.1", "y"] {
        writer.start_file(format!("{name}.npy"), options).unwrap();
        writer.write_all(&zeros).unwrap();
        for _ in 0..80 {
            writer.write_all(&[0; 4_000_000]).unwrap();
        }
    }
    writer.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() < 4_000_000, "{}", bytes.len());
    assert!(said(&bytes).contains("more than 250 times"));
    // more entries than a table has
    let names: Vec<String> = (0..1001).map(|i| format!("{i}.npy")).collect();
    let many: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (&**name, vec![])).collect();
    archive(&path, CompressionMethod::Stored, &many);
    let bytes = std::fs::read(&path).unwrap();
    assert!(said(&bytes).contains("more than 1000 entries"));
}
