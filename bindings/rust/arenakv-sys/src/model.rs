//! model.rs: what a KV cache must know of a model, and the models it knows by name.
//! The contract of every function is in `arenakv/model.h`; here are its types and nothing else.

use core::ffi::c_char;

use crate::*;

bindings! {
    constants {
        AKV_FAMILY_OTHER: u32 = 0;
        AKV_FAMILY_LLAMA: u32 = 1;
        AKV_FAMILY_MISTRAL: u32 = 2;
        AKV_FAMILY_MIXTRAL: u32 = 3;
        AKV_FAMILY_QWEN: u32 = 4;
        AKV_FAMILY_GEMMA: u32 = 5;
        AKV_FAMILY_PHI: u32 = 6;
        AKV_FAMILY_DEEPSEEK: u32 = 7;
        AKV_FAMILY_FALCON: u32 = 8;
        AKV_FAMILY_GPT: u32 = 9;
        AKV_ATTENTION_MHA: u32 = 1;
        AKV_ATTENTION_GQA: u32 = 2;
        AKV_ATTENTION_MQA: u32 = 3;
        AKV_ATTENTION_MLA: u32 = 4;
        AKV_MAX_WINDOW_LAYERS: u32 = 256;
        AKV_SLIDING_ABSENT: u32 = 0;
        AKV_SLIDING_FALSE: u32 = 1;
        AKV_SLIDING_TRUE: u32 = 2;
    }
    structs {
        /// A model.
        akv_model {
            struct_size: u32,
            preset: u32,
            family: u32,
            attention: u32,
            dtype: u32,
            num_layers: u32,
            query_heads: u32,
            kv_heads: u32,
            key_head_dim: u32,
            value_head_dim: u32,
            latent_dim: u32,
            rope_dim: u32,
            max_context: u32,
            sliding_window: u32,
            window_layers: [u64; 4],
        }
        /// The numbers of a config.json under their own names; other names for the same are in brackets.
        akv_model_fields {
            struct_size: u32,
            num_hidden_layers: u32,
            num_attention_heads: u32,
            num_key_value_heads: u32,
            hidden_size: u32,
            head_dim: u32,
            max_position_embeddings: u32,
            multi_query: u32,
            new_decoder_architecture: u32,
            kv_lora_rank: u32,
            qk_rope_head_dim: u32,
            qk_nope_head_dim: u32,
            v_head_dim: u32,
            sliding_window: u32,
            use_sliding_window: u32,
            max_window_layers: u32,
            sliding_window_pattern: u32,
            num_layer_types: u32,
            sliding_layers: [u64; 4],
            num_other_layers: u32,
            key_projection_rows: u32,
            model_type: *const c_char,
            torch_dtype: *const c_char,
        }
        /// Exact bytes, without rounding to blocks (planner.h does that).
        akv_model_sizes {
            struct_size: u32,
            attention: u32,
            dtype: u32,
            num_layers: u32,
            num_tokens: u64,
            bytes_per_token_layer: u64,
            bytes_per_token: u64,
            bytes: u64,
            query_head_bytes: u64,
            saved_bytes: u64,
        }
    }
    functions {
        /// META. The model of this name.
        fn akv_model_find(name: *const c_char, out_model: *mut akv_model) -> akv_status;
        /// META. The name of a preset, numbered from 1 without gaps; NULL for 0 and beyond the last.
        fn akv_model_name(preset: u32) -> *const c_char;
        /// META. The names of AKV_FAMILY_* ("Llama") and AKV_ATTENTION_* ("GQA").
        fn akv_family_name(family: u32) -> *const c_char;
        /// META. See akv_family_name().
        fn akv_attention_name(attention: u32) -> *const c_char;
        /// META. The model that these numbers describe.
        fn akv_model_from_fields(fields: *const akv_model_fields, out_model: *mut akv_model) -> akv_status;
        /// META. KV heads from dimensions alone.
        fn akv_model_detect_kv_heads(
            key_projection_rows: u64,
            head_dim: u32,
            query_heads: u32,
            out_kv_heads: *mut u32,
        ) -> akv_status;
        /// META. The model as a layer group for akv_cache_config.
        fn akv_model_read_group(
            model: *const akv_model,
            dtype: u32,
            out_group: *mut akv_layer_group,
            group_size: u32,
            out_planes: *mut akv_plane,
            capacity: u32,
        ) -> akv_status;
        /// META. What the K/V of `num_tokens` tokens take.
        fn akv_model_read_sizes(
            model: *const akv_model,
            dtype: u32,
            num_layers: u32,
            num_tokens: u64,
            out_sizes: *mut akv_model_sizes,
        ) -> akv_status;
    }
}
