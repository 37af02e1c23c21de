// lease.cpp: the promises of ticket.h about leases: blocks that a long transfer reads or writes.
// It knows the public API only.
#include "fixture.hpp"

#include <algorithm>

using namespace akv::test;

namespace {

std::vector<std::int32_t> first_of(std::vector<std::int32_t> blocks, std::size_t count) {
  blocks.resize(count);
  return blocks;
}

// Use up every block that can be had: none of `blocks` may be among them.
void check_not_reused(const Cache &cache, const std::vector<std::int32_t> &blocks) {
  const akv_room room = cache.room_for({});
  const Tokens tokens = count_up(100000, std::size_t{room.blocks_available} * 4);
  const akv_sequence all = cache.create(tokens, AKV_SEQUENCE_NO_MATCH | AKV_SEQUENCE_NO_PUBLISH).sequence;
  for (const std::int32_t block : cache.blocks(all))
    CHECK(std::find(blocks.begin(), blocks.end(), block) == blocks.end());
  CHECK(cache.free_blocks() == 0);
  cache.free(all);
}

}  // namespace

TEST_CASE("lease: it is on the blocks of the first tokens, and tells them in order of position") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 14)).sequence;
  const auto table = cache.blocks(s);
  const akv_lease two = cache.lease(s, 5), all = cache.lease(s, 14), one = cache.lease(s, 1);
  CHECK(cache.lease_blocks(two) == first_of(table, 2));
  CHECK(cache.lease_blocks(all) == table);
  CHECK(cache.lease_blocks(one) == first_of(table, 1));
  CHECK(cache.blocks(s) == table);  // the sequence's own table does not move
  CHECK(cache.state().leases == 3);
  for (const akv_lease lease : {two, all, one}) cache.release(lease);
  CHECK(cache.state().leases == 0);
}

TEST_CASE("lease: a buffer too small is told how many blocks there are, and is not written to") {
  Cache cache;
  const akv_lease lease = cache.lease(cache.create(count_up(0, 14)).sequence, 14);
  std::int32_t few[3] = {-9, -9, -9};
  std::uint32_t count = 0;
  CHECK(akv_lease_read_blocks(cache, lease, few, 3, &count) == AKV_ERROR_BUFFER_TOO_SMALL);
  CHECK((count == 4 && few[0] == -9 && few[2] == -9));
  count = 0;
  CHECK(akv_lease_read_blocks(cache, lease, nullptr, 0, &count) == AKV_ERROR_BUFFER_TOO_SMALL);
  CHECK(count == 4);
}

TEST_CASE("lease: no more tokens than there are, and at least one") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 6)).sequence;
  akv_lease lease = 99;
  CHECK(akv_lease_acquire(cache, s, 0, 0, &lease, nullptr) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_lease_acquire(cache, s, 7, 0, &lease, nullptr) == AKV_ERROR_OUT_OF_RANGE);
  CHECK((lease == 99 && cache.state().leases == 0));
}

TEST_CASE("lease: the blocks outlive the end of their sequence, and go back when the lease is released") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 14)).sequence;
  const auto blocks = cache.blocks(s);
  const akv_lease lease = cache.lease(s, 10);
  cache.free(s);
  CHECK((cache.state().quarantined_blocks == 3 && cache.free_blocks() == 29));
  CHECK(cache.lease_blocks(lease) == first_of(blocks, 3));
  check_not_reused(cache, cache.lease_blocks(lease));
  cache.release(lease);
  CHECK((cache.state().quarantined_blocks == 0 && cache.free_blocks() == 32));
}

TEST_CASE("lease: the blocks outlive truncation, and what is written behind the cut goes to other blocks") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 14)).sequence;
  const akv_lease lease = cache.lease(s, 14);
  const auto blocks = cache.lease_blocks(lease);
  OK(akv_sequence_truncate(cache, s, 4, 0));
  OK(cache.append(s, count_up(50, 10)));
  const auto table = cache.blocks(s);
  CHECK(table[0] == blocks[0]);
  for (std::size_t i = 1; i < table.size(); ++i)
    CHECK(std::find(blocks.begin(), blocks.end(), table[i]) == blocks.end());
  check_not_reused(cache, blocks);
  cache.release(lease);
  CHECK(cache.free_blocks() == 28);
}

TEST_CASE("lease: truncation with KEEP_BLOCKS keeps none of the leased blocks to write to") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 12)).sequence;
  const akv_lease lease = cache.lease(s, 12);
  const auto leased = cache.lease_blocks(lease);
  OK(akv_sequence_truncate(cache, s, 4, AKV_TRUNCATE_KEEP_BLOCKS));
  OK(cache.append(s, {50}));
  CHECK(std::find(leased.begin() + 1, leased.end(), cache.blocks(s)[1]) == leased.end());
  cache.release(lease);
}

TEST_CASE("lease: cached blocks under a lease are found, are never evicted, and return to the cache") {
  Cache cache;
  const akv_sequence s = cache.committed(count_up(0, 16));
  const akv_lease lease = cache.lease(s, 16);
  const auto blocks = cache.lease_blocks(lease);
  cache.free(s);
  CHECK((cache.state().quarantined_blocks == 4 && cache.state().evictable_blocks == 0));
  check_not_reused(cache, blocks);
  CHECK(cache.match(count_up(0, 17)).cached_tokens == 16);
  const akv_created again = cache.create(count_up(0, 17));
  CHECK((again.cached_tokens == 16 && first_of(cache.blocks(again.sequence), 4) == blocks));
  cache.free(again.sequence);
  cache.release(lease);
  CHECK((cache.state().cached_blocks == 4 && cache.state().evictable_blocks == 4));
}

TEST_CASE("lease: a cleared prefix is not found any more, and its leased blocks stay until the release") {
  Cache cache;
  const akv_sequence s = cache.committed(count_up(0, 16));
  const akv_lease lease = cache.lease(s, 16);
  const auto blocks = cache.lease_blocks(lease);
  cache.free(s);
  OK(akv_prefix_clear(cache, nullptr, 0, nullptr));
  CHECK(cache.match(count_up(0, 17)).cached_tokens == 0);
  CHECK(cache.lease_blocks(lease) == blocks);
  check_not_reused(cache, blocks);
  cache.release(lease);
  CHECK(cache.free_blocks() == 32);
}

TEST_CASE("lease: a leased last block is not written in place: its sequence copies it before it appends") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 6)).sequence;
  cache.commit(s, 6);
  const akv_lease lease = cache.lease(s, 6);
  const auto blocks = cache.lease_blocks(lease);
  CHECK(cache.append(s, {6}) == AKV_ERROR_PLAN_NEEDED);
  const akv_plan plan = cache.planned(s, {6});
  const akv_plan_record r = cache.records(plan).at(0);
  CHECK((r.kind == AKV_PLAN_COPY_ON_WRITE && r.source_block == blocks[1] && r.num_tokens == 2));
  CHECK((cache.blocks(s)[1] == r.target_block && r.target_block != blocks[1]));
  cache.finish(plan);
  CHECK(cache.lease_blocks(lease) == blocks);
  cache.release(lease);
  OK(cache.append(s, {7}));
}

TEST_CASE("lease: once it is released the sequence writes to its last block in place again") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 6)).sequence;
  const auto blocks = cache.blocks(s);
  cache.release(cache.lease(s, 6));
  OK(cache.append(s, {6}));
  CHECK(cache.blocks(s) == blocks);
}

TEST_CASE("lease: an incoming transfer writes tokens that are not committed, and they are found when they are") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 8)).sequence;
  const akv_lease lease = cache.lease(s, 8);
  CHECK(cache.match(count_up(0, 9)).cached_tokens == 0);
  cache.commit(s, 8);
  CHECK(cache.match(count_up(0, 9)).cached_tokens == 8);
  cache.release(lease);
  cache.free(s);
  CHECK(cache.match(count_up(0, 9)).cached_tokens == 8);
}

TEST_CASE("lease: an aborted incoming transfer leaves nothing behind, and its blocks are kept until it has ended") {
  Cache cache;
  akv_created created = AKV_CREATED_INIT;
  OK(cache.try_create(count_up(0, 8), 0, created, 0, 0, 5));
  const akv_lease lease = cache.lease(created.sequence, 8, 5);
  OK(akv_cache_drop_owner(cache, 5, 0, nullptr));
  CHECK((cache.state().sequences == 0 && cache.state().quarantined_blocks == 2));
  check_not_reused(cache, cache.lease_blocks(lease));
  cache.release(lease);
  CHECK((cache.free_blocks() == 32 && cache.match(count_up(0, 9)).cached_tokens == 0));
}

TEST_CASE("lease: where an equal block was published before, the lease is on that one") {
  Cache cache;
  const akv_sequence first = cache.create(count_up(0, 8)).sequence, second = cache.create(count_up(0, 8)).sequence;
  cache.commit(first, 8);
  cache.commit(second, 8);
  CHECK(cache.blocks(first) != cache.blocks(second));
  const akv_lease lease = cache.lease(second, 8);
  CHECK(cache.lease_blocks(lease) == cache.blocks(first));
  cache.free(first);
  cache.free(second);
  CHECK(cache.state().quarantined_blocks == 2);
  cache.release(lease);
}

TEST_CASE("lease: two on the same blocks: they go back after the last one") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 8)).sequence;
  const akv_lease a = cache.lease(s, 8), b = cache.lease(s, 4);
  cache.free(s);
  cache.release(a);
  CHECK(cache.state().quarantined_blocks == 1);
  CHECK(cache.lease_blocks(b).size() == 1);
  cache.release(b);
  CHECK(cache.free_blocks() == 32);
}

TEST_CASE("lease: a reader is told to wait for the writer, and only where its tokens need it") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 10)).sequence;
  cache.commit(s, 4);
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(s, 10, ticket);
  akv_lease lease = AKV_NONE;
  akv_ticket wait = 99;
  OK(akv_lease_acquire(cache, s, 4, 0, &lease, &wait));
  CHECK(wait == AKV_NONE);
  OK(akv_lease_acquire(cache, s, 5, 0, &lease, &wait));
  CHECK(wait == ticket);
  OK(akv_lease_acquire(cache, s, 10, 0, &lease, &wait));
  CHECK(wait == ticket);
  cache.retire(ticket);
  OK(akv_lease_acquire(cache, s, 10, 0, &lease, &wait));
  CHECK(wait == AKV_NONE);
}

TEST_CASE("lease: a slow transfer stops nobody else: tickets pass and other blocks come back") {
  Cache cache([](akv_cache_config &c) { c.max_open_tickets = 4; });
  const akv_sequence slow = cache.create(count_up(0, 8)).sequence;
  const akv_lease lease = cache.lease(slow, 8);
  cache.free(slow);
  for (int i = 0; i < 20; ++i) {
    const akv_sequence s = cache.create(count_up(100, 30 * 4)).sequence;
    const akv_ticket ticket = cache.open_ticket();
    cache.free(s);
    cache.retire(ticket);
    CHECK((cache.free_blocks() == 30 && cache.state().quarantined_blocks == 2));
  }
  cache.release(lease);
}

TEST_CASE("lease: B17 no more than max_holds pins and leases, and room again after one has ended") {
  Cache cache([](akv_cache_config &c) { c.max_holds = 2; });
  const akv_sequence s = cache.committed(count_up(0, 8));
  const Tokens tokens = count_up(0, 8);
  const akv_prompt prompt = cache.prompt(tokens);
  akv_pin pin = AKV_NONE;
  OK(akv_prefix_pin(cache, &prompt, 0, &pin, nullptr));
  const akv_lease lease = cache.lease(s, 8);
  akv_lease other = 99;
  CHECK(akv_lease_acquire(cache, s, 4, 0, &other, nullptr) == AKV_ERROR_NO_HOLDS);
  CHECK(last_error() == "all 2 pins and leases (max_holds) exist");
  CHECK((other == 99 && cache.state().leases == 1));
  cache.release(lease);
  cache.release(cache.lease(s, 4));
}

TEST_CASE("lease: D7 drop_owner leaves leases alone unless it is told that nothing is in flight any more") {
  Cache cache;
  akv_created created = AKV_CREATED_INIT;
  OK(cache.try_create(count_up(0, 8), 0, created, 0, 0, 5));
  const akv_lease lease = cache.lease(created.sequence, 8, 5), other = cache.lease(created.sequence, 4, 6);
  std::uint32_t released = 0;
  OK(akv_cache_drop_owner(cache, 5, 0, &released));
  CHECK((released == 1 && cache.state().leases == 2 && cache.state().quarantined_blocks == 2));
  OK(akv_cache_drop_owner(cache, 5, AKV_DROP_IN_FLIGHT, &released));
  CHECK((released == 1 && cache.state().leases == 1 && cache.state().quarantined_blocks == 1));
  CHECK(akv_lease_release(cache, lease) == AKV_ERROR_BAD_HANDLE);  // a late completion changes nothing
  cache.release(other);
  CHECK(cache.free_blocks() == 32);
}

TEST_CASE("lease: D7 drop_owner with IN_FLIGHT frees what an open plan leased for the owner's sequences") {
  Cache cache;
  const akv_sequence parent = cache.committed(count_up(0, 6));
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.owner = 5;
  akv_sequence child = AKV_NONE;
  OK(akv_sequence_fork(cache, parent, AKV_UNSET, &options, &child));
  const akv_plan plan = cache.planned(child, {60});
  OK(akv_cache_drop_owner(cache, 5, AKV_DROP_IN_FLIGHT, nullptr));
  CHECK((cache.state().plans == 0 && cache.state().quarantined_blocks == 0));
  CHECK(akv_plan_finish(cache, plan, AKV_NONE) == AKV_ERROR_BAD_HANDLE);
  cache.free(parent);
  CHECK(cache.free_blocks() == 31);
}

TEST_CASE("lease: it ends once: a second release, a pin's handle and a lease never made are refused") {
  Cache cache;
  const akv_sequence s = cache.committed(count_up(0, 8));
  const akv_lease lease = cache.lease(s, 8);
  cache.release(lease);
  const akv_lease next = cache.lease(s, 8);  // in the same place
  CHECK(next != lease);
  CHECK(akv_lease_release(cache, lease) == AKV_ERROR_BAD_HANDLE);
  std::uint32_t count = 0;
  CHECK(akv_lease_read_blocks(cache, lease, nullptr, 0, &count) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_lease_release(cache, s) == AKV_ERROR_WRONG_TYPE);
  CHECK(akv_prefix_unpin(cache, next) == AKV_ERROR_WRONG_TYPE);
  CHECK(akv_lease_release(cache, AKV_NONE) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(cache.state().leases == 1);
}

TEST_CASE("lease: the read-out of holds tells who keeps blocks, and since which ticket") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 8)).sequence;
  const akv_ticket ticket = cache.open_ticket();
  const akv_lease lease = cache.lease(s, 8, 42);
  akv_hold_line line{};
  std::uint32_t count = 0;
  OK(akv_cache_read_holds(cache, &line, sizeof line, 1, &count));
  CHECK((count == 1 && line.handle == lease && line.owner == 42 && line.kind == AKV_HOLD_LEASE));
  CHECK((line.blocks == 2 && line.since == ticket));
}
