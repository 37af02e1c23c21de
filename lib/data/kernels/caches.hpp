// caches.hpp: whether a work is more than the processor's caches hold, so that its kernels had better go past them.
// It knows the last-level cache's size.
#pragma once

#include <cstdint>

namespace akv {

// 1: `bytes` read and as many written are more than the last-level cache holds. For the arguments of kernels.
std::uint32_t past_caches(std::uint64_t bytes) noexcept;

}  // namespace akv
