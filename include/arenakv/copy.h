/* copy.h: the functions that move KV bytes between stores and the caller's memory, on a stream, all of them counted.
 *
 * A call checks everything first, then queues one piece of work; on failure nothing was moved. Without a stream (NULL),
 * or on one without workers, the work is done when the call returns. Ids, slots and records are copied into the
 * stream's queue; *data* buffers, and scales, are read or written when the work is done, so keep them until the stream
 * has passed it, and never inside a store. A store can't be destroyed while work on it is queued.
 *
 * akv_store_read_stats() tells what was moved, by kind and direction: the bytes of K/V, not of ids.
 */
#ifndef ARENAKV_COPY_H
#define ARENAKV_COPY_H

#include "base.h"
#include "plan.h"
#include "store.h"
#include "stream.h"

AKV_BEGIN_DECLS

/* K/V of tokens in the caller's memory: of one plane. Slices of a fused QKV tensor are strides. With `dtype` 0 elements
 * are moved as they are, and scales, where the plane has them, with them. Else `data` are numbers, which become what
 * the plane keeps (vLLM's quantizing reshape_and_cache), or come out of it: nearest even; infinity becomes the largest
 * code, and NaN, which is NaN in E4M3, 0 in I8 and the lowest in I4; no scale is made of either. Passed in arrays with
 * an element size. */
typedef struct akv_token_data {
  void *data;           /* element 0 of token 0, head first_head of the store */
  int64_t token_stride; /* bytes; 0: packed, heads x dim elements */
  int64_t head_stride;  /* bytes; 0: packed, dim elements */
  void *scales;         /* dtype 0: NULL: none, as the plane must say too. Else for AKV_SCALING_HEAD a const float * to
                         * one for each head of the store, NULL: all are 1; for other planes NULL */
  int64_t scale_stride; /* bytes; 0: packed */
  uint32_t plane;       /* its index in akv_layer_group.planes, from 0: not its role; none twice */
  uint32_t dtype;       /* of `data`: 0: as the plane's; AKV_DTYPE_F32, F16, BF16: converted */
} akv_token_data;

/* Write the K/V of `num_tokens` tokens of one layer to their slots (step.h: block x block_tokens + offset). A negative
 * slot is skipped: padding. vLLM calls this reshape_and_cache.
 * COPY     O(bytes), counted as AKV_MOVED_WRITE.
 * Thread   any; nobody else may write these slots, and none may be there twice.
 * Fails    as every call, OUT_OF_RANGE (a slot behind the last block or of the null block, a layer, a plane),
 *          INVALID_ARGUMENT (a plane twice, no scales where it has some), UNSUPPORTED (a plane with
 *          AKV_SCALING_CHANNEL: its blocks are scattered whole; to be converted, codes without a scaling),
 *          QUEUE_FULL. */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_write_tokens(akv_store *store, uint32_t layer, const int64_t *slots, uint32_t num_tokens,
                      const akv_token_data *planes, uint32_t num_planes, uint32_t data_size,
                      akv_stream *stream) AKV_NOEXCEPT;

/* The other way: read tokens of one layer out of their slots. What a negative slot would fill stays as it is.
 * COPY     O(bytes), counted as AKV_MOVED_READ.
 * Thread   any.
 * Fails    as akv_copy_write_tokens(), but AKV_SCALING_CHANNEL is fine. */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_read_tokens(akv_store *store, uint32_t layer, const int64_t *slots, uint32_t num_tokens,
                     const akv_token_data *planes, uint32_t num_planes, uint32_t data_size,
                     akv_stream *stream) AKV_NOEXCEPT;

/* A stretch of one sequence: tokens first_token .. first_token + num_tokens - 1 of these blocks, in some layers, and
 * the packed memory that it is gathered into or scattered from:
 * [layer][plane][token][head][dim], a plane's scales [token][scale_bytes] behind its elements; with a `dtype` numbers
 * of that type alone. Passed in arrays with an element size. */
typedef struct akv_span {
  const int32_t *blocks; /* in order of position */
  uint32_t num_blocks;
  uint32_t first_token;  /* counted from the start of blocks[0] */
  uint32_t num_tokens;
  uint32_t first_layer;  /* counted among the layers of the cache */
  uint32_t num_layers;   /* 0: from first_layer on, all that are stored */
  uint32_t dtype;        /* of `data`: 0: as the planes'; AKV_DTYPE_F32, F16, BF16: converted */
  void *data;
  uint64_t bytes;        /* of `data`: at least what akv_store_span_bytes() says */
  const float *head_scales; /* of planes with AKV_SCALING_HEAD, where `dtype` is not 0: [layer of the span][plane]
                             * [head], with a place for every plane; NULL: all are 1 */
} akv_span;

/* Bytes that a span takes when packed: layers x tokens x bytes of this store's planes and heads, as they are (`dtype`
 * 0), or as numbers of `dtype`.
 * META     O(planes).
 * Thread   any.
 * Fails    as every call, OUT_OF_RANGE (a layer that is not stored), INVALID_ARGUMENT (a dtype that is no number's),
 *          UNSUPPORTED (codes without a scaling become no numbers). */
AKV_META AKV_NODISCARD akv_status
akv_store_span_bytes(akv_store *store, uint32_t first_layer, uint32_t num_layers, uint32_t num_tokens, uint32_t dtype,
                     uint64_t *out_bytes) AKV_NOEXCEPT;

/* Gather spans of sequences, each into its packed memory.
 * COPY     O(bytes), counted as AKV_MOVED_GATHER.
 * Thread   any.
 * Fails    as every call, OUT_OF_RANGE (a block, a layer, more tokens than the blocks hold), BUFFER_TOO_SMALL (names
 *          the span and the bytes needed), UNSUPPORTED (to be converted: codes without a scaling), QUEUE_FULL. */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_gather(akv_store *store, const akv_span *spans, uint32_t num_spans, uint32_t span_size,
                akv_stream *stream) AKV_NOEXCEPT;

/* Scatter packed memory into spans of sequences.
 * COPY     O(bytes), counted as AKV_MOVED_SCATTER.
 * Thread   any; nobody else may write these tokens, and no token may be in two of the spans.
 * Fails    as akv_copy_gather(), OUT_OF_RANGE (the null block, too), UNSUPPORTED (with
 *          AKV_SCALING_CHANNEL, a block that is not whole). */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_scatter(akv_store *store, const akv_span *spans, uint32_t num_spans, uint32_t span_size,
                 akv_stream *stream) AKV_NOEXCEPT;

/* Zero whole blocks, in all layers and planes of the store; the null block, too.
 * COPY     O(bytes), counted as AKV_MOVED_ZERO.
 * Thread   any; nobody else may write these blocks.
 * Fails    as every call, OUT_OF_RANGE (a block), INVALID_ARGUMENT (a block twice), QUEUE_FULL. */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_zero(akv_store *store, const int32_t *blocks, uint32_t num_blocks, akv_stream *stream) AKV_NOEXCEPT;

/* Copy whole blocks from one store to another, or inside one: from_blocks[i] to to_blocks[i], for the layers and heads
 * that both stores have, whatever their layouts. Shards are joined or split by one call for each pair. With
 * AKV_BLOCKS_VERIFY the copy is compared with its source when it is complete; how it went, akv_stream_poll() tells
 * where there are workers, and this call where there are none.
 * COPY     O(bytes), counted as AKV_MOVED_BLOCKS on the target; with VERIFY, both are read once more.
 * Thread   any; nobody else may write the target blocks.
 * Fails    as every call, OTHER_GEOMETRY (block_tokens, planes or dtypes differ, or no layer or head is in both),
 *          OUT_OF_RANGE (a block, the null block as a target), INVALID_ARGUMENT (a target twice; inside one store, a
 *          target that is a source as well), QUEUE_FULL, VERIFY_FAILED.
 */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_blocks(akv_store *from, const int32_t *from_blocks, akv_store *to, const int32_t *to_blocks,
                uint32_t num_blocks, uint32_t flags, akv_stream *stream) AKV_NOEXCEPT;

#define AKV_BLOCKS_VERIFY 1u

/* The same where the two stores keep their K/V as something else: requantized, or read back into full precision. The
 * stores' planes have the same roles, heads and dims. `from_scales` and `to_scales` are of planes with
 * AKV_SCALING_HEAD: [stored layer][plane][head of the store], with a place for every plane; NULL: all are 1.
 * COPY     O(bytes), counted as AKV_MOVED_CONVERTED on the target.
 * Thread   any; nobody else may write the target blocks.
 * Fails    as akv_copy_blocks(), INVALID_ARGUMENT (one store on both sides), UNSUPPORTED (codes without a scaling). */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_converted(akv_store *from, const int32_t *from_blocks, const float *from_scales, akv_store *to,
                   const int32_t *to_blocks, const float *to_scales, uint32_t num_blocks,
                   akv_stream *stream) AKV_NOEXCEPT;

#define AKV_RUN_ORDERED 1u /* you vouch that whatever the records have to wait for comes before this on the stream */
#define AKV_RUN_VERIFY 2u  /* compare each copy with its source when it is complete; always so for swap records */
#define AKV_RUN_FINISH 4u  /* when the stream has passed it, akv_stream_poll() finishes the plan with ticket 0, or
                            * abandons it if a copy differs; without workers this call does so at once */

/* Run the records of an open plan of `cache` on its stores: on every store whose columns a record names (store 0 are
 * the blocks, store 1 the swap blocks), so pass all shards. Records that swap need each layer and head of either side's
 * stores in a store of the other's: nothing may stay behind. A record inside the blocks is run in each of their stores
 * by itself. Then queue your kernels behind it, and say akv_plan_finish(); plans that swap are finished by
 * AKV_RUN_FINISH, or by you when the stream has passed them.
 * COPY     O(bytes), counted by the records' kinds; the bytes are what the plan says: akv_plan_info's times
 *          bytes_per_token or bytes_per_block of the stores.
 * Thread   any; nobody else may run or end this plan.
 * Fails    as every call, OTHER_GEOMETRY (a store is not of this cache's geometry), INVALID_ARGUMENT (no store for a
 *          side of a record, a layer or head that the other side has not, stores with a layer and a head in common),
 *          UNSUPPORTED (a kind of record this release does not know; a part of a block of AKV_SCALING_CHANNEL),
 *          NOT_READY and CONTENT_LOST (a record waits for a ticket that has not passed or was abandoned, and ORDERED
 *          was not said), QUEUE_FULL, VERIFY_FAILED (without
 *          workers; the plan was abandoned if FINISH was asked for). With FINISH and without workers also as
 *          akv_plan_finish(), the bytes having been moved: with CONTENT_LOST the plan was abandoned, else it is still
 *          open. */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_run(akv_cache *cache, akv_plan plan, akv_store *const *stores, uint32_t num_stores, uint32_t flags,
             akv_stream *stream) AKV_NOEXCEPT;

/* The same for records that came from elsewhere: the process that has the bytes needs no cache. `wait`, `sequence` and
 * `cookie` are not looked at, RUN_ORDERED is taken for granted, and RUN_FINISH is UNSUPPORTED. They run in their order;
 * copies are compared when all have run, so one whose source was overwritten by a later record differs from it.
 * COPY     as akv_copy_run().
 * Thread   any; nobody else may write the targets.
 * Fails    as akv_copy_run(), OUT_OF_RANGE (a block or tokens that do not exist). */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_records(const akv_plan_record *records, uint32_t num_records, akv_store *const *stores, uint32_t num_stores,
                 uint32_t flags, akv_stream *stream) AKV_NOEXCEPT;

/* Kinds of movement. */
enum {
  AKV_MOVED_WRITE = 1,         /* akv_copy_write_tokens() */
  AKV_MOVED_READ = 2,          /* akv_copy_read_tokens() */
  AKV_MOVED_GATHER = 3,
  AKV_MOVED_SCATTER = 4,
  AKV_MOVED_ZERO = 5,          /* akv_copy_zero(), and AKV_PLAN_ZERO */
  AKV_MOVED_BLOCKS = 6,        /* akv_copy_blocks() */
  AKV_MOVED_COPY_ON_WRITE = 7, /* AKV_PLAN_COPY_ON_WRITE */
  AKV_MOVED_PARTIAL = 8,       /* AKV_PLAN_PARTIAL: cached tokens copied for another sequence */
  AKV_MOVED_OUT = 9,           /* AKV_PLAN_SWAP_OUT */
  AKV_MOVED_IN = 10,           /* AKV_PLAN_SWAP_IN */
  AKV_MOVED_SAVE = 11,         /* copy_image.h */
  AKV_MOVED_LOAD = 12,
  AKV_MOVED_TO_TENSOR = 13,    /* copy_tensor.h */
  AKV_MOVED_FROM_TENSOR = 14,
  AKV_MOVED_TENSOR = 15,
  AKV_MOVED_CONVERTED = 16     /* akv_copy_converted(), and akv_copy_overflow() (copy_two_tier.h) */
};

/* One line for each kind and direction that has moved anything: bytes are counted when they have been moved, on the
 * store they were written to (OUT, IN, BLOCKS) or that is the only one. Passed in arrays with an element size. */
typedef struct akv_copy_stats {
  uint32_t kind;        /* AKV_MOVED_* */
  uint32_t from_device; /* AKV_DEVICE_* */
  uint32_t to_device;
  uint32_t unused;
  uint64_t calls;       /* pieces of work; for a plan, one for each kind in it */
  uint64_t items;       /* tokens, spans, blocks or records */
  uint64_t bytes;       /* of elements and scales that were written, each once */
  uint64_t verified_bytes; /* of these, compared afterwards */
} akv_copy_stats;

/* Read the lines of a store. `out_count` tells how many there are, also when the buffer is too small.
 * META     O(kinds).
 * Thread   any.
 * Fails    as every call, BUFFER_TOO_SMALL (out_count is written). */
AKV_META AKV_NODISCARD akv_status
akv_store_read_stats(akv_store *store, akv_copy_stats *out_lines, uint32_t line_size, uint32_t capacity,
                     uint32_t *out_count) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_COPY_H */
