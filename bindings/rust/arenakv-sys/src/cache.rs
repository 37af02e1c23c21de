//! cache.rs: the metadata of one KV cache: blocks of N tokens as int32 ids, who holds them, in what order they leave.
//! The contract of every function is in `arenakv/cache.h`; here are its types and nothing else.

use crate::*;

bindings! {
    constants {
        AKV_BLOCK_ALLOCATOR_STACK: u32 = 0;
        AKV_BLOCK_ALLOCATOR_BUDDY: u32 = 1;
        AKV_SCRUB_DOMAIN: u32 = 0;
        AKV_SCRUB_NONE: u32 = 1;
        AKV_SCRUB_ALWAYS: u32 = 2;
        AKV_CACHE_PREFAULT: u32 = 1;
    }
    structs {
        /// Zero means default.
        akv_cache_config {
            struct_size: u32,
            flags: u32,
            num_blocks: u32,
            block_tokens: u32,
            max_sequences: u32,
            max_tokens_per_sequence: u32,
            max_open_tickets: u32,
            max_plans: u32,
            max_holds: u32,
            max_pinned_blocks: u32,
            magazine_blocks: u32,
            block_allocator: u32,
            scrub: u32,
            num_groups: u32,
            group_size: u32,
            num_swap_blocks: u32,
            groups: *const akv_layer_group,
            allocator: *const akv_allocator,
        }
    }
    functions {
        /// META. What a cache of this configuration would need, without making one.
        fn akv_cache_config_sizes(config: *const akv_cache_config, out_sizes: *mut akv_sizes) -> akv_status;
        /// SETUP. Make a cache.
        fn akv_cache_create(config: *const akv_cache_config, out_cache: *mut *mut akv_cache) -> akv_status;
        /// SETUP. Destroy a cache with everything in it, live sequences included.
        fn akv_cache_destroy(cache: *mut akv_cache) -> akv_status;
        /// META. The configuration in use, with every default filled in.
        fn akv_cache_read_config(cache: *mut akv_cache, out_config: *mut akv_cache_config) -> akv_status;
        /// META. One layer group, and its planes into your array of `capacity` planes (out_group->num_planes tells
        /// how many there are, also when the array is too small).
        fn akv_cache_read_group(
            cache: *mut akv_cache,
            group: u32,
            out_group: *mut akv_layer_group,
            group_size: u32,
            out_planes: *mut akv_plane,
            capacity: u32,
        ) -> akv_status;
    }
}
