// plane_elements.cpp: which planes can be converted, and their addresses.
// It knows regions and shapes; not who asks.
#include "data/plane_elements.hpp"

#include "data/plane_piece.hpp"

namespace akv {

std::uint32_t number_bytes(std::uint32_t dtype) noexcept {
  switch (dtype) {
    case AKV_DTYPE_F32: return 4;
    case AKV_DTYPE_F16:
    case AKV_DTYPE_BF16: return 2;
    default: return 0;
  }
}

Status check_conversion(const PlaneShape &plane, std::uint32_t index, std::uint32_t dtype) noexcept {
  if (number_bytes(dtype) == 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT,
                "plane %llu: dtype is %llu, must be 0 (as they are), F32 (1), F16 (2) or BF16 (3)", index, dtype);
  const bool numbers = number_bytes(plane.dtype) != 0 && plane.scale_bytes == 0;
  if (numbers || plane.scaling != AKV_SCALING_NONE) return AKV_OK;
  return fail(AKV_ERROR_UNSUPPORTED,
              "plane %llu: codes of dtype %llu with scaling 0 and %llu bytes of scales are the caller's own", index,
              plane.dtype, plane.scale_bytes);
}

PoolElements pool_elements(const akv_region &region, const PlaneShape &plane, const float *head_scales) noexcept {
  PoolRows scales = scale_rows(region);
  scales.head_stride = plane.scale_bytes / plane.num_heads;
  return {element_rows(region), scales, head_scales, {plane.dtype, plane.scaling}};
}

}  // namespace akv
