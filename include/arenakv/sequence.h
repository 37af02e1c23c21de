/* sequence.h: one list of tokens mapped to blocks, from create to free. step.h does the same for a whole batch.
 *
 *   create   the cached prefix is shared, the rest comes from the pool
 *   ...      K/V are written: by the engine's kernels through the tables of step.h, or by a remote transfer
 *   commit   "the K/V of these tokens exist": from here on they can be found by others
 *   append   one token, or a chunk of the prompt
 *   free     what is committed stays as cached prefix; the rest goes back to the pool
 *
 * A sequence has three lengths. `length` tokens have a place; the first `known` of them have token ids; the first
 * `committed` of them have K/V. Only whole blocks below both of the last two are ever found by others, so an aborted
 * prefill can never become a cached prefix of garbage.
 *
 * A table entry of a living sequence never changes behind the caller's back: only by a copy-on-write that its own
 * call announces with a plan (plan.h), by truncation, and by abandoning a plan. Blocks that are published, or shared
 * with a fork, are never written to again.
 *
 * Positions mean the sequence as it is now. After a truncation, drop the late tokens and commits that were on their
 * way for what was cut off; where K/V are written again at the same positions, order that on your stream.
 */
#ifndef ARENAKV_SEQUENCE_H
#define ARENAKV_SEQUENCE_H

#include "base.h"
#include "prefix.h"

AKV_BEGIN_DECLS

#define AKV_SEQUENCE_COMMITTED 1u   /* for simulators: the prompt's K/V count as written, once a plan is finished */
#define AKV_SEQUENCE_PARTIAL 2u     /* also take hits that end inside a block; you run the plan. Not with NO_MATCH */
#define AKV_SEQUENCE_PREFIX_ONLY 4u /* place the cached prefix only; the prompt follows in chunks, by append. Room is
                                     * asked for that and reserve_tokens alone; a prompt over max_tokens is refused */
#define AKV_SEQUENCE_NO_MATCH 8u    /* share nothing (prompt log-probabilities want every position computed) */
#define AKV_SEQUENCE_CONTIGUOUS 32u /* neighbouring blocks, for prompt and reserve_tokens together, so that its K/V are
                                     * one strided tensor a layer (store.h). It can't grow beyond them; a cached prefix
                                     * is not shared but copied, by the plan; a fork, a lease or a truncation can make
                                     * it leave its place block by block. Wants the buddy allocator. Not with
                                     * PREFIX_ONLY */
#define AKV_SEQUENCE_NO_PUBLISH 16u /* what is computed here, and in its forks, is never found by others */

/* Zero means default. */
typedef struct akv_sequence_options {
  uint32_t struct_size;
  uint32_t flags;          /* AKV_SEQUENCE_* */
  uint64_t request_id;     /* yours, for akv_sequence_find(); unique among live sequences. 0: none */
  uint64_t owner;          /* yours, for akv_cache_drop_owner(): a connection, a worker. 0: none */
  uint32_t reserve_tokens; /* take blocks for this many tokens from the start: growing up to there does not fail for
                            * want of blocks, as long as no fork, lease or truncation comes between */
  uint32_t max_tokens;     /* it may never be longer; 0: max_tokens_per_sequence; for a fork: as its parent */
} akv_sequence_options;

#define AKV_SEQUENCE_OPTIONS_INIT {sizeof(akv_sequence_options), 0u, 0u, 0u, 0u, 0u}

/* What a new sequence got. */
typedef struct akv_created {
  uint32_t struct_size;
  uint32_t length;         /* tokens that have a place now */
  uint32_t cached_tokens;  /* shared in whole blocks. cached + partial <= num_tokens - 1: the last one is computed */
  uint32_t partial_tokens; /* copied by the plan: out of a block that begins alike, and with CONTIGUOUS all that is
                            * cached; start computing behind these */
  uint32_t shared_blocks;
  uint32_t new_blocks;     /* taken from the pool, reserve_tokens included */
  akv_sequence sequence;
  akv_plan plan;           /* run and finish it before the first kernel that reads; 0: nothing to do */
  akv_ticket wait;         /* the shared blocks' writer has not finished: what to wait for, see ticket.h; 0: nothing */
} akv_created;

#define AKV_CREATED_INIT {sizeof(akv_created), 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* Create a sequence for a prompt: share what is cached, take blocks for the rest. `prompt` may be NULL or without
 * tokens: an empty sequence (of domain 0 when NULL). Where the prompt has AKV_TOKEN_UNKNOWN, the match and `known`
 * end. `options` may be NULL.
 * META     O(prompt): compares the cached part, copies the ids of the rest; two short locks.
 * Thread   any.
 * Fails    as every call, ALREADY_EXISTS (request_id), NO_SEQUENCES, NO_CAPACITY, NO_BLOCKS, NO_PLANS. On failure
 *          nothing has changed and nothing was evicted.
 * Owns     end it with akv_sequence_free(). */
AKV_META AKV_NODISCARD akv_status
akv_sequence_create(akv_cache *cache, const akv_prompt *prompt, const akv_sequence_options *options,
                    akv_created *out_created) AKV_NOEXCEPT;

/* Will it fit? The numbers an error would name, before the attempt. */
typedef struct akv_room {
  uint32_t struct_size;
  akv_status status;           /* what the call would answer now */
  uint32_t blocks_needed;      /* from the pool, beyond what is shared or reserved */
  uint32_t blocks_available;   /* free + evictable, less what this very prompt would hold on to */
  uint32_t blocks_free;
  uint32_t blocks_evictable;   /* cached, and no ticket is open on them */
  uint32_t blocks_quarantined; /* come back as tickets end and leases are released */
  uint32_t sequences_available;
  uint64_t tokens_available;   /* room in tokens: the spare room of the sequence's last block included */
  akv_ticket oldest_open;      /* what quarantine waits for first; 0: no ticket is open */
} akv_room;

#define AKV_ROOM_INIT {sizeof(akv_room), 0, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* Would akv_sequence_create() with these arguments succeed?
 * META     O(cached blocks); one short lock. Changes nothing.
 * Thread   any.
 * Fails    as every call; what create would answer is in out_room->status. */
AKV_META AKV_NODISCARD akv_status
akv_cache_can_allocate(akv_cache *cache, const akv_prompt *prompt, const akv_sequence_options *options,
                       akv_room *out_room) AKV_NOEXCEPT;

/* Would appending `num_tokens` tokens succeed?
 * META     O(1); one short lock. Changes nothing.
 * Thread   any, per-seq.
 * Fails    as every call, BUSY; what append would answer is in out_room->status. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_can_extend(akv_cache *cache, akv_sequence sequence, uint32_t num_tokens, akv_room *out_room) AKV_NOEXCEPT;

#define AKV_APPEND_COMMITTED 1u /* for simulators: and commit up to the new length, once a plan is finished */

/* Append `num_tokens` tokens; `tokens` NULL: not known yet. A shared last block is replaced by a block of its own
 * (copy-on-write): `out_plan` says what to copy before the next kernel. Shared is also a block that another left under
 * a ticket that has not passed. `out_plan` may be NULL where no fork, lease, truncation or scrubbing can ask for one.
 * META     O(1) inside a block, O(new blocks) beyond; no lock but one for a magazine of new blocks.
 * Thread   any, per-seq.
 * Fails    as every call, BUSY, PLAN_OPEN, SWAPPED, CONTENT_LOST, NO_CAPACITY, NO_BLOCKS, PLAN_NEEDED, NO_PLANS,
 *          NOT_COMMITTED (a shared last block has tokens without K/V: commit them first). On failure nothing has
 *          changed. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_append(akv_cache *cache, akv_sequence sequence, const int32_t *tokens, uint32_t num_tokens, uint32_t flags,
                    akv_plan *out_plan) AKV_NOEXCEPT;

/* Look-ahead: make sure that the sequence has blocks of its own up to `num_tokens` tokens, without changing the
 * length; a shared last block is copied on write right away. The slots of these positions can be asked for with
 * akv_sequence_read_tables().
 * META     O(new blocks); one short lock.
 * Thread   any, per-seq.
 * Fails    as akv_sequence_append(). */
AKV_META AKV_NODISCARD akv_status
akv_sequence_reserve(akv_cache *cache, akv_sequence sequence, uint32_t num_tokens, akv_plan *out_plan) AKV_NOEXCEPT;

/* Set token ids that were unknown when they were appended (asynchronous sampling), at positions
 * first .. first + num_tokens - 1. An id that is known can't be changed; setting it again is fine.
 * META     O(num_tokens); no lock.
 * Thread   any, per-seq.
 * Fails    as every call, INVALID_ARGUMENT (a known id would change, or AKV_TOKEN_UNKNOWN), OUT_OF_RANGE, BUSY,
 *          CONTENT_LOST. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_set_tokens(akv_cache *cache, akv_sequence sequence, uint32_t first, const int32_t *tokens,
                        uint32_t num_tokens) AKV_NOEXCEPT;

/* Commit: the K/V of the first `length` tokens exist, or will when `ticket` ends well (0: they do). Call it when the
 * work is queued. Whole blocks whose tokens are known can be found by others from now on; who finds them while the
 * ticket is open is told to wait. (Where an equal block was published by another meanwhile, and this one is shared with
 * a fork or a lease, it and what follows are found when those have ended and this sequence leaves.) A `length` below
 * what is committed already changes nothing. A ticket that has been retired counts as 0.
 * META     O(1), and no lock, without a ticket; with one, a short lock. The next call that looks into the index
 *          publishes what was committed.
 * Thread   any, per-seq.
 * Fails    as every call, OUT_OF_RANGE, BUSY, PLAN_OPEN, SWAPPED, CONTENT_LOST (also: the ticket was abandoned),
 *          BAD_HANDLE (the ticket is of another cache, or ended so long ago that its end is forgotten). */
AKV_META AKV_NODISCARD akv_status
akv_sequence_commit(akv_cache *cache, akv_sequence sequence, uint32_t length, akv_ticket ticket) AKV_NOEXCEPT;

/* A second sequence with the first `length` tokens (AKV_UNSET: all) of this one: beam search, parallel sampling. All
 * of them must be known. Every block is shared, none is copied; whoever appends first to a shared last block pays
 * with a copy-on-write. When all others have left it, a last block is the one's own again, and written on without a
 * copy: once the tickets that were open when they left have passed, because until then their work may still read it, or
 * write behind the end of who stayed. Reserved blocks stay with the parent. Tokens that are not committed yet are
 * written once, by whichever of the two, and committed on both.
 * Of `options` (may be NULL) request_id, owner, max_tokens and NO_PUBLISH count; the domain is the parent's.
 * META     O(blocks); one short lock.
 * Thread   any, per-seq.
 * Fails    as every call, BUSY, PLAN_OPEN, SWAPPED, CONTENT_LOST, OUT_OF_RANGE (longer than `known`), ALREADY_EXISTS,
 *          NO_SEQUENCES, NO_CAPACITY (longer than max_tokens). */
AKV_META AKV_NODISCARD akv_status
akv_sequence_fork(akv_cache *cache, akv_sequence parent, uint32_t length, const akv_sequence_options *options,
                  akv_sequence *out_child) AKV_NOEXCEPT;

#define AKV_TRUNCATE_KEEP_BLOCKS 1u /* its own blocks behind the new end stay with it as reserved ones; not where
                                     * content was lost: what is in them is not known */

/* Drop all tokens from position `length` on, and the blocks behind, reserved ones included: rejected drafts, a
 * context that is cut. `known` and `committed` are cut with it. What was published stays cached, and a cut inside a
 * published block means a copy-on-write with the next append. After CONTENT_LOST this is the way back: cut down to
 * the sound part (akv_sequence_info.sound_tokens) or below.
 * META     O(blocks dropped); one short lock.
 * Thread   any, per-seq.
 * Fails    as every call, OUT_OF_RANGE (longer than it is), BUSY, PLAN_OPEN, SWAPPED, CONTENT_LOST (longer than the
 *          sound part). */
AKV_META AKV_NODISCARD akv_status
akv_sequence_truncate(akv_cache *cache, akv_sequence sequence, uint32_t length, uint32_t flags) AKV_NOEXCEPT;

/* Move the length inside the blocks that the sequence has: shorter is akv_sequence_truncate() with KEEP_BLOCKS,
 * longer appends unknown tokens.
 * META     O(blocks dropped) shorter, O(tokens) longer; a short lock where blocks are dropped.
 * Thread   any, per-seq.
 * Fails    as every call, BUSY, PLAN_OPEN, SWAPPED, CONTENT_LOST, NO_CAPACITY (over max_tokens), OUT_OF_RANGE (beyond
 *          its blocks: reserve first), PLAN_NEEDED (longer, inside a shared last block: append or reserve instead). */
AKV_META AKV_NODISCARD akv_status
akv_sequence_set_length(akv_cache *cache, akv_sequence sequence, uint32_t length) AKV_NOEXCEPT;

/* End a sequence. Published blocks stay as cached prefix, all others go back: through quarantine if tickets are
 * open; and if a plan is open on it, not before that is finished or abandoned.
 * META     O(blocks that go back); one short lock.
 * Thread   any, per-seq.
 * Fails    as every call (a second free is BAD_HANDLE and changes nothing), BUSY. */
AKV_META AKV_NODISCARD akv_status akv_sequence_free(akv_cache *cache, akv_sequence sequence) AKV_NOEXCEPT;

/* End many: the live ones are freed and the stale ones counted. The one function that is not all or nothing:
 * `out_statuses` ([count], may be NULL) tells each one's fate, BUSY ones live on. The counts may be NULL.
 * META     O(blocks that go back); one short lock.
 * Thread   any, per-seq.
 * Fails    as every call, for the cache and the arrays only. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_free_batch(akv_cache *cache, const akv_sequence *sequences, uint32_t count, uint32_t *out_freed,
                        uint32_t *out_stale, akv_status *out_statuses) AKV_NOEXCEPT;

#define AKV_DROP_IN_FLIGHT 1u /* also its leases, and what open plans have for its sequences, records included: you
                               * vouch that nothing of this owner's reads or writes any more */

/* Release what an owner has: sequences and pins; with IN_FLIGHT leases too. Doing it twice is fine. Late calls with
 * its handles are answered with BAD_HANDLE. `out_released` (may be NULL) counts them.
 * META     O(sequences + holds).
 * Thread   any, per-seq.
 * Fails    as every call, INVALID_ARGUMENT (owner 0 is nobody), BUSY (a sequence of it is inside another call: nothing
 *          was released). */
AKV_META AKV_NODISCARD akv_status
akv_cache_drop_owner(akv_cache *cache, uint64_t owner, uint32_t flags, uint32_t *out_released) AKV_NOEXCEPT;

/* The live sequence with this request id.
 * META     O(1); one short lock.
 * Thread   any.
 * Fails    as every call, INVALID_ARGUMENT (id 0), NOT_FOUND. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_find(akv_cache *cache, uint64_t request_id, akv_sequence *out_sequence) AKV_NOEXCEPT;

/* Where a sequence's K/V are (swap.h). */
enum {
  AKV_SEQUENCE_ACTIVE = 0,
  AKV_SEQUENCE_SWAPPING_OUT = 1, /* a plan is open: it has its blocks, and swap blocks that are being filled */
  AKV_SEQUENCE_SWAPPED = 2,
  AKV_SEQUENCE_SWAPPING_IN = 3   /* a plan is open: its K/V are in swap blocks, and being copied into its blocks */
};

typedef struct akv_sequence_info {
  uint32_t struct_size;
  uint32_t length;
  uint32_t known;
  uint32_t committed;
  uint32_t published_tokens; /* can be found by others (whole blocks) */
  uint32_t sound_tokens;     /* = length; after CONTENT_LOST what is left of it: truncate to this, or free */
  uint32_t num_blocks;       /* blocks of its table, reserved ones included */
  uint32_t shared_blocks;    /* of these, not its own to write to: in the index, or shared with a fork or lease */
  uint32_t capacity;         /* tokens its blocks can hold */
  uint32_t remaining;        /* tokens until max_tokens */
  uint32_t max_tokens;
  uint32_t version;          /* changes when an entry of its table is replaced or dropped (akv_row_state) */
  uint64_t request_id;
  uint64_t owner;
  uint64_t domain;
  akv_plan plan;             /* the open plan, or 0 */
  akv_ticket wait;           /* what to wait for before reading its K/V, see ticket.h; 0: nothing */
  uint32_t state;            /* AKV_SEQUENCE_ACTIVE ... */
  uint32_t swap_blocks;      /* that it has: all there is of it while it is SWAPPED */
} akv_sequence_info;

#define AKV_SEQUENCE_INFO_INIT                                                                                        \
  {sizeof(akv_sequence_info), 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* Read what there is to know about one sequence.
 * META     O(runs on its path); one short lock.
 * Thread   any, per-seq.
 * Fails    as every call, BUSY. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_read_info(akv_cache *cache, akv_sequence sequence, akv_sequence_info *out_info) AKV_NOEXCEPT;

/* Read token ids: positions first .. first + num_tokens - 1, AKV_TOKEN_UNKNOWN where not known.
 * META     O(num_tokens).
 * Thread   any, per-seq.
 * Fails    as every call, OUT_OF_RANGE, BUSY. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_read_tokens(akv_cache *cache, akv_sequence sequence, uint32_t first, uint32_t num_tokens,
                         int32_t *out_tokens) AKV_NOEXCEPT;

/* Read the block table: the ids of all its blocks, reserved ones included. `out_count` tells how many there are,
 * also when the buffer is too small or NULL (with capacity 0).
 * META     O(blocks).
 * Thread   any, per-seq.
 * Fails    as every call, BUFFER_TOO_SMALL (out_count is written), OUT_OF_RANGE (no such group), BUSY, SWAPPED. */
AKV_META AKV_NODISCARD akv_status
akv_sequence_read_blocks(akv_cache *cache, akv_sequence sequence, uint32_t group, int32_t *out_blocks,
                         uint32_t capacity, uint32_t *out_count) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_SEQUENCE_H */
