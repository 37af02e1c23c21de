/* swap.h: sequences leave the cache's blocks for its swap blocks, and come back; nothing is lost on the way.
 *
 * Swap blocks are a second set of block ids, `num_swap_blocks` of them in the cache's configuration: the byte budget is
 * that number times bytes_per_block. Their bytes are in stores made with AKV_STORE_SWAP_BLOCKS. As everywhere, the
 * metadata side makes a plan and the plan is run (copy.h):
 *
 *   swap out   plan: copy every block with K/V to a swap block. Until the plan ends the sequence keeps its blocks.
 *              Finished: it is swapped, its blocks are free or stay cached. Abandoned: as if nothing had been asked.
 *   swap in    plan: take blocks, share what is still cached, copy the rest back. Until the plan ends the swap blocks
 *              are kept. Finished: it is active, with the room it had. Abandoned: it is swapped as before.
 *
 * A swapped sequence can be looked at (akv_sequence_read_info(), its tokens, its line), found and freed, late tokens
 * can be set, and it counts against max_sequences. Everything else answers SWAPPED.
 */
#ifndef ARENAKV_SWAP_H
#define ARENAKV_SWAP_H

#include "base.h"

AKV_BEGIN_DECLS

/* Make the plan that swaps a sequence out. Run it with akv_copy_run() and AKV_RUN_FINISH; or run it, wait until the
 * copies are complete, and say akv_plan_finish() with ticket 0: with an open one it is INVALID_ARGUMENT, because blocks
 * are given up only when their copy is complete, and while the K/V's own writer has not finished it is NOT_READY.
 * META     O(blocks); one short lock.
 * Thread   any, per-seq.
 * Fails    as every call, BUSY, PLAN_OPEN, CONTENT_LOST, SWAPPED (it is out already), NOT_COMMITTED (it has tokens
 *          without K/V: commit or truncate first), NO_SWAP_BLOCKS, NO_PLANS, UNSUPPORTED (the cache has no swap
 *          blocks).
 * Owns     finish or abandon the plan. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_swap_out(akv_cache *cache, akv_sequence sequence, akv_plan *out_plan) AKV_NOEXCEPT;

/* What came back, and how. */
typedef struct akv_swapped_in {
  uint32_t struct_size;
  uint32_t cached_tokens; /* still cached: shared, nothing is copied */
  uint32_t copied_tokens; /* that the plan copies */
  uint32_t new_blocks;    /* taken from the pool */
  akv_plan plan;          /* run and finish it; 0: nothing to copy, it is active already */
  akv_ticket wait;        /* as akv_created.wait */
} akv_swapped_in;

#define AKV_SWAPPED_IN_INIT {sizeof(akv_swapped_in), 0u, 0u, 0u, 0u, 0u}

/* Make the plan that swaps a sequence in: to the length, and the reserved room, that it had.
 * META     O(tokens), a contiguous sequence O(blocks of the cache); one short lock.
 * Thread   any, per-seq.
 * Fails    as every call, BUSY, PLAN_OPEN, INVALID_ARGUMENT and CONTENT_LOST (it is not swapped; nor sound), NO_BLOCKS,
 *          NO_PLANS. On failure it is swapped as before, its K/V safe.
 * Owns     finish or abandon the plan. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_swap_in(akv_cache *cache, akv_sequence sequence, akv_swapped_in *out_swapped_in) AKV_NOEXCEPT;

/* Take swap blocks for bytes of your own (block lists of a lease, copied with akv_copy_blocks()): all or none.
 * META     O(count); one short lock.
 * Thread   any.
 * Fails    as every call, NO_SWAP_BLOCKS, UNSUPPORTED (the cache has none).
 * Owns     give them back with akv_swap_release(). */
AKV_META AKV_NODISCARD akv_status
akv_swap_acquire(akv_cache *cache, uint32_t count, int32_t *out_blocks) AKV_NOEXCEPT;

/* Give swap blocks back that akv_swap_acquire() gave.
 * META     O(count); one short lock.
 * Thread   any.
 * Fails    as every call, BAD_HANDLE (a block that is not acquired, or twice in the list: nothing was released). */
AKV_META AKV_NODISCARD akv_status
akv_swap_release(akv_cache *cache, const int32_t *blocks, uint32_t count) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_SWAP_H */
