// scrub_ends.cpp: zeroing that was planned and did not happen, and random operations: no sequence ever has room that
// holds another domain's K/V.
// It knows the public API only; what would be in memory is kept as marks (bytes.hpp).
#include "bytes.hpp"

#include <algorithm>
#include <random>

using namespace akv::test;

namespace {

// Domain 1 writes all blocks and leaves; they hold its K/V from then on.
void fill(const Cache &cache, Bytes &bytes) {
  const akv_created got = cache.create(count_up(9000, 32 * 4), AKV_SEQUENCE_NO_PUBLISH, 1);
  bytes.write(got.sequence, 0, 128);
  cache.free(got.sequence);
}

akv_created create_zeroed(const Cache &cache, Bytes &bytes, std::size_t tokens, std::uint64_t domain) {
  const akv_created got = cache.create(count_up(0, tokens), AKV_SEQUENCE_NO_PUBLISH, domain);
  if (got.plan != AKV_NONE) {
    bytes.run(got.plan);
    cache.finish(got.plan);
  }
  return got;
}

// Append up to `length` tokens, running what there is to run.
void grow(const Cache &cache, Bytes &bytes, akv_sequence sequence, std::uint32_t length) {
  akv_plan plan = AKV_NONE;
  OK(cache.append(sequence, count_up(0, length - cache.info(sequence).length), &plan));
  if (plan == AKV_NONE) return;
  bytes.run(plan);
  cache.finish(plan);
}

// The next user of whatever there is, in `domain`: what it sees of others.
void check_next_user(const Cache &cache, Bytes &bytes, std::uint64_t domain) {
  const akv_room room = cache.room_for({});
  const akv_created next = create_zeroed(cache, bytes, std::size_t{room.blocks_available} * 4, domain);
  CHECK(bytes.foreign(next.sequence) == 0);
  cache.free(next.sequence);
}

}  // namespace

TEST_CASE("scrub: when a plan is abandoned its zeroing did not happen, and the next user is told to do it") {
  Cache cache;
  Bytes bytes(cache);
  fill(cache, bytes);
  SECTION("after create") { cache.roll_back(cache.create(count_up(0, 20), 0, 2).plan); }
  SECTION("after append, in a sequence that lives on") {
    const akv_sequence s = create_zeroed(cache, bytes, 4, 2).sequence;
    cache.roll_back(cache.planned(s, count_up(4, 8)));
    grow(cache, bytes, s, 12);
    CHECK(bytes.foreign(s) == 0);
  }
  SECTION("after reserve") {
    const akv_sequence s = create_zeroed(cache, bytes, 4, 2).sequence;
    akv_plan plan = AKV_NONE;
    OK(akv_sequence_reserve(cache, s, 20, &plan));
    cache.roll_back(plan);
  }
  SECTION("after create, freed before the plan was abandoned") {
    const akv_created got = cache.create(count_up(0, 20), 0, 2);
    cache.free(got.sequence);
    cache.roll_back(got.plan);
  }
  check_next_user(cache, bytes, 2);
}

TEST_CASE("scrub: D7 when an owner is dropped with its open plan, the next user is told to zero") {
  Cache cache;
  Bytes bytes(cache);
  fill(cache, bytes);
  akv_created got = AKV_CREATED_INIT;
  OK(cache.try_create(count_up(0, 20), 0, got, 2, 0, 5));
  OK(akv_cache_drop_owner(cache, 5, AKV_DROP_IN_FLIGHT, nullptr));
  check_next_user(cache, bytes, 2);
}

TEST_CASE("scrub: when the ticket of a finished plan is abandoned, its zeroing did not happen") {
  Cache cache;
  Bytes bytes(cache);
  fill(cache, bytes);
  const akv_ticket ticket = cache.open_ticket();
  bytes.queue();
  SECTION("the sequence lives, and is freed afterwards") {
    const akv_created got = cache.create(count_up(0, 20), 0, 2);
    bytes.run(got.plan);
    cache.finish(got.plan, ticket);
    bytes.settle(false);
    cache.give_up(ticket);
    cache.free(got.sequence);
  }
  SECTION("the sequence was freed before") {
    const akv_created got = cache.create(count_up(0, 20), 0, 2);
    bytes.run(got.plan);
    cache.finish(got.plan, ticket);
    cache.free(got.sequence);
    bytes.settle(false);
    cache.give_up(ticket);
  }
  SECTION("the sequence was truncated before") {
    const akv_created got = cache.create(count_up(0, 20), 0, 2);
    bytes.run(got.plan);
    cache.finish(got.plan, ticket);
    OK(akv_sequence_truncate(cache, got.sequence, 0, 0));
    bytes.settle(false);
    cache.give_up(ticket);
  }
  SECTION("the plan was for reserved blocks, behind everything that is committed") {
    bytes.settle(true);
    const akv_sequence s = create_zeroed(cache, bytes, 4, 2).sequence;
    bytes.write(s, 0, 4);
    cache.commit(s, 4);
    bytes.queue();
    akv_plan plan = AKV_NONE;
    OK(akv_sequence_reserve(cache, s, 20, &plan));
    bytes.run(plan);
    cache.finish(plan, ticket);
    bytes.settle(false);
    cache.give_up(ticket);
    if (cache.state().lost_sequences != 0) OK(akv_sequence_truncate(cache, s, cache.info(s).sound_tokens, 0));
    grow(cache, bytes, s, 20);
    CHECK(bytes.foreign(s) == 0);
    cache.free(s);
  }
  SECTION("the sequence keeps its blocks on the way back") {
    const akv_created got = cache.create(count_up(0, 20), 0, 2);
    bytes.run(got.plan);
    cache.finish(got.plan, ticket);
    bytes.settle(false);
    cache.give_up(ticket);
    OK(akv_sequence_truncate(cache, got.sequence, 0, AKV_TRUNCATE_KEEP_BLOCKS));
    grow(cache, bytes, got.sequence, 20);
    CHECK(bytes.foreign(got.sequence) == 0);
    cache.free(got.sequence);
  }
  check_next_user(cache, bytes, 2);
}

TEST_CASE("scrub: a plan abandoned under a ticket: its blocks are zeroed whether the ticket ends well or not") {
  for (const bool well : {true, false}) {
    Cache cache;
    Bytes bytes(cache);
    fill(cache, bytes);
    const akv_ticket ticket = cache.open_ticket();
    cache.roll_back(cache.create(count_up(0, 20), 0, 2).plan);
    well ? cache.retire(ticket) : static_cast<void>(cache.give_up(ticket));
    check_next_user(cache, bytes, 2);
  }
}

TEST_CASE("scrub: blocks that were given back while work on them was under way are zeroed when that work fails") {
  Cache cache;
  const akv_sequence bystander = cache.create(count_up(100, 4)).sequence;
  const akv_sequence s = cache.create(count_up(0, 7)).sequence;
  auto blocks = cache.blocks(s);
  const akv_ticket ticket = cache.open_ticket();
  SECTION("never committed") { cache.free(s); }
  SECTION("committed under the ticket: a block that is cached, and a tail that is not") {
    cache.commit(s, 7, ticket);
    cache.free(s);
  }
  SECTION("truncated") {
    cache.commit(s, 7, ticket);
    OK(akv_sequence_truncate(cache, s, 0, 0));
  }
  cache.give_up(ticket);
  const akv_created next = cache.create(count_up(500, 8));
  auto taken = cache.blocks(next.sequence);
  std::sort(taken.begin(), taken.end());
  std::sort(blocks.begin(), blocks.end());
  REQUIRE(taken == blocks);  // last freed, first used
  CHECK(next.plan != AKV_NONE);
  if (next.plan != AKV_NONE) CHECK(cache.plan_info(next.plan).zeroed_blocks == 2);
  cache.free(bystander);
}

namespace {

// An engine of three tenants on a small pool: every step one random operation, every plan run or abandoned.
class Engine {
 public:
  Engine(std::uint32_t seed, bool abandons_plans, bool abandons_tickets)
      : bytes_(cache_), random_(seed), abandons_plans_(abandons_plans), abandons_tickets_(abandons_tickets) {}

  void step() {
    if (!with_ticket_ && pick(4) == 0) begin();
    switch (live_.size() < 2 ? 0 : pick(8)) {
      case 0: create(); break;
      case 1:
      case 2:
      case 3: append(any()); break;
      case 4: fork(any()); break;
      case 5: truncate(any()); break;
      case 6: reserve(any()); break;
      default: free(pick(live_.size())); break;
    }
    if (with_ticket_ && pick(3) == 0) end();
    if (!with_ticket_) check();
  }
  std::uint32_t zeroed() const { return zeroed_; }

 private:
  std::uint32_t pick(std::size_t below) { return static_cast<std::uint32_t>(random_() % below); }
  akv_sequence any() { return live_[pick(live_.size())]; }

  // Run a plan, or abandon it. False: it was abandoned.
  bool end_plan(akv_plan plan) {
    if (plan == AKV_NONE) return true;
    if (abandons_plans_ && pick(3) == 0) {
      cache_.roll_back(plan);
      return false;
    }
    zeroed_ += static_cast<std::uint32_t>(cache_.plan_info(plan).zeroed_blocks);
    bytes_.run(plan);
    cache_.finish(plan, ticket_);
    return true;
  }
  void written(akv_sequence s, std::uint32_t first) {
    const std::uint32_t length = cache_.info(s).length;
    bytes_.write(s, first, length);
    cache_.commit(s, length, ticket_);
  }
  void create() {
    const Tokens tokens = count_up(static_cast<std::int32_t>(pick(3)) * 100, 1 + pick(20));
    akv_created got = AKV_CREATED_INIT;
    const akv_status status = cache_.try_create(tokens, pick(2) == 0 ? AKV_SEQUENCE_PARTIAL : 0u, got, 1 + pick(3));
    if (status != AKV_OK || !end_plan(got.plan)) return;
    live_.push_back(got.sequence);
    written(got.sequence, got.cached_tokens + got.partial_tokens);
  }
  void append(akv_sequence s) {
    akv_plan plan = AKV_NONE;
    const std::uint32_t first = cache_.info(s).length;
    if (cache_.append(s, count_up(static_cast<std::int32_t>(pick(1000)), 1 + pick(6)), &plan) != AKV_OK) return;
    if (end_plan(plan)) written(s, first);
  }
  void fork(akv_sequence s) {
    akv_sequence child = AKV_NONE;
    if (akv_sequence_fork(cache_, s, pick(cache_.info(s).length + 1), nullptr, &child) == AKV_OK)
      live_.push_back(child);
  }
  void truncate(akv_sequence s) {
    const akv_status status = akv_sequence_truncate(cache_, s, pick(cache_.info(s).length + 1), pick(2));
    CHECK((status == AKV_OK || status == AKV_ERROR_CONTENT_LOST));
  }
  void reserve(akv_sequence s) {
    akv_plan plan = AKV_NONE;
    if (akv_sequence_reserve(cache_, s, cache_.info(s).length + pick(12), &plan) == AKV_OK) end_plan(plan);
  }
  void free(std::uint32_t index) {
    cache_.free(live_[index]);
    live_.erase(live_.begin() + index);
  }
  void begin() {
    ticket_ = cache_.open_ticket();
    bytes_.queue();
    with_ticket_ = true;
  }
  void end() {
    const bool well = !abandons_tickets_ || pick(3) != 0;
    bytes_.settle(well);
    well ? cache_.retire(ticket_) : static_cast<void>(cache_.give_up(ticket_));
    ticket_ = AKV_NONE;
    with_ticket_ = false;
    for (const akv_sequence s : live_) {
      akv_room room = AKV_ROOM_INIT;
      OK(akv_sequence_can_extend(cache_, s, 0, &room));
      if (room.status == AKV_ERROR_CONTENT_LOST) OK(akv_sequence_truncate(cache_, s, cache_.info(s).sound_tokens, 0));
    }
  }
  void check() const {
    CHECK(cache_.state().lost_sequences == 0);
    for (const akv_sequence s : live_) {
      REQUIRE(bytes_.foreign(s) == 0);
      REQUIRE(bytes_.missing(s, cache_.info(s).committed) == 0);
    }
  }

  Cache cache_;
  Bytes bytes_;
  std::mt19937 random_;
  const bool abandons_plans_, abandons_tickets_;
  akv_ticket ticket_ = AKV_NONE;
  bool with_ticket_ = false;
  std::vector<akv_sequence> live_;
  std::uint32_t zeroed_ = 0;
};

void play(bool abandons_plans, bool abandons_tickets) {
  std::uint32_t zeroed = 0;
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    Engine engine(seed, abandons_plans, abandons_tickets);
    for (int i = 0; i < 400; ++i) engine.step();
    zeroed += engine.zeroed();
  }
  CHECK(zeroed > 1000);
}

}  // namespace

TEST_CASE("scrub: random operations of three domains: no room ever holds another's K/V, and none is lost") {
  play(false, false);
}

TEST_CASE("scrub: the same where plans are abandoned now and then") { play(true, false); }

TEST_CASE("scrub: the same where tickets are abandoned now and then") { play(false, true); }
