// geometry.hpp: how many bytes a token has in a replay: a number of equal layers, of keys and values, or of a latent.
// It knows numbers; no store and no cache.
#pragma once

#include "arenakv.h"
#include "dtypes.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace replay {

// The default is the least that tells layers of bytes apart: the bookkeeping above it is that of any model.
struct Geometry {
  std::uint32_t layers = 1;
  std::uint32_t num_planes = 2;
  std::array<akv_plane, 2> planes{
      {{AKV_PLANE_KEYS, AKV_DTYPE_F16, 1, 8, 0, 0}, {AKV_PLANE_VALUES, AKV_DTYPE_F16, 1, 8, 0, 0}}};

  // Of a token in one plane of one layer.
  std::uint64_t row_bytes(std::uint32_t plane) const {
    const akv_plane &one = planes[plane];
    return std::uint64_t{one.kv_heads} * one.head_dim * kDtypeBits[one.dtype - 1] / 8;
  }
  std::uint64_t bytes_per_layer() const { return row_bytes(0) + (num_planes == 2 ? row_bytes(1) : 0); }
  std::uint64_t bytes_per_token() const { return bytes_per_layer() * layers; }

  std::string_view plane_name(std::uint32_t plane) const {
    const std::uint32_t role = planes[plane].role;
    return role == AKV_PLANE_KEYS ? "keys" : role == AKV_PLANE_VALUES ? "values" : "latent";
  }
};

// Keys and values of these heads.
inline Geometry keys_and_values(std::uint32_t layers, std::uint32_t kv_heads, std::uint32_t head_dim,
                                std::uint32_t dtype) {
  Geometry geometry;
  geometry.layers = layers;
  for (akv_plane &plane : geometry.planes) plane = {plane.role, dtype, kv_heads, head_dim, 0, 0};
  return geometry;
}

// The same as the library wants it. The configuration points in here, and into the geometry.
class LayerGroup {
 public:
  explicit LayerGroup(const Geometry &geometry)
      : group_{AKV_RULE_FULL, geometry.layers, geometry.num_planes, sizeof(akv_plane), geometry.planes.data(), 0, 0} {}
  LayerGroup(const LayerGroup &) = delete;
  LayerGroup &operator=(const LayerGroup &) = delete;

  void describe(akv_cache_config &config) const {
    config.num_groups = 1;
    config.group_size = sizeof(akv_layer_group);
    config.groups = &group_;
  }

 private:
  akv_layer_group group_;
};

}  // namespace replay
