//! memory.rs: a tracker: who has how much memory of which device, and for what.
//! The contract of every function is in `arenakv/memory.h`; here are its types and nothing else.

use crate::*;

bindings! {
    constants {
        AKV_PURPOSE_WEIGHTS: u32 = 1;
        AKV_PURPOSE_KV_CACHE: u32 = 2;
        AKV_PURPOSE_ACTIVATIONS: u32 = 3;
        AKV_PURPOSE_METADATA: u32 = 4;
        AKV_PURPOSE_SWAP: u32 = 5;
        AKV_PURPOSE_OTHER: u32 = 6;
        AKV_MAX_TRACKED_DEVICES: u32 = 64;
    }
    structs {
        /// Zero means default.
        akv_tracker_config {
            struct_size: u32,
            max_records: u32,
        }
        /// An allocation to record.
        akv_allocation {
            device: u32,
            purpose: u32,
            bytes: u64,
        }
        /// See `arenakv/memory.h`.
        akv_memory_totals {
            struct_size: u32,
            records: u32,
            bytes: u64,
            peak_bytes: u64,
            allocations: u64,
            frees: u64,
            limit_bytes: u64,
            refused: u64,
        }
    }
    functions {
        /// SETUP. Make a tracker.
        fn akv_tracker_create(
            config: *const akv_tracker_config,
            out_tracker: *mut *mut akv_tracker,
        ) -> akv_status;
        /// SETUP. Destroy it, with the records it still has.
        fn akv_tracker_destroy(tracker: *mut akv_tracker) -> akv_status;
        /// META. Record `count` allocations, all or none.
        fn akv_tracker_record(
            tracker: *mut akv_tracker,
            allocations: *const akv_allocation,
            allocation_size: u32,
            count: u32,
            out_records: *mut akv_memory_record,
        ) -> akv_status;
        /// META. These allocations were freed: all or none, each once.
        fn akv_tracker_forget(
            tracker: *mut akv_tracker,
            records: *const akv_memory_record,
            count: u32,
        ) -> akv_status;
        /// META. From now on at most `bytes` are recorded on this device, all purposes together; 0.
        fn akv_tracker_set_limit(tracker: *mut akv_tracker, device: u32, bytes: u64) -> akv_status;
        /// META. The sums of one device and one purpose; AKV_UNSET stands for all of them.
        fn akv_tracker_read_totals(
            tracker: *mut akv_tracker,
            device: u32,
            purpose: u32,
            out_totals: *mut akv_memory_totals,
        ) -> akv_status;
    }
}

/// One allocation that a tracker knows of.
pub type akv_memory_record = u64;
