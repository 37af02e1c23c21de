// arena_config.hpp: akv_page_pool_config read, checked, filled with defaults, and written back.
// It knows the struct and its limits; not what a pool does.
#pragma once

#include "arenakv/arena.h"
#include "order/arena_pool.hpp"

namespace akv {

inline constexpr std::uint32_t kPoolConfigV1 = 72;
static_assert(sizeof(akv_page_pool_config) == kPoolConfigV1);

// `from` may be NULL: all defaults.
Status read_pool_config(const akv_page_pool_config *from, akv_page_pool_config &raw, ArenaPoolConfig &config) noexcept;

akv_page_pool_config raw_pool_config(const ArenaPoolConfig &config, void *memory) noexcept;

}  // namespace akv
