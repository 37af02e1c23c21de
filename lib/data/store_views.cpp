// store_views.cpp: what can be read about a store without touching its bytes, and touching them ahead of need.
// It knows layouts and the callback of a warm-up.
#include "data/store.hpp"

#include <algorithm>

namespace akv {

Status Store::find_region(std::uint32_t layer, std::uint32_t plane, akv_region &out) const noexcept {
  std::uint32_t index = 0;
  AKV_TRY(find_layer(layer, index));
  if (plane >= num_planes())
    return fail(AKV_ERROR_OUT_OF_RANGE, "plane %llu does not exist: a layer has %llu", plane, num_planes());
  out = region(index, plane);
  return AKV_OK;
}

void Store::fill_view(const akv_region &region, std::uint32_t plane, akv_view &out) const noexcept {
  const PlaneShape &shape = layout_.plane(plane);
  const std::uint32_t dtype = shape.dtype == AKV_DTYPE_I4 ? std::uint32_t{AKV_DTYPE_I8} : shape.dtype;
  const bool outer = layout_.request().heads == AKV_HEADS_OUTER;
  out = AKV_VIEW_INIT;
  out.dtype = dtype;
  out.device = AKV_DEVICE_HOST;
  out.num_dimensions = 4;
  out.data = region.data;
  out.epoch = epoch_;
  const int token = outer ? 2 : 1, head = outer ? 1 : 2;
  out.shape[0] = columns();
  out.strides[0] = region.block_stride;
  out.shape[token] = shape_.block_tokens;
  out.strides[token] = region.token_stride;
  out.shape[head] = shape.num_heads;
  out.strides[head] = region.head_stride;
  out.shape[3] = shape.dimension;
  out.strides[3] = shape.dim_bytes / shape.dimension;
}

Status Store::view(std::uint32_t layer, std::uint32_t plane, akv_view &out) const noexcept {
  akv_region region{};
  AKV_TRY(find_region(layer, plane, region));
  fill_view(region, plane, out);
  return AKV_OK;
}

Status Store::sequence_view(std::uint32_t layer, std::uint32_t plane, const std::int32_t *blocks,
                            std::uint32_t num_blocks, std::uint32_t num_tokens, akv_view &out) const noexcept {
  akv_region region{};
  AKV_TRY(find_region(layer, plane, region));
  const std::uint32_t block_tokens = shape_.block_tokens;
  if (num_tokens == 0) return fail(AKV_ERROR_INVALID_ARGUMENT, "num_tokens is 0: there is nothing to view");
  if (std::uint64_t{num_blocks} * block_tokens < num_tokens)
    return fail_with(AKV_ERROR_OUT_OF_RANGE, num_tokens, std::uint64_t{num_blocks} * block_tokens,
                     "%llu tokens do not lie in %llu blocks of %llu", num_tokens, num_blocks, block_tokens);
  for (std::uint32_t i = 0; i < num_blocks; ++i) {
    AKV_TRY(check_block(blocks[i], true));
    if (i != 0 && blocks[i] != blocks[i - 1] + 1)
      return fail(AKV_ERROR_NOT_CONTIGUOUS, "block %llu (element %llu) is not behind block %llu",
                  static_cast<unsigned long long>(blocks[i]), i, static_cast<unsigned long long>(blocks[i - 1]));
  }
  region.data = static_cast<unsigned char *>(region.data) + blocks[0] * region.block_stride;
  akv_view view;
  fill_view(region, plane, view);
  view.shape[0] = static_cast<std::int64_t>((std::uint64_t{num_tokens} + block_tokens - 1) / block_tokens);
  const LayoutRequest &request = layout_.request();
  if (request.layout == AKV_LAYOUT_LAYER_OUTER && request.heads == AKV_HEADS_INNER &&
      region.block_stride == region.token_stride * block_tokens) {
    view.num_dimensions = 3;
    view.shape[0] = num_tokens;
    for (int i = 1; i < 4; ++i) {
      view.shape[i] = i < 3 ? view.shape[i + 1] : 0;
      view.strides[i - 1] = view.strides[i];
    }
    view.strides[3] = 0;
  }
  out = view;
  return AKV_OK;
}

void Store::info(akv_store_info &out) const noexcept {
  const LayoutRequest &request = layout_.request();
  out.device = AKV_DEVICE_HOST;
  out.layout = request.layout;
  out.heads = request.heads;
  out.columns = columns_kind_;
  out.block_tokens = shape_.block_tokens;
  out.num_blocks = columns() - 1;
  out.num_layers = num_layers();
  out.num_planes = num_planes();
  out.first_head = request.first_head;
  out.num_heads = request.num_heads;
  out.callers_memory = regions_ != nullptr ? 1 : 0;
  out.bytes_per_block = layout_.bytes_per_block();
  out.bytes = bytes_;
  const std::uint64_t used = layout_.bytes_per_block() * columns();
  out.alignment_waste = bytes_ > used ? bytes_ - used : 0;  // regions of the caller's may share memory
  out.epoch = epoch_;
}

Status Store::warm_up(akv_progress_function progress, void *context) noexcept {
  const std::uint64_t pieces = regions_ != nullptr ? std::uint64_t{num_layers()} * num_planes() * 2 : 1;
  const std::uint64_t chunk =
      std::max((bytes_ / 64 + HostMemory::kHugePage - 1) / HostMemory::kHugePage, std::uint64_t{1}) *
      HostMemory::kHugePage;
  std::uint64_t done = 0, told = 0;
  for (std::uint64_t piece = 0; piece < pieces; ++piece) {
    unsigned char *data = memory_.data();
    std::uint64_t bytes = memory_.bytes();
    if (regions_ != nullptr) {
      const akv_region &region = regions_[piece / 2];
      data = static_cast<unsigned char *>(piece % 2 == 0 ? region.data : region.scales);
      bytes = piece % 2 == 0 ? region.bytes : region.scales_bytes;
      if (data == nullptr) bytes = 0;
    }
    for (std::uint64_t at = 0; at < bytes; at += chunk) {
      const std::uint64_t size = std::min(chunk, bytes - at);
      AKV_TRY(commit_pages(data + at, size));
      done += size;
      if (progress == nullptr || (done - told < chunk && done != bytes_)) continue;
      told = done;
      std::int32_t answer = 0;
      try {
        answer = progress(context, done, bytes_);
      } catch (...) {
        return fail(AKV_ERROR_CALLBACK, "the progress function threw at %llu of %llu bytes", done, bytes_);
      }
      if (answer != 0)
        return fail(AKV_ERROR_CALLBACK, "the progress function stopped the warm-up at %llu of %llu bytes", done,
                    bytes_);
    }
  }
  return AKV_OK;
}

}  // namespace akv
