/* image.h: one saved sequence as bytes: what an image is, how it is checked, and how it gets into a file and back.
 * Making one out of a cache, and a sequence out of one, moves K/V: that is in copy_image.h.
 *
 * An image describes itself: the model's planes, the tokens, the K/V packed in one order, and a label of yours. It says
 * nothing of block sizes, layouts, shards or domains, so it loads into any cache of the same planes. It is
 * little-endian, and its version is a number in it. Every byte is under a checksum (CRC-32C), and each checksum is
 * bound to its place, so that a truncated, damaged, mixed up or foreign image is refused as a whole: BAD_IMAGE, and the
 * message names the byte and what was expected there.
 *
 * A checksum is no signature. K/V are as secret as the prompt they were computed from, and whoever can write an image
 * decides what the model reads: load what you trust as much as the domain that it is loaded into.
 */
#ifndef ARENAKV_IMAGE_H
#define ARENAKV_IMAGE_H

#include "base.h"
#include "geometry.h"

AKV_BEGIN_DECLS

#define AKV_LABEL_BYTES 64

/* What an image says of itself. Its planes are read with akv_image_read_group(). */
typedef struct akv_image_info {
  uint32_t struct_size;
  uint32_t version;               /* of the format: 1 */
  uint32_t num_tokens;            /* all of them have K/V */
  uint32_t known_tokens;          /* so many have ids before the first AKV_TOKEN_UNKNOWN */
  uint64_t image_bytes;
  uint64_t payload_offset;        /* of the K/V: [layer][plane][token][head][dim], and a plane's scales,
                                   * [token][scale_bytes], behind its elements: the order of akv_span (copy.h) */
  uint64_t payload_bytes;         /* num_tokens x the cache's bytes_per_token (akv_sizes) */
  uint8_t label[AKV_LABEL_BYTES]; /* the caller's own words for what made these K/V (akv_save_options) */
} akv_image_info;

#define AKV_IMAGE_INFO_INIT {sizeof(akv_image_info), 0u, 0u, 0u, 0u, 0u, 0u, {0u}}

/* How many bytes akv_copy_save() needs for the first `num_tokens` tokens of a sequence; 0: all that are committed.
 * META     O(planes); no lock.
 * Thread   any, per-seq.
 * Fails    as every call, BUSY, NOT_COMMITTED (nothing is), OUT_OF_RANGE (more tokens than are committed; or 2^64 bytes
 *          and more). */
AKV_META AKV_NODISCARD akv_status
akv_image_bytes(akv_cache *cache, akv_sequence sequence, uint32_t num_tokens, uint64_t *out_bytes) AKV_NOEXCEPT;

/* Check an image, every byte of it: `bytes` is its size, no more and no less. No count in it is believed before it was
 * held against that, so nothing large is allocated or looped over on the word of a file. `out_info` may be NULL.
 * SETUP    O(bytes), at the speed of memory; allocates nothing.
 * Thread   any.
 * Fails    as every call, BAD_IMAGE, UNSUPPORTED (a sound one of a newer version of the format). */
AKV_SETUP AKV_NODISCARD akv_status
akv_image_check(const void *image, uint64_t bytes, akv_image_info *out_info) AKV_NOEXCEPT;

/* The layer group that an image is of, as akv_cache_read_group() tells a cache's: to make a cache for it. The header is
 * checked, and not what is behind it.
 * META     O(planes).
 * Thread   any.
 * Fails    as every call, BUFFER_TOO_SMALL (out_group is written), BAD_IMAGE, UNSUPPORTED as akv_image_check(). */
AKV_META AKV_NODISCARD akv_status
akv_image_read_group(const void *image, uint64_t bytes, akv_layer_group *out_group, uint32_t group_size,
                     akv_plane *out_planes, uint32_t capacity) AKV_NOEXCEPT;

/* Token ids of positions first .. first + num_tokens - 1. The header is checked, and not what is behind it.
 * META     O(num_tokens).
 * Thread   any.
 * Fails    as every call, OUT_OF_RANGE, BAD_IMAGE, UNSUPPORTED as akv_image_check(). */
AKV_META AKV_NODISCARD akv_status
akv_image_read_tokens(const void *image, uint64_t bytes, uint32_t first, uint32_t num_tokens,
                      int32_t *out_tokens) AKV_NOEXCEPT;

/* Put an image, which is checked first, into a file. What was at `path` is replaced, and at every moment, power cuts
 * included, the old file or the new one is there, whole: it is written beside it, flushed, renamed, and the folder is
 * flushed. Readable by its owner alone (0600, whatever the umask). On failure nothing is left behind; a process that is
 * killed may leave a file `.arenakv-*.tmp` in the folder.
 * SETUP    O(bytes) of input and output.
 * Thread   any; of two that write one path at the same time, the later one stays.
 * Fails    INVALID_ARGUMENT, BAD_IMAGE, UNSUPPORTED as akv_image_check(), IO (the message has the errno and what was
 *          tried; what stands at `path` is no regular file; or, and it says so, the new file is there, and only the
 *          flush of its folder failed). */
AKV_SETUP AKV_NODISCARD akv_status
akv_image_write_file(const char *path, const void *image, uint64_t bytes) AKV_NOEXCEPT;

/* Read an image out of a file. Its header is checked and held against the file's size before anything else is read;
 * akv_copy_load() or akv_image_check() check all. `out_bytes` is its size, also when the buffer is too small or NULL
 * (with capacity 0). Symbolic links, devices and pipes are refused, without waiting for them.
 * SETUP    O(bytes) of input and output.
 * Thread   any.
 * Fails    INVALID_ARGUMENT, BUFFER_TOO_SMALL (out_bytes is written), BAD_IMAGE, UNSUPPORTED as akv_image_check(), IO
 *          (the message has the errno and what was tried); on the last three the buffer may have been written to. */
AKV_SETUP AKV_NODISCARD akv_status
akv_image_read_file(const char *path, void *buffer, uint64_t capacity, uint64_t *out_bytes) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_IMAGE_H */
