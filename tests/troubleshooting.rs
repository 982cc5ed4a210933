//! The messages of `docs/troubleshooting.md` are those of the sources.

use std::path::{Path, PathBuf};

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
}

/// What the sources hold, on one line and with escapes resolved.
fn sources() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "bindings"] {
        files(&root.join(folder), &mut found);
    }
    found
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .map(|text| text.replace("\\\"", "\""))
        .collect()
}

#[test]
fn messages_stand_in_the_sources() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md");
    let text = std::fs::read_to_string(path).unwrap();
    let sources = sources();
    let (_, own) = text.split_once("## Messages of the library").unwrap();
    let (own, _) = own.split_once("\n## ").unwrap();
    let headings: Vec<&str> = own
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    assert!(headings.len() > 12, "{headings:?}");
    for heading in headings {
        let message = heading.trim_matches('`');
        for part in message.split('…') {
            // what is left of a name in quotes says nothing
            let part = part.trim_matches('"').trim();
            let is_word = part.len() > 3;
            assert!(
                !is_word || sources.contains(part),
                "{part:?} of {message:?} is in no source"
            );
        }
    }
}
