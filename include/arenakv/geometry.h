/* geometry.h: what a block is in bytes. Numbers only: nothing here allocates or is a handle.
 *
 * A model's KV cache is a list of *layer groups*; a group is a number of equal layers, each made of *planes*. Keys
 * are a plane and values are a plane; DeepSeek's latent attention (MLA) has one plane. Query heads are not KV heads:
 * they appear here for reports only (GQA), never in a size.
 */
#ifndef ARENAKV_GEOMETRY_H
#define ARENAKV_GEOMETRY_H

#include "base.h"

AKV_BEGIN_DECLS

enum {
  AKV_DTYPE_F32 = 1,
  AKV_DTYPE_F16 = 2,
  AKV_DTYPE_BF16 = 3,
  AKV_DTYPE_F8_E4M3 = 4,
  AKV_DTYPE_I8 = 5,
  AKV_DTYPE_I4 = 6 /* two to a byte; heads x dim must be even */
};

/* How the codes of a quantized dtype become numbers. A scale is a float32, at least
 * 2^-126; a pair is {scale, lowest} in bfloat16. */
enum {
  AKV_SCALING_NONE = 0,        /* numbers as they are; or codes and scales that are the caller's own business */
  AKV_SCALING_HEAD = 1,        /* F8_E4M3, I8: a scale for each head, which callers pass where K/V are converted */
  AKV_SCALING_TOKEN_HEAD = 2,  /* F8_E4M3, I8: a scale for each token and head: kv_heads x 4 bytes a token */
  AKV_SCALING_TOKEN_GROUP = 3, /* I4: a pair for each token and 32 elements of a head, the last ones fewer */
  AKV_SCALING_CHANNEL = 4      /* I4: a pair for each element of a head over 32 tokens of a block, or all of a smaller
                                * block (KIVI, Liu et al. 2024): written as whole blocks only, copied as whole blocks */
};

enum { AKV_PLANE_KEYS = 1, AKV_PLANE_VALUES = 2, AKV_PLANE_LATENT = 3 };

/* One plane of one layer: heads x dim elements for each token, and scales beside them where the dtype wants some.
 * Passed in arrays with an element size, so it can grow. */
typedef struct akv_plane {
  uint32_t role;            /* AKV_PLANE_* */
  uint32_t dtype;           /* AKV_DTYPE_* */
  uint32_t kv_heads;        /* 1 .. 65535 */
  uint32_t head_dim;        /* elements of one head, 1 .. 65535 */
  uint32_t scale_bytes;     /* bytes of scales for each token, inside the block; 0: none, or as `scaling` wants it */
  uint32_t scaling;         /* AKV_SCALING_*: of codes that the library makes and reads (copy.h, attention.h) */
} akv_plane;

enum { AKV_RULE_FULL = 1 /* every token attends to all before it: a block is kept as long as its sequence */ };

/* Layers that share a block table. This release takes one group of rule FULL; more is UNSUPPORTED.
 * Passed in arrays with an element size, so it can grow. */
typedef struct akv_layer_group {
  uint32_t rule;            /* AKV_RULE_* */
  uint32_t num_layers;      /* 1 .. 65535 */
  uint32_t num_planes;      /* 1 .. 64 planes of each layer */
  uint32_t plane_size;      /* sizeof(akv_plane) */
  const akv_plane *planes;
  uint32_t query_heads;     /* of each layer; 0: not told */
  uint32_t unused;          /* 0 */
} akv_layer_group;

/* What a cache of this shape needs, all in bytes. */
typedef struct akv_sizes {
  uint32_t struct_size;
  uint32_t block_tokens;
  uint64_t bytes_per_token;          /* over all layers and planes, scales included */
  uint64_t bytes_per_block;          /* bytes_per_token x block_tokens */
  uint64_t total_bytes;              /* bytes_per_block x num_blocks; the null block comes on top */
  uint64_t query_head_bytes;         /* what total_bytes would be with a KV head for each query head; 0: not told */
  uint64_t metadata_reserved_bytes;  /* address space of the cache's metadata */
  uint64_t swap_bytes;               /* bytes_per_block x num_swap_blocks */
} akv_sizes;

#define AKV_SIZES_INIT {sizeof(akv_sizes), 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* Blocks that `num_tokens` tokens take: ceil(num_tokens / block_tokens); 0 if block_tokens is 0.
 * META     O(1).
 * Thread   any.
 * Fails    never. */
AKV_META uint64_t akv_blocks_for(uint64_t num_tokens, uint32_t block_tokens) AKV_NOEXCEPT;

/* What K/V are kept as: names for planes. Figures: relative error of attention over 4,096 random tokens of dim 128. */
enum {
  AKV_FORMAT_F32 = 1,
  AKV_FORMAT_F16 = 2,
  AKV_FORMAT_BF16 = 3,
  AKV_FORMAT_F8 = 4,       /* F8_E4M3, SCALING_HEAD: 0.04 */
  AKV_FORMAT_F8_TOKEN = 5, /* F8_E4M3, SCALING_TOKEN_HEAD: 0.04 */
  AKV_FORMAT_I8 = 6,       /* I8, SCALING_TOKEN_HEAD: 0.01 */
  AKV_FORMAT_K8V4 = 7,     /* keys F8_E4M3 TOKEN_HEAD, values I4 TOKEN_GROUP: 0.08 */
  AKV_FORMAT_I4 = 8        /* keys I4 CHANNEL, values I4 TOKEN_GROUP, a latent I4 CHANNEL: 0.11 */
};

/* Set dtype, scaling and scale_bytes of planes to a format; their roles, heads and dims must be there. `plane_size` is
 * sizeof(akv_plane). On failure no plane has changed.
 * META     O(planes).
 * Thread   any.
 * Fails    INVALID_ARGUMENT (an unknown format; a head_dim, or block_tokens, that the scaling has no use for). */
AKV_META AKV_NODISCARD akv_status akv_planes_choose(akv_plane *planes, uint32_t num_planes, uint32_t plane_size,
                                                    uint32_t format, uint32_t block_tokens) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_GEOMETRY_H */
