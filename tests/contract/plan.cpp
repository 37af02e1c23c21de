// plan.cpp: the promises of plan.h.
// It knows the public API only; no byte is moved here, so a test that wants to know what records do keeps marks itself
// (scrub.cpp).
#include "fixture.hpp"

#include <algorithm>

using namespace akv::test;

namespace {

// A parent of 6 committed tokens and its fork, whose next token asks for a copy of the shared last block.
struct Family {
  explicit Family(const Cache &cache, std::int32_t first = 0)
      : parent(cache.committed(count_up(first, 6))), child(cache.fork(parent)) {}
  akv_sequence parent, child;
};

akv_status append_batch(const Cache &cache, const std::vector<akv_sequence> &sequences, akv_plan *plan) {
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = static_cast<std::uint32_t>(sequences.size());
  batch.sequences = sequences.data();
  return akv_sequence_append_batch(cache, &batch, nullptr, plan);
}

// A cached prefix of 16 tokens, and a prompt that leaves it after 6.
Tokens partial_prompt() {
  Tokens tokens = count_up(0, 10);
  std::fill(tokens.begin() + 6, tokens.end(), 500);
  return tokens;
}

}  // namespace

TEST_CASE("plan: A4 copy-on-write after a fork is one record, and its price is told before it runs") {
  Cache cache;
  const Family f(cache);
  const akv_plan plan = cache.planned(f.child, {60, 61});
  const akv_plan_info info = cache.plan_info(plan);
  CHECK((info.num_records == 1 && info.num_sequences == 1 && info.copied_tokens == 2 && info.zeroed_blocks == 0));
  const akv_plan_record r = cache.records(plan).at(0);
  CHECK((r.kind == AKV_PLAN_COPY_ON_WRITE && r.group == 0 && r.part == 0));
  CHECK((r.source_block == cache.blocks(f.parent)[1] && r.target_block == cache.blocks(f.child)[1]));
  CHECK(r.source_block != r.target_block);
  CHECK((r.source_store == 0 && r.target_store == 0 && r.cookie == 0));
  CHECK((r.first_token == 0 && r.num_tokens == 2 && r.sequence == f.child && r.wait == AKV_NONE));
  CHECK(cache.state().plans == 1);
  CHECK(cache.state().copy_on_writes == 1);
  akv_hold_line line{};
  std::uint32_t count = 0;
  OK(akv_cache_read_holds(cache, &line, sizeof line, 1, &count));
  CHECK((count == 1 && line.kind == AKV_HOLD_PLAN && line.handle == plan && line.blocks == 1));
  cache.finish(plan);
  CHECK(cache.state().plans == 0);
  CHECK(cache.state().quarantined_blocks == 0);
}

TEST_CASE("plan: a partial hit copies out of the cached block, and COMMITTED is true only when the plan is finished") {
  Cache cache;
  cache.cache_prefix(count_up(0, 16));
  const Tokens prompt = partial_prompt();
  const akv_created got = cache.create(prompt, AKV_SEQUENCE_PARTIAL | AKV_SEQUENCE_COMMITTED);
  CHECK((got.cached_tokens == 4 && got.partial_tokens == 2 && got.shared_blocks == 1 && got.new_blocks == 2));
  const akv_plan_record r = cache.records(got.plan).at(0);
  CHECK((r.kind == AKV_PLAN_PARTIAL && r.num_tokens == 2 && r.first_token == 0 && r.sequence == got.sequence));
  CHECK(r.target_block == cache.blocks(got.sequence)[1]);
  CHECK(cache.plan_info(got.plan).copied_tokens == 2);
  CHECK(cache.info(got.sequence).committed == 4);
  CHECK(cache.match(prompt).cached_tokens == 4);
  cache.finish(got.plan);
  CHECK(cache.info(got.sequence).committed == 10);
  CHECK(cache.match(prompt).cached_tokens == 8);
  CHECK(cache.state().partial_tokens == 2);
}

TEST_CASE("plan: PREFIX_ONLY with a partial hit places the hit alone, committed when the plan is finished") {
  Cache cache;
  cache.cache_prefix(count_up(0, 16));
  const akv_created got = cache.create(partial_prompt(), AKV_SEQUENCE_PARTIAL | AKV_SEQUENCE_PREFIX_ONLY);
  CHECK((got.length == 6 && got.cached_tokens == 4 && got.partial_tokens == 2 && got.new_blocks == 1));
  CHECK(cache.info(got.sequence).committed == 4);
  cache.finish(got.plan);
  CHECK(cache.info(got.sequence).committed == 6);
  OK(cache.append(got.sequence, {500, 500}));
  CHECK(cache.match(count_up(0, 7)).partial_tokens == 2);  // the source is as it was
}

TEST_CASE("plan: AKV_APPEND_COMMITTED commits when the plan is finished, and not before") {
  Cache cache;
  const Family f(cache);
  akv_plan plan = AKV_NONE;
  const Tokens more = {6, 7, 8};
  OK(akv_sequence_append(cache, f.child, more.data(), 3, AKV_APPEND_COMMITTED, &plan));
  REQUIRE(plan != AKV_NONE);
  CHECK(cache.info(f.child).committed == 6);
  CHECK(cache.match(count_up(0, 9)).cached_tokens == 4);
  cache.finish(plan);
  CHECK(cache.info(f.child).committed == 9);
  CHECK(cache.match(count_up(0, 9)).cached_tokens == 8);
}

TEST_CASE("plan: one plan for a whole batch, and each record tells whose block its target is") {
  Cache cache;
  const Family a(cache), b(cache, 100);
  const akv_sequence plain = cache.create(count_up(200, 3)).sequence;
  akv_plan plan = AKV_NONE;
  OK(append_batch(cache, {a.child, plain, b.child}, &plan));
  REQUIRE(plan != AKV_NONE);
  CHECK(cache.state().plans == 1);
  CHECK((cache.plan_info(plan).num_sequences == 3 && cache.plan_info(plan).num_records == 2));
  for (const akv_plan_record &r : cache.records(plan)) {
    CHECK((r.sequence == a.child || r.sequence == b.child));
    CHECK(r.target_block == cache.blocks(r.sequence)[1]);
  }
  CHECK(cache.append(plain, {1}) == AKV_ERROR_PLAN_OPEN);  // it waits with the others
  cache.finish(plan);
  OK(cache.append(plain, {1}));
}

TEST_CASE("plan: out_plan is 0 where nothing has to be moved") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 3)).sequence;
  akv_plan plan = 99;
  OK(cache.append(s, {3, 4}, &plan));
  CHECK(plan == AKV_NONE);
  plan = 99;
  OK(akv_sequence_reserve(cache, s, 20, &plan));
  CHECK(plan == AKV_NONE);
  plan = 99;
  OK(append_batch(cache, {s}, &plan));
  CHECK(plan == AKV_NONE);
}

TEST_CASE("plan: records are read in pieces, and a buffer too small is filled and told how many there are") {
  Cache cache;
  const akv_sequence parent = cache.committed(count_up(0, 6));
  const std::vector<akv_sequence> children = {cache.fork(parent), cache.fork(parent), cache.fork(parent)};
  akv_plan plan = AKV_NONE;
  OK(append_batch(cache, children, &plan));
  const auto all = cache.records(plan);
  REQUIRE(all.size() == 3);
  akv_plan_record two[2] = {};
  std::uint32_t count = 0;
  CHECK(akv_plan_read_records(cache, plan, 0, two, 2, &count) == AKV_ERROR_BUFFER_TOO_SMALL);
  CHECK((count == 3 && two[0].target_block == all[0].target_block && two[1].target_block == all[1].target_block));
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  OK(akv_last_error_detail(&detail));
  CHECK((detail.needed == 3 && detail.available == 2));
  OK(akv_plan_read_records(cache, plan, 2, two, 2, &count));
  CHECK((count == 3 && two[0].target_block == all[2].target_block));
  CHECK(two[1].target_block == all[1].target_block);  // nothing is written behind the last record
  OK(akv_plan_read_records(cache, plan, 3, nullptr, 0, &count));
  count = 0;
  CHECK(akv_plan_read_records(cache, plan, 0, nullptr, 0, &count) == AKV_ERROR_BUFFER_TOO_SMALL);
  CHECK(count == 3);
  CHECK(akv_plan_read_records(cache, plan, 4, two, 2, &count) == AKV_ERROR_OUT_OF_RANGE);
}

TEST_CASE("plan: until it has ended its sequences answer PLAN_OPEN, stay as they are, and can be read and freed") {
  Cache cache;
  const Family f(cache);
  const akv_sequence s = f.child;
  const akv_plan plan = cache.planned(s, {60});
  const auto before = cache.picture(s);
  akv_plan other = AKV_NONE;
  akv_sequence child = AKV_NONE;
  akv_lease lease = AKV_NONE;
  const std::uint32_t two = 2;
  CHECK(cache.append(s, {61}, &other) == AKV_ERROR_PLAN_OPEN);
  CHECK(append_batch(cache, {f.parent, s}, &other) == AKV_ERROR_PLAN_OPEN);
  CHECK(akv_sequence_reserve(cache, s, 30, &other) == AKV_ERROR_PLAN_OPEN);
  CHECK(akv_sequence_commit(cache, s, 7, AKV_NONE) == AKV_ERROR_PLAN_OPEN);
  CHECK(akv_sequence_commit_batch(cache, &s, nullptr, 1, AKV_NONE) == AKV_ERROR_PLAN_OPEN);
  CHECK(akv_sequence_fork(cache, s, AKV_UNSET, nullptr, &child) == AKV_ERROR_PLAN_OPEN);
  CHECK(akv_sequence_truncate(cache, s, 2, 0) == AKV_ERROR_PLAN_OPEN);
  CHECK(akv_sequence_truncate_batch(cache, &s, &two, 1, 0) == AKV_ERROR_PLAN_OPEN);
  CHECK(akv_sequence_set_length(cache, s, 8) == AKV_ERROR_PLAN_OPEN);
  CHECK(akv_sequence_set_length(cache, s, 2) == AKV_ERROR_PLAN_OPEN);
  CHECK(akv_lease_acquire(cache, s, 4, 0, &lease, nullptr) == AKV_ERROR_PLAN_OPEN);
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = 1;
  batch.sequences = &s;
  akv_tables tables = AKV_TABLES_INIT;
  CHECK(akv_sequence_read_tables(cache, &batch, &tables) == AKV_ERROR_PLAN_OPEN);
  akv_room room = AKV_ROOM_INIT;
  OK(akv_sequence_can_extend(cache, s, 1, &room));
  CHECK(room.status == AKV_ERROR_PLAN_OPEN);
  CHECK((other == AKV_NONE && child == AKV_NONE && lease == AKV_NONE));
  CHECK(cache.picture(s) == before);
  CHECK(cache.info(s).plan == plan);
  CHECK(cache.state().plans == 1);
  cache.free(s);
  cache.finish(plan);
}

TEST_CASE("plan: sampled tokens may come late while a plan is open, and stay through finish and abandon") {
  for (const bool finish : {true, false}) {
    Cache cache;
    const akv_sequence parent = cache.committed(count_up(0, 6)), child = cache.fork(parent);
    akv_plan plan = AKV_NONE;
    OK(akv_sequence_append(cache, child, nullptr, 1, 0, &plan));
    const std::int32_t sampled = 60;
    OK(akv_sequence_set_tokens(cache, child, 6, &sampled, 1));
    finish ? cache.finish(plan) : cache.roll_back(plan);
    Tokens want = count_up(0, 6);
    if (finish) want.push_back(60);
    CHECK(cache.tokens(child) == want);
    CHECK(cache.info(child).known == want.size());
    CHECK(cache.tokens(parent) == count_up(0, 6));
  }
}

TEST_CASE("plan: blocks it names are not handed out while it is open, even when its sequences are gone") {
  Cache cache;
  const Family f(cache);
  const akv_plan plan = cache.planned(f.child, {60});
  const akv_plan_record r = cache.records(plan).at(0);
  cache.free(f.parent);
  cache.free(f.child);
  CHECK(cache.plan_info(plan).num_sequences == 0);
  CHECK(cache.state().quarantined_blocks == 3);  // with the prefix before them: who holds a block holds its path
  akv_created created = AKV_CREATED_INIT;
  CHECK(cache.try_create(count_up(1000, 30 * 4), 0, created) == AKV_ERROR_NO_BLOCKS);
  const akv_sequence rest = cache.create(count_up(1000, 29 * 4)).sequence;
  for (const std::int32_t block : cache.blocks(rest)) CHECK((block != r.source_block && block != r.target_block));
  cache.finish(plan);
  CHECK((cache.free_blocks() == 2 && cache.state().cached_blocks == 1));
  cache.free(rest);
  CHECK(cache.free_blocks() == 31);
}

TEST_CASE("plan: the source of a partial hit outlives eviction, clear and the end of who published it") {
  Cache cache;
  cache.cache_prefix(count_up(0, 16));
  const akv_created got = cache.create(partial_prompt(), AKV_SEQUENCE_PARTIAL);
  const std::int32_t source = cache.records(got.plan).at(0).source_block;
  OK(akv_prefix_clear(cache, nullptr, 0, nullptr));
  const akv_sequence rest = cache.create(count_up(1000, cache.free_blocks() * 4)).sequence;
  const auto taken = cache.blocks(rest);
  CHECK(std::find(taken.begin(), taken.end(), source) == taken.end());
  CHECK(cache.free_blocks() == 0);
  cache.finish(got.plan);
  CHECK(cache.free_blocks() == 1);
}
