// config.hpp: the configuration of a cache with every default filled in and every limit checked.
// Numbers only: it knows no cache.
#pragma once

#include "arenakv/sequence.h"
#include "base/error.hpp"
#include "model/geometry.hpp"

#include <algorithm>

namespace akv {

struct Config {
  std::uint32_t flags = 0;
  std::uint32_t num_blocks = 0;
  std::uint32_t num_swap_blocks = 0;
  std::uint32_t block_tokens = 0;
  std::uint32_t max_sequences = 0;
  std::uint32_t max_tokens_per_sequence = 0;
  std::uint32_t max_open_tickets = 0;
  std::uint32_t max_plans = 0;
  std::uint32_t max_holds = 0;
  std::uint32_t max_pinned_blocks = 0;
  std::uint32_t magazine_blocks = 0;
  std::uint32_t block_allocator = 0;
  std::uint32_t scrub = 0;
  std::uint32_t max_blocks_per_sequence = 0;  // entries of a table row
  Geometry geometry;

  // A sequence on its way to or from swap blocks has both in its row: together at most AKV_MAX_BLOCKS.
  std::uint32_t longest_row() const noexcept {
    return max_blocks_per_sequence + std::min(max_blocks_per_sequence, num_swap_blocks);
  }
  [[nodiscard]] Status read(const akv_cache_config &from) noexcept;
  std::uint64_t bytes_per_block() const noexcept { return geometry.bytes_per_token() * block_tokens; }
  [[nodiscard]] Status sizes(akv_sizes &out, std::uint64_t metadata_bytes) const noexcept;

 private:
  Status check_limits() const noexcept;
};

// Fill in the default of a sequence's max_tokens, and check it against the cache's.
[[nodiscard]] inline Status bound_max_tokens(akv_sequence_options &options, const Config &config) noexcept {
  if (options.max_tokens == 0) options.max_tokens = config.max_tokens_per_sequence;
  if (options.max_tokens <= config.max_tokens_per_sequence) return AKV_OK;
  return fail(AKV_ERROR_INVALID_ARGUMENT, "max_tokens is %llu, the cache's max_tokens_per_sequence is %llu",
              options.max_tokens, config.max_tokens_per_sequence);
}

}  // namespace akv
