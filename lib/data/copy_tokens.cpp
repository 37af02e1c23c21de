// copy_tokens.cpp: K/V of tokens to and from their slots.
// It knows stores, streams and kernels.
#include "data/copy_engine.hpp"
#include "data/device/work.hpp"
#include "data/kernels/caches.hpp"
#include "data/kernels/kernels.hpp"
#include "data/plane_elements.hpp"
#include "data/plane_piece.hpp"

namespace akv {
namespace {

// Bytes of a head in the caller's memory.
std::uint32_t head_bytes(const akv_token_data &data, const PlaneShape &plane) {
  return data.dtype == 0 ? plane.dim_bytes : plane.head_dim * number_bytes(data.dtype);
}

TokenRows element_rows(const akv_token_data &from, const PlaneShape &plane) {
  const std::int64_t head = head_bytes(from, plane);
  return {static_cast<unsigned char *>(from.data), from.token_stride != 0 ? from.token_stride : head * plane.num_heads,
          from.head_stride != 0 ? from.head_stride : head};
}

TokenRows scale_rows(const akv_token_data &from, const PlaneShape &plane) {
  return {static_cast<unsigned char *>(from.scales), from.scale_stride != 0 ? from.scale_stride : plane.scale_bytes, 0};
}

struct TokenWork {
  Stores::Ref store;
  std::uint32_t layer_index = 0;
  std::uint32_t num_tokens = 0;
  std::uint32_t num_planes = 0;
  bool write = false;
  const std::int64_t *slots = nullptr;
  const akv_token_data *planes = nullptr;
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;

  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    const Share share(num_tokens, part, parts);
    for (std::uint32_t i = 0; i < num_planes; ++i) {
      if (planes[i].dtype == 0) move(planes[i], share);
      else convert(planes[i], share);
    }
    return true;
  }
  void finish(bool) noexcept {
    const std::uint32_t kind = write ? AKV_MOVED_WRITE : AKV_MOVED_READ;
    store->stats().count_call(kind, items);
    store->stats().count_bytes(kind, bytes);
  }

 private:
  static TokenRows behind(TokenRows rows, std::uint64_t tokens) noexcept {
    rows.data += static_cast<std::int64_t>(tokens) * rows.token_stride;
    return rows;
  }
  void move(const akv_token_data &data, const Share &share) noexcept {
    const PlaneShape &plane = store->layout().plane(data.plane);
    const akv_region region = store->region(layer_index, data.plane);
    const std::uint32_t block_tokens = store->shape().block_tokens;
    const auto run_kernel = write ? kernels().copy.write_slots : kernels().copy.read_slots;
    const std::uint64_t count = share.end - share.first;
    const std::uint32_t past = past_caches(bytes);
    run_kernel({akv::element_rows(region), behind(element_rows(data, plane), share.first),
                element_shape(plane, block_tokens), slots + share.first, count, past, 0});
    if (plane.scale_bytes == 0) return;
    run_kernel({akv::scale_rows(region), behind(scale_rows(data, plane), share.first), scale_shape(plane, block_tokens),
                slots + share.first, count});
  }
  void convert(const akv_token_data &data, const Share &share) noexcept {
    const PlaneShape &plane = store->layout().plane(data.plane);
    const PoolElements pool =
        pool_elements(store->region(layer_index, data.plane), plane, static_cast<const float *>(data.scales));
    const auto run_kernel = write ? kernels().format.write_slots : kernels().format.read_slots;
    run_kernel({pool,
                {behind(element_rows(data, plane), share.first), data.dtype, 0},
                elements_shape(plane, store->shape().block_tokens, past_caches(bytes)),
                slots + share.first,
                share.end - share.first});
  }
};

Status check_slots(const Store &store, const std::int64_t *slots, std::uint32_t num_tokens, std::uint64_t &items) {
  const std::int64_t block_tokens = store.shape().block_tokens;
  const std::int64_t end = static_cast<std::int64_t>(store.columns()) * block_tokens;
  for (std::uint32_t i = 0; i < num_tokens; ++i) {
    if (slots[i] < 0) continue;
    if (slots[i] < block_tokens || slots[i] >= end)
      return fail(AKV_ERROR_OUT_OF_RANGE,
                  slots[i] < end ? "slots[%llu] is %llu, in the null block: the first slot is %llu"
                                 : "slots[%llu] is %llu, slots are %llu to %llu",
                  i, static_cast<unsigned long long>(slots[i]), static_cast<unsigned long long>(block_tokens),
                  static_cast<unsigned long long>(end - 1));
    ++items;
  }
  return AKV_OK;
}

// As they are: with the plane's scales.
Status check_moved(const akv_token_data &data, std::uint32_t index, const PlaneShape &plane, bool tokens) {
  if (plane.scale_bytes == 0 ? data.scales == nullptr : data.scales != nullptr || !tokens) return AKV_OK;
  return fail(AKV_ERROR_INVALID_ARGUMENT,
              plane.scale_bytes == 0 ? "planes[%llu].scales must be NULL: plane %llu has none"
                                     : "planes[%llu].scales is NULL: plane %llu has %llu bytes a token",
              index, data.plane, plane.scale_bytes);
}

Status check_converted(const akv_token_data &data, std::uint32_t index, const PlaneShape &plane) {
  AKV_TRY(check_conversion(plane, data.plane, data.dtype));
  if (data.scales != nullptr && plane.scaling != AKV_SCALING_HEAD)
    return fail(AKV_ERROR_INVALID_ARGUMENT,
                "planes[%llu].scales must be NULL: plane %llu is converted, with scaling %llu, not AKV_SCALING_HEAD",
                index, data.plane, plane.scaling);
  return AKV_OK;
}

Status check_written(const akv_token_data &data, const PlaneShape &plane) {
  if (plane.scaling == AKV_SCALING_CHANNEL)
    return fail(AKV_ERROR_UNSUPPORTED,
                "plane %llu has scales by channel: its blocks are written whole, with akv_copy_scatter()", data.plane);
  return AKV_OK;
}

// `bytes_per_token`: that are written.
Status check_planes(const Store &store, const akv_token_data *planes, std::uint32_t num_planes, bool tokens, bool write,
                    std::uint64_t &bytes_per_token) {
  std::uint64_t seen = 0;
  for (std::uint32_t i = 0; i < num_planes; ++i) {
    const akv_token_data &data = planes[i];
    if (data.plane >= store.num_planes())
      return fail(AKV_ERROR_OUT_OF_RANGE, "planes[%llu] is plane %llu, a layer has %llu", i, data.plane,
                  store.num_planes());
    if ((seen & std::uint64_t{1} << data.plane) != 0)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "planes[%llu] is plane %llu, which was there before", i, data.plane);
    seen |= std::uint64_t{1} << data.plane;
    const PlaneShape &plane = store.layout().plane(data.plane);
    if (data.data == nullptr && tokens)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "planes[%llu].data is NULL, and there are tokens", i);
    AKV_TRY(data.dtype == 0 ? check_moved(data, i, plane, tokens) : check_converted(data, i, plane));
    if (write) AKV_TRY(check_written(data, plane));
    const bool numbers = data.dtype != 0 && !write;
    bytes_per_token += numbers ? std::uint64_t{plane.num_heads} * head_bytes(data, plane) : plane.token_bytes();
  }
  return AKV_OK;
}

}  // namespace

Status copy_tokens(Stores::Ref store, std::uint32_t layer, const std::int64_t *slots, std::uint32_t num_tokens,
                   const akv_token_data *planes, std::uint32_t num_planes, bool write, Stream *stream) noexcept {
  std::uint32_t layer_index = 0;
  std::uint64_t items = 0, bytes_per_token = 0;
  AKV_TRY(store->find_layer(layer, layer_index));
  AKV_TRY(check_planes(*store, planes, num_planes, num_tokens != 0, write, bytes_per_token));
  AKV_TRY(check_slots(*store, slots, num_tokens, items));
  Submission<TokenWork> work(stream, kept_bytes<std::int64_t>(num_tokens) + kept_bytes<akv_token_data>(num_planes));
  AKV_TRY(work.status());
  work->store = std::move(store);
  work->layer_index = layer_index;
  work->num_tokens = num_tokens;
  work->num_planes = num_planes;
  work->write = write;
  work->slots = work.keep(slots, num_tokens);
  work->planes = work.keep(planes, num_planes);
  work->items = items;
  work->bytes = items * bytes_per_token;
  work.submit(parts_for(stream, items * bytes_per_token));
  return AKV_OK;
}

}  // namespace akv
