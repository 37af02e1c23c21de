// results.hpp: what a replay has shown, as numbers. It knows neither how they came about nor how they are told.
#pragma once

#include "arenakv.h"
#include "bytes/key_values.hpp"
#include "bytes/price.hpp"
#include "replayer.hpp"

#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

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

  struct Store {
    std::string model;  // empty: none
    Geometry geometry;
    Price price;
    std::uint64_t bytes;  // of the reservations
    std::uint32_t workers;
    std::uint64_t swap_every;  // 0: none was swapped
    std::uint32_t num_swap_blocks;
    KeyValues::Totals totals;
    Tally planned;             // what was moved is the same, or there are no results
    std::vector<Moved> moved;  // by kind

    std::uint64_t moved_bytes() const {
      return std::accumulate(moved.begin(), moved.end(), std::uint64_t{0},
                             [](std::uint64_t sum, const Moved &line) { return sum + line.bytes; });
    }
    bool bytes_match_plan() const { return moved_bytes() == planned.planned_bytes(); }
  };
  std::optional<Store> store;

  double hit_ratio() const { return ratio(totals.cached_tokens, totals.input_tokens); }
  double append_ns_per_token() const { return ratio(totals.append_ns, totals.output_tokens); }
  double metadata_bytes_per_block() const { return ratio(state.metadata_used_bytes, state.num_blocks); }
  std::uint64_t cpu_ns() const { return totals.admit_ns + totals.append_ns + totals.free_ns; }

  static double ratio(std::uint64_t part, std::uint64_t whole) {
    return whole != 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
  }
};

}  // namespace replay
