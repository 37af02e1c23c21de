//! step.rs: one call per scheduler step for the whole batch, and the tables that kernels read.
//! The contract of every function is in `arenakv/step.h`; here are its types and nothing else.

use crate::*;

bindings! {
    structs {
        /// What a row of a block table holds.
        akv_row_state {
            sequence: u64,
            version: u32,
            blocks_written: u32,
        }
        /// Which sequences, and which tokens of each.
        akv_batch {
            struct_size: u32,
            flags: u32,
            num_sequences: u32,
            tokens_count: u32,
            sequences: *const akv_sequence,
            num_tokens: *const u32,
            first: *const u32,
            tokens: *const i32,
        }
        /// Where to write.
        akv_tables {
            struct_size: u32,
            group: u32,
            part: u32,
            pad_block: i32,
            slot_mapping: *mut i64,
            positions: *mut i64,
            slot_capacity: u64,
            padded_slots: u64,
            query_start_loc: *mut i32,
            kv_indptr: *mut i32,
            kv_indices: *mut i32,
            kv_last_page_len: *mut i32,
            kv_indices_capacity: u64,
            sequence_capacity: u32,
            padded_sequences: u32,
            block_table: *mut i32,
            row_states: *mut akv_row_state,
            first_positions: *mut i32,
            seq_lens: *mut i32,
            row_of: *const u32,
            row_stride: u64,
            row_width: u32,
            num_rows: u32,
        }
    }
    functions {
        /// META. Grow sequences by num_tokens[i] tokens each (0 is fine) and write the tables for exactly these
        /// tokens.
        fn akv_sequence_append_batch(
            cache: *mut akv_cache,
            batch: *const akv_batch,
            tables: *const akv_tables,
            out_plan: *mut akv_plan,
        ) -> akv_status;
        /// META. Write tables without growing, for positions first[i] ..
        fn akv_sequence_read_tables(
            cache: *mut akv_cache,
            batch: *const akv_batch,
            tables: *const akv_tables,
        ) -> akv_status;
        /// META. akv_sequence_commit() for many.
        fn akv_sequence_commit_batch(
            cache: *mut akv_cache,
            sequences: *const akv_sequence,
            lengths: *const u32,
            count: u32,
            ticket: akv_ticket,
        ) -> akv_status;
        /// META. akv_sequence_set_tokens() for many.
        fn akv_sequence_set_tokens_batch(cache: *mut akv_cache, batch: *const akv_batch) -> akv_status;
        /// META. akv_sequence_truncate() for many.
        fn akv_sequence_truncate_batch(
            cache: *mut akv_cache,
            sequences: *const akv_sequence,
            lengths: *const u32,
            count: u32,
            flags: u32,
        ) -> akv_status;
    }
}
