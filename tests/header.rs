//! `include/ncg.h` is what the sources say, is documented, is exported, and compiles as C and C++.
//!
//! `UPDATE_HEADER=1 cargo test --release --test header` writes it anew.

mod header_text;
mod toolchain;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use toolchain::{have, library, run, temporary};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the C ABI in the order of the header.
const FILES: [&str; 7] = [
    "version", "error", "options", "model", "session", "arrays", "fit",
];

/// The header, as the sources have it.
fn generate() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    let mut titles = Vec::new();
    for file in FILES {
        let path = root().join(format!("src/ffi/{file}.rs"));
        let source = std::fs::read_to_string(&path).unwrap();
        let title = source.lines().next().unwrap().strip_prefix("//! ").unwrap();
        let first = source.split("extern \"C\" fn ").nth(1).unwrap();
        titles.push((
            title.to_string(),
            first.split('(').next().unwrap().to_string(),
        ));
        builder = builder.with_src(path);
    }
    let mut bytes = Vec::new();
    builder.generate().unwrap().write(&mut bytes);
    with_titles(&String::from_utf8(bytes).unwrap(), &titles)
}

/// Puts a line with a title before the comment of the first function of each file, and comments on as few lines as they need.
fn with_titles(header: &str, titles: &[(String, String)]) -> String {
    let mut out: Vec<String> = Vec::new();
    for line in header.lines() {
        match (out.last_mut(), line) {
            (Some(last), _) if last == "/*" => *last = format!("/*{line}"),
            (Some(last), " */") => last.push_str(" */"),
            (Some(last), _) if last.starts_with("/*") && !last.ends_with("*/") => {
                out.push(format!("  {line}"))
            }
            (Some(last), _)
                if last.starts_with("   ") && !last.ends_with("*/") && !last.ends_with(';') =>
            {
                let indent = if line.starts_with("  ") { "" } else { "  " };
                out.push(format!("{indent}{line}"));
            }
            _ => {
                let declares = |name: &str| {
                    !line.starts_with(' ')
                        && (line.contains(&format!(" {name}("))
                            || line.contains(&format!("*{name}(")))
                };
                if let Some((title, _)) = titles.iter().find(|(_, first)| declares(first)) {
                    let comment = out.iter().rposition(|line| line.starts_with("/*")).unwrap();
                    out.insert(comment, format!("/* ==== {title} ==== */\n"));
                }
                out.push(line.to_string());
            }
        }
    }
    out.join("\n") + "\n"
}

fn header_path() -> PathBuf {
    root().join("include/ncg.h")
}

#[test]
fn header_is_what_the_sources_say() {
    let generated = generate();
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(header_path(), &generated).unwrap();
    }
    let committed = std::fs::read_to_string(header_path()).unwrap();
    let same = committed == generated;
    assert!(
        same,
        "include/ncg.h is out of date: run UPDATE_HEADER=1 cargo test --release --test header"
    );
}

/// The names of the functions that the header declares, and whether a comment stands before each.
fn declared() -> Vec<(String, bool)> {
    let header = std::fs::read_to_string(header_path()).unwrap();
    let mut functions = Vec::new();
    for item in header.split("\n\n") {
        let code = match item.rsplit_once("*/") {
            Some((_, code)) => code,
            None => item,
        };
        let is_function = code.trim_end().ends_with(");") && !code.contains("typedef");
        if let (true, Some(start)) = (is_function, code.find("ncg_")) {
            let before = code.find('(').unwrap();
            let name = code[..before]
                .rsplit(|c: char| !(c.is_alphanumeric() || c == '_'))
                .next()
                .unwrap();
            assert!(start <= before, "{code}");
            functions.push((name.to_string(), item.contains("*/")));
        }
    }
    functions
}

#[test]
fn every_function_has_a_comment() {
    let functions = declared();
    assert!(functions.len() >= 47, "{functions:?}");
    for (name, has_comment) in functions {
        assert!(has_comment, "{name} has no comment");
    }
}

#[test]
fn declared_and_exported_are_the_same() {
    let Some(library) = library() else { return };
    if !have("nm") {
        return;
    }
    let listed = run(Command::new("nm")
        .args(["-D", "--defined-only"])
        .arg(library));
    let exported: BTreeSet<String> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .map(str::to_string)
        .collect();
    let declared: BTreeSet<String> = declared().into_iter().map(|(name, _)| name).collect();
    assert_eq!(exported, declared);
}

/// The interface, a line each: constants with their values, functions with their types. All that crosses it is a number or a
/// pointer to an opaque handle, so there is no layout beside these lines that a program could have been built on.
fn interface() -> BTreeSet<String> {
    let functions = header_text::functions().into_iter().map(|function| {
        let types: Vec<String> = function
            .arguments
            .into_iter()
            .map(|(_, kind)| kind)
            .collect();
        format!(
            "{} {}({})",
            function.result,
            function.name,
            types.join(", ")
        )
    });
    let constants = header_text::constants().into_iter();
    let constants = constants.filter(|(name, _)| !name.starts_with("NCG_VERSION"));
    functions
        .chain(constants.map(|(name, value)| format!("{name} = {value}")))
        .collect()
}

/// Programs that were built with an earlier header of this major version go on: what it declared is declared still, with the same
/// types and values. More may be there. `UPDATE_ABI=1` adds what is new, which is for releases: from then on it stays.
#[test]
fn what_was_released_is_there_still() {
    let path = root().join("include/ncg.abi");
    let now = interface();
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut released: BTreeSet<String> = text.lines().map(str::to_string).collect();
    let missing: Vec<&String> = released.difference(&now).collect();
    assert!(
        missing.is_empty(),
        "removed or changed since the last release, which breaks programs that use it: {missing:#?}"
    );
    if std::env::var_os("UPDATE_ABI").is_some() {
        released.extend(now);
        let lines: Vec<&str> = released.iter().map(String::as_str).collect();
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
    assert!(!released.is_empty(), "{} is missing", path.display());
}

#[test]
fn compiles_as_c_and_cpp() {
    let directory = temporary("header");
    for (compiler, extension, standards) in [
        ("cc", "c", ["c99", "c11", "c17"]),
        ("c++", "cpp", ["c++11", "c++17", "c++20"]),
    ] {
        if !have(compiler) {
            continue;
        }
        let file = directory.join(format!("header.{extension}"));
        // Twice, for the include guard; alone, so that it needs nothing before it.
        let text = "#include \"ncg.h\"\n#include \"ncg.h\"\nint main(void) { return ncg_version() == NCG_VERSION ? NCG_OK : 1; }\n";
        std::fs::write(&file, text).unwrap();
        for standard in standards {
            run(Command::new(compiler)
                .arg(format!("-std={standard}"))
                .args(
                    [
                        "-Wall",
                        "-Wextra",
                        "-Werror",
                        "-pedantic",
                        "-Wstrict-prototypes",
                    ]
                    .iter()
                    .take(if extension == "c" { 5 } else { 4 }),
                )
                .arg("-fsyntax-only")
                .arg("-I")
                .arg(root().join("include"))
                .arg(&file));
        }
    }
}
