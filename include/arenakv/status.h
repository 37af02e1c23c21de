/* status.h: what a call answers, and the text behind it.
 *
 * All or nothing: when a function does not answer AKV_OK, nothing has changed and no out-parameter was written,
 * unless its contract says otherwise. Values are numbered in groups of ten and never renumbered.
 */
#ifndef ARENAKV_STATUS_H
#define ARENAKV_STATUS_H

#include "base.h"

AKV_BEGIN_DECLS

enum {
  AKV_OK = 0,

  /* the call itself */
  AKV_ERROR_INVALID_ARGUMENT = -10, /* NULL, zero, a wrong struct_size, a value outside its set */
  AKV_ERROR_OUT_OF_RANGE = -11,     /* a position or a length beyond what is there */
  AKV_ERROR_BUFFER_TOO_SMALL = -12, /* an output buffer; the message names the size needed */
  AKV_ERROR_UNSUPPORTED = -13,      /* understood, and not in this release or this build */

  /* handles */
  AKV_ERROR_BAD_HANDLE = -20, /* stale, released, or never one of this cache's */
  AKV_ERROR_WRONG_TYPE = -21, /* a handle of another kind */

  /* the state of what was named */
  AKV_ERROR_BUSY = -30,           /* another call is inside it at this moment: try again */
  AKV_ERROR_PLAN_OPEN = -31,      /* a plan is open on it: finish or abandon that first */
  AKV_ERROR_PLAN_NEEDED = -32,    /* bytes must be copied or zeroed first, and there was no out_plan to say so */
  AKV_ERROR_NOT_COMMITTED = -33,  /* a shared block would have to be copied before its K/V exist */
  AKV_ERROR_CONTENT_LOST = -34,   /* K/V behind it was given up with akv_ticket_abandon() */
  AKV_ERROR_ALREADY_EXISTS = -35, /* a request id that a live sequence has */
  AKV_ERROR_NOT_FOUND = -36,      /* nothing of that name */
  AKV_ERROR_SWAPPED = -37,        /* the sequence's K/V are in the swap blocks: swap it in first */
  AKV_ERROR_NOT_READY = -38,      /* what it has to wait for has not finished: wait, or try again */
  AKV_ERROR_NOT_CONTIGUOUS = -39, /* one strided tensor was asked for, and these bytes are not one */

  /* room in the cache: never to be confused with the host's memory */
  AKV_ERROR_NO_BLOCKS = -40,    /* not enough blocks are free or evictable: wait, free, or preempt */
  AKV_ERROR_NO_SEQUENCES = -41, /* max_sequences are live (a slot table that is full) */
  AKV_ERROR_NO_CAPACITY = -42,  /* the sequence may never be that long */
  AKV_ERROR_NO_TICKETS = -43,   /* max_open_tickets lie between the oldest open one and the next */
  AKV_ERROR_NO_HOLDS = -44,     /* max_holds pins and leases exist */
  AKV_ERROR_NO_PLANS = -45,     /* max_plans plans are open */
  AKV_ERROR_PIN_BUDGET = -46,   /* max_pinned_blocks would be exceeded */
  AKV_ERROR_NO_CACHES = -47,    /* AKV_MAX_CACHES caches exist in this process */
  AKV_ERROR_NO_SWAP_BLOCKS = -48, /* not enough swap blocks are free */

  /* the host */
  AKV_ERROR_OUT_OF_MEMORY = -50, /* of the host; only SETUP calls allocate */
  AKV_ERROR_CALLBACK = -51,      /* a callback of the host misbehaved */
  AKV_ERROR_FORKED = -52,        /* what was named belongs to the parent of this process */
  AKV_ERROR_TIMEOUT = -53,       /* the deadline passed; nothing was given up */
  AKV_ERROR_IO = -54,            /* of the system: the message has the errno and what was asked for */

  /* the library */
  AKV_ERROR_DAMAGED = -60, /* an audit found that the books do not balance: a bug, please report it */

  /* bytes that came from outside, or back */
  AKV_ERROR_BAD_IMAGE = -70,      /* a saved sequence that is truncated, damaged, or none at all */
  AKV_ERROR_OTHER_GEOMETRY = -71, /* sound, but of another shape than what it was to meet */
  AKV_ERROR_VERIFY_FAILED = -72,  /* a copy differs from its source: the source was kept */

  /* room in page pools, streams, and for these themselves */
  AKV_ERROR_NO_PAGES = -80,   /* the page pool has none left: drop arenas, or reserve more */
  AKV_ERROR_NO_ARENAS = -81,  /* max_arenas live in the page pool */
  AKV_ERROR_NO_TENSORS = -82, /* max_tensors live in the page pool */
  AKV_ERROR_QUEUE_FULL = -83, /* the stream has no room for this work: wait for some of it */
  AKV_ERROR_NO_OBJECTS = -84  /* AKV_MAX_OBJECTS of this kind exist in this process */
};

/* The name of a status, "AKV_ERROR_NO_BLOCKS": static memory, never NULL; unknown values have a text too.
 * META     O(1).
 * Thread   any; also from a signal handler.
 * Fails    never. */
AKV_META const char *akv_status_name(akv_status status) AKV_NOEXCEPT;

/* The message of the last call on this thread that failed: the value, the limit, what to do.
 * Copies at most `capacity - 1` bytes and a terminator, and returns the length of the whole message without it
 * (0 if nothing has failed yet). A later success does not erase it. It names no token and no domain.
 * META     O(length); the text is made here, not when the call failed.
 * Thread   any: each thread has its own.
 * Fails    never; buffer may be NULL when capacity is 0. */
AKV_META size_t akv_last_error(char *buffer, size_t capacity) AKV_NOEXCEPT;

/* The same for programs: what a scheduler needs to pick a victim, without reading text. */
typedef struct akv_error_detail {
  uint32_t struct_size;
  akv_status status;  /* of the last call on this thread that failed; AKV_OK if none has */
  uint32_t row;       /* element of the batch it is about; AKV_UNSET: none */
  uint32_t unused;
  uint64_t needed;    /* blocks for NO_BLOCKS, elements for BUFFER_TOO_SMALL, tokens for NO_CAPACITY ...; else 0 */
  uint64_t available; /* in the same unit */
} akv_error_detail;

#define AKV_ERROR_DETAIL_INIT {sizeof(akv_error_detail), 0, 0u, 0u, 0u, 0u}

/* Read the numbers of this thread's last failure.
 * META     O(1).
 * Thread   any: each thread has its own.
 * Fails    INVALID_ARGUMENT (then it is the last failure itself). */
AKV_META AKV_NODISCARD akv_status akv_last_error_detail(akv_error_detail *out_detail) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_STATUS_H */
