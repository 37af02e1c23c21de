/* state.h: one read-out of everything a cache knows about itself, and the audit.
 *
 * Every block is in exactly one gauge, and the gauges sum to num_blocks by construction. From these structs come the
 * dump and the block map (report.h), health checks and metrics.
 */
#ifndef ARENAKV_STATE_H
#define ARENAKV_STATE_H

#include "base.h"

AKV_BEGIN_DECLS

/* Where a block is; also the codes of akv_cache_read_block_map(). A block that would fit several is the first of:
 * live, reserved, pinned, quarantined, cached, dirty, free. */
enum {
  AKV_BLOCK_FREE = 0,        /* in the pool and never used, or taken ahead by a thread */
  AKV_BLOCK_DIRTY = 1,       /* in the pool, held K/V before: may have to be zeroed for its next user */
  AKV_BLOCK_RESERVED = 2,    /* in a sequence's table beyond its length */
  AKV_BLOCK_LIVE = 3,        /* holds tokens of a live sequence */
  AKV_BLOCK_PINNED = 4,      /* held by pins, and by no sequence */
  AKV_BLOCK_CACHED = 5,      /* cached, held by nobody: evictable once its tickets have ended */
  AKV_BLOCK_QUARANTINED = 6, /* given back while device work was on it, or held by a lease or plan alone */
  AKV_BLOCK_NULL = 7         /* block 0 */
};

/* A cheap read-out: what a step may look at. */
typedef struct akv_cache_state {
  uint32_t struct_size;
  uint32_t block_tokens;

  /* gauges, in blocks: free + dirty + reserved + live + pinned + cached + quarantined = num_blocks */
  uint32_t num_blocks;
  uint32_t free_blocks;
  uint32_t dirty_blocks;
  uint32_t reserved_blocks;
  uint32_t live_blocks;
  uint32_t pinned_blocks;
  uint32_t cached_blocks;
  uint32_t quarantined_blocks;

  /* more about these blocks; no room is left when free, dirty and evictable blocks are all 0 */
  uint32_t evictable_blocks;  /* of the cached: no ticket is open on them */
  uint32_t duplicate_blocks;  /* of the live: computed twice. A sequence keeps its own one, and with it the equal one
                               * in the index, until it leaves */
  uint32_t peak_live_blocks;  /* the most that were live or reserved at once, as seen under the lock */

  /* things */
  uint32_t sequences;
  uint32_t max_sequences;
  uint32_t lost_sequences;    /* wait to be truncated or freed after akv_ticket_abandon() */
  uint32_t runs;              /* nodes of the prefix index */
  uint32_t pins;
  uint32_t leases;
  uint32_t plans;
  uint32_t open_tickets;
  uint32_t swapped_sequences; /* of the sequences */
  akv_ticket oldest_open;     /* 0: none */
  akv_ticket newest;          /* the last ticket opened; 0: none */
  uint64_t bytes_per_block;   /* of K/V, wherever they are kept: a gauge times this is bytes */
  uint64_t sequence_tokens;   /* lengths of all live sequences added up: what it would take without sharing */
  uint64_t cached_tokens;     /* in cached and pinned blocks */

  /* counters since the cache was created */
  uint64_t created_sequences; /* forks included */
  uint64_t freed_sequences;
  uint64_t prompt_tokens;     /* of all prompts given to create */
  uint64_t hit_tokens;        /* of these, shared in whole blocks */
  uint64_t partial_tokens;    /* and copied out of a block that begins alike */
  uint64_t published_blocks;
  uint64_t evicted_blocks;
  uint64_t copy_on_writes;
  uint64_t refused_no_blocks; /* calls answered with NO_BLOCKS */
  uint64_t refills;           /* of threads' magazines */

  /* memory of the metadata, in bytes */
  uint64_t metadata_reserved_bytes; /* address space */
  uint64_t metadata_used_bytes;     /* of it, ever touched: what it costs in memory, but for small tables and the rest
                                     * of pages; all of it with PREFAULT or an allocator */

  /* swap blocks: free + quarantined + of swapped sequences, of open plans, or acquired = num_swap_blocks */
  uint32_t num_swap_blocks;
  uint32_t free_swap_blocks;
  uint32_t quarantined_swap_blocks;
  uint32_t acquired_swap_blocks;    /* akv_swap_acquire() */
  uint64_t swapped_tokens;          /* their lengths added up; sequence_tokens counts them too */
  uint64_t swapped_out;             /* sequences, ever */
  uint64_t swapped_in;
} akv_cache_state;

#define AKV_CACHE_STATE_INIT                                                                                          \
  {sizeof(akv_cache_state), 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, \
   0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* Read the state. Numbers of sequences that are inside another call are as of just before or just after it.
 * META     O(sequences); one short lock.
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status
akv_cache_read_state(akv_cache *cache, akv_cache_state *out_state) AKV_NOEXCEPT;

/* What to do about fragmentation. */
enum {
  AKV_ADVICE_NONE = 0,
  AKV_ADVICE_WATCH = 1, /* from 0.2 on: long extents of neighbouring blocks get rare */
  AKV_ADVICE_ACT = 2    /* from 0.5 on: an extent of half the free blocks can't be had: use the buddy allocator, or
                         * more, smaller blocks. Paged sequences don't need extents and may ignore it */
};

/* An exact read-out that looks at every block. */
typedef struct akv_measures {
  uint32_t struct_size;
  uint32_t largest_free_run;  /* free and dirty blocks with neighbouring ids */
  float fragmentation;        /* outside blocks: 1 - largest_free_run / (free + dirty); 0 when nothing is free */
  uint32_t advice;            /* AKV_ADVICE_* */
  float waste;                /* inside blocks: the share of live and reserved blocks' room that holds no token */
  uint32_t unused;
  uint64_t live_tokens;       /* in live blocks, each counted once however many sequences share it */
} akv_measures;

#define AKV_MEASURES_INIT {sizeof(akv_measures), 0u, 0.0f, 0u, 0.0f, 0u, 0u}

/* Measure. Blocks tell what is taken, tokens what it is used for.
 * SETUP    O(blocks + runs + sequences); holds the cache's lock.
 * Thread   any; no other call may be inside a sequence of this cache.
 * Fails    as every call, BUSY. */
AKV_SETUP AKV_NODISCARD akv_status
akv_cache_measure(akv_cache *cache, akv_measures *out_measures) AKV_NOEXCEPT;

#define AKV_LINE_PLAN_OPEN 1u
#define AKV_LINE_CONTENT_LOST 2u
#define AKV_LINE_SWAPPED 4u      /* num_blocks are swap blocks */

/* One line per live sequence. Passed in arrays with an element size, so it can grow. */
typedef struct akv_sequence_line {
  akv_sequence sequence;
  uint64_t request_id;
  uint64_t owner;
  uint64_t domain;
  uint32_t length;
  uint32_t known;
  uint32_t committed;
  uint32_t num_blocks;
  uint32_t reserved_blocks;
  uint32_t flags; /* AKV_LINE_* */
} akv_sequence_line;

/* Read a line for each live sequence. `line_size` is sizeof(akv_sequence_line). `out_count` tells how many there are,
 * also when the buffer is too small.
 * META     O(sequences); one short lock.
 * Thread   any.
 * Fails    as every call, BUFFER_TOO_SMALL (out_count is written). */
AKV_META AKV_NODISCARD akv_status
akv_cache_read_sequences(akv_cache *cache, akv_sequence_line *out_lines, uint32_t line_size, uint32_t capacity,
                         uint32_t *out_count) AKV_NOEXCEPT;

enum { AKV_HOLD_PIN = 1, AKV_HOLD_LEASE = 2, AKV_HOLD_PLAN = 3 };

/* One line per pin, lease and open plan: who keeps blocks, and since when. Passed with an element size. */
typedef struct akv_hold_line {
  uint64_t handle;   /* akv_pin, akv_lease or akv_plan */
  uint64_t owner;    /* 0 for plans */
  akv_ticket since;  /* the newest ticket when it was made: how old it is, in steps */
  uint32_t kind;     /* AKV_HOLD_* */
  uint32_t blocks;   /* of a pin or lease; records of a plan */
} akv_hold_line;

/* Read a line for each pin, lease and open plan: for finding who forgot one. As akv_cache_read_sequences().
 * META     O(holds); one short lock.
 * Thread   any.
 * Fails    as every call, BUFFER_TOO_SMALL (out_count is written). */
AKV_META AKV_NODISCARD akv_status
akv_cache_read_holds(akv_cache *cache, akv_hold_line *out_lines, uint32_t line_size, uint32_t capacity,
                     uint32_t *out_count) AKV_NOEXCEPT;

/* Read one byte per block, AKV_BLOCK_*, for blocks 0 .. num_blocks: capacity at least num_blocks + 1.
 * SETUP    O(blocks); holds the cache's lock.
 * Thread   any; no other call may be inside a sequence of this cache.
 * Fails    as every call, BUFFER_TOO_SMALL, BUSY. */
AKV_SETUP AKV_NODISCARD akv_status
akv_cache_read_block_map(akv_cache *cache, uint8_t *out_map, uint32_t capacity) AKV_NOEXCEPT;

/* Check that the counts balance: cheap enough for after every step.
 * META     O(1); one short lock.
 * Thread   any.
 * Fails    as every call, DAMAGED: a bug in the library. The message says which sum is off; the cache goes on. */
AKV_META AKV_NODISCARD akv_status akv_cache_audit(akv_cache *cache) AKV_NOEXCEPT;

/* Count every block again where it is, and check every run, hold, table and counter against each other.
 * SETUP    O(blocks + runs + sequences x blocks); holds the cache's lock.
 * Thread   any; no other call may be inside a sequence of this cache.
 * Fails    as every call, BUSY, DAMAGED. */
AKV_SETUP AKV_NODISCARD akv_status akv_cache_audit_all(akv_cache *cache) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_STATE_H */
