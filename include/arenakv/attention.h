/* attention.h: attention of new tokens over what stores hold (paged decode; Kwon et al. 2023). K/V are read where they
 * lie, in whatever they are kept as (geometry.h), and nothing is copied; sums are made in float32.
 *
 * Grouped queries share their KV head (GQA, Ainslie et al. 2023). With one latent plane it is the absorbed form of MLA
 * (DeepSeek-V2, 2024): queries have the latent's dim, values are the first value_dim elements of the same rows. A
 * sequence's tokens may lie in several *parts* one after the other (a quantized store and a full-precision tail,
 * two_tier.h), which are seen in one softmax; results of calls of their own are put together by akv_attention_merge(),
 * so a prefix that many sequences share is attended to once (cascade inference, Ye et al. 2024).
 */
#ifndef ARENAKV_ATTENTION_H
#define ARENAKV_ATTENTION_H

#include "base.h"
#include "geometry.h"

AKV_BEGIN_DECLS

#define AKV_MAX_ATTENTION_PARTS 8

/* A stretch of every sequence's tokens, in the blocks of one store. Passed in arrays with an element size. */
typedef struct akv_attention_part {
  akv_store *store;
  const int32_t *block_table;      /* [sequence][table_stride]: the blocks of its tokens here, in order of position */
  int64_t table_stride;            /* entries from one sequence's row to the next's; 0: one row, the same for all */
  const uint32_t *lengths;         /* [sequence]: its tokens here; may be 0 */
  const uint32_t *first_positions; /* [sequence]: of its first token here; NULL: behind the part before, or 0 */
  const float *key_scales;         /* of AKV_SCALING_HEAD: one for each head of the store; NULL: all are 1 */
  const float *value_scales;       /* of a latent plane those of its keys: NULL */
} akv_attention_part;

/* Zero means default. All arrays are data: they are read when the work is done, so keep them, unchanged, until the
 * stream has passed it. */
typedef struct akv_attention {
  uint32_t struct_size;
  uint32_t flags;             /* none yet: 0 */
  uint32_t layer;             /* of the cache */
  uint32_t num_sequences;
  uint32_t num_queries;       /* of each sequence; default 1. All of them see all of its tokens: there is no mask among
                               * them, so a prompt's own tokens are not for this */
  uint32_t query_heads;       /* of the store's KV heads: a multiple of them */
  uint32_t dtype;             /* of query and out: AKV_DTYPE_F32, F16, BF16 */
  uint32_t value_dim;         /* of a latent plane: elements that are values; else 0 */
  const void *query;          /* [sequence][query][query head][head_dim of the keys] */
  void *out;                  /* [sequence][query][query head][head_dim of the values] */
  float *log_sums;            /* [sequence][query][query head]: log of the sum of exponentials, for merging; or NULL */
  int64_t query_strides[3];   /* bytes, of the first three dimensions; all 0: packed */
  int64_t out_strides[3];
  float scale;                /* of scores; default 1 / sqrt(head_dim of the keys) */
  float soft_cap;             /* cap x tanh(score / cap) (Gemma 2); 0: none */
  uint32_t window;            /* tokens that a query sees, itself included: positions > its own - window; 0: all */
  uint32_t sink_tokens;       /* with a window: tokens at positions below this are seen as well (StreamingLLM, 2024) */
  const float *sink_logits;   /* [query head]: one more score of each softmax, without a value (gpt-oss); NULL: none */
  const uint32_t *positions;  /* [sequence]: of its queries, for the window; NULL: that of its last token */
  const akv_attention_part *parts;
  uint32_t num_parts;         /* 1 to AKV_MAX_ATTENTION_PARTS */
  uint32_t part_size;         /* sizeof(akv_attention_part) */
} akv_attention;

#define AKV_ATTENTION_INIT                                                                                       \
  {sizeof(akv_attention), 0u, 0u, 0u, 0u, 0u, 0u, 0u, NULL, NULL, NULL, {0, 0, 0}, {0, 0, 0}, 0.0f, 0.0f, 0u, 0u, \
   NULL, NULL, NULL, 0u, 0u}

/* Attend. A sequence that sees no token gets zeroes, and -infinity as its log sum (with sink_logits: their sum's).
 * KERNEL   O(bytes of K/V named), at the speed of reading them; nothing is counted: nothing moves.
 * Thread   any; nobody may write the tokens meanwhile.
 * Fails    as every call, OUT_OF_RANGE (a layer that is not stored, a block that does not exist, 2^32 rows of queries),
 *          INVALID_ARGUMENT (heads or dims that do not fit the store's planes, a number that is not finite),
 *          OTHER_GEOMETRY (parts whose heads or dims differ), UNSUPPORTED (planes that are neither keys and values nor
 *          one latent; heads of over 1024 elements; codes without a scaling), QUEUE_FULL. */
AKV_KERNEL AKV_NODISCARD akv_status
akv_attention_decode(const akv_attention *attention, akv_stream *stream) AKV_NOEXCEPT;

/* Results of the same queries over two halves of the tokens, each with its log sums, become that over all of them:
 * `num_rows` packed rows of `dim` elements of `dtype` (F32, F16, BF16). The outputs may be either of the inputs.
 * `out_log_sums` may be NULL. Sinks may be in one of the two halves only.
 * KERNEL   O(rows x dim).
 * Thread   any. The arrays are data: keep them until the stream has passed it.
 * Fails    as every call, INVALID_ARGUMENT (a dtype that is no number's), OUT_OF_RANGE (2^64 bytes), QUEUE_FULL. */
AKV_KERNEL AKV_NODISCARD akv_status
akv_attention_merge(const void *a, const float *a_log_sums, const void *b, const float *b_log_sums, void *out,
                    float *out_log_sums, uint64_t num_rows, uint32_t dim, uint32_t dtype,
                    akv_stream *stream) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_ATTENTION_H */
