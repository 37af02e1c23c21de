// thread_index.hpp: a small number for each thread, for things that are kept per thread.
// It knows no object of the library.
#pragma once

#include <cstdint>

namespace akv {

// 0 for the first thread that asks, 1 for the second, and so on; never given twice, so take it modulo something.
std::uint32_t thread_index() noexcept;

// A short word to the processor while waiting for another thread's next instruction.
inline void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace akv
