//! view.rs: bytes described as a strided tensor: where, of what type, with which shape and strides.
//! The contract of every function is in `arenakv/view.h`; here are its types and nothing else.

use core::ffi::c_void;

use crate::*;

bindings! {
    constants {
        AKV_MAX_DIMENSIONS: u32 = 6;
        AKV_VIEW_READ_ONLY: u32 = 1;
    }
    structs {
        /// A view is valid as long as the thing it was read from says the same epoch (akv_store_check_view()).
        akv_view {
            struct_size: u32,
            flags: u32,
            dtype: u32,
            device: u32,
            num_dimensions: u32,
            unused: u32,
            data: *mut c_void,
            epoch: u64,
            shape: [i64; AKV_MAX_DIMENSIONS as usize],
            strides: [i64; AKV_MAX_DIMENSIONS as usize],
        }
    }
    functions {
        /// META. The part [first, first + count) of one dimension.
        fn akv_view_slice(
            view: *const akv_view,
            dimension: u32,
            first: u64,
            count: u64,
            out_view: *mut akv_view,
        ) -> akv_status;
        /// META. The same elements in the same order under another shape of `num_dimensions` sizes; one of them may
        /// be -1.
        fn akv_view_reshape(
            view: *const akv_view,
            shape: *const i64,
            num_dimensions: u32,
            out_view: *mut akv_view,
        ) -> akv_status;
        /// META. The same elements with the dimensions in another order.
        fn akv_view_permute(view: *const akv_view, order: *const u32, out_view: *mut akv_view) -> akv_status;
        /// META. Are these elements one packed run of bytes, last dimension innermost?
        fn akv_view_measure(
            view: *const akv_view,
            out_contiguous: *mut u32,
            out_bytes: *mut u64,
        ) -> akv_status;
    }
}
