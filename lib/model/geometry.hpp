// geometry.hpp: what a block is in bytes: checked sums over planes and layers.
// Numbers only: it knows no memory and no cache.
#pragma once

#include "arenakv/cache.h"
#include "arenakv/geometry.h"
#include "base/error.hpp"

namespace akv {

constexpr std::uint32_t kMaxPlanes = 64;

// Bits of one element; 0 for a dtype that does not exist.
std::uint32_t dtype_bits(std::uint32_t dtype) noexcept;

// Bytes of one token in one plane of one layer, scales included; the plane is sound. Below 2^36.
std::uint64_t plane_bytes(const akv_plane &plane) noexcept;

// Tokens of a block that share a pair in AKV_SCALING_CHANNEL.
std::uint32_t channel_tokens(std::uint32_t block_tokens) noexcept;

// Bytes of scales for each token of a plane, as its scaling wants them, or why it can't be; NONE: what it has.
[[nodiscard]] Status scale_bytes_of(const akv_plane &plane, std::uint32_t index, std::uint32_t block_tokens,
                                    std::uint32_t &out) noexcept;

[[nodiscard]] Status choose_format(akv_plane &plane, std::uint32_t index, std::uint32_t format,
                                   std::uint32_t block_tokens) noexcept;

// One layer group with its planes, copied out of the caller's arrays.
struct Geometry {
  akv_layer_group group{};
  akv_plane planes[kMaxPlanes]{};

  // `groups` as in akv_cache_config; none means the default of row D1.
  [[nodiscard]] Status read(const akv_layer_group *groups, std::uint32_t num_groups, std::uint32_t group_size) noexcept;

  // Have planes the scales that their scaling wants, as far as that can be told without the blocks' size?
  [[nodiscard]] Status check_scales() const noexcept;
  // Scales of blocks of so many tokens: bytes that were left open are filled in, others must be right.
  [[nodiscard]] Status fit_scales(std::uint32_t block_tokens) noexcept;

  // Tokens that share scales in some plane, and so can't be copied apart; 1: none do.
  std::uint32_t tokens_together(std::uint32_t block_tokens) const noexcept;

  std::uint64_t bytes_per_token() const noexcept;

  // What `bytes` of K/V would be if every query head had a KV head of its own; 0 where query heads were not told.
  std::uint64_t query_head_bytes(std::uint64_t bytes) const noexcept;
};

std::uint64_t blocks_for(std::uint64_t num_tokens, std::uint32_t block_tokens) noexcept;

}  // namespace akv
