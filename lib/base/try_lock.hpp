// try_lock.hpp: a lock for twenty instructions of one thread that others look into rarely.
// It knows no object of the library.
#pragma once

#include "base/thread_index.hpp"

#include <sched.h>

#include <atomic>
#include <cstdint>

namespace akv {

class TryLock {
 public:
  bool try_lock() noexcept { return busy_.exchange(1, std::memory_order_acquire) == 0; }
  // Wait for whoever is inside: a moment, unless it lost its core.
  void lock() noexcept {
    for (std::uint32_t tries = 0; !try_lock(); ++tries) {
      pause();
      if (tries > 100) sched_yield();
    }
  }
  void unlock() noexcept { busy_.store(0, std::memory_order_release); }

 private:
  std::atomic<std::uint32_t> busy_{0};
};

}  // namespace akv
