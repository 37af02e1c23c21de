// gauges.cpp: tests of the sums that --verify looks at: a state that adds up passes, and every number that is off by
// one is named. There is no cache.
#include "verify/gauges.hpp"

#include "catch.hpp"

namespace {

akv_cache_state right_state() {
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  state.block_tokens = 16;
  state.num_blocks = 100;
  state.free_blocks = 40;
  state.dirty_blocks = 10;
  state.live_blocks = 20;
  state.cached_blocks = 30;
  state.evictable_blocks = 30;
  state.sequences = 2;
  state.created_sequences = 9;
  state.freed_sequences = 7;
  state.sequence_tokens = 310;
  state.cached_tokens = 480;
  state.prompt_tokens = 1000;
  state.hit_tokens = 160;
  state.partial_tokens = 5;
  return state;
}

constexpr replay::Expected kSeen{20, 2, 310, 1000, 160, 5};

}  // namespace

TEST_CASE("gauges: a state that adds up and agrees with what was seen passes") {
  CHECK(replay::find_wrong_gauge(right_state(), kSeen) == std::nullopt);
}

TEST_CASE("gauges: a gauge that does not sum is named, with both numbers") {
  akv_cache_state state = right_state();
  state.free_blocks += 1;
  const auto wrong = replay::find_wrong_gauge(state, kSeen);
  REQUIRE(wrong);
  CHECK_THAT(*wrong, Catch::Matchers::Contains("num_blocks") && Catch::Matchers::Contains("says 101, it must be 100"));
}

TEST_CASE("gauges: every gauge that is off by one is found, also where the sum is right") {
  const auto off = [](auto &&change) {
    akv_cache_state state = right_state();
    change(state);
    return replay::find_wrong_gauge(state, kSeen).value_or("nothing");
  };
  using Catch::Matchers::StartsWith;
  CHECK_THAT(off([](auto &s) { s.live_blocks += 1, s.free_blocks -= 1; }), StartsWith("live_blocks"));
  CHECK_THAT(off([](auto &s) { s.live_blocks -= 1, s.free_blocks += 1; }), StartsWith("live_blocks"));
  CHECK_THAT(off([](auto &s) { s.duplicate_blocks = 21; }), StartsWith("duplicate_blocks"));
  CHECK_THAT(off([](auto &s) { s.reserved_blocks += 1, s.free_blocks -= 1; }), StartsWith("reserved_blocks"));
  CHECK_THAT(off([](auto &s) { s.pinned_blocks += 1, s.free_blocks -= 1; }), StartsWith("pinned_blocks"));
  CHECK_THAT(off([](auto &s) { s.quarantined_blocks += 1, s.free_blocks -= 1; }), StartsWith("quarantined_blocks"));
  CHECK_THAT(off([](auto &s) { s.evictable_blocks -= 1; }), StartsWith("evictable_blocks"));
  CHECK_THAT(off([](auto &s) { s.sequences += 1; }), StartsWith("sequences"));
  CHECK_THAT(off([](auto &s) { s.freed_sequences -= 1; }), StartsWith("created_sequences"));
  CHECK_THAT(off([](auto &s) { s.sequence_tokens -= 1; }), StartsWith("sequence_tokens"));
  CHECK_THAT(off([](auto &s) { s.prompt_tokens += 1; }), StartsWith("prompt_tokens"));
  CHECK_THAT(off([](auto &s) { s.hit_tokens += 1; }), StartsWith("hit_tokens"));
  CHECK_THAT(off([](auto &s) { s.partial_tokens += 1; }), StartsWith("partial_tokens"));
  CHECK_THAT(off([](auto &s) { s.plans += 1; }), StartsWith("open plans"));
  CHECK_THAT(off([](auto &s) { s.cached_tokens -= 1; }), StartsWith("cached_tokens"));
}

TEST_CASE("gauges: a block that was computed twice may keep its twin in the index live, and no more than that") {
  akv_cache_state state = right_state();
  state.duplicate_blocks = 1;
  CHECK(replay::find_wrong_gauge(state, kSeen) == std::nullopt);
  state.live_blocks += 1, state.free_blocks -= 1;
  CHECK(replay::find_wrong_gauge(state, kSeen) == std::nullopt);
  state.live_blocks += 1, state.free_blocks -= 1;
  CHECK_THAT(replay::find_wrong_gauge(state, kSeen).value_or("nothing"),
             Catch::Matchers::Contains("live_blocks: the cache says 22, it must be 20 to 21"));
}
