// thread_index.cpp: counting threads.
// It knows no object of the library.
#include "base/thread_index.hpp"

#include <atomic>

namespace akv {
namespace {

constinit std::atomic<std::uint32_t> next{0};

}  // namespace

thread_local constinit std::uint32_t index_of_this_thread = kNoThreadIndex;

std::uint32_t give_thread_index() noexcept {
  return index_of_this_thread = next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace akv
