/* plan.h: what must be copied or zeroed before the next kernel reads or writes, as plain records.
 *
 * The metadata side makes plans and never runs them. A call that needs bytes moved hands out a plan; the caller
 * queues the records on its stream, in their order and before the kernels that use the blocks, and says so with
 * akv_plan_finish(). Until then the sequences of the plan change by nothing but akv_sequence_set_tokens() and
 * akv_sequence_free(), and all blocks it names are leased: none is handed out again (where a sequence is freed, the
 * plan keeps all that it had). akv_plan_abandon() takes everything back instead.
 *
 * Records hold numbers only, so they may be sent to the process that owns the bytes.
 */
#ifndef ARENAKV_PLAN_H
#define ARENAKV_PLAN_H

#include "base.h"

AKV_BEGIN_DECLS

enum {
  AKV_PLAN_COPY_ON_WRITE = 1, /* copy tokens first_token .. + num_tokens of source to target: a shared tail */
  AKV_PLAN_PARTIAL = 2,       /* the same, out of a cached block that begins alike */
  AKV_PLAN_ZERO = 3,          /* zero the whole target block; the source is the null block */
  AKV_PLAN_SWAP_OUT = 4,      /* copy tokens of a block (source_store 0) to a swap block (target_store 1): swap.h */
  AKV_PLAN_SWAP_IN = 5        /* and back */
};

/* One record, for all layers and planes of a group. Frozen: 56 bytes for ever. */
typedef struct akv_plan_record {
  uint32_t kind;         /* AKV_PLAN_*; new kinds may come: refuse what you don't know */
  uint16_t group;        /* layer group */
  uint16_t part;         /* part of the K/V: 0 */
  int32_t source_block;
  int32_t target_block;
  uint32_t source_store; /* 0: the cache's blocks; 1: its swap blocks */
  uint32_t target_store;
  uint32_t first_token;  /* inside the block */
  uint32_t num_tokens;
  akv_sequence sequence; /* whose block the target is */
  akv_ticket wait;       /* the source's writer has not finished: what to wait for, see ticket.h; 0: nothing */
  uint64_t cookie;       /* for tiers; 0 */
} akv_plan_record;

typedef struct akv_plan_info {
  uint32_t struct_size;
  uint32_t num_records;
  uint32_t num_sequences; /* that are alive and wait for it */
  uint32_t unused;
  uint64_t copied_tokens; /* to be copied: times bytes_per_token it is the price */
  uint64_t zeroed_blocks; /* to be zeroed: times bytes_per_block */
} akv_plan_info;

#define AKV_PLAN_INFO_INIT {sizeof(akv_plan_info), 0u, 0u, 0u, 0u, 0u}

/* Read a plan's size and price.
 * META     O(1); one short lock.
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status
akv_plan_read_info(akv_cache *cache, akv_plan plan, akv_plan_info *out_info) AKV_NOEXCEPT;

/* Read a plan's records first .. first + capacity - 1, in the order in which they must run. `out_count` tells how many
 * records the plan has, also when the buffer is too small for the rest of them.
 * META     O(records); one short lock.
 * Thread   any.
 * Fails    as every call, OUT_OF_RANGE (first), BUFFER_TOO_SMALL (the buffer is full of records, and out_count is
 *          written). */
AKV_META AKV_NODISCARD akv_status
akv_plan_read_records(akv_cache *cache, akv_plan plan, uint32_t first, akv_plan_record *out_records, uint32_t capacity,
                      uint32_t *out_count) AKV_NOEXCEPT;

/* The plan's records have run (ticket 0), or are queued and will have when `ticket` ends well. The plan ends, its
 * leases with it. Tokens copied out of a cached block count as committed; what AKV_..._COMMITTED asked for is
 * committed now; all of it under the ticket, and under what the records had to wait for.
 * META     O(records).
 * Thread   any; no other call may be inside the plan's sequences.
 * Fails    as every call, BUSY, CONTENT_LOST and BAD_HANDLE as in akv_sequence_commit(); for plans that swap,
 *          INVALID_ARGUMENT (an open ticket), NOT_READY and CONTENT_LOST as swap.h says. */
AKV_META AKV_NODISCARD akv_status akv_plan_finish(akv_cache *cache, akv_plan plan, akv_ticket ticket) AKV_NOEXCEPT;

/* The plan will not run: roll its sequences back to before the call that made it. A sequence it created is freed. If
 * some records may have been queued already, have a ticket open that covers them: the blocks wait for it.
 * META     O(records + blocks that go back).
 * Thread   any; no other call may be inside the plan's sequences.
 * Fails    as every call, BUSY. */
AKV_META AKV_NODISCARD akv_status akv_plan_abandon(akv_cache *cache, akv_plan plan) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_PLAN_H */
