// scrub.cpp: the promises of cache.h and plan.h about blocks that are zeroed before their next user gets them.
// It knows the public API only; what would be in memory is kept as marks (bytes.hpp).
#include "bytes.hpp"

#include <algorithm>

using namespace akv::test;

namespace {

void scrub_always(akv_cache_config &c) { c.scrub = AKV_SCRUB_ALWAYS; }
void scrub_none(akv_cache_config &c) { c.scrub = AKV_SCRUB_NONE; }

std::vector<std::int32_t> zeroed(const Cache &cache, akv_plan plan) {
  std::vector<std::int32_t> blocks;
  if (plan == AKV_NONE) return blocks;
  for (const akv_plan_record &r : cache.records(plan))
    if (r.kind == AKV_PLAN_ZERO) blocks.push_back(r.target_block);
  return blocks;
}

// Take blocks in a domain, write nothing that stays, and give them back.
std::vector<std::int32_t> use(const Cache &cache, std::size_t blocks, std::uint64_t domain) {
  const akv_created got = cache.create(count_up(7000, blocks * 4), AKV_SEQUENCE_NO_PUBLISH, domain);
  const auto ids = cache.blocks(got.sequence);
  if (got.plan != AKV_NONE) cache.finish(got.plan);
  cache.free(got.sequence);
  return ids;
}

bool same_blocks(std::vector<std::int32_t> a, std::vector<std::int32_t> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

}  // namespace

TEST_CASE("scrub: one domain never pays: no plan for any reuse, evicted blocks included") {
  Cache cache;
  for (std::int32_t i = 0; i < 20; ++i) {
    const akv_created got = cache.create(count_up(i * 1000, 40), AKV_SEQUENCE_COMMITTED, 7);
    CHECK(got.plan == AKV_NONE);
    akv_plan plan = 99;
    OK(cache.append(got.sequence, count_up(0, 30), &plan));
    CHECK(plan == AKV_NONE);
    cache.free(got.sequence);
  }
  CHECK(cache.state().evicted_blocks > 0);
}

TEST_CASE("scrub: a block that held another domain's K/V is zeroed first, and a block never used is not") {
  Cache cache;
  const auto used = use(cache, 4, 1);
  const akv_created got = cache.create(count_up(0, 23), 0, 2);  // those four, and two that are fresh
  REQUIRE(got.plan != AKV_NONE);
  CHECK(same_blocks(zeroed(cache, got.plan), used));
  const akv_plan_record r = cache.records(got.plan).at(0);
  CHECK((r.source_block == AKV_NULL_BLOCK && r.first_token == 0 && r.num_tokens == 4 && r.wait == AKV_NONE));
  CHECK((r.sequence == got.sequence && r.group == 0 && r.part == 0 && r.cookie == 0));
  const akv_plan_info info = cache.plan_info(got.plan);
  CHECK((info.num_records == 4 && info.zeroed_blocks == 4 && info.copied_tokens == 0));
  CHECK(cache.append(got.sequence, {1}) == AKV_ERROR_PLAN_OPEN);
  cache.finish(got.plan);
}

TEST_CASE("scrub: cached blocks that are evicted for another domain are zeroed, each once") {
  Cache cache;
  cache.cache_prefix(count_up(0, 32 * 4), 1);
  const akv_created got = cache.create(count_up(0, 40), 0, 2);
  CHECK(same_blocks(zeroed(cache, got.plan), cache.blocks(got.sequence)));
  cache.finish(got.plan);
  akv_plan plan = AKV_NONE;
  OK(cache.append(got.sequence, {1}, &plan));
  CHECK(zeroed(cache, plan) == std::vector<std::int32_t>{cache.blocks(got.sequence).back()});
  cache.finish(plan);
}

TEST_CASE("scrub: a block that returns to the domain that had it last is not zeroed") {
  Cache cache;
  const auto first = use(cache, 32, 1);
  const auto second = use(cache, 3, 2);
  const akv_created again = cache.create(count_up(0, 12), 0, 2);
  CHECK((again.plan == AKV_NONE && same_blocks(cache.blocks(again.sequence), second)));
  const akv_created back = cache.create(count_up(0, 12), 0, 1);
  CHECK(back.plan == AKV_NONE);
  cache.free(again.sequence);
  const akv_created taken = cache.create(count_up(0, 12), 0, 1);
  CHECK(same_blocks(zeroed(cache, taken.plan), second));
  cache.finish(taken.plan);
}

TEST_CASE("scrub: ALWAYS zeroes before every reuse, in one domain too, but not what was never used") {
  Cache cache(scrub_always);
  const auto used = use(cache, 2, 0);
  const akv_created got = cache.create(count_up(0, 12));
  CHECK(same_blocks(zeroed(cache, got.plan), used));
  cache.finish(got.plan);
}

TEST_CASE("scrub: NONE never zeroes, between domains and after failed work neither") {
  Cache cache(scrub_none);
  use(cache, 32, 1);
  const akv_created got = cache.create(count_up(0, 32 * 4), 0, 2);
  CHECK(got.plan == AKV_NONE);
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(got.sequence, 128, ticket);
  cache.give_up(ticket);
  cache.free(got.sequence);
  CHECK(cache.create(count_up(0, 32 * 4), 0, 3).plan == AKV_NONE);
}

TEST_CASE("scrub: blocks that a thread took ahead count as taken, and are zeroed for another domain") {
  Cache cache([](akv_cache_config &c) { c.magazine_blocks = 30; });
  const akv_sequence s = cache.create(count_up(0, 4), 0, 1).sequence;
  OK(cache.append(s, {4}));  // takes a magazine of blocks ahead
  const akv_created got = cache.create(count_up(0, 28 * 4), 0, 2);
  CHECK(zeroed(cache, got.plan).size() == 28);  // what was left of the 30, as far as it is needed
  cache.finish(got.plan);
}

TEST_CASE("scrub: the zeroing of a block comes before the copy into it, for a shared tail and for a partial hit") {
  Cache cache;
  const akv_sequence parent = cache.committed(count_up(0, 6), 2), child = cache.fork(parent);
  cache.cache_prefix(count_up(100, 8), 2);
  use(cache, 28, 1);
  const akv_plan plan = cache.planned(child, {60});
  auto records = cache.records(plan);
  REQUIRE(records.size() == 2);
  CHECK((records[0].kind == AKV_PLAN_ZERO && records[1].kind == AKV_PLAN_COPY_ON_WRITE));
  CHECK(records[0].target_block == records[1].target_block);
  CHECK((cache.plan_info(plan).zeroed_blocks == 1 && cache.plan_info(plan).copied_tokens == 2));
  cache.finish(plan);

  const akv_created got = cache.create({100, 101, 102, 103, 104, 5, 5}, AKV_SEQUENCE_PARTIAL, 2);
  records = cache.records(got.plan);
  REQUIRE(records.size() == 2);
  CHECK((records[0].kind == AKV_PLAN_ZERO && records[1].kind == AKV_PLAN_PARTIAL));
  CHECK(records[0].target_block == records[1].target_block);
  cache.finish(got.plan);
}

TEST_CASE("scrub: without an out_plan a call that may need zeroing is PLAN_NEEDED, and nothing has changed") {
  Cache cache;
  use(cache, 32, 1);
  const akv_created got = cache.create(count_up(0, 4), 0, 2);
  cache.finish(got.plan);
  const auto before = cache.picture(got.sequence);
  const auto gauges = cache.gauges();
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = 1;
  batch.sequences = &got.sequence;
  CHECK(cache.append(got.sequence, {4}) == AKV_ERROR_PLAN_NEEDED);
  CHECK(akv_sequence_append_batch(cache, &batch, nullptr, nullptr) == AKV_ERROR_PLAN_NEEDED);
  CHECK(akv_sequence_reserve(cache, got.sequence, 20, nullptr) == AKV_ERROR_PLAN_NEEDED);
  CHECK((cache.picture(got.sequence) == before && cache.gauges() == gauges));
  cache.finish(cache.planned(got.sequence, {4}));
  OK(cache.append(got.sequence, {5, 6, 7}));  // inside its own block nothing is asked for
}

TEST_CASE("scrub: a batch zeroes for all of its sequences in one plan") {
  Cache cache;
  const akv_sequence a = cache.create(count_up(0, 4), 0, 2).sequence, b = cache.create(count_up(0, 8), 0, 3).sequence;
  const std::vector<akv_sequence> both = {a, b};
  for (const akv_plan plan : {cache.info(a).plan, cache.info(b).plan})
    if (plan != AKV_NONE) cache.finish(plan);
  use(cache, 29, 1);
  const std::uint32_t counts[] = {5, 1};
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = 2;
  batch.sequences = both.data();
  batch.num_tokens = counts;
  akv_plan plan = AKV_NONE;
  OK(akv_sequence_append_batch(cache, &batch, nullptr, &plan));
  REQUIRE(plan != AKV_NONE);
  CHECK((cache.plan_info(plan).zeroed_blocks == 3 && cache.plan_info(plan).num_sequences == 2));
  for (const akv_plan_record &r : cache.records(plan)) {
    const auto blocks = cache.blocks(r.sequence);
    CHECK(std::find(blocks.begin() + (r.sequence == a ? 1 : 2), blocks.end(), r.target_block) != blocks.end());
  }
  cache.finish(plan);
}

TEST_CASE("scrub: reserved blocks are zeroed when they are taken, and grown into without a plan") {
  Cache cache;
  use(cache, 32, 1);
  const akv_created got = cache.create(count_up(0, 4), 0, 2);
  cache.finish(got.plan);
  akv_plan plan = AKV_NONE;
  OK(akv_sequence_reserve(cache, got.sequence, 12, &plan));
  CHECK(zeroed(cache, plan).size() == 2);
  cache.finish(plan);
  OK(cache.append(got.sequence, count_up(4, 8)));
}

TEST_CASE("scrub: what a cleared domain leaves behind is zeroed for the next one") {
  Cache cache;
  cache.cache_prefix(count_up(0, 16), 1);
  const std::uint64_t domain = 1;
  OK(akv_prefix_clear(cache, &domain, 0, nullptr));
  CHECK(cache.state().dirty_blocks == 4);
  const akv_created got = cache.create(count_up(0, 20), 0, 2);
  CHECK(zeroed(cache, got.plan).size() == 4);
  cache.finish(got.plan);
}

TEST_CASE("scrub: the dirty gauge counts pool blocks that held K/V, the free gauge those that never did") {
  Cache cache;
  CHECK((cache.state().free_blocks == 32 && cache.state().dirty_blocks == 0));
  const akv_sequence s = cache.create(count_up(0, 20)).sequence;
  CHECK((cache.state().free_blocks == 27 && cache.state().dirty_blocks == 0));
  cache.free(s);
  CHECK((cache.state().free_blocks == 27 && cache.state().dirty_blocks == 5));
  std::vector<std::uint8_t> map(33);
  OK(akv_cache_read_block_map(cache, map.data(), 33));
  CHECK(std::count(map.begin(), map.end(), AKV_BLOCK_DIRTY) == 5);
  cache.create(count_up(0, 8));
  CHECK((cache.state().free_blocks == 27 && cache.state().dirty_blocks == 3));
}

TEST_CASE("scrub: after work was abandoned its blocks are zeroed for whoever comes next, the same domain included") {
  Cache cache;
  const akv_sequence failed = cache.create(count_up(0, 8)).sequence, fine = cache.create(count_up(100, 8)).sequence;
  const auto blocks = cache.blocks(failed);
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(failed, 8, ticket);
  cache.give_up(ticket);
  cache.free(failed);
  cache.free(fine);
  const akv_created got = cache.create(count_up(500, 16));
  CHECK(same_blocks(zeroed(cache, got.plan), blocks));
  cache.finish(got.plan);
  cache.free(got.sequence);
  CHECK(cache.create(count_up(500, 16)).plan == AKV_NONE);  // zeroed once is enough
}
