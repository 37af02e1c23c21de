//! version.rs: the version of this header, and of the library that was loaded.
//! The contract of every function is in `arenakv/version.h`; here are its types and nothing else.

use core::ffi::c_char;

bindings! {
    constants {
        AKV_VERSION_MAJOR: u32 = 0;
        AKV_VERSION_MINOR: u32 = 1;
        AKV_VERSION_PATCH: u32 = 0;
        AKV_VERSION: u32 = 256;
    }
    functions {
        /// META. The version of the loaded library, as AKV_VERSION; compare it with the header's after a dlopen().
        fn akv_version() -> u32;
        /// META. The same as text, "0.1.0".
        fn akv_version_string() -> *const c_char;
    }
}
