// relaxed.hpp: a number that one thread writes and others may read for a report: atomic, never ordered.
// On x86-64 and arm64 it compiles to a plain load and a plain store.
#pragma once

#include <atomic>

namespace akv {

template <class T>
class Relaxed {
 public:
  constexpr Relaxed() noexcept : value_{} {}
  constexpr Relaxed(T value) noexcept : value_{value} {}
  Relaxed(const Relaxed &other) noexcept : value_{T(other)} {}
  Relaxed &operator=(const Relaxed &other) noexcept { return *this = T(other); }
  operator T() const noexcept { return value_.load(std::memory_order_relaxed); }
  Relaxed &operator=(T value) noexcept {
    value_.store(value, std::memory_order_relaxed);
    return *this;
  }
  // Not read-modify-write: only the owning thread may write.
  Relaxed &operator+=(T value) noexcept { return *this = static_cast<T>(T(*this) + value); }
  Relaxed &operator-=(T value) noexcept { return *this = static_cast<T>(T(*this) - value); }

 private:
  std::atomic<T> value_;
};

}  // namespace akv
