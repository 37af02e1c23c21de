//! attention.rs: attention of new tokens over what stores hold (paged decode; Kwon et al.
//! The contract of every function is in `arenakv/attention.h`; here are its types and nothing else.

use core::ffi::c_void;

use crate::*;

bindings! {
    constants {
        AKV_MAX_ATTENTION_PARTS: u32 = 8;
    }
    structs {
        /// A stretch of every sequence's tokens, in the blocks of one store.
        akv_attention_part {
            store: *mut akv_store,
            block_table: *const i32,
            table_stride: i64,
            lengths: *const u32,
            first_positions: *const u32,
            key_scales: *const f32,
            value_scales: *const f32,
        }
        /// Zero means default.
        akv_attention {
            struct_size: u32,
            flags: u32,
            layer: u32,
            num_sequences: u32,
            num_queries: u32,
            query_heads: u32,
            dtype: u32,
            value_dim: u32,
            query: *const c_void,
            out: *mut c_void,
            log_sums: *mut f32,
            query_strides: [i64; 3],
            out_strides: [i64; 3],
            scale: f32,
            soft_cap: f32,
            window: u32,
            sink_tokens: u32,
            sink_logits: *const f32,
            positions: *const u32,
            parts: *const akv_attention_part,
            num_parts: u32,
            part_size: u32,
        }
    }
    functions {
        /// KERNEL. Attend.
        fn akv_attention_decode(attention: *const akv_attention, stream: *mut akv_stream) -> akv_status;
        /// KERNEL. Results of the same queries over two halves of the tokens, each with its log sums, become that
        /// over all of them.
        fn akv_attention_merge(
            a: *const c_void,
            a_log_sums: *const f32,
            b: *const c_void,
            b_log_sums: *const f32,
            out: *mut c_void,
            out_log_sums: *mut f32,
            num_rows: u64,
            dim: u32,
            dtype: u32,
            stream: *mut akv_stream,
        ) -> akv_status;
    }
}
