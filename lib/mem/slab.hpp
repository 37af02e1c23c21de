// slab.hpp: a fixed number of equal records, taken and given back by index in O(1). Index 0 means "none".
// It knows nothing about the records and takes no lock.
#pragma once

#include "mem/reservation.hpp"

#include <cstdint>

namespace akv {

template <class T>
class Slab {
 public:
  static void plan(Reservation &memory, std::size_t capacity) noexcept {
    memory.plan<T>(capacity + 1);
    memory.plan<std::uint32_t>(capacity);
  }
  void take_memory(Reservation &memory, std::size_t capacity) noexcept {
    records_ = memory.take<T>(capacity + 1);
    free_ = memory.take<std::uint32_t>(capacity);
  }

  // A record as its last user left it, or 0 when all are taken. The last one given back comes first: it is warm.
  [[nodiscard]] std::uint32_t take() noexcept {
    if (num_free_ != 0) return free_[--num_free_];
    if (touched_ == free_.count) return 0;
    return ++touched_;
  }
  void give_back(std::uint32_t index) noexcept { free_[num_free_++] = index; }

  T &operator[](std::uint32_t index) noexcept { return records_[index]; }
  const T &operator[](std::uint32_t index) const noexcept { return records_[index]; }

  std::uint32_t taken() const noexcept { return touched_ - num_free_; }
  std::uint32_t touched() const noexcept { return touched_; }  // indices above were never taken
  std::uint32_t capacity() const noexcept { return static_cast<std::uint32_t>(free_.count); }
  std::uint64_t used_bytes() const noexcept { return std::uint64_t{touched_} * (sizeof(T) + sizeof(std::uint32_t)); }

 private:
  Array<T> records_;
  Array<std::uint32_t> free_;
  std::uint32_t num_free_ = 0;
  std::uint32_t touched_ = 0;
};

}  // namespace akv
