// converted_blocks.cpp: what two stores have in common, as arguments of the kernels that convert.
// It knows stores and kernels; not who asks.
#include "data/converted_blocks.hpp"

#include <algorithm>

#include "data/kernels/kernels.hpp"
#include "data/plane_elements.hpp"
#include "data/plane_piece.hpp"

namespace akv {
namespace {

Status check_planes(const Store &from, const Store &to) {
  const StoreShape &a = from.shape(), &b = to.shape();
  if (a.block_tokens != b.block_tokens || a.geometry.group.num_layers != b.geometry.group.num_layers ||
      from.num_planes() != to.num_planes())
    return fail(AKV_ERROR_OTHER_GEOMETRY,
                "the stores are of other geometries: blocks of %llu and %llu tokens, %llu and %llu layers, %llu and "
                "%llu planes",
                a.block_tokens, b.block_tokens, a.geometry.group.num_layers, b.geometry.group.num_layers,
                from.num_planes(), to.num_planes());
  for (std::uint32_t i = 0; i < to.num_planes(); ++i) {
    const akv_plane &its = a.geometry.planes[i], &mine = b.geometry.planes[i];
    if (its.role != mine.role || its.kv_heads != mine.kv_heads || its.head_dim != mine.head_dim)
      return fail(AKV_ERROR_OTHER_GEOMETRY,
                  "plane %llu: the stores have %llu and %llu heads of %llu and %llu elements, or other roles", i,
                  its.kv_heads, mine.kv_heads, its.head_dim, mine.head_dim);
    AKV_TRY(check_conversion(from.layout().plane(i), i, AKV_DTYPE_F32));
    AKV_TRY(check_conversion(to.layout().plane(i), i, AKV_DTYPE_F32));
  }
  return AKV_OK;
}

// What both stores have of one plane of one layer, by their own indices of the layer.
struct Common {
  std::uint32_t from_layer, to_layer, plane;
  Heads heads;  // counted in the cache
};

template <class What>
void for_each_common(const Store &from, const Store &to, What what) noexcept {
  for (std::uint32_t index = 0; index < to.num_layers(); ++index) {
    std::uint32_t there = 0;
    if (!from.has_layer(to.layer_at(index), there)) continue;
    for (std::uint32_t plane = 0; plane < to.num_planes(); ++plane) {
      const Heads a = heads_of(from.layout().plane(plane)), b = heads_of(to.layout().plane(plane));
      const Heads both{std::max(a.first, b.first), std::min(a.end, b.end)};
      if (!both.empty()) what(Common{there, index, plane, both});
    }
  }
}

// Of a plane, from the first of these heads on.
PoolElements elements_of(const ScaledStore &from, std::uint32_t layer, std::uint32_t plane, Heads heads) noexcept {
  const PlaneShape &shape = from.store.layout().plane(plane);
  const std::uint32_t skipped = heads.first - shape.first_head;
  const float *scales = plane_scales(from, layer, plane);
  PoolElements elements =
      pool_elements(from.store.region(layer, plane), shape, scales != nullptr ? scales + skipped : nullptr);
  elements.rows.data += skipped * elements.rows.head_stride;
  if (elements.scales.data != nullptr) elements.scales.data += skipped * elements.scales.head_stride;
  return elements;
}

}  // namespace

Status check_convertible(const Store &from, const Store &to, std::uint64_t &bytes_per_token) noexcept {
  AKV_TRY(check_planes(from, to));
  bytes_per_token = 0;
  for_each_common(from, to, [&](const Common &common) {
    const PlaneShape &plane = to.layout().plane(common.plane);
    bytes_per_token += plane.token_bytes() / plane.num_heads * (common.heads.end - common.heads.first);
  });
  if (bytes_per_token != 0) return AKV_OK;
  return fail(AKV_ERROR_OTHER_GEOMETRY, "no layer or no head is in both stores: %llu and %llu of %llu layers",
              from.num_layers(), to.num_layers(), to.shape().geometry.group.num_layers);
}

const float *plane_scales(const ScaledStore &from, std::uint32_t layer_index, std::uint32_t plane) noexcept {
  if (from.head_scales == nullptr) return nullptr;
  std::uint64_t before = 0, layer = 0;
  for (std::uint32_t i = 0; i < from.store.num_planes(); ++i) {
    const std::uint32_t heads = from.store.layout().plane(i).num_heads;
    if (i < plane) before += heads;
    layer += heads;
  }
  return from.head_scales + layer_index * layer + before;
}

void convert_blocks(const ScaledStore &from, const ScaledStore &to, const BlockCopy *copies, std::uint64_t count,
                    std::uint32_t past_caches) noexcept {
  for_each_common(from.store, to.store, [&](const Common &common) {
    const PlaneShape &shape = to.store.layout().plane(common.plane);
    kernels().format.convert_blocks(
        {elements_of(from, common.from_layer, common.plane, common.heads),
         elements_of(to, common.to_layer, common.plane, common.heads),
         {shape.head_dim, common.heads.end - common.heads.first, to.store.shape().block_tokens, past_caches},
         copies,
         count});
  });
}

}  // namespace akv
