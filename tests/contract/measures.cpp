// measures.cpp: the promises of state.h on fragmentation, advice and waste.
// It knows the public API only; gauges, counters and lines are in state.cpp.
#include "fixture.hpp"

#include <cmath>

using namespace akv::test;

namespace {

bool near(float value, double wanted) { return std::abs(static_cast<double>(value) - wanted) < 1e-6; }

// A cache whose free blocks lie in gaps of these sizes, each between blocks that are live.
struct Gaps {
  explicit Gaps(const std::vector<std::uint32_t> &sizes) {
    std::vector<akv_sequence> gaps;
    int first = 0;
    const auto take = [&](std::uint32_t blocks) { return cache.create(count_up(first += 1000, blocks * 4)).sequence; };
    take(1);
    for (const std::uint32_t size : sizes) {
      gaps.push_back(take(size));
      take(1);
    }
    take(cache.free_blocks());
    for (const akv_sequence gap : gaps) cache.free(gap);
  }
  akv_measures measure() const {
    akv_measures m = AKV_MEASURES_INIT;
    OK(akv_cache_measure(cache, &m));
    return m;
  }
  Cache cache{[](akv_cache_config &c) { c.max_sequences = 64; }};
};

// What the block map says: the longest stretch of neighbours that are free or dirty.
std::uint32_t longest_gap(const Cache &cache) {
  std::vector<std::uint8_t> map(33);
  OK(akv_cache_read_block_map(cache, map.data(), 33));
  std::uint32_t longest = 0, now = 0;
  for (const std::uint8_t code : map) {
    now = code == AKV_BLOCK_FREE || code == AKV_BLOCK_DIRTY ? now + 1 : 0;
    longest = now > longest ? now : longest;
  }
  return longest;
}

}  // namespace

TEST_CASE("measure: B18 fragmentation is 1 - largest free run / free blocks, and the advice follows at 0.2 and 0.5") {
  struct Case {
    std::vector<std::uint32_t> gaps;
    std::uint32_t largest;
    double fragmentation;
    std::uint32_t advice;
  };
  const Case cases[] = {
      {{10}, 10, 0.0, AKV_ADVICE_NONE},       {{9, 1}, 9, 0.1, AKV_ADVICE_NONE},
      {{8, 2}, 8, 0.2, AKV_ADVICE_WATCH},  // from 0.2 on
      {{7, 3}, 7, 0.3, AKV_ADVICE_WATCH},     {{4, 1}, 4, 0.2, AKV_ADVICE_WATCH},
      {{5, 4, 1}, 5, 0.5, AKV_ADVICE_ACT},  // from 0.5 on
      {{5, 4}, 5, 4 / 9.0, AKV_ADVICE_WATCH}, {{2, 2, 2, 2}, 2, 0.75, AKV_ADVICE_ACT},
      {{}, 0, 0.0, AKV_ADVICE_NONE},  // nothing is free
  };
  for (const Case &c : cases) {
    INFO("fragmentation " << c.fragmentation << " in " << c.gaps.size() << " gaps");
    const Gaps gaps(c.gaps);
    const akv_measures m = gaps.measure();
    CHECK(m.largest_free_run == c.largest);
    CHECK(longest_gap(gaps.cache) == c.largest);
    CHECK(near(m.fragmentation, c.fragmentation));
    CHECK(m.advice == c.advice);
    CHECK(m.unused == 0);
  }
}

TEST_CASE("measure: waste is the share of live and reserved room without a token, and shared tokens count once") {
  Cache cache;
  akv_measures m = AKV_MEASURES_INIT;
  OK(akv_cache_measure(cache, &m));
  CHECK((m.waste == 0.0f && m.live_tokens == 0 && m.largest_free_run == 32));
  const akv_sequence parent = cache.committed(count_up(0, 6));
  OK(akv_cache_measure(cache, &m));
  CHECK((m.live_tokens == 6 && near(m.waste, 2 / 8.0)));
  akv_sequence child = 0;
  OK(akv_sequence_fork(cache, parent, AKV_UNSET, nullptr, &child));
  OK(akv_cache_measure(cache, &m));
  CHECK((m.live_tokens == 6 && near(m.waste, 2 / 8.0)));
  CHECK(cache.state().sequence_tokens == 12);
  akv_plan plan = AKV_NONE;
  OK(cache.append(child, {60, 61, 62}, &plan));
  cache.finish(plan);
  OK(akv_cache_measure(cache, &m));  // blocks: one shared, parent's tail of 2, child's 4 and 1
  CHECK((m.live_tokens == 11 && near(m.waste, 1 - 11 / 16.0)));
  OK(akv_sequence_reserve(cache, child, 16, nullptr));
  OK(akv_cache_measure(cache, &m));
  CHECK((m.live_tokens == 11 && near(m.waste, 1 - 11 / 20.0)));
  cache.cache_prefix(count_up(500, 12));  // cached blocks are not taken room
  OK(akv_cache_measure(cache, &m));
  CHECK((m.live_tokens == 11 && near(m.waste, 1 - 11 / 20.0)));
}

TEST_CASE("measure: tokens beside a published twin are counted where they are kept") {
  Cache cache;
  const akv_sequence a = cache.create(count_up(0, 9)).sequence, b = cache.create(count_up(0, 9)).sequence;
  OK(akv_sequence_commit(cache, a, 9, AKV_NONE));
  OK(akv_sequence_commit(cache, b, 9, AKV_NONE));
  akv_measures m = AKV_MEASURES_INIT;
  OK(akv_cache_measure(cache, &m));
  CHECK((m.live_tokens == 18 && near(m.waste, 6 / 24.0)));
}

TEST_CASE("measure: B11 B18 with the buddy allocator the same life leaves longer extents than with the stack") {
  std::uint32_t largest[2] = {};
  for (const std::uint32_t kind : {AKV_BLOCK_ALLOCATOR_STACK, AKV_BLOCK_ALLOCATOR_BUDDY}) {
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_blocks = 64;
    config.block_tokens = 4;
    config.block_allocator = kind;
    Cache cache;
    OK(akv_cache_destroy(cache));
    OK(akv_cache_create(&config, &cache.handle));
    std::vector<akv_sequence> all;
    for (int i = 0; i < 16; ++i) all.push_back(cache.create(count_up(i * 100, 16)).sequence);
    for (std::size_t i = 0; i < 16; ++i) cache.free(all[i * 5 % 16]);
    cache.create(count_up(5000, 16 * 4));
    akv_measures m = AKV_MEASURES_INIT;
    OK(akv_cache_measure(cache, &m));
    largest[kind] = m.largest_free_run;
  }
  CHECK(largest[AKV_BLOCK_ALLOCATOR_BUDDY] == 48);
  CHECK(largest[AKV_BLOCK_ALLOCATOR_STACK] < 48);
}
