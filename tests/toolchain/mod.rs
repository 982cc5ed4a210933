//! The shared library and the tools that programs against it are built with.

#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The file name of the shared library.
pub const NATIVE_LIBRARY: &str = "libncg.so";

/// Whether a missing tool is a failure.
fn all_required() -> bool {
    std::env::var_os("NCG_REQUIRE_ALL").is_some_and(|value| value == "1")
}

/// Says that something cannot be tested here.
pub fn skip(why: &str) {
    assert!(!all_required(), "NCG_REQUIRE_ALL is set, but {why}");
    println!("skipped: {why}");
}

/// Whether a program is on the path.
pub fn have(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        skip(&format!("there is no {program}"));
    }
    found
}

/// The shared library that cargo has built beside this test: all crate types of a package are one build, so it is there and
/// of the same sources.
pub fn library() -> Option<PathBuf> {
    let program = std::env::current_exe().unwrap();
    let library = program.parent().unwrap().join(NATIVE_LIBRARY);
    if !cfg!(target_os = "linux") {
        skip("shared libraries are tested on Linux");
        return None;
    }
    assert!(library.is_file(), "{} is missing", library.display());
    Some(library)
}

/// Links a program with the shared library, which it then finds in `folder` under its soname.
pub fn linked<'a>(command: &'a mut Command, folder: &Path) -> Option<&'a mut Command> {
    let library = library()?;
    for link in [NATIVE_LIBRARY, "libncg.so.0"] {
        #[cfg(unix)]
        std::os::unix::fs::symlink(&library, folder.join(link)).unwrap();
    }
    // before LD_LIBRARY_PATH, by which cargo offers what an earlier build has left in its folder
    let path = format!("-Wl,--disable-new-dtags,-rpath,{}", folder.display());
    Some(command.arg("-L").arg(folder).arg("-lncg").arg(path))
}

/// An empty folder for a test.
pub fn temporary(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// Runs a command that must succeed; its standard output.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{out}\n{err}",
        output.status
    );
    out.into_owned()
}
