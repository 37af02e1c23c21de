// plane_elements.hpp: a plane of a layer as the kernels that convert want it: what its elements are, and what makes
// numbers of them. It knows regions and shapes; not who asks.
#pragma once

#include "arenakv/store.h"
#include "base/error.hpp"
#include "data/kernels/formats.hpp"
#include "data/layout.hpp"

namespace akv {

// Bytes of an element on the caller's side of a conversion: F32, F16, BF16; 0: no such side.
std::uint32_t number_bytes(std::uint32_t dtype) noexcept;

// Can elements of this plane become `dtype` and come from it? `index` names the plane.
Status check_conversion(const PlaneShape &plane, std::uint32_t index, std::uint32_t dtype) noexcept;

// `head_scales`: of SCALING_HEAD, one for each head of the store; nullptr: all are 1.
PoolElements pool_elements(const akv_region &region, const PlaneShape &plane, const float *head_scales) noexcept;

inline ElementShape elements_shape(const PlaneShape &plane, std::uint32_t block_tokens,
                                   std::uint32_t past_caches = 0) noexcept {
  return {plane.head_dim, plane.num_heads, block_tokens, past_caches};
}

// Elements of a token, for all of the store's heads.
inline std::uint64_t row_elements(const PlaneShape &plane) noexcept {
  return std::uint64_t{plane.num_heads} * plane.head_dim;
}

}  // namespace akv
