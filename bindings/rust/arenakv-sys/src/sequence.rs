//! sequence.rs: one list of tokens mapped to blocks, from create to free.
//! The contract of every function is in `arenakv/sequence.h`; here are its types and nothing else.

use crate::*;

bindings! {
    constants {
        AKV_SEQUENCE_COMMITTED: u32 = 1;
        AKV_SEQUENCE_PARTIAL: u32 = 2;
        AKV_SEQUENCE_PREFIX_ONLY: u32 = 4;
        AKV_SEQUENCE_NO_MATCH: u32 = 8;
        AKV_SEQUENCE_CONTIGUOUS: u32 = 32;
        AKV_SEQUENCE_NO_PUBLISH: u32 = 16;
        AKV_APPEND_COMMITTED: u32 = 1;
        AKV_TRUNCATE_KEEP_BLOCKS: u32 = 1;
        AKV_DROP_IN_FLIGHT: u32 = 1;
        AKV_SEQUENCE_ACTIVE: u32 = 0;
        AKV_SEQUENCE_SWAPPING_OUT: u32 = 1;
        AKV_SEQUENCE_SWAPPED: u32 = 2;
        AKV_SEQUENCE_SWAPPING_IN: u32 = 3;
    }
    structs {
        /// Zero means default.
        akv_sequence_options {
            struct_size: u32,
            flags: u32,
            request_id: u64,
            owner: u64,
            reserve_tokens: u32,
            max_tokens: u32,
        }
        /// What a new sequence got.
        akv_created {
            struct_size: u32,
            length: u32,
            cached_tokens: u32,
            partial_tokens: u32,
            shared_blocks: u32,
            new_blocks: u32,
            sequence: akv_sequence,
            plan: akv_plan,
            wait: akv_ticket,
        }
        /// Will it fit?
        akv_room {
            struct_size: u32,
            status: akv_status,
            blocks_needed: u32,
            blocks_available: u32,
            blocks_free: u32,
            blocks_evictable: u32,
            blocks_quarantined: u32,
            sequences_available: u32,
            tokens_available: u64,
            oldest_open: akv_ticket,
        }
        /// See `arenakv/sequence.h`.
        akv_sequence_info {
            struct_size: u32,
            length: u32,
            known: u32,
            committed: u32,
            published_tokens: u32,
            sound_tokens: u32,
            num_blocks: u32,
            shared_blocks: u32,
            capacity: u32,
            remaining: u32,
            max_tokens: u32,
            version: u32,
            request_id: u64,
            owner: u64,
            domain: u64,
            plan: akv_plan,
            wait: akv_ticket,
            state: u32,
            swap_blocks: u32,
        }
    }
    functions {
        /// META. Create a sequence for a prompt.
        fn akv_sequence_create(
            cache: *mut akv_cache,
            prompt: *const akv_prompt,
            options: *const akv_sequence_options,
            out_created: *mut akv_created,
        ) -> akv_status;
        /// META. Would akv_sequence_create() with these arguments succeed?
        fn akv_cache_can_allocate(
            cache: *mut akv_cache,
            prompt: *const akv_prompt,
            options: *const akv_sequence_options,
            out_room: *mut akv_room,
        ) -> akv_status;
        /// META. Would appending `num_tokens` tokens succeed?
        fn akv_sequence_can_extend(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            num_tokens: u32,
            out_room: *mut akv_room,
        ) -> akv_status;
        /// META. Append `num_tokens` tokens; `tokens` NULL.
        fn akv_sequence_append(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            tokens: *const i32,
            num_tokens: u32,
            flags: u32,
            out_plan: *mut akv_plan,
        ) -> akv_status;
        /// META. Make sure that the sequence has blocks of its own up to `num_tokens` tokens: look-ahead.
        fn akv_sequence_reserve(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            num_tokens: u32,
            out_plan: *mut akv_plan,
        ) -> akv_status;
        /// META. Set token ids that were unknown when they were appended (asynchronous sampling), at positions
        /// first ..
        fn akv_sequence_set_tokens(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            first: u32,
            tokens: *const i32,
            num_tokens: u32,
        ) -> akv_status;
        /// META. The K/V of the first `length` tokens exist, or will when `ticket` ends well.
        fn akv_sequence_commit(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            length: u32,
            ticket: akv_ticket,
        ) -> akv_status;
        /// META. A second sequence with the first `length` tokens (AKV_UNSET.
        fn akv_sequence_fork(
            cache: *mut akv_cache,
            parent: akv_sequence,
            length: u32,
            options: *const akv_sequence_options,
            out_child: *mut akv_sequence,
        ) -> akv_status;
        /// META. Drop all tokens from position `length` on, and the blocks behind, reserved ones included.
        fn akv_sequence_truncate(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            length: u32,
            flags: u32,
        ) -> akv_status;
        /// META. Move the length inside the blocks that the sequence has.
        fn akv_sequence_set_length(cache: *mut akv_cache, sequence: akv_sequence, length: u32) -> akv_status;
        /// META. End a sequence.
        fn akv_sequence_free(cache: *mut akv_cache, sequence: akv_sequence) -> akv_status;
        /// META. End many sequences: the live ones are freed and the stale ones counted.
        fn akv_sequence_free_batch(
            cache: *mut akv_cache,
            sequences: *const akv_sequence,
            count: u32,
            out_freed: *mut u32,
            out_stale: *mut u32,
            out_statuses: *mut akv_status,
        ) -> akv_status;
        /// META. Release what an owner has.
        fn akv_cache_drop_owner(
            cache: *mut akv_cache,
            owner: u64,
            flags: u32,
            out_released: *mut u32,
        ) -> akv_status;
        /// META. The live sequence with this request id.
        fn akv_sequence_find(
            cache: *mut akv_cache,
            request_id: u64,
            out_sequence: *mut akv_sequence,
        ) -> akv_status;
        /// META. Read what there is to know about one sequence.
        fn akv_sequence_read_info(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            out_info: *mut akv_sequence_info,
        ) -> akv_status;
        /// META. Read token ids.
        fn akv_sequence_read_tokens(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            first: u32,
            num_tokens: u32,
            out_tokens: *mut i32,
        ) -> akv_status;
        /// META. Read the block table.
        fn akv_sequence_read_blocks(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            group: u32,
            out_blocks: *mut i32,
            capacity: u32,
            out_count: *mut u32,
        ) -> akv_status;
    }
}
