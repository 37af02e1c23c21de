//! copy_pager.rs: paging: when the cache's blocks are full, the coldest sequences go to the swap blocks and come back on use.
//! The contract of every function is in `arenakv/copy_pager.h`; here are its types and nothing else.

use crate::*;

bindings! {
    structs {
        /// See `arenakv/copy_pager.h`.
        akv_pager_config {
            struct_size: u32,
            num_stores: u32,
            stores: *const *mut akv_store,
        }
        /// See `arenakv/copy_pager.h`.
        akv_residence {
            struct_size: u32,
            resident: u32,
            pending: u32,
            started_out: u32,
            started_in: u32,
            unused: u32,
            wait: akv_ticket,
        }
    }
    functions {
        /// SETUP. Make a pager for one cache.
        fn akv_pager_create(
            cache: *mut akv_cache,
            config: *const akv_pager_config,
            out_pager: *mut *mut akv_pager,
        ) -> akv_status;
        /// SETUP. End a pager.
        fn akv_pager_destroy(pager: *mut akv_pager) -> akv_status;
        /// COPY. Make sequences resident.
        fn akv_copy_make_resident(
            pager: *mut akv_pager,
            sequences: *const akv_sequence,
            num_tokens: *const u32,
            num_sequences: u32,
            out_residence: *mut akv_residence,
            stream: *mut akv_stream,
        ) -> akv_status;
    }
}
