//! two_tier.rs: two tiers of precision (row D5): the last tokens of each sequence in full precision, all before them quantized (KIVI's residual window, Liu et al.
//! The contract of every function is in `arenakv/two_tier.h`; here are its types and nothing else.

use crate::*;

bindings! {
    structs {
        /// Zero means default.
        akv_tail_config {
            struct_size: u32,
            dtype: u32,
            tail_tokens: u32,
            slack_tokens: u32,
            max_sequences: u32,
            unused: u32,
            head_scales: *const f32,
        }
        /// See `arenakv/two_tier.h`.
        akv_tail_info {
            struct_size: u32,
            dtype: u32,
            block_tokens: u32,
            tail_tokens: u32,
            slack_tokens: u32,
            ring_blocks: u32,
            max_sequences: u32,
            open_rows: u32,
        }
    }
    functions {
        /// SETUP. Make the store of a tail.
        fn akv_tail_create_store(
            store: *mut akv_store,
            tail: *const akv_tail_config,
            config: *const akv_store_config,
            out_tail_store: *mut *mut akv_store,
        ) -> akv_status;
        /// SETUP. Make a tail over a quantized store and a store that akv_tail_create_store() made with the same
        /// `config`.
        fn akv_tail_create(
            store: *mut akv_store,
            tail_store: *mut akv_store,
            config: *const akv_tail_config,
            out_tail: *mut *mut akv_tail,
        ) -> akv_status;
        /// SETUP. End a tail.
        fn akv_tail_destroy(tail: *mut akv_tail) -> akv_status;
        /// META. Read what a tail is.
        fn akv_tail_read_info(tail: *mut akv_tail, out_info: *mut akv_tail_info) -> akv_status;
        /// META. Open a row for a sequence whose first `stored_tokens` tokens, whole blocks, are in the quantized
        /// store.
        fn akv_tail_open(tail: *mut akv_tail, stored_tokens: u32, out_row: *mut akv_tail_row) -> akv_status;
        /// META. Close a row.
        fn akv_tail_close(tail: *mut akv_tail, row: akv_tail_row) -> akv_status;
        /// META. Slots in the tail's store of tokens at these positions, for akv_copy_write_tokens().
        fn akv_tail_read_slots(
            tail: *mut akv_tail,
            rows: *const akv_tail_row,
            positions: *const u32,
            num_tokens: u32,
            out_slots: *mut i64,
        ) -> akv_status;
        /// META. For attention's part over the tail.
        fn akv_tail_read_tables(
            tail: *mut akv_tail,
            rows: *const akv_tail_row,
            num_rows: u32,
            out_table: *mut i32,
            table_stride: u32,
            out_stored: *mut u32,
        ) -> akv_status;
    }
}
