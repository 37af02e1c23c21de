// swap_ends.cpp: how plans that swap end: finished too early, abandoned, left alone by a freed sequence, under tickets.
#include "swap.hpp"

using namespace akv::test;

TEST_CASE("swap: D6 until its plan ends a sequence has its blocks, and can't change") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  const auto blocks = cache.blocks(sequence);
  const akv_plan plan = cache.plan_out(sequence);
  CHECK(cache.blocks(sequence) == blocks);
  CHECK(cache.append(sequence, {1}) == AKV_ERROR_PLAN_OPEN);
  akv_plan second = AKV_NONE;
  CHECK(akv_sequence_swap_out(cache, sequence, &second) == AKV_ERROR_PLAN_OPEN);
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  CHECK(akv_sequence_swap_in(cache, sequence, &in) == AKV_ERROR_PLAN_OPEN);
  CHECK(cache.state().live_blocks == 3);
  CHECK(cache.state().free_swap_blocks == 13);
  cache.finish(plan);
  OK(akv_sequence_swap_in(cache, sequence, &in));
  CHECK(akv_sequence_swap_in(cache, sequence, &in) == AKV_ERROR_PLAN_OPEN);
  CHECK(akv_sequence_swap_out(cache, sequence, &second) == AKV_ERROR_PLAN_OPEN);
  CHECK(cache.state().free_swap_blocks == 13);
  cache.finish(in.plan);
}

TEST_CASE("swap: D6 an abandoned swap-out leaves the sequence as it was") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  const auto before = cache.picture(sequence);
  cache.roll_back(cache.plan_out(sequence));
  CHECK(cache.picture(sequence) == before);
  CHECK(cache.state().free_swap_blocks == 16);
  OK(cache.append(sequence, {1, 2, 3, 4}));
}

TEST_CASE("swap: D6 an abandoned swap-in leaves the sequence swapped, its K/V safe") {
  const SwapCache cache;
  const akv_sequence sequence = cache.create({1, 2, 3, 4, 5}).sequence;
  OK(akv_sequence_append(cache, sequence, nullptr, 2, 0, nullptr));
  OK(akv_sequence_reserve(cache, sequence, 20, nullptr));
  cache.commit(sequence, 7);
  cache.swap_out(sequence);
  cache.fill();
  const auto gauges = cache.gauges();
  const akv_plan plan = cache.plan_in(sequence);
  CHECK(cache.info(sequence).committed == 0);  // nothing can be read yet
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_SWAPPING_IN);
  const Tokens late = {6, 7};
  OK(akv_sequence_set_tokens(cache, sequence, 5, late.data(), 2));
  cache.roll_back(plan);
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_SWAPPED);
  CHECK(cache.info(sequence).committed == 7);
  CHECK(cache.info(sequence).length == 7);
  CHECK(cache.gauges() == gauges);
  cache.swap_in(sequence);
  CHECK(cache.tokens(sequence) == count_up(1, 7));
  CHECK(cache.info(sequence).num_blocks == 5);
}

TEST_CASE("swap: D6 a plan that swaps is finished with ticket 0: blocks are given up when their copy is complete") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  const akv_plan plan = cache.plan_out(sequence);
  const akv_ticket ticket = cache.open_ticket();
  CHECK(akv_plan_finish(cache, plan, ticket) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_SWAPPING_OUT);
  cache.retire(ticket);
  OK(akv_plan_finish(cache, plan, ticket));  // retired: it counts as 0
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_SWAPPED);
}

TEST_CASE("swap: D6 late tokens on the way out: its blocks are published when the plan has ended, and not before") {
  const SwapCache cache;
  const akv_sequence sequence = cache.create({}).sequence;
  OK(akv_sequence_append(cache, sequence, nullptr, 4, 0, nullptr));
  cache.commit(sequence, 4);
  akv_plan plan = cache.plan_out(sequence);
  const Tokens late = {1, 2, 3, 4};
  OK(akv_sequence_set_tokens(cache, sequence, 0, late.data(), 4));
  CHECK(cache.info(sequence).published_tokens == 0);
  SECTION("freed: what the plan reads is not cached, to be evicted while it is read") {
    cache.free(sequence);
    CHECK(cache.state().quarantined_blocks == 1);
    CHECK(cache.state().evictable_blocks == 0);
    cache.finish(plan);
    CHECK(cache.free_blocks() == 32);
  }
  SECTION("freed, beside an equal published block: what the plan reads does not go back as a duplicate") {
    const akv_sequence twin = cache.committed(late);
    cache.free(sequence);
    CHECK(cache.state().quarantined_blocks == 1);
    CHECK(cache.state().duplicate_blocks == 0);
    cache.finish(plan);
    CHECK(cache.free_blocks() == 31);
    cache.free(twin);
  }
  SECTION("finished: it is cached") {
    cache.finish(plan);
    CHECK(cache.state().cached_blocks == 1);
    CHECK(cache.match({1, 2, 3, 4, 5}).cached_tokens == 4);
  }
  SECTION("abandoned: it can be found") {
    cache.roll_back(plan);
    CHECK(cache.info(sequence).published_tokens == 4);
  }
}

TEST_CASE("swap: K/V that are still being written: the records say what to wait for, and finishing is NOT_READY") {
  const SwapCache cache;
  const akv_sequence sequence = cache.create(count_up(0, 10)).sequence;
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(sequence, 10, ticket);
  const akv_plan plan = cache.plan_out(sequence);
  for (const akv_plan_record &record : cache.records(plan)) CHECK(record.wait == ticket);
  CHECK(akv_plan_finish(cache, plan, AKV_NONE) == AKV_ERROR_NOT_READY);
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_SWAPPING_OUT);
  cache.retire(ticket);
  cache.finish(plan);
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_SWAPPED);
}

TEST_CASE("swap: the writer's ticket is abandoned on the way out: CONTENT_LOST, the plan can only be abandoned") {
  const SwapCache cache;
  const akv_sequence sequence = cache.create(count_up(0, 10)).sequence;
  cache.commit(sequence, 4);
  const akv_ticket older = cache.open_ticket(), ticket = cache.open_ticket();
  cache.commit(sequence, 10, ticket);
  const akv_plan plan = cache.plan_out(sequence);
  CHECK(cache.give_up(ticket) == 1);
  CHECK(akv_plan_finish(cache, plan, AKV_NONE) == AKV_ERROR_CONTENT_LOST);  // whatever else is open: waiting is in vain
  cache.roll_back(plan);
  cache.retire(older);
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_ACTIVE);
  CHECK(cache.info(sequence).sound_tokens == 4);
  CHECK(cache.state().free_swap_blocks == 16);
  OK(akv_sequence_truncate(cache, sequence, 4, 0));
  cache.swap_out(sequence);
}

TEST_CASE("swap: a cached prefix found on the way in is lost with its ticket: abandoned, the swapped copy is sound") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  cache.swap_out(sequence);
  cache.fill();
  const akv_ticket ticket = cache.open_ticket();
  const akv_sequence writer = cache.create(count_up(0, 8)).sequence;
  cache.commit(writer, 8, ticket);
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  OK(akv_sequence_swap_in(cache, sequence, &in));
  CHECK(in.cached_tokens == 8);
  CHECK(in.wait == ticket);
  cache.give_up(ticket);
  CHECK(akv_plan_finish(cache, in.plan, AKV_NONE) == AKV_ERROR_CONTENT_LOST);
  cache.roll_back(in.plan);
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_SWAPPED);
  CHECK(cache.state().lost_sequences == 1);  // the writer
  cache.swap_in(sequence);
  CHECK(cache.tokens(sequence) == count_up(0, 10));
  CHECK(cache.info(sequence).sound_tokens == 10);
}

TEST_CASE("swap: D6 freed on the way out, the plan keeps both sides until it ends") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  const auto blocks = cache.blocks(sequence);
  const akv_plan plan = cache.plan_out(sequence);
  const auto records = cache.records(plan);
  cache.free(sequence);
  CHECK(cache.state().quarantined_blocks == 3);
  CHECK(cache.state().free_swap_blocks == 13);
  akv_created big = AKV_CREATED_INIT;
  CHECK(cache.try_create(count_up(1000, 120), 0, big) == AKV_ERROR_NO_BLOCKS);  // 30 blocks: the plan has 3
  SECTION("finished") { cache.finish(plan); }
  SECTION("abandoned") { cache.roll_back(plan); }
  CHECK(cache.state().free_swap_blocks == 16);
  CHECK(cache.state().quarantined_blocks == 0);
  OK(cache.try_create(count_up(1000, 120), 0, big));
}

TEST_CASE("swap: D6 freed on the way in, the plan keeps both sides until it ends") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  cache.swap_out(sequence);
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  OK(akv_sequence_swap_in(cache, sequence, &in));
  REQUIRE(in.cached_tokens == 8);
  cache.free(sequence);
  CHECK(cache.state().free_swap_blocks == 15);  // the one that is being read
  CHECK(cache.state().quarantined_blocks + cache.state().cached_blocks == 3);
  SECTION("finished") { cache.finish(in.plan); }
  SECTION("abandoned") { cache.roll_back(in.plan); }
  CHECK(cache.state().free_swap_blocks == 16);
  CHECK(cache.state().quarantined_blocks == 0);
}

TEST_CASE("swap: an owner dropped in flight leaves nothing behind, on the way out or in") {
  const SwapCache cache;
  akv_created created = AKV_CREATED_INIT;
  OK(cache.try_create(count_up(0, 10), AKV_SEQUENCE_COMMITTED, created, 0, 0, 7));
  SECTION("out") { cache.plan_out(created.sequence); }
  SECTION("in") {
    cache.swap_out(created.sequence);
    cache.fill();
    cache.plan_in(created.sequence);
  }
  OK(akv_cache_drop_owner(cache, 7, AKV_DROP_IN_FLIGHT, nullptr));
  CHECK(cache.state().plans == 0);
  CHECK(cache.state().free_swap_blocks == 16);
  CHECK(cache.state().sequences == 0);
}

TEST_CASE("swap: swap blocks given back under an open ticket wait for it, as all blocks do") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  const akv_plan plan = cache.plan_out(sequence);
  const akv_ticket ticket = cache.open_ticket();  // covers a copy that was queued
  cache.roll_back(plan);
  CHECK(cache.state().quarantined_swap_blocks == 3);
  CHECK(cache.state().free_swap_blocks == 13);
  std::vector<std::int32_t> blocks(16);
  CHECK(akv_swap_acquire(cache, 14, blocks.data()) == AKV_ERROR_NO_SWAP_BLOCKS);
  cache.retire(ticket);
  CHECK(cache.state().free_swap_blocks == 16);
}

TEST_CASE("swap: a lease outlives the sequence's way out, and a computed twin does not confuse it") {
  const SwapCache cache;
  const akv_sequence first = cache.create(count_up(0, 10)).sequence;
  const akv_sequence second = cache.create(count_up(0, 10)).sequence;
  cache.commit(first, 10);
  cache.commit(second, 10);
  CHECK(cache.state().duplicate_blocks == 2);
  const akv_lease lease = cache.lease(second, 10);
  const auto leased = cache.lease_blocks(lease);
  akv_plan plan = cache.plan_out(second);
  const auto records = cache.records(plan);
  for (std::uint32_t i = 0; i < 3; ++i) CHECK(records[i].source_block == leased[i]);
  cache.finish(plan);
  CHECK(cache.state().duplicate_blocks == 0);
  CHECK(cache.lease_blocks(lease) == leased);
  cache.release(lease);
  cache.swap_in(second);
  CHECK(cache.tokens(second) == count_up(0, 10));
}

TEST_CASE("swap: every plan is in use: NO_PLANS, and nothing has changed") {
  const SwapCache cache([](akv_cache_config &config) { config.max_plans = 1; });
  const akv_sequence first = cache.committed(count_up(0, 10)), second = cache.committed(count_up(100, 10));
  const akv_plan plan = cache.plan_out(first);
  akv_plan other = AKV_NONE;
  CHECK(akv_sequence_swap_out(cache, second, &other) == AKV_ERROR_NO_PLANS);
  CHECK(cache.state().free_swap_blocks == 13);
  cache.finish(plan);
  const akv_plan busy = cache.plan_out(second);
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  CHECK(akv_sequence_swap_in(cache, first, &in) == AKV_ERROR_NO_PLANS);
  CHECK(cache.info(first).state == AKV_SEQUENCE_SWAPPED);
  cache.finish(busy);
}
