/* copy_pager.h: paging: when the cache's blocks are full, the coldest sequences go to the swap blocks and come back on
 * use. A policy made of what swap.h, stream.h and copy.h offer; an engine with a policy of its own calls
 * those instead.
 *
 *   each step    akv_copy_make_resident(...) for the sequences of the step; while something is pending, wait for the
 *                stream (akv_stream_wait) and for the ticket that the answer names, and ask again
 *
 * Coldest is what was asked for longest ago; what was never asked for is colder still. A sequence can go when no plan
 * is open on it, all its tokens are committed and their writer has finished, and nobody is inside it.
 *
 * The blocks that it gives up can be had when the tickets that were open then have passed (ticket.h). Until that they
 * are on their way, and nobody else is sent out in their place. So ask before the step's own ticket is opened: it would
 * be one of those to wait for.
 */
#ifndef ARENAKV_COPY_PAGER_H
#define ARENAKV_COPY_PAGER_H

#include "base.h"
#include "copy.h"
#include "stream.h"

AKV_BEGIN_DECLS

typedef struct akv_pager_config {
  uint32_t struct_size;
  uint32_t num_stores;      /* all shards of the cache's blocks and of its swap blocks, up to 64 */
  akv_store *const *stores; /* copied */
} akv_pager_config;

#define AKV_PAGER_CONFIG_INIT {sizeof(akv_pager_config), 0u, NULL}

/* Make a pager for one cache. It keeps no sequence and no store alive: what has gone when it is used is BAD_HANDLE
 * then.
 * SETUP    O(max_sequences + max_plans + max_open_tickets): allocates.
 * Thread   any.
 * Fails    as every call, UNSUPPORTED (the cache has no swap blocks), OUT_OF_MEMORY, NO_OBJECTS.
 * Owns     end it with akv_pager_destroy(). */
AKV_SETUP AKV_NODISCARD akv_status
akv_pager_create(akv_cache *cache, const akv_pager_config *config, akv_pager **out_pager) AKV_NOEXCEPT;

/* End a pager. NULL is fine. Plans that are on their way are finished by akv_stream_poll() of their stream. One that
 * was to be taken back stays open if other threads were inside its sequence whenever that was tried:
 * akv_sequence_info.plan names it, and akv_plan_abandon() ends it.
 * SETUP    O(plans to be taken back).
 * Thread   exclusive: a call inside it makes it BUSY.
 * Fails    BAD_HANDLE, BUSY. In a child of fork() it is AKV_OK. */
AKV_SETUP AKV_NODISCARD akv_status akv_pager_destroy(akv_pager *pager) AKV_NOEXCEPT;

typedef struct akv_residence {
  uint32_t struct_size;
  uint32_t resident;     /* of the sequences asked for: active */
  uint32_t pending;      /* 0: all are, and there is the room that was asked for; else wait for the stream and for
                          * `wait`, and ask again */
  uint32_t started_out;  /* sequences that this call sent out */
  uint32_t started_in;   /* and brought in */
  uint32_t unused;
  akv_ticket wait;       /* 0, or the newest ticket that must pass before there is room (ticket.h); ask again as well
                          * if it is abandoned */
} akv_residence;

#define AKV_RESIDENCE_INIT {sizeof(akv_residence), 0u, 0u, 0u, 0u, 0u, 0u}

/* Make sequences resident: swap in those that are swapped, and send others out until there is room for these and for
 * `num_tokens[i]` more tokens of each (NULL: for none). Never waits: what takes time is queued on the stream, and
 * finished when that is polled. Does as akv_stream_poll() first; where calls have had several streams, poll the others.
 * On a stream without workers all is copied at once.
 * COPY     O(live sequences + bytes), counted as AKV_MOVED_OUT and AKV_MOVED_IN.
 * Thread   any, per-seq; one call on a pager at a time, a second one is BUSY.
 * Fails    as every call, INVALID_ARGUMENT (a sequence named twice), BUSY (also: others are inside one of these
 *          sequences, or inside those that could go; ask again), NO_BLOCKS (no other sequence can go, none is on its
 *          way, and there is no room: the detail tells how many blocks are missing), NO_SWAP_BLOCKS (those that could
 *          go find no swap blocks), NO_PLANS, QUEUE_FULL, PLAN_OPEN, CONTENT_LOST, NO_CAPACITY, VERIFY_FAILED. What was
 *          started before is not undone. */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_make_resident(akv_pager *pager, const akv_sequence *sequences, const uint32_t *num_tokens,
                       uint32_t num_sequences, akv_residence *out_residence, akv_stream *stream) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_COPY_PAGER_H */
