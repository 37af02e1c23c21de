//! copy_tensor.rs: the functions that move bytes of an arena's tensors (arena.h), on a stream, all of them counted.
//! The contract of every function is in `arenakv/copy_tensor.h`; here are its types and nothing else.

use core::ffi::c_void;

use crate::*;

bindings! {
    functions {
        /// COPY. Copy your bytes into a tensor, from byte `offset` on.
        fn akv_copy_to_tensor(
            pool: *mut akv_page_pool,
            tensor: akv_tensor,
            offset: u64,
            source: *const c_void,
            bytes: u64,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// COPY. Copy bytes of a tensor to yours.
        fn akv_copy_from_tensor(
            pool: *mut akv_page_pool,
            tensor: akv_tensor,
            offset: u64,
            target: *mut c_void,
            bytes: u64,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// COPY. Copy bytes of one tensor to another, or inside one.
        fn akv_copy_tensor(
            pool: *mut akv_page_pool,
            from: akv_tensor,
            from_offset: u64,
            to: akv_tensor,
            to_offset: u64,
            bytes: u64,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// COPY. Zero a tensor, all of its capacity.
        fn akv_copy_zero_tensor(
            pool: *mut akv_page_pool,
            tensor: akv_tensor,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// COPY. The same for a page that was acquired as such.
        fn akv_copy_zero_page(
            pool: *mut akv_page_pool,
            page: akv_page,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// META. What was moved in a pool.
        fn akv_page_pool_read_stats(
            pool: *mut akv_page_pool,
            out_lines: *mut akv_copy_stats,
            line_size: u32,
            capacity: u32,
            out_count: *mut u32,
        ) -> akv_status;
    }
}
