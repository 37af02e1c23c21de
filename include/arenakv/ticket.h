/* ticket.h: when device work has finished with blocks, and leases on blocks for long transfers.
 *
 * A ticket stands for work on a device that names blocks: a batch of kernels, a copy. Open one before the tables of
 * the step are written, retire it when the work has finished. Blocks freed in between are in *quarantine*: not
 * handed out until every ticket that was open at their free has ended. It costs one number per free (epochs, as in
 * epoch-based reclamation, Fraser 2004), and nothing where no ticket is ever opened.
 *
 * A `wait` in a result is a watermark: wait until that ticket *and all opened before it* have ended, which is when
 * akv_ticket_read() says PASSED; or, where your kernels follow that work on the same stream, rely on its order.
 * If the work fails and its ticket is abandoned, sequences that built on it say CONTENT_LOST.
 *
 * One slow ticket would stop everybody, so long work on named blocks takes a lease instead.
 *
 * No deadline ever makes a block reusable: only retirement does, or an explicit abandon.
 */
#ifndef ARENAKV_TICKET_H
#define ARENAKV_TICKET_H

#include "base.h"

AKV_BEGIN_DECLS

/* Open a ticket: from now on freed blocks wait for it.
 * META     O(1); one short lock.
 * Thread   any.
 * Fails    as every call, NO_TICKETS (the message names the oldest open one).
 * Owns     end it with akv_ticket_retire() or akv_ticket_abandon(). */
AKV_META AKV_NODISCARD akv_status akv_ticket_open(akv_cache *cache, akv_ticket *out_ticket) AKV_NOEXCEPT;

/* The work has finished, and well: its blocks may be reused, its writes may be read. In any order.
 * META     O(blocks that leave quarantine).
 * Thread   any.
 * Fails    as every call, BAD_HANDLE (never opened, or ended already). */
AKV_META AKV_NODISCARD akv_status akv_ticket_retire(akv_cache *cache, akv_ticket ticket) AKV_NOEXCEPT;

/* The work has failed or will never finish, and touches no memory any more: you vouch for that. Its blocks may be
 * reused. What was committed under it leaves the index with all that was built on it, and sequences that hold such
 * content answer CONTENT_LOST until they are truncated to their sound part or freed; so do those whose reserved blocks
 * were to be zeroed under it. Where a sequence was committed under several tickets, it gives up all from the first that
 * was still open; the index keeps what was under the others. Pins and leases keep their blocks. Blocks whose content
 * is not known now are zeroed for their next user (AKV_SCRUB_NONE: not).
 * `out_sequences` (may be NULL) counts the sequences that lost content.
 * SETUP    O(runs + live sequences): rare; holds the cache's lock.
 * Thread   any; no other call may be inside a sequence of this cache.
 * Fails    as every call, BAD_HANDLE (never opened, or ended already), BUSY. */
AKV_SETUP AKV_NODISCARD akv_status
akv_ticket_abandon(akv_cache *cache, akv_ticket ticket, uint32_t *out_sequences) AKV_NOEXCEPT;

enum {
  AKV_TICKET_OPEN = 1,     /* the work has not finished */
  AKV_TICKET_ENDED = 2,    /* it was retired; one opened before it is still open */
  AKV_TICKET_PASSED = 3,   /* it and all opened before it have ended: what a `wait` waits for */
  AKV_TICKET_ABANDONED = 4 /* it was abandoned: told until max_open_tickets newer ones were opened */
};

/* Where a ticket stands. Ticket 0 has PASSED.
 * META     O(1); one short lock.
 * Thread   any.
 * Fails    as every call, BAD_HANDLE (never opened, or another cache's). */
AKV_META AKV_NODISCARD akv_status
akv_ticket_read(akv_cache *cache, akv_ticket ticket, uint32_t *out_state) AKV_NOEXCEPT;

/* Lease the blocks of a sequence's first `num_tokens` tokens (at least one): whatever happens to the sequence, they
 * are not handed out again before the lease ends, and the sequence does not write to them: if it appends to a leased
 * last block, it copies that first. A transfer holds one for as long as it lasts: an outgoing one reads them, after
 * `out_wait` (may be NULL) has passed; an incoming one writes tokens that are not committed yet.
 * META     O(blocks); one short lock.
 * Thread   any, per-seq.
 * Fails    as every call, OUT_OF_RANGE, BUSY, PLAN_OPEN, SWAPPED, CONTENT_LOST, NO_HOLDS.
 * Owns     release it with akv_lease_release(); akv_cache_drop_owner() does so only with AKV_DROP_IN_FLIGHT. */
AKV_META AKV_NODISCARD akv_status
akv_lease_acquire(akv_cache *cache, akv_sequence sequence, uint32_t num_tokens, uint64_t owner, akv_lease *out_lease,
                  akv_ticket *out_wait) AKV_NOEXCEPT;

/* The ids of the leased blocks, in order of position. Where an equal block was published before, it is that one: use
 * these ids, not the sequence's table. `out_count` tells how many, also when the buffer is too small.
 * META     O(blocks); one short lock.
 * Thread   any.
 * Fails    as every call, BUFFER_TOO_SMALL (out_count is written). */
AKV_META AKV_NODISCARD akv_status
akv_lease_read_blocks(akv_cache *cache, akv_lease lease, int32_t *out_blocks, uint32_t capacity,
                      uint32_t *out_count) AKV_NOEXCEPT;

/* The transfer has ended: the blocks go where they would be without the lease.
 * META     O(blocks that go back).
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status akv_lease_release(akv_cache *cache, akv_lease lease) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_TICKET_H */
