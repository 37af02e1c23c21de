// state.cpp: the promises of state.h: gauges, counters, lines, the block map, measures.
// It knows the public API only. That the gauges sum and the books balance is checked with every look: fixture.hpp.
#include "fixture.hpp"

#include <algorithm>
#include <array>
#include <cmath>

using namespace akv::test;

namespace {

bool near(float value, double wanted) { return std::abs(static_cast<double>(value) - wanted) < 1e-6; }

std::vector<std::uint8_t> map_of(const Cache &cache) {
  std::vector<std::uint8_t> map(cache.state().num_blocks + 1, 99);
  OK(akv_cache_read_block_map(cache, map.data(), static_cast<std::uint32_t>(map.size())));
  return map;
}

// The gauges in the order of the block map's codes, AKV_BLOCK_NULL included.
std::array<std::uint32_t, 8> gauges_of(const akv_cache_state &s) {
  return {s.free_blocks,   s.dirty_blocks,  s.reserved_blocks,    s.live_blocks,
          s.pinned_blocks, s.cached_blocks, s.quarantined_blocks, 1};
}

// The state, after a check that the map tells the same block by block.
akv_cache_state look(const Cache &cache) {
  const akv_cache_state s = cache.state();
  std::array<std::uint32_t, 8> counted{};
  const auto map = map_of(cache);
  for (const std::uint8_t code : map) {
    REQUIRE(code < 8);
    ++counted[code];
  }
  CHECK(counted == gauges_of(s));
  CHECK(map[0] == AKV_BLOCK_NULL);
  return s;
}

akv_measures measure(const Cache &cache) {
  akv_measures m = AKV_MEASURES_INIT;
  OK(akv_cache_measure(cache, &m));
  return m;
}

std::vector<akv_sequence_line> lines_of(const Cache &cache) {
  std::vector<akv_sequence_line> lines(8);
  std::uint32_t count = 0;
  OK(akv_cache_read_sequences(cache, lines.data(), sizeof lines[0], 8, &count));
  lines.resize(count);
  return lines;
}

std::vector<akv_hold_line> holds_of(const Cache &cache) {
  std::vector<akv_hold_line> lines(8);
  std::uint32_t count = 0;
  OK(akv_cache_read_holds(cache, lines.data(), sizeof lines[0], 8, &count));
  lines.resize(count);
  return lines;
}

akv_pin pin(const Cache &cache, const Tokens &tokens, std::uint64_t owner = 0) {
  const akv_prompt prompt = cache.prompt(tokens);
  akv_pin handle = 0;
  OK(akv_prefix_pin(cache, &prompt, owner, &handle, nullptr));
  return handle;
}

akv_lease lease(const Cache &cache, akv_sequence sequence, std::uint32_t tokens, std::uint64_t owner = 0) {
  akv_lease handle = 0;
  OK(akv_lease_acquire(cache, sequence, tokens, owner, &handle, nullptr));
  return handle;
}

}  // namespace

TEST_CASE("state: B7 D4 a new cache is free, and tells its size, its slots and the bytes of a block") {
  const Cache cache;
  const akv_cache_state s = look(cache);
  CHECK((s.num_blocks == 32 && s.free_blocks == 32 && s.block_tokens == 4));
  CHECK((s.sequences == 0 && s.max_sequences == 8 && s.runs == 0 && s.pins + s.leases + s.plans == 0));
  CHECK(s.bytes_per_block == 4 * 2 * 32 * 8 * 128 * 2);
  CHECK((s.oldest_open == AKV_NONE && s.newest == AKV_NONE && s.swapped_sequences == 0));
  CHECK(s.metadata_used_bytes <= s.metadata_reserved_bytes);
}

TEST_CASE("state: B7 D4 live and reserved blocks are told apart, and so are tokens and the room they lie in") {
  Cache cache;
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.reserve_tokens = 20;
  const Tokens tokens = count_up(0, 6);
  const akv_prompt prompt = cache.prompt(tokens);
  akv_created created = AKV_CREATED_INIT;
  OK(akv_sequence_create(cache, &prompt, &options, &created));
  akv_cache_state s = look(cache);
  CHECK((s.live_blocks == 2 && s.reserved_blocks == 3 && s.free_blocks == 27));
  CHECK((s.sequence_tokens == 6 && s.sequences == 1));
  const auto map = map_of(cache);
  const auto ids = cache.blocks(created.sequence);
  for (std::size_t i = 0; i < 5; ++i)
    CHECK(map[static_cast<std::size_t>(ids[i])] == (i < 2 ? AKV_BLOCK_LIVE : AKV_BLOCK_RESERVED));
  const akv_measures m = measure(cache);
  CHECK((m.live_tokens == 6 && near(m.waste, 1 - 6 / 20.0)));
  OK(cache.append(created.sequence, count_up(6, 3)));
  s = look(cache);
  CHECK((s.live_blocks == 3 && s.reserved_blocks == 2 && s.sequence_tokens == 9));
}

TEST_CASE("state: B7 cached blocks are evictable, once the tickets of their writer have ended") {
  Cache cache;
  const akv_ticket ticket = cache.open_ticket();
  const akv_sequence a = cache.create(count_up(0, 8)).sequence;
  OK(akv_sequence_commit(cache, a, 8, ticket));
  cache.free(a);
  akv_cache_state s = look(cache);
  CHECK((s.cached_blocks == 2 && s.evictable_blocks == 0 && s.cached_tokens == 8 && s.published_blocks == 2));
  CHECK((s.open_tickets == 1 && s.oldest_open == ticket && s.newest == ticket));
  const akv_ticket second = cache.open_ticket();
  OK(akv_ticket_retire(cache, ticket));
  s = look(cache);
  CHECK((s.oldest_open == second && s.newest == second));
  OK(akv_ticket_retire(cache, second));
  s = look(cache);
  CHECK((s.cached_blocks == 2 && s.evictable_blocks == 2 && s.oldest_open == AKV_NONE && s.newest == second));
}

TEST_CASE("state: B7 what is given back is dirty, unless no scrubbing is wanted; magazines count as free") {
  for (const std::uint32_t scrub : {AKV_SCRUB_DOMAIN, AKV_SCRUB_ALWAYS, AKV_SCRUB_NONE}) {
    Cache cache;
    OK(akv_cache_destroy(cache));
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_blocks = 32;
    config.block_tokens = 4;
    config.scrub = scrub;
    config.magazine_blocks = 5;
    OK(akv_cache_create(&config, &cache.handle));
    cache.free(cache.create(count_up(0, 12)).sequence);
    akv_cache_state s = look(cache);
    CHECK(s.dirty_blocks == (scrub == AKV_SCRUB_NONE ? 0 : 3));
    CHECK(s.free_blocks == (scrub == AKV_SCRUB_NONE ? 32 : 29));
    if (scrub == AKV_SCRUB_ALWAYS) continue;
    const akv_sequence a = cache.create({}).sequence;
    OK(cache.append(a, {1}));
    s = look(cache);
    CHECK((s.live_blocks == 1 && s.free_blocks + s.dirty_blocks == 31 && s.refills == 1));
    OK(cache.append(a, count_up(2, 3)));
    for (int i = 5; i < 21; ++i) OK(cache.append(a, {i}));  // four blocks more, from the magazine
    CHECK(look(cache).refills == 1);
    OK(cache.append(a, {21}));
    CHECK(look(cache).refills == 2);
  }
}

TEST_CASE("state: B7 quarantined is what waits for a ticket, and what a lease or a plan alone holds") {
  Cache cache;
  const akv_ticket ticket = cache.open_ticket();
  cache.free(cache.create(count_up(0, 8)).sequence);
  CHECK(look(cache).quarantined_blocks == 2);
  OK(akv_ticket_retire(cache, ticket));
  CHECK((look(cache).quarantined_blocks == 0 && look(cache).dirty_blocks == 2));

  const akv_sequence leased = cache.committed(count_up(100, 10));
  const akv_lease hold = lease(cache, leased, 10);
  CHECK(look(cache).live_blocks == 3);
  cache.free(leased);
  CHECK((look(cache).quarantined_blocks == 3 && look(cache).leases == 1));
  OK(akv_lease_release(cache, hold));
  CHECK((look(cache).quarantined_blocks == 0 && look(cache).cached_blocks == 2));

  const akv_sequence parent = cache.committed(count_up(200, 6));
  akv_sequence child = 0;
  akv_plan plan = AKV_NONE;
  OK(akv_sequence_fork(cache, parent, AKV_UNSET, nullptr, &child));
  OK(cache.append(child, {1}, &plan));
  cache.free(child);
  cache.free(parent);
  const akv_cache_state s = look(cache);
  CHECK((s.quarantined_blocks >= 2 && s.plans == 1 && s.sequences == 0));  // source and target
  cache.finish(plan);
  CHECK(look(cache).quarantined_blocks == 0);
}

TEST_CASE("state: B7 a block that would fit several gauges is the first: live, then pinned, then quarantined") {
  Cache cache;
  const akv_sequence s = cache.committed(count_up(0, 8));
  const akv_pin held = pin(cache, count_up(0, 8));
  const akv_lease leased = lease(cache, s, 8);
  CHECK((look(cache).live_blocks == 2 && look(cache).pins == 1));
  cache.free(s);
  CHECK((look(cache).pinned_blocks == 2 && look(cache).cached_tokens == 8));
  OK(akv_prefix_unpin(cache, held));
  CHECK((look(cache).quarantined_blocks == 2 && look(cache).pins == 0));
  OK(akv_lease_release(cache, leased));
  CHECK((look(cache).cached_blocks == 2 && look(cache).leases == 0));
}

TEST_CASE("state: B7 duplicates are blocks that were computed twice") {
  Cache cache;
  const akv_sequence a = cache.create(count_up(0, 9)).sequence, b = cache.create(count_up(0, 9)).sequence;
  OK(akv_sequence_commit(cache, a, 9, AKV_NONE));
  CHECK(look(cache).duplicate_blocks == 0);
  OK(akv_sequence_commit(cache, b, 9, AKV_NONE));
  CHECK((look(cache).duplicate_blocks == 2 && look(cache).live_blocks == 6));
  cache.free(b);
  CHECK((look(cache).duplicate_blocks == 0 && look(cache).live_blocks == 3));
}

TEST_CASE("state: D4 the counters count what was asked, found, evicted, copied and refused") {
  Cache cache;
  cache.cache_prefix(count_up(0, 16));
  Tokens similar = count_up(0, 12);
  similar[10] = 500;
  const akv_created partial = cache.create(similar, AKV_SEQUENCE_PARTIAL);  // hits 8, and 2 inside a block
  akv_cache_state s = look(cache);
  CHECK((s.created_sequences == 2 && s.freed_sequences == 1));
  CHECK((s.prompt_tokens == 28 && s.hit_tokens == 8 && s.partial_tokens == 2));
  CHECK((s.published_blocks == 4 && s.evicted_blocks == 0 && s.copy_on_writes == 0 && s.refused_no_blocks == 0));
  cache.finish(partial.plan);
  cache.free(partial.sequence);

  const akv_sequence parent = cache.committed(count_up(100, 6));
  akv_sequence child = 0;
  akv_plan plan = AKV_NONE;
  OK(akv_sequence_fork(cache, parent, AKV_UNSET, nullptr, &child));
  OK(cache.append(child, {1}, &plan));
  cache.finish(plan);
  s = look(cache);
  CHECK((s.created_sequences == 4 && s.freed_sequences == 2 && s.copy_on_writes == 1));
  CHECK((s.prompt_tokens == 34 && s.hit_tokens == 8));  // a fork asks for no prompt
  CHECK(s.peak_live_blocks == 4);                       // the first prompt's
  akv_created big = AKV_CREATED_INIT;
  CHECK(cache.try_create(count_up(1000, 30 * 4), 0, big) == AKV_ERROR_NO_BLOCKS);
  CHECK(look(cache).refused_no_blocks == 1);
  OK(cache.try_create(count_up(1000, 29 * 4), 0, big));
  s = look(cache);
  CHECK((s.evicted_blocks == 4 && s.peak_live_blocks == 32 && s.free_blocks + s.dirty_blocks == 0));
  CHECK(s.evictable_blocks == 0);
  cache.free(big.sequence);
  CHECK(look(cache).peak_live_blocks == 32);
}

TEST_CASE("state: runs are the nodes of the index, and lost sequences are told until they are truncated or freed") {
  Cache cache;
  cache.cache_prefix(count_up(0, 16));
  CHECK(look(cache).runs == 1);
  Tokens other = count_up(0, 16);
  other[12] = 99;
  cache.cache_prefix(other);  // three blocks in common, then two ends
  CHECK(look(cache).runs == 3);

  const akv_ticket ticket = cache.open_ticket();
  const akv_sequence a = cache.create(count_up(500, 8)).sequence, b = cache.create(count_up(600, 8)).sequence;
  OK(akv_sequence_commit(cache, a, 8, ticket));
  OK(akv_sequence_commit(cache, b, 8, ticket));
  std::uint32_t lost = 0;
  OK(akv_ticket_abandon(cache, ticket, &lost));
  CHECK((lost == 2 && look(cache).lost_sequences == 2));
  OK(akv_sequence_truncate(cache, a, 0, 0));
  CHECK(look(cache).lost_sequences == 1);
  cache.free(b);
  CHECK(look(cache).lost_sequences == 0);
}

TEST_CASE("state: metadata in use grows with what was ever used, and never over what is reserved") {
  Cache cache([](akv_cache_config &c) { c.num_blocks = 4096; });
  const akv_cache_state before = look(cache);
  const akv_sequence s = cache.committed(count_up(0, 900));
  const akv_cache_state after = look(cache);
  CHECK(after.metadata_used_bytes >= before.metadata_used_bytes + 900 * sizeof(std::int32_t));
  CHECK(after.metadata_used_bytes < after.metadata_reserved_bytes);
  CHECK(after.metadata_reserved_bytes == before.metadata_reserved_bytes);
  cache.free(s);
}

TEST_CASE("state: B8 there is a line for each sequence, with its ids, lengths, blocks and troubles") {
  Cache cache;
  CHECK(lines_of(cache).empty());
  akv_created a = AKV_CREATED_INIT;
  OK(cache.try_create({1, 2, 3, 4, 5, AKV_TOKEN_UNKNOWN}, 0, a, 3, 77, 9));
  OK(akv_sequence_commit(cache, a.sequence, 4, AKV_NONE));
  OK(akv_sequence_reserve(cache, a.sequence, 13, nullptr));
  const akv_sequence_line line = lines_of(cache).at(0);
  CHECK((line.sequence == a.sequence && line.request_id == 77 && line.owner == 9 && line.domain == 3));
  CHECK((line.length == 6 && line.known == 5 && line.committed == 4));
  CHECK((line.num_blocks == 4 && line.reserved_blocks == 2 && line.flags == 0));

  const akv_sequence parent = cache.committed(count_up(100, 6), 3);
  akv_sequence child = 0;
  akv_plan plan = AKV_NONE;
  OK(akv_sequence_fork(cache, parent, AKV_UNSET, nullptr, &child));
  OK(cache.append(child, {1}, &plan));
  const akv_ticket ticket = cache.open_ticket();
  const akv_sequence lost = cache.create(count_up(600, 8), 0, 3).sequence;
  OK(akv_sequence_commit(cache, lost, 8, ticket));
  OK(akv_ticket_abandon(cache, ticket, nullptr));
  const auto lines = lines_of(cache);
  CHECK(lines.size() == 4);
  for (const akv_sequence_line &each : lines)
    CHECK(each.flags == (each.sequence == child  ? AKV_LINE_PLAN_OPEN
                         : each.sequence == lost ? AKV_LINE_CONTENT_LOST
                                                 : 0));
}

TEST_CASE("state: B8 there is a line for each pin, lease and plan: who holds how much, and since when") {
  Cache cache;
  CHECK(holds_of(cache).empty());
  const akv_sequence s = cache.committed(count_up(0, 10));
  const akv_pin pinned = pin(cache, count_up(0, 8), 5);
  const akv_ticket first = cache.open_ticket();
  const akv_lease leased = lease(cache, s, 9, 6);
  const akv_ticket second = cache.open_ticket();
  akv_sequence child = 0;
  akv_plan plan = AKV_NONE;
  OK(akv_sequence_fork(cache, s, AKV_UNSET, nullptr, &child));
  OK(cache.append(child, {1}, &plan));
  const auto lines = holds_of(cache);
  CHECK(lines.size() == 3);
  for (const akv_hold_line &line : lines) {
    if (line.kind == AKV_HOLD_PIN)
      CHECK((line.handle == pinned && line.owner == 5 && line.since == AKV_NONE && line.blocks == 2));
    else if (line.kind == AKV_HOLD_LEASE)
      CHECK((line.handle == leased && line.owner == 6 && line.since == first && line.blocks == 3));
    else
      CHECK((line.kind == AKV_HOLD_PLAN && line.handle == plan && line.owner == 0 && line.since == second &&
             line.blocks == 1));
  }
}

TEST_CASE("state: line and map buffers that are too small are told the size they need") {
  Cache cache;
  for (int i = 0; i < 3; ++i) cache.create({i});
  akv_sequence_line lines[2];
  std::uint32_t count = 0;
  CHECK(akv_cache_read_sequences(cache, lines, sizeof lines[0], 2, &count) == AKV_ERROR_BUFFER_TOO_SMALL);
  CHECK(count == 3);
  std::vector<std::uint8_t> map(33, 99);
  CHECK(akv_cache_read_block_map(cache, map.data(), 32) == AKV_ERROR_BUFFER_TOO_SMALL);
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  OK(akv_last_error_detail(&detail));
  CHECK((detail.needed == 33 && detail.available == 32));
  CHECK(std::count(map.begin(), map.end(), 99) == 33);
}

TEST_CASE("state: shared_blocks of a sequence are those in the index, and those that a fork or a lease has as well") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 6)).sequence;
  CHECK(cache.info(s).shared_blocks == 0);
  akv_sequence child = 0;
  OK(akv_sequence_fork(cache, s, AKV_UNSET, nullptr, &child));
  CHECK(cache.info(s).shared_blocks == 2);
  cache.free(child);
  CHECK(cache.info(s).shared_blocks == 0);
  const akv_lease leased = lease(cache, s, 4);
  CHECK(cache.info(s).shared_blocks == 1);
  OK(akv_lease_release(cache, leased));
  CHECK(cache.info(s).shared_blocks == 0);
  OK(akv_sequence_commit(cache, s, 6, AKV_NONE));
  CHECK(cache.info(s).shared_blocks == 1);
}
