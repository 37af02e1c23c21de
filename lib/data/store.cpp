// store.cpp: how a store is made: which layers and heads, and whose memory.
// It knows the geometry of a cache, not the cache.
#include "data/store.hpp"

#include "base/sized_struct.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace akv {
namespace {

// Views of different stores never have the same epoch.
std::atomic<std::uint64_t> epochs{0};

// Bytes from element 0 on that `dimensions` of (count, stride) reach over, if none of them lies over another.
struct Dimension {
  std::uint64_t count;
  std::int64_t stride;
};
template <std::size_t kCount>
bool reach(Dimension (&dimensions)[kCount], std::uint64_t item_bytes, std::uint64_t &out) {
  std::sort(dimensions, dimensions + kCount, [](const Dimension &a, const Dimension &b) {
    return a.stride < b.stride || (a.stride == b.stride && a.count < b.count);
  });
  out = item_bytes;
  for (const Dimension &each : dimensions) {
    if (each.count == 1) continue;
    const auto stride = static_cast<std::uint64_t>(each.stride);
    std::uint64_t before = 0;
    if (each.stride < 0 || stride < out || __builtin_mul_overflow(stride, each.count - 1, &before) ||
        __builtin_add_overflow(before, out, &out))
      return false;
  }
  return true;
}

}  // namespace

bool StoreShape::same_tokens(const StoreShape &other) const noexcept {
  const std::uint32_t planes = geometry.group.num_planes;
  return block_tokens == other.block_tokens && geometry.group.num_layers == other.geometry.group.num_layers &&
         planes == other.geometry.group.num_planes &&
         std::memcmp(geometry.planes, other.geometry.planes, planes * sizeof(akv_plane)) == 0;
}

Status Store::create(const StoreShape &shape, const akv_store_config &config, Trackers::Ref tracker,
                     std::unique_ptr<Store> &out) noexcept {
  std::unique_ptr<Store> store(new (std::nothrow) Store);
  if (store == nullptr) return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no %llu bytes for a store", sizeof(Store));
  store->shape_ = shape;
  store->columns_kind_ = config.columns;
  AKV_TRY(store->choose_layers(config));
  LayoutRequest request;
  request.layout = config.layout;
  request.heads = config.heads;
  request.first_head = config.first_head;
  request.num_heads = config.num_heads;
  request.num_layers = config.num_layers != 0 ? config.num_layers : shape.geometry.group.num_layers;
  request.block_tokens = shape.block_tokens;
  request.columns = shape.num_blocks + 1;
  AKV_TRY(store->layout_.choose(shape.geometry, request));
  store->tracker_ = std::move(tracker);
  AKV_TRY(config.num_regions != 0 ? store->take_regions(config) : store->reserve(config));
  AKV_TRY(store->marks_.map(std::uint64_t{request.columns} * sizeof(std::uint64_t), true));
  store->epoch_ = epochs.fetch_add(1, std::memory_order_relaxed) + 1;
  out = std::move(store);
  return AKV_OK;
}

Store::~Store() {
  if (record_ != 0) static_cast<void>(tracker_->forget(&record_, 1));
}

// One mapping, told to the tracker first: what its limit refuses is never asked of the host.
Status Store::reserve(const akv_store_config &config) noexcept {
  AKV_TRY(layout_.place());
  if (tracker_) {
    const std::uint32_t purpose = columns_kind_ == AKV_STORE_BLOCKS ? AKV_PURPOSE_KV_CACHE : AKV_PURPOSE_SWAP;
    AKV_TRY(tracker_->record(
        1, [&](std::uint32_t) { return MemoryTracker::Allocation{AKV_DEVICE_HOST, purpose - 1, layout_.bytes()}; },
        [&](std::uint32_t, std::uint64_t record) { record_ = record; }));
  }
  const LayoutRequest &request = layout_.request();
  if (memory_.map(layout_.bytes(), (config.flags & AKV_STORE_SMALL_PAGES) != 0) != AKV_OK)
    return fail(
        AKV_ERROR_OUT_OF_MEMORY,
        "the host has no %llu bytes for a KV store: %llu blocks of %llu tokens, %llu layers, %llu bytes a block",
        layout_.bytes(), request.columns, request.block_tokens, request.num_layers, layout_.bytes_per_block());
  bytes_ = memory_.bytes();
  return AKV_OK;
}

Status Store::choose_layers(const akv_store_config &config) noexcept {
  if (config.num_layers == 0) return AKV_OK;
  const std::uint32_t all = shape_.geometry.group.num_layers;
  for (std::uint32_t i = 0; i < config.num_layers; ++i) {
    if (config.layers[i] >= all)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "layers[%llu] is %llu, the cache has %llu layers", i, config.layers[i],
                  all);
    if (i != 0 && config.layers[i] <= config.layers[i - 1])
      return fail(AKV_ERROR_INVALID_ARGUMENT, "layers[%llu] is %llu behind %llu: they must ascend", i, config.layers[i],
                  config.layers[i - 1]);
  }
  layers_.reset(new (std::nothrow) std::uint32_t[config.num_layers]);
  if (layers_ == nullptr)
    return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no memory for %llu layers of a store", config.num_layers);
  std::copy_n(config.layers, config.num_layers, layers_.get());
  return AKV_OK;
}

Status Store::take_regions(const akv_store_config &config) noexcept {
  const std::uint64_t wanted = std::uint64_t{num_layers()} * num_planes();
  if (config.num_regions != wanted)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "num_regions is %llu, %llu layers of %llu planes need %llu",
                config.num_regions, num_layers(), num_planes(), wanted);
  regions_.reset(new (std::nothrow) akv_region[wanted]);
  if (regions_ == nullptr)
    return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no memory for %llu regions of a store", wanted);
  const auto *elements = reinterpret_cast<const unsigned char *>(config.regions);
  for (std::uint64_t i = 0; i < wanted; ++i) {
    akv_region &region = regions_[i];
    AKV_TRY(read_element(elements + i * config.region_size, config.region_size, region));
    const auto layer = static_cast<std::uint32_t>(i / num_planes()),
               plane = static_cast<std::uint32_t>(i % num_planes());
    AKV_TRY(check_region(region, layer, plane));
    AKV_TRY(check_scales(region, layer, plane));
    if (region.scales == nullptr) region.scales_bytes = 0;
    if (__builtin_add_overflow(bytes_, region.bytes + region.scales_bytes, &bytes_)) bytes_ = UINT64_MAX;
  }
  return AKV_OK;
}

Status Store::check_region(const akv_region &region, std::uint32_t layer, std::uint32_t plane) const noexcept {
  const PlaneShape &shape = layout_.plane(plane);
  if (region.data == nullptr)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "region of stored layer %llu, plane %llu: data is NULL", layer, plane);
  Dimension dimensions[] = {{columns(), region.block_stride},
                            {shape_.block_tokens, region.token_stride},
                            {shape.num_heads, region.head_stride}};
  std::uint64_t needed = 0;
  const bool negative = region.block_stride < 0 || region.token_stride < 0 || region.head_stride < 0;
  if (negative || !reach(dimensions, shape.dim_bytes, needed))
    return fail(AKV_ERROR_INVALID_ARGUMENT,
                "region of stored layer %llu, plane %llu: strides of %lld (block), %lld (token) and %lld (head) bytes "
                "are negative, or let heads of %llu bytes lie over each other",
                layer, plane, static_cast<unsigned long long>(region.block_stride),
                static_cast<unsigned long long>(region.token_stride),
                static_cast<unsigned long long>(region.head_stride), shape.dim_bytes);
  if (needed <= region.bytes && region.bytes <= Layout::kLargest) return AKV_OK;
  return fail_with(
      AKV_ERROR_OUT_OF_RANGE, needed, region.bytes,
      "region of stored layer %llu, plane %llu: %llu bytes are there, %llu blocks of %llu tokens reach %llu", layer,
      plane, region.bytes, columns(), shape_.block_tokens, needed);
}

Status Store::check_scales(const akv_region &region, std::uint32_t layer, std::uint32_t plane) const noexcept {
  const std::uint32_t scale_bytes = layout_.plane(plane).scale_bytes;
  if ((region.scales != nullptr) != (scale_bytes != 0))
    return fail(AKV_ERROR_INVALID_ARGUMENT,
                scale_bytes != 0
                    ? "region of stored layer %llu, plane %llu: scales are NULL, %llu bytes a token are due"
                    : "region of stored layer %llu, plane %llu: scales must be NULL, it has %llu bytes",
                layer, plane, scale_bytes);
  if (scale_bytes == 0) return AKV_OK;
  Dimension dimensions[] = {{columns(), region.scales_block_stride}, {shape_.block_tokens, region.scales_token_stride}};
  std::uint64_t needed = 0;
  if (region.scales_block_stride < 0 || region.scales_token_stride < 0 || !reach(dimensions, scale_bytes, needed))
    return fail(AKV_ERROR_INVALID_ARGUMENT,
                "region of stored layer %llu, plane %llu: scales' strides of %lld (block) and %lld (token) bytes are "
                "negative, or let scales of %llu bytes lie over each other",
                layer, plane, static_cast<unsigned long long>(region.scales_block_stride),
                static_cast<unsigned long long>(region.scales_token_stride), scale_bytes);
  if (needed <= region.scales_bytes && region.scales_bytes <= Layout::kLargest) return AKV_OK;
  return fail_with(
      AKV_ERROR_OUT_OF_RANGE, needed, region.scales_bytes,
      "scales of stored layer %llu, plane %llu: %llu bytes are there, %llu blocks of %llu tokens reach %llu", layer,
      plane, region.scales_bytes, columns(), shape_.block_tokens, needed);
}

Status Store::find_layer(std::uint32_t layer, std::uint32_t &index) const noexcept {
  if (has_layer(layer, index)) return AKV_OK;
  return fail(AKV_ERROR_OUT_OF_RANGE, "layer %llu is not stored here: %llu of the cache's %llu layers are", layer,
              num_layers(), shape_.geometry.group.num_layers);
}

std::uint32_t Store::first_at_or_after(std::uint32_t layer) const noexcept {
  if (layers_ == nullptr) return std::min(layer, num_layers());
  return static_cast<std::uint32_t>(std::lower_bound(layers_.get(), layers_.get() + num_layers(), layer) -
                                    layers_.get());
}

akv_region Store::region(std::uint32_t layer_index, std::uint32_t plane) const noexcept {
  if (regions_ != nullptr) return regions_[std::uint64_t{layer_index} * num_planes() + plane];
  const Region at = layout_.region(layer_index, plane);
  const PlaneShape &shape = layout_.plane(plane);
  const auto last = [this](std::int64_t block, std::int64_t token, std::int64_t head, std::uint64_t heads) {
    return (columns() - 1) * static_cast<std::uint64_t>(block) +
           (shape_.block_tokens - 1) * static_cast<std::uint64_t>(token) +
           (heads - 1) * static_cast<std::uint64_t>(head);
  };
  akv_region region{};
  region.data = memory_.data() + at.data;
  region.bytes = last(at.block_stride, at.token_stride, at.head_stride, shape.num_heads) + shape.dim_bytes;
  region.block_stride = at.block_stride;
  region.token_stride = at.token_stride;
  region.head_stride = at.head_stride;
  if (shape.scale_bytes == 0) return region;
  region.scales = memory_.data() + at.scales;
  region.scales_bytes = last(at.scales_block_stride, at.scales_token_stride, 0, 1) + shape.scale_bytes;
  region.scales_block_stride = at.scales_block_stride;
  region.scales_token_stride = at.scales_token_stride;
  return region;
}

Status Store::check_block(std::int32_t block, bool to_write) const noexcept {
  const std::int64_t first = to_write ? 1 : 0;
  if (block >= first && block < static_cast<std::int64_t>(columns())) return AKV_OK;
  return fail(AKV_ERROR_OUT_OF_RANGE,
              to_write && block == AKV_NULL_BLOCK ? "block %lld is the null block, which is never written"
                                                  : "block %lld does not exist: this store has blocks 0 to %llu",
              static_cast<unsigned long long>(block), columns() - 1);
}

}  // namespace akv
