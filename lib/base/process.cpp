// process.cpp: fork(), randomness, and which copy of the library this is.
// It knows no object of the library.
#include "base/process.hpp"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

namespace akv {

constinit std::atomic<std::uint32_t> forks{1};

namespace {

constinit std::atomic<bool> watching{false};

void count_fork() { forks.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

bool watch_forks() noexcept {
  if (watching.load(std::memory_order_acquire)) return true;
  if (pthread_atfork(nullptr, nullptr, count_fork) != 0) return false;  // for want of memory
  watching.store(true, std::memory_order_release);                      // two at once count a fork twice, which is fine
  return true;
}

std::uint32_t library_copy() noexcept {
  static const std::uint32_t copy = static_cast<std::uint32_t>(random_number() & 0xffff);
  return copy;
}

std::uint64_t random_number() noexcept {
  std::uint64_t number = 0;
  if (getrandom(&number, sizeof number, GRND_NONBLOCK) == sizeof number) return number;
  timespec now{};  // early boot, or a sandbox without the call: still different from run to run
  clock_gettime(CLOCK_MONOTONIC, &now);
  number = static_cast<std::uint64_t>(now.tv_nsec) * 0x9e3779b97f4a7c15u ^ reinterpret_cast<std::uintptr_t>(&number);
  return number ^ number >> 29;
}

}  // namespace akv
