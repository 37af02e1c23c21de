//! copy_two_tier.rs: K/V moved between the two tiers of precision (two_tier.h), and read back from both.
//! The contract of every function is in `arenakv/copy_two_tier.h`; here are its types and nothing else.

use core::ffi::c_void;

use crate::*;

bindings! {
    structs {
        /// One row.
        akv_overflow {
            row: akv_tail_row,
            blocks: *const i32,
            num_blocks: u32,
            length: u32,
            keep_tokens: u32,
            unused: u32,
        }
    }
    functions {
        /// COPY. Move whole blocks out of the rings of rows into the quantized store.
        fn akv_copy_overflow(
            tail: *mut akv_tail,
            rows: *const akv_overflow,
            num_rows: u32,
            row_size: u32,
            out_stored: *mut u32,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// COPY. Read all K/V of a sequence back, from both tiers, as numbers.
        fn akv_copy_read_tiers(
            tail: *mut akv_tail,
            row: *const akv_overflow,
            row_size: u32,
            dtype: u32,
            data: *mut c_void,
            bytes: u64,
            stream: *mut akv_stream,
        ) -> akv_status;
    }
}
