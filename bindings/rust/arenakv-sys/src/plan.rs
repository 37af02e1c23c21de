//! plan.rs: what must be copied or zeroed before the next kernel reads or writes, as plain records.
//! The contract of every function is in `arenakv/plan.h`; here are its types and nothing else.

use crate::*;

bindings! {
    constants {
        AKV_PLAN_COPY_ON_WRITE: u32 = 1;
        AKV_PLAN_PARTIAL: u32 = 2;
        AKV_PLAN_ZERO: u32 = 3;
        AKV_PLAN_SWAP_OUT: u32 = 4;
        AKV_PLAN_SWAP_IN: u32 = 5;
    }
    structs {
        /// One record, for all layers and planes of a group.
        akv_plan_record {
            kind: u32,
            group: u16,
            part: u16,
            source_block: i32,
            target_block: i32,
            source_store: u32,
            target_store: u32,
            first_token: u32,
            num_tokens: u32,
            sequence: akv_sequence,
            wait: akv_ticket,
            cookie: u64,
        }
        /// See `arenakv/plan.h`.
        akv_plan_info {
            struct_size: u32,
            num_records: u32,
            num_sequences: u32,
            unused: u32,
            copied_tokens: u64,
            zeroed_blocks: u64,
        }
    }
    functions {
        /// META. Read a plan's size and price.
        fn akv_plan_read_info(
            cache: *mut akv_cache,
            plan: akv_plan,
            out_info: *mut akv_plan_info,
        ) -> akv_status;
        /// META. Read a plan's records first ..
        fn akv_plan_read_records(
            cache: *mut akv_cache,
            plan: akv_plan,
            first: u32,
            out_records: *mut akv_plan_record,
            capacity: u32,
            out_count: *mut u32,
        ) -> akv_status;
        /// META. The plan's records have run (ticket 0), or are queued and will have when `ticket` ends well.
        fn akv_plan_finish(cache: *mut akv_cache, plan: akv_plan, ticket: akv_ticket) -> akv_status;
        /// META. The plan will not run.
        fn akv_plan_abandon(cache: *mut akv_cache, plan: akv_plan) -> akv_status;
    }
}
