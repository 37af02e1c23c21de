/* cache.h: the metadata of one KV cache: blocks of N tokens as int32 ids, who holds them, in what order they leave.
 * A cache knows numbers, never addresses: it is whole without any memory behind it (a scheduler, a simulator).
 *
 * Threads: any call from any thread. One sequence belongs to one caller at a time; a second call that meets it is
 * answered with BUSY. Growing and committing take no lock but one for every magazine of blocks that a thread takes
 * ahead, and one each time a table has doubled in length (where blocks may have to be scrubbed, from the second domain
 * on: one for every call that takes blocks). Admission, forks and leaving take one short lock of the cache, and publish
 * what was committed before they look into the index.
 */
#ifndef ARENAKV_CACHE_H
#define ARENAKV_CACHE_H

#include "base.h"
#include "geometry.h"
#include "host.h"

AKV_BEGIN_DECLS

enum {
  AKV_BLOCK_ALLOCATOR_STACK = 0, /* last freed, first used: O(1), warm */
  AKV_BLOCK_ALLOCATOR_BUDDY = 1  /* neighbours stay together: O(log n), long extents (Knowlton 1965) */
};

enum {
  AKV_SCRUB_DOMAIN = 0, /* before another domain gets a block, and after work on it was abandoned (default) */
  AKV_SCRUB_NONE = 1,   /* never: every prompt belongs to one trust domain */
  AKV_SCRUB_ALWAYS = 2  /* before every reuse */
};

/* Scrubbing means: a block that held K/V is handed out with a plan that zeroes it first (plan.h). Blocks that were
 * never taken out of the pool, by a sequence or ahead by a thread, are not scrubbed: the memory behind a cache must
 * start as zeroes, the null block included. */

/* Flags are macros, constants of a set are enumerators: so `on ? AKV_... : 0u` is fine in C++ as well. */
#define AKV_CACHE_PREFAULT 1u /* touch all metadata in akv_cache_create(): no later call meets a page fault */

/* Zero means default. */
typedef struct akv_cache_config {
  uint32_t struct_size;
  uint32_t flags;                   /* AKV_CACHE_* */
  uint32_t num_blocks;              /* usable blocks, the null block not counted; default 4096 */
  uint32_t block_tokens;            /* tokens of a block; default 16 */
  uint32_t max_sequences;           /* live sequences (slots); default 256 */
  uint32_t max_tokens_per_sequence; /* default 4096 */
  uint32_t max_open_tickets;        /* between the oldest open ticket and the next; a power of two up to 2^20; default
                                     * 1024 */
  uint32_t max_plans;               /* plans open at once, up to 2^20 - 1; default max_sequences + 64 */
  uint32_t max_holds;               /* pins and leases at once, up to 2^20 - 1; default 1024 */
  uint32_t max_pinned_blocks;       /* the pins' budget; default a quarter of num_blocks, and never more than those */
  uint32_t magazine_blocks;         /* blocks a thread takes ahead in one refill, 1 to 60; default num_blocks / 128 */
  uint32_t block_allocator;         /* AKV_BLOCK_ALLOCATOR_* */
  uint32_t scrub;                   /* AKV_SCRUB_* */
  uint32_t num_groups;              /* 0: one group of 32 layers, 8 KV heads of 128 for keys and values in f16 */
  uint32_t group_size;              /* sizeof(akv_layer_group) */
  uint32_t num_swap_blocks;         /* where sequences go when they leave (swap.h); default 0: none */
  const akv_layer_group *groups;
  const akv_allocator *allocator;   /* NULL: anonymous mappings */
} akv_cache_config;

#define AKV_CACHE_CONFIG_INIT                                                                                       \
  {sizeof(akv_cache_config), 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, NULL, NULL}

/* What a cache of this configuration would need, without making one: the price before the order.
 * META     O(planes).
 * Thread   any.
 * Fails    INVALID_ARGUMENT, UNSUPPORTED, as akv_cache_create() would; OUT_OF_RANGE when a size exceeds 2^64 - 1 bytes,
 *          or the metadata 2^46. */
AKV_META AKV_NODISCARD akv_status
akv_cache_config_sizes(const akv_cache_config *config, akv_sizes *out_sizes) AKV_NOEXCEPT;

/* Make a cache. `config` may be NULL: all defaults.
 * SETUP    allocates (address space; memory with PREFAULT or an allocator).
 * Thread   any.
 * Fails    INVALID_ARGUMENT, UNSUPPORTED (more than one group, unknown flags), OUT_OF_RANGE (a size exceeds
 *          2^64 - 1), OUT_OF_MEMORY, CALLBACK, NO_CACHES.
 * Owns     release it with akv_cache_destroy(). Everything in `config` is copied; the allocator must outlive it. */
AKV_SETUP AKV_NODISCARD akv_status
akv_cache_create(const akv_cache_config *config, akv_cache **out_cache) AKV_NOEXCEPT;

/* Destroy a cache with everything in it, live sequences included. NULL is fine. Afterwards every handle of it is
 * BAD_HANDLE, here and in calls on other threads that come too late.
 * SETUP    O(sequences).
 * Thread   exclusive: a call that is inside one of its sequences at this moment makes it BUSY.
 * Fails    BAD_HANDLE, BUSY. In a child of fork() it is AKV_OK and leaves an allocator's memory alone. */
AKV_SETUP AKV_NODISCARD akv_status akv_cache_destroy(akv_cache *cache) AKV_NOEXCEPT;

/* The configuration in use, with every default filled in. Its pointers are NULL: akv_cache_read_group() tells the
 * geometry.
 * META     O(1).
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status
akv_cache_read_config(akv_cache *cache, akv_cache_config *out_config) AKV_NOEXCEPT;

/* One layer group, and its planes into your array of `capacity` planes (out_group->num_planes tells how many there
 * are, also when the array is too small). out_group->planes is NULL; out_group->plane_size is the size of a plane in
 * your header: set it before the call. `group_size` is sizeof(akv_layer_group).
 * META     O(planes).
 * Thread   any.
 * Fails    as every call, OUT_OF_RANGE (no such group), BUFFER_TOO_SMALL (out_group is written). */
AKV_META AKV_NODISCARD akv_status
akv_cache_read_group(akv_cache *cache, uint32_t group, akv_layer_group *out_group, uint32_t group_size,
                     akv_plane *out_planes, uint32_t capacity) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_CACHE_H */
