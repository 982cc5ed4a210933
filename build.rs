//! What cargo cannot do by itself: the shared library's name and link flags, a few facts for `ncg_build_info`, and, behind
//! the feature `fetch-onnxruntime`, the ONNX Runtime library for development, taken from its PyPI wheel.
//!
//! Nothing here fails the build. Without network, pip or a wheel for the target there is one warning, and the library
//! uses its native engine until it is given an ONNX Runtime.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

/// The version of ONNX Runtime that is fetched.
const VERSION: &str = "1.31.1";

/// A target for which PyPI has a wheel of ONNX Runtime.
struct Wheel {
    /// The value of pip's `--platform`.
    platform: &'static str,
    sha256: &'static str,
    /// The library inside the wheel's folder `onnxruntime/capi`.
    member: &'static str,
    /// Its name beside what cargo builds.
    file: &'static str,
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    link_flags();
    build_facts();
    println!("cargo::rerun-if-env-changed=NCG_FETCH_ONNXRUNTIME");
    let wanted = env::var("NCG_FETCH_ONNXRUNTIME").map_or(true, |value| value != "0");
    if wanted
        && env::var_os("CARGO_FEATURE_FETCH_ONNXRUNTIME").is_some()
        && env::var_os("DOCS_RS").is_none()
    {
        match place_onnxruntime() {
            // Only a file that exists may be named here: a missing one would run this script at each build.
            Ok(library) => println!("cargo::rerun-if-changed={}", library.display()),
            Err(reason) => println!(
                "cargo::warning=no ONNX Runtime was fetched ({reason}), so the native engine is used; to supply one, set \
                 NCG_ONNXRUNTIME to its library file or folder when running (NCG_FETCH_ONNXRUNTIME=0 silences this)"
            ),
        }
    }
}

/// The soname carries the major version; a library that has started ONNX Runtime must never be unloaded.
fn link_flags() {
    if variable("CARGO_CFG_TARGET_OS") == "linux" {
        let major = variable("CARGO_PKG_VERSION_MAJOR");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libncg.so.{major}");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
        // Programs look for the soname: with this link they find the library where cargo puts it.
        #[cfg(unix)]
        if let Ok((profile, _)) = directories(&variable("TARGET")) {
            let link = profile.join(format!("libncg.so.{major}"));
            let _ = std::os::unix::fs::symlink("libncg.so", link);
        }
    }
}

/// `NCG_BUILD_TARGET`, `NCG_BUILD_RUSTC` and, in a git checkout, `NCG_BUILD_COMMIT`, for `option_env!`.
fn build_facts() {
    println!("cargo::rustc-env=NCG_BUILD_TARGET={}", variable("TARGET"));
    let rustc = run(Command::new(variable("RUSTC")).arg("--version"));
    println!(
        "cargo::rustc-env=NCG_BUILD_RUSTC={}",
        rustc.unwrap_or_default()
    );

    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let git =
        |arguments: &[&str]| run(Command::new("git").arg("-C").arg(&root).args(arguments)).ok();
    // A copy of the sources inside another project's checkout must not report that project's commit.
    let top = git(&["rev-parse", "--show-toplevel"]).and_then(|path| fs::canonicalize(path).ok());
    if top.is_none() || top != fs::canonicalize(&root).ok() {
        return;
    }
    if let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) {
        println!("cargo::rustc-env=NCG_BUILD_COMMIT={commit}");
    }
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]).unwrap_or_default();
    for name in ["HEAD", branch.as_str(), "packed-refs"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).map(|path| root.join(path))
            && path.is_file()
        {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
}

/// The library beside what cargo builds, fetched if it is not in the cache of this target directory.
fn place_onnxruntime() -> Result<PathBuf, String> {
    let target = variable("TARGET");
    let wheel = wheel_of(&target).ok_or_else(|| format!("no wheel for {target}"))?;
    let (profile, cache) = directories(&target)?;
    let placed = profile.join(wheel.file);
    let cached = cache.join(wheel.member);
    if !cached.is_file() {
        fetch(&wheel, &cache)?;
    }
    let length = |path: &Path| fs::metadata(path).map(|data| data.len()).ok();
    if length(&placed) != length(&cached) {
        // A running program may have the old file open: put the new one beside it, then rename.
        let temporary = profile.join(format!(".{}.{}", wheel.file, std::process::id()));
        let _ = fs::remove_file(&temporary);
        fs::hard_link(&cached, &temporary)
            .or_else(|_| fs::copy(&cached, &temporary).map(drop))
            .and_then(|()| date_back(&temporary))
            .and_then(|()| fs::rename(&temporary, &placed))
            .map_err(|error| format!("cannot write {}: {error}", placed.display()))?;
    }
    Ok(placed)
}

/// Cargo runs this script again when a file that it names is newer than the start of its last run.
fn date_back(file: &Path) -> std::io::Result<()> {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_800);
    fs::File::options()
        .write(true)
        .open(file)?
        .set_modified(long_ago)
}

fn wheel_of(target: &str) -> Option<Wheel> {
    let wheel = |platform, sha256, member, file| {
        Some(Wheel {
            platform,
            sha256,
            member,
            file,
        })
    };
    let linux = ("libonnxruntime.so.1.31.1", "libonnxruntime.so.1");
    match target {
        "x86_64-unknown-linux-gnu" => wheel(
            "manylinux_2_28_x86_64",
            "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
            linux.0,
            linux.1,
        ),
        "aarch64-unknown-linux-gnu" => wheel(
            "manylinux_2_28_aarch64",
            "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
            linux.0,
            linux.1,
        ),
        "aarch64-apple-darwin" => wheel(
            "macosx_14_0_arm64",
            "60b6b69bfe580eab576cacc5d132a0e9cf2a37fcfd18d46dd191042b1d1ed0d7",
            "libonnxruntime.1.31.1.dylib",
            "libonnxruntime.dylib",
        ),
        "x86_64-pc-windows-msvc" | "x86_64-pc-windows-gnu" => wheel(
            "win_amd64",
            "c3d91b5de31e2fc82d71bd65b2b22bddee8b49057a3a36338e9a868e0ea90c05",
            "onnxruntime.dll",
            "onnxruntime.dll",
        ),
        _ => None,
    }
}

/// The directory of the finished artifacts, and the cache, which all profiles of one target directory share.
///
/// `OUT_DIR` is `<target dir>[/<triple>]/<profile>/build/…/out`.
fn directories(target: &str) -> Result<(PathBuf, PathBuf), String> {
    let out = PathBuf::from(variable("OUT_DIR"));
    let profile = out
        .ancestors()
        .find(|path| path.ends_with("build"))
        .and_then(Path::parent)
        .ok_or_else(|| {
            format!(
                "cannot tell the target directory from OUT_DIR={}",
                out.display()
            )
        })?;
    let root = match profile.parent() {
        Some(parent) if parent.ends_with(target) => parent.parent().unwrap_or(parent),
        Some(parent) => parent,
        None => profile,
    };
    Ok((
        profile.to_path_buf(),
        root.join(format!("onnxruntime-{VERSION}-{target}")),
    ))
}

/// Downloads the wheel and unpacks the library and its licences into `cache`, which appears complete or not at all.
fn fetch(wheel: &Wheel, cache: &Path) -> Result<(), String> {
    let mut work = cache.as_os_str().to_owned();
    work.push(format!(".part-{}", std::process::id()));
    let work = PathBuf::from(work);
    let fetched = fetch_into(wheel, &work, cache);
    let _ = fs::remove_dir_all(&work);
    fetched
}

fn fetch_into(wheel: &Wheel, work: &Path, cache: &Path) -> Result<(), String> {
    let io = |error: std::io::Error| format!("{}: {error}", work.display());
    let unpacked = work.join("unpacked");
    fs::create_dir_all(&unpacked).map_err(io)?;
    let requirements = work.join("requirements.txt");
    let requirement = format!("onnxruntime=={VERSION} --hash=sha256:{}\n", wheel.sha256);
    fs::write(&requirements, requirement).map_err(io)?;

    let python = ["python3", "python"]
        .into_iter()
        .find(|python| run(Command::new(python).args(["-m", "pip", "--version"])).is_ok())
        .ok_or("no python3 with pip")?;
    // Explicit tags, so that any Python on this machine can fetch for any target.
    run(Command::new(python)
        .args([
            "-m",
            "pip",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            "download",
        ])
        .args([
            "--retries",
            "1",
            "--timeout",
            "15",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
        ])
        .args([
            "--implementation",
            "cp",
            "--python-version",
            "3.11",
            "--abi",
            "cp311",
        ])
        .args(["--platform", wheel.platform, "--dest"])
        .arg(work)
        .arg("--requirement")
        .arg(&requirements))?;
    let archive = fs::read_dir(work)
        .map_err(io)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or("pip left no wheel")?;
    run(Command::new(python)
        .args(["-c", UNPACK])
        .arg(&archive)
        .arg(&unpacked)
        .arg(wheel.member))?;

    // Another build may have been quicker; its cache is as good as ours.
    fs::rename(&unpacked, cache).or_else(|error| {
        if cache.join(wheel.member).is_file() {
            Ok(())
        } else {
            let _ = fs::remove_dir_all(cache);
            fs::rename(&unpacked, cache).map_err(|_| io(error))
        }
    })
}

/// Unpacks one library and the licence texts: archive, folder, name of the library.
const UNPACK: &str = r#"
import os, shutil, sys, zipfile
archive, folder, member = sys.argv[1:]
wanted = {"onnxruntime/capi/" + member, "onnxruntime/LICENSE", "onnxruntime/ThirdPartyNotices.txt"}
with zipfile.ZipFile(archive) as wheel:
    for name in wanted & set(wheel.namelist()):
        with wheel.open(name) as source, open(os.path.join(folder, os.path.basename(name)), "wb") as target:
            shutil.copyfileobj(source, target)
if not os.path.exists(os.path.join(folder, member)):
    sys.exit(member + " is not in the wheel")
"#;

/// Runs a command silently; its output without the last newline, or the last line of what it complained about.
fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).trim_end().to_owned());
    }
    let complaint = String::from_utf8_lossy(&stderr);
    let last = complaint.lines().rev().find(|line| !line.trim().is_empty());
    Err(last.map_or(format!("{program}: {status}"), |line| {
        line.trim().to_owned()
    }))
}

/// A variable that cargo always sets for build scripts.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
