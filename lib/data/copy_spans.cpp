// copy_spans.cpp: stretches of sequences between their blocks and packed memory.
// It knows stores, streams and kernels.
#include "base/sized_struct.hpp"
#include "data/copy_engine.hpp"
#include "data/device/work.hpp"
#include "data/kernels/caches.hpp"
#include "data/plane_piece.hpp"

namespace akv {
namespace {

// Stored layers by their index in the store.
struct Layers {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

Status find_layers(const Store &store, std::uint32_t first_layer, std::uint32_t num_layers, Layers &out) {
  out.first = store.first_at_or_after(first_layer);
  out.count = store.num_layers() - out.first;
  if (num_layers == 0) {
    if (out.count != 0) return AKV_OK;
    return fail(AKV_ERROR_OUT_OF_RANGE, "no layer from %llu on is stored here", first_layer);
  }
  // They ascend, so if the last one stands where it must, all do.
  const std::uint64_t last = std::uint64_t{first_layer} + num_layers - 1;
  if (out.count < num_layers || store.layer_at(out.first) != first_layer ||
      store.layer_at(out.first + num_layers - 1) != last)
    return fail(AKV_ERROR_OUT_OF_RANGE, "layers %llu to %llu are not all stored here: %llu of the cache's %llu are",
                first_layer, last, store.num_layers(), store.shape().geometry.group.num_layers);
  out.count = num_layers;
  return AKV_OK;
}

std::uint64_t bytes_of_a_layer(const Store &store) { return store.layout().bytes_per_token() / store.num_layers(); }

akv_span span_at(const SpanList &spans, std::uint32_t index) {
  akv_span span{};
  const std::uint64_t offset = std::uint64_t{index} * spans.element_size;
  std::memcpy(&span, spans.elements + offset, std::min<std::size_t>(sizeof span, spans.element_size));
  return span;
}

struct Way {
  bool write;  // into the store
  std::uint32_t past_caches;
};

// Move tokens first .. first + count - 1 of a sound span.
void move_span(const Store &store, const akv_span &span, std::uint32_t first, std::uint32_t count, Way way) {
  const KeepLastError keep;
  Layers layers;
  if (find_layers(store, span.first_layer, span.num_layers, layers) != AKV_OK) return;
  const auto move = way.write ? kernels().copy.scatter : kernels().copy.gather;
  const std::uint32_t block_tokens = store.shape().block_tokens;
  auto *data = static_cast<unsigned char *>(span.data);
  for (std::uint32_t layer = layers.first; layer < layers.first + layers.count; ++layer)
    for (std::uint32_t i = 0; i < store.num_planes(); ++i) {
      const PlaneShape &plane = store.layout().plane(i);
      const akv_region region = store.region(layer, i);
      const auto rows = [&](std::uint64_t token_bytes, std::int64_t head_bytes) {
        const TokenRows all{data + first * token_bytes, static_cast<std::int64_t>(token_bytes), head_bytes};
        data += span.num_tokens * token_bytes;
        return all;
      };
      const std::uint64_t start = std::uint64_t{span.first_token} + first;
      move({element_rows(region), rows(plane.row_bytes(), plane.dim_bytes), element_shape(plane, block_tokens),
            span.blocks, start, count, way.past_caches, 0});
      if (plane.scale_bytes != 0)
        move({scale_rows(region), rows(plane.scale_bytes, 0), scale_shape(plane, block_tokens), span.blocks, start,
              count, way.past_caches, 0});
    }
}

struct SpanWork {
  Stores::Ref store;
  SpanList spans;
  bool write = false;
  std::uint64_t tokens = 0;  // of all spans
  std::uint64_t bytes = 0;

  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    const Share share(tokens, part, parts);
    const Way way{write, past_caches(bytes)};
    std::uint64_t at = 0;
    for (std::uint32_t i = 0; i < spans.count && at < share.end; ++i) {
      const akv_span span = span_at(spans, i);
      const std::uint64_t first = std::max(share.first, at), end = std::min(share.end, at + span.num_tokens);
      if (first < end)
        move_span(*store, span, static_cast<std::uint32_t>(first - at), static_cast<std::uint32_t>(end - first), way);
      at += span.num_tokens;
    }
    return true;
  }
  void finish(bool) noexcept {
    const std::uint32_t kind = write ? AKV_MOVED_SCATTER : AKV_MOVED_GATHER;
    store->stats().count_call(kind, spans.count);
    store->stats().count_bytes(kind, bytes);
  }
};

// Blocks, layers, tokens and memory of one span; `write`: its blocks are written to.
Status check_span(const Store &store, const akv_span &span, bool write) {
  if (span.unused != 0) return fail(AKV_ERROR_UNSUPPORTED, "unused is %llu, must be 0", span.unused);
  std::uint64_t bytes = 0;
  AKV_TRY(span_bytes(store, span.first_layer, span.num_layers, span.num_tokens, bytes));
  if (span.blocks == nullptr && span.num_blocks != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "blocks is NULL, and num_blocks is %llu", span.num_blocks);
  for (std::uint32_t i = 0; i < span.num_blocks; ++i) AKV_TRY(store.check_block(span.blocks[i], write));
  const std::uint64_t room = std::uint64_t{span.num_blocks} * store.shape().block_tokens;
  const std::uint64_t end = std::uint64_t{span.first_token} + span.num_tokens;
  if (end > room)
    return fail_with(AKV_ERROR_OUT_OF_RANGE, end, room, "tokens up to %llu are meant, %llu blocks hold %llu", end,
                     span.num_blocks, room);
  if (span.data == nullptr && bytes != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "data is NULL, and %llu bytes of it are wanted", bytes);
  if (span.bytes < bytes)
    return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, bytes, span.bytes, "it has %llu bytes of data, %llu are needed",
                     span.bytes, bytes);
  return AKV_OK;
}

}  // namespace

Status span_bytes(const Store &store, std::uint32_t first_layer, std::uint32_t num_layers, std::uint32_t num_tokens,
                  std::uint64_t &out) noexcept {
  Layers layers;
  AKV_TRY(find_layers(store, first_layer, num_layers, layers));
  if (__builtin_mul_overflow(bytes_of_a_layer(store) * layers.count, std::uint64_t{num_tokens}, &out))
    return fail(AKV_ERROR_OUT_OF_RANGE, "%llu tokens of %llu layers exceed 2^64 - 1 bytes", num_tokens, layers.count);
  return AKV_OK;
}

Status copy_spans(Stores::Ref store, const SpanList &spans, bool write, Stream *stream) noexcept {
  std::uint64_t tokens = 0, bytes = 0, kept = kept_bytes<akv_span>(spans.count);
  for (std::uint32_t i = 0; i < spans.count; ++i) {
    akv_span span{};
    Status status = read_element(spans.elements + std::uint64_t{i} * spans.element_size, spans.element_size, span);
    if (status == AKV_OK) status = check_span(*store, span, write);
    if (status != AKV_OK) {
      name_row(i);
      return status;
    }
    std::uint64_t its_bytes = 0;
    AKV_TRY(span_bytes(*store, span.first_layer, span.num_layers, span.num_tokens, its_bytes));
    tokens += span.num_tokens;
    bytes += its_bytes;
    kept += kept_bytes<std::int32_t>(span.num_blocks);
  }
  Submission<SpanWork> work(stream, kept);
  AKV_TRY(work.status());
  work->store = std::move(store);
  work->spans = spans;
  work->write = write;
  work->tokens = tokens;
  work->bytes = bytes;
  if (work.queued()) {
    auto *own = work.room<akv_span>(spans.count);
    for (std::uint32_t i = 0; i < spans.count; ++i) {
      own[i] = span_at(spans, i);
      own[i].blocks = work.keep(own[i].blocks, own[i].num_blocks);
    }
    work->spans = {reinterpret_cast<const unsigned char *>(own), sizeof(akv_span), spans.count};
  }
  work.submit(parts_for(stream, bytes));
  return AKV_OK;
}

}  // namespace akv
