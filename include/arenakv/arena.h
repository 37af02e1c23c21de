/* arena.h: page pools: fixed pages of memory, recycled without a lock, and arenas of tensors over them.
 *
 * A *page pool* is one stretch of addresses cut into pages. They are handed out singly or in batches, or to *arenas*:
 * an arena places *tensors* one behind the other (offset += align(bytes, 256)), each inside one page; a tensor has a
 * capacity and grows in place up to it, by one atomic update, and its bytes never move. An arena is dropped as a whole:
 * all its tensors end at once, its pages go back to the pool, and no memory is ever given back to the system before the
 * pool is destroyed. So choose pages that hold your largest tensor: ceil(largest / 256) x 256.
 *
 * *Tickets* are what ticket.h calls so, but the pool's own: open one before work on a device is queued that names
 * pages or tensors, retire it when the work has finished. Pages that go back in between are in *quarantine*, and handed
 * out only when every ticket that was open then has ended.
 *
 * No call of this header writes to a page. A page that was never handed out is zero; one that was may still hold what
 * its last user wrote. Each hand-out says which (AKV_CONTENT_*): where it is another owner's, who is another trust
 * domain, have it zeroed (copy_tensor.h) before the new owner reads it.
 */
#ifndef ARENAKV_ARENA_H
#define ARENAKV_ARENA_H

#include "base.h"
#include "memory.h"
#include "view.h"

AKV_BEGIN_DECLS

/* A page pool: like a cache, a pointer type that carries a handle and is never dereferenced. */
typedef struct akv_page_pool akv_page_pool;

/* Things inside a pool, as 64-bit values with kind, pool and a generation of 32 bits. 0 is none; a stale one, or
 * another pool's, is BAD_HANDLE. */
typedef uint64_t akv_page;
typedef uint64_t akv_arena;
typedef uint64_t akv_tensor;

/* What is in memory that is handed out. */
enum {
  AKV_CONTENT_ZERO = 0,   /* it was never handed out: zeroes */
  AKV_CONTENT_OWN = 1,    /* the same owner has used it before */
  AKV_CONTENT_FOREIGN = 2 /* another owner has; or what the caller's memory held */
};

#define AKV_PAGE_POOL_PREFAULT 1u /* touch pages when they are reserved: no later write meets a page fault */
#define AKV_PAGE_POOL_DIRTY 2u    /* the caller's memory is not zero: its pages are FOREIGN to everybody at first */

/* Zero means default. */
typedef struct akv_page_pool_config {
  uint32_t struct_size;
  uint32_t flags;             /* AKV_PAGE_POOL_* */
  uint64_t page_bytes;        /* a multiple of 256, up to 2^39; default 2 MiB */
  uint32_t num_pages;         /* with memory from the start; default max_pages, or 64 */
  uint32_t max_pages;         /* addresses are reserved for so many; up to 2^20 - 1; default num_pages */
  uint32_t max_arenas;        /* live at once, up to 2^20 - 1; default 256 */
  uint32_t tensors_per_page;  /* a power of two; max_pages x this is at most 2^20; default 16 or less */
  uint32_t max_open_tickets;  /* as in akv_cache_config; default 1024 */
  uint32_t device;            /* AKV_DEVICE_HOST */
  uint32_t purpose;           /* AKV_PURPOSE_* for the tracker; default AKV_PURPOSE_KV_CACHE */
  uint32_t unused;            /* 0 */
  void *memory;               /* of max_pages pages, 256-byte aligned, all there and zero (or DIRTY), yours until the
                               * pool is destroyed. NULL: the library maps it, lazily zero, in huge pages if it can */
  uint64_t memory_bytes;      /* of `memory`: checked */
  akv_tracker *tracker;       /* records what the pool reserves, and outlives it. Not `memory`: that is yours, and
                               * recorded by you or not at all. NULL: none */
} akv_page_pool_config;

#define AKV_PAGE_POOL_CONFIG_INIT {sizeof(akv_page_pool_config), 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, NULL, 0u, NULL}

/* Make a page pool. `config` may be NULL: all defaults.
 * SETUP    maps addresses and tables; memory comes as it is touched, or with PREFAULT.
 * Thread   any.
 * Fails    INVALID_ARGUMENT, UNSUPPORTED (another device), OUT_OF_RANGE (more than 2^46 bytes), OUT_OF_MEMORY,
 *          NO_OBJECTS, BAD_HANDLE (the tracker), NO_CAPACITY and NO_OBJECTS of the tracker.
 * Owns     release it with akv_page_pool_destroy(). */
AKV_SETUP AKV_NODISCARD akv_status
akv_page_pool_create(const akv_page_pool_config *config, akv_page_pool **out_pool) AKV_NOEXCEPT;

/* Destroy it with everything in it. NULL is fine. The library's memory is unmapped, the caller's left alone.
 * SETUP    O(1), and what unmapping takes.
 * Thread   exclusive.
 * Fails    BAD_HANDLE, WRONG_TYPE, BUSY (a call is inside, or tickets are open: work may still use the memory).
 *          In a child of fork() it is AKV_OK. */
AKV_SETUP AKV_NODISCARD akv_status akv_page_pool_destroy(akv_page_pool *pool) AKV_NOEXCEPT;

/* The configuration in use, with every default filled in. `memory` is where page 1 begins (the raw pointer:
 * page n is `memory` + (n - 1) x page_bytes); `tracker` is NULL.
 * META     O(1).
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status
akv_page_pool_read_config(akv_page_pool *pool, akv_page_pool_config *out_config) AKV_NOEXCEPT;

/* See that at least `num_pages` pages have memory, those in use included. Only this makes a pool larger; it never gets
 * smaller.
 * SETUP    O(1); O(bytes) with PREFAULT. Pages go on being handed out meanwhile.
 * Thread   any.
 * Fails    as every call, OUT_OF_RANGE (max_pages), OUT_OF_MEMORY, NO_CAPACITY of the tracker. */
AKV_SETUP AKV_NODISCARD akv_status akv_page_pool_reserve(akv_page_pool *pool, uint32_t num_pages) AKV_NOEXCEPT;

/* Take `count` pages, all or none, for this owner. `out_contents` (may be NULL) says what is in each. Never grows the
 * pool, and takes no lock.
 * META     O(count).
 * Thread   any.
 * Fails    as every call, NO_PAGES: at one moment there were too few. (While another thread's batch is being refused,
 *          what it had found is missing.)
 * Owns     give each back with akv_page_release(). */
AKV_META AKV_NODISCARD akv_status
akv_page_acquire(akv_page_pool *pool, uint64_t owner, akv_page *out_pages, uint32_t *out_contents,
                 uint32_t count) AKV_NOEXCEPT;

/* Give pages back, all or none, each once. The last one back is the first one out.
 * META     O(count); no lock, and one short lock while tickets are open.
 * Thread   any.
 * Fails    as every call, BAD_HANDLE (given back before, twice in the array, or with others by another call at this
 *          moment); the message names the row. */
AKV_META AKV_NODISCARD akv_status
akv_page_release(akv_page_pool *pool, const akv_page *pages, uint32_t count) AKV_NOEXCEPT;

/* Where bytes lie. A description: reading it touches none. */
typedef struct akv_memory_view {
  uint32_t struct_size;
  uint32_t device;
  void *data;              /* 256-byte aligned within the pool's memory */
  uint64_t bytes;          /* in use: a tensor's length, all of a page */
  uint64_t capacity_bytes; /* up to here it grows without moving */
  uint64_t epoch;          /* of what it belongs to: while a read-out answers this one, `data` is right */
  uint64_t owner;
  uint32_t content;        /* AKV_CONTENT_*, as it was handed out */
  uint32_t page;           /* the number of its page, from 1 */
} akv_memory_view;

#define AKV_MEMORY_VIEW_INIT {sizeof(akv_memory_view), 0u, NULL, 0u, 0u, 0u, 0u, 0u, 0u}

/* Where a page lies.
 * META     O(1), no lock.
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status
akv_page_read_view(akv_page_pool *pool, akv_page page, akv_memory_view *out_view) AKV_NOEXCEPT;

/* Make an arena for this owner (your trust domain or request; any number). It takes its first page with its first
 * tensor.
 * META     O(1); one short lock.
 * Thread   any.
 * Fails    as every call, NO_ARENAS.
 * Owns     end it with akv_arena_drop(). */
AKV_META AKV_NODISCARD akv_status
akv_arena_create(akv_page_pool *pool, uint64_t owner, akv_arena *out_arena) AKV_NOEXCEPT;

/* Drop an arena with all its tensors. Its pages go back at once, or when every ticket that is open now has ended.
 * META     O(1), however many pages and tensors it has; one short lock. No memory is unmapped, no device is asked.
 * Thread   any; who grows or reads one of its tensors at this moment was quicker, or is told BAD_HANDLE.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status akv_arena_drop(akv_page_pool *pool, akv_arena arena) AKV_NOEXCEPT;

typedef struct akv_arena_info {
  uint32_t struct_size;
  uint32_t pages;
  uint64_t owner;
  uint64_t tensors;
  uint64_t capacity_bytes; /* of its tensors, with what rounding to 256 added */
  uint64_t rounding_bytes; /* of these, what rounding added */
  uint64_t closed_bytes;   /* at the ends of its pages, where no tensor will come any more */
  uint64_t open_bytes;     /* left in its newest page */
} akv_arena_info;

#define AKV_ARENA_INFO_INIT {sizeof(akv_arena_info), 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* What an arena has.
 * META     O(1), no lock.
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status
akv_arena_read_info(akv_page_pool *pool, akv_arena arena, akv_arena_info *out_info) AKV_NOEXCEPT;

/* Place a tensor that may hold `capacity_bytes`, rounded up to 256, and holds nothing yet. `out_content` (may be NULL)
 * says what its memory holds.
 * META     O(1); a lock of this arena for some instructions, none of the pool.
 * Thread   any.
 * Fails    as every call, NO_CAPACITY (more than a page), NO_PAGES, NO_TENSORS (its newest page has room for the bytes,
 *          but tensors_per_page tensors, and there is no other page).
 * Owns     it ends with its arena. */
AKV_META AKV_NODISCARD akv_status
akv_tensor_create(akv_page_pool *pool, akv_arena arena, uint64_t capacity_bytes, akv_tensor *out_tensor,
                  uint32_t *out_content) AKV_NOEXCEPT;

/* The same for the keys and values of all layers at once, all or none.
 * META     O(count); a lock of this arena meanwhile, none of the pool.
 * Thread   any.
 * Fails    as akv_tensor_create().
 * Owns     they end with their arena. */
AKV_META AKV_NODISCARD akv_status
akv_tensor_create_batch(akv_page_pool *pool, akv_arena arena, const uint64_t *capacity_bytes, uint32_t count,
                        akv_tensor *out_tensors, uint32_t *out_contents) AKV_NOEXCEPT;

/* Grow a tensor by `bytes`: one atomic update of its length. `out_offset` (may be NULL) is the length before: where the
 * new bytes begin. Calls at the same time get one stretch each, one behind the other. No byte moves.
 * META     O(1), no lock.
 * Thread   any.
 * Fails    as every call, NO_CAPACITY (the message has what it holds, and what it may). */
AKV_META AKV_NODISCARD akv_status
akv_tensor_extend(akv_page_pool *pool, akv_tensor tensor, uint64_t bytes, uint64_t *out_offset) AKV_NOEXCEPT;

/* Where a tensor lies, how long it is and how long it may get.
 * META     O(1), no lock.
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status
akv_tensor_read_view(akv_page_pool *pool, akv_tensor tensor, akv_memory_view *out_view) AKV_NOEXCEPT;

/* The bytes that a tensor has now, from byte `offset` on, as a packed tensor of this dtype (view.h) and shape; one of
 * the sizes may be -1: whatever is left. It stays right while the tensor grows; its epoch is akv_memory_view's.
 * META     O(dimensions), no lock.
 * Thread   any.
 * Fails    as every call, INVALID_ARGUMENT (a shape, or a dtype of less than a byte), OUT_OF_RANGE (more than it has).
 */
AKV_META AKV_NODISCARD akv_status
akv_tensor_read_shape(akv_page_pool *pool, akv_tensor tensor, uint64_t offset, uint32_t dtype, const int64_t *shape,
                      uint32_t num_dimensions, akv_view *out_view) AKV_NOEXCEPT;

/* Open a ticket: from now on pages that go back wait for it.
 * META     O(1); one short lock.
 * Thread   any.
 * Fails    as every call, NO_TICKETS.
 * Owns     end it with akv_page_pool_ticket_retire() or akv_page_pool_ticket_abandon(). */
AKV_META AKV_NODISCARD akv_status
akv_page_pool_ticket_open(akv_page_pool *pool, akv_ticket *out_ticket) AKV_NOEXCEPT;

/* The work has finished. In any order.
 * META     O(tickets that this settles); one short lock.
 * Thread   any.
 * Fails    as every call, BAD_HANDLE (never opened, or ended already). */
AKV_META AKV_NODISCARD akv_status
akv_page_pool_ticket_retire(akv_page_pool *pool, akv_ticket ticket) AKV_NOEXCEPT;

/* The work failed or will never finish, and touches no memory any more: you vouch for that. What it has written is
 * yours to judge.
 * META     O(tickets that this settles); one short lock.
 * Thread   any.
 * Fails    as every call, BAD_HANDLE (never opened, or ended already). */
AKV_META AKV_NODISCARD akv_status
akv_page_pool_ticket_abandon(akv_page_pool *pool, akv_ticket ticket) AKV_NOEXCEPT;

/* Where a ticket stands: AKV_TICKET_* of ticket.h. Ticket 0 has PASSED.
 * META     O(1); one short lock.
 * Thread   any.
 * Fails    as every call, BAD_HANDLE (never opened, or another pool's). */
AKV_META AKV_NODISCARD akv_status
akv_page_pool_ticket_read(akv_page_pool *pool, akv_ticket ticket, uint32_t *out_state) AKV_NOEXCEPT;

typedef struct akv_dropped {
  uint32_t struct_size;
  uint32_t arenas;
  uint64_t tensors;
  uint32_t raw_pages; /* that were acquired as pages */
  uint32_t pages;     /* in all; those of arenas included */
  uint64_t bytes;     /* of these pages */
} akv_dropped;

#define AKV_DROPPED_INIT {sizeof(akv_dropped), 0u, 0u, 0u, 0u, 0u}

/* Emergency: drop every arena of an owner and give back every page it has acquired, through tickets as always. A batch
 * that another call is giving back at this moment is that call's, and not counted here: what this one met of it is back
 * when that call returns, also if it answers BAD_HANDLE for a row.
 * SETUP    O(arenas + pages); holds the pool's lock.
 * Thread   any.
 * Fails    as every call. */
AKV_SETUP AKV_NODISCARD akv_status
akv_page_pool_drop_owner(akv_page_pool *pool, uint64_t owner, akv_dropped *out_dropped) AKV_NOEXCEPT;

/* The same for everybody.
 * SETUP    O(arenas + pages); holds the pool's lock.
 * Thread   any.
 * Fails    as every call. */
AKV_SETUP AKV_NODISCARD akv_status akv_page_pool_drop_all(akv_page_pool *pool, akv_dropped *out_dropped) AKV_NOEXCEPT;

/* free_pages + live_pages + quarantined_pages + unreserved_pages == max_pages, always. */
typedef struct akv_page_pool_state {
  uint32_t struct_size;
  uint32_t device;
  uint64_t page_bytes;
  uint32_t max_pages;
  uint32_t free_pages;        /* can be handed out now */
  uint32_t live_pages;        /* held by arenas, or acquired */
  uint32_t quarantined_pages; /* wait for tickets */
  uint32_t unreserved_pages;  /* have no memory yet */
  uint32_t fresh_pages;       /* of the free ones, never handed out */
  uint32_t arena_pages;       /* of the live ones, the arenas' */
  uint32_t arenas;
  uint64_t tensors;
  uint64_t capacity_bytes;    /* of live tensors, with what rounding to 256 added */
  uint64_t rounding_bytes;    /* of these, what rounding added */
  uint64_t closed_bytes;      /* at the ends of live pages, where no tensor will come any more */
  uint64_t handed_out;        /* pages, since the pool was made */
  uint64_t recycled;          /* of these, pages that had been used before */
  uint64_t recycled_bytes;
  double hit_ratio;           /* recycled / handed_out; 0 at first */
  uint64_t refused;           /* calls that found too few pages */
  uint64_t dropped_arenas;
  uint64_t dropped_tensors;
  uint64_t abandoned_tickets;
  akv_ticket oldest_open;     /* AKV_NONE: none is open */
  akv_ticket newest;
  uint32_t open_tickets;
  uint32_t lock_free;         /* 1: this machine hands out pages without a lock */
  uint32_t bytes_per_tensor;  /* of its table: 16 */
  uint32_t unused;
  uint64_t table_bytes;       /* address space of all tables; they are touched as they are used */
} akv_page_pool_state;

#define AKV_PAGE_POOL_STATE_INIT                                                                                     \
  {sizeof(akv_page_pool_state), 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0.0, 0u, 0u, 0u, \
   0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* All numbers of a pool. Exact while no other call is inside; else of nearly the same moment.
 * META     O(max_arenas), no lock.
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status
akv_page_pool_read_state(akv_page_pool *pool, akv_page_pool_state *out_state) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_ARENA_H */
