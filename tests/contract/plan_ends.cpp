// plan_ends.cpp: the promises of plan.h about how plans end: finished, under tickets, or abandoned; and what it takes
// to get one.
// It knows the public API only.
#include "fixture.hpp"

#include <algorithm>

using namespace akv::test;

namespace {

akv_status append_batch(const Cache &cache, const std::vector<akv_sequence> &sequences, akv_plan *plan) {
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = static_cast<std::uint32_t>(sequences.size());
  batch.sequences = sequences.data();
  return akv_sequence_append_batch(cache, &batch, nullptr, plan);
}

}  // namespace

TEST_CASE("plan: finished under an open ticket, what it made is committed under that ticket") {
  Cache cache;
  const akv_sequence parent = cache.committed(count_up(0, 6)), child = cache.fork(parent);
  akv_plan plan = AKV_NONE;
  const Tokens more = {6, 7, 8};
  OK(akv_sequence_append(cache, child, more.data(), 3, AKV_APPEND_COMMITTED, &plan));
  const akv_ticket ticket = cache.open_ticket();
  cache.finish(plan, ticket);
  CHECK((cache.info(child).committed == 9 && cache.info(child).wait == ticket));
  CHECK(cache.info(parent).wait == AKV_NONE);
  CHECK(cache.match(count_up(0, 9)).cached_tokens == 8);
  CHECK(cache.match(count_up(0, 9)).wait == ticket);
  CHECK(cache.match(count_up(0, 5)).wait == AKV_NONE);  // the first block was there before
  cache.retire(ticket);
  CHECK(cache.match(count_up(0, 9)).wait == AKV_NONE);
  CHECK(cache.info(child).wait == AKV_NONE);
}

TEST_CASE("plan: a copied tail waits for the writer of its source, whatever ticket the plan is finished under") {
  Cache cache;
  const akv_sequence parent = cache.create(count_up(0, 6)).sequence;
  const akv_ticket writer = cache.open_ticket();
  cache.commit(parent, 6, writer);
  const akv_sequence child = cache.fork(parent);
  CHECK(cache.info(child).wait == writer);
  const akv_plan plan = cache.planned(child, {60});
  CHECK(cache.records(plan).at(0).wait == writer);
  cache.finish(plan);
  CHECK(cache.info(child).wait == writer);
  CHECK(cache.give_up(writer) == 2);
  CHECK((cache.info(child).sound_tokens == 0 && cache.info(parent).sound_tokens == 0));
}

TEST_CASE("plan: a partial hit in flight says so in its record, and is lost with the ticket of its writer") {
  Cache cache;
  const akv_sequence writer = cache.create(count_up(0, 8)).sequence;
  cache.commit(writer, 4);
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(writer, 8, ticket);
  Tokens prompt = count_up(0, 10);
  prompt[6] = 500;
  const akv_created got = cache.create(prompt, AKV_SEQUENCE_PARTIAL);
  CHECK((got.cached_tokens == 4 && got.partial_tokens == 2 && got.wait == AKV_NONE));
  CHECK(cache.records(got.plan).at(0).wait == ticket);
  cache.finish(got.plan);
  CHECK(cache.info(got.sequence).wait == ticket);
  CHECK(cache.give_up(ticket) == 2);
  CHECK(cache.info(got.sequence).sound_tokens == 4);
  OK(akv_sequence_truncate(cache, got.sequence, 4, 0));
}

TEST_CASE("plan: finish under a retired ticket is finish; under others that are not open it fails, the plan stays") {
  Cache cache([](akv_cache_config &c) { c.max_open_tickets = 4; });
  Cache foreign;
  const akv_ticket other = foreign.open_ticket();
  const akv_sequence parent = cache.committed(count_up(0, 6)), child = cache.fork(parent);
  const akv_plan plan = cache.planned(child, {60});
  const akv_ticket forgotten = cache.open_ticket();
  cache.retire(forgotten);
  for (int i = 0; i < 4; ++i) cache.retire(cache.open_ticket());
  const akv_ticket abandoned = cache.open_ticket(), retired = cache.open_ticket();
  cache.give_up(abandoned);
  cache.retire(retired);
  const auto before = cache.picture(child);
  CHECK(akv_plan_finish(cache, plan, abandoned) == AKV_ERROR_CONTENT_LOST);
  CHECK(akv_plan_finish(cache, plan, other) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_plan_finish(cache, plan, forgotten) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_plan_finish(cache, plan, retired + 1) == AKV_ERROR_BAD_HANDLE);
  CHECK((cache.picture(child) == before && cache.state().plans == 1));
  cache.finish(plan, retired);
  CHECK((cache.info(child).plan == AKV_NONE && cache.info(child).wait == AKV_NONE));
}

TEST_CASE("plan: abandoned after an append, the sequence is as it was before") {
  Cache cache;
  const akv_sequence parent = cache.committed(count_up(0, 6)), child = cache.fork(parent);
  const auto before = cache.picture(child), parents = cache.picture(parent);
  const auto gauges = cache.gauges();
  const akv_plan plan = cache.planned(child, count_up(60, 9));
  const std::uint32_t version = cache.info(child).version;
  cache.roll_back(plan);
  CHECK((cache.picture(child) == before && cache.picture(parent) == parents && cache.gauges() == gauges));
  CHECK(cache.info(child).version != version);  // tables in place are rewritten
  cache.finish(cache.planned(child, {60}));     // and it can be asked for again
}

TEST_CASE("plan: abandoned after a batch, every sequence of it is as it was before, also those without a record") {
  Cache cache;
  const akv_sequence a = cache.committed(count_up(0, 6)), b = cache.fork(a), c = cache.fork(a);
  const akv_sequence grows = cache.create(count_up(100, 4)).sequence, inside = cache.create(count_up(200, 2)).sequence;
  const std::vector<akv_sequence> all = {grows, b, inside, a, c};
  std::vector<Cache::Picture> before;
  for (const akv_sequence s : all) before.push_back(cache.picture(s));
  const auto gauges = cache.gauges();
  akv_plan plan = AKV_NONE;
  OK(append_batch(cache, all, &plan));
  REQUIRE(plan != AKV_NONE);
  CHECK(cache.info(inside).length == 3);
  cache.roll_back(plan);
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(cache.picture(all[i]) == before[i]);
  CHECK(cache.gauges() == gauges);
}

TEST_CASE("plan: abandoned after create, the sequence is freed; after reserve, the blocks are given back") {
  Cache cache;
  cache.cache_prefix(count_up(0, 16));
  const auto gauges = cache.gauges();
  Tokens prompt = count_up(0, 10);
  prompt[6] = 500;
  akv_created got = AKV_CREATED_INIT;
  OK(cache.try_create(prompt, AKV_SEQUENCE_PARTIAL, got, 0, 77));
  cache.roll_back(got.plan);
  akv_sequence found = AKV_NONE;
  CHECK(akv_sequence_find(cache, 77, &found) == AKV_ERROR_NOT_FOUND);
  CHECK(akv_sequence_free(cache, got.sequence) == AKV_ERROR_BAD_HANDLE);
  CHECK(cache.gauges() == gauges);
  CHECK(cache.match(count_up(0, 17)).cached_tokens == 16);

  const akv_sequence parent = cache.committed(count_up(100, 6)), child = cache.fork(parent);
  const auto before = cache.picture(child);
  akv_plan plan = AKV_NONE;
  OK(akv_sequence_reserve(cache, child, 20, &plan));
  REQUIRE(plan != AKV_NONE);
  CHECK(cache.blocks(child).size() == 5);
  cache.roll_back(plan);
  CHECK(cache.picture(child) == before);
}

TEST_CASE("plan: abandoned after one of its sequences was freed, the others roll back and no block is lost") {
  Cache cache;
  const akv_sequence a = cache.committed(count_up(0, 6)), b = cache.fork(a), c = cache.fork(a);
  const auto before = cache.picture(c);
  akv_plan plan = AKV_NONE;
  OK(append_batch(cache, {b, c}, &plan));
  cache.free(b);
  CHECK(cache.plan_info(plan).num_sequences == 1);
  cache.roll_back(plan);
  CHECK(cache.picture(c) == before);
  cache.free(a);
  cache.free(c);
  const akv_cache_state state = cache.state();
  CHECK((state.cached_blocks == 1 && state.quarantined_blocks == 0 && state.free_blocks + state.dirty_blocks == 31));
}

TEST_CASE("plan: a parent freed while its child's plan is open is not missed, by finish or by abandon") {
  for (const bool finish : {true, false}) {
    Cache cache;
    const akv_sequence parent = cache.committed(count_up(0, 6)), child = cache.fork(parent);
    const akv_plan plan = cache.planned(child, {60});
    cache.free(parent);
    finish ? cache.finish(plan) : cache.roll_back(plan);
    CHECK(cache.info(child).length == (finish ? 7 : 6));
    CHECK(cache.state().quarantined_blocks == 0);
    akv_plan again = AKV_NONE;
    OK(cache.append(child, {61}, &again));
    CHECK(again == AKV_NONE);  // its tail is its own by now
  }
}

TEST_CASE("plan: abandoned while a ticket is open, its blocks wait for the ticket") {
  Cache cache;
  const akv_sequence parent = cache.committed(count_up(0, 6)), child = cache.fork(parent);
  const akv_ticket ticket = cache.open_ticket();
  const akv_plan plan = cache.planned(child, {60});
  cache.roll_back(plan);
  CHECK(cache.state().quarantined_blocks == 1);
  cache.retire(ticket);
  CHECK(cache.state().quarantined_blocks == 0);
}

TEST_CASE("plan: B17 no more than max_plans are open: refused and forecast, and fine after one has ended") {
  Cache cache([](akv_cache_config &c) { c.max_plans = 1; });
  cache.cache_prefix(count_up(500, 16));
  const akv_sequence parent = cache.committed(count_up(0, 6)), a = cache.fork(parent), b = cache.fork(parent);
  const akv_plan plan = cache.planned(a, {60});
  const auto before = cache.picture(b);
  const auto gauges = cache.gauges();
  akv_plan other = AKV_NONE;
  CHECK(cache.append(b, {61}, &other) == AKV_ERROR_NO_PLANS);
  CHECK(last_error() == "all 1 plans (max_plans) are open");
  CHECK(append_batch(cache, {b}, &other) == AKV_ERROR_NO_PLANS);
  CHECK(akv_sequence_reserve(cache, b, 20, &other) == AKV_ERROR_NO_PLANS);
  Tokens prompt = count_up(500, 10);
  prompt[6] = 5;
  akv_created got = AKV_CREATED_INIT;
  CHECK(cache.try_create(prompt, AKV_SEQUENCE_PARTIAL, got) == AKV_ERROR_NO_PLANS);
  akv_room room = AKV_ROOM_INIT;
  OK(akv_sequence_can_extend(cache, b, 1, &room));
  CHECK(room.status == AKV_ERROR_NO_PLANS);
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.flags = AKV_SEQUENCE_PARTIAL;
  const akv_prompt p = cache.prompt(prompt);
  OK(akv_cache_can_allocate(cache, &p, &options, &room));
  CHECK(room.status == AKV_ERROR_NO_PLANS);
  CHECK((other == AKV_NONE && cache.picture(b) == before && cache.gauges() == gauges));
  cache.finish(plan);
  cache.finish(cache.planned(b, {61}));
}

TEST_CASE("plan: without an out_plan a call that needs one is PLAN_NEEDED, and nothing has changed") {
  Cache cache;
  const akv_sequence parent = cache.committed(count_up(0, 6)), child = cache.fork(parent);
  const auto before = cache.picture(child);
  const auto gauges = cache.gauges();
  CHECK(cache.append(child, {60}) == AKV_ERROR_PLAN_NEEDED);
  CHECK(append_batch(cache, {child}, nullptr) == AKV_ERROR_PLAN_NEEDED);
  CHECK(akv_sequence_reserve(cache, child, 20, nullptr) == AKV_ERROR_PLAN_NEEDED);
  CHECK(akv_sequence_set_length(cache, child, 8) == AKV_ERROR_PLAN_NEEDED);
  CHECK((cache.picture(child) == before && cache.gauges() == gauges));
}

TEST_CASE("plan: a shared tail whose K/V do not exist yet is not copied: NOT_COMMITTED, and nothing has changed") {
  Cache cache;
  const akv_sequence parent = cache.create(count_up(0, 6)).sequence, child = cache.fork(parent);
  cache.commit(child, 5);
  const auto before = cache.picture(child);
  akv_plan plan = AKV_NONE;
  CHECK(cache.append(child, {60}, &plan) == AKV_ERROR_NOT_COMMITTED);
  CHECK(akv_sequence_reserve(cache, child, 20, &plan) == AKV_ERROR_NOT_COMMITTED);
  CHECK(append_batch(cache, {child}, &plan) == AKV_ERROR_NOT_COMMITTED);
  akv_room room = AKV_ROOM_INIT;
  OK(akv_sequence_can_extend(cache, child, 1, &room));
  CHECK(room.status == AKV_ERROR_NOT_COMMITTED);
  CHECK((plan == AKV_NONE && cache.picture(child) == before));
  cache.commit(child, 6);
  cache.finish(cache.planned(child, {60}));
}

TEST_CASE("plan: after its end its handle is BAD_HANDLE, and so it stays when the next plan takes its place") {
  Cache cache;
  const akv_sequence parent = cache.committed(count_up(0, 6)), a = cache.fork(parent), b = cache.fork(parent);
  const akv_plan ended = cache.planned(a, {60});
  cache.finish(ended);
  const akv_plan next = cache.planned(b, {60});
  CHECK(next != ended);
  akv_plan_info info = AKV_PLAN_INFO_INIT;
  std::uint32_t count = 0;
  CHECK(akv_plan_read_info(cache, ended, &info) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_plan_read_records(cache, ended, 0, nullptr, 0, &count) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_plan_finish(cache, ended, AKV_NONE) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_plan_abandon(cache, ended) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_plan_abandon(cache, a) == AKV_ERROR_WRONG_TYPE);
  CHECK(akv_plan_abandon(cache, AKV_NONE) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(cache.state().plans == 1);
  cache.finish(next);
}
