//! arena.rs: page pools: fixed pages of memory, recycled without a lock, and arenas of tensors over them.
//! The contract of every function is in `arenakv/arena.h`; here are its types and nothing else.

use core::ffi::c_void;

use crate::*;

bindings! {
    constants {
        AKV_CONTENT_ZERO: u32 = 0;
        AKV_CONTENT_OWN: u32 = 1;
        AKV_CONTENT_FOREIGN: u32 = 2;
        AKV_PAGE_POOL_PREFAULT: u32 = 1;
        AKV_PAGE_POOL_DIRTY: u32 = 2;
    }
    structs {
        /// Zero means default.
        akv_page_pool_config {
            struct_size: u32,
            flags: u32,
            page_bytes: u64,
            num_pages: u32,
            max_pages: u32,
            max_arenas: u32,
            tensors_per_page: u32,
            max_open_tickets: u32,
            device: u32,
            purpose: u32,
            unused: u32,
            memory: *mut c_void,
            memory_bytes: u64,
            tracker: *mut akv_tracker,
        }
        /// Where bytes lie.
        akv_memory_view {
            struct_size: u32,
            device: u32,
            data: *mut c_void,
            bytes: u64,
            capacity_bytes: u64,
            epoch: u64,
            owner: u64,
            content: u32,
            page: u32,
        }
        /// See `arenakv/arena.h`.
        akv_arena_info {
            struct_size: u32,
            pages: u32,
            owner: u64,
            tensors: u64,
            capacity_bytes: u64,
            rounding_bytes: u64,
            closed_bytes: u64,
            open_bytes: u64,
        }
        /// See `arenakv/arena.h`.
        akv_dropped {
            struct_size: u32,
            arenas: u32,
            tensors: u64,
            raw_pages: u32,
            pages: u32,
            bytes: u64,
        }
        /// free_pages + live_pages + quarantined_pages + unreserved_pages == max_pages, always.
        akv_page_pool_state {
            struct_size: u32,
            device: u32,
            page_bytes: u64,
            max_pages: u32,
            free_pages: u32,
            live_pages: u32,
            quarantined_pages: u32,
            unreserved_pages: u32,
            fresh_pages: u32,
            arena_pages: u32,
            arenas: u32,
            tensors: u64,
            capacity_bytes: u64,
            rounding_bytes: u64,
            closed_bytes: u64,
            handed_out: u64,
            recycled: u64,
            recycled_bytes: u64,
            hit_ratio: f64,
            refused: u64,
            dropped_arenas: u64,
            dropped_tensors: u64,
            abandoned_tickets: u64,
            oldest_open: akv_ticket,
            newest: akv_ticket,
            open_tickets: u32,
            lock_free: u32,
            bytes_per_tensor: u32,
            unused: u32,
            table_bytes: u64,
        }
    }
    functions {
        /// SETUP. Make a page pool.
        fn akv_page_pool_create(
            config: *const akv_page_pool_config,
            out_pool: *mut *mut akv_page_pool,
        ) -> akv_status;
        /// SETUP. Destroy it with everything in it.
        fn akv_page_pool_destroy(pool: *mut akv_page_pool) -> akv_status;
        /// META. The configuration in use, with every default filled in.
        fn akv_page_pool_read_config(
            pool: *mut akv_page_pool,
            out_config: *mut akv_page_pool_config,
        ) -> akv_status;
        /// SETUP. See that at least `num_pages` pages have memory, those in use included.
        fn akv_page_pool_reserve(pool: *mut akv_page_pool, num_pages: u32) -> akv_status;
        /// META. Take `count` pages, all or none, for this owner.
        fn akv_page_acquire(
            pool: *mut akv_page_pool,
            owner: u64,
            out_pages: *mut akv_page,
            out_contents: *mut u32,
            count: u32,
        ) -> akv_status;
        /// META. Give pages back, all or none, each once.
        fn akv_page_release(pool: *mut akv_page_pool, pages: *const akv_page, count: u32) -> akv_status;
        /// META. Where a page lies.
        fn akv_page_read_view(
            pool: *mut akv_page_pool,
            page: akv_page,
            out_view: *mut akv_memory_view,
        ) -> akv_status;
        /// META. Make an arena for this owner (your trust domain or request; any number).
        fn akv_arena_create(pool: *mut akv_page_pool, owner: u64, out_arena: *mut akv_arena) -> akv_status;
        /// META. Drop an arena with all its tensors.
        fn akv_arena_drop(pool: *mut akv_page_pool, arena: akv_arena) -> akv_status;
        /// META. What an arena has.
        fn akv_arena_read_info(
            pool: *mut akv_page_pool,
            arena: akv_arena,
            out_info: *mut akv_arena_info,
        ) -> akv_status;
        /// META. Place a tensor that may hold `capacity_bytes`, rounded up to 256, and holds nothing yet.
        fn akv_tensor_create(
            pool: *mut akv_page_pool,
            arena: akv_arena,
            capacity_bytes: u64,
            out_tensor: *mut akv_tensor,
            out_content: *mut u32,
        ) -> akv_status;
        /// META. The same for the keys and values of all layers at once, all or none.
        fn akv_tensor_create_batch(
            pool: *mut akv_page_pool,
            arena: akv_arena,
            capacity_bytes: *const u64,
            count: u32,
            out_tensors: *mut akv_tensor,
            out_contents: *mut u32,
        ) -> akv_status;
        /// META. Grow a tensor by `bytes`.
        fn akv_tensor_extend(
            pool: *mut akv_page_pool,
            tensor: akv_tensor,
            bytes: u64,
            out_offset: *mut u64,
        ) -> akv_status;
        /// META. Where a tensor lies, how long it is and how long it may get.
        fn akv_tensor_read_view(
            pool: *mut akv_page_pool,
            tensor: akv_tensor,
            out_view: *mut akv_memory_view,
        ) -> akv_status;
        /// META. The bytes that a tensor has now, from byte `offset` on, as a packed tensor of this dtype (view.h)
        /// and shape; one of the sizes may be -1.
        fn akv_tensor_read_shape(
            pool: *mut akv_page_pool,
            tensor: akv_tensor,
            offset: u64,
            dtype: u32,
            shape: *const i64,
            num_dimensions: u32,
            out_view: *mut akv_view,
        ) -> akv_status;
        /// META. Open a ticket.
        fn akv_page_pool_ticket_open(pool: *mut akv_page_pool, out_ticket: *mut akv_ticket) -> akv_status;
        /// META. The work has finished.
        fn akv_page_pool_ticket_retire(pool: *mut akv_page_pool, ticket: akv_ticket) -> akv_status;
        /// META. The work failed or will never finish, and touches no memory any more.
        fn akv_page_pool_ticket_abandon(pool: *mut akv_page_pool, ticket: akv_ticket) -> akv_status;
        /// META. Where a ticket stands.
        fn akv_page_pool_ticket_read(
            pool: *mut akv_page_pool,
            ticket: akv_ticket,
            out_state: *mut u32,
        ) -> akv_status;
        /// SETUP. Drop every arena of an owner, and give back every page it has acquired.
        fn akv_page_pool_drop_owner(
            pool: *mut akv_page_pool,
            owner: u64,
            out_dropped: *mut akv_dropped,
        ) -> akv_status;
        /// SETUP. Drop all arenas, and give back all pages, of everybody.
        fn akv_page_pool_drop_all(pool: *mut akv_page_pool, out_dropped: *mut akv_dropped) -> akv_status;
        /// META. All numbers of a pool.
        fn akv_page_pool_read_state(
            pool: *mut akv_page_pool,
            out_state: *mut akv_page_pool_state,
        ) -> akv_status;
    }
}

pub type akv_page = u64;
pub type akv_arena = u64;
pub type akv_tensor = u64;
