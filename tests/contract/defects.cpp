// defects.cpp: the defects of the documents this project came from (the specification's row D6), as far as they are
// metadata: one test each that it cannot happen here. What is about swapping comes with the tiers.
// It knows the public API only.
#include "fixture.hpp"

#include <algorithm>
#include <set>

using namespace akv::test;

namespace {

akv_cache_config sized(std::uint32_t dtype, akv_plane (&planes)[2], akv_layer_group &group) {
  planes[0] = {AKV_PLANE_KEYS, dtype, 8, 128, 0, 0};
  planes[1] = {AKV_PLANE_VALUES, dtype, 8, 128, 0, 0};
  group = {AKV_RULE_FULL, 32, 2, sizeof(akv_plane), planes, 0, 0};
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_groups = 1;
  config.group_size = sizeof(akv_layer_group);
  config.groups = &group;
  return config;
}

}  // namespace

TEST_CASE("defect: D6 blocks freed twice: a sequence's end gives them back once, by whichever ways it is asked for") {
  Cache cache;
  const akv_sequence bystander = cache.create(count_up(900, 20)).sequence;
  akv_created got = AKV_CREATED_INIT;
  OK(cache.try_create(count_up(0, 20), 0, got, 0, 7, 5));
  const akv_sequence s = got.sequence;
  cache.free(s);
  const auto gauges = cache.gauges();
  CHECK(akv_sequence_free(cache, s) == AKV_ERROR_BAD_HANDLE);
  const akv_sequence twice[] = {s, s};
  std::uint32_t freed = 9, stale = 9;
  OK(akv_sequence_free_batch(cache, twice, 2, &freed, &stale, nullptr));
  CHECK((freed == 0 && stale == 2));
  std::uint32_t released = 9;
  OK(akv_cache_drop_owner(cache, 5, AKV_DROP_IN_FLIGHT, &released));
  CHECK((released == 0 && cache.gauges() == gauges));

  const akv_sequence a = cache.create(count_up(0, 13 * 4)).sequence, b = cache.create(count_up(500, 14 * 4)).sequence;
  auto all = cache.blocks(a);
  for (const akv_sequence other : {b, bystander})
    for (const std::int32_t block : cache.blocks(other)) all.push_back(block);
  CHECK(std::set<std::int32_t>(all.begin(), all.end()).size() == 32);  // no block is in two hands
}

TEST_CASE("defect: D6 a sequence that waits for a plan is freed: its blocks go back once, when the plan ends") {
  for (const bool finish : {true, false}) {
    Cache cache;
    const akv_sequence parent = cache.committed(count_up(0, 6)), child = cache.fork(parent);
    const akv_plan plan = cache.planned(child, {60});
    cache.free(child);
    CHECK(akv_sequence_free(cache, child) == AKV_ERROR_BAD_HANDLE);
    finish ? cache.finish(plan) : cache.roll_back(plan);
    CHECK(akv_plan_abandon(cache, plan) == AKV_ERROR_BAD_HANDLE);
    cache.free(parent);
    CHECK((cache.free_blocks() == 31 && cache.state().cached_blocks == 1));
  }
}

TEST_CASE("defect: D6 counts that are not lowered: after any way of leaving, gauges are what they were") {
  Cache cache;
  const auto empty = cache.gauges();
  for (int i = 0; i < 5; ++i) {
    const akv_sequence s = cache.create(count_up(0, 30), AKV_SEQUENCE_NO_PUBLISH).sequence;
    OK(akv_sequence_reserve(cache, s, 50, nullptr));
    cache.commit(s, 30);
    const akv_sequence child = cache.fork(s), grandchild = cache.fork(child, 10);
    cache.finish(cache.planned(child, {1, 2, 3}));
    const akv_lease lease = cache.lease(grandchild, 9);
    OK(akv_sequence_truncate(cache, s, 5, i % 2 == 0 ? AKV_TRUNCATE_KEEP_BLOCKS : 0u));
    for (const akv_sequence leaving : {s, child, grandchild}) cache.free(leaving);
    cache.release(lease);
    CHECK(cache.gauges() == empty);
  }
  CHECK(cache.state().created_sequences == cache.state().freed_sequences);
}

TEST_CASE("defect: D6 running out of room loses nothing: what was computed stays, and goes on when there is room") {
  Cache cache;
  const akv_sequence s = cache.committed(count_up(0, 14));
  const akv_sequence rest = cache.create(count_up(500, 28 * 4)).sequence;
  const auto before = cache.picture(s);
  const auto gauges = cache.gauges();
  CHECK(cache.append(s, count_up(14, 5)) == AKV_ERROR_NO_BLOCKS);
  CHECK(akv_sequence_reserve(cache, s, 30, nullptr) == AKV_ERROR_NO_BLOCKS);
  CHECK((cache.picture(s) == before && cache.gauges() == gauges));
  CHECK(cache.match(count_up(0, 14)).cached_tokens == 12);
  cache.free(rest);
  OK(cache.append(s, count_up(14, 5)));
  CHECK(cache.tokens(s) == count_up(0, 19));
}

TEST_CASE("defect: D6 a create that fails takes no slot, no block, no request id, and evicts nothing") {
  Cache cache([](akv_cache_config &c) {
    c.max_sequences = 3;
    c.max_plans = 1;
  });
  cache.cache_prefix(count_up(0, 40));
  akv_created live = AKV_CREATED_INIT, got = AKV_CREATED_INIT;
  OK(cache.try_create(count_up(500, 4), AKV_SEQUENCE_COMMITTED, live, 0, 77));
  Tokens partial = count_up(0, 20);
  partial[10] = 5;
  const akv_created planned = cache.create(partial, AKV_SEQUENCE_PARTIAL);
  const auto gauges = cache.gauges();
  for (int i = 0; i < 20; ++i) {
    CHECK(cache.try_create(count_up(5000, 40 * 4), 0, got, 0, 78) == AKV_ERROR_NO_BLOCKS);
    CHECK(cache.try_create(count_up(5000, 1001), 0, got, 0, 78) == AKV_ERROR_NO_CAPACITY);
    CHECK(cache.try_create(count_up(5000, 4), 0, got, 0, 77) == AKV_ERROR_ALREADY_EXISTS);
    CHECK(cache.try_create(partial, AKV_SEQUENCE_PARTIAL, got, 0, 78) == AKV_ERROR_NO_PLANS);
    CHECK(cache.try_create(partial, 1u << 30, got, 0, 78) != AKV_OK);
  }
  CHECK((cache.gauges() == gauges && cache.state().evicted_blocks == 0 && got.sequence == AKV_NONE));
  OK(cache.try_create(count_up(5000, 4), 0, got, 0, 78));
  CHECK(cache.try_create(count_up(6000, 4), 0, got, 0, 79) == AKV_ERROR_NO_SEQUENCES);
  cache.finish(planned.plan);
}

TEST_CASE("defect: D6 allocating a live id leaks its blocks: it is refused, and the live one keeps what it has") {
  Cache cache;
  akv_created a = AKV_CREATED_INIT, b = AKV_CREATED_INIT;
  OK(cache.try_create(count_up(0, 10), 0, a, 0, 77));
  const akv_sequence other = cache.create(count_up(100, 8)).sequence;
  const auto before = cache.picture(a.sequence);
  const auto gauges = cache.gauges();
  CHECK(cache.try_create(count_up(50, 10), 0, b, 0, 77) == AKV_ERROR_ALREADY_EXISTS);
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.request_id = 77;
  akv_sequence child = AKV_NONE;
  CHECK(akv_sequence_fork(cache, other, AKV_UNSET, &options, &child) == AKV_ERROR_ALREADY_EXISTS);
  CHECK((b.sequence == AKV_NONE && child == AKV_NONE));
  CHECK((cache.picture(a.sequence) == before && cache.gauges() == gauges));
  cache.free(a.sequence);
  OK(akv_sequence_fork(cache, other, AKV_UNSET, &options, &child));
}

TEST_CASE("defect: D6 set_length beyond capacity accepted: never beyond the blocks, never beyond max_tokens") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 6)).sequence;
  const auto before = cache.picture(s);
  CHECK(cache.info(s).capacity == 8);
  CHECK(akv_sequence_set_length(cache, s, 9) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_sequence_set_length(cache, s, AKV_UNSET) == AKV_ERROR_NO_CAPACITY);
  CHECK(cache.picture(s) == before);
  OK(akv_sequence_set_length(cache, s, 8));
  OK(akv_sequence_reserve(cache, s, 17, nullptr));
  CHECK(cache.info(s).capacity == 20);
  OK(akv_sequence_set_length(cache, s, 20));
  CHECK(akv_sequence_set_length(cache, s, 21) == AKV_ERROR_OUT_OF_RANGE);
}

TEST_CASE("defect: D6 calls work on a sequence that is gone: every one is BAD_HANDLE, also when its place is taken") {
  Cache cache;
  const akv_sequence gone = cache.create(count_up(0, 8)).sequence;
  cache.free(gone);
  const akv_sequence next = cache.create(count_up(500, 8)).sequence;
  const auto before = cache.picture(next);
  akv_sequence child = AKV_NONE;
  akv_lease lease = AKV_NONE;
  akv_room room = AKV_ROOM_INIT;
  akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
  std::int32_t ids[8];
  std::uint32_t count = 0;
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = 1;
  batch.sequences = &gone;
  const akv_tables tables = AKV_TABLES_INIT;
  CHECK(cache.append(gone, {1}) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_append_batch(cache, &batch, nullptr, nullptr) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_read_tables(cache, &batch, &tables) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_reserve(cache, gone, 20, nullptr) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_set_tokens(cache, gone, 0, ids, 1) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_commit(cache, gone, 8, AKV_NONE) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_fork(cache, gone, AKV_UNSET, nullptr, &child) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_truncate(cache, gone, 0, 0) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_set_length(cache, gone, 1) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_can_extend(cache, gone, 1, &room) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_read_info(cache, gone, &info) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_read_tokens(cache, gone, 0, 1, ids) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_read_blocks(cache, gone, 0, ids, 8, &count) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_lease_acquire(cache, gone, 1, 0, &lease, nullptr) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_free(cache, gone) == AKV_ERROR_BAD_HANDLE);
  CHECK(cache.picture(next) == before);
}

TEST_CASE("defect: D6 a reservation beyond the current length is lost: only dropping it by name does that") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 6)).sequence;
  OK(akv_sequence_reserve(cache, s, 30, nullptr));
  const auto reserved = cache.blocks(s);
  REQUIRE(reserved.size() == 8);
  const auto kept = [&] { return cache.blocks(s).size() == 8; };
  cache.commit(s, 6);
  const akv_sequence child = cache.fork(s, 4);
  CHECK((kept() && cache.blocks(child).size() == 1));  // it stays with the parent
  OK(cache.append(s, count_up(6, 10)));
  OK(akv_sequence_set_length(cache, s, 9));
  OK(akv_sequence_truncate(cache, s, 8, AKV_TRUNCATE_KEEP_BLOCKS));
  OK(akv_sequence_reserve(cache, s, 12, nullptr));  // less than it has: nothing
  OK(akv_prefix_clear(cache, nullptr, 0, nullptr));
  CHECK(akv_sequence_reserve(cache, s, 1001, nullptr) == AKV_ERROR_NO_CAPACITY);
  CHECK(kept());
  const akv_sequence rest = cache.create(count_up(500, cache.free_blocks() * 4)).sequence;
  OK(cache.append(s, count_up(8, 24)));  // 32 tokens in 8 blocks, with nothing free
  CHECK(cache.blocks(s) == reserved);
  cache.free(rest);
  OK(akv_sequence_truncate(cache, s, 32, 0));
  OK(akv_sequence_truncate(cache, s, 30, 0));
  CHECK(kept());
  OK(akv_sequence_truncate(cache, s, 8, 0));
  CHECK(cache.blocks(s).size() == 2);
}

TEST_CASE("defect: D6 bytes_per_block counts 2 bytes while the data has 4: every dtype's bytes are its own") {
  const std::pair<std::uint32_t, std::uint64_t> half_bytes[] = {{AKV_DTYPE_F32, 8},  {AKV_DTYPE_F16, 4},
                                                                {AKV_DTYPE_BF16, 4}, {AKV_DTYPE_F8_E4M3, 2},
                                                                {AKV_DTYPE_I8, 2},   {AKV_DTYPE_I4, 1}};
  for (const auto &[dtype, halves] : half_bytes) {
    akv_plane planes[2];
    akv_layer_group group;
    akv_cache_config config = sized(dtype, planes, group);
    akv_sizes sizes = AKV_SIZES_INIT;
    OK(akv_cache_config_sizes(&config, &sizes));
    const std::uint64_t token = 32ull * 2 * 8 * 128 * halves / 2;
    CHECK((sizes.bytes_per_token == token && sizes.bytes_per_block == 16 * token));
    CHECK(sizes.total_bytes == 4096 * 16 * token);
    akv_cache *cache = nullptr;
    OK(akv_cache_create(&config, &cache));
    akv_cache_state state = AKV_CACHE_STATE_INIT;
    OK(akv_cache_read_state(cache, &state));
    CHECK(state.bytes_per_block == sizes.bytes_per_block);
    OK(akv_cache_destroy(cache));
    planes[1].scale_bytes = 64;
    OK(akv_cache_config_sizes(&config, &sizes));
    CHECK(sizes.bytes_per_token == token + 32 * 64);
  }
}

TEST_CASE("defect: D6 the forecast and the call disagree: what can_extend and can_allocate say is what happens") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 10)).sequence;
  const akv_sequence other = cache.create(count_up(500, 20 * 4)).sequence;
  for (std::uint32_t more = 0; more < 60; ++more) {
    akv_room room = AKV_ROOM_INIT;
    OK(akv_sequence_can_extend(cache, s, more, &room));
    CHECK((room.status == AKV_OK) == (more <= room.tokens_available));
    const akv_status answer = akv_sequence_append(cache, s, nullptr, more, 0, nullptr);
    CHECK(answer == room.status);
    if (answer == AKV_OK) OK(akv_sequence_truncate(cache, s, 10, 0));
    const Tokens prompt = count_up(9000, more);
    room = cache.room_for(prompt);
    akv_created got = AKV_CREATED_INIT;
    CHECK(cache.try_create(prompt, 0, got) == room.status);
    CHECK((room.status == AKV_OK) == (more <= room.tokens_available));
    if (room.status == AKV_OK) cache.free(got.sequence);
  }
  cache.free(other);
}
