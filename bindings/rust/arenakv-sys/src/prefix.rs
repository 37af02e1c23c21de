//! prefix.rs: which beginnings of prompts are cached.
//! The contract of every function is in `arenakv/prefix.h`; here are its types and nothing else.

use crate::*;

bindings! {
    constants {
        AKV_MISS_NONE: u32 = 0;
        AKV_MISS_NEVER_STORED: u32 = 1;
        AKV_MISS_OTHER_DOMAIN: u32 = 2;
        AKV_MISS_NOT_COMMITTED: u32 = 3;
        AKV_MISS_IN_FLIGHT: u32 = 4;
        AKV_MISS_LAST_TOKEN: u32 = 5;
        AKV_CLEAR_KEEP_PINNED: u32 = 1;
    }
    structs {
        /// The beginning of a sequence.
        akv_prompt {
            struct_size: u32,
            num_tokens: u32,
            tokens: *const i32,
            domain: u64,
        }
        /// See `arenakv/prefix.h`.
        akv_match {
            struct_size: u32,
            cached_tokens: u32,
            partial_tokens: u32,
            cached_blocks: u32,
            wait: akv_ticket,
        }
        /// Why a prompt hits as far as it does, and no further.
        akv_explanation {
            struct_size: u32,
            reason: u32,
            cached_tokens: u32,
            partial_tokens: u32,
            first_missed: u32,
            unused: u32,
            wait: akv_ticket,
            sequence: akv_sequence,
        }
    }
    functions {
        /// META. How much of this prompt is cached?
        fn akv_prefix_match(
            cache: *mut akv_cache,
            prompt: *const akv_prompt,
            out_match: *mut akv_match,
        ) -> akv_status;
        /// SETUP. Explain a match, for the operator.
        fn akv_prefix_explain(
            cache: *mut akv_cache,
            prompt: *const akv_prompt,
            out_explanation: *mut akv_explanation,
        ) -> akv_status;
        /// META. Pin the cached blocks of a prompt (whole blocks, the last token not kept back) until the pin is
        /// released.
        fn akv_prefix_pin(
            cache: *mut akv_cache,
            prompt: *const akv_prompt,
            owner: u64,
            out_pin: *mut akv_pin,
            out_tokens: *mut u32,
        ) -> akv_status;
        /// META. Release a pin.
        fn akv_prefix_unpin(cache: *mut akv_cache, pin: akv_pin) -> akv_status;
        /// SETUP. Make all that is in the index unfindable.
        fn akv_prefix_clear(
            cache: *mut akv_cache,
            domain: *const u64,
            flags: u32,
            out_blocks: *mut u32,
        ) -> akv_status;
    }
}
