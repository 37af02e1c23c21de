// shared_value.hpp: numbers that one thread writes and others read: a plain load and store on x86-64 and arm64.
// It knows no object of the library.
//
//   Relaxed<T>   for reports: atomic, never ordered
//   Released<T>  takes along what was written before it: who reads the new value sees that too
#pragma once

#include <atomic>

namespace akv {

template <class T, std::memory_order load_order, std::memory_order store_order>
class SharedValue {
 public:
  constexpr SharedValue() noexcept : value_{} {}
  constexpr SharedValue(T value) noexcept : value_{value} {}
  SharedValue(const SharedValue &other) noexcept : value_{T(other)} {}
  SharedValue &operator=(const SharedValue &other) noexcept { return *this = T(other); }
  operator T() const noexcept { return value_.load(load_order); }
  SharedValue &operator=(T value) noexcept {
    value_.store(value, store_order);
    return *this;
  }
  // Not read-modify-write: only one thread at a time may write.
  SharedValue &operator+=(T value) noexcept { return *this = static_cast<T>(T(*this) + value); }
  SharedValue &operator-=(T value) noexcept { return *this = static_cast<T>(T(*this) - value); }

 private:
  std::atomic<T> value_;
};

template <class T>
using Relaxed = SharedValue<T, std::memory_order_relaxed, std::memory_order_relaxed>;
template <class T>
using Released = SharedValue<T, std::memory_order_acquire, std::memory_order_release>;

}  // namespace akv
