//! base.rs: what every other header needs: cost classes, handle types and the few constants everybody uses.
//! The contract of every function is in `arenakv/base.h`; here are its types and nothing else.

bindings! {
    constants {
        AKV_NONE: u64 = 0;
        AKV_UNSET: u32 = 4294967295;
        AKV_TOKEN_UNKNOWN: i32 = -2147483648;
        AKV_NULL_BLOCK: i32 = 0;
        AKV_PAD_SLOT: i64 = -1;
        AKV_DEVICE_HOST: u32 = 0;
        AKV_MAX_BLOCKS: u32 = 2147483646;
        AKV_MAX_SEQUENCES: u32 = 1048575;
        AKV_MAX_SEQUENCE_TOKENS: u32 = 2147483647;
        AKV_MAX_BLOCK_TOKENS: u32 = 4096;
        AKV_MAX_CACHES: u32 = 255;
        AKV_MAX_OBJECTS: u32 = 255;
    }
}

/// What a call answers: 0 (`AKV_OK`) or negative.
pub type akv_status = i32;

/// Opaque types of this header: never dereferenced, by anybody.
macro_rules! opaque {
    ($($(#[$about:meta])* $name:ident)*) => {$(
        $(#[$about])*
        #[repr(C)]
        #[derive(Debug)]
        pub struct $name {
            opaque: [u8; 0],
        }
    )*};
}

opaque! {
    /// A cache.
    akv_cache
    /// The bytes of a cache's blocks.
    akv_store
    /// An order of work.
    akv_stream
    /// A record of who took how much memory.
    akv_tracker
    /// A policy of who has to leave.
    akv_pager
    /// Rows of tokens in full precision.
    akv_tail
    /// Pages of memory (arena.h).
    akv_page_pool
}

pub type akv_sequence = u64;
pub type akv_plan = u64;
pub type akv_lease = u64;
pub type akv_pin = u64;
pub type akv_tail_row = u64;
pub type akv_ticket = u64;
