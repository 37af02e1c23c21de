// gauges.cpp: see gauges.hpp.
#include "verify/gauges.hpp"

namespace replay {

std::optional<std::string> find_wrong_gauge(const akv_cache_state &state, const Expected &expected) {
  struct Check {
    const char *what;
    std::uint64_t said;
    std::uint64_t least;
    std::uint64_t most;
  };
  const auto exactly = [](const char *what, std::uint64_t said, std::uint64_t seen) {
    return Check{what, said, seen, seen};
  };
  const Check checks[] = {
      exactly("free + dirty + reserved + live + pinned + cached + quarantined blocks, against num_blocks",
              std::uint64_t{state.free_blocks} + state.dirty_blocks + state.reserved_blocks + state.live_blocks +
                  state.pinned_blocks + state.cached_blocks + state.quarantined_blocks,
              state.num_blocks),
      // A block that was computed twice keeps its twin in the index alive, which may be in nobody's table.
      {"live_blocks", state.live_blocks, expected.held_blocks, expected.held_blocks + state.duplicate_blocks},
      {"duplicate_blocks", state.duplicate_blocks, 0, expected.held_blocks},
      exactly("reserved_blocks", state.reserved_blocks, 0),
      exactly("pinned_blocks", state.pinned_blocks, 0),
      exactly("quarantined_blocks", state.quarantined_blocks, 0),
      exactly("evictable_blocks, against cached_blocks", state.evictable_blocks, state.cached_blocks),
      exactly("sequences", state.sequences, expected.sequences),
      exactly("created_sequences - freed_sequences", state.created_sequences - state.freed_sequences,
              expected.sequences),
      exactly("sequence_tokens", state.sequence_tokens, expected.sequence_tokens),
      exactly("prompt_tokens", state.prompt_tokens, expected.prompt_tokens),
      exactly("hit_tokens", state.hit_tokens, expected.hit_tokens),
      exactly("partial_tokens", state.partial_tokens, expected.partial_tokens),
      exactly("open plans", state.plans, 0),
      exactly("cached_tokens, against cached_blocks x block_tokens", state.cached_tokens,
              std::uint64_t{state.cached_blocks} * state.block_tokens),
  };
  for (const Check &check : checks)
    if (check.said < check.least || check.said > check.most)
      return std::string(check.what) + ": the cache says " + std::to_string(check.said) + ", it must be " +
             std::to_string(check.least) + (check.least != check.most ? " to " + std::to_string(check.most) : "");
  return std::nullopt;
}

}  // namespace replay
