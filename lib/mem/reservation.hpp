// reservation.hpp: the memory of a cache's metadata: a few large arrays, all asked for when the cache is created.
// It knows sizes and alignments, not what is stored.
//
// Without an allocator an array is an anonymous mapping: address space at first, memory as it is touched. Nothing is
// allocated later, so a growing cache can't fail half-way, and its timing does not depend on a heap.
#pragma once

#include "arenakv/host.h"
#include "base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace akv {

// Of one mapping: half the addresses of a process on x86-64.
inline constexpr std::uint64_t kMostMappedBytes = std::uint64_t{1} << 46;

// An array inside a reservation. Its elements start as zero bytes and are plain data.
template <class T>
struct Array {
  static_assert(std::is_trivially_destructible_v<T>);
  T *data = nullptr;
  std::size_t count = 0;

  T &operator[](std::size_t index) noexcept { return data[index]; }
  const T &operator[](std::size_t index) const noexcept { return data[index]; }
  T *begin() noexcept { return data; }
  T *end() noexcept { return data + count; }
};

class Reservation {
 public:
  Reservation() = default;
  Reservation(const Reservation &) = delete;
  Reservation &operator=(const Reservation &) = delete;
  ~Reservation() { release(); }

  // One pass plans, so that the whole size is known before anything is asked for; then commit(); then the arrays
  // are handed out in the same order.
  template <class T>
  void plan(std::size_t count) noexcept {
    plan_bytes(count, sizeof(T), alignof(T));
  }
  template <class T>
  [[nodiscard]] Array<T> take(std::size_t count) noexcept {
    return {static_cast<T *>(take_bytes(count * sizeof(T), alignof(T))), count};
  }

  [[nodiscard]] Status commit(const akv_allocator *allocator, bool prefault) noexcept;
  void release() noexcept;
  void abandon() noexcept;  // leave an allocator's memory alone: it belongs to the parent of this process

  std::uint64_t bytes() const noexcept;  // whole pages
  bool overflowed() const noexcept { return overflowed_; }

 private:
  void plan_bytes(std::size_t count, std::size_t size, std::size_t alignment) noexcept;
  void *take_bytes(std::size_t bytes, std::size_t alignment) noexcept;

  std::uint64_t planned_ = 0;
  std::uint64_t taken_ = 0;
  bool overflowed_ = false;
  void *memory_ = nullptr;
  akv_allocator allocator_ = AKV_ALLOCATOR_INIT;
};

}  // namespace akv
