// bench.hpp: what the benchmarks share: a clock, statistics, checked calls, and a cache in its steady state.
// It knows the public API only.
#pragma once

#include "arenakv.h"

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace bench {

inline double now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

inline std::uint64_t splitmix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

inline void check_(akv_status status, const char *call, int line) {
  if (status == AKV_OK) return;
  char text[300];
  akv_last_error(text, sizeof text);
  std::fprintf(stderr, "line %d: %s: %s: %s\n", line, call, akv_status_name(status), text);
  std::exit(1);
}
#define BENCH_CHECK(call) ::bench::check_(call, #call, __LINE__)

// The middle of several runs, and the best: a shared machine disturbs upwards only.
struct Summary {
  double best, median;
};
inline Summary summarize(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values.front(), values[values.size() / 2]};
}

inline double percentile(const std::vector<double> &sorted, double share) {
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

inline std::vector<std::int32_t> tokens(std::uint64_t seed, std::uint32_t count) {
  std::vector<std::int32_t> ids(count);
  for (std::uint32_t i = 0; i < count; ++i)
    ids[i] = static_cast<std::int32_t>(splitmix64(seed * 1000003 + i) & 0x1ffff);
  return ids;
}

inline akv_created create(akv_cache *cache, const std::vector<std::int32_t> &prompt_tokens, std::uint32_t flags) {
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = prompt_tokens.data();
  prompt.num_tokens = static_cast<std::uint32_t>(prompt_tokens.size());
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.flags = flags;
  akv_created created = AKV_CREATED_INIT;
  BENCH_CHECK(akv_sequence_create(cache, &prompt, &options, &created));
  return created;
}

// The steady state of a prefix cache: no block is free, all are cached prefixes of requests that left.
inline void fill_with_cached(akv_cache *cache) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  BENCH_CHECK(akv_cache_read_config(cache, &config));
  const std::uint32_t length = 64 * config.block_tokens;
  for (std::uint32_t i = 0; i < 2 * (config.num_blocks / 64 + 1); ++i)
    BENCH_CHECK(akv_sequence_free(cache, create(cache, tokens(900000 + i, length), AKV_SEQUENCE_COMMITTED).sequence));
}

}  // namespace bench
