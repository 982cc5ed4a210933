//! Finding and loading the library, once in a process.

use std::cell::RefCell;
use std::env;
use std::ffi::{CStr, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::sys;

use super::engine_error;
use super::place::{Library, directories_beside_this_module, module_of, same_file};
use crate::engine::fpenv::ForeignGuard;
use crate::error::{Error, ErrorKind, Result};

/// The oldest minor version of ONNX Runtime 1 that works here.
const OLDEST: u32 = sys::ORT_API_VERSION;

/// The names of the library, the preferred one first.
const NAMES: &[&str] = if cfg!(windows) {
    &["onnxruntime.dll"]
} else if cfg!(target_vendor = "apple") {
    &["libonnxruntime.dylib"]
} else {
    &["libonnxruntime.so.1", "libonnxruntime.so"]
};

/// What surrounds the version in the name of a library that is installed under its full version only.
const VERSIONED: (&str, &str) = if cfg!(windows) {
    ("onnxruntime.", ".dll")
} else if cfg!(target_vendor = "apple") {
    ("libonnxruntime.", ".dylib")
} else {
    ("libonnxruntime.so.", "")
};

/// The ONNX Runtime that this process uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The file of the library.
    pub path: PathBuf,
    /// Its version, e.g. `"1.31.1"`.
    pub version: String,
}

/// The loaded library and its environment. Neither is ever given up: a dropped environment cannot be made again.
pub(super) struct Runtime {
    pub loaded: Loaded,
    pub environment: Environment,
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// Loads ONNX Runtime unless that has happened, and says which one it is.
///
/// `library` is a file, or a folder that holds it; without it the environment variables `NCG_ONNXRUNTIME` and
/// `ORT_DYLIB_PATH`, the place of this library and the system's loader are asked in this order. A place that was named by
/// `library` or `NCG_ONNXRUNTIME` is the only one tried. A process has one ONNX Runtime: naming another than the loaded
/// one is an error.
pub fn probe(library: Option<&Path>) -> Result<Loaded> {
    Ok(runtime(library)?.loaded.clone())
}

pub(super) fn runtime(library: Option<&Path>) -> Result<&'static Runtime> {
    if RUNTIME.get().is_none() {
        let _loading = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        if RUNTIME.get().is_none() {
            let _guard = ForeignGuard::new();
            let runtime = start(library)?;
            let _ = RUNTIME.set(runtime);
        }
    }
    let Some(runtime) = RUNTIME.get() else {
        return Err(Error::new(
            ErrorKind::Panic,
            "ONNX Runtime was started and is not there",
        ));
    };
    match library {
        Some(library) if !holds(library, &runtime.loaded.path) => {
            let message = format!(
                "cannot use the ONNX Runtime at {}: this process has already loaded {}, and can load only one",
                library.display(),
                runtime.loaded.path.display()
            );
            Err(Error::new(ErrorKind::EngineUnavailable, message))
        }
        _ => Ok(runtime),
    }
}

/// Whether a file or folder named by the user is, or holds, the loaded library.
fn holds(named: &Path, loaded: &Path) -> bool {
    let (files, _) = files_at(named);
    files.iter().any(|file| same_file(file, loaded))
}

fn start(library: Option<&Path>) -> Result<Runtime> {
    // A library stays chosen even where its environment cannot be made: `ort` does not give it back.
    static CHOSEN: OnceLock<Loaded> = OnceLock::new();
    let loaded = match CHOSEN.get() {
        Some(loaded) => loaded.clone(),
        None => {
            let found = find(library)?;
            // False where the program itself uses the crate `ort` and has loaded a library: then that one is shared.
            let _ = ort::set_api(found.api);
            let path = module_of(ort::api().Run as *const c_void).unwrap_or(found.path);
            let loaded = Loaded {
                path,
                version: found.version,
            };
            CHOSEN.get_or_init(|| loaded).clone()
        }
    };
    let environment = ort::init()
        .with_name("ncg")
        .with_telemetry(false)
        .with_logger(Arc::new(keep_last_complaint))
        .build()
        .map_err(|error| engine_error("ONNX Runtime cannot start", error))?;
    environment.set_log_level(LogLevel::Error);
    Ok(Runtime {
        loaded,
        environment,
    })
}

thread_local! {
    static COMPLAINT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The logger: nothing is printed. Some errors say why only in the log, so the last one is kept for the thread.
fn keep_last_complaint(level: LogLevel, _category: &str, _id: &str, _place: &str, message: &str) {
    if level >= LogLevel::Error {
        let _ = COMPLAINT.try_with(|complaint| {
            if let Ok(mut complaint) = complaint.try_borrow_mut() {
                complaint.clear();
                complaint.push_str(message);
            }
        });
    }
}

/// What ONNX Runtime last complained about on this thread, once.
pub(super) fn take_complaint() -> String {
    COMPLAINT.with(|complaint| {
        complaint
            .try_borrow_mut()
            .map(|mut text| std::mem::take(&mut *text))
            .unwrap_or_default()
    })
}

struct Found {
    api: sys::OrtApi,
    path: PathBuf,
    version: String,
}

fn find(library: Option<&Path>) -> Result<Found> {
    let mut tried = Vec::new();
    if let Some(place) = library {
        return try_place("the path given", place, &mut tried).ok_or_else(|| unavailable(&tried));
    }
    for (variable, is_final) in [("NCG_ONNXRUNTIME", true), ("ORT_DYLIB_PATH", false)] {
        if let Some(place) = env::var_os(variable).filter(|value| !value.is_empty()) {
            match try_place(variable, Path::new(&place), &mut tried) {
                Some(found) => return Ok(found),
                None if is_final => return Err(unavailable(&tried)),
                None => {}
            }
        }
    }
    for directory in directories_beside_this_module() {
        if let Some(found) = try_place("beside this library", &directory, &mut tried) {
            return Ok(found);
        }
    }
    for name in NAMES {
        if let Some(found) = try_file("the system's loader", Path::new(name), &mut tried) {
            return Ok(found);
        }
    }
    Err(unavailable(&tried))
}

fn unavailable(tried: &[String]) -> Error {
    let message = format!(
        "ONNX Runtime cannot be loaded; tried\n  {}\nInstall ONNX Runtime 1.{OLDEST} or newer (the Python package \
         onnxruntime holds it in its folder capi) and set NCG_ONNXRUNTIME to its library file or folder",
        tried.join("\n  ")
    );
    Error::new(ErrorKind::EngineUnavailable, message)
}

/// The library files that a path means, best first, and what to say if there is none.
fn files_at(place: &Path) -> (Vec<PathBuf>, String) {
    if place.is_file() {
        return (vec![place.to_path_buf()], String::new());
    }
    let entries = match std::fs::read_dir(place) {
        Ok(entries) => entries,
        Err(error) => return (Vec::new(), error.to_string()),
    };
    let mut versioned: Vec<(Vec<u64>, PathBuf)> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|path| Some((version_in_name(path.file_name()?.to_str()?)?, path)))
        .collect();
    versioned.sort();
    let mut files: Vec<PathBuf> = NAMES
        .iter()
        .map(|name| place.join(name))
        .filter(|file| file.is_file())
        .collect();
    for (_, file) in versioned.into_iter().rev() {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    (files, format!("the folder holds no {}", NAMES[0]))
}

fn version_in_name(name: &str) -> Option<Vec<u64>> {
    let version = name.strip_prefix(VERSIONED.0)?.strip_suffix(VERSIONED.1)?;
    version
        .split('.')
        .map(|number| number.parse().ok())
        .collect()
}

fn try_place(source: &str, place: &Path, tried: &mut Vec<String>) -> Option<Found> {
    let (files, otherwise) = files_at(place);
    if files.is_empty() {
        tried.push(format!("{} ({source}): {otherwise}", place.display()));
    }
    files.iter().find_map(|file| {
        // A relative path is meant from the working directory; the loader would search its own path for a bare name.
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        try_file(source, &file, tried)
    })
}

fn try_file(source: &str, file: &Path, tried: &mut Vec<String>) -> Option<Found> {
    match open(file) {
        Ok(found) => Some(found),
        Err(why) => {
            tried.push(format!("{} ({source}): {why}", file.display()));
            None
        }
    }
}

fn open(file: &Path) -> std::result::Result<Found, String> {
    let library = Library::open(file)?;
    let get_base = library
        .symbol(c"OrtGetApiBase")
        .ok_or("it is not ONNX Runtime: it has no OrtGetApiBase")?;
    // SAFETY: this is the type that every version of ONNX Runtime gives the function of this name.
    let get_base: unsafe extern "C" fn() -> *const sys::OrtApiBase =
        unsafe { std::mem::transmute(get_base) };
    // SAFETY: takes no argument and gives NULL or a static struct.
    let base = unsafe { get_base().as_ref() }.ok_or("OrtGetApiBase gave nothing")?;
    // SAFETY: gives a static C string.
    let version = unsafe {
        (base.GetVersionString)()
            .as_ref()
            .map(|text| CStr::from_ptr(text))
    };
    let version = version
        .ok_or("it has no version")?
        .to_string_lossy()
        .into_owned();
    // Asked for more than it has, an old library prints; so its version is looked at first.
    if !is_new_enough(&version) {
        return Err(format!(
            "it has version {version}; 1.{OLDEST} or newer is needed"
        ));
    }
    // SAFETY: any number may be asked for; NULL is the answer to one that is not known.
    let api = unsafe { (base.GetApi)(OLDEST).as_ref() }
        .ok_or_else(|| format!("version {version} does not offer interface {OLDEST}"))?
        .clone();
    library.keep();
    Ok(Found {
        api,
        path: file.to_path_buf(),
        version,
    })
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (major, minor) >= (1, OLDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_versions_by_number() {
        for (version, enough) in [
            ("1.20.0", true),
            ("1.9.1", false),
            ("1.31.1", true),
            ("2.0", true),
            ("x", false),
        ] {
            assert_eq!(is_new_enough(version), enough, "{version}");
        }
    }

    #[test]
    fn knows_versioned_names() {
        let (before, after) = VERSIONED;
        assert_eq!(
            version_in_name(&format!("{before}1.31.1{after}")),
            Some(vec![1, 31, 1])
        );
        assert_eq!(version_in_name(&format!("{before}1.x{after}")), None);
        assert_eq!(version_in_name("libonnxruntime_providers_shared.so"), None);
    }

    #[test]
    fn looks_beside_the_module_and_above_deps() {
        let directories = directories_beside_this_module();
        let program = std::env::current_exe().unwrap();
        let above = program.parent().and_then(Path::parent).unwrap();
        assert!(
            directories.iter().any(|directory| directory == above),
            "{directories:?}"
        );
    }
}
