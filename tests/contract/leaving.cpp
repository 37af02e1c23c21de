// leaving.cpp: sequences that leave while plans are open, and while others stand in the way of what they published.
// It knows the public API only.
#include "fixture.hpp"

#include <atomic>
#include <thread>

using namespace akv::test;

namespace {

// Two sequences of owners 1 and 2 that share a tail, and one plan that gives each a copy of its own.
struct TwoCopies {
  TwoCopies() {
    parent = cache.committed(count_up(0, 6));
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    for (int i = 0; i < 2; ++i) {
      options.owner = static_cast<std::uint64_t>(i + 1);
      OK(akv_sequence_fork(cache, parent, AKV_UNSET, &options, &children[i]));
    }
    akv_batch batch = AKV_BATCH_INIT;
    const std::int32_t tokens[2] = {70, 80};
    batch.num_sequences = batch.tokens_count = 2;
    batch.sequences = children;
    batch.tokens = tokens;
    OK(akv_sequence_append_batch(cache, &batch, nullptr, &plan));
  }
  Cache cache;
  akv_sequence parent = AKV_NONE, children[2] = {};
  akv_plan plan = AKV_NONE;
};

// Two had a last block; one has left it. Whether the other copies it before it writes on.
bool copies(const Cache &cache, akv_sequence stayed) {
  akv_plan plan = AKV_NONE;
  akv_room room = AKV_ROOM_INIT;
  OK(akv_sequence_can_extend(cache, stayed, 1, &room));
  OK(cache.append(stayed, {60}, &plan));
  CHECK(room.blocks_needed == (plan != AKV_NONE));
  if (plan != AKV_NONE) cache.finish(plan);
  return plan != AKV_NONE;
}

}  // namespace

TEST_CASE("leaving: D6 D7 dropping an owner takes its records out of a plan, and leaves the others' as they were") {
  TwoCopies two;
  const auto before = two.cache.records(two.plan);
  REQUIRE(before.size() == 2);
  OK(akv_cache_drop_owner(two.cache, 1, AKV_DROP_IN_FLIGHT, nullptr));
  const auto after = two.cache.records(two.plan);
  REQUIRE(after.size() == 1);
  CHECK(after[0].sequence == two.children[1]);
  two.cache.finish(two.plan);
}

TEST_CASE("leaving: D7 a plan outlives the last of its sequences as long as a freed one's copy may be under way") {
  TwoCopies two;
  const std::int32_t target = two.cache.blocks(two.children[0])[1];
  two.cache.free(two.children[0]);  // its copy may be queued
  OK(akv_cache_drop_owner(two.cache, 2, AKV_DROP_IN_FLIGHT, nullptr));
  const akv_created rest = two.cache.create(count_up(500, two.cache.free_blocks() * std::size_t{4}));
  for (const std::int32_t block : two.cache.blocks(rest.sequence)) CHECK(block != target);
  two.cache.finish(two.plan);
}

TEST_CASE("leaving: D6 sequences that come, copy and go under open plans leave nothing behind when these end") {
  Cache cache([](akv_cache_config &c) {
    c.num_blocks = 400;
    c.max_sequences = 2;
    c.max_plans = 500;
  });
  const akv_sequence parent = cache.committed(count_up(0, 6));
  std::vector<akv_plan> plans;
  for (;;) {
    const akv_sequence child = [&] {
      akv_sequence s = AKV_NONE;
      OK(akv_sequence_fork(cache, parent, AKV_UNSET, nullptr, &s));
      return s;
    }();
    akv_plan plan = AKV_NONE;
    const akv_status status = cache.append(child, {7}, &plan);
    cache.free(child);
    if (status != AKV_OK) break;
    plans.push_back(plan);
  }
  CHECK(plans.size() > 380);
  cache.state();  // audits
  for (const akv_plan plan : plans) cache.finish(plan);
  cache.free(parent);
  CHECK(cache.state().quarantined_blocks == 0);
}

TEST_CASE(
    "leaving: B6 what was computed beside an equal published block is found when nothing is in the way any more") {
  Cache cache;
  const akv_sequence first = cache.create(count_up(0, 12)).sequence, second = cache.create(count_up(0, 12)).sequence;
  akv_lease lease = AKV_NONE;
  akv_ticket wait = AKV_NONE;
  OK(akv_lease_acquire(cache, first, 8, 0, &lease, &wait));
  OK(akv_sequence_commit(cache, second, 8, AKV_NONE));
  CHECK(cache.match(count_up(0, 13)).cached_tokens == 8);
  OK(akv_sequence_commit(cache, first, 12, AKV_NONE));
  OK(akv_lease_release(cache, lease));
  cache.free(first);
  CHECK(cache.match(count_up(0, 13)).cached_tokens == 12);
  cache.free(second);
  cache.state();
}

TEST_CASE("leaving: rolling a plan back after its ticket failed leaves no more sound tokens than there are") {
  Cache cache;
  const akv_sequence s = cache.committed(count_up(0, 6));
  akv_sequence other = AKV_NONE;
  OK(akv_sequence_fork(cache, s, AKV_UNSET, nullptr, &other));
  const akv_ticket ticket = cache.open_ticket();
  akv_plan plan = AKV_NONE;
  OK(cache.append(s, count_up(6, 10), &plan));
  REQUIRE(plan != AKV_NONE);
  OK(akv_ticket_abandon(cache, ticket, nullptr));
  OK(akv_plan_abandon(cache, plan));
  CHECK(cache.info(s).sound_tokens <= cache.info(s).length);
  OK(akv_sequence_truncate(cache, s, cache.info(s).sound_tokens, 0));
}

TEST_CASE("leaving: B14 what one thread commits is found at once, and is freed whole, while another looks and frees") {
  Cache cache([](akv_cache_config &c) { c.max_sequences = 64; });
  std::atomic<bool> stop{false};
  std::thread looker([&] {
    const Tokens tokens = count_up(9000, 9);
    while (!stop) {
      const akv_prompt prompt = cache.prompt(tokens);
      akv_match match = AKV_MATCH_INIT;
      if (akv_prefix_match(cache, &prompt, &match) != AKV_OK) return;
    }
  });
  for (std::int32_t round = 0; round < 20'000; ++round) {
    const Tokens tokens = count_up(round * 16, 8);
    akv_created created = AKV_CREATED_INIT;
    REQUIRE(cache.try_create(Tokens(tokens.begin(), tokens.begin() + 4), 0, created) == AKV_OK);
    const akv_sequence s = created.sequence;
    REQUIRE(akv_sequence_commit(cache, s, 4, AKV_NONE) == AKV_OK);
    for (std::size_t at = 4; at < 8; ++at)
      REQUIRE(akv_sequence_append(cache, s, &tokens[at], 1, AKV_APPEND_COMMITTED, nullptr) == AKV_OK);
    Tokens longer = tokens;
    longer.push_back(-5);
    REQUIRE(cache.match(longer).cached_tokens == 8);
    std::uint32_t freed = 0;
    REQUIRE(akv_sequence_free_batch(cache, &s, 1, &freed, nullptr, nullptr) == AKV_OK);
    REQUIRE(freed == 1);
  }
  stop = true;
  looker.join();
  cache.state();
}

TEST_CASE("leaving: what was computed twice is zeroed for its next user when the work that computed it has failed") {
  Cache cache;
  const akv_sequence first = cache.create(count_up(0, 9)).sequence, second = cache.create(count_up(0, 9)).sequence;
  const std::int32_t twin = cache.blocks(second)[0];
  OK(akv_sequence_commit(cache, first, 8, AKV_NONE));
  const akv_ticket ticket = cache.open_ticket();
  OK(akv_sequence_commit(cache, second, 8, ticket));
  REQUIRE(cache.state().duplicate_blocks == 2);
  OK(akv_ticket_abandon(cache, ticket, nullptr));
  OK(akv_sequence_truncate(cache, second, 0, 0));
  const akv_created next = cache.create(count_up(500, cache.free_blocks() * std::size_t{4}));
  bool zeroed = false;
  for (const akv_plan_record &record : cache.records(next.plan))
    zeroed |= record.kind == AKV_PLAN_ZERO && record.target_block == twin;
  CHECK(zeroed);
  cache.finish(next.plan);
}

TEST_CASE("leaving: a cache that ends with commits nobody has looked at leaves nothing behind for the next one") {
  for (int round = 0; round < 2; ++round) {
    Cache cache;
    for (int i = 0; i < 8; ++i) {
      akv_created created = AKV_CREATED_INIT;
      OK(cache.try_create({}, 0, created));
      const Tokens tokens = count_up(100 * i, 5);
      for (const std::int32_t &token : tokens)
        OK(akv_sequence_append(cache, created.sequence, &token, 1, AKV_APPEND_COMMITTED, nullptr));
      if (round == 1) CHECK(cache.match(tokens).cached_tokens == 4);
    }
  }
}

TEST_CASE("leaving: B2 B8 a last block is not written on while work of one who left may touch it") {
  Cache cache;
  const akv_sequence parent = cache.committed(count_up(0, 7));  // its work may write up to position 6
  const akv_sequence child = cache.fork(parent, 6);
  const akv_ticket ticket = cache.open_ticket();
  SECTION("it was freed") { cache.free(parent); }
  SECTION("it was cut back") { OK(akv_sequence_truncate(cache, parent, 4, 0)); }
  SECTION("it took a copy") { cache.finish(cache.planned(parent, {70})); }
  SECTION("it was swapped out") {
    akv_plan plan = AKV_NONE;
    OK(akv_sequence_swap_out(cache, parent, &plan));
    cache.finish(plan);
  }
  SECTION("its lease was, too") {
    const akv_lease lease = cache.lease(parent, 7);
    cache.free(parent);
    OK(akv_ticket_retire(cache, ticket));
    const akv_ticket later = cache.open_ticket();
    OK(akv_lease_release(cache, lease));
    CHECK(copies(cache, child));
    OK(akv_ticket_retire(cache, later));
    return;
  }
  CHECK(akv_sequence_set_length(cache, child, 7) == AKV_ERROR_PLAN_NEEDED);
  CHECK(copies(cache, child));
  OK(akv_ticket_retire(cache, ticket));
}

TEST_CASE("leaving: B2 B8 a last block is written on in place when all work of those who left has passed") {
  Cache cache;
  const akv_sequence parent = cache.committed(count_up(0, 7)), child = cache.fork(parent, 6);
  const akv_ticket ticket = cache.open_ticket();
  cache.free(parent);
  OK(akv_ticket_retire(cache, ticket));
  const akv_ticket later = cache.open_ticket();
  CHECK_FALSE(copies(cache, child));
  OK(akv_ticket_retire(cache, later));
}

TEST_CASE("leaving: B2 B8 who leaves with more blocks than were shared leaves all of them") {
  Cache cache;
  const akv_sequence parent = cache.create(count_up(0, 11)).sequence, twin = cache.fork(parent);
  const akv_sequence child = cache.fork(parent, 6);
  cache.commit(child, 6);
  cache.free(parent);
  const akv_ticket ticket = cache.open_ticket();
  cache.free(twin);  // the run that it ended in goes with it
  CHECK(copies(cache, child));
  OK(akv_ticket_retire(cache, ticket));
}
