/* copy_two_tier.h: K/V moved between the two tiers of precision (two_tier.h), and read back from both.
 */
#ifndef ARENAKV_COPY_TWO_TIER_H
#define ARENAKV_COPY_TWO_TIER_H

#include "base.h"
#include "copy.h"
#include "two_tier.h"

AKV_BEGIN_DECLS

/* One row. Passed in arrays with an element size. */
typedef struct akv_overflow {
  akv_tail_row row;
  const int32_t *blocks;  /* of the sequence in the quantized store, from its first token on */
  uint32_t num_blocks;
  uint32_t length;        /* tokens of the sequence whose K/V exist in all layers */
  uint32_t keep_tokens;   /* that are not moved: AKV_UNSET: the tail's tail_tokens; 0: all whole blocks go */
  uint32_t unused;        /* 0 */
} akv_overflow;

/* Move whole blocks out of the rings of rows into the quantized store: those that end before the last `keep_tokens`
 * tokens. One piece of work for all rows, layers and planes. `out_stored` (may be NULL): for each row the tokens that
 * are in the quantized store behind this work. Rows count them as stored from now on: what is queued on the same stream
 * finds them there.
 * COPY     O(bytes), counted as AKV_MOVED_CONVERTED on the quantized store; O(1) for a row with nothing to move.
 * Thread   any; a row belongs to one caller at a time, and nobody else may write these blocks.
 * Fails    as every call, INVALID_ARGUMENT (a row twice), OUT_OF_RANGE (a length below what is stored or beyond the
 *          ring, fewer blocks than are to be written, a block that does not exist), QUEUE_FULL. */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_overflow(akv_tail *tail, const akv_overflow *rows, uint32_t num_rows, uint32_t row_size, uint32_t *out_stored,
                  akv_stream *stream) AKV_NOEXCEPT;

/* Read all K/V of a sequence back, from both tiers, as numbers: [layer][plane][token][head][dim] of `dtype` (F32, F16,
 * BF16) for tokens 0 .. length - 1; keep_tokens is not looked at. `bytes`: of `data`.
 * COPY     O(bytes), counted as AKV_MOVED_GATHER on both stores.
 * Thread   any; a row belongs to one caller at a time.
 * Fails    as akv_copy_overflow(), INVALID_ARGUMENT (a dtype that is no number's), BUFFER_TOO_SMALL. */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_read_tiers(akv_tail *tail, const akv_overflow *row, uint32_t row_size, uint32_t dtype, void *data,
                    uint64_t bytes, akv_stream *stream) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_COPY_TWO_TIER_H */
