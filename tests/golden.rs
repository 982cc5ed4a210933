//! What each stage makes of a program, as text: `tests/golden/NAME.scm` and its `NAME.txt`. `UPDATE_GOLDEN=1` rewrites them.

use std::path::{Path, PathBuf};

use ncg::compile::{Model, stages};
use ncg::graph::parse;
use ncg::options::Options;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn stages_as_text(source: &str) -> String {
    let options = Options::new();
    let stages = stages(source, &options).unwrap();
    let model = Model::compile(source, &options).unwrap();
    let gradient = ncg::grad::vjp(
        &model.graph,
        &(0..model.graph.ports.len()).collect::<Vec<_>>(),
    );
    for graph in [&stages.general, &stages.numeric, &gradient] {
        let text = graph.to_string();
        assert_eq!(
            parse(&text).unwrap().to_string(),
            text,
            "the text form reads back"
        );
    }
    let sections = [
        ("AST", stages.ast.to_string()),
        ("A-normal form", stages.anf.to_string()),
        ("general graph", stages.general.to_string()),
        ("numeric graph", stages.numeric.to_string()),
        ("gradient", gradient.to_string()),
        (".ncg", ncg::ncg::write(&model).unwrap()),
    ];
    sections
        .map(|(name, text)| format!("== {name}\n{}\n", text.trim_end()))
        .join("\n")
}

#[test]
fn every_stage_is_as_it_was() {
    let entries = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut programs: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|e| e == "scm"))
        .collect();
    programs.sort();
    assert!(programs.len() >= 4);
    for path in programs {
        let text = stages_as_text(&std::fs::read_to_string(&path).unwrap());
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &text).unwrap();
        }
        let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
        assert!(
            text == wanted,
            "{} differs; look at the change, then UPDATE_GOLDEN=1",
            golden.display()
        );
    }
}
