// short_lock.hpp: the cache's mutex as growing sequences take it: for a moment, and marked as the one place where a
// decode step may wait.
// It knows no object of the library.
#pragma once

#include "base/annotations.hpp"
#include "base/mutex.hpp"

#include <mutex>

namespace akv {

class ShortLock {
 public:
  explicit ShortLock(Mutex &mutex) noexcept : mutex_(mutex) {
    AKV_BLOCKING_SCOPE;
    mutex_.lock();
  }
  ~ShortLock() {
    AKV_BLOCKING_SCOPE;
    mutex_.unlock();
  }
  ShortLock(const ShortLock &) = delete;
  ShortLock &operator=(const ShortLock &) = delete;

 private:
  Mutex &mutex_;
};

}  // namespace akv
