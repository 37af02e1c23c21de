//! report.rs: the state as text, for people: a dump with a line per sequence, and a map with a character per block.
//! The contract of every function is in `arenakv/report.h`; here are its types and nothing else.

use core::ffi::c_char;

use crate::*;

bindings! {
    functions {
        /// SETUP. Write configuration, state and one line per sequence as text.
        fn akv_report_dump(
            cache: *mut akv_cache,
            buffer: *mut c_char,
            capacity: u64,
            out_length: *mut u64,
        ) -> akv_status;
        /// SETUP. Write a map of all blocks, `columns` characters a line (0.
        fn akv_report_block_map(
            cache: *mut akv_cache,
            columns: u32,
            buffer: *mut c_char,
            capacity: u64,
            out_length: *mut u64,
        ) -> akv_status;
    }
}
