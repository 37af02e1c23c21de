// view.cpp: the algebra of strided tensors.
// Numbers only: it knows no memory.
#include "data/view.hpp"

#include "model/geometry.hpp"

namespace akv {
namespace {

std::int64_t element_bytes(const akv_view &view) { return dtype_bits(view.dtype) / 8; }

// The number of elements; false: more than 2^63 - 1.
bool count_elements(const std::int64_t *shape, std::uint32_t num_dimensions, std::int64_t &out) {
  for (std::uint32_t i = 0; i < num_dimensions; ++i)
    if (shape[i] == 0) {  // whatever the others are
      out = 0;
      return true;
    }
  out = 1;
  for (std::uint32_t i = 0; i < num_dimensions; ++i)
    if (__builtin_mul_overflow(out, shape[i], &out)) return false;
  return true;
}

// Dimensions that are steps of one walk: element i of the stretch lies i x stride behind its first.
struct Stretch {
  std::int64_t count;
  std::int64_t stride;
};

// The view as the fewest stretches, outermost first. Dimensions of one element are nowhere. Returns how many.
std::uint32_t stretches_of(const akv_view &view, Stretch (&out)[AKV_MAX_DIMENSIONS]) {
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < view.num_dimensions; ++i) {
    if (view.shape[i] == 1) continue;
    std::int64_t joined = 0;
    const bool joins = count != 0 && !__builtin_mul_overflow(view.strides[i], view.shape[i], &joined) &&
                       joined == out[count - 1].stride;
    if (joins) out[count - 1] = {out[count - 1].count * view.shape[i], view.strides[i]};
    else out[count++] = {view.shape[i], view.strides[i]};
  }
  return count;
}

// Fill in the one size that is -1, and compare the number of elements.
Status complete_shape(const std::int64_t *shape, std::uint32_t num_dimensions, std::int64_t elements,
                      std::int64_t (&out)[AKV_MAX_DIMENSIONS]) {
  std::uint32_t open = AKV_MAX_DIMENSIONS;
  for (std::uint32_t i = 0; i < num_dimensions; ++i) {
    out[i] = shape[i];
    if (shape[i] == -1 && open == AKV_MAX_DIMENSIONS) {
      open = i;
      out[i] = 1;
    } else if (shape[i] < 0) {
      return fail(AKV_ERROR_INVALID_ARGUMENT, "shape[%llu] is %lld: sizes are 0 or more, and one may be -1", i,
                  static_cast<unsigned long long>(shape[i]));
    }
  }
  std::int64_t wanted = 0;
  const bool counted = count_elements(out, num_dimensions, wanted);
  if (counted && open != AKV_MAX_DIMENSIONS && wanted != 0 && elements % wanted == 0) {
    out[open] = elements / wanted;
    return AKV_OK;
  }
  if (counted && open == AKV_MAX_DIMENSIONS && wanted == elements) return AKV_OK;
  return fail(AKV_ERROR_INVALID_ARGUMENT, "the view has %llu elements, the new shape of %llu dimensions has not",
              static_cast<unsigned long long>(elements), num_dimensions);
}

// Strides of a new shape over these stretches, from the innermost on. False: some dimension would need two of them.
bool lay_over(const Stretch *stretches, std::uint32_t count, akv_view &view) {
  std::int64_t left = 1, stride = element_bytes(view);  // of the stretch that is being filled
  for (std::uint32_t i = view.num_dimensions; i-- > 0;) {
    if (view.shape[i] != 1 && left == 1) {
      if (count == 0) return false;
      --count;
      left = stretches[count].count;
      stride = stretches[count].stride;
    }
    if (left % view.shape[i] != 0) return false;
    view.strides[i] = stride;
    left /= view.shape[i];
    if (left != 1 && __builtin_mul_overflow(stride, view.shape[i], &stride)) return false;
  }
  return left == 1 && count == 0;
}

void pack(akv_view &view) {  // of no elements: any strides do
  for (std::uint32_t i = 0; i < view.num_dimensions; ++i) view.strides[i] = element_bytes(view);
}

}  // namespace

Status check_view(const akv_view &view) noexcept {
  if ((view.flags & ~AKV_VIEW_READ_ONLY) != 0 || view.unused != 0)
    return fail(AKV_ERROR_UNSUPPORTED, "flags of the view are 0x%llx, unused is %llu: this release knows flags 0x%llx",
                view.flags, view.unused, AKV_VIEW_READ_ONLY);
  if (view.device != AKV_DEVICE_HOST)
    return fail(AKV_ERROR_UNSUPPORTED, "the view is of device %llu, this build knows the host (0)", view.device);
  if (view.data == nullptr) return fail(AKV_ERROR_INVALID_ARGUMENT, "the view is of nothing: data is NULL");
  if (dtype_bits(view.dtype) < 8)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "dtype of the view is %llu: 1 to 5 have elements of whole bytes",
                view.dtype);
  if (view.num_dimensions == 0 || view.num_dimensions > AKV_MAX_DIMENSIONS)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "the view has %llu dimensions, must be 1 to %llu", view.num_dimensions,
                AKV_MAX_DIMENSIONS);
  for (std::uint32_t i = 0; i < view.num_dimensions; ++i)
    if (view.shape[i] < 0)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "dimension %llu of the view has %lld elements", i,
                  static_cast<unsigned long long>(view.shape[i]));
  return AKV_OK;
}

Status view_of_bytes(void *data, std::uint64_t bytes, std::uint32_t dtype, const std::int64_t *shape,
                     std::uint32_t num_dimensions, akv_view &out) noexcept {
  if (num_dimensions == 0 || num_dimensions > AKV_MAX_DIMENSIONS)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "num_dimensions is %llu, must be 1 to %llu", num_dimensions,
                AKV_MAX_DIMENSIONS);
  out = akv_view{};
  out.dtype = dtype;
  out.data = data;
  out.num_dimensions = 1;
  AKV_TRY(check_view(out));
  const auto there = static_cast<std::int64_t>(bytes / static_cast<std::uint64_t>(element_bytes(out)));
  bool open = false;
  for (std::uint32_t i = 0; i < num_dimensions; ++i) open |= shape[i] < 0;
  std::int64_t wanted = there;
  if (!open && (!count_elements(shape, num_dimensions, wanted) || wanted > there))
    return fail(AKV_ERROR_OUT_OF_RANGE, "the shape has more elements than the %llu that are there",
                static_cast<unsigned long long>(there));
  out.shape[0] = wanted;
  out.strides[0] = element_bytes(out);
  return reshape_view(out, shape, num_dimensions);
}

Status slice_view(akv_view &view, std::uint32_t dimension, std::uint64_t first, std::uint64_t count) noexcept {
  if (dimension >= view.num_dimensions)
    return fail(AKV_ERROR_OUT_OF_RANGE, "dimension %llu of a view that has %llu", dimension, view.num_dimensions);
  const auto size = static_cast<std::uint64_t>(view.shape[dimension]);
  if (first > size || count > size - first)
    return fail(AKV_ERROR_OUT_OF_RANGE, "%llu elements from %llu on, dimension %llu has %llu", count, first, dimension,
                size);
  std::int64_t offset = 0;
  if (__builtin_mul_overflow(static_cast<std::int64_t>(first), view.strides[dimension], &offset))
    return fail(AKV_ERROR_OUT_OF_RANGE, "element %llu of stride %lld is beyond 2^63 - 1 bytes", first,
                static_cast<unsigned long long>(view.strides[dimension]));
  if (count != 0)  // of nothing, the address stays one that exists
    view.data =
        reinterpret_cast<void *>(reinterpret_cast<std::uintptr_t>(view.data) + static_cast<std::uintptr_t>(offset));
  view.shape[dimension] = static_cast<std::int64_t>(count);
  return AKV_OK;
}

Status reshape_view(akv_view &view, const std::int64_t *shape, std::uint32_t num_dimensions) noexcept {
  if (num_dimensions == 0 || num_dimensions > AKV_MAX_DIMENSIONS)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "num_dimensions is %llu, must be 1 to %llu", num_dimensions,
                AKV_MAX_DIMENSIONS);
  std::int64_t elements = 0;
  if (!count_elements(view.shape, view.num_dimensions, elements))
    return fail(AKV_ERROR_OUT_OF_RANGE, "the view has more than 2^63 - 1 elements");
  akv_view wanted = view;
  wanted.num_dimensions = num_dimensions;
  for (std::uint32_t i = 0; i < AKV_MAX_DIMENSIONS; ++i) wanted.shape[i] = wanted.strides[i] = 0;
  AKV_TRY(complete_shape(shape, num_dimensions, elements, wanted.shape));
  Stretch stretches[AKV_MAX_DIMENSIONS];
  if (elements == 0) {
    pack(wanted);
  } else if (const std::uint32_t count = stretches_of(view, stretches); !lay_over(stretches, count, wanted)) {
    return fail(AKV_ERROR_NOT_CONTIGUOUS, "its %llu elements can't be walked in that shape: it would take a copy",
                static_cast<unsigned long long>(elements));
  }
  view = wanted;
  return AKV_OK;
}

Status permute_view(akv_view &view, const std::uint32_t *order) noexcept {
  std::uint32_t seen = 0;
  const akv_view old = view;
  for (std::uint32_t i = 0; i < old.num_dimensions; ++i) {
    if (order[i] >= old.num_dimensions || (seen & 1u << order[i]) != 0)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "order[%llu] is %llu: each of 0 to %llu must be there once", i, order[i],
                  old.num_dimensions - 1);
    seen |= 1u << order[i];
  }
  for (std::uint32_t i = 0; i < old.num_dimensions; ++i) {
    view.shape[i] = old.shape[order[i]];
    view.strides[i] = old.strides[order[i]];
  }
  return AKV_OK;
}

Status measure_view(const akv_view &view, bool &out_contiguous, std::uint64_t &out_bytes) noexcept {
  std::int64_t elements = 0, bytes = 0;
  if (!count_elements(view.shape, view.num_dimensions, elements) ||
      __builtin_mul_overflow(elements, element_bytes(view), &bytes))
    return fail(AKV_ERROR_OUT_OF_RANGE, "the view has more than 2^63 - 1 bytes");
  Stretch stretches[AKV_MAX_DIMENSIONS];
  const std::uint32_t count = elements == 0 ? 0 : stretches_of(view, stretches);
  out_contiguous = count == 0 || (count == 1 && stretches[0].stride == element_bytes(view));
  out_bytes = static_cast<std::uint64_t>(bytes);
  return AKV_OK;
}

}  // namespace akv
