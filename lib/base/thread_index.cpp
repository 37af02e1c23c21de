// thread_index.cpp: counting threads.
// It knows no object of the library.
#include "base/thread_index.hpp"

#include <atomic>

namespace akv {
namespace {

constexpr std::uint32_t kNone = ~0u;

constinit std::atomic<std::uint32_t> next{0};
thread_local constinit std::uint32_t mine = kNone;

}  // namespace

std::uint32_t thread_index() noexcept {
  if (mine == kNone) mine = next.fetch_add(1, std::memory_order_relaxed);
  return mine;
}

}  // namespace akv
