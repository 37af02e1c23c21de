// counters.hpp: what a cache has done since it was created.
// It knows numbers only. Written under the cache's lock.
#pragma once

#include <cstdint>

namespace akv {

struct Counters {
  std::uint64_t created_sequences = 0;
  std::uint64_t freed_sequences = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t hit_tokens = 0;
  std::uint64_t partial_tokens = 0;
  std::uint64_t published_blocks = 0;
  std::uint64_t copy_on_writes = 0;
  std::uint64_t refused_no_blocks = 0;
  std::uint64_t swapped_out = 0;
  std::uint64_t swapped_in = 0;
  std::uint32_t peak_live_blocks = 0;
};

}  // namespace akv
