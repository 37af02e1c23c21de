/* two_tier.h: two tiers of precision (row D5): the last tokens of each sequence in full precision, all before them
 * quantized (KIVI's residual window, Liu et al. 2024).
 *
 * The quantized tier is the store of a cache whose planes have a format (geometry.h). The full-precision tier is a
 * store made here: a ring of blocks, a *row*, for each sequence that runs. A tail knows which of a row's tokens have
 * been moved, and where the others lie; blocks, tables and prefixes stay the cache's business. A sequence's way:
 *
 *   a prompt     akv_copy_scatter() its older whole blocks into the quantized store, with a dtype; then
 *                akv_tail_open() a row behind them
 *   new tokens   akv_tail_read_slots(), and akv_copy_write_tokens() on the tail's store
 *   attention    two parts: the quantized store with the cache's block table and the lengths that are stored, and the
 *                tail's store with akv_tail_read_tables()
 *   each step    akv_copy_overflow() for all rows: whole blocks that are older than the tail go to the quantized store.
 *                akv_sequence_commit() what is stored there: only that may be found by others, or kept
 *
 * Do all of that on one stream, or wait in between: a ring's blocks are written again when they have been moved.
 * Blocks are quantized when they are complete and not before, all their tokens at once: so codes do not depend on when
 * tokens came, and keys can have a scale for each channel.
 *
 * What is only in a ring is not committed, so the cache keeps it with its sequence: append behind a fork, and swapping
 * out, answer NOT_COMMITTED. First move all whole blocks (keep_tokens 0), and truncate to what is stored; its last
 * tokens, less than a block, are computed once more.
 */
#ifndef ARENAKV_TWO_TIER_H
#define ARENAKV_TWO_TIER_H

#include "base.h"
#include "store.h"

AKV_BEGIN_DECLS

/* Zero means default. */
typedef struct akv_tail_config {
  uint32_t struct_size;
  uint32_t dtype;           /* AKV_DTYPE_F32, F16 or BF16; default BF16 */
  uint32_t tail_tokens;     /* that are never moved: the last ones of a sequence; default 256 */
  uint32_t slack_tokens;    /* that may come before the next overflow; default the block_tokens of the store */
  uint32_t max_sequences;   /* rows; default 64 */
  uint32_t unused;          /* 0 */
  const float *head_scales; /* of planes with AKV_SCALING_HEAD: [stored layer][plane][head of the store], with a place
                             * for every plane; copied. NULL: all are 1 */
} akv_tail_config;

#define AKV_TAIL_CONFIG_INIT {sizeof(akv_tail_config), 0u, 0u, 0u, 0u, 0u, NULL}

/* Make the store of a tail: the layers, heads and block_tokens of `store`, planes of `dtype`, and a ring of blocks for
 * each row. `config` as in akv_store_create(), without layers, heads and columns of its own; may be NULL.
 * SETUP    one reservation of address space.
 * Thread   any.
 * Fails    as akv_store_create(), UNSUPPORTED (planes of `store` that can't be converted, see copy.h).
 * Owns     end it with akv_store_destroy(), after the tail. */
AKV_SETUP AKV_NODISCARD akv_status akv_tail_create_store(akv_store *store, const akv_tail_config *tail,
                                                         const akv_store_config *config,
                                                         akv_store **out_tail_store) AKV_NOEXCEPT;

/* Make a tail over a quantized store and a store that akv_tail_create_store() made with the same `config`.
 * SETUP    O(rows): allocates.
 * Thread   any.
 * Fails    as every call, OTHER_GEOMETRY (the stores do not belong together), INVALID_ARGUMENT (one store for both),
 *          BUSY (the tail's store has a tail), OUT_OF_MEMORY, NO_OBJECTS.
 * Owns     end it with akv_tail_destroy(); the stores can't be destroyed before. */
AKV_SETUP AKV_NODISCARD akv_status akv_tail_create(akv_store *store, akv_store *tail_store,
                                                   const akv_tail_config *config, akv_tail **out_tail) AKV_NOEXCEPT;

/* End a tail. NULL is fine; rows may be open.
 * SETUP    O(1).
 * Thread   exclusive: calls inside it, and queued work of it, make it BUSY.
 * Fails    BAD_HANDLE, BUSY. In a child of fork() it is AKV_OK. */
AKV_SETUP AKV_NODISCARD akv_status akv_tail_destroy(akv_tail *tail) AKV_NOEXCEPT;

typedef struct akv_tail_info {
  uint32_t struct_size;
  uint32_t dtype;
  uint32_t block_tokens;
  uint32_t tail_tokens;
  uint32_t slack_tokens;
  uint32_t ring_blocks;   /* of a row */
  uint32_t max_sequences;
  uint32_t open_rows;
} akv_tail_info;

#define AKV_TAIL_INFO_INIT {sizeof(akv_tail_info), 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* Read what a tail is.
 * META     O(1).
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status akv_tail_read_info(akv_tail *tail, akv_tail_info *out_info) AKV_NOEXCEPT;

/* Open a row for a sequence whose first `stored_tokens` tokens, whole blocks, are in the quantized store. To go back
 * below them (a truncation), close it and open one at a whole block.
 * META     O(1).
 * Thread   any.
 * Fails    as every call, INVALID_ARGUMENT (not whole blocks), NO_SEQUENCES (all rows are open).
 * Owns     end it with akv_tail_close(). */
AKV_META AKV_NODISCARD akv_status akv_tail_open(akv_tail *tail, uint32_t stored_tokens,
                                                akv_tail_row *out_row) AKV_NOEXCEPT;

/* Close a row: what is in its ring is given up. Work on it that is queued must have passed before its blocks are used
 * again: open rows of the same stream only, or wait.
 * META     O(1).
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status akv_tail_close(akv_tail *tail, akv_tail_row row) AKV_NOEXCEPT;

/* Slots in the tail's store of tokens at these positions, for akv_copy_write_tokens(). A row has room from what is
 * stored on for tail_tokens + slack_tokens tokens, at least.
 * META     O(tokens).
 * Thread   any; a row belongs to one caller at a time.
 * Fails    as every call, OUT_OF_RANGE (a position below what is stored, or beyond the ring: overflow first). */
AKV_META AKV_NODISCARD akv_status
akv_tail_read_slots(akv_tail *tail, const akv_tail_row *rows, const uint32_t *positions, uint32_t num_tokens,
                    int64_t *out_slots) AKV_NOEXCEPT;

/* For attention's part over the tail: block tables [row][ring_blocks at least], padded with the null block;
 * `out_stored`: tokens that are in the quantized store, which are also the positions where the tail begins. A sequence
 * of n tokens has n - out_stored of them in the tail.
 * META     O(rows x ring_blocks).
 * Thread   any; a row belongs to one caller at a time.
 * Fails    as every call, BUFFER_TOO_SMALL (table_stride is below ring_blocks). */
AKV_META AKV_NODISCARD akv_status
akv_tail_read_tables(akv_tail *tail, const akv_tail_row *rows, uint32_t num_rows, int32_t *out_table,
                     uint32_t table_stride, uint32_t *out_stored) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_TWO_TIER_H */
