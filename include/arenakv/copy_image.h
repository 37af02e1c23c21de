/* copy_image.h: a sequence becomes an image (image.h), and an image a sequence: of this cache or another, of any block
 * size, in stores of any layout and any shards.
 *
 * As in copy.h, a call checks everything first and then queues one piece of work; without a stream (NULL), or on one
 * without workers, the work is done when the call returns. Nothing is allocated on the way. Images lie at a multiple of
 * 4: their token ids are read and written in place.
 */
#ifndef ARENAKV_COPY_IMAGE_H
#define ARENAKV_COPY_IMAGE_H

#include "base.h"
#include "image.h"
#include "sequence.h"
#include "store.h"
#include "stream.h"

AKV_BEGIN_DECLS

#define AKV_SAVE_ORDERED 1u /* you vouch that whatever writes these K/V comes before this on the stream */

/* Zero means default. */
typedef struct akv_save_options {
  uint32_t struct_size;
  uint32_t flags;       /* AKV_SAVE_* */
  uint32_t num_tokens;  /* 0: all that are committed */
  uint32_t unused;      /* 0 */
  uint64_t owner;       /* of the lease that is held while the work is queued */
  const uint8_t *label; /* AKV_LABEL_BYTES of your own that stand for all that made these K/V: weights, adapter, rope,
                         * quantization ... (a digest of them); NULL: zeroes */
} akv_save_options;

#define AKV_SAVE_OPTIONS_INIT {sizeof(akv_save_options), 0u, 0u, 0u, 0u, NULL}

/* Make an image of a sequence's committed tokens in `buffer`, which has at least akv_image_bytes(). `stores` are all
 * shards of the cache's blocks: each layer and head is read from the first of them that has it. Token ids that are not
 * known yet are saved as AKV_TOKEN_UNKNOWN. `options` may be NULL.
 * `out_bytes` is the size of the image. With workers it is whole when the stream has passed this; until then a lease
 * keeps the blocks, whatever happens to the sequence, and `buffer` must stay. Equal contents make equal images.
 * COPY     O(bytes), counted as AKV_MOVED_SAVE on each store; without workers the sequence is inside this call.
 * Thread   any, per-seq.
 * Fails    as every call, BUSY, PLAN_OPEN, CONTENT_LOST, SWAPPED, NOT_COMMITTED (nothing is), OUT_OF_RANGE (more tokens
 *          than are committed), BUFFER_TOO_SMALL (out_bytes is written), OTHER_GEOMETRY (a store is not of this cache's
 *          geometry), INVALID_ARGUMENT (a layer or head that is in no store, a store of swap blocks, stores that
 *          overlap), UNSUPPORTED (with AKV_SCALING_CHANNEL, a last block that is not whole), NOT_READY (the K/V's
 *          writer has not finished, and ORDERED was not said), NO_HOLDS, QUEUE_FULL. */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_save(akv_cache *cache, akv_sequence sequence, akv_store *const *stores, uint32_t num_stores,
              const akv_save_options *options, void *buffer, uint64_t capacity, uint64_t *out_bytes,
              akv_stream *stream) AKV_NOEXCEPT;

#define AKV_LOAD_ANY_LABEL 1u /* don't compare labels */

/* Zero means default. */
typedef struct akv_load_options {
  uint32_t struct_size;
  uint32_t flags;                       /* AKV_LOAD_* */
  uint64_t domain;                      /* the trust domain that the sequence becomes one of */
  const uint8_t *label;                 /* AKV_LABEL_BYTES that must be the image's; NULL: zeroes, as in saving */
  const akv_sequence_options *sequence; /* as for akv_sequence_create(); of the flags NO_MATCH and NO_PUBLISH; may be
                                         * NULL */
} akv_load_options;

#define AKV_LOAD_OPTIONS_INIT {sizeof(akv_load_options), 0u, 0u, NULL, NULL}

/* Make a sequence out of an image. All of the image is checked before anything changes: its bytes as in
 * akv_image_check(), the geometry, the label. Then the sequence is created, sharing what is cached of it, the rest is
 * written into `stores` (every shard that has a part of it; together they have all), and committed: others find it.
 * `options` may be NULL. The image stays as it is, and must stay until the stream has passed this.
 * `out_created` is as for akv_sequence_create(): `wait` has passed when all K/V are there, also that of shared blocks;
 * `plan` is 0. With workers that wait is a ticket of the cache which the stream's work retires itself.
 * COPY     O(bytes): reads the image once to check it, in the caller's thread, and once to copy it; counted as
 *          AKV_MOVED_LOAD on each store, and AKV_MOVED_ZERO where blocks had to be zeroed before.
 * Thread   any.
 * Fails    as every call, BAD_IMAGE, UNSUPPORTED as akv_image_check(), OTHER_GEOMETRY (of the cache, of a store, or
 *          another label), INVALID_ARGUMENT (a layer or head that is in no store, a store of swap blocks),
 *          ALREADY_EXISTS, NO_SEQUENCES, NO_CAPACITY, NO_BLOCKS, NO_PLANS as akv_sequence_create(), NO_TICKETS and
 *          QUEUE_FULL (with workers), CONTENT_LOST (of a shared block, at this moment), BAD_HANDLE (also: its owner was
 *          dropped meanwhile). On failure there is no sequence, and nothing was written to a block that anybody has.
 * Owns     end it with akv_sequence_free(). */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_load(akv_cache *cache, const void *image, uint64_t bytes, const akv_load_options *options,
              akv_store *const *stores, uint32_t num_stores, akv_created *out_created, akv_stream *stream) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_COPY_IMAGE_H */
