// mutex.hpp: the lock of a cache: tries for a few microseconds before it sleeps, because it is held for less.
// It knows no object of the library.
#pragma once

#include "base/thread_index.hpp"

#include <pthread.h>

namespace akv {

class Mutex {
 public:
  Mutex() noexcept = default;
  Mutex(const Mutex &) = delete;
  Mutex &operator=(const Mutex &) = delete;
  // No destructor: a cache's lock outlives the cache, so that a late call can still take it and find it gone.

  void lock() noexcept {
    for (int tries = 0; tries < kTries; ++tries) {
      if (pthread_mutex_trylock(&mutex_) == 0) return;
      for (int i = 0; i < kPauses; ++i) pause();
    }
    pthread_mutex_lock(&mutex_);
  }
  void unlock() noexcept { pthread_mutex_unlock(&mutex_); }
  pthread_mutex_t *native() noexcept { return &mutex_; }  // for condition.hpp

 private:
  // Going to sleep and being woken costs more than the longest of the short sections that this lock guards.
  static constexpr int kTries = 100;
  static constexpr int kPauses = 8;
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};

}  // namespace akv
