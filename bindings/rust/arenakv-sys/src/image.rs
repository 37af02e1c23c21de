//! image.rs: one saved sequence as bytes: what an image is, how it is checked, and how it gets into a file and back.
//! The contract of every function is in `arenakv/image.h`; here are its types and nothing else.

use core::ffi::{c_char, c_void};

use crate::*;

bindings! {
    constants {
        AKV_LABEL_BYTES: u32 = 64;
    }
    structs {
        /// What an image says of itself.
        akv_image_info {
            struct_size: u32,
            version: u32,
            num_tokens: u32,
            known_tokens: u32,
            image_bytes: u64,
            payload_offset: u64,
            payload_bytes: u64,
            label: [u8; AKV_LABEL_BYTES as usize],
        }
    }
    functions {
        /// META. How many bytes akv_copy_save() needs for the first `num_tokens` tokens of a sequence; 0.
        fn akv_image_bytes(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            num_tokens: u32,
            out_bytes: *mut u64,
        ) -> akv_status;
        /// SETUP. Check an image, every byte of it.
        fn akv_image_check(image: *const c_void, bytes: u64, out_info: *mut akv_image_info) -> akv_status;
        /// META. The layer group that an image is of, as akv_cache_read_group() tells a cache's.
        fn akv_image_read_group(
            image: *const c_void,
            bytes: u64,
            out_group: *mut akv_layer_group,
            group_size: u32,
            out_planes: *mut akv_plane,
            capacity: u32,
        ) -> akv_status;
        /// META. Token ids of positions first ..
        fn akv_image_read_tokens(
            image: *const c_void,
            bytes: u64,
            first: u32,
            num_tokens: u32,
            out_tokens: *mut i32,
        ) -> akv_status;
        /// SETUP. Put an image, which is checked first, into a file.
        fn akv_image_write_file(path: *const c_char, image: *const c_void, bytes: u64) -> akv_status;
        /// SETUP. Read an image out of a file.
        fn akv_image_read_file(
            path: *const c_char,
            buffer: *mut c_void,
            capacity: u64,
            out_bytes: *mut u64,
        ) -> akv_status;
    }
}
