// swap.cpp: the promises of swap.h about sequences that leave for swap blocks and come back.
// Plans that end badly, and everything else that happens while one is open, are in swap_ends.cpp.
#include "swap.hpp"

using namespace akv::test;

TEST_CASE("swap: D3 out and in again, the sequence has its tokens, its length and its reserved room") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  OK(akv_sequence_reserve(cache, sequence, 20, nullptr));
  const auto before = cache.picture(sequence);
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_ACTIVE);
  cache.swap_out(sequence);
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_SWAPPED);
  CHECK(cache.info(sequence).swap_blocks == 3);
  CHECK(cache.info(sequence).num_blocks == 0);
  CHECK(cache.info(sequence).length == 10);
  CHECK(cache.info(sequence).committed == 10);
  CHECK(cache.tokens(sequence) == count_up(0, 10));
  cache.swap_in(sequence);
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_ACTIVE);
  CHECK(cache.info(sequence).num_blocks == 5);
  CHECK(cache.tokens(sequence) == before.tokens);
  CHECK(cache.info(sequence).remaining == 990);
  CHECK(cache.info(sequence).committed == 10);
  CHECK(cache.state().free_swap_blocks == 16);
}

TEST_CASE("swap: D4 D6 the gauges follow: blocks go with the sequence, and come back with it") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  CHECK(cache.state().live_blocks == 3);
  cache.swap_out(sequence);
  akv_cache_state state = cache.state();
  CHECK(state.live_blocks == 0);
  CHECK(state.reserved_blocks == 0);
  CHECK(state.cached_blocks == 2);  // what was published stays findable until it is evicted
  CHECK(state.free_blocks + state.dirty_blocks == 30);
  CHECK(state.free_swap_blocks == 13);
  CHECK(state.swapped_sequences == 1);
  CHECK(state.swapped_tokens == 10);
  CHECK(state.sequences == 1);
  CHECK(state.swapped_out == 1);
  cache.swap_in(sequence);
  state = cache.state();
  CHECK(state.live_blocks == 3);
  CHECK(state.swapped_sequences == 0);
  CHECK(state.free_swap_blocks == 16);
  CHECK(state.swapped_in == 1);
}

TEST_CASE("swap: the plan out names every block once, in order, and the tokens that are in it") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  const auto blocks = cache.blocks(sequence);
  akv_plan plan = AKV_NONE;
  OK(akv_sequence_swap_out(cache, sequence, &plan));
  CHECK(cache.plan_info(plan).copied_tokens == 10);
  const auto records = cache.records(plan);
  REQUIRE(records.size() == 3);
  for (std::uint32_t i = 0; i < 3; ++i) {
    CHECK(records[i].kind == AKV_PLAN_SWAP_OUT);
    CHECK(records[i].source_store == 0);
    CHECK(records[i].target_store == 1);
    CHECK(records[i].source_block == blocks[i]);
    CHECK(records[i].target_block >= 1);
    CHECK(records[i].target_block <= 16);
    CHECK(records[i].first_token == 0);
    CHECK(records[i].num_tokens == (i < 2 ? 4u : 2u));
    CHECK(records[i].sequence == sequence);
  }
  CHECK(records[0].target_block != records[1].target_block);
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_SWAPPING_OUT);
  cache.finish(plan);
}

TEST_CASE("swap: what is still cached on the way in is shared, only the rest is copied") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  const auto before = cache.blocks(sequence);
  cache.swap_out(sequence);
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  OK(akv_sequence_swap_in(cache, sequence, &in));
  CHECK(in.cached_tokens == 8);
  CHECK(in.copied_tokens == 2);
  CHECK(in.new_blocks == 1);
  const auto records = cache.records(in.plan);
  REQUIRE(records.size() == 1);
  CHECK(records[0].kind == AKV_PLAN_SWAP_IN);
  CHECK(records[0].source_store == 1);
  CHECK(records[0].target_store == 0);
  CHECK(records[0].num_tokens == 2);
  cache.finish(in.plan);
  const auto after = cache.blocks(sequence);
  CHECK(after[0] == before[0]);
  CHECK(after[1] == before[1]);
  CHECK(after[2] == records[0].target_block);
}

TEST_CASE("swap: nothing is copied where all of it is cached: active at once, without a plan") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 8));
  cache.swap_out(sequence);
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  OK(akv_sequence_swap_in(cache, sequence, &in));
  CHECK(in.plan == AKV_NONE);
  CHECK(in.cached_tokens == 8);
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_ACTIVE);
  CHECK(cache.info(sequence).committed == 8);
  OK(cache.append(sequence, {1, 2, 3}));
  CHECK(cache.state().free_swap_blocks == 16);
}

TEST_CASE("swap: what was evicted meanwhile is copied back, into other blocks") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  cache.swap_out(sequence);
  cache.fill();  // evicts all that is cached
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  OK(akv_sequence_swap_in(cache, sequence, &in));
  CHECK(in.cached_tokens == 0);
  CHECK(in.copied_tokens == 10);
  CHECK(cache.records(in.plan).size() == 3);
  cache.finish(in.plan);
  CHECK(cache.tokens(sequence) == count_up(0, 10));
  CHECK(cache.match(count_up(0, 11)).cached_tokens == 8);  // and can be found again
}

TEST_CASE("swap: D6 what a swapped sequence can't do says SWAPPED, and changes nothing") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  cache.swap_out(sequence);
  const auto gauges = cache.gauges();
  akv_plan plan = AKV_NONE;
  akv_sequence child = AKV_NONE;
  akv_lease lease = AKV_NONE;
  std::uint32_t count = 77;
  std::int32_t block = 77;
  akv_batch batch = AKV_BATCH_INIT;
  batch.sequences = &sequence;
  batch.num_sequences = 1;
  const akv_tables tables = AKV_TABLES_INIT;
  const std::uint32_t length = 4;
  CHECK(akv_sequence_swap_out(cache, sequence, &plan) == AKV_ERROR_SWAPPED);
  CHECK(last_error().find("10 tokens") != std::string::npos);
  CHECK(cache.append(sequence, {1}) == AKV_ERROR_SWAPPED);
  CHECK(cache.append(sequence, {1, 2, 3}, &plan) == AKV_ERROR_SWAPPED);
  CHECK(akv_sequence_append_batch(cache, &batch, nullptr, &plan) == AKV_ERROR_SWAPPED);
  CHECK(akv_sequence_read_tables(cache, &batch, &tables) == AKV_ERROR_SWAPPED);
  CHECK(akv_sequence_reserve(cache, sequence, 30, &plan) == AKV_ERROR_SWAPPED);
  CHECK(akv_sequence_truncate(cache, sequence, 4, 0) == AKV_ERROR_SWAPPED);
  CHECK(akv_sequence_truncate_batch(cache, &sequence, &length, 1, 0) == AKV_ERROR_SWAPPED);
  CHECK(akv_sequence_set_length(cache, sequence, 4) == AKV_ERROR_SWAPPED);
  CHECK(akv_sequence_set_length(cache, sequence, 12) == AKV_ERROR_SWAPPED);
  CHECK(akv_sequence_commit(cache, sequence, 10, AKV_NONE) == AKV_ERROR_SWAPPED);
  CHECK(akv_sequence_fork(cache, sequence, AKV_UNSET, nullptr, &child) == AKV_ERROR_SWAPPED);
  CHECK(akv_lease_acquire(cache, sequence, 4, 0, &lease, nullptr) == AKV_ERROR_SWAPPED);
  CHECK(akv_sequence_read_blocks(cache, sequence, 0, &block, 1, &count) == AKV_ERROR_SWAPPED);
  CHECK(count == 77);
  akv_room room = AKV_ROOM_INIT;
  OK(akv_sequence_can_extend(cache, sequence, 1, &room));
  CHECK(room.status == AKV_ERROR_SWAPPED);
  CHECK(cache.gauges() == gauges);
  CHECK(cache.info(sequence).length == 10);
  cache.swap_in(sequence);
  CHECK(cache.tokens(sequence) == count_up(0, 10));
}

TEST_CASE("swap: D6 a swapped sequence is freed with its swap blocks, and its handle is stale") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  cache.swap_out(sequence);
  cache.free(sequence);
  CHECK(cache.state().free_swap_blocks == 16);
  CHECK(cache.state().swapped_sequences == 0);
  CHECK(cache.state().sequences == 0);
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  CHECK(akv_sequence_swap_in(cache, sequence, &in) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_free(cache, sequence) == AKV_ERROR_BAD_HANDLE);
}

TEST_CASE("swap: a swapped sequence is found by its request id, counted, listed, and dropped with its owner") {
  const SwapCache cache;
  akv_created created = AKV_CREATED_INIT;
  OK(cache.try_create(count_up(0, 6), AKV_SEQUENCE_COMMITTED, created, 0, 42, 7));
  cache.swap_out(created.sequence);
  akv_sequence found = AKV_NONE;
  OK(akv_sequence_find(cache, 42, &found));
  CHECK(found == created.sequence);
  akv_created second = AKV_CREATED_INIT;
  CHECK(cache.try_create({1}, 0, second, 0, 42) == AKV_ERROR_ALREADY_EXISTS);
  akv_sequence_line line{};
  std::uint32_t count = 0;
  OK(akv_cache_read_sequences(cache, &line, sizeof line, 1, &count));
  CHECK(line.flags == AKV_LINE_SWAPPED);
  CHECK(line.num_blocks == 2);
  std::uint32_t released = 0;
  OK(akv_cache_drop_owner(cache, 7, 0, &released));
  CHECK(released == 1);
  CHECK(cache.state().free_swap_blocks == 16);
}

TEST_CASE("swap: late tokens reach a swapped sequence, and are there when it comes back") {
  const SwapCache cache;
  const akv_sequence sequence = cache.create({1, 2, 3, 4, 5}).sequence;
  OK(akv_sequence_append(cache, sequence, nullptr, 2, 0, nullptr));
  cache.commit(sequence, 7);
  cache.swap_out(sequence);
  const Tokens late = {6, 7};
  OK(akv_sequence_set_tokens(cache, sequence, 5, late.data(), 2));
  CHECK(cache.tokens(sequence) == Tokens{1, 2, 3, 4, 5, 6, 7});
  CHECK(cache.info(sequence).known == 7);
  cache.swap_in(sequence);
  CHECK(cache.tokens(sequence) == Tokens{1, 2, 3, 4, 5, 6, 7});
  OK(cache.append(sequence, {8}));
  cache.commit(sequence, 8);
  CHECK(cache.match({1, 2, 3, 4, 5, 6, 7, 8, 9}).cached_tokens == 8);
}

TEST_CASE("swap: a sequence with tokens that have no K/V is NOT_COMMITTED") {
  const SwapCache cache;
  const akv_sequence sequence = cache.create(count_up(0, 6)).sequence;
  akv_plan plan = AKV_NONE;
  CHECK(akv_sequence_swap_out(cache, sequence, &plan) == AKV_ERROR_NOT_COMMITTED);
  cache.commit(sequence, 5);
  CHECK(akv_sequence_swap_out(cache, sequence, &plan) == AKV_ERROR_NOT_COMMITTED);
  CHECK(plan == AKV_NONE);
  cache.commit(sequence, 6);
  cache.swap_out(sequence);
}

TEST_CASE("swap: an empty sequence goes out and in too") {
  const SwapCache cache;
  const akv_sequence sequence = cache.create({}).sequence;
  cache.swap_out(sequence);
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_SWAPPED);
  cache.swap_in(sequence);
  OK(cache.append(sequence, {1, 2}));
}

TEST_CASE("swap: the budget is the swap blocks: beyond it NO_SWAP_BLOCKS names needed and available") {
  const SwapCache cache;
  const akv_sequence first = cache.committed(count_up(0, 50));  // 13 blocks
  const akv_sequence second = cache.committed(count_up(100, 16));
  cache.swap_out(first);
  akv_plan plan = AKV_NONE;
  CHECK(akv_sequence_swap_out(cache, second, &plan) == AKV_ERROR_NO_SWAP_BLOCKS);
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  OK(akv_last_error_detail(&detail));
  CHECK(detail.needed == 4);
  CHECK(detail.available == 3);
  CHECK(cache.info(second).state == AKV_SEQUENCE_ACTIVE);
  cache.free(first);
  cache.swap_out(second);
}

TEST_CASE("swap: D6 swap-in without room is NO_BLOCKS, and the sequence is swapped as before, its K/V safe") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  cache.swap_out(sequence);
  const akv_sequence hog = cache.committed(count_up(1000, 124));  // 31 of 32 blocks
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  CHECK(akv_sequence_swap_in(cache, sequence, &in) == AKV_ERROR_NO_BLOCKS);
  CHECK(cache.info(sequence).state == AKV_SEQUENCE_SWAPPED);
  CHECK(cache.info(sequence).swap_blocks == 3);
  cache.free(hog);
  cache.swap_in(sequence);
  CHECK(cache.tokens(sequence) == count_up(0, 10));
}

TEST_CASE("swap: D6 swapping in what is not swapped, and a cache without swap blocks, are refused") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  CHECK(akv_sequence_swap_in(cache, sequence, &in) == AKV_ERROR_INVALID_ARGUMENT);
  const Cache without([](akv_cache_config &config) { config.num_swap_blocks = 0; });
  akv_plan plan = AKV_NONE;
  CHECK(akv_sequence_swap_out(without, without.committed({1, 2}), &plan) == AKV_ERROR_UNSUPPORTED);
  std::int32_t block = 0;
  CHECK(akv_swap_acquire(without, 1, &block) == AKV_ERROR_UNSUPPORTED);
  CHECK(akv_swap_release(without, &block, 1) == AKV_ERROR_BAD_HANDLE);
  const akv_ticket ticket = without.open_ticket();
  OK(akv_swap_release(without, nullptr, 0));  // none of none: there is no pool to give them back to
  without.retire(ticket);
  OK(akv_swap_release(without, nullptr, 0));
}

TEST_CASE("swap: D6 a child keeps the blocks that its swapped parent had, and the parent comes back to them") {
  const SwapCache cache;
  const akv_sequence parent = cache.committed(count_up(0, 10));
  const akv_sequence child = cache.fork(parent);
  const auto blocks = cache.blocks(child);
  cache.swap_out(parent);
  CHECK(cache.blocks(child) == blocks);
  CHECK(cache.state().live_blocks == 3);
  cache.swap_in(parent);
  CHECK(cache.tokens(parent) == cache.tokens(child));
  CHECK(cache.blocks(parent)[0] == blocks[0]);
  cache.free(child);
  cache.free(parent);
}

TEST_CASE("swap: cleared prefixes are not shared on the way in: its K/V are of the old weights") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10));
  cache.swap_out(sequence);
  OK(akv_prefix_clear(cache, nullptr, 0, nullptr));
  const akv_sequence other = cache.committed(count_up(0, 10));
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  OK(akv_sequence_swap_in(cache, sequence, &in));
  CHECK(in.cached_tokens == 0);
  cache.finish(in.plan);
  cache.free(other);
}

TEST_CASE("swap: blocks of another domain are zeroed on the way in, before they are copied to") {
  const SwapCache cache;
  const akv_sequence sequence = cache.committed(count_up(0, 10), 1);
  cache.swap_out(sequence);
  const akv_created other = cache.create(count_up(500, 128), 0, 2);  // every block
  if (other.plan != AKV_NONE) cache.finish(other.plan);
  cache.free(other.sequence);
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  OK(akv_sequence_swap_in(cache, sequence, &in));
  const auto records = cache.records(in.plan);
  REQUIRE(records.size() == 6);
  for (std::uint32_t i = 0; i < 3; ++i) CHECK(records[i].kind == AKV_PLAN_ZERO);
  for (std::uint32_t i = 3; i < 6; ++i) CHECK(records[i].kind == AKV_PLAN_SWAP_IN);
  cache.finish(in.plan);
}

TEST_CASE("swap: swap blocks for the caller's own use are acquired and released, all or none") {
  const SwapCache cache;
  std::vector<std::int32_t> blocks(16);
  OK(akv_swap_acquire(cache, 10, blocks.data()));
  CHECK(akv_swap_acquire(cache, 7, blocks.data() + 10) == AKV_ERROR_NO_SWAP_BLOCKS);
  CHECK(cache.state().acquired_swap_blocks == 10);
  CHECK(cache.state().free_swap_blocks == 6);
  const std::int32_t twice[] = {blocks[0], blocks[1], blocks[0]};
  CHECK(akv_swap_release(cache, twice, 3) == AKV_ERROR_BAD_HANDLE);
  const std::int32_t foreign[] = {blocks[0], 17};
  CHECK(akv_swap_release(cache, foreign, 2) == AKV_ERROR_BAD_HANDLE);
  const std::int32_t negative[] = {blocks[0], -1};
  CHECK(akv_swap_release(cache, negative, 2) == AKV_ERROR_BAD_HANDLE);
  CHECK(cache.state().acquired_swap_blocks == 10);
  OK(akv_swap_release(cache, blocks.data(), 10));
  CHECK(akv_swap_release(cache, blocks.data(), 1) == AKV_ERROR_BAD_HANDLE);
  CHECK(cache.state().free_swap_blocks == 16);
  OK(akv_swap_acquire(cache, 0, nullptr));
}

TEST_CASE("swap: the price is known before: swap_bytes, and the configuration reads back") {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 100;
  config.num_swap_blocks = 50;
  akv_sizes sizes = AKV_SIZES_INIT;
  OK(akv_cache_config_sizes(&config, &sizes));
  CHECK(sizes.swap_bytes == 50 * sizes.bytes_per_block);
  const SwapCache cache;
  akv_cache_config read = AKV_CACHE_CONFIG_INIT;
  OK(akv_cache_read_config(cache, &read));
  CHECK(read.num_swap_blocks == 16);
  config.num_swap_blocks = AKV_MAX_BLOCKS - 99;
  akv_cache *none = nullptr;
  CHECK(akv_cache_create(&config, &none) == AKV_ERROR_INVALID_ARGUMENT);
}
