// layout.hpp: where the bytes of each block lie in a store, as offsets and strides: layouts, shards of layers and
// heads. Numbers only: it knows no memory.
#pragma once

#include "arenakv/store.h"
#include "mem/reservation.hpp"
#include "model/geometry.hpp"

namespace akv {

// What one plane keeps of each token in a store. Heads are what strides and shards step over: a plane whose heads
// can't be told apart in bytes (4-bit elements, an odd dim) has one, as wide as the token.
struct PlaneShape {
  std::uint32_t role = 0;
  std::uint32_t dtype = 0;
  std::uint32_t scaling = 0;
  std::uint32_t head_dim = 0;  // elements of one head
  std::uint32_t first_head = 0;
  std::uint32_t num_heads = 0;
  std::uint32_t all_heads = 0;    // of the cache
  std::uint32_t dim_bytes = 0;    // of one head
  std::uint32_t dimension = 0;    // elements of one head as a view tells them: pairs where they have 4 bits
  std::uint32_t scale_bytes = 0;  // of these heads
  std::uint32_t all_scale_bytes = 0;

  std::uint64_t row_bytes() const noexcept { return std::uint64_t{num_heads} * dim_bytes; }
  std::uint64_t token_bytes() const noexcept { return row_bytes() + scale_bytes; }
};

// One plane of one layer; offsets count from the start of the memory.
struct Region {
  std::uint64_t data = 0;
  std::uint64_t scales = 0;
  std::int64_t block_stride = 0;
  std::int64_t token_stride = 0;
  std::int64_t head_stride = 0;
  std::int64_t scales_block_stride = 0;
  std::int64_t scales_token_stride = 0;
};

// What is asked of a layout: the numbers of akv_store_config and of the cache.
struct LayoutRequest {
  std::uint32_t layout = AKV_LAYOUT_LAYER_OUTER;
  std::uint32_t heads = AKV_HEADS_INNER;
  std::uint32_t first_head = 0;
  std::uint32_t num_heads = 0;   // 0: all
  std::uint32_t num_layers = 0;  // that are stored
  std::uint32_t block_tokens = 0;
  std::uint32_t columns = 0;  // the null block included
};

class Layout {
 public:
  static constexpr std::uint64_t kAlignment = 256;
  static constexpr std::uint64_t kLargest = kMostMappedBytes;

  // The planes of a shard, and nothing of memory: what a store of the caller's memory needs.
  [[nodiscard]] Status choose(const Geometry &geometry, const LayoutRequest &request) noexcept;
  // Offsets for one reservation.
  [[nodiscard]] Status place() noexcept;

  const LayoutRequest &request() const noexcept { return request_; }
  std::uint32_t num_planes() const noexcept { return num_planes_; }
  const PlaneShape &plane(std::uint32_t index) const noexcept { return planes_[index]; }
  std::uint64_t bytes_per_token() const noexcept { return bytes_per_token_; }  // of all stored layers
  std::uint64_t bytes_per_block() const noexcept { return bytes_per_token_ * request_.block_tokens; }

  // Of what was placed.
  Region region(std::uint32_t layer, std::uint32_t plane) const noexcept {
    Region region = regions_[plane];
    region.data += layer * layer_stride_;
    region.scales += layer * layer_stride_;
    return region;
  }
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  Status choose_plane(const akv_plane &plane, std::uint32_t index) noexcept;
  void place_plane(std::uint32_t index, std::uint64_t block_stride, std::uint64_t &at) noexcept;

  LayoutRequest request_;
  std::uint32_t num_planes_ = 0;
  PlaneShape planes_[kMaxPlanes];
  Region regions_[kMaxPlanes];  // of the first stored layer
  std::uint64_t layer_stride_ = 0;
  std::uint64_t bytes_per_token_ = 0;
  std::uint64_t bytes_ = 0;
};

// The strides of a plane whose heads are inside or outside of its tokens, packed.
void pack_strides(const PlaneShape &plane, const LayoutRequest &request, Region &region) noexcept;

}  // namespace akv
