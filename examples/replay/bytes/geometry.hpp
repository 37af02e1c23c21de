// geometry.hpp: how many bytes a token has in the replay's own model: layers of keys and values, all alike.
// It knows numbers; no store and no cache.
#pragma once

#include "arenakv.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace replay {

struct Dtype {
  std::string_view name;
  std::uint32_t code;  // AKV_DTYPE_*
  std::uint32_t bits;
};

constexpr std::array<Dtype, 6> kDtypes{{{"f32", AKV_DTYPE_F32, 32},
                                        {"f16", AKV_DTYPE_F16, 16},
                                        {"bf16", AKV_DTYPE_BF16, 16},
                                        {"f8", AKV_DTYPE_F8_E4M3, 8},
                                        {"i8", AKV_DTYPE_I8, 8},
                                        {"i4", AKV_DTYPE_I4, 4}}};

constexpr std::uint32_t kPlanes = 2;  // keys, values
constexpr std::array<std::string_view, kPlanes> kPlaneNames{"keys", "values"};

// The default is the least that tells layers of bytes apart: the bookkeeping under it is that of any model.
struct Geometry {
  std::uint32_t layers = 1;
  std::uint32_t kv_heads = 1;
  std::uint32_t head_dim = 8;
  Dtype dtype = kDtypes[1];

  // Of a token in one plane of one layer.
  std::uint64_t row_bytes() const { return std::uint64_t{kv_heads} * head_dim * dtype.bits / 8; }
  std::uint64_t bytes_per_token() const { return row_bytes() * kPlanes * layers; }
};

// The same as the library wants it. The configuration points in here.
class LayerGroup {
 public:
  explicit LayerGroup(const Geometry &geometry) {
    constexpr std::uint32_t roles[kPlanes] = {AKV_PLANE_KEYS, AKV_PLANE_VALUES};
    for (std::uint32_t i = 0; i < kPlanes; ++i)
      planes_[i] = {roles[i], geometry.dtype.code, geometry.kv_heads, geometry.head_dim, 0, 0};
    group_ = {AKV_RULE_FULL, geometry.layers, kPlanes, sizeof(akv_plane), planes_.data(), 0, 0};
  }
  LayerGroup(const LayerGroup &) = delete;
  LayerGroup &operator=(const LayerGroup &) = delete;

  void describe(akv_cache_config &config) const {
    config.num_groups = 1;
    config.group_size = sizeof(akv_layer_group);
    config.groups = &group_;
  }

 private:
  std::array<akv_plane, kPlanes> planes_{};
  akv_layer_group group_{};
};

}  // namespace replay
