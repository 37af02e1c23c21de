/* step.h: one call per scheduler step for the whole batch, and the tables that kernels read.
 *
 * The arrays are yours (pinned, at fixed addresses for CUDA graphs) and are written with plain stores: not while a
 * copy of the step before still reads them. Rows that are kept in place from step to step carry an akv_row_state, so
 * that only new entries are written; a row that changed hands, or whose sequence had an entry replaced or dropped,
 * is rewritten as a whole and never stale. Nothing here allocates.
 */
#ifndef ARENAKV_STEP_H
#define ARENAKV_STEP_H

#include "base.h"

AKV_BEGIN_DECLS

/* What a row of a block table holds: zero it at first, and when the buffer, its width or the pad value changes; else
 * leave it to the library. Frozen: 16 bytes for ever. */
typedef struct akv_row_state {
  uint64_t sequence;
  uint32_t version;
  uint32_t blocks_written;
} akv_row_state;

/* Which sequences, and which tokens of each. */
typedef struct akv_batch {
  uint32_t struct_size;
  uint32_t flags;                /* append: AKV_APPEND_COMMITTED */
  uint32_t num_sequences;
  uint32_t tokens_count;         /* elements of `tokens`: the sum of num_tokens, or 0 with tokens NULL */
  const akv_sequence *sequences; /* none twice */
  const uint32_t *num_tokens;    /* of each sequence; NULL: one each */
  const uint32_t *first;         /* set_tokens, read_tables: position of the first of them. NULL for append */
  const int32_t *tokens;         /* append, set_tokens: ids, one sequence after the other; NULL (append): not known */
} akv_batch;

#define AKV_BATCH_INIT {sizeof(akv_batch), 0u, 0u, 0u, NULL, NULL, NULL, NULL}

/* Where to write. A NULL array means: not asked for. Layer group and part of the K/V come first (group 0 and part 0
 * are all there is in this release).
 *
 * "Query tokens" are the batch's num_tokens, one sequence after the other; the "context" of a sequence is all its
 * tokens up to its last query token. All counts are elements, not bytes. */
typedef struct akv_tables {
  uint32_t struct_size;
  uint32_t group;
  uint32_t part;
  int32_t pad_block;          /* written behind the last block of a row: AKV_NULL_BLOCK, or -1, as your kernels want */

  /* one element per query token */
  int64_t *slot_mapping;      /* block x block_tokens + position % block_tokens; AKV_PAD_SLOT where K/V exist in a
                               * block that is not the sequence's own to write to */
  int64_t *positions;         /* absolute position */
  uint64_t slot_capacity;     /* elements of these two */
  uint64_t padded_slots;      /* fill up to here with AKV_PAD_SLOT and position 0 (a CUDA graph's size); 0: none */

  /* one element per sequence, in the order of the batch */
  int32_t *query_start_loc;   /* [sequence_capacity + 1] first query token of each, then their number */
  int32_t *kv_indptr;         /* [sequence_capacity + 1] FlashInfer's CSR arrays: first index of each, then their sum */
  int32_t *kv_indices;        /* [kv_indices_capacity] blocks of each context */
  int32_t *kv_last_page_len;  /* [sequence_capacity] 1 .. block_tokens; 0 for an empty context */
  uint64_t kv_indices_capacity;
  uint32_t sequence_capacity;
  uint32_t padded_sequences;  /* pad these arrays and the rows up to here with empty contexts; 0: none */

  /* one row per sequence, kept in place */
  int32_t *block_table;       /* [num_rows][row_stride] blocks of the context in order of position, then pad_block */
  akv_row_state *row_states;  /* [num_rows] NULL: every row is written in full */
  int32_t *first_positions;   /* [num_rows] absolute position of the row's first entry (0 without windows) */
  int32_t *seq_lens;          /* [num_rows] tokens of the context */
  const uint32_t *row_of;     /* [num_sequences, or padded_sequences if more] row of each sequence, none twice; NULL:
                               * its place in the batch */
  uint64_t row_stride;        /* elements from one row to the next */
  uint32_t row_width;         /* elements of a row that are written */
  uint32_t num_rows;
} akv_tables;

#define AKV_TABLES_INIT                                                                                               \
  {sizeof(akv_tables), 0u, 0u, 0, NULL, NULL, 0u, 0u, NULL, NULL, NULL, NULL, 0u, 0u, 0u, NULL, NULL, NULL, \
   NULL, NULL, 0u, 0u, 0u}

/* Grow sequences by num_tokens[i] tokens each (0 is fine) and write the tables for exactly these tokens: prefill
 * chunks and decodes in one call. `tables` may be NULL. `out_plan` as in akv_sequence_append(): one plan for the
 * whole batch, all of whose sequences wait for it and roll back with it.
 * META     O(sequences + new blocks + what is asked for); no allocation, and no lock but one for a magazine of new
 *          blocks.
 * Thread   any, per-seq: two calls may not name the same sequence at once.
 * Fails    as akv_sequence_append(), INVALID_ARGUMENT (also: a sequence named twice), BUFFER_TOO_SMALL, OUT_OF_RANGE
 *          (no such group or part). The message and akv_error_detail name the row. On failure nothing has changed, in
 *          no sequence and in no table. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_append_batch(akv_cache *cache, const akv_batch *batch, const akv_tables *tables,
                          akv_plan *out_plan) AKV_NOEXCEPT;

/* Write tables without growing, for positions first[i] .. first[i] + num_tokens[i] - 1 (`first` NULL: the last ones):
 * a chunk of a prompt that has its place already, or reserved look-ahead positions beyond the length.
 * META     O(sequences + what is asked for); no allocation, at most one short lock.
 * Thread   any, per-seq.
 * Fails    as every call, OUT_OF_RANGE, BUFFER_TOO_SMALL, BUSY, PLAN_OPEN, SWAPPED, CONTENT_LOST, PLAN_NEEDED
 *          (positions beyond the length in a shared last block: reserve again). */
AKV_META AKV_NODISCARD akv_status
akv_sequence_read_tables(akv_cache *cache, const akv_batch *batch, const akv_tables *tables) AKV_NOEXCEPT;

/* akv_sequence_commit() for many: lengths[i] tokens of sequences[i]; `lengths` NULL: all of each.
 * META     O(sequences), and no lock, without a ticket; with one, a short lock.
 * Thread   any, per-seq.
 * Fails    as akv_sequence_commit(), INVALID_ARGUMENT (a sequence named twice). On failure nothing has changed. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_commit_batch(akv_cache *cache, const akv_sequence *sequences, const uint32_t *lengths, uint32_t count,
                          akv_ticket ticket) AKV_NOEXCEPT;

/* akv_sequence_set_tokens() for many: the sampled tokens of a step.
 * META     O(sequences + tokens); no lock.
 * Thread   any, per-seq.
 * Fails    as akv_sequence_set_tokens(), INVALID_ARGUMENT (a sequence named twice). On failure nothing has changed. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_set_tokens_batch(akv_cache *cache, const akv_batch *batch) AKV_NOEXCEPT;

/* akv_sequence_truncate() for many: the rejected drafts of a step.
 * META     O(sequences + blocks dropped); at most one short lock.
 * Thread   any, per-seq.
 * Fails    as akv_sequence_truncate(), INVALID_ARGUMENT (a sequence named twice). On failure nothing has changed. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_truncate_batch(akv_cache *cache, const akv_sequence *sequences, const uint32_t *lengths, uint32_t count,
                            uint32_t flags) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_STEP_H */
