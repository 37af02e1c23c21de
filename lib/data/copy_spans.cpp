// copy_spans.cpp: stretches of sequences between their blocks and packed memory.
// It knows stores, streams and kernels.
#include "base/sized_struct.hpp"
#include "data/copy_engine.hpp"
#include "data/device/work.hpp"
#include "data/kernels/caches.hpp"
#include "data/kernels/kernels.hpp"
#include "data/plane_elements.hpp"
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

std::uint64_t elements_of_a_layer(const Store &store) {
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < store.num_planes(); ++i) sum += row_elements(store.layout().plane(i));
  return sum;
}

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

// Move or convert tokens first .. first + count - 1 of a sound span.
class SpanMove {
 public:
  SpanMove(const Store &store, const akv_span &span, std::uint32_t first, std::uint32_t count, Way way) noexcept
      : store_(store), span_(span), first_(first), count_(count), way_(way) {}

  void run() noexcept {
    const KeepLastError keep;
    Layers layers;
    if (find_layers(store_, span_.first_layer, span_.num_layers, layers) != AKV_OK) return;
    data_ = static_cast<unsigned char *>(span_.data);
    head_scales_ = span_.head_scales;
    for (std::uint32_t layer = layers.first; layer < layers.first + layers.count; ++layer)
      for (std::uint32_t i = 0; i < store_.num_planes(); ++i) {
        const PlaneShape &plane = store_.layout().plane(i);
        if (span_.dtype == 0) move(store_.region(layer, i), plane);
        else convert(store_.region(layer, i), plane);
        if (head_scales_ != nullptr) head_scales_ += plane.num_heads;
      }
  }

 private:
  // The packed rows of a plane, from the first token on.
  TokenRows rows(std::uint64_t token_bytes, std::int64_t head_bytes) noexcept {
    const TokenRows all{data_ + first_ * token_bytes, static_cast<std::int64_t>(token_bytes), head_bytes};
    data_ += span_.num_tokens * token_bytes;
    return all;
  }
  std::uint64_t start() const noexcept { return std::uint64_t{span_.first_token} + first_; }
  void move(const akv_region &region, const PlaneShape &plane) noexcept {
    const auto run_kernel = way_.write ? kernels().copy.scatter : kernels().copy.gather;
    const std::uint32_t block_tokens = store_.shape().block_tokens;
    run_kernel({element_rows(region), rows(plane.row_bytes(), plane.dim_bytes), element_shape(plane, block_tokens),
                span_.blocks, start(), count_, way_.past_caches, 0});
    if (plane.scale_bytes != 0)
      run_kernel({scale_rows(region), rows(plane.scale_bytes, 0), scale_shape(plane, block_tokens), span_.blocks,
                  start(), count_, way_.past_caches, 0});
  }
  void convert(const akv_region &region, const PlaneShape &plane) noexcept {
    const auto run_kernel = way_.write ? kernels().format.scatter : kernels().format.gather;
    const std::uint64_t head_bytes = std::uint64_t{plane.head_dim} * number_bytes(span_.dtype);
    run_kernel({pool_elements(region, plane, head_scales_),
                {rows(head_bytes * plane.num_heads, static_cast<std::int64_t>(head_bytes)), span_.dtype, 0},
                elements_shape(plane, store_.shape().block_tokens, way_.past_caches),
                span_.blocks,
                start(),
                count_});
  }

  const Store &store_;
  const akv_span &span_;
  const std::uint32_t first_, count_;
  const Way way_;
  unsigned char *data_ = nullptr;
  const float *head_scales_ = nullptr;  // of the plane at hand
};

struct SpanWork {
  Stores::Ref store;
  SpanList spans;
  bool write = false;
  std::uint64_t tokens = 0;  // of all spans
  std::uint64_t bytes = 0;

  // A block's scales may be of all its tokens, so a converted block is one part's; its tokens lie in neighbouring
  // parts' shares, who leave it to the one that has its first.
  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    const Share share(tokens, part, parts);
    const Way way{write, past_caches(bytes)};
    std::uint64_t at = 0;
    for (std::uint32_t i = 0; i < spans.count && at < share.end; ++i) {
      const akv_span span = span_at(spans, i);
      const std::uint64_t step = span.dtype != 0 && write ? store->shape().block_tokens : 1;
      const auto place = [&](std::uint64_t token) {
        return token <= at ? 0 : std::min<std::uint64_t>(span.num_tokens, (token - at + step - 1) / step * step);
      };
      const std::uint64_t first = place(share.first), end = place(share.end);
      if (first < end)
        SpanMove(*store, span, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(end - first), way).run();
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

// Tokens that share their scales are written together.
Status check_whole_groups(const Store &store, const akv_span &span) {
  const std::uint32_t block_tokens = store.shape().block_tokens;
  const std::uint32_t together = store.shape().geometry.tokens_together(block_tokens);
  if (together == 1 || (span.first_token % block_tokens == 0 && span.num_tokens % block_tokens == 0)) return AKV_OK;
  return fail(AKV_ERROR_UNSUPPORTED,
              "there are scales by channel: only whole blocks of %llu tokens are written, not %llu from %llu on",
              block_tokens, span.num_tokens, span.first_token);
}

// Blocks, layers, tokens and memory of one span; `write`: its blocks are written to.
Status check_span(const Store &store, const akv_span &span, bool write) {
  std::uint64_t bytes = 0;
  AKV_TRY(span_bytes(store, span.first_layer, span.num_layers, span.num_tokens, span.dtype, bytes));
  if (write) AKV_TRY(check_whole_groups(store, span));
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
                  std::uint32_t dtype, std::uint64_t &out) noexcept {
  Layers layers;
  AKV_TRY(find_layers(store, first_layer, num_layers, layers));
  for (std::uint32_t i = 0; dtype != 0 && i < store.num_planes(); ++i)
    AKV_TRY(check_conversion(store.layout().plane(i), i, dtype));
  const std::uint64_t layer_bytes =
      dtype == 0 ? bytes_of_a_layer(store) : elements_of_a_layer(store) * number_bytes(dtype);
  if (__builtin_mul_overflow(layer_bytes * layers.count, std::uint64_t{num_tokens}, &out))
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
    AKV_TRY(span_bytes(*store, span.first_layer, span.num_layers, span.num_tokens, write ? 0 : span.dtype, its_bytes));
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
