// process.hpp: facts about this process that handles and locks need: was it forked, which copy of the library is this.
// It knows no object of the library.
#pragma once

#include <atomic>
#include <cstdint>

namespace akv {

// Grows by one in each child of fork(). A cache remembers it, so that the child's calls can be told FORKED.
extern std::atomic<std::uint32_t> forks;
inline std::uint32_t fork_epoch() noexcept { return forks.load(std::memory_order_relaxed); }

// Start counting forks, before the first cache is made. False: the host has no memory for it; try again later.
[[nodiscard]] bool watch_forks() noexcept;

// A number of this copy of the library in this process, so that a handle of another copy is BAD_HANDLE here.
std::uint32_t library_copy() noexcept;

// From the kernel, for keys of tables that callers could otherwise fill with collisions.
std::uint64_t random_number() noexcept;

}  // namespace akv
