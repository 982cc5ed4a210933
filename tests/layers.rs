//! The layers: a module uses only modules declared before it in `lib.rs`, and dangerous things stand where they may.

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source() -> PathBuf {
    root().join("src")
}

/// The modules of `lib.rs`, in order.
fn modules() -> Vec<String> {
    let text = std::fs::read_to_string(source().join("lib.rs")).unwrap();
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    names.map(String::from).collect()
}

/// The files of a folder and of those within it, in order.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// The files of the library in Rust.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&source(), &mut found);
    found.retain(|path| path.extension().is_some_and(|e| e == "rs"));
    found
}

/// Each file of the library, by its top-level module, without its tests and comments.
fn library() -> Vec<(String, PathBuf, String)> {
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(source()).unwrap();
        let module = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("\n#[cfg(test)]").next().unwrap();
        let text = text.split("\n#[cfg(all(test").next().unwrap();
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let code = lines.collect::<Vec<_>>().join("\n");
        (module, path, code)
    };
    let all = sources().into_iter().map(read);
    all.filter(|(module, _, _)| !["lib", "bin"].contains(&module.as_str()))
        .collect()
}

#[test]
fn modules_use_only_earlier_ones() {
    let modules = modules();
    assert!(modules.len() > 12, "{modules:?}");
    let mut wrong = Vec::new();
    for (module, path, code) in library() {
        let place = modules.iter().position(|name| *name == module);
        let place = place.unwrap_or_else(|| panic!("{} is not in lib.rs", path.display()));
        for later in &modules[place + 1..] {
            if code.contains(&format!("crate::{later}::"))
                || code.contains(&format!("crate::{later};"))
            {
                wrong.push(format!("{} uses {later}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Fails for each file that holds `word` outside `places`.
fn only_in(word: &str, places: &[&str]) {
    for (_, path, code) in library() {
        let inside = path
            .strip_prefix(source())
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/");
        let allowed = places.iter().any(|place| inside.starts_with(place));
        assert!(allowed || !code.contains(word), "{inside} holds \"{word}\"");
    }
}

#[test]
fn dangerous_things_stand_where_they_may() {
    only_in(
        "unsafe ",
        &[
            "ffi",
            "engine/ort",
            "engine/fpenv.rs",
            // machine code, and threads that share the caller's memory
            "engine/native/compiled",
            "engine/native/block.rs",
            "engine/native/scalar.rs",
            "engine/native/pool.rs",
            "engine/native/team.rs",
        ],
    );
    only_in(
        "serde_json",
        &["ncg", "fit/report.rs", "onnx/metadata.rs", "ffi", "cli"],
    );
    only_in("prost", &["onnx"]);
    only_in("ort::sys", &["engine/ort"]);
    only_in("std::env::var", &["engine/ort", "cli"]);
    only_in("println!", &["cli"]);
    only_in("eprintln!", &["cli"]);
    only_in("thread::spawn", &["cli"]);
    only_in("thread::Builder", &["cli", "engine/native/pool.rs"]);
    only_in("process::exit", &["cli"]);
    only_in("std::fs", &["document.rs", "engine/ort", "cli"]);
}

#[test]
fn every_unsafe_block_says_why_it_is_safe() {
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let block = line.contains("unsafe {") && !line.trim_start().starts_with("//");
            let before = lines[i.saturating_sub(8)..=i]
                .iter()
                .any(|line| line.contains("SAFETY"));
            assert!(
                !block || before,
                "{}:{} has no SAFETY line",
                path.display(),
                i + 1
            );
        }
    }
}

#[test]
fn files_stay_short() {
    for (_, path, code) in library() {
        let lines = code.lines().count();
        assert!(
            lines < 800 || path.ends_with("onnx/proto.rs"),
            "{} has {lines} lines",
            path.display()
        );
    }
}

#[test]
fn bindings_and_examples_stay_below_a_thousand_lines() {
    let mut found = Vec::new();
    for folder in ["bindings", "examples"] {
        files(&root().join(folder), &mut found);
    }
    assert!(found.iter().any(|path| path.ends_with("fortran/ncg.f90")));
    for path in found {
        // what is no text, such as a model in ONNX, has no lines
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let lines = text.lines().count();
        assert!(lines < 1000, "{} has {lines} lines", path.display());
    }
}
