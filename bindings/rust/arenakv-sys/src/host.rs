//! host.rs: what the host lends to the library (memory, a log), and what was built into it.
//! The contract of every function is in `arenakv/host.h`; here are its types and nothing else.

use core::ffi::{c_char, c_void};

use crate::*;

bindings! {
    constants {
        AKV_LOG_WARNING: u32 = 1;
        AKV_LOG_INFO: u32 = 2;
        AKV_FEATURE_PREFIX_INDEX: u32 = 1;
        AKV_FEATURE_PARTIAL_HITS: u32 = 2;
        AKV_FEATURE_BUDDY: u32 = 3;
        AKV_FEATURE_STORES: u32 = 4;
        AKV_FEATURE_CUDA: u32 = 5;
        AKV_ISA_PLAIN: u32 = 1;
        AKV_ISA_AVX2: u32 = 2;
        AKV_ISA_AVX512: u32 = 3;
        AKV_ISA_NEON: u32 = 4;
    }
    structs {
        /// Where the metadata of a cache lives.
        akv_allocator {
            struct_size: u32,
            flags: u32,
            context: *mut c_void,
            allocate: Option<unsafe extern "C" fn(*mut c_void, u64, u64) -> *mut c_void>,
            release: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, u64)>,
        }
    }
    functions {
        /// SETUP. Send log lines of level `max_level` and below to `function`; NULL sends them nowhere, which is
        /// the default.
        fn akv_set_log(function: akv_log_function, context: *mut c_void, max_level: u32) -> akv_status;
        /// META. 1 if this build has the feature, else 0; 0 for numbers it does not know.
        fn akv_has(feature: u32) -> i32;
        /// SETUP. Take the kernels (copies, formats, attention) of this instruction set, in all stores and streams
        /// of this copy of the library; 0 takes the quickest.
        fn akv_isa_choose(isa: u32) -> akv_status;
        /// META. The instruction set in use.
        fn akv_isa_in_use() -> u32;
        /// META. The name of an instruction set: static memory, never NULL.
        fn akv_isa_name(isa: u32) -> *const c_char;
    }
}

/// Receives one line of text.
pub type akv_log_function = Option<unsafe extern "C" fn(context: *mut c_void, level: u32, message: *const c_char)>;
