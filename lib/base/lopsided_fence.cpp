// lopsided_fence.cpp: membarrier(2), where there is one.
// It knows the kernel's call; not what is written or read.
#include "base/lopsided_fence.hpp"

#if defined(__linux__)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

// ThreadSanitizer does not see what the kernel does to other threads: under it both sides pay.
#if defined(__SANITIZE_THREAD__)
#define AKV_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define AKV_UNDER_TSAN 1
#endif
#endif

namespace akv {

constinit std::atomic<bool> rare_side_fences{false};

#if defined(__linux__) && defined(__NR_membarrier) && !defined(AKV_UNDER_TSAN)

// A child of fork() registers for itself.
void prepare_lopsided_fence() noexcept {
  if (syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0)
    rare_side_fences.store(true, std::memory_order_release);
}

bool fence_on_rare_side() noexcept {
  return !rare_side_fences.load(std::memory_order_acquire) ||
         syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

#else

void prepare_lopsided_fence() noexcept {}
bool fence_on_rare_side() noexcept { return true; }

#endif

}  // namespace akv
