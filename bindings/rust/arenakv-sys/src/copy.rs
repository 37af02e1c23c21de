//! copy.rs: the functions that move KV bytes between stores and the caller's memory, on a stream, all of them counted.
//! The contract of every function is in `arenakv/copy.h`; here are its types and nothing else.

use core::ffi::c_void;

use crate::*;

bindings! {
    constants {
        AKV_BLOCKS_VERIFY: u32 = 1;
        AKV_RUN_ORDERED: u32 = 1;
        AKV_RUN_VERIFY: u32 = 2;
        AKV_RUN_FINISH: u32 = 4;
        AKV_MOVED_WRITE: u32 = 1;
        AKV_MOVED_READ: u32 = 2;
        AKV_MOVED_GATHER: u32 = 3;
        AKV_MOVED_SCATTER: u32 = 4;
        AKV_MOVED_ZERO: u32 = 5;
        AKV_MOVED_BLOCKS: u32 = 6;
        AKV_MOVED_COPY_ON_WRITE: u32 = 7;
        AKV_MOVED_PARTIAL: u32 = 8;
        AKV_MOVED_OUT: u32 = 9;
        AKV_MOVED_IN: u32 = 10;
        AKV_MOVED_SAVE: u32 = 11;
        AKV_MOVED_LOAD: u32 = 12;
        AKV_MOVED_TO_TENSOR: u32 = 13;
        AKV_MOVED_FROM_TENSOR: u32 = 14;
        AKV_MOVED_TENSOR: u32 = 15;
        AKV_MOVED_CONVERTED: u32 = 16;
    }
    structs {
        /// K/V of tokens in the caller's memory.
        akv_token_data {
            data: *mut c_void,
            token_stride: i64,
            head_stride: i64,
            scales: *mut c_void,
            scale_stride: i64,
            plane: u32,
            dtype: u32,
        }
        /// A stretch of one sequence.
        akv_span {
            blocks: *const i32,
            num_blocks: u32,
            first_token: u32,
            num_tokens: u32,
            first_layer: u32,
            num_layers: u32,
            dtype: u32,
            data: *mut c_void,
            bytes: u64,
            head_scales: *const f32,
        }
        /// One line for each kind and direction that has moved anything.
        akv_copy_stats {
            kind: u32,
            from_device: u32,
            to_device: u32,
            unused: u32,
            calls: u64,
            items: u64,
            bytes: u64,
            verified_bytes: u64,
        }
    }
    functions {
        /// COPY. Write the K/V of `num_tokens` tokens of one layer to their slots (step.h.
        fn akv_copy_write_tokens(
            store: *mut akv_store,
            layer: u32,
            slots: *const i64,
            num_tokens: u32,
            planes: *const akv_token_data,
            num_planes: u32,
            data_size: u32,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// COPY. Read tokens of one layer out of their slots.
        fn akv_copy_read_tokens(
            store: *mut akv_store,
            layer: u32,
            slots: *const i64,
            num_tokens: u32,
            planes: *const akv_token_data,
            num_planes: u32,
            data_size: u32,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// META. Bytes that a span takes when packed.
        fn akv_store_span_bytes(
            store: *mut akv_store,
            first_layer: u32,
            num_layers: u32,
            num_tokens: u32,
            dtype: u32,
            out_bytes: *mut u64,
        ) -> akv_status;
        /// COPY. Gather spans of sequences, each into its packed memory.
        fn akv_copy_gather(
            store: *mut akv_store,
            spans: *const akv_span,
            num_spans: u32,
            span_size: u32,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// COPY. Scatter packed memory into spans of sequences.
        fn akv_copy_scatter(
            store: *mut akv_store,
            spans: *const akv_span,
            num_spans: u32,
            span_size: u32,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// COPY. Zero whole blocks, in all layers and planes of the store; the null block, too.
        fn akv_copy_zero(
            store: *mut akv_store,
            blocks: *const i32,
            num_blocks: u32,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// COPY. Copy whole blocks from one store to another, or inside one.
        fn akv_copy_blocks(
            from: *mut akv_store,
            from_blocks: *const i32,
            to: *mut akv_store,
            to_blocks: *const i32,
            num_blocks: u32,
            flags: u32,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// COPY. The same where the two stores keep their K/V as something else.
        fn akv_copy_converted(
            from: *mut akv_store,
            from_blocks: *const i32,
            from_scales: *const f32,
            to: *mut akv_store,
            to_blocks: *const i32,
            to_scales: *const f32,
            num_blocks: u32,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// COPY. Run the records of an open plan of `cache` on its stores.
        fn akv_copy_run(
            cache: *mut akv_cache,
            plan: akv_plan,
            stores: *const *mut akv_store,
            num_stores: u32,
            flags: u32,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// COPY. The same for records that came from elsewhere.
        fn akv_copy_records(
            records: *const akv_plan_record,
            num_records: u32,
            stores: *const *mut akv_store,
            num_stores: u32,
            flags: u32,
            stream: *mut akv_stream,
        ) -> akv_status;
        /// META. Read the lines of a store.
        fn akv_store_read_stats(
            store: *mut akv_store,
            out_lines: *mut akv_copy_stats,
            line_size: u32,
            capacity: u32,
            out_count: *mut u32,
        ) -> akv_status;
    }
}
