//! geometry.rs: what a block is in bytes.
//! The contract of every function is in `arenakv/geometry.h`; here are its types and nothing else.

use crate::*;

bindings! {
    constants {
        AKV_DTYPE_F32: u32 = 1;
        AKV_DTYPE_F16: u32 = 2;
        AKV_DTYPE_BF16: u32 = 3;
        AKV_DTYPE_F8_E4M3: u32 = 4;
        AKV_DTYPE_I8: u32 = 5;
        AKV_DTYPE_I4: u32 = 6;
        AKV_SCALING_NONE: u32 = 0;
        AKV_SCALING_HEAD: u32 = 1;
        AKV_SCALING_TOKEN_HEAD: u32 = 2;
        AKV_SCALING_TOKEN_GROUP: u32 = 3;
        AKV_SCALING_CHANNEL: u32 = 4;
        AKV_PLANE_KEYS: u32 = 1;
        AKV_PLANE_LATENT: u32 = 3;
        AKV_PLANE_VALUES: u32 = 2;
        AKV_RULE_FULL: u32 = 1;
        AKV_FORMAT_F32: u32 = 1;
        AKV_FORMAT_F16: u32 = 2;
        AKV_FORMAT_BF16: u32 = 3;
        AKV_FORMAT_F8: u32 = 4;
        AKV_FORMAT_F8_TOKEN: u32 = 5;
        AKV_FORMAT_I8: u32 = 6;
        AKV_FORMAT_K8V4: u32 = 7;
        AKV_FORMAT_I4: u32 = 8;
    }
    structs {
        /// One plane of one layer.
        akv_plane {
            role: u32,
            dtype: u32,
            kv_heads: u32,
            head_dim: u32,
            scale_bytes: u32,
            scaling: u32,
        }
        /// Layers that share a block table.
        akv_layer_group {
            rule: u32,
            num_layers: u32,
            num_planes: u32,
            plane_size: u32,
            planes: *const akv_plane,
            query_heads: u32,
            unused: u32,
        }
        /// What a cache of this shape needs, all in bytes.
        akv_sizes {
            struct_size: u32,
            block_tokens: u32,
            bytes_per_token: u64,
            bytes_per_block: u64,
            total_bytes: u64,
            query_head_bytes: u64,
            metadata_reserved_bytes: u64,
            swap_bytes: u64,
        }
    }
    functions {
        /// META. Blocks that `num_tokens` tokens take.
        fn akv_blocks_for(num_tokens: u64, block_tokens: u32) -> u64;
        /// META. Set dtype, scaling and scale_bytes of planes to a format; their roles, heads and dims must be
        /// there.
        fn akv_planes_choose(
            planes: *mut akv_plane,
            num_planes: u32,
            plane_size: u32,
            format: u32,
            block_tokens: u32,
        ) -> akv_status;
    }
}
