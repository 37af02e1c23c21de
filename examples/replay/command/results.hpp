// results.hpp: what a replay has shown, as numbers. It knows neither how they came about nor how they are told.
#pragma once

#include "arenakv.h"
#include "replayer.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace replay {

struct Results {
  std::string workload;
  std::uint64_t pool_tokens = 0;  // asked for; the pool has whole blocks
  std::uint32_t max_live = 0;
  Totals totals;
  akv_cache_state state = AKV_CACHE_STATE_INIT;  // when the last request had left
  double seconds = 0;                            // on the clock, reading the trace not counted

  struct Verified {
    double block_lru_hit_ratio;
    std::uint64_t block_lru_evicted_blocks;
  };
  std::optional<Verified> verified;

  double hit_ratio() const { return ratio(totals.cached_tokens, totals.input_tokens); }
  double append_ns_per_token() const { return ratio(totals.append_ns, totals.output_tokens); }
  double metadata_bytes_per_block() const { return ratio(state.metadata_used_bytes, state.num_blocks); }
  std::uint64_t cpu_ns() const { return totals.admit_ns + totals.append_ns + totals.free_ns; }

  static double ratio(std::uint64_t part, std::uint64_t whole) {
    return whole != 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
  }
};

}  // namespace replay
