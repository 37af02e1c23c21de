// rows.hpp: memory for block tables: rows of ids that grow with their sequence, in a handful of sizes.
// It knows rows and sizes; not whose they are. The cache's lock is held.
//
// Most sequences are far shorter than the longest one allowed. So a row that is full moves to one about twice as long:
// what is touched follows the blocks in use, not max_sequences x max_tokens. There are max_sequences rows of each size,
// in address space; so a row is always there, and nothing can fail.
#pragma once

#include "arenakv/base.h"
#include "mem/reservation.hpp"

#include <cstring>

namespace akv {

class Rows {
 public:
  struct Row {
    std::int32_t *ids = nullptr;
    std::uint32_t capacity = 0;
  };

  static void plan(Reservation &memory, std::uint32_t longest, std::uint32_t num_rows) noexcept {
    for (std::uint32_t size = 0; size < num_sizes(longest); ++size) {
      std::size_t ids = 0;
      const bool overflow = __builtin_mul_overflow(std::size_t{capacity_of(size)}, std::size_t{num_rows}, &ids);
      memory.plan<std::int32_t>(overflow ? SIZE_MAX : ids);
    }
  }
  void take_memory(Reservation &memory, std::uint32_t longest, std::uint32_t num_rows) noexcept {
    num_sizes_ = num_sizes(longest);
    for (std::uint32_t size = 0; size < num_sizes_; ++size)
      sizes_[size].ids = memory.take<std::int32_t>(std::size_t{capacity_of(size)} * num_rows);
  }

  // A row of at least `count` ids.
  Row take(std::uint32_t count) noexcept {
    const std::uint32_t which = size_for(count), capacity = capacity_of(which);
    Size &size = sizes_[which];
    std::uint32_t index = size.touched;
    if (size.free != 0) {
      index = static_cast<std::uint32_t>(size.free) - 1;
      size.free = size.ids[std::size_t{index} * capacity];
    } else {
      ++size.touched;
    }
    return {&size.ids[std::size_t{index} * capacity], capacity};
  }

  // Make `row` long enough for `count` ids; the first `used` of them stay.
  void widen(Row &row, std::uint32_t used, std::uint32_t count) noexcept {
    if (count <= row.capacity) return;
    Row wider = take(count);
    std::memcpy(wider.ids, row.ids, used * sizeof(std::int32_t));
    give_back(row);
    row = wider;
  }

  void give_back(const Row &row) noexcept {
    Size &size = sizes_[size_for(row.capacity)];
    row.ids[0] = size.free;
    size.free = static_cast<std::int32_t>((row.ids - size.ids.data) / row.capacity + 1);
  }

  std::uint64_t used_bytes() const noexcept {
    std::uint64_t bytes = 0;
    for (std::uint32_t size = 0; size < num_sizes_; ++size)
      bytes += std::uint64_t{sizes_[size].touched} * capacity_of(size) * sizeof(std::int32_t);
    return bytes;
  }

 private:
  static constexpr std::uint32_t kMostSizes = 28;  // the last holds more than AKV_MAX_BLOCKS

  struct Size {
    Array<std::int32_t> ids;
    std::uint32_t touched = 0;  // rows that were ever taken
    std::int32_t free = 0;      // the last one given back, plus 1; it holds the one before it
  };

  // 16, 48, 80, 144, 272 ... ids: an odd number of cache lines each, so that the same entry of many rows does not fall
  // into the same few places of the processor's cache.
  static constexpr std::uint32_t capacity_of(std::uint32_t size) noexcept { return ((1u << size) | 1u) * 16; }
  static constexpr std::uint32_t size_for(std::uint32_t count) noexcept {
    std::uint32_t size = 0;
    while (capacity_of(size) < count) ++size;
    return size;
  }
  static constexpr std::uint32_t num_sizes(std::uint32_t longest) noexcept { return size_for(longest) + 1; }

  Size sizes_[kMostSizes];
  std::uint32_t num_sizes_ = 0;
  static_assert(std::uint64_t{(1u << (kMostSizes - 1)) | 1u} * 16 > AKV_MAX_BLOCKS);
};

}  // namespace akv
