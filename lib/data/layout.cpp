// layout.cpp: offsets and strides of layouts, and which heads a shard may have.
// Numbers only: it knows no memory.
#include "data/layout.hpp"

namespace akv {
namespace {

constexpr std::uint64_t round_up(std::uint64_t value) {
  return (value + Layout::kAlignment - 1) / Layout::kAlignment * Layout::kAlignment;
}

}  // namespace

Status Layout::choose_plane(const akv_plane &from, std::uint32_t index) noexcept {
  PlaneShape &plane = planes_[index];
  const std::uint32_t bits = from.head_dim * dtype_bits(from.dtype);  // below 2^21
  const bool apart = bits % 8 == 0;
  plane = {};
  plane.role = from.role;
  plane.dtype = from.dtype;
  plane.scaling = from.scaling;
  plane.head_dim = from.head_dim;
  plane.all_heads = apart ? from.kv_heads : 1;
  plane.dim_bytes = apart ? bits / 8 : static_cast<std::uint32_t>(std::uint64_t{from.kv_heads} * bits / 8);
  plane.dimension = from.dtype == AKV_DTYPE_I4 ? plane.dim_bytes : from.head_dim;
  plane.all_scale_bytes = from.scale_bytes;
  const bool shard = from.kv_heads > 1 && request_.num_heads != 0 && request_.num_heads != from.kv_heads;
  if (from.kv_heads > 1 && std::uint64_t{request_.first_head} + request_.num_heads > from.kv_heads)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "heads %llu to %llu are to be stored, plane %llu has %llu",
                request_.first_head, std::uint64_t{request_.first_head} + request_.num_heads - 1, index, from.kv_heads);
  if (!apart && from.kv_heads > 1 && (shard || request_.heads == AKV_HEADS_OUTER))
    return fail(AKV_ERROR_UNSUPPORTED, "plane %llu: heads of %llu elements of 4 bits can't be apart: two share a byte",
                index, from.head_dim);
  if (shard && from.scale_bytes % from.kv_heads != 0)
    return fail(AKV_ERROR_UNSUPPORTED, "plane %llu: %llu bytes of scales are not equal parts for %llu heads", index,
                from.scale_bytes, from.kv_heads);
  plane.first_head = shard ? request_.first_head : 0;
  plane.num_heads = shard ? request_.num_heads : plane.all_heads;
  plane.scale_bytes = shard ? from.scale_bytes / from.kv_heads * request_.num_heads : from.scale_bytes;
  return AKV_OK;
}

Status Layout::choose(const Geometry &geometry, const LayoutRequest &request) noexcept {
  request_ = request;
  num_planes_ = geometry.group.num_planes;
  if (request.layout > AKV_LAYOUT_BLOCK_OUTER)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "layout is %llu, must be 0 or 1", request.layout);
  if (request.heads > AKV_HEADS_OUTER)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "heads is %llu, must be 0 or 1", request.heads);
  if (request.num_heads == 0 && request.first_head != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "first_head is %llu and num_heads is 0: say how many", request.first_head);
  std::uint64_t layer_bytes = 0;
  bool any_heads = false;
  for (std::uint32_t i = 0; i < num_planes_; ++i) {
    AKV_TRY(choose_plane(geometry.planes[i], i));
    layer_bytes += planes_[i].token_bytes();  // 64 planes below 2^35
    any_heads = any_heads || geometry.planes[i].kv_heads > 1;
  }
  if (!any_heads && std::uint64_t{request.first_head} + request.num_heads > 1)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "heads %llu to %llu are to be stored, every plane has one",
                request.first_head, std::uint64_t{request.first_head} + request.num_heads - 1);
  bytes_per_token_ = layer_bytes * request.num_layers;
  std::uint64_t all = 0;
  if (bytes_per_token_ > kLargest || __builtin_mul_overflow(bytes_per_block(), std::uint64_t{request.columns}, &all) ||
      all > kLargest)
    return fail(AKV_ERROR_OUT_OF_MEMORY,
                "a store of %llu blocks x %llu tokens x %llu bytes (%llu layers) exceeds the %llu bytes of a process",
                request.columns, request.block_tokens, bytes_per_token_, request.num_layers, kLargest);
  return AKV_OK;
}

void pack_strides(const PlaneShape &plane, const LayoutRequest &request, Region &region) noexcept {
  const std::uint64_t tokens = request.block_tokens;
  const bool outer = request.heads == AKV_HEADS_OUTER;
  region.head_stride = static_cast<std::int64_t>(outer ? tokens * plane.dim_bytes : plane.dim_bytes);
  region.token_stride = static_cast<std::int64_t>(outer ? plane.dim_bytes : plane.row_bytes());
  region.block_stride = static_cast<std::int64_t>(tokens * plane.row_bytes());
  region.scales_token_stride = plane.scale_bytes;
  region.scales_block_stride = static_cast<std::int64_t>(tokens * plane.scale_bytes);
}

// `block_stride` 0: blocks of a region follow each other.
void Layout::place_plane(std::uint32_t index, std::uint64_t block_stride, std::uint64_t &at) noexcept {
  const PlaneShape &plane = planes_[index];
  const std::uint64_t times = block_stride != 0 ? 1 : request_.columns;
  Region &region = regions_[index];
  region = {};
  pack_strides(plane, request_, region);
  region.data = at;
  at += round_up(times * request_.block_tokens * plane.row_bytes());
  region.scales = at;
  at += round_up(times * request_.block_tokens * plane.scale_bytes);
  if (block_stride == 0) return;
  region.block_stride = static_cast<std::int64_t>(block_stride);
  region.scales_block_stride = plane.scale_bytes != 0 ? region.block_stride : 0;
}

Status Layout::place() noexcept {
  // Rounding adds less than 2^9 bytes for each of 2^22 regions, or to each of a block's: far from overflow.
  std::uint64_t layer = 0;
  for (std::uint32_t i = 0; i < num_planes_; ++i) place_plane(i, 0, layer);
  if (request_.layout == AKV_LAYOUT_BLOCK_OUTER) {
    layer = 0;
    for (std::uint32_t i = 0; i < num_planes_; ++i) place_plane(i, 1, layer);
    const std::uint64_t column = layer * request_.num_layers;
    layer = 0;
    for (std::uint32_t i = 0; i < num_planes_; ++i) place_plane(i, column, layer);
    if (__builtin_mul_overflow(column, std::uint64_t{request_.columns}, &bytes_)) bytes_ = UINT64_MAX;
  } else {
    bytes_ = layer * request_.num_layers;
  }
  layer_stride_ = layer;
  if (bytes_ <= kLargest) return AKV_OK;
  return fail(AKV_ERROR_OUT_OF_MEMORY, "a store of %llu blocks of %llu bytes, aligned to %llu, exceeds %llu bytes",
              request_.columns, bytes_per_block(), kAlignment, kLargest);
}

}  // namespace akv
