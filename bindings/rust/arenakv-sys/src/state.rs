//! state.rs: one read-out of everything a cache knows about itself, and the audit.
//! The contract of every function is in `arenakv/state.h`; here are its types and nothing else.

use crate::*;

bindings! {
    constants {
        AKV_BLOCK_FREE: u32 = 0;
        AKV_BLOCK_DIRTY: u32 = 1;
        AKV_BLOCK_RESERVED: u32 = 2;
        AKV_BLOCK_LIVE: u32 = 3;
        AKV_BLOCK_PINNED: u32 = 4;
        AKV_BLOCK_CACHED: u32 = 5;
        AKV_BLOCK_QUARANTINED: u32 = 6;
        AKV_BLOCK_NULL: u32 = 7;
        AKV_ADVICE_NONE: u32 = 0;
        AKV_ADVICE_WATCH: u32 = 1;
        AKV_ADVICE_ACT: u32 = 2;
        AKV_LINE_PLAN_OPEN: u32 = 1;
        AKV_LINE_CONTENT_LOST: u32 = 2;
        AKV_LINE_SWAPPED: u32 = 4;
        AKV_HOLD_LEASE: u32 = 2;
        AKV_HOLD_PIN: u32 = 1;
        AKV_HOLD_PLAN: u32 = 3;
    }
    structs {
        /// A cheap read-out.
        akv_cache_state {
            struct_size: u32,
            block_tokens: u32,
            num_blocks: u32,
            free_blocks: u32,
            dirty_blocks: u32,
            reserved_blocks: u32,
            live_blocks: u32,
            pinned_blocks: u32,
            cached_blocks: u32,
            quarantined_blocks: u32,
            evictable_blocks: u32,
            duplicate_blocks: u32,
            peak_live_blocks: u32,
            sequences: u32,
            max_sequences: u32,
            lost_sequences: u32,
            runs: u32,
            pins: u32,
            leases: u32,
            plans: u32,
            open_tickets: u32,
            swapped_sequences: u32,
            oldest_open: akv_ticket,
            newest: akv_ticket,
            bytes_per_block: u64,
            sequence_tokens: u64,
            cached_tokens: u64,
            created_sequences: u64,
            freed_sequences: u64,
            prompt_tokens: u64,
            hit_tokens: u64,
            partial_tokens: u64,
            published_blocks: u64,
            evicted_blocks: u64,
            copy_on_writes: u64,
            refused_no_blocks: u64,
            refills: u64,
            metadata_reserved_bytes: u64,
            metadata_used_bytes: u64,
            num_swap_blocks: u32,
            free_swap_blocks: u32,
            quarantined_swap_blocks: u32,
            acquired_swap_blocks: u32,
            swapped_tokens: u64,
            swapped_out: u64,
            swapped_in: u64,
        }
        /// An exact read-out that looks at every block.
        akv_measures {
            struct_size: u32,
            largest_free_run: u32,
            fragmentation: f32,
            advice: u32,
            waste: f32,
            unused: u32,
            live_tokens: u64,
        }
        /// One line per live sequence.
        akv_sequence_line {
            sequence: akv_sequence,
            request_id: u64,
            owner: u64,
            domain: u64,
            length: u32,
            known: u32,
            committed: u32,
            num_blocks: u32,
            reserved_blocks: u32,
            flags: u32,
        }
        /// One line per pin, lease and open plan.
        akv_hold_line {
            handle: u64,
            owner: u64,
            since: akv_ticket,
            kind: u32,
            blocks: u32,
        }
    }
    functions {
        /// META. Read the state.
        fn akv_cache_read_state(cache: *mut akv_cache, out_state: *mut akv_cache_state) -> akv_status;
        /// SETUP. Measure.
        fn akv_cache_measure(cache: *mut akv_cache, out_measures: *mut akv_measures) -> akv_status;
        /// META. Read a line for each live sequence.
        fn akv_cache_read_sequences(
            cache: *mut akv_cache,
            out_lines: *mut akv_sequence_line,
            line_size: u32,
            capacity: u32,
            out_count: *mut u32,
        ) -> akv_status;
        /// META. Read a line for each pin, lease and open plan.
        fn akv_cache_read_holds(
            cache: *mut akv_cache,
            out_lines: *mut akv_hold_line,
            line_size: u32,
            capacity: u32,
            out_count: *mut u32,
        ) -> akv_status;
        /// SETUP. Read one byte per block, AKV_BLOCK_*, for blocks 0 ..
        fn akv_cache_read_block_map(cache: *mut akv_cache, out_map: *mut u8, capacity: u32) -> akv_status;
        /// META. Check that the counts balance.
        fn akv_cache_audit(cache: *mut akv_cache) -> akv_status;
        /// SETUP. Count every block again where it is, and check every run, hold, table and counter against each
        /// other.
        fn akv_cache_audit_all(cache: *mut akv_cache) -> akv_status;
    }
}
