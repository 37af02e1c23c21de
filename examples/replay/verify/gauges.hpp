// gauges.hpp: does what a cache says about itself add up, and agree with what was seen from outside?
// It knows numbers only: a state that was read, and the ones that it must show.
#pragma once

#include "arenakv.h"

#include <cstdint>
#include <optional>
#include <string>

namespace replay {

struct Expected {
  std::uint64_t held_blocks = 0;  // in tables of live sequences, each counted once
  std::uint64_t sequences = 0;
  std::uint64_t sequence_tokens = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t hit_tokens = 0;
  std::uint64_t partial_tokens = 0;
};

// What is wrong, with both numbers; nothing if all is well. No reserve, pin, ticket or lease is expected.
std::optional<std::string> find_wrong_gauge(const akv_cache_state &state, const Expected &expected);

}  // namespace replay
