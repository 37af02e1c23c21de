//! store.rs: the bytes of a cache's blocks on one device: where they lie, in which layout, with which strides.
//! The contract of every function is in `arenakv/store.h`; here are its types and nothing else.

use core::ffi::c_void;

use crate::*;

bindings! {
    constants {
        AKV_LAYOUT_BLOCK_OUTER: u32 = 1;
        AKV_LAYOUT_LAYER_OUTER: u32 = 0;
        AKV_HEADS_INNER: u32 = 0;
        AKV_HEADS_OUTER: u32 = 1;
        AKV_STORE_BLOCKS: u32 = 0;
        AKV_STORE_SWAP_BLOCKS: u32 = 1;
        AKV_STORE_SMALL_PAGES: u32 = 1;
    }
    structs {
        /// One region of the caller's memory.
        akv_region {
            data: *mut c_void,
            bytes: u64,
            block_stride: i64,
            token_stride: i64,
            head_stride: i64,
            scales: *mut c_void,
            scales_bytes: u64,
            scales_block_stride: i64,
            scales_token_stride: i64,
        }
        /// Zero means default.
        akv_store_config {
            struct_size: u32,
            flags: u32,
            device: u32,
            layout: u32,
            heads: u32,
            columns: u32,
            first_head: u32,
            num_heads: u32,
            num_layers: u32,
            num_regions: u32,
            region_size: u32,
            unused: u32,
            layers: *const u32,
            regions: *const akv_region,
            tracker: *mut akv_tracker,
        }
        /// See `arenakv/store.h`.
        akv_store_info {
            struct_size: u32,
            device: u32,
            layout: u32,
            heads: u32,
            columns: u32,
            block_tokens: u32,
            num_blocks: u32,
            num_layers: u32,
            num_planes: u32,
            first_head: u32,
            num_heads: u32,
            callers_memory: u32,
            bytes_per_block: u64,
            bytes: u64,
            alignment_waste: u64,
            epoch: u64,
        }
    }
    functions {
        /// SETUP. Make a store for the blocks of `cache`.
        fn akv_store_create(
            cache: *mut akv_cache,
            config: *const akv_store_config,
            out_store: *mut *mut akv_store,
        ) -> akv_status;
        /// SETUP. End a store.
        fn akv_store_destroy(store: *mut akv_store) -> akv_status;
        /// SETUP. Touch all memory of the store now, so that no later write meets a page fault.
        fn akv_store_warm_up(
            store: *mut akv_store,
            progress: akv_progress_function,
            context: *mut c_void,
        ) -> akv_status;
        /// META. Read what a store is.
        fn akv_store_read_info(store: *mut akv_store, out_info: *mut akv_store_info) -> akv_status;
        /// META. One region as the library or the caller laid it out.
        fn akv_store_read_region(
            store: *mut akv_store,
            layer: u32,
            plane: u32,
            out_region: *mut akv_region,
            region_size: u32,
        ) -> akv_status;
        /// META. A layer's plane as a tensor over all blocks.
        fn akv_store_read_view(
            store: *mut akv_store,
            layer: u32,
            plane: u32,
            out_view: *mut akv_view,
        ) -> akv_status;
        /// META. A view of one sequence whose blocks are neighbours (AKV_SEQUENCE_CONTIGUOUS makes them so).
        fn akv_store_read_sequence_view(
            store: *mut akv_store,
            layer: u32,
            plane: u32,
            blocks: *const i32,
            num_blocks: u32,
            num_tokens: u32,
            out_view: *mut akv_view,
        ) -> akv_status;
        /// META. Is this view still one of this store's?
        fn akv_store_check_view(store: *mut akv_store, view: *const akv_view) -> akv_status;
    }
}

/// Told `done` of `total` bytes; anything but 0 stops the warm-up.
pub type akv_progress_function = Option<unsafe extern "C" fn(context: *mut c_void, done: u64, total: u64) -> i32>;
