//! host.rs: what was built into the library, its version, its kernels and its log.
use std::ffi::{c_char, c_void, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Mutex;

use arenakv_sys as sys;

use crate::error::{check, Result, Status};
use crate::model::static_text;
use crate::{Feature, Isa, LogLevel};

/// The version of the library that is linked: (major, minor, patch).
pub fn version() -> (u32, u32, u32) {
    let version = unsafe { sys::akv_version() };
    (version >> 16, version >> 8 & 0xff, version & 0xff)
}

/// The same as text: "0.1.0".
pub fn version_string() -> &'static str {
    static_text(unsafe { sys::akv_version_string() }).unwrap_or("")
}

/// Does this build have the feature?
pub fn has(feature: Feature) -> bool {
    unsafe { sys::akv_has(feature.as_raw()) != 0 }
}

/// Take the kernels of this instruction set; `None`: the quickest that the processor runs.
pub fn isa_choose(isa: Option<Isa>) -> Result<()> {
    check(unsafe { sys::akv_isa_choose(isa.map_or(0, Isa::as_raw)) })
}

/// The instruction set in use.
pub fn isa_in_use() -> Option<Isa> {
    Isa::from_raw(unsafe { sys::akv_isa_in_use() })
}

/// "AVX2".
pub fn isa_name(isa: Isa) -> &'static str {
    static_text(unsafe { sys::akv_isa_name(isa.as_raw()) }).unwrap_or("")
}

/// The library's name of a status of the C API, "AKV_ERROR_NO_BLOCKS".
pub fn status_name(status: Status) -> &'static str {
    static_text(unsafe { sys::akv_status_name(status.as_raw().unwrap_or(i32::MIN)) }).unwrap_or("")
}

type Log = dyn Fn(LogLevel, &str) + Send + Sync;

// What the C library calls; kept until another one has taken its place.
static LOG: Mutex<Option<Box<Box<Log>>>> = Mutex::new(None);

/// Send log lines of this level and below to a function; `None` sends them nowhere, which is the default. Not from inside
/// such a function.
pub fn set_log(log: Option<(LogLevel, Box<Log>)>) -> Result<()> {
    unsafe extern "C" fn tell(context: *mut c_void, level: u32, message: *const c_char) {
        let (log, message) = unsafe { (&*context.cast::<Box<Log>>(), CStr::from_ptr(message)) };
        let level = LogLevel::from_raw(level).unwrap_or(LogLevel::Info);
        // A panic must not cross C.
        let _ = catch_unwind(AssertUnwindSafe(|| log(level, &message.to_string_lossy())));
    }
    let mut current = LOG.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let level = log.as_ref().map_or(LogLevel::Warning, |(level, _)| *level).as_raw();
    let new = log.map(|(_, log)| Box::new(log));
    let context = new.as_deref().map_or(std::ptr::null_mut(), |log| std::ptr::from_ref(log) as *mut c_void);
    let function: sys::akv_log_function = if new.is_some() { Some(tell) } else { None };
    let old = std::mem::replace(&mut *current, new);
    let told = check(unsafe { sys::akv_set_log(function, context, level) });
    if told.is_err() {
        // Somebody is still inside the old one: it must live on.
        std::mem::forget(old);
    }
    told
}
