//! planner.rs: how much fits into a memory, and what memory so much takes.
//! The contract of every function is in `arenakv/planner.h`; here are its types and nothing else.

use crate::*;

bindings! {
    structs {
        /// What is asked.
        akv_planner_request {
            struct_size: u32,
            dtype: u32,
            num_layers: u32,
            block_tokens: u32,
            alignment: u32,
            num_sequences: u32,
            context_tokens: u64,
            expected_tokens: u64,
            budget_bytes: u64,
            total_bytes: u64,
            weight_bytes: u64,
            activation_bytes: u64,
            overhead_bytes: u64,
            format: u32,
            unused: u32,
        }
        /// What comes out.
        akv_planner_result {
            struct_size: u32,
            dtype: u32,
            num_layers: u32,
            block_tokens: u32,
            num_blocks: u32,
            num_sequences: u32,
            num_tokens: u64,
            context_tokens: u64,
            blocks_per_sequence: u64,
            spare_blocks: u64,
            bytes_per_token: u64,
            bytes_per_block: u64,
            sequence_block_bytes: u64,
            rounding_bytes: u64,
            null_block_bytes: u64,
            padding_bytes: u64,
            store_bytes: u64,
            budget_bytes: u64,
            slack_bytes: u64,
        }
        /// A page that holds any one tensor of a sequence.
        akv_page_size {
            struct_size: u32,
            alignment: u32,
            page_bytes: u64,
            tensor_bytes: u64,
            tensors_per_sequence: u64,
            sequence_page_bytes: u64,
            full_waste_bytes: u64,
            expected_waste_bytes: u64,
        }
    }
    functions {
        /// META. The most blocks that a budget holds (AKV_MAX_BLOCKS at most), and how many sequences that is.
        fn akv_planner_fit(
            model: *const akv_model,
            request: *const akv_planner_request,
            out_result: *mut akv_planner_result,
        ) -> akv_status;
        /// META. The memory that num_sequences sequences of context_tokens take.
        fn akv_planner_need(
            model: *const akv_model,
            request: *const akv_planner_request,
            out_result: *mut akv_planner_result,
        ) -> akv_status;
        /// META. The page size for a model's tensors at a context.
        fn akv_planner_page_size(
            model: *const akv_model,
            request: *const akv_planner_request,
            out_page_size: *mut akv_page_size,
        ) -> akv_status;
    }
}
