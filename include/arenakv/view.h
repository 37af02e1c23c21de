/* view.h: bytes described as a strided tensor: where, of what type, with which shape and strides. Nothing here touches
 * them, so slicing and reshaping are free; what would need a copy is refused. The words are those of DLPack and NumPy.
 */
#ifndef ARENAKV_VIEW_H
#define ARENAKV_VIEW_H

#include "base.h"

AKV_BEGIN_DECLS

#define AKV_MAX_DIMENSIONS 6

#define AKV_VIEW_READ_ONLY 1u /* others read these bytes: do not write */

/* A view is valid as long as the thing it was read from says the same epoch (akv_store_check_view()). */
typedef struct akv_view {
  uint32_t struct_size;
  uint32_t flags;                    /* AKV_VIEW_* */
  uint32_t dtype;                    /* AKV_DTYPE_* (geometry.h) */
  uint32_t device;                   /* AKV_DEVICE_HOST */
  uint32_t num_dimensions;           /* 1 .. AKV_MAX_DIMENSIONS */
  uint32_t unused;                   /* 0 */
  void *data;                        /* of the first element; NULL: invalid */
  uint64_t epoch;
  int64_t shape[AKV_MAX_DIMENSIONS]; /* elements; those beyond num_dimensions are 0 */
  int64_t strides[AKV_MAX_DIMENSIONS]; /* bytes from one to the next; may be 0 or negative */
} akv_view;

#define AKV_VIEW_INIT {sizeof(akv_view), 0u, 0u, 0u, 0u, 0u, NULL, 0u, {0}, {0}}

/* The part [first, first + count) of one dimension.
 * META     O(1).
 * Thread   any.
 * Fails    as every call, OUT_OF_RANGE (no such dimension, or beyond its end). */
AKV_META AKV_NODISCARD akv_status
akv_view_slice(const akv_view *view, uint32_t dimension, uint64_t first, uint64_t count,
               akv_view *out_view) AKV_NOEXCEPT;

/* The same elements in the same order under another shape of `num_dimensions` sizes; one of them may be -1: whatever is
 * left.
 * META     O(dimensions).
 * Thread   any.
 * Fails    as every call, INVALID_ARGUMENT (the number of elements differs), NOT_CONTIGUOUS (it would take a copy). */
AKV_META AKV_NODISCARD akv_status
akv_view_reshape(const akv_view *view, const int64_t *shape, uint32_t num_dimensions, akv_view *out_view) AKV_NOEXCEPT;

/* The same elements with the dimensions in another order: new dimension i is old dimension order[i].
 * META     O(dimensions).
 * Thread   any.
 * Fails    as every call, INVALID_ARGUMENT (`order` is not an order of all dimensions). */
AKV_META AKV_NODISCARD akv_status
akv_view_permute(const akv_view *view, const uint32_t *order, akv_view *out_view) AKV_NOEXCEPT;

/* Are these elements one packed run of bytes, last dimension innermost? `out_contiguous` becomes 1 or 0, and
 * `out_bytes` (may be NULL) the bytes of all elements.
 * META     O(dimensions).
 * Thread   any.
 * Fails    as every call, OUT_OF_RANGE (more than 2^63 - 1 bytes). */
AKV_META AKV_NODISCARD akv_status
akv_view_measure(const akv_view *view, uint32_t *out_contiguous, uint64_t *out_bytes) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_VIEW_H */
