// store.hpp: the bytes of a cache's blocks, and all that moves them: every method called copy_... does, no other one.
// `stream` nullptr: it is done when the call returns. Else keep data buffers until the stream has passed it
// (Stream::keep() takes them over).
#ifndef ARENAKV_CPP_STORE_HPP
#define ARENAKV_CPP_STORE_HPP

#include <vector>

#include "arenakv/cpp/owner.hpp"
#include "arenakv/cpp/view.hpp"

namespace arenakv {

template <class Errors>
class BasicStore : public detail::Owner<Errors, akv_store, akv_store_destroy> {
  using Base = detail::Owner<Errors, akv_store, akv_store_destroy>;

 public:
  template <class T>
  using Result = typename Errors::template Result<T>;
  using View = BasicView<Errors>;

  using Base::Base;
  // It keeps the cache's geometry, not the cache.
  static Result<BasicStore> make(akv_cache *cache, const StoreConfig &config = {}) {
    akv_store *handle = nullptr;
    const akv_status status = akv_store_create(cache, &config, &handle);
    BasicStore store(handle);
    return Errors::give(status, store);
  }
#if ARENAKV_EXCEPTIONS
  template <class Cache, class E = Errors, class = std::enable_if_t<std::is_same_v<E, Throw>>>
  explicit BasicStore(const Cache &cache, const StoreConfig &config = {}) : BasicStore(make(cache.get(), config)) {}
#endif

  Result<StoreInfo> info() const {
    StoreInfo out;
    return Errors::give(akv_store_read_info(handle(), &out), out);
  }
  Result<Region> region(std::uint32_t layer, std::uint32_t plane) const {
    Region out{};
    return Errors::give(akv_store_read_region(handle(), layer, plane, &out, sizeof out), out);
  }
  // [block][token][head][dim], or as the layout says.
  Result<View> view(std::uint32_t layer, std::uint32_t plane) const {
    View out;
    return Errors::give(akv_store_read_view(handle(), layer, plane, &out), out);
  }
  // [token][head][dim] of a sequence whose blocks are neighbours: else NotContiguous.
  Result<View> sequence_view(std::uint32_t layer, std::uint32_t plane, Span<const std::int32_t> blocks,
                             std::uint32_t num_tokens) const {
    View out;
    return Errors::give(akv_store_read_sequence_view(handle(), layer, plane, data32(blocks), count32(blocks), num_tokens,
                                                     &out), out);
  }
  Result<void> check_view(const akv_view &view) const { return Errors::done(akv_store_check_view(handle(), &view)); }
  Result<std::vector<CopyStats>> stats() const {
    return detail::read_list<Errors, CopyStats>([this](CopyStats *to, std::uint32_t capacity, std::uint32_t *count) {
      return akv_store_read_stats(handle(), to, sizeof *to, capacity, count);
    });
  }
  // Bytes that were moved as this, AKV_MOVED_*, from anywhere to anywhere.
  Result<std::uint64_t> moved(std::uint32_t kind) const {
    akv_copy_stats lines[64];
    std::uint32_t count = 0;
    const akv_status status = akv_store_read_stats(handle(), lines, sizeof lines[0], 64, &count);
    std::uint64_t bytes = 0;
    for (std::uint32_t i = 0; status == AKV_OK && i < count; ++i) bytes += lines[i].kind == kind ? lines[i].bytes : 0;
    return Errors::give(status, bytes);
  }
  // Touch all memory now. `progress(done, total)` answers whether to go on; it may be nullptr-like: warm_up().
  Result<void> warm_up() { return Errors::done(akv_store_warm_up(handle(), nullptr, nullptr)); }
  template <class Progress>
  Result<void> warm_up(Progress &&progress) {
    const auto call = [](void *context, std::uint64_t done, std::uint64_t total) -> std::int32_t {
      return (*static_cast<std::remove_reference_t<Progress> *>(context))(done, total) ? 0 : 1;
    };
    return Errors::done(akv_store_warm_up(handle(), call, &progress));
  }
  Result<std::uint64_t> span_bytes(std::uint32_t first_layer, std::uint32_t num_layers, std::uint32_t num_tokens,
                                   std::uint32_t dtype = 0) const {
    std::uint64_t bytes = 0;
    return Errors::give(akv_store_span_bytes(handle(), first_layer, num_layers, num_tokens, dtype, &bytes), bytes);
  }

  Result<void> copy_write_tokens(std::uint32_t layer, Span<const std::int64_t> slots, Span<const TokenData> planes,
                                 akv_stream *stream = nullptr) {
    return Errors::done(akv_copy_write_tokens(handle(), layer, data32(slots), count32(slots), data32(planes),
                                              count32(planes), sizeof(TokenData), stream));
  }
  Result<void> copy_read_tokens(std::uint32_t layer, Span<const std::int64_t> slots, Span<const TokenData> planes,
                                akv_stream *stream = nullptr) const {
    return Errors::done(akv_copy_read_tokens(handle(), layer, data32(slots), count32(slots), data32(planes),
                                             count32(planes), sizeof(TokenData), stream));
  }
  Result<void> copy_gather(Span<const TokenSpan> spans, akv_stream *stream = nullptr) const {
    return Errors::done(akv_copy_gather(handle(), data32(spans), count32(spans), sizeof(TokenSpan), stream));
  }
  Result<void> copy_scatter(Span<const TokenSpan> spans, akv_stream *stream = nullptr) {
    return Errors::done(akv_copy_scatter(handle(), data32(spans), count32(spans), sizeof(TokenSpan), stream));
  }
  Result<void> copy_zero(Span<const std::int32_t> blocks, akv_stream *stream = nullptr) {
    return Errors::done(akv_copy_zero(handle(), data32(blocks), count32(blocks), stream));
  }
  // Whole blocks of another store, or of this one, into blocks of this one.
  Result<void> copy_blocks(const BasicStore &from, Span<const std::int32_t> from_blocks, Span<const std::int32_t> blocks,
                           std::uint32_t flags = 0, akv_stream *stream = nullptr) {
    if (from_blocks.size() != blocks.size()) return uneven();
    return Errors::done(akv_copy_blocks(from.handle(), data32(from_blocks), handle(), data32(blocks), count32(blocks),
                                        flags, stream));
  }
  // The same where the two keep their K/V as something else. Scales as in copy.h; nullptr: all are 1.
  Result<void> copy_converted(const BasicStore &from, Span<const std::int32_t> from_blocks, Span<const std::int32_t> blocks,
                              const float *from_scales = nullptr, const float *scales = nullptr,
                              akv_stream *stream = nullptr) {
    if (from_blocks.size() != blocks.size()) return uneven();
    return Errors::done(akv_copy_converted(from.handle(), data32(from_blocks), from_scales, handle(), data32(blocks),
                                           scales, count32(blocks), stream));
  }

 private:
  akv_store *handle() const noexcept { return this->object_; }
  static Result<void> uneven() {
    return Errors::template fail<void>(Failure::plain(Status::InvalidArgument), "as many sources as targets are wanted");
  }
};

// Plan records that came from elsewhere, run where the bytes are: no cache is needed.
template <class Errors = DefaultErrors>
typename Errors::template Result<void> copy_records(Span<const PlanRecord> records, Span<akv_store *const> stores,
                                                    std::uint32_t flags = 0, akv_stream *stream = nullptr) {
  return Errors::done(
      akv_copy_records(data32(records), count32(records), data32(stores), count32(stores), flags, stream));
}

// Attention of new tokens over what stores hold; and two results over halves of the tokens made one.
template <class Errors = DefaultErrors>
typename Errors::template Result<void> attention_decode(const Attention &attention, akv_stream *stream = nullptr) {
  return Errors::done(akv_attention_decode(&attention, stream));
}
template <class Errors = DefaultErrors>
typename Errors::template Result<void> attention_merge(const void *a, const float *a_log_sums, const void *b,
                                                       const float *b_log_sums, void *out, float *out_log_sums,
                                                       std::uint64_t num_rows, std::uint32_t dim, std::uint32_t dtype,
                                                       akv_stream *stream = nullptr) {
  return Errors::done(
      akv_attention_merge(a, a_log_sums, b, b_log_sums, out, out_log_sums, num_rows, dim, dtype, stream));
}

// Set dtype, scaling and scale_bytes of planes to a format, AKV_FORMAT_*.
template <class Errors = DefaultErrors>
typename Errors::template Result<void> planes_choose(Span<Plane> planes, std::uint32_t format, std::uint32_t block_tokens) {
  return Errors::done(akv_planes_choose(data32(planes), count32(planes), sizeof(Plane), format, block_tokens));
}

}  // namespace arenakv

#endif  // ARENAKV_CPP_STORE_HPP
