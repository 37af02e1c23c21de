// geometry.cpp: thunks of geometry.h.
#include "api/thunk.hpp"
#include "model/geometry.hpp"

extern "C" {

uint64_t akv_blocks_for(uint64_t num_tokens, uint32_t block_tokens) noexcept {
  return akv::blocks_for(num_tokens, block_tokens);
}

akv_status akv_planes_choose(akv_plane *planes, uint32_t num_planes, uint32_t plane_size, uint32_t format,
                             uint32_t block_tokens) noexcept {
  using namespace akv;
  constexpr std::uint32_t kPlaneV1 = sizeof(akv_plane);
  AKV_TRY(check_pointer(planes, "planes"));
  if (num_planes == 0 || num_planes > kMaxPlanes)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "num_planes is %llu, must be 1 to %llu", num_planes, kMaxPlanes);
  if (plane_size < kPlaneV1 || plane_size > kLargestStruct)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "plane_size is %llu, must be sizeof(akv_plane) = %llu", plane_size,
                kPlaneV1);
  akv_plane chosen[kMaxPlanes];
  auto *bytes = reinterpret_cast<unsigned char *>(planes);
  for (std::uint32_t i = 0; i < num_planes; ++i) {
    AKV_TRY(read_element(bytes + std::size_t{i} * plane_size, plane_size, chosen[i]));
    AKV_TRY(choose_format(chosen[i], i, format, block_tokens));
  }
  for (std::uint32_t i = 0; i < num_planes; ++i)
    write_element(chosen[i], bytes + std::size_t{i} * plane_size, plane_size);
  return AKV_OK;
}

}  // extern "C"
