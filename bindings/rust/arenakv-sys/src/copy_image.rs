//! copy_image.rs: a sequence becomes an image (image.h), and an image a sequence: of this cache or another, of any block size, in stores of any layout and any shards.
//! The contract of every function is in `arenakv/copy_image.h`; here are its types and nothing else.

use core::ffi::c_void;

use crate::*;

bindings! {
    constants {
        AKV_SAVE_ORDERED: u32 = 1;
        AKV_LOAD_ANY_LABEL: u32 = 1;
    }
    structs {
        /// Zero means default.
        akv_save_options {
            struct_size: u32,
            flags: u32,
            num_tokens: u32,
            unused: u32,
            owner: u64,
            label: *const u8,
        }
        /// Zero means default.
        akv_load_options {
            struct_size: u32,
            flags: u32,
            domain: u64,
            label: *const u8,
            sequence: *const akv_sequence_options,
        }
    }
    functions {
        /// COPY. Make an image of a sequence's committed tokens in `buffer`, which has at least akv_image_bytes().
        fn akv_copy_save(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            stores: *const *mut akv_store,
            num_stores: u32,
            options: *const akv_save_options,
            buffer: *mut c_void,
            capacity: u64,
            out_bytes: *mut u64,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// COPY. Make a sequence out of an image.
        fn akv_copy_load(
            cache: *mut akv_cache,
            image: *const c_void,
            bytes: u64,
            options: *const akv_load_options,
            stores: *const *mut akv_store,
            num_stores: u32,
            out_created: *mut akv_created,
            stream: *mut akv_stream,
        ) -> akv_status;
    }
}
