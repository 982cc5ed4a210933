//! Version and engines

use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;

use super::argument::{bad, text};
use super::error::{CODES, NCG_OK, c_text, ncg_error};
use super::guard;
use crate::engine::ort;

/// The major version: functions are only added within one, and the shared library's name carries it.
pub const NCG_VERSION_MAJOR: i32 = 0;
/// The minor version.
pub const NCG_VERSION_MINOR: i32 = 1;
/// The patch version.
pub const NCG_VERSION_PATCH: i32 = 0;
/// The version of this header; compare with ncg_version().
pub const NCG_VERSION: i32 =
    NCG_VERSION_MAJOR * 1000000 + NCG_VERSION_MINOR * 1000 + NCG_VERSION_PATCH;

const fn number(text: &str) -> i32 {
    let mut value = 0;
    let mut i = 0;
    while i < text.len() {
        value = value * 10 + (text.as_bytes()[i] - b'0') as i32;
        i += 1;
    }
    value
}

const _: () = assert!(
    NCG_VERSION_MAJOR == number(env!("CARGO_PKG_VERSION_MAJOR"))
        && NCG_VERSION_MINOR == number(env!("CARGO_PKG_VERSION_MINOR"))
        && NCG_VERSION_PATCH == number(env!("CARGO_PKG_VERSION_PATCH")),
    "the version constants above are those of Cargo.toml"
);

/// The version of the loaded library: major*1000000 + minor*1000 + patch.
#[unsafe(no_mangle)]
pub extern "C" fn ncg_version() -> i32 {
    NCG_VERSION
}

/// Version, commit, compiler, target and engines of this build, as text. Static.
#[unsafe(no_mangle)]
pub extern "C" fn ncg_build_info() -> *const c_char {
    static TEXT: OnceLock<CString> = OnceLock::new();
    guard::value(c"".as_ptr(), || {
        let text = TEXT.get_or_init(|| {
            c_text(&format!(
                "ncg {} (commit {}, {}, {}), engines: native, onnxruntime, tagged",
                env!("CARGO_PKG_VERSION"),
                option_env!("NCG_BUILD_COMMIT").unwrap_or("unknown"),
                option_env!("NCG_BUILD_RUSTC").unwrap_or("rustc"),
                option_env!("NCG_BUILD_TARGET").unwrap_or("unknown target"),
            ))
        });
        text.as_ptr()
    })
}

/// The name of a status code, e.g. "NCG_ERR_PARSE"; "unknown status" for other numbers. Static, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ncg_status_name(status: i32) -> *const c_char {
    let name: &'static CStr = match CODES.iter().find(|(_, code, _)| *code == status) {
        Some((_, _, name)) => name,
        None if status == NCG_OK => c"NCG_OK",
        None => c"unknown status",
    };
    name.as_ptr()
}

/// NCG_OK when the engine ("native", "onnxruntime", "tagged") can run here; the error says where it was looked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncg_engine_probe(engine: *const c_char, err: *mut *mut ncg_error) -> i32 {
    let body = || {
        // SAFETY: passed on.
        match unsafe { text(engine, "engine") }? {
            "native" | "tagged" => Ok(()),
            "onnxruntime" => ort::probe(None).map(drop),
            other => Err(bad(format!(
                "unknown engine \"{other}\": it is one of native, onnxruntime, tagged"
            ))),
        }
    };
    // SAFETY: passed on.
    unsafe { guard::status(err, |_| body()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_of_their_kinds() {
        for (kind, code, name) in CODES {
            // SAFETY: static strings.
            let named = unsafe { CStr::from_ptr(ncg_status_name(code)) };
            assert_eq!((kind.code_name(), named), (name.to_str().unwrap(), name));
        }
    }
}
