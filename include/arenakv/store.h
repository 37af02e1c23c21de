/* store.h: the bytes of a cache's blocks on one device: where they lie, in which layout, with which strides.
 *
 * A cache has no store (a scheduler, a simulator), one, or one per *shard*: of its layers, or of its KV heads. A block
 * is a *column* over the regions of a store: one region for each layer and plane, and one for its scales. The memory is
 * the library's (one reservation) or the caller's (tensors of an engine: pointers and strides). Functions that move
 * bytes are in copy.h; here is only what describes them.
 *
 *   layer-outer NHD   region [block][token][head][dim]: the default; a sequence of neighbouring blocks is one tensor
 *   layer-outer HND   region [block][head][token][dim]
 *   block-outer       [block][layer][plane] and then the same: a block is one piece of memory (transfers, swap)
 *
 * Scales ([block][token][scale_bytes]) lie inside the block's column, behind the elements of their plane. A shard of
 * heads has the scales of its heads: they are taken to be equal parts of scale_bytes, in the order of the heads.
 * Where a head's elements end inside a byte (4 bits, an odd dim), a token's heads are one head here.
 * The library's memory starts as zeroes, the null block included; regions are aligned to 256 bytes, in block-outer each
 * piece of a block.
 */
#ifndef ARENAKV_STORE_H
#define ARENAKV_STORE_H

#include "base.h"
#include "geometry.h"
#include "view.h"

AKV_BEGIN_DECLS

enum { AKV_LAYOUT_LAYER_OUTER = 0, AKV_LAYOUT_BLOCK_OUTER = 1 };
enum { AKV_HEADS_INNER = 0 /* NHD: a token's heads lie together */, AKV_HEADS_OUTER = 1 /* HND */ };

enum {
  AKV_STORE_BLOCKS = 0,     /* columns for the cache's blocks 0 .. num_blocks */
  AKV_STORE_SWAP_BLOCKS = 1 /* columns for its swap blocks (swap.h): where sequences go when they leave */
};

/* One region of the caller's memory. Strides are in bytes; passed in arrays with an element size, so it can grow. */
typedef struct akv_region {
  void *data;           /* element (block 0, token 0, head 0) */
  uint64_t bytes;       /* from `data` on: nothing beyond is touched */
  int64_t block_stride; /* all strides must be given: not negative, and no head lies over another */
  int64_t token_stride;
  int64_t head_stride;
  void *scales;         /* block 0, token 0; NULL where the plane has no scales */
  uint64_t scales_bytes;
  int64_t scales_block_stride;
  int64_t scales_token_stride;
} akv_region;

#define AKV_STORE_SMALL_PAGES 1u /* don't ask for huge pages */

/* Zero means default. */
typedef struct akv_store_config {
  uint32_t struct_size;
  uint32_t flags;            /* AKV_STORE_SMALL_PAGES */
  uint32_t device;           /* AKV_DEVICE_HOST */
  uint32_t layout;           /* AKV_LAYOUT_* */
  uint32_t heads;            /* AKV_HEADS_* */
  uint32_t columns;          /* AKV_STORE_BLOCKS or AKV_STORE_SWAP_BLOCKS */
  uint32_t first_head;       /* a shard of the KV heads: these of every plane that has more than one head */
  uint32_t num_heads;        /* 0: all */
  uint32_t num_layers;       /* elements of `layers`; 0: all layers of the cache */
  uint32_t num_regions;      /* the caller's memory: one for each stored layer and plane, planes innermost; 0: the
                              * library's memory */
  uint32_t region_size;      /* sizeof(akv_region) */
  uint32_t unused;           /* 0 */
  const uint32_t *layers;    /* which layers of the cache are stored, ascending: a shard, or a selection */
  const akv_region *regions;
  akv_tracker *tracker;      /* where the library's memory is recorded, as KV cache or swap (memory.h); it can't be
                              * destroyed before the store. NULL: nowhere */
} akv_store_config;

#define AKV_STORE_CONFIG_INIT {sizeof(akv_store_config), 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, NULL, NULL, NULL}

/* Make a store for the blocks of `cache`. It keeps the cache's geometry, not the cache: that may be destroyed first.
 * `config` may be NULL: all layers and heads, layer-outer NHD, the library's memory.
 * SETUP    one reservation of address space; memory is committed as it is touched.
 * Thread   any.
 * Fails    as every call, INVALID_ARGUMENT (a layer, head or stride that does not fit the geometry), OUT_OF_RANGE (a
 *          region of the caller's is too small: the message names region and bytes), OUT_OF_MEMORY, UNSUPPORTED
 *          (another device; swap blocks of a cache that has none; heads apart where 4-bit elements, or in a shard
 *          scales, can't be), NO_OBJECTS, and as akv_tracker_record() of a tracker.
 * Owns     end it with akv_store_destroy(). The caller's regions stay the caller's and must outlive it. */
AKV_SETUP AKV_NODISCARD akv_status
akv_store_create(akv_cache *cache, const akv_store_config *config, akv_store **out_store) AKV_NOEXCEPT;

/* End a store. NULL is fine.
 * SETUP    returns its memory.
 * Thread   exclusive: calls inside it, and queued work on it, make it BUSY.
 * Fails    BAD_HANDLE, BUSY. In a child of fork() it is AKV_OK. */
AKV_SETUP AKV_NODISCARD akv_status akv_store_destroy(akv_store *store) AKV_NOEXCEPT;

/* Told `done` of `total` bytes: about 64 times, or, where that would be oftener than every 2 MiB, once for each 2 MiB;
 * and when all is done. Return 0 to go on; anything else stops the warm-up. */
typedef int32_t (*akv_progress_function)(void *context, uint64_t done, uint64_t total);

/* Touch all memory of the store now, so that no later write meets a page fault. What is written there already
 * stays as it is, also while others write. `progress` may be NULL.
 * SETUP    O(bytes): the speed of memset.
 * Thread   any.
 * Fails    as every call, OUT_OF_MEMORY, CALLBACK (progress stopped it, or threw; what was touched stays so). */
AKV_SETUP AKV_NODISCARD akv_status
akv_store_warm_up(akv_store *store, akv_progress_function progress, void *context) AKV_NOEXCEPT;

typedef struct akv_store_info {
  uint32_t struct_size;
  uint32_t device;
  uint32_t layout;
  uint32_t heads;
  uint32_t columns;          /* AKV_STORE_* */
  uint32_t block_tokens;
  uint32_t num_blocks;       /* columns, block 0 not counted */
  uint32_t num_layers;       /* that are stored */
  uint32_t num_planes;       /* of each layer */
  uint32_t first_head;
  uint32_t num_heads;        /* 0: all */
  uint32_t callers_memory;   /* 1: regions of the caller */
  uint64_t bytes_per_block;  /* of this store's layers and heads, scales included */
  uint64_t bytes;            /* of the reservation, or of all the caller's regions */
  uint64_t alignment_waste;  /* of these, bytes that hold no element */
  uint64_t epoch;            /* of its views */
} akv_store_info;

#define AKV_STORE_INFO_INIT {sizeof(akv_store_info), 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* Read what a store is.
 * META     O(1).
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status akv_store_read_info(akv_store *store, akv_store_info *out_info) AKV_NOEXCEPT;

/* One region as the library or the caller laid it out: for kernels that take pointers and strides.
 * `layer` is a layer of the cache, `plane` an index in akv_layer_group.planes; `region_size` is sizeof(akv_region).
 * META     O(log layers).
 * Thread   any.
 * Fails    as every call, OUT_OF_RANGE (a layer that is not stored here, no such plane). */
AKV_META AKV_NODISCARD akv_status
akv_store_read_region(akv_store *store, uint32_t layer, uint32_t plane, akv_region *out_region,
                      uint32_t region_size) AKV_NOEXCEPT;

/* A layer's plane as a tensor over all blocks: [block][token][head][dim], or [block][head][token][dim] with
 * AKV_HEADS_OUTER. Elements of 4 bits have dim / 2 bytes of dtype I8.
 * META     O(log layers).
 * Thread   any.
 * Fails    as akv_store_read_region(). */
AKV_META AKV_NODISCARD akv_status
akv_store_read_view(akv_store *store, uint32_t layer, uint32_t plane, akv_view *out_view) AKV_NOEXCEPT;

/* The same of one sequence whose blocks are neighbours (AKV_SEQUENCE_CONTIGUOUS makes them so): `num_tokens` tokens as
 * one strided tensor [token][head][dim] in layer-outer NHD, and else a tensor by block, [block][token][head][dim] or
 * [block][head][token][dim], of whole blocks. `blocks` as akv_sequence_read_blocks() tells them. Read-only unless the
 * sequence's blocks are its own to write to: that is for the caller to know.
 * META     O(blocks).
 * Thread   any.
 * Fails    as akv_store_read_region(), NOT_CONTIGUOUS (names the block that is not its neighbour's), OUT_OF_RANGE (a
 *          block that does not exist or is the null block, or more tokens than the blocks hold), INVALID_ARGUMENT (no
 *          tokens). */
AKV_META AKV_NODISCARD akv_status
akv_store_read_sequence_view(akv_store *store, uint32_t layer, uint32_t plane, const int32_t *blocks,
                             uint32_t num_blocks, uint32_t num_tokens, akv_view *out_view) AKV_NOEXCEPT;

/* Is this view still one of this store's? The store must live; its epoch must be the view's.
 * META     O(1).
 * Thread   any.
 * Fails    as every call, BAD_HANDLE (the store has gone, or the view is of another). */
AKV_META AKV_NODISCARD akv_status akv_store_check_view(akv_store *store, const akv_view *view) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_STORE_H */
