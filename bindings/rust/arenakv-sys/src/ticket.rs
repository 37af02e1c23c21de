//! ticket.rs: when device work has finished with blocks, and leases on blocks for long transfers.
//! The contract of every function is in `arenakv/ticket.h`; here are its types and nothing else.

use crate::*;

bindings! {
    constants {
        AKV_TICKET_OPEN: u32 = 1;
        AKV_TICKET_ENDED: u32 = 2;
        AKV_TICKET_PASSED: u32 = 3;
        AKV_TICKET_ABANDONED: u32 = 4;
    }
    functions {
        /// META. Open a ticket.
        fn akv_ticket_open(cache: *mut akv_cache, out_ticket: *mut akv_ticket) -> akv_status;
        /// META. The work has finished, and well.
        fn akv_ticket_retire(cache: *mut akv_cache, ticket: akv_ticket) -> akv_status;
        /// SETUP. The work has failed or will never finish, and touches no memory any more.
        fn akv_ticket_abandon(
            cache: *mut akv_cache,
            ticket: akv_ticket,
            out_sequences: *mut u32,
        ) -> akv_status;
        /// META. Where a ticket stands.
        fn akv_ticket_read(cache: *mut akv_cache, ticket: akv_ticket, out_state: *mut u32) -> akv_status;
        /// META. Lease the blocks of a sequence's first `num_tokens` tokens (at least one).
        fn akv_lease_acquire(
            cache: *mut akv_cache,
            sequence: akv_sequence,
            num_tokens: u32,
            owner: u64,
            out_lease: *mut akv_lease,
            out_wait: *mut akv_ticket,
        ) -> akv_status;
        /// META. The ids of the leased blocks, in order of position.
        fn akv_lease_read_blocks(
            cache: *mut akv_cache,
            lease: akv_lease,
            out_blocks: *mut i32,
            capacity: u32,
            out_count: *mut u32,
        ) -> akv_status;
        /// META. Give a lease up: the transfer has ended.
        fn akv_lease_release(cache: *mut akv_cache, lease: akv_lease) -> akv_status;
    }
}
