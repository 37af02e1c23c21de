/* model.h: what a KV cache must know of a model, and the models it knows by name. Numbers only: nothing here allocates
 * or is a handle.
 *
 * Start from a name (akv_model_find), from the numbers of a Hugging Face config.json (akv_model_from_fields; reading
 * the file is yours, so the library needs no JSON), or fill in an akv_model yourself. akv_model_read_group() makes the
 * layer group of it that akv_cache_config wants; planner.h says how much fits into a memory.
 *
 * Query heads are never KV heads: two fields, everywhere. A cache holds KV heads only; query heads tell what
 * grouped-query attention saves (Ainslie et al. 2023).
 *
 * Layers with a sliding window are told, and sized like all others: this release keeps a block as long as its sequence
 * (AKV_RULE_FULL), so no size here is smaller for a window.
 */
#ifndef ARENAKV_MODEL_H
#define ARENAKV_MODEL_H

#include "base.h"
#include "geometry.h"

AKV_BEGIN_DECLS

enum {
  AKV_FAMILY_OTHER = 0,
  AKV_FAMILY_LLAMA = 1,
  AKV_FAMILY_MISTRAL = 2,
  AKV_FAMILY_MIXTRAL = 3,
  AKV_FAMILY_QWEN = 4,
  AKV_FAMILY_GEMMA = 5,
  AKV_FAMILY_PHI = 6,
  AKV_FAMILY_DEEPSEEK = 7,
  AKV_FAMILY_FALCON = 8,
  AKV_FAMILY_GPT = 9 /* GPT-2 and those that name their numbers as it does */
};

enum {
  AKV_ATTENTION_MHA = 1, /* a KV head for each query head */
  AKV_ATTENTION_GQA = 2, /* a KV head for a group of query heads */
  AKV_ATTENTION_MQA = 3, /* one KV head (Shazeer 2019) */
  AKV_ATTENTION_MLA = 4  /* one latent vector for all heads (DeepSeek-V2, 2024) */
};

#define AKV_MAX_WINDOW_LAYERS 256u /* layers of a model of which some have a sliding window */

/* A model. `num_layers`, `query_heads`, `kv_heads` and `key_head_dim` must be there; for MLA the three of its own.
 * All other zeroes mean: default, or not told. */
typedef struct akv_model {
  uint32_t struct_size;
  uint32_t preset;           /* its number for akv_model_name(); 0: none. Told, not read */
  uint32_t family;           /* AKV_FAMILY_*. Told, not read */
  uint32_t attention;        /* AKV_ATTENTION_*; 0: whatever follows from the numbers below, else it must agree */
  uint32_t dtype;            /* AKV_DTYPE_* of K/V; default AKV_DTYPE_F16 */
  uint32_t num_layers;       /* that have K/V, 1 .. 65535 */
  uint32_t query_heads;      /* 1 .. 65535 */
  uint32_t kv_heads;         /* that are cached: divides query_heads. MLA: 1 */
  uint32_t key_head_dim;     /* elements of one head, 1 .. 65535. MLA: what one head attends with; 0: not told */
  uint32_t value_head_dim;   /* default key_head_dim. MLA: the same */
  uint32_t latent_dim;       /* MLA: kv_lora_rank, elements of the latent vector; 0: no MLA */
  uint32_t rope_dim;         /* MLA: qk_rope_head_dim, cached beside the latent vector */
  uint32_t max_context;      /* tokens; 0: not told */
  uint32_t sliding_window;   /* tokens; 0: none */
  uint64_t window_layers[4]; /* bit l % 64 of word l / 64: layer l has the window. All zero: every layer has it */
} akv_model;

#define AKV_MODEL_INIT {sizeof(akv_model), 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, {0u, 0u, 0u, 0u}}

/* The model of this name. "Mistral-7B", "mistral_7b" and "mistralai/Mistral-7B" are the same: case, '-', '_', '.',
 * spaces and one owner in front do not count, nor do the words instruct, chat, it, hf, base and pt.
 * The name of a family or series alone is the one of its models that is used most, and `preset` tells which:
 *   DeepSeek: DeepSeek-V3               Falcon: Falcon-7B                   Gemma, Gemma 3: Gemma-3-4B
 *   Gemma 2: Gemma-2-9B                 Llama, Llama 3.1: Llama-3.1-8B      Llama 2: Llama-2-7B
 *   Llama 3: Llama-3-8B                 Llama 3.2: Llama-3.2-1B             Llama 3.3: Llama-3.1-70B
 *   Mistral: Mistral-7B                 Mixtral: Mixtral-8x7B               Phi, Phi 3: Phi-3-mini
 *   Phi 3.5: Phi-3-mini-128k            Qwen, Qwen2, Qwen2.5: Qwen2.5-7B    Qwen3: Qwen3-8B
 *   SmolLM2: SmolLM2-1.7B
 * META     O(presets).
 * Thread   any.
 * Fails    INVALID_ARGUMENT, NOT_FOUND (the message names the closest one). */
AKV_META AKV_NODISCARD akv_status akv_model_find(const char *name, akv_model *out_model) AKV_NOEXCEPT;

/* The name of a preset, numbered from 1 without gaps; NULL for 0 and beyond the last. Static memory.
 * META     O(1).
 * Thread   any.
 * Fails    never. */
AKV_META const char *akv_model_name(uint32_t preset) AKV_NOEXCEPT;

/* The names of AKV_FAMILY_* ("Llama") and AKV_ATTENTION_* ("GQA"): static memory, never NULL; unknown values have a
 * text too.
 * META     O(1).
 * Thread   any.
 * Fails    never. */
AKV_META const char *akv_family_name(uint32_t family) AKV_NOEXCEPT;

/* See akv_family_name().
 * META     O(1).
 * Thread   any.
 * Fails    never. */
AKV_META const char *akv_attention_name(uint32_t attention) AKV_NOEXCEPT;

/* The numbers of a config.json under their own names; other names for the same are in brackets. Zero, and NULL: absent.
 * If there is a `text_config`, its numbers are meant. Arguments stay yours. */
typedef struct akv_model_fields {
  uint32_t struct_size;
  uint32_t num_hidden_layers;        /* [n_layer, n_layers, num_layers] */
  uint32_t num_attention_heads;      /* [n_head, n_heads] */
  uint32_t num_key_value_heads;      /* [n_head_kv, num_kv_heads, kv_n_heads, multi_query_group_num]; absent: MHA */
  uint32_t hidden_size;              /* [n_embd, d_model] */
  uint32_t head_dim;                 /* [kv_channels]; absent: hidden_size / num_attention_heads */
  uint32_t max_position_embeddings;  /* [n_positions, n_ctx, max_seq_len, seq_length] */
  uint32_t multi_query;              /* 1: one KV head, unless new_decoder_architecture (Falcon, StarCoder) */
  uint32_t new_decoder_architecture; /* 1: Falcon from 40B on */
  uint32_t kv_lora_rank;             /* present: MLA */
  uint32_t qk_rope_head_dim;
  uint32_t qk_nope_head_dim;
  uint32_t v_head_dim;
  uint32_t sliding_window;           /* [attention_chunk_size] */
  uint32_t use_sliding_window;       /* AKV_SLIDING_* */
  uint32_t max_window_layers;        /* of Qwen: layers from this one on have the window */
  uint32_t sliding_window_pattern;   /* n: of n layers the last has no window; default 6 for Gemma 3, 2 for Gemma 2 */
  uint32_t num_layer_types;          /* elements of layer_types; 0: absent, and the three above decide */
  uint64_t sliding_layers[4];        /* bit l % 64 of word l / 64: layer_types[l] is sliding (or chunked) attention */
  uint32_t num_other_layers;         /* layers that are neither that nor full attention: they are refused. Told by
                                      * layer_types, attn_layer_period, attn_layer_indices, full_attention_interval,
                                      * hybrid_override_pattern, block_types or layers_block_type */
  uint32_t key_projection_rows;      /* rows of k_proj.weight, where that is at hand and the KV heads are not */
  const char *model_type;            /* "llama" */
  const char *torch_dtype;           /* [dtype] "bfloat16" */
} akv_model_fields;

enum { AKV_SLIDING_ABSENT = 0, AKV_SLIDING_FALSE = 1, AKV_SLIDING_TRUE = 2 }; /* use_sliding_window */

#define AKV_MODEL_FIELDS_INIT                                                                                  \
  {sizeof(akv_model_fields), 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, {0u, 0u, 0u, 0u}, 0u, \
   0u, NULL, NULL}

/* The model that these numbers describe. What model_type leaves out of its config.json on purpose is filled in
 * (Gemma's head_dim of 256 ...); an unknown model_type is AKV_FAMILY_OTHER and read in the usual way.
 * META     O(layers).
 * Thread   any.
 * Fails    INVALID_ARGUMENT (the message names the field), UNSUPPORTED (layers without K/V, of a linear attention or a
 *          state-space model: num_other_layers, or without layer_types a model_type that always has such, as jamba;
 *          more than AKV_MAX_WINDOW_LAYERS layers of which some have a window). */
AKV_META AKV_NODISCARD akv_status
akv_model_from_fields(const akv_model_fields *fields, akv_model *out_model) AKV_NOEXCEPT;

/* KV heads from dimensions alone: rows of the key projection / head_dim. Where queries, keys and values are one
 * projection, the keys' rows are (its rows - query_heads x head_dim) / 2. `query_heads` 0: not told, not checked.
 * META     O(1).
 * Thread   any.
 * Fails    INVALID_ARGUMENT (no whole number of heads; they do not divide the query heads). */
AKV_META AKV_NODISCARD akv_status akv_model_detect_kv_heads(uint64_t key_projection_rows, uint32_t head_dim,
                                                            uint32_t query_heads, uint32_t *out_kv_heads) AKV_NOEXCEPT;

/* The model as a layer group for akv_cache_config: keys and values, or one latent plane, without scales (their
 * scale_bytes are yours to set). `dtype` 0: the model's. out_group->planes becomes `out_planes`, an array of `capacity`
 * planes of out_group->plane_size bytes: set that before the call. `group_size` is sizeof(akv_layer_group).
 * query_heads is 0 for MLA: its saving is not a number of heads, see akv_model_read_sizes().
 * META     O(planes).
 * Thread   any.
 * Fails    INVALID_ARGUMENT, BUFFER_TOO_SMALL (2 planes are always enough). */
AKV_META AKV_NODISCARD akv_status
akv_model_read_group(const akv_model *model, uint32_t dtype, akv_layer_group *out_group, uint32_t group_size,
                     akv_plane *out_planes, uint32_t capacity) AKV_NOEXCEPT;

/* Exact bytes, without rounding to blocks (planner.h does that). */
typedef struct akv_model_sizes {
  uint32_t struct_size;
  uint32_t attention;             /* AKV_ATTENTION_* */
  uint32_t dtype;                 /* counted with */
  uint32_t num_layers;            /* counted */
  uint64_t num_tokens;            /* counted */
  uint64_t bytes_per_token_layer; /* all planes of one layer */
  uint64_t bytes_per_token;       /* of all layers counted */
  uint64_t bytes;                 /* of all tokens */
  uint64_t query_head_bytes;      /* what `bytes` would be with a KV head for each query head; 0: not told (MLA) */
  uint64_t saved_bytes;           /* query_head_bytes - bytes, 0 at least: what GQA, MQA or MLA saves */
} akv_model_sizes;

#define AKV_MODEL_SIZES_INIT {sizeof(akv_model_sizes), 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* What the K/V of `num_tokens` tokens take. `dtype` 0: the model's; `num_layers` 0: all of them, else a part of them.
 * META     O(1).
 * Thread   any.
 * Fails    INVALID_ARGUMENT, OUT_OF_RANGE (2^64 bytes or more, with a KV head for each query head too). */
AKV_META AKV_NODISCARD akv_status
akv_model_read_sizes(const akv_model *model, uint32_t dtype, uint32_t num_layers, uint64_t num_tokens,
                     akv_model_sizes *out_sizes) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_MODEL_H */
