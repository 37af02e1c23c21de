// cache.cpp: sequences, plans, pins, tickets and steps in C++: who owns what, and what is told when it does not go.
#include "fixture.hpp"

#include <algorithm>
#if __cplusplus >= 202002L
#include <span>
#endif

using namespace cpp_test;
using arenakv::Status;

TEST_CASE("cpp cache: S3 E8 a sequence is freed when it goes, and what was committed stays cached") {
  arenakv::Cache cache = small_cache();
  {
    auto created = cache.create(count_up(0, 10));
    CHECK((created.length == 10 && created.cached_tokens == 0 && created.new_blocks == 3 && !created.plan));
    created.sequence.commit();
    CHECK(cache.state().live_blocks == 3);
    CHECK(created.sequence.tokens() == count_up(0, 10));
    CHECK(created.sequence.blocks().size() == 3);
  }
  const auto state = cache.state();
  CHECK((state.sequences == 0 && state.live_blocks == 0 && state.cached_blocks == 2));
  CHECK(cache.prefix_match(count_up(0, 10)).cached_tokens == 8);
  cache.audit_all();
}

TEST_CASE("cpp cache: E8 what is moved from owns nothing, what is moved to owns it") {
  arenakv::Cache cache = small_cache();
  arenakv::Sequence first = cache.create(count_up(0, 5)).sequence;
  const akv_sequence id = first.id();
  arenakv::Sequence second = std::move(first);
  CHECK((!first && second.id() == id));
  second = cache.create(count_up(50, 5)).sequence;  // the one it had is freed
  CHECK(cache.state().sequences == 1);
  arenakv::Cache moved = std::move(cache);
  CHECK((!cache && moved.state().sequences == 1));
  CHECK(refused([&] { cache.state(); }) == Status::InvalidArgument);
  moved = small_cache();
  CHECK(moved.state().sequences == 0);
  CHECK(refused([&] { second.info(); }) == Status::BadHandle);
  static_assert(!std::is_copy_constructible_v<arenakv::Cache> && !std::is_copy_assignable_v<arenakv::Sequence>);
  static_assert(std::is_nothrow_move_constructible_v<arenakv::Cache> && std::is_nothrow_move_assignable_v<arenakv::Plan>);
}

TEST_CASE("cpp cache: B5 B17 a refusal names numbers, and nothing has changed") {
  arenakv::Cache cache = small_cache();
  auto held = cache.create(count_up(0, 120));
  try {
    (void)cache.create(count_up(1000, 40));
    FAIL("there are 2 blocks, 10 are wanted");
  } catch (const arenakv::NoRoomError &error) {
    CHECK((error.status() == Status::NoBlocks && error.needed() == 10 && error.available() == 2));
    CHECK(std::string(error.what()).find("AKV_ERROR_NO_BLOCKS: ") == 0);
  }
  CHECK(cache.state().sequences == 1);
  CHECK(cache.can_allocate(count_up(1000, 8)).status == AKV_OK);
  CHECK(held.sequence.can_extend(100).status == AKV_ERROR_NO_BLOCKS);
  const std::uint32_t length = held.sequence.info().length;
  CHECK(refused([&] { held.sequence.append(count_up(0, 100)); }) == Status::NoBlocks);
  CHECK(held.sequence.info().length == length);
  CHECK_THROWS_AS(held.sequence.truncate(1000), arenakv::ArgumentError);
  CHECK_THROWS_AS(cache.find(77), arenakv::StateError);
  CHECK_THROWS_AS(arenakv::image_check({1, 2, 3}), arenakv::ContentError);
  CHECK_THROWS_AS(arenakv::image_read_file("/nowhere/at/all"), arenakv::HostError);
}

TEST_CASE("cpp cache: S3 the same calls answer with Expected, and tell the same") {
  arenakv::CacheConfig config;
  config.num_blocks = 4;
  auto cache = arenakv::expected::Cache::make(config);
  REQUIRE(cache);
  auto created = cache->create(count_up(0, 40));
  REQUIRE(created);
  auto refused = cache->create(count_up(100, 40));
  REQUIRE(!refused);
  CHECK(refused.error().message().find("3") != std::string::npos);
  CHECK((refused.status() == Status::NoBlocks && refused.error().needed == 3 && refused.error().available == 1));
  CHECK_THROWS_AS(std::move(refused).value(), arenakv::NoRoomError);
  CHECK(created->sequence.append({1, 2}).has_value());
  CHECK(created->sequence.free().status() == Status::Ok);
  CHECK(created->sequence.free().status() == Status::InvalidArgument);  // it stands for nothing now
  config.num_groups = 7;
  CHECK(!arenakv::expected::Cache::make(config));
  CHECK(arenakv::model_find<arenakv::Expect>("no such model").status() == Status::NotFound);
}

TEST_CASE("cpp plan: S3 a plan that is dropped takes its call back, one that is run does not") {
  arenakv::Cache cache = small_cache();
  arenakv::Store store(cache);
  auto parent = cache.create(count_up(0, 6)).sequence;
  write_all(store, slots_of(parent));
  parent.commit();
  auto child = parent.fork();
  CHECK(refused([&] { child.append({7}); }) == Status::PlanNeeded);
  {
    arenakv::Plan plan;
    child.append({7}, plan);
    REQUIRE(plan);
    CHECK((plan.info().copied_tokens == 2 && plan.records().size() == 1));
    CHECK(child.info().length == 7);
  }
  CHECK(child.info().length == 6);
  arenakv::Plan plan;
  child.append({7}, plan);
  cache.copy_run(plan, {store.get()});
  CHECK(!plan);
  CHECK(child.info().length == 7);
  CHECK(store.moved(AKV_MOVED_COPY_ON_WRITE) == 2 * kLayers * 2 * kRow * sizeof(float));
  std::vector<std::int64_t> slots = slots_of(child);
  slots.pop_back();  // the new token has no K/V yet
  CHECK(reads_back(store, slots));
}

TEST_CASE("cpp plan: S3 one that was run and not finished stays open until somebody ends it") {
  arenakv::Cache cache = small_cache();
  arenakv::Store store(cache);
  auto parent = cache.create(count_up(0, 6)).sequence;
  parent.commit();
  auto child = parent.fork();
  akv_plan id = AKV_NONE;
  {
    arenakv::Plan plan;
    child.append({7}, plan);
    cache.copy_run(plan, {store.get()}, 0);
    id = plan.id();
  }
  CHECK(child.info().plan == id);
  arenakv::Plan again(cache.get(), id);
  again.finish();
  CHECK((!again && child.info().plan == AKV_NONE && child.info().length == 7));
}

TEST_CASE("cpp plan: S3 a plan of create that is dropped takes the sequence along") {
  arenakv::Cache cache = small_cache();
  cache.create(count_up(0, 9)).sequence.commit();
  arenakv::SequenceOptions options;
  options.flags = AKV_SEQUENCE_PARTIAL;
  auto tokens = count_up(0, 9);
  tokens[6] = -1;
  auto created = cache.create(tokens, options);
  REQUIRE((created.plan && created.partial_tokens == 2));
  created.plan = {};
  CHECK(refused([&] { created.sequence.info(); }) == Status::BadHandle);
  CHECK(cache.state().sequences == 0);
}

TEST_CASE("cpp cache: S3 pins and leases hold blocks until they go") {
  arenakv::Cache cache = small_cache();
  cache.create(count_up(0, 8)).sequence.commit();
  {
    const auto pin = cache.prefix_pin(count_up(0, 8));
    CHECK((pin.num_tokens() == 8 && cache.state().pinned_blocks == 2));
    CHECK(cache.holds().size() == 1);
  }
  CHECK((cache.state().pinned_blocks == 0 && cache.state().cached_blocks == 2));
  auto sequence = cache.create(count_up(100, 8)).sequence;
  auto lease = sequence.lease_acquire(8);
  CHECK((lease.wait() == AKV_NONE && lease.blocks() == sequence.blocks()));
  sequence.free();
  CHECK(cache.state().quarantined_blocks == 2);
  lease.release();
  CHECK((cache.state().quarantined_blocks == 0 && !lease));
  CHECK(cache.prefix_explain(count_up(0, 9)).cached_tokens == 8);
  CHECK(cache.prefix_clear() == 2);
}

TEST_CASE("cpp cache: S3 a ticket that is forgotten stays open: its blocks are not used again") {
  arenakv::Cache cache = small_cache();
  auto sequence = cache.create(count_up(0, 8)).sequence;
  const akv_ticket ticket = cache.ticket_open();
  sequence.commit(8, ticket);
  CHECK(cache.ticket_read(ticket) == AKV_TICKET_OPEN);
  auto other = cache.create(count_up(0, 9));
  CHECK((other.cached_tokens == 8 && other.wait == ticket));
  CHECK(cache.ticket_abandon(ticket) == 2);
  CHECK(refused([&] { sequence.append({1}); }) == Status::ContentLost);
  CHECK(refused([&] { cache.ticket_retire(ticket); }) == Status::BadHandle);
}

TEST_CASE("cpp cache: S3 a step of a batch writes into arrays of the caller") {
  arenakv::Cache cache = small_cache();
  auto a = cache.create(count_up(0, 3)).sequence, b = cache.create(count_up(50, 4)).sequence;
  const std::vector<akv_sequence> ids = {a.id(), b.id()};
  const std::vector<std::int32_t> sampled = {7, 8};
  std::int64_t slots[2];
  std::int32_t rows[2][4];
  arenakv::RowState states[2] = {};
  arenakv::Batch batch;
  batch.num_sequences = batch.tokens_count = 2;
  batch.sequences = ids.data();
  batch.tokens = sampled.data();
  arenakv::Tables tables;
  tables.slot_mapping = slots;
  tables.slot_capacity = 2;
  tables.block_table = rows[0];
  tables.row_states = states;
  tables.num_rows = 2;
  tables.row_stride = tables.row_width = 4;
  cache.append_batch(batch, &tables);
  CHECK(slots[0] == a.blocks()[0] * std::int64_t{kBlockTokens} + 3);
  CHECK(rows[1][1] == b.blocks()[1]);
  std::int64_t again[2] = {0, 0};
  arenakv::Batch same;
  same.num_sequences = 2;
  same.sequences = ids.data();
  tables = {};
  tables.slot_mapping = again;
  tables.slot_capacity = 2;
  cache.read_tables(same, tables);
  CHECK((again[0] == slots[0] && again[1] == slots[1]));
  cache.commit_batch(ids, {4, 5});
  CHECK(refused([&] { cache.commit_batch(ids, {4}); }) == Status::InvalidArgument);
  cache.truncate_batch(ids, {2, 2});
  CHECK((a.info().length == 2 && b.info().length == 2));
  const akv_sequence twice[] = {a.id(), a.id()};
  CHECK(refused([&] { cache.commit_batch(twice); }) == Status::InvalidArgument);
  std::uint32_t stale = 0;
  CHECK(cache.free_batch(twice, &stale) == 1);
  CHECK(stale == 1);
}

TEST_CASE("cpp cache: B7 B8 D7 it can be looked at") {
  arenakv::Cache cache = small_cache();
  arenakv::SequenceOptions options;
  options.request_id = 42;
  options.owner = 9;
  auto sequence = cache.create(count_up(0, 6), options).sequence;
  CHECK(cache.find(42) == sequence.id());
  CHECK(refused([&] { (void)cache.create({1}, options); }) == Status::AlreadyExists);
  CHECK((cache.config().num_blocks == 32 && cache.config().magazine_blocks != 0));
  std::vector<arenakv::Plane> planes;
  CHECK((cache.group(0, planes).num_layers == kLayers && planes.size() == 2 && planes[1].head_dim == kDim));
  REQUIRE(cache.sequences().size() == 1);
  CHECK(cache.sequences()[0].request_id == 42);
  CHECK(cache.dump().find("32 blocks") != std::string::npos);
  CHECK(cache.block_map().find("0##") != std::string::npos);
  std::vector<std::uint8_t> map(33);
  cache.read_block_map(map);
  CHECK(std::count(map.begin(), map.end(), AKV_BLOCK_LIVE) == 2);
  CHECK(cache.measure().live_tokens == 6);
  sequence.append({5});
  CHECK(cache.drop_owner(9) == 1);
  cache.audit();
}

TEST_CASE("cpp span: S3 it takes what has data and size, and a list where it is an argument") {
  const auto count = [](arenakv::Span<const std::int32_t> span) { return span.size(); };
  const Tokens vector = {1, 2, 3};
  const std::int32_t array[] = {1, 2};
  CHECK((count(vector) == 3 && count(array) == 2 && count({4, 5, 6, 7}) == 4 && count({}) == 0 && count(Tokens{9}) == 1));
  static_assert(!std::is_convertible_v<const Tokens &, arenakv::Span<std::int32_t>>, "const stays const");
  static_assert(!std::is_convertible_v<std::vector<std::int64_t> &, arenakv::Span<std::int32_t>>);
#if __cplusplus >= 202002L
  const std::span<const std::int32_t> standard = arenakv::Span<const std::int32_t>(vector);
  CHECK(count(standard) == 3);
#endif
  // More than 32 bits count goes as NULL, which is refused, and nothing is read.
  arenakv::Cache cache = small_cache();
  const arenakv::Span<const std::int32_t> huge(vector.data(), std::size_t{1} << 33);
  CHECK(refused([&] { (void)cache.create(huge); }) == Status::InvalidArgument);
  auto sequence = cache.create({1}).sequence;
  CHECK(refused([&] { sequence.append(huge); }) == Status::NoCapacity);
  Tokens room(4);
  CHECK(sequence.read_blocks(room) == 1);
  CHECK(refused([&] { (void)sequence.read_blocks({room.data(), std::size_t{1} << 33}); }) == Status::InvalidArgument);
}
