//! Files and symbols of shared libraries, through the operating system's loader.

use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};

/// An opened shared library; closed when dropped unless [`Library::keep`] is called.
pub struct Library(*mut c_void);

impl Library {
    /// Opens a file, or a bare name that the system's loader looks up.
    pub fn open(path: &Path) -> Result<Library, String> {
        os::open(path).map(Library)
    }

    /// The address of a symbol.
    pub fn symbol(&self, name: &CStr) -> Option<*mut c_void> {
        let address = os::symbol(self.0, name);
        (!address.is_null()).then_some(address)
    }

    /// Leaves the library loaded for the rest of the process.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        os::close(self.0);
    }
}

/// The file of the loaded module, program or library, that contains an address.
pub fn module_of(address: *const c_void) -> Option<PathBuf> {
    os::module_of(address)
}

/// The directories to look in for a library that lies beside this one: that of the module which contains this code, under
/// the name it was loaded by and under its real one, and the parent where cargo keeps programs in a folder below.
pub fn directories_beside_this_module() -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = Vec::new();
    let Some(module) = module_of(directories_beside_this_module as *const c_void) else {
        return directories;
    };
    for file in [std::fs::canonicalize(&module).ok(), Some(module)]
        .into_iter()
        .flatten()
        .rev()
    {
        let Some(directory) = file.parent() else {
            continue;
        };
        let mut found = vec![directory];
        if directory.ends_with("deps") || directory.ends_with("examples") {
            found.extend(directory.parent());
        }
        for directory in found {
            if directory.is_absolute() && !directories.iter().any(|known| known == directory) {
                directories.push(directory.to_path_buf());
            }
        }
    }
    directories
}

/// Whether two paths name one file.
pub fn same_file(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    if let (Ok(a), Ok(b)) = (std::fs::metadata(a), std::fs::metadata(b)) {
        use std::os::unix::fs::MetadataExt;
        return (a.dev(), a.ino()) == (b.dev(), b.ino());
    }
    match (std::fs::canonicalize(a), std::fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(unix)]
mod os {
    use super::*;
    use std::ffi::{CString, OsStr, c_int};
    use std::os::unix::ffi::OsStrExt;

    #[repr(C)]
    struct DlInfo {
        file: *const c_char,
        base: *mut c_void,
        symbol: *const c_char,
        address: *mut c_void,
    }

    unsafe extern "C" {
        fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
        fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
        fn dlclose(library: *mut c_void) -> c_int;
        fn dlerror() -> *const c_char;
        fn dladdr(address: *const c_void, info: *mut DlInfo) -> c_int;
    }

    /// All symbols are bound at once: one that is missing is an error here and not the end of the process later.
    const RTLD_NOW: c_int = 2;
    const RTLD_LOCAL: c_int = if cfg!(target_vendor = "apple") { 4 } else { 0 };

    pub fn open(path: &Path) -> Result<*mut c_void, String> {
        let name = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| "the path holds a NUL byte".to_owned())?;
        // SAFETY: `name` is a C string. The library's initialisers run, which is what opening it means.
        let library = unsafe { dlopen(name.as_ptr(), RTLD_NOW | RTLD_LOCAL) };
        if !library.is_null() {
            return Ok(library);
        }
        // SAFETY: takes no argument; the text is this thread's until its next call of the loader.
        let text = unsafe { dlerror() };
        if text.is_null() {
            return Err("cannot be loaded".to_owned());
        }
        // SAFETY: not NULL, so a C string, and copied before another call of the loader.
        let text = unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned();
        let prefix = format!("{}: ", path.display());
        Err(text
            .strip_prefix(&prefix)
            .map(str::to_owned)
            .unwrap_or(text))
    }

    pub fn symbol(library: *mut c_void, name: &CStr) -> *mut c_void {
        // SAFETY: `library` is open and `name` a C string.
        unsafe { dlsym(library, name.as_ptr()) }
    }

    pub fn close(library: *mut c_void) {
        // SAFETY: `library` is open and nothing of it is in use: only a library that was refused is closed.
        unsafe { dlclose(library) };
    }

    pub fn module_of(address: *const c_void) -> Option<PathBuf> {
        let mut info = DlInfo {
            file: std::ptr::null(),
            base: std::ptr::null_mut(),
            symbol: std::ptr::null(),
            address: std::ptr::null_mut(),
        };
        // SAFETY: `info` is a live local of the type that the function fills; any address may be asked about.
        if unsafe { dladdr(address, &mut info) } == 0 || info.file.is_null() {
            return None;
        }
        // SAFETY: the loader keeps the name as long as the module is loaded, and it holds the code that asks.
        let name = unsafe { CStr::from_ptr(info.file) }.to_bytes();
        let file = Path::new(OsStr::from_bytes(name));
        // For the program itself the loader may know only how it was called, which says nothing about where it lies.
        if file.is_absolute() {
            Some(file.to_path_buf())
        } else if name.contains(&b'/') && file.is_file() {
            std::path::absolute(file).ok()
        } else {
            std::env::current_exe().ok()
        }
    }
}

#[cfg(windows)]
mod os {
    use super::*;
    use std::ffi::OsString;
    use std::os::windows::ffi::{OsStrExt, OsStringExt};

    unsafe extern "system" {
        fn LoadLibraryExW(path: *const u16, file: *mut c_void, flags: u32) -> *mut c_void;
        fn GetProcAddress(library: *mut c_void, name: *const c_char) -> *mut c_void;
        fn FreeLibrary(library: *mut c_void) -> i32;
        fn GetModuleHandleExW(flags: u32, address: *const c_void, module: *mut *mut c_void) -> i32;
        fn GetModuleFileNameW(module: *mut c_void, name: *mut u16, size: u32) -> u32;
    }

    const LOAD_WITH_ALTERED_SEARCH_PATH: u32 = 8;
    const FROM_ADDRESS_WITHOUT_COUNTING: u32 = 4 | 2;

    pub fn open(path: &Path) -> Result<*mut c_void, String> {
        let name: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
        // The libraries that the library needs are then looked for beside it.
        let flags = if path.is_absolute() {
            LOAD_WITH_ALTERED_SEARCH_PATH
        } else {
            0
        };
        // SAFETY: `name` ends in a zero. The library's initialisers run, which is what opening it means.
        let library = unsafe { LoadLibraryExW(name.as_ptr(), std::ptr::null_mut(), flags) };
        if library.is_null() {
            return Err(std::io::Error::last_os_error().to_string());
        }
        Ok(library)
    }

    pub fn symbol(library: *mut c_void, name: &CStr) -> *mut c_void {
        // SAFETY: `library` is open and `name` a C string.
        unsafe { GetProcAddress(library, name.as_ptr()) }
    }

    pub fn close(library: *mut c_void) {
        // SAFETY: `library` is open and nothing of it is in use: only a library that was refused is closed.
        unsafe { FreeLibrary(library) };
    }

    pub fn module_of(address: *const c_void) -> Option<PathBuf> {
        let mut module = std::ptr::null_mut();
        // SAFETY: `module` is a live local; any address may be asked about.
        if unsafe { GetModuleHandleExW(FROM_ADDRESS_WITHOUT_COUNTING, address, &mut module) } == 0 {
            return None;
        }
        let mut name = vec![0u16; 32768];
        // SAFETY: `name` has room for as many units as the call is told.
        let length =
            unsafe { GetModuleFileNameW(module, name.as_mut_ptr(), name.len() as u32) } as usize;
        let file = PathBuf::from(OsString::from_wide(name.get(..length)?));
        (length > 0).then_some(file)
    }
}
