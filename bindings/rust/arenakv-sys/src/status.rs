//! status.rs: what a call answers, and the text behind it.
//! The contract of every function is in `arenakv/status.h`; here are its types and nothing else.

use core::ffi::c_char;

use crate::*;

bindings! {
    constants {
        AKV_OK: i32 = 0;
        AKV_ERROR_INVALID_ARGUMENT: i32 = -10;
        AKV_ERROR_OUT_OF_RANGE: i32 = -11;
        AKV_ERROR_BUFFER_TOO_SMALL: i32 = -12;
        AKV_ERROR_UNSUPPORTED: i32 = -13;
        AKV_ERROR_BAD_HANDLE: i32 = -20;
        AKV_ERROR_WRONG_TYPE: i32 = -21;
        AKV_ERROR_BUSY: i32 = -30;
        AKV_ERROR_PLAN_OPEN: i32 = -31;
        AKV_ERROR_PLAN_NEEDED: i32 = -32;
        AKV_ERROR_NOT_COMMITTED: i32 = -33;
        AKV_ERROR_CONTENT_LOST: i32 = -34;
        AKV_ERROR_ALREADY_EXISTS: i32 = -35;
        AKV_ERROR_NOT_FOUND: i32 = -36;
        AKV_ERROR_SWAPPED: i32 = -37;
        AKV_ERROR_NOT_READY: i32 = -38;
        AKV_ERROR_NOT_CONTIGUOUS: i32 = -39;
        AKV_ERROR_NO_BLOCKS: i32 = -40;
        AKV_ERROR_NO_SEQUENCES: i32 = -41;
        AKV_ERROR_NO_CAPACITY: i32 = -42;
        AKV_ERROR_NO_TICKETS: i32 = -43;
        AKV_ERROR_NO_HOLDS: i32 = -44;
        AKV_ERROR_NO_PLANS: i32 = -45;
        AKV_ERROR_PIN_BUDGET: i32 = -46;
        AKV_ERROR_NO_CACHES: i32 = -47;
        AKV_ERROR_NO_SWAP_BLOCKS: i32 = -48;
        AKV_ERROR_OUT_OF_MEMORY: i32 = -50;
        AKV_ERROR_CALLBACK: i32 = -51;
        AKV_ERROR_FORKED: i32 = -52;
        AKV_ERROR_TIMEOUT: i32 = -53;
        AKV_ERROR_IO: i32 = -54;
        AKV_ERROR_DAMAGED: i32 = -60;
        AKV_ERROR_BAD_IMAGE: i32 = -70;
        AKV_ERROR_OTHER_GEOMETRY: i32 = -71;
        AKV_ERROR_VERIFY_FAILED: i32 = -72;
        AKV_ERROR_NO_PAGES: i32 = -80;
        AKV_ERROR_NO_ARENAS: i32 = -81;
        AKV_ERROR_NO_TENSORS: i32 = -82;
        AKV_ERROR_QUEUE_FULL: i32 = -83;
        AKV_ERROR_NO_OBJECTS: i32 = -84;
    }
    structs {
        /// The same for programs.
        akv_error_detail {
            struct_size: u32,
            status: akv_status,
            row: u32,
            unused: u32,
            needed: u64,
            available: u64,
        }
    }
    functions {
        /// META. The name of a status, "AKV_ERROR_NO_BLOCKS".
        fn akv_status_name(status: akv_status) -> *const c_char;
        /// META. The message of the last call on this thread that failed.
        fn akv_last_error(buffer: *mut c_char, capacity: usize) -> usize;
        /// META. Read the numbers of this thread's last failure.
        fn akv_last_error_detail(out_detail: *mut akv_error_detail) -> akv_status;
    }
}
