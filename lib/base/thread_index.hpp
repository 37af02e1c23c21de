// thread_index.hpp: a small number for each thread, for things that are kept per thread.
// It knows no object of the library.
#pragma once

#include <cstdint>

namespace akv {

constexpr std::uint32_t kNoThreadIndex = ~0u;
extern thread_local constinit std::uint32_t index_of_this_thread;  // thread_index() gives it one
std::uint32_t give_thread_index() noexcept;

// 0 for the first thread that asks, 1 for the second, and so on; never given twice, so take it modulo something.
inline std::uint32_t thread_index() noexcept {
  const std::uint32_t mine = index_of_this_thread;
  return mine != kNoThreadIndex ? mine : give_thread_index();
}

// A short word to the processor while waiting for another thread's next instruction.
inline void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace akv
