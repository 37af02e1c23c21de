/* copy_tensor.h: the functions that move bytes of an arena's tensors (arena.h), on a stream, all of them counted.
 *
 * As with copy.h a call checks everything first and then queues one piece of work; without a stream (NULL), or on one
 * without workers, it is done when the call returns. Memory of yours must stay until the stream has passed the work,
 * and so must the tensors: have one of the pool's tickets open meanwhile, so that a dropped arena's pages wait for it.
 */
#ifndef ARENAKV_COPY_TENSOR_H
#define ARENAKV_COPY_TENSOR_H

#include "arena.h"
#include "base.h"
#include "copy.h"
#include "stream.h"

AKV_BEGIN_DECLS

/* Copy your bytes into a tensor, from byte `offset` on. Grow it first (akv_tensor_extend()).
 * COPY     O(bytes), counted as AKV_MOVED_TO_TENSOR.
 * Thread   any; nobody else may write these bytes.
 * Fails    as every call, OUT_OF_RANGE (beyond the tensor's length), QUEUE_FULL. */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_to_tensor(akv_page_pool *pool, akv_tensor tensor, uint64_t offset, const void *source, uint64_t bytes,
                   akv_stream *stream) AKV_NOEXCEPT;

/* Copy bytes of a tensor to yours.
 * COPY     O(bytes), counted as AKV_MOVED_FROM_TENSOR.
 * Thread   any.
 * Fails    as akv_copy_to_tensor(). */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_from_tensor(akv_page_pool *pool, akv_tensor tensor, uint64_t offset, void *target, uint64_t bytes,
                     akv_stream *stream) AKV_NOEXCEPT;

/* Copy bytes of one tensor to another, or inside one: overlapping is fine, as with memmove().
 * COPY     O(bytes), counted as AKV_MOVED_TENSOR.
 * Thread   any; nobody else may write the target bytes.
 * Fails    as akv_copy_to_tensor(). */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_tensor(akv_page_pool *pool, akv_tensor from, uint64_t from_offset, akv_tensor to, uint64_t to_offset,
                uint64_t bytes, akv_stream *stream) AKV_NOEXCEPT;

/* Zero a tensor, all of its capacity: what was handed out as AKV_CONTENT_FOREIGN, before its new owner reads it.
 * COPY     O(bytes), counted as AKV_MOVED_ZERO.
 * Thread   any; nobody else may write it.
 * Fails    as every call, QUEUE_FULL. */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_zero_tensor(akv_page_pool *pool, akv_tensor tensor, akv_stream *stream) AKV_NOEXCEPT;

/* The same for a page that was acquired as such.
 * COPY     O(bytes), counted as AKV_MOVED_ZERO.
 * Thread   any; nobody else may write it.
 * Fails    as every call, QUEUE_FULL. */
AKV_COPY AKV_NODISCARD akv_status
akv_copy_zero_page(akv_page_pool *pool, akv_page page, akv_stream *stream) AKV_NOEXCEPT;

/* What was moved in a pool: as akv_store_read_stats().
 * META     O(kinds).
 * Thread   any.
 * Fails    as every call, BUFFER_TOO_SMALL (out_count is written). */
AKV_META AKV_NODISCARD akv_status
akv_page_pool_read_stats(akv_page_pool *pool, akv_copy_stats *out_lines, uint32_t line_size, uint32_t capacity,
                         uint32_t *out_count) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_COPY_TENSOR_H */
