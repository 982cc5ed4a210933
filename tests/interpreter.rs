//! The interpreter: programs that it interprets, specialised, are the graphs of direct compilation, node for node.

use std::path::{Path, PathBuf};

use ncg::compile::Model;
use ncg::interp::{bind_program, interpreter};
use ncg::options::Options;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|e| e == "scm"))
        .collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The lines in which two texts differ.
fn difference(interpreted: &str, direct: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (interpreted.lines().collect(), direct.lines().collect());
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let show = |lines: &[&str]| {
        lines[same..]
            .iter()
            .take(8)
            .map(|line| format!("    {line}\n"))
            .collect::<String>()
    };
    format!(
        "  {} lines interpreted, {} direct; from line {}:\n  interpreted\n{}  direct\n{}",
        a.len(),
        b.len(),
        same + 1,
        show(&a),
        show(&b)
    )
}

/// Compares the graphs of one program; `None` where direct compilation refuses it.
fn compare(source: &str) -> Option<Result<(), String>> {
    let options = Options::new();
    let direct = Model::compile(source, &options).ok()?;
    Some(
        match bind_program(interpreter().unwrap(), source, &options) {
            Err(error) => Err(format!("  {error}")),
            Ok(interpreted) => {
                let (a, b) = (interpreted.graph.to_string(), direct.graph.to_string());
                match a == b {
                    true => Ok(()),
                    false => Err(difference(&a, &b)),
                }
            }
        },
    )
}

#[test]
fn every_program_of_the_contract_is_the_direct_graph() {
    let (mut failures, mut count) = (Vec::new(), 0);
    for path in files("run").into_iter().chain(files("run-later")) {
        let source = std::fs::read_to_string(&path).unwrap();
        let start = std::time::Instant::now();
        if let Some(result) = compare(&source) {
            count += 1;
            if let Err(message) = result {
                failures.push(format!(
                    "{} ({:?})\n{message}",
                    name(&path),
                    start.elapsed()
                ));
            }
        }
        if start.elapsed().as_millis() > 300 {
            println!("{} took {:?}", name(&path), start.elapsed());
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {count} programs differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(count > 400, "{count}");
    println!("{count} programs");
}
