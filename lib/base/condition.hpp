// condition.hpp: threads that wait for something to become true under a Mutex, for ever or until a deadline.
// It knows no object of the library.
#pragma once

#include "base/mutex.hpp"

#include <pthread.h>
#include <time.h>

#include <cstdint>

namespace akv {

// On the clock that nobody sets. (2^64 nanoseconds are 585 years: no sum overflows.)
inline timespec deadline_in(std::uint64_t nanoseconds) noexcept {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  const std::uint64_t sum = static_cast<std::uint64_t>(at.tv_nsec) + nanoseconds % 1000000000;
  at.tv_sec += static_cast<time_t>(nanoseconds / 1000000000 + sum / 1000000000);
  at.tv_nsec = static_cast<long>(sum % 1000000000);
  return at;
}

class Condition {
 public:
  Condition() noexcept = default;
  Condition(const Condition &) = delete;
  Condition &operator=(const Condition &) = delete;
  ~Condition() { pthread_cond_destroy(&condition_); }

  // The mutex is held. May return early: ask again what is waited for.
  void wait(Mutex &mutex) noexcept { pthread_cond_wait(&condition_, mutex.native()); }
  // False: the deadline has passed.
  bool wait_until(Mutex &mutex, const timespec &deadline) noexcept {
    return pthread_cond_clockwait(&condition_, mutex.native(), CLOCK_MONOTONIC, &deadline) == 0;
  }
  void notify_one() noexcept { pthread_cond_signal(&condition_); }
  void notify_all() noexcept { pthread_cond_broadcast(&condition_); }

 private:
  pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
};

}  // namespace akv
