// two_tier.hpp: the last tokens of each sequence in full precision, all before them quantized (arenakv/two_tier.h).
#ifndef ARENAKV_CPP_TWO_TIER_HPP
#define ARENAKV_CPP_TWO_TIER_HPP

#include "arenakv/cpp/store.hpp"

namespace arenakv {

// A row of a tail: it is closed when it goes, and what is in its ring is given up.
template <class Errors>
class [[nodiscard]] BasicTailRow : public detail::Part<Errors, akv_tail, akv_tail_close> {
  using Base = detail::Part<Errors, akv_tail, akv_tail_close>;

 public:
  using Base::Base;
  typename Errors::template Result<void> close() { return this->end(); }
};

template <class Errors>
class BasicTail : public detail::Owner<Errors, akv_tail, akv_tail_destroy> {
  using Base = detail::Owner<Errors, akv_tail, akv_tail_destroy>;

 public:
  template <class T>
  using Result = typename Errors::template Result<T>;
  using Row = BasicTailRow<Errors>;
  using Store = BasicStore<Errors>;

  using Base::Base;
  // The store of the rings; then the tail over both. They must live longer than it.
  static Result<Store> make_store(const Store &quantized, const TailConfig &config = {}) {
    akv_store *handle = nullptr;
    const akv_status status = akv_tail_create_store(quantized.get(), &config, nullptr, &handle);
    Store store(handle);
    return Errors::give(status, store);
  }
  static Result<BasicTail> make(const Store &quantized, const Store &tail_store, const TailConfig &config = {}) {
    akv_tail *handle = nullptr;
    const akv_status status = akv_tail_create(quantized.get(), tail_store.get(), &config, &handle);
    BasicTail tail(handle);
    return Errors::give(status, tail);
  }

  Result<TailInfo> info() const {
    TailInfo out;
    return Errors::give(akv_tail_read_info(handle(), &out), out);
  }
  Result<Row> open(std::uint32_t stored_tokens = 0) {
    akv_tail_row id = AKV_NONE;
    const akv_status status = akv_tail_open(handle(), stored_tokens, &id);
    Row row(handle(), id);
    return Errors::give(status, row);
  }
  Result<void> read_slots(Span<const akv_tail_row> rows, Span<const std::uint32_t> positions,
                          Span<std::int64_t> out_slots) const {
    if (rows.size() != positions.size() || rows.size() != out_slots.size()) return uneven();
    return Errors::done(
        akv_tail_read_slots(handle(), data32(rows), positions.data(), count32(rows), out_slots.data()));
  }
  // [row][stride], and what is stored of each.
  Result<void> read_tables(Span<const akv_tail_row> rows, Span<std::int32_t> out_table, std::uint32_t stride,
                           Span<std::uint32_t> out_stored) const {
    if (rows.size() != out_stored.size() || (stride != 0 && out_table.size() / stride < rows.size())) return uneven();
    return Errors::done(
        akv_tail_read_tables(handle(), data32(rows), count32(rows), out_table.data(), stride, out_stored.data()));
  }
  // Whole blocks older than the tail go to the quantized store. `out_stored` may be empty.
  Result<void> copy_overflow(Span<const Overflow> rows, Span<std::uint32_t> out_stored = {}, akv_stream *stream = nullptr) {
    if (!out_stored.empty() && out_stored.size() != rows.size()) return uneven();
    return Errors::done(akv_copy_overflow(handle(), data32(rows), count32(rows), sizeof(Overflow),
                                          out_stored.empty() ? nullptr : out_stored.data(), stream));
  }
  // All K/V of a sequence out of both tiers, as numbers of `dtype`.
  Result<void> copy_read_tiers(const Overflow &row, std::uint32_t dtype, void *data, std::uint64_t bytes,
                               akv_stream *stream = nullptr) const {
    return Errors::done(akv_copy_read_tiers(handle(), &row, sizeof row, dtype, data, bytes, stream));
  }

 private:
  akv_tail *handle() const noexcept { return this->object_; }
  static Result<void> uneven() {
    return Errors::template fail<void>(Failure::plain(Status::InvalidArgument), "an array is shorter than there are rows");
  }
};

}  // namespace arenakv

#endif  // ARENAKV_CPP_TWO_TIER_HPP
