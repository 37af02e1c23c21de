// plane_piece.hpp: what two stores have in common of one plane of one layer, ready for the kernels: shards are joined
// and split, and layouts changed, by copying such pieces. It knows stores and kernels; not who asks.
#pragma once

#include "data/kernels/kernels.hpp"
#include "data/store.hpp"

namespace akv {

inline PoolRows element_rows(const akv_region &region) noexcept {
  return {static_cast<unsigned char *>(region.data), region.block_stride, region.token_stride, region.head_stride};
}
inline PoolRows scale_rows(const akv_region &region) noexcept {
  return {static_cast<unsigned char *>(region.scales), region.scales_block_stride, region.scales_token_stride, 0};
}
inline RowShape element_shape(const PlaneShape &plane, std::uint32_t block_tokens) noexcept {
  return {plane.dim_bytes, plane.num_heads, block_tokens};
}
inline RowShape scale_shape(const PlaneShape &plane, std::uint32_t block_tokens) noexcept {
  return {plane.scale_bytes, 1, block_tokens};
}

struct Heads {
  std::uint32_t first = 0;
  std::uint32_t end = 0;
  bool empty() const noexcept { return first >= end; }
};
inline Heads heads_of(const PlaneShape &plane) noexcept {
  return {plane.first_head, plane.first_head + plane.num_heads};
}

// A plane of a layer in each of two stores, by their own indices of that layer.
struct PlanePlace {
  const Store &store;
  std::uint32_t layer_index;
};

class PlanePiece {
 public:
  // `heads`, counted in the cache, are in both.
  PlanePiece(const PlanePlace &from, const PlanePlace &to, std::uint32_t plane, Heads heads) noexcept;

  std::uint64_t bytes_per_token() const noexcept {
    return elements_.shape.row_bytes * elements_.shape.num_heads + scales_.shape.row_bytes;
  }
  // `past_caches`: as kernels/caches.hpp says of the whole work.
  void copy(const BlockCopy *copies, std::uint64_t count, std::uint32_t past_caches) const noexcept;
  bool same(const BlockCopy *copies, std::uint64_t count) const noexcept;

 private:
  BlockArguments elements_;
  BlockArguments scales_;  // of no bytes: there are none
};

// The pieces that one store has in common with another, as what(piece); false stops.
template <class What>
bool for_each_common_piece(const Store &from, const Store &to, What what) noexcept {
  for (std::uint32_t index = 0; index < to.num_layers(); ++index) {
    std::uint32_t there = 0;
    if (!from.has_layer(to.layer_at(index), there)) continue;
    for (std::uint32_t plane = 0; plane < to.num_planes(); ++plane) {
      const Heads a = heads_of(from.layout().plane(plane)), b = heads_of(to.layout().plane(plane));
      const Heads both{a.first > b.first ? a.first : b.first, a.end < b.end ? a.end : b.end};
      if (both.empty()) continue;
      if (!what(PlanePiece({from, there}, {to, index}, plane, both))) return false;
    }
  }
  return true;
}

}  // namespace akv
