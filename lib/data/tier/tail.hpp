// tail.hpp: which of a sequence's tokens are in full precision, and where in its ring: rows over a quantized store and
// a store of rings. It knows stores by their shapes; it moves no byte (overflow.cpp does), and knows no cache.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "arenakv/two_tier.h"
#include "base/handle.hpp"
#include "data/store.hpp"

namespace akv {

// The numbers of akv_tail_config, for blocks of so many tokens.
struct TailShape {
  std::uint32_t dtype = 0, block_tokens = 0, tail_tokens = 0, slack_tokens = 0, max_rows = 0, ring_blocks = 0;

  [[nodiscard]] Status read(const akv_tail_config &config, std::uint32_t block_tokens) noexcept;
  // What the store of the rings is made for.
  [[nodiscard]] Status store_shape(const Store &quantized, StoreShape &out) const noexcept;
};

// A sequence whose tokens before `stored` are in the quantized store.
struct TailRow {
  std::uint32_t index = 0;
  std::uint32_t stored = 0;
};

class Tail {
 public:
  static constexpr ObjectType kType = ObjectType::tail;
  static constexpr const char *kName = "tail";

  static Status create(Stores::Ref quantized, Stores::Ref rings, const TailShape &shape, const float *head_scales,
                       std::unique_ptr<Tail> &out) noexcept;
  Tail() noexcept = default;
  ~Tail();
  Tail(const Tail &) = delete;
  Tail &operator=(const Tail &) = delete;

  const TailShape &shape() const noexcept { return shape_; }
  Store &quantized() const noexcept { return *quantized_; }
  Store &rings() const noexcept { return *rings_; }
  const float *head_scales() const noexcept { return head_scales_.get(); }
  std::uint32_t open_rows() noexcept;

  Status open(std::uint32_t stored, akv_tail_row &out) noexcept;
  Status close(akv_tail_row row) noexcept;
  Status find(akv_tail_row row, TailRow &out) const noexcept;
  // Tokens before this one are stored, from now on. Where the row has been closed meanwhile, nothing happens.
  void note_stored(akv_tail_row row, std::uint32_t stored) noexcept;
  // A row of one call, once: false the second time. `mark`: a next_mark() of the store of rings.
  bool mark(const TailRow &row, std::uint64_t mark) noexcept { return rings_->mark(block_of(row.index, 0), mark); }

  Status read_slots(const akv_tail_row *rows, const std::uint32_t *positions, std::uint32_t count,
                    std::int64_t *out) const noexcept;
  Status read_tables(const akv_tail_row *rows, std::uint32_t count, std::int32_t *out, std::uint32_t stride,
                     std::uint32_t *out_stored) const noexcept;

  // The first position that the ring has no room for.
  std::uint64_t end_of(const TailRow &row) const noexcept {
    return row.stored + std::uint64_t{shape_.ring_blocks} * shape_.block_tokens;
  }
  // In the store of rings, of the sequence's block with this number.
  std::int32_t block_of(std::uint32_t row, std::uint32_t block) const noexcept {
    return static_cast<std::int32_t>(1 + row * shape_.ring_blocks + block % shape_.ring_blocks);
  }

 private:
  struct Row {
    std::atomic<std::uint64_t> state{0};  // generation (odd: open) x 2^32 + tokens stored
  };
  Status check_position(const TailRow &row, std::uint64_t position) const noexcept;
  akv_tail_row handle_of(std::uint32_t index, std::uint32_t generation) const noexcept {
    return ObjectHandle::encode(generation, Kind::tail_row, place_, index);
  }

  Stores::Ref quantized_, rings_;
  TailShape shape_;
  std::uint32_t place_ = 0;  // in its rows' handles
  std::unique_ptr<Row[]> rows_;
  std::unique_ptr<float[]> head_scales_;
  std::mutex mutex_;  // of the two below
  std::unique_ptr<std::uint32_t[]> free_rows_;
  std::uint32_t num_free_ = 0;
};

using Tails = ObjectTable<Tail, akv_tail>;

}  // namespace akv
