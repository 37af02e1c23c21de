// prefix.cpp: the promises of prefix.h.
// It knows the public API only.
#include "fixture.hpp"

using namespace akv::test;

TEST_CASE("prefix: a hit is whole blocks, keeps the last token back, and tells what lies inside the next block") {
  Cache cache;
  cache.cache_prefix(count_up(0, 16));
  CHECK(cache.match(count_up(0, 16)).cached_tokens == 12);
  CHECK(cache.match(count_up(0, 16)).partial_tokens == 3);
  CHECK(cache.match(count_up(0, 17)).cached_tokens == 16);
  CHECK(cache.match(count_up(0, 10)).cached_blocks == 2);
  CHECK(cache.match(count_up(0, 10)).partial_tokens == 1);
  CHECK(cache.match(count_up(0, 1)).cached_tokens == 0);
  CHECK(cache.match({}).cached_tokens == 0);
  Tokens other = count_up(0, 16);
  other[6] = 99;
  CHECK(cache.match(other).cached_tokens == 4);
  CHECK(cache.match(other).partial_tokens == 2);
}

TEST_CASE("prefix: match acquires nothing and does not change what is evicted first") {
  Cache cache;
  cache.cache_prefix(count_up(0, 16 * 4));
  cache.cache_prefix(count_up(1000, 16 * 4));
  for (int i = 0; i < 10; ++i) cache.match(count_up(0, 16 * 4));
  cache.create(count_up(5000, 4));  // evicts from the one that was used first
  CHECK(cache.match(count_up(0, 16 * 4 + 1)).cached_tokens == 15 * 4);
  CHECK(cache.match(count_up(1000, 16 * 4 + 1)).cached_tokens == 16 * 4);
}

TEST_CASE("prefix: least recently used first, from the tail, and what is held never") {
  Cache cache;
  const akv_sequence held = cache.committed(count_up(0, 40));
  cache.cache_prefix(count_up(1000, 40));
  cache.cache_prefix(count_up(2000, 40));
  const akv_created again = cache.create(count_up(1000, 21));  // its first half is used again
  CHECK((again.cached_tokens == 20 && again.new_blocks == 1));
  cache.free(again.sequence);
  cache.create(count_up(9000, 7 * 4));
  CHECK(cache.match(count_up(1000, 41)).cached_tokens == 20);  // the half that was not used again went first
  CHECK(cache.match(count_up(2000, 41)).cached_tokens == 40);
  cache.create(count_up(9500, 4 * 4));
  CHECK(cache.match(count_up(2000, 41)).cached_tokens == 24);  // then the older one, from its tail
  CHECK(cache.match(count_up(1000, 41)).cached_tokens == 20);
  CHECK(cache.match(count_up(0, 41)).cached_tokens == 40);
  CHECK(cache.state().evicted_blocks == 9);
  cache.free(held);
}

TEST_CASE("prefix: equal tokens in two domains share nothing") {
  Cache cache;
  cache.cache_prefix(count_up(0, 8), 1);
  CHECK(cache.match(count_up(0, 9), 1).cached_tokens == 8);
  CHECK(cache.match(count_up(0, 9), 2).cached_tokens == 0);
  CHECK(cache.match(count_up(0, 9), 1ull << 40).cached_tokens == 0);
}

TEST_CASE("prefix: a partial hit is a plan, and its source stays until the plan has ended") {
  Cache cache;
  cache.cache_prefix(count_up(0, 32 * 4));
  Tokens similar = count_up(0, 12);
  similar[7] = 500;
  const akv_created got = cache.create(similar, AKV_SEQUENCE_PARTIAL);
  CHECK((got.cached_tokens == 4 && got.partial_tokens == 3));
  const auto records = cache.records(got.plan);
  REQUIRE(records.size() == 1);
  CHECK((records[0].kind == AKV_PLAN_PARTIAL && records[0].num_tokens == 3));
  CHECK(records[0].target_block == cache.blocks(got.sequence)[1]);
  CHECK(cache.info(got.sequence).committed == 4);
  akv_created rest = AKV_CREATED_INIT;
  CHECK(cache.try_create(count_up(5000, 29 * 4), 0, rest) == AKV_ERROR_NO_BLOCKS);  // 28 and the source
  OK(cache.try_create(count_up(5000, 28 * 4), 0, rest));
  CHECK(akv_sequence_append(cache, got.sequence, nullptr, 1, 0, nullptr) == AKV_ERROR_PLAN_OPEN);
  cache.finish(got.plan);
  CHECK(cache.info(got.sequence).committed == 7);
  CHECK(akv_plan_finish(cache, got.plan, AKV_NONE) == AKV_ERROR_BAD_HANDLE);
}

TEST_CASE("prefix: pins hold what they pin, count each block once, and keep to their budget") {
  Cache cache([](akv_cache_config &c) { c.max_pinned_blocks = 5; });
  cache.cache_prefix(count_up(0, 16));
  cache.cache_prefix(count_up(1000, 24 * 4));
  const Tokens four = count_up(0, 16), two = count_up(0, 8), other = count_up(1000, 8);
  const akv_prompt p4 = cache.prompt(four), p2 = cache.prompt(two), po = cache.prompt(other);
  akv_pin a = 0, b = 0, c = 0;
  std::uint32_t tokens = 0;
  OK(akv_prefix_pin(cache, &p4, 0, &a, &tokens));
  CHECK(tokens == 16);
  OK(akv_prefix_pin(cache, &p2, 0, &b, &tokens));
  CHECK(tokens == 8);
  CHECK(akv_prefix_pin(cache, &po, 0, &c, nullptr) == AKV_ERROR_PIN_BUDGET);
  CHECK(last_error() == "6 blocks would be pinned, max_pinned_blocks is 5");
  CHECK(cache.state().pinned_blocks == 4);
  const Tokens nothing = count_up(7000, 8);
  const akv_prompt pn = cache.prompt(nothing);
  CHECK(akv_prefix_pin(cache, &pn, 0, &c, nullptr) == AKV_ERROR_NOT_FOUND);
  const akv_sequence all = cache.create(count_up(8000, 28 * 4)).sequence;
  CHECK(cache.match(count_up(0, 17)).cached_tokens == 16);
  OK(akv_prefix_unpin(cache, a));
  CHECK(cache.state().pinned_blocks == 2);
  OK(akv_prefix_unpin(cache, b));
  CHECK(akv_prefix_unpin(cache, b) == AKV_ERROR_BAD_HANDLE);
  CHECK(cache.state().cached_blocks == 4);
  cache.free(all);
}

TEST_CASE("prefix: explain tells why a prompt hits no further") {
  Cache cache;
  CHECK(cache.why(count_up(0, 8)) == AKV_MISS_NEVER_STORED);
  const akv_sequence s = cache.create(count_up(0, 8)).sequence;
  CHECK(cache.why(count_up(0, 12)) == AKV_MISS_NOT_COMMITTED);
  const akv_ticket ticket = cache.open_ticket();
  OK(akv_sequence_commit(cache, s, 8, ticket));
  CHECK(cache.why(count_up(0, 9)) == AKV_MISS_IN_FLIGHT);
  CHECK(cache.match(count_up(0, 9)).wait == ticket);
  OK(akv_ticket_retire(cache, ticket));
  CHECK(cache.why(count_up(0, 9)) == AKV_MISS_NONE);
  CHECK(cache.match(count_up(0, 9)).wait == AKV_NONE);
  CHECK(cache.why(count_up(0, 8)) == AKV_MISS_LAST_TOKEN);
  CHECK(cache.why(count_up(0, 8), 3) == AKV_MISS_OTHER_DOMAIN);
  CHECK(cache.why(count_up(0, 13)) == AKV_MISS_NEVER_STORED);
  CHECK(cache.why({}) == AKV_MISS_NONE);
}

TEST_CASE("prefix: clear forgets a domain for good, live sequences go on and publish nothing more") {
  Cache cache;
  cache.cache_prefix(count_up(0, 8), 1);
  cache.cache_prefix(count_up(0, 8), 2);
  const akv_sequence live = cache.committed(count_up(50, 9), 1);
  const akv_sequence waiting = cache.create(count_up(70, 8), 0, 1).sequence;
  const std::uint64_t domain = 1;
  std::uint32_t blocks = 0;
  OK(akv_prefix_clear(cache, &domain, 0, &blocks));
  CHECK(blocks == 4);
  CHECK(cache.match(count_up(0, 9), 1).cached_tokens == 0);
  CHECK(cache.match(count_up(0, 9), 2).cached_tokens == 8);
  akv_plan plan = AKV_NONE;  // with a second domain, new blocks may have to be zeroed
  OK(akv_sequence_append(cache, live, count_up(59, 8).data(), 8, AKV_APPEND_COMMITTED, &plan));
  CHECK(plan == AKV_NONE);
  OK(akv_sequence_commit(cache, waiting, 8, AKV_NONE));  // K/V of the old weights
  CHECK(cache.match(count_up(50, 17), 1).cached_tokens == 0);
  CHECK(cache.match(count_up(70, 9), 1).cached_tokens == 0);
  cache.free(live);
  cache.free(waiting);
  CHECK(cache.state().cached_blocks == 2);
  OK(akv_prefix_clear(cache, nullptr, 0, nullptr));
  CHECK(cache.free_blocks() == 32);
}

TEST_CASE("prefix: clear can leave what is pinned") {
  Cache cache;
  cache.cache_prefix(count_up(0, 16));
  const Tokens two = count_up(0, 8);
  const akv_prompt prompt = cache.prompt(two);
  akv_pin pin = 0;
  OK(akv_prefix_pin(cache, &prompt, 0, &pin, nullptr));
  std::uint32_t blocks = 0;
  OK(akv_prefix_clear(cache, nullptr, AKV_CLEAR_KEEP_PINNED, &blocks));
  CHECK(blocks == 2);
  CHECK(cache.match(count_up(0, 17)).cached_tokens == 8);
  OK(akv_prefix_clear(cache, nullptr, 0, &blocks));
  CHECK(blocks == 2);
  CHECK(cache.match(count_up(0, 17)).cached_tokens == 0);
  CHECK(cache.state().pinned_blocks == 2);
  OK(akv_prefix_unpin(cache, pin));
  CHECK(cache.free_blocks() == 32);
}
