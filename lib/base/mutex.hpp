// mutex.hpp: the lock of a cache: spins for a moment before it sleeps, because it is held for a moment.
// It knows no object of the library.
#pragma once

#include <pthread.h>

namespace akv {

class Mutex {
 public:
  Mutex() noexcept {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
#ifdef __GLIBC__
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
#endif
    pthread_mutex_init(&mutex_, &attributes);
    pthread_mutexattr_destroy(&attributes);
  }
  Mutex(const Mutex &) = delete;
  Mutex &operator=(const Mutex &) = delete;
  // No destructor: a cache's lock outlives the cache, so that a late call can still take it and find it gone.

  void lock() noexcept { pthread_mutex_lock(&mutex_); }
  void unlock() noexcept { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_;
};

}  // namespace akv
