//! swap.rs: sequences leave the cache's blocks for its swap blocks, and come back; nothing is lost on the way.
//! The contract of every function is in `arenakv/swap.h`; here are its types and nothing else.

use crate::*;

bindings! {
    structs {
        /// What came back, and how.
        akv_swapped_in {
            struct_size: u32,
            cached_tokens: u32,
            copied_tokens: u32,
            new_blocks: u32,
            plan: akv_plan,
            wait: akv_ticket,
        }
    }
    functions {
        /// META. Make the plan that swaps a sequence out.
        fn akv_sequence_swap_out(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            out_plan: *mut akv_plan,
        ) -> akv_status;
        /// META. Make the plan that swaps a sequence in.
        fn akv_sequence_swap_in(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            out_swapped_in: *mut akv_swapped_in,
        ) -> akv_status;
        /// META. Take swap blocks for bytes of your own (block lists of a lease, copied with akv_copy_blocks()).
        fn akv_swap_acquire(cache: *mut akv_cache, count: u32, out_blocks: *mut i32) -> akv_status;
        /// META. Give swap blocks back that akv_swap_acquire() gave.
        fn akv_swap_release(cache: *mut akv_cache, blocks: *const i32, count: u32) -> akv_status;
    }
}
