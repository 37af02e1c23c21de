// write_group.hpp: how a layer group and its planes get into a caller's arrays: akv_cache_read_group() and the same of
// an image. It knows geometries; not whose.
#pragma once

#include "api/thunk.hpp"

#include <algorithm>

namespace akv {

inline Status check_group(const akv_layer_group *out_group, std::uint32_t group_size, const akv_plane *out_planes,
                          std::uint32_t capacity) noexcept {
  AKV_TRY(check_pointer(out_group, "out_group"));
  AKV_TRY(check_array(out_planes, capacity, "out_planes"));
  AKV_TRY(check_element_size("group_size", group_size, sizeof(akv_layer_group)));
  return check_element_size("out_group->plane_size", out_group->plane_size, sizeof(akv_plane));
}

// What check_group() has let through.
inline Status write_group(const Geometry &geometry, akv_layer_group *out_group, std::uint32_t group_size,
                          akv_plane *out_planes, std::uint32_t capacity) noexcept {
  akv_layer_group copy = geometry.group;
  copy.plane_size = out_group->plane_size;
  write_element(copy, reinterpret_cast<unsigned char *>(out_group), group_size);
  auto *to = reinterpret_cast<unsigned char *>(out_planes);
  for (std::uint32_t i = 0; i < std::min(capacity, copy.num_planes); ++i, to += copy.plane_size)
    write_element(geometry.planes[i], to, copy.plane_size);
  if (capacity >= copy.num_planes) return AKV_OK;
  return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, copy.num_planes, capacity,
                   "the group has %llu planes, the array holds %llu", copy.num_planes, capacity);
}

}  // namespace akv
